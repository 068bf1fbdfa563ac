--- Failures that are expected: values to return after nil, never raised.
-- An error has `code` and `message`; tostring gives the message. Two errors are equal when their codes are, so that
-- `err == suptree.ErrDuplicateName` holds whatever the message says of the case at hand.
local errors = {}

local Error = {}
Error.__index = Error

function Error.__eq(a, b)
    return a.code == b.code
end

function Error.__tostring(self)
    return self.message
end

local function define(code, message)
    return setmetatable({ code = code, message = message }, Error)
end

errors.ErrWrongSupervisor = define("wrong_supervisor", "wrong supervisor for this service token, no service removed")
errors.ErrTimeout = define("timeout", "the time given to wait is over; what was asked for still stands")
errors.ErrStopped = define("stopped", "the supervisor has stopped; that is final, make a new one")
errors.ErrAlreadyServing = define("already_serving", "the supervisor serves already; it was left alone")
errors.ErrNotRoot = define("not_root", "only the root of a tree can serve; this one was added to another")
errors.ErrDuplicateName = define("duplicate_name", "a service of that name is there already; choose another")
errors.ErrCycle = define("cycle", "a supervisor cannot be added to itself or below itself")
errors.ErrNotFound = define("not_found", "no such service; services() and status show those that are there")
errors.ErrTooMany = define("too_many", "the supervisor has as many children as its max_children allows")
errors.ErrInvalid = define("invalid", "the declaration cannot be used")
errors.ErrRefused = define("refused", "that cannot be done")
errors.ErrGaveUp = define("gave_up", "the tree ended by itself; its events say why")
errors.ErrNotReached = define("not_reached", "the wanted state was not reached; status says why")
errors.ErrNoMemory = define("no_memory", "there is no memory for it; free some and try again")

--- The error of the same code as `constant` with a message of its own; nil or "" keeps the constant's.
function errors.new(constant, message)
    if message == nil or message == "" then return constant end
    return define(constant.code, message)
end

return errors
