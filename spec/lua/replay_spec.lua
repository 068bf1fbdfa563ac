local replay = require "suptree.replay"
local s = require "suptree"

local function fnv(bytes)
    local hash = 0xcbf29ce484222325
    for place = 1, #bytes do hash = (hash ~ bytes:byte(place)) * 0x100000001b3 end
    return hash
end

-- The journal that an engine has just begun with this tree: a header and a snapshot, no inputs.
local function journal(sim)
    local snapshot = sim:save()
    local tail = 64 + (#snapshot + 7) // 8 * 8
    return ("<I4I4I8I8i8I8I8I8I8"):pack(0x4a4c5053, 1, tail, #snapshot, fnv(snapshot), tail, 0, 0, 0)
        .. snapshot .. ("\0"):rep(tail - 64 - #snapshot)
end

describe("the replay of a journal", function()
    local function paused_shop()
        local sim = assert(s.sim(s.supervisor "shop" {
            failure_threshold = 0, s.process "db" { command = "x" }, s.process "web" { command = "x" },
        }))
        sim:start()
        sim:advance(100)
        sim:exit("db", { code = 1 })
        return sim
    end

    it("tells how the tree of a snapshot stands, by the last that happened to it", function()
        local result = assert(replay.run(journal(paused_shop())))
        assert.are.same({ "shop", 0, 0, {} }, { result.name, result.inputs, result.seconds, result.events })
        assert.is_nil(result.ended)
        local root, db, web = table.unpack(result.nodes)
        assert.are.same({ ".", "paused", 15 }, { root.path, root.state, root.resumes_in })
        assert.are.same({ "db", "queued", 15, 0 }, { db.path, db.state, db.next_at, db.since })
        assert.are.same({ "web", "running", -100 }, { web.path, web.state, web.since })
        assert.are.equal(".", db.because[2].path)
    end)

    it("tells that a tree has ended", function()
        local sim = paused_shop()
        sim:stop()
        sim:advance(60)
        assert.are.equal(0, replay.run(journal(sim)).ended)
    end)

    it("refuses bytes that are no whole journal", function()
        local good = journal(paused_shop())
        local function refused(bytes, words)
            local result, why = replay.run(bytes)
            assert.is_nil(result)
            assert.are.equal(words, why)
        end
        refused("", "is not a journal of suptree")
        refused(("x"):rep(64), "is not a journal of suptree")
        refused("SPLJ", "is truncated: not even its header is whole")
        refused(good:sub(1, -9), "is truncated")
        refused(good:sub(1, 64) .. "?" .. good:sub(66), "is damaged: the checksum of its snapshot does not fit")
    end)

    it("never believes what a journal says", function()
        local good = journal(paused_shop())
        for place = 1, 64 do
            for _, byte in ipairs { 0, 1, 127, 255 } do
                local result, why = replay.run(good:sub(1, place - 1) .. string.char(byte) .. good:sub(place + 1))
                assert.is_truthy(result or type(why) == "string")
            end
        end
        for size = 0, #good - 1, 7 do assert.is_nil((replay.run(good:sub(1, size)))) end
    end)
end)
