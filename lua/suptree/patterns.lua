--- What is wrong with a Lua pattern, found by reading it: matching tells only as far as it gets.
local patterns = {}

-- Behind the set that begins at `place` ("[" there), or nil: it does not end.
local function skip_set(pattern, place)
    place = place + 1
    if pattern:sub(place, place) == "^" then place = place + 1 end
    repeat -- the first character is in the set even if it is a ]
        local char = pattern:sub(place, place)
        if char == "" then return nil end
        place = place + (char == "%" and 2 or 1)
    until pattern:sub(place, place) == "]"
    return place <= #pattern and place + 1 or nil
end

-- How each escape that is not of one character goes on: behind it, or nil and what is wrong.
local escapes = {}

function escapes.b(pattern, place)
    if place + 3 > #pattern then return nil, "%b needs two characters" end
    return place + 4
end

function escapes.f(pattern, place)
    if pattern:sub(place + 2, place + 2) ~= "[" then return nil, "%f needs a set in brackets" end
    local behind = skip_set(pattern, place + 2)
    if not behind then return nil, "a set lacks its ]" end
    return behind
end

-- Behind the item at `place`, or nil and what is wrong. `captures`: open ones, and how many there were.
local function skip_item(pattern, place, captures)
    local char = pattern:sub(place, place)
    if char == "(" then
        captures.count = captures.count + 1
        captures.open[#captures.open + 1] = captures.count
        captures.closed[captures.count] = false
    elseif char == ")" then
        local one = table.remove(captures.open)
        if not one then return nil, "a ) has no (" end
        captures.closed[one] = true
    elseif char == "[" then
        local behind = skip_set(pattern, place)
        if not behind then return nil, "a set lacks its ]" end
        return behind
    elseif char == "%" then
        local letter = pattern:sub(place + 1, place + 1)
        if letter == "" then return nil, "it ends with %" end
        if escapes[letter] then return escapes[letter](pattern, place) end
        if letter:find "%d" and not captures.closed[tonumber(letter)] then
            return nil, ("%%%s is no capture that is complete there"):format(letter)
        end
        return place + 2
    end
    return place + 1
end

--- What is wrong with `pattern`, in words, or nil.
function patterns.find_fault(pattern)
    local captures = { open = {}, closed = {}, count = 0 }
    local place = 1
    while place <= #pattern do
        local behind, fault = skip_item(pattern, place, captures)
        if not behind then return fault end
        place = behind
    end
    if captures.open[1] then return "a ( lacks its )" end
    if captures.count > 32 then return "it has more than 32 captures" end
    return nil
end

return patterns
