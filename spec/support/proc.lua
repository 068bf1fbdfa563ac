--- Looking at processes through /proc.
local uv = require "luv"

local proc = {}

local function read(path)
    local file = io.open(path, "rb")
    if not file then return nil end
    local text = file:read "a"
    file:close()
    return text
end

--- Everything in /proc/PID/NAME, or nil when there is no such process.
function proc.read(pid, name)
    return read(("/proc/%d/%s"):format(pid, name))
end

--- The state letter of /proc/PID/stat; nil: no such process.
function proc.state(pid)
    local stat = proc.read(pid, "stat")
    return stat and stat:match "^.*%) (%a)"
end

--- Does it live? A zombie does not.
function proc.lives(pid)
    local state = proc.state(pid)
    return state ~= nil and state ~= "Z" and state ~= "X"
end

--- The name of the program: at most 15 characters.
function proc.name(pid)
    local comm = proc.read(pid, "comm")
    return comm and comm:match "^(.-)\n?$"
end

--- The words of its command line; empty for a zombie.
function proc.words(pid)
    local words = {}
    for word in (proc.read(pid, "cmdline") or ""):gmatch "([^%z]*)%z" do words[#words + 1] = word end
    return words
end

--- Its environment by name.
function proc.environment(pid)
    local found = {}
    for name, value in (proc.read(pid, "environ") or ""):gmatch "([^=%z]+)=([^%z]*)%z" do found[name] = value end
    return found
end

--- The field of /proc/PID/status.
function proc.status(pid, field)
    return (proc.read(pid, "status") or ""):match(field .. ":%s*([^\n]*)")
end

--- Pids of the children of its main thread, oldest first.
function proc.children(pid)
    local children = {}
    for child in (proc.read(pid, ("task/%d/children"):format(pid)) or ""):gmatch "%d+" do
        children[#children + 1] = math.tointeger(tonumber(child))
    end
    return children
end

--- Open descriptors: number -> what it leads to.
function proc.descriptors(pid)
    local found = {}
    local folder = ("/proc/%d/fd"):format(pid)
    local scan = uv.fs_scandir(folder)
    while scan do
        local name = uv.fs_scandir_next(scan)
        if not name then break end
        found[tonumber(name)] = uv.fs_readlink(folder .. "/" .. name) or "?"
    end
    return found
end

--- Pids of all processes whose environment holds NAME=VALUE.
function proc.with_environment(name, value)
    local found = {}
    local entry = "\0" .. name .. "=" .. value .. "\0"
    local scan = assert(uv.fs_scandir "/proc")
    while true do
        local file = uv.fs_scandir_next(scan)
        if not file then return found end
        local pid = math.tointeger(tonumber(file))
        local environment = pid and proc.read(pid, "environ")
        if environment and ("\0" .. environment):find(entry, 1, true) then found[#found + 1] = pid end
    end
end

return proc
