/*
** script/control_native.c: the module suptree.control.native: what the control thread's Lua needs
** that is not about a connection. Must not know the protocol.
*/
#include "script/control_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* listener() -> a descriptor of the listening socket, the caller's; nil: there is none */
static int get_listener(lua_State *L)
{
    int listener = sup_engine_facts(sup_control_of(L)->engine)->control;
    if (listener < 0) return 0;
    int fd = fcntl(listener, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return luaL_error(L, "the control socket cannot be used: %s", strerror(errno));
    lua_pushinteger(L, fd);
    return 1;
}

/* waker() -> the descriptor that becomes readable when drain() has something; not the caller's */
static int get_waker(lua_State *L)
{
    lua_pushinteger(L, sup_control_of(L)->wake);
    return 1;
}

static const char *const status_names[] = {
    [SUP_OK] = "ok",
    [SUP_NOT_FOUND] = "not_found",
    [SUP_WAITING_FOR] = "waiting_for",
    [SUP_TIMEOUT] = "timeout",
    [SUP_STOPPED] = "stopped",
    [SUP_ALREADY_SERVING] = "already_serving",
    [SUP_DUPLICATE_NAME] = "duplicate_name",
    [SUP_TOO_MANY] = "too_many",
    [SUP_INVALID] = "invalid",
    [SUP_NO_MEMORY] = "limit",
    [SUP_NOT_REACHED] = "not_reached",
    [SUP_REFUSED] = "refused",
};

/* take() -> ticket, status, node, text of the next answer; or nothing */
static int take_answer(lua_State *L)
{
    struct sup_errand *errand = sup_control_take(sup_control_of(L));
    if (errand == NULL) return 0;
    char text[SUP_TEXT_MAX];
    size_t status = (size_t) errand->status;
    bool has_text = errand->text != NULL;
    bool known = status < sizeof status_names / sizeof *status_names;
    snprintf(text, sizeof text, "%s", has_text ? errand->text : "");
    lua_Integer ticket = (lua_Integer) errand->ticket;
    lua_Integer node = (lua_Integer) errand->node;
    sup_control_free(errand);
    lua_pushinteger(L, ticket);
    lua_pushstring(L, known ? status_names[status] : "invalid");
    lua_pushinteger(L, node);
    if (!has_text) return 3;
    lua_pushstring(L, text);
    return 4;
}

/* drain() -> forget the wake-up; is the tree about to leave? */
static int drain(lua_State *L)
{
    struct sup_control *control = sup_control_of(L);
    uint64_t count;
    if (read(control->wake, &count, sizeof count) < 0 && errno != EAGAIN)
        return luaL_error(L, "cannot be woken any more: %s", strerror(errno));
    lua_pushboolean(L, atomic_load(&control->closing));
    return 1;
}

/* run() runs the loop until it is stopped */
static int run_loop(lua_State *L)
{
    struct sup_control *control = sup_control_of(L);
    if (control->loop == NULL) return luaL_error(L, "luv has not been opened");
    control->in_loop = true;
    uv_run(control->loop, UV_RUN_DEFAULT);
    control->in_loop = false;
    return 0;
}

/* admit(fd) -> a handle and who it is for, or nil */
static int admit(lua_State *L)
{
    return sup_control_admit(L, sup_control_of(L), (int) luaL_checkinteger(L, 1));
}

/* say(text): a line of the host's own */
static int say(lua_State *L)
{
    sup_control_say("%s", luaL_checkstring(L, 1));
    return 0;
}

/* When the keeper was started, in seconds before now. */
static double keeper_age(void)
{
    char path[64], text[1024] = "";
    unsigned long long ticks = 0;
    double up = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int) getppid());
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *after = strrchr(text, ')');
    const char *format = ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                         "%*d %*d %llu";
    if (after == NULL || sscanf(after, format, &ticks) != 1) return 0;
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    up = (double) now.tv_sec + (double) now.tv_nsec / 1e9;
    return up - (double) ticks / (double) sysconf(_SC_CLK_TCK);
}

/* facts() -> { name, pid, keeper, hosts, safe_mode, uptime } */
static int get_facts(lua_State *L)
{
    const struct sup_facts *facts = sup_engine_facts(sup_control_of(L)->engine);
    lua_newtable(L);
    lua_pushstring(L, facts->name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, getpid());
    lua_setfield(L, -2, "pid");
    lua_pushinteger(L, getppid());
    lua_setfield(L, -2, "keeper");
    lua_pushinteger(L, facts->hosts);
    lua_setfield(L, -2, "hosts");
    lua_pushboolean(L, facts->safe_mode);
    lua_setfield(L, -2, "safe_mode");
    lua_pushnumber(L, round(keeper_age() * 1000) / 1000);
    lua_setfield(L, -2, "uptime");
    return 1;
}

int sup_control_open_native(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"admit", admit},           {"drain", drain},     {"facts", get_facts},
        {"listener", get_listener}, {"run", run_loop},    {"say", say},
        {"take", take_answer},      {"waker", get_waker}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    sup_control_add_reload(L);
    sup_control_add_compile(L);
    return 1;
}
