-- A server for the specs of sockets: lua5.4 passed.lua
-- It serves every socket that it was given and answers each connection with the name of the socket and its pid, a
-- datagram by the same. Whoever writes "exit N" first gets no answer: it exits with N.
local uv = require "luv"

assert(tonumber(os.getenv "LISTEN_PID") == uv.os_getpid(), "LISTEN_PID is of somebody else")
uv.new_signal():start "sigpipe" -- who calls may be gone before it is answered

local names = {}
for name in (os.getenv "LISTEN_FDNAMES"):gmatch "[^:]+" do names[#names + 1] = name end
assert(#names == tonumber(os.getenv "LISTEN_FDS"))

local function answer(server, new, name)
    return function()
        local client = new()
        server:accept(client)
        client:read_start(function(_, chunk)
            local code = chunk and chunk:match "^exit (%d+)"
            if code then os.exit(math.tointeger(tonumber(code))) end
            if client:is_closing() then return end
            if not chunk then return client:close() end
            client:write(("%s %d\n"):format(name, uv.os_getpid()), function() client:close() end)
        end)
    end
end

local function serve_datagrams(fd, name)
    local server = uv.new_udp()
    assert(server:open(fd))
    server:recv_start(function(_, chunk, from)
        if chunk and from then server:send(("%s %d\n"):format(name, uv.os_getpid()), from.ip, from.port) end
    end)
end

for place, name in ipairs(names) do
    local fd = 2 + place
    local kind = uv.guess_handle(fd)
    if kind == "udp" then
        serve_datagrams(fd, name)
    else
        local new = kind == "pipe" and function() return uv.new_pipe(false) end or uv.new_tcp
        local server = new()
        assert(server:open(fd))
        assert(server:listen(1024, answer(server, new, name)))
    end
end
io.stdout:write("it serves ", table.concat(names, " "), "\n")
io.stdout:flush()
uv.run()
