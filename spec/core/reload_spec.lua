-- SEMANTICS §7: reload: what is touched and what is not, rollback, and how it meets pauses, delays, rounds and stops.
local world = require "spec.support.world"
local suptree = require "suptree"
local up, fail, tree, group = world.up, world.fail, world.tree, world.group
local process, thread = world.process, world.thread
local states, told, told_when, happened = world.states, world.told, world.told_when, world.happened
local generations = world.generations

local function changed(name, options)
    options = options or {}
    options.command = { "./" .. name, "--new" }
    return process(name, options)
end

local function reload(sim, options)
    assert(sim:reload(tree(options)))
end

-- Everything that can be seen of every node, for comparing before and after.
local function picture(sim)
    local rows = {}
    for _, path in ipairs(sim:paths()) do rows[#rows + 1] = sim:state(path) end
    return rows
end

describe("§7 'Validate everything first; any error leaves the running tree bit for bit as it was'", function()
    local function refused(sim, declared, text)
        local before = picture(sim)
        local deadline = sim.world.tree:deadline()
        local ok, err = sim:reload(declared)
        assert.is_nil(ok)
        if text then assert.matches(text, tostring(err)) end
        assert.same({}, told(sim))
        assert.same(before, picture(sim))
        assert.equal(deadline, sim.world.tree:deadline())
    end

    it("what is no config", function()
        refused(up { "a" }, "this is no blob")
        refused(up { "a" }, "")
    end)

    it("in the middle of a pause and a delay", function()
        local sim = up { failure_threshold = 0, "a", process("b", { restart_delay = 9 }), "c" }
        fail(sim, "a")
        fail(sim, "b")
        sim:effects()
        refused(sim, "this is no blob")
    end)

    it("says reload_refused", function()
        local sim = up { "a" }
        sim:reload("this is no blob")
        assert.same({ "reload_refused ." }, happened(sim, "reload_refused", "reloaded"))
    end)

    it("a config that could not be made: why stands in the event and in the reply", function()
        local sim = up { "a" }
        local before = picture(sim)
        local request = sim:request { type = "reload", text = "supervise.lua:3: unexpected symbol near '}'" }
        assert.same({ "reload_refused ." }, happened(sim, "reload_refused", "reloaded"))
        assert.equal("invalid", sim:reply(request).status)
        assert.equal("supervise.lua:3: unexpected symbol near '}'", sim:reply(request).text)
        assert.same(before, picture(sim))
    end)

    it("'Renaming the root is refused'", function()
        refused(up { "a" }, group("other", { "a" }), "name")
    end)

    it("after the stop", function()
        local sim = up { "a" }
        sim:stop()
        sim:effects()
        local ok, err = sim:reload(tree { "a", "b" })
        assert.is_nil(ok)
        assert.equal(suptree.ErrStopped, err)
        assert.same({}, told(sim))
    end)

    it("during the stop", function()
        local sim = up { "a" }
        sim:hang("a")
        sim:stop()
        sim:effects()
        assert.is_nil((sim:reload(tree { "a", "b" })))
        assert.is_nil(sim:state("b"))
        sim:advance(10)
        assert.equal(0, sim:ended())
    end)
end)

describe("§7 'unchanged → untouched (pid, meter, queue, pending timers with their jitter)'", function()
    local function busy()
        return {
            failure_threshold = 1, backoff_jitter = true, "a",
            process("b", { restart_delay = { initial = 100, max = 100, factor = 1, jitter = 0.5 } }),
            group("w", { "x", process("y", { after = { "x" } }) }), "d",
        }
    end

    it("§9.16 a reload of the same file has no effects", function()
        local sim = up(busy())
        sim:advance(3)
        fail(sim, "b")
        fail(sim, "a")
        fail(sim, "w/x", 3)
        sim:stop_node("d")
        assert.equal("paused queued delayed stopped", states(sim, ".", "a", "b", "d"))
        sim:effects()
        sim:events()
        local before, deadline = picture(sim), sim.world.tree:deadline()
        reload(sim, busy())
        assert.same({}, told(sim))
        assert.same({}, happened(sim))
        assert.same(before, picture(sim))
        assert.equal(deadline, sim.world.tree:deadline())
    end)

    it("what follows is the same as without it", function()
        local plain, reloaded = up(busy()), up(busy())
        for _, sim in ipairs { plain, reloaded } do
            fail(sim, "b")
            fail(sim, "a")
            if sim == reloaded then reload(sim, busy()) end
            sim:advance(500)
        end
        assert.same(told_when(plain), told_when(reloaded))
    end)

    it("a hung stop goes on with its kill", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        sim:stop_node("a")
        sim:advance(5)
        reload(sim, { "a", "b" })
        sim:advance(60)
        assert.same({ "0 interrupt a", "10 kill a" }, told_when(sim))
    end)
end)

describe("§7 'a field that exec does not see → applied in place'", function()
    it("timeout: nothing restarts, the next stop has it", function()
        local sim = up { "a" }
        reload(sim, { process("a", { timeout = 3 }) })
        assert.same({}, told(sim))
        sim:hang("a")
        sim:stop()
        sim:advance(60)
        assert.same({ "0 interrupt a", "3 kill a" }, told_when(sim))
    end)

    it("timeout inherited from the supervisor", function()
        local sim = up { group("w", { "x" }) }
        reload(sim, { timeout = 4, group("w", { "x" }) })
        assert.same({}, told(sim))
        sim:hang("w/x")
        sim:stop()
        sim:advance(60)
        assert.same({ "0 interrupt w/x", "4 kill w/x" }, told_when(sim))
    end)

    it("restart type: the next end has it", function()
        local sim = up { "a", "b" }
        reload(sim, { process("a", { restart = "transient" }), "b" })
        assert.same({}, told(sim))
        sim:exit("a", { code = 0 })
        assert.equal("done", sim:state("a").state)
    end)

    it("the threshold: the meter keeps its count", function()
        local sim = up { "a" }
        fail(sim, "a", 3)
        sim:effects()
        reload(sim, { failure_threshold = 3, "a" })
        assert.equal(3, sim:state().count)
        assert.same({}, told(sim))
        fail(sim, "a")
        assert.equal("paused", sim:state().state)
    end)

    it("the strategy", function()
        local sim = up { "a", "b" }
        reload(sim, { strategy = "one_for_all", "a", "b" })
        assert.same({}, told(sim))
        fail(sim, "a")
        assert.same({ "interrupt b", "launch a", "launch b" }, told(sim))
    end)

    it("after: the next start has it, the running one stays", function()
        local sim = up { "a", "b" }
        reload(sim, { process("a", { after = { "b" } }), "b" })
        assert.same({}, told(sim))
        sim:stop()
        assert.same({ "interrupt a", "interrupt b" }, told(sim))
    end)

    it("after taken away: they stop together from now on", function()
        local sim = up { "a", process("b", { after = { "a" } }) }
        reload(sim, { "a", "b" })
        sim:hang("b")
        sim:stop()
        assert.same({ "interrupt a", "interrupt b" }, world.told_sorted(sim))
    end)

    it("after added to one that waits for another: it waits for both", function()
        local manual = suptree.ready.manual()
        local sim = up { process("a", { ready = manual }), "b", process("c", { after = { "a" } }) }
        sim:stop_node("b")
        reload(sim, { process("a", { ready = manual }), "b", process("c", { after = { "a", "b" } }) })
        sim:ready("a")
        assert.equal("waiting", sim:state("c").state)
        sim:start_node("b")
        assert.equal("running", sim:state("c").state)
    end)

    it("readiness taken away from one that waits for it: it is ready, who waits for it starts", function()
        local sim = up { process("a", { ready = suptree.ready.manual() }), process("b", { after = { "a" } }) }
        assert.equal("running waiting", states(sim, "a", "b"))
        sim:effects()
        reload(sim, { "a", process("b", { after = { "a" } }) })
        assert.is_true(sim:state("a").ready)
        assert.same({ "launch b" }, told(sim))
        sim:advance("10m")
        assert.equal("1 1", generations(sim, "a", "b"))
    end)

    it("and a second time the same file has no effects", function()
        local sim = up { "a" }
        reload(sim, { timeout = 4, process("a", { description = "words" }) })
        assert.same({ "reloaded ." }, happened(sim, "reloaded"))
        sim:updates()
        reload(sim, { timeout = 4, process("a", { description = "words" }) })
        assert.same({}, happened(sim, "reloaded"))
        assert.same({}, sim:updates())
    end)

    it("the driver is told", function()
        local sim = up { "a", "b" }
        sim:updates()
        reload(sim, { process("a", { description = "first" }), "b" })
        assert.equal("a", sim:updates()[1].path)
    end)
end)

describe("§7 'a field that exec sees → that node restarts, once'", function()
    it("its command", function()
        local sim = up { "a", "b" }
        reload(sim, { changed "a", "b" })
        assert.same({ "interrupt a", "launch a" }, told(sim))
        assert.equal(0, sim:state().count)
        assert.equal("2 1", generations(sim, "a", "b"))
    end)

    it("its environment", function()
        local sim = up { process("a", { env = { PORT = 1 } }) }
        reload(sim, { process("a", { env = { PORT = 2 } }) })
        assert.equal(2, sim:state("a").generation)
    end)

    it("its kind", function()
        local sim = up { "a", "b" }
        reload(sim, { thread "a", "b" })
        assert.same({ "interrupt a", "launch a" }, told(sim))
        assert.equal("thread", sim:state("a").kind)
    end)

    it("two fields at once: once", function()
        local sim = up { process("a", { env = { PORT = 1 } }) }
        reload(sim, { changed("a", { env = { PORT = 2 } }) })
        assert.equal(2, sim:state("a").generation)
    end)

    it("one that hangs has its stop budget", function()
        local sim = up { "a" }
        sim:hang("a")
        reload(sim, { changed "a" })
        sim:advance(60)
        assert.same({ "0 interrupt a", "10 kill a", "10 launch a" }, told_when(sim))
    end)

    it("there and back while it hangs: it has been asked already, so it comes back once", function()
        local sim = up { "a" }
        sim:hang("a")
        reload(sim, { changed "a" })
        reload(sim, { "a" })
        sim:exit("a")
        assert.same({ "interrupt a", "launch a" }, told(sim))
    end)

    it("'What the instance was started with is compared': a stopped one is changed silently, and back", function()
        local sim = up { "a", "b" }
        sim:stop_node("a")
        sim:effects()
        reload(sim, { changed "a", "b" })
        reload(sim, { "a", "b" })
        assert.same({}, told(sim))
    end)

    it("dependents end first and return", function()
        local sim = up { "db", process("web", { after = { "db" }, restart_with = { "db" } }) }
        reload(sim, { changed "db", process("web", { after = { "db" }, restart_with = { "db" } }) })
        assert.same({ "interrupt web", "interrupt db", "launch db", "launch web" }, told(sim))
    end)

    it("several: each once", function()
        local sim = up { "a", "b", "c" }
        reload(sim, { changed "a", "b", changed "c" })
        assert.equal("2 1 2", generations(sim, "a", "b", "c"))
        assert.equal(4, #told(sim))
    end)
end)

describe("§7 '(one in its delay keeps the deadline, one that still stops launches the newest spec)'", function()
    it("in its delay", function()
        local sim = up { process("a", { restart_delay = 10 }) }
        fail(sim, "a")
        sim:advance(4)
        reload(sim, { changed("a", { restart_delay = 10 }) })
        assert.equal("delayed", sim:state("a").state)
        assert.equal(10, sim:state("a").next_at)
        sim:advance(60)
        assert.same({ "10 launch a" }, told_when(sim))
    end)

    it("a person restarted it and it still stops", function()
        local sim = up { "a" }
        sim:hang("a")
        sim:restart_node("a")
        reload(sim, { process("a", { command = { "./a" }, ready = suptree.ready.delay(3) }) })
        sim:exit("a")
        assert.same({ "interrupt a", "launch a" }, told(sim))
        assert.is_false(sim:state("a").ready)
        sim:advance(3)
        assert.is_true(sim:state("a").ready)
    end)

    it("one in the queue of a pause stays there and launches with the new spec", function()
        local sim = up { failure_threshold = 0, "a", "b" }
        fail(sim, "a")
        sim:advance(5)
        reload(sim, { failure_threshold = 0, changed("a", { ready = suptree.ready.delay(1) }), "b" })
        assert.equal("paused queued", states(sim, ".", "a"))
        assert.equal(10, sim:state().resumes_in)
        sim:advance(10)
        assert.same({ "15 launch a" }, told_when(sim))
        assert.is_false(sim:state("a").ready)
    end)
end)

describe("§7 'new → start; gone → stop'", function()
    it("new", function()
        local sim = up { "a" }
        reload(sim, { "a", "b", group("w", { "x" }) })
        assert.same({ "launch b", "launch w/x" }, told(sim))
        assert.same({ ".", "a", "b", "w", "w/x" }, sim:paths())
    end)

    it("gone", function()
        local sim = up { "a", "b", group("w", { "x" }) }
        reload(sim, { "a" })
        assert.same({ "interrupt b", "interrupt w/x" }, world.told_sorted(sim))
        assert.same({ ".", "a" }, sim:paths())
        assert.is_nil(sim:state("b"))
    end)

    it("gone dependents end before what they are after", function()
        local sim = up { "db", process("web", { after = { "db" } }), "a" }
        sim:hang("web")
        reload(sim, { "a" })
        assert.same({ "interrupt web" }, told(sim))
        sim:exit("web")
        assert.same({ "interrupt db" }, told(sim))
    end)

    it("gone and new again while it hangs: another node", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        reload(sim, { "b" })
        reload(sim, { "a", "b" })
        assert.equal("running", sim:state("a").state)
        assert.same({ "interrupt a", "launch a" }, told(sim))
    end)

    it("gone while queued or delayed: nothing comes back", function()
        local sim = up { failure_threshold = 1, process("a", { restart_delay = 20 }), "b", "c" }
        fail(sim, "a")
        fail(sim, "b")
        assert.equal("delayed queued", states(sim, "a", "b"))
        sim:effects()
        reload(sim, { failure_threshold = 1, "c" })
        sim:advance("10m")
        assert.same({}, told(sim))
        assert.same({ ".", "c" }, sim:paths())
    end)

    it("enabled = false stops, and back starts", function()
        local sim = up { "a", "b" }
        reload(sim, { process("a", { enabled = false }), "b" })
        assert.same({ "interrupt a" }, told(sim))
        assert.equal("stopped", sim:state("a").state)
        reload(sim, { "a", "b" })
        assert.same({ "launch a" }, told(sim))
    end)

    it("one that gave up starts when its declaration is mended", function()
        local sim = up { failure_threshold = 0, on_threshold = "give_up", "a", "b" }
        fail(sim, "a")
        sim:effects()
        reload(sim, { failure_threshold = 0, on_threshold = "give_up", "a", "b", "c" })
        assert.equal("failed", sim:state("a").state)
        assert.same({ "launch c" }, told(sim))
        reload(sim, { failure_threshold = 0, on_threshold = "give_up", changed "a", "b", "c" })
        assert.same({ "launch a" }, told(sim))
    end)

    it("a service that becomes a supervisor is another node", function()
        local sim = up { "a", "b" }
        reload(sim, { group("a", { "x" }), "b" })
        assert.same({ "interrupt a", "launch a/x" }, world.told_sorted(sim))
        assert.equal("supervisor", sim:state("a").kind)
        reload(sim, { "a", "b" })
        assert.same({ "interrupt a/x", "launch a" }, world.told_sorted(sim))
        assert.same({ ".", "a", "b" }, sim:paths())
    end)

    it("a new one waits for what it is after", function()
        local sim = up { "a" }
        reload(sim, { "a", process("b", { ready = suptree.ready.delay(2) }), process("c", { after = { "b" } }) })
        sim:advance(5)
        assert.same({ "0 launch b", "2 launch c" }, told_when(sim))
    end)

    it("what was added by hand stays", function()
        local sim = up { "a" }
        sim:add(".", process "guest")
        sim:effects()
        reload(sim, { "a", "b" })
        assert.same({ "launch b" }, told(sim))
        assert.equal("running", sim:state("guest").state)
    end)

    it("what was added by hand waits no more for what has gone", function()
        local sim = up { process("db", { ready = suptree.ready.manual() }) }
        sim:add(".", process("guest", { after = { "db" } }))
        assert.equal("waiting", sim:state("guest").state)
        reload(sim, { "a" })
        assert.equal("running", sim:state("guest").state)
    end)

    it("a name that was added by hand refuses the file that has it", function()
        local sim = up { "a" }
        sim:add(".", process "guest")
        local ok, err = sim:reload(tree { "a", "guest" })
        assert.is_nil(ok)
        assert.matches("guest", tostring(err))
        assert.equal("running", sim:state("guest").state)
    end)
end)

describe("§7 'Nodes are matched by path (and by `formerly = \"old name\"`, which keeps the pid)'", function()
    it("keeps the instance, the meter and the generation", function()
        local sim = up { "old", "b" }
        fail(sim, "old")
        local before = sim:state("old")
        sim:effects()
        reload(sim, { process("new", { command = { "./old" }, formerly = "old" }), "b" })
        assert.same({}, told(sim))
        assert.is_nil(sim:state("old"))
        assert.equal(before.instance, sim:state("new").instance)
        assert.equal(before.generation, sim:state("new").generation)
    end)

    it("of a supervisor: all below keep theirs", function()
        local sim = up { group("old", { "x", "y" }) }
        local instance = sim:state("old/x").instance
        reload(sim, { group("new", { formerly = "old", "x", "y" }) })
        assert.same({}, told(sim))
        assert.equal(instance, sim:state("new/x").instance)
        assert.same({ ".", "new", "new/x", "new/y" }, sim:paths())
    end)

    it("without it: one goes, one comes", function()
        local sim = up { "old", "b" }
        reload(sim, { process("new", { command = { "./old" } }), "b" })
        assert.same({ "interrupt old", "launch new" }, world.told_sorted(sim))
    end)

    it("once the name is there, formerly means nothing more", function()
        local sim = up { process("new", { formerly = "old" }) }
        reload(sim, { process("new", { formerly = "old" }) })
        assert.same({}, told(sim))
    end)

    it("what is there by its path is that: formerly does not swap two", function()
        local sim = up { "a", "b" }
        reload(sim, {
            process("a", { command = { "./b" }, formerly = "b" }),
            process("b", { command = { "./a" }, formerly = "a" }),
        })
        assert.equal("2 2", generations(sim, "a", "b"))
    end)
end)

describe("going back by a reload", function()
    local function renamed() return process("new", { command = { "./old" }, formerly = "old" }) end

    it("gives what was renamed its former name, and keeps its instance", function()
        local sim = up { "old", "b" }
        reload(sim, { renamed(), "b" })
        sim:effects()
        assert(sim:reload(tree { "old", "b" }, { back = true }))
        assert.same({}, told(sim))
        assert.equal(1, sim:state("old").generation)
        assert.is_nil(sim:state "new")
    end)

    it("forth, the same is another node", function()
        local sim = up { "old", "b" }
        reload(sim, { renamed(), "b" })
        sim:effects()
        reload(sim, { "old", "b" })
        assert.same({ "interrupt new", "launch old" }, world.told_sorted(sim))
    end)

    it("to what runs already does nothing", function()
        local sim = up { "a", process("b", { enabled = false }) }
        assert(sim:reload(tree { "a", process("b", { enabled = false }) }, { back = true }))
        assert.same({}, told(sim))
        assert.same({}, happened(sim))
    end)

    it("waits for a round, too, and knows the way then", function()
        local sim = up { strategy = "one_for_all", "old", "b" }
        reload(sim, { strategy = "one_for_all", renamed(), "b" })
        sim:hang("b")
        sim:exit("new")
        assert(sim:reload(tree { strategy = "one_for_all", "old", "b" }, { back = true }))
        assert.is_nil(sim:state "old")
        sim:exit("b")
        assert.equal("running", sim:state("old").state)
        assert.equal(2, sim:state("old").generation)
    end)
end)

describe("§7 'A person's stop is kept'", function()
    it("whatever changes", function()
        local sim = up { "a", "b" }
        sim:stop_node("a")
        sim:effects()
        reload(sim, { changed("a", { timeout = 3 }), "b" })
        assert.same({}, told(sim))
        assert.equal("stopped", sim:state("a").state)
        sim:start_node("a")
        assert.same({ "launch a" }, told(sim))
    end)

    it("of a supervisor", function()
        local sim = up { group("w", { "x" }), "a" }
        sim:stop_node("w")
        sim:effects()
        reload(sim, { group("w", { "x", "y" }), "a" })
        assert.same({}, told(sim))
        assert.equal("stopped", sim:state("w").state)
    end)

    it("over a rename", function()
        local sim = up { "old", "b" }
        sim:stop_node("old")
        sim:effects()
        reload(sim, { process("new", { command = { "./old" }, formerly = "old" }), "b" })
        assert.same({}, told(sim))
        assert.equal("stopped", sim:state("new").state)
    end)
end)

describe("§7 'During a group restart it waits for the round to finish'", function()
    it("is applied then", function()
        local sim = up { strategy = "one_for_all", "a", "b", "c" }
        sim:hang("c")
        fail(sim, "a")
        assert.is_true(sim:reload(tree { strategy = "one_for_all", "a", "b", "c", "d" }))
        assert.is_nil(sim:state("d"))
        sim:exit("c")
        assert.equal("running", sim:state("d").state)
        assert.equal("2 2 2 1", generations(sim, "a", "b", "c", "d"))
    end)

    it("what it changed restarts once more, after the round", function()
        local sim = up { strategy = "one_for_all", "a", "b" }
        sim:hang("b")
        fail(sim, "a")
        sim:reload(tree { strategy = "one_for_all", changed "a", "b" })
        sim:exit("b")
        assert.equal("3 2", generations(sim, "a", "b"))
    end)

    it("which it is when its members are launched or wait for others", function()
        local function group_of_three(...)
            return {
                strategy = "one_for_all", process("a", { ready = suptree.ready.delay(5) }),
                process("b", { after = { "a" } }), ...,
            }
        end
        local sim = up(group_of_three())
        sim:advance(10)
        fail(sim, "b")
        assert.equal("waiting", sim:state("b").state)
        reload(sim, group_of_three "c")
        assert.equal("running", sim:state("c").state)
        sim:advance(5)
        assert.equal("running", sim:state("b").state)
    end)

    it("each who waits for one is answered once, also when another takes its place", function()
        local encode = require "suptree.declaration".encode
        local sim = up { strategy = "one_for_all", "a", "b" }
        sim:hang("b")
        fail(sim, "a")
        local requests = {}
        for n, name in ipairs { "c", "d" } do
            local blob = encode(tree { strategy = "one_for_all", "a", "b", name })
            requests[n] = sim:request { type = "reload", blob = blob, wait = true }
        end
        assert.is_not_nil(sim:reply(requests[1]))
        assert.not_equal("ok", sim:reply(requests[1]).status)
        assert.is_nil(sim:reply(requests[2]))
        sim:exit("b")
        assert.equal("ok", sim:reply(requests[2]).status)
    end)

    it("a round that is over, however it ended, holds no reload up", function()
        local sim = up { group("w", { strategy = "one_for_all", "a", "b" }) }
        fail(sim, "w/a", 2)
        sim:hang("w/b")
        fail(sim, "w/a")
        sim:stop_node("w")
        sim:exit("w/b")
        sim:start_node("w")
        reload(sim, { group("w", { strategy = "one_for_all", "a", "b" }), "c" })
        assert.equal("running", sim:state("c").state)
    end)

    it("nor does one whose members a person has all stopped", function()
        local sim = up { strategy = "one_for_all", "a", "b" }
        sim:hang("b")
        fail(sim, "a")
        sim:stop_node("a")
        sim:stop_node("b")
        sim:exit("b")
        assert.equal("stopped stopped", states(sim, "a", "b"))
        reload(sim, { strategy = "one_for_all", "a", "b", "c" })
        assert.equal("running", sim:state("c").state)
    end)

    it("nor does a member that is stuck, once the others are launched", function()
        local sim = up { strategy = "one_for_all", "a", "b" }
        sim:hang("b", "kill")
        fail(sim, "a")
        sim:advance(20)
        assert.equal("running stuck", states(sim, "a", "b"))
        reload(sim, { strategy = "one_for_all", "a", "b", "c" })
        assert.equal("running", sim:state("c").state)
    end)

    it("a later one takes its place", function()
        local sim = up { strategy = "one_for_all", "a", "b" }
        sim:hang("b")
        fail(sim, "a")
        sim:reload(tree { strategy = "one_for_all", "a", "b", "c" })
        sim:reload(tree { strategy = "one_for_all", "a", "b", "d" })
        sim:exit("b")
        assert.is_nil(sim:state("c"))
        assert.equal("running", sim:state("d").state)
    end)

    it("a stop meanwhile wins", function()
        local sim = up { strategy = "one_for_all", "a", "b" }
        sim:hang("b")
        fail(sim, "a")
        sim:reload(tree { strategy = "one_for_all", "a", "b", "c" })
        sim:stop()
        sim:advance(60)
        assert.is_truthy(sim:ended())
        assert.is_nil(sim:state("c"))
    end)
end)

describe("§7 'Reordering restarts nothing'", function()
    it("and the new order holds from now on", function()
        local sim = up { "a", "b", "c" }
        reload(sim, { "c", "a", "b" })
        assert.same({}, told(sim))
        assert.same({ ".", "c", "a", "b" }, sim:paths())
    end)

    it("for the strategy too", function()
        local sim = up { strategy = "rest_for_one", "a", "b", "c" }
        reload(sim, { strategy = "rest_for_one", "c", "b", "a" })
        fail(sim, "b")
        assert.equal("2 2 1", generations(sim, "a", "b", "c"))
    end)
end)

describe("§7 'A changed or new service that is not ready within its `start_timeout` … rolls the whole reload "
    .. "back'", function()
    local function slow(name, options)
        options = options or {}
        options.ready, options.start_timeout = suptree.ready.manual(), 5
        return changed(name, options)
    end

    it("a changed one", function()
        local sim = up { "a", "b" }
        reload(sim, { slow "a", "b" })
        sim:effects()
        sim:advance(5)
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
        assert.equal("running running", states(sim, "a", "b"))
        assert.is_true(sim:state("a").ready)
        assert.equal(3, sim:state("a").generation)
        sim:advance(600)
        assert.equal(3, sim:state("a").generation)
    end)

    it("'the whole reload': what came goes, what went comes back, what was changed changes back", function()
        local sim = up { "a", "b", "gone", "same" }
        local same = sim:state("same").instance
        reload(sim, { slow "a", changed "b", "new", "same" })
        assert.equal("gone running", states(sim, "gone", "new"))
        sim:advance(5)
        assert.equal("running running running gone", states(sim, "a", "b", "gone", "new"))
        assert.equal(3, sim:state("b").generation)
        assert.equal(same, sim:state("same").instance)
        assert.same({ ".", "a", "b", "gone", "same" }, sim:paths())
    end)

    it("a new one", function()
        local sim = up { "a" }
        reload(sim, { "a", slow "b" })
        sim:advance(5)
        assert.same({ ".", "a" }, sim:paths())
        assert.equal(1, sim:state("a").generation)
    end)

    it("ready in time: it stays", function()
        local sim = up { "a" }
        reload(sim, { slow "a" })
        sim:advance(4)
        sim:ready("a")
        sim:advance(600)
        assert.same({}, happened(sim, "rolled_back"))
        assert.equal(2, sim:state("a").generation)
    end)

    it("fields changed in place change back", function()
        local sim = up { "a", "b" }
        reload(sim, { slow "a", process("b", { timeout = 3 }) })
        sim:advance(5)
        sim:hang("b")
        sim:effects()
        sim:stop_node("b")
        sim:advance(60)
        assert.same({ "5 interrupt b", "15 kill b" }, told_when(sim))
    end)
end)

describe("§7 'or has a counted failure within max(`start_timeout`, 3 s)'", function()
    it("start_timeout 60 s, the default: within 60 s", function()
        local sim = up { "a" }
        reload(sim, { changed "a" })
        sim:advance(59)
        fail(sim, "a")
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
        assert.equal("running", sim:state("a").state)
    end)

    it("not after it", function()
        local sim = up { "a" }
        reload(sim, { changed "a" })
        sim:advance(61)
        fail(sim, "a")
        assert.same({}, happened(sim, "rolled_back"))
    end)

    it("a shorter start_timeout: within 3 s", function()
        local sim = up { "a" }
        reload(sim, { changed("a", { start_timeout = 1 }) })
        sim:advance(2.9)
        fail(sim, "a")
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
    end)

    it("not after 3 s then", function()
        local sim = up { "a" }
        reload(sim, { changed("a", { start_timeout = 1 }) })
        sim:advance(3.1)
        fail(sim, "a")
        assert.same({}, happened(sim, "rolled_back"))
    end)

    it("a failed launch is one", function()
        local sim = up { "a" }
        sim:fail_launch("a", "ENOENT")
        reload(sim, { changed "a" })
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
        assert.equal("running", sim:state("a").state)
    end)

    it("also one after which its supervisor gives up on it", function()
        local sim = up { failure_threshold = 0, on_threshold = "give_up", "a", "b" }
        reload(sim, { failure_threshold = 0, on_threshold = "give_up", changed "a", "b" })
        fail(sim, "a")
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
        assert.equal("running", sim:state("a").state)
        assert.equal("1 1", generations(sim, "b", "b"))
    end)

    it("also one after which its supervisor escalates", function()
        local function inner(child)
            return group("w", { failure_threshold = 0, on_threshold = "escalate", child, "x" })
        end
        local sim = up { inner "a" }
        reload(sim, { inner(changed "a") })
        fail(sim, "w/a")
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
        assert.equal("running running", states(sim, "w/a", "w/x"))
    end)

    it("an end that is not counted is none", function()
        local sim = up { process("a", { restart = "transient" }), "b" }
        reload(sim, { changed("a", { restart = "transient" }), "b" })
        sim:exit("a", { code = 0 })
        assert.same({}, happened(sim, "rolled_back"))
        assert.equal("done", sim:state("a").state)
    end)

    it("a failure of an unchanged one is none", function()
        local sim = up { "a", "b" }
        reload(sim, { changed "a", "b" })
        fail(sim, "b")
        assert.same({}, happened(sim, "rolled_back"))
        assert.equal("2 2", generations(sim, "a", "b"))
    end)

    it("one changed in place only is unchanged in this", function()
        local sim = up { "a", "b" }
        reload(sim, { process("a", { description = "x" }), changed "b" })
        fail(sim, "a")
        assert.same({}, happened(sim, "rolled_back"))
    end)

    it("one in a nested supervisor", function()
        local sim = up { group("w", { "x" }), "b" }
        reload(sim, { group("w", { changed "x" }), changed "b" })
        fail(sim, "w/x")
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
        assert.equal("3 3", generations(sim, "w/x", "b"))
    end)
end)

describe("§7 and §1: a counted failure that rolls back and trips the meter", function()
    for _, action in ipairs { "give_up", "escalate" } do
        it(action .. ": the reload goes back instead", function()
            local sim = up { failure_threshold = 0, on_threshold = action, "a" }
            reload(sim, { failure_threshold = 0, on_threshold = action, changed "a" })
            sim:events()
            fail(sim, "a")
            assert.same({ "failed a", "rolled_back .", "launched a" },
                happened(sim, "failed", "gave_up", "escalated", "rolled_back", "launched"))
            assert.equal("running", sim:state("a").state)
            assert.equal(1, sim:state().count)
            fail(sim, "a")
            assert.equal(action == "give_up" and "running failed" or "failed failed", states(sim, ".", "a"))
        end)
    end

    it("pause: both", function()
        local sim = up { failure_threshold = 0, "a", "b" }
        reload(sim, { failure_threshold = 0, changed "a", "b" })
        sim:events()
        fail(sim, "a")
        assert.same({ "backoff .", "failed a", "rolled_back .", "launched a" },
            happened(sim, "failed", "backoff", "rolled_back", "launched"))
        assert.equal("paused running", states(sim, ".", "a"))
    end)
end)

describe("§7 'once, by the same rules'", function()
    it("what fails after the rollback does not roll forward", function()
        local sim = up { "a" }
        reload(sim, { changed "a" })
        fail(sim, "a")
        fail(sim, "a", 2)
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
        assert.equal("running", sim:state("a").state)
    end)

    it("one who hangs is waited for", function()
        local sim = up { "a", "b" }
        reload(sim, { changed "a", changed "b" })
        sim:hang("b")
        sim:effects()
        fail(sim, "a")
        sim:advance(60)
        local words = told_when(sim)
        assert.equal("0 interrupt b", words[1] == "0 launch a" and words[2] or words[1])
        assert.equal("10 launch b", words[#words])
    end)

    it("says who was sick", function()
        local sim = up { "a", "b" }
        reload(sim, { changed "a", changed "b" })
        fail(sim, "b")
        local event = world.events(sim, "rolled_back")[1]
        assert.equal("b", event.by)
        assert.equal("exit code 1", event.reason)
    end)

    it("the next reload starts afresh: it stays when it is well, and goes back when it is sick", function()
        local sim = up { "a" }
        reload(sim, { changed "a" })
        fail(sim, "a")
        reload(sim, { process("a", { command = { "./third" } }) })
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
        sim:advance(10)
        assert.same({}, happened(sim, "rolled_back"))
        fail(sim, "a")
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
    end)

    it("a person's stop since then is kept", function()
        local sim = up { "a", "b" }
        reload(sim, { changed "a", changed "b" })
        sim:stop_node("b")
        fail(sim, "a")
        assert.equal("running stopped", states(sim, "a", "b"))
    end)

    it("a second reload replaces what the first would go back to", function()
        local sim = up { "a" }
        reload(sim, { changed "a" })
        sim:advance(100)
        reload(sim, { process("a", { command = { "./third" } }) })
        fail(sim, "a")
        assert.same({ "rolled_back ." }, happened(sim, "rolled_back"))
        reload(sim, { changed "a" })
        sim:effects()
        assert.same({}, told(sim))
    end)

    it("not when it was asked for without", function()
        local sim = up { "a" }
        assert.is_true(sim:reload(tree { changed "a" }, { rollback = false }))
        fail(sim, "a")
        assert.same({}, happened(sim, "rolled_back"))
    end)

    it("after the rollback a reload of the old file has no effects", function()
        local sim = up { "a" }
        reload(sim, { changed "a", "b" })
        fail(sim, "a")
        sim:effects()
        reload(sim, { "a" })
        assert.same({}, told(sim))
    end)

    it("a rename is taken back with the pid", function()
        local sim = up { "old", "b" }
        local instance = sim:state("old").instance
        reload(sim, { process("new", { command = { "./old" }, formerly = "old" }), changed "b" })
        fail(sim, "b")
        assert.equal(instance, sim:state("old").instance)
        assert.is_nil(sim:state("new"))
    end)
end)

describe("§7 a reload that waits is answered when it is settled", function()
    it("ready", function()
        local sim = up { "a" }
        local blob = require "suptree.declaration".encode(
            tree { changed("a", { ready = suptree.ready.delay(3) }) })
        local request = sim:request { type = "reload", blob = blob, wait = true }
        assert.is_nil(sim:reply(request))
        sim:advance(3)
        assert.equal("ok", sim:reply(request).status)
    end)

    it("rolled back", function()
        local sim = up { "a" }
        local blob = require "suptree.declaration".encode(
            tree { changed("a", { ready = suptree.ready.manual(), start_timeout = 5 }) })
        local request = sim:request { type = "reload", blob = blob, wait = true }
        sim:advance(5)
        assert.equal("not_reached", sim:reply(request).status)
    end)

    local function wait_for(sim, options)
        local blob = require "suptree.declaration".encode(tree(options))
        return sim:request { type = "reload", blob = blob, wait = true, flag = true }
    end

    it("given up", function()
        local options = { failure_threshold = 0, on_threshold = "give_up", "b" }
        local sim = up(options)
        options[2] = process("a", { ready = suptree.ready.manual() })
        local request = wait_for(sim, options)
        fail(sim, "a")
        assert.equal("failed", sim:state("a").state)
        assert.equal("not_reached", sim:reply(request).status)
    end)

    it("stuck: the old one does not make room", function()
        local sim = up { "a" }
        sim:hang("a", "kill")
        local request = wait_for(sim, { changed "a" })
        sim:advance(19)
        assert.is_nil(sim:reply(request))
        sim:advance(1)
        assert.equal("not_reached", sim:reply(request).status)
    end)

    it("what goes back is answered so, and what waited behind it by itself", function()
        local function declared(a)
            return { a, group("w", { strategy = "one_for_all", "x", "y" }) }
        end
        local sim = up(declared "a")
        local slow = changed("a", { ready = suptree.ready.manual() })
        local blob = require "suptree.declaration".encode(tree(declared(slow)))
        local first = sim:request { type = "reload", blob = blob, wait = true }
        sim:events()
        sim:hang("w/y")
        fail(sim, "w/x")
        fail(sim, "a")
        local second = wait_for(sim, declared(process("a", { command = { "./third" } })))
        assert.is_nil(sim:reply(first))
        sim:advance(10)
        assert.same({ "rolled_back .", "reloaded ." }, happened(sim, "rolled_back", "reloaded"))
        assert.equal("not_reached", sim:reply(first).status)
        assert.equal("ok", sim:reply(second).status)
    end)
end)
