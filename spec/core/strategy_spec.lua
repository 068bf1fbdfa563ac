-- SEMANTICS §3: one_for_one, one_for_all, rest_for_one, and the rounds of the last two.
local world = require "spec.support.world"
local suptree = require "suptree"
local up, fail, tree, process, group = world.up, world.fail, world.tree, world.process, world.group
local states, told, told_when, generations = world.states, world.told, world.told_when, world.generations

local function four(strategy, more)
    local options = { strategy = strategy, "a", "b", "c", "d" }
    for key, value in pairs(more or {}) do options[key] = value end
    return up(options)
end

describe("§3 '`one_for_one` (default)'", function()
    it("restarts the one that failed", function()
        local sim = up { "a", "b", "c" }
        fail(sim, "b")
        assert.same({ "launch b" }, told(sim))
    end)
end)

describe("§3 'In a group restart the affected siblings stop in reverse order, … then start in order'", function()
    it("one_for_all: all", function()
        local sim = four "one_for_all"
        fail(sim, "b")
        assert.same({
            "interrupt d", "interrupt c", "interrupt a", "launch a", "launch b", "launch c", "launch d",
        }, told(sim))
    end)

    it("rest_for_one: those after it", function()
        local sim = four "rest_for_one"
        fail(sim, "b")
        assert.same({ "interrupt d", "interrupt c", "launch b", "launch c", "launch d" }, told(sim))
    end)

    it("rest_for_one, the last: itself alone", function()
        local sim = four "rest_for_one"
        fail(sim, "d")
        assert.same({ "launch d" }, told(sim))
    end)

    it("a supervisor among them stops and starts as a whole", function()
        local sim = up { strategy = "one_for_all", "a", group("w", { "x", "y" }), "c" }
        fail(sim, "a")
        local words = told(sim)
        assert.equal("interrupt c", words[1])
        assert.same({ "launch a", "launch w/x", "launch w/y", "launch c" }, { table.unpack(words, 4) })
        assert.equal(1, sim:state().count)
        assert.equal(0, sim:state("w").count)
    end)

    it("a supervisor that escalates takes its siblings along", function()
        local sim = up {
            strategy = "one_for_all", "a", group("w", { on_threshold = "escalate", failure_threshold = 0, "x" }),
        }
        fail(sim, "w/x")
        assert.same({ "interrupt a", "launch a", "launch w/x" }, told(sim))
        assert.equal(1, sim:state().count)
    end)

    it("'start in order': each as soon as what it is after is ready", function()
        local sim = up {
            strategy = "one_for_all",
            process("a", { ready = suptree.ready.delay(2) }), process("b", { after = { "a" } }), "c",
        }
        sim:advance(5)
        sim:effects()
        fail(sim, "c")
        assert.same({ "5 interrupt b", "5 interrupt a", "5 launch a", "5 launch c" }, told_when(sim))
        sim:advance(2)
        assert.same({ "7 launch b" }, told_when(sim))
    end)

    it("a dependent stops before what it is after, whatever the order written", function()
        local sim = up { strategy = "one_for_all", process("a", { after = { "b" } }), "b", "c" }
        sim:hang("a")
        sim:effects()
        fail(sim, "c")
        assert.same({ "interrupt a" }, told(sim))
        sim:exit("a")
        assert.same({ "interrupt b", "launch b", "launch c", "launch a" }, told(sim))
    end)
end)

describe("§3 'one after another (the budget is the sum)'", function()
    it("the next is asked when the one before has ended", function()
        local sim = four "one_for_all"
        sim:hang("d")
        sim:hang("c")
        fail(sim, "a")
        sim:advance(60)
        assert.same({
            "0 interrupt d", "10 kill d", "10 interrupt c", "20 kill c", "20 interrupt b",
            "20 launch a", "20 launch b", "20 launch c", "20 launch d",
        }, told_when(sim))
    end)
end)

describe("§3 'ends during that stop are planned'", function()
    it("whatever the status", function()
        local sim = four "one_for_all"
        sim:hang("d")
        fail(sim, "a")
        fail(sim, "d")
        assert.equal(1, sim:state().count)
        assert.equal("2 2 2 2", generations(sim, "a", "b", "c", "d"))
    end)
end)

