-- script/test: tsan
local live = require "spec.support.live"

-- Services that run and are looked at: what is found out, and what follows.
describe("the health of what runs", function()
    after_each(live.clean)

    local listener = live.root .. "/spec/support/listener.lua"

    local function tree_of(services, options)
        return live.tree(('local s = require "suptree"\nreturn s.supervisor "tree" { %s }'):format(services), options)
    end

    -- A server that does what the file `go` says (200 at first), looked at by `health`, where %PORT is its port. Once
    -- it has failed there is time to make it well.
    local function serving(health, files)
        local port = live.port()
        return tree_of(([[failure_threshold = 1, failure_backoff = 1000,
            s.process "web" { command = { "lua5.4", %q, "tcp", "%d", "go" }, ready = s.ready.tcp(%d),
                restart_delay = "3s", health = { %s } },]]):format(listener, port, port, (health:gsub("%%PORT", port))),
            { files = files or { go = "200" } })
    end

    -- Wait until something was found out.
    local function await_look(client, path, well)
        return live.wait("a look at " .. path, function()
            local node = client:call("status", { paths = { path } }).services[1]
            return node.health and node.health.well == well and node.health
        end)
    end

    it("restarts what is not well so many times in a row, as one failure with the first cause", function()
        local tree = serving 'probe = s.ready.http "http://127.0.0.1:%PORT/", every = "50ms", failures = 3'
        tree:await { type = "ready", path = "web" }
        local client = live.connect "tree"
        assert.are.equal(true, await_look(client, "web", true).well)
        live.write_file(tree.folder .. "/go", "503")
        local failed = tree:await { type = "failed", path = "web" }
        live.write_file(tree.folder .. "/go", "200")
        assert.matches("^unhealthy: http://127.0.0.1:%d+/: status 503, 3 times in a row$", failed.reason)
        assert.are.equal(1, failed.count)
        assert.are.equal("unhealthy", tree:await({ type = "stopping", path = "web" }).cause)
        tree:await { type = "ready", path = "web", generation = 2 }
        await_look(client, "web", true)
        assert.are.equal(1, #tree:all { type = "failed" })
        assert.are.equal(0, tree:stop())
    end)

    it("says with action = event only that it is not well, and that it is again; over a death of the host", function()
        local tree = serving 'probe = s.ready.tcp(%PORT), every = "50ms", failures = 2, action = "event"'
        tree:await { type = "ready", path = "web" }
        live.write_file(tree.folder .. "/go", "deaf")
        local sick = tree:await { type = "unhealthy", path = "web" }
        assert.matches("^unhealthy: tcp %d+: connection refused, 2 times in a row$", sick.reason)
        local client = live.connect "tree"
        local health = await_look(client, "web", false)
        assert.are.equal("connection refused", health.reason)
        assert.matches("is not well for .*: connection refused", client:call("explain", { path = "web" }).reason)
        tree:kill_host()
        tree:await { type = "host_restarted" }
        live.write_file(tree.folder .. "/go", "200")
        tree:await { type = "healthy", path = "web" }
        assert.are.equal(1, #tree:all { type = "unhealthy" })
        live.write_file(tree.folder .. "/go", "deaf")
        tree:await({ type = "unhealthy", path = "web" }, 2)
        assert.are.same({}, tree:all { type = "failed" })
        assert.are.equal(0, tree:stop())
    end)

    it("finds a server that hangs", function()
        local tree = serving('probe = s.ready.http "http://127.0.0.1:%PORT/", every = "20ms", timeout = "100ms"',
            { go = "hang" })
        local failed = tree:await { type = "failed", path = "web" }
        assert.matches("no answer within 100ms, 3 times in a row$", failed.reason)
        assert.are.equal(0, tree:stop())
    end)

    it("asks a function, and cuts one that takes too long", function()
        local tree = tree_of([[failure_threshold = 1, failure_backoff = 1000,
            s.process "web" { command = { "/bin/sleep", "1000" }, health = { every = "50ms", failures = 2,
                probe = function(service)
                    local file = io.open "sick"
                    if not file then return true end
                    file:close()
                    return nil, service.path .. " has the flu, pid " .. service.pid
                end } },
            s.process "slow" { command = { "/bin/sleep", "1000" }, health = { every = "50ms", timeout = "50ms",
                failures = 1, action = "event", probe = function() while true do end end } },
            s.process "bad" { command = { "/bin/sleep", "1000" }, health = { every = "50ms", failures = 1,
                action = "event", probe = function() error("no idea", 0) end } },
            s.thread "job" { run = function(ctx) while ctx:sleep(60) do end end,
                health = { every = "50ms", failures = 1,
                    probe = function(service) return service.generation > 1 end } },
            ]])
        local job = tree:await { type = "failed", path = "job" }
        assert.are.equal("unhealthy: function: it did not return true", job.reason)
        tree:await { type = "ready", path = "job", generation = 2 }
        local pid = tree:running "web"
        assert.are.equal("unhealthy: function: no idea", tree:await({ type = "unhealthy", path = "bad" }).reason)
        assert.matches("it took longer than its timeout and was cut",
            tree:await({ type = "unhealthy", path = "slow" }).reason, 1, true)
        assert.are.same({}, tree:all { type = "failed", path = "web" })
        live.write_file(tree.folder .. "/sick", "")
        assert.are.equal(("unhealthy: function: web has the flu, pid %d, 2 times in a row"):format(pid),
            tree:await({ type = "failed", path = "web" }).reason)
        assert.are.equal(0, tree:stop())
    end)

    it("changes with a reload, while it runs", function()
        local tree = serving 'probe = s.ready.tcp(%PORT), every = "1h"'
        tree:await { type = "ready", path = "." }
        local pid, path = tree:running "web", tree.folder .. "/supervise.lua"
        live.write_file(tree.folder .. "/go", "503")
        local config = live.read_file(path):gsub('probe = s%.ready%.tcp%((%d+)%), every = "1h"',
            'probe = s.ready.http "http://127.0.0.1:%1/", every = "30ms", action = "event"')
        live.write_file(path, config)
        local code, out, err = live.run { live.program, "reload", "-n", "tree", "--settle", "0" }
        assert.are.same({ 0, "" }, { code, err }, out)
        assert.matches("status 503", tree:await({ type = "unhealthy", path = "web" }).reason, 1, true)
        assert.are.equal(pid, tree:service "web")
        assert.are.equal(0, tree:stop())
    end)

    it("of many is looked at, each at its own time", function()
        local count, port = live.sanitized and 50 or 200, live.port()
        local tree = tree_of(([[
            s.process "server" { command = { "lua5.4", %q, "tcp", "%d", "go" }, ready = s.ready.tcp(%d) },
            (function()
                local list = {}
                for i = 1, %d do
                    list[i] = s.process("p" .. i) { command = { "/bin/sleep", "1000" },
                        health = { probe = s.ready.tcp(%d), every = 1, failures = 1, action = "event" } }
                end
                return s.supervisor "many" (list)
            end)(),]]):format(listener, port, port, count, port), { files = { go = "200" }, args = { "--quiet" } })
        tree:await { type = "ready", path = "." }
        local client = live.connect "tree"
        live.wait("a look at each", function()
            local known = 0
            for _, node in ipairs(client:call("status", {}).services) do
                if node.health and node.health.well then known = known + 1 end
            end
            return known == count
        end)
        assert.are.same({}, tree:all { type = "unhealthy" })
        live.write_file(tree.folder .. "/go", "deaf")
        tree:await({ type = "unhealthy" }, count)
        assert.are.equal(0, tree:stop())
    end)
end)
