/*
** script/module.c: suptree.so for plain Lua: `require "suptree"` finds luaopen_suptree. The other
** entries serve a Lua whose package.path holds the Lua files themselves: its all-in-one searcher
** then looks for the C modules here, one by one.
*/
#include "script/accounts.h"
#include "script/cut.h"
#include "script/editor.h"
#include "script/enter.h"
#include "script/form.h"
#include "script/library.h"
#include "script/modules.h"
#include "script/options.h"
#include "script/place.h"
#include "script/sim.h"
#include "script/socket.h"
#include "script/system.h"

#include <lauxlib.h>

int luaopen_suptree(lua_State *L);
int luaopen_suptree_accounts(lua_State *L);
int luaopen_suptree_core(lua_State *L);
int luaopen_suptree_cut(lua_State *L);
int luaopen_suptree_editor(lua_State *L);
int luaopen_suptree_enter(lua_State *L);
int luaopen_suptree_form(lua_State *L);
int luaopen_suptree_library_native(lua_State *L);
int luaopen_suptree_options(lua_State *L);
int luaopen_suptree_place(lua_State *L);
int luaopen_suptree_socket(lua_State *L);
int luaopen_suptree_system(lua_State *L);

int luaopen_suptree(lua_State *L)
{
    sup_modules_preload(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_getfield(L, -1, "suptree");
    lua_pushliteral(L, "suptree");
    lua_call(L, 1, 1);
    return 1;
}

int luaopen_suptree_accounts(lua_State *L)
{
    return sup_accounts_open(L);
}

int luaopen_suptree_core(lua_State *L)
{
    return sup_sim_open(L);
}

int luaopen_suptree_cut(lua_State *L)
{
    return sup_cut_open(L);
}

int luaopen_suptree_editor(lua_State *L)
{
    return sup_editor_open(L);
}

int luaopen_suptree_enter(lua_State *L)
{
    return sup_enter_open(L);
}

int luaopen_suptree_form(lua_State *L)
{
    return sup_form_open(L);
}

int luaopen_suptree_library_native(lua_State *L)
{
    return sup_library_open_module(L);
}

int luaopen_suptree_options(lua_State *L)
{
    return sup_options_open(L);
}

int luaopen_suptree_place(lua_State *L)
{
    return sup_place_open_module(L);
}

int luaopen_suptree_socket(lua_State *L)
{
    return sup_socket_open(L);
}

int luaopen_suptree_system(lua_State *L)
{
    return sup_system_open(L);
}
