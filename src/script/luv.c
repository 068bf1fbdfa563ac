/*
** script/luv.c: finding luv and its functions.
*/
#include "script/luv.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <string.h>

static void find_symbol(lua_State *L, void *library, const char *name, void *out)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL) luaL_error(L, "luv has no %s: another version of it is needed", name);
    memcpy(out, &symbol, sizeof symbol); /* ISO C knows no conversion to a function */
}

void sup_luv_load(lua_State *L, struct sup_luv *luv)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchpath");
    lua_pushliteral(L, "luv");
    lua_getfield(L, -3, "cpath");
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2)) luaL_error(L, "luv is not installed:%s", lua_tostring(L, -1));
    const char *path = lua_tostring(L, -2);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) luaL_error(L, "luv cannot be loaded: %s", dlerror());
    find_symbol(L, library, "luaopen_luv", &luv->open);
    find_symbol(L, library, "luv_set_loop", &luv->set_loop);
    find_symbol(L, library, "luv_set_callback", &luv->set_callback);
    find_symbol(L, library, "luv_context", &luv->context);
    lua_pop(L, 3);
}
