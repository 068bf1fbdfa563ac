local live = require "spec.support.live"
local proc = require "spec.support.proc"

describe("the output of services", function()
    after_each(live.clean)

    local function tree_of(services, options)
        return live.tree(([[
            local s = require "suptree"
            return s.supervisor "tree" { %s }]]):format(services), options)
    end

    it("is shown line by line with the name before it, standard error too", function()
        local tree = tree_of [[
            s.supervisor "group" {
                s.process "web" { command = "echo to out; echo to err >&2; exec /bin/sleep 1000" } }]]
        tree:await_line("group/web", "to out")
        tree:await_line("group/web", "to err")
        assert.are.equal(0, tree:stop())
    end)

    it("that has no newline is shown when the service ends", function()
        local tree = tree_of [[s.process "web" { restart = "temporary", command = "printf 'no newline'" }]]
        tree:await_line("web", "no newline")
        assert.are.equal(0, tree:stop())
    end)

    it("goes into the file as it is: zero bytes, no newline, no prefix", function()
        local tree = tree_of [[s.process "web" {
            restart = "temporary", log = { file = "web.log" }, command = [=[printf 'a\0b\033[31mc']=] }]]
        tree:await { type = "ended", path = "web" }
        assert.are.equal(0, tree:stop())
        assert.are.equal("a\0b\27[31mc", live.read_file(tree.folder .. "/web.log"))
    end)

    it("cannot send escape sequences to the terminal", function()
        local tree = tree_of [[s.process "web" { restart = "temporary", command = [=[printf 'a\033[31mb\n']=] }]]
        tree:await_line("web", "a\\x1b[31mb")
        assert.are.equal(0, tree:stop())
        assert.is_nil(tree.out:find("\27[31m", 1, true))
    end)

    it("appends to a file that is there", function()
        local tree = tree_of([[s.process "web" {
            restart = "temporary", log = { file = "web.log" }, command = "echo new" }]],
            { files = { ["web.log"] = "old\n" } })
        tree:await { type = "ended", path = "web" }
        assert.are.equal(0, tree:stop())
        assert.are.equal("old\nnew\n", live.read_file(tree.folder .. "/web.log"))
    end)

    it("goes nowhere with log = false", function()
        local tree = tree_of [[
            s.process "web" {
                log = false, command = "echo secret; echo $(readlink /proc/$$/fd/1) > out; exec /bin/sleep 1000" }]]
        live.wait("its note", function() return (live.read_file(tree.folder .. "/out") or "") ~= "" end)
        assert.are.equal("/dev/null\n", live.read_file(tree.folder .. "/out"))
        assert.are.equal(0, tree:stop())
        assert.is_nil(tree.out:find("secret", 1, true))
    end)

    it("goes straight through with log = \"inherit\"", function()
        local tree = tree_of [[s.process "web" { log = "inherit", command = "echo plain; exec /bin/sleep 1000" }]]
        tree:await_text "plain\n"
        assert.is_nil(tree.out:find("web | plain", 1, true))
        assert.are.equal(0, tree:stop())
    end)

    it("in a flood loses nothing in its file and holds up nobody else", function()
        local lines = live.sanitized and 20000 or 200000
        local tree = tree_of(([[
            s.process "flood" {
                restart = "temporary", log = { file = "flood.log" }, command = "/usr/bin/seq 1 %d" },
            s.process "calm" { command = "echo calm; exec /bin/sleep 1000" }]]):format(lines))
        tree:await_line("calm", "calm")
        tree:await { type = "ended", path = "flood" }
        assert.are.equal(0, tree:stop())
        local text, expected = live.read_file(tree.folder .. "/flood.log"), {}
        for i = 1, lines do expected[i] = tostring(i) end
        assert.is_true(text == table.concat(expected, "\n") .. "\n")
    end)

    it("of an endless line does not grow anything without end, nor hold up anybody", function()
        local tree = tree_of([[
            s.process "endless" { command = "exec tr '\\0' x < /dev/zero" },
            s.process "calm" { command = "while :; do echo calm; /bin/sleep 0.1; done", log = { file = "calm.log" } }]],
            { args = { "--quiet" } })
        local function calm() return #(live.read_file(tree.folder .. "/calm.log") or "") end
        tree:await { type = "ready", path = "." }
        local seen = calm()
        live.wait("more calm lines", function() return calm() >= seen + 10 * #"calm\n" end)
        local kib = tonumber(proc.status(tree:logger(), "VmRSS"):match "%d+")
        if not live.sanitized then assert.is_true(kib < 20000, kib .. " KiB") end
        assert.are.equal(0, tree:stop())
    end)

    it("that cannot be written blocks nobody else", function()
        local tree = tree_of [[
            s.process "lost" { log = { file = "no/such/folder/x.log" }, command = "echo lost; exec /bin/sleep 1000" },
            s.process "calm" { command = "echo calm; exec /bin/sleep 1000" }]]
        tree:await_line("calm", "calm")
        live.wait("a complaint", function() return (tree.out .. tree.err):find("x.log", 1, true) end)
        assert.are.equal(0, tree:stop())
    end)

    it("is not shown with --quiet; nor are the host's lines", function()
        local tree = tree_of([[
            s.process "web" { command = "echo hello; exec /bin/sleep 1000", log = { file = "web.log" } }]],
            { args = { "--quiet" } })
        live.wait("the line in its file", function() return live.read_file(tree.folder .. "/web.log") == "hello\n" end)
        assert.are.equal(0, tree:stop())
        assert.are.equal("", tree.out)
        assert.are.equal("", tree.err)
    end)

    it("is there to its last byte when the service is killed", function()
        local tree = tree_of [[s.process "web" {
            restart = "temporary", log = { file = "web.log" }, command = "/usr/bin/seq 1 5000; kill -KILL $$" }]]
        local ended = tree:await { type = "ended", path = "web" }
        assert.are.equal("KILL", ended.signal)
        assert.are.equal(0, tree:stop())
        assert.matches("\n4999\n5000\n$", live.read_file(tree.folder .. "/web.log"))
    end)
end)

describe("suptree run with an output that nobody reads", function()
    after_each(live.clean)

    it("goes on supervising", function()
        local folder = live.folder()
        local tree = live.tree([[
            local s = require "suptree"
            return s.supervisor "tree" {
                failure_threshold = 1e6,
                s.process "noisy" { command = "/usr/bin/seq 1 20000; exit 3", log = { file = "noisy.log" } },
            }]], {
            -- Open for both ways: it never ends, and nobody reads.
            before = { "/bin/sh", "-c", ('mkfifo %s/out; exec 9<>%s/out; exec "$@" >&9'):format(folder, folder), "sh" },
        })
        tree:await({ type = "launched", path = "noisy" }, 5)
        assert.are.equal(0, tree:stop())
    end)

    it("and ends in order when that output cannot be written at all", function()
        local tree = live.tree([[
            local s = require "suptree"
            return s.supervisor "tree" { s.process "web" { command = "echo hello; exec /bin/sleep 1000" } }]], {
            before = { "/bin/sh", "-c", 'exec "$@" >/dev/full', "sh" },
        })
        tree:await { type = "ready", path = "." }
        assert.are.equal(0, tree:stop())
        assert.are.equal(0, tree:events()[#tree:events()].code)
        assert.is_nil(tree.err:find("starting it again", 1, true))
    end)
end)
