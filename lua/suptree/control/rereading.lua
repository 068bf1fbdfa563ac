--- The signal "reload": a service reads its own settings again, by its reload_signal, and where it says by sd_notify
-- how far it is (RELOADING=1, then READY=1), the answer waits for that.
local options = require "suptree.options"
local uv = require "luv"

local rereading = {}

local LOOK_MS = 50
local BEGIN_MS = 2000 -- for the first word of it
local USUAL_MS = 60000

local NONE = "it has no reload_signal; say which signal makes it read its settings again, such as "
    .. "reload_signal = \"HUP\", or restart it"

-- One service. `answer(status, words)` is called once; the returned function looks again, true: it has answered.
local function begin(handle, token, send, patience_ms, wants_end, answer)
    local signal, says, before_ns, _, instance = handle:rereads(token)
    if not signal or signal == 0 then
        answer("invalid", signal and NONE or nil)
        return function() return true end
    end
    local sent, status, words = send(token, signal)
    local name = options.signal_name(signal) or tostring(signal)
    if not sent or not says or not wants_end then
        answer(sent and "ok" or status, sent and ("signal %s was sent"):format(name) or words)
        return function() return true end
    end
    local begun_ms = uv.now()
    return function()
        local _, _, reloaded_ns, reloading, now_instance = handle:rereads(token)
        local waited_ms = uv.now() - begun_ms
        if now_instance ~= instance then
            answer("not_reached", "it ended instead of reading its settings; see its output")
        elseif reloaded_ns ~= before_ns and not reloading then
            answer("ok", "it has read its settings again")
        elseif reloaded_ns == before_ns and waited_ms > BEGIN_MS then
            answer("ok", ("signal %s was sent; it does not say when it is done"):format(name))
        elseif waited_ms > patience_ms then
            answer("timeout", "it still reads its settings")
        else
            return false
        end
        return true
    end
end

--- Begin for each of `tokens`. `send(token, signal)`: true, or nil, a status and words; `answer(place, status, words)`:
-- called once for each.
function rereading.start(world, call, tokens, given, send, answer)
    local looks, watch = {}, { connection = call.connection }
    local timer
    local function stop()
        if timer then timer:close() end
        timer = nil
        world.follower:unwatch(watch)
    end
    local patience_ms = given.timeout and given.timeout * 1000 or USUAL_MS
    for place, token in ipairs(tokens) do
        local answered = false
        local look = begin(call.handle, token, send, patience_ms, given.wait, function(...)
            answered = true
            answer(place, ...)
        end)
        if not answered then looks[#looks + 1] = look end
    end
    if not looks[1] then return end
    function watch.look() end
    function watch.gone()
        if timer then timer:close() end
        timer = nil
    end
    world.follower:watch(watch, call.handle:events())
    timer = uv.new_timer()
    timer:start(LOOK_MS, LOOK_MS, function()
        for place = #looks, 1, -1 do
            if looks[place]() then table.remove(looks, place) end
        end
        if not looks[1] then stop() end
    end)
end

return rereading
