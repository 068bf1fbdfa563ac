/*
** script/core_tables.c: inputs, effects, states and specs of the core as Lua tables. It knows no
** tree of its own and no world.
*/
#include "script/core_tables.h"

#include "core/event.h"
#include "core/options.h"

#include <lauxlib.h>
#include <string.h>

#define PATH_SIZE 2048
#define MAX_FIELDS 40
#define FIELD_BYTES (8 * 1024)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Indexed by the enums of core/tree.h; NULL: no such value, or not for people to write. */
static const char *const input_names[] = {
    [SUP_IN_TICK] = "tick",
    [SUP_IN_LAUNCHED] = "launched",
    [SUP_IN_LAUNCH_FAILED] = "launch_failed",
    [SUP_IN_READY] = "ready",
    [SUP_IN_ENDED] = "ended",
    [SUP_IN_HOST_DIED] = "host_died",
    [SUP_IN_START] = "start",
    [SUP_IN_STOP] = "stop",
    [SUP_IN_KILL] = "kill",
    [SUP_IN_ADD] = "add",
    [SUP_IN_REMOVE] = "remove",
    [SUP_IN_START_NODE] = "start_node",
    [SUP_IN_STOP_NODE] = "stop_node",
    [SUP_IN_RESTART_NODE] = "restart_node",
    [SUP_IN_RELOAD] = "reload",
    [SUP_IN_UNHEALTHY] = "unhealthy",
    [SUP_IN_EXTEND] = "extend",
    [SUP_IN_SCHEDULE] = "schedule",
    [SUP_IN_EXITING] = "exiting",
    [SUP_IN_ACTIVATE] = "activate",
};

static const char *const outcome_names[] = {
    [SUP_END_NONE] = "none",           [SUP_END_EXIT] = "exit",
    [SUP_END_SIGNAL] = "signal",       [SUP_END_RETURNED] = "returned",
    [SUP_END_ERROR] = "error",         [SUP_END_DONE] = "done",
    [SUP_END_TERMINATE] = "terminate", [SUP_END_LOST] = "lost",
    [SUP_END_LIMIT] = "limit",         [SUP_END_SHUTDOWN] = "shutdown",
    [SUP_END_STOPPED] = "stopped",     [SUP_END_NO_LAUNCH] = "no_launch",
    [SUP_END_NOT_READY] = "not_ready", [SUP_END_WATCHDOG] = "watchdog",
    [SUP_END_UNHEALTHY] = "unhealthy", [SUP_END_OOM] = "oom",
};

static const char *const effect_names[] = {
    [SUP_DO_LAUNCH] = "launch",   [SUP_DO_INTERRUPT] = "interrupt", [SUP_DO_KILL] = "kill",
    [SUP_DO_ABANDON] = "abandon", [SUP_DO_REPLY] = "reply",         [SUP_DO_EVENT] = "event",
    [SUP_DO_UPDATE] = "update",   [SUP_DO_FORGET] = "forget",       [SUP_DO_SCHEDULE] = "schedule",
    [SUP_DO_LISTEN] = "listen",
};

static const char *const reply_names[] = {
    [SUP_OK] = "ok",
    [SUP_NOT_FOUND] = "not_found",
    [SUP_WAITING_FOR] = "waiting_for",
    [SUP_TIMEOUT] = "timeout",
    [SUP_STOPPED] = "stopped",
    [SUP_ALREADY_SERVING] = "already_serving",
    [SUP_DUPLICATE_NAME] = "duplicate_name",
    [SUP_TOO_MANY] = "too_many",
    [SUP_INVALID] = "invalid",
    [SUP_NO_MEMORY] = "no_memory",
    [SUP_NOT_REACHED] = "not_reached",
    [SUP_REFUSED] = "refused",
};

static const char *const change_names[] = {
    [SUP_CHANGE_KEEP] = "keep",       [SUP_CHANGE_UPDATE] = "update",
    [SUP_CHANGE_RESTART] = "restart", [SUP_CHANGE_FOLLOW] = "follow",
    [SUP_CHANGE_ADD] = "add",         [SUP_CHANGE_REMOVE] = "remove",
};

