local declaration = require "suptree.declaration"
local form = require "spec.support.form"
local s = require "suptree"

-- The faults of a tree with these children, without places.
local function faults(children, settings)
    local blob, list = declaration.encode(s.supervisor "tree"(children), settings or { as_root = true })
    assert.is_nil(blob)
    local texts = {}
    for place, fault in ipairs(list) do texts[place] = tostring(fault):gsub("^.-_spec%.lua:%d+: ", "") end
    return texts
end

-- Option `name` of each node of a tree with these children.
local function options(name, children)
    local found = {}
    for _, node in ipairs(form.nodes(assert(declaration.encode(s.supervisor "tree"(children), { as_root = true })))) do
        found[node.name] = node.options[name]
    end
    return found
end

local function process(name, to, after)
    return s.process(name) { command = { "x" }, log = to and { to = to } or nil, after = after }
end

local READS = "\1$"

describe("the output of a process as the input of another", function()
    it("marks the one who reads, and lets a sibling that writes come after it", function()
        local children = { process("web", "logger"), process("db", "logger", { "cache" }), process "cache",
            process "logger", process("late", "logger", { "logger" }) }
        local after = options("after", children)
        assert.are.equal("logger\0", after.web)
        assert.are.equal("cache\0logger\0", after.db)
        assert.are.equal("logger\0", after.late)
        assert.is_nil(after.logger)
        local log = options("log", children)
        assert.matches("^\4logger\0", log.web)
        assert.matches(READS, log.logger)
        assert.is_nil(log.cache)
    end)

    it("keeps what the one who reads says of its own output", function()
        local log = options("log", {
            process("a", "x"), s.process "x" { command = { "x" }, log = { file = "/x.log", max_size = "1MiB" } },
            process("b", "y"), s.process "y" { command = { "x" }, log = false },
        })
        assert.matches("^\1/x.log\0", log.x)
        assert.matches(READS, log.x)
        assert.matches("^\2\0", log.y)
        assert.matches(READS, log.y)
    end)

    it("finds siblings first, then paths from the root", function()
        local tree = {
            process "logger",
            s.supervisor "shop" { process("web", "logger"), process "logger", process("db", "group/logger") },
            s.supervisor "group" { process "logger" },
        }
        local marked = {}
        local blob = assert(declaration.encode(s.supervisor "tree"(tree), { as_root = true }))
        for place, node in ipairs(form.nodes(blob)) do
            if node.name == "logger" then marked[#marked + 1] = { place, node.options.log ~= nil } end
        end
        assert.are.same({ { 2, false }, { 5, true }, { 8, true } }, marked)
    end)

    it("is refused when nobody has the name, with the one that was meant", function()
        local hint = ' (Name a sibling, or write the path of a process from the root, such as "loggers/web".)'
        assert.are.same({ 'tree.web.log.to: there is no service "loger", did you mean "logger"?' .. hint },
            faults { process("web", "loger"), process "logger" })
        assert.are.same({ 'tree.web.log.to: there is no service "group/loger", did you mean "group/logger"?' .. hint },
            faults { process("web", "group/loger"), s.supervisor "group" { process "logger" } })
        assert.are.same({ "tree.web.log.to: names the service itself" .. hint }, faults { process("web", "web") })
        assert.are.same({ "tree.web.log.to: names a supervisor; only a process can read the output of others" .. hint },
            faults { process("web", "group"), s.supervisor "group" {} })
    end)

    it("is refused when it goes in a circle, alone or with after", function()
        local hint = " (Let one of them write to a file.)"
        assert.are.same({
            "tree.a.log.to: goes in a circle: a -> b -> c -> a" .. hint,
            "tree.b.log.to: goes in a circle: b -> c -> a -> b" .. hint,
            "tree.c.log.to: goes in a circle: c -> a -> b -> c" .. hint,
        }, faults { process("a", "b"), process("b", "c"), process("c", "a"), process("d", "a") })
        assert.are.same({ "tree.a.after: goes in a circle: a -> b -> a (Take one of these names out of its `after`. "
            .. "Who writes to a sibling by log.to comes after it.)" },
            faults { process("a", "b"), process("b", nil, { "a" }) })
    end)

    it("may name somebody of the tree to which it is added", function()
        assert(declaration.encode(process("web", "logger"), {}))
        assert(declaration.encode(s.supervisor "group" { process("web", "shop/logger") }, {}))
    end)
end)
