--- JSON-RPC 2.0 as text: reading requests, writing replies. Results are JSON already.
local cjson = require "cjson"
local json = require "suptree.json"

local message = {}

local MAX_DEPTH = 32
local MAX_ID = 256

local reader = cjson.new()
reader.decode_max_depth(MAX_DEPTH)
reader.decode_invalid_numbers(false)

message.null = cjson.null

message.PARSE, message.REQUEST, message.METHOD, message.PARAMS = -32700, -32600, -32601, -32602
message.INTERNAL, message.OWN = -32603, -32000

-- The id as JSON, or nil: it cannot be used. Numbers beyond 2^53 would come back as others.
local function read_id(id)
    if id == nil or id == cjson.null then return "null" end
    if type(id) == "string" and #id <= MAX_ID then return json.encode(id) end
    if type(id) ~= "number" or math.abs(id) > 2 ^ 53 then return nil end
    return json.encode(math.tointeger(id) or id)
end

local function bad(code, words, id)
    return { code = code, message = words, id = id or "null", fatal = code == message.PARSE }
end

--- The request in a line: { id (JSON), method, params }, without id when no reply is wanted; or nil and an error
-- { code, message, id, fatal: nothing more can be understood }.
function message.read(line)
    local good, value = pcall(reader.decode, line)
    if not good then return nil, bad(message.PARSE, "that is not JSON: " .. tostring(value):sub(1, 128)) end
    if type(value) ~= "table" then return nil, bad(message.REQUEST, "an object is expected") end
    if value.jsonrpc ~= "2.0" then
        local words = value[1] ~= nil and "one request a line, without a list around it"
            or 'a JSON-RPC request is expected: { "jsonrpc": "2.0", "id": 1, "method": "hello" }'
        return nil, bad(message.REQUEST, words)
    end
    local id = read_id(value.id)
    if not id then return nil, bad(message.REQUEST, "id: a short text or a whole number up to 2^53 is expected") end
    if type(value.method) ~= "string" then return nil, bad(message.REQUEST, "method: a text is expected", id) end
    return { id = value.id ~= nil and id or nil, method = value.method, params = value.params }
end

--- The reply with a result, which is JSON.
function message.result(id, result)
    return ('{"jsonrpc":"2.0","id":%s,"result":%s}\n'):format(id, result)
end

--- The reply with an error; `data` is a table or nil.
function message.error(id, code, words, data)
    local fields = { code = code, message = words, data = data }
    return ('{"jsonrpc":"2.0","id":%s,"error":%s}\n'):format(id, json.encode(fields))
end

--- A notification; `params` is JSON.
function message.notification(method, params)
    return ('{"jsonrpc":"2.0","method":"%s","params":%s}\n'):format(method, params)
end

return message
