/*
** script/hooks.c: the hook thread: gathers the functions, hands them events, asks those of
** `health`, cuts those that take too long. A state is made when there are functions, and anew when
** a reload may have changed them.
*/
#include "script/hooks.h"

#include "engine/engine.h"
#include "script/control_inside.h"
#include "script/service.h"
#include "script/state.h"

#include <errno.h>
#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MEMORY_CAP ((size_t) 64 << 20)
#define BUDGET_NS INT64_C(1000000000) /* of one call */
#define LOOK_EVERY 10000              /* instructions */
#define BUFFER ((size_t) 64 * 1024)
#define LAST_WORDS_NS (500 * INT64_C(1000000))

/* A function that was found in the tree. */
struct hook {
    struct hook *next;
    sup_token node;
    bool is_health;     /* it is asked; else it is told */
    int64_t timeout_ns; /* of one question */
    char path[1024];
    size_t size;
    unsigned char bytes[]; /* as in struct sup_spec::on_event, or in struct sup_health */
};

/* What the engine wants to know. */
struct question {
    struct question *next;
    sup_token node;
    uint64_t instance;
};

struct sup_hooks {
    struct sup_engine *engine;
    pthread_t thread;
    bool runs;
    pthread_mutex_t mutex;
    pthread_cond_t change;
    bool awake, closing, gone;  /* under the mutex */
    struct question *questions; /* under the mutex; the oldest first */
    struct sup_event_cursor cursor;
    struct hook *first;
    size_t count;
    bool is_told; /* one of them is told events */
    lua_State *L; /* NULL: there are no functions */
    struct sup_service service;
    _Atomic int64_t deadline_ns; /* of the call that runs; 0: none */
    const char *patience;        /* with it, in words */
    char buffer[BUFFER];
};

static int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t) time.tv_sec * 1000000000 + time.tv_nsec;
}

/* --- the functions ---------------------------------------------------------------------------- */

struct search {
    struct sup_hooks *hooks;
    struct hook **last;
};

static void take_hook(struct search *search, const struct sup_view *view, sup_token node,
                      const struct sup_bytes *bytes, int64_t timeout_ns)
{
    struct hook *hook = bytes->size == 0 ? NULL : malloc(sizeof *hook + bytes->size);
    if (hook == NULL) return;
    hook->next = NULL;
    hook->node = node;
    hook->is_health = timeout_ns > 0;
    hook->timeout_ns = timeout_ns;
    if (!hook->is_health) search->hooks->is_told = true;
    hook->size = bytes->size;
    memcpy(hook->bytes, bytes->data, hook->size);
    sup_tree_path(view->tree, node, hook->path, sizeof hook->path);
    *search->last = hook;
    search->last = &hook->next;
    search->hooks->count++;
}

static void look(void *context, const struct sup_view *view)
{
    struct search *search = context;
    for (sup_token node = sup_tree_next(view->tree, 0); node != 0;
         node = sup_tree_next(view->tree, node)) {
        const struct sup_spec *spec = sup_tree_spec(view->tree, node);
        if (spec == NULL) continue;
        take_hook(search, view, node, &spec->on_event, 0);
        take_hook(search, view, node, &spec->health.function, spec->health.timeout_ns);
    }
}

static void forget_hooks(struct sup_hooks *hooks)
{
    while (hooks->first != NULL) {
        struct hook *hook = hooks->first;
        hooks->first = hook->next;
        free(hook);
    }
    hooks->count = 0;
    hooks->is_told = false;
}

static void find_hooks(struct sup_hooks *hooks)
{
    struct search search = {hooks, &hooks->first};
    forget_hooks(hooks);
    sup_engine_read(hooks->engine, look, &search);
    hooks->cursor.ear = hooks->is_told ? SUP_EAR_HOOKS : SUP_EAR_RELOADS;
}

/* --- their state ------------------------------------------------------------------------------ */

