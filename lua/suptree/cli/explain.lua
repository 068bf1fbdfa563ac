--- suptree explain SERVICE: why it is as it is, what comes next, what would change it.
local common = require "suptree.cli.common"
local explain = require "suptree.render.explain"
local remote = require "suptree.cli.remote"

return {
    name = "explain",
    description = "Says why a service or supervisor is as it is, back to the first cause; what happens next by itself, "
        .. "and when; and which commands would change it.",
    epilog = "Exit codes: 0; 4 no such service; 7 no host answers.",
    describe = function(parser)
        parser:argument("service", "A path such as workers/mailer; \".\" is the root."):argname "SERVICE"
        common.add_tree(parser)
        remote.add_json(parser)
        common.add_colour(parser)
    end,
    run = function(arguments)
        local connection, code = remote.connect(arguments)
        if not connection then return code end
        local params = { path = remote.paths({ arguments.service })[1] }
        if arguments.json then return remote.print_json(connection, "explain", params) end
        local reply, err = connection:call("explain", params)
        if not reply then return remote.fail(err) end
        remote.print_lines(explain.lines(reply, remote.facts(arguments)))
        return common.DONE
    end,
}
