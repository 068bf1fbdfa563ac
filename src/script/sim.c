/*
** script/sim.c: the binding of the pure core: a userdata around struct sup_tree. It knows nothing
** of clocks, queues or services: that is lua/suptree/sim.lua and sim/world.lua.
*/
#include "script/sim.h"

#include "base/calendar.h"
#include "base/json.h"
#include "core/journal.h"
#include "core/options.h"
#include "core/plan.h"
#include "core/tree.h"
#include "script/core_tables.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define TREE_TYPE "suptree.core.tree"
#define PLAN_TYPE "suptree.core.plan"
#define PATH_SIZE 2048
#define MAX_CAUSES 64
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct box {
    struct sup_tree *tree; /* NULL once closed */
};

static struct sup_tree *check_tree(lua_State *L)
{
    struct box *box = luaL_checkudata(L, 1, TREE_TYPE);
    luaL_argcheck(L, box->tree != NULL, 1, "the tree has been closed");
    return box->tree;
}

static sup_token check_token(lua_State *L, int index)
{
    return (sup_token) luaL_checkinteger(L, index);
}

static int push_error(lua_State *L, const struct sup_err *err)
{
    char text[sizeof *err + 8];
    lua_pushnil(L);
    lua_pushstring(L, sup_err_text(err, text, sizeof text));
    return 2;
}

/* --- making and closing ----------------------------------------------------------------------- */

/* The box comes first, so that the tree has an owner before anything can raise. */
static struct box *push_box(lua_State *L)
{
    struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->tree = NULL;
    luaL_setmetatable(L, TREE_TYPE);
    return box;
}

static int create_tree(lua_State *L)
{
    size_t size;
    const char *blob = luaL_checklstring(L, 1, &size);
    uint64_t seed = (uint64_t) luaL_checkinteger(L, 2);
    struct sup_err err = {0};
    struct box *box = push_box(L);
    box->tree = sup_tree_create(blob, size, seed, &err);
    return box->tree != NULL ? 1 : push_error(L, &err);
}

static int restore_tree(lua_State *L)
{
    size_t size;
    const char *bytes = luaL_checklstring(L, 1, &size);
    struct sup_err err = {0};
    struct box *box = push_box(L);
    box->tree = sup_tree_restore(bytes, size, &err);
    return box->tree != NULL ? 1 : push_error(L, &err);
}

static int close_tree(lua_State *L)
{
    struct box *box = luaL_checkudata(L, 1, TREE_TYPE);
    sup_tree_destroy(box->tree);
    box->tree = NULL;
    return 0;
}

/* Frees malloc'ed bytes when a push raises: to be closed by lua_toclose. */
static int free_bytes(lua_State *L)
{
    void **bytes = lua_touserdata(L, 1);
    free(*bytes);
    *bytes = NULL;
    return 0;
}

static int save_tree(lua_State *L)
{
    struct sup_tree *tree = check_tree(L);
    size_t size = 0;
    void **bytes = lua_newuserdatauv(L, sizeof *bytes, 0);
    *bytes = NULL;
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, free_bytes);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    *bytes = sup_tree_save(tree, &size);
    if (*bytes == NULL) return luaL_error(L, "no memory to save the tree");
    lua_pushlstring(L, *bytes, size);
    free(*bytes);
    *bytes = NULL;
    return 1;
}

/* --- applying --------------------------------------------------------------------------------- */

