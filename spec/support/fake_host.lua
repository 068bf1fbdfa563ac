--- A host that answers what a spec tells it to: for what real ones do rarely. It runs on the spec's own loop, so wait
-- with spec.support.live.
-- Use: local host = fake_host.open(path, { status = function(params, connection) … end }), where
-- a function returns a result; or nil and an error { code, message, data }; or fake_host.SILENT.
local cjson = require "cjson"
local uv = require "luv"

local fake_host = { SILENT = {} }

local Host = {}
Host.__index = Host

local function write(client, message)
    message.jsonrpc = "2.0"
    client:write(type(message) == "table" and cjson.encode(message) .. "\n" or message)
end

local function answer(self, client, request)
    self.requests[#self.requests + 1] = request
    local handler = self.methods[request.method]
    if not handler then
        return write(client, { id = request.id, error = { code = -32601, message = "no such method" } })
    end
    local connection = {
        notify = function(method, params) write(client, { method = method, params = params }) end,
        close = function() client:close() end,
        send = function(text) client:write(text) end,
    }
    local result, err = handler(request.params, connection)
    if result == fake_host.SILENT then return end
    write(client, { id = request.id, result = result, error = err })
end

local function accept(self)
    local client = assert(uv.new_pipe(false))
    self.server:accept(client)
    self.clients[#self.clients + 1] = client
    local buffer = ""
    client:read_start(function(_, chunk)
        if not chunk then
            if not client:is_closing() then client:close() end
            return
        end
        buffer = buffer .. chunk
        for line in buffer:gmatch "([^\n]*)\n" do answer(self, client, cjson.decode(line)) end
        buffer = buffer:match "[^\n]*$"
    end)
end

--- Listens at `path`; `methods`: name -> function. `requests` holds what has come.
function fake_host.open(path, methods)
    local self = setmetatable({ methods = methods, requests = {}, clients = {}, server = uv.new_pipe(false) }, Host)
    self.signal = uv.new_signal() -- clients leave without hearing everything
    self.signal:start "sigpipe"
    self.signal:unref()
    assert(self.server:bind(path))
    assert(self.server:listen(16, function() accept(self) end))
    return self
end

function Host:close()
    for _, client in ipairs(self.clients) do if not client:is_closing() then client:close() end end
    self.server:close()
    self.signal:close()
    uv.run "nowait"
end

return fake_host
