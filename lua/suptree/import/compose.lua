--- compose.yaml: the services of Docker compose, as processes. Images stay behind.
local words = require "suptree.import.words"
local writer = require "suptree.import.writer"
local yaml = require "suptree.import.yaml"

local RESTARTS = { no = "temporary", ["on-failure"] = "transient", always = "permanent",
    ["unless-stopped"] = "permanent" }

local TAKEN = { command = true, entrypoint = true, environment = true, env_file = true, working_dir = true,
    user = true, restart = true, depends_on = true, stop_signal = true, stop_grace_period = true, image = true,
    build = true, container_name = true, healthcheck = true, networks = true, init = true, mem_limit = true,
    deploy = true, scale = true, pids_limit = true }

-- Texts are the shell's grammar in compose, without a shell.
local function as_words(value)
    if type(value) == "table" then
        local list = {}
        for place, word in ipairs(value) do list[place] = tostring(word) end
        return list
    end
    return type(value) == "string" and words.split(value) or {}
end

local function command(service)
    local list = as_words(service.entrypoint)
    for _, word in ipairs(as_words(service.command)) do list[#list + 1] = word end
    return list[1] and list or nil
end

-- Adds the names of those that somebody waits for until they have ended well.
local function note_ending(value, names)
    for name, item in pairs(type(value) == "table" and value or {}) do
        local condition = type(item) == "table" and item.condition
        if condition == "service_completed_successfully" then names[words.node_name(tostring(name))] = true end
    end
end

-- { "db" } or { db = { condition = … } }.
local function after(value)
    local names = {}
    for key, item in pairs(type(value) == "table" and value or {}) do
        names[#names + 1] = words.node_name(type(key) == "number" and item or key)
    end
    table.sort(names)
    return names[1] and names
end

local function restart(value)
    if value == nil or value == false then return "temporary" end
    local kind = RESTARTS[tostring(value):match "^[^:]+"]
    return kind ~= "permanent" and kind or nil
end

local function describe(value)
    if type(value) ~= "table" then return tostring(value) end
    local parts = {}
    for key, item in pairs(value) do
        local text = describe(item)
        parts[#parts + 1] = type(key) == "number" and text or ("%s: %s"):format(key, text)
    end
    table.sort(parts)
    return table.concat(parts, ", ")
end

local function health(check)
    if type(check) ~= "table" or check.disable then return nil end
    local test = check.test
    local argv
    if type(test) == "string" then argv = { "/bin/sh", "-c", test }
    elseif type(test) == "table" and test[1] == "CMD" then argv = { table.unpack(test, 2) }
    elseif type(test) == "table" and test[1] == "CMD-SHELL" then argv = { "/bin/sh", "-c", test[2] } end
    return argv and writer.ready("exec", argv)
end

local function remarks(service)
    local list = {}
    for _, key in ipairs { "image", "build" } do
        if service[key] then
            list[#list + 1] = ("%s: %s (suptree starts programs of this machine)"):format(key, describe(service[key]))
        end
    end
    local keys = {}
    for key in pairs(service) do if not TAKEN[key] then keys[#keys + 1] = tostring(key) end end
    table.sort(keys)
    for _, key in ipairs(keys) do list[#list + 1] = ("not taken over: %s: %s"):format(key, describe(service[key])) end
    return list
end

local function first_file(value)
    local file = type(value) == "table" and value[1] or value
    return type(file) == "table" and file.path or file
end

local function replicas(service)
    local deploy = type(service.deploy) == "table" and service.deploy.replicas
    local count = tonumber(deploy or service.scale)
    return count and count ~= 1 and count or nil
end

local function make_service(name, service)
    local made = {
        name = words.node_name(name), from = "services." .. name, remarks = remarks(service),
        options = {
            command = command(service), cwd = service.working_dir, env = yaml.environment(service.environment),
            env_file = first_file(service.env_file), user = service.user and tostring(service.user) or nil,
            restart = restart(service.restart), after = after(service.depends_on),
            stop_signal = service.stop_signal and tostring(service.stop_signal):match "^S?I?G?(.*)$",
            timeout = yaml.duration(service.stop_grace_period), ready = health(service.healthcheck),
            replicas = replicas(service),
        },
    }
    if not made.options.command then
        made.options.command, made.options.enabled = { "/bin/false" }, false
        table.insert(made.remarks, 1, "to be filled in: the image says what to run; write it, drop enabled = false")
    end
    return made
end

--- The tree that `contents` declares, and faults { line, fault }.
return function(contents)
    local document, fault = yaml.load(contents)
    if not document then return nil, { fault } end
    local tree = { name = type(document.name) == "string" and words.node_name(document.name) or nil, services = {} }
    if type(document.services) ~= "table" then
        return nil, { { line = 1, fault = "there is no services: in it" } }
    end
    local ending = {}
    for _, name in ipairs(yaml.keys(document.services, contents)) do
        local service = document.services[name]
        service = type(service) == "table" and service or {}
        note_ending(service.depends_on, ending)
        tree.services[#tree.services + 1] = make_service(name, service)
    end
    for _, service in ipairs(tree.services) do
        if ending[service.name] then writer.make_ending(service, "oneshot") end
    end
    return tree, {}
end
