local chunk = require "suptree.chunk"
local constants = require "suptree.constants"
local text = require "suptree.text"

local function travel(func, globals)
    return assert(chunk.restore(assert(chunk.capture(func)), globals))
end

local function fault_of(func)
    local bytes, faults = chunk.capture(func)
    assert.is_nil(bytes)
    assert.are.equal(1, #faults)
    return faults[1].reason
end

local function line()
    return debug.getinfo(2, "l").currentline
end

describe("a captured function", function()
    it("does what it did", function()
        assert.are.equal(5, travel(function(a, b) return a + b end)(2, 3))
    end)

    it("takes plain data along", function()
        local limit, name, on, list = 5, "web", true, { 1, { x = 0.5 }, [false] = "no" }
        local back = travel(function() return limit, name, on, list, nil end)
        assert.are.same({ 5, "web", true, list }, { back() })
        assert.are_not.equal(list, select(4, back()))
    end)

    it("keeps integers and floats apart", function()
        local a, b = 1, 1.0
        local x, y = travel(function() return a, b end)()
        assert.are.same({ "integer", "float" }, { math.type(x), math.type(y) })
    end)

    it("takes functions along, itself too", function()
        local function double(x) return 2 * x end
        local function count(n) return n == 0 and 0 or 1 + count(n - 1) end
        local back = travel(function(x) return double(x), count(x) end)
        assert.are.same({ 6, 3 }, { back(3) })
    end)

    it("shares inside what was shared: variables, tables, circles", function()
        local count, list = 0, { 1 }
        list.self = list
        local function step() count = count + 1; list[1] = list[1] + 1 end
        local back = travel(function()
            step()
            step()
            return count, list
        end)
        local seen, copy = back()
        assert.are.equal(2, seen)
        assert.are.equal(3, copy[1])
        assert.are.equal(copy, copy.self)
        assert.are.equal(0, count)
        assert.are.equal(1, list[1])
    end)

    it("finds modules, their functions in C, and suptree's constants again", function()
        local upper, strings, own, done = string.upper, string, text, constants.DONE
        local back = travel(function() return upper "a", strings, own, done end)
        local a, b, c, d = back()
        assert.are.equal("A", a)
        assert.are.equal(string, b)
        assert.are.equal(text, c)
        assert.are.equal(constants.DONE, d)
    end)

    it("sees the globals of where it arrives", function()
        local back = travel(function() return answer end, { answer = 42 }) -- luacheck: ignore answer
        assert.are.equal(42, back())
    end)

    it("keeps its lines for messages", function()
        local at = line() + 1
        local back = travel(function() error "boom" end)
        local good, message = pcall(back)
        assert.is_false(good)
        assert.matches(("chunk_spec.lua:%d: boom"):format(at), message, 1, true)
    end)

    it("is the same bytes for the same function", function()
        local map = {}
        for i = 1, 50 do map["k" .. i] = i end
        local function make() return function() return map end end
        local again = {}
        for i = 50, 1, -1 do again["k" .. i] = i end
        local first = chunk.capture(make())
        map = again
        assert.are.equal(first, chunk.capture(make()))
    end)

    it("tells which upvalue cannot travel, and where", function()
        local out, thread, strange = io.stdout, coroutine.create(print), setmetatable({}, {})
        local at = line() + 1
        local reason = fault_of(function() return out end)
        local words = "^the function at .*chunk_spec.lua:%d uses out, which is a userdata, and cannot travel"
        assert.matches(words:format(at), reason)
        assert.matches("uses thread, which is a thread, and", fault_of(function() return thread end), 1, true)
        assert.matches("uses strange, which has a metatable, which cannot travel",
            fault_of(function() return strange end), 1, true)
        local deep = { a = { out } }
        assert.matches('uses deep, which["a"][1] is a userdata', fault_of(function() return deep end), 1, true)
        local keyed = { [deep] = 1 }
        assert.matches("uses keyed, which has a table as a key", fault_of(function() return keyed end), 1, true)
        assert.are.equal("it is a function in C, and cannot travel", fault_of(print))
    end)

    it("tells of all that cannot travel at once", function()
        local out, inp = io.stdout, io.stdin
        local _, faults = chunk.capture(function() return out, inp end)
        assert.are.equal(2, #faults)
    end)

    it("is not followed for ever", function()
        local deep = {}
        for _ = 1, 200 do deep = { deep } end
        assert.matches("is nested too deep", fault_of(function() return deep end), 1, true)
    end)
end)

describe("a module as a chunk", function()
    it("is required where it arrives", function()
        assert.are.equal(text, chunk.restore((chunk.module "suptree.text")))
    end)
end)

describe("plain data", function()
    it("comes back as it went", function()
        local value = { 1, 2.5, "x", { [true] = false }, y = "\0" }
        assert.are.same(value, chunk.unpack(assert(chunk.pack(value))))
        assert.are.equal("x", chunk.unpack(assert(chunk.pack "x")))
    end)

    it("holds no code", function()
        local _, faults = chunk.pack { f = function() end }
        assert.are.equal('it["f"] is a function, which is no plain data', faults[1].reason)
        local code = assert(chunk.capture(function() end))
        local value, why = chunk.unpack(code)
        assert.is_nil(value)
        assert.matches("an unknown kind of value", why, 1, true)
    end)

    it("is refused when it is cut, foreign or of another version", function()
        local bytes = assert(chunk.pack { "abc", { 1, 2 } })
        for size = 0, #bytes - 1 do
            local value, why = chunk.unpack(bytes:sub(1, size))
            assert.is_nil(value)
            assert.is_string(why)
        end
        assert.are.same({ n = 2, nil, "it is not a captured chunk" }, table.pack(chunk.unpack "hello, this is text"))
        local other = bytes:sub(1, 4) .. string.pack("=I4", 2) .. bytes:sub(9)
        assert.are.same({ n = 2, nil, "it has form version 2; this suptree reads 1" }, table.pack(chunk.unpack(other)))
    end)
end)
