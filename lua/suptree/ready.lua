--- When a launched service counts as ready: the values that `s.ready.*` makes.
local text = require "suptree.text"

local ready = {}

local Ready = { __name = "suptree readiness" }

local function make(kind, value)
    return setmetatable({ kind = kind, value = value }, Ready)
end

--- Is `value` one of these?
function ready.is(value)
    return getmetatable(value) == Ready
end

ready.kinds = text.strict({
    --- Ready `time` after its launch, if it still runs then.
    delay = function(time) return make("delay", time) end,
    --- Ready when the file `path` appears, or is changed, after the launch.
    file = function(path) return make("file", path) end,
    --- Ready when the service says so: `ctx:ready()`.
    manual = function() return make "manual" end,
}, "suptree.ready")

return ready
