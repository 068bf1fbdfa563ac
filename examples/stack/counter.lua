-- counter.lua SOCKET PAGE: four times a second it counts in redis and writes the number into the page.
-- When redis goes away it ends with an error, and is started again until redis is back.
local uv = require "luv"

local socket, page = arg[1], arg[2]

local function write_page(number)
    local file = assert(io.open(page .. ".new", "w"))
    file:write("counted to ", number, "\n")
    assert(file:close())
    assert(os.rename(page .. ".new", page)) -- a reader sees the old page or the new one
end

local redis = uv.new_pipe(false)
local received = ""
redis:connect(socket, function(err)
    assert(not err, err)
    redis:read_start(function(failure, chunk)
        assert(chunk, failure or "redis has closed the connection")
        received = received .. chunk
        while true do
            local reply, rest = received:match "^([^\r\n]*)\r\n(.*)$"
            if not reply then return end
            received = rest
            write_page(assert(reply:match "^:(%d+)$", reply))
        end
    end)
    local timer = uv.new_timer()
    timer:start(0, 250, function() redis:write "INCR counter\r\n" end)
end)
uv.run()
