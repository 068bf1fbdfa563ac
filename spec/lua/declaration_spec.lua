local declaration = require "suptree.declaration"
local form = require "spec.support.form"
local live = require "spec.support.live"
local s = require "suptree"

local FILE = "spec/lua/declaration_spec.lua"

local function line()
    return debug.getinfo(2, "l").currentline
end

-- The nodes of the blob of `declared`.
local function nodes(declared, settings)
    return form.nodes(assert(declaration.encode(declared, settings)))
end

-- All faults as texts, each without the place when that is on this file's line `at`.
local function faults(declared, settings)
    local blob, list = declaration.encode(declared, settings or { as_root = true })
    assert.is_nil(blob)
    local texts = {}
    for place, fault in ipairs(list) do texts[place] = tostring(fault):gsub("^.-_spec%.lua:%d+: ", "") end
    return texts
end

local function process(options)
    options.command = options.command or { "true" }
    return s.process "web"(options)
end

describe("a declaration", function()
    it("is a plain value with kind, name, options, children and place", function()
        local at = line() + 1
        local web = s.process "web" {
            command = "x",
            timeout = 5,
        }
        assert.are.equal("process", web.kind)
        assert.are.equal("web", web.name)
        assert.are.same({ command = "x", timeout = 5 }, web.options)
        assert.are.same({}, web.children)
        assert.matches(("%s:%d"):format(FILE, at), web.place, 1, true)
        assert.are.equal('process "web"', tostring(web))
    end)

    it("knows its line although it is returned at once", function()
        local at = line() + 2
        local function make()
            return s.process "web" { command = "x" }
        end
        assert.matches(("%s:%d"):format(FILE, at), make().place, 1, true)
    end)

    it("keeps its children in order, from loops too, and skips holes", function()
        local list = {}
        for i = 1, 3 do list[i] = s.process("p" .. i) { command = "x" } end
        local shop = s.supervisor "shop" { strategy = "one_for_all", list[1], nil, table.unpack(list, 2) }
        assert.are.same({ list[1], list[2], list[3] }, shop.children)
    end)

    it("is not changed by being encoded", function()
        local shop = s.supervisor "shop" { s.process "web" { command = "x", env_file = nil } }
        local first = assert(declaration.encode(shop))
        assert.are.equal(first, (declaration.encode(shop)))
        assert.are.same({ command = "x" }, shop.children[1].options)
    end)

    it("needs its braces, after its name", function()
        assert.error_matches(function() s.process("web", {}) end,
            'write s%.process "name" { … }; the braces follow the name')
        assert.error_matches(function() s.process "web" "x" end,
            'write s%.process "name" { … }; the braces hold the options')
    end)
end)

describe("an encoded declaration", function()
    it("has the nodes in preorder, with names, kinds and places", function()
        local at = line() + 1
        local found = nodes(s.supervisor "shop" {
            s.process "db" { command = { "db" } },
            s.supervisor "workers" { s.thread "mailer" { run = function() end } },
            s.process "web" { command = { "web" } },
        }, { as_root = true })
        local seen = {}
        for place, node in ipairs(found) do seen[place] = ("%d %s %d"):format(node.kind, node.name, node.children) end
        assert.are.same({ "0 shop 3", "1 db 0", "0 workers 1", "2 mailer 0", "1 web 0" }, seen)
        assert.matches(("%s:%d"):format(FILE, at + 1), found[2].place, 1, true)
    end)

    it("holds only what was written, and the folder", function()
        local web = nodes(process { command = { "./web" }, timeout = 5 }, { folder = "/srv/shop" })[1]
        assert.are.same({
            command = "/srv/shop/web\0", cwd = "/srv/shop\0", timeout = string.pack("=i8", 5000000000),
        }, web.options)
    end)

    it("can be given another name for the root", function()
        assert.are.equal("other", nodes(s.supervisor "shop" {}, { name = "other" })[1].name)
        assert.are.same({ 'a b: "a b" is not a name (A name is made of letters, digits and _ . @ -, 128 at most.)' },
            faults(s.supervisor "shop" {}, { name = "a b" }))
    end)

    it("is the same for the same declaration, whatever the order of writing", function()
        local one = nodes(process { env = { A = 1, B = 2, C = 3 }, after = { "x", "y" }, timeout = 60 })
        local other = nodes(process { timeout = "1m", after = { "y", "x" }, env = { C = 3, B = 2, A = 1 } })
        assert.are.same(one[1].options, other[1].options)
    end)

    it("may be a single service, with the options of a child, when it is no root", function()
        assert.are.equal("\1", nodes(process { restart = "transient" })[1].options.restart)
        assert.are.same({
            "web: the root of the tree is a process; it must be a supervisor "
                .. '(Write s.supervisor "name" { … } around it.)',
            "web.restart: is for children; the root of the tree has no such option",
        }, faults(process { restart = "transient" }))
    end)

    it("raises for what is no declaration at all", function()
        assert.error_matches(function() declaration.encode {} end, "a declaration is needed, not a table")
    end)
end)

