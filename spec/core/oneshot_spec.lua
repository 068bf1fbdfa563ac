-- Oneshots: services that are expected to end. Done is ready, a failure is tried again, and what is done is not done
-- twice unless somebody asks for it.
local suptree = require "suptree"
local world = require "spec.support.world"
local up, fail, group, process = world.up, world.fail, world.group, world.process
local told, happened = world.told, world.happened

local function oneshot(name, options)
    options = options or {}
    options.command = options.command or { "./" .. name }
    return suptree.oneshot(name)(options)
end

-- "running", "done, ready", "waiting".
local function state(sim, path)
    local found = assert(sim:state(path), path)
    return found.state .. (found.ready and ", ready" or "")
end

local function with_web(options, more)
    local declared = more or {}
    table.insert(declared, oneshot("migrate", options))
    table.insert(declared, process("web", { after = { "migrate" } }))
    return up(declared)
end

describe("a oneshot", function()
    it("is ready when it is done, and what is after it starts then", function()
        local sim = with_web()
        assert.equal("running", state(sim, "migrate"))
        assert.equal("waiting", state(sim, "web"))
        assert.is_false(sim:state().ready)
        sim:exit("migrate")
        assert.equal("done, ready", state(sim, "migrate"))
        assert.equal("running, ready", state(sim, "web"))
        assert.is_true(sim:state().ready)
        assert.same({ "ended migrate", "ready migrate", "launched web", "ready web", "ready ." },
            happened(sim, "ended", "ready", "launched", "failed"))
    end)

    it("is tried again when it fails, and counted", function()
        local sim = with_web()
        fail(sim, "migrate", 2)
        assert.equal(2, sim:state().count)
        assert.same({ "launch migrate", "launch migrate" }, told(sim))
        assert.equal("waiting", state(sim, "web"))
        sim:exit("migrate")
        assert.equal("running, ready", state(sim, "web"))
    end)

    it("takes all the time it needs; start_timeout bounds it", function()
        local sim = with_web()
        sim:advance("10h")
        assert.equal("running", state(sim, "migrate"))
        sim = with_web { start_timeout = "5s" }
        sim:advance("5s")
        assert.same({ "launch_failed migrate", "failed migrate" }, happened(sim, "launch_failed", "failed"))
        assert.equal(2, sim:state("migrate").generation)
    end)

    it('"temporary" is not tried again, and stays: failed', function()
        local sim = with_web { restart = "temporary" }
        fail(sim, "migrate")
        assert.equal("failed", state(sim, "migrate"))
        assert.equal("waiting", state(sim, "web"))
        assert.equal(1, sim:state().count)
        local failed
        for _, event in ipairs(sim:events()) do if event.type == "failed" then failed = event end end
        assert.is_false(failed.restarting)
        assert.is_true(sim:start_node "migrate")
        sim:exit("migrate")
        assert.equal("done, ready", state(sim, "migrate"))
        assert.equal("running, ready", state(sim, "web"))
    end)

    it("is not done twice because of a start, but by a restart", function()
        local sim = with_web()
        sim:exit("migrate")
        told(sim)
        assert.is_true(sim:start_node "migrate")
        assert.is_true(sim:start_node "web")
        assert.same({}, told(sim))
        assert.is_true(sim:restart_node "migrate")
        assert.same({ "launch migrate" }, told(sim))
        assert.equal("running, ready", state(sim, "web"))
    end)

    it("restarted takes those along that restart with it, after it is done", function()
        local sim = up { oneshot "migrate", process("web", { after = { "migrate" }, restart_with = { "migrate" } }) }
        sim:exit("migrate")
        told(sim)
        sim:restart_node "migrate"
        assert.same({ "launch migrate", "interrupt web" }, told(sim))
        assert.equal("waiting", state(sim, "web"))
        sim:exit("migrate")
        assert.same({ "launch web" }, told(sim))
    end)

    it("stopped by a person is undone: those after it go down, and come back when it is done anew", function()
        local sim = with_web()
        sim:exit("migrate")
        sim:stop_node "migrate"
        assert.equal("stopped", state(sim, "migrate"))
        assert.equal("waiting", state(sim, "web"))
        sim:start_node "migrate"
        assert.equal("waiting", state(sim, "web"))
        sim:exit("migrate")
        assert.equal("running, ready", state(sim, "web"))
    end)

    it("with remain = false is run again by a person's start of what is after it, and by nothing else", function()
        local sim = with_web { remain = false }
        sim:exit("migrate")
        assert.equal("done", state(sim, "migrate"))
        assert.equal("running, ready", state(sim, "web"))
        told(sim)
        fail(sim, "web")
        assert.same({ "launch web" }, told(sim))
        sim:restart_node "web"
        assert.same({ "launch migrate", "interrupt web" }, told(sim))
        assert.equal("waiting", state(sim, "web"))
        sim:exit("migrate")
        assert.same({ "launch web" }, told(sim))
    end)
end)

