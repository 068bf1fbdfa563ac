/*
** script/arena.h: the memory of one Lua state: an allocator with a cap, and a piece of memory of
** its own from which small blocks are cut without heads. What does not fit there comes from malloc.
** As long as all of it lies in that piece, it can be copied and put back: see script/image.h.
**
** One thread at a time. Must not know what is in the state.
*/
#ifndef SUP_SCRIPT_ARENA_H
#define SUP_SCRIPT_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct sup_arena;

/* With a piece of ${size} bytes, of which only those that are used take memory; 0: all comes from
   malloc. NULL: no memory. */
struct sup_arena *sup_arena_create(size_t size);
void sup_arena_destroy(struct sup_arena *arena); /* NULL is harmless */

/* Begin anew, with nothing allocated: blocks of before are invalid. At most ${cap} bytes. */
void sup_arena_reset(struct sup_arena *arena, size_t cap);

/* As lua_Alloc wants it; ${arena} is a struct sup_arena. Shrinking never fails. */
void *sup_arena_allocate(void *arena, void *block, size_t old_size, size_t size);

/* A copy of all that is allocated, malloc()ed; NULL: some of it is outside, or no memory. */
void *sup_arena_save(struct sup_arena *arena, size_t *size);
/* Put that copy back. Nothing may be outside. */
void sup_arena_restore(struct sup_arena *arena, const void *copy, size_t size);

/* Is all inside, and has no Lua userdata been made since it was reset or saved? */
bool sup_arena_is_plain(const struct sup_arena *arena);

#endif
