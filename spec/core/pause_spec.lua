-- SEMANTICS §1: the pause, its queue and its end; what else can happen when the meter trips.
local world = require "spec.support.world"
local up, fail, tree, process, group = world.up, world.fail, world.tree, world.process, world.group
local states, told, told_when, happened = world.states, world.told, world.told_when, world.happened

-- A tree of a, b, c and what `more` says, paused by six failures of a; a is queued.
local function paused(more, sim_options)
    local options = { "a", "b", "c" }
    for key, value in pairs(more or {}) do
        if math.type(key) == "integer" then options[key + 3] = value else options[key] = value end
    end
    local sim = up(options, sim_options)
    fail(sim, "a", 6)
    assert.equal("paused", sim:state().state)
    sim:effects()
    sim:events()
    return sim
end

describe("§1 'Paused: only automatic restarts wait. Running children run on'", function()
    it("nobody is told to stop", function()
        local sim = paused()
        sim:advance(10)
        assert.same({}, told(sim))
        assert.equal("queued running running", states(sim, "a", "b", "c"))
    end)

    it("another supervisor of the tree is not paused", function()
        local sim = up { group("w", { "a" }), "b" }
        fail(sim, "w/a", 6)
        fail(sim, "b")
        assert.equal("paused running running", states(sim, "w", ".", "b"))
    end)
end)

describe("§1 '`add` and an explicit `start` launch at once'", function()
    it("add", function()
        local sim = paused()
        assert.is_truthy(sim:add(".", process "d"))
        assert.same({ "launch d" }, told(sim))
        assert.equal("paused", sim:state().state)
    end)

    it("start of the queued one, which then has left the queue", function()
        local sim = paused()
        assert.is_true(sim:start_node("a"))
        assert.same({ "launch a" }, told(sim))
        sim:advance(60)
        assert.same({}, told(sim))
    end)

    it("start of one that a person had stopped", function()
        local sim = paused()
        sim:stop_node("b")
        sim:effects()
        sim:start_node("b")
        assert.same({ "launch b" }, told(sim))
    end)

    it("a restart that a person asks for", function()
        local sim = paused()
        sim:restart_node("b")
        assert.same({ "interrupt b", "launch b" }, told(sim))
    end)
end)

describe("§1 'a child that fails joins the queue (first in, first out, once)'", function()
    it("the queue keeps the order of the failures", function()
        local sim = paused()
        fail(sim, "c")
        fail(sim, "b")
        assert.equal("queued queued queued", states(sim, "a", "b", "c"))
        sim:advance(15)
        assert.same({ "launch a", "launch c", "launch b" }, told(sim))
    end)

    it("one that was started by hand and fails again joins at the end", function()
        local sim = paused()
        fail(sim, "b")
        sim:start_node("a")
        fail(sim, "a")
        sim:effects()
        sim:advance(15)
        assert.same({ "launch b", "launch a" }, told(sim))
    end)

    it("stopped and started by hand it has left the queue", function()
        local sim = paused()
        fail(sim, "b")
        sim:stop_node("a")
        sim:start_node("a")
        fail(sim, "a")
        sim:effects()
        sim:advance(15)
        assert.same({ "launch b", "launch a" }, told(sim))
    end)

    it("a permanent one that ends well joins too", function()
        local sim = paused()
        sim:exit("b", { code = 0 })
        assert.equal("queued", sim:state("b").state)
    end)

    it("a failed start of an added one joins", function()
        local sim = paused()
        sim:fail_launch("d", "ENOENT")
        sim:add(".", process "d")
        assert.equal("queued", sim:state("d").state)
        sim:advance(15)
        assert.same({ "launch d", "launch a", "launch d" }, told(sim))
    end)

    it("a transient one that ends well does not", function()
        local sim = paused { process("t", { restart = "transient" }) }
        sim:exit("t", { code = 0 })
        assert.equal("done", sim:state("t").state)
    end)
end)

