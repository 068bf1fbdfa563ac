--- suptree run [FILE]: compiles the configuration, then becomes suptree-keeper, which starts the host and holds
-- what it starts.
local common = require "suptree.cli.common"
local paths = require "suptree.paths"
local place = require "suptree.place"
local system = require "suptree.system"

-- The program that stands beside this one.
local function beside(name)
    return paths.folder(assert(system.executable())) .. name
end

-- The absolute path of the file for events, or nil when its folder is not there, which has been told then.
local function events_path(file)
    local folder, why = system.real_path(paths.folder(file) == "" and "." or paths.folder(file))
    if folder then return paths.absolute(paths.name(file), folder) end
    common.complain("--events %s: its folder cannot be used: %s; make it, or name another file", file, why)
end

local function sealed_file(blob)
    local file = assert(system.memfd "suptree-config")
    assert(file:write(blob))
    assert(file:seal())
    return file
end

-- The socket and the lock of the tree's name, none of them when it has to live without; or nil and the exit code, when
-- the name is taken.
local function claim(name, group)
    local socket, lock, pid = place.claim(name, group)
    if socket then return { socket, lock } end
    if lock ~= "busy" then
        common.complain("%s; no verb will reach this tree, it runs nevertheless", lock)
        return {}
    end
    common.complain('%s runs already%s; stop it first, or give this one another name with --name', name,
        pid and pid > 0 and ": pid " .. pid or "")
    return nil, common.REFUSED
end

-- What each host is told of where the tree came from.
local function add_host_words(argv, file, arguments)
    local words = { "--file", file }
    if arguments.name then table.move({ "--named", "yes" }, 1, 2, #words + 1, words) end
    if arguments.watch then table.move({ "--watch", "yes" }, 1, 2, #words + 1, words) end
    for _, word in ipairs(words) do
        argv[#argv + 1] = "--host-word"
        argv[#argv + 1] = word
    end
end

local function become_keeper(result, found, arguments, control)
    local file = sealed_file(result.blob)
    local keeper = beside "suptree-keeper"
    local argv = { keeper, "--host", assert(system.executable()), "--name", result.summary.name,
        "--blob-fd", tostring(file:fd()) }
    if arguments.events then
        argv[#argv + 1] = "--events"
        argv[#argv + 1] = arguments.events
    end
    local socket, lock = table.unpack(control)
    if socket then
        for _, word in ipairs { "--control-fd", socket:fd(), "--control-lock-fd", lock:fd() } do
            argv[#argv + 1] = tostring(word)
        end
    end
    if arguments.quiet then argv[#argv + 1] = "--quiet" end
    argv[#argv + 1] = common.is_coloured(arguments.colour, 1) and "--colour" or "--no-colour"
    add_host_words(argv, found, arguments)
    io.stdout:flush()
    local _, why = system.exec(argv, file, table.unpack(control))
    common.complain("%s cannot be started: %s; it belongs beside suptree: install both again", keeper, why)
    return common.SYSTEM
end

return {
    name = "run",
    description = "Starts what a configuration declares, in the order that it says, and keeps it running. What the "
        .. "services print is shown as \"name | line\". Ctrl-C (or TERM) stops everything in order, a second one kills "
        .. "what is left.",
    epilog = "Exit codes: 0 stopped as asked; 1 too many failures at the root; 2 a mistake on the command line; 5 a "
        .. "tree of this name runs already; 78 the configuration cannot be used; 70 a part of suptree itself was lost; "
        .. "else what the service that ended the tree ended with.",
    describe = function(parser)
        common.add_file(parser)
        parser:option("--name", "Another name for the tree than the one that FILE gives it."):argname "NAME"
        parser:flag("--watch", "Reload whenever FILE, or a file that it reads, is saved.")
        parser:flag("-q --quiet", "Show neither what happens nor what the services print.")
        parser:option("--events", "Append each event to FILE, as a line of JSON."):argname "FILE"
        common.add_colour(parser)
    end,
    run = function(arguments)
        if arguments.events then
            arguments.events = events_path(arguments.events)
            if not arguments.events then return common.USAGE end
        end
        local settings = { name = arguments.name, colour = arguments.colour, consequence = "nothing was started" }
        local result, found = common.compile(arguments.file, settings)
        if not result then return found end
        local control, code = claim(result.summary.name, result.summary.control_group)
        if not control then return code end
        return become_keeper(result, found, arguments, control)
    end,
}
