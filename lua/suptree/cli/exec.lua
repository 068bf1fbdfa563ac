--- suptree exec SERVICE [--] COMMAND…: a command where a service lives.
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"

local NOT_FOUND, NOT_RUN = 127, 126 -- as shells have it
local SHELL = "/bin/sh"

-- Everything behind the service is the command, options of its own included.
local function prepare(words)
    local place = 1
    while words[place] do
        local word = words[place]
        if word == "-n" or word == "--name" then
            place = place + 2
        elseif word == "--" or word:sub(1, 1) ~= "-" then
            break
        else
            place = place + 1
        end
    end
    if words[place + 1] and words[place] ~= "--" and words[place + 1] ~= "--" then
        words = table.move(words, 1, #words, 1, {})
        table.insert(words, place + 1, "--")
    end
    return words
end

local function settings_of(reply)
    return {
        cwd = reply.cwd, umask = reply.umask, uid = reply.uid, gid = reply.gid, groups = reply.groups,
        limits = reply.limits, nice = reply.nice, oom_score = reply.oom_score, no_new_privs = reply.no_new_privs,
    }
end

local function tell(path, command, step, why)
    if step == "exec" then
        common.complain("%s cannot be run as %s would: %s", command, path, why)
        return why:find "No such file" and NOT_FOUND or NOT_RUN
    end
    common.complain("the %s of %s cannot be taken: %s; %s", step == "cwd" and "folder" or step, path, why,
        "do it as the user who started the tree, or as root")
    return NOT_RUN
end

return {
    name = "exec",
    description = "Runs a command as the service is run: with its environment, folder, user and limits. Without a "
        .. "command: a shell.",
    epilog = "Exit codes: that of the command; 126 or 127 it cannot be run; 4 no such service; 5 refused; 7 no host "
        .. "answers.",
    prepare = prepare,
    describe = function(parser)
        parser:argument("service", "A path such as workers/mailer."):argname "SERVICE"
        parser:argument("command", "The command and its words, best behind --."):args "*":argname "COMMAND"
        common.add_tree(parser)
        remote.add_json(parser)
    end,
    run = function(arguments)
        local connection, code = remote.connect(arguments)
        if not connection then return code end
        local path = remote.paths({ arguments.service })[1]
        if arguments.json then return remote.print_json(connection, "environment", { path = path }) end
        local reply, err = connection:call("environment", { path = path })
        if not reply then return remote.fail(err) end
        connection:close()
        io.stdout:flush()
        local command = arguments.command[1] and arguments.command or { SHELL }
        local _, step, why = require "suptree.enter".exec(command, reply.env or {}, settings_of(reply))
        return tell(path, command[1], step, why)
    end,
}
