-- Answers at its first socket, which is descriptor 3: LISTEN_FDS and LISTEN_FDNAMES say what else there is, LISTEN_PID
-- whether it is meant. Ends well when nobody has called for IDLE seconds.
local uv = require "luv"

assert(tonumber(os.getenv "LISTEN_PID") == uv.os_getpid(), "to be run by suptree, which gives it a socket")
uv.new_signal():start "sigpipe" -- a caller may be gone before he is answered

local idle = tonumber(os.getenv "IDLE")
local timer = uv.new_timer()

local function wait_for_callers()
    if idle then timer:start(math.floor(idle * 1000), 0, function() os.exit(0) end) end
end

local is_unix = uv.guess_handle(3) == "pipe"
local function new() return is_unix and uv.new_pipe(false) or uv.new_tcp() end

local server = new()
assert(server:open(3))
assert(server:listen(1024, function()
    local client = new()
    server:accept(client)
    wait_for_callers()
    client:read_start(function(_, chunk)
        if client:is_closing() then return end
        if not chunk then return client:close() end
        local body = ("%s, says process %d\n"):format(os.getenv "SAYS", uv.os_getpid())
        client:write("HTTP/1.0 200 OK\r\n\r\n" .. body, function() client:close() end)
    end)
end))
wait_for_callers()
uv.run()
