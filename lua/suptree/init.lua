--- suptree: a supervisor host that is scripted in Lua. This is what `require "suptree"` gives.
--
--     local s = require "suptree"
--     return s.supervisor "shop" {
--       s.process "web" { command = { "./web" } },
--     }
local constants = require "suptree.constants"
local declaration = require "suptree.declaration"
local errors = require "suptree.errors"
local library = require "suptree.library"
local ready = require "suptree.ready"
local sim = require "suptree.sim"
local system = require "suptree.system"
local text = require "suptree.text"

local suptree = {
    --- Declares a node: `s.process "name" { … }`. A plain value.
    supervisor = declaration.kind "supervisor",
    process = declaration.kind "process",
    thread = declaration.kind "thread",
    --- A process or a function that is expected to end: done, it is ready.
    oneshot = declaration.kind "oneshot",
    --- A process or a function that is run at times: `every` so often, or `at` times of the calendar.
    timer = declaration.kind "timer",
    --- When a service is ready: `s.ready.delay(t)`, `s.ready.file(path)`, `s.ready.manual()`.
    ready = ready.kinds,
    --- Supervisors inside this program: `s.new(name, options)`, `s.new_simple(name)`.
    new = library.new,
    new_simple = library.new_simple,
    --- A tree in virtual time: `s.sim(declaration, { seed = 1 })`.
    sim = sim,
    --- What a thread service returns to leave the tree, or to end it.
    DONE = constants.DONE,
    TERMINATE_TREE = constants.TERMINATE_TREE,
    version = system.version,
}

for name, value in pairs(errors) do
    if name:find "^Err" then suptree[name] = value end
end

return text.strict(suptree, "suptree")
