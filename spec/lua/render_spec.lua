local explain = require "suptree.render.explain"
local status = require "suptree.render.status"
local table_of = require "suptree.render.table"
local terminal = require "suptree.render.terminal"
local words = require "suptree.render.words"

local function plain(columns)
    return { paint = terminal.painter(false), signs = terminal.signs(true), columns = columns }
end

local function node(fields)
    local result = {
        path = "web", name = "web", kind = "process", state = "running", ready = true, wanted = true, held = false,
        generation = 1, restarts = 0, since = 1, cause = "start", depth = 1,
    }
    for key, value in pairs(fields or {}) do result[key] = value end
    return result
end

local function supervisor(fields)
    local result = node { kind = "supervisor", count = 0, threshold = 5 }
    for key, value in pairs(fields or {}) do result[key] = value end
    return result
end

describe("render.words", function()
    it("writes times in at most two units", function()
        local cases = {
            [0] = "0s", [0.04] = "0s", [0.4] = "0.4s", [3] = "3s", [9.94] = "9.9s", [9.96] = "10s", [42.4] = "42s",
            [60] = "1m", [123] = "2m3s", [3599.6] = "1h", [11520] = "3h12m", [86400] = "1d", [446400] = "5d4h",
        }
        for seconds, text in pairs(cases) do assert.are.equal(text, words.duration(seconds)) end
        assert.are.equal("9s", words.age(9.9))
    end)

    it("says how a node last ended", function()
        assert.is_nil(words.last(node()))
        assert.are.equal("code 3", words.last(node { last = { reason = "exit", code = 3.0 } }))
        assert.are.equal("KILL", words.last(node { last = { reason = "signal", signal = "KILL" } }))
        assert.are.equal("not ready", words.last(node { last = { reason = "not_ready" } }))
        assert.are.equal("killed by signal 9 (KILL)", words.last_in_full(node {
            last = { reason = "signal", signal = "KILL", text = "killed by signal 9 (KILL)" },
        }))
    end)

    it("says what a person asks next", function()
        assert.are.equal("", words.detail(node()))
        assert.are.equal("a web server", words.detail(node { description = "a web server" }))
        assert.are.equal("its restart_delay runs; starts in 2.5s",
            words.detail(node { state = "delayed", ready = false, cause = "delay", next_in = 2.5 }))
        assert.are.equal("must be ready in 1m",
            words.detail(node { ready = false, next_in = 60, description = "a web server" }))
        assert.are.equal("a person asked for it", words.detail(node { state = "stopped", cause = "person" }))
        assert.are.equal("it needs db",
            words.detail(node { state = "waiting", cause = "dependency", ["for"] = "db" }))
        assert.are.equal("too many failures; restarts go on in 4.2s",
            words.detail(supervisor { state = "paused", resumes_in = 4.2 }))
        assert.are.equal("removed; a person asked for it",
            words.detail(node { state = "stopping", cause = "person", leaving = true }))
    end)

    it("puts a node into half a line", function()
        assert.are.equal("running, ready, pid 12", words.short(node { pid = 12.0 }))
        assert.are.equal("running, not ready yet, pid 12", words.short(node { pid = 12, ready = false }))
        assert.are.equal("stopped: a person asked for it", words.short(node { state = "stopped", cause = "person" }))
        assert.are.equal("stopped", words.short(node { state = "stopped", cause = "start" }))
    end)

    it("shows the count of a supervisor against its threshold", function()
        assert.is_nil(words.count(node()))
        assert.are.equal("2.5/3.5", words.count(supervisor { count = 2.53, threshold = 3.5 }))
        assert.are.equal("0/5", words.count(supervisor { count = 0.01 }))
    end)
end)

