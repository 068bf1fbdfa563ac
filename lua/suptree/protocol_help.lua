--- What `suptree help protocol` prints, of which docs/protocol.md is made: the methods and bounds of the control
-- protocol, from the tables that the server itself uses.
local limits = require "suptree.control.limits"
local methods = require "suptree.control.methods"

local MARGIN = 4
local PARAM_MARGIN = 20

local TYPES = {
    boolean = "true or false", counts = "an object of paths and whole numbers",
    integer = "a whole number", number = "a number", text = "a text",
    texts = "a list of texts",
}

local function type_of(param)
    if param.type ~= "choice" then return TYPES[param.type] end
    local words = {}
    for place, choice in ipairs(param.choices) do words[place] = ('"%s"'):format(choice) end
    return table.concat(words, ", ")
end

local function default_of(param)
    if param.required then return "needed; " end
    if param.default == nil then return "" end
    local shown = type(param.default) == "string" and ('"%s"'):format(param.default) or tostring(param.default)
    return ("default %s; "):format(shown)
end

local function add_method(lines, row, wrap)
    lines[#lines + 1] = ("\n%s%s"):format(row.name, row.role == "write" and "   (changes something)" or "")
    lines[#lines + 1] = (" "):rep(MARGIN) .. wrap(row.doc, MARGIN)
    for _, param in ipairs(row.params) do
        lines[#lines + 1] = ("      %-12s  %s"):format(param.name,
            wrap(("%s%s: %s"):format(default_of(param), type_of(param), param.doc), PARAM_MARGIN))
    end
    lines[#lines + 1] = "    -> " .. wrap(row.result, MARGIN + 3)
    if row.notes then lines[#lines + 1] = "    meanwhile " .. wrap(row.notes, MARGIN + 10) end
end

--- The whole text. `wrap(words, margin)` breaks lines.
return function(wrap)
    local lines = {
        "The methods of the control protocol: JSON-RPC 2.0, a message a line, on a tree's control",
        'socket. "suptree rpc METHOD JSON" calls one.',
    }
    for _, row in ipairs(methods) do add_method(lines, row, wrap) end
    lines[#lines + 1] = "\nbounds"
    for _, bound in ipairs {
        { limits.message, "bytes of a request" }, { limits.calls, "calls of a connection under way at a time" },
        { limits.streams, "streams of a connection" }, { limits.per_user, "connections of a user" },
        { limits.connections, "connections in all" }, { limits.first, "seconds until the first whole request" },
        { limits.idle, "seconds between requests, when nothing is under way and there is no stream" },
    } do
        lines[#lines + 1] = ("    %-9d %s"):format(bound[1], bound[2])
    end
    return table.concat(lines, "\n") .. "\n"
end
