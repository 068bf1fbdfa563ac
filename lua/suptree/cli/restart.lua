--- suptree restart SERVICE…: stops and starts again.
local change = require "suptree.cli.change"
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"

local function to_count(text)
    local count = math.tointeger(tonumber(text))
    if count and count >= 1 and count <= 1000 then return count end
    return nil, ("%s is not a number from 1 to 1000"):format(require "suptree.text".quote(text))
end

return {
    name = "restart",
    description = "Stops services and supervisors, starts them again, and waits until they are ready. What is declared "
        .. "to restart with them follows. It counts as no failure. With --rolling one after another: the replicas of a "
        .. "service, or the children of a supervisor; the first that does not get ready, or does not stay so, ends it, "
        .. "and so does Ctrl-C behind the one that is under way.",
    epilog = "Exit codes: 0 all are ready again; 1 not all got there; 4 no such service; 5 refused; 7 no host answers; "
        .. "124 the timeout is over; 130 stopped by Ctrl-C.",
    describe = function(parser)
        change.describe(parser)
        parser:flag("--rolling", "One after another, each only when the one before is ready.")
        parser:flag("--surge", "With --rolling, of replicas: start one more first, and stop it last; if it does not "
            .. "get ready, nothing is restarted.")
        parser:option("--max-unavailable", "With --rolling: so many at the same time (default: 1).")
            :argname "N":convert(to_count)
        parser:option("--settle", "With --rolling: how long each must stay ready before the next (default: 1s).")
            :argname "TIME":convert(remote.to_seconds)
    end,
    run = function(arguments)
        if not arguments.rolling then
            local alone = arguments.max_unavailable and "--max-unavailable" or arguments.settle and "--settle"
                or arguments.surge and "--surge"
            if not alone then return change.run("restart", "restarting", arguments) end
            common.complain("restart: %s means something with --rolling only", alone)
            return common.USAGE
        elseif arguments.no_wait then
            common.complain "restart: --rolling waits for each before the next; leave out --no-wait"
            return common.USAGE
        end
        return require(arguments.surge and "suptree.cli.surge" or "suptree.cli.rolling").run(arguments)
    end,
}
