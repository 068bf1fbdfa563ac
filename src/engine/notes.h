/*
** engine/notes.h: restarts that a service's own thread has made, on their way to the engine thread,
** which tells their events: a ring of bounded size that holds copies of all that telling needs.
**
** One thread at a time puts (with the engine's mutex), one takes; neither waits for the other. When
** the ring is full nothing is put: the restart is then left to the engine thread.
*/
#ifndef SUP_ENGINE_NOTES_H
#define SUP_ENGINE_NOTES_H

#include "core/event.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_NOTE_EFFECTS 4 /* most effects of a note */

/* The events of one fact or of a whole restart, of one node, in order. */
struct sup_note {
    uint32_t size;  /* of the record in the ring; chosen by put */
    uint32_t count; /* of effects; 0 in the ring: the record fills its end */
    bool has_condition;
    int64_t ran_ns;    /* of the instance that ended, or until it was ready; < 0: unknown */
    const char *path;  /* of the node */
    const char *other; /* path of event.other; "" without */
    uint64_t seq;      /* of the last effect that is over with this note */
    struct sup_effect effect[SUP_NOTE_EFFECTS]; /* all of type EVENT, without context */
};

/* Zeroed: nothing has been put. */
struct sup_notes {
    unsigned char *bytes;  /* owned; NULL until the first put */
    _Atomic uint64_t head; /* where the next is taken */
    _Atomic uint64_t tail; /* where the next is put */
};

void sup_notes_finish(struct sup_notes *notes);

/* Is there room for any note? Takes the memory for the ring the first time. */
bool sup_notes_have_room(struct sup_notes *notes);
/* Copy ${note} and the texts that it points to. There must be room. */
void sup_notes_put(struct sup_notes *notes, const struct sup_note *note);
bool sup_notes_half_full(const struct sup_notes *notes);

/* Behind the notes that are there now. */
uint64_t sup_notes_end(const struct sup_notes *notes);
/* The oldest note in front of ${end}, valid until it is dropped; NULL: none. */
const struct sup_note *sup_notes_first(struct sup_notes *notes, uint64_t end);
void sup_notes_drop(struct sup_notes *notes, const struct sup_note *note);

#endif
