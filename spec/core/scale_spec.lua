-- Scaling: a reload of what runs, with another number of replicas.
local declaration = require "suptree.declaration"
local form = require "spec.support.form"
local replicas = require "suptree.replicas"
local world = require "spec.support.world"
local up, tree, process = world.up, world.tree, world.process
local told = world.told

-- What the tree of `options` becomes with other numbers: its blob, and the number of the one that it was made of.
local function scaled(options, wanted)
    local blob = assert(declaration.encode(tree(options), { as_root = true }))
    local template = assert(replicas.unpack(form.nodes(blob)[1].options.replicated))
    local other = assert(replicas.encode(assert(replicas.scale(template, wanted)), true))
    return other, select(4, string.unpack("=I4I4I8i8", blob)), blob
end

local function ask(sim, blob, number)
    return sim:reply(sim:request { type = "reload", blob = blob, node = number, flag = true })
end

local function web(more)
    local options = { replicas = 2 }
    for key, value in pairs(more or {}) do options[key] = value end
    return process("web", options)
end

describe("scaling", function()
    it("starts what comes, and stops the last ones, and touches nothing else", function()
        local options = { "a", web(), process("z", { after = { "web" }, restart_with = { "web" } }) }
        local sim = up(options)
        local more, number = scaled(options, { web = 4 })
        assert.equal("ok", ask(sim, more, number).status)
        assert.same({ "launch web@3", "launch web@4" }, told(sim))
        local fewer = scaled(options, { web = 1 })
        assert.equal("ok", ask(sim, fewer, 0).status)
        assert.same({ "interrupt web@2", "interrupt web@3", "interrupt web@4" }, told(sim))
        assert.is_nil(sim:state "web@2")
        assert.equal(1, sim:state("a").generation)
    end)

    it("is refused when another configuration runs", function()
        local options = { web() }
        local sim = up(options)
        local more, number = scaled(options, { web = 3 })
        assert(sim:reload(tree { web(), "b" }))
        sim:effects()
        local reply = ask(sim, more, number)
        assert.equal("refused", reply.status)
        assert.matches("try again", reply.text)
        assert.same({}, told(sim))
    end)

    it("is refused while a group restart is under way, which a reload waits for", function()
        local options = { strategy = "one_for_all", "a", web() }
        local sim = up(options)
        local more, number = scaled(options, { web = 3 })
        sim:hang "web@1"
        sim:exit("a", { code = 1 })
        sim:effects()
        assert.equal("refused", ask(sim, more, number).status)
        sim:advance(60)
        sim:effects()
        assert.equal("ok", ask(sim, more, number).status)
        assert.same({ "launch web@3" }, told(sim))
    end)

    it("does not bring back who has left the tree by himself, as a reload does", function()
        local options = { process("once", { restart = "temporary" }), web { restart = "temporary" } }
        local sim = up(options)
        sim:exit("once", { code = 0 })
        sim:exit("web@1", { code = 0 })
        local more, number, same = scaled(options, { web = 3 })
        sim:effects()
        assert.equal("ok", ask(sim, more, number).status)
        assert.same({ "launch web@3" }, told(sim))
        assert.is_nil(sim:state "once")
        assert(sim:reload(same))
        assert.same({ "launch once", "launch web@1", "interrupt web@3" }, told(sim))
    end)

    it("does not start what a person stopped", function()
        local options = { web() }
        local sim = up(options)
        sim:stop_node "web@1"
        local more, number = scaled(options, { web = 3 })
        sim:effects()
        assert.equal("ok", ask(sim, more, number).status)
        assert.same({ "launch web@3" }, told(sim))
        assert.equal("stopped", sim:state("web@1").state)
    end)

    it("comes to nothing by itself: what is new may fail", function()
        local options = { web() }
        local sim = up(options)
        local more, number = scaled(options, { web = 3 })
        ask(sim, more, number)
        sim:exit("web@3", { code = 1 })
        sim:advance(1)
        assert.equal("running", sim:state("web@3").state)
        assert.equal(2, sim:state("web@3").generation)
    end)
end)

describe("scaling while a reload may still be rolled back", function()
    local old, new = { web(), "b" }, { web { command = { "./web", "--new" } }, "b" }

    -- A tree that was reloaded, and scaled to three.
    local function scaled_up()
        local sim = up(old)
        assert(sim:reload(tree(new)))
        local more, number = scaled(new, { web = 3 })
        assert.equal("ok", ask(sim, more, number).status)
        assert.equal(1, sim:state("web@3").generation)
        sim:effects()
        return sim
    end

    it("leaves that as it is: a failure of what was changed goes back to what was before", function()
        local sim = scaled_up()
        sim:events()
        sim:exit("web@1", { code = 1 })
        sim:advance(1)
        assert.same({ "rolled_back ." }, world.happened(sim, "rolled_back"))
        assert.is_nil(sim:state "web@3")
        assert.equal("running", sim:state("web@1").state)
    end)

    it("rolls nothing back when a new one fails", function()
        local sim = scaled_up()
        sim:exit("web@3", { code = 1 })
        sim:advance(1)
        assert.equal(2, sim:state("web@3").generation)
        assert.equal(2, sim:state("web@1").generation)
        assert.same({}, world.happened(sim, "rolled_back"))
        sim:advance(120)
        sim:exit("web@1", { code = 1 })
        sim:advance(1)
        assert.same({}, world.happened(sim, "rolled_back"))
        assert.equal(3, sim:state("web@1").generation)
    end)

    it("releases who waits for one that goes", function()
        local slow = { web { ready = require "suptree".ready.delay(30) } }
        local sim = up(slow)
        sim:advance(30)
        local three, first = scaled(slow, { web = 3 })
        local one = scaled(slow, { web = 1 })
        local number = select(4, string.unpack("=I4I4I8i8", three))
        local growing = sim:request { type = "reload", blob = three, node = first, flag = true, wait = true }
        sim:advance(1)
        assert.is_nil(sim:reply(growing))
        assert.equal("ok", ask(sim, one, number).status)
        sim:advance(1)
        assert.equal("ok", sim:reply(growing).status)
    end)
end)

describe("a service and its replicas", function()
    local function same(sim, from, declared, to)
        local before = sim:state(from)
        assert(sim:reload(tree(declared)))
        assert.is_nil(sim:state(from))
        assert.equal(before.instance, sim:state(to).instance)
    end

    it("hand the first over to each other", function()
        local sim = up { process "web", "b" }
        same(sim, "web", { web(), "b" }, "web@1")
        assert.same({ "launch web@2" }, { told(sim)[1] })
        same(sim, "web@1", { process "web", "b" }, "web")
        assert.is_nil(sim:state "web@2")
    end)

    it("do not when another goes on with it", function()
        local sim = up { web() }
        local first = sim:state("web@1").instance
        assert(sim:reload(tree { process "web", process("other", { command = { "./web" }, formerly = "web@1" }) }))
        assert.equal(first, sim:state("other").instance)
        assert.not_equal(first, sim:state("web").instance)
    end)

    it("go back together", function()
        local sim = up { process "web" }
        local first = sim:state("web").instance
        assert(sim:reload(tree { web { command = { "./web" } } }))
        assert.equal(first, sim:state("web@1").instance)
        sim:exit("web@2", { code = 1 })
        sim:advance(1)
        assert.equal(first, sim:state("web").instance)
        assert.is_nil(sim:state "web@2")
    end)
end)
