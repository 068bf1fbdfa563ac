/*
** script/core_tables.h: what goes into the core and what comes out of it, as Lua tables. The words
** in them are those of core/tree.h in lower case. All of these may raise; none owns anything.
*/
#ifndef SUP_SCRIPT_CORE_TABLES_H
#define SUP_SCRIPT_CORE_TABLES_H

#include "core/plan.h"
#include "core/tree.h"

#include <lua.h>

/*
** Fill ${input} from the table at ${index} (absolute): { type, node, instance, request, wait, flag,
** wait_ns, outcome, code, text, blob }. Strings are left on the stack, up to two of them: ${input}
** points into them. Raises when a field is not what it should be.
*/
void sup_core_read_input(lua_State *L, int index, struct sup_input *input);

/*
** { type, seq, … }: an event has its fields in `event`, a reply { request, status, text, node,
** path }, the others { node, path, generation, instance }.
*/
void sup_core_push_effect(lua_State *L, const struct sup_tree *tree,
                          const struct sup_effect *effect);

/*
** The fields of the schema (core/event.h) of an event effect. Times are those of the tree's own
** clock in seconds: virtual time starts at 0, so that it needs no offset.
*/
void sup_core_push_event(lua_State *L, const struct sup_tree *tree,
                         const struct sup_effect *effect);

/* Every member of struct sup_status; { outcome, code, text } are of its last end. */
void sup_core_push_status(lua_State *L, const struct sup_tree *tree,
                          const struct sup_status *status);

/* { node, path, cause, state } and of its last end { outcome, code, text }. */
void sup_core_push_because(lua_State *L, const struct sup_tree *tree,
                           const struct sup_because *because);

/* { name, kind, ready, ready_delay_ns, stop_signal, start_timeout_ns }. */
void sup_core_push_spec(lua_State *L, const struct sup_spec *spec);

/*
** { kind, path, new_name, other, fields }: kind is a word of enum sup_change_kind, path the one it
** has, or will have if it is new; new_name is set for what is renamed; fields are the
** names of the options that differ, as many as the core lists.
*/
void sup_core_push_change(lua_State *L, const struct sup_tree *tree,
                          const struct sup_change *change);

/* ${value}, or nil when ${is_given} is false. Returns 1. */
int sup_core_push_integer_if(lua_State *L, bool is_given, lua_Integer value);

/* ${node} as an integer, or nil for none. Returns 1. */
int sup_core_push_token(lua_State *L, sup_token node);

#endif
