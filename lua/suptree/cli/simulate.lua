--- suptree simulate [FILE]: the real policy on the real configuration, in virtual time.
local common = require "suptree.cli.common"
local json = require "suptree.json"
local options = require "suptree.options"
local text = require "suptree.text"
local timeline = require "suptree.timeline"

local LEAST_PERIOD = 0.001
local RUN = 1 -- how long a oneshot, or a run of a timer, takes, in seconds

local function to_seconds(words)
    local ns = tonumber(words) and options.seconds(tonumber(words)) or options.duration(words)
    return ns and ns ~= math.maxinteger and ns / 1e9 or nil
end

-- argparse's converters: a value, or nil and what is wrong.
local function convert_time(words)
    local seconds = to_seconds(words)
    if seconds then return seconds end
    return nil, ("%s is not a time; write seconds, or a text such as 1m30s"):format(text.quote(words))
end

local function convert_every(path, time)
    local seconds, why = convert_time(time)
    if not seconds then return nil, why end
    if seconds < LEAST_PERIOD then
        return nil, ("every %s is too often; the shortest is %s"):format(time, timeline.duration(LEAST_PERIOD))
    end
    return { path = path, every = seconds }
end

local function convert_failures(words)
    local periodic, period = words:match "^(.*%S)%s+every%s+(%S+)$"
    if periodic then return convert_every(periodic, period) end
    local path, times = words:match "^(.*)@([^@]*)$"
    if not path or path == "" then
        return nil, ("%s does not say when; write NAME@TIME,TIME, such as web@0,2,4, or NAME every TIME"):format(
            text.quote(words))
    end
    local failures = { path = path }
    for word in (times .. ","):gmatch "([^,]*)," do
        local seconds, why = convert_time(word)
        if not seconds then return nil, why end
        failures[#failures + 1] = seconds
    end
    return failures
end

local function convert_hang(words)
    local path, how = words:match "^(%S+)%s+(.-)%s*$"
    if path and how ~= "kill" then
        return nil, ("%s is not NAME or NAME kill"):format(text.quote(words))
    end
    return { path = path or words, how = how or "ask" }
end

-- The words of one option may be one argument, or several as in `--fail web every 5s`.
local function join_words(words)
    local joined, place = {}, 1
    while place <= #words do
        local word, count = words[place], 1
        if word == "--fail" and words[place + 2] == "every" and words[place + 3] then count = 3 end
        if word == "--hang" and words[place + 2] == "kill" then count = 2 end
        joined[#joined + 1] = word
        if count > 1 then
            joined[#joined + 1] = table.concat(words, " ", place + 1, place + count)
            place = place + count
        end
        place = place + 1
    end
    return joined
end

-- --- the play ------------------------------------------------------------------------------------------------------

local function collect(play)
    for _, event in ipairs(play.sim:events()) do play.events[#play.events + 1] = event end
end

-- A service fails, if it runs. What is said of it if it does not is left out when `quiet`.
local function fail(play, path, quiet)
    collect(play)
    local state = play.sim:state(path)
    local how = state and state.kind == "thread" and { error = "simulated failure" } or { code = 1 }
    if state and play.sim:exit(path, how) or quiet then return end
    play.events[#play.events + 1] = {
        type = "note", time = play.sim:now(), path = path,
        words = state and ("does not run (%s), so it cannot fail"):format(state.state) or "is not there any more",
    }
end

local function fail_every(play, path, period)
    local count = 0
    local function again()
        if count > 0 then fail(play, path, true) end
        count = count + 1
        if count * period <= play.seconds then play.sim:at(count * period, again) end
    end
    again()
end

-- The name of what has replicas means all of them.
local function spread(sim, list)
    for place = #list, 1, -1 do
        local wish, index = list[place], 1
        while not sim:state(wish.path) and sim:state(("%s@%d"):format(wish.path, index)) do
            local copy = {}
            for key, value in pairs(wish) do copy[key] = value end
            copy.path = ("%s@%d"):format(wish.path, index)
            table.insert(list, place + index, copy)
            index = index + 1
        end
        if index > 1 then table.remove(list, place) end
    end
end

-- Can this be done to these services? True, or false and the exit code, when it has been told why not.
local function check_services(sim, list, verb)
    spread(sim, list)
    for _, wish in ipairs(list) do
        local state = sim:state(wish.path)
        if not state then
            common.complain('there is no service "%s"%s; "suptree check" reads what there is', wish.path,
                text.did_you_mean(wish.path, sim:paths()))
            return false, common.UNKNOWN
        elseif state.kind == "supervisor" then
            common.complain("%s is a supervisor, which %s when its services do; name one of those", wish.path, verb)
            return false, common.USAGE
        end
    end
    return true
end

-- `wishes`: fail, hang, stop, as they were parsed.
local function perform(sim, wishes, seconds)
    local play = { sim = sim, events = {}, seconds = seconds }
    for _, wish in ipairs(wishes.hang) do sim:hang(wish.path, wish.how) end
    sim:start()
    for _, wish in ipairs(wishes.fail) do
        if wish.every then fail_every(play, wish.path, wish.every) end
        for _, time in ipairs(wish) do
            sim:at(time, function() fail(play, wish.path) end)
        end
    end
    if wishes.stop then sim:at(wishes.stop, function() sim:stop() end) end
    sim:advance(seconds)
    collect(play)
    return play.events
end

-- --- telling -------------------------------------------------------------------------------------------------------

-- The kind of each node by path, and all paths: taken at the start, as nodes may leave the tree.
local function kinds_of(sim)
    local kinds = { paths = sim:paths() }
    for _, path in ipairs(kinds.paths) do kinds[path] = sim:state(path).kind end
    return kinds
end

local function gave_up_words(nodes, paths, root)
    local list = {}
    for _, path in ipairs(paths) do
        if nodes[path].gave_up then list[#list + 1] = path == "." and root or path end
    end
    return list[1] and "gave up: " .. table.concat(list, ", ") or "nothing gave up"
end

local function print_summary(sim, events, kinds, seconds, root)
    local paths = kinds.paths
    local nodes = timeline.summary(events, paths, seconds)
    local lines = {}
    for place, path in ipairs(paths) do
        lines[place] = {
            time = "", path = path == "." and root or path, words = timeline.summary_words(nodes[path], kinds[path]),
        }
    end
    print(("\nafter %s:"):format(timeline.duration(seconds)))
    common.print_lines(lines)
    local code = sim:ended()
    local ending = code and ("; the tree ended with exit code %d"):format(code) or ""
    print("  " .. gave_up_words(nodes, paths, root) .. ending)
end

local function node_as_json(node, path, kind)
    if kind == "supervisor" then
        return { path = path, kind = kind, pauses = node.pauses, paused = node.paused, gave_up = node.gave_up }
    end
    return {
        path = path, kind = kind, starts = node.starts, failures = node.failures, up = node.up, down = node.down,
        gave_up = node.gave_up,
    }
end

local function print_json(sim, events, kinds, result)
    local nodes = timeline.summary(events, kinds.paths, result.seconds)
    result.timeline, result.notes, result.summary = json.array {}, json.array {}, json.array {}
    for _, event in ipairs(events) do
        local list = event.type == "note" and result.notes or result.timeline
        list[#list + 1] = event
    end
    for place, path in ipairs(kinds.paths) do
        result.summary[place] = node_as_json(nodes[path], path, kinds[path])
    end
    result.exit_code = sim:ended()
    print(json.encode(result))
end

-- --- the verb ------------------------------------------------------------------------------------------------------

-- A journal brings its own tree and its own past.
local function refuse_beside_replay(arguments)
    for _, name in ipairs { "fail", "hang", "stop", "seconds", "seed", "file" } do
        local value = arguments[name]
        if type(value) == "table" and value[1] or value and type(value) ~= "table" then
            local words = name == "file" and "FILE" or "--" .. (name == "seconds" and "for" or name)
            common.complain("--replay plays what the journal says; leave out %s", words)
            return true
        end
    end
    return false
end

local function simulate(arguments)
    local settings = { colour = arguments.colour, consequence = "nothing was simulated", assume_ready = true }
    local result, code = common.compile(arguments.file, settings)
    if not result then return code end
    local seed, seconds = arguments.seed or 1, arguments.seconds or 60
    local wishes = { fail = arguments.fail or {}, hang = arguments.hang or {}, stop = arguments.stop }
    local sim = assert(require "suptree.sim"(result.blob, { seed = seed, runs = RUN }))
    local good
    good, code = check_services(sim, wishes.fail, "fails")
    if good then good, code = check_services(sim, wishes.hang, "stops") end
    if not good then return code end
    local kinds = kinds_of(sim)
    local events = perform(sim, wishes, seconds)
    local root = result.summary.name
    if arguments.json then
        print_json(sim, events, kinds, { name = root, seed = seed, seconds = seconds })
        return common.DONE
    end
    common.print_lines(timeline.lines(events, root), common.painter(common.is_coloured(arguments.colour, 1)))
    print_summary(sim, events, kinds, seconds, root)
    return common.DONE
end

return {
    name = "simulate",
    description = "Plays a configuration through in virtual time with the policy that run uses, and starts nothing: "
        .. "who is restarted when, when a supervisor pauses and resumes, and what all of it adds up to. A service that "
        .. "is not told to fail runs on; one that is asked to stop does so at once, unless it hangs; one that is to "
        .. "become ready by a file or by its own word is ready at once. A oneshot, and each run of a timer, ends well "
        .. "after a second; the calendar begins with 1 January 2026, UTC.",
    epilog = "Examples:\n"
        .. "   suptree simulate --fail web@0,2,4 --fail db@30 --for 2m\n"
        .. "   suptree simulate --fail web every 5s --json\n"
        .. "   suptree simulate --hang db --stop 10s\n\n"
        .. "The journal of a running tree, PID being that of `suptree run` (it holds the whole configuration):\n"
        .. "   (umask 077; cp \"$(find /proc/PID/fd -lname '*suptree-journal*')\" journal)\n"
        .. "   suptree simulate --replay journal\n\n"
        .. "Exits with 0 when it was played, whatever came of it; 2: a mistake in the words; 4: no such service; "
        .. "78: the configuration or the journal cannot be used.",
    describe = function(parser)
        common.add_file(parser)
        parser:option("--fail", "Let a service fail at these times from the start (seconds, or texts such as 1m30s), "
            .. "or, with NAME every TIME, again and again whenever it runs then. May be given several times.")
            :argname "NAME@TIMES":convert(convert_failures):count "*"
        parser:option("--hang", "Let a service ignore that it is asked to stop; with NAME kill, ignore its kill too. "
            .. "May be given several times."):argname "NAME":convert(convert_hang):count "*"
        parser:option("--stop", "Ask the whole tree to stop at this time."):argname "TIME":convert(convert_time)
        parser:option("--for", "How long to play (default: 1m)."):argname "TIME":target "seconds":convert(convert_time)
        parser:option("--seed", "A whole number: the chance in jittered delays (default: 1)."):argname "N"
            :convert(function(words)
                local seed = math.tointeger(tonumber(words))
                if seed then return seed end
                return nil, ("%s is not a whole number"):format(text.quote(words))
            end)
        parser:option("--replay", "Play no configuration, but what the journal of a running tree says, and tell how "
            .. "the tree stood at its end."):argname "JOURNAL"
        parser:flag("--json", "Print one JSON object: the events as run writes them, and what they add up to.")
        common.add_colour(parser)
    end,
    prepare = join_words,
    run = function(arguments)
        if not arguments.replay then return simulate(arguments) end
        if refuse_beside_replay(arguments) then return common.USAGE end
        return require "suptree.cli.replay"(arguments.replay, arguments)
    end,
}
