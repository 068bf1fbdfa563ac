-- SEMANTICS §8 and the invariants of §9 that concern order and time: instants, stale facts, jumps, events, saving.
local world = require "spec.support.world"
local suptree = require "suptree"
local up, fail, process, thread, group = world.up, world.fail, world.process, world.thread, world.group
local states, told, told_when, happened = world.states, world.told, world.told_when, world.happened

describe("§8 'Same-instant order: facts (launched, ready, ended), then stop/remove, then other commands, then "
    .. "deadlines'", function()
    it("'An end beats the kill timer of the same instant'", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        sim:stop_node("a")
        sim:at(10, function(now) now:exit("a") end)
        sim:advance(60)
        assert.same({ "0 interrupt a" }, told_when(sim))
    end)

    it("an end beats the stuck timer", function()
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        sim:stop_node("a")
        sim:at(20, function(now) now:exit("a") end)
        sim:advance(60)
        assert.same({}, happened(sim, "stuck"))
        assert.equal("stopped", sim:state("a").state)
    end)

    it("ready beats start_timeout", function()
        local sim = up { process("a", { ready = suptree.ready.manual(), start_timeout = 5 }) }
        sim:at(5, function(now) now:ready("a") end)
        sim:advance(60)
        assert.equal(1, sim:state("a").generation)
    end)

    it("a stop beats the resume", function()
        local sim = up { failure_threshold = 0, "a" }
        fail(sim, "a")
        sim:at(15, function(now) now:stop() end)
        sim:advance(60)
        assert.same({}, told(sim))
        assert.same({}, happened(sim, "resume"))
    end)

    it("a failure beats the resume: it joins the queue that is let go then", function()
        local sim = up { failure_threshold = 0, "a", "b" }
        fail(sim, "a")
        sim:at(15, function(now) fail(now, "b") end)
        sim:advance(60)
        assert.same({ "15 launch a", "15 launch b" }, told_when(sim))
    end)

    it("a person's stop beats the end of the delay", function()
        local sim = up { process("a", { restart_delay = 5 }) }
        fail(sim, "a")
        sim:at(5, function(now) now:stop_node("a") end)
        sim:advance(60)
        assert.same({}, told(sim))
    end)

    it("'deadlines by (time, sequence)': equal ones in the order in which they were set", function()
        local sim = up { process("b", { restart_delay = 5 }), process("a", { restart_delay = 5 }), "c" }
        fail(sim, "a")
        fail(sim, "b")
        sim:advance(60)
        assert.same({ "5 launch a", "5 launch b" }, told_when(sim))
    end)

    it("several callbacks of one instant run in the order given, before its deadlines", function()
        local sim = up { "a" }
        local order = {}
        sim:at(5, function() order[#order + 1] = "first" end)
        sim:at(3, function(now)
            order[#order + 1] = "early"
            now:at(5, function() order[#order + 1] = "third" end)
        end)
        sim:at(5, function() order[#order + 1] = "second" end)
        sim:advance(10)
        assert.same({ "early", "first", "second", "third" }, order)
    end)
end)

describe("§8 'Facts of an old generation change nothing'", function()
    for _, fact in ipairs {
        { type = "ended", outcome = "exit", code = 1 }, { type = "ended", outcome = "terminate" },
        { type = "ended", outcome = "done" }, { type = "ready" }, { type = "launched" },
        { type = "launch_failed", outcome = "no_launch", code = 2 },
    } do
        it(fact.type .. " " .. (fact.outcome or ""), function()
            local sim = up { process("a", { ready = suptree.ready.manual() }), "b" }
            local old = sim:state("a").instance
            fail(sim, "a")
            sim:effects()
            sim:events()
            local before = sim:state("a")
            fact.path, fact.instance = "a", old
            sim:fact(fact)
            fact.instance = before.instance + 1000
            sim:fact(fact)
            assert.same({}, told(sim))
            assert.same({}, happened(sim))
            assert.same(before, sim:state("a"))
        end)
    end

    it("nor does a fact of a node that is not there", function()
        local sim = up { "a" }
        sim:fact { type = "ended", node = 77, instance = sim:state("a").instance, outcome = "exit", code = 1 }
        assert.equal(0, sim:state().count)
        assert.equal("running", sim:state("a").state)
    end)

    it("nor does launched or ready said twice", function()
        local sim = up { "a" }
        sim:events()
        local instance = sim:state("a").instance
        sim:fact { type = "launched", path = "a", instance = instance }
        sim:fact { type = "ready", path = "a", instance = instance }
        assert.same({}, happened(sim))
    end)
end)

describe("§8 'Time never runs backwards inside'", function()
    it("an earlier time is taken as standing still", function()
        local sim = up { "a", process("b", { restart_delay = 10 }) }
        sim:advance(100)
        fail(sim, "b")
        fail(sim, "a")
        sim.world.now_ns = sim.world.now_ns - 50 * 1000000000
        fail(sim, "a")
        sim.world.now_ns = sim.world.now_ns + 50 * 1000000000
        assert.equal(3, sim:state().count)
        assert.equal(110, sim:state("b").next_at)
    end)
end)

describe("§8 'after a jump forward (suspend) overdue deadlines fire once each'", function()
    it("a kill and then, after its own time, stuck", function()
        local sim = up { "a", "b" }
        sim:hang("a", "kill")
        sim:stop_node("a")
        sim:effects()
        sim:jump("1h")
        assert.same({ "kill a" }, told(sim))
        assert.equal("stopping", sim:state("a").state)
        sim:advance(10)
        assert.equal("stuck", sim:state("a").state)
    end)

    it("a resume", function()
        local sim = up { failure_threshold = 0, "a" }
        fail(sim, "a")
        sim:jump("1h")
        assert.same({ "launch a" }, told(sim))
        assert.same({ "resume ." }, happened(sim, "resume"))
    end)

    it("several delays, in the order of their times", function()
        local sim = up { process("a", { restart_delay = 9 }), process("b", { restart_delay = 5 }), "c" }
        fail(sim, "a")
        fail(sim, "b")
        sim:jump("1h")
        assert.same({ "launch b", "launch a" }, told(sim))
    end)

    it("the meter has decayed", function()
        local sim = up { "a" }
        fail(sim, "a", 4)
        sim:jump(30)
        assert.equal(2, sim:state().count)
    end)
end)

describe("§9.17 'Event sequence numbers have no gap; per generation: launched, [ready], [stopping], [killed], "
    .. "ended'", function()
    local function busy()
        local sim = world.sim(world.tree {
            failure_threshold = 2, "a", process("b", { after = { "a" }, ready = suptree.ready.delay(1) }),
            group("w", { strategy = "one_for_all", "x", "y" }), process("c", { restart = "temporary" }),
        })
        sim:start("boot")
        sim:advance(2)
        fail(sim, "a", 2)
        fail(sim, "w/x")
        sim:hang("w/y")
        fail(sim, "w/x")
        fail(sim, "b")
        sim:exit("c", { code = 3 })
        sim:advance(100)
        sim:add(".", process "d")
        sim:remove("a")
        sim:hang("d", "kill")
        sim:stop("end")
        sim:advance(100)
        return sim:events()
    end

    it("no gap, time does not run backwards", function()
        local time = 0
        for n, event in ipairs(busy()) do
            assert.equal(n, event.seq)
            assert.is_true(event.time >= time)
            time = event.time
        end
    end)

    it("each has the fields of the schema", function()
        for _, event in ipairs(busy()) do
            for _, name in ipairs { "seq", "time", "type", "path" } do
                assert.is_not_nil(event[name], name .. " of " .. tostring(event.type))
            end
        end
    end)

    it("a life is told in order", function()
        local rank = { launched = 1, ready = 2, stopping = 3, killed = 4, ended = 5 }
        local lives = {}
        for _, event in ipairs(busy()) do
            if rank[event.type] and event.kind ~= "supervisor" then
                local life = event.path .. "#" .. event.generation
                assert.is_true(rank[event.type] > (lives[life] or 0), life .. ": " .. event.type)
                assert.is_true(rank[event.type] > 1 or not lives[life])
                lives[life] = rank[event.type]
            end
        end
    end)

    it("started is the first, stopped the last", function()
        local events = busy()
        assert.equal("started", events[1].type)
        assert.equal("boot", events[1].context)
        assert.equal("stopped", events[#events].type)
        assert.equal("end", events[#events].context)
    end)

    it("a failure names its cause, a pause and an escalation the one that tripped it", function()
        local sim = up {
            failure_threshold = 0,
            group("w", { on_threshold = "escalate", failure_threshold = 0, "a" }),
        }
        fail(sim, "w/a")
        local seen = {}
        for _, event in ipairs(sim:events()) do
            if event.type == "failed" then assert.equal("failure", event.cause) end
            if event.type == "backoff" or event.type == "escalated" then
                seen[event.type] = event.by
                assert.equal("limit", event.cause)
            end
        end
        assert.same({ backoff = "w", escalated = "w/a" }, seen)
    end)

    it("stopping says when the kill comes, if it comes", function()
        local sim = up { process("a", { timeout = 3 }), process("b", { timeout = "infinity" }) }
        sim:advance(1)
        sim:restart_node("a")
        sim:restart_node("b")
        local stopping = world.events(sim, "stopping")
        assert.equal(4, stopping[1]["until"])
        assert.is_nil(stopping[2]["until"])
    end)

    it("a backoff says when it resumes", function()
        local sim = up { failure_threshold = 0, "a" }
        sim:advance(2)
        fail(sim, "a")
        assert.equal(17, world.events(sim, "backoff")[1]["until"])
    end)

    it("an end is said before what follows from it", function()
        local sim = up { "a" }
        fail(sim, "a")
        assert.same({ "ended a", "failed a", "launched a" }, happened(sim, "ended", "failed", "launched"))
    end)

    it("planned and unplanned are told apart", function()
        local sim = up { "a" }
        fail(sim, "a")
        sim:restart_node("a")
        local ended = world.events(sim, "ended")
        assert.is_false(ended[1].planned)
        assert.is_true(ended[2].planned)
    end)

    it("an end says how, in words", function()
        local sim = up { "a" }
        sim:exit("a", { code = 3 })
        sim:exit("a", { signal = "KILL" })
        sim:exit("a", { error = "boom" })
        local ended = world.events(sim, "ended")
        assert.matches("3", ended[1].reason)
        assert.equal(3, ended[1].code)
        assert.matches("KILL", ended[2].reason)
        assert.matches("boom", ended[3].reason)
    end)

    it("and so does the failure that it is", function()
        local sim = up { "a" }
        sim:exit("a", { error = "boom" })
        assert.matches("boom", world.events(sim, "failed")[1].reason)
    end)

    it("a failed launch says the step and the error", function()
        local sim = world.sim(world.tree { "a" })
        sim:fail_launch("a", "ENOENT")
        sim:start()
        assert.matches("exec: No such file", world.events(sim, "launch_failed")[1].reason)
    end)
end)

describe("§8 'a snapshot and the inputs since then give the same tree again: that is how a host comes back "
    .. "after its death'", function()
    it("a pause, its queue and its deadline survive; a thread that died with the host joins the queue", function()
        local sim = up { failure_threshold = 1, backoff_jitter = true, thread("t"), "a", "b" }
        fail(sim, "a", 2)
        fail(sim, "b")
        local resumes = sim:state().next_at
        sim:advance(5)
        sim:host_died()
        assert.equal(resumes, sim:state().next_at)
        sim:effects()
        sim:advance(60)
        assert.same({ "launch a", "launch b", "launch t" }, told(sim))
    end)

    it("a delay, a kill to come and a person's stop survive", function()
        local sim = up { process("a", { restart_delay = 30 }), "b", "c" }
        fail(sim, "a")
        sim:hang("b")
        sim:stop_node("b")
        sim:stop_node("c")
        sim:effects()
        sim:advance(5)
        sim:host_died()
        sim:advance(60)
        assert.same({ "10 kill b", "30 launch a" }, told_when(sim))
        assert.equal("running stopped stopped", states(sim, "a", "b", "c"))
    end)

    it("in the middle of a round", function()
        local sim = up { strategy = "one_for_all", "a", "b", "c" }
        sim:hang("c")
        fail(sim, "a")
        sim:host_died()
        sim:effects()
        sim:exit("c")
        assert.same({ "interrupt b", "launch a", "launch b", "launch c" }, told(sim))
    end)

    it("in the middle of a stop", function()
        local sim = up { "a", thread "t" }
        sim:hang("a")
        sim:hang("t")
        sim:stop("late")
        sim:host_died()
        assert.equal("stopped", sim:state("t").state)
        sim:advance(60)
        assert.equal(0, sim:ended())
    end)

    it("restored bytes are the same bytes", function()
        local sim = up { failure_threshold = 1, "a", group("w", { "x" }), process("c", { restart_delay = 3 }) }
        fail(sim, "a", 2)
        fail(sim, "c")
        local bytes = sim:save()
        assert.is_true(sim:restore(bytes))
        assert.equal(bytes, sim:save())
    end)

    it("torn or foreign bytes are refused", function()
        local sim = up { "a" }
        local bytes = sim:save()
        for _, broken in ipairs { "", "x", bytes:sub(1, #bytes // 2), bytes:sub(1, -2), ("z"):rep(#bytes) } do
            local ok, err = sim:restore(broken)
            assert.is_nil(ok)
            assert.is_true(#tostring(err) > 0)
        end
        assert.equal("running", sim:state("a").state)
    end)
end)

describe("§9.19 'The same seed and inputs give the same effects'", function()
    local function run(seed)
        local sim = world.sim(world.tree {
            failure_threshold = 2, backoff_jitter = true, "a",
            process("b", { restart_delay = { initial = 1, max = 9, factor = 2, jitter = 1 } }), "c",
        }, { seed = seed })
        sim:start()
        for _ = 1, 10 do
            for _, path in ipairs { "a", "b", "c" } do sim:exit(path, { code = 1 }) end
            sim:advance(7)
        end
        return told_when(sim)
    end

    it("equal seeds", function()
        assert.same(run(3), run(3))
    end)

    it("other seeds, other jitter", function()
        assert.not_same(run(3), run(4))
    end)
end)

describe("§9.20 'Launches in any window are bounded by policy: no livelock'", function()
    it("a service that never starts: six tries, then one round of tries per pause", function()
        local sim = world.sim(world.tree { "a" })
        sim:fail_launch("a", "ENOENT", math.huge)
        sim:start()
        sim:advance("10m")
        assert.is_true(#sim:effects() <= 6 * (600 / 15 + 1))
    end)

    it("§9.7 an idle tree has no deadline", function()
        local sim = up { "a", process("b", { after = { "a" } }), group("w", { "x" }) }
        assert.is_nil(sim.world.tree:deadline())
        assert.is_nil(sim:state("a").next_at)
    end)

    it("a failed one leaves no deadline behind once it runs again", function()
        local sim = up { "a" }
        fail(sim, "a", 3)
        assert.is_true(sim:run_until_idle())
        assert.is_nil(sim.world.tree:deadline())
    end)
end)

describe("§9.18 'Once faults stop, every satisfiable wanted node is up in bounded time; after stop nothing "
    .. "lives'", function()
    it("holds after a storm", function()
        local sim = up {
            failure_threshold = 2, "a", process("b", { after = { "a" }, restart_delay = 2 }),
            group("w", { strategy = "one_for_all", on_threshold = "escalate", failure_threshold = 2, "x", "y" }),
        }
        math.randomseed(5)
        local paths = { "a", "b", "w/x", "w/y" }
        for _ = 1, 300 do
            local path = paths[math.random(#paths)]
            if math.random(4) == 1 then sim:fail_launch(path, "ENOENT", math.random(2)) end
            sim:exit(path, { code = math.random(0, 1) })
            sim:advance(math.random(0, 40) / 10)
        end
        assert.is_true(sim:run_until_idle("1h"))
        assert.equal("running running running running running", states(sim, ".", table.unpack(paths)))
        sim:stop()
        sim:advance(100)
        assert.equal(0, sim:ended())
        assert.is_nil(sim:report())
    end)
end)
