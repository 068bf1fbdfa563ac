--- The words for a node as a host describes it (see docs/protocol.md): its state, its last end, what comes next. Pure
-- text, without colours.
local reason = require "suptree.reason"

local words = {}

local UNITS = { { 86400, "d", 3600, "h" }, { 3600, "h", 60, "m" }, { 60, "m", 1, "s" } }

--- Seconds in at most two units: "0.4s" "42s" "2m3s" "3h12m" "5d4h".
function words.duration(seconds)
    if seconds < 9.95 then return (("%.1f"):format(math.max(seconds, 0)):gsub("%.0$", "")) .. "s" end
    local whole = math.floor(seconds + 0.5)
    if whole < 60 then return ("%ds"):format(whole) end
    for _, unit in ipairs(UNITS) do
        if whole >= unit[1] then
            local rest = whole % unit[1] // unit[3]
            return ("%d%s"):format(whole // unit[1], unit[2]) .. (rest > 0 and ("%d%s"):format(rest, unit[4]) or "")
        end
    end
end

--- How long something has been, in whole seconds.
function words.age(seconds)
    return words.duration(seconds < 10 and math.floor(seconds) or seconds)
end

local function number(value)
    return (("%.1f"):format(value):gsub("%.0$", ""))
end

--- "2.5/5" of a supervisor, else nil.
function words.count(node)
    if not node.count or not node.threshold then return nil end
    return number(node.count) .. "/" .. ("%g"):format(node.threshold)
end

local function is_service(node) return node.kind ~= "supervisor" end

--- How long it has been up, in words; nil: it is not.
function words.uptime(node)
    local seconds = node.uptime or not is_service(node) and node.state == "running" and node.since
    return seconds and words.age(seconds) or nil
end

--- Has it a part in the tree that may be running?
function words.is_up(node)
    return node.state == "running" or node.state == "paused"
end

--- "yes", "no", or "-" when it does not run.
function words.ready(node)
    if node.ready then return "yes" end
    return (words.is_up(node) or node.state == "starting") and "no" or "-"
end

local SIZES = { "B", "K", "M", "G", "T" }

--- A size in at most four characters: "812K", "1.2G".
function words.size(bytes)
    local unit = 1
    while bytes >= 1000 and unit < #SIZES do bytes, unit = bytes / 1024, unit + 1 end
    return (bytes < 9.95 and unit > 1 and "%.1f%s" or "%.0f%s"):format(bytes, SIZES[unit])
end

--- How it last ended, in a word or two: "code 1", "KILL", "error"; nil: it has not.
function words.last(node)
    local last = node.last
    if not last or not last.reason or last.reason == "none" then return nil end
    if last.reason == "oom" then return "no memory" end
    if last.signal then return last.signal end
    if last.code then return ("code %d"):format(last.code) end
    return (last.reason:gsub("_", " "))
end

--- How it last ended, in full.
function words.last_in_full(node)
    local short = words.last(node)
    if not short then return nil end
    local last = node.last
    if last.text and last.text ~= "" then return last.text end
    if last.signal then return "killed by signal " .. last.signal end
    if last.code then return ("exit code %d"):format(last.code) end
    return short
end

-- What the deadline of a state brings.
local NEXT = {
    paused = "restarts go on", queued = "starts", delayed = "starts", stopping = "is killed",
    waiting = "is tried again", running = "must be ready", starting = "must be ready",
}

--- Is it a timer that waits for its next run?
function words.rests(node)
    return node.state == "waiting" and node.cause == "schedule"
end

--- Is it as it should be, for scripts: it runs, is done and counts as ready, or waits for its next run?
function words.is_good(node)
    return node.state == "running" or node.state == "done" and node.ready or words.rests(node)
end

--- "next run in 12m", or with its time "next run at 03:30, in 5h12m"; nil: none is to come.
function words.next_run(node)
    if not node.next_at then return nil end
    local seconds = node.next_in or 0
    local format = seconds < 300 and "" or seconds < 64800 and "%H:%M" or "%a %d %b, %H:%M"
    local at = format ~= "" and (" at %s,"):format(os.date(format, math.floor(node.next_at))) or ""
    return ("next run%s in %s"):format(at, words.duration(seconds))
end

--- What happens next by itself, and when: "starts in 3.2s"; nil: nothing is due.
function words.next(node)
    local seconds = node.resumes_in or node.next_in
    if not seconds then return nil end
    if words.rests(node) then return words.next_run(node) end
    return ("%s in %s"):format(NEXT[node.state] or "goes on", words.duration(seconds))
end

--- Why it is as it is, in a few words; nil: that says itself.
function words.why(node)
    if node.state == "running" then return nil end
    if node.state == "paused" then return "too many failures" end
    if node.stuck_on then return node.stuck_on end
    if node.state == "waiting" and node.cause == "activation" and node.sockets then
        local places = {}
        for place, socket in ipairs(node.sockets) do places[place] = socket.name .. " " .. socket.address end
        return "waits for a connection on " .. table.concat(places, ", ")
    end
    return reason.cause(node.cause, node["for"], words.last_in_full(node))
end

--- What is wrong with one that runs, by its last look; nil: nothing, or nobody looks.
function words.sickness(node)
    local health = node.health
    return health and not health.well and "not well: " .. health.reason or nil
end

--- The last column of a table: what a person would ask next.
function words.detail(node)
    local parts = {}
    if node.leaving then parts[1] = "removed" end
    if words.is_up(node) and not node.resumes_in and not node.next_in then
        parts[#parts + 1] = words.sickness(node) or node.status_text or node.description
        if node.limits_off then parts[#parts + 1] = "without " .. table.concat(node.limits_off, ", ") end
    else
        if node.state ~= "running" then parts[#parts + 1] = words.why(node) end
        parts[#parts + 1] = node.awaits
        parts[#parts + 1] = words.next(node)
    end
    return table.concat(parts, "; ")
end

--- The colour of a state; nil: none.
function words.colour(node)
    local state = node.state
    if state == "running" then return (node.ready or not is_service(node)) and "green" or "yellow" end
    if state == "failed" or state == "stuck" then return "red" end
    if state == "stopped" or state == "done" then return "dim" end
    if words.rests(node) then return "green" end
    return "yellow"
end

--- A node in half a line: "running, ready, pid 123"; "delayed: exit code 1; starts in 3s".
function words.short(node)
    if words.is_up(node) then
        local parts = { node.state, node.ready and "ready" or "not ready yet" }
        if node.pid then parts[#parts + 1] = ("pid %d"):format(node.pid) end
        local next_words = words.next(node)
        if next_words then parts[#parts + 1] = next_words end
        return table.concat(parts, ", ")
    end
    local detail = words.detail(node)
    return detail ~= "" and node.state .. ": " .. detail or node.state
end

return words
