--- suptree rpc METHOD [JSON]: one call of the control protocol, as it is.
local common = require "suptree.cli.common"
local remote = require "suptree.cli.remote"

-- Print what comes after the reply, until the other end closes or the streams have ended.
local function follow(connection)
    while true do
        local method, err, text = connection:notification()
        if not method then
            if err.code == "closed" then return common.DONE end
            return remote.fail(err)
        end
        print(text)
        io.stdout:flush()
    end
end

return {
    name = "rpc",
    description = "Calls a method of the control protocol of a running tree and prints its result, a line of JSON. "
        .. "\"suptree rpc methods\" lists the methods.",
    epilog = "Examples:\n"
        .. "   suptree rpc status '{\"paths\":[\"workers/*\"]}'\n"
        .. "   suptree rpc restart '{\"paths\":[\"web\"]}'\n\n"
        .. "Exit codes: 0 there is a result; 1 an error; 2 a mistake in the words; 4 no such node; 5 refused; 7 nobody "
        .. "answers; 124 no answer in time.",
    describe = function(parser)
        parser:argument("method", "The method."):argname "METHOD"
        parser:argument("params", "Its parameters, a JSON object."):args "?":argname "JSON"
        common.add_tree(parser)
        parser:flag("-f --follow", "Print what the host says afterwards too, until it ends.")
    end,
    run = function(arguments)
        local params = arguments.params or "{}"
        local good, why = pcall(require "cjson".decode, params)
        if not good then
            common.complain("rpc: the parameters are not JSON: %s", why)
            return common.USAGE
        end
        local connection, code = remote.connect(arguments)
        if not connection then return code end
        local result, err = connection:call(arguments.method, (params:gsub("\n", " ")), { raw = true })
        if not result then return remote.fail(err) end
        print(result)
        io.stdout:flush()
        return arguments.follow and follow(connection) or common.DONE
    end,
}
