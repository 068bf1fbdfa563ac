--- Captured chunks: a function, or plain data, as bytes that another Lua state understands.
--
-- A function travels as bytecode with its upvalues, which may be plain data, such functions, or loaded modules; what
-- two of them share inside one chunk stays shared. Globals stay behind: a function finds those of where it arrives.
-- Anything else is a fault that names the upvalue and the line.
--
-- The form, version 1 (host-endian): "SPCK", u32 version, then one value:
--   n nil   t true   f false   i i64   d f64   s u32 bytes
--   T u32 pairs, key value …            a table, numbered in the order of their appearance from 1, as functions are
--   F u32 bytecode, u8 upvalues, then for each: s name, and
--       e                               the globals
--       u u32 cell value                a cell seen first
--       c u32 cell                      a cell seen before
--   r u32 number                        a table or function seen before
--   m s name i64 digest                 the module `name`; the digest changes with its files
--   l s module s field                  a function in C, found in a loaded module
--   k s name                            one of suptree's constants
-- The digest of a chunk is made of the same form, with F u32 essence instead of bytecode, and behind the upvalues
-- s name, i64 digest of each module that the function may require when it runs.
local bytecode = require "suptree.bytecode"
local constants = require "suptree.constants"
local form = require "suptree.form"
local modules = require "suptree.modules"
local text = require "suptree.text"

local chunk = {}

local MAGIC, VERSION = "SPCK", 1
local MAX_DEPTH = 100
local HINT = "Make it inside the function, or write the function as a module of its own: run = \"name\"."

-- --- capturing -----------------------------------------------------------------------------------------------------

-- What is found in loaded modules: module -> name, C function -> { module, field }; the first in the order of names.
function chunk.index_loaded()
    local names, fields = {}, {}
    for _, name in ipairs(text.sorted_keys(package.loaded)) do
        local module = package.loaded[name]
        local kind = type(module)
        local is_object = kind == "table" or kind == "function" or kind == "userdata"
        if is_object and not names[module] then names[module] = name end
        for _, field in ipairs(kind == "table" and text.sorted_keys(module) or {}) do
            local value = rawget(module, field)
            if type(value) == "function" and not fields[value] then fields[value] = { name, field } end
        end
    end
    return { names = names, fields = fields }
end

local function new_writer(note, index)
    index = index or chunk.index_loaded()
    return {
        parts = {}, faults = {}, names = index.names, fields = index.fields, note = note or function() end,
        objects = {}, object_count = 0, cells = {}, cell_count = 0, depth = 0,
    }
end

