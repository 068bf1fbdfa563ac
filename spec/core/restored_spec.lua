-- SEMANTICS §9.19: 'saving and restoring the tree at any step is unobservable'. Every other spec of the core again,
-- with the tree saved, thrown away and restored after each input.
local world = require "spec.support.world"

local files = {
    "because", "delay", "meter", "order", "pause", "plan", "reload", "restart", "start", "stop", "strategy",
    "unhealthy", "verbs", "extend", "after_exit",
}

describe("§9.19 saved and restored after every input:", function()
    setup(function() world.round_trip = true end)
    teardown(function() world.round_trip = false end)

    it("is done in what follows", function()
        assert.is_true(world.up({ "a" }).world.round_trip)
    end)

    for _, name in ipairs(files) do
        describe(name, function()
            assert(loadfile("spec/core/" .. name .. "_spec.lua", "t", _ENV))()
        end)
    end
end)
