local live = require "spec.support.live"
local proc = require "spec.support.proc"

describe("stopping a tree", function()
    after_each(live.clean)

    -- Says "up" once it ignores TERM.
    local deaf = [[command = "trap '' TERM; echo up; while :; do /bin/sleep 1000; done"]]

    it("by TERM ends what depends first, then the rest, and gives 0", function()
        local tree = live.tree [[
            local s = require "suptree"
            return s.supervisor "order" {
                s.process "db" { command = { "/bin/sleep", "1000" } },
                s.process "web" { command = { "/bin/sleep", "1000" }, after = { "db" } },
            }]]
        tree:await { type = "ready", path = "." }
        assert.are.equal(0, tree:stop())
        local ended = tree:all { type = "ended", kind = "process" }
        assert.are.equal("web", ended[1].path)
        assert.are.equal("db", ended[2].path)
        assert.is_true(ended[1].planned and ended[2].planned)
        local asked = tree:all { type = "stopping", path = "db" }
        assert.is_true(asked[1].seq > ended[1].seq)
        assert.are.equal("TERM", ended[1].signal)
        local stopped = tree:all { type = "stopped" }
        assert.are.equal(1, #stopped)
        assert.are.equal(0, stopped[1].code)
    end)

    it("kills a service that ignores TERM when its timeout is over", function()
        local tree = live.tree(([[
            local s = require "suptree"
            return s.supervisor "tree" { s.process "deaf" { %s, timeout = "300ms" } }]]):format(deaf))
        tree:await_line("deaf", "up")
        assert.are.equal(0, tree:stop())
        assert.are.equal("KILL", tree:all({ type = "ended", path = "deaf" })[1].signal)
        assert.are.equal(1, #tree:all { type = "stop_timeout", path = "deaf" })
        assert.are.equal(1, #tree:all { type = "killed", path = "deaf" })
        assert.matches("deaf did not stop in its timeout: it is killed", tree.out, 1, true)
    end)

    it("says whom it waits for; a second signal kills now", function()
        local tree = live.tree(([[
            local s = require "suptree"
            return s.supervisor "tree" { s.process "deaf" { %s, timeout = "1h" } }]]):format(deaf))
        tree:await_line("deaf", "up")
        tree:kill "INT"
        tree:await_text "waiting for: deaf"
        assert.is_nil(tree.code)
        tree:kill "INT"
        assert.are.equal(0, (tree:wait()))
        assert.are.equal("KILL", tree:all({ type = "ended", path = "deaf" })[1].signal)
    end)

    it("works by Ctrl-C, which goes to the whole foreground group", function()
        local tree = live.tree(([[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "quick" { command = { "/bin/sleep", "1000" } },
                s.process "deaf" { %s, timeout = "1h" },
            }]]):format(deaf))
        tree:await_line("deaf", "up")
        tree:kill_group "INT"
        tree:await { type = "ended", path = "quick" }
        assert.are.equal("TERM", tree:all({ type = "ended", path = "quick" })[1].signal)
        tree:await_text "waiting for: deaf"
        tree:kill_group "INT"
        assert.are.equal(0, (tree:wait()))
        -- The host stopped it, nobody else: its last word is in the events.
        assert.are.equal(0, tree:all({ type = "stopped" })[1].code)
        assert.are.equal(0, #tree:all { type = "host_restarted" })
    end)

    it("takes along what a service has forked", function()
        local tree = live.tree [[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "parent" { command = "/bin/sleep 1001 & /bin/sleep 1002 & echo up; wait", timeout = "5s" },
            }]]
        tree:await_line("parent", "up")
        assert.are.equal(0, tree:stop())
        -- live.clean finds those that would be left
        live.wait("what was killed at the end to be gone", function() return #tree:family() == 0 end)
    end)

    it("kills what a service has forked when the service itself dies", function()
        local tree = live.tree [[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "parent" {
                    restart = "temporary",
                    command = "trap '' TERM; /bin/sleep 1003 & echo child $!; wait",
                },
            }]]
        live.wait("its word", function() return tree.out:find "child %d+\n" end)
        local child = tonumber(tree.out:match "child (%d+)")
        assert.is_true(proc.lives(child))
        require "luv".kill(tree:service "parent", "sigkill")
        tree:await { type = "ended", path = "parent" }
        live.wait("the end of the forked process", function() return not proc.lives(child) end)
        assert.are.equal(0, tree:stop())
    end)

    it("at a bad moment, while many services start, leaves nothing behind", function()
        local count = live.sanitized and 60 or 200
        local config = ([[
            local s = require "suptree"
            local tree = { timeout = "20s" }
            for i = 1, %d do
                tree[i] = s.process("s" .. i) { command = "echo up; /bin/sleep 1000 & wait" }
            end
            return s.supervisor "many" (tree)]]):format(count)
        for _, moment in ipairs { 1, count // 4, count // 2 } do
            local tree = live.tree(config)
            tree:await({ type = "launched", kind = "process" }, moment)
            tree:kill_group "INT"
            assert.are.equal(0, (tree:wait()))
            live.wait("what was killed at the end to be gone", function() return #tree:family() == 0 end)
            local launched = #tree:all { type = "launched", kind = "process" }
            assert.are.equal(launched, #tree:all { type = "ended", kind = "process" })
        end
    end)

    it("before anything has started ends it all the same", function()
        local tree = live.tree [[
            local s = require "suptree"
            return s.supervisor "tree" { s.process "one" { command = { "/bin/sleep", "1000" } } }]]
        live.wait("the keeper", function() return proc.name(tree.pid) == "suptree-keeper" end)
        tree:kill "TERM"
        assert.are.equal(0, (tree:wait()))
        live.wait("what was killed at the end to be gone", function() return #tree:family() == 0 end)
    end)
end)

describe("the exit code of suptree run", function()
    after_each(live.clean)

    it("is 1 when the root has given up", function()
        local tree = live.tree [[
            local s = require "suptree"
            return s.supervisor "tree" {
                failure_threshold = 2, on_threshold = "escalate",
                s.process "bad" { command = { "/bin/false" } },
                s.process "good" { command = { "/bin/sleep", "1000" } },
            }]]
        assert.are.equal(1, (tree:wait()))
        assert.are.equal(1, #tree:all { type = "escalated", path = "." })
        assert.are.equal(1, tree:all({ type = "stopped" })[1].code)
        assert.are.equal("TERM", tree:all({ type = "ended", path = "good" })[1].signal)
    end)

    it("is that of the service which ended the tree", function()
        local tree = live.tree [[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "job" { command = "exit 42", terminate_exit = { 42 } },
                s.process "good" { command = { "/bin/sleep", "1000" } },
            }]]
        assert.are.equal(42, (tree:wait()))
    end)

    it("is that of the significant service by whose end the tree shuts down", function()
        local tree = live.tree [[
            local s = require "suptree"
            return s.supervisor "tree" {
                auto_shutdown = "any_significant",
                s.process "job" { command = { "/bin/true" }, restart = "transient", significant = true },
                s.process "good" { command = { "/bin/sleep", "1000" } },
            }]]
        assert.are.equal(0, (tree:wait()))
        assert.are.equal(1, #tree:all { type = "ended", path = "job" })
    end)
end)
