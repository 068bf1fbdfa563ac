/*
** script/unpack.c: bringing captured chunks back. It reads the form that lua/suptree/chunk.lua
** writes and describes; bytecode is taken as it is, because a blob is suptree's own.
*/
#include "script/service.h"

#include <lauxlib.h>
#include <string.h>

#define HEAD 8 /* "SPCK", version */
#define VERSION 1
#define MAX_DEPTH 200

struct reader {
    const char *at, *end;
    int objects; /* stack index: tables and functions in the order of their appearance */
    int cells;   /* stack index: for each cell the function that has it; its place at -number */
    int depth;
};

static void read_value(lua_State *L, struct reader *r);

static const char *take(lua_State *L, struct reader *r, size_t size)
{
    const char *at = r->at;
    if ((size_t) (r->end - at) < size) luaL_error(L, "the captured function is cut off");
    r->at += size;
    return at;
}

static uint32_t take_count(lua_State *L, struct reader *r)
{
    uint32_t count;
    memcpy(&count, take(L, r, sizeof count), sizeof count);
    return count;
}

static const char *take_text(lua_State *L, struct reader *r, size_t *size)
{
    *size = take_count(L, r);
    return take(L, r, *size);
}

static void push_text(lua_State *L, struct reader *r)
{
    size_t size;
    const char *text = take_text(L, r, &size);
    lua_pushlstring(L, text, size);
}

/* Note the value on the top as the next object. */
static void add_object(lua_State *L, const struct reader *r)
{
    lua_pushvalue(L, -1);
    lua_rawseti(L, r->objects, (lua_Integer) lua_rawlen(L, r->objects) + 1);
}

static void read_table(lua_State *L, struct reader *r)
{
    uint32_t pairs = take_count(L, r);
    lua_newtable(L);
    add_object(L, r);
    while (pairs-- > 0) {
        read_value(L, r);
        read_value(L, r);
        if (lua_isnil(L, -2)) luaL_error(L, "the captured function has a key that is nil");
        lua_rawset(L, -3);
    }
}

/* The cell is that of upvalue ${place} of the function on the top. */
static void note_cell(lua_State *L, struct reader *r, uint32_t cell, int place)
{
    lua_pushvalue(L, -1);
    lua_rawseti(L, r->cells, (lua_Integer) cell);
    lua_pushinteger(L, place);
    lua_rawseti(L, r->cells, -(lua_Integer) cell);
}

static void join_cell(lua_State *L, struct reader *r, uint32_t cell, int place)
{
    lua_rawgeti(L, r->cells, (lua_Integer) cell);
    lua_rawgeti(L, r->cells, -(lua_Integer) cell);
    int other = (int) lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (!lua_isfunction(L, -1)) luaL_error(L, "the captured function has an unknown upvalue");
    lua_upvaluejoin(L, -2, place, -1, other);
    lua_pop(L, 1);
}

static void set_upvalue(lua_State *L, int place)
{
    if (lua_setupvalue(L, -2, place) == NULL)
        luaL_error(L, "the captured function has no such upvalue");
}

/* Of the function on the top. */
static void read_upvalue(lua_State *L, struct reader *r, int place)
{
    size_t size;
    take(L, r, 1);
    take_text(L, r, &size); /* its name, for people */
    char kind = *take(L, r, 1);
    if (kind == 'e') {
        lua_pushglobaltable(L);
        set_upvalue(L, place);
        return;
    }
    uint32_t cell = take_count(L, r);
    if (kind == 'c') {
        join_cell(L, r, cell, place);
        return;
    }
    note_cell(L, r, cell, place);
    read_value(L, r);
    set_upvalue(L, place);
}

static void read_function(lua_State *L, struct reader *r)
{
    size_t size;
    const char *code = take_text(L, r, &size);
    if (luaL_loadbufferx(L, code, size, "chunk", "b") != LUA_OK) lua_error(L);
    add_object(L, r);
    int upvalues = (unsigned char) *take(L, r, 1);
    for (int place = 1; place <= upvalues; place++) read_upvalue(L, r, place);
}

static void require_module(lua_State *L, struct reader *r)
{
    lua_getglobal(L, "require");
    push_text(L, r);
    lua_call(L, 1, 1);
}

static void read_field(lua_State *L, struct reader *r)
{
    require_module(L, r);
    push_text(L, r);
    lua_gettable(L, -2);
    if (lua_isnil(L, -1)) luaL_error(L, "the captured function uses one that is not there");
    lua_remove(L, -2);
}

static void read_constant(lua_State *L, struct reader *r)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "suptree.constants");
    lua_call(L, 1, 1);
    push_text(L, r);
    lua_gettable(L, -2);
    lua_remove(L, -2);
}

static void read_number(lua_State *L, struct reader *r, char kind)
{
    lua_Integer integer;
    lua_Number number;
    if (kind == 'i') {
        memcpy(&integer, take(L, r, sizeof integer), sizeof integer);
        lua_pushinteger(L, integer);
    } else {
        memcpy(&number, take(L, r, sizeof number), sizeof number);
        lua_pushnumber(L, number);
    }
}

/* Pushes one value. */
static void read_object(lua_State *L, struct reader *r, char kind)
{
    switch (kind) {
    case 'T':
        read_table(L, r);
        break;
    case 'F':
        read_function(L, r);
        break;
    case 'r':
        lua_rawgeti(L, r->objects, (lua_Integer) take_count(L, r));
        break;
    case 'm':
        require_module(L, r);
        take(L, r, 8); /* the digest, for who compares chunks */
        break;
    case 'l':
        read_field(L, r);
        break;
    case 'k':
        read_constant(L, r);
        break;
    default:
        luaL_error(L, "the captured function has an unknown kind of value");
    }
}

static void read_value(lua_State *L, struct reader *r)
{
    char kind = *take(L, r, 1);
    luaL_checkstack(L, 8, "the captured function is nested too deep");
    if (++r->depth > MAX_DEPTH) luaL_error(L, "the captured function is nested too deep");
    if (kind == 'n') lua_pushnil(L);
    else if (kind == 't' || kind == 'f') lua_pushboolean(L, kind == 't');
    else if (kind == 'i' || kind == 'd') read_number(L, r, kind);
    else if (kind == 's') push_text(L, r);
    else read_object(L, r, kind);
    r->depth--;
}

void sup_unpack(lua_State *L, const void *bytes, size_t size)
{
    struct reader r = {.at = bytes};
    uint32_t version = 0;
    r.end = r.at + size;
    bool known = size > HEAD && memcmp(bytes, "SPCK", 4) == 0;
    if (known) memcpy(&version, r.at + 4, sizeof version);
    if (!known || version != VERSION)
        luaL_error(L, "what is to be run was captured by another version of suptree");
    r.at += HEAD;
    lua_newtable(L);
    r.objects = lua_gettop(L);
    lua_newtable(L);
    r.cells = lua_gettop(L);
    read_value(L, &r);
    lua_replace(L, r.objects);
    lua_settop(L, r.objects);
}
