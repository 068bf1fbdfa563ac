-- A page that is made of real daemons: nginx hands each visit on to shop.py, which counts it in redis and PostgreSQL
-- and keeps its greeting in memcached. script/stack installs them from Debian's packages and runs this.
-- Started by root, each runs as the user that its package brings; else all run as who started it.
local s = require "suptree"

local port = tonumber(os.getenv "PORT" or 8089)
local status = assert(io.open "/proc/self/status"):read "a"
local is_root = status:match "\nUid:\t(%d+)" == "0"

local function as(user) return is_root and user or nil end

-- Where the programs of PostgreSQL are: not in PATH on Debian.
local find_postgres = "PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin | tail -n 1); "

-- Logs are rotated, with the time in front of each line.
local function log(name)
    return { file = ("log/%s.log"):format(name), max_size = "1MiB", max_files = 5, timestamps = "iso8601" }
end

return s.supervisor "stack" {
    timeout = "10s",

    s.oneshot "folders" {
        command = is_root and "sh folders.sh postgres redis memcache www-data" or "sh folders.sh",
    },

    s.supervisor "data" {
        after = { "folders" },

        s.oneshot "new-database" {
            command = find_postgres .. "sh new-database.sh run/postgres/data",
            user = as "postgres",
        },
        s.process "postgres" {
            command = find_postgres .. "exec postgres -D run/postgres/data -k .. -c listen_addresses=",
            user = as "postgres",
            after = { "new-database" },
            ready = s.ready.exec(find_postgres .. "pg_isready -q -h $PWD/run/postgres"),
            stop_signal = "INT", -- it then breaks off what its clients do, and writes what is needed
            timeout = "30s",
            limits = { core = 0 },
            log = log "postgres",
        },
        s.process "redis" {
            command = { "redis-server", "redis.conf" },
            user = as "redis",
            ready = s.ready.unix "run/redis/socket",
            limits = { nofile = 4096 },
            log = log "redis",
        },
        s.process "memcached" {
            command = { "memcached", "-s", "run/memcached/socket", "-a", "0777", "-m", "16" },
            oom_score = 500, -- when memory runs out it may go first: what it keeps can be had again
            user = as "memcache",
            ready = s.ready.unix "run/memcached/socket",
            log = log "memcached",
        },
    },

    -- It says itself when it is ready, and that it is alive.
    s.process "shop" {
        command = { "/usr/bin/python3", "shop.py" },
        user = as "www-data",
        after = { "data" },
        sockets = { http = { address = "unix:run/shop.sock", mode = "0666" } },
        ready = s.ready.notify(),
        watchdog = "10s",
        restart_delay = { initial = "200ms", max = "5s" },
        log = log "shop",
    },

    -- suptree holds its socket: visitors wait while it is restarted, and nobody is refused.
    s.process "nginx" {
        command = { "nginx", "-p", "run/nginx", "-e", "stderr", "-c", "../../nginx.conf" },
        user = as "www-data",
        after = { "shop" },
        sockets = { http = ("127.0.0.1:%d"):format(port) },
        env = { NGINX = "3;" }, -- the descriptor of the socket, in nginx's own way
        stop_signal = "QUIT", -- it then answers what it has begun
        ready = s.ready.http(("http://127.0.0.1:%d/"):format(port)),
        health = { every = "10s", timeout = "3s", failures = 3,
            probe = s.ready.http(("http://127.0.0.1:%d/"):format(port)) },
        log = log "nginx",
    },

    s.timer "backup" {
        command = find_postgres .. "pg_dump -h $PWD/run/postgres -U shop shop > run/postgres/backup.sql",
        user = as "postgres",
        after = { "data" },
        at = "30 3 * * *",
    },
}
