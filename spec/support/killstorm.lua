--- The storm: a tree of many services whose host is killed again and again, at random moments; then what everybody
-- noted is compared: `killstorm.check(killstorm.run { kills = 50, seed = 1 })` returns a list of what was wrong (empty:
-- nothing) and what was counted.
--
-- Services (bench/storm.c): long-lived ones write numbered records into log files; short-lived ones end with random
-- statuses, which they note in private files before they end. Held against it: the events, and the log files.
local live = require "spec.support.live"
local uv = require "luv"

local killstorm = {}

local RECORD = 64

-- Groups of short-lived services: what is lost shows in each of them in another way.
local groups = {
    { name = "plain", count = 20, options = 'failure_threshold = 1e9, failure_decay = "1h"', child = "" },
    { name = "delayed", count = 12, options = 'failure_threshold = 1e9, failure_decay = "1h"',
        child = 'restart_delay = "150ms", ' },
    { name = "pausing", count = 8,
        options = 'failure_threshold = 5, failure_decay = "1h", failure_backoff = "400ms"', child = "" },
}

local DELAY = 0.150
local PAUSE = 0.400
local LONG = 60

local function config(notes)
    local text = {
        'local s = require "suptree"',
        ('local storm, notes = %q, %q'):format(live.build .. "/bench/storm", notes),
        'local function group(name, count, mode, options, child)',
        '    for i = 1, count do',
        '        local own = { command = { storm, mode, notes, name .. i } }',
        '        for key, value in pairs(child) do own[key] = value end',
        '        if mode == "long" then own.log = { file = notes .. "/../logs/" .. name .. i } end',
        '        options[#options + 1] = s.process(name .. i)(own)',
        '    end',
        '    return s.supervisor(name)(options)',
        'end',
        'return s.supervisor "storm" { timeout = "5m",', -- whoever is late is not killed
        ('    group("long", %d, "long", {}, {}),'):format(LONG),
    }
    for _, group in ipairs(groups) do
        text[#text + 1] = ('    group(%q, %d, "short", { %s }, { %s }),'):format(group.name, group.count, group.options,
            group.child)
    end
    text[#text + 1] = '}'
    return table.concat(text, "\n") .. "\n"
end

-- --- killing ---------------------------------------------------------------------------------------------------------

--- Wait so many milliseconds, as exactly as the loop can.
local function pause(ms)
    local timer, done = assert(uv.new_timer()), false
    timer:start(ms, 1, function() done = true end) -- repeated: a loop without a timer would wait for ever
    while not done do uv.run "once" end
    timer:close()
    uv.run "nowait"
end

--- Kill each new host at a random moment of its life: half of them while they start or adopt. So many of 100 kills
-- hit suptree-log instead. Returns how many did.
local function kill_hosts(tree, count, loggers)
    local former, hit = {}, 0
    for _ = 1, count do
        local victim = math.random(100) <= loggers and "logger" or "host"
        if victim == "logger" then hit = hit + 1 end
        local found = live.wait("a new " .. victim, function()
            local pid = tree[victim](tree)
            return pid ~= former[victim] and pid
        end)
        pause(math.random(2) == 1 and math.random(0, 12) or math.random(0, 80))
        uv.kill(found, "sigkill")
        former[victim] = found
    end
    return hit
end

--- Up to so many more while the tree stops; it may be quicker.
local function kill_hosts_in_stop(tree, count)
    local former
    for _ = 1, count do
        local host = live.wait("a new host, or the end", function()
            local pid = tree:host()
            return tree.code and "ended" or pid ~= former and pid
        end)
        if host == "ended" then return end
        pause(math.random(0, 15))
        uv.kill(host, "sigkill")
        former = host
    end
end

-- --- what was noted --------------------------------------------------------------------------------------------------

--- What a service noted: { starts = { [generation] = pid }, ends = { [generation] = "exit 3" }, last = number }.
local function read_notes(path, wrong)
    local notes = { starts = {}, ends = {}, count = 0 }
    local name = path:match "[^/]*$"
    for line in (live.read_file(path) or ""):gmatch "([^\n]*)\n" do
        local generation, pid = line:match "^start (%d+) (%d+)$"
        local ended, status = line:match "^end (%d+) (.*)$"
        local last = line:match "^last (%d+)$"
        if generation then
            generation = math.tointeger(tonumber(generation))
            if notes.starts[generation] then wrong("%s: generation %d ran twice", name, generation) end
            notes.starts[generation] = tonumber(pid)
            notes.count = math.max(notes.count, generation)
        elseif ended then
            notes.ends[math.tointeger(tonumber(ended))] = status
        elseif last then
            notes.last = tonumber(last)
        else
            wrong("%s: a strange note: %s", name, line)
        end
    end
    return notes
end

--- Events, each once, in order of their numbers.
local function unique_events(tree, wrong)
    local events, highest, repeated = {}, 0, 0
    for _, event in ipairs(tree:every_event()) do
        if events[event.seq] then
            repeated = repeated + 1
            for key, value in pairs(event) do
                if events[event.seq][key] ~= value then
                    wrong("event %d was said twice, with different %s", event.seq, key)
                end
            end
        end
        events[event.seq] = event
        highest = math.max(highest, event.seq)
    end
    for seq = 1, highest do
        if not events[seq] then wrong("event %d is missing", seq) end
    end
    local list = {}
    for seq = 1, highest do list[#list + 1] = events[seq] end
    return list, repeated
end

--- path -> { launched = { [generation] = event }, ended = { … } }.
local function by_service(events, wrong)
    local services = {}
    for _, event in ipairs(events) do
        if event.kind == "process" and (event.type == "launched" or event.type == "ended") then
            services[event.path] = services[event.path] or { launched = {}, ended = {}, launches = 0 }
            local own = services[event.path]
            if own[event.type][event.generation] then
                wrong("%s: generation %d %s twice", event.path, event.generation, event.type)
            end
            own[event.type][event.generation] = event
            own.launches = math.max(own.launches, event.generation)
        end
    end
    return services
end

local signal_numbers = { KILL = 9, SEGV = 11, USR1 = 10, ABRT = 6, TERM = 15 }

local function status_of(event)
    if event.signal then return "signal " .. tostring(signal_numbers[event.signal] or event.signal) end
    return ("exit %d"):format(event.code or -1)
end

-- --- checks ----------------------------------------------------------------------------------------------------------

local function check_short(path, own, notes, wrong)
    for generation = 1, own.launches do
        local ended = own.ended[generation]
        local last = generation == own.launches
        if not own.launched[generation] then wrong("%s: generation %d was skipped", path, generation) end
        if not ended then
            wrong("%s: the end of generation %d was not told", path, generation)
        elseif notes.ends[generation] then
            if status_of(ended) ~= notes.ends[generation] then
                wrong("%s: generation %d ended with %s, told was %s", path, generation, notes.ends[generation],
                    status_of(ended))
            end
        elseif not last or status_of(ended) ~= "signal 15" then
            wrong("%s: generation %d was told to end with %s, it noted nothing", path, generation, status_of(ended))
        end
        -- The last one may have been stopped before it could note its start.
        if not notes.starts[generation] and not last then
            wrong("%s: generation %d was told to be launched, it noted nothing", path, generation)
        end
    end
    if notes.count > own.launches then
        wrong("%s: %d generations ran, %d were told", path, notes.count, own.launches)
    end
end

--- Times of the events cannot show a delay that is too short by more than the clock's rounding.
local function check_delays(path, own, wrong)
    for generation = 2, own.launches do
        local ended, launched = own.ended[generation - 1], own.launched[generation]
        if ended and launched and launched.time - ended.time < DELAY - 0.002 then
            wrong("%s: generation %d came %.3f s after the end before it, wanted was %.3f s", path, generation,
                launched.time - ended.time, DELAY)
        end
    end
end

local function check_long(name, own, notes, log, wrong)
    local pid = notes.starts[1]
    if not own or own.launches ~= 1 or notes.count ~= 1 then
        wrong("%s: restarted: %d generations ran, %d were told", name, notes.count, own and own.launches or 0)
    end
    if not pid then return 0 end
    if not notes.last then wrong("%s: did not end by being asked", name) end
    local number, at, text = 0, 1, live.read_file(log) or ""
    while at <= #text do
        local record = text:sub(at, at + RECORD - 1)
        local found = tonumber(record:match("^" .. name .. " (%d+) x+\n$"))
        if found ~= number + 1 then
            wrong("%s: record %d of its log is broken, missing or there twice: %q", name, number + 1, record)
            return number
        end
        number, at = found, at + RECORD
    end
    if notes.last and number ~= notes.last then
        wrong("%s: wrote %d records, its log has %d", name, notes.last, number)
    end
    return number
end

--- The counts in the events are a fold over the failures' times; a pause sets it back.
local function check_meter(group, events, wrong)
    local count, last, paused, paused_at, pauses = 0, nil, false, nil, 0
    for _, event in ipairs(events) do
        local parent = event.path:match "^(.*)/[^/]*$"
        if event.type == "failed" and parent == group.name then
            count = (last and count * 0.5 ^ (math.max(0, event.time - last) / 3600) or 0) + 1
            last = event.time
            if math.abs(event.count - count) > 0.01 + count * 1e-4 then
                wrong("%s: event %d says %g failures, counted were %g", group.name, event.seq, event.count, count)
                count = event.count
            end
        elseif event.path == group.name and event.type == "backoff" then
            if paused then wrong("%s: event %d pauses it twice", group.name, event.seq) end
            paused, paused_at, pauses = true, event.time, pauses + 1
        elseif event.path == group.name and event.type == "resume" then
            if not paused then
                wrong("%s: event %d resumes it, it was not paused", group.name, event.seq)
            elseif event.time - paused_at < PAUSE - 0.002 then
                wrong("%s: paused for %.3f s, wanted were %.3f s", group.name, event.time - paused_at, PAUSE)
            end
            count, last, paused = 0, nil, false
        end
    end
    return pauses
end

local function check(tree, notes_folder, logs, wrong)
    local events, repeated = unique_events(tree, wrong)
    local services = by_service(events, wrong)
    local counted = { events = #events, repeated = repeated, records = 0, ends = 0, pauses = 0, hosts = 0 }
    for i = 1, LONG do
        local name = "long" .. i
        local notes = read_notes(notes_folder .. "/" .. name, wrong)
        counted.records = counted.records
            + check_long(name, services["long/" .. name], notes, logs .. "/" .. name, wrong)
    end
    for _, group in ipairs(groups) do
        for i = 1, group.count do
            local path = group.name .. "/" .. group.name .. i
            local own = services[path] or { launched = {}, ended = {}, launches = 0 }
            local notes = read_notes(notes_folder .. "/" .. group.name .. i, wrong)
            check_short(path, own, notes, wrong)
            if group.name == "delayed" then check_delays(path, own, wrong) end
            counted.ends = counted.ends + own.launches
        end
        counted.pauses = counted.pauses + check_meter(group, events, wrong)
    end
    for _, event in ipairs(events) do
        if event.type == "host_restarted" then counted.hosts = counted.hosts + 1 end
    end
    return counted
end

-- --- the run ---------------------------------------------------------------------------------------------------------

--- Wait until every short-lived service has been launched once more: nothing that was pending got lost.
local function await_new_launches(tree)
    local before = {}
    for _, event in ipairs(tree:events()) do
        if event.type == "launched" then before[event.path] = math.max(before[event.path] or 0, event.generation) end
    end
    live.wait("every short-lived service to be launched again", function()
        local now, late = {}, false
        for _, event in ipairs(tree:events()) do
            if event.type == "launched" then now[event.path] = math.max(now[event.path] or 0, event.generation) end
        end
        for _, group in ipairs(groups) do
            for i = 1, group.count do
                local path = group.name .. "/" .. group.name .. i
                late = late or (now[path] or 0) <= math.max(before[path] or 0, 1)
            end
        end
        return not late
    end)
end

--- Compares what everybody noted in a storm that is over. Returns a list of what was wrong, and what was counted.
function killstorm.check(storm)
    local found = {}
    local function wrong(format, ...) found[#found + 1] = format:format(...) end
    if storm.code ~= 0 then wrong("the exit code is %s, not 0", tostring(storm.code)) end
    local counted = check(storm.tree, storm.notes, storm.logs, wrong)
    counted.kills, counted.loggers = storm.kills, storm.loggers
    return found, counted
end

--- `options`: kills; seed; loggers, how many of 100 kills hit suptree-log instead of the host; in_stop, how many more
-- hosts are killed while the tree stops. Raises when it cannot be run to its end. The caller calls
-- live.clean() afterwards. Returns the storm, for killstorm.check.
function killstorm.run(options)
    math.randomseed(options.seed)
    local folder = live.folder()
    local storm = { notes = folder .. "/notes", logs = folder .. "/logs", kills = options.kills }
    assert(uv.fs_mkdir(storm.notes, tonumber("700", 8)))
    assert(uv.fs_mkdir(storm.logs, tonumber("700", 8)))
    storm.tree = live.tree(config(storm.notes), {
        program = live.installation { "--test-eager" },
        args = { "--quiet", "--name", "storm-" .. tostring(uv.os_getpid()) },
    })
    storm.loggers = kill_hosts(storm.tree, options.kills, options.loggers or 0)
    await_new_launches(storm.tree)
    storm.tree:kill "TERM"
    kill_hosts_in_stop(storm.tree, options.in_stop or 0)
    storm.code = storm.tree:wait()
    return storm
end

--- One line of what was counted.
function killstorm.summary(counted)
    return ("%d kills (%d of suptree-log), %d hosts took over; %d exits, %d log records, %d events (%d said again), "
        .. "%d pauses"):format(counted.kills, counted.loggers, counted.hosts, counted.ends, counted.records,
        counted.events, counted.repeated, counted.pauses)
end

return killstorm
