--- The child that reads a configuration: it runs somebody's code, so it is a process of its own that lives for
-- seconds.
-- What it finds goes as plain data to the descriptor that it is given: { blob, notes, summary, files } or
-- { faults, files }.
local chunk = require "suptree.chunk"
local declaration = require "suptree.declaration"
local form = require "suptree.form"
local modules = require "suptree.modules"
local paths = require "suptree.paths"
local system = require "suptree.system"
local text = require "suptree.text"

local compiler = {}

-- Lua cuts long names of files in its messages at this length: "...end/of/the/name.lua".
local SHORT_NAME = 59

-- More than these say nothing more.
local MAX_FRAMES = 8

local HINT_RETURN = 'End it with return s.supervisor "name" { … }.'

local function refuse(place, reason, hint, trace)
    local fault = declaration.fault(place, "", "", reason, hint)
    fault.trace = trace
    return nil, declaration.faults { fault }
end

-- --- reading -------------------------------------------------------------------------------------------------------

-- The text of a file of Lua code as people may write it: no byte order mark, no "#!" line, no bytecode.
local function read_code(path)
    modules.note_path(path)
    local good, reason, hint = system.trust(path)
    if not good then return nil, reason, hint end
    local contents, why = system.read_file(path)
    if not contents then return nil, "cannot be read: " .. why, "Check the path and its permissions." end
    if contents:sub(1, 1) == "\27" then
        return nil, "is compiled Lua, which is refused", "Give the text that it was made of."
    end
    return (contents:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "", 1))
end

local function short_name(display)
    return #display <= SHORT_NAME and display or "..." .. display:sub(3 - SHORT_NAME)
end

