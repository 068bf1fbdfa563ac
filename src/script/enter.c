/*
** script/enter.c: the binding that becomes a program in the place of a service. It knows nothing of
** services: it is told all it changes.
*/
#define _GNU_SOURCE
#include "script/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_WORDS 65536

static const struct {
    const char *name;
    int resource;
} resources[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},
    {"cpu", RLIMIT_CPU},         {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},     {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},       {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC},     {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},
    {"stack", RLIMIT_STACK},     {"sigpending", RLIMIT_SIGPENDING},
};

const char *sup_enter_limit_name(int resource)
{
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        if (resources[i].resource == resource) return resources[i].name;
    return NULL;
}

/* The texts of the array at ${index} in a userdata that is pushed; they stay in the array. */
static char **push_texts(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_Unsigned count = lua_rawlen(L, index);
    luaL_argcheck(L, count <= MAX_WORDS, index, "too many words");
    char **texts = lua_newuserdatauv(L, ((size_t) count + 1) * sizeof *texts, 0);
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer) i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, index, "not only words");
        texts[i] = (char *) lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    texts[count] = NULL;
    return texts;
}

/* The number in the field ${name} of the settings at index 3; false: it is not there. */
static bool get_number(lua_State *L, const char *name, lua_Integer *number)
{
    bool there = lua_getfield(L, 3, name) != LUA_TNIL;
    if (there) *number = (lua_Integer) luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return there;
}

/* --- the steps, each 0 or -errno -------------------------------------------------------------- */

static rlim_t to_limit(lua_State *L, int place)
{
    lua_rawgeti(L, -1, place);
    const char *text = lua_tostring(L, -1);
    bool infinite = text != NULL && strcmp(text, "infinity") == 0;
    rlim_t limit = infinite ? RLIM_INFINITY : (rlim_t) luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return limit;
}

static int set_limits(lua_State *L)
{
    int rc = 0;
    if (lua_getfield(L, 3, "limits") == LUA_TTABLE) {
        for (size_t i = 0; rc == 0 && i < sizeof resources / sizeof resources[0]; i++) {
            if (lua_getfield(L, -1, resources[i].name) == LUA_TTABLE) {
                struct rlimit limit = {.rlim_cur = to_limit(L, 1), .rlim_max = to_limit(L, 2)};
                rc = setrlimit((__rlimit_resource_t) resources[i].resource, &limit) == 0 ? 0
                                                                                         : -errno;
            }
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
    return rc;
}

static int set_groups(lua_State *L)
{
    int rc = 0;
    if (lua_getfield(L, 3, "groups") == LUA_TTABLE) {
        size_t count = lua_rawlen(L, -1);
        luaL_argcheck(L, count <= MAX_WORDS, 3, "too many groups");
        gid_t *groups = lua_newuserdatauv(L, (count + 1) * sizeof *groups, 0);
        for (size_t i = 0; i < count; i++) {
            lua_rawgeti(L, -2, (lua_Integer) i + 1);
            groups[i] = (gid_t) luaL_checknumber(L, -1);
            lua_pop(L, 1);
        }
        rc = setgroups(count, groups) == 0 ? 0 : -errno;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return rc;
}

static int set_group(lua_State *L)
{
    lua_Integer gid;
    if (!get_number(L, "gid", &gid)) return 0;
    return setresgid((gid_t) gid, (gid_t) gid, (gid_t) gid) == 0 ? 0 : -errno;
}

static int set_user(lua_State *L)
{
    lua_Integer uid;
    if (!get_number(L, "uid", &uid)) return 0;
    return setresuid((uid_t) uid, (uid_t) uid, (uid_t) uid) == 0 ? 0 : -errno;
}

static int set_oom_score(lua_State *L)
{
    lua_Integer score;
    char text[32];
    if (!get_number(L, "oom_score", &score)) return 0;
    int size = snprintf(text, sizeof text, "%lld", (long long) score);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    int rc = write(fd, text, (size_t) size) == size ? 0 : -errno;
    close(fd);
    return rc;
}

static int set_nice(lua_State *L)
{
    lua_Integer nice;
    if (!get_number(L, "nice", &nice)) return 0;
    return setpriority(PRIO_PROCESS, 0, (int) nice) == 0 ? 0 : -errno;
}

static int forbid_new_rights(lua_State *L)
{
    bool asked = lua_getfield(L, 3, "no_new_privs") != LUA_TNIL && lua_toboolean(L, -1);
    lua_pop(L, 1);
    return !asked || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : -errno;
}

static int set_umask(lua_State *L)
{
    lua_Integer mask;
    if (get_number(L, "umask", &mask)) umask((mode_t) mask & 0777);
    return 0;
}

static int set_folder(lua_State *L)
{
    int rc = 0;
    if (lua_getfield(L, 3, "cwd") == LUA_TSTRING && chdir(lua_tostring(L, -1)) != 0) rc = -errno;
    lua_pop(L, 1);
    return rc;
}

/* exec(argv, env, settings) -> nil, step, text */
static int become(lua_State *L)
{
    static const struct {
        const char *name;
        int (*take)(lua_State *L);
    } steps[] = {
        {"limits", set_limits}, {"oom_score", set_oom_score},
        {"nice", set_nice},     {"umask", set_umask},
        {"groups", set_groups}, {"group", set_group},
        {"user", set_user},     {"no_new_privs", forbid_new_rights},
        {"cwd", set_folder},
    };
    luaL_checktype(L, 3, LUA_TTABLE);
    char **argv = push_texts(L, 1);
    char **env = push_texts(L, 2);
    luaL_argcheck(L, argv[0] != NULL, 1, "no program");
    const char *step = "exec";
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof steps[0]; i++) {
        rc = steps[i].take(L);
        if (rc != 0) step = steps[i].name;
    }
    if (rc == 0) {
        environ = env; /* PATH is looked for here */
        execvp(argv[0], argv);
        rc = -errno;
    }
    lua_pushnil(L);
    lua_pushstring(L, step);
    lua_pushstring(L, strerror(-rc));
    return 3;
}

int sup_enter_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"exec", become}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
