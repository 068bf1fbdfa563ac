--- What `suptree help` says of options: from their rows, and an example for each. The reference page is made of the
-- same.
local options = require "suptree.options"
local ready = require "suptree.ready"
local text = require "suptree.text"

local option_help = {}

local VALUES = {
    bool = "true or false",
    size = 'bytes as a number, or a text such as "64MiB"',
    string = "a text",
    path = "a path, relative to the folder of the configuration",
    names = 'a list of names of siblings, such as { "db" }',
    cgroup = "a table; each limit as below, or \"max\": none",
    command = "a list of words, or a line for the shell",
    commands = 'a list of words, a line for the shell, or { command = …, timeout = "30s" }',
    env = "a table of names and values; numbers become texts",
    env_file = "a path, relative to the folder of the configuration",
    codes = "a list of exit codes, such as { 0, 75 }",
    signal = 'the name of a signal, such as "TERM", or its number',
    delay = "a duration, or a table: initial (needed), max (60s), factor (2), jitter (0: a fraction), "
        .. "reset_after (60s)",
    ready = ready.WORDS,
    health = '{ probe = s.ready.tcp(80), … }',
    log = '{ file = PATH, … }, false or "inherit"',
    ladder = 'a list of { signal, time }, such as { { "INT", "5s" }, { "TERM", "5s" } }',
    sockets = 'a table of names and addresses: "127.0.0.1:8080", "[::1]:8080", "8080" (all interfaces), '
        .. '"udp:127.0.0.1:53", "unix:PATH", "unix:@NAME", or { address = …, … }',
    mode = 'an octal text such as "027"',
    user = "the name or number of a user",
    id = "the name or number of a group",
    ids = "a list of names or numbers of groups",
    limits = 'a table: cpu, fsize, data, stack, core, nproc, nofile, memlock, as and so on, each a number, a size, '
        .. '"unlimited", or { soft, hard }',
}

local OF_BYTES = { run = "a function(ctx), or the name of a module that returns one", args = "plain data",
    on_event = "a function(event), or { types = { … }, run = function(event) … end }" }

--- What may be written, in words.
function option_help.value(row)
    if row.type == "enum" then return text.alternatives(row.allowed, true) end
    if row.name == "at" then return "five fields as in crontab, or @hourly, @daily, @weekly, @monthly, @yearly" end
    if row.type == "bytes" then return OF_BYTES[row.name] end
    if row.type == "count" or row.type == "integer" then
        return ("a whole number from %.0f to %.0f"):format(row.min, row.max)
    end
    if row.type == "commands" and row.max > 1 then return VALUES.commands .. "; or a list of these" end
    if row.type == "number" then return ("a number from %.14g to %.14g"):format(row.min, row.max) end
    if row.type == "duration" then
        local never = row.infinity and ', or "infinity"' or ""
        local least = row.positive and "; more than 0" or ""
        return 'seconds as a number, or a text such as "1m30s"' .. never .. least
    end
    return VALUES[row.type]
end

