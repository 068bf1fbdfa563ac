-- SEMANTICS §1: the failure meter: what is counted, and the numbers.
local world = require "spec.support.world"
local up, fail, tree, process, group = world.up, world.fail, world.tree, world.process, world.group

local function near(expected, actual)
    assert.is_true(math.abs(expected - actual) < 1e-9, ("expected %.12g, got %.12g"):format(expected, actual))
end

-- Fails `path` every `period` seconds; returns at which failure the supervisor paused, or nil within `most`.
local function pauses_at(sim, path, period, most)
    for n = 1, most do
        fail(sim, path)
        if sim:state().state == "paused" then return n end
        sim:advance(period)
    end
end

describe("§1 'count = count * 0.5^((now - last) / failure_decay) + 1'", function()
    it("the first failure gives 1", function()
        local sim = up { "a" }
        sim:advance(100)
        fail(sim, "a")
        assert.equal(1, sim:state().count)
    end)

    it("nothing has failed: 0", function()
        assert.equal(0, up({ "a" }):state().count)
    end)

    it("a half-life later the second gives 1.5", function()
        local sim = up { "a" }
        fail(sim, "a")
        sim:advance(30)
        fail(sim, "a")
        assert.equal(1.5, sim:state().count)
    end)

    it("failure_decay is the half-life", function()
        local sim = up { failure_decay = "10s", "a" }
        fail(sim, "a")
        sim:advance(20)
        fail(sim, "a")
        assert.equal(1.25, sim:state().count)
    end)

    it("fractions of the half-life count", function()
        local sim = up { "a" }
        fail(sim, "a")
        sim:advance("7s")
        fail(sim, "a")
        near(0.5 ^ (7 / 30) + 1, sim:state().count)
    end)
end)

describe("§1 'If now <= last, add exactly 1'", function()
    it("two failures of one instant give 2", function()
        local sim = up { "a", "b" }
        fail(sim, "a")
        fail(sim, "b")
        assert.equal(2, sim:state().count)
    end)
end)

describe("§1 'One meter per supervisor, shared by its children'", function()
    it("six children that fail once each pause it", function()
        local sim = up { "a", "b", "c", "d", "e", "f" }
        for name in ("abcde"):gmatch "." do fail(sim, name) end
        assert.equal("running", sim:state().state)
        fail(sim, "f")
        assert.equal("paused", sim:state().state)
    end)

    it("a nested supervisor has its own", function()
        local sim = up { group("w", { "a" }), "b" }
        fail(sim, "w/a", 3)
        fail(sim, "b")
        assert.equal(3, sim:state("w").count)
        assert.equal(1, sim:state(".").count)
    end)

    it("a service has none", function()
        assert.is_nil(up({ "a" }):state("a").count)
    end)
end)

describe("§1 'if count > failure_threshold (strictly) the supervisor pauses'", function()
    it("five simultaneous failures restart, the sixth pauses", function()
        local sim = up { "a" }
        fail(sim, "a", 5)
        assert.equal("running", sim:state().state)
        assert.equal(5, sim:state().count)
        assert.equal("running", sim:state("a").state)
        assert.equal(6, sim:state("a").generation)
        fail(sim, "a")
        assert.equal("paused", sim:state().state)
        assert.equal("queued", sim:state("a").state)
        assert.equal(6, sim:state("a").generation)
    end)

    it("one failure every 5 s pauses at the 7th", function()
        assert.equal(7, pauses_at(up { "a" }, "a", 5, 50))
    end)

    it("every 9 s at the 14th", function()
        assert.equal(14, pauses_at(up { "a" }, "a", 9, 50))
    end)

    it("every 9.66 s never", function()
        assert.is_nil(pauses_at(up { "a" }, "a", 9.66, 2000))
    end)

    it("slower never", function()
        assert.is_nil(pauses_at(up { "a" }, "a", 10, 500))
    end)

    it("every 9.65 s, a little faster, it does in the end", function()
        assert.is_number(pauses_at(up { "a" }, "a", 9.65, 500))
    end)

    it("threshold 3.5: the 4th simultaneous failure pauses", function()
        assert.equal(4, pauses_at(up { failure_threshold = 3.5, "a" }, "a", 0, 9))
    end)

    it("threshold 1: the second", function()
        assert.equal(2, pauses_at(up { failure_threshold = 1, "a" }, "a", 0, 9))
    end)

    it("threshold 0: the first", function()
        assert.equal(1, pauses_at(up { failure_threshold = 0, "a" }, "a", 0, 9))
    end)

    it("a count of exactly the threshold does not", function()
        local sim = up { failure_threshold = 1.5, "a" }
        fail(sim, "a")
        sim:advance(30)
        fail(sim, "a")
        assert.equal(1.5, sim:state().count)
        assert.equal("running", sim:state().state)
    end)

    it("the threshold is shown with the count", function()
        assert.equal(3.5, up({ failure_threshold = 3.5, "a" }):state().threshold)
    end)
end)

