--- The verbs of the command line in alphabetical order. Each is a file of this folder, which returns
--   name, description, describe(parser), run(arguments) -> exit code, prepare(words) -> words (optional)
-- or, when it reads its words itself, main(...) -> exit code.
return {
    { name = "check", usage = "check [FILE]", summary = "say whether FILE is good, and all that is wrong with it" },
    { name = "compile", internal = true },
    { name = "help", usage = "help [TOPIC]", summary = "explain a verb, or an option of a configuration" },
    { name = "import", usage = "import FILE...", summary = "turn another supervisor's file into a supervise.lua" },
    { name = "rpc", usage = "rpc METHOD [JSON]", summary = "call a method of the control protocol of a running tree" },
    { name = "run", usage = "run [FILE]", summary = "start what FILE declares and keep it running" },
    { name = "simulate", usage = "simulate [FILE]", summary = "play failures through in virtual time; starts nothing" },
    { name = "version", usage = "version", summary = "print the version" },
}
