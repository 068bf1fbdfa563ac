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

-- The lines of `output`, whose first byte has the number `first`, and the rest without an end. A line: text, from (the
-- number of its first byte), at (the number behind its end).
local function lines_of(output, first)
    local lines, from = {}, 1
    while true do
        local at = output:find("\n", from, true)
        if not at then return lines, output:sub(from) end
        lines[#lines + 1] = { text = output:sub(from, at - 1), from = first + from - 1, at = first + at }
        from = at + 1
    end
end

-- `,"text":…,"time":…` for each of the lines.
local function fields_of(handle, token, lines)
    local places, fields = {}, {}
    for place, line in ipairs(lines) do places[place] = line.from end
    local times = handle:times(token, places)
    for place, line in ipairs(lines) do
        local time = times[place] and (',"time":%.3f'):format(times[place]) or ""
        fields[place] = (',"text":%s%s,"at":%d'):format(handle:quote(line.text), time, line.at)
    end
    return fields
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

-- Adds the notes for the lines of a source.
local function add_notes(self, source, lines, out)
    if not lines[1] then return end
    for _, fields in ipairs(fields_of(self.handle, source.token, lines)) do
        out[#out + 1] = note(self, "log", (',"path":%s%s'):format(source.json, fields))
    end
end

-- The unended line of a source, as a line.
local function rest_of(source)
    return { { text = source.rest, from = source.cursor - #source.rest, at = source.cursor } }
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
        local text = source.rest .. output
        local lines, rest = lines_of(text, cursor - #text)
        source.rest = rest
        add_notes(self, source, lines, out)
    end
    if source.rest ~= "" and (#source.rest > MAX_LINE or source.silent == LONG_WAIT) then
        add_notes(self, source, rest_of(source), out)
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
        local out = {}
        if source.rest ~= "" then add_notes(self, source, rest_of(source), out) end
        if out[1] then self.connection:send(out[1]) end
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
    local lines, rest = lines_of(output, cursor - #output)
    if rest ~= "" and not given.follow then
        lines[#lines + 1] = { text = rest, from = cursor - #rest, at = cursor }
        rest = ""
    end
    for _, fields in ipairs(fields_of(handle, service.token, lines)) do
        parts[#parts + 1] = ('{"path":%s%s}'):format(path, fields)
        size = size + #parts[#parts]
    end
    return cursor, rest, size
end

-- Where a stream goes on that was interrupted: where it was, or at the beginning of what has come since.
local function go_on(handle, service, given)
    local _, head = handle:tail(service.token, 1)
    return math.min(given.from[service.path] or 0, head or 0)
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
            local ends = {}
            for _, service in ipairs(services(call.handle, given.paths)) do
                local cursor, rest, size
                if given.from and stream then
                    cursor, rest = go_on(call.handle, service, given), ""
                else
                    cursor, rest, size = collect(call.handle, service, given, parts)
                end
                ends[#ends + 1] = ("%s:%d"):format(json.encode(service.path), cursor - #rest)
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
            local head = stream and ('"stream":%d,"at":{%s},'):format(stream.id, table.concat(ends, ",")) or ""
            call:reply(('{%s"lines":[%s]}'):format(head, table.concat(parts, ",")))
        end,
    }
end
