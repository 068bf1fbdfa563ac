local live = require "spec.support.live"

local function tree_of(children)
    return live.tree(('local s = require "suptree"\nreturn s.supervisor "tree" { %s }'):format(children))
end

describe("a oneshot", function()
    after_each(live.clean)

    it("holds back what is after it until it is done, be it a process or a function", function()
        local tree = tree_of [[
            s.oneshot "first" { command = "test -e tried || { touch tried; exit 3; }; echo first" },
            s.oneshot "second" { after = { "first" }, run = function(ctx) ctx:log "second" end },
            s.process "web" { after = { "second" }, command = "echo web; exec /bin/sleep 1000" },]]
        tree:await { type = "failed", path = "first", kind = "oneshot" }
        tree:await { type = "ready", path = "first", generation = 2 }
        tree:await { type = "ready", path = "second", kind = "oneshot" }
        tree:await { type = "launched", path = "web" }
        tree:await_line("web", "web")
        assert.are.equal(0, tree:stop())
    end)

    it("that is done is not done again when the host dies; one that runs goes on, a function begins anew", function()
        local tree = tree_of [[
            s.oneshot "done" { command = "echo done" },
            s.oneshot "long" { after = { "done" }, command = "echo begun; exec /bin/sleep 1000" },
            s.oneshot "thread" { after = { "done" }, run = function(ctx) ctx:log "begun" ctx:sleep(1000) end },]]
        tree:await_line("long", "begun")
        tree:await_line("thread", "begun")
        local long = tree:service "long"
        tree:kill_host()
        tree:await { type = "launched", path = "thread", generation = 2 }
        assert.are.equal(long, tree:service "long")
        for _, event in ipairs(tree:events()) do
            assert.is_false(event.type == "launched" and event.path ~= "thread" and event.generation ~= 1)
        end
        assert.are.equal(0, tree:stop())
    end)
end)
