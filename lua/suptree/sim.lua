--- A tree in virtual time: the real core, no processes, no waiting.
-- `suptree.sim(declaration, { seed = 1 })` makes one. Times are seconds (numbers, or texts like "1m30s"), paths are
-- relative to the root ("workers/mailer"), and the root itself is ".". Commands settle their instant; failures that
-- are expected return nil and an error, misuse raises.
local core = require "suptree.core"
local errors = require "suptree.errors"
local reason = require "suptree.reason"
local World = require "suptree.sim.world"

local A_DAY = 86400

local Sim = {}
Sim.__index = Sim

local function to_ns(value, what)
    local ns = core.duration(value)
    if not ns then
        error(("%s: %s is not a time; write seconds or a text like \"1m30s\""):format(what, tostring(value)), 3)
    end
    return ns
end

local function to_seconds(ns)
    return ns / 1e9
end

-- A blob: of a declaration, or what is one already.
local function to_blob(declared, as_root)
    if type(declared) == "string" then return declared end
    local blob, faults = require "suptree.declaration".encode(declared, { as_root = as_root })
    if not blob then return nil, errors.new(errors.ErrInvalid, tostring(faults)) end
    return blob
end

-- The token of a path, or of what is a token already (which the core then judges).
local function find(self, target)
    if math.type(target) == "integer" then return target end
    if type(target) ~= "string" then error("a path or a token is needed, not " .. type(target), 3) end
    return self.world.tree:find(target)
end

local function no_such(path)
    return errors.new(errors.ErrNotFound, ("there is no node %s"):format(tostring(path)))
end

-- --- commands -----------------------------------------------------------------------------------------------------

local errors_of_replies = {
    not_found = errors.ErrNotFound,
    timeout = errors.ErrTimeout,
    stopped = errors.ErrStopped,
    already_serving = errors.ErrAlreadyServing,
    duplicate_name = errors.ErrDuplicateName,
    too_many = errors.ErrTooMany,
    invalid = errors.ErrInvalid,
    no_memory = errors.ErrNoMemory,
    not_reached = errors.ErrNotReached,
    refused = errors.ErrRefused,
}

-- What a command returns for its reply. One that waits for its end has none yet.
local function result(reply)
    if not reply or reply.status == "ok" then return true end
    if reply.status == "waiting_for" then
        return true, ("waiting for %s, which a person stopped; start it"):format(reply.path)
    end
    return nil, errors.new(errors_of_replies[reply.status], reply.text)
end

local function node_command(self, kind, target)
    local node = find(self, target)
    if not node then return nil, no_such(target) end
    return result((self.world:command { type = kind, node = node }))
end

--- Launches the tree, with a context for its `started` event.
function Sim:start(context)
    return result((self.world:command { type = "start", text = context }))
end

--- Asks the tree to stop, with a context for every event from then on. A request: `report` tells what came of it.
function Sim:stop(context)
    self.world:command { type = "stop", text = context }
    return true
end

--- During a stop: all budgets are over now.
function Sim:kill()
    return result((self.world:command { type = "kill" }))
end

--- A person's start. True, or true and a text that says for whom it waits.
function Sim:start_node(target)
    return node_command(self, "start_node", target)
end

--- A person's stop, remembered.
function Sim:stop_node(target)
    return node_command(self, "stop_node", target)
end

--- A restart that a person asks for.
function Sim:restart_node(target)
    return node_command(self, "restart_node", target)
end

--- Removes by path or token.
function Sim:remove(target)
    return node_command(self, "remove", target)
end

--- Adds a declaration below `parent`. Returns its token.
function Sim:add(parent, declared)
    local node = find(self, parent)
    if not node then return nil, no_such(parent) end
    local blob, err = to_blob(declared, false)
    if not blob then return nil, err end
    local reply = self.world:command { type = "add", node = node, blob = blob }
    if reply and reply.status == "ok" then return reply.node end
    return result(reply)
end

--- The whole tree anew. `options.rollback = false`: keep it even when it is sick; `options.back`: what the running
-- declaration has renamed by `formerly` gets its former name again.
function Sim:reload(declared, options)
    local blob, err = to_blob(declared, true)
    if not blob then return nil, err end
    options = options or {}
    return result((self.world:command {
        type = "reload", blob = blob, flag = options.rollback == false, instance = options.back and 1 or nil,
    }))
