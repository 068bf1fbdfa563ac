local cjson = require "cjson"
local live = require "spec.support.live"
local uv = require "luv"

-- suptree check: how a configuration is read, and what is said of it. The folder of each test is its own.
describe("suptree check", function()
    local folder
    before_each(function() folder = live.folder() end)
    after_each(live.clean)

    --- Checks `config` with `files` beside it, from within their folder. Returns code, output, errors.
    local function check(config, files, words)
        live.write_file(folder .. "/supervise.lua", config)
        for name, text in pairs(files or {}) do live.write_file(folder .. "/" .. name, text) end
        return live.run({ live.program, "check", table.unpack(words or {}) }, { cwd = folder })
    end

    --- The errors of a configuration that is refused.
    local function refused(config, files)
        local code, out, err = check(config, files)
        assert.are.same({ 78, "" }, { code, out })
        return err
    end

    --- Does `said` hold the plain text?
    local function holds(text, said)
        assert.matches(text, said, 1, true)
    end

    --- What a good one says.
    local function good(config, files)
        local code, out, err = check(config, files)
        assert.are.equal("", err)
        assert.are.equal(0, code)
        return out
    end

    it("says what a good one declares", function()
        assert.are.equal("shop: 3 services, 2 supervisors: good\n", good [[
local s = require "suptree"
return s.supervisor "shop" {
  s.process "db" { command = { "db" } },
  s.supervisor "workers" { s.process "mailer" { command = "x" }, s.process "x" { command = "x" } },
}]])
        assert.are.equal("shop: 0 services, 1 supervisor: good\n", good "return require 'suptree'.supervisor 'shop' {}")
    end)

    it("refuses conditions and probes that cannot hold where they stand", function()
        local err = refused [[
local s = require "suptree"
local function run() end
return s.supervisor "shop" {
  s.thread "a" { run = run, ready = s.ready.notify() },
  s.thread "b" { run = run, ready = s.ready.fd(3) },
  s.process "c" { command = "x", ready = s.ready.log "up", log = false },
  s.process "d" { command = "x", ready = s.ready.log "up", log = { to = "e" } },
  s.process "e" { command = "x", ready = s.ready.tcp(0) },
  s.process "f" { command = "x", health = { probe = s.ready.unix(5) } },
  s.process "g" { command = "x", ready = s.ready.log "up", log = { file = "up.log" } },
  s.thread "h" { run = run, ready = s.ready.exec "x" },
  s.thread "i" { run = run, health = { probe = s.ready.exec { "x" } } },
}]]
        for _, words in ipairs {
            "supervise.lua:4: shop.a.ready: is s.ready.notify, which only a process can say",
            "supervise.lua:5: shop.b.ready: is s.ready.fd, which only a process can say",
            "supervise.lua:6: shop.c.ready: is s.ready.log, but nobody here reads the output of this process",
            "supervise.lua:7: shop.d.ready: is s.ready.log, but nobody here reads the output of this process",
            "supervise.lua:8: shop.e.ready: must be a port from 1 to 65535 or an address, not 0",
            "supervise.lua:9: shop.f.health.probe: must be a path, not 5",
            "supervise.lua:11: shop.h.ready: is s.ready.exec, which runs as a process does: a thread has nothing",
            "supervise.lua:12: shop.i.health: is s.ready.exec, which runs as a process does: a thread has",
            "supervise.lua: 8 errors; not good",
        } do holds(words, err) end
    end)

    it("notes what is good but may surprise", function()
        local code, out, err = check [[
local s = require "suptree"
local shared = { 1 }
return s.supervisor "shop" {
  s.thread "a" { run = function() return shared end },
  s.thread "b" { run = function() return shared end },
}]]
        assert.are.same({ 0, "shop: 2 services, 1 supervisor: good\n" }, { code, out })
        assert.are.equal("note: supervise.lua:5: shop.b.run: the function at supervise.lua:5 uses shared, which is a "
            .. "table that shop.a has too; each gets a copy of its own\n", err)
    end)

    it("tells each error in a line of its own, then how many they are", function()
        assert.are.equal([[
supervise.lua:2: shop.stratgy: unknown option, did you mean "strategy"?
supervise.lua:3: shop.web.timeout: "ten" is not a duration (Write seconds as a number, "1m30s", or "infinity".)
supervise.lua: 2 errors; not good
]], refused [[
local s = require "suptree"
return s.supervisor "shop" { stratgy = 1,
  s.process "web" { command = "x", timeout = "ten" },
}]])
    end)

    it("prints the same as JSON", function()
        local code, out = check("return require 'suptree'.supervisor 'shop' {}", nil, { "--json" })
        assert.are.equal(0, code)
        assert.are.same({
            good = true, name = "shop", file = "supervise.lua", services = 0, processes = 0, threads = 0,
            supervisors = 1, errors = {}, notes = {},
        }, cjson.decode(out))
        code, out = check("\nreturn require 'suptree'.supervisor 'shop' { x = 1 }", nil, { "--json" })
        assert.are.equal(78, code)
        local report = cjson.decode(out)
        assert.is_false(report.good)
        assert.are.equal(1, #report.errors)
        assert.are.equal("supervise.lua:2", report.errors[1].place)
        assert.are.equal("shop.x", report.errors[1].path)
        assert.are.equal("unknown option", report.errors[1].reason)
        holds("supervise.lua:2: shop.x: unknown option", report.errors[1].text)
        code, out = live.run({ live.program, "check", "--json", "x.lua" }, { cwd = folder })
        assert.are.equal(78, code)
        assert.are.equal("x.lua: cannot be found: No such file or directory (Check the path and its permissions.)",
            cjson.decode(out).errors[1].text)
    end)

    it("takes a file, or the folder that it is in", function()
        local config = "return require 'suptree'.supervisor 'shop' {}"
        live.write_file(folder .. "/other.lua", config)
        live.write_file(folder .. "/sub/supervise.lua", config)
        for _, name in ipairs { "other.lua", "sub", "sub/", "sub/supervise.lua", folder .. "/sub" } do
            assert.are.equal(0, (live.run({ live.program, "check", name }, { cwd = folder })))
        end
    end)

    it("says how to write the file that is not there", function()
        local code, out, err = live.run({ live.program, "check" }, { cwd = folder })
        assert.are.same({ 78, "" }, { code, out })
        holds("suptree: there is no supervise.lua in this folder; name another file, or write", err)
        holds('return s.supervisor "demo" {', err)
        code, out, err = live.run({ live.program, "check", "x.lua" }, { cwd = folder })
        assert.are.same({ 78, "" }, { code, out })
        assert.are.equal("suptree: there is no x.lua; name the configuration that you mean\n", err)
    end)

    -- --- what a configuration may do ---

    it("lets it require files beside it, wherever it is called from", function()
        live.write_file(folder .. "/conf/supervise.lua", [[
local parts = require "parts"
return require "suptree".supervisor "shop" { parts.web, require "more" }]])
        live.write_file(folder .. "/conf/parts.lua",
            'return { web = require "suptree".process "web" { command = "x" } }')
        live.write_file(folder .. "/conf/more/init.lua", 'return require "suptree".process "db" { command = "x" }')
        local cases = { { "conf", cwd = folder }, { folder .. "/conf", cwd = "/" }, { cwd = folder .. "/conf" } }
        for _, words in ipairs(cases) do
            local code, out, err = live.run({ live.program, "check", words[1] }, { cwd = words.cwd })
            assert.are.equal("", err)
            assert.are.same({ 0, "shop: 2 services, 1 supervisor: good\n" }, { code, out })
        end
    end)

    it("lets it require what Debian's packages install", function()
        good [[
local uv, cjson = require "luv", require "cjson"
assert(uv.hrtime() and cjson.encode {})
return require "suptree".supervisor "shop" {}]]
    end)

    it("does not let the environment add code", function()
        live.write_file(folder .. "/evil/suptree.lua", "error 'evil'")
        live.write_file(folder .. "/supervise.lua",
            "assert(not package.path:find 'evil' and not package.cpath:find 'evil')\n"
            .. "return require 'suptree'.supervisor 'shop' {}")
        local path = folder .. "/evil/?.lua"
        local code, out, err = live.run({ live.program, "check" }, { cwd = folder, env = {
            LUA_PATH = path, LUA_PATH_5_4 = path, LUA_CPATH = path, LUA_CPATH_5_4 = path,
            LUA_INIT = "error 'evil'", LUA_INIT_5_4 = "error 'evil'",
        } })
        assert.are.equal("", err)
        assert.are.same({ 0, "shop: 0 services, 1 supervisor: good\n" }, { code, out })
    end)

    it("does not search in the folder that it is called from", function()
        live.write_file(folder .. "/conf/supervise.lua", "require 'helper'")
        live.write_file(folder .. "/helper.lua", "return 1")
        local code, _, err = live.run({ live.program, "check", "conf" }, { cwd = folder })
        assert.are.equal(78, code)
        holds('conf/supervise.lua:1: there is no module "helper"', err)
    end)

    it("may begin with a byte order mark or a line for the shell", function()
        good "\xEF\xBB\xBFreturn require 'suptree'.supervisor 'shop' {}"
        good "#!/usr/bin/env suptree\nreturn require 'suptree'.supervisor 'shop' {}"
    end)

    it("shows what it prints among the errors, up to a bound", function()
        local rest = "return require 'suptree'.supervisor 'shop' {}"
        local code, out, err = check("print 'hello' io.stderr:write 'there\\n' " .. rest)
        assert.are.same({ 0, "shop: 0 services, 1 supervisor: good\n" }, { code, out })
        assert.are.equal("hello\nthere\n", err)
        code, out, err = check("for i = 1, 1e5 do print(('x'):rep(99)) end " .. rest)
        assert.are.equal("shop: 0 services, 1 supervisor: good\n", out)
        assert.are.equal(0, code)
        assert.is_true(#err < 20000)
        holds("supervise.lua: 9983616 more bytes that it printed are not shown\n", err:sub(-80))
    end)

    it("does not wait for programs that it has started, nor leaves them behind", function()
        good [[
os.execute "sleep 1000 &"
return require "suptree".supervisor "shop" {}]]
    end)

    -- --- what it may not do ---

    it("names the line of an error and how it was reached", function()
        local err = refused([[
local helper = require "helper"
local function go()
  helper.go()
end
go()]], { ["helper.lua"] = "return { go = function()\n  local x = nil\n  x.y = 1\nend }\n" })
        assert.are.equal([[
helper.lua:3: attempt to index a nil value (local 'x')
    called from supervise.lua:3: in upvalue 'go'
    called from supervise.lua:5: in main chunk
supervise.lua: 1 error; not good
]], (err:gsub("in %w+ 'go'", "in upvalue 'go'")))
    end)

    it("names a line whatever is raised", function()
        assert.matches("supervise.lua:2: raised a table as its error\n", refused "\nerror {}")
        holds("supervise.lua:2: raised an error without a message\n", refused "\nerror()")
        holds("supervise.lua:2: boom\n", refused "\nerror('boom', 0)")
        holds("supervise.lua:2: my error\n",
            refused "\nerror(setmetatable({}, { __tostring = function() return 'my error' end }))")
    end)

    it("names the whole file, however long its name", function()
        local name = ("a_long_name_"):rep(8) .. ".lua"
        live.write_file(folder .. "/" .. name, "\nerror 'boom'")
        local function errors() return (select(3, live.run({ live.program, "check", name }, { cwd = folder }))) end
        assert.are.equal(("%s:2: boom\n%s: 1 error; not good\n"):format(name, name), errors())
        live.write_file(folder .. "/" .. name, "\nx = = 2")
        holds(name .. ":2: unexpected symbol near '='", errors())
    end)

    it("names the file with the mistake of a module", function()
        holds("helper.lua:2: unexpected symbol near '='",
            refused("require 'helper'", { ["helper.lua"] = "\nx = = 2" }))
        holds('supervise.lua:2: there is no module "a.b" (Searched as a/b.lua and a/b/init.lua beside',
            refused "\nrequire 'a.b'")
    end)

    it("refuses what returns something else, with how to put it right", function()
        local hint = '(End it with return s.supervisor "name" { … }.)'
        holds("supervise.lua: returns nothing " .. hint, refused "")
        holds("supervise.lua: returns 5, not a declaration " .. hint, refused "return 5")
        holds("supervise.lua: returns a suptree declaration without its { … }, not a declaration ",
            refused "return require 'suptree'.supervisor 'x'")
        holds("supervise.lua:1: web: the root of the tree is a process; it must be a supervisor",
            refused "return require 'suptree'.process 'web' { command = 'x' }")
    end)

    it("refuses what ends or crashes its process", function()
        holds("supervise.lua: ended the process that reads it, with status 0, before it returned",
            refused "os.exit(0)")
        holds("supervise.lua: ended the process that reads it, with status 3, before it returned",
            refused "os.exit(3)")
        holds("supervise.lua: crashed the process that reads it: killed by SIGKILL",
            refused "os.execute 'kill -KILL $PPID' while true do end")
    end)

    it("refuses what takes all memory, or recurses for ever", function()
        holds("took more memory than a configuration may", refused "return ('x'):rep(600 << 20)")
        holds("supervise.lua:1: stack overflow", refused "local function f() return 1 + f() end f()")
    end)

    it("stops what loops for ever after five seconds", function()
        local began = uv.hrtime()
        holds("supervise.lua: was still running after 5 seconds and was stopped", refused "while true do end")
        assert.is_true(uv.hrtime() - began >= 5e9)
    end)

    it("refuses what is no text", function()
        holds("supervise.lua: is compiled Lua, which is refused", refused(string.dump(load "return 1")))
        holds("helper.lua: is compiled Lua, which is refused",
            refused("require 'helper'", { ["helper.lua"] = string.dump(load "return 1") }))
    end)

    it("refuses a result that it did not make", function()
        holds("supervise.lua: left a result that cannot be read", refused [[
local file = io.open("/proc/self/fd/3", "w")
file:write "SPCK then nonsense"
file:close()
os.exit(0)]])
    end)

    -- --- whose it is ---

    it("refuses a file that others could change, with how to put it right", function()
        local config = "return require 'suptree'.supervisor 'shop' { require 'helper' and nil }"
        local files = { ["helper.lua"] = "return 1" }
        good(config, files)
        local function mode(path, octal) assert(uv.fs_chmod(path, tonumber(octal, 8))) end
        local reason = "can be changed by everybody (It decides what runs with your rights: chmod go-w "

        mode(folder .. "/supervise.lua", "646")
        holds("supervise.lua: the file " .. reason .. folder .. "/supervise.lua)", refused(config, files))
        mode(folder .. "/supervise.lua", "644")
        mode(folder .. "/helper.lua", "646")
        holds("helper.lua: the file " .. reason .. folder .. "/helper.lua)", refused(config, files))
        mode(folder .. "/helper.lua", "644")
        mode(folder, "757")
        holds("supervise.lua: its folder " .. folder .. " " .. reason .. folder .. ")", refused(config, files))
        mode(folder, "1777")
        good(config, files)
    end)

    it("refuses a file that belongs to somebody else", function()
        if uv.getuid() ~= 0 then return pending "only root can give files away" end
        live.write_file(folder .. "/supervise.lua", "return require 'suptree'.supervisor 'shop' {}")
        assert(uv.fs_chown(folder .. "/supervise.lua", 4711, 0))
        local code, _, err = live.run({ live.program, "check" }, { cwd = folder })
        assert.are.equal(78, code)
        holds("supervise.lua: the file belongs to the user 4711, who could change it", err)
    end)

    it("follows links to the file that is meant", function()
        live.write_file(folder .. "/real/x.lua", "return require 'suptree'.supervisor 'shop' {}")
        assert(uv.fs_symlink(folder .. "/real/x.lua", folder .. "/supervise.lua"))
        assert.are.equal(0, (live.run({ live.program, "check" }, { cwd = folder })))
        assert(uv.fs_chmod(folder .. "/real", tonumber("777", 8)))
        assert.are.equal(78, (live.run({ live.program, "check" }, { cwd = folder })))
    end)

    it("says what stands in the way of reading it", function()
        for _, case in ipairs {
            { make = function(path) assert(os.execute("mkfifo " .. path)) end, says = "Not a regular file" },
            { make = function(path) assert(uv.fs_symlink("/dev/null", path)) end, says = "Not a regular file" },
        } do
            os.remove(folder .. "/supervise.lua")
            case.make(folder .. "/supervise.lua")
            local code, _, err = live.run({ live.program, "check" }, { cwd = folder })
            assert.are.equal(78, code)
            holds("supervise.lua cannot be read: " .. case.says, err)
        end
    end)
end)
