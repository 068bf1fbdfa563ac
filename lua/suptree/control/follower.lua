--- Who is told about events as they come: streams of clients, and calls that wait for something. All read from the
-- engine's ring, each with a cursor of its own; what a slow client has not taken stays there, until the ring has gone
-- over it: then he is told how many he has missed.
local uv = require "luv"

local Follower = {}
Follower.__index = Follower

-- Waiting calls look for themselves now and then, for what no event tells of.
local LOOK_MS = 1000

-- What is read at once, each time some dozens of events: in a storm there is no end of them, and others have their
-- turn.
local AT_ONCE = 8

function Follower.new()
    return setmetatable({ streams = {}, last_id = 0, watches = {}, watch_count = 0 }, Follower)
end

-- Go on soon.
local function again(self)
    if self.soon then return end
    self.soon = uv.new_timer()
    self.soon:start(0, 0, function()
        self.soon:close()
        self.soon = nil
        self:wake()
    end)
end

-- --- streams --------------------------------------------------------------------------------------------------------

--- `stream`: connection, pump(stream): send what there is and what the client can take, or a good part of it, then true
-- (there is more); optional: finish(stream), when the tree ends, gone(stream), when the stream does. It gets a number.
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
        if stream.connection == connection and stream:pump() then again(self) end
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

-- Watches may come and go meanwhile.
local function each_watch(self, visit)
    local list = {}
    for watch in pairs(self.watches) do list[#list + 1] = watch end
    for _, watch in ipairs(list) do
        if self.watches[watch] then visit(watch) end
    end
end

local function look(self)
    each_watch(self, function(watch) watch:look() end)
end

--- `watch`: connection, look(watch), called after something has happened, event(watch, line), optional, for each event.
-- gone(watch), optional, when the client is. `cursor` is one for the events to come.
function Follower:watch(watch, cursor)
    self.watches[watch] = true
    self.watch_count = self.watch_count + 1
    if self.watch_count > 1 then return end
    self.cursor = cursor
    again(self) -- who has read to the end is woken
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

-- True: there is more.
local function tell_watches(self)
    for _ = 1, AT_ONCE do
        local text = self.cursor and self.cursor:read() or ""
        if text == "" then return false end
        for line in text:gmatch "[^\n]+" do
            each_watch(self, function(watch)
                if watch.event then watch:event(line) end
            end)
        end
        look(self)
    end
    return true
end

--- Something has happened.
function Follower:wake()
    local more = self.watch_count > 0 and tell_watches(self)
    for stream in pairs(self.streams) do more = stream:pump() or more end
    if more then again(self) end
end

--- The tree is about to leave: streams end.
function Follower:leave()
    for stream in pairs(self.streams) do
        while stream:pump() do end
        if stream.finish then stream:finish() end
        self:remove(stream)
    end
end

return Follower
