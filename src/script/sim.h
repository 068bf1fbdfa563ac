/*
** script/sim.h: the pure core as a Lua module, for lua/suptree/sim.lua, which puts a virtual world
** around it.
*/
#ifndef SUP_SCRIPT_SIM_H
#define SUP_SCRIPT_SIM_H

#include <lua.h>

/*
** Push the module `suptree.core`:
**   create(blob, seed) -> tree, or nil and a text that says what is wrong with the blob
**   restore(bytes)     -> tree, or nil and a text
**   duration(value)    -> nanoseconds of a number of seconds or of a text like "1m30s", or nil
**   duration_text(ns)  -> the shortest exact text
**   errno(name)        -> number and text of "ENOENT" and friends, or nil
**   signal(name)       -> number of "TERM", "SIGTERM" or "15", or nil
**   infinity           -> the nanoseconds that mean never
** A tree (a userdata; closed by the collector or by __close) has:
**   apply(input, now_ns) -> array of effects, drained; texts are copied
**   deadline()           -> nanoseconds, or nil when nothing is due
**   find(path), next(token), root() -> token, or nil
**   path(token) -> text, or nil       status(token, now_ns) -> table, or nil
**   because(token) -> array of { node, path, cause, state, text }
**   spec(token) -> { kind, ready, ready_delay_ns, stop_signal, start_timeout_ns } or nil
**   stop_rank(token) -> number        ended() -> exit code, or nil while it has not
**   plan(blob) -> what a reload would do, an array of { kind, path, new_name, other, fields } with
**                 kind "keep", "update", "restart", "follow", "add" or "remove"; or nil and a text
**   save() -> bytes
** Names in tables (types, states, causes, outcomes) are the lower-case words of core/tree.h.
** Misuse raises. Tokens are integers.
*/
int sup_sim_open(lua_State *L);

#endif
