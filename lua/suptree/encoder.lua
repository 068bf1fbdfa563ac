--- From a declaration to a config blob, with all faults at once: unknown options, values, what does not go together.
local chunk = require "suptree.chunk"
local declaration = require "suptree.declaration"
local env_file = require "suptree.env_file"
local form = require "suptree.form"
local log_links = require "suptree.log_links"
local log_value = require "suptree.log_value"
local modules = require "suptree.modules"
local options = require "suptree.options"
local ready = require "suptree.ready"
local replicas = require "suptree.replicas"
local rules = require "suptree.rules"
local system = require "suptree.system"
local text = require "suptree.text"
local values = require "suptree.values"

local encoder = {}

local KIND_NUMBERS = { supervisor = 0, process = 1, thread = 2 }
local event_names = {
    "started", "added", "removed", "launched", "launch_failed", "ready", "stopping", "killed", "ended", "failed",
    "backoff", "resume", "delayed", "gave_up", "escalated", "stop_timeout", "stuck", "stopped", "reloaded",
    "reload_refused", "rolled_back", "host_restarted", "unhealthy", "healthy", "skipped",
}
local MAX_DEPTH, MAX_NODES = 64, 65536

-- Rows in ascending order of their numbers, as blobs want them.
local rows_by_id = { table.unpack(options.rows) }
table.sort(rows_by_id, function(a, b) return a.id < b.id end)

