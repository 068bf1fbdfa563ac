/*
** script/evloop.c: luv in a service: on a loop of its own, which wakes when the service is asked to
** stop; its callbacks are protected by us (its own way ends the process); what would change the
** whole process is refused. luv is loaded when it is first required, and may be missing until then.
*/
#include "script/service.h"

#include "script/luv.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define SELF "uv.%s is refused in a thread service"

static const char
    raised; /* registry: the first error of a callback that uv.run has not raised yet */
static const char stand_in; /* registry: what `wake` is to luv */
static const char walk;     /* registry: uv.walk */

static const struct {
    const char *name, *why;
} refused[] = {
    {"chdir", "the folder belongs to the whole host; use absolute paths"},
    {"disable_stdio_inheritance", "it changes the whole host; thread services start no processes"},
    {"kill", "signals are the supervisor's; declare what is to be signalled with s.process"},
    {"loop_close", "the loop is closed when the service ends; use uv.stop"},
    {"loop_configure", "it changes signals of the whole host"},
    {"new_signal", "signals belong to the whole host; use ctx:on_stop"},
    {"new_thread", "what runs there could not be stopped; declare another s.thread"},
    {"new_work", "what runs there could not be stopped; declare another s.thread"},
    {"os_setenv", "the environment belongs to the whole host; give args to the service"},
    {"os_setpriority", "it changes the whole host"},
    {"os_unsetenv", "the environment belongs to the whole host; give args to the service"},
    {"queue_work", "what runs there could not be stopped; declare another s.thread"},
    {"set_process_title", "the title belongs to the whole host"},
    {"setgid", "it changes the whole host; give a process of its own another group"},
    {"setuid", "it changes the whole host; give a process of its own another user"},
    {"spawn", "declare the process with s.process, so that it is supervised"},
    {"thread_create", "what runs there could not be stopped; declare another s.thread"},
};

/* --- callbacks -------------------------------------------------------------------------------- */

static int add_traceback(lua_State *L)
{
    const char *message = luaL_tolstring(L, 1, NULL);
    luaL_traceback(L, L, message, 1);
    return 1;
}

/* Keep the error on the top for uv.run, and end that. The slot is there already: no memory is
   needed. */
static void keep_error(lua_State *L, struct sup_service *service)
{
    bool first = lua_rawgetp(L, LUA_REGISTRYINDEX, &raised) == LUA_TBOOLEAN;
    lua_pop(L, 1);
    if (first) lua_rawsetp(L, LUA_REGISTRYINDEX, &raised);
    else lua_pop(L, 1);
    uv_stop(&service->evloop->loop);
}

/* As luv wants it: luv.h says the rules. */
static int call_back(lua_State *L, int arguments, int results, int flags)
{
    struct sup_service *service = sup_service_of(L);
    int function = lua_gettop(L) - arguments;
    (void) flags;
    if (service->closing || !lua_checkstack(L, 4)) {
        lua_settop(L, function - 1);
        return -LUA_ERRMEM;
    }
    lua_pushcfunction(L, add_traceback);
    lua_insert(L, function);
    lua_State *former = sup_interrupt_enter(service, L);
    int status = lua_pcall(L, arguments, results, function);
    sup_interrupt_enter(service, former);
    lua_remove(L, function);
    if (status == LUA_OK) return lua_gettop(L) - function + 1;
    keep_error(L, service);
    lua_settop(L, function - 1);
    return -status;
}

static void on_wake(uv_async_t *wake)
{
    uv_stop(wake->loop);
}

void sup_evloop_wake(struct sup_service *service)
{
    if (service->can_wake) uv_async_send(&service->evloop->wake);
}

/* --- what we put in place of luv's ------------------------------------------------------------ */

/* The upvalue is luv's. */
static int run_loop(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &raised) != LUA_TBOOLEAN) {
        lua_pushboolean(L, 0);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &raised);
        return lua_error(L);
    }
    lua_pop(L, 1);
    sup_service_check_stop(L);
    return lua_gettop(L);
}

static int sleep_ms(lua_State *L)
{
    lua_pushnumber(L, luaL_checknumber(L, 1) / 1000);
    sup_service_sleep(L, -1);
    return 0;
}

static int refuse_function(lua_State *L)
{
    return luaL_error(L, "%s", lua_tostring(L, lua_upvalueindex(1)));
}

