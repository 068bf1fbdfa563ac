--- A journal played again by the real core: what happened since its snapshot, and how the tree stood at the end.
-- Knows bytes alone: not where a journal comes from, nor how a result is shown.
local core = require "suptree.core"
local sim = require "suptree.sim"

local MAGIC, HEADER_SIZE = "SPLJ", 64

local replay = {}

-- When the last of all states began, in ns: the best that a tree without inputs knows of the time.
local function newest_change(tree)
    local newest, node = 0, tree:next()
    while node do
        newest = math.max(newest, tree:status(node, 0).since_ns)
        node = tree:next(node)
    end
    return newest
end

local function shift(record, names, origin)
    for _, name in ipairs(names) do record[name] = record[name] and record[name] - origin end
end

local function states(looked, origin)
    local list = {}
    for place, path in ipairs(looked:paths()) do
        list[place] = looked:state(path)
        shift(list[place], { "since", "next_at" }, origin)
    end
    return list
end

--- Plays the bytes of a journal: { name, inputs, seconds, events, nodes, ended }. Times are seconds from the first
-- input on; what began before it has times below 0. `nodes` are as `sim:state` gives them, in order; `ended` is the
-- exit code of a tree that has ended. Nil and what is wrong with it, to be said after its name: "is truncated".
function replay.run(bytes)
    if #bytes < HEADER_SIZE and bytes:sub(1, #MAGIC) ~= MAGIC then return nil, "is not a journal of suptree" end
    local tree, log = core.replay(bytes)
    if not tree then return nil, log end
    if log.inputs == 0 then
        log.first_ns = newest_change(tree)
        log.last_ns = log.first_ns
    end
    local origin = log.first_ns / 1e9
    for _, event in ipairs(log.events) do shift(event, { "time", "until" }, origin) end
    local looked = sim.look(tree, log.last_ns)
    return {
        name = looked:state(".").name, inputs = log.inputs, seconds = (log.last_ns - log.first_ns) / 1e9,
        events = log.events, nodes = states(looked, origin), ended = looked:ended(),
    }
end

return replay
