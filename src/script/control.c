/*
** script/control.c: the life of the control thread, and the answers that it waits for. Must not
** know the protocol.
*/
#include "script/control_inside.h"

#include "script/luv.h"
#include "script/place.h"
#include "script/state.h"

#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_CAP ((size_t) 256 << 20)
#define LINE_SIZE 2048
#define LIVED_WELL_MS 60000

static const int delays_ms[] = {1000, 2000, 5000, 10000, 30000, 60000};

static const char failure; /* registry: the first error of a callback */

struct sup_control *sup_control_of(lua_State *L)
{
    return *(struct sup_control **) lua_getextraspace(L);
}

void sup_control_say(const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (n < 0) return;
    size_t size = (size_t) n < sizeof line - 1 ? (size_t) n : sizeof line - 2;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char) line[i] < ' ') line[i] = ' ';
    line[size++] = '\n';
    if (write(STDERR_FILENO, line, size) < 0)
        return; /* nobody reads: then there is nobody to tell */
}

/* --- answers ---------------------------------------------------------------------------------- */

void sup_control_wake(struct sup_control *control)
{
    uint64_t one = 1;
    if (write(control->wake, &one, sizeof one) < 0) return; /* it is full: awake enough */
}

static void wake(void *context)
{
    sup_control_wake(context);
}

void sup_control_free(struct sup_errand *errand)
{
    free(errand->text);
    free(errand);
}

/* On the engine thread. */
static void on_answer(void *context, const struct sup_reply *reply)
{
    struct sup_errand *errand = context;
    struct sup_control *control = errand->control;
    errand->status = reply->status;
    errand->node = reply->node;
    errand->text = reply->text == NULL ? NULL : strdup(reply->text);
    pthread_mutex_lock(&control->mutex);
    bool deaf = control->deaf;
    if (!deaf) {
        if (control->first == NULL) control->first = errand;
        else control->last->next = errand;
        control->last = errand;
        sup_control_wake(control);
    }
    pthread_mutex_unlock(&control->mutex);
    if (deaf) sup_control_free(errand);
}

static bool owe(struct sup_control *control)
{
    pthread_mutex_lock(&control->mutex);
    bool may = control->owed < SUP_CONTROL_MAX_OWED;
    if (may) control->owed++;
    pthread_mutex_unlock(&control->mutex);
    return may;
}

static void settle(struct sup_control *control)
{
    pthread_mutex_lock(&control->mutex);
    control->owed--;
    pthread_mutex_unlock(&control->mutex);
}

uint64_t sup_control_send(struct sup_control *control, const struct sup_input *input, int *error)
{
    struct sup_errand *errand = calloc(1, sizeof *errand);
    uint64_t ticket = control->ticket + 1;
    if (errand == NULL || !owe(control)) {
        *error = errand == NULL ? -ENOMEM : -EBUSY;
        free(errand);
        return 0;
    }
    *errand = (struct sup_errand){.control = control, .ticket = ticket};
    *error = sup_engine_submit(control->engine, input, on_answer, errand);
    if (*error == 0) return control->ticket = ticket; /* it may be answered and gone by now */
    settle(control);
    free(errand);
    return 0;
}

struct sup_errand *sup_control_take(struct sup_control *control)
{
    pthread_mutex_lock(&control->mutex);
    struct sup_errand *errand = control->first;
    if (errand != NULL) {
        control->first = errand->next;
        control->owed--;
    }
    pthread_mutex_unlock(&control->mutex);
    return errand;
}

/* --- one lua_State ---------------------------------------------------------------------------- */

static int add_traceback(lua_State *L)
{
    const char *message = luaL_tolstring(L, 1, NULL);
    if (strstr(message, "\nstack traceback:\n") == NULL) luaL_traceback(L, L, message, 1);
    return 1;
}

/* How luv calls back. An error ends the loop; luv's own way would end the process. */
static int call_back(lua_State *L, int arguments, int results, int flags)
{
    struct sup_control *control = sup_control_of(L);
    int function = lua_gettop(L) - arguments;
    (void) flags;
    if (control->state_closing || !lua_checkstack(L, 4)) {
        lua_settop(L, function - 1);
        return -LUA_ERRMEM;
    }
    lua_pushcfunction(L, add_traceback);
    lua_insert(L, function);
    int status = lua_pcall(L, arguments, results, function);
    lua_remove(L, function);
    if (status == LUA_OK) return lua_gettop(L) - function + 1;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &failure) == LUA_TBOOLEAN) {
        lua_pushvalue(L, -2);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &failure); /* the slot is there: no memory is needed */
    }
    lua_settop(L, function - 1);
    uv_stop(control->loop);
    return -status;
}

static int open_luv(lua_State *L)
{
    struct sup_luv luv;
    sup_luv_load(L, &luv);
    luv.set_callback(L, call_back);
    lua_pushcfunction(L, luv.open);
    lua_pushliteral(L, "luv");
    lua_call(L, 1, 1);
    sup_control_of(L)->loop = luv.context(L)->loop;
    return 1;
}

/* Called protected: the modules, then the server until it is to end. */
static int serve(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, open_luv);
    lua_setfield(L, -2, "luv");
    lua_pushcfunction(L, sup_control_open_native);
    lua_setfield(L, -2, "suptree.control.native");
    lua_getglobal(L, "package");
    lua_pushliteral(L, ""); /* Lua files of suptree's own alone */
    lua_setfield(L, -2, "path");
    lua_pushboolean(L, 0);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &failure);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "suptree.control.main");
    lua_call(L, 1, 1);
    lua_call(L, 0, 0);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &failure) != LUA_TBOOLEAN) return lua_error(L);
    return 0;
}

