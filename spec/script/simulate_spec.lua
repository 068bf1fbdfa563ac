local cjson = require "cjson"
local live = require "spec.support.live"

describe("suptree simulate of replicas", function()
    after_each(live.clean)

    it("knows each of them, and all by their name", function()
        local folder = live.folder()
        live.write_file(folder .. "/supervise.lua", [[local s = require "suptree"
            return s.supervisor "t" { s.process "a" { command = "x", replicas = 2 } }]])
        local code, out = live.run { live.program, "simulate", folder, "--fail", "a@1", "--fail", "a@2@3" }
        assert.are.equal(0, code)
        assert.matches("a@1  2 starts, 1 failure", out)
        assert.matches("a@2  3 starts, 2 failures", out)
    end)
end)

describe("suptree simulate", function()
    local folder
    before_each(function() folder = live.folder() end)
    after_each(live.clean)

    local function simulate(config, ...)
        live.write_file(folder .. "/supervise.lua", config)
        return live.run({ live.program, "simulate", ... }, { cwd = folder })
    end

    local SHOP = [[
local s = require "suptree"
return s.supervisor "shop" { failure_threshold = 2,
  s.process "db" { command = "touch started" },
  s.supervisor "workers" { s.process "web" { command = "touch started" } },
}]]

    it("plays failures through in virtual time, and starts nothing", function()
        local code, out, err = simulate(SHOP, "--fail", "db@0,2,4", "--fail", "workers/web@10", "--for", "1m")
        assert.are.same({ 0, "" }, { code, err })
        assert.are.equal([[
 0s  shop         starts
 0s  db           started
 0s  workers/web  started
 0s  db           ended: exit code 1; failure 1 of 2; started again at once
 2s  db           ended: exit code 1; failure 2 of 2; started again at once
 4s  shop         pauses for 15s: failure 2.9, more than 2
 4s  db           ended: exit code 1; failure 2.9, more than 2; waits, and is started again in 15s
10s  workers/web  ended: exit code 1; failure 1 of 5; started again at once
19s  shop         resumes; failures count from 0 again
19s  db           started, generation 4

after 1m:
  shop         1 pause, 15s in all
  db           4 starts, 3 failures, down 15s
  workers      0 pauses
  workers/web  2 starts, 1 failure, down 0s
  nothing gave up
]], out)
        assert.is_nil(live.read_file(folder .. "/started"))
    end)

    local function holds(words, said)
        assert.matches(words, said, 1, true)
    end

    it("plays a minute when it is not told how long", function()
        local _, out = simulate(SHOP)
        holds("\nafter 1m:\n", out)
    end)

    it("says when a service cannot fail because it does not run", function()
        local _, out = simulate(SHOP, "--fail", "db@0,0,0,5")
        holds("5s  db           does not run (queued), so it cannot fail", out)
    end)

    it("tells who gave up and how the tree ended", function()
        local code, out = simulate([[
local s = require "suptree"
return s.supervisor "shop" { failure_threshold = 0, on_threshold = "escalate", s.process "db" { command = "x" } }]],
            "--fail", "db@1")
        assert.are.equal(0, code)
        holds("gave up: shop; the tree ended with exit code 1", out)
    end)

    it("tells of services that left the tree, too", function()
        local _, out = simulate([[
local s = require "suptree"
return s.supervisor "shop" { s.process "once" { command = "x", restart = "temporary" } }]], "--fail", "once@15")
        holds("once  removed", out)
        holds("once  1 start, 0 failures, down 45s", out)
    end)

    it("takes readiness that nobody would bring as given", function()
        local _, out = simulate [[
local s = require "suptree"
return s.supervisor "shop" {
  s.process "db" { command = "x", ready = s.ready.file "db.pid" },
  s.process "web" { command = "x", after = { "db" } },
}]]
        holds("0s  web   started", out)
    end)

    it("takes thread services, too", function()
        local code, out = simulate([[
local s = require "suptree"
return s.supervisor "shop" { s.thread "t" { run = function() end } }]], "--fail", "t@1.5")
        assert.are.equal(0, code)
        holds("1.5s  t     ended: raised: simulated failure; failure 1 of 5; started again at once", out)
    end)

    it("is the same for the same seed", function()
        local config = [[
local s = require "suptree"
return s.supervisor "shop" { failure_threshold = 0, backoff_jitter = true, s.process "db" { command = "x" } }]]
        local _, first = simulate(config, "--fail", "db@1", "--seed", "7")
        local _, again = simulate(config, "--fail", "db@1", "--seed", "7")
        local _, other = simulate(config, "--fail", "db@1", "--seed", "8")
        assert.are.equal(first, again)
        assert.are_not.equal(first, other)
    end)

    it("ends with 4 for a service that is not there, and names the one that was meant", function()
        local code, out, err = simulate(SHOP, "--fail", "bd@1")
        assert.are.same({ 4, "" }, { code, out })
        holds('suptree: there is no service "bd", did you mean "db"?', err)
        code, out, err = simulate(SHOP, "--hang", "bd", "kill")
        assert.are.same({ 4, "" }, { code, out })
        holds('suptree: there is no service "bd", did you mean "db"?', err)
    end)

    it("ends with 2 for times and services that make no sense", function()
        local function refused(words, ...)
            local code, out, err = simulate(SHOP, ...)
            assert.are.same({ 2, "" }, { code, out })
            holds(words, err)
        end
        refused('"db" does not say when; write NAME@TIME,TIME, such as web@0,2,4', "--fail", "db")
        refused('"soon" is not a time; write seconds, or a text such as 1m30s', "--fail", "db@1,soon")
        refused('"" is not a time', "--fail", "db@")
        refused('"-1" is not a time', "--for=-1")
        refused('"infinity" is not a time', "--for", "infinity")
        refused('"x" is not a whole number', "--seed", "x")
        refused('"soon" is not a time', "--fail", "db", "every", "soon")
        refused("every 0 is too often; the shortest is 1ms", "--fail", "db every 0")
        refused('"db" does not say when; write NAME@TIME,TIME', "--fail", "db", "every")
        refused('"db twice" is not NAME or NAME kill', "--hang", "db twice")
        refused('"later" is not a time', "--stop", "later")
        refused("workers is a supervisor, which stops when its services do", "--hang", "workers")
        refused("workers is a supervisor, which fails when its services do", "--fail", "workers@1")
    end)

    it("lets a service fail again and again, whenever it runs", function()
        local code, out, err = simulate(SHOP, "--fail", "db", "every", "5s", "--for", "31s")
        assert.are.same({ 0, "" }, { code, err })
        for _, line in ipairs {
            " 5s  db           ended: exit code 1; failure 1 of 2; started again at once\n",
            "10s  db           ended: exit code 1; failure 1.9 of 2; started again at once\n",
            "15s  shop         pauses for 15s: failure 2.7, more than 2\n",
            "30s  db           started, generation 4\n",
        } do holds(line, out) end
        assert.is_nil(out:find("cannot fail", 1, true)) -- nothing is said of 20s and 25s
        local _, joined = simulate(SHOP, "--fail", "db every 5s", "--for", "31s")
        assert.are.equal(out, joined)
    end)

    it("lets a service ignore its stop, and its kill as well", function()
        local _, out = simulate(SHOP, "--hang", "db", "--stop", "10s")
        holds("10s  workers/web  stopped: killed by signal 15 (TERM)\n", out)
        holds("20s  db           did not stop in time, and is killed\n", out)
        holds("20s  db           stopped: killed by signal 9 (KILL)\n", out)
        holds("the tree ended with exit code 0", out)
        local code, stuck, err = simulate(SHOP, "--hang", "db", "kill", "--stop", "10s")
        assert.are.same({ 0, "" }, { code, err })
        holds("30s  db           did not die of its kill; no second instance is started\n", stuck)
        assert.is_nil(stuck:find("db           stopped", 1, true))
        assert.are.equal(stuck, (select(2, simulate(SHOP, "--hang", "db kill", "--stop", "10s"))))
    end)

    it("gives one JSON object, with the events of the schema and what they add up to", function()
        local code, out, err = simulate(SHOP, "--json", "--fail", "db@0,2,4,5", "--for", "1m")
        assert.are.same({ 0, "" }, { code, err })
        assert.are.equal(1, select(2, out:gsub("\n", "")))
        local told = cjson.decode(out)
        assert.are.same({ "shop", 1, 60 }, { told.name, told.seed, told.seconds })
        assert.is_nil(told.exit_code)
        for place, event in ipairs(told.timeline) do assert.are.equal(place, event.seq) end
        local function the(kind)
            for _, event in ipairs(told.timeline) do if event.type == kind then return event end end
        end
        assert.are.same({ ".", "supervisor", 4, 19, "limit", "db" }, {
            the "backoff".path, the "backoff".kind, the "backoff".time, the "backoff"["until"],
            the "backoff".cause, the "backoff".by,
        })
        local failed = the "failed"
        assert.are.same({ "exit code 1", 1, true }, { failed.reason, failed.count, failed.restarting })
        assert.are.same({
            { path = ".", kind = "supervisor", pauses = 1, paused = 15, gave_up = false },
            { path = "db", kind = "process", starts = 4, failures = 3, up = 45, down = 15, gave_up = false },
            { path = "workers", kind = "supervisor", pauses = 0, paused = 0, gave_up = false },
            { path = "workers/web", kind = "process", starts = 1, failures = 0, up = 60, down = 0, gave_up = false },
        }, told.summary)
        assert.are.same({
            { type = "note", time = 5, path = "db", words = "does not run (queued), so it cannot fail" },
        }, told.notes)
    end)

    it("tells the exit code of a tree that has ended in JSON, too", function()
        local _, out = simulate(SHOP, "--json", "--stop", "5")
        assert.are.equal(0, cjson.decode(out).exit_code)
    end)

    it("ends with 78 for a bad configuration", function()
        local code, out, err = simulate "return 5"
        assert.are.same({ 78, "" }, { code, out })
        holds("supervise.lua: 1 error; nothing was simulated", err)
    end)
end)
