--- Reading config blobs in specs, by the words of src/core/form.h and nothing else.
local options = require "suptree.options"

local form = {}

local HEADER = 32

local names_by_id = {}
for _, row in ipairs(options.rows) do names_by_id[row.id] = row.name end
names_by_id[81] = "replicated" -- which nobody writes

local function padded(size)
    return (size + 7) // 8 * 8
end

local function read_options(blob, at, size)
    local found, stop = {}, at + size
    while at < stop do
        local id, _, length = string.unpack("=I2I2I4", blob, at)
        found[names_by_id[id]] = blob:sub(at + 8, at + 7 + length)
        at = at + 8 + padded(length)
    end
    return found
end

--- The nodes in preorder: { kind = 0 | 1 | 2, name, place, children = count, options = name -> bytes }.
function form.nodes(blob)
    local nodes, at = {}, HEADER + 1
    while at <= #blob do
        local size, children, option_bytes, name_size, place_size, kind = string.unpack("=I4I4I4I2I2I1", blob, at)
        local name = blob:sub(at + 24, at + 24 + name_size - 2)
        local place = blob:sub(at + 24 + name_size, at + 24 + name_size + place_size - 2)
        nodes[#nodes + 1] = {
            kind = kind, name = name, place = place, children = children,
            options = read_options(blob, at + size - option_bytes, option_bytes),
        }
        at = at + size
    end
    return nodes
end

return form
