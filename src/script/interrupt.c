/*
** script/interrupt.c: stopping Lua that does not listen. A signal on the service's thread sets a
** hook on the coroutine that runs, which raises at its next instruction, and goes on raising in
** whatever catches that, out to the outermost frame. For that the running coroutine must be known:
** resume, wrap and close are Lua's own (lcorolib.c), but they note where they go.
*/
#include "script/service.h"

#include <lauxlib.h>
#include <stdatomic.h>

#define EVERYTHING (LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT)

/* --- the hook --------------------------------------------------------------------------------- */

static void raise_stop(lua_State *L, lua_Debug *debug)
{
    (void) debug;
    luaL_where(L, 0);
    lua_pushliteral(L, "killed: it was asked to stop and did not end within its timeout");
    lua_concat(L, 2);
    lua_error(L);
}

void sup_interrupt(struct sup_service *service)
{
    lua_State *L = atomic_load(&service->current);
    if (L == NULL) return;
    service->interrupted = 1;
    lua_sethook(L, raise_stop, EVERYTHING, 1);
}

/* The order matters: a signal between the two lines has set the hook itself. */
lua_State *sup_interrupt_enter(struct sup_service *service, lua_State *L)
{
    lua_State *former = atomic_exchange(&service->current, L);
    if (service->interrupted && L != NULL) lua_sethook(L, raise_stop, EVERYTHING, 1);
    return former;
}

/* --- coroutines ------------------------------------------------------------------------------- */

static lua_State *get_coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

static int enter(lua_State *L, lua_State *co, int arguments, int *results)
{
    struct sup_service *service = sup_service_of(L);
    lua_State *former = sup_interrupt_enter(service, co);
    int status = lua_resume(co, L, arguments, results);
    sup_interrupt_enter(service, former);
    return status;
}

/* Returns how many results were moved to ${L}, or -1 with the error there. */
static int resume(lua_State *L, lua_State *co, int arguments)
{
    int results;
    if (!lua_checkstack(co, arguments)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, arguments);
    int status = enter(L, co, arguments, &results);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1); /* the error */
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

static int resume_coroutine(lua_State *L)
{
    lua_State *co = get_coroutine(L);
    int results = resume(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, results >= 0);
    if (results < 0) results = 1;
    lua_insert(L, -(results + 1));
    return results + 1;
}

/* Closes its variables, which runs Lua. */
static int close_frames(lua_State *L, lua_State *co)
{
    struct sup_service *service = sup_service_of(L);
    lua_State *former = sup_interrupt_enter(service, co);
    int status = lua_resetthread(co);
    sup_interrupt_enter(service, former);
    return status;
}

static int call_wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int results = resume(L, co, lua_gettop(L));
    if (results >= 0) return results;
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) {
        status = close_frames(L, co);
        if (status != LUA_OK) lua_xmove(co, L, 1); /* the error of closing */
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int wrap_function(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

static bool is_closable(lua_State *L, lua_State *co)
{
    lua_Debug frame;
    if (L == co) return false;
    if (lua_status(co) == LUA_YIELD) return true;
    if (lua_status(co) != LUA_OK) return true; /* it died of an error */
    return lua_getstack(co, 0, &frame) == 0;   /* not begun, or ended; else it has resumed us */
}

static int close_coroutine(lua_State *L)
{
    lua_State *co = get_coroutine(L);
    if (!is_closable(L, co))
        return luaL_error(L, "cannot close a %s coroutine", L == co ? "running" : "normal");
    if (close_frames(L, co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    return 2;
}

void sup_interrupt_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"close", close_coroutine},
        {"resume", resume_coroutine},
        {"wrap", wrap_function},
        {NULL, NULL},
    };
    lua_getglobal(L, "coroutine");
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
