--- What the fuzz target of the control protocol feeds: the server's own connection, reader and checks of arguments,
-- with a stream that is none and methods that do nothing. Whatever comes in, what goes out is whole lines of JSON, no
-- call is answered twice, and nothing raises.
local Connection = require "suptree.control.connection"
local Server = require "suptree.control.server"
local cjson = require "cjson"
local limits = require "suptree.control.limits"
local methods = require "suptree.control.methods"
local uv = require "luv"

local matcher = ... -- the C function that compares a path with patterns

-- A stream in memory: what is written is kept, callbacks come later, in order.
local function new_stream()
    local stream = { out = {}, later = {} }
    function stream:read_start(fn) self.read = fn end
    function stream:read_stop() self.read = nil end
    function stream:write(text, fn)
        self.out[#self.out + 1] = text
        self.later[#self.later + 1] = fn
    end
    function stream:shutdown(fn) self.later[#self.later + 1] = fn end
    function stream:close() self.closed = true end
    function stream.get_write_queue_size() return 0 end
    return stream
end

local function run_later(stream)
    local at = 1
    while stream.later[at] do
        stream.later[at]()
        at = at + 1
    end
    stream.later = {}
end

local function handlers()
    local all, waiting = {}, {}
    for place, row in ipairs(methods) do
        all[row.name] = function(call, given)
            for _, path in ipairs(given.paths or {}) do matcher(nil, path, given.paths) end
            if given.path then matcher(nil, "workers/mailer", { given.path }) end
            if place % 3 == 0 then waiting[#waiting + 1] = call else call:reply "{}" end
        end
    end
    return all, waiting
end

-- A server without a socket, as Server.new makes it.
local function new_server(all)
    return setmetatable({
        handlers = all, limits = limits, count = 0, users = {}, connections = {}, written = function() end,
        ended = function() end, say = function(line) error("a method raised: " .. line) end,
    }, { __index = Server })
end

local function check_output(stream)
    local text = table.concat(stream.out)
    assert(text == "" or text:sub(-1) == "\n", "half a line was sent")
    for line in text:gmatch "([^\n]*)\n" do
        local reply = cjson.decode(line)
        assert(reply.jsonrpc == "2.0" and (reply.error ~= nil) ~= (reply.result ~= nil), "no reply: " .. line)
    end
end

--- One input: its first byte says how the rest comes in pieces.
return function(input)
    local stream = new_stream()
    local all, waiting = handlers()
    local server = new_server(all)
    local role = #input % 2 == 0 and "read" or "write"
    local connection = server:take(stream, {}, { uid = 1, pid = 2, role = role })
    local size = math.max(1, (input:byte() or 0))
    for at = 2, #input, size do
        if not stream.read then break end
        stream.read(nil, input:sub(at, at + size - 1))
        if at % 2 == 0 then run_later(stream) end
    end
    for _, call in ipairs(waiting) do
        call:reply "{}"
        call:fail("busy", "twice")
    end
    if not connection.ended and stream.read then stream.read(nil, nil) end
    run_later(stream)
    if not connection.ended then connection:close() end
    assert(stream.closed and server.count == 0 and connection.calls == 0)
    assert(getmetatable(connection) == Connection)
    check_output(stream)
    uv.run "nowait" -- closes the timer
end
