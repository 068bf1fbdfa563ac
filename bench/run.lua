-- bench/run.lua: the table of the README. Each figure stands beside a floor that was measured in the same run: a bare
-- loop of posix_spawn and waitpid (bench/floor.c), with the same service program under the same conditions, seen from
-- outside by the same bench/measure.c. script/bench builds and runs it.
local usage = [[
Usage: script/bench [--markdown] [--rounds N] [--services N] [--kills N] [--idle SECONDS] [--rate SECONDS]
                    [--pour MIB] [--questions N] [--threads N]

Defaults: 3 rounds, 1000 services, 60 kills, 10 s idle, 3 s of starts, 512 MiB poured, 100 questions,
1000 threads.
The ratio is the median of the rounds' ratios.
--markdown prints the table as it stands in the README.]]

local build = os.getenv "SUPTREE_BUILD" or "build"
local options = {
    rounds = 3, services = 1000, kills = 60, idle = 10, rate = 3, pour = 512, questions = 100, threads = 1000,
}

local function read_arguments()
    local i = 1
    while arg[i] do
        local name = arg[i]:match "^%-%-(%a+)$"
        if name == "help" then
            print(usage)
            os.exit(0)
        elseif name == "markdown" then
            options.markdown = true
        elseif name and options[name] and math.tointeger(tonumber(arg[i + 1])) then
            options[name] = math.tointeger(tonumber(arg[i + 1]))
            i = i + 1
        else
            io.stderr:write(("run.lua: what is %s?\n"):format(arg[i]), usage, "\n")
            os.exit(2)
        end
        i = i + 1
    end
end

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

