-- SEMANTICS §4: stopping: order, budgets, what outlives its kill, the report.
local world = require "spec.support.world"
local ready = require "suptree".ready
local up, fail, tree, process, group = world.up, world.fail, world.tree, world.process, world.group
local states, told, told_when, happened = world.states, world.told, world.told_when, world.happened

describe("§4 'Stop: dependents first, otherwise all together (suture)'", function()
    it("all in the same instant, though they hang", function()
        local sim = up { "a", "b", "c" }
        for name in ("abc"):gmatch "." do sim:hang(name) end
        sim:stop()
        assert.same({ "interrupt a", "interrupt b", "interrupt c" }, world.told_sorted(sim))
    end)

    it("nested ones too", function()
        local sim = up { "a", group("w", { "x", "y" }) }
        sim:hang("a")
        sim:hang("w/x")
        sim:stop()
        assert.equal(3, #sim:effects())
    end)

    it("dependents first, the others do not wait for that", function()
        local sim = up { "db", process("web", { after = { "db" } }), "other" }
        sim:hang("web")
        sim:stop()
        assert.same({ "interrupt other", "interrupt web" }, world.told_sorted(sim))
        sim:advance(10)
        assert.same({ "kill web", "interrupt db" }, told(sim))
    end)

    it("a supervisor that depends ends with all below it", function()
        local sim = up { "db", group("w", { after = { "db" }, "x", "y" }) }
        sim:hang("w/x")
        sim:stop()
        assert.same({ "interrupt w/x", "interrupt w/y" }, world.told_sorted(sim))
        sim:exit("w/x")
        assert.same({ "interrupt db" }, told(sim))
    end)

    it("a dependent supervisor that ends by itself ends first as well", function()
        local sim = up {
            "db",
            group("w", { after = { "db" }, on_threshold = "escalate", failure_threshold = 0, "x", "y" }),
        }
        sim:hang("w/y")
        fail(sim, "w/x")
        assert.equal("stopping", sim:state("w").state)
        sim:stop_node("db")
        assert.same({ "interrupt w/y" }, told(sim))
        sim:exit("w/y")
        assert.same({ "interrupt db" }, told(sim))
        assert.equal("stopped waiting", states(sim, "db", "w"))
    end)

    it("a dependent that is not running holds nobody up", function()
        local sim = up { "db", process("web", { after = { "db" } }) }
        sim:stop_node("web")
        sim:effects()
        sim:stop()
        assert.same({ "interrupt db" }, told(sim))
        assert.equal(0, sim:ended())
    end)
end)

describe("§4 '`stop_order = \"reverse\"` ends one after another in reverse (OTP)'", function()
    it("holds, each with its own budget", function()
        local sim = up { stop_order = "reverse", "a", "b", "c" }
        sim:hang("c")
        sim:stop()
        assert.same({ "interrupt c" }, told(sim))
        sim:advance(10)
        assert.same({ "10 kill c", "10 interrupt b", "10 interrupt a" }, told_when(sim))
        assert.equal(0, sim:ended())
    end)

    it("'`rest_for_one` implies it'", function()
        local sim = up { strategy = "rest_for_one", "a", "b", "c" }
        sim:hang("c")
        sim:stop()
        assert.same({ "interrupt c" }, told(sim))
        sim:exit("c")
        assert.same({ "interrupt b", "interrupt a" }, told(sim))
    end)

    it("one_for_all does not", function()
        local sim = up { strategy = "one_for_all", "a", "b" }
        sim:hang("a")
        sim:hang("b")
        sim:stop()
        assert.equal(2, #sim:effects())
    end)

    it("dependents still first: the order written gives way", function()
        local sim = up { stop_order = "reverse", process("a", { after = { "c" } }), "b", "c" }
        sim:stop()
        local place = {}
        for n, word in ipairs(told(sim)) do place[word] = n end
        assert.is_true(place["interrupt a"] < place["interrupt c"])
    end)

    it("of a nested supervisor alone", function()
        local sim = up { group("w", { stop_order = "reverse", "x", "y" }), "a" }
        sim:hang("w/y")
        sim:stop()
        assert.same({ "interrupt a", "interrupt w/y" }, world.told_sorted(sim))
    end)

    it("one that hangs for ever holds the next only until it is stuck", function()
        local sim = up { stop_order = "reverse", "a", "b" }
        sim:hang("b", "kill")
        sim:stop()
        sim:advance(60)
        assert.same({ "0 interrupt b", "10 kill b", "20 interrupt a" }, told_when(sim))
        assert.equal(0, sim:ended())
    end)
end)

describe("§4 'Each child has its own `timeout` (default: its supervisor's): polite request, wait, kill'", function()
    it("own", function()
        local sim = up { process("a", { timeout = 3 }), "b" }
        sim:hang("a")
        sim:hang("b")
        sim:stop()
        sim:effects()
        sim:advance(60)
        assert.same({ "3 kill a", "10 kill b" }, told_when(sim))
    end)

    it("its supervisor's", function()
        local sim = up { timeout = "2s", "a" }
        sim:hang("a")
        sim:stop()
        sim:advance(60)
        assert.same({ "0 interrupt a", "2 kill a" }, told_when(sim))
    end)

    it("one that ends as asked is not killed", function()
        local sim = up { "a" }
        sim:stop()
        sim:advance(60)
        assert.same({ "interrupt a" }, told(sim))
    end)

    it("'`0` kills at once'", function()
        local sim = up { process("a", { timeout = 0 }) }
        sim:hang("a")
        sim:stop()
        local words = told_when(sim)
        assert.equal("0 kill a", words[#words])
        assert.equal(0, sim:ended())
    end)

    it("'`\"infinity\"` never kills'", function()
        local sim = up { process("a", { timeout = "infinity" }) }
        sim:hang("a")
        sim:stop()
        sim:advance("23h")
        assert.same({ "interrupt a" }, told(sim))
        assert.equal("stopping", sim:state("a").state)
        sim:exit("a")
        assert.equal(0, sim:ended())
    end)

    it("of a person's stop as well", function()
        local sim = up { process("a", { timeout = 3 }), "b" }
        sim:hang("a")
        sim:stop_node("a")
        assert.equal(3, sim:state("a").next_at)
        sim:advance(60)
        assert.same({ "0 interrupt a", "3 kill a" }, told_when(sim))
        assert.equal("stopped", sim:state("a").state)
    end)
end)

describe("§4 'A child supervisor has no budget of its own: its subtree's budgets bound it'", function()
    it("a leaf of 60 s has its 60 s", function()
        local sim = up { timeout = 1, group("w", { timeout = 2, process("x", { timeout = 60 }) }) }
        sim:hang("w/x")
        sim:stop()
        sim:advance(100)
        assert.same({ "0 interrupt w/x", "60 kill w/x" }, told_when(sim))
    end)

    it("'a parent never blames a supervisor for its hung leaf': only the leaf is reported", function()
        local sim = up { group("w", { group("v", { "x" }) }) }
        sim:hang("w/v/x", "kill")
        sim:stop()
        sim:advance(60)
        local report = sim:report()
        assert.equal(1, #report)
        assert.equal("w/v/x", report[1].path)
        assert.same({ "stop_timeout w/v/x", "stuck w/v/x" }, happened(sim, "stop_timeout", "stuck"))
    end)
end)

describe("§4 'A kill that does not end the instance within `kill_timeout` (default 10 s) leaves it stuck'", function()
    it("reported", function()
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        sim:stop_node("a")
        sim:advance(19.9)
        assert.equal("stopping", sim:state("a").state)
        sim:advance(0.1)
        assert.equal("stuck", sim:state("a").state)
        assert.same({ "stuck a" }, happened(sim, "stuck"))
    end)

    it("as long as it says", function()
        local sim = up { process("a", { timeout = 1, kill_timeout = 2 }), "b" }
        sim:hang("a", "kill")
        sim:stop_node("a")
        sim:advance(3)
        assert.equal("stuck", sim:state("a").state)
    end)

    it("'never given a second instance'", function()
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        sim:restart_node("a")
        sim:advance("1h")
        sim:start_node("a")
        sim:restart_node("a")
        sim:advance("1h")
        assert.same({ "0 interrupt a", "10 kill a" }, told_when(sim))
        assert.equal(1, sim:state("a").generation)
    end)

    it("its late end launches it when it is wanted", function()
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        sim:restart_node("a")
        sim:advance(20)
        sim:effects()
        sim:exit("a")
        assert.same({ "launch a" }, told(sim))
        assert.equal(0, sim:state().count)
    end)

    it("its supervisor, stopped and started, goes on without it until then", function()
        local sim = up { group("w", { "x", "y" }) }
        sim:hang("w/x", "kill")
        sim:restart_node("w")
        sim:advance(20)
        assert.equal("stuck running", states(sim, "w/x", "w/y"))
        sim:effects()
        sim:exit("w/x")
        assert.same({ "launch w/x" }, told(sim))
    end)

    it("its late end leaves it stopped when it is not", function()
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        sim:stop_node("a")
        sim:advance(20)
        sim:exit("a")
        assert.equal("stopped", sim:state("a").state)
    end)

    it("'Stop then goes on without it'", function()
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        sim:stop()
        sim:advance(19)
        assert.is_nil(sim:ended())
        sim:advance(1)
        assert.equal(0, sim:ended())
        assert.equal("stopped", sim:state().state)
    end)

    it("one that is stuck already holds a stop up no more", function()
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        sim:stop_node("a")
        sim:advance(20)
        sim:stop()
        assert.equal(0, sim:ended())
        assert.equal("a", sim:report()[1].path)
    end)
end)

describe("§4 '`on_stuck = \"abandon\"` allows one, and says so'", function()
    it("a second instance", function()
        local sim = up { process("a", { on_stuck = "abandon" }) }
        sim:hang("a", "kill")
        sim:restart_node("a")
        sim:advance(60)
        assert.same({ "0 interrupt a", "10 kill a", "20 abandon a", "20 launch a" }, told_when(sim))
        assert.equal("running", sim:state("a").state)
        assert.same({ "stuck a" }, happened(sim, "stuck"))
    end)

    it("the end of the abandoned one changes nothing", function()
        local sim = up { process("a", { on_stuck = "abandon" }) }
        local first = sim:state("a").instance
        sim:hang("a", "kill")
        sim:restart_node("a")
        sim:advance(20)
        sim:effects()
        sim:exit("a", { code = 1, instance = first })
        assert.same({}, told(sim))
        assert.equal(2, sim:state("a").generation)
        assert.equal(0, sim:state().count)
    end)

    it("three at most are left behind; the next stays stuck until one of them ends", function()
        local sim = up { process("a", { on_stuck = "abandon" }) }
        local first = sim:state("a").instance
        sim:hang("a", "kill")
        for _ = 1, 4 do
            sim:restart_node("a")
            sim:advance(20)
        end
        assert.equal("stuck", sim:state("a").state)
        assert.equal(4, sim:state("a").generation)
        sim:exit("a")
        assert.equal("running", sim:state("a").state)
        sim:exit("a", { instance = first })
        sim:restart_node("a")
        sim:advance(20)
        assert.equal("running", sim:state("a").state)
        assert.equal(6, sim:state("a").generation)
    end)

    it("one that still lives at the end is in the report", function()
        local sim = up { process("a", { on_stuck = "abandon" }) }
        sim:hang("a", "kill")
        sim:restart_node("a")
        sim:advance(20)
        sim:hang("a", false)
        sim:stop()
        local report = sim:report()
        assert.equal(1, #report)
        assert.equal(1, report[1].generation)
    end)
end)

describe("§4 'Stop returns a report: every instance launched and not ended, recursive, each once, with its "
    .. "full path'", function()
    it("'nothing unstopped = nil'", function()
        local sim = up { "a", group("w", { "x" }) }
        sim:stop()
        assert.equal(0, sim:ended())
        assert.is_nil(sim:report())
    end)

    it("not there before the tree has ended", function()
        local sim = up { "a" }
        sim:hang("a", "kill")
        sim:stop()
        assert.is_nil(sim:report())
    end)

    it("recursive, with full paths", function()
        local sim = up { "a", group("w", { "x", group("v", { "y" }) }) }
        sim:hang("a", "kill")
        sim:hang("w/v/y", "kill")
        sim:stop()
        sim:advance(60)
        local paths = {}
        for _, row in ipairs(sim:report()) do paths[#paths + 1] = row.path end
        assert.same({ "a", "w/v/y" }, paths)
    end)

    it("'It includes nodes removed earlier that never ended'", function()
        local sim = up { "a", group("w", { "x" }) }
        sim:hang("a", "kill")
        sim:hang("w/x", "kill")
        sim:remove("a")
        sim:remove("w")
        sim:advance("1h")
        sim:stop()
        local paths = {}
        for _, row in ipairs(sim:report()) do paths[#paths + 1] = row.path end
        assert.same({ "a", "w/x" }, paths)
    end)

    it("one removed that ended meanwhile is not in it", function()
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        sim:remove("a")
        sim:advance("1h")
        sim:exit("a")
        sim:stop()
        assert.is_nil(sim:report())
    end)

    it("§9.13 the core's own view is the same set", function()
        local sim = up { "a", group("w", { "x", "y" }) }
        sim:hang("a", "kill")
        sim:hang("w/y", "kill")
        sim:remove("a")
        sim:stop()
        sim:advance(60)
        local seen = {}
        local node = sim.world.tree:next()
        while node do
            local status = sim.world.tree:status(node, sim.world.now_ns)
            if status.kind ~= "supervisor" and status.instance ~= 0 then seen[#seen + 1] = sim.world.tree:path(node) end
            node = sim.world.tree:next(node)
        end
        table.sort(seen)
        assert.same({ "a", "w/y" }, seen)
    end)
end)

describe("§4 'The context string given to stop reaches every event (field `context`)'", function()
    it("all from the stop on", function()
        local sim = up { "a", group("w", { "x" }) }
        sim:hang("a")
        sim:stop("maintenance")
        sim:advance(60)
        local events = sim:events()
        assert.is_true(#events > 4)
        for _, event in ipairs(events) do
            assert.equal("maintenance", event.context, event.type .. " " .. event.path)
        end
    end)

    it("none before", function()
        local sim = up { "a" }
        fail(sim, "a")
        for _, event in ipairs(sim:events()) do assert.is_nil(event.context) end
    end)

    it("the first stop's stands", function()
        local sim = up { "a" }
        sim:hang("a")
        sim:stop("first")
        sim:events()
        sim:stop("second")
        sim:advance(60)
        for _, event in ipairs(sim:events()) do assert.equal("first", event.context) end
    end)
end)

describe("§4 'A root that was stopped, or ended by TERMINATE_TREE or auto shutdown, is `stopped`; … by its "
    .. "limit, `failed`'", function()
    it("stopped", function()
        local sim = up { "a" }
        sim:stop()
        assert.equal("stopped", sim:state().state)
    end)

    it("terminated", function()
        local sim = up { world.thread("a") }
        sim:exit("a", { terminate_tree = true })
        assert.equal("stopped", sim:state().state)
    end)

    it("auto shutdown", function()
        local sim = up {
            auto_shutdown = "any_significant", process("a", { restart = "transient", significant = true }),
        }
        sim:exit("a", { code = 0 })
        assert.equal("stopped", sim:state().state)
    end)

    it("limit", function()
        local sim = up { on_threshold = "escalate", failure_threshold = 0, "a" }
        fail(sim, "a")
        assert.equal("failed", sim:state().state)
    end)

    it("a stop that was asked wins over a limit that is reached meanwhile", function()
        local sim = up { on_threshold = "escalate", failure_threshold = 0, "a", "b" }
        sim:hang("a")
        sim:stop()
        fail(sim, "a")
        assert.equal("stopped", sim:state().state)
        assert.equal(0, sim:ended())
    end)
end)

describe("§4 '`stop_timeout` is said once per instance, at the polite deadline'", function()
    it("holds", function()
        local sim = up { "a" }
        sim:hang("a", "kill")
        sim:stop()
        sim:stop()
        sim:advance(9.9)
        assert.same({}, happened(sim, "stop_timeout"))
        sim:advance(60)
        assert.same({ "stop_timeout a" }, happened(sim, "stop_timeout"))
    end)

    it("at the deadline, before killed and stuck", function()
        local sim = up { "a" }
        sim:hang("a", "kill")
        sim:stop()
        sim:advance(60)
        local words = happened(sim, "stopping", "stop_timeout", "killed", "stuck")
        assert.same({ "stopping a", "stop_timeout a", "killed a", "stuck a" },
            { table.unpack(words, #words - 3) })
    end)
end)

describe("§9.3 'After a stop is accepted nothing launches below it, and it ends within its budgets'", function()
    it("a waiting one, a delayed one and a queued one end at once", function()
        local sim = up {
            failure_threshold = 1,
            "a", process("b", { after = { "a" } }), process("c", { restart_delay = 60 }), "d",
        }
        sim:stop_node("a")
        fail(sim, "c")
        fail(sim, "d")
        assert.equal("waiting delayed queued", states(sim, "b", "c", "d"))
        sim:effects()
        sim:stop()
        assert.equal(0, sim:ended())
        assert.same({}, told(sim))
    end)

    it("one that fails during the stop stays down", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        sim:hang("b")
        sim:stop()
        fail(sim, "a")
        sim:effects()
        sim:advance(60)
        assert.same({ "kill b" }, told(sim))
    end)

    it("one whose launch is not yet confirmed is stopped as well", function()
        local sim = up { "a" }
        sim:at(5, function(now)
            now:exit("a", { code = 1 })
            now:stop()
        end)
        sim:advance(60)
        assert.equal(0, sim:ended())
        assert.is_nil(sim:report())
    end)

    it("an end is planned then: not counted", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        sim:stop()
        fail(sim, "a")
        assert.equal(0, sim:state().count)
        for _, event in ipairs(world.events(sim, "ended")) do
            if event.path == "a" then assert.is_true(event.planned) end
        end
    end)

    it("what ended before keeps its state", function()
        local sim = up {
            on_threshold = "give_up", failure_threshold = 0,
            process("a", { restart = "transient" }), "b", process("c", { enabled = false }), "d",
        }
        sim:exit("a", { code = 0 })
        fail(sim, "b")
        sim:stop()
        assert.equal("done failed stopped stopped", states(sim, "a", "b", "c", "d"))
    end)

    it("a paused supervisor that waits for its dependents to end does not resume", function()
        local sim = up { group("w", { failure_threshold = 0, "x" }), process("web", { after = { "w" } }) }
        sim:hang("web")
        fail(sim, "w/x")
        sim:stop()
        sim:effects()
        sim:advance(60)
        assert.same({ "kill web" }, told(sim))
        assert.same({}, happened(sim, "resume"))
        assert.equal(0, sim:ended())
    end)

    it("nothing launches below one that waits for its turn", function()
        local sim = up { stop_order = "reverse", group("w", { group("v", { "x" }) }), "a" }
        sim:hang("a")
        sim:stop()
        sim:effects()
        fail(sim, "w/v/x")
        sim:advance(60)
        assert.same({ "kill a" }, told(sim))
        assert.equal(0, sim:ended())
    end)

    it("in the middle of a spaced resume nothing is due any more", function()
        local sim = up { group("w", { failure_threshold = 0, restart_spacing = 5, "x", "y", "z" }), "a" }
        for _, path in ipairs { "w/x", "w/y", "w/z" } do fail(sim, path) end
        sim:advance(16)
        sim:stop_node("w")
        assert.is_nil(sim.world.tree:deadline())
        sim:effects()
        sim:start_node("w")
        sim:advance(60)
        assert.same({ "launch w/x", "launch w/y", "launch w/z" }, told(sim))
    end)

    it("supervisors without children end as well, each once", function()
        for _, order in ipairs { "together", "reverse" } do
            local sim = up { stop_order = order, group("e", {}), "a", group("f", { group("g", {}) }) }
            sim:stop()
            assert.equal(0, sim:ended())
            local ended = happened(sim, "ended")
            table.sort(ended)
            assert.same({ "ended a", "ended e", "ended f", "ended f/g" },
                { table.unpack(ended, ended[1] == "ended ." and 2 or 1) })
        end
    end)

    it("a second interrupt by the person who runs it kills now", function()
        local sim = up { process("a", { timeout = "infinity" }), group("w", { "x" }) }
        sim:hang("a")
        sim:hang("w/x")
        sim:stop()
        sim:effects()
        sim:kill()
        assert.same({ "kill a", "kill w/x" }, world.told_sorted(sim))
        assert.equal(0, sim:ended())
    end)

    it("kills once, and none that is stuck", function()
        local sim = up { process("a", { timeout = "infinity" }), "b", "c" }
        sim:hang("b", "kill")
        sim:stop_node("b")
        sim:advance(20)
        sim:hang("a", "kill")
        sim:hang("c", "kill")
        sim:stop()
        sim:effects()
        sim:kill()
        sim:kill()
        assert.same({ "kill a", "kill c" }, world.told_sorted(sim))
    end)

    it("kills those too that wait for their turn", function()
        local sim = up { stop_order = "reverse", "a", "b" }
        sim:hang("b")
        sim:stop()
        sim:effects()
        sim:kill()
        assert.same({ "kill a", "kill b" }, world.told_sorted(sim))
        assert.equal(0, sim:ended())
    end)

    it("kills those too whose supervisor waits for its turn", function()
        local sim = up { stop_order = "reverse", group("w", { "x", group("v", { "y" }) }), "b" }
        sim:hang("b")
        sim:stop()
        sim:effects()
        sim:kill()
        assert.same({ "kill b", "kill w/v/y", "kill w/x" }, world.told_sorted(sim))
        assert.equal(0, sim:ended())
    end)

    it("one that was starting and waits for its turn is not called late any more", function()
        local sim = up { stop_order = "reverse", process("a", { ready = ready.manual(), start_timeout = 5 }), "b" }
        sim:hang("b")
        sim:stop()
        sim:events()
        sim:advance(9)
        assert.same({}, happened(sim))
        sim:exit("b")
        assert.equal(0, sim:ended())
    end)

    it("a delay that ends below one that waits for its turn begins no round", function()
        local sim = up {
            stop_order = "reverse",
            group("w", { strategy = "one_for_all", process("x", { restart_delay = 2 }), "y" }),
            "b",
        }
        sim:hang("b")
        fail(sim, "w/x")
        sim:stop()
        sim:effects()
        sim:advance(5)
        assert.same({}, told(sim))
        assert.equal("stopped running", states(sim, "w/x", "w/y"))
    end)
end)

describe("§4 a person's stop of a supervisor", function()
    it("stops what is below, and start brings it back", function()
        local sim = up { group("w", { "x", "y" }), "a" }
        assert.is_true(sim:stop_node("w"))
        assert.equal("stopped stopped stopped running", states(sim, "w", "w/x", "w/y", "a"))
        sim:effects()
        sim:start_node("w")
        assert.same({ "launch w/x", "launch w/y" }, told(sim))
    end)

    it("a restart: all below anew, nothing counted", function()
        local sim = up { group("w", { "x", "y" }), "a" }
        assert.is_true(sim:restart_node("w"))
        assert.equal("2 2 1", world.generations(sim, "w/x", "w/y", "a"))
        assert.equal(0, sim:state().count)
    end)

    it("a restart of the root: all anew, the tree goes on", function()
        local sim = up { "a", group("w", { "x" }) }
        assert(sim:restart_node("."))
        assert.same({ "interrupt a", "interrupt w/x", "launch a", "launch w/x" }, world.told_sorted(sim))
        assert.is_nil(sim:ended())
        assert.equal("running running running", states(sim, ".", "a", "w/x"))
        assert.equal(0, sim:state().count)
    end)

    it("the root alone cannot be stopped as a node", function()
        local sim = up { "a" }
        local ok, err = sim:stop_node(".")
        assert.is_nil(ok)
        assert.is_not_nil(err)
        assert.equal("running", sim:state("a").state)
    end)
end)

describe("§4 the order of a stop without a host", function()
    it("ranks say it: dependents and, in reverse order, later ones are higher", function()
        local sim = world.sim(tree {
            "db", process("web", { after = { "db" } }), group("w", { stop_order = "reverse", "x", "y" }),
        })
        sim:start()
        local function rank(path) return sim.world.tree:stop_rank(sim.world.tree:find(path)) end
        assert.is_true(rank("web") > rank("db"))
        assert.is_true(rank("w/y") > rank("w/x"))
    end)
end)
