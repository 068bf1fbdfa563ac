/*
** script/form.c: the binding of core/form.h: tables become a checked blob, a blob becomes a
** summary.
*/
#include "script/form.h"

#include "base/hash.h"
#include "core/form.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define WRITER_TYPE "suptree.form.writer"

static int push_refusal(lua_State *L, const struct sup_err *err)
{
    lua_pushnil(L);
    lua_pushstring(L, err->place);
    lua_pushstring(L, err->reason);
    lua_pushstring(L, err->hint);
    return 4;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What encode() owns until its string is made. */
struct work {
    struct sup_form_writer writer;
    unsigned char *bytes;
};

static int close_work(lua_State *L)
{
    struct work *work = luaL_checkudata(L, 1, WRITER_TYPE);
    free(work->writer.bytes);
    free(work->bytes);
    *work = (struct work){.bytes = NULL};
    return 0;
}

static struct work *push_work(lua_State *L)
{
    struct work *work = lua_newuserdatauv(L, sizeof *work, 0);
    *work = (struct work){.bytes = NULL};
    if (luaL_newmetatable(L, WRITER_TYPE)) {
        lua_pushcfunction(L, close_work);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "__gc");
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return work;
}

/* The string in field ${name} of the table at the top. It stays there, so the pointer lives on. */
static const char *text_field(lua_State *L, const char *name)
{
    size_t size;
    lua_getfield(L, -1, name);
    bool is_text = lua_type(L, -1) == LUA_TSTRING;
    const char *text = is_text ? lua_tolstring(L, -1, &size) : NULL;
    if (text == NULL || strlen(text) != size) luaL_error(L, "a node without a proper %s", name);
    lua_pop(L, 1);
    return text;
}

static lua_Integer number_field(lua_State *L, const char *name, lua_Integer max)
{
    int is_number;
    lua_getfield(L, -1, name);
    lua_Integer number = lua_tointegerx(L, -1, &is_number);
    if (!is_number || number < 0 || number > max) luaL_error(L, "a node without a proper %s", name);
    lua_pop(L, 1);
    return number;
}

/* The option { id, bytes } is at the top. */
static void add_option(lua_State *L, struct sup_form_writer *writer)
{
    size_t size;
    lua_geti(L, -1, 1);
    lua_geti(L, -2, 2);
    lua_Integer id = luaL_checkinteger(L, -2);
    const char *bytes = luaL_checklstring(L, -1, &size);
    if (id < 1 || id > UINT16_MAX) luaL_error(L, "an option without a proper id");
    sup_form_add(writer, (uint16_t) id, bytes, size);
    lua_pop(L, 2);
}

/* The node is at the top. */
static void add_node(lua_State *L, struct sup_form_writer *writer)
{
    enum sup_kind kind = (enum sup_kind) number_field(L, "kind", SUP_KIND_COUNT - 1);
    uint32_t children = (uint32_t) number_field(L, "children", SUP_FORM_MAX_NODES);
    const char *name = text_field(L, "name");
    const char *place = text_field(L, "place");
    sup_form_begin(writer, kind, name, place, children);
    lua_getfield(L, -1, "options");
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_Integer count = luaL_len(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, -1, i);
        luaL_checktype(L, -1, LUA_TTABLE);
        add_option(L, writer);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    sup_form_end(writer);
}

static int encode(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = luaL_len(L, 1);
    struct work *work = push_work(L);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, 1, i);
        luaL_checktype(L, -1, LUA_TTABLE);
        add_node(L, &work->writer);
        lua_pop(L, 1);
    }
    size_t size;
    work->bytes = sup_form_finish(&work->writer, &size);
    if (work->bytes == NULL) return luaL_error(L, "no memory for the compiled configuration");

    struct sup_err err = {0};
    struct sup_form *form = sup_form_create(work->bytes, size, &err);
    if (form == NULL) return push_refusal(L, &err);
    sup_form_unref(form);
    lua_pushlstring(L, (const char *) work->bytes, size);
    return 1;
}

/* --- looking ---------------------------------------------------------------------------------- */

struct summary {
    char name[132];
    lua_Integer counts[SUP_KIND_COUNT];
    uint32_t control_group; /* SUP_NO_ID: none */
};

static void count_nodes(const struct sup_form *form, struct summary *summary)
{
    const struct sup_form_node *node = sup_form_root(form);
    const struct sup_form_node *end = sup_form_skip(node);
    struct sup_spec root;
    strncpy(summary->name, sup_form_name(node), sizeof summary->name - 1);
    sup_form_decode(node, NULL, &root);
    summary->control_group = root.control_group;
    while (node < end) {
        summary->counts[node->kind]++;
        const struct sup_form_node *child = sup_form_first_child(node);
        node = child != NULL ? child : sup_form_skip(node);
    }
}

static int summarize(lua_State *L)
{
    size_t size;
    const char *blob = luaL_checklstring(L, 1, &size);
    struct sup_err err = {0};
    struct summary summary = {.name = ""};
    struct sup_form *form = sup_form_create(blob, size, &err);
    if (form == NULL) return push_refusal(L, &err);
    count_nodes(form, &summary);
    sup_form_unref(form);

    static const char *const names[SUP_KIND_COUNT] = {
        [SUP_SUPERVISOR] = "supervisors", [SUP_PROCESS] = "processes", [SUP_THREAD] = "threads"};
    lua_createtable(L, 0, SUP_KIND_COUNT + 1);
    lua_pushstring(L, summary.name);
    lua_setfield(L, -2, "name");
    for (int kind = 0; kind < SUP_KIND_COUNT; kind++) {
        lua_pushinteger(L, summary.counts[kind]);
        lua_setfield(L, -2, names[kind]);
    }
    if (summary.control_group == SUP_NO_ID) return 1;
    lua_pushinteger(L, summary.control_group);
    lua_setfield(L, -2, "control_group");
    return 1;
}

static int hash_bytes(lua_State *L)
{
    size_t size;
    const char *bytes = luaL_checklstring(L, 1, &size);
    lua_pushinteger(L, (lua_Integer) sup_hash(bytes, size));
    return 1;
}

int sup_form_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"encode", encode},
        {"hash", hash_bytes},
        {"summary", summarize},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
