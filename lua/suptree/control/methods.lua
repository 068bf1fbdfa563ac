--- The methods of the control protocol: what may be asked, by whom, with what. The server checks every call against
-- this table, the method `methods` returns it, docs/protocol.md is made of it.
--
-- A row: name; role, who may call it ("read": everyone who is admitted, "write": the tree's own user and root);
-- doc; params, in the order in which they are shown; result, what comes back; notes, what is said meanwhile.
-- A parameter: name; type, one of control/arguments.lua; doc; required; default; min, max; choices.
local WAIT = {
    name = "wait", type = "boolean", default = true, doc = "answer when it is done, not when it is accepted",
}
local TIMEOUT = {
    name = "timeout", type = "number", min = 0.001, max = 1e8,
    doc = "seconds to wait at most; what was asked stands nevertheless",
}
local CONTEXT = { name = "context", type = "text", max = 1024, doc = "why, for events and the log" }
local PROGRESS = {
    name = "progress", type = "boolean", default = false, doc = "with wait: tell what the nodes come to meanwhile",
}
local PATHS = {
    name = "paths", type = "texts", required = true,
    doc = 'nodes: paths such as "workers/mailer", "." for the root, or patterns such as "workers/*" and "**"',
}

local FILE = {
    name = "file", type = "text", max = 4096,
    doc = "another configuration than that of the tree, as a path that the host understands",
}
local SETTLE = {
    name = "settle", type = "number", default = 1, min = 0, max = 3600,
    doc = "seconds for which what was launched is looked at, when it is ready, before the answer",
}
local PLAN = "{ changes = [{ path, kind, action, fields = [{ field, old?, new?, seen_by_exec, hidden? }], because?, "
    .. 'former_path?, note? }], summary = { restart, update, rename, add, remove, none, reordered, empty } }; action: '
    .. '"add", "remove", "restart", "update" (in place), "rename", "none"'
local RELOADED = "{ plan = { changes, summary }, outcome, message, results = [{ path, status, message, node? }] }; "
    .. 'outcome: "reloaded", "unchanged", "rolled_back"; status: "ok", "not_reached"'
local STEPS = "with progress: plan { changes, summary } as soon as it is made, then progress { id, path, state }: what "
    .. "a service that it launches has come to"

local function change(doc)
    return {
        role = "write", doc = doc, params = { PATHS, WAIT, TIMEOUT, PROGRESS, CONTEXT },
        notes = "progress { id, path, state, event }: `event` has happened to a node that is meant, or below one",
        result = '{ results = [{ path, status, message, for?, node? }] }; status: "ok", "waiting_for", "not_reached", '
            .. '"timeout", "stopped", "refused", "not_found", "limit"',
    }
end

local function restarting()
    local fields = change "Stops nodes and starts them again; a supervisor with all that is below it."
    for _, param in ipairs {
        {
            name = "rolling", type = "boolean", default = false,
            doc = "one after another, of a supervisor its children: each is ready again before the next; the first "
                .. "that is not ends it, and the rest is not touched",
        },
        {
            name = "settle", type = "number", default = 1, min = 0, max = 3600,
            doc = "with rolling: seconds for which each must stay ready before the next",
        },
        {
            name = "max_unavailable", type = "integer", default = 1, min = 1, max = 1000,
            doc = "with rolling: so many at the same time",
        },
    } do table.insert(fields.params, param) end
    fields.notes = fields.notes .. "; with rolling: first rolling { id, paths }, then rolled { id, path, done, of }"
    fields.result = fields.result .. ', with rolling also "skipped"'
    return fields
end

local function row(name, fields)
    fields.name = name
    fields.params = fields.params or {}
    return fields
end

return {
    row("cancel", {
        role = "read",
        doc = "Ends a stream of this connection; or a rolling restart, behind the one that is under way.",
        params = {
            { name = "stream", type = "integer", min = 1, max = 2 ^ 53, doc = "the number of the stream" },
            { name = "call", type = "integer", min = 0, max = 2 ^ 53, doc = "or the id of the call that restarts" },
        },
        result = "{ }",
    }),
    row("environment", {
        role = "write", doc = "What a process is started with, by the configuration that runs now.",
        params = { { name = "path", type = "text", required = true, max = 1024, doc = "the service" } },
        result = '{ argv, env = ["KEY=VALUE"], cwd?, uid?, gid?, groups?, umask?, nice?, oom_score?, no_new_privs?, '
            .. 'limits? }; limits: name -> [soft, hard], each a number or "infinity"; what is left out is as the tree '
            .. "was started with",
    }),
    row("events", {
        role = "read", doc = "What has happened, and what happens from now on.",
        params = {
            { name = "follow", type = "boolean", default = false, doc = "open a stream of those to come" },
            {
                name = "last", type = "integer", min = 0, max = 100000,
                doc = "so many of those that were; default: all that are kept, with follow none",
            },
            {
                name = "since", type = "integer", min = 0, max = 2 ^ 53,
                doc = "only those whose number `seq` is greater: to go on where one has stopped",
            },
            { name = "types", type = "texts", doc = 'only those of these types, such as "failed"' },
            { name = "paths", type = "texts", doc = "only those of these nodes and of what is below them" },
        },
        result = "{ stream?, last, missed?, events = [EVENT] }; last: the number of the newest that was looked at; "
            .. "missed: so many after `since` are not kept any more",
        notes = "event { stream, event }; gap { stream, missed }: the client was too slow, so many are lost; "
            .. "end { stream }: the tree has ended",
    }),
    row("explain", {
        role = "read", doc = "Why a node is as it is, what comes next, and what would change it.",
        params = { { name = "path", type = "text", required = true, max = 1024, doc = "the node" } },
        result = "{ node, reason, because = [{ path, state, cause, text }], next? = { what, in? }, "
            .. "waits_for = [{ path, state }], commands = [text] }; because: each by the next, the first is the node",
    }),
    row("hello", {
        role = "read", doc = "Who answers, and what the caller may do.",
        result = "{ protocol, version, name, pid, keeper, uid, role, host_starts, safe_mode, uptime, file? }",
    }),
    row("logs", {
        role = "read", doc = "The last output of services, and what comes.",
        params = {
            { name = "paths", type = "texts", doc = PATHS.doc .. ", with all below them; default: every service" },
            { name = "lines", type = "integer", min = 0, max = 1000000, doc = "so many of each; default: all kept" },
            {
                name = "since", type = "number", min = 0, max = 1e8,
                doc = "only what is not older than so many seconds; of what is old, rather too much",
            },
            { name = "follow", type = "boolean", default = false, doc = "open a stream of the lines to come" },
            {
                name = "from", type = "counts", min = 0, max = 2 ^ 53, most = 65536,
                doc = "with follow: go on where a former stream has stopped: for each path the last `at` that was told",
            },
        },
        result = "{ stream?, at?, lines = [{ path, text, time?, at }] }; a text has no newline, and is as the service "
            .. "wrote it; time: about when it began; at: the number of the byte behind it; with follow also of each "
            .. "service",
        notes = "log { stream, path, text, time?, at }; gap { stream, path, missed }: so many bytes came faster than "
            .. "they were taken; end { stream }: the tree has ended",
    }),
    row("methods", {
        role = "read", doc = "This table.", result = "{ methods = [{ name, role, doc, params, result, notes? }] }",
    }),
    row("plan", {
        role = "read",
        doc = "What a reload would change. Names of secrets show without their values; who may only look sees no value "
            .. "of the environment.",
        params = {
            FILE,
            { name = "rollback", type = "boolean", default = false, doc = "what a rollback would change" },
            { name = "secrets", type = "boolean", default = false, doc = "values of secrets, too" },
        },
        result = PLAN .. '; an error with code "config" has faults = ["file:line: …"]',
    }),
    row("reload", {
        role = "write", doc = "Reads the configuration again and applies what has changed.",
        params = {
            FILE,
            { name = "rollback", type = "boolean", default = true,
                doc = "go back when what is new or changed does not get ready, or fails" },
            WAIT, TIMEOUT, SETTLE, PROGRESS,
        },
        result = RELOADED, notes = STEPS,
    }),
    row("restart", restarting()),
    row("rollback", {
        role = "write", doc = "Goes back to the configuration that ran before the last reload.",
        params = {
            { name = "rollback", type = "boolean", default = true, doc = "as for reload" },
            WAIT, TIMEOUT, SETTLE, PROGRESS,
        },
        result = RELOADED, notes = STEPS,
    }),
    row("scale", {
        role = "write",
        doc = "Another number of what was declared with replicas, until the next reload: the last ones come and go. It "
            .. "is not rolled back when a new one fails.",
        params = {
            {
                name = "replicas", type = "counts", required = true, min = 0, max = 10000,
                doc = 'paths and how many there are to be, such as { "web": 5 }',
            },
            WAIT, TIMEOUT, SETTLE, PROGRESS,
        },
        result = "{ scaled = [{ path, declared, from, to }], results = [{ path, status, message, node? }] }; results: "
            .. 'each that came or went; status: "ok", "not_reached", "timeout"',
        notes = "progress { id, path, state }: what a service that it launches has come to",
    }),
    row("shutdown", {
        role = "write", doc = "Stops the whole tree, after which nobody answers any more.",
        params = { WAIT, CONTEXT }, result = "{ }",
    }),
    row("signal", {
        role = "write", doc = "Sends a signal to processes; what follows from it is judged as ever.",
        params = {
            PATHS,
            {
                name = "signal", type = "text", required = true, max = 16,
                doc = 'a name such as HUP, or a number; "reload": the reload_signal of each',
            },
            {
                name = "wait", type = "boolean", default = true,
                doc = "with \"reload\": answer when a service that says so (RELOADING=1, READY=1) is done",
            },
            TIMEOUT,
        },
        result = '{ results = [{ path, status, message, node? }] }; status: "ok", "not_running", "invalid", "busy", '
            .. '"refused"; with "reload" also "not_reached", "timeout"',
    }),
    row("start", change "Starts nodes, and what they are after; a person's stop is forgotten."),
    row("status", {
        role = "read", doc = "The nodes as they are now, in the order of the tree, the root first.",
        params = {
            { name = "paths", type = "texts", doc = PATHS.doc .. "; default: every node" },
            { name = "below", type = "boolean", default = false, doc = "with all that is below them" },
            { name = "usage", type = "boolean", default = false, doc = "with what their processes use now" },
        },
        result = "{ name, state, time, services = [NODE], replicas = [{ path, declared, count }], safe_mode? }; "
            .. "replicas: what is several of the same; the path of such a thing means all of them, everywhere; "
            .. "safe_mode: hosts died too often, so thread services and hooks stay down",
    }),
    row("stop", change "Stops nodes and keeps them stopped until a person starts them."),
    row("wait", {
        role = "read", doc = "Waits until nodes are in a state.",
        params = {
            PATHS,
            {
                name = "state", type = "choice", default = "ready",
                choices = {
                    "ready", "running", "stopped", "done", "failed", "waiting", "delayed", "queued", "paused", "stuck",
                },
                doc = "stopped: down, however it came about; the others by their names",
            },
            TIMEOUT,
        },
        result = '{ results = [{ path, status, message, node? }] }; status: "ok", "not_reached": it cannot come by '
            .. 'itself, "timeout", "not_found", "stopped"',
    }),
}
