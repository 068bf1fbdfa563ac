-- However a Lua program that holds supervisors ends, its services are stopped and nothing is left.
local live = require "spec.support.live"
local proc = require "spec.support.proc"
local uv = require "luv"

local build = assert(uv.fs_realpath(os.getenv "SUPTREE_BUILD" or "build"))
local lua = os.getenv "SUPTREE_LUA" or "lua5.4"
local is_plain = not lua:find "/" -- else a runner of our own, which complains of memory that is left to the system

-- Two trees: of a process with a child of its own, and of a thread and a part with another process. Beside them a child
-- of the program's own. Says who they are, then does what `ending` says.
local program = [[
    local suptree = require "suptree"
    local folder, ending = ...
    local function await(what)
        for _ = 1, 60000 do
            local value = what()
            if value then return value end
            require "luv".sleep(1)
        end
        error "it did not come to pass"
    end
    -- With copies of what is not closed on exec. One that ends well would wait for it.
    local own = (ending == "kill" or ending == "stop") and io.popen("echo $$; exec sleep 1000")
    local one = suptree.new("one", { suptree.process "web" {
        command = "sleep 1000 & echo $! >" .. folder .. "/grandchild; wait" } })
    local two = suptree.new("two", { suptree.thread "worker" { run = function(ctx) while ctx:sleep(3600) do end end },
        suptree.supervisor "part" { suptree.process "deep" { command = { "sleep", "1000" } } } })
    assert(one:serve_background())
    assert(two:serve_background())
    local grandchild = await(function()
        local file = io.open(folder .. "/grandchild")
        local pid = file and file:read "n"
        if file then file:close() end
        return pid
    end)
    assert(await(function() return two:services()[1].state == "running" end))
    local file = io.open(folder .. "/new", "w")
    file:write(("return { own = %d, web = %d, grandchild = %d }"):format(own and own:read "n" or 0,
        one:services()[1].pid, grandchild))
    file:close()
    os.rename(folder .. "/new", folder .. "/pids")
    if ending == "exit" then os.exit(3) end
    if ending == "close" then os.exit(3, true) end
    if ending == "error" then error "out of luck" end
    if ending == "stop" then two:stop() end
    repeat one:poll(1000) until false
]]

describe("the services of a Lua program are stopped", function()
    local folder, running

    before_each(function()
        folder = assert(uv.fs_mkdtemp("/tmp/suptree-embed-XXXXXX"))
        live.write_file(folder .. "/program.lua", program)
    end)

    after_each(function()
        if running and not running.code then uv.kill(running.pid, "sigkill") end
        if running and running.pids and running.pids.own > 0 then uv.kill(running.pids.own, "sigkill") end
        os.execute("rm -rf " .. folder)
    end)

    local function start(ending)
        local program_of_this_test = {}
        running = program_of_this_test
        local environment = { "LUA_CPATH=" .. build .. "/?.so;;" }
        for name, value in pairs(uv.os_environ()) do environment[#environment + 1] = name .. "=" .. value end
        local handle, pid
        handle, pid = uv.spawn(lua, { args = { folder .. "/program.lua", folder, ending }, env = environment,
            stdio = { nil, nil, nil } }, function(code, signal)
            program_of_this_test.code, program_of_this_test.signal = code, signal
            handle:close()
        end)
        assert(handle, pid)
        running.pid = pid
        live.wait("the services", function()
            local chunk = loadfile(folder .. "/pids")
            running.pids = chunk and chunk()
            return running.pids
        end)
        running.keeper = tonumber(proc.status(running.pids.web, "PPid") or "")
        return running
    end

    local function check_nothing_is_left()
        live.wait("the end of the program", function() return running.code end)
        live.wait("the end of its services", function()
            local pids = running.pids
            return not proc.lives(pids.web) and not proc.lives(pids.grandchild)
                and not (running.keeper and proc.lives(running.keeper))
        end)
    end

    it("by kill -9, and children of its own live on", function()
        start "kill"
        assert.are.equal("suptree-keeper", proc.name(running.keeper))
        uv.kill(running.pid, "sigkill")
        check_nothing_is_left()
        assert.is_true(proc.lives(running.pids.own))
    end)

    it("when it exits with or without closing its state, or fails", function()
        for ending, code in pairs { exit = is_plain and 3 or nil, close = 3, error = 1 } do
            os.remove(folder .. "/pids")
            start(ending)
            check_nothing_is_left()
            assert.are.equal(code, running.code)
        end
    end)

    local interrupted = is_plain and it or pending
    interrupted("by Ctrl-C, which its poll lets through", function()
        start "interrupt"
        uv.kill(running.pid, "sigint")
        check_nothing_is_left()
        assert.are.same({ 1, 0 }, { running.code, running.signal }) -- lua5.4 says "interrupted!"
    end)

    it("and those of the other tree go on when one is stopped", function()
        start "stop"
        assert.is_true(proc.lives(running.pids.web))
        uv.kill(running.pid, "sigkill")
        check_nothing_is_left()
    end)
end)
