-- SEMANTICS §1 to §3, §6: the core in lock-step with small models of the supervisors that it comes from: a flat one of
-- suture, a flat one of OTP. Random histories; what services are told must be the same after every step.
local world = require "spec.support.world"
local models = require "spec.support.models"

-- Per domain. Fewer where a sanitizer makes them slow.
local HISTORIES = (os.getenv "SUPTREE_LUA" or "lua5.4"):find "/" and 30 or 150
local STEPS = 60

-- A seeded generator of its own: the same histories in every run.
local function generator(seed)
    local state = seed
    return function(n)
        state = (state * 1103515245 + 12345) % 2147483648
        return (state >> 8) % n + 1
    end
end

local function pick(random, list)
    return list[random(#list)]
end

local names = { "a", "b", "c", "d", "e", "f", "g", "h" }

-- The history so far is what a failure shows.
local function history()
    local lines = {}
    return function(format, ...) lines[#lines + 1] = format:format(...) end,
        function(what) return what .. "\n" .. table.concat(lines, "\n") end
end

local function assert_same(expected, actual, explain, what)
    assert.message(explain(what)).same(expected, actual)
end

local function close(expected, actual)
    return math.abs(expected - actual) < 1e-9 * (1 + math.abs(expected))
end

local function running(sim, name)
    local state = sim:state(name)
    return state ~= nil and state.state == "running"
end

local function pick_running(random, sim, children)
    local alive = {}
    for _, name in ipairs(children) do
        if running(sim, name) then alive[#alive + 1] = name end
    end
    if #alive > 0 then return pick(random, alive) end
end

-- --- suture ----------------------------------------------------------------------------------------------------------

local function suture_history(seed, extends)
    local random = generator(seed)
    local say, explain = history()
    local options = {
        failure_threshold = pick(random, { 0, 0.5, 1, 2.5, 3, 5 }),
        failure_decay = pick(random, { 1, 5, 30 }),
        failure_backoff = pick(random, { 1, 4, 15 }),
        extend_backoff = extends,
    }
    say("threshold %g, decay %g, backoff %g", options.failure_threshold, options.failure_decay,
        options.failure_backoff)
    local model = models.suture(options)
    local declared = {}
    for key, value in pairs(options) do declared[key] = value end
    local children = {}
    for i = 1, 1 + random(3) do
        children[i] = names[i]
        declared[i] = names[i]
        model:add(names[i])
    end
    local sim = world.sim(world.tree(declared))
    sim:start()
    model:serve()

    local steps = {
        fail = function(name)
            say("fail %s", name)
            sim:exit(name, pick(random, { { code = 1 }, { code = 0 }, { signal = "SEGV" } }))
            model:fail(name)
        end,
        done = function(name)
            say("done %s", name)
            sim:exit(name, { done = true })
            model:done(name)
        end,
        remove = function(name)
            say("remove %s", name)
            sim:remove(name)
            model:remove(name)
        end,
    }
    for _ = 1, STEPS do
        local choice, name = random(20), pick_running(random, sim, children)
        if choice <= 11 and name then
            steps.fail(name)
        elseif choice == 12 and name and random(3) == 1 then
            steps.done(name)
        elseif choice == 13 and random(3) == 1 then
            name = pick(random, children)
            if sim:state(name) then steps.remove(name) end
        elseif choice == 14 and #children < #names then
            name = names[#children + 1]
            children[#children + 1] = name
            say("add %s", name)
            sim:add(".", world.process(name))
            model:add(name)
        else
            local seconds = pick(random, { 0.25, 0.5, 1, 1, 3, 10 })
            say("advance %g", seconds)
            sim:advance(seconds)
            model:advance(model.now + seconds)
        end
        assert_same(model:told(), world.told(sim), explain, "told to services")
        local state = sim:state()
        assert.message(explain "the count").is_true(close(model:count(), state.count))
        assert_same(model.resumes ~= nil, state.state == "paused", explain, "paused")
        if model.resumes then
            assert.message(explain "resumes_in").is_true(close(model.resumes - model.now, state.resumes_in))
        end
        for _, child in ipairs(children) do
            local is_queued = (sim:state(child) or {}).state == "queued"
            assert_same(model:is_queued(child), is_queued, explain, child .. " queued")
        end
    end
end

describe("§1 a flat supervisor of suture, in lock-step", function()
    it("tells, counts, pauses and queues the same", function()
        for seed = 1, HISTORIES do suture_history(seed, false) end
    end)

    it("with extend_backoff: as suture's own pauses, which every further failure extends", function()
        for seed = 1, HISTORIES do suture_history(1000 + seed, true) end
    end)
end)

-- --- OTP -------------------------------------------------------------------------------------------------------------

-- Few enough temporary children that some history is left.
local function draw_child(random, name, shuts_down)
    local restart = pick(random, { "permanent", "permanent", "transient", "transient", "temporary" })
    local significant = shuts_down and restart ~= "permanent" and random(2) == 1
    return { name = name, restart = restart, significant = significant or nil }
end

local function otp_history(seed, strategy, auto_shutdown)
    local random = generator(seed)
    local say, explain = history()
    local declared = {
        strategy = strategy,
        intensity = pick(random, { 0, 1, 2, 3, 5 }),
        period = pick(random, { 1, 5, 10 }),
        auto_shutdown = auto_shutdown,
        stop_order = "reverse",
    }
    local flat = {}
    for key, value in pairs(declared) do flat[key] = value end
    say("%s, intensity %d, period %d, %s", strategy, declared.intensity, declared.period, auto_shutdown)
    local children = {}
    for i = 1, 1 + random(4) do
        local child = draw_child(random, names[i], auto_shutdown ~= "never")
        say("%s %s %s", child.name, child.restart, child.significant and "significant" or "")
        children[i] = child.name
        flat[i] = child
        declared[i] = world.process(child.name, { restart = child.restart, significant = child.significant })
    end
    local model = models.otp(flat)
    local sim = world.sim(world.tree(declared))
    sim:start()
    model:serve()
    for _ = 1, STEPS do
        local name = pick_running(random, sim, children)
        if name and random(3) > 1 then
            local normal = random(3) == 1
            say("%s ends %s", name, normal and "well" or "badly")
            sim:exit(name, { code = normal and 0 or 1 })
            model:exit(name, normal)
        else
            local seconds = pick(random, { 0.5, 1, 2, 5 })
            say("advance %g", seconds)
            sim:advance(seconds)
            model:advance(model.now + seconds)
        end
        assert_same(model:told(), world.told(sim), explain, "told to services")
        local state = sim:state().state
        local expected = model.ended == "limit" and "failed" or model.ended and "stopped" or "running"
        assert_same(expected, state, explain, "the supervisor's state")
        if model.ended then return end
        for _, child in ipairs(children) do
            local kept = model:find(child)
            assert_same(kept ~= nil and kept.pid, running(sim, child), explain, child .. " running")
        end
    end
end

for place, strategy in ipairs { "one_for_one", "one_for_all", "rest_for_one" } do
    describe("§2, §3 a flat supervisor of OTP, " .. strategy .. ", in lock-step", function()
        it("restarts, and ends by its intensity, the same", function()
            for seed = 1, HISTORIES do otp_history(place * 10000 + seed, strategy, "never") end
        end)

        it("shuts down with its significant children the same (§6)", function()
            for seed = 1, HISTORIES do
                otp_history(place * 20000 + seed, strategy, "any_significant")
                otp_history(place * 30000 + seed, strategy, "all_significant")
            end
        end)
    end)
end
