-- suptree console: by -e, by a pipe, and by a person at a terminal (util-linux's `script` makes the terminal).
local cjson = require "cjson"
local live = require "spec.support.live"
local uv = require "luv"

local CONFIG = [[
    local s = require "suptree"
    return s.supervisor "shop" {
        s.process "web" { command = "echo hello; exec sleep 1000" },
        s.supervisor "workers" {
            s.process "mailer" { command = { "sleep", "1000" } },
            s.process "my-db" { command = { "sleep", "1000" } },
        },
    }]]

local function holds(text, said)
    assert.matches(text, said, 1, true)
end

describe("the console", function()
    local tree

    local function console(...)
        return live.run { live.program, "console", ... }
    end

    before_each(function()
        tree = live.tree(CONFIG)
        tree:await { type = "ready", path = "." }
        tree:await_line("web", "hello")
    end)
    after_each(live.clean)

    it("has every service by its name", function()
        local code, out = console("-e", "web.state", "-e", "workers.mailer", "-e", 'tree.workers["my-db"].pid > 0',
            "-e", "for name, child in pairs(workers) do print(name, child.ready) end")
        assert.are.equal(0, code)
        local words = "^running\nworkers/mailer: process, running, ready, pid %d+\ntrue\n"
        assert.matches(words .. "mailer\ttrue\nmy%-db\ttrue\n$", out)
    end)

    it("shows values as a person reads them, and as JSON", function()
        local code, out = console("-e", "{ 1, { a = 'x' } }", "-e", "'bare'", "-e", "ps 'workers/*'", "-e", "logs(web)")
        assert.are.equal(0, code)
        holds("a = \"x\"", out)
        holds("\nbare\n", out)
        holds("SERVICE", out)
        holds("workers/mailer", out)
        holds("hello\n", out)
        code, out = console("--json", "-e", "{ web.state, workers.mailer }", "-e", "{}")
        assert.are.equal(0, code)
        local first, second = out:match "^([^\n]*)\n([^\n]*)\n$"
        local list = cjson.decode(first)
        assert.are.same({ "running", "workers/mailer" }, { list[1], list[2].path })
        assert.are.equal("[]", second)
    end)

    it("only looks, unless it may write", function()
        local code, _, err = console("-e", "web:restart()")
        assert.are.equal(1, code)
        holds("restart changes the tree, and this console only looks; start it with --write", err)
        local before = tree:running "web"
        local out
        code, out = console("--write", "-e", "web:restart()", "-e", "web.generation")
        assert.are.equal(0, code)
        assert.matches("^web: .*\n2\n$", out)
        assert.are_not.equal(before, tree:running "web")
        code, out = console("--write", "-e", "stop(workers.mailer)", "-e", "explain(workers.mailer)")
        assert.are.equal(0, code)
        holds("workers/mailer", out)
    end)

    it("says what was wrong, and with which code", function()
        local code, _, err = console("-e", "nothing.at.all")
        assert.are.equal(1, code)
        holds("attempt to index a nil value (global 'nothing')", err)
        code, _, err = console("-e", "logs 'nope'")
        assert.are.equal(1, code)
        holds("nope", err)
        code, _, err = console("-e", "if true then")
        assert.are.equal(1, code)
        holds("it ends in the midst of a statement", err)
        code, _, err = console("-e", "web.state = 1")
        assert.are.equal(1, code)
        holds("cannot be set here", err)
    end)

    it("cuts what takes too long, whatever catches errors", function()
        local code, _, err = console("--timeout", "0.2", "-e",
            "while true do pcall(function() coroutine.wrap(function() while true do end end)() end) end")
        assert.are.equal(124, code)
        holds("longer than --timeout allows", err)
    end)

    it("runs what comes by a pipe, statement by statement", function()
        local pipe = assert(uv.new_pipe(false))
        local started = live.spawn({ live.program, "console" }, { stdin = pipe })
        pipe:write "count = 0\nfor _ in pairs(workers) do\n  count = count + 1\nend\ncount\n_ * 2\n"
        pipe:shutdown(function() pipe:close() end)
        assert.are.equal(0, started:wait())
        assert.are.equal("2\n4\n", started.out)
    end)

    it("speaks with a person: multi-line, _, completion, streams, Ctrl-C, Ctrl-D", function()
        local pipe = assert(uv.new_pipe(false))
        local home = live.folder()
        local started = live.spawn({ "script", "-qfec", "exec " .. live.program .. " console --write", "/dev/null" },
            { stdin = pipe, env = { HOME = home, TERM = "xterm", COLUMNS = "200" } })
        local place = 1
        local function answer(text)
            live.wait(function() return ("%q in %q"):format(text, started.out:sub(place)) end, function()
                local _, last = started.out:find(text, place, true)
                if last then place = last + 1 end
                return last
            end)
        end
        answer "shop> "
        pipe:write "1 + 1\n"
        answer "\n2\r"
        pipe:write "_ * 10\n"
        answer "\n20\r"
        pipe:write "for i = 7, 7 do\n"
        answer "| "
        pipe:write "print(i * 11)\n"
        answer "| "
        pipe:write "end\n"
        answer "\n77\r"
        pipe:write "wor\t.mai\t.state\n"
        answer '\n"running"\r'
        pipe:write "watch(web)\n"
        answer "shop> "
        pipe:write "restart(web)\n"
        answer "web  started"
        pipe:write "unfollow()\n'quiet' .. #'now'\n"
        answer "\n\"quiet3\"\r"
        answer "shop> "
        pipe:write "while true do end\n"
        answer "while true do end\r\n"
        pipe:write "\3"
        answer "interrupted"
        pipe:write "40 + 2\n"
        answer "\n42\r"
        -- typed while a line runs: the terminal keeps it for the next
        pipe:write "for _ = 1, 1e8 do end\n"
        answer "1e8 do end\r\n"
        pipe:write "\4"
        assert.are.equal(0, started:wait())
        pipe:close()
        holds("restart(web)", live.read_file(home .. "/.suptree_history"):gsub("\\040", " "))
    end)

    it("ends when there is no host, with what to do", function()
        local code, _, err = console("-n", "nobody-has-this-name", "-e", "1")
        assert.are.equal(7, code)
        holds("no host answers to the name nobody-has-this-name", err)
    end)
end)
