/*
** simulate/check_follows.c: what must follow does. The other checks say what may happen; these,
** looking at the tree after an input, that it did: groups fall, who restarts with another restarts,
** a person's word is obeyed, those who wait are told.
** Invariants 8, 10, 11, 14, 17.
*/
#include "sim.h"

static bool is_one_fact(const struct sim *sim)
{
    enum sup_input_type type = sim->input->type;
    return sim->reloads == 0 && sim_is_fact(type);
}

/* It lives, as it did before this input, and nothing ends it. */
static bool runs_on(const struct sim *sim, const struct shadow *node)
{
    if (node->instance == 0 || node->removed || node->born_step == sim->steps) return false;
    enum sup_state state = shadow_state(sim, node);
    return state != SUP_STATE_STOPPING && state != SUP_STATE_STUCK;
}

/* --- groups ---------------------------------------------------------------------------------- */

static bool is_waiting_for_rollback(struct sim *sim, const struct shadow *node)
{
    struct sup_status status;
    return sup_tree_status(sim->tree, node->token, sim->now_ns, &status) &&
           status.cause == SUP_CAUSE_ROLLBACK;
}

static bool is_of_group(const struct shadow *node, const struct shadow *failed)
{
    if (node == failed || node->parent != failed->parent) return false;
    return failed->parent->traits.strategy == SUP_ONE_FOR_ALL || node->order > failed->order;
}

static void check_group_falls(struct sim *sim)
{
    const struct shadow *failed = sim->failed;
    if (failed == NULL || failed->parent->traits.strategy == SUP_ONE_FOR_ONE) return;
    if (sim->reloads > 0 || shadow_is_stopped_now(sim, failed->parent)) return;
    if (failed->delay_ns > sim->now_ns || is_waiting_for_rollback(sim, failed)) return;
    each_shadow(sim, node)
    {
        if (!is_of_group(node, failed) || !runs_on(sim, node)) continue;
        sim_violate(sim, 10, "%s failed, and %s, which is of its group, runs on",
                    sim_name(sim, failed), sim_name(sim, node));
    }
}

/* --- restart_with ----------------------------------------------------------------------------- */

static bool has(uint64_t names, const struct shadow *node)
{
    return (names >> node->name) & 1;
}

static void check_followers(struct sim *sim, const struct shadow *node)
{
    if (node->restarted_step != sim->steps || node->parent == NULL || node->instance == 0) return;
    if (shadow_is_stopped_now(sim, node->parent)) return;
    each_shadow(sim, follower)
    {
        if (follower->parent != node->parent || !has(follower->traits.with, node)) continue;
        bool in_round = node->parent->traits.strategy != SUP_ONE_FOR_ONE;
        bool is_newer = in_round && follower->born_step >= node->died_step; /* of the same round */
        if (is_newer || !runs_on(sim, follower)) continue;
        sim_violate(sim, 10, "%s was restarted, and %s, which restarts with it, runs on",
                    sim_name(sim, node), sim_name(sim, follower));
    }
}

/* --- what a person says ----------------------------------------------------------------------- */

static void check_dependents_fall(struct sim *sim, const struct shadow *node)
{
    if (sim->reloads > 0) return; /* one that waited came after the stop, and brought `after` */
    each_shadow(sim, dependent)
    {
        if (dependent->parent != node->parent || !has(dependent->traits.after, node)) continue;
        if (runs_on(sim, dependent)) {
            sim_violate(sim, 9, "%s is stopped by a person, and %s, which is after it, runs on",
                        sim_name(sim, node), sim_name(sim, dependent));
        }
    }
}

static void check_command_obeyed(struct sim *sim)
{
    const struct shadow *node = sim->subject;
    enum sup_input_type type = sim->input->type;
    bool is_restart = type == SUP_IN_RESTART_NODE, is_stop = type == SUP_IN_STOP_NODE;
    if (sim->quiet || node == NULL || (!is_restart && !is_stop)) return;
    if (node->parent == NULL && is_stop) return; /* refused */
    if (runs_on(sim, node)) {
        sim_violate(sim, 2, "a person %s %s, and it runs on", is_stop ? "stopped" : "restarted",
                    sim_name(sim, node));
    }
    if (is_stop && node->was_up) check_dependents_fall(sim, node);
}

