-- SEMANTICS §4: starting, readiness, dependencies, a person's stop and start.
local world = require "spec.support.world"
local suptree = require "suptree"
local up, fail, tree, process, group = world.up, world.fail, world.tree, world.process, world.group
local states, told, told_when, happened = world.states, world.told, world.told_when, world.happened

local ready_after = suptree.ready.delay

local function started(options)
    local sim = world.sim(tree(options))
    assert(sim:start())
    return sim
end

describe("§4 'Children start in the order written, … with no `after`, all at once, in order'", function()
    it("all in the first instant", function()
        local sim = started { "c", "a", "b" }
        assert.same({ "0 launch c", "0 launch a", "0 launch b" }, told_when(sim))
    end)

    it("nested ones in their place", function()
        local sim = started { "a", group("w", { "x", "y" }), "b" }
        assert.same({ "launch a", "launch w/x", "launch w/y", "launch b" }, told(sim))
    end)

    it("an empty tree runs", function()
        local sim = started {}
        assert.equal("running", sim:state().state)
        assert.is_true(sim:state().ready)
    end)

    it("one that does not get ready holds nobody who is not after it", function()
        local sim = started { process("a", { ready = ready_after(30) }), "b" }
        assert.same({ "launch a", "launch b" }, told(sim))
    end)
end)

describe("§4 'each as soon as what it is `after` is ready'", function()
    it("waits for it", function()
        local sim = started { process("db", { ready = ready_after(5) }), process("web", { after = { "db" } }) }
        assert.equal("running waiting", states(sim, "db", "web"))
        sim:advance(10)
        assert.same({ "0 launch db", "5 launch web" }, told_when(sim))
    end)

    it("without `ready` it is ready at launch: the same instant", function()
        local sim = started { process("web", { after = { "db" } }), "db" }
        assert.same({ "0 launch db", "0 launch web" }, told_when(sim))
    end)

    it("for all of them", function()
        local sim = started {
            process("a", { ready = ready_after(2) }), process("b", { ready = ready_after(4) }),
            process("c", { after = { "a", "b" } }),
        }
        sim:advance(10)
        assert.same({ "0 launch a", "0 launch b", "4 launch c" }, told_when(sim))
    end)

    it("along a chain", function()
        local sim = started {
            process("c", { after = { "b" }, ready = ready_after(1) }),
            process("b", { after = { "a" }, ready = ready_after(1) }),
            process("a", { ready = ready_after(1) }),
        }
        sim:advance(10)
        assert.same({ "0 launch a", "1 launch b", "2 launch c" }, told_when(sim))
    end)

    it("a supervisor may be after and be waited for", function()
        local sim = started {
            group("w", { process("x", { ready = ready_after(2) }), process("y", { ready = ready_after(3) }) }),
            group("v", { after = { "w" }, "z" }),
        }
        sim:advance(10)
        assert.same({ "0 launch w/x", "0 launch w/y", "3 launch v/z" }, told_when(sim))
    end)

    it("while what it is after fails to start it waits", function()
        local sim = world.sim(tree { "db", process("web", { after = { "db" } }) })
        sim:fail_launch("db", "ENOENT", 100)
        sim:start()
        assert.equal("queued waiting", states(sim, "db", "web"))
    end)
end)

describe("§4 'A service is `starting` until launched, then `running`; `ready` is separate'", function()
    it("ready at launch when it declares no `ready`", function()
        local sim = started { "a" }
        assert.equal("running", sim:state("a").state)
        assert.is_true(sim:state("a").ready)
    end)

    it("'else when its condition holds'", function()
        local sim = started { process("a", { ready = ready_after("2s") }) }
        assert.equal("running", sim:state("a").state)
        assert.is_false(sim:state("a").ready)
        sim:advance(2)
        assert.is_true(sim:state("a").ready)
        assert.same({ "ready a" }, { happened(sim, "ready")[1] })
    end)

    it("manual: when it says so", function()
        local sim = started { process("a", { ready = suptree.ready.manual() }) }
        sim:advance(5)
        assert.is_false(sim:state("a").ready)
        assert.is_true(sim:ready("a"))
        assert.is_true(sim:state("a").ready)
    end)

    it("each run anew", function()
        local sim = started { process("a", { ready = ready_after(2) }) }
        sim:advance(2)
        fail(sim, "a")
        assert.is_false(sim:state("a").ready)
        sim:advance(2)
        assert.is_true(sim:state("a").ready)
    end)

    it("not any more when it has ended", function()
        local sim = started { "a" }
        sim:stop_node("a")
        assert.is_false(sim:state("a").ready)
    end)

    it("said once per run", function()
        local sim = started { process("a", { ready = suptree.ready.manual() }) }
        sim:ready("a")
        sim:ready("a")
        local count = 0
        for _, event in ipairs(world.events(sim, "ready")) do
            if event.path == "a" then count = count + 1 end
        end
        assert.equal(1, count)
    end)
end)

