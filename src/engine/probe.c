/*
** engine/probe.c: the engine's end of the prober: what is looked at for which slot, and what the
** news are to the core. It must not look at anything itself.
*/
#include "engine/inside.h"

#include "wire/rings.h"

#include <string.h>
#include <sys/ioctl.h>

#define MARK_PATIENCE_NS (500 * INT64_C(1000000))
#define PATH_SIZE 1024

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

void sup_probe_prepare(struct sup_engine *engine, struct sup_slot *slot)
{
    struct sup_ring_state state;
    int unread = 0;
    slot->output_floor = 0;
    if (engine->rings < 0 || sup_ring_look(engine->rings, slot->node, &state) < 0) return;
    slot->output_floor = state.head;
    /* Of a function nobody marks where a run ends; but it has written all when it has ended. */
    int fd = slot->kind == SUP_THREAD && slot->output != NULL ? slot->output->fd : -1;
    if (fd >= 0 && ioctl(fd, FIONREAD, &unread) == 0) slot->output_floor += (unsigned) unread;
}

static struct sup_tail_order order_of_tail(const struct sup_engine *engine,
                                           const struct sup_slot *slot)
{
    return (struct sup_tail_order){
        .rings = engine->rings,
        .node = slot->node,
        .generation = slot->generation,
        .former = slot->former,
        .floor = slot->output_floor,
        .has_no_marks = slot->kind == SUP_THREAD,
        .patience_ns = MARK_PATIENCE_NS,
        .from_ns = slot->launched_ns,
    };
}

bool sup_probe_begin(struct sup_engine *engine, struct sup_slot *slot,
                     const struct sup_ready *ready)
{
    struct sup_probe_order order = {
        .node = slot->node,
        .instance = slot->instance,
        .ready = *ready,
        .tail = order_of_tail(engine, slot),
        .first_ns = engine->now_ns,
        .every_ns = ready->every_ns,
        .timeout_ns = ready->timeout_ns,
    };
    sup_probe_cancel(engine, slot);
    if (ready->kind == SUP_READY_LOG && engine->rings < 0) {
        sup_tell_line(engine, "there is no last output to look at: what is to be ready by it is "
                              "started again when its start_timeout is over");
        return false;
    }
    slot->probe = open_probe(engine, &order);
    return slot->probe != NULL;
}

void sup_probe_cancel(struct sup_engine *engine, struct sup_slot *slot)
{
    if (slot->probe != NULL) sup_prober_close(engine->prober, slot->probe);
    slot->probe = NULL;
}

/* A look at output that cannot be trusted any more. */
static void tell_trouble(struct sup_engine *engine, const struct sup_probe_news *news)
{
    char buf[PATH_SIZE];
    const char *path = sup_tree_path(engine->tree, news->node, buf, sizeof buf);
    if (news->gave_up)
        sup_tell_line(engine,
                      "%s: the pattern of its readiness takes too long on what it writes, "
                      "and is not looked for any more; write a simpler one",
                      path);
    else if (news->lost > 0)
        sup_tell_line(engine,
                      "%s: %llu bytes of its output came too fast to be seen, perhaps with "
                      "the line that makes it ready; give it a larger log.buffer",
                      path, (unsigned long long) news->lost);
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
        if (slot == NULL || slot->instance != news.instance) continue;
        if (!news.holds) {
            tell_trouble(engine, &news);
            continue;
        }
        slot->watch = SUP_WATCH_NONE;
        sup_engine_apply(engine, &input);
    }
}
