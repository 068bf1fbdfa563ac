-- SEMANTICS §5 and §6: serving, adding, removing, significance, exit codes.
local world = require "spec.support.world"
local suptree = require "suptree"
local up, fail, tree, group = world.up, world.fail, world.tree, world.group
local process, thread = world.process, world.thread
local states, told, happened = world.states, world.told, world.happened

describe("§5 '`add` before serving records; while serving launches at once; after stop is an error'", function()
    it("before", function()
        local sim = world.sim(tree { "a" })
        assert.is_truthy(sim:add(".", process "b"))
        assert.same({}, told(sim))
        sim:start()
        assert.same({ "launch a", "launch b" }, told(sim))
    end)

    it("while serving", function()
        local sim = up { "a" }
        assert.is_truthy(sim:add(".", process "b"))
        assert.same({ "launch b" }, told(sim))
    end)

    it("a supervisor with all below it", function()
        local sim = up { "a" }
        assert.is_truthy(sim:add(".", group("w", { "x", "y" })))
        assert.same({ "launch w/x", "launch w/y" }, told(sim))
    end)

    it("below a nested supervisor", function()
        local sim = up { group("w", { "x" }) }
        assert.is_truthy(sim:add("w", process "y"))
        assert.same({ "launch w/y" }, told(sim))
    end)

    it("below one that is stopped: recorded", function()
        local sim = up { group("w", { "x" }) }
        sim:stop_node("w")
        sim:effects()
        assert.is_truthy(sim:add("w", process "y"))
        assert.same({}, told(sim))
        sim:start_node("w")
        assert.same({ "launch w/x", "launch w/y" }, told(sim))
    end)

    it("after stop", function()
        local sim = up { "a" }
        sim:stop()
        local token, err = sim:add(".", process "b")
        assert.is_nil(token)
        assert.equal(suptree.ErrStopped, err)
    end)

    it("says added, then launched", function()
        local sim = up { "a" }
        sim:add(".", process "b")
        assert.same({ "added b", "launched b" }, happened(sim, "added", "launched"))
    end)

    it("below a service or a path that is not there: an error", function()
        local sim = up { "a" }
        assert.is_nil(sim:add("a", process "b"))
        local token, err = sim:add("nowhere", process "b")
        assert.is_nil(token)
        assert.equal(suptree.ErrNotFound, err)
    end)
end)

describe("§5 'A name already there is an error that says whether it runs'", function()
    it("running", function()
        local sim = up { "a" }
        local token, err = sim:add(".", process "a")
        assert.is_nil(token)
        assert.equal(suptree.ErrDuplicateName, err)
        assert.matches("run", tostring(err))
        assert.same({}, told(sim))
    end)

    it("stopped says something else", function()
        local sim = up { "a" }
        local _, running = sim:add(".", process "a")
        sim:stop_node("a")
        local _, stopped = sim:add(".", process "a")
        assert.equal(suptree.ErrDuplicateName, stopped)
        assert.not_equal(tostring(running), tostring(stopped))
    end)

    it("the same name elsewhere is another node", function()
        local sim = up { "a", group("w", { "x" }) }
        assert.is_truthy(sim:add("w", process "a"))
    end)

    it("in a declaration", function()
        assert.matches("a", world.refusal(function() return tree { "a", "b", "a" } end))
    end)
end)

