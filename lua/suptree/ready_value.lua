--- What may be written as `ready`, from a value of s.ready.* to the bytes of a blob.
local patterns = require "suptree.patterns"
local ready = require "suptree.ready"
local text = require "suptree.text"

local ready_value = {}

local describe = text.describe

local NUMBERS = { delay = 1, file = 2, manual = 3, notify = 4, fd = 5, tcp = 6, unix = 7, http = 8, exec = 9, log = 10 }
local FIRST_WITH_DETAILS = NUMBERS.notify

local HINTS = {
    tcp = 'Write s.ready.tcp(5432), s.ready.tcp "127.0.0.1:5432", or { 5432, timeout = "1s" } in its parentheses.',
    unix = 'Write s.ready.unix "run/web.sock", or { "run/web.sock", timeout = "1s" } in its parentheses.',
    http = 'Write s.ready.http "http://127.0.0.1:8080/health", or { "http://…", status = 200, timeout = "1s" } '
        .. "in its parentheses.",
    exec = 'Write s.ready.exec { "pg_isready", "-q" } or a line for the shell.',
    log = 'Write s.ready.log "listening on port %d+".',
    fd = "Write s.ready.fd(3).",
}

-- Splits what was given to tcp, unix, http or exec: the subject, and the fields beside it; nil when a fault was noted.
local function split(v, value, helpers, known)
    local kind, fields, subject = v.value.kind, {}, value
    if type(value) ~= "table" then return value, fields end
    if kind == "exec" then subject = {} end
    for key, item in pairs(value) do
        if math.type(key) == "integer" and kind == "exec" then
            subject[key] = item
        elseif key ~= 1 then
            fields[key] = item
        end
    end
    if kind ~= "exec" then subject = value[1] end
    local key = helpers.unknown_keys(fields, known)[1]
    if key ~= nil then
        return v.fail(("%s has the unknown key %s%s"):format(kind, describe(key), text.did_you_mean(key, known)),
            HINTS[kind])
    end
    return subject, fields
end

-- The nanoseconds of a field, 0: not said; nil when a fault was noted.
local function time_field(v, fields, name, helpers)
    local value = fields[name]
    if value == nil then return 0 end
    local ns = helpers.nanoseconds(value)
    if not ns then return helpers.fail_duration(v, value, "." .. name) end
    if ns == 0 then return v.fail("must be greater than 0", nil, "." .. name) end
    return ns
end

-- Lowest and highest status that will do; nil when a fault was noted.
local function status_range(v, value)
    if value == nil then return 200, 399 end
    local low, high = value, value
    if type(value) == "string" then
        low, high = value:match "^(%d%d%d)%-(%d%d%d)$"
        if not low then low, high = value:match "^%d%d%d$", value end
    end
    low, high = math.tointeger(tonumber(low)), math.tointeger(tonumber(high))
    if low and high and low >= 100 and high <= 599 and low <= high then return low, high end
    v.fail(("%s is not a status"):format(describe(value)), 'Write status = 200, or status = "200-399".', ".status")
end

-- How each kind reads its value: text, number, low, high, timeout, every, command; nothing when a fault was noted.
local read = {}

function read.delay(v, value, helpers)
    local ns = helpers.nanoseconds(value)
    if not ns then return helpers.fail_duration(v, value) end
    return "", ns
end

function read.file(v, value, helpers)
    return helpers.absolute_path(v, value)
end

function read.manual() return "" end
function read.notify() return "" end

function read.fd(v, value)
    local number = math.tointeger(value)
    if number and number >= 3 and number <= 255 then return "", 0, { number = number } end
    v.fail(("must be the number of a descriptor from 3 to 255, not %s"):format(describe(value)), HINTS.fd)
end

local LOOK = { "every", "timeout" }

local function look_details(v, fields, helpers)
    local timeout = time_field(v, fields, "timeout", helpers)
    local every = timeout and time_field(v, fields, "every", helpers)
    return every and { timeout = timeout, every = every }
end

function read.tcp(v, value, helpers)
    local subject, fields = split(v, value, helpers, LOOK)
    if not fields then return end
    local port = math.tointeger(subject)
    if type(subject) ~= "string" and (not port or port < 1 or port > 65535) then
        local what = "must be a port from 1 to 65535 or an address, not %s"
        return v.fail(what:format(describe(subject)), HINTS.tcp)
    end
    local details = look_details(v, fields, helpers)
    if details then return tostring(port or subject), 0, details end
end

function read.unix(v, value, helpers)
    local subject, fields = split(v, value, helpers, LOOK)
    local path = fields and helpers.absolute_path(v, subject)
    local details = path and look_details(v, fields, helpers)
    if details then return path, 0, details end
end

function read.http(v, value, helpers)
    local subject, fields = split(v, value, helpers, { "every", "status", "timeout" })
    if not fields then return end
    if type(subject) ~= "string" then
        return v.fail(("must be a URL, not %s"):format(describe(subject)), HINTS.http)
    end
    local low, high = status_range(v, fields.status)
    local details = low and look_details(v, fields, helpers)
    if not details then return end
    details.low, details.high = low, high
    return subject, 0, details
end

function read.exec(v, value, helpers)
    local subject, fields = split(v, value, helpers, LOOK)
    if not fields then return end
    local command = helpers.command { value = subject, folder = v.folder, fail = v.fail }
    local details = command and look_details(v, fields, helpers)
    if not details then return end
    details.command = command
    return "", 0, details
end

function read.log(v, value)
    if type(value) ~= "string" or value == "" then
        return v.fail(("must be a Lua pattern, not %s"):format(describe(value)), HINTS.log)
    end
    local fault = patterns.find_fault(value)
    if not fault then return value, 0, {} end
    v.fail(("%s is no Lua pattern: %s"):format(describe(value), fault),
        "A % before a character that is no letter or digit takes it as it is.")
end

--- The bytes of a value of s.ready.*, or nothing when faults were noted. `helpers` are of values.lua.
function ready_value.encode(v, helpers)
    if not ready.is(v.value) then
        return v.fail(("must be one of s.ready.*, not %s"):format(describe(v.value)), ("Write %s."):format(ready.WORDS))
    end
    local kind = v.value.kind
    local subject, ns, details = read[kind](v, v.value.value, helpers)
    if not subject then return end
    if subject:find("\0", 1, true) then return v.fail "has a zero byte" end
    local bytes = string.pack("=Bi8z", NUMBERS[kind], ns or 0, subject)
    if NUMBERS[kind] < FIRST_WITH_DETAILS then return bytes end
    details = details or {}
    return bytes .. string.pack("=I4I2I2i8i8", details.number or 0, details.low or 0, details.high or 0,
        details.timeout or 0, details.every or 0) .. (details.command or "")
end

return ready_value
