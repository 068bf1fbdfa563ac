/*
** script/control_node.c: a node as the JSON object of the protocol. Must not know who asks.
*/
#include "script/control_inside.h"

#include "core/cgroup.h"
#include "core/event.h"
#include "core/options.h"
#include "core/socket.h"
#include "engine/said.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define JSON_TYPE "suptree.control.json"
#define JSON_LIMIT ((size_t) 64 << 20)
#define NS_PER_MS 1e6
#define SCHEDULE_ROOM 256

/* --- values ----------------------------------------------------------------------------------- */

/* Seconds, in whole milliseconds. */
static double seconds(int64_t ns)
{
    return round((double) ns / NS_PER_MS) / 1000;
}

/* 64 bits do not survive JSON's numbers everywhere. */
static void put_decimal(struct sup_json *json, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    sup_json_put_string(json, key, text);
}

static void put_path(struct sup_json *json, const char *key, const struct sup_view *view,
                     sup_token node)
{
    char path[SUP_CONTROL_PATH];
    sup_json_put_string(json, key, sup_tree_path(view->tree, node, path, sizeof path));
}

/* In how long: only what is still to come. */
static void put_due(struct sup_json *json, const char *key, const struct sup_view *view,
                    int64_t at_ns)
{
    if (at_ns == 0 || at_ns == SUP_INFINITY_NS) return;
    sup_json_put_number(json, key, at_ns > view->now_ns ? seconds(at_ns - view->now_ns) : 0);
}

/* As Unix time, in whole milliseconds. */
static void put_time(struct sup_json *json, const char *key, const struct sup_view *view,
                     int64_t at_ns)
{
    sup_json_put_number(json, key, round(sup_engine_unix_time(view, at_ns) * 1000) / 1000);
}

/* --- parts of a node -------------------------------------------------------------------------- */

static const char *const reasons[] = {
    [SUP_END_EXIT] = "exit",
    [SUP_END_SIGNAL] = "signal",
    [SUP_END_RETURNED] = "returned",
    [SUP_END_ERROR] = "error",
    [SUP_END_DONE] = "done",
    [SUP_END_TERMINATE] = "terminate",
    [SUP_END_LOST] = "lost",
    [SUP_END_LIMIT] = "limit",
    [SUP_END_SHUTDOWN] = "shutdown",
    [SUP_END_STOPPED] = "stopped",
    [SUP_END_NO_LAUNCH] = "no_launch",
    [SUP_END_NOT_READY] = "not_ready",
    [SUP_END_WATCHDOG] = "watchdog",
    [SUP_END_UNHEALTHY] = "unhealthy",
    [SUP_END_OOM] = "oom",
};

static void put_last(struct sup_json *json, const struct sup_view *view,
                     const struct sup_status *status)
{
    char text[512];
    struct sup_outcome outcome = status->last_outcome;
    if (outcome.kind == SUP_END_NONE || (size_t) outcome.kind >= sizeof reasons / sizeof *reasons)
        return;
    sup_json_key(json, "last");
    sup_json_begin_object(json);
    sup_json_put_string(json, "reason", reasons[outcome.kind]);
    if (outcome.kind == SUP_END_EXIT) sup_json_put_integer(json, "code", outcome.code);
    if (outcome.kind == SUP_END_SIGNAL || outcome.kind == SUP_END_OOM)
        sup_json_put_string(json, "signal", sup_signal_name(outcome.code, text, sizeof text));
    sup_json_put_string(json, "text",
                        sup_outcome_text(outcome, status->last_text, text, sizeof text));
    if (status->ended_ns != 0 && status->kind != SUP_SUPERVISOR) {
        put_time(json, "at", view, status->ended_ns);
        sup_json_put_number(json, "duration", seconds(status->ended_ns - status->began_ns));
    }
    sup_json_end_object(json);
}

static void put_after(struct sup_json *json, const struct sup_strings *after)
{
    const char *name = after->first;
    if (after->count == 0) return;
    sup_json_key(json, "after");
    sup_json_begin_array(json);
    for (uint32_t i = 0; i < after->count; i++, name = sup_strings_next(name))
        sup_json_string(json, name);
    sup_json_end_array(json);
}

