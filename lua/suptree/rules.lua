--- What the options of one node, and the children of one supervisor, may not say of each other. The reader of blobs
-- checks the same; here it is said of all nodes at once, each with its line.
local text = require "suptree.text"

local rules = {}

local MAX_NAME = 128

-- A faulty value counts as not written: its own fault has been noted.
local function written(node, name)
    if node.good[name] then return node.options[name] end
    return nil
end

local function check_meter(node, fail)
    if node.options.intensity ~= nil and node.options.failure_threshold ~= nil then
        fail(node, ".intensity", "cannot stand beside failure_threshold: a window replaces the meter",
            "Take one of the two out.")
    end
    if node.options.intensity == nil and node.options.period ~= nil then
        fail(node, ".period", "means nothing without intensity", "Add intensity, or take period out.")
    end
    local pauses = written(node, "max_pauses")
    if pauses and pauses > 0 and node.options.within == nil then
        fail(node, ".max_pauses", "needs the time within which pauses count", 'Add within, such as within = "1h".')
    end
    if (node.options.max_pauses == nil or pauses == 0) and node.options.within ~= nil then
        fail(node, ".within", "means nothing without max_pauses", "Add max_pauses, or take within out.")
    end
end

-- How many of it are declared; nil: it is one, and has its own name.
local function replica_count(node)
    return written(node, "replicas")
end

local function check_children_count(node, fail)
    local most, count = written(node, "max_children"), 0
    for _, child in ipairs(node.children) do count = count + (replica_count(child) or 1) end
    if most and most > 0 and count > most then
        fail(node, ".max_children", ("is %d, but %d children are declared"):format(most, count),
            "Raise it, or declare fewer children.")
    end
end

local function check_as_child(node, parent, fail)
    if written(node, "significant") then
        local restart = node.options.restart == nil and "permanent" or written(node, "restart")
        if restart == "permanent" and not node.role then
            fail(node, ".significant", "needs a node that may end for good, but this one is permanent",
                'Add restart = "transient" or restart = "temporary".')
        end
        local shutdown = parent and (parent.options.auto_shutdown or "never")
        if shutdown == "never" then
            fail(node, ".significant", 'means nothing: its supervisor has auto_shutdown = "never"',
                'Add auto_shutdown = "any_significant" (or "all_significant") to the supervisor.')
        end
    end
    if parent and node.options.control_group ~= nil then
        fail(node, ".control_group", "belongs to the root: a tree has one control socket", "Write it there.")
    end
    if written(node, "formerly") == node.name and node.name ~= nil then
        fail(node, ".formerly", "is the name that the node has now", "Write the old name, or take it out.")
    end
end

local function check_exit_codes(node, fail)
    local done = {}
    for _, code in ipairs(written(node, "done_exit") or {}) do done[code] = true end
    for _, code in ipairs(written(node, "terminate_exit") or {}) do
        if done[code] then
            fail(node, ".terminate_exit", ("has exit code %d, which done_exit has too"):format(code),
                "Leave the code in one of the two.")
        end
    end
end

-- Conditions that need more than that the service runs.
local function check_ready(node, fail)
    local value = written(node, "ready")
    local kind, log = value and value.kind, written(node, "log")
    if node.kind == "thread" and (kind == "notify" or kind == "fd") then
        fail(node, ".ready", ("is s.ready.%s, which only a process can say"):format(kind),
            "Write s.ready.manual() and call ctx:ready().")
    elseif kind == "log" and (log == false or log == "inherit" or type(log) == "table" and log.to ~= nil) then
        fail(node, ".ready", "is s.ready.log, but nobody here reads the output of this process",
            "Let suptree keep its output: take log out, or write log = { file = PATH }.")
    end
end

local function check_timer(node, fail)
    if node.options.every == nil and node.options.at == nil then
        fail(node, "", "does not say when it runs", 'Add every = "1h", or at = "30 3 * * *".')
    elseif node.options.every ~= nil and node.options.at ~= nil then
        fail(node, ".every", "cannot stand beside at: each says when it runs", "Take one of the two out.")
    end
end

-- What is expected to end.
local function check_oneshot(node, fail)
    if written(node, "restart") == "permanent" then
        fail(node, ".restart", 'cannot be "permanent": it is expected to end',
            'Write "transient" (again after a failure) or "temporary".')
    end
end

local function check_activation(node, fail)
    if not written(node, "activation") then return end
    if node.options.sockets == nil then
        fail(node, ".activation", "means nothing without sockets", "Add sockets, such as sockets = { http = 8080 }.")
    end
    if written(node, "restart") == "temporary" then
        fail(node, ".activation", "cannot be of a node that leaves the tree when it has ended",
            'Take restart = "temporary" out.')
    end
    if node.options.replicas ~= nil then
        fail(node, ".activation", "cannot stand beside replicas: one connection would start all",
            "Take one of the two out.")
    end
