--- What is declared to be several of the same, in the configuration that runs. Read once for each configuration.
local replicas = require "suptree.replicas"

local groups = {}

local known = 0 -- the number of the configuration
local template, list, by_path = nil, {}, {}

local function look(handle)
    local number, bytes = handle:replicated(known)
    if number == known then return end
    known, template, list, by_path = number, bytes and replicas.unpack(bytes), {}, {}
    if template then list = replicas.groups(template) end
    for _, group in ipairs(list) do by_path[group.path] = group end
end

--- All of them, in order: { path, declared, count }.
function groups.all(handle)
    look(handle)
    return list
end

--- The one that `path` means, or nil.
function groups.find(handle, path)
    look(handle)
    return by_path[path]
end

--- Those of `paths` that mean one, as a set; nil: none does.
function groups.among(handle, paths)
    look(handle)
    local set
    for _, path in ipairs(paths or {}) do
        if by_path[path] then
            set = set or {}
            set[path] = true
        end
    end
    return set
end

--- The template (see suptree.replicas) of what runs, or nil, and its number.
function groups.template(handle)
    look(handle)
    return template, known
end

local function is_by_hand(group) return group.count ~= group.declared end

--- How they were scaled by hand, for a plan: { path, words }.
function groups.notes(handle)
    local notes = {}
    for _, group in ipairs(groups.all(handle)) do
        if is_by_hand(group) then
            notes[#notes + 1] = { group.path, ("scaled to %d by hand"):format(group.count) }
        end
    end
    return notes
end

--- What is said of one that has no replicas now.
function groups.nobody(group)
    local why = is_by_hand(group) and "scaled to 0 by hand" or "replicas = 0 in the configuration"
    return ('%s has no replicas: %s; "suptree scale %s=1" starts one'):format(group.path, why, group.path)
end

return groups
