--- suptree help [TOPIC]: the verbs, a verb, the options of a kind of node, one option.
local common = require "suptree.cli.common"
local option_help = require "suptree.option_help"
local system = require "suptree.system"
local text = require "suptree.text"
local verbs = require "suptree.cli.verbs"

local WIDTH = 96

local KINDS = {
    supervisor = "A supervisor starts its children in order, restarts those that fail, and stops them:\n\n"
        .. '    s.supervisor "name" { option = value, …, child, child, … }',
    process = "A process is a program that is kept running:\n\n"
        .. '    s.process "name" { command = { "./program" }, option = value, … }',
    oneshot = "A oneshot is a process, or with run a thread, that does something and ends. Done, it is ready: what "
        .. "is after it\nstarts then. After a failure it is tried again (restart is \"transient\"); it has all the "
        .. "time it needs, unless\nstart_timeout says otherwise:\n\n"
        .. '    s.oneshot "name" { command = { "./migrate" }, option = value, … }',
    timer = "A timer is a process, or with run a thread, that is run at times and waits between them:\n\n"
        .. '    s.timer "name" { command = { "./backup" }, every = "1h", option = value, … }\n'
        .. '    s.timer "name" { command = { "./backup" }, at = "30 3 * * *", option = value, … }\n\n'
        .. "A run that fails counts; the next one comes at its time, or with restart = \"transient\" at once.\n"
        .. '"suptree start name" runs it now.',
    thread = "A thread is a Lua function on an OS thread of its own:\n\n"
        .. '    s.thread "name" { run = function(ctx) … end, option = value, … }',
}

local TOPICS = { "options", "protocol", "supervisor", "process", "thread", "oneshot", "timer" }

-- Words in lines of at most WIDTH columns, each line after the first behind `margin` spaces.
local function wrap(words, margin)
    local lines, line = {}, ""
    for word in words:gmatch "%S+" do
        if line ~= "" and margin + #line + 1 + #word > WIDTH then
            lines[#lines + 1] = line
            line = word
        else
            line = line == "" and word or line .. " " .. word
        end
    end
    lines[#lines + 1] = line
    return table.concat(lines, "\n" .. (" "):rep(margin))
end

local function print_verbs()
    print(("suptree %s keeps programs running: it starts them, restarts those that fail,"):format(system.version))
    print "and stops them in order."
    print "\nUsage: suptree VERB [ARGUMENT…]\n"
    for _, verb in ipairs(verbs) do
        if not verb.internal then print(("  %-23s %s"):format(verb.usage, verb.summary)) end
    end
    print "\nFILE is a configuration; without it, supervise.lua in this folder. To begin, write one:\n"
    print(common.example)
    print 'then type "suptree run". Ctrl-C stops it.\n'
    print '"suptree help run" explains a verb, "suptree help options" lists what a configuration may say,'
    print '"suptree help timeout" explains one option.'
end

local function print_row(row, kind)
    local required = row.required and not (kind == "oneshot" or kind == "timer")
    local default = required and "needed" or option_help.default(row, kind) or ""
    print(("  %-22s %-12s %s"):format(row.name, default, wrap(row.doc, 38)))
end

local function print_kind(kind)
    print(KINDS[kind])
    print(("\nOptions of a %s:\n"):format(kind))
    print(("  %-22s %-12s"):format("option", "default"))
    for _, row in ipairs(option_help.rows(kind)) do print_row(row, kind) end
    print '\n"suptree help OPTION" says more about one.'
end

local function print_options()
    print "Options of a configuration, by the nodes that have them:"
    local function print_group(title, has)
        print("\n" .. title .. "\n")
        for _, row in ipairs(option_help.rows()) do if has(row) then print_row(row) end end
    end
    print_group("supervisors", function(row) return row.supervisor and not row.process end)
    print_group("every node", function(row) return row.supervisor and row.process end)
    print_group("every node but the root", function(row) return row.child end)
    print_group("processes and threads", function(row)
        return row.process and row.thread and not row.supervisor and not row.oneshot and not row.timer
    end)
    print_group("oneshots", function(row) return row.oneshot end)
    print_group("timers", function(row) return row.timer end)
    print_group("processes", function(row) return row.process and not row.thread end)
    print_group("threads", function(row) return row.thread and not row.process end)
    print '\n"suptree help OPTION" says more about one.'
end

local function print_field(name, value)
    if value and value ~= "" then print(("  %-11s %s"):format(name, wrap(value, 14))) end
end

local SOURCES = {
    suptree = "suptree's own", suture = "as in Go's suture", OTP = "as in Erlang/OTP", s6 = "as in s6",
    systemd = "as in systemd",
}

local function print_option(row)
    print(("%s: an option of %s\n"):format(row.name, option_help.owner(row)))
    print("  " .. wrap(row.doc, 2) .. "\n")
    print_field("value", option_help.value(row))
    print_field("default", row.required and "none: it must be written" or row.default or "none")
    local oneshot, timer = option_help.default(row, "oneshot"), option_help.default(row, "timer")
    if oneshot ~= row.default then print_field("", ("of a oneshot %s, of a timer %s"):format(oneshot, timer)) end
    print_field("inherited", row.inherited and "nested nodes take their supervisor's value" or nil)
    print_field("on reload", option_help.reload(row))
    print_field("rule", SOURCES[row.source] or row.source)
    local fields = option_help.fields(row)
    if fields then print("\n  " .. (row.type == "ready" and "s.ready." or "in the table")) end
    for _, field in ipairs(fields or {}) do
        print(("    %-12s %-6s %s"):format(field[1], field[2], wrap(field[3], 24)))
    end
    print("\n  example\n    " .. option_help.example(row))
end

local function find_verb(name)
    for _, verb in ipairs(verbs) do if verb.name == name and not verb.internal then return verb end end
end

local function unknown_topic(topic)
    local words = { table.unpack(TOPICS) }
    for _, verb in ipairs(verbs) do if not verb.internal then words[#words + 1] = verb.name end end
    for _, row in ipairs(option_help.rows()) do words[#words + 1] = row.name end
    common.complain('there is no help on "%s"%s; "suptree help" and "suptree help options" list what there is',
        topic, text.did_you_mean(topic, words))
    return common.USAGE
end

local function explain(topic)
    if not topic then print_verbs()
    elseif topic == "options" then print_options()
    elseif topic == "protocol" then io.stdout:write(require "suptree.protocol_help"(wrap))
    elseif KINDS[topic] then print_kind(topic)
    elseif find_verb(topic) then return require "suptree.cli.main"(topic, "--help")
    elseif option_help.find(topic) then print_option(option_help.find(topic))
    else return unknown_topic(topic) end
    return common.DONE
end

return {
    name = "help",
    description = "Explains a verb, or what a configuration may say.",
    describe = function(parser)
        parser:argument("topic", "A verb, an option, \"options\" for all of them, supervisor, process, thread, "
            .. "oneshot, timer, or protocol: the methods of the control socket.")
            :args "?":argname "TOPIC"
    end,
    run = function(arguments) return explain(arguments.topic) end,
}