describe("the environment of a process", function()
    after_each(live.clean)

    local function env(options, folder)
        return nodes(process(options), { folder = folder or "/srv" })[1].options.env
    end

    it("is written sorted, with numbers as texts", function()
        assert.are.equal("LANG=C\0PORT=8080\0X=1.5\0", env { env = { PORT = 8080, X = 1.5, LANG = "C" } })
        assert.are.equal("", env { env = {} })
        assert.is_nil(env {})
    end)

    it("starts with the file's, over which env wins", function()
        local folder = live.folder()
        live.write_file(folder .. "/web.env", "A=file\nB=file\n")
        local own = { B = "own", C = "own" }
        assert.are.equal("A=file\0B=own\0C=own\0", env({ env_file = "web.env", env = own }, folder))
        assert.are.equal("A=file\0B=file\0", env({ env_file = folder .. "/web.env" }))
    end)

    it("is refused as anything else", function()
        local declared = s.supervisor "shop" {
            process { env = { A = true, B = {}, ["C=D"] = "x", [5] = "x", E = "a\0b" } },
        }
        assert.are.same({
            "shop.web.env: 5 is not the name of a variable (Write { PORT = 8080 }.)",
            'shop.web.env.A: must be a text or a number, not true (Write "true" or "1".)',
            "shop.web.env.B: must be a text or a number, not a table",
            'shop.web.env: "C=D" is not the name of a variable (Write { PORT = 8080 }.)',
            "shop.web.env.E: has a zero byte",
        }, faults(declared))
        assert.are.same({ 'shop.web.env: must be a table of names and values, not "A=1" (Write { PORT = 8080 }.)' },
            faults(s.supervisor "shop" { process { env = "A=1" } }))
    end)

    it("names the file that cannot be used, and its lines", function()
        local folder = live.folder()
        live.write_file(folder .. "/web.env", "A=1\nhello\nB='x\n")
        local function found(path)
            return faults(s.supervisor "shop" { process { env_file = path } }, { as_root = true, folder = folder })
        end
        assert.are.same({
            ("shop.web.env_file: %s/web.env:2: is not KEY=VALUE (Write KEY=VALUE.)"):format(folder),
            ("shop.web.env_file: %s/web.env:3: its quote is not closed (Write KEY=VALUE.)"):format(folder),
        }, found "web.env")
        assert.are.same({ ("shop.web.env_file: %s/x.env cannot be read: No such file or directory "
            .. "(Make the file, or correct its path.)"):format(folder) }, found "x.env")
        assert.are.same({ ("shop.web.env_file: %s cannot be read: Is a directory "
            .. "(Make the file, or correct its path.)"):format(folder) }, found ".")
        assert.are.same({ "shop.web.env_file: must be a path, not 5" }, found(5))
    end)
end)

