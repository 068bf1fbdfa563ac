-- Timers: services that run at times. The first of January 2026 at 0:00 is time 0, a Thursday, unless said otherwise.
local cjson = require "cjson"
local suptree = require "suptree"
local world = require "spec.support.world"
local up, fail, group, process, tree = world.up, world.fail, world.group, world.process, world.tree
local told, told_when, happened = world.told, world.told_when, world.happened

local HOUR = 3600

local function timer(options)
    if not options.run then options.command = options.command or { "./backup" } end
    return suptree.timer "t" (options)
end

local function with(options, more, sim_options)
    local declared = more or {}
    table.insert(declared, 1, timer(options))
    return up(declared, sim_options)
end

local function state(sim)
    local found = assert(sim:state "t")
    return found.state .. (found.ready and ", ready" or "")
end

-- Lets time pass; each run takes `takes` seconds and ends well.
local function runs(sim, time, takes)
    sim.world.run_ns = (takes or 0) * 1000000000
    sim:advance(time)
    return told_when(sim)
end

describe("a timer", function()
    it("waits, ready, and runs every so often, from start to start", function()
        local sim = with { every = "1h" }
        assert.equal("waiting, ready", state(sim))
        assert.is_true(sim:state().ready)
        assert.equal(HOUR, sim:state("t").next_at)
        assert.equal("waiting: next run in 3600 s", sim:state("t").reason)
        assert.same({ "3600 launch t", "7200 launch t", "10800 launch t" }, runs(sim, "3h", 600))
        assert.equal("running, ready", state(sim))
        assert.equal(4 * HOUR, sim:state("t").due_at)
        sim:advance("10m")
        assert.equal("waiting, ready", state(sim))
    end)

    it("runs at times of the calendar", function()
        local sim = with { at = "30 3 * * fri,sun" }
        assert.same({ "99000 launch t", "271800 launch t" }, runs(sim, "5d"))
        assert.equal((3 + 5 * 24) * HOUR + 2 * 86400 + 30 * 60 + 86400, sim:state("t").next_at)
    end)

    it("runs at the time of the world that it is told", function()
        local sim = with({ at = "0 0 29 2 *" }, nil, { wall = os.time { year = 2028, month = 2, day = 28, hour = 0 } })
        assert.equal(1, #runs(sim, "3d"))
    end)

    it("comes later by chance, but never by more than jitter, and keeps its phase", function()
        local sim = with({ every = "1h", jitter = "10m" }, nil, { seed = 5 })
        local moved = false
        for place, line in ipairs(runs(sim, "50h")) do
            local at = tonumber(line:match "^%d+") - place * HOUR
            assert.is_true(at >= 0 and at < 600)
            moved = moved or at > 0
        end
        assert.is_true(moved)
    end)

    it("is what others need not wait for", function()
        local sim = with({ every = "1h" }, { process("web", { after = { "t" } }) })
        assert.equal("running", sim:state("web").state)
        runs(sim, "1h")
        assert.equal(1, sim:state("web").generation)
    end)

    it("waits with its run for what it is after", function()
        local sim = up { "db", suptree.timer "t" { command = { "./t" }, every = "1h", after = { "db" } } }
        sim:stop_node "db"
        told(sim)
        assert.same({}, runs(sim, "3h"))
        assert.equal("waiting: it needs db", sim:state("t").reason)
        sim:start_node "db"
        assert.same({ "launch db", "launch t" }, told(sim))
    end)
end)

describe("a person", function()
    it("runs it now by a start; its schedule stays", function()
        local sim = with { every = "1h" }
        sim:advance "10m"
        assert.is_true(sim:start_node "t")
        assert.same({ "launch t" }, told(sim))
        sim:start_node "t"
        assert.same({}, told(sim))
        sim:exit "t"
        assert.equal(HOUR, sim:state("t").next_at)
    end)

    it("stops it, and what runs of it; started again it waits for its next time", function()
        local sim = with { every = "1h" }
        sim:advance "1h"
        assert.is_true(sim:stop_node "t")
        assert.equal("stopped", state(sim))
        assert.is_nil(sim:state("t").next_at)
        told(sim)
        assert.same({}, runs(sim, "150m"))
        sim:start_node "t"
        assert.same({}, told(sim))
        assert.equal("waiting, ready", state(sim))
        assert.equal(4.5 * HOUR, sim:state("t").next_at)
    end)

    it("restarts the run that goes on", function()
        local sim = with { every = "1h" }
        sim:advance "1h"
        told(sim)
        sim:restart_node "t"
        assert.same({ "interrupt t", "launch t" }, told(sim))
    end)
end)

describe("overlap", function()
    it('"skip" says so', function()
        local sim = with { every = "1h" }
        assert.same({ "3600 launch t" }, (function() sim:advance "150m" return told_when(sim) end)())
        assert.same({ "skipped t" }, happened(sim, "skipped"))
        assert.equal(1, sim:state("t").skipped)
        sim:exit "t"
        assert.same({ "10800 launch t" }, runs(sim, "1h"))
    end)

    it('"queue" runs once after the former', function()
        local sim = with { every = "1h", overlap = "queue" }
        sim:advance "210m"
        told(sim)
        sim:exit "t"
        assert.same({ "launch t" }, told(sim))
        sim:exit "t"
        assert.equal("waiting, ready", state(sim))
    end)

    it('"replace" stops the former first', function()
        local sim = with { every = "1h", overlap = "replace" }
        sim:hang "t"
        sim:advance "2h"
        assert.same({ "3600 launch t", "7200 interrupt t" }, told_when(sim))
        sim:advance "10s"
        assert.same({ "7210 kill t", "7210 launch t" }, told_when(sim))
        assert.equal(0, sim:state().count)
    end)

    it("never makes two runs at a time", function()
        for _, rule in ipairs { "skip", "queue", "replace" } do
            local sim = with { every = "1m", overlap = rule, missed = "run" }
            runs(sim, "2h", 90) -- the world complains of a launch while an instance lives
            assert.is_true(sim:state("t").generation > 20)
        end
    end)
end)

describe("missed", function()
    local function after_a_leap(options)
        local sim = with(options)
        sim:advance "30m"
        sim:jump "5h"
        return sim, told(sim)
    end

    it("skips what nobody could start, and goes on in its phase", function()
        local sim, words = after_a_leap { every = "1h" }
        assert.same({}, words)
        assert.same({ "skipped t" }, happened(sim, "skipped"))
        assert.equal(6 * HOUR, sim:state("t").next_at)
    end)

    it('"run" runs once, as soon as it may', function()
        local sim, words = after_a_leap { every = "1h", missed = "run" }
        assert.same({ "launch t" }, words)
        sim:exit "t"
        assert.equal(6 * HOUR, sim:state("t").next_at)
        assert.same({ "launch t" }, (select(2, after_a_leap { at = "@hourly", missed = "run" })))
    end)

    it("is not what comes a little late", function()
        local sim = with { every = "1h" }
        sim:advance "3599s"
        sim:jump "9s"
        assert.same({ "launch t" }, told(sim))
    end)
end)

describe("a run that fails", function()
    it("counts, and the next comes at its time", function()
        local sim = with { every = "1h" }
        sim:advance "1h"
        told(sim)
        fail(sim, "t")
        assert.equal("waiting, ready", state(sim))
        assert.equal(1, sim:state().count)
        assert.same({}, told(sim))
        assert.same({ "7200 launch t" }, runs(sim, "1h"))
    end)

    it('is tried again at once with restart = "transient"', function()
        local sim = with { every = "1h", restart = "transient" }
        sim:advance "1h"
        told(sim)
        fail(sim, "t")
        assert.same({ "launch t" }, told(sim))
        sim:exit "t"
        assert.equal(2 * HOUR, sim:state("t").next_at)
    end)

    it("may pause its supervisor: the runs wait then, and begin no group restart", function()
        local sim = with({ every = "1s" }, { failure_threshold = 0, strategy = "one_for_all", "web" })
        sim:advance "1s"
        fail(sim, "t")
        told(sim)
        sim:advance "5s"
        assert.equal("queued, ready", state(sim))
        sim:advance "10s"
        assert.same({ "16 launch t" }, told_when(sim))
    end)

    it("takes no longer than start_timeout", function()
        local sim = with { every = "1h", start_timeout = "10m" }
        sim:advance "70m"
        assert.equal("waiting, ready", state(sim))
        assert.equal(1, sim:state().count)
    end)
end)

describe("a timer among its siblings", function()
    it("that rests has no part in a group restart; one that runs is run again", function()
        local sim = with({ every = "1h" }, { strategy = "one_for_all", "web" })
        fail(sim, "web")
        assert.same({ "launch web" }, told(sim))
        sim:advance "1h"
        told(sim)
        fail(sim, "web")
        assert.same({ "interrupt t", "launch t", "launch web" }, told(sim))
    end)

    it("begins anew with its supervisor", function()
        local sim = up { group("job", { suptree.timer "t" { command = { "./t" }, every = "1h" } }) }
        sim:advance "30m"
        sim:restart_node "job"
        assert.equal(1.5 * HOUR, sim:state("job/t").next_at)
    end)

    it("leaves the tree by its own word", function()
        local sim = with { every = "1h", run = function() end }
        sim:advance "1h"
        sim:exit("t", { done = true })
        assert.is_nil(sim:state "t")
    end)
end)

describe("a reload", function()
    local function reload(sim, options)
        assert(sim:reload(tree { timer(options) }))
    end

    it("leaves the schedule alone, and what runs", function()
        local sim = with { every = "1h" }
        sim:advance "80m"
        told(sim)
        reload(sim, { every = "1h", command = { "./backup", "2" }, description = "new" })
        assert.same({}, told(sim))
        assert.equal("running, ready", state(sim))
        assert.equal(2 * HOUR, sim:state("t").due_at)
        reload(sim, { every = "1h", command = { "./backup", "2" }, description = "new" })
        assert.same({ "reloaded ." }, happened(sim, "reloaded"))
    end)

    it("says in its plan what holds when", function()
        local function planned(from, to)
            local sim = up { from }
            if sim:state("t").kind == "oneshot" then sim:exit "t" end
            local blob = assert(require "suptree.declaration".encode(tree { to }, { as_root = true }))
            local plan = cjson.decode((assert(sim.world.tree:plan_json(blob, "show_all"))))
            for _, change in ipairs(plan.changes) do
                if change.path == "t" then return ("%s %s %s"):format(change.kind, change.action, change.note) end
            end
        end
        local changed = suptree.timer "t" { command = { "./other" }, every = "1h" }
        assert.equal("timer update holds from its next run", planned(timer { every = "1h" }, changed))
        assert.equal("timer none nil", planned(changed, changed))
        local done, other = suptree.oneshot "t" { command = "a" }, suptree.oneshot "t" { command = "b" }
        assert.equal("oneshot restart nil", planned(done, other))
        assert.equal("oneshot none nil", planned(done, done))
    end)

    it("applies another schedule in place", function()
        local sim = with { every = "1h" }
        sim:advance "70m"
        told(sim)
        reload(sim, { every = "15m" })
        assert.equal(75 * 60, sim:state("t").due_at)
        assert.same({}, told(sim))
        reload(sim, { at = "0 12 * * *" })
        assert.equal(12 * HOUR, sim:state("t").due_at)
        reload(sim, { every = "2h" })
        assert.equal((70 + 120) * 60, sim:state("t").due_at)
    end)

    it("makes a timer of a service, and back", function()
        local sim = up { process "t" }
        reload(sim, { every = "1h" })
        assert.equal("waiting, ready", state(sim))
        told(sim)
        assert(sim:reload(tree { process "t" }))
        assert.same({ "launch t" }, told(sim))
        assert.is_nil(sim:state("t").due_at)
    end)
end)

describe("the declaration of a timer", function()
    local function faults(options)
        local blob, why = require "suptree.declaration".encode(tree { suptree.timer "t" (options) }, { as_root = true })
        return blob and "good" or tostring(why)
    end
    local function given(name, value)
        local options = { command = "x", every = name ~= "at" and "1h" or nil }
        options[name] = value
        return options
    end

    it("says when it runs, once", function()
        assert.matches("t: does not say when it runs", faults { command = "x" })
        assert.matches("t.every: cannot stand beside at", faults { command = "x", every = 1, at = "@daily" })
        assert.equal("good", faults { command = "x", at = "*/5 8-18 * * mon-fri" })
        assert.equal("good", faults { run = function() end, every = 0.5, overlap = "replace", missed = "run" })
    end)

    it("has values that make sense", function()
        for name, case in pairs {
            at = { "30 25 * * *", 't.at: "30 25 %* %* %*": its hour is not made of numbers from 0 to 23' },
            every = { "1ms", "t.every: is too often" },
            overlap = { "queued", 't.overlap: must be "skip", "queue" or "replace", not "queued"' },
            jitter = { "1h", "t.jitter: must be less than every" },
            restart = { "permanent", 't.restart: cannot be "permanent"' },
            ready = { suptree.ready.delay(1), "t.ready: means nothing: a timer is ready as soon as it waits" },
            remain = { true, "t.remain: is an option of a oneshot, not of a timer" },
        } do
            assert.matches(case[2], faults(given(name, case[1])))
        end
        assert.matches("every: is an option of a timer, not of a process",
            tostring(select(2, require "suptree.declaration".encode(tree { process("p", { every = 1 }) }))))
    end)
end)

describe("a timer that is saved and restored after each step", function()
    it("goes on as if nothing had been", function()
        local sim = with({ every = "1h", jitter = "5m", overlap = "queue" }, { "web" }, { round_trip = true })
        local other = with({ every = "1h", jitter = "5m", overlap = "queue" }, { "web" })
        assert.same(runs(other, "30h", 4000), runs(sim, "30h", 4000))
        sim = with({ at = "*/20 1-5 * * *", jitter = "5m", overlap = "replace" }, { "web" }, { round_trip = true })
        other = with({ at = "*/20 1-5 * * *", jitter = "5m", overlap = "replace" }, { "web" })
        assert.same(runs(other, "60h", 1500), runs(sim, "60h", 1500))
    end)
end)
