-- The limits of cgroups: option, files, reload, what does not hold, lack of memory. A folder that looks like a cgroup
-- stands for the real one; spec/bin/cgroup_linux_spec.lua tries the same in a Linux of its own.
local cjson = require "cjson"
local live = require "spec.support.live"
local proc = require "spec.support.proc"
local uv = require "luv"

local function config(options, command)
    return ([[
        local s = require "suptree"
        return s.supervisor "tree" { s.process "web" { command = %s, %s } }]]):format(
        command or '{ "sleep", "1000" }', options)
end

-- A tree whose cgroup is a folder; `given`: text of its cgroup.controllers, or a table of files.
local function tree_in(given, ...)
    local folder = live.folder()
    local files = type(given) == "table" and given or { ["cgroup.controllers"] = given }
    files["cgroup.subtree_control"] = files["cgroup.subtree_control"] or ""
    for name, text in pairs(files) do live.write_file(folder .. "/" .. name, text) end
    local tree = live.tree(config(...), { program = live.installation { "--test-cgroup", folder } })
    tree.cgroup = folder
    return tree
end

-- The text of a file in the folder of the tree's service number `number`.
local function limit(tree, file, number)
    return live.read_file(("%s/suptree-%d/%s/%s"):format(tree.cgroup, tree.pid, number or 1, file))
end

local function status(tree)
    local code, out = live.run { live.program, "status", "--json", "-n", "tree", "web" }
    assert.is_truthy(code == 0 or code == 3)
    return cjson.decode(out).services[1], tree
end

local ALL = "cpu io memory pids\n"

