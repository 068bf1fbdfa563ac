--- suptree wait SERVICE…: until a state is reached.
local change = require "suptree.cli.change"
local client = require "suptree.client"
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"
local socket = require "suptree.socket"

local RETRY_S = 0.05

local STATES = {
    "ready", "running", "stopped", "done", "failed", "waiting", "delayed", "queued", "paused", "stuck",
}

-- A connection; when there is a timeout, also to a host that is about to be started. And what is left of the time.
local function connect(arguments)
    local deadline = socket.now() + (arguments.timeout or 0)
    local connection, err = client.connect(remote.wanted(arguments))
    socket.catch_interrupt()
    while not connection and err.code == "no_host" and socket.now() < deadline do
        if not socket.sleep(RETRY_S) then return nil, remote.fail(client.failure("interrupted", "interrupted")) end
        connection, err = client.connect(remote.wanted(arguments))
    end
    if not connection then return nil, remote.fail(err) end
    return connection, arguments.timeout and math.max(deadline - socket.now(), 0.001)
end

return {
    name = "wait",
    description = "Waits until all the services and supervisors are ready, or in another state. Changes nothing. It "
        .. "ends early when the state cannot come any more. With --timeout it also waits for a host to be there.",
    epilog = "Exit codes: 0 all are in that state; 1 some cannot get there; 4 no such service; 7 no host answers; 124 "
        .. "the timeout is over.",
    describe = function(parser)
        remote.add_names(parser, "+")
        parser:option("--for --state", "The state to wait for (ready); stopped: down, however it came about.")
            :choices(STATES):argname "STATE"
            :default "ready"
        remote.add_timeout(parser)
        common.add_tree(parser)
        remote.add_json(parser)
    end,
    run = function(arguments)
        local connection, left = connect(arguments)
        if not connection then return left end
        return change.ask(connection, "wait", {
            arguments = arguments, doing = "waiting",
            params = {
                paths = remote.paths(arguments.services), state = arguments["for"], timeout = left,
            },
        })
    end,
}