describe("§1 'The pause is not extended and not announced again by later failures'", function()
    it("ends when it was going to end", function()
        local sim = paused()
        sim:advance(10)
        fail(sim, "b")
        assert.equal(5, sim:state().resumes_in)
        assert.same({ "failed b" }, happened(sim, "backoff", "failed"))
        sim:advance(5)
        assert.same({ "15 launch a", "15 launch b" }, told_when(sim))
    end)

    it("extend_backoff = true gives suture's behaviour", function()
        local sim = paused { extend_backoff = true }
        sim:advance(10)
        fail(sim, "b")
        assert.equal(15, sim:state().resumes_in)
        sim:advance(14.9)
        assert.same({}, told(sim))
        sim:advance(0.1)
        assert.same({ "25 launch a", "25 launch b" }, told_when(sim))
    end)
end)

describe("§1 'It lasts failure_backoff'", function()
    it("15 s by default, exactly", function()
        local sim = paused()
        sim:advance(14.999999999)
        assert.equal("paused", sim:state().state)
        sim:advance(0.000000001)
        assert.equal("running", sim:state().state)
        assert.same({ "resume ." }, happened(sim, "resume"))
    end)

    it("as long as it says", function()
        local sim = paused { failure_backoff = "1m30s" }
        assert.equal(90, sim:state().resumes_in)
        assert.equal(90, sim:state().next_at)
    end)
end)

describe("§1 'plus jitter uniform in [0, 50 %) when backoff_jitter = true'", function()
    local function pause_of(seed)
        return paused({ backoff_jitter = true }, { seed = seed }):state().resumes_in
    end

    it("lies in [15, 22.5) and spreads over it", function()
        local low, high, sum = math.huge, 0, 0
        for seed = 1, 200 do
            local length = pause_of(seed)
            assert.is_true(length >= 15 and length < 22.5, tostring(length))
            low, high, sum = math.min(low, length), math.max(high, length), sum + length
        end
        assert.is_true(low < 15.5 and high > 22, ("%g to %g"):format(low, high))
        assert.is_true(math.abs(sum / 200 - 18.75) < 0.7, tostring(sum / 200))
    end)

    it("is the same for the same seed", function()
        assert.equal(pause_of(7), pause_of(7))
        assert.not_equal(pause_of(7), pause_of(8))
    end)

    it("default false: waits exactly", function()
        for seed = 1, 20 do assert.equal(15, paused({}, { seed = seed }):state().resumes_in) end
    end)
end)

describe("§1 'On resume: count := 0, event `resume`, then the queued children … launch in order'", function()
    it("count 0", function()
        local sim = paused()
        sim:advance(15)
        assert.equal(0, sim:state().count)
    end)

    it("resume comes before the launches", function()
        local sim = paused()
        fail(sim, "b")
        sim:events()
        sim:advance(15)
        assert.same({ "resume .", "launched a", "launched b" }, happened(sim, "resume", "launched"))
    end)

    it("five more may fail at once then", function()
        local sim = paused()
        sim:advance(15)
        fail(sim, "a", 5)
        assert.equal("running", sim:state().state)
        fail(sim, "a")
        assert.equal("paused", sim:state().state)
    end)

    it("'that still exist': a removed one does not launch", function()
        local sim = paused()
        fail(sim, "b")
        sim:remove("a")
        sim:advance(15)
        assert.same({ "launch b" }, told(sim))
    end)

    it("'and are still wanted': one that a person stopped does not launch", function()
        local sim = paused()
        fail(sim, "b")
        sim:stop_node("a")
        assert.equal("stopped", sim:state("a").state)
        sim:advance(15)
        assert.same({ "launch b" }, told(sim))
    end)

    it("a queue that has become empty resumes too", function()
        local sim = paused()
        sim:remove("a")
        sim:advance(15)
        assert.same({ "resume ." }, happened(sim, "resume"))
        assert.equal("running", sim:state().state)
    end)

    it("one of the queue whose dependency is not ready waits for it", function()
        local sim = paused { process("d", { after = { "b" } }) }
        fail(sim, "d")
        sim:stop_node("b")
        sim:effects()
        sim:advance(15)
        assert.same({ "launch a" }, told(sim))
        assert.equal("waiting", sim:state("d").state)
    end)
end)

