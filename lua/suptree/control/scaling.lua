--- The method scale: another number of replicas than declared. It is a reload of what runs, with that number: so it is
-- recorded, planned, stored and taken back as any reload. The file knows nothing of it: the next reload goes by that.
local cjson = require "cjson"
local groups = require "suptree.control.groups"
local json = require "suptree.json"
local Reload = require "suptree.control.reload"
local replicas = require "suptree.replicas"
local text = require "suptree.text"
local uv = require "luv"

-- How often those that end are looked at, and how often it is tried again while another reload is under way.
local LOOK_MS, AGAIN_MS = 50, 100
local PATIENCE_S = 30

local HINT = 'write replicas = 1 there, "suptree reload", and scale it then'

-- --- what is wanted ------------------------------------------------------------------------------------------------

-- Refuses what cannot be scaled; true: the call has failed.
local function refuse(call, path)
    local tokens = call.handle:select({ path }, "each")
    if not tokens or not tokens[1] then
        local names = {}
        for place, group in ipairs(groups.all(call.handle)) do names[place] = group.path end
        call:fail("not_found", ("there is no %s in this tree%s"):format(text.quote(path),
            text.did_you_mean(path, names)), { path = path })
        return
    end
    local node = cjson.decode(call.handle:node(tokens[1]) or "{}")
    local words = ("%s was not declared with replicas; %s"):format(path, HINT)
    if node.replica_of then
        words = ('%s is one of the replicas of %s; scale these: "suptree scale %s=N"'):format(path, node.replica_of,
            node.replica_of)
    elseif node.kind == "supervisor" then
        words = path .. " is a supervisor; only processes and threads have replicas"
    end
    call:fail("refused", words, { path = path })
end