static void check_sick_falls(struct sim *sim)
{
    if (sim->input->type != SUP_IN_UNHEALTHY || sim->quiet || !runs_on(sim, sim->subject)) return;
    sim_violate(sim, 18, "%s was found sick and runs on", sim_name(sim, sim->subject));
}

static void check_all_killed(struct sim *sim)
{
    if (sim->input->type != SUP_IN_KILL || sim->ended) return;
    each_shadow(sim, node)
    {
        if (node->instance == 0 || node->traits.kind == SUP_SUPERVISOR) continue;
        if (node->life & (LIFE_KILLED | LIFE_STUCK)) continue;
        sim_violate(sim, 8, "%s was not killed although nobody is to have any more time",
                    sim_name(sim, node));
    }
}

/* --- significance ----------------------------------------------------------------------------- */

static bool is_significant_left(struct sim *sim, const struct shadow *supervisor)
{
    each_shadow(sim, child)
    {
        if (child->parent != supervisor || child->removed || !child->traits.significant) continue;
        enum sup_state state = shadow_state(sim, child);
        if (state != SUP_STATE_STOPPED && state != SUP_STATE_DONE && state != SUP_STATE_FAILED)
            return true;
    }
    return false;
}

/* A child ended for good: was that the end of its supervisor, too? */
static void check_shutdown(struct sim *sim)
{
    const struct shadow *ended = sim->subject;
    const struct shadow *supervisor = ended == NULL ? NULL : ended->parent;
    if (supervisor == NULL || !is_one_fact(sim) || supervisor->ended_step != sim->steps) return;
    uint8_t rule = supervisor->traits.auto_shutdown;
    if (rule == SUP_SHUTDOWN_NEVER || !ended->traits.significant || !ended->finished) return;
    if (shadow_is_stopped_now(sim, supervisor)) return;
    if (rule == SUP_SHUTDOWN_ANY || !is_significant_left(sim, supervisor)) {
        sim_violate(sim, 14, "%s runs on after the end of %s, which is significant",
                    sim_name(sim, supervisor), sim_name(sim, ended));
    }
}

/* --- who waits -------------------------------------------------------------------------------- */

static bool is_fulfilled(struct sim *sim, const struct request *request)
{
    struct sup_status status;
    if (!request->wait) return false;
    bool there = sup_tree_status(sim->tree, request->node, sim->now_ns, &status);
    switch (request->type) {
    case SUP_IN_REMOVE:
        return !there;
    case SUP_IN_STOP_NODE:
        return !there || status.instance != request->instance || status.state == SUP_STATE_STUCK;
    case SUP_IN_START_NODE:
    case SUP_IN_RESTART_NODE:
        if (there && status.role == SUP_ROLE_TIMER) /* its run has begun, or is over */
            return status.state == SUP_STATE_RUNNING ||
                   (status.state == SUP_STATE_WAITING && status.cause == SUP_CAUSE_SCHEDULE);
        return !there || status.ready || status.state == SUP_STATE_DONE;
    case SUP_IN_TICK:
    case SUP_IN_LAUNCHED:
    case SUP_IN_LAUNCH_FAILED:
    case SUP_IN_READY:
    case SUP_IN_ENDED:
    case SUP_IN_HOST_DIED:
    case SUP_IN_START:
    case SUP_IN_STOP:
    case SUP_IN_KILL:
    case SUP_IN_ADD:
    case SUP_IN_RELOAD:
    case SUP_IN_UNHEALTHY:
    case SUP_IN_EXTEND:
    case SUP_IN_SCHEDULE:
    case SUP_IN_EXITING:
    case SUP_IN_ACTIVATE:
    case SUP_IN_END:
        break;
    }
    return false;
}

static void check_waits(struct sim *sim)
{
    for (uint32_t rest = sim->pending; rest != 0; rest &= rest - 1) {
        const struct request *request = &sim->requests[__builtin_ctz(rest)];
        if (!is_fulfilled(sim, request)) continue;
        sim_violate(sim, 11, "what request %llu waits for is there, and it has no reply",
                    (unsigned long long) request->id);
    }
}

/* --- all -------------------------------------------------------------------------------------- */

void check_follows(struct sim *sim)
{
    check_group_falls(sim);
    check_shutdown(sim);
    check_command_obeyed(sim);
    check_sick_falls(sim);
    check_all_killed(sim);
    check_waits(sim);
    if (!is_one_fact(sim)) return;
    each_in(sim, sim->touched, node)
    {
        check_followers(sim, node);
    }
}
