local cjson = require "cjson"
local live = require "spec.support.live"

local function tree_of(children)
    return live.tree(('local s = require "suptree"\nreturn s.supervisor "tree" { %s }'):format(children))
end

-- What suptree says, and its exit code.
local function suptree(...)
    local code, out = live.run { live.program, "-n", "tree", ... }
    return out, code
end

-- The node, once the host answers.
local function status(name)
    return live.wait("an answer", function()
        local out, code = suptree("status", name, "--json")
        return code ~= 7 and cjson.decode(out).services[1]
    end)
end

describe("a timer", function()
    after_each(live.clean)

    it("runs a process or a function again and again, and goes on when the host dies", function()
        local tree = tree_of [[
            s.timer "process" { every = "50ms", command = "echo $SUPTREE_GENERATION" },
            s.timer "thread" { every = "50ms", run = function(ctx) ctx:log("run") end },
            s.timer "long" { every = "50ms", overlap = "skip", command = "echo begun; exec /bin/sleep 1000" },
            s.process "web" { after = { "long" }, command = "exec /bin/sleep 1000" },]]
        tree:await { type = "ended", path = "process", kind = "timer", generation = 3 }
        tree:await { type = "ended", path = "thread", generation = 3 }
        tree:await_line("long", "begun")
        tree:await { type = "skipped", path = "long" }
        local long, web = tree:service "long", tree:service "web"
        tree:kill_host()
        local before = status("process").runs
        tree:await { type = "ended", path = "process", generation = before + 3 }
        tree:await { type = "ended", path = "thread", generation = 5 }
        assert.are.equal(long, tree:service "long")
        assert.are.equal(web, tree:service "web")
        assert.are.equal(1, status("long").runs)
        assert.are.equal(0, tree:stop())
    end)

    it("of the calendar knows its next time, also in another host", function()
        local tree = tree_of [[s.timer "nightly" { at = "30 3 * * *", command = "echo run" },]]
        tree:await { type = "ready", path = "." }
        local node = live.wait("the next time", function()
            local found = status "nightly"
            return found.next_at and found
        end)
        local date = os.date("*t", math.floor(node.next_at + 0.5))
        assert.are.same({ 3, 30, 0 }, { date.hour, date.min, date.sec })
        assert.is_true(node.next_at > os.time() and node.next_at <= os.time() + 25 * 3600)
        assert.are.equal("waiting", node.state)
        tree:kill_host()
        local later = live.wait("the next time", function()
            local found = status "nightly"
            return found.next_at and found
        end)
        assert.is_true(math.abs(later.next_at - node.next_at) < 1)
        assert.are.equal(0, select(2, suptree("start", "nightly")))
        tree:await { type = "ended", path = "nightly", generation = 1 }
        assert.matches("runs  1 run", (suptree("status", "nightly")))
        assert.matches("waits for its next run", (suptree("explain", "nightly")))
        assert.are.equal(0, tree:stop())
    end)
end)
