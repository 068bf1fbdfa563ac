-- Tests of a tree: the policy that `suptree run` uses, in virtual time. No process is started and nothing waits, so
-- that minutes of supervision take milliseconds. It needs Lua 5.4, busted, and suptree.so where LUA_CPATH finds it:
--
--     LUA_CPATH='path/to/build/?.so;;' busted --lua=lua5.4 tree_spec.lua
--
-- A simulated service starts when the tree wants it, and then runs on until the test says otherwise: `sim:ready`,
-- `sim:exit`, `sim:hang`, `sim:fail_launch`. `sim:advance` lets time pass, `sim:state` tells how a node is and why.
local s = require "suptree"

local folder = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"

describe("the shop", function()
    local sim

    before_each(function()
        sim = assert(s.sim(dofile(folder .. "supervise.lua")))
        sim:start()
    end)

    local function state(path) return sim:state(path).state end

    local function starts(path)
        local count = 0
        for _, effect in ipairs(sim:effects()) do
            if effect.type == "launch" and effect.path == path then count = count + 1 end
        end
        return count
    end

    it("starts the web server when the database is ready, not before", function()
        sim:advance "1m"
        assert.are.equal("waiting", state "web")
        assert.are.equal("waiting: it needs db", sim:state "web".reason)
        sim:ready "db"
        assert.are.equal("running", state "web")
    end)

    it("pauses the jobs at the fourth crash within ten seconds, and the web server keeps running", function()
        sim:ready "db"
        local web = sim:state "web".instance
        for crash = 1, 4 do
            assert.are.equal("running", state "jobs", "before crash " .. crash)
            sim:exit("jobs/mailer", { code = 1 })
            sim:advance "2s"
        end
        assert.are.equal("paused", state "jobs")
        assert.are.equal("queued", state "jobs/mailer")
        assert.are.equal("running", state "web")
        assert.are.equal(web, sim:state "web".instance)

        assert.are.equal(4, starts "jobs/mailer")
        sim:advance "6s" -- the pause takes eight seconds
        assert.are.equal("running", state "jobs/mailer")
        assert.are.equal(1, starts "jobs/mailer")
    end)

    it("never pauses for a crash every half minute", function()
        sim:ready "db"
        for _ = 1, 20 do
            sim:exit("jobs/mailer", { signal = "SEGV" })
            sim:advance "30s"
            assert.are.equal("running", state "jobs/mailer")
        end
    end)

    it("lets the web server wait while the database is down", function()
        sim:ready "db"
        sim:fail_launch("db", "ENOENT", 100) -- somebody has removed the program
        sim:exit("db", { code = 1 })
        sim:exit("web", { code = 1 })        -- it cannot go on without
        sim:advance "5s"
        assert.are.equal("queued", state "db")
        assert.are_not.equal("running", state "web")
        assert.are.equal("running", state "jobs/mailer")

        sim:fail_launch("db", nil, 0) -- it is there again
        sim:advance "15s"
        sim:ready "db"
        assert.are.equal("running", state "web")
    end)

    it("stops within its timeouts even if the web server ignores it", function()
        sim:ready "db"
        sim:hang "web"
        sim:stop()
        sim:advance "10s"
        assert.are.equal(0, sim:ended())
        assert.is_nil(sim:report()) -- nothing is left behind
    end)
end)