describe("§3 'Double deaths before the group stop reaches the second make one round'", function()
    for _, strategy in ipairs { "one_for_all", "rest_for_one" } do
        it(strategy, function()
            local sim = four(strategy)
            sim:hang("d")
            fail(sim, "a")
            fail(sim, "b")
            sim:effects()
            sim:exit("d")
            assert.same({ "interrupt c", "launch a", "launch b", "launch c", "launch d" }, told(sim))
            assert.equal(1, sim:state().count)
        end)
    end

    it("rest_for_one: an earlier one that fails meanwhile makes the round begin with it", function()
        local sim = four "rest_for_one"
        sim:hang("d")
        fail(sim, "b")
        fail(sim, "a")
        sim:exit("d")
        assert.equal("2 2 2 2", generations(sim, "a", "b", "c", "d"))
        assert.equal("running", sim:state("c").state)
    end)
end)

describe("§3 'A failed start inside a round:", function()
    it("one_for_all starts the round again'", function()
        local sim = four "one_for_all"
        sim:fail_launch("c")
        fail(sim, "a")
        assert.same({
            "interrupt d", "interrupt c", "interrupt b", "launch a", "launch b", "launch c", "launch d",
            "interrupt d", "interrupt b", "interrupt a", "launch a", "launch b", "launch c", "launch d",
        }, told(sim))
        assert.equal(2, sim:state().count)
    end)

    it("rest_for_one retries from the child that failed'", function()
        local sim = four "rest_for_one"
        sim:fail_launch("c")
        fail(sim, "b")
        assert.same({
            "interrupt d", "interrupt c", "launch b", "launch c", "launch d",
            "interrupt d", "launch c", "launch d",
        }, told(sim))
        assert.equal(2, sim:state().count)
    end)

    it("one that is not ready in time is a failed start too", function()
        local sim = up {
            strategy = "one_for_all", "a",
            process("b", { ready = suptree.ready.manual(), start_timeout = 5 }),
        }
        sim:ready("b")
        fail(sim, "a")
        sim:effects()
        sim:advance(5)
        assert.equal(0.5 ^ (5 / 30) + 1, sim:state().count)
        assert.equal("3 3", generations(sim, "a", "b"))
    end)

    it("it is counted: the limit may be reached in the round", function()
        local sim = four("one_for_all", { failure_threshold = 1, on_threshold = "escalate" })
        sim:fail_launch("c")
        fail(sim, "a")
        assert.equal(1, sim:ended())
        assert.is_nil(sim:report())
    end)

    it("a start that fails for ever pauses", function()
        local sim = four "one_for_all"
        sim:fail_launch("c", "ENOENT", 1000)
        fail(sim, "a")
        assert.equal("paused", sim:state().state)
    end)
end)

describe("§3 'A member that a person stops, or that is stuck, is left out and the round goes on'", function()
    it("stopped by a person", function()
        local sim = four "one_for_all"
        sim:hang("d")
        fail(sim, "a")
        sim:stop_node("c")
        sim:exit("d")
        assert.equal("2 2 1 2", generations(sim, "a", "b", "c", "d"))
        assert.equal("running running stopped running", states(sim, "a", "b", "c", "d"))
    end)

    it("the very one that failed", function()
        local sim = four "one_for_all"
        sim:hang("d")
        fail(sim, "a")
        sim:stop_node("a")
        sim:effects()
        sim:exit("d")
        assert.same({ "interrupt c", "interrupt b", "launch b", "launch c", "launch d" }, told(sim))
    end)

    it("stopped before the round", function()
        local sim = four "one_for_all"
        sim:stop_node("c")
        sim:effects()
        fail(sim, "a")
        assert.same({ "interrupt d", "interrupt b", "launch a", "launch b", "launch d" }, told(sim))
    end)

    it("removed in the middle", function()
        local sim = four "one_for_all"
        sim:hang("d")
        fail(sim, "a")
        sim:remove("c")
        sim:exit("d")
        assert.is_nil(sim:state("c"))
        assert.equal("2 2 2", generations(sim, "a", "b", "d"))
    end)

    it("'a stuck one launches after its late end'", function()
        local sim = four "one_for_all"
        sim:hang("d", "kill")
        fail(sim, "a")
        sim:advance(20)
        assert.equal("running running running stuck", states(sim, "a", "b", "c", "d"))
        sim:effects()
        sim:exit("d")
        assert.same({ "launch d" }, told(sim))
        assert.equal(0.5 ^ (20 / 30), sim:state().count)
        assert.equal(1, sim:state("d").restarts)
    end)
end)

