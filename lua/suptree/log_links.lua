--- Whose input the output of a process is: log = { to = … } over a whole declaration, before it is encoded. The one
-- who reads is marked, and where both are siblings the one who writes comes after it.
local text = require "suptree.text"

local log_links = {}

local HINT = 'Name a sibling, or write the path of a process from the root, such as "loggers/web".'

local function wanted(node)
    local log = node.kind == "process" and node.options.log
    local to = type(log) == "table" and log.to
    return type(to) == "string" and to ~= "" and to or nil
end

local function child_of(node, name)
    for _, child in ipairs(node.children) do if child.name == name then return child end end
end

local function find(root, node, to)
    local sibling = node.parent and child_of(node.parent, to)
    if sibling then return sibling end
    local found = root
    for name in to:gmatch "[^/]+" do
        found = found and child_of(found, name)
    end
    return found ~= root and found or nil
end

local function each(node, path, visit)
    visit(node, path)
    for _, child in ipairs(node.children) do
        each(child, (path and path .. "/" or "") .. tostring(child.name), visit)
    end
end

-- The paths and the names of siblings that might have been meant.
local function processes(root, node)
    local names = {}
    each(root, nil, function(other, path)
        if other.kind ~= "process" or other == node then return end
        names[#names + 1] = path
        if other.parent == node.parent then names[#names + 1] = other.name end
    end)
    return names
end

local function resolve(root, node, to, is_whole, fail)
    local reader = find(root, node, to)
    if not reader then
        if is_whole then
            fail(node, ".log.to", ("there is no service %s%s"):format(text.quote(to),
                text.did_you_mean(to, processes(root, node))), HINT)
        end
    elseif reader == node then
        fail(node, ".log.to", "names the service itself", HINT)
    elseif reader.kind ~= "process" then
        fail(node, ".log.to", ("names a %s; only a process can read the output of others"):format(reader.kind), HINT)
    elseif reader.options.replicas ~= nil then
        fail(node, ".log.to", "names what has replicas; only one process can read it", HINT)
    else
        return reader
    end
end

-- "a -> b -> a", when the way from `node` comes back to it.
local function circle(node)
    local names, at, steps = { node.name }, node.reader, {}
    while at and not steps[at] do
        steps[at] = true
        names[#names + 1] = at.name
        if at == node then return table.concat(names, " -> ") end
        at = at.reader
    end
end

--- Link the processes below `root`. `is_whole`: nothing beyond it can be meant. `fail` notes a fault, as in rules.
-- Who reads gets `is_reader`; who writes gets `reader`, and `after_too`, the name of a sibling that reads.
function log_links.link(root, is_whole, fail)
    local writers = {}
    each(root, nil, function(node)
        local to = wanted(node)
        node.reader = to and resolve(root, node, to, is_whole, fail) or nil
        if node.reader then writers[#writers + 1] = node end
    end)
    for _, node in ipairs(writers) do
        local chain = circle(node)
        if chain then
            fail(node, ".log.to", "goes in a circle: " .. chain, "Let one of them write to a file.")
        else
            node.reader.is_reader = true
            if node.reader.parent == node.parent then node.after_too = node.reader.name end
        end
    end
end

return log_links
