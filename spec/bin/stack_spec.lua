-- examples/stack: nginx, PostgreSQL, redis, memcached and a Python program that says itself when it is ready; as root,
-- each as its own user, and as somebody who may do nothing special. Everything but the keeper may be killed.
local cjson = require "cjson"
local live = require "spec.support.live"
local proc = require "spec.support.proc"
local uv = require "luv"

local is_root = uv.getuid() == 0
local FILES = {
    "folders.sh", "new-database.sh", "nginx.conf", "redis.conf", "shop.py", "run/.gitignore", "log/.gitignore",
}

-- Only what others may enter can hold what runs as others.
local function open_folder(folder)
    assert(uv.fs_chmod(folder, tonumber("755", 8)))
    local parent = folder:match "^(.*)/"
    if uv.fs_stat(parent).uid == uv.getuid() and parent ~= "/tmp" then
        assert(uv.fs_chmod(parent, tonumber("711", 8)))
    end
end

local function start(port, options)
    local files = {}
    for _, file in ipairs(FILES) do files[file] = live.read_file(live.root .. "/examples/stack/" .. file) end
    local tree = live.tree(live.read_file(live.root .. "/examples/stack/supervise.lua"), {
        files = files, env = { PORT = tostring(port), XDG_RUNTIME_DIR = options and options.runtime },
        before = options and options.before, made = options and options.made or open_folder,
    })
    tree.runtime, tree.before = options and options.runtime, options and options.before or {}
    return tree
end

-- GET / of the page: the two counts; nil and what came instead. A connection that is refused is an error: a socket that
-- is held refuses nobody.
local function visit(port)
    local client, answer, done = uv.new_tcp(), "", false
    assert(client:connect("127.0.0.1", port, function(err)
        if err then answer, done = err, true return end
        client:write "GET / HTTP/1.0\r\n\r\n"
        client:read_start(function(_, chunk)
            if chunk then answer = answer .. chunk else done = true end
        end)
    end))
    live.wait("an answer of the page", function() return done end)
    client:close()
    uv.run "nowait"
    assert.are_not.equal("ECONNREFUSED", answer)
    local by_redis, by_postgres = answer:match "redis counts (%d+), PostgreSQL (%d+)%.\n$"
    if not by_redis then return nil, answer end
    return tonumber(by_redis), tonumber(by_postgres)
end

local function await_visit(port)
    local last
    local found = live.wait(function() return "a page; the last was " .. tostring(last) end, function()
        local by_redis, by_postgres = visit(port)
        last = by_postgres
        return by_redis and { redis = by_redis, postgres = by_postgres }
    end)
    return found
end

local SERVICES = { "data/postgres", "data/redis", "data/memcached", "shop", "nginx" }

-- Some write over their environment: the pid is what suptree says.
local function running(tree, path)
    local words = { table.unpack(tree.before) }
    for _, word in ipairs { live.program, "-n", "stack", "status", "--json", path } do words[#words + 1] = word end
    local code, out, err = live.run(words, { env = { XDG_RUNTIME_DIR = tree.runtime } })
    assert.are.same({ 0, "" }, { code, err })
    return cjson.decode(out).services[1].pid
end

local function pids(tree)
    local found = {}
    for _, path in ipairs(SERVICES) do found[path] = running(tree, path) end
    return found
end

local function user_of(pid)
    local uid = live.read_file(("/proc/%d/status"):format(pid)):match "\nUid:\t(%d+)"
    local _, name = live.run { "id", "-nu", uid }
    return (name:gsub("%s", ""))
end

-- Kill, and see that it comes back and the page with it.
local function kill(tree, port, path)
    local former = running(tree, path)
    local before = #tree:all { type = "ready", path = path }
    uv.kill(former, "sigkill")
    tree:await({ type = "ready", path = path }, before + 1)
    assert.are_not.equal(former, running(tree, path))
    return await_visit(port)
end

local function holds(text, said)
    assert.matches(text, said, 1, true)
end

describe("examples/stack", function()
    after_each(live.clean)

    it("serves, whatever of it is killed", function()
        local port = live.port()
        local tree = start(port)
        tree:await { type = "ready", path = "." }
        local first = await_visit(port)
        local former = pids(tree)
        if is_root then
            local users = {}
            for path, pid in pairs(former) do users[path] = user_of(pid) end
            assert.are.same({ ["data/postgres"] = "postgres", ["data/redis"] = "redis", ["data/memcached"] = "memcache",
                shop = "www-data", nginx = "www-data" }, users)
        end

        -- what supervises
        tree:kill_host()
        assert.is_true(await_visit(port).redis > first.redis)
        uv.kill(live.wait("suptree-log", function() return tree:logger() end), "sigkill")
        await_visit(port)
        assert.are.same(former, pids(tree))

        -- what is supervised
        local far = kill(tree, port, "nginx")
        assert.is_true(far.redis > first.redis)
        kill(tree, port, "data/memcached")
        kill(tree, port, "shop")
        -- From far away, so that a count from nothing is known, however many visits it takes.
        local socket = tree.folder .. "/run/redis/socket"
        assert.are.equal(0, (live.run { "redis-cli", "-s", socket, "SET", "visits", "1000000" }))
        local later = kill(tree, port, "data/redis")
        assert.is_true(later.redis < 1000000) -- it keeps nothing
        later = kill(tree, port, "data/postgres")
        assert.is_true(later.postgres > far.postgres) -- it loses nothing

        assert.are.equal(0, tree:stop())
        holds("database system is shut down", live.read_file(tree.folder .. "/log/postgres.log"))
        assert.matches("\n%d%d%d%d%-%d%d%-%d%dT%S+ .-bye bye", live.read_file(tree.folder .. "/log/redis.log"))
        assert.are.same({}, tree:all { type = "killed" })
        assert.is_nil(uv.fs_stat(tree.folder .. "/run/shop.sock"))
    end)

    it("runs as somebody who may do nothing special", function()
        if not is_root then return pending "only root can become somebody else; the other test ran as such" end
        local somebody = { "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups" }
        local words = table.move({ "test", "-x", live.program }, 1, 3, #somebody + 1, { table.unpack(somebody) })
        if live.run(words) ~= 0 then return pending "nobody may not enter the folder of the build" end
        local port = live.port()
        local runtime = live.folder()
        assert.are.equal(0, (live.run { "chown", "nobody", runtime }))
        local tree = start(port, { before = somebody, runtime = runtime, made = function(folder)
            open_folder(folder)
            assert.are.equal(0, (live.run { "chown", "-R", "nobody", folder }))
        end })
        tree:await { type = "ready", path = "." }
        local first = await_visit(port)
        tree:kill_host()
        kill(tree, port, "nginx")
        assert.is_true(kill(tree, port, "shop").redis > first.redis)
        for path, pid in pairs(pids(tree)) do assert.are.equal("nobody", user_of(pid), path) end
        assert.are.equal(0, tree:stop())
        assert.are.same({}, proc.children(tree.pid))
    end)
end)
