--- The life of the control thread's state: it serves until the tree is about to leave.
local changing = require "suptree.control.changing"
local Follower = require "suptree.control.follower"
local logs = require "suptree.control.logs"
local looking = require "suptree.control.looking"
local native = require "suptree.control.native"
local Server = require "suptree.control.server"
local streams = require "suptree.control.streams"
local system = require "suptree.system"
local uv = require "luv"
local waiting = require "suptree.control.waiting"

local function now()
    local seconds, micros = uv.gettimeofday()
    return seconds + micros / 1e6
end

-- Who waits for which answer of the engine.
local function new_errands()
    local owed = {}
    return {
        wait = function(ticket, fn) owed[ticket] = fn end,
        deliver = function(ticket, ...)
            local fn = owed[ticket]
            owed[ticket] = nil
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
    local errands, follower = new_errands(), Follower.new()
    local server = Server.new(native.listener(), {
        admit = native.admit, say = native.say,
        written = function(connection) follower:written(connection) end,
        ended = function(connection) follower:forget(connection) end,
        handlers = merge(
            looking { facts = native.facts, methods = Server.methods_text(), version = system.version, time = now },
            changing(errands, follower), streams(follower, Server.limits), waiting.handlers(follower),
            logs(follower, Server.limits)),
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
        follower:wake()
        if closing and not leaving then
            leaving = true
            follower:leave()
            server:leave(function() waker:close() end)
        end
    end)
    native.run()
end
