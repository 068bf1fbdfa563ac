--- Lua values as JSON, for `--json`: object keys sorted, so that the same value gives the same text.
local json = {}

local Array = {}

--- Marks a list, so that an empty one is written as [].
function json.array(list)
    return setmetatable(list, Array)
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(value)
    if not utf8.len(value) then -- bytes that are no text are shown as U+FFFD, one each
        value = value:gsub("[\x80-\xff]", "\u{FFFD}")
    end
    return '"' .. value:gsub('[%c"\\\127]', function(c)
        return ESCAPES[c] or ("\\u%04x"):format(c:byte())
    end) .. '"'
end

local encode

local function encode_list(list)
    local parts = {}
    for place, value in ipairs(list) do parts[place] = encode(value) end
    return "[" .. table.concat(parts, ",") .. "]"
end

local function encode_object(map)
    local keys, parts = {}, {}
    for key in pairs(map) do keys[#keys + 1] = key end
    table.sort(keys)
    for place, key in ipairs(keys) do parts[place] = quote(key) .. ":" .. encode(map[key]) end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function encode_number(value)
    if value ~= value or value == math.huge or value == -math.huge then return "null" end
    return math.type(value) == "integer" and ("%d"):format(value) or (("%.15g"):format(value))
end

function encode(value)
    local kind = type(value)
    if kind == "nil" then return "null" end
    if kind == "boolean" then return tostring(value) end
    if kind == "number" then return encode_number(value) end
    if kind == "string" then return quote(value) end
    if getmetatable(value) == Array then return encode_list(value) end
    return encode_object(value)
end

--- The text of nil, booleans, numbers, texts, marked lists, and tables with texts as keys.
function json.encode(value)
    return encode(value)
end

return json
