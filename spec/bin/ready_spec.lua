-- script/test: tsan
local live = require "spec.support.live"
local uv = require "luv"

-- Conditions of readiness that are looked at from outside; real servers.
describe("what is ready by a look from outside", function()
    after_each(live.clean)

    local listener = live.root .. "/spec/support/listener.lua"

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
        local port = live.port()
        local tree = tree_of(serving("tcp", port, ("s.ready.tcp(%d)"):format(port)))
        assert_waits_for(tree, function() live.write_file(tree.folder .. "/go", "200") end)
    end)

    it("a port at an address, with the host killed while nobody listens", function()
        local port = live.port()
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
        local port = live.port()
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
        tree:await_line("suptree", "none did not get ready in time (unix " .. tree.folder
            .. "/nowhere: there is no socket): it is stopped, then its restart is decided; see its output, "
            .. "or give it a longer start_timeout")
        assert.are.equal(0, tree:stop())
    end)

    it("a reload that changes the condition looks anew", function()
        local port = live.port()
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

    -- A service that writes the lines which are appended to `says`, and another that is after it.
    local function speaking(pattern, more)
        return ([[
            s.process "server" { command = "touch says; exec tail -n +1 -f -s 0.05 says", ready = s.ready.log %q, %s },
            s.process "client" { command = { "/bin/sleep", "1000" }, after = { "server" } },]]):format(
            pattern, more or "")
    end

    local function say(tree, text)
        local file = assert(io.open(tree.folder .. "/says", "ab"))
        assert(file:write(text))
        file:close()
    end

    it("a line of its output, not a part of one", function()
        local tree = tree_of(speaking("^listening on port %d+$"))
        assert_waits_for(tree, function()
            say(tree, "listening on nothing\nnot listening on port 80\nlistening on port 80")
            tree:await_line("server", "not listening on port 80")
            assert.are.same({}, tree:all { type = "ready", path = "server" })
            say(tree, "80\n")
        end)
    end)

    it("a line, over the deaths of the host and of suptree-log", function()
        local tree = tree_of(speaking "go")
        assert_waits_for(tree, function()
            say(tree, "one\n")
            tree:await_line("server", "one")
            tree:kill_host()
            tree:await { type = "host_restarted" }
            uv.kill(tree:logger(), "sigkill")
            say(tree, "two\n")
            tree:await_line("server", "two")
            assert.are.same({}, tree:all { type = "ready", path = "server" })
            say(tree, "go\n")
        end)
    end)

    it("a line of this run, not of the one before", function()
        local tree = tree_of([[failure_threshold = 100,
            s.process "server" { ready = s.ready.log "up", start_timeout = 1000, command =
                "if [ $SUPTREE_GENERATION -lt 20 ]; then echo up; exit 1; fi; echo down; exec sleep 1000" },]])
        tree:await { type = "launched", path = "server", generation = 20 }
        tree:await_line("server", "down")
        local deadline = uv.hrtime() + 1e9
        live.wait("a while", function() return uv.hrtime() > deadline end)
        assert.are.same({}, tree:all { type = "ready", path = "server", generation = 20 })
        assert.are.equal(0, tree:stop())
    end)

    it("a line among a great many, with a log file", function()
        local tree = tree_of([[
            s.process "server" { ready = s.ready.log "^line 199999$", log = { file = "out.log" },
                command = "seq -f 'line %.0f' 0 200000; exec sleep 1000" },]], { args = { "--quiet" } })
        tree:await { type = "ready", path = "server" }
        assert.are.equal(0, tree:stop())
    end)

    it("a line that a function writes, each time anew", function()
        local tree = tree_of([[
            s.thread "server" { ready = s.ready.log "it runs", run = function(ctx)
                local file = io.open "again"
                if not file then
                    ctx:log "it runs"
                    while not io.open "again" do ctx:sleep(0.01) end
                    error "not for long"
                end
                ctx:log "it is there"
                while not io.open "go" do if not ctx:sleep(0.01) then return end end
                ctx:log "it runs"
                while ctx:sleep(60) do end
            end },]])
        tree:await { type = "ready", path = "server" }
        live.write_file(tree.folder .. "/again", "")
        tree:await_line("server", "it is there")
        assert.are.equal(1, #tree:all { type = "ready", path = "server" })
        live.write_file(tree.folder .. "/go", "")
        tree:await { type = "ready", path = "server", generation = 2 }
        assert.are.equal(0, tree:stop())
    end)

    it("a pattern that would take for ever delays nobody, and it is said", function()
        local tree = tree_of(([[
            s.process "bad" { ready = s.ready.log "a*a*a*a*a*a*a*a*b", command =
                "for i in 1 2 3 4 5 6 7 8 9; do echo %s; done; exec sleep 1000" },
            s.process "good" { ready = s.ready.log "up", command = "echo up; exec sleep 1000" },]]):format(
            ("a"):rep(500)))
        tree:await { type = "ready", path = "good" }
        tree:await_line("suptree", "bad: the pattern of its readiness takes too long on what it writes, "
            .. "and is not looked for any more; write a simpler one")
        assert.are.equal(0, tree:stop())
    end)

    it("many at once, which one server makes ready", function()
        local count, port = live.sanitized and 50 or 200, live.port()
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
