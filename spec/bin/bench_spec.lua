-- script/test: alone
local live = require "spec.support.live"

describe("bench/run.lua", function()
    after_each(live.clean)

    it("measures suptree and the floor, and prints the table of the README", function()
        local code, out, err = live.run({ "lua5.4", "bench/run.lua", "--markdown", "--rounds", "1", "--services", "20",
            "--kills", "5", "--idle", "1", "--rate", "1", "--pour", "8", "--questions", "5", "--threads", "20" },
            { env = { SUPTREE_BUILD = live.build } })
        assert.are.equal(0, code, err)
        local rows = {}
        for row in out:gmatch "| (W%d+) [^\n]*" do rows[#rows + 1] = row end
        assert.are.same({ "W1", "W1", "W2", "W2", "W2", "W3", "W4", "W5", "W6", "W6", "W7", "W7", "W7",
            "W9", "W9", "W10", "W10", "W10" }, rows)
        -- Nothing is said about how fast: that is the table's business, and the machine's.
        assert.matches("| +[%d.]+ ms | +[%d.]+ ms | +[%d.]+x |", out)
    end)
end)
