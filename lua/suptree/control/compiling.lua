--- Compiling a configuration beside the loop: a child reads it, for five seconds at most, as at `suptree run`. One at a
-- time, the others wait for their turn. Knows nothing of what is done with the result.
local compile = require "suptree.compile"

local Compiling = {}
Compiling.__index = Compiling

local MAX_WAITING = 64

-- The program as it runs, even when another version has been installed over it.
local PROGRAM = "/proc/self/exe"

--- `native`: compile and compiled of suptree.control.native. `first`: a number unlike those of a former state.
function Compiling.new(native, say, first)
    return setmetatable({ native = native, say = say, number = first, waiting = {} }, Compiling)
end

local function finish(self, outcome, code, bytes, dropped)
    local job = self.job
    self.job = nil
    if dropped > 0 then self.say(("%s: %d more bytes that it printed are not shown"):format(job.file, dropped)) end
    job.done(compile.judge(job.file, outcome, code, bytes))
end

local function begin(self, job)
    self.number, self.job = self.number + 1, job
    job.begun()
    local words = compile.words(job.file, { name = job.name, program = PROGRAM })
    local good, why = self.native.compile(words, self.number, compile.limit * 1000000000)
    if not good then finish(self, "error", why, "", 0) end
end

local function begin_next(self)
    while not self.job and self.waiting[1] do begin(self, table.remove(self.waiting, 1)) end
end

--- Compile `file`; `name`: the root's name instead of the declared one, or nil. `begun` is called when its turn has
-- come, `done` with what suptree.compile's judge returns. False: too many wait already, nothing is called.
function Compiling:start(file, name, done, begun)
    if #self.waiting >= MAX_WAITING then return false end
    self.waiting[#self.waiting + 1] = { file = file, name = name, done = done, begun = begun }
    begin_next(self)
    return true
end

--- Something has come in: hand on the results that are there.
function Compiling:check()
    while true do
        local number, outcome, code, bytes, dropped = self.native.compiled()
        if not number then break end
        if self.job and number == self.number then finish(self, outcome, code, bytes, dropped) end
    end
    begin_next(self)
end

return Compiling
