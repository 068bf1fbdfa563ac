-- What processes say of themselves: sd_notify, a line on a descriptor, watchdogs.
local cjson = require "cjson"
local live = require "spec.support.live"
local uv = require "luv"

-- A program without any package: it says what the lines of its input file say, one after the other. `@` at the begin of
-- a word of NOTIFY_SOCKET stands for NUL.
local TALKER = [[
import os, socket, sys, time
def notify(text, name=None):
    name = name or os.environ["NOTIFY_SOCKET"]
    if name[0] == "@": name = "\0" + name[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(name)
        s.sendall(text if isinstance(text, bytes) else text.encode())
def wait_for(path):
    while not os.path.exists(path): time.sleep(0.02)
]]

local function talker(body)
    return TALKER .. body .. "\n"
end

local function config(children)
    return 'local s = require "suptree"\nreturn s.supervisor "tree" {\n' .. children .. "\n}\n"
end

local function python(name, options)
    return ('s.process "%s" { command = { "python3", "%s.py" }, %s },'):format(name, name, options)
end

local function run(children, files)
    return live.tree(config(children), { files = files })
end

local function status(path)
    return live.wait("an answer about " .. path, function()
        local code, out = live.run { live.program, "rpc", "status", cjson.encode { paths = { path } } }
        return code == 0 and cjson.decode(out).services[1]
    end)
end

local function await_status(what, path, condition)
    return live.wait(what, function()
        local node = status(path)
        return condition(node) and node
    end)
end

-- Let so many seconds go by: nothing is to happen in them.
local function pass(seconds)
    local begun = uv.hrtime()
    live.wait("time to pass", function() return uv.hrtime() - begun > seconds * 1e9 end)
end

local function touch(tree, name)
    live.write_file(tree.folder .. "/" .. name, "")
end

local SLEEPS = "\ntime.sleep(1000)"

describe("s.ready.notify()", function()
    after_each(live.clean)

    it("READY=1 makes it ready, and who is after it starts; STATUS is shown, without what a terminal obeys", function()
        local tree = run(python("py", "ready = s.ready.notify()") .. [[
            s.process "late" { command = "exec sleep 1000", after = { "py" } },]], {
            ["py.py"] = talker([[
notify("STATUS=warming up\x1b[31m \u00e9")
wait_for("go")
notify("READY=1\nSTATUS=serving")]] .. SLEEPS),
        })
        local node = await_status("its words", "py", function(node) return node.status_text ~= nil end)
        assert.are.equal("warming up?[31m é", node.status_text)
        assert.is_false(node.ready)
        assert.are.equal("waiting", status("late").state)
        touch(tree, "go")
        tree:await { type = "ready", path = "py" }
        tree:await { type = "launched", path = "late" }
        assert.are.equal("serving", status("py").status_text)
        local _, out = live.run { live.program, "status" }
        assert.matches("serving", out, 1, true)
    end)

    it("what is said while there is no host waits for the next", function()
        local tree = run(python("py", "ready = s.ready.notify()"), {
            ["py.py"] = talker([[
print("up", flush=True)
wait_for("go")
notify("STATUS=said alone\nREADY=1")
open("said", "w").close()]] .. SLEEPS),
        })
        tree:await_line("py", "up")
        local pid = tree:service "py"
        uv.kill(tree:host(), "sigstop") -- it cannot hear; then it dies without having heard
        touch(tree, "go")
        live.wait("the word", function() return live.read_file(tree.folder .. "/said") end)
        tree:kill_host()
        tree:await { type = "ready", path = "py" }
        assert.are.equal("said alone", status("py").status_text)
        assert.are.equal(pid, tree:service "py")
    end)

    it("what was said before the host died is known to the next", function()
        local tree = run(python("py", "ready = s.ready.notify()"), {
            ["py.py"] = talker([[notify("READY=1\nSTATUS=all well")]] .. SLEEPS),
        })
        tree:await { type = "ready", path = "py" }
        tree:kill_host()
        local node = await_status("the new host's answer", "py", function(node) return node.ready end)
        assert.are.equal("all well", node.status_text)
        assert.are.equal(1, node.generation)
    end)

    it("only the service itself is heard: strangers are counted", function()
        local tree = run(python("py", "ready = s.ready.notify()"), {
            ["py.py"] = talker([[
open("name", "w").write(os.environ["NOTIFY_SOCKET"] + "\n")
wait_for("go")
if os.fork() == 0:
    os.setsid()
    notify("READY=1") # a child in a session of its own is the service, too
    wait_for("never")]] .. SLEEPS),
            ["stranger.py"] = talker [[notify("READY=1\nSTATUS=not me", open("name").read().strip())]],
        })
        live.wait("its socket", function() return (live.read_file(tree.folder .. "/name") or ""):match "\n" end)
        assert.are.equal(0, (live.run({ "python3", "stranger.py" }, { cwd = tree.folder })))
        local node = await_status("the stranger", "py", function(node) return node.strangers ~= nil end)
        assert.are.equal(1, node.strangers)
        assert.is_false(node.ready)
        assert.is_nil(node.status_text)
        touch(tree, "go")
        tree:await { type = "ready", path = "py" }
    end)

    it("empty, over-long and meaningless messages do no harm, and descriptors that come along are closed", function()
        local tree = run(python("py", "ready = s.ready.notify()"), {
            ["py.py"] = talker([[
notify(b"")
notify(b"=\n==\nREADY\nREADY=0\nREADY=11\nMAINPID=x\nWATCHDOG_USEC=-1\n\xff\xfe=\xff")
notify(b"EXTEND_TIMEOUT_USEC=99999999999999999999")
notify(b"STATUS=" + b"x" * 60000)
notify(b"STATUS=whole\n" + b"A" * 30000 + b"=1\nREADY=1")
r, w = os.pipe() # as sd_notify_barrier does
name = os.environ["NOTIFY_SOCKET"]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.connect("\0" + name[1:])
    socket.send_fds(s, [b"BARRIER=1"], [w])
os.close(w)
os.read(r, 1) # the other end is closed once it was heard
print("barrier", flush=True)
wait_for("go")
notify("READY=1")]] .. SLEEPS),
        })
        tree:await_line("py", "barrier")
        local node = await_status("its words", "py", function(node) return node.status_text ~= nil end)
        assert.are.equal("whole", node.status_text)
        assert.is_false(node.ready)
        touch(tree, "go")
        tree:await { type = "ready", path = "py" }
    end)

    it("without a word it is not ready in time", function()
        local tree = run([[s.process "mute" { command = "exec sleep 1000", ready = s.ready.notify(),
            start_timeout = "200ms", restart = "temporary" },]])
        tree:await { type = "launch_failed", path = "mute" }
        tree:await { type = "removed", path = "mute" }
    end)

    it("EXTEND_TIMEOUT_USEC gives it more time, to start and to stop", function()
        local tree = run(python("py", 'ready = s.ready.notify(), start_timeout = "1500ms", timeout = "500ms"'), {
            ["py.py"] = talker([[
import signal
def leave(*_):
    notify("EXTEND_TIMEOUT_USEC=60000000")
    open("asked", "w").close()
    wait_for("leave")
    print("left", flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, leave)
notify("EXTEND_TIMEOUT_USEC=60000000")
print("extended", flush=True)
wait_for("go")
notify("READY=1")
while True: time.sleep(1000)]]),
        })
        tree:await_line("py", "extended")
        pass(1.6)
        touch(tree, "go")
        tree:await { type = "ready", path = "py" }
        tree:kill "TERM"
        live.wait("its stop", function() return live.read_file(tree.folder .. "/asked") end)
        pass(0.6)
        touch(tree, "leave")
        assert.are.equal(0, tree:wait())
        assert.are.equal(1, tree:count_lines("py", "left"))
        assert.are.equal(0, #tree:all { type = "killed" })
    end)

    it("MAINPID: it goes on in another process of its own, also for the next host; a stranger is refused", function()
        local tree = run(python("py", "ready = s.ready.notify(), restart = \"temporary\""), {
            ["py.py"] = talker([[
pid = os.fork()
if pid > 0:
    notify("MAINPID=1")
    notify("MAINPID=%d" % pid)
    os._exit(7)
wait_for("go")
notify("READY=1\nSTATUS=second")
wait_for("leave")
os._exit(3)]]),
        })
        tree:await_line("suptree", "py says MAINPID=1, which is no process of it: that is not taken")
        local first = tree:await { type = "launched", path = "py" }
        local pid = live.wait("the second process", function()
            local node = status("py")
            return node.pid and tree.out:find(("py goes on in process %d,"):format(node.pid), 1, true) and node.pid
        end)
        assert.are.equal(1, first.generation)
        tree:kill_host()
        touch(tree, "go")
        tree:await { type = "ready", path = "py" }
        assert.are.equal(pid, status("py").pid)
        assert.are.equal(1, status("py").generation)
        touch(tree, "leave")
        local ended = tree:await { type = "ended", path = "py" }
        assert.are.equal(3, ended.code)
    end)

    it("each run has a socket of its own, and others have none", function()
        local tree = run(python("py", "ready = s.ready.notify()") .. [[
            s.process "plain" { command = "echo socket=$NOTIFY_SOCKET dog=$WATCHDOG_USEC; exec sleep 1000" },]], {
            ["py.py"] = talker([[print("socket", os.environ["NOTIFY_SOCKET"], flush=True)
notify("READY=1")]] .. SLEEPS),
        })
        tree:await_line("plain", "socket= dog=")
        tree:await { type = "ready", path = "py" }
        uv.kill(tree:service "py", "sigkill")
        tree:await({ type = "ready", path = "py" }, 2)
        local names = {}
        for name in tree.out:gmatch "py +| socket (@%x+)\n" do names[#names + 1] = name end
        assert.are.equal(2, #names)
        assert.are_not.equal(names[1], names[2])
    end)

    it("a service that runs as another user is heard", function()
        if uv.getuid() ~= 0 then return pending("root alone may do this") end
        local tree = run(python("py", 'ready = s.ready.notify(), user = "nobody"'), {
            ["py.py"] = talker([[notify("READY=1\nSTATUS=uid %d" % os.getuid())]] .. SLEEPS),
        })
        assert(uv.fs_chmod(tree.folder, 493))
        tree:await { type = "ready", path = "py" }
        assert.matches("^uid %d+$", status("py").status_text)
    end)
end)

describe("s.ready.fd(n)", function()
    after_each(live.clean)

    for _, number in ipairs { 3, 11, 12, 200 } do
        it(("a line on descriptor %d makes it ready"):format(number), function()
            local tree = run(python("py", ("ready = s.ready.fd(%d)"):format(number)), {
                ["py.py"] = talker(([[
fds = ",".join(sorted(os.listdir("/proc/self/fd"), key=int))
open("fds", "w").write(fds)
os.write(%d, b"almost")
wait_for("go")
os.write(%d, b"\n")
os.close(%d)]]):format(number, number, number) .. SLEEPS),
            })
            live.wait("its descriptors", function() return live.read_file(tree.folder .. "/fds") end)
            assert.is_false(status("py").ready)
            touch(tree, "go")
            tree:await { type = "ready", path = "py" }
            -- Its own, and the one by which it lists them.
            local listed = live.read_file(tree.folder .. "/fds")
            local count = select(2, listed:gsub("%d+", ""))
            assert.are.equal(5, count, listed)
        end)
    end

    it("the line is not lost with the host", function()
        local tree = run(python("py", "ready = s.ready.fd(4)"), {
            ["py.py"] = talker([[
print("up", flush=True)
wait_for("go")
os.write(4, b"\n")
os.close(4)
open("said", "w").close()]] .. SLEEPS),
        })
        tree:await_line("py", "up")
        uv.kill(tree:host(), "sigstop")
        touch(tree, "go")
        live.wait("the line", function() return live.read_file(tree.folder .. "/said") end)
        tree:kill_host()
        tree:await { type = "ready", path = "py" }
        assert.are.equal(1, status("py").generation)
    end)
end)

-- Feeds its watchdog until the file `quiet` is there.
local FEEDS = [[
notify("READY=1")
while not os.path.exists("quiet"):
    notify("WATCHDOG=1")
    time.sleep(0.05)
print("quiet", flush=True)]]

describe("watchdog", function()
    after_each(live.clean)

    it("a process that falls silent is aborted, and fails of that", function()
        local tree = run(python("py", 'ready = s.ready.notify(), watchdog = "2s", limits = { core = 0 }'), {
            ["py.py"] = talker([[
print("dog", os.environ["WATCHDOG_USEC"], os.environ["WATCHDOG_PID"] == str(os.getpid()), flush=True)
]] .. FEEDS .. SLEEPS),
        })
        tree:await_line("py", "dog 2000000 True")
        tree:await { type = "ready", path = "py" }
        touch(tree, "quiet")
        local failed = tree:await { type = "failed", path = "py" }
        assert.are.equal("watchdog: nothing was heard for 2s", failed.reason)
        local ended = tree:await { type = "ended", path = "py" }
        assert.are.equal("ABRT", ended.signal)
        assert.is_false(ended.planned)
        assert.are.equal(1, failed.count)
        assert.are.equal("watchdog", status("py").last.reason)
    end)

    it("goes on after the death of the host: who feeds it lives, who does not is found", function()
        local options = 'ready = s.ready.notify(), watchdog = "%s", limits = { core = 0 }'
        local tree = run(python("good", options:format "30s") .. python("py", options:format "2s"), {
            ["py.py"] = talker(FEEDS .. SLEEPS),
            ["good.py"] = talker(FEEDS:gsub("quiet", "never") .. SLEEPS),
        })
        tree:await { type = "ready", path = "." }
        local good = tree:service "good"
        touch(tree, "quiet")
        tree:await_line("py", "quiet")
        tree:kill_host()
        assert.are.equal("watchdog: nothing was heard for 2s", tree:await({ type = "failed", path = "py" }).reason)
        assert.are.equal(good, tree:service "good")
        assert.are.equal(0, #tree:all { type = "failed", path = "good" })
    end)

    it("a host that was halted blames nobody", function()
        local tree = run(python("py", 'ready = s.ready.notify(), watchdog = "2s"'), {
            ["py.py"] = talker(FEEDS .. SLEEPS),
        })
        tree:await { type = "ready", path = "py" }
        local pid, host = tree:service "py", tree:host()
        uv.kill(pid, "sigstop")
        uv.kill(host, "sigstop")
        pass(4) -- longer than its period
        uv.kill(pid, "sigcont")
        uv.kill(host, "sigcont")
        local heard = await_status("an answer", "py", function() return true end)
        assert.are.equal(1, heard.generation)
        assert.are.equal(pid, tree:service "py")
    end)

    it("WATCHDOG=trigger fails it at once; WATCHDOG_USEC sets another period", function()
        local tree = run(python("sick", "ready = s.ready.notify(), limits = { core = 0 }")
            .. python("own", 'ready = s.ready.notify(), watchdog = "1h", limits = { core = 0 }'), {
            ["sick.py"] = talker([[notify("READY=1\nWATCHDOG=trigger")]] .. SLEEPS),
            ["own.py"] = talker([[notify("READY=1\nWATCHDOG_USEC=300000")]] .. SLEEPS),
        })
        assert.are.equal("watchdog: it asked for that itself (WATCHDOG=trigger)",
            tree:await({ type = "failed", path = "sick" }).reason)
        assert.are.equal("watchdog: nothing was heard for 300ms",
            tree:await({ type = "failed", path = "own" }).reason)
    end)

    it("STOPPING=1 ends it: from then on it has the time of a stop", function()
        local options = 'ready = s.ready.notify(), timeout = "500ms", watchdog = "1h", limits = { core = 0 }'
        local tree = run(python("py", options), {
            ["py.py"] = talker([[notify("READY=1")
notify("STOPPING=1")]] .. SLEEPS),
        })
        assert.are.equal("watchdog: it said STOPPING=1 and runs on after 500ms",
            tree:await({ type = "failed", path = "py" }).reason)
    end)

    it("of a thread is fed by ctx:heartbeat()", function()
        local tree = run [[
            s.thread "good" { watchdog = "30s", run = function(ctx)
                while not ctx:stopping() do ctx:heartbeat() ctx:sleep(0.1) end
            end },
            s.thread "bad" { watchdog = "500ms", ready = s.ready.manual(), run = function(ctx)
                ctx:sleep(1) -- not ready yet: nobody waits for it
                ctx:ready()
                while ctx:sleep(60) do end
            end },]]
        local failed = tree:await { type = "failed", path = "bad" }
        assert.are.equal("watchdog: nothing was heard for 500ms", failed.reason)
        assert.are.equal(1, #tree:all { type = "ready", path = "bad", generation = 1 })
        tree:await({ type = "failed", path = "bad" }, 2)
        assert.are.equal(0, #tree:all { type = "failed", path = "good" })
    end)

    it("of a thousand costs nothing while nobody speaks", function()
        local count = live.sanitized and 50 or 1000
        local tree = run(([[
            s.supervisor "many" {
                (function() local list = {} for i = 1, %d do
                    list[i] = s.process("p" .. i) { command = { "sleep", "1000" }, watchdog = "1h" }
                end return table.unpack(list) end)(),
            },]]):format(count))
        tree:await { type = "ready", path = "." }
        local host = tree:host()
        local function sleeps() -- how often the engine's thread has gone to sleep
            return tonumber(live.read_file(("/proc/%d/status"):format(host)):match "\nvoluntary_ctxt_switches:%s*(%d+)")
        end
        -- The heartbeat to the keeper wakes it, once in three seconds.
        live.wait("two seconds of quiet", function()
            local before = sleeps()
            pass(2)
            return sleeps() - before <= 20
        end)
        assert.are.equal(0, #tree:all { type = "failed" })
    end)

    it("is checked", function()
        local folder = live.folder()
        local function refuses(options, words)
            live.write_file(folder .. "/supervise.lua",
                config(('s.process "web" { command = "true", %s },'):format(options)))
            local code, _, err = live.run { live.program, "check", folder }
            assert.are.equal(78, code)
            assert.matches(words, err, 1, true)
        end
        refuses('watchdog = "often"', "web.watchdog: ")
        refuses("watchdog = 0", "web.watchdog: must be greater than 0")
        refuses("ready = s.ready.fd(2)", "web.ready: ")
        refuses('reload_signal = "HUB"', "web.reload_signal: ")
    end)
end)

describe("reload_signal", function()
    after_each(live.clean)

    -- Reads its settings, and says so, when it hears HUP; takes as long as the file `slow` is there.
    local READS = [[
import signal
def read_settings(*_):
    notify("RELOADING=1\nMONOTONIC_USEC=%d" % (time.monotonic_ns() // 1000))
    open("reading", "w").close()
    while os.path.exists("slow"): time.sleep(0.02)
    open("read", "a").write("x")
    notify("READY=1\nSTATUS=read again")
signal.signal(signal.SIGHUP, read_settings)
notify("READY=1")
while True: time.sleep(1000)]]

    it("is what \"suptree signal reload\" sends; the answer waits until it is ready again", function()
        local tree = run(python("py", 'ready = s.ready.notify(), reload_signal = "HUP"'), { ["py.py"] = talker(READS) })
        tree:await { type = "ready", path = "py" }
        local pid = tree:service "py"
        local code, out = live.run { live.program, "signal", "reload", "py" }
        assert.are.equal(0, code)
        assert.matches("py: it has read its settings again", out, 1, true)
        assert.are.equal("x", live.read_file(tree.folder .. "/read"))
        assert.are.equal("read again", status("py").status_text)
        assert.are.equal(pid, tree:service "py")
        assert.are.equal(1, #tree:all { type = "ready", path = "py" })
    end)

    it("while it reads, that is said; the time to wait may be bounded", function()
        local tree = run(python("py", 'ready = s.ready.notify(), reload_signal = "HUP"'), { ["py.py"] = talker(READS) })
        tree:await { type = "ready", path = "py" }
        touch(tree, "slow")
        local code, _, err = live.run { live.program, "signal", "py", "reload", "--timeout", "500ms" }
        assert.are.equal(124, code)
        assert.matches("py: it still reads its settings", err, 1, true)
        assert.is_true(status("py").says_reloading)
        assert.is_true(status("py").ready)
        assert(os.remove(tree.folder .. "/slow"))
        await_status("the end of it", "py", function(node) return not node.says_reloading end)
    end)

    it("one that says nothing is only signalled; without the option, and of threads, it is refused", function()
        local tree = run [[
            s.process "plain" { command = "trap 'echo hup' HUP; echo up; while :; do sleep 0.05; done",
                reload_signal = "HUP" },
            s.process "none" { command = "exec sleep 1000" },
            s.thread "thread" { run = function(ctx) ctx:sleep(1000) end },]]
        tree:await_line("plain", "up")
        local code, out = live.run { live.program, "signal", "reload", "plain" }
        assert.are.equal(0, code)
        assert.matches("plain: signal HUP was sent", out, 1, true)
        tree:await_line("plain", "hup")
        local refused, _, err = live.run { live.program, "signal", "reload", "none" }
        assert.are_not.equal(0, refused)
        assert.matches("none: it has no reload_signal", err, 1, true)
        local _, _, words = live.run { live.program, "signal", "reload", "thread" }
        assert.matches("thread: it is no process", words, 1, true)
    end)

    it("one that ends instead is told of", function()
        local tree = run(python("py", 'ready = s.ready.notify(), reload_signal = "USR1"'), {
            ["py.py"] = talker("notify('READY=1')" .. SLEEPS),
        })
        tree:await { type = "ready", path = "py" }
        local code, _, err = live.run { live.program, "signal", "reload", "py" }
        assert.are.equal(1, code)
        assert.matches("py: it ended instead of reading its settings", err, 1, true)
    end)
end)