static void refuse(lua_State *L, const char *name, const char *why)
{
    if (lua_getfield(L, -1, name) == LUA_TFUNCTION) {
        lua_pushfstring(L, SELF ": %s", name, why);
        lua_pushcclosure(L, refuse_function, 1);
        lua_setfield(L, -3, name);
    }
    lua_pop(L, 1);
}

static void furnish(lua_State *L)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        refuse(L, refused[i].name, refused[i].why);
    lua_getfield(L, -1, "run");
    lua_pushcclosure(L, run_loop, 1);
    lua_setfield(L, -2, "run");
    lua_pushcfunction(L, sleep_ms);
    lua_setfield(L, -2, "sleep");
    lua_getfield(L, -1, "walk");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &walk);
    lua_pushboolean(L, 0);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &raised);
}

/* --- opening ---------------------------------------------------------------------------------- */

static int answer_yes(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

static int do_nothing(lua_State *L)
{
    (void) L;
    return 0;
}

/* uv.walk shows every handle of the loop, and aborts on one that is not luv's. So ours has a
   record like luv's, and a stand-in for Lua which says that it is being closed already. */
static luv_handle_t *make_stand_in(lua_State *L, luv_ctx_t *context)
{
    static const luaL_Reg methods[] = {{"close", do_nothing},
                                       {"is_active", do_nothing},
                                       {"is_closing", answer_yes},
                                       {NULL, NULL}};
    luv_handle_t *record = lua_newuserdatauv(L, sizeof *record, 0);
    *record = (luv_handle_t){.callbacks = {LUA_NOREF, LUA_NOREF}, .ctx = context};
    lua_rawsetp(L, LUA_REGISTRYINDEX, &stand_in);
    luaL_newlib(L, methods);
    record->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return record;
}

static void open_loop(lua_State *L, struct sup_service *service)
{
    struct sup_evloop *evloop = calloc(1, sizeof *evloop);
    if (evloop == NULL) luaL_error(L, "there is no memory for luv's loop");
    int r = uv_loop_init(&evloop->loop);
    if (r < 0) free(evloop);
    if (r < 0) luaL_error(L, "luv has no loop: %s", uv_strerror(r));
    service->evloop = evloop;
    r = uv_async_init(&evloop->loop, &evloop->wake, on_wake);
    if (r < 0) luaL_error(L, "luv's loop cannot be woken: %s", uv_strerror(r));
    uv_unref((uv_handle_t *) &evloop->wake);
    sup_thread_lock(service->thread);
    service->can_wake = true;
    if (sup_thread_is_asked(service->thread)) sup_evloop_wake(service);
    sup_thread_unlock(service->thread);
}

int sup_evloop_open(lua_State *L)
{
    struct sup_service *service = sup_service_of(L);
    struct sup_luv luv;
    sup_luv_load(L, &luv);
    if (service->evloop == NULL) open_loop(L, service);
    luv.set_loop(L, &service->evloop->loop);
    luv.set_callback(L, call_back);
    service->evloop->wake.data = make_stand_in(L, luv.context(L));
    lua_pushcfunction(L, luv.open);
    lua_pushliteral(L, "luv");
    lua_call(L, 1, 1);
    furnish(L);
    return 1;
}

/* --- closing ---------------------------------------------------------------------------------- */

static int close_handle(lua_State *L)
{
    lua_getfield(L, 1, "is_closing");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    if (lua_toboolean(L, -1)) return 0;
    lua_getfield(L, 1, "close");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 0);
    return 0;
}

static void close_wake(struct sup_service *service)
{
    sup_thread_lock(service->thread);
    bool open = service->can_wake;
    service->can_wake = false;
    sup_thread_unlock(service->thread);
    if (open) uv_close((uv_handle_t *) &service->evloop->wake, NULL);
}

static void run_down(struct sup_service *service)
{
    while (uv_run(&service->evloop->loop, UV_RUN_DEFAULT) != 0) continue;
}

int sup_evloop_shut(lua_State *L)
{
    struct sup_service *service = sup_service_of(L);
    if (service->evloop == NULL) return 0;
    close_wake(service);
    uv_run(&service->evloop->loop, UV_RUN_NOWAIT); /* what is closed is out of the way */
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &walk) == LUA_TFUNCTION) {
        lua_pushcfunction(L, close_handle);
        lua_call(L, 1, 0);
    }
    service->closing = true;
    run_down(service);
    return 0;
}

void sup_evloop_finish(struct sup_service *service)
{
    if (service->evloop == NULL) return;
    close_wake(service);
    run_down(service);
    uv_loop_close(&service->evloop->loop);
    free(service->evloop);
    service->evloop = NULL;
}
