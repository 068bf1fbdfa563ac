--- Supervisors inside the program that runs Lua: the seed's verbs. Made by `suptree.new` and `suptree.new_simple`.
-- Failures that are expected return nil and an error; misuse raises. Callbacks run inside `serve` and `poll` alone.
local core = require "suptree.core"
local declaration = require "suptree.declaration"
local encoder = require "suptree.encoder"
local errors = require "suptree.errors"
local native = require "suptree.library.native"
local system = require "suptree.system"
local text = require "suptree.text"

local library = {}

--- A supervisor: `tostring` gives its name.
local Supervisor = { __name = "suptree supervisor" }
Supervisor.__index = Supervisor

function Supervisor:__tostring()
    return self.name
end

-- --- arguments -----------------------------------------------------------------------------------------------------

local function check_self(self, verb)
    if getmetatable(self) ~= Supervisor then
        error(("%s: write supervisor:%s(…), with a colon"):format(verb, verb), 3)
    end
end

-- Nanoseconds, or an error at the caller of the verb.
local function check_time(value, verb)
    local ns = core.duration(value)
    if not ns then
        error(("%s: %s is not a time; write seconds or a text like \"10s\""):format(verb, text.describe(value)), 3)
    end
    return ns
end

local function check_context(value, verb)
    if value ~= nil and type(value) ~= "string" then
        error(("%s: the context must be a text, not %s"):format(verb, text.describe(value)), 3)
    end
    return value
end

local function check_service(value, verb, level)
    if getmetatable(value) == Supervisor or declaration.is(value) then return end
    error(("%s: a declaration or a supervisor is needed, not %s"):format(verb, text.describe(value)), level or 3)
end

local function check_token(value, verb)
    if type(value) ~= "userdata" or tostring(value) ~= "suptree service token" then
        error(("%s: a token is needed, as add returned it, not %s"):format(verb, text.describe(value)), 3)
    end
    return value
end

local errors_by_code = {}
for name, value in pairs(errors) do
    if name:find "^Err" then errors_by_code[value.code] = value end
end

-- What a native verb returned, for the caller of ours.
local function result(value, code, message)
    if value then return value end
    return nil, errors.new(errors_by_code[code], message)
end

-- --- callbacks -----------------------------------------------------------------------------------------------------

local function complain(line)
    io.stderr:write("suptree: ", line, "\n")
end

-- What was raised, as a text; its own __tostring may raise as well.
local function words_of(raised)
    local good, words = pcall(tostring, raised)
    return good and words or text.describe(raised)
end

local function root_of(self)
    while self.parent do self = self.parent end
    return self
end

