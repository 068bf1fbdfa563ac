local cjson = require "cjson"
local live = require "spec.support.live"

local SHOP = [[
    local s = require "suptree"
    return s.supervisor "shop" {
        s.process "db" { command = "exec sleep 1000" },
        s.process "web" { command = "exec sleep 1000", after = { "db" } },
        s.supervisor "workers" { s.process "a" { command = "exec sleep 1000" } },
    }
]]

-- One call by the command line: the result as a table; or nil, the exit code and what was said.
local function rpc(method, params)
    local code, out, err = live.run { live.program, "rpc", method, params and cjson.encode(params) or nil }
    if code == 0 then return cjson.decode(out) end
    return nil, code, err
end

local function shop(config, options)
    local tree = live.tree(config or SHOP, options)
    tree:await { type = "ready", path = "." }
    return tree
end

describe("the control socket", function()
    after_each(live.clean)

    it("says who answers", function()
        local tree = shop()
        local hello = assert(rpc "hello")
        assert.are.equal("shop", hello.name)
        assert.are.equal(tree.pid, hello.keeper)
        assert.are.equal(tree:host(), hello.pid)
        assert.are.equal("write", hello.role)
        assert.are.equal(1, hello.host_starts)
    end)

    it("shows the tree as it is", function()
        local tree = shop()
        local status = assert(rpc "status")
        local paths = {}
        for place, node in ipairs(status.services) do paths[place] = node.path end
        assert.are.same({ ".", "db", "web", "workers", "workers/a" }, paths)
        assert.are.equal(tree:service "web", status.services[3].pid)
        assert.are.equal("running", status.services[3].state)
        assert.are.same({ "db" }, status.services[3].after)
    end)

    it("stops, starts and restarts", function()
        local tree = shop()
        local first = tree:service "web"
        local result = assert(rpc("stop", { paths = { "web" }, context = "because" })).results[1]
        assert.are.same({ "web", "ok", "stopped" }, { result.path, result.status, result.node.state })
        assert.is_nil(tree:service "web")
        assert.are.equal("uid " .. require "luv".getuid() .. " by control: because",
            tree:await { type = "stopping", path = "web" }.context)
        result = assert(rpc("start", { paths = { "web" } })).results[1]
        assert.are.same({ "ok", "running", 2 }, { result.status, result.node.state, result.node.generation })
        result = assert(rpc("restart", { paths = { "w*" } })).results
        assert.are.same({ "web", "workers" }, { result[1].path, result[2].path })
        assert.are_not.equal(first, tree:service "web")
    end)

    it("says what it does not know", function()
        shop()
        local _, code, err = rpc("stop", { paths = { "wbe" } })
        assert.are.equal(4, code)
        assert.matches('did you mean "web"', err)
        _, code, err = rpc("stop", { path = "web" })
        assert.are.equal(2, code)
        assert.matches('path: there is no such parameter, did you mean "paths"', err)
    end)

    it("ends the tree", function()
        local tree = shop()
        assert.are.same({}, rpc "shutdown")
        assert.are.equal(0, tree:wait())
        local _, code = rpc "hello"
        assert.are.equal(7, code)
    end)

    it("is held by one tree of a name", function()
        local tree = shop()
        local code, _, err = live.run { live.program, "run", tree.folder .. "/supervise.lua" }
        assert.are.equal(5, code)
        assert.matches("shop runs already: pid " .. tree.pid, err, 1, true)
    end)

    it("outlives the host", function()
        local tree = shop()
        local web = tree:service "web"
        tree:kill_host()
        local status = assert(rpc("status", { paths = { "web" } }))
        assert.are.equal(web, status.services[1].pid)
        assert.are.equal(2, rpc "hello".host_starts)
    end)
end)

describe("a tree without a control socket", function()
    after_each(live.clean)

    it("runs nevertheless, and says so", function()
        local folder = live.folder() .. "/" .. ("x"):rep(100)
        assert(require "luv".fs_mkdir(folder, 448))
        local tree = shop(SHOP, { env = { XDG_RUNTIME_DIR = folder } })
        tree:await_text("no verb will reach this tree, it runs nevertheless", "err")
    end)
end)
