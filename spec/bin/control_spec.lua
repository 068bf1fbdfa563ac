local cjson = require "cjson"
local live = require "spec.support.live"

local SHOP = [[
    local s = require "suptree"
    return s.supervisor "shop" {
        s.process "db" { command = "exec sleep 1000" },
        s.process "web" { command = "exec sleep 1000", after = { "db" } },
        s.supervisor "workers" { s.process "a" { command = "exec sleep 1000" } },
    }
]]

-- One call by the command line: the result as a table; or nil, the exit code and what was said.
local function rpc(method, params)
    local code, out, err = live.run { live.program, "rpc", "--socket", live.socket "shop", method,
        params and cjson.encode(params) or "{}" }
    if code == 0 then return cjson.decode(out) end
    return nil, code, err
end

local function shop(config, options)
    local tree = live.tree(config or SHOP, options)
    tree:await { type = "ready", path = "." }
    return tree
end

describe("the control socket", function()
    after_each(live.clean)

    it("says who answers", function()
        local tree = shop()
        local hello = assert(rpc "hello")
        assert.are.equal("shop", hello.name)
        assert.are.equal(tree.pid, hello.keeper)
        assert.are.equal(tree:host(), hello.pid)
        assert.are.equal("write", hello.role)
        assert.are.equal(1, hello.host_starts)
        assert.are.equal(require "luv".fs_realpath(tree.folder .. "/supervise.lua"),
            require "luv".fs_realpath(hello.file))
    end)

    it("shows the tree as it is", function()
        local tree = shop()
        local status = assert(rpc "status")
        local paths = {}
        for place, node in ipairs(status.services) do paths[place] = node.path end
        assert.are.same({ ".", "db", "web", "workers", "workers/a" }, paths)
        assert.are.equal(tree:running "web", status.services[3].pid)
        assert.are.equal("running", status.services[3].state)
        assert.are.same({ "db" }, status.services[3].after)
    end)

    it("stops, starts and restarts", function()
        local tree = shop()
        local first = tree:running "web"
        local result = assert(rpc("stop", { paths = { "web" }, context = "because" })).results[1]
        assert.are.same({ "web", "ok", "stopped" }, { result.path, result.status, result.node.state })
        assert.is_nil(tree:service "web")
        assert.are.equal("uid " .. require "luv".getuid() .. " by control: because",
            tree:await { type = "stopping", path = "web" }.context)
        result = assert(rpc("start", { paths = { "web" } })).results[1]
        assert.are.same({ "ok", "running", 2 }, { result.status, result.node.state, result.node.generation })
        result = assert(rpc("restart", { paths = { "w*" } })).results
        assert.are.same({ "web", "workers" }, { result[1].path, result[2].path })
        assert.are_not.equal(first, tree:running "web")
    end)

    it("says what it does not know", function()
        shop()
        local _, code, err = rpc("stop", { paths = { "wbe" } })
        assert.are.equal(4, code)
        assert.matches('did you mean "web"', err)
        _, code, err = rpc("stop", { path = "web" })
        assert.are.equal(2, code)
        assert.matches('path: there is no such parameter, did you mean "paths"', err)
    end)

    it("ends the tree", function()
        local tree = shop()
        assert.are.same({}, rpc "shutdown")
        assert.are.equal(0, tree:wait())
        local _, code = rpc "hello"
        assert.are.equal(7, code)
    end)

    it("is held by one tree of a name", function()
        local tree = shop()
        local code, _, err = live.run { live.program, "run", tree.folder .. "/supervise.lua" }
        assert.are.equal(5, code)
        assert.matches("shop runs already: pid " .. tree.pid, err, 1, true)
    end)

    it("outlives the host", function()
        local tree = shop()
        local web = tree:running "web"
        tree:kill_host()
        local status = assert(rpc("status", { paths = { "web" } }))
        assert.are.equal(web, status.services[1].pid)
        assert.are.equal(2, rpc "hello".host_starts)
    end)
end)

