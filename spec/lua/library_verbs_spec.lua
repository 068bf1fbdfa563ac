local library = require "spec.support.library"
local proc = require "spec.support.proc"
local suptree = require "suptree"

local eventually = library.eventually

local open = {} -- supervisors to stop after each test

local function new(spec)
    local sup = suptree.new("shop", spec)
    open[#open + 1] = sup
    return sup
end

local function sleeper(name)
    return suptree.process(name) { command = { "sleep", "1000" } }
end

local function find(sup, name)
    for _, service in ipairs(sup:services()) do
        if service.name == name then return service end
    end
end

local function is_running(sup, name)
    local service = find(sup, name)
    return service and service.state == "running" and service
end

describe("a supervisor of a Lua program", function()
    after_each(function()
        for _, sup in ipairs(open) do sup:stop() end
        open = {}
    end)

    describe("New and NewSimple", function()
        it("make one that has a name and does nothing yet", function()
            assert.are.equal("shop", tostring(new { failure_decay = 30, failure_threshold = 5, failure_backoff = 15,
                timeout = 10 }))
            assert.are.equal("plain", tostring(suptree.new_simple "plain"))
            assert.are.same({}, suptree.new_simple("plain"):services())
        end)

        it("raise for misuse, with the path of the option", function()
            assert.has_error(function() suptree.new("shop", { failure_treshold = 3 }) end)
            local _, message = pcall(suptree.new, "shop", { failure_treshold = 3 })
            assert.matches('shop%.failure_treshold: unknown option, did you mean "failure_threshold"', message)
            _, message = pcall(suptree.new, "shop", { timeout = "soon" })
            assert.matches("shop%.timeout", message)
            assert.has_error(function() suptree.new(5) end)
            assert.has_error(function() suptree.new("shop", { log = 5 }) end)
            assert.has_error(function() suptree.new_simple("shop", {}) end)
            assert.has_error(function() suptree.new "no name" end)
        end)

        it("take children in the array part", function()
            local sup = new { sleeper "web", suptree.supervisor "jobs" { sleeper "mailer" } }
            assert.are.equal("process", find(sup, "web").kind)
            assert.are.equal("supervisor", find(sup, "jobs").kind)
        end)

        it("take them in order, with places left out for those that are not wanted", function()
            local sup = new { sleeper "one", nil, sleeper "two", [7] = sleeper "three", [0] = sleeper "zero" }
            local names = {}
            for i, service in ipairs(sup:services()) do names[i] = service.name end
            assert.are.same({ "zero", "one", "two", "three" }, names)
        end)
    end)

    describe("Add", function()
        it("records before serving and launches while serving", function()
            local sup = new()
            local web = assert(sup:add(sleeper "web"))
            assert.are.equal("stopped", find(sup, "web").state)
            assert(sup:serve_background "boot")
            local service = eventually(sup, function() return is_running(sup, "web") end)
            assert.are.equal(web, service.token)
            assert.is_true(proc.lives(service.pid))
            assert(sup:add(sleeper "db"))
            eventually(sup, function() return is_running(sup, "db") end)
        end)

        it("refuses a name that is there, and says whether it runs", function()
            local sup = new()
            assert(sup:add(sleeper "web"))
            local token, err = sup:add(sleeper "web")
            assert.is_nil(token)
            assert.are.equal(suptree.ErrDuplicateName, err)
            assert.matches("does not run", tostring(err))
            assert(sup:serve_background())
            eventually(sup, function() return is_running(sup, "web") end)
            token, err = sup:add(sleeper "web")
            assert.is_nil(token)
            assert.are.equal(suptree.ErrDuplicateName, err)
            assert.matches("and it runs", tostring(err))
        end)

        it("returns an error for a declaration that cannot be used, and raises for what is none", function()
            local sup = new()
            local token, err = sup:add(suptree.process "web" { comand = "x" })
            assert.is_nil(token)
            assert.are.equal(suptree.ErrInvalid, err)
            assert.matches('comand: unknown option, did you mean "command"', tostring(err))
            token, err = sup:add(suptree.process "web" { command = "x", after = { "nobody" } })
            assert.is_nil(token)
            assert.are.equal(suptree.ErrInvalid, err)
            token, err = sup:add(suptree.thread "lost" { run = "no.such.module.at.all" })
            assert.is_nil(token)
            assert.are.equal(suptree.ErrInvalid, err)
            assert.has_error(function() sup:add "web" end)
            assert.has_error(function() sup.add() end)
            assert.are.same({}, sup:services())
        end)

        it("runs functions on threads, and a failure of one restarts it", function()
            local failed = {}
            local sup = new { on_event = function(event)
                if event.type == "failed" then failed[#failed + 1] = event.reason end
            end }
            assert(sup:add(suptree.thread "worker" { run = function(ctx)
                if ctx:sleep(0.01) then error "out of luck" end
            end }))
            assert(sup:serve_background())
            eventually(sup, function() return #failed >= 2 end)
            assert.matches("raised: .*out of luck", failed[1])
        end)
    end)

    it("finds the module of a thread where the program finds it", function()
        local name = os.tmpname()
        local file = assert(io.open(name .. ".lua", "w"))
        file:write "return function(ctx) while ctx:sleep(1000) do end end"
        file:close()
        local before = package.path
        package.path = name:match "^.*/" .. "?.lua;" .. before
        local sup = new()
        local token, err = sup:add(suptree.thread "worker" { run = name:match "[^/]*$" })
        package.path = before
        assert.is_truthy(token, err)
        assert(sup:serve_background())
        eventually(sup, function() return is_running(sup, "worker") end)
        assert.are.equal(1, find(sup, "worker").generation)
        assert.is_nil(sup:stop())
        os.remove(name)
        os.remove(name .. ".lua")
    end)

    describe("Remove", function()
        it("stops the service; removing it twice is no error", function()
            local sup = new()
            local token = assert(sup:add(sleeper "web"))
            assert(sup:serve_background())
            local pid = eventually(sup, function() return is_running(sup, "web") end).pid
            assert.is_true(sup:remove_and_wait(token, 30))
            assert.is_false(proc.lives(pid))
            assert.is_true(sup:remove(token))
            assert.is_nil(find(sup, "web"))
        end)

        it("returns ErrWrongSupervisor for a token of another, and touches nothing", function()
            local sup, other = new(), new()
            local token = assert(sup:add(sleeper "web"))
            local good, err = other:remove(token)
            assert.is_nil(good)
            assert.are.equal(suptree.ErrWrongSupervisor, err)
            assert.are.equal("wrong supervisor for this service token, no service removed", tostring(err))
            assert.are.equal("wrong_supervisor", err.code)
            assert.is_table(find(sup, "web"))
            assert.has_error(function() sup:remove(1) end)
            assert.has_error(function() sup:remove {} end)
        end)

        it("waits no longer than it was told to", function()
            local sup = new()
            local token = assert(sup:add(library.deaf("deaf", { timeout = "infinity" })))
            assert(sup:serve_background())
            eventually(sup, function() return find(sup, "deaf").ready end)
            local pid = find(sup, "deaf").pid
            local good, err = sup:remove_and_wait(token, "10ms")
            assert.is_nil(good)
            assert.are.equal(suptree.ErrTimeout, err)
            os.execute("kill -9 " .. pid)
        end)
    end)

    describe("Serve and ServeBackground", function()
        it("are refused while it serves, and leave it alone", function()
            local sup = new { sleeper "web" }
            assert(sup:serve_background())
            local good, err = sup:serve()
            assert.is_nil(good)
            assert.are.equal(suptree.ErrAlreadyServing, err)
            assert.is_true(sup:stop() == nil)
        end)

        it("return at once when it was stopped before", function()
            local sup = new { sleeper "web" }
            assert.is_nil(sup:stop())
            assert.is_true(sup:serve())
            local token, err = sup:add(sleeper "db")
            assert.is_nil(token)
            assert.are.equal(suptree.ErrStopped, err)
        end)

        it("run callbacks on this thread, with the context in started; a stop from one is a request", function()
            local types, context, sup = {}, nil, nil
            sup = new { sleeper "web", on_event = function(event)
                types[event.type] = true
                if event.type == "started" then
                    context = event.context
                    assert(sup:stop "enough" == nil)
                end
            end }
            assert.is_true(sup:serve "boot")
            assert.are.equal("boot", context)
            assert.is_true(types.stopped)
        end)

        it("say when the tree gave up", function()
            local sup = new { suptree.process "bad" { command = "exit 3" }, failure_threshold = 1,
                on_threshold = "escalate" }
            local good, err = sup:serve()
            assert.is_nil(good)
            assert.are.equal(suptree.ErrGaveUp, err)
        end)
    end)

    describe("Stop", function()
        it("ends everything and is final", function()
            local sup = new { sleeper "web" }
            assert(sup:serve_background())
            local pid = eventually(sup, function() return is_running(sup, "web") end).pid
            assert.is_nil(sup:stop "shutdown")
            assert.is_false(proc.lives(pid))
            assert.is_nil(sup:stop "again")
            local good, err = sup:serve()
            assert.is_nil(good)
            assert.are.equal(suptree.ErrStopped, err)
        end)
    end)

    describe("Log", function()
        it("gets the failures and both ends of the backoff as text", function()
            local lines = {}
            local sup = new { failure_threshold = 1, failure_backoff = "50ms",
                log = function(line) lines[#lines + 1] = line end,
                suptree.process "bad" { command = "exit 3" } }
            assert(sup:serve_background())
            eventually(sup, function() return table.concat(lines, "\n"):find "Exiting" end)
            local text = table.concat(lines, "\n")
            assert.matches("shop: Failed service 'bad' %(1%.000000 failures of 1%.000000%), restarting: true, "
                .. "error: exit code 3", text)
            assert.matches("shop: Entering the backoff state%.", text)
            assert.matches("restarting: false, error: exit code 3", text)
            assert.matches("shop: Exiting backoff state%.", text)
        end)

        it("gets the stop that took too long", function()
            local lines = {}
            local sup = new { log = function(line) lines[#lines + 1] = line end,
                library.deaf("deaf", { timeout = "50ms" }) }
            assert(sup:serve_background())
            eventually(sup, function() return find(sup, "deaf").ready end)
            assert.is_nil(sup:stop())
            sup:poll()
            assert.matches("shop: Service deaf failed to terminate in a timely manner", table.concat(lines, "\n"))
        end)

        it("is told when a callback raises, and supervision goes on", function()
            local lines = {}
            local sup = new { sleeper "web", log = function(line) lines[#lines + 1] = line end,
                on_event = function() error "clumsy" end }
            assert(sup:serve_background())
            eventually(sup, function() return lines[1] end)
            assert.matches("shop: the callback on_event raised: .*clumsy", lines[1])
            eventually(sup, function() return is_running(sup, "web") end)
        end)
    end)

    describe("a supervisor that was added to another", function()
        it("goes on to work through its own handle", function()
            local sup, part = new(), suptree.new "part"
            assert(part:add(sleeper "first"))
            local token = assert(sup:add(part))
            local good, err = part:serve()
            assert.is_nil(good)
            assert.are.equal(suptree.ErrNotRoot, err)
            for _, pair in ipairs { { part, sup }, { sup, sup }, { part, part } } do
                good, err = pair[1]:add(pair[2])
                assert.is_nil(good)
                assert.are.equal(suptree.ErrCycle, err)
            end
            assert(sup:serve_background())
            assert(part:add(sleeper "second"))
            eventually(sup, function() return is_running(part, "first") and is_running(part, "second") end)
            assert.are.equal("running", find(sup, "part").state)
            assert.is_nil(part:stop "a person's")
            assert.are.equal("stopped", find(part, "first").state)
            assert.are.equal("stopped", find(sup, "part").state)
            assert.is_true(sup:remove_and_wait(token, 30))
            eventually(sup, function()
                local _, why = part:add(sleeper "third")
                return why == suptree.ErrStopped
            end)
        end)
    end)

    it("has a descriptor that a loop of the program can watch", function()
        local uv = require "luv"
        local seen
        local sup = new { sleeper "web", on_event = function(event) if event.type == "ready" then seen = true end end }
        local handle = uv.new_poll(sup:fd())
        handle:start("r", function()
            sup:poll()
            if seen then handle:close() end
        end)
        assert(sup:serve_background())
        uv.run()
        assert.is_true(seen)
    end)

    it("is stopped when it is collected", function()
        local sup = suptree.new("shop", { sleeper "web" })
        assert(sup:serve_background())
        local pid = eventually(sup, function() return is_running(sup, "web") end).pid
        sup = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        assert.is_false(proc.lives(pid))
    end)

    it("has no growth of descriptors and threads over many starts and stops", function()
        local function round()
            local sup = suptree.new("shop", { sleeper "web" })
            assert(sup:serve_background())
            assert.is_nil(sup:stop())
        end
        local function counts()
            local descriptors = 0
            for _ in pairs(proc.descriptors(require "luv".os_getpid())) do descriptors = descriptors + 1 end
            return descriptors, proc.status(require "luv".os_getpid(), "Threads")
        end
        round()
        collectgarbage()
        collectgarbage()
        local descriptors, threads = counts()
        for _ = 1, 50 do round() end
        collectgarbage()
        collectgarbage()
        local descriptors_after, threads_after = counts()
        assert.are.equal(descriptors, descriptors_after)
        assert.are.equal(threads, threads_after)
    end)
end)
