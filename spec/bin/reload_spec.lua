local cjson = require "cjson"
local live = require "spec.support.live"
local proc = require "spec.support.proc"
local uv = require "luv"

-- Reloads of running trees, asked for by SIGHUP and over the control socket.

-- One call by the command line: the result as a table; or nil, the exit code and what was said.
local function rpc(method, params)
    local code, out, err = live.run { live.program, "rpc", method, params and cjson.encode(params) or nil }
    if code == 0 then return cjson.decode(out) end
    return nil, code, err
end

local SLEEP = 'command = "exec sleep 1000"'

-- A service that does nothing, for the text of a configuration.
local function sleeper(name, options)
    return ("s.process '%s' { %s, %s },\n"):format(name, SLEEP, options or "")
end

local function config(children)
    return 'local s = require "suptree"\nreturn s.supervisor "shop" {\n' .. children .. "\n}\n"
end

local function shop(children, options)
    local tree = live.tree(config(children), options)
    tree:await { type = "ready", path = "." }
    return tree
end

local function write(tree, children)
    live.write_file(tree.folder .. "/supervise.lua", config(children))
end

-- Reload with other children; what the host says to it.
local function reload(tree, children, params)
    write(tree, children)
    params = params or {}
    params.settle = params.settle or 0
    local result, code, err = rpc("reload", params)
    assert(result, ("exit code %s: %s"):format(code, err))
    return result
end

local function status(path)
    return assert(rpc("status", { paths = { path } })).services[1]
end

-- The pid of the service's process, as soon as there is one.
local function pid_of(tree, path)
    return live.wait("a process of " .. path, function() return tree:service(path) end)
end

-- A variable of the service's process; "unset": it has none of that name. While a process executes another program, its
-- environment is empty for a moment.
local function variable(tree, path, name)
    return live.wait("the environment of " .. path, function()
        local pid = tree:service(path)
        local env = pid and proc.environment(pid) or {}
        return env.SUPTREE_PATH and (env[name] or "unset")
    end)
end

