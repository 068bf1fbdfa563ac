-- SEMANTICS §7: what a reload would do, as data, before it is done.
local world = require "spec.support.world"
local suptree = require "suptree"
local up, tree, process, group = world.up, world.tree, world.process, world.group

-- The plan as words: { "restart web command", "add x" }; what is kept is left out.
local function words(sim, declared)
    local list = {}
    for _, change in ipairs(assert(sim:plan(tree(declared)))) do
        if change.kind ~= "keep" then
            local text = { change.kind, change.path }
            text[#text + 1] = change.new_name
            text[#text + 1] = change.other
            text[#text + 1] = change.fields[1] and table.concat(change.fields, ",")
            list[#list + 1] = table.concat(text, " ")
        end
    end
    return list
end

local function changed(name, options)
    options = options or {}
    options.command = { "./" .. name, "--new" }
    return process(name, options)
end

describe("§7 the plan", function()
    it("of the same file says that all is kept", function()
        local sim = up { "a", group("w", { "x" }) }
        assert.same({}, words(sim, { "a", group("w", { "x" }) }))
        local kept = {}
        for _, change in ipairs(sim:plan(tree { "a", group("w", { "x" }) })) do kept[#kept + 1] = change.path end
        assert.same({ ".", "a", "w", "w/x" }, kept)
    end)

    it("changes nothing", function()
        local sim = up { "a" }
        local bytes = sim:save()
        sim:plan(tree { changed "a", "b" })
        assert.equal(bytes, sim:save())
    end)

    it("'a field that exec does not see → applied in place': names it", function()
        assert.same({ "update a timeout" }, words(up { "a" }, { process("a", { timeout = 3 }) }))
    end)

    it("'a field that exec sees → that node restarts': names it", function()
        assert.same({ "restart a command" }, words(up { "a", "b" }, { changed "a", "b" }))
        assert.same({ "restart a env" }, words(up { process("a", { env = { PORT = 8080 } }) },
            { process("a", { env = { PORT = 8081 } }) }))
    end)

    it("'new → start; gone → stop'", function()
        local sim = up { "a", group("w", { "x" }) }
        assert.same({ "remove a", "remove w/x", "add w/y", "add b" }, words(sim, { group("w", { "y" }), "b" }))
    end)

    it("`formerly`: renamed, not gone and new", function()
        local sim = up { "old", "b" }
        local list = words(sim, { process("new", { command = { "./old" }, formerly = "old" }), "b" })
        assert.equal(1, #list)
        assert.matches("^update old new", list[1])
    end)

    it("who is dragged along, and by whom", function()
        local follower = process("web", { after = { "db" }, restart_with = { "db" } })
        local sim = up { "db", follower }
        assert.same({ "restart db command", "follow web db" }, words(sim, { changed "db", follower }))
    end)

    it("options of a supervisor", function()
        assert.same({ "update . failure_threshold" }, words(up { "a" }, { failure_threshold = 9, "a" }))
        assert.same({ "update w strategy" }, words(up { group("w", { "x" }) },
            { group("w", { strategy = "one_for_all", "x" }) }))
    end)

    it("'What the instance was started with is compared': while the old one lives it is still to restart", function()
        local sim = up { "a", "b" }
        sim:hang("a")
        sim:reload(tree { changed "a", "b" }, { rollback = false })
        assert.same({ "restart a command" }, words(sim, { changed "a", "b" }))
        sim:exit("a")
        assert.same({}, words(sim, { changed "a", "b" }))
    end)

    it("refuses what a reload would refuse, and says why", function()
        local changes, err = up({ "a" }):plan(group("other", { "a" }))
        assert.is_nil(changes)
        assert.matches("renamed", tostring(err))
        changes, err = up({ "a" }):plan "no blob"
        assert.is_nil(changes)
        assert.is_true(#tostring(err) > 0)
    end)

    it("is what the reload does: restarts and follows are interrupted, no other lives is touched", function()
        local function first()
            return { "a", "b", process("c", { restart_with = { "b" } }), group("w", { "x", "y" }), "gone" }
        end
        local function second()
            return {
                "a", changed "b", process("c", { restart_with = { "b" } }),
                group("w", { timeout = 3, "x", changed("y", { ready = suptree.ready.delay(1) }), "z" }),
            }
        end
        local sim = up(first())
        local planned = {}
        for _, change in ipairs(sim:plan(tree(second()))) do
            if change.kind == "restart" or change.kind == "follow" then
                planned[#planned + 1] = "interrupt " .. change.path
                planned[#planned + 1] = "launch " .. change.path
            elseif change.kind == "add" then
                planned[#planned + 1] = "launch " .. change.path
            elseif change.kind == "remove" then
                planned[#planned + 1] = "interrupt " .. change.path
            end
        end
        sim:reload(tree(second()))
        table.sort(planned)
        assert.same(planned, world.told_sorted(sim))
    end)
end)
