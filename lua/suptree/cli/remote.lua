--- What the verbs share that speak with a running host: choosing it, exit codes, telling errors, lines for people.
local client = require "suptree.client"
local common = require "suptree.cli.common"
local socket = require "suptree.socket"
local terminal = require "suptree.render.terminal"

local remote = {}

remote.NOT_RUNNING, remote.INTERRUPTED = 3, 130

local SIGINT = 2

-- Exit codes by the code of an error, or by the status of a result.
local CODES = {
    ok = common.DONE, invalid = common.USAGE, several = common.USAGE, not_found = common.UNKNOWN,
    refused = common.REFUSED, busy = common.REFUSED, limit = common.REFUSED, unknown_method = common.REFUSED,
    duplicate_name = common.REFUSED, no_host = common.NO_HOST, closed = common.NO_HOST, timeout = common.TIMED_OUT,
    interrupted = remote.INTERRUPTED,
}

--- The exit code for the code of an error, or the status of a result.
function remote.code_of(word)
    return CODES[word] or common.FAILED
end

-- --- words on the command line -------------------------------------------------------------------------------------

--- Adds --json to a parser.
function remote.add_json(parser)
    parser:flag("--json", "Print the reply as JSON, as the protocol has it.")
end

--- Adds names of services to a parser. `count`: "*" or "+".
function remote.add_names(parser, count, what)
    parser:argument("services", what or "Services or supervisors: paths such as workers/mailer, or patterns such as "
        .. "'workers/*' and '**'; \".\" is the root."):args(count):argname "SERVICE"
end

--- Seconds in a text such as "90", "1m30s"; nil and what is wrong with it.
function remote.to_seconds(text)
    local options = require "suptree.options"
    local ns = tonumber(text) and options.seconds(tonumber(text)) or options.duration(text)
    if ns and ns ~= math.maxinteger then return ns / 1e9 end
    return nil, ("%s is not a time; write seconds, or a text such as 1m30s"):format(
        require "suptree.text".quote(text))
end

--- Adds --timeout to a parser.
function remote.add_timeout(parser)
    parser:option("--timeout", "Wait at most so long, then exit with 124; what was asked for still stands.")
        :argname "TIME":convert(remote.to_seconds)
end

--- Names as the host knows them: without a slash at the end.
function remote.paths(names)
    local paths = {}
    for place, name in ipairs(names) do paths[place] = #name > 1 and name:gsub("/+$", "") or name end
    return paths
end

function remote.is_pattern(name) return name:find "[*?]" ~= nil end

-- --- errors --------------------------------------------------------------------------------------------------------

--- Tells an error of a call; returns the exit code. `goes_on`: what goes on without us when we were interrupted.
function remote.fail(err, goes_on)
    if err.code == "unread" then return common.DONE end
    if err.code == "interrupted" then
        if goes_on then common.complain("not waiting any longer; %s", goes_on) end
        socket.leave(SIGINT)
        return remote.INTERRUPTED -- when INT is ignored
    end
    common.complain("%s", err.message)
    return remote.code_of(err.code)
end

--- Which host is meant, for client.connect.
function remote.wanted(arguments)
    return { name = arguments.tree, socket = arguments.socket }
end

--- A connection to the host that is meant; nil and the exit code, when all has been told.
function remote.connect(arguments)
    local connection, err = client.connect(remote.wanted(arguments))
    if connection then return connection end
    return nil, remote.fail(err)
end

--- A call that prints its reply as JSON: the exit code.
function remote.print_json(connection, method, params, options)
    options = options or {}
    options.raw = true
    local raw, err = connection:call(method, params, options)
    if not raw then return remote.fail(err) end
    print(raw)
    return common.DONE
end

-- --- output --------------------------------------------------------------------------------------------------------

--- The facts about standard output.
function remote.facts(arguments)
    return terminal.facts(1, arguments and arguments.colour)
end

--- Lines on standard output, in one write.
function remote.print_lines(lines)
    if lines[1] then io.stdout:write(table.concat(lines, "\n"), "\n") end
end

-- What somebody said just before he ended may be on its way still: then we look again, this often for all together.
local LOOK_S = 0.05
local looks = 20

--- The last `count` lines that a service has put out, on `file`, each behind a bar; nothing when there are none.
function remote.show_output(connection, path, count, file)
    local reply
    repeat
        reply = connection:call("logs", { paths = { path }, lines = count }, 5)
        if not reply or not reply.lines then return false end
        looks = looks - 1
    until reply.lines[1] or looks <= 0 or not socket.sleep(LOOK_S)
    if not reply.lines[1] then return false end
    file:write(("last output of %s:\n"):format(path))
    for _, line in ipairs(reply.lines) do file:write("  | ", terminal.printable(line.text), "\n") end
    return true
end

return remote
