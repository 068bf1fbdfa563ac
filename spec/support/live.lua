--- Trees of real processes for the black-box specs: `suptree run` in a folder of its own, its events and its output,
-- waiting for conditions with a generous bound. Call live.clean() after each test: it ends what still runs, and fails
-- when a process is left behind.
local cjson = require "cjson"
local proc = require "spec.support.proc"
local uv = require "luv"

local live = {}

--- How long anything may take before a test gives up, in seconds.
live.patience = 120

local TAG = "SPEC_TREE" -- in the environment of everything that a spec starts
local tags = 0
local opened = {}

local function absolute(path)
    return path:match "^/" and path or assert(uv.cwd()) .. "/" .. path
end

live.build = absolute(os.getenv "SUPTREE_BUILD" or "build")
live.program = live.build .. "/suptree"
live.root = assert(uv.cwd())

--- Is this the build with sanitizers? Then counts are modest.
live.sanitized = uv.fs_stat(live.build .. "/lua") ~= nil
--- With the thread sanitizer?
live.tsan = live.build:match "%-tsan$" ~= nil

function live.read_file(path)
    local file = io.open(path, "rb")
    if not file then return nil end
    local text = file:read "a"
    file:close()
    return text
end

function live.write_file(path, text, mode)
    local folder = path:match "^(.*)/"
    if not uv.fs_stat(folder) then assert(uv.fs_mkdir(folder, tonumber("755", 8))) end
    local file = assert(io.open(path, "wb"))
    assert(file:write(text))
    assert(file:close())
    if mode then assert(uv.fs_chmod(path, tonumber(mode, 8))) end
    return path
end

--- Run the loop until `condition` returns a true value, which is returned. `what` says what was awaited, for the
-- message; it may be a function.
function live.wait(what, condition, seconds)
    local deadline = uv.hrtime() + (seconds or live.patience) * 1e9
    local timer = assert(uv.new_timer())
    timer:start(0, 5, function() end)
    local ok, result = pcall(function()
        while true do
            local result = condition()
            if result or uv.hrtime() > deadline then return result end
            uv.run "once"
        end
    end)
    timer:close()
    uv.run "nowait" -- closes it
    if ok and result then return result end
    error(ok and "waited in vain for " .. (type(what) == "function" and what() or what) or result, 2)
end

