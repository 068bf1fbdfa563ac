--- The reply to `status` for people: a table, a drawn tree, a page about one node. Pure: nodes and the facts of a
-- terminal in, lines out.
local columns = require "suptree.render.table"
local terminal = require "suptree.render.terminal"
local words = require "suptree.render.words"

local status = {}

local HEADS = {
    { title = "SERVICE" }, { title = "STATE" }, { title = "READY" }, { title = "PID", right = true },
    { title = "UPTIME", right = true }, { title = "RESTARTS", right = true }, { title = "COUNT/MAX", right = true },
    { title = "LAST-EXIT" }, { title = "DETAIL" },
}

local USAGE_HEADS = {
    { title = "CPU", right = true }, { title = "MEMORY", right = true }, { title = "PROCS", right = true },
}

local USAGE_PLACE = 5

local TREE_HEADS = {
    { title = "TREE" }, { title = "STATE" }, { title = "READY" }, { title = "PID", right = true },
    { title = "UPTIME", right = true }, { title = "DETAIL" },
}

local READY_COLOURS = { no = "yellow" }

local function number_cell(value) return value and ("%d"):format(value) or "-" end

local function colours_of(node, ready)
    return { [2] = words.colour(node), [3] = READY_COLOURS[ready] }
end

local function row_of(node, coloured)
    local ready = words.ready(node)
    return {
        node.path, node.state, ready, number_cell(node.pid), words.uptime(node) or "-",
        number_cell(node.restarts), words.count(node) or "-", words.last(node) or "-",
        terminal.printable(words.detail(node)), colours = coloured and colours_of(node, ready) or nil,
    }
end

-- The cells of what its processes use, put before those from the fifth on.
local function add_usage(row, node)
    local usage = node.usage
    local cells = usage and { words.duration(usage.cpu), words.size(usage.memory), ("%d"):format(usage.processes) }
        or { "-", "-", "-" }
    for place, cell in ipairs(cells) do table.insert(row, USAGE_PLACE + place - 1, cell) end
end

