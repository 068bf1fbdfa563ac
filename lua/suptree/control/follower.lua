--- Who is told about events as they come: streams of clients, and calls that wait for something. All read from the
-- engine's ring, each with a cursor of its own; what a slow client has not taken stays there, until the ring has gone
-- over it: then he is told how many he has missed.
local uv = require "luv"

local Follower = {}
Follower.__index = Follower

-- Waiting calls look for themselves now and then, for what no event tells of.
local LOOK_MS = 1000

function Follower.new()
    return setmetatable({ streams = {}, last_id = 0, watches = {}, watch_count = 0 }, Follower)
end

-- --- streams --------------------------------------------------------------------------------------------------------

--- `stream`: connection, pump(stream): send what there is and what the client can take; optional: finish(stream), when
-- the tree ends, gone(stream), when the stream does. It gets a number, `id`.
function Follower:add(stream)
    self.last_id = self.last_id + 1
    stream.id = self.last_id
    self.streams[stream] = true
    stream.connection.streams = stream.connection.streams + 1
end

function Follower:remove(stream)
    if not self.streams[stream] then return end
    self.streams[stream] = nil
    stream.connection.streams = stream.connection.streams - 1
    if stream.gone then stream:gone() end
end

--- The stream of a connection by its number.
function Follower:find(connection, id)
    for stream in pairs(self.streams) do
        if stream.connection == connection and stream.id == id then return stream end
    end
end

--- The client has taken something.
function Follower:written(connection)
    if connection.streams == 0 then return end
    for stream in pairs(self.streams) do
        if stream.connection == connection then stream:pump() end
    end
end

--- The client is gone.
function Follower:forget(connection)
    for stream in pairs(self.streams) do
        if stream.connection == connection then self:remove(stream) end
    end
    for watch in pairs(self.watches) do
        if watch.connection == connection then
            self:unwatch(watch)
            if watch.gone then watch:gone() end
        end
    end
end

-- --- watches --------------------------------------------------------------------------------------------------------

local function look(self)
    for watch in pairs(self.watches) do watch:look() end
end

--- `watch`: connection, look(watch), called after something has happened, event(watch, line), optional, for each event.
-- gone(watch), optional, when the client is. `cursor` is one for the events to come.
function Follower:watch(watch, cursor)
    self.watches[watch] = true
    self.watch_count = self.watch_count + 1
    if self.watch_count > 1 then return end
    self.cursor = cursor
    cursor:read() -- so that we are woken
    self.timer = uv.new_timer()
    self.timer:start(LOOK_MS, LOOK_MS, function() look(self) end)
end

function Follower:unwatch(watch)
    if not self.watches[watch] then return end
    self.watches[watch] = nil
    self.watch_count = self.watch_count - 1
    if self.watch_count > 0 then return end
    self.timer:close()
    self.cursor, self.timer = nil, nil
end

local function tell_watches(self)
    local news = false
    while self.cursor do
        local text = self.cursor:read()
        if text == "" then break end
        news = true
        for line in text:gmatch "[^\n]+" do
            for watch in pairs(self.watches) do
                if watch.event then watch:event(line) end
            end
        end
    end
    if news then look(self) end
end

--- Something has happened.
function Follower:wake()
    for stream in pairs(self.streams) do stream:pump() end
    if self.watch_count > 0 then tell_watches(self) end
end

--- The tree is about to leave: streams end.
function Follower:leave()
    for stream in pairs(self.streams) do
        stream:pump()
        if stream.finish then stream:finish() end
        self:remove(stream)
    end
end

return Follower