static const char *const ready_names[SUP_READY_KIND_COUNT] = {
    [SUP_READY_AT_LAUNCH] = "launch", [SUP_READY_DELAY] = "delay",   [SUP_READY_FILE] = "file",
    [SUP_READY_MANUAL] = "manual",    [SUP_READY_NOTIFY] = "notify", [SUP_READY_FD] = "fd",
    [SUP_READY_TCP] = "tcp",          [SUP_READY_UNIX] = "unix",     [SUP_READY_HTTP] = "http",
    [SUP_READY_EXEC] = "exec",        [SUP_READY_LOG] = "log",
};

/* The place of ${name} in ${names}, or -1. */
static int find_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i] != NULL && strcmp(names[i], name) == 0) return (int) i;
    }
    return -1;
}

static void set_text(lua_State *L, const char *field, const char *value)
{
    lua_pushstring(L, value); /* NULL pushes nil */
    lua_setfield(L, -2, field);
}

static void set_integer(lua_State *L, const char *field, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, field);
}

static void set_boolean(lua_State *L, const char *field, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, field);
}

static void set_path(lua_State *L, const char *field, const struct sup_tree *tree, sup_token node)
{
    char buf[PATH_SIZE];
    set_text(L, field, sup_tree_path(tree, node, buf, sizeof buf));
}

