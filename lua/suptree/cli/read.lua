--- suptree read: internal. The child that reads a configuration; `run`, `check`, `simulate` and the host start it.
local compiler = require "suptree.compiler"

local USAGE = 2

return {
    name = "read",
    internal = true,
    --- Its arguments are made by suptree.compile, so that no parser of options is needed: the child starts quickly.
    main = function(...)
        local words = { ... }
        local settings, file, place = {}, nil, 1
        while words[place] do
            local word = words[place]
            if word == "--" then
                file = words[place + 1]
                break
            elseif word == "--result" then
                settings.result = math.tointeger(tonumber(words[place + 1]))
            elseif word == "--assume-ready" then
                settings.assume_ready = words[place + 1] == "yes"
            elseif word == "--name" then
                settings.name = words[place + 1]
            end
            place = place + 2
        end
        if not file or not settings.result then
            io.stderr:write "suptree: read is started by suptree itself; you want \"suptree check FILE\"\n"
            return USAGE
        end
        return compiler.main(file, settings.result, settings)
    end,
}
