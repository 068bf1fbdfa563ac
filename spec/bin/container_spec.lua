-- suptree as the first process of a container: a pid namespace of its own.
local live = require "spec.support.live"
local proc = require "spec.support.proc"
local uv = require "luv"

local NAMESPACE = { "unshare", "--pid", "--fork", "--mount-proc", "--kill-child" }

local function may_have_namespaces()
    local words = table.move(NAMESPACE, 1, #NAMESPACE, 1, {})
    words[#words + 1] = "true"
    return live.run(words) == 0
end

-- Runs `children` of a supervisor as PID 1 of a namespace; the tree, and the keeper's pid outside.
local function start(children)
    local tree = live.tree(('local s = require "suptree"\nreturn s.supervisor "box" {\n%s\n}'):format(children),
        { before = NAMESPACE })
    tree:await { type = "started" }
    local keeper = live.wait("the keeper", function() return proc.children(tree.pid)[1] end)
    assert.are.equal("1", proc.status(keeper, "NSpid"):match "(%d+)$")
    return tree, keeper
end

describe("as PID 1", function()
    after_each(live.clean)
    local possible = may_have_namespaces()

    local function it_inside(what, check)
        it(what, function()
            if not possible then return pending "this machine gives us no pid namespaces: run as root" end
            check()
        end)
    end

    it_inside("reaps strangers: processes that are nobody's service", function()
        local tree, keeper = start [[
            s.process "web" {
                command = "(setsid sh -c 'echo $$ > stranger; exec sleep 0.2' &); echo up; exec sleep 1000",
            },]]
        tree:await_line("web", "up")
        live.wait("the stranger to have been", function() return live.read_file(tree.folder .. "/stranger") end)
        live.wait("nothing but the host, the log and the service", function()
            local children = proc.children(keeper)
            for _, pid in ipairs(children) do if proc.state(pid) == "Z" then return false end end
            return #children == 3
        end)
        uv.kill(keeper, "sigterm")
        assert.are.equal(0, tree:wait())
    end)

    it_inside("passes TERM on as a stop in order", function()
        local tree, keeper = start [[
            s.process "db" { command = "trap 'echo db >> ended; exit 0' TERM; echo up; while :; do sleep 0.05; done" },
            s.process "web" {
                command = "trap 'echo web >> ended; exit 0' TERM; echo up; while :; do sleep 0.05; done",
                after = { "db" },
            },]]
        tree:await_line("web", "up")
        tree:await_line("db", "up")
        uv.kill(keeper, "sigterm")
        assert.are.equal(0, tree:wait())
        assert.are.equal("web\ndb\n", live.read_file(tree.folder .. "/ended"))
    end)

    it_inside("exits with the code of the service that ended the tree", function()
        local tree = start [[
            s.process "job" { command = "while ! [ -e go ]; do sleep 0.05; done; exit 7", terminate_exit = { 7 } },
            s.process "web" { command = { "sleep", "1000" } },]]
        live.write_file(tree.folder .. "/go", "")
        assert.are.equal(7, tree:wait())
    end)

    it_inside("loses no service when its host is killed", function()
        local tree, keeper = start [[ s.process "web" { command = "echo up; exec sleep 1000" }, ]]
        tree:await_line("web", "up")
        local function host()
            for _, pid in ipairs(proc.children(keeper)) do
                if proc.words(pid)[2] == "host" and proc.lives(pid) then return pid end
            end
        end
        local former = host()
        uv.kill(former, "sigkill")
        live.wait("a new host", function() return host() and host() ~= former end)
        tree:await { type = "host_restarted" }
        uv.kill(keeper, "sigterm")
        assert.are.equal(0, tree:wait())
        assert.are.equal(1, #tree:all { type = "launched", path = "web" })
    end)
end)