describe("limits of a cgroup", function()
    after_each(live.clean)

    it("are written before the process is started", function()
        local tree = tree_in(ALL, [[cgroup = { memory_max = "64MiB", memory_high = 1048576, memory_low = "4KiB",
            swap_max = 0, cpu_max = "150%", cpu_weight = 50, pids_max = 100, io_weight = 200 }]],
            ([["cat suptree-*/1/memory.max; exec sleep 1000"]]))
        tree:await { type = "launched", path = "web" }
        assert.are.equal("67108864", limit(tree, "memory.max"))
        assert.are.equal("1048576", limit(tree, "memory.high"))
        assert.are.equal("4096", limit(tree, "memory.low"))
        assert.are.equal("0", limit(tree, "memory.swap.max"))
        assert.are.equal("150000 100000", limit(tree, "cpu.max"))
        assert.are.equal("50", limit(tree, "cpu.weight"))
        assert.are.equal("100", limit(tree, "pids.max"))
        assert.are.equal("default 200", limit(tree, "io.weight"))
        assert.is_nil(status(tree).limits_off)
        assert.matches("+pids", live.read_file(tree.cgroup .. "/cgroup.subtree_control"), 1, true)
        assert.are.equal(0, tree:stop())
    end)

    it("may be none", function()
        local tree = tree_in(ALL, [[cgroup = { memory_max = "max", cpu_max = "max", pids_max = "max" }]])
        tree:await { type = "launched", path = "web" }
        assert.are.equal("max", limit(tree, "memory.max"))
        assert.are.equal("max 100000", limit(tree, "cpu.max"))
        assert.are.equal("max", limit(tree, "pids.max"))
        assert.are.equal(0, tree:stop())
    end)

    it("that are not to be had are left out, which is said once and stands in the status", function()
        local tree = tree_in("cpu pids\n", [[cgroup = { memory_max = "64MiB", pids_max = 100 }]])
        tree:await { type = "launched", path = "web" }
        tree:await_text "web runs, but its memory_max does not hold: our cgroup has no controller for it"
        assert.are.equal("100", limit(tree, "pids.max"))
        assert.is_nil(limit(tree, "memory.max"))
        local node = status(tree)
        assert.are.same({ "memory_max" }, node.limits_off)
        assert.matches("memory_max does not hold", node.limits_text, 1, true)
        tree:kill_host()
        live.wait("the status of a new host", function() return status(tree).limits_off end)
        local _, page = live.run { live.program, "status", "-n", "tree", "web" }
        assert.matches("limits  memory_max does not hold: our cgroup has no controller for it; boot with", page,
            1, true)
        local _, told = live.run { live.program, "explain", "-n", "tree", "web" }
        assert.matches("; its memory_max does not hold: our cgroup has no controller for it", told, 1, true)
        uv.kill(tree:service "web", "sigkill")
        tree:await({ type = "launched", path = "web" }, 2)
        assert.are.equal(0, tree:stop())
    end)

    it("that are required and not to be had fail the start", function()
        local tree = tree_in("cpu pids\n",
            [[restart = "temporary", cgroup = { memory_max = "64MiB", required = true }]])
        local event = tree:await { type = "launch_failed", path = "web" }
        assert.matches("cgroup: memory_max does not hold: our cgroup has no controller for it", event.reason, 1, true)
        tree:stop()
    end)

    it("are not passed on where others live in the same cgroup", function()
        local tree = tree_in({ ["cgroup.controllers"] = ALL, ["cgroup.type"] = "domain\n", ["cgroup.procs"] = "1\n" },
            [[cgroup = { pids_max = 100 }]])
        tree:await_text "its pids_max does not hold: others live in our cgroup"
        assert.are.equal("", live.read_file(tree.cgroup .. "/cgroup.subtree_control"))
        assert.are.equal(0, tree:stop())
    end)

    it("are changed by a reload while it runs, and those that are gone are taken back", function()
        local tree = tree_in(ALL, [[cgroup = { memory_max = "64MiB", cpu_max = 0.5, pids_max = 100 }]])
        tree:await { type = "launched", path = "web" }
        tree:await_text "tree is up"
        local pid = tree:service "web"
        live.write_file(tree.folder .. "/supervise.lua",
            config [[cgroup = { memory_max = "32MiB", cpu_weight = 10, pids_max = 100 }]])
        local code, out = live.run { live.program, "reload", "-n", "tree" }
        assert.are.equal(0, code)
        assert.matches("~ web update cgroup", out, 1, true)
        live.wait("the new limit", function() return limit(tree, "memory.max") == "33554432" end)
        live.wait("the other limits", function()
            return limit(tree, "cpu.max") == "max" and limit(tree, "cpu.weight") == "10"
        end)
        assert.are.equal(pid, tree:service "web")
        live.write_file(tree.folder .. "/supervise.lua", config "")
        assert.are.equal(0, (live.run { live.program, "reload", "-n", "tree" }))
        live.wait("the end of limits", function()
            return limit(tree, "memory.max") == "max" and limit(tree, "cpu.weight") == "100"
        end)
        assert.are.equal(pid, tree:service "web")
        assert.are.equal(0, tree:stop())
    end)

    it("need no way of killing by cgroup", function()
        local tree = tree_in(ALL, [[kill_mode = "process", cgroup = { pids_max = 100 }]])
        tree:await { type = "launched", path = "web" }
        assert.are.equal("100", limit(tree, "pids.max", "kept-1"))
        assert.are.equal(0, tree:stop())
    end)

    it("are checked", function()
        local folder = live.folder()
        local function refuses(options, words, hint)
            live.write_file(folder .. "/supervise.lua", config(options))
            local code, _, err = live.run { live.program, "check", folder }
            assert.are.equal(78, code)
            assert.matches(words, err, 1, true)
            if hint then assert.matches(hint, err, 1, true) end
        end
        refuses([[cgroup = "64MiB"]], 'web.cgroup: must be a table, not "64MiB"')
        refuses([[cgroup = {}]], "web.cgroup: has no limit", "Write { memory_max")
        refuses([[cgroup = { required = true }]], "web.cgroup: has no limit")
        refuses([[cgroup = { memory = 1 }]], 'web.cgroup: has the unknown key "memory"', "memory_max")
        refuses([[cgroup = { memory_max = "64MB/s" }]], 'web.cgroup.memory_max: "64MB/s" is no memory_max', '"64MiB"')
        refuses([[cgroup = { memory_max = 100 }]], "web.cgroup.memory_max: is less than 64KiB")
        refuses([[cgroup = { cpu_max = 0 }]], "web.cgroup.cpu_max: is less than 0.01", "1.5")
        refuses([[cgroup = { cpu_max = "50%%" }]], 'web.cgroup.cpu_max: "50%%" is no cpu_max')
        refuses([[cgroup = { cpu_weight = 0 }]], "web.cgroup.cpu_weight: must be a whole number from 1 to 10000")
        refuses([[cgroup = { io_weight = "max" }]], 'web.cgroup.io_weight: "max" is no io_weight')
        refuses([[cgroup = { pids_max = 1.5 }]], "web.cgroup.pids_max: 1.5 is no pids_max")
        refuses([[cgroup = { required = 1, pids_max = 2 }]], "web.cgroup.required")
    end)
end)

