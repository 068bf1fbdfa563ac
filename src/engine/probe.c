/*
** engine/probe.c: the engine's end of the prober: what is looked at for which slot, and what the
** news are to the core. It must not look at anything itself.
*/
#include "engine/inside.h"

#include <string.h>

/* --- the prober ------------------------------------------------------------------------------- */

/* Started when the first probe needs it. */
static bool has_prober(struct sup_engine *engine)
{
    if (engine->prober != NULL) return true;
    int r = sup_prober_create(&engine->prober, sup_loop_wake, engine);
    if (r == 0) return true;
    sup_tell_line(engine,
                  "nothing can be looked at from outside (%s): what is to be ready by that "
                  "is started again when its start_timeout is over; free memory, or raise "
                  "the limit of descriptors (ulimit -n)",
                  strerror(-r));
    return false;
}

static struct sup_probe *open_probe(struct sup_engine *engine, const struct sup_probe_order *order)
{
    if (!has_prober(engine)) return NULL;
    struct sup_probe *probe = sup_prober_open(engine->prober, order);
    if (probe == NULL)
        sup_tell_line(engine, "there is no memory to look whether a service is ready; it is "
                              "started again when its start_timeout is over");
    return probe;
}

/* --- readiness -------------------------------------------------------------------------------- */

bool sup_probe_begin(struct sup_engine *engine, struct sup_slot *slot,
                     const struct sup_ready *ready)
{
    struct sup_probe_order order = {
        .node = slot->node,
        .instance = slot->instance,
        .ready = *ready,
        .first_ns = engine->now_ns,
        .every_ns = ready->every_ns,
        .timeout_ns = ready->timeout_ns,
    };
    sup_probe_cancel(engine, slot);
    slot->probe = open_probe(engine, &order);
    return slot->probe != NULL;
}

void sup_probe_cancel(struct sup_engine *engine, struct sup_slot *slot)
{
    if (slot->probe != NULL) sup_prober_close(engine->prober, slot->probe);
    slot->probe = NULL;
}

/* --- the news --------------------------------------------------------------------------------- */

void sup_probe_check(struct sup_engine *engine)
{
    struct sup_probe_news news;
    while (engine->prober != NULL && sup_prober_take(engine->prober, &news)) {
        struct sup_input input = {.type = SUP_IN_READY,
                                  .node = news.node,
                                  .instance = news.instance};
        struct sup_slot *slot = sup_slots_find(&engine->slots, news.node);
        if (slot == NULL || slot->instance != news.instance || !news.holds) continue;
        slot->watch = SUP_WATCH_NONE;
        sup_engine_apply(engine, &input);
    }
}
