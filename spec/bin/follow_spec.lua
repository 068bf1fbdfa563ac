local live = require "spec.support.live"
local shop = require "spec.support.shop"

-- suptree logs: what was, what comes, and when it was written.
local rpc = shop.rpc

local COUNTER = [[s.process 'a' { command = 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done' },]]

-- The numbers of whole lines in an output.
local function numbers(text)
    local list = {}
    for number in text:gmatch "line (%d+)\n" do list[#list + 1] = tonumber(number) end
    return list
end

describe("suptree logs -f", function()
    after_each(live.clean)

    it("goes on over the death of a host where it was: no line is missed, none told twice", function()
        local tree = shop.run(COUNTER .. shop.sleeper "silent")
        local follower = live.spawn { live.program, "logs", "-f", "--prefix" }
        for round = 1, 2 do
            local before = #numbers(follower.out)
            live.wait("more lines", function() return #numbers(follower.out) > before + 20 * round end)
            tree:kill_host()
        end
        local before = #numbers(follower.out)
        live.wait("more lines", function() return #numbers(follower.out) > before + 20 end)
        local list = numbers(follower.out)
        for place = 2, #list do assert.are.equal(list[place - 1] + 1, list[place]) end
        assert.are.equal("", follower.err)
        assert.are.equal(0, tree:stop())
        assert.are.equal(0, follower:wait())
    end)

    it("says how much is not there any more when it goes on", function()
        local tree = shop.run [[s.process 'a' { log = { buffer = 4096 }, command = 'until [ -e go ]; do sleep 0.01; ' ..
            'done; i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; done; exec sleep 1000' },]]
        local client = live.connect "shop"
        live.write_file(tree.folder .. "/go", "")
        live.wait("its last line", function()
            local reply = rpc("logs", { lines = 1 })
            return reply.lines[1] and reply.lines[1].text == "line 2000"
        end)
        local reply = client:call("logs", { follow = true, from = { a = 10 } })
        assert.are.same({}, reply.lines)
        assert.is_number(reply.at.a)
        assert.is_true(client:notice("gap").missed > 10000)
        local last = client:notice("log", function(params) return params.text == "line 2000" end)
        assert.are.equal(rpc("logs", { lines = 1 }).lines[1].at, last.at)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("the time of a line", function()
    after_each(live.clean)

    it("is told by the protocol, by --json, and by --timestamps", function()
        local began = os.time()
        local tree = shop.run [[s.process 'a' { command = "echo first; echo second; exec sleep 1000" },]]
        tree:await_line("a", "second")
        local lines = live.wait("both lines", function()
            local reply = rpc "logs"
            return reply.lines[2] and reply.lines
        end)
        assert.is_true(lines[1].time >= began and lines[1].time <= os.time() + 1)
        assert.is_true(lines[2].time >= lines[1].time)
        local _, out = live.run { live.program, "logs", "a", "--timestamps" }
        assert.are.equal(os.date("%Y-%m-%d %H:%M:%S", math.floor(lines[1].time)) .. "  first",
            out:match "^[^\n]*")
        out = select(2, live.run { live.program, "logs", "--json", "-n", "1" })
        assert.matches('^{"path":"a","text":"second","time":%d+%.%d+}\n$', out)
        assert.are.equal(0, tree:stop())
    end)
end)
