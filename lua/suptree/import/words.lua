--- Command lines as other supervisors write them: taken apart by the rules of quotes that they share with the shell.
local words = {}

-- What a shell would do something with, outside of single quotes.
local SHELL = "[%$`|&;<>()*?~#{}]"

--- Does `line` need a shell?
function words.needs_shell(line)
    return line:gsub("'[^']*'", ""):find(SHELL) ~= nil
end

-- One word from `place` on, and the place behind it; or nil and what is wrong.
local function take(line, place)
    local parts = {}
    while place <= #line do
        local c = line:sub(place, place)
        if c:find "%s" then break end
        if c == "'" or c == '"' then
            local close = place + 1
            local inside = {}
            while line:sub(close, close) ~= c do
                if close > #line then return nil, "a quote is not closed" end
                if c == '"' and line:sub(close, close) == "\\" and line:sub(close + 1, close + 1):find '[\\"$`]' then
                    close = close + 1
                end
                inside[#inside + 1] = line:sub(close, close)
                close = close + 1
            end
            parts[#parts + 1] = table.concat(inside)
            place = close + 1
        elseif c == "\\" and place < #line then
            parts[#parts + 1] = line:sub(place + 1, place + 1)
            place = place + 2
        else
            parts[#parts + 1] = c
            place = place + 1
        end
    end
    return table.concat(parts), place
end

--- The words of `line` as an array; nil and what is wrong.
function words.split(line)
    local list, place = {}, line:find "%S"
    while place do
        local word, after = take(line, place)
        if not word then return nil, after end
        list[#list + 1] = word
        place = line:find("%S", after)
    end
    return list
end

--- What `command` is: argv when its words say it all, else a text for the shell.
function words.command(line)
    line = line:match "^%s*(.-)%s*$"
    if words.needs_shell(line) then return line end
    local list = words.split(line)
    return list and list[1] and list or line
end

--- A name that a node may have, made of `name`.
function words.node_name(name)
    name = tostring(name):gsub("[^%w_.@-]", "-"):gsub("^%-+", "")
    return name ~= "" and name or "service"
end

--- The logical lines of `contents`: { { number, text }, … }, a line that ends in a backslash goes on in the next.
function words.lines(contents)
    local list, number, first, open = {}, 0, nil, nil
    for line in (contents:gsub("^\xEF\xBB\xBF", ""):gsub("\r\n", "\n") .. "\n"):gmatch "([^\n]*)\n" do
        number = number + 1
        local body, more = line:gsub("\\%s*$", "")
        open = open and open .. " " .. body:match "^%s*(.*)$" or body
        first = first or number
        if more == 0 then
            list[#list + 1] = { number = first, text = open }
            open, first = nil, nil
        end
    end
    if open then list[#list + 1] = { number = first, text = open } end
    return list
end

--- The sections of a file of the INI kind, in order: { { name, number, { key, value, number }, … }, … }. `comment`: a
-- pattern that ends the value of a line, or nil. Second result: faults { line, fault }.
function words.sections(lines, comment)
    local sections, faults, current = {}, {}, nil
    for _, line in ipairs(lines) do
        local body = line.text
        if body:find "^%s*[#;]" or not body:find "%S" then goto continue end
        if comment then body = body:gsub(comment, "") end
        local title = body:match "^%s*%[([^%]]+)%]%s*$"
        local key, value = body:match "^%s*([^=%s][^=]-)%s*=%s*(.-)%s*$"
        if title then
            current = { name = title, number = line.number }
            sections[#sections + 1] = current
        elseif key and current then
            current[#current + 1] = { key = key, value = value, number = line.number }
        else
            local why = key and "stands before the first [section]" or "is neither [section] nor KEY=VALUE"
            faults[#faults + 1] = { line = line.number, fault = why }
        end
        ::continue::
    end
    return sections, faults
end

return words
