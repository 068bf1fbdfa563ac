/*
** log/notes.c: see notes.h.
*/
#define _GNU_SOURCE
#include "log/notes.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLE 1024 /* bytes of each end that tell one turn from another */

_Static_assert(SUP_NOTES * sizeof(struct sup_note) <= SUP_RINGS_NOTES_BYTES, "there is room");

static uint64_t mix(uint64_t print, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) print = (print ^ bytes[i]) * UINT64_C(0x100000001b3);
    return print;
}

static uint64_t make_print(const uint8_t *bytes, size_t size)
{
    size_t part = size < SAMPLE ? size : SAMPLE;
    uint64_t print = mix(UINT64_C(0xcbf29ce484222325) ^ size, bytes, part);
    return mix(print, bytes + size - part, part);
}

static bool find_memory(struct sup_notes *notes, bool may_grow)
{
    if (notes->shared != NULL) return true;
    if (notes->is_missing) return false;
    notes->shared = sup_rings_notes(notes->rings, may_grow);
    notes->is_missing = may_grow && notes->shared == NULL;
    return notes->shared != NULL;
}

void sup_notes_init(struct sup_notes *notes, struct sup_rings *rings)
{
    *notes = (struct sup_notes){.rings = rings};
    (void) find_memory(notes, false);
}

/* A free note; when all are taken, that of somebody who never came back. */
static struct sup_note *choose_note(struct sup_notes *notes)
{
    for (size_t i = 0; i < SUP_NOTES; i++)
        if (notes->shared[i].phase == SUP_NOTE_NONE) return &notes->shared[i];
    return &notes->shared[0];
}

static void set_phase(struct sup_note *note, enum sup_note_phase phase)
{
    if (note != NULL) __atomic_store_n(&note->phase, (uint32_t) phase, __ATOMIC_RELEASE);
}

struct sup_note *sup_notes_begin(struct sup_notes *notes, uint64_t node,
                                 const struct sup_file *file, const uint8_t *bytes, size_t size,
                                 size_t pending)
{
    if (!find_memory(notes, true)) return NULL;
    struct sup_note *note = choose_note(notes);
    set_phase(note, SUP_NOTE_NONE);
    note->node = node;
    note->device = file->device;
    note->inode = file->inode;
    note->end = file->size;
    note->size = size;
    note->pending = pending;
    note->print = make_print(bytes, size);
    set_phase(note, SUP_NOTE_WRITING);
    return note;
}

void sup_note_written(struct sup_note *note)
{
    set_phase(note, SUP_NOTE_WRITTEN);
}

void sup_note_end(struct sup_note *note)
{
    set_phase(note, SUP_NOTE_NONE);
}

void sup_notes_mend_file(struct sup_notes *notes, const struct sup_file *file)
{
    struct stat status;
    for (size_t i = 0; notes->shared != NULL && i < SUP_NOTES; i++) {
        struct sup_note *note = &notes->shared[i];
        if (note->phase != SUP_NOTE_WRITING || note->device != file->device ||
            note->inode != file->inode)
            continue;
        if (fstat(file->fd, &status) == 0 && (uint64_t) status.st_size > note->end &&
            ftruncate(file->fd, (off_t) note->end) < 0)
            continue;
        sup_note_end(note);
    }
}

/* Is what ${note} has written still in the pipe? It can only have grown since, unless it was taken
   out. */
static bool is_still_there(const struct sup_note *note, int pipe, struct sup_staging *staging,
                           uint8_t *scratch)
{
    int pending = 0;
    if (ioctl(pipe, FIONREAD, &pending) < 0 || (uint64_t) pending < note->pending) return false;
    ssize_t got = sup_staging_peek(staging, pipe, scratch, (size_t) note->size);
    return got == (ssize_t) note->size && make_print(scratch, (size_t) got) == note->print;
}

void sup_notes_mend_pipe(struct sup_notes *notes, uint64_t node, int pipe,
                         struct sup_staging *staging, uint8_t *scratch)
{
    for (size_t i = 0; notes->shared != NULL && i < SUP_NOTES; i++) {
        struct sup_note *note = &notes->shared[i];
        if (note->phase != SUP_NOTE_WRITTEN || note->node != node) continue;
        if (is_still_there(note, pipe, staging, scratch))
            (void) sup_staging_consume(staging, pipe, (size_t) note->size);
        sup_note_end(note);
    }
}
