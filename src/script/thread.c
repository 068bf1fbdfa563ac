/*
** script/thread.c: one run of a service in Lua: a fresh state, its function, what it returns or
** raises, and the end of both. Must not know what made it start or stop.
*/
#include "script/thread.h"

#include "script/service.h"
#include "script/state.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 2048

/* What the protected call is told and leaves. */
struct run {
    struct sup_service *service;
    struct sup_outcome outcome;
    char text[TEXT_SIZE];
};

/* --- the function ----------------------------------------------------------------------------- */

/* Take a text with its length in front of it; NULL: there is none. */
static const char *take_text(const unsigned char **at, size_t *left, size_t *size)
{
    uint32_t length;
    if (*left < sizeof length) return NULL;
    memcpy(&length, *at, sizeof length);
    if (*left - sizeof length < length) return NULL;
    const char *text = (const char *) *at + sizeof length;
    *at += sizeof length + length;
    *left -= sizeof length + length;
    *size = length;
    return text;
}

/* Push where modules are searched, a folder and perhaps a path behind its NUL, and then what the
   chunk holds. */
static void push_chunk(lua_State *L, const struct sup_bytes *run)
{
    const unsigned char *at = run->data;
    size_t left = run->size, size = 0;
    const char *folder = take_text(&at, &left, &size);
    if (folder == NULL) luaL_error(L, "what is to be run is damaged");
    lua_pushlstring(L, folder, size);
    folder = lua_tostring(L, -1);
    size_t length = strlen(folder);
    sup_service_furnish(L, folder, length < size ? folder + length + 1 : NULL);
    sup_unpack(L, at, left);
}

/* From what the chunk holds, on the top, to the function; a `stop` beside it is remembered. */
static void choose_function(lua_State *L)
{
    if (lua_istable(L, -1)) {
        if (lua_getfield(L, -1, "stop") == LUA_TFUNCTION) sup_service_on_stop(L);
        else lua_pop(L, 1);
        lua_getfield(L, -1, "serve");
        lua_remove(L, -2);
    }
    if (!lua_isfunction(L, -1))
        luaL_error(L,
                   "the module returns %s; it must return the function to run, or a table with "
                   "serve and stop",
                   luaL_typename(L, -1));
}

static void push_arguments(lua_State *L, const struct sup_bytes *args)
{
    if (args->size > 0) sup_unpack(L, args->data, args->size);
    else lua_pushnil(L);
}

/* --- the result ------------------------------------------------------------------------------- */

/* Is the value at ${index} suptree's constant ${name}? */
static bool is_constant(lua_State *L, int index, const char *name)
{
    bool is = false;
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, "suptree.constants") == LUA_TTABLE) {
        lua_getfield(L, -1, name);
        is = lua_rawequal(L, index, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 2);
    return is;
}

/* The function returned the values at ${first} and behind it. */
static void judge(lua_State *L, int first, struct run *run)
{
    run->outcome = (struct sup_outcome){SUP_END_RETURNED, 0};
    if (is_constant(L, first, "DONE")) run->outcome.kind = SUP_END_DONE;
    else if (is_constant(L, first, "TERMINATE_TREE")) run->outcome.kind = SUP_END_TERMINATE;
    else if (!lua_toboolean(L, first) && !lua_isnil(L, first + 1)) {
        run->outcome.kind = SUP_END_ERROR;
        snprintf(run->text, sizeof run->text, "%s", luaL_tolstring(L, first + 1, NULL));
    }
}

/* --- the run ---------------------------------------------------------------------------------- */

static int add_traceback(lua_State *L)
{
    const char *message = luaL_tolstring(L, 1, NULL);
    if (strstr(message, "\nstack traceback:\n") == NULL) luaL_traceback(L, L, message, 1);
    return 1;
}

/* Called protected with the struct run. */
static int run_service(lua_State *L)
{
    struct run *run = lua_touserdata(L, 1);
    const struct sup_thread_order *order = run->service->order;
    push_chunk(L, &order->run);
    choose_function(L);
    push_arguments(L, &order->args);
    sup_service_push_context(L, run->service);
    int function = lua_gettop(L) - 1;
    lua_call(L, 1, 2);
    judge(L, function, run);
    sup_service_check_stop(L);
    return 0;
}

static void judge_error(lua_State *L, int status, struct run *run)
{
    size_t size;
    const char *message = lua_tolstring(L, -1, &size);
    run->outcome = (struct sup_outcome){SUP_END_ERROR, 0};
    if (status == LUA_ERRMEM)
        snprintf(run->text, sizeof run->text,
                 "not enough memory: it may take %llu KiB; give it more with the option memory",
                 (unsigned long long) (run->service->order->memory / 1024));
    else
        snprintf(run->text, sizeof run->text, "%s",
                 message != NULL ? message : "an error in an error");
}

static void call_service(lua_State *L, struct run *run)
{
    lua_pushcfunction(L, add_traceback);
    lua_pushcfunction(L, run_service);
    lua_pushlightuserdata(L, run);
    int status = lua_pcall(L, 1, 0, 1);
    if (status != LUA_OK) judge_error(L, status, run);
}

/* From here on nothing of it is interrupted: it has ended, and only cleans up. */
static void close_service(lua_State *L, struct sup_service *service)
{
    sup_interrupt_enter(service, NULL);
    service->interrupted = 0;
    lua_sethook(L, NULL, 0, 0);
    lua_settop(L, 0);
    lua_pushcfunction(L, sup_evloop_shut);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) service->closing = true;
    sup_state_destroy(L);
    sup_evloop_finish(service);
}

static void set_data(struct sup_thread *thread, void *data)
{
    sup_thread_lock(thread);
    sup_thread_set_data(thread, data);
    sup_thread_unlock(thread);
}

static void serve(struct sup_thread *thread, const struct sup_thread_order *order,
                  struct sup_thread_end *end)
{
    struct sup_service service = {.thread = thread, .order = order};
    struct run run = {.service = &service};
    lua_State *L = sup_state_create_bare((size_t) order->memory);
    if (L == NULL) {
        end->outcome = (struct sup_outcome){SUP_END_ERROR, 0};
        end->text =
            strdup("there is no memory for a Lua state: give it more with the option memory");
        return;
    }
    *(struct sup_service **) lua_getextraspace(L) = &service;
    service.L = L;
    atomic_store(&service.current, L);
    set_data(thread, &service);
    if (sup_thread_is_killed(thread)) sup_interrupt(&service);
    call_service(L, &run);
    close_service(L, &service);
    set_data(thread, NULL);
    end->outcome = run.outcome;
    end->text = run.text[0] == '\0' ? NULL : strdup(run.text);
}

static void ask(struct sup_thread *thread)
{
    struct sup_service *service = sup_thread_data(thread);
    if (service != NULL) sup_evloop_wake(service);
}

static void interrupt(struct sup_thread *thread)
{
    struct sup_service *service = sup_thread_data(thread);
    if (service != NULL) sup_interrupt(service);
}

const struct sup_thread_ops sup_script_threads = {
    .serve = serve,
    .ask = ask,
    .interrupt = interrupt,
};
