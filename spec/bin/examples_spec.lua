local caller = require "spec.support.caller"
local live = require "spec.support.live"
local uv = require "luv"

--- What the server at `port` of this machine answers to GET `path`; nil: nobody is there.
local function get(port, path)
    local client, answer, done = uv.new_tcp(), "", false
    local function on_connect(err)
        if err then
            done = true
            return
        end
        client:write(("GET %s HTTP/1.0\r\n\r\n"):format(path))
        client:read_start(function(_, chunk)
            if chunk then answer = answer .. chunk else done = true end
        end)
    end
    assert(client:connect("127.0.0.1", port, on_connect))
    live.wait("an answer", function() return done end)
    client:close()
    uv.run "nowait"
    return answer:match "\r\n\r\n(.*)$"
end

--- Runs a copy of examples/NAME.
local function example(name, port)
    local files = {}
    for _, file in ipairs { "web.lua", "worker.lua", "counter.lua", "served.lua" } do
        files[file] = live.read_file(("%s/examples/%s/%s"):format(live.root, name, file))
    end
    local config = live.read_file(("%s/examples/%s/supervise.lua"):format(live.root, name))
    return live.tree(config, { files = files, env = { PORT = tostring(port) } })
end

describe("examples/quickstart", function()
    after_each(live.clean)

    it("shows a restart, a pause and a resume, while the web server serves", function()
        local port = live.port()
        local tree = example("quickstart", port)
        local address = ("listening on http://127.0.0.1:%d/"):format(port)
        tree:await_line("web", address)
        assert.are.equal("Hello. I am start number 1 of this server, this is visit 1.\n", get(port, "/"))
        tree:await { type = "launched", path = "jobs/worker", generation = 2 }
        local backoff = tree:await { type = "backoff", path = "jobs" }
        tree:await_text "jobs pauses for 8s"
        assert.are.equal("Hello. I am start number 1 of this server, this is visit 2.\n", get(port, "/"))
        local resume = tree:await { type = "resume", path = "jobs" }
        -- That a newcomer sees it all within a minute: by the clock of the events, which is no clock of ours.
        assert.is_true(resume.time - tree:events()[1].time < 60)
        assert.is_true(resume.time - backoff.time >= 7.99)
        assert.are.equal(1, #tree:all { type = "launched", path = "web" })

        assert.are.equal("Goodbye. I shall be back at once.\n", get(port, "/crash"))
        tree:await { type = "launched", path = "web", generation = 2 }
        live.wait("the web server to be back", function()
            return get(port, "/") == "Hello. I am start number 2 of this server, this is visit 1.\n"
        end)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("examples/timer", function()
    after_each(live.clean)

    it("prepares once, reports again and again, and runs the nightly job when asked", function()
        local tree = example "timer"
        tree:await { type = "ready", path = "prepare" }
        tree:await { type = "ended", path = "report", generation = 2 }
        tree:await_text "numbers so far"
        assert.are.equal(0, (live.run { live.program, "start", "nightly" }))
        tree:await_line("nightly", "moved")
        assert.are.equal(0, tree:stop())
    end)

    it("shows a day in virtual time", function()
        local code, out = live.run { live.program, "simulate", live.root .. "/examples/timer", "--for", "1d" }
        assert.are.equal(0, code)
        assert.matches("3h30m%s+nightly%s+started, run 1", out)
        assert.matches("nightly%s+1 run, 0 failures", out)
        assert.matches("report%s+43%d%d%d runs, 0 failures", out)
    end)
end)

describe("examples/sockets", function()
    after_each(live.clean)

    it("greets whatever happens to the greeter, and starts a clock for who asks", function()
        local port = caller.free_port()
        local tree = example("sockets", port)
        tree:await { type = "launched", path = "greeter" }
        assert.matches("^hello, says process %d+\n$", get(port, "/"))
        local first = tree:service "greeter"
        uv.kill(first, "sigkill")
        assert.matches("^hello, says process %d+\n$", get(port, "/"))
        assert.are_not.equal(first, tree:service "greeter")
        assert.is_nil(tree:service "clock")
        local over, answer
        caller.call(tree.folder .. "/clock.sock", "what?", function(_, text) over, answer = true, text end)
        live.wait("the time", function() return over end)
        assert.matches("the time, whatever it is", answer, 1, true)
        tree:await { type = "ended", path = "clock", code = 0 }
        assert.are.equal(0, tree:stop())
    end)
end)

describe("examples/replicas", function()
    after_each(live.clean)

    it("has several of the same, more when asked, and restarts them one after another", function()
        local tree = example "replicas"
        tree:await_line("web@3", "web 3 would listen on port 8003")
        tree:await_line("proxy", "all of them are there")
        tree:await_line("counter@2", "I am counter 2")
        assert.are.equal(0, (live.run { live.program, "scale", "web=5", "--settle", "0" }))
        tree:await_line("web@5", "web 5 would listen on port 8005")
        assert.are.equal(0, (live.run { live.program, "restart", "--rolling", "web", "--settle", "0" }))
        tree:await({ type = "launched", path = "web@5" }, 2)
        assert.are.equal(0, tree:stop())
    end)
end)

describe("examples/threads", function()
    after_each(live.clean)

    it("counts, gambles, and ends what never listens", function()
        local tree = example("threads", 0)
        tree:await_line("counter", "counted to 2")
        tree:await { type = "launched", path = "gambler", generation = 2 }
        assert.are.equal(0, tree:stop())
        tree:await_text "asked to stop at"
        assert.are.equal(1, #tree:all { type = "killed", path = "stubborn" })
        assert.are.equal(1, #tree:all { type = "ended", path = "stubborn" })
    end)
end)

describe("examples/tested", function()
    after_each(live.clean)

    local function path_of_busted()
        for folder in os.getenv "PATH":gmatch "[^:]+" do
            if uv.fs_access(folder .. "/busted", "R") then return folder .. "/busted" end
        end
        error "busted is not in PATH"
    end

    -- From its own folder, with nothing of this repository but suptree.so.
    local function run_specs(folder)
        local lua = os.getenv "SUPTREE_LUA" or "lua5.4"
        return live.run({ lua, path_of_busted(), "--ignore-lua", "-o", "TAP", "tree_spec.lua" },
            { cwd = folder, env = { LUA_CPATH = live.build .. "/?.so;;", LUA_PATH = false } })
    end

    local function copy(change)
        local folder = live.folder()
        for _, name in ipairs { "supervise.lua", "tree_spec.lua" } do
            live.write_file(folder .. "/" .. name, change(live.read_file(live.root .. "/examples/tested/" .. name)))
        end
        return folder
    end

    it("proves its tree with busted and suptree.so alone", function()
        local code, out, err = run_specs(copy(function(text) return text end))
        assert.are.equal(0, code, out .. err)
        local _, good = out:gsub("%f[^\n%z]ok ", "")
        assert.are.equal(5, good, out)
    end)

    it("fails when the tree does not do what it proves", function()
        local code, out = run_specs(copy(function(text)
            return (text:gsub("failure_threshold = 3", "failure_threshold = 9"))
        end))
        assert.are_not.equal(0, code)
        assert.matches("not ok %d+ %- the shop pauses the jobs", out)
        assert.are_not.matches("not ok %d+ %- the shop lets", out)
    end)

    it("has a tree that is good", function()
        assert.are.equal(0, (live.run { live.program, "check", live.root .. "/examples/tested" }))
    end)
end)
