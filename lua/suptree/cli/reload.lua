--- suptree reload [FILE]: reads the configuration again and applies what has changed.
local reloading = require "suptree.cli.reloading"

return {
    name = "reload",
    description = "Reads the configuration again, shows what changes, applies it, and waits until what is new or "
        .. "changed is ready. When something of that does not get ready, or fails, all of it is rolled back. What is "
        .. "unchanged is not touched. SIGHUP to \"suptree run\" does the same.",
    epilog = "Exit codes: 0 reloaded, or nothing changes; 1 rolled back, or not all are up; 78 the configuration "
        .. "cannot be used, the tree runs on as before; 5 refused; 7 no host answers; 124 the timeout is over.",
    describe = function(parser)
        reloading.add_file(parser)
        reloading.describe(parser)
    end,
    run = function(arguments) return reloading.run("reload", arguments) end,
}
