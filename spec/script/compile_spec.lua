local form = require "spec.support.form"
local live = require "spec.support.live"
local proc = require "spec.support.proc"

local lua = os.getenv "SUPTREE_LUA" or "/usr/bin/lua5.4"

-- The blob of a configuration, made in a Lua of its own as the compiling child makes it.
local COMPILE = [[
require "suptree"
local blob, faults = require "suptree.compiler".compile(arg[1], {})
assert(blob, tostring(faults))
io.stdout:write(blob)]]

describe("a compiled configuration", function()
    local folder
    before_each(function()
        folder = live.folder()
        live.write_file(folder .. "/compile.lua", COMPILE)
    end)
    after_each(live.clean)

    local function compile(files)
        for name, text in pairs(files) do live.write_file(folder .. "/" .. name, text) end
        local env = { LUA_PATH = false, LUA_CPATH = live.build .. "/?.so", LUA_INIT = false }
        local code, out, err = live.run({ lua, "compile.lua", "supervise.lua" }, { cwd = folder, env = env })
        assert.are.same({ 0, "" }, { code, err })
        return out
    end

    local function option(blob, place, name)
        return form.nodes(blob)[place].options[name]
    end

    it("has paths relative to its folder", function()
        local blob = compile { ["supervise.lua"] = [[
local s = require "suptree"
return s.supervisor "shop" {
  s.process "a" { command = { "./web" }, log = { file = "logs/a.log" } },
  s.process "b" { command = "x", cwd = "data" },
}]] }
        assert.are.equal(folder .. "/web\0", option(blob, 2, "command"))
        assert.are.equal(folder .. "\0", option(blob, 2, "cwd"))
        assert.are.equal("\1" .. folder .. "/logs/a.log\0", option(blob, 2, "log"))
        assert.are.equal(folder .. "/data\0", option(blob, 3, "cwd"))
        assert.are.equal("supervise.lua:4", form.nodes(blob)[3].place)
    end)

    it("is the same bytes for the same files", function()
        local files = { ["supervise.lua"] = [[
local s = require "suptree"
local limit, names = 5, { a = 1, b = 2, c = 3 }
return s.supervisor "shop" { s.thread "t" { run = function() return limit, names end },
  s.process "w" { command = "x", env = { A = 1, B = 2, C = 3, D = 4 } } }]] }
        assert.are.equal(compile(files), compile {})
    end)

    it("changes with the module that a thread runs, and with what that one requires, and with nothing else", function()
        local first = compile {
            ["supervise.lua"] = [[
local s = require "suptree"
require "other"
return s.supervisor "shop" { s.thread "t" { run = "mailer" } }]],
            ["mailer.lua"] = "local words = require 'words' return function() return words end",
            ["words.lua"] = "return 'a'",
            ["other.lua"] = "return 'a'",
        }
        assert.are.equal(first, compile { ["other.lua"] = "return 'b'" })
        local second = compile { ["words.lua"] = "return 'b'" }
        assert.are_not.equal(first, second)
        local third = compile { ["mailer.lua"] = "return function() end" }
        assert.are_not.equal(second, third)
    end)

    it("changes with the modules that a function uses", function()
        local first = compile {
            ["supervise.lua"] = [[
local s = require "suptree"
local words = require "words"
return s.supervisor "shop" { s.thread "t" { run = function() return words.all end } }]],
            ["words.lua"] = "return { all = 'a' }",
        }
        assert.are_not.equal(first, compile { ["words.lua"] = "return { all = 'b' }" })
    end)
end)

describe("the child that compiles", function()
    after_each(live.clean)

    it("goes away with the one that asked", function()
        local folder = live.folder()
        live.write_file(folder .. "/supervise.lua",
            "local f = io.open('reading', 'w') f:write 'x' f:close() while true do end")
        local check = live.spawn({ live.program, "check" }, { cwd = folder })
        live.wait("the child", function() return live.read_file(folder .. "/reading") == "x" end)
        assert.are.equal(1, #proc.children(check.pid))
        check:kill "KILL"
        check:wait()
        live.wait("the end of the child", function() return #check:family() == 0 end)
    end)

    it("hands nothing on but what it is meant to", function()
        local folder = live.folder()
        live.write_file(folder .. "/supervise.lua", [[
local list = {}
for name in io.popen("ls /proc/$PPID/fd"):lines() do list[#list + 1] = name end
print(table.concat(list, " "))
return require "suptree".supervisor "shop" {}]])
        local _, _, err = live.run({ live.program, "check" }, { cwd = folder })
        -- stdin, stdout, stderr, the result, and the pipe of popen itself
        assert.are.equal("0 1 2 3 4\n", err)
    end)
end)