describe("§1 'spaced by restart_spacing (default 0)'", function()
    it("2 s apart, the first at once", function()
        local sim = paused { restart_spacing = "2s" }
        fail(sim, "b")
        fail(sim, "c")
        sim:advance(60)
        assert.same({ "15 launch a", "17 launch b", "19 launch c" }, told_when(sim))
    end)

    it("'meanwhile the supervisor is running, and a new failure restarts at once by the meter'", function()
        local sim = paused { restart_spacing = "2s", "d" }
        fail(sim, "b")
        fail(sim, "c")
        sim:advance(16)
        assert.equal("running queued queued", states(sim, ".", "b", "c"))
        fail(sim, "d")
        sim:advance(60)
        assert.same({ "15 launch a", "16 launch d", "17 launch b", "19 launch c" }, told_when(sim))
    end)

    it("a new pause between two of them holds the rest until its own end", function()
        local sim = paused { restart_spacing = "10s" }
        fail(sim, "b")
        sim:advance(16)
        fail(sim, "c", 6)
        sim:effects()
        sim:advance(14.5)
        assert.same({}, told(sim))
        sim:advance(60)
        assert.same({ "31 launch b", "41 launch c" }, told_when(sim))
    end)
end)

describe("§1 'Stop discards the pause and the queue at once'", function()
    it("nothing launches and nothing resumes", function()
        local sim = paused()
        sim:stop("enough")
        sim:advance(60)
        assert.same({ "interrupt b", "interrupt c" }, world.told_sorted(sim))
        assert.same({}, happened(sim, "resume", "launched"))
        assert.equal("stopped", sim:state().state)
        assert.is_nil(sim:state().resumes_in)
    end)

    it("of a supervisor alone, by a person", function()
        local sim = up { group("w", { "a" }) }
        fail(sim, "w/a", 6)
        sim:stop_node("w")
        sim:effects()
        sim:advance(60)
        assert.same({}, told(sim))
        assert.equal("stopped stopped", states(sim, "w", "w/a"))
    end)

    it("of what is below as well, though it is not its turn yet", function()
        local sim = up { stop_order = "reverse", group("v", { group("w", { "a", "b" }) }), "z" }
        fail(sim, "v/w/a", 6)
        sim:hang("z", "kill")
        sim:stop()
        assert.equal("running stopped running", states(sim, "v/w", "v/w/a", "v/w/b"))
        sim:advance(60)
        assert.same({}, happened(sim, "resume"))
    end)
end)

describe("§1 'Event order: the trip emits `backoff` first, then the `failed` event with restarting = "
    .. "false'", function()
    it("holds", function()
        local sim = up { failure_threshold = 1, "a" }
        fail(sim, "a")
        sim:events()
        fail(sim, "a")
        local events = sim:events()
        assert.equal("ended", events[1].type)
        assert.equal("backoff", events[2].type)
        assert.equal(".", events[2].path)
        assert.equal("failed", events[3].type)
        assert.equal("a", events[3].path)
        assert.is_false(events[3].restarting)
        assert.equal(2, events[3].count)
        assert.equal(1, events[3].threshold)
        assert.is_string(events[3].reason)
    end)

    it("'failed' says until when it waits, and both since when they do", function()
        local sim = up { failure_threshold = 0, "a" }
        sim:advance(3)
        sim:events()
        fail(sim, "a")
        assert.equal(18, world.events(sim, "failed")[1]["until"])
        assert.equal(3, sim:state().since)
        assert.equal(3, sim:state("a").since)
        sim:advance(15)
        assert.equal("running", sim:state().state)
        assert.equal(18, sim:state().since)
    end)

    it("one that restarts says so", function()
        local sim = up { "a" }
        fail(sim, "a")
        local failed = world.events(sim, "failed")[1]
        assert.is_true(failed.restarting)
        assert.equal(1, failed.count)
        assert.equal(5, failed.threshold)
    end)

    it("§9.5 one backoff per pause", function()
        local sim = paused()
        fail(sim, "b")
        fail(sim, "c")
        sim:advance(15)
        fail(sim, "a", 6)
        assert.same({ "resume .", "backoff ." }, happened(sim, "backoff", "resume"))
    end)
end)

