local json = require "suptree.json"
local paths = require "suptree.paths"
local text = require "suptree.text"

describe("words for messages", function()
    it("quote strings so that a terminal is safe, cut when long", function()
        assert.are.equal([["a\"b\\c\n\27[1m"]], text.quote 'a"b\\c\n\27[1m')
        assert.are.equal('"' .. ("x"):rep(60) .. '…"', text.quote(("x"):rep(100)))
    end)

    it("describe any value", function()
        assert.are.equal("nothing", text.describe(nil))
        assert.are.equal("5", text.describe(5))
        assert.are.equal("0.5", text.describe(0.5))
        assert.are.equal("false", text.describe(false))
        assert.are.equal("a table", text.describe {})
        assert.are.equal("a function", text.describe(print))
        assert.are.equal("a suptree declaration", text.describe(require "suptree".process "x" {}))
        assert.are.equal("a table", text.describe(setmetatable({}, { __name = "something else" })))
    end)

    it("join alternatives", function()
        assert.are.equal("", text.alternatives {})
        assert.are.equal("a", text.alternatives { "a" })
        assert.are.equal('"a" or "b"', text.alternatives({ "a", "b" }, true))
        assert.are.equal("a, b or c", text.alternatives { "a", "b", "c" })
    end)

    it("name the word that was probably meant, if any", function()
        assert.are.equal(', did you mean "strategy"?', text.did_you_mean("stratgy", { "timeout", "strategy" }))
        assert.are.equal("", text.did_you_mean("colour", { "timeout", "strategy" }))
        assert.are.equal("", text.did_you_mean(5, { "timeout" }))
    end)

    it("count", function()
        assert.are.equal("0 services", text.count(0, "service"))
        assert.are.equal("1 service", text.count(1, "service"))
    end)

    it("raise for a field that a strict table does not have", function()
        local map = text.strict({ process = 1, thread = 2 }, "s")
        assert.are.equal(1, map.process)
        assert.has_error(function() return map.proces end, 'there is no s.proces, did you mean "process"?')
        assert.has_error(function() return map.tcp end, "there is no s.tcp; there are process, thread")
    end)
end)

describe("paths as text", function()
    it("become absolute without detours", function()
        assert.are.equal("/a/b", paths.absolute("b", "/a"))
        assert.are.equal("/b", paths.absolute("/b", "/a"))
        assert.are.equal("/a/b", paths.absolute(".//./b/", "/a"))
        assert.are.equal("/a", paths.absolute(".", "/a"))
        assert.are.equal("/", paths.absolute(".", "/"))
        assert.are.equal("/a/../b", paths.absolute("../b", "/a"))
        assert.are.equal("/a/.x/..", paths.absolute(".x/..", "/a"))
    end)

    it("come apart", function()
        assert.are.same({ "", "x" }, { paths.folder "x", paths.name "x" })
        assert.are.same({ "a/", "x" }, { paths.folder "a/x", paths.name "a/x" })
        assert.are.same({ "/", "x" }, { paths.folder "/x", paths.name "/x" })
    end)
end)

describe("JSON", function()
    it("is written with sorted keys, lists where they are marked", function()
        assert.are.equal('{"a":[],"b":[1,2.5,"x"],"c":{},"d":null,"e":true}', json.encode {
            e = true, d = 0 / 0, a = json.array {}, b = json.array { 1, 2.5, "x" }, c = {},
        })
        assert.are.equal("null", json.encode(nil))
    end)

    it("is always valid, whatever stands in a text", function()
        assert.are.equal([["\"\\\n\u001b\u0000é"]], json.encode '"\\\n\27\0é')
        assert.are.equal('"a\u{FFFD}b"', json.encode "a\xffb")
    end)
end)
