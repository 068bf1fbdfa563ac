--- A client of the control protocol for the specs, on luv: it can be slow, wrong, and many.
local cjson = require "cjson"
local live = require "spec.support.live"
local uv = require "luv"

local control = {}

-- While there are clients: what is written to somebody who has closed is nobody's end.
local broken_pipe

local function survive_closed_pipes()
    if broken_pipe then return end
    broken_pipe = uv.new_signal()
    broken_pipe:start("sigpipe", function() end)
end

--- After the last client.
function control.clean()
    if broken_pipe then broken_pipe:close() end
    broken_pipe = nil
end

local Client = {}
Client.__index = Client

local function take(self, chunk)
    self.text = self.text .. chunk
    for line in self.text:gmatch "([^\n]*)\n" do
        self.lines[#self.lines + 1] = line
        local good, message = pcall(cjson.decode, line)
        self.messages[#self.messages + 1] = good and message or { garbage = line }
    end
    local rest = self.text:match ".*\n()" -- from the end: "[^\n]*$" would try at each byte
    if rest then self.text = self.text:sub(rest) end
end

--- Connect to the socket at `path`. Fields: lines and messages that have come, closed once the other end has.
function control.connect(path)
    survive_closed_pipes()
    local self = setmetatable({ lines = {}, messages = {}, text = "", id = 0 }, Client)
    self.pipe = assert(uv.new_pipe(false))
    local done, failure
    self.pipe:connect(path, function(err) done, failure = true, err end)
    live.wait("a connection", function() return done end)
    if failure then
        self.pipe:close()
        error("cannot connect to " .. path .. ": " .. failure, 2)
    end
    self:listen()
    return self
end

function Client:listen()
    self.pipe:read_start(function(_, chunk)
        if chunk then return take(self, chunk) end
        self.closed = true
        self.pipe:read_stop()
    end)
end

--- Read nothing more for now.
function Client:sleep() self.pipe:read_stop() end

--- Send bytes as they are. What cannot be sent any more is nobody's fault.
function Client:send(bytes) self.pipe:write(bytes, function() end) end

--- Send a request; returns its id.
function Client:ask(method, params)
    self.id = self.id + 1
    local request = { jsonrpc = "2.0", id = self.id, method = method, params = params }
    self:send(cjson.encode(request) .. "\n")
    return self.id
end

--- The first message of those that have come, or will, which `fits` says yes to; it is taken out.
function Client:await(what, fits)
    return live.wait(function()
        return ("%s; there are:\n%s"):format(what, table.concat(self.lines, "\n"))
    end, function()
        for place, message in ipairs(self.messages) do
            if fits(message) then return table.remove(self.messages, place) end
        end
        if self.closed then error("the connection has ended before " .. what) end
    end)
end

--- Ask and wait for the result; or nil and the error.
function Client:call(method, params)
    local id = self:ask(method, params)
    local reply = self:await("the reply to " .. method, function(message) return message.id == id end)
    return reply.result, reply.error
end

--- The next notification of a method; `fits` gets its params.
function Client:notice(method, fits)
    return self:await("the notification " .. method, function(message)
        return message.method == method and (not fits or fits(message.params))
    end).params
end

--- Wait until the other end has closed.
function Client:await_end()
    live.wait("the end of the connection", function() return self.closed end)
end

function Client:close()
    if not self.pipe:is_closing() then self.pipe:close() end
end

return control
