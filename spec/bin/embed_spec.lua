-- examples/embed-lua, as its first lines say; examples/embed-c is built against what was installed: install_spec.lua.
local live = require "spec.support.live"
local shell = require "spec.support.shell"
local uv = require "luv"

local build = assert(uv.fs_realpath(os.getenv "SUPTREE_BUILD" or "build"))
local lua = os.getenv "SUPTREE_LUA" or "lua5.4"

describe("a program that embeds suptree", function()
    it("is examples/embed-lua, in plain Lua", function()
        local output = shell.must("cd %s/examples/embed-lua && LUA_CPATH='%s/?.so' %s shop.lua", live.root, build, lua)
        assert.matches("shop: Failed service 'flaky' %(.* failures of 5%.000000%), restarting: true, "
            .. "error: exit code 3", output)
        assert.matches("shop: Failed service 'worker' .* error: raised: .*out of luck", output)
        assert.matches("shop%s+has stopped", output)
    end)
end)
