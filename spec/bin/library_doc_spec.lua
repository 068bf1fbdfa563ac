-- docs/library.md: its programs run, and it names every verb and every error.
local live = require "spec.support.live"
local shell = require "spec.support.shell"
local suptree = require "suptree"
local uv = require "luv"

local build = assert(uv.fs_realpath(os.getenv "SUPTREE_BUILD" or "build"))
local lua = os.getenv "SUPTREE_LUA" or "lua5.4"

describe("docs/library.md", function()
    local text = live.read_file(live.root .. "/docs/library.md")

    it("has programs that run", function()
        local count = 0
        for program in text:gmatch "```lua\n(.-)```" do
            count = count + 1
            local path = os.tmpname()
            live.write_file(path, program)
            local output, good = shell.run(("LUA_CPATH='%s/?.so;;' %s %s"):format(build, lua, path))
            os.remove(path)
            assert.is_true(good, program .. "\n" .. output)
        end
        assert.are.equal(2, count)
    end)

    it("names every verb", function()
        for verb in pairs(getmetatable(suptree.new_simple "shop").__index) do
            if not verb:find "^__" then assert.is_truthy(text:find("`sup:" .. verb .. "(", 1, true), verb) end
        end
    end)

    it("names the errors of the library with their codes", function()
        for _, name in ipairs { "ErrWrongSupervisor", "ErrTimeout", "ErrStopped", "ErrAlreadyServing", "ErrNotRoot",
            "ErrDuplicateName", "ErrCycle", "ErrTooMany", "ErrInvalid", "ErrRefused", "ErrGaveUp" } do
            assert.is_truthy(text:find(("| `%s` | `%s` |"):format(name, suptree[name].code), 1, true), name)
        end
    end)
end)
