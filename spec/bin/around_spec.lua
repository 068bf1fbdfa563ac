local live = require "spec.support.live"
local uv = require "luv"

-- `before` and `after_exit`: the commands around the main process, from outside. Files tell what ran: `trace` is
-- written by all; who waits at a gate goes on when the spec opens it.
describe("commands around a service", function()
    after_each(live.clean)

    local is_root = uv.getuid() == 0
    local GATE = "test -p %s || mkfifo -m 666 %s; cat %s; "

    local function gate(name) return GATE:format(name, name, name) end

    -- Let whoever waits at the gate of this name go on.
    local function open_gate(tree, name)
        local path = tree.folder .. "/" .. name
        live.wait("the gate " .. name, function() return uv.fs_stat(path) end)
        local file
        live.wait("somebody at the gate " .. name, function()
            file = uv.fs_open(path, uv.constants.O_WRONLY | uv.constants.O_NONBLOCK, 0)
            return file
        end)
        uv.fs_close(file)
    end

    local function tree_of(services, options)
        return live.tree(('local s = require "suptree"\nreturn s.supervisor "tree" { %s }'):format(services), options)
    end

    local function trace(tree) return live.read_file(tree.folder .. "/trace") or "" end

    local function await_trace(tree, text)
        live.wait(function()
            return ("the trace to be:\n%s\nbut it is:\n%s\n%s"):format(text, trace(tree), tree.out)
        end, function() return trace(tree) == text end)
    end

    local function control(tree, ...)
        return live.run({ live.program, ... }, { cwd = tree.folder })
    end

    describe("before", function()
        it("runs in order, as the service does, and what it writes is in the service's output", function()
            local tree = tree_of [[s.process "web" { env = { WHO = "me" }, cwd = "/",
                before = { { "echo", "first" }, "echo $WHO $PWD $SUPTREE_PATH $SUPTREE_GENERATION" },
                command = "echo main; exec sleep 1000" }]]
            tree:await { type = "ready", path = "web" }
            tree:await_line("web", "main")
            local at = tree.out:match "first\n.-()me / web 1\n.-main\n"
            assert.truthy(at, tree.out)
            assert.are.equal(0, tree:stop())
        end)

        it("that fails is a failed start, counted once, and tried again until it succeeds", function()
            local tree = tree_of [[
                s.process "web" { before = "echo x >>trace; test -e ok || exit 3", command = "exec sleep 1000",
                    restart_delay = "50ms" },
                s.process "client" { command = "exec sleep 1000", after = { "web" } }, failure_threshold = 1000]]
            local failed = tree:await({ type = "failed", path = "web" }, 2)
            assert.are.equal("before: exit status 3 (echo x >>trace; test -e ok || exit 3)", failed.reason)
            assert.are.same({}, tree:all { type = "launched", kind = "process" })
            live.write_file(tree.folder .. "/ok", "")
            tree:await { type = "launched", path = "client" }
            local web = tree:all({ type = "launched", path = "web" })[1]
            assert.are.equal(#tree:all { type = "failed", path = "web" } + 1, web.generation)
            assert.are.equal(("x\n"):rep(web.generation), trace(tree))
            assert.are.equal(0, tree:stop())
        end)

        it("that cannot be run says which and why", function()
            local tree = tree_of [[s.process "web" { before = { { "true" }, { "./none" } }, command = "exec sleep 1000",
                restart_delay = 60 }]]
            local failed = tree:await { type = "failed", path = "web" }
            assert.are.equal(("before: exec: No such file or directory (%s/none)"):format(tree.folder), failed.reason)
            assert.are.equal(0, tree:stop())
        end)

        it("that hangs is killed when its time is over", function()
            local tree = tree_of [[
                s.process "own" { before = { command = "sleep 1000; true", timeout = "100ms" }, command = "true",
                    restart_delay = 60 },
                s.process "start" { before = { { "sleep", 1000 } }, command = "true", start_timeout = "100ms",
                    restart_delay = 60 }]]
            assert.are.equal("before: killed after 100ms (sleep 1000; true)",
                tree:await({ type = "failed", path = "own" }).reason)
            assert.are.equal("before: killed after 100ms (sleep)",
                tree:await({ type = "failed", path = "start" }).reason)
            assert.are.equal(0, tree:stop())
        end)

        it("a stop in the middle of it ends it, and nothing is launched", function()
            local tree = tree_of(([[s.process "web" { before = { "echo one >>trace; %s", "echo two >>trace" },
                command = "echo main >>trace; exec sleep 1000" }]]):format(gate "gate"))
            await_trace(tree, "one\n")
            assert.are.equal(0, (control(tree, "stop", "web")))
            await_trace(tree, "one\n")
            assert.are.same({}, tree:all { type = "launched", path = "web" })
            assert.are.equal(0, tree:stop())
        end)

        it("goes on while the host dies and comes back: once, and then the service is there", function()
            local tree = tree_of(([[s.process "web" { before = { "echo one >>trace; %s", "echo two >>trace; %s" },
                command = "echo main >>trace; exec sleep 1000" }]]):format(gate "gate", gate "other"))
            await_trace(tree, "one\n")
            tree:kill_host()
            tree:await { type = "host_restarted" }
            open_gate(tree, "gate")
            await_trace(tree, "one\ntwo\n")
            local former = tree:host()
            uv.kill(former, "sigkill")
            open_gate(tree, "other")
            tree:await { type = "ready", path = "web" }
            await_trace(tree, "one\ntwo\nmain\n")
            assert.are.equal(1, tree:all({ type = "launched", path = "web" })[1].generation)
            assert.are.equal(0, tree:stop())
        end)

        it("in a group: a round runs it again for each member", function()
            local tree = tree_of [[strategy = "one_for_all",
                s.process "a" { before = "echo a >>trace", command = "exec sleep 1000" },
                s.process "b" { before = "test -e ok && echo b >>trace", command = "exec sleep 1000",
                    restart_delay = "50ms" }, failure_threshold = 1000]]
            tree:await({ type = "failed", path = "b" }, 2) -- the round begins again each time
            live.write_file(tree.folder .. "/ok", "")
            local b = tree:await { type = "launched", path = "b" }
            live.wait("a beside b", function()
                local all = tree:all { type = "launched", path = "a" }
                local _, runs = trace(tree):gsub("a\n", "")
                return #all > 1 and all[#all].generation == runs
            end)
            assert.is_true(b.generation > 2)
            assert.are.equal(0, tree:stop())
        end)

        it("a reload in the middle: what the program sees begins anew, the rest goes on", function()
            local config = [[local s = require "suptree"
                return s.supervisor "tree" { s.process "web" { before = { "echo one >>trace; %s" }, %s } }]]
            local tree = live.tree(config:format(gate "gate", 'command = "echo main >>trace; exec sleep 1000"'))
            await_trace(tree, "one\n")
            live.write_file(tree.folder .. "/supervise.lua",
                config:format(gate "gate", 'command = "echo main >>trace; exec sleep 1000", description = "x"'))
            tree:kill "HUP"
            tree:await { type = "reloaded" }
            await_trace(tree, "one\n")
            live.write_file(tree.folder .. "/supervise.lua",
                config:format(gate "gate", 'command = "echo new >>trace; exec sleep 1000", description = "x"'))
            tree:kill "HUP"
            tree:await({ type = "reloaded" }, 2)
            await_trace(tree, "one\none\n")
            open_gate(tree, "gate")
            await_trace(tree, "one\none\nnew\n")
            assert.are.equal(2, tree:await({ type = "launched", path = "web" }).generation)
            assert.are.equal(0, tree:stop())
        end)

        it("runs as the user of the service", function()
            if not is_root then return pending "only root can start processes as others" end
            local tree = tree_of [[s.process "web" { user = "nobody", cwd = "/",
                before = "echo before $(id -un)", after_exit = "echo after $(id -un)", restart = "transient",
                command = "true" }]]
            tree:await_line("web", "after nobody")
            tree:await_line("web", "before nobody")
            assert.are.equal(0, tree:stop())
        end)
    end)

    describe("after_exit", function()
        it("is told how the main process ended, and the next launch waits for it", function()
            local tree = tree_of(([[s.process "web" {
                command = "n=$SUPTREE_GENERATION; echo main $n >>trace; test $n = 1 && exit 7; exec sleep 1000",
                after_exit = "echo $SUPTREE_GENERATION $SUPTREE_RESULT $SUPTREE_EXIT_CODE$SUPTREE_SIGNAL >>trace; %s" }
                ]]):format(gate "gate"))
            await_trace(tree, "main 1\n1 exit 7\n")
            assert.are.same({}, tree:all { type = "ended" })
            open_gate(tree, "gate")
            await_trace(tree, "main 1\n1 exit 7\nmain 2\n")
            assert.are.equal("exit code 7", tree:await({ type = "ended", path = "web" }).reason)
            tree:await({ type = "launched", path = "web" }, 2)
            tree:kill "TERM"
            await_trace(tree, "main 1\n1 exit 7\nmain 2\n2 signal TERM\n")
            open_gate(tree, "gate")
            assert.are.equal(0, tree:wait())
        end)

        it("exit code 125: the service stays down until it is started", function()
            local tree = tree_of [[
                s.process "bad" { command = "test -e ok || exit 1; exec sleep 1000", after_exit = "exit 125" },
                s.process "good" { command = "exit 0", after_exit = { command = "exit 125", timeout = "5s" } },
                s.process "other" { command = "exec sleep 1000" }]]
            tree:await { type = "gave_up", path = "bad" }
            local _, out = control(tree, "status", "bad", "good")
            assert.truthy(out:find "bad +failed", out)
            live.wait("good to be done", function()
                return select(2, control(tree, "status", "bad", "good")):find "good +done"
            end)
            assert.are.equal(1, #tree:all { type = "launched", path = "bad" })
            assert.are.same({}, tree:all { type = "failed" })
            live.write_file(tree.folder .. "/ok", "")
            assert.are.equal(0, (control(tree, "start", "bad")))
            tree:await({ type = "launched", path = "bad" }, 2)
            assert.are.equal(0, tree:stop())
        end)

        it("that hangs, or fails, holds nothing up, and is said", function()
            local tree = tree_of [[
                s.process "slow" { command = "test $SUPTREE_GENERATION = 1 || exec sleep 1000",
                    after_exit = { command = "sleep 1000; true", timeout = "100ms" } },
                s.process "bad" { command = "test $SUPTREE_GENERATION = 1 || exec sleep 1000", after_exit = "exit 9" }]]
            tree:await({ type = "launched", path = "slow" }, 2)
            tree:await({ type = "launched", path = "bad" }, 2)
            local rest = "; nothing depends on it, but correct it"
            tree:await_line("suptree", "slow: after_exit took too long and was killed" .. rest)
            tree:await_line("suptree", "bad: after_exit ended with exit status 9" .. rest)
            assert.are.equal(0, tree:stop())
        end)

        it("a host that dies meanwhile loses neither the command nor its word", function()
            local tree = tree_of(([[s.process "web" { command = "exit 1", after_exit = "echo x >>trace; %sexit 125" },
                s.process "other" { command = "exec sleep 1000" }]]):format(gate "gate"))
            await_trace(tree, "x\n")
            tree:kill_host()
            tree:await { type = "host_restarted" }
            local former = tree:host()
            uv.kill(former, "sigkill")
            open_gate(tree, "gate")
            tree:await { type = "gave_up", path = "web" }
            assert.are.equal(1, #tree:all { type = "launched", path = "web" })
            await_trace(tree, "x\n")
            assert.are.equal(0, tree:stop())
        end)

        it("a stop that comes while it runs waits for it, a second one does not", function()
            local tree = tree_of [[s.process "web" { command = "exit 1",
                after_exit = { command = "echo x >>trace; exec sleep 1000", timeout = "1h" } }]]
            await_trace(tree, "x\n")
            tree:kill "TERM"
            tree:await { type = "stopping", path = "web" }
            tree:kill "TERM"
            tree:wait()
            await_trace(tree, "x\n")
        end)
    end)

    it("nothing of it outlives the keeper", function()
        local tree = tree_of [[
            s.process "a" { before = "echo a >>a; sleep 1000; true", command = "true" },
            s.process "b" { command = "true",
                after_exit = { command = "echo b >>b; sleep 1000; true", timeout = "1h" } },
            s.process "c" { command = "exec sleep 1000" }]]
        for _, name in ipairs { "a", "b" } do
            live.wait("the command of " .. name, function() return live.read_file(tree.folder .. "/" .. name) end)
        end
        tree:await { type = "launched", path = "c" }
        tree:kill "KILL"
        live.wait("everything to be gone", function() return #tree:family() == 0 end)
    end)

    it("two hundred services, each with both", function()
        local count = live.sanitized and 50 or 200
        local tree = tree_of(([[(function()
            local all = { failure_threshold = 1000 }
            for i = 1, %d do
                all[i] = s.process("p" .. i) { before = "echo b$SUPTREE_GENERATION >>t/" .. i,
                    command = "n=$SUPTREE_GENERATION; echo m$n >>t/" .. i .. "; test $n = 3 && exec sleep 1000",
                    after_exit = "echo a$SUPTREE_GENERATION >>t/" .. i }
            end
            return s.supervisor "all" (all)
        end)()]]):format(count), { files = { ["t/x"] = "" } })
        live.wait("the third run of each", function()
            return #tree:all { type = "launched", generation = 3 } >= count
        end)
        for i = 1, count do
            live.wait("the main process of " .. i, function()
                return live.read_file(("%s/t/%d"):format(tree.folder, i)) == "b1\nm1\na1\nb2\nm2\na2\nb3\nm3\n"
            end)
        end
        assert.are.equal(0, tree:stop())
        for i = 1, count do
            assert.are.equal("b1\nm1\na1\nb2\nm2\na2\nb3\nm3\na3\n",
                live.read_file(("%s/t/%d"):format(tree.folder, i)))
        end
    end)

    it("what is written wrong is said with its place", function()
        local function fault_of(options)
            local folder = live.folder()
            live.write_file(folder .. "/supervise.lua", ('local s = require "suptree"\n' ..
                'return s.supervisor "tree" { s.process "web" { command = "true", %s } }'):format(options))
            local code, out, err = live.run { live.program, "check", folder .. "/supervise.lua" }
            assert.are.equal(78, code, out .. err)
            return (out .. err)
        end
        for options, fault in pairs {
            ['before = { { "true" }, { 1, {} } }'] = "before[2][2]: must be a text",
            ["before = {}"] = "before: is empty",
            ['before = { command = "x", timout = 1 }'] = 'before: has the unknown key "timout"',
            ['before = { command = "x", timeout = "soon" }'] = 'before.timeout: "soon" is not a duration',
            ['before = { { timeout = 1 } }'] = "before[1]: needs a command",
            ['before = { "a b", 7, false }'] = "before[2]: must be a list of words or a line for the shell",
            ['before = 5'] = "before: must be a list of words or a line for the shell",
            ['after_exit = { { "a" }, { "b" } }'] = "after_exit: has 2 commands; at most 1",
            ['after_exit = { command = "x", timeout = 0 }'] = "after_exit.timeout: must be more than 0",
        } do
            local said = fault_of(options)
            assert.truthy(said:find(fault, 1, true), options .. "\n" .. said)
        end
    end)
end)
