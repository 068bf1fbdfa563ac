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
    --- Ready when a command succeeds: a list of words or a line for the shell; in a list also `timeout`, `every`.
    exec = function(command) return make("exec", command) end,
    --- Ready when the process writes a line to its descriptor `number`, as s6 has it.
    fd = function(number) return make("fd", number) end,
    --- Ready when the file `path` appears, or is changed, after the launch.
    file = function(path) return make("file", path) end,
    --- Ready when a GET of `url` is answered by 200 to 399; or { url, status = …, timeout = …, every = … }.
    http = function(url) return make("http", url) end,
    --- Ready when a line of its output, since its launch, matches the Lua pattern.
    log = function(pattern) return make("log", pattern) end,
    --- Ready when the service says so: `ctx:ready()`.
    manual = function() return make "manual" end,
    --- Ready when the process says so by sd_notify: READY=1.
    notify = function() return make "notify" end,
    --- Ready when a port takes connections: 5432 of this machine, or "127.0.0.1:5432"; or { port, timeout, every }.
    tcp = function(address) return make("tcp", address) end,
    --- Ready when the unix socket at `path` takes connections; or { path, timeout = …, every = … }.
    unix = function(path) return make("unix", path) end,
}, "suptree.ready")

--- Does this suptree look after conditions of this kind?
function ready.is_driven(kind)
    return rawget(ready.kinds, kind) ~= nil
end

--- What may be written, in words.
ready.WORDS = "s.ready.notify(), fd(n), tcp(port), unix(path), http(url), exec { … }, log(pattern), file(path), "
    .. "delay(t) or manual()"

return ready
