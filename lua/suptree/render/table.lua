--- Columns of text. A row is an array of texts; its field `colours`, when there is one, has the colour of the cell at
-- the same place. Pure.
local terminal = require "suptree.render.terminal"

local columns = {}

local SPACE = 32
local WIDEST_FORMAT = 99 -- that string.format takes

-- The width of each column: that of its widest cell.
local function measure(heads, rows)
    local widths = {}
    for place, head in ipairs(heads) do
        local width = #head.title
        for _, row in ipairs(rows) do
            local text = row[place]
            if #text > width then width = math.max(width, terminal.width(text)) end
        end
        widths[place] = width
    end
    return widths
end

-- The cells before the last one as one format, for rows that need no care; nil: a column is too wide for that.
local function format_of(heads, widths)
    local parts = {}
    for place = 1, #heads - 1 do
        if widths[place] > WIDEST_FORMAT then return nil end
        parts[place] = ("%%%s%ds  "):format(heads[place].right and "" or "-", widths[place])
    end
    return table.concat(parts) .. "%s"
end

-- Cell by cell: characters of several bytes, colours, the end of the terminal.
local function join_with_care(heads, widths, row, facts, left)
    local colours, cells, last = row.colours or {}, {}, #heads
    for place = 1, last do
        local text = row[place]
        if place == last and left then text = terminal.cut(text, left, facts.signs.cut) end
        local pad = place < last and (" "):rep(widths[place] - terminal.width(text)) or ""
        if colours[place] then text = facts.paint(colours[place], text) end
        cells[place] = heads[place].right and pad .. text or text .. pad
    end
    return table.concat(cells, "  ")
end

--- The lines of a table. `heads`: { title, right = true } from left to right; `facts`: as terminal.facts; the last
-- column is cut where the terminal ends.
function columns.lines(heads, rows, facts)
    local titles = { colours = {} }
    for place, head in ipairs(heads) do titles[place], titles.colours[place] = head.title, "bold" end
    local widths = measure(heads, rows)
    local used = 0
    for place = 1, #heads - 1 do used = used + widths[place] + 2 end
    local left = facts.columns and math.max(facts.columns - used, 10)
    local format = not facts.coloured and not left and format_of(heads, widths)
    local lines = {}
    for place = 0, #rows do
        local row = place == 0 and titles or rows[place]
        local line = format and format:format(table.unpack(row))
        if not line or line:find "[\x80-\xFF]" then line = join_with_care(heads, widths, row, facts, left) end
        if line:byte(-1) == SPACE then line = line:match "^(.*[^ ])" or "" end
        lines[place + 1] = line
    end
    return lines
end

return columns
