--- Words for messages: values quoted, lists joined, the word that was probably meant.
local options = require "suptree.options"

local text = {}

local LONGEST = 60

--- A string in double quotes, cut when long, with control characters made visible.
function text.quote(value)
    if #value > LONGEST then value = value:sub(1, LONGEST) .. "…" end
    return '"' .. value:gsub('[%c"\\]', function(c)
        if c == '"' or c == "\\" then return "\\" .. c end
        return ({ ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r" })[c] or ("\\%d"):format(c:byte())
    end) .. '"'
end

--- What a value is, in a few words: "a table", "5", "\"yes\"".
function text.describe(value)
    local kind = type(value)
    if kind == "string" then return text.quote(value) end
    if kind == "number" then return ("%.14g"):format(value) end
    if kind == "nil" then return "nothing" end
    if kind == "boolean" then return tostring(value) end
    local metatable = getmetatable(value)
    local name = type(metatable) == "table" and metatable.__name
    if type(name) == "string" and name:find "^suptree " then return "a " .. name end
    return "a " .. kind
end

--- "a", "a or b", "a, b or c"; `quoted`: each in quotes.
function text.alternatives(words, quoted)
    local list = {}
    for place, word in ipairs(words) do list[place] = quoted and text.quote(word) or word end
    local last = table.remove(list)
    return list[1] and table.concat(list, ", ") .. " or " .. last or last or ""
end

--- ", did you mean \"word\"?" or "".
function text.did_you_mean(word, words)
    local nearest = type(word) == "string" and options.nearest(word, words)
    return nearest and (', did you mean "%s"?'):format(nearest) or ""
end

--- The kinds of nodes that have the option of `row`: "a process or a thread".
function text.owners(row)
    if row.oneshot then return "a oneshot" end
    if row.timer then return "a timer" end
    local owners = {}
    for _, kind in ipairs { "supervisor", "process", "thread" } do
        if row[kind] then owners[#owners + 1] = "a " .. kind end
    end
    return text.alternatives(owners)
end

--- "1 service", "2 services".
function text.count(number, noun)
    return ("%d %s%s"):format(number, noun, number == 1 and "" or "s")
end

--- `name` and `names` sorted: the string keys of a table.
function text.sorted_keys(map)
    local keys = {}
    for key in pairs(map) do if type(key) == "string" then keys[#keys + 1] = key end end
    table.sort(keys)
    return keys
end

--- A table whose unknown fields raise with the word that was probably meant. `title` stands in the message.
function text.strict(map, title)
    return setmetatable(map, { __index = function(_, key)
        local words = text.sorted_keys(map)
        local meant = text.did_you_mean(key, words)
        if meant == "" then meant = "; there are " .. table.concat(words, ", ") end
        error(("there is no %s.%s%s"):format(title, tostring(key), meant), 2)
    end })
end

return text
