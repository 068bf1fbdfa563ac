-- What a plan says: the JSON of the core, and its lines for people.
local cjson = require "cjson"
local declaration = require "suptree.declaration"
local plan = require "suptree.render.plan"
local suptree = require "suptree"
local world = require "spec.support.world"
local process, group, tree, up = world.process, world.group, world.tree, world.up

-- The plan of going from `sim` to `declared`, as the protocol tells it.
local function plan_of(sim, declared, values)
    local blob = assert(declaration.encode(tree(declared), { as_root = true, folder = "/srv" }))
    return cjson.decode((assert(sim.world.tree:plan_json(blob, values))))
end

local function lines_of(sim, declared, values)
    local list = {}
    for place, line in ipairs(plan.lines(plan_of(sim, declared, values))) do list[place] = line.words end
    return list
end

-- A tree that was encoded as if its file lay in /srv.
local function shop(children)
    local sim = suptree.sim(assert(declaration.encode(tree(children), { as_root = true, folder = "/srv" })))
    sim:start()
    return sim
end

describe("a plan in lines", function()
    it("says what changes, from what to what, and what does not", function()
        local sim = shop { process("db"), process("web", { env = { PORT = 8080 } }) }
        assert.same({
            "~ web restart env.PORT 8080 -> 8081",
            "= db unchanged",
            "1 to restart, 1 unchanged",
        }, lines_of(sim, { process("db"), process("web", { env = { PORT = 8081 } }) }))
    end)

    it("says every field", function()
        local sim = shop { process("web", { timeout = 3, env = { A = 1, B = 2 } }) }
        assert.same({
            "~ web restart command /srv/web -> /srv/web --fast 'two words'",
            "    env.C unset -> 3",
            "    env.A 1 -> unset",
            "    timeout 3s -> 10s",
            "1 to restart",
        }, lines_of(sim, { process("web", { command = { "./web", "--fast", "two words" }, env = { B = 2, C = 3 } }) }))
    end)

    it("names who is dragged along, and with whom", function()
        local follower = process("web", { restart_with = { "db" } })
        assert.same({ "~ db restart command /srv/db -> /srv/db -v", "~ web restart with db", "2 to restart" },
            lines_of(shop { process("db"), follower }, { process("db", { command = { "./db", "-v" } }), follower }))
    end)

    it("lists what is new and what goes, with all that is below", function()
        local sim = shop { process("a"), group("old", { process("x"), process("y") }) }
        assert.same({
            "- old remove", "- old/x remove", "- old/y remove",
            "+ new add", "+ new/z add command sleep 1",
            "= a unchanged", "1 to add, 2 to remove, 1 unchanged",
        }, lines_of(sim, { process("a"), group("new", { process("z", { command = "sleep 1" }) }) }))
    end)

    it("follows a new name down", function()
        local sim = shop { group("old", { process("x") }) }
        assert.same({
            "~ new rename name old -> new", "~ new/x update timeout 10s -> 1m30s", "1 to rename, 1 to update in place",
        }, lines_of(sim, { group("new", { formerly = "old", process("x", { timeout = 90 }) }) }))
    end)

    it("says what comes of one that does not run", function()
        local sim = shop { process("a"), process("b", { enabled = false }), process("c") }
        sim:stop_node("a")
        local function other(name, options)
            options = options or {}
            options.command = { "./other" }
            return process(name, options)
        end
        assert.same({
            "~ a update command /srv/a -> /srv/other (a person has stopped it: holds when it is started)",
            "~ b update enabled false -> true (it starts)",
            "~ c update enabled true -> false (it stops)",
            "3 to update in place",
        }, lines_of(sim, { other "a", process("b"), process("c", { enabled = false }) }))
        assert.same({
            "~ b update command /srv/b -> /srv/other (holds from its next start)", "= a unchanged", "= c unchanged",
            "1 to update in place, 2 unchanged",
        }, lines_of(sim, { process("a"), other("b", { enabled = false }), process("c") }))
    end)

    it("compares what is applied in place with what is declared, the rest with what runs", function()
        local sim = shop { process("a"), group("w", { process("x") }) }
        local function reload(declared)
            assert(sim:reload(assert(declaration.encode(tree(declared), { as_root = true, folder = "/srv" }))))
        end
        reload { process("a", { timeout = 3 }), group("w", { failure_threshold = 9, process("x") }) }
        assert.equal("nothing changes, 2 unchanged",
            lines_of(sim, { process("a", { timeout = 3 }), group("w", { failure_threshold = 9, process("x") }) })[3])
        assert.same({
            "~ a update timeout 3s -> 4s", "~ w update failure_threshold 9 -> 5", "= w/x unchanged",
            "2 to update in place, 1 unchanged",
        }, lines_of(sim, { process("a", { timeout = 4 }), group("w", { process("x") }) }))
        sim:hang("a")
        reload { process("a", { timeout = 3, env = { A = 1 } }), group("w", { process("x") }) }
        assert.equal("~ a restart env.A unset -> 2",
            lines_of(sim, { process("a", { timeout = 3, env = { A = 2 } }), group("w", { process("x") }) })[1])
        assert.equal("~ a update env.A 1 -> unset",
            lines_of(sim, { process("a", { timeout = 3 }), group("w", { process("x") }) })[1])
    end)

    it("says when only the order changes, and when nothing does", function()
        local sim = shop { process("a"), process("b") }
        assert.equal("the order of children changes, 2 unchanged",
            lines_of(sim, { process("b"), process("a") })[3])
        assert.equal("nothing changes, 2 unchanged", lines_of(sim, { process("a"), process("b") })[3])
    end)

    it("counts the unchanged when they are many, and lists them when asked", function()
        local many = {}
        for i = 1, 30 do many[i] = process("s" .. i) end
        local sim = shop(many)
        assert.same({ "= 30 services unchanged", "nothing changes, 30 unchanged" }, lines_of(sim, many))
        assert.equal(31, #plan.lines(plan_of(sim, many), true))
    end)

    it("writes values as people do", function()
        local function fields(before, after)
            local list = {}
            for _, field in ipairs(plan_of(shop { process("a", before) }, { process("a", after) }).changes[2].fields) do
                list[#list + 1] = ("%s: %s -> %s"):format(field.field, field.old or "unset", field.new or "unset")
            end
            return list
        end
        assert.same({
            "cwd: /srv -> /srv/data", "description: unset -> new words", "done_exit: {} -> { 3, 4 }",
            "log: shown -> file /srv/a.log", "ready: at launch -> delay 1.5s", "restart: permanent -> transient",
            "restart_delay: 0s -> 1s x 2 up to 30s, jitter 0.5", "start_timeout: 1m -> infinity",
            "stop_signal: TERM -> INT",
        }, fields({}, {
            cwd = "data", description = "new words", done_exit = { 3, 4 }, log = { file = "a.log" },
            ready = suptree.ready.delay(1.5), restart = "transient", start_timeout = "infinity", stop_signal = "INT",
            restart_delay = { initial = 1, max = 30, factor = 2, jitter = 0.5 },
        }))
    end)
end)

describe("a plan as data", function()
    it("says of each field whether exec sees it", function()
        local sim = shop { process("a") }
        local changes = plan_of(sim, { process("a", { timeout = 1, env = { A = 1 }, log = { file = "x" } }) }).changes
        local seen = {}
        for _, field in ipairs(changes[2].fields) do seen[field.field] = field.seen_by_exec end
        assert.same({ ["env.A"] = true, timeout = false, log = false }, seen)
        changes = plan_of(sim, { process("a", { log = false }) }).changes
        assert.is_true(changes[2].fields[1].seen_by_exec)
    end)

    it("has the same members, whatever changes", function()
        local changes = plan_of(shop { process("a"), process("b") }, { process("a"), process("c") }).changes
        for _, change in ipairs(changes) do
            assert.equal("string", type(change.path))
            assert.equal("string", type(change.kind))
            assert.equal("string", type(change.action))
            assert.equal("table", type(change.fields))
        end
    end)

    local function secrets(values)
        local function web(password, port)
            return process("web", {
                env = {
                    PGPASSWORD = password, API_KEY = password, PORT = port, URL = "pg://me:" .. password .. "@db/x",
                },
                command = { "./web", "redis://:" .. password .. "@cache" },
            })
        end
        local sim = shop { web("one", 1) }
        local told = {}
        for _, field in ipairs(plan_of(sim, { web("two", 2) }, values).changes[2].fields) do
            told[field.field] = ("%s %s%s"):format(field.old, field.new, field.hidden and " hidden" or "")
        end
        return told
    end

    it("hides what looks like a secret", function()
        assert.same({
            ["env.PGPASSWORD"] = "*** *** hidden", ["env.API_KEY"] = "*** *** hidden", ["env.PORT"] = "1 2",
            ["env.URL"] = "pg://me:***@db/x pg://me:***@db/x hidden",
            command = "/srv/web redis://:***@cache /srv/web redis://:***@cache hidden",
        }, secrets "hide_secrets")
    end)

    it("hides all of the environment from who may only look", function()
        local told = secrets "hide_env"
        assert.equal("*** *** hidden", told["env.PORT"])
        assert.equal("*** *** hidden", told["env.URL"])
    end)

    it("shows all when it is to", function()
        local told = secrets "show_all"
        assert.equal("one two", told["env.PGPASSWORD"])
        assert.equal("/srv/web redis://:one@cache /srv/web redis://:two@cache", told.command)
    end)

    it("cuts long values", function()
        local long = { process("a", { description = ("ä"):rep(2000) }) }
        local field = plan_of(shop { process("a") }, long).changes[2].fields[1]
        assert.is_true(#field.new <= 1000)
        assert.is_true(utf8.len(field.new) ~= nil)
        assert.matches("…$", field.new)
    end)

    it("of a service that becomes a thread", function()
        local sim = up { "a" }
        local changes = plan_of(sim, { world.thread "a" }).changes
        assert.equal("restart", changes[2].action)
        assert.same({ field = "kind", old = "process", new = "thread", seen_by_exec = true }, changes[2].fields[1])
    end)
end)
