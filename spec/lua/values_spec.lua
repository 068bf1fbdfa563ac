local options = require "suptree.options"
local ready = require "suptree.ready"
local values = require "suptree.values"

-- What `value` of the option becomes: its bytes, or nil and the faults as "below: reason (hint)".
local function encode(name, value)
    local faults = {}
    local bytes = values.encode {
        row = options.rows[name], value = value, folder = "/srv/shop",
        fail = function(reason, hint, below)
            faults[#faults + 1] = (below and below .. ": " or "") .. reason .. (hint and (" (%s)"):format(hint) or "")
        end,
    }
    if faults[1] then return nil, table.concat(faults, "\n") end
    return bytes
end

local function good(name, value, bytes)
    assert.are.same({ bytes }, { encode(name, value) })
end

local function bad(name, value, fault)
    local bytes, faults = encode(name, value)
    assert.is_nil(bytes)
    assert.are.equal(fault, faults)
end

local function seconds(number)
    return string.pack("=i8", math.floor(number * 1e9 + 0.5))
end

describe("the value of an option", function()
    it("true or false", function()
        good("backoff_jitter", true, "\1")
        good("backoff_jitter", false, "\0")
        bad("backoff_jitter", "yes", 'must be true or false, not "yes"')
        bad("backoff_jitter", 1, "must be true or false, not 1")
    end)

    it("a count", function()
        good("intensity", 3, string.pack("=I4", 3))
        good("intensity", 3.0, string.pack("=I4", 3))
        bad("intensity", 3.5, "must be a whole number from 0 to 10000, not 3.5")
        bad("intensity", -1, "must be a whole number from 0 to 10000, not -1")
        bad("intensity", 10001, "must be a whole number from 0 to 10000, not 10001")
        bad("intensity", "3", 'must be a whole number from 0 to 10000, not "3"')
        bad("intensity", 1e300, "must be a whole number from 0 to 10000, not 1e+300")
    end)

    it("a number", function()
        good("failure_threshold", 3.5, string.pack("=d", 3.5))
        good("failure_threshold", 5, string.pack("=d", 5))
        bad("failure_threshold", -1, "must be a number from 0 to 1000000000, not -1")
        bad("failure_threshold", 0 / 0, ("must be a number from 0 to 1000000000, not %.14g"):format(0 / 0))
        bad("failure_threshold", math.huge, "must be a number from 0 to 1000000000, not inf")
        bad("failure_threshold", {}, "must be a number from 0 to 1000000000, not a table")
    end)

    describe("a duration", function()
        local plain = '(Write seconds as a number, or a text such as "1m30s".)'
        local infinite = '(Write seconds as a number, "1m30s", or "infinity".)'

        it("is seconds or a text", function()
            good("failure_backoff", 15, seconds(15))
            good("failure_backoff", 0.25, seconds(0.25))
            good("failure_backoff", "500ms", seconds(0.5))
            good("failure_backoff", "1h30m", seconds(5400))
            good("failure_backoff", 0, seconds(0))
        end)

        it("is infinite only where that makes sense", function()
            good("timeout", "infinity", string.pack("=i8", math.maxinteger))
            bad("failure_backoff", "infinity", 'cannot be "infinity" ' .. plain)
        end)

        it("is refused as anything else", function()
            bad("failure_backoff", "10x", '"10x" is not a duration ' .. plain)
            bad("timeout", "", '"" is not a duration ' .. infinite)
            bad("timeout", -1, "is negative (-1); a duration is 0 or more " .. infinite)
            bad("timeout", true, "true is not a duration " .. infinite)
            bad("timeout", math.huge, "inf is not a duration " .. infinite)
            bad("timeout", "1s\0", '"1s\\0" is not a duration ' .. infinite)
            bad("failure_decay", 0, "must be greater than 0 " .. plain)
        end)
    end)

    it("a size", function()
        local hint = '(Write bytes as a number, or a text such as "64MiB".)'
        good("memory", "64MiB", string.pack("=I8", 64 << 20))
        good("memory", 1000, string.pack("=I8", 1000))
        good("memory", 1e6, string.pack("=I8", 1000000))
        bad("memory", 0.5, "0.5 is not a size " .. hint)
        bad("memory", -1, "-1 is not a size " .. hint)
        bad("memory", "64XB", '"64XB" is not a size ' .. hint)
        bad("memory", 0, 'must be greater than 0 (Write bytes as a number, or "64MiB".)')
    end)

    it("a text", function()
        good("description", "the shop", "the shop\0")
        bad("description", 5, "must be a text, not 5")
        bad("description", "a\0b", "has a zero byte")
        good("formerly", "www", "www\0")
        bad("formerly", "w w", '"w w" is not a name of a node')
    end)

    it("a path", function()
        good("cwd", "/var/lib", "/var/lib\0")
        good("cwd", "data", "/srv/shop/data\0")
        good("cwd", "./data/", "/srv/shop/data\0")
        good("cwd", ".", "/srv/shop\0")
        good("cwd", "../other", "/srv/shop/../other\0")
        bad("cwd", "", 'must be a path, not ""')
        bad("cwd", 5, "must be a path, not 5")
        bad("cwd", "a\0b", "has a zero byte")
        bad("cwd", "~/data", '"~/data" starts with ~, which nobody expands here (Write os.getenv "HOME" .. "/…".)')
    end)

    it("one of a few words", function()
        good("strategy", "one_for_one", "\0")
        good("strategy", "rest_for_one", "\2")
        bad("strategy", "one_for_al",
            'must be "one_for_one", "one_for_all" or "rest_for_one", not "one_for_al", did you mean "one_for_all"?')
        bad("restart", 1, 'must be "permanent", "transient" or "temporary", not 1')
    end)

    it("names of siblings, in one order and each once", function()
        good("after", { "web", "db" }, "db\0web\0")
        good("after", { "db", "db" }, "db\0")
        good("after", {}, "")
        bad("after", "db", 'must be a list of names of siblings, not "db" (Write { "db" }.)')
        bad("after", { db = true }, 'must be a list of names of siblings; it has the key "db" (Write { "db" }.)')
        bad("after", { "a b" }, '[1]: "a b" is not a name of a node')
        bad("after", { "db", 5 }, "[2]: 5 is not a name of a node")
    end)

    describe("a command", function()
        local hint = '(Write { "program", "argument" } or a line for the shell.)'

        it("is words, run directly", function()
            good("command", { "postgres", "-D", "data" }, "postgres\0-D\0data\0")
            good("command", { "sleep", 5, 1.5, "" }, "sleep\0005\0001.5\0\0")
        end)

        it("is found relative to the configuration when it is named with a slash", function()
            good("command", { "./web", "./x" }, "/srv/shop/web\0./x\0")
            good("command", { "bin/web" }, "/srv/shop/bin/web\0")
            good("command", { "/bin/web" }, "/bin/web\0")
        end)

        it("is a line for the shell as it stands", function()
            good("command", "./web --port $PORT", "/bin/sh\0-c\0./web --port $PORT\0")
        end)

        it("is refused as anything else", function()
            bad("command", {}, "is empty " .. hint)
            bad("command", { "" }, "is empty " .. hint)
            bad("command", "  ", "is empty " .. hint)
            bad("command", 5, "must be a list of words or a line for the shell, not 5 " .. hint)
            bad("command", { "a", {} }, "[2]: must be a text, not a table " .. hint)
            bad("command", { "a", "b\0c" }, "[2]: has a zero byte")
            bad("command", { "a", x = 1 }, 'must be a list of words without holes; it has the key "x" ' .. hint)
            bad("command", "a\0b", "has a zero byte")
        end)
    end)

    it("exit codes, in one order and each once", function()
        good("success_exit", { 75, 0, 75 }, "\0\75")
        good("done_exit", {}, "")
        bad("success_exit", 0, "must be a list of exit codes, not 0 (Write { 0, 75 }.)")
        bad("success_exit", { 256 }, "[1]: 256 is not an exit code; they go from 0 to 255")
        bad("success_exit", { 0, "1" }, '[2]: "1" is not an exit code; they go from 0 to 255')
        bad("success_exit", { -1 }, "[1]: -1 is not an exit code; they go from 0 to 255")
    end)

    it("a signal", function()
        local hint = '(Write a name such as "TERM", or a number.)'
        good("stop_signal", "INT", "\2")
        good("stop_signal", "SIGINT", "\2")
        good("stop_signal", 15, "\15")
        bad("stop_signal", "term", '"term" is not a signal, did you mean "TERM"? ' .. hint)
        bad("stop_signal", "TREM", '"TREM" is not a signal, did you mean "TERM"? ' .. hint)
        bad("stop_signal", 0, "0 is not a signal " .. hint)
        bad("stop_signal", 200, "200 is not a signal; they go from 1 to 64 " .. hint)
        bad("stop_signal", 1.5, "1.5 is not a signal " .. hint)
    end)

    describe("a delay", function()
        local hint = '(Write a duration, or { initial = "1s", max = "60s", factor = 2 }.)'

        local function packed(initial, max, factor, jitter, reset_after)
            local s = 1000000000
            return string.pack("=i8i8ddi8", initial * s, max * s, factor, jitter, reset_after * s)
        end

        it("is a duration, always the same", function()
            good("restart_delay", "2s", packed(2, 2, 1, 0, 60))
            good("restart_delay", 0, packed(0, 0, 1, 0, 60))
        end)

        it("is a table that says how it grows", function()
            good("restart_delay", { initial = 1 }, packed(1, 60, 2, 0, 60))
            good("restart_delay", { initial = "2m" }, packed(120, 120, 2, 0, 60))
            good("restart_delay", { initial = 1, max = "5m", factor = 3, jitter = 0.5, reset_after = "1h" },
                packed(1, 300, 3, 0.5, 3600))
        end)

        it("is refused as anything else", function()
            bad("restart_delay", "soon", '"soon" is not a delay ' .. hint)
            bad("restart_delay", {}, "needs an initial delay " .. hint)
            bad("restart_delay", { initial = 1, intial = 2 },
                'has the unknown key "intial", did you mean "initial"? ' .. hint)
            bad("restart_delay", { initial = "x" },
                '.initial: "x" is not a duration (Write seconds as a number, or a text such as "1m30s".)')
            bad("restart_delay", { initial = 1, factor = "2" }, '.factor: must be a number, not "2"')
            bad("restart_delay", { initial = 1, factor = 0 }, "its factor must be a number from 1 to 1000000 " .. hint)
            bad("restart_delay", { initial = 2, max = 1 }, "its max is less than its initial " .. hint)
            bad("restart_delay", { initial = 1, jitter = 2 }, "its jitter must be a fraction from 0 to 1 " .. hint)
        end)
    end)

    it("a readiness", function()
        local kinds = ready.kinds
        good("ready", kinds.delay "2s", string.pack("=Bi8z", 1, 2000000000, ""))
        good("ready", kinds.file "run/web.pid", string.pack("=Bi8z", 2, 0, "/srv/shop/run/web.pid"))
        good("ready", kinds.manual(), string.pack("=Bi8z", 3, 0, ""))
        bad("ready", 5, "must be one of s.ready.*, not 5 (Write s.ready.notify(), fd(n), tcp(port), unix(path), "
            .. "http(url), exec { … }, log(pattern), file(path), delay(t) or manual().)")
        bad("ready", kinds.delay "x",
            '"x" is not a duration (Write seconds as a number, or a text such as "1m30s".)')
        bad("ready", kinds.delay(),
            'nothing is not a duration (Write seconds as a number, or a text such as "1m30s".)')
        bad("ready", kinds.file(5), "must be a path, not 5")
    end)

    it("a readiness that is looked at", function()
        local kinds = ready.kinds
        local function bytes(kind, subject, number, low, high, timeout, every, command)
            local details = string.pack("=I4I2I2i8i8", number, low, high, timeout, every)
            return string.pack("=Bi8z", kind, 0, subject) .. details .. (command or "")
        end
        good("ready", kinds.notify(), bytes(4, "", 0, 0, 0, 0, 0))
        good("ready", kinds.fd(3), bytes(5, "", 3, 0, 0, 0, 0))
        good("ready", kinds.tcp(5432), bytes(6, "5432", 0, 0, 0, 0, 0))
        good("ready", kinds.tcp "localhost:80", bytes(6, "localhost:80", 0, 0, 0, 0, 0))
        good("ready", kinds.tcp { "[::1]:80", timeout = "1s", every = 2 }, bytes(6, "[::1]:80", 0, 0, 0, 1e9, 2e9))
        good("ready", kinds.unix "run/web.sock", bytes(7, "/srv/shop/run/web.sock", 0, 0, 0, 0, 0))
        good("ready", kinds.http "http://127.0.0.1:80/x?y", bytes(8, "http://127.0.0.1:80/x?y", 0, 200, 399, 0, 0))
        good("ready", kinds.http { "http://localhost", status = 204 }, bytes(8, "http://localhost", 0, 204, 204, 0, 0))
        good("ready", kinds.http { "http://[::1]", status = "200-204" },
            bytes(8, "http://[::1]", 0, 200, 204, 0, 0))
        good("ready", kinds.exec { "./check", 5, timeout = 3 },
            bytes(9, "", 0, 0, 0, 3e9, 0, "/srv/shop/check\0" .. "5\0"))
        good("ready", kinds.exec "curl -f x", bytes(9, "", 0, 0, 0, 0, 0, "/bin/sh\0-c\0curl -f x\0"))
        good("ready", kinds.log "^port %d+ (open)$", bytes(10, "^port %d+ (open)$", 0, 0, 0, 0, 0))
    end)

    it("a readiness that cannot be", function()
        local kinds = ready.kinds
        local function refused(value, words)
            local _, faults = encode("ready", value)
            assert.matches(words, faults, 1, true)
        end
        refused(kinds.fd(2), "must be the number of a descriptor from 3 to 255, not 2 (Write s.ready.fd(3).)")
        refused(kinds.fd "x", 'not "x"')
        refused(kinds.tcp(0), "must be a port from 1 to 65535 or an address, not 0")
        refused(kinds.tcp(70000), "must be a port from 1 to 65535 or an address, not 70000")
        refused(kinds.tcp "70000", '"70000" is no port; they go from 1 to 65535')
        refused(kinds.tcp "db.example:5432", "has a host that is no address in numbers (Write its number, such as")
        refused(kinds.tcp "127.0.0.1", "has no port")
        refused(kinds.tcp ":80", "has no host")
        refused(kinds.tcp "::1:80", "has an IPv6 address without brackets")
        refused(kinds.tcp(), "must be a port from 1 to 65535 or an address, not nothing")
        refused(kinds.tcp { 80, tmeout = 1 }, 'tcp has the unknown key "tmeout", did you mean "timeout"?')
        refused(kinds.tcp { 80, timeout = 0 }, ".timeout: must be greater than 0")
        refused(kinds.tcp { 80, every = "x" }, '.every: "x" is not a duration')
        refused(kinds.tcp { 80, every = "infinity" }, 'its every cannot be "infinity"')
        refused(kinds.unix(("x"):rep(120)), "is too long for a socket: 107 bytes at most (Put the socket into a folder")
        refused(kinds.unix(5), "must be a path, not 5")
        refused(kinds.http "https://127.0.0.1/",
            "is https, and whoever looks holds no certificates to check it by (Ask")
        refused(kinds.http "127.0.0.1/", "does not begin with http:// (Write a URL such as")
        refused(kinds.http "http://example.org/", "has a host that is no address in numbers")
        refused(kinds.http "http://127.0.0.1/a b", "has a character that must be written as %XX")
        refused(kinds.http "http://127.0.0.1/\r\nX: y", "has a character that must be written as %XX")
        refused(kinds.http "http://me:secret@127.0.0.1/", "names a user")
        refused(kinds.http "http://127.0.0.1/#x", "has a #")
        refused(kinds.http "http://127.0.0.1:0/", "has a port that is no number from 1 to 65535")
        refused(kinds.http { "http://127.0.0.1/", status = 42 }, ".status: 42 is not a status (Write status = 200")
        refused(kinds.http { "http://127.0.0.1/", status = "399-200" }, '"399-200" is not a status')
        refused(kinds.http(80), "must be a URL, not 80")
        refused(kinds.exec {}, "is empty")
        refused(kinds.exec { "a", timout = 1 }, 'exec has the unknown key "timout", did you mean "timeout"?')
        refused(kinds.exec(5), "must be a list of words or a line for the shell, not 5")
        refused(kinds.log "", 'must be a Lua pattern, not ""')
        refused(kinds.log "port [0-9", "is no Lua pattern: a set lacks its ]")
        refused(kinds.log "100%", "is no Lua pattern: it ends with %")
        refused(kinds.log "(a", "is no Lua pattern: a ( lacks its )")
        refused(kinds.log "a)", "is no Lua pattern: a ) has no (")
        refused(kinds.log "%1", "is no Lua pattern: %1 is no capture that is complete there")
        refused(kinds.log "%bx", "is no Lua pattern: %b needs two characters")
        refused(kinds.log "%fx", "is no Lua pattern: %f needs a set in brackets")
    end)

    it("a health", function()
        local kinds = ready.kinds
        local function bytes(failures, action, every, timeout, start_after, probe)
            return string.pack("=I4BBI2i8i8i8", failures, action, 0, 0, every, timeout, start_after) .. probe
        end
        local tcp = string.pack("=Bi8zI4I2I2i8i8", 6, 0, "80", 0, 0, 0, 0, 0)
        good("health", { probe = kinds.tcp(80) }, bytes(3, 0, 10e9, 2e9, 0, tcp))
        good("health", { probe = kinds.tcp(80), every = "1m", timeout = 3, failures = 5, action = "event",
            start_after = "5s" }, bytes(5, 1, 60e9, 3e9, 5e9, tcp))
        good("health", { probe = kinds.tcp { 80, timeout = 1 } },
            bytes(3, 0, 10e9, 1e9, 0, string.pack("=Bi8zI4I2I2i8i8", 6, 0, "80", 0, 0, 0, 1e9, 0)))
        local hint = ' (Write { probe = s.ready.tcp(80), every = "10s", timeout = "2s", failures = 3 }.)'
        local hint_probe = " (Write probe = s.ready.tcp(80), .unix, .http, .exec, or a function(service).)"
        bad("health", true, "must be a table, not true" .. hint)
        bad("health", kinds.tcp(80), "must be a table, not a suptree readiness" .. hint)
        bad("health", {}, "has no probe" .. hint_probe)
        bad("health", { probe = kinds.tcp(80), evry = 5 }, 'has the unknown key "evry", did you mean "every"?' .. hint)
        bad("health", { probe = 80 }, ".probe: must be one of s.ready.* or a function, not 80" .. hint_probe)
        bad("health", { probe = kinds.delay(5) },
            ".probe: is s.ready.delay, which cannot be looked at again and again" .. hint_probe)
        bad("health", { probe = kinds.tcp(0) }, ".probe: must be a port from 1 to 65535 or an address, not 0 "
            .. '(Write s.ready.tcp(5432), s.ready.tcp "127.0.0.1:5432", '
            .. 'or { 5432, timeout = "1s" } in its parentheses.)')
        bad("health", { probe = kinds.tcp { 80, every = 1 } },
            ".probe.every: says every itself (Write every beside probe.)")
        bad("health", { probe = kinds.tcp(80), failures = 0 },
            ".failures: must be a whole number from 1 to 1000, not 0")
        bad("health", { probe = kinds.tcp(80), action = "evnt" },
            '.action: must be "restart" or "event", not "evnt", did you mean "event"?')
        bad("health", { probe = kinds.tcp(80), every = 0 }, "its every must be greater than 0" .. hint)
        bad("health", { probe = kinds.tcp(80), every = "x" },
            '.every: "x" is not a duration (Write seconds as a number, or a text such as "1m30s".)')
        bad("health", { probe = kinds.tcp(80), timeout = "infinity" }, 'its timeout cannot be "infinity"' .. hint)
    end)

    it("what reading a pattern says is what matching says", function()
        local patterns = require "suptree.patterns"
        for _, good_one in ipairs { "[]]", "[^]]", "[%]]", "[a-]", "%b()", "%f[%w]x", "(a)(b)%2%1",
            "()", "%%", "x*", "^-$", "[]-a]" } do
            assert.is_nil(patterns.find_fault(good_one), good_one)
            assert.is_true(pcall(string.find, "aabb", good_one), good_one)
        end
    end)

    it("a log", function()
        local hint = '(Write { file = "logs/web.log" }, false or "inherit".)'
        good("log", true, "\0\0")
        local function details(...) return string.pack("=BBI4I8i8I4B", ...) end
        good("log", { file = "web.log" }, "\1/srv/shop/web.log\0" .. details(0, 0, 10, 0, 0, 0, 0))
        good("log", { file = "/x", max_size = "10MiB", max_files = 0, max_age = "1d", timestamps = "iso8601",
            format = "json", buffer = "1MiB" }, "\1/x\0" .. details(1, 1, 0, 10 << 20, 86400000000000, 1 << 20, 0))
        good("log", { file = "/x", timestamps = "tai64n", format = "raw" }, "\1/x\0" .. details(2, 0, 10, 0, 0, 0, 0))
        good("log", { buffer = 4096 }, "\0\0" .. details(0, 0, 10, 0, 0, 4096, 0))
        good("log", false, "\2\0")
        good("log", "inherit", "\3\0")
        good("log", { to = "group/logger" }, "\4group/logger\0" .. details(0, 0, 10, 0, 0, 0, 0))
        bad("log", { to = 5 }, ".to: must be the name of a service, not 5")
        bad("log", { to = "a b" }, 'its to, "a b", is not the name of a service '
            .. '(Write the name of a sibling, or a path such as "loggers/web".)')
        bad("log", { to = "a", file = "x" }, ".to: cannot stand beside file: all of the output goes to that service "
            .. "(Let that service say how the output is kept.)")
        bad("log", "web.log", 'must be a table, false or "inherit", not "web.log" ' .. hint)
        bad("log", {}, "says nothing " .. hint)
        bad("log", { file = "x", timestamps = "iso" },
            '.timestamps: must be "iso8601" or "tai64n", not "iso"')
        bad("log", { file = "x", format = "jsn" }, '.format: must be "raw" or "json", not "jsn", did you mean "json"?')
        bad("log", { file = "x", max_size = "10 MB" },
            '.max_size: "10 MB" is not a size (Write bytes as a number, or a text such as "64MiB".)')
        bad("log", { file = "x", max_age = true },
            '.max_age: true is not a duration (Write seconds as a number, or a text such as "1m30s".)')
        bad("log", { file = "x", max_size = "1MiB", max_files = 2.5 },
            ".max_files: must be a whole number from 0 to 10000, not 2.5")
        bad("log", { max_size = "1MiB" },
            '.max_size: means nothing without a file (Add file, such as file = "logs/web.log".)')
        bad("log", { file = "x", max_files = 3 }, ".max_files: means nothing without max_size or max_age "
            .. '(Add one of them, such as max_size = "10MiB".)')
        local example = ' (Write { file = "logs/web.log", max_size = "10MiB", max_files = 5 }.)'
        bad("log", { file = "x", max_size = 100 }, 'its max_size must be "4KiB" at least' .. example)
        bad("log", { buffer = "1GiB" }, 'its buffer must be from "4KiB" to "16MiB"' .. example)
        bad("log", { file = "x", max_age = 0.5 }, "its max_age must be a second at least" .. example)
        bad("log", { file = "x", fil = 1 }, 'has the unknown key "fil", did you mean "file"? ' .. hint)
        bad("log", { file = 5 }, ".file: must be a path, not 5")
    end)

    it("of each type has an encoder, but those that are encoded with their node", function()
        for _, row in ipairs(options.rows) do
            if row.type ~= "env" and row.type ~= "env_file" and row.type ~= "bytes" then
                -- A function fits no type: an encoder that is missing would raise.
                assert.is_nil((encode(row.name, function() end)), row.name)
            end
        end
    end)
end)
