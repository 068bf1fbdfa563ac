--- A systemd unit: [Unit] and [Service], one service a file; or [Timer], which says when a service of that name runs.
local calendar = require "suptree.import.calendar"
local words = require "suptree.import.words"
local writer = require "suptree.import.writer"

local RESTARTS = { no = "temporary", ["on-failure"] = "transient", ["on-abnormal"] = "transient",
    ["on-abort"] = "transient", ["on-watchdog"] = "transient", ["on-success"] = "permanent", always = "permanent" }

local LIMITS = { LimitNOFILE = "nofile", LimitCORE = "core", LimitNPROC = "nproc", LimitMEMLOCK = "memlock",
    LimitSTACK = "stack", LimitAS = "as", LimitFSIZE = "fsize", LimitDATA = "data", LimitCPU = "cpu" }

local CGROUP = { MemoryMax = "memory_max", MemoryHigh = "memory_high", TasksMax = "pids_max", CPUWeight = "cpu_weight" }

-- What says nothing here, or is how suptree works anyway.
local SILENT = { Requires = true, Wants = true, BindsTo = true, Documentation = true, DefaultDependencies = true,
    SyslogIdentifier = true, PIDFile = true, NotifyAccess = true }

local UNITS = { [""] = 1, s = 1, sec = 1, second = 1, seconds = 1, ms = 0.001, msec = 0.001, us = 1e-6, m = 60,
    min = 60, minute = 60, minutes = 60, h = 3600, hr = 3600, hour = 3600, hours = 3600, d = 86400, day = 86400,
    days = 86400, w = 604800, week = 604800, weeks = 604800 }

-- "1min 30s" as seconds or "infinity"; nil: not a time.
local function duration(text)
    if text == "infinity" then return text end
    local seconds, rest = 0, text
    while rest ~= "" do
        local number, unit, after = rest:match "^%s*([%d.]+)%s*(%a*)%s*(.*)$"
        if not number or not UNITS[unit] then return nil end
        seconds, rest = seconds + tonumber(number) * UNITS[unit], after
    end
    return seconds
end

local function positive(text)
    local time = duration(text)
    return time == 0 and "infinity" or time
end

-- A command line without systemd's prefixes. `$` needs a shell here.
local function command(line)
    local prefix, rest = line:match "^([@%-:+!|]*)%s*(.*)$"
    if rest:find "%$" then return "exec " .. rest, prefix end
    return words.split(rest) or rest, prefix
end

local function add_env(env, line)
    for _, word in ipairs(words.split(line) or {}) do
        local key, value = word:match "^([^=]+)=(.*)$"
        if key then env[key] = value end
    end
end

local function output(value)
    local file = value:match "^append:(.+)$" or value:match "^file:(.+)$" or value:match "^truncate:(.+)$"
    if file then return { file = file } end
    if value == "null" then return false end
    return nil
end