static int apply_input(lua_State *L)
{
    struct sup_tree *tree = check_tree(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    int64_t now_ns = luaL_checkinteger(L, 3);
    struct sup_input input;
    sup_core_read_input(L, 2, &input);
    sup_tree_apply(tree, &input, now_ns);
    struct sup_effect effect;
    lua_Integer count = 0;
    lua_createtable(L, 8, 0);
    while (sup_tree_next_effect(tree, &effect)) {
        sup_core_push_effect(L, tree, &effect);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* --- replaying -------------------------------------------------------------------------------- */

/* A copy that is aligned as the journal's form needs it, owned by Lua and left on the stack. */
static const void *push_copy(lua_State *L, const char *bytes, size_t size)
{
    void *copy = lua_newuserdatauv(L, size, 0);
    memcpy(copy, bytes, size);
    return copy;
}

/* Appends the events of the last input to the table on top. */
static void take_events(lua_State *L, struct sup_tree *tree)
{
    struct sup_effect effect;
    while (sup_tree_next_effect(tree, &effect)) {
        if (effect.type != SUP_DO_EVENT) continue;
        sup_core_push_event(L, tree, &effect);
        lua_rawseti(L, -2, (lua_Integer) lua_rawlen(L, -2) + 1);
    }
}

/* The reason alone: what to do about it, the caller knows better than the core. */
static int refuse_journal(lua_State *L, const char *reason)
{
    lua_pushnil(L);
    lua_pushstring(L, reason);
    return 2;
}

/* replay(journal) -> tree, { events, inputs, first_ns, last_ns }; or nil and what is wrong with it.
   What was left of effects in the snapshot belongs to no input and is dropped. */
static int replay_journal(lua_State *L)
{
    size_t size;
    const char *bytes = luaL_checklstring(L, 1, &size);
    struct sup_err err = {0};
    const void *memory = push_copy(L, bytes, size);
    if (!sup_journal_check(memory, size, &err)) return refuse_journal(L, err.reason);
    const struct sup_journal_header *header = memory;
    struct box *box = push_box(L);
    box->tree = sup_tree_restore(header + 1, header->snapshot_size, &err);
    if (box->tree == NULL) return refuse_journal(L, err.reason);

    uint64_t cursor = 0;
    struct sup_input input;
    int64_t now_ns = 0;
    int64_t first_ns = 0;
    lua_Integer inputs = 0;
    bool broken;
    lua_createtable(L, 0, 4);
    lua_newtable(L);
    while (sup_journal_read(memory, size, &cursor, &input, &now_ns, &broken)) {
        if (inputs++ == 0) first_ns = now_ns;
        sup_tree_apply(box->tree, &input, now_ns);
        take_events(L, box->tree);
    }
    if (broken) return refuse_journal(L, "is damaged: a record of it is broken");
    lua_setfield(L, -2, "events");
    lua_pushinteger(L, inputs);
    lua_setfield(L, -2, "inputs");
    lua_pushinteger(L, first_ns);
    lua_setfield(L, -2, "first_ns");
    lua_pushinteger(L, now_ns);
    lua_setfield(L, -2, "last_ns");
    return 2;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int next_deadline(lua_State *L)
{
    int64_t deadline_ns = sup_tree_deadline(check_tree(L));
    return sup_core_push_integer_if(L, deadline_ns != SUP_INFINITY_NS, deadline_ns);
}

static int find_node(lua_State *L)
{
    return sup_core_push_token(L, sup_tree_find(check_tree(L), luaL_checkstring(L, 2)));
}

static int next_node(lua_State *L)
{
    return sup_core_push_token(L,
                               sup_tree_next(check_tree(L), (sup_token) luaL_optinteger(L, 2, 0)));
}

static int root_node(lua_State *L)
{
    return sup_core_push_token(L, sup_tree_root(check_tree(L)));
}

static int node_path(lua_State *L)
{
    char buf[PATH_SIZE];
    const char *path = sup_tree_path(check_tree(L), check_token(L, 2), buf, sizeof buf);
    lua_pushstring(L, path[0] == '\0' ? NULL : path);
    return 1;
}

static int node_status(lua_State *L)
{
    struct sup_tree *tree = check_tree(L);
    struct sup_status status;
    bool is_there = sup_tree_status(tree, check_token(L, 2), luaL_checkinteger(L, 3), &status);
    if (is_there) {
        sup_core_push_status(L, tree, &status);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static int node_because(lua_State *L)
{
    struct sup_tree *tree = check_tree(L);
    struct sup_because causes[MAX_CAUSES];
    size_t count = sup_tree_because(tree, check_token(L, 2), causes, MAX_CAUSES);
    lua_createtable(L, (int) count, 0);
    for (size_t i = 0; i < count; i++) {
        sup_core_push_because(L, tree, &causes[i]);
        lua_rawseti(L, -2, (lua_Integer) i + 1);
    }
    return 1;
}

static int node_spec(lua_State *L)
{
    const struct sup_spec *spec = sup_tree_spec(check_tree(L), check_token(L, 2));
    if (spec != NULL) {
        sup_core_push_spec(L, spec);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static int node_stop_rank(lua_State *L)
{
    lua_pushinteger(L, sup_tree_stop_rank(check_tree(L), check_token(L, 2)));
    return 1;
}

static int tree_ended(lua_State *L)
{
    int code = 0;
    bool has_ended = sup_tree_has_ended(check_tree(L), &code);
    return sup_core_push_integer_if(L, has_ended, code);
}

/* --- words and numbers ------------------------------------------------------------------------ */

static int parse_duration(lua_State *L)
{
    int64_t ns = 0;
    bool valid = lua_type(L, 1) == LUA_TNUMBER
                     ? sup_seconds_to_ns(lua_tonumber(L, 1), &ns)
                     : lua_type(L, 1) == LUA_TSTRING && sup_parse_duration(lua_tostring(L, 1), &ns);
    return sup_core_push_integer_if(L, valid, ns);
}

static int duration_text(lua_State *L)
{
    char buf[64];
    lua_pushstring(L, sup_duration_text(luaL_checkinteger(L, 1), buf, sizeof buf));
    return 1;
}

static int parse_signal(lua_State *L)
{
    int32_t number = 0;
    bool is_known = sup_parse_signal(luaL_checkstring(L, 1), &number);
    return sup_core_push_integer_if(L, is_known, number);
}

/* What a start can fail of. */
static int find_errno(lua_State *L)
{
    static const struct {
        const char *name;
        int code;
    } errors[] = {
        {"E2BIG", E2BIG},     {"EACCES", EACCES}, {"EAGAIN", EAGAIN},
        {"EIO", EIO},         {"ELOOP", ELOOP},   {"EMFILE", EMFILE},
        {"ENFILE", ENFILE},   {"ENOENT", ENOENT}, {"ENAMETOOLONG", ENAMETOOLONG},
        {"ENOMEM", ENOMEM},   {"EPERM", EPERM},   {"ENOEXEC", ENOEXEC},
        {"EINVAL", EINVAL},   {"EISDIR", EISDIR}, {"ENOTDIR", ENOTDIR},
        {"ETXTBSY", ETXTBSY},
    };
    const char *name = luaL_checkstring(L, 1);
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        if (strcmp(errors[i].name, name) != 0) continue;
        lua_pushinteger(L, errors[i].code);
        lua_pushstring(L, strerrordesc_np(errors[i].code));
        return 2;
    }
    lua_pushnil(L);
    return 1;
}

/* --- the plan of a reload --------------------------------------------------------------------- */

/* What a plan needs, owned by Lua so that a push may raise. */
struct plan {
    struct sup_form *form;
    struct sup_changes changes;
    struct sup_json json;
};

static int close_plan(lua_State *L)
{
    struct plan *plan = lua_touserdata(L, 1);
    sup_changes_finish(&plan->changes);
    sup_json_finish(&plan->json);
    sup_form_unref(plan->form);
    memset(plan, 0, sizeof *plan);
    return 0;
}

static struct plan *push_plan(lua_State *L)
{
    struct plan *plan = lua_newuserdatauv(L, sizeof *plan, 0);
    memset(plan, 0, sizeof *plan);
    if (luaL_newmetatable(L, PLAN_TYPE)) {
        lua_pushcfunction(L, close_plan);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, close_plan);
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return plan;
}

/* The plan of the blob at index 2, pushed; NULL: ${err}. */
static struct plan *make_plan(lua_State *L, struct sup_tree *tree, struct sup_err *err)
{
    size_t size;
    const char *blob = luaL_checklstring(L, 2, &size);
    struct plan *plan = push_plan(L);
    plan->form = sup_form_create(blob, size, err);
    if (plan->form == NULL) return NULL;
    int result = sup_plan_make(tree, plan->form, SUP_PLAN_FORTH, &plan->changes, err);
    return result < 0 ? NULL : plan;
}

static int plan_reload(lua_State *L)
{
    struct sup_tree *tree = check_tree(L);
    struct sup_err err = {0};
    struct plan *plan = make_plan(L, tree, &err);
    if (plan == NULL) return push_error(L, &err);
    lua_createtable(L, (int) plan->changes.count, 0);
    for (size_t i = 0; i < plan->changes.count; i++) {
        sup_core_push_change(L, tree, &plan->changes.list[i]);
        lua_rawseti(L, -2, (lua_Integer) i + 1);
    }
    return 1;
}

/* plan_json(blob, values) -> the plan as the control protocol tells it */
static int plan_as_json(lua_State *L)
{
    static const char *const names[] = {"hide_env", "hide_secrets", "show_all", NULL};
    struct sup_tree *tree = check_tree(L);
    int values = luaL_checkoption(L, 3, "hide_secrets", names);
    struct sup_err err = {0};
    struct plan *plan = make_plan(L, tree, &err);
    if (plan == NULL) return push_error(L, &err);
    sup_json_finish(&plan->json);
    sup_json_init_growing(&plan->json, (size_t) 64 << 20);
    sup_json_begin_object(&plan->json);
    sup_plan_write(&plan->json, tree, &plan->changes, (enum sup_plan_values) values, NULL, 0);
    sup_json_end_object(&plan->json);
    const char *text = sup_json_text(&plan->json);
    if (text == NULL) return luaL_error(L, "there is no memory for the plan");
    lua_pushlstring(L, text, plan->json.size);
    return 1;
}

/* calendar_next(at, after_s) -> the Unix time that comes next, in UTC; nil: none does */
static int calendar_next(lua_State *L)
{
    struct sup_calendar calendar;
    const char *fault = sup_calendar_parse(luaL_checkstring(L, 1), &calendar);
    luaL_argcheck(L, fault == NULL, 1, fault);
    int64_t next_s = sup_calendar_next(&calendar, &sup_zone_utc, luaL_checkinteger(L, 2));
    return sup_core_push_integer_if(L, next_s != SUP_CALENDAR_NEVER, next_s);
}

static const luaL_Reg methods[] = {
    {"apply", apply_input},        {"because", node_because},
    {"close", close_tree},         {"deadline", next_deadline},
    {"ended", tree_ended},         {"find", find_node},
    {"next", next_node},           {"path", node_path},
    {"root", root_node},           {"save", save_tree},
    {"spec", node_spec},           {"status", node_status},
    {"plan", plan_reload},         {"plan_json", plan_as_json},
    {"stop_rank", node_stop_rank}, {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"calendar_next", calendar_next}, {"create", create_tree},  {"duration", parse_duration},
    {"duration_text", duration_text}, {"errno", find_errno},    {"replay", replay_journal},
    {"restore", restore_tree},        {"signal", parse_signal}, {NULL, NULL},
};

int sup_sim_open(lua_State *L)
{
    luaL_newmetatable(L, TREE_TYPE);
    lua_pushcfunction(L, close_tree);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, close_tree);
    lua_setfield(L, -2, "__close");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_pushinteger(L, SUP_INFINITY_NS);
    lua_setfield(L, -2, "infinity");
    return 1;
}