end

--- What a reload would do, as it is shown before it is done: an array of { kind, path, new_name, other, fields }, kind
-- being "keep", "update", "restart", "follow" (it restarts with `other`), "add" or "remove". Changes nothing.
function Sim:plan(declared)
    local blob, err = to_blob(declared, true)
    if not blob then return nil, err end
    local changes, message = self.world.tree:plan(blob)
    if not changes then return nil, errors.new(errors.ErrInvalid, message) end
    return changes
end

--- A command as the protocol sends it: { type, path or node, wait, wait_for, text, blob }.
-- Returns a request for `reply`.
function Sim:request(input)
    local sent = {}
    for key, value in pairs(input) do sent[key] = value end
    sent.path, sent.wait_for = nil, nil
    sent.node = input.node or input.path and find(self, input.path)
    sent.wait_ns = input.wait_for and to_ns(input.wait_for, "wait_for")
    return select(2, self.world:command(sent))
end

--- The reply to a request: { status, text, node, path }, or nil while there is none.
function Sim:reply(request)
    return self.world.replies[request]
end

-- --- what services do ---------------------------------------------------------------------------------------------

local function live_record(self, target)
    local record = self.world:live_record(find(self, target), target)
    if record then return record end
    return nil, errors.new(errors.ErrNotFound, ("%s does not run"):format(tostring(target)))
end

local function outcome_of(record, options)
    if options.code then
        return "exit", options.code, options.oom and "something of it was killed for lack of memory" or nil
    end
    if options.signal then
        local number = core.signal(tostring(options.signal))
        if not number then error(("exit: there is no signal %s"):format(tostring(options.signal)), 3) end
        if options.oom then return "oom", number end
        return "signal", number
    end
    if options.error then return "error", nil, tostring(options.error) end
    if options.done then return "done" end
    if options.terminate_tree then return "terminate" end
    if options.lost then return "lost" end
    if options.returned or record.kind == "thread" then return "returned" end
    return "exit", 0
end

--- The service ends by itself: { code = 1 }, { signal = "KILL" }, { signal = "KILL", oom = true },
-- { error = "boom" }, { done = true },
-- { terminate_tree = true }, { returned = true }; nothing: it ends well. `instance`: not the newest, but that one.
-- `no_restart`: its after_exit asks for that.
function Sim:exit(target, options)
    options = options or {}
    local record, err = live_record(self, target)
    if options.instance then record = self.world.records[options.instance] end
    if not record then return nil, err end
    local outcome, code, text = outcome_of(record, options)
    self.world:end_instance(record, outcome, code, text, options.no_restart)
    self.world:settle()
    return true
end

--- The main process of the service has ended, its after_exit runs: exit is to follow.
function Sim:exiting(target)
    local record, err = live_record(self, target)
    if not record then return nil, err end
    self.world:queue_fact { type = "exiting", node = record.node, instance = record.instance }
    self.world:settle()
    return true
end

--- The service is ready.
function Sim:ready(target)
    local record, err = live_record(self, target)
    if not record then return nil, err end
    self.world:queue_fact { type = "ready", node = record.node, instance = record.instance }
    self.world:settle()
    return true
end

--- A connection comes to a service that waits for one.
function Sim:activate(target)
    local node = find(self, target)
    if not node then return nil, no_such(target) end
    self.world:queue_fact { type = "activate", node = node }
    self.world:settle()
    return true
end

--- The service is found sick, `text` says of what: it is stopped, and its end is a failure of that. `how` =
-- "watchdog": it did not say in time that it is well.
function Sim:unhealthy(target, text, how)
    if how ~= nil and how ~= "watchdog" then
        error(("unhealthy: %s is not nil or \"watchdog\""):format(tostring(how)), 2)
    end
    local record, err = live_record(self, target)
    if not record then return nil, err end
    self.world:queue_fact {
        type = "unhealthy", node = record.node, instance = record.instance, outcome = how or "unhealthy",
        text = text and tostring(text),
    }
    self.world:settle()
    return true
