--- Several of the same service: what is declared once, with `replicas = 3`, becomes the siblings web@1, web@2, web@3.
-- Made of records as form.encode takes them, after everything that people wrote has been checked. What was declared
-- stays beside what became of it, in the root of the blob: so a running tree can be scaled without its file.
--
-- A template: { records = what was declared, scaled = { [path] = count by hand } }.
local form = require "suptree.form"
local options = require "suptree.options"
local text = require "suptree.text"

local replicas = {}

local REPLICAS, REPLICATED = options.rows.replicas.id, 81
local AFTER, FORMERLY, LOG = options.rows.after.id, options.rows.formerly.id, options.rows.log.id
local MAX_CHILDREN, RESTART_WITH = options.rows.max_children.id, options.rows.restart_with.id
local HEALTH, READY = options.rows.health.id, options.rows.ready.id
local LOG_FILE, READY_LOG = 1, 10
-- Where the bytes of health say what its probe is, and how many stand before that; see health_value.
local HEALTH_FORM, HEALTH_BY_READY, HEALTH_HEAD = 6, 0, 32
local SUPERVISOR = 0
local VERSION = 1

--- How many of one there may be.
replicas.max = math.tointeger(options.rows.replicas.max)

-- --- records -------------------------------------------------------------------------------------------------------

local function option_of(record, id)
    for _, option in ipairs(record.options) do
        if option[1] == id then return option[2] end
    end
end

-- So many of it are declared; nil: it is one, and has its own name.
local function declared_count(record)
    local bytes = option_of(record, REPLICAS)
    return bytes and (string.unpack("=I4", bytes)) or nil
end

