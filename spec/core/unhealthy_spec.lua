-- A service that runs and is found sick, by its watchdog or by a probe of its health: it is stopped, and its end is one
-- failure of what was found, whatever it ends with.
local world = require "spec.support.world"
local suptree = require "suptree"
local up, process, thread, group = world.up, world.process, world.thread, world.group
local told, happened = world.told, world.happened

local SILENCE = "nothing was heard for 10s"

describe("found sick: 'The first cause wins in the recorded reason'", function()
    it("it is asked to stop, and its end restarts it and counts once", function()
        local sim = up { "a", "b" }
        assert.is_true(sim:unhealthy("a", SILENCE, "watchdog"))
        assert.same({ "interrupt a", "launch a" }, told(sim))
        assert.equal(1, sim:state().count)
        assert.equal(2, sim:state("a").generation)
    end)

    it("`failed` gives what was found, `ended` how it ended", function()
        local sim = up { "a" }
        sim:events()
        sim:unhealthy("a", SILENCE, "watchdog")
        local all = sim:events()
        local words = {}
        for _, event in ipairs(all) do
            if event.type ~= "launched" and event.type ~= "ready" then
                words[#words + 1] = event.type .. ": " .. event.reason
            end
        end
        assert.same({
            "stopping: watchdog: nothing was heard for 10s", "ended: killed by signal 15 (TERM)",
            "failed: watchdog: nothing was heard for 10s",
        }, words)
    end)

    it("a probe's finding is called unhealthy", function()
        local sim = up { "a" }
        sim:events()
        sim:unhealthy("a", "GET /health: 500")
        local failed = world.events(sim, "failed")
        assert.equal(1, #failed)
        assert.equal("unhealthy: GET /health: 500", failed[1].reason)
    end)

    it("its end is called unplanned", function()
        local sim = up { "a" }
        sim:events()
        sim:unhealthy("a", SILENCE, "watchdog")
        assert.is_false(world.events(sim, "ended")[1].planned)
    end)

    it("while it stops, its state tells why", function()
        local sim = up { process("a", { timeout = 5 }) }
        sim:hang("a")
        sim:unhealthy("a", SILENCE, "watchdog")
        local state = sim:state("a")
        assert.equal("stopping", state.state)
        assert.equal("watchdog", state.cause)
        assert.truthy(state.reason:find("watchdog", 1, true))
    end)

    it("a well-behaved exit in that stop is still the failure", function()
        local sim = up { process("a", { restart = "transient" }) }
        sim:hang("a")
        sim:unhealthy("a", SILENCE)
        sim:exit("a", { code = 0 })
        assert.equal(1, sim:state().count)
        assert.equal("running", sim:state("a").state)
    end)

    it("a code of done_exit in that stop changes nothing", function()
        local sim = up { process("a", { done_exit = { 3 } }) }
        sim:hang("a")
        sim:unhealthy("a", SILENCE)
        sim:exit("a", { code = 3 })
        assert.equal("running", sim:state("a").state)
        assert.equal(1, sim:state().count)
    end)

    it("one that ignores the stop is killed in its time, and counts once", function()
        local sim = up { process("a", { timeout = 5 }) }
        sim:hang("a")
        sim:unhealthy("a", SILENCE)
        sim:advance(5)
        assert.same({ "interrupt a", "kill a", "launch a" }, told(sim))
        assert.equal(1, #world.events(sim, "failed"))
    end)

    it("one that outlives the kill counts when it ends at last", function()
        local sim = up { process("a", { timeout = 5, kill_timeout = 5 }) }
        sim:hang("a", "kill")
        sim:unhealthy("a", SILENCE, "watchdog")
        sim:advance(10)
        assert.equal("stuck", sim:state("a").state)
        assert.equal(0, sim:state().count)
        sim:hang("a", false)
        sim:exit("a", { signal = "KILL" })
        assert.equal(1, sim:state().count)
        assert.equal("running", sim:state("a").state)
    end)

    it("a thread, too", function()
        local sim = up { thread("a") }
        sim:unhealthy("a", SILENCE, "watchdog")
        assert.same({ "interrupt a", "launch a" }, told(sim))
        assert.equal(1, sim:state().count)
    end)
end)

describe("found sick: by its restart type", function()
    it("transient restarts", function()
        local sim = up { process("a", { restart = "transient" }) }
        sim:unhealthy("a", SILENCE)
        assert.equal("running", sim:state("a").state)
        assert.equal(1, sim:state().count)
    end)

    it("temporary leaves the tree, uncounted", function()
        local sim = up { process("a", { restart = "temporary" }), "b" }
        sim:unhealthy("a", SILENCE)
        assert.is_nil(sim:state("a"))
        assert.equal(0, sim:state().count)
    end)

    it("its own restart_delay applies", function()
        local sim = up { process("a", { restart_delay = 3 }) }
        sim:unhealthy("a", SILENCE)
        assert.equal("delayed", sim:state("a").state)
        sim:advance(3)
        assert.equal("running", sim:state("a").state)
    end)

    it("the sixth at once pauses", function()
        local sim = up { "a" }
        for _ = 1, 6 do sim:unhealthy("a", SILENCE) end
        assert.equal("paused", sim:state().state)
        assert.equal("queued", sim:state("a").state)
    end)

    it("a group restarts as a whole", function()
        local sim = up { strategy = "one_for_all", "a", "b" }
        sim:unhealthy("a", SILENCE)
        assert.same({ "interrupt a", "interrupt b", "launch a", "launch b" }, told(sim))
        assert.equal(1, sim:state().count)
    end)

    it("it may escalate", function()
        local sim = up { group("w", { on_threshold = "escalate", failure_threshold = 0, "x" }), "b" }
        sim:unhealthy("w/x", SILENCE)
        assert.equal(1, #happened(sim, "escalated"))
        assert.equal(1, sim:state().count)
    end)
end)

describe("found sick: what comes meanwhile", function()
    local function sick(options)
        local sim = up { process("a", options or { timeout = 5 }), "b" }
        sim:hang("a")
        sim:unhealthy("a", SILENCE, "watchdog")
        return sim
    end

    it("a person's stop wins: down, uncounted", function()
        local sim = sick()
        sim:stop_node("a")
        sim:exit("a", { signal = "TERM" })
        assert.equal("stopped", sim:state("a").state)
        assert.equal(0, sim:state().count)
        assert.is_true(world.events(sim, "ended")[1].planned)
    end)

    it("a stop of the tree wins", function()
        local sim = sick()
        sim:stop()
        sim:exit("a", { signal = "TERM" })
        assert.equal(0, sim:ended())
        assert.same({}, happened(sim, "failed"))
    end)

    it("a person's start launches it after its end, uncounted", function()
        local sim = sick()
        sim:start_node("a")
        sim:exit("a", { signal = "TERM" })
        assert.equal("running", sim:state("a").state)
        assert.equal(0, sim:state().count)
    end)

    it("a second finding changes nothing", function()
        local sim = sick()
        sim:unhealthy("a", "other")
        sim:exit("a", { signal = "TERM" })
        assert.equal(1, sim:state().count)
        assert.equal("watchdog: " .. SILENCE, world.events(sim, "failed")[1].reason)
    end)

    it("one that a person is stopping has its cause already", function()
        local sim = up { process("a", { timeout = 5 }) }
        sim:hang("a")
        sim:stop_node("a")
        sim:unhealthy("a", SILENCE)
        sim:exit("a", { signal = "TERM" })
        assert.equal("stopped", sim:state("a").state)
        assert.equal(0, sim:state().count)
    end)

    it("a former instance is not heard", function()
        local sim = up { "a" }
        local former = sim:state("a").instance
        sim:restart_node("a")
        sim:effects()
        sim:fact { type = "unhealthy", path = "a", instance = former, outcome = "watchdog", text = "late" }
        assert.same({}, told(sim))
    end)

    it("a host's death in the stop of a thread counts what was found", function()
        local sim = up { thread("a", { timeout = 5 }), "b" }
        sim:hang("a")
        sim:unhealthy("a", SILENCE, "watchdog")
        sim:host_died()
        assert.equal(1, sim:state().count)
        assert.equal("watchdog: " .. SILENCE, world.events(sim, "failed")[1].reason)
    end)

    it("a service that is new by a reload and found sick rolls it back", function()
        local sim = up { "b" }
        assert.is_true(sim:reload(world.tree { "b", "n" }))
        sim:unhealthy("n", SILENCE)
        assert.is_nil(sim:state("n"))
        assert.equal(1, #happened(sim, "rolled_back"))
    end)
end)

describe("sim:unhealthy", function()
    it("of one that does not run is an expected failure", function()
        local sim = up { "a" }
        sim:stop_node("a")
        local done, err = sim:unhealthy("a", SILENCE)
        assert.is_nil(done)
        assert.equal(suptree.ErrNotFound, err)
    end)

    it("raises for a third word it does not know", function()
        local sim = up { "a" }
        assert.has_error(function() sim:unhealthy("a", SILENCE, "dog") end)
    end)
end)
