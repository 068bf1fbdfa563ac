/*
** simulate/check_launch.c: launched, ready, ended: what one node's life looks like from outside.
** Invariants 1, 2, 3, 5, 10, 14, 17, 20.
*/
#include "sim.h"

static void add_licence(struct shadow *supervisor)
{
    if (supervisor != NULL) supervisor->licences++;
}

/* --- may it be launched? --------------------------------------------------------------------- */

static bool is_satisfied(struct sim *sim, const struct shadow *dependency)
{
    struct sup_status status;
    bool is_up = dependency->instance != 0 || !dependency->traits.ends;
    if (is_up && dependency->ready && !(dependency->life & LIFE_STOPPING)) return true;
    if (!sup_tree_status(sim->tree, dependency->token, sim->now_ns, &status)) return true;
    /* of all that happens in one input, a round may come after this launch and start it again */
    bool was_done = dependency->state == SUP_STATE_DONE && dependency->instance == 0;
    if (was_done && status.since_ns == sim->now_ns) return true;
    /* a timer is as it should be from the moment on that its supervisor runs */
    bool is_up_timer = dependency->traits.is_timer && !dependency->held;
    if (is_up_timer && status.state != SUP_STATE_FAILED) return true;
    return status.state == SUP_STATE_DONE;
}

static void check_dependencies(struct sim *sim, const struct shadow *node)
{
    /* a reload that waited came after this: what it changed is known too early here */
    if (sim->reloads > 0 && sim->input->type != SUP_IN_RELOAD) return;
    for (uint64_t rest = node->traits.after; rest != 0; rest &= rest - 1) {
        uint8_t slot = sim->by_name[__builtin_ctzll(rest)];
        if (slot == 0) continue;
        const struct shadow *dependency = &sim->shadows[slot - 1];
        if (dependency->parent != node->parent || dependency == node) continue;
        if (is_satisfied(sim, dependency)) continue;
        sim_violate(sim, 2, "%s was launched before %s, which it is after, was ready",
                    sim_name(sim, node), sim_name(sim, dependency));
    }
}

/* One launch for each counted failure, command, or other thing that happened to its supervisor. */
static void use_licence(struct sim *sim, struct shadow *node)
{
    const struct shadow *parent = node->parent;
    if (parent == NULL) return;
    uint64_t licence = parent->licences + sim->licences + node->dues;
    bool is_spare = parent->spare_step == sim->steps; /* a delay that is over begins a round */
    if (node->traits.is_timer) { /* a run may wait for the end of the former one */
        if (++node->run_count > licence)
            sim_violate(sim, 20, "%s runs more often than it was due", sim_name(sim, node));
        return;
    }
    if (node->licence == licence && !is_spare) {
        sim_violate(sim, 20, "%s was launched twice although nothing failed or was asked between",
                    sim_name(sim, node));
    }
    node->licence = licence;
}

static void check_supervisor(struct sim *sim, const struct shadow *node)
{
    const struct shadow *parent = node->parent;
    if (sim->ended) sim_violate(sim, 3, "%s was launched after the end", sim_name(sim, node));
    if (sim->stopping) {
        sim_violate(sim, 3, "%s was launched although the tree stops", sim_name(sim, node));
    }
    for (; parent != NULL; parent = parent->parent) {
        if (parent->runs) continue;
        sim_violate(sim, 3, "%s was launched although %s does not run", sim_name(sim, node),
                    sim_name(sim, parent));
    }
    if (node->parent != NULL && node->parent->paused && node->automatic) {
        sim_violate(sim, 2, "%s restarted by itself although %s is paused", sim_name(sim, node),
                    sim_name(sim, node->parent));
    }
}

