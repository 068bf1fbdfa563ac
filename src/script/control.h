/*
** script/control.h: the control thread of a host: it answers on the control socket, with a
** lua_State of its own that runs suptree's own Lua only. If it dies it is started again; the engine
** never waits for it, but at the very end.
*/
#ifndef SUP_SCRIPT_CONTROL_H
#define SUP_SCRIPT_CONTROL_H

#include <stdbool.h>

struct sup_control;
struct sup_engine;

/* Of what the tree was made. */
struct sup_control_source {
    const char *file; /* as it was named at the start; NULL: it cannot be made again */
    bool named;       /* the tree's name was given beside it */
    bool watch;       /* reload whenever the file, or one that it reads, is saved */
};

/* NULL: there is no memory. Destroy it when the engine is gone. Texts of ${source} must outlive
   it. */
struct sup_control *sup_control_create(const struct sup_control_source *source);
void sup_control_destroy(struct sup_control *control); /* NULL is harmless */

/* For sup_host_options: ${control} is the context. */
void sup_control_opened(void *control, struct sup_engine *engine);
/* Somebody who has no connection wants a reload. Never blocks. */
void sup_control_asked(void *control);

/* Says what is still to be said, for at most a few seconds, ends the thread, and takes the socket
   away when the tree has ended. */
void sup_control_closing(void *control);

#endif
