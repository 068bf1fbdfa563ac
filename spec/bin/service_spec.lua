local live = require "spec.support.live"
local proc = require "spec.support.proc"

describe("a service process", function()
    after_each(live.clean)

    local function up(options, run_options)
        local tree = live.tree(([[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.supervisor "group" { s.process "web" { command = { "/bin/sleep", "1000" }, %s } } }]])
            :format(options or ""), run_options)
        tree:await { type = "ready", path = "." }
        local pid = live.wait("the service's process", function()
            local found = tree:service "group/web"
            return found and proc.name(found) == "sleep" and found
        end)
        return tree, pid
    end

    it("has no descriptor but input, output and errors", function()
        local _, pid = up()
        local fds
        -- The dynamic linker has a library open for a moment.
        live.wait("three descriptors", function()
            fds = proc.descriptors(pid)
            local numbers = {}
            for number in pairs(fds) do numbers[#numbers + 1] = number end
            table.sort(numbers)
            return table.concat(numbers, " ") == "0 1 2"
        end)
        assert.are.equal("/dev/null", fds[0])
        assert.matches("^pipe:", fds[1])
        assert.are.equal(fds[1], fds[2])
    end)

    it("has a session of its own, a clean signal mask and default dispositions", function()
        local _, pid = up(nil, { before = { "/bin/sh", "-c", [[trap '' HUP USR1 PIPE; exec "$@"]], "sh" } })
        local stat = proc.read(pid, "stat"):match "^.*%) (.*)$"
        local _, _, group, session = stat:match "^(%S+) (%d+) (%d+) (%d+)"
        assert.are.equal(pid, tonumber(group))
        assert.are.equal(pid, tonumber(session))
        for _, field in ipairs { "SigBlk", "SigIgn", "SigCgt" } do
            assert.are.equal(0, tonumber(proc.status(pid, field), 16), field)
        end
    end)

    it("inherits the environment without what was meant for suptree, and knows its path and generation", function()
        local tree, pid = up([[env = { PORT = 8080, EMPTY = "" }, env_file = "web.env"]], {
            files = { ["web.env"] = "# a comment\nexport NAME='a b'\nPORT=1\n" },
            env = { NOTIFY_SOCKET = "x", LISTEN_FDS = "1", WATCHDOG_USEC = "1", SUPTREE_SOCKET = "x", MINE = "yes" },
        })
        local env = proc.environment(pid)
        assert.are.equal("yes", env.MINE)
        assert.are.equal("8080", env.PORT)
        assert.are.equal("a b", env.NAME)
        assert.are.equal("", env.EMPTY)
        assert.are.equal("group/web", env.SUPTREE_PATH)
        assert.are.equal("1", env.SUPTREE_GENERATION)
        for _, name in ipairs { "NOTIFY_SOCKET", "LISTEN_FDS", "WATCHDOG_USEC", "SUPTREE_SOCKET" } do
            assert.is_nil(env[name], name)
        end
        require "luv".kill(pid, "sigkill")
        tree:await { type = "launched", path = "group/web", generation = 2 }
        live.wait("the next generation", function()
            local now = tree:service "group/web"
            return now and proc.environment(now).SUPTREE_GENERATION == "2"
        end)
    end)

    it("with inherit_env = false gets little", function()
        local tree = live.tree([[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "web" { command = "env > env.txt; mv env.txt env; exec /bin/sleep 1000",
                    inherit_env = false, env = { MINE = "yes" } },
            }]], { env = { SECRET = "x" } })
        local text = live.wait("its note", function() return live.read_file(tree.folder .. "/env") end)
        assert.matches("MINE=yes\n", text, 1, true)
        assert.matches("PATH=", text, 1, true)
        assert.is_nil(text:find("SECRET", 1, true))
        assert.are.equal(0, tree:stop())
    end)

    it("runs in the folder of the configuration, or in cwd below it", function()
        local tree = live.tree([[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "here" { command = "pwd; exec /bin/sleep 1000" },
                s.process "there" { command = "pwd; exec /bin/sleep 1000", cwd = "sub" },
            }]], { files = { ["sub/x"] = "" } })
        tree:await_line("here", tree.folder)
        tree:await_line("there", tree.folder .. "/sub")
        assert.are.equal(0, tree:stop())
    end)

    it("gets a command in a table word by word, without a shell", function()
        local tree = live.tree [[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "echo" { command = { "echo", "$HOME", "a  b", "*" }, restart = "temporary" } }]]
        tree:await_line("echo", "$HOME a  b *")
        assert.are.equal(0, tree:stop())
    end)
end)

describe("1,000 services under a soft limit of 1,024 descriptors", function()
    after_each(live.clean)

    it("all run, and have the limit that suptree was started with", function()
        local count, soft = 1000, 1024
        if live.sanitized then count, soft = 300, 256 end
        local tree = live.tree(([[
            local s = require "suptree"
            local tree = { timeout = "60s" }
            for i = 1, %d do tree[i] = s.process("s" .. i) { command = { "/bin/sleep", "1000" } } end
            return s.supervisor "many" (tree)]]):format(count), {
            args = { "--quiet" },
            before = { "/bin/sh", "-c", ('ulimit -Sn %d; exec "$@"'):format(soft), "sh" },
        })
        tree:await { type = "ready", path = "." }
        assert.are.equal(count, #tree:all { type = "launched", kind = "process" })
        assert.are.equal(0, #tree:all { type = "launch_failed" })
        local limits = proc.read(tree:service "s1", "limits")
        assert.are.equal(soft, tonumber(limits:match "Max open files%s+(%d+)"))
        tree:kill_host()
        tree:await { type = "host_restarted" }
        assert.are.equal(count, #tree:all { type = "launched", kind = "process" })
        assert.are.equal(0, tree:stop())
        assert.are.equal(count, #tree:all { type = "ended", kind = "process" })
    end)
end)