static void check_new_instance(struct sim *sim, struct shadow *node,
                               const struct sup_effect *effect)
{
    if (node->instance != 0) {
        sim_violate(sim, 1, "%s was launched while instance %llu lives", sim_name(sim, node),
                    (unsigned long long) node->instance);
    }
    if (effect->generation != node->generation + 1) {
        sim_violate(sim, 1, "%s: generation %u follows %u", sim_name(sim, node), effect->generation,
                    node->generation);
    }
    if (effect->instance <= sim->last_instance) {
        sim_violate(sim, 1, "%s: instance %llu was used before", sim_name(sim, node),
                    (unsigned long long) effect->instance);
    }
    if (node->held || node->removed) {
        sim_violate(sim, 2, "%s was launched although %s", sim_name(sim, node),
                    node->held ? "a person stopped it" : "it was removed");
    }
    if (node->delay_ns > sim->now_ns) {
        sim_violate(sim, 2, "%s was launched within its delay", sim_name(sim, node));
    }
}

static void begin_life(struct sim *sim, struct shadow *node, const struct sup_effect *effect)
{
    check_new_instance(sim, node, effect);
    check_supervisor(sim, node);
    check_dependencies(sim, node);
    use_licence(sim, node);
    sim->last_instance = effect->instance;
    node->born_step = sim->steps;
    bool by_itself = node->automatic && node->generation > 0 && node->follows == 0;
    if (by_itself) node->restarted_step = sim->steps;
    node->follows = 0;
    node->instance = effect->instance;
    node->generation = effect->generation;
    node->instance_kind = (uint8_t) effect->kind;
    node->life = LIFE_TOLD;
    node->held_by_pause = node->fell_before = false;
    node->ready = node->automatic = node->finished = node->not_ready = false;
    node->kill_ns = node->stuck_ns = NEVER_NS;
    node->delay_ns = 0;
    node->terminated_step = node->ended_step = 0;
}

void check_launch(struct sim *sim, struct shadow *node, const struct sup_effect *effect)
{
    if (node->traits.kind == SUP_SUPERVISOR) {
        sim_violate(sim, 8, "%s is a supervisor and was launched", sim_name(sim, node));
    }
    begin_life(sim, node, effect);
}

/* --- launched, ready, ended ------------------------------------------------------------------ */

static void check_order(struct sim *sim, struct shadow *node, const struct sup_effect *effect,
                        unsigned needs, unsigned forbids, unsigned now)
{
    if (effect->instance != node->instance || effect->generation != node->generation) {
        sim_violate(sim, 17, "%s: an event of instance %llu, which does not live",
                    sim_name(sim, node), (unsigned long long) effect->instance);
    }
    if ((node->life & needs) != needs || (node->life & forbids)) {
        sim_violate(sim, 17, "%s: event %s comes out of order", sim_name(sim, node),
                    sup_event_name(effect->event.type));
    }
    node->life |= now;
}

/* A new incarnation knows nothing of what its children waited for. */
static void begin_children(struct sim *sim, const struct shadow *supervisor)
{
    each_shadow(sim, child)
    {
        if (child->parent != supervisor) continue;
        child->automatic = child->been_ready = false;
        child->delay_ns = 0;
    }
}

void check_launched(struct sim *sim, struct shadow *node, const struct sup_effect *effect)
{
    if (node->traits.kind == SUP_SUPERVISOR) {
        begin_life(sim, node, effect);
        node->life = LIFE_TOLD | LIFE_LAUNCHED;
        node->runs = true;
        node->paused = false;
        node->bound_ns = NEVER_NS;
        node->launched_step = sim->steps;
        node->has_drained = false;
        meter_reset(&node->meter);
        add_licence(node);
        begin_children(sim, node);
        return;
    }
    check_order(sim, node, effect, LIFE_TOLD, LIFE_LAUNCHED | LIFE_READY, LIFE_LAUNCHED);
}

/* A child that is wanted and has not been ready since its supervisor was launched, or NULL.
   ${timers}: those too, which are ready at once, but may be down again when the input is done. */
static struct shadow *find_awaited(struct sim *sim, const struct shadow *supervisor, bool timers)
{
    struct shadow *awaited = NULL;
    struct sup_status status;
    each_shadow(sim, child)
    {
        if (child->parent != supervisor || child->been_ready || child->removed) continue;
        bool there = sup_tree_status(sim->tree, child->token, sim->now_ns, &status);
        if (child->traits.is_timer && (!timers || status.ready)) continue;
        if (there && status.wanted) awaited = child;
    }
    return awaited;
}

