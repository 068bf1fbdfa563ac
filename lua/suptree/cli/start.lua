--- suptree start SERVICE…: starts what is down.
local change = require "suptree.cli.change"

return {
    name = "start",
    description = "Starts services and supervisors, and waits until they are ready. Also starts what they are after, "
        .. "and takes back an earlier stop. A pause or a delay is not waited for.",
    epilog = "Exit codes: 0 all are ready; 1 not all got there; 4 no such service; 5 refused; 7 no host answers; 124 "
        .. "the timeout is over.",
    describe = change.describe,
    run = function(arguments) return change.run("start", "starting", arguments) end,
}
