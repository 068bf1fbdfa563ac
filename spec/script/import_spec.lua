local live = require "spec.support.live"

local function suptree(...)
    return live.run { live.program, ... }
end

-- Imports `contents` as a file called `name`; the text, which must be a good configuration.
local function import(name, contents)
    local folder = live.folder()
    live.write_file(folder .. "/" .. name, contents)
    local code, out, err = suptree("import", folder .. "/" .. name)
    assert.are.same({ 0, "" }, { code, err })
    live.write_file(folder .. "/supervise.lua", out)
    local checked, _, faults = suptree("check", folder)
    assert.are.same({ 0, "" }, { checked, faults })
    return out
end

local function holds(text, said)
    assert.matches(text, said, 1, true)
end

describe("suptree import", function()
    after_each(live.clean)

    it("takes a Procfile, whose commands are the shell's", function()
        local out = import("Procfile", "# all of it\nweb: ./server --port $PORT\nworker: bundle exec work\n")
        holds('s.process "web" {\n        command = "./server --port $PORT",\n        env = { PORT = 5000 },', out)
        holds('command = "bundle exec work",\n        env = { PORT = 5100 },', out)
    end)

    it("takes a supervisord.conf, in the order of its priorities", function()
        local out = import("supervisord.conf", [[
[supervisord]
nodaemon=true
[program:app]
command=/usr/bin/python3 -m http.server ; of this folder
directory=/srv
environment=A="1,2",B=two
autorestart=unexpected
numprocs=2
process_name=%(program_name)s_%(process_num)02d
stopsignal=QUIT
stopwaitsecs=20
exitcodes=0,2
[program:first]
command=redis-server
priority=1
autostart=false
autorestart=true
]])
        assert.is_true(out:find('s.process "first"', 1, true) < out:find('s.process "app"', 1, true))
        holds("replicas = 2", out)
        holds('command = { "/usr/bin/python3", "-m", "http.server" }', out)
        holds('env = { A = "1,2", B = "two" }', out)
        holds('restart = "transient"', out)
        holds("success_exit = { 0, 2 }", out)
        holds('timeout = "20s"', out)
        holds("enabled = false", out)
    end)

    it("takes several of the same for replicas, and those that differ one by one", function()
        local out = import("supervisord.conf", [[
[program:web]
command=/usr/bin/web
numprocs=3
process_name=%(program_name)s_%(process_num)02d
stdout_logfile=/var/log/web-%(process_num)d.log
[program:work]
command=/usr/bin/work --number %(process_num)d
numprocs=2
process_name=%(program_name)s_%(process_num)02d
]])
        holds('s.process "web" {', out)
        holds("replicas = 3", out)
        holds('file = "/var/log/web-%i.log"', out)
        holds('s.process "work_00" {\n        command = { "/usr/bin/work", "--number", "0" }', out)
        holds('s.process "work_01"', out)
        out = import("compose.yaml", "services:\n  a:\n    command: x\n    deploy:\n      replicas: 3\n  b:\n"
            .. "    command: y\n    scale: 0\n  c:\n    command: z\n    scale: 1\n")
        holds("replicas = 3", out)
        holds("replicas = 0", out)
        assert.is_nil(out:find("replicas = 1", 1, true))
        out = import("process-compose.yaml",
            "processes:\n  a:\n    command: x $PC_REPLICA_NUM\n    replicas: 2\n")
        holds("replicas = 2", out)
        holds("its number is SUPTREE_REPLICA here", out)
    end)

    it("takes systemd units, several as one tree", function()
        local folder = live.folder()
        live.write_file(folder .. "/db.service", "[Service]\nExecStart=/usr/bin/db\nRestart=always\n")
        live.write_file(folder .. "/web.service", [[
[Unit]
Description=A web server
After=network.target db.service
[Service]
ExecStart=/usr/sbin/web -g 'daemon off;' \
   -c /etc/web.conf
Environment="A=b c" D=e
Restart=on-failure
RestartSec=100ms
TimeoutStopSec=1min 30s
PrivateTmp=true
]])
        local code, out = suptree("import", folder .. "/db.service", folder .. "/web.service")
        assert.are.equal(0, code)
        holds('s.process "db" {\n        command = { "/usr/bin/db" },\n    },', out)
        holds('"daemon off;"', out)
        holds('env = { A = "b c", D = "e" }', out)
        holds('after = { "db" }', out)
        holds("restart_delay = 0.1", out)
        holds("timeout = 90", out)
        holds("-- not taken over: PrivateTmp=true", out)
    end)

    it("takes what systemd runs before and after", function()
        local out = import("web.service", "[Service]\nExecStartPre=/bin/mkdir -p run\nExecStartPre=-/bin/false now\n"
            .. "ExecStartPre=-/bin/test $X\nExecStart=/usr/bin/web\nExecStopPost=/bin/rm -f run/web.pid\n")
        assert.truthy(out:find('{ "/bin/mkdir", "-p", "run" },', 1, true), out)
        assert.truthy(out:find([[{ "/bin/sh", "-c", "\"$@\" || true", "sh", "/bin/false", "now" },]], 1, true), out)
        assert.truthy(out:find('"(exec /bin/test $X) || true",', 1, true), out)
        assert.truthy(out:find('after_exit = { "/bin/rm", "-f", "run/web.pid" },', 1, true), out)
    end)

    it("takes a compose.yaml, and says that images stay behind", function()
        local out = import("compose.yaml", [[
name: shop
services:
  web:
    image: nginx
    command: nginx -g "daemon off;"
    depends_on: { db: { condition: service_healthy } }
    restart: unless-stopped
    ports: ["8080:80"]
    environment: [ "A=b" ]
  db:
    image: postgres
    stop_grace_period: 1m30s
]])
        holds('s.supervisor "shop"', out)
        assert.is_true(out:find('s.process "web"', 1, true) < out:find('s.process "db"', 1, true))
        holds('command = { "nginx", "-g", "daemon off;" }', out)
        holds('after = { "db" }', out)
        holds("-- not taken over: ports: 8080:80", out)
        holds('timeout = "1m30s"', out)
        holds("enabled = false", out)
    end)

    it("takes a process-compose.yaml", function()
        local out = import("process-compose.yaml", [[
environment: [ "X=1" ]
processes:
  api:
    command: "python3 -m http.server 9000"
    availability: { restart: on_failure, backoff_seconds: 2 }
    depends_on: { db: { condition: process_healthy } }
  db:
    command: sleep 100
    shutdown: { signal: 2, timeout_seconds: 5 }
    readiness_probe: { http_get: { host: db.example, port: 80 } }
    liveness_probe:
      http_get: { host: 127.0.0.1, port: 9000, path: "/health" }
      period_seconds: 5
      failure_threshold: 2
]])
        holds('probe = s.ready.http("http://127.0.0.1:9000/health")', out)
        holds("every = 5", out)
        holds("failures = 2", out)
        holds("-- not taken over: readiness_probe: http://db.example (only http:// and addresses in numbers)", out)
        holds('command = "python3 -m http.server 9000"', out)
        holds('env = { X = "1" }', out)
        holds("restart_delay = 2", out)
        holds('stop_signal = "INT"', out)
        holds("timeout = 5", out)
    end)

    it("makes oneshots of what ends, and of what others wait for until it has", function()
        local out = import("migrate.service", "[Service]\nType=oneshot\nExecStart=/usr/bin/migrate up\n"
            .. "RemainAfterExit=yes\n")
        holds('s.oneshot "migrate" {\n        command = { "/usr/bin/migrate", "up" },\n        restart = "temporary",',
            out)
        holds("remain = true", out)
        out = import("compose.yaml", [[
services:
  migrate:
    command: ./migrate
    restart: on-failure
  web:
    command: ./web
    depends_on:
      migrate:
        condition: service_completed_successfully
]])
        holds('s.oneshot "migrate" {\n        command = { "./migrate" },\n    },', out)
        holds('s.process "web"', out)
        holds('after = { "migrate" }', out)
        out = import("process-compose.yaml", "processes:\n  a:\n    command: x\n  b:\n    command: y\n"
            .. "    depends_on:\n      a:\n        condition: process_completed_successfully\n")
        holds('s.oneshot "a"', out)
    end)

    it("makes timers of systemd's, with the service that they run", function()
        local function units(timer, service)
            local folder = live.folder()
            live.write_file(folder .. "/backup.timer", timer)
            live.write_file(folder .. "/backup.service", service)
            local code, out, err = suptree("import", folder .. "/backup.timer", folder .. "/backup.service")
            assert.are.same({ 0, "" }, { code, err })
            live.write_file(folder .. "/supervise.lua", out)
            assert.are.equal(0, (suptree("check", folder)))
            return out
        end
        local service = "[Service]\nType=oneshot\nExecStart=/usr/bin/backup\n"
        local out = units("[Timer]\nOnCalendar=Mon..Fri 03:05\nPersistent=true\n[Install]\nWantedBy=timers.target\n",
            service)
        holds('s.timer "backup" {\n        command = { "/usr/bin/backup" },\n        at = "5 3 * * mon-fri",', out)
        holds('missed = "run"', out)
        assert.is_nil(out:find("restart", 1, true))
        out = units("[Timer]\nOnUnitActiveSec=1h\nRandomizedDelaySec=5min\nOnBootSec=2min\n", service)
        holds("every = 3600", out)
        holds("jitter = 300", out)
        holds("-- not taken over: OnBootSec=2min", out)
        for given, at in pairs {
            ["*-*-* 04:00:00"] = "0 4 * * *", ["*:0/15"] = "*/15 * * * *", ["*-*-01 02:30"] = "30 2 01 * *",
            daily = "@daily", weekly = "0 0 * * 1", ["Sat,Sun 10,18:00"] = "0 10,18 * * sat,sun",
            ["12-24 08:00"] = "0 8 24 12 *",
        } do
            out = units("[Timer]\nOnCalendar=" .. given .. "\n", service)
            holds(('at = "%s"'):format((at:gsub("%f[%d]0(%d)", "%1"))), out)
        end
        out = units("[Timer]\nOnCalendar=Mon *-*-1..7 04:00\n", service)
        holds("-- to be changed: say when it runs", out)
        holds("-- not taken over: OnCalendar=Mon *-*-1..7 04:00", out)
    end)

    it("says of a timer without its service what is to be filled in", function()
        local out = import("backup.timer", "[Timer]\nOnCalendar=daily\n")
        holds('s.timer "backup"', out)
        holds("-- to be filled in: what it runs stands in backup.service; import both files together", out)
    end)

    it("says file and line of what it cannot read, and writes nothing", function()
        local folder = live.folder()
        live.write_file(folder .. "/Procfile", "web: ./server\nnonsense\nweb: again\n")
        local code, out, err = suptree("import", folder .. "/Procfile", "-o", folder .. "/supervise.lua")
        assert.are.same({ 78, "" }, { code, out })
        holds("Procfile:2: is not NAME: COMMAND", err)
        holds("Procfile:3: web is there already, in line 1", err)
        assert.is_nil(live.read_file(folder .. "/supervise.lua"))
        live.write_file(folder .. "/notes.txt", "hello\n")
        code, out, err = suptree("import", folder .. "/notes.txt")
        assert.are.same({ 78, "" }, { code, out })
        holds("name it with --format", err)
    end)

    it("does not write over a file", function()
        local folder = live.folder()
        live.write_file(folder .. "/Procfile", "web: ./server\n")
        live.write_file(folder .. "/supervise.lua", "mine")
        local code, _, err = suptree("import", folder .. "/Procfile", "-o", folder .. "/supervise.lua")
        assert.are.equal(2, code)
        holds("is there already", err)
        assert.are.equal("mine", live.read_file(folder .. "/supervise.lua"))
    end)
end)

describe("a folder with only a Procfile", function()
    after_each(live.clean)

    it("is good as it is, with its .env", function()
        local tree = live.tree(nil, {
            files = { Procfile = "web: echo port $PORT; exec sleep 1000\n", [".env"] = "PORT=4711\n" },
        })
        tree:await_line("web", "port 4711")
        assert.are.equal(0, tree:stop())
    end)

    it("is refused with its line", function()
        local folder = live.folder()
        live.write_file(folder .. "/Procfile", "web: true\nwhat is this\n")
        local code, _, err = suptree("check", folder)
        assert.are.equal(78, code)
        holds("Procfile:2: ", err)
    end)
end)

describe("examples/procfile", function()
    after_each(live.clean)

    it("is imported, and good", function()
        local code, out, err = suptree("import", live.root .. "/examples/procfile/Procfile")
        assert.are.same({ 0, "" }, { code, err })
        holds('s.process "clock"', out)
        assert.are.equal(0, (suptree("check", live.root .. "/examples/procfile")))
    end)
end)