-- What the call wants, in the order of the tree: { path, declared, from, to }; nil: it has failed.
local function wishes_of(call, given)
    for _, path in ipairs(text.sorted_keys(given.replicas)) do
        if not groups.find(call.handle, path) then return refuse(call, path) end
    end
    local list = {}
    for _, group in ipairs(groups.all(call.handle)) do
        local to = given.replicas[group.path]
        if to then
            list[#list + 1] = { path = group.path, declared = group.declared, from = group.count, to = to }
        end
    end
    return list
end

local function words_of(wishes)
    local words = {}
    for place, wish in ipairs(wishes) do words[place] = ("%s=%d"):format(wish.path, wish.to) end
    return "scale " .. table.concat(words, " ")
end

-- --- what comes of it ----------------------------------------------------------------------------------------------

local function result_text(path, status, words, node)
    return ('{"path":%s,"status":"%s","message":%s%s}'):format(json.encode(path), status, json.encode(words),
        node and ',"node":' .. node or "")
end

local function added_text(handle, token, path, waited, late)
    local node = token and handle:node(token)
    if not waited then return result_text(path, "ok", "it will start", node) end
    if not node then return result_text(path, "not_reached", "it is not there") end
    local state, ready = handle:look(token)
    if ready or state == "done" then return result_text(path, "ok", "it runs", node) end
    if late then return result_text(path, "timeout", "not there in the time given; it goes on", node) end
    return result_text(path, "not_reached", "it cannot get ready; explain says why", node)
end

local function removed_text(handle, token, path, waited, late)
    local state = handle:look(token)
    if not state then return result_text(path, "ok", "it ended, and has left the tree") end
    if not waited then return result_text(path, "ok", "it will stop", handle:node(token)) end
    if late then return result_text(path, "timeout", "not down in the time given; it goes on", handle:node(token)) end
    return result_text(path, "not_reached", "it outlived its kill", handle:node(token))
end

local function scaled_text(wishes)
    local parts = {}
    for place, wish in ipairs(wishes) do
        parts[place] = ('{"path":%s,"declared":%d,"from":%d,"to":%d}'):format(json.encode(wish.path), wish.declared,
            wish.from, wish.to)
    end
    return "[" .. table.concat(parts, ",") .. "]"
end

-- --- one call ------------------------------------------------------------------------------------------------------

local Scaling = {}
Scaling.__index = Scaling

local function left(self)
    return self.deadline and (self.deadline - uv.hrtime()) / 1e9
end

local function reply(self, late)
    local handle, parts, waited = self.call.handle, {}, self.given.wait
    for _, path in ipairs(self.added) do
        parts[#parts + 1] = added_text(handle, handle:find(path), path, waited, late)
    end
    for _, gone in ipairs(self.removed) do
        parts[#parts + 1] = removed_text(handle, gone.token, gone.path, waited, late)
    end
    self.call:reply(('{"scaled":%s,"results":[%s]}'):format(scaled_text(self.wishes), table.concat(parts, ",")))
end

-- Those that go are waited for, until they are gone, or stuck.
local function await_removed(self)
    local handle, timer = self.call.handle, uv.new_timer()
    local function look()
        local open = false
        for _, gone in ipairs(self.removed) do
            local state, _, _, _, ended = handle:look(gone.token)
            open = open or state and state ~= "stuck" and not ended
        end
        local late = open and self.deadline and left(self) <= 0
        if open and not late and self.call:is_wanted() then return end
        timer:close()
        reply(self, late)
    end
    timer:start(0, LOOK_MS, look)
end

-- What the plan starts and stops of what is meant.
local function note_changes(self, plan)
    self.added, self.removed = {}, {}
    for _, change in ipairs(plan.changes) do
        if change.action == "add" then
            self.added[#self.added + 1] = change.path
        elseif change.action == "remove" then
            local token = self.call.handle:find(change.path)
            if token then table.insert(self.removed, { path = change.path, token = token }) end
        end
    end
end

local begin

-- The path of one of a former scaling that has not ended yet and whose place is taken again: what it holds, such as a
-- port, is not free; nil: there is none. One that is stuck is not waited for.
local function find_leaving(self)
    local handle = self.call.handle
    for _, wish in ipairs(self.wishes) do
        for _, token in ipairs(wish.to > wish.from and handle:select({ wish.path }, "each") or {}) do
            local node = handle:look(token) == "stopping" and cjson.decode(handle:node(token) or "{}")
            local comes_back = node and node.leaving and node.replica > wish.from and node.replica <= wish.to
            if comes_back then return node.path end
        end
    end
end

-- Begin once more in a moment. `is_slow`: what is waited for has bounds of its own.
local function try_again(self, words, is_slow)
    local is_over = self.deadline and left(self) <= 0 or not is_slow and uv.hrtime() > self.patience
    if is_over or not self.call:is_wanted() then return self.call:fail("busy", words) end
    local timer = uv.new_timer()
    timer:start(AGAIN_MS, 0, function()
        timer:close()
        begin(self)
    end)
end

local function on_done(self, outcome, code, words)
    if outcome then
        if self.given.wait and self.removed[1] then return await_removed(self) end
        return reply(self, false)
    end
    if code == "refused" then return try_again(self, words) end
    if code == "timeout" then return reply(self, true) end
    self.call:fail(code, words)
end

-- Hands in the blob of the other numbers.
local function hand_in(self, blob, number)
    local call, given = self.call, self.given
    local text_of_plan, why = call.handle:plan(blob, "scale")
    if not text_of_plan then return call:fail("refused", why) end
    note_changes(self, cjson.decode(text_of_plan))
    Reload.begin(self.world, {
        blob = blob, plan = text_of_plan, settle = given.settle,
        hand_in = function(bytes, wishes) return call.handle:reload(bytes, wishes) end,
        wishes = {
            base = number, keep = true, wait = given.wait, timeout = self.deadline and math.max(left(self), 0.001),
            what = words_of(self.wishes),
        },
        progress = given.progress and function(path, state)
            call:notify("progress", ('{"id":%s,"path":%s,"state":"%s"}'):format(call.id or "null", json.encode(path),
                state))
        end or nil,
        done = function(...) on_done(self, ...) end,
    })
end

function begin(self)
    local call = self.call
    self.wishes = wishes_of(call, self.given)
    if not self.wishes then return end
    local template, number = groups.template(call.handle)
    local wanted, changes = {}, false
    for _, wish in ipairs(self.wishes) do
        wanted[wish.path] = wish.to
        changes = changes or wish.from ~= wish.to
    end
    if not changes then
        self.added, self.removed = {}, {}
        return reply(self, false)
    end
    local scaled, why = replicas.scale(template, wanted)
    if not scaled then return call:fail("refused", why) end
    local former = find_leaving(self)
    if former then return try_again(self, ("%s of before has not ended yet; try again"):format(former), true) end
    local blob, place, reason, hint = replicas.encode(scaled, true)
    if not blob then
        return call:fail("refused", ("%s%s%s"):format(place ~= "" and place .. ": " or "", reason,
            hint ~= "" and (" (%s)"):format(hint) or ""))
    end
    hand_in(self, blob, number)
end

--- Its handler. `world`: as for control/reload.lua.
return function(world)
    return {
        scale = function(call, given)
            local now = uv.hrtime()
            begin(setmetatable({
                world = world, call = call, given = given, patience = now + PATIENCE_S * 1e9,
                deadline = given.timeout and now + given.timeout * 1e9,
            }, Scaling))
        end,
    }
end