describe("§5 '`remove` … Of one already removed: success. It returns without waiting'", function()
    it("stops it and it is gone", function()
        local sim = up { "a", "b" }
        assert.is_true(sim:remove("a"))
        assert.same({ "interrupt a" }, told(sim))
        assert.is_nil(sim:state("a"))
        assert.same({ ".", "b" }, sim:paths())
    end)

    it("by token, twice", function()
        local sim = up { "a" }
        local token = sim:add(".", process "b")
        assert.is_true(sim:remove(token))
        assert.is_true(sim:remove(token))
    end)

    it("twice while it hangs: asked once", function()
        local sim = up { "a" }
        local token = sim:add(".", process "b")
        sim:hang("b")
        sim:effects()
        assert.is_true(sim:remove(token))
        assert.is_true(sim:remove(token))
        assert.same({ "interrupt b" }, told(sim))
    end)

    it("a token that never was changes nothing", function()
        local sim = up { "a" }
        for _, token in ipairs { 0, 1 << 40 | 1, -1 } do
            sim:remove(token)
            assert.same({}, told(sim))
        end
        assert.equal("running", sim:state("a").state)
    end)

    it("of a token that never was: not found", function()
        local sim = up { "a", "b" }
        for _, token in ipairs { 0, 1, 1 << 60, 99 << 32 } do
            local ok, err = sim:remove(token)
            assert.is_nil(ok)
            assert.equal(suptree.ErrNotFound, err)
        end
    end)

    it("a path that is not there is an error", function()
        local ok, err = up({ "a" }):remove("zzz")
        assert.is_nil(ok)
        assert.equal(suptree.ErrNotFound, err)
    end)

    it("the root cannot be removed", function()
        local sim = up { "a" }
        local ok, err = sim:remove(".")
        assert.is_nil(ok)
        assert.is_not_nil(err)
        assert.equal("running", sim:state("a").state)
    end)

    it("one that hangs lives on under its path, and its name is free", function()
        local sim = up { "a", "b" }
        local first = sim:state("a").instance
        sim:hang("a")
        sim:remove("a")
        assert.is_truthy(sim:add(".", process "a"))
        assert.not_equal(first, sim:state("a").instance)
        assert.equal(1, sim:state("a").generation)
        sim:effects()
        sim:advance(10)
        assert.same({ "kill a" }, told(sim))
        assert.equal("running", sim:state("a").state)
    end)

    it("says removed once", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        sim:remove("a")
        sim:remove("b")
        sim:exit("a")
        local words = happened(sim, "removed")
        table.sort(words)
        assert.same({ "removed a", "removed b" }, words)
    end)

    it("one that was queued leaves the queue", function()
        local sim = up { failure_threshold = 0, "a", "b" }
        fail(sim, "a")
        sim:remove("a")
        sim:effects()
        sim:advance(60)
        assert.same({}, told(sim))
    end)

    it("of a supervisor: all below, dependents first", function()
        local sim = up { group("w", { "x", process("y", { after = { "x" } }) }), "b" }
        sim:remove("w")
        assert.same({ "interrupt w/y", "interrupt w/x" }, told(sim))
        assert.same({ ".", "b" }, sim:paths())
    end)

    it("what was after it no longer waits for it", function()
        local sim = up { process("db", { ready = suptree.ready.manual() }), process("web", { after = { "db" } }) }
        assert.equal("waiting", sim:state("web").state)
        sim:remove("db")
        assert.equal("running", sim:state("web").state)
    end)

    it("what was after it runs on, and no longer waits for it when it restarts", function()
        local sim = up { "db", process("web", { after = { "db" } }) }
        sim:remove("db")
        assert.same({ "interrupt db" }, told(sim))
        fail(sim, "web")
        assert.same({ "launch web" }, told(sim))
    end)
end)

