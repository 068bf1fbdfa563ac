/*
** script/arena.c: cutting blocks. A block of the piece has no head, as Lua says its size when it
** gives it back; it then waits in the list of its size. What is left of a larger one that is used
** goes into the lists of its parts.
*/
#include "script/arena.h"

#include <lua.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GRAIN ((size_t) 8)   /* what Lua wants blocks to be aligned to */
#define SMALL ((size_t) 512) /* up to here there is a list for each size, then for powers of 2 */
#define SMALL_CLASSES ((unsigned) (SMALL / GRAIN))
#define CLASSES (SMALL_CLASSES + 7U)

_Static_assert(CLASSES <= 128, "a bit for each");

/* At the front of the piece, so that it is copied with it. */
struct sup_arena {
    size_t size;     /* of the piece, with this head; 0: there is none */
    size_t cap;      /* bytes that may be allocated */
    size_t used;     /* as Lua counts them */
    size_t outside;  /* blocks from malloc */
    size_t userdata; /* made since reset or save */
    size_t top;      /* offset of what was never cut */
    /* Offset of the first free block of a class, which begins with that of the next; 0: none. */
    uint32_t free[CLASSES];
    uint64_t filled[2]; /* a bit for each class that has one */
};

#define HEAD ((sizeof(struct sup_arena) + GRAIN - 1) / GRAIN * GRAIN)

/* --- blocks in the piece ---------------------------------------------------------------------- */

static size_t round_up(size_t size)
{
    return (size + GRAIN - 1) / GRAIN * GRAIN;
}

static size_t size_of(unsigned class)
{
    return class < SMALL_CLASSES ? (class + 1) * GRAIN : SMALL << (class - SMALL_CLASSES + 1);
}

/* The class with the largest blocks of at most ${size}. */
static unsigned class_within(size_t size)
{
    if (size <= SMALL) return (unsigned) (size / GRAIN) - 1;
    unsigned class = SMALL_CLASSES - 1;
    while (class + 1 < CLASSES && size_of(class + 1) <= size) class ++;
    return class;
}

static unsigned class_for(size_t size)
{
    unsigned class = class_within(size);
    return size_of(class) < size ? class + 1 : class;
}

static void *at(struct sup_arena *arena, size_t offset)
{
    return (unsigned char *) arena + offset;
}

/* The first class from ${class} on with a free block; CLASSES: none. */
static unsigned find_filled(const struct sup_arena *arena, unsigned class)
{
    for (unsigned word = class / 64; word < 2; word++, class = word * 64) {
        uint64_t bits = arena->filled[word] >> (class % 64);
        if (bits != 0) return class + (unsigned) __builtin_ctzll(bits);
    }
    return CLASSES;
}

static void set_first(struct sup_arena *arena, unsigned class, uint32_t offset)
{
    uint64_t bit = UINT64_C(1) << (class % 64);
    arena->free[class] = offset;
    if (offset != 0) arena->filled[class / 64] |= bit;
    else arena->filled[class / 64] &= ~bit;
}

static void give_back(struct sup_arena *arena, size_t offset, size_t size)
{
    if (offset + size == arena->top) {
        arena->top = offset;
        return;
    }
    while (size > 0) {
        unsigned class = class_within(size);
        memcpy(at(arena, offset), &arena->free[class], sizeof arena->free[class]);
        set_first(arena, class, (uint32_t) offset);
        offset += size_of(class);
        size -= size_of(class);
    }
}

static void *take_from(struct sup_arena *arena, unsigned class, size_t size)
{
    uint32_t offset = arena->free[class], next;
    void *block = at(arena, offset);
    memcpy(&next, block, sizeof next);
    set_first(arena, class, next);
    if (size_of(class) > size) give_back(arena, offset + size, size_of(class) - size);
    return block;
}

/* NULL: there is no room. What is free is used first: few pages are touched. */
static void *cut(struct sup_arena *arena, size_t size)
{
    if (size > arena->size) return NULL;
    unsigned class = find_filled(arena, class_for(size));
    if (class < CLASSES) return take_from(arena, class, size);
    if (size > arena->size - arena->top) return NULL;
    void *block = at(arena, arena->top);
    arena->top += size;
    return block;
}