--- A folder that live.clean removes.
function live.folder()
    local path = assert(uv.fs_mkdtemp((os.getenv "TMPDIR" or "/tmp") .. "/suptree-spec.XXXXXX"))
    opened[#opened + 1] = { folder = path }
    return path
end

-- --- processes ------------------------------------------------------------------------------------------------------

local process = {}
process.__index = process

local function collect(self, name)
    local pipe = assert(uv.new_pipe(false))
    self[name] = ""
    return pipe, function()
        self.open = self.open + 1
        pipe:read_start(function(_, chunk)
            if chunk then
                self[name] = self[name] .. chunk
            elseif not pipe:is_closing() then
                pipe:close()
                self.open = self.open - 1
            end
        end)
    end
end

local function environment(extra)
    local all, list = uv.os_environ(), {}
    for name, value in pairs(extra) do all[name] = value or nil end
    for name, value in pairs(all) do list[#list + 1] = name .. "=" .. value end
    return list
end

-- Control sockets of one spec are not those of another. Under the runner's own folder, by which it finds what was left
-- behind.
local runtime
local function runtime_folder()
    if not runtime then
        local base = os.getenv "XDG_RUNTIME_DIR" or os.getenv "TMPDIR" or "/tmp"
        runtime = assert(uv.fs_mkdtemp(base .. "/spec.XXXXXX"))
    end
    return runtime
end

--- Start a program. `options`: env (name -> value, false removes), cwd. Fields of what is returned: pid, out and err
-- (what it has written so far), code and signal once it has ended.
function live.spawn(words, options)
    options = options or {}
    tags = tags + 1
    local self = setmetatable({ open = 0, words = words }, process)
    self.tag = ("%d.%d"):format(uv.os_getpid(), tags)
    local env = { [TAG] = self.tag, XDG_RUNTIME_DIR = runtime_folder() }
    for name, value in pairs(options.env or {}) do env[name] = value end
    local out, read_out = collect(self, "out")
    local err, read_err = collect(self, "err")
    -- If the test is killed, what it started is asked to end.
    local handle, pid = uv.spawn("/usr/bin/setpriv", {
        args = table.move(words, 1, #words, 3, { "--pdeathsig", "TERM" }),
        env = environment(env),
        cwd = options.cwd,
        detached = true, -- a process group of its own: a whole foreground group can be signalled
        stdio = { options.stdin, out, err },
    }, function(code, signal)
        self.code, self.signal = code, signal
        self.handle:close()
    end)
    if not handle then
        out:close()
        err:close()
        uv.run "nowait" -- closes them
        error(("cannot run %s: %s"):format(words[1], pid), 2)
    end
    self.handle, self.pid = handle, pid
    read_out()
    read_err()
    opened[#opened + 1] = self
    return self
end

--- Wait for its end and for the end of its output. Returns the exit code, or nil and the signal.
function process:wait(seconds)
    live.wait(function()
        return ("the end of %s\n--- output\n%s--- errors\n%s"):format(table.concat(self.words, " "), self.out, self.err)
    end, function() return self.code and self.open == 0 end, seconds)
    if self.signal ~= 0 then return nil, self.signal end
    return self.code
end

function process:kill(signal) return uv.kill(self.pid, "sig" .. signal:lower()) end

--- Signal its whole process group, as a terminal does.
function process:kill_group(signal) return uv.kill(-self.pid, "sig" .. signal:lower()) end

--- Wait until its output (or errors) holds the plain text.
function process:await_text(text, name)
    name = name or "out"
    live.wait(function() return ("%q in its output, which is:\n%s"):format(text, self[name]) end,
        function() return self[name]:find(text, 1, true) end)
end

--- Pids of all that carry its tag: its own, its children's, wherever they have gone.
function process:family() return proc.with_environment(TAG, self.tag) end

--- Run a program to its end: code, output, errors.
function live.run(words, options)
    local self = live.spawn(words, options)
    local code, signal = self:wait()
    return code, self.out, self.err, signal
end

-- --- trees ----------------------------------------------------------------------------------------------------------

local tree = setmetatable({}, { __index = process })
tree.__index = tree

--- `suptree run` of a configuration, given as text (nil: of its folder, as `files` make it). `options`: files
-- (name -> text) beside it, args, env, program,
-- events = false (no --events), before (words that stand before the program), made (told the folder when all is in it).
function live.tree(config, options)
    options = options or {}
    local folder = live.folder()
    if config then live.write_file(folder .. "/supervise.lua", config) end
    for name, text in pairs(options.files or {}) do live.write_file(folder .. "/" .. name, text) end
    if options.made then options.made(folder) end
    local words = table.move(options.before or {}, 1, #(options.before or {}), 1, {})
    for _, word in ipairs { options.program or live.program, "run", config and folder .. "/supervise.lua" or folder } do
        words[#words + 1] = word
    end
    if options.events ~= false then
        words[#words + 1] = "--events"
        words[#words + 1] = folder .. "/events.jsonl"
    end
    for _, word in ipairs(options.args or {}) do words[#words + 1] = word end
    local self = setmetatable(live.spawn(words, { env = options.env, cwd = folder }), tree)
    self.folder = folder
    return self:read_again()
end

--- Wait for a line as it is shown: "name | line", the name filled up with blanks.
function tree:await_line(name, line)
    live.wait(function()
        return ("the line %q of %s in its output, which is:\n%s%s"):format(line, name, self.out, self.err)
    end, function() return self:count_lines(name, line) > 0 end)
end

--- How often the line is shown.
function tree:count_lines(name, line)
    local count = 0
    for shown, text in self.out:gmatch "([^\n]-) *| ([^\n]*)\n" do
        if shown == name and text == line then count = count + 1 end
    end
    return count
end

local function read_events(self)
    local file = io.open(self.folder .. "/events.jsonl", "rb")
    if not file then return end
    file:seek("set", self.taken)
    local text = file:read "a"
    file:close()
    for line in text:gmatch "([^\n]*)\n" do
        self.taken = self.taken + #line + 1
        local event = cjson.decode(line)
        self.every[#self.every + 1] = event
        if not self.numbers[event.seq] then
            self.numbers[event.seq] = true
            self.seen[#self.seen + 1] = event
        end
    end
end

--- Forget what was read, and read the file again.
function tree:read_again()
    self.seen, self.every, self.numbers, self.taken = {}, {}, {}, 0
    return self
end

--- All events so far, each once: when a host dies, the next one may say its last words again.
function tree:events()
    read_events(self)
    return self.seen
end

--- All events so far as they stand in the file.
function tree:every_event()
    read_events(self)
    return self.every
end

local function fits(event, wanted)
    for key, value in pairs(wanted) do
        if event[key] ~= value then return false end
    end
    return true
end

--- The events whose fields are as in `wanted`.
function tree:all(wanted)
    local found = {}
    for _, event in ipairs(self:events()) do
        if fits(event, wanted) then found[#found + 1] = event end
    end
    return found
end

local function show(wanted)
    local words = {}
    for key, value in pairs(wanted) do words[#words + 1] = key .. "=" .. tostring(value) end
    table.sort(words)
    return table.concat(words, " ")
end

--- Wait for the `number`-th (default: first) event whose fields are as in `wanted`; returns it.
function tree:await(wanted, number)
    return live.wait(function()
        return ("event %d of %s%s\n--- output\n%s--- errors\n%s--- events\n%s"):format(number or 1, show(wanted),
            self.code and (", but it has ended with code " .. self.code) or "", self.out, self.err,
            live.read_file(self.folder .. "/events.jsonl") or "none\n")
    end, function()
        local found = self:all(wanted)[number or 1]
        if not found and self.code and self.open == 0 then
            error("the tree has ended early:\n" .. self.out .. self.err)
        end
        return found
    end)
end

local function child_named(self, fitting)
    for _, pid in ipairs(proc.children(self.pid)) do
        if fitting(pid) then return pid end
    end
end

--- Pid of the host that lives now, or nil.
function tree:host()
    return child_named(self, function(pid)
        return proc.name(pid) == "suptree" and proc.lives(pid) and proc.words(pid)[2] == "host"
    end)
end

function tree:logger() return self:child "suptree-log" end

--- Pid of the keeper's living child whose program has this name.
function tree:child(name)
    return child_named(self, function(pid) return proc.name(pid) == name and proc.lives(pid) end)
end

-- The environment of a living process. One that becomes another program shows none for a moment.
local function environment_of(pid)
    local deadline = uv.hrtime() + live.patience * 1e9
    local env = proc.environment(pid)
    while not next(env) and proc.lives(pid) and uv.hrtime() < deadline do
        uv.sleep(1)
        env = proc.environment(pid)
    end
    return env
end

--- Pid of the service's living process, by its environment.
function tree:service(path)
    return child_named(self, function(pid)
        return proc.lives(pid) and environment_of(pid).SUPTREE_PATH == path
    end)
end

--- The same, when it is known that there will be one.
function tree:running(path)
    return live.wait("the process of " .. path, function() return self:service(path) end)
end

--- Kill the host and wait for the next one; returns its pid.
function tree:kill_host()
    local former = live.wait("a host", function() return self:host() end)
    uv.kill(former, "sigkill")
    return live.wait("a new host", function()
        local host = self:host()
        return host ~= former and host
    end)
end

--- Ask it to stop and wait; returns the exit code.
function tree:stop(signal)
    self:kill(signal or "TERM")
    return self:wait()
end

--- Numbers of the threads of a process.
function live.threads(pid)
    local list = {}
    local scan = uv.fs_scandir(("/proc/%d/task"):format(pid))
    for name in function() return scan and uv.fs_scandir_next(scan) end do
        list[#list + 1] = math.tointeger(tonumber(name))
    end
    return list
end

--- The scheduling policy of a thread: 0 the usual one, 5 SCHED_IDLE.
function live.policy(pid, tid)
    local stat = live.read_file(("/proc/%d/task/%d/stat"):format(pid, tid)) or ""
    local fields = {}
    for field in (stat:match "^.*%) (.*)$" or ""):gmatch "%S+" do fields[#fields + 1] = field end
    return tonumber(fields[39])
end

-- --- another installation --------------------------------------------------------------------------------------------

local function shell_quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

--- A folder with the program and a keeper to which more words are given, such as { "--test-eager" }: what stands
-- later wins. `before`: lines of shell that come first. Returns the path of the program in it.
function live.installation(keeper_words, before)
    local folder = live.folder()
    assert(uv.fs_copyfile(live.program, folder .. "/suptree"))
    local words = {}
    for i, word in ipairs(keeper_words) do words[i] = shell_quote(word) end
    live.write_file(folder .. "/suptree-keeper", ('#!/bin/sh\n%s\nexec %s "$@" %s\n'):format(before or "",
        shell_quote(live.build .. "/suptree-keeper"), table.concat(words, " ")), "755")
    return folder .. "/suptree"
end

--- A port of this machine that nobody uses: not one of those that the kernel gives to whoever asks for any, and not one
-- that specs beside this one come upon.
local ports = 0
function live.port()
    while true do
        ports = ports + 1
        local port = 10000 + math.tointeger(uv.os_getpid() * 8 + ports) % 20000
        local server = uv.new_tcp()
        local good = server:bind("127.0.0.1", port) and server:listen(1, function() end)
        server:close()
        uv.run "nowait" -- closes it
        if good then return port end
    end
end

--- The control socket of the tree called `name`.
function live.socket(name) return runtime_folder() .. "/suptree/" .. name .. ".sock" end

--- Connect to the control socket of the tree called `name`; see spec/support/control.lua. It is closed by live.clean.
function live.connect(name)
    local client = require "spec.support.control".connect(live.socket(name))
    opened[#opened + 1] = { client = client }
    return client
end

-- --- the end of a test -----------------------------------------------------------------------------------------------

-- What is left of its family after its own end, as lines; that is killed. One that still runs is asked to end first.
local function end_process(self)
    local left = {}
    if not self.code then
        self:kill "TERM"
        if not pcall(live.wait, "its end", function() return self.code end) then self:kill "KILL" end
        live.wait("its end", function() return self.code end)
    end
    -- What has just been killed may take a moment to go.
    pcall(live.wait, "nothing", function() return #self:family() == 0 end, live.patience / 2)
    for _, pid in ipairs(self:family()) do
        left[#left + 1] = ("pid %d: %s"):format(pid, table.concat(proc.words(pid), " "))
        uv.kill(pid, "sigkill")
    end
    live.wait("the end of what was killed", function() return #self:family() == 0 end)
    return left
end

--- End everything and remove the folders. Raises when something has left a process behind.
function live.clean()
    local left, folders = {}, {}
    for _, one in ipairs(opened) do
        if one.pid then
            for _, line in ipairs(end_process(one)) do left[#left + 1] = line end
        elseif one.client then
            one.client:close()
        else
            folders[#folders + 1] = one.folder
        end
    end
    opened = {}
    if package.loaded["spec.support.control"] then require "spec.support.control".clean() end
    uv.run "nowait" -- closes what was closed
    if runtime then folders[#folders + 1] = runtime end
    runtime = nil
    for _, folder in ipairs(folders) do os.execute("rm -rf " .. shell_quote(folder)) end
    if #left > 0 then error("processes were left behind:\n" .. table.concat(left, "\n"), 2) end
end

return live
