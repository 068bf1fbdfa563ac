/*
** script/modules.c: finding suptree's own modules. It knows their names, not what is in them.
*/
#include "script/modules.h"

#include "script/accounts.h"
#include "script/cut.h"
#include "script/editor.h"
#include "script/embedded.h"
#include "script/enter.h"
#include "script/form.h"
#include "script/library.h"
#include "script/options.h"
#include "script/place.h"
#include "script/sim.h"
#include "script/socket.h"
#include "script/system.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static const luaL_Reg c_modules[] = {
    {"suptree.accounts", sup_accounts_open},
    {"suptree.core", sup_sim_open},
    {"suptree.cut", sup_cut_open},
    {"suptree.editor", sup_editor_open},
    {"suptree.enter", sup_enter_open},
    {"suptree.form", sup_form_open},
    {"suptree.library.native", sup_library_open_module},
    {"suptree.options", sup_options_open},
    {"suptree.place", sup_place_open_module},
    {"suptree.socket", sup_socket_open},
    {"suptree.system", sup_system_open},
};

/* Push the chunk of ${file}: from SUPTREE_LUA_DIR when that is set, else what is embedded. */
static void load_file(lua_State *L, const struct sup_embedded *file)
{
    const char *folder = secure_getenv("SUPTREE_LUA_DIR");
    int status;
    if (folder != NULL && folder[0] != '\0') {
        const char *inside = strchr(file->path, '/') + 1; /* without "lua/" */
        const char *path = lua_pushfstring(L, "%s/%s", folder, inside);
        status = luaL_loadfilex(L, path, "t");
    } else {
        const char *name = lua_pushfstring(L, "@%s", file->path);
        status = luaL_loadbufferx(L, (const char *) file->data, file->size, name, "t");
    }
    lua_remove(L, -2);
    if (status != LUA_OK) lua_error(L);
}

/* The loader in package.preload; its upvalue is the row. */
static int load_embedded(lua_State *L)
{
    const struct sup_embedded *file = lua_touserdata(L, lua_upvalueindex(1));
    load_file(L, file);
    lua_pushstring(L, file->name);
    lua_call(L, 1, 1);
    return 1;
}

void sup_modules_preload(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (size_t i = 0; i < sup_embedded_lua_count; i++) {
        lua_pushlightuserdata(L, (void *) &sup_embedded_lua[i]);
        lua_pushcclosure(L, load_embedded, 1);
        lua_setfield(L, -2, sup_embedded_lua[i].name);
    }
    for (size_t i = 0; i < sizeof c_modules / sizeof c_modules[0]; i++) {
        lua_pushcfunction(L, c_modules[i].func);
        lua_setfield(L, -2, c_modules[i].name);
    }
    lua_pop(L, 1);
}

bool sup_modules_push_loader(lua_State *L, const char *name)
{
    if (strncmp(name, "suptree", strlen("suptree")) != 0) return false;
    for (size_t i = 0; i < sup_embedded_lua_count; i++) {
        if (strcmp(sup_embedded_lua[i].name, name) != 0) continue;
        lua_pushlightuserdata(L, (void *) &sup_embedded_lua[i]);
        lua_pushcclosure(L, load_embedded, 1);
        lua_pushliteral(L, ":suptree:");
        return true;
    }
    for (size_t i = 0; i < sizeof c_modules / sizeof c_modules[0]; i++) {
        if (strcmp(c_modules[i].name, name) != 0) continue;
        lua_pushcfunction(L, c_modules[i].func);
        lua_pushliteral(L, ":suptree:");
        return true;
    }
    return false;
}

void sup_modules_drop_relative(lua_State *L, const char *field)
{
    luaL_Buffer kept;
    lua_getfield(L, -1, field);
    const char *at = luaL_checkstring(L, -1);
    luaL_buffinit(L, &kept);
    while (*at != '\0') {
        size_t length = strcspn(at, ";");
        if (*at == '/') {
            luaL_addlstring(&kept, at, length);
            luaL_addchar(&kept, ';');
        }
        at += length + (at[length] == ';');
    }
    if (luaL_bufflen(&kept) > 0) luaL_buffsub(&kept, 1);
    luaL_pushresult(&kept);
    lua_setfield(L, -3, field);
    lua_pop(L, 1);
}
