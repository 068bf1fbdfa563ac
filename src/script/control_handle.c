/*
** script/control_handle.c: what a connection may do. Who is at the other end decides once, by the
** kernel's word, which of two kinds of handles it gets: that of a reader has no method that changes
** anything.
*/
#include "script/control_inside.h"

#include "core/options.h"

#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READER "suptree.control.reader"
#define WRITER "suptree.control.writer"
#define CURSOR "suptree.control.cursor"
#define MAX_GROUPS 1024
#define NO_GROUP ((gid_t) SUP_NO_ID)
#define EVENTS_AT_ONCE ((size_t) 32 << 10)

struct handle {
    struct ucred peer; /* as it was when he connected */
};

/* --- reading ---------------------------------------------------------------------------------- */

static int select_method(lua_State *L)
{
    return sup_control_select(L, sup_control_of(L));
}

struct writing {
    struct sup_json *json;
    const sup_token *nodes;
    size_t count;
    struct sup_outside outside[SUP_CONTROL_SLICE];
    sup_token node;
    bool there;
};

static void write_slice(void *context, const struct sup_view *view)
{
    struct writing *writing = context;
    for (size_t i = 0; i < writing->count; i++)
        sup_control_write_node(writing->json, view, writing->nodes[i], &writing->outside[i]);
}

static size_t take_slice(lua_State *L, int index, lua_Integer first, sup_token *nodes)
{
    size_t count = 0;
    for (; count < SUP_CONTROL_SLICE; count++) {
        if (lua_rawgeti(L, index, first + (lua_Integer) count) != LUA_TNUMBER) break;
        nodes[count] = (sup_token) lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    if (count < SUP_CONTROL_SLICE) lua_pop(L, 1);
    return count;
}

/* services(tokens, usage) -> an array of them as JSON, with what their processes use if that is
   asked for; nil: more than can be said at once */
static int write_services(lua_State *L)
{
    sup_token nodes[SUP_CONTROL_SLICE];
    luaL_checktype(L, 2, LUA_TTABLE);
    bool with_usage = lua_toboolean(L, 3) != 0;
    struct sup_control *control = sup_control_of(L);
    struct writing writing = {.json = sup_control_push_json(L), .nodes = nodes};
    sup_json_begin_array(writing.json);
    for (lua_Integer at = 1; (writing.count = take_slice(L, 2, at, nodes)) > 0;
         at += SUP_CONTROL_SLICE) {
        sup_control_look(control, nodes, writing.count, with_usage, writing.outside);
        sup_engine_read(control->engine, write_slice, &writing);
        sched_yield();
    }
    sup_json_end_array(writing.json);
    sup_control_finish_json(L);
    return 1;
}

static void write_one(void *context, const struct sup_view *view)
{
    struct writing *writing = context;
    writing->there =
        sup_control_write_node(writing->json, view, writing->node, &writing->outside[0]);
}

/* node(token) -> it as JSON, or nil: it is gone */
static int write_node(lua_State *L)
{
    sup_token node = (sup_token) luaL_checkinteger(L, 2);
    struct writing writing = {.json = sup_control_push_json(L), .node = node};
    struct sup_control *control = sup_control_of(L);
    sup_control_look(control, &node, 1, false, writing.outside);
    sup_engine_read(control->engine, write_one, &writing);
    if (!writing.there) return 0;
    sup_control_finish_json(L);
    return 1;
}

struct place {
    sup_token node;
    char path[SUP_CONTROL_PATH];
    enum sup_state state;
};

static void find_place(void *context, const struct sup_view *view)
{
    struct place *place = context;
    struct sup_status status;
    sup_token root = sup_tree_root(view->tree);
    sup_tree_path(view->tree, place->node, place->path, sizeof place->path);
    if (sup_tree_status(view->tree, root, view->now_ns, &status)) place->state = status.state;
}

/* path(token) -> text, or nil: it is gone */
static int get_path(lua_State *L)
{
    struct place place = {.node = (sup_token) luaL_checkinteger(L, 2)};
    sup_engine_read(sup_control_of(L)->engine, find_place, &place);
    if (place.path[0] == '\0') return 0;
    lua_pushstring(L, place.path);
    return 1;
}

struct finding {
    const char *path;
    sup_token node;
};

static void find_node(void *context, const struct sup_view *view)
{
    struct finding *finding = context;
    finding->node = sup_tree_find(view->tree, finding->path);
}

/* find(path) -> the token of the node there, or nil: there is none. As quick for many nodes. */
static int find_path(lua_State *L)
{
    struct finding finding = {.path = luaL_checkstring(L, 2)};
    sup_engine_read(sup_control_of(L)->engine, find_node, &finding);
    if (finding.node == 0) return 0;
    lua_pushinteger(L, (lua_Integer) finding.node);
    return 1;
}

struct look {
    sup_token node;
    struct sup_status status;
    bool there, ended;
};

static void take_look(void *context, const struct sup_view *view)
{
    struct look *look = context;
    int code;
    look->there = sup_tree_status(view->tree, look->node, view->now_ns, &look->status);
    look->ended = sup_tree_has_ended(view->tree, &code);
}

/* look(token) -> state, ready, held, cause, has the tree ended, kind; state and kind nil: it is
   gone */
static int look_at(lua_State *L)
{
    struct look look = {.node = (sup_token) luaL_checkinteger(L, 2)};
    sup_engine_read(sup_control_of(L)->engine, take_look, &look);
    if (look.there) lua_pushstring(L, sup_state_name(look.status.state));
    else lua_pushnil(L);
    lua_pushboolean(L, look.there && look.status.ready);
    lua_pushboolean(L, look.there && look.status.held);
    lua_pushstring(L, look.there ? sup_cause_name(look.status.cause) : "none");
    lua_pushboolean(L, look.ended);
    if (!look.there) return 5;
    lua_pushstring(L, sup_kind_word(look.status.kind, look.status.role));
    return 6;
}

/* state() -> that of the tree */
static int get_state(lua_State *L)
{
    struct place place = {.node = 0};
    sup_engine_read(sup_control_of(L)->engine, find_place, &place);
    lua_pushstring(L, sup_state_name(place.state));
    return 1;
}

/* --- events ----------------------------------------------------------------------------------- */

static struct sup_event_cursor *check_cursor(lua_State *L)
{
    return luaL_checkudata(L, 1, CURSOR);
}

/* cursor:read() -> whole lines, and how many events were lost to it before the last of them */
static int read_events(lua_State *L)
{
    char text[EVENTS_AT_ONCE];
    uint64_t missed;
    struct sup_event_cursor *cursor = check_cursor(L);
    size_t size = sup_engine_events(sup_control_of(L)->engine, cursor, text, sizeof text, &missed);
    lua_pushlstring(L, text, size);
    lua_pushinteger(L, (lua_Integer) missed);
    return 2;
}

/* cursor:next() -> the number of the event that it is to see next */
static int get_next(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer) check_cursor(L)->next);
    return 1;
}

