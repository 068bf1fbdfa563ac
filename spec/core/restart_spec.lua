-- SEMANTICS §2: restart types, what a failure is, and the ends that speak for themselves.
local world = require "spec.support.world"
local up, fail, tree, group = world.up, world.fail, world.tree, world.group
local process, thread = world.process, world.thread
local states, told, happened = world.states, world.told, world.happened

local outcomes = {
    clean = { code = 0 },
    status = { code = 1 },
    signal = { signal = "KILL" },
    stop_signal = { signal = "TERM" },
    returned = { returned = true },
    raised = { error = "boom" },
}

-- What becomes of a: "restarted", "done", "gone", … and whether it was counted.
local function fate(restart, outcome, make)
    local sim = up { (make or process)("a", { restart = restart }), "b" }
    assert(sim:exit("a", outcomes[outcome]))
    local state = sim:state("a")
    local what = not state and "gone" or state.generation == 2 and "restarted" or state.state
    return what, sim:state().count
end

local function check(restart, outcome, what, count, make)
    it(("%s, %s: %s, %s"):format(restart, outcome, what, count == 1 and "counted" or "not counted"), function()
        local got, counted = fate(restart, outcome, make)
        assert.equal(what, got)
        assert.equal(count, counted)
    end)
end

describe("§2 '`permanent` (default): every end restarts' (and counts: 'it should not have ended')", function()
    check("permanent", "clean", "restarted", 1)
    check("permanent", "status", "restarted", 1)
    check("permanent", "signal", "restarted", 1)
    check("permanent", "returned", "restarted", 1, thread)
    check("permanent", "raised", "restarted", 1, thread)

    it("is the default", function()
        local sim = up { "a" }
        sim:exit("a", { code = 0 })
        assert.equal(2, sim:state("a").generation)
        assert.equal(1, sim:state().count)
    end)
end)

describe("§2 '`transient`: only a failure restarts'", function()
    check("transient", "clean", "done", 0)
    check("transient", "status", "restarted", 1)
    check("transient", "signal", "restarted", 1)
    check("transient", "returned", "done", 0, thread)
    check("transient", "raised", "restarted", 1, thread)

    it("a done one can be started again by a person", function()
        local sim = up { process("a", { restart = "transient" }) }
        sim:exit("a", { code = 0 })
        sim:effects()
        assert.is_true(sim:start_node("a"))
        assert.same({ "launch a" }, told(sim))
    end)
end)

describe("§2 '`temporary`: never; a finished temporary node leaves the tree'", function()
    check("temporary", "clean", "gone", 0)
    check("temporary", "status", "gone", 0)
    check("temporary", "signal", "gone", 0)
    check("temporary", "returned", "gone", 0, thread)
    check("temporary", "raised", "gone", 0, thread)

    it("says removed after its end", function()
        local sim = up { process("a", { restart = "temporary" }), "b" }
        fail(sim, "a")
        assert.same({ "ended a", "removed a" }, happened(sim, "ended", "removed"))
    end)

    it("a failed start is its end too", function()
        local sim = world.sim(tree { process("a", { restart = "temporary" }), "b" })
        sim:fail_launch("a")
        sim:start()
        assert.is_nil(sim:state("a"))
        assert.equal(0, sim:state().count)
    end)

    it("its name is free again", function()
        local sim = up { process("a", { restart = "temporary" }), "b" }
        fail(sim, "a")
        assert.is_truthy(sim:add(".", process "a"))
    end)
end)

describe("§2 'an exit status outside `success_exit` (default {0})'", function()
    local function ends(success, code)
        local sim = up { process("a", { restart = "transient", success_exit = success }) }
        sim:exit("a", { code = code })
        return sim:state("a").state
    end

    it("a status inside is no failure", function()
        assert.equal("done", ends({ 0, 3 }, 3))
        assert.equal("done", ends({ 0, 3 }, 0))
    end)

    it("one outside is", function()
        assert.equal("running", ends({ 0, 3 }, 4))
    end)

    it("0 is one when the list leaves it out", function()
        assert.equal("running", ends({ 3 }, 0))
    end)

    it("255 is in reach", function()
        assert.equal("done", ends({ 255 }, 255))
    end)
end)

