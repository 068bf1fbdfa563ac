--- Reading the configuration again for whoever asks: a client, SIGHUP, or a file that was saved. What is wrong with it
-- is told, the tree runs on as before. Knows nothing of how a reload goes on.
local declaration = require "suptree.declaration"
local groups = require "suptree.control.groups"
local json = require "suptree.json"
local Reload = require "suptree.control.reload"
local text = require "suptree.text"

local NO_FILE = "this tree was not started from a file; name the configuration that you mean"
local NO_FORMER = "there is no configuration before the one that runs: nothing to go back to"

local function way(back) return back and "back" or "forth" end

local function texts_of(faults)
    local lines = json.array {}
    for place, fault in ipairs(faults) do lines[place] = tostring(fault) end
    return lines
end

-- The faults as one line, for the error of a call.
local function headline(faults)
    local more = #faults - 1
    return ("%s%s; nothing has changed"):format(tostring(faults[1]),
        more > 0 and (" (and %s)"):format(text.count(more, "more error")) or "")
end

--- `world`: native, say, errands, compiling. Returns handlers by method, and a function that reloads without a client.
return function(world)
    local native, say = world.native, world.say
    local source = native.source()
    local handlers = {}

    local function refuse(words)
        return { faults = declaration.faults { declaration.fault("", "", "", words) } }
    end

    -- What is read of `file` (nil: the tree's own) goes to `done`: { blob, files } or { faults, files }.
    local function read(file, done, begun)
        begun = begun or function() end
        if not file and not source.file then
            begun()
            return done(refuse(NO_FILE))
        end
        local started = world.compiling:start(file or source.file, source.name, function(result, faults, files)
            done(result or { faults = faults, files = files })
        end, begun)
        if started then return end
        begun()
        done(refuse "too many configurations wait to be read; try again")
    end

    -- A configuration that cannot be used is an event, too.
    local function tell_refused(faults)
        local lines = texts_of(faults)
        for _, line in ipairs(lines[2] and lines or {}) do say(line) end
        local why = lines[2] and ("%d errors, of which the first is: %s"):format(#lines, lines[1]) or lines[1]
        native.reload(nil, { why = why })
    end

    local function fail_config(call, faults)
        call:fail("config", headline(faults), { faults = texts_of(faults) })
    end

    -- The blob that a call means, for `use(blob)`: what ran before, or what stands in a file.
    local function with_blob(call, given, back, use)
        if back then
            local blob = native.former()
            if not blob then return call:fail("refused", NO_FORMER) end
            return use(blob)
        end
        read(given.file, function(result)
            if result.blob then return use(result.blob) end
            if given.reloads then tell_refused(result.faults) end
            fail_config(call, result.faults)
        end)
    end

    function handlers.plan(call, given)
        local changes = given.file or given.secrets
        if changes and call.peer.role ~= "write" then
            return call:fail("refused", "only who may change something may name a file or see secrets")
        end
        with_blob(call, given, given.rollback, function(blob)
            local plan, why = call.handle:plan(blob, way(given.rollback), given.secrets, groups.notes(call.handle))
            if plan then return call:reply(plan) end
            call:fail("config", why, { faults = json.array { why } })
        end)
    end

    local function reload(call, given, back)
        given.reloads = true
        with_blob(call, given, back, function(blob)
            local plan, why = call.handle:plan(blob, way(back), false, groups.notes(call.handle))
            if not plan then
                tell_refused { why }
                return call:fail("config", why, { faults = json.array { why } })
            end
            if given.progress then call:notify("plan", plan) end
            Reload.begin(world, {
                blob = blob, plan = plan,
                hand_in = function(bytes, wishes) return call.handle:reload(bytes, wishes) end,
                wishes = { back = back, keep = not given.rollback, wait = given.wait, timeout = given.timeout },
                settle = given.settle,
                progress = given.progress and function(path, state)
                    call:notify("progress", ('{"id":%s,"path":%s,"state":"%s"}'):format(call.id or "null",
                        json.encode(path), state))
                end or nil,
                done = function(outcome, message, results)
                    if not outcome then
                        local data = message == "config" and { faults = json.array { results } } or nil
                        return call:fail(message, results, data)
                    end
                    call:reply(('{"plan":%s,"outcome":"%s","message":%s,"results":%s}'):format(plan, outcome,
                        json.encode(message), results))
                end,
            })
        end)
    end

    function handlers.reload(call, given) reload(call, given, false) end

    function handlers.rollback(call, given) reload(call, given, true) end

    -- --- without a client ------------------------------------------------------------------------------------------

    local function tell_done(outcome, message, words)
        -- Events have told of a reload and of a rollback.
        if outcome == "unchanged" then say(message) end
        if not outcome then say(("not reloaded: %s"):format(words)) end
    end

    local function apply(blob)
        local plan, why = native.plan(blob, "forth", groups.notes(native))
        if not plan then return tell_refused { why } end
        Reload.begin(world, { blob = blob, plan = plan, hand_in = native.reload, wishes = {}, done = tell_done })
    end

    local queued = false -- a reload for SIGHUP that has not begun to read: another one would read the same

    -- Reload for SIGHUP, or because a file was saved. `look(result)` may say no to what was read, by false.
    local function asked(look)
        if not look and queued then return end
        queued = queued or not look
        read(nil, function(result)
            if look and not look(result) then return end
            if result.blob then apply(result.blob) else tell_refused(result.faults) end
        end, not look and function() queued = false end or nil)
    end

    return handlers, asked
end
