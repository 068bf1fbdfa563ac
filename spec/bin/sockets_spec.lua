-- Sockets that are held over restarts of the service, reloads and the death of the host.
local caller = require "spec.support.caller"
local live = require "spec.support.live"
local library = require "spec.support.library"
local proc = require "spec.support.proc"
local suptree = require "suptree"
local uv = require "luv"

local SERVER = live.root .. "/spec/support/passed.lua"
local is_root = uv.getuid() == 0

local function config(sockets, options)
    return ([[
        local s = require "suptree"
        return s.supervisor "tree" {
            s.process "web" { command = { "lua5.4", %q }, sockets = { %s }, %s },
        }]]):format(SERVER, sockets, options or "")
end

-- The answer to one call, or nil and why there is none.
local function call(address, word)
    local over, err, answer
    caller.call(address, word or "hello", function(...) over, err, answer = true, ... end)
    live.wait("an answer from " .. address, function() return over end)
    if err then return nil, err end
    return answer
end

local function answered_more(calls)
    local before = calls.answered
    live.wait("more answers", function() return calls.answered > before + 20 end)
end

local function stop_calls(calls)
    calls.stop = true
    live.wait("the end of the last call", function() return not calls.open end)
end

local function check(text)
    local folder = live.folder()
    live.write_file(folder .. "/supervise.lua", text)
    local code, out, err = live.run { live.program, "check", folder }
    return code, out .. err
end

local function launch_failure(sockets, options)
    local tree = live.tree(config(sockets, [[restart = "temporary", ]] .. (options or "")))
    local event = tree:await { type = "launch_failed", path = "web" }
    assert.are.equal(0, tree:stop())
    return event.text or event.reason
end