describe("§2 'or a signal other than the one we sent to stop it'", function()
    check("transient", "stop_signal", "restarted", 1)

    it("ours is none: a person's restart counts nothing", function()
        local sim = up { process("a", { restart = "transient" }) }
        sim:restart_node("a")
        assert.equal(2, sim:state("a").generation)
        assert.equal(0, sim:state().count)
    end)
end)

describe("§2 'A thread may return `suptree.DONE` (leave the tree quietly)'", function()
    for _, restart in ipairs { "permanent", "transient", "temporary" } do
        it(restart .. ": gone, uncounted, no failure", function()
            local sim = up { thread("a", { restart = restart }), "b" }
            sim:exit("a", { done = true })
            assert.is_nil(sim:state("a"))
            assert.equal(0, sim:state().count)
            assert.same({}, happened(sim, "failed", "backoff"))
            assert.same({}, told(sim))
        end)
    end

    it("in a group no round follows", function()
        local sim = up { strategy = "one_for_all", thread("a"), "b" }
        sim:exit("a", { done = true })
        assert.same({}, told(sim))
    end)
end)

describe("§2 'or `suptree.TERMINATE_TREE` (its supervisor stops and ends so too, up to the root'", function()
    it("the whole tree stops", function()
        local sim = up { group("w", { thread("a"), "b" }), "c" }
        sim:exit("w/a", { terminate_tree = true })
        assert.equal(0, sim:ended())
        assert.equal("stopped", sim:state().state)
        assert.same({ "interrupt c", "interrupt w/b" }, world.told_sorted(sim))
    end)

    it("each is waited for", function()
        local sim = up { group("w", { thread("a"), "b" }), "c" }
        sim:hang("w/b")
        sim:exit("w/a", { terminate_tree = true })
        assert.is_nil(sim:ended())
        sim:advance(10)
        assert.equal(0, sim:ended())
        assert.is_nil(sim:report())
    end)

    it("from then on it is a stop: nothing launches, nothing is added", function()
        local sim = up { thread("a"), "b", "c" }
        sim:hang("b")
        sim:exit("a", { terminate_tree = true })
        assert.equal("stopping", sim:state("b").state)
        sim:effects()
        sim:start_node("b")
        sim:start_node("c")
        assert.is_nil((sim:add(".", process "d")))
        assert.is_nil((sim:reload(tree { "b", "x" })))
        fail(sim, "b")
        sim:advance(60)
        assert.same({}, told(sim))
        assert.equal(0, sim:ended())
    end)

    it("a flat tree too, whatever the restart type", function()
        local sim = up { thread("a", { restart = "transient" }), "b" }
        sim:exit("a", { terminate_tree = true })
        assert.equal(0, sim:ended())
    end)

    it("'unless a supervisor has `propagate_termination = false`, which then just ends')", function()
        local sim = up { group("w", { propagate_termination = false, thread("a"), "b" }), "c" }
        sim:exit("w/a", { terminate_tree = true })
        assert.same({ "interrupt w/b" }, told(sim))
        assert.is_nil(sim:ended())
        assert.equal("running running", states(sim, ".", "c"))
        assert.equal(0, sim:state().count)
        sim:advance("1h")
        assert.same({}, told(sim))
    end)

    it("it goes through those in between that pass it on", function()
        local sim = up {
            group("x", { propagate_termination = false, group("y", { thread "a" }), "b" }), "c",
        }
        sim:exit("x/y/a", { terminate_tree = true })
        assert.same({ "interrupt x/b" }, told(sim))
        assert.equal("running", sim:state("c").state)
    end)
end)

