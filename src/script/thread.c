/*
** script/thread.c: one run of a service in Lua: a fresh state, its function, what it returns or
** raises, and the end of both. Must not know what made it start or stop.
*/
#include "script/thread.h"

#include "script/service.h"
#include "script/traceback.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TEXT_SIZE 2048

static const char random_seed; /* registry: math.randomseed */

/* What the protected calls leave. */
struct sup_run {
    struct sup_outcome outcome;
    char *text; /* TEXT_SIZE bytes, malloc()ed; NULL: none */
};

/* Where its text goes; NULL: no memory. */
static char *text_of(struct sup_run *run)
{
    if (run->text == NULL) run->text = malloc(TEXT_SIZE);
    if (run->text != NULL) run->text[0] = '\0';
    return run->text;
}

static void say(struct sup_run *run, const char *text)
{
    char *place = text_of(run);
    if (place != NULL) snprintf(place, TEXT_SIZE, "%s", text);
}

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

const unsigned char *sup_service_read_places(lua_State *L, const struct sup_bytes *run,
                                             size_t *left, bool furnish)
{
    const unsigned char *at = run->data;
    size_t size = 0;
    *left = run->size;
    const char *folder = take_text(&at, left, &size);
    if (folder == NULL) luaL_error(L, "what is to be run is damaged");
    if (!furnish) return at;
    lua_pushlstring(L, folder, size);
    folder = lua_tostring(L, -1);
    size_t length = strlen(folder);
    sup_service_furnish(L, folder, length < size ? folder + length + 1 : "");
    return at;
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
static void judge(lua_State *L, int first, struct sup_run *run)
{
    run->outcome = (struct sup_outcome){SUP_END_RETURNED, 0};
    if (is_constant(L, first, "DONE")) run->outcome.kind = SUP_END_DONE;
    else if (is_constant(L, first, "TERMINATE_TREE")) run->outcome.kind = SUP_END_TERMINATE;
    else if (!lua_toboolean(L, first) && !lua_isnil(L, first + 1)) {
        run->outcome.kind = SUP_END_ERROR;
        say(run, luaL_tolstring(L, first + 1, NULL));
    }
}

/* --- the run ---------------------------------------------------------------------------------- */

/* The message handler: the error's text goes where the run's result goes. */
static int note_error(lua_State *L)
{
    struct sup_run *run = sup_service_of(L)->run;
    const char *message = luaL_tolstring(L, 1, NULL);
    say(run, message);
    if (run->text != NULL && strstr(message, "\nstack traceback:\n") == NULL)
        sup_traceback(L, 1, run->text, strlen(run->text), TEXT_SIZE);
    return 1;
}

/* Called protected. */
static int furnish(lua_State *L)
{
    size_t left;
    sup_service_read_places(L, &sup_service_of(L)->order->run, &left, true);
    lua_getglobal(L, "math");
    lua_getfield(L, -1, "randomseed");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &random_seed);
    return 0;
}

/* Lua's own seed is the time in seconds and the place of the state: both may be those of before. */
static void seed_random(lua_State *L)
{
    lua_Integer seed[2] = {0, 0};
    if (getrandom(seed, sizeof seed, 0) != (ssize_t) sizeof seed) return;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &random_seed);
    lua_pushinteger(L, seed[0]);
    lua_pushinteger(L, seed[1]);
    lua_call(L, 2, 0);
}

/* Called protected, in a furnished state. */
static int run_service(lua_State *L)
{
    struct sup_service *service = sup_service_of(L);
    const struct sup_thread_order *order = service->order;
    size_t left;
    seed_random(L);
    const unsigned char *chunk = sup_service_read_places(L, &order->run, &left, false);
    sup_unpack(L, chunk, left);
    choose_function(L);
    push_arguments(L, &order->args);
    sup_service_push_context(L, service);
    int function = lua_gettop(L) - 1;
    lua_call(L, 1, 2);
    judge(L, function, service->run);
    sup_service_check_stop(L);
    return 0;
}

static void judge_error(lua_State *L, int status, struct sup_run *run)
{
    run->outcome = (struct sup_outcome){SUP_END_ERROR, 0};
    if (status == LUA_ERRMEM && text_of(run) != NULL)
        snprintf(run->text, TEXT_SIZE,
                 "not enough memory: it may take %llu KiB; give it more with the option memory",
                 (unsigned long long) (sup_service_of(L)->order->memory / 1024));
    else if (status == LUA_ERRERR) say(run, "an error in an error");
}

