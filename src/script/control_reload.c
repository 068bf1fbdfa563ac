/*
** script/control_reload.c: what the control thread needs for reloads: the plan as JSON, handing a
** configuration in, the one before it, what became of the last one. Must not know how blobs are
** made, nor who asks.
*/
#include "script/control_inside.h"

#include "core/event.h"
#include "core/plan.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 1024
#define BOX_TYPE "suptree.control.box"

/* --- the plan --------------------------------------------------------------------------------- */

struct planning {
    struct sup_json *json;
    struct sup_form *form;
    enum sup_plan_way way;
    enum sup_plan_values values;
    const struct sup_plan_note *notes;
    size_t note_count;
    int result;
    struct sup_err err;
};

static void look_at_plan(void *context, const struct sup_view *view)
{
    struct planning *planning = context;
    struct sup_changes changes;
    planning->result =
        sup_plan_make(view->tree, planning->form, planning->way, &changes, &planning->err);
    if (planning->result < 0) return;
    sup_json_begin_object(planning->json);
    sup_plan_write(planning->json, view->tree, &changes, planning->values, planning->notes,
                   planning->note_count);
    sup_json_end_object(planning->json);
    sup_changes_finish(&changes);
}

static int push_refusal(lua_State *L, const struct sup_err *err)
{
    char text[TEXT_SIZE];
    lua_pushnil(L);
    lua_pushstring(L, sup_err_text(err, text, sizeof text));
    return 2;
}

int sup_control_plan(lua_State *L, int first, int notes, enum sup_plan_values values)
{
    static const char *const ways[] = {"forth", "back", "scale", NULL}; /* enum sup_plan_way */
    size_t size, note_count;
    const char *blob = luaL_checklstring(L, first, &size);
    const struct sup_plan_note *texts = sup_control_read_notes(L, notes, &note_count);
    struct planning planning = {
        .way = (enum sup_plan_way) luaL_checkoption(L, first + 1, "forth", ways),
        .values = values,
        .notes = texts,
        .note_count = note_count,
        .json = sup_control_push_json(L),
    };
    planning.form = sup_form_create(blob, size, &planning.err);
    if (planning.form == NULL) return push_refusal(L, &planning.err);
    sup_engine_read(sup_control_of(L)->engine, look_at_plan, &planning);
    sup_form_unref(planning.form);
    if (planning.result < 0) return push_refusal(L, &planning.err);
    sup_control_finish_json(L);
    if (!lua_isnil(L, -1)) return 1;
    lua_pushliteral(L, "the plan is larger than a reply may be");
    return 2;
}

/* plan(blob, way, notes) -> JSON, with secrets hidden; or nil and why it cannot be. `way`: "forth",
   "back" or "scale", as a reload of it. */
static int plan(lua_State *L)
{
    lua_settop(L, 3);
    return sup_control_plan(L, 1, 3, SUP_PLAN_HIDE_SECRETS);
}

/* --- the reload ------------------------------------------------------------------------------- */

static bool flag(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    bool is_set = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_set;
}

static double number(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    double value = luaL_optnumber(L, -1, 0);
    lua_pop(L, 1);
    return value;
}

/* Of which configuration it was made; 0: of none that runs. */
static uint64_t base(lua_State *L, int index)
{
    lua_getfield(L, index, "base");
    uint64_t checksum = (uint64_t) luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return checksum;
}

int sup_control_reload(lua_State *L, int first)
{
    size_t size = 0;
    const char *blob = luaL_optlstring(L, first, NULL, &size);
    luaL_checktype(L, first + 1, LUA_TTABLE);
    lua_getfield(L, first + 1, "why");
    double seconds = number(L, first + 1, "timeout");
    struct sup_input input = {
        .type = SUP_IN_RELOAD,
        .blob = blob,
        .blob_size = size,
        .text = luaL_optstring(L, -1, blob == NULL ? "it could not be read" : NULL),
        .flag = flag(L, first + 1, "keep"),
        .node = base(L, first + 1),
        .instance = flag(L, first + 1, "back"),
        .wait = flag(L, first + 1, "wait"),
        .wait_ns = seconds > 0 && seconds < 1e9 ? (int64_t) (seconds * 1e9) : 0,
    };
    return sup_control_push_ticket(L, &input);
}

/*
** reload(blob, { back, base, keep, wait, timeout, why }) -> a ticket, under which the answer comes;
** or nil and the code of an error. `keep`: it is not rolled back; without a blob it is refused, and
** `why` is told; with one it is the context of its events. `base`: the number of the configuration
** that it was made of: refused when another one runs.
*/
static int reload(lua_State *L)
{
    return sup_control_reload(L, 1);
}

/* --- what there was --------------------------------------------------------------------------- */

/* Memory that Lua frees. */
static int free_box(lua_State *L)
{
    void **box = lua_touserdata(L, 1);
    free(*box);
    *box = NULL;
    return 0;
}

