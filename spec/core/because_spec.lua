-- Every state explains itself: reason, next_at and because, down to the first cause. And how a simulation is used.
local world = require "spec.support.world"
local suptree = require "suptree"
local up, fail, tree, process, group = world.up, world.fail, world.tree, world.process, world.group
local told = world.told

-- The chain as words: { "web dependency", "db person" }.
local function chain(sim, path)
    local words = {}
    for _, link in ipairs(sim:state(path).because) do
        words[#words + 1] = link.path .. " " .. link.cause
        assert.is_string(link.state)
        assert.is_string(link.text)
        assert.is_true(#link.text > 0)
    end
    return words
end

describe("why a node is in its state", function()
    it("waiting: for whom, and why that is down", function()
        local sim = up { "db", process("web", { after = { "db" } }), process("ads", { after = { "web" } }) }
        sim:stop_node("db")
        assert.same({ "web dependency", "db person" }, chain(sim, "web"))
        assert.same({ "ads dependency", "web dependency", "db person" }, chain(sim, "ads"))
        assert.matches("db", sim:state("web").reason)
    end)

    it("waiting for one that is queued", function()
        local sim = up {
            failure_threshold = 0,
            process("db", { ready = suptree.ready.manual() }), process("web", { after = { "db" } }),
        }
        fail(sim, "db")
        assert.equal("waiting", sim:state("web").state)
        local words = chain(sim, "web")
        assert.same({ "web dependency", "db pause" }, { words[1], words[2] })
        assert.matches("^%. ", words[3])
    end)

    it("queued: its supervisor is paused, until when", function()
        local sim = up { failure_threshold = 0, "a" }
        fail(sim, "a")
        sim:advance(5)
        local state = sim:state("a")
        assert.equal("queued", state.state)
        assert.matches("paused", state.reason)
        assert.equal(15, state.next_at)
        assert.equal("a pause", chain(sim, "a")[1])
    end)

    it("paused: the count, and when it resumes", function()
        local sim = up { failure_threshold = 0, "a" }
        fail(sim, "a")
        local state = sim:state()
        assert.matches("paused", state.reason)
        assert.matches("15 s", state.reason)
        assert.matches("1.00 failures against a threshold of 0", state.reason, 1, true)
        assert.equal(15, state.next_at)
        assert.equal(15, state.resumes_in)
    end)

    it("delayed: until when", function()
        local sim = up { process("a", { restart_delay = 7 }) }
        fail(sim, "a")
        assert.matches("delay", sim:state("a").reason)
        assert.matches("7 s", sim:state("a").reason)
        assert.equal(7, sim:state("a").next_at)
    end)

    it("stopped by a person", function()
        local sim = up { "a" }
        sim:stop_node("a")
        assert.matches("person", sim:state("a").reason)
        assert.same({ "a person" }, chain(sim, "a"))
    end)

    it("stopped with its supervisor", function()
        local sim = up { group("w", { "x" }) }
        sim:stop_node("w")
        local words = chain(sim, "w/x")
        assert.equal("w/x supervisor", words[1])
        assert.equal("w person", words[#words])
    end)

    it("disabled", function()
        local sim = up { process("a", { enabled = false }) }
        assert.same({ "a disabled" }, chain(sim, "a"))
        assert.matches("enabled", sim:state("a").reason)
    end)

    it("done: how it ended", function()
        local sim = up { process("a", { restart = "transient" }) }
        sim:exit("a", { code = 0 })
        assert.equal("done", sim:state("a").state)
        assert.equal("a finished", chain(sim, "a")[1])
    end)

    it("given up: too many failures", function()
        local sim = up { on_threshold = "give_up", failure_threshold = 0, "a" }
        fail(sim, "a")
        assert.equal("a limit", chain(sim, "a")[1])
        assert.is_nil(sim:state("a").next_at)
    end)

    it("stuck", function()
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        sim:stop_node("a")
        sim:advance(20)
        assert.matches("stuck", sim:state("a").reason)
        assert.equal("a stuck", chain(sim, "a")[1])
    end)

    it("stopping: killed when", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        sim:stop_node("a")
        assert.equal(10, sim:state("a").next_at)
        assert.matches("10 s", sim:state("a").reason)
    end)

    it("running: nothing is due", function()
        local sim = up { "a" }
        assert.matches("running", sim:state("a").reason)
        assert.is_nil(sim:state("a").next_at)
    end)

    it("running and not ready: until when it must be", function()
        local sim = up { process("a", { ready = suptree.ready.manual(), start_timeout = 20 }) }
        assert.equal(20, sim:state("a").next_at)
        assert.matches("not ready", sim:state("a").reason)
    end)

    it("the whole tree after its stop", function()
        local sim = up { group("w", { "x" }) }
        sim:stop()
        local words = chain(sim, "w/x")
        assert.equal(". stop", words[#words])
    end)

    it("the tree after its limit", function()
        local sim = up { on_threshold = "escalate", failure_threshold = 0, "a" }
        fail(sim, "a")
        assert.equal(". limit", chain(sim, ".")[1])
    end)
end)

describe("a simulation", function()
    it("is made of a declaration, and says what is wrong with what is none", function()
        local sim, err = suptree.sim("no blob")
        assert.is_nil(sim)
        assert.is_true(#tostring(err) > 0)
    end)

    it("is made of a blob too", function()
        local blob = assert(require "suptree.declaration".encode(tree { "a" }))
        local sim = assert(suptree.sim(blob))
        sim:start()
        assert.same({ "launch a" }, told(sim))
    end)

    it("raises for misuse: no declaration, a seed that is no whole number", function()
        assert.has_error(function() suptree.sim {} end)
        assert.has_error(function() suptree.sim(tree { "a" }, { seed = "x" }) end)
        assert.has_error(function() up({ "a" }):hang("a", "a little") end)
        assert.has_error(function() up({ "a" }):fail_launch("a", "EWHAT") end)
        assert.has_error(function() up({ "a" }):exit("a", { signal = "WHAT" }) end)
        assert.has_error(function() up({ "a" }):state({}) end)
    end)

    it("tells time in seconds", function()
        local sim = up { "a" }
        assert.equal(0, sim:now())
        sim:advance("1m30s")
        sim:advance(0.5)
        assert.equal(90.5, sim:now())
    end)

    it("raises for what is no time", function()
        local sim = up { "a" }
        for _, value in ipairs { "soon", -1, 0 / 0, {} } do
            assert.has_error(function() sim:advance(value) end)
        end
    end)

    it("raises for a moment that is over", function()
        local sim = up { "a" }
        sim:advance(5)
        assert.has_error(function() sim:at(4, function() end) end)
    end)

    it("hands out effects and events once", function()
        local sim = world.sim(tree { "a" })
        sim:start()
        assert.equal(1, #sim:effects())
        assert.equal(0, #sim:effects())
        assert.is_true(#sim:events() > 0)
        assert.equal(0, #sim:events())
    end)

    it("an effect names path, generation and instance", function()
        local sim = up { group("w", { "x" }) }
        fail(sim, "w/x")
        local effect = sim:effects()[1]
        assert.equal("launch", effect.type)
        assert.equal("w/x", effect.path)
        assert.equal(2, effect.generation)
        assert.equal(sim:state("w/x").instance, effect.instance)
    end)

    it("restarts are those that nobody asked for", function()
        local sim = up { failure_threshold = 2, "a", process("b", { restart_with = { "a" } }) }
        assert.equal(0, sim:state("a").restarts)
        sim:restart_node("a")
        assert.equal(0, sim:state("a").restarts)
        fail(sim, "a")
        assert.equal(1, sim:state("a").restarts)
        fail(sim, "a", 2)
        sim:advance(60)
        assert.equal(3, sim:state("a").restarts)
        assert.equal(3, sim:state("b").restarts)
    end)

    it("a state of what is not there is nil", function()
        local sim = up { "a" }
        assert.is_nil(sim:state("b"))
        assert.is_nil(sim:state("a/b"))
        assert.equal(".", sim:state().path)
        assert.same(sim:state("."), sim:state())
    end)

    it("hang lasts until it is taken back", function()
        local sim = up { "a" }
        sim:hang("a")
        sim:restart_node("a")
        sim:advance(10)
        sim:hang("a", false)
        sim:effects()
        sim:restart_node("a")
        assert.same({ "interrupt a", "launch a" }, told(sim))
    end)

    it("a removed one that lives can be told to hang and to end by its path", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        sim:remove("a")
        sim:hang("a", "kill")
        sim:advance(15)
        assert.is_true(sim:state("a").leaving)
        assert.is_true(sim:exit("a"))
        assert.is_nil(sim:state("a"))
    end)

    it("a command inside a callback settles its facts, not the deadlines of the instant", function()
        local sim = up { failure_threshold = 0, "a", "b" }
        fail(sim, "a")
        sim:at(15, function(now)
            now:exit("b", { code = 1 })
            assert.equal("paused", now:state().state)
            assert.has_error(function() now:advance(1) end)
        end)
        sim:advance(20)
        assert.equal("running", sim:state().state)
    end)

    it("an error in a callback reaches who advances", function()
        local sim = up { "a" }
        sim:at(1, function() error "boom" end)
        assert.error_matches(function() sim:advance(2) end, "boom")
    end)

    it("an exit of what does not run is an error, not a raise", function()
        local sim = up { process("a", { enabled = false }) }
        local ok, err = sim:exit("a")
        assert.is_nil(ok)
        assert.equal(suptree.ErrNotFound, err)
        ok, err = sim:exit("nowhere")
        assert.is_nil(ok)
        assert.equal(suptree.ErrNotFound, err)
    end)

    it("runs until nothing is due, or says that it did not", function()
        local sim = up { failure_threshold = 0, "a" }
        fail(sim, "a")
        assert.is_true(sim:run_until_idle())
        assert.equal(15, sim:now())
        sim:fail_launch("a", "ENOENT", math.huge)
        fail(sim, "a")
        assert.is_false(sim:run_until_idle("5m"))
        assert.equal(315, sim:now())
    end)

    it("a process ends by its stop signal, a thread returns", function()
        local sim = up { process("a", { stop_signal = "INT" }), world.thread "t" }
        sim:restart_node("a")
        sim:restart_node("t")
        local ended = world.events(sim, "ended")
        assert.matches("INT", ended[1].reason)
        assert.is_nil(ended[2].signal)
    end)

    it("the kind makes no difference", function()
        local process_sim, thread_sim = up { "a", "b" }, up { world.thread "a", world.thread "b" }
        for _, sim in ipairs { process_sim, thread_sim } do
            sim:exit("a", { code = 1 })
            sim:exit("b", { error = "boom" })
        end
        assert.same(told(process_sim), told(thread_sim))
        assert.equal(process_sim:state().count, thread_sim:state().count)
    end)
end)
