--- The verbs that speak with a host, on real trees: what a person does all day.
local cjson = require "cjson"
local live = require "spec.support.live"
local uv = require "luv"

local SHOP = [[
    local s = require "suptree"
    return s.supervisor "shop" {
        failure_threshold = 2,
        s.process "db" { command = "echo db listens; exec sleep 1000", description = "the data base" },
        s.process "web" {
            command = "echo web listens; exec sleep 1000", after = { "db" }, env = { PORT = 8080, GREETING = "a b" },
        },
        s.process "off" { command = "exec sleep 1000", enabled = false },
        s.supervisor "workers" {
            s.process "mailer" { command = "exec sleep 1000" },
            s.process "sweeper" { command = "exec sleep 1000" },
        },
        s.process "glass" {
            command = "printf 'cracks \\033[31m appear\\n'; exec sleep 1000", enabled = false, start_timeout = "1s",
            ready = s.ready.file "whole", restart = "transient",
        },
        s.supervisor "sick" { failure_threshold = 1, failure_backoff = "1h",
            s.process "crashing" { command = "echo no paper >&2; exit 3" },
        },
    }
]]

local tree

local function suptree(...)
    return live.run { live.program, ... }
end

local function json(...)
    local code, out, err = suptree(...)
    assert.are.equal("", err)
    return cjson.decode(out), code
end

local function holds(text, said)
    assert.matches(text, said, 1, true)
end

-- Pid of a service that runs; while it is between two programs, nobody knows its environment.
local function service(path)
    return live.wait(path, function() return tree:service(path) end)
end

-- Starts the tree and waits until all is as it will be.
local function start()
    tree = live.tree(SHOP)
    tree:await { type = "backoff", path = "sick" }
    tree:await { type = "ready", path = "workers" }
    tree:await { type = "ready", path = "web" }
    for path, line in pairs { db = "db listens", web = "web listens", ["sick/crashing"] = "no paper" } do
        tree:await_line(path, line)
    end
end

