/*
** script/state.c: making states and entering them. It knows nothing of what is run in them.
*/
#include "script/state.h"

#include "script/arena.h"
#include "script/modules.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_CODE 70

/* Called protected. */
static int set_up(lua_State *L)
{
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    luaL_openlibs(L);
    lua_getglobal(L, "package");
    sup_modules_drop_relative(L, "path");
    sup_modules_drop_relative(L, "cpath");
    lua_pop(L, 1);
    sup_modules_preload(L);
    return 0;
}

static int add_traceback(lua_State *L)
{
    const char *message = luaL_tolstring(L, 1, NULL);
    luaL_traceback(L, L, message, 1);
    return 1;
}

/* Reached only when an error passes all protected calls, which none here can. */
static int report_panic(lua_State *L)
{
    const char *message = lua_tostring(L, -1);
    fprintf(stderr, "suptree: an error outside of a protected call: %s; please report this\n",
            message != NULL ? message : "?");
    return 0;
}

lua_State *sup_state_open(struct sup_arena *arena)
{
    lua_State *L = lua_newstate(sup_arena_allocate, arena);
    if (L != NULL) lua_atpanic(L, report_panic);
    return L;
}

static lua_State *create_bare(size_t cap)
{
    struct sup_arena *arena = sup_arena_create(0);
    if (arena == NULL) return NULL;
    sup_arena_reset(arena, cap);
    lua_State *L = sup_state_open(arena);
    if (L == NULL) sup_arena_destroy(arena);
    return L;
}

lua_State *sup_state_create(size_t cap)
{
    lua_State *L = create_bare(cap);
    if (L == NULL) return NULL;
    lua_pushcfunction(L, set_up);
    if (lua_pcall(L, 0, 0, 0) == LUA_OK) return L;
    sup_state_destroy(L);
    return NULL;
}

void sup_state_destroy(lua_State *L)
{
    if (L == NULL) return;
    void *arena;
    lua_getallocf(L, &arena);
    lua_close(L);
    sup_arena_destroy(arena);
}

struct call {
    const char *module;
    int count;
    char **arguments;
    int code; /* what the function returned */
};

/* Called protected with the struct call. */
static int call_module(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    lua_getglobal(L, "require");
    lua_pushstring(L, call->module);
    lua_call(L, 1, 1);
    luaL_checkstack(L, call->count, "too many arguments");
    for (int i = 0; i < call->count; i++) lua_pushstring(L, call->arguments[i]);
    lua_call(L, call->count, 1);
    call->code = (int) luaL_checkinteger(L, -1);
    return 0;
}

int sup_state_run(lua_State *L, const char *module, int count, char **arguments)
{
    struct call call = {module, count, arguments, SYSTEM_CODE};
    lua_settop(L, 0);
    lua_pushcfunction(L, add_traceback);
    lua_pushcfunction(L, call_module);
    lua_pushlightuserdata(L, &call);
    if (lua_pcall(L, 1, 0, 1) != LUA_OK) {
        const char *message = lua_tostring(L, -1);
        fprintf(stderr, "suptree: a mistake in suptree itself; please report this:\n%s\n",
                message != NULL ? message : "?");
        call.code = SYSTEM_CODE;
    }
    lua_settop(L, 0);
    return call.code;
}