end

--- The rules of one node; `parent` is nil for the root.
function rules.check_node(node, parent, fail)
    if node.kind == "supervisor" then
        check_meter(node, fail)
        check_children_count(node, fail)
    elseif node.kind == "process" then
        check_exit_codes(node, fail)
        check_activation(node, fail)
    end
    if node.kind ~= "supervisor" then check_ready(node, fail) end
    if node.role then check_oneshot(node, fail) end
    if node.role == "timer" then check_timer(node, fail) end
    check_as_child(node, parent, fail)
end

-- --- siblings ------------------------------------------------------------------------------------------------------

local function check_names(siblings, fail)
    local by_name = {}
    for _, node in ipairs(siblings) do
        local other = node.name and by_name[node.name]
        if other then
            fail(node, "", ("the name %s is taken by a sibling at %s"):format(text.quote(node.name), other.place),
                "Give one of them another name.")
        elseif node.name then
            by_name[node.name] = node
        end
    end
    return by_name
end

-- The node that has a replica called `name`, or nil.
local function find_replicated(by_name, name)
    local group, number = name:match "^(.+)@([1-9]%d*)$"
    local node = group and by_name[group]
    local count = node and replica_count(node)
    return count and tonumber(number) <= count and node or nil
end

-- The node that is called `name`, or that has a replica of this name.
local function find(by_name, name)
    return by_name[name] or find_replicated(by_name, name)
end

-- Nobody else may be called as a replica is.
local function check_replica_names(siblings, by_name, fail)
    for _, node in ipairs(siblings) do
        local name = node.name
        local other = name and find_replicated(by_name, name)
        if other then
            fail(node, "", ("the name %s is taken by a replica of %s at %s"):format(text.quote(name),
                text.quote(other.name), other.place),
                ("Give it another name, or take fewer than its number as replicas of %s."):format(other.name))
        end
        if replica_count(node) and name and #name + 6 > MAX_NAME then
            fail(node, "", ("the name %s is too long for replicas"):format(text.quote(name)), "Make it shorter.")
        end
    end
end

-- What a node was called, as reloads look for it: the first replica goes on with what bore the name of all.
local function old_name_of(node)
    return written(node, "formerly") or replica_count(node) and node.name
end

local function check_old_names(siblings, fail)
    local by_old_name = {}
    for _, node in ipairs(siblings) do
        local old = old_name_of(node)
        local other = old and by_old_name[old]
        if other then
            local reason = "%s is the old name of the sibling at %s too"
            fail(node, ".formerly", reason:format(text.quote(old), other.place),
                "A node can become one node only: leave it at one of them.")
        elseif old then
            by_old_name[old] = node
        end
    end
end

local function check_list(node, option, by_name, fail)
    for _, name in ipairs(written(node, option) or {}) do
        local other = find(by_name, name)
        if other == node then
            fail(node, "." .. option, "names the node itself", "Take it out of the list.")
        elseif not other then
            fail(node, "." .. option, ("there is no sibling %s%s"):format(
                text.quote(name), text.did_you_mean(name, text.sorted_keys(by_name))),
                "Name siblings: children of the same supervisor.")
        end
    end
end

-- What `node` is after, the sibling that reads its output included.
local function needs(node)
    local names = { table.unpack(written(node, "after") or {}) }
    names[#names + 1] = node.after_too
    return names
end

-- Walks along `after` from `node`; `way` is the list of nodes on the way, `state` what is known of each.
local function walk(node, by_name, state, way, fail)
    state[node] = "open"
    way[#way + 1] = node
    for _, name in ipairs(needs(node)) do
        local other = find(by_name, name)
        if other and other ~= node then
            if not state[other] then
                walk(other, by_name, state, way, fail)
            elseif state[other] == "open" then
                local chain, inside, is_implied = {}, false, false
                for _, step in ipairs(way) do
                    inside = inside or step == other
                    if inside then chain[#chain + 1] = step.name end
                    is_implied = is_implied or inside and step.after_too ~= nil
                end
                chain[#chain + 1] = other.name
                fail(other, ".after", "goes in a circle: " .. table.concat(chain, " -> "),
                    "Take one of these names out of its `after`."
                    .. (is_implied and " Who writes to a sibling by log.to comes after it." or ""))
            end
        end
    end
    way[#way] = nil
    state[node] = "done"
end

--- The rules among the children of one supervisor.
function rules.check_siblings(siblings, fail)
    local by_name = check_names(siblings, fail)
    check_replica_names(siblings, by_name, fail)
    check_old_names(siblings, fail)
    for _, node in ipairs(siblings) do
        check_list(node, "after", by_name, fail)
        check_list(node, "restart_with", by_name, fail)
    end
    local state = {}
    for _, node in ipairs(siblings) do
        if not state[node] and by_name[node.name] == node then walk(node, by_name, state, {}, fail) end
    end
end

return rules