local function success_codes(text)
    local list = { 0 }
    for code in text:gmatch "%f[%w]%d+%f[%W]" do list[#list + 1] = tonumber(code) end
    return list
end

-- Each takes (service, value) and returns true when it could be taken over.
local takers = {}

function takers.Description(service, value) service.options.description = value return true end
function takers.WorkingDirectory(service, value)
    if value:find "^[~-]" then return false end
    service.options.cwd = value
    return true
end
function takers.User(service, value) service.options.user = value return true end
function takers.Group(service, value) service.options.group = value return true end
function takers.UMask(service, value) service.options.umask = value return true end
function takers.Nice(service, value) service.options.nice = tonumber(value) return true end
function takers.OOMScoreAdjust(service, value) service.options.oom_score = tonumber(value) return true end
function takers.NoNewPrivileges(service, value)
    service.options.no_new_privs = value:find "^[yYtT1]" ~= nil or value == "on"
    return true
end
function takers.Restart(service, value)
    service.options.restart = RESTARTS[value]
    return RESTARTS[value] ~= nil
end
function takers.RestartSec(service, value) service.options.restart_delay = duration(value) return true end
function takers.TimeoutStartSec(service, value) service.options.start_timeout = positive(value) return true end
function takers.TimeoutStopSec(service, value) service.options.timeout = positive(value) return true end
function takers.TimeoutSec(service, value)
    service.options.start_timeout, service.options.timeout = positive(value), positive(value)
    return true
end
function takers.WatchdogSec(service, value)
    local time = duration(value)
    service.options.watchdog = time ~= 0 and time or nil
    return true
end
function takers.KillSignal(service, value) service.options.stop_signal = value:match "^S?I?G?(.*)$" return true end
function takers.KillMode(service, value)
    local mode = ({ process = "process", ["control-group"] = "cgroup", mixed = "cgroup" })[value]
    service.options.kill_mode = mode
    return mode ~= nil
end
function takers.SuccessExitStatus(service, value) service.options.success_exit = success_codes(value) return true end
function takers.Environment(service, value)
    service.options.env = service.options.env or {}
    add_env(service.options.env, value)
    return true
end
function takers.EnvironmentFile(service, value)
    if service.options.env_file then return false end
    service.options.env_file = value:gsub("^%-", "")
    return not value:find "^%-"
end
function takers.StandardOutput(service, value)
    service.options.log = output(value)
    return service.options.log ~= nil or value == "journal" or value == "inherit"
end
function takers.Type(service, value)
    if value == "notify" or value == "notify-reload" then service.options.ready = writer.ready "notify" end
    service.is_oneshot = value == "oneshot"
    return value ~= "forking" and value ~= "dbus"
end
function takers.RemainAfterExit(service, value)
    service.remains = value:find "^[yYtT1]" ~= nil or value == "on"
    return true
end
function takers.ExecStart(service, value)
    local argv, prefix = command(value)
    service.commands[#service.commands + 1] = argv
    return not prefix:find "[+!|@]"
end
function takers.ExecStartPre(service, value)
    local argv, prefix = command(value)
    if prefix:find "[+!|@]" then return false end
    if prefix:find("-", 1, true) and type(argv) == "string" then -- it may fail
        argv = ("(%s) || true"):format(argv)
    elseif prefix:find("-", 1, true) then
        argv = table.move(argv, 1, #argv, 5, { "/bin/sh", "-c", '"$@" || true', "sh" })
    end
    service.options.before = service.options.before or {}
    table.insert(service.options.before, argv)
    return true
end
function takers.ExecStopPost(service, value)
    if service.options.after_exit then return false end
    service.options.after_exit = command(value)
    return true
end
function takers.ExecReload(service, value)
    local signal = value:match "kill %-(%w+) %$MAINPID%s*$" or value:match "kill %-s (%w+) %$MAINPID%s*$"
    service.options.reload_signal = signal and signal:gsub("^SIG", "")
    return signal ~= nil
end
function takers.After(service, value)
    for unit in value:gmatch "%S+" do
        local name = unit:match "^(.+)%.service$"
        if name then table.insert(service.options.after, words.node_name(name)) end
    end
    return true
end
for key, name in pairs(LIMITS) do
    takers[key] = function(service, value)
        service.options.limits = service.options.limits or {}
        service.options.limits[name] = tonumber(value:match "^%d+$") or value
        return true
    end
end
for key, name in pairs(CGROUP) do
    takers[key] = function(service, value)
        if value:find "%%$" then return false end
        service.options.cgroup = service.options.cgroup or {}
        service.options.cgroup[name] = tonumber(value) or value == "infinity" and "max"
            or value:gsub("^(%d+)([KMGT])$", "%1%2iB")
        return true
    end
end
function takers.CPUQuota(service, value)
    local percent = tonumber(value:match "^(%d+)%%$")
    service.options.cgroup = service.options.cgroup or {}
    service.options.cgroup.cpu_max = percent and percent / 100
    return percent ~= nil
end

local function take_entry(service, entry)
    local taker = takers[entry.key]
    local taken = taker and taker(service, entry.value)
    if entry.value:find "%%%a" then
        table.insert(service.remarks, ("%s has specifiers (%%…), which stand there as they are"):format(entry.key))
    end
    if not taken and not SILENT[entry.key] then
        table.insert(service.remarks, ("not taken over: %s=%s"):format(entry.key, entry.value))
    end
end

local function finish(service)
    local options = service.options
    options.restart = options.restart or "temporary"
    if options.restart == "permanent" then options.restart = nil end
    options.command = #service.commands == 1 and service.commands[1] or nil
    if #service.commands > 1 then
        local lines = {}
        for place, argv in ipairs(service.commands) do
            lines[place] = type(argv) == "table" and table.concat(argv, " ") or argv:gsub("^exec ", "")
        end
        options.command = table.concat(lines, " && ")
    end
    if service.is_oneshot then
        if options.restart == nil then options.restart = "transient" end
        options.remain = service.remains
        writer.make_ending(service, "oneshot")
    end
end

-- --- timers --------------------------------------------------------------------------------------------------------

-- Each takes (timer, value), as above.
local timer_takers = {}

local function take_every(timer, value)
    local time = duration(value)
    if timer.options.every or timer.options.at or type(time) ~= "number" then return false end
    timer.options.every = time
    return true
end

timer_takers.OnUnitActiveSec = take_every

function timer_takers.OnUnitInactiveSec(timer, value)
    table.insert(timer.remarks, "OnUnitInactiveSec= counts from the end of a run; every counts from its start")
    return take_every(timer, value)
end

function timer_takers.OnCalendar(timer, value)
    local at = calendar(value)
    if timer.options.at or timer.options.every or not at then return false end
    timer.options.at = at
    return true
end

function timer_takers.RandomizedDelaySec(timer, value)
    timer.options.jitter = duration(value)
    return timer.options.jitter ~= nil
end

function timer_takers.Persistent(timer, value)
    if value:find "^[yYtT1]" or value == "on" then timer.options.missed = "run" end
    return true
end

function timer_takers.Unit(timer, value)
    timer.target = value:match "^(.+)%.service$" or value
    return true
end

local SILENT_TIMER = { Description = true, Documentation = true, AccuracySec = true, Requires = true, Wants = true,
    After = true }

-- When a service runs: { target, options, remarks }.
local function read_timer(sections, settings)
    local timer = { target = settings.base, options = {}, remarks = {}, from = settings.file }
    for _, section in ipairs(sections) do
        for _, entry in ipairs(section) do
            local taker = section.name == "Timer" and timer_takers[entry.key]
            local taken = taker and taker(timer, entry.value)
            if not taken and section.name ~= "Install" and not SILENT_TIMER[entry.key] then
                table.insert(timer.remarks, ("not taken over: %s=%s"):format(entry.key, entry.value))
            end
        end
    end
    if not timer.options.every and not timer.options.at then
        timer.options.at = "@daily"
        table.insert(timer.remarks, 1, "to be changed: say when it runs, by at (as in crontab) or every")
    end
    timer.target = words.node_name(timer.target)
    return timer
end

--- The tree that `contents` declares, and faults { line, fault }. `settings.base`: the file's name without ending.
return function(contents, settings)
    local sections, faults = words.sections(words.lines(contents))
    if settings.file:find "%.timer$" or contents:find "\n?%[Timer%]" then
        return { services = {}, timers = { read_timer(sections, settings) } }, faults
    end
    local service = { name = words.node_name(settings.base), remains = false, commands = {}, options = { after = {} },
        remarks = {}, from = settings.file }
    for _, section in ipairs(sections) do
        for _, entry in ipairs(section) do
            if section.name == "Unit" or section.name == "Service" then take_entry(service, entry) end
        end
    end
    finish(service)
    if not service.options.command and not faults[1] then
        faults[1] = { line = 1, fault = "there is no ExecStart= in its [Service]" }
    end
    return { services = { service } }, faults
end
