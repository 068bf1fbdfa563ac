--- The world around a simulated tree: its clock, its queue of facts, and services that do what they are told: they
-- start, become ready, end, hang. It performs the core's effects and feeds the results back in the order of the law.
-- It knows nothing of declarations, of the paths of persons, or of how a result is shown.
local core = require "suptree.core"

local STEPS_OF_AN_INSTANT = 100000

local World = {}
World.__index = World

--- A world around `tree`, at time 0. `round_trip`: the tree is saved and restored after every input, which must be
-- unobservable.
function World.new(tree, round_trip)
    return setmetatable({
        tree = tree, now_ns = 0, round_trip = round_trip or false,
        records = {},                                 -- instance -> what is known of it, until its end has been applied
        newest = {},                                  -- node -> its newest instance
        hanging = {},                                 -- path -> "ask" or "kill": what it ignores
        failing = {},                                 -- path -> how its next launches fail
        queue = {},                                   -- facts to be applied
        timers = {},                                  -- facts and callbacks to come, by time
        listens = 0, effects = {}, events = {}, updates = {},      -- what came out, not yet taken
        replies = {},                                 -- request -> reply
        last_instance = 0, last_request = 0, last_seq = 0, in_callback = false,
        wall_s = 1767225600,                          -- the Unix time at time 0: 1 January 2026, a Thursday
        run_ns = nil,                                 -- how long a run of what ends by itself takes; nil: until told
    }, World)
end

-- A broken promise of the core is a bug, whatever is being simulated.
local function promise(condition, text, ...)
    if not condition then error("the core broke a promise: " .. text:format(...), 0) end
end

-- --- what services do ---------------------------------------------------------------------------------------------