-- What a value that is a table may hold: name, default, what it means.
local FIELDS = {
    cgroup = {
        { "cpu_max", "max", 'Processor time: a number of cores such as 1.5, or "50%" of one.' },
        { "cpu_weight", "100", "Its share of the processors when there are not enough: 1 to 10000." },
        { "io_weight", "100", "The same of the disks." },
        { "memory_high", "max", 'Above this, such as "48MiB", it is slowed down and its memory taken back.' },
        { "memory_low", "0", "Below this its memory is not taken for others." },
        { "memory_max", "max", "When it needs more than this, something in it is killed." },
        { "pids_max", "max", "How many processes and threads there may be." },
        { "required", "false", "true: the start fails when a limit cannot be set here; else it starts without that "
            .. "limit, and status says so." },
        { "swap_max", "max", 'How much of it may be swapped out; 0: nothing.' },
    },
    log = {
        { "file", "none", "The output is appended to this file as well. Its folder must be there; relative paths are "
            .. "relative to the folder of the configuration." },
        { "max_size", "none", 'When the file would grow beyond this, such as "10MiB", it ends with a whole line, gets '
            .. "the time behind its name, and another begins." },
        { "max_age", "none", 'The same when the file is older than this, such as "1d", and something is to be '
            .. "written." },
        { "max_files", "10", "How many old files are kept." },
        { "timestamps", "none", '"iso8601" (UTC, microseconds) or "tai64n": the time before each line of the file.' },
        { "format", "raw", '"raw": the bytes as they come; "json": an object a line, { "time", "path", "line" }.' },
        { "to", "none", 'The name of a sibling, or a path such as "loggers/web": the output becomes the input of that '
            .. "process instead. Nothing else can stand beside it." },
        { "buffer", "64KiB", "How much of the last output is kept in memory; with or without a file." },
    },
    health = {
        { "probe", "", "s.ready.tcp, .unix, .http or .exec; or a function(service) that returns true, or nil and what "
            .. "is wrong; it is called on the thread of the hooks." },
        { "every", "10s", "From one look to the next; they never overlap. The first comes within this time after it is "
            .. "ready, by chance." },
        { "timeout", "2s", "How long one look may take; of exec 5s." },
        { "failures", "3", "So many in a row are too many." },
        { "action", "restart", '"restart": it is stopped and that is a failure, counted once; "event": only an event '
            .. "says so: unhealthy, and healthy when it is well again." },
        { "start_after", "0", "How much later than ready the first look may come." },
    },
    ready = {
        { "notify()", "", "When the process says READY=1 by sd_notify." },
        { "fd(n)", "", "When it writes a line to its descriptor n, 3 or more, as s6 has it." },
        { "tcp(port)", "", 'When the port takes connections: 5432 on this machine, "127.0.0.1:5432", "[::1]:5432".' },
        { "unix(path)", "", "When the unix socket takes connections." },
        { "http(url)", "", "When a GET is answered by a status from 200 to 399; http:// and an address in numbers, or "
            .. "localhost. http { url, status = 204 } or \"200-299\" wants that one." },
        { "exec{ ... }", "", "When the command, words or a line for the shell, exits with 0." },
        { "log(pattern)", "", "When a line of its output since its launch matches the Lua pattern." },
        { "file(path)", "", "When the file appears, or is changed, after the launch." },
        { "delay(time)", "", "So long after its launch." },
        { "manual()", "", "When a thread says ctx:ready()." },
        { "timeout", "2s", "Of tcp, unix, http and exec (there 5s): how long one look may take; "
            .. 'tcp { 80, timeout = "1s" }.' },
        { "every", "", "Of the same: the time between looks. Without it 50ms at first, growing to a second." },
    },
    sockets = {
        { "address", "", '"127.0.0.1:8080", "[::1]:8080", "8080" or "*:8080" (all interfaces, IPv4 and IPv6), '
            .. '"udp:127.0.0.1:53", "unix:PATH" (a stream), "unix:@NAME". It may stand instead of the table.' },
        { "backlog", "4096", "How many connections may wait to be accepted; net.core.somaxconn bounds it." },
        { "mode", '"0600"', 'Who may connect to a file, an octal text such as "0660".' },
        { "user", "", "Whose the file is, by name or number; default: the user of the service." },
        { "group", "", "The group of the file; default: that of the service." },
        { "reuse_port", "false", "Other programs may listen on the same port and share its connections." },
        { "free_bind", "false", "The address need not be there yet." },
    },
}

--- The fields of the table that the option's value may be: an array of { name, default, doc }, or nil.
function option_help.fields(row)
    return FIELDS[row.name]
end

--- Whose option it is, in words.
function option_help.owner(row)
    if row.child then return "any node but the root" end
    return text.owners(row)
end

--- What a reload does when it changes, in words.
function option_help.reload(row)
    if row.type == "log" then
        return 'a change is applied while it runs; but to and from false or "inherit" restarts the service'
    end
    if row.oneshot or row.timer then return "a change is applied while it runs" end
    if row.name == "control_group" then return "a change is for the next run" end
    if row.name == "sockets" then
        return "other names or addresses restart the service; the rest of a change is applied while it runs"
    end
    if row.name == "replicas" then return "a change starts those that are missing, or stops the last ones" end
    return row.exec and "a change restarts the service" or "a change is applied while it runs"
end

