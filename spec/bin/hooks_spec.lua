-- on_event: functions of a configuration that are told what happens.
local live = require "spec.support.live"
local uv = require "luv"

local function config(text)
    return 'local s = require "suptree"\n' .. text
end

describe("on_event", function()
    after_each(live.clean)

    it("is told what happens to its node and below, of the types that it wants", function()
        local tree = live.tree(config [[
            return s.supervisor "tree" {
                on_event = { types = { "launched" }, run = function(event) print("root", event.path) end },
                s.process "web" { command = "exec sleep 1000" },
                s.supervisor "jobs" {
                    on_event = function(event) print("jobs", event.type, event.path) end,
                    s.process "job" { command = "exec sleep 1000" },
                },
            }]])
        tree:await_line("suptree", "root\tweb")
        tree:await_line("suptree", "root\tjobs/job")
        tree:await_line("suptree", "jobs\tlaunched\tjobs/job")
        assert.are.equal(0, tree:stop())
        tree:await_line("suptree", "jobs\tended\tjobs/job")
        assert.are.equal(0, tree:count_lines("suptree", "jobs\tlaunched\tweb"))
    end)

    it("has modules beside the configuration, and what it keeps between events", function()
        local tree = live.tree(config [[
            local count = require "count"
            return s.supervisor "tree" {
                on_event = { types = { "failed" }, run = function(event) count(event) end },
                s.process "web" { command = "sleep 0.1; exit 3" },
            }]], { files = { ["count.lua"] =
                "local n = 0\nreturn function(event) n = n + 1; print(n, event.path, event.count) end" } })
        live.wait("the second failure", function() return tree.out:find "suptree *| 2\tweb\t" end)
        assert.are.equal(0, tree:stop())
    end)

    it("holds up nobody: one that loops is cut and reported, one that raises is reported", function()
        local tree = live.tree(config [[
            return s.supervisor "tree" {
                on_event = { types = { "launched" }, run = function(event)
                    if event.path == "loop" then while true do pcall(function() while true do end end) end end
                    if event.path == "bad" then error "out of luck" end
                    print("told", event.path)
                end },
                s.process "loop" { command = "exec sleep 1000" },
                s.process "bad" { command = "exec sleep 1000" },
                s.process "good" { command = "exec sleep 1000" },
            }]])
        tree:await { type = "ready", path = "." }
        tree:await_line("suptree", "told\tgood")
        tree:await_text "on_event of .: it took longer than a second and was cut"
        live.wait("the error", function() return tree.out:find "on_event of %.: [^\n]*out of luck" end)
        assert.are.equal(0, tree:stop())
    end)

    it("is another one after a reload, and there after the host has died", function()
        local function text(word)
            return config(([[
                return s.supervisor "tree" {
                    %s
                    s.process "web" { command = "exec sleep 1000" },
                }]]):format(word and ([[on_event = { types = { "ended" }, run = function(event)
                    print(%q, event.path) end },]]):format(word) or ""))
        end
        local tree = live.tree(text(nil))
        tree:await { type = "ready", path = "." }
        live.write_file(tree.folder .. "/supervise.lua", text "first")
        tree:kill "HUP"
        tree:await { type = "reloaded" }
        uv.kill(tree:service "web", "sigkill")
        tree:await_line("suptree", "first\tweb")
        live.write_file(tree.folder .. "/supervise.lua", text "second")
        tree:kill "HUP"
        tree:await({ type = "reloaded" }, 2)
        tree:await({ type = "launched", path = "web" }, 2)
        uv.kill(tree:service "web", "sigkill")
        tree:await_line("suptree", "second\tweb")
        tree:kill_host()
        tree:await { type = "host_restarted" }
        tree:await({ type = "launched", path = "web" }, 3)
        uv.kill(tree:service "web", "sigkill")
        live.wait("the second one again", function() return tree:count_lines("suptree", "second\tweb") == 2 end)
        assert.are.equal(0, tree:stop())
    end)

    it("is checked", function()
        local folder = live.folder()
        local function refuses(value, words)
            live.write_file(folder .. "/supervise.lua", config(('return s.supervisor "tree" { on_event = %s }')
                :format(value)))
            local code, _, err = live.run { live.program, "check", folder }
            assert.are.equal(78, code)
            assert.matches(words, err, 1, true)
        end
        refuses("true", "tree.on_event: must be a function, not true")
        refuses("{ run = print, types = {} }", "tree.on_event.types: must be a list of types of events")
        refuses('{ run = function() end, types = { "fail" } }',
            'tree.on_event.types[1]: there is no event "fail", did you mean "failed"')
        refuses("{ run = function() end, on = 1 }", 'tree.on_event: has the unknown key "on"')
    end)
end)
