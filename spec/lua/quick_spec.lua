local argparse = require "argparse"
local quick = require "suptree.cli.quick"
local verbs = require "suptree.cli.verbs"

-- What only the program has.
for _, name in ipairs { "suptree.cut", "suptree.editor" } do
    package.preload[name] = package.preload[name] or function() return {} end
end

-- Words that verbs meet, and some that they should not.
local LINES = {
    "", "web", "web db", "workers/* **", "-n shop", "--name shop", "--name=shop web", "-n shop web --json",
    "--json", "--json web", "web --json", "--json --json", "--colour always", "--color=never web", "--colour blue",
    "--timeout 5 web", "--timeout=1m30s web", "--timeout never web", "--no-wait web", "--no-wait=1 web",
    "--context why web", "-f", "-f -n 5",
    "-fn5", "-n5", "-n 5 web", "--lines 5", "--since 5m web", "-q web", "--for stopped web",
    "--state ready web", "--for up web", "-s HUP web", "HUP web", "--type failed,ended", "--nonsense", "-x web", "-",
    "--", "-- web", "web -- -x", "-h", "--help web", "--json=", "-n", "--name", "-n -q", "bash", "tcsh", "a b c d",
    "--fail web@0,2 --hang db", "--for 1m file", "--events f --quiet", "--since -5", "--last 3", "trees",
}

local function words_of(line)
    local words = {}
    for word in line:gmatch "%S+" do words[#words + 1] = word end
    return words
end

describe("cli.quick", function()
    it("reads nothing otherwise than argparse does", function()
        local quickly = 0
        for _, listed in ipairs(verbs) do
            local verb = require("suptree.cli." .. listed.name)
            for _, line in ipairs(verb.describe and LINES or {}) do
                local words = words_of(line)
                local result = quick.parse(verb.describe, words)
                if result then
                    quickly = quickly + 1
                    local parser = argparse("suptree " .. verb.name):add_help(false)
                    parser:flag "-h --help"
                    verb.describe(parser)
                    local good, expected = parser:pparse(words)
                    assert.is_true(good, listed.name .. " " .. line .. ": " .. tostring(expected))
                    assert.are.same(expected, result, listed.name .. " " .. line)
                end
            end
        end
        assert.is_true(quickly > 150)
    end)

    it("reads what is typed all day", function()
        for _, line in ipairs {
            "status", "status web", "status workers/mailer", "status --json", "status -n shop web", "restart web db",
            "restart --no-wait web", "stop --timeout 10s web", "logs -f web", "logs -n 20 web", "explain web", "tree",
            "is-active web", "names", "wait --timeout=5 web", "version", "run", "run --quiet tree.lua",
        } do
            local words = words_of(line)
            local verb = require("suptree.cli." .. table.remove(words, 1))
            assert.is_table(quick.parse(verb.describe, words), line)
        end
    end)

    it("leaves to argparse what needs a message", function()
        local describe_status = require "suptree.cli.status".describe
        for _, line in ipairs { "-h", "--nonsense", "--colour blue", "--json --json", "-n", "--json=1", "-- web" } do
            assert.is_nil(quick.parse(describe_status, words_of(line)), line)
        end
    end)
end)
