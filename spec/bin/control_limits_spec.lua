local cjson = require "cjson"
local live = require "spec.support.live"
local uv = require "luv"

local SHOP = [[
    local s = require "suptree"
    return s.supervisor "shop" {
        s.process "web" { command = "exec sleep 1000" },
        s.supervisor "workers" { s.process "a" { command = "exec sleep 1000" } },
    }
]]

local function shop()
    local tree = live.tree(SHOP)
    tree:await { type = "ready", path = "." }
    return tree, tree:host()
end

-- The host is the same, and answers.
local function is_well(tree, host)
    assert.are.equal("shop", live.connect "shop":call "hello".name)
    assert.are.equal(host, tree:host())
end

describe("a client that sends nonsense", function()
    after_each(live.clean)

    local nonsense = {
        ["nothing at all"] = "\n",
        ["words"] = "hello\n",
        ["zero bytes"] = ("\0"):rep(100) .. "\n",
        ["bytes that are no text"] = "\xff\xfe\x80{}\n",
        ["half an object"] = '{"jsonrpc":"2.0","id":1,"method":\n',
        ["objects without end"] = ('{"a":'):rep(100000) .. "\n",
        ["lists without end"] = ("["):rep(100000) .. "\n",
        ["a number that is none"] = '{"jsonrpc":"2.0","id":NaN,"method":"hello"}\n',
        ["a length and no line"] = ("\x7f\xff\xff\xff"):rep(400000),
        ["a line without end"] = ("x"):rep(1100000),
    }

    it("is told so and closed, alone", function()
        local tree, host = shop()
        local well = live.connect "shop"
        for what, bytes in pairs(nonsense) do
            local client = live.connect "shop"
            client:send(bytes)
            client:await_end()
            local reply = client.messages[1]
            assert.is_truthy(reply and reply.error and reply.id == cjson.null, what)
            client:close()
            assert.are.equal("shop", well:call "hello".name)
        end
        is_well(tree, host)
    end)

    it("is told what is wrong with a request that can be read", function()
        local tree, host = shop()
        local client = live.connect "shop"
        local wrong = {
            { '{"id":1,"method":"hello"}', -32600 },
            { "17", -32600 },
            { "null", -32600 },
            { '[{"jsonrpc":"2.0","id":1,"method":"hello"}]', -32600 },
            { '{"jsonrpc":"2.0","id":{},"method":"hello"}', -32600 },
            { '{"jsonrpc":"2.0","id":12345678901234567890,"method":"hello"}', -32600 },
            { '{"jsonrpc":"2.0","id":1,"method":7}', -32600 },
            { '{"jsonrpc":"2.0","id":1,"method":"helo"}', -32601 },
            { '{"jsonrpc":"2.0","id":1,"method":"__index"}', -32601 },
            { '{"jsonrpc":"2.0","id":1,"method":"status","params":[1]}', -32602 },
            { '{"jsonrpc":"2.0","id":1,"method":"status","params":7}', -32602 },
            { '{"jsonrpc":"2.0","id":1,"method":"status","params":{"paths":"web"}}', -32602 },
            { '{"jsonrpc":"2.0","id":1,"method":"status","params":{"paths":[]}}', -32602 },
            { '{"jsonrpc":"2.0","id":1,"method":"status","params":{"paths":["a\\u0000b"]}}', -32602 },
            { '{"jsonrpc":"2.0","id":1,"method":"status","params":{"paths":[{}]}}', -32602 },
            { '{"jsonrpc":"2.0","id":1,"method":"status","params":{"nodes":["web"]}}', -32602 },
            { '{"jsonrpc":"2.0","id":1,"method":"events","params":{"last":1e300}}', -32602 },
            { '{"jsonrpc":"2.0","id":1,"method":"events","params":{"last":-1}}', -32602 },
            { '{"jsonrpc":"2.0","id":1,"method":"wait","params":{"paths":["web"],"state":"happy"}}', -32602 },
            { '{"jsonrpc":"2.0","id":1,"method":"start"}', -32602 },
        }
        for _, case in ipairs(wrong) do
            client:send(case[1] .. "\n")
            local reply = client:await(case[1], function(message) return message.error end)
            assert.are.equal(case[2], reply.error.code, case[1])
            assert.is_true(#reply.error.message > 0)
        end
        assert.are.equal("shop", client:call "hello".name)
        is_well(tree, host)
    end)

    it("may send one byte at a time", function()
        shop()
        local client = live.connect "shop"
        for byte in ('{"jsonrpc":"2.0","id":"slow","method":"hello"}\n'):gmatch "." do
            client:send(byte)
            uv.run "nowait"
        end
        assert.are.equal("shop", client:await("the reply", function(reply) return reply.id == "slow" end).result.name)
    end)

    it("finds its replies under its ids, and none where it wanted none", function()
        shop()
        local client = live.connect "shop"
        client:send('{"jsonrpc":"2.0","method":"hello"}\n{"jsonrpc":"2.0","id":"a\\"b","method":"hello"}\n'
            .. '{"jsonrpc":"2.0","id":9007199254740991,"method":"hello"}\r\n')
        client:await("the last", function(reply) return reply.id == 9007199254740991 end)
        assert.are.equal('a"b', client.messages[1].id)
        assert.is_nil(client.messages[2])
        assert.matches('"id":9007199254740991,', client.lines[2], 1, true)
    end)
end)

describe("clients that are too many, or too slow", function()
    after_each(live.clean)

    it("are turned away with a word, until others have gone", function()
        local tree, host = shop()
        local clients = {}
        for place = 1, 64 do
            clients[place] = live.connect "shop"
            assert.are.equal("shop", clients[place]:call "hello".name)
        end
        local one_more = live.connect "shop"
        one_more:await_end()
        assert.are.equal("limit", one_more.messages[1].error.data.code)
        clients[1]:close()
        live.wait("room for another one", function()
            local client = live.connect "shop"
            local id = client:ask "hello"
            local reply
            live.wait("an answer or an end", function()
                for _, message in ipairs(client.messages) do reply = message.id == id and message or reply end
                return reply or client.closed
            end)
            return reply
        end)
        for _, client in ipairs(clients) do client:close() end
        is_well(tree, host)
    end)

    it("wait for their own replies alone", function()
        local tree, host = shop()
        local slow, quick = live.connect "shop", live.connect "shop"
        slow:sleep()
        for _ = 1, 3000 do slow:ask "status" end
        for _ = 1, 20 do assert.are.equal("shop", quick:call "hello".name) end
        slow:listen()
        local seen = 0
        live.wait("every reply in turn", function()
            for _, message in ipairs(slow.messages) do
                seen = seen + 1
                assert.are.equal(seen, message.id)
            end
            slow.messages = {}
            return seen == 3000
        end)
        is_well(tree, host)
    end)

    it("may have so many calls under way, the others come later", function()
        shop()
        local client = live.connect "shop"
        for _ = 1, 200 do client:ask("wait", { paths = { "web" }, state = "stopped" }) end
        local other = live.connect "shop"
        other:call("stop", { paths = { "web" } })
        live.wait("all replies", function() return #client.messages == 200 end)
        for _, message in ipairs(client.messages) do
            assert.are.equal("ok", message.result.results[1].status)
        end
    end)

    it("may have so many streams", function()
        shop()
        local client = live.connect "shop"
        for _ = 1, 16 do assert.is_number(client:call("events", { follow = true }).stream) end
        local _, err = client:call("logs", { follow = true })
        assert.are.equal("limit", err.data.code)
        client:call("cancel", { stream = 1 })
        assert.is_number(client:call("logs", { follow = true }).stream)
        _, err = client:call("cancel", { stream = 1 })
        assert.are.equal("not_found", err.data.code)
    end)
end)

describe("clients at the death of the host", function()
    after_each(live.clean)

    it("see the connection end and find the next host at once, again and again", function()
        local tree = live.tree(SHOP, { program = live.installation { "--test-eager" } })
        tree:await { type = "ready", path = "." }
        local web, worker = tree:running "web", tree:running "workers/a"
        for _ = 1, 5 do
            local client = live.connect "shop"
            client:call("events", { follow = true })
            for _ = 1, 50 do client:ask "status" end
            client:ask("wait", { paths = { "web" }, state = "stopped" })
            local host = live.wait("a host", function() return tree:host() end)
            uv.kill(host, "sigkill")
            local again = live.connect "shop" -- never refused: the keeper holds the socket
            local hello = again:call "hello"
            assert.are_not.equal(host, hello.pid)
            client:await_end()
            assert.are.same({ web, worker }, { tree:running "web", tree:running "workers/a" })
        end
    end)
end)

describe("a control thread that dies", function()
    after_each(live.clean)

    -- The program's Lua with a fault in it: it raises once for each file "boom", where no request is to blame.
    local function faulty_lua()
        local folder = live.folder()
        assert(os.execute(("cp -r '%s/lua/suptree' '%s/'"):format(live.root, folder)))
        local path = folder .. "/suptree/control/main.lua"
        local text = live.read_file(path)
        local patched, count = text:gsub("local closing = native.drain%(%)", function(line)
            return ("%s if os.remove %q then error 'boom' end"):format(line, folder .. "/boom")
        end)
        assert.are.equal(1, count)
        live.write_file(path, patched)
        return folder
    end

    it("is started again, and no service is touched", function()
        local folder = faulty_lua()
        local tree = live.tree(SHOP, { env = { SUPTREE_LUA_DIR = folder } })
        tree:await { type = "ready", path = "." }
        local web, host = tree:running "web", tree:host()
        local client = live.connect "shop"
        client:call("events", { follow = true })
        for _ = 1, 5 do client:ask("wait", { paths = { "web" }, state = "stopped" }) end
        client:call "hello"
        live.write_file(folder .. "/boom", "")
        client:ask("restart", { paths = { "workers" } })
        client:await_end()
        tree:await_text "the control thread has died and starts again in 1 s; no service is touched: "
        local again = live.connect "shop" -- it waits at the socket until there is somebody
        assert.are.equal(host, again:call "hello".pid)
        assert.are.same({ web, host }, { tree:running "web", tree:host() })
        again:call "shutdown"
        assert.are.equal(0, tree:wait())
    end)
end)
