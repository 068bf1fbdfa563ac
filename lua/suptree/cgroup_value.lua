--- What may be written as `cgroup`, from a table to the bytes of a blob.
local options = require "suptree.options"
local text = require "suptree.text"

local cgroup_value = {}

local describe = text.describe

-- The value of one item as its number; nothing when a fault was noted.
local function read_item(v, item, name)
    local given = v.value[name]
    local value
    if type(given) == "boolean" then given = tostring(given)
    elseif name == "required" then given = nil end
    if type(given) == "string" or type(given) == "number" then value = options.cgroup_value(item, given) end
    if not value then
        return v.fail(("%s is no %s"):format(describe(v.value[name]), name), options.cgroup_hint(item), "." .. name)
    end
    local fault = options.cgroup_fault(item, value)
    if fault then return v.fail(fault, options.cgroup_hint(item), "." .. name) end
    return value
end

-- The names that are there, in order; nil when one of them is unknown.
local function read_names(v)
    local known, found, good = options.cgroup_names(), {}, true
    for _, name in ipairs(known) do known[name] = true end
    for _, name in ipairs(text.sorted_keys(v.value)) do
        if known[name] then
            found[#found + 1] = name
        else
            v.fail(("has the unknown key %s%s"):format(describe(name), text.did_you_mean(name, known)),
                "There are " .. table.concat(known, ", ") .. ".")
            good = false
        end
    end
    if v.value[1] ~= nil then
        return v.fail("must be a table of names and values, not a list", 'Write { memory_max = "64MiB" }.')
    end
    return good and found or nil
end

--- The bytes of `v.value` for an encoder of values.lua, or nothing when faults were noted.
function cgroup_value.encode(v)
    if type(v.value) ~= "table" then
        return v.fail(("must be a table, not %s"):format(describe(v.value)), 'Write { memory_max = "64MiB" }.')
    end
    local names, parts, limits = read_names(v), {}, 0
    if not names then return end
    for _, name in ipairs(names) do
        local item = options.cgroup_item(name)
        local value = read_item(v, item, name)
        if not value then return end
        if name ~= "required" then limits = limits + 1 end
        if name ~= "required" or value == 1 then parts[#parts + 1] = string.pack("=BI8", item, value) end
    end
    if limits == 0 then return v.fail("has no limit", 'Write { memory_max = "64MiB" }.') end
    return table.concat(parts)
end

return cgroup_value
