-- script/test: alone
local killstorm = require "spec.support.killstorm"
local live = require "spec.support.live"

describe("killing the host at any moment", function()
    after_each(live.clean)

    local function storm_of(kills, loggers)
        local seed = os.time()
        local storm = killstorm.run { kills = kills, seed = seed, loggers = loggers, in_stop = 4 }
        return storm, ("seed %d: script/killstorm %d %d"):format(seed, kills, seed)
    end

    local function nothing_wrong(storm, hint)
        local found, counted = killstorm.check(storm)
        assert.are.equal("", table.concat(found, "\n", 1, math.min(#found, 20)), hint)
        return counted
    end

    it("restarts no service and loses no exit status, counter, pending delay, event or log byte", function()
        local counted = nothing_wrong(storm_of(50, 0))
        assert.is_true(counted.hosts > 5)
        assert.is_true(counted.ends > 100)
        assert.is_true(counted.records > 1000)
    end)

    it("loses no log byte and no event when suptree-log is killed as well", function()
        local counted = nothing_wrong(storm_of(30, 40))
        assert.is_true(counted.loggers > 0)
    end)

    it("would be found out if something were lost", function()
        local storm = storm_of(3, 0)
        nothing_wrong(storm)
        local function found_after(path, change)
            local text = live.read_file(path)
            local changed = change(text)
            assert.are_not.equal(text, changed)
            live.write_file(path, changed)
            storm.tree:read_again()
            local found = killstorm.check(storm)
            live.write_file(path, text)
            return table.concat(found, "\n")
        end
        local function without_line(pattern)
            return function(text) return (text:gsub("[^\n]*" .. pattern .. "[^\n]*\n", "", 1)) end
        end
        local events = storm.tree.folder .. "/events.jsonl"
        assert.matches("the end of generation 1 was not told", found_after(events,
            without_line '"ended","path":"plain/plain3","kind":"process","generation":1,'))
        assert.matches("event %d+ is missing", found_after(events, without_line '"type":"failed"'))
        assert.matches("generation 1 ended with exit 999, told was ", found_after(storm.notes .. "/plain3",
            function(text) return (text:gsub("end 1 [^\n]*", "end 1 exit 999")) end))
        assert.matches("generation 1 ran twice", found_after(storm.notes .. "/delayed2",
            function(text) return text .. "start 1 1\n" end))
        assert.matches("record 5 of its log is broken, missing or there twice", found_after(storm.logs .. "/long7",
            function(text) return text:sub(1, 4 * 64) .. text:sub(5 * 64 + 1) end))
        assert.matches("records, its log has", found_after(storm.logs .. "/long8",
            function(text) return text:sub(1, -65) end))
    end)
end)