describe("§5 '`remove_and_wait` waits (0 = for ever) and is released by the end, by its own timeout, or when "
    .. "the tree ends'", function()
    local function removing(wait_for)
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        return sim, sim:request { type = "remove", path = "a", wait = true, wait_for = wait_for }
    end

    it("by the end", function()
        local sim, request = removing()
        sim:advance("1h")
        assert.is_nil(sim:reply(request))
        sim:exit("a")
        assert.equal("ok", sim:reply(request).status)
    end)

    it("by its own timeout; the removal stands", function()
        local sim, request = removing(5)
        sim:advance(4.9)
        assert.is_nil(sim:reply(request))
        sim:advance(0.1)
        assert.equal("timeout", sim:reply(request).status)
        sim:advance(60)
        assert.equal("timeout", sim:reply(request).status)
        assert.is_true(sim:state("a") == nil or sim:state("a").leaving)
    end)

    it("when the tree ends", function()
        local sim, request = removing()
        sim:advance(60)
        sim:stop()
        assert.is_truthy(sim:ended())
        assert.is_not_nil(sim:reply(request))
    end)

    it("by the end as well when it was removed before", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        local token = sim:state("a").token
        sim:remove(token)
        local request = sim:request { type = "remove", node = token, wait = true }
        assert.is_nil(sim:reply(request))
        sim:exit("a")
        assert.equal("ok", sim:reply(request).status)
        local late = sim:request { type = "remove", node = token, wait = true }
        assert.equal("ok", sim:reply(late).status)
    end)

    it("of one that ends at once: in the same instant", function()
        local sim = up { "a", "b" }
        local request = sim:request { type = "remove", path = "a", wait = true }
        assert.equal("ok", sim:reply(request).status)
    end)

    it("an end at the very instant of the timeout wins", function()
        local sim, request = removing(5)
        sim:at(5, function(now) now:exit("a") end)
        sim:advance(10)
        assert.equal("ok", sim:reply(request).status)
    end)
end)

describe("§9.11 'Every request gets exactly one reply; every waiter is released'", function()
    it("a start that waits: ready", function()
        local sim = up { process("a", { ready = suptree.ready.delay(3), enabled = false }) }
        local request = sim:request { type = "start_node", path = "a", wait = true }
        assert.is_nil(sim:reply(request))
        sim:advance(3)
        assert.equal("ok", sim:reply(request).status)
    end)

    it("a start that waits and cannot get there", function()
        local sim = up { on_threshold = "give_up", failure_threshold = 0, process("a", { enabled = false }) }
        sim:fail_launch("a", "ENOENT", 9)
        local request = sim:request { type = "start_node", path = "a", wait = true }
        assert.equal("not_reached", sim:reply(request).status)
    end)

    it("a stop that waits", function()
        local sim = up { "a" }
        sim:hang("a")
        local request = sim:request { type = "stop_node", path = "a", wait = true }
        sim:advance(9)
        assert.is_nil(sim:reply(request))
        sim:advance(1)
        assert.equal("ok", sim:reply(request).status)
    end)

    it("a stop that waits for what does not live is answered at once", function()
        local sim = up {
            failure_threshold = 1, process("a", { restart_delay = 60 }), "b", process("c", { after = { "a" } }),
        }
        fail(sim, "a")
        fail(sim, "b")
        sim:stop_node("c")
        for _, path in ipairs { "a", "b", "c" } do
            local request = sim:request { type = "stop_node", path = path, wait = true }
            assert.equal("ok", sim:reply(request).status)
        end
    end)

    it("a stop that waits for one that gets stuck", function()
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        local request = sim:request { type = "stop_node", path = "a", wait = true }
        sim:advance(19.9)
        assert.is_nil(sim:reply(request))
        sim:advance(0.1)
        assert.equal("not_reached", sim:reply(request).status)
    end)

    it("a restart that waits for ready again", function()
        local sim = up { process("a", { ready = suptree.ready.delay(3) }) }
        sim:advance(3)
        local request = sim:request { type = "restart_node", path = "a", wait = true }
        assert.is_nil(sim:reply(request))
        sim:advance(3)
        assert.equal("ok", sim:reply(request).status)
    end)

    it("two that wait for the same", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        local first = sim:request { type = "stop_node", path = "a", wait = true }
        local second = sim:request { type = "stop_node", path = "a", wait = true }
        sim:exit("a")
        assert.equal("ok", sim:reply(first).status)
        assert.equal("ok", sim:reply(second).status)
    end)

    it("one who waits for a stop when another starts it again", function()
        local sim = up { "a" }
        sim:hang("a")
        local request = sim:request { type = "stop_node", path = "a", wait = true }
        sim:start_node("a")
        sim:exit("a")
        sim:advance(60)
        assert.is_not_nil(sim:reply(request))
    end)

    it("one who waits for a node that another removes", function()
        local sim = up { process("a", { ready = suptree.ready.manual() }), "b" }
        local request = sim:request { type = "restart_node", path = "a", wait = true }
        sim:remove("a")
        assert.is_not_nil(sim:reply(request))
    end)

    it("all, when the tree stops", function()
        local sim = up { process("a", { ready = suptree.ready.manual() }), "b" }
        local requests = {}
        for n, kind in ipairs { "restart_node", "start_node" } do
            requests[n] = sim:request { type = kind, path = "a", wait = true }
        end
        sim:stop()
        for _, request in ipairs(requests) do assert.is_not_nil(sim:reply(request)) end
    end)
end)

