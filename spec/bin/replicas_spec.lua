local live = require "spec.support.live"
local proc = require "spec.support.proc"
local shop = require "spec.support.shop"

-- Several of the same service, in trees that run.
local rpc, sleeper, reload, status, pid_of = shop.rpc, shop.sleeper, shop.reload, shop.status, shop.pid_of

local function suptree(...)
    return live.run { live.program, ... }
end

-- The paths of the services that a path means, in order.
local function services(path)
    local reply, paths = assert(rpc("status", { paths = { path } })), {}
    for place, node in ipairs(reply.services) do paths[place] = node.path end
    return paths, reply
end

local WEB = "s.process 'web' { command = 'echo I am $SUPTREE_REPLICA; exec sleep 1000', replicas = %d, "
    .. "log = { file = 'web.log' } },"

local function web(count) return WEB:format(count) end

describe("a service with replicas", function()
    after_each(live.clean)

    it("runs as several, each with its number and its own log", function()
        local tree = shop.run(web(3) .. "s.thread 't' { replicas = 2, run = function(ctx) ctx:log(ctx.replica) "
            .. "while ctx:sleep(60) do end end }")
        for index = 1, 3 do
            local name = "web@" .. index
            assert.are.equal(tostring(index), shop.variable(tree, name, "SUPTREE_REPLICA"))
            tree:await_line(name, "I am " .. index)
            live.wait("its log", function()
                return live.read_file(("%s/web@%d.log"):format(tree.folder, index)) == ("I am %d\n"):format(index)
            end)
        end
        tree:await_line("t@2", "2")
        local paths, reply = services "web"
        assert.are.same({ "web@1", "web@2", "web@3" }, paths)
        assert.are.same({ { path = "web", declared = 3, count = 3 } }, reply.replicas)
        assert.are.equal("web", reply.services[2].replica_of)
        assert.are.equal(2, reply.services[2].replica)
        local out = select(2, suptree("exec", "web@2", "--", "sh", "-c", "echo $SUPTREE_REPLICA"))
        assert.are.equal("2\n", out)
        assert.are.equal(0, tree:stop())
    end)

    it("is meant as a whole by its name", function()
        local tree = shop.run(web(2) .. sleeper("z", "after = { 'web' }"))
        local first, other = pid_of(tree, "web@1"), pid_of(tree, "z")
        local code, out = suptree("restart", "web")
        assert.are.equal(0, code)
        assert.matches("^web@1: .*\nweb@2: .*\n$", out)
        assert.are_not.equal(first, pid_of(tree, "web@1"))
        assert.are.equal(other, pid_of(tree, "z"))
        code, out = suptree("status", "web")
        assert.are.equal(0, code)
        assert.is_truthy(out:find "web@1" and out:find "web@2" and not out:find "z")
        assert.are.equal(0, (suptree("stop", "web")))
        assert.are.equal("stopped", status("web@2").state)
        assert.are.equal(3, (suptree("status", "web")))
        assert.are.equal("waiting", status("z").state)
        assert.are.equal(0, (suptree("start", "web")))
        live.wait("their lines", function()
            out = select(2, suptree("logs", "web"))
            return out:find "I am 1" and out:find "I am 2"
        end)
        assert.matches("web@1 | I am 1", out, 1, true)
        assert.matches("web@2 | I am 2", out, 1, true)
        local reply = assert(rpc("events", { paths = { "web" }, types = { "launched" } }))
        for _, event in ipairs(reply.events) do assert.matches("^web@", event.path) end
        assert.are.equal(6, #reply.events)
        local err = select(3, suptree("explain", "web"))
        assert.matches("2 nodes are meant; name one of them, such as web@1", err, 1, true)
        assert.are.equal(0, tree:stop())
    end)

    it("may be none, and says so", function()
        local tree = shop.run(web(0) .. sleeper("z", "after = { 'web' }"))
        local code, out = suptree("status", "web")
        assert.are.equal(3, code)
        assert.are.equal('web has no replicas: replicas = 0; "suptree scale web=1" starts one\n', out)
        local err
        code, out, err = suptree("restart", "web")
        assert.are.same({ 1, "" }, { code, out })
        assert.matches('web has no replicas: replicas = 0 in the configuration; "suptree scale web=1" starts one', err,
            1, true)
        out = select(2, suptree "status")
        assert.matches("web has no replicas: replicas = 0", out, 1, true)
        assert.are.same({ 0, "", "" }, { suptree("logs", "web") })
        assert.are.equal(3, (suptree("is-active", "web")))
        assert.are.equal("running", status("z").state)
        assert.are.equal(0, tree:stop())
    end)

    it("gets more and fewer by a reload, the last ones last", function()
        local tree = shop.run(web(3))
        local first = pid_of(tree, "web@1")
        assert.are.equal(2, reload(tree, web(5)).plan.summary.add)
        assert.are.same({ "web@1", "web@2", "web@3", "web@4", "web@5" }, (services "web"))
        local result = reload(tree, web(2))
        assert.are.equal(3, result.plan.summary.remove)
        live.wait("the others gone", function() return #services "web" == 2 end)
        assert.are.same({ "web@1", "web@2" }, (services "web"))
        assert.are.equal(first, pid_of(tree, "web@1"))
        assert.are.equal(0, tree:stop())
    end)

    it("goes on as the first of several, and as the only one again, with its process", function()
        local tree = shop.run(sleeper "web" .. sleeper "db")
        local pid = pid_of(tree, "web")
        local result = reload(tree, sleeper("web", "replicas = 2") .. sleeper "db")
        assert.are.same({ 1, 1, 0 },
            { result.plan.summary.rename, result.plan.summary.add, result.plan.summary.remove })
        assert.are.equal(pid, status("web@1").pid)
        result = reload(tree, sleeper "web" .. sleeper "db")
        assert.are.same({ 1, 0, 1 },
            { result.plan.summary.rename, result.plan.summary.add, result.plan.summary.remove })
        assert.are.equal(pid, status("web").pid)
        assert.is_true(proc.lives(pid))
        assert.are.equal("unchanged", rpc("reload").outcome)
        assert.are.equal(0, tree:stop())
    end)

    it("outlives the host as it is", function()
        local tree = shop.run(web(2))
        local first = pid_of(tree, "web@1")
        tree:kill_host()
        live.wait("an answer", function() return rpc "hello" end)
        assert.are.same({ "web@1", "web@2" }, (services "web"))
        assert.are.equal(first, pid_of(tree, "web@1"))
        assert.are.equal("unchanged", rpc("reload").outcome)
        assert.are.equal(0, tree:stop())
    end)
end)
