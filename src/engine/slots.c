/*
** engine/slots.c: the table of slots. Must not know what drivers do with them.
*/
#include "engine/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct sup_slot empty = {.pidfd = -1, .notify = -1, .ready_line = -1};

static size_t index_of(sup_token node)
{
    return (size_t) (node & UINT32_MAX);
}

size_t sup_slots_room(const struct sup_slots *slots)
{
    return slots->chunk_count * SUP_SLOT_CHUNK;
}

struct sup_slot *sup_slots_at(const struct sup_slots *slots, size_t index)
{
    if (index >= sup_slots_room(slots)) return NULL;
    return &slots->chunks[index / SUP_SLOT_CHUNK][index % SUP_SLOT_CHUNK];
}

void sup_slot_explain(struct sup_slot *slot, const char *text)
{
    free(slot->failed_own);
    slot->failed_own = strdup(text);
    slot->failed_text = slot->failed_own != NULL ? slot->failed_own : "there is no memory to say";
}

void sup_slot_clear(struct sup_slot *slot)
{
    if (slot->pidfd >= 0) close(slot->pidfd);
    free(slot->health);
    if (slot->notify >= 0) close(slot->notify);
    if (slot->ready_line >= 0) close(slot->ready_line);
    free(slot->failed_own);
    *slot = empty;
}

void sup_slots_finish(struct sup_slots *slots)
{
    for (size_t i = 0; i < sup_slots_room(slots); i++) sup_slot_clear(sup_slots_at(slots, i));
    for (size_t i = 0; i < slots->chunk_count; i++) free(slots->chunks[i]);
    free(slots->chunks);
    *slots = (struct sup_slots){0};
}

static struct sup_slot *create_chunk(void)
{
    struct sup_slot *chunk = malloc(SUP_SLOT_CHUNK * sizeof *chunk);
    if (chunk == NULL) return NULL;
    for (size_t i = 0; i < SUP_SLOT_CHUNK; i++) chunk[i] = empty;
    return chunk;
}

int sup_slots_reserve(struct sup_slots *slots, size_t more)
{
    size_t wanted = (slots->top + more + SUP_SLOT_CHUNK) / SUP_SLOT_CHUNK;
    if (wanted <= slots->chunk_count) return 0;
    struct sup_slot **chunks = realloc(slots->chunks, wanted * sizeof *chunks);
    if (chunks == NULL) return -ENOMEM;
    slots->chunks = chunks;
    while (slots->chunk_count < wanted) {
        struct sup_slot *chunk = create_chunk();
        if (chunk == NULL) return -ENOMEM;
        slots->chunks[slots->chunk_count++] = chunk;
    }
    return 0;
}

struct sup_slot *sup_slots_find(const struct sup_slots *slots, sup_token node)
{
    struct sup_slot *slot = sup_slots_at(slots, index_of(node));
    return slot != NULL && node != 0 && slot->node == node ? slot : NULL;
}

struct sup_slot *sup_slots_take(struct sup_slots *slots, sup_token node)
{
    struct sup_slot *slot = sup_slots_at(slots, index_of(node));
    if (slot == NULL && index_of(node) >= slots->top &&
        sup_slots_reserve(slots, index_of(node) - slots->top + 1) == 0)
        slot = sup_slots_at(slots, index_of(node));
    if (slot == NULL || slot->node == node) return slot;
    sup_slot_clear(slot);
    slot->node = node;
    if (index_of(node) >= slots->top) slots->top = index_of(node) + 1;
    return slot;
}
