-- script/test: tsan
local live = require "spec.support.live"

-- A tree of one thread service whose function is `body`, which says "up" when it is where it is to be stopped, beside
-- one that stops when asked.
local function tree_with(body, options)
    local tree = live.tree(([[
        local s = require "suptree"
        local path = %q
        local function fault() return assert(package.loadlib(path, "luaopen_fault"))() end
        return s.supervisor "tree" {
            s.thread "it" { timeout = "200ms", run = function(ctx) %s end, %s },
            s.thread "neighbour" { run = function(ctx) while ctx:sleep(3600) do end end },
        }]]):format(live.build .. "/spec/fault.so", body, options or ""))
    tree:await_line("it", "up")
    tree:await { type = "ready", path = "." }
    return tree
end

-- Asked, killed when the timeout was over, ended by that.
local function assert_killed(tree)
    assert.are.equal(0, tree:stop())
    assert.are.equal(1, #tree:all { type = "stopping", path = "it" })
    assert.are.equal(1, #tree:all { type = "killed", path = "it" })
    local ended = tree:all { type = "ended", path = "it" }
    assert.are.equal(1, #ended)
    assert.is_true(ended[1].planned)
    assert.are.equal(0, #tree:all { type = "stuck" })
    assert.are.equal("returned", tree:all({ type = "ended", path = "neighbour" })[1].reason)
    return ended[1]
end

-- The thread sanitizer holds signals back until the thread calls into C that it knows, such as malloc.
local function breathing(body)
    if not live.tsan then return body end
    body = body:gsub("while true do", "while true do local _ = {}")
    return (body:gsub("f%(%) return f", "f() local _ = {} return f"))
end

describe("a thread service that does not listen is stopped in", function()
    after_each(live.clean)

    local cases = {
        { "an endless loop", [[print "up" while true do end]] },
        { "an endless recursion", [[print "up" local function f() return f() end f()]] },
        { "a loop in pcall", [[print "up" while true do pcall(function() while true do end end) end]] },
        { "a loop of pcall that catches", [[print "up" while true do pcall(error, "x") end]] },
        { "pcall in pcall", [[print "up"
            local function deep(n) while true do if n > 0 then pcall(deep, n - 1) end end end deep(100)]] },
        { "xpcall with a handler that returns", [[print "up"
            while true do xpcall(function() while true do end end, function(m) return m end) end]] },
        { "a coroutine", [[print "up" coroutine.wrap(function() while true do end end)()]] },
        { "nested coroutines that catch", [[
            local resume, create = coroutine.resume, coroutine.create
            local function nest(n)
                if n == 0 then print "up" end
                while true do if n > 0 then resume(create(nest), n - 1) end end
            end
            nest(10)]] },
        { "coroutines that are made and dropped", [[print "up"
            while true do coroutine.wrap(function() pcall(coroutine.yield) end)() end]] },
        { "a callback of table.sort", [[local t = {} for i = 1, 10 do t[i] = i end
            table.sort(t, function() print "up" while true do end end)]] },
        { "a callback of string.gsub", [[("x"):gsub("x", function() print "up" while true do end end)]] },
        { "a metamethod", [[return setmetatable({}, { __index = function() print "up" while true do end end }).x]] },
        { "the closing of a variable", [[
            local x <close> = setmetatable({}, { __close = function() print "up" while true do end end })]] },
        { "the closing of a coroutine", [[
            local co = coroutine.create(function()
                local x <close> = setmetatable({}, { __close = function() print "up" while true do end end })
                coroutine.yield()
            end)
            coroutine.resume(co)
            coroutine.close(co)]] },
        { "sleeps whose answer it ignores", [[print "up" while true do ctx:sleep(3600) end]] },
        { "uv.run, again and again", [[
            local uv = require "luv"
            local timer = uv.new_timer()
            timer:start(0, 1, function() end)
            print "up"
            while true do uv.run() end]] },
        { "a callback of luv", [[
            local uv = require "luv"
            local timer = uv.new_timer()
            timer:start(0, 1, function() print "up" while true do end end)
            while true do uv.run() end]] },
        { "a write to an output that nobody reads", [[
            local uv = require "luv"
            local read, write = uv.new_pipe(), uv.pipe()
            print "up"
            local out = io.open("/proc/self/fd/" .. write.write, "w")
            while true do out:write(("x"):rep(4096)) end]] },
    }

    for _, case in ipairs(cases) do
        it(case[1], function() assert_killed(tree_with(breathing(case[2]))) end)
    end

    it("a blocking read", function()
        local folder = live.folder()
        assert(os.execute(("mkfifo '%s/fifo'"):format(folder)))
        local tree = tree_with(([[
            local file = assert(io.open(%q, "r+"))
            print "up"
            while true do file:read "a" end]]):format(folder .. "/fifo"))
        assert_killed(tree)
    end)

    it("its tracks: the event says where it was", function()
        local ended = assert_killed(tree_with(breathing [[print "up" while true do end]]))
        assert.matches("supervise.lua:5: killed: it was asked to stop and did not end within its timeout", ended.error,
            1, true)
        assert.matches("stack traceback:", ended.error, 1, true)
    end)
end)

describe("a thread service that is asked to stop returns by itself from", function()
    after_each(live.clean)

    local function assert_returned(tree)
        assert.are.equal(0, tree:stop())
        assert.are.equal("returned", tree:all({ type = "ended", path = "it" })[1].reason)
        assert.are.equal(0, #tree:all { type = "killed" })
    end

    it("ctx:sleep", function()
        assert_returned(tree_with([[print "up" assert(ctx:sleep(3600) == false)]], [[timeout = "1h"]]))
    end)

    it("uv.run", function()
        assert_returned(tree_with([[
            local uv = require "luv"
            local timer = uv.new_timer()
            timer:start(3600000, 0, function() end)
            print "up"
            uv.run()
            assert(ctx:stopping())]], [[timeout = "1h"]]))
    end)

    it("uv.sleep", function()
        assert_returned(tree_with([[print "up" require "luv".sleep(3600000)]], [[timeout = "1h"]]))
    end)

    it("a loop that looks at ctx:stopping", function()
        assert_returned(tree_with([[print "up" while not ctx:stopping() do end]], [[timeout = "1h"]]))
    end)

    it("ctx:sleep, after ctx:on_stop was called once with the context", function()
        local tree = tree_with([[
            ctx:on_stop(function(context) print("asked", context) end)
            print "up"
            while ctx:sleep(3600) do end
            ctx:stopping()]], [[timeout = "1h"]])
        assert_returned(tree)
        local _, count = tree.out:gsub("asked\tSIGTERM", "")
        assert.are.equal(1, count)
    end)
end)

describe("a thread service that cannot be stopped", function()
    after_each(live.clean)

    local cases = {
        { "a long call in C", [[print "up" string.find(("a"):rep(60), ("a*"):rep(30) .. "b")]] },
        { "a call in C that hides from signals", [[local fault = fault() print "up" fault.loop()]] },
        { "a finalizer that loops", [[local x = fault().finalizer() print "up" x = nil collectgarbage()]] },
        { "a message handler that loops", [[print "up"
            xpcall(function() while true do end end, function() while true do end end)]] },
    }

    for _, case in ipairs(cases) do
        it("becomes stuck and delays nobody: " .. case[1], function()
            local tree = tree_with(case[2], [[kill_timeout = "300ms"]])
            assert.are.equal(0, tree:stop())
            assert.are.equal(1, #tree:all { type = "stuck", path = "it" })
            assert.are.equal(1, #tree:all { type = "launched", path = "it" })
            assert.are.equal(0, #tree:all { type = "ended", path = "it" })
            assert.are.equal("returned", tree:all({ type = "ended", path = "neighbour" })[1].reason)
            assert.matches("not stopped: it", tree.out, 1, true)
        end)
    end

    it("gets the lowest priority, is reported, and never runs twice", function()
        local tree = live.tree(([[
            local s = require "suptree"
            local path = %q
        local function fault() return assert(package.loadlib(path, "luaopen_fault"))() end
            return s.supervisor "tree" { strategy = "one_for_all", timeout = "100ms", kill_timeout = "100ms",
                s.thread "it" { run = function() print "up" string.find(("a"):rep(60), ("a*"):rep(30) .. "b") end },
                s.thread "once" { restart = "transient", run = function(ctx)
                    ctx:sleep "1s"
                    if not ctx:stopping() then error "once" end
                end },
            }]]):format(live.build .. "/spec/fault.so"))
        tree:await_line("it", "up")
        tree:await { type = "stuck", path = "it" }
        tree:await { type = "launched", path = "once", generation = 2 }
        local policies = {}
        for _, tid in ipairs(live.threads(tree:host())) do policies[live.policy(tree:host(), tid)] = true end
        assert.is_true(policies[5]) -- SCHED_IDLE
        assert.are.equal(1, #tree:all { type = "launched", path = "it" })
        assert.are.equal(0, tree:stop())
    end)

    it("is replaced with on_stuck = \"abandon\"", function()
        local tree = live.tree(([[
            local s = require "suptree"
            local path = %q
        local function fault() return assert(package.loadlib(path, "luaopen_fault"))() end
            return s.supervisor "tree" { strategy = "one_for_all", timeout = "100ms", kill_timeout = "100ms",
                s.thread "it" { on_stuck = "abandon", run = function() print "up" fault().loop() end },
                s.thread "once" { run = function(ctx) ctx:sleep "1s" if not ctx:stopping() then error "once" end end },
            }]]):format(live.build .. "/spec/fault.so"))
        tree:await { type = "launched", path = "it", generation = 2 }
        assert.are.equal(0, tree:stop())
    end)
end)
