--- suptree names [WHAT]: names for completion, a line each. Quick, and silent when there is no host.
local client = require "suptree.client"
local common = require "suptree.cli.common"

local CONNECT_S = 5

local function print_services(arguments)
    local connection = client.connect { name = arguments.tree, socket = arguments.socket }
    local reply = connection and connection:call("status", nil, CONNECT_S)
    for _, node in ipairs(reply and reply.services or {}) do
        if node.path ~= "." then print(node.path) end
    end
    for _, group in ipairs(reply and reply.replicas or {}) do print(group.path) end
end

-- What can be scaled, ready for a number.
local function print_replicas(arguments)
    local connection = client.connect { name = arguments.tree, socket = arguments.socket }
    local reply = connection and connection:call("status", nil, CONNECT_S)
    for _, group in ipairs(reply and reply.replicas or {}) do print(group.path .. "=") end
end

return {
    name = "names",
    description = "Prints the names of the services, or of the trees that run, for completion.",
    describe = function(parser)
        parser:argument("what", "services, replicas or trees"):args "?":choices { "services", "replicas", "trees" }
            :argname "WHAT"
        common.add_tree(parser)
    end,
    run = function(arguments)
        if arguments.what == "trees" then
            for _, name in ipairs(client.names()) do print(name) end
        elseif arguments.what == "replicas" then
            print_replicas(arguments)
        else
            print_services(arguments)
        end
        return common.DONE
    end,
}
