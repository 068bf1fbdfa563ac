-- script/test: tsan
local live = require "spec.support.live"
local uv = require "luv"

-- A tree of the given children, more options of the root before them.
local function tree_of(children, files)
    return live.tree(([[
        local s = require "suptree"
        local path = %q
        local function fault() return assert(package.loadlib(path, "luaopen_fault"))() end
        return s.supervisor "tree" { %s }]]):format(live.build .. "/spec/fault.so", children), { files = files })
end

local endless = "while ctx:sleep(3600) do end"

describe("a thread service", function()
    after_each(live.clean)

    it("runs beside a process, and both are started again when they crash", function()
        local tree = tree_of [[
            failure_threshold = 1000,
            s.process "process" { command = "echo up; exec /bin/sleep 1000" },
            s.thread "thread" { run = function(ctx) print "up" ctx:sleep "100ms" error "crash" end },]]
        tree:await_line("process", "up")
        uv.kill(live.wait("the process", function() return tree:service "process" end), "sigkill")
        tree:await { type = "launched", path = "process", generation = 2 }
        tree:await { type = "launched", path = "thread", generation = 3 }
        assert.are.equal(0, tree:stop())
    end)

    it("gets its path and its arguments, and what its function uses", function()
        local tree = tree_of [[
            (function()
                local greeting, count = { "hello" }, 0
                local function greet(name) count = count + 1 return greeting[1] .. " " .. name .. " " .. count end
                return s.thread "it" { args = { name = "world", list = { 1, 2.5, true } }, run = function(ctx)
                    ctx:log(ctx.path, ctx.args.name, ctx.args.list[2], ctx.args.list[3])
                    print(greet(ctx.args.name), greet "again")
                    io.write("one", " ", "line\n")
                    io.stdout:write "another\n"
                    io.stderr:write "and another\n"
                    while ctx:sleep(3600) do end
                end }
            end)(),]]
        tree:await_line("it", "it world 2.5 true")
        tree:await_line("it", "hello world 1\thello again 2")
        tree:await_line("it", "one line")
        tree:await_line("it", "another")
        tree:await_line("it", "and another")
        assert.are.equal(0, tree:stop())
    end)

    it("may be a module beside the configuration, which requires others", function()
        local tree = tree_of([[s.thread "it" { run = "work.main" }]], {
            ["work/main.lua"] = [[local other = require "work.other" return function(ctx)
                print(other.text) while ctx:sleep(3600) do end end]],
            ["work/other.lua"] = [[return { text = "from the other" }]],
        })
        tree:await_line("it", "from the other")
        assert.are.equal(0, tree:stop())
    end)

    it("has a fresh state each time", function()
        local tree = tree_of [[failure_threshold = 10, s.thread "it" { run = function(ctx)
            counter = (counter or 0) + 1
            print("counter", counter)
            if not ctx:sleep "50ms" then return end
            error "again"
        end },]]
        tree:await { type = "launched", path = "it", generation = 3 }
        tree:stop()
        assert.is_nil(tree.out:find("counter\t2", 1, true))
    end)

    it("in the form serve and stop shares what both use; stop gets the context", function()
        local tree = tree_of [[
            (function()
                local running = true
                return s.thread "it" { timeout = "1h",
                    serve = function(ctx) print "up" while running do ctx:sleep "10ms" end print "down" end,
                    stop = function(context) print("stop", context) running = false end,
                }
            end)(),]]
        tree:await_line("it", "up")
        assert.are.equal(0, tree:stop())
        assert.matches("stop\tSIGTERM", tree.out, 1, true)
        assert.matches("down", tree.out, 1, true)
    end)

    it("is ready when it says so, and others wait for that", function()
        local tree = tree_of [[
            s.thread "db" { ready = s.ready.manual(), run = function(ctx)
                ctx:sleep "200ms" print "now" ctx:ready() while ctx:sleep(3600) do end end },
            s.thread "web" { after = { "db" }, run = function(ctx) while ctx:sleep(3600) do end end },]]
        local ready = tree:await { type = "ready", path = "db" }
        local launched = tree:await { type = "launched", path = "web" }
        assert.is_true(launched.seq > ready.seq)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("how a thread service ends:", function()
    after_each(live.clean)

    local function ended(body, more)
        local tree = tree_of(([[failure_threshold = 0, failure_backoff = "1h",
            s.thread "it" { %s run = function(ctx) %s end }, s.thread "other" { run = function(ctx) %s end },]])
            :format(more or "", body, endless))
        local event = tree:await { type = "ended", path = "it" }
        return event, tree
    end

    it("a raised error has its message and a traceback", function()
        local event, tree = ended [[local function deep() error "boom" end deep() return 1]]
        assert.matches("raised: .*supervise.lua:%d+: boom", event.reason)
        assert.matches("stack traceback:", event.error, 1, true)
        assert.matches("in local 'deep'", event.error, 1, true)
        tree:await { type = "failed", path = "it" }
        tree:stop()
    end)

    it("an error that is a table with __tostring is told by it", function()
        local event, tree = ended [[error(setmetatable({}, { __tostring = function() return "a table" end }))]]
        assert.matches("a table", event.error, 1, true)
        tree:stop()
    end)

    it("nil and a text is a failure as well", function()
        local event, tree = ended [[return nil, "no luck"]]
        assert.matches("no luck", event.reason, 1, true)
        tree:await { type = "failed", path = "it" }
        tree:stop()
    end)

    it("a plain return of a transient one is no failure", function()
        local event, tree = ended([[return true]], [[restart = "transient",]])
        assert.are.equal("returned", event.reason)
        assert.are.equal(0, #tree:all { type = "failed" })
        assert.are.equal(0, tree:stop())
    end)

    it("suptree.DONE leaves the tree quietly", function()
        local _, tree = ended [[return require "suptree".DONE]]
        assert.are.equal(0, #tree:all { type = "failed" })
        assert.are.equal(1, #tree:all { type = "launched", path = "it" })
        assert.are.equal(0, tree:stop())
    end)

    it("suptree.DONE may be captured", function()
        local _, tree = ended [[return s.DONE]]
        assert.are.equal(0, #tree:all { type = "failed" })
        assert.are.equal(0, tree:stop())
    end)

    it("suptree.TERMINATE_TREE ends the tree", function()
        local tree = tree_of [[s.thread "it" { run = function() return s.TERMINATE_TREE end },
            s.thread "other" { run = function(ctx) while ctx:sleep(3600) do end end },]]
        assert.are.equal(0, (tree:wait()))
        assert.are.equal(1, #tree:all { type = "stopped" })
    end)

    it("memory beyond its cap is an error of this service alone", function()
        local event, tree = ended([[local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end]],
            [[memory = "1MiB",]])
        assert.matches("not enough memory: it may take 1024 KiB", event.error, 1, true)
        assert.are.equal(0, tree:stop())
        assert.are.equal("returned", tree:all({ type = "ended", path = "other" })[1].reason)
    end)

    it("an error in a callback of luv ends the service, not the host", function()
        local event, tree = ended [[local uv = require "luv"
            uv.new_timer():start(1, 0, function() error "in a timer" end)
            uv.run()]]
        assert.matches("in a timer", event.error, 1, true)
        assert.are.equal(0, #tree:all { type = "host_restarted" })
        assert.are.equal(0, tree:stop())
    end)

    it("open handles of luv are closed with it", function()
        local event, tree = ended [[local uv = require "luv"
            local server, timer = uv.new_tcp(), uv.new_timer()
            server:bind("127.0.0.1", 0)
            server:listen(1, function() end)
            timer:start(1000000, 0, function() end)
            uv.walk(function(handle) if not handle:is_closing() and handle == timer then handle:stop() end end)
            uv.run "nowait"
            uv.fs_stat("/", function() end)
            return nil, "left open"]]
        assert.matches("left open", event.reason, 1, true)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("in a thread service", function()
    after_each(live.clean)

    local refused = {
        { "os.exit()", "suptree.DONE" },
        { "os.execute('true')", "s.process" },
        { "io.popen('true')", "s.process" },
        { "os.setlocale('C')", "LC_ALL" },
        { "debug.sethook()", "os.clock" },
        { "setmetatable({}, { __gc = function() end })", "<close>" },
        { "debug.setmetatable({}, { __gc = function() end })", "<close>" },
        { "require 'luv'.spawn('true')", "s.process" },
        { "require 'luv'.chdir('/')", "absolute paths" },
        { "require 'luv'.os_setenv('A', 'b')", "args" },
        { "require 'luv'.new_signal()", "ctx:on_stop" },
    }

    it("what reaches beyond it, or could not be stopped, is refused with what to use instead", function()
        local words = {}
        for i, one in ipairs(refused) do words[i] = ("print(%d, pcall(function() %s end))"):format(i, one[1]) end
        local tree = tree_of(([[s.thread "it" { run = function(ctx) %s print "end" %s end },]])
            :format(table.concat(words, "\n"), endless))
        tree:await_line("it", "end")
        for i, one in ipairs(refused) do
            local line = tree.out:match(("| %d\t([^\n]*)"):format(i))
            assert.matches("false\t.* refused in a thread service", line)
            assert.matches(one[2], line, 1, true)
        end
        assert.are.equal(0, tree:stop())
    end)

    it("coroutines behave as Lua's", function()
        local tree = tree_of(([[s.thread "it" { run = function(ctx)
            local co = coroutine.create(function(a, b) local c = coroutine.yield(a + b) error { c } end)
            local good, sum = coroutine.resume(co, 1, 2)
            local bad, raised = coroutine.resume(co, 7)
            print(good, sum, bad, raised[1], coroutine.status(co), select("#", coroutine.resume(co)))
            local each = coroutine.wrap(function(...)
                for i = 1, select("#", ...) do coroutine.yield((select(i, ...))) end end)
            print(each("x", "y"), each(), each(), pcall(each))
            print(pcall(coroutine.wrap(function() error "inside" end)))
            local closed
            local open = coroutine.create(function()
                local x <close> = setmetatable({}, { __close = function() closed = true end })
                coroutine.yield()
            end)
            coroutine.resume(open)
            print(coroutine.close(open), closed, coroutine.status(open))
            print(pcall(coroutine.close, coroutine.running()))
            print(pcall(coroutine.resume, 1))
            %s
        end },]]):format(endless))
        tree:await_line("it", "true\t3\tfalse\t7\tdead\t2")
        tree:await_line("it", "x\ty\tnil\tfalse\tcannot resume dead coroutine")
        tree:await_text "inside"
        tree:await_line("it", "true\ttrue\tdead")
        tree:await_text "cannot close a running coroutine"
        tree:await_text "coroutine expected"
        assert.are.equal(0, tree:stop())
    end)
end)

describe("when the host dies", function()
    after_each(live.clean)

    local both = [[
        s.process "web" { command = { "/bin/sleep", "1000" } },
        s.thread "it" { run = function(ctx) print "up" while ctx:sleep(3600) do end end },]]

    it("by kill -9, its threads are started again uncounted, and no process", function()
        local tree = tree_of(both)
        tree:await { type = "ready", path = "." }
        local web = tree:service "web"
        for round = 1, 2 do
            tree:kill_host()
            tree:await { type = "host_restarted" }
            tree:await { type = "launched", path = "it", generation = round + 1 }
        end
        assert.are.equal(web, tree:service "web")
        assert.are.equal(0, #tree:all { type = "failed" })
        assert.are.equal(1, #tree:all { type = "launched", path = "web" })
        assert.are.equal(0, tree:stop())
        assert.are.equal("returned", tree:all({ type = "ended", path = "it" })[3].reason)
    end)

    it("by a segfault in a thread service, that one is charged, the others are not, no process restarts", function()
        local tree = tree_of(both .. [[
            s.thread "broken" { restart_delay = "1h", run = function(ctx)
                while not io.open "go" do ctx:sleep "10ms" end
                fault().crash()
            end },]])
        tree:await { type = "ready", path = "." }
        local web = tree:service "web"
        live.write_file(tree.folder .. "/go", "")
        tree:await { type = "host_restarted" }
        local failed = tree:await { type = "failed" }
        assert.are.equal("broken", failed.path)
        tree:await { type = "launched", path = "it", generation = 2 }
        assert.are.equal(1, #tree:all { type = "failed" })
        assert.are.equal(web, tree:service "web")
        assert.are.equal(1, #tree:all { type = "launched", path = "web" })
        assert.are.equal(0, tree:stop())
    end)

    it("again and again by a thread service, threads stay down in safe mode, and no process restarts", function()
        local tree = tree_of(both .. [[
            s.thread "broken" { run = function(ctx)
                while not io.open "go" do ctx:sleep "10ms" end
                ctx:sleep "20ms"
                fault().crash()
            end },]])
        tree:await { type = "ready", path = "." }
        local web = tree:service "web"
        live.write_file(tree.folder .. "/go", "")
        local refused = tree:await { type = "launch_failed", path = "it" }
        assert.matches("safe mode: hosts died too often, so thread services stay down", refused.reason, 1, true)
        assert.are.equal(web, tree:service "web")
        assert.are.equal(1, #tree:all { type = "launched", path = "web" })
        assert.are.equal(0, tree:stop())
    end)

    it("while a thread is being stopped, the stop goes on", function()
        local tree = tree_of [[
            s.process "slow" { command = "trap '' TERM; echo up; while :; do /bin/sleep 1000; done", timeout = "3s" },
            s.thread "it" { run = function() print "up" while true do end end, timeout = "1h" },]]
        tree:await_line("slow", "up")
        tree:await_line("it", "up")
        tree:kill "TERM"
        tree:await { type = "stopping", path = "it" }
        tree:kill_host()
        assert.are.equal(0, (tree:wait()))
        assert.are.equal(1, #tree:all { type = "launched", path = "it" })
    end)
end)

describe("a declaration of a thread", function()
    after_each(live.clean)

    it("with serve beside run, or with a stop alone, is refused", function()
        local folder = live.folder()
        local file = live.write_file(folder .. "/supervise.lua", [[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.thread "a" { run = function() end, serve = function() end },
                s.thread "b" { stop = function() end },
            }]])
        local code, _, err = live.run { live.program, "run", file }
        assert.are.equal(78, code)
        assert.matches("tree.a.serve: stands beside run", err, 1, true)
        assert.matches("tree.b.serve: must be a function, not nothing", err, 1, true)
    end)
end)
