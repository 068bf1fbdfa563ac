local s = require "suptree"
local timeline = require "suptree.timeline"

-- The lines of a play: `fails` is a list of times at which "web" fails with status 1.
local function play(options, fails, seconds)
    options[1] = s.process "web" { command = "x" }
    local sim = assert(s.sim(s.supervisor "shop" (options)))
    sim:start()
    for _, time in ipairs(fails) do sim:at(time, function() sim:exit("web", { code = 1 }) end) end
    sim:advance(seconds)
    local events = sim:events()
    local texts = {}
    for place, line in ipairs(timeline.lines(events, "shop")) do
        texts[place] = ("%s %s %s"):format(line.time, line.path, line.words)
    end
    return texts, timeline.summary(events, { ".", "web" }, seconds)
end

describe("the timeline of a simulation", function()
    it("says each thing once", function()
        local lines = play({}, { 2 }, 10)
        assert.are.same({
            "0s shop starts",
            "0s web started",
            "2s web ended: exit code 1; failure 1 of 5; started again at once",
        }, lines)
    end)

    it("tells of a pause and its end", function()
        local lines, nodes = play({ failure_threshold = 1 }, { 2, 2.5 }, 30)
        assert.are.same({
            "0s shop starts",
            "0s web started",
            "2s web ended: exit code 1; failure 1 of 1; started again at once",
            "2.5s shop pauses for 15s: failure 2, more than 1",
            "2.5s web ended: exit code 1; failure 2, more than 1; waits, and is started again in 15s",
            "17.5s shop resumes; failures count from 0 again",
            "17.5s web started, generation 3",
        }, lines)
        assert.are.equal("3 starts, 2 failures, down 15s", timeline.summary_words(nodes.web, "process"))
        assert.are.equal("1 pause, 15s in all", timeline.summary_words(nodes["."], "supervisor"))
    end)

    it("adds up a pause that is not over", function()
        local _, nodes = play({ failure_threshold = 0 }, { 2 }, 10)
        assert.are.equal("1 start, 1 failure, down 8s", timeline.summary_words(nodes.web, "process"))
        assert.are.equal("1 pause, 8s in all", timeline.summary_words(nodes["."], "supervisor"))
    end)

    it("tells who gave up", function()
        local lines, nodes = play({ failure_threshold = 0, on_threshold = "escalate" }, { 1 }, 10)
        assert.is_true(nodes["."].gave_up)
        assert.matches("shop gives up: failure 1, more than 0; it stops", table.concat(lines, "\n"), 1, true)
        assert.are.equal("0 pauses, gave up", timeline.summary_words(nodes["."], "supervisor"))
        lines, nodes = play({ failure_threshold = 0, on_threshold = "give_up" }, { 1 }, 10)
        assert.is_true(nodes.web.gave_up)
        assert.matches("web stays down until a person starts it: ", table.concat(lines, "\n"), 1, true)
    end)

    it("has words for every type of event", function()
        local names = "started added removed launched launch_failed ready stopping killed ended failed backoff resume "
            .. "delayed gave_up escalated stop_timeout stuck stopped reloaded reload_refused rolled_back "
            .. "host_restarted unhealthy healthy"
        for name in names:gmatch "%S+" do
            local lines = timeline.lines({
                { type = name, path = "web", kind = "process", time = 1, generation = 1, count = 1, threshold = 1 },
            }, "shop")
            assert.are.equal(1, #lines, name)
            assert.is_truthy(lines[1].words:find "%a")
        end
    end)
end)
