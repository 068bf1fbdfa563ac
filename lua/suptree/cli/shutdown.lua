--- suptree shutdown: stops the whole tree.
local change = require "suptree.cli.change"
local client = require "suptree.client"
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"
local socket = require "suptree.socket"

local RETRY_S = 0.02
local STATUS_S = 2
local MOST_NAMES = 5

-- The events that tell how far the stop is.
local WORDS = { stopping = "stopping", ended = "down", killed = "killed", stuck = "stuck" }
local TYPES = { "stopping", "ended", "killed", "stuck" }

-- Is there still somebody at the socket? While the host is started again, or its last words are said, there is.
local function reconnect(connection)
    socket.sleep(RETRY_S)
    local again = client.connect { socket = connection.path }
    if again then again:request("hello") end
    return again
end

-- Says for whom the stop waits; returns the exit code.
local function tell_timeout(connection)
    local reply, names = connection:call("status", nil, STATUS_S), {}
    for _, node in ipairs(reply and reply.services or {}) do
        if node.kind ~= "supervisor" and (node.pid or node.state == "stopping") then names[#names + 1] = node.path end
    end
    local more = #names - MOST_NAMES
    if more > 0 then names = { table.concat(names, ", ", 1, MOST_NAMES), ("%d more"):format(more) } end
    common.complain("%s has not ended in the time given%s; the stop goes on", connection.name,
        names[1] and "; it waits for " .. table.concat(names, ", ") or "")
    return common.TIMED_OUT
end

local function tell(event, progress)
    progress.show(event.path, WORDS[event.type])
    if event.type ~= "stuck" then return end
    progress.clear()
    common.complain("%s outlived its kill%s", event.path, event.error and ": " .. event.error or "")
end

-- Waits until nobody answers any more.
local function await_end(connection, arguments, progress)
    local deadline = arguments.timeout and socket.now() + arguments.timeout
    while connection do
        local method, params = connection:notification(deadline and math.max(deadline - socket.now(), 0))
        if method == "event" then tell(params.event, progress) end
        if not method then
            if params.code ~= "closed" then
                progress.clear()
                if params.code == "timeout" then return tell_timeout(connection) end
                return remote.fail(params, "the stop goes on; \"suptree status\" shows how far it is")
            end
            connection = reconnect(connection)
        end
    end
    progress.clear()
    return common.DONE
end

return {
    name = "shutdown",
    description = "Stops the whole tree in order, as Ctrl-C in \"suptree run\" does, and waits until it has ended.",
    epilog = "Exit codes: 0 it has ended; 5 refused; 7 no host answers; 124 the timeout is over.",
    describe = function(parser)
        parser:flag("--no-wait", "Do not wait for the end.")
        remote.add_timeout(parser)
        parser:option("--context", "Why, in words: shown with the events that follow."):argname "TEXT"
        common.add_tree(parser)
        remote.add_json(parser)
    end,
    run = function(arguments)
        local connection, code = remote.connect(arguments)
        if not connection then return code end
        local progress = change.progress "stopping"
        socket.catch_interrupt()
        connection:call("events", { follow = true, last = 0, types = TYPES })
        local raw, err = connection:call("shutdown", { wait = false, context = arguments.context }, { raw = true })
        if not raw and err.code ~= "closed" then return remote.fail(err) end
        if arguments.json and raw then print(raw) end
        if arguments.no_wait or not raw then return common.DONE end
        code = await_end(connection, arguments, progress)
        if code == common.DONE and not arguments.json then print(connection.name .. " has ended") end
        return code
    end,
}
