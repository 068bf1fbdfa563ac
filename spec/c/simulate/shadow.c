/*
** simulate/shadow.c: who is in the tree, in which order, with which traits. Asks the tree's reading
** functions, and only when an effect says that members or specs changed.
*/
#include "sim.h"

#include <stdlib.h>
#include <string.h>

struct shadow *shadow_of(struct sim *sim, sup_token token)
{
    uint32_t index = (uint32_t) token;
    if (token == 0 || index >= SLOTS || sim->shadows[index].token != token) return NULL;
    return &sim->shadows[index];
}

enum sup_state shadow_state(const struct sim *sim, const struct shadow *node)
{
    struct sup_status status;
    int64_t now_ns = 0; /* to let a meter decay takes long, and is not asked for */
    bool there = sup_tree_status(sim->tree, node->token, now_ns, &status);
    return there ? status.state : SUP_STATE_COUNT;
}

bool shadow_is_stopped_now(const struct sim *sim, const struct shadow *supervisor)
{
    for (; supervisor != NULL; supervisor = supervisor->parent)
        if (!supervisor->runs || shadow_state(sim, supervisor) == SUP_STATE_STOPPING) return true;
    return false;
}

bool shadow_is_below(const struct shadow *node, const struct shadow *above)
{
    for (; node != NULL; node = node->parent) {
        if (node == above) return true;
    }
    return false;
}

bool shadow_is_going_down(const struct shadow *supervisor)
{
    for (; supervisor != NULL; supervisor = supervisor->parent) {
        if (!supervisor->runs || supervisor->state == SUP_STATE_STOPPING) return true;
    }
    return false;
}

const char *sim_name(const struct sim *sim, const struct shadow *node)
{
    static char names[4][16];
    static unsigned next;
    (void) sim;
    if (node == NULL) return "nobody";
    char *name = names[next++ % 4];
    snprintf(name, sizeof names[0], "n%u", node->name);
    return name;
}

static uint64_t name_set(const struct sup_strings *strings)
{
    uint64_t set = 0;
    const char *text = strings->first;
    for (uint32_t i = 0; i < strings->count; i++, text = sup_strings_next(text)) {
        set |= UINT64_C(1) << (strtoul(text + 1, NULL, 10) % 64);
    }
    return set;
}

static void take_traits(struct traits *traits, const struct sup_spec *spec)
{
    *traits = (struct traits){
        .kind = (uint8_t) spec->kind,
        .strategy = (uint8_t) spec->strategy,
        .restart = (uint8_t) spec->restart,
        .on_threshold = (uint8_t) spec->on_threshold,
        .auto_shutdown = (uint8_t) spec->auto_shutdown,
        .in_order = spec->stop_order == SUP_STOP_REVERSE || spec->strategy == SUP_REST_FOR_ONE,
        .significant = spec->significant,
        .abandons = spec->on_stuck == SUP_STUCK_ABANDON,
        .extends = spec->extend_backoff,
        .jitters = spec->backoff_jitter,
        .has_intensity = spec->has_intensity,
        .propagates = spec->propagate_termination,
        .ends = spec->role != SUP_ROLE_SERVICE,
        .is_timer = spec->role == SUP_ROLE_TIMER,
        .remains = spec->role == SUP_ROLE_ONESHOT && spec->remain,
        .leaves = spec->role == SUP_ROLE_SERVICE && spec->restart == SUP_TEMPORARY,
        .ready_at_launch =
            spec->role == SUP_ROLE_SERVICE && spec->ready.kind == SUP_READY_AT_LAUNCH,
        .max_pauses = spec->max_pauses,
        .intensity = spec->intensity,
        .threshold = spec->has_intensity ? (double) spec->intensity : spec->failure_threshold,
        .decay_ns = spec->failure_decay_ns,
        .backoff_ns = spec->failure_backoff_ns,
        .within_ns = spec->within_ns,
        .period_ns = spec->period_ns,
        .spacing_ns = spec->restart_spacing_ns,
        .timeout_ns = spec->timeout_ns,
        .kill_timeout_ns = spec->kill_timeout_ns,
        .start_timeout_ns = spec->start_timeout_ns,
        .after = name_set(&spec->after),
        .with = name_set(&spec->restart_with),
        .success = spec->success_exit,
        .done = spec->done_exit,
        .terminate = spec->terminate_exit,
    };
}

