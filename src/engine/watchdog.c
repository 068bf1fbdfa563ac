/*
** engine/watchdog.c: services that must say that they are well. One deadline each, from when it is
** ready on; none of them costs anything while it is not due. Must not know how they say it.
**
** A deadline that is found long overdue says that this host did not run (the machine slept, or was
** too busy): then the service could not be heard either, and has one more period. So after a death
** of the host.
*/
#include "engine/inside.h"
#include "engine/narrate.h"

#include <stdio.h>

#define OVERDUE_NS SUP_SECOND_NS /* found so late, a deadline says nothing about the service */

/* How often it must be heard; 0: it need not be. */
static int64_t find_period(const struct sup_engine *engine, const struct sup_slot *slot)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, slot->node);
    const struct sup_said *said = sup_said_find(&engine->said, slot->node, slot->instance);
    if (said != NULL && said->watchdog_ns > 0) return said->watchdog_ns;
    return spec == NULL ? 0 : spec->watchdog_ns;
}

static bool is_stopping_itself(const struct sup_engine *engine, const struct sup_slot *slot)
{
    const struct sup_said *said = sup_said_find(&engine->said, slot->node, slot->instance);
    return said != NULL && (said->flags & SUP_SAID_STOPPING) != 0;
}

static void set(struct sup_engine *engine, struct sup_slot *slot, int64_t at_ns)
{
    struct sup_heap *heap = &engine->watchdogs;
    bool is_set = sup_timer_is_set(&slot->watchdog_timer);
    if (!is_set && heap->count == heap->capacity && sup_heap_reserve(heap, heap->count + 64) < 0) {
        sup_tell_line(engine, "there is no memory to watch a service that has a watchdog; free "
                              "some, and restart it");
        return;
    }
    sup_heap_set(heap, &slot->watchdog_timer, at_ns);
}

static int64_t later(const struct sup_engine *engine, int64_t ns)
{
    return engine->now_ns > SUP_INFINITY_NS - ns ? SUP_INFINITY_NS : engine->now_ns + ns;
}

/* It runs, and was ready. */
static bool must_be_heard(const struct sup_engine *engine, const struct sup_slot *slot)
{
    struct sup_status status;
    return slot->live && sup_tree_status(engine->tree, slot->node, engine->now_ns, &status) &&
           status.instance == slot->instance && status.state == SUP_STATE_RUNNING && status.ready;
}

void sup_watchdog_begin(struct sup_engine *engine, struct sup_slot *slot)
{
    int64_t period_ns = find_period(engine, slot);
    if (period_ns == 0 || !must_be_heard(engine, slot)) return;
    if (is_stopping_itself(engine, slot)) sup_watchdog_farewell(engine, slot);
    else set(engine, slot, later(engine, period_ns));
}

void sup_watchdog_fed(struct sup_engine *engine, struct sup_slot *slot)
{
    bool is_awaited = sup_timer_is_set(&slot->watchdog_timer) && !is_stopping_itself(engine, slot);
    if (is_awaited) set(engine, slot, later(engine, find_period(engine, slot)));
}

void sup_watchdog_farewell(struct sup_engine *engine, struct sup_slot *slot)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, slot->node);
    if (spec == NULL || !must_be_heard(engine, slot)) return;
    sup_watchdog_end(engine, slot);
    if (spec->timeout_ns != SUP_INFINITY_NS) set(engine, slot, later(engine, spec->timeout_ns));
}

void sup_watchdog_extend(struct sup_engine *engine, struct sup_slot *slot, int64_t ns)
{
    int64_t at_ns = later(engine, ns);
    if (sup_timer_is_set(&slot->watchdog_timer) && at_ns > slot->watchdog_timer.at_ns)
        set(engine, slot, at_ns);
}

void sup_watchdog_end(struct sup_engine *engine, struct sup_slot *slot)
{
    sup_heap_cancel(&engine->watchdogs, &slot->watchdog_timer);
}

void sup_watchdog_bite(struct sup_engine *engine, struct sup_slot *slot, const char *why)
{
    struct sup_input input = {.type = SUP_IN_UNHEALTHY,
                              .node = slot->node,
                              .instance = slot->instance,
                              .outcome = {.kind = SUP_END_WATCHDOG},
                              .text = why};
    sup_watchdog_end(engine, slot);
    sup_engine_apply(engine, &input);
}

/* A thread tells nobody: how long it has been silent is seen when it is due. */
static int64_t find_due(const struct sup_engine *engine, const struct sup_slot *slot)
{
    int64_t at_ns = slot->watchdog_timer.at_ns;
    int64_t heard_ns = slot->thread == NULL ? 0 : sup_worker_heard_ns(slot->thread);
    int64_t period_ns = find_period(engine, slot);
    if (heard_ns == 0 || heard_ns + period_ns < at_ns) return at_ns;
    return heard_ns + period_ns;
}

static void check_one(struct sup_engine *engine, struct sup_slot *slot)
{
    char period[32], text[96];
    int64_t due_ns = slot->watchdog_timer.at_ns;
    sup_token node = slot->node;
    sup_notify_hear(engine, slot); /* what has been said and not been heard yet */
    if (slot->node != node || !sup_timer_is_set(&slot->watchdog_timer)) return;
    due_ns = find_due(engine, slot);
    if (due_ns > engine->now_ns) {
        set(engine, slot, due_ns);
        return;
    }
    bool leaves = is_stopping_itself(engine, slot);
    const struct sup_spec *spec = sup_tree_spec(engine->tree, node);
    int64_t time_ns = leaves && spec != NULL ? spec->timeout_ns : find_period(engine, slot);
    if (time_ns <= 0 || time_ns == SUP_INFINITY_NS) {
        sup_watchdog_end(engine, slot); /* nothing is awaited any more */
        return;
    }
    if (engine->now_ns - due_ns > OVERDUE_NS) {
        set(engine, slot, later(engine, time_ns));
        return;
    }
    sup_narrate_duration(time_ns, period, sizeof period);
    snprintf(text, sizeof text,
             leaves ? "it said STOPPING=1 and runs on after %s" : "nothing was heard for %s",
             period);
    sup_watchdog_bite(engine, slot, text);
}

void sup_watchdog_check(struct sup_engine *engine)
{
    struct sup_timer *first;
    while ((first = sup_heap_first(&engine->watchdogs)) != NULL && first->at_ns <= engine->now_ns)
        check_one(engine, sup_container(first, struct sup_slot, watchdog_timer));
}

int64_t sup_watchdog_deadline(const struct sup_engine *engine)
{
    const struct sup_timer *first = sup_heap_first(&engine->watchdogs);
    return first == NULL ? SUP_INFINITY_NS : first->at_ns;
}
