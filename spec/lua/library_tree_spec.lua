-- Supervisors in supervisors: handles that are attached, names, cycles, and what becomes of the parts.
local library = require "spec.support.library"
local suptree = require "suptree"

local all, eventually, find, states = library.all, library.eventually, library.find, library.states

local function refused(constant, value, err)
    assert.is_nil(value)
    assert.are.equal(constant, err)
    return tostring(err)
end

describe("a supervisor that is added to another", function()
    after_each(library.close)

    it("is refused where it would be above or below itself, at any depth", function()
        local a, b, c = library.new(nil, "a"), library.new(nil, "b"), library.new(nil, "c")
        refused(suptree.ErrCycle, a:add(a))
        assert(a:add(b))
        assert(b:add(c))
        for _, serving in ipairs { false, true } do
            if serving then assert(a:serve_background()) end
            for _, pair in ipairs { { c, a }, { c, b }, { b, a }, { c, c }, { b, b } } do
                refused(suptree.ErrCycle, pair[1]:add(pair[2]))
            end
        end
        assert.are.equal("b running", states(a))
        assert.are.equal("c running", states(b))
        assert.are.equal("", states(c))
    end)

    it("has one place", function()
        local a, b, part = library.new(nil, "a"), library.new(nil, "b"), library.new(nil, "part")
        local token = assert(a:add(part))
        assert.matches("added to a supervisor already; remove it there first", refused(suptree.ErrRefused, b:add(part)))
        assert.matches("added to a supervisor already", refused(suptree.ErrRefused, a:add(part)))
        assert.is_true(a:remove(token)) -- nothing ran: it is free again
        assert(b:add(part))
        assert(b:serve_background())
        assert(a:serve_background())
        assert.matches("serves as a root; stop it and add a new one", refused(suptree.ErrRefused, a:add(b)))
        assert.are.equal("part running", states(b))
        assert.are.equal("", states(a))
    end)

    it("that was removed before the tree began may serve by itself", function()
        local a, part = library.new(nil, "a"), library.new({ library.sleeper "web" }, "part")
        assert.is_true(a:remove(assert(a:add(part))))
        assert(part:serve_background())
        assert.are.equal("web running", states(part))
    end)

    it("works through its own handle, three deep, before and while the tree runs", function()
        local a, b, c = library.new(nil, "a"), library.new(nil, "b"), library.new(nil, "c")
        assert(c:add(library.idler "early"))
        assert(a:add(b))
        assert(b:add(c))
        assert(c:add(library.idler "recorded"))
        assert(a:serve_background())
        local late = assert(c:add(library.sleeper "late"))
        eventually(a, function() return library.is_running(c, "late") end)
        assert.are.equal("early running, recorded running, late running", states(c))
        assert.is_true(c:remove_and_wait(late, 0))
        assert.are.equal("early running, recorded running", states(c))
        refused(suptree.ErrWrongSupervisor, a:remove(c:services()[1].token))
        refused(suptree.ErrWrongSupervisor, b:remove(c:services()[1].token))
        assert.matches("and it runs", refused(suptree.ErrDuplicateName, c:add(library.idler "early")))
    end)

    it("is added to a tree that runs, with all that is in it", function()
        local a = library.new({ library.sleeper "web" }, "a")
        local b, c = library.new({ library.sleeper "one" }, "b"), library.new({ library.idler "two" }, "c")
        assert(b:add(c))
        assert(a:serve_background())
        local token = assert(a:add(b))
        eventually(a, function() return library.is_running(b, "one") and library.is_running(c, "two") end)
        assert.are.equal("web running, b running", states(a))
        assert(c:add(library.idler "three"))
        eventually(a, function() return library.is_running(c, "three") end)
        local pid = find(b, "one").pid
        assert.is_true(a:remove_and_wait(token, 0))
        assert.is_false(library.lives(pid))
        for _, part in ipairs { b, c } do
            refused(suptree.ErrStopped, part:add(library.idler "late"))
            assert.is_nil(part:stop())
        end
        refused(suptree.ErrStopped, a:add(b))
        assert.are.equal("web running", states(a))
    end)

    it("does not serve; the tree's end is its own", function()
        local a, part = library.new(nil, "a"), library.new({ library.sleeper "web" }, "part")
        local token = assert(a:add(part))
        refused(suptree.ErrNotRoot, part:serve())
        refused(suptree.ErrNotRoot, part:serve_background())
        assert(a:serve_background())
        refused(suptree.ErrNotRoot, part:serve())
        assert.is_nil(a:stop())
        refused(suptree.ErrNotRoot, part:serve())
        refused(suptree.ErrStopped, part:add(library.sleeper "late"))
        refused(suptree.ErrStopped, part:remove(find(part, "web").token))
        refused(suptree.ErrStopped, a:remove(token))
        assert.are.equal("web stopped", states(part))
        assert.is_nil(part:stop())
    end)

    it("is stopped as a person would: it stays down, the rest runs, and the tree stops well", function()
        local a, part = library.new({ library.sleeper "web" }, "a"), library.new({ library.sleeper "first",
            suptree.supervisor "inner" { library.idler "deep" } }, "part")
        assert(a:add(part))
        assert(a:serve_background())
        local pid = find(part, "first").pid
        assert.is_nil(part:stop "no longer wanted")
        assert.is_false(library.lives(pid))
        assert.are.equal("web running, part stopped", states(a))
        assert.are.equal("first stopped, inner stopped", states(part))
        assert.is_nil(part:stop())
        assert.is_nil(a:stop())
    end)

    it("that was stopped before the tree began is not started with it", function()
        local a, events = library.watched(nil, "a")
        local b, c = library.new({ library.sleeper "one" }, "b"), library.new({ library.sleeper "two" }, "c")
        assert(a:add(b))
        assert(b:add(c))
        assert.is_nil(c:stop())
        assert(a:serve_background())
        assert.are.equal("one running, c stopped", states(b))
        assert.are.equal("two stopped", states(c))
        local d, e = library.new({ library.sleeper "three" }, "d"), library.new({ library.sleeper "four" }, "e")
        assert(d:add(e))
        assert.is_nil(e:stop())
        assert(a:add(d)) -- the same in a tree that runs
        eventually(a, function() return library.is_running(d, "three") and find(d, "e").state == "stopped" end)
        a:poll()
        assert.are.equal(0, #all(events, { type = "launched", path = "b/c/two" }))
    end)

    it("reports what of it does not stop", function()
        local a, part = library.new({ timeout = "50ms", kill_timeout = "50ms",
            library.stubborn "above" }, "a"), library.new({ timeout = "50ms",
            kill_timeout = "50ms", library.stubborn "deep" }, "part")
        assert(a:add(part))
        assert(a:serve_background())
        eventually(a, function() return library.is_ready(part, "deep") end)
        assert.are.same({ { path = "part/deep", kind = "thread", generation = 1 } }, part:stop())
        assert.are.equal("above running", states(a):match "^[^,]*")
        assert.are.equal("deep stuck", states(part))
    end)

    it("has callbacks of its own: its events go to both, its lines to the nearest log", function()
        local a, above, lines = library.watched({ library.failer("bad", { restart_delay = "1h" }) }, "a")
        local part, below, part_lines = library.watched({ library.failer("worse", { restart_delay = "1h" }) }, "part")
        local quiet = library.new({ library.failer("worst", { restart_delay = "1h" }) }, "quiet")
        assert(part:add(quiet))
        assert(a:add(part))
        assert(a:serve_background())
        eventually(a, function() return #all(above, { type = "failed" }) == 3 end)
        assert.are.equal(1, #lines)
        assert.matches("^a: Failed service 'bad'", lines[1])
        table.sort(part_lines)
        assert.are.equal(2, #part_lines)
        assert.matches("^part: Failed service 'worse'", part_lines[1])
        assert.matches("^quiet: Failed service 'worst'", part_lines[2])
        assert.are.equal(0, #all(below, { path = "bad" }))
        assert.are.equal(#all(above, { path = "part/worse" }), #all(below, { path = "part/worse" }))
        assert.is_true(#all(below, { path = "part/quiet/worst" }) > 0)
    end)

    it("may be dropped, or collected, and lives on in its tree", function()
        local a = library.new(nil, "a")
        do
            local part = suptree.new("part", { library.sleeper "web" })
            assert(a:add(part))
        end
        collectgarbage()
        collectgarbage()
        assert(a:serve_background())
        assert.are.equal("part running", states(a))
        collectgarbage()
        assert.is_true(a:remove_and_wait(a:services()[1].token, 0))
    end)

    it("keeps the tree alive whose part it is", function()
        local part = suptree.new("part", { library.sleeper "web" })
        local pid
        do
            local a = suptree.new "a"
            assert(a:add(part))
            assert(a:serve_background())
            pid = find(part, "web").pid
        end
        collectgarbage()
        collectgarbage()
        assert.are.equal("web running", states(part))
        part = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        assert.is_false(library.lives(pid))
    end)
end)

describe("names in a supervisor", function()
    after_each(library.close)

    it("are free again when a service was removed, has left, or stops still", function()
        local sup = library.new { library.idler "one", suptree.thread "two" { run = function()
            return require "suptree".DONE
        end }, library.deaf("three", { timeout = "infinity" }) }
        assert(sup:serve_background())
        assert.is_true(sup:remove_and_wait(find(sup, "one").token, 0))
        assert(sup:add(library.idler "one"))
        eventually(sup, function() return not find(sup, "two") end)
        assert(sup:add(library.idler "two"))
        local deaf = eventually(sup, function() return library.is_ready(sup, "three") end)
        assert.is_true(sup:remove(deaf.token))
        assert(sup:add(library.idler "three"))
        eventually(sup, function() return library.is_running(sup, "three") end)
        os.execute("kill -9 " .. deaf.pid)
        assert.is_true(sup:remove_and_wait(deaf.token, 0))
        assert.are.equal("one running, two running, three running", states(sup))
    end)

    it("that siblings are after must be there, and are refused with the reason where they are not", function()
        local sup = library.new { library.sleeper "db" }
        for _, serving in ipairs { false, true } do
            if serving then assert(sup:serve_background()) end
            local message = refused(suptree.ErrInvalid, sup:add(library.sleeper("web", { after = { "dbb" } })))
            assert.matches('"?dbb"?', message)
        end
        assert(sup:add(library.sleeper("web", { after = { "db" } })))
        eventually(sup, function() return library.is_running(sup, "web") end)
        assert.are.equal("db running, web running", states(sup))
    end)
end)

describe("a supervisor of many services", function()
    after_each(library.close)

    it("holds a thousand, and they end together", function()
        local sup, half = library.new(), library.sanitized and 100 or 500
        for i = 1, half do assert(sup:add(library.idler("early" .. i))) end
        assert(sup:serve_background())
        for i = 1, half do assert(sup:add(library.idler("late" .. i))) end
        local services = sup:services()
        assert.are.equal(2 * half, #services)
        assert.are.equal("early1", services[1].name)
        assert.are.equal("late" .. half, services[2 * half].name)
        for i = 1, 2 * half, 2 do assert.is_true(sup:remove(services[i].token)) end
        assert.are.equal(half, #sup:services())
        assert.is_nil(sup:stop())
    end)
end)