/* Of a oneshot: it has ended, and well. */
static void check_done(struct sim *sim, struct shadow *node, const struct sup_effect *effect)
{
    bool is_done = node->instance == 0 && node->finished && node->generation == effect->generation;
    if (!node->traits.remains || !is_done || (node->life & LIFE_READY)) {
        sim_violate(sim, 17, "%s is called ready although it is not done", sim_name(sim, node));
    }
    node->life |= LIFE_READY;
    node->ready = node->been_ready = true;
}

void check_ready(struct sim *sim, struct shadow *node, const struct sup_effect *effect)
{
    if (node->traits.ends) {
        check_done(sim, node, effect);
        return;
    }
    check_order(sim, node, effect, LIFE_LAUNCHED, LIFE_READY | LIFE_STOPPING, LIFE_READY);
    node->ready = node->been_ready = true;
    if (node->traits.kind != SUP_SUPERVISOR || sim->reloads > 0) return;
    if (shadow_is_stopped_now(sim, node)) return;
    const struct shadow *awaited = find_awaited(sim, node, false);
    if (awaited == NULL) return;
    sim_violate(sim, 17, "%s is called ready although %s, which is wanted, has not been",
                sim_name(sim, node), sim_name(sim, awaited));
}

void check_held_up(struct sim *sim, const struct shadow *supervisor)
{
    if (supervisor->ready || shadow_is_stopped_now(sim, supervisor) || sim->stopping) return;
    if (find_awaited(sim, supervisor, true) != NULL) return;
    sim_violate(sim, 18, "%s runs, all its children have been ready, and it is not",
                sim_name(sim, supervisor));
}

void check_skipped(struct sim *sim, const struct shadow *node)
{
    if (node->traits.is_timer && sim->input->type == SUP_IN_TICK && node->due_ns <= sim->now_ns)
        return;
    sim_violate(sim, 7, "%s skips a run that is not due", sim_name(sim, node));
}

void check_delayed(struct sim *sim, struct shadow *node, const struct sup_event *event)
{
    node->delay_ns = event->until_ns;
    if (node->instance != 0) sim_violate(sim, 7, "%s is delayed and lives", sim_name(sim, node));
}

enum verdict { VERDICT_FAILURE, VERDICT_FINISHED, VERDICT_TERMINATE };

static bool is_success(const struct shadow *node, struct sup_outcome outcome)
{
    if (outcome.kind == SUP_END_EXIT) return sup_codes_has(&node->traits.success, outcome.code);
    return outcome.kind == SUP_END_RETURNED || outcome.kind == SUP_END_SHUTDOWN ||
           outcome.kind == SUP_END_STOPPED;
}

static enum verdict judge(const struct shadow *node, struct sup_outcome outcome)
{
    bool exited = outcome.kind == SUP_END_EXIT;
    bool ends_tree = exited && sup_codes_has(&node->traits.terminate, outcome.code);
    if (outcome.kind == SUP_END_TERMINATE || ends_tree) return VERDICT_TERMINATE;
    if (outcome.kind == SUP_END_DONE) return VERDICT_FINISHED;
    if (exited && sup_codes_has(&node->traits.done, outcome.code)) return VERDICT_FINISHED;
    if (node->traits.leaves) return VERDICT_FINISHED;
    if (node->traits.restart != SUP_PERMANENT && is_success(node, outcome)) return VERDICT_FINISHED;
    return VERDICT_FAILURE;
}

static bool is_lost_with_host(const struct sim *sim, const struct shadow *node)
{
    return sim->input->type == SUP_IN_HOST_DIED && node->instance_kind == SUP_THREAD &&
           node->instance != sim->input->instance;
}

static void judge_natural_end(struct sim *sim, struct shadow *node, struct sup_outcome outcome)
{
    struct shadow *parent = node->parent;
    if (is_lost_with_host(sim, node)) {
        node->automatic = true;
        add_licence(parent);
        return;
    }
    bool unpropagated = outcome.kind == SUP_END_SHUTDOWN && node->terminated_step != 0;
    enum verdict verdict = unpropagated ? VERDICT_FINISHED : judge(node, outcome);
    if (verdict == VERDICT_FAILURE) {
        check_counted(sim, node);
        return;
    }
    node->finished = node->been_ready = true;
    if (parent == NULL || shadow_is_going_down(parent)) return;
    if (verdict == VERDICT_TERMINATE) parent->terminated_step = sim->steps;
    parent->ended_step = sim->steps;
}

