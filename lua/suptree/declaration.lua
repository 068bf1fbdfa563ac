--- Declarations: plain values that say what a tree should be, and what can be wrong with them.
local text = require "suptree.text"

local declaration = {}

-- --- values --------------------------------------------------------------------------------------------------------

--- A declared node: { kind, name, options, children, strange, place }. `strange` holds the keys that can be no option.
local Declaration = { __name = "suptree declaration" }

function Declaration:__tostring()
    return ("%s %s"):format(self.kind, text.describe(self.name))
end

-- `s.process "name"` before its `{ … }`.
local Unfinished = { __name = "suptree declaration without its { … }" }

--- Is `value` a declaration whose `{ … }` is missing?
function declaration.is_unfinished(value)
    return getmetatable(value) == Unfinished
end

--- Is `value` a declaration?
function declaration.is(value)
    return getmetatable(value) == Declaration
end

local function sort_key(node, places, key, value)
    if math.type(key) == "integer" then
        places[#places + 1] = key
    elseif type(key) == "string" then
        node.options[key] = value
    else
        node.strange[#node.strange + 1] = text.describe(key)
    end
end

function Unfinished:__call(given, ...)
    if type(given) ~= "table" or select("#", ...) > 0 then
        error(('write s.%s "name" { … }; the braces hold the options'):format(self.kind), 2)
    end
    local node = { kind = self.kind, name = self.name, place = self.place, options = {}, children = {}, strange = {} }
    local places = {}
    for key, value in pairs(given) do sort_key(node, places, key, value) end
    table.sort(places)
    for place, key in ipairs(places) do node.children[place] = given[key] end
    return setmetatable(node, Declaration)
end

-- "file:line" of the code that called the caller of this.
local function calling_place()
    local info = debug.getinfo(3, "Sl")
    if not info or info.currentline < 1 then return "?" end
    local file = info.source:match "^@(.*)" or info.short_src
    return ("%s:%d"):format(file:gsub("%c", "?"), info.currentline)
end

--- The constructor of a kind: `kind "name" { … }` is a declaration.
function declaration.kind(kind)
    return function(name, ...)
        if select("#", ...) > 0 then error(('write s.%s "name" { … }; the braces follow the name'):format(kind), 2) end
        return setmetatable({ kind = kind, name = name, place = calling_place() }, Unfinished)
    end
end

-- --- faults --------------------------------------------------------------------------------------------------------

local Fault = { __name = "suptree fault" }

function Fault:__tostring()
    local path = self.path .. self.field
    return ("%s%s%s%s"):format(
        self.place ~= "" and self.place .. ": " or "", path ~= "" and path .. ": " or "", self.reason,
        self.hint and (" (%s)"):format(self.hint) or "")
end

local Faults = { __name = "suptree faults" }

function Faults:__tostring()
    local lines = {}
    for place, fault in ipairs(self) do lines[place] = tostring(fault) end
    return table.concat(lines, "\n")
end

--- A fault for a person: { place, path, field, reason, hint }; tostring gives the line.
function declaration.fault(place, path, field, reason, hint)
    return setmetatable({ place = place, path = path, field = field, reason = reason, hint = hint }, Fault)
end

--- An array of faults as one value; tostring gives a line for each.
function declaration.faults(list)
    return setmetatable(list, Faults)
end

--- The config blob of `declared` and notes about it, or nil and all faults: see suptree.encoder.
function declaration.encode(declared, settings)
    if not declaration.is(declared) then
        error(("a declaration is needed, not %s"):format(text.describe(declared)), 2)
    end
    return require "suptree.encoder".encode(declared, settings or {})
end

return declaration