static void **push_box(lua_State *L)
{
    void **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    if (luaL_newmetatable(L, BOX_TYPE)) {
        lua_pushcfunction(L, free_box);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return box;
}

/* former() -> the blob that ran before this one, or nil */
static int get_former(lua_State *L)
{
    void **box = push_box(L);
    size_t size;
    int r = sup_engine_former_config(sup_control_of(L)->engine, box, &size);
    if (r == -ENOENT) return 0;
    if (r < 0) return luaL_error(L, "there is no memory for the former configuration");
    lua_pushlstring(L, *box, size);
    return 1;
}

struct comparing {
    const void *blob;
    size_t size;
    bool equal;
};

static void compare(void *context, const struct sup_view *view)
{
    struct comparing *comparing = context;
    const struct sup_form *form = sup_tree_config(view->tree);
    comparing->equal =
        form->size == comparing->size && memcmp(form->bytes, comparing->blob, comparing->size) == 0;
}

/* runs(blob) -> is that what the tree runs? */
static int does_run(lua_State *L)
{
    struct comparing comparing = {.equal = false};
    comparing.blob = luaL_checklstring(L, 1, &comparing.size);
    sup_engine_read(sup_control_of(L)->engine, compare, &comparing);
    lua_pushboolean(L, comparing.equal);
    return 1;
}

struct reporting {
    struct sup_reload_report report;
    int64_t left_ns;
    char path[SUP_CONTROL_PATH];
    char reason[TEXT_SIZE];
};

static void look_at_report(void *context, const struct sup_view *view)
{
    struct reporting *reporting = context;
    struct sup_reload_report *report = &reporting->report;
    sup_tree_reload_report(view->tree, report);
    sup_tree_path(view->tree, report->culprit, reporting->path, sizeof reporting->path);
    if (report->rolled_back)
        sup_outcome_text(report->outcome, report->text, reporting->reason,
                         sizeof reporting->reason);
    if (report->until_ns > view->now_ns) reporting->left_ns = report->until_ns - view->now_ns;
}

/* report() -> { applied (how many), rolled_back, went_back, culprit, reason, left }: what became
   of the last reload; went_back: a person's rollback; left: seconds for which it can still be
   rolled back */
static int get_report(lua_State *L)
{
    struct reporting reporting = {.left_ns = 0};
    sup_engine_read(sup_control_of(L)->engine, look_at_report, &reporting);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, (lua_Integer) reporting.report.applied);
    lua_setfield(L, -2, "applied");
    lua_pushboolean(L, reporting.report.rolled_back);
    lua_setfield(L, -2, "rolled_back");
    lua_pushboolean(L, reporting.report.went_back);
    lua_setfield(L, -2, "went_back");
    if (reporting.path[0] != '\0') {
        lua_pushstring(L, reporting.path);
        lua_setfield(L, -2, "culprit");
    }
    if (reporting.reason[0] != '\0') {
        lua_pushstring(L, reporting.reason);
        lua_setfield(L, -2, "reason");
    }
    if (reporting.left_ns > 0) {
        lua_pushnumber(L, (lua_Number) reporting.left_ns / 1e9);
        lua_setfield(L, -2, "left");
    }
    return 1;
}

struct looking {
    struct sup_json *json;
    const char *path;
    bool there;
};

static void look_at_node(void *context, const struct sup_view *view)
{
    struct looking *looking = context;
    sup_token node = sup_tree_find(view->tree, looking->path);
    looking->there = node != 0 && sup_control_write_node(looking->json, view, node, NULL);
}

/* node(path) -> it as JSON, or nil: there is none */
static int get_node(lua_State *L)
{
    struct looking looking = {.path = luaL_checkstring(L, 1), .json = sup_control_push_json(L)};
    sup_engine_read(sup_control_of(L)->engine, look_at_node, &looking);
    if (!looking.there) return 0;
    sup_control_finish_json(L);
    return 1;
}

/* --- who asks without a connection ------------------------------------------------------------ */

/* asked() -> was a reload asked for, by SIGHUP, since the last time? */
static int was_asked(lua_State *L)
{
    lua_pushboolean(L, atomic_exchange(&sup_control_of(L)->reload_asked, false));
    return 1;
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    if (text == NULL) return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

/* source() -> { file, name, watch }: what the tree was made of; no file: it cannot be made again */
static int get_source(lua_State *L)
{
    const struct sup_control *control = sup_control_of(L);
    const struct sup_control_source *source = &control->source;
    lua_createtable(L, 0, 3);
    set_text(L, "file", source->file);
    if (source->named) set_text(L, "name", sup_engine_facts(control->engine)->name);
    lua_pushboolean(L, source->watch);
    lua_setfield(L, -2, "watch");
    return 1;
}

void sup_control_add_reload(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"asked", was_asked},
        {"former", get_former},
        {"node", get_node},
        {"plan", plan},
        {"replicated", sup_control_replicated},
        {"reload", reload},
        {"report", get_report},
        {"runs", does_run},
        {"source", get_source},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
