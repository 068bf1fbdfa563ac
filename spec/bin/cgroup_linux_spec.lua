-- Limits of cgroups for real, in a Linux of its own: User-Mode Linux (Debian's package user-mode-linux) runs as a plain
-- program, with our files as its own and all controllers of cgroup v2. Where it is not installed, cgroup_spec.lua alone
-- speaks for them.
local cjson = require "cjson"
local live = require "spec.support.live"
local uv = require "luv"

local LINUX = "/usr/bin/linux.uml"

local CONFIG = [[
local s = require "suptree"
return s.supervisor "tree" { timeout = "5s",
    s.process "hog" { restart_delay = "10m", cgroup = { memory_max = "16MiB", swap_max = 0 },
        command = { "lua5.4", "-e", "local t = {} for i = 1, 400 do t[i] = ('x'):rep(1 << 20) end" } },
    s.process "crowd" { restart_delay = "10m", cgroup = { pids_max = 8 },
        command = "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo all; wait" },
    s.process "calm" { cgroup = { memory_max = "32MiB", cpu_max = "50%" }, command = { "sleep", "1000" } },
    s.process "kept" { kill_mode = "process", cgroup = { pids_max = 20 }, command = { "sleep", "1000" } },
}]]

-- What happens there: a tree in a cgroup of its own, as the user with that number. Its output ends up in FOLDER/out.
local JOB = [[
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmp /run
mount -t cgroup2 none /sys/fs/cgroup
box=/sys/fs/cgroup/box
mkdir $box
echo "+cpu +memory +pids" > /sys/fs/cgroup/cgroup.subtree_control
chown %UID% $box $box/cgroup.procs $box/cgroup.subtree_control
mkdir /run/tree; cp %FOLDER%/supervise.lua /run/tree; chown -R %UID% /run/tree; chmod 755 /run
export XDG_RUNTIME_DIR=/run/tree
suptree() { setpriv --reuid=%UID% --regid=%UID% --clear-groups %PROGRAM% "$@"; }
until_it() { i=0; until "$@"; do i=$((i + 1)); [ $i -lt 600 ] || return 1; sleep 0.1; done; }
ended() { grep -q "\"type\":\"ended\",\"path\":\"$1\"" /run/tree/events; }
limits() { echo "limits $(cat $box/suptree-*/*/memory.max | sort -u | tr '\n' ' ')"; }
{
    (sh -c 'echo $$ > /sys/fs/cgroup/box/cgroup.procs; exec "$@"' sh \
        setpriv --reuid=%UID% --regid=%UID% --clear-groups %PROGRAM% run /run/tree/supervise.lua \
        --events /run/tree/events) &
    until_it [ -e /run/tree/events ]
    until_it ended hog
    until_it ended crowd
    echo "above [$(cat $box/cgroup.procs)]"
    limits
    suptree status --json
    sed -i 's/32MiB/24MiB/' /run/tree/supervise.lua
    suptree reload
    until_it sh -c "grep -q 25165824 $box/suptree-*/*/memory.max"
    limits
    suptree shutdown
    wait
    echo "left [$(find $box -name 'suptree*')]"
    cat /run/tree/events
} > %FOLDER%/out 2>&1
sync
echo o > /proc/sysrq-trigger
sleep 100
]]

local function run_there(uid)
    local folder = live.folder()
    live.write_file(folder .. "/supervise.lua", CONFIG)
    local job = JOB:gsub("%%(%u+)%%", { UID = ("%d"):format(uid), FOLDER = folder, PROGRAM = live.program })
    live.write_file(folder .. "/init", "#!/bin/sh\n" .. job, "755")
    live.run({ LINUX, "mem=256M", "rootfstype=hostfs", "rw", "init=" .. folder .. "/init", "con=null",
        "con0=null,null", "quiet", "uml_dir=" .. folder .. "/uml" })
    return live.read_file(folder .. "/out") or "nothing"
end

describe("limits of cgroups, in a Linux that has all controllers,", function()
    after_each(live.clean)

    local function event_of(out, path, kind)
        for line in out:gmatch "[^\n]+" do
            local event = line:sub(1, 7) == '{"seq":' and cjson.decode(line)
            if event and event.path == path and event.type == kind then return event end
        end
        error(("no %s of %s in\n%s"):format(kind, path, out))
    end

    it("hold, for a user to whom a cgroup was given", function()
        if not uv.fs_stat(LINUX) then return pending "there is no user-mode-linux" end
        if live.sanitized then return pending "there is too little room in it for sanitizers" end
        if uv.getuid() ~= 0 then return pending "its files are ours: root's alone may be those of a system" end
        local out = run_there(65534)
        local hog = event_of(out, "hog", "ended")
        assert.are.equal("killed for lack of memory (memory_max 16MiB)", hog.reason, out)
        assert.are.equal(16 * 1024 * 1024, hog.memory_peak)
        assert.matches("crowd +| [^\n]*Cannot fork", out)
        assert.is_nil(out:find("do[es]* not hold"), out)
        assert.matches("above []\n", out, 1, true)
        assert.matches("limits 33554432 max \n", out, 1, true)
        assert.matches("limits 25165824 max \n", out, 1, true)
        assert.matches("tree has ended[^\n]*: exit code 0", out)
        assert.matches("left []\n", out, 1, true)
    end)
end)
