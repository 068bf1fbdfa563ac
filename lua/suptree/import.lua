--- What other supervisors are told, as a supervise.lua: the reader is chosen by the file's name and first words.
local env_file = require "suptree.env_file"
local paths = require "suptree.paths"
local system = require "suptree.system"
local words = require "suptree.import.words"
local writer = require "suptree.import.writer"

local import = {}

--- The formats, by the names that --format takes.
import.formats = { "compose", "process-compose", "procfile", "supervisord", "systemd" }

local MODULES = { ["process-compose"] = "process_compose" }

-- The format of a file by its name, else by what it holds; nil: unknown.
local function detect(name, contents)
    if name:find "^Procfile" then return "procfile" end
    if name:find "%.service$" or name:find "%.timer$" then return "systemd" end
    if name:find "^process%-compose.*%.ya?ml$" then return "process-compose" end
    if name:find "compose.*%.ya?ml$" then return "compose" end
    if contents:find "\n?%[program:" then return "supervisord" end
    if contents:find "%[Service%]" or contents:find "%[Timer%]" then return "systemd" end
    if ("\n" .. contents):find "\nprocesses:" then return "process-compose" end
    if ("\n" .. contents):find "\nservices:" then return "compose" end
    return nil
end

-- What a reader may want to know of the place of the file.
local function settings_for(file)
    local folder = paths.folder(file)
    local variables = system.read_file(folder .. ".env")
    local has_port = variables and env_file.parse(variables).PORT ~= nil
    return {
        file = paths.name(file), folder = folder == "" and "." or folder:gsub("/$", ""),
        base = paths.name(file):gsub("%.[^.]*$", ""), env_file = variables and ".env" or nil,
        has_port = has_port,
    }
end

-- The name of the tree: that of the folder that the file is in.
local function folder_name(file)
    local folder = paths.folder(file)
    local real = system.real_path(folder == "" and "." or folder) or ""
    local name = words.node_name(paths.name(real))
    return name ~= "service" and name or "tree"
end

--- The tree that `file` of `contents` declares. `format`: one of import.formats; nil: found out. Nil and an array of
-- { line, fault } when it cannot be read.
function import.read(file, contents, format)
    format = format or detect(paths.name(file), contents)
    if not format then
        return nil, { { line = 1, fault = "is of no format that is known; name it with --format" } }
    end
    local read = require("suptree.import." .. (MODULES[format] or format))
    local tree, faults = read(contents, settings_for(file))
    if faults and faults[1] then return nil, faults end
    tree.name = tree.name or folder_name(file)
    tree.from = paths.name(file)
    tree.remarks = tree.remarks or {}
    return tree
end

local function find_service(services, name)
    for _, service in ipairs(services) do if service.name == name then return service end end
end

-- A service that a timer runs is no process that is kept running. Without its unit it is to be filled in.
local function join_timers(services, timers)
    for _, timer in ipairs(timers) do
        local service = find_service(services, timer.target)
        if not service then
            service = {
                name = timer.target, from = timer.from, options = { command = { "/bin/false" }, enabled = false,
                    restart = "temporary" },
                remarks = { ("to be filled in: what it runs stands in %s.service; import both files together"):format(
                    timer.target) },
            }
            services[#services + 1] = service
        end
        service.options.remain = nil
        if service.kind ~= "oneshot" or service.options.restart then writer.make_ending(service, "timer")
        else service.kind, service.options.restart = "timer", "transient" end
        for name, value in pairs(timer.options) do service.options[name] = value end
        table.move(timer.remarks, 1, #timer.remarks, #service.remarks + 1, service.remarks)
    end
end

--- Several trees as one: that of the first, with the services of all.
function import.join(trees)
    local first, timers = trees[1], {}
    for _, tree in ipairs(trees) do table.move(tree.timers or {}, 1, #(tree.timers or {}), #timers + 1, timers) end
    for place = 2, #trees do
        first.from = first.from .. ", " .. trees[place].from
        table.move(trees[place].services, 1, #trees[place].services, #first.services + 1, first.services)
        table.move(trees[place].remarks, 1, #trees[place].remarks, #first.remarks + 1, first.remarks)
    end
    join_timers(first.services, timers)
    return first
end

--- The text of the configuration that says the same as `tree`.
import.write = writer.write

return import
