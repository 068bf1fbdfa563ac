local live = require "spec.support.live"
local uv = require "luv"

-- Commands that look whether a service is ready, or well: s.ready.exec, and the same as a probe of its health. Files
-- tell what ran; a probe that waits at the gate goes on when the spec opens it.
describe("a command as a probe", function()
    after_each(live.clean)

    local GATE = "test -p gate || mkfifo -m 666 gate; cat gate"

    local function tree_of(services, options)
        -- The file names the run that is sick.
        services = services:gsub("is_well", "test x$(cat sick 2>&-) != x$SUPTREE_GENERATION")
        return live.tree(('local s = require "suptree"\nreturn s.supervisor "tree" { %s }'):format(services), options)
    end

    local function count(tree, name)
        return select(2, (live.read_file(tree.folder .. "/" .. name) or ""):gsub("\n", "\n"))
    end

    -- Let whoever waits at the gate go on. True: somebody did.
    local function open_gate(tree)
        local file = uv.fs_open(tree.folder .. "/gate", uv.constants.O_WRONLY | uv.constants.O_NONBLOCK, 0)
        return file and uv.fs_close(file)
    end

    it("ready: again and again until it exits with 0; as the service, and into its output", function()
        local tree = tree_of [[
            s.process "web" { command = "exec sleep 1000", env = { WHO = "me" },
                ready = s.ready.exec "echo x >>looks; echo $WHO $SUPTREE_PATH $SUPTREE_GENERATION; test -e ok" },
            s.process "client" { command = "exec sleep 1000", after = { "web" } }]]
        live.wait("three looks", function() return count(tree, "looks") >= 3 end)
        tree:await_line("web", "me web 1")
        assert.are.same({}, tree:all { type = "ready", path = "web" })
        assert.are.same({}, tree:all { type = "launched", path = "client" })
        live.write_file(tree.folder .. "/ok", "")
        tree:await { type = "launched", path = "client" }
        assert.are.equal(1, #tree:all { type = "ready", path = "web" })
        assert.are.equal(1, #tree:all { type = "launched", path = "web" })
        local looks = count(tree, "looks")
        assert.are.equal(0, tree:stop())
        assert.are.equal(looks, count(tree, "looks"))
    end)

    it("ready: a look that hangs is killed with what it has made, and the next is made", function()
        local tree = tree_of [[
            s.process "web" { command = "exec sleep 1000", ready = s.ready.exec { timeout = "100ms",
                "sh", "-c", "echo $$ >>looks; test -e ok || { sleep 1000 & wait; }" } }]]
        live.wait("two looks", function() return count(tree, "looks") >= 2 end)
        assert.are.same({}, tree:all { type = "ready", path = "web" })
        live.write_file(tree.folder .. "/ok", "")
        tree:await { type = "ready", path = "web" }
        assert.are.equal(0, tree:stop())
    end)

    it("ready: a command that is not there never makes it ready", function()
        local tree = tree_of [[
            s.process "web" { command = "exec sleep 1000", ready = s.ready.exec { "./none" }, start_timeout = "300ms",
                restart_delay = 60 }]]
        tree:await { type = "failed", path = "web" }
        assert.are.same({}, tree:all { type = "ready", path = "web" })
        assert.are.equal(0, tree:stop())
    end)

    it("ready: the host is killed while a look is under way: there is never a second one beside it", function()
        local tree = tree_of(([[
            s.process "web" { command = "exec sleep 1000", ready = s.ready.exec { timeout = "1h", "sh", "-c",
                "mkdir alone || echo x >>beside; echo x >>looks; %s; rmdir alone" } }]]):format(GATE))
        live.wait("a look", function() return count(tree, "looks") == 1 end)
        tree:kill_host()
        tree:await { type = "host_restarted" }
        live.wait("web to be ready", function()
            open_gate(tree)
            return #tree:all { type = "ready", path = "web" } > 0
        end)
        assert.are.equal(0, count(tree, "beside"))
        assert.are.equal(1, #tree:all { type = "launched", path = "web" })
        assert.are.equal(0, tree:stop())
    end)

    it("ready: a stop in the middle of a look ends that, too", function()
        local tree = tree_of [[
            s.process "web" { command = "exec sleep 1000", ready = s.ready.exec { timeout = "1h",
                "sh", "-c", "echo x >>looks; sleep 1000 & wait" } }]]
        live.wait("a look", function() return count(tree, "looks") == 1 end)
        assert.are.equal(0, tree:stop())
        assert.are.same({}, tree:all { type = "ready", path = "web" })
    end)

    it("health: so many failures in a row, and it is started again, with what was found as the reason", function()
        local tree = tree_of [[
            s.process "web" { command = "exec sleep 1000", health = { every = "50ms", failures = 3,
                start_after = 0, timeout = "5s",
                probe = s.ready.exec "is_well || { echo x >>looks; exit 7; }" } }]]
        tree:await { type = "ready", path = "web" }
        live.write_file(tree.folder .. "/sick", "1")
        local failed = tree:await { type = "failed", path = "web" }
        assert.truthy(failed.reason:find("exit", 1, true), failed.reason)
        assert.truthy(failed.reason:find("7", 1, true), failed.reason)
        assert.is_true(count(tree, "looks") >= 3)
        tree:await({ type = "ready", path = "web" }, 2)
        assert.are.equal(1, #tree:all { type = "failed", path = "web" })
        assert.are.equal(0, tree:stop())
    end)

    it("health: goes on after the death of the host", function()
        local tree = tree_of [[
            s.process "web" { command = "exec sleep 1000", health = { every = "50ms", failures = 2,
                start_after = 0, timeout = "5s", probe = s.ready.exec "is_well" } }]]
        tree:await { type = "ready", path = "web" }
        tree:kill_host()
        tree:await { type = "host_restarted" }
        live.write_file(tree.folder .. "/sick", "1")
        tree:await { type = "failed", path = "web" }
        tree:await({ type = "ready", path = "web" }, 2)
        assert.are.equal(0, tree:stop())
    end)

    it("is not for a function", function()
        local folder = live.folder()
        live.write_file(folder .. "/supervise.lua", [[local s = require "suptree"
            return s.supervisor "tree" {
                s.thread "a" { run = function() end, ready = s.ready.exec "true" },
                s.thread "b" { run = function() end, health = { every = 1, probe = s.ready.exec "true" } } }]])
        local code, out, err = live.run { live.program, "check", folder .. "/supervise.lua" }
        assert.are.equal(78, code, out)
        assert.truthy(err:find("tree.a.ready: is s.ready.exec, which runs as a process does", 1, true), err)
        assert.truthy(err:find("tree.b.health: is s.ready.exec, which runs as a process does", 1, true), err)
    end)

    it("a hundred services, each with a command for both", function()
        local many = live.sanitized and 20 or 100
        local tree = tree_of(([[(function()
            local all = {}
            for i = 1, %d do
                all[i] = s.process("p" .. i) { command = "exec sleep 1000", ready = s.ready.exec { "true" },
                    health = { every = "10s", probe = s.ready.exec { "true" } } }
            end
            return s.supervisor "all" (all)
        end)()]]):format(many))
        tree:await { type = "ready", path = "." }
        assert.are.equal(many, #tree:all { type = "ready", kind = "process" })
        assert.are.equal(0, tree:stop())
    end)
end)
