/*
** A Lua module for specs: what a broken or stubborn library in C does to a thread service.
*/
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <sys/mman.h>

/* Write where nothing may be written; a null pointer would be caught by a sanitizer before the
   system. */
static int crash(lua_State *L)
{
    int *nowhere = mmap(NULL, sizeof *nowhere, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void) L;
    *(int *volatile) nowhere = 1;
    return 0;
}

static int loop(lua_State *L)
{
    (void) L;
    for (;;) poll(NULL, 0, 1000);
    return 0;
}

/* A userdata whose finalizer never returns. */
static int finalizer(lua_State *L)
{
    lua_newuserdatauv(L, 1, 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, loop);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    return 1;
}

int luaopen_fault(lua_State *L);

int luaopen_fault(lua_State *L)
{
    static const luaL_Reg functions[] = {{"crash", crash},
                                         {"finalizer", finalizer},
                                         {"loop", loop},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
