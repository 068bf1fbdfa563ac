--- suptree is-active SERVICE…: for scripts.
local asking = require "suptree.cli.asking"

return asking.verb("is-active", "running", function(node)
    return node.state == "running" or node.state == "done" and node.ready, node.state
end)
