/*
** script/control_compile.c: reading configurations beside the control thread's loop: each in a
** child of its own, which a thread waits for. Must not know what is read, nor what for.
*/
#include "script/control_inside.h"

#include "script/child.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_WORDS 64
#define MAX_RESULT ((off_t) 128 << 20)

struct sup_compile {
    struct sup_compile *next;      /* in sup_control::compiling */
    struct sup_compile *next_done; /* in sup_control::compiled */
    struct sup_control *control;
    pthread_t thread;
    lua_Integer number;
    int64_t limit_ns;
    int result; /* memory file for what the child leaves; -1: none */
    int error;  /* of starting or watching it: -errno, or 0 */
    struct sup_child child;
    char *argv[MAX_WORDS + 1]; /* into `words` */
    char words[];
};

static void destroy(struct sup_compile *compile)
{
    if (compile->result >= 0) close(compile->result);
    free(compile);
}

/* --- its thread ------------------------------------------------------------------------------- */

static void *run(void *argument)
{
    struct sup_compile *compile = argument;
    struct sup_control *control = compile->control;
    compile->error = sup_child_run(compile->argv, compile->result, compile->limit_ns,
                                   control->cancel, &compile->child);
    pthread_mutex_lock(&control->mutex);
    compile->next_done = control->compiled;
    control->compiled = compile;
    sup_control_wake(control);
    pthread_mutex_unlock(&control->mutex);
    return NULL;
}

/* Signals are for the engine thread. */
static int start_thread(struct sup_compile *compile)
{
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int r = -pthread_create(&compile->thread, NULL, run, compile);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return r;
}

static int start(struct sup_control *control, struct sup_compile *compile)
{
    if (control->cancel < 0) control->cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (control->cancel < 0) return -errno;
    compile->result = memfd_create("suptree-compile", MFD_CLOEXEC);
    if (compile->result < 0) return -errno;
    return start_thread(compile);
}

/* --- for Lua ---------------------------------------------------------------------------------- */

/* The words of the array at ${index} in one piece of memory; NULL: there is none. */
static struct sup_compile *copy_words(lua_State *L, int index, size_t count)
{
    size_t size = 0, length;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer) i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, index, "not only words");
        size += lua_rawlen(L, -1) + 1;
        lua_pop(L, 1);
    }
    struct sup_compile *compile = calloc(1, sizeof *compile + size);
    if (compile == NULL) return NULL;
    char *at = compile->words;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer) i + 1);
        const char *word = lua_tolstring(L, -1, &length); /* a string: nothing is made */
        compile->argv[i] = memcpy(at, word, length + 1);
        at += length + 1;
        lua_pop(L, 1);
    }
    compile->result = -1;
    return compile;
}

/* compile(argv, number, limit_ns) -> true; or nil and why the child cannot be started. compiled()
   will name the number. */
static int begin(lua_State *L)
{
    struct sup_control *control = sup_control_of(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t count = lua_rawlen(L, 1);
    luaL_argcheck(L, count >= 1 && count <= MAX_WORDS, 1, "too few or too many words");
    lua_Integer number = luaL_checkinteger(L, 2);
    int64_t limit_ns = luaL_checkinteger(L, 3);
    struct sup_compile *compile = copy_words(L, 1, count);
    int r = compile == NULL ? -ENOMEM : 0;
    if (r == 0) {
        compile->control = control;
        compile->number = number;
        compile->limit_ns = limit_ns;
        r = start(control, compile);
    }
    if (r < 0) {
        if (compile != NULL) destroy(compile);
        lua_pushnil(L);
        lua_pushstring(L, strerror(-r));
        return 2;
    }
    compile->next = control->compiling;
    control->compiling = compile;
    lua_pushboolean(L, 1);
    return 1;
}

static struct sup_compile *take_done(struct sup_control *control)
{
    pthread_mutex_lock(&control->mutex);
    struct sup_compile *compile = control->compiled;
    if (compile != NULL) control->compiled = compile->next_done;
    pthread_mutex_unlock(&control->mutex);
    if (compile == NULL) return NULL;
    pthread_join(compile->thread, NULL);
    struct sup_compile **at = &control->compiling;
    while (*at != compile) at = &(*at)->next;
    *at = compile->next;
    return compile;
}

/* Owns a compile from taking it to the end of the call. */
static int free_taken(lua_State *L)
{
    struct sup_compile **taken = lua_touserdata(L, 1);
    if (*taken != NULL) destroy(*taken);
    *taken = NULL;
    return 0;
}

static struct sup_compile **push_taken(lua_State *L)
{
    struct sup_compile **taken = lua_newuserdatauv(L, sizeof(struct sup_compile *), 0);
    *taken = NULL;
    if (luaL_newmetatable(L, "suptree.control.compile")) {
        lua_pushcfunction(L, free_taken);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return taken;
}

/* What the child has left; "" when that is nothing, or too much. */
static void push_result(lua_State *L, const struct sup_compile *compile)
{
    struct stat info;
    bool good = fstat(compile->result, &info) == 0 && info.st_size > 0 && info.st_size < MAX_RESULT;
    size_t size = good ? (size_t) info.st_size : 0;
    luaL_Buffer buffer;
    char *at = luaL_buffinitsize(L, &buffer, size);
    ssize_t n = size == 0 ? 0 : pread(compile->result, at, size, 0);
    luaL_pushresultsize(&buffer, n < 0 ? 0 : (size_t) n);
}

/* compiled() -> number, outcome, code, what it left, dropped bytes of output, of one that has
   ended; or nothing. outcome "exit", "signal" or "timeout"; "error": code is a text */
static int end(lua_State *L)
{
    static const char *const ends[] = {
        [SUP_CHILD_EXITED] = "exit",
        [SUP_CHILD_SIGNALLED] = "signal",
        [SUP_CHILD_TIMED_OUT] = "timeout",
    };
    struct sup_compile **taken = push_taken(L);
    struct sup_compile *compile = *taken = take_done(sup_control_of(L));
    if (compile == NULL) return 0;
    lua_pushinteger(L, compile->number);
    lua_pushstring(L, compile->error < 0 ? "error" : ends[compile->child.end]);
    if (compile->error < 0) lua_pushstring(L, strerror(-compile->error));
    else lua_pushinteger(L, compile->child.code);
    push_result(L, compile);
    lua_pushinteger(L, (lua_Integer) compile->child.dropped);
    destroy(compile);
    *taken = NULL;
    return 5;
}

void sup_control_add_compile(lua_State *L)
{
    static const luaL_Reg functions[] = {{"compile", begin}, {"compiled", end}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

void sup_control_end_compiles(struct sup_control *control)
{
    uint64_t one = 1;
    if (control->cancel < 0) return;
    if (write(control->cancel, &one, sizeof one) < 0) return; /* an eventfd takes its first one */
    while (control->compiling != NULL) {
        struct sup_compile *compile = control->compiling;
        control->compiling = compile->next;
        pthread_join(compile->thread, NULL);
        destroy(compile);
    }
    control->compiled = NULL;
    close(control->cancel);
    control->cancel = -1;
}
