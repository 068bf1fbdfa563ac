--- A quick reading of plain command lines: what a verb's describe(parser) declares is noted down, and words that fit
-- it without any doubt become the table of arguments that argparse would make of them. Whatever is not plain (help, a
-- mistake, letters joined together) is left to argparse, which takes longer to load than most verbs take to run.
local quick = {}

local NO_BOUND = math.huge

-- What argparse knows about a thing declared, beside the number of its words. Whatever else is said about one makes
-- all of its verb a case for argparse.
local KNOWN = { argname = true, choices = true, convert = true, default = true, hidden = true, target = true }

-- A thing declared; what is said about it is noted in its fields, "_choices" and the like.
local Thing = {}
function Thing.__index(self, property)
    if property:sub(1, 1) == "_" then return nil end
    return Thing[property] or function(_, value)
        rawset(self, KNOWN[property] and "_" .. property or "_strange", value)
        return self
    end
end

function Thing.args(self, count)
    if count == "?" then self._least, self._most = 0, 1
    elseif count == "*" then self._least, self._most = 0, NO_BOUND
    elseif count == "+" then self._least, self._most = 1, NO_BOUND
    else self._least, self._most = count, count end
    return self
end

local function thing(fields) return setmetatable(fields, Thing) end

-- argparse's name for the value of an option: its first long name, else its last short one.
local function target_of(names)
    local target
    for name in names:gmatch "%S+" do
        local long = name:match "^%-%-(.+)$"
        if long then return (long:gsub("-", "_")) end
        target = name:sub(2)
    end
    return (target:gsub("-", "_"))
end

local Recorder = {}
Recorder.__index = function(_, property)
    return Recorder[property] or function(self) return self end
end

local function record(self, names, wants)
    local option = thing { _target = target_of(names), _least = wants, _most = wants }
    for name in names:gmatch "%S+" do self.options[name] = option end
    self.all[#self.all + 1] = option
    return option
end

function Recorder:flag(names) return record(self, names, 0) end
function Recorder:option(names) return record(self, names, 1) end

function Recorder:argument(name)
    local argument = thing { _target = name, _least = 1, _most = 1 }
    self.arguments[#self.arguments + 1] = argument
    self.all[#self.all + 1] = argument
    return argument
end

local function is_allowed(thing_, word)
    if not thing_._choices then return true end
    for _, choice in ipairs(thing_._choices) do if choice == word then return true end end
    return false
end

-- The value of a word, or nil: argparse shall say what is wrong with it.
local function value_of(thing_, word)
    if not is_allowed(thing_, word) then return nil end
    if thing_._convert then return (thing_._convert(word)) end
    return word
end

-- The option of a word and what is joined to it by "="; nil: not plain.
local function option_of(self, word)
    local name, joined = word:match "^(%-%-[^=]+)=(.*)$"
    local option = self.options[name or word]
    if not option or joined and option._most == 0 then return nil end
    return option, joined
end

-- Takes the word at `place` and what belongs to it; the place after that, or nil.
local function take_option(self, words, place, result)
    local option, value = option_of(self, words[place])
    if not option or result[option._target] ~= nil then return nil end
    if option._most == 0 then
        result[option._target] = true
        return place + 1
    elseif option._most ~= 1 or option._least ~= 1 then
        return nil
    end
    if not value then
        place = place + 1
        value = words[place]
        if not value or value:sub(1, 1) == "-" then return nil end
    end
    result[option._target] = value_of(option, value)
    return result[option._target] ~= nil and place + 1 or nil
end

-- Gives the plain words to the arguments, the first ones first; false: they do not fit.
local function give(self, plain, result)
    local place = 1
    for number, argument in ipairs(self.arguments) do
        local is_last = number == #self.arguments
        if argument._least ~= argument._most and not is_last then return false end
        local count = is_last and #plain - place + 1 or argument._least
        if count < argument._least or count > argument._most or place + count - 1 > #plain then return false end
        local values = {}
        for i = 1, count do
            values[i] = value_of(argument, plain[place + i - 1])
            if values[i] == nil then return false end
        end
        if argument._most == 1 then result[argument._target] = values[1] else result[argument._target] = values end
        place = place + count
    end
    return place == #plain + 1
end

local function fill_defaults(self, result)
    for _, thing_ in ipairs(self.all) do
        if result[thing_._target] == nil then result[thing_._target] = thing_._default end
    end
end

--- The arguments of `words` for a verb that `describe` describes; nil: ask argparse.
function quick.parse(describe, words)
    local self = setmetatable({ options = {}, arguments = {}, all = {} }, Recorder)
    describe(self)
    for _, thing_ in ipairs(self.all) do if thing_._strange ~= nil then return nil end end
    local result, plain, place = {}, {}, 1
    while place and words[place] do
        local word = words[place]
        if word == "-" or word == "--" or word == "" then return nil end
        if word:sub(1, 1) == "-" then
            place = take_option(self, words, place, result)
        else
            plain[#plain + 1], place = word, place + 1
        end
    end
    if not place or not give(self, plain, result) then return nil end
    fill_defaults(self, result)
    return result
end

return quick
