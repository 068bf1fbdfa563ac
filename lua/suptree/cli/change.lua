--- What start, stop and restart share: asking, waiting with a line of progress, telling the results.
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"
local socket = require "suptree.socket"
local system = require "suptree.system"
local terminal = require "suptree.render.terminal"
local words = require "suptree.render.words"

local change = {}

local MOST_LINES = 20 -- results that went well and are told one by one
local OUTPUT_LINES = 10
local USUAL_WIDTH = 80
local STANDARD_ERROR = 2
local GRACE_S = 5 -- for the host to say itself that the time is over

--- Adds what all of them take.
function change.describe(parser)
    remote.add_names(parser, "+")
    parser:flag("--no-wait", "Do not wait for the result.")
    remote.add_timeout(parser)
    parser:option("--context", "Why, in words: shown with the events that follow."):argname "TEXT"
    common.add_tree(parser)
    remote.add_json(parser)
end

-- --- progress ------------------------------------------------------------------------------------------------------

--- A line on a terminal that says what is being waited for: { show(path, state), clear() }.
function change.progress(doing)
    local shown = false
    local columns = system.terminal_width(STANDARD_ERROR) or USUAL_WIDTH
    if not system.is_terminal(STANDARD_ERROR) then return { show = function() end, clear = function() end } end
    return {
        show = function(path, state)
            local line = terminal.printable(("%s: %s is %s"):format(doing, path, state))
            io.stderr:write("\r\27[K", terminal.cut(line, columns - 1, "~"))
            shown = true
        end,
        clear = function()
            if shown then io.stderr:write "\r\27[K" end
            shown = false
        end,
    }
end

-- --- results -------------------------------------------------------------------------------------------------------

-- Which code wins when results differ: an unknown name first, then a refusal, the time, what was not reached.
local ORDER = { common.UNKNOWN, common.REFUSED, common.USAGE, common.TIMED_OUT, common.FAILED }

--- The exit code of several results.
function change.code_of(results)
    local seen = {}
    for _, result in ipairs(results) do seen[remote.code_of(result.status)] = true end
    for _, code in ipairs(ORDER) do if seen[code] then return code end end
    return common.DONE
end

local function tell_failure(connection, result)
    local message = result.message
    if not message or message == "" then message = result.node and words.short(result.node) or result.status end
    common.complain("%s: %s", result.path, message)
    local node = result.node
    if node and node.kind ~= "supervisor" and result.status ~= "waiting_for" then
        remote.show_output(connection, result.path, OUTPUT_LINES, io.stderr)
    end
end

--- Tells the results; returns the exit code. `waited`: they are what came of it, not what was accepted.
function change.tell(connection, results, waited)
    local facts, lines, good = remote.facts(), {}, 0
    for _, result in ipairs(results) do
        if result.status == "ok" then
            good = good + 1
            local node = result.node
            if good <= MOST_LINES then
                local said = waited and node and facts.paint(words.colour(node), terminal.printable(words.short(node)))
                    or result.message ~= "" and result.message or "asked"
                lines[#lines + 1] = ("%s: %s"):format(terminal.printable(result.path), said)
            end
        end
    end
    if good > MOST_LINES then lines[#lines + 1] = ("and %d more"):format(good - MOST_LINES) end
    remote.print_lines(lines)
    for _, result in ipairs(results) do
        if result.status ~= "ok" then tell_failure(connection, result) end
    end
    return change.code_of(results)
end

-- --- asking --------------------------------------------------------------------------------------------------------

local function print_raw(raw)
    print(raw)
    return change.code_of(require "cjson".decode(raw).results or {})
end

--- Asks for `method` and waits. `settings`: arguments, params, doing ("restarting"), goes_on (what goes on when a
-- person does not want to wait any longer).
function change.ask(connection, method, settings)
    local arguments, progress = settings.arguments, change.progress(settings.doing)
    local timeout = settings.params.timeout
    socket.catch_interrupt()
    local reply, err = connection:call(method, settings.params, {
        raw = arguments.json, timeout = timeout and timeout + GRACE_S,
        on_note = function(note, params) if note == "progress" then progress.show(params.path, params.state) end end,
    })
    progress.clear()
    if not reply then return remote.fail(err, settings.goes_on) end
    if arguments.json then return print_raw(reply) end
    return change.tell(connection, reply.results or {}, not arguments.no_wait)
end

--- Runs the verb `method`.
function change.run(method, doing, arguments)
    local connection, code = remote.connect(arguments)
    if not connection then return code end
    return change.ask(connection, method, {
        arguments = arguments, doing = doing,
        params = {
            paths = remote.paths(arguments.services), wait = not arguments.no_wait, timeout = arguments.timeout,
            context = arguments.context,
            progress = not arguments.no_wait and system.is_terminal(STANDARD_ERROR) or nil,
        },
        goes_on = ("the %s goes on; \"suptree status\" shows how far it is"):format(method),
    })
end

return change
