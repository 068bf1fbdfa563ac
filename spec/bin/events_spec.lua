local cjson = require "cjson"
local live = require "spec.support.live"
local uv = require "luv"

describe("suptree run --events", function()
    after_each(live.clean)

    local config = [[
        local s = require "suptree"
        return s.supervisor "tree" {
            failure_threshold = 2, failure_decay = "1h", failure_backoff = "200ms",
            s.process "web" { command = { "/bin/sleep", "1000" } },
            s.process "bad" { command = "exit 7" },
            s.process "once" { command = { "/bin/true" }, restart = "temporary" },
        }]]

    it("writes one JSON object a line: numbered without a gap, in time, of one schema", function()
        local tree = live.tree(config)
        tree:await({ type = "resume", path = "." }, 2)
        assert.are.equal(0, tree:stop())
        local events = tree:events()
        local kinds = { supervisor = true, process = true }
        for i, event in ipairs(events) do
            assert.are.equal(i, event.seq)
            assert.are.equal("string", type(event.type))
            assert.are.equal("string", type(event.path))
            assert.are.equal("number", type(event.time))
            assert.are.equal("number", type(event.generation))
            assert.is_true(kinds[event.kind] or event.type == "removed", event.type)
            assert.is_true(i == 1 or event.time >= events[i - 1].time)
        end
        assert.are.equal("started", events[1].type)
        assert.are.equal("stopped", events[#events].type)
        assert.is_true(math.abs(events[1].time - os.time()) < 600)
    end)

    it("tells each failure with reason, count, threshold and what comes next", function()
        local tree = live.tree(config)
        local backoff = tree:await { type = "backoff", path = "." }
        local failed = tree:await({ type = "failed", path = "bad" }, 3)
        assert.are.equal("exit code 7", failed.reason)
        assert.are.equal(7, failed.code)
        assert.are.equal(2, failed.threshold)
        assert.is_true(failed.count > 2.9 and failed.count <= 3)
        assert.is_false(failed.restarting)
        assert.is_true(failed.seq > backoff.seq)
        assert.is_true(math.abs(backoff["until"] - backoff.time - 0.2) < 0.01)
        assert.is_true(tree:all({ type = "failed", path = "bad" })[1].restarting)
        assert.is_false(tree:all({ type = "ended", path = "bad" })[1].planned)
        assert.are.equal(0, tree:stop())
    end)

    it("gives each generation its life in order", function()
        local tree = live.tree(config)
        tree:await({ type = "ended", path = "bad" }, 4)
        assert.are.equal(0, tree:stop())
        local step, next_generation = nil, 1
        for _, event in ipairs(tree:all { path = "bad" }) do
            if event.type == "launched" then
                assert.are.equal(next_generation, event.generation)
                step = "launched"
            elseif event.type == "ready" then
                assert.are.equal("launched", step)
                step = "ready"
            elseif event.type == "ended" then
                assert.is_true(step == "ready" or step == "launched") -- it may end before it is seen to be ready
                assert.are.equal(next_generation, event.generation)
                step, next_generation = "ended", next_generation + 1
            end
        end
    end)

    it("appends to the file, which others cannot read", function()
        local old = '{"seq":0,"type":"old","path":".","time":0,"generation":0}\n'
        local tree = live.tree(config, { files = { ["events.jsonl"] = old } })
        tree:await { type = "started" }
        assert.are.equal(0, tree:stop())
        assert.are.equal("old", tree:events()[1].type)
        local other = live.tree(config)
        other:await { type = "started" }
        assert.are.equal(0, other:stop())
        assert.are.equal(tonumber("640", 8), uv.fs_stat(other.folder .. "/events.jsonl").mode & tonumber("777", 8)
            | tonumber("040", 8))
    end)

    it("is complete with a thousand quick failures", function()
        local wanted = live.sanitized and 100 or 1000
        local tree = live.tree([[
            local s = require "suptree"
            return s.supervisor "tree" {
                failure_threshold = 1e9,
                s.process "bad" { command = { "/bin/false" } },
            }]], { args = { "--quiet" } })
        tree:await { type = "launched", path = "bad", generation = wanted }
        assert.are.equal(0, tree:stop())
        for i, event in ipairs(tree:events()) do assert.are.equal(i, event.seq) end
    end)

    it("says so when the file cannot be written, and starts nothing", function()
        local folder = live.folder()
        live.write_file(folder .. "/supervise.lua", config)
        local code, out, err = live.run({ live.program, "run", folder .. "/supervise.lua", "--events",
            folder .. "/no/such/folder/events" })
        assert.are_not.equal(0, code)
        assert.matches("no/such/folder/events", out .. err, 1, true)
        assert.matches("No such file or directory", out .. err, 1, true)
    end)

    it("has texts that are JSON, whatever a service is called and however it ends", function()
        local tree = live.tree [[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "a@b.c-d_1" { command = { "./näme\n\"\1" }, restart = "temporary" } }]]
        tree:await { type = "launch_failed" }
        assert.are.equal(0, tree:stop())
        for line in live.read_file(tree.folder .. "/events.jsonl"):gmatch "[^\n]+" do
            assert.are.equal("table", type(cjson.decode(line)))
        end
    end)
end)

describe("suptree run --name", function()
    after_each(live.clean)

    it("gives the tree another name", function()
        local tree = live.tree([[
            local s = require "suptree"
            return s.supervisor "tree" { s.process "web" { command = { "/bin/sleep", "1000" } } }]],
            { args = { "--name", "other" } })
        tree:await { type = "ready", path = "." }
        tree:await_line("suptree", "other starts")
        assert.are.equal(0, tree:stop())
    end)
end)