-- The text of an example by option: what stands in the braces of a node of the option's first kind.
local EXAMPLES = {
    activation = "sockets = { http = 8080 }, activation = true",
    after = 'after = { "db" }',
    after_exit = 'after_exit = { command = "rm -f run/web.sock", timeout = "5s" }',
    args = "args = { interval = 60 }",
    at = 'at = "30 3 * * mon-fri"',
    auto_shutdown = 'auto_shutdown = "all_significant"',
    backoff_jitter = "backoff_jitter = true",
    before = 'before = { { "./migrate", "up" }, "mkdir -p run" }',
    cgroup = 'cgroup = { memory_max = "64MiB", cpu_max = 0.5, pids_max = 100 }',
    command = 'command = { "./web", "--port", 8080 }',
    control_group = 'control_group = "adm"',
    cwd = 'cwd = "data"',
    description = 'description = "the shop\'s web server"',
    done_exit = "done_exit = { 100 }",
    enabled = "enabled = false",
    env = 'env = { PORT = 8080, LANG = "C.UTF-8" }',
    env_file = 'env_file = "web.env"',
    every = 'every = "1h"',
    extend_backoff = "extend_backoff = true",
    failure_backoff = 'failure_backoff = "1m"',
    failure_decay = 'failure_decay = "30s"',
    failure_threshold = "failure_threshold = 3.5",
    formerly = 'formerly = "www"',
    group = 'user = "www-data", group = "adm"',
    groups = 'user = "www-data", groups = { "adm", "ssl-cert" }',
    health = 'health = { probe = s.ready.tcp(8080), every = "5s" }',
    inherit_env = "inherit_env = false",
    intensity = "intensity = 3, period = 60",
    jitter = 'every = "1h", jitter = "5m"',
    kill_mode = 'kill_mode = "process"',
    kill_timeout = 'kill_timeout = "5s"',
    limits = 'limits = { nofile = 65536, core = 0 }',
    log = 'log = { file = "logs/web.log", max_size = "10MiB", timestamps = "iso8601" }',
    max_children = "max_children = 100",
    max_pauses = 'max_pauses = 3, within = "1h"',
    memory = 'memory = "128MiB"',
    missed = 'at = "@daily", missed = "run"',
    nice = "nice = 10",
    no_new_privs = "no_new_privs = true",
    on_event = 'on_event = { types = { "gave_up", "backoff" }, run = function(event) print(event.path) end }',
    on_stuck = 'on_stuck = "abandon"',
    oom_score = "oom_score = 500",
    on_threshold = 'on_threshold = "escalate"',
    overlap = 'every = "1m", overlap = "queue"',
    period = "intensity = 3, period = 60",
    propagate_termination = "propagate_termination = false",
    ready = 'ready = s.ready.tcp(8080)',
    reload_signal = 'reload_signal = "HUP"',
    replicas = "replicas = 3",
    remain = "remain = false",
    restart = 'restart = "transient"',
    restart_delay = 'restart_delay = { initial = "1s", max = "1m", factor = 2, jitter = 0.2 }',
    restart_spacing = 'restart_spacing = "200ms"',
    restart_with = 'restart_with = { "db" }',
    run = 'run = function(ctx) while ctx:sleep(60) do ctx:log("tick") end end',
    significant = 'restart = "transient", significant = true',
    sockets = 'sockets = { http = "127.0.0.1:8080", admin = "unix:run/admin.sock" }',
    start_timeout = 'start_timeout = "2m"',
    stop = 'stop = { { "INT", "5s" }, { "TERM", "5s" } }',
    stop_order = 'stop_order = "reverse"',
    stop_signal = 'stop_signal = "INT"',
    strategy = 'strategy = "rest_for_one"',
    success_exit = "success_exit = { 0, 75 }",
    terminate_exit = "terminate_exit = { 99 }",
    timeout = 'timeout = "30s"',
    umask = 'umask = "027"',
    user = 'user = "www-data"',
    watchdog = 'ready = s.ready.notify(), watchdog = "30s"',
    within = 'max_pauses = 3, within = "1h"',
}

-- The node around an example: what must stand there beside it.
local AROUND = {
    supervisor = { 's.supervisor "shop" { ', "," },
    process = { 's.process "web" { command = { "./web" }, ', " }," },
    thread = { 's.thread "sweeper" { run = "sweeper", ', " }," },
}

--- An example as a line (or lines) of a configuration.
function option_help.example(row)
    local inside = EXAMPLES[row.name]
    if row.name == "command" then return ('s.process "web" { %s },'):format(inside) end
    if row.timer then return ('s.timer "backup" { command = { "./backup" }, %s },'):format(inside) end
    if row.oneshot then return ('s.oneshot "migrate" { command = { "./migrate" }, %s },'):format(inside) end
    if row.name == "run" then return ('s.thread "sweeper" { %s },'):format(inside) end
    if row.supervisor and not row.process then return ('s.supervisor "shop" { %s, … },'):format(inside) end
    local around = AROUND[(row.process or row.child) and "process" or "thread"]
    return around[1] .. inside .. around[2]
end

local DEFAULTS = {
    oneshot = { restart = "transient", start_timeout = "infinity" },
    timer = { restart = "temporary", start_timeout = "infinity" },
}

--- The default of an option, as text, in a node of `kind` (nil: any).
function option_help.default(row, kind)
    return DEFAULTS[kind] and DEFAULTS[kind][row.name] or row.default
end

--- Is there an option of that name?
function option_help.find(name)
    local row = options.rows[name]
    return type(row) == "table" and type(name) == "string" and row or nil
end

--- The rows that a node of `kind` may have, or all, in alphabetical order.
function option_help.rows(kind)
    local rows = {}
    for _, row in ipairs(options.rows) do
        if not kind or options.applies(row.name, kind, false) then rows[#rows + 1] = row end
    end
    return rows
end

return option_help
