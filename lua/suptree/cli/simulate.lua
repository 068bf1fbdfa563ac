--- suptree simulate [FILE]: the real policy on the real configuration, in virtual time.
local common = require "suptree.cli.common"
local options = require "suptree.options"
local text = require "suptree.text"
local timeline = require "suptree.timeline"

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

local function convert_failures(words)
    local path, times = words:match "^(.*)@([^@]*)$"
    if not path or path == "" then
        return nil, ("%s does not say when; write NAME@TIME,TIME, such as web@0,2,4"):format(text.quote(words))
    end
    local failures = { path = path }
    for word in (times .. ","):gmatch "([^,]*)," do
        local seconds, why = convert_time(word)
        if not seconds then return nil, why end
        failures[#failures + 1] = seconds
    end
    return failures
end

-- --- the play ------------------------------------------------------------------------------------------------------

local function collect(play)
    for _, event in ipairs(play.sim:events()) do play.events[#play.events + 1] = event end
end

-- A service fails, if it runs.
local function fail(play, path)
    collect(play)
    local state = play.sim:state(path)
    local how = state and state.kind == "thread" and { error = "simulated failure" } or { code = 1 }
    if state and play.sim:exit(path, how) then return end
    play.events[#play.events + 1] = {
        type = "note", time = play.sim:now(), path = path,
        words = state and ("does not run (%s), so it cannot fail"):format(state.state) or "is not there any more",
    }
end

-- Can these services fail? True, or false and the exit code, when it has been told why not.
local function check_failures(sim, failures)
    for _, failure in ipairs(failures) do
        local state = sim:state(failure.path)
        if not state then
            common.complain('there is no service "%s"%s; "suptree check" reads what there is', failure.path,
                text.did_you_mean(failure.path, sim:paths()))
            return false, common.UNKNOWN
        elseif state.kind == "supervisor" then
            common.complain("%s is a supervisor, which fails when its services do; name one of those", failure.path)
            return false, common.USAGE
        end
    end
    return true
end

local function perform(sim, failures, seconds)
    local play = { sim = sim, events = {} }
    sim:start()
    for _, failure in ipairs(failures) do
        for _, time in ipairs(failure) do
            sim:at(time, function() fail(play, failure.path) end)
        end
    end
    sim:advance(seconds)
    collect(play)
    return play.events
end

-- --- telling -------------------------------------------------------------------------------------------------------

local function print_lines(lines, paint)
    local path_width, time_width = 0, 0
    for _, line in ipairs(lines) do
        path_width, time_width = math.max(path_width, #line.path), math.max(time_width, #line.time)
    end
    for _, line in ipairs(lines) do
        local words = common.printable(line.words)
        print(("%s%s  %s%s  %s"):format((" "):rep(time_width - #line.time), line.time, line.path,
            (" "):rep(path_width - #line.path), line.colour and paint(line.colour, words) or words))
    end
end

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
    print_lines(lines)
    local code = sim:ended()
    local ending = code and ("; the tree ended with exit code %d"):format(code) or ""
    print("  " .. gave_up_words(nodes, paths, root) .. ending)
end

return {
    name = "simulate",
    description = "Plays a configuration through in virtual time with the policy that run uses, and starts nothing: "
        .. "who is restarted when, when a supervisor pauses and resumes, and what all of it adds up to. A service that "
        .. "is not told to fail runs on; one that is asked to stop does so at once; one that is to become ready by a "
        .. "file or by its own word is ready at once.",
    epilog = "Example: suptree simulate --fail web@0,2,4 --fail db@30 --for 2m",
    describe = function(parser)
        common.add_file(parser)
        parser:option("--fail", "Let a service fail at these times from the start: seconds, or texts such as 1m30s. "
            .. "May be given several times."):argname "NAME@TIMES":convert(convert_failures):count "*"
        parser:option("--for", "How long to play (default: 1m)."):argname "TIME":target "seconds":convert(convert_time)
        parser:option("--seed", "A whole number: the chance in jittered delays (default: 1)."):argname "N"
            :convert(function(words)
                local seed = math.tointeger(tonumber(words))
                if seed then return seed end
                return nil, ("%s is not a whole number"):format(text.quote(words))
            end)
        common.add_colour(parser)
    end,
    run = function(arguments)
        local settings = { colour = arguments.colour, consequence = "nothing was simulated", assume_ready = true }
        local result, code = common.compile(arguments.file, settings)
        if not result then return code end
        local sim = assert(require "suptree.sim"(result.blob, { seed = arguments.seed or 1 }))
        local failures, seconds = arguments.fail or {}, arguments.seconds or 60
        local good
        good, code = check_failures(sim, failures)
        if not good then return code end
        local kinds = kinds_of(sim)
        local events = perform(sim, failures, seconds)
        local root = result.summary.name
        print_lines(timeline.lines(events, root), common.painter(common.is_coloured(arguments.colour, 1)))
        print_summary(sim, events, kinds, seconds, root)
        return common.DONE
    end,
}
