--- The names that stand in the console: what looks, what changes, and every service by its name.
local plan = require "suptree.render.plan"
local explain = require "suptree.render.explain"
local terminal = require "suptree.render.terminal"
local values = require "suptree.console.values"
local words = require "suptree.render.words"

local scope = {}

local HELP = [[
Every service stands here by its name: web, workers.mailer, tree["my-db"]; tree is the root.
  web.state  web.pid  web.uptime …    how it is now                for name, child in pairs(workers) do … end
  web:restart()  web:explain()        the functions below, of one node
To look:
  ps([pattern …])          a table                       explain(x)       why it is so, and what comes next
  logs(x [, lines])        its last output               events([count])  what has happened lately
  follow(x …)  watch(x …)  output, or events, as they come; unfollow() ends that
  plan()                   what a reload would change    wait(x, "ready" [, seconds])
To change (with --write):
  start(x …)  stop(x …)  restart(x …)  signal(x, "HUP")  reload()  rollback()  shutdown()
  rolling(x …)             restart one after another      scale(x, 5)      so many replicas
_ is the last value; an expression shows its value, a statement needs no more. Ctrl-C cuts what runs, Ctrl-D ends.]]

-- Nodes, texts, or lists of them as paths; at least one.
local function paths_of(function_name, ...)
    local list = {}
    for place = 1, select("#", ...) do
        local value = select(place, ...)
        local path = values.path(value)
        if type(path) == "table" then
            for _, one in ipairs(path) do list[#list + 1] = values.path(one) end
        elseif type(path) == "string" then
            list[#list + 1] = path
        else
            error(("%s takes services or their names, not %s"):format(function_name, type(value)), 0)
        end
    end
    return list
end

local function some_paths(function_name, ...)
    local list = paths_of(function_name, ...)
    if not list[1] then error(("%s needs a service, as in %s(web)"):format(function_name, function_name), 0) end
    return list
end

local function result_lines(results)
    local lines = {}
    for place, result in ipairs(results) do
        local said = result.message
        if not said or said == "" then said = result.node and words.short(result.node) or result.status end
        lines[place] = ("%s: %s"):format(result.path, terminal.printable(said))
    end
    return lines
end

local function log_lines(reply)
    local lines, alone = {}, true
    for _, line in ipairs(reply) do alone = alone and line.path == reply[1].path end
    for place, line in ipairs(reply) do
        local text = terminal.printable(line.text or "")
        lines[place] = alone and text or ("%s | %s"):format(line.path, text)
    end
    return lines
end

--- One event as a line.
function scope.event_line(event)
    local timeline = require "suptree.timeline"
    return ("%s  %s  %s"):format(os.date("%H:%M:%S", math.floor(event.time)), event.path,
        terminal.printable((timeline.words(event))))
end

local function plan_lines(result)
    local lines = {}
    for place, line in ipairs(plan.lines(result)) do lines[place] = terminal.printable(line.words) end
    return lines
end

-- What is said of a reload when it is over.
local function reload_lines(reply)
    local lines = reply.plan and plan_lines(reply.plan) or {}
    lines[#lines + 1] = reply.message or reply.outcome
    return lines
end

local function add_looking(names, session)
    local call = session.call
    function names.ps(...)
        local paths = paths_of("ps", ...)
        local reply = call("status", paths[1] and { paths = paths, below = true } or nil)
        return values.listing(reply, session.facts)
    end
    function names.explain(node)
        local reply = call("explain", { path = some_paths("explain", node)[1] })
        return values.shown(reply, function(data) return explain.lines(data, session.facts) end)
    end
    function names.logs(node, lines)
        local reply = call("logs", { paths = node ~= nil and some_paths("logs", node) or nil, lines = lines or 20 })
        return values.shown(reply.lines or {}, log_lines)
    end
    function names.events(count)
        local reply = call("events", { last = count or 20 })
        return values.shown(reply.events or {}, function(events)
            local lines = {}
            for place, event in ipairs(events) do lines[place] = scope.event_line(event) end
            return lines
        end)
    end
    function names.plan() return values.shown(call "plan", plan_lines) end
    function names.wait(node, state, seconds)
        local reply = call("wait", { paths = some_paths("wait", node), state = state, timeout = seconds })
        return values.shown(reply.results, result_lines)
    end
    function names.follow(...)
        session.open("logs", { paths = some_paths("follow", ...), follow = true, lines = 0 })
    end
    function names.watch(...)
        local paths = paths_of("watch", ...)
        session.open("events", { paths = paths[1] and paths or nil, follow = true, last = 0 })
    end
    function names.unfollow() session.close_streams() end
end

-- Names that change something: refused with a reason where the console may only look.
local function add_changing(names, session)
    local function change(name, make)
        names[name] = function(...)
            if not session.may_write then
                error(name .. " changes the tree, and this console only looks; start it with --write", 0)
            end
            return make(...)
        end
    end
    local function change_nodes(name)
        change(name, function(...)
            local reply = session.call(name, { paths = some_paths(name, ...) })
            return values.shown(reply.results, result_lines)
        end)
    end
    change_nodes "start"
    change_nodes "stop"
    change_nodes "restart"
    change("scale", function(node, count)
        if math.type(count) ~= "integer" then error("scale needs a number, as in scale(web, 5)", 0) end
        local path = some_paths("scale", node)[1]
        local reply = session.call("scale", { replicas = { [path] = count } })
        return values.shown(reply.results, result_lines)
    end)
    change("rolling", function(...)
        local reply = session.call("restart", { paths = some_paths("rolling", ...), rolling = true })
        return values.shown(reply.results, result_lines)
    end)
    change("signal", function(node, signal)
        local reply = session.call("signal", { paths = some_paths("signal", node), signal = tostring(signal) })
        return values.shown(reply.results, result_lines)
    end)
    change("reload", function() return values.shown(session.call "reload", reload_lines) end)
    change("rollback", function() return values.shown(session.call "rollback", reload_lines) end)
    change("shutdown", function() session.call("shutdown", { wait = false }) end)
end

-- What looks at, or changes, one node can be said of it: web:restart().
for _, name in ipairs {
    "explain", "follow", "logs", "restart", "rolling", "scale", "signal", "start", "stop", "wait", "watch",
} do
    values.methods[name] = name
end

--- The environment of what is typed. `session`: call(method, params), open(method, params), close_streams(), has(path),
-- nodes(), may_write, facts.
function scope.new(session)
    local names = {}
    session.scope = names
    add_looking(names, session)
    add_changing(names, session)
    names.tree = values.node(session, ".")
    function names.help() print(HELP) end
    function names.quit() session.is_over = true end
    -- What is set stays; then our names, Lua's own, and services. A name of ours hides a service: tree.ps is that.
    return setmetatable({}, { __index = function(_, name)
        local value = names[name]
        if value == nil then value = _G[name] end
        if value ~= nil or type(name) ~= "string" then return value end
        return session.has(name) and values.node(session, name) or nil
    end })
end

--- What is told of how to use it.
scope.help = HELP

return scope
