--- What the specs of the core share: short declarations, and simulations read as lists of words.
local suptree = require "suptree"

local world = { round_trip = false }

--- A process that needs no more than a name.
function world.process(name, options)
    options = options or {}
    options.command = options.command or { "./" .. name }
    return suptree.process(name)(options)
end

function world.thread(name, options)
    options = options or {}
    options.run = options.run or function() end
    return suptree.thread(name)(options)
end

--- A supervisor; children given as names become plain processes.
function world.group(name, options)
    local declared = {}
    for key, value in pairs(options) do
        if math.type(key) == "integer" and type(value) == "string" then value = world.process(value) end
        declared[key] = value
    end
    return suptree.supervisor(name)(declared)
end

function world.tree(options)
    return world.group("tree", options)
end

--- A simulation, not started.
function world.sim(declared, options)
    options = options or {}
    options.round_trip = options.round_trip or world.round_trip
    return assert(suptree.sim(declared, options))
end

--- A started simulation of a tree, its first effects and events taken away.
function world.up(options, sim_options)
    local sim = world.sim(world.tree(options), sim_options)
    assert(sim:start())
    sim:effects()
    sim:events()
    return sim
end

--- The service fails, once or `times` times, each time at this instant.
function world.fail(sim, path, times)
    for _ = 1, times or 1 do assert(sim:exit(path, { code = 1 })) end
end

--- What services were told since the last look: { "interrupt b", "launch b" }.
function world.told(sim)
    local words = {}
    for _, effect in ipairs(sim:effects()) do words[#words + 1] = effect.type .. " " .. effect.path end
    return words
end

--- The same for those told together, whose order means nothing.
function world.told_sorted(sim)
    local words = world.told(sim)
    table.sort(words)
    return words
end

--- The same with the time: { "15 launch b" }.
function world.told_when(sim)
    local words = {}
    for _, effect in ipairs(sim:effects()) do
        words[#words + 1] = ("%g %s %s"):format(effect.time, effect.type, effect.path)
    end
    return words
end

--- The events since the last look, only of the types named, if any: { "backoff .", "failed a" }.
function world.happened(sim, ...)
    local wanted
    for _, name in ipairs { ... } do
        wanted = wanted or {}
        wanted[name] = true
    end
    local words = {}
    for _, event in ipairs(sim:events()) do
        if not wanted or wanted[event.type] then words[#words + 1] = event.type .. " " .. event.path end
    end
    return words
end

--- The events of one type since the last look.
function world.events(sim, name)
    local events = {}
    for _, event in ipairs(sim:events()) do
        if event.type == name then events[#events + 1] = event end
    end
    return events
end

--- States of the paths, as one text: "running queued".
function world.states(sim, ...)
    local words = {}
    for _, path in ipairs { ... } do
        local state = sim:state(path)
        words[#words + 1] = state and state.state or "gone"
    end
    return table.concat(words, " ")
end

--- Generations of the paths, as one text: "1 2".
function world.generations(sim, ...)
    local words = {}
    for _, path in ipairs { ... } do words[#words + 1] = tostring(sim:state(path).generation) end
    return table.concat(words, " ")
end

--- The message by which a declaration is refused. Raising and returning nil and an error are both a refusal.
function world.refusal(make)
    local ok, result, err = pcall(function() return suptree.sim(make()) end)
    if not ok then return tostring(result) end
    assert(not result, "the declaration was taken")
    return tostring(err)
end

return world
