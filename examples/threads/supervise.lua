-- Lua functions on threads, beside a process. The counter is a module and runs for ever; the gambler loses sooner or
-- later and is started again with a fresh state. Ctrl-C ends all, also the stubborn one, which never listens.
local s = require "suptree"

local words = { "lost everything", "lost his coat", "lost his horse" }

return s.supervisor "threads" {
    timeout = "1s", failure_threshold = 3, failure_backoff = "3s",

    s.thread "counter" { run = "counter", args = { every = "500ms" } },
    s.thread "gambler" {
        run = function(ctx)
            if ctx:sleep(math.random()) then error(words[math.random(#words)]) end
        end,
    },
    s.thread "stubborn" { run = function() while true do end end },
    s.process "clock" { command = "while date; do sleep 1; done" },
}
