--- suptree console: Lua in which the tree that runs is there by name. The Lua state lives in this process; what it
-- wants of the tree it asks for over the protocol, with the rights of this connection.
local common = require "suptree.cli.common"
local editor = require "suptree.editor"
local evaluate = require "suptree.console.evaluate"
local complete = require "suptree.console.complete"
local remote = require "suptree.cli.remote"
local scope = require "suptree.console.scope"
local session = require "suptree.console.session"
local system = require "suptree.system"
local terminal = require "suptree.render.terminal"
local values = require "suptree.console.values"

local Console = {}
Console.__index = Console

local function print_values(self, list)
    for place = 1, list.n do
        local value = list[place]
        if self.json then
            print(values.json(value))
        elseif value ~= nil or list.n > 1 then
            print(values.show(value, not self.is_interactive))
        end
    end
end

-- Runs a text that is whole; true when it went well.
local function run(self, chunk)
    local results = table.pack(evaluate.run(function()
        local list = table.pack(chunk())
        if list.n > 0 then self.environment._ = list[1] end
        print_values(self, list)
    end, self.timeout))
    io.stdout:flush()
    if results[1] then return common.DONE end
    io.stderr:write(self.facts.paint("red", terminal.printable(results[2]:gsub("\n", " "))), "\n")
    return results[3] == "timeout" and common.TIMED_OUT or common.FAILED
end

local function run_text(self, text)
    local chunk, message = evaluate.compile(text, self.environment)
    if chunk then return run(self, chunk) end
    if message == "more" then message = "console: it ends in the midst of a statement" end
    io.stderr:write(terminal.printable(message), "\n")
    return common.FAILED
end

-- Lines from a file or a pipe: each statement runs when it is whole.
local function run_lines(self, lines)
    local text, code = "", common.DONE
    for line in lines do
        text = text == "" and line or text .. "\n" .. line
        local chunk, message = evaluate.compile(text, self.environment)
        if chunk or message ~= "more" then
            local one = text:find "%S" and run_text(self, text) or common.DONE
            if one ~= common.DONE then code = one end
            text = ""
        end
        if self.session.is_over then return code end
    end
    return text == "" and code or run_text(self, text)
end

-- --- a person -------------------------------------------------------------------------------------------------------

local function history_file()
    local home = os.getenv "HOME"
    return home and home ~= "" and home .. "/.suptree_history" or nil
end

-- A line; nil and "end" or "interrupted". What streams bring is shown meanwhile.
local function read_line(self, prompt)
    while true do
        local line, why = editor.read(prompt, self.session.fd(), function(text, first, last)
            return complete(self.session, self.environment, text, first, last)
        end)
        if why ~= "readable" then return line, why end
        self.session.is_readable = true
        local good, message = self.session.take_notes()
        if not good then
            editor.show(message .. "\n")
            return nil, "lost"
        end
    end
end

local function take_statement(self)
    local text, prompt = "", self.name .. "> "
    while true do
        local line, why = read_line(self, text == "" and prompt or (" "):rep(#prompt - 2) .. "| ")
        if not line then return nil, why end
        text = text == "" and line or text .. "\n" .. line
        local chunk, message = evaluate.compile(text, self.environment)
        if chunk or message ~= "more" or line == "" then
            editor.remember((text:gsub("\n", " ")))
            return text
        end
    end
end

local function talk(self)
    print(("%s; %s. help() says what there is, Ctrl-D ends."):format(self.name,
        self.session.may_write and "what is typed may change it" or "to look at; --write lets you change it"))
    while not self.session.is_over do
        local text, why = take_statement(self)
        if why == "end" or why == "lost" then break end
        if text and text:find "%S" then run_text(self, text) end
        if not self.session.take_notes() then break end
    end
    editor.close()
    return common.DONE
end

-- --- the verb -------------------------------------------------------------------------------------------------------

local function open(arguments)
    local connection, hello = session.connect(remote.wanted(arguments))
    if not connection then return nil, remote.fail(hello) end
    if arguments.write and hello.role ~= "write" then
        common.complain("you may look at %s, and not change it: --write is for the user who started it, and root",
            hello.name)
        return nil, common.REFUSED
    end
    local self = setmetatable({ name = hello.name, json = arguments.json, timeout = arguments.timeout }, Console)
    self.facts = remote.facts(arguments)
    self.session = session.new(connection, {
        may_write = arguments.write, facts = self.facts,
        write = function(text) if self.is_interactive then editor.show(text) else io.stdout:write(text) end end,
    })
    self.environment = scope.new(self.session)
    return self
end

return {
    name = "console",
    description = "Lua in which the running tree is there by name: web.state, web:restart(), ps(), explain(web). On a "
        .. "terminal it completes names and keeps a history; from a pipe it runs what comes. It may only look, unless "
        .. "--write is given.",
    epilog = "Exit codes: 0; 1 what was run failed; 2 a mistake on the command line; 5 refused; 7 no host answers; 124 "
        .. "it took longer than --timeout.",
    describe = function(parser)
        parser:option("-e --eval", "Run this and end; may be given several times."):argname "CODE":count "*"
        parser:flag("--write", "Let it change the tree.")
        parser:option("--timeout", "Cut what takes longer than this, each line for itself."):argname "TIME"
            :convert(remote.to_seconds)
        common.add_tree(parser)
        parser:flag("--json", "Print values as JSON, one a line.")
        common.add_colour(parser)
    end,
    run = function(arguments)
        local self, code = open(arguments)
        if not self then return code end
        if arguments.eval[1] then
            for _, text in ipairs(arguments.eval) do
                code = run_text(self, text)
                if code ~= common.DONE then return code end
            end
            return common.DONE
        end
        if not system.is_terminal(0) then return run_lines(self, io.lines()) end
        local opened, why = editor.open(history_file())
        if not opened then
            io.stderr:write(why, "\n")
            return run_lines(self, io.lines())
        end
        self.is_interactive = true
        return talk(self)
    end,
}