static void put_sockets(struct sup_json *json, const struct sup_bytes *sockets)
{
    struct sup_socket socket;
    if (sockets->size == 0) return;
    sup_json_key(json, "sockets");
    sup_json_begin_array(json);
    for (uint32_t at = 0; sup_sockets_next(sockets, &at, &socket);) {
        sup_json_begin_object(json);
        sup_json_put_string(json, "name", socket.name);
        sup_json_put_string(json, "address", socket.address);
        sup_json_end_object(json);
    }
    sup_json_end_array(json);
}

static int depth_of(const char *path)
{
    int depth = path[0] == '.' && path[1] == '\0' ? 0 : 1;
    for (; *path != '\0'; path++) depth += *path == '/';
    return depth;
}

static void put_identity(struct sup_json *json, const struct sup_view *view,
                         const struct sup_status *status, const struct sup_spec *spec)
{
    char path[SUP_CONTROL_PATH];
    sup_tree_path(view->tree, status->node, path, sizeof path);
    sup_json_put_string(json, "path", path);
    sup_json_put_string(json, "name", status->name);
    sup_json_put_string(json, "kind", sup_kind_word(status->kind, status->role));
    sup_json_put_integer(json, "depth", depth_of(path));
    if (spec != NULL && spec->description != NULL && spec->description[0] != '\0')
        sup_json_put_string(json, "description", spec->description);
    put_decimal(json, "token", status->node);
    char group[SUP_CONTROL_PATH];
    if (sup_control_group(view, status->node, path, group, sizeof group) == NULL) return;
    sup_json_put_string(json, "replica_of", group);
    sup_json_put_integer(json, "replica", spec->replica);
}

static void put_state(struct sup_json *json, const struct sup_view *view,
                      const struct sup_status *status)
{
    sup_json_put_string(json, "state", sup_state_name(status->state));
    sup_json_put_bool(json, "ready", status->ready);
    sup_json_put_bool(json, "wanted", status->wanted);
    sup_json_put_bool(json, "held", status->held);
    if (status->leaving) sup_json_put_bool(json, "leaving", true);
    if (status->since_ns > 0) /* else: since ever */
        sup_json_put_number(json, "since", seconds(view->now_ns - status->since_ns));
    sup_json_put_string(json, "cause", sup_cause_name(status->cause));
    if (status->cause_node != 0) put_path(json, "for", view, status->cause_node);
    put_due(json, "next_in", view, status->next_ns);
    put_due(json, "resumes_in", view, status->resumes_ns);
}

/* Limits that were declared and do not hold. */
static void put_limits_off(struct sup_json *json, const struct sup_view *view, sup_token node)
{
    char text[768];
    uint32_t off = sup_engine_limits_off(view, node, text, sizeof text);
    if (off == 0) return;
    sup_json_key(json, "limits_off");
    sup_json_begin_array(json);
    for (unsigned item = 0; item < SUP_CGROUP_ITEMS; item++)
        if ((off >> item & 1) != 0) sup_json_string(json, sup_cgroup_name(item));
    sup_json_end_array(json);
    sup_json_put_string(json, "limits_text", text);
}

/* What it says of itself. */
static void put_said(struct sup_json *json, const struct sup_view *view, sup_token node)
{
    const struct sup_said *said = sup_engine_said(view, node);
    if (said == NULL) return;
    if (said->text[0] != '\0') sup_json_put_string(json, "status_text", said->text);
    if ((said->flags & SUP_SAID_STOPPING) != 0) sup_json_put_bool(json, "says_stopping", true);
    if ((said->flags & SUP_SAID_RELOADING) != 0) sup_json_put_bool(json, "says_reloading", true);
    if (said->strangers > 0) sup_json_put_integer(json, "strangers", said->strangers);
}