--- A table of nodes; `usage`: with what their processes use.
function status.table(nodes, facts, usage)
    local rows, heads = {}, table.move(HEADS, 1, #HEADS, 1, {})
    for place, head in ipairs(usage and USAGE_HEADS or {}) do table.insert(heads, USAGE_PLACE + place - 1, head) end
    for place, node in ipairs(nodes) do
        rows[place] = row_of(node, facts.coloured)
        if usage then add_usage(rows[place], node) end
    end
    return columns.lines(heads, rows, facts)
end

--- What the nodes add up to: "4 services: 3 running, 1 delayed".
function status.summary(nodes)
    local counts, order, services = {}, {}, 0
    for _, node in ipairs(nodes) do
        if node.kind ~= "supervisor" then
            services = services + 1
            if not counts[node.state] then order[#order + 1] = node.state end
            counts[node.state] = (counts[node.state] or 0) + 1
        end
    end
    local parts = {}
    for place, state in ipairs(order) do parts[place] = ("%d %s"):format(counts[state], state) end
    local total = ("%d service%s"):format(services, services == 1 and "" or "s")
    return parts[1] and total .. ": " .. table.concat(parts, ", ") or total
end

--- What is to be said of those that are several of the same: { path, declared, count }.
function status.replicas(groups)
    local lines = {}
    for _, group in ipairs(groups) do
        local path, by_hand = terminal.printable(group.path), group.count ~= group.declared
        if by_hand then
            lines[#lines + 1] = ("%s is scaled to %d by hand; the configuration says %d"):format(path, group.count,
                group.declared)
        elseif group.count == 0 then
            lines[#lines + 1] = ('%s has no replicas: replicas = 0; "suptree scale %s=1" starts one'):format(path, path)
        end
    end
    return lines
end

-- --- the tree ------------------------------------------------------------------------------------------------------

-- Which nodes are the last ones of their supervisor: by place in the list.
local function last_ones(nodes)
    local last, open = {}, {} -- open[depth]: the node of that depth that may be the last one
    for place, node in ipairs(nodes) do
        for depth = #open, node.depth + 1, -1 do
            if open[depth] then last[open[depth]] = true end
            open[depth] = nil
        end
        if node.depth > 0 then open[node.depth] = place end
    end
    for _, place in pairs(open) do last[place] = true end
    return last
end

local function name_of(node, tree_name)
    return node.path == "." and (tree_name or node.name) or node.name or node.path:match "[^/]*$"
end

--- The nodes (in preorder, with their depths) as a drawn tree. `tree_name`: what the root is called.
function status.tree(nodes, facts, tree_name)
    local top = nodes[1] and nodes[1].depth or 0
    local flat = {}
    for place, node in ipairs(nodes) do flat[place] = { depth = node.depth - top } end
    local last, signs, rows, bars = last_ones(flat), facts.signs, {}, {}
    for place, node in ipairs(nodes) do
        local depth = flat[place].depth
        local drawn = {}
        for level = 1, depth - 1 do drawn[level] = bars[level] and signs.line or "   " end
        if depth > 0 then drawn[depth] = last[place] and signs.last or signs.branch end
        bars[depth] = not last[place]
        local ready = words.ready(node)
        rows[place] = {
            table.concat(drawn) .. name_of(node, place == 1 and depth == 0 and tree_name or nil),
            node.state, ready, number_cell(node.pid), words.uptime(node) or "-",
            terminal.printable(words.detail(node)), colours = colours_of(node, ready),
        }
    end
    return columns.lines(TREE_HEADS, rows, facts)
end

-- --- one node ------------------------------------------------------------------------------------------------------

local function field(lines, name, value)
    if value and value ~= "" then lines[#lines + 1] = ("%12s  %s"):format(name, terminal.printable(value)) end
end

local function runs(node)
    local uptime, parts = words.uptime(node), {}
    if not node.pid and not uptime then return nil end
    if node.pid then parts[1] = ("pid %d"):format(node.pid) end
    if uptime then parts[#parts + 1] = "up " .. uptime end
    if node.generation and node.generation > 0 then parts[#parts + 1] = ("generation %d"):format(node.generation) end
    return table.concat(parts, ", ")
end

local function uses(node)
    local usage = node.usage
    if not usage then return nil end
    local peak = usage.memory_peak and (" (at most %s)"):format(words.size(usage.memory_peak)) or ""
    return ("%s of memory%s, %s of processor time, %d process%s"):format(words.size(usage.memory), peak,
        words.duration(usage.cpu), usage.processes, usage.processes == 1 and "" or "es")
end

local function last_end(node, now)
    local full = words.last_in_full(node)
    if not full then return nil end
    local at = node.last.at
    if node.last.duration then full = ("%s after %s"):format(full, words.duration(node.last.duration)) end
    return at and now and ("%s, %s ago"):format(full, words.duration(now - at)) or full
end

-- The last look at its health, in words.
local function health(node)
    local last = node.health
    if not last then return nil end
    local ago = words.duration(last.looked)
    if last.well then return ("well %s ago"):format(ago) end
    return ("not well for %s: %s; looked %s ago"):format(words.duration(last.since), last.reason, ago)
end

--- A page about one node. `now`: the Unix time of the reply, for ages.
function status.page(node, facts, now)
    local colour = words.colour(node)
    local state = node.state .. (words.is_up(node) and (node.ready and ", ready" or ", not ready yet") or "")
    local lines = {
        ("%s %s (%s): %s"):format(facts.paint(colour, facts.signs.dot), facts.paint("bold", node.path), node.kind,
            facts.paint(colour, state)),
    }
    field(lines, "description", node.description)
    field(lines, "process", runs(node))
    field(lines, "uses", uses(node))
    if not words.is_up(node) then
        field(lines, "why", words.why(node))
        field(lines, "for", node.since and words.duration(node.since))
    end
    field(lines, "awaits", node.awaits)
    field(lines, "health", health(node))
    field(lines, "next", words.next(node))
    if node.schedule then
        local unit = node.runs == 1 and "run" or "runs"
        field(lines, "schedule", node.schedule)
        field(lines, "runs", ("%d %s%s"):format(node.runs, unit,
            node.skipped > 0 and (", %d skipped"):format(node.skipped) or ""))
        if not words.rests(node) then field(lines, "next run", words.next_run(node)) end
    end
    field(lines, "failures", words.count(node) and words.count(node) .. " (the count now / failure_threshold)")
    field(lines, "restarts", node.restarts and node.restarts > 0 and ("%d"):format(node.restarts) or nil)
    field(lines, "last end", last_end(node, now))
    field(lines, "after", node.after and node.after[1] and table.concat(node.after, ", ") or nil)
    for _, socket in ipairs(node.sockets or {}) do field(lines, "socket", socket.name .. " " .. socket.address) end
    field(lines, "status", node.status_text)
    field(lines, "limits", node.limits_text)
    if node.held then field(lines, "held", "a person stopped it: it stays down until a person starts it") end
    if node.leaving then field(lines, "removed", "it leaves the tree as soon as it has ended") end
    return lines
end

return status
