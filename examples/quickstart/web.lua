-- A web server in forty lines: GET / says how often it has been started, GET /crash makes it end.
local uv = require "luv"

local port = tonumber(os.getenv "PORT")
local generation = os.getenv "SUPTREE_GENERATION" or "?"
local visits = 0

local function answer(path)
    if path == "/" then
        visits = visits + 1
        return "200 OK", ("Hello. I am start number %s of this server, this is visit %d.\n"):format(generation, visits)
    elseif path == "/crash" then
        return "200 OK", "Goodbye. I shall be back at once.\n"
    end
    return "404 Not Found", "There is / and /crash.\n"
end

local function serve(client, request)
    local path = request:match "^GET (%S+)"
    local status, text = answer(path)
    print(("%s -> %s"):format(path or "?", status))
    local head = ("HTTP/1.0 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"):format(status, #text)
    client:write(head .. text, function()
        client:close()
        if path == "/crash" then os.exit(3) end
    end)
end

io.stdout:setvbuf "line"
local server = uv.new_tcp()
assert(server:bind("127.0.0.1", port))
assert(server:listen(16, function()
    local client, request = uv.new_tcp(), ""
    server:accept(client)
    client:read_start(function(err, chunk)
        if err or not chunk or #request > 65536 then return client:is_closing() or client:close() end
        request = request .. chunk
        if request:find("\r\n\r\n", 1, true) then
            client:read_stop()
            serve(client, request)
        end
    end)
end))
print(("listening on http://127.0.0.1:%d/"):format(port))
uv.run()
