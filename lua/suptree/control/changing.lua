--- The methods that change something. Each of them is recorded with the caller's uid, by the handle itself.
local json = require "suptree.json"
local nodes = require "suptree.control.nodes"

-- What a status of the core means to whoever asked.
local WORDS = {
    ok = function(verb) return verb .. ": done" end,
    waiting_for = function(_, other) return ("it waits for %s, which a person stopped; start that"):format(other) end,
    timeout = function() return "not there in the time given; it goes on" end,
    stopped = function() return "the tree has ended" end,
    not_reached = function(verb)
        return verb == "stop" and "it outlived its kill" or "it cannot get ready; explain says why"
    end,
    not_found = function() return "it is not there any more" end,
    limit = function() return "there is no memory for it; free some and try again" end,
    busy = function() return "too many commands are under way; try again" end,
}

local function result_text(handle, path, token, verb, answer)
    local words = answer.text
    if not words or words == "" then
        local describe = WORDS[answer.status]
        words = describe and describe(verb, answer.other or "another node") or answer.status
    end
    local node = handle:node(token)
    return ('{"path":%s,"status":"%s","message":%s%s%s}'):format(json.encode(path), answer.status, json.encode(words),
        answer.other and ',"for":' .. json.encode(answer.other) or "", node and ',"node":' .. node or "")
end

--- Their handlers. `errands`: wait(ticket, fn(status, node, text)).
return function(errands)
    local handlers = {}

    -- Give a command to each node, and reply when all have answered.
    local function command(call, given, verb)
        local tokens = nodes.select(call, given.paths, "cover")
        if not tokens then return end
        local handle, parts, left = call.handle, {}, #tokens
        local function answer(place, path, status, node, words)
            local other = status == "waiting_for" and node and handle:path(node) or nil
            parts[place] = result_text(handle, path, tokens[place], verb,
                { status = status, other = other, text = words })
            left = left - 1
            if left == 0 then call:reply('{"results":[' .. table.concat(parts, ",") .. "]}") end
        end
        for place, token in ipairs(tokens) do
            local path = handle:path(token) or "?"
            local ticket, why = handle:command(verb, token, given.context, given.wait, given.timeout)
            if ticket then
                errands.wait(ticket, function(...) answer(place, path, ...) end)
            else
                answer(place, path, why)
            end
        end
    end

    function handlers.start(call, given) command(call, given, "start") end
    function handlers.stop(call, given) command(call, given, "stop") end
    function handlers.restart(call, given) command(call, given, "restart") end

    function handlers.shutdown(call, given)
        local ticket, why = call.handle:command("shutdown", 0, given.context, true)
        if not ticket and why ~= "stopped" then return call:fail(why, "the tree cannot be asked to stop; try again") end
        if not ticket or not given.wait then return call:reply "{}" end
        errands.wait(ticket, function() call:reply "{}" end)
    end

    return handlers
end
