local live = require "spec.support.live"
local uv = require "luv"

local function text_of(file) return assert(live.read_file(live.root .. "/" .. file)) end

--- The fenced blocks of a page that are marked with `language`.
local function blocks(page, language)
    local found = {}
    for block in text_of(page):gmatch("\n```" .. language .. "\n(.-)\n```") do found[#found + 1] = block end
    return found
end

describe("README.md", function()
    after_each(live.clean)

    it("shows the tree of the quickstart as it is", function()
        local code = text_of "examples/quickstart/supervise.lua":gsub("^%-%-[^\n]*\n", ""):gsub("\n%-%-[^\n]*", "")
        code = code:gsub("^%-%-[^\n]*\n", "")
        assert.are.equal(code:gsub("%s+$", ""), blocks("README.md", "lua")[1])
    end)

    it("has commands that work as written", function()
        local ran = {}
        for _, block in ipairs(blocks("README.md", "sh")) do
            for line in block:gmatch "[^\n]+" do
                local command = line:gsub("%s*#.*$", "")
                local program = command:match "^%S+"
                if program and not program:match "^build/" then
                    assert.is_true(uv.fs_access(live.root .. "/" .. program, "X"), program)
                end
                -- The others are run by other specs, build everything, or run this very spec.
                if program == "build/suptree" or program == "script/killstorm" and not live.sanitized then
                    local words = {}
                    for word in command:gsub("^build/", live.build .. "/"):gmatch "%S+" do words[#words + 1] = word end
                    local code, out, err = live.run(words, { env = { SUPTREE_BUILD = live.build } })
                    assert.are.equal(0, code, command .. "\n" .. out .. err)
                    ran[#ran + 1] = program
                end
            end
        end
        assert.is_true(#ran >= 4)
    end)

    it("holds the table of the bench", function()
        local rows = {}
        for row in text_of "README.md":gmatch "\n| (W%d) " do rows[#rows + 1] = row end
        assert.are.same({ "W1", "W1", "W2", "W2", "W2", "W3", "W4", "W5", "W7", "W7", "W7" }, rows)
    end)
end)

describe("docs", function()
    after_each(live.clean)

    it("lists the options as the program does", function()
        local code, out = live.run { live.program, "help", "options" }
        assert.are.equal(0, code)
        assert.are.equal(out, blocks("docs/options.md", "")[1] .. "\n")
    end)

    it("has an example that is good", function()
        local folder = live.folder()
        live.write_file(folder .. "/supervise.lua", blocks("docs/reference.md", "lua")[1])
        local code, out, err = live.run { live.program, "check", folder }
        assert.are.equal(0, code, out .. err)
    end)

    it("links to pages that are there", function()
        for _, page in ipairs { "README.md", "docs/reference.md" } do
            local folder = page:match "^(.*/)" or ""
            for target in text_of(page):gmatch "%]%(([^)]+)%)" do
                assert.is_truthy(uv.fs_stat(live.root .. "/" .. folder .. target), target)
            end
        end
    end)

    it("names every type of event that the program has", function()
        local page = text_of "docs/reference.md"
        for name in text_of "src/core/tree.h":match "enum sup_event_type {(.-)\n};":gmatch "SUP_EVENT_(%u[%u_]*)" do
            name = name:lower()
            -- Of a reload, which nobody can ask for yet.
            if name ~= "count" and not name:find "^rel" and name ~= "rolled_back" then
                assert.is_truthy(page:find(name, 1, true), name)
            end
        end
    end)
end)