describe("§1 'Defaults: failure_decay 30 s, failure_threshold 5, failure_backoff 15 s, timeout 10 s'", function()
    it("pauses for 15 s after the sixth", function()
        local sim = up { "a" }
        fail(sim, "a", 6)
        assert.equal(15, sim:state().resumes_in)
        assert.equal(5, sim:state().threshold)
    end)

    it("kills 10 s after the polite stop", function()
        local sim = up { "a" }
        sim:hang("a")
        sim:stop()
        sim:advance(60)
        assert.same({ "0 interrupt a", "10 kill a" }, world.told_when(sim))
    end)
end)

describe("§1 'Counted: an unplanned end that its restart type treats as a failure'", function()
    it("an exit status, a signal, an error, a clean end of a permanent one", function()
        local sim = up { "a" }
        sim:exit("a", { code = 3 })
        sim:exit("a", { signal = "SEGV" })
        sim:exit("a", { error = "boom" })
        sim:exit("a", { code = 0 })
        assert.equal(4, sim:state().count)
    end)

    it("the clean end of a transient one is none", function()
        local sim = up { process("a", { restart = "transient" }) }
        sim:exit("a", { code = 0 })
        assert.equal(0, sim:state().count)
    end)
end)

describe("§1 'Counted: … and a failed start attempt'", function()
    it("counts each", function()
        local sim = world.sim(tree { "a" })
        sim:fail_launch("a", "ENOENT", 2)
        sim:start()
        assert.equal(2, sim:state().count)
        assert.equal("running", sim:state("a").state)
        assert.equal(3, sim:state("a").generation)
    end)

    it("pauses at the sixth", function()
        local sim = world.sim(tree { "a" })
        sim:fail_launch("a", "EACCES", 100)
        sim:start()
        assert.equal("paused", sim:state().state)
        assert.equal(6, #sim:effects())
    end)
end)

describe("§1 'One group restart is one unit'", function()
    for _, strategy in ipairs { "one_for_all", "rest_for_one" } do
        it(strategy .. ": four restart, one is counted", function()
            local sim = up { strategy = strategy, "a", "b", "c", "d" }
            fail(sim, "a")
            assert.equal("2 2 2 2", world.generations(sim, "a", "b", "c", "d"))
            assert.equal(1, sim:state().count)
        end)
    end
end)

describe("§1 'Not counted:", function()
    it("planned ends: a person's stop and restart", function()
        local sim = up { "a" }
        sim:restart_node("a")
        sim:stop_node("a")
        assert.equal(0, sim:state().count)
    end)

    it("planned ends: whatever the status, once our stop is under way", function()
        local sim = up { "a" }
        sim:hang("a")
        sim:stop_node("a")
        fail(sim, "a")
        assert.equal(0, sim:state().count)
    end)

    it("DONE", function()
        local sim = up { world.thread("a"), "b" }
        sim:exit("a", { done = true })
        assert.equal(0, sim:state().count)
    end)

    it("TERMINATE_TREE", function()
        local sim = up { group("w", { propagate_termination = false, world.thread("a") }), "b" }
        sim:exit("w/a", { terminate_tree = true })
        assert.equal(0, sim:state().count)
        assert.same({}, world.happened(sim, "failed"))
    end)

    it("ends of removed nodes", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        sim:remove("a")
        fail(sim, "a")
        assert.equal(0, sim:state().count)
    end)

    it("stale facts", function()
        local sim = up { "a" }
        local first = sim:state("a").instance
        fail(sim, "a")
        sim:fact { type = "ended", path = "a", instance = first, outcome = "exit", code = 1 }
        assert.equal(1, sim:state().count)
        assert.equal(2, sim:state("a").generation)
    end)

    it("reloads", function()
        local sim = up { "a" }
        sim:reload(tree { process("a", { command = { "./other" } }) })
        assert.equal(2, sim:state("a").generation)
        assert.equal(0, sim:state().count)
    end)

    it("ends of temporary nodes", function()
        local sim = up { process("a", { restart = "temporary" }), "b" }
        fail(sim, "a")
        assert.equal(0, sim:state().count)
    end)
end)

describe("§1 '… lack of resources to spawn (EAGAIN, EMFILE, ENOMEM: retried every second, reported once)'", function()
    for _, name in ipairs { "EAGAIN", "EMFILE", "ENOMEM" } do
        it(name .. " is not counted and tried every second", function()
            local sim = world.sim(tree { "a" })
            sim:fail_launch("a", name, 3)
            sim:start()
            sim:advance("1m")
            assert.same({ "0 launch a", "1 launch a", "2 launch a", "3 launch a" }, world.told_when(sim))
            assert.equal(0, sim:state().count)
            assert.equal("running", sim:state("a").state)
        end)
    end

    it("is reported once", function()
        local sim = world.sim(tree { "a" })
        sim:fail_launch("a", "EAGAIN", 20)
        sim:start()
        sim:advance(10)
        assert.same({ "launch_failed a" }, world.happened(sim, "launch_failed", "failed", "backoff"))
    end)

    it("is reported again when it comes again later", function()
        local sim = up { "a" }
        sim:fail_launch("a", "EAGAIN", 2)
        fail(sim, "a")
        sim:advance(10)
        assert.equal("running", sim:state("a").state)
        sim:fail_launch("a", "EAGAIN", 2)
        fail(sim, "a")
        sim:advance(10)
        assert.same({ "launch_failed a", "launch_failed a" }, world.happened(sim, "launch_failed"))
    end)

    it("says when the next try is", function()
        local sim = world.sim(tree { "a" })
        sim:fail_launch("a", "EMFILE", 5)
        sim:start()
        assert.equal(1, sim:state("a").next_at)
        assert.equal("resources", sim:state("a").cause)
        assert.equal(1, world.events(sim, "launch_failed")[1]["until"])
    end)

    it("a person's stop ends the tries", function()
        local sim = world.sim(tree { "a" })
        sim:fail_launch("a", "EAGAIN", 5)
        sim:start()
        sim:stop_node("a")
        sim:effects()
        sim:advance(10)
        assert.same({}, sim:effects())
    end)
end)

describe("§1 'The count shown to a person is the count decayed to now; asking never changes it'", function()
    it("halves in a half-life", function()
        local sim = up { "a" }
        fail(sim, "a", 4)
        sim:advance(30)
        assert.equal(2, sim:state().count)
        sim:advance(30)
        assert.equal(1, sim:state().count)
    end)

    it("asking often or never is the same", function()
        local asked, quiet = up { "a" }, up { "a" }
        for _, sim in ipairs { asked, quiet } do
            for n = 1, 20 do
                fail(sim, "a")
                for _ = 1, 7 do
                    sim:advance(1.3)
                    if sim == asked then sim:state() end
                end
                if n % 5 == 0 then sim:advance(60) end
            end
        end
        assert.equal(quiet:state().count, asked:state().count)
    end)

    it("does not decay while it is asked at one instant", function()
        local sim = up { "a" }
        fail(sim, "a")
        sim:advance(11)
        assert.equal(sim:state().count, sim:state().count)
    end)
end)

describe("§1 'failure_decay must be finite and > 0'", function()
    for _, value in ipairs { 0, -1, "infinity", 1 / 0, 0 / 0 } do
        it("refuses " .. tostring(value), function()
            local message = world.refusal(function() return tree { failure_decay = value, "a" } end)
            assert.matches("failure_decay", message)
        end)
    end

    it("takes a nanosecond", function()
        local sim = up { failure_decay = 1e-9, "a" }
        fail(sim, "a")
        sim:advance(1)
        fail(sim, "a")
        assert.equal(1, sim:state().count)
    end)
end)

describe("§9.4 the meter equals a naive fold over timestamps", function()
    -- The oracle: what §1 says, word for word.
    local function fold(times, threshold, decay, backoff)
        local count, last, resumes, pauses, left_out = 0, nil, nil, {}, {}
        for index, now in ipairs(times) do
            if resumes and now >= resumes then count, resumes = 0, nil end
            if resumes then
                left_out[index] = true
            else
                count = (last and now > last) and count * 0.5 ^ ((now - last) / decay) + 1 or count + 1
                last = now
                if count > threshold then
                    pauses[#pauses + 1] = index
                    resumes = now + backoff
                end
            end
        end
        return last and count * 0.5 ^ ((times[#times] - last) / decay) or 0, pauses, left_out
    end

    for seed = 1, 40 do
        it(("holds for random times, seed %d"):format(seed), function()
            math.randomseed(seed)
            local threshold = math.random(0, 60) / 10
            local decay, backoff = math.random(1, 60), math.random(1, 40)
            local times, now = {}, 0
            for n = 1, 60 do
                if math.random(3) > 1 then now = now + math.random(0, 200) / 16 end
                times[n] = now
            end
            local expected_count, expected_pauses, left_out = fold(times, threshold, decay, backoff)
            local sim = up {
                failure_threshold = threshold, failure_decay = decay, failure_backoff = backoff, "a", "b",
            }
            local pauses = {}
            for index, at in ipairs(times) do
                sim:advance(at - sim:now())
                if not left_out[index] then
                    fail(sim, "a")
                    if sim:state().state == "paused" then pauses[#pauses + 1] = index end
                end
            end
            assert.same(expected_pauses, pauses)
            near(expected_count, sim:state().count)
        end)
    end
end)
