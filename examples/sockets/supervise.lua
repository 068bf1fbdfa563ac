-- Sockets that outlive who serves them. While it runs, in another shell:
--   while curl -s localhost:8080; do :; done     calls without pause; then, in a third shell:
--   suptree restart greeter                      or kill -9 its pid, or suptree's host: nobody is refused
--   echo | nc -U -q1 clock.sock                  starts the clock, which ends when nobody has called for a while
local s = require "suptree"

return s.supervisor "sockets" {
    s.process "greeter" {
        command = { "lua5.4", "served.lua" },
        sockets = { http = "127.0.0.1:" .. (os.getenv "PORT" or "8080") },
        env = { SAYS = "hello" },
    },

    -- Not started before somebody wants to know.
    s.process "clock" {
        command = { "lua5.4", "served.lua" },
        sockets = { clock = { address = "unix:clock.sock", mode = "0666" } },
        activation = true,
        env = { SAYS = "the time, whatever it is", IDLE = 1 },
    },
}