/* events([since]) -> a cursor for those after number `since`; nil: for those to come */
static int open_events(lua_State *L)
{
    static const luaL_Reg methods[] = {{"next", get_next}, {"read", read_events}, {NULL, NULL}};
    uint64_t last = sup_engine_last_event(sup_control_of(L)->engine);
    lua_Integer since = luaL_optinteger(L, 2, (lua_Integer) last);
    struct sup_event_cursor *cursor = lua_newuserdatauv(L, sizeof *cursor, 0);
    *cursor = (struct sup_event_cursor){.next = since < 0 ? 1 : (uint64_t) since + 1};
    if (luaL_newmetatable(L, CURSOR)) {
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    lua_pushinteger(L, (lua_Integer) last);
    return 2;
}

/* --- changing --------------------------------------------------------------------------------- */

static const char *const verbs[] = {"start", "stop", "restart", "shutdown", NULL};
static const enum sup_input_type inputs[] = {SUP_IN_START_NODE, SUP_IN_STOP_NODE,
                                             SUP_IN_RESTART_NODE, SUP_IN_STOP};

/* Push what goes into events: who it was, and what he said about it. */
static const char *push_context(lua_State *L, const struct handle *handle, const char *words)
{
    return lua_pushfstring(L, "uid %d by control%s%s", (int) handle->peer.uid,
                           words[0] == '\0' ? "" : ": ", words);
}

static const char *error_name(int error)
{
    if (error == -ESHUTDOWN) return "stopped";
    return error == -EBUSY ? "busy" : "limit";
}

int sup_control_push_ticket(lua_State *L, const struct sup_input *input)
{
    int error;
    uint64_t ticket = sup_control_send(sup_control_of(L), input, &error);
    if (ticket == 0) {
        lua_pushnil(L);
        lua_pushstring(L, error_name(error));
        return 2;
    }
    lua_pushinteger(L, (lua_Integer) ticket);
    return 1;
}

/*
** command(verb, token, context, wait, seconds) -> a ticket, under which the answer comes; or nil
** and the code of an error. Without `wait` it is answered at once; `seconds` 0: no bound.
*/
static int send_command(lua_State *L)
{
    const struct handle *handle = luaL_checkudata(L, 1, WRITER);
    int verb = luaL_checkoption(L, 2, NULL, verbs);
    lua_settop(L, 6);
    const char *context = push_context(L, handle, luaL_optstring(L, 4, ""));
    double seconds = luaL_optnumber(L, 6, 0);
    struct sup_input input = {
        .type = inputs[verb],
        .node = (sup_token) luaL_checkinteger(L, 3),
        .text = context,
        .wait = lua_toboolean(L, 5),
        .wait_ns = seconds > 0 && seconds < 1e9 ? (int64_t) (seconds * 1e9) : 0,
    };
    struct place place = {.node = input.node};
    sup_engine_read(sup_control_of(L)->engine, find_place, &place);
    sup_control_say("%s%s%s (%s; pid %d)", verbs[verb], verb == 3 ? "" : " ",
                    verb == 3 ? "" : place.path, context, (int) handle->peer.pid);
    return sup_control_push_ticket(L, &input);
}

/* plan(blob, way, show_secrets, notes) -> JSON; or nil and why it cannot be */
static int plan(lua_State *L)
{
    lua_settop(L, 5);
    enum sup_plan_values values = SUP_PLAN_HIDE_ENV;
    if (luaL_testudata(L, 1, WRITER) != NULL)
        values = lua_toboolean(L, 4) ? SUP_PLAN_SHOW_ALL : SUP_PLAN_HIDE_SECRETS;
    return sup_control_plan(L, 2, 5, values);
}

/* reload(blob, { back, base, keep, wait, timeout, what }): see control_reload.c; `what`: what it is
   called in the log and in events */
static int reload(lua_State *L)
{
    const struct handle *handle = luaL_checkudata(L, 1, WRITER);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    lua_getfield(L, 3, "back");
    lua_getfield(L, 3, "what");
    const char *what = luaL_optstring(L, -1, lua_toboolean(L, -2) ? "rollback" : "reload");
    sup_control_say("%s (uid %d by control; pid %d)", what, (int) handle->peer.uid,
                    (int) handle->peer.pid);
    if (!lua_isnil(L, -1)) {
        push_context(L, handle, what);
        lua_setfield(L, 3, "why");
    }
    lua_settop(L, 3);
    return sup_control_reload(L, 2);
}

/* Recorded first; see control_service.c. */
static int signal_service(lua_State *L)
{
    const struct handle *handle = luaL_checkudata(L, 1, WRITER);
    char name[32];
    struct place place = {.node = (sup_token) luaL_checkinteger(L, 2)};
    int signal = (int) luaL_checkinteger(L, 3);
    lua_settop(L, 3);
    sup_engine_read(sup_control_of(L)->engine, find_place, &place);
    sup_control_say("signal %s to %s (uid %d by control; pid %d)",
                    sup_signal_name(signal, name, sizeof name), place.path, (int) handle->peer.uid,
                    (int) handle->peer.pid);
    return sup_control_signal(L);
}

/* --- admission -------------------------------------------------------------------------------- */

static bool has_group(int fd, const struct ucred *peer, gid_t wanted)
{
    gid_t groups[MAX_GROUPS];
    socklen_t size = sizeof groups;
    if (peer->gid == wanted) return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) return false;
    for (size_t i = 0; i < size / sizeof *groups; i++)
        if (groups[i] == wanted) return true;
    return false;
}

