-- script/test: tsan
local live = require "spec.support.live"
local uv = require "luv"

-- A tree whose meter counts to `threshold` and forgets nothing.
local function tree_of(threshold, children, options)
    return live.tree(([[
        local s = require "suptree"
        return s.supervisor "tree" { failure_decay = "100000h", failure_threshold = %s, %s }]])
        :format(threshold, children), options)
end

-- Every event once and in order, and for each service its generations one after the other, each launched, ready,
-- ended; each end counted by the meter, or that of a dead host. Returns how many failures there were.
local function check_story(tree)
    local events, failures, last, generation = tree:events(), 0, {}, {}
    table.sort(events, function(a, b) return a.seq < b.seq end)
    local before = { ready = "launched", ended = "ready", failed = "ended", launched = "failed" }
    for number, event in ipairs(events) do
        assert.are.equal(number, event.seq)
        if event.kind == "thread" and before[event.type] then
            local path, type = event.path, event.type
            local former = last[path]
            if type == "launched" then
                generation[path] = (generation[path] or 0) + 1
                -- A dead host's threads are launched again uncounted.
                if former == "lost" then former = "failed" end
                assert.is_true(former == nil or former == "failed", path .. ": launched after " .. tostring(former))
            else
                local cut_short = type == "ended" and former == "launched" -- by the death, before it was said ready
                assert.is_true(former == before[type] or cut_short, ("%s: %s after %s"):format(path, type, former))
            end
            assert.are.equal(generation[path], event.generation)
            last[path] = type == "ended" and event.error == "the host died" and "lost" or type
            if type == "failed" then
                failures = failures + 1
                assert.is_true(math.abs(event.count - failures) < 0.01, "the meter says " .. event.count)
            end
        end
    end
    return failures
end

