/*
** script/hooks.h: the hook thread of a host: functions of a configuration (on_event) that are told
** what happens. It has a lua_State of its own and reads the engine's ring of events with a cursor:
** supervision never waits for it, and what it is too slow for it is told as missed.
*/
#ifndef SUP_SCRIPT_HOOKS_H
#define SUP_SCRIPT_HOOKS_H

struct sup_engine;
struct sup_hooks;

/* NULL: no memory. */
struct sup_hooks *sup_hooks_create(void);
void sup_hooks_destroy(struct sup_hooks *hooks); /* NULL is harmless */

/* As opened and closing of struct sup_host_options, on the engine thread. Closing gives a hook that
   runs a moment to tell the last events, and then leaves it behind. */
void sup_hooks_opened(struct sup_hooks *hooks, struct sup_engine *engine);
void sup_hooks_closing(struct sup_hooks *hooks);

#endif