static struct shadow *meet(struct sim *sim, const struct sup_status *status)
{
    uint32_t index = (uint32_t) status->node;
    sup_require(index < SLOTS);
    struct shadow *node = &sim->shadows[index];
    if (node->token == status->node) return node;
    if (node->token != 0) { /* its place was given away in this very step: forgotten first */
        sim->dirty = true;
        return NULL;
    }
    *node = (struct shadow){.token = status->node,
                            .slot = (uint8_t) index,
                            .state = SUP_STATE_STOPPED,
                            .kill_ns = NEVER_NS,
                            .stuck_ns = NEVER_NS,
                            .bound_ns = NEVER_NS};
    sim->used |= UINT64_C(1) << index;
    if (status->kind == SUP_SUPERVISOR) sim->supervisors |= UINT64_C(1) << index;
    return node;
}

static void take_name(struct sim *sim, struct shadow *node, const char *text, bool leaving)
{
    unsigned long name = strtoul(text + 1, NULL, 10) % NAMES;
    node->name = (uint8_t) name;
    if (leaving) {
        sim->former_by_name[name] = (uint8_t) (node->slot + 1);
    } else {
        sim->by_name[name] = (uint8_t) (node->slot + 1);
    }
}

void shadow_sync(struct sim *sim)
{
    struct sup_status status;
    uint32_t order = 0;
    sim->dirty = false;
    memset(sim->by_name, 0, sizeof sim->by_name);
    memset(sim->former_by_name, 0, sizeof sim->former_by_name);
    for (sup_token at = sup_tree_next(sim->tree, 0); at != 0; at = sup_tree_next(sim->tree, at)) {
        if (!sup_tree_status(sim->tree, at, sim->now_ns, &status)) {
            sim_violate(sim, 12, "the walk shows a node that has no status");
            return;
        }
        struct shadow *node = meet(sim, &status);
        if (node == NULL) continue;
        struct shadow *parent = shadow_of(sim, status.parent);
        if (status.parent != 0 && parent == NULL && !sim->dirty) {
            sim_violate(sim, 12, "the walk shows %s before its parent", status.name);
        }
        if (!status.leaving) node->order = ++order;
        node->parent = parent;
        take_name(sim, node, status.name, status.leaving);
        struct traits former = node->traits;
        take_traits(&node->traits, sup_tree_spec(sim->tree, at));
        if (former.is_timer && !node->traits.is_timer) {
            node->ready = false;
            node->been_ready = node->been_ready || node->instance == 0; /* at once, unseen */
        }
        if (!former.is_timer && node->traits.is_timer) { /* it waits for its time instead */
            node->delay_ns = 0;
            node->automatic = false;
        }
        meter_change(&node->meter, &former, &node->traits);
        if (sim->reloads > 1) node->meter.unsure = true;
        if (former.decay_ns != node->traits.decay_ns) node->meter.overflowed = true;
    }
}

void shadow_remove(struct sim *sim, struct shadow *top)
{
    each_shadow(sim, node)
    {
        if (shadow_is_below(node, top)) node->removed = true;
    }
}

void shadow_forget(struct sim *sim, struct shadow *node)
{
    if (node->instance != 0) {
        sim_violate(sim, 13, "%s was forgotten while its instance lives", sim_name(sim, node));
    }
    for (int i = 0; i < ABANDONED; i++) {
        if (node->abandoned[i] == 0) continue;
        sim_violate(sim, 13, "%s was forgotten while an abandoned instance lives",
                    sim_name(sim, node));
    }
    each_shadow(sim, child)
    {
        if (child->parent != node || child == node) continue;
        sim_violate(sim, 13, "%s was forgotten before %s, which is below it", sim_name(sim, node),
                    sim_name(sim, child));
    }
    if (sim->by_name[node->name] == node->slot + 1) sim->by_name[node->name] = 0;
    if (sim->former_by_name[node->name] == node->slot + 1) sim->former_by_name[node->name] = 0;
    sim->lost_by_name[node->name] = node->token;
    uint64_t others = ~(UINT64_C(1) << node->slot);
    sim->used &= others;
    sim->touched &= others;
    sim->supervisors &= others;
    sim->restless &= others;
    node->token = 0;
}