describe("lack of memory", function()
    after_each(live.clean)

    local function lack(tree, text)
        live.write_file(("%s/suptree-%d/1/memory.events"):format(tree.cgroup, tree.pid), text)
    end

    it("is recognised as the reason of an end", function()
        local tree = tree_in(ALL, [[restart_delay = "10m", cgroup = { memory_max = "64MiB" }]])
        tree:await { type = "launched", path = "web" }
        lack(tree, "low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\n")
        live.write_file(("%s/suptree-%d/1/memory.peak"):format(tree.cgroup, tree.pid), "67108864\n")
        uv.kill(tree:service "web", "sigkill")
        local event = tree:await { type = "ended", path = "web" }
        assert.are.equal("killed for lack of memory (memory_max 64MiB)", event.reason)
        assert.is_true(event.oom)
        assert.are.equal("KILL", event.signal)
        assert.are.equal(67108864, event.memory_peak)
        assert.are.equal(event.reason, tree:await { type = "failed", path = "web" }.reason)
        tree:kill_host()
        local last = live.wait("the status of a new host", function() return status(tree).last end)
        assert.are.equal("oom", last.reason)
        assert.are.equal(event.reason, last.text)
        assert.are.equal(0, tree:stop())
    end)

    it("of the machine is told from that of the limit", function()
        local tree = tree_in(ALL, [[restart = "temporary", cgroup = { memory_max = "64MiB" }]])
        tree:await { type = "launched", path = "web" }
        lack(tree, "oom 0\noom_kill 1\n")
        uv.kill(tree:service "web", "sigkill")
        local event = tree:await { type = "ended", path = "web" }
        assert.are.equal("killed for lack of memory (the machine's or a container's, not by a limit of its own)",
            event.reason)
        tree:stop()
    end)

    it("is known from the kernel's log where there is no limit of its own", function()
        local memory = "/sys/fs/cgroup/memory"
        local is_first = uv.fs_readlink "/proc/self/ns/pid" == "pid:[4026531836]" and uv.fs_access("/dev/kmsg", "R")
        if uv.getuid() ~= 0 or not is_first or not uv.fs_stat(memory .. "/memory.limit_in_bytes") then
            return pending "only root can lack memory at will, with cgroup v1, outside of containers"
        end
        local above = ("%s/suptree-spec-%d"):format(memory, uv.os_getpid())
        assert(uv.fs_mkdir(above, tonumber("755", 8)))
        finally(function() live.wait("the cgroup to be empty", function() return uv.fs_rmdir(above) end) end)
        live.write_file(above .. "/memory.limit_in_bytes", "16777216")
        local tree = live.tree(config([[restart = "temporary"]], ("[[echo $$ > %s/cgroup.procs; exec lua5.4 "
            .. "-e 'local t = {} for i = 1, 400 do t[i] = (%q):rep(1 << 20) end']]"):format(above, "x")))
        local event = tree:await { type = "ended", path = "web" }
        assert.are.equal("killed for lack of memory (the machine's or a container's, not by a limit of its own)",
            event.reason)
        tree:stop()
    end)

    it("of a part of it is said beside its own end", function()
        local tree = tree_in(ALL, [[restart = "temporary", cgroup = { memory_max = "64MiB" }]],
            [["until [ -e go ]; do sleep 0.02; done; exit 3"]])
        tree:await { type = "launched", path = "web" }
        lack(tree, "oom 1\noom_kill 1\n")
        live.write_file(tree.folder .. "/go", "")
        local event = tree:await { type = "ended", path = "web" }
        assert.are.equal("exit code 3 (something of it was killed for lack of memory)", event.reason)
        assert.are.equal(3, event.code)
        tree:stop()
    end)

    it("is no reason when there was none", function()
        local tree = tree_in(ALL, [[restart = "temporary", cgroup = { memory_max = "64MiB" }]])
        tree:await { type = "launched", path = "web" }
        lack(tree, "oom 0\noom_kill 0\n")
        uv.kill(tree:service "web", "sigkill")
        local event = tree:await { type = "ended", path = "web" }
        assert.are.equal("killed by signal 9 (KILL)", event.reason)
        assert.is_nil(event.oom)
        assert.is_true(event.memory_peak > 0)
        tree:stop()
    end)

    it("is simulated", function()
        local suptree = require "suptree"
        local sim = suptree.sim(suptree.supervisor "tree" {
            suptree.process "web" { command = { "true" }, cgroup = { memory_max = "64MiB" } },
        })
        sim:start()
        sim:exit("web", { signal = "KILL", oom = true })
        local failed
        for _, event in ipairs(sim:events()) do if event.type == "failed" then failed = event end end
        assert.are.equal("killed for lack of memory (memory_max 64MiB)", failed.reason)
        assert.is_true(failed.oom)
    end)
end)

