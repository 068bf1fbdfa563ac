--- YAML files, by lyaml; and the order of the keys in them, which it does not tell.
local yaml = {}

--- What `contents` holds as a table; nil and a fault { line, fault }.
function yaml.load(contents)
    local found, lyaml = pcall(require, "lyaml")
    if not found then
        return nil, { line = 1, fault = "the Lua module lyaml reads such files; on Debian: apt-get install lua-yaml" }
    end
    local good, result = pcall(lyaml.load, contents)
    if not good then
        local line, why = tostring(result):match "^.-(%d+):%d*:?%s*(.*)$"
        return nil, { line = tonumber(line) or 1, fault = "is not YAML: " .. (why or tostring(result)) }
    end
    if type(result) ~= "table" then return nil, { line = 1, fault = "holds no table" } end
    return result
end

local function position(contents, key)
    local plain = key:gsub("%p", "%%%0")
    return ("\n" .. contents):find("\n%s+[\"']?" .. plain .. "[\"']?%s*:") or math.huge
end

--- The keys of `map` in the order in which they stand in `contents`.
function yaml.keys(map, contents)
    local keys, places = {}, {}
    for key in pairs(map) do
        if type(key) == "string" then keys[#keys + 1], places[key] = key, position(contents, key) end
    end
    table.sort(keys, function(a, b)
        if places[a] ~= places[b] then return places[a] < places[b] end
        return a < b
    end)
    return keys
end

--- A list or a map of environment variables, "KEY=VALUE" or { KEY = VALUE }, as a map; nil for none.
function yaml.environment(value)
    if type(value) ~= "table" then return nil end
    local map = {}
    for key, item in pairs(value) do
        if type(key) == "number" then
            local name, text = tostring(item):match "^([^=]+)=(.*)$"
            map[name or tostring(item)] = text or os.getenv(tostring(item)) or ""
        else
            map[key] = type(item) == "table" and "" or tostring(item)
        end
    end
    return next(map) and map or nil
end

--- A text of time such as "1m30s" or a number of seconds; nil: neither.
function yaml.duration(value)
    if type(value) == "number" then return value end
    return type(value) == "string" and value:find "^[%d.]+%a" and value or nil
end

return yaml
