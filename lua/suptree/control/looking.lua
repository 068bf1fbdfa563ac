--- The methods that only look.
local explain = require "suptree.control.explain"
local groups = require "suptree.control.groups"
local json = require "suptree.json"
local nodes = require "suptree.control.nodes"

local PROTOCOL = 1

-- Those of `groups` that are meant, as JSON.
local function replicas_text(handle, paths)
    local parts = {}
    for _, group in ipairs(groups.all(handle)) do
        if not paths or handle:fits(group.path, paths) then
            parts[#parts + 1] = ('{"path":%s,"declared":%d,"count":%d}'):format(json.encode(group.path), group.declared,
                group.count)
        end
    end
    return "[" .. table.concat(parts, ",") .. "]"
end

--- Their handlers. `world`: facts(), methods (as JSON), version, file (of the configuration, or nil), time().
return function(world)
    local handlers = { explain = explain }

    function handlers.hello(call)
        local facts = world.facts()
        call:reply(json.encode {
            protocol = PROTOCOL, version = world.version, name = facts.name, pid = facts.pid, keeper = facts.keeper,
            uid = call.peer.uid, role = call.peer.role, host_starts = facts.hosts, safe_mode = facts.safe_mode,
            uptime = facts.uptime, file = world.file,
        })
    end

    function handlers.methods(call)
        call:reply(world.methods)
    end

    function handlers.status(call, given)
        local tokens = nodes.select_some(call, given.paths, given.below and "below" or "each")
        if not tokens then return end
        local services = call.handle:services(tokens, given.usage)
        if not services then return call:fail("limit", "that is more than one reply may hold; name fewer paths") end
        call:reply(('{"name":%s,"state":"%s","time":%.3f,"services":%s,"replicas":%s%s}'):format(
            json.encode(world.facts().name), call.handle:state(), world.time(), services,
            replicas_text(call.handle, given.paths), world.facts().safe_mode and ',"safe_mode":true' or ""))
    end

    return handlers
end
