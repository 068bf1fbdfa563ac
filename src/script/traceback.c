/*
** script/traceback.c: the calls of a state, in words. luaL_traceback looks for each function in all
** fields of all modules; here those fields are looked at that have the name that was called.
*/
#include "script/traceback.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FIRST 10 /* calls that are shown of a deep stack, */
#define LAST 11  /* and at its outer end */

struct text {
    char *buf;
    size_t length, size;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    va_list arguments;
    if (text->length + 1 >= text->size) return;
    va_start(arguments, format);
    int n = vsnprintf(text->buf + text->length, text->size - text->length, format, arguments);
    va_end(arguments);
    if (n > 0) text->length += (size_t) n;
    if (text->length >= text->size) text->length = text->size - 1;
}

static int count_levels(lua_State *L)
{
    lua_Debug frame;
    int known = 0, beyond = 1;
    while (lua_getstack(L, beyond, &frame)) {
        known = beyond;
        beyond *= 2;
    }
    while (known + 1 < beyond) {
        int middle = (known + beyond) / 2;
        if (lua_getstack(L, middle, &frame)) known = middle;
        else beyond = middle;
    }
    return known + 1;
}

/* Is the function at ${function} the field ${name} of the table on the top? Raw. */
static bool is_field(lua_State *L, int function, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    bool same = lua_rawequal(L, -1, function);
    lua_pop(L, 1);
    return same;
}

/* Say the module of which the function on the top is the field ${name}, and the name; false: of
   none. The module is on the stack of modules that are loaded. */
static bool say_field(lua_State *L, const char *name, struct text *text)
{
    int function = lua_gettop(L);
    bool found = false;
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_GNAME);
    if (lua_istable(L, -1) && is_field(L, function, name)) {
        say(text, "function '%s'", name);
        found = true;
    }
    lua_pop(L, 1);
    lua_pushnil(L);
    while (!found && lua_next(L, function + 1) != 0) {
        if (lua_type(L, -2) == LUA_TSTRING && lua_istable(L, -1) && is_field(L, function, name)) {
            say(text, "function '%s.%s'", lua_tostring(L, -2), name);
            found = true;
        }
        lua_pop(L, 1);
    }
    lua_settop(L, function);
    return found;
}

static bool has_global_name(const lua_Debug *frame)
{
    return strcmp(frame->namewhat, "global") == 0 || strcmp(frame->namewhat, "field") == 0 ||
           strcmp(frame->namewhat, "method") == 0;
}

static void say_function(lua_State *L, lua_Debug *frame, struct text *text)
{
    bool found = false;
    if (has_global_name(frame)) {
        lua_getinfo(L, "f", frame);
        found = say_field(L, frame->name, text);
        lua_pop(L, 1);
    }
    if (found) return;
    if (frame->namewhat[0] != '\0') say(text, "%s '%s'", frame->namewhat, frame->name);
    else if (frame->what[0] == 'm') say(text, "main chunk");
    else if (frame->what[0] != 'C')
        say(text, "function <%s:%d>", frame->short_src, frame->linedefined);
    else say(text, "?");
}

static void say_frame(lua_State *L, lua_Debug *frame, struct text *text)
{
    lua_getinfo(L, "Slnt", frame);
    say(text, "\n\t%s:", frame->short_src);
    if (frame->currentline > 0) say(text, "%d:", frame->currentline);
    say(text, " in ");
    say_function(L, frame, text);
    if (frame->istailcall) say(text, "\n\t(...tail calls...)");
}

size_t sup_traceback(lua_State *L, int level, char *buf, size_t length, size_t size)
{
    lua_Debug frame;
    struct text text = {buf, length, size};
    int count = count_levels(L);
    bool cut = count - level > FIRST + LAST;
    int skip_at = level + FIRST, skip_to = count - LAST;
    luaL_checkstack(L, 8, NULL);
    say(&text, "\nstack traceback:");
    for (; lua_getstack(L, level, &frame); level++) {
        if (cut && level == skip_at) {
            say(&text, "\n\t...\t(skipping %d levels)", skip_to - level);
            level = skip_to - 1;
            continue;
        }
        say_frame(L, &frame, &text);
    }
    return text.length;
}
