--- One reload: what would change is told, the configuration is handed in, those that it launches are looked at until it
-- is settled, and then for a moment more. Knows nothing of files, nor of who asked.
local cjson = require "cjson"
local json = require "suptree.json"
local render = require "suptree.render.plan"
local uv = require "luv"

local Reload = {}
Reload.__index = Reload

-- How often those that it launches are looked at, in milliseconds, and how many of them.
local TICK, MAX_WATCHED = 200, 64
-- Lines of the plan that the host says itself.
local MAX_LINES = 30

local decoder = cjson.new()

-- --- words ---------------------------------------------------------------------------------------------------------

local ANSWERS = {
    timeout = "it is not settled in the time given; it goes on",
    stopped = "the tree has ended",
    limit = "there is no memory for it; the tree runs on as before",
    busy = "too many commands are under way; try again",
}

local function say_plan(say, plan)
    local lines = plan.summary.empty and {} or render.lines(plan)
    for place, line in ipairs(lines) do
        if place > MAX_LINES then
            say(("and %d more"):format(#lines - MAX_LINES))
            break
        elseif line.colour ~= "dim" then
            say(line.words)
        end
    end
end

local function told_back(report)
    if not report.culprit then return "rolled back" end
    return ("rolled back because of %s: %s"):format(report.culprit, report.reason or "it failed")
end

local function told_reloaded(plan, report, waited)
    local words = "reloaded: " .. render.summary(plan.summary, waited)
    if not report.left then return words end
    return ("%s; a failure of what is new or changed rolls it back within the next %d s"):format(words,
        math.ceil(report.left))
end

-- --- those that it launches ----------------------------------------------------------------------------------------

-- What is to be seen of the node at `one.path`; nil: it is not there (yet).
local function look_at(native, one)
    local node = native.node(one.path)
    if not node then return nil end
    return node, node:match '"state":"(%w+)"', node:match '"ready":(%a+)' == "true",
        tonumber(node:match '"restarts":(%d+)') or 0
end

-- Does something that exec sees change in one that does not run? It holds from its next start, which may be near.
local function holds_later(change)
    for _, field in ipairs(change.action == "update" and change.fields or {}) do
        if field.seen_by_exec then return true end
    end
    return false
end

local function is_kept_down(change)
    return change.note ~= nil and change.note:find "^does not start" ~= nil
end

local function watched_paths(plan)
    local list = {}
    for _, change in ipairs(plan.changes) do
        local launches = change.action == "restart" or change.action == "add" and not is_kept_down(change)
            or holds_later(change)
        if launches and change.kind ~= "supervisor" and #list < MAX_WATCHED then
            list[#list + 1] = { path = change.path }
        end
    end
    return list
end

-- States in which nothing comes of waiting: the next start is far, or somebody else's business.
local AT_REST = { delayed = true, queued = true, failed = true, stuck = true }

-- What is at rest is not waited for, nor, when it is not rolled back, what has failed once. That all are ready, the
-- engine says.
local function tick(self)
    local native = self.world.native
    local report = native.report()
    if report.applied == self.before then return end -- it waits for a round
    if report.rolled_back then return self:settle() end
    local pending, resting, failing = false, false, false
    for _, one in ipairs(self.watched) do
        local node, state, ready, restarts = look_at(native, one)
        if node then
            one.restarts = one.restarts or restarts
            if state ~= one.state and self.progress then self.progress(one.path, state) end
            one.state = state
            failing = failing or not ready and restarts > one.restarts
            resting = resting or not ready and AT_REST[state]
        end
        pending = pending or not node or not ready and not AT_REST[state]
    end
    if resting and not pending or self.wishes.keep and failing then self:settle() end
end

local function result_text(path, good, words, node)
    return ('{"path":%s,"status":"%s","message":%s%s}'):format(json.encode(path), good and "ok" or "not_reached",
        json.encode(words), node and ',"node":' .. node or "")
end

-- Of those that it launched, when they were waited for; after a rollback, of the one that caused it.
local function results_of(self, report)
    local native, parts = self.world.native, {}
    if not self.wishes.wait then return "[]" end
    if report.rolled_back and report.culprit then
        parts[1] = result_text(report.culprit, false, report.reason or "it failed", native.node(report.culprit))
    end
    for place, one in ipairs(report.rolled_back and {} or self.watched) do
        local node, state, ready = look_at(native, one)
        local good = ready or state == "done"
        local words = not node and "it is not there" or good and "ready" or "it is " .. tostring(state)
        parts[place] = result_text(one.path, good, words, node)
    end
    return "[" .. table.concat(parts, ",") .. "]"
end

-- --- its end -------------------------------------------------------------------------------------------------------

local function close(self)
    self.finished = true
    self.ticker:close()
    if self.looker then self.looker:close() end
    self.world.under_way[self] = nil
end

local function finish(self, ...)
    if self.finished then return end
    close(self)
    self.done(...)
end

--- Nothing more is waited for: tell what came of it.
function Reload:settle()
    local report = self.world.native.report()
    local summary, results = self.plan.summary, results_of(self, report)
    if report.rolled_back then return finish(self, "rolled_back", told_back(report), results) end
    if summary.empty then return finish(self, "unchanged", render.summary(summary), results) end
    finish(self, "reloaded", told_reloaded(self.plan, report, self.wishes.wait), results)
end

local function fail(self, code, message)
    finish(self, nil, code, message)
end

-- The engine's answer: it is settled, or will not be, or was refused.
local function on_answer(self, status, words)
    if self.finished then return end
    if status == "ok" and self.wishes.wait and self.watched[1] and self.settle_ms > 0 then
        -- What fails as soon as it runs shows by then.
        self.looker = uv.new_timer()
        self.looker:start(self.settle_ms, 0, function() self:settle() end)
    elseif status == "ok" or status == "not_reached" then
        self:settle()
    else
        local message = words and words ~= "" and words or ANSWERS[status] or status
        fail(self, status == "invalid" and "config" or status, message)
    end
end

--- Hand in `options.blob`. `world`: native, say, errands, under_way (a set, kept here). `options`: plan (as JSON),
-- hand_in(blob, wishes) -> ticket or nil and a code, wishes { back, keep, wait, timeout }, settle (seconds to look at
-- it when it is settled), progress(path, state) or nil, and done, which is called with outcome ("reloaded",
-- "unchanged", "rolled_back"), a message and results (JSON); or nil, a code and a message.
function Reload.begin(world, options)
    local plan = decoder.decode(options.plan)
    local self = setmetatable({
        world = world, plan = plan, wishes = options.wishes, watched = watched_paths(plan),
        settle_ms = math.floor((options.settle or 0) * 1000), done = options.done, progress = options.progress,
        ticker = uv.new_timer(), before = world.native.report().applied,
    }, Reload)
    world.under_way[self] = true
    say_plan(world.say, plan)
    local ticket, code = options.hand_in(options.blob, options.wishes)
    if not ticket then return fail(self, code, ANSWERS[code] or code) end
    world.errands.wait(ticket, function(status, _, words) on_answer(self, status, words) end)
    if self.wishes.wait and self.watched[1] then self.ticker:start(TICK, TICK, function() tick(self) end) end
end

--- The tree leaves: nothing is looked at any more. Who waits hears it from the engine, or as it stands now.
function Reload.leave(world)
    for self in pairs(world.under_way) do
        if self.looker then self:settle() end
    end
end

return Reload
