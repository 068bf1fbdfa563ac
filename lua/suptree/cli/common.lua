--- What several verbs share: exit codes, colour, faults on the terminal, the file that is meant.
local terminal = require "suptree.render.terminal"

local common = {}

common.DONE, common.FAILED, common.USAGE, common.UNKNOWN, common.REFUSED, common.NO_HOST = 0, 1, 2, 4, 5, 7
common.SYSTEM, common.BAD_CONFIG, common.TIMED_OUT = 70, 78, 124

local DEFAULT_FILE = "supervise.lua"

--- What a first configuration looks like.
common.example = [[
    local s = require "suptree"

    return s.supervisor "demo" {
      s.process "clock" { command = "while date; do sleep 1; done" },
    }
]]

-- --- colour --------------------------------------------------------------------------------------------------------

local COLOURS = { "auto", "always", "never" }

--- Adds --colour to a parser.
function common.add_colour(parser)
    parser:option("--colour --color", "Use colour always, never, or on a terminal unless NO_COLOR is set (auto).")
        :args(1):argname("WHEN"):choices(COLOURS):default "auto"
end

common.is_coloured, common.painter = terminal.is_coloured, terminal.painter

-- --- telling -------------------------------------------------------------------------------------------------------

--- What a person typed or wrote, without what a terminal would obey; line ends stay.
function common.printable(words)
    return (words:gsub("[^\n]+", terminal.printable))
end

--- A line on standard error that begins with the program's name.
function common.complain(format, ...)
    io.stderr:write("suptree: ", common.printable(format:format(...)), "\n")
end

--- The lines of a timeline, { time, path, words, colour }, in columns on standard output.
function common.print_lines(lines, paint)
    local path_width, time_width = 0, 0
    for _, line in ipairs(lines) do
        path_width, time_width = math.max(path_width, #line.path), math.max(time_width, #line.time)
    end
    for _, line in ipairs(lines) do
        local words = common.printable(line.words)
        print(("%s%s  %s%s  %s"):format((" "):rep(time_width - #line.time), line.time, line.path,
            (" "):rep(path_width - #line.path), line.colour and paint(line.colour, words) or words))
    end
end

-- Where the code at fault was called from, when that is more than its own line.
local function trace_lines(fault)
    local lines = {}
    for place, frame in ipairs(fault.trace or {}) do
        if place > 1 then lines[#lines + 1] = "    called from " .. frame end
    end
    return lines
end

--- All faults on standard error, a line each, then what follows from them.
function common.tell_faults(file, faults, consequence, when)
    local text = require "suptree.text"
    local paint = common.painter(common.is_coloured(when, 2))
    for _, fault in ipairs(faults) do
        io.stderr:write(common.printable(tostring(fault)), "\n")
        for _, line in ipairs(trace_lines(fault)) do io.stderr:write(common.printable(line), "\n") end
    end
    local count = text.count(#faults, "error")
    io.stderr:write(paint("red", ("%s: %s; %s"):format(common.printable(file), count, consequence)), "\n")
end

-- --- a running tree ------------------------------------------------------------------------------------------------

--- Adds -n and --socket to a parser: which tree is meant. `short = false`: -n means something else there.
function common.add_tree(parser, short)
    parser:option((short == false and "" or "-n ") .. "--name", "The tree that is meant (default: the only one that "
        .. "runs)."):argname "NAME":target "tree"
    parser:option("--socket", "Its control socket (default: $SUPTREE_SOCKET, or found by the name).")
        :argname "PATH"
end

-- --- the configuration ---------------------------------------------------------------------------------------------

--- Adds FILE to a parser.
function common.add_file(parser)
    parser:argument("file", ("The configuration, or the folder that it is in (default: %s)."):format(DEFAULT_FILE))
        :args "?":argname "FILE"
end

-- Says what can be done about a file that is not there.
local function tell_missing(file, why)
    if why ~= "No such file or directory" then
        common.complain("%s cannot be read: %s; check the path and its permissions", file, why)
    elseif file ~= DEFAULT_FILE then
        common.complain("there is no %s; name the configuration that you mean", file)
    else
        common.complain("there is no %s in this folder; name another file, or write one, for example:\n\n%s",
            file, common.example)
    end
end

-- supervise.lua in `folder`, which ends in "/" or is empty; or a Procfile, when that is all there is.
local function find_in_folder(folder)
    local system = require "suptree.system"
    local contents, why = system.read_file(folder .. DEFAULT_FILE)
    if not contents and system.read_file(folder .. "Procfile") then return folder .. "Procfile" end
    return folder .. DEFAULT_FILE, not contents and why or nil
end

--- The configuration that a person means by `file`: itself, or supervise.lua in that folder, or in this one; where
-- there is none, a Procfile. The second result says why it cannot be read, or is nil.
function common.find_file(file)
    if not file then return find_in_folder "" end
    local contents, why = require "suptree.system".read_file(file)
    if not contents and why == "Is a directory" then return find_in_folder(file:gsub("/+$", "") .. "/") end
    return file, not contents and why or nil
end

--- Compiles what a person means by `file`: the result of suptree.compile and the file's name; or nil and the exit
-- code, when all has been told. `settings`: name, assume_ready, colour, consequence.
function common.compile(file, settings)
    local found, why = common.find_file(file)
    if why then
        tell_missing(found, why)
        return nil, common.BAD_CONFIG
    end
    local result, faults = require "suptree.compile".run(found,
        { name = settings.name, assume_ready = settings.assume_ready })
    if result then return result, found end
    common.tell_faults(found, faults, settings.consequence, settings.colour)
    return nil, common.BAD_CONFIG
end

return common
