--- suptree status [SERVICE…]: how things stand.
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"
local status = require "suptree.render.status"
local words = require "suptree.render.words"

local OUTPUT_LINES = 10
local HELLO_S = 5

-- Which of the nodes are those that were asked for by name, and not what is below them.
local function named(nodes, paths, is_pattern)
    if is_pattern then return nodes end
    local wanted, found = {}, {}
    for _, path in ipairs(paths) do wanted[path] = true end
    for _, node in ipairs(nodes) do
        if wanted[node.path] or node.replica_of and wanted[node.replica_of] then found[#found + 1] = node end
    end
    return found
end

-- `replicas`: what is several of the same.
local function code_for(nodes, replicas, paths)
    for _, group in ipairs(replicas or {}) do
        for _, path in ipairs(paths) do
            if group.count == 0 and path == group.path then return remote.NOT_RUNNING end
        end
    end
    for _, node in ipairs(nodes) do
        if not words.is_good(node) then return remote.NOT_RUNNING end
    end
    return common.DONE
end

local function has_pattern(paths)
    for _, path in ipairs(paths) do if remote.is_pattern(path) then return true end end
    return false
end

local function show_page(node, reply, logs, facts)
    remote.print_lines(status.page(node, facts, reply.time))
    if not logs or not logs.lines or not logs.lines[1] then return end
    local printable = require "suptree.render.terminal".printable
    local lines = { "" }
    for place, line in ipairs(logs.lines) do lines[place + 1] = "  | " .. printable(line.text) end
    remote.print_lines(lines)
end

local SAFE_MODE = [[
SAFE MODE: hosts have died five times within a minute. Processes run on; thread services and hooks stay down.
Find out what crashes it: "suptree events --type host_restarted", and what "suptree run" has said. Correct that,
"suptree reload", and end this host (kill -9 %d; no process is touched): once it has lived for a minute, the next one
starts the rest.
]]

-- What is wrong with the host itself.
local function warn(connection, reply, facts)
    if not reply.safe_mode then return end
    local hello = connection:call("hello", nil, HELLO_S)
    if hello then io.stdout:write(facts.paint("red", (SAFE_MODE:format(hello.pid))), "\n") end
end

local function show_table(reply, facts, is_all, usage)
    if reply.services[1] then remote.print_lines(status.table(reply.services, facts, usage)) end
    remote.print_lines(status.replicas(reply.replicas or {}))
    if is_all then
        print(("\n%s is %s; %s"):format(reply.name, reply.state or "?", status.summary(reply.services)))
    end
end

local function show_json(connection, id, paths, is_pattern)
    local raw, err = connection:response(id, { raw = true })
    if not raw then return remote.fail(err) end
    print(raw)
    if not paths then return common.DONE end
    local reply = require "cjson".decode(raw)
    return code_for(named(reply.services, paths, is_pattern), reply.replicas, paths)
end

local function show(connection, id, paths, is_pattern, arguments)
    -- The one name may be that of a service, whose last lines are shown as well: asked for in the same breath.
    local alone = paths and #paths == 1 and not is_pattern
    local logs_id = alone and connection:request("logs", { paths = paths, lines = OUTPUT_LINES })
    local reply, err = connection:response(id)
    if not reply then return remote.fail(err) end
    local facts, nodes = remote.facts(arguments), reply.services
    warn(connection, reply, facts)
    if alone and #nodes == 1 and nodes[1].kind ~= "supervisor" then
        show_page(nodes[1], reply, connection:response(logs_id, { timeout = 5 }), facts)
    else
        show_table(reply, facts, not paths, arguments.usage)
    end
    return paths and code_for(named(nodes, paths, is_pattern), reply.replicas, paths) or common.DONE
end

return {
    name = "status",
    description = "Shows all services and supervisors; or those named, with what is below them; or all about one "
        .. "service and its last lines of output.",
    epilog = "Exit codes: 0; with names also 3 one of them is not running, 4 no such service; 7 no host answers.",
    describe = function(parser)
        remote.add_names(parser, "*")
        common.add_tree(parser)
        parser:flag("--usage", "Also what the processes use: processor time, memory, how many.")
        remote.add_json(parser)
        common.add_colour(parser)
    end,
    run = function(arguments)
        local connection, code = remote.connect(arguments)
        if not connection then return code end
        local paths = arguments.services[1] and remote.paths(arguments.services)
        local is_pattern = paths and has_pattern(paths)
        local id, err = connection:request("status", {
            paths = paths, below = paths and not is_pattern or nil,
            usage = arguments.usage or paths and #paths == 1 and not is_pattern or nil,
        })
        if not id then return remote.fail(err) end
        if arguments.json then return show_json(connection, id, paths, is_pattern) end
        return show(connection, id, paths, is_pattern, arguments)
    end,
}
