-- A web server that runs on and on, and a worker that crashes every two seconds. Watch what is said: the worker is
-- started again at once; after the fourth crash in a short time its supervisor pauses for eight seconds and resumes.
-- The web server is under another supervisor and notices nothing. Try: curl http://127.0.0.1:8080/crash
local s = require "suptree"

return s.supervisor "quickstart" {
    failure_threshold = 5,

    s.process "web" {
        command = { "lua5.4", "web.lua" },
        env = { PORT = os.getenv "PORT" or 8080 },
        description = "a web server in Lua",
    },

    s.supervisor "jobs" {
        failure_threshold = 3,
        failure_decay = "30s",
        failure_backoff = "8s",

        s.process "worker" {
            command = { "lua5.4", "worker.lua" },
            description = "does its work, but not for long",
        },
    },
}
