--- Speaking with a running host: finding its socket, calls, and what it tells without being asked.
-- Blocking, for the command line and the console; never for what supervises.
local place = require "suptree.place"
local socket = require "suptree.socket"

local client = {}

local PROTOCOL_START = '^{"jsonrpc":"2%.0","id":(%d+),"result":()'

-- --- errors ---------------------------------------------------------------------------------------------------------

local Error = {}
Error.__index = Error
function Error.__tostring(self) return self.message end

-- An error of this side, in the shape of those that a host sends: code, message, data.
local function failure(code, format, ...)
    return setmetatable({ code = code, message = format:format(...), data = { code = code } }, Error)
end

client.failure = failure

-- What a host sent as an error. `code` is the word in its data, or one for JSON-RPC's own numbers.
local NUMBERS = { [-32601] = "unknown_method", [-32602] = "invalid", [-32600] = "invalid", [-32700] = "invalid" }

local function received_error(sent)
    local data = type(sent.data) == "table" and sent.data or {}
    return setmetatable({
        code = data.code or NUMBERS[sent.code] or "failed", number = sent.code,
        message = tostring(sent.message or "the host refused without saying why"), data = data,
    }, Error)
end

-- --- where hosts listen ---------------------------------------------------------------------------------------------

-- What is known of the socket at `path`: { name, path, connection } when a host listens, else nil and why.
local function try(path)
    local connection, why, errno = socket.connect(path)
    if not connection then return nil, why, errno end
    return { name = path:match "([^/]*)$":gsub("%.sock$", ""), path = path, connection = connection }
end

local function close_all(live)
    for _, one in ipairs(live) do one.connection:close() end
end

local function is_nobody(errno) return errno == "ENOENT" or errno == "ECONNREFUSED" end

-- Is it one of those that nobody else can have made?
local function is_trusted(folder)
    for _, trusted in ipairs(place.folders()) do if trusted == folder then return true end end
    return false
end

