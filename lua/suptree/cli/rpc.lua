--- suptree rpc METHOD [JSON]: one call of the control protocol, as it is.
local client = require "suptree.client"
local common = require "suptree.cli.common"

local CODES = {
    ambiguous = common.USAGE, no_host = common.NO_HOST, not_found = common.UNKNOWN, refused = common.REFUSED,
    timeout = common.TIMED_OUT,
}

local function tell(err)
    local usage = err.number and err.number ~= -32000 and err.number ~= -32603
    common.complain("%s", err.message)
    return CODES[err.code] or usage and common.USAGE or common.FAILED
end

-- Print what comes after the reply, until the other end closes or the streams have ended.
local function follow(connection)
    while true do
        local text, err = connection:next_text()
        if not text then
            if err.code == "no_host" then return common.DONE end
            return tell(err)
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
        local connection, err = client.connect { name = arguments.tree, socket = arguments.socket }
        if not connection then return tell(err) end
        local result
        result, err = connection:call_text(arguments.method, (params:gsub("\n", " ")))
        if not result then return tell(err) end
        print(result)
        io.stdout:flush()
        return arguments.follow and follow(connection) or common.DONE
    end,
}
