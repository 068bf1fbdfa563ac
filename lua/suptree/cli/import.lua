--- suptree import FILE…: a supervise.lua from the files of other supervisors.
local common = require "suptree.cli.common"
local import = require "suptree.import"
local system = require "suptree.system"

local function tell_faults(file, faults)
    for _, fault in ipairs(faults) do common.complain("%s:%d: %s", file, fault.line, fault.fault) end
    common.complain("%s: nothing was written; correct it and run import again", file)
end

-- All files as one tree; nil when the faults have been told.
local function read_all(files, format)
    local trees = {}
    for _, file in ipairs(files) do
        local contents, why = system.read_file(file)
        if not contents then
            common.complain("%s cannot be read: %s; check the path and its permissions", file, why)
            return nil
        end
        local tree, faults = import.read(file, contents, format)
        if not tree then
            tell_faults(file, faults)
            return nil
        end
        trees[#trees + 1] = tree
    end
    return import.join(trees)
end

local function write_file(path, text)
    if system.read_file(path) then
        common.complain("%s is there already; move it away, or name another file with --output", path)
        return common.USAGE
    end
    local file, why = io.open(path, "w")
    local written = file and file:write(text) and file:close()
    if not written then
        common.complain("%s cannot be written: %s", path, why or "is the disk full?")
        return common.SYSTEM
    end
    print(("%s was written; read its comments, then: suptree check %s"):format(path, path))
    return common.DONE
end

return {
    name = "import",
    description = "Prints a supervise.lua that says what FILE says: a Procfile, a supervisord.conf, a systemd unit (or "
        .. "several), a compose.yaml or a process-compose.yaml. What cannot be taken over stands in comments.",
    epilog = "Exit codes: 0 done; 2 a mistake on the command line; 78 FILE cannot be used.",
    describe = function(parser)
        parser:argument("file", "What another supervisor is told."):args "+":argname "FILE"
        parser:option("--format", "What kind of file it is, when its name does not tell."):choices(import.formats)
            :argname "FORMAT"
        parser:option("-o --output", "Write to this file, which must not be there yet."):argname "OUTPUT"
    end,
    run = function(arguments)
        local tree = read_all(arguments.file, arguments.format)
        if not tree then return common.BAD_CONFIG end
        local text = import.write(tree)
        if arguments.output then return write_file(arguments.output, text) end
        io.stdout:write(text)
        return common.DONE
    end,
}