describe("what services use", function()
    after_each(live.clean)

    it("is shown when it is asked for", function()
        local tree = tree_in(ALL, [[cgroup = { pids_max = 100 }]], [["sleep 1000 & echo up; wait"]])
        tree:await_line("web", "up")
        local node = status(tree)
        assert.are.equal(2, node.usage.processes)
        assert.is_true(node.usage.memory > 0)
        local _, all = live.run { live.program, "status", "--json", "-n", "tree" }
        assert.is_nil(cjson.decode(all).services[2].usage)
        local _, shown = live.run { live.program, "status", "--usage", "-n", "tree" }
        assert.matches("PID +CPU +MEMORY +PROCS +UPTIME", shown)
        assert.matches("\nweb +running +yes +%d+ +[%d.]+m?s +[%d.]+[KM] +2 ", shown)
        live.write_file(("%s/suptree-%d/1/memory.current"):format(tree.cgroup, tree.pid), "3145728\n")
        live.write_file(("%s/suptree-%d/1/memory.peak"):format(tree.cgroup, tree.pid), "4194304\n")
        tree:kill_host()
        local page
        live.wait("the page of a new host", function()
            page = select(2, live.run { live.program, "status", "-n", "tree", "web" })
            return page:find "uses"
        end)
        assert.matches("uses  3.0M of memory (at most 4.0M), ", page, 1, true)
        assert.matches(", 2 processes\n", page, 1, true)
        assert.are.equal(0, tree:stop())
    end)
end)

-- A frozen process obeys no kill, and looks as one does that hangs in the kernel.
describe("what outlives its kill", function()
    local frozen

    after_each(function()
        if frozen then
            live.write_file(frozen .. "/freezer.state", "THAWED")
            live.wait("the frozen to go", function() return uv.fs_rmdir(frozen) end)
        end
        frozen = nil
        live.clean()
    end)

    it("is told with what holds it", function()
        local freezer = "/sys/fs/cgroup/freezer"
        if uv.getuid() ~= 0 or not uv.fs_stat(freezer .. "/cgroup.procs") then
            return pending "only root can freeze processes, with cgroup v1"
        end
        local tree = live.tree(config [[timeout = "100ms", kill_timeout = "100ms"]])
        tree:await { type = "launched", path = "web" }
        local pid = tree:running "web"
        frozen = ("%s/suptree-spec-%d"):format(freezer, uv.os_getpid())
        assert(uv.fs_mkdir(frozen, tonumber("755", 8)))
        live.write_file(frozen .. "/cgroup.procs", ("%d"):format(pid))
        live.write_file(frozen .. "/freezer.state", "FROZEN")
        live.wait("it to be frozen", function() return proc.state(pid) == "D" end)
        local words = ("pid %d (sleep) is stuck in the kernel"):format(pid)
        local code, _, err = live.run { live.program, "stop", "-n", "tree", "web" }
        assert.are.equal(1, code)
        assert.matches("web: it outlived its kill: " .. words, err, 1, true)
        assert.matches(words, tree:await { type = "stuck", path = "web" }.error, 1, true)
        local node = status(tree)
        assert.are.equal("stuck", node.state)
        assert.matches(words, node.stuck_on, 1, true)
        local _, told = live.run { live.program, "explain", "-n", "tree", "web" }
        assert.matches("was killed and has not ended: " .. words, told, 1, true)
        tree:kill "TERM"
        tree:await_text("not stopped: web (" .. words)
    end)
end)

describe("a cgroup that is another user's", function()
    after_each(live.clean)

    it("is not used, and the service runs", function()
        if uv.getuid() ~= 0 then return pending "only root can run as another user" end
        local folder = live.folder()
        live.write_file(folder .. "/supervise.lua", config [[cgroup = { pids_max = 100 }]])
        assert(uv.fs_chown(folder, 65534, 65534))
        local tree = live.spawn({ "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", live.program, "run",
            folder .. "/supervise.lua" }, { cwd = folder, env = { XDG_RUNTIME_DIR = folder } })
        tree:await_text "web runs, but its pids_max does not hold: there is no cgroup v2 that we may use (Permission"
        tree:kill "TERM"
        assert.are.equal(0, (tree:wait()))
    end)
end)
