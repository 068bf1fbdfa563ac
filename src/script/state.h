/*
** script/state.h: Lua states of suptree's own: with an allocator that has a cap, suptree's modules,
** and search paths that the environment cannot change.
*/
#ifndef SUP_SCRIPT_STATE_H
#define SUP_SCRIPT_STATE_H

#include "script/arena.h"

#include <lua.h>
#include <stddef.h>

/*
** A state with the standard libraries and suptree's modules, which may take ${cap} bytes in all.
** LUA_PATH, LUA_CPATH and LUA_INIT are ignored, and nothing is searched in the current folder.
** NULL: there is no memory for it. It belongs to the thread that uses it, and to nobody else.
*/
lua_State *sup_state_create(size_t cap);

/* A state in ${arena}, as that was reset, with nothing in it yet. NULL: there is no memory for
   it. To be closed with lua_close. */
lua_State *sup_state_open(struct sup_arena *arena);

/* Close it and run its finalizers. NULL is harmless. Not inside a call of it. */
void sup_state_destroy(lua_State *L);

/*
** Call the function that the module ${module} is, with the ${count} texts of ${arguments}, and
** return the exit code that it returns. An error that nobody caught is told on standard error, with
** a traceback, and gives 70. Blocks as long as the function does.
*/
int sup_state_run(lua_State *L, const char *module, int count, char **arguments);

#endif
