--- The control server: who may connect, how many of them, what they ask, what they are told. Knows nothing of what the
-- methods do.
local arguments = require "suptree.control.arguments"
local Connection = require "suptree.control.connection"
local json = require "suptree.json"
local limits = require "suptree.control.limits"
local message = require "suptree.control.message"
local methods = require "suptree.control.methods"
local text = require "suptree.text"
local uv = require "luv"

local Server = {}
Server.__index = Server

Server.limits = limits

local rows = {}
for _, row in ipairs(methods) do rows[row.name] = row end

-- --- one call -------------------------------------------------------------------------------------------------------

local Call = {}
Call.__index = Call

local function finish(call, line)
    if call.done then return end
    call.done = true
    local connection = call.connection
    connection.calls = connection.calls - 1
    if call.id then connection:send(line) end
    connection:resume()
end

--- The result, as JSON.
function Call:reply(result)
    finish(self, self.id and message.result(self.id, result))
end

--- The call cannot be answered: `code` is one of message's, or a word for the table `data`.
function Call:fail(code, words, data)
    if type(code) == "string" then
        data = data or {}
        data.code, code = code, message.OWN
    end
    finish(self, self.id and message.error(self.id, code, words, data))
end

--- Something in between, for a call that waits; `params` is JSON.
function Call:notify(method, params)
    if self.id and not self.done then self.connection:send(message.notification(method, params)) end
end

--- Is there still somebody who wants to know?
function Call:is_wanted()
    return not self.done and not self.connection.ended
end

-- --- lines ----------------------------------------------------------------------------------------------------------

local function unknown_method(call, name)
    local names = text.sorted_keys(rows)
    local meant = text.did_you_mean(name, names)
    if meant == "" then meant = '; the method "methods" lists them' end
    call:fail(message.METHOD, ("there is no method %s%s"):format(text.quote(name:sub(1, 64)), meant))
end

local function perform(self, call, row, params)
    if row.role == "write" and call.peer.role ~= "write" then
        return call:fail("refused", ("%s: uid %d may only look; only the user that the tree runs as, and root, may "
            .. "change something"):format(row.name, call.peer.uid))
    end
    local given, why = arguments.check(params, row.params, message.null)
    if not given then return call:fail(message.PARAMS, why) end
    local good, err = xpcall(self.handlers[row.name], debug.traceback, call, given)
    if good then return end
    if type(err) == "string" and err:find("not enough memory", 1, true) then
        collectgarbage()
        return call:fail("limit", "there is no memory for this reply; ask for less")
    end
    self.say("a mistake in the control thread, please report it: " .. tostring(err))
    call:fail(message.INTERNAL, "a mistake in suptree itself; the log says more")
end

local function on_line(self, connection, line)
    local request, err = message.read(line)
    if not request then
        connection:send(message.error(err.id, err.code, err.message))
        if err.fatal then connection:leave() end
        return
    end
    local call = setmetatable({
        id = request.id, connection = connection, handle = connection.handle, peer = connection.peer,
    }, Call)
    connection.calls = connection.calls + 1
    local row = rows[request.method]
    if row then perform(self, call, row, request.params) else unknown_method(call, request.method) end
end

-- --- connections ----------------------------------------------------------------------------------------------------

local function forget(self, connection)
    local uid = connection.peer.uid
    self.count = self.count - 1
    self.users[uid] = self.users[uid] > 1 and self.users[uid] - 1 or nil
    self.connections[connection] = nil
    self.ended(connection)
    if self.count > 0 then return end
    collectgarbage() -- nobody waits, and much is not needed any more
    if self.gone then self.gone() end
end

--- Serve the client at the other end of `stream`, who may do what `handle` may.
function Server:take(stream, handle, peer)
    local connection
    connection = Connection.new(stream, self.limits, {
        line = function(from, line) on_line(self, from, line) end,
        too_long = function(from)
            from:send(message.error("null", message.REQUEST, ("a request of more than %d bytes"):format(
                self.limits.message)))
            from:leave()
        end,
        written = self.written,
        ended = function(from) forget(self, from) end,
    })
    connection.handle, connection.peer = handle, peer
    self.count = self.count + 1
    self.users[peer.uid] = (self.users[peer.uid] or 0) + 1
    self.connections[connection] = true
    return connection
end

-- One who is not served is told why, if that can be done at once.
local function turn_away(stream, words, data)
    stream:try_write(message.error("null", message.OWN, words, data))
    stream:close()
end

local function on_connection(self)
    local stream = uv.new_pipe(false)
    if not self.listener:accept(stream) then return stream:close() end
    local handle, peer = self.admit(stream:fileno())
    if not handle then
        return turn_away(stream, "only the user that the tree runs as, and root, may connect", { code = "refused" })
    end
    if self.count >= self.limits.connections or (self.users[peer.uid] or 0) >= self.limits.per_user then
        return turn_away(stream, "there are too many connections; close some", { code = "limit" })
    end
    self:take(stream, handle, peer)
end

-- --- its life -------------------------------------------------------------------------------------------------------

local function ignore() end

--- Serve at the listening socket `fd`. `options`: admit(fd) -> handle, peer { uid, pid, role }; handlers by method;
-- say(line); written(connection) and ended(connection), called when a client has taken something, or is gone; limits,
-- where they differ from Server.limits.
function Server.new(fd, options)
    local self = setmetatable({
        admit = options.admit, handlers = options.handlers, say = options.say,
        written = options.written or ignore, ended = options.ended or ignore,
        limits = setmetatable(options.limits or {}, { __index = Server.limits }),
        count = 0, users = {}, connections = {},
    }, Server)
    self.listener = uv.new_pipe(false)
    assert(self.listener:open(fd))
    assert(self.listener:listen(128, function(err)
        if not err then on_connection(self) end
    end))
    return self
end

--- Take no more connections, let the present ones have their last replies. `gone` is called when all have ended.
function Server:leave(gone)
    self.listener:close()
    for connection in pairs(self.connections) do connection:leave() end
    if self.count == 0 then gone() else self.gone = gone end
end

-- A row or parameter as json.encode wants it: lists are marked.
local function as_json(value)
    if type(value) ~= "table" then return value end
    local copy = #value > 0 and json.array {} or {}
    for key, field in pairs(value) do copy[key] = as_json(field) end
    if value.params and #value.params == 0 then copy.params = json.array {} end
    return copy
end

--- The method table as JSON.
function Server.methods_text()
    return json.encode { methods = as_json(methods) }
end

return Server