describe("waiting by the control protocol", function()
    after_each(live.clean)

    local LATE = [[
        local s = require "suptree"
        return s.supervisor "shop" {
            s.process "late" { command = "exec sleep 1000", ready = s.ready.file "go" },
            s.process "once" { command = "exit 0", restart = "transient" },
        }
    ]]

    local function statuses(result)
        local list = {}
        for place, one in ipairs(result.results) do list[place] = one.path .. " " .. one.status end
        return list
    end

    it("ends when the state is there", function()
        local tree = live.tree(LATE)
        tree:await { type = "launched", path = "late" }
        local client = live.connect "shop"
        local id = client:ask("wait", { paths = { "late" } })
        assert.are.same({ "once ok" }, statuses(client:call("wait", { paths = { "once" }, state = "stopped" })))
        live.write_file(tree.folder .. "/go", "")
        local reply = client:await("the reply", function(message) return message.id == id end)
        assert.are.same({ "late ok" }, statuses(reply.result))
        assert.is_true(reply.result.results[1].node.ready)
    end)

    it("ends when the time is over, or when it cannot come", function()
        local tree = live.tree(LATE)
        tree:await { type = "ended", path = "once" }
        local client = live.connect "shop"
        assert.are.same({ "late timeout", "once not_reached" },
            statuses(client:call("wait", { paths = { "*" }, timeout = 0.05 })))
        client:call("stop", { paths = { "late" } })
        assert.are.same({ "late not_reached" }, statuses(client:call("wait", { paths = { "late" } })))
    end)

    it("hears of progress", function()
        shop()
        local client = live.connect "shop"
        local id = client:ask("restart", { paths = { "workers" }, progress = true })
        local first = client:notice "progress"
        assert.are.same({ id, "workers", "stopping" }, { first.id, first.path, first.event })
        assert.are.equal("workers/a", client:notice("progress", function(params)
            return params.event == "ended"
        end).path)
        client:await("the reply", function(message) return message.id == id and message.result end)
    end)
end)

describe("explaining by the control protocol", function()
    after_each(live.clean)

    local SICK = [[
        local s = require "suptree"
        return s.supervisor "shop" {
            s.process "db" { command = "exec sleep 1000" },
            s.process "web" { command = "exec sleep 1000", after = { "db" } },
            s.process "slow" { command = "exec sleep 1000", ready = s.ready.file "nowhere" },
            s.process "off" { command = "exec sleep 1000", enabled = false },
            s.supervisor "sick" { failure_threshold = 1, failure_backoff = "600s",
                s.process "bad" { command = "exit 3" },
            },
        }
    ]]

    it("says why, what comes, and what would change it", function()
        local tree = live.tree(SICK)
        tree:await { type = "backoff", path = "sick" }
        local client = live.connect "shop"
        local bad = client:call("explain", { path = "sick/bad" })
        assert.are.equal("sick/bad", bad.node.path)
        assert.matches("exit code 3", bad.reason, 1, true)
        assert.matches("sick is paused", bad.reason, 1, true)
        assert.are.same({ "sick/bad", "sick" }, { bad.because[1].path, bad.because[2].path })
        assert.is_true(bad.next["in"] > 500 and bad.next["in"] <= 600)
        assert.are.same({ "suptree logs sick/bad", "suptree start sick/bad", "suptree stop sick/bad" }, bad.commands)

        client:call("stop", { paths = { "db" } })
        local web = client:call("explain", { path = "web" })
        assert.are.same({ { path = "db", state = "stopped" } }, web.waits_for)
        assert.are.equal("suptree start db", web.commands[1])

        local root = client:call("explain", { path = "." })
        local names = {}
        for place, one in ipairs(root.waits_for) do names[place] = one.path end
        assert.are.same({ "web", "slow" }, names)
        assert.matches("enabled = false", client:call("explain", { path = "off" }).reason, 1, true)
        assert.matches("not ready yet", client:call("explain", { path = "slow" }).reason, 1, true)
    end)

    it("wants one node", function()
        shop()
        local client = live.connect "shop"
        local _, err = client:call("explain", { path = "*" })
        assert.are.same({ -32000, "invalid" }, { err.code, err.data.code })
        _, err = client:call("explain", { path = "wbe" })
        assert.are.equal("not_found", err.data.code)
    end)
end)

