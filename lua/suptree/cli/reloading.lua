--- What plan, reload and rollback share: the file that is meant, the plan in lines, faults, and what came of it.
local change = require "suptree.cli.change"
local client = require "suptree.client"
local common = require "suptree.cli.common"
local paths = require "suptree.paths"
local remote = require "suptree.cli.remote"
local render = require "suptree.render.plan"
local socket = require "suptree.socket"
local system = require "suptree.system"
local terminal = require "suptree.render.terminal"

local reloading = {}

local OUTPUT_LINES = 10
local GRACE_S = 5 -- for the host to say itself that the time is over
local AGAIN_S = 10 -- for the next host to answer

--- Adds FILE to a parser.
function reloading.add_file(parser)
    parser:argument("file", "The configuration, or the folder that it is in (default: the file that the tree runs "
        .. "from)."):args "?":argname "FILE"
end

--- The path of FILE as the host understands it, wherever that is; nil: its own file.
function reloading.absolute(file)
    if not file then return nil end
    return paths.absolute((common.find_file(file)), assert(system.real_path "."))
end

--- Prints the lines of a plan.
function reloading.print_plan(plan, facts, all)
    local lines = {}
    for place, line in ipairs(render.lines(plan, all)) do
        local words = terminal.printable(line.words)
        lines[place] = line.colour and facts.paint(line.colour, words) or words
    end
    remote.print_lines(lines)
end

--- Tells the error of a call; returns the exit code.
function reloading.fail(err, goes_on)
    local faults = err.code == "config" and err.data.faults
    if not faults then return remote.fail(err, goes_on) end
    for _, fault in ipairs(faults) do io.stderr:write(common.printable(tostring(fault)), "\n") end
    local paint = common.painter(common.is_coloured("auto", 2))
    local count = require "suptree.text".count(#faults, "error")
    io.stderr:write(paint("red", count .. "; the tree runs on as before"), "\n")
    return common.BAD_CONFIG
end

local function code_of(reply)
    if reply.outcome == "rolled_back" then return common.FAILED end
    return change.code_of(reply.results or {})
end

local function tell(connection, reply, facts)
    local good = code_of(reply) == common.DONE
    local words = terminal.printable(reply.message)
    if reply.outcome == "rolled_back" then common.complain("%s", words)
    else remote.print_lines { good and facts.paint("green", words) or words } end
    for _, result in ipairs(reply.results or {}) do
        if result.status ~= "ok" then
            if reply.outcome ~= "rolled_back" then common.complain("%s: %s", result.path, result.message) end
            remote.show_output(connection, result.path, OUTPUT_LINES, io.stderr)
        end
    end
    return code_of(reply)
end

--- Adds what reload and rollback take.
function reloading.describe(parser)
    parser:flag("--no-rollback", "Keep it even when what is new or changed does not get ready, or fails.")
    parser:flag("--no-wait", "Do not wait for the result.")
    remote.add_timeout(parser)
    parser:option("--settle", "Once all are ready, see for so long whether they stay up (default: 1s).")
        :argname "TIME":convert(remote.to_seconds)
    common.add_tree(parser)
    remote.add_json(parser)
end

-- Was a reload rolled back after the moment `began`? It is told then.
local function tell_rolled_back(connection, began)
    local reply = connection:call("events", { types = { "rolled_back" }, last = 1 }, AGAIN_S)
    local event = reply and reply.events and reply.events[1]
    if not event or event.time < began then return false end
    common.complain("rolled back%s: %s", event.by and " because of " .. event.by or "", event.reason or "it failed")
    return true
end

-- The host died while we waited, since `began`. The next one has the reload when the former had decided it, else nobody
-- has.
local function look_again(connection, params, began)
    local again = client.connect { socket = connection.path }
    local plan = again and again:call("plan", { file = params.file, rollback = params.back }, AGAIN_S)
    if not plan then return nil end
    if tell_rolled_back(again, began) then return common.FAILED end
    if params.back or not plan.summary.empty then
        common.complain "the host died meanwhile, and the next one has taken over; see \"suptree plan\", and try again"
        return common.FAILED
    end
    print "reloaded: the host died meanwhile, and the next one has taken over; \"suptree status\" shows how it stands"
    return common.DONE
end

-- The call itself. Shows the plan as soon as it is there, and on a terminal whom it waits for.
local function call(connection, method, params, arguments)
    local facts, progress = remote.facts(), change.progress "waiting"
    local timeout = params.timeout
    socket.catch_interrupt()
    local reply, err = connection:call(method, params, {
        raw = arguments.json,
        timeout = timeout and timeout + (params.settle or 0) + GRACE_S,
        on_note = function(note, told)
            if note == "plan" and not told.summary.empty then
                reloading.print_plan(told, facts)
                io.stdout:flush()
            elseif note == "progress" then
                progress.show(told.path, told.state)
            end
        end,
    })
    progress.clear()
    return reply, err
end

--- Runs `method`, "reload" or "rollback".
function reloading.run(method, arguments)
    local connection, code = remote.connect(arguments)
    if not connection then return code end
    if connection.elsewhere then common.complain("this is about %s, at %s", connection.name, connection.path) end
    local params = {
        file = reloading.absolute(arguments.file), rollback = not arguments.no_rollback, wait = not arguments.no_wait,
        timeout = arguments.timeout, settle = arguments.settle, progress = not arguments.json,
    }
    local began = os.time()
    local reply, err = call(connection, method, params, arguments)
    if not reply and err.code == "closed" and not arguments.json then
        code = look_again(connection, { file = params.file, back = method == "rollback" }, began)
        if code then return code end
    end
    if not reply then
        return reloading.fail(err, ("the %s goes on; \"suptree status\" shows how far it is"):format(method))
    end
    if arguments.json then
        print(reply)
        return code_of(require "cjson".decode(reply))
    end
    return tell(connection, reply, remote.facts())
end

return reloading
