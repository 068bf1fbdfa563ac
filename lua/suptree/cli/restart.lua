--- suptree restart SERVICE…: stops and starts again.
local change = require "suptree.cli.change"

return {
    name = "restart",
    description = "Stops services and supervisors, starts them again, and waits until they are ready. What is declared "
        .. "to restart with them follows. It counts as no failure.",
    epilog = "Exit codes: 0 all are ready again; 1 not all got there; 4 no such service; 5 refused; 7 no host answers; "
        .. "124 the timeout is over.",
    describe = change.describe,
    run = function(arguments) return change.run("restart", "restarting", arguments) end,
}