describe("§1 on_threshold = \"escalate\": 'the supervisor stops its children and ends; its parent counts one "
    .. "failure'", function()
    local function escalating(options, parent)
        options.on_threshold = "escalate"
        options[1], options[2] = "a", "b"
        parent = parent or {}
        parent[1], parent[2] = group("w", options), "c"
        return up(parent)
    end

    it("stops, and comes back by the parent's rules", function()
        local sim = escalating {}
        fail(sim, "w/a", 5)
        sim:effects()
        sim:events()
        fail(sim, "w/a")
        assert.same({ "interrupt w/b", "launch w/a", "launch w/b" }, told(sim))
        assert.equal(1, sim:state().count)
        assert.equal("running running running", states(sim, "w", "w/a", "w/b"))
        assert.equal(1, sim:state("c").generation)
    end)

    it("§9.15 'the next incarnation's meter is empty'", function()
        local sim = escalating {}
        fail(sim, "w/a", 6)
        assert.equal(0, sim:state("w").count)
        fail(sim, "w/a", 5)
        assert.equal(1, sim:state().count)
        fail(sim, "w/a")
        assert.equal(2, sim:state().count)
    end)

    it("says escalated, and that the supervisor failed", function()
        local sim = escalating {}
        fail(sim, "w/a", 6)
        local events = sim:events()
        local seen = {}
        for _, event in ipairs(events) do
            if event.type == "escalated" then
                assert.equal("w", event.path)
                assert.equal(6, event.count)
                assert.equal(5, event.threshold)
                seen.escalated = true
            elseif event.type == "failed" and event.path == "w" then
                assert.is_true(seen.escalated)
                assert.equal(1, event.count)
                seen.failed = true
            end
        end
        assert.same({ escalated = true, failed = true }, seen)
    end)

    it("'reason `limit`': the failed event names it", function()
        local sim = escalating {}
        fail(sim, "w/a", 6)
        for _, event in ipairs(world.events(sim, "failed")) do
            if event.path == "w" then assert.matches("limit", event.reason) end
        end
    end)

    it("waits for its children to end before it comes back", function()
        local sim = escalating {}
        sim:hang("w/b")
        fail(sim, "w/a", 6)
        assert.equal("stopping stopping", states(sim, "w", "w/b"))
        sim:effects()
        sim:advance(9.9)
        assert.same({}, told(sim))
        sim:advance(0.1)
        assert.same({ "kill w/b", "launch w/a", "launch w/b" }, told(sim))
    end)

    for _, restart in ipairs { "permanent", "transient" } do
        it("'which is a failure for every restart type': " .. restart, function()
            local sim = escalating { restart = restart }
            fail(sim, "w/a", 6)
            assert.equal("running", sim:state("w").state)
            assert.equal(1, sim:state().count)
        end)
    end

    it("'except temporary': it leaves the tree", function()
        local sim = escalating { restart = "temporary" }
        fail(sim, "w/a", 6)
        assert.equal(0, sim:state().count)
        assert.is_nil(sim:state("w"))
        assert.is_nil(sim:state("w/a"))
        assert.equal("running", sim:state("c").state)
    end)

    it("the parent may pause of it", function()
        local sim = escalating({ failure_threshold = 0 }, { failure_threshold = 0 })
        sim:effects()
        fail(sim, "w/a")
        assert.equal("paused queued", states(sim, ".", "w"))
        assert.same({ "interrupt w/b" }, told(sim))
        sim:advance(15)
        assert.same({ "launch w/a", "launch w/b" }, told(sim))
    end)

    it("climbs level by level", function()
        local sim = up {
            on_threshold = "escalate", failure_threshold = 0,
            group("x", {
                on_threshold = "escalate", failure_threshold = 0,
                group("y", { on_threshold = "escalate", failure_threshold = 0, "a" }),
            }),
        }
        fail(sim, "x/y/a")
        assert.same({ "escalated x/y", "escalated x", "escalated ." }, happened(sim, "escalated"))
        assert.equal("failed", sim:state().state)
    end)
end)

