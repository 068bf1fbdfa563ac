/*
** log/notes.c: see notes.h.
*/
#define _GNU_SOURCE
#include "log/notes.h"

#include <sys/stat.h>
#include <unistd.h>

_Static_assert(SUP_NOTES * sizeof(struct sup_note) <= SUP_RINGS_NOTES_BYTES, "there is room");

static bool find_memory(struct sup_notes *notes, bool may_grow)
{
    if (notes->shared != NULL) return true;
    if (notes->is_missing) return false;
    notes->shared = sup_rings_notes(notes->rings, may_grow);
    notes->is_missing = may_grow && notes->shared == NULL;
    return notes->shared != NULL;
}

static void set_phase(struct sup_note *note, enum sup_note_phase phase)
{
    if (note != NULL) __atomic_store_n(&note->phase, (uint32_t) phase, __ATOMIC_RELEASE);
}

/* Between the two a process died: what the staging pipe has is out of the other one. */
static void settle_taking(struct sup_note *note, const struct sup_staging *staging)
{
    size_t taken = sup_staging_pending(staging);
    if (taken >= note->size) {
        set_phase(note, SUP_NOTE_NONE);
        return;
    }
    note->size -= taken;
    set_phase(note, SUP_NOTE_OWED);
}

void sup_notes_init(struct sup_notes *notes, struct sup_rings *rings, struct sup_staging *staging)
{
    *notes = (struct sup_notes){.rings = rings};
    if (find_memory(notes, false))
        for (size_t i = 0; i < SUP_NOTES; i++)
            if (notes->shared[i].phase == SUP_NOTE_TAKING)
                settle_taking(&notes->shared[i], staging);
    sup_staging_empty(staging);
}

/* A free note; when all are taken, that of somebody who never came back. */
static struct sup_note *choose_note(struct sup_notes *notes)
{
    for (size_t i = 0; i < SUP_NOTES; i++)
        if (notes->shared[i].phase == SUP_NOTE_NONE) return &notes->shared[i];
    return &notes->shared[0];
}

struct sup_note *sup_notes_begin(struct sup_notes *notes, uint64_t node,
                                 const struct sup_file *file, size_t size)
{
    if (!find_memory(notes, true)) return NULL;
    struct sup_note *note = choose_note(notes);
    set_phase(note, SUP_NOTE_NONE);
    note->node = node;
    note->device = file->device;
    note->inode = file->inode;
    note->end = file->size;
    note->size = size;
    set_phase(note, SUP_NOTE_WRITING);
    return note;
}

void sup_note_take_out(struct sup_note *note, struct sup_staging *staging, int pipe, size_t size)
{
    set_phase(note, SUP_NOTE_TAKING);
    sup_staging_take(staging, pipe, size);
    set_phase(note, SUP_NOTE_NONE);
    sup_staging_empty(staging);
}

void sup_note_drop(struct sup_note *note)
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
        set_phase(note, SUP_NOTE_NONE);
    }
}

void sup_notes_mend_pipe(struct sup_notes *notes, uint64_t node, int pipe,
                         struct sup_staging *staging)
{
    for (size_t i = 0; notes->shared != NULL && i < SUP_NOTES; i++) {
        struct sup_note *note = &notes->shared[i];
        if (note->phase == SUP_NOTE_OWED && note->node == node)
            sup_note_take_out(note, staging, pipe, (size_t) note->size);
    }
}
