/*
** script/place_module.c: the binding of script/place.h, and what a client looks for.
*/
#include "script/place.h"

#include "script/system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LISTED 1024

/* --- for a tree ------------------------------------------------------------------------------- */

/* claim(name [, group]) -> socket, lock, path; or nil, reason, the pid that has the name or nil */
static int claim_place(lua_State *L)
{
    struct sup_claim claim;
    struct sup_err err = {0};
    char text[1024];
    const char *name = luaL_checkstring(L, 1);
    gid_t group = (gid_t) luaL_optinteger(L, 2, -1);
    int *socket = sup_system_push_file(L);
    int *lock = sup_system_push_file(L);
    int r = sup_place_claim(&claim, name, group, &err);
    if (r == 0) {
        *socket = claim.socket;
        *lock = claim.lock;
        lua_pushstring(L, claim.path);
        return 3;
    }
    lua_pushnil(L);
    lua_pushstring(L, r == -EBUSY ? "busy" : sup_err_text(&err, text, sizeof text));
    if (r == -EBUSY) lua_pushinteger(L, claim.holder);
    else lua_pushnil(L);
    return 3;
}

/* --- for a client ----------------------------------------------------------------------------- */

/* May what is in the folder be trusted: is it this user's, or root's? */
static bool is_trusted(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode) &&
           (info.st_uid == geteuid() || info.st_uid == 0) && (info.st_mode & 022) == 0;
}

static void add_folder(lua_State *L, const char *path)
{
    if (!is_trusted(path)) return;
    lua_pushstring(L, path);
    lua_rawseti(L, -2, (lua_Integer) lua_rawlen(L, -2) + 1);
}

/* own() -> the folder where the trees of this user are, if there are any */
static int own_folder(lua_State *L)
{
    char path[SUP_PLACE_PATH];
    lua_pushstring(L, sup_place_own(path, sizeof path));
    return 1;
}

/* guest() -> the folder of root's trees, which a group may read; nothing: this is root */
static int guest_folder(lua_State *L)
{
    if (geteuid() == 0) return 0;
    lua_pushliteral(L, "/run/suptree");
    return 1;
}

/* folders() -> where sockets may be, the likeliest first */
static int list_folders(lua_State *L)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    lua_newtable(L);
    if (runtime != NULL && runtime[0] == '/') {
        const char *path = lua_pushfstring(L, "%s/suptree", runtime);
        lua_insert(L, -2);
        add_folder(L, path);
        lua_remove(L, -2);
    }
    add_folder(L, "/run/suptree");
    const char *path = lua_pushfstring(L, "/tmp/suptree-%d", (int) geteuid());
    lua_insert(L, -2);
    add_folder(L, path);
    return 1;
}

static int close_listing(lua_State *L)
{
    DIR **listing = lua_touserdata(L, 1);
    if (*listing != NULL) closedir(*listing);
    *listing = NULL;
    return 0;
}

/* names(folder) -> the names of the sockets in it */
static int list_names(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    DIR **listing = lua_newuserdatauv(L, sizeof *listing, 0);
    *listing = NULL;
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, close_listing);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    *listing = opendir(path);
    lua_newtable(L);
    if (*listing == NULL) return 1;
    lua_Integer count = 0;
    for (const struct dirent *entry; count < MAX_LISTED && (entry = readdir(*listing)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (length <= 5 || strcmp(entry->d_name + length - 5, ".sock") != 0) continue;
        lua_pushlstring(L, entry->d_name, length - 5);
        lua_rawseti(L, -2, ++count);
    }
    closedir(*listing);
    *listing = NULL;
    return 1;
}

int sup_place_open_module(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"claim", claim_place}, {"folders", list_folders}, {"guest", guest_folder},
        {"names", list_names},  {"own", own_folder},       {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
