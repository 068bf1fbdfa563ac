/*
** script/traceback.h: where an error was raised, as luaL_traceback says it, but quickly, and cut to
** a size.
*/
#ifndef SUP_SCRIPT_TRACEBACK_H
#define SUP_SCRIPT_TRACEBACK_H

#include <lua.h>
#include <stddef.h>

/*
** Write the traceback of ${L} from ${level} on behind the ${length} bytes that are in ${buf},
** beginning with a newline; returns the length of all. What is called is named as a global or as a
** field of a loaded module when that is how it was called. May raise.
*/
size_t sup_traceback(lua_State *L, int level, char *buf, size_t length, size_t size);

#endif
