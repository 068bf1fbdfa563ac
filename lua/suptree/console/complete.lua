--- The words that may stand where the cursor is. Looks at tables and at the tree as it is; calls nothing of a person's.
local values = require "suptree.console.values"

local FIELDS = { "cause", "generation", "kind", "name", "next_in", "path", "pid", "ready", "restarts", "state",
    "uptime", "wanted" }

local function add(words, word, prefix, before)
    if type(word) == "string" and word:sub(1, #prefix) == prefix and word:find "^[%a_][%w_]*$" then
        words[#words + 1] = before .. word
    end
end

local function complete_node(words, session, path, prefix, before, is_call)
    if not is_call then
        for _, list in ipairs { session.nodes(), session.groups() } do
            for _, name in ipairs(values.children(list, path)) do add(words, name, prefix, before) end
        end
        for _, name in ipairs(FIELDS) do add(words, name, prefix, before) end
    end
    for name in pairs(values.methods) do add(words, name, prefix, before) end
end

local function complete_name(words, session, environment, prefix)
    for _, names in ipairs { environment, session.scope, _G } do
        for name in next, names do add(words, name, prefix, "") end
    end
    for _, list in ipairs { session.nodes(), session.groups() } do
        for _, name in ipairs(values.children(list, ".")) do add(words, name, prefix, "") end
    end
end

-- The value of a chain such as "workers.mailer", or nil: fields of plain tables, and nodes.
local function resolve(session, environment, chain)
    local value, path
    for name in chain:gmatch "[%a_][%w_]*" do
        if path then
            path = path == "." and name or path .. "/" .. name
            if not session.has(path) then return nil end
        elseif value == nil then
            value = rawget(environment, name)
            if value == nil then value = session.scope[name] end
            if value == nil then value = rawget(_G, name) end
            if value == nil and session.has(name) then path = name end
        else
            value = type(value) == "table" and not getmetatable(value) and rawget(value, name) or nil
        end
        if values.is_node(value) then path, value = values.path(value), nil end
        if value == nil and not path then return nil end
    end
    return value, path
end

--- The words that may replace bytes `first` to `last` of `line`.
return function(session, environment, line, first, last)
    local words, seen, list = {}, {}, {}
    local word = line:sub(first, last)
    local chain, sign, prefix = word:match "^(.-)([.:])([%w_]*)$"
    if not chain then
        complete_name(words, session, environment, word)
    else
        local value, path = resolve(session, environment, chain)
        local before = chain .. sign
        if path then
            complete_node(words, session, path, prefix, before, sign == ":")
        elseif type(value) == "table" and not getmetatable(value) then
            for name in next, value do add(words, name, prefix, before) end
        end
    end
    table.sort(words)
    for _, one in ipairs(words) do
        if not seen[one] then list[#list + 1], seen[one] = one, true end
    end
    return list
end
