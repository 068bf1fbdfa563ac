-- The seed's text, line by line: what its supervisors promise, by the names of its text.
local library = require "spec.support.library"
local suptree = require "suptree"

local all, eventually, find = library.all, library.eventually, library.find

local function near(expected, value, tolerance)
    assert.is_true(math.abs(expected - value) <= tolerance, ("%s is not %s"):format(value, expected))
end

-- The counts of these events by a fold of our own over their times.
local function assert_counts(failed, half_life)
    local count, last = 0, nil
    for _, event in ipairs(failed) do
        count = last and count * 0.5 ^ ((event.time - last) / half_life) + 1 or 1
        last = event.time
        near(count, event.count, 1e-4)
    end
end

describe("the seed's supervisor:", function()
    after_each(library.close)

    it("FailureDecay is 30 seconds: the time in which half of the failures are forgotten", function()
        local sup, events = library.watched { failure_threshold = 1000, library.failer("bad", {
            restart_delay = "20ms" }) }
        assert(sup:serve_background())
        eventually(sup, function() return #all(events, { type = "failed" }) >= 5 end)
        sup:stop()
        assert_counts(all(events, { type = "failed" }), 30)
    end)

    it("FailureDecay is what it is set to", function()
        local sup, events = library.watched { failure_threshold = 1000, failure_decay = "100ms",
            library.failer("bad", { restart_delay = "30ms" }) }
        assert(sup:serve_background())
        eventually(sup, function() return #all(events, { type = "failed" }) >= 5 end)
        sup:stop()
        assert_counts(all(events, { type = "failed" }), 0.1)
    end)

    it("FailureThreshold is 5: five failures restart, the sixth pauses", function()
        local sup, events = library.watched { failure_decay = "1000d", library.failer "bad" }
        assert(sup:serve_background())
        eventually(sup, function() return all(events, { type = "backoff" })[1] end)
        local failed = all(events, { type = "failed" })
        for i = 1, 5 do
            assert.is_true(failed[i].restarting)
            assert.are.equal(5, failed[i].threshold)
            near(i, failed[i].count, 1e-6)
        end
        eventually(sup, function() return #all(events, { type = "failed" }) == 6 end)
        assert.is_false(all(events, { type = "failed" })[6].restarting)
        assert.are.equal("queued", find(sup, "bad").state)
        assert.are.equal(6, find(sup, "bad").generation)
    end)

    it("FailureThreshold is what it is set to, fractions too", function()
        local sup, events = library.watched { failure_decay = "1000d", failure_threshold = 3.5,
            library.failer "bad" }
        assert(sup:serve_background())
        eventually(sup, function() return #all(events, { type = "failed" }) == 4 end)
        assert.are.equal(3, #all(events, { type = "failed", restarting = true }))
        assert.are.equal(3.5, all(events, { type = "failed" })[1].threshold)
    end)

    it("FailureBackoff is 15 seconds", function()
        local sup, events = library.watched { failure_threshold = 0, library.failer "bad" }
        assert(sup:serve_background())
        local backoff = eventually(sup, function() return all(events, { type = "backoff" })[1] end)
        near(15, backoff["until"] - backoff.time, 1e-4)
        assert.are.equal(".", backoff.path)
        assert.is_nil(sup:stop()) -- does not wait for it
    end)

    it("FailureBackoff is what it is set to; then the count begins anew, and the service is started", function()
        local sup, events, lines = library.watched { failure_decay = "1000d", failure_threshold = 1,
            failure_backoff = "50ms", library.failer "bad" }
        assert(sup:serve_background())
        eventually(sup, function() return #all(events, { type = "resume" }) >= 2 end)
        sup:stop()
        local backoff, resume = all(events, { type = "backoff" })[1], all(events, { type = "resume" })[1]
        assert.is_true(resume.time - backoff.time >= 0.05)
        local failed = all(events, { type = "failed" })
        for i = 1, 4 do near(i % 2 == 1 and 1 or 2, failed[i].count, 1e-6) end
        assert.are.same({
            "shop: Failed service 'bad' (1.000000 failures of 1.000000), restarting: true, error: "
                .. failed[1].reason,
            "shop: Entering the backoff state.",
            "shop: Failed service 'bad' (2.000000 failures of 1.000000), restarting: false, error: "
                .. failed[2].reason,
            "shop: Exiting backoff state.",
        }, { table.unpack(lines, 1, 4) })
    end)

    it("Timeout is 10 seconds", function()
        local sup, events = library.watched { library.sleeper "web" }
        assert(sup:serve_background())
        sup:stop()
        sup:poll()
        local stopping = all(events, { type = "stopping", path = "web" })[1]
        near(10, stopping["until"] - stopping.time, 1e-4)
    end)

    it("Timeout is what it is set to: the service that takes longer is logged, and killed", function()
        local sup, events, lines = library.watched { timeout = "50ms", library.deaf "deaf" }
        assert(sup:serve_background())
        eventually(sup, function() return library.is_ready(sup, "deaf") end)
        local pid = find(sup, "deaf").pid
        assert.is_nil(sup:stop())
        sup:poll()
        local stopping = all(events, { type = "stopping", path = "deaf" })[1]
        local killed = all(events, { type = "killed", path = "deaf" })[1]
        assert.is_true(killed.time - stopping.time >= 0.05)
        assert.are.same({ "shop: Service deaf failed to terminate in a timely manner" }, lines)
        assert.is_false(library.lives(pid))
    end)

    it("New takes a name and these numbers, NewSimple a name alone", function()
        local spec = { failure_decay = 30, failure_threshold = 5, failure_backoff = 15, timeout = 10, log = print }
        assert.are.equal("shop", tostring(suptree.new("shop", spec)))
        assert.are.equal("shop", tostring(suptree.new_simple "shop"))
        assert.are.equal("shop", tostring(suptree.new "shop"))
    end)

    it("String is its name", function()
        local sup = library.new(nil, "a.name-with_all@1")
        assert.are.equal("a.name-with_all@1", tostring(sup))
        assert(sup:serve_background())
        assert.are.equal("a.name-with_all@1", tostring(sup))
        sup:stop()
        assert.are.equal("a.name-with_all@1", tostring(sup))
    end)

    it("Add returns a token that Remove takes, and no other supervisor's", function()
        local sup, other = library.new(), library.new(nil, "other")
        local one, two = assert(sup:add(library.idler "one")), assert(sup:add(library.idler "two"))
        local same = assert(other:add(library.idler "one"))
        assert.are_not.equal(one, two)
        assert.are_not.equal(one, same)
        for _, serving in ipairs { false, true } do
            if serving then assert(sup:serve_background()) end
            if serving then assert(other:serve_background()) end
            local good, err = other:remove(one)
            assert.is_nil(good)
            assert.are.equal(suptree.ErrWrongSupervisor, err)
            good, err = sup:remove_and_wait(same, 1)
            assert.is_nil(good)
            assert.are.equal(suptree.ErrWrongSupervisor, err)
            assert.are.equal(2, #sup:services())
            assert.are.equal(1, #other:services())
        end
        assert.is_true(sup:remove_and_wait(one, 0))
        assert.are.equal("two running", library.states(sup))
        assert.is_true(sup:remove(one))
        assert.is_true(sup:remove_and_wait(one, 0))
    end)

    it("RemoveAndWait is released by the end, and by its own timeout", function()
        local sup = library.new { library.deaf("deaf", { timeout = "infinity" }) }
        assert(sup:serve_background())
        local service = eventually(sup, function() return library.is_ready(sup, "deaf") end)
        local good, err = sup:remove_and_wait(service.token, "20ms")
        assert.is_nil(good)
        assert.are.equal(suptree.ErrTimeout, err)
        assert.are.equal("", library.states(sup)) -- what was asked for stands
        assert.is_true(sup:remove(service.token))
        good, err = sup:remove_and_wait(service.token, "20ms")
        assert.is_nil(good)
        assert.are.equal(suptree.ErrTimeout, err)
        os.execute("kill -9 " .. service.pid)
        assert.is_true(sup:remove_and_wait(service.token, 0))
        assert.is_false(library.lives(service.pid))
    end)

    it("ServeBackground returns when every service was launched, or waits, or has failed", function()
        local sup = library.new { failure_threshold = 0, library.sleeper "web", library.idler "worker",
            library.sleeper("cache", { ready = suptree.ready.delay(3600) }),
            library.sleeper("front", { after = { "cache" } }),
            library.sleeper("off", { enabled = false }),
            suptree.process "lost" { command = { "/no/such/program" } },
            suptree.process "late" { command = { "/no/such/program" }, restart_delay = "1h" },
            suptree.process "gone" { command = { "/no/such/program" }, restart = "temporary" },
            suptree.supervisor "jobs" { library.sleeper "mailer" } }
        assert(sup:serve_background "boot")
        assert.are.equal("web running, worker running, cache running, front waiting, off stopped, lost queued, "
            .. "late delayed, jobs running", library.states(sup))
        assert(sup:add(library.sleeper "more"))
        assert.is_true(sup:remove(find(sup, "web").token))
    end)

    it("Serve blocks until the tree has ended, with the context of ServeBackground in `started`", function()
        local sup, events
        sup, events = library.watched { library.idler "worker", suptree.thread "last" { run = function(ctx)
            ctx:sleep "10ms"
            return require "suptree".TERMINATE_TREE
        end } }
        assert.is_true(sup:serve "boot")
        assert.are.equal("boot", all(events, { type = "started" })[1].context)
        assert.are.equal(".", all(events, { type = "stopped" })[1].path)
        assert.are.equal("worker stopped", library.states(sup):match "^[^,]*")
        local good, err = sup:serve()
        assert.is_nil(good)
        assert.are.equal(suptree.ErrStopped, err)
    end)

    it("a second Serve is refused and leaves the first alone", function()
        local sup = library.new { library.sleeper "web" }
        assert(sup:serve_background())
        local pid = find(sup, "web").pid
        for _, verb in ipairs { "serve", "serve_background" } do
            local good, err = sup[verb](sup)
            assert.is_nil(good)
            assert.are.equal(suptree.ErrAlreadyServing, err)
        end
        assert.are.equal(pid, find(sup, "web").pid)
        assert.are.equal(1, find(sup, "web").generation)
    end)

    it("Services is a snapshot in order, paused and delayed ones included", function()
        local sup = library.new { failure_threshold = 1.5, failure_decay = "1000d", failure_backoff = "1h",
            library.sleeper "first", library.failer("delayed", { restart_delay = "1h" }) }
        assert(sup:serve_background())
        eventually(sup, function() return find(sup, "delayed").state == "delayed" end)
        assert(sup:add(library.failer "queued"))
        eventually(sup, function() return find(sup, "queued").state == "queued" end)
        assert(sup:add(library.sleeper "last")) -- a pause holds up restarts alone
        eventually(sup, function() return library.is_running(sup, "last") end)
        assert.are.equal("first running, delayed delayed, queued queued, last running", library.states(sup))
        local snapshot = sup:services()
        assert.is_true(sup:remove_and_wait(snapshot[1].token, 0))
        assert.are.equal("first", snapshot[1].name)
        assert.are.same({ "generation", "kind", "name", "ready", "state", "token" }, (function()
            local keys = {}
            for key in pairs(snapshot[2]) do keys[#keys + 1] = key end
            table.sort(keys)
            return keys
        end)())
        assert.are.equal("integer", math.type(snapshot[1].pid))
    end)

    it("Stop reports what has not stopped, and again to who asks again", function()
        local sup, events = library.watched { timeout = "50ms", kill_timeout = "50ms", library.sleeper "web",
            suptree.supervisor "jobs" { library.stubborn "worker" } }
        assert(sup:serve_background())
        eventually(sup, function() return all(events, { type = "ready", path = "jobs/worker" })[1] end)
        local report = sup:stop "shutdown"
        assert.are.same({ { path = "jobs/worker", kind = "thread", generation = 1 } }, report)
        assert.are.same(report, sup:stop())
        sup:poll()
        assert.are.equal(1, #all(events, { type = "stuck", path = "jobs/worker" }))
        for _, event in ipairs(all(events, { type = "stopping" })) do
            assert.are.equal("shutdown", event.context)
        end
    end)

    it("Stop before Serve: Serve returns at once; stopped is final", function()
        local sup = library.new { library.sleeper "web" }
        assert.is_nil(sup:stop())
        assert.is_true(sup:serve_background())
        assert.is_true(sup:serve())
        assert.are.equal("web stopped", library.states(sup))
        for _, verb in ipairs { "add", "remove", "remove_and_wait" } do
            local good, err = sup[verb](sup, verb == "add" and library.sleeper "db" or find(sup, "web").token)
            assert.is_nil(good)
            assert.are.equal(suptree.ErrStopped, err)
        end
    end)

    it("Stop from inside a callback is a request, whether it serves or polls", function()
        for _, serves in ipairs { true, false } do
            local sup
            local reports = {}
            sup = library.new { library.sleeper "web", log = function() end, on_event = function(event)
                if event.type == "ready" then reports[#reports + 1] = sup:stop "enough" or "none" end
            end }
            if serves then assert.is_true(sup:serve()) else
                assert(sup:serve_background())
                eventually(sup, function() return select(2, sup:poll()) end)
            end
            assert.is_true(#reports >= 1)
            assert.are.equal("none", reports[1])
            assert.are.equal("web stopped", library.states(sup))
        end
    end)
end)
