--- suptree is-ready SERVICE…: for scripts.
local asking = require "suptree.cli.asking"

return asking.verb("is-ready", "ready", function(node)
    return node.ready, node.ready and "ready" or node.state == "running" and "not ready" or node.state
end)