describe("services by the control protocol", function()
    after_each(live.clean)

    local TALKER = [[
        local s = require "suptree"
        return s.supervisor "shop" {
            s.process "talker" {
                command = "trap 'echo $A $SUPTREE_PATH' USR1; echo one; echo two; while :; do sleep 0.02; done",
                env = { A = "given" }, umask = "077",
            },
            s.process "odd" { command = "printf 'a\\377b\\n\\033[31mred\\nunended'; exec sleep 1000" },
            s.thread "inside" { run = function(ctx) ctx:sleep(1000) end },
        }
    ]]

    local function texts(lines)
        local list = {}
        for place, line in ipairs(lines) do list[place] = line.path .. " " .. line.text end
        return list
    end

    local function await_lines(client, count)
        return live.wait("the output", function()
            local lines = client:call "logs".lines
            return #lines >= count and lines
        end)
    end

    it("have their last output shown", function()
        local tree = shop(TALKER)
        local client = live.connect "shop"
        assert.are.same({ "talker one", "talker two", "odd a\u{FFFD}b", "odd \27[31mred", "odd unended" },
            texts(await_lines(client, 5)))
        assert.are.same({ "talker two" }, texts(client:call("logs", { paths = { "talker" }, lines = 1 }).lines))
        tree:kill_host()
        client = live.connect "shop"
        assert.are.same({ "talker two" }, texts(client:call("logs", { paths = { "t*" }, lines = 1 }).lines))
    end)

    it("get signals, and their output is followed", function()
        local tree = shop(TALKER)
        local client = live.connect "shop"
        await_lines(client, 5)
        local stream = client:call("logs", { follow = true, lines = 0 }).stream
        local sent = client:call("signal", { paths = { "*" }, signal = "USR1" }).results
        assert.are.same({ "ok", "ok", "invalid" }, { sent[1].status, sent[2].status, sent[3].status })
        local line = client:notice("log", function(params) return params.path == "talker" end)
        assert.are.same({ stream, "given talker" }, { line.stream, line.text })
        tree:await { type = "ended", path = "odd", signal = "USR1" }
        client:call("stop", { paths = { "odd" } })
        assert.are.equal("not_running", client:call("signal", { paths = { "odd" }, signal = "9" }).results[1].status)
        local _, err = client:call("signal", { paths = { "odd" }, signal = "USR9" })
        assert.are.equal(-32602, err.code)
    end)

    it("tell how they are started", function()
        local tree = shop(TALKER)
        local client = live.connect "shop"
        local found = client:call("environment", { path = "talker" })
        local set = {}
        for _, entry in ipairs(found.env) do set[entry] = true end
        assert.is_true(set["A=given"] and set["SUPTREE_PATH=talker"] and set["SUPTREE_GENERATION=1"])
        for entry in pairs(require "spec.support.proc".environment(tree:running "talker")) do
            assert.is_true(set[entry .. "=" .. require "spec.support.proc".environment(tree:running "talker")[entry]])
        end
        assert.are.same({ "/bin/sh", "-c" }, { found.argv[1], found.argv[2] })
        assert.are.equal(63, found.umask)
        assert.are.equal(require "luv".fs_realpath(tree.folder), found.cwd)
        local _, err = client:call("environment", { path = "inside" })
        assert.are.equal("invalid", err.data.code)
    end)
end)

