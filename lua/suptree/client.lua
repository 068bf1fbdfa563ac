--- The client of the control protocol, for the command line and programs: it finds the socket of a running tree, asks,
-- and waits for the answer. Blocking, and quick to load.
local dial = require "suptree.dial"
local json = require "suptree.json"
local place = require "suptree.place"

local client = {}

-- errno of Linux.
local ENOENT, EACCES, ECONNREFUSED = 2, 13, 111

local function failure(code, words)
    return nil, setmetatable({ code = code, message = words }, { __tostring = function() return words end })
end

-- --- finding ---------------------------------------------------------------------------------------------------------

-- An open line to the socket, or nil and whether somebody lives there who must not be spoken to.
local function try(path)
    local line, why, errno = dial.connect(path)
    if line then return line end
    return nil, errno ~= ENOENT and errno ~= ECONNREFUSED, why, errno
end

local function connect_by_name(name)
    local refused
    for _, folder in ipairs(place.folders()) do
        local line, forbidden, why = try(folder .. "/" .. name .. ".sock")
        if line then return line, name end
        if forbidden then refused = why end
    end
    if refused then
        return failure("refused", ("%s cannot be reached: %s; only the user that it runs as, and root, may"):format(
            name, refused))
    end
    local others = client.names()
    local hint = #others == 0 and "; nothing runs" or "; there are " .. table.concat(others, ", ")
    return failure("no_host", ("no tree named %s answers%s"):format(name, hint))
end

local function connect_by_path(path)
    local line, _, why, errno = try(path)
    if line then return line, path end
    if errno == EACCES then return failure("refused", ("%s: %s"):format(path, why)) end
    return failure("no_host", ("nobody answers at %s: %s"):format(path, why))
end

-- Everybody who answers: { name, line }.
local function find_all()
    local found, seen = {}, {}
    for _, folder in ipairs(place.folders()) do
        for _, name in ipairs(place.names(folder)) do
            local line = not seen[name] and try(folder .. "/" .. name .. ".sock")
            if line then
                seen[name] = true
                found[#found + 1] = { name = name, line = line }
            end
        end
    end
    table.sort(found, function(a, b) return a.name < b.name end)
    return found
end

local function connect_to_only()
    local found = find_all()
    if #found == 1 then return found[1].line, found[1].name end
    if #found == 0 then
        return failure("no_host", "no tree runs here; start one with \"suptree run\"")
    end
    local names = {}
    for at, one in ipairs(found) do
        one.line:close()
        names[at] = one.name
    end
    return failure("ambiguous", "several trees run: " .. table.concat(names, ", ") .. "; name one with -n")
end

--- The names of all that can be reached.
function client.names()
    local names = {}
    for at, one in ipairs(find_all()) do
        one.line:close()
        names[at] = one.name
    end
    return names
end

-- --- talking ---------------------------------------------------------------------------------------------------------

local Connection = {}
Connection.__index = Connection

--- Connects to the tree `options.name`, or to the socket `options.socket` (default: $SUPTREE_SOCKET), or else to the
-- only one that runs. Returns a connection; or nil and { code, message }, code "no_host", "refused" or "ambiguous".
function client.connect(options)
    options = options or {}
    local line, name
    local socket = options.socket or not options.name and os.getenv "SUPTREE_SOCKET" or nil
    if socket and socket ~= "" then line, name = connect_by_path(socket)
    elseif options.name then line, name = connect_by_name(options.name)
    else line, name = connect_to_only() end
    if not line then return nil, name end
    return setmetatable({ line = line, name = name, id = 0, kept = {} }, Connection)
end

local function receive(self, seconds)
    local text, why = self.line:receive(seconds)
    if text then return text end
    if why == "timeout" then return failure("timeout", "no answer in time") end
    if why == "interrupted" then return failure("interrupted", "interrupted") end
    self.line:close()
    return failure("no_host", "the host has closed the connection" .. (why == "closed" and "" or ": " .. why))
end

-- The text of the result in the reply to request `id`; nothing: it is another line; or nil and its error.
local function read_reply(text, id)
    local before = ('{"jsonrpc":"2.0","id":%d,"result":'):format(id)
    if text:sub(1, #before) == before then return text:sub(#before + 1, -2) end
    local reply = require "cjson".decode(text)
    if reply.error and (reply.id == id or reply.id == require "cjson".null) then
        local data = reply.error.data
        local _, err = failure(data and data.code or "protocol", reply.error.message)
        err.number, err.data = reply.error.code, data
        return nil, err
    end
end

--- Calls a method; `params` is a table or JSON. Returns the result as JSON; or nil and { code, message, data }.
function Connection:call_text(method, params, seconds)
    self.id = self.id + 1
    local id = self.id
    local words = type(params) == "string" and params or json.encode(params or {})
    local good, why = self.line:send(('{"jsonrpc":"2.0","id":%d,"method":%s,"params":%s}\n'):format(id,
        json.encode(method), words))
    if not good then return failure("no_host", "the host has closed the connection: " .. why) end
    while true do
        local text, err = receive(self, seconds)
        if not text then return nil, err end
        local result
        result, err = read_reply(text, id)
        if result or err then return result, err end
        self.kept[#self.kept + 1] = text
        if self.on_notification then self.on_notification(table.remove(self.kept, 1)) end
    end
end

--- The same, with the result as a table. JSON's empty lists and objects are both empty tables there.
function Connection:call(method, params, seconds)
    local text, err = self:call_text(method, params, seconds)
    if not text then return nil, err end
    return require "cjson".decode(text)
end

--- The next notification, as text; waits for it. Or nil and { code, message }.
function Connection:next_text(seconds)
    if self.kept[1] then return table.remove(self.kept, 1) end
    return receive(self, seconds)
end

function Connection:close()
    self.line:close()
end

return client