/* Not ready in time, or found sick, and stopped for it: counted now, unless something else was
   asked meanwhile. */
void check_late_start(struct sim *sim, struct shadow *node, const struct sup_effect *ended)
{
    const struct shadow *parent = node->parent;
    const struct sup_effect *end = sim->effects + sim->effect_count;
    bool is_counted = false;
    for (const struct sup_effect *effect = ended; effect < end; effect++) {
        if (effect->type == SUP_DO_EVENT && effect->event.type == SUP_EVENT_FAILED &&
            effect->node == node->token) {
            is_counted = true;
        }
    }
    struct sup_status status;
    bool is_wanted = sup_tree_status(sim->tree, node->token, sim->now_ns, &status) && status.wanted;
    bool must_count = is_wanted && sim->input->type != SUP_IN_HOST_DIED &&
                      !shadow_is_going_down(parent) &&
                      node->not_ready_licence == parent->licences + sim->licences &&
                      !node->traits.leaves && !(node->life & LIFE_STUCK);
    if (must_count && !is_counted) {
        sim_violate(sim, 4, "%s was not ready in time, or sick, and that was not counted",
                    sim_name(sim, node));
    }
    bool was_sick = ended->type == SUP_DO_EVENT && check_is_sick(ended->event.cause);
    if (was_sick && is_counted && ended->event.planned) {
        sim_violate(sim, 4, "%s was sick, which counts, and its end is called planned",
                    sim_name(sim, node));
    }
    if (is_counted) check_counted(sim, node);
    if (!node->traits.leaves) return;
    /* of one that was stuck it is not seen what was to follow */
    bool was_late = ended->type == SUP_DO_EVENT && ended->event.cause == SUP_CAUSE_NOT_READY;
    node->finished = was_late || was_sick;
    node->parent->ended_step = sim->steps;
}

void check_ended(struct sim *sim, struct shadow *node, const struct sup_effect *effect)
{
    const struct sup_event *event = &effect->event;
    check_order(sim, node, effect, LIFE_LAUNCHED, 0, 0);
    bool is_plain = node->traits.kind != SUP_SUPERVISOR && sim->input->type == SUP_IN_ENDED;
    /* one that is stuck, or of which something else was asked meanwhile, may not have failed */
    bool may_be_sick =
        node->not_ready && (check_is_sick(event->cause) || (node->life & LIFE_STUCK));
    bool planned = event->planned;
    if (is_plain) planned = node->was_stopping && (event->planned || !may_be_sick);
    if (sim->input->type == SUP_IN_HOST_DIED && node->instance_kind == SUP_PROCESS) {
        sim_violate(sim, 4, "%s is a process and ended with the host", sim_name(sim, node));
    }
    if (event->planned != planned) {
        sim_violate(sim, 4, "%s: its end is called %s", sim_name(sim, node),
                    event->planned ? "planned" : "unplanned");
    }
    if (!planned && !may_be_sick) judge_natural_end(sim, node, event->outcome);
    if (check_is_for_restart(event->cause)) node->licence = UINT64_MAX;
    if (node->not_ready && (planned || may_be_sick)) check_late_start(sim, node, effect);
    node->former = node->instance;
    node->instance = 0;
    node->died_step = sim->steps;
    node->ready = node->runs = node->paused = false;
    node->kill_ns = node->stuck_ns = node->bound_ns = NEVER_NS;
}

void check_launch_failed(struct sim *sim, struct shadow *node, const struct sup_event *event)
{
    if (event->outcome.kind == SUP_END_NOT_READY) {
        node->not_ready = true;
        node->not_ready_licence = node->parent->licences + sim->licences;
        return;
    }
    if ((node->life & (LIFE_LAUNCHED | LIFE_READY)) || node->life == 0) {
        sim_violate(sim, 17, "%s: launch_failed comes out of order", sim_name(sim, node));
    }
}