static void put_run(struct sup_json *json, const struct sup_view *view,
                    const struct sup_status *status)
{
    int32_t pid = sup_engine_pid(view, status->node);
    int64_t launched_ns = sup_engine_launched_ns(view, status->node);
    if (pid > 0) sup_json_put_integer(json, "pid", pid);
    sup_json_put_integer(json, "generation", status->generation);
    if (status->instance != 0) put_decimal(json, "instance", status->instance);
    sup_json_put_integer(json, "restarts", status->restarts);
    if (launched_ns != 0) sup_json_put_number(json, "uptime", seconds(view->now_ns - launched_ns));
    put_said(json, view, status->node);
    put_last(json, view, status);
    put_limits_off(json, view, status->node);
}

static void put_health(struct sup_json *json, const struct sup_view *view, sup_token node)
{
    struct sup_health_view health;
    char text[SUP_CONTROL_PATH];
    if (sup_engine_awaits(view, node, text, sizeof text)) sup_json_put_string(json, "awaits", text);
    if (!sup_engine_health(view, node, &health) || !health.known) return;
    sup_json_key(json, "health");
    sup_json_begin_object(json);
    sup_json_put_bool(json, "well", health.well);
    sup_json_put_number(json, "since", seconds(view->now_ns - health.since_ns));
    sup_json_put_number(json, "looked", seconds(view->now_ns - health.at_ns));
    if (!health.well) sup_json_put_integer(json, "failures", health.failures);
    if (!health.well) sup_json_put_string(json, "reason", health.text);
    sup_json_end_object(json);
}

static void put_schedule(struct sup_json *json, const struct sup_view *view,
                         const struct sup_status *status, const struct sup_spec *spec)
{
    char every[32], text[SCHEDULE_ROOM];
    if (spec->at != NULL) snprintf(text, sizeof text, "at %s", spec->at);
    else
        snprintf(text, sizeof text, "every %s",
                 sup_duration_text(spec->every_ns, every, sizeof every));
    sup_json_put_string(json, "schedule", text);
    sup_json_put_integer(json, "runs", status->generation);
    sup_json_put_integer(json, "skipped", (int64_t) status->skipped);
    if (status->due_ns != 0) put_time(json, "next_at", view, status->due_ns);
}

bool sup_control_write_node(struct sup_json *json, const struct sup_view *view, sup_token node,
                            const struct sup_outside *outside)
{
    struct sup_status status;
    if (!sup_tree_status(view->tree, node, view->now_ns, &status)) return false;
    const struct sup_spec *spec = sup_tree_spec(view->tree, node);
    sup_json_begin_object(json);
    put_identity(json, view, &status, spec);
    put_state(json, view, &status);
    put_run(json, view, &status);
    put_health(json, view, node);
    if (status.kind == SUP_SUPERVISOR) {
        sup_json_put_number(json, "count", round(status.count * 1000) / 1000);
        sup_json_put_number(json, "threshold", status.threshold);
    }
    if (spec != NULL && spec->role == SUP_ROLE_TIMER) put_schedule(json, view, &status, spec);
    if (spec != NULL) put_after(json, &spec->after);
    if (outside != NULL) sup_control_put_outside(json, outside);
    if (spec != NULL) put_sockets(json, &spec->sockets);
    sup_json_end_object(json);
    return true;
}

/* --- JSON that Lua holds ---------------------------------------------------------------------- */

static int finish_json(lua_State *L)
{
    sup_json_finish(luaL_checkudata(L, 1, JSON_TYPE));
    return 0;
}

struct sup_json *sup_control_push_json(lua_State *L)
{
    struct sup_json *json = lua_newuserdatauv(L, sizeof *json, 0);
    sup_json_init_growing(json, JSON_LIMIT);
    if (luaL_newmetatable(L, JSON_TYPE)) {
        lua_pushcfunction(L, finish_json);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return json;
}

void sup_control_finish_json(lua_State *L)
{
    struct sup_json *json = luaL_checkudata(L, -1, JSON_TYPE);
    const char *text = sup_json_text(json);
    if (text != NULL) lua_pushlstring(L, text, json->size);
    else lua_pushnil(L);
    sup_json_finish(json);
    lua_remove(L, -2);
}
