--- The verbs of the command line in alphabetical order. Each is a file of this folder, which returns
--   name, description, describe(parser), run(arguments) -> exit code, prepare(words) -> words (optional)
-- or, when it reads its words itself, main(...) -> exit code.
return {
    { name = "check", usage = "check [FILE]", summary = "say whether FILE is good, and all that is wrong with it" },
    { name = "compile", internal = true },
    { name = "completion", usage = "completion SHELL", summary = "print what makes bash, zsh or fish complete words" },
    { name = "events", usage = "events [SERVICE…]", summary = "show what has happened; -f: what happens" },
    { name = "exec", usage = "exec SERVICE COMMAND…", summary = "run a command where a service lives" },
    { name = "explain", usage = "explain SERVICE", summary = "say why it is as it is, and what would change it" },
    { name = "help", usage = "help [TOPIC]", summary = "explain a verb, or an option of a configuration" },
    { name = "import", usage = "import FILE...", summary = "turn another supervisor's file into a supervise.lua" },
    { name = "is-active", usage = "is-active [SERVICE…]", summary = "are they running? for scripts" },
    { name = "is-ready", usage = "is-ready [SERVICE…]", summary = "are they ready? for scripts" },
    { name = "logs", usage = "logs [SERVICE…]", summary = "show what services have put out; -f: what they put out" },
    { name = "names", internal = true },
    { name = "restart", usage = "restart SERVICE…", summary = "stop them and start them again" },
    { name = "rpc", usage = "rpc METHOD [JSON]", summary = "call a method of the control protocol of a running tree" },
    { name = "run", usage = "run [FILE]", summary = "start what FILE declares and keep it running" },
    { name = "shutdown", usage = "shutdown", summary = "stop the whole tree" },
    { name = "signal", usage = "signal SIG SERVICE…", summary = "send a signal" },
    { name = "simulate", usage = "simulate [FILE]", summary = "play failures through in virtual time; starts nothing" },
    { name = "start", usage = "start SERVICE…", summary = "start what is down" },
    { name = "status", usage = "status [SERVICE…]", summary = "show how things stand" },
    { name = "stop", usage = "stop SERVICE…", summary = "stop them, and keep them stopped" },
    { name = "tree", usage = "tree [SERVICE]", summary = "draw the tree" },
    { name = "version", usage = "version", summary = "print the version" },
    { name = "wait", usage = "wait SERVICE…", summary = "wait until they are ready" },
}
