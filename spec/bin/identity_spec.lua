-- Who a process runs as, and what it may take: user, group, groups, umask, nice, oom_score, limits, no_new_privs.
local live = require "spec.support.live"
local uv = require "luv"

local is_root = uv.getuid() == 0

-- What `command` prints as a service with `options`, by lines.
local function run(options, command)
    local tree = live.tree(([[
        local s = require "suptree"
        return s.supervisor "tree" {
            s.process "me" { command = %q, restart = "temporary", %s },
        }]]):format(command .. "; echo the end", options))
    tree:await_line("me", "the end")
    local lines = {}
    for line in tree.out:gmatch "me *| ([^\n]*)\n" do lines[#lines + 1] = line end
    assert.are.equal(0, tree:stop())
    return lines
end

-- The launch of a service with `options` fails; the text that says why.
local function refusal(options)
    local tree = live.tree(([[
        local s = require "suptree"
        return s.supervisor "tree" { s.process "me" { command = { "true" }, restart = "temporary", %s } }]])
        :format(options))
    local event = tree:await { type = "launch_failed", path = "me" }
    tree:stop()
    return event.text or event.reason
end

local function check(options)
    local folder = live.folder()
    live.write_file(folder .. "/supervise.lua", ([[
local s = require "suptree"
return s.supervisor "tree" {
    s.process "me" { command = { "true" }, %s },
}]]):format(options))
    local code, _, err = live.run { live.program, "check", folder }
    return code, err
end

describe("a process", function()
    after_each(live.clean)

    local function it_as_root(what, test)
        it(what, function()
            if not is_root then return pending "only root can start processes as others" end
            test()
        end)
    end

    it_as_root("runs as another user: its ids, its groups, its environment, and no way back", function()
        local lines = run([[user = "nobody", env = { MINE = "yes" }]],
            "id -u; id -g; id -G; echo $USER $HOME $MINE; grep NoNewPrivs /proc/self/status; "
            .. "env | grep -c -E '^(LD_|SUPTREE_SPEC)'; su -c true 2>/dev/null || echo no way back")
        local nobody = assert(live.run { "id", "-u", "nobody" } == 0)
        assert.is_true(nobody)
        local _, uid = live.run { "id", "-u", "nobody" }
        local _, gid = live.run { "id", "-g", "nobody" }
        local _, groups = live.run { "id", "-G", "nobody" }
        assert.are.equal(uid, lines[1] .. "\n")
        assert.are.equal(gid, lines[2] .. "\n")
        assert.are.equal(groups, lines[3] .. "\n")
        assert.are.equal("nobody /nonexistent yes", lines[4])
        assert.matches("NoNewPrivs:%s+1", lines[5])
        assert.are.equal("0", lines[6])
        assert.are.equal("no way back", lines[7])
    end)

    it_as_root("runs as numbers, with the groups that are named", function()
        local lines = run([[user = 4321, group = 1234, groups = { 5, "audio" }, no_new_privs = false]],
            "id -u; id -g; id -G; grep NoNewPrivs /proc/self/status")
        local _, audio = live.run { "sh", "-c", "getent group audio | cut -d: -f3" }
        assert.are.same({ "4321", "1234", "1234 5 " .. audio:match "%d+" }, { lines[1], lines[2], lines[3] })
        assert.matches("NoNewPrivs:%s+0", lines[4])
    end)

    it("has the umask, limits and claim on the processor that are named", function()
        local lines = run([[umask = "027", nice = 5, oom_score = 500, no_new_privs = true,
                limits = { nofile = { 100, 200 }, core = 0, fsize = "64MiB" },]],
            "umask; nice; cat /proc/self/oom_score_adj; ulimit -Sn; ulimit -Hn; ulimit -c; "
            .. "grep NoNewPrivs /proc/self/status; grep 'Max file size' /proc/self/limits")
        assert.are.same({ "0027", "5", "500", "100", "200", "0" }, table.move(lines, 1, 6, 1, {}))
        assert.matches("NoNewPrivs:%s+1", lines[7])
        assert.matches("67108864%s+67108864", lines[8])
    end)

    it("is not started when a step fails; the step is named", function()
        local said = refusal [[limits = { nofile = { 10, 0x7fffffffffffffff } }]]
        assert.matches("^limits: Operation not permitted", said)
    end)

    it("keeps everything of suptree's when nothing is named", function()
        local lines = run("", "id -u; umask; grep NoNewPrivs /proc/self/status")
        assert.are.equal(tostring(uv.getuid()), lines[1])
        assert.matches("NoNewPrivs:%s+0", lines[3])
    end)
end)

describe("a configuration", function()
    after_each(live.clean)

    local function refuses(options, words)
        local code, err = check(options)
        assert.are.equal(78, code)
        assert.matches("supervise.lua:3: " .. words, err)
    end

    it("names only what is there, and says so with the place", function()
        refuses([[user = "nobdy-at-all"]], 'tree.me.user: there is no user "nobdy%-at%-all" on this machine')
        refuses([[user = true]], "tree.me.user: true is not a user")
        refuses([[group = "no-such-group"]], 'tree.me.group: there is no group "no%-such%-group"')
        refuses([[user = "nobody", groups = { "audio", "no-such" }]],
            'tree.me.groups%[2%]: there is no group "no%-such"')
        refuses([[group = 5]], "tree.me.group: without user would keep")
        refuses([[umask = 22]], "tree.me.umask: is the number 22, which leaves open whether it is octal")
        refuses([[umask = "9"]], 'tree.me.umask: "9" is not a mask')
        refuses([[nice = 20]], "tree.me.nice: must be a whole number from %-20 to 19, not 20")
        refuses([[oom_score = 1.5]], "tree.me.oom_score: must be a whole number")
        refuses([[limits = { nofiles = 10 }]], 'tree.me.limits: there is no limit "nofiles", did you mean "nofile"')
        refuses([[limits = { nofile = "many" }]], 'tree.me.limits.nofile: "many" is not a limit')
        refuses([[limits = { nofile = { 20, 10 } }]], "tree.me.limits: has a soft limit above its hard one")
    end)
end)
