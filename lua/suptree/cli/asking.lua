--- What is-active and is-ready share: a word for each node, and an exit code for scripts.
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"

local asking = {}

local function describe(parser)
    remote.add_names(parser, "*", "Services or supervisors; without one, the root.")
    parser:flag("-q --quiet", "Print nothing.")
    common.add_tree(parser)
    remote.add_json(parser)
end

local function run(arguments, judge)
    local connection, code = remote.connect(arguments)
    if not connection then return code end
    local paths = arguments.services[1] and remote.paths(arguments.services) or { "." }
    local raw, err = connection:call("status", { paths = paths }, { raw = true })
    if not raw then return remote.fail(err) end
    if arguments.json then print(raw) end
    local services = require "cjson".decode(raw).services
    local all = services[1] and common.DONE or remote.NOT_RUNNING -- what has no replicas now is not running
    for _, node in ipairs(services) do
        local good, word = judge(node)
        if not good then all = remote.NOT_RUNNING end
        if not arguments.quiet and not arguments.json then print(word) end
    end
    return all
end

--- The verb `name`: are all `word`? `judge(node)`: is this one, and the word to print for it.
function asking.verb(name, word, judge)
    return {
        name = name,
        description = ("Are all the named services %s? Prints a word for each."):format(word),
        epilog = ("Exit codes: 0 all are %s; 3 one is not; 4 no such service; 7 no host answers."):format(word),
        describe = describe,
        run = function(arguments) return run(arguments, judge) end,
    }
end

return asking