static bool is_inside(const struct sup_arena *arena, const void *block)
{
    size_t offset = (size_t) ((uintptr_t) block - (uintptr_t) arena);
    return offset < arena->size;
}

static size_t offset_of(const struct sup_arena *arena, const void *block)
{
    return (size_t) ((const unsigned char *) block - (const unsigned char *) arena);
}

/* --- allocating ------------------------------------------------------------------------------- */

static void *allocate_new(struct sup_arena *arena, size_t size)
{
    void *block = cut(arena, round_up(size));
    if (block != NULL) return block;
    block = malloc(size);
    if (block != NULL) arena->outside++;
    return block;
}

static void release(struct sup_arena *arena, void *block, size_t size)
{
    if (is_inside(arena, block)) {
        give_back(arena, offset_of(arena, block), round_up(size));
    } else {
        free(block);
        arena->outside--;
    }
}

/* Can the block grow or shrink where it is? */
static bool resize_inside(struct sup_arena *arena, void *block, size_t old_size, size_t size)
{
    size_t offset = offset_of(arena, block), had = round_up(old_size), wants = round_up(size);
    if (wants < had) give_back(arena, offset + wants, had - wants);
    if (wants <= had) return true;
    if (offset + had != arena->top || wants - had > arena->size - arena->top) return false;
    arena->top += wants - had;
    return true;
}

static void *resize(struct sup_arena *arena, void *block, size_t old_size, size_t size)
{
    if (!is_inside(arena, block)) {
        void *moved = realloc(block, size);
        return moved == NULL && size <= old_size ? block : moved;
    }
    if (resize_inside(arena, block, old_size, size)) return block;
    void *moved = allocate_new(arena, size);
    if (moved == NULL) return NULL;
    memcpy(moved, block, old_size < size ? old_size : size);
    release(arena, block, old_size);
    return moved;
}

void *sup_arena_allocate(void *data, void *block, size_t old_size, size_t size)
{
    struct sup_arena *arena = data;
    size_t had = block != NULL ? old_size : 0; /* without a block it is a type, not a size */
    if (size == 0) {
        if (block != NULL) release(arena, block, had);
        arena->used -= had;
        return NULL;
    }
    if (size > had && size - had > arena->cap - arena->used) return NULL;
    if (block == NULL && old_size == LUA_TUSERDATA) arena->userdata++;
    void *result = block == NULL ? allocate_new(arena, size) : resize(arena, block, old_size, size);
    if (result != NULL) arena->used = arena->used - had + size;
    return result;
}

/* --- the whole -------------------------------------------------------------------------------- */

struct sup_arena *sup_arena_create(size_t size)
{
    struct sup_arena *arena;
    if (size == 0) {
        arena = malloc(sizeof *arena);
    } else {
        arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (arena == MAP_FAILED) return NULL;
        madvise(arena, size, MADV_NOHUGEPAGE); /* most of it is never used */
    }
    if (arena == NULL) return NULL;
    arena->size = size;
    sup_arena_reset(arena, SIZE_MAX);
    return arena;
}

void sup_arena_destroy(struct sup_arena *arena)
{
    if (arena == NULL) return;
    if (arena->size > 0) munmap(arena, arena->size);
    else free(arena);
}

void sup_arena_reset(struct sup_arena *arena, size_t cap)
{
    *arena = (struct sup_arena){.size = arena->size, .cap = cap, .top = HEAD};
}

void *sup_arena_save(struct sup_arena *arena, size_t *size)
{
    *size = arena->top;
    if (arena->outside > 0 || arena->size == 0) return NULL;
    arena->userdata = 0;
    void *copy = malloc(*size);
    if (copy != NULL) memcpy(copy, arena, *size);
    return copy;
}

void sup_arena_restore(struct sup_arena *arena, const void *copy, size_t size)
{
    memcpy(arena, copy, size);
}

bool sup_arena_is_plain(const struct sup_arena *arena)
{
    return arena->outside == 0 && arena->userdata == 0;
}