local function put(w, format, ...)
    w.parts[#w.parts + 1] = string.pack("=" .. format, ...)
end

local function fault(w, where, reason)
    w.faults[#w.faults + 1] = { reason = where .. reason, hint = HINT }
end

local function is_c_function(value)
    return debug.getinfo(value, "S").what == "C"
end

local write

local function key_before(a, b)
    if type(a) ~= type(b) then return type(a) < type(b) end
    if type(a) == "boolean" then return not a and b end
    return a < b
end

local function sorted_keys(w, value, where)
    local keys = {}
    for key in pairs(value) do
        local kind = type(key)
        if kind == "string" or kind == "number" or kind == "boolean" then
            keys[#keys + 1] = key
        else
            fault(w, where, (" has %s as a key, which cannot travel"):format(text.describe(key)))
        end
    end
    table.sort(keys, key_before)
    return keys
end

local function number_object(w, value)
    w.object_count = w.object_count + 1
    w.objects[value] = w.object_count
end

local function write_table(w, value, where)
    if getmetatable(value) ~= nil then return fault(w, where, " has a metatable, which cannot travel") end
    number_object(w, value)
    w.note(value, where)
    local keys = sorted_keys(w, value, where)
    put(w, "c1I4", "T", #keys)
    for _, key in ipairs(keys) do
        write(w, key, where)
        write(w, value[key], ("%s[%s]"):format(where, text.describe(key)))
    end
end

local function write_upvalue(w, func, place, name, value)
    local info = debug.getinfo(func, "S")
    local cell = debug.upvalueid(func, place)
    put(w, "c1s4", "s", name)
    if name == "_ENV" or rawequal(value, _G) then return put(w, "c1", "e") end
    if w.cells[cell] then return put(w, "c1I4", "c", w.cells[cell]) end
    w.cell_count = w.cell_count + 1
    w.cells[cell] = w.cell_count
    put(w, "c1I4", "u", w.cell_count)
    write(w, value, ("the function at %s:%d uses %s, which"):format(
        info.source:match "^@(.*)" or info.short_src, info.linedefined, name))
end

-- Modules that the function requires by itself when it runs: they are a part of what it is.
local function write_required(w, func, code)
    local has_require = false
    for place = 1, debug.getinfo(func, "u").nups do
        has_require = has_require or rawequal(select(2, debug.getupvalue(func, place)), require)
    end
    for _, name in ipairs(bytecode.required(code, has_require)) do
        local digest = modules.digest(name)
        if digest ~= 0 then put(w, "s4i8", name, digest) end
    end
end

local function write_function(w, value)
    number_object(w, value)
    local count = debug.getinfo(value, "u").nups
    local code = string.dump(value)
    put(w, "c1s4I1", "F", w.essence and bytecode.essence(code) or code, count)
    if w.essence then write_required(w, value, code) end
    for place = 1, count do
        local name, upvalue = debug.getupvalue(value, place)
        write_upvalue(w, value, place, name, upvalue)
    end
end

local function write_field(w, value, where)
    local field = w.fields[value]
    if not field then return fault(w, where, " is a function in C of no loaded module, and cannot travel") end
    put(w, "c1s4s4", "l", field[1], field[2])
end

local function write_module(w, name)
    put(w, "c1s4i8", "m", name, modules.digest(name))
end

local function constant_name(value)
    for name, constant in pairs(constants) do if rawequal(value, constant) then return name end end
end

local function write_object(w, value, where)
    if w.objects[value] then return put(w, "c1I4", "r", w.objects[value]) end
    if w.names[value] then return write_module(w, w.names[value]) end
    local constant = constant_name(value)
    if constant then return put(w, "c1s4", "k", constant) end
    if type(value) == "table" then return write_table(w, value, where) end
    if type(value) == "function" then
        -- While a configuration is read, `require` is a function of suptree's own.
        if is_c_function(value) or rawequal(value, require) then return write_field(w, value, where) end
        return write_function(w, value)
    end
    fault(w, where, (" is %s, and cannot travel to a thread"):format(text.describe(value)))
end

-- Plain data has no functions and no modules in it.
local function write_object_of_data(w, value, where)
    if w.objects[value] then return put(w, "c1I4", "r", w.objects[value]) end
    if type(value) == "table" then return write_table(w, value, where) end
    fault(w, where, (" is %s, which is no plain data"):format(text.describe(value)))
end

local function write_plain(w, value)
    local kind = math.type(value) or type(value)
    if kind == "nil" then put(w, "c1", "n")
    elseif kind == "boolean" then put(w, "c1", value and "t" or "f")
    elseif kind == "integer" then put(w, "c1i8", "i", value)
    elseif kind == "float" then put(w, "c1d", "d", value)
    else put(w, "c1s4", "s", value) end
end

function write(w, value, where)
    local kind = type(value)
    if kind ~= "table" and kind ~= "function" and kind ~= "userdata" and kind ~= "thread" then
        return write_plain(w, value)
    end
    if w.depth == MAX_DEPTH then return fault(w, where, " is nested too deep") end
    w.depth = w.depth + 1
    w.write_object(w, value, where)
    w.depth = w.depth - 1
end

local function finish(w)
    if w.faults[1] then return nil, w.faults end
    return string.pack("=c4I4", MAGIC, VERSION) .. table.concat(w.parts)
end

local function write_captured(w, func, note)
    w.write_object = write_object
    if type(func) == "table" then
        w.note = function(value, where) if value ~= func and note then note(value, where) end end
        write(w, func, "it")
    elseif is_c_function(func) then
        fault(w, "it", " is a function in C, and cannot travel")
    else
        write(w, func, "it")
    end
    return finish(w)
end

--- The bytes of a Lua function, or of a table of such; or nil and an array of { reason, hint }. `note(table, where)`
-- is told of each table that is copied. `index`: of chunk.index_loaded(), when many are captured.
function chunk.capture(func, note, index)
    return write_captured(new_writer(note, index), func, note)
end

--- A number that tells whether what was captured does the same as before: it changes with the code, the values that
-- travel along and the files of the modules that it requires, not with lines and names of variables.
function chunk.digest(func, index)
    local w = new_writer(nil, index)
    w.essence = true
    return form.hash(assert(write_captured(w, func)))
end

--- The bytes that stand for a module that returns the function.
function chunk.module(name)
    local w = new_writer(nil, {})
    write_module(w, name)
    return finish(w)
end

--- The bytes of plain data: nil, booleans, numbers, texts, and tables of them.
function chunk.pack(value)
    local w = new_writer(nil, {})
    w.write_object = write_object_of_data
    write(w, value, "it")
    return finish(w)
end

-- --- bringing back -------------------------------------------------------------------------------------------------

local read
local readers = {}

local function take(r, format)
    local value, at = string.unpack("=" .. format, r.bytes, r.at)
    r.at = at
    return value
end

local function add_object(r, value)
    r.objects[#r.objects + 1] = value
    return value
end

readers.n = function() return nil end
readers.t = function() return true end
readers.f = function() return false end
readers.i = function(r) return take(r, "i8") end
readers.d = function(r) return take(r, "d") end
readers.s = function(r) return take(r, "s4") end

function readers.T(r)
    local value = add_object(r, {})
    for _ = 1, take(r, "I4") do
        local key = read(r)
        value[key] = read(r)
    end
    return value
end

local function read_upvalue(r, func, place)
    take(r, "c1")
    take(r, "s4") -- its name, for people who look into a chunk
    local kind = take(r, "c1")
    if kind == "e" then return debug.setupvalue(func, place, r.globals) end
    local number = take(r, "I4")
    if kind == "c" then
        local cell = assert(r.cells[number], "a cell that was never seen")
        return debug.upvaluejoin(func, place, cell.func, cell.place)
    end
    assert(kind == "u", "an unknown kind of upvalue")
    r.cells[number] = { func = func, place = place }
    debug.setupvalue(func, place, (read(r)))
end

function readers.F(r)
    local func = add_object(r, assert(load(take(r, "s4"), "chunk", "b", r.globals)))
    for place = 1, take(r, "I1") do read_upvalue(r, func, place) end
    return func
end

function readers.r(r)
    return assert(r.objects[take(r, "I4")], "an object that was never seen")
end

function readers.m(r)
    local name = take(r, "s4")
    take(r, "i8")
    return require(name)
end

function readers.l(r)
    local module = require(take(r, "s4"))
    return assert(module[take(r, "s4")], "a function that the module does not have")
end

function readers.k(r)
    return assert(constants[take(r, "s4")], "an unknown constant")
end

function read(r)
    local reader = assert(r.readers[take(r, "c1")], "an unknown kind of value")
    return reader(r)
end

local function restore(bytes, known, globals)
    if bytes:sub(1, 4) ~= MAGIC or #bytes < 9 then return nil, "it is not a captured chunk" end
    local version = string.unpack("=I4", bytes, 5)
    if version ~= VERSION then
        return nil, ("it has form version %d; this suptree reads %d"):format(version, VERSION)
    end
    local r = { bytes = bytes, at = 9, objects = {}, cells = {}, globals = globals, readers = known }
    local good, value = pcall(read, r)
    if not good then return nil, "it is damaged: " .. tostring(value) end
    return value
end

--- The function or data in `bytes`, with `globals` (default _G) as the globals of its functions; nil and a text when
-- they are not of this form. It believes them otherwise: bytecode is taken as it is.
function chunk.restore(bytes, globals)
    return restore(bytes, readers, globals or _G)
end

local readers_of_data = {}
for _, tag in ipairs { "n", "t", "f", "i", "d", "s", "T", "r" } do readers_of_data[tag] = readers[tag] end

--- The plain data in `bytes`, which may come from anybody; nil and a text when they are not of this form.
function chunk.unpack(bytes)
    return restore(bytes, readers_of_data)
end

return chunk
