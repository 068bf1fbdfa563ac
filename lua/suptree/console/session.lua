--- One connection of a console: calls that raise, the tree's names as they are now, streams above the prompt.
local client = require "suptree.client"
local socket = require "suptree.socket"
local terminal = require "suptree.render.terminal"

local session = {}

local NAMES_LAST_S = 0.5 -- names of nodes are asked for again after this

--- A session on `connection`. `settings`: may_write, facts, write(text): where streams are shown.
function session.new(connection, settings)
    local self = { may_write = settings.may_write, facts = settings.facts, streams = {} }
    local nodes, known, groups, asked = {}, {}, {}, nil

    function self.call(method, params)
        local reply, err = connection:call(method, params)
        if reply then return reply end
        error(err.message, 0)
    end

    local function ask_again()
        if asked and socket.now() - asked < NAMES_LAST_S then return end
        local reply = connection:call "status"
        if not reply then return end
        nodes, known, asked = reply.services, {}, socket.now()
        for _, node in ipairs(nodes) do known[node.path] = true end
        groups = reply.replicas or {}
        for _, group in ipairs(groups) do known[group.path] = group end
    end

    function self.has(path)
        ask_again()
        return known[path] ~= nil
    end

    --- What is several of the same: { path, declared, count }; nil: `path` is no such thing.
    function self.group(path)
        ask_again()
        return type(known[path]) == "table" and known[path] or nil
    end

    --- All of these.
    function self.groups()
        ask_again()
        return groups
    end

    function self.nodes()
        ask_again()
        return nodes
    end

    function self.open(method, params)
        local reply = self.call(method, params)
        if reply.stream then self.streams[#self.streams + 1] = reply.stream end
    end

    function self.close_streams()
        for _, stream in ipairs(self.streams) do self.call("cancel", { stream = stream }) end
        self.streams = {}
    end

    local show = {
        log = function(note) return ("%s | %s"):format(note.path, terminal.printable(note.text or "")) end,
        event = function(note) return require "suptree.console.scope".event_line(note.event) end,
        gap = function(note) return ("(%d were missed: they came too fast)"):format(note.missed) end,
        ["end"] = function() return "(the tree has ended)" end,
    }

    --- Shows what streams have brought; false and why: the connection is over.
    function self.take_notes()
        while connection.notes[1] or connection.socket:has_line() or self.is_readable do
            local method, params = connection:notification(0)
            self.is_readable = false
            if not method then
                if params.code == "timeout" or params.code == "interrupted" then return true end
                return false, params.message
            end
            if show[method] then settings.write(show[method](params) .. "\n") end
        end
        return true
    end

    function self.fd() return connection.socket:fd() end

    return self
end

--- A connection, with what the host says of itself; nil and an error.
function session.connect(wanted)
    local connection, err = client.connect(wanted)
    if not connection then return nil, err end
    local hello
    hello, err = connection:call "hello"
    if not hello then return nil, err end
    return connection, hello
end

return session
