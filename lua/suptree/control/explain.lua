--- The method explain: a node's state as a sentence, the chain of causes, what comes next, and the commands that would
-- change it. Pure but for asking the handle.
local cjson = require "cjson"
local json = require "suptree.json"
local nodes = require "suptree.control.nodes"
local reason = require "suptree.reason"

local function seconds(value)
    if value >= 3600 then return ("%dh%02dm"):format(value // 3600, value % 3600 // 60) end
    if value >= 60 then return ("%dm%02ds"):format(value // 60, value % 60) end
    return (("%.1f"):format(value):gsub("%.0$", "")) .. "s"
end

local function name_of(path) return path == "." and "the root" or path end

local function list_of(links, more)
    local names = {}
    for place, link in ipairs(links) do names[place] = ("%s (%s)"):format(name_of(link.path), link.state) end
    if more > 0 then names[#names + 1] = ("%d more"):format(more) end
    return table.concat(names, ", ")
end

-- The words for the cause of a link; `link` comes from `behind`.
local function cause_of(link, behind)
    local words = reason.link(link.state, link.cause, behind and behind.path, link.outcome)
    return words:match "^[^:]*: (.*)$"
end

-- --- what it is -----------------------------------------------------------------------------------------------------

local sentences = {}

-- What is known of its health, to be put behind a sentence.
local function health_of(node)
    local health = node.health
    if not health then return "" end
    if health.well then return ("; it was well %s ago"):format(seconds(health.looked)) end
    return ("; it is not well for %s: %s (%d in a row)"):format(seconds(health.since), health.reason,
        math.tointeger(health.failures) or health.failures)
end

local function and_why(node, words)
    return node.why and ("%s: %s"):format(words, node.why) or words
end

function sentences.running(node)
    local since = node.uptime or node.since or 0
    if node.ready then
        local lacks = node.limits_text and "; its " .. node.limits_text or ""
        return ("runs and is ready, for %s%s%s"):format(seconds(since), health_of(node), lacks)
    end
    if node.kind == "supervisor" then return "runs, but not all that is wanted below it has been ready yet" end
    if node.kind == "oneshot" then return ("runs for %s, and is not done yet"):format(seconds(since)) end
    local awaits = node.awaits and (" (%s)"):format(node.awaits) or ""
    return ("runs for %s, but is not ready yet%s"):format(seconds(since), awaits)
end

function sentences.starting(node)
    if node.kind == "supervisor" then return "is starting what is below it" end
    return "is being started"
end

function sentences.waiting(node)
    if node.cause == "schedule" then
        local last = node.last and ("; its last run: %s"):format(node.last.text) or ""
        return "waits for its next run" .. last
    end
    if #node.waits > 0 then return "is wanted, and waits for " .. list_of(node.waits, node.more) end
    return and_why(node, "is wanted, and waits")
end

function sentences.stopping(node)
    local words = and_why(node, "is stopping")
    if #node.waits > 0 then return ("%s; it waits for %s"):format(words, list_of(node.waits, node.more)) end
    return node.pid and ("%s; its process %d has not ended yet"):format(words, node.pid) or words
end

function sentences.delayed(node)
    local ended = node.last and ("ended (%s); "):format(node.last.text) or ""
    if node.cause == "resources" then return "could not be started: the system has no room for a new process" end
    return ended .. "it waits out its restart_delay"
end

function sentences.queued(node)
    local ended = node.last and ("ended (%s); "):format(node.last.text) or ""
    local pausing = node["for"] or node.path:match "^(.*)/[^/]*$" or "."
    return ("%s%s is paused after too many failures, and restarts nothing until it resumes"):format(ended,
        name_of(pausing))
end

function sentences.paused(node)
    return ("is paused after too many failures: %.2g counted just now, its threshold is %g; what runs below it runs on")
        :format(node.count, node.threshold)
end

function sentences.done(node)
    local how = node.last and node.last.text or "done"
    if node.kind == "oneshot" then
        return ("is done (%s)%s"):format(how, node.ready and ": what is after it may run" or "")
    end
    return ("ended well (%s) and is not to be restarted"):format(how)
end

function sentences.failed(node)
    local ended = node.last and ("ended (%s)"):format(node.last.text) or "failed"
    if node.cause == "limit" then return ended .. "; too many failures, so it stays down" end
    return ended .. "; it is not restarted"
end

function sentences.stuck(node)
    if node.stuck_on then return "was killed and has not ended: " .. node.stuck_on end
    return ("was killed and has not ended%s: the system holds it"):format(
        node.pid and (" (pid %d)"):format(node.pid) or "")
end

function sentences.stopped(node)
    if node.held then return "is stopped: a person stopped it, and it stays so until a person starts it" end
    if node.cause == "disabled" then return "is not started: it says enabled = false" end
    if node.cause == "finished" and node.last then
        return ("ended (%s) and is not to be restarted"):format(node.last.text)
    end
    return and_why(node, "is stopped")
end

-- --- what comes next ------------------------------------------------------------------------------------------------

local coming = {
    delayed = function(node)
        return node.cause == "resources" and "it is tried again" or "it is started again"
    end,
    paused = function() return "it resumes, and what waits below it is started" end,
    queued = function() return "its supervisor resumes, and starts it" end,
    running = function(node)
        if node.ready or not node.next_in then return nil end
        local readiness = node.kind == "oneshot" and "is done" or "gets ready"
        return ("unless it %s, it counts as a failed start"):format(readiness)
    end,
    stopping = function(node)
        return node.next_in and "it is killed" or "it is stopped when what it waits for is down"
    end,
    waiting = function(node)
        if node.cause == "schedule" then return "it runs" end
        if node.cause == "activation" then return "the next connection to one of its sockets starts it" end
        return #node.waits > 0 and "it is started as soon as what it waits for is ready" or "it is started in its turn"
    end,
}

local function next_of(node)
    local words = coming[node.state] and coming[node.state](node)
    if not words or node.state == "stopping" and node.kind ~= "supervisor" and not node.next_in then return nil end
    return { what = words, ["in"] = node.resumes_in or node.next_in }
end

-- --- what would change it -------------------------------------------------------------------------------------------

local function add(commands, verb, path) commands[#commands + 1] = ("suptree %s %s"):format(verb, path) end

local changes = {}

function changes.running(node, commands)
    if not node.ready and node.kind ~= "supervisor" then add(commands, "logs", node.path) end
    if node.path == "." then commands[#commands + 1] = "suptree shutdown" return end
    add(commands, "restart", node.path)
    add(commands, "stop", node.path)
end

changes.starting = changes.running

function changes.waiting(node, commands)
    if node.cause == "schedule" then
        if node.last then add(commands, "logs", node.path) end
        add(commands, "start", node.path)
    end
    for _, link in ipairs(node.waits) do
        if link.state == "stopped" or link.state == "failed" or link.state == "done" then
            add(commands, "start", link.path)
        else
            add(commands, "explain", link.path)
        end
    end
    add(commands, "stop", node.path)
end

function changes.stopping(node, commands)
    for _, link in ipairs(node.waits) do add(commands, "explain", link.path) end
    if node.pid then add(commands, "signal KILL", node.path) end
end

function changes.down(node, commands)
    if node.path == "." then return end
    if node.last and node.last.reason ~= "stopped" then add(commands, "logs", node.path) end
    add(commands, "start", node.path)
end

changes.failed, changes.stopped = changes.down, changes.down

function changes.done(node, commands)
    if node.kind ~= "oneshot" then return changes.down(node, commands) end
    add(commands, "logs", node.path)
    add(commands, "restart", node.path)
end

function changes.delayed(node, commands)
    changes.down(node, commands)
    add(commands, "stop", node.path)
end

changes.queued = changes.delayed

function changes.paused(node, commands)
    add(commands, "events --type failed", node.path)
    if node.path ~= "." then add(commands, "restart", node.path) end
end

local function commands_of(node)
    local commands = json.array {}
    if changes[node.state] then changes[node.state](node, commands) end
    return commands
end

-- --- the reply ------------------------------------------------------------------------------------------------------

local function because(facts)
    local links = json.array {}
    for place, link in ipairs(facts.causes) do
        links[place] = {
            path = link.path, state = link.state, cause = link.cause,
            text = reason.link(link.state, link.cause, facts.causes[place + 1] and facts.causes[place + 1].path,
                link.outcome),
        }
    end
    return links
end

local function waits_for(facts)
    local list = json.array {}
    for place, link in ipairs(facts.waits) do list[place] = { path = link.path, state = link.state } end
    return list
end

--- The reply for a node: `text` is its JSON, `facts` what the handle's explain says.
local function describe(text, facts)
    local node = cjson.decode(text)
    node.waits, node.more = facts.waits, facts.more
    node.why = facts.causes[1] and cause_of(facts.causes[1], facts.causes[2])
    local sentence = sentences[node.state] and sentences[node.state](node) or node.state
    local rest = {
        reason = sentence, because = because(facts), waits_for = waits_for(facts), commands = commands_of(node),
        ["next"] = next_of(node),
    }
    return ('{"node":%s,%s'):format(text, json.encode(rest):sub(2))
end

return function(call, given)
    local tokens = nodes.select(call, { given.path }, "each")
    if not tokens then return end
    if #tokens ~= 1 then
        return call:fail("invalid", ("%s: %d nodes are meant; name one of them, such as %s"):format(given.path, #tokens,
            tokens[1] and call.handle:path(tokens[1]) or "."))
    end
    local text, facts = call.handle:node(tokens[1]), call.handle:explain(tokens[1])
    if not text or not facts then return call:fail("not_found", "it is not there any more", { path = given.path }) end
    call:reply(describe(text, facts))
end