describe("§5 '`serve_background` returns when every child added before has been launched, or is waiting, "
    .. "delayed or failed'", function()
    it("launched or waiting", function()
        local sim = world.sim(tree {
            process("db", { ready = suptree.ready.manual() }), process("web", { after = { "db" } }),
        })
        local request = sim:request { type = "start", wait = true }
        assert.equal("ok", sim:reply(request).status)
    end)

    it("delayed or queued", function()
        local sim = world.sim(tree { failure_threshold = 0, process("a", { restart_delay = 9 }), "b" })
        sim:fail_launch("a", "ENOENT", 9)
        sim:fail_launch("b", "ENOENT", 9)
        local request = sim:request { type = "start", wait = true }
        assert.equal("ok", sim:reply(request).status)
    end)

    it("the context is in the started event", function()
        local sim = world.sim(tree { "a" })
        sim:start("boot")
        assert.equal("boot", world.events(sim, "started")[1].context)
    end)
end)

describe("§5 'A second serve while serving is an error that leaves the running one alone'", function()
    it("holds", function()
        local sim = up { "a" }
        local ok, err = sim:start()
        assert.is_nil(ok)
        assert.equal(suptree.ErrAlreadyServing, err)
        assert.same({}, told(sim))
        assert.equal("running", sim:state("a").state)
    end)
end)

describe("§5 'Stop before start: a later serve returns at once. Stopped is final'", function()
    it("launches nothing", function()
        local sim = world.sim(tree { "a" })
        assert.is_true(sim:stop())
        sim:start()
        assert.same({}, told(sim))
        assert.equal("stopped", sim:state().state)
    end)

    it("a stopped tree does not start again", function()
        local sim = up { "a" }
        sim:stop()
        sim:effects()
        sim:start()
        sim:start_node("a")
        sim:restart_node("a")
        sim:advance(60)
        assert.same({}, told(sim))
        assert.equal("stopped", sim:state("a").state)
    end)
end)

describe("§5 'Concurrent stops get the same report'", function()
    it("both are answered when it has ended", function()
        local sim = up { "a" }
        sim:hang("a")
        local first = sim:request { type = "stop", wait = true }
        local second = sim:request { type = "stop", wait = true }
        assert.is_nil(sim:reply(first))
        assert.is_nil(sim:reply(second))
        sim:advance(10)
        assert.equal("ok", sim:reply(first).status)
        assert.equal("ok", sim:reply(second).status)
    end)
end)

describe("§5 '`services()` is a snapshot in order, paused and delayed ones included'", function()
    it("holds", function()
        local sim = up { failure_threshold = 1, "a", process("b", { restart_delay = 60 }), group("w", { "x" }), "d" }
        fail(sim, "b")
        fail(sim, "a")
        sim:stop_node("d")
        assert.same({ ".", "a", "b", "w", "w/x", "d" }, sim:paths())
        assert.equal("queued delayed stopped", states(sim, "a", "b", "d"))
    end)
end)