end

--- It ignores the polite stop; how = "kill": the kill too; false: it obeys again (what it has ignored stays ignored).
function Sim:hang(target, how)
    if how == nil or how == true then how = "ask" end
    if how ~= "ask" and how ~= "kill" and how ~= false then
        error(("hang: %s is not nil, false or \"kill\""):format(tostring(how)), 2)
    end
    local path = math.type(target) == "integer" and self.world.tree:path(target) or target
    self.world.hanging[path] = how or nil
    return true
end

local lack_of_resources = { EAGAIN = true, EMFILE = true, ENFILE = true, ENOMEM = true }

--- Its next `times` launches (default 1) fail by `name`, an errno; 0: no longer.
function Sim:fail_launch(path, name, times)
    name = name or "ENOENT"
    local code, text = core.errno(name)
    if not code then error(("fail_launch: a start does not fail of %s"):format(tostring(name)), 2) end
    self.world.failing[path] = times ~= 0 and {
        code = code, text = "exec: " .. text, resources = lack_of_resources[name] or false, left = times or 1,
    } or nil
    return true
end

--- A fact as a driver reports it, true or not: { type, path or node, instance, outcome, code, text, flag }.
function Sim:fact(fact)
    local sent = {}
    for key, value in pairs(fact) do sent[key] = value end
    sent.path = nil
    sent.node = fact.node or find(self, fact.path)
    self.world:queue_fact(sent)
    self.world:settle()
    return true
end

--- The host dies and comes back: its tree is restored, its threads are gone. `options.crashed`: the path of the thread
-- whose fault it was.
function Sim:host_died(options)
    local crashed, err
    if options and options.crashed then
        crashed, err = live_record(self, options.crashed)
        if not crashed then return nil, err end
    end
    self.world:restore_tree()
    self.world:drop_threads()
    self.world:apply { type = "host_died", instance = crashed and crashed.instance }
    self.world:settle()
    return true
end

-- --- time ---------------------------------------------------------------------------------------------------------

--- Virtual seconds since the simulation was made.
function Sim:now()
    return to_seconds(self.world.now_ns)
end

local function outside_callbacks(self, what)
    if self.world.in_callback then error(what .. ": time stands still inside a callback of `at`", 3) end
end

--- Lets time pass: everything on the way happens at its instant, in order.
function Sim:advance(time)
    outside_callbacks(self, "advance")
    self.world:run(self.world.now_ns + to_ns(time, "advance"))
end

--- Advances until nothing is due any more: true. Or for `limit` (default one day): false.
function Sim:run_until_idle(limit)
    outside_callbacks(self, "run_until_idle")
    return self.world:run(self.world.now_ns + to_ns(limit or A_DAY, "run_until_idle"), true)
end

--- The machine sleeps: time jumps, and what became due meanwhile is due now.
function Sim:jump(time)
    outside_callbacks(self, "jump")
    self.world.now_ns = self.world.now_ns + to_ns(time, "jump")
    self.world:settle()
end

--- Runs `callback(sim)` at the instant `time` of this simulation's clock, before the deadlines of that instant.
function Sim:at(time, callback)
    local at_ns = to_ns(time, "at")
    if at_ns < self.world.now_ns then
        error(("at: %s is over; it is %g s now"):format(tostring(time), self:now()), 2)
    end
    self.world:add_timer(at_ns, { callback = function() callback(self) end })
end

-- --- looking ------------------------------------------------------------------------------------------------------

local function because(self, node)
    local links = self.world.tree:because(node)
    for place, link in ipairs(links) do
        local other = links[place + 1]
        link.text = reason.link(link.state, link.cause, other and other.path, link.outcome and link.text)
        link.node, link.outcome, link.code = nil, nil, nil
    end
    return links
end

local function not_zero(ns, from_ns)
    return ns ~= 0 and to_seconds(ns - from_ns) or nil
end

