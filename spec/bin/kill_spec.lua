-- How a process is stopped: signals one after the other, and whom a kill reaches.
local live = require "spec.support.live"
local proc = require "spec.support.proc"
local uv = require "luv"

local function config(options, command)
    return ([[
        local s = require "suptree"
        return s.supervisor "tree" { s.process "web" { command = %q, %s } }]]):format(command, options)
end

-- Pid that a service has written into a file beside the configuration.
local function written_pid(tree, file)
    return live.wait(file, function()
        return math.tointeger(tonumber((live.read_file(tree.folder .. "/" .. file) or ""):match "^%d+\n" or ""))
    end)
end

-- Says so once it hears signals, and hears each at once.
local UP_AND_WAIT = "sleep 1000 & echo up; while :; do wait; done"

-- A child of the service that has left its session and its parent.
local ESCAPE = "(setsid sh -c 'echo $$ > escaped; exec sleep 1000' &); "

describe("the steps of a stop", function()
    after_each(live.clean)

    it("are taken one after the other", function()
        local tree = live.tree(config([[stop = { { "USR1", "1s" }, { "INT", "1s" }, { "TERM", "60s" } }]],
            "trap 'echo usr1' USR1; trap 'echo int' INT; trap 'echo term; exit 0' TERM; " .. UP_AND_WAIT))
        tree:await_line("web", "up")
        assert.are.equal(0, tree:stop())
        local order = {}
        for word in tree.out:gmatch "web *| (%l+1?)\n" do order[#order + 1] = word end
        assert.are.same({ "up", "usr1", "int", "term" }, order)
        assert.are.equal(0, #tree:all { type = "killed" })
    end)

    it("end with the kill when all have had their time", function()
        local tree = live.tree(config([[stop = { { "INT", "1s" }, { "TERM", "1s" } }]],
            "trap 'echo int' INT; trap 'echo term' TERM; " .. UP_AND_WAIT))
        tree:await_line("web", "up")
        assert.are.equal(0, tree:stop())
        assert.are.equal(1, tree:count_lines("web", "int"))
        assert.are.equal(1, tree:count_lines("web", "term"))
        assert.are.equal(1, #tree:all { type = "killed", path = "web" })
    end)

    it("go on after a death of the host, and none is taken twice", function()
        local tree = live.tree(config([[stop = { { "USR1", "1s" }, { "TERM", "60s" } }]],
            "trap 'echo usr1' USR1; trap 'echo term; exit 0' TERM; " .. UP_AND_WAIT))
        tree:await_line("web", "up")
        tree:kill "TERM"
        tree:await_line("web", "usr1")
        tree:kill_host()
        assert.are.equal(0, tree:wait())
        assert.are.equal(1, tree:count_lines("web", "usr1"))
        assert.are.equal(1, tree:count_lines("web", "term"))
    end)

    it("reach a service that was halted", function()
        local tree = live.tree(config("", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"))
        tree:await_line("web", "up")
        local pid = tree:service "web"
        uv.kill(pid, "sigstop")
        live.wait("it to halt", function() return proc.state(pid) == "T" end)
        assert.are.equal(0, tree:stop())
        assert.are.equal(0, #tree:all { type = "killed" })
    end)

    it("are checked", function()
        local folder = live.folder()
        local function refuses(options, words)
            live.write_file(folder .. "/supervise.lua", config(options, "true"))
            local code, _, err = live.run { live.program, "check", folder }
            assert.are.equal(78, code)
            assert.matches(words, err, 1, true)
        end
        refuses([[stop = "INT"]], "web.stop: must be a list of steps")
        refuses([[stop = { { "IMT", "5s" } }]], 'web.stop[1]: "IMT" is not a signal, did you mean "INT"')
        refuses([[stop = { { "INT", "x" } }]], 'web.stop[1]: "x" is not a duration')
        refuses([[stop = { { "INT", "infinity" }, { "TERM", "1s" } }]], "Only the last step may be")
        refuses([[stop = { { "INT", "5s" } }, timeout = 3]], "web.stop: cannot stand beside timeout")
        refuses([[stop = { { "INT", "5s" } }, stop_signal = "QUIT"]], "web.stop: cannot stand beside stop_signal")
        refuses([[kill_mode = "all"]], "web.kill_mode")
    end)
end)

describe("what a service has made", function()
    after_each(live.clean)

    it("is killed with it, wherever it has gone", function()
        local tree = live.tree(config("", ESCAPE .. "echo up; exec sleep 1000"))
        tree:await_line("web", "up")
        local escaped = written_pid(tree, "escaped")
        assert.are.equal(0, tree:stop())
        live.wait("it to be killed", function() return not proc.lives(escaped) end)
    end)

    it("is killed before the next instance starts", function()
        local tree = live.tree(config("", ESCAPE .. "echo up; exec sleep 1000"))
        tree:await_line("web", "up")
        local escaped = written_pid(tree, "escaped")
        uv.kill(tree:service "web", "sigkill")
        live.wait("it to be killed", function() return not proc.lives(escaped) end)
        tree:await({ type = "launched", path = "web" }, 2)
        assert.are.equal(0, tree:stop())
    end)

    it("lives on with kill_mode = \"process\"", function()
        local tree = live.tree(config([[kill_mode = "process"]],
            "sleep 1000 & echo $! > left; echo up; exec sleep 1000"))
        tree:await_line("web", "up")
        local left = written_pid(tree, "left")
        uv.kill(tree:service "web", "sigkill")
        tree:await({ type = "launched", path = "web" }, 2)
        assert.is_true(proc.lives(left))
        uv.kill(left, "sigkill")
        local last = live.wait("the next one's", function()
            local pid = written_pid(tree, "left")
            return pid ~= left and pid
        end)
        assert.are.equal(0, tree:stop())
        assert.is_true(proc.lives(last))
        uv.kill(last, "sigkill")
        live.wait("it to be gone", function() return not proc.lives(last) end)
    end)

    it("is found by its environment where there is no cgroup", function()
        local tree = live.tree(config("", ESCAPE .. "echo up; exec sleep 1000"),
            { before = { "unshare", "--mount", "sh", "-c",
                'umount -a -t cgroup2 2>/dev/null; exec "$@"', "sh" } })
        if live.run { "unshare", "--mount", "true" } ~= 0 then
            return pending "this machine gives us no mount namespaces: run as root"
        end
        tree:await_line("web", "up")
        local escaped = written_pid(tree, "escaped")
        uv.kill(tree:service "web", "sigkill")
        live.wait("it to be killed", function() return not proc.lives(escaped) end)
        assert.are.equal(0, tree:stop())
    end)

    it("leaves no folder behind when the keeper is killed, but until the next one starts", function()
        local tree = live.tree(config("", "echo up; exec sleep 1000"))
        tree:await_line("web", "up")
        local function folder()
            local _, out = live.run { "sh", "-c", "find /sys/fs/cgroup -maxdepth 6 -name suptree-" .. tree.pid }
            return out
        end
        if folder() == "" then return pending "this machine gives us no cgroups" end
        uv.kill(tree.pid, "sigkill")
        live.wait("the host to end, too", function() return #tree:family() == 0 end)
        -- It is there until any tree of this machine starts, such as this one.
        local next_tree = live.tree(config("", "echo up; exec sleep 1000"))
        next_tree:await_line("web", "up")
        assert.are.equal("", folder())
        assert.are.equal(0, next_tree:stop())
    end)

    it("leaves no folder of a cgroup behind", function()
        local tree = live.tree(config("", "echo up; exec sleep 1000"))
        tree:await_line("web", "up")
        local keeper = tree.pid
        assert.are.equal(0, tree:stop())
        local _, out = live.run { "sh", "-c", "find /sys/fs/cgroup -maxdepth 6 -name suptree-" .. keeper }
        assert.are.equal("", out)
    end)
end)
