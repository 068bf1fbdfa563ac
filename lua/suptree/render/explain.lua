--- The reply to `explain` for people. Pure.
local terminal = require "suptree.render.terminal"
local words = require "suptree.render.words"

local explain = {}

-- Of what runs as it should, how it came to that is of no interest.
local function because(lines, reply, facts)
    if reply.node.state == "running" and reply.node.ready then return end
    local first = true
    for place, link in ipairs(reply.because or {}) do
        -- The first link is the node itself, whose reason is the head line already.
        if place > 1 or link.path ~= reply.node.path then
            local text = link.text and link.text ~= "" and link.text or link.state
            lines[#lines + 1] = ("  %s %s %s"):format(first and "because" or "       ",
                facts.paint("bold", terminal.printable(link.path)), terminal.printable(text))
            first = false
        end
    end
end

local function waits_for(lines, reply)
    local names = {}
    for place, one in ipairs(reply.waits_for or {}) do
        if reply.reason:find(one.path, 1, true) then return end -- it has been said
        names[place] = ("%s (%s)"):format(one.path, one.state)
    end
    if not names[1] then return end
    lines[#lines + 1] = "  it waits for " .. terminal.printable(table.concat(names, ", "))
end

local function what_next(lines, reply)
    local coming = reply.next
    if not coming or not coming.what then return end
    local when = coming["in"] and (" in " .. words.duration(coming["in"])) or ""
    lines[#lines + 1] = "  next: " .. terminal.printable(coming.what) .. when
end

local function commands(lines, reply, facts)
    for place, command in ipairs(reply.commands or {}) do
        lines[#lines + 1] = ("  %s %s"):format(place == 1 and "to change it:" or "             ",
            facts.paint("cyan", terminal.printable(command)))
    end
end

--- The lines for a reply.
function explain.lines(reply, facts)
    local node = reply.node
    local sentence = terminal.printable(reply.reason or words.short(node))
    local lines = { ("%s %s"):format(facts.paint("bold", terminal.printable(node.path)), sentence) }
    because(lines, reply, facts)
    waits_for(lines, reply)
    what_next(lines, reply)
    commands(lines, reply, facts)
    return lines
end

return explain
