local declaration = require "suptree.declaration"
local form = require "spec.support.form"
local replicas = require "suptree.replicas"
local s = require "suptree"

local WHOLE = { as_root = true, folder = "/srv" }

local function process(name, options)
    options = options or {}
    options.command = { "x" }
    return s.process(name)(options)
end

local function encode(children, settings)
    return declaration.encode(s.supervisor "tree"(children), settings or WHOLE)
end

-- The faults of a tree with these children, without places.
local function faults(children, settings)
    local blob, list = encode(children, settings)
    assert.is_nil(blob)
    local texts = {}
    for place, fault in ipairs(list) do
        texts[place] = tostring(fault):gsub("^%S-_spec%.lua:%d+: ", ""):gsub("at %S-_spec%.lua:%d+", "at PLACE")
    end
    return texts
end

-- The nodes of a blob by name, and their names in order.
local function look(blob)
    local names, by_name = {}, {}
    for place, node in ipairs(form.nodes(assert(blob))) do
        names[place], by_name[node.name] = node.name, node
    end
    return names, by_name
end

local function nodes(children, settings)
    return look(assert(encode(children, settings)))
end

describe("replicas", function()
    it("make siblings of one declaration, in its place", function()
        local names, by_name = nodes { process "db", process("web", { replicas = 3, after = { "db" } }), process "z" }
        assert.are.same({ "tree", "db", "web@1", "web@2", "web@3", "z" }, names)
        assert.are.equal(5, by_name.tree.children)
        for index = 1, 3 do
            local node = by_name["web@" .. index]
            assert.are.equal(index, (string.unpack("=I4", node.options.replicas)))
            assert.are.equal("db\0", node.options.after)
            assert.are.equal("x\0", node.options.command)
        end
        assert.is_nil(by_name.db.options.replicas)
    end)

    it("are nothing else where nothing has any", function()
        local _, by_name = nodes { process "db" }
        assert.is_nil(by_name.tree.options.replicated)
    end)

    it("may be none, and everything below supervisors", function()
        local names, by_name = nodes {
            process("web", { replicas = 0 }), process("z", { after = { "web" } }),
            s.supervisor "w" { process("a", { replicas = 2 }) },
            s.thread "t" { replicas = 1, run = function() end },
        }
        assert.are.same({ "tree", "z", "w", "a@1", "a@2", "t@1" }, names)
        assert.is_nil(by_name.z.options.after)
        assert.are.equal(2, by_name.w.children)
    end)

    it("are meant by the name of all in after and restart_with", function()
        local _, by_name = nodes {
            process("web", { replicas = 2 }), process "db",
            process("z", { after = { "db", "web" }, restart_with = { "web@2", "web" } }),
            s.supervisor "w" { after = { "web@2" }, process "a" },
        }
        assert.are.equal("db\0web@1\0web@2\0", by_name.z.options.after)
        assert.are.equal("web@1\0web@2\0", by_name.z.options.restart_with)
        assert.are.equal("web@2\0", by_name.w.options.after)
    end)

    it("have a log file each", function()
        local _, by_name = nodes { process("web", { replicas = 2, log = { file = "logs/web.log", max_size = 4096 } }) }
        assert.are.equal("\1/srv/logs/web@1.log\0", by_name["web@1"].options.log:sub(1, 21))
        assert.are.equal(#by_name["web@1"].options.log, #by_name["web@2"].options.log)
        for given, made in pairs {
            ["/l/web"] = "/l/web@12", ["/l/a.b/web"] = "/l/a.b/web@12", ["/l/web.1.log"] = "/l/web.1@12.log",
            ["/l/%i/web.log"] = "/l/12/web.log", ["/l/.hidden"] = "/l/.hidden@12", ["/l/%i-%i"] = "/l/12-12",
        } do
            assert.are.equal(made, replicas.file(given, 12))
        end
    end)

    it("may have their number in what they are looked at by", function()
        local function ready(value, index, name)
            local _, by_name = nodes { process("web", { replicas = 3, [name or "ready"] = value }) }
            return by_name["web@" .. index].options[name or "ready"]
        end
        assert.matches("127.0.0.1:8003\0", ready(s.ready.tcp "127.0.0.1:%{8000+i}", 3), 1, true)
        assert.matches("127.0.0.1:802\0", ready(s.ready.tcp { "127.0.0.1:80%i", timeout = 1 }, 2), 1, true)
        assert.matches("\0/srv/run/web2.sock\0", ready(s.ready.unix "run/web%i.sock", 2), 1, true)
        assert.matches("\0http://127.0.0.1:8001/1\0", ready(s.ready.http "http://127.0.0.1:%{8000+i}/%i", 1), 1, true)
        assert.matches("\0up %iway\0", ready(s.ready.log "up %iway", 1), 1, true)
        local port = s.ready.tcp "127.0.0.1:%{8000+i}"
        assert.matches("127.0.0.1:8003\0", ready({ probe = port }, 3, "health"), 1, true)
        assert.matches('"127.0.0.1:%%{8000%+i}"', faults({ process("web", { ready = port }) })[1])
        port = s.ready.tcp "1.2.3.4:%{65534+i}"
        assert.matches("65536", faults({ process("web", { replicas = 2, ready = port }) })[1])
    end)

    it("go on with what bore the name of all, or their former names", function()
        local _, by_name = nodes { process("web", { replicas = 2 }), process("b", { replicas = 2, formerly = "a" }) }
        assert.are.equal("web\0", by_name["web@1"].options.formerly)
        assert.is_nil(by_name["web@2"].options.formerly)
        assert.are.equal("a@1\0", by_name["b@1"].options.formerly)
        assert.are.equal("a@2\0", by_name["b@2"].options.formerly)
    end)

    it("give the same bytes each time", function()
        local function again() return assert(encode { process("web", { replicas = 2, env = { A = 1, B = 2 } }) }) end
        assert.are.equal(again(), again())
    end)
end)

describe("what replicas may not be", function()
    it("a number that is none", function()
        assert.matches("must be a whole number from 0 to 10000", faults({ process("web", { replicas = -1 }) })[1])
        assert.matches("must be a whole number", faults({ process("web", { replicas = "3" }) })[1])
        assert.matches("is an option of a process or a thread, not of a supervisor",
            faults({ s.supervisor "w" { replicas = 2 } })[1])
    end)

    it("of the same name as another", function()
        assert.are.same({ 'tree.web@2: the name "web@2" is taken by a replica of "web" at PLACE (Give it another name, '
            .. "or take fewer than its number as replicas of web.)" },
            faults { process("web", { replicas = 2 }), process "web@2" })
        local names = nodes { process("web", { replicas = 2 }), process "web@3", process "web@02", process "web@a" }
        assert.are.equal(6, #names)
        assert.matches('the name "web" is taken by a sibling', faults({ process("web", { replicas = 2 }),
            process "web" })[1])
        assert.matches("is too long for replicas", faults({ process(("w"):rep(124), { replicas = 2 }) })[1])
    end)

    it("their own dependency, or in a circle", function()
        assert.matches("names the node itself", faults({ process("web", { replicas = 2, after = { "web@1" } }) })[1])
        assert.matches("goes in a circle: web %-> z %-> web",
            faults({ process("web", { replicas = 2, after = { "z" } }), process("z", { after = { "web" } }) })[1])
        assert.matches('there is no sibling "web@3", did you mean "web"', faults({ process("web", { replicas = 2 }),
            process("z", { after = { "web@3" } }) })[1])
    end)

    it("more children than there may be", function()
        assert.matches("is 3, but 4 children are declared",
            faults({ max_children = 3, process("web", { replicas = 3 }), process "z" })[1])
    end)

    it("what reads the output of others", function()
        assert.matches("names what has replicas",
            faults({ process("web", { log = { to = "l" } }), process("l", { replicas = 2 }) })[1])
    end)

    it("two that go on with the same", function()
        assert.matches("is the old name of the sibling at PLACE too",
            faults({ process("web", { replicas = 2 }), process("z", { formerly = "web" }) })[1])
    end)

    it("added to a tree by themselves", function()
        local blob, list = declaration.encode(process("web", { replicas = 2 }), {})
        assert.is_nil(blob)
        assert.matches("is for children that are declared with their supervisor", tostring(list))
        assert.matches("web@1, web@2", tostring(list))
    end)
end)

describe("a template", function()
    local function template_of(children)
        local _, by_name = nodes(children)
        return assert(replicas.unpack(by_name.tree.options.replicated))
    end

    local tree = {
        process("web", { replicas = 2 }), process "db",
        s.supervisor "w" { max_children = 3, process("a", { replicas = 0 }), process "b" },
    }

    it("tells what is several", function()
        assert.are.same({ { path = "web", declared = 2, count = 2 }, { path = "w/a", declared = 0, count = 0 } },
            replicas.groups(template_of(tree)))
    end)

    it("is scaled, and back to the very same blob", function()
        local template = template_of(tree)
        local scaled = assert(replicas.scale(template, { web = 3, ["w/a"] = 1 }))
        local names, by_name = look(replicas.encode(scaled, true))
        assert.are.same({ "tree", "web@1", "web@2", "web@3", "db", "w", "a@1", "b" }, names)
        assert.are.equal(2, by_name.w.children)
        local again = assert(replicas.unpack(by_name.tree.options.replicated))
        assert.are.same({ { path = "web", declared = 2, count = 3 }, { path = "w/a", declared = 0, count = 1 } },
            replicas.groups(again))
        local back = assert(replicas.scale(again, { web = 2, ["w/a"] = 0 }))
        assert.are.equal(assert(encode(tree)), assert(replicas.encode(back, true)))
    end)

    it("has no more children than there may be", function()
        local scaled, why = replicas.scale(template_of(tree), { ["w/a"] = 3 })
        assert.is_nil(scaled)
        assert.are.equal("w would have 4 children, and its max_children is 3: raise that in the configuration, or "
            .. "take fewer a", why)
        assert.is_table(replicas.scale(template_of(tree), { ["w/a"] = 2 }))
    end)

    it("meets a name that was written by hand", function()
        local template = template_of { process("web", { replicas = 1 }), process "web@3" }
        assert.is_truthy(replicas.encode(assert(replicas.scale(template, { web = 2 })), true))
        local blob, _, reason = replicas.encode(assert(replicas.scale(template, { web = 3 })), true)
        assert.is_nil(blob)
        assert.matches('the name "web@3" is taken', reason)
    end)

    it("is not what these bytes are", function()
        local bytes = replicas.pack(template_of(tree))
        assert.is_nil(replicas.unpack "")
        assert.is_nil(replicas.unpack(bytes:sub(1, -2)))
        assert.is_nil(replicas.unpack("\9\0\0\0" .. bytes:sub(5)))
    end)
end)
