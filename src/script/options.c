/*
** script/options.c: the binding of the table of options and of the parsers beside it. It decides
** nothing: what is good or bad is said by core/options.h.
*/
#include "script/options.h"

#include "core/cgroup.h"
#include "core/options.h"
#include "core/socket.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 65536

static const char *const type_names[SUP_TYPE_COUNT_OF + 1] = {
    [SUP_TYPE_BOOL] = "bool",         [SUP_TYPE_COUNT] = "count",
    [SUP_TYPE_NUMBER] = "number",     [SUP_TYPE_DURATION] = "duration",
    [SUP_TYPE_SIZE] = "size",         [SUP_TYPE_STRING] = "string",
    [SUP_TYPE_PATH] = "path",         [SUP_TYPE_ENUM] = "enum",
    [SUP_TYPE_NAMES] = "names",       [SUP_TYPE_COMMAND] = "command",
    [SUP_TYPE_ENV] = "env",           [SUP_TYPE_ENV_FILE] = "env_file",
    [SUP_TYPE_CODES] = "codes",       [SUP_TYPE_SIGNAL] = "signal",
    [SUP_TYPE_DELAY] = "delay",       [SUP_TYPE_READY] = "ready",
    [SUP_TYPE_LOG] = "log",           [SUP_TYPE_BYTES] = "bytes",
    [SUP_TYPE_INTEGER] = "integer",   [SUP_TYPE_MODE] = "mode",
    [SUP_TYPE_USER] = "user",         [SUP_TYPE_ID] = "id",
    [SUP_TYPE_IDS] = "ids",           [SUP_TYPE_LIMITS] = "limits",
    [SUP_TYPE_LADDER] = "ladder",     [SUP_TYPE_CGROUP] = "cgroup",
    [SUP_TYPE_HEALTH] = "health",     [SUP_TYPE_SOCKETS] = "sockets",
    [SUP_TYPE_COMMANDS] = "commands",
};

/* As people declare them; a oneshot and a timer are a process or a thread. */
enum { ONESHOT = SUP_KIND_COUNT, TIMER, WORD_COUNT };

static const char *const kind_words[WORD_COUNT + 1] = {[SUP_SUPERVISOR] = "supervisor",
                                                       [SUP_PROCESS] = "process",
                                                       [SUP_THREAD] = "thread",
                                                       [ONESHOT] = "oneshot",
                                                       [TIMER] = "timer"};

static const struct {
    const char *name;
    unsigned flag;
} flag_names[] = {
    {"child", SUP_OPT_CHILD},       {"exec", SUP_OPT_EXEC},
    {"infinity", SUP_OPT_INFINITY}, {"inherited", SUP_OPT_INHERITED},
    {"positive", SUP_OPT_POSITIVE}, {"process", SUP_OPT_PROCESS},
    {"oneshot", SUP_OPT_ONESHOT},   {"timer", SUP_OPT_TIMER},
    {"required", SUP_OPT_REQUIRED}, {"supervisor", SUP_OPT_SUPERVISOR},
    {"thread", SUP_OPT_THREAD},
};

/* --- the rows --------------------------------------------------------------------------------- */

static void set_string(lua_State *L, const char *field, const char *value)
{
    lua_pushstring(L, value); /* NULL pushes nil */
    lua_setfield(L, -2, field);
}

