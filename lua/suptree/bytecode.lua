--- Bytecode as data: what of it decides what a function does, and which modules it may require.
--
-- string.dump says in which lines a function stands even when it is told to leave all else out. So the bytes are read
-- here, in the form of Lua 5.4 (ldump.c), and what belongs to debugging is passed over.
local bytecode = {}

local HEADER = "\27Lua\x54\0\x19\x93\r\n\x1a\n"

local function take(r, count)
    local at = r.at
    r.at = at + count
    if r.at > #r.bytes + 1 then error("cut off", 0) end
    return r.bytes:sub(at, r.at - 1)
end

local function take_byte(r)
    return take(r, 1):byte()
end

-- Seven bits a byte, the highest first; the last byte has its top bit set.
local function take_number(r)
    local number = 0
    repeat
        local byte = take_byte(r)
        number = number << 7 | byte & 0x7f
    until byte >= 0x80
    return number
end

local function take_text(r)
    local size = take_number(r)
    return size > 0 and take(r, size - 1) or nil
end

local function keep(r, value)
    r.kept[#r.kept + 1] = value
    return value
end

-- The same as they are read, into what is kept.
local function keep_number(r)
    local number = take_number(r)
    keep(r, string.pack("=i8", number))
    return number
end

local function pass_text(r)
    take_text(r)
end

local constants = {
    [0x00] = function() end, -- nil
    [0x01] = function() end, -- false
    [0x11] = function() end, -- true
    [0x03] = function(r) keep(r, take(r, r.integer_size)) end,
    [0x13] = function(r) keep(r, take(r, r.number_size)) end,
}

local function read_text_constant(r)
    local words = take_text(r) or ""
    keep(r, string.pack("=s4", words))
    r.texts[#r.texts + 1] = words
end

constants[0x04], constants[0x14] = read_text_constant, read_text_constant

local function each(r, count, read)
    for _ = 1, count do read(r) end
end

local function pass_debug(r)
    take(r, take_number(r)) -- lines
    each(r, take_number(r), function()
        take_number(r)
        take_number(r)
    end)
    each(r, take_number(r), function() -- local variables
        pass_text(r)
        take_number(r)
        take_number(r)
    end)
    each(r, take_number(r), pass_text) -- names of upvalues
end

local function read_function(r)
    pass_text(r) -- source
    take_number(r)
    take_number(r) -- from line to line
    keep(r, take(r, 3))
    keep(r, take(r, keep_number(r) * r.instruction_size))
    each(r, keep_number(r), function()
        local kind = keep(r, take(r, 1)):byte()
        local read = constants[kind] or error("an unknown constant", 0)
        read(r)
    end)
    keep(r, take(r, keep_number(r) * 3)) -- upvalues
    each(r, keep_number(r), read_function)
    pass_debug(r)
end

local function read(bytes)
    local r = { bytes = bytes, at = 1, kept = {}, texts = {} }
    if take(r, #HEADER) ~= HEADER then error("another version of Lua", 0) end
    r.instruction_size, r.integer_size, r.number_size = take_byte(r), take_byte(r), take_byte(r)
    take(r, r.integer_size + r.number_size + 1) -- how numbers look here; how many upvalues
    read_function(r)
    return r
end

--- What the dumped function does, as bytes that do not change when it moves to other lines or its variables get other
-- names. Bytes of another form are returned as they are.
function bytecode.essence(bytes)
    local good, r = pcall(read, bytes)
    return good and table.concat(r.kept) or bytes
end

--- The texts in the dumped function and in those inside it that may be names of modules which it requires; none when
-- it does not mention `require`, unless it `has_require` otherwise, as a variable.
function bytecode.required(bytes, has_require)
    local good, r = pcall(read, bytes)
    local names, seen, mentions = {}, {}, has_require
    for _, words in ipairs(good and r.texts or {}) do
        mentions = mentions or words == "require"
        if not seen[words] and #words <= 256 and words:find "^[%w_][%w_.-]*$" then names[#names + 1] = words end
        seen[words] = true
    end
    return mentions and names or {}
end

return bytecode
