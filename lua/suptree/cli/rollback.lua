--- suptree rollback: goes back to the configuration that ran before.
local reloading = require "suptree.cli.reloading"

return {
    name = "rollback",
    description = "Goes back to the configuration that ran before the last reload, as a reload does; once more, to "
        .. "the one before that. The file stays as it is: a reload applies it again. \"suptree plan --rollback\" shows "
        .. "what would change.",
    epilog = "Exit codes: 0 gone back; 1 that was rolled back itself, or not all are up; 5 refused, or there is "
        .. "nothing to go back to; 7 no host answers; 124 the timeout is over.",
    describe = reloading.describe,
    run = function(arguments) return reloading.run("rollback", arguments) end,
}