describe("§4 'Not ready within `start_timeout` (default 60 s): it is stopped, counted as one failed start, "
    .. "restarted'", function()
    local function slow(more)
        local options = { ready = suptree.ready.manual() }
        for key, value in pairs(more or {}) do options[key] = value end
        return started { process("a", options) }
    end

    it("after 60 s by default", function()
        local sim = slow()
        sim:advance(59.9)
        assert.equal(0, sim:state().count)
        sim:advance(0.1)
        assert.same({ "0 launch a", "60 interrupt a", "60 launch a" }, told_when(sim))
        assert.equal(1, sim:state().count)
    end)

    it("as long as it says", function()
        local sim = slow { start_timeout = 3 }
        sim:advance(3)
        assert.equal(2, sim:state("a").generation)
        assert.equal(1, sim:state().count)
    end)

    it("one failure, not two, counted when it has ended, however it ends", function()
        local sim = slow { start_timeout = 3 }
        sim:hang("a")
        sim:advance(4)
        fail(sim, "a")
        assert.equal(2, sim:state("a").generation)
        assert.equal(1, sim:state().count)
    end)

    it("it has its stop budget, then it is killed", function()
        local sim = slow { start_timeout = 3, timeout = 2 }
        sim:hang("a")
        sim:advance(5)
        assert.same({ "0 launch a", "3 interrupt a", "5 kill a", "5 launch a" }, told_when(sim))
    end)

    it("the failed event says why", function()
        local sim = slow { start_timeout = 3 }
        sim:advance(3)
        local failed = world.events(sim, "failed")
        assert.equal(1, #failed)
        assert.matches("ready", failed[1].reason)
    end)

    it("'by its type': a transient one is restarted", function()
        local sim = slow { start_timeout = 3, restart = "transient" }
        sim:advance(3)
        assert.equal(2, sim:state("a").generation)
    end)

    it("'by its type': a temporary one is gone", function()
        local sim = slow { start_timeout = 3, restart = "temporary" }
        sim:advance(3)
        assert.is_nil(sim:state("a"))
    end)

    it("ready at the very instant is in time", function()
        local sim = slow { start_timeout = 3, ready = ready_after(3) }
        sim:advance(10)
        assert.equal(1, sim:state("a").generation)
    end)

    it("the clock starts at the launch, not while it waits", function()
        local sim = started {
            process("db", { ready = ready_after(20) }),
            process("web", { after = { "db" }, ready = suptree.ready.manual(), start_timeout = 5 }),
        }
        sim:advance(24)
        assert.equal(1, sim:state("web").generation)
        sim:ready("web")
        sim:advance(60)
        assert.equal(1, sim:state("web").generation)
    end)

    it("once ready there is no such deadline", function()
        local sim = slow { start_timeout = 3 }
        sim:ready("a")
        assert.is_nil(sim:state("a").next_at)
        assert.is_true(sim:run_until_idle())
        assert.equal(1, sim:state("a").generation)
    end)
end)

describe("§4 'A supervisor is ready when all its wanted children have been; that latches until it stops'", function()
    local function nested()
        return started {
            group("w", { process("x", { ready = ready_after(2) }), process("y", { ready = ready_after(4) }) }),
        }
    end

    it("with the last of them", function()
        local sim = nested()
        sim:advance(3.9)
        assert.is_false(sim:state("w").ready)
        sim:advance(0.1)
        assert.is_true(sim:state("w").ready)
        assert.is_true(sim:state().ready)
    end)

    it("'have been': they need not be so at the same time", function()
        local sim = nested()
        sim:advance(3)
        fail(sim, "w/x")
        sim:advance(1)
        assert.is_false(sim:state("w/x").ready)
        assert.is_true(sim:state("w").ready)
    end)

    it("latches", function()
        local sim = nested()
        sim:advance(4)
        fail(sim, "w/x")
        assert.is_false(sim:state("w/x").ready)
        assert.is_true(sim:state("w").ready)
    end)

    it("'until it stops'", function()
        local sim = nested()
        sim:advance(4)
        sim:stop_node("w")
        assert.is_false(sim:state("w").ready)
        sim:start_node("w")
        assert.is_false(sim:state("w").ready)
        sim:advance(4)
        assert.is_true(sim:state("w").ready)
    end)

    it("one that is added before that is waited for, one added later is not", function()
        local sim = nested()
        sim:add("w", process("z", { ready = ready_after(6) }))
        sim:advance(5)
        assert.is_false(sim:state("w").ready)
        sim:advance(1)
        assert.is_true(sim:state("w").ready)
        sim:add("w", process("v", { ready = ready_after(6) }))
        assert.is_true(sim:state("w").ready)
    end)

    it("'wanted': one that a person stops is not waited for", function()
        local sim = nested()
        sim:advance(2)
        sim:stop_node("w/y")
        assert.is_true(sim:state("w").ready)
    end)

    it("'wanted': one with enabled = false is not waited for", function()
        local sim = started { group("w", { "x", process("y", { enabled = false }) }) }
        assert.equal("stopped", sim:state("w/y").state)
        assert.is_true(sim:state("w").ready)
    end)

    it("'wanted': one that a reload disables is not waited for any more, one that it enables is", function()
        local function children(x, y)
            return world.tree {
                group("w", {
                    process("x", { ready = suptree.ready.manual(), enabled = x }),
                    process("y", { ready = suptree.ready.manual(), enabled = y }),
                }),
            }
        end
        local sim = world.sim(children(true, false))
        sim:start()
        sim:reload(children(true, true))
        sim:ready("w/x")
        assert.is_false(sim:state("w").ready)
        sim:reload(children(true, false))
        assert.is_true(sim:state("w").ready)
    end)

    it("'wanted': one that a person starts again is waited for again, unless it has been ready", function()
        local sim = nested()
        sim:stop_node("w/y")
        sim:start_node("w/y")
        sim:advance(2)
        assert.is_false(sim:state("w").ready)
        sim:stop_node("w/x")
        sim:start_node("w/x")
        sim:advance(2)
        assert.is_true(sim:state("w").ready)
    end)
end)

describe("§4 'every launch waits until they are ready'", function()
    it("a restart too", function()
        local sim = up { process("db", { ready = ready_after(5) }), process("web", { after = { "db" } }) }
        sim:advance(5)
        fail(sim, "db")
        fail(sim, "web")
        assert.equal("running waiting", states(sim, "db", "web"))
        sim:effects()
        sim:advance(5)
        assert.same({ "10 launch web" }, told_when(sim))
    end)

    it("a person's restart too", function()
        local sim = up { process("db", { ready = ready_after(5) }), process("web", { after = { "db" } }) }
        sim:advance(5)
        fail(sim, "db")
        sim:restart_node("web")
        assert.equal("waiting", sim:state("web").state)
    end)

    it("one added too", function()
        local sim = up { process("db", { ready = ready_after(5) }) }
        sim:add(".", process("web", { after = { "db" } }))
        assert.same({}, told(sim))
        sim:advance(5)
        assert.same({ "launch web" }, told(sim))
    end)

    it("not after a transient dependency that is done: it has been ready and is not", function()
        local sim = up { process("init", { restart = "transient" }), process("web", { after = { "init" } }) }
        sim:exit("init", { code = 0 })
        assert.equal("done running", states(sim, "init", "web"))
    end)
end)

describe("§4 'on stop the dependent ends first'", function()
    it("what it depends on is asked when it has ended", function()
        local sim = up { "db", process("web", { after = { "db" } }) }
        sim:hang("web")
        sim:stop()
        assert.same({ "interrupt web" }, told(sim))
        sim:exit("web")
        assert.same({ "interrupt db" }, told(sim))
        assert.equal(0, sim:ended())
    end)
end)

describe("§4 'Cycles and unknown names are load errors that print the whole chain'", function()
    it("unknown, with a proposal", function()
        local message = world.refusal(function()
            return tree { "database", process("web", { after = { "databse" } }) }
        end)
        assert.matches("databse", message)
        assert.matches("web", message)
        assert.matches("database", message)
    end)

    it("a cycle of three", function()
        local message = world.refusal(function()
            return tree {
                process("a", { after = { "b" } }), process("b", { after = { "c" } }), process("c", { after = { "a" } }),
            }
        end)
        assert.matches("a %-> b %-> c %-> a", message)
    end)

    it("itself", function()
        local message = world.refusal(function() return tree { process("a", { after = { "a" } }) } end)
        assert.matches("a%.after", message)
        assert.matches("itself", message)
    end)

    it("siblings only: neither cousins nor parents", function()
        assert.matches('no sibling "x"', world.refusal(function()
            return tree { group("v", { "x" }), group("w", { process("y", { after = { "x" } }) }) }
        end))
    end)

    it("of restart_with as well", function()
        assert.matches("nobody", world.refusal(function()
            return tree { process("a", { restart_with = { "nobody" } }) }
        end))
    end)

    it("of an added one: the tree is left alone", function()
        local sim = up { "db" }
        local token, err = sim:add(".", process("web", { after = { "dbb" } }))
        assert.is_nil(token)
        assert.matches("dbb", tostring(err))
        assert.is_nil(sim:state("web"))
    end)
end)

describe("§4 'When a dependency restarts by itself, dependents stay'", function()
    it("web runs on", function()
        local sim = up { "db", process("web", { after = { "db" } }) }
        fail(sim, "db")
        assert.same({ "launch db" }, told(sim))
        assert.equal(1, sim:state("web").generation)
    end)

    it("'unless restart_with says otherwise'", function()
        local sim = up { "db", process("web", { after = { "db" }, restart_with = { "db" } }) }
        fail(sim, "db")
        assert.equal("2 2", world.generations(sim, "db", "web"))
    end)
end)

describe("§4 'A person's `stop db` first stops its dependents: they become `waiting`, still wanted, and "
    .. "return with db'", function()
    local function shop()
        return up { "db", process("web", { after = { "db" } }), process("ads", { after = { "web" } }), "other" }
    end

    it("dependents first", function()
        local sim = shop()
        sim:stop_node("db")
        assert.same({ "interrupt ads", "interrupt web", "interrupt db" }, told(sim))
    end)

    it("one after another", function()
        local sim = shop()
        sim:hang("ads")
        sim:stop_node("db")
        assert.same({ "interrupt ads" }, told(sim))
        sim:exit("ads")
        assert.same({ "interrupt web", "interrupt db" }, told(sim))
    end)

    it("they wait and are wanted, it is not", function()
        local sim = shop()
        sim:stop_node("db")
        assert.equal("stopped waiting waiting running", states(sim, "db", "web", "ads", "other"))
        assert.is_false(sim:state("db").wanted)
        assert.is_true(sim:state("web").wanted)
        assert.is_true(sim:state("ads").wanted)
        assert.equal(0, sim:state().count)
    end)

    it("return with db", function()
        local sim = shop()
        sim:stop_node("db")
        sim:effects()
        assert.is_true(sim:start_node("db"))
        assert.same({ "launch db", "launch web", "launch ads" }, told(sim))
    end)

    it("also while db itself is between two runs", function()
        local function stopped(db, more)
            local options = { process("db", db), process("web", { after = { "db" } }) }
            for key, value in pairs(more or {}) do options[key] = value end
            local sim = up(options)
            fail(sim, "db")
            assert.equal("running", sim:state("web").state)
            sim:effects()
            sim:stop_node("db")
            assert.same({ "interrupt web" }, told(sim))
            assert.equal("stopped waiting", states(sim, "db", "web"))
            sim:start_node("db")
            assert.same({ "launch db", "launch web" }, told(sim))
        end
        stopped { restart_delay = 5 }
        stopped({}, { failure_threshold = 0 })
    end)

    it("one that is in its delay waits then", function()
        local sim = up { "db", process("web", { after = { "db" }, restart_delay = 5 }) }
        fail(sim, "web")
        sim:stop_node("db")
        sim:effects()
        sim:advance(60)
        assert.same({}, told(sim))
        assert.equal("waiting", sim:state("web").state)
        sim:start_node("db")
        assert.same({ "launch db", "launch web" }, told(sim))
    end)

    it("a person may stop a waiting one: then it does not return", function()
        local sim = shop()
        sim:stop_node("db")
        sim:stop_node("web")
        sim:effects()
        sim:start_node("db")
        assert.same({ "launch db" }, told(sim))
        assert.equal("waiting", sim:state("ads").state)
    end)
end)

describe("§4 '`start web` also starts what it is after'", function()
    it("one that was not started", function()
        local sim = up { process("db", { enabled = false }), process("web", { after = { "db" }, enabled = false }) }
        assert.is_true(sim:start_node("web"))
        assert.same({ "launch db", "launch web" }, told(sim))
    end)

    it("along the chain", function()
        local sim = up {
            process("a", { enabled = false }), process("b", { after = { "a" }, enabled = false }),
            process("c", { after = { "b" }, enabled = false }),
        }
        sim:start_node("c")
        assert.same({ "launch a", "launch b", "launch c" }, told(sim))
    end)

    it("not beyond one that a person stopped", function()
        local sim = up {
            "a", process("b", { after = { "a" }, enabled = false }), process("c", { after = { "b" }, enabled = false }),
        }
        sim:stop_node("a")
        sim:effects()
        sim:start_node("c")
        assert.equal("stopped waiting waiting", states(sim, "a", "b", "c"))
        sim:start_node("a")
        assert.same({ "launch a", "launch b", "launch c" }, told(sim))
    end)

    it("but not one that is done", function()
        local sim = up { process("init", { restart = "transient" }), process("web", { after = { "init" } }) }
        sim:exit("init", { code = 0 })
        sim:stop_node("web")
        sim:effects()
        sim:start_node("web")
        assert.same({ "launch web" }, told(sim))
        assert.equal("done", sim:state("init").state)
    end)

    it("one that gave up", function()
        local sim = up { on_threshold = "give_up", failure_threshold = 0, "db", process("web", { after = { "db" } }) }
        sim:stop_node("web")
        fail(sim, "db")
        sim:effects()
        sim:start_node("web")
        assert.same({ "launch db", "launch web" }, told(sim))
    end)

    it("'unless a person stopped that: then web is `waiting`, and the reply says for whom'", function()
        local sim = up { "db", process("web", { after = { "db" } }) }
        sim:stop_node("web")
        sim:stop_node("db")
        sim:effects()
        local accepted, why = sim:start_node("web")
        assert.is_true(accepted)
        assert.matches("db", why)
        assert.same({}, told(sim))
        assert.equal("waiting", sim:state("web").state)
        sim:start_node("db")
        assert.same({ "launch db", "launch web" }, told(sim))
    end)
end)

describe("§4 '`add`, `start` and what a reload adds waive the pause, nothing else'", function()
    it("add and start in a pause wait for what they are after", function()
        local sim = up { failure_threshold = 0, "x", process("db", { ready = ready_after(5) }) }
        fail(sim, "x")
        sim:effects()
        sim:add(".", process("web", { after = { "db" } }))
        assert.equal("paused waiting", states(sim, ".", "web"))
        sim:stop_node("web")
        sim:start_node("web")
        assert.same({}, told(sim))
        sim:advance(5)
        assert.same({ "launch web" }, told(sim))
    end)

    it("what a reload adds launches in the pause", function()
        local sim = up { failure_threshold = 0, "x" }
        fail(sim, "x")
        sim:effects()
        assert.is_true(sim:reload(tree { failure_threshold = 0, "x", "y" }))
        assert.same({ "launch y" }, told(sim))
        assert.equal("paused queued", states(sim, ".", "x"))
    end)

    it("a start below a supervisor that a person stopped says for whom it waits", function()
        local sim = up { group("w", { process("a", { enabled = false }) }) }
        sim:stop_node("w")
        sim:effects()
        local accepted, why = sim:start_node("w/a")
        assert.is_true(accepted)
        assert.matches("w", why)
        assert.same({}, told(sim))
        sim:start_node("w")
        assert.same({ "launch w/a" }, told(sim))
    end)

    it("a start does not start the supervisor above it", function()
        local sim = up { group("w", { "a" }) }
        sim:stop_node("w")
        sim:effects()
        sim:start_node("w/a")
        assert.same({}, told(sim))
        assert.not_equal("running", sim:state("w/a").state)
    end)
end)

describe("§4 'A person's stop is remembered: no restart, reload or sibling brings the node back until a "
    .. "person starts it'", function()
    it("over a reload that changes it", function()
        local sim = up { "a", "b" }
        sim:stop_node("a")
        sim:effects()
        sim:reload(tree { process("a", { command = { "./new" } }), "b" })
        sim:advance(100)
        assert.same({}, told(sim))
        assert.equal("stopped", sim:state("a").state)
        sim:start_node("a")
        assert.same({ "launch a" }, told(sim))
    end)

    it("over the death of the host", function()
        local sim = up { world.thread("a"), "b" }
        sim:stop_node("a")
        sim:stop_node("b")
        sim:effects()
        sim:host_died()
        assert.same({}, told(sim))
        assert.equal("stopped stopped", states(sim, "a", "b"))
    end)

    it("over the end of a pause", function()
        local sim = up { failure_threshold = 0, "a", "b" }
        fail(sim, "a")
        sim:stop_node("b")
        sim:stop_node("a")
        sim:effects()
        sim:advance("10m")
        assert.same({}, told(sim))
    end)

    it("over a rollback", function()
        local sim = up { "a", "b" }
        sim:reload(tree { process("a", { command = { "./new" } }), process("b", { command = { "./new" } }) })
        sim:stop_node("b")
        fail(sim, "a")
        assert.equal("running stopped", states(sim, "a", "b"))
    end)

    it("over a restart of its supervisor", function()
        local sim = up { group("w", { "a", "b" }) }
        sim:stop_node("w/a")
        sim:restart_node("w")
        assert.equal("stopped running", states(sim, "w/a", "w/b"))
    end)

    it("over an escalation", function()
        local sim = up { group("w", { on_threshold = "escalate", failure_threshold = 0, "a", "b" }) }
        sim:stop_node("w/a")
        fail(sim, "w/b")
        assert.equal("stopped running", states(sim, "w/a", "w/b"))
    end)

    it("a dependent that starts does not start it", function()
        local sim = up { "db", process("web", { after = { "db" } }) }
        sim:stop_node("db")
        sim:restart_node("web")
        assert.equal("stopped waiting", states(sim, "db", "web"))
    end)

    it("a second stop changes nothing", function()
        local sim = up { "a" }
        sim:stop_node("a")
        sim:effects()
        assert.is_true(sim:stop_node("a"))
        assert.same({}, told(sim))
    end)

    it("a start of what runs changes nothing", function()
        local sim = up { "a" }
        assert.is_true(sim:start_node("a"))
        assert.same({}, told(sim))
    end)
end)

describe("§4 'Stop then start before the end: relaunch after it ended'", function()
    it("at its end", function()
        local sim = up { "a" }
        sim:hang("a")
        sim:stop_node("a")
        sim:start_node("a")
        assert.same({ "interrupt a" }, told(sim))
        sim:exit("a")
        assert.same({ "launch a" }, told(sim))
        assert.equal(0, sim:state().count)
    end)

    it("'the old kill timer never touches the new instance'", function()
        local sim = up { "a" }
        sim:hang("a")
        sim:stop_node("a")
        sim:start_node("a")
        sim:advance(5)
        sim:exit("a")
        sim:effects()
        sim:advance(60)
        assert.same({}, told(sim))
    end)

    it("the kill still comes for the old one", function()
        local sim = up { "a" }
        sim:hang("a")
        sim:stop_node("a")
        sim:start_node("a")
        sim:advance(60)
        assert.same({ "0 interrupt a", "10 kill a", "10 launch a" }, told_when(sim))
    end)

    it("stop, start, stop: it stays down", function()
        local sim = up { "a" }
        sim:hang("a")
        sim:stop_node("a")
        sim:start_node("a")
        sim:stop_node("a")
        sim:exit("a")
        assert.same({ "interrupt a" }, told(sim))
        assert.equal("stopped", sim:state("a").state)
    end)
end)

describe("§4 enabled = false", function()
    it("is not launched until a person starts it", function()
        local sim = started { process("a", { enabled = false }), "b" }
        assert.same({ "launch b" }, told(sim))
        assert.equal("stopped", sim:state("a").state)
        assert.is_false(sim:state("a").wanted)
        sim:start_node("a")
        assert.same({ "launch a" }, told(sim))
    end)

    it("a whole supervisor", function()
        local sim = started { group("w", { enabled = false, "x", "y" }), "b" }
        assert.same({ "launch b" }, told(sim))
        sim:start_node("w")
        assert.same({ "launch w/x", "launch w/y" }, told(sim))
    end)
end)
