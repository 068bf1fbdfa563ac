local env_file = require "suptree.env_file"

describe("a file of environment variables", function()
    local function parse(text)
        local variables, faults = env_file.parse(text)
        assert.are.same({}, faults)
        return variables
    end

    local function fault_of(text)
        local _, faults = env_file.parse(text)
        assert.are.equal(1, #faults)
        return ("%d: %s"):format(faults[1].line, faults[1].fault)
    end

    it("holds KEY=VALUE lines, the last one of a key counts", function()
        assert.are.same({ PORT = "8080", HOST = "b" }, parse "PORT=8080\nHOST=a\nHOST=b")
    end)

    it("may have comments, empty lines, export, blanks and a byte order mark", function()
        assert.are.same({ A = "1", B = "2", C = "" }, parse "\xEF\xBB\xBF# all\n\n  export A = 1 \r\n\tB=2\n#C=4\nC=\n")
    end)

    it("loses the quotes around a value and keeps what is in them", function()
        assert.are.same({ A = " x ", B = "it's", C = 'say "hi"', D = "" }, parse [[
A=" x "
B="it's"
C='say "hi"'
D=''
]])
    end)

    it("is not expanded", function()
        assert.are.same({ A = "$HOME/`date`", B = [[a\nb]], C = "1 # 2", D = "a=b" }, parse [[
A=$HOME/`date`
B="a\nb"
C=1 # 2
D=a=b
]])
    end)

    it("is refused where it is something else, with the line", function()
        assert.are.equal("2: is not KEY=VALUE", fault_of "A=1\nhello\n")
        assert.are.equal("1: its key is not made of letters, digits and _", fault_of "a b=1")
        assert.are.equal("1: its key is not made of letters, digits and _", fault_of "=1")
        assert.are.equal("1: its key is not made of letters, digits and _", fault_of "1A=1")
        assert.are.equal("1: its quote is not closed", fault_of 'A="x')
        assert.are.equal("1: something follows the closing quote", fault_of 'A="x" y')
        assert.are.equal("1: has a zero byte", fault_of "A=a\0b")
    end)

    it("tells all that is wrong with it", function()
        local variables, faults = env_file.parse "x\nA=1\ny"
        assert.are.same({ A = "1" }, variables)
        assert.are.equal(2, #faults)
    end)
end)
