--- The life of the control thread's state: it serves until the tree is about to leave.
local changing = require "suptree.control.changing"
local looking = require "suptree.control.looking"
local native = require "suptree.control.native"
local Server = require "suptree.control.server"
local system = require "suptree.system"
local uv = require "luv"

local function now()
    local seconds, micros = uv.gettimeofday()
    return seconds + micros / 1e6
end

-- Who waits for which answer of the engine.
local function new_errands()
    local waiting = {}
    return {
        wait = function(ticket, fn) waiting[ticket] = fn end,
        deliver = function(ticket, ...)
            local fn = waiting[ticket]
            waiting[ticket] = nil
            if fn then fn(...) end
        end,
    }
end

local function merge(...)
    local all = {}
    for _, part in ipairs { ... } do
        for name, handler in pairs(part) do all[name] = handler end
    end
    return all
end

return function()
    local errands = new_errands()
    local server = Server.new(native.listener(), {
        admit = native.admit, say = native.say,
        handlers = merge(
            looking { facts = native.facts, methods = Server.methods_text(), version = system.version, time = now },
            changing(errands)),
    })
    local waker = assert(uv.new_poll(native.waker()))
    local leaving = false
    waker:start("r", function()
        local closing = native.drain()
        local function take(ticket, ...)
            if not ticket then return false end
            errands.deliver(ticket, ...)
            return true
        end
        while take(native.take()) do end
        if closing and not leaving then
            leaving = true
            server:leave(function() waker:close() end)
        end
    end)
    native.run()
end