describe("a storm of failing thread services", function()
    after_each(live.clean)

    it("is counted exactly by the meter, and each generation runs once", function()
        local count = live.sanitized and 2000 or 100000
        local tree = tree_of(count - 0.5, [[on_threshold = "escalate", s.thread "it" { run = function()
            local file <close> = io.open("runs", "a")
            file:write "x"
            error "again"
        end }]], { events = false, args = { "--quiet" } })
        assert.are.equal(1, (tree:wait()))
        assert.are.equal(count, uv.fs_stat(tree.folder .. "/runs").size)
    end)

    it("loses and repeats nothing when the host is killed in the midst of it", function()
        local tree = tree_of(1e9, [[
            s.thread "a" { run = function(ctx) ctx:sleep "1ms" error "a failed" end },
            s.thread "b" { run = function(ctx) ctx:sleep "2ms" return nil, "b failed" end },
            s.process "web" { command = { "/bin/sleep", "1000" } },]])
        tree:await { type = "ready", path = "." }
        local web = tree:service "web"
        for death = 1, live.sanitized and 2 or 4 do
            local seen = #tree:all { type = "failed" }
            live.wait("failures", function() return #tree:all { type = "failed" } > seen + 200 end)
            tree:kill_host()
            tree:await({ type = "host_restarted" }, death)
        end
        local seen = #tree:all { type = "failed" }
        live.wait("failures", function() return #tree:all { type = "failed" } > seen + 200 end)
        assert.are.equal(web, tree:service "web")
        assert.are.equal(0, tree:stop())
        assert.is_true(check_story(tree) > 600)
    end)

    it("is ended by a stop: nothing is launched after it", function()
        local tree = tree_of(1e9, [[
            s.thread "a" { run = function(ctx) ctx:sleep "1ms" error "a failed" end },
            s.thread "b" { run = function(ctx) ctx:sleep "1ms" error "b failed" end },
            s.thread "c" { ready = s.ready.manual(), run = function(ctx) ctx:ready() ctx:sleep "1ms" error "c" end },
            s.thread "d" { run = function(ctx) while ctx:sleep(3600) do end end },]])
        tree:await({ type = "failed", path = "c" }, 100)
        assert.are.equal(0, tree:stop())
        -- One that had been told to begin before the stop may say so after it, and is then stopped.
        local stopping, late = tree:all({ type = "stopping", path = "." })[1], {}
        for _, event in ipairs(tree:all { type = "launched" }) do
            if event.seq > stopping.seq then
                assert.is_nil(late[event.path])
                late[event.path] = true
                local ended = { type = "ended", path = event.path, generation = event.generation }
                assert.is_true(tree:all(ended)[1].planned)
            end
        end
        assert.are.equal(0, #tree:all { type = "killed" })
        assert.are.equal("returned", tree:all({ type = "ended", path = "d" })[1].reason)
    end)
end)

describe("a thread service that is started again at once", function()
    after_each(live.clean)

    -- Each run looks whether it finds anything of the one before, and leaves something else behind.
    local stale = [[
        local number = 0
        for _ in (io.open "runs" or io.tmpfile()):lines(1) do number = number + 1 end
        local file <close> = assert(io.open("runs", "a"))
        file:write "x"
        local found = {}
        local function find(what, good) if not good then found[#found + 1] = what end end
        find("a global", left == nil)
        find("a field of string", string.left == nil)
        find("a metatable", debug.getmetatable(1) == nil)
        find("a module", package.loaded["left"] == nil and package.loaded.string == string)
        find("the garbage collector", collectgarbage "isrunning")
        find("an output", io.output() == io.stdout and io.type(io.stdout) == "file")
        find("a loop", package.loaded.luv == nil)
        find("a C module", package.loaded.cjson == nil)
        for _, what in ipairs(found) do print("run " .. number .. " found " .. what) end
        if number == LAST then ctx:sleep(0.01) print "the last one" while ctx:sleep(3600) do end return end
        local leave = number % 10
        left = { number }
        if leave == 0 then string.left = true debug.setmetatable(1, { __index = string }) end
        if leave == 1 then for name in pairs(package.loaded) do package.loaded[name] = nil end end
        if leave == 2 then package.loaded["left"] = true collectgarbage "stop" end
        if leave == 3 then io.output(assert(io.open("other", "w"))) io.write "x" end
        if leave == 4 then io.stdout:close() print = nil end
        if leave == 5 then require "luv".new_timer():start(100000, 0, function() end) end
        if leave == 6 then require "cjson".encode { 1 } end
        if leave == 7 then left = ("x"):rep(1000000) end
        if leave == 8 then coroutine.wrap(function() coroutine.yield() end)() io.stdout:setvbuf "no" end
        local random = assert(io.open("random", "a"))
        random:write(math.random(0), "\n")
        if leave < 9 then random:close() end
        if leave > 4 then error "again" end
        return nil, "again"]]

    it("finds nothing of the run before, and no random number again", function()
        local last = live.sanitized and 60 or 400
        local body = stale:gsub("LAST", last)
        local tree = tree_of(1e9, ([[s.thread "it" { run = function(ctx) %s end },]]):format(body))
        tree:await_line("it", "the last one")
        assert.is_nil(tree.out:match "run %d+ found [^\n]*")
        local seen, count = {}, 0
        for number in io.lines(tree.folder .. "/random") do
            assert.is_nil(seen[number])
            seen[number] = true
            count = count + 1
        end
        assert.are.equal(last, count)
        -- What a run had opened was closed with it: the last one has the two files of its first lines.
        local open = {}
        for name in uv.fs_scandir_next, (uv.fs_scandir(("/proc/%d/fd"):format(tree:host()))) do
            local target = uv.fs_readlink(("/proc/%d/fd/%s"):format(tree:host(), name))
            if target and target:sub(1, #tree.folder) == tree.folder then open[#open + 1] = target end
        end
        assert.are.same({ tree.folder .. "/runs", tree.folder .. "/runs" }, open)
        assert.are.equal(0, tree:stop())
    end)

    it("has all that it printed in its output, in order", function()
        local tree = tree_of(1e9, [[s.thread "it" { run = function(ctx)
            local file <close> = assert(io.open("runs", "a"))
            local number = file:seek "end"
            file:write "x"
            print("line", number)
            if number == 100 then print "the last one" while ctx:sleep(3600) do end end
            io.write("half a line ", number)
            if number % 2 == 0 then io.stdout:setvbuf "full" end
            error "again"
        end },]])
        tree:await_line("it", "the last one")
        for number = 0, 100 do
            local before = number > 0 and "half a line " .. (number - 1) or ""
            assert.matches("\nit      | " .. before .. "line\t" .. number .. "\n", tree.out, 1, true)
        end
        assert.are.equal(0, tree:stop())
    end)
end)
