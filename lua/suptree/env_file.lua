--- Files of environment variables: KEY=VALUE lines. `#` begins a comment line, `export ` may stand before a key,
-- quotes around a value are removed, nothing is expanded.
local env_file = {}

-- The value without its quotes; nil and what is wrong.
local function unquote(value)
    local quote = value:match "^[\"']"
    if not quote then return value end
    local inside, rest = value:match("^" .. quote .. "([^" .. quote .. "]*)" .. quote .. "(.*)$")
    if not inside then return nil, "its quote is not closed" end
    if rest ~= "" then return nil, "something follows the closing quote" end
    return inside
end

-- key and value of a line, nothing for an empty one; nil and what is wrong.
local function parse_line(line)
    line = line:match "^%s*(.-)%s*$"
    if line == "" or line:find "^#" then return end
    local key, value = line:gsub("^export%s+", ""):match "^([^=]-)%s*=%s*(.*)$"
    if not key then return nil, "is not KEY=VALUE" end
    if not key:find "^[%a_][%w_.-]*$" then return nil, "its key is not made of letters, digits and _" end
    if value:find "\0" then return nil, "has a zero byte" end
    local plain, fault = unquote(value)
    if not plain then return nil, fault end
    return key, plain
end

--- The variables in `contents`, later lines over earlier ones; and an array of { line, fault }.
function env_file.parse(contents)
    local variables, faults, number = {}, {}, 0
    contents = contents:gsub("^\xEF\xBB\xBF", "")
    for line in (contents .. "\n"):gmatch "([^\n]*)\n" do
        number = number + 1
        local key, value = parse_line(line)
        if key then
            variables[key] = value
        elseif value then
            faults[#faults + 1] = { line = number, fault = value }
        end
    end
    return variables, faults
end

return env_file
