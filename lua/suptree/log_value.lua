--- What may be written as `log`, from a table to the bytes of a blob.
local options = require "suptree.options"
local text = require "suptree.text"

local log_value = {}

local describe = text.describe

local HINT_SIZE = 'Write bytes as a number, or a text such as "64MiB".'
local LOG_VIEW, LOG_FILE, LOG_NONE, LOG_INHERIT, LOG_TO = 0, 1, 2, 3, 4
local HINT_LOG = 'Write { file = "logs/web.log" }, false or "inherit".'
local LOG_FIELDS = { "buffer", "file", "format", "max_age", "max_files", "max_size", "timestamps", "to" }
local LOG_TIMESTAMPS = { "iso8601", "tai64n" }
local LOG_FORMATS = { "raw", "json" }
local LOG_FILES_DEFAULT = 10

-- Notes a fault of a field of a log; nothing is returned.
local function fail_log(v, name, reason, hint)
    v.fail(reason, hint, "." .. name)
end

-- How one field of a log is read: its number, or nothing when a fault was noted.
local log_fields = {}

function log_fields.size(v, name, value)
    local bytes = math.type(value) == "integer" and value >= 0 and value
        or type(value) == "string" and options.size(value)
    if bytes then return bytes end
    fail_log(v, name, ("%s is not a size"):format(describe(value)), HINT_SIZE)
end

function log_fields.max_age(v, name, value, helpers)
    local ns = helpers.nanoseconds(value)
    if ns then return ns end
    helpers.fail_duration(v, value, "." .. name)
end

function log_fields.max_files(v, name, value)
    local count = type(value) == "number" and math.tointeger(value)
    if count and count >= 0 and count <= 10000 then return count end
    fail_log(v, name, ("must be a whole number from 0 to 10000, not %s"):format(describe(value)))
end

local function log_word(v, name, value, words)
    for place, word in ipairs(words) do if value == word then return place end end
    fail_log(v, name, ("must be %s, not %s%s"):format(
        text.alternatives(words, true), describe(value), text.did_you_mean(value, words)))
end

function log_fields.timestamps(v, name, value)
    return log_word(v, name, value, LOG_TIMESTAMPS)
end

function log_fields.format(v, name, value)
    local place = log_word(v, name, value, LOG_FORMATS)
    return place and place - 1
end

function log_fields.to(v, name, value, helpers)
    if type(value) == "string" and value ~= "" and not helpers.has_zero(value) then return value end
    fail_log(v, name, ("must be the name of a service, not %s"):format(describe(value)))
end

function log_fields.file(v, name, value, helpers)
    return helpers.absolute_path(v, value, "." .. name)
end

log_fields.max_size, log_fields.buffer = log_fields.size, log_fields.size

-- The fields of the table of a log; nil when a fault was noted.
local function read_log(v, helpers)
    local fields, good = { max_files = LOG_FILES_DEFAULT }, true
    for _, key in ipairs(helpers.unknown_keys(v.value, LOG_FIELDS)) do
        v.fail(("has the unknown key %s%s"):format(describe(key), text.did_you_mean(key, LOG_FIELDS)), HINT_LOG)
        good = false
    end
    for _, name in ipairs(LOG_FIELDS) do
        local value = v.value[name]
        if value ~= nil then
            fields[name] = log_fields[name](v, name, value, helpers)
            good = good and fields[name] ~= nil
        end
    end
    return good and fields or nil
end

-- Says which fields mean nothing without others. True: none.
local function check_log_fields(v)
    local good, value = true, v.value
    if value.to ~= nil then
        local other = next(value) ~= "to" and next(value) or next(value, "to")
        if not other then return true end
        return fail_log(v, "to", ("cannot stand beside %s: all of the output goes to that service"):format(other),
            "Let that service say how the output is kept.")
    end
    if value.file == nil then
        for _, name in ipairs { "format", "max_age", "max_files", "max_size", "timestamps" } do
            if value[name] ~= nil then
                fail_log(v, name, "means nothing without a file", 'Add file, such as file = "logs/web.log".')
                good = false
            end
        end
    elseif value.max_files ~= nil and value.max_size == nil and value.max_age == nil then
        fail_log(v, "max_files", "means nothing without max_size or max_age",
            'Add one of them, such as max_size = "10MiB".')
        good = false
    end
    if good and next(value) == nil then
        v.fail("says nothing", HINT_LOG)
        good = false
    end
    return good
end

-- What is said of a log beyond its file; `reads`: the process reads the output of others.
local function pack_log(mode, path, fields, reads)
    return string.pack("=BzBBI4I8i8I4B", mode, path, fields.timestamps or 0, fields.format or 0,
        fields.max_files or LOG_FILES_DEFAULT, fields.max_size or 0, fields.max_age or 0, fields.buffer or 0,
        reads and 1 or 0)
end

local LOG_MODES = { [true] = LOG_VIEW, [false] = LOG_NONE, inherit = LOG_INHERIT }

--- The bytes of a `log` that was not written, of a process that reads the output of others.
function log_value.encode_reader()
    return pack_log(LOG_VIEW, "", {}, true)
end

--- The bytes of `v.value` for an encoder of values.lua, or nothing when faults were noted. `helpers` are of values.lua.
function log_value.encode(v, helpers)
    local value = v.value
    local mode = (type(value) == "boolean" or value == "inherit") and LOG_MODES[value]
    if mode then return v.reads and pack_log(mode, "", {}, true) or string.pack("=Bz", mode, "") end
    if type(value) ~= "table" then
        return v.fail(("must be a table, false or \"inherit\", not %s"):format(describe(value)), HINT_LOG)
    end
    local fields = read_log(v, helpers)
    if not fields or not check_log_fields(v) then return end
    mode = fields.to and LOG_TO or fields.file and LOG_FILE or LOG_VIEW
    return pack_log(mode, fields.to or fields.file or "", fields, v.reads)
end

return log_value
