-- A server for the specs of probes: lua5.4 listener.lua tcp|unix PORT|PATH FILE
-- It listens once FILE is there. What stands in FILE says, at each connection, what it does: a status is an answer
-- by HTTP, "hang" says nothing, "close" cuts the connection; "deaf" closes the listening socket until that changes.
local uv = require "luv"

local how, where, path = ...
local server

local function wish()
    local file = io.open(path, "rb")
    local text = file and file:read "a"
    if file then file:close() end
    return text and text:match "%S+"
end

local function answer(client)
    local word = wish()
    if word == "close" then return client:close() end
    if word == "hang" then return end
    local body = "it is " .. word .. "\n"
    client:write(("HTTP/1.1 %s x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"):format(word, #body, body),
        function() client:close() end)
end

local function accept()
    local client = how == "unix" and uv.new_pipe(false) or uv.new_tcp()
    server:accept(client)
    client:read_start(function(_, chunk)
        if client:is_closing() then return end
        if not chunk then client:close() elseif chunk:find("\r\n\r\n", 1, true) then answer(client) end
    end)
end

local function open()
    if how == "unix" then
        os.remove(where)
        server = uv.new_pipe(false)
        assert(server:bind(where))
    else
        server = uv.new_tcp()
        assert(server:bind("127.0.0.1", tonumber(where)))
    end
    assert(server:listen(64, accept))
    io.stdout:write "it listens\n"
    io.stdout:flush()
end

uv.new_timer():start(0, 10, function()
    local word = wish()
    if word and word ~= "deaf" and not server then
        open()
    elseif word == "deaf" and server then
        server:close()
        server = nil
    end
end)
uv.run()
