--- suptree is-active SERVICE…: for scripts.
local asking = require "suptree.cli.asking"
local words = require "suptree.render.words"

return asking.verb("is-active", "running", function(node)
    return words.is_good(node), node.state
end)