static void push_allowed(lua_State *L, const char *const *allowed)
{
    lua_newtable(L);
    for (int i = 0; allowed[i] != NULL; i++) {
        lua_pushstring(L, allowed[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_row(lua_State *L, const struct sup_option *option)
{
    lua_newtable(L);
    lua_pushinteger(L, option->id);
    lua_setfield(L, -2, "id");
    set_string(L, "name", option->name);
    set_string(L, "type", type_names[option->type]);
    set_string(L, "default", option->default_text);
    set_string(L, "doc", option->doc);
    set_string(L, "source", option->source);
    if (option->allowed != NULL) {
        push_allowed(L, option->allowed);
        lua_setfield(L, -2, "allowed");
    }
    lua_pushnumber(L, option->min);
    lua_setfield(L, -2, "min");
    lua_pushnumber(L, option->max);
    lua_setfield(L, -2, "max");
    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++) {
        lua_pushboolean(L, (option->flags & flag_names[i].flag) != 0);
        lua_setfield(L, -2, flag_names[i].name);
    }
}

static void push_rows(lua_State *L)
{
    lua_newtable(L);
    for (size_t i = 0; i < sup_option_count; i++) {
        if ((sup_options[i].flags & SUP_OPT_HIDDEN) != 0) continue;
        push_row(L, &sup_options[i]);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer) lua_rawlen(L, -3) + 1);
        lua_setfield(L, -2, sup_options[i].name);
    }
}

/* --- questions -------------------------------------------------------------------------------- */

static const struct sup_option *check_option(lua_State *L, int index)
{
    const char *name = luaL_checkstring(L, index);
    const struct sup_option *option = sup_option_find(name);
    if (option == NULL) luaL_argerror(L, index, "there is no such option");
    return option;
}

static int check_kind(lua_State *L, int index)
{
    return luaL_checkoption(L, index, NULL, kind_words);
}

/* What is expected to end is ready when it is done, and has nothing to do with these. */
static bool needs_readiness(uint16_t id)
{
    return id == SUP_OPTION_READY || id == SUP_OPTION_HEALTH || id == SUP_OPTION_WATCHDOG;
}

static int ask_applies(lua_State *L)
{
    const struct sup_option *option = check_option(L, 1);
    int kind = check_kind(L, 2);
    bool is_root = lua_toboolean(L, 3);
    unsigned role = kind == ONESHOT ? SUP_OPT_ONESHOT : kind == TIMER ? SUP_OPT_TIMER : 0;
    unsigned of_roles = option->flags & (SUP_OPT_ONESHOT | SUP_OPT_TIMER);
    bool applies;
    if (of_roles != 0 || (role != 0 && needs_readiness(option->id))) {
        applies = (of_roles & role) != 0;
    } else if (role != 0) {
        applies = sup_option_applies(option, SUP_PROCESS, is_root) ||
                  sup_option_applies(option, SUP_THREAD, is_root);
    } else {
        applies = sup_option_applies(option, (enum sup_kind) kind, is_root);
    }
    lua_pushboolean(L, applies);
    return 1;
}

/* The array of pointers lives in a userdata; the words stay in the table that is an argument. */
static int find_nearest(lua_State *L)
{
    const char *word = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Unsigned count = lua_rawlen(L, 2);
    luaL_argcheck(L, count <= MAX_WORDS, 2, "too many words");
    const char **words = lua_newuserdatauv(L, ((size_t) count + 1) * sizeof *words, 0);
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer) i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 2, "not only words");
        words[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_pushstring(L, sup_nearest(word, words, (size_t) count));
    return 1;
}

static int find_nearest_option(lua_State *L)
{
    const char *word = luaL_checkstring(L, 1);
    int kind = check_kind(L, 2);
    enum sup_kind like = kind >= ONESHOT ? SUP_PROCESS : (enum sup_kind) kind;
    lua_pushstring(L, sup_option_nearest(word, like, lua_toboolean(L, 3)));
    return 1;
}

static int check_value(lua_State *L)
{
    const struct sup_option *option = check_option(L, 1);
    size_t size;
    const char *bytes = luaL_checklstring(L, 2, &size);
    struct sup_spec spec = {0};
    struct sup_err err = {0};
    if (sup_option_decode(option, (const unsigned char *) bytes, size, &spec, &err) == 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, err.reason);
    lua_pushstring(L, err.hint);
    return 3;
}

/* --- parsers ---------------------------------------------------------------------------------- */

/* A string without zero bytes, or NULL: no parser knows what follows one. */
static const char *check_text(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    return strlen(text) == size ? text : NULL;
}

static int push_number_if(lua_State *L, bool is_good, lua_Integer number)
{
    if (is_good) lua_pushinteger(L, number);
    else lua_pushnil(L);
    return 1;
}

static int parse_duration(lua_State *L)
{
    const char *text = check_text(L);
    int64_t ns = 0;
    bool is_good = text != NULL && sup_parse_duration(text, &ns);
    return push_number_if(L, is_good, ns);
}

static int parse_seconds(lua_State *L)
{
    int64_t ns = 0;
    bool is_good = sup_seconds_to_ns(luaL_checknumber(L, 1), &ns);
    return push_number_if(L, is_good, ns);
}

static int parse_size(lua_State *L)
{
    const char *text = check_text(L);
    uint64_t bytes = 0;
    bool is_good = text != NULL && sup_parse_size(text, &bytes);
    return push_number_if(L, is_good, (lua_Integer) bytes);
}

