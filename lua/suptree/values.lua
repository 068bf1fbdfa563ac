--- From what a person wrote to the bytes of a blob: one function per type of option, told by its row what is allowed.
-- The range of a value is judged by the same C check that reads blobs; here it is brought into form.
local accounts = require "suptree.accounts"
local cgroup_value = require "suptree.cgroup_value"
local health_value = require "suptree.health_value"
local log_value = require "suptree.log_value"
local options = require "suptree.options"
local paths = require "suptree.paths"
local ready_value = require "suptree.ready_value"
local socket_value = require "suptree.socket_value"
local text = require "suptree.text"

local values = {}

local describe = text.describe
local encode = {}

local HINT_DURATION = 'Write seconds as a number, or a text such as "1m30s".'
local HINT_SIZE = 'Write bytes as a number, or a text such as "64MiB".'
local HINT_DURATION_OR_INFINITY = 'Write seconds as a number, "1m30s", or "infinity".'

-- An encoder gets `v`: { row, value, folder, fail }; v.fail(reason, hint, below) notes a fault, of the part `below`
-- when given. It returns the bytes, or nothing when it has noted one.

local function has_zero(value)
    return value:find("\0", 1, true) ~= nil
end

-- Is `list` an array without holes or other keys? Nil and the key that should not be there.
local function is_list(list)
    local count = #list
    for key in pairs(list) do
        if math.type(key) ~= "integer" or key < 1 or key > count then return false, key end
    end
    return true
end

-- The nanoseconds of a number or text, or nil.
local function nanoseconds(value)
    if type(value) == "number" then return options.seconds(value) end
    if type(value) == "string" then return options.duration(value) end
end

local function fail_duration(v, value, below, may_be_infinite)
    local hint = may_be_infinite and HINT_DURATION_OR_INFINITY or HINT_DURATION
    if type(value) == "number" and value < 0 then
        return v.fail(("is negative (%s); a duration is 0 or more"):format(describe(value)), hint, below)
    end
    v.fail(("%s is not a duration"):format(describe(value)), hint, below)
end

function encode.bool(v)
    if type(v.value) ~= "boolean" then return v.fail(("must be true or false, not %s"):format(describe(v.value))) end
    return string.pack("=B", v.value and 1 or 0)
end

function encode.count(v)
    local number = type(v.value) == "number" and math.tointeger(v.value)
    if not number or number < v.row.min or number > v.row.max then
        return v.fail(("must be a whole number from %d to %d, not %s"):format(
            math.tointeger(v.row.min), math.tointeger(v.row.max), describe(v.value)))
    end
    return string.pack("=I4", number)
end

function encode.number(v)
    if type(v.value) ~= "number" or not (v.value >= v.row.min and v.value <= v.row.max) then
        return v.fail(("must be a number from %.14g to %.14g, not %s"):format(v.row.min, v.row.max, describe(v.value)))
    end
    return string.pack("=d", v.value + 0.0)
end

function encode.duration(v)
    local ns = nanoseconds(v.value)
    if not ns then return fail_duration(v, v.value, nil, v.row.infinity) end
    return string.pack("=i8", ns)
end

function encode.size(v)
    local value = v.value
    local bytes = math.type(value) == "integer" and value >= 0 and value
        or math.type(value) == "float" and value >= 0 and math.tointeger(value)
        or type(value) == "string" and options.size(value)
    if not bytes then
        return v.fail(("%s is not a size"):format(describe(value)), HINT_SIZE)
    end
    return string.pack("=I8", bytes)
end

function encode.string(v)
    if type(v.value) ~= "string" then return v.fail(("must be a text, not %s"):format(describe(v.value))) end
    if has_zero(v.value) then return v.fail "has a zero byte" end
    return v.value .. "\0"
end

-- The absolute path, or nothing when a fault was noted.
local function absolute_path(v, value, below)
    if type(value) ~= "string" or value == "" then
        return v.fail(("must be a path, not %s"):format(describe(value)), nil, below)
    end
    if has_zero(value) then return v.fail("has a zero byte", nil, below) end
    if value:find "^~/" or value == "~" then
        return v.fail(("%s starts with ~, which nobody expands here"):format(describe(value)),
            'Write os.getenv "HOME" .. "/…".', below)
    end
    return paths.absolute(value, v.folder)
end

function encode.path(v)
    local path = absolute_path(v, v.value)
    return path and path .. "\0"
end

