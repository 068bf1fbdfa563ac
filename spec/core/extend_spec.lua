-- A service that asks for more time (sd_notify's EXTEND_TIMEOUT_USEC): its start, or its stop, is not over before that.
local world = require "spec.support.world"
local suptree = require "suptree"
local up, process, told_when = world.up, world.process, world.told_when

local function extend(sim, path, seconds, instance)
    sim:fact {
        type = "extend", path = path, instance = instance or sim:state(path).instance, wait_ns = seconds * 1000000000,
    }
end

describe("more time for a start", function()
    local function slow()
        return up { process("a", { ready = suptree.ready.manual(), start_timeout = 5, restart = "temporary" }) }
    end

    it("it is not stopped before that", function()
        local sim = slow()
        sim:advance(4)
        extend(sim, "a", 10)
        sim:advance(9)
        assert.equal("running", sim:state("a").state)
        sim:advance(1)
        assert.is_nil(sim:state("a"))
    end)

    it("again and again, until it is ready", function()
        local sim = slow()
        for _ = 1, 10 do
            extend(sim, "a", 3)
            sim:advance(2)
        end
        sim:ready("a")
        sim:advance(100)
        assert.is_true(sim:state("a").ready)
    end)

    it("never less", function()
        local sim = slow()
        extend(sim, "a", 1)
        sim:advance(4)
        assert.equal("running", sim:state("a").state)
    end)
end)

describe("more time for a stop", function()
    local function stopping()
        local sim = up { process("a", { timeout = 5 }), "b" }
        sim:hang("a")
        sim:stop_node("a")
        sim:effects()
        return sim
    end

    it("it is not killed before that", function()
        local sim = stopping()
        sim:advance(4)
        extend(sim, "a", 10)
        sim:advance(20)
        assert.same({ "14 kill a" }, told_when(sim))
    end)

    it("a second interrupt kills it nevertheless", function()
        local sim = stopping()
        extend(sim, "a", 1000)
        sim:kill()
        assert.same({ "0 interrupt b", "0 kill a", "0 kill b" }, told_when(sim))
    end)

    it("after the kill there is none", function()
        local sim = stopping()
        sim:hang("a", "kill")
        sim:advance(5)
        extend(sim, "a", 1000)
        sim:advance(10)
        assert.equal("stuck", sim:state("a").state)
    end)
end)

describe("more time", function()
    it("is nothing to one that runs, nor from a former instance", function()
        local options = { ready = suptree.ready.manual(), start_timeout = 5, restart = "temporary" }
        local sim = up { process("a", options), "b" }
        extend(sim, "b", 10)
        assert.is_nil(sim:state("b").next_at)
        extend(sim, "a", 10, 999)
        sim:advance(5)
        assert.is_nil(sim:state("a"))
    end)

    it("beyond all bounds is not heard", function()
        local sim = up { process("a", { ready = suptree.ready.manual(), start_timeout = 5, restart = "temporary" }) }
        sim:fact { type = "extend", path = "a", instance = sim:state("a").instance, wait_ns = math.maxinteger }
        sim:advance(5)
        assert.is_nil(sim:state("a"))
    end)
end)
