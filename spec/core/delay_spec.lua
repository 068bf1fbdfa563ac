-- SEMANTICS §1, last paragraph: a service's own backoff, before the supervisor's meter.
local world = require "spec.support.world"
local suptree = require "suptree"
local up, fail, process, group = world.up, world.fail, world.process, world.group
local told_when, told = world.told_when, world.told

-- The delays between the ends and the launches of `a` when it fails at once `times` times.
local function delays(sim, times)
    local list = {}
    for n = 1, times do
        local ended = sim:now()
        fail(sim, "a")
        sim:effects()
        while sim:state("a").state == "delayed" do sim:advance(sim:state("a").next_at - sim:now()) end
        list[n] = sim:now() - ended
    end
    return list
end

-- The meter out of the way.
local function delayed(delay, more, sim_options)
    local options = { failure_threshold = 1e6, process("a", { restart_delay = delay }), "b" }
    for key, value in pairs(more or {}) do options[key] = value end
    return up(options, sim_options)
end

describe("§1 'A service's own backoff: restart_delay = T'", function()
    it("waits T before each restart", function()
        local sim = delayed "2s"
        fail(sim, "a")
        assert.equal("delayed", sim:state("a").state)
        assert.equal(2, sim:state("a").next_at)
        sim:advance(60)
        assert.same({ "2 launch a" }, told_when(sim))
    end)

    it("the same each time", function()
        assert.same({ 2, 2, 2, 2 }, delays(delayed "2s", 4))
    end)

    it("says delayed, and until when", function()
        local sim = delayed "2s"
        fail(sim, "a")
        local events = world.events(sim, "delayed")
        assert.equal(1, #events)
        assert.equal("a", events[1].path)
    end)

    it("others do not wait", function()
        local sim = delayed "2s"
        fail(sim, "b")
        assert.same({ "launch b" }, told(sim))
    end)

    it("a permanent one that ends well waits as well", function()
        local sim = delayed "2s"
        sim:exit("a", { code = 0 })
        assert.equal("delayed", sim:state("a").state)
    end)

    it("0, the default, restarts at once", function()
        local sim = delayed(0)
        fail(sim, "a")
        assert.same({ "launch a" }, told(sim))
    end)

    it("0 says nothing of a delay", function()
        local sim = delayed(0)
        fail(sim, "a")
        assert.same({}, world.happened(sim, "delayed"))
        fail(sim, "a")
        local failed = world.events(sim, "failed")
        assert.is_nil(failed[1]["until"])
    end)

    it("the failed and the delayed event say until when", function()
        local sim = delayed "2s"
        fail(sim, "a")
        for _, event in ipairs(sim:events()) do
            if event.type == "failed" or event.type == "delayed" then assert.equal(2, event["until"]) end
        end
    end)

    it("is not waited for at the first start", function()
        local sim = world.sim(world.tree { process("a", { restart_delay = 5 }) })
        sim:start()
        assert.same({ "launch a" }, told(sim))
    end)
end)

describe("§1 'or { initial, max, factor, jitter, reset_after }'", function()
    it("grows by the factor up to max", function()
        assert.same({ 1, 2, 4, 8, 8, 8 }, delays(delayed { initial = 1, factor = 2, max = 8 }, 6))
    end)

    it("a fraction of a factor", function()
        assert.same({ 4, 6, 9, 10 }, delays(delayed { initial = 4, factor = 1.5, max = 10 }, 4))
    end)

    it("'jitter a fraction, default 0: [d, d(1+jitter)]'", function()
        local low, high = math.huge, 0
        for seed = 1, 60 do
            local sim = delayed({ initial = 10, factor = 1, max = 10, jitter = 0.5 }, {}, { seed = seed })
            local delay = delays(sim, 1)[1]
            assert.is_true(delay >= 10 and delay <= 15, tostring(delay))
            low, high = math.min(low, delay), math.max(high, delay)
        end
        assert.is_true(low < 10.5 and high > 14.5, ("%g to %g"):format(low, high))
    end)

    it("'after failed starts too'", function()
        local sim = world.sim(world.tree { failure_threshold = 1e6,
            process("a", { restart_delay = { initial = 1, factor = 2, max = 60 } }) })
        sim:fail_launch("a", "ENOENT", 3)
        sim:start()
        sim:advance(60)
        assert.same({ "0 launch a", "1 launch a", "3 launch a", "7 launch a" }, told_when(sim))
    end)

    it("'an end after `reset_after` (default 60 s) of good running starts again at `initial`'", function()
        local sim = delayed { initial = 1, factor = 2, max = 60 }
        assert.same({ 1, 2, 4 }, delays(sim, 3))
        sim:advance(60)
        assert.same({ 1 }, delays(sim, 1))
    end)

    it("a shorter run does not", function()
        local sim = delayed { initial = 1, factor = 2, max = 60 }
        delays(sim, 3)
        sim:advance(59.9)
        assert.same({ 8 }, delays(sim, 1))
    end)

    it("a start that was not ready in time was no good running, however long it took", function()
        local sim = up {
            failure_threshold = 1e6,
            process("a", { ready = suptree.ready.manual(), restart_delay = { initial = 1, factor = 2, max = 60 } }),
        }
        sim:advance(60 + 1 + 60 + 2 + 60 + 4)
        assert.same({
            "60 interrupt a", "61 launch a", "121 interrupt a", "123 launch a", "183 interrupt a", "187 launch a",
        }, told_when(sim))
    end)

    it("reset_after may be named", function()
        local sim = delayed { initial = 1, factor = 2, max = 60, reset_after = 5 }
        delays(sim, 3)
        sim:advance(4.5)
        assert.same({ 8 }, delays(sim, 1))
        sim:advance(5)
        assert.same({ 1 }, delays(sim, 1))
    end)
end)

describe("§1 'The failure is counted at the end, the delay then runs'", function()
    it("the count is there at once", function()
        local sim = delayed "10s"
        fail(sim, "a")
        assert.equal(1, sim:state().count)
        sim:advance(30)
        assert.equal(0.5, sim:state().count)
    end)

    it("the failure that trips the meter waits its delay, then the pause is over: it launches", function()
        local sim = delayed("20s", { failure_threshold = 0 })
        fail(sim, "a")
        assert.equal("paused", sim:state().state)
        sim:advance(60)
        assert.same({ "20 launch a" }, told_when(sim))
    end)
end)

describe("§1 'if the supervisor is paused when it expires, the node joins the queue at that moment'", function()
    it("is queued then, behind those that came before", function()
        local sim = up { failure_threshold = 1, process("a", { restart_delay = 5 }), "b", "c" }
        fail(sim, "a")
        fail(sim, "b")
        assert.equal("paused delayed queued", world.states(sim, ".", "a", "b"))
        sim:advance(4)
        fail(sim, "c")
        sim:advance(1)
        assert.equal("queued", sim:state("a").state)
        sim:advance(10)
        assert.same({ "15 launch b", "15 launch c", "15 launch a" }, told_when(sim))
    end)

    it("one that fails after that moment comes after it", function()
        local sim = up { failure_threshold = 1, process("a", { restart_delay = 5 }), "b", "c" }
        fail(sim, "a")
        fail(sim, "b")
        sim:advance(6)
        fail(sim, "c")
        sim:advance(60)
        assert.same({ "15 launch b", "15 launch a", "15 launch c" }, told_when(sim))
    end)
end)

describe("§1 'An explicit start does not wait for it'", function()
    it("launches at once, and the delay is forgotten", function()
        local sim = delayed "10s"
        fail(sim, "a")
        assert.is_true(sim:start_node("a"))
        assert.same({ "launch a" }, told(sim))
        sim:advance(60)
        assert.same({}, told(sim))
    end)

    it("nor does a restart that a person asks for", function()
        local sim = delayed "10s"
        fail(sim, "a")
        sim:restart_node("a")
        sim:advance(60)
        assert.same({ "0 launch a" }, told_when(sim))
    end)

    it("a person's stop ends the delay", function()
        local sim = delayed "10s"
        fail(sim, "a")
        sim:stop_node("a")
        assert.equal("stopped", sim:state("a").state)
        assert.is_nil(sim:state("a").next_at)
        sim:advance(60)
        assert.same({}, told(sim))
    end)

    it("so does the stop of the tree, at once", function()
        local sim = delayed "10s"
        fail(sim, "a")
        sim:stop()
        assert.is_truthy(sim:ended())
    end)
end)

describe("§1 a supervisor as a child has a restart_delay as well", function()
    it("comes back after it", function()
        local sim = up { group("w", { on_threshold = "escalate", failure_threshold = 0, restart_delay = 3, "a" }) }
        fail(sim, "w/a")
        assert.equal("delayed", sim:state("w").state)
        sim:advance(60)
        assert.same({ "3 launch w/a" }, told_when(sim))
    end)
end)
