/*
** base/heap.h: a binary heap of deadlines. The earliest is first; equal deadlines leave in the
** order in which they were set (the law's "by (time, sequence)"). Elements embed a struct sup_timer
** and know their place, so that setting, moving and cancelling are O(log n).
**
** Memory: the array grows by sup_heap_reserve only, so that setting a timer never fails.
*/
#ifndef SUP_BASE_HEAP_H
#define SUP_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sup_timer {
    int64_t at_ns;     /* the deadline */
    uint64_t sequence; /* order among equal deadlines */
    size_t place;      /* 1-based position in the heap; 0: not set */
};

struct sup_heap {
    struct sup_timer **timers;
    size_t count;
    size_t capacity;
    uint64_t next_sequence;
};

/* Zeroed memory is an empty heap. Free the array; the timers belong to their owners. */
void sup_heap_finish(struct sup_heap *heap);

/* Make room for ${capacity} timers in all. Returns 0 or -ENOMEM. */
int sup_heap_reserve(struct sup_heap *heap, size_t capacity);

/* Set ${timer} to ${at_ns}, moving it when it was set. Room must have been reserved. */
void sup_heap_set(struct sup_heap *heap, struct sup_timer *timer, int64_t at_ns);

/* Put back a saved timer with its old ${sequence} (restoring a tree only). */
void sup_heap_put(struct sup_heap *heap, struct sup_timer *timer, int64_t at_ns, uint64_t sequence);

/* Cancel ${timer}; harmless when it is not set. */
void sup_heap_cancel(struct sup_heap *heap, struct sup_timer *timer);

/* The earliest timer, or NULL. */
struct sup_timer *sup_heap_first(const struct sup_heap *heap);

static inline bool sup_timer_is_set(const struct sup_timer *timer)
{
    return timer->place != 0;
}

#endif
