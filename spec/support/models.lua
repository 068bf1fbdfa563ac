--- Reference models: a flat supervisor as suture's, and one as OTP's, each a page of Lua written from their rules
-- alone. A model answers what it would tell its services, as words ("launch a", "interrupt b"), and is asked in
-- lock-step with the real core.
local models = {}

-- --- suture ----------------------------------------------------------------------------------------------------------

local Suture = {}
Suture.__index = Suture

--- `options`: failure_threshold, failure_decay, failure_backoff (seconds), extend_backoff.
function models.suture(options)
    return setmetatable({
        threshold = options.failure_threshold,
        decay = options.failure_decay,
        backoff = options.failure_backoff,
        extends = options.extend_backoff,
        services = {}, -- name -> true
        order = {},    -- names as added
        queue = {},    -- names, first in first out
        failures = 0,
        now = 0,
        words = {},
    }, Suture)
end

function Suture:tell(word, name)
    self.words[#self.words + 1] = word .. " " .. name
end

--- What was told since the last look.
function Suture:told()
    local words = self.words
    self.words = {}
    return words
end

function Suture:add(name)
    self.services[name] = true
    self.order[#self.order + 1] = name
    if self.serving then self:tell("launch", name) end
end

function Suture:serve()
    self.serving = true
    for _, name in ipairs(self.order) do self:tell("launch", name) end
end

--- A service ended, or panicked: suture makes no difference.
function Suture:fail(name)
    if self.last_fail then
        local intervals = (self.now - self.last_fail) / self.decay
        self.failures = self.failures * 0.5 ^ intervals + 1
    else
        self.failures = 1
    end
    if self.failures > self.threshold and (not self.resumes or self.extends) then
        self.resumes = self.now + self.backoff
    end
    self.last_fail = self.now
    if self.resumes then
        self.queue[#self.queue + 1] = name
    else
        self:tell("launch", name)
    end
end

--- ErrDoNotRestart: it leaves.
function Suture:done(name)
    self.services[name] = nil
end

--- Removed by its token: stopped when it runs, forgotten in any case.
function Suture:remove(name)
    local queued = false
    for _, other in ipairs(self.queue) do queued = queued or other == name end
    if not queued then self:tell("interrupt", name) end
    self.services[name] = nil
end

function Suture:is_queued(name)
    for _, other in ipairs(self.queue) do
        if other == name then return self.services[name] == true end
    end
    return false
end

--- Time passes until `now`.
function Suture:advance(now)
    if self.resumes and self.resumes <= now then
        self.resumes = nil
        self.failures = 0
        for _, name in ipairs(self.queue) do
            if self.services[name] then self:tell("launch", name) end
        end
        self.queue = {}
    end
    self.now = now
end

--- The count as suture would have it at the next failure, without that failure.
function Suture:count()
    if not self.last_fail then return 0 end
    return self.failures * 0.5 ^ ((self.now - self.last_fail) / self.decay)
end

-- --- OTP -------------------------------------------------------------------------------------------------------------

local Otp = {}
Otp.__index = Otp

--- `options`: strategy, intensity, period (seconds), auto_shutdown, and the children in the array part:
-- { name =, restart =, significant = }.
function models.otp(options)
    local children = {}
    for i, child in ipairs(options) do
        children[i] = { name = child.name, restart = child.restart, significant = child.significant, pid = false }
    end
    return setmetatable({
        strategy = options.strategy,
        intensity = options.intensity,
        period = options.period,
        auto_shutdown = options.auto_shutdown or "never",
        children = children,
        restarts = {},
        now = 0,
        words = {},
    }, Otp)
end

Otp.tell = Suture.tell
Otp.told = Suture.told

function Otp:start(child)
    child.pid = true
    self:tell("launch", child.name)
end

function Otp:serve()
    for _, child in ipairs(self.children) do self:start(child) end
end

function Otp:find(name)
    for place, child in ipairs(self.children) do
        if child.name == name then return child, place end
    end
end

-- Stop these places, the last first. Temporary children are not kept: nothing will restart them.
function Otp:terminate(first)
    for place = #self.children, first, -1 do
        local child = self.children[place]
        if child.pid then
            child.pid = false
            self:tell("interrupt", child.name)
        end
        if child.restart == "temporary" then table.remove(self.children, place) end
    end
end

--- Everything stops, in reverse order.
function Otp:shutdown(reason)
    self:terminate(1)
    self.ended = reason
end

-- add_restart: true when there were more than `intensity` within `period`.
function Otp:exceeds()
    local recent = { self.now }
    for _, time in ipairs(self.restarts) do
        if self.now - time <= self.period then recent[#recent + 1] = time end
    end
    self.restarts = recent
    return #recent > self.intensity
end

function Otp:restart(child, place)
    if self:exceeds() then
        self:shutdown "limit"
        return
    end
    if self.strategy == "one_for_one" then
        self:start(child)
        return
    end
    local first = self.strategy == "one_for_all" and 1 or place
    self:terminate(first)
    for i = first, #self.children do self:start(self.children[i]) end
end

local function has_significant(children)
    for _, child in ipairs(children) do
        if child.significant and child.pid then return true end
    end
    return false
end

-- A child ended by itself and is not restarted.
function Otp:natural_end(child)
    if not child.significant then return end
    local any = self.auto_shutdown == "any_significant"
    local all = self.auto_shutdown == "all_significant" and not has_significant(self.children)
    if any or all then self:shutdown "shutdown" end
end

--- `name` ended: normally or not.
function Otp:exit(name, normal)
    local child, place = self:find(name)
    child.pid = false
    local restarts = child.restart == "permanent" or (child.restart == "transient" and not normal)
    if restarts then
        self:restart(child, place)
        return
    end
    if child.restart == "temporary" then table.remove(self.children, place) end
    self:natural_end(child)
end

function Otp:advance(now)
    self.now = now
end

return models
