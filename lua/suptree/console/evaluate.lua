--- Turning what was typed into values: an expression, or statements; and whether more has to come.
local cut = require "suptree.cut"

local evaluate = {}

local CHUNK = "=console"

--- A function that does what `text` says; nil and the message; "more": it is not finished.
function evaluate.compile(text, environment)
    local chunk = load("return " .. text, CHUNK, "t", environment)
    if chunk then return chunk end
    local message
    chunk, message = load(text, CHUNK, "t", environment)
    if chunk then return chunk end
    return nil, message:find "<eof>'?$" and "more" or message
end

-- Lua's own frames say nothing to a person.
local function shorten(message)
    return (tostring(message):gsub("\nstack traceback:.*$", ""))
end

--- Runs `chunk`: true and its values; or false, the message, and "error", "interrupted" or "timeout". `seconds`: a
-- limit, or nil.
function evaluate.run(chunk, seconds)
    local results = table.pack(cut.run(chunk, seconds))
    if results[1] then return true, table.unpack(results, 2, results.n) end
    return false, shorten(results[2]), results[3]
end

return evaluate
