local live = require "spec.support.live"

-- A configuration that cannot be used: nothing starts, the code is 78, and the text says where and what.
describe("suptree run with a bad configuration", function()
    after_each(live.clean)

    --- Runs it; returns what it says.
    local function refused(config, files)
        local tree = live.tree(config, { files = files })
        assert.are.equal(78, (tree:wait()))
        assert.are.equal(0, #tree:events())
        assert.are.equal("", tree.out)
        assert.are.not_equal("", tree.err)
        return tree.err
    end

    it("that loops for ever: it is ended after five seconds", function()
        assert.matches("5 s", refused [[while true do end]], 1, true)
    end)

    it("that loops where nothing can be caught", function()
        refused [[while true do pcall(function() while true do end end) end]]
    end)

    it("that raises: file, line and text", function()
        local said = refused "local s = require 'suptree'\n\nerror 'the moon is wrong'\n"
        assert.matches("supervise.lua:3:", said, 1, true)
        assert.matches("the moon is wrong", said, 1, true)
    end)

    it("that is no Lua", function()
        assert.matches("supervise.lua:2:", refused "local s = require 'suptree'\nreturn s.supervisor ]]\n", 1, true)
    end)

    it("that returns nothing", function()
        assert.matches("supervise.lua", refused "local s = require 'suptree'\n", 1, true)
    end)

    it("that crashes its process", function()
        assert.matches("killed by SIGABRT", refused [[os.execute "kill -ABRT $PPID"; return 1]], 1, true)
    end)

    it("that ends its process as if all were well", function()
        refused [[os.exit(0)]]
    end)

    it("with two services of one name: both lines are named", function()
        local said = refused [[
local s = require "suptree"
return s.supervisor "twins" {
    s.process "web" { command = { "true" } },
    s.process "db" { command = { "true" } },
    s.process "web" { command = { "true" } },
}]]
        assert.matches("supervise.lua:5:", said, 1, true)
        assert.matches("web", said, 1, true)
        assert.matches(":3", said, 1, true)
    end)

    it("with several faults: all are said at once, with what was perhaps meant", function()
        local said = refused [[
local s = require "suptree"
return s.supervisor "faults" {
    failure_treshold = 3,
    s.process "web" { command = { "true" }, timeout = "ten" },
    s.process "db" { comand = { "true" } },
}]]
        assert.matches("supervise.lua:2: faults.failure_treshold: .*failure_threshold", said)
        assert.matches("supervise.lua:4: faults.web.timeout: ", said)
        assert.matches("supervise.lua:5: faults.db.comand: .*command", said)
    end)

    it("with an env_file that cannot be read", function()
        local said = refused [[
local s = require "suptree"
return s.supervisor "env" {
    s.process "web" { command = { "true" }, env_file = "not-there.env" },
}]]
        assert.matches("supervise.lua:3: env.web.env_file: ", said, 1, true)
        assert.matches("not-there.env", said, 1, true)
        assert.matches("No such file or directory", said, 1, true)
    end)

    it("with an env_file that is a folder", function()
        local said = refused([[
local s = require "suptree"
return s.supervisor "env" {
    s.process "web" { command = { "true" }, env_file = "folder" },
}]], { ["folder/x"] = "" })
        assert.matches("env.web.env_file: ", said, 1, true)
    end)

    it("that is not there", function()
        local code, _, err = live.run { live.program, "run", "/not/there/supervise.lua" }
        assert.are.equal(78, code)
        assert.matches("/not/there/supervise.lua", err, 1, true)
    end)
end)

describe("a compiled configuration that was damaged on its way to the host", function()
    after_each(live.clean)

    -- The keeper gets `make`'s output instead of what it was given; that is descriptor $n.
    local function damaged_by(make)
        local file = live.folder() .. "/blob"
        local program = live.installation({ "--blob-fd", "9" }, ([[
            for word; do [ "$last" = --blob-fd ] && n=$word; last=$word; done
            %s > %s; exec 9< %s]]):format(make, file, file))
        local tree = live.tree([[
            local s = require "suptree"
            return s.supervisor "tree" { s.process "web" { command = { "/bin/sleep", "1000" } } }]],
            { program = program })
        local code = tree:wait()
        assert.are.equal(0, #tree:all { type = "launched", kind = "process" })
        return code, tree.out .. tree.err
    end

    for name, make in pairs {
        cut = "head -c 100 /proc/self/fd/$n",
        ["of one flipped byte"] = "head -c 100 /proc/self/fd/$n; printf '\\377'; tail -c +102 /proc/self/fd/$n",
        foreign = "head -c 5000 /bin/sh",
        empty = ":",
    } do
        it("starts nothing when it is " .. name, function()
            local code, said = damaged_by("{ " .. make .. "; }")
            assert.are.equal(78, code)
            assert.matches("configuration", said, 1, true)
        end)
    end
end)

describe("suptree run with a bad command line", function()
    after_each(live.clean)

    it("ends with 2 and says what it does not know", function()
        local code, _, err = live.run { live.program, "run", "--no-such-option" }
        assert.are.equal(2, code)
        assert.matches("no-such-option", err, 1, true)
    end)
end)
