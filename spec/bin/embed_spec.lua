-- Programs that hold suptree as a library: the examples, what `cmake --install` leaves, and a program that is killed.
local live = require "spec.support.live"
local uv = require "luv"

local build = assert(uv.fs_realpath(os.getenv "SUPTREE_BUILD" or "build"))
local lua = os.getenv "SUPTREE_LUA" or "lua5.4"
local is_plain = not lua:find "/" -- else everything is sanitized, and only a sanitized program can load it

--- Runs a line of the shell; its output and whether it ended well.
local function run(line)
    local pipe = assert(io.popen(("( %s ) 2>&1 </dev/null"):format(line)))
    local output = pipe:read "a"
    return output, pipe:close()
end

local function run_well(line)
    local output, good = run(line)
    assert.is_true(good, line .. "\n" .. output)
    return output
end

local function check_demonstration(output)
    assert.matches("shop: Failed service 'flaky' %(.* failures of 5%.000000%), restarting: true, error: exit code 3",
        output)
    assert.matches("shop: Failed service 'worker' .* error: raised: .*out of luck", output)
    assert.matches("shop%s+has stopped", output)
end

describe("a program that embeds suptree", function()
    local folder

    before_each(function() folder = assert(uv.fs_mkdtemp("/tmp/suptree-embed-XXXXXX")) end)
    after_each(function() run("rm -rf " .. folder) end)

    it("is examples/embed-lua, in plain Lua", function()
        check_demonstration(run_well(("cd %s/examples/embed-lua && LUA_CPATH='%s/?.so' %s shop.lua"):format(live.root,
            build, lua)))
    end)

    if not is_plain then return end

    it("is examples/embed-c, against what was installed, by pkg-config and by CMake", function()
        local prefix = folder .. "/prefix"
        run_well(("cmake --install %s --prefix %s"):format(build, prefix))
        local libraries = run_well(("dirname $(find %s -name suptree.pc)"):format(prefix)):match "%S+"
        local pkgconfig = ("PKG_CONFIG_PATH=%s pkg-config"):format(libraries)
        run_well(("cc -Wall -Wextra -Werror %s/examples/embed-c/main.c $(%s --cflags --libs suptree) -o %s/shop")
            :format(live.root, pkgconfig, folder))
        check_demonstration(run_well(("LD_LIBRARY_PATH=%s/.. %s/shop"):format(libraries, folder)))
        run_well(("cmake -S %s/examples/embed-c -B %s/b -DCMAKE_PREFIX_PATH=%s && cmake --build %s/b"):format(live.root,
            folder, prefix, folder))
        check_demonstration(run_well(folder .. "/b/shop"))
        local module = run_well(("dirname $(find %s/lib* -path '*lua*' -name suptree.so)"):format(prefix)):match "%S+"
        local line = "cd %s/examples/embed-lua && LUA_CPATH='%s/?.so' lua5.4 shop.lua"
        check_demonstration(run_well(line:format(live.root,
            module)))
    end)
end)
