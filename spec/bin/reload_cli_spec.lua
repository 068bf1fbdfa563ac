local cjson = require "cjson"
local live = require "spec.support.live"

-- The verbs plan, reload and rollback, and what they print.

local function config(web, more)
    return ([[
local s = require "suptree"
return s.supervisor "shop" {
  s.process "db" { command = "exec sleep 1000" },
  s.process "web" { %s, after = { "db" } },
  %s
}]]):format(web, more or "")
end

local FIRST = 'command = "exec sleep 1000", env = { PORT = 8080 }'
local SECOND = 'command = "exec sleep 1000", env = { PORT = 8081 }'

local function suptree(...)
    return live.run { live.program, ... }
end

describe("the verb", function()
    after_each(live.clean)

    local tree
    before_each(function()
        tree = live.tree(config(FIRST))
        tree:await { type = "ready", path = "." }
    end)

    local function write(...)
        live.write_file(tree.folder .. "/supervise.lua", config(...))
    end

    it("plan shows what would change, and what would not", function()
        local unchanged = "= db unchanged\n= web unchanged\nnothing changes, 2 unchanged\n"
        assert.are.same({ 0, unchanged, "" }, { suptree "plan" })
        assert.are.equal(0, (suptree("plan", "--exit-code")))
        write(SECOND)
        local shown = "~ web restart env.PORT 8080 -> 8081\n= db unchanged\n1 to restart, 1 unchanged\n"
        assert.are.same({ 0, shown, "" }, { suptree "plan" })
        assert.are.same({ 10, shown, "" }, { suptree("plan", "--exit-code") })
        local code, out = suptree("plan", "--exit-code", "--json")
        assert.are.equal(10, code)
        assert.are.equal("8081", cjson.decode(out).changes[3].fields[1].new)
        assert.are.equal(1, #tree:all { type = "launched", path = "web" })
    end)

    it("plan hides secrets unless it is asked", function()
        write('command = "exec sleep 1000", env = { PORT = 8080, API_TOKEN = "geheim" }')
        local _, out = suptree "plan"
        assert.matches("~ web restart env.API_TOKEN unset -> ***\n", out, 1, true)
        _, out = suptree("plan", "--secrets")
        assert.matches("~ web restart env.API_TOKEN unset -> geheim\n", out, 1, true)
    end)

    it("plan reads another file, wherever it is called", function()
        live.write_file(tree.folder .. "/other.lua", config(FIRST, 's.process "new" { command = "true" },'))
        local child = live.spawn({ live.program, "plan", "other.lua" }, { cwd = tree.folder })
        assert.are.equal(0, child:wait())
        assert.matches("+ new add command true\n", child.out, 1, true)
        local code, out = suptree("plan", tree.folder .. "/other.lua")
        assert.are.equal(0, code)
        assert.are.equal(child.out, out)
    end)

    it("all of them show all that is wrong with the file", function()
        write('comand = "x"', "5,")
        for _, verb in ipairs { "plan", "reload" } do
            local code, out, err = suptree(verb)
            assert.are.same({ 78, "" }, { code, out })
            assert.matches('supervise.lua:4: shop.web.comand: unknown option, did you mean "command"?\n', err, 1, true)
            assert.matches("shop[3]: is 5, not a declaration", err, 1, true)
            assert.matches("2 errors; the tree runs on as before\n", err, 1, true)
        end
    end)

    it("reload shows the plan, applies it, waits, and says what came of it", function()
        write(SECOND, 's.process "late" { command = "exec sleep 1000", ready = s.ready.delay "300ms" },')
        local code, out, err = suptree("reload", "--settle", "0")
        assert.are.same({ 0, "" }, { code, err })
        assert.matches("^~ web restart env.PORT 8080 %-> 8081\n%+ late add command exec sleep 1000\n= db unchanged\n"
            .. "1 to restart, 1 to add, 1 unchanged\nreloaded: 1 restarted, 1 added, 1 unchanged; a failure of what is "
            .. "new or changed rolls it back within the next %d+ s\n$", out)
        tree:await { type = "ready", path = "late" }
        assert.are.same({ 0, "nothing changes, 3 unchanged\n", "" }, { suptree "reload" })
        code, out = suptree("rollback", "--settle", "0")
        assert.are.equal(0, code)
        assert.matches("~ web restart env.PORT 8081 -> 8080\n", out, 1, true)
        assert.matches("- late remove\n", out, 1, true)
        code, out, err = suptree "rollback"
        assert.are.same({ 5, "" }, { code, out })
        assert.matches("nothing to go back to", err)
    end)

    it("reload says why it was rolled back, with the last words of the culprit", function()
        write 'command = "echo no database; while ! [ -e shown ]; do sleep 0.05; done; exit 3"'
        local child = live.spawn { live.program, "reload", "--settle", "1m" }
        tree:await_line("web", "no database")
        live.write_file(tree.folder .. "/shown", "")
        local code, out, err = child:wait(), child.out, child.err
        assert.are.equal(1, code)
        assert.matches("~ web restart command exec sleep 1000 -> echo no database; ", out, 1, true)
        assert.matches("rolled back because of web: exit code 3\n", err, 1, true)
        assert.matches("| no database\n", err, 1, true)
        code, out = suptree("reload", "--settle", "1m", "--json")
        assert.are.equal(1, code)
        assert.are.equal("rolled_back", cjson.decode(out).outcome)
    end)

    it("reload --no-rollback keeps it, and says who is not up", function()
        write 'command = "echo no database; while ! [ -e shown ]; do sleep 0.05; done; exit 3", restart_delay = 60'
        local child = live.spawn { live.program, "reload", "--settle", "1m", "--no-rollback" }
        tree:await_line("web", "no database")
        live.write_file(tree.folder .. "/shown", "")
        local code, err = child:wait(), child.err
        assert.are.equal(1, code)
        assert.matches("web: it is delayed\n", err, 1, true)
        assert.matches("| no database\n", err, 1, true)
    end)

    it("reload says how it stands when the host dies meanwhile", function()
        write 'command = "exec sleep 1000", ready = s.ready.file "go", start_timeout = 600'
        local child = live.spawn { live.program, "reload" }
        tree:await { type = "launched", path = "web", generation = 2 }
        tree:kill_host()
        assert.are.equal(0, child:wait())
        assert.matches("reloaded: the host died meanwhile", child.out)
        live.write_file(tree.folder .. "/go", "")
        tree:await { type = "ready", path = "web", generation = 2 }
    end)

    it("reload says so when what it launched crashed the host, and was rolled back by the next one", function()
        local thread = [[s.thread "t" { run = function(ctx) %s while ctx:sleep(3600) do end end },]]
        write(FIRST, thread:format "")
        assert.are.equal(0, (suptree("reload", "--settle", "0")))
        write(FIRST, thread:format(("assert(package.loadlib(%q, 'luaopen_fault'))().crash()"):format(
            live.build .. "/spec/fault.so")))
        local code, _, err = suptree("reload", "--settle", "1m")
        assert.are.equal(1, code)
        assert.matches("rolled back because of t: ", err, 1, true)
        tree:await { type = "ready", path = "t", generation = 3 }
        assert.are.equal(1, #tree:all { type = "launched", path = "web" })
    end)

    it("reload waits no longer than it is told, nor than a person wants", function()
        write 'command = "exec sleep 1000", ready = s.ready.file "never", start_timeout = 600'
        local code, _, err = suptree("reload", "--timeout", "300ms")
        assert.are.equal(124, code)
        assert.matches("not settled in the time given; it goes on", err)
        write 'command = "exec sleep 1001", ready = s.ready.file "never", start_timeout = 600'
        assert.are.equal(0, (suptree("reload", "--no-wait")))
        tree:await { type = "launched", path = "web", generation = 3 }
        write 'command = "exec sleep 1002", ready = s.ready.file "never", start_timeout = 600'
        local child = live.spawn { live.program, "reload" }
        tree:await { type = "launched", path = "web", generation = 4 }
        child:kill "INT"
        assert.is_nil((child:wait()))
        assert.matches("the reload goes on", child.err)
        assert.are.equal(1, #tree:all { type = "launched", path = "db" })
    end)
end)
