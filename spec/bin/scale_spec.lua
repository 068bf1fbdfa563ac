local live = require "spec.support.live"
local shop = require "spec.support.shop"
local uv = require "luv"

-- suptree scale: more and fewer replicas while the tree runs.
local rpc, sleeper, reload, status, pid_of = shop.rpc, shop.sleeper, shop.reload, shop.status, shop.pid_of

local function suptree(...)
    return live.run { live.program, ... }
end

-- The paths of the services that a path means, in order.
local function paths_of(path)
    local reply, paths = rpc("status", { paths = { path } }), {}
    for place, node in ipairs(reply and reply.services or {}) do paths[place] = node.path end
    return table.concat(paths, " ")
end

local function plan() return select(2, suptree "plan") end

local function holds(text, said) assert.matches(text, said, 1, true) end

-- Of a tree whose services stop when they are killed.
local function end_now(tree)
    tree:kill "TERM"
    tree:await { type = "stopping", path = "web@1" }
    tree:kill "TERM"
    tree:wait()
end

local WEB = sleeper("web", "replicas = 2")

describe("suptree scale", function()
    after_each(live.clean)

    it("starts more, stops the last ones, and waits for it", function()
        local tree = shop.run(WEB .. sleeper("z", "after = { 'web' }"))
        local first, z = pid_of(tree, "web@1"), pid_of(tree, "z")
        local code, out = suptree("scale", "web=4", "--settle", "0")
        assert.are.equal(0, code)
        assert.matches("^web@3: running, ready, pid %d+\nweb@4: running, ready, pid %d+\n"
            .. "web: 2 %-> 4; the configuration says 2, and the next reload goes by that\n$", out)
        assert.are.equal("web@1 web@2 web@3 web@4", paths_of "web")
        assert.are.equal("4", shop.variable(tree, "web@4", "SUPTREE_REPLICA"))
        tree:await_text "scale web=4 (uid"
        tree:await_text "by control: scale web=4)"
        assert.matches("^uid %d+ by control: scale web=4$", tree:await({ type = "added", path = "web@4" }).context)
        holds("web is scaled to 4 by hand; the configuration says 2", select(2, suptree "status"))
        assert.are.equal("web=\n", select(2, suptree("names", "replicas")))
        code, out = suptree("scale", "web=1", "--json")
        assert.are.equal(0, code)
        holds('{"scaled":[{"path":"web","declared":2,"from":4,"to":1}],"results":[{"path":"web@2","status":"ok"', out)
        assert.are.equal("web@1", paths_of "web")
        assert.are.equal(first, status("web@1").pid)
        assert.are.equal(z, status("z").pid)
        assert.are.equal(0, (suptree("scale", "web=0")))
        holds("web has no replicas: scaled to 0 by hand", select(3, suptree("start", "web")))
        assert.are.equal(0, (suptree("scale", "web=2", "--settle", "0")))
        assert.are.equal("unchanged", rpc("reload").outcome)
        assert.are.equal("web: 2, as before\n", select(2, suptree("scale", "web=2")))
        assert.are.equal(0, tree:stop())
    end)

    it("says why not", function()
        local tree = shop.run("max_children = 4, " .. WEB .. sleeper "db" .. sleeper "web@4")
        for words, expected in pairs {
            ["db=2"] = { 5, 'db was not declared with replicas; write replicas = 1 there, "suptree reload", and' },
            ["web@1=2"] = { 5, 'web@1 is one of the replicas of web; scale these: "suptree scale web=N"' },
            [".=2"] = { 5, ". is a supervisor" },
            ["wbe=2"] = { 4, 'there is no "wbe" in this tree, did you mean "web"?' },
            ["web=3"] = { 5, "the root would have 5 children, and its max_children is 4" },
            ["web"] = { 2, 'write "suptree scale web=5"' }, ["web=x"] = { 2, 'write "suptree scale web=5"' },
            ["=3"] = { 2, 'write "suptree scale web=5"' }, ["web=10001"] = { 2, "whole numbers from 0 to 10000" },
        } do
            local code, out, err = suptree("scale", words)
            assert.are.same({ expected[1], "" }, { code, out })
            holds(expected[2], err)
        end
        assert.are.equal(2, (suptree("scale", "web=1", "web=2")))
        assert.are.equal("unchanged", rpc("reload").outcome)
        reload(tree, WEB .. sleeper "web@4")
        local code, _, err = suptree("scale", "web=4")
        assert.are.equal(5, code)
        holds('the name "web@4" is taken', err)
        assert.are.equal("web@1 web@2", paths_of "web")
        assert.are.equal(0, tree:stop())
    end)

    it("holds until the next reload, which goes by the file; and can be taken back", function()
        local tree = shop.run(WEB)
        assert.are.equal(0, (suptree("scale", "web=3", "--settle", "0")))
        holds("- web@3 remove (scaled to 3 by hand)", plan())
        assert.are.equal(0, (suptree("rollback", "--settle", "0")))
        live.wait("the third gone", function() return paths_of "web" == "web@1 web@2" end)
        assert.are.equal(0, (suptree("scale", "web=1", "--settle", "0")))
        holds("+ web@2 add command exec sleep 1000 (scaled to 1 by hand)", plan())
        reload(tree, WEB .. sleeper "b")
        live.wait("both", function() return paths_of "web" == "web@1 web@2" end)
        assert.is_nil(select(2, suptree "status"):find("by hand", 1, true))
        assert.are.equal(0, tree:stop())
    end)

    it("starts what is declared, not what an old one was started with", function()
        local tree = shop.run(sleeper("web", "replicas = 1, env = { V = 1 }"))
        assert.are.equal(0, (suptree("stop", "web")))
        reload(tree, sleeper("web", "replicas = 1, env = { V = 2 }"))
        assert.are.equal(0, (suptree("scale", "web=2", "--settle", "0")))
        assert.are.equal("2", shop.variable(tree, "web@2", "V"))
        assert.are.equal("stopped", status("web@1").state)
        assert.are.equal(0, tree:stop())
    end)

    it("is there in the console, where the name stands for all of them", function()
        local tree = shop.run(WEB)
        local function console(line)
            local code, out, err = suptree("console", "--write", "-e", line)
            assert.are.same({ 0, "" }, { code, err })
            return out
        end
        assert.are.equal("web@3: it runs\n", console "scale(web, 3)")
        assert.matches("^web: 3 replicas\n  web@1: process, running.*web@3: process, running", console "web")
        assert.are.equal("web@3\n", console "web[3].path")
        assert.are.equal("web@2: it ended, and has left the tree\nweb@3: it ended, and has left the tree\n",
            console "web:scale(1)")
        assert.are.equal("web@1: it runs again\n", console "rolling(web)")
        local code, _, err = suptree("console", "-e", "scale(web, 1)")
        assert.are_not.equal(0, code)
        holds("scale changes the tree, and this console only looks", err)
        assert.are.equal(0, tree:stop())
    end)

    it("tells what does not get ready, and takes nothing back", function()
        local tree = shop.run [[s.process 'web' { replicas = 1, ready = s.ready.file "ready", command = [=[
            [ $SUPTREE_REPLICA = 3 ] && { echo broken; exit 1; }; sleep 0.1; touch ready; exec sleep 1000]=] }]]
        local code, out, err = suptree("scale", "web=2", "--settle", "0")
        assert.are.same({ 0, "" }, { code, err })
        holds("web@2: running, ready", out)
        code, out, err = suptree("scale", "web=3", "--settle", "0")
        assert.are.same({ 1, "web: 2 -> 3; the configuration says 1, and the next reload goes by that\n" },
            { code, out })
        holds("web@3: it cannot get ready; explain says why", err)
        holds("  | broken", err)
        assert.are.equal("web@1 web@2 web@3", paths_of "web")
        assert.are.equal(0, (suptree("scale", "web=2")))
        assert.are.equal("web@1 web@2", paths_of "web")
        assert.are.equal(0, tree:stop())
    end)

    it("waits no longer than it may, or not at all", function()
        local tree = shop.run [[s.process 'web' { replicas = 1, ready = s.ready.file "ready", timeout = 3,
            command = "[ $SUPTREE_REPLICA = 1 ] && touch ready; trap '' TERM; echo deaf; while :; do sleep 1; done" }]]
        local code, out, err = suptree("scale", "web=2", "--timeout", "300ms")
        assert.are.equal(124, code)
        holds("web: 1 -> 2", out)
        holds("web@2: not there in the time given; it goes on", err)
        tree:await_line("web@2", "deaf")
        code, out = suptree("scale", "web=3", "--no-wait")
        assert.are.equal(0, code)
        holds("web@3: it will start", out)
        tree:await_line("web@3", "deaf")
        code, out, err = suptree("scale", "web=1", "--timeout", "300ms")
        assert.are.equal(124, code)
        holds("web: 3 -> 1", out)
        holds("web@2: not down in the time given; it goes on", err)
        end_now(tree)
    end)

    it("starts none beside one of the same number that still stops", function()
        local tree = shop.run [[s.process 'web' { replicas = 2, timeout = "1h", command = "trap '' TERM; echo up; " ..
            "until [ $SUPTREE_REPLICA = 2 ] && [ -e go ]; do sleep 0.02; done; rm go" }]]
        tree:await_line("web@2", "up")
        assert.are.equal(0, (suptree("scale", "web=1", "--no-wait")))
        local code, _, err = suptree("scale", "web=2", "--timeout", "50ms")
        assert.are.equal(5, code)
        holds("web@2 of before has not ended yet; try again", err)
        local scaling = live.spawn { live.program, "scale", "web=2", "--settle", "0" }
        live.write_file(tree.folder .. "/go", "")
        assert.are.equal(0, scaling:wait())
        tree:await({ type = "launched", path = "web@2" }, 2)
        local order = {}
        for _, event in ipairs(tree:events()) do
            local told = event.path == "web@2" and (event.type == "ended" or event.type == "launched")
            if told then order[#order + 1] = event.type end
        end
        assert.are.same({ "launched", "ended", "launched" }, order)
        end_now(tree)
    end)

    it("goes on over the death of the host", function()
        local tree = shop.run(WEB)
        for count = 3, 4 do
            local scaling = live.spawn { live.program, "scale", "web=" .. count, "--settle", "0" }
            live.wait("the change", function() return tree.out:find("scale web=" .. count, 1, true) end)
            tree:kill_host()
            assert.are.equal(0, scaling:wait(), scaling.err)
            live.wait("all of them", function()
                local reply = rpc("wait", { paths = { "web" } })
                return reply and #reply.results == count and reply
            end)
            assert.are.same({ { path = "web", declared = 2, count = count } },
                rpc("status", { paths = { "web" } }).replicas)
        end
        holds("- web@4 remove (scaled to 4 by hand)", plan())
        assert.are.equal(0, tree:stop())
    end)

    it("comes to what was asked last while services and the host are killed", function()
        local tree = shop.run("failure_threshold = 1000, " .. sleeper("web", "replicas = 4") .. sleeper "db")
        local db = pid_of(tree, "db")
        local last
        for round = 1, 12 do
            last = 1 + (round * 7) % 9
            local scaling = live.spawn { live.program, "scale", "web=" .. last, "--no-wait" }
            for index = 1, 3 do
                local pid = tree:service(("web@%d"):format(index))
                if pid then uv.kill(pid, "sigkill") end
            end
            if round % 6 == 0 then tree:kill_host() end
            assert.are.equal(0, scaling:wait(), scaling.err)
        end
        local wanted = {}
        for index = 1, last do wanted[index] = "web@" .. index end
        live.wait("the last number of them", function()
            local reply = rpc("status", { paths = { "web" } })
            local up = 0
            for _, node in ipairs(reply and reply.services or {}) do up = up + (node.ready and 1 or 0) end
            return up == last and paths_of "web" == table.concat(wanted, " ")
        end)
        assert.are.equal(db, pid_of(tree, "db"))
        assert.are.equal(0, tree:stop())
    end)
end)