describe("§1 'an escalated root stops the tree, exit code 1'", function()
    it("holds", function()
        local sim = up { on_threshold = "escalate", "a", "b" }
        fail(sim, "a", 6)
        assert.equal(1, sim:ended())
        assert.equal("failed", sim:state().state)
        assert.is_nil(sim:report())
    end)

    it("the stopped event says the code", function()
        local sim = up { on_threshold = "escalate", "a" }
        fail(sim, "a", 6)
        local stopped = world.events(sim, "stopped")
        assert.equal(1, #stopped)
        assert.equal(1, stopped[1].code)
    end)
end)

describe("§1 on_threshold = \"give_up\": 'the child that tripped it stays `failed` until a person acts'", function()
    local function given_up(more)
        local options = { on_threshold = "give_up", "a", "b" }
        for key, value in pairs(more or {}) do options[key] = value end
        local sim = up(options)
        fail(sim, "a", 6)
        return sim
    end

    it("the child fails, the others and the supervisor run on", function()
        local sim = given_up()
        assert.equal("running failed running", states(sim, ".", "a", "b"))
        sim:effects()
        sim:advance("1h")
        assert.same({}, told(sim))
        assert.same({}, happened(sim, "backoff", "resume"))
    end)

    it("says gave_up of the child, with the count and the threshold", function()
        local events = world.events(given_up(), "gave_up")
        assert.equal(1, #events)
        assert.equal("a", events[1].path)
        assert.equal(6, events[1].count)
        assert.equal(5, events[1].threshold)
    end)

    it("a person's start launches it", function()
        local sim = given_up()
        sim:effects()
        assert.is_true(sim:start_node("a"))
        assert.same({ "launch a" }, told(sim))
    end)

    it("'leaves the count as it is, decaying'", function()
        local sim = given_up()
        assert.equal(6, sim:state().count)
        sim:advance(30)
        assert.equal(3, sim:state().count)
    end)

    it("while the count is high, the next that fails gives up too", function()
        local sim = given_up()
        fail(sim, "b")
        assert.equal("failed failed", states(sim, "a", "b"))
    end)

    it("when it has decayed the next restarts", function()
        local sim = given_up()
        sim:advance(30)
        fail(sim, "b")
        assert.equal(4, sim:state().count)
        assert.equal("failed running", states(sim, "a", "b"))
    end)
end)

describe("§1 'max_pauses = N, within = T: the next pause escalates instead'", function()
    local function trip(sim)
        fail(sim, "a", 6)
    end

    it("two pauses, then escalation", function()
        local sim = up { max_pauses = 2, within = "10m", "a" }
        trip(sim)
        sim:advance(15)
        trip(sim)
        assert.equal("paused", sim:state().state)
        sim:advance(15)
        assert.is_nil(sim:ended())
        trip(sim)
        assert.same({ "backoff .", "backoff .", "escalated ." }, happened(sim, "backoff", "escalated"))
        assert.equal(1, sim:ended())
    end)

    it("pauses longer ago than `within` do not count", function()
        local sim = up { max_pauses = 1, within = "60s", "a" }
        trip(sim)
        sim:advance(61)
        trip(sim)
        assert.equal("paused", sim:state().state)
        sim:advance(20)
        trip(sim)
        assert.equal("failed", sim:state().state)
    end)
end)

describe("§1 'intensity = N, period = T replaces the meter by a sliding window, inclusive, on nanosecond "
    .. "time'", function()
    it("N restarts in the period are allowed, one more escalates", function()
        local sim = up { intensity = 3, period = 10, "a" }
        fail(sim, "a", 3)
        assert.is_nil(sim:ended())
        fail(sim, "a")
        assert.equal(1, sim:ended())
    end)

    it("inclusive: one of exactly the period ago still counts", function()
        local sim = up { intensity = 1, period = 10, "a" }
        fail(sim, "a")
        sim:advance(10)
        fail(sim, "a")
        assert.equal(1, sim:ended())
    end)

    it("a nanosecond later it does not", function()
        local sim = up { intensity = 1, period = 10, "a" }
        fail(sim, "a")
        sim:advance(10.000000001)
        fail(sim, "a")
        assert.is_nil(sim:ended())
    end)

    it("it slides", function()
        local sim = up { intensity = 2, period = 10, "a" }
        for _ = 1, 20 do
            fail(sim, "a")
            sim:advance(5.1)
        end
        assert.is_nil(sim:ended())
        fail(sim, "a", 2)
        assert.equal(1, sim:ended())
    end)

    it("intensity 0: the first failure", function()
        local sim = up { intensity = 0, period = 10, "a" }
        fail(sim, "a")
        assert.equal(1, sim:ended())
    end)

    it("the count is the number in the window, the threshold the intensity", function()
        local sim = up { intensity = 3, period = 10, "a" }
        fail(sim, "a", 2)
        assert.equal(2, sim:state().count)
        assert.equal(3, sim:state().threshold)
        sim:advance(11)
        assert.equal(0, sim:state().count)
    end)

    it("'default action then is `escalate`', another may be named", function()
        local sim = up { intensity = 1, period = 10, on_threshold = "pause", "a" }
        fail(sim, "a", 2)
        assert.equal("paused", sim:state().state)
        sim:advance(15)
        assert.equal(0, sim:state().count)
        assert.equal("running running", states(sim, ".", "a"))
    end)

    it("'naming both it and failure_threshold is an error'", function()
        local message = world.refusal(function()
            return tree { intensity = 1, period = 10, failure_threshold = 5, "a" }
        end)
        assert.matches("intensity", message)
        assert.matches("failure_threshold", message)
    end)
end)

describe("§1 '`timeout` and `kill_timeout` are inherited by nested supervisors and services; meter options "
    .. "are not'", function()
    it("timeout and kill_timeout reach the leaf", function()
        local sim = up { timeout = 3, kill_timeout = 4, group("w", { "a" }) }
        sim:hang("w/a", "kill")
        sim:stop()
        sim:advance(60)
        assert.same({ "0 interrupt w/a", "3 kill w/a" }, told_when(sim))
        assert.equal(7, world.events(sim, "stuck")[1].time)
    end)

    it("the nearest supervisor's wins", function()
        local sim = up { timeout = 3, group("w", { timeout = 5, "a" }) }
        sim:hang("w/a")
        sim:stop()
        sim:advance(60)
        assert.same({ "0 interrupt w/a", "5 kill w/a" }, told_when(sim))
    end)

    it("threshold, backoff, decay and action are the nested one's own", function()
        local sim = up {
            failure_threshold = 0, failure_backoff = 99, failure_decay = 1, backoff_jitter = true,
            on_threshold = "give_up",
            group("w", { "a" }),
        }
        fail(sim, "w/a", 5)
        assert.equal("running", sim:state("w").state)
        fail(sim, "w/a")
        assert.equal("paused", sim:state("w").state)
        assert.equal(15, sim:state("w").resumes_in)
    end)
end)

describe("§1 'A paused supervisor whose strategy is a group one holds the whole round until resume; the "
    .. "siblings run on'", function()
    for _, strategy in ipairs { "one_for_all", "rest_for_one" } do
        it(strategy, function()
            local sim = up { strategy = strategy, failure_threshold = 0, "a", "b", "c" }
            fail(sim, "a")
            assert.same({}, told(sim))
            assert.equal("paused queued running running", states(sim, ".", "a", "b", "c"))
            sim:advance(15)
            assert.same({ "interrupt c", "interrupt b", "launch a", "launch b", "launch c" }, told(sim))
        end)
    end

    it("a sibling that fails meanwhile is of the same round", function()
        local sim = up { strategy = "one_for_all", failure_threshold = 0, "a", "b", "c" }
        fail(sim, "a")
        fail(sim, "b")
        sim:advance(15)
        assert.same({ "interrupt c", "launch a", "launch b", "launch c" }, told(sim))
    end)

    it("a round that is stopping its members when the pause begins goes on with that; its launches wait", function()
        local sim = up { strategy = "rest_for_one", failure_threshold = 1, "first", "a", "b", "c" }
        sim:hang("c")
        fail(sim, "a")
        fail(sim, "first")
        assert.equal("paused", sim:state().state)
        sim:advance(10)
        assert.same({ "interrupt c", "kill c", "interrupt b" }, told(sim))
        assert.equal("queued queued queued queued", states(sim, "first", "a", "b", "c"))
        sim:advance(5)
        assert.same({ "launch first", "launch a", "launch b", "launch c" }, told(sim))
    end)

    it("one that has had its round while it was in its delay is let go alone", function()
        local sim = up {
            strategy = "one_for_all", failure_threshold = 2, process("a", { restart_delay = 5 }), "b", "c",
        }
        fail(sim, "a")
        fail(sim, "b")
        sim:add(".", process("d", { restart = "transient" }))
        fail(sim, "d")
        sim:advance(5)
        assert.equal("paused queued", states(sim, ".", "a"))
        sim:stop_node("d")
        sim:effects()
        sim:advance(10)
        assert.same({ "launch a" }, told(sim))
    end)
end)
