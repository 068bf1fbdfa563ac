local live = require "spec.support.live"

-- Services that cannot be started: the failing step and the system's words are told, and nothing spins.
describe("a service that cannot be started", function()
    after_each(live.clean)

    -- The service counts against a threshold of 2 and then waits for an hour.
    local function one(options, files)
        return live.tree(([[
            local s = require "suptree"
            return s.supervisor "fails" {
                failure_threshold = 2, failure_decay = "1h", failure_backoff = "1h",
                s.process "bad" { %s },
                s.process "good" { command = { "/bin/sleep", "1000" } },
            }]]):format(options), { files = files })
    end

    --- Waits for the pause; the tries before it are all there were.
    local function reason_of(tree)
        tree:await { type = "backoff", path = "." }
        local failed = tree:await({ type = "failed", path = "bad" }, 3)
        assert.is_false(failed.restarting)
        assert.is_true(failed.count > 2 and failed.count <= 3)
        assert.are.equal(3, #tree:all { type = "failed", path = "bad" })
        assert.are.equal(0, #tree:all { type = "launched", path = "bad" })
        assert.are.equal(1, #tree:all { type = "launched", path = "good" })
        assert.are.equal(0, tree:stop())
        assert.are.equal(3, #tree:all { type = "failed", path = "bad" })
        return failed.reason, tree.out, tree.folder
    end

    it("because its command is not there: step and errno text, then a pause", function()
        local reason, out, folder = reason_of(one [[command = { "./not-there" }]])
        assert.are.equal(("exec: No such file or directory (%s/not-there)"):format(folder), reason)
        assert.matches("bad could not be started: exec: No such file or directory", out, 1, true)
        assert.matches("pauses for 1h", out, 1, true)
    end)

    it("because its command is nowhere in PATH", function()
        assert.are.equal("exec: No such file or directory (no-such-program-at-all)",
            (reason_of(one [[command = { "no-such-program-at-all" }]])))
    end)

    it("because its command is not executable", function()
        local tree = one([[command = { "./plain.txt" }]], { ["plain.txt"] = "hello\n" })
        assert.are.equal(("exec: Permission denied (%s/plain.txt)"):format(tree.folder), (reason_of(tree)))
    end)

    it("because its command is no program", function()
        local garbage = live.write_file(live.folder() .. "/garbage", ("\0\1\2garbage"):rep(20), "755")
        local reason = reason_of(one(('command = { %q }'):format(garbage)))
        assert.are.equal(("exec: Exec format error (%s)"):format(garbage), reason)
    end)

    it("because its folder is missing", function()
        local reason, _, folder = reason_of(one [[command = { "/bin/true" }, cwd = "no/such/folder"]])
        assert.are.equal(("chdir: No such file or directory (%s/no/such/folder)"):format(folder), reason)
    end)
end)
