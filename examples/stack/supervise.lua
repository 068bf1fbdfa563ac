-- redis and nginx from Debian's packages, with folders of their own under run/, and a script that uses both: it counts
-- in redis and writes the page that nginx serves. script/stack installs the packages and runs this.
local s = require "suptree"

local port = os.getenv "PORT" or 8089

return s.supervisor "stack" {
    timeout = "10s",

    s.process "redis" {
        command = "mkdir -p run/redis && rm -f run/redis/socket && exec redis-server redis.conf",
        ready = s.ready.file "run/redis/socket",
        log = { file = "run/redis.log", max_size = "1MiB", max_files = 5, timestamps = "iso8601" },
    },

    s.process "counter" {
        command = "mkdir -p run/www && exec lua5.4 counter.lua run/redis/socket run/www/index.html",
        after = { "redis" },
        restart_delay = "500ms", -- when redis dies, it dies too: redis gets the time to come back
        ready = s.ready.file "run/www/index.html",
    },

    s.process "nginx" {
        command = ([[
            mkdir -p run/nginx && printf 'listen 127.0.0.1:%s;' > run/nginx/listen.conf &&
            exec nginx -p run/nginx -e stderr -c ../../nginx.conf]]):format(port),
        after = { "counter" },
        stop_signal = "QUIT", -- nginx then answers what it has begun
        ready = s.ready.file "run/nginx/pid",
    },
}
