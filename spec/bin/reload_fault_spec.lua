local live = require "spec.support.live"
local shop = require "spec.support.shop"
local uv = require "luv"

-- Reloads that cannot be, go wrong, or come at a bad moment.
local rpc, sleeper, config, write, reload, status, pid_of, variable =
    shop.rpc, shop.sleeper, shop.config, shop.write, shop.reload, shop.status, shop.pid_of, shop.variable

describe("a configuration that cannot be used", function()
    after_each(live.clean)

    local tree
    before_each(function() tree = shop.run(sleeper "a") end)

    -- All of it is as it was, and why stands in the error, in the event and in the host's own line.
    local function refused(text, why, once)
        local before, pid = rpc "status", pid_of(tree, "a")
        local count = #tree:all { type = "reload_refused" }
        live.write_file(tree.folder .. "/supervise.lua", text)
        local result, code, err = rpc "reload"
        assert.is_nil(result)
        assert.are.equal(1, code)
        assert.matches(why, err, 1, true)
        assert.matches(why, tree:await({ type = "reload_refused" }, count + 1).error, 1, true)
        tree:await_text("shop was not reloaded, it runs on as before: ")
        if not once then
            tree:kill "HUP"
            assert.matches(why, tree:await({ type = "reload_refused" }, count + 2).error, 1, true)
            assert.is_nil((rpc "plan"))
        end
        assert.are.equal(pid, pid_of(tree, "a"))
        assert.are.same(before.services[2].generation, rpc("status").services[2].generation)
        assert.are.equal(count + (once and 1 or 2), #tree:all { type = "reload_refused" })
    end

    it("changes nothing: broken in many ways", function()
        refused("return {", "supervise.lua:1: unexpected symbol near <eof>")
        refused("local s = require 'suptree'\nlocal x = nil + 1", "supervise.lua:2: attempt to perform arithmetic")
        refused(config "s.process 'a' { comand = 'x' }", "supervise.lua:3: shop.a.comand: unknown option")
        refused("os.exit(3)", "ended the process that reads it, with status 3")
        refused((config(sleeper "a"):gsub('"shop"', '"other"')), "cannot be renamed")
        assert(os.remove(tree.folder .. "/supervise.lua"))
        local _, _, err = rpc "reload"
        assert.matches("supervise.lua: cannot be found", err, 1, true)
        assert.are.equal(0, tree:stop())
    end)

    it("changes nothing: an endless loop", function()
        refused("while true do end", "was still running after 5 seconds", true)
        assert.are.equal(0, tree:stop())
    end)

    it("does not hold up the end of the tree", function()
        live.write_file(tree.folder .. "/supervise.lua", "io.open('reading', 'w'):close() while true do end")
        tree:kill "HUP"
        live.wait("the child", function() return live.read_file(tree.folder .. "/reading") end)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("a reload that goes wrong", function()
    after_each(live.clean)

    local function pair(web)
        return sleeper "db" .. web
    end

    local good = sleeper("web", "env = { V = 1 }")

    it("is rolled back when a changed service fails", function()
        local tree = shop.run(pair(good))
        local db = pid_of(tree, "db")
        local result = reload(tree, pair("s.process 'web' { command = 'exit 3', env = { V = 2 } },\n"
            .. "s.process 'new' { command = 'exec sleep 1000' }"), { settle = 60 })
        assert.are.equal("rolled_back", result.outcome)
        assert.are.equal("rolled back because of web: exit code 3", result.message)
        assert.are.same({ "web", "not_reached" }, { result.results[1].path, result.results[1].status })
        local event = tree:await { type = "rolled_back" }
        assert.are.same({ "web", "exit code 3" }, { event.by, event.reason })
        tree:await { type = "removed", path = "new" }
        assert.are.equal("1", variable(tree, "web", "V"))
        assert.are.equal(db, pid_of(tree, "db"))
        tree:await_line("suptree", "the reload was rolled back because of web: exit code 3")
        assert.are.equal(0, tree:stop())
    end)

    it("is rolled back when a new service does not get ready, and when one cannot be started", function()
        local tree = shop.run(pair(good))
        local result = reload(tree, pair(good .. "s.process 'late' { command = 'exec sleep 1000', "
            .. "ready = s.ready.file 'never', start_timeout = '300ms' }"))
        assert.are.equal("rolled_back", result.outcome)
        assert.are.equal("rolled back because of late: not ready in time", result.message)
        result = reload(tree, pair("s.process 'web' { command = { './nothing' }, env = { V = 2 } }"))
        assert.are.equal("rolled_back", result.outcome)
        assert.matches("web: exec: No such file or directory", result.message, 1, true)
        assert.are.equal("1", variable(tree, "web", "V"))
        assert.are.equal(0, tree:stop())
    end)

    it("stays when it was asked for without rollback, and says who is not up", function()
        local tree = shop.run(pair(good))
        local result = reload(tree, pair("s.process 'web' { command = 'exit 3', restart_delay = 60 }"),
            { rollback = false, settle = 60 })
        assert.are.equal("reloaded", result.outcome)
        assert.are.same({ "web", "not_reached", "it is delayed" },
            { result.results[1].path, result.results[1].status, result.results[1].message })
        assert.are.equal(0, #tree:all { type = "rolled_back" })
        assert.are.equal("reloaded", rpc("rollback", { settle = 0 }).outcome)
        assert.are.equal("delayed", status("web").state)
        assert(rpc("start", { paths = { "web" } }))
        assert.are.equal("1", variable(tree, "web", "V"))
        assert.are.equal(0, tree:stop())
    end)

    it("is answered in time when time is short", function()
        local tree = shop.run(pair(good))
        write(tree, pair("s.process 'web' { command = 'exec sleep 1000', ready = s.ready.delay(300), "
            .. "start_timeout = 600 }"))
        local _, code, err = rpc("reload", { timeout = 0.3 })
        assert.are.equal(124, code)
        assert.matches("not settled in the time given", err)
        assert.are.equal("reloaded", reload(tree, pair(good)).outcome)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("a reload at a bad moment", function()
    after_each(live.clean)

    it("during a pause changes what waits, and the pause goes on", function()
        local function tree_of(command, v)
            return ("failure_threshold = 1, failure_backoff = '5s',\ns.process 'bad' { command = '%s' },\n%s"):format(
                command, sleeper("a", ("env = { V = %d }"):format(v)))
        end
        local tree = live.tree(config(tree_of("exit 1", 1)))
        tree:await { type = "backoff", path = "." }
        local result = reload(tree, tree_of("exec sleep 1000", 2), { wait = false })
        assert.are.equal("reloaded", result.outcome)
        live.wait("the new version of a", function() return variable(tree, "a", "V") == "2" end)
        local resume = tree:await { type = "resume", path = "." }
        tree:await { type = "ready", path = "bad" }
        assert.are.equal(1, #tree:all { type = "resume" })
        assert.is_true(resume.time - tree:all({ type = "backoff" })[1].time >= 4.998)
        assert.are.equal(0, tree:stop())
    end)

    it("during a delay keeps the deadline", function()
        local function tree_of(command)
            return ("s.process 'a' { command = '%s', restart_delay = '1s' }"):format(command)
        end
        local tree = live.tree(config(tree_of "exit 1"))
        local failed = tree:await { type = "failed", path = "a" }
        reload(tree, tree_of "exec sleep 1000", { wait = false })
        local launched = tree:await { type = "launched", path = "a", generation = 2 }
        assert.is_true(launched.time - failed.time >= 0.998)
        tree:await { type = "ready", path = "a", generation = 2 }
        assert.are.equal(0, tree:stop())
    end)

    it("during a group restart waits for its end", function()
        local deaf = "command = 'trap \"\" TERM; echo up; while :; do sleep 1000 & wait; done', timeout = '500ms'"
        local function tree_of(v)
            return ("strategy = 'one_for_all',\n%s s.process 'deaf' { %s }"):format(
                sleeper("a", ("env = { V = %d }"):format(v)), deaf)
        end
        local tree = shop.run(tree_of(1))
        tree:await_line("deaf", "up")
        uv.kill(pid_of(tree, "a"), "sigkill")
        tree:await { type = "stopping", path = "deaf" }
        local result = reload(tree, tree_of(2))
        assert.are.equal("reloaded", result.outcome)
        assert.are.equal("2", variable(tree, "a", "V"))
        assert.is_true(tree:await({ type = "reloaded" }).seq > tree:all({ type = "killed", path = "deaf" })[1].seq)
        tree:await { type = "launched", path = "a", generation = 3 }
        assert.are.equal(2, #tree:all { type = "launched", path = "deaf" })
        tree:kill "INT"
        tree:kill "INT"
        tree:wait()
    end)

    it("during a stop is refused", function()
        local deaf = "command = 'trap \"\" TERM; echo up; while :; do sleep 1; done', timeout = '1h'"
        local tree = shop.run(("s.process 'deaf' { %s }"):format(deaf))
        tree:await_line("deaf", "up")
        tree:kill "TERM"
        tree:await { type = "stopping", path = "deaf" }
        write(tree, sleeper "b")
        local result, _, err = rpc "reload"
        assert.is_nil(result)
        assert.matches("the tree has ended", err)
        tree:kill "HUP"
        tree:kill "TERM" -- the second one kills
        assert.are.equal(0, (tree:wait()))
        assert.are.equal(0, #tree:all { type = "launched", path = "b" })
    end)

    it("during another one replaces it", function()
        local function web(v, ready)
            return sleeper("web", ("env = { V = %d }, %s"):format(v, ready or ""))
        end
        local tree = shop.run(web(1))
        write(tree, web(2, "ready = s.ready.file 'never'"))
        local first = live.spawn { live.program, "rpc", "reload" }
        tree:await { type = "launched", path = "web", generation = 2 }
        local result = reload(tree, web(3))
        assert.are.equal("reloaded", result.outcome)
        assert.are.equal(0, first:wait())
        assert.are.equal("3", variable(tree, "web", "V"))
        tree:await({ type = "reloaded" }, 2)
        assert.are.equal(0, tree:stop())
    end)

    it("many at once end with the last file", function()
        local function web(v) return sleeper("web", ("env = { V = %d }"):format(v)) end
        local tree = shop.run(web(0))
        local asked = {}
        for i = 1, 8 do
            write(tree, web(i))
            asked[i] = live.spawn { live.program, "rpc", "reload" }
            tree:kill "HUP"
        end
        for _, one in ipairs(asked) do one:wait() end
        live.wait("the last version", function()
            return variable(tree, "web", "V") == "8"
        end)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("what a reload has changed", function()
    after_each(live.clean)

    it("holds where no host is left: the order of a stop, the names, the signals", function()
        local folder = live.folder()
        local host = live.write_file(folder .. "/host",
            ('#!/bin/sh\n[ -e "%s/broken" ] && kill -SEGV $$\nexec %s "$@"\n'):format(folder, live.program), "755")
        local function server(name, options)
            return ([[s.process "%s" { command = "trap 'echo %s TERM >> ended; exit' TERM; "
                .. "trap 'echo %s INT >> ended; exit' INT; sleep 1000 & echo up; wait", %s },]]):format(name, name,
                name, options or "")
        end
        local tree = shop.run(server "db" .. server "web", { program = live.installation { "--host", host } })
        for _, name in ipairs { "db", "web" } do tree:await_line(name, "up") end
        reload(tree, server("db", "after = { 'web' }") .. server("web", "stop_signal = 'INT'"))
        live.write_file(folder .. "/broken", "")
        uv.kill(tree:host(), "sigkill")
        tree:await_text("in 2 s", "err")
        assert.are.equal(0, tree:stop())
        assert.are.equal("db TERM\nweb INT\n", live.read_file(tree.folder .. "/ended"))
    end)

    it("holds when the record of the former host is lost", function()
        local tree = shop.run(sleeper("a", "env = { V = 1 }"))
        reload(tree, sleeper("a", "env = { V = 2 }"))
        -- The keeper's copy of the configuration is what is left then.
        local blobs = {}
        local scan = assert(uv.fs_scandir(("/proc/%d/fd"):format(tree.pid)))
        for name in function() return uv.fs_scandir_next(scan) end do
            local path = ("/proc/%d/fd/%s"):format(tree.pid, name)
            local target = uv.fs_readlink(path) or ""
            if target:find("suptree-config", 1, true) then blobs[#blobs + 1] = live.read_file(path) end
        end
        assert.are.equal(1, #blobs)
        assert.matches("V=2", blobs[1], 1, true)
        assert.are.equal(0, tree:stop())
    end)
end)