local function note_fault(context, node, field, reason, hint)
    local fault = declaration.fault(node.place, node.path, field, reason, hint)
    context.faults[#context.faults + 1] = fault
    context.order[fault] = node.number * 65536 + #context.faults
end

-- What people of other supervisors call it.
local other_words = {
    autostart = "enabled", backoff = "failure_backoff", cmd = "command", decay = "failure_decay",
    depends_on = "after", dir = "cwd", directory = "cwd", environment = "env", exec = "command",
    max_restarts = "intensity", requires = "after", run = "command", stop_timeout = "timeout",
    threshold = "failure_threshold", working_directory = "cwd", workdir = "cwd",
}

-- May a node have this option?
local function takes(context, node, name)
    local row = options.rows[name]
    if type(row) ~= "table" then return false end
    if node.role and not options.applies(name, node.role, false) then return false end
    if row.oneshot or row.timer then return node.role ~= nil end
    return options.applies(name, node.kind, node.is_root and context.as_root)
end

-- What people call the kind of a node.
local function word_of(node)
    return node.role or node.kind
end

local function unknown_option(context, node, name)
    local row = options.rows[name]
    if type(row) == "table" and row.child and context.as_root and node.is_root then
        return note_fault(context, node, "." .. name, "is for children; the root of the tree has no such option")
    end
    if node.role and name == "ready" then
        local why = node.role == "timer" and "a timer is ready as soon as it waits"
            or "a oneshot is ready when it is done"
        return note_fault(context, node, ".ready", "means nothing: " .. why, "Take it out.")
    end
    if node.role and (name == "health" or name == "watchdog") then
        return note_fault(context, node, "." .. name,
            ("means nothing: it is for what is to run on, not for a %s"):format(node.role), "Take it out.")
    end
    local other = other_words[name]
    local fits = other and takes(context, node, other)
    local meant = fits and other or options.nearest_option(name, node.kind, node.is_root and context.as_root)
    node.meant[meant or ""] = true
    if row and not meant then
        local reason = ("is an option of %s, not of a %s"):format(text.owners(row), word_of(node))
        return note_fault(context, node, "." .. name, reason)
    end
    note_fault(context, node, "." .. name,
        "unknown option" .. (meant and (', did you mean "%s"?'):format(meant) or ""),
        not meant and ('"suptree help %s" lists the options of a %s.'):format(word_of(node), word_of(node)) or nil)
end

-- Is it a thread in the form of the library: serve and stop?
local function serves(node)
    return node.kind == "thread" and (node.options.serve ~= nil or node.options.stop ~= nil)
end

local function check_names_of_options(context, node)
    for _, name in ipairs(text.sorted_keys(node.options)) do
        local known = takes(context, node, name)
            or serves(node) and (name == "serve" or name == "stop")
        if not known then unknown_option(context, node, name) end
    end
    for _, key in ipairs(node.strange) do
        note_fault(context, node, "", ("has %s as a key, which is no option"):format(key))
    end
end

-- What the encoder of one option is told.
local function new_value(context, node, row, value)
    return {
        row = row, value = value, folder = context.folder, reads = node.is_reader,
        places = context.folder .. "\0" .. (context.search_path or ""),
        sample = node.options.replicas ~= nil and function(bytes) return replicas.sample(row.name, bytes) end or nil,
        fail = function(reason, hint, below)
            node.good[row.name] = false
            note_fault(context, node, "." .. row.name .. (below or ""), reason, hint)
        end,
    }
end

-- The variables of the file, or none when a fault was noted.
local function read_env_file(context, node)
    local v = new_value(context, node, options.rows.env_file, node.options.env_file)
    local path = values.path(v)
    if not path then return {} end
    modules.note_path(path)
    local contents, why = system.read_file(path)
    if not contents then
        v.fail(("%s cannot be read: %s"):format(path, why), "Make the file, or correct its path.")
        return {}
    end
    local variables, faults = env_file.parse(contents)
    for _, fault in ipairs(faults) do
        v.fail(("%s:%d: %s"):format(path, fault.line, fault.fault), "Write KEY=VALUE.")
    end
    return variables
end

-- The file's variables and env over them, as one option.
local function encode_env(context, node)
    local written = node.options
    if written.env == nil and written.env_file == nil then return nil end
    local variables = written.env_file ~= nil and read_env_file(context, node) or {}
    if written.env ~= nil then
        local own = values.variables(new_value(context, node, options.rows.env, written.env))
        for name, value in pairs(own) do variables[name] = value end
    end
    return values.encode_variables(variables)
end

local HINT_RUN = "Write run = function(ctx) … end, or the name of a module that returns such a function."

-- Notes which tables are copied into more than one chunk: what one thread changes, the others do not see.
local function note_copies(context, node)
    return function(value, where)
        local first = context.copied[value]
        if first and first ~= node.path then
            local note = "%s: %s.run: %s is a table that %s has too; each gets a copy of its own"
            context.notes[#context.notes + 1] = note:format(node.place, node.path, where, first)
        end
        context.copied[value] = first or node.path
    end
end

-- What is loaded: looked up once for all functions.
local function loaded(context)
    context.loaded = context.loaded or chunk.index_loaded()
    return context.loaded
end

-- What a thread is to run: the folder where its modules are searched first, a path (perhaps empty), and the digest by
-- which a reload tells whether it is another (core/form_compare.c); then the chunk. `digest()`: of what was captured.
local function encode_chunk(v, digest, bytes, faults)
    for _, fault in ipairs(faults or {}) do v.fail(fault.reason, fault.hint) end
    return bytes and string.pack("=s4", v.places .. "\0SPID" .. string.pack("=i8", digest())) .. bytes
end

local function encode_run(context, node, v)
    if type(v.value) == "string" then
        local good, why = context.find_module(v.value)
        if not good then return v.fail(why, HINT_RUN) end
        local bytes = chunk.module(v.value)
        return encode_chunk(v, function() return form.hash(bytes) end, bytes)
    end
    if type(v.value) ~= "function" then
        return v.fail(("must be a function or the name of a module, not %s"):format(text.describe(v.value)), HINT_RUN)
    end
    local function digest() return chunk.digest(v.value, loaded(context)) end
    return encode_chunk(v, digest, chunk.capture(v.value, note_copies(context, node), loaded(context)))
end

-- `serve` and `stop` instead of `run`: both in one chunk, so that what they share stays shared.
local function encode_serve(context, node)
    local written = node.options
    local v = new_value(context, node, options.rows.run, nil)
    local function fail(field, reason, hint) note_fault(context, node, "." .. field, reason, hint) end
    if written.run ~= nil then
        return fail("serve", "stands beside run", "A thread has either run, or serve with stop.")
    end
    for _, name in ipairs { "serve", "stop" } do
        if type(written[name]) ~= "function" and not (name == "stop" and written.stop == nil) then
            return fail(name, ("must be a function, not %s"):format(text.describe(written[name])),
                "Write serve = function(ctx) … end, stop = function(context) … end.")
        end
    end
    local pair = { serve = written.serve, stop = written.stop }
    local function digest() return chunk.digest(pair, loaded(context)) end
    return encode_chunk(v, digest, chunk.capture(pair, note_copies(context, node), loaded(context)))
end

local HINT_EVENT = 'Write function(event) … end, or { types = { "failed" }, run = function(event) … end }.'

-- The types that an on_event wants, as a set; nil: all. False when a fault was noted.
local function event_types(v, types)
    if types == nil then return nil end
    if type(types) ~= "table" or #types == 0 then
        v.fail(("must be a list of types of events, not %s"):format(text.describe(types)), HINT_EVENT, ".types")
        return false
    end
    local set = {}
    for place, name in ipairs(types) do
        local known = false
        for _, one in ipairs(event_names) do known = known or one == name end
        if not known then
            v.fail(("there is no event %s%s"):format(text.describe(name), text.did_you_mean(name, event_names)), nil,
                (".types[%d]"):format(place))
            return false
        end
        set[name] = true
    end
    return set
end

-- A function, with the types of events that it wants.
local function encode_on_event(context, node, v)
    local value = v.value
    if context.search_path then
        return v.fail("is for a configuration that is run", "In a program give on_event to suptree.new.")
    end
    local hook = type(value) == "function" and { run = value } or value
    if type(hook) ~= "table" or type(hook.run) ~= "function" then
        return v.fail(("must be a function, not %s"):format(text.describe(value)), HINT_EVENT)
    end
    for key in pairs(hook) do
        if key ~= "run" and key ~= "types" then
            return v.fail(("has the unknown key %s"):format(text.describe(key)), HINT_EVENT)
        end
    end
    local types = event_types(v, hook.types)
    if types == false then return end
    local pair = { run = hook.run, types = types }
    local function digest() return chunk.digest(pair, loaded(context)) end
    return encode_chunk(v, digest, chunk.capture(pair, note_copies(context, node), loaded(context)))
end

-- How a function among the values of an option travels.
local function capturer(context, node, v)
    return function(run, fail)
        if context.search_path then
            return fail("is a function, which is for a configuration that is run",
                "In a program take one of s.ready.*, such as s.ready.tcp(80).")
        end
        local function digest() return chunk.digest(run, loaded(context)) end
        return encode_chunk(v, digest, chunk.capture(run, note_copies(context, node), loaded(context)))
    end
end

local HINT_ARGS = "Give it plain data: numbers, texts, booleans and tables of them."

local function encode_args(v)
    local bytes, faults = chunk.pack(v.value)
    for _, fault in ipairs(faults or {}) do v.fail(fault.reason, HINT_ARGS) end
    return bytes
end

-- What a node is after, with the sibling that reads its output.
local function add_reader(node, names)
    if node.after_too == nil or names ~= nil and type(names) ~= "table" then return names end
    local all = table.move(names or {}, 1, #(names or {}), 1, {})
    for _, name in ipairs(all) do if name == node.after_too then return names end end
    all[#all + 1] = node.after_too
    return all
end

-- Notes who listens where: two on one address cannot be.
local function note_listener(context, node, v)
    v.listens = function(name, address)
        local other = context.listeners[address]
        context.listeners[address] = other or { node = node, name = name }
        if not other then return end
        local whose = other.node == node and ("socket %s"):format(other.name)
            or ("%s, at %s"):format(other.node.path, other.node.place)
        v.fail(("%s is the address of %s too"):format(address, whose), "Give one of them another.", "." .. name)
    end
end

-- The bytes of the option, or nil: not written, or faulty.
local function encode_option(context, node, row)
    if row.name == "env" then return encode_env(context, node) end
    if row.name == "env_file" then return nil end
    local value = node.options[row.name]
    if row.name == "log" and value == nil and node.is_reader then return log_value.encode_reader() end
    if row.name == "after" then value = add_reader(node, value) end
    if row.name == "run" and serves(node) then return encode_serve(context, node) end
    if row.name == "cwd" and value == nil then return context.folder .. "\0" end
    if row.name == "remain" and value == nil then value = true end -- it makes a oneshot
    if value == nil then
        if not row.required or node.meant[row.name] then return nil end
        return note_fault(context, node, "." .. row.name, "is missing", row.doc)
    end
    local v = new_value(context, node, row, value)
    node.good[row.name] = true
    if row.name == "run" then return encode_run(context, node, v) end
    if row.name == "args" then return encode_args(v) end
    if row.name == "on_event" then return encode_on_event(context, node, v) end
    v.capture = capturer(context, node, v)
    if row.name == "sockets" then note_listener(context, node, v) end
    local bytes = values.encode(v)
    -- In a simulation nobody makes the file or says the word.
    if row.name == "ready" and context.assume_ready and bytes and value.kind ~= "delay" then return nil end
    local probe = row.name == "health" and bytes and value.probe or value
    if node.kind == "thread" and bytes and ready.is(probe) and probe.kind == "exec" then
        return v.fail("is s.ready.exec, which runs as a process does: a thread has nothing of that",
            row.name == "health" and "Write probe = a function." or "Let it say ctx:ready(), with s.ready.manual().")
    end
    return bytes
end

local function encode_options(context, node)
    local encoded = {}
    for _, row in ipairs(rows_by_id) do
        if takes(context, node, row.name) then
            local bytes = encode_option(context, node, row)
            if bytes then encoded[#encoded + 1] = { row.id, bytes } end
        end
    end
    return encoded
end

local function check_name(context, node)
    if type(node.name) == "string" and options.name_is_valid(node.name) then return node.name end
    note_fault(context, node, "", ("%s is not a name"):format(text.describe(node.name)),
        "A name is made of letters, digits and _ . @ -, 128 at most.")
end

-- Children of a node that can have none.
local function unwanted_children(context, node, children)
    local is_command = node.kind == "process" and type(children[1]) == "string"
    if is_command then node.meant.command = true end
    note_fault(context, node, "", ("has children, but a %s cannot have any"):format(word_of(node)),
        is_command and "Write command = { … } around the words." or "Put them into a supervisor.")
end

-- What stands in the array part of a supervisor but is no declaration.
local function strange_child(context, node, place, child)
    local hint = 'Write s.process "name" { … } there.'
    if declaration.is_unfinished(child) then
        hint = ('Write s.%s %s { … }.'):format(child.kind, text.describe(child.name))
    elseif type(child) == "table" and declaration.is(child[1]) then
        hint = "Write table.unpack(list) as the last child."
    elseif type(child) == "string" then
        hint = 'A require at the end of a list gives two values: put it in parentheses, (require "name").'
    end
    note_fault(context, node, ("[%d]"):format(place), ("is %s, not a declaration"):format(text.describe(child)), hint)
end

local ROLES = { oneshot = "oneshot", timer = "timer" }

-- What a oneshot or a timer is: a process, or with a function a thread.
local function kind_of(declared)
    if not ROLES[declared.kind] then return declared.kind end
    local given = declared.options
    return given.command == nil and (given.run ~= nil or given.serve ~= nil) and "thread" or "process"
end

-- A copy of the declaration with what encoding learns of it: path, is_root, good options by name, children as copies.
local function prepare(context, declared, parent, depth)
    local node = {
        kind = kind_of(declared), role = ROLES[declared.kind],
        name = declared.name, place = declared.place, options = declared.options,
        strange = declared.strange, children = {}, parent = parent, is_root = parent == nil,
        good = {}, meant = {}, number = context.count,
    }
    context.count = context.count + 1
    if node.is_root and context.name then node.name = context.name end
    local name = type(node.name) == "string" and node.name or text.describe(node.name)
    node.path = parent and parent.path .. "." .. name or name
    node.name = check_name(context, node)
    if node.kind ~= "supervisor" and declared.children[1] ~= nil then
        unwanted_children(context, node, declared.children)
        return node
    end
    for place, child in ipairs(declared.children) do
        if not declaration.is(child) then
            strange_child(context, node, place, child)
        elseif depth == MAX_DEPTH then
            note_fault(context, node, "", ("is nested more than %d levels deep"):format(MAX_DEPTH),
                "Make the tree flatter.")
            break
        else
            node.children[#node.children + 1] = prepare(context, child, node, depth + 1)
        end
    end
    return node
end

-- What is added to a running tree is one node, with one token.
local function check_replicas(context, node)
    if not node.is_root or context.as_root or node.options.replicas == nil then return end
    note_fault(context, node, ".replicas", "is for children that are declared with their supervisor",
        ("Add %s@1, %s@2 and so on, each by itself."):format(tostring(node.name), tostring(node.name)))
end

local function check_root(context, node)
    if node.is_root and context.as_root and node.kind ~= "supervisor" then
        note_fault(context, node, "", ("the root of the tree is a %s; it must be a supervisor"):format(word_of(node)),
            'Write s.supervisor "name" { … } around it.')
    end
end

-- Preorder, which is the order of the blob.
local function encode_node(context, node, records)
    local record = { kind = KIND_NUMBERS[node.kind], name = node.name, place = node.place, children = #node.children }
    records[#records + 1] = record
    check_root(context, node)
    check_replicas(context, node)
    check_names_of_options(context, node)
    record.options = encode_options(context, node)
    local function fail(...) note_fault(context, ...) end
    rules.check_node(node, node.parent, fail)
    for _, child in ipairs(node.children) do encode_node(context, child, records) end
    rules.check_siblings(node.children, fail)
end

-- Is there a module of that name? Used where nobody knows better, as beside a program of somebody else's.
local function find_module(name)
    if package.loaded[name] or package.preload[name] or package.searchpath(name, package.path) then return true end
    return false, ("there is no module %s"):format(text.quote(name))
end

local function new_context(settings)
    return {
        folder = settings.folder or system.real_path ".", as_root = settings.as_root or false, name = settings.name,
        search_path = settings.search_path, find_module = settings.find_module or find_module,
        assume_ready = settings.assume_ready or false,
        faults = {}, notes = {}, copied = {}, listeners = {}, order = {}, count = 0,
    }
end

-- All faults, those of a node together and in the order of the tree.
local function refuse(context)
    table.sort(context.faults, function(a, b) return context.order[a] < context.order[b] end)
    return nil, declaration.faults(context.faults)
end

--- The config blob of `declared` and an array of notes (texts) for its author; or nil and all faults. `settings`:
--   folder             what relative paths are relative to; default: the current folder
--   search_path        where threads search modules behind that folder, as in package.path but absolute
--   as_root            it is the whole tree of a host, not something to add to one
--   name               the root's name instead of the declared one
--   find_module(name)  is there such a module for `run`? True, or false and why not
--   assume_ready       readiness by a file or by the service's own word is at launch: for simulations
function encoder.encode(declared, settings)
    local context = new_context(settings)
    local root = prepare(context, declared, nil, 1)
    if context.count > MAX_NODES then
        note_fault(context, root, "", ("declares %d nodes; at most %d are possible"):format(context.count, MAX_NODES),
            "Split the tree over several hosts.")
        return refuse(context)
    end
    local records = {}
    log_links.link(root, context.as_root, function(...) note_fault(context, ...) end)
    encode_node(context, root, records)
    if context.faults[1] then return refuse(context) end
    local blob, place, reason, hint
    if replicas.has(records) then
        blob, place, reason, hint = replicas.encode({ records = records, scaled = {} }, context.as_root)
    else
        blob, place, reason, hint = form.encode(records)
    end
    if blob then return blob, context.notes end
    return nil, declaration.faults { declaration.fault(place, "", "", reason, hint ~= "" and hint or nil) }
end

return encoder
