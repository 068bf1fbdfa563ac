--- A restart one after another: each must be ready again, and stay so for a moment, before the next; the first one that
-- is not ends it. It lives as long as the client that asked for it: without him it stops behind the one that is under
-- way.
local json = require "suptree.json"
local nodes = require "suptree.control.nodes"
local uv = require "luv"
local waiting = require "suptree.control.waiting"

local rolling = {}

-- --- whom ----------------------------------------------------------------------------------------------------------

-- Why a child of what was named is left alone, or nil.
local function at_rest(handle, token)
    local state, _, held, cause = handle:look(token)
    if held then return "left alone: a person stopped it" end
    if state == "done" then return "left alone: it has ended well" end
    if state == "stopped" then
        return cause == "disabled" and "left alone: enabled = false" or "left alone: it is stopped"
    end
end

-- The children of the supervisor `path`.
local function children(handle, path)
    return handle:select({ path == "." and "*" or path .. "/*" }, "each") or {}
end

-- Those that are restarted one after another: { token, path, idle: why it is left alone }.
local function units_of(handle, tokens)
    local units = {}
    local function add(token, is_child)
        units[#units + 1] = {
            token = token, path = handle:path(token) or "?", idle = is_child and at_rest(handle, token) or nil,
        }
    end
    for _, token in ipairs(tokens) do
        local _, _, _, _, _, kind = handle:look(token)
        if kind == "supervisor" then
            for _, child in ipairs(children(handle, handle:path(token))) do add(child, true) end
        else
            add(token, false)
        end
    end
    return units
end

-- --- one call ------------------------------------------------------------------------------------------------------

local Rolling = {}
Rolling.__index = Rolling

local function settle(self, unit, status, words)
    if unit.status then return end
    unit.status, unit.words = status, words
    if unit.unwatch then unit.unwatch() end
    if unit.timer then unit.timer:close() end
    unit.unwatch, unit.timer = nil, nil
    self.running = self.running - 1
    if status == "ok" then
        self.done = self.done + 1
        self.call:notify("rolled", ('{"id":%s,"path":%s,"done":%d,"of":%d}'):format(self.call.id or "null",
            json.encode(unit.path), self.done, #self.units))
    elseif not self.why then
        self.why = ("%s: %s"):format(unit.path, words)
    end
    self:go_on()
end

local function reply(self)
    local handle, parts = self.call.handle, {}
    for place, unit in ipairs(self.units) do
        local status = unit.status or "skipped"
        local words = unit.words or ("not restarted, because it stopped before: %s"):format(self.why or "?")
        local node = handle:node(unit.token)
        parts[place] = ('{"path":%s,"status":"%s","message":%s%s}'):format(json.encode(unit.path), status,
            json.encode(words), node and ',"node":' .. node or "")
    end
    self.world.rolling[self] = nil
    self.connection.steps[self.call.id or ""] = nil
    if self.progress_done then self.progress_done() end
    self.call:reply('{"results":[' .. table.concat(parts, ",") .. "]}")
end

-- It is ready: is it so for a moment, and still at the end of it?
local function look_on(self, unit)
    local seconds = self.cancelled and 0 or self.given.settle
    local function judge()
        local state, ready = self.call.handle:look(unit.token)
        if ready then return settle(self, unit, "ok", "it runs again") end
        settle(self, unit, "not_reached", ("it was ready, and then is %s; explain says why"):format(state or "gone"))
    end
    if seconds == 0 then return judge() end
    unit.timer, unit.judge = uv.new_timer(), judge
    unit.timer:start(math.ceil(seconds * 1000), 0, judge)
end

local SAID = {
    timeout = "not ready in the time given; it goes on", stopped = "the tree has ended",
    waiting_for = "it waits for what a person stopped", not_reached = "it cannot get ready; explain says why",
    not_found = "it is not there any more", limit = "there is no memory for it; free some and try again",
    busy = "too many commands are under way; try again",
}

local function restart(self, unit)
    local call, given = self.call, self.given
    self.running = self.running + 1
    if unit.idle then return settle(self, unit, "ok", unit.idle) end
    local seconds = self.deadline and (self.deadline - uv.hrtime()) / 1e9
    unit.unwatch = waiting.failures(call, self.follower, { unit.path }, function(_, words)
        settle(self, unit, "not_reached", words)
    end)
    local ticket, why = call.handle:command("restart", unit.token, given.context, true,
        seconds and math.max(seconds, 0.001))
    if not ticket then return settle(self, unit, why, SAID[why] or why) end
    self.errands.wait(ticket, function(status, _, words)
        if unit.status then return end
        if status == "ok" then return look_on(self, unit) end
        settle(self, unit, status, words and words ~= "" and words or SAID[status] or status)
    end)
end

-- No other one is begun, and those that are ready are not looked at any longer.
local function cancel(self)
    self.why, self.cancelled = self.why or "a person stopped it", true
    for _, unit in ipairs(self.units) do
        if unit.timer then unit.judge() end
    end
end

-- Why no other one is begun, or nil.
local function reason_to_stop(self)
    if self.deadline and uv.hrtime() >= self.deadline then return "the time given is over" end
    if not self.call:is_wanted() then return "nobody waits for it any more" end
end

--- Begin as many as may be under way; answer when nothing is any more.
function Rolling:go_on()
    if self.busy then return end
    self.busy = true
    while self.running < self.given.max_unavailable and self.units[self.next] do
        self.why = self.why or reason_to_stop(self)
        if self.why then break end
        local unit = self.units[self.next]
        self.next = self.next + 1
        restart(self, unit)
    end
    self.busy = false
    if self.running > 0 then return end
    if not self.call:is_wanted() and self.units[self.next] then
        self.say(("a rolling restart stopped before %s: %s"):format(self.units[self.next].path, self.why or "?"))
    end
    reply(self)
end

--- The tree leaves: no other one is begun, and nothing is looked at any more.
function rolling.leave(world)
    for self in pairs(world.rolling) do
        self.why = self.why or "the tree is stopping"
        for _, unit in ipairs(self.units) do
            if unit.timer then settle(self, unit, "stopped", "the tree has ended") end
        end
    end
end

--- Restart what `given.paths` mean, one after another. `world`: errands, follower, say, rolling (a set, kept here).
function rolling.restart(world, call, given)
    local tokens = nodes.select(call, given.paths, "cover")
    if not tokens then return end
    if not given.wait then
        return call:fail("invalid", "rolling: it waits for each before the next; leave out wait = false")
    end
    local units, paths = units_of(call.handle, tokens), {}
    local self = setmetatable({
        call = call, given = given, units = units, next = 1, running = 0, done = 0, connection = call.connection,
        errands = world.errands, follower = world.follower, say = world.say, world = world,
        deadline = given.timeout and uv.hrtime() + given.timeout * 1e9,
    }, Rolling)
    world.rolling[self] = true
    for place, unit in ipairs(units) do paths[place] = json.encode(unit.path) end
    call:notify("rolling", ('{"id":%s,"paths":[%s]}'):format(call.id or "null", table.concat(paths, ",")))
    call.connection.steps = call.connection.steps or {}
    call.connection.steps[call.id or ""] = function() cancel(self) end
    if given.progress then self.progress_done = waiting.progress(call, world.follower, given.paths) end
    self:go_on()
end

return rolling
