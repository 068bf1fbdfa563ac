--- Procfile: NAME: COMMAND lines, as foreman and its kin read them.
local words = require "suptree.import.words"

local FIRST_PORT, PORT_STEP = 5000, 100

--- The tree that `contents` declares, and faults { line, fault }. `settings.env_file`: there is a .env beside it.
return function(contents, settings)
    local tree, faults, seen = { services = {} }, {}, {}
    for _, line in ipairs(words.lines(contents)) do
        local name, command = line.text:match "^%s*([%w_-]+)%s*:%s*(.-)%s*$"
        if line.text:find "^%s*#" or not line.text:find "%S" then
            goto continue
        elseif not name or command == "" then
            faults[#faults + 1] = { line = line.number, fault = "is not NAME: COMMAND" }
        elseif seen[name] then
            faults[#faults + 1] = { line = line.number,
                fault = ("%s is there already, in line %d"):format(name, seen[name]) }
        else
            seen[name] = line.number
            local port = FIRST_PORT + PORT_STEP * #tree.services
            -- A Procfile's commands are the shell's.
            tree.services[#tree.services + 1] = {
                name = name, from = ("line %d"):format(line.number),
                options = {
                    command = command, env_file = settings.env_file,
                    env = not settings.has_port and { PORT = port } or nil,
                },
            }
        end
        ::continue::
    end
    if not tree.services[1] and not faults[1] then
        faults[1] = { line = 1, fault = "there is no NAME: COMMAND line in it" }
    end
    return tree, faults
end
