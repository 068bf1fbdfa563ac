-- Works for two seconds, then meets something that nobody has thought of.
local uv = require "luv"

io.stdout:setvbuf "line"
print "working"
uv.sleep(2000)
print "this should not have happened"
os.exit(1)
