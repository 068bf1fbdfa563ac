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
local PATHS = {
    name = "paths", type = "texts", required = true,
    doc = 'nodes: paths such as "workers/mailer", "." for the root, or patterns such as "workers/*" and "**"',
}

local function change(doc)
    return {
        role = "write", doc = doc, params = { PATHS, WAIT, TIMEOUT, CONTEXT },
        result = '{ results = [{ path, status, message, for?, node? }] }; status: "ok", "waiting_for", "not_reached", '
            .. '"timeout", "stopped", "refused", "not_found", "limit"',
    }
end

local function row(name, fields)
    fields.name = name
    fields.params = fields.params or {}
    return fields
end

return {
    row("hello", {
        role = "read", doc = "Who answers, and what the caller may do.",
        result = "{ protocol, version, name, pid, keeper, uid, role, host_starts, safe_mode, uptime }",
    }),
    row("methods", {
        role = "read", doc = "This table.", result = "{ methods = [{ name, role, doc, params, result, notes? }] }",
    }),
    row("restart", change "Stops nodes and starts them again; a supervisor with all that is below it."),
    row("shutdown", {
        role = "write", doc = "Stops the whole tree, after which nobody answers any more.",
        params = { WAIT, CONTEXT }, result = "{ }",
    }),
    row("start", change "Starts nodes, and what they are after; a person's stop is forgotten."),
    row("status", {
        role = "read", doc = "The nodes as they are now, in the order of the tree, the root first.",
        params = {
            { name = "paths", type = "texts", doc = PATHS.doc .. "; default: every node" },
            { name = "below", type = "boolean", default = false, doc = "with all that is below them" },
        },
        result = "{ name, state, time, services = [NODE] }",
    }),
    row("stop", change "Stops nodes and keeps them stopped until a person starts them."),
}
