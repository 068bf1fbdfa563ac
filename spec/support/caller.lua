--- Callers for the specs of sockets: they connect without pause, and count what becomes of it.
local uv = require "luv"

local caller = {}

-- A server that ends may do so before a word has reached it.
local ignored = uv.new_signal()
ignored:start "sigpipe"
ignored:unref()

--- A port that nobody listens at just now.
caller.free_port = require "spec.support.live".port

local function connect(address, done)
    local port = math.tointeger(tonumber(address))
    if port then
        local socket = uv.new_tcp()
        socket:connect("127.0.0.1", port, function(err) done(socket, err) end)
    else
        local socket = uv.new_pipe(false)
        socket:connect(address, function(err) done(socket, err) end)
    end
end

--- Connect once to a port or path and say `word`; `done(err, answer)` when it is over. err: why no connection came
-- to be.
function caller.call(address, word, done)
    connect(address, function(socket, err)
        if err then
            socket:close()
            return done(err)
        end
        local answer = ""
        socket:write(word .. "\n")
        socket:read_start(function(_, chunk)
            if chunk then
                answer = answer .. chunk
            elseif not socket:is_closing() then
                socket:close()
                done(nil, answer)
            end
        end)
    end)
end

--- Call without pause until `calls.stop` is set: counts in answered, cut (connected, but no answer) and refused; pids:
-- who has answered; open: whether a call is under way.
function caller.begin(address)
    local calls = { answered = 0, cut = 0, refused = 0, pids = {}, open = true }
    local function again()
        if calls.stop then
            calls.open = false
            return
        end
        caller.call(address, "hello", function(err, answer)
            local pid = answer and answer:match "^%S+ (%d+)\n$"
            if err then
                calls.refused = calls.refused + 1
                calls.why = err
            elseif pid then
                calls.answered = calls.answered + 1
                calls.pids[tonumber(pid)] = true
            else
                calls.cut = calls.cut + 1
            end
            again()
        end)
    end
    again()
    return calls
end

return caller