static bool call(lua_State *L, lua_CFunction function, struct sup_run *run)
{
    lua_pushcfunction(L, note_error);
    lua_pushcfunction(L, function);
    int status = lua_pcall(L, 0, 0, 1);
    if (status != LUA_OK) judge_error(L, status, run);
    lua_settop(L, 0);
    return status == LUA_OK;
}

static void call_service(lua_State *L, struct sup_service *service, bool furnished)
{
    if (!furnished) {
        if (!call(L, furnish, service->run)) return;
        sup_image_keep(&service->kept->image);
    }
    call(L, run_service, service->run);
}

/* From here on nothing of it is interrupted: it has ended, and only cleans up. */
static void close_service(lua_State *L, struct sup_service *service)
{
    sup_interrupt_enter(service, NULL);
    service->interrupted = 0;
    lua_sethook(L, NULL, 0, 0);
    lua_settop(L, 0);
    if (service->evloop != NULL) {
        lua_pushcfunction(L, sup_evloop_shut);
        if (lua_pcall(L, 0, 0, 0) != LUA_OK) service->closing = true;
    }
    sup_image_end(&service->kept->image);
    sup_evloop_finish(service);
    if (!sup_streams_flush(service->kept)) sup_image_forget(&service->kept->image);
}

static void set_service(struct sup_kept *kept, struct sup_service *service,
                        struct sup_thread *thread)
{
    sup_thread_lock(thread);
    atomic_store(&kept->service, service);
    sup_thread_unlock(thread);
}

static void run(lua_State *L, struct sup_service *service, bool furnished)
{
    *(struct sup_service **) lua_getextraspace(L) = service;
    service->L = L;
    atomic_store(&service->current, L);
    set_service(service->kept, service, service->thread);
    if (sup_thread_is_killed(service->thread)) sup_interrupt(service);
    call_service(L, service, furnished);
    close_service(L, service);
    set_service(service->kept, NULL, service->thread);
}

/* NULL: no memory. */
static struct sup_kept *find_kept(struct sup_thread *thread)
{
    struct sup_kept *kept = sup_thread_data(thread);
    if (kept == NULL) kept = calloc(1, sizeof *kept);
    if (kept == NULL) return NULL;
    sup_thread_lock(thread);
    sup_thread_set_data(thread, kept);
    sup_thread_unlock(thread);
    return sup_streams_open(kept, thread) ? kept : NULL;
}

static void serve(struct sup_thread *thread, const struct sup_thread_order *order,
                  struct sup_thread_end *end)
{
    struct sup_run result = {.outcome = {SUP_END_ERROR, 0}};
    struct sup_kept *kept = find_kept(thread);
    struct sup_service service = {.thread = thread, .order = order, .kept = kept, .run = &result};
    bool furnished = false;
    lua_State *L = NULL;
    if (kept != NULL)
        L = sup_image_begin(&kept->image, order->number, (size_t) order->memory, &furnished);
    if (L != NULL) run(L, &service, furnished);
    else say(&result, "there is no memory for a Lua state: give it more with the option memory");
    end->outcome = result.outcome;
    end->text = result.text;
}

static void ask(struct sup_thread *thread)
{
    struct sup_kept *kept = sup_thread_data(thread);
    struct sup_service *service = kept == NULL ? NULL : atomic_load(&kept->service);
    if (service != NULL) sup_evloop_wake(service);
}

static void interrupt(struct sup_thread *thread)
{
    struct sup_kept *kept = sup_thread_data(thread);
    struct sup_service *service = kept == NULL ? NULL : atomic_load(&kept->service);
    if (service != NULL) sup_interrupt(service);
}

static void close_thread(struct sup_thread *thread)
{
    struct sup_kept *kept = sup_thread_data(thread);
    if (kept == NULL) return;
    sup_thread_set_data(thread, NULL);
    sup_streams_close(kept);
    sup_image_finish(&kept->image);
    free(kept);
}

const struct sup_thread_ops sup_script_threads = {
    .serve = serve,
    .ask = ask,
    .interrupt = interrupt,
    .close = close_thread,
};
