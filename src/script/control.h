/*
** script/control.h: the control thread of a host: it answers on the control socket, with a
** lua_State of its own that runs suptree's own Lua only. If it dies it is started again; the engine
** never waits for it, but at the very end.
*/
#ifndef SUP_SCRIPT_CONTROL_H
#define SUP_SCRIPT_CONTROL_H

struct sup_control;
struct sup_engine;

/* NULL: there is no memory. Destroy it when the engine is gone. */
struct sup_control *sup_control_create(void);
void sup_control_destroy(struct sup_control *control); /* NULL is harmless */

/* For sup_host_options: ${control} is the context. Without a socket, nothing is started. */
void sup_control_opened(void *control, struct sup_engine *engine);

/* Says what is still to be said, for at most a few seconds, ends the thread, and takes the socket
   away when the tree has ended. */
void sup_control_closing(void *control);

#endif