describe("render.terminal", function()
    it("leaves nothing that a terminal obeys", function()
        local cases = {
            { "plain text", "plain text" }, { "tab\there", "tab\there" }, { "\27[2J", "\\x1b[2J" },
            { "a\0b\127c\r", "a\\x00b\\x7fc\\x0d" }, { "grün – ok", "grün – ok" },
            { "\xC2\x9B31m", "\\xc2\\x9b31m" }, -- another ESC [
            { "bad \xff\xfe utf", "bad \\xff\\xfe utf" }, { "cut \xE2\x82", "cut \\xe2\\x82" },
            { "\xff\27[1m\xC2\x85", "\\xff\\x1b[1m\\xc2\\x85" },
            { "abc\u{202E}cba", "abc\\xe2\\x80\\xaecba" }, -- would turn the line around
            { "zero\u{200B}width", "zero\\xe2\\x80\\x8bwidth" },
        }
        for _, case in ipairs(cases) do assert.are.equal(case[2], terminal.printable(case[1])) end
        for byte = 0, 255 do
            local text = terminal.printable(string.char(byte))
            assert.is_truthy(text:find "^[\t -~]+$", byte)
        end
    end)

    it("cuts by characters", function()
        assert.are.equal("grün", terminal.cut("grün", 4, "…"))
        assert.are.equal("gr…", terminal.cut("grün", 3, "…"))
        assert.are.equal("", terminal.cut("grün", 0, "…"))
    end)

    it("believes the locale in the order that libc does", function()
        local function wide(env) return terminal.is_wide(function(name) return env[name] end) end
        assert.is_false(wide {})
        assert.is_true(wide { LANG = "de_DE.UTF-8" })
        assert.is_true(wide { LANG = "C", LC_CTYPE = "C.utf8" })
        assert.is_false(wide { LC_ALL = "C", LANG = "de_DE.UTF-8" })
        assert.is_true(wide { LC_ALL = "", LANG = "de_DE.UTF-8" })
    end)

    it("paints or does not", function()
        assert.are.equal("\27[31mx\27[0m", terminal.painter(true)("red", "x"))
        assert.are.equal("x", terminal.painter(true)(nil, "x"))
        assert.are.equal("x", terminal.painter(false)("red", "x"))
        assert.is_true(terminal.is_coloured("always", 1))
        assert.is_false(terminal.is_coloured("never", 1))
    end)
end)

describe("render.table", function()
    local heads = { { title = "A" }, { title = "N", right = true }, { title = "TEXT" } }

    it("aligns, by characters and not by bytes, and leaves no blanks at the end", function()
        assert.are.same({ "A       N  TEXT", "grün    1  x", "abcde  10" },
            table_of.lines(heads, { { "grün", "1", "x" }, { "abcde", "10", "", colours = { "red" } } }, plain()))
    end)

    it("paints words, not the blanks around them", function()
        local facts = { paint = terminal.painter(true), coloured = true, signs = terminal.signs(true) }
        local rows = { { "ab", "1", "x", colours = { "red", "green" } }, { "abcd", "22", "y" } }
        local lines = table_of.lines(heads, rows, facts)
        assert.are.equal("\27[31mab\27[0m     \27[32m1\27[0m  x", lines[2])
        assert.are.equal("abcd  22  y", lines[3])
    end)

    it("cuts the last column where the terminal ends", function()
        local lines = table_of.lines(heads, { { "ab", "1", "a long text that does not fit" } }, plain(20))
        assert.are.equal("ab  1  a long text …", lines[2])
        assert.are.equal(20, terminal.width(lines[2]))
    end)

    it("has room for very long names", function()
        local long = ("x"):rep(150)
        local lines = table_of.lines(heads, { { long, "1", "t" }, { "a", "1", "t" } }, plain())
        assert.are.equal(long .. "  1  t", lines[2])
        assert.are.equal("a" .. (" "):rep(149) .. "  1  t", lines[3])
    end)
end)

describe("render.status", function()
    local nodes = {
        supervisor { path = ".", name = "shop", depth = 0, uptime = 300.4, count = 1.26 },
        node { path = "db", name = "db", pid = 12.0, uptime = 3.9 },
        supervisor { path = "workers", name = "workers" },
        node {
            path = "workers/mailer", name = "mailer", depth = 2, state = "delayed", ready = false, cause = "delay",
            next_in = 2, restarts = 3, last = { reason = "exit", code = 1, text = "exit code 1\27[2J" },
        },
        node { path = "web", name = "web", state = "stopped", ready = false, cause = "person" },
    }

    it("makes a table", function()
        assert.are.same({
            "SERVICE         STATE    READY  PID  UPTIME  RESTARTS  COUNT/MAX  LAST-EXIT  DETAIL",
            ".               running  yes      -      5m         0      1.3/5  -",
            "db              running  yes     12      3s         0          -  -",
            "workers         running  yes      -      1s         0        0/5  -",
            "workers/mailer  delayed  -        -       -         3          -  code 1     "
                .. "its restart_delay runs; starts in 2s",
            "web             stopped  -        -       -         0          -  -          a person asked for it",
        }, status.table(nodes, plain()))
    end)

    it("adds up", function()
        assert.are.equal("3 services: 1 running, 1 delayed, 1 stopped", status.summary(nodes))
        assert.are.equal("0 services", status.summary {})
    end)

    it("draws the tree", function()
        assert.are.same({
            "TREE          STATE    READY  PID  UPTIME  DETAIL",
            "shop          running  yes      -      5m",
            "├─ db         running  yes     12      3s",
            "├─ workers    running  yes      -      1s",
            "│  └─ mailer  delayed  -        -       -  its restart_delay runs; starts in 2s",
            "└─ web        stopped  -        -       -  a person asked for it",
        }, status.tree(nodes, plain(), "shop"))
        local ascii = plain()
        ascii.signs = terminal.signs(false)
        assert.are.equal("|  `- mailer  delayed  -        -       -  its restart_delay runs; starts in 2s",
            status.tree(nodes, ascii, "shop")[5])
    end)

    it("draws a part of the tree from its own root", function()
        local lines = status.tree({ nodes[3], nodes[4] }, plain())
        assert.are.equal("workers", lines[2]:match "^%S+")
        assert.are.equal("└─ mailer", lines[3]:match "^%S+ %S+")
    end)

    it("has no line beside the children of a last child", function()
        local lines = status.tree({ nodes[1], nodes[3], nodes[4] }, plain(), "shop")
        assert.are.equal("   └─ mailer", lines[4]:match "^.-mailer")
    end)

    it("makes a page about one node", function()
        assert.are.same({
            "● workers/mailer (process): delayed", "         why  its restart_delay runs", "         for  1s",
            "        next  starts in 2s", "    restarts  3", "    last end  exit code 1\\x1b[2J",
        }, status.page(nodes[4], plain(), 100))
        local page = table.concat(status.page(node {
            pid = 7, uptime = 70, generation = 2, description = "a web server", after = { "db" },
            last = { reason = "exit", code = 1, at = 40 },
        }, plain(), 100), "\n")
        assert.is_truthy(page:find("● web (process): running, ready", 1, true))
        assert.is_truthy(page:find("process  pid 7, up 1m10s, generation 2", 1, true))
        assert.is_truthy(page:find("last end  exit code 1, 1m ago", 1, true))
        assert.is_truthy(page:find("after  db", 1, true))
    end)
end)

describe("render.explain", function()
    it("shows the chain of causes, what comes next, and the commands", function()
        assert.are.same({
            "web waits", "  because db stopped: a person asked for it", "          . running",
            "  it waits for db (stopped)", "  next: starts in 2s", "  to change it: suptree start db",
            "                suptree start web",
        }, explain.lines({
            node = node { state = "waiting", ready = false }, reason = "waits",
            because = {
                { path = "web", state = "waiting", cause = "dependency", text = "waiting: it needs db" },
                { path = "db", state = "stopped", cause = "person", text = "stopped: a person asked for it" },
                { path = ".", state = "running", cause = "start" },
            },
            next = { what = "starts", ["in"] = 2 }, commands = { "suptree start db", "suptree start web" },
            waits_for = { { path = "db", state = "stopped" } },
        }, plain()))
    end)

    it("is short when there is nothing to say", function()
        assert.are.same({ "web running, ready, pid 3" }, explain.lines({ node = node { pid = 3 } }, plain()))
    end)
end)