describe("a reload", function()
    after_each(live.clean)

    it("restarts what exec sees and leaves the rest alone", function()
        local tree = shop(sleeper "db" .. sleeper("web", "env = { PORT = 8080 }"))
        local db, web = pid_of(tree, "db"), pid_of(tree, "web")
        local result = reload(tree, sleeper "db" .. sleeper("web", "env = { PORT = 8081 }"))
        assert.are.equal("reloaded", result.outcome)
        assert.are.equal("web", result.results[1].path)
        assert.are.equal("ok", result.results[1].status)
        assert.are.equal(db, tree:service "db")
        assert.are_not.equal(web, tree:service "web")
        assert.are.equal("8081", variable(tree, "web", "PORT"))
        tree:await { type = "reloaded" }
        assert.are.equal("unchanged", rpc("reload").outcome)
        assert.are.equal(1, #tree:all { type = "reloaded" })
        assert.are.equal(0, tree:stop())
    end)

    it("by SIGHUP does the same", function()
        local tree = shop(sleeper "a")
        local a = pid_of(tree, "a")
        write(tree, sleeper "a" .. sleeper "b")
        tree:kill "HUP"
        tree:await { type = "launched", path = "b" }
        assert.are.equal(a, tree:service "a")
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
        local tree = shop(many())
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
        local tree = shop(("s.process 'w' { %s, log = { file = 'first.log' } }"):format(writer))
        local w = pid_of(tree, "w")
        local result = reload(tree, ("timeout = 3,\ns.process 'w' { %s, log = { file = 'second.log' }, "
            .. "description = 'writes', restart = 'transient' }"):format(writer))
        assert.are.equal("reloaded", result.outcome)
        assert.are.equal(0, result.plan.summary.restart)
        live.wait("lines in the second file", function()
            return (live.read_file(tree.folder .. "/second.log") or ""):find "line"
        end)
        assert.are.equal(w, tree:service "w")
        assert.are.equal("writes", status("w").description)
        assert.are.equal(0, tree:stop())
    end)

    it("reads env_file again", function()
        local child = "s.process 'a' { command = 'exec sleep 1000', env_file = 'vars' }"
        local tree = shop(child, { files = { vars = "A=1\n" } })
        assert.are.equal("1", variable(tree, "a", "A"))
        live.write_file(tree.folder .. "/vars", "A=2\n")
        assert.are.equal("restart", reload(tree, child).plan.changes[2].action)
        assert.are.equal("2", variable(tree, "a", "A"))
        assert.are.equal(0, tree:stop())
    end)

    it("starts what is new, stops what is gone, renames what was called otherwise", function()
        local speaker = "command = 'while :; do echo here; sleep 0.05; done'"
        local tree = shop(("s.process 'old' { %s },\n%s s.supervisor 'w' { %s }"):format(speaker, sleeper "gone",
            sleeper "x"))
        local old, x = pid_of(tree, "old"), pid_of(tree, "w/x")
        tree:await_line("old", "here")
        reload(tree, ("s.process 'new' { %s, formerly = 'old' },\ns.supervisor 'v' { formerly = 'w', %s %s }"):format(
            speaker, sleeper "x", sleeper "y"))
        assert.are.equal(old, status("new").pid)
        assert.are.equal(x, status("v/x").pid)
        assert.is_truthy(pid_of(tree, "v/y"))
        assert.is_nil(tree:service "gone")
        tree:await_line("new", "here")
        assert.are.equal(0, tree:stop())
    end)

    it("restarts a thread when its function has changed, or a module, and not when it has only moved", function()
        local thread = "s.thread 't' { run = function(ctx) print('%s', require('words').text) "
            .. "while ctx:sleep(3600) do end end }"
        local function generation() return status("t").generation end
        local tree = shop(thread:format "one", { files = { ["words.lua"] = "return { text = 'first' }" } })
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
        local tree = shop(version(0))
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
        local tree = shop(sleeper "a", { args = { "--name", "other" } })
        assert.are.equal("unchanged", rpc("reload").outcome)
        reload(tree, sleeper "a" .. sleeper "b")
        assert.are.equal("other", rpc("hello").name)
        assert.are.equal(0, tree:stop())
    end)

    it("goes on when the program has been replaced by another one", function()
        local program = live.installation {}
        local tree = shop(sleeper "a", { program = program })
        assert(uv.fs_unlink(program))
        assert.are.equal("reloaded", reload(tree, sleeper("a", "timeout = 3")).outcome)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("a configuration that cannot be used", function()
    after_each(live.clean)

    local tree
    before_each(function() tree = shop(sleeper "a") end)

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
        assert.are.equal(pid, tree:service "a")
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
        local tree = shop(pair(good))
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
        assert.are.equal(db, tree:service "db")
        tree:await_line("suptree", "the reload was rolled back because of web: exit code 3")
        assert.are.equal(0, tree:stop())
    end)

    it("is rolled back when a new service does not get ready, and when one cannot be started", function()
        local tree = shop(pair(good))
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
        local tree = shop(pair(good))
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
        local tree = shop(pair(good))
        write(tree, pair("s.process 'web' { command = 'exec sleep 1000', ready = s.ready.delay(300), "
            .. "start_timeout = 600 }"))
        local _, code, err = rpc("reload", { timeout = 0.3 })
        assert.are.equal(124, code)
        assert.matches("not settled in the time given", err)
        assert.are.equal("reloaded", reload(tree, pair(good)).outcome)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("rollback", function()
    after_each(live.clean)

    local function version(number) return sleeper("web", ("env = { V = %d }"):format(number)) end

    it("goes back one by one, also when the host has died in between", function()
        local tree = shop(version(1))
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
        local tree = shop(version(1))
        reload(tree, version(2))
        assert.are.equal("rolled_back", reload(tree, "s.process 'web' { command = 'exit 1' }", { settle = 60 }).outcome)
        assert.are.equal("reloaded", rpc("rollback", { settle = 0 }).outcome)
        assert.are.equal("1", variable(tree, "web", "V"))
        assert.are.equal(0, tree:stop())
    end)

    it("takes back a rename and keeps the process", function()
        local tree = shop(sleeper "old")
        local pid = pid_of(tree, "old")
        reload(tree, sleeper("new", "formerly = 'old'"))
        assert.are.equal(pid, status("new").pid)
        assert(rpc("rollback", { settle = 0 }))
        assert.are.equal(pid, status("old").pid)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("a reload at a bad moment", function()
    after_each(live.clean)

    it("during a pause changes what waits, and the pause goes on", function()
        local function tree_of(command, v)
            return ("failure_threshold = 1, failure_backoff = '1s',\ns.process 'bad' { command = '%s' },\n%s"):format(
                command, sleeper("a", ("env = { V = %d }"):format(v)))
        end
        local tree = live.tree(config(tree_of("exit 1", 1)))
        tree:await { type = "backoff", path = "." }
        local result = reload(tree, tree_of("exec sleep 1000", 2), { wait = false })
        assert.are.equal("reloaded", result.outcome)
        assert.are.equal("2", variable(tree, "a", "V"))
        local resume = tree:await { type = "resume", path = "." }
        tree:await { type = "ready", path = "bad" }
        assert.are.equal(1, #tree:all { type = "resume" })
        assert.is_true(resume.time - tree:all({ type = "backoff" })[1].time >= 0.998)
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
        local tree = shop(tree_of(1))
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
        local deaf = "command = 'trap \"\" TERM; echo up; while :; do sleep 1; done', timeout = 2"
        local tree = shop(("s.process 'deaf' { %s }"):format(deaf))
        tree:await_line("deaf", "up")
        tree:kill "TERM"
        tree:await { type = "stopping", path = "deaf" }
        write(tree, sleeper "b")
        local result, _, err = rpc "reload"
        assert.is_nil(result)
        assert.matches("the tree has ended", err)
        tree:kill "HUP"
        assert.are.equal(0, (tree:wait()))
        assert.are.equal(0, #tree:all { type = "launched", path = "b" })
    end)

    it("during another one replaces it", function()
        local function web(v, ready)
            return sleeper("web", ("env = { V = %d }, %s"):format(v, ready or ""))
        end
        local tree = shop(web(1))
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
        local tree = shop(web(0))
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

describe("when the host is killed in the middle of reloads", function()
    after_each(live.clean)

    local COUNT = 8

    -- Version `v`; `sick`: one of them fails at once.
    local function version(v, sick)
        local parts = {}
        for i = 1, COUNT do
            parts[i] = ("s.process 's%d' { command = '%s', env = { V = %d } },"):format(i,
                sick and i == COUNT and "exit 1" or "exec sleep 1000", v)
        end
        return table.concat(parts, "\n")
    end

    -- The version that runs, when every service is up and all have the same.
    local function whole_version(tree)
        local versions, count = {}, {}
        for _, pid in ipairs(proc.children(tree.pid)) do
            local env = proc.lives(pid) and proc.environment(pid) or {}
            if env.SUPTREE_PATH then
                count[env.SUPTREE_PATH] = (count[env.SUPTREE_PATH] or 0) + 1
                versions[tonumber(env.V)] = (versions[tonumber(env.V)] or 0) + 1
                assert.are.equal(1, count[env.SUPTREE_PATH], env.SUPTREE_PATH .. " runs twice")
            end
        end
        for v, number in pairs(versions) do
            if number == COUNT then return v end
        end
    end

    local function pause(ms)
        local timer, done = assert(uv.new_timer()), false
        timer:start(ms, 1, function() done = true end)
        while not done do uv.run "once" end
        timer:close()
        uv.run "nowait"
    end

    it("the old or the new tree is there, whole, and nothing runs twice", function()
        math.randomseed(tonumber(os.getenv "SPEC_SEED") or 7)
        local program = live.installation { "--test-eager" }
        local tree = shop(version(0), { program = program, args = { "--quiet" } })
        local current, went = 0, { old = 0, new = 0, back = 0 }
        for v = 1, live.sanitized and 20 or 40 do
            local sick = v % 4 == 0
            write(tree, version(v, sick))
            tree:kill "HUP"
            pause(math.random(0, 60))
            tree:kill_host()
            tree:await({ type = "host_restarted" }, v)
            live.wait("a quiet tree", function()
                local reply = rpc "status"
                for _, node in ipairs(reply and reply.services or { { ready = false } }) do
                    if not node.ready then return false end
                end
                return true
            end)
            local after = live.wait(function() return "a whole tree of " .. current .. " or " .. v end, function()
                return whole_version(tree)
            end)
            assert.is_true(after == current or not sick and after == v,
                ("%d after %d and %d"):format(after, current, v))
            local way = after == current and "old" or "new"
            went[way] = went[way] + 1
            current = after
        end
        -- The moments are chosen so that both happen.
        assert.is_true(went.old > 0 and went.new > 0, ("%d old, %d new"):format(went.old, went.new))
        local seen = {}
        for _, event in ipairs(tree:all { type = "launched", kind = "process" }) do
            local key = event.path .. " " .. event.generation
            assert.is_nil(seen[key], key .. " was launched twice")
            seen[key] = true
        end
        write(tree, version(99))
        assert.are.equal("reloaded", rpc("reload").outcome)
        assert.are.equal("reloaded", rpc("rollback", { settle = 0 }).outcome)
        assert.are.equal(current, live.wait("the version before", function() return whole_version(tree) end))
        assert.are.equal(0, tree:stop())
    end)
end)

describe("run --watch", function()
    after_each(live.clean)

    local function watched(children, files)
        return shop(children, { args = { "--watch" }, files = files })
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