/* An error that passed through the loop has left behind where it was reading events. */
static void mend_loop(struct sup_control *control)
{
    if (!control->in_loop || control->loop == NULL) return;
    control->loop->watchers[control->loop->nwatchers] = NULL;
    control->loop->watchers[control->loop->nwatchers + 1] = NULL;
}

static int close_one(lua_State *L)
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

/* Called protected: luv does not survive that handles are closed after their state. */
static int shut(lua_State *L)
{
    struct sup_control *control = sup_control_of(L);
    if (control->loop == NULL) return 0;
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, "luv") == LUA_TTABLE) {
        lua_getfield(L, -1, "walk");
        lua_pushcfunction(L, close_one);
        lua_call(L, 1, 0);
    }
    control->state_closing = true;
    while (uv_run(control->loop, UV_RUN_DEFAULT) != 0) continue;
    return 0;
}

/* A state that cannot be taken apart is left alone: that costs memory, but no host. */
static void close_state(struct sup_control *control, lua_State *L)
{
    mend_loop(control);
    lua_settop(L, 0);
    lua_pushcfunction(L, shut);
    bool good = lua_pcall(L, 0, 0, 0) == LUA_OK;
    control->state_closing = true;
    if (good) sup_state_destroy(L);
}

/* Serve with a fresh state until it ends; why it died goes into ${why}, "": it was to end. */
static void run_state(struct sup_control *control, char *why, size_t size)
{
    lua_State *L = sup_state_create(MEMORY_CAP);
    snprintf(why, size, "there is no memory for it");
    if (L == NULL) return;
    *(struct sup_control **) lua_getextraspace(L) = control;
    control->loop = NULL;
    control->in_loop = control->state_closing = false;
    lua_pushcfunction(L, add_traceback);
    lua_pushcfunction(L, serve);
    int status = lua_pcall(L, 0, 0, 1);
    const char *message = status == LUA_OK ? "" : lua_tostring(L, -1);
    snprintf(why, size, "%s", message != NULL ? message : "an error in an error");
    close_state(control, L);
}

/* --- the thread ------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t) time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Wait, but not longer than until it is to end. */
static void rest(struct sup_control *control, int delay_ms)
{
    int64_t until_ms = now_ms() + delay_ms;
    while (!atomic_load(&control->closing)) {
        int64_t left_ms = until_ms - now_ms();
        struct pollfd wait = {.fd = control->wake, .events = POLLIN};
        uint64_t count;
        if (left_ms <= 0) return;
        if (poll(&wait, 1, (int) left_ms) > 0 && read(control->wake, &count, sizeof count) < 0)
            return;
    }
}

static void *live(void *context)
{
    struct sup_control *control = context;
    char why[1024];
    size_t step = 0;
    while (!atomic_load(&control->closing)) {
        int64_t began_ms = now_ms();
        run_state(control, why, sizeof why);
        if (atomic_load(&control->closing)) break;
        if (now_ms() - began_ms >= LIVED_WELL_MS) step = 0;
        int delay_ms = delays_ms[step];
        if (step + 1 < sizeof delays_ms / sizeof *delays_ms) step++;
        sup_control_say("the control thread has died and starts again in %d s; no service is "
                        "touched: %s",
                        delay_ms / 1000, why[0] == '\0' ? "it left its loop" : why);
        rest(control, delay_ms);
    }
    return NULL;
}

/* Signals are for the engine thread. */
static int start_thread(struct sup_control *control)
{
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int r = -pthread_create(&control->thread, NULL, live, control);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return r;
}

/* --- its face --------------------------------------------------------------------------------- */

struct sup_control *sup_control_create(const struct sup_control_source *source)
{
    struct sup_control *control = calloc(1, sizeof *control);
    if (control == NULL) return NULL;
    control->source = *source;
    control->wake = control->cancel = -1;
    pthread_mutex_init(&control->mutex, NULL);
    return control;
}

void sup_control_destroy(struct sup_control *control)
{
    if (control == NULL) return;
    if (control->wake >= 0) close(control->wake);
    pthread_mutex_destroy(&control->mutex);
    free(control);
}

void sup_control_opened(void *context, struct sup_engine *engine)
{
    struct sup_control *control = context;
    control->engine = engine;
    control->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = control->wake < 0 ? -errno : start_thread(control);
    control->runs = r == 0;
    if (r == 0) sup_engine_wake_reader(engine, SUP_EAR_CONTROL, wake, control);
    if (r < 0)
        sup_control_say("there is no control thread: %s; nobody answers at the control socket, "
                        "and nothing can be reloaded",
                        strerror(-r));
}

void sup_control_asked(void *context)
{
    struct sup_control *control = context;
    if (!control->runs) {
        sup_control_say("it cannot be reloaded: there is no control thread");
        return;
    }
    atomic_store(&control->reload_asked, true);
    sup_control_wake(control);
}

static void drop_answers(struct sup_control *control)
{
    struct sup_errand *errand;
    pthread_mutex_lock(&control->mutex);
    control->deaf = true;
    pthread_mutex_unlock(&control->mutex);
    while ((errand = sup_control_take(control)) != NULL) sup_control_free(errand);
}

void sup_control_closing(void *context)
{
    struct sup_control *control = context;
    const struct sup_facts *facts = sup_engine_facts(control->engine);
    atomic_store(&control->closing, true);
    if (control->runs) {
        sup_control_wake(control);
        pthread_join(control->thread, NULL);
        control->runs = false;
    }
    sup_engine_wake_reader(control->engine, SUP_EAR_CONTROL, NULL, NULL);
    sup_control_end_compiles(control);
    drop_answers(control);
    if (facts->control >= 0) sup_place_leave(facts->control, facts->control_lock);
}
