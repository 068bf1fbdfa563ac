--- process-compose.yaml: its processes.
local words = require "suptree.import.words"
local writer = require "suptree.import.writer"
local yaml = require "suptree.import.yaml"

local RESTARTS = { no = "temporary", on_failure = "transient", exit_on_failure = "temporary", always = "permanent" }

local TAKEN = { command = true, working_dir = true, environment = true, env_file = true, depends_on = true,
    availability = true, shutdown = true, readiness_probe = true, liveness_probe = true, log_location = true,
    disabled = true,
    description = true, replicas = true, namespace = true, entrypoint = true }

local function after(value)
    local names = {}
    for name in pairs(type(value) == "table" and value or {}) do names[#names + 1] = words.node_name(name) end
    table.sort(names)
    return names[1] and names
end

-- Adds the names of those that somebody waits for until they have ended well.
local function note_ending(value, names)
    for name, item in pairs(type(value) == "table" and value or {}) do
        local condition = type(item) == "table" and item.condition
        if condition == "process_completed_successfully" then names[words.node_name(tostring(name))] = true end
    end
end

-- A condition, or nil; what cannot be taken over is noted in `list`.
local function probe(value, name, list)
    if type(value) ~= "table" then return nil end
    if type(value.exec) == "table" and value.exec.command then
        return writer.ready("exec", { "/bin/sh", "-c", tostring(value.exec.command) })
    end
    local http = value.http_get
    if type(http) ~= "table" then return nil end
    local host, scheme = tostring(http.host or "127.0.0.1"), http.scheme or "http"
    if scheme ~= "http" or host ~= "localhost" and not host:find "^%d+%.%d+%.%d+%.%d+$" then
        list[#list + 1] = ("not taken over: %s: %s://%s (only http:// and addresses in numbers)"):format(name, scheme,
            host)
        return nil
    end
    return writer.ready("http", ("http://%s:%s%s"):format(host, http.port or 80, http.path or "/"))
end

local function positive(value)
    local number = tonumber(value)
    return number and number > 0 and number or nil
end

local function health(value, list)
    local condition = probe(value, "liveness_probe", list)
    return condition and {
        probe = condition, every = positive(value.period_seconds), timeout = positive(value.timeout_seconds),
        failures = positive(value.failure_threshold), start_after = positive(value.initial_delay_seconds),
    }
end

local SIGNALS = { [1] = "HUP", [2] = "INT", [3] = "QUIT", [9] = "KILL", [10] = "USR1", [12] = "USR2", [15] = "TERM" }

local function make_service(name, process)
    local availability = type(process.availability) == "table" and process.availability or {}
    local shutdown = type(process.shutdown) == "table" and process.shutdown or {}
    local list = {}
    if availability.restart == "exit_on_failure" then
        list[#list + 1] = "exit_on_failure: write terminate_exit = { 1 } to end the tree with such a code"
    end
    if availability.max_restarts then
        list[#list + 1] = ("max_restarts: %s: the supervisor's failure_threshold decides here")
            :format(availability.max_restarts)
    end
    if shutdown.command then list[#list + 1] = "not taken over: shutdown.command: " .. tostring(shutdown.command) end
    local keys = {}
    for key in pairs(process) do if not TAKEN[key] then keys[#keys + 1] = tostring(key) end end
    table.sort(keys)
    for _, key in ipairs(keys) do list[#list + 1] = "not taken over: " .. key end
    local restart = RESTARTS[tostring(availability.restart or "no")]
    local enabled
    if process.disabled == true then enabled = false end
    local replicas = tonumber(process.replicas)
    if replicas and replicas ~= 1 and tostring(process.command):find("PC_REPLICA_NUM", 1, true) then
        list[#list + 1] = "to be changed: its number is SUPTREE_REPLICA here, and begins with 1"
    end
    return {
        name = words.node_name(name), from = "processes." .. name, remarks = list,
        options = {
            command = process.command and tostring(process.command), description = process.description,
            cwd = process.working_dir, env = yaml.environment(process.environment),
            env_file = type(process.env_file) == "string" and process.env_file or nil,
            after = after(process.depends_on), restart = restart ~= "permanent" and restart or nil,
            restart_delay = tonumber(availability.backoff_seconds), timeout = tonumber(shutdown.timeout_seconds),
            stop_signal = shutdown.signal and (SIGNALS[tonumber(shutdown.signal)] or tostring(shutdown.signal)) or nil,
            ready = probe(process.readiness_probe, "readiness_probe", list),
            health = health(process.liveness_probe, list), enabled = enabled,
            log = type(process.log_location) == "string" and { file = process.log_location } or nil,
            replicas = replicas and replicas ~= 1 and replicas or nil,
        },
    }
end

--- The tree that `contents` declares, and faults { line, fault }.
return function(contents)
    local document, fault = yaml.load(contents)
    if not document then return nil, { fault } end
    if type(document.processes) ~= "table" then
        return nil, { { line = 1, fault = "there is no processes: in it" } }
    end
    local tree, faults = { services = {}, remarks = {} }, {}
    local common, ending = yaml.environment(document.environment), {}
    for _, name in ipairs(yaml.keys(document.processes, contents)) do
        local process = document.processes[name]
        local service = make_service(name, type(process) == "table" and process or {})
        note_ending(type(process) == "table" and process.depends_on, ending)
        if not service.options.command then
            faults[#faults + 1] = { line = 1, fault = ("processes.%s has no command"):format(name) }
        end
        for key, value in pairs(common or {}) do
            service.options.env = service.options.env or {}
            if service.options.env[key] == nil then service.options.env[key] = value end
        end
        tree.services[#tree.services + 1] = service
    end
    for _, service in ipairs(tree.services) do
        if ending[service.name] then writer.make_ending(service, "oneshot") end
    end
    return tree, faults
end
