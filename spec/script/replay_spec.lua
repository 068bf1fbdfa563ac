local cjson = require "cjson"
local live = require "spec.support.live"
local uv = require "luv"

local CONFIG = [[
local s = require "suptree"
return s.supervisor "shop" {
  s.process "db" { command = "test -e failed || { touch failed; exit 3; }; exec sleep 1000" },
  s.process "web" { command = "exec sleep 1000" },
}]]

-- As docs/reference.md says: the keeper holds the journal, and the keeper is what `suptree run` has become.
local function copy_journal(tree)
    local folder = ("/proc/%d/fd"):format(tree.pid)
    local scan = assert(uv.fs_scandir(folder))
    for name in function() return (uv.fs_scandir_next(scan)) end do
        local target = uv.fs_readlink(folder .. "/" .. name)
        if target and target:find("suptree-journal", 1, true) then
            return live.write_file(tree.folder .. "/journal", assert(live.read_file(folder .. "/" .. name)))
        end
    end
    error "the keeper holds no journal"
end

local function replay(journal, ...)
    return live.run { live.program, "simulate", "--replay", journal, ... }
end

describe("suptree simulate --replay", function()
    after_each(live.clean)

    local function failed_once()
        local tree = live.tree(CONFIG)
        tree:await { type = "ready", path = "db", generation = 2 }
        tree:await { type = "ready", path = "web" }
        return tree
    end

    it("tells what a running tree has decided, and how it stands", function()
        local tree = failed_once()
        local code, out, err = replay(copy_journal(tree))
        assert.are.same({ 0, "" }, { code, err })
        assert.matches("^%d+ inputs after the snapshot, in [%d.ms]+; 0s is the first\n\n", out)
        assert.matches("\n *0s  shop  starts\n", out)
        assert.matches("db    ended: exit code 3; failure 1 of 5; started again at once\n", out, 1, true)
        assert.matches("\n\nafter [%d.ms]+:\n  shop  running\n  db    running; generation 2\n"
            .. "  web   running; generation 1\n$", out)
        assert.are.equal(0, tree:stop())
    end)

    it("gives the very events that the tree gave", function()
        local tree = failed_once()
        local code, out, err = replay(copy_journal(tree), "--json")
        assert.are.same({ 0, "" }, { code, err })
        local told = cjson.decode(out)
        assert.is_true(#told.timeline >= 10)
        live.wait("the events that are in the journal", function() return #tree:events() >= #told.timeline end)
        local events = tree:events()
        local start = events[1].time
        for place, event in ipairs(told.timeline) do
            local real = events[place]
            assert.is_true(math.abs(real.time - start - event.time) < 0.001)
            event.time, real.time = nil, nil
            assert.are.same(real, event)
        end
        assert.are.same({ "db", "process", "running", 2, 1 }, {
            told.tree[2].path, told.tree[2].kind, told.tree[2].state, told.tree[2].generation, told.tree[2].restarts,
        })
        assert.are.equal(3, #told.tree)
        tree:stop()
    end)

    it("reads the journal of a tree whose host has died", function()
        local tree = failed_once()
        tree:kill_host()
        tree:await { type = "host_restarted" }
        local code, out, err = replay(copy_journal(tree))
        assert.are.same({ 0, "" }, { code, err })
        assert.matches("  db    running; generation 2\n  web   running; generation 1\n", out, 1, true)
        tree:stop()
    end)

    it("ends with 78 for what is no whole journal, and says how to get one", function()
        local tree = failed_once()
        local journal = copy_journal(tree)
        tree:stop()
        local good = live.read_file(journal)
        local function refused(contents, words)
            live.write_file(journal, contents)
            local code, out, err = replay(journal)
            assert.are.same({ 78, "" }, { code, out })
            assert.matches(("suptree: %s %s"):format(journal, words), err, 1, true)
            assert.matches('"suptree help simulate" says how to make one\n', err, 1, true)
        end
        refused("", "is not a journal of suptree; nothing was replayed")
        refused(CONFIG, "is not a journal of suptree; nothing was replayed")
        refused(good:sub(1, 20), "is truncated: not even its header is whole; nothing was replayed")
        refused(good:sub(1, #good // 2), "is truncated; nothing was replayed")
        refused(good:sub(1, 4) .. "\9" .. good:sub(6), "has form version 9; this suptree reads version 1")
        refused(("\0"):rep(#good), "is torn: it was not written to its end; nothing was replayed")
        refused(good:sub(1, 70) .. "????" .. good:sub(75), "is damaged: the checksum of its snapshot does not fit")
        local tail = ("<I8"):unpack(good, 33)
        refused(good:sub(1, tail - 16) .. "????" .. good:sub(tail - 11), "is damaged: a record of it is broken")
    end)

    it("ends with 78 for a journal that cannot be read", function()
        local folder = live.folder()
        for file, why in pairs { [folder] = "Is a directory", [folder .. "/no"] = "No such file or directory" } do
            local code, out, err = replay(file)
            assert.are.same({ 78, "" }, { code, out })
            assert.matches(("suptree: %s cannot be read: %s; name a copy"):format(file, why), err, 1, true)
        end
    end)

    it("ends with 2 beside what the journal brings itself", function()
        local function refused(option, ...)
            local code, out, err = replay("journal", ...)
            assert.are.same({ 2, "" }, { code, out })
            assert.matches("suptree: --replay plays what the journal says; leave out " .. option, err, 1, true)
        end
        refused("--fail", "--fail", "db@1")
        refused("--hang", "--hang", "db")
        refused("--stop", "--stop", "1s")
        refused("--for", "--for", "1s")
        refused("--seed", "--seed", "1")
        refused("FILE", "supervise.lua")
    end)
end)
