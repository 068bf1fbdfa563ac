--- The methods that change something. Each of them is recorded with the caller's uid, by the handle itself.
local cjson = require "cjson"
local json = require "suptree.json"
local message = require "suptree.control.message"
local nodes = require "suptree.control.nodes"
local rereading = require "suptree.control.rereading"
local rolling = require "suptree.control.rolling"
local options = require "suptree.options"
local text = require "suptree.text"
local waiting = require "suptree.control.waiting"

local DONE = { restart = "it runs again", start = "it runs", stop = "it is down" }
local ACCEPTED = { restart = "it will restart", start = "it will start", stop = "it will stop" }

-- What a status of the core means to whoever asked.
local WORDS = {
    ok = function(verb, _, waited) return (waited and DONE or ACCEPTED)[verb] end,
    waiting_for = function(_, other) return ("it waits for %s, which a person stopped; start that"):format(other) end,
    timeout = function() return "not there in the time given; it goes on" end,
    stopped = function(_, _, _, node) return node and "the tree has ended" or "it ended, and has left the tree" end,
    not_reached = function(verb, _, _, node)
        if verb ~= "stop" then return "it cannot get ready; explain says why" end
        local held_by = node and cjson.decode(node).stuck_on
        return "it outlived its kill" .. (held_by and ": " .. held_by or "")
    end,
    not_found = function() return "it is not there any more" end,
    limit = function() return "there is no memory for it; free some and try again" end,
    busy = function() return "too many commands are under way; try again" end,
}

-- Why a signal was not sent.
local NOT_SENT = {
    not_running = "nothing of it runs", invalid = "it is no process: only processes get signals",
    busy = "descriptors have run out, so it cannot be done safely; try again",
}

local function result_text(handle, path, token, verb, answer)
    local words, node = answer.text, handle:node(token)
    if not words or words == "" then
        local describe = WORDS[answer.status]
        words = describe and describe(verb, answer.other or "another node", answer.waited, node) or answer.status
    end
    return ('{"path":%s,"status":"%s","message":%s%s%s}'):format(json.encode(path), answer.status, json.encode(words),
        answer.other and ',"for":' .. json.encode(answer.other) or "", node and ',"node":' .. node or "")
end

local function paths_of(handle, tokens)
    local paths = {}
    for place, token in ipairs(tokens) do paths[place] = handle:path(token) or "?" end
    return paths
end

--- Their handlers. `world`: errands: wait(ticket, fn(status, node, text)); follower: control/follower.lua; say(line).
return function(world)
    local handlers, errands, follower = {}, world.errands, world.follower

    -- Give a command to each node, and reply when all have answered.
    local function command(call, given, verb)
        local tokens = nodes.select(call, given.paths, "cover")
        if not tokens then return end
        local handle, parts, left = call.handle, {}, #tokens
        local paths = paths_of(handle, tokens)
        local done = given.progress and given.wait and waiting.progress(call, follower, paths)
        local settled
        local function answer(place, status, node, words)
            if parts[place] then return end -- its failure has been told
            local path = paths[place]
            local other = status == "waiting_for" and node and handle:path(node) or nil
            parts[place] = result_text(handle, path, tokens[place], verb,
                { status = status, other = other, text = words, waited = given.wait })
            left = left - 1
            if left > 0 then return end
            if done then done() end
            if settled then settled() end
            call:reply('{"results":[' .. table.concat(parts, ",") .. "]}")
        end
        if verb ~= "stop" and given.wait then
            settled = waiting.failures(call, follower, paths, function(place, said)
                answer(place, "not_reached", nil, said)
            end)
        end
        for place, token in ipairs(tokens) do
            local ticket, why = handle:command(verb, token, given.context, given.wait, given.timeout)
            if ticket then
                errands.wait(ticket, function(...) answer(place, ...) end)
            else
                answer(place, why)
            end
        end
    end

    function handlers.start(call, given) command(call, given, "start") end
    function handlers.stop(call, given) command(call, given, "stop") end

    function handlers.restart(call, given)
        if given.rolling then return rolling.restart(world, call, given) end
        command(call, given, "restart")
    end

    -- Send it; true, or nil, a status and words.
    local function send(handle, token, number)
        local sent, why = handle:signal(token, number)
        if sent then return true end
        return nil, NOT_SENT[why] and why or "refused", NOT_SENT[why] or why
    end

    local function reread(call, given, tokens)
        local handle, parts, left = call.handle, {}, #tokens
        local paths = paths_of(handle, tokens)
        rereading.start(world, call, tokens, given, function(token, number) return send(handle, token, number) end,
            function(place, status, words)
                local answer = { status = status, text = words or NOT_SENT[status] }
                parts[place] = result_text(handle, paths[place], tokens[place], "signal", answer)
                left = left - 1
                if left == 0 then call:reply('{"results":[' .. table.concat(parts, ",") .. "]}") end
            end)
    end

    function handlers.signal(call, given)
        if given.signal:lower() == "reload" then
            local tokens = nodes.select(call, given.paths, "each")
            return tokens and reread(call, given, tokens)
        end
        local number = math.tointeger(tonumber(given.signal)) or options.signal(given.signal)
        if not number or number < 1 or number > 64 then
            return call:fail(message.PARAMS, ("signal: %s is none; a name such as HUP is expected, or a number from "
                .. "1 to 64"):format(text.quote(given.signal)))
        end
        local tokens = nodes.select(call, given.paths, "each")
        if not tokens then return end
        local name, parts = options.signal_name(number) or tostring(number), {}
        for place, token in ipairs(tokens) do
            local path = call.handle:path(token) or "?"
            local sent, status, words = send(call.handle, token, number)
            local answer = { status = status or "ok", text = sent and ("signal %s was sent"):format(name) or words }
            parts[place] = result_text(call.handle, path, token, "signal", answer)
        end
        call:reply('{"results":[' .. table.concat(parts, ",") .. "]}")
    end

    function handlers.environment(call, given)
        local tokens = nodes.select(call, { given.path }, "each")
        if not tokens then return end
        local result, why = call.handle:environment(tokens[1])
        if result and #tokens == 1 then return call:reply(result) end
        if result then return call:fail("invalid", ("%s: %d nodes are meant; name one, such as %s"):format(
            given.path, #tokens, call.handle:path(tokens[1]) or "?")) end
        local words = { invalid = "it is no process", not_found = "it is not there any more" }
        call:fail(why, ("%s: %s"):format(given.path, words[why] or "there is no memory for it"), { path = given.path })
    end

    function handlers.shutdown(call, given)
        local ticket, why = call.handle:command("shutdown", 0, given.context, true)
        if not ticket and why ~= "stopped" then return call:fail(why, "the tree cannot be asked to stop; try again") end
        if not ticket or not given.wait then return call:reply "{}" end
        errands.wait(ticket, function() call:reply "{}" end)
    end

    return handlers
end
