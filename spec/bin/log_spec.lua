-- Log files as a person sees them: what `log = { … }` makes of the output of real services.
local cjson = require "cjson"
local live = require "spec.support.live"
local uv = require "luv"

local ISO = "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d%d%d%dZ "

local function tree_of(services, options)
    return live.tree(([[
        local s = require "suptree"
        return s.supervisor "tree" { %s }]]):format(services), options)
end

-- The old files of `name` in the tree's folder, the oldest first.
local function old_files(tree, name)
    local found = {}
    for entry in uv.fs_scandir_next, assert(uv.fs_scandir(tree.folder)) do
        if entry:sub(1, #name + 1) == name .. "." and entry:match "%.%d+T%d+%.%d+Z$" then found[#found + 1] = entry end
    end
    table.sort(found)
    return found
end

-- All that was written to `name`; `check(file, text)` sees each file.
local function gather(tree, name, check)
    local parts = {}
    local files = old_files(tree, name)
    files[#files + 1] = name
    for place, file in ipairs(files) do
        local text = live.read_file(tree.folder .. "/" .. file) or ""
        if check then check(file, text) end
        parts[place] = text
    end
    return table.concat(parts)
end

local function await_file(tree, name, wanted)
    local function read() return live.read_file(tree.folder .. "/" .. name) end
    live.wait(function()
        return ("%s to hold %q; it holds %q"):format(name, wanted, read() or "nothing")
    end, function() return read() == wanted end)
end

local function numbers(from, to)
    local list = {}
    for i = from, to do list[#list + 1] = i .. "\n" end
    return table.concat(list)
end

describe("a log file", function()
    after_each(live.clean)

    it("ends with a whole line when it is full, and the newest old ones are kept", function()
        local lines = live.sanitized and 20000 or 100000
        local tree = tree_of(([[
            s.process "all" { restart = "temporary", command = "/usr/bin/seq 1 %d",
                log = { file = "all.log", max_size = "16KiB", max_files = 1000 } },
            s.process "few" { restart = "temporary", command = "/usr/bin/seq 1 %d",
                log = { file = "few.log", max_size = "16KiB", max_files = 2 } },
        ]]):format(lines, lines))
        tree:await { type = "ended", path = "all" }
        tree:await { type = "ended", path = "few" }
        assert.are.equal(0, tree:stop())
        local text = gather(tree, "all.log", function(file, part)
            assert.is_true(#part <= 16384, file)
            assert.are.equal("\n", part:sub(-1), file)
        end)
        assert.is_true(text == numbers(1, lines))
        assert.are.equal(2, #old_files(tree, "few.log"))
        local kept = gather(tree, "few.log")
        assert.is_true(numbers(1, lines):sub(-#kept) == kept)
    end)

    it("is begun anew when it is old and there is something to write", function()
        local tree = tree_of [[
            s.process "web" { command = "while :; do echo line; /bin/sleep 0.2; done",
                log = { file = "web.log", max_age = 1 } }]]
        live.wait("two old files", function() return #old_files(tree, "web.log") >= 2 end)
        assert.are.equal(0, tree:stop())
        assert.is_nil(gather(tree, "web.log"):gsub("line\n", ""):match ".")
    end)

    it("has the time before each line, and no byte is lost in a flood", function()
        local lines = live.sanitized and 5000 or 100000
        local tree = tree_of(([[
            s.process "iso" { restart = "temporary", command = "/usr/bin/seq 1 %d",
                log = { file = "iso.log", timestamps = "iso8601" } },
            s.process "tai" { restart = "temporary", command = "echo one; printf 'no newline'",
                log = { file = "tai.log", timestamps = "tai64n" } },
        ]]):format(lines))
        tree:await { type = "ended", path = "iso" }
        tree:await { type = "ended", path = "tai" }
        assert.are.equal(0, tree:stop())
        local count, former = 0, ""
        for line in live.read_file(tree.folder .. "/iso.log"):gmatch "([^\n]*)\n" do
            count = count + 1
            local stamp = line:match(ISO)
            if not stamp or line:sub(#stamp + 1) ~= tostring(count) or stamp < former then
                error(("line %d is %q"):format(count, line))
            end
            former = stamp
        end
        assert.are.equal(lines, count)
        assert.matches("^@40000000%x+ one\n@40000000%x+ no newline\n$", live.read_file(tree.folder .. "/tai.log"))
    end)

    it("can be JSON, an object a line", function()
        local tree = tree_of [[s.supervisor "shop" { s.process "web" { restart = "temporary",
            command = [=[printf 'say "hi"\n\n\303\251\377\033\n']=], log = { file = "web.log", format = "json" } } }]]
        tree:await { type = "ended", path = "shop/web" }
        assert.are.equal(0, tree:stop())
        local lines = {}
        for line in live.read_file(tree.folder .. "/web.log"):gmatch "([^\n]*)\n" do
            local object = cjson.decode(line)
            assert.matches("^%d%d%d%d%-%d%d%-%d%dT[%d:.]+Z$", object.time)
            assert.are.equal("shop/web", object.path)
            lines[#lines + 1] = object.line
        end
        assert.are.same({ 'say "hi"', "", "é\u{fffd}\27" }, lines)
    end)

    it("is opened anew when the keeper gets USR1", function()
        local tree = tree_of [[
            s.process "web" { command = "while read -r line; do echo $line; done < fifo", log = { file = "web.log" } }]]
        live.run { "mkfifo", tree.folder .. "/fifo" }
        local fifo
        live.wait("the service to read", function()
            fifo = uv.fs_open(tree.folder .. "/fifo", uv.constants.O_WRONLY + uv.constants.O_NONBLOCK, 0)
            return fifo
        end)
        local function write(text) assert(uv.fs_write(fifo, text)) end
        write "one\n"
        await_file(tree, "web.log", "one\n")
        assert(os.rename(tree.folder .. "/web.log", tree.folder .. "/moved.log"))
        write "two\n"
        await_file(tree, "moved.log", "one\ntwo\n")
        tree:kill "USR1"
        await_file(tree, "web.log", "")
        write "three\n"
        await_file(tree, "web.log", "three\n")
        uv.fs_close(fifo)
        assert.are.equal(0, tree:stop())
    end)

    it("is refused with the remedy when its path could be led elsewhere", function()
        local tree = tree_of([[s.process "web" { command = "echo one; exec /bin/sleep 1000",
            log = { file = "link/web.log" } }]], { files = { ["real/x"] = "" } })
        tree:await_text "web.log: No such file or directory; create its folder"
        assert(uv.fs_symlink("real", tree.folder .. "/link"))
        tree:kill "USR1"
        live.wait("a refusal", function() return tree.out:find("is a symbolic link", 1, true) end)
        assert.matches("web: cannot open " .. tree.folder .. "/link/web.log: ", tree.out, 1, true)
        assert.matches("write the path without it: " .. tree.folder .. "/real/web.log", tree.out, 1, true)
        assert.is_nil(live.read_file(tree.folder .. "/real/web.log"))
        assert(uv.fs_unlink(tree.folder .. "/link"))
        assert(os.rename(tree.folder .. "/real", tree.folder .. "/link"))
        tree:kill "USR1"
        await_file(tree, "link/web.log", "one\n")
        assert.are.equal(0, tree:stop())
    end)

    it("loses and doubles nothing when host and suptree-log are killed", function()
        local lines = live.sanitized and 3000 or 30000
        local tree = tree_of(([[
            s.process "raw" { restart = "temporary", log = { file = "raw.log", max_size = "64KiB", max_files = 1000 },
                command = "i=0; while [ $i -lt %d ]; do i=$((i+1)); echo $i; done" },
            s.process "iso" { restart = "temporary",
                log = { file = "iso.log", timestamps = "iso8601", max_size = "64KiB", max_files = 1000 },
                command = "i=0; while [ $i -lt %d ]; do i=$((i+1)); echo $i; done" },
        ]]):format(lines, lines))
        tree:await { type = "launched", path = "iso" }
        for i = 1, 3 do -- those after it wait longer for the next one
            local logger = live.wait("suptree-log", function() return tree:logger() end)
            uv.kill(logger, "sigkill")
            if i == 2 then tree:kill_host() end
            live.wait("the next suptree-log", function()
                local now = tree:logger()
                return now and now ~= logger
            end)
        end
        tree:await { type = "ended", path = "raw" }
        tree:await { type = "ended", path = "iso" }
        assert.are.equal(0, tree:stop())
        assert.is_true(gather(tree, "raw.log") == numbers(1, lines))
        local text = gather(tree, "iso.log"):gsub("[^\n]*\n", function(line)
            assert.matches(ISO, line)
            return (line:gsub(ISO, ""))
        end)
        assert.is_true(text == numbers(1, lines))
    end)
end)

describe("the output of a service as the input of another", function()
    after_each(live.clean)

    it("is read to its end, over restarts of both, and at the stop", function()
        local tree = tree_of [[
            s.process "web" { log = { to = "logger" },
                command = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo web $i; done; exec /bin/sleep 1000" },
            s.process "db" { restart = "temporary", command = "trap 'echo bye; exit 0' TERM; echo up; "
                .. "while :; do /bin/sleep 1000 & wait; done", log = { to = "logger" } },
            s.process "logger" { command = { "/bin/cat" }, log = { file = "all.log" } },
        ]]
        tree:await_line("logger", "web 100")
        for _, path in ipairs { "logger", "web", "db" } do tree:await { type = "launched", path = path } end
        local launched = {}
        for _, event in ipairs(tree:events()) do
            if event.type == "launched" and event.path ~= "." then launched[#launched + 1] = event.path end
        end
        assert.are.equal("logger", launched[1])
        uv.kill(tree:service "logger", "sigkill")
        tree:await { type = "launched", path = "logger", generation = 2 }
        uv.kill(tree:service "web", "sigkill")
        tree:await { type = "launched", path = "web", generation = 2 }
        live.wait("the second run's lines", function() return tree:count_lines("logger", "web 100") == 2 end)
        assert.are.equal(0, tree:stop())
        local text = live.read_file(tree.folder .. "/all.log")
        assert.matches("\nbye\n$", text) -- the last word of one who was stopped before the reader
        local _, count = text:gsub("web %d+\n", "")
        assert.are.equal(200, count)
        local ends = {}
        for _, event in ipairs(tree:events()) do
            if event.type == "ended" then ends[event.path] = event.code end
        end
        assert.are.equal(0, ends.logger) -- it was not killed: its input ended
    end)

    it("waits while nobody reads, also while host and suptree-log are killed", function()
        local tree = tree_of [[
            s.supervisor "group" { s.process "web" { restart = "temporary", command = "echo one; echo two",
                log = { to = "logger" } } },
            s.process "logger" { enabled = false, command = { "/bin/cat" } },
        ]]
        tree:await { type = "ended", path = "group/web" }
        local host = tree:kill_host()
        assert.is_truthy(host)
        tree:stop()
        assert.matches("logger has not read the last 8 bytes of what others wrote to it", tree.err, 1, true)
    end)
end)

describe("a mistake in log", function()
    after_each(live.clean)

    it("is told with the word that was meant, and the range", function()
        local folder = live.folder()
        live.write_file(folder .. "/supervise.lua", [[
            local s = require "suptree"
            return s.supervisor "tree" {
                s.process "a" { command = { "x" }, log = { file = "a.log", max_sise = "1MiB" } },
                s.process "b" { command = { "x" }, log = { file = "b.log", max_size = 10 } },
                s.process "c" { command = { "x" }, log = { timestamps = "iso8601" } },
                s.process "d" { command = { "x" }, log = { to = "bb" } },
            }]])
        local code, _, err = live.run { live.program, "check", folder }
        assert.are.equal(78, code)
        assert.matches('tree.a.log: has the unknown key "max_sise", did you mean "max_size"?', err, 1, true)
        assert.matches('tree.b.log: its max_size must be "4KiB" at least', err, 1, true)
        assert.matches("tree.c.log.timestamps: means nothing without a file", err, 1, true)
        assert.matches('tree.d.log.to: there is no service "bb", did you mean "b"?', err, 1, true)
    end)
end)
