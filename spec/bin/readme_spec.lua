local live = require "spec.support.live"
local uv = require "luv"

local function text_of(file) return assert(live.read_file(live.root .. "/" .. file)) end

--- The fenced blocks of a page that are marked with `language`.
local function blocks(page, language)
    local found = {}
    for block in text_of(page):gmatch("\n```" .. language .. "\n(.-)\n```") do found[#found + 1] = block end
    return found
end

-- The words of a command as it stands in a page, single quotes minded, and whether it goes to the background.
local function words_of(command)
    local words = {}
    for before, quoted in (command:gsub("^build/", live.build .. "/") .. "\'\'"):gmatch "([^']*)'([^']*)'" do
        for word in before:gmatch "%S+" do words[#words + 1] = word end
        if quoted ~= "" then words[#words + 1] = quoted end
    end
    local background = words[#words] == "&"
    if background then words[#words] = nil end
    return words, background
end

-- A session: commands behind "$ ", and what they show.
local function steps_of(block)
    local steps = {}
    for line in (block .. "\n"):gmatch "([^\n]*)\n" do
        local command = line:match "^%$ (.*)$"
        if command then
            steps[#steps + 1] = { command = command, shown = "" }
        else
            steps[#steps].shown = steps[#steps].shown .. line .. "\n"
        end
    end
    return steps
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
                    local code, out, err = live.run(words_of(command), { env = { SUPTREE_BUILD = live.build } })
                    assert.are.equal(0, code, command .. "\n" .. out .. err)
                    ran[#ran + 1] = program
                end
            end
        end
        assert.is_true(#ran >= 4)
    end)

    it("shows a session as it goes", function()
        local env = { PORT = ("%d"):format(live.port()), LC_ALL = "C.UTF-8" }
        -- What differs from run to run: numbers, and with them the width of columns.
        local function plain(text) return (text:gsub("%d+%.?%d*", "N"):gsub(" +", " ")) end
        local count = 0
        for _, block in ipairs(blocks("README.md", "console")) do
            for _, step in ipairs(steps_of(block)) do
                local words, background = words_of(step.command)
                if background then
                    live.spawn(words, { env = env })
                else
                    local code, out, err = live.run(words, { env = env })
                    assert.are.equal(0, code, step.command .. "\n" .. out .. err)
                    assert.are.equal(plain(step.shown), plain(out), step.command)
                end
                count = count + 1
            end
        end
        assert.is_true(count >= 10)
    end)

    it("holds the table of the bench", function()
        local rows = {}
        for row in text_of "README.md":gmatch "\n| (W%d+) " do rows[#rows + 1] = row end
        assert.are.same({ "W1", "W1", "W2", "W2", "W2", "W3", "W4", "W5", "W6", "W6", "W7", "W7", "W7", "W9", "W9",
            "W10", "W10", "W10" }, rows)
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
            if name ~= "count" then
                assert.is_truthy(page:find(name, 1, true), name)
            end
        end
    end)
end)