function encode.enum(v)
    for place, name in ipairs(v.row.allowed) do
        if v.value == name then return string.pack("=B", place - 1) end
    end
    local meant = text.did_you_mean(v.value, v.row.allowed)
    v.fail(("must be %s, not %s%s"):format(text.alternatives(v.row.allowed, true), describe(v.value), meant))
end

-- A list of texts; `what` says of what in the message, `example` how to write it.
local function check_list(v, what, example)
    if type(v.value) ~= "table" then
        return v.fail(("must be a list of %s, not %s"):format(what, describe(v.value)), ("Write %s."):format(example))
    end
    local good, key = is_list(v.value)
    if not good then
        local reason = ("must be a list of %s; it has the key %s"):format(what, describe(key))
        return v.fail(reason, ("Write %s."):format(example))
    end
    return true
end

function encode.names(v)
    if not check_list(v, "names of siblings", '{ "db" }') then return end
    local names, seen = {}, {}
    for place, name in ipairs(v.value) do
        if type(name) ~= "string" or not options.name_is_valid(name) then
            return v.fail(("%s is not a name of a node"):format(describe(name)), nil, ("[%d]"):format(place))
        end
        if not seen[name] then names[#names + 1] = name end
        seen[name] = true
    end
    table.sort(names)
    return #names > 0 and table.concat(names, "\0") .. "\0" or ""
end

local HINT_COMMAND = 'Write { "program", "argument" } or a line for the shell.'

-- The text of a word of a command, or nothing when a fault was noted.
local function word_text(v, word, place)
    local below = ("[%d]"):format(place)
    if type(word) == "number" then return ("%.14g"):format(word) end
    if type(word) ~= "string" then
        return v.fail(("must be a text, not %s"):format(describe(word)), HINT_COMMAND, below)
    end
    if has_zero(word) then return v.fail("has a zero byte", nil, below) end
    return word
end

-- A program named with a slash is found relative to the configuration; a bare name by PATH, at the start.
local function program_path(word, folder)
    if word:find("/", 1, true) and word:sub(1, 1) ~= "/" then return paths.absolute(word, folder) end
    return word
end

function encode.command(v)
    local value = v.value
    if type(value) == "string" then
        if not value:find "%S" then return v.fail("is empty", HINT_COMMAND) end
        if has_zero(value) then return v.fail "has a zero byte" end
        return "/bin/sh\0-c\0" .. value .. "\0"
    end
    if type(value) ~= "table" then
        return v.fail(("must be a list of words or a line for the shell, not %s"):format(describe(value)), HINT_COMMAND)
    end
    local good, key = is_list(value)
    if not good then
        return v.fail(("must be a list of words without holes; it has the key %s"):format(describe(key)), HINT_COMMAND)
    end
    local words = {}
    for place, word in ipairs(value) do
        words[place] = word_text(v, word, place)
        if not words[place] then return end
    end
    if not words[1] or words[1] == "" then return v.fail("is empty", HINT_COMMAND) end
    words[1] = program_path(words[1], v.folder)
    return table.concat(words, "\0") .. "\0"
end

local HINT_COMMANDS = 'Write { "program", "argument" }, a line for the shell, a list of these, '
    .. 'or { command = …, timeout = "30s" }.'

-- The timeout of a command in nanoseconds, 0 when none was said, or nothing when a fault was noted.
local function command_timeout(v, command, below)
    local value = command.timeout
    if value == nil then return 0 end
    local ns = nanoseconds(value)
    if not ns then return fail_duration(v, value, below .. ".timeout", true) end
    if ns == 0 then return v.fail("must be more than 0", nil, below .. ".timeout") end
    return ns
end

-- The bytes of one command of a list, `below` its place there, or nothing when a fault was noted.
local function one_command(v, command, below)
    local words, ns = command, 0
    if type(command) == "table" and (command.command ~= nil or command.timeout ~= nil) then
        for key in pairs(command) do
            if key ~= "command" and key ~= "timeout" then
                return v.fail(("has the unknown key %s%s"):format(describe(key),
                    text.did_you_mean(key, { "command", "timeout" })), HINT_COMMANDS, below)
            end
        end
        if command.command == nil then return v.fail("needs a command", HINT_COMMANDS, below) end
        words, ns = command.command, command_timeout(v, command, below)
        below = below .. ".command"
    end
    local inner = { value = words, folder = v.folder, row = v.row }
    function inner.fail(reason, hint, deeper)
        v.fail(reason, hint == HINT_COMMAND and HINT_COMMANDS or hint, below .. (deeper or ""))
    end
    local bytes = encode.command(inner)
    if not bytes or not ns then return end
    local _, count = bytes:gsub("\0", "")
    return string.pack("=i8I4", ns, count) .. bytes
end

-- Several, and not the words of one? Of texts alone the first one tells: a program has no blank in its name.
local function is_command_list(value)
    if type(value) ~= "table" or value.command ~= nil or value.timeout ~= nil then return false end
    if type(value[1]) == "string" and value[1]:find "%S%s+%S" then return true end
    for _, item in ipairs(value) do
        if type(item) == "table" then return true end
    end
    return false
end

function encode.commands(v)
    if not is_command_list(v.value) then return one_command(v, v.value, "") end
    local good, key = is_list(v.value)
    if not good then
        return v.fail(("must be a list without holes; it has the key %s"):format(describe(key)), HINT_COMMANDS)
    end
    if #v.value > v.row.max then
        return v.fail(("has %d commands; at most %d are possible"):format(#v.value, math.tointeger(v.row.max)),
            "Put them into one script.")
    end
    local parts = {}
    for place, command in ipairs(v.value) do
        parts[place] = one_command(v, command, ("[%d]"):format(place))
        if not parts[place] then return end
    end
    return table.concat(parts)
end

-- The text of the value of a variable, or nothing when a fault was noted.
local function variable_text(v, name, value)
    local below = "." .. name
    if type(value) == "string" then
        if has_zero(value) then return v.fail("has a zero byte", nil, below) end
        return value
    end
    if type(value) == "number" then return ("%.14g"):format(value) end
    local hint = type(value) == "boolean" and ('Write "%s" or "%d".'):format(value, value and 1 or 0) or nil
    v.fail(("must be a text or a number, not %s"):format(describe(value)), hint, below)
end

--- The variables of `env` as a map of texts; faults are noted in `v`.
function values.variables(v)
    local variables = {}
    if type(v.value) ~= "table" then
        v.fail(("must be a table of names and values, not %s"):format(describe(v.value)), "Write { PORT = 8080 }.")
        return variables
    end
    for name in pairs(v.value) do
        if type(name) ~= "string" then
            v.fail(("%s is not the name of a variable"):format(describe(name)), "Write { PORT = 8080 }.")
        end
    end
    for _, name in ipairs(text.sorted_keys(v.value)) do
        if name == "" or name:find "[=\0]" then
            v.fail(("%s is not the name of a variable"):format(describe(name)), "Write { PORT = 8080 }.")
        else
            variables[name] = variable_text(v, name, v.value[name])
        end
    end
    return variables
end

--- The bytes of a map of variables.
function values.encode_variables(variables)
    local lines = {}
    for place, name in ipairs(text.sorted_keys(variables)) do lines[place] = name .. "=" .. variables[name] .. "\0" end
    return table.concat(lines)
end

--- The absolute path that an option of type path or env_file names, or nothing when a fault was noted.
function values.path(v)
    return absolute_path(v, v.value)
end

function encode.codes(v)
    if not check_list(v, "exit codes", "{ 0, 75 }") then return end
    local codes, seen = {}, {}
    for place, value in ipairs(v.value) do
        local code = type(value) == "number" and math.tointeger(value)
        if not code or code < 0 or code > 255 then
            local reason = ("%s is not an exit code; they go from 0 to 255"):format(describe(value))
            return v.fail(reason, nil, ("[%d]"):format(place))
        end
        if not seen[code] then codes[#codes + 1] = string.char(code) end
        seen[code] = true
    end
    table.sort(codes)
    return table.concat(codes)
end

local function signal_meant(value)
    if type(value) ~= "string" then return "" end
    local upper = value:upper()
    if options.signal(upper) then return (', did you mean "%s"?'):format(upper) end
    local names = {}
    for number = 1, 31 do names[number] = options.signal_name(number) end
    return text.did_you_mean(upper, names)
end

function encode.signal(v)
    local value = v.value
    local number = math.type(value) == "integer" and value or type(value) == "string" and options.signal(value)
    if not number or number < 1 or number > 255 then
        return v.fail(("%s is not a signal%s"):format(describe(value), signal_meant(value)),
            'Write a name such as "TERM", or a number.')
    end
    return string.pack("=B", number)
end

function encode.integer(v)
    local number = type(v.value) == "number" and math.tointeger(v.value)
    if not number or number < v.row.min or number > v.row.max then
        return v.fail(("must be a whole number from %d to %d, not %s"):format(
            math.tointeger(v.row.min), math.tointeger(v.row.max), describe(v.value)))
    end
    return string.pack("=i4", number)
end

function encode.mode(v)
    local hint = 'Write an octal text such as "027".'
    if type(v.value) == "number" then
        return v.fail(("is the number %s, which leaves open whether it is octal"):format(describe(v.value)), hint)
    end
    if type(v.value) ~= "string" or not v.value:find "^[0-7]+$" or #v.value > 4 then
        return v.fail(("%s is not a mask of rights"):format(describe(v.value)), hint)
    end
    return string.pack("=I4", tonumber(v.value, 8))
end

-- The number of a group, or nothing when a fault was noted.
local function group_number(v, value, below)
    local is_name, is_number = type(value) == "string" and value ~= "" and not has_zero(value), math.tointeger(value)
    if type(value) == "string" and not is_name or type(value) ~= "string" and not is_number then
        return v.fail(("%s is not a group"):format(describe(value)), "Write its name or its number.", below)
    end
    local number = accounts.group(is_name and value or is_number)
    if number then return number end
    v.fail(("there is no group %s on this machine"):format(describe(value)), "Make it, or write another.", below)
end

function encode.id(v)
    local number = group_number(v, v.value)
    return number and string.pack("=I4", number)
end

function encode.ids(v)
    if not check_list(v, "groups", '{ "audio", 1000 }') then return end
    local parts = {}
    for place, value in ipairs(v.value) do
        local number = group_number(v, value, ("[%d]"):format(place))
        if not number then return end
        parts[place] = string.pack("=I4", number)
    end
    return table.concat(parts)
end

-- A user that has only a number: what it is called nobody knows, and its group is its own number.
local function unnamed_user(number)
    return { name = "", uid = number, gid = number, home = "", shell = "", groups = {} }
end

function encode.user(v)
    local value = v.value
    local number = math.type(value) == "integer" and value >= 0 and value < 0xffffffff and value
    if not number and (type(value) ~= "string" or value == "" or has_zero(value)) then
        return v.fail(("%s is not a user"):format(describe(value)), "Write its name or its number.")
    end
    local user = accounts.user(number or value) or number and unnamed_user(number)
    if not user then
        local hint = "Make it (useradd --system), or write another."
        return v.fail(("there is no user %s on this machine"):format(describe(value)), hint)
    end
    local groups = {}
    for place, group in ipairs(user.groups) do groups[place] = string.pack("=I4", group) end
    return string.pack("=I4I4I4", user.uid, user.gid, #groups) .. table.concat(groups)
        .. string.pack("zzz", user.name, user.home, user.shell)
end

local HINT_LADDER = 'Write { { "INT", "5s" }, { "TERM", "5s" } }.'

function encode.ladder(v)
    if type(v.value) ~= "table" or not is_list(v.value) or #v.value == 0 then
        return v.fail(("must be a list of steps, not %s"):format(describe(v.value)), HINT_LADDER)
    end
    local parts = {}
    for place, step in ipairs(v.value) do
        local below = ("[%d]"):format(place)
        if type(step) ~= "table" or not is_list(step) or #step ~= 2 then
            return v.fail("is not { signal, time }", HINT_LADDER, below)
        end
        local number = math.type(step[1]) == "integer" and step[1]
            or type(step[1]) == "string" and options.signal(step[1])
        if not number or number < 1 or number > 255 then
            return v.fail(("%s is not a signal%s"):format(describe(step[1]), signal_meant(step[1])), HINT_LADDER, below)
        end
        local ns = nanoseconds(step[2])
        if not ns then return fail_duration(v, step[2], below, true) end
        parts[place] = string.pack("=Bi8", number, ns)
    end
    return table.concat(parts)
end

local UNLIMITED = 0xffffffffffffffff
local HINT_LIMIT = 'Write a number, a size such as "64MiB", "unlimited", or { soft, hard }.'

-- A limit as a number, or nothing.
local function limit_number(value)
    if value == "unlimited" or value == "infinity" then return UNLIMITED end
    if type(value) == "string" then return options.size(value) end
    local number = type(value) == "number" and math.tointeger(value)
    return number and number >= 0 and number or nil
end

-- Soft and hard limit of one resource, or nothing when a fault was noted.
local function limit_pair(v, name)
    local value = v.value[name]
    local soft, hard = value, value
    if type(value) == "table" then
        if not is_list(value) or #value ~= 2 then return v.fail("is not { soft, hard }", HINT_LIMIT, "." .. name) end
        soft, hard = value[1], value[2]
    end
    local low, high = limit_number(soft), limit_number(hard)
    if low and high then return low, high end
    v.fail(("%s is not a limit"):format(describe(low and hard or soft)), HINT_LIMIT, "." .. name)
end

function encode.limits(v)
    if type(v.value) ~= "table" then
        return v.fail(("must be a table, not %s"):format(describe(v.value)), "Write { nofile = 65536 }.")
    end
    local names, numbers, parts = options.limit_names(), {}, {}
    for name in pairs(v.value) do
        local number = type(name) == "string" and options.limit(name)
        if not number then
            return v.fail(("there is no limit %s%s"):format(describe(name), text.did_you_mean(name, names)),
                "There are " .. table.concat(names, ", ") .. ".")
        end
        numbers[#numbers + 1] = { number = number, name = name }
    end
    table.sort(numbers, function(a, b) return a.number < b.number end)
    for place, limit in ipairs(numbers) do
        local soft, hard = limit_pair(v, limit.name)
        if not soft then return end
        parts[place] = string.pack("=I4I8I8", limit.number, soft, hard)
    end
    return table.concat(parts)
end

local DELAY_DEFAULTS = { max = 60, factor = 2, jitter = 0, reset_after = 60 }
local DELAY_FIELDS = { "factor", "initial", "jitter", "max", "reset_after" }
local HINT_DELAY = 'Write a duration, or { initial = "1s", max = "60s", factor = 2 }.'

local function pack_delay(initial, max, factor, jitter, reset_after)
    return string.pack("=i8i8ddi8", initial, max, factor + 0.0, jitter + 0.0, reset_after)
end

-- The keys of `value` that are not among `fields`, in order.
local function unknown_keys(value, fields)
    local known, unknown = {}, {}
    for _, field in ipairs(fields) do known[field] = true end
    for key in pairs(value) do if not known[key] then unknown[#unknown + 1] = key end end
    table.sort(unknown, function(a, b) return tostring(a) < tostring(b) end)
    return unknown
end

local function check_delay_keys(v)
    local unknown = unknown_keys(v.value, DELAY_FIELDS)
    for _, key in ipairs(unknown) do
        v.fail(("has the unknown key %s%s"):format(describe(key), text.did_you_mean(key, DELAY_FIELDS)), HINT_DELAY)
    end
    return #unknown == 0
end

-- The fields of a delay table: durations in nanoseconds, and numbers; nil when a fault was noted.
local function delay_fields(v)
    local fields, good = {}, check_delay_keys(v)
    for _, name in ipairs(DELAY_FIELDS) do
        local value = v.value[name]
        if value == nil then value = DELAY_DEFAULTS[name] end
        local is_number = name == "factor" or name == "jitter"
        if value == nil then
            v.fail("needs an initial delay", HINT_DELAY)
        elseif is_number then
            fields[name] = type(value) == "number" and value or nil
            if not fields[name] then
                v.fail(("must be a number, not %s"):format(describe(value)), nil, "." .. name)
            end
        else
            fields[name] = nanoseconds(value)
            if not fields[name] then fail_duration(v, value, "." .. name) end
        end
        good = good and fields[name] ~= nil
    end
    return good and fields or nil
end

function encode.delay(v)
    if type(v.value) ~= "table" then
        local ns = nanoseconds(v.value)
        if not ns then return v.fail(("%s is not a delay"):format(describe(v.value)), HINT_DELAY) end
        return pack_delay(ns, ns, 1, 0, options.seconds(DELAY_DEFAULTS.reset_after))
    end
    local fields = delay_fields(v)
    if not fields then return end
    if v.value.max == nil then fields.max = math.max(fields.max, fields.initial) end
    return pack_delay(fields.initial, fields.max, fields.factor, fields.jitter, fields.reset_after)
end

-- What the others need of this file.
local helpers = {
    absolute_path = absolute_path, command = encode.command, fail_duration = fail_duration, has_zero = has_zero,
    nanoseconds = nanoseconds, unknown_keys = unknown_keys,
}

function encode.ready(v)
    return ready_value.encode(v, helpers)
end

encode.cgroup = cgroup_value.encode

function encode.health(v)
    return health_value.encode(v, helpers)
end

function encode.log(v)
    return log_value.encode(v, helpers)
end

function encode.sockets(v)
    return socket_value.encode(v, helpers)
end

--- The bytes of `v.value` for `v.row`, or nothing when faults were noted by `v.fail`. `v.sample(bytes)`, if it is
-- there, makes those that are to be good.
function values.encode(v)
    local bytes = encode[v.row.type](v)
    if not bytes then return end
    local good, reason, hint = options.check(v.row.name, v.sample and v.sample(bytes) or bytes)
    if good then return bytes end
    v.fail(reason, hint ~= "" and hint or nil)
end

return values
