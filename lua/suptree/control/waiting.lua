--- The method wait, and what calls that wait hear meanwhile.
local cjson = require "cjson"
local json = require "suptree.json"
local nodes = require "suptree.control.nodes"
local timeline = require "suptree.timeline"
local uv = require "luv"

local waiting = {}

-- States in which nothing comes up by itself.
local DOWN = { failed = true, done = true, stuck = true }

local function comes_up(state, held, cause)
    if DOWN[state] then return false end
    return not (state == "stopped" and (held or cause == "disabled" or cause == "finished"))
end

-- What the words of `state` mean: true: it is there; false: it cannot come by itself; nil: not yet.
local wishes = {
    ready = function(state, ready, held, cause)
        if ready then return true end
        if not comes_up(state, held, cause) then return false end
    end,
    running = function(state, _, held, cause)
        if state == "running" or state == "paused" then return true end
        if not comes_up(state, held, cause) then return false end
    end,
    stopped = function(state)
        if state == "stopped" or state == "done" or state == "failed" then return true end
        if state == "stuck" then return false end
    end,
}

local function judge(handle, token, wish)
    local state, ready, held, cause, ended = handle:look(token)
    if not state then return (wish == "stopped" or wish == "done") and "ok" or "not_found" end
    local verdict
    if wishes[wish] then verdict = wishes[wish](state, ready, held, cause)
    elseif state == wish then verdict = true end
    if verdict == nil then return ended and "stopped" or nil end
    return verdict and "ok" or "not_reached"
end

local function message_of(status, wish, handle, token)
    if status == "ok" then return "it is " .. wish end
    if status == "not_found" then return "it is not there any more" end
    if status == "stopped" then return "the tree has ended" end
    local state = handle:look(token) or "gone"
    if status == "timeout" then return ("it is not %s in the time given, but %s"):format(wish, state) end
    return ("it will not be %s by itself: it is %s; explain says why"):format(wish, state)
end

local function result_text(handle, target, status, wish)
    local node = handle:node(target.token)
    return ('{"path":%s,"status":"%s","message":%s%s}'):format(json.encode(target.path), status,
        json.encode(message_of(status, wish, handle, target.token)), node and ',"node":' .. node or "")
end

-- --- the method -----------------------------------------------------------------------------------------------------

local function start(call, follower, targets, given)
    local handle, open = call.handle, #targets
    local watch = { connection = call.connection }
    local timer
    local function finish()
        local parts = {}
        for place, target in ipairs(targets) do parts[place] = target.text end
        if timer then timer:close() end
        timer = nil
        follower:unwatch(watch)
        call:reply('{"results":[' .. table.concat(parts, ",") .. "]}")
    end
    local function settle(target, status)
        target.text = result_text(handle, target, status, given.state)
        open = open - 1
    end
    function watch.look()
        for _, target in ipairs(targets) do
            local status = not target.text and judge(handle, target.token, given.state)
            if status then settle(target, status) end
        end
        if open == 0 then finish() end
    end
    function watch.gone()
        if timer then timer:close() end
        timer = nil
    end
    watch.look()
    if open == 0 then return end
    follower:watch(watch, handle:events())
    watch.look() -- what happened in between
    if open == 0 or not given.timeout then return end
    timer = uv.new_timer()
    timer:start(math.ceil(given.timeout * 1000), 0, function()
        for _, target in ipairs(targets) do
            if not target.text then settle(target, "timeout") end
        end
        finish()
    end)
end

--- Its handler. `follower`: control/follower.lua.
function waiting.handlers(follower)
    return {
        wait = function(call, given)
            local tokens = nodes.select(call, given.paths, "each")
            if not tokens then return end
            local targets = {}
            for place, token in ipairs(tokens) do
                targets[place] = { token = token, path = call.handle:path(token) or "?" }
            end
            start(call, follower, targets, given)
        end,
    }
end

-- --- failures -------------------------------------------------------------------------------------------------------

--- Call `told(place, words)` for each of `paths` that fails, or below which something does: whoever waits for it to
-- come up should know, although it may be tried again, and again. Returns a function that ends that.
function waiting.failures(call, follower, paths, told)
    local watch = { connection = call.connection }
    function watch.look() end
    function watch.event(_, line)
        if not line:find('"type":"failed"', 1, true) then return end
        local event = cjson.decode(line)
        for place, wanted in ipairs(paths) do
            if event.path == wanted then
                told(place, "it " .. timeline.words(event))
            elseif wanted == "." or event.path:sub(1, #wanted + 1) == wanted .. "/" then
                told(place, ("%s %s"):format(event.path, timeline.words(event)))
            end
        end
    end
    follower:watch(watch, call.handle:events())
    return function() follower:unwatch(watch) end
end

-- --- progress -------------------------------------------------------------------------------------------------------

--- Tell a call that waits for `paths` what its nodes, and those below them, come to. Returns a function that ends that.
function waiting.progress(call, follower, paths)
    local watch = { connection = call.connection }
    local function is_meant(path)
        for _, wanted in ipairs(paths) do
            if path == wanted or path:sub(1, #wanted + 1) == wanted .. "/" or wanted == "." then return true end
        end
    end
    function watch.look() end
    function watch.event(_, line)
        local kind, path = line:match '"type":"([^"]*)","path":"([^"]*)"'
        if not path or not is_meant(path) then return end
        local tokens = call.handle:select({ path }, "each")
        local state = tokens and tokens[1] and call.handle:look(tokens[1]) or "gone"
        call:notify("progress", ('{"id":%s,"path":%s,"state":"%s","event":"%s"}'):format(call.id or "null",
            json.encode(path), state, kind))
    end
    follower:watch(watch, call.handle:events())
    return function() follower:unwatch(watch) end
end

return waiting
