local arguments = require "suptree.control.arguments"
local live = require "spec.support.live"
local message = require "suptree.control.message"
local methods = require "suptree.control.methods"
local Server = require "suptree.control.server"
local control = require "spec.support.control"
local uv = require "luv"

-- A server in this process, with handlers of its own. The descriptor of its socket stays with a handle that is kept:
-- two handles would close it twice.
local sockets = {}

local function serve(limits, handlers)
    local path = live.folder() .. "/socket"
    local bound = uv.new_pipe(false)
    assert(bound:bind(path))
    sockets[#sockets + 1] = bound
    local said = {}
    local server = Server.new(bound:fileno(), {
        admit = function() return {}, { uid = 7, pid = 8, role = "read" } end,
        handlers = handlers or {}, say = function(line) said[#said + 1] = line end, limits = limits,
    })
    return server, function() return control.connect(path) end, said
end

local function end_of(server)
    local gone = false
    server:leave(function() gone = true end)
    live.wait("the end of the server", function() return gone end)
    control.clean()
    live.clean()
end

describe("the bounds of the control server", function()
    it("end who says nothing, and who says nothing more", function()
        local server, connect = serve({ first = 0.05, idle = 0.05 }, { hello = function(call) call:reply "{}" end })
        local silent, short = connect(), connect()
        short:send "{" -- no line
        local done = connect()
        assert.are.same({}, done:call "hello")
        for _, client in ipairs { silent, short, done } do client:await_end() end
        assert.are.equal(0, server.count)
        end_of(server)
    end)

    it("leave alone who waits for a reply, or follows a stream", function()
        local waiting
        local server, connect = serve({ first = 10, idle = 0.02 }, {
            hello = function(call) waiting = call end,
            cancel = function(call)
                call.connection.streams = 1
                call:reply "{}"
            end,
        })
        local one, other, idle = connect(), connect(), connect()
        local id = one:ask "hello"
        other:call("cancel", { stream = 1 })
        idle:ask "nothing"
        idle:await_end() -- so their time was over as well
        assert.is_nil(one.closed or other.closed)
        waiting:reply '{"late":true}'
        assert.is_true(one:await("the reply", function(reply) return reply.id == id end).result.late)
        other:close()
        end_of(server)
    end)

    it("end a line that has none", function()
        local server, connect = serve { message = 1000 }
        local client = connect()
        for _ = 1, 10 do client:send(("x"):rep(100)) end
        assert.is_nil(client.closed)
        client:send "xx"
        client:await_end()
        assert.matches("more than 1000 bytes", client.messages[1].error.message, 1, true)
        end_of(server)
    end)

    it("give the last reply a moment, no more", function()
        local server, connect = serve({ farewell = 0.05, output = 10 * 1024 * 1024 }, {
            hello = function(call) call:reply('"' .. ("x"):rep(8 * 1024 * 1024) .. '"') end,
        })
        local client = connect()
        client:sleep()
        client:ask "hello"
        client:send "no JSON\n"
        live.wait("the end", function() return server.count == 0 end)
        end_of(server)
    end)

    it("tell of a mistake in a method, and go on", function()
        local server, connect, said = serve({}, {
            hello = function() error "oh" end,
            methods = function() error "not enough memory" end,
            status = function(call) call:reply "1" end,
        })
        local client = connect()
        local _, err = client:call "hello"
        assert.are.equal(-32603, err.code)
        assert.matches("oh", said[1], 1, true)
        _, err = client:call "methods"
        assert.are.equal("limit", err.data.code)
        assert.are.equal(1, client:call "status")
        end_of(server)
    end)
end)

-- --- random ---------------------------------------------------------------------------------------------------------

local SEEDS = {
    '{"jsonrpc":"2.0","id":1,"method":"status","params":{"paths":["workers/*"],"below":true}}',
    '{"jsonrpc":"2.0","id":"x","method":"wait","params":{"paths":["a"],"state":"ready","timeout":1e3}}',
    '{"jsonrpc":"2.0","method":"events","params":{"follow":false,"last":10,"types":["failed"]}}',
    '{"jsonrpc":"2.0","id":null,"method":"stop","params":{"paths":["**"],"wait":false,"context":"\\u00e9\\n"}}',
    '{"jsonrpc":"2.0","id":-1.5,"method":"explain","params":{"path":"."}}',
}

local TOKENS = { '"', "{", "}", "[", "]", ":", ",", "null", "1e999", "-0", "\\u0000", "\\ud800", "\0", "\xff", "\r",
    "1234567890123456789", '"params":', '"id":', '""', " ", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[" }

-- A request with a few bytes changed, taken out, or put in.
local function mutate(text)
    for _ = 1, math.random(0, 4) do
        local at = math.random(0, #text)
        local to = math.min(#text, at + math.random(0, 12))
        local put = math.random() < 0.5 and TOKENS[math.random(#TOKENS)] or text:sub(math.random(#text + 1), to)
        text = text:sub(1, at) .. put .. text:sub(math.random() < 0.5 and to + 1 or at + 1)
    end
    return (text:gsub("\n", " "))
end

describe("requests at random", function()
    local seed = tonumber(os.getenv "SUPTREE_SEED") or os.time()

    it(("are read or refused, seed %d"):format(seed), function()
        local rows, read = {}, 0
        for _, row in ipairs(methods) do rows[row.name] = row end
        math.randomseed(seed)
        for _ = 1, live.sanitized and 5000 or 50000 do
            local line = mutate(SEEDS[math.random(#SEEDS)])
            local request, err = message.read(line)
            if not request then
                assert.is_true(err.code == message.PARSE or err.code == message.REQUEST)
                assert.is_string(message.error(err.id, err.code, err.message))
            else
                read = read + 1
                local row = rows[request.method]
                local given, why = arguments.check(request.params, row and row.params or {}, message.null)
                assert.is_true(type(given) == "table" or type(why) == "string", line)
            end
        end
        assert.is_true(read > 100)
    end)

    it(("come in pieces and are answered in turn, seed %d"):format(seed), function()
        math.randomseed(seed)
        local count = live.sanitized and 300 or 2000
        local server, connect = serve({}, { hello = function(call) call:reply "{}" end })
        local client = connect()
        local text, expected = {}, {}
        for place = 1, count do
            local line = mutate(SEEDS[math.random(#SEEDS)]):gsub('^{', "", 1)
            -- Whatever it is, it is JSON: nothing closes the connection.
            local good = pcall(require "cjson".decode, line)
            text[#text + 1] = (good and line .. "\n" or "")
                .. ('{"jsonrpc":"2.0","id":%d,"method":"hello"}\n'):format(place + 1000)
            expected[place] = place + 1000
        end
        text = table.concat(text)
        local at = 1
        while at <= #text do
            local to = at + math.random(0, math.random() < 0.9 and 40 or 4000)
            client:send(text:sub(at, to))
            at = to + 1
            if math.random() < 0.2 then uv.run "nowait" end
        end
        live.wait("all replies", function()
            local last = client.messages[#client.messages]
            return last and last.id == expected[count]
        end)
        local seen = {}
        for _, reply in ipairs(client.messages) do
            if type(reply.id) == "number" and reply.id > 1000 then seen[#seen + 1] = reply.id end
        end
        assert.are.same(expected, seen)
        client:close()
        end_of(server)
    end)
end)
