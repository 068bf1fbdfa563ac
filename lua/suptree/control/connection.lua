--- One client: lines in, lines out, within bounds. Knows nothing of what the lines say.
--
-- What is written and not yet read by the client is bounded: while there is too much of it, nothing more is read from
-- him. What he sends without ever ending a line is bounded too.
local uv = require "luv"

local Connection = {}
Connection.__index = Connection

-- Pieces of a line are joined when there are so many: one byte at a time costs neither memory nor time.
local MAX_PIECES = 1024

--- Serve the accepted stream `stream`. `limits` as in server.lua; `on`: line(connection, text),
-- too_long(connection), written(connection), ended(connection).
function Connection.new(stream, limits, on)
    local self = setmetatable({
        stream = stream, limits = limits, on = on, pieces = {}, size = 0, waiting = "", streams = 0, calls = 0,
    }, Connection)
    self.timer = uv.new_timer()
    self:expect(limits.first)
    self:resume()
    return self
end

-- --- time -----------------------------------------------------------------------------------------------------------

--- Something has to come within so many seconds. While something is under way, silence is no idleness.
function Connection:expect(seconds)
    if self.ended then return end
    self.timer:start(math.floor(seconds * 1000), 0, function()
        if self.leaving then self:close() return end
        if self.streams > 0 or self.calls > 0 then self:expect(seconds) return end
        self:close()
    end)
end

-- --- in -------------------------------------------------------------------------------------------------------------

-- Hand on the lines in `text`; returns what is left of it.
local function take_lines(self, text)
    local from = 1
    self.taking = true
    while not self.leaving and not self.ended do
        if self:is_full() then break end
        local at = text:find("\n", from, true)
        if not at then break end
        local line = text:sub(from, at - 1)
        from = at + 1
        self:expect(self.limits.idle)
        self.on.line(self, line)
    end
    self.taking = false
    return text:sub(from)
end

local function join(self)
    local text = self.waiting .. table.concat(self.pieces)
    self.pieces, self.waiting = {}, text
    return text
end

local function take(self, chunk)
    self.pieces[#self.pieces + 1] = chunk
    self.size = self.size + #chunk
    if chunk:find("\n", 1, true) then
        self.waiting = take_lines(self, join(self))
        self.size = #self.waiting
    elseif #self.pieces >= MAX_PIECES then
        join(self)
    end
    return self.size <= self.limits.message
end

local function on_read(self, err, chunk)
    if err or not chunk then self:close() return end
    local good = take(self, chunk)
    if self.ended or self.leaving then return end
    if self:is_full() then self:pause() return end
    if not good then self.on.too_long(self) end
end

--- Is there more under way than one client may have?
function Connection:is_full()
    return self.calls >= self.limits.calls or self.stream:get_write_queue_size() > self.limits.output
end

function Connection:pause()
    if self.paused == false then self.stream:read_stop() end
    self.paused = true
end

--- Go on reading, first of all what has been read already.
function Connection:resume()
    if self.ended or self.leaving or self.taking or self.paused == false or self:is_full() then return end
    if #self.waiting > 0 then
        self.waiting = take_lines(self, self.waiting)
        self.size = #self.waiting
        if self.ended or self.leaving or self:is_full() then return end
        if self.size > self.limits.message then self.on.too_long(self) return end
    end
    self.paused = false
    self.stream:read_start(function(err, chunk) on_read(self, err, chunk) end)
end

-- --- out ------------------------------------------------------------------------------------------------------------

--- Send whole lines. Returns false when the client is gone.
function Connection:send(text)
    if self.ended then return false end
    self.stream:write(text, function(err)
        if self.ended then return end
        if err then self:close() return end
        self.on.written(self)
        self:resume()
    end)
    return true
end

--- How much the client has not read yet.
function Connection:backlog()
    return self.ended and 0 or self.stream:get_write_queue_size()
end

--- Send what is there, then close; at the latest after a few seconds.
function Connection:leave()
    if self.ended or self.leaving then return end
    self:pause()
    self.leaving = true
    self:expect(self.limits.farewell)
    self.stream:shutdown(function() self:close() end)
end

function Connection:close()
    if self.ended then return end
    self.ended = true
    self.timer:close()
    self.stream:close()
    self.on.ended(self)
end

return Connection
