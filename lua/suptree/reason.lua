--- Why a node is in its state, in plain words: from a status and the chain of its causes.
-- Pure text. Knows nothing of where the status came from: a simulation, a snapshot, a reply.
local reason = {}

local function seconds(value)
    local text = ("%.1f"):format(value):gsub("%.0$", "")
    return text .. " s"
end

--- The words for a cause; `other` is the path of the node it comes from, or nil.
local causes = {
    none = function() end,
    start = function() end,
    stop = function() return "the tree stops" end,
    person = function() return "a person asked for it" end,
    remove = function() return "it was removed" end,
    reload = function() return "a reload changed it" end,
    failure = function() return "it failed" end,
    group = function(other) return other and other .. " failed, and they are restarted together"
        or "a sibling failed, and they are restarted together" end,
    dependency = function(other) return "it needs " .. (other or "a sibling") end,
    follow = function(other) return "it is restarted with " .. (other or "a sibling") end,
    not_ready = function() return "it was not ready in time" end,
    pause = function(other) return (other or "its supervisor") .. " is paused after too many failures" end,
    delay = function() return "its restart_delay runs" end,
    resources = function() return "the system has no room for a new process; tried again every second" end,
    limit = function() return "too many failures" end,
    finished = function() return "it ended and is not to be restarted" end,
    terminate = function(other) return (other or "a service") .. " asked the tree to end" end,
    auto_shutdown = function(other) return (other or "a significant child") .. " ended, which ends its supervisor" end,
    disabled = function() return "enabled = false; start it to run it" end,
    supervisor = function(other) return (other or "its supervisor") .. " does not run" end,
    stuck = function(other)
        return other and other .. " does not die" or "a former instance does not die"
    end,
    rollback = function() return "a reload was rolled back" end,
    schedule = function() end,
    activation = function() return "a connection to one of its sockets starts it" end,
    watchdog = function() return "its watchdog heard nothing in time" end,
    unhealthy = function() return "it was found unhealthy" end,
}

--- The words for a cause, or nil: "a person asked for it". `other`: the path of the node it comes from; `outcome`: how
-- the node ended, in words.
function reason.cause(cause, other, outcome)
    if cause == "failure" and outcome then return outcome end
    if cause == "finished" and outcome then return outcome .. "; not to be restarted" end
    if other == "." then other = "the root" end
    return causes[cause] and causes[cause](other) or nil
end

--- One link of the chain as text: "stopped: a person asked for it". `other`: the path of the node it comes from.
function reason.link(state, cause, other, outcome)
    local words = reason.cause(cause, other, outcome)
    if state == "paused" then words = "too many failures" end
    return words and state .. ": " .. words or state
end

-- What the deadline of a state brings.
local next_steps = {
    paused = "resumes", queued = "goes on", delayed = "starts", stopping = "killed", waiting = "tried again",
    running = "must be ready", starting = "must be ready",
}

--- The short text for `status`: { state, cause, cause_path, text, outcome, ready, resumes_in, next_in, count,
-- threshold }. Times are seconds from now; absent ones are left out.
function reason.text(status)
    local outcome = status.outcome ~= "none" and status.text or nil
    local text = reason.link(status.state, status.cause, status.cause_path, outcome)
    if status.state == "running" or status.state == "starting" then
        text = status.state == "running" and not status.ready and "running, not ready yet" or status.state
    elseif status.state == "paused" then
        text = ("paused: %.2f failures against a threshold of %g"):format(status.count or 0, status.threshold or 0)
    end
    local next_in = status.resumes_in or status.next_in
    local rests = status.state == "waiting" and status.cause == "schedule"
    if rests then
        text = next_in and ("waiting: next run in %s"):format(seconds(next_in)) or "waiting for its next run"
    elseif next_in then
        text = ("%s; %s in %s"):format(text, next_steps[status.state] or "next step", seconds(next_in))
    end
    return text
end

return reason
