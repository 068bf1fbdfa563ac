/*
** engine/ladder.c: the later signals of a stop that has several, each when its time has come. The
** core knows the first one, and when all of them have had their time.
**
** After a death of the host the steps whose time is over count as taken.
*/
#include "engine/inside.h"

/* Set the slot's timer for the first step from ${step} on that is still to come. */
static void await_step(struct sup_engine *engine, struct sup_slot *slot, uint32_t step)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, slot->node);
    struct sup_heap *heap = &engine->watches;
    int32_t signal;
    int64_t after_ns = 0;
    if (spec == NULL || !sup_ladder_step(&spec->stop, step, &signal, &after_ns)) return;
    if (after_ns > SUP_DURATION_MAX_NS) return;
    if (heap->count == heap->capacity && sup_heap_reserve(heap, heap->count + 64) < 0) return;
    slot->watch = SUP_WATCH_LADDER;
    slot->ladder_step = step;
    sup_heap_set(heap, &slot->watch_timer, slot->asked_ns + after_ns);
}

void sup_ladder_begin(struct sup_engine *engine, struct sup_slot *slot, int64_t asked_ns)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, slot->node);
    uint32_t step = 1;
    int32_t signal;
    int64_t after_ns;
    if (spec == NULL || spec->kind != SUP_PROCESS) return;
    while (sup_ladder_step(&spec->stop, step, &signal, &after_ns) &&
           asked_ns + after_ns < engine->now_ns)
        step++;
    slot->asked_ns = asked_ns;
    await_step(engine, slot, step);
}

void sup_ladder_check(struct sup_engine *engine, struct sup_slot *slot)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, slot->node);
    int32_t signal;
    int64_t after_ns;
    slot->watch = SUP_WATCH_NONE;
    if (spec == NULL || !slot->live) return;
    if (!sup_ladder_step(&spec->stop, slot->ladder_step, &signal, &after_ns)) return;
    sup_process_signal(engine, slot, signal);
    await_step(engine, slot, slot->ladder_step + 1);
}
