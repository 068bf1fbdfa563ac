-- Works for two seconds, then hits an error that nobody has thought of.
local uv = require "luv"

io.stdout:setvbuf "line"
print "working"
uv.sleep(2000)
error "the unexpected has happened"
