/*
** script/accounts.c: asking the databases of users and groups. Must not know what for.
*/
#include "script/accounts.h"

#include <grp.h>
#include <lauxlib.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_GROUPS 1024 /* of one user */

/* A whole number that can be an id, at ${index}; false: it is none. */
static bool read_id(lua_State *L, int index, uint32_t *id)
{
    int is_number;
    lua_Integer number = lua_tointegerx(L, index, &is_number);
    if (lua_type(L, index) != LUA_TNUMBER || !is_number) return false;
    if (number < 0 || number >= (lua_Integer) UINT32_MAX) return false;
    *id = (uint32_t) number;
    return true;
}

static void push_groups(lua_State *L, const struct passwd *user)
{
    gid_t groups[MAX_GROUPS];
    int count = MAX_GROUPS;
    if (getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0) count = MAX_GROUPS;
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushinteger(L, (lua_Integer) groups[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void set_text(lua_State *L, const char *field, const char *text)
{
    lua_pushstring(L, text == NULL ? "" : text);
    lua_setfield(L, -2, field);
}

static int find_user(lua_State *L)
{
    uint32_t id;
    const struct passwd *user =
        read_id(L, 1, &id) ? getpwuid(id) : getpwnam(luaL_checkstring(L, 1));
    if (user == NULL) return 0;
    lua_createtable(L, 0, 6);
    set_text(L, "name", user->pw_name);
    set_text(L, "home", user->pw_dir);
    set_text(L, "shell", user->pw_shell);
    lua_pushinteger(L, (lua_Integer) user->pw_uid);
    lua_setfield(L, -2, "uid");
    lua_pushinteger(L, (lua_Integer) user->pw_gid);
    lua_setfield(L, -2, "gid");
    push_groups(L, user);
    lua_setfield(L, -2, "groups");
    return 1;
}

static int find_group(lua_State *L)
{
    uint32_t id;
    if (read_id(L, 1, &id)) {
        lua_pushinteger(L, (lua_Integer) id);
        return 1;
    }
    const struct group *group = getgrnam(luaL_checkstring(L, 1));
    if (group == NULL) return 0;
    lua_pushinteger(L, (lua_Integer) group->gr_gid);
    return 1;
}

int sup_accounts_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"group", find_group}, {"user", find_user}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
