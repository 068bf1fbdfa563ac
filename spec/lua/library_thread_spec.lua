-- Functions of a Lua program as thread services: where they hear of a stop, and what they say when they end.
local library = require "spec.support.library"
local suptree = require "suptree"

local all, eventually = library.all, library.eventually

-- Serves a thread with `run`, which calls ctx:ready() when it is where it is to be stopped; stops it with the context
-- "why"; its end.
local function end_of(run, options)
    options = options or {}
    options.run, options.ready = run, suptree.ready.manual()
    local sup, events = library.watched { suptree.thread "it" (options) }
    assert(sup:serve_background())
    eventually(sup, function() return library.is_ready(sup, "it") end)
    assert.is_nil(sup:stop "why")
    sup:poll()
    local ends = all(events, { type = "ended", path = "it" })
    assert.are.equal(1, #ends)
    assert.is_true(ends[1].planned)
    return ends[1], events
end

describe("a thread service that is asked to stop calls ctx:on_stop functions", function()
    after_each(library.close)

    local points = {
        ["ctx:stopping"] = function(ctx) ctx:stopping() end,
        ["ctx:sleep"] = function(ctx) ctx:sleep(0.001) end,
        ["ctx:heartbeat"] = function(ctx) ctx:heartbeat() end,
    }
    for name, point in pairs(points) do
        it("inside " .. name .. ", once, in order, with the context", function()
            local ended = end_of(function(ctx)
                local calls, inside, stopped = {}, false, false
                for i = 1, 2 do
                    ctx:on_stop(function(context)
                        calls[#calls + 1] = ("%d %s %s"):format(i, context, inside)
                        stopped = i == 2
                    end)
                end
                ctx:ready()
                while not stopped do
                    inside = true
                    point(ctx)
                    inside = false
                    local work = 0
                    for i = 1, 1000 do work = work + i end -- a stop in here has to wait
                end
                point(ctx)
                return nil, table.concat(calls, ", ")
            end, { timeout = "1h" })
            assert.are.equal("1 why true, 2 why true", ended.error)
        end)
    end

    it("in a callback of luv's loop", function()
        local ended = end_of(function(ctx)
            local uv = require "luv"
            local timer, said = uv.new_timer(), nil
            ctx:on_stop(function(context)
                said = context
                timer:close()
            end)
            timer:start(3600000, 0, function() end)
            ctx:ready()
            uv.run()
            return nil, said
        end, { timeout = "1h" })
        assert.are.equal("why", ended.error)
    end)

    it("after it has returned, when it comes to none of these", function()
        local go = os.tmpname()
        os.remove(go)
        local sup, events = library.watched { suptree.thread "it" { timeout = "1h", args = go,
            ready = suptree.ready.manual(), run = function(ctx)
                local returned = false
                ctx:on_stop(function() error("returned: " .. tostring(returned), 0) end)
                ctx:ready()
                local file
                local _ <close> = setmetatable({}, { __close = function() returned = true end })
                repeat file = io.open(ctx.args) until file
                file:close()
            end } }
        assert(sup:serve_background())
        local token = eventually(sup, function() return library.is_ready(sup, "it") end).token
        assert.is_true(sup:remove(token))
        eventually(sup, function() return all(events, { type = "stopping" })[1] end)
        assert(sup:add(suptree.process "next" { command = { "sleep", "1000" } })) -- done after it has been asked
        io.open(go, "w"):close() -- it looks for this file, and calls nothing of its context
        assert.is_true(sup:remove_and_wait(token, 0))
        eventually(sup, function() return all(events, { type = "ended" })[1] end)
        os.remove(go)
        assert.matches("returned: true", all(events, { type = "ended" })[1].error)
    end)

    it("at once, when the function is given after that", function()
        local ended = end_of(function(ctx)
            ctx:ready()
            while ctx:sleep(3600) do end
            local said
            ctx:on_stop(function(context) said = context end)
            return nil, said
        end, { timeout = "1h" })
        assert.are.equal("why", ended.error)
    end)

    it("never in the middle of anything: one that comes to no such place is interrupted without them", function()
        local flag = os.tmpname()
        os.remove(flag)
        local ended, events = end_of(function(ctx)
            ctx:on_stop(function() io.open(ctx.args, "w"):close() end)
            ctx:ready()
            while true do end
        end, { timeout = "100ms", args = flag })
        assert.are.equal(1, #all(events, { type = "killed", path = "it" }))
        assert.is_nil(io.open(flag))
        assert.matches("library_thread_spec.lua:%d+", ended.error)
    end)

    it("and one of these that does not end is interrupted too", function()
        local _, events = end_of(function(ctx)
            ctx:on_stop(function() while true do end end)
            ctx:ready()
            while ctx:sleep(3600) do end
        end, { timeout = "100ms" })
        assert.are.equal(1, #all(events, { type = "killed", path = "it" }))
    end)

    it("one that raises ends it with that error", function()
        local ended = end_of(function(ctx)
            ctx:on_stop(function() error "clumsy" end)
            ctx:ready()
            while ctx:sleep(3600) do end
        end)
        assert.matches("clumsy", ended.error)
    end)
end)

describe("a thread service in the seed's form", function()
    after_each(library.close)

    it("has its stop called on its own thread, where ctx:on_stop functions are", function()
        local log, running = {}, true
        local sup, events = library.watched { suptree.thread "it" { timeout = "1h",
            ready = suptree.ready.manual(),
            serve = function(ctx)
                ctx:ready()
                while running do ctx:sleep(0.001) end
                return nil, table.concat(log, ", ")
            end,
            stop = function(context)
                log[#log + 1] = "stop " .. context
                running = false
            end } }
        assert(sup:serve_background())
        eventually(sup, function() return library.is_ready(sup, "it") end)
        assert.is_nil(sup:stop "why")
        sup:poll()
        assert.are.equal("stop why", all(events, { type = "ended" })[1].error)
        assert.are.same({}, log) -- it has copies of its own
    end)
end)

describe("a thread service of a program", function()
    after_each(library.close)

    it("knows its path and gets its arguments, anew for each run", function()
        local sup, events = library.watched { failure_threshold = 1000, suptree.supervisor "jobs" {
            suptree.thread "it" { args = { count = 0 }, restart_delay = "5ms", run = function(ctx)
                ctx.args.count = ctx.args.count + 1
                error(("%s %d"):format(ctx.path, ctx.args.count), 0)
            end } } }
        assert(sup:serve_background())
        eventually(sup, function() return #all(events, { type = "failed" }) >= 3 end)
        for _, event in ipairs(all(events, { type = "failed" })) do
            assert.matches("raised: jobs/it 1", event.reason, 1, true)
        end
    end)

    it("that takes more memory than its cap fails, alone", function()
        local sup, events = library.watched { library.idler "good", suptree.thread "greedy" { memory = "4MiB",
            restart_delay = "1h", run = function()
                local all_of_it = {}
                while true do all_of_it[#all_of_it + 1] = ("x"):rep(1000) .. #all_of_it end
            end } }
        assert(sup:serve_background())
        eventually(sup, function() return all(events, { type = "failed" })[1] end)
        assert.matches("not enough memory: it may take 4096 KiB", all(events, { type = "failed" })[1].reason)
        assert.are.equal("good running, greedy delayed", library.states(sup))
    end)

    it("that cannot travel is refused when it is added, with the upvalue and the line", function()
        local sup, file = library.new(), io.stdout
        local token, err = sup:add(suptree.thread "it" { run = function() file:write "x" end })
        assert.is_nil(token)
        assert.are.equal(suptree.ErrInvalid, err)
        assert.matches("library_thread_spec%.lua:%d+ uses file", tostring(err))
        assert.are.same({}, sup:services())
    end)
end)
