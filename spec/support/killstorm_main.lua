-- killstorm_main.lua KILLS [SEED]: what script/killstorm runs.
local killstorm = require "spec.support.killstorm"
local live = require "spec.support.live"

local kills, seed = tonumber(arg[1]), tonumber(arg[2]) or os.time()
if not kills or kills < 1 then
    io.stderr:write "killstorm: the number of kills is to be 1 or more\n"
    os.exit(2)
end
print(("killstorm: %d kills, seed %d"):format(kills, seed))
local ok, storm = pcall(killstorm.run, { kills = kills, seed = seed, loggers = 15, in_stop = 6 })
local found, counted
if ok then found, counted = killstorm.check(storm) else found = { tostring(storm) } end
local clean, left = pcall(live.clean)
if not clean then found[#found + 1] = tostring(left) end
for i = 1, math.min(#found, 40) do print("WRONG: " .. found[i]) end
if counted then print(killstorm.summary(counted)) end
print(#found == 0 and "nothing was lost, nothing was restarted" or #found .. " things were wrong")
os.exit(#found == 0, true)