describe("the faults of a declaration", function()
    it("are all told at once, in the order of the tree", function()
        assert.are.same({
            'shop.stratgy: unknown option, did you mean "strategy"?',
            'shop.web.comand: unknown option, did you mean "command"?',
            'shop.web.timeout: "ten" is not a duration (Write seconds as a number, "1m30s", or "infinity".)',
            "shop.db.colour: unknown option (\"suptree help process\" lists the options of a process.)",
            "shop.db.strategy: is an option of a supervisor, not of a process",
            "shop.db.command: is missing (What to run: a table is run directly, word by word; a string is given to "
                .. "/bin/sh -c.)",
        }, faults(s.supervisor "shop" {
            stratgy = 1,
            s.process "web" { comand = "x", timeout = "ten" },
            s.process "db" { strategy = "one_for_all", colour = 5 },
        }))
    end)

    it("name the options that people of other supervisors expect", function()
        assert.are.same({ 'shop.web.cmd: unknown option, did you mean "command"?' },
            faults(s.supervisor "shop" { s.process "web" { cmd = "x" } }))
        assert.are.same({ 'shop.web.depends_on: unknown option, did you mean "after"?' },
            faults(s.supervisor "shop" { process { depends_on = {} } }))
    end)

    it("carry their parts for programs", function()
        local at = line() + 1
        local _, list = declaration.encode(s.supervisor "shop" { strategy = "x" }, { as_root = true })
        assert.are.equal(1, #list)
        assert.matches((":%d"):format(at), list[1].place, 1, true)
        assert.are.equal("shop", list[1].path)
        assert.are.equal(".strategy", list[1].field)
        assert.are.equal(tostring(list[1]), tostring(list))
    end)

    it("tell of names", function()
        local hint = " (A name is made of letters, digits and _ . @ -, 128 at most.)"
        assert.are.same({ 'shop.a b: "a b" is not a name' .. hint },
            faults(s.supervisor "shop" { s.process "a b" { command = "x" } }))
        assert.are.same({ "shop.5: 5 is not a name" .. hint },
            faults(s.supervisor "shop" { s.process(5) { command = "x" } }))
        assert.are.same({ 'shop..: "." is not a name' .. hint },
            faults(s.supervisor "shop" { s.process "." { command = "x" } }))
    end)

    it("tell of a name that is there twice, with both lines", function()
        local at = line() + 2
        local _, list = declaration.encode(s.supervisor "shop" {
            s.process "web" { command = "x" },
            s.process "web" { command = "x" },
        })
        assert.are.equal(1, #list)
        local place, other = tostring(list):match("^.*:(%d+): shop%.web: the name \"web\" is taken by a sibling "
            .. "at .*:(%d+) %(Give one of them another name%.%)$")
        assert.are.same({ at + 1, at }, { tonumber(place), tonumber(other) })
    end)

    it("tell of what is no child", function()
        assert.are.same({
            "shop[1]: is 5, not a declaration (Write s.process \"name\" { … } there.)",
            "shop[2]: is false, not a declaration (Write s.process \"name\" { … } there.)",
            "shop[3]: is a suptree declaration without its { … }, not a declaration (Write s.process \"x\" { … }.)",
            "shop[4]: is a table, not a declaration (Write table.unpack(list) as the last child.)",
            "shop: has true as a key, which is no option",
        }, faults(s.supervisor "shop" { 5, false, s.process "x", { process {} }, [true] = 1 }))
        assert.are.same({ "shop.web: has children, but a process cannot have any (Put them into a supervisor.)" },
            faults(s.supervisor "shop" { process { process {} } }))
        assert.are.same({
            "shop.web: has children, but a process cannot have any (Write command = { … } around the words.)",
        }, faults(s.supervisor "shop" { s.process "web" { "sleep", "5" } }))
    end)

    it("tell of siblings that are not there", function()
        local hint = " (Name siblings: children of the same supervisor.)"
        assert.are.same({
            'shop.web.after: there is no sibling "bd", did you mean "db"?' .. hint,
            'shop.web.restart_with: there is no sibling "workers"' .. hint,
        }, faults(s.supervisor "shop" {
            s.process "db" { command = "x" },
            process { after = { "bd" }, restart_with = { "workers" } },
        }))
        assert.are.same({ "shop.web.after: names the node itself (Take it out of the list.)" },
            faults(s.supervisor "shop" { process { after = { "web" } } }))
    end)

    it("tell of circles, with the whole chain", function()
        local function named(name, after) return s.process(name) { command = "x", after = after } end
        assert.are.same({
            "shop.b.after: goes in a circle: b -> c -> d -> b (Take one of these names out of its `after`.)",
        }, faults(s.supervisor "shop" {
            named("a", { "b" }), named("b", { "c" }), named("c", { "d" }), named("d", { "b" }),
        }))
    end)

    it("tell of options that do not go together", function()
        local function of(options)
            return faults(s.supervisor "shop" (options))
        end
        assert.are.same({
            "shop.intensity: cannot stand beside failure_threshold: a window replaces the meter "
                .. "(Take one of the two out.)",
        }, of { intensity = 3, failure_threshold = 3 })
        assert.are.same({ "shop.period: means nothing without intensity (Add intensity, or take period out.)" },
            of { period = 5 })
        assert.are.same({
            'shop.max_pauses: needs the time within which pauses count (Add within, such as within = "1h".)',
        }, of { max_pauses = 3 })
        assert.are.same({ "shop.within: means nothing without max_pauses (Add max_pauses, or take within out.)" },
            of { within = 3 })
        assert.are.same({
            "shop.max_children: is 1, but 2 children are declared (Raise it, or declare fewer children.)",
        }, of { max_children = 1, s.process "a" { command = "x" }, s.process "b" { command = "x" } })
        assert.are.same({
            "shop.web.significant: needs a node that may end for good, but this one is permanent "
                .. '(Add restart = "transient" or restart = "temporary".)',
            'shop.web.significant: means nothing: its supervisor has auto_shutdown = "never" '
                .. '(Add auto_shutdown = "any_significant" (or "all_significant") to the supervisor.)',
        }, of { process { significant = true } })
        assert.are.same({
            "shop.web.terminate_exit: has exit code 3, which done_exit has too (Leave the code in one of the two.)",
        }, of { process { done_exit = { 3 }, terminate_exit = { 3, 4 } } })
        assert.are.same({
            "shop.web.formerly: is the name that the node has now (Write the old name, or take it out.)",
        }, of { process { formerly = "web" } })
    end)

    it("do not follow from other faults", function()
        assert.are.same({ 'shop.web.restart: must be "permanent", "transient" or "temporary", not "never"' },
            faults(s.supervisor "shop" { auto_shutdown = "any_significant",
                process { significant = true, restart = "never" } }))
        assert.are.same({ "shop.max_pauses: must be a whole number from 0 to 10000, not -1" },
            faults(s.supervisor "shop" { max_pauses = -1, within = "1h" }))
    end)

    it("tell of trees that are too deep or too large", function()
        local deep = s.supervisor "x" {}
        for _ = 1, 64 do deep = s.supervisor "x" { deep } end
        local found = faults(deep)
        assert.are.equal(1, #found)
        assert.matches(": is nested more than 64 levels deep %(Make the tree flatter%.%)$", found[1])
        local many = {}
        for i = 1, 65536 do many[i] = s.supervisor("n" .. i) {} end
        assert.are.same({
            "shop: declares 65537 nodes; at most 65536 are possible (Split the tree over several hosts.)",
        }, faults(s.supervisor "shop" (many)))
    end)

    it("say that control_group is the root's", function()
        local child = s.supervisor "workers" { control_group = 0, s.process "web" { command = "x" } }
        assert.matches("shop.workers.control_group: belongs to the root", faults(s.supervisor "shop" { child })[1], 1,
            true)
    end)

    it("of the blob's own check are none that went unnoticed before", function()
        -- What the encoder lets through must stand the reader's check: every example of the help does.
        local option_help = require "suptree.option_help"
        for _, row in ipairs(option_help.rows()) do
            local example = option_help.example(row):gsub("…", "")
            local around = [[
                local s = require "suptree"
                return s.supervisor "root" { auto_shutdown = "any_significant",
                    s.process "db" { command = "x" }, %s }]]
            if row.name == "control_group" then around = 'local s = require "suptree" return ({ %s })[1]' end
            package.preload.sweeper = function() return function() end end
            local chunk = assert(load(around:format(example)))
            local folder = live.folder()
            live.write_file(folder .. "/web.env", "")
            local _, list = declaration.encode(chunk(), { as_root = true, folder = folder })
            assert.are.same({}, list, row.name)
        end
        package.preload.sweeper = nil
        live.clean()
    end)
end)

describe("a thread service", function()
    local function thread(options)
        return s.supervisor "shop" { s.thread "t" (options) }
    end

    it("has a function or the name of a module", function()
        assert.is_string(nodes(thread { run = function() end })[2].options.run)
        assert.is_string(nodes(thread { run = "suptree.text" })[2].options.run)
        local hint = " (Write run = function(ctx) … end, or the name of a module that returns such a function.)"
        assert.are.same({ 'shop.t.run: there is no module "no.such"' .. hint }, faults(thread { run = "no.such" }))
        assert.are.same({ "shop.t.run: must be a function or the name of a module, not 5" .. hint },
            faults(thread { run = 5 }))
    end)

    it("names the upvalue that cannot travel, and the line of its function", function()
        local out, at = io.stdout, line() + 1
        local found = faults(thread { run = function() out:write "x" end })
        assert.are.equal(1, #found)
        assert.matches(("^shop%%.t%%.run: the function at .*_spec%%.lua:%d uses out, which is a userdata, and cannot "
            .. "travel to a thread %%(Make it inside the function, or"):format(at), found[1])
    end)

    it("has arguments that are plain data", function()
        assert.is_string(nodes(thread { run = function() end, args = { 1, { a = "b" } } })[2].options.args)
        assert.are.same({
            "shop.t.args: it[1] is a function, which is no plain data "
                .. "(Give it plain data: numbers, texts, booleans and tables of them.)",
        }, faults(thread { run = function() end, args = { print } }))
    end)

    it("is told when a table goes to several of them, each a copy", function()
        local shared, own = { 1 }, { 2 }
        local blob, notes = declaration.encode(s.supervisor "shop" {
            s.thread "a" { run = function() return shared, own end },
            s.thread "b" { run = function() return shared end },
        })
        assert.is_string(blob)
        assert.are.equal(1, #notes)
        assert.matches("shop%.b%.run: the function at .* uses shared, which is a table that shop%.a has too; "
            .. "each gets a copy of its own$", notes[1])
    end)
end)
