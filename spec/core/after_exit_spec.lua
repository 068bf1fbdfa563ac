-- after_exit, as the core sees it: the time between the end of the main process and that of the command, and its word
-- that the service is not to be restarted; and the time that `before` may take.
local world = require "spec.support.world"
local ready = require "suptree".ready
local up, process, told = world.up, world.process, world.told

local AFTER = { command = "true", timeout = "3s" }

describe("after_exit asks not to restart (exit code 125)", function()
    it("after a failure: failed, which counts nothing and lasts until somebody starts it", function()
        local sim = up { "a", "b" }
        sim:exit("a", { code = 1, no_restart = true })
        assert.same({}, told(sim))
        assert.equal("failed", sim:state("a").state)
        assert.equal("finished", sim:state("a").cause)
        assert.equal(0, sim:state().count)
        sim:advance(600)
        assert.equal("failed", sim:state("a").state)
        sim:start_node "a"
        assert.same({ "launch a" }, told(sim))
        assert.equal("running", sim:state("a").state)
    end)

    it("after a success: done, whatever its restart type", function()
        local sim = up { "a" }
        sim:exit("a", { code = 0, no_restart = true })
        assert.equal("done", sim:state("a").state)
        sim:advance(600)
        assert.same({}, told(sim))
    end)

    it("says that it gave up", function()
        local sim = up { "a" }
        sim:events()
        sim:exit("a", { code = 1, no_restart = true })
        assert.equal(1, #world.events(sim, "gave_up"))
        assert.equal(0, #world.events(sim, "failed"))
    end)

    it("its next end is judged anew", function()
        local sim = up { "a" }
        sim:exit("a", { code = 1, no_restart = true })
        sim:start_node "a"
        told(sim)
        sim:exit("a", { code = 1 })
        assert.same({ "launch a" }, told(sim))
    end)

    it("changes nothing about an end that was asked for", function()
        local sim = up { "a" }
        sim:hang "a"
        sim:restart_node "a"
        told(sim)
        sim:exit("a", { code = 0, no_restart = true })
        assert.same({ "launch a" }, told(sim))
    end)

    it("the others of its group run on, and restart without it", function()
        local sim = up { strategy = "one_for_all", "a", "b", "c" }
        sim:exit("a", { code = 1, no_restart = true })
        assert.same({}, told(sim))
        sim:exit("b", { code = 1 })
        assert.equal("failed", sim:state("a").state)
        assert.equal("running", sim:state("b").state)
        assert.equal(2, sim:state("c").generation)
        assert.equal(1, sim:state("a").generation)
    end)

    it("what is after it waits no longer for one that is done", function()
        local sim = up { process("a", { ready = ready.manual() }), process("b", { after = { "a" } }) }
        assert.equal("waiting", sim:state("b").state)
        sim:exit("a", { code = 0, no_restart = true })
        assert.equal("done", sim:state("a").state)
    end)
end)

describe("while after_exit runs", function()
    it("the service is not ready, and a stop asks nobody", function()
        local sim = up { process("a", { after_exit = AFTER, kill_timeout = 5 }) }
        sim:exiting "a"
        assert.equal("running", sim:state("a").state)
        assert.is_false(sim:state("a").ready)
        sim:stop_node "a"
        assert.same({}, told(sim))
        assert.equal("stopping", sim:state("a").state)
        sim:exit("a", { code = 1 })
        assert.equal("stopped", sim:state("a").state)
    end)

    it("the command's own time counts, not that of the stop", function()
        local sim = up { process("a", { after_exit = AFTER, timeout = 1, kill_timeout = 5 }) }
        sim:hang "a"
        sim:stop_node "a"
        assert.same({ "interrupt a" }, told(sim))
        sim:advance(0.9)
        sim:exiting "a"
        sim:advance(7.9)
        assert.same({}, told(sim))
        assert.equal("stopping", sim:state("a").state)
        sim:advance(0.2)
        assert.equal("stuck", sim:state("a").state)
        sim:exit("a", { code = 0 })
        assert.equal("stopped", sim:state("a").state)
    end)

    it("it is not found sick, and does not get ready", function()
        local sim = up { process("a", { ready = ready.manual(), after_exit = AFTER }) }
        sim:exiting "a"
        sim:ready "a"
        sim:unhealthy("a", "silence")
        sim:advance(100) -- beyond its start_timeout
        assert.same({}, told(sim))
        assert.is_false(sim:state("a").ready)
        sim:exit("a", { code = 1 })
        assert.same({ "launch a" }, told(sim))
        assert.equal(1, sim:state().count)
    end)

    it("a kill is said", function()
        local sim = up { process("a", { after_exit = AFTER }) }
        sim:exiting "a"
        sim:kill()
        assert.same({ "kill a" }, told(sim))
    end)
end)

describe("before", function()
    it("has its own time: start_timeout runs from the launch of the main process", function()
        local sim = up { process("a", {
            before = { { "true" }, { command = "true", timeout = 7 } }, start_timeout = 3, ready = ready.manual(),
        }) }
        sim:advance(2.9)
        assert.same({}, told(sim))
        sim:advance(0.2)
        assert.equal("interrupt a", told(sim)[1])
    end)
end)
