--- The command line: finds the verb and gives it its words.
local common = require "suptree.cli.common"
local quick = require "suptree.cli.quick"

local WIDTH = 100

local OTHER_WORDS = {
    ["-h"] = "help", ["--help"] = "help", ["-V"] = "version", ["--version"] = "version", repl = "console",
}

-- A verb is looked for by its file, so that the list of verbs need not be read. What is no name of a file is no verb.
local function find_verb(name)
    name = OTHER_WORDS[name] or name
    if not name:find "^[%a][%a-]*$" or not package.preload["suptree.cli." .. name] then return nil end
    local verb = require("suptree.cli." .. name)
    return type(verb) == "table" and verb.name == name and verb or nil
end

local function unknown_verb(name)
    local names = {}
    for _, verb in ipairs(require "suptree.cli.verbs") do
        if not verb.internal then names[#names + 1] = verb.name end
    end
    local meant = require "suptree.text".did_you_mean(name, names)
    common.complain('there is no verb "%s"%s; "suptree help" lists them', name, meant)
    return common.USAGE
end

local function wants_help(words)
    for _, word in ipairs(words) do
        if word == "--" then return false end
        if word == "-h" or word == "--help" then return true end
    end
    return false
end

-- The parser of a verb; nil and the exit code, when there is none to be had.
local function make_parser(verb)
    local found, argparse = pcall(require, "argparse")
    if not found then
        common.complain "the Lua module argparse is not installed; on Debian: apt-get install lua-argparse"
        return nil, common.SYSTEM
    end
    local parser = argparse("suptree " .. verb.name, verb.description, verb.epilog)
    parser:add_help(false):help_max_width(WIDTH)
    parser:flag("-h --help", "Show this text.")
    verb.describe(parser)
    return parser
end

-- The words as a table of arguments; or nil and the exit code, when help or a mistake has been told.
local function parse(verb, words)
    words = verb.prepare and verb.prepare(words) or words
    local asks = wants_help(words)
    local plain = not asks and quick.parse(verb.describe, words)
    if plain then return plain end
    local parser, code = make_parser(verb)
    if not parser then return nil, code end
    if asks then
        io.stdout:write(parser:get_help(), "\n")
        return nil, common.DONE
    end
    local good, result = parser:pparse(words)
    if good then return result end
    common.complain("%s: %s\n%s\n\"suptree help %s\" says more", verb.name, result, parser:get_usage(), verb.name)
    return nil, common.USAGE
end

-- -n NAME before the verb; returns the name and the rest of the words, or nil and the exit code.
local function take_name(words)
    local joined = words[1]:match "^%-%-name=(.+)$" or words[1]:match "^%-n(.+)$"
    if joined then return joined, table.move(words, 2, #words, 1, {}) end
    if words[2] then return words[2], table.move(words, 3, #words, 1, {}) end
    common.complain("%s: say which tree, as in \"suptree -n shop status\"", words[1])
    return nil, common.USAGE
end

return function(...)
    local words, name = { ... }, nil
    if words[1] and words[1]:find "^%-n" or words[1] and words[1]:find "^%-%-name" then
        local rest
        name, rest = take_name(words)
        if not name then return rest end
        words = rest
    end
    local first = table.remove(words, 1) or "help"
    local verb = find_verb(first)
    if not verb then return unknown_verb(first) end
    if verb.main then return verb.main(table.unpack(words)) end
    local arguments, code = parse(verb, words)
    if not arguments then return code end
    arguments.tree = arguments.tree or name
    return verb.run(arguments)
end
