--- Which files a configuration and the modules of its threads are made of. A captured chunk says by name what it
-- requires; the digest of the files behind that name tells a reload whether it changed. The files that were read tell
-- who watches them what to watch.
local bytecode = require "suptree.bytecode"
local form = require "suptree.form"
local system = require "suptree.system"

local modules = {}

-- name -> { hash, requires = { name, … } } of the files that are known.
local records = {}

local digests = {}

local files, listed = {}, {}

local function find_installed(name)
    return package.searchpath(name, package.path)
end

local find = find_installed

--- Notes that `path` was read, or looked for.
function modules.note_path(path)
    if listed[path] then return end
    listed[path] = true
    files[#files + 1] = path
end

--- The files that were noted, in the order in which they came.
function modules.files()
    return files
end

--- From now on `finder(name)` says where the file of a module is, or nothing.
function modules.set_finder(finder)
    find = finder
    digests = {}
end

local function add_record(name, contents, func)
    local record = { hash = form.hash(contents), requires = {} }
    for _, required in ipairs(func and bytecode.required(string.dump(func)) or {}) do
        record.requires[#record.requires + 1] = required
    end
    records[name] = record
    return record
end

-- Of a module that nobody has loaded here: it may be required later, on a thread.
local function look_up(name)
    if package.preload[name] then return nil end
    local path = find(name)
    local contents = path and system.read_file(path)
    if not contents then return nil end
    modules.note_path(path)
    local code = contents:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "", 1)
    return add_record(name, contents, load(code, "=", "t"))
end

-- Adds the hash of the module and of all it requires to `parts`, each once.
local function collect(name, parts, seen)
    if seen[name] then return end
    seen[name] = true
    local record = records[name] or look_up(name)
    if not record then return end
    parts[#parts + 1] = ("%s=%016x"):format(name, record.hash)
    for _, required in ipairs(record.requires) do collect(required, parts, seen) end
end

--- A number that changes when a file of module `name` does, or of what it requires; 0 for what is built in, written in
-- C, or not there.
function modules.digest(name)
    if not digests[name] then
        local parts = {}
        collect(name, parts, {})
        table.sort(parts)
        digests[name] = parts[1] and form.hash(table.concat(parts, "\n")) or 0
    end
    return digests[name]
end

--- Notes that the file of `name` was loaded: its contents, its path and its function.
function modules.note_file(name, contents, path, func)
    digests = {}
    modules.note_path(path)
    add_record(name, contents, func)
end

--- Notes that `name` requires `required`.
function modules.note_require(name, required)
    local record = records[name]
    if not record then return end
    digests = {}
    record.requires[#record.requires + 1] = required
end

return modules
