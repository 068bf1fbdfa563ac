local live = require "spec.support.live"
local proc = require "spec.support.proc"
local uv = require "luv"

-- The host, suptree-log and the keeper are killed; what was promised about it holds.
describe("when the host is killed", function()
    after_each(live.clean)

    local sleeper = [[s.process "web" { command = { "/bin/sleep", "1000" } },]]

    local function tree_of(services, options, run_options)
        return live.tree(([[
            local s = require "suptree"
            return s.supervisor "tree" { %s
                %s
            }]]):format(options or "", services), run_options)
    end

    it("no service is restarted, and it says so", function()
        local tree = tree_of(sleeper)
        tree:await { type = "ready", path = "." }
        local launched
        live.wait("the process of web", function()
            launched = tree:service "web"
            return launched
        end)
        tree:kill_host()
        tree:await { type = "host_restarted" }
        assert.are.equal(launched, tree:service "web")
        assert.are.equal(1, #tree:all { type = "launched", path = "web" })
        live.wait("the keeper's word", function() return tree.err:find("no service is touched", 1, true) end)
        assert.are.equal(0, tree:stop())
        assert.are.equal("TERM", tree:all({ type = "ended", path = "web" })[1].signal)
        assert.are.equal(1, #tree:all { type = "ended", path = "web" })
    end)

    it("a service that dies while there is no host is counted and started again by the next one", function()
        local tree = tree_of(sleeper .. [[s.process "job" { command = { "/bin/sleep", "1000" } },]],
            [[failure_decay = "1h",]])
        tree:await { type = "ready", path = "." }
        local host, web, job = tree:host(), tree:service "web", tree:service "job"
        -- A stopped keeper starts no host and reaps nobody.
        uv.kill(tree.pid, "sigstop")
        uv.kill(host, "sigkill")
        uv.kill(web, "sigkill")
        uv.kill(job, "sigsegv")
        live.wait("their ends", function() return not (proc.lives(host) or proc.lives(web) or proc.lives(job)) end)
        uv.kill(tree.pid, "sigcont")
        tree:await { type = "launched", path = "web", generation = 2 }
        tree:await { type = "launched", path = "job", generation = 2 }
        assert.are.equal("KILL", tree:all({ type = "ended", path = "web" })[1].signal)
        assert.are.equal("SEGV", tree:all({ type = "ended", path = "job" })[1].signal)
        local failed = tree:all { type = "failed" }
        assert.are.equal(2, #failed)
        assert.is_true(failed[2].count > 1.9)
        assert.are.equal(0, tree:stop())
    end)

    it("a pause goes on to its end, and what waited starts then", function()
        local tree = tree_of(sleeper .. [[s.process "bad" { command = { "/bin/false" } },]],
            [[failure_threshold = 1, failure_backoff = "2s",]])
        local backoff = tree:await { type = "backoff", path = "." }
        tree:kill_host()
        local resume = tree:await { type = "resume", path = "." }
        -- Times in events are whole milliseconds.
        assert.is_true(resume.time - backoff.time >= 1.998)
        local launched = tree:all { type = "launched", path = "bad" }
        local late = tree:await({ type = "launched", path = "bad" }, #launched + 1)
        assert.is_true(late.seq > resume.seq)
        assert.are.equal(1, #tree:all { type = "host_restarted" })
        tree:stop()
    end)

    it("a stop that is under way goes on", function()
        local tree = tree_of([[s.process "deaf" {
            command = "trap '' TERM; echo up; while :; do /bin/sleep 1000; done", timeout = "3s" },]])
        tree:await_line("deaf", "up")
        tree:kill "TERM"
        tree:await { type = "stopping", path = "deaf" }
        tree:kill_host()
        assert.are.equal(0, (tree:wait()))
        assert.are.equal("KILL", tree:all({ type = "ended", path = "deaf" })[1].signal)
        assert.are.equal(0, tree:all({ type = "stopped" })[1].code)
    end)

    it("what it had not yet said of a stop is said by the next one", function()
        local count = 500 -- more than its socket to the keeper holds
        local tree = live.tree(([[
            local s = require "suptree"
            local group = { timeout = "1h" }
            for i = 1, %d do group[i] = s.process("s" .. i) { command = { "/bin/sleep", "1000" } } end
            return s.supervisor "tree" { s.supervisor "group" (group) }]]):format(count), { args = { "--quiet" } })
        tree:await { type = "ready", path = "." }
        local host = tree:host()
        uv.kill(tree.pid, "sigstop") -- the keeper hears nothing
        live.connect "tree":ask("stop", { paths = { "group" } })
        tree:await({ type = "stopping", kind = "process" }, count)
        uv.kill(host, "sigkill")
        live.wait("its end", function() return not proc.lives(host) end)
        uv.kill(tree.pid, "sigcont")
        tree:await({ type = "ended", kind = "process" }, count)
        assert.are.equal(count, #tree:all { type = "ended", kind = "process", signal = "TERM" })
        assert.are.equal(0, tree:stop())
    end)

    it("by hanging, it is aborted after ten seconds and replaced", function()
        local tree = tree_of(sleeper)
        tree:await { type = "ready", path = "." }
        local host, web = tree:host(), tree:service "web"
        uv.kill(host, "sigstop")
        tree:await { type = "host_restarted" }
        assert.are.not_equal(host, tree:host())
        assert.are.equal(web, tree:service "web")
        assert.matches("is aborted", tree.err, 1, true)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("when every host dies at its start", function()
    after_each(live.clean)

    -- Hosts die while the file `broken` stands beside them.
    local function breakable()
        local folder = live.folder()
        local script = ('#!/bin/sh\n[ -e "%s/broken" ] && kill -SEGV $$\nexec %s "$@"\n'):format(folder, live.program)
        local host = live.write_file(folder .. "/host", script, "755")
        local program = live.installation { "--host", host }
        return program, folder .. "/broken"
    end

    local config = [[
        local s = require "suptree"
        return s.supervisor "tree" { s.process "web" { command = { "/bin/sleep", "1000" } } }]]

    it("the services run on; the fifth time it is safe mode; a good host takes over", function()
        local program, broken = breakable()
        local tree = live.tree(config, { program = program })
        tree:await { type = "ready", path = "." }
        local web = tree:service "web"
        live.write_file(broken, "")
        uv.kill(tree:host(), "sigkill")
        tree:await_text("safe mode", "err")
        assert.are.equal(web, tree:service "web")
        uv.fs_unlink(broken)
        tree:await { type = "host_restarted" }
        assert.are.equal(web, tree:service "web")
        assert.are.equal(0, tree:stop())
    end)

    it("TERM stops what runs in order without a host", function()
        local program, broken = breakable()
        local tree = live.tree([[
            local s = require "suptree"
            local function server(name, after)
                return s.process(name) {
                    command = "trap 'echo $SUPTREE_PATH >> ended; exit 0' TERM; /bin/sleep 1000 & echo up; wait",
                    after = after, stop_signal = "TERM",
                }
            end
            return s.supervisor "tree" { server("db"), server("web", { "db" }), server("proxy", { "web" }) }]],
            { program = program })
        for _, name in ipairs { "db", "web", "proxy" } do tree:await_line(name, "up") end
        live.write_file(broken, "")
        uv.kill(tree:host(), "sigkill")
        tree:await_text("in 2 s", "err")
        assert.are.equal(0, tree:stop())
        assert.are.equal("proxy\nweb\ndb\n", live.read_file(tree.folder .. "/ended"))
    end)
end)

describe("when suptree-log is killed", function()
    after_each(live.clean)

    it("a new one goes on where it was: no byte is lost, no service notices", function()
        local tree = live.tree([[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "writer" {
                    command = "i=0; while [ $i -lt 5000 ]; do i=$((i + 1)); echo line $i; done; exec /bin/sleep 1000",
                    log = { file = "writer.log" },
                },
            }]], { args = { "--quiet" } })
        local killed = 0
        while killed < 3 do
            local former = live.wait("a suptree-log", function() return tree:logger() end)
            uv.kill(former, "sigkill")
            killed = killed + 1
            live.wait("another suptree-log", function()
                local now = tree:logger()
                return now and now ~= former
            end)
        end
        local expected = {}
        for i = 1, 5000 do expected[i] = "line " .. i end
        expected = table.concat(expected, "\n") .. "\n"
        live.wait("all lines in the file", function()
            return #(live.read_file(tree.folder .. "/writer.log") or "") >= #expected
        end)
        assert.is_true(live.read_file(tree.folder .. "/writer.log") == expected)
        assert.are.equal(1, #tree:all { type = "launched", path = "writer" })
        assert.are.equal(0, tree:stop())
    end)
end)

describe("when the keeper is killed", function()
    after_each(live.clean)

    it("the host stops the tree in order and goes", function()
        local tree = live.tree [[
            local s = require "suptree"
            local function server(name, after)
                return s.process(name) {
                    command = [=[trap 'echo bye; echo $SUPTREE_PATH >> ended; exit 0' TERM
                        /bin/sleep 1000 & echo up; wait]=],
                    after = after,
                }
            end
            return s.supervisor "tree" { server("db"), server("web", { "db" }) }]]
        tree:await_line("db", "up")
        tree:await_line("web", "up")
        tree:kill "KILL"
        tree:wait()
        assert.are.equal(9, tree.signal)
        live.wait(function()
            return ("all to end; the output is\n%s--- errors\n%s--- events\n%s"):format(tree.out, tree.err,
                live.read_file(tree.folder .. "/events.jsonl"))
        end, function() return #tree:family() == 0 end)
        assert.are.equal("web\ndb\n", live.read_file(tree.folder .. "/ended"))
        -- suptree-log stays as long as the host: last words are kept, and told.
        tree:await_line("web", "bye")
        tree:await_line("db", "bye")
        tree:await { type = "stopped", path = "." }
    end)
end)
