local live = require "spec.support.live"
local suptree = require "suptree"

local lua = os.getenv "SUPTREE_LUA" or "/usr/bin/lua5.4"

describe("the module suptree", function()
    it("has what a configuration needs", function()
        for _, name in ipairs { "supervisor", "process", "thread" } do assert.is_function(suptree[name]) end
        for _, name in ipairs { "delay", "file", "manual" } do assert.is_function(suptree.ready[name]) end
        assert.are_not.equal(suptree.DONE, suptree.TERMINATE_TREE)
        assert.are.equal("suptree.DONE", tostring(suptree.DONE))
        assert.matches("^%d+%.%d+%.%d+$", suptree.version)
    end)

    it("has the errors as values", function()
        assert.are.equal("duplicate_name", suptree.ErrDuplicateName.code)
        assert.are.equal("wrong supervisor for this service token, no service removed",
            tostring(suptree.ErrWrongSupervisor))
    end)

    it("raises for what it does not have", function()
        assert.error_matches(function() return suptree.proces end, 'no suptree.proces, did you mean "process"%?')
        assert.error_matches(function() return suptree.ready.dely end, 'no suptree.ready.dely, did you mean "delay"%?')
    end)

    it("simulates declarations", function()
        local sim = assert(suptree.sim(suptree.supervisor "shop" { suptree.process "web" { command = "x" } }))
        sim:start()
        assert.are.equal("running", sim:state "web".state)
        local none, err = suptree.sim(suptree.supervisor "shop" { suptree.process "web" {} })
        assert.is_nil(none)
        assert.matches("shop.web.command: is missing", tostring(err), 1, true)
    end)
end)

describe("suptree.so in a plain Lua", function()
    after_each(live.clean)

    local function run(code)
        return live.run({ lua, "-e", code }, {
            cwd = live.folder(), env = { LUA_PATH = false, LUA_CPATH = live.build .. "/?.so", LUA_INIT = false },
        })
    end

    it("is all that is needed", function()
        local code, out, err = run [[
            local s = require "suptree"
            local sim = s.sim(s.supervisor "shop" { s.process "web" { command = "x" } })
            sim:start()
            print(s.version, sim:state "web".state, require "suptree" == s)
        ]]
        assert.are.equal("", err)
        assert.are.equal(0, code)
        assert.are.equal(suptree.version .. "\trunning\ttrue\n", out)
    end)

    it("names the lines of the user's code", function()
        local code, _, err = run "local s = require 'suptree'\ns.proces 'x' {}"
        assert.are_not.equal(0, code)
        assert.matches('2: there is no suptree.proces, did you mean "process"?', err, 1, true)
    end)
end)
