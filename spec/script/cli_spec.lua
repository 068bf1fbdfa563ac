local live = require "spec.support.live"
local option_help = require "suptree.option_help"
local system = require "suptree.system"

local function suptree(...)
    return live.run { live.program, ... }
end

local function holds(text, said)
    assert.matches(text, said, 1, true)
end

describe("the command line", function()
    after_each(live.clean)

    it("explains itself when nothing is asked for", function()
        local code, out, err = suptree()
        assert.are.same({ 0, "" }, { code, err })
        local all = { "Usage: suptree VERB", "run [FILE]", "check [FILE]", "simulate [FILE]", "help [TOPIC]", "version",
            'return s.supervisor "demo" {' }
        for _, words in ipairs(all) do holds(words, out) end
        for _, word in ipairs { "help", "--help", "-h" } do
            assert.are.same({ 0, out, "" }, { suptree(word) }, word)
        end
        assert.is_nil(out:find("\n  read ", 1, true))
    end)

    it("fits a terminal of 100 columns", function()
        for _, topic in ipairs { "options", "process", "supervisor", "thread", "run", "check", "simulate", "help" } do
            local _, out = suptree("help", topic)
            for line in out:gmatch "[^\n]+" do assert.is_true(utf8.len(line) <= 100, line) end
        end
    end)

    it("says its version", function()
        for _, word in ipairs { "version", "--version", "-V" } do
            assert.are.same({ 0, "suptree " .. system.version .. "\n", "" }, { suptree(word) })
        end
    end)

    it("ends with 2 for a verb that it does not know, and names the one that was meant", function()
        assert.are.same({
            2, "", 'suptree: there is no verb "chek", did you mean "check"?; "suptree help" lists them\n',
        }, { suptree "chek" })
        assert.are.same({ 2, "", 'suptree: there is no verb "frobnicate"; "suptree help" lists them\n' },
            { suptree "frobnicate" })
    end)

    it("ends with 2 for words that a verb does not know, and shows its usage", function()
        local code, out, err = suptree("check", "--jsno")
        assert.are.same({ 2, "" }, { code, out })
        holds("suptree: check: unknown option '--jsno'\nDid you mean '--json'?\nUsage: suptree check ", err)
        holds('"suptree help check" says more\n', err)
        code, out, err = suptree("run", "a", "b")
        assert.are.same({ 2, "" }, { code, out })
        holds("too many arguments", err)
        code, out, err = suptree("run", "--colour", "sometimes")
        assert.are.same({ 2, "" }, { code, out })
        holds("'always'", err)
    end)

    it("explains each verb, in two ways", function()
        for _, verb in ipairs { "check", "help", "run", "simulate", "version" } do
            local code, out, err = suptree("help", verb)
            assert.are.same({ 0, "" }, { code, err })
            holds("Usage: suptree " .. verb, out)
            assert.are.same({ 0, out, "" }, { suptree(verb, "--help") })
        end
    end)

    it("explains each option from the table", function()
        local _, out = suptree("help", "timeout")
        assert.are.equal([[
timeout: an option of a supervisor, a process or a thread

  How long it may take to stop when asked, before it is killed; nested nodes inherit it.

  value       seconds as a number, or a text such as "1m30s", or "infinity"
  default     10s
  inherited   nested nodes take their supervisor's value
  on reload   a change is applied while it runs
  rule        as in Go's suture

  example
    s.process "web" { command = { "./web" }, timeout = "30s" },
]], out)
    end)

    it("lists the options of each kind of node, and all", function()
        for _, kind in ipairs { "supervisor", "process", "thread" } do
            local _, out = suptree("help", kind)
            for _, row in ipairs(option_help.rows(kind)) do holds("\n  " .. row.name .. " ", out) end
        end
        local _, out = suptree("help", "options")
        for _, row in ipairs(option_help.rows()) do
            local _, count = out:gsub("\n  " .. row.name .. " ", "")
            assert.are.equal(1, count, row.name)
        end
    end)

    it("names the topic that was meant", function()
        assert.are.same({ 2, "", 'suptree: there is no help on "timeot", did you mean "timeout"?; "suptree help" and '
            .. '"suptree help options" list what there is\n' }, { suptree("help", "timeot") })
    end)

    it("writes the compiled form, whole or not at all", function()
        local folder = live.folder()
        local config = live.write_file(folder .. "/supervise.lua",
            'local s = require "suptree"\nreturn s.supervisor "a" { s.process "b" { command = { "true" } } }\n')
        local output = folder .. "/a.blob"
        assert.are.same({ 0, "", "" }, { suptree("compile", config, "-o", output) })
        local _, bytes = suptree("compile", config, "-o", "-")
        assert.are.equal(live.read_file(output), bytes)
        assert.is_true(#bytes > 0)
        local code, _, err = suptree("compile", config)
        assert.are.equal(2, code)
        holds("say where to", err)
        code, _, err = suptree("compile", config, "-o", folder .. "/no/a.blob")
        assert.are.equal(1, code)
        holds("No such file or directory; name a file", err)
        live.write_file(config, "return 1")
        assert.are.equal(78, (suptree("compile", config, "-o", output)))
        assert.are.equal(bytes, live.read_file(output))
    end)

    it("keeps its inside to itself", function()
        assert.are.same({ 2, "", 'suptree: read is started by suptree itself; you want "suptree check FILE"\n' },
            { suptree "read" })
        local code, out, err = suptree "host"
        assert.are.same({ 2, "" }, { code, out })
        holds('you want "suptree run"', err)
        assert.are.equal(2, (suptree("host", "--socket", "x", "--name", "y")))
        assert.are.equal(2, (suptree("host", "--socket")))
    end)

    it("does not obey what a name would say to a terminal", function()
        local _, _, err = suptree "\27[2Jx"
        assert.is_nil(err:find "\27")
    end)
end)

describe("the Lua files of the program", function()
    after_each(live.clean)

    it("can be read from a folder instead", function()
        local folder = live.folder()
        assert(os.execute(("cp -r lua/suptree '%s'"):format(folder)))
        live.write_file(folder .. "/suptree/cli/version.lua",
            'return { name = "version", main = function() print "from the folder" return 0 end }')
        local code, out = live.run({ live.program, "version" }, { env = { SUPTREE_LUA_DIR = folder } })
        assert.are.same({ 0, "from the folder\n" }, { code, out })
    end)

    it("say what is wrong with such a folder", function()
        local code, _, err = live.run({ live.program, "version" }, { env = { SUPTREE_LUA_DIR = "/nowhere" } })
        assert.are.equal(70, code)
        holds("/nowhere/suptree/cli/main.lua", err)
    end)
end)

describe("suptree run", function()
    after_each(live.clean)

    local config = [[
local s = require "suptree"
return s.supervisor "demo" { s.process "hello" { command = "echo hello; exec sleep 1000" } }]]

    it("runs under another name", function()
        local tree = live.tree(config, { args = { "--name", "other" } })
        tree:await_text "other starts"
        assert.are.equal(0, tree:stop())
    end)

    it("shows nothing when it is to be quiet", function()
        local tree = live.tree(config, { args = { "--quiet" } })
        tree:await { type = "launched", path = "hello" }
        assert.are.equal(0, tree:stop())
        assert.are.same({ "", "" }, { tree.out, tree.err })
    end)

    it("is coloured on demand only, when it is no terminal", function()
        local plain = live.tree(config)
        plain:await_text "hello"
        plain:stop()
        assert.is_nil(plain.out:find "\27")
        local coloured = live.tree(config, { args = { "--colour", "always" } })
        coloured:await_text "hello"
        coloured:stop()
        assert.is_truthy(coloured.out:find "\27")
    end)

    it("says what is wrong with the file for events before anything starts", function()
        local folder = live.folder()
        live.write_file(folder .. "/supervise.lua", config)
        local code, out, err = live.run({ live.program, "run", "--events", "no/events" }, { cwd = folder })
        assert.are.same({ 2, "" }, { code, out })
        holds("suptree: --events no/events: its folder cannot be used: No such file or directory", err)
    end)

    it("says what is missing of itself", function()
        local folder = live.folder()
        live.write_file(folder .. "/supervise.lua", config)
        assert(os.execute(("cp '%s' '%s/suptree'"):format(live.program, folder)))
        local code, _, err = live.run({ folder .. "/suptree", "run" }, { cwd = folder })
        assert.are.equal(70, code)
        holds(folder .. "/suptree-keeper cannot be started: No such file or directory", err)
    end)
end)
