--- What a reload would do, or has done, in lines for people: `~ web restart env.PORT 8080 -> 8081`, `= db unchanged`.
local text = require "suptree.text"

local plan = {}

-- More unchanged services than these are only counted.
local MAX_UNCHANGED = 20

local SIGNS = { add = "+", remove = "-", restart = "~", update = "~", rename = "~", none = "=" }
local COLOURS = { add = "green", remove = "red", restart = "yellow", update = "cyan", rename = "cyan", none = "dim" }

-- A value that is more than one word stands as it is: the arrow parts old from new.
local function field_words(field)
    if not field.old and not field.new then return field.field .. " changed" end
    return ("%s %s -> %s"):format(field.field, field.old or "unset", field.new or "unset")
end

-- Of a new node what it runs is told, of others every field that changes.
local function fields_of(change)
    local list = {}
    for _, field in ipairs(change.fields or {}) do
        if change.action ~= "add" then
            list[#list + 1] = field_words(field)
        elseif field.field == "command" then
            list[#list + 1] = "command " .. (field.new or "")
        end
    end
    return list
end

local function add_change(lines, change)
    local colour = COLOURS[change.action]
    local words = ("%s %s %s"):format(SIGNS[change.action], change.path, change.action)
    if change.because then words = words .. " with " .. change.because end
    local fields = fields_of(change)
    if fields[1] then words = words .. " " .. fields[1] end
    if change.note then words = ("%s (%s)"):format(words, change.note) end
    lines[#lines + 1] = { words = words, colour = colour }
    for place = 2, #fields do lines[#lines + 1] = { words = "    " .. fields[place], colour = colour } end
end

local function add_unchanged(lines, unchanged, all)
    if #unchanged > MAX_UNCHANGED and not all then
        lines[#lines + 1] = { words = ("= %s unchanged"):format(text.count(#unchanged, "service")), colour = "dim" }
        return
    end
    for _, path in ipairs(unchanged) do
        lines[#lines + 1] = { words = ("= %s unchanged"):format(path), colour = "dim" }
    end
end

local COUNTED = {
    { "restart", "to restart", "restarted" }, { "add", "to add", "added" }, { "remove", "to remove", "removed" },
    { "rename", "to rename", "renamed" }, { "update", "to update in place", "updated in place" },
}

--- One line: "1 to restart, 2 to add, 197 unchanged"; `done`: "1 restarted, …".
function plan.summary(summary, done)
    local parts = {}
    for _, counted in ipairs(COUNTED) do
        local count = math.tointeger(summary[counted[1]] or 0) or 0
        if count > 0 then parts[#parts + 1] = ("%d %s"):format(count, counted[done and 3 or 2]) end
    end
    if summary.empty then parts[#parts + 1] = "nothing changes" end
    if summary.reordered then parts[#parts + 1] = "the order of children changes" end
    if (summary.none or 0) > 0 then parts[#parts + 1] = ("%d unchanged"):format(summary.none) end
    return table.concat(parts, ", ")
end

--- The lines of `result` { changes, summary }, each { words, colour }. `all`: unchanged services one by one, however
-- many there are.
function plan.lines(result, all)
    local lines, unchanged = {}, {}
    for _, change in ipairs(result.changes) do
        if change.action ~= "none" then
            add_change(lines, change)
        elseif change.kind ~= "supervisor" then
            unchanged[#unchanged + 1] = change.path
        end
    end
    add_unchanged(lines, unchanged, all)
    lines[#lines + 1] = { words = plan.summary(result.summary) }
    return lines
end

return plan
