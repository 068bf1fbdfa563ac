/*
** base/heap.c: the deadline heap. A plain binary heap over an array of pointers.
*/
#include "base/heap.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>

static bool is_before(const struct sup_timer *a, const struct sup_timer *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->sequence < b->sequence);
}

static void put_at(struct sup_heap *heap, size_t place, struct sup_timer *timer)
{
    heap->timers[place - 1] = timer;
    timer->place = place;
}

static void sift_up(struct sup_heap *heap, struct sup_timer *timer, size_t place)
{
    while (place > 1 && is_before(timer, heap->timers[place / 2 - 1])) {
        put_at(heap, place, heap->timers[place / 2 - 1]);
        place /= 2;
    }
    put_at(heap, place, timer);
}

static void sift_down(struct sup_heap *heap, struct sup_timer *timer, size_t place)
{
    for (;;) {
        size_t child = 2 * place;
        if (child > heap->count) break;
        if (child < heap->count && is_before(heap->timers[child], heap->timers[child - 1])) child++;
        if (!is_before(heap->timers[child - 1], timer)) break;
        put_at(heap, place, heap->timers[child - 1]);
        place = child;
    }
    put_at(heap, place, timer);
}

static void settle(struct sup_heap *heap, struct sup_timer *timer, size_t place)
{
    if (place > 1 && is_before(timer, heap->timers[place / 2 - 1])) sift_up(heap, timer, place);
    else sift_down(heap, timer, place);
}

void sup_heap_finish(struct sup_heap *heap)
{
    free(heap->timers);
    *heap = (struct sup_heap){0};
}

int sup_heap_reserve(struct sup_heap *heap, size_t capacity)
{
    if (capacity <= heap->capacity) return 0;
    size_t doubled = 2 * heap->capacity;
    if (capacity < doubled) capacity = doubled;
    struct sup_timer **timers = realloc(heap->timers, capacity * sizeof *timers);
    if (timers == NULL) return -ENOMEM;
    heap->timers = timers;
    heap->capacity = capacity;
    return 0;
}

void sup_heap_put(struct sup_heap *heap, struct sup_timer *timer, int64_t at_ns, uint64_t sequence)
{
    timer->at_ns = at_ns;
    timer->sequence = sequence;
    if (timer->place != 0) {
        settle(heap, timer, timer->place);
        return;
    }
    sup_require(heap->count < heap->capacity);
    heap->count++;
    sift_up(heap, timer, heap->count);
}

void sup_heap_set(struct sup_heap *heap, struct sup_timer *timer, int64_t at_ns)
{
    sup_heap_put(heap, timer, at_ns, heap->next_sequence++);
}

void sup_heap_cancel(struct sup_heap *heap, struct sup_timer *timer)
{
    size_t place = timer->place;
    if (place == 0) return;
    timer->place = 0;
    struct sup_timer *last = heap->timers[heap->count - 1];
    heap->count--;
    if (last != timer) settle(heap, last, place);
}

struct sup_timer *sup_heap_first(const struct sup_heap *heap)
{
    return heap->count > 0 ? heap->timers[0] : NULL;
}
