/*
** engine/probe.c: the engine's end of the prober: what is looked at for which slot, and what the
** news are to the core. It must not look at anything itself.
*/
#include "engine/inside.h"

#include "wire/plan.h"
#include "wire/rings.h"

#include <stdio.h>
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

struct sup_probe *sup_probe_open(struct sup_engine *engine, const struct sup_probe_order *order)
{
    if (!has_prober(engine)) return NULL;
    struct sup_probe *probe = sup_prober_open(engine->prober, order);
    if (probe == NULL)
        sup_tell_line(engine, "there is no memory to look whether a service is ready or well");
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

const char *sup_probe_why(const struct sup_engine *engine, const struct sup_slot *slot,
                          const struct sup_spec *spec, char *buf, size_t size)
{
    char why[SUP_LOOK_TEXT];
    sup_ready_text(&spec->ready, buf, size);
    if (slot->probe == NULL || !sup_prober_why(engine->prober, slot->probe, why)) return buf;
    size_t length = strlen(buf);
    snprintf(buf + length, size - length, ": %s", why);
    return buf;
}

/* Readers may ask it why it does not hold. */
static void set_probe(struct sup_engine *engine, struct sup_slot *slot, struct sup_probe *probe)
{
    pthread_mutex_lock(&engine->mutex);
    slot->probe = probe;
    pthread_mutex_unlock(&engine->mutex);
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
        .asks = ready->kind == SUP_READY_EXEC,
        .every_ns = ready->every_ns,
        .timeout_ns = ready->timeout_ns,
    };
    sup_probe_cancel(engine, slot);
    if (ready->kind == SUP_READY_LOG && engine->rings < 0) {
        sup_tell_line(engine, "there is no last output to look at: what is to be ready by it is "
                              "started again when its start_timeout is over");
        return false;
    }
    set_probe(engine, slot, sup_probe_open(engine, &order));
    return slot->probe != NULL;
}

void sup_probe_cancel(struct sup_engine *engine, struct sup_slot *slot)
{
    struct sup_probe *former = slot->probe;
    if (former == NULL) return;
    set_probe(engine, slot, NULL);
    sup_prober_close(engine->prober, former);
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

/* Somebody is to look. */
static void ask(struct sup_engine *engine, struct sup_slot *slot, bool for_health)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, slot->node);
    bool by_function = for_health && spec != NULL && spec->health.function.size > 0;
    struct sup_wire message = {
        .type = SUP_WIRE_RUN,
        .node = slot->node,
        .instance = slot->instance + engine->bases.instance,
        .generation = slot->generation,
        .a = for_health ? SUP_COMMAND_HEALTH : SUP_COMMAND_READY,
    };
    if (by_function) sup_health_ask(engine, slot);
    else if (!engine->orphaned) sup_link_send(&engine->link, &message, -1);
}

void sup_probe_ran(struct sup_engine *engine, const struct sup_wire *message)
{
    char text[SUP_LOOK_TEXT] = "no answer in time";
    struct sup_slot *slot = sup_slots_find(&engine->slots, message->node);
    if (slot == NULL || slot->instance + engine->bases.instance != message->instance) return;
    bool for_health = message->a == SUP_COMMAND_HEALTH;
    struct sup_probe *probe = !for_health            ? slot->probe
                              : slot->health == NULL ? NULL
                                                     : slot->health->probe;
    if (probe == NULL) return;
    struct sup_outcome outcome = sup_process_outcome(message->b);
    bool has_ended = message->seq == SUP_RAN_ENDED;
    bool holds = has_ended && outcome.kind == SUP_END_EXIT && outcome.code == 0;
    if (message->seq == SUP_RAN_NOT)
        snprintf(text, sizeof text, "it cannot be run: %s", strerror(message->b));
    else if (has_ended) sup_outcome_text(outcome, NULL, text, sizeof text);
    sup_prober_answer(engine->prober, probe, holds, text);
}

static void take_readiness(struct sup_engine *engine, struct sup_slot *slot,
                           const struct sup_probe_news *news)
{
    struct sup_input input = {.type = SUP_IN_READY, .node = slot->node, .instance = slot->instance};
    if (!news->holds) {
        tell_trouble(engine, news);
        return;
    }
    slot->watch = SUP_WATCH_NONE;
    sup_engine_apply(engine, &input);
}

void sup_probe_check(struct sup_engine *engine)
{
    struct sup_probe_news news;
    while (engine->prober != NULL && sup_prober_take(engine->prober, &news)) {
        struct sup_slot *slot = sup_slots_find(&engine->slots, news.node);
        if (slot == NULL || slot->instance != news.instance) continue;
        if (news.asks) ask(engine, slot, news.repeats);
        if (!news.found) continue;
        if (news.repeats) sup_health_take(engine, slot, &news);
        else take_readiness(engine, slot, &news);
    }
}