-- From the root down to the innermost handle at or above `path`.
local function chain_to(root, path)
    local chain, handle = { root }, root
    for name in path:gmatch "[^/]+" do
        handle = handle.children[name]
        if not handle then break end
        chain[#chain + 1] = handle
    end
    return chain
end

-- The innermost `log` of the chain; one that raises is told where nothing can.
local function log_line(chain, line)
    for place = #chain, 1, -1 do
        local log = chain[place].log
        if log then
            local good, message = pcall(log, line)
            if not good then complain("the callback log raised: " .. words_of(message)) end
            return
        end
    end
end

local function report_raised(chain, what, message)
    local line = ("%s: the callback %s raised: %s"):format(chain[1].name, what, words_of(message))
    for _, handle in ipairs(chain) do
        if handle.log then return log_line(chain, line) end
    end
    complain(line)
end

-- Runs the callbacks of one event.
local function deliver(root, event, line, lost)
    local chain = chain_to(root, event.path or "")
    if lost > 0 then
        log_line(chain, ("%s: %d events were dropped: call poll or serve more often"):format(root.name, lost))
    end
    if line then log_line(chain, line) end
    for _, handle in ipairs(chain) do
        if handle.on_event then
            local good, message = pcall(handle.on_event, event)
            if not good then report_raised(chain, "on_event", message) end
        end
    end
end

-- As many events as can wait: others may come all the time.
local MOST_AT_ONCE = 4096

-- Runs what waits. Returns how many events there were, and whether no more will come.
local function run_waiting(root)
    for count = 0, MOST_AT_ONCE - 1 do
        local event, line, lost = root.handle:take()
        if not event then return count, line end
        local before = root.in_callback
        root.in_callback = true
        deliver(root, event, line, lost)
        root.in_callback = before
    end
    return MOST_AT_ONCE, false
end

-- package.path with its relative entries made absolute: threads have no folder of their own.
local function search_path()
    local entries, here = {}, system.real_path "."
    for entry in package.path:gmatch "[^;]+" do
        entries[#entries + 1] = entry:find "^/" and entry or here .. "/" .. entry:gsub("^%./", "")
    end
    return table.concat(entries, ";")
end

-- --- verbs ---------------------------------------------------------------------------------------------------------

local function hears(self)
    if self.log or self.on_event then return true end
    for _, child in pairs(self.children) do
        if hears(child) then return true end
    end
    return false
end

local function attach(self, child)
    local token, err = result(self.handle:attach(child.handle))
    if not token then return nil, err end
    child.parent = self
    self.children[child.name] = child
    self.names[token] = child.name
    if hears(child) then self.handle:listen() end
    return token
end

--- Adds a process, a thread or a supervisor, as declared, or another `suptree.new`. While the tree serves it is
-- launched at once. Returns its token, or nil and an error.
function Supervisor:add(service)
    check_self(self, "add")
    check_service(service, "add")
    if getmetatable(service) == Supervisor then return attach(self, service) end
    local blob, faults = encoder.encode(service, { search_path = search_path() })
    if not blob then return nil, errors.new(errors.ErrInvalid, tostring(faults)) end
    return result(self.handle:add(blob))
end

-- The handle that `token` stood for is on its own again.
local function let_go(self, token)
    local name = self.names[token]
    local child = name and self.children[name]
    if not child then return end
    self.children[name], self.names[token] = nil, nil
    child.parent = nil
end

--- Removes a service: it is stopped, and not waited for. One that was removed before is no error.
function Supervisor:remove(token)
    check_self(self, "remove")
    local good, err = result(self.handle:remove(check_token(token, "remove")))
    if good then let_go(self, token) end
    return good, err
end

--- The same, and waits until it has ended, at most for `timeout`; 0: for ever.
function Supervisor:remove_and_wait(token, timeout)
    check_self(self, "remove_and_wait")
    check_token(token, "remove_and_wait")
    local wait_ns = check_time(timeout == nil and 0 or timeout, "remove_and_wait")
    local good, err = result(self.handle:remove_and_wait(token, wait_ns))
    if good or err == errors.ErrTimeout then let_go(self, token) end
    return good, err
end

--- Starts the tree and returns when every service has been launched, or waits, or has failed.
function Supervisor:serve_background(context)
    check_self(self, "serve_background")
    return result(self.handle:serve(check_context(context, "serve_background")))
end

--- Starts the tree and runs callbacks on this thread until it has ended: true, or nil and an error when it ended by
-- itself with another exit code than 0. A signal's handler in Lua, such as Ctrl-C's, gets its turn.
function Supervisor:serve(context)
    check_self(self, "serve")
    local good, err = result(self.handle:serve(check_context(context, "serve")))
    if not good then return nil, err end
    while true do
        local _, closed = run_waiting(self)
        if closed then break end
        self.handle:wait()
    end
    local code = self.handle:ended()
    if code == 0 then return true end
    return nil, errors.new(errors.ErrGaveUp, ("%s ended by itself with code %d"):format(self.name, code))
end

--- Runs the callbacks that wait, or the first that comes within `timeout` (default 0). Returns for how many events, and
-- true once the tree has ended and no more will come.
function Supervisor:poll(timeout)
    check_self(self, "poll")
    local root = root_of(self)
    local wait_ns = check_time(timeout == nil and 0 or timeout, "poll")
    local count, closed = run_waiting(root)
    if count > 0 or closed or wait_ns == 0 then return count, closed end
    root.handle:wait(wait_ns)
    return run_waiting(root)
end

--- A descriptor that is readable while poll has something to do, and for good once the tree has ended: for the event
-- loop of the program. It is the supervisor's: do not read, write or close it.
function Supervisor:fd()
    check_self(self, "fd")
    return root_of(self).handle:fd()
end

--- The direct children in order: { name, kind, state, pid, generation, ready, token }.
function Supervisor:services()
    check_self(self, "services")
    return self.handle:services()
end

--- Stops the tree and waits for it: nil, or an array of what could not be stopped, { path, kind, generation, pid }.
-- Of a supervisor that was added to another: stops that part, as a person would. Inside a callback it is a request.
function Supervisor:stop(context)
    check_self(self, "stop")
    return self.handle:stop(check_context(context, "stop"), root_of(self).in_callback or false)
end

-- --- making one ----------------------------------------------------------------------------------------------------

local function check_callback(spec, name)
    local callback = spec[name]
    local meta = getmetatable(callback)
    local callable = type(callback) == "function" or (type(meta) == "table" and meta.__call)
    if callback ~= nil and not callable then
        error(("%s: must be a function, not %s"):format(name, text.describe(callback)), 4)
    end
    return callback
end

-- Its options, and its children in order; as in a declaration, places without one do not matter.
local function split_spec(spec)
    local options, places, children = {}, {}, {}
    for key, value in pairs(spec) do
        if math.type(key) == "integer" then places[#places + 1] = key
        elseif key ~= "log" and key ~= "on_event" then options[key] = value end
    end
    table.sort(places)
    for position, place in ipairs(places) do children[position] = spec[place] end
    return options, children
end

-- The blob of the supervisor alone.
local function encode_options(name, options, place)
    local declared = declaration.kind "supervisor" (name) (options)
    declared.place = place
    local blob, faults = encoder.encode(declared, { as_root = true })
    if not blob then error(tostring(faults), 4) end
    return blob
end

local function create(name, spec, place)
    if type(name) ~= "string" then error(("new: the name must be a text, not %s"):format(text.describe(name)), 3) end
    if type(spec) ~= "table" then error(("new: the options must be a table, not %s"):format(text.describe(spec)), 3) end
    local options, children = split_spec(spec)
    for _, child in ipairs(children) do check_service(child, "new", 4) end
    local blob = encode_options(name, options, place)
    local self = {
        name = name, log = check_callback(spec, "log"), on_event = check_callback(spec, "on_event"),
        children = {}, names = setmetatable({}, { __mode = "k" }),
    }
    local handle, message = native.create(blob)
    if not handle then error(message, 3) end
    self.handle = handle
    setmetatable(self, Supervisor)
    if self.log or self.on_event then handle:listen() end
    for _, child in ipairs(children) do
        local token, err = self:add(child)
        if not token then error(tostring(err), 3) end
    end
    return self
end

local function calling_place()
    local info = debug.getinfo(3, "Sl")
    if not info or info.currentline < 1 then return "?" end
    return ("%s:%d"):format(info.source:match "^@(.*)" or info.short_src, info.currentline)
end

--- A supervisor with the options of a tree's root, and `log` and `on_event`; children may stand in its array part.
function library.new(name, spec)
    local sup = create(name, spec == nil and {} or spec, calling_place()) -- no tail call: errors name the caller
    return sup
end

--- A supervisor with all the defaults.
function library.new_simple(name, ...)
    if select("#", ...) > 0 then error("new_simple: takes a name alone; new takes options as well", 2) end
    local sup = create(name, {}, calling_place())
    return sup
end

return library
