-- script/test: tsan
local live = require "spec.support.live"
local uv = require "luv"

-- A tree whose meter counts to `threshold` and forgets nothing.
local function tree_of(threshold, children, options)
    return live.tree(([[
        local s = require "suptree"
        return s.supervisor "tree" { failure_decay = "100000h", failure_threshold = %s, %s }]])
        :format(threshold, children), options)
end

-- Every event once and in order, and for each service its generations one after the other, each launched, ready,
-- ended; each end counted by the meter, or that of a dead host. Returns how many failures there were.
local function check_story(tree)
    local events, failures, last, generation = tree:events(), 0, {}, {}
    table.sort(events, function(a, b) return a.seq < b.seq end)
    local before = { ready = "launched", ended = "ready", failed = "ended", launched = "failed" }
    for number, event in ipairs(events) do
        assert.are.equal(number, event.seq)
        if event.kind == "thread" and before[event.type] then
            local path, type = event.path, event.type
            local former = last[path]
            if type == "launched" then
                generation[path] = (generation[path] or 0) + 1
                -- A dead host's threads are launched again uncounted.
                if former == "lost" then former = "failed" end
                assert.is_true(former == nil or former == "failed", path .. ": launched after " .. tostring(former))
            else
                local cut_short = type == "ended" and former == "launched" -- by the death, before it was said ready
                assert.is_true(former == before[type] or cut_short, ("%s: %s after %s"):format(path, type, former))
            end
            assert.are.equal(generation[path], event.generation)
            last[path] = type == "ended" and event.error == "the host died" and "lost" or type
            if type == "failed" then
                failures = failures + 1
                assert.is_true(math.abs(event.count - failures) < 0.01, "the meter says " .. event.count)
            end
        end
    end
    return failures
end

describe("a storm of failing thread services", function()
    after_each(live.clean)

    it("is counted exactly by the meter, and each generation runs once", function()
        local count = live.sanitized and 2000 or 100000
        local tree = tree_of(count - 0.5, [[on_threshold = "escalate", s.thread "it" { run = function()
            local file <close> = io.open("runs", "a")
            file:write "x"
            error "again"
        end }]], { events = false, args = { "--quiet" } })
        assert.are.equal(1, (tree:wait()))
        assert.are.equal(count, uv.fs_stat(tree.folder .. "/runs").size)
    end)

    it("loses and repeats nothing when the host is killed in the midst of it", function()
        local tree = tree_of(1e9, [[
            s.thread "a" { run = function(ctx) ctx:sleep "1ms" error "a failed" end },
            s.thread "b" { run = function(ctx) ctx:sleep "2ms" return nil, "b failed" end },
            s.process "web" { command = { "/bin/sleep", "1000" } },]])
        tree:await { type = "ready", path = "." }
        local web = tree:service "web"
        for death = 1, live.sanitized and 2 or 4 do
            local seen = #tree:all { type = "failed" }
            live.wait("failures", function() return #tree:all { type = "failed" } > seen + 200 end)
            tree:kill_host()
            tree:await({ type = "host_restarted" }, death)
        end
        local seen = #tree:all { type = "failed" }
        live.wait("failures", function() return #tree:all { type = "failed" } > seen + 200 end)
        assert.are.equal(web, tree:service "web")
        assert.are.equal(0, tree:stop())
        assert.is_true(check_story(tree) > 600)
    end)

    it("is ended by a stop: nothing is launched after it", function()
        local tree = tree_of(1e9, [[
            s.thread "a" { run = function(ctx) ctx:sleep "1ms" error "a failed" end },
            s.thread "b" { run = function(ctx) ctx:sleep "1ms" error "b failed" end },
            s.thread "c" { ready = s.ready.manual(), run = function(ctx) ctx:ready() ctx:sleep "1ms" error "c" end },
            s.thread "d" { run = function(ctx) while ctx:sleep(3600) do end end },]])
        tree:await({ type = "failed", path = "c" }, 100)
        assert.are.equal(0, tree:stop())
        -- One that had been told to begin before the stop may say so after it, and is then stopped.
        local stopping, late = tree:all({ type = "stopping", path = "." })[1], {}
        for _, event in ipairs(tree:all { type = "launched" }) do
            if event.seq > stopping.seq then
                assert.is_nil(late[event.path])
                late[event.path] = true
                local ended = { type = "ended", path = event.path, generation = event.generation }
                assert.is_true(tree:all(ended)[1].planned)
            end
        end
        assert.are.equal(0, #tree:all { type = "killed" })
        assert.are.equal("returned", tree:all({ type = "ended", path = "d" })[1].reason)
    end)
end)
