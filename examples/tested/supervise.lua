-- A shop whose supervision is tested: tree_spec.lua beside this file proves what happens when parts of it fail.
local s = require "suptree"

return s.supervisor "shop" {
    failure_threshold = 5,

    s.process "db" {
        command = { "redis-server", "--port", "0", "--unixsocket", "db.sock" },
        ready = s.ready.file "db.sock",
    },

    s.process "web" {
        command = { "./web", "--port", "8080" },
        after = { "db" },
    },

    s.supervisor "jobs" {
        failure_threshold = 3,
        failure_decay = "30s",
        failure_backoff = "8s",

        s.process "mailer" { command = { "./mailer" } },
    },
}