/* The control_group of the configuration that runs, whatever rights the socket has by now. */
static void find_group(void *context, const struct sup_view *view)
{
    const struct sup_spec *root = sup_tree_spec(view->tree, sup_tree_root(view->tree));
    *(gid_t *) context = root == NULL ? NO_GROUP : (gid_t) root->control_group;
}

static void push_handle(lua_State *L, const struct ucred *peer, const char *type)
{
    static const luaL_Reg reading[] = {
        {"events", open_events},
        {"explain", sup_control_explain},
        {"find", find_path},
        {"fits", sup_control_fits},
        {"follow", sup_control_follow},
        {"look", look_at},
        {"node", write_node},
        {"path", get_path},
        {"plan", plan},
        {"quote", sup_control_quote},
        {"rereads", sup_control_rereads},
        {"replicated", sup_control_replicated},
        {"select", select_method},
        {"services", write_services},
        {"state", get_state},
        {"tail", sup_control_tail},
        {"times", sup_control_times},
        {NULL, NULL},
    };
    static const luaL_Reg changing[] = {
        {"command", send_command},
        {"environment", sup_control_environment},
        {"reload", reload},
        {"signal", signal_service},
        {NULL, NULL},
    };
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    handle->peer = *peer;
    if (luaL_newmetatable(L, type)) {
        lua_newtable(L);
        luaL_setfuncs(L, reading, 0);
        if (strcmp(type, WRITER) == 0) luaL_setfuncs(L, changing, 0);
        lua_setfield(L, -2, "__index");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
}

static void push_peer(lua_State *L, const struct ucred *peer, const char *role)
{
    lua_newtable(L);
    lua_pushinteger(L, (lua_Integer) peer->uid);
    lua_setfield(L, -2, "uid");
    lua_pushinteger(L, (lua_Integer) peer->pid);
    lua_setfield(L, -2, "pid");
    lua_pushstring(L, role);
    lua_setfield(L, -2, "role");
}

int sup_control_admit(lua_State *L, struct sup_control *control, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    gid_t group = NO_GROUP;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return 0;
    sup_engine_read(control->engine, find_group, &group);
    bool may_write = peer.uid == 0 || peer.uid == geteuid();
    bool may_read = may_write || (group != NO_GROUP && has_group(fd, &peer, group));
    if (!may_read) return 0;
    push_handle(L, &peer, may_write ? WRITER : READER);
    push_peer(L, &peer, may_write ? "write" : "read");
    return 2;
}
