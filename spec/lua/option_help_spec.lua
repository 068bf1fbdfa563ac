local option_help = require "suptree.option_help"

describe("the help on an option", function()
    it("says of each what may be written, whose it is, and shows an example", function()
        for _, row in ipairs(option_help.rows()) do
            assert.is_string(option_help.value(row), row.name)
            assert.matches("^an?y? %a", option_help.owner(row), 1, false)
            assert.matches(row.name .. " = ", option_help.example(row), 1, true)
        end
    end)

    it("lists the options that a kind of node has", function()
        local function names(kind)
            local list = {}
            for _, row in ipairs(option_help.rows(kind)) do list[row.name] = true end
            return list
        end
        assert.is_true(names "process".command)
        assert.is_nil(names "supervisor".command)
        assert.is_true(names "supervisor".restart)
        assert.is_true(names "thread".run)
        assert.is_nil(names "thread".env)
    end)

    it("finds rows by name alone", function()
        assert.are.equal("timeout", option_help.find "timeout".name)
        assert.is_nil(option_help.find "nothing")
        assert.is_nil(option_help.find(1))
    end)
end)
