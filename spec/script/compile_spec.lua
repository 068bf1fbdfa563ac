local form = require "spec.support.form"
local live = require "spec.support.live"
local proc = require "spec.support.proc"
local suptree = require "suptree"

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
        assert.are.equal("\1" .. folder .. "/logs/a.log\0", option(blob, 2, "log"):match "^.[^\0]*\0")
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

describe("a thread whose configuration is compiled again", function()
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

    -- A thread with this function; `above`: lines before it.
    local function config(run, above)
        return { ["supervise.lua"] = ([[
%s
local s = require "suptree"
return s.supervisor "shop" { s.thread "t" { run = %s } }]]):format(above or "", run) }
    end

    -- Would it restart when these files are written?
    local function is_changed(first, second)
        local sim = suptree.sim(compile(first))
        sim:start()
        for _, change in ipairs(assert(sim:plan(compile(second)))) do
            if change.path == "t" then return change.kind == "restart" end
        end
    end

    it("is unchanged when it only moves to other lines, or its variables get other names", function()
        local run = "function(ctx)\n local n = 1\n return function() return n end\nend"
        assert.is_false(is_changed(config(run), config(run, "-- more\n-- lines\n")))
        assert.is_false(is_changed(config(run), config((run:gsub("%f[%w]n%f[%W]", "other")))))
    end)

    it("is changed when its code is, or a value that it uses, were it a constant of the compiler", function()
        assert.is_true(is_changed(config "function() return 1 end", config "function() return 2 end"))
        assert.is_true(is_changed(config("function() return N end", "local N = 1"),
            config("function() return N end", "local N = 2")))
        assert.is_true(is_changed(config("function() return N end", "local N <const> = 1"),
            config("function() return N end", "local N <const> = 2")))
    end)

    it("is changed with a module that it requires only when it runs, and with what that one requires then", function()
        local first = config 'function() local words = require "words" return words end'
        first["words.lua"] = 'return { say = function() return require("deep.inside").text end }'
        live.write_file(folder .. "/deep/inside.lua", "return { text = 1 }")
        assert.is_true(is_changed(first, { ["words.lua"] = 'return { say = function() return 2 end }' }))
        first["words.lua"] = 'return { say = function() return require("deep.inside").text end }'
        assert.is_true(is_changed(first, { ["deep/inside.lua"] = "return { text = 2 }" }))
        assert.is_false(is_changed(first, { ["other.lua"] = "return 3" }))
    end)

    it("is changed with a module it names that requires another one late", function()
        local first = { ["supervise.lua"] = [[
local s = require "suptree"
return s.supervisor "shop" { s.thread "t" { run = "worker" } }]],
            ["worker.lua"] = 'return function() require "late" end', ["late.lua"] = "return 1" }
        assert.is_true(is_changed(first, { ["late.lua"] = "return 2" }))
    end)

    it("may keep require in a variable", function()
        local first = config('function() return require "words" end', "local require = require")
        first["words.lua"] = "return 1"
        assert.is_true(is_changed(first, { ["words.lua"] = "return 2" }))
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
        -- and perhaps its other end, if that is not closed yet.
        assert.matches("^0 1 2 3 4 ?5?\n$", err)
    end)
end)
