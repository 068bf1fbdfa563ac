--- Finding the nodes that a call means.
local groups = require "suptree.control.groups"
local text = require "suptree.text"

local nodes = {}

-- Among more paths than these nobody looks for what was meant.
local MAX_COMPARED = 2000

local function all_paths(handle)
    local tokens, paths = handle:select(nil, "each"), {}
    for place = 1, math.min(#tokens, MAX_COMPARED) do
        paths[#paths + 1] = handle:path(tokens[place])
    end
    return paths
end

local function not_found(call, path)
    if path:find "[*?]" then
        return call:fail("not_found", ("nothing fits the pattern %s"):format(text.quote(path)), { path = path })
    end
    local group = groups.find(call.handle, path)
    if group then return call:fail("not_reached", groups.nobody(group), { path = path }) end
    local meant = text.did_you_mean(path, all_paths(call.handle))
    call:fail("not_found", ("there is no %s in this tree%s"):format(text.quote(path), meant), { path = path })
end

--- The tokens of what `paths` (nil: every node) mean, see src/script/control_select.c; nil: the call has failed.
function nodes.select(call, paths, how)
    local tokens, place = call.handle:select(paths, how)
    if tokens then return tokens end
    not_found(call, paths[place])
end

--- The tokens of those of `paths` that mean something now.
function nodes.present(handle, paths, how)
    local tokens, place = handle:select(paths, how)
    while not tokens do
        paths = table.move(paths, 1, #paths, 1, {})
        table.remove(paths, place)
        if not paths[1] then return {} end
        tokens, place = handle:select(paths, how)
    end
    return tokens
end

--- The same as select for those who only look: what has no replicas now is known all the same, and means nobody.
function nodes.select_some(call, paths, how)
    local tokens, place = call.handle:select(paths, how)
    while not tokens and groups.find(call.handle, paths[place]) do
        local rest = table.move(paths, 1, place - 1, 1, {})
        paths = table.move(paths, place + 1, #paths, place, rest)
        if not paths[1] then return {} end
        tokens, place = call.handle:select(paths, how)
    end
    if tokens then return tokens end
    not_found(call, paths[place])
end

return nodes
