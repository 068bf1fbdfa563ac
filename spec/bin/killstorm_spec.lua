-- script/test: alone
local killstorm = require "spec.support.killstorm"
local live = require "spec.support.live"

describe("killing the host at any moment", function()
    after_each(live.clean)

    it("restarts no service and loses no exit status, counter, pending delay, event or log byte", function()
        local seed = os.time()
        local found, counted = killstorm.run { kills = 50, seed = seed }
        assert.are.equal("", table.concat(found, "\n", 1, math.min(#found, 20)),
            ("seed %d: script/killstorm 50 %d"):format(seed, seed))
        assert.is_true(counted.ends > 100)
        assert.is_true(counted.records > 1000)
    end)
end)