describe("§9.12 'A foreign, zero, stale or removed token changes nothing'", function()
    it("of no command", function()
        local sim = up { "a" }
        local gone = sim:add(".", process "b")
        sim:remove(gone)
        sim:add(".", process "c")
        sim:effects()
        for _, token in ipairs { 0, gone, 12345678901 } do
            for _, verb in ipairs { "start_node", "stop_node", "restart_node" } do
                local ok, err = sim[verb](sim, token)
                assert.is_nil(ok)
                assert.equal(suptree.ErrNotFound, err)
            end
        end
        assert.same({}, told(sim))
        assert.equal("running running", states(sim, "a", "c"))
    end)
end)

describe("§6 '`max_children` bounds a supervisor'", function()
    it("one more is an error", function()
        local sim = up { max_children = 2, "a", "b" }
        local token, err = sim:add(".", process "c")
        assert.is_nil(token)
        assert.matches("max_children", tostring(err))
        assert.same({}, told(sim))
    end)

    it("a declaration with more is refused", function()
        local message = world.refusal(function() return tree { max_children = 1, "a", "b" } end)
        assert.matches("max_children", message)
    end)

    it("after a removal there is room", function()
        local sim = up { max_children = 2, "a", "b" }
        sim:remove("a")
        assert.is_truthy(sim:add(".", process "c"))
    end)

    it("after the end of a temporary one too", function()
        local sim = up { max_children = 1, process("a", { restart = "temporary" }) }
        sim:exit("a")
        assert.is_truthy(sim:add(".", process "c"))
    end)

    it("counts children, not grandchildren", function()
        local sim = up { max_children = 2, group("w", { "x", "y", "z" }) }
        assert.is_truthy(sim:add(".", process "a"))
    end)
end)

describe("§6 '`significant = true` (transient or temporary only)'", function()
    it("a permanent one is refused", function()
        local message = world.refusal(function()
            return tree { auto_shutdown = "any_significant", process("a", { significant = true }) }
        end)
        assert.matches("significant", message)
    end)
end)