-- The hosts that listen in `folder`, by name; and the names of those that may not be spoken with.
local function live_in(folder)
    local live, denied = {}, {}
    local names = is_trusted(folder) and place.names(folder) or {}
    table.sort(names)
    for _, name in ipairs(names) do
        local found, _, errno = try(("%s/%s.sock"):format(folder, name))
        if found then live[#live + 1] = found end
        if not found and not is_nobody(errno) then denied[#denied + 1] = name end
    end
    return live, denied
end

-- The hosts that are meant when none is named: this user's own; for lack of them, those of root that he may look at.
-- What else there is is never taken unasked: a command must not hit a tree that was not meant.
local function find_live()
    local live, denied = live_in(place.own())
    local guest = not live[1] and place.guest()
    if guest then live, denied = live_in(guest) end
    return live, denied
end

local function names_of(live)
    local names = {}
    for at, one in ipairs(live) do names[at] = one.name end
    return names
end

--- The names of the trees that answer, for completion.
function client.names()
    local live = find_live()
    close_all(live)
    return names_of(live)
end

local START_ONE = 'start one with "suptree run"'

local function no_host(path, why, errno, asked)
    if is_nobody(errno) then
        return failure("no_host", "no host answers at %s%s; %s", path, asked or "", START_ONE)
    elseif errno == "EACCES" or errno == "EPERM" then
        return failure("refused", "%s: you may not speak with this host; do it as the user who started it, or as root",
            path)
    end
    return failure("no_host", "no host answers at %s: %s", path, why)
end

local function find_named(name)
    local refused
    for _, folder in ipairs(place.folders()) do
        local path = ("%s/%s.sock"):format(folder, name)
        local found, why, errno = try(path)
        if found then return found end
        if not is_nobody(errno) then refused = refused or no_host(path, why, errno) end
    end
    if refused then return nil, refused end
    local others = client.names()
    return nil, failure("no_host", "no host answers to the name %s; %s", name,
        others[1] and "there are " .. table.concat(others, ", ") or START_ONE .. " --name " .. name)
end

local function find_at(path, asked)
    local found, why, errno = try(path)
    if found then return found end
    return nil, no_host(path, why, errno, asked)
end

-- Trees of this user where a host does not look with this environment.
local function elsewhere()
    for _, folder in ipairs(place.folders()) do
        local live = folder ~= place.own() and live_in(folder) or {}
        close_all(live)
        if live[1] then
            return ('; or do you mean %s, in %s? Then say "suptree -n %s"'):format(live[1].name, folder, live[1].name)
        end
    end
    return ""
end

local function find_alone()
    local live, denied = find_live()
    if #live == 1 then return live[1] end
    close_all(live)
    if #live > 1 then
        local names = names_of(live)
        return nil, failure("several", "several trees run: %s; say which one with -n, as in \"suptree -n %s status\"",
            table.concat(names, ", "), names[1])
    elseif denied[1] then
        return nil, failure("refused",
            "you may not speak with the host of %s; do it as the user who started it, or as root",
            table.concat(denied, ", "))
    end
    return nil, failure("no_host",
        "no host answers: no tree runs for this user; %s in the folder of your supervise.lua%s", START_ONE, elsewhere())
end

--- The host that is meant: { name, path, connection }; nil and an error. `wanted`: { name =, socket = }, the name of a
-- tree or the path of a socket; else $SUPTREE_SOCKET, else the only one that is there.
function client.find(wanted)
    wanted = wanted or {}
    local name = wanted.name
    if wanted.socket then return find_at(wanted.socket) end
    if name then return (name:find("/", 1, true) and find_at or find_named)(name) end
    local path = os.getenv "SUPTREE_SOCKET"
    if path and path ~= "" then return find_at(path, " ($SUPTREE_SOCKET)") end
    return find_alone()
end

-- --- calls ----------------------------------------------------------------------------------------------------------

local Connection = {}
Connection.__index = Connection

--- Connects to the host that client.find finds: a connection; nil and an error { code, message, data }.
function client.connect(wanted)
    local found, err = client.find(wanted)
    if not found then return nil, err end
    return setmetatable({
        name = found.name, path = found.path, socket = found.connection, last = 0,
        replies = {}, notes = {}, unanswered = {},
    }, Connection)
end

local LOST = {
    timeout = function(self)
        return failure("timeout", "the host of %s did not answer in time; what was asked for still stands", self.name)
    end,
    closed = function(self)
        return failure("closed", "the host of %s closed the connection; \"suptree status\" says whether it still runs",
            self.name)
    end,
    interrupted = function() return failure("interrupted", "interrupted") end,
    unread = function() return failure("unread", "nobody reads the output any more") end,
}

local function lost(self, why)
    return LOST[why] and LOST[why](self) or failure("closed", "the connection to %s broke: %s", self.name, why)
end

-- Parameters as JSON: given as such, or a table, whose lists are never empty.
local function encode_params(params)
    if type(params) == "string" then return params end
    return params and next(params) ~= nil and require "cjson".encode(params) or "{}"
end

-- Questions may be asked again: when a host dies over one, the next host answers.
local QUESTIONS = { environment = true, events = true, explain = true, hello = true, logs = true, status = true }

-- Asks what is unanswered once more, of the next host; false: that has been done, or would lose something.
local function ask_again(self)
    local connection = not self.has_asked_again and not self.has_streams and socket.connect(self.path)
    if not connection then return false end
    self.socket:close()
    self.socket, self.has_asked_again = connection, true
    for id = 1, self.last do
        local line = self.unanswered[id]
        if line == false or line and not connection:send(line) then return false end
    end
    return true
end

--- Sends a request; returns its id, or nil and an error. Several may be under way. `params`: a table, or JSON.
function Connection:request(method, params)
    self.last = self.last + 1
    local line = ('{"jsonrpc":"2.0","id":%d,"method":%s,"params":%s}\n'):format(self.last,
        require "cjson".encode(method), encode_params(params))
    self.has_streams = self.has_streams or type(params) == "table" and params.follow
    self.unanswered[self.last] = QUESTIONS[method] and line or false
    local sent, why = self.socket:send(line)
    if sent then return self.last end
    local answer = self.socket:receive(0) -- one who is turned away is told why
    local reply = answer and require "cjson".decode(answer)
    if type(reply) == "table" and reply.error then return nil, received_error(reply.error) end
    return nil, lost(self, why)
end

-- Puts a line where it belongs: a reply to its id, a notification at the end of those that wait.
local function sort_line(self, line)
    local id, start = line:match(PROTOCOL_START)
    if id then
        self.replies[math.tointeger(tonumber(id))] = { raw = line:sub(start, -2) }
        return true
    end
    local good, message = pcall(require "cjson".decode, line)
    if not good or type(message) ~= "table" then return false end
    if message.method then
        message.text = line
        self.notes[#self.notes + 1] = message
    elseif type(message.id) == "number" and (message.error or message.result ~= nil) then
        self.replies[message.id] = message.error and { error = received_error(message.error) }
            or { result = message.result }
    elseif message.error then
        self.broken = received_error(message.error) -- of a request that the host could not even read
    else
        return false
    end
    return true
end

local function read_line(self, seconds)
    if self.broken then return nil, self.broken end
    local line, why = self.socket:receive(seconds)
    if not line then return nil, lost(self, why) end
    if not sort_line(self, line) then
        return nil, failure("closed", "the host of %s sent what is no message", self.name)
    end
    return true
end

local function deadline_in(seconds) return seconds and socket.now() + seconds end

local function left_until(deadline) return deadline and math.max(0, deadline - socket.now()) end

-- The text of a result: the host's own, as hosts begin their replies as PROTOCOL_START says.
local function raw_of(reply)
    return reply.raw or require "cjson".encode(reply.result)
end

--- Waits for the reply to the request `id`. `options`: timeout (seconds), raw (the result as JSON text instead of a
-- table), on_note(method, params) (called for notifications meanwhile). Returns the result; nil and an error.
function Connection:response(id, options)
    options = options or {}
    local deadline = deadline_in(options.timeout)
    while not self.replies[id] do
        local good, err = read_line(self, left_until(deadline))
        if not good and (err.code ~= "closed" or not ask_again(self)) then return nil, err end
        while options.on_note and self.notes[1] do
            local note = table.remove(self.notes, 1)
            options.on_note(note.method, note.params)
        end
    end
    local reply = self.replies[id]
    self.replies[id], self.unanswered[id] = nil, nil
    if reply.error then return nil, reply.error end
    if options.raw then return raw_of(reply) end
    return reply.raw and require "cjson".decode(reply.raw) or reply.result
end

--- A request and its reply. `options`: as for response, or a number of seconds.
function Connection:call(method, params, options)
    local id, err = self:request(method, params)
    if not id then return nil, err end
    return self:response(id, type(options) == "number" and { timeout = options } or options)
end

--- The next notification: method, params, its text; nil and an error.
function Connection:notification(timeout)
    local deadline = deadline_in(timeout)
    while not self.notes[1] do
        local good, err = read_line(self, left_until(deadline))
        if not good then return nil, err end
    end
    local note = table.remove(self.notes, 1)
    return note.method, note.params, note.text
end

--- Iterates over what a stream brings: method, params, until its end. After the loop, stream.error says why it ended
-- when the host did not end it.
function Connection:stream(id)
    local stream = setmetatable({ id = id }, { __call = function(stream)
        while true do
            local method, params = self:notification()
            if not method then
                stream.error = params
                return nil
            end
            if method == "end" and params.stream == id then return nil end
            if params.stream == id then return method, params end
        end
    end })
    return stream
end

--- Ends the wait for more when nobody reads the pipe `fd` any more.
function Connection:watch(fd) self.socket:watch(fd) end

function Connection:close() self.socket:close() end

return client
