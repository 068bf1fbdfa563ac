local live = require "spec.support.live"
local proc = require "spec.support.proc"
local shop = require "spec.support.shop"
local uv = require "luv"

-- The host is killed while it reloads.
local rpc, write = shop.rpc, shop.write

describe("when the host is killed in the middle of reloads", function()
    after_each(live.clean)

    local COUNT = 8

    -- Version `v`; `sick`: one of them cannot be started.
    local function version(v, sick)
        local parts = {}
        for i = 1, COUNT do
            parts[i] = ("s.process 's%d' { command = { '%s', '1000' }, env = { V = %s } },"):format(i,
                sick and i == COUNT and "./nothing" or "sleep", v)
        end
        return table.concat(parts, "\n")
    end

    -- The version that runs, when every service is up and all have the same.
    local function whole_version(tree)
        local versions, count = {}, {}
        for _, pid in ipairs(proc.children(tree.pid)) do
            local env = proc.lives(pid) and proc.environment(pid) or {}
            if env.SUPTREE_PATH then
                count[env.SUPTREE_PATH] = (count[env.SUPTREE_PATH] or 0) + 1
                versions[tonumber(env.V)] = (versions[tonumber(env.V)] or 0) + 1
                assert.are.equal(1, count[env.SUPTREE_PATH], env.SUPTREE_PATH .. " runs twice")
            end
        end
        for v, number in pairs(versions) do
            if number == COUNT then return v end
        end
    end

    local function pause(ms)
        local timer, done = assert(uv.new_timer()), false
        timer:start(ms, 1, function() done = true end)
        while not done do uv.run "once" end
        timer:close()
        uv.run "nowait"
    end

    it("the old or the new tree is there, whole, and nothing runs twice", function()
        math.randomseed(tonumber(os.getenv "SPEC_SEED") or 7)
        local program = live.installation { "--test-eager" }
        local tree = shop.run(version(0), { program = program, args = { "--quiet" } })
        -- How long a reload takes here, in milliseconds, until it has been decided.
        shop.write(tree, version(0.5))
        local began = uv.hrtime()
        tree:kill "HUP"
        tree:await { type = "reloaded" }
        local window = 2 * (uv.hrtime() - began) // 1000000 + 10
        local current, late, went = 0.5, nil, { old = 0, new = 0 }
        for v = 1, live.sanitized and 20 or 40 do
            local sick, reloads = v % 4 == 0, #tree:all { type = "reloaded" }
            write(tree, version(v, sick))
            tree:kill "HUP"
            -- At any moment; some of them late enough, however slow this machine is.
            if v % 10 == 5 then tree:await({ type = "reloaded" }, reloads + 1) else pause(math.random(0, window)) end
            tree:kill_host()
            tree:await({ type = "host_restarted" }, v)
            live.wait("a quiet tree", function()
                local reply = rpc "status"
                for _, node in ipairs(reply and reply.services or { { ready = false } }) do
                    if not node.ready then return false end
                end
                return true
            end)
            local after = live.wait(function() return "a whole tree of " .. current .. " or " .. v end, function()
                return whole_version(tree)
            end)
            -- A HUP that its host has never heard is heard by the next one, be it after the look at the tree.
            assert.is_true(after == current or not sick and after == v or after == late,
                ("%s after %s and %s"):format(after, current, v))
            late = not sick and v
            local way = after == current and "old" or "new"
            went[way] = went[way] + 1
            current = after
        end
        -- The moments are chosen so that both happen.
        assert.is_true(went.old > 0 and went.new > 0, ("%d old, %d new"):format(went.old, went.new))
        local seen = {}
        for _, event in ipairs(tree:all { type = "launched", kind = "process" }) do
            local key = event.path .. " " .. event.generation
            assert.is_nil(seen[key], key .. " was launched twice")
            seen[key] = true
        end
        write(tree, version(99))
        assert.are.equal("reloaded", rpc("reload").outcome)
        assert.are.equal("reloaded", rpc("rollback", { settle = 0 }).outcome)
        assert.are.equal(current, live.wait("the version before", function() return whole_version(tree) end))
        assert.are.equal(0, tree:stop())
    end)
end)