describe("§6 auto_shutdown", function()
    local function job(name, options)
        options = options or {}
        options.restart, options.significant = options.restart or "transient", true
        return process(name, options)
    end

    it("\"any_significant\": the first natural end", function()
        local sim = up { auto_shutdown = "any_significant", job "a", job "b", "c" }
        sim:exit("a", { code = 0 })
        assert.equal(0, sim:ended())
        assert.same({ "interrupt b", "interrupt c" }, world.told_sorted(sim))
    end)

    it("\"all_significant\": the last one", function()
        local sim = up { auto_shutdown = "all_significant", job "a", job "b", "c" }
        sim:exit("a", { code = 0 })
        assert.is_nil(sim:ended())
        sim:exit("b", { code = 0 })
        assert.equal(0, sim:ended())
    end)

    it("the end of one that is not significant does nothing", function()
        local sim = up { auto_shutdown = "any_significant", job "a", process("b", { restart = "transient" }) }
        sim:exit("b", { code = 0 })
        assert.is_nil(sim:ended())
    end)

    it("never, by default", function()
        local sim = up { process("a", { restart = "transient" }) }
        sim:exit("a", { code = 0 })
        assert.is_nil(sim:ended())
    end)

    it("'only natural ends … count': not a person's stop", function()
        local sim = up { auto_shutdown = "any_significant", job "a", "b" }
        sim:stop_node("a")
        assert.is_nil(sim:ended())
    end)

    it("nor a removal", function()
        local sim = up { auto_shutdown = "any_significant", job "a", job "b" }
        sim:remove("a")
        assert.is_nil(sim:ended())
    end)

    it("'that are not restarted': not a failure of a transient one", function()
        local sim = up { auto_shutdown = "any_significant", job "a", "b" }
        sim:exit("a", { code = 1 })
        assert.is_nil(sim:ended())
        assert.equal("running", sim:state("a").state)
    end)

    it("a failure of a temporary one does", function()
        local sim = up { auto_shutdown = "any_significant", job("a", { restart = "temporary" }), "b" }
        sim:exit("a", { code = 5 })
        assert.is_truthy(sim:ended())
    end)

    it("a failed start of a temporary one does: that is its end", function()
        local sim = world.sim(tree { auto_shutdown = "any_significant", job("a", { restart = "temporary" }), "b" })
        sim:fail_launch("a", "ENOENT", 1)
        sim:start()
        assert.equal(1, sim:ended())
        local slow = job("a", { restart = "temporary", ready = suptree.ready.manual(), start_timeout = 5 })
        sim = up { auto_shutdown = "any_significant", slow, "b" }
        sim:advance(4)
        assert.is_nil(sim:ended())
        sim:advance(1)
        assert.equal(1, sim:ended())
    end)

    it("the end of a temporary one by a group restart does not", function()
        local sim = up {
            strategy = "one_for_all", auto_shutdown = "any_significant", job("a", { restart = "temporary" }), "b",
        }
        fail(sim, "b")
        assert.is_nil(sim:ended())
        assert.equal("gone running", states(sim, "a", "b"))
    end)

    it("'a child waiting for its restart still counts as alive'", function()
        local sim = up {
            auto_shutdown = "all_significant", failure_threshold = 0, job "a", job("b", { restart_delay = 5 }),
        }
        fail(sim, "a")
        assert.equal("queued", sim:state("a").state)
        sim:exit("b", { code = 0 })
        assert.is_nil(sim:ended())
        sim:advance(15)
        sim:exit("a", { code = 0 })
        assert.equal(0, sim:ended())
    end)

    it("of a nested supervisor, itself significant: climbs", function()
        local sim = up {
            auto_shutdown = "any_significant",
            group("w", { auto_shutdown = "any_significant", restart = "transient", significant = true, job "a" }), "b",
        }
        sim:exit("w/a", { code = 0 })
        assert.equal(0, sim:ended())
    end)

    it("of a nested transient supervisor: it ends, the tree goes on", function()
        local sim = up { group("w", { auto_shutdown = "any_significant", restart = "transient", job "a", "c" }), "b" }
        sim:exit("w/a", { code = 0 })
        assert.same({ "interrupt w/c" }, told(sim))
        assert.is_nil(sim:ended())
        assert.equal(0, sim:state().count)
        assert.equal("stopped running", states(sim, "w", "b"))
    end)
end)

describe("§6 'The tree's exit code is the code of the service that ended it, 128+N for a signal, 0 for an "
    .. "asked stop'", function()
    local function ended_by(options, outcome, make)
        options.significant = true
        local sim = up { auto_shutdown = "any_significant", (make or process)("a", options), "b" }
        sim:exit("a", outcome)
        return sim:ended()
    end

    it("its status", function()
        assert.equal(5, ended_by({ restart = "temporary" }, { code = 5 }))
        assert.equal(3, ended_by({ restart = "transient", success_exit = { 0, 3 } }, { code = 3 }))
    end)

    it("its signal", function()
        assert.equal(128 + 9, ended_by({ restart = "temporary" }, { signal = "KILL" }))
    end)

    it("a thread that returned", function()
        assert.equal(0, ended_by({ restart = "temporary" }, { returned = true }, thread))
    end)

    it("1 for a thread that raised, and for an end that nobody knows", function()
        assert.equal(1, ended_by({ restart = "temporary" }, { error = "boom" }, thread))
        assert.equal(1, ended_by({ restart = "temporary" }, { lost = true }))
    end)

    it("terminate_exit", function()
        local sim = up { group("w", { process("a", { terminate_exit = { 42 } }) }), "b" }
        sim:exit("w/a", { code = 42 })
        assert.equal(42, sim:ended())
    end)

    it("an asked stop: 0, kills included", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        sim:stop()
        sim:advance(10)
        assert.equal(0, sim:ended())
    end)

    it("the stopped event says it", function()
        local sim = up { process("a", { terminate_exit = { 42 } }) }
        sim:exit("a", { code = 42 })
        assert.equal(42, world.events(sim, "stopped")[1].code)
    end)
end)