describe("the stream of events", function()
    after_each(live.clean)

    it("begins with the past that is asked for", function()
        local tree = shop()
        local client = live.connect "shop"
        local past = client:call "events"
        local written = tree:events()
        assert.are.same(written, past.events)
        assert.are.equal(#written, past.last)
        assert.are.same({ written[#written] }, client:call("events", { last = 1 }).events)
        assert.are.same({ written[3] }, client:call("events", { since = 2, last = #written - 2 }).events
            and { client:call("events", { since = 2 }).events[1] })
        local launched = client:call("events", { types = { "launched" }, paths = { "workers" } }).events
        assert.are.same({ "workers", "workers/a" }, { launched[1].path, launched[2].path })
    end)

    it("goes on with each event, until it is cancelled", function()
        shop()
        local client = live.connect "shop"
        local stream = client:call("events", { follow = true, paths = { "db" } }).stream
        client:call("restart", { paths = { "*" } })
        local seen = client:notice("event", function(params) return params.event.type == "launched" end)
        assert.are.same({ stream, "db", 2 }, { seen.stream, seen.event.path, seen.event.generation })
        assert.are.same({}, client:call("cancel", { stream = stream }))
        client:call("restart", { paths = { "db" } })
        client:call "hello"
        for _, message in ipairs(client.messages) do
            assert.is_not.equal(3, message.params and message.params.event.generation)
        end
    end)

    it("goes on where it ended when the host has died", function()
        local tree = shop()
        local client = live.connect "shop"
        local last = client:call("events", { follow = true }).last
        tree:kill_host()
        client:await_end()
        local again = live.connect "shop"
        local missed = again:call("events", { since = last })
        assert.are.equal("host_restarted", missed.events[1].type)
        assert.are.equal(last + 1, missed.events[1].seq)
    end)

    it("says its end", function()
        shop()
        local client = live.connect "shop"
        local stream = client:call("events", { follow = true }).stream
        client:call "shutdown"
        assert.are.equal("stopped", client:notice("event", function(params)
            return params.event.type == "stopped"
        end).event.type)
        assert.are.equal(stream, client:notice "end".stream)
        client:await_end()
    end)

    it("tells a slow reader how much he missed, and slows nobody down", function()
        local tree = live.tree([[
            local s = require "suptree"
            return s.supervisor "storm" { failure_threshold = 1e9, failure_decay = 1000,
                s.thread "wild" { run = function() error "again" end },
                s.process "calm" { command = "exec sleep 1000" },
            }
        ]], { events = false, args = { "--quiet" } })
        live.wait("the socket", function() return pcall(live.connect, "storm") end)
        local slow, quick = live.connect "storm", live.connect "storm"
        local expected = slow:call("events", { follow = true }).last + 1
        slow:sleep()
        local first = quick:call("events", { last = 1 }).last
        live.wait("many events", function() return quick:call("events", { last = 1 }).last > first + 12000 end)
        local newest = quick:call("events", { last = 1 }).last
        assert.are.equal("calm", quick:call("status", { paths = { "calm" } }).services[1].path)
        slow:listen()
        -- Every number is either told or counted as missed.
        live.wait("the newest event", function()
            while #slow.messages > 0 do
                local message = table.remove(slow.messages, 1)
                if message.method == "gap" then
                    expected = expected + message.params.missed
                    slow.gaps = (slow.gaps or 0) + message.params.missed
                elseif message.method == "event" then
                    assert.are.equal(expected, message.params.event.seq)
                    expected = message.params.event.seq + 1
                end
            end
            return expected > newest
        end)
        assert.is_true(slow.gaps > 0)
        assert.is_not_nil(tree:host())
    end)
end)

describe("a tree without a control socket", function()
    after_each(live.clean)

    it("runs nevertheless, and says so", function()
        local folder = live.folder() .. "/" .. ("x"):rep(100)
        assert(require "luv".fs_mkdir(folder, 448))
        local tree = shop(SHOP, { env = { XDG_RUNTIME_DIR = folder } })
        tree:await_text("no verb will reach this tree, it runs nevertheless", "err")
    end)
end)