static int parse_signal(lua_State *L)
{
    const char *text = check_text(L);
    int32_t signal = 0;
    bool is_good = text != NULL && sup_parse_signal(text, &signal);
    return push_number_if(L, is_good, signal);
}

static int signal_name(lua_State *L)
{
    char buf[32];
    lua_pushstring(L, sup_signal_name((int) luaL_checkinteger(L, 1), buf, sizeof buf));
    return 1;
}

static int duration_text(lua_State *L)
{
    char buf[64];
    lua_pushstring(L, sup_duration_text(luaL_checkinteger(L, 1), buf, sizeof buf));
    return 1;
}

static int ask_name_is_valid(lua_State *L)
{
    const char *text = check_text(L);
    lua_pushboolean(L, text != NULL && sup_name_is_valid(text));
    return 1;
}

static int limit_number(lua_State *L)
{
    int number = sup_limit_number(luaL_checkstring(L, 1));
    return push_number_if(L, number >= 0, number);
}

static int limit_names(lua_State *L)
{
    lua_newtable(L);
    for (uint32_t i = 0; sup_limit_name(i)[0] != '?'; i++) {
        lua_pushstring(L, sup_limit_name(i));
        lua_rawseti(L, -2, (lua_Integer) i + 1);
    }
    return 1;
}

/* --- cgroup ----------------------------------------------------------------------------------- */

static unsigned check_item(lua_State *L, int index)
{
    lua_Integer item = luaL_checkinteger(L, index);
    luaL_argcheck(L, item >= 0 && item < SUP_CGROUP_ITEMS, index, "there is no such item");
    return (unsigned) item;
}

static int cgroup_names(lua_State *L)
{
    lua_createtable(L, SUP_CGROUP_ITEMS, 0);
    for (unsigned item = 0; item < SUP_CGROUP_ITEMS; item++) {
        lua_pushstring(L, sup_cgroup_name(item));
        lua_rawseti(L, -2, (lua_Integer) item + 1);
    }
    return 1;
}

static int cgroup_item(lua_State *L)
{
    int item = sup_cgroup_number(luaL_checkstring(L, 1));
    return push_number_if(L, item >= 0, item);
}

/* cgroup_value(item, text or number) -> its number, or nil */
static int cgroup_value(lua_State *L)
{
    unsigned item = check_item(L, 1);
    uint64_t value = 0;
    bool is_good;
    if (lua_type(L, 2) == LUA_TNUMBER) {
        is_good = sup_cgroup_from_number(item, lua_tonumber(L, 2), &value);
    } else {
        size_t size;
        const char *text = luaL_checklstring(L, 2, &size);
        is_good = strlen(text) == size && sup_cgroup_parse(item, text, &value);
    }
    return push_number_if(L, is_good, (lua_Integer) value);
}

/* cgroup_fault(item, number) -> what is wrong with it, or nil */
static int cgroup_fault(lua_State *L)
{
    lua_pushstring(L, sup_cgroup_fault(check_item(L, 1), (uint64_t) luaL_checkinteger(L, 2)));
    return 1;
}

static int cgroup_hint(lua_State *L)
{
    lua_pushstring(L, sup_cgroup_hint(check_item(L, 1)));
    return 1;
}

/* The one way to write an address; or nil, what is wrong with it, and a hint. */
static int socket_address(lua_State *L)
{
    struct sup_socket_address address;
    char text[SUP_SOCKET_ADDRESS_ROOM];
    const char *hint;
    const char *fault = sup_socket_address_parse(luaL_checkstring(L, 1), &address, &hint);
    if (fault == NULL) {
        lua_pushstring(L, sup_socket_address_text(&address, text));
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, fault);
    lua_pushstring(L, hint);
    return 3;
}

int sup_options_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"applies", ask_applies},
        {"cgroup_fault", cgroup_fault},
        {"cgroup_hint", cgroup_hint},
        {"cgroup_item", cgroup_item},
        {"cgroup_names", cgroup_names},
        {"cgroup_value", cgroup_value},
        {"check", check_value},
        {"duration", parse_duration},
        {"duration_text", duration_text},
        {"limit", limit_number},
        {"limit_names", limit_names},
        {"name_is_valid", ask_name_is_valid},
        {"nearest", find_nearest},
        {"nearest_option", find_nearest_option},
        {"seconds", parse_seconds},
        {"signal", parse_signal},
        {"signal_name", signal_name},
        {"size", parse_size},
        {"socket_address", socket_address},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    push_rows(L);
    lua_setfield(L, -2, "rows");
    return 1;
}
