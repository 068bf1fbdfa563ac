--- What may be written as `health`, from a table to the bytes of a blob.
local ready = require "suptree.ready"
local ready_value = require "suptree.ready_value"
local text = require "suptree.text"

local health_value = {}

local describe = text.describe

local FIELDS = { "action", "every", "failures", "probe", "start_after", "timeout" }
local ACTIONS = { "restart", "event" }
local LOOKED_AT = { exec = true, http = true, tcp = true, unix = true }
local HINT = 'Write { probe = s.ready.tcp(80), every = "10s", timeout = "2s", failures = 3 }.'
local HINT_PROBE = "Write probe = s.ready.tcp(80), .unix, .http, .exec, or a function(service)."

-- The fault of what is inside the probe is told as one of `.probe`.
local function inside_probe(v)
    return setmetatable({
        value = v.value.probe,
        fail = function(reason, hint, below) return v.fail(reason, hint, ".probe" .. (below or "")) end,
    }, { __index = v })
end

-- The nanoseconds of a field, or nil when a fault was noted.
local function time_field(v, name, usual, helpers)
    local value = v.value[name]
    if value == nil then value = usual end
    local ns = helpers.nanoseconds(value)
    if not ns then return helpers.fail_duration(v, value, "." .. name) end
    return ns
end

local function failures_field(v)
    local value = v.value.failures
    if value == nil then return 3 end
    local count = type(value) == "number" and math.tointeger(value)
    if count and count >= 1 and count <= 1000 then return count end
    v.fail(("must be a whole number from 1 to 1000, not %s"):format(describe(value)), nil, ".failures")
end

local function action_field(v)
    local value = v.value.action
    if value == nil then return 0 end
    for place, word in ipairs(ACTIONS) do if value == word then return place - 1 end end
    v.fail(("must be %s, not %s%s"):format(text.alternatives(ACTIONS, true), describe(value),
        text.did_you_mean(value, ACTIONS)), nil, ".action")
end

-- Form and bytes of the probe, and how long it may take by itself; nothing when a fault was noted.
local function probe_field(v, helpers)
    local probe, inside = v.value.probe, inside_probe(v)
    if type(probe) == "function" then
        local bytes = v.capture and v.capture(probe, inside.fail)
        return bytes and 1, bytes
    end
    if not ready.is(probe) then
        return inside.fail(("must be one of s.ready.* or a function, not %s"):format(describe(probe)), HINT_PROBE)
    end
    if not LOOKED_AT[probe.kind] then
        return inside.fail(("is s.ready.%s, which cannot be looked at again and again"):format(probe.kind), HINT_PROBE)
    end
    local bytes = ready_value.encode(inside, helpers)
    if not bytes then return end
    local own = type(probe.value) == "table" and probe.value or {}
    if own.every ~= nil then
        return inside.fail("says every itself", "Write every beside probe.", ".every")
    end
    return 0, bytes, own.timeout, probe.kind
end

--- The bytes of `v.value`, or nothing when faults were noted. `helpers` are of values.lua. `v.capture(function, fail)`
-- makes the bytes of a function.
function health_value.encode(v, helpers)
    if type(v.value) ~= "table" or ready.is(v.value) then
        return v.fail(("must be a table, not %s"):format(describe(v.value)), HINT)
    end
    local key = helpers.unknown_keys(v.value, FIELDS)[1]
    if key ~= nil then
        return v.fail(("has the unknown key %s%s"):format(describe(key), text.did_you_mean(key, FIELDS)), HINT)
    end
    if v.value.probe == nil then return v.fail("has no probe", HINT_PROBE) end
    local form, bytes, own_timeout, kind = probe_field(v, helpers)
    local usual = own_timeout or (kind == "exec" and 5 or 2)
    local every, timeout = time_field(v, "every", 10, helpers), time_field(v, "timeout", usual, helpers)
    local start_after, failures, action = time_field(v, "start_after", 0, helpers), failures_field(v), action_field(v)
    if not (form and every and timeout and start_after and failures and action) then return end
    return string.pack("=I4BBI2i8i8i8", failures, action, form, 0, every, timeout, start_after) .. bytes
end

return health_value
