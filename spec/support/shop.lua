--- A tree named shop that is reloaded: its configuration, calls over its control socket, what its processes see.
local cjson = require "cjson"
local live = require "spec.support.live"
local proc = require "spec.support.proc"

local shop = {}

--- One call by the command line: the result as a table; or nil, the exit code and what was said.
function shop.rpc(method, params)
    local code, out, err = live.run { live.program, "rpc", method, params and cjson.encode(params) or nil }
    if code == 0 then return cjson.decode(out) end
    return nil, code, err
end

--- The command of a service that does nothing.
shop.sleep = 'command = "exec sleep 1000"'

--- A service that does nothing, for the text of a configuration.
function shop.sleeper(name, options)
    return ("s.process '%s' { %s, %s },\n"):format(name, shop.sleep, options or "")
end

--- The text of a configuration with these children.
function shop.config(children)
    return 'local s = require "suptree"\nreturn s.supervisor "shop" {\n' .. children .. "\n}\n"
end

--- A running tree with these children, once it is up.
function shop.run(children, options)
    local tree = live.tree(shop.config(children), options)
    tree:await { type = "ready", path = "." }
    return tree
end

--- Writes another configuration.
function shop.write(tree, children)
    live.write_file(tree.folder .. "/supervise.lua", shop.config(children))
end

--- Reload with other children; what the host says to it.
function shop.reload(tree, children, params)
    shop.write(tree, children)
    params = params or {}
    params.settle = params.settle or 0
    local result, code, err = shop.rpc("reload", params)
    assert(result, ("exit code %s: %s"):format(code, err))
    return result
end

--- A node as it is now.
function shop.status(path)
    return assert(shop.rpc("status", { paths = { path } })).services[1]
end

--- The pid of the service's process, as soon as there is one.
function shop.pid_of(tree, path)
    return live.wait("a process of " .. path, function() return tree:service(path) end)
end

--- A variable of the service's process; "unset": it has none of that name. While a process executes another program,
-- its environment is empty for a moment.
function shop.variable(tree, path, name)
    return live.wait("the environment of " .. path, function()
        local pid = tree:service(path)
        local env = pid and proc.environment(pid) or {}
        return env.SUPTREE_PATH and (env[name] or "unset")
    end)
end

return shop