local function command(...)
    local words = {}
    for _, word in ipairs { ... } do words[#words + 1] = quote(tostring(word)) end
    return table.concat(words, " ")
end

local function output_of(line)
    local pipe = assert(io.popen(line))
    local text = pipe:read "a"
    local ok, _, code = pipe:close()
    if not ok then
        io.stderr:write(("bench: this ended with %s: %s\n"):format(code, line))
        os.exit(1)
    end
    return text
end

--- A tree of as many services, whose failures never make it pause.
local function write_tree(path, count, argument)
    local file = assert(io.open(path, "w"))
    file:write('local s = require "suptree"\n',
        'local tree = { failure_threshold = 1e9, failure_decay = "1s", timeout = "30s" }\n',
        ('for i = 0, %d do\n'):format(count - 1),
        ('    tree[i + 1] = s.process("service-" .. i) { command = { %q, tostring(i), %s } }\n'):format(
            build .. "/bench/service", argument and ("%q"):format(argument) or "nil"),
        'end\n',
        'return s.supervisor "bench" (tree)\n')
    assert(file:close())
end

--- Runs `measure`, returns its figures by name.
local function measure(...)
    local figures = {}
    for key, value in output_of(command(build .. "/bench/measure", ...)):gmatch "(%S+) (%S+)\n" do
        figures[key] = tonumber(value)
    end
    return figures
end

local function floor_words(count, argument)
    return { build .. "/bench/floor", count, build .. "/bench/service", argument }
end

local function own_words(folder, count, argument)
    local tree = folder .. "/supervise.lua"
    write_tree(tree, count, argument)
    -- Several benches may run at the same time: a name is for one tree.
    return { build .. "/suptree", "run", tree, "--quiet", "--name", folder:match "[^/.]+$" }
end

local function joined(...)
    local all = {}
    for _, words in ipairs { ... } do table.move(words, 1, #words, #all + 1, all) end
    return table.unpack(all)
end

local STAMP = 28 -- bytes of an iso8601 time before a line

--- W6: bytes a second of a service's lines into a file, with `log` or by `cat >file`; both write 4 KiB at a time.
local function pour(folder, more, log)
    local file, pourer = folder .. "/poured.log", build .. "/bench/pour"
    local lines = { pourer, "lines", options.pour, 4096 }
    local words = { "sh", "-c", command(table.unpack(lines)) .. " | cat >" .. quote(file) }
    if log then
        local tree = assert(io.open(folder .. "/supervise.lua", "w"))
        tree:write('local s = require "suptree"\n',
            ('return s.supervisor "bench" { s.process "pour" { restart = "temporary", log = %s,\n'):format(
                log:format(file)),
            ('    command = { %q, "lines", "%d", "4096" } } }\n'):format(pourer, options.pour))
        assert(tree:close())
        words = { build .. "/suptree", "run", folder .. "/supervise.lua", "--quiet" }
    end
    local rate = output_of(command(pourer, "time", options.pour, more, file, table.unpack(words))):match "pour (%d+)"
    os.remove(file)
    return tonumber(rate)
end

--- W7: how long it takes to ask a tree of as many services, beside programs that do nothing.
local function ask(folder, count)
    local tree = folder .. "/asked.lua"
    local file = assert(io.open(tree, "w"))
    file:write('local s = require "suptree"\nlocal tree = {}\n',
        ('for i = 1, %d do tree[i] = s.process("service-" .. i) { command = { "sleep", "infinity" } } end\n'):format(
            count),
        'return s.supervisor "asked" (tree)\n')
    assert(file:close())
    local suptree = build .. "/suptree"
    local function cli(...) return command("env", "XDG_RUNTIME_DIR=" .. folder, suptree, ...) end
    local up = ("i=0; until %s 2>/dev/null; do i=$((i + 1)); [ $i -lt 600 ] || exit 1; sleep 0.1; done"):format(
        cli("is-ready", "-q", "."))
    local ready = os.execute(cli("run", tree, "--quiet") .. " & " .. up)
    local text = ready and output_of(command("env", "XDG_RUNTIME_DIR=" .. folder, build .. "/bench/ask",
        options.questions, "true", "--", "lua5.4", "-e", "", "--", suptree, "status", "--", suptree, "status",
        "service-" .. count) .. " || { " .. cli "shutdown" .. " >&2; exit 1; }") or ""
    os.execute(cli "shutdown" .. " >/dev/null")
    local times = {}
    for p50 in text:gmatch "(%d+) %d+\n" do times[#times + 1] = tonumber(p50) end
    if #times == 4 then return { nothing = times[1], lua = times[2], all = times[3], one = times[4] } end
    io.stderr:write "bench: the tree of W7 did not answer\n"
    os.exit(1)
end

-- Runs `check(cli)` while a tree of thread services runs; cli(…) is a command line that speaks with it. Returns the
-- nanoseconds from the command until it is ready, what `check` returns, and the nanoseconds of its stop.
local function with_threads(folder, children, check)
    local tree = folder .. "/threads.lua"
    local file = assert(io.open(tree, "w"))
    file:write('local s = require "suptree"\nlocal tree = { failure_threshold = 1e9, failure_decay = "1s" }\n',
        children, '\nreturn s.supervisor "threads" (tree)\n')
    assert(file:close())
    local function cli(...) return command("env", "XDG_RUNTIME_DIR=" .. folder, build .. "/suptree", ...) end
    local function clock() return tonumber((output_of "date +%s%N")) end
    local began = clock()
    local ready = os.execute(cli("run", tree, "--quiet") .. (" & i=0; until %s 2>/dev/null; do i=$((i + 1)); "
        .. "[ $i -lt 3000 ] || exit 1; sleep 0.02; done"):format(cli("is-ready", "-q", ".")))
    if not ready then
        io.stderr:write "bench: the tree of threads did not start\n"
        os.exit(1)
    end
    local start, result = clock() - began, check(cli)
    began = clock()
    output_of(cli "shutdown")
    return start, result, clock() - began
end

-- The number behind "NAME": in a reply.
local function field(text, name) return tonumber(text:match('"' .. name .. '":([%d.e+-]+)')) end

--- W9: runs a second of a service in Lua that fails at once, a fresh state each time.
local function restart_threads(folder)
    local failing = 'tree[1] = s.thread "bad" { run = function() error "as it must" end }'
    local _, rate = with_threads(folder, failing, function(cli)
        local question = cli("rpc", "status", '{"paths":["bad"]}')
        local first = output_of(question)
        os.execute("sleep " .. options.rate)
        local last = output_of(question)
        return (field(last, "generation") - field(first, "generation")) / (field(last, "time") - field(first, "time"))
    end)
    return rate
end

--- W10: services on threads that do nothing.
local function hold_threads(folder, count)
    local start, kib, stop = with_threads(folder, ('for i = 1, %d do tree[i] = s.thread("idle-" .. i) { run = '
        .. 'function(ctx) ctx:sleep(1e6) end } end'):format(count), function(cli)
        local pid = field(output_of(cli("rpc", "hello")), "pid")
        return tonumber(output_of(("cat /proc/%d/smaps_rollup"):format(pid)):match "Pss:%s*(%d+)")
    end)
    return { start = start, kib = kib, stop = stop }
end

local function states(...)
    local figures = {}
    for key, value in output_of(command(build .. "/bench/states", ...)):gmatch "(%S+) (%S+)\n" do
        figures[key] = tonumber(value)
    end
    return figures
end

local function measure_threads(folder, keep)
    local same, fresh = states("same", options.rate).rate, states("thread", options.rate).rate
    local rate = restart_threads(folder)
    keep({ thread_same = same, thread_fresh = fresh }, { thread_same = rate, thread_fresh = rate })
    local n = options.threads
    local floor, own = states("hold", n), hold_threads(folder, n)
    local alone = hold_threads(folder, 1)
    keep({ hold_start = floor.start, hold_stop = floor.stop, hold_kib = floor.pss_kib / n },
        { hold_start = own.start, hold_stop = own.stop, hold_kib = (own.kib - alone.kib) / (n - 1) })
end

local function round(folder, sums)
    local function keep(floor, own)
        for key, value in pairs(own) do
            sums[key] = sums[key] or { own = {}, floor = {}, ratio = {} }
            local sum = sums[key]
            sum.own[#sum.own + 1] = value
            sum.floor[#sum.floor + 1] = floor[key]
            if floor[key] then sum.ratio[#sum.ratio + 1] = value / floor[key] end
        end
    end
    -- By turns in one run: both meet the same moments of the machine.
    local restarts = measure(joined({ "restart", options.kills }, floor_words(1), { "--" }, own_words(folder, 1)))
    keep({ restart_p50 = restarts.floor_restart_p50, restart_p99 = restarts.floor_restart_p99 },
        { restart_p50 = restarts.restart_p50, restart_p99 = restarts.restart_p99 })
    local n = options.services
    keep(measure(joined({ "many", n, 0 }, floor_words(n))),
        measure(joined({ "many", n, options.idle }, own_words(folder, n))))
    keep(measure(joined({ "rate", options.rate }, floor_words(1, "exit"))),
        measure(joined({ "rate", options.rate }, own_words(folder, 1, "exit"))))
    local cat = pour(folder, 0)
    keep({ pour_raw = cat, pour_stamped = cat }, {
        pour_raw = pour(folder, 0, "{ file = %q }"),
        pour_stamped = pour(folder, STAMP, '{ file = %q, timestamps = "iso8601" }'),
    })
    measure_threads(folder, keep)
    local asked = ask(folder, n)
    keep({ ask_all = asked.lua, ask_one = asked.lua, ask_nothing = asked.nothing },
        { ask_all = asked.all, ask_one = asked.one, ask_nothing = asked.lua })
end

local function median(values)
    table.sort(values)
    return values[(#values + 1) // 2]
end

local function milliseconds(ns) return ("%.2f ms"):format(ns / 1e6) end
local function mib_per_second(rate) return ("%.0f MiB/s"):format(rate / 1048576) end
local function kib(size) return ("%.1f KiB"):format(size) end
local function per_second(rate) return ("%.0f /s"):format(rate) end

local function rows(sums)
    local table_rows = {}
    local function row(what, key, show, aim)
        local sum = sums[key]
        table_rows[#table_rows + 1] = {
            what, show(median(sum.own)), show(median(sum.floor)), ("%.2fx"):format(median(sum.ratio)), aim,
        }
    end
    local n = options.services
    row("W1 kill -9 to the next one's first instruction, p50", "restart_p50", milliseconds, "<= 1.2x")
    row(("W1 the same, p99 of %d"):format(options.kills), "restart_p99", milliseconds, "")
    row(("W2 %d services, from the command to the last one's first instruction"):format(n), "start", milliseconds,
        "<= 1.2x")
    table_rows[#table_rows + 1] = {
        "W2 memory of keeper, log and host (PSS)", ("%.1f MiB"):format(median(sums.pss_kib.own) / 1024),
        ("%.1f MiB"):format(median(sums.pss_kib.floor) / 1024), "", "<= 10 MiB",
    }
    if options.idle > 0 then
        local keeper, log, host = sums.wake_command, sums["wake_suptree-log"], sums.wake_suptree
        table_rows[#table_rows + 1] = {
            ("W2 wake-ups in %d s idle: keeper, log, host"):format(options.idle),
            ("%d, %d, %d"):format(median(keeper.own), median(log.own), median(host.own)),
            "", "", "the heartbeat's, each 3 s",
        }
    end
    row(("W3 all %d killed at once, until all are back"):format(n), "back", milliseconds, "<= 1.3x")
    row("W4 starts of a service that ends at once", "rate", per_second, ">= 0.9x")
    row(("W5 stop of %d"):format(n), "stop", milliseconds, "<= 2.5x")
    row(("W6 %d MiB of lines of 100 bytes into a file; the floor: cat >file"):format(options.pour), "pour_raw",
        mib_per_second, ">= 0.9x")
    row("W6 the same with a time before each line; the same floor", "pour_stamped", mib_per_second, ">= 0.5x")
    row(("W7 suptree status of %d, start included; the floor: lua5.4 -e ''"):format(n), "ask_all",
        milliseconds, "<= 20 ms")
    row(("W7 suptree status NAME, one of %d; the same floor"):format(n), "ask_one", milliseconds, "<= 5 ms")
    row("W7 lua5.4 -e ''; the floor: true", "ask_nothing", milliseconds, "")
    row("W9 runs of a Lua service that fails, a fresh state each; the floor: the same in C", "thread_same",
        per_second, ">= 0.8x")
    row("W9 the same; the floor: a new thread and state each", "thread_fresh", per_second, "")
    row(("W10 memory of one of %d idle thread services (PSS)"):format(options.threads), "hold_kib", kib, "<= 30 KiB")
    row(("W10 start of %d, from the command"):format(options.threads), "hold_start", milliseconds, "")
    row(("W10 stop of %d"):format(options.threads), "hold_stop", milliseconds, "")
    return table_rows
end

local function print_rows(table_rows)
    local heads = { "", "suptree", "floor", "ratio", "aim" }
    table.insert(table_rows, 1, heads)
    local width = {}
    for _, row in ipairs(table_rows) do
        for i, cell in ipairs(row) do width[i] = math.max(width[i] or 3, #cell) end
    end
    for number, row in ipairs(table_rows) do
        local cells = {}
        for i, cell in ipairs(row) do
            cells[i] = i == 1 and cell .. (" "):rep(width[i] - #cell) or (" "):rep(width[i] - #cell) .. cell
        end
        print(options.markdown and "| " .. table.concat(cells, " | ") .. " |" or table.concat(cells, "  "))
        if number == 1 and options.markdown then
            for i in ipairs(row) do cells[i] = ("-"):rep(width[i] - 1) .. (i == 1 and "-" or ":") end
            print("| " .. table.concat(cells, " | ") .. " |")
        end
    end
end

read_arguments()
if not build:match "^/" then build = output_of("pwd"):gsub("\n", "") .. "/" .. build end
local folder = output_of("mktemp -d /tmp/suptree-bench-run.XXXXXX"):gsub("\n", "")
local sums = {}
for number = 1, options.rounds do
    io.stderr:write(("round %d of %d\n"):format(number, options.rounds))
    round(folder, sums)
end
os.execute(command("rm", "-rf", folder))
print_rows(rows(sums))
