--- suptree tree [SERVICE]: the tree, drawn.
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"
local status = require "suptree.render.status"

return {
    name = "tree",
    description = "Draws the tree, or what is below one supervisor, with the state of each node.",
    epilog = "Exit codes: 0; 4 no such service; 7 no host answers.",
    describe = function(parser)
        parser:argument("service", "The supervisor to begin with."):args "?":argname "SERVICE"
        common.add_tree(parser)
        remote.add_json(parser)
        common.add_colour(parser)
    end,
    run = function(arguments)
        local connection, code = remote.connect(arguments)
        if not connection then return code end
        local paths = arguments.service and remote.paths { arguments.service }
        local params = paths and { paths = paths, below = true } or nil
        if arguments.json then return remote.print_json(connection, "status", params) end
        local reply, err = connection:call("status", params)
        if not reply then return remote.fail(err) end
        remote.print_lines(status.tree(reply.services, remote.facts(arguments), reply.name))
        return common.DONE
    end,
}
