--- suptree events [SERVICE…]: what has happened.
local common = require "suptree.cli.common"
local follow = require "suptree.cli.follow"
local remote = require "suptree.cli.remote"
local terminal = require "suptree.render.terminal"

local FOLLOWED_EVENTS = 10

local function time_of(event, now)
    local whole = math.floor(event.time)
    local day = now - whole > 43200 and os.date("%Y-%m-%d ", whole) or ""
    return day .. os.date("%H:%M:%S", whole) .. (".%03d"):format((event.time - whole) * 1000 // 1)
end

local function make_writer(facts)
    local timeline = require "suptree.timeline"
    local width = 0
    return function(event)
        local words, colour = timeline.words(event)
        -- How it ended has been said by the event before.
        if event.type == "failed" then words = words:gsub("^ended: .-; failure", "failure") end
        if event.context then words = words .. (" (%s)"):format(event.context) end
        width = math.max(width, #event.path)
        local time = facts.paint("dim", time_of(event, os.time()))
        return ("%s  %-" .. math.min(width, 99) .. "s  %s"):format(time, terminal.printable(event.path),
            facts.paint(colour, terminal.printable(words)))
    end
end

local function is_number(text) return text and math.tointeger(tonumber(text)) end

local function sort_options(arguments)
    if arguments.last and not is_number(arguments.last) then
        if arguments.tree then
            common.complain("events: -n %s is no number of events; the tree is %s already", arguments.last,
                arguments.tree)
            return false
        end
        arguments.tree, arguments.last = arguments.last, nil
    end
    arguments.last = is_number(arguments.last)
    return true
end

local function to_seq(text)
    local seq = is_number(text)
    if seq and seq >= 0 then return seq end
    return nil, ("%s is not the seq of an event"):format(require "suptree.text".quote(text))
end

return {
    name = "events",
    description = "Shows what has happened lately: to those named and what is below them, or to all.",
    epilog = "Exit codes: 0; 2 a mistake on the command line; 4 no such service; 7 no host answers.",
    describe = function(parser)
        remote.add_names(parser, "*")
        parser:flag("-f --follow", "Show what comes, too, until Ctrl-C or the end of the tree.")
        parser:option("-n --last", "Only the last so many events (with -f: 10, else all that are remembered).")
            :argname "COUNT"
        parser:option("--since", "Only those after the event with this seq."):argname "SEQ":convert(to_seq)
        parser:option("--type", "Only events of these types, as in failed,backoff."):argname "TYPES"
        common.add_tree(parser, false)
        parser:flag("--json", "Print each event as a JSON object.")
        common.add_colour(parser)
    end,
    run = function(arguments)
        if not sort_options(arguments) then return common.USAGE end
        local write = arguments.json and require "suptree.json".encode or make_writer(remote.facts(arguments))
        local types
        for type in (arguments.type or ""):gmatch "[^,%s]+" do types = types or {}; types[#types + 1] = type end
        local seen = arguments.since
        local function show(event)
            seen = event.seq
            io.stdout:write(write(event), "\n")
        end
        return follow.run {
            arguments = arguments, method = "events", is_following = arguments.follow,
            lost = function(gap)
                return ("%d events were lost: they came faster than they could be shown"):format(gap.missed)
            end,
            params = function(again)
                local last = arguments.last or arguments.follow and not seen and FOLLOWED_EVENTS or nil
                return {
                    paths = arguments.services[1] and remote.paths(arguments.services) or nil, types = types,
                    follow = arguments.follow or nil, since = seen, last = not again and last or nil,
                }
            end,
            show_reply = function(reply)
                if seen and (reply.missed or 0) > 0 then
                    common.complain("%d events since %d are not kept any more", reply.missed, seen)
                end
                for _, event in ipairs(reply.events or {}) do show(event) end
            end,
            show = function(params) show(params.event) end,
        }
    end,
}
