--- The methods that tell what happens: events and cancel.
local groups = require "suptree.control.groups"
local message = require "suptree.control.message"
local nodes = require "suptree.control.nodes"

-- What a client may have to take before its streams wait.
local BACKLOG = 128 * 1024

-- What is read at once, each time some dozens of events, before others have their turn.
local AT_ONCE = 8

-- The fields by which events are chosen stand first, in this order; names hold no characters that JSON escapes.
local HEAD = '^{"seq":%d+,"time":[^,]*,"type":"([^"]*)","path":"([^"]*)"'

local function set_of(list)
    if not list then return nil end
    local set = {}
    for _, value in ipairs(list) do set[value] = true end
    return set
end

-- Does an event's line pass?
local function passes(line, filter)
    if not filter.types and not filter.fits then return true end
    local kind, path = line:match(HEAD)
    if not kind then return false end
    return (not filter.types or filter.types[kind]) and (not filter.fits or filter.fits(path))
end

local function choose(text, filter, add)
    for line in text:gmatch "[^\n]+" do
        if passes(line, filter) then add(line) end
    end
end

-- --- what is there already ------------------------------------------------------------------------------------------

-- The last `last` (nil: all) of those up to `newest` that pass, and how many are not kept any more. In a storm a few
-- that are newer come too; there is no end to those.
local function collect(cursor, filter, newest, last)
    local lines, lost = {}, 0
    while cursor:next() <= newest do
        local text, missed = cursor:read()
        lost = lost + missed
        if text == "" then break end
        choose(text, filter, function(line) lines[#lines + 1] = line end)
    end
    if last and #lines > last then lines = table.move(lines, #lines - last + 1, #lines, 1, {}) end
    return lines, lost
end

-- --- what follows ---------------------------------------------------------------------------------------------------

local Stream = {}
Stream.__index = Stream

local function notification(method, id, rest)
    return message.notification(method, ('{"stream":%d%s}'):format(id, rest or ""))
end

--- Send what has happened, as far as the client can take it. True: there is more that he could.
function Stream:pump()
    for _ = 1, AT_ONCE do
        if self.connection:backlog() >= BACKLOG then return false end
        local text, missed = self.cursor:read()
        local lines = {}
        if missed > 0 then lines[1] = notification("gap", self.id, (',"missed":%d'):format(missed)) end
        choose(text, self.filter, function(line)
            lines[#lines + 1] = notification("event", self.id, ',"event":' .. line)
        end)
        if #lines > 0 then self.connection:send(table.concat(lines)) end
        if text == "" then return false end
    end
    return true
end

function Stream:finish()
    self.connection:send(notification("end", self.id))
end

--- Their handlers. `follower`: control/follower.lua; `limits.streams`: how many a connection may have.
return function(follower, limits)
    local handlers = {}

    local function open(call, cursor, filter)
        local stream = setmetatable({ connection = call.connection, cursor = cursor, filter = filter }, Stream)
        follower:add(stream)
        return stream
    end

    function handlers.events(call, given)
        if given.follow and call.connection.streams >= limits.streams then
            return call:fail("limit", ("a connection may have %d streams; cancel one"):format(limits.streams))
        end
        local several = groups.among(call.handle, given.paths)
        local filter = {
            types = set_of(given.types),
            fits = given.paths and function(path) return call.handle:fits(path, given.paths, several) end,
        }
        local wants_past = given.since or given.last and given.last > 0 or not given.follow and given.last ~= 0
        local _, newest = call.handle:events()
        local since = wants_past and (given.since or 0) or newest
        if since > newest then since = 0 end -- counted in a former tree
        local cursor = call.handle:events(since)
        local lines, lost = collect(cursor, filter, newest, given.last)
        -- Who has left the tree may still stand in the past.
        if given.paths and #lines == 0 and not nodes.select_some(call, given.paths, "each") then return end
        local stream = given.follow and open(call, cursor, filter)
        local missed = given.since and lost > 0 and (',"missed":%d'):format(lost) or ""
        call:reply(('{%s"last":%d%s,"events":[%s]}'):format(stream and ('"stream":%d,'):format(stream.id) or "",
            cursor:next() - 1, missed, table.concat(lines, ",")))
        if stream then follower:wake() end
    end

    -- A call that goes on step by step.
    local function cancel_call(call, given)
        local steps = call.connection.steps
        local stop = steps and steps[("%d"):format(given.call)]
        if not stop then return call:fail("not_found", "this connection has no such call that goes on step by step") end
        stop()
        call:reply "{}"
    end

    function handlers.cancel(call, given)
        if given.call then return cancel_call(call, given) end
        if not given.stream then
            return call:fail(message.PARAMS, "stream: it is needed, or call: the id of a rolling restart")
        end
        local stream = follower:find(call.connection, given.stream)
        if not stream then return call:fail("not_found", "this connection has no such stream") end
        follower:remove(stream)
        call:reply "{}"
    end

    return handlers
end