describe("sockets", function()
    after_each(function()
        library.close()
        live.clean()
    end)

    it("are given sorted by name, as descriptors from 3 on, and nothing else is", function()
        local port, any, udp = caller.free_port(), caller.free_port(), caller.free_port()
        local tree = live.tree(config(([[http = "127.0.0.1:%d", any = %d, admin = "unix:run/admin.sock",
            words = "udp:127.0.0.1:%d", hidden = "unix:@suptree-spec-%d"]]):format(port, any, udp, uv.os_getpid()),
            [[env = { LISTEN_FDS = 77, LISTEN_PID = 1 }]]), { files = { ["run/there"] = "" } })
        tree:await_line("web", "it serves admin any hidden http words")
        local pid = tree:service "web"
        local path = tree.folder .. "/run/admin.sock"
        assert.are.equal(("http %d\n"):format(pid), call(port))
        assert.are.equal(("any %d\n"):format(pid), call(any))
        assert.are.equal(("admin %d\n"):format(pid), call(path))
        assert.are.equal(tonumber("140600", 8), uv.fs_stat(path).mode)
        local _, page = live.run({ live.program, "-n", "tree", "status", "web" }, { env = tree.env })
        assert.matches("socket  http 127.0.0.1:" .. port, page, 1, true)
        assert.matches("socket  any *:" .. any, page, 1, true)
        assert.are.equal(0, tree:stop())
        assert.is_nil(uv.fs_stat(path))
        assert.is_nil((call(port)))
    end)

    it("refuse nobody: over restarts, kills of service and host, and reloads", function()
        local port = caller.free_port()
        local listens = ([[http = "127.0.0.1:%d", admin = "unix:admin.sock"]]):format(port)
        local tree = live.tree(config(listens))
        tree:await_line("web", "it serves admin http")
        local calls, others = caller.begin(port), caller.begin(tree.folder .. "/admin.sock")
        answered_more(calls)
        local function goes_on(generation)
            tree:await { type = "launched", path = "web", generation = generation }
            answered_more(calls)
            answered_more(others)
        end
        local code, _, err = live.run { live.program, "-n", "tree", "restart", "web" }
        assert.are.equal(0, code, err)
        goes_on(2)
        uv.kill(tree:service "web", "sigkill")
        goes_on(3)
        local host = tree:host()
        uv.kill(host, "sigkill")
        tree:await { type = "host_restarted" }
        answered_more(calls)
        uv.kill(tree:service "web", "sigkill")
        goes_on(4)
        live.write_file(tree.folder .. "/supervise.lua", config(listens, "env = { A = 1 }"))
        code, _, err = live.run { live.program, "-n", "tree", "reload" }
        assert.are.equal(0, code, err)
        goes_on(5)
        -- The service and the host at once.
        host = tree:host()
        uv.kill(tree:service "web", "sigkill")
        uv.kill(host, "sigkill")
        goes_on(6)
        stop_calls(calls)
        stop_calls(others)
        assert.are.equal(0, calls.refused, calls.why)
        assert.are.equal(0, others.refused, others.why)
        assert.are.equal(0, tree:stop())
        assert.is_nil(uv.fs_stat(tree.folder .. "/admin.sock"))
    end)

    it("of a new address are open before a reload touches anything; one that cannot be opened refuses it", function()
        local one, two = caller.free_port(), caller.free_port()
        local function listens(port)
            return config(([[http = "127.0.0.1:%d"]]):format(port), [[start_timeout = "1s"]])
        end
        local tree = live.tree(listens(one))
        tree:await_line("web", "it serves http")
        local pid = tree:service "web"
        local stranger = uv.new_tcp()
        assert(stranger:bind("127.0.0.1", two))
        assert(stranger:listen(1, function() end))
        live.write_file(tree.folder .. "/supervise.lua", listens(two))
        local code, out, err = live.run { live.program, "-n", "tree", "reload" }
        assert.are.equal(78, code, out .. err)
        assert.matches(("127.0.0.1:%d: Address already in use; another program has it"):format(two), out .. err, 1,
            true)
        tree:await { type = "reload_refused" }
        assert.are.equal(("http %d\n"):format(pid), call(one))
        stranger:close()
        uv.run "nowait"
        code, out, err = live.run { live.program, "-n", "tree", "reload" }
        assert.are.equal(0, code, out .. err)
        assert.matches("^http %d+\n$", call(two))
        -- The old one is let go once there is no way back.
        live.wait("the old address to be closed", function() return not call(one) end)
        assert.are.equal(0, tree:stop())
    end)

    it("at a path replace what is left over, and leave alone what is not theirs", function()
        local folder = live.folder()
        local path = folder .. "/left.sock"
        local left = uv.new_pipe(false)
        assert(left:bind(path))
        assert(left:listen(1, function() end))
        local at = ([[http = "unix:%s"]]):format(path)
        assert.matches("Address already in use; another program listens there", launch_failure(at), 1, true)
        -- A program that dies leaves its file.
        live.run { "lua5.4", "-e", ([[local uv = require "luv"; local p = uv.new_pipe(false); p:bind %q
            p:listen(1, print); uv.kill(uv.os_getpid(), "sigkill")]]):format(folder .. "/dead.sock") }
        assert.is_truthy(uv.fs_stat(folder .. "/dead.sock"))
        local tree = live.tree(config(([[http = { address = "unix:%s/dead.sock", mode = "0660" }]]):format(folder)))
        tree:await_line("web", "it serves http")
        assert.matches("^http %d+\n$", call(folder .. "/dead.sock"))
        assert.are.equal(tonumber("140660", 8), uv.fs_stat(folder .. "/dead.sock").mode)
        assert.are.equal(0, tree:stop())
        assert.is_nil(uv.fs_stat(folder .. "/dead.sock"))
        left:close()
        uv.run "nowait"
        live.write_file(folder .. "/file", "mine")
        assert.matches("File exists; something that is no socket is there",
            launch_failure(([[http = "unix:%s/file"]]):format(folder)), 1, true)
        assert.are.equal("mine", live.read_file(folder .. "/file"))
        assert.matches("No such file or directory; make its folder",
            launch_failure(([[http = "unix:%s/none/x.sock"]]):format(folder)), 1, true)
    end)

    it("that cannot be opened are failed starts which say what to do", function()
        local port = caller.free_port()
        local stranger = uv.new_tcp()
        assert(stranger:bind("127.0.0.1", port))
        assert(stranger:listen(1, function() end))
        local tree = live.tree(config(([[http = "127.0.0.1:%d"]]):format(port), [[restart_delay = "50ms"]]))
        local event = tree:await { type = "launch_failed", path = "web" }
        assert.matches(("sockets: http 127.0.0.1:%d: Address already in use; another program has it"):format(port),
            event.text or event.reason, 1, true)
        stranger:close()
        uv.run "nowait"
        tree:await_line("web", "it serves http")
        assert.are.equal(0, tree:stop())
        assert.matches("no interface has this address", launch_failure [[http = "192.0.2.1:80"]], 1, true)
    end)

    it("belong to the user of the service, in a folder that is closed to him", function()
        if not is_root then return pending "only root can start processes as others" end
        local folder = live.folder()
        assert(uv.fs_chmod(folder, tonumber("755", 8)))
        local tree = live.tree(config(([[http = "unix:%s/web.sock"]]):format(folder),
            [[user = 4321, groups = {}, cwd = "/"]]))
        live.wait("the socket", function() return uv.fs_stat(folder .. "/web.sock") end)
        local stat = uv.fs_stat(folder .. "/web.sock")
        assert.are.same({ 4321, 4321 }, { stat.uid, stat.gid })
        tree:await { type = "launched", path = "web" }
        assert.are.equal(0, tree:stop())
        assert(uv.fs_chown(folder, 4321, 4321))
        assert.matches("may be written to by the user of the service",
            launch_failure(([[http = "unix:%s/web.sock"]]):format(folder), [[user = 4321, groups = {}]]), 1, true)
    end)

    it("are shared by replicas, and by nobody else", function()
        local port = caller.free_port()
        local tree = live.tree(config(("http = %d"):format(port), "replicas = 2"))
        live.wait("both", function() return tree:service "web@1" and tree:service "web@2" end)
        assert.matches("^http %d+\n$", call(port))
        assert.are.equal(0, tree:stop())
        local code, text = check [[
local s = require "suptree"
return s.supervisor "tree" {
    s.process "a" { command = { "true" }, sockets = { http = 8080 } },
    s.process "b" { command = { "true" },
        sockets = { http = "*:8080", x = "localhost:80", y = { address = 80, mde = 1 } } },
}]]
        assert.are.equal(78, code)
        assert.matches("supervise.lua:4: tree.b.sockets.http: *:8080 is the address of tree.a, at ", text, 1, true)
        assert.matches([[tree.b.sockets.x: "localhost:80" has a host that is no address in numbers]], text, 1, true)
        assert.matches([[tree.b.sockets.y: has the unknown key "mde", did you mean "mode"?]], text, 1, true)
    end)

    it("start a service with activation at the first call, after a good end again, over the host's death", function()
        local port = caller.free_port()
        local tree = live.tree(config(([[http = "127.0.0.1:%d", words = "unix:words.sock"]]):format(port),
            "activation = true"))
        tree:await { type = "ready", path = "." }
        assert.is_nil(tree:service "web")
        local _, page = live.run { live.program, "-n", "tree", "status", "web" }
        assert.matches("waits for a connection on http 127.0.0.1:" .. port, page, 1, true)
        local answer = call(port)
        assert.are.equal(("http %d\n"):format(tree:service "web"), answer)
        assert.are.equal("", call(port, "exit 0"))
        tree:await { type = "ended", path = "web", generation = 1 }
        -- Nobody calls: nobody runs, and a new host waits on.
        local host = tree:host()
        uv.kill(host, "sigkill")
        tree:await { type = "host_restarted" }
        assert.is_nil(tree:service "web")
        assert.matches("^words %d+\n$", call(tree.folder .. "/words.sock"))
        tree:await { type = "launched", path = "web", generation = 2 }
        -- After a failure it restarts by itself.
        assert.are.equal("", call(port, "exit 1"))
        tree:await { type = "launched", path = "web", generation = 3 }
        assert.are.equal(1, #tree:all { type = "failed", path = "web" })
        assert.are.equal(0, tree:stop())
    end)

    it("do not start again and again what ends without an answer", function()
        local port = caller.free_port()
        local tree = live.tree(([[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "web" { command = { "true" }, sockets = { http = %d }, activation = true },
            }]]):format(port))
        tree:await { type = "ready", path = "." }
        local socket = uv.new_tcp()
        socket:connect("127.0.0.1", port, function() end)
        tree:await { type = "launched", path = "web", generation = 3 }
        local times = {}
        for place, event in ipairs(tree:all { type = "launched", path = "web" }) do times[place] = event.time end
        assert.is_true(times[3] - times[1] > 1.5, "three starts within " .. times[3] - times[1] .. " s")
        socket:close()
        uv.run "nowait"
        assert.are.equal(0, tree:stop())
    end)

    it("of a supervisor inside a program are the same, and end with it", function()
        local port, path = caller.free_port(), live.folder() .. "/x.sock"
        local sup = library.new()
        local sockets = { http = ("127.0.0.1:%d"):format(port), x = "unix:" .. path }
        assert(sup:add(suptree.process "web" { command = { "lua5.4", SERVER }, sockets = sockets, log = false }))
        sup:serve_background "boot"
        live.wait("the socket", function() return uv.fs_stat(path) end)
        local first = call(port)
        uv.kill(tonumber(first:match "%d+"), "sigkill")
        live.wait("another process", function() return call(path) ~= first:gsub("http", "x") end)
        assert.is_nil(sup:stop())
        live.wait("the end of the file", function() return not uv.fs_stat(path) end)
    end)

    it("are passed to the very process: its pid, and no other descriptor", function()
        local port = caller.free_port()
        local tree = live.tree(config(("http = %d"):format(port)))
        tree:await_line("web", "it serves http")
        local pid = tree:service "web"
        local env = proc.environment(pid)
        assert.are.same({ "1", "http", tostring(pid) }, { env.LISTEN_FDS, env.LISTEN_FDNAMES, env.LISTEN_PID })
        assert.are.equal(0, tree:stop())
    end)
end)