int sup_core_push_integer_if(lua_State *L, bool is_given, lua_Integer value)
{
    if (is_given) {
        lua_pushinteger(L, value);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

int sup_core_push_token(lua_State *L, sup_token node)
{
    return sup_core_push_integer_if(L, node != 0, (lua_Integer) node);
}

/* --- an input, from a table ------------------------------------------------------------------- */

static int field_name(lua_State *L, int table, const char *field, const char *const *names,
                      size_t count)
{
    lua_getfield(L, table, field);
    const char *name = lua_tostring(L, -1);
    int place = name == NULL ? -1 : find_name(names, count, name);
    if (place < 0) return luaL_error(L, "input.%s: no such %s: %s", field, field, name);
    lua_pop(L, 1);
    return place;
}

static lua_Integer field_integer(lua_State *L, int table, const char *field)
{
    lua_Integer value = 0;
    if (lua_getfield(L, table, field) != LUA_TNIL) {
        int is_integer;
        value = lua_tointegerx(L, -1, &is_integer);
        if (!is_integer) return luaL_error(L, "input.%s: a whole number is needed", field);
    }
    lua_pop(L, 1);
    return value;
}

static bool field_boolean(lua_State *L, int table, const char *field)
{
    lua_getfield(L, table, field);
    bool value = lua_toboolean(L, -1) != 0;
    lua_pop(L, 1);
    return value;
}

/* The string stays on the stack: it must live until the input has been applied. */
static const char *field_text(lua_State *L, int table, const char *field, size_t *size)
{
    *size = 0;
    if (lua_getfield(L, table, field) == LUA_TNIL) return NULL;
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "input.%s: a string is needed", field);
    return lua_tolstring(L, -1, size);
}

void sup_core_read_input(lua_State *L, int index, struct sup_input *input)
{
    size_t size;
    memset(input, 0, sizeof *input);
    input->type =
        (enum sup_input_type) field_name(L, index, "type", input_names, COUNT_OF(input_names));
    input->node = (sup_token) field_integer(L, index, "node");
    input->instance = (uint64_t) field_integer(L, index, "instance");
    input->request = (uint64_t) field_integer(L, index, "request");
    input->wait = field_boolean(L, index, "wait");
    input->flag = field_boolean(L, index, "flag");
    input->wait_ns = field_integer(L, index, "wait_ns");
    if (lua_getfield(L, index, "outcome") != LUA_TNIL) {
        input->outcome.kind = (enum sup_outcome_kind) field_name(L, index, "outcome", outcome_names,
                                                                 COUNT_OF(outcome_names));
        input->outcome.code = (int32_t) field_integer(L, index, "code");
    }
    lua_pop(L, 1);
    input->cpu_ns = field_integer(L, index, "cpu_ns");
    input->memory_peak = (uint64_t) field_integer(L, index, "memory_peak");
    input->text = field_text(L, index, "text", &size);
    input->blob = field_text(L, index, "blob", &input->blob_size);
}

/* --- an event, as fields ---------------------------------------------------------------------- */

/*
** The core calls the sink, and a sink must not raise: so the fields are noted here first, and made
** into a table when the core has returned. What finds no room is left out.
*/
struct field {
    const char *name;
    enum { FIELD_TEXT, FIELD_NUMBER, FIELD_INTEGER, FIELD_BOOLEAN } type;
    union {
        const char *text;
        double number;
        int64_t integer;
        bool boolean;
    };
};

struct fields {
    size_t count;
    size_t used; /* of bytes */
    struct field field[MAX_FIELDS];
    char bytes[FIELD_BYTES];
};

static const char *keep_text(struct fields *fields, const char *text)
{
    size_t size = strlen(text) + 1;
    if (size > sizeof fields->bytes - fields->used) return NULL;
    char *kept = memcpy(fields->bytes + fields->used, text, size);
    fields->used += size;
    return kept;
}

static struct field *next_field(struct fields *fields, const char *name)
{
    if (fields->count == MAX_FIELDS) return NULL;
    const char *kept = keep_text(fields, name);
    if (kept == NULL) return NULL;
    struct field *field = &fields->field[fields->count++];
    field->name = kept;
    return field;
}

static void note_text(void *self, const char *name, const char *value)
{
    struct field *field = next_field(self, name);
    if (field == NULL) return;
    field->type = FIELD_TEXT;
    field->text = keep_text(self, value);
}

static void note_number(void *self, const char *name, double value)
{
    struct field *field = next_field(self, name);
    if (field == NULL) return;
    field->type = FIELD_NUMBER;
    field->number = value;
}

static void note_integer(void *self, const char *name, int64_t value)
{
    struct field *field = next_field(self, name);
    if (field == NULL) return;
    field->type = FIELD_INTEGER;
    field->integer = value;
}

static void note_boolean(void *self, const char *name, bool value)
{
    struct field *field = next_field(self, name);
    if (field == NULL) return;
    field->type = FIELD_BOOLEAN;
    field->boolean = value;
}

static void push_field(lua_State *L, const struct field *field)
{
    switch (field->type) {
    case FIELD_TEXT:
        lua_pushstring(L, field->text);
        break;
    case FIELD_NUMBER:
        lua_pushnumber(L, field->number);
        break;
    case FIELD_INTEGER:
        lua_pushinteger(L, (lua_Integer) field->integer);
        break;
    case FIELD_BOOLEAN:
        lua_pushboolean(L, field->boolean);
        break;
    }
}

void sup_core_push_event(lua_State *L, const struct sup_tree *tree, const struct sup_effect *effect)
{
    struct fields fields;
    struct sup_told_paths paths;
    struct sup_told told;
    fields.count = 0;
    fields.used = 0;
    struct sup_field_sink sink = {note_text, note_number, note_integer, note_boolean, &fields};
    sup_told_init(&told, tree, effect, &paths);
    sup_event_fields(&told, (double) effect->event.time_ns / (double) SUP_SECOND_NS, 0, &sink);
    lua_createtable(L, 0, (int) fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        push_field(L, &fields.field[i]);
        lua_setfield(L, -2, fields.field[i].name);
    }
}

/* --- effects ---------------------------------------------------------------------------------- */

void sup_core_push_effect(lua_State *L, const struct sup_tree *tree,
                          const struct sup_effect *effect)
{
    lua_createtable(L, 0, 8);
    set_text(L, "type", effect_names[effect->type]);
    set_integer(L, "seq", (lua_Integer) effect->seq);
    if (effect->type == SUP_DO_EVENT) {
        sup_core_push_event(L, tree, effect);
        lua_setfield(L, -2, "event");
        return;
    }
    if (effect->type == SUP_DO_REPLY) {
        set_integer(L, "request", (lua_Integer) effect->request);
        set_text(L, "status", reply_names[effect->reply.status]);
        set_text(L, "text", effect->reply.text);
        sup_core_push_token(L, effect->reply.node);
        lua_setfield(L, -2, "node");
        if (effect->reply.node != 0) set_path(L, "path", tree, effect->reply.node);
        return;
    }
    set_integer(L, "node", (lua_Integer) effect->node);
    set_integer(L, "generation", effect->generation);
    set_integer(L, "instance", (lua_Integer) effect->instance);
    set_path(L, "path", tree, effect->node);
}

static void set_outcome(lua_State *L, struct sup_outcome outcome, const char *text)
{
    char buf[SUP_TEXT_MAX + 128];
    set_text(L, "outcome", outcome_names[outcome.kind]);
    set_integer(L, "code", outcome.code);
    set_text(L, "text", sup_outcome_text(outcome, text, buf, sizeof buf));
}

void sup_core_push_status(lua_State *L, const struct sup_tree *tree,
                          const struct sup_status *status)
{
    lua_createtable(L, 0, 24);
    set_text(L, "name", status->name);
    set_path(L, "path", tree, status->node);
    set_text(L, "kind", sup_kind_word(status->kind, status->role));
    set_text(L, "state", sup_state_name(status->state));
    set_text(L, "cause", sup_cause_name(status->cause));
    set_integer(L, "node", (lua_Integer) status->node);
    sup_core_push_token(L, status->parent);
    lua_setfield(L, -2, "parent");
    sup_core_push_token(L, status->cause_node);
    lua_setfield(L, -2, "cause_node");
    set_boolean(L, "wanted", status->wanted);
    set_boolean(L, "ready", status->ready);
    set_boolean(L, "held", status->held);
    set_boolean(L, "leaving", status->leaving);
    set_integer(L, "generation", status->generation);
    set_integer(L, "instance", (lua_Integer) status->instance);
    set_integer(L, "restarts", status->restarts);
    set_integer(L, "resumes_ns", status->resumes_ns);
    set_integer(L, "next_ns", status->next_ns);
    set_integer(L, "since_ns", status->since_ns);
    set_integer(L, "due_ns", status->due_ns);
    set_integer(L, "due_wall_s", status->due_wall_s);
    set_integer(L, "skipped", (lua_Integer) status->skipped);
    set_outcome(L, status->last_outcome, status->last_text);
    if (status->kind == SUP_SUPERVISOR) {
        lua_pushnumber(L, status->count);
        lua_setfield(L, -2, "count");
        lua_pushnumber(L, status->threshold);
        lua_setfield(L, -2, "threshold");
    }
}

void sup_core_push_because(lua_State *L, const struct sup_tree *tree,
                           const struct sup_because *because)
{
    lua_createtable(L, 0, 6);
    set_integer(L, "node", (lua_Integer) because->node);
    set_path(L, "path", tree, because->node);
    set_text(L, "cause", sup_cause_name(because->cause));
    set_text(L, "state", sup_state_name(because->state));
    if (because->outcome.kind != SUP_END_NONE) set_outcome(L, because->outcome, NULL);
}

void sup_core_push_spec(lua_State *L, const struct sup_spec *spec)
{
    lua_createtable(L, 0, 6);
    set_text(L, "name", spec->name);
    set_text(L, "kind", sup_kind_name(spec->kind));
    set_text(L, "ready", ready_names[spec->ready.kind]);
    set_integer(L, "ready_delay_ns", spec->ready.delay_ns);
    set_integer(L, "stop_signal", spec->stop_signal);
    set_integer(L, "start_timeout_ns", spec->start_timeout_ns);
    set_boolean(L, "ends", spec->role != SUP_ROLE_SERVICE);
    set_text(L, "at", spec->at);
}

/* The path of what has a place in the new config only: its parent's, and its name. */
static void set_new_path(lua_State *L, const struct sup_tree *tree, const struct sup_change *change)
{
    char buf[PATH_SIZE];
    const char *name = sup_form_name(change->record);
    if (change->parent == sup_tree_root(tree)) {
        lua_pushstring(L, name);
    } else {
        lua_pushfstring(L, "%s/%s", sup_tree_path(tree, change->parent, buf, sizeof buf), name);
    }
    lua_setfield(L, -2, "path");
}

void sup_core_push_change(lua_State *L, const struct sup_tree *tree,
                          const struct sup_change *change)
{
    lua_createtable(L, 0, 5);
    set_text(L, "kind", change_names[change->kind]);
    if (change->node == 0) {
        set_new_path(L, tree, change);
    } else {
        set_path(L, "path", tree, change->node);
    }
    if (change->renamed) set_text(L, "new_name", sup_form_name(change->record));
    if (change->other != 0) set_path(L, "other", tree, change->other);
    size_t listed =
        change->field_count < SUP_CHANGE_FIELDS ? change->field_count : SUP_CHANGE_FIELDS;
    lua_createtable(L, (int) listed, 0);
    for (size_t i = 0; i < listed; i++) {
        const struct sup_option *option = sup_option_by_id(change->fields[i]);
        lua_pushstring(L, option != NULL ? option->name : "?");
        lua_rawseti(L, -2, (lua_Integer) i + 1);
    }
    lua_setfield(L, -2, "fields");
}
