-- Callbacks: where they run, what they may do, what becomes of those that raise, and loops of the program's own.
local library = require "spec.support.library"
local suptree = require "suptree"
local uv = require "luv"

local all, eventually, find = library.all, library.eventually, library.find

describe("callbacks", function()
    after_each(library.close)

    it("run inside poll and serve alone", function()
        local sup, events, lines = library.watched { failure_threshold = 0, library.failer "bad" }
        assert(sup:serve_background())
        assert(sup:add(library.idler "good"))
        local deadline = uv.hrtime() + library.patience * 1e9
        while find(sup, "bad").state ~= "queued" and uv.hrtime() < deadline do uv.sleep(1) end -- it has failed
        assert.is_nil(sup:stop())
        assert.are.equal(0, #events + #lines)
        local count, ended = sup:poll()
        assert.are.equal(count, #events)
        assert.is_true(ended)
        assert.is_true(#lines >= 2)
        assert.are.equal(0, (sup:poll()))
    end)

    it("get events in the order of their numbers, without a gap", function()
        local sup, events = library.watched { library.idler "one", library.sleeper "two" }
        assert(sup:serve_background "boot")
        sup:stop "enough"
        sup:poll()
        for i, event in ipairs(events) do assert.are.equal(i, event.seq) end
        assert.are.equal("started", events[1].type)
        assert.are.equal("stopped", events[#events].type)
        assert.are.equal("enough", events[#events].context)
    end)

    it("may add, remove, look and poll", function()
        local sup
        local depth, deepest, seen = 0, 0, {}
        sup = library.new { library.idler "first", on_event = function(event)
            depth = depth + 1
            deepest = math.max(deepest, depth)
            if event.type == "launched" and event.path == "first" then assert(sup:add(library.idler "second")) end
            if event.type == "launched" and event.path == "second" then
                assert(sup:remove_and_wait(find(sup, "first").token, 0))
            end
            seen[#seen + 1] = event
            sup:poll()
            depth = depth - 1
        end }
        assert(sup:serve_background())
        eventually(sup, function() return all(seen, { type = "removed", path = "first" })[1] end)
        assert.are.equal("second running", library.states(sup))
        assert.is_true(deepest > 1)
    end)

    it("that raise are told to log, with what they raised, and supervision goes on", function()
        local sup
        local lines, raised = {}, { "a text", { "a table" },
            setmetatable({}, { __tostring = function() return "own words" end }),
            setmetatable({}, { __tostring = function() error "no words" end }) }
        local turn = 0
        sup = library.new { library.sleeper "web", log = function(line) lines[#lines + 1] = line end,
            on_event = function()
                turn = turn + 1
                if raised[turn] then error(raised[turn], 0) end
                error() -- nil
            end }
        assert(sup:serve_background())
        eventually(sup, function() return turn > #raised end)
        assert.are.equal("shop: the callback on_event raised: a text", lines[1])
        assert.matches("^shop: the callback on_event raised: table: ", lines[2])
        assert.are.equal("shop: the callback on_event raised: own words", lines[3])
        for i = 4, 5 do assert.matches("^shop: the callback on_event raised: ", lines[i]) end
        assert.is_true(library.is_running(sup, "web") ~= false)
        assert.is_nil(sup:stop())
    end)

    it("of parts that raise do not keep the others from being called", function()
        local lines, heard = {}, {}
        local part = library.new({ library.failer("bad", { restart_delay = "1h" }),
            on_event = function(event) heard[#heard + 1] = event end }, "part")
        local sup = library.new { log = function(line) lines[#lines + 1] = line end,
            on_event = function() error "too" end }
        assert(sup:add(part))
        assert(sup:serve_background())
        eventually(sup, function() return all(heard, { type = "failed", path = "part/bad" })[1] end)
        local raised = 0
        for _, line in ipairs(lines) do
            if line:find "^shop: the callback on_event raised: .*too" then raised = raised + 1 end
        end
        assert.is_true(raised >= #heard)
    end)

    it("log that raises is told on stderr, and on_event gets its turn", function()
        local stderr, told, heard = io.stderr, {}, {}
        local sup = library.new { failure_threshold = 0, library.failer "bad", log = function() error "clumsy" end,
            on_event = function(event) heard[#heard + 1] = event end }
        assert(sup:serve_background())
        rawset(io, "stderr", { write = function(_, ...) told[#told + 1] = table.concat { ... } end })
        local good, message = pcall(eventually, sup, function() return #told >= 2 end)
        rawset(io, "stderr", stderr)
        assert.is_true(good, message)
        assert.matches("^suptree: the callback log raised: .*clumsy\n$", told[1])
        assert.are.equal(1, #all(heard, { type = "failed" }))
    end)

    it("that come too late miss the oldest events, and are told how many", function()
        local lines, first, last, count = {}, nil, nil, 0
        local sup = library.new { failure_threshold = 1e9, library.failer "bad",
            log = function(line) lines[#lines + 1] = line end,
            on_event = function(event)
                first, last, count = first or event.seq, event.seq, count + 1
            end }
        assert(sup:serve_background())
        local more_than_fit = 2000 -- runs, of three events at least
        for _ = 1, 60000 do
            if find(sup, "bad").generation > more_than_fit then break end
            uv.sleep(1)
        end
        sup:stop()
        repeat local _, ended = sup:poll() until ended
        local lost = tonumber(lines[1]:match "^shop: (%d+) events were dropped: call poll or serve more often$")
        assert.are.equal(first - 1, lost)
        assert.are.equal(4096, count)
        assert.are.equal(lost + count, last)
    end)

    it("are optional: nothing is kept for nobody", function()
        local sup = library.new { failure_threshold = 1e9, library.failer "bad" }
        assert(sup:serve_background())
        assert.are.equal(0, (sup:poll "50ms"))
        assert.is_nil(sup:stop())
    end)
end)

describe("poll", function()
    after_each(library.close)

    it("waits for the first event, at most as long as it was told", function()
        local sup, events = library.watched { library.idler "one" }
        assert(sup:serve_background())
        eventually(sup, function() return all(events, { type = "ready", path = "." })[1] end) -- the last for now
        local before = uv.hrtime()
        assert.are.equal(0, (sup:poll(0.05)))
        assert.is_true(uv.hrtime() - before >= 50e6)
        assert(sup:add(library.idler "two"))
        assert.is_true(sup:poll(600) > 0)
    end)

    it("of a part runs the callbacks of its tree", function()
        local sup, events = library.watched()
        local part = library.new({ library.idler "one" }, "part")
        assert(sup:add(part))
        assert.are.equal(sup:fd(), part:fd())
        assert(sup:serve_background())
        eventually(part, function() return all(events, { type = "launched", path = "part/one" })[1] end)
    end)

    it("before serve has nothing to do, and after a stop before serve says that it has ended", function()
        local sup = library.watched()
        assert.are.same({ 0, false }, { sup:poll() })
        sup:stop()
        assert.are.same({ 0, true }, { sup:poll(600) })
    end)
end)

describe("a loop of the program's own", function()
    after_each(library.close)

    it("watches fd, polls, and lets go when the tree has ended", function()
        local sup, events
        sup, events = library.watched { library.sleeper "web", suptree.thread "short" { run = function(ctx)
            ctx:sleep "20ms"
            return require "suptree".TERMINATE_TREE
        end } }
        local handle = uv.new_poll(sup:fd())
        handle:start("r", function()
            local _, ended = sup:poll()
            if ended then handle:close() end
        end)
        local ticks = 0
        local timer = uv.new_timer()
        timer:start(0, 1, function()
            ticks = ticks + 1
            if handle:is_closing() then timer:close() end
        end)
        assert(sup:serve_background())
        uv.run()
        assert.are.equal("stopped", events[#events].type)
        assert.is_true(ticks > 1)
    end)

    it("sees fd readable only while there is something to do", function()
        local sup, events = library.watched { library.idler "one" }
        local function is_readable()
            local handle, readable = uv.new_poll(sup:fd()), false
            handle:start("r", function() readable = true end)
            uv.run "nowait"
            handle:close()
            uv.run()
            return readable
        end
        local function await_readable()
            for _ = 1, 60000 do
                if is_readable() then return true end
                uv.sleep(1)
            end
        end
        assert.is_false(is_readable())
        assert(sup:serve_background())
        assert.is_true(await_readable())
        eventually(sup, function() return all(events, { type = "ready", path = "." })[1] end)
        assert.is_false(is_readable())
        assert(sup:add(library.idler "two"))
        assert.is_true(await_readable())
        sup:stop()
        while sup:poll() > 0 do end
        assert.is_true(is_readable()) -- for good: who waits learns that it is over
    end)

    it("may be shared by two trees", function()
        local one, one_events = library.watched({ library.sleeper "web" }, "one")
        local two, two_events = library.watched({ library.idler "worker" }, "two")
        local open = {}
        for _, sup in ipairs { one, two } do
            local handle = uv.new_poll(sup:fd())
            open[sup] = handle
            handle:start("r", function()
                local _, ended = sup:poll()
                if ended then handle:close() end
            end)
            assert(sup:serve_background())
        end
        one:stop()
        local timer = uv.new_timer()
        timer:start(0, 1, function()
            if not open[one]:is_closing() or #two_events == 0 then return end
            timer:close()
            assert.are.equal("worker running", library.states(two))
            two:stop()
        end)
        uv.run()
        assert.are.equal("stopped", one_events[#one_events].type)
        assert.are.equal("stopped", two_events[#two_events].type)
    end)
end)
