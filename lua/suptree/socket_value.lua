--- What may be written as `sockets`, from a table to the bytes of a blob.
local accounts = require "suptree.accounts"
local options = require "suptree.options"
local text = require "suptree.text"

local socket_value = {}

local describe = text.describe

local HINT = 'Write { http = "127.0.0.1:8080", admin = "unix:run/admin.sock" }.'
local FIELDS = { "address", "backlog", "free_bind", "group", "mode", "reuse_port", "user" }
local BACKLOG, NO_ID = 4096, 0xffffffff

-- How one field of a table is read: its value, or nothing when a fault was noted.
local fields = {}

function fields.backlog(fail, value)
    local count = type(value) == "number" and math.tointeger(value)
    if count and count >= 1 and count <= 0x7fffffff then return count end
    fail(("must be a whole number of connections, not %s"):format(describe(value)), nil, ".backlog")
end

function fields.mode(fail, value)
    local mode = type(value) == "string" and value:find "^[0-7]+$" and tonumber(value, 8)
    if mode and mode <= 511 then return mode end
    local reason = type(value) == "number" and "is the number %s, which leaves open whether it is octal"
        or "is %s, which is no mode of a file"
    fail(reason:format(describe(value)), 'Write an octal text such as "0660".', ".mode")
end

local function flag(name)
    return function(fail, value)
        if type(value) == "boolean" then return value and 1 or 0 end
        fail(("must be true or false, not %s"):format(describe(value)), nil, "." .. name)
    end
end

fields.reuse_port, fields.free_bind = flag "reuse_port", flag "free_bind"

local function account(name, find)
    return function(fail, value)
        local number = math.type(value) == "integer" and value >= 0 and value < NO_ID and value
        local is_name = type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
        local found = is_name and find(value) or number
        if found then return found end
        fail(("there is no %s %s on this machine"):format(name, describe(value)), "Make it, or write another.",
            "." .. name)
    end
end

fields.user = account("user", function(name)
    local user = accounts.user(name)
    return user and user.uid
end)
fields.group = account("group", accounts.group)

-- The one way to write an address, or nothing when a fault was noted.
local function read_address(v, fail, value, helpers)
    if math.type(value) == "integer" then value = tostring(value) end
    if type(value) ~= "string" or value:find("\0", 1, true) then
        return fail(("must be an address, not %s"):format(describe(value)), HINT)
    end
    local path = value:match "^unix:([^@].*)$"
    if path then
        path = helpers.absolute_path(v, path, "")
        if not path then return end
        value = "unix:" .. path
    end
    local address, fault, hint = options.socket_address(value)
    if address then return address end
    fail(("%s %s"):format(describe(value), fault), hint)
end

-- The fields of the table of a socket; nil when a fault was noted.
local function read_table(fail, value, helpers)
    local read, good = {}, true
    for _, key in ipairs(helpers.unknown_keys(value, FIELDS)) do
        fail(("has the unknown key %s%s"):format(describe(key), text.did_you_mean(key, FIELDS)),
            'Write { address = "unix:run/web.sock", mode = "0660" }.')
        good = false
    end
    for _, name in ipairs(FIELDS) do
        if name ~= "address" and value[name] ~= nil then
            read[name] = fields[name](fail, value[name])
            good = good and read[name] ~= nil
        end
    end
    if value.address == nil then
        fail("has no address", 'Write { address = "unix:run/web.sock", mode = "0660" }.')
        good = false
    end
    return good and read or nil
end

-- The bytes of one socket, and its address; nothing when a fault was noted.
local function encode_one(v, name, helpers)
    local value = v.value[name]
    local function fail(reason, hint, below) v.fail(reason, hint, "." .. name .. (below or "")) end
    local read = type(value) == "table" and read_table(fail, value, helpers) or type(value) ~= "table" and {}
    if not read then return end
    local written = value
    if type(value) == "table" then written = value.address end
    local address = read_address(setmetatable({ fail = fail }, { __index = v }), fail, written, helpers)
    if not address then return end
    return string.pack("=zzI4I4I4I4B", name, address, read.backlog or BACKLOG, read.mode or NO_ID, read.user or NO_ID,
        read.group or NO_ID, (read.reuse_port or 0) + 2 * (read.free_bind or 0)), address
end

--- The bytes of `v.value` for an encoder of values.lua, or nothing when faults were noted. `helpers` are of values.lua.
-- `v.listens(name, address)` is told of each socket.
function socket_value.encode(v, helpers)
    if type(v.value) ~= "table" then
        return v.fail(("must be a table of names and addresses, not %s"):format(describe(v.value)), HINT)
    end
    for name in pairs(v.value) do
        if type(name) ~= "string" then
            return v.fail(("%s is not the name of a socket"):format(describe(name)), HINT)
        end
    end
    local parts, good = {}, true
    for _, name in ipairs(text.sorted_keys(v.value)) do
        local bytes, address = encode_one(v, name, helpers)
        parts[#parts + 1] = bytes
        good = good and bytes ~= nil
        if address and v.listens then v.listens(name, address) end
    end
    return good and table.concat(parts) or nil
end

return socket_value
