/*
** engine/tap.h: the last events, in a ring that outlives the host: the keeper holds its memory.
** The engine thread writes, in a form that costs it little; any thread reads lines of JSON with a
** cursor of its own, and is told how many it has missed when the ring has gone over it.
**
** The lock is held for the moment of a copy. Must not know what an event means.
*/
#ifndef SUP_ENGINE_TAP_H
#define SUP_ENGINE_TAP_H

#include "core/event.h"
#include "engine/engine.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_TAP_BYTES ((size_t) 1 << 20)

struct sup_tap_head;

/* Initialise with sup_tap_init; finish is right for zeroed memory. */
struct sup_tap {
    pthread_mutex_t mutex;
    struct sup_tap_head *head; /* NULL: there is no ring, and nothing is kept */
    int fd;                    /* of its memory; -1: the keeper has it, or nobody can */
    struct {
        void (*wake)(void *context); /* NULL: nobody */
        void *context;
        bool awaited; /* it has read to the end and is to be woken */
    } ears[SUP_EAR_COUNT];
    bool open;
};

/*
** Go on with the ring in ${fd} (taken over; -1: none), or begin a new one when that cannot be used:
** then `fd` is a descriptor to be given to the keeper. Without memory there is no ring.
*/
void sup_tap_init(struct sup_tap *tap, int fd);
void sup_tap_finish(struct sup_tap *tap);

/* Forget everything: a new tree counts its events from 1. */
void sup_tap_clear(struct sup_tap *tap);

/* Add an event, unless it has been added already. Engine thread only. ${wall_offset_ns}: as for
   sup_event_line. Without a ring: nothing. */
void sup_tap_add(struct sup_tap *tap, const struct sup_told *told, int64_t wall_offset_ns);

/* As sup_engine_events and sup_engine_last_event say. */
size_t sup_tap_read(struct sup_tap *tap, struct sup_event_cursor *cursor, char *buf, size_t size,
                    uint64_t *missed);
uint64_t sup_tap_last(struct sup_tap *tap);

/* From now on ${wake} is called, with the lock held, when there is something for a reader with
   ${ear} that has come to the end; once, until one comes there again. NULL: nobody. */
void sup_tap_set_wake(struct sup_tap *tap, enum sup_ear ear, void (*wake)(void *context),
                      void *context);

#endif
