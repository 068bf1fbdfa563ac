/*
** engine/notes.c: the ring. Records lie in one piece each, so that they can be read where they are.
*/
#include "engine/notes.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define ROOM ((size_t) 512 << 10)
/* The record with two texts for its events, and its paths. */
#define LONGEST \
    ((sizeof(struct sup_note) + 2 * (size_t) (SUP_TEXT_MAX + 1) + sizeof(struct sup_told_paths) + \
      7) / \
     8 * 8)

void sup_notes_finish(struct sup_notes *notes)
{
    free(notes->bytes);
    notes->bytes = NULL;
}

static size_t used(const struct sup_notes *notes)
{
    uint64_t head = atomic_load_explicit(&notes->head, memory_order_acquire);
    return (size_t) (atomic_load_explicit(&notes->tail, memory_order_relaxed) - head);
}

/* Twice the longest: one may not fit in front of the end. */
bool sup_notes_have_room(struct sup_notes *notes)
{
    if (notes->bytes == NULL) notes->bytes = malloc(ROOM);
    return notes->bytes != NULL && ROOM - used(notes) >= 2 * LONGEST;
}

bool sup_notes_half_full(const struct sup_notes *notes)
{
    return used(notes) >= ROOM / 2;
}

/* --- putting ---------------------------------------------------------------------------------- */

/* Behind the record at ${place}; advances it. */
static const char *copy_text(unsigned char **place, const char *text)
{
    size_t size = strlen(text) + 1;
    const char *copy = memcpy(*place, text, size);
    *place += size;
    return copy;
}

static uint32_t write_record(unsigned char *at, const struct sup_note *note)
{
    struct sup_note *copy = (void *) at;
    size_t head = offsetof(struct sup_note, effect) + note->count * sizeof note->effect[0];
    unsigned char *end = at + head;
    const char *text = NULL, *kept = NULL; /* an end and its failure have the same */
    memcpy(copy, note, head);
    copy->path = copy_text(&end, note->path);
    copy->other = copy_text(&end, note->other);
    for (uint32_t i = 0; i < note->count; i++) {
        struct sup_event *event = &copy->effect[i].event;
        if (event->text == NULL) continue;
        if (event->text != text) kept = copy_text(&end, text = event->text);
        event->text = kept;
    }
    copy->size = (uint32_t) ((size_t) (end - at + 7) / 8 * 8);
    return copy->size;
}

void sup_notes_put(struct sup_notes *notes, const struct sup_note *note)
{
    uint64_t tail = atomic_load_explicit(&notes->tail, memory_order_relaxed);
    size_t place = (size_t) (tail % ROOM);
    if (ROOM - place < LONGEST) {
        const uint32_t filler[2] = {(uint32_t) (ROOM - place), 0};
        memcpy(notes->bytes + place, filler, sizeof filler);
        tail += ROOM - place;
        place = 0;
    }
    tail += write_record(notes->bytes + place, note);
    atomic_store_explicit(&notes->tail, tail, memory_order_seq_cst);
}

/* --- taking ----------------------------------------------------------------------------------- */

static void advance(struct sup_notes *notes, uint32_t size)
{
    uint64_t head = atomic_load_explicit(&notes->head, memory_order_relaxed);
    atomic_store_explicit(&notes->head, head + size, memory_order_release);
}

uint64_t sup_notes_end(const struct sup_notes *notes)
{
    return atomic_load_explicit(&notes->tail, memory_order_seq_cst);
}

const struct sup_note *sup_notes_first(struct sup_notes *notes, uint64_t end)
{
    for (;;) {
        uint64_t head = atomic_load_explicit(&notes->head, memory_order_relaxed);
        if (head == end) return NULL;
        const struct sup_note *note = (const void *) (notes->bytes + head % ROOM);
        if (note->count > 0) return note;
        advance(notes, note->size);
    }
}

void sup_notes_drop(struct sup_notes *notes, const struct sup_note *note)
{
    advance(notes, note->size);
}
