--- suptree signal SIGNAL SERVICE…: sends a signal.
local change = require "suptree.cli.change"
local common = require "suptree.cli.common"
local options = require "suptree.options"
local remote = require "suptree.cli.remote"

-- Not a signal but the service's own: its reload_signal.
local RELOAD = "reload"

-- "HUP" for HUP, SIGHUP, hup, 1; nil: no signal.
local function signal_named(word)
    if word:lower() == RELOAD then return RELOAD end
    local number = math.tointeger(tonumber(word))
    if number then return number > 0 and number < 65 and (options.signal_name(number) or word) or nil end
    local name = word:upper():gsub("^SIG", "")
    return options.signal(name) and name or nil
end

-- The signal and the services among the words; the signal stands first or last, or behind --signal.
local function sort_words(arguments)
    local services = table.move(arguments.services, 1, #arguments.services, 1, {})
    if arguments.signal then return arguments.signal, services end
    local signal = signal_named(services[1])
    if signal and services[2] then
        table.remove(services, 1)
        return signal, services
    end
    signal = services[2] and signal_named(services[#services])
    if signal then services[#services] = nil end
    return signal, services
end

local function convert(word)
    local name = signal_named(word)
    if name then return name end
    return nil, ("%s is no signal; write a name such as HUP, or a number"):format(require "suptree.text".quote(word))
end

return {
    name = "signal",
    description = "Sends a signal to services. \"suptree signal HUP web\": it goes to the process itself; what follows "
        .. "from it is judged as any other end, so use stop and restart for these. \"suptree signal reload web\" sends "
        .. "its reload_signal: it reads its own settings again, and where it says so by sd_notify, that is waited for.",
    epilog = "Exit codes: 0 sent; 1 one of them does not run; 2 no such signal, or not for it; 4 no such service; "
        .. "5 refused; 7 no host answers; 124 the time is over.",
    describe = function(parser)
        parser:argument("services", "The signal (HUP, USR1, 9) and the services it goes to."):args "+"
            :argname "SIGNAL SERVICE"
        parser:option("-s --signal", "The signal; then all words are services."):argname "SIGNAL":convert(convert)
        parser:flag("--no-wait", "With reload: do not wait until it is done.")
        remote.add_timeout(parser)
        common.add_tree(parser)
        remote.add_json(parser)
    end,
    run = function(arguments)
        local signal, services = sort_words(arguments)
        if not signal or not services[1] then
            common.complain "signal: say which signal goes to which services, as in \"suptree signal HUP web\""
            return common.USAGE
        end
        local connection, code = remote.connect(arguments)
        if not connection then return code end
        local params = { paths = remote.paths(services), signal = signal }
        if signal == RELOAD then params.wait, params.timeout = not arguments.no_wait, arguments.timeout end
        arguments.no_wait = true -- what is told is what was done, not what the service is
        return change.ask(connection, "signal", { arguments = arguments, doing = "signalling", params = params })
    end,
}
