--- Lines for the shell.
local shell = {}

--- Runs a line; its output, errors among it, and whether it ended well.
function shell.run(line)
    local pipe = assert(io.popen(("( %s ) 2>&1 </dev/null"):format(line)))
    local output = pipe:read "a"
    return output, pipe:close()
end

--- The same for one that must end well; its output, without the newline at its end.
function shell.must(line, ...)
    line = line:format(...)
    local output, good = shell.run(line)
    if not good then error(line .. "\n" .. output, 2) end
    return (output:gsub("\n$", ""))
end

return shell
