-- What runs once, and what runs at times. Try:
--   suptree run examples/timer          and in another terminal
--   suptree status                      when does what run next?
--   suptree status report               how did its last run go?
--   suptree start nightly               run it now
--   suptree simulate examples/timer --for 1d    a day in virtual time
local s = require "suptree"

return s.supervisor "timer" {
    -- Before anything else. It fails when the folder cannot be made, and is tried again.
    s.oneshot "prepare" { command = "mkdir -p data && echo the folder is there" },

    s.process "collector" {
        after = { "prepare" },
        command = "n=0; while sleep 0.2; do n=$((n + 1)); echo $n >>data/numbers; done",
    },

    -- From one start to the next; a run that is due while the former one goes on is left out.
    s.timer "report" {
        after = { "prepare" }, every = "2s",
        command = "echo $(wc -l <data/numbers) numbers so far",
    },

    -- As in crontab, local time. When the machine slept at that time, it runs as soon as it wakes up.
    s.timer "nightly" {
        after = { "prepare" }, at = "30 3 * * *", missed = "run", start_timeout = "1h",
        command = "mv data/numbers data/numbers.old && echo moved",
    },
}
