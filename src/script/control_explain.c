/*
** script/control_explain.c: why a node is as it is: the chain of causes, and whom it waits for.
** Facts only: the sentences are made in lua/suptree/control/explain.lua.
*/
#include "script/control_inside.h"

#include "core/event.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#define MAX_LINKS 16
#define MAX_WAITS 16
#define MAX_VISITED 10000 /* nodes that are looked at under one hold of the engine's mutex */
#define OUTCOME_SIZE 256

struct link {
    char path[SUP_CONTROL_PATH];
    char text[OUTCOME_SIZE]; /* how it ended; "": it has not */
    enum sup_state state;
    enum sup_cause cause;
};

struct explanation {
    sup_token node;
    bool there;
    bool has_condition; /* of readiness */
    struct link causes[MAX_LINKS];
    size_t cause_count;
    struct link waits[MAX_WAITS];
    size_t wait_count, more; /* `more` are not told */
};

/* --- facts, under the mutex ------------------------------------------------------------------- */

static void note(const struct sup_view *view, const struct sup_status *status, struct link *link)
{
    sup_tree_path(view->tree, status->node, link->path, sizeof link->path);
    link->state = status->state;
    link->cause = status->cause;
    link->text[0] = '\0';
    if (status->last_outcome.kind != SUP_END_NONE)
        sup_outcome_text(status->last_outcome, status->last_text, link->text, sizeof link->text);
}

static void add_wait(struct explanation *explanation, const struct sup_view *view,
                     const struct sup_status *status)
{
    if (explanation->wait_count == MAX_WAITS) explanation->more++;
    else note(view, status, &explanation->waits[explanation->wait_count++]);
}

static bool names(const struct sup_strings *strings, const char *name)
{
    const char *at = strings->first;
    for (uint32_t i = 0; i < strings->count; i++, at = sup_strings_next(at))
        if (strcmp(at, name) == 0) return true;
    return false;
}

/* Does ${own}, which is on its way up or down, wait for ${other}, which is beside or below it? */
static bool is_awaited(const struct sup_view *view, const struct sup_status *own,
                       const struct sup_status *other)
{
    const struct sup_spec *own_spec = sup_tree_spec(view->tree, own->node);
    const struct sup_spec *other_spec = sup_tree_spec(view->tree, other->node);
    bool below = other->parent == own->node;
    if (own_spec == NULL || other_spec == NULL) return false;
    if (own->state == SUP_STATE_STOPPING)
        return other->instance != 0 && (below || names(&other_spec->after, own->name));
    if (below) return other->wanted && !other->ready;
    return own->state == SUP_STATE_WAITING && names(&own_spec->after, other->name) &&
           !other->ready && other->state != SUP_STATE_DONE;
}

static void find_waits(struct explanation *explanation, const struct sup_view *view,
                       const struct sup_status *own)
{
    struct sup_status other;
    bool below_only = own->parent == 0;
    sup_token node = below_only ? own->node : own->parent;
    for (int i = 0; i < MAX_VISITED; i++) {
        node = sup_tree_next(view->tree, node);
        if (node == 0 || !sup_tree_status(view->tree, node, view->now_ns, &other)) return;
        bool near = other.parent == own->node || (!below_only && other.parent == own->parent);
        if (near && node != own->node && is_awaited(view, own, &other))
            add_wait(explanation, view, &other);
    }
}

static void find_causes(struct explanation *explanation, const struct sup_view *view)
{
    struct sup_because links[MAX_LINKS];
    struct sup_status status;
    size_t count = sup_tree_because(view->tree, explanation->node, links, MAX_LINKS);
    for (size_t i = 0; i < count; i++)
        if (sup_tree_status(view->tree, links[i].node, view->now_ns, &status))
            note(view, &status, &explanation->causes[explanation->cause_count++]);
}

static void explain(void *context, const struct sup_view *view)
{
    struct explanation *explanation = context;
    struct sup_status status;
    const struct sup_spec *spec = sup_tree_spec(view->tree, explanation->node);
    explanation->there = sup_tree_status(view->tree, explanation->node, view->now_ns, &status);
    if (!explanation->there) return;
    explanation->has_condition =
        spec != NULL && spec->kind != SUP_SUPERVISOR && spec->ready.kind != SUP_READY_AT_LAUNCH;
    find_causes(explanation, view);
    bool on_its_way = status.state == SUP_STATE_WAITING || status.state == SUP_STATE_STOPPING ||
                      (status.kind == SUP_SUPERVISOR && !status.ready);
    if (on_its_way) find_waits(explanation, view, &status);
}

/* --- tables ----------------------------------------------------------------------------------- */

static void set_text(lua_State *L, const char *key, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

static void set_links(lua_State *L, const char *key, const struct link *links, size_t count)
{
    lua_createtable(L, (int) count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 4);
        set_text(L, "path", links[i].path);
        set_text(L, "state", sup_state_name(links[i].state));
        set_text(L, "cause", sup_cause_name(links[i].cause));
        if (links[i].text[0] != '\0') set_text(L, "outcome", links[i].text);
        lua_rawseti(L, -2, (lua_Integer) i + 1);
    }
    lua_setfield(L, -2, key);
}

/*
** explain(token) -> { causes, waits, more, has_condition }, causes and waits as arrays of { path,
** state, cause, outcome }: the node first, each caused by the next; or nil: it is gone
*/
int sup_control_explain(lua_State *L)
{
    sup_token node = (sup_token) luaL_checkinteger(L, 2);
    struct explanation *explanation = lua_newuserdatauv(L, sizeof *explanation, 0);
    memset(explanation, 0, sizeof *explanation);
    explanation->node = node;
    sup_engine_read(sup_control_of(L)->engine, explain, explanation);
    if (!explanation->there) return 0;
    lua_createtable(L, 0, 4);
    set_links(L, "causes", explanation->causes, explanation->cause_count);
    set_links(L, "waits", explanation->waits, explanation->wait_count);
    lua_pushinteger(L, (lua_Integer) explanation->more);
    lua_setfield(L, -2, "more");
    lua_pushboolean(L, explanation->has_condition);
    lua_setfield(L, -2, "has_condition");
    return 1;
}
