--- suptree scale NAME=N…: another number of replicas than declared.
local change = require "suptree.cli.change"
local client = require "suptree.client"
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"
local socket = require "suptree.socket"
local system = require "suptree.system"
local terminal = require "suptree.render.terminal"

local GRACE_S = 5 -- for the host to say itself that the time is over
local STANDARD_ERROR = 2

-- The words NAME=N as a table; nil: a mistake has been told.
local function wishes_of(words)
    local wishes = {}
    for _, word in ipairs(words) do
        local name, count = word:match "^(.-)/*=(%d+)$"
        count = count and math.tointeger(tonumber(count))
        if not count or name == "" then
            common.complain('scale: "%s" does not say how many of what; write "suptree scale web=5"', word)
            return nil
        elseif wishes[name] then
            common.complain("scale: %s stands there twice", name)
            return nil
        end
        wishes[name] = count
    end
    return wishes
end

local function scaled_lines(reply)
    local lines = {}
    for place, one in ipairs(reply.scaled) do
        local path = terminal.printable(one.path)
        local words = one.from == one.to and ("%s: %d, as before"):format(path, one.to)
            or ("%s: %d -> %d"):format(path, one.from, one.to)
        if one.to ~= one.declared then
            words = ("%s; the configuration says %d, and the next reload goes by that"):format(words, one.declared)
        end
        lines[place] = words
    end
    return lines
end

-- A host died over it; the next one goes on with what was recorded. Asked again, the same comes of it, but for those
-- that are under way already: these are waited for.
local function ask_again(connection, params, options)
    local again = client.connect { socket = connection.path }
    if not again then return nil, client.failure("closed", "the host died meanwhile, and no other one answers") end
    local reply, err = again:call("scale", params, options)
    if not reply or not params.wait then return reply, err end
    local paths = {}
    for _, one in ipairs(reply.scaled) do if one.to > 0 then paths[#paths + 1] = one.path end end
    local waited = paths[1] and again:call("wait", { paths = paths, timeout = params.timeout }, options)
    for _, result in ipairs(waited and waited.results or {}) do
        local told = false
        for _, one in ipairs(reply.results) do told = told or one.path == result.path end
        if not told and result.status ~= "ok" then reply.results[#reply.results + 1] = result end
    end
    return reply
end

local function ask(connection, params, arguments)
    local progress = change.progress "scaling"
    local options = {
        timeout = params.timeout and params.timeout + (params.settle or 1) + GRACE_S,
        on_note = function(note, told) if note == "progress" then progress.show(told.path, told.state) end end,
    }
    socket.catch_interrupt()
    options.raw = arguments.json
    local reply, err = connection:call("scale", params, options)
    if not reply and err.code == "closed" then
        options.raw = nil
        reply, err = ask_again(connection, params, options)
        reply = reply and arguments.json and require "cjson".encode(reply) or reply
    end
    progress.clear()
    return reply, err
end

return {
    name = "scale",
    description = "Starts more replicas of a service, or stops the last ones: \"suptree scale web=5\". It must be "
        .. "declared with replicas. It holds until the next reload, which goes by the configuration; \"suptree plan\" "
        .. "shows that. New ones that fail are not taken back, but restarted as ever.",
    epilog = "Exit codes: 0 the new ones are ready, the others have ended; 1 not all got there; 4 no such service; 5 "
        .. "refused: not declared with replicas, max_children; 7 no host answers; 124 the timeout is over.",
    describe = function(parser)
        parser:argument("replicas", "What has replicas, and how many there are to be."):args "+":argname "SERVICE=N"
        parser:flag("--no-wait", "Do not wait for the result.")
        remote.add_timeout(parser)
        parser:option("--settle", "Once the new ones are ready, see for so long whether they stay up (default: 1s).")
            :argname "TIME":convert(remote.to_seconds)
        common.add_tree(parser)
        remote.add_json(parser)
    end,
    run = function(arguments)
        local wishes = wishes_of(arguments.replicas)
        if not wishes then return common.USAGE end
        local connection, code = remote.connect(arguments)
        if not connection then return code end
        local reply, err = ask(connection, {
            replicas = wishes, wait = not arguments.no_wait, timeout = arguments.timeout, settle = arguments.settle,
            progress = not arguments.no_wait and system.is_terminal(STANDARD_ERROR) or nil,
        }, arguments)
        if not reply then
            return remote.fail(err, "the change stands; \"suptree status\" shows how far it is")
        end
        if arguments.json then
            print(reply)
            return change.code_of(require "cjson".decode(reply).results)
        end
        code = change.tell(connection, reply.results, not arguments.no_wait)
        remote.print_lines(scaled_lines(reply))
        return code
    end,
}
