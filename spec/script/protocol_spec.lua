local live = require "spec.support.live"
local methods = require "suptree.control.methods"

local page = live.read_file(live.root .. "/docs/protocol.md")

describe("docs/protocol.md", function()
    after_each(live.clean)

    it("holds what suptree help protocol prints", function()
        local code, out = live.run { live.program, "help", "protocol" }
        assert.are.equal(0, code)
        assert.are.equal(out, page:match "\n```\n(The methods .-)```\n$")
    end)

    it("names every field of a node", function()
        local tree = live.tree [[
            local s = require "suptree"
            return s.supervisor "shop" { failure_threshold = 1, failure_backoff = "600s",
                s.process "db" { command = "exec sleep 1000", description = "data" },
                s.process "web" { command = "exec sleep 1000", after = { "db" } },
                s.process "bad" { command = "exit 3" },
                s.process "shot" { command = "kill -9 $$", restart = "transient" },
            }
        ]]
        tree:await { type = "backoff" }
        local client = live.connect "shop"
        client:call("stop", { paths = { "web" } })
        local seen = 0
        for _, node in ipairs(client:call "status".services) do
            for field in pairs(node) do
                seen = seen + 1
                assert.matches(("`%s`"):format(field), page, 1, true)
            end
        end
        assert.is_true(seen > 60)
    end)
end)

describe("the table of methods", function()
    after_each(live.clean)

    it("is in order, and complete", function()
        local arguments = require "suptree.control.arguments"
        local former = ""
        for _, row in ipairs(methods) do
            assert.is_true(former < row.name, row.name)
            former = row.name
            assert.is_true(row.role == "read" or row.role == "write", row.name)
            assert.is_true(#row.doc > 0 and #row.result > 0, row.name)
            for _, param in ipairs(row.params) do
                assert.is_true(arguments.knows(param.type), row.name .. "." .. param.name)
                assert.is_true(#param.doc > 0, row.name .. "." .. param.name)
                assert.is_true(param.type ~= "choice" or #param.choices > 1, row.name .. "." .. param.name)
                local bounded = param.type ~= "number" and param.type ~= "integer" or param.min and param.max
                assert.is_truthy(bounded, row.name .. "." .. param.name)
            end
        end
    end)

    it("is what the server has, each with somebody who does it", function()
        live.tree [[
            local s = require "suptree"
            return s.supervisor "shop" { s.process "web" { command = "exec sleep 1000" } }]]
        live.wait("the socket", function() return pcall(live.connect, "shop") end)
        local client = live.connect "shop"
        local listed = client:call "methods".methods
        assert.are.equal(#methods, #listed)
        for place, row in ipairs(methods) do
            local one = listed[place]
            assert.are.same({ row.name, row.role, row.doc }, { one.name, one.role, one.doc })
            if row.name ~= "shutdown" then
                local params = {}
                for _, param in ipairs(row.params) do
                    if param.required then params[param.name] = param.type == "texts" and { "web" } or "web" end
                    if param.required and param.type == "integer" then params[param.name] = 1 end
                end
                local _, err = client:call(row.name, next(params) and params or nil)
                assert.is_false(err ~= nil and (err.code == -32601 or err.code == -32603), row.name)
            end
        end
    end)
end)
