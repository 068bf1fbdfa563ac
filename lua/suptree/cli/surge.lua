--- suptree restart --rolling --surge: one replica more than there are, for as long as they are restarted. So there are
-- never fewer that serve than before; and when the additional one does not get ready, none of them is touched.
local change = require "suptree.cli.change"
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"

local surge = {}

-- The replicas of what is named: { path = { the paths of its replicas } }; nil and the error.
local function find_groups(connection, paths)
    local reply, err = connection:call("status", { paths = paths })
    if not reply then return nil, err end
    local groups = {}
    for _, path in ipairs(paths) do groups[path] = {} end
    for _, node in ipairs(reply.services) do
        local group = groups[node.replica_of or ""]
        if group and not node.leaving then group[#group + 1] = node.path end
    end
    return groups
end

-- `more`: how many more than there were before. Returns the results; nil and the error.
local function scale(connection, groups, more, arguments)
    local wishes = {}
    for path, replicas in pairs(groups) do wishes[path] = #replicas + more end
    local reply, err = connection:call("scale", {
        replicas = wishes, wait = true, timeout = arguments.timeout, settle = arguments.settle,
    })
    return reply and reply.results, err
end

local function shown(groups)
    local words = {}
    for path, replicas in pairs(groups) do words[#words + 1] = ("%s=%d"):format(path, #replicas) end
    table.sort(words)
    return "suptree scale " .. table.concat(words, " ")
end

-- Back to as many as there were; returns `code`, or another one when that does not succeed.
local function scale_back(groups, arguments, code)
    local connection, failure = remote.connect(arguments)
    if not connection then return failure end
    local results, err = scale(connection, groups, 0, arguments)
    if not results then return remote.fail(err, ('take them away by "%s"'):format(shown(groups))) end
    return code == common.DONE and change.code_of(results) or code
end

-- One more of each, ready. nil and the exit code when there is not: then all is as it was.
local function begin(connection, groups, arguments)
    local results, err = scale(connection, groups, 1, arguments)
    if not results then return nil, remote.fail(err) end
    local code = change.code_of(results)
    if code == common.DONE then return true end
    change.tell(connection, results, true)
    common.complain "the additional ones did not get ready and are taken away again; no other one was touched"
    return nil, scale_back(groups, arguments, code)
end

--- Restarts the replicas of what `arguments.services` name.
function surge.run(arguments)
    local connection, failure = remote.connect(arguments)
    if not connection then return failure end
    local groups, err = find_groups(connection, remote.paths(arguments.services))
    if not groups then return remote.fail(err) end
    local begun, code = begin(connection, groups, arguments)
    if not begun then return code end
    local paths = {}
    for _, name in ipairs(remote.paths(arguments.services)) do
        table.move(groups[name], 1, #groups[name], #paths + 1, paths)
    end
    arguments.services = paths
    code = paths[1] and require "suptree.cli.rolling".run(arguments) or common.DONE
    if code == common.DONE or code == remote.INTERRUPTED then return scale_back(groups, arguments, code) end
    common.complain('the additional ones stay in their place; when all are well again: "%s"', shown(groups))
    return code
end

return surge