describe("§3 'A stop that arrives mid-round wins: nothing further launches'", function()
    it("the stop of the tree, while they stop", function()
        local sim = four "one_for_all"
        sim:hang("d")
        fail(sim, "a")
        sim:stop()
        sim:effects()
        sim:advance(60)
        for _, effect in ipairs(sim:effects()) do assert.not_equal("launch", effect.type) end
        assert.equal(0, sim:ended())
    end)

    it("the stop of their supervisor, while they start", function()
        local sim = up {
            group("w", {
                strategy = "one_for_all",
                process("a", { ready = suptree.ready.delay(5) }), process("b", { after = { "a" } }),
            }),
        }
        sim:advance(10)
        fail(sim, "w/b")
        sim:advance(1)
        sim:stop_node("w")
        sim:effects()
        sim:advance(60)
        assert.same({}, told(sim))
        assert.equal("stopped stopped stopped", states(sim, "w", "w/a", "w/b"))
    end)
end)

describe("§3 'Nothing outside the group is touched'", function()
    it("neither the supervisor's siblings nor its parent", function()
        local sim = up { "x", group("w", { strategy = "one_for_all", "a", "b" }), "y" }
        fail(sim, "w/a")
        assert.same({ "interrupt w/b", "launch w/a", "launch w/b" }, told(sim))
        assert.equal(0, sim:state().count)
    end)

    it("rest_for_one: nor those before", function()
        local sim = four "rest_for_one"
        fail(sim, "c")
        assert.equal("1 1 2 2", generations(sim, "a", "b", "c", "d"))
    end)
end)

describe("§3 what a round meets", function()
    it("rest_for_one: one before it that is done or in its delay stays so", function()
        local sim = up {
            strategy = "rest_for_one",
            process("a", { restart = "transient" }), process("b", { restart_delay = 30 }), "c", "d",
        }
        sim:exit("a", { code = 0 })
        fail(sim, "b")
        fail(sim, "c")
        assert.equal("done delayed running running", states(sim, "a", "b", "c", "d"))
    end)

    it("one that gave up stays so: 'until a person acts'", function()
        local sim = up { strategy = "one_for_all", on_threshold = "give_up", failure_threshold = 1.5, "a", "b" }
        fail(sim, "a", 2)
        assert.equal("failed", sim:state("a").state)
        sim:advance("10m")
        fail(sim, "b")
        assert.equal("failed running", states(sim, "a", "b"))
    end)

    it("one in its own delay is not part of it, and makes no other when the delay is over", function()
        local sim = up { strategy = "one_for_all", process("a", { restart_delay = 5 }), "b", "c" }
        fail(sim, "a")
        fail(sim, "b")
        sim:advance(60)
        assert.same({ "0 interrupt c", "0 launch b", "0 launch c", "5 launch a" }, told_when(sim))
    end)

    it("one that restarts with another of the group: each once", function()
        for _, strategy in ipairs { "one_for_all", "rest_for_one" } do
            local sim = up {
                strategy = strategy, "db", process("web", { after = { "db" }, restart_with = { "db" } }), "c",
            }
            fail(sim, "db")
            assert.same({ "interrupt c", "interrupt web", "launch db", "launch c", "launch web" }, told(sim))
            assert.equal("2 2 2", generations(sim, "db", "web", "c"))
        end
    end)

    it("one that restarts with a member and is none itself follows", function()
        local sim = up {
            strategy = "rest_for_one", process("web", { restart_with = { "db" } }), "db", "c",
        }
        fail(sim, "db")
        assert.same({ "interrupt c", "launch db", "interrupt web", "launch c", "launch web" }, told(sim))
    end)

    it("one that was added in its middle joins it when another of those fails", function()
        local sim = up { strategy = "one_for_all", "a", "b" }
        sim:hang("a")
        fail(sim, "b")
        sim:add(".", process "c")
        sim:add(".", process "d")
        sim:effects()
        fail(sim, "d")
        assert.same({ "interrupt c" }, told(sim))
        sim:advance(10)
        assert.same({ "kill a", "launch a", "launch b", "launch c", "launch d" }, told(sim))
    end)

    it("a supervisor without children", function()
        local sim = up { strategy = "one_for_all", group("e", {}), "a", group("f", {}), "b" }
        fail(sim, "a")
        assert.same({ "interrupt b", "launch a", "launch b" }, told(sim))
        assert.equal("running running", states(sim, "e", "f"))
    end)

    it("one after the other: the second begins when the first is over", function()
        local sim = four "one_for_all"
        for n = 2, 4 do
            fail(sim, "c")
            assert.equal(n, sim:state("a").generation)
            assert.equal(n, sim:state("d").generation)
        end
    end)
end)