/* From when its time is over it raises at every instruction, out to the call. */
static void watch_time(lua_State *L, lua_Debug *debug)
{
    (void) debug;
    struct sup_hooks *hooks =
        (void *) ((char *) sup_service_of(L) - offsetof(struct sup_hooks, service));
    if (now_ns() < atomic_load(&hooks->deadline_ns)) return;
    lua_sethook(L, watch_time, LUA_MASKCOUNT, 1);
    lua_pushfstring(L, "it took longer than %s and was cut; let a process do what takes long",
                    hooks->patience);
    lua_error(L);
}

/* Called protected, with the hook as a light userdata: pushes { run, types } on a list. */
static int load_hook(lua_State *L)
{
    const struct hook *hook = lua_touserdata(L, 1);
    const struct sup_bytes bytes = {hook->bytes, (uint32_t) hook->size};
    size_t left;
    const unsigned char *chunk = sup_service_read_places(L, &bytes, &left, false);
    sup_unpack(L, chunk, left);
    return 1;
}

static int furnish(lua_State *L)
{
    const struct hook *hook = lua_touserdata(L, 1);
    const struct sup_bytes bytes = {hook->bytes, (uint32_t) hook->size};
    size_t left;
    sup_service_read_places(L, &bytes, &left, true);
    return 0;
}

static void complain(const struct hook *hook, lua_State *L)
{
    const char *message = lua_tostring(L, -1);
    sup_control_say("%s of %s: %s; supervision goes on",
                    hook->is_health ? "the function of health" : "on_event", hook->path,
                    message != NULL ? message : "an error that is no text");
}

/* The stack of the state is: for each hook its table, or false when it cannot be loaded. */
static void open_state(struct sup_hooks *hooks)
{
    bool furnished = false;
    if (hooks->L != NULL) sup_state_destroy(hooks->L);
    hooks->L = NULL;
    if (hooks->first == NULL) return;
    lua_State *L = sup_state_create(MEMORY_CAP);
    if (L == NULL || !lua_checkstack(L, (int) hooks->count + 16)) {
        sup_control_say("there is no memory for functions of on_event and health; they are not "
                        "called");
        if (L != NULL) sup_state_destroy(L);
        return;
    }
    memset(&hooks->service, 0, sizeof hooks->service);
    *(struct sup_service **) lua_getextraspace(L) = &hooks->service;
    hooks->service.L = L;
    hooks->L = L;
    for (struct hook *hook = hooks->first; hook != NULL; hook = hook->next) {
        for (int step = furnished ? 1 : 0; step < 2; step++) {
            lua_pushcfunction(L, step == 0 ? furnish : load_hook);
            lua_pushlightuserdata(L, hook);
            if (lua_pcall(L, 1, step, 0) == LUA_OK) continue;
            complain(hook, L);
            lua_pop(L, 1);
            lua_pushboolean(L, 0);
            break;
        }
        furnished = true;
    }
}

/* --- events ----------------------------------------------------------------------------------- */

/* Called protected: decodes the text at 1. */
static int decode(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "cjson");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "decode");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* Called protected: the hook at 1, the event at 2. */
static int call_hook(lua_State *L)
{
    if (lua_getfield(L, 1, "types") == LUA_TTABLE) {
        lua_getfield(L, 2, "type");
        if (lua_gettable(L, -2) == LUA_TNIL) return 0;
    }
    lua_getfield(L, 1, "run");
    lua_pushvalue(L, 2);
    lua_call(L, 1, 0);
    return 0;
}

