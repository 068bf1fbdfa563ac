--- supervisord.conf: its [program:NAME] sections.
local words = require "suptree.import.words"

local RESTARTS = { ["true"] = "permanent", unexpected = "transient", ["false"] = "temporary" }
local DEFAULT_PRIORITY = 999

-- What is said of keys that have no counterpart.
local REMARKS = {
    events = "event listeners have no counterpart; on_event of a supervisor runs a Lua function",
    stdout_events_enabled = false, stderr_events_enabled = false, stdout_capture_maxbytes = false,
    stderr_capture_maxbytes = false, stopasgroup = false, killasgroup = false, process_name = false,
    stderr_logfile_maxbytes = false, stderr_logfile_backups = false, numprocs_start = false, redirect_stderr = false,
    stdout_syslog = false, stderr_syslog = false,
}

local function expand(value, program, number, folder)
    local unknown
    local expanded = value:gsub("%%%(([^)]+)%)(0?%d*)([sd])", function(name, width, kind)
        local environment = name:match "^ENV_(.+)$"
        if environment then return os.getenv(environment) or "" end
        if name == "program_name" or name == "group_name" then return program end
        if name == "process_num" then return ("%" .. width .. kind):format(number) end
        if name == "here" then return folder end
        unknown = name
    end)
    return expanded:gsub("%%%%", "%%"), unknown
end

-- KEY="value",OTHER=value as a table.
local function environment(text)
    local map, rest = {}, text
    while rest:find "%S" do
        local key, after = rest:match "^[%s,]*([^=%s,]+)%s*=%s*(.*)$"
        if not key then break end
        local quote = after:match "^[\"']"
        local value, left
        if quote then
            value, left = after:match("^" .. quote .. "([^" .. quote .. "]*)" .. quote .. "(.*)$")
        else
            value, left = after:match "^([^,]*)(.*)$"
        end
        if not value then break end
        map[key], rest = value:match "^(.-)%s*$", left
    end
    return map
end

local function codes(text)
    local list = {}
    for code in text:gmatch "%d+" do list[#list + 1] = tonumber(code) end
    return list
end

local function size(text)
    local number, unit = text:match "^(%d+)%s*([KMG]?)B?$"
    if not number or number == "0" then return nil end
    return number .. (({ K = "KiB", M = "MiB", G = "GiB" })[unit] or "B")
end

local function log(fields)
    local file = fields.stdout_logfile
    if not file or file == "AUTO" then return nil end
    if file == "NONE" or file == "/dev/null" then return false end
    if file:find "^/dev/" then return nil end
    return { file = file, max_size = size(fields.stdout_logfile_maxbytes or "50MB"),
        max_files = tonumber(fields.stdout_logfile_backups or "10") }
end

local function read_fields(section)
    local fields = {}
    for _, entry in ipairs(section) do fields[entry.key] = entry.value end
    return fields
end

local TAKEN = { command = true, directory = true, environment = true, user = true, umask = true, autostart = true,
    autorestart = true, startsecs = true, startretries = true, exitcodes = true, stopsignal = true, stopwaitsecs = true,
    stdout_logfile = true, stdout_logfile_maxbytes = true, stdout_logfile_backups = true, numprocs = true,
    priority = true }

-- Where a number does not matter to the programs themselves.
local NUMBERED = { process_name = true, stdout_logfile = true, stderr_logfile = true }

-- Are the processes of this section the same but for their names and log files?
local function are_same(section)
    for _, entry in ipairs(section) do
        if not NUMBERED[entry.key] and entry.value:find("%(process_num)", 1, true) then return false end
    end
    return true
end

-- `number`: nil: it is all of them, `count` replicas.
local function make_service(section, program, number, count, folder)
    local fields, remarks, is_one = read_fields(section), {}, number ~= nil and count > 1
    local replicas = not number and count or nil
    if not number then
        local file = fields.stdout_logfile
        fields.stdout_logfile = file and file:gsub("%%%(process_num%)0?%d*[sd]", "%%%%i")
        number = 0
    end
    for key, value in pairs(fields) do
        local expanded, unknown = expand(value, program, number, folder)
        if unknown then remarks[#remarks + 1] = ("not taken over: %%(%s)s in %s"):format(unknown, key) end
        fields[key] = expanded
    end
    for _, entry in ipairs(section) do
        if not TAKEN[entry.key] and REMARKS[entry.key] ~= false then
            local why = REMARKS[entry.key]
            remarks[#remarks + 1] = ("not taken over: %s = %s%s"):format(entry.key, entry.value,
                why and " (" .. why .. ")" or "")
        end
    end
    if fields.startretries then
        remarks[#remarks + 1] = ("startretries = %s: the supervisor's failure_threshold decides here")
            :format(fields.startretries)
    end
    local restart = RESTARTS[fields.autorestart or "unexpected"]
    local enabled
    if fields.autostart == "false" then enabled = false end
    return {
        name = words.node_name(is_one and ("%s_%02d"):format(program, number) or program),
        from = ("[%s], line %d"):format(section.name, section.number), remarks = remarks,
        priority = tonumber(fields.priority) or DEFAULT_PRIORITY,
        options = {
            command = words.split(fields.command or "") or fields.command, cwd = fields.directory,
            env = fields.environment and environment(fields.environment) or nil, user = fields.user,
            umask = fields.umask, enabled = enabled, restart = restart ~= "permanent" and restart or nil,
            success_exit = fields.exitcodes and codes(fields.exitcodes) or nil,
            stop_signal = fields.stopsignal ~= "TERM" and fields.stopsignal or nil,
            timeout = fields.stopwaitsecs and fields.stopwaitsecs .. "s" or nil, log = log(fields),
            replicas = replicas,
        },
    }
end

local function add_services(services, section, program, count, folder)
    if count ~= 1 and are_same(section) then
        services[#services + 1] = make_service(section, program, nil, count, folder)
        return
    end
    for number = 0, count - 1 do
        services[#services + 1] = make_service(section, program, number, count, folder)
    end
end

--- The tree that `contents` declares, and faults { line, fault }. `settings.folder`: where the file is.
return function(contents, settings)
    local tree = { services = {}, remarks = {} }
    local sections, faults = words.sections(words.lines(contents), "%s+;.*$")
    for _, section in ipairs(sections) do
        local program = section.name:match "^program:(.+)$" or section.name:match "^fcgi%-program:(.+)$"
        local count = 1
        for _, entry in ipairs(section) do
            if entry.key == "numprocs" then count = tonumber(entry.value) or 1 end
        end
        if program and not read_fields(section).command then
            faults[#faults + 1] = { line = section.number, fault = ("[%s] has no command"):format(section.name) }
        elseif program then
            add_services(tree.services, section, program, count, settings.folder)
        elseif section.name:find "^include" or section.name:find "^group:" or section.name:find "^eventlistener:" then
            tree.remarks[#tree.remarks + 1] = ("not taken over: [%s], line %d"):format(section.name, section.number)
        end
    end
    for place, service in ipairs(tree.services) do service.place = place end
    table.sort(tree.services, function(a, b)
        if a.priority ~= b.priority then return a.priority < b.priority end
        return a.place < b.place
    end)
    if not tree.services[1] and not faults[1] then
        faults[1] = { line = 1, fault = "there is no [program:NAME] in it" }
    end
    return tree, faults
end
