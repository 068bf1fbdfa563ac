/*
** spec/support/lua.c: a Lua interpreter as small as the specs need it, built with the sanitizers,
** because a sanitized suptree.so can only be loaded by a sanitized program.
** Use: lua [-e CODE]... [SCRIPT [ARGUMENT...]]
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static int add_traceback(lua_State *L)
{
    const char *message = luaL_tolstring(L, 1, NULL);
    luaL_traceback(L, L, message, 1);
    return 1;
}

/* The global "arg" as lua5.4 makes it: the script at 0, its arguments from 1. */
static void push_arguments(lua_State *L, int count, char **words, int script)
{
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushstring(L, words[i]);
        lua_rawseti(L, -2, i - script);
    }
    lua_setglobal(L, "arg");
}

/* Called protected, with argc and argv on the stack; a raise here reaches main as a message. */
static int run_words(lua_State *L)
{
    int count = (int) lua_tointeger(L, 1);
    char **words = lua_touserdata(L, 2);
    int i = 1;
    luaL_openlibs(L);
    for (; i + 1 < count && strcmp(words[i], "-e") == 0; i += 2) {
        if (luaL_loadbuffer(L, words[i + 1], strlen(words[i + 1]), "=(command line)") != LUA_OK) {
            return lua_error(L);
        }
        lua_call(L, 0, 0);
    }
    if (i >= count) return 0;
    push_arguments(L, count, words, i);
    if (luaL_loadfile(L, words[i]) != LUA_OK) return lua_error(L);
    for (int k = i + 1; k < count; k++) {
        luaL_checkstack(L, 1, "too many arguments");
        lua_pushstring(L, words[k]);
    }
    lua_call(L, count - i - 1, 0);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* a leak report ends the process without flushing */
    lua_State *L = luaL_newstate();
    if (L == NULL) {
        fprintf(stderr, "lua: no memory for a Lua state; free some and run this again\n");
        return EXIT_FAILURE;
    }
    lua_pushcfunction(L, add_traceback);
    lua_pushcfunction(L, run_words);
    lua_pushinteger(L, argc);
    lua_pushlightuserdata(L, argv);
    int status = lua_pcall(L, 2, 0, 1);
    if (status != LUA_OK) fprintf(stderr, "lua: %s\n", lua_tostring(L, -1));
    lua_close(L);
    return status == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