-- A copy with other options: `changes[id]` is the bytes, or false for none.
local function with_options(record, changes)
    local copy = { kind = record.kind, name = record.name, place = record.place, children = record.children }
    copy.options = {}
    local function add(id, bytes)
        if bytes then copy.options[#copy.options + 1] = { id, bytes } end
    end
    for _, option in ipairs(record.options) do
        if changes[option[1]] == nil then add(option[1], option[2]) end
    end
    for id, bytes in pairs(changes) do add(id, bytes) end
    table.sort(copy.options, function(a, b) return a[1] < b[1] end)
    return copy
end

-- The place behind the record at `place` and all below it.
local function skip(records, place)
    local left = 1
    while left > 0 do
        left = left - 1 + records[place].children
        place = place + 1
    end
    return place
end

local function below(path, name) return path == "" and name or path .. "/" .. name end

-- --- one of several ------------------------------------------------------------------------------------------------

-- What stands for the number of replica `index` in a text: "%i" for itself, "%{8000+i}" for a sum.
local function fill(written, index)
    local filled = written:gsub("%%{(%d+)%+i}", function(base) return ("%d"):format((tonumber(base) or 0) + index) end)
    return (filled:gsub("%%i", ("%d"):format(index)))
end

--- The file of replica `index` where `path` is declared: "%i" stands for the number; else it goes before the ending.
function replicas.file(path, index)
    local number, filled = ("%d"):format(index), fill(path, index)
    if filled ~= path then return filled end
    local folder, name = path:match "^(.*/)([^/]*)$"
    folder, name = folder or "", name or path
    local stem, ending = name:match "^(.+)(%.[^.]*)$"
    return ("%s%s@%s%s"):format(folder, stem or name, number, ending or "")
end

local function log_of(bytes, index)
    local mode, path, rest = string.unpack("=Bz", bytes)
    if mode ~= LOG_FILE then return bytes end
    return string.pack("=Bz", mode, replicas.file(path, index)) .. bytes:sub(rest)
end

-- Patterns for output have other uses for "%".
local function ready_of(bytes, index)
    local kind, ns, written, rest = string.unpack("=Bi8z", bytes)
    if kind == READY_LOG then return bytes end
    return string.pack("=Bi8z", kind, ns, fill(written, index)) .. bytes:sub(rest)
end

local function health_of(bytes, index)
    if bytes:byte(HEALTH_FORM) ~= HEALTH_BY_READY then return bytes end
    return bytes:sub(1, HEALTH_HEAD) .. ready_of(bytes:sub(HEALTH_HEAD + 1), index)
end

-- How the bytes of an option become those of a replica.
local numbered = { [LOG] = log_of, [READY] = ready_of, [HEALTH] = health_of }

--- The bytes of option `name` as the first replica has them: what is to be good.
function replicas.sample(name, bytes)
    local change = numbered[options.rows[name].id]
    return change and change(bytes, 1) or bytes
end

-- The names that stand in `bytes`, with a group's name as its members. False: none is left.
local function names_of(bytes, counts)
    local names, seen = {}, {}
    local function add(name)
        if not seen[name] then names[#names + 1] = name .. "\0" end
        seen[name] = true
    end
    for name in bytes:gmatch "([^%z]+)%z" do
        if not counts[name] then add(name) end
        for index = 1, counts[name] or 0 do add(("%s@%d"):format(name, index)) end
    end
    return names[1] and table.concat(names) or false
end

-- What `record` says of siblings, when some of these are several.
local function about_siblings(record, counts, changes)
    for _, id in ipairs { AFTER, RESTART_WITH } do
        local bytes = option_of(record, id)
        if bytes then changes[id] = names_of(bytes, counts) end
    end
    return changes
end

local function replica_of(record, index, counts)
    local formerly = option_of(record, FORMERLY)
    local changes = about_siblings(record, counts, { [REPLICAS] = string.pack("=I4", index) })
    for id, change in pairs(numbered) do
        local bytes = option_of(record, id)
        if bytes then changes[id] = change(bytes, index) end
    end
    if formerly then
        changes[FORMERLY] = ("%s@%d\0"):format(formerly:sub(1, -2), index)
    elseif index == 1 then
        changes[FORMERLY] = record.name .. "\0" -- one that has become several goes on as the first
    end
    local copy = with_options(record, changes)
    copy.name = ("%s@%d"):format(record.name, index)
    return copy
end

-- --- all of them ---------------------------------------------------------------------------------------------------

-- The children of the record at `place`: their places, and how many there are to be of those that are several.
local function children_of(template, place, path)
    local records, places, counts = template.records, {}, {}
    local at = place + 1
    for number = 1, records[place].children do
        local child = records[at]
        local count = declared_count(child)
        places[number] = at
        if count then counts[child.name] = template.scaled[below(path, child.name)] or count end
        at = skip(records, at)
    end
    return places, counts
end

-- Adds the record at `place`, which has no replicas, and what becomes of all below it to `out`.
local function expand(template, place, path, above, out)
    local record = template.records[place]
    local copy = with_options(record, about_siblings(record, above, {}))
    out[#out + 1] = copy
    if record.kind ~= SUPERVISOR then return end
    local places, counts = children_of(template, place, path)
    copy.children = 0
    for _, at in ipairs(places) do
        local child = template.records[at]
        local count = counts[child.name]
        for index = 1, count or 0 do out[#out + 1] = replica_of(child, index, counts) end
        if not count then expand(template, at, below(path, child.name), counts, out) end
        copy.children = copy.children + (count or 1)
    end
end

--- Is one of the records declared to be several?
function replicas.has(records)
    for _, record in ipairs(records) do if declared_count(record) then return true end end
    return false
end

--- Everything that is declared to be several, in order: { path, declared, count }.
function replicas.groups(template)
    local list = {}
    local function walk(place, path)
        for _, at in ipairs(children_of(template, place, path)) do
            local child = template.records[at]
            local declared, its_path = declared_count(child), below(path, child.name)
            local count = template.scaled[its_path] or declared
            if declared then
                list[#list + 1] = { path = its_path, declared = declared, count = count }
            elseif child.kind == SUPERVISOR then
                walk(at, its_path)
            end
        end
    end
    if template.records[1] then walk(1, "") end
    return list
end

-- --- as bytes ------------------------------------------------------------------------------------------------------

--- The bytes of a template: the same for the same.
function replicas.pack(template)
    local parts = { string.pack("=I4I4", VERSION, #template.records) }
    for _, record in ipairs(template.records) do
        parts[#parts + 1] = string.pack("=BI4I4s4s4", record.kind, record.children, #record.options, record.name,
            record.place)
        for _, option in ipairs(record.options) do parts[#parts + 1] = string.pack("=I2s4", option[1], option[2]) end
    end
    for _, path in ipairs(text.sorted_keys(template.scaled)) do
        parts[#parts + 1] = string.pack("=s4I4", path, template.scaled[path])
    end
    return table.concat(parts)
end

--- The template that was packed; nil: these bytes are none, or of another version of suptree.
function replicas.unpack(bytes)
    local good, template = pcall(function()
        local version, count, at = string.unpack("=I4I4", bytes)
        if version ~= VERSION then return nil end
        local found = { records = {}, scaled = {} }
        for number = 1, count do
            local record, option_count = { options = {} }
            record.kind, record.children, option_count, record.name, record.place, at =
                string.unpack("=BI4I4s4s4", bytes, at)
            for place = 1, option_count do
                local id, value
                id, value, at = string.unpack("=I2s4", bytes, at)
                record.options[place] = { id, value }
            end
            found.records[number] = record
        end
        while at <= #bytes do
            local path, scaled
            path, scaled, at = string.unpack("=s4I4", bytes, at)
            found.scaled[path] = scaled
        end
        return found
    end)
    return good and template or nil
end

--- The blob of a template; or nil, place, reason and hint, as form.encode. `whole`: it is all of a tree, which can be
-- scaled later.
function replicas.encode(template, whole)
    local records = {}
    expand(template, 1, "", {}, records)
    if whole then records[1] = with_options(records[1], { [REPLICATED] = replicas.pack(template) }) end
    return form.encode(records)
end

-- --- scaling -------------------------------------------------------------------------------------------------------

-- Why the children of a supervisor would be too many, or nil.
local function too_many(template, place, path, name)
    local record = template.records[place]
    local bytes = option_of(record, MAX_CHILDREN)
    local most = bytes and string.unpack("=I4", bytes) or 0
    local places, counts = children_of(template, place, path)
    local sum = 0
    for _, at in ipairs(places) do sum = sum + (counts[template.records[at].name] or 1) end
    if most == 0 or sum <= most then return nil end
    return ("%s would have %d children, and its max_children is %d: raise that in the configuration, or take fewer %s")
        :format(path == "" and "the root" or path, sum, most, name)
end

--- The template with `wanted[path] = count`, all of which are declared to be several; or nil and why not.
function replicas.scale(template, wanted)
    local scaled = {}
    for path, count in pairs(template.scaled) do scaled[path] = count end
    for _, group in ipairs(replicas.groups(template)) do
        local count = wanted[group.path]
        if count == group.declared then scaled[group.path] = nil
        elseif count then scaled[group.path] = count end
    end
    local result = { records = template.records, scaled = scaled }
    local function check(place, path)
        local touched
        for _, at in ipairs(children_of(result, place, path)) do
            local child = result.records[at]
            local its_path = below(path, child.name)
            if wanted[its_path] then touched = child.name end
            if child.kind == SUPERVISOR then
                local why = check(at, its_path)
                if why then return why end
            end
        end
        return touched and too_many(result, place, path, touched)
    end
    local why = check(1, "")
    if why then return nil, why end
    return result
end

return replicas