describe("§3 an end that is not restarted makes no round", function()
    it("a transient one that ends well", function()
        local sim = up { strategy = "one_for_all", process("a", { restart = "transient" }), "b" }
        sim:exit("a", { code = 0 })
        assert.same({}, told(sim))
    end)

    it("a temporary one that fails", function()
        local sim = up { strategy = "one_for_all", process("a", { restart = "temporary" }), "b" }
        fail(sim, "a")
        assert.same({}, told(sim))
    end)

    it("a permanent one that ends well does make one", function()
        local sim = four "one_for_all"
        sim:exit("a", { code = 0 })
        assert.equal("2 2 2 2", generations(sim, "a", "b", "c", "d"))
    end)
end)

describe("§3 'A restart that a person or a reload asks for never triggers the strategy'", function()
    it("a person's restart", function()
        local sim = four "one_for_all"
        sim:restart_node("b")
        assert.same({ "interrupt b", "launch b" }, told(sim))
    end)

    it("a person's stop and start", function()
        local sim = four "rest_for_one"
        sim:stop_node("b")
        sim:start_node("b")
        assert.same({ "interrupt b", "launch b" }, told(sim))
    end)

    it("a reload", function()
        local sim = four "one_for_all"
        sim:reload(tree { strategy = "one_for_all", "a", process("b", { command = { "./new" } }), "c", "d" })
        assert.same({ "interrupt b", "launch b" }, told(sim))
    end)
end)

describe("§3 '`restart_with` always follows'", function()
    local function pair(options)
        options = options or {}
        options[1], options[3] = "db", "other"
        options[2] = process("web", { after = { "db" }, restart_with = { "db" } })
        return up(options)
    end

    it("a failure", function()
        local sim = pair()
        fail(sim, "db")
        assert.equal("2 2 1", generations(sim, "db", "web", "other"))
        assert.equal(1, sim:state().count)
    end)

    it("a person's restart: the dependent stops first and starts last", function()
        local sim = pair()
        sim:restart_node("db")
        assert.same({ "interrupt web", "interrupt db", "launch db", "launch web" }, told(sim))
    end)

    it("a reload", function()
        local sim = pair()
        sim:reload(tree {
            process("db", { command = { "./new" } }),
            process("web", { after = { "db" }, restart_with = { "db" } }), "other",
        })
        assert.equal("2 2 1", generations(sim, "db", "web", "other"))
    end)

    it("along a chain", function()
        local sim = up {
            "a", process("b", { after = { "a" }, restart_with = { "a" } }),
            process("c", { after = { "b" }, restart_with = { "b" } }), "d",
        }
        sim:restart_node("a")
        assert.equal("2 2 2 1", generations(sim, "a", "b", "c", "d"))
    end)

    it("not the other way round", function()
        local sim = pair()
        fail(sim, "web")
        assert.equal("1 2 1", generations(sim, "db", "web", "other"))
    end)

    it("one that a person stopped stays down", function()
        local sim = pair()
        sim:stop_node("web")
        fail(sim, "db")
        assert.equal("stopped", sim:state("web").state)
    end)

    it("one that a person is stopping stays down", function()
        local sim = pair()
        sim:hang("web")
        sim:stop_node("web")
        fail(sim, "db")
        sim:exit("web")
        assert.equal("running stopped", states(sim, "db", "web"))
    end)

    it("waits until what it follows is ready again", function()
        local sim = up {
            process("db", { ready = suptree.ready.delay(3) }),
            process("web", { after = { "db" }, restart_with = { "db" } }),
        }
        sim:advance(5)
        sim:effects()
        fail(sim, "db")
        sim:advance(10)
        local words = told_when(sim)
        assert.equal("8 launch web", words[#words])
        assert.equal("2 2", generations(sim, "db", "web"))
    end)
end)

describe("§3 and §1: a group whose meter trips with on_threshold = \"give_up\"", function()
    it("makes no round: the one stays failed, the others run on", function()
        local sim = four("one_for_all", { failure_threshold = 0, on_threshold = "give_up" })
        fail(sim, "b")
        assert.same({}, told(sim))
        assert.equal("running failed running running", states(sim, "a", "b", "c", "d"))
    end)
end)

describe("§9.10 'one launch per affected node per try, and touches nothing else'", function()
    for _, strategy in ipairs { "one_for_all", "rest_for_one" } do
        for _, first in ipairs { "a", "b", "c", "d" } do
            it(("%s, %s fails"):format(strategy, first), function()
                local sim = four(strategy)
                fail(sim, first)
                local launched = {}
                for _, effect in ipairs(sim:effects()) do
                    if effect.type == "launch" then launched[#launched + 1] = effect.path end
                end
                local all = { "a", "b", "c", "d" }
                local from = strategy == "one_for_all" and 1 or first:byte() - ("a"):byte() + 1
                assert.same({ table.unpack(all, from) }, launched)
            end)
        end
    end
end)
