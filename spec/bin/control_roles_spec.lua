local cjson = require "cjson"
local live = require "spec.support.live"
local uv = require "luv"

-- Numbers that need no names on this machine.
local GROUP, MEMBER, STRANGER = 64001, 64002, 64003

local function config(options)
    return ([[
        local s = require "suptree"
        return s.supervisor "shop" { %s
            s.process "web" { command = "exec sleep 1000", env = { SECRET = "word" } },
        }
    ]]):format(options or "")
end

-- A tree whose sockets lie where others can come, and a copy of the program that they can run.
local function shop(options)
    local folder = live.folder()
    local program = live.installation {}
    for _, path in ipairs { folder, program:match "^(.*)/" } do assert(uv.fs_chmod(path, tonumber("755", 8))) end
    local tree = live.tree(config(options), { env = { XDG_RUNTIME_DIR = folder } })
    tree:await { type = "ready", path = "." }
    tree.runtime, tree.client = folder, program
    tree.socket = folder .. "/suptree/shop.sock"
    return tree
end

-- A call by another user: exit code, output, errors.
local function call_as(tree, uid, gid, method, params, socket)
    return live.run { "/usr/bin/setpriv", "--reuid", tostring(uid), "--regid", tostring(gid), "--clear-groups",
        tree.client, "rpc", "--socket", socket or tree.socket, method, params and cjson.encode(params) or "{}" }
end

local function mode_of(path)
    local info = assert(uv.fs_stat(path))
    return ("%o"):format(info.mode & 511), info.gid
end

describe("the place of the control socket", function()
    after_each(live.clean)

    it("is the user's alone", function()
        local tree = shop()
        assert.are.equal("700", (mode_of(tree.runtime .. "/suptree")))
        assert.are.equal("600", (mode_of(tree.socket)))
        tree:stop()
        assert.is_nil(uv.fs_stat(tree.socket))
        assert.is_nil(uv.fs_stat(tree.runtime .. "/suptree/shop.lock"))
    end)

    it("is not one that others may write in", function()
        local folder = live.folder()
        assert(uv.fs_mkdir(folder .. "/suptree", tonumber("777", 8)))
        assert(uv.fs_chmod(folder .. "/suptree", tonumber("777", 8)))
        local tree = live.tree(config(), { env = { XDG_RUNTIME_DIR = folder } })
        tree:await_text("others may write in it", "err")
        tree:await { type = "ready", path = "." }
        assert.is_nil(uv.fs_stat(folder .. "/suptree/shop.sock"))
    end)

    it("may hold what a killed tree has left", function()
        local folder = live.folder()
        assert(uv.fs_mkdir(folder .. "/suptree", tonumber("700", 8)))
        live.write_file(folder .. "/suptree/shop.lock", "1\n")
        live.write_file(folder .. "/suptree/shop.sock", "")
        local tree = live.tree(config(), { env = { XDG_RUNTIME_DIR = folder } })
        tree:await { type = "ready", path = "." }
        local code = live.run { live.program, "rpc", "--socket", folder .. "/suptree/shop.sock", "hello" }
        assert.are.equal(0, code)
    end)

    it("is made for a tree that has a name of its own", function()
        local tree = shop()
        local other = live.tree(config(), { args = { "--name", "other" }, env = { XDG_RUNTIME_DIR = tree.runtime } })
        other:await { type = "ready", path = "." }
        local code, out = live.run { live.program, "rpc", "--socket", tree.runtime .. "/suptree/other.sock", "hello" }
        assert.are.same({ 0, "other" }, { code, cjson.decode(out).name })
    end)
end)

describe("the roles of the control socket", function()
    after_each(live.clean)

    if uv.getuid() ~= 0 then
        pending "need root, to be somebody else for a moment"
        return
    end

    it("let nobody else in", function()
        local tree = shop()
        local code, _, err = call_as(tree, MEMBER, GROUP, "hello")
        assert.are.equal(5, code, err)
        -- Not by the rights of files alone.
        for path, mode in pairs { [tree.runtime .. "/suptree"] = "755", [tree.socket] = "666" } do
            assert(uv.fs_chmod(path, tonumber(mode, 8)))
        end
        for _, gid in ipairs { GROUP, 0 } do
            code, _, err = call_as(tree, STRANGER, gid, "hello")
            assert.are.equal(5, code)
            assert.matches("only the user that the tree runs as, and root, may connect", err, 1, true)
        end
    end)

    it("let the group look, and change nothing", function()
        local tree = shop(("control_group = %d,"):format(GROUP))
        local mode, gid = mode_of(tree.runtime .. "/suptree")
        assert.are.same({ "750", GROUP }, { mode, gid })
        mode, gid = mode_of(tree.socket)
        assert.are.same({ "660", GROUP }, { mode, gid })
        local _, out = call_as(tree, MEMBER, GROUP, "hello")
        assert.are.same({ "read", MEMBER }, { cjson.decode(out).role, cjson.decode(out).uid })

        local web = tree:running "web"
        local _, listed = call_as(tree, MEMBER, GROUP, "methods")
        local arguments = {
            explain = { path = "web" }, environment = { path = "web" }, wait = { paths = { "web" } },
            start = { paths = { "web" } }, stop = { paths = { "web" } }, restart = { paths = { "web" } },
            signal = { paths = { "web" }, signal = "KILL" }, cancel = { stream = 1 },
        }
        local seen = { read = 0, write = 0 }
        for _, method in ipairs(cjson.decode(listed).methods) do
            local code, text, err = call_as(tree, MEMBER, GROUP, method.name, arguments[method.name])
            seen[method.role] = seen[method.role] + 1
            if method.role == "write" then
                assert.are.equal(5, code, method.name)
                assert.matches("may only look", err, 1, true)
                assert.is_nil(text:find "word")
            elseif arguments[method.name] or not method.params[1] or not method.params[1].required then
                assert.is_true(code == 0 or method.name == "cancel" and code == 4, method.name .. err)
            end
        end
        assert.is_true(seen.read >= 8 and seen.write >= 5)
        assert.are.equal(web, tree:running "web")
        local code = call_as(tree, STRANGER, STRANGER, "hello")
        assert.are.equal(5, code)
    end)
end)
