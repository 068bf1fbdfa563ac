--- suptree restart --rolling: the client's side of it. Ctrl-C stops it behind what is under way; over the death of a
-- host it goes on with those that are left.
local change = require "suptree.cli.change"
local client = require "suptree.client"
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"
local socket = require "suptree.socket"
local system = require "suptree.system"

local rolling = {}

local GRACE_S = 5 -- for the host to say itself that the time is over
local STANDARD_ERROR = 2

-- Those of `all` that are not `done`.
local function rest_of(all, done)
    local rest = {}
    for _, path in ipairs(all) do if not done[path] then rest[#rest + 1] = path end end
    return rest
end

-- What one connection brings. `state`: all (the paths, once they are known), done (a set), interrupted.
local function ask(connection, params, state, progress)
    local id, err = connection:request("restart", params)
    if not id then return nil, err end
    local function on_note(note, told)
        if note == "rolling" then
            state.all = state.all or told.paths
        elseif note == "rolled" then
            state.done[told.path] = true
        elseif note == "progress" then
            progress.show(told.path, told.state)
        end
    end
    while true do
        local reply
        reply, err = connection:response(id,
            { raw = true, on_note = on_note, timeout = params.timeout and params.timeout + params.settle + GRACE_S })
        if reply or err.code ~= "interrupted" or state.interrupted then return reply, err end
        state.interrupted = true
        progress.clear()
        common.complain "stopping as soon as what is under way is ready; Ctrl-C again to wait no longer"
        socket.catch_interrupt()
        connection:request("cancel", { call = id })
    end
end

-- The next host, when one died over it: there are those left that it has not told of.
local function connect_again(connection, params, state)
    local rest = state.all and rest_of(state.all, state.done) or params.paths
    if state.interrupted or not rest[1] then return nil end
    local again = client.connect { socket = connection.path }
    if not again then return nil end
    common.complain("the host died meanwhile; going on with %s", table.concat(rest, ", "))
    params.paths = rest
    return again
end

-- With those that a former host had done, first.
local function all_results(reply, state)
    local results, told = {}, {}
    for _, result in ipairs(reply.results or {}) do told[result.path] = true end
    for _, path in ipairs(state.all or {}) do
        if state.done[path] and not told[path] then
            results[#results + 1] = { path = path, status = "ok", message = "it runs again" }
        end
    end
    return table.move(reply.results or {}, 1, #(reply.results or {}), #results + 1, results)
end

local function tell(connection, results, state)
    local begun, left = {}, {}
    for _, result in ipairs(results) do
        if result.status == "skipped" then left[#left + 1] = result.path else begun[#begun + 1] = result end
    end
    change.tell(connection, begun, true)
    if left[1] then
        common.complain("%s; not restarted: %s", state.interrupted and "stopped" or "stopped there",
            table.concat(left, ", "))
    end
end

--- Restarts what `arguments.services` mean, one after another.
function rolling.run(arguments)
    local connection, code = remote.connect(arguments)
    if not connection then return code end
    local progress, state = change.progress "restarting", { done = {} }
    local params = {
        paths = remote.paths(arguments.services), rolling = true, max_unavailable = arguments.max_unavailable,
        settle = arguments.settle or 1, timeout = arguments.timeout, context = arguments.context,
        progress = system.is_terminal(STANDARD_ERROR) or nil,
    }
    local deadline = params.timeout and socket.now() + params.timeout
    socket.catch_interrupt()
    local reply, err
    repeat
        reply, err = ask(connection, params, state, progress)
        progress.clear()
        local again = err and err.code == "closed" and connect_again(connection, params, state)
        if again then connection = again end
        if deadline then params.timeout = math.max(deadline - socket.now(), 0.001) end
    until not again
    if not reply then return remote.fail(err, "the host stops as soon as what is under way is ready") end
    local decoded = require "cjson".decode(reply)
    local results = all_results(decoded, state)
    if arguments.json then
        print(#results == #decoded.results and reply or require "cjson".encode { results = results })
    else
        tell(connection, results, state)
    end
    code = change.code_of(results)
    return state.interrupted and code ~= common.DONE and remote.INTERRUPTED or code
end

return rolling
