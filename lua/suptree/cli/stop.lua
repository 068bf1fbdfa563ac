--- suptree stop SERVICE…: stops, and keeps stopped.
local change = require "suptree.cli.change"

return {
    name = "stop",
    description = "Stops services and supervisors, with what depends on them first, and waits until they have ended. "
        .. "They stay down, whatever happens, until \"suptree start\". The whole tree: \"suptree shutdown\".",
    epilog = "Exit codes: 0 all have ended; 1 not all have; 4 no such service; 5 refused; 7 no host answers; 124 the "
        .. "timeout is over.",
    describe = change.describe,
    run = function(arguments) return change.run("stop", "stopping", arguments) end,
}
