/*
** script/control_output.c: the last output of services, from the rings. Must not know who follows.
*/
#include "script/control_inside.h"

#include "wire/rings.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROOM ((size_t) 64 << 10)

static int get_rings(lua_State *L)
{
    return sup_engine_rings(sup_control_of(L)->engine);
}

static int push_failure(lua_State *L, ssize_t error)
{
    lua_pushnil(L);
    lua_pushstring(L, error == -ESTALE ? "not_found" : strerror((int) -error));
    return 2;
}

static int64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t) now.tv_sec * SUP_SECOND_NS + now.tv_nsec;
}

/*
** tail(token, lines [, age]) -> the last lines (0: all that are kept), none that was written more
** than `age` seconds ago, and a cursor; or nil, why not
*/
int sup_control_tail(lua_State *L)
{
    uint64_t cursor = 0;
    lua_Number age = luaL_optnumber(L, 4, -1);
    struct sup_ring_wish wish = {
        .node = (uint64_t) luaL_checkinteger(L, 2),
        .until = SUP_RING_TO_THE_END,
        .lines = (size_t) luaL_optinteger(L, 3, 0),
    };
    if (age >= 0 && age < 1e9 && get_rings(L) >= 0) {
        int64_t since_ns = wall_ns() - (int64_t) (age * (lua_Number) SUP_SECOND_NS);
        int r = sup_ring_since(get_rings(L), wish.node, since_ns, &wish.from);
        if (r < 0) return push_failure(L, r);
    }
    luaL_Buffer text;
    char *bytes = luaL_buffinitsize(L, &text, ROOM);
    ssize_t size = get_rings(L) < 0 ? 0 : sup_ring_tail(get_rings(L), &wish, bytes, ROOM, &cursor);
    if (size < 0) return push_failure(L, size);
    luaL_pushresultsize(&text, (size_t) size);
    lua_pushinteger(L, (lua_Integer) cursor);
    return 2;
}

/* follow(token, cursor) -> what came since, the next cursor, how many bytes were lost; or nil, why
   not */
int sup_control_follow(lua_State *L)
{
    uint64_t node = (uint64_t) luaL_checkinteger(L, 2);
    uint64_t cursor = (uint64_t) luaL_checkinteger(L, 3), lost = 0;
    static const size_t room = 16 << 10;
    char bytes[16 << 10];
    int rings = get_rings(L);
    ssize_t size = rings < 0 ? 0 : sup_ring_follow(rings, node, &cursor, bytes, room, &lost);
    if (size < 0) return push_failure(L, size);
    lua_pushlstring(L, bytes, (size_t) size);
    lua_pushinteger(L, (lua_Integer) cursor);
    lua_pushinteger(L, (lua_Integer) lost);
    return 3;
}

/*
** times(token, places) -> when the bytes of these numbers (an array, ascending) were written, as an
** array of seconds since 1970; false: nobody knows
*/
int sup_control_times(lua_State *L)
{
    struct sup_ring_times times = {.count = 0};
    uint64_t node = (uint64_t) luaL_checkinteger(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_Integer count = (lua_Integer) lua_rawlen(L, 3);
    if (get_rings(L) >= 0 && sup_ring_times(get_rings(L), node, &times) < 0) times.count = 0;
    lua_createtable(L, (int) count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, 3, i);
        int64_t time_ns = sup_ring_time(&times, (uint64_t) lua_tointeger(L, -1));
        lua_pop(L, 1);
        if (time_ns == 0) lua_pushboolean(L, 0);
        else lua_pushnumber(L, (lua_Number) time_ns / (lua_Number) SUP_SECOND_NS);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

/* quote(bytes) -> a JSON text; what is no UTF-8 becomes U+FFFD, each byte for itself */
int sup_control_quote(lua_State *L)
{
    size_t size;
    const char *bytes = luaL_checklstring(L, 2, &size);
    struct sup_json *json = sup_control_push_json(L);
    sup_json_bytes(json, bytes, size);
    sup_control_finish_json(L);
    return 1;
}
