/*
** spec/c/script_arena_test.c: the memory of a Lua state: blocks that stay what they are, the cap,
** and copies that are put back.
*/
#include "lib_test.h"
#include "script/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 400
#define STEPS 60000
#define NO_CAP ((size_t) 1 << 40)

struct block {
    unsigned char *bytes; /* NULL: none */
    size_t size;
    unsigned char mark;
};

static bool is_marked(const struct block *block)
{
    for (size_t i = 0; i < block->size; i++)
        if (block->bytes[i] != block->mark) return false;
    return true;
}

/* Mostly small, as in Lua. */
static size_t some_size(struct sup_test_chance *chance)
{
    size_t kind = sup_test_below(chance, 20);
    if (kind == 0) return 1 + sup_test_below(chance, 20000);
    if (kind < 3) return 1 + sup_test_below(chance, 2000);
    return 1 + sup_test_below(chance, 200);
}

static void resize(struct sup_arena *arena, struct block *block, size_t size)
{
    size_t kept = size < block->size ? size : block->size;
    unsigned char *moved = sup_arena_allocate(arena, block->bytes, block->size, size);
    if (size > 0) MUST(moved != NULL);
    for (size_t i = 0; i < kept; i++) MUST(moved[i] == block->mark);
    if (size > 0) memset(moved, block->mark, size);
    *block = (struct block){size > 0 ? moved : NULL, size, block->mark};
}

static void stir(struct sup_arena *arena, struct block *blocks, struct sup_test_chance *chance)
{
    struct block *block = &blocks[sup_test_below(chance, BLOCKS)];
    if (block->bytes != NULL) MUST(is_marked(block));
    if (block->bytes == NULL) block->mark = (unsigned char) sup_test_random(chance);
    bool ends = block->bytes != NULL && sup_test_below(chance, 3) > 0;
    resize(arena, block, ends ? 0 : some_size(chance));
}

static void blocks_are_never_shared(void)
{
    static const size_t sizes[] = {0, 4096, (size_t) 64 << 10, (size_t) 1 << 20};
    struct sup_test_chance chance = {20240301};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        static struct block blocks[BLOCKS];
        struct sup_arena *arena = sup_arena_create(sizes[i]);
        sup_test_case("a piece of %zu bytes", sizes[i]);
        MUST(arena != NULL);
        sup_arena_reset(arena, NO_CAP);
        memset(blocks, 0, sizeof blocks);
        for (int step = 0; step < STEPS; step++) stir(arena, blocks, &chance);
        for (int j = 0; j < BLOCKS; j++)
            if (blocks[j].bytes != NULL) resize(arena, &blocks[j], 0);
        CHECK(sup_arena_is_plain(arena));
        sup_arena_destroy(arena);
    }
    sup_test_case(NULL);
}

static void the_cap_holds_inside_and_outside(void)
{
    static const size_t sizes[] = {0, (size_t) 64 << 10};
    for (size_t i = 0; i < 2; i++) {
        struct sup_arena *arena = sup_arena_create(sizes[i]);
        MUST(arena != NULL);
        sup_arena_reset(arena, 1000);
        unsigned char *block = sup_arena_allocate(arena, NULL, 0, 600);
        MUST(block != NULL);
        CHECK(sup_arena_allocate(arena, NULL, 0, 401) == NULL);
        CHECK(sup_arena_allocate(arena, block, 600, 1001) == NULL);
        block = sup_arena_allocate(arena, block, 600, 1000);
        MUST(block != NULL);
        CHECK(sup_arena_allocate(arena, NULL, 0, 1) == NULL);
        block = sup_arena_allocate(arena, block, 1000, 10);
        MUST(block != NULL);
        unsigned char *other = sup_arena_allocate(arena, NULL, 0, 990);
        CHECK(other != NULL);
        sup_arena_allocate(arena, block, 10, 0);
        sup_arena_allocate(arena, other, 990, 0);
        sup_arena_destroy(arena);
    }
}

static void what_is_put_back_is_as_it_was(void)
{
    struct sup_test_chance chance = {7};
    static struct block blocks[BLOCKS], kept[BLOCKS];
    size_t size;
    struct sup_arena *arena = sup_arena_create((size_t) 1 << 20);
    MUST(arena != NULL);
    sup_arena_reset(arena, NO_CAP);
    for (int step = 0; step < 200; step++) stir(arena, blocks, &chance);
    memcpy(kept, blocks, sizeof kept);
    void *copy = sup_arena_save(arena, &size);
    MUST(copy != NULL);
    for (int round = 0; round < 50; round++) {
        for (int step = 0; step < 500; step++) stir(arena, blocks, &chance);
        if (!sup_arena_is_plain(arena)) { /* what lies outside has to go first */
            for (int j = 0; j < BLOCKS; j++)
                if (blocks[j].bytes != NULL) resize(arena, &blocks[j], 0);
        }
        sup_arena_restore(arena, copy, size);
        memcpy(blocks, kept, sizeof blocks);
        for (int j = 0; j < BLOCKS; j++) MUST(blocks[j].bytes == NULL || is_marked(&blocks[j]));
    }
    free(copy);
    sup_arena_destroy(arena);
}

static void userdata_and_what_is_outside_are_noticed(void)
{
    size_t size;
    struct sup_arena *arena = sup_arena_create((size_t) 16 << 10);
    MUST(arena != NULL);
    sup_arena_reset(arena, NO_CAP);
    CHECK(sup_arena_is_plain(arena));
    MUST(sup_arena_allocate(arena, NULL, 5 /* a table */, 56) != NULL);
    CHECK(sup_arena_is_plain(arena));
    MUST(sup_arena_allocate(arena, NULL, 7 /* a userdata */, 56) != NULL);
    CHECK(!sup_arena_is_plain(arena));
    void *copy = sup_arena_save(arena, &size);
    MUST(copy != NULL);
    CHECK(sup_arena_is_plain(arena));
    void *large = sup_arena_allocate(arena, NULL, 0, 20000);
    CHECK(!sup_arena_is_plain(arena));
    CHECK(sup_arena_save(arena, &size) == NULL);
    sup_arena_allocate(arena, large, 20000, 0);
    CHECK(sup_arena_is_plain(arena));
    free(copy);
    sup_arena_destroy(arena);
}

TEST_MAIN(TEST(blocks_are_never_shared), TEST(the_cap_holds_inside_and_outside),
          TEST(what_is_put_back_is_as_it_was), TEST(userdata_and_what_is_outside_are_noticed))