describe("§2 'A process says the same with `done_exit` / `terminate_exit` codes (none by default)'", function()
    it("done_exit", function()
        local sim = up { process("a", { done_exit = { 7 } }), "b" }
        sim:exit("a", { code = 7 })
        assert.is_nil(sim:state("a"))
        assert.equal(0, sim:state().count)
    end)

    it("terminate_exit", function()
        local sim = up { process("a", { terminate_exit = { 9 } }), "b" }
        sim:exit("a", { code = 9 })
        assert.is_truthy(sim:ended())
        assert.equal("stopped", sim:state().state)
    end)

    it("another code is an end like any", function()
        local sim = up { process("a", { done_exit = { 7 }, terminate_exit = { 9 } }) }
        sim:exit("a", { code = 8 })
        assert.equal(2, sim:state("a").generation)
        assert.equal(1, sim:state().count)
    end)

    it("none by default", function()
        local sim = up { "a" }
        sim:exit("a", { code = 7 })
        assert.equal(2, sim:state("a").generation)
    end)

    it("an end that we asked for says nothing of it", function()
        local sim = up { process("a", { terminate_exit = { 9 }, done_exit = { 7 } }), "b" }
        sim:hang("a")
        sim:restart_node("a")
        sim:exit("a", { code = 9 })
        assert.is_nil(sim:ended())
        assert.equal("running", sim:state("a").state)
    end)
end)

describe("§2 'Thread services that end because their host died are launched again uncounted'", function()
    it("threads come back, processes live on", function()
        local sim = up { thread("a"), "b", group("w", { thread "c" }) }
        local pid = sim:state("b").instance
        sim:host_died()
        assert.same({ "launch a", "launch w/c" }, told(sim))
        assert.equal(pid, sim:state("b").instance)
        assert.equal(0, sim:state().count)
        assert.equal(0, sim:state("w").count)
        assert.equal(2, sim:state("a").generation)
    end)

    it("'but for the one whose thread crashed it: that is its failure'", function()
        local sim = up { thread("a"), thread("b"), "c" }
        sim:host_died { crashed = "a" }
        assert.equal(1, sim:state().count)
        assert.equal("2 2 1", world.generations(sim, "a", "b", "c"))
        assert.same({ "failed a" }, happened(sim, "failed"))
    end)

    it("the crashing one may pause its supervisor; the other comes back", function()
        local sim = up { failure_threshold = 0, thread("a"), thread("b") }
        sim:host_died { crashed = "a" }
        assert.equal("paused queued", states(sim, ".", "a"))
    end)

    it("says host_restarted", function()
        local sim = up { thread("a") }
        sim:host_died()
        assert.same({ "host_restarted ." }, happened(sim, "host_restarted"))
    end)

    it("a thread that was being stopped has ended so", function()
        local sim = up { thread("a"), "b" }
        sim:hang("a")
        sim:stop_node("a")
        sim:effects()
        sim:host_died()
        assert.equal("stopped", sim:state("a").state)
        assert.same({}, told(sim))
    end)

    it("an abandoned thread ends with it, an abandoned process does not, whatever the node has become", function()
        for first, second in pairs { [thread] = process, [process] = thread } do
            local function options() return { on_stuck = "abandon", timeout = 0, kill_timeout = 1 } end
            local sim = up { first("a", options()), "b" }
            sim:hang("a", "kill")
            sim:reload(tree { second("a", options()), "b" })
            sim:advance(1)
            sim:hang("a", false)
            assert.equal(2, sim:state("a").generation)
            sim:host_died()
            sim:hang("b", "kill")
            sim:stop()
            sim:advance(60)
            local unstopped = {}
            for _, row in ipairs(sim:report()) do unstopped[#unstopped + 1] = row.path end
            table.sort(unstopped)
            assert.same(first == thread and { "b" } or { "a", "b" }, unstopped)
        end
    end)

    it("in a group strategy no round follows", function()
        local sim = up { strategy = "one_for_all", thread("a"), "b" }
        sim:host_died()
        assert.same({ "launch a" }, told(sim))
    end)
end)
