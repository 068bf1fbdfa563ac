--- The events of a simulation as lines for people, and what they add up to. Knows events alone: no tree, no clock.
local options = require "suptree.options"
local text = require "suptree.text"

local timeline = {}

--- Seconds as a short exact text: "1m2.5s"; milliseconds are the finest.
function timeline.duration(seconds)
    return options.duration_text(math.floor(seconds * 1000 + 0.5) * 1000000)
end

local function number(value)
    return (("%.1f"):format(value):gsub("%.0$", ""))
end

local function count_of(event)
    local format = event.count > event.threshold and "failure %s, more than %s" or "failure %s of %s"
    return format:format(number(event.count), number(event.threshold))
end

local function until_then(event)
    return event["until"] and timeline.duration(event["until"] - event.time)
end

local function after_failure(event)
    local later = until_then(event)
    if event.restarting then return later and "started again in " .. later or "started again at once" end
    return later and "waits, and is started again in " .. later or "not started again"
end

-- The words for an event, by type; nil: it says nothing that another line does not.
local words = {
    started = function() return "starts" end,
    added = function() return "added" end,
    removed = function() return "removed" end,
    launched = function(event)
        if event.kind == "timer" then return ("started, run %d"):format(event.generation) end
        return event.generation > 1 and ("started, generation %d"):format(event.generation) or "started"
    end,
    launch_failed = function(event) return "could not be started: " .. (event.reason or "?") end,
    ready = function() return "ready" end,
    stopping = function() return "is stopping" end,
    killed = function() return "killed" end,
    ended = function(event) return (event.planned and "stopped" or "ended") .. ": " .. (event.reason or "?") end,
    failed = function(event)
        if not event.count then return "failed: " .. (event.reason or "?") end
        return ("ended: %s; %s; %s"):format(event.reason or "?", count_of(event), after_failure(event))
    end,
    backoff = function(event) return ("pauses for %s: %s"):format(until_then(event) or "?", count_of(event)) end,
    resume = function() return "resumes; failures count from 0 again" end,
    delayed = function(event) return ("waits %s before its restart"):format(until_then(event) or "?") end,
    gave_up = function(event)
        if event.cause == "finished" then return "stays down, as its after_exit asks" end
        return ("stays down until a person starts it: %s"):format(count_of(event))
    end,
    escalated = function(event) return ("gives up: %s; it stops its children and ends"):format(count_of(event)) end,
    stop_timeout = function() return "did not stop in time, and is killed" end,
    stuck = function() return "did not die of its kill; no second instance is started" end,
    unhealthy = function(event) return event.reason or "unhealthy" end,
    healthy = function() return "is well again" end,
    skipped = function(event) return "a run is skipped: " .. (event.error or "?") end,
    stopped = function(event) return ("ended%s"):format(event.code and (", exit code %d"):format(event.code) or "") end,
}

local COLOURS = {
    failed = "red", gave_up = "red", escalated = "red", launch_failed = "red", backoff = "yellow", resume = "green",
    stop_timeout = "yellow", stuck = "red", unhealthy = "yellow", healthy = "green", note = "dim",
}

local function is_same_instant(a, b)
    return b and a.path == b.path and a.time == b.time
end

-- Does another event of the same node say what this one does? `before` and `after` are its neighbours.
local function is_said_by_another(event, before, after)
    local follower = is_same_instant(event, after) and after.type
    if event.type == "ended" and (follower == "failed" or follower == "stopped") then return true end
    if event.kind == "supervisor" then return event.type == "launched" or event.type == "ready" end
    if event.type == "launched" then
        return is_same_instant(event, before) and before.type == "failed" and before.restarting and not before["until"]
    end
    local follows = is_same_instant(event, before) and (before.type == "launched" or before.type == "failed")
    return event.type == "ready" and follows
end

-- Its nearest neighbours of the same node: the event before, the event after.
local function neighbours(events)
    local before, after, last = {}, {}, {}
    for _, event in ipairs(events) do
        local former = last[event.path]
        before[event] = former
        if former then after[former] = event end
        last[event.path] = event
    end
    return before, after
end

--- The words for one event, and their colour or nil.
function timeline.words(event)
    local said = event.words or words[event.type] and words[event.type](event) or (event.type:gsub("_", " "))
    return said, COLOURS[event.type]
end

--- Lines { time, path, words, colour } for `events`; those of type `note` bring their own words. `root`: what "." is
-- called.
function timeline.lines(events, root)
    local before, after = neighbours(events)
    local lines = {}
    for _, event in ipairs(events) do
        local said = event.words or words[event.type] and words[event.type](event) or event.type
        if event.type == "note" or not is_said_by_another(event, before[event], after[event]) then
            lines[#lines + 1] = {
                time = timeline.duration(event.time), path = event.path == "." and root or event.path,
                words = said, colour = COLOURS[event.type],
            }
        end
    end
    return lines
end

-- --- adding up -----------------------------------------------------------------------------------------------------

local add = {}

function add.launched(node, event)
    node.starts = node.starts + 1
    node.up_since = event.time
end

function add.ended(node, event)
    if node.up_since then node.up = node.up + event.time - node.up_since end
    node.up_since = nil
end

function add.failed(node) node.failures = node.failures + 1 end
function add.gave_up(node) node.gave_up = true end
function add.escalated(node) node.gave_up = true end

function add.backoff(node, event)
    node.pauses = node.pauses + 1
    node.paused_since = event.time
end

function add.resume(node, event)
    if node.paused_since then node.paused = node.paused + event.time - node.paused_since end
    node.paused_since = nil
end

add.stopped = add.resume

--- What `events` add up to until `time`, by path: { starts, failures, pauses, up, down, paused, gave_up }, seconds.
-- `paths`: the nodes to tell of.
function timeline.summary(events, paths, time)
    local nodes = {}
    for _, path in ipairs(paths) do
        nodes[path] = { starts = 0, failures = 0, pauses = 0, up = 0, paused = 0, gave_up = false }
    end
    for _, event in ipairs(events) do
        local node = nodes[event.path]
        if node and add[event.type] then add[event.type](node, event) end
    end
    for _, node in pairs(nodes) do
        add.ended(node, { time = time })
        add.resume(node, { time = time })
        node.down = math.max(0, time - node.up)
    end
    return nodes
end

--- "3 starts, 2 failures, down 15s" of a service; "1 pause, 15s in all" of a supervisor.
function timeline.summary_words(node, kind)
    local parts = {}
    if kind == "supervisor" then
        parts[1] = text.count(node.pauses, "pause")
        if node.pauses > 0 then parts[2] = timeline.duration(node.paused) .. " in all" end
    else
        local noun = kind == "timer" and "run" or "start"
        parts[1], parts[2] = text.count(node.starts, noun), text.count(node.failures, "failure")
        if kind ~= "timer" and kind ~= "oneshot" then parts[3] = "down " .. timeline.duration(node.down) end
    end
    if node.gave_up then parts[#parts + 1] = "gave up" end
    return table.concat(parts, ", ")
end

return timeline