describe("looking at a tree", function()
    lazy_setup(start)
    lazy_teardown(live.clean)

    it("shows all of it in a table", function()
        local code, out, err = suptree "status"
        assert.are.same({ 0, "" }, { code, err })
        holds("SERVICE          STATE    READY", out)
        assert.matches("\ndb +running  yes +" .. service "db" .. " +%S+ +0 +%-  %- +the data base\n", out)
        assert.matches("\nworkers +running  yes +%- ", out)
        assert.matches("\nworkers/mailer +running  yes ", out)
        assert.matches("\noff +stopped  %- +%- +%- +0 +%-  %- +enabled = false; start it to run it\n", out)
        assert.matches("\nsick +paused +[^\n]*/1 [^\n]*too many failures; restarts go on in ", out)
        assert.matches("\nsick/crashing +queued [^\n]* code 3 ", out)
        holds("7 services: 4 running, 2 stopped, 1 queued", out)
    end)

    it("shows what is named", function()
        local code, out = suptree("status", "workers")
        assert.are.equal(0, code)
        local paths = {}
        for path in out:gmatch "\n(%S+)" do paths[#paths + 1] = path end
        assert.are.same({ "workers", "workers/mailer", "workers/sweeper" }, paths)
        code, out = suptree("status", "w*", "workers/s*")
        assert.are.equal(0, code)
        assert.matches("\nweb [^\n]*\nworkers [^\n]*\nworkers/sweeper ", out)
    end)

    it("shows all about one service", function()
        local code, out, err = suptree("status", "web")
        assert.are.same({ 0, "" }, { code, err })
        holds("web (process): running, ready\n", out)
        holds("process  pid " .. service "web" .. ", up ", out)
        holds("after  db\n", out)
    end)

    it("says by the exit code what runs", function()
        assert.are.equal(3, (suptree("status", "off")))
        assert.are.equal(3, (suptree("status", "web", "off")))
        assert.are.equal(3, (suptree("status", "sick/*")))
        assert.are.equal(0, (suptree("is-active", "web", "workers")))
        assert.are.same({ 3, "queued\n", "" }, { suptree("is-active", "sick/crashing") })
        assert.are.same({ 3, "running\nstopped\n", "" }, { suptree("is-active", "web", "off") })
        assert.are.same({ 0, "ready\n", "" }, { suptree("is-ready", "workers") })
    end)

    it("knows whom one may have meant", function()
        for _, words in ipairs { { "status", "wbe" }, { "tree", "wbe" }, { "stop", "wbe" }, { "restart", "web", "wbe" },
            { "is-active", "wbe" } } do
            local code, out, err = suptree(table.unpack(words))
            assert.are.same({ 4, "" }, { code, out })
            holds('did you mean "web"', err)
        end
        assert.are.equal(4, (suptree("status", "x*")))
    end)

    it("draws it", function()
        local code, out = suptree "tree"
        assert.are.equal(0, code)
        local drawn = {}
        for line in out:gmatch "[^\n]+" do drawn[#drawn + 1] = line:match "^(.-[%w.]+)  " end
        assert.are.same({ "TREE", "shop", "├─ db", "├─ web", "├─ off", "├─ workers", "│  ├─ mailer",
            "│  └─ sweeper", "├─ glass", "└─ sick", "   └─ crashing" }, drawn)
    end)

    it("gives the reply of the protocol", function()
        local reply, code = json("status", "--json", "web")
        assert.are.equal(0, code)
        assert.are.equal("shop", reply.name)
        assert.are.equal(service "web", reply.services[1].pid)
        assert.are.same({ "db" }, reply.services[1].after)
        assert.is_nil(json("status", "--json", "off").services[1].since) -- it has never been anything else
        assert.are.equal(10, #json("tree", "--json").services)
    end)

    it("tells what has happened", function()
        local code, out, err = suptree("events", "sick")
        assert.are.same({ 0, "" }, { code, err })
        assert.matches("  sick/crashing +ended: exit code 3\n", out)
        assert.matches("  sick/crashing +failure 1 of 1; started again at once\n", out)
        assert.matches("  sick +pauses for ", out)
        assert.is_nil(out:find("web", 1, true))
        local last = select(2, suptree("events", "--type", "launched", "-n", "1", "--json", "db"))
        local event = cjson.decode(last)
        assert.are.same({ "launched", "db", 1 }, { event.type, event.path, event.generation })
        local since = ("%d"):format(event.seq)
        assert.are.equal("", select(2, suptree("events", "--type", "launched", "--since", since, "db")))
        assert.are.equal(4, (suptree("events", "wbe")))
    end)

    it("says why something is as it is, and what would change it", function()
        local code, out, err = suptree("explain", "sick/crashing")
        assert.are.same({ 0, "" }, { code, err })
        assert.matches("^sick/crashing ended %(exit code 3%); sick is paused after too many failures", out)
        assert.matches("\n  because sick paused: too many failures\n", out)
        assert.matches("\n  next: its supervisor resumes, and starts it in %S+\n", out)
        holds("suptree start sick/crashing\n", out)
        assert.matches("^off is not started: it says enabled = false\n.*suptree start off\n$",
            select(2, suptree("explain", "off")))
        assert.matches("^web runs and is ready, for ", select(2, suptree("explain", "web")))
        assert.are.equal("sick", json("explain", "--json", "sick").node.path)
        assert.are.equal(4, (suptree("explain", "wbe")))
        assert.are.equal(2, (suptree("explain", "w*")))
    end)

    it("shows what services have put out", function()
        assert.are.same({ 0, "db listens\n", "" }, { suptree("logs", "db") })
        local code, out = suptree "logs"
        assert.are.equal(0, code)
        holds("db            | db listens\n", out)
        holds("web           | web listens\n", out)
        holds("sick/crashing | no paper\n", out)
        assert.are.equal("sick/crashing | no paper\n", select(2, suptree("logs", "-n", "1", "sick")))
        assert.are.equal("db listens\n", select(2, suptree("logs", "--since", "1h", "db")))
        assert.are.equal("db listens", json("logs", "--json", "db").text)
        assert.are.equal(4, (suptree("logs", "wbe")))
        holds("\n\n  | web listens\n", select(2, suptree("status", "web")))
    end)

    it("runs a command where a service lives", function()
        local code, out, err = suptree("exec", "web", "--", "sh", "-c", "echo $PORT $GREETING $SUPTREE_PATH; pwd -P")
        assert.are.same({ 0, "8080 a b web\n" .. uv.fs_realpath(tree.folder) .. "\n", "" }, { code, out, err })
        assert.are.equal(7, (suptree("exec", "web", "sh", "-c", "exit 7")))
        assert.are.equal(4, (suptree("exec", "wbe", "--", "true")))
        code, out, err = suptree("exec", "workers", "--", "true")
        assert.are.same({ 2, "" }, { code, out })
        holds("it is no process", err)
    end)

    it("waits for a state", function()
        local code, out = suptree("wait", "web", "workers")
        assert.are.equal(0, code)
        assert.matches("^web: running, ready, pid %d+\nworkers: running, ready\n$", out)
        assert.are.equal(0, (suptree("wait", "--for", "queued", "sick/crashing")))
        assert.are.equal(124, (suptree("wait", "--timeout", "20ms", "--for", "stopped", "web")))
        local err
        code, out, err = suptree("wait", "off")
        assert.are.same({ 1, "" }, { code, out })
        assert.matches("^suptree: off: ", err)
        assert.are.equal(2, (suptree("wait", "--for", "happy", "web")))
    end)

    it("is not disturbed by the death of the host", function()
        local host = tree:host()
        local pid = service "web"
        uv.kill(host, "sigkill")
        assert.are.equal(0, (suptree("status", "web"))) -- waits for the next one
        assert.are.equal(pid, json("status", "--json", "web").services[1].pid)
        assert.are_not.equal(host, tree:host())
    end)

    it("is not for everybody", function()
        if uv.getuid() ~= 0 then pending "only root can be somebody else" end
        local runtime = select(2, live.run { "sh", "-c", "echo $XDG_RUNTIME_DIR" }):gsub("\n", "")
        for _, words in ipairs { { "status", "web" }, { "stop", "web" }, { "shutdown" }, { "exec", "web", "id" } } do
            local code, out, err = live.run { "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                live.program, "-n", runtime .. "/suptree/shop.sock", table.unpack(words) }
            assert.are.same({ 5, "" }, { code, out })
            holds("you may not speak with this host; do it as the user who started it, or as root", err)
        end
    end)
end)

describe("changing a tree", function()
    lazy_setup(start)
    lazy_teardown(live.clean)

    it("restarts, and waits until it is ready", function()
        local former = service "web"
        local code, out, err = suptree("restart", "web")
        assert.are.same({ 0, "" }, { code, err })
        local pid = service "web"
        assert.are_not.equal(former, pid)
        assert.are.equal(("web: running, ready, pid %d\n"):format(pid), out)
    end)

    it("stops, and keeps stopped", function()
        local code, out = suptree("stop", "workers/mailer", "--context", "for a while")
        assert.are.same({ 0, "workers/mailer: stopped: a person asked for it\n" }, { code, out })
        assert.is_nil(tree:service "workers/mailer")
        assert.matches("for a while", tree:await { type = "stopping", path = "workers/mailer" }.context)
        assert.are.equal(3, (suptree("status", "workers/mailer")))
        assert.matches("held +a person stopped it", select(2, suptree("status", "workers/mailer")))
        code, out = suptree("start", "workers/mailer")
        assert.are.equal(0, code)
        assert.matches("^workers/mailer: running, ready, pid %d+\n$", out)
    end)

    it("takes whole subtrees and patterns", function()
        local one, two = service "workers/mailer", service "workers/sweeper"
        assert.are.equal(0, (suptree("restart", "workers")))
        assert.are_not.equal(one, service "workers/mailer")
        assert.are_not.equal(two, service "workers/sweeper")
        local code, out = suptree("stop", "workers/*")
        assert.are.equal(0, code)
        assert.matches("^workers/mailer: stopped.*\nworkers/sweeper: stopped", out)
        assert.are.equal(0, (suptree("start", "workers/")))
    end)

    it("says for whom something waits", function()
        assert.are.equal(0, (suptree("stop", "db")))
        assert.matches("it needs db", select(2, suptree("status", "web")))
        local code, out, err = suptree("start", "web")
        assert.are.same({ 1, "" }, { code, out })
        holds("suptree: web: it waits for db", err)
        assert.are.equal(0, (suptree("start", "db")))
        tree:await({ type = "ready", path = "web" }, 2)
    end)

    it("does not wait when it is told so", function()
        local code, out = suptree("restart", "--no-wait", "web", "--json")
        assert.are.equal(0, code)
        assert.are.equal("ok", cjson.decode(out).results[1].status)
        assert.are.equal(0, (suptree("start", "web")))
    end)

    it("shows the last output of what failed", function()
        local code, out, err = suptree("start", "glass")
        assert.are.same({ 1, "" }, { code, out })
        assert.matches("^suptree: glass: it ended: not ready in time; failure 1 of 2; ", err)
        assert.matches("last output of glass:\n  | cracks \\x1b%[31m appear\n", err)
    end)

    it("follows what is put out", function()
        local logs = live.spawn { live.program, "logs", "-f", "-n", "0", "web", "db" }
        live.wait("a line", function()
            suptree("restart", "--no-wait", "web")
            return logs.out:find("web | web listens\n", 1, true)
        end)
        logs:kill "INT"
        local code, signal = logs:wait()
        assert.are.same({ nil, 2 }, { code, signal })
        assert.is_nil(logs.out:find("db |", 1, true))
        assert.are.equal(0, (suptree("start", "web")))
    end)

    it("sends signals", function()
        local pid = service "db"
        assert.are.same({ 0, "db: signal KILL was sent\n", "" }, { suptree("signal", "KILL", "db") })
        live.wait("another db", function() return (tree:service "db" or pid) ~= pid end)
        assert.are.equal(1, (suptree("signal", "HUP", "off")))
        assert.are.equal(4, (suptree("signal", "HUP", "wbe")))
        assert.are.equal(0, (suptree("wait", "web", "db")))
    end)

    it("refuses what cannot be", function()
        local code, out, err = suptree("stop", ".")
        assert.are.same({ 5, "" }, { code, out })
        holds("suptree: .: ", err)
        assert.are.equal(2, (suptree "stop"))
        assert.are.equal(2, (suptree("stop", "--timeout", "-1", "web")))
    end)
end)

describe("ending a tree", function()
    after_each(live.clean)

    it("waits until nothing is left of it", function()
        start()
        local events = live.spawn { live.program, "events", "-f", "--type", "started,stopped", "--json" }
        events:await_text '"type":"started"'
        local code, out, err = suptree("shutdown", "--context", "tired")
        assert.are.same({ 0, "shop has ended\n", "" }, { code, out, err })
        assert.are.equal(7, (suptree "status"))
        assert.are.equal(0, tree:wait())
        assert.matches("tired", tree:await { type = "stopped", path = "." }.context)
        assert.are.equal(0, events:wait()) -- a stream ends with the tree
        assert.matches('"path":"%."[^\n]*"type":"stopped"[^\n]*\n$', events.out)
    end)

    it("tells when that takes too long", function()
        tree = live.tree [[
            local s = require "suptree"
            return s.supervisor "slow" { timeout = "1h",
                s.process "deaf" { command = "trap '' TERM; echo deaf; while :; do sleep 1000; done" } }]]
        tree:await_line("deaf", "deaf")
        local code, out, err = suptree("shutdown", "--timeout", "0.2")
        assert.are.same({ 124, "" }, { code, out })
        assert.are.equal("suptree: slow has not ended in the time given; it waits for deaf; the stop goes on\n", err)
        tree:await { type = "stopping", path = "deaf" }
        uv.kill(service "deaf", "sigkill")
        assert.are.equal(0, tree:wait())
    end)
end)

-- A shell in a terminal of its own, with its completion loaded.
local function shell()
    local keys = assert(uv.new_pipe(false))
    local bash = live.spawn({ "script", "-qec", "bash --norc --noprofile -i", "/dev/null" }, {
        stdin = keys, cwd = tree.folder,
        env = { TERM = "dumb", INPUTRC = "/dev/null", PATH = live.build .. ":" .. os.getenv "PATH" },
    })
    function bash:type(text, answer)
        self.out = ""
        keys:write(text)
        live.wait(function() return ("%q after %q in\n%s"):format(answer, text, self.out) end,
            function() return self.out:gsub("\a", ""):find(answer, 1, true) end)
    end
    function bash:leave()
        keys:write "\21exit\n"
        keys:close()
        self:wait()
    end
    bash:type("PS1='do''ne> '\n", "done> ")
    return bash
end

describe("completion", function()
    lazy_setup(start)
    lazy_teardown(live.clean)

    it("in bash, in a terminal, knows verbs, options, and what runs", function()
        local bash = shell()
        bash:type("source <(suptree completion bash); echo do''ne\n", "done")
        bash:type("suptree res\t", "suptree restart ")
        bash:type("work\t", "workers")
        bash:type("/m\t", "/mailer ")
        bash:type("--no\t", "--no-wait ")
        bash:type("\21suptree status -n \t", "shop ")
        bash:type("\21suptree -n shop explain sick/\t", "sick/crashing ")
        bash:type("\21suptree help failure_th\t", "failure_threshold ")
        bash:leave()
    end)

    it("is there for zsh and fish", function()
        for _, name in ipairs { "zsh", "fish" } do
            local code, out, err = suptree("completion", name)
            assert.are.same({ 0, "" }, { code, err })
            holds("suptree names", out)
            holds("restart", out)
        end
        assert.are.equal(2, (suptree("completion", "tcsh")))
    end)

    it("has the names at hand, and is silent without a host", function()
        local code, out = suptree "names"
        assert.are.same({ 0, "db\nweb\noff\nworkers\nworkers/mailer\nworkers/sweeper\nglass\nsick\nsick/crashing\n" },
            { code, out })
        assert.are.same({ 0, "", "" }, { suptree("names", "-n", "nobody") })
    end)
end)
