local live = require "spec.support.live"
local shop = require "spec.support.shop"

-- suptree restart --rolling: one after another.
local rpc, sleeper, status = shop.rpc, shop.sleeper, shop.status

local function suptree(...)
    return live.run { live.program, ... }
end

local function holds(text, said) assert.matches(text, said, 1, true) end

-- Three of them, each ready as soon as its file is made anew; when the file `broken` is there it fails.
local WEB = [[s.process 'web' { replicas = 3, restart_delay = 60, ready = s.ready.delay "200ms",
    command = "if [ -e broken ]; then echo this version is broken; exit 1; fi; exec sleep 1000" },]]

local function pids()
    local list = {}
    for place, node in ipairs(assert(rpc("status", { paths = { "web" } })).services) do list[place] = node.pid end
    return list
end

-- What happened to whom, from the `first`-th event on: "ended web@1 ready web@1 …".
local function story(tree, first)
    local words = {}
    for place, event in ipairs(tree:events()) do
        local told = event.type == "ended" or event.type == "ready"
        if place >= first and told then words[#words + 1] = event.type .. " " .. event.path end
    end
    return table.concat(words, " ")
end

describe("a rolling restart", function()
    after_each(live.clean)

    it("restarts one after another, each when the one before is ready", function()
        local tree = shop.run(WEB)
        local before, first = pids(), #tree:events() + 1
        local code, out, err = suptree("restart", "--rolling", "web", "--settle", "0")
        assert.are.same({ 0, "" }, { code, err })
        assert.matches("^web@1: running, ready, .*\nweb@2: .*\nweb@3: running, ready, pid %d+\n$", out)
        tree:await({ type = "ready", path = "web@3" }, 2)
        assert.are.equal("ended web@1 ready web@1 ended web@2 ready web@2 ended web@3 ready web@3",
            story(tree, first))
        for place, pid in ipairs(pids()) do assert.are_not.equal(before[place], pid) end
        assert.are.equal(0, tree:stop())
    end)

    it("has one more meanwhile, and touches nothing when that fails", function()
        local tree = shop.run(WEB)
        local before, first = pids(), #tree:events() + 1
        local code, _, err = suptree("restart", "--rolling", "--surge", "web", "--settle", "0")
        assert.are.same({ 0, "" }, { code, err })
        tree:await { type = "removed", path = "web@4" }
        assert.are.equal("ready web@4 ended web@1 ready web@1 ended web@2 ready web@2 ended web@3 ready web@3",
            (story(tree, first):gsub(" ended web@4$", "")))
        local later = pids()
        assert.are.equal(3, #later)
        for place, pid in ipairs(later) do assert.are_not.equal(before[place], pid) end

        live.write_file(tree.folder .. "/broken", "")
        code, _, err = suptree("restart", "--rolling", "--surge", "web", "--settle", "0")
        assert.are.equal(1, code)
        holds("  | this version is broken", err)
        holds("are taken away again; no other one was touched", err)
        assert.are.same(later, pids())
        assert.are.equal(0, tree:stop())
    end)

    it("ends with the first that fails, says what is done and what not, and touches no more", function()
        local tree = shop.run(WEB)
        local before = pids()
        live.write_file(tree.folder .. "/broken", "")
        local code, out, err = suptree("restart", "--rolling", "web@3", "web@1", "web@2", "--settle", "0")
        assert.are.same({ 1, "" }, { code, out })
        assert.matches("^suptree: web@1: it ended: exit code 1[^\n]*\n", err)
        holds("  | this version is broken", err)
        holds("suptree: stopped there; not restarted: web@2, web@3\n", err)
        assert.is_nil(status("web@1").pid)
        assert.are.equal(before[2], status("web@2").pid)
        assert.are.equal(before[3], status("web@3").pid)
        local reply = assert(rpc("restart", { paths = { "web" }, rolling = true, settle = 0 }))
        assert.are.same({ "not_reached", "skipped", "skipped" },
            { reply.results[1].status, reply.results[2].status, reply.results[3].status })
        holds("not restarted, because it stopped before: web@1: it", reply.results[2].message)
        assert.are.equal(0, tree:stop())
    end)

    it("sees whether each stays up for a moment", function()
        local tree = shop.run [[s.process 'web' { replicas = 2, restart_delay = 60,
            command = "if [ -e broken ]; then sleep 0.1; exit 1; fi; exec sleep 1000" },]]
        local other = status("web@2").pid
        live.write_file(tree.folder .. "/broken", "")
        local code, _, err = suptree("restart", "--rolling", "web", "--settle", "60s")
        assert.are.equal(1, code)
        holds("not restarted: web@2", err)
        assert.are.equal(other, status("web@2").pid)
        assert.are.equal(0, tree:stop())
    end)

    it("stops behind the one that is under way at Ctrl-C", function()
        local tree = shop.run(WEB)
        local before = pids()
        local rolling = live.spawn { live.program, "restart", "--rolling", "web", "--settle", "1h" }
        tree:await { type = "launched", path = "web@1", generation = 2 }
        rolling:kill "INT"
        assert.are.equal(130, rolling:wait())
        holds("stopping as soon as what is under way is ready", rolling.err)
        holds("stopped; not restarted: web@2, web@3", rolling.err)
        holds("web@1: running, ready", rolling.out)
        local after = pids()
        assert.are_not.equal(before[1], after[1])
        assert.are.same({ before[2], before[3] }, { after[2], after[3] })
        assert.are.equal(0, tree:stop())
    end)

    it("goes on over the death of the host", function()
        local tree = shop.run(WEB)
        local before = pids()
        local rolling = live.spawn { live.program, "restart", "--rolling", "web", "--settle", "500ms" }
        tree:await { type = "launched", path = "web@2", generation = 2 }
        tree:kill_host()
        assert.are.equal(0, rolling:wait(), rolling.err)
        assert.matches("the host died meanwhile; going on with [^\n]*web@3", rolling.err) -- web@2 may be up by then
        for place, pid in ipairs(pids()) do assert.are_not.equal(before[place], pid) end
        assert.are.equal(2, status("web@1").generation)
        assert.are.equal(0, tree:stop())
    end)

    it("takes the children of a supervisor, some at a time, and leaves alone what is at rest", function()
        local tree = shop.run("s.supervisor 'w' { " .. sleeper "a" .. sleeper "b" .. sleeper "c"
            .. "s.process 'd' { command = 'exit 0', restart = 'transient' }, "
            .. "s.supervisor 'x' {" .. sleeper "e" .. "} }")
        tree:await { type = "ended", path = "w/d" }
        assert.are.equal(0, (suptree("stop", "w/b")))
        local code, out = suptree("restart", "--rolling", "--max-unavailable", "2", "w", "--settle", "0")
        assert.are.equal(0, code)
        assert.matches("w/a: .*\nw/b: .*\nw/c: .*\nw/d: .*\nw/x: ", out)
        assert.are.same({ 2, 1, 2, 1, 2 }, { status("w/a").generation, status("w/b").generation,
            status("w/c").generation, status("w/d").generation, status("w/x/e").generation })
        assert.are.equal("stopped", status("w/b").state)
        assert.are.equal(0, tree:stop())
    end)

    it("ends with the tree, and when nobody waits for it any more", function()
        local tree = shop.run(WEB)
        local before = pids()
        local rolling = live.spawn { live.program, "restart", "--rolling", "web" }
        tree:await { type = "launched", path = "web@1", generation = 2 }
        rolling:kill "KILL"
        tree:await_text "a rolling restart stopped before web@2: nobody waits for it any more"
        local after = pids()
        assert.are.same({ before[2], before[3] }, { after[2], after[3] })
        rolling = live.spawn { live.program, "restart", "--rolling", "web", "--settle", "1h" }
        tree:await { type = "ready", path = "web@1", generation = 3 }
        assert.are.equal(0, tree:stop())
        assert.are.equal(1, rolling:wait())
        holds("not restarted: web@2, web@3", rolling.err)
    end)

    it("says what does not go together", function()
        local tree = shop.run(WEB)
        for words, text in pairs {
            ["--settle 1"] = "--settle means something with --rolling only",
            ["--surge"] = "--surge means something with --rolling only",
            ["--max-unavailable 2"] = "--max-unavailable means something with --rolling only",
            ["--rolling --no-wait"] = "--rolling waits for each before the next",
            ["--rolling --max-unavailable 0"] = "is not a number from 1 to 1000",
        } do
            local list = { live.program, "restart", "web" }
            for word in words:gmatch "%S+" do list[#list + 1] = word end
            local code, _, err = live.run(list)
            assert.are.equal(2, code)
            holds(text, err)
        end
        assert.are.equal(4, (suptree("restart", "--rolling", "nobody")))
        local code, _, err = suptree("rpc", "cancel", '{"call":7}')
        assert.are.equal(4, code)
        holds("no such call that goes on step by step", err)
        assert.are.equal(0, tree:stop())
    end)
end)
