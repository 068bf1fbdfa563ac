/*
** script/control_inside.h: the inside of the control thread; only src/script/control*.c include it.
**
**   control.c         its life; answers that come from the engine thread
**   control_native.c  what its Lua finds in suptree.control.native: socket, wake-ups, admission
**   control_handle.c  what a connection may do: two kinds of handles, by who is at the other end
**   control_select.c  paths and patterns to nodes
**   control_node.c    a node as JSON
**   control_usage.c   what its processes use, and what holds them
**   control_explain.c why a node is as it is
**   control_service.c one service's process
**   control_output.c  what services have put out
**   control_reload.c  plans and reloads
**   control_compile.c reading configurations beside the loop
**
** Lua decides what is said when; C decides who may do what, and reads the tree.
*/
#ifndef SUP_SCRIPT_CONTROL_INSIDE_H
#define SUP_SCRIPT_CONTROL_INSIDE_H

#include "base/json.h"
#include "base/process.h"
#include "core/plan.h"
#include "core/tree.h"
#include "engine/engine.h"
#include "script/control.h"

#include <lua.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#define SUP_CONTROL_PATH 1024     /* room for the path of a node */
#define SUP_CONTROL_SLICE 32      /* nodes that are written under one hold of the engine's mutex */
#define SUP_CONTROL_MAX_OWED 4096 /* answers that may be due at a time */

/* A command that was handed in, and its answer. */
struct sup_errand {
    struct sup_errand *next; /* in sup_control::first */
    struct sup_control *control;
    uint64_t ticket;
    enum sup_reply_status status;
    sup_token node;
    char *text; /* owned; NULL: none */
};

struct sup_control {
    struct sup_engine *engine;
    struct sup_control_source source;
    pthread_t thread;
    bool runs;           /* there is a thread to join */
    int wake;            /* eventfd: something has come in; -1: none */
    atomic_bool closing; /* finish up */
    atomic_bool reload_asked;

    pthread_mutex_t mutex;           /* around what follows */
    struct sup_errand *first, *last; /* answers that have come */
    size_t owed;                     /* errands that have not been taken */
    struct sup_compile *compiled;    /* that have ended and were not taken */
    bool deaf;                       /* nobody takes answers any more */

    struct sup_compile *compiling; /* those that were begun and not taken; control thread, and
                                      closing */
    int cancel;                    /* eventfd: all of them are to end; -1: none was begun */

    /* the control thread's own */
    uint64_t ticket;    /* of the last errand */
    uv_loop_t *loop;    /* luv's; NULL: not open */
    bool in_loop;       /* an error has passed through the loop when this is left set */
    bool state_closing; /* no more callbacks into Lua */
};

/* The control thread that ${L} belongs to. */
struct sup_control *sup_control_of(lua_State *L);

/* A line of the host's own. Any thread. */
__attribute__((format(printf, 1, 2))) void sup_control_say(const char *format, ...);

/* Let the control thread look at what has come in. Any thread. */
void sup_control_wake(struct sup_control *control);

/* --- control.c: errands ----------------------------------------------------------------------- */

/* Hand in ${input}. Returns its ticket, or 0 with *error: -ENOMEM, -EBUSY (too many are under
   way), -ESHUTDOWN (the tree has ended). */
uint64_t sup_control_send(struct sup_control *control, const struct sup_input *input, int *error);

/* The next answer, which the caller frees with sup_control_free; NULL: none has come. */
struct sup_errand *sup_control_take(struct sup_control *control);
void sup_control_free(struct sup_errand *errand);

/* --- control_native.c ------------------------------------------------------------------------- */

/* The loader of suptree.control.native. May raise. */
int sup_control_open_native(lua_State *L);

/* --- control_handle.c ------------------------------------------------------------------------- */

/* Push the handle for whoever is at the other end of the connected socket ${fd}, and what is known
   about him as a table; or nil: he is not admitted. May raise. */
