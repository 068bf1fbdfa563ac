/*
** script/image.h: a fresh lua_State, as good as new, for a service that is run again on the thread
** that it ended on. The first run of an order makes a state and furnishes it. The second one does
** so again and keeps a copy of its memory. From the third on, that copy is put back where it was,
** which takes about a hundredth of the time; nothing in it moves, so whatever points into it is
** right.
**
** What must hold, and is looked after here: all of the furnished state lies in its arena (else
** there is no copy), and what a run leaves outside of it is given back, by closing the state before
** the copy is put back when it made userdata, took memory beyond the arena, or loaded a module in
** C. What the state refers to outside must be there for all runs: the caller sees to that. All runs
** share one seed for hashes; random numbers are to be seeded anew by the caller.
**
** In sanitized builds all memory comes from malloc, so that they see it, and each state is made
** anew. One thread alone.
*/
#ifndef SUP_SCRIPT_IMAGE_H
#define SUP_SCRIPT_IMAGE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: none yet. */
struct sup_image {
    struct sup_arena *arena; /* owned; NULL until the first state */
    lua_State *L;            /* the state in it */
    void *copy;              /* owned; NULL: none */
    size_t size;             /* of the copy */
    uint64_t order;          /* that it is of */
    unsigned runs;           /* of that order, until there is a copy */
};

void sup_image_finish(struct sup_image *image);

/*
** A state for a run of ${order}, which may take ${cap} bytes. ${furnished}: it is as it was when
** sup_image_keep was called; else there is nothing in it. NULL: no memory.
*/
lua_State *sup_image_begin(struct sup_image *image, uint64_t order, size_t cap, bool *furnished);

/* The state is furnished: keep a copy if it is likely to be used. Not inside a call of it. */
void sup_image_keep(struct sup_image *image);

/* What the state refers to outside has changed: copies are no longer right. Between runs. */
void sup_image_forget(struct sup_image *image);

/* The run is over: nothing of the state is used any more. Blocks as long as finalizers do. Not
   inside a call of it. */
void sup_image_end(struct sup_image *image);

#endif
