--- suptree logs [SERVICE…]: what services have put out.
local common = require "suptree.cli.common"
local follow = require "suptree.cli.follow"
local remote = require "suptree.cli.remote"
local terminal = require "suptree.render.terminal"

local FOLLOWED_LINES = 10 -- shown before what comes, unless told otherwise

local COLOURS = { "cyan", "green", "yellow" }

-- The time of a line, as long for each of them.
local function time_of(line)
    return line.time and os.date("%Y-%m-%d %H:%M:%S", math.floor(line.time)) or (" "):rep(19)
end

-- A function that makes a line of output ready to be printed.
local function make_writer(arguments, facts)
    local paths = remote.paths(arguments.services)
    local bare = #paths == 1 and not arguments.prefix and paths[1] -- its own lines stand alone
    local width, colours, count = 0, {}, 0
    local safe = facts.is_terminal and terminal.printable or function(text) return text end
    local function meet(path)
        if colours[path] then return end
        count = count + 1
        colours[path], width = COLOURS[count % #COLOURS + 1], math.max(width, #path)
    end
    return function(line, all)
        for _, other in ipairs(all or {}) do meet(other.path) end
        meet(line.path)
        local text = safe(line.text or "")
        if arguments.timestamps then text = time_of(line) .. "  " .. text end
        if line.path == bare then return text end
        local pad = (" "):rep(width - #line.path)
        return ("%s%s | %s"):format(facts.paint(colours[line.path], line.path), pad, text)
    end
end

local function is_number(text) return text and math.tointeger(tonumber(text)) end

-- `-n shop` before or after the verb means the tree, `-n 20` the lines.
local function sort_options(arguments)
    if arguments.lines and not is_number(arguments.lines) then
        if arguments.tree then
            common.complain("logs: -n %s is no number of lines; the tree is %s already", arguments.lines,
                arguments.tree)
            return false
        end
        arguments.tree, arguments.lines = arguments.lines, nil
    end
    arguments.lines = is_number(arguments.lines)
    return true
end

local function json_writer()
    local json = require "suptree.json"
    return function(line) return json.encode { path = line.path, text = line.text, time = line.time } end
end

return {
    name = "logs",
    description = "Shows what services have put out lately: of those named with what is below them, or of all. The "
        .. "last 64 KiB of each are there; what is in log files is not.",
    epilog = "Exit codes: 0; 2 a mistake on the command line; 4 no such service; 7 no host answers.",
    describe = function(parser)
        remote.add_names(parser, "*")
        parser:flag("-f --follow", "Show what comes, too, until Ctrl-C or the end of the tree.")
        parser:option("-n --lines", "Only the last so many lines of each (with -f: 10, else all).")
            :argname "LINES"
        parser:option("--since", "Only what is not older than this, such as 5m."):argname "TIME"
            :convert(remote.to_seconds)
        parser:flag("-t --timestamps", "Show before each line when it was written, to about a second.")
        parser:flag("--prefix", "Show the name before each line, for a single service too.")
        common.add_tree(parser, false)
        parser:flag("--json", "Print each line as a JSON object: path, text, time.")
        common.add_colour(parser)
    end,
    run = function(arguments)
        if not sort_options(arguments) then return common.USAGE end
        local write = arguments.json and json_writer() or make_writer(arguments, remote.facts(arguments))
        local lines = arguments.lines or arguments.follow and FOLLOWED_LINES or nil
        local at = {} -- by path: how far it has been shown
        local function show(line, all)
            if line.at then at[line.path] = line.at end
            io.stdout:write(write(line, all), "\n")
        end
        return follow.run {
            arguments = arguments, method = "logs", is_following = arguments.follow,
            lost = function(gap)
                return ("%d bytes of the output of %s were lost: they came faster than they could be shown"):format(
                    gap.missed, gap.path)
            end,
            params = function(again)
                return {
                    paths = arguments.services[1] and remote.paths(arguments.services) or nil,
                    follow = arguments.follow or nil, lines = again and 0 or lines,
                    since = not again and arguments.since or nil, from = again and next(at) and at or nil,
                }
            end,
            show_reply = function(reply)
                local all = reply.lines or {}
                for place, line in ipairs(all) do show(line, place == 1 and all) end
                for path, told in pairs(reply.at or {}) do at[path] = math.tointeger(told) end
            end,
            show = show,
        }
    end,
}
