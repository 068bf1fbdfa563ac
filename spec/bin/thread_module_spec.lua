-- Modules of thread services are files that are read again at each launch, so they are looked at again each time.
local live = require "spec.support.live"

local config = [[
    local s = require "suptree"
    return s.supervisor "tree" {
        s.thread "it" { run = "work", restart_delay = "20ms" },
        s.process "web" { command = { "/bin/sleep", "1000" } },
    }]]

local work = [[
    local helper = require "helper"
    return function(ctx)
        if ctx:sleep "20ms" then error("run " .. helper.name) end
    end]]

describe("a module of a thread service", function()
    after_each(live.clean)

    local function tree_with_modules()
        return live.tree(config, { files = { ["work.lua"] = work, ["helper.lua"] = 'return { name = "first" }' } })
    end

    it("is read again at each launch", function()
        local tree = tree_with_modules()
        tree:await { type = "failed", path = "it" }
        live.write_file(tree.folder .. "/helper.lua", 'return { name = "second" }')
        live.wait("the second one", function()
            for _, event in ipairs(tree:all { type = "failed", path = "it" }) do
                if event.reason:find "run second" then return true end
            end
        end)
    end)

    for _, name in ipairs { "work.lua", "helper.lua" } do
        it("is refused once others could change it: " .. name, function()
            local tree = tree_with_modules()
            tree:await { type = "failed", path = "it" }
            assert(os.execute(("chmod o+w %s/%s"):format(tree.folder, name)))
            local refused
            live.wait("the refusal", function()
                for _, event in ipairs(tree:all { type = "failed", path = "it" }) do
                    if event.reason:find "refused" then refused = event.reason end
                end
                return refused
            end)
            assert.matches(("the module '%s' is refused: .*/%s: the file can be changed by everybody")
                :format(name:match "^[^.]*", name:gsub("%.", "%%.")), refused)
            assert.matches("chmod go-w", refused, 1, true)
            assert.are.equal(1, #tree:all { type = "launched", path = "web" })
        end)
    end
end)
