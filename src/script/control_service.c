/*
** script/control_service.c: one service and its process: a signal to it, and how it is started.
** Both are for those who may change something: an environment holds secrets.
*/
#include "script/control_inside.h"

#include "core/options.h"
#include "engine/said.h"
#include "script/enter.h"
#include "wire/plan.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SIGNAL 64

/* --- a signal --------------------------------------------------------------------------------- */

struct sending {
    sup_token node;
    int signal;
    int result; /* 0 or -errno */
};

static void send_signal(void *context, const struct sup_view *view)
{
    struct sending *sending = context;
    sending->result = sup_engine_signal(view, sending->node, sending->signal);
}

/* Push why it was not sent. */
static void push_refusal(lua_State *L, int error)
{
    switch (-error) {
    case ESRCH:
        lua_pushliteral(L, "not_running");
        return;
    case EOPNOTSUPP:
        lua_pushliteral(L, "invalid");
        return;
    case EMFILE:
        lua_pushliteral(L, "busy");
        return;
    default:
        lua_pushstring(L, strerror(-error));
    }
}

/* signal(token, number) -> true; or nil and why not: "not_running", "invalid": it is no process,
   "busy", or the system's words */
int sup_control_signal(lua_State *L)
{
    struct sending sending = {
        .node = (sup_token) luaL_checkinteger(L, 2),
        .signal = (int) luaL_checkinteger(L, 3),
    };
    luaL_argcheck(L, sending.signal > 0 && sending.signal <= MAX_SIGNAL, 3, "no signal");
    sup_engine_read(sup_control_of(L)->engine, send_signal, &sending);
    if (sending.result == 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    push_refusal(L, sending.result);
    return 2;
}

/* --- reading its settings again --------------------------------------------------------------- */

struct rereading {
    sup_token node;
    bool is_there, says, reloading;
    int signal;
    int64_t reloaded_ns;
    uint64_t instance;
};

static void look_at_rereading(void *context, const struct sup_view *view)
{
    struct rereading *it = context;
    struct sup_status status;
    const struct sup_spec *spec = sup_tree_spec(view->tree, it->node);
    const struct sup_said *said = sup_engine_said(view, it->node);
    if (spec == NULL || !sup_tree_status(view->tree, it->node, view->now_ns, &status)) return;
    it->is_there = spec->kind == SUP_PROCESS;
    it->signal = spec->reload_signal;
    it->says = spec->ready.kind == SUP_READY_NOTIFY;
    it->instance = status.instance;
    if (said == NULL) return;
    it->reloaded_ns = said->reloaded_ns;
    it->reloading = (said->flags & SUP_SAID_RELOADING) != 0;
}

/* rereads(token) -> its reload_signal (0: none), does it say how far it is, when it last began (a
   number that grows), is it at it, its instance; nil: it is no process, or not there */
int sup_control_rereads(lua_State *L)
{
    struct rereading it = {.node = (sup_token) luaL_checkinteger(L, 2)};
    sup_engine_read(sup_control_of(L)->engine, look_at_rereading, &it);
    if (!it.is_there) return 0;
    lua_pushinteger(L, it.signal);
    lua_pushboolean(L, it.says);
    lua_pushinteger(L, (lua_Integer) it.reloaded_ns);
    lua_pushboolean(L, it.reloading);
    lua_pushinteger(L, (lua_Integer) it.instance);
    return 5;
}

/* --- how it is started ------------------------------------------------------------------------ */

struct asking {
    sup_token node;
    int result;
    uint32_t generation;
    struct sup_plan_copy copy;
};

static void copy_plan(void *context, const struct sup_view *view)
{
    struct asking *asking = context;
    struct sup_status status;
    asking->result = sup_engine_plan(view, asking->node, &asking->copy);
    if (sup_tree_status(view->tree, asking->node, view->now_ns, &status))
        asking->generation = status.generation;
}

static void put_texts(struct sup_json *json, const char *key, const char *at, uint32_t count)
{
    sup_json_key(json, key);
    sup_json_begin_array(json);
    for (uint32_t i = 0; i < count; i++, at += strlen(at) + 1) sup_json_string(json, at);
    sup_json_end_array(json);
}

static bool has_key(const char *at, uint32_t count, const char *entry)
{
    size_t size = strcspn(entry, "=") + 1;
    for (uint32_t i = 0; i < count; i++, at += strlen(at) + 1)
        if (strncmp(at, entry, size) == 0) return true;
    return false;
}

/* As the keeper lays it out: the record's own entries win. */
static void put_env(struct sup_json *json, const struct asking *asking, const struct sup_plan *plan)
{
    char generation[40];
    const struct sup_plan_set *set = (const void *) asking->copy.bytes;
    const char *own = sup_plan_text(set, plan->env), *shared = sup_plan_text(set, set->env);
    bool inherits = (plan->flags & SUP_PLAN_SHARED_ENV) != 0 && shared != NULL;
    sup_json_key(json, "env");
    sup_json_begin_array(json);
    for (uint32_t i = 0; inherits && i < set->env_count; i++, shared += strlen(shared) + 1)
        if (!has_key(own, plan->env_count, shared)) sup_json_string(json, shared);
    for (uint32_t i = 0; i < plan->env_count; i++, own += strlen(own) + 1)
        sup_json_string(json, own);
    snprintf(generation, sizeof generation, "SUPTREE_GENERATION=%u", asking->generation);
    sup_json_string(json, generation);
    sup_json_end_array(json);
}

static void put_groups(struct sup_json *json, const unsigned char *bytes,
                       const struct sup_plan *plan)
{
    if ((plan->flags & SUP_PLAN_GROUPS) == 0) return;
    sup_json_key(json, "groups");
    sup_json_begin_array(json);
    for (uint32_t i = 0; i < plan->group_count; i++) {
        uint32_t group;
        memcpy(&group, bytes + plan->groups + i * sizeof group, sizeof group);
        sup_json_integer(json, group);
    }
    sup_json_end_array(json);
}

static void put_limit(struct sup_json *json, uint64_t value)
{
    if (value == UINT64_MAX) sup_json_string(json, "infinity");
    else sup_json_unsigned(json, value);
}

static void put_limits(struct sup_json *json, const unsigned char *bytes,
                       const struct sup_plan *plan)
{
    if (plan->limit_count == 0) return;
    sup_json_key(json, "limits");
    sup_json_begin_object(json);
    for (uint32_t i = 0; i < plan->limit_count; i++) {
        struct sup_plan_limit limit;
        memcpy(&limit, bytes + plan->limits + i * sizeof limit, sizeof limit);
        const char *name = sup_enter_limit_name((int) limit.resource);
        if (name == NULL) continue;
        sup_json_key(json, name);
        sup_json_begin_array(json);
        put_limit(json, limit.soft);
        put_limit(json, limit.hard);
        sup_json_end_array(json);
    }
    sup_json_end_object(json);
}

static void put_plan(struct sup_json *json, const struct asking *asking,
                     const struct sup_plan *plan)
{
    const unsigned char *bytes = asking->copy.bytes;
    sup_json_begin_object(json);
    put_texts(json, "argv", sup_plan_text(bytes, plan->args), plan->arg_count);
    put_env(json, asking, plan);
    if (plan->cwd != 0) sup_json_put_string(json, "cwd", sup_plan_text(bytes, plan->cwd));
    if (plan->uid != SUP_PLAN_KEEP) sup_json_put_integer(json, "uid", plan->uid);
    if (plan->gid != SUP_PLAN_KEEP) sup_json_put_integer(json, "gid", plan->gid);
    if (plan->umask != SUP_PLAN_KEEP) sup_json_put_integer(json, "umask", plan->umask);
    if (plan->nice != SUP_PLAN_KEEP_INTEGER) sup_json_put_integer(json, "nice", plan->nice);
    if (plan->oom_score != SUP_PLAN_KEEP_INTEGER)
        sup_json_put_integer(json, "oom_score", plan->oom_score);
    if ((plan->flags & SUP_PLAN_NO_NEW_PRIVS) != 0) sup_json_put_bool(json, "no_new_privs", true);
    put_groups(json, bytes, plan);
    put_limits(json, bytes, plan);
    sup_json_end_object(json);
}

static int free_copy(lua_State *L)
{
    struct asking *asking = lua_touserdata(L, 1);
    free(asking->copy.bytes);
    asking->copy.bytes = NULL;
    return 0;
}

static struct asking *push_asking(lua_State *L, sup_token node)
{
    struct asking *asking = lua_newuserdatauv(L, sizeof *asking, 0);
    *asking = (struct asking){.node = node};
    if (luaL_newmetatable(L, "suptree.control.asking")) {
        lua_pushcfunction(L, free_copy);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return asking;
}

/* environment(token) -> JSON; or nil and why not: "not_found", "invalid": it is no process,
   "limit" */
int sup_control_environment(lua_State *L)
{
    struct asking *asking = push_asking(L, (sup_token) luaL_checkinteger(L, 2));
    struct sup_json *json = sup_control_push_json(L);
    sup_engine_read(sup_control_of(L)->engine, copy_plan, asking);
    const struct sup_plan_copy *copy = &asking->copy;
    const struct sup_plan *plan = NULL;
    if (asking->result == 0 && sup_plan_set_is_valid(copy->bytes, copy->size))
        plan = sup_plan_at(copy->bytes, copy->size, copy->offset);
    if (plan == NULL) {
        lua_pushnil(L);
        lua_pushstring(L, asking->result == -EOPNOTSUPP ? "invalid"
                          : asking->result == -ENOENT   ? "not_found"
                                                        : "limit");
        return 2;
    }
    put_plan(json, asking, plan);
    sup_control_finish_json(L);
    return 1;
}
