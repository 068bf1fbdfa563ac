/*
** engine/health.c: is what runs well? A probe for each live, ready instance whose service has
** `health`; what it finds out becomes UNHEALTHY for the core, and is there for readers. Who looks
** is the prober; functions are asked of the judge, commands of the keeper.
*/
#include "engine/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- beginning and ending --------------------------------------------------------------------- */

/* Many services that start together are not looked at together, later either. */
static int64_t choose_first(const struct sup_slot *slot, const struct sup_health *health)
{
    uint64_t chance = slot->instance * UINT64_C(0x9e3779b97f4a7c15) ^ slot->node;
    chance = (chance ^ chance >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    chance = (chance ^ chance >> 27) * UINT64_C(0x94d049bb133111eb);
    return health->start_after_ns + (int64_t) ((chance >> 1) % (uint64_t) health->every_ns);
}

static void open_health(struct sup_engine *engine, struct sup_slot *slot,
                        const struct sup_health *health, bool sick)
{
    struct sup_probe_order order = {
        .node = slot->node,
        .instance = slot->instance,
        .ready = health->probe,
        .repeats = true,
        .asks = health->function.size > 0 || health->probe.kind == SUP_READY_EXEC,
        .first_ns = engine->now_ns + choose_first(slot, health),
        .every_ns = health->every_ns,
        .timeout_ns = health->timeout_ns,
    };
    struct sup_slot_health *own = calloc(1, sizeof *own);
    if (own != NULL) own->probe = sup_probe_open(engine, &order);
    if (own == NULL || own->probe == NULL) {
        free(own);
        return;
    }
    own->told = sick;
    pthread_mutex_lock(&engine->mutex);
    slot->health = own;
    pthread_mutex_unlock(&engine->mutex);
}

void sup_health_begin(struct sup_engine *engine, struct sup_slot *slot)
{
    struct sup_status status;
    const struct sup_spec *spec = sup_tree_spec(engine->tree, slot->node);
    if (spec == NULL || spec->health.every_ns == 0 || slot->health != NULL || !slot->live ||
        engine->orphaned)
        return;
    if (!sup_tree_status(engine->tree, slot->node, engine->now_ns, &status)) return;
    bool is_up = status.state == SUP_STATE_RUNNING && status.ready;
    if (is_up && status.instance == slot->instance)
        open_health(engine, slot, &spec->health, status.sick);
}

void sup_health_end(struct sup_engine *engine, struct sup_slot *slot)
{
    struct sup_slot_health *own = slot->health;
    if (own == NULL) return;
    sup_prober_close(engine->prober, own->probe);
    pthread_mutex_lock(&engine->mutex);
    slot->health = NULL;
    pthread_mutex_unlock(&engine->mutex);
    free(own);
}

/* --- what is found out ------------------------------------------------------------------------ */

static void write_reason(const struct sup_health *health, const struct sup_probe_news *news,
                         char *buf, size_t size)
{
    char what[SUP_LOOK_TEXT] = "function", count[48] = "";
    if (health->function.size == 0) sup_ready_text(&health->probe, what, sizeof what);
    if (news->failures > 1) snprintf(count, sizeof count, ", %u times in a row", news->failures);
    snprintf(buf, size, "%s: %s%s", what, news->text, count);
}

/* Too often, or well again after that was said. */
static void say_so(struct sup_engine *engine, struct sup_slot *slot,
                   const struct sup_health *health, const struct sup_probe_news *news)
{
    char text[2 * SUP_LOOK_TEXT + 64];
    struct sup_input input = {
        .type = SUP_IN_UNHEALTHY,
        .node = slot->node,
        .instance = slot->instance,
        .flag = health->action == SUP_HEALTH_EVENT,
    };
    slot->health->told = !news->holds;
    if (!news->holds) {
        input.outcome = (struct sup_outcome){SUP_END_UNHEALTHY, 0};
        write_reason(health, news, text, sizeof text);
        input.text = text;
    } else if (!input.flag) return;
    sup_engine_apply(engine, &input); /* the slot's health may end by it */
}

void sup_health_take(struct sup_engine *engine, struct sup_slot *slot,
                     const struct sup_probe_news *news)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, slot->node);
    struct sup_slot_health *own = slot->health;
    if (own == NULL || spec == NULL) return;
    pthread_mutex_lock(&engine->mutex);
    if (!own->known || own->holds != news->holds) own->since_ns = news->at_ns;
    own->known = true;
    own->holds = news->holds;
    own->failures = news->failures;
    own->at_ns = news->at_ns;
    snprintf(own->text, sizeof own->text, "%s", news->text);
    pthread_mutex_unlock(&engine->mutex);
    bool is_due = news->holds ? own->told : news->failures >= spec->health.failures && !own->told;
    if (is_due) say_so(engine, slot, &spec->health, news);
}

/* --- functions -------------------------------------------------------------------------------- */

void sup_health_ask(struct sup_engine *engine, struct sup_slot *slot)
{
    if (engine->judge.ask != NULL)
        engine->judge.ask(engine->judge.context, slot->node, slot->instance);
    else sup_health_end(engine, slot); /* nobody runs functions here */
}

void sup_engine_set_judge(struct sup_engine *engine,
                          void (*ask)(void *context, sup_token node, uint64_t instance),
                          void *context)
{
    engine->judge.ask = ask;
    engine->judge.context = context;
}

void sup_engine_judged(struct sup_engine *engine, sup_token node, uint64_t instance, bool well,
                       const char *text)
{
    pthread_mutex_lock(&engine->mutex);
    const struct sup_slot *slot = sup_slots_find(&engine->slots, node);
    if (slot != NULL && slot->instance == instance && slot->health != NULL)
        sup_prober_answer(engine->prober, slot->health->probe, well, text);
    pthread_mutex_unlock(&engine->mutex);
}

/* --- readers ---------------------------------------------------------------------------------- */

bool sup_engine_health(const struct sup_view *view, sup_token node, struct sup_health_view *health)
{
    const struct sup_slot *slot = sup_slots_find(&view->engine->slots, node);
    if (slot == NULL || slot->health == NULL) return false;
    const struct sup_slot_health *own = slot->health;
    *health = (struct sup_health_view){
        .known = own->known,
        .well = own->holds,
        .failures = own->failures,
        .at_ns = own->at_ns,
        .since_ns = own->since_ns,
    };
    snprintf(health->text, sizeof health->text, "%s", own->text);
    return true;
}

bool sup_engine_awaits(const struct sup_view *view, sup_token node, char *buf, size_t size)
{
    struct sup_status status;
    const struct sup_slot *slot = sup_slots_find(&view->engine->slots, node);
    const struct sup_spec *spec = sup_tree_spec(view->tree, node);
    if (slot == NULL || spec == NULL || spec->kind == SUP_SUPERVISOR ||
        spec->ready.kind == SUP_READY_AT_LAUNCH ||
        !sup_tree_status(view->tree, node, view->now_ns, &status))
        return false;
    if (status.state != SUP_STATE_RUNNING || status.ready) return false;
    sup_probe_why(view->engine, slot, spec, buf, size);
    return true;
}
