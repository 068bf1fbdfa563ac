--- What the console gives back: nodes and replies, which know how they are shown to a person, and as plain data.
local status = require "suptree.render.status"
local terminal = require "suptree.render.terminal"
local words = require "suptree.render.words"

local values = {}

-- --- replies --------------------------------------------------------------------------------------------------------

--- A table of plain data that shows itself by `lines(data)`: texts.
function values.shown(data, lines)
    return setmetatable(data, {
        __tostring = function(self) return table.concat(lines(self), "\n") end,
        plain = function(self) return self end,
    })
end

-- --- nodes ----------------------------------------------------------------------------------------------------------

local Node = {}
local PATH, SESSION = {}, {}

--- Is `value` a node?
function values.is_node(value) return type(value) == "table" and getmetatable(value) == Node end

--- The path of a node, or a text as it is.
function values.path(value)
    if values.is_node(value) then return rawget(value, PATH) end
    return value
end

local function fetch(node)
    local session, path = rawget(node, SESSION), rawget(node, PATH)
    local services = session.call("status", { paths = { path } }).services
    local group = session.group(path)
    local data = services[1]
    if group then data = { path = path, kind = "replicas", declared = group.declared, count = #services } end
    for key, value in pairs(data or {}) do data[key] = math.type(value) and math.tointeger(value) or value end
    return data
end

local function below(path, name) return path == "." and name or path .. "/" .. name end

--- The names of the children of a node of that path, as they stand in `nodes` (of a reply to status).
function values.children(nodes, path)
    local names, prefix = {}, path == "." and "" or path .. "/"
    for _, node in ipairs(nodes) do
        local name = node.path ~= "." and node.path:sub(1, #prefix) == prefix and node.path:sub(#prefix + 1)
        if name and name ~= "" and not name:find "/" then names[#names + 1] = name end
    end
    return names
end

--- What may be called on a node, by name; each gets the node and what was given.
values.methods = {}

--- The node `path` of a session.
function values.node(session, path)
    return setmetatable({ [SESSION] = session, [PATH] = path }, Node)
end

function Node.__index(node, key)
    local session, path = rawget(node, SESSION), rawget(node, PATH)
    if values.methods[key] then
        return function(_, ...) return session.scope[values.methods[key]](node, ...) end
    end
    if math.type(key) == "integer" and session.group(path) then
        local replica = ("%s@%d"):format(path, key)
        return session.has(replica) and values.node(session, replica) or nil
    end
    if type(key) ~= "string" then return nil end
    if session.has(below(path, key)) then return values.node(session, below(path, key)) end
    local data = fetch(node)
    return data and data[key]
end

function Node.__newindex(_, key)
    error(("%s cannot be set here; change the configuration and reload()"):format(tostring(key)), 2)
end

function Node.__tostring(node)
    local data = fetch(node)
    local name = rawget(node, PATH)
    if not data then return name .. ": not there any more" end
    if data.kind == "replicas" then
        local lines = { ("%s: %d replicas"):format(name, data.count) }
        for _, replica in pairs(node) do lines[#lines + 1] = "  " .. tostring(replica) end
        return table.concat(lines, "\n")
    end
    return ("%s: %s, %s"):format(name, data.kind, terminal.printable(words.short(data)))
end

-- The nodes of what is several of the same.
local function replicas_of(session, path)
    local list = {}
    for _, node in ipairs(session.nodes()) do
        if node.replica_of == path then list[#list + 1] = { node.name, values.node(session, node.path) } end
    end
    return list
end

--- for name, child in pairs(node): its children; or its replicas.
function Node.__pairs(node)
    local session, path = rawget(node, SESSION), rawget(node, PATH)
    local list, place = session.group(path) and replicas_of(session, path) or {}, 0
    for _, name in ipairs(values.children(session.nodes(), path)) do
        list[#list + 1] = { name, values.node(session, below(path, name)) }
    end
    return function()
        place = place + 1
        if list[place] then return list[place][1], list[place][2] end
    end
end

Node.plain = fetch

-- --- showing --------------------------------------------------------------------------------------------------------

local function load_inspect()
    local found, inspect = pcall(require, "inspect")
    if found then return inspect end
    -- Debian's lua-inspect is pure Lua in the folder of an older one.
    for _, version in ipairs { "5.4", "5.3" } do
        local chunk = loadfile(("/usr/share/lua/%s/inspect.lua"):format(version), "t")
        if chunk then return chunk() end
    end
    return tostring
end

local inspect

-- Replies and nodes inside of other tables are shown as they show themselves.
local function as_text(item)
    local metatable = type(item) == "table" and getmetatable(item)
    if metatable and metatable.__tostring then return tostring(item) end
    return item
end

--- A value for a person. `bare`: a text as it is, without quotes.
function values.show(value, bare)
    if type(value) == "string" and bare then return value end
    local shown = as_text(value)
    if shown ~= value then return shown end
    inspect = inspect or load_inspect()
    return type(inspect) == "function" and inspect(value) or inspect.inspect(value, { process = as_text })
end

-- Plain data for JSON: lists marked, what has no counterpart as its text.
local function plain(value, json, seen)
    local metatable = type(value) == "table" and getmetatable(value)
    if metatable and metatable.plain then value = metatable.plain(value) end
    if type(value) == "table" then
        if seen[value] then error("the value contains itself, which JSON cannot say", 0) end
        seen[value] = true
        local copy = {}
        if #value > 0 or next(value) == nil then
            for place, item in ipairs(value) do copy[place] = plain(item, json, seen) end
            copy = json.array(copy)
        else
            for key, item in pairs(value) do copy[tostring(key)] = plain(item, json, seen) end
        end
        seen[value] = nil
        return copy
    end
    if type(value) == "function" or type(value) == "userdata" or type(value) == "thread" then return tostring(value) end
    return value
end

--- A value as JSON.
function values.json(value)
    local json = require "suptree.json"
    return json.encode(plain(value, json, {}))
end

--- A reply to status as a table of lines.
function values.listing(reply, facts)
    return values.shown(reply.services, function(nodes) return status.table(nodes, facts) end)
end

return values
