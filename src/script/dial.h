/*
** script/dial.h: the client's end of a control socket, as a Lua module. Must not know what is said.
*/
#ifndef SUP_SCRIPT_DIAL_H
#define SUP_SCRIPT_DIAL_H

#include <lua.h>

/*
** Push the module `suptree.dial`. Blocks the process that calls it; signals cut it short.
**   connect(path)        a line, or nil, reason, errno
**   line:send(text)      all of it: true, or nil, reason
**   line:receive(s)      the next line without its end, or nil, "timeout" | "closed" | "interrupted"
**                        | reason. s: seconds at most; nil: for ever
**   line:fd()            to be polled; what has been received already is not seen there:
**   line:has_line()      is a whole line there already?
**   line:close()
*/
int sup_dial_open(lua_State *L);

#endif
