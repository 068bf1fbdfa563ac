/*
** engine/door.h: who may be in the core: the engine thread, or services' own threads one at a time.
** Only files of src/engine include it.
**
** The engine thread shuts the door when it wakes (sup_engine_tick) and opens it when the instant is
** settled (sup_loop_settle). In between it alone changes the tree, and needs the mutex only against
** readers. While the door is open it touches neither the tree nor the slots.
*/
#ifndef SUP_ENGINE_DOOR_H
#define SUP_ENGINE_DOOR_H

#include "engine/notes.h"
#include "engine/workers.h"

#include <stdatomic.h>
#include <stdbool.h>

struct sup_engine;

struct sup_door {
    bool inside;             /* the engine thread is; its own, and read with the mutex */
    _Atomic bool shut;       /* service threads stay out; changed to false with the mutex alone */
    _Atomic bool called;     /* the engine thread was called in, and has not come yet */
    _Atomic bool listening;  /* it looks at the notes soon, by itself */
    _Atomic bool hurried;    /* it was called because many notes wait */
    struct sup_thread *over; /* its end was applied; to be parked before anything is performed */
    struct sup_notes notes;  /* put with the mutex */
};

/* --- the engine thread ------------------------------------------------------------------------ */

/* Shut, with the engine thread inside. */
void sup_door_init(struct sup_door *door);
/* Wait for who is inside, tell what they did. False: it was shut already. */
bool sup_door_shut(struct sup_engine *engine);
/* Perform what they left; before anything is applied. */
void sup_door_catch_up(struct sup_engine *engine);
void sup_door_open(struct sup_engine *engine);
/* Tell the notes that are there now. True: there were some. Inside or not. */
bool sup_door_tell(struct sup_engine *engine);
/* The same. False: it was quiet; the next note calls. True: look again soon. */
bool sup_door_listens(struct sup_engine *engine);
/* The workers are about to be finished; nobody gets in any more. */
void sup_door_finish(struct sup_engine *engine);

/* --- any thread ------------------------------------------------------------------------------- */

/* How the threads of services get in. */
struct sup_workers_ears sup_door_ears(struct sup_engine *engine);

#endif
