-- What `cmake --install` leaves, used as somebody would who has nothing else: by pkg-config, by CMake, from Lua, and as
-- a program.
local live = require "spec.support.live"
local shell = require "spec.support.shell"
local uv = require "luv"

local build = assert(uv.fs_realpath(os.getenv "SUPTREE_BUILD" or "build"))
local must = shell.must

describe("an installation", function()
    -- Only a program that is sanitized itself can load what is.
    if (os.getenv "SUPTREE_LUA" or "lua5.4"):find "/" then return pending "is used by plain programs" end

    local root, prefix, libraries, packages

    lazy_setup(function()
        root = assert(uv.fs_mkdtemp("/tmp/suptree-install-XXXXXX"))
        must("DESTDIR=%s/staged cmake --install %s", root, build)
        prefix = must("dirname $(dirname $(find %s/staged -name suptree-keeper))", root)
        packages = must("dirname $(find %s -name suptree.pc)", prefix)
        libraries = must("realpath %s/..", packages)
    end)

    lazy_teardown(function() shell.run("rm -rf " .. root) end)

    local function pkg_config(arguments)
        return must("PKG_CONFIG_PATH=%s pkg-config %s", packages, arguments)
    end

    local function check_demonstration(program, before)
        local output = must("%s %s/%s", before or "", root, program)
        assert.matches("shop: Failed service 'flaky' .* error: exit code 3", output)
        assert.matches("shop: Failed service 'worker' .* error: raised: out of luck", output)
        assert.matches("worker *| run 2", output)
        assert.matches("shop has stopped", output, 1, true)
    end

    it("has programs, libraries, a header and packages, which anybody may read and nobody change", function()
        local found = {}
        for line in must("cd %s && find . -type f -printf '%%m %%P\\n'", prefix):gmatch "[^\n]+" do
            local mode, path = line:match "^(%d+) (.*)$"
            found[path:match "[^/]*$"] = mode
        end
        local version = must("%s/bin/suptree version", prefix):match "[%d.]+"
        assert.are.same({
            suptree = "755", ["suptree-keeper"] = "755", ["suptree-log"] = "755", ["suptree.so"] = "644",
            ["libsuptree.a"] = "644", ["libsuptree.so." .. version] = "644", ["suptree.h"] = "644",
            ["suptree.pc"] = "644", ["suptree-config.cmake"] = "644", ["suptree-config-version.cmake"] = "644",
        }, found)
    end)

    it("knows nothing of where it was built, debug information apart", function()
        local output = shell.run(("grep -rlI -e %s -e %s %s"):format(build, live.root, prefix))
        assert.are.equal("", output)
    end)

    it("is found by pkg-config, for the shared library", function()
        must("cc -std=c17 -Wall -Wextra -Wpedantic -Werror %s/examples/embed-c/main.c %s -o %s/shared", live.root,
            pkg_config "--cflags --libs suptree", root)
        check_demonstration("shared", "LD_LIBRARY_PATH=" .. libraries)
    end)

    it("is found by pkg-config, for the static library", function()
        local rest = pkg_config "--static --libs libuv" .. " -pthread -ldl -lm"
        must("cc -std=c17 -Wall -Wextra -Werror %s/examples/embed-c/main.c %s -l:libsuptree.a %s -o %s/static",
            live.root, pkg_config "--cflags --libs-only-L suptree", rest, root)
        assert.is_nil(must("ldd %s/static", root):find "libsuptree")
        check_demonstration("static", ("PATH=%s/bin:$PATH"):format(prefix))
    end)

    it("is found by CMake, for both", function()
        check_demonstration("b/shop", must("cmake -S %s/examples/embed-c -B %s/b -DCMAKE_PREFIX_PATH=%s >%s/log && "
            .. "cmake --build %s/b >>%s/log", live.root, root, prefix, root, root, root))
        live.write_file(root .. "/CMakeLists.txt", ([[
            cmake_minimum_required(VERSION 3.16)
            project(shop LANGUAGES C)
            find_package(suptree 0.1 REQUIRED)
            add_executable(shop %s/examples/embed-c/main.c)
            target_link_libraries(shop PRIVATE suptree::static)
        ]]):format(live.root))
        must("cmake -S %s -B %s/s -DCMAKE_PREFIX_PATH=%s >%s/log && cmake --build %s/s >>%s/log", root, root, prefix,
            root, root, root)
        assert.is_nil(must("ldd %s/s/shop", root):find "libsuptree")
        check_demonstration("s/shop", ("PATH=%s/bin:$PATH"):format(prefix))
    end)

    it("of another version is refused by CMake", function()
        must("mkdir %s/other", root)
        live.write_file(root .. "/other/CMakeLists.txt", [[
            cmake_minimum_required(VERSION 3.16)
            project(shop LANGUAGES C)
            find_package(suptree 7.5 REQUIRED)
        ]])
        local output, good = shell.run(("cmake -S %s/other -B %s/o -DCMAKE_PREFIX_PATH=%s"):format(root, root, prefix))
        assert.is_nil(good)
        assert.matches("7.5", output, 1, true)
    end)

    it("has a module for Lua that finds its keeper", function()
        local module = must("dirname $(find %s -name suptree.so)", prefix)
        local output = must("cd %s/examples/embed-lua && LUA_CPATH='%s/?.so' lua5.4 shop.lua", live.root, module)
        assert.matches("shop%s+has stopped", output)
    end)

    it("has a suptree that finds its keeper and its log, also through a link", function()
        live.write_file(root .. "/supervise.lua", [[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "hello" { command = "echo here I am; exit 9", done_exit = { 0 }, terminate_exit = { 9 } },
                s.thread "worker" { run = function(ctx) while ctx:sleep(3600) do end end },
            }]])
        must("mkdir %s/links && ln -s %s/bin/suptree %s/links/suptree", root, prefix, root)
        for _, program in ipairs { prefix .. "/bin/suptree", root .. "/links/suptree" } do
            local output = shell.run(("%s run %s/supervise.lua"):format(program, root))
            assert.matches("hello *| here I am", output)
            assert.matches("tree has ended", output, 1, true)
        end
    end)
end)
