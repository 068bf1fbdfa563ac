--- Watching the files that a configuration was read from: when one of them is saved, it is read again. Knows nothing of
-- what is done with it.
--
-- Folders are watched, not files: editors write another file and rename it, and then the one that was watched is gone.
local paths = require "suptree.paths"
local uv = require "luv"

local Watching = {}
Watching.__index = Watching

-- Saving is over when nothing has moved for so many milliseconds; a busy folder does not put it off for ever.
local QUIET, MOST = 100, 1000
-- When a folder cannot be watched, it is tried again after so many milliseconds.
local RETRY = 1000

local function fire(self)
    self.timer:stop()
    self.first = nil
    self:read()
end

local function moved(self)
    local now = uv.now()
    self.first = self.first or now
    local left = math.min(QUIET, self.first + MOST - now)
    self.timer:start(math.max(left, 0), 0, function() fire(self) end)
end

local function watch_folder(self, folder)
    local watch = uv.new_fs_event()
    local good = watch:start(folder, {}, function(err, name)
        local names = self.folders[folder]
        if err or not names or name and not names[name] then return end
        moved(self)
    end)
    if good then
        self.watches[folder] = watch
    else
        watch:close()
        self.missing = true
    end
end

local function add(folders, path)
    local folder = paths.folder(path)
    folders[folder] = folders[folder] or {}
    folders[folder][paths.name(path)] = true
end

-- Where a link leads to counts as well as the link.
local function folders_of(files)
    local folders = {}
    for _, path in ipairs(files) do
        add(folders, path)
        local real = uv.fs_realpath(path)
        if real and real ~= path then add(folders, real) end
    end
    return folders
end

local function watch(self, files)
    self.folders, self.missing = folders_of(files), false
    for folder, handle in pairs(self.watches) do
        if not self.folders[folder] then
            handle:close()
            self.watches[folder] = nil
        end
    end
    for folder in pairs(self.folders) do
        if not self.watches[folder] then watch_folder(self, folder) end
    end
    if self.missing then self.retry:start(RETRY, 0, function() watch(self, files) end) end
end

-- Changes of files show in steps of a tick of the kernel's clock.
local CLOCK_NOISE = 0.02

local function wall_clock()
    local seconds, micros = uv.gettimeofday()
    return seconds + micros / 1e6
end

-- From now on watch what was read since `began`. What was saved meanwhile may have been read before, and not be told.
local function go_on_watching(self, files, began)
    watch(self, files)
    for _, path in ipairs(files) do
        local info = uv.fs_stat(path)
        if info and info.ctime.sec + info.ctime.nsec / 1e9 > began - CLOCK_NOISE then return moved(self) end
    end
end

--- Read again; the files that were read are watched from now on. What is the same as the last time is no change.
function Watching:read()
    local began = wall_clock()
    self.reload(function(result)
        if self.closed then return false end
        if result.files then go_on_watching(self, result.files, began) end
        local same = result.blob ~= nil and result.blob == self.seen
        self.seen = result.blob
        return not same
    end)
end

--- `reload(look)` reads the configuration, asks `look(result)` whether to go on, and then reloads. `stands(blob)`: is
-- there no need to try that, although nobody has just saved it?
function Watching.new(reload, stands)
    local self = setmetatable({
        reload = reload, watches = {}, folders = {}, timer = uv.new_timer(), retry = uv.new_timer(),
    }, Watching)
    local began = wall_clock()
    reload(function(result)
        if self.closed then return false end
        if result.files then go_on_watching(self, result.files, began) end
        self.seen = result.blob
        return not result.blob or not stands(result.blob)
    end)
    return self
end

function Watching:close()
    self.closed = true
    for _, handle in pairs(self.watches) do handle:close() end
    self.timer:close()
    self.retry:close()
end

return Watching