--- What a node is: { path, name, kind, state, wanted, ready, held, leaving, generation, instance, restarts, since,
-- count, threshold, resumes_in, next_at, cause, reason, because }; of a timer also due_at, its next time, whatever it
-- does now, and skipped. Nil when there is none. No path: the root.
function Sim:state(target)
    local node = find(self, target or ".")
    local now_ns = self.world.now_ns
    local status = node and self.world.tree:status(node, now_ns)
    if not status then return nil end
    local resumes_in = not_zero(status.resumes_ns, now_ns)
    local cause_path = status.cause_node and self.world.tree:path(status.cause_node)
    return {
        path = status.path, name = status.name, kind = status.kind, token = node,
        state = status.state, wanted = status.wanted, ready = status.ready,
        held = status.held, leaving = status.leaving,
        generation = status.generation, instance = status.instance ~= 0 and status.instance or nil,
        restarts = status.restarts, since = to_seconds(status.since_ns),
        due_at = not_zero(status.due_ns, 0), skipped = status.skipped,
        count = status.count, threshold = status.threshold,
        resumes_in = resumes_in, next_at = not_zero(status.next_ns, 0), cause = status.cause,
        reason = reason.text {
            state = status.state, ready = status.ready, cause = status.cause, cause_path = cause_path,
            outcome = status.outcome, text = status.text, count = status.count, threshold = status.threshold,
            resumes_in = resumes_in, next_in = not_zero(status.next_ns, now_ns),
        },
        because = because(self, node),
    }
end

--- What services were told since the last call: { type = "launch" | "interrupt" | "kill" | "abandon", path, token,
-- generation, instance, time }.
function Sim:effects()
    return self.world:take "effects"
end

--- The events since the last call.
function Sim:events()
    return self.world:take "events"
end

--- The nodes whose drivers were told of a spec changed in place since the last call: { path, token }.
function Sim:updates()
    return self.world:take "updates"
end

--- The exit code, once the tree has ended.
function Sim:ended()
    return self.world.tree:ended()
end

--- Once the tree has ended: nil, or those launched and not ended: { path, kind, generation, instance }.
function Sim:report()
    if not self.world.tree:ended() then return nil end
    local report = {}
    for instance, record in pairs(self.world.records) do
        report[#report + 1] = {
            path = self.world.tree:path(record.node) or record.path, kind = record.kind,
            generation = record.generation, instance = instance,
        }
    end
    table.sort(report, function(a, b) return a.instance < b.instance end)
    return report[1] and report or nil
end

--- All paths in order, removed ones that live last.
function Sim:paths()
    local paths = {}
    local node = self.world.tree:next()
    while node do
        paths[#paths + 1] = self.world.tree:path(node)
        node = self.world.tree:next(node)
    end
    return paths
end

--- The tree as bytes.
function Sim:save()
    return self.world.tree:save()
end

--- The tree from bytes; the world stays as it is.
function Sim:restore(bytes)
    local tree, message = core.restore(bytes)
    if not tree then return nil, errors.new(errors.ErrInvalid, message) end
    self.world.tree = tree
    return true
end

-- --- making one ---------------------------------------------------------------------------------------------------

-- Not started. `options.seed`: a whole number, all its chance; `options.round_trip`: see World.new; `options.wall`: the
-- Unix time at its time 0, for timers (default: 1 January 2026, UTC); `options.runs`: oneshots and the runs of timers
-- end well after that time; without it, when sim:exit says so.
local function create(declared, options)
    options = options or {}
    local blob, err = to_blob(declared, true)
    if not blob then return nil, err end
    local seed = options.seed or 1
    if math.type(seed) ~= "integer" then error(("seed: %s is not a whole number"):format(tostring(seed)), 3) end
    local tree, message = core.create(blob, seed)
    if not tree then return nil, errors.new(errors.ErrInvalid, message) end
    local world = World.new(tree, options.round_trip)
    world.wall_s = options.wall or world.wall_s
    world.run_ns = options.runs and to_ns(options.runs, "runs")
    return setmetatable({ world = world }, Sim)
end

-- Around a tree that exists, at `now_ns` of its clock: to be looked at. Its instances are not known, so time must not
-- go on.
local function look(tree, now_ns)
    local world = World.new(tree)
    world.now_ns = now_ns
    return setmetatable({ world = world }, Sim)
end

return setmetatable({ create = create, look = look }, {
    __call = function(_, declared, options) return create(declared, options) end,
})
