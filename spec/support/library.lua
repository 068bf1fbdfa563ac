--- Supervisors inside the process of the specs. Call library.close() after each test: it stops what was made.
local proc = require "spec.support.proc"
local suptree = require "suptree"
local uv = require "luv"

local library = { build = os.getenv "SUPTREE_BUILD" or "build" }

--- Is this the build with sanitizers? Then counts are modest.
library.sanitized = uv.fs_stat(library.build .. "/lua") ~= nil

--- How long anything may take before a test gives up, in seconds.
library.patience = 120

local open = {}

--- suptree.new, to be stopped after the test.
function library.new(spec, name)
    local sup = suptree.new(name or "shop", spec)
    open[#open + 1] = sup
    return sup
end

--- The same, that keeps its events and lines: sup, events, lines.
function library.watched(spec, name)
    local events, lines = {}, {}
    spec = spec or {}
    spec.on_event = function(event) events[#events + 1] = event end
    spec.log = function(line) lines[#lines + 1] = line end
    return library.new(spec, name), events, lines
end

function library.close()
    for _, sup in ipairs(open) do sup:stop() end
    open = {}
end

local function with(options, fields)
    for key, value in pairs(options or {}) do fields[key] = value end
    return fields
end

--- A process that runs until it is stopped.
function library.sleeper(name, options)
    return suptree.process(name)(with(options, { command = { "sleep", "1000" } }))
end

--- A process that takes no notice of the polite stop, from when it is ready.
function library.deaf(name, options)
    local flag = os.tmpname()
    os.remove(flag)
    return suptree.process(name)(with(options, {
        command = ("trap '' TERM; : >%s; while :; do sleep 1; done"):format(flag), ready = suptree.ready.file(flag),
    }))
end

--- A thread that runs until it is stopped.
function library.idler(name, options)
    return suptree.thread(name)(with(options, { run = function(ctx) while ctx:sleep(3600) do end end }))
end

--- A thread that fails at once, each time.
function library.failer(name, options)
    return suptree.thread(name)(with(options, { run = function() error "out of luck" end }))
end

--- A thread in a call of C that nothing ends.
function library.stubborn(name, options)
    return suptree.thread(name)(with(options, {
        args = uv.fs_realpath(library.build) .. "/spec/fault.so",
        run = function(ctx)
            local fault = assert(package.loadlib(ctx.args, "luaopen_fault"))()
            ctx:ready()
            fault.loop()
        end,
        ready = suptree.ready.manual(),
    }))
end

--- The service of that name; nil: there is none.
function library.find(sup, name)
    for _, service in ipairs(sup:services()) do
        if service.name == name then return service end
    end
end

function library.is_running(sup, name)
    local service = library.find(sup, name)
    return service and service.state == "running" and service
end

function library.is_ready(sup, name)
    local service = library.find(sup, name)
    return service and service.ready and service
end

--- Polls `sup` until condition() holds, with a bound that only a failure reaches; its value.
function library.eventually(sup, condition)
    local deadline = uv.hrtime() + library.patience * 1e9
    repeat
        local value = condition()
        if value then return value end
        if sup:poll(0.01) == 0 then uv.sleep(1) end
    until uv.hrtime() > deadline
    error("it did not come to pass", 2)
end

--- The names and states of the services, in order: "web running, db stopped".
function library.states(sup)
    local list = {}
    for i, service in ipairs(sup:services()) do list[i] = service.name .. " " .. service.state end
    return table.concat(list, ", ")
end

--- The events that have all the fields of `wanted`.
function library.all(events, wanted)
    local found = {}
    for _, event in ipairs(events) do
        local fits = true
        for key, value in pairs(wanted) do fits = fits and event[key] == value end
        if fits then found[#found + 1] = event end
    end
    return found
end

library.lives = proc.lives

return library
