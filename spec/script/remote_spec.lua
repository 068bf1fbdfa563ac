--- The verbs that speak with a host, on hosts that do what real ones do rarely.
local cjson = require "cjson"
local fake_host = require "spec.support.fake_host"
local live = require "spec.support.live"
local uv = require "luv"

local hosts = {}

local NODE = { path = "web", name = "web", kind = "process", state = "running", ready = true, pid = 12, depth = 1,
    generation = 1, restarts = 0 }

-- A folder for sockets with a fake host of each name in it; the environment that leads there.
local function runtime(methods, ...)
    local folder = live.folder()
    assert(uv.fs_mkdir(folder .. "/suptree", tonumber("700", 8)))
    for _, name in ipairs { ... } do
        hosts[#hosts + 1] = fake_host.open(("%s/suptree/%s.sock"):format(folder, name), methods)
    end
    return { XDG_RUNTIME_DIR = folder, SUPTREE_SOCKET = false, LC_ALL = "C.UTF-8", TERM = "xterm", NO_COLOR = false },
        folder
end

local function suptree(env, ...)
    return live.run({ live.program, ... }, { env = env })
end

local function holds(text, said)
    assert.matches(text, said, 1, true)
end

local function status_of(nodes)
    return function() return { name = "shop", state = "running", time = 1, services = nodes } end
end

local function clean()
    for _, host in ipairs(hosts) do host:close() end
    hosts = {}
    live.clean()
end

describe("choosing a host", function()
    after_each(clean)

    local answers = { status = status_of { NODE } }

    it("takes the only one that runs", function()
        local env = runtime(answers, "shop")
        local code, out = suptree(env, "status")
        assert.are.equal(0, code)
        holds("web      running", out)
    end)

    it("asks which one when there are several", function()
        local env = runtime(answers, "shop", "mail")
        local code, out, err = suptree(env, "status")
        assert.are.same({ 2, "" }, { code, out })
        assert.are.equal('suptree: several trees run: mail, shop; say which one with -n, as in "suptree -n mail '
            .. 'status"\n', err)
        for _, words in ipairs { { "-n", "mail", "tree" }, { "tree", "-n", "mail" }, { "--name=mail", "tree" },
            { "tree", "--name", "mail" }, { "-nmail", "tree" } } do
            assert.are.equal(0, (suptree(env, table.unpack(words))), table.concat(words, " "))
        end
        assert.are.equal("mail\nshop\n", select(2, suptree(env, "names", "trees")))
    end)

    it("goes where the environment or a path leads", function()
        local env, folder = runtime(answers, "shop", "mail")
        env.SUPTREE_SOCKET = folder .. "/suptree/mail.sock"
        assert.are.equal(0, (suptree(env, "tree")))
        assert.are.equal(1, #hosts[2].requests)
        assert.are.equal(0, (suptree(env, "tree", "-n", folder .. "/suptree/shop.sock")))
        assert.are.equal(1, #hosts[1].requests)
    end)

    it("reaches a socket whose path is too long for an address", function()
        local env, folder = runtime(answers, "shop")
        local long = folder .. "/" .. ("d"):rep(120)
        assert(uv.fs_mkdir(long, tonumber("700", 8)))
        assert(os.execute(("mv '%s/suptree' '%s'"):format(folder, long)))
        env.XDG_RUNTIME_DIR = long
        assert.are.equal(0, (suptree(env, "tree")))
    end)

    it("says what to do when there is none", function()
        local env, folder = runtime(answers)
        local code, out, err = suptree(env, "status")
        assert.are.same({ 7, "" }, { code, out })
        holds("suptree: no host answers: no tree runs for this user", err)
        holds('start one with "suptree run"', err)
        for _, words in ipairs { { "start", "web" }, { "tree" }, { "logs", "-f" }, { "events" }, { "explain", "web" },
            { "is-active" }, { "is-ready", "web" }, { "wait", "web" }, { "shutdown" }, { "exec", "web", "--", "id" },
            { "signal", "HUP", "web" }, { "status", "--json" }, { "restart", "web" }, { "stop", "web" } } do
            assert.are.equal(7, (suptree(env, table.unpack(words))), table.concat(words, " "))
        end
        code, out, err = suptree(env, "-n", "nowhere", "status")
        assert.are.same({ 7, "" }, { code, out })
        holds("no host answers to the name nowhere", err)
        env.SUPTREE_SOCKET = folder .. "/gone"
        code, out, err = suptree(env, "status")
        assert.are.same({ 7, "" }, { code, out })
        holds(folder .. "/gone ($SUPTREE_SOCKET)", err)
        assert.are.same({ 0, "", "" }, { suptree(env, "names") })
    end)

    it("knows that a socket without anybody behind it is nobody", function()
        local env = runtime(answers, "shop")
        hosts[1]:close()
        local dead = uv.new_pipe(false)
        assert(dead:bind(env.XDG_RUNTIME_DIR .. "/suptree/dead.sock"))
        hosts = {}
        assert.are.equal(7, (suptree(env, "status")))
        dead:close()
    end)
end)

describe("what a host answers", function()
    after_each(clean)

    it("gives the exit codes", function()
        local err
        local env = runtime({
            status = function() return nil, err end,
            stop = function() return nil, err end,
        }, "shop")
        for word, code in pairs { not_found = 4, refused = 5, timeout = 124, not_reached = 1, stopped = 1, busy = 5,
            limit = 5, invalid = 2, duplicate_name = 5 } do
            err = { code = -32000, message = "so it is \27[1m", data = { code = word } }
            for _, words in ipairs { { "status", "web" }, { "stop", "web" }, { "status", "--json" } } do
                local got, out, said = suptree(env, table.unpack(words))
                assert.are.same({ code, "", "suptree: so it is \\x1b[1m\n" }, { got, out, said })
            end
        end
        err = { code = -32602, message = "paths: what" }
        assert.are.equal(2, (suptree(env, "stop", "web")))
        assert.are.equal(5, (suptree(env, "restart", "web"))) -- a method that it does not have
    end)

    it("gives the worst of several results", function()
        local statuses
        local env = runtime({
            restart = function()
                local results = {}
                for place, status in ipairs(statuses) do
                    results[place] = { path = "n" .. place, status = status, message = status .. " it is" }
                end
                return { results = results }
            end,
        }, "shop")
        local cases = { [0] = { "ok", "ok" }, [1] = { "ok", "not_reached", "ok" }, [124] = { "not_reached", "timeout" },
            [5] = { "timeout", "refused", "ok" }, [4] = { "refused", "not_found" } }
        for code, words in pairs(cases) do
            statuses = words
            assert.are.equal(code, (suptree(env, "restart", "n1", "n2")))
            assert.are.equal(code, (suptree(env, "restart", "--json", "n1", "n2")))
        end
        statuses = { "waiting_for" }
        local code, out, err = suptree(env, "restart", "n1")
        assert.are.same({ 1, "", "suptree: n1: waiting_for it is\n" }, { code, out, err })
    end)

    it("is shown with the last output of what failed", function()
        local asked
        local node = { path = "web", name = "web", kind = "process", state = "failed", cause = "failure" }
        local env = runtime({
            start = function()
                return { results = { { path = "web", status = "not_reached", message = "exit code 1", node = node } } }
            end,
            logs = function(params)
                asked = params
                return { lines = { { path = "web", text = "no such \27[31mdata base" } } }
            end,
        }, "shop")
        local code, out, err = suptree(env, "start", "web")
        assert.are.same({ 1, "" }, { code, out })
        assert.are.equal("suptree: web: exit code 1\nlast output of web:\n  | no such \\x1b[31mdata base\n", err)
        assert.are.same({ "web" }, asked.paths)
    end)

    it("is printed as it came by --json", function()
        local env = runtime({
            status = function(_, connection)
                connection.send '{"jsonrpc":"2.0","id":1,"result":{"z":[],"a":1.250,"services":[]}}\n'
                return fake_host.SILENT
            end,
        }, "shop")
        assert.are.same({ 0, '{"z":[],"a":1.250,"services":[]}\n', "" }, { suptree(env, "status", "--json") })
    end)

    it("may come in any order of its fields, behind other messages, in pieces", function()
        local env = runtime({
            status = function(_, connection)
                connection.notify("progress", { path = "x", state = "y" })
                connection.send '{"result":{"name":"shop","state":"running","serv'
                connection.send 'ices":[]},"id":1,"jsonrpc":"2.0"}\n'
                return fake_host.SILENT
            end,
        }, "shop")
        local code, out = suptree(env, "status")
        assert.are.equal(0, code)
        holds("shop is running; 0 services", out)
    end)

    it("is asked for again when the host dies over a question, but not over a command", function()
        local dying = true
        local function die_once(_, connection)
            if not dying then return { name = "shop", state = "running", services = {}, results = {} } end
            dying = false
            connection.close()
            return fake_host.SILENT
        end
        local env = runtime({ status = die_once, restart = die_once }, "shop")
        assert.are.equal(0, (suptree(env, "status")))
        assert.are.equal(2, #hosts[1].requests)
        dying = true
        local code, _, err = suptree(env, "restart", "web")
        assert.are.equal(7, code)
        holds("the host of shop closed the connection", err)
        assert.are.equal(3, #hosts[1].requests)
    end)

    it("may be garbage, or nothing", function()
        local text
        local env = runtime({
            status = function(_, connection)
                if text then connection.send(text) end
                connection.close()
                return fake_host.SILENT
            end,
        }, "shop")
        for _, garbage in ipairs { "what\n", "[]\n", "{}\n", '{"jsonrpc":"2.0","id":1}\n', "\0\0\n", false } do
            text = garbage
            local code, out, err = suptree(env, "status")
            assert.are.same({ 7, "" }, { code, out }, tostring(garbage))
            assert.matches("^suptree: the host of shop ", err)
        end
    end)
end)

describe("waiting", function()
    after_each(clean)

    it("ends with the timeout, the host's or one's own", function()
        local env = runtime({
            wait = function() return { results = { { path = "web", status = "timeout", message = "too late" } } } end,
            shutdown = function() return cjson.decode "{}" end,
        }, "shop")
        assert.are.equal(124, (suptree(env, "wait", "--timeout", "1m", "web")))
        assert.are.equal(124, (suptree(env, "shutdown", "--timeout", "20ms")))
        assert.are.equal(2, (suptree(env, "wait", "--timeout", "never", "web")))
    end)

    it("is for a host as well, when there is a timeout", function()
        local env, folder = runtime {}
        local code, _, err = suptree(env, "wait", "--timeout", "20ms", "web")
        assert.are.equal(7, code)
        holds("no host answers", err)
        local waiting = live.spawn({ live.program, "wait", "--timeout", "1m", "web" }, { env = env })
        hosts[1] = fake_host.open(folder .. "/suptree/shop.sock", {
            wait = function() return { results = { { path = "web", status = "ok", node = NODE } } } end,
        })
        assert.are.equal(0, waiting:wait())
        local left = hosts[1].requests[1].params.timeout
        assert.is_true(left > 0 and left <= 60)
    end)

    it("is left by INT, and says what goes on", function()
        local env = runtime({ restart = function() return fake_host.SILENT end }, "shop")
        local waiting = live.spawn({ live.program, "restart", "web" }, { env = env })
        live.wait("the request", function() return #hosts[1].requests == 1 end)
        waiting:kill "INT"
        local code, signal = waiting:wait()
        assert.are.same({ nil, 2 }, { code, signal })
        assert.are.equal('suptree: not waiting any longer; the restart goes on; "suptree status" shows how far it is\n',
            waiting.err)
        assert.are.equal("", waiting.out)
    end)

    it("shows on a terminal what it waits for", function()
        local finish
        local env = runtime({
            restart = function(_, connection)
                connection.notify("progress", { id = 1, path = "web\27[2J", state = "stopping" })
                finish = connection.send
                return fake_host.SILENT
            end,
        }, "shop")
        local waiting = live.spawn({ "script", "-qec", live.program .. " restart web", "/dev/null" }, { env = env })
        waiting:await_text "restarting: web\\x1b[2J is stopping"
        finish('{"jsonrpc":"2.0","id":1,"result":' .. cjson.encode {
            results = { { path = "web", status = "ok", node = NODE } } } .. "}\n")
        assert.are.equal(0, waiting:wait())
        holds("\r\27[K", waiting.out)
        holds("running, ready, pid 12", waiting.out)
    end)

    it("ends when the tree is gone, also over the death of a host", function()
        local env
        env = runtime({
            shutdown = function() return cjson.decode "{}" end,
            hello = function() return cjson.decode "{}" end,
        }, "shop")
        local waiting = live.spawn({ live.program, "shutdown", "--context", "tired" }, { env = env })
        live.wait("the requests", function() return #hosts[1].requests == 2 end)
        assert.are.equal("tired", hosts[1].requests[2].params.context)
        hosts[1].clients[1]:close() -- that host has died, there is another one at once
        live.wait("another connection", function() return hosts[1].requests[3] end)
        assert.is_nil(waiting.code)
        hosts[1]:close()
        hosts = {}
        assert.are.equal(0, waiting:wait())
        assert.are.equal("shop has ended\n", waiting.out)
    end)
end)

describe("streams", function()
    after_each(clean)

    it("go on over the death of a host, and end with the tree", function()
        local params, connections = {}, {}
        local env = runtime({
            events = function(given, connection)
                params[#params + 1], connections[#connections + 1] = given, connection
                local seq = #params * 10
                return { stream = 7, events = { { seq = seq, time = 1, type = "started", path = "." } } }
            end,
        }, "shop")
        local events = live.spawn({ live.program, "events", "-f", "--json" }, { env = env })
        live.wait("the request", function() return connections[1] end)
        connections[1].notify("event", { stream = 7, event = { seq = 11, time = 2, type = "ready", path = "web" } })
        connections[1].notify("gap", { stream = 7, missed = 3 })
        events:await_text '"seq":11'
        events:await_text("3 events were lost", "err")
        connections[1].close()
        live.wait("the next request", function() return connections[2] end)
        assert.are.equal(11, params[2].since)
        connections[2].notify("event", { stream = 8, event = { seq = 98 } }) -- not ours
        connections[2].notify("end", { stream = 7 })
        assert.are.equal(0, events:wait())
        local seqs = {}
        for line in events.out:gmatch "[^\n]+" do seqs[#seqs + 1] = cjson.decode(line).seq end
        assert.are.same({ 10, 11, 20 }, seqs)
    end)

    it("end when nobody reads any more", function()
        local env = runtime({ logs = function() return { stream = 1, lines = { { path = "web", text = "one" } } } end },
            "shop")
        local code, out = live.run({ "sh", "-c", live.program .. " logs -f | head -n 1" }, { env = env })
        assert.are.same({ 0, "web | one\n" }, { code, out })
    end)

    it("end by INT without a word", function()
        local env = runtime({ logs = function() return { stream = 1, lines = { { path = "web", text = "one" } } } end },
            "shop")
        local logs = live.spawn({ live.program, "logs", "-f" }, { env = env })
        logs:await_text "one"
        logs:kill "INT"
        local code, signal = logs:wait()
        assert.are.same({ nil, 2 }, { code, signal })
        assert.are.equal("", logs.err)
    end)

    it("are bare for one service, named for several", function()
        local lines = { { path = "a", text = "x \27[1m" }, { path = "long/name", text = "y" },
            { path = "a", text = "z" } }
        local env = runtime({ logs = function() return { lines = lines } end }, "shop")
        assert.are.equal("x \27[1m\nlong/name | y\nz\n", select(2, suptree(env, "logs", "a")))
        assert.are.equal("a         | x \27[1m\nlong/name | y\na         | z\n", select(2, suptree(env, "logs")))
        assert.are.equal("a         | x \27[1m\n", select(2, suptree(env, "logs", "--prefix", "a")):match "^[^\n]*\n")
        local _, out = live.run({ "script", "-qec", live.program .. " logs a", "/dev/null" }, { env = env })
        holds("x \\x1b[1m\r\n", out) -- a terminal does not obey
    end)

    it("take -n for lines, or for the tree", function()
        local env = runtime({ logs = function() return { lines = {} } end }, "shop", "mail")
        assert.are.equal(0, (suptree(env, "logs", "-n", "mail")))
        assert.are.equal(1, #hosts[2].requests)
        assert.are.equal(0, (suptree(env, "-n", "mail", "logs", "-n", "3", "web", "--since", "1m")))
        assert.are.same({ paths = { "web" }, lines = 3, since = 60 }, hosts[2].requests[2].params)
        local code, _, err = suptree(env, "-n", "mail", "logs", "-n", "shop")
        assert.are.equal(2, code)
        holds("-n shop is no number of lines", err)
    end)
end)

describe("status", function()
    after_each(clean)

    local function with(fields)
        local node = {}
        for key, value in pairs(NODE) do node[key] = value end
        for key, value in pairs(fields) do node[key] = value end
        return node
    end

    it("says by its exit code whether what was named runs", function()
        local nodes
        local env = runtime({ status = function() return { name = "shop", services = nodes } end }, "shop")
        nodes = { with { path = "w", kind = "supervisor" }, with { path = "w/a", state = "failed" } }
        assert.are.equal(0, (suptree(env, "status", "w"))) -- itself runs
        assert.are.same({ paths = { "w" }, below = true, usage = true }, hosts[1].requests[1].params)
        assert.are.equal(3, (suptree(env, "status", "w", "w/a")))
        assert.are.equal(0, (suptree(env, "status", "w/")))
        assert.are.equal(3, (suptree(env, "status", "w*")))
        assert.are.equal(0, (suptree(env, "status")))
        for state, code in pairs { running = 0, stopped = 3, delayed = 3, starting = 3, paused = 3, stuck = 3 } do
            nodes = { with { state = state } }
            assert.are.equal(code, (suptree(env, "status", "web")), state)
            assert.are.equal(code, (suptree(env, "status", "web", "--json")), state)
            assert.are.same({ code, state .. "\n", "" }, { suptree(env, "is-active", "web") })
        end
    end)

    it("warns in safe mode, and says what to do", function()
        local env = runtime({
            status = function() return { name = "shop", state = "running", services = { NODE }, safe_mode = true } end,
            hello = function() return { pid = 4711 } end,
            logs = function() return { lines = {} } end,
        }, "shop")
        for _, words in ipairs { {}, { "web" } } do
            local code, out = suptree(env, "status", table.unpack(words))
            assert.are.equal(0, code)
            holds("SAFE MODE: hosts have died five times within a minute.", out)
            holds("end this host (kill -9 4711; no process is touched)", out)
        end
    end)

    it("has words for scripts", function()
        local nodes = { with { ready = false }, with { path = "db" } }
        local env = runtime({ status = function() return { name = "shop", services = nodes } end }, "shop")
        assert.are.same({ 3, "not ready\nready\n", "" }, { suptree(env, "is-ready", "web", "db") })
        assert.are.same({ 3, "", "" }, { suptree(env, "is-ready", "-q", "web", "db") })
        nodes[1].ready = true
        assert.are.same({ 0, "", "" }, { suptree(env, "is-ready", "-q", "web", "db") })
        assert.are.equal(0, (suptree(env, "is-active")))
        assert.are.same({ "." }, hosts[1].requests[4].params.paths)
    end)

    it("is coloured on terminals alone, and ASCII where the locale asks for it", function()
        local env = runtime({
            status = status_of { with { path = ".", depth = 0, kind = "supervisor" }, NODE },
        }, "shop")
        local function on_terminal(words)
            return select(2, live.run({ "script", "-qec", live.program .. " " .. words, "/dev/null" }, { env = env }))
        end
        holds("\27[32mrunning", on_terminal "status")
        assert.is_nil(on_terminal "status --colour never":find "\27")
        assert.is_nil(select(2, suptree(env, "status")):find "\27")
        assert.is_truthy(select(2, suptree(env, "status", "--colour", "always")):find "\27")
        env.NO_COLOR = "1"
        assert.is_nil(on_terminal "status":find "\27")
        holds("└─ web", on_terminal "tree")
        env.LC_ALL = "C"
        holds("`- web", on_terminal "tree")
        assert.is_nil(on_terminal "status web":find "[\x80-\xFF]")
    end)
end)

describe("signal", function()
    after_each(clean)

    it("takes the signal before or behind the services", function()
        local reply = { results = { { path = "web", status = "ok" } } }
        local env = runtime({ signal = function() return reply end }, "shop")
        for _, words in ipairs { { "HUP", "web", "db" }, { "web", "db", "HUP" }, { "SIGHUP", "web", "db" },
            { "1", "web", "db" }, { "-s", "hup", "web", "db" }, { "web", "db", "--signal=SIGHUP" } } do
            assert.are.equal(0, (suptree(env, "signal", table.unpack(words))))
            local request = table.remove(hosts[1].requests)
            assert.are.same({ paths = { "web", "db" }, signal = "HUP" }, request.params)
        end
        for _, words in ipairs { { "web" }, { "HUP" }, { "web", "db" }, { "-s", "NIX", "web" } } do
            assert.are.equal(2, (suptree(env, "signal", table.unpack(words))))
        end
    end)
end)

describe("exec", function()
    after_each(clean)

    it("runs a command with the environment and in the folder of the service", function()
        local reply = { env = { "ONE=1", "PATH=/usr/bin:/bin" }, cwd = "/usr" }
        local env = runtime({ environment = function() return reply end }, "shop")
        assert.are.same({ 0, "ONE=1\nPATH=/usr/bin:/bin\n", "" }, { suptree(env, "exec", "web", "--", "env") })
        assert.are.same({ 0, "/usr\n", "" }, { suptree(env, "exec", "web", "pwd", "-P") })
        assert.are.equal(9, (suptree(env, "exec", "web", "--", "sh", "-c", "exit 9")))
        assert.are.equal("x --json -h\n", select(2, suptree(env, "exec", "web", "echo", "x", "--json", "-h")))
        reply.umask, reply.limits = tonumber("27", 8), { nofile = { 100, 200 }, core = { 0, 0 } }
        assert.are.equal("0027\n100\n200\n0\n",
            select(2, suptree(env, "exec", "web", "--", "sh", "-c", "umask; ulimit -n; ulimit -Hn; ulimit -c")))
        local code, _, err = suptree(env, "exec", "web", "--", "/no/such/command")
        assert.are.equal(127, code)
        holds("/no/such/command cannot be run as web would: No such file or directory", err)
        reply.cwd = "/no/folder"
        code, _, err = suptree(env, "exec", "web", "--", "env")
        assert.are.equal(126, code)
        holds("the folder of web cannot be taken: No such file or directory", err)
    end)

    it("takes the user of the service", function()
        local reply = { env = { "PATH=/usr/bin:/bin" }, uid = 65534, gid = 65534, groups = { 65534 }, cwd = "/" }
        local env = runtime({ environment = function() return reply end }, "shop")
        local code, out, err = suptree(env, "exec", "web", "--", "sh", "-c", "id -u; id -g; id -G")
        if uv.getuid() == 0 then
            assert.are.same({ 0, "65534\n65534\n65534\n", "" }, { code, out, err })
        else
            assert.are.equal(126, code)
            holds("do it as the user who started the tree, or as root", err)
        end
    end)
end)
