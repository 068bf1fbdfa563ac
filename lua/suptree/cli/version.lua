--- suptree version.
local common = require "suptree.cli.common"
local system = require "suptree.system"

return {
    name = "version",
    description = "Prints the version of suptree.",
    describe = function() end,
    run = function()
        print("suptree " .. system.version)
        return common.DONE
    end,
}
