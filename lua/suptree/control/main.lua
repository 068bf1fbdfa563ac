--- The life of the control thread's state: it serves until the tree is about to leave.
local changing = require "suptree.control.changing"
local Compiling = require "suptree.control.compiling"
local Follower = require "suptree.control.follower"
local logs = require "suptree.control.logs"
local looking = require "suptree.control.looking"
local native = require "suptree.control.native"
local paths = require "suptree.paths"
local Reload = require "suptree.control.reload"
local reloading = require "suptree.control.reloading"
local rolling = require "suptree.control.rolling"
local scaling = require "suptree.control.scaling"
local Server = require "suptree.control.server"
local streams = require "suptree.control.streams"
local system = require "suptree.system"
local uv = require "luv"
local waiting = require "suptree.control.waiting"
local Watching = require "suptree.control.watching"

local function now()
    local seconds, micros = uv.gettimeofday()
    return seconds + micros / 1e6
end

-- Who waits for which answer of the engine.
local function new_errands()
    local owed = {}
    return {
        wait = function(ticket, fn) owed[ticket] = fn end,
        deliver = function(answer)
            local fn = owed[answer[1]]
            owed[answer[1]] = nil
            if fn then fn(table.unpack(answer, 2, answer.n)) end
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

-- Without a socket there is nobody to serve, but there are reloads.
local function serve(follower, handlers)
    local listener = native.listener()
    return listener and Server.new(listener, {
        admit = native.admit, say = native.say, handlers = handlers,
        written = function(connection) follower:written(connection) end,
        ended = function(connection) follower:forget(connection) end,
    })
end

-- The file that the tree was made of, as nobody can mistake it.
local function source_file()
    local file, folder = native.source().file, system.real_path "."
    return file and folder and paths.absolute(file, folder) or file
end

-- What the tree runs already; what it went back from is not tried again for no reason.
local function stands(blob)
    local report = native.report()
    return native.runs(blob) or report.rolled_back or report.went_back
end

return function()
    local errands, follower = new_errands(), Follower.new()
    local compiling = Compiling.new(native, native.say, uv.hrtime())
    local world = { native = native, say = native.say, errands = errands, compiling = compiling, follower = follower,
        under_way = {}, rolling = {} }
    local reload_handlers, reload = reloading(world)
    local server = serve(follower, merge(
        looking {
            facts = native.facts, methods = Server.methods_text(), version = system.version, time = now,
            file = source_file(),
        },
        changing(world), scaling(world), streams(follower, Server.limits), waiting.handlers(follower),
        logs(follower, Server.limits), reload_handlers))
    local watching = native.source().watch and Watching.new(reload, stands)
    local waker = assert(uv.new_poll(native.waker()))
    local leaving = false

    local function leave()
        if leaving then return end
        leaving = true
        if watching then watching:close() end
        Reload.leave(world)
        rolling.leave(world)
        follower:leave()
        if server then server:leave(function() waker:close() end) else waker:close() end
    end

    waker:start("r", function()
        local closing = native.drain()
        local answers = {}
        repeat
            local answer = table.pack(native.take())
            answers[#answers + 1] = answer[1] and answer
        until not answer[1]
        -- What has led to an answer is told before it: the engine says it first.
        follower:wake()
        for _, answer in ipairs(answers) do errands.deliver(answer) end
        compiling:check()
        if native.asked() then reload() end
        if closing then leave() end
    end)
    native.run()
end
