local live = require "spec.support.live"
local shop = require "spec.support.shop"
local uv = require "luv"

-- Reloads of running trees, asked for by SIGHUP, over the control socket, and by saving a file.
local rpc, sleeper, config, write, reload, status, pid_of, variable =
    shop.rpc, shop.sleeper, shop.config, shop.write, shop.reload, shop.status, shop.pid_of, shop.variable

describe("a reload", function()
    after_each(live.clean)

    it("restarts what exec sees and leaves the rest alone", function()
        local tree = shop.run(sleeper "db" .. sleeper("web", "env = { PORT = 8080 }"))
        local db, web = pid_of(tree, "db"), pid_of(tree, "web")
        local result = reload(tree, sleeper "db" .. sleeper("web", "env = { PORT = 8081 }"))
        assert.are.equal("reloaded", result.outcome)
        assert.are.equal("web", result.results[1].path)
        assert.are.equal("ok", result.results[1].status)
        assert.are.equal(db, pid_of(tree, "db"))
        assert.are_not.equal(web, pid_of(tree, "web"))
        assert.are.equal("8081", variable(tree, "web", "PORT"))
        tree:await { type = "reloaded" }
        assert.are.equal("unchanged", rpc("reload").outcome)
        assert.are.equal(1, #tree:all { type = "reloaded" })
        assert.are.equal(0, tree:stop())
    end)

    it("by SIGHUP does the same", function()
        local tree = shop.run(sleeper "a")
        local a = pid_of(tree, "a")
        write(tree, sleeper "a" .. sleeper "b")
        tree:kill "HUP"
        tree:await { type = "launched", path = "b" }
        assert.are.equal(a, pid_of(tree, "a"))
        tree:await_line("suptree", "+ b add command exec sleep 1000")
        tree:await_line("suptree", "shop was reloaded")
        assert.are.equal(0, tree:stop())
    end)

    it("of one among 200 restarts that one", function()
        local function many(changed)
            local parts = {}
            for i = 1, 200 do
                parts[i] = sleeper("s" .. i, i == changed and "env = { X = 1 }" or "env = { X = 0 }")
            end
            return table.concat(parts)
        end
        local tree = shop.run(many())
        local before = assert(rpc "status").services
        assert.are.equal(201, #before)
        local result = reload(tree, many(77))
        assert.are.equal(1, #result.results)
        assert.are.equal(199, result.plan.summary.none)
        for place, node in ipairs(rpc("status").services) do
            assert.are.equal(node.path ~= "s77", node.pid == before[place].pid)
        end
        tree:await({ type = "launched", kind = "process" }, 201)
        assert.are.equal(0, tree:stop())
    end)

    it("applies in place what exec does not see", function()
        local writer = "command = 'while :; do echo line; sleep 0.05; done'"
        local tree = shop.run(("s.process 'w' { %s, log = { file = 'first.log' } }"):format(writer))
        local w = pid_of(tree, "w")
        local result = reload(tree, ("timeout = 3,\ns.process 'w' { %s, log = { file = 'second.log' }, "
            .. "description = 'writes', restart = 'transient' }"):format(writer))
        assert.are.equal("reloaded", result.outcome)
        assert.are.equal(0, result.plan.summary.restart)
        live.wait("lines in the second file", function()
            return (live.read_file(tree.folder .. "/second.log") or ""):find "line"
        end)
        assert.are.equal(w, pid_of(tree, "w"))
        assert.are.equal("writes", status("w").description)
        assert.are.equal(0, tree:stop())
    end)

    it("reads env_file again", function()
        local child = "s.process 'a' { command = 'exec sleep 1000', env_file = 'vars' }"
        local tree = shop.run(child, { files = { vars = "A=1\n" } })
        assert.are.equal("1", variable(tree, "a", "A"))
        live.write_file(tree.folder .. "/vars", "A=2\n")
        assert.are.equal("restart", reload(tree, child).plan.changes[2].action)
        assert.are.equal("2", variable(tree, "a", "A"))
        assert.are.equal(0, tree:stop())
    end)

    it("starts what is new, stops what is gone, renames what was called otherwise", function()
        local speaker = "command = 'while :; do echo here; sleep 0.05; done'"
        local tree = shop.run(("s.process 'old' { %s },\n%s s.supervisor 'w' { %s }"):format(speaker, sleeper "gone",
            sleeper "x"))
        local old, x = pid_of(tree, "old"), pid_of(tree, "w/x")
        tree:await_line("old", "here")
        reload(tree, ("s.process 'new' { %s, formerly = 'old' },\ns.supervisor 'v' { formerly = 'w', %s %s }"):format(
            speaker, sleeper "x", sleeper "y"))
        assert.are.equal(old, status("new").pid)
        assert.are.equal(x, status("v/x").pid)
        assert.is_truthy(pid_of(tree, "v/y"))
        tree:await { type = "ended", path = "gone" }
        tree:await_line("new", "here")
        assert.are.equal(0, tree:stop())
    end)

    it("restarts a thread when its function has changed, or a module, and not when it has only moved", function()
        local thread = "s.thread 't' { run = function(ctx) print('%s', require('words').text) "
            .. "while ctx:sleep(3600) do end end }"
        local function generation() return status("t").generation end
        local tree = shop.run(thread:format "one", { files = { ["words.lua"] = "return { text = 'first' }" } })
        tree:await_line("t", "one\tfirst")
        assert.are.equal("unchanged", reload(tree, "\n-- a line more\n" .. thread:format "one").outcome)
        assert.are.equal(1, generation())
        reload(tree, thread:format "two")
        tree:await_line("t", "two\tfirst")
        live.write_file(tree.folder .. "/words.lua", "return { text = 'second' }")
        reload(tree, thread:format "two")
        tree:await_line("t", "two\tsecond")
        assert.are.equal(3, generation())
        reload(tree, "s.process 't' { command = 'echo process; exec sleep 1000' }")
        tree:await_line("t", "process")
        reload(tree, thread:format "again")
        tree:await_line("t", "again\tsecond")
        assert.are.equal(0, tree:stop())
    end)

    it("keeps a person's stop", function()
        local function version(x)
            return sleeper("a", "env = { X = " .. x .. " }") .. sleeper("b", "env = { X = " .. x .. " }")
        end
        local tree = shop.run(version(0))
        assert.are.equal("ok", assert(rpc("stop", { paths = { "a" } })).results[1].status)
        reload(tree, version(1))
        assert.is_nil(tree:service "a")
        assert.are.equal("stopped", status("a").state)
        tree:kill_host()
        tree:await { type = "host_restarted" }
        reload(tree, version(2))
        assert.are.equal("stopped", status("a").state)
        assert(rpc("start", { paths = { "a" } }))
        assert.are.equal("2", variable(tree, "a", "X"))
        assert.are.equal(0, tree:stop())
    end)

    it("knows the name that was given at the start", function()
        local tree = shop.run(sleeper "a", { args = { "--name", "other" } })
        assert.are.equal("unchanged", rpc("reload").outcome)
        reload(tree, sleeper "a" .. sleeper "b")
        assert.are.equal("other", rpc("hello").name)
        assert.are.equal(0, tree:stop())
    end)

    it("goes on when the program has been replaced by another one", function()
        local program = live.installation {}
        local tree = shop.run(sleeper "a", { program = program })
        assert(uv.fs_unlink(program))
        assert.are.equal("reloaded", reload(tree, sleeper("a", "timeout = 3")).outcome)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("rollback", function()
    after_each(live.clean)

    local function version(number) return sleeper("web", ("env = { V = %d }"):format(number)) end

    it("goes back one by one, also when the host has died in between", function()
        local tree = shop.run(version(1))
        local function running() return variable(tree, "web", "V") end
        local _, _, err = rpc "rollback"
        assert.matches("nothing to go back to", err)
        reload(tree, version(2))
        reload(tree, version(3))
        tree:kill_host()
        tree:await { type = "host_restarted" }
        assert.are.equal("env.V", rpc("plan", { rollback = true }).changes[2].fields[1].field)
        assert.are.equal("reloaded", rpc("rollback", { settle = 0 }).outcome)
        assert.are.equal("2", running())
        tree:kill_host()
        tree:await({ type = "host_restarted" }, 2)
        assert.are.equal("reloaded", rpc("rollback", { settle = 0 }).outcome)
        assert.are.equal("1", running())
        assert.is_nil((rpc "rollback"))
        assert.are.equal("reloaded", rpc("reload").outcome)
        assert.are.equal("3", running())
        assert.are.equal(0, tree:stop())
    end)

    it("does not go to what was rolled back by itself", function()
        local tree = shop.run(version(1))
        reload(tree, version(2))
        assert.are.equal("rolled_back", reload(tree, "s.process 'web' { command = 'exit 1' }", { settle = 60 }).outcome)
        assert.are.equal("reloaded", rpc("rollback", { settle = 0 }).outcome)
        assert.are.equal("1", variable(tree, "web", "V"))
        assert.are.equal(0, tree:stop())
    end)

    it("takes back a rename and keeps the process", function()
        local tree = shop.run(sleeper "old")
        local pid = pid_of(tree, "old")
        reload(tree, sleeper("new", "formerly = 'old'"))
        assert.are.equal(pid, status("new").pid)
        assert(rpc("rollback", { settle = 0 }))
        assert.are.equal(pid, status("old").pid)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("run --watch", function()
    after_each(live.clean)

    local function watched(children, files)
        return shop.run(children, { args = { "--watch" }, files = files })
    end

    local function web(v) return sleeper("web", ("env = { V = %d }"):format(v)) end

    local function await_version(tree, v)
        live.wait("version " .. v, function() return variable(tree, "web", "V") == tostring(v) end)
    end

    it("reloads when the file is saved, in whatever way an editor saves it", function()
        local tree = watched(web(1))
        write(tree, web(2))
        await_version(tree, 2)
        -- Another file, renamed.
        live.write_file(tree.folder .. "/.supervise.lua.swp", config(web(3)))
        assert(uv.fs_rename(tree.folder .. "/.supervise.lua.swp", tree.folder .. "/supervise.lua"))
        await_version(tree, 3)
        -- The former one kept as a backup, a new one written.
        assert(uv.fs_rename(tree.folder .. "/supervise.lua", tree.folder .. "/supervise.lua~"))
        write(tree, web(4))
        await_version(tree, 4)
        write(tree, web(5))
        await_version(tree, 5)
        assert.are.equal(0, tree:stop())
    end)

    it("says what is wrong, and goes on when it is right again", function()
        local tree = watched(web(1))
        write(tree, web(2))
        await_version(tree, 2)
        live.write_file(tree.folder .. "/supervise.lua", "return {")
        tree:await { type = "reload_refused" }
        tree:await_text "supervise.lua:1: unexpected symbol"
        write(tree, web(3))
        await_version(tree, 3)
        assert.are.equal(0, tree:stop())
    end)

    it("minds modules and files of variables, also after the host has died", function()
        local tree = watched([[
            s.process "web" { command = require("words").command, env_file = "conf/vars", env = { V = 1 } }]],
            { ["words.lua"] = "return { command = 'exec sleep 1000' }", ["conf/vars"] = "W=0\n" })
        local count = 1
        local function save(path, text)
            live.write_file(tree.folder .. "/" .. path, text)
            count = count + 1
            tree:await { type = "ready", path = "web", generation = count }
        end
        save("conf/vars", "W=1\n")
        save("words.lua", "return { command = 'exec sleep 1001' }")
        tree:kill_host()
        tree:await { type = "host_restarted" }
        save("conf/vars", "W=2\n")
        assert.are.equal(0, tree:stop())
    end)
end)
