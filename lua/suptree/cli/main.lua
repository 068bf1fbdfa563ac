--- The command line: finds the verb and gives it its words.
local common = require "suptree.cli.common"
local text = require "suptree.text"
local verbs = require "suptree.cli.verbs"

local WIDTH = 100

local OTHER_WORDS = { ["-h"] = "help", ["--help"] = "help", ["-V"] = "version", ["--version"] = "version" }

local function find_verb(name)
    name = OTHER_WORDS[name] or name
    for _, verb in ipairs(verbs) do
        if verb.name == name then return require("suptree.cli." .. name) end
    end
end

local function unknown_verb(name)
    local names = {}
    for _, verb in ipairs(verbs) do if not verb.internal then names[#names + 1] = verb.name end end
    local meant = text.did_you_mean(name, names)
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

-- The words as a table of arguments; or nil and the exit code, when help or a mistake has been told.
local function parse(verb, words)
    local found, argparse = pcall(require, "argparse")
    if not found then
        common.complain "the Lua module argparse is not installed; on Debian: apt-get install lua-argparse"
        return nil, common.SYSTEM
    end
    local parser = argparse("suptree " .. verb.name, verb.description, verb.epilog)
    parser:add_help(false):help_max_width(WIDTH)
    parser:flag("-h --help", "Show this text.")
    verb.describe(parser)
    if wants_help(words) then
        io.stdout:write(parser:get_help(), "\n")
        return nil, common.DONE
    end
    local good, result = parser:pparse(verb.prepare and verb.prepare(words) or words)
    if good then return result end
    common.complain("%s: %s\n%s\n\"suptree help %s\" says more", verb.name, result, parser:get_usage(), verb.name)
    return nil, common.USAGE
end

return function(first, ...)
    local verb = find_verb(first or "help")
    if not verb then return unknown_verb(first) end
    if verb.main then return verb.main(...) end
    local arguments, code = parse(verb, { ... })
    if not arguments then return code end
    return verb.run(arguments)
end
