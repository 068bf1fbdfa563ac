--- The arguments of a call, checked against the parameters that a method declares.
local text = require "suptree.text"

local arguments = {}

local MAX_TEXTS, MAX_TEXT = 1024, 1024

local function check_text(value, param)
    local max = param.type == "text" and param.max or MAX_TEXT
    if type(value) ~= "string" then return nil, "a text" end
    if #value > max then return nil, ("a text of at most %d bytes"):format(max) end
    if value:find "%z" then return nil, "a text without a zero byte" end
    return value
end

local function check_number(value, param)
    local min, max = param.min or -math.huge, param.max or math.huge
    if type(value) == "number" and value >= min and value <= max then return value end
    return nil, ("a number from %.14g to %.14g"):format(min, max)
end

local checks = {
    boolean = function(value)
        if type(value) == "boolean" then return value end
        return nil, "true or false"
    end,
    choice = function(value, param)
        for _, choice in ipairs(param.choices) do if value == choice then return value end end
        local meant = text.did_you_mean(value, param.choices)
        return nil, "one of " .. table.concat(param.choices, ", ") .. meant
    end,
    integer = function(value, param)
        local number = check_number(value, param)
        local integer = number and math.tointeger(number)
        if integer then return integer end
        return nil, ("a whole number from %.14g to %.14g"):format(param.min, param.max)
    end,
    counts = function(value, param)
        local wanted = ("an object of paths and whole numbers from %.14g to %.14g"):format(param.min, param.max)
        if type(value) ~= "table" or next(value) == nil then return nil, wanted end
        local result, size = {}, 0
        for key, number in pairs(value) do
            if type(key) ~= "string" or not check_text(key, param) then return nil, wanted end
            result[key], size = math.tointeger(check_number(number, param)), size + 1
            if not result[key] or size > (param.most or MAX_TEXTS) then return nil, wanted end
        end
        return result
    end,
    number = check_number,
    text = check_text,
    texts = function(value, param)
        local wanted = ("a list of at most %d texts"):format(MAX_TEXTS)
        if type(value) ~= "table" then return nil, wanted end
        for key in pairs(value) do
            if math.type(key) ~= "integer" then return nil, wanted end
        end
        if #value > MAX_TEXTS then return nil, wanted end
        if #value == 0 then return nil, "at least one text" end
        for place = 1, #value do
            local good, what = check_text(value[place], param)
            if not good then return nil, "in place " .. place .. " " .. what end
        end
        return value
    end,
}

local function names_of(params)
    local names = {}
    for place, param in ipairs(params) do names[place] = param.name end
    return names
end

local function check_names(given, params)
    local names = names_of(params)
    local known = {}
    for _, name in ipairs(names) do known[name] = true end
    for key in pairs(given) do
        if not known[key] then
            local shown = tostring(key):sub(1, 64)
            if #names == 0 then return nil, shown .. ": there are no parameters" end
            local meant = text.did_you_mean(shown, names)
            if meant == "" then meant = "; there are " .. table.concat(names, ", ") end
            return nil, ("%s: there is no such parameter%s"):format(shown, meant)
        end
    end
    return true
end

--- The arguments for the parameters `params`, with defaults, from what a message has as its params; or nil and what is
-- wrong. `null` is what stands for JSON's null there, and is taken as absent.
function arguments.check(given, params, null)
    if given == nil or given == null then given = {} end
    if type(given) ~= "table" then return nil, "params: an object is expected" end
    if #given > 0 then return nil, "params: an object with names is expected, not a list" end
    local good, why = check_names(given, params)
    if not good then return nil, why end
    local result = {}
    for _, param in ipairs(params) do
        local value = given[param.name]
        if value == null then value = nil end
        if value ~= nil then
            local checked, wanted = checks[param.type](value, param)
            if checked == nil then return nil, ("%s: expected %s"):format(param.name, wanted) end
            result[param.name] = checked
        elseif param.required then
            return nil, ("%s: it is needed: %s"):format(param.name, param.doc)
        else
            result[param.name] = param.default
        end
    end
    return result
end

--- Is there a check for this type?
function arguments.knows(type_name) return checks[type_name] ~= nil end

return arguments