-- A text of Lua that begins with a place in the file `display`, with the whole name of it.
local function with_whole_name(words, display)
    local short = short_name(display)
    return words:sub(1, #short + 1) == short .. ":" and display .. words:sub(#short + 1) or words
end

-- A message of Lua about the file `display`, as its place, or nil, and the rest.
local function split_message(message, display)
    local place, rest = with_whole_name(message, display):match "^([^\n]-:%d+): (.*)$"
    return place, rest or message
end

-- --- the modules beside it -----------------------------------------------------------------------------------------

-- The path of module `name` beside the configuration, and as people know it; or of one that is installed.
local function find_file(name, folder, shown_folder)
    local inside = name:gsub("%.", "/")
    local tried = {}
    for _, ending in ipairs { ".lua", "/init.lua" } do
        local path = folder .. "/" .. inside .. ending
        if system.real_path(path) then return path, shown_folder .. inside .. ending end
        tried[#tried + 1] = ("\n\tno file '%s%s%s'"):format(shown_folder, inside, ending)
    end
    local path, others = package.searchpath(name, package.path)
    if path then return path, path end
    return nil, table.concat(tried) .. "\n\t" .. others
end

-- `require` looks beside the configuration first, reads text alone, and notes who requires whom. It returns the module
-- and nothing else, so that it can stand at the end of a list of children.
local function install_searcher(folder, shown_folder)
    modules.set_finder(function(name)
        local path = find_file(name, folder, shown_folder)
        return path
    end)
    package.searchers[2] = function(name)
        local path, shown = find_file(name, folder, shown_folder)
        if not path then return shown end
        local code, reason, hint = read_code(path)
        if not code then error(("%s: %s (%s)"):format(shown, reason, hint), 0) end
        local loaded, message = load(code, "@" .. shown, "t")
        if not loaded then error(message, 0) end
        modules.note_file(name, code, path, loaded)
        return loaded, shown
    end
    local plain_require, loading = require, {}
    function _G.require(name)
        if loading[1] then modules.note_require(loading[#loading], name) end
        loading[#loading + 1] = name
        local good, result = pcall(plain_require, name)
        loading[#loading] = nil
        if not good then error(result, 0) end
        return result
    end
end

-- What the configuration reads by itself belongs to it as well.
local function note_reading()
    for _, place in ipairs { { _G, "dofile" }, { _G, "loadfile" }, { io, "open" }, { io, "lines" } } do
        local library, name = place[1], place[2]
        local plain = library[name]
        library[name] = function(path, mode, ...)
            local reads = name ~= "open" or mode == nil or type(mode) == "string" and mode:find "^r"
            if type(path) == "string" and reads then modules.note_path(path) end
            return plain(path, mode, ...)
        end
    end
end

-- For `run = "name"`: the module is loaded, to see that it is there and what it is.
local function find_module(name)
    local good, result = pcall(require, name)
    if not good then
        local first = tostring(result):match "^[^\n]*"
        return false, ("the module %s cannot be loaded: %s"):format(text.quote(name), first)
    end
    if type(result) == "function" then return true end
    return false, ("the module %s returns %s, not a function"):format(text.quote(name), text.describe(result))
end

-- --- running -------------------------------------------------------------------------------------------------------

-- The frames of a traceback in people's own code, one text each: "helper.lua:3: in function 'make'". The first is where
-- the error was raised.
local function trim_traceback(traceback, display)
    local frames = {}
    for line in traceback:gmatch "[^\n]+" do
        if line:find("'xpcall'", 1, true) or #frames == MAX_FRAMES then break end
        local frame = line:match "^\t(.*)$"
        local is_ours = frame and (frame:find "^lua/suptree/" or frame:find "^%[C%]" or frame:find "^%(%.%.%.tail")
        if frame and not is_ours then frames[#frames + 1] = with_whole_name(frame, display) end
    end
    return frames
end

-- An error at the end of the file belongs to the last line that says something.
local function last_written_place(place, code)
    local file, line = place:match "^(.*):(%d+)$"
    local _, count = code:match "^(.-)%s*$":gsub("\n", "")
    return line and tonumber(line) > count + 1 and ("%s:%d"):format(file, count + 1) or place
end

local function describe_raised(raised)
    if type(raised) == "string" then return raised end
    local metatable = getmetatable(raised)
    if type(metatable) == "table" and metatable.__tostring then
        local good, message = pcall(tostring, raised)
        if good then return message end
    end
    if raised == nil then return "raised an error without a message" end
    return ("raised %s as its error"):format(text.describe(raised))
end

-- Lua's own words are curt about memory, and a page of paths for a module that is not there.
local function shorten(reason)
    if reason == "not enough memory" then
        return "took more memory than a configuration may", "512 MiB is the most; services do the work."
    end
    local name = reason:match "^module '([^']*)' not found:"
    if not name then return reason end
    local inside = name:gsub("%.", "/")
    return ("there is no module %s"):format(text.quote(name)), ("Searched as %s.lua and %s/init.lua beside the "
        .. "configuration, then where Lua modules are installed."):format(inside, inside)
end

-- The fault of code that raised: its place is in the message, or else where it was raised.
local function refuse_raised(message, traceback, display)
    local place, reason = split_message(message, display)
    local frames = trim_traceback(traceback, display)
    local hint
    reason, hint = shorten(reason)
    place = place or frames[1] and frames[1]:match "^(.-:%d+):" or display
    return refuse(place, reason, hint, frames)
end

-- What the file returns; or nil and the faults.
local function run_file(code, display)
    local main, message = load(code, "@" .. display, "t")
    if not main then
        local place, reason = split_message(message, display)
        return refuse(last_written_place(place or display, code), reason, "Correct it there or just before.")
    end
    local traceback
    local good, result = xpcall(main, function(raised)
        traceback = debug.traceback("", 2)
        return describe_raised(raised)
    end)
    if not good then return refuse_raised(result, traceback or "", display) end
    return result
end

-- Is it a declaration? True; or nil and the faults.
local function check_result(result, display)
    if declaration.is(result) then return true end
    if result == nil then return refuse(display, "returns nothing", HINT_RETURN) end
    return refuse(display, ("returns %s, not a declaration"):format(text.describe(result)), HINT_RETURN)
end

-- A Procfile as the configuration that says the same; or nil and the faults.
local function translate_procfile(file, contents)
    local import = require "suptree.import"
    local tree, found = import.read(file, contents, "procfile")
    if tree then return import.write(tree) end
    local faults = {}
    for place, fault in ipairs(found) do
        local where = ("%s:%d"):format(file, fault.line)
        faults[place] = declaration.fault(where, "", "", fault.fault, "Write NAME: COMMAND.")
    end
    return nil, declaration.faults(faults)
end

--- The blob of the configuration `file` and notes about it, or nil and all faults. Changes how this state searches
-- for modules. `settings`: `name` and `assume_ready` as in declaration.encode.
function compiler.compile(file, settings)
    local code, reason, hint = read_code(file)
    if not code then return refuse(file, reason, hint) end
    local result, faults
    if paths.name(file):find "^Procfile" then
        code, faults = translate_procfile(file, code)
        if not code then return nil, faults end
    end
    local shown_folder = paths.folder(file)
    local folder = system.real_path(shown_folder == "" and "." or shown_folder)
    install_searcher(folder, shown_folder)
    note_reading()
    result, faults = run_file(code, file)
    if faults then return nil, faults end
    local good
    good, faults = check_result(result, file)
    if not good then return nil, faults end
    return declaration.encode(result, {
        folder = folder, as_root = true, name = settings.name, find_module = find_module,
        assume_ready = settings.assume_ready,
    })
end

-- --- the child -----------------------------------------------------------------------------------------------------

local FAULT_FIELDS = { "place", "path", "field", "reason", "hint", "trace" }

local function plain_faults(faults)
    local list = {}
    for place, fault in ipairs(faults) do
        list[place] = {}
        for _, field in ipairs(FAULT_FIELDS) do list[place][field] = fault[field] end
    end
    return list
end

-- The files that were read, as nobody can mistake them.
local function absolute_files()
    local list, here = {}, system.real_path "."
    for place, path in ipairs(modules.files()) do list[place] = here and paths.absolute(path, here) or path end
    return list
end

--- The life of the child: compiles `file` and tells the result to descriptor `fd`.
function compiler.main(file, fd, settings)
    system.die_with_parent()
    local blob, more = compiler.compile(file, settings)
    local result = blob and { blob = blob, notes = more, summary = assert(form.summary(blob)) }
        or { faults = plain_faults(more) }
    result.files = absolute_files()
    io.stdout:flush()
    assert(system.write(fd, assert(chunk.pack(result))))
    return 0
end

return compiler
