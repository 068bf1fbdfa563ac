/*
** engine/calendar.c: tells timers with `at` when they are next due. The core has no calendar: it
** asks, and is told again whenever the clock on the wall was set, as when the machine has slept.
**
** What stands in the tree is all that is known, so that a host that took over need only look. A
** time that is over when it is looked at is told as it is: the core knows that it was missed.
*/
#include "base/calendar.h"

#include "engine/inside.h"

/* The time that is next, as Unix time; SUP_CALENDAR_NEVER: there is none. */
static int64_t find_next(const struct sup_engine *engine, const struct sup_spec *spec,
                         const struct sup_status *status)
{
    struct sup_calendar calendar;
    int64_t now_s = (engine->now_ns + engine->wall_offset_ns) / SUP_SECOND_NS;
    if (!sup_expect(sup_calendar_parse(spec->at, &calendar) == NULL)) return SUP_CALENDAR_NEVER;
    return sup_calendar_due(&calendar, &sup_zone_local, now_s, status->due_wall_s,
                            status->last_wall_s);
}

static void tell_next(struct sup_engine *engine, const struct sup_spec *spec,
                      const struct sup_status *status, bool was_set)
{
    int64_t next_s = find_next(engine, spec, status);
    struct sup_input input = {.type = SUP_IN_SCHEDULE, .node = status->node};
    if (next_s != SUP_CALENDAR_NEVER) {
        if (next_s == status->due_wall_s && !was_set) return;
        int64_t at_ns = next_s * SUP_SECOND_NS - engine->wall_offset_ns;
        input.instance = (uint64_t) next_s;
        input.wait_ns = at_ns > 0 ? at_ns : 0;
    }
    sup_engine_apply(engine, &input);
}

void sup_calendar_check(struct sup_engine *engine)
{
    struct sup_status status;
    const struct sup_tree *tree = engine->tree;
    bool was_set = engine->clock_was_set;
    if (!engine->schedule_asked && !was_set) return;
    engine->schedule_asked = engine->clock_was_set = false;
    for (sup_token node = sup_tree_next(tree, 0); node != 0; node = sup_tree_next(tree, node)) {
        const struct sup_spec *spec = sup_tree_spec(tree, node);
        if (spec == NULL || spec->role != SUP_ROLE_TIMER || spec->at == NULL) continue;
        if (!sup_tree_status(tree, node, engine->now_ns, &status) || !status.armed) continue;
        tell_next(engine, spec, &status, was_set);
    }
}
