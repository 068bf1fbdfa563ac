local live = require "spec.support.live"
local uv = require "luv"

-- Conditions of readiness that are looked at from outside; real servers.
describe("what is ready by a look from outside", function()
    after_each(live.clean)

    local listener = live.root .. "/spec/support/listener.lua"

    -- A port that nobody has just now.
    local function free_port()
        local tcp = uv.new_tcp()
        assert(tcp:bind("127.0.0.1", 0))
        local port = tcp:getsockname().port
        tcp:close()
        uv.run "nowait"
        return port
    end

    local function tree_of(services, options)
        return live.tree(('local s = require "suptree"\nreturn s.supervisor "tree" { %s }'):format(services), options)
    end

    -- A service that listens once the file `go` says how, and another that is after it.
    local function serving(how, where, ready, more)
        return ([[
            s.process "server" { command = { "lua5.4", %q, %q, %q, "go" }, ready = %s, %s },
            s.process "client" { command = { "/bin/sleep", "1000" }, after = { "server" } },]]):format(
            listener, how, tostring(where), ready, more or "")
    end

    local function assert_waits_for(tree, act)
        tree:await { type = "launched", path = "server" }
        tree:running "server"
        assert.are.same({}, tree:all { type = "ready", path = "server" })
        act()
        local ready = tree:await { type = "ready", path = "server" }
        assert.is_true(tree:await({ type = "launched", path = "client" }).seq > ready.seq)
        assert.are.equal(0, tree:stop())
    end

    it("a port of this machine", function()
        local port = free_port()
        local tree = tree_of(serving("tcp", port, ("s.ready.tcp(%d)"):format(port)))
        assert_waits_for(tree, function() live.write_file(tree.folder .. "/go", "200") end)
    end)

    it("a port at an address, with the host killed while nobody listens", function()
        local port = free_port()
        local tree = tree_of(serving("tcp", port, ('s.ready.tcp { "127.0.0.1:%d", every = 0.05 }'):format(port)))
        assert_waits_for(tree, function()
            tree:kill_host()
            tree:await { type = "host_restarted" }
            assert.are.same({}, tree:all { type = "ready", path = "server" })
            live.write_file(tree.folder .. "/go", "200")
        end)
    end)

    it("a unix socket, relative to the configuration; one without a listener does not count", function()
        local tree = tree_of(serving("unix", "x.sock", 's.ready.unix "x.sock"'))
        local pipe = uv.new_pipe(false)
        assert(pipe:bind(tree.folder .. "/x.sock"))
        assert_waits_for(tree, function() live.write_file(tree.folder .. "/go", "200") end)
        pipe:close()
    end)

    it("an http server: the right answer, after none, a cut one and a wrong one", function()
        local port = free_port()
        local look = 's.ready.http { "http://localhost:%d/health?x", status = 204, timeout = "100ms", every = "20ms" }'
        local tree = tree_of(serving("tcp", port, look:format(port)))
        assert_waits_for(tree, function()
            for _, word in ipairs { "hang", "close", "503", "200" } do
                live.write_file(tree.folder .. "/go", word)
                tree:await_line("server", "it listens")
                -- Some looks fail like this; none of them is enough.
                local deadline = uv.hrtime() + 2e8
                live.wait("some looks", function() return uv.hrtime() > deadline end)
                assert.are.same({}, tree:all { type = "ready", path = "server" })
            end
            live.write_file(tree.folder .. "/go", "204")
        end)
    end)

    it("never ready is a failed start, also where nobody answers at all", function()
        local tree = tree_of([[failure_threshold = 1, failure_backoff = 1000,
            s.process "hole" { command = { "/bin/sleep", "1000" }, start_timeout = "300ms",
                ready = s.ready.tcp { "192.0.2.1:81", timeout = "1h" } },
            s.process "none" { command = { "/bin/sleep", "1000" }, ready = s.ready.unix "nowhere", start_timeout = 0.3,
                restart = "temporary" },
            s.process "fine" { command = { "/bin/sleep", "1000" }, ready = s.ready.delay(0.2) },]])
        tree:await { type = "ready", path = "fine" } -- it is delayed by nobody
        tree:await { type = "removed", path = "none" }
        local failed = tree:await({ type = "failed", path = "hole" }, 2)
        assert.are.equal("not ready in time", failed.reason)
        assert.are.same({}, tree:all { type = "ready", path = "hole" })
        assert.are.equal(0, tree:stop())
    end)

    it("a reload that changes the condition looks anew", function()
        local port = free_port()
        local tree = tree_of(serving("tcp", port, 's.ready.unix "nowhere"'))
        local launched = tree:await { type = "launched", path = "server" }
        live.write_file(tree.folder .. "/go", "200")
        tree:await_line("server", "it listens")
        assert.are.same({}, tree:all { type = "ready", path = "server" })
        local config = live.read_file(tree.folder .. "/supervise.lua")
        live.write_file(tree.folder .. "/supervise.lua",
            (config:gsub('s%.ready%.unix "nowhere"', ("s.ready.tcp(%d)"):format(port))))
        local code, out, err = live.run { live.program, "reload", "-n", "tree" }
        assert.are.same({ 0, "" }, { code, err }, out)
        assert.are.equal(launched.generation, tree:await({ type = "ready", path = "server" }).generation)
        assert.are.equal(0, tree:stop())
    end)

    it("many at once, which one server makes ready", function()
        local count, port = live.sanitized and 50 or 200, free_port()
        local tree = tree_of(([[
            s.process "server" { command = { "lua5.4", %q, "tcp", "%d", "go" } },
            (function()
                local list = {}
                for i = 1, %d do
                    list[i] = s.process("p" .. i) { command = { "/bin/sleep", "1000" }, ready = s.ready.tcp(%d) }
                end
                return s.supervisor "many" (list)
            end)(),]]):format(listener, port, count, port))
        tree:await({ type = "launched" }, count + 2)
        assert.are.equal(0, #tree:all { type = "ready", kind = "process", path = "p1" })
        live.write_file(tree.folder .. "/go", "200")
        tree:await { type = "ready", path = "many" }
        assert.are.equal(0, tree:stop())
    end)
end)