function World:queue_fact(fact)
    self.queue[#self.queue + 1] = fact
end

--- Keeps `timer` for `at_ns`: { callback } or { record, fact }. Equal ones stay in order.
function World:add_timer(at_ns, timer)
    timer.at_ns = at_ns
    local timers = self.timers
    local place = #timers + 1
    while place > 1 and timers[place - 1].at_ns > at_ns do place = place - 1 end
    table.insert(timers, place, timer)
end

--- The instance of `record` ends; the core hears of it when its turn comes.
function World:end_instance(record, outcome, code, text, no_restart)
    if record.over then return end
    record.over = true
    self:queue_fact {
        type = "ended", node = record.node, instance = record.instance, outcome = outcome, code = code, text = text,
        flag = no_restart,
    }
end

-- The instances of the threads go with their host.
function World:drop_threads()
    for instance, record in pairs(self.records) do
        if record.kind == "thread" then
            record.over = true
            self.records[instance] = nil
        end
    end
end

--- The newest record of `node` that is not over; else of any with that `path` (removed, abandoned). Nil: none.
function World:live_record(node, path)
    local record = node and self.records[self.newest[node]]
    if record and not record.over then return record end
    local found
    for _, other in pairs(self.records) do
        local matches = not other.over and (other.node == node or other.path == path)
        if matches and (not found or other.instance > found.instance) then found = other end
    end
    return found
end

local function end_as_asked(self, record)
    if record.kind == "process" then
        self:end_instance(record, "signal", self.tree:spec(record.node).stop_signal)
    else
        self:end_instance(record, "returned")
    end
end

local function end_killed(self, record)
    if record.kind == "process" then
        self:end_instance(record, "signal", core.signal "KILL")
    else
        self:end_instance(record, "error", nil, "interrupted")
    end
end

-- --- effects ------------------------------------------------------------------------------------------------------

local function note_effect(self, effect)
    self.effects[#self.effects + 1] = {
        type = effect.type, path = effect.path, token = effect.node,
        generation = effect.generation, instance = effect.instance, time = self.now_ns / 1e9,
    }
end

-- The core may speak to an instance until it has been told that it is none, so it has a record until then.
local function fail_launch(self, effect, record, failing)
    record.over = true
    failing.left = failing.left - 1
    if failing.left <= 0 then self.failing[effect.path] = nil end
    self:queue_fact {
        type = "launch_failed", node = effect.node, instance = effect.instance, outcome = "no_launch",
        code = failing.code, flag = failing.resources, text = failing.text,
    }
end

local perform = {}

-- The calendar of a simulation is that of UTC.
function perform.schedule(self, effect)
    local spec, now_s = self.tree:spec(effect.node), self.wall_s + self.now_ns // 1000000000
    local next_s = core.calendar_next(spec.at, now_s)
    self:queue_fact {
        type = "schedule", node = effect.node, instance = next_s or 0,
        wait_ns = next_s and (next_s - self.wall_s) * 1000000000 or 0,
    }
end

function perform.launch(self, effect)
    local former = self.records[self.newest[effect.node]]
    promise(not former or former.abandoned, "%s is launched while an instance of it lives", effect.path)
    promise(effect.instance > self.last_instance, "instance %d is used again", effect.instance)
    self.last_instance = effect.instance
    note_effect(self, effect)

    local spec = self.tree:spec(effect.node)
    local record = {
        node = effect.node, path = effect.path, kind = spec.kind,
        instance = effect.instance, generation = effect.generation,
    }
    self.records[record.instance] = record
    self.newest[record.node] = record.instance
    local failing = self.failing[effect.path]
    if failing then return fail_launch(self, effect, record, failing) end
    self:queue_fact { type = "launched", node = record.node, instance = record.instance }
    if spec.ends and self.run_ns then
        self:add_timer(self.now_ns + self.run_ns, { callback = function()
            if not record.over then self:end_instance(record, spec.kind == "thread" and "returned" or "exit", 0) end
        end })
    end
    if spec.ready == "delay" then
        self:add_timer(self.now_ns + spec.ready_delay_ns, {
            record = record, fact = { type = "ready", node = record.node, instance = record.instance },
        })
    end
end

-- The record of an effect that speaks to a live instance.
local function addressed(self, effect)
    local record = self.records[effect.instance]
    promise(record, "%s of %s: its instance %d does not live", effect.type, effect.path, effect.instance)
    promise(not record.abandoned, "%s of %s: it was abandoned", effect.type, effect.path)
    return record
end

function perform.interrupt(self, effect)
    local record = addressed(self, effect)
    promise(not record.asked, "%s is asked to stop twice", effect.path)
    record.asked = true
    note_effect(self, effect)
    if not self.hanging[effect.path] then end_as_asked(self, record) end
end

function perform.kill(self, effect)
    local record = addressed(self, effect)
    note_effect(self, effect)
    if self.hanging[effect.path] ~= "kill" then end_killed(self, record) end
end

function perform.abandon(self, effect)
    addressed(self, effect).abandoned = true
    note_effect(self, effect)
end

function perform.reply(self, effect)
    promise(not self.replies[effect.request], "request %d is answered twice", effect.request)
    self.replies[effect.request] = effect
end

function perform.event(self, effect)
    self.events[#self.events + 1] = effect.event
end

-- Nobody connects but by word of the test.
function perform.listen(self)
    self.listens = self.listens + 1
end

function perform.update(self, effect)
    self.updates[#self.updates + 1] = { path = effect.path, token = effect.node }
end

function perform.forget(self, effect)
    promise(not self.records[self.newest[effect.node]], "%s is forgotten while it lives", effect.path)
end

-- --- instants -----------------------------------------------------------------------------------------------------

--- Save the tree, throw it away, restore it.
function World:restore_tree()
    self.tree = assert(core.restore(self.tree:save()))
end

--- Apply one input and perform what comes out.
function World:apply(input)
    if input.type == "ended" or input.type == "launch_failed" then self.records[input.instance] = nil end
    for _, effect in ipairs(self.tree:apply(input, self.now_ns)) do
        promise(effect.seq == self.last_seq + 1, "effect %d follows %d", effect.seq, self.last_seq)
        self.last_seq = effect.seq
        perform[effect.type](self, effect)
    end
    if self.round_trip then self:restore_tree() end
end

local function take_due_timer(self, kind)
    for place, timer in ipairs(self.timers) do
        if timer.at_ns > self.now_ns then return nil end
        if timer[kind] then return table.remove(self.timers, place) end
    end
end

-- Applies one fact; false: there is none.
local function apply_fact(self)
    local timer = take_due_timer(self, "fact")
    if timer then
        if not timer.record.over then self:queue_fact(timer.fact) end
        return true
    end
    local fact = table.remove(self.queue, 1)
    if fact then self:apply(fact) end
    return fact ~= nil
end

local function run_callback(self)
    local timer = take_due_timer(self, "callback")
    if not timer then return false end
    self.in_callback = true
    local ok, message = xpcall(timer.callback, debug.traceback)
    self.in_callback = false
    if not ok then error(message, 0) end
    return true
end

local function tick(self)
    local deadline_ns = self.tree:deadline()
    if not deadline_ns or deadline_ns > self.now_ns then return false end
    self:apply { type = "tick" }
    return true
end

--- Everything of this instant in the order of the law: facts, then what was planned for it, then its deadlines. Inside
-- a callback only the facts: the instant goes on after it.
function World:settle()
    local steps = 0
    while apply_fact(self) or not self.in_callback and (run_callback(self) or tick(self)) do
        steps = steps + 1
        if steps > STEPS_OF_AN_INSTANT then
            error(("at %g s the tree does not come to rest: more than %d steps in one instant"):format(
                self.now_ns / 1e9, STEPS_OF_AN_INSTANT), 0)
        end
    end
end

--- When something happens next, at the earliest now; nil: never.
function World:next_instant()
    local next_ns = self.tree:deadline()
    local timer = self.timers[1]
    if timer and (not next_ns or timer.at_ns < next_ns) then next_ns = timer.at_ns end
    return next_ns and math.max(next_ns, self.now_ns)
end

--- Let time pass up to `target_ns`, or until nothing is due any more if `until_idle`. True: nothing is due.
function World:run(target_ns, until_idle)
    while true do
        self:settle()
        local next_ns = self:next_instant()
        if not next_ns and until_idle then return true end
        if not next_ns or next_ns > target_ns then break end
        self.now_ns = next_ns
    end
    self.now_ns = target_ns
    return false
end

--- Apply a command and settle its instant. Returns the reply (nil while there is none) and the request.
function World:command(input)
    self.last_request = self.last_request + 1
    input.request = self.last_request
    self:apply(input)
    self:settle()
    return self.replies[input.request], input.request
end

--- What has come out under `name` ("effects", "events", "updates") since the last time.
function World:take(name)
    local list = self[name]
    self[name] = {}
    return list
end

return World