static bool concerns(const struct hook *hook, const char *path)
{
    size_t length = strlen(hook->path);
    if (strcmp(hook->path, ".") == 0) return true;
    return strncmp(path, hook->path, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static void tell_one(struct sup_hooks *hooks, const struct hook *hook, int place, int event)
{
    lua_State *L = hooks->L;
    lua_pushcfunction(L, call_hook);
    lua_pushvalue(L, place);
    lua_pushvalue(L, event);
    hooks->patience = "a second";
    atomic_store(&hooks->deadline_ns, now_ns() + BUDGET_NS);
    lua_sethook(L, watch_time, LUA_MASKCOUNT, LOOK_EVERY);
    int status = lua_pcall(L, 2, 0, 0);
    lua_sethook(L, NULL, 0, 0);
    if (status != LUA_OK) complain(hook, L);
    lua_settop(L, event);
}

/* The event, a table, is on the top of the state's stack, and is popped. */
static void tell_all(struct sup_hooks *hooks)
{
    lua_State *L = hooks->L;
    int event = lua_gettop(L), place = 0;
    lua_getfield(L, event, "path");
    const char *path = lua_tostring(L, -1);
    for (struct hook *hook = hooks->first; hook != NULL; hook = hook->next) {
        place++;
        if (!hook->is_health && lua_istable(L, place) && concerns(hook, path == NULL ? "." : path))
            tell_one(hooks, hook, place, event);
        lua_settop(L, event);
        lua_getfield(L, event, "path");
        path = lua_tostring(L, -1);
    }
    lua_settop(L, event - 1);
}

static void tell_line(struct sup_hooks *hooks, const char *line, size_t size)
{
    if (hooks->L == NULL || !hooks->is_told) return;
    lua_pushcfunction(hooks->L, decode);
    lua_pushlstring(hooks->L, line, size);
    if (lua_pcall(hooks->L, 1, 1, 0) == LUA_OK && lua_istable(hooks->L, -1)) {
        tell_all(hooks);
        return;
    }
    sup_control_say("on_event: an event cannot be read: %s", lua_tostring(hooks->L, -1));
    lua_pop(hooks->L, 1);
}

static void tell_missed(struct sup_hooks *hooks, uint64_t missed)
{
    if (missed == 0 || hooks->L == NULL || !hooks->is_told) return;
    lua_createtable(hooks->L, 0, 3);
    lua_pushliteral(hooks->L, "gap");
    lua_setfield(hooks->L, -2, "type");
    lua_pushliteral(hooks->L, ".");
    lua_setfield(hooks->L, -2, "path");
    lua_pushinteger(hooks->L, (lua_Integer) missed);
    lua_setfield(hooks->L, -2, "missed");
    tell_all(hooks);
}

/* After these there may be other functions. */
static bool changes_hooks(const char *line, size_t size)
{
    static const char *const types[] = {"\"type\":\"reloaded\"", "\"type\":\"rolled_back\"",
                                        "\"type\":\"added\"", "\"type\":\"removed\""};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (memmem(line, size, types[i], strlen(types[i])) != NULL) return true;
    return false;
}

static void renew(struct sup_hooks *hooks)
{
    find_hooks(hooks);
    open_state(hooks);
}

/* False: there was nothing. */
static bool tell_some(struct sup_hooks *hooks)
{
    uint64_t missed;
    size_t size = sup_engine_events(hooks->engine, &hooks->cursor, hooks->buffer, BUFFER, &missed);
    bool changed = false;
    tell_missed(hooks, missed);
    for (size_t at = 0; at < size;) {
        char *end = memchr(hooks->buffer + at, '\n', size - at);
        size_t length = end == NULL ? size - at : (size_t) (end - (hooks->buffer + at));
        bool changes = changes_hooks(hooks->buffer + at, length);
        /* What follows a reload is for those that it has brought. */
        if (changed && !changes) renew(hooks);
        tell_line(hooks, hooks->buffer + at, length);
        changed = changes;
        at += length + 1;
    }
    if (changed) renew(hooks);
    return size > 0 || missed > 0;
}

/* --- questions -------------------------------------------------------------------------------- */

/* What a function of health is told of its service. */
struct subject {
    sup_token node;
    const char *path;
    int32_t pid;
    uint32_t generation;
};

static void find_subject(void *context, const struct sup_view *view)
{
    struct subject *subject = context;
    struct sup_status status;
    subject->pid = sup_engine_pid(view, subject->node);
    if (sup_tree_status(view->tree, subject->node, view->now_ns, &status))
        subject->generation = status.generation;
}

/* Called protected: the function at 1, the subject at 2. Leaves two values. */
static int call_health(lua_State *L)
{
    const struct subject *subject = lua_touserdata(L, 2);
    lua_pushvalue(L, 1);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, subject->path);
    lua_setfield(L, -2, "path");
    if (subject->pid > 0) lua_pushinteger(L, subject->pid);
    else lua_pushnil(L);
    lua_setfield(L, -2, "pid");
    lua_pushinteger(L, (lua_Integer) subject->generation);
    lua_setfield(L, -2, "generation");
    lua_call(L, 1, 2);
    return 2;
}

static bool is_closing(struct sup_hooks *hooks)
{
    pthread_mutex_lock(&hooks->mutex);
    bool closing = hooks->closing;
    pthread_mutex_unlock(&hooks->mutex);
    return closing;
}

static void judge(struct sup_hooks *hooks, const struct hook *hook, int place,
                  const struct question *question)
{
    lua_State *L = hooks->L;
    int top = lua_gettop(L);
    struct subject subject = {.node = hook->node, .path = hook->path};
    sup_engine_read(hooks->engine, find_subject, &subject);
    lua_pushcfunction(L, call_health);
    lua_pushvalue(L, place);
    lua_pushlightuserdata(L, &subject);
    hooks->patience = "its timeout";
    atomic_store(&hooks->deadline_ns, now_ns() + hook->timeout_ns);
    lua_sethook(L, watch_time, LUA_MASKCOUNT, LOOK_EVERY);
    int status = lua_pcall(L, 2, 2, 0);
    lua_sethook(L, NULL, 0, 0);
    bool well = status == LUA_OK && lua_toboolean(L, -2);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                       : status == LUA_OK             ? "it did not return true"
                                                      : "it raised an error that is no text";
    /* At the end the engine waits for nobody. */
    if (!is_closing(hooks))
        sup_engine_judged(hooks->engine, question->node, question->instance, well,
                          well ? "" : text);
    lua_settop(L, top);
}

static struct question *take_question(struct sup_hooks *hooks)
{
    pthread_mutex_lock(&hooks->mutex);
    struct question *question = hooks->closing ? NULL : hooks->questions;
    if (question != NULL) hooks->questions = question->next;
    pthread_mutex_unlock(&hooks->mutex);
    return question;
}

/* False: there was none. */
static bool answer_one(struct sup_hooks *hooks)
{
    int place = 0;
    struct question *question = take_question(hooks);
    if (question == NULL) return false;
    const struct hook *found = NULL;
    for (const struct hook *hook = hooks->first; hook != NULL && found == NULL; hook = hook->next) {
        place++;
        if (hook->is_health && hook->node == question->node) found = hook;
    }
    if (found != NULL && hooks->L != NULL && lua_isfunction(hooks->L, place))
        judge(hooks, found, place, question);
    else
        sup_engine_judged(hooks->engine, question->node, question->instance, false,
                          "it could not be loaded; see the lines of the host");
    free(question);
    return true;
}

/* Called by the engine. Without memory nothing is found out, and it asks again. */
static void ask(void *context, sup_token node, uint64_t instance)
{
    struct sup_hooks *hooks = context;
    struct question *question = malloc(sizeof *question);
    if (question == NULL) return;
    *question = (struct question){.node = node, .instance = instance};
    pthread_mutex_lock(&hooks->mutex);
    struct question **last = &hooks->questions;
    while (*last != NULL) last = &(*last)->next;
    *last = question;
    hooks->awake = true;
    pthread_cond_broadcast(&hooks->change);
    pthread_mutex_unlock(&hooks->mutex);
}

static void forget_questions(struct sup_hooks *hooks)
{
    while (hooks->questions != NULL) {
        struct question *question = hooks->questions;
        hooks->questions = question->next;
        free(question);
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static bool await_news(struct sup_hooks *hooks)
{
    pthread_mutex_lock(&hooks->mutex);
    while (!hooks->awake && !hooks->closing) pthread_cond_wait(&hooks->change, &hooks->mutex);
    hooks->awake = false;
    bool closing = hooks->closing;
    pthread_mutex_unlock(&hooks->mutex);
    return !closing;
}

static void *live(void *context)
{
    struct sup_hooks *hooks = context;
    open_state(hooks);
    do {
        /* Events first: after a reload there are other functions to ask. */
        while (tell_some(hooks) || answer_one(hooks)) continue;
    } while (await_news(hooks));
    while (tell_some(hooks)) continue;
    if (hooks->L != NULL) sup_state_destroy(hooks->L);
    hooks->L = NULL;
    pthread_mutex_lock(&hooks->mutex);
    hooks->gone = true;
    pthread_cond_broadcast(&hooks->change);
    pthread_mutex_unlock(&hooks->mutex);
    return NULL;
}

static void wake(void *context)
{
    struct sup_hooks *hooks = context;
    pthread_mutex_lock(&hooks->mutex);
    hooks->awake = true;
    pthread_cond_broadcast(&hooks->change);
    pthread_mutex_unlock(&hooks->mutex);
}

static void hear(struct sup_hooks *hooks, void (*wake_it)(void *context))
{
    sup_engine_wake_reader(hooks->engine, SUP_EAR_HOOKS, wake_it, hooks);
    sup_engine_wake_reader(hooks->engine, SUP_EAR_RELOADS, wake_it, hooks);
}

/* --- its face --------------------------------------------------------------------------------- */

struct sup_hooks *sup_hooks_create(void)
{
    pthread_condattr_t attributes;
    struct sup_hooks *hooks = calloc(1, sizeof *hooks);
    if (hooks == NULL) return NULL;
    pthread_mutex_init(&hooks->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&hooks->change, &attributes);
    pthread_condattr_destroy(&attributes);
    return hooks;
}

/* One that was left behind still uses it. */
void sup_hooks_destroy(struct sup_hooks *hooks)
{
    if (hooks == NULL || (hooks->runs && !hooks->gone)) return;
    forget_hooks(hooks);
    forget_questions(hooks);
    pthread_cond_destroy(&hooks->change);
    pthread_mutex_destroy(&hooks->mutex);
    free(hooks);
}

void sup_hooks_opened(struct sup_hooks *hooks, struct sup_engine *engine)
{
    sigset_t all, former;
    if (hooks == NULL || sup_engine_facts(engine)->safe_mode) return;
    hooks->engine = engine;
    hooks->cursor = (struct sup_event_cursor){0};
    hooks->cursor.next = sup_engine_last_event(engine) + 1;
    find_hooks(hooks);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    hooks->runs = pthread_create(&hooks->thread, NULL, live, hooks) == 0;
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (!hooks->runs)
        sup_control_say("there is no thread for functions of on_event and health; they are not "
                        "called");
    else {
        hear(hooks, wake);
        sup_engine_set_judge(engine, ask, hooks);
    }
}

void sup_hooks_closing(struct sup_hooks *hooks)
{
    if (hooks == NULL || !hooks->runs) return;
    int64_t until_ns = now_ns() + LAST_WORDS_NS + BUDGET_NS;
    const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    hear(hooks, NULL);
    sup_engine_set_judge(hooks->engine, NULL, NULL);
    pthread_mutex_lock(&hooks->mutex);
    hooks->closing = true;
    pthread_cond_broadcast(&hooks->change);
    int r = 0;
    while (!hooks->gone && r == 0)
        r = pthread_cond_timedwait(&hooks->change, &hooks->mutex, &until);
    bool gone = hooks->gone;
    pthread_mutex_unlock(&hooks->mutex);
    if (gone) pthread_join(hooks->thread, NULL);
    else
        sup_control_say(
            "a function of on_event or health does not come to an end and is left behind");
}
