/*
** simulate/settle.c: the end of a run: the world turns kind. Invariants 3, 11, 13, 18.
*/
#include "sim.h"

#define PATIENCE 4000 /* inputs */

static void apply_fact(struct sim *sim, struct shadow *node, enum sup_input_type type)
{
    struct sup_input input = {.type = type, .node = node->token, .instance = node->instance};
    if (type == SUP_IN_ENDED) {
        bool killed = node->life & LIFE_KILLED;
        bool thread = node->traits.kind == SUP_THREAD;
        input.outcome.kind = thread ? SUP_END_RETURNED : killed ? SUP_END_SIGNAL : SUP_END_EXIT;
        if (killed && !thread) input.outcome.code = 9;
        if (!killed && !thread && !sup_codes_has(&node->traits.success, 0)) input.outcome.code = 3;
    }
    sim_apply(sim, &input, sim->now_ns);
}

/* The kind fact that is due for ${node}, or 0. */
static enum sup_input_type find_fact(const struct shadow *node)
{
    if (node->traits.kind == SUP_SUPERVISOR || node->instance == 0) return 0;
    if (!(node->life & LIFE_LAUNCHED)) return SUP_IN_LAUNCHED;
    if (node->life & LIFE_STOPPING) return SUP_IN_ENDED;
    if (node->state == SUP_STATE_STOPPING) return 0; /* marked, and waits for its turn */
    /* one that ends its supervisor, which is started again, would never let it rest */
    if (node->traits.ends) return node->traits.significant ? 0 : SUP_IN_ENDED;
    return node->ready ? 0 : SUP_IN_READY;
}

static bool apply_facts(struct sim *sim)
{
    bool any = false;
    each_shadow(sim, node)
    {
        enum sup_input_type type = find_fact(node);
        if (type == 0 || node->token == 0 || sim->violated != 0) continue;
        apply_fact(sim, node, type);
        any = true;
    }
    return any;
}

/* They never rest, and a reload may bring more of them. */
static bool stop_timers(struct sim *sim)
{
    bool any = false;
    each_shadow(sim, node)
    {
        struct sup_input stop = {.type = SUP_IN_STOP_NODE, .node = node->token};
        struct sup_status status;
        if (!node->traits.is_timer || node->held || node->removed || sim->violated != 0) continue;
        if (!sup_tree_status(sim->tree, node->token, sim->now_ns, &status) || !status.armed)
            continue;
        sim_apply(sim, &stop, sim->now_ns);
        any = true;
    }
    return any;
}

/* Facts until there are none, then the next deadline, and so on until there is nothing to come. */
static void calm_down(struct sim *sim)
{
    struct sup_input tick = {.type = SUP_IN_TICK};
    for (int i = 0; i < PATIENCE && sim->violated == 0; i++) {
        if (apply_facts(sim) || stop_timers(sim)) continue;
        int64_t deadline = sup_tree_deadline(sim->tree);
        if (deadline == NEVER_NS) return;
        sim_apply(sim, &tick, deadline > sim->now_ns ? deadline : sim->now_ns);
    }
    sim_violate(sim, 20, "the tree does not come to rest in a kind world");
}

static bool is_blocked(struct sim *sim, const struct shadow *node)
{
    struct sup_status status;
    for (uint64_t rest = node->traits.after; rest != 0; rest &= rest - 1) {
        uint8_t slot = sim->by_name[__builtin_ctzll(rest)];
        const struct shadow *other = slot == 0 ? NULL : &sim->shadows[slot - 1];
        if (other == NULL || other->parent != node->parent || other == node) continue;
        sup_tree_status(sim->tree, other->token, sim->now_ns, &status);
        if (status.state != SUP_STATE_DONE && !status.ready) return true;
    }
    return false;
}

/* What may stand still in a kind world: finished, given up, not wanted, or after such a one. */
static void check_up(struct sim *sim, const struct shadow *node)
{
    struct sup_status status;
    bool parent_runs = node->parent == NULL ? sim->serving : node->parent->runs;
    sup_tree_status(sim->tree, node->token, sim->now_ns, &status);
    if (!status.wanted || !parent_runs) return;
    if (status.state == SUP_STATE_RUNNING || status.state == SUP_STATE_DONE ||
        status.state == SUP_STATE_FAILED) {
        return;
    }
    if (status.state == SUP_STATE_STOPPED && status.cause == SUP_CAUSE_FINISHED) return;
    if (status.state == SUP_STATE_WAITING && is_blocked(sim, node)) return;
    if (node->life & LIFE_STUCK) return;
    sim_violate(sim, 18, "%s is %s for good although it is wanted and nothing fails",
                sim_name(sim, node), sup_state_name(status.state));
}

void sim_settle(struct sim *sim)
{
    calm_down(sim);
    if (sim->violated != 0 || sim->stopping || sim->ended) return;
    each_shadow(sim, node)
    {
        check_up(sim, node);
    }
}

void sim_finish(struct sim *sim)
{
    struct sup_input stop = {.type = SUP_IN_STOP, .text = "the end"};
    sim_apply(sim, &stop, sim->now_ns);
    if (sim->violated == 0) calm_down(sim);
    if (sim->violated != 0) return;
    if (!sim->ended) {
        sim_violate(sim, 3, "the tree was stopped and does not end");
        return;
    }
    check_report(sim);
}
