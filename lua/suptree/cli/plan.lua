--- suptree plan [FILE]: what a reload would change.
local common = require "suptree.cli.common"
local reloading = require "suptree.cli.reloading"
local remote = require "suptree.cli.remote"

local CHANGES = 10

return {
    name = "plan",
    description = "Reads the configuration again and shows what a reload would change in the running tree, field by "
        .. "field, and who is dragged along. Changes nothing. ~ is restarted or updated in place, + added, - removed, "
        .. "= unchanged.",
    epilog = "Exit codes: 0 shown; 10 with --exit-code: there are changes; 78 the configuration cannot be used; 5 "
        .. "refused; 7 no host answers.",
    describe = function(parser)
        reloading.add_file(parser)
        parser:flag("--rollback", "Show what a rollback would change.")
        parser:flag("--all", "List all that is unchanged, however much it is.")
        parser:flag("--secrets", "Show the values of passwords, tokens and keys, too.")
        parser:flag("--exit-code", "Exit with 10 when there are changes.")
        common.add_tree(parser)
        remote.add_json(parser)
    end,
    run = function(arguments)
        local connection, code = remote.connect(arguments)
        if not connection then return code end
        local raw, err = connection:call("plan", {
            file = reloading.absolute(arguments.file), rollback = arguments.rollback, secrets = arguments.secrets,
        }, { raw = true })
        if not raw then return reloading.fail(err) end
        local plan = require "cjson".decode(raw)
        if arguments.json then print(raw) else reloading.print_plan(plan, remote.facts(), arguments.all) end
        return arguments.exit_code and not plan.summary.empty and CHANGES or common.DONE
    end,
}
