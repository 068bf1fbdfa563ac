/*
** script/modules.h: suptree's own modules for any lua_State: those written in Lua are embedded in
** the program, those in C are listed in modules.c.
*/
#ifndef SUP_SCRIPT_MODULES_H
#define SUP_SCRIPT_MODULES_H

#include <lua.h>
#include <stdbool.h>

/*
** Put every module of suptree into package.preload of ${L}, which has the standard libraries. The
** environment variable SUPTREE_LUA_DIR names a folder to read the Lua files from instead (the
** folder `lua` of the sources); it is not heeded in a program with raised rights. May raise for
** lack of memory.
*/
void sup_modules_preload(lua_State *L);

/* Push the loader of suptree's own module ${name} and where it comes from; false: it is none.
   May raise. */
bool sup_modules_push_loader(lua_State *L, const char *name);

/*
** Keep the entries of the path ${field} that begin with a slash. The table `package` is on the top.
** May raise.
*/
void sup_modules_drop_relative(lua_State *L, const char *field);

#endif
