-- Services that a connection starts, in virtual time.
local s = require "suptree"

local function tree(options, others)
    options = options or {}
    options.command = { "true" }
    options.sockets = options.sockets or { http = 8080 }
    options.activation = true
    return s.supervisor "shop" { s.process "web" (options), table.unpack(others or {}) }
end

local function begin(...)
    local sim = s.sim(tree(...), { seed = 1 })
    sim:start()
    return sim
end

local function shown(sim, path)
    local state = sim:state(path or "web")
    return { state.state, state.generation }
end

describe("activation", function()
    it("waits for a connection, runs, and waits again after a good end", function()
        local sim = begin()
        assert.are.same({ "waiting", 0 }, shown(sim))
        assert.is_true(sim:state(".").ready)
        assert.is_true(sim:activate "web")
        assert.are.same({ "running", 1 }, shown(sim))
        sim:activate "web" -- one that runs takes it itself
        assert.are.same({ "running", 1 }, shown(sim))
        sim:exit("web", { code = 0 })
        assert.are.same({ "waiting", 1 }, shown(sim))
        assert.are.equal(0, sim:state(".").count)
        sim:activate "web"
        assert.are.same({ "running", 2 }, shown(sim))
    end)

    it("restarts after a failure without waiting, by the usual rules", function()
        local sim = begin { restart_delay = "5s" }
        sim:activate "web"
        sim:exit("web", { code = 1 })
        assert.are.same({ "delayed", 1 }, shown(sim))
        sim:activate "web"
        assert.are.same({ "delayed", 1 }, shown(sim))
        sim:advance "5s"
        assert.are.same({ "running", 2 }, shown(sim))
        assert.is_true(sim:state(".").count > 0)
        sim:exit("web", { code = 0 })
        assert.are.same({ "waiting", 2 }, shown(sim))
    end)

    it("is ready for those after it while it waits, and waits for nobody's turn in a pause", function()
        local sim = begin(nil, { s.process "client" { command = { "true" }, after = { "web" } } })
        assert.are.same({ "running", 1 }, shown(sim, "client"))
        assert.are.same({ "waiting", 0 }, shown(sim))
        for _ = 1, 6 do sim:exit("client", { code = 1 }) end
        assert.are.equal("paused", sim:state(".").state)
        sim:activate "web"
        assert.are.same({ "queued", 0 }, shown(sim))
        sim:advance "15s"
        assert.are.same({ "running", 1 }, shown(sim))
    end)

    it("is launched at once by a person, and by nobody after a person's stop", function()
        local sim = begin()
        sim:start_node "web"
        assert.are.same({ "running", 1 }, shown(sim))
        sim:restart_node "web"
        assert.are.same({ "running", 2 }, shown(sim))
        sim:stop_node "web"
        assert.are.same({ "stopped", 2 }, shown(sim))
        sim:activate "web"
        assert.are.same({ "stopped", 2 }, shown(sim))
        sim:start_node "web"
        assert.are.same({ "running", 3 }, shown(sim))
    end)

    it("goes on waiting over a reload, listens anew where that changes, and stops waiting without it", function()
        local sim = begin()
        assert.are.equal(1, sim.world.listens)
        sim:reload(tree())
        assert.are.equal(1, sim.world.listens)
        sim:reload(tree { sockets = { http = 8081 } })
        assert.are.same({ "waiting", 0 }, shown(sim))
        assert.are.equal(2, sim.world.listens)
        sim:activate "web"
        sim:reload(tree { sockets = { http = 8082 } })
        assert.are.same({ "running", 2 }, shown(sim))
        sim:exit("web", { code = 0 })
        assert.are.same({ "waiting", 2 }, shown(sim))
        sim:reload(s.supervisor "shop" { s.process "web" { command = { "true" }, sockets = { http = 8082 } } })
        assert.are.same({ "running", 3 }, shown(sim))
    end)

    it("stays with its group: who waits has no part in a round, who runs comes back", function()
        local sim = s.sim(s.supervisor "shop" { strategy = "one_for_all",
            s.process "web" { command = { "true" }, sockets = { http = 8080 }, activation = true },
            s.process "db" { command = { "true" } },
        }, { seed = 1 })
        sim:start()
        sim:exit("db", { code = 1 })
        assert.are.same({ "waiting", 0 }, shown(sim))
        assert.are.same({ "running", 2 }, shown(sim, "db"))
        sim:activate "web"
        sim:exit("db", { code = 1 })
        assert.are.same({ "running", 2 }, shown(sim))
        sim:stop()
        assert.are.same({ "stopped", 2 }, shown(sim))
    end)
end)
