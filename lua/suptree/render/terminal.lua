--- What a terminal can show: colour, characters beyond ASCII, how wide it is; and text that it will not obey.
local system = require "suptree.system"

local terminal = {}

local CODES = { red = 31, green = 32, yellow = 33, cyan = 36, dim = 2, bold = 1 }

--- Is output to descriptor `fd` to be in colour? `when`: "always", "never" or "auto".
function terminal.is_coloured(when, fd)
    if when == "always" or when == "never" then return when == "always" end
    local refused = os.getenv "NO_COLOR"
    if refused and refused ~= "" or os.getenv "TERM" == "dumb" then return false end
    return system.is_terminal(fd)
end

--- A function that paints a text, or leaves it as it is: paint("red", "…").
function terminal.painter(coloured)
    if not coloured then return function(_, words) return words end end
    return function(colour, words)
        return CODES[colour] and ("\27[%dm%s\27[0m"):format(CODES[colour], words) or words
    end
end

--- Does the locale, as variables of the environment, allow more than ASCII?
function terminal.is_wide(getenv)
    getenv = getenv or os.getenv
    for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
        local value = getenv(name)
        if value and value ~= "" then return value:lower():find "utf%-?8" ~= nil end
    end
    return false
end

--- The signs that drawings are made of.
function terminal.signs(wide)
    if wide then return { branch = "├─ ", last = "└─ ", line = "│  ", cut = "…", dot = "●", arrow = "←" } end
    return { branch = "|- ", last = "`- ", line = "|  ", cut = "~", dot = "*", arrow = "<-" }
end

local function escape(bytes)
    return (bytes:gsub(".", function(byte) return ("\\x%02x"):format(byte:byte()) end))
end

-- What is no UTF-8 becomes \xHH, byte by byte; the rest stays.
local function escape_broken(text)
    local parts, place = {}, 1
    while place <= #text do
        local good, broken = utf8.len(text, place)
        if good then
            parts[#parts + 1] = text:sub(place)
            break
        end
        parts[#parts + 1] = text:sub(place, broken - 1) .. escape(text:sub(broken, broken))
        place = broken + 1
    end
    return table.concat(parts)
end

-- C1 controls, and what turns the direction of writing around or hides: all of them can forge lines.
local HIDDEN = { "\xC2[\x80-\x9F]", "\xE2\x80[\x8B-\x8F\xA8-\xAE]", "\xE2\x81[\xA6-\xA9]" }

--- One line of text without what a terminal would obey: control characters and broken UTF-8 as \xHH, tabs stay.
function terminal.printable(text)
    if not text:find "[%c\x80-\xFF]" then return text end
    if text:find "[\x80-\xFF]" then
        if not utf8.len(text) then text = escape_broken(text) end
        for _, pattern in ipairs(HIDDEN) do text = text:gsub(pattern, escape) end
    end
    return (text:gsub("[%c]", function(c) return c == "\t" and c or escape(c) end))
end

--- How many columns a printable text takes, every character being one.
function terminal.width(text)
    return utf8.len(text) or #text
end

--- The text cut to `width` columns, with `sign` (one column) at its end when something is missing.
function terminal.cut(text, width, sign)
    if #text <= width or terminal.width(text) <= width then return text end
    if width < 1 then return "" end
    return text:sub(1, utf8.offset(text, width) - 1) .. sign
end

--- The facts about output to descriptor `fd`: coloured, wide, paint, signs, columns (nil: no terminal).
function terminal.facts(fd, when)
    local wide = terminal.is_wide()
    local coloured = terminal.is_coloured(when or "auto", fd)
    return {
        coloured = coloured, paint = terminal.painter(coloured), wide = wide, signs = terminal.signs(wide),
        columns = system.terminal_width(fd), is_terminal = system.is_terminal(fd),
    }
end

return terminal
