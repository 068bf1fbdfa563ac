--- A neutral description of services as the text of a supervise.lua, with a comment for each thing that could not be
-- taken over.
--
-- A service: { name, kind = "process", options = { name = value, … }, from = "web (line 3)", remarks = { … } }.
-- A value may be a text, a number, a boolean, a list, a map, or writer.code "s.ready.tcp(80)".
local options = require "suptree.options"
local ready = require "suptree.ready"

local writer = {}

local WIDTH = 100

-- In this order they are written; others follow by name.
local ORDER = { "description", "command", "every", "at", "cwd", "env", "env_file", "user", "group", "after", "ready",
    "restart", "restart_delay", "enabled" }

local Code = {}

--- A value that stands in the file as it is.
function writer.code(source)
    return setmetatable({ source = source }, Code)
end

--- A readiness condition, if this suptree has that kind.
function writer.ready(kind, argument)
    return { ready_kind = kind, argument = argument }
end

local function quote(value)
    return '"' .. value:gsub('[%c"\\\127]', function(c)
        if c == '"' or c == "\\" then return "\\" .. c end
        return ({ ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r" })[c] or ("\\%03d"):format(c:byte())
    end) .. '"'
end

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
    until while]]):gmatch "%a+" do KEYWORDS[word] = true end

local function key_text(key)
    if type(key) == "string" and key:find "^[%a_][%w_]*$" and not KEYWORDS[key] then return key end
    return ("[%s]"):format(type(key) == "string" and quote(key) or tostring(key))
end

local function sorted_keys(map)
    local keys = {}
    for key in pairs(map) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    return keys
end

local value_text

local function table_text(value, indent)
    local items = {}
    if #value > 0 then
        for place, item in ipairs(value) do items[place] = value_text(item, indent .. "    ") end
    else
        for _, key in ipairs(sorted_keys(value)) do
            items[#items + 1] = ("%s = %s"):format(key_text(key), value_text(value[key], indent .. "    "))
        end
    end
    local line = "{ " .. table.concat(items, ", ") .. " }"
    if #items == 0 then return "{}" end
    if #line + #indent <= WIDTH - 20 and not line:find "\n" then return line end
    local lines = {}
    for place, item in ipairs(items) do lines[place] = indent .. "    " .. item .. "," end
    return "{\n" .. table.concat(lines, "\n") .. "\n" .. indent .. "}"
end

function value_text(value, indent)
    if getmetatable(value) == Code then return value.source end
    if type(value) == "table" then
        if value.ready_kind then
            local argument = value.argument
            return ("s.ready.%s(%s)"):format(value.ready_kind, argument == nil and "" or value_text(argument, indent))
        end
        return table_text(value, indent)
    end
    if type(value) == "string" then return quote(value) end
    if type(value) == "number" then return ("%.14g"):format(value) end
    return tostring(value)
end

-- Can this suptree use it?
local function is_known(service, name, value)
    if not options.rows[name] or not options.applies(name, service.kind or "process", false) then return false end
    return type(value) ~= "table" or not value.ready_kind or ready.is_driven(value.ready_kind)
end

local function ordered_names(map)
    local names, seen = {}, {}
    for _, name in ipairs(ORDER) do
        if map[name] ~= nil then names[#names + 1], seen[name] = name, true end
    end
    for _, name in ipairs(sorted_keys(map)) do if not seen[name] then names[#names + 1] = name end end
    return names
end

-- A text as comment lines.
local function comment(lines, indent, words)
    for line in (words .. "\n"):gmatch "([^\n]*)\n" do
        lines[#lines + 1] = (indent .. "-- " .. line:gsub("%c", " ")):gsub("%s+$", "")
    end
end

local function write_service(lines, service)
    local indent, inside = "    ", "        "
    if service.from then comment(lines, indent, service.from) end
    lines[#lines + 1] = ("%ss.%s %s {"):format(indent, service.kind or "process", quote(service.name))
    for _, name in ipairs(ordered_names(service.options)) do
        local value = service.options[name]
        local line = ("%s = %s"):format(name, value_text(value, inside))
        if is_known(service, name, value) then
            lines[#lines + 1] = inside .. line .. ","
        else
            comment(lines, inside, "not taken over, this suptree has no such option: " .. line:gsub("%s*\n%s*", " "))
        end
    end
    for _, remark in ipairs(service.remarks or {}) do comment(lines, inside, remark) end
    lines[#lines + 1] = indent .. "},"
end

-- Siblings need different names.
local function make_unique(services)
    local taken = {}
    for _, service in ipairs(services) do
        local name, number = service.name, 2
        while taken[name] do
            name, number = ("%s-%d"):format(service.name, number), number + 1
        end
        taken[name], service.name = true, name
    end
end

-- `after` may name what is there.
local function check_after(services)
    local there = {}
    for _, service in ipairs(services) do there[service.name] = true end
    for _, service in ipairs(services) do
        local kept = {}
        for _, name in ipairs(service.options.after or {}) do
            if there[name] and name ~= service.name then kept[#kept + 1] = name
            else
                service.remarks = service.remarks or {}
                table.insert(service.remarks, ("not taken over: it starts after %s, which is not here"):format(name))
            end
        end
        service.options.after = kept[1] and kept or nil
    end
end

--- `service` is something that ends: of what it said, what means nothing then is left out.
function writer.make_ending(service, kind)
    local said = service.options
    service.kind, service.remarks = kind, service.remarks or {}
    if said.restart == nil then
        said.restart = kind == "oneshot" and "temporary" or nil
        table.insert(service.remarks,
            'to be looked at: it was to be restarted always; restart = "transient" tries again after a failure')
    elseif kind == "timer" and said.restart == "temporary" or kind == "oneshot" and said.restart == "transient" then
        said.restart = nil -- the default
    end
    if said.ready then table.insert(service.remarks, "not taken over: its readiness; it is ready when it is done") end
    said.ready = nil
end

--- The text of a configuration. `tree`: { name, from, services, remarks, options }.
function writer.write(tree)
    make_unique(tree.services)
    check_after(tree.services)
    local lines = {}
    comment(lines, "", ("Made from %s by \"suptree import\". Read the comments: they say what could not be taken over.")
        :format(tree.from))
    for _, remark in ipairs(tree.remarks or {}) do comment(lines, "", remark) end
    lines[#lines + 1] = 'local s = require "suptree"'
    lines[#lines + 1] = ""
    lines[#lines + 1] = ("return s.supervisor %s {"):format(quote(tree.name))
    for _, name in ipairs(ordered_names(tree.options or {})) do
        lines[#lines + 1] = ("    %s = %s,"):format(name, value_text(tree.options[name], "    "))
    end
    for place, service in ipairs(tree.services) do
        if place > 1 or next(tree.options or {}) then lines[#lines + 1] = "" end
        write_service(lines, service)
    end
    lines[#lines + 1] = "}"
    return table.concat(lines, "\n") .. "\n"
end

return writer
