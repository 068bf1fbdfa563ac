--- The methods that only look.
local explain = require "suptree.control.explain"
local json = require "suptree.json"
local nodes = require "suptree.control.nodes"

local PROTOCOL = 1

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
        local tokens = nodes.select(call, given.paths, given.below and "below" or "each")
        if not tokens then return end
        local services = call.handle:services(tokens)
        if not services then return call:fail("limit", "that is more than one reply may hold; name fewer paths") end
        call:reply(('{"name":%s,"state":"%s","time":%.3f,"services":%s}'):format(
            json.encode(world.facts().name), call.handle:state(), world.time(), services))
    end

    return handlers
end
