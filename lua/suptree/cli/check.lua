--- suptree check [FILE]: is a configuration good?
local common = require "suptree.cli.common"
local compile = require "suptree.compile"
local json = require "suptree.json"
local text = require "suptree.text"

local function plain_faults(faults)
    local list = json.array {}
    for place, fault in ipairs(faults) do
        list[place] = {
            place = fault.place, path = fault.path .. fault.field, reason = fault.reason, hint = fault.hint,
            text = tostring(fault),
        }
    end
    return list
end

local function report(file, result, faults)
    local summary = result and result.summary or {}
    return {
        file = file, good = result ~= nil, name = summary.name, errors = plain_faults(faults or {}),
        notes = json.array(result and result.notes or {}), supervisors = summary.supervisors,
        services = result and summary.processes + summary.threads,
        processes = summary.processes, threads = summary.threads,
    }
end

local function check_as_json(file)
    local result, faults = compile.run(file, {})
    print(json.encode(report(file, result, faults)))
    return result and common.DONE or common.BAD_CONFIG
end

local function tell_good(result, paint)
    local summary = result.summary
    for _, note in ipairs(result.notes) do io.stderr:write("note: ", common.printable(note), "\n") end
    print(("%s: %s, %s: %s"):format(summary.name, text.count(summary.processes + summary.threads, "service"),
        text.count(summary.supervisors, "supervisor"), paint("green", "good")))
end

return {
    name = "check",
    description = "Reads a configuration as run would, and says all that is wrong with it. Starts nothing. "
        .. "Exits with 0 when it is good, with 78 when it is not.",
    describe = function(parser)
        common.add_file(parser)
        parser:flag("--json", "Print the findings as one JSON object.")
        common.add_colour(parser)
    end,
    run = function(arguments)
        if arguments.json then return check_as_json((common.find_file(arguments.file))) end
        local result, code = common.compile(arguments.file, { colour = arguments.colour, consequence = "not good" })
        if not result then return code end
        tell_good(result, common.painter(common.is_coloured(arguments.colour, 1)))
        return common.DONE
    end,
}