describe("a oneshot among its siblings", function()
    it("runs again in a group restart", function()
        local sim = with_web(nil, { strategy = "one_for_all" })
        sim:exit("migrate")
        told(sim)
        fail(sim, "web")
        assert.same({ "launch migrate" }, told(sim))
        sim:exit("migrate")
        assert.same({ "launch web" }, told(sim))
    end)

    it("ends its supervisor when it is significant, and only when it is over", function()
        local function ended(options)
            options.significant = true
            local sim = up { group("job", { restart = "transient", auto_shutdown = "all_significant",
                oneshot("a", options), oneshot "b" }) }
            fail(sim, "job/a")
            local failed = sim:state("job").state
            if sim:state("job/a").state == "running" then sim:exit("job/a") end
            return failed, sim:state("job").state
        end
        assert.same({ "running", "stopped" }, { ended {} })
        assert.equal("running", (ended { restart = "transient" }))
        assert.is_not.equal("running", (ended { restart = "temporary" }))
    end)

    it("runs again with its supervisor", function()
        local sim = up { group("job", { oneshot "a", "b" }) }
        sim:exit("job/a")
        sim:restart_node "job"
        assert.equal("running", state(sim, "job/a"))
    end)
end)

describe("a reload", function()
    local function reloaded(from, to)
        local sim = with_web(from)
        sim:exit("migrate")
        told(sim)
        assert(sim:reload(world.tree { oneshot("migrate", to), process("web", { after = { "migrate" } }) }))
        return told(sim), state(sim, "migrate"), state(sim, "web")
    end

    it("does not run a done one again, unless it is another now", function()
        assert.same({ {}, "done, ready", "running, ready" }, { reloaded({}, {}) })
        assert.same({ {}, "done, ready", "running, ready" }, { reloaded({}, { description = "the tables" }) })
        assert.same({ { "launch migrate" }, "running", "running, ready" }, {
            reloaded({}, { command = { "./migrate", "2" } }) })
    end)

    it("makes a service of what was a oneshot", function()
        local sim = with_web()
        sim:exit("migrate")
        assert(sim:reload(world.tree { process "migrate", process("web", { after = { "migrate" } }) }))
        assert.equal("running, ready", state(sim, "migrate"))
    end)

    it("is rolled back when the new one fails", function()
        local sim = with_web()
        sim:exit("migrate")
        assert(sim:reload(world.tree { oneshot("migrate", { command = { "./bad" } }),
            process("web", { after = { "migrate" } }) }))
        fail(sim, "migrate")
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
    end)
end)

describe("the declaration of a oneshot", function()
    local function faults(child)
        local blob, why = require "suptree.declaration".encode(world.tree { child }, { as_root = true })
        return blob and "good" or tostring(why)
    end

    it("may be a command or a function", function()
        assert.equal("good", faults(oneshot "a"))
        assert.equal("good", faults(suptree.oneshot "a" { run = function() end, memory = "8MiB" }))
        assert.matches("command: is missing", faults(suptree.oneshot "a" {}))
    end)

    it("cannot be permanent, and has no other readiness", function()
        assert.matches('a.restart: cannot be "permanent": it is expected to end', faults(oneshot("a",
            { restart = "permanent" })))
        assert.matches("a.ready: means nothing: a oneshot is ready when it is done", faults(oneshot("a",
            { ready = suptree.ready.delay(1) })))
        for name, value in pairs { health = { probe = suptree.ready.tcp(80) }, watchdog = 5 } do
            assert.matches(("a.%s: means nothing: it is for what is to run on, not for a oneshot"):format(name),
                faults(oneshot("a", { [name] = value })))
        end
        assert.matches("a.remain: is an option of a oneshot, not of a process", faults(process("a", { remain = true })))
    end)
end)