int sup_control_admit(lua_State *L, struct sup_control *control, int fd);

/* Hand in ${input}, push its ticket, or nil and the code of an error; returns how many. */
int sup_control_push_ticket(lua_State *L, const struct sup_input *input);

/* --- control_replicas.c ----------------------------------------------------------------------- */

/* The path by which ${node}, of ${path}, is meant with all that are the same; NULL: it is alone.
   Inside sup_engine_read. Returns ${buf}. */
const char *sup_control_group(const struct sup_view *view, sup_token node, const char *path,
                              char *buf, size_t size);
/* The method replicated of handles: see there. May raise. */
int sup_control_replicated(lua_State *L);
/* The notes of the table at ${index}, or none, as a userdata on the top; their texts are the
   table's. May raise. */
struct sup_plan_note *sup_control_read_notes(lua_State *L, int index, size_t *count);

/* --- control_reload.c ------------------------------------------------------------------------- */

/* Arguments from index ${first}: the blob, and the way as a text; at ${notes} an array of
   { path of replicas, note }, or nothing. Pushes the plan as JSON, or nil and a text; returns how
   many. May raise. */
int sup_control_plan(lua_State *L, int first, int notes, enum sup_plan_values values);
/* Arguments from index ${first} and results as for `reload`: see there. May raise. */
int sup_control_reload(lua_State *L, int first);
/* Add its functions to the module on the top. May raise. */
void sup_control_add_reload(lua_State *L);

/* --- control_compile.c ------------------------------------------------------------------------ */

/* Add its functions to the module on the top. May raise. */
void sup_control_add_compile(lua_State *L);
/* End what is under way, wait for it, and drop all results. The control thread must be gone. */
void sup_control_end_compiles(struct sup_control *control);

/* --- control_select.c ------------------------------------------------------------------------- */

/* The methods select and fits of handles: see there. May raise. */
int sup_control_select(lua_State *L, struct sup_control *control);
int sup_control_fits(lua_State *L);

/* --- control_explain.c ------------------------------------------------------------------------ */

/* The method explain of handles. May raise. */
int sup_control_explain(lua_State *L);

/* --- control_service.c ------------------------------------------------------------------------ */

/* The method rereads: how a service reads its settings again, and how far it is. May raise. */
int sup_control_rereads(lua_State *L);
/* The methods signal and environment of those who may change something. May raise. */
int sup_control_signal(lua_State *L);
int sup_control_environment(lua_State *L);

/* --- control_output.c ------------------------------------------------------------------------- */

/* The methods tail, follow, times and quote of handles. May raise. */
int sup_control_times(lua_State *L);
int sup_control_tail(lua_State *L);
int sup_control_follow(lua_State *L);
int sup_control_quote(lua_State *L);

/* --- control_usage.c -------------------------------------------------------------------------- */

/* What was seen of the processes of a node. */
struct sup_outside {
    bool has_usage;
    struct sup_usage usage;
    char why[512]; /* of one that is stuck: what holds it; "" else */
};

/* Look at ${count} (at most SUP_CONTROL_SLICE) nodes. Not inside sup_engine_read. */
void sup_control_look(struct sup_control *control, const sup_token *nodes, size_t count,
                      bool with_usage, struct sup_outside *outside);
/* The fields of it, into the object of the node. */
void sup_control_put_outside(struct sup_json *json, const struct sup_outside *outside);

/* --- control_node.c --------------------------------------------------------------------------- */

/* Write the object of ${node}, with what was seen ${outside} (NULL: nothing); false: there is none
   any more. Inside sup_engine_read. */
bool sup_control_write_node(struct sup_json *json, const struct sup_view *view, sup_token node,
                            const struct sup_outside *outside);

/* A JSON value that is being written: a userdata, so that an error does not leak it. */
struct sup_json *sup_control_push_json(lua_State *L);
/* Replace it, on the top, by its text; nil when it failed. May raise. */
void sup_control_finish_json(lua_State *L);

#endif
