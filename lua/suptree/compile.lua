--- Compiling a configuration from outside: a child reads it, for five seconds at most, and its result is taken from a
-- memory file. Nothing that the configuration does can harm the caller.
local chunk = require "suptree.chunk"
local declaration = require "suptree.declaration"
local options = require "suptree.options"
local system = require "suptree.system"

local compile = {}

local LIMIT_SECONDS = 5
local RESULT_FD = 3

local function refuse(file, reason, hint)
    return nil, declaration.faults { declaration.fault(file, "", "", reason, hint) }
end

local function arguments(file, settings)
    local argv = { settings.program or assert(system.executable()), "read", "--result", tostring(RESULT_FD) }
    if settings.name then
        argv[#argv + 1] = "--name"
        argv[#argv + 1] = settings.name
    end
    if settings.assume_ready then
        argv[#argv + 1] = "--assume-ready"
        argv[#argv + 1] = "yes"
    end
    argv[#argv + 1] = "--"
    argv[#argv + 1] = file
    return argv
end

-- Why there is no result.
local function refuse_outcome(file, outcome, code)
    if outcome == "error" then
        return refuse(file, "cannot be compiled: the compiler could not be started: " .. code, "Try again.")
    end
    if outcome == "timeout" then
        return refuse(file, ("was still running after %d seconds and was stopped"):format(LIMIT_SECONDS),
            "It loops for ever or waits for something; a configuration only declares, s.process runs.")
    end
    if outcome == "signal" then
        return refuse(file, ("crashed the process that reads it: killed by SIG%s"):format(options.signal_name(code)),
            "A C module that it loads is broken, it took too much memory, or it killed itself.")
    end
    return refuse(file, ("ended the process that reads it, with status %d, before it returned"):format(code),
        'Take os.exit out of it; error "why" refuses the configuration.')
end

local function take_result(file, bytes)
    local result, why = chunk.unpack(bytes)
    if type(result) ~= "table" then
        return refuse(file, "left a result that cannot be read: " .. tostring(why), "Does it write to descriptor 3?")
    end
    if result.blob then return result end
    for place, fault in ipairs(result.faults) do
        local trace = fault.trace
        result.faults[place] = declaration.fault(fault.place, fault.path, fault.field, fault.reason, fault.hint)
        result.faults[place].trace = trace
    end
    return nil, declaration.faults(result.faults), result.files
end

--- How long a child may take, in seconds, and the words that it is started with; its result goes to descriptor 3.
compile.limit, compile.words = LIMIT_SECONDS, arguments

--- What came of a child that was to compile `file`: `outcome` "exit", "signal", "timeout" or "error" (it could not be
-- started), with `code`, and the bytes that it left as its result. Returns as compile.run does, and with faults the
-- files that were read, when that is known.
function compile.judge(file, outcome, code, bytes)
    if outcome ~= "exit" or code ~= 0 or bytes == "" then return refuse_outcome(file, outcome, code) end
    return take_result(file, bytes)
end

--- Compiles `file`: { blob, notes, files, summary = { name, supervisors, processes, threads } }, or nil and all faults.
-- `settings.name`: the root's name instead of the declared one. What the file prints goes to standard error.
function compile.run(file, settings)
    local memory <close> = assert(system.memfd "suptree-compile")
    local limit_ns = LIMIT_SECONDS * 1000000000
    local outcome, code, dropped = system.run(arguments(file, settings), memory, limit_ns)
    if not outcome then return compile.judge(file, "error", code, "") end
    if dropped > 0 then
        io.stderr:write(("%s: %d more bytes that it printed are not shown\n"):format(file, dropped))
    end
    local bytes, why = memory:read()
    if not bytes then return refuse(file, "cannot be compiled: its result cannot be read: " .. why, "Try again.") end
    return compile.judge(file, outcome, code, bytes)
end

return compile
