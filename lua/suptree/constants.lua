--- Values that mean themselves: a thread service returns one to say how it wants its end understood.
local constants = {}

local Constant = {
    __name = "suptree constant",
    __tostring = function(self) return "suptree." .. self.name end,
}

local function define(name)
    constants[name] = setmetatable({ name = name }, Constant)
end

--- "I am done: leave the tree quietly."
define "DONE"
--- "End the supervisor, and so on up to the root."
define "TERMINATE_TREE"

return constants
