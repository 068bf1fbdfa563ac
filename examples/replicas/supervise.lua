-- Three of the same, and one that needs all of them. While it runs, in another shell:
--   suptree scale web=5              two more; "suptree plan" shows that the next reload would take them away
--   suptree restart --rolling web    one after another: at each moment the others run
--   suptree status web               all of them; web@2 is the second
local s = require "suptree"

return s.supervisor "farm" {
    s.process "web" {
        replicas = 3,
        command = "echo web $SUPTREE_REPLICA would listen on port $((8000 + SUPTREE_REPLICA)); exec sleep infinity",
    },

    s.process "proxy" { command = "echo all of them are there; exec sleep infinity", after = { "web" } },

    s.thread "counter" {
        replicas = 2,
        run = function(ctx)
            ctx:log("I am counter " .. ctx.replica)
            while ctx:sleep(60) do end
        end,
    },
}
