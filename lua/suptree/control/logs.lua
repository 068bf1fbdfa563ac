--- The method logs. Nobody announces output: while somebody follows, the rings are looked at again and again; what a
-- slow client has not taken stays there, until the ring has gone over it.
local json = require "suptree.json"
local message = require "suptree.control.message"
local nodes = require "suptree.control.nodes"
local uv = require "luv"

local BACKLOG = 128 * 1024
local LOOK_MS = 50 -- between two looks at the rings
local SELECT_MS = 1000 -- between two looks at the tree, for services that have come
local MAX_REPLY = 8 * 1024 * 1024
local MAX_LINE = 16 * 1024 -- a line without an end is told in parts
local LONG_WAIT = 20 -- looks, after which an unended line is told as it is: a prompt, perhaps

-- Each line in `output`, and the rest without an end.
local function each_line(output, add)
    local from = 1
    while true do
        local at = output:find("\n", from, true)
        if not at then return output:sub(from) end
        add(output:sub(from, at - 1))
        from = at + 1
    end
end

-- --- who is meant --------------------------------------------------------------------------------------------------

-- The services among what `paths` mean: { token, path }.
local function services(handle, paths)
    local list = {}
    for _, token in ipairs(nodes.present(handle, paths, "below")) do
        local _, _, _, _, _, kind = handle:look(token)
        local path = kind and kind ~= "supervisor" and handle:path(token)
        if path then list[#list + 1] = { token = token, path = path } end
    end
    return list
end

-- --- what comes ----------------------------------------------------------------------------------------------------

local Stream = {}
Stream.__index = Stream

local function note(self, method, fields)
    return message.notification(method, ('{"stream":%d%s}'):format(self.id, fields or ""))
end

local function line_note(self, source, line)
    return note(self, "log", (',"path":%s,"text":%s'):format(source.json, self.handle:quote(line)))
end

-- What a source has said since, as notifications.
local function look_at(self, source, out)
    local output, cursor, lost = self.handle:follow(source.token, source.cursor)
    if not output then return nil end
    source.cursor = cursor
    if lost > 0 then
        out[#out + 1] = note(self, "gap", (',"path":%s,"missed":%d'):format(source.json, lost))
        source.rest = ""
    end
    if output == "" then
        source.silent = source.silent + 1
    else
        source.silent = 0
        source.rest = each_line(source.rest .. output, function(line) out[#out + 1] = line_note(self, source, line) end)
    end
    if source.rest ~= "" and (#source.rest > MAX_LINE or source.silent == LONG_WAIT) then
        out[#out + 1] = line_note(self, source, source.rest)
        source.rest = ""
    end
    return output ~= ""
end

--- Send what has come, as far as the client can take it.
function Stream:look()
    for token, source in pairs(self.sources) do
        repeat
            if self.connection:backlog() >= BACKLOG then return end
            local out = {}
            local more = look_at(self, source, out)
            if #out > 0 then self.connection:send(table.concat(out)) end
            if more == nil then self.sources[token] = nil end
        until not more
    end
end

local function add_source(self, token, path, cursor, rest)
    self.sources[token] = { token = token, json = json.encode(path), cursor = cursor, rest = rest or "", silent = 0 }
end

-- Services that have come since; those that have left are found out by their rings.
function Stream:select()
    local present = {}
    for _, service in ipairs(services(self.handle, self.paths)) do
        present[service.token] = true
        if not self.sources[service.token] then add_source(self, service.token, service.path, 0) end
    end
    for token in pairs(self.sources) do
        if not present[token] then self.sources[token] = nil end
    end
end

function Stream.pump() end -- events wake nobody here

function Stream:finish()
    self:look()
    for _, source in pairs(self.sources) do
        if source.rest ~= "" then self.connection:send(line_note(self, source, source.rest)) end
    end
    self.connection:send(note(self, "end"))
end

function Stream:gone()
    self.timer:close()
end

local function watch(self)
    local looks = 0
    self.timer = uv.new_timer()
    self.timer:start(LOOK_MS, LOOK_MS, function()
        looks = looks + 1
        if looks % (SELECT_MS // LOOK_MS) == 0 then self:select() end
        self:look()
    end)
end

-- --- the method ----------------------------------------------------------------------------------------------------

-- The last lines of a service as JSON, added to `parts`; the cursor behind them, and an unended line.
local function collect(handle, service, given, parts)
    local output, cursor = handle:tail(service.token, given.lines == 0 and 1 or given.lines or 0, given.since)
    if not output then return 0, "" end
    if given.lines == 0 then return cursor, "" end
    local path, size = json.encode(service.path), 0
    local function add(line)
        parts[#parts + 1] = ('{"path":%s,"text":%s}'):format(path, handle:quote(line))
        size = size + #parts[#parts]
    end
    local rest = each_line(output, add)
    if rest ~= "" and not given.follow then
        add(rest)
        rest = ""
    end
    return cursor, rest, size
end

--- Its handler. `follower`: control/follower.lua; `limits.streams`: how many a connection may have.
return function(follower, limits)
    local function new(call, given)
        return setmetatable({
            connection = call.connection, handle = call.handle, sources = {}, paths = given.paths,
        }, Stream)
    end

    return {
        logs = function(call, given)
            if given.follow and call.connection.streams >= limits.streams then
                return call:fail("limit", ("a connection may have %d streams; cancel one"):format(limits.streams))
            end
            if given.paths and not nodes.select_some(call, given.paths, "each") then return end
            local parts, sum, stream = {}, 0, given.follow and new(call, given)
            for _, service in ipairs(services(call.handle, given.paths)) do
                local cursor, rest, size = collect(call.handle, service, given, parts)
                sum = sum + (size or 0)
                if sum > MAX_REPLY then
                    return call:fail("limit", "that is more than one reply may hold; ask for fewer lines or services")
                end
                if stream then add_source(stream, service.token, service.path, cursor, rest) end
            end
            if stream then
                follower:add(stream)
                watch(stream)
            end
            call:reply(('{%s"lines":[%s]}'):format(stream and ('"stream":%d,'):format(stream.id) or "",
                table.concat(parts, ",")))
        end,
    }
end
