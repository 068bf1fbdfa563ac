--- suptree simulate --replay JOURNAL: reads a journal, tells what it says.
local common = require "suptree.cli.common"
local json = require "suptree.json"
local replay = require "suptree.replay"
local system = require "suptree.system"
local text = require "suptree.text"
local timeline = require "suptree.timeline"

local HOW_TO_COPY = "name a copy of the journal of a running tree; \"suptree help simulate\" says how to make one"

-- The file limit of the system's reader is for configurations; the journal of a large tree may be above it.
local function read(file)
    local bytes, why = system.read_file(file)
    if bytes or why ~= "File too large" then return bytes, why end
    local handle = io.open(file, "rb")
    if not handle then return nil, why end
    bytes = handle:read "a"
    handle:close()
    return bytes, why
end

local function state_words(node)
    local words = node.reason
    if node.kind ~= "supervisor" and node.generation > 0 then
        words = ("%s; generation %d"):format(words, node.generation)
    end
    return words
end

local function print_result(result, paint)
    print(("%s after the snapshot, in %s; 0s is the first\n"):format(text.count(result.inputs, "input"),
        timeline.duration(result.seconds)))
    common.print_lines(timeline.lines(result.events, result.name), paint)
    print(("%safter %s:"):format(result.events[1] and "\n" or "", timeline.duration(result.seconds)))
    local lines = {}
    for place, node in ipairs(result.nodes) do
        lines[place] = { time = "", path = node.path == "." and result.name or node.path, words = state_words(node) }
    end
    common.print_lines(lines, paint)
    if result.ended then print(("  the tree ended with exit code %d"):format(result.ended)) end
end

local function as_json(result)
    local nodes = json.array {}
    for place, node in ipairs(result.nodes) do
        node.token = nil
        local chain = json.array {}
        for _, link in ipairs(node.because) do chain[#chain + 1] = link.path .. " " .. link.text end
        node.because = chain
        nodes[place] = node
    end
    return json.encode {
        name = result.name, inputs = result.inputs, seconds = result.seconds, exit_code = result.ended,
        timeline = json.array(result.events), tree = nodes,
    }
end

--- Tells of the journal in `file`; returns the exit code. `arguments`: json, colour.
return function(file, arguments)
    local bytes, why = read(file)
    if not bytes then
        common.complain("%s cannot be read: %s; %s", file, why, HOW_TO_COPY)
        return common.BAD_CONFIG
    end
    local result
    result, why = replay.run(bytes)
    if not result then
        common.complain("%s %s; nothing was replayed: %s", file, why, HOW_TO_COPY)
        return common.BAD_CONFIG
    end
    if arguments.json then
        print(as_json(result))
    else
        print_result(result, common.painter(common.is_coloured(arguments.colour, 1)))
    end
    return common.DONE
end
