--- suptree compile [FILE] -o OUTPUT: the configuration in the form that the host works with.
local common = require "suptree.cli.common"
local system = require "suptree.system"

-- Whole or not at all: what stood there before stays when it cannot be written.
local function write(path, blob)
    local new = path .. ".new"
    local file, why = io.open(new, "wb")
    if not file then return nil, why end
    local good, failure = file:write(blob)
    local closed, last = file:close()
    if good and closed then good, failure = os.rename(new, path) else good = nil end
    if not good then os.remove(new) end
    return good, failure or last
end

return {
    name = "compile",
    description = "Reads a configuration as run would, and writes what the host would be given: every option with its "
        .. "value, env_file and modules read, functions as bytes. Equal configurations give equal files, so that two "
        .. "can be compared. Starts nothing. Exits with 0, or with 78 when it is not good.",
    describe = function(parser)
        common.add_file(parser)
        parser:option("-o --output", "The file to write; - is standard output."):argname "OUTPUT"
        common.add_colour(parser)
    end,
    run = function(arguments)
        if not arguments.output then
            common.complain "compile: say where to, as in \"suptree compile -o shop.blob\"; -o - is standard output"
            return common.USAGE
        end
        if arguments.output == "-" and system.is_terminal(1) then
            common.complain "compile: what it writes is not for a terminal; name a file with -o"
            return common.USAGE
        end
        local result, code = common.compile(arguments.file, { colour = arguments.colour, consequence = "not written" })
        if not result then return code end
        if arguments.output == "-" then
            io.stdout:write(result.blob)
            return common.DONE
        end
        local good, why = write(arguments.output, result.blob)
        if good then return common.DONE end
        common.complain("compile: %s; name a file that can be written", why)
        return common.FAILED
    end,
}
