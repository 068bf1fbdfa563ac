--- Which files a module is made of. A captured chunk says by name what it requires; the digest of the files behind
-- that name tells a reload whether it changed.
local form = require "suptree.form"
local system = require "suptree.system"

local modules = {}

-- name -> { hash, requires = { name, … } } of the files that the compiler's own searcher has loaded.
local records = {}

-- Adds the hash of the module and of all it requires to `parts`, each once.
local function collect(name, parts, seen)
    if seen[name] then return end
    seen[name] = true
    local record = records[name]
    local hash = record and record.hash
    if not hash then
        local path = not package.preload[name] and package.searchpath(name, package.path)
        local contents = path and system.read_file(path)
        hash = contents and form.hash(contents) or 0
    end
    parts[#parts + 1] = ("%s=%016x"):format(name, hash)
    for _, required in ipairs(record and record.requires or {}) do collect(required, parts, seen) end
end

--- A number that changes when a file of module `name` does, or of what it requires; 0 for what is built in or written
-- in C.
function modules.digest(name)
    local parts = {}
    collect(name, parts, {})
    if #parts == 1 and parts[1]:find "=0+$" then return 0 end
    table.sort(parts)
    return form.hash(table.concat(parts, "\n"))
end

--- Notes that the file of `name` was loaded.
function modules.note_file(name, contents)
    records[name] = { hash = form.hash(contents), requires = {} }
end

--- Notes that `name` requires `required`.
function modules.note_require(name, required)
    local record = records[name]
    if record then record.requires[#record.requires + 1] = required end
end

return modules
