/*
** script/service.c: what the state of a service holds: Lua's libraries without what would reach
** beyond the service or could not be stopped, and modules from safe places only. It runs nothing.
*/
#include "script/service.h"

#include "script/modules.h"
#include "script/trust.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

struct sup_service *sup_service_of(lua_State *L)
{
    return *(struct sup_service **) lua_getextraspace(L);
}

/* --- what is refused -------------------------------------------------------------------------- */

static const struct refusal {
    const char *library, *name, *why;
} refused[] = {
    {"debug", "sethook",
     "the hook is what stops a service that does not listen; measure with os.clock"},
    {"io", "popen", "it cannot be stopped; declare the program with s.process"},
    {"os", "execute", "it cannot be stopped; declare the program with s.process"},
    {"os", "exit",
     "it would end the host of all services; return, return suptree.DONE to leave the tree, or "
     "suptree.TERMINATE_TREE to end it"},
    {"os", "setlocale",
     "the locale belongs to the whole host; set LC_ALL where suptree is started"},
};

/* The upvalue is the row. */
static int refuse_function(lua_State *L)
{
    const struct refusal *row = lua_touserdata(L, lua_upvalueindex(1));
    return luaL_error(L, "%s.%s is refused in a thread service: %s", row->library, row->name,
                      row->why);
}

static void refuse_functions(lua_State *L)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        lua_getglobal(L, refused[i].library);
        lua_pushlightuserdata(L, (void *) &refused[i]);
        lua_pushcclosure(L, refuse_function, 1);
        lua_setfield(L, -2, refused[i].name);
        lua_pop(L, 1);
    }
}

/* The upvalue is Lua's own. */
static int set_metatable(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L,
                              "a metatable with __gc is refused in a thread service: a finalizer "
                              "cannot be stopped; use a <close> variable or ctx:on_stop");
        lua_pop(L, 1);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* Put ${function} around the field ${name} of the table on the top. */
static void surround(lua_State *L, const char *name, lua_CFunction function)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
}

static int load_text_file(lua_State *L)
{
    int count = lua_gettop(L) < 2 ? 2 : lua_gettop(L);
    lua_settop(L, count);
    lua_pushliteral(L, "t");
    lua_replace(L, 2);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, count, LUA_MULTRET);
    return lua_gettop(L);
}

static int do_text_file(lua_State *L)
{
    if (luaL_loadfilex(L, luaL_checkstring(L, 1), "t") != LUA_OK) return lua_error(L);
    lua_replace(L, 1);
    lua_settop(L, 1);
    lua_call(L, 0, LUA_MULTRET);
    return lua_gettop(L);
}

static void surround_functions(lua_State *L)
{
    lua_pushglobaltable(L);
    surround(L, "setmetatable", set_metatable);
    surround(L, "loadfile", load_text_file);
    surround(L, "dofile", do_text_file);
    lua_getfield(L, -1, "debug");
    surround(L, "setmetatable", set_metatable);
    lua_pop(L, 2);
}

/* --- modules ---------------------------------------------------------------------------------- */

/* A configuration's modules decide what runs with the rights of the host, at each launch anew. */
static void check_trust(lua_State *L, const char *path)
{
    struct sup_err err = {.code = 0};
    if (sup_trust_check(path, &err) != 0)
        luaL_error(L, "the module '%s' is refused: %s: %s (%s)", lua_tostring(L, 1), path,
                   err.reason, err.hint);
}

/* Pushes the loader and where it comes from. */
static int load_module(lua_State *L, const char *path)
{
    if (lua_toboolean(L, lua_upvalueindex(4))) check_trust(L, path);
    if (luaL_loadfilex(L, path, "t") == LUA_OK) {
        lua_pushstring(L, path);
        return 2;
    }
    return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", lua_tostring(L, 1),
                      path, lua_tostring(L, -1));
}

static bool is_readable(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    fclose(file);
    return true;
}

/* Upvalues: the folder, package.searchpath, package, whether files must be trusted. Text alone. */
static int search_module(lua_State *L)
{
    static const char *const endings[] = {"%s/%s.lua", "%s/%s/init.lua"};
    const char *name = luaL_checkstring(L, 1);
    if (sup_modules_push_loader(L, name)) return 2;
    const char *folder = lua_tostring(L, lua_upvalueindex(1));
    const char *inside = luaL_gsub(L, name, ".", "/");
    for (size_t i = 0; i < 2; i++) {
        const char *path = lua_pushfstring(L, endings[i], folder, inside);
        if (is_readable(path)) return load_module(L, path);
    }
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, 1);
    lua_getfield(L, lua_upvalueindex(3), "path");
    lua_call(L, 2, 2);
    if (!lua_isnil(L, -2)) return load_module(L, lua_tostring(L, -2));
    lua_pushfstring(L, "no file '%s/%s.lua'\n\tno file '%s/%s/init.lua'\n\t%s", folder, inside,
                    folder, inside, lua_tostring(L, -1));
    return 1;
}

/* The table package is on the top. */
static void set_searchers(lua_State *L, const char *folder, bool trusted_only)
{
    lua_getfield(L, -1, "searchers");
    lua_pushstring(L, folder);
    lua_getfield(L, -3, "searchpath");
    lua_pushvalue(L, -4); /* package */
    lua_pushboolean(L, trusted_only);
    lua_pushcclosure(L, search_module, 4);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 1);
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, sup_evloop_open);
    lua_setfield(L, -2, "luv");
    lua_pop(L, 1);
}

/* The same. What the program that declared the service searches comes before what is installed. */
static void extend_path(lua_State *L, const char *path)
{
    if (path[0] == '\0') return;
    lua_pushstring(L, path);
    lua_pushliteral(L, ";");
    lua_getfield(L, -3, "path");
    lua_concat(L, 3);
    lua_setfield(L, -2, "path");
}

void sup_service_furnish(lua_State *L, const char *folder, const char *path)
{
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    luaL_openlibs(L);
    lua_getglobal(L, "package");
    sup_modules_drop_relative(L, "path");
    sup_modules_drop_relative(L, "cpath");
    extend_path(L, path);
    set_searchers(L, folder, path[0] == '\0');
    lua_pop(L, 1);
    refuse_functions(L);
    surround_functions(L);
    sup_interrupt_open(L);
    /* A hook has none of its own: it prints as the host does. */
    if (sup_service_of(L)->thread != NULL) sup_service_open_output(L, sup_service_of(L));
}
