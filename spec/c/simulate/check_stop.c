/*
** simulate/check_stop.c: asking, killing, giving up on an instance; order and budgets of stops.
** Invariants 3, 8, 9, 10.
*/
#include "sim.h"

static int64_t add_ns(int64_t a, int64_t b)
{
    return a == NEVER_NS || b == NEVER_NS || a > NEVER_NS - b ? NEVER_NS : a + b;
}

/* --- one instance ---------------------------------------------------------------------------- */

static bool is_current(struct sim *sim, const struct shadow *node, const struct sup_effect *effect,
                       const char *what)
{
    if (effect->instance == node->instance && node->instance != 0) return true;
    sim_violate(sim, 8, "%s: %s of instance %llu, which does not live", sim_name(sim, node), what,
                (unsigned long long) effect->instance);
    return false;
}

void check_interrupt(struct sim *sim, struct shadow *node, const struct sup_effect *effect)
{
    if (!is_current(sim, node, effect, "the polite stop")) return;
    if (node->kill_ns != NEVER_NS || (node->life & LIFE_KILLED)) {
        sim_violate(sim, 8, "%s was asked to stop after its kill", sim_name(sim, node));
    }
    if (node->interrupted == node->instance) {
        sim_violate(sim, 8, "%s was asked to stop twice", sim_name(sim, node));
    }
    if (node->traits.timeout_ns == 0 && !node->untimed) {
        sim_violate(sim, 8, "%s has no time to stop and was asked politely", sim_name(sim, node));
    }
    node->interrupted = node->instance;
    node->kill_ns = add_ns(sim->now_ns, node->traits.timeout_ns);
}

void check_kill(struct sim *sim, struct shadow *node, const struct sup_effect *effect)
{
    if (!is_current(sim, node, effect, "the kill")) return;
    bool at_once = node->traits.timeout_ns == 0 && node->interrupted != node->instance;
    bool is_due = node->interrupted == node->instance && sim->now_ns >= node->kill_ns;
    if (node->life & LIFE_KILLED) sim_violate(sim, 8, "%s was killed twice", sim_name(sim, node));
    bool is_said = node->life & LIFE_KILL_SAID;
    bool is_late = node->interrupted == node->instance && sim->input->type != SUP_IN_KILL;
    if (!is_said || is_late != ((node->life & LIFE_TIMED_OUT) != 0)) {
        sim_violate(sim, 17, "%s was killed without a word, or with a wrong one",
                    sim_name(sim, node));
    }
    if (sim->reloads > 0) node->untimed = true;
    if (!at_once && !is_due && !node->untimed && sim->input->type != SUP_IN_KILL) {
        sim_violate(sim, 8, "%s was killed before its time", sim_name(sim, node));
    }
    if (!(node->life & LIFE_STOPPING)) {
        sim_violate(sim, 17, "%s was killed without a stop", sim_name(sim, node));
    }
    node->life |= LIFE_KILLED;
    node->stuck_ns = add_ns(sim->now_ns, node->traits.kill_timeout_ns);
}

void check_stuck(struct sim *sim, struct shadow *node)
{
    bool is_due = node->untimed || sim->now_ns >= node->stuck_ns;
    if (!(node->life & LIFE_KILLED) || !is_due) {
        sim_violate(sim, 8, "%s is called stuck before its time", sim_name(sim, node));
    }
    node->life |= LIFE_STUCK;
}

void check_abandon(struct sim *sim, struct shadow *node, const struct sup_effect *effect)
{
    if (!is_current(sim, node, effect, "abandoning")) return;
    if (!(node->life & LIFE_STUCK) || !node->traits.abandons) {
        sim_violate(sim, 1, "%s was abandoned although it may not be", sim_name(sim, node));
    }
    int place = 0;
    while (place < ABANDONED && node->abandoned[place] != 0) place++;
    if (place == ABANDONED) {
        sim_violate(sim, 1, "%s abandoned more than %d instances", sim_name(sim, node), ABANDONED);
        return;
    }
    if (node->not_ready) check_late_start(sim, node, effect);
    node->abandoned[place] = node->instance;
    node->dies_with_host[place] = node->instance_kind == SUP_THREAD;
    node->former = node->instance;
    node->instance = 0;
    node->died_step = sim->steps;
    node->ready = false;
    node->kill_ns = node->stuck_ns = NEVER_NS;
}

/* --- budgets --------------------------------------------------------------------------------- */

static int64_t time_left(const struct sim *sim, int64_t moment_ns)
{
    if (moment_ns == NEVER_NS) return NEVER_NS;
    return moment_ns > sim->now_ns ? moment_ns - sim->now_ns : 0;
}

static int64_t find_service_budget(const struct sim *sim, const struct shadow *node)
{
    if (node->instance == 0 || (node->life & LIFE_STUCK)) return 0;
    int64_t kill_timeout_ns = node->traits.kill_timeout_ns;
    if (node->life & LIFE_KILLED) return time_left(sim, node->stuck_ns);
    if (node->interrupted != node->instance)
        return add_ns(node->traits.timeout_ns, kill_timeout_ns);
    return add_ns(time_left(sim, node->kill_ns), kill_timeout_ns);
}

/* The longest that the end of ${node} may take once it is asked. */
static int64_t find_budget(struct sim *sim, const struct shadow *node)
{
    if (node->traits.kind != SUP_SUPERVISOR) return find_service_budget(sim, node);
    int64_t sum = 0, longest = 0;
    bool is_chained = node->traits.in_order || node->ends_in_order;
    each_shadow(sim, child)
    {
        if (child->parent != node || child->instance == 0) continue;
        int64_t budget = find_budget(sim, child);
        sum = add_ns(sum, budget);
        if (budget > longest) longest = budget;
        if (child->traits.after != 0) is_chained = true;
    }
    return is_chained ? sum : longest;
}

void check_budgets(struct sim *sim)
{
    each_in(sim, sim->supervisors, node)
    {
        if (node->bound_ns == NEVER_NS || node->instance == 0) continue;
        int64_t late_ns = sim->lateness_ns - node->bound_lateness_ns;
        if (sim->now_ns > add_ns(node->bound_ns, late_ns)) {
            sim_violate(sim, 3, "%s has not ended within its budgets", sim_name(sim, node));
        }
    }
}

/* --- who is asked, and when ------------------------------------------------------------------ */

static void check_group(struct sim *sim, const struct shadow *node, const struct sup_event *event)
{
    const struct shadow *cause = shadow_of(sim, event->other);
    const struct shadow *parent = node->parent;
    bool held = parent != NULL && parent->paused && cause != NULL && cause->held_by_pause;
    if (held && !node->fell_before && !shadow_is_going_down(parent)) {
        sim_violate(sim, 5, "%s failed while %s is paused, and %s was stopped for it",
                    sim_name(sim, cause), sim_name(sim, parent), sim_name(sim, node));
    }
    if (parent == NULL || parent->traits.strategy == SUP_ONE_FOR_ONE) {
        /* a reload may have changed the strategy in mid-round */
        if (sim->config_changes == 0) {
            sim_violate(sim, 10, "%s was stopped for a group that there is not",
                        sim_name(sim, node));
        }
        return;
    }
    if (cause == NULL || cause->removed || parent->traits.strategy == SUP_ONE_FOR_ALL) return;
    if (cause->order > node->order) shadow_sync(sim); /* a reload that waited may have reordered */
    if (cause->parent != parent) {
        sim_violate(sim, 10, "%s was stopped for a group that it is not in", sim_name(sim, node));
    } else if (cause->order > node->order && sim->config_changes == 0) {
        sim_violate(sim, 10, "%s comes before %s, which failed, and was stopped with it",
                    sim_name(sim, node), sim_name(sim, cause));
    }
}

/* As of before the input, but for the one that has just ended. */
static bool is_significant_left(struct sim *sim, const struct shadow *supervisor)
{
    bool left = false;
    each_shadow(sim, child)
    {
        if (child->parent != supervisor || child->removed || !child->traits.significant) continue;
        if (child->finished && child->instance == 0) continue;
        bool was_stopping = child->state == SUP_STATE_STOPPING || child->state == SUP_STATE_STUCK;
        bool is_down = child->died_step == sim->steps || was_stopping ||
                       shadow_state(sim, child) == SUP_STATE_FAILED;
        bool stays = child->traits.restart == SUP_TEMPORARY && child->instance == 0;
        if (is_down && stays) continue;
        left = left || (child->state != SUP_STATE_STOPPED && child->state != SUP_STATE_DONE &&
                        child->state != SUP_STATE_FAILED);
    }
    return left;
}

static void check_auto_shutdown(struct sim *sim, const struct shadow *node)
{
    uint8_t rule = node->traits.auto_shutdown;
    if (node->ended_step == 0) {
        sim_violate(sim, 14, "%s shuts down although no child ended by itself",
                    sim_name(sim, node));
    }
    /* a reload that waited came after this: what it changed is known too early here */
    if (sim->reloads > 0 && sim->input->type != SUP_IN_RELOAD) return;
    if (rule == SUP_SHUTDOWN_NEVER) {
        sim_violate(sim, 14, "%s shuts down although it never should", sim_name(sim, node));
    }
    if (rule == SUP_SHUTDOWN_ALL && is_significant_left(sim, node)) {
        sim_violate(sim, 14, "%s shuts down although a significant child lives",
                    sim_name(sim, node));
    }
}

static void stop_supervisor(struct sim *sim, struct shadow *node, const struct sup_event *event)
{
    node->runs = node->paused = false;
    node->ends_in_order = node->traits.in_order;
    node->bound_ns = add_ns(sim->now_ns, find_budget(sim, node));
    node->bound_lateness_ns = sim->lateness_ns;
    if (event->cause == SUP_CAUSE_AUTO_SHUTDOWN) check_auto_shutdown(sim, node);
    if (event->cause == SUP_CAUSE_TERMINATE && node->terminated_step == 0) {
        sim_violate(sim, 14, "%s terminates although no child said so", sim_name(sim, node));
    }
    if (event->cause == SUP_CAUSE_LIMIT && node->tripped_step == 0) {
        sim_violate(sim, 15, "%s escalates although its meter did not trip", sim_name(sim, node));
    }
    bool for_good = event->cause == SUP_CAUSE_STOP || event->cause == SUP_CAUSE_LIMIT ||
                    event->cause == SUP_CAUSE_TERMINATE || event->cause == SUP_CAUSE_AUTO_SHUTDOWN;
    if (node->parent == NULL && for_good) sim->stopping = true;
}

/* Asked of this node alone, by a person, a reload, or one that it follows. */
bool check_is_for_restart(enum sup_cause cause)
{
    return cause == SUP_CAUSE_FOLLOW || cause == SUP_CAUSE_PERSON || cause == SUP_CAUSE_RELOAD ||
           cause == SUP_CAUSE_ROLLBACK || cause == SUP_CAUSE_DEPENDENCY;
}

bool check_is_sick(enum sup_cause cause)
{
    return cause == SUP_CAUSE_WATCHDOG || cause == SUP_CAUSE_UNHEALTHY;
}

/* A reload may have changed the timeouts of what stops. */
void check_new_budgets(struct sim *sim)
{
    each_shadow(sim, node)
    {
        if (node->bound_ns == NEVER_NS) continue;
        node->bound_ns = add_ns(sim->now_ns, find_budget(sim, node));
        node->bound_lateness_ns = sim->lateness_ns;
    }
}

void check_extended(struct sim *sim, struct shadow *node, int64_t ns)
{
    bool is_asked = node->interrupted == node->instance && !(node->life & LIFE_KILLED);
    if (!is_asked || node->kill_ns == NEVER_NS || node->kill_ns >= sim->now_ns + ns) return;
    node->kill_ns = sim->now_ns + ns;
    check_new_budgets(sim);
}

static void check_sickness(struct sim *sim, const struct shadow *node,
                           const struct sup_event *event)
{
    bool by_watchdog = event->cause == SUP_CAUSE_WATCHDOG;
    if (!node->not_ready ||
        event->outcome.kind != (by_watchdog ? SUP_END_WATCHDOG : SUP_END_UNHEALTHY) ||
        event->text == NULL) {
        sim_violate(sim, 4, "%s: what it is stopped for is not said", sim_name(sim, node));
    }
}

void check_stopping(struct sim *sim, struct shadow *node, const struct sup_event *event)
{
    if (node->instance == 0) {
        sim_violate(sim, 8, "%s is stopped but does not live", sim_name(sim, node));
    }
    if (node->life & LIFE_STOPPING) {
        sim_violate(sim, 8, "%s: its stop is announced twice", sim_name(sim, node));
    }
    node->life |= LIFE_STOPPING;
    node->ready = false;
    node->asked = node->instance;
    node->follows = event->cause == SUP_CAUSE_FOLLOW ? event->other : 0;
    node->falls_with = event->cause == SUP_CAUSE_GROUP ? event->other : 0;
    node->asked_step = sim->steps;
    if (check_is_for_restart(event->cause))
        node->licence = UINT64_MAX; /* that of the one who asks */
    node->stops_alone = event->cause == SUP_CAUSE_SCHEDULE || event->cause == SUP_CAUSE_LIMIT ||
                        event->cause == SUP_CAUSE_TERMINATE ||
                        event->cause == SUP_CAUSE_AUTO_SHUTDOWN ||
                        event->cause == SUP_CAUSE_NOT_READY || check_is_sick(event->cause);
    if (check_is_sick(event->cause)) check_sickness(sim, node, event);
    if (event->cause == SUP_CAUSE_GROUP) check_group(sim, node, event);
    if (node->traits.kind == SUP_SUPERVISOR) {
        stop_supervisor(sim, node, event);
        return;
    }
    int64_t timeout_ns = node->traits.timeout_ns;
    int64_t until_ns = timeout_ns == NEVER_NS ? 0 : sim->now_ns + timeout_ns;
    node->untimed = sim->reloads > 0; /* its timeouts may have changed in this very input */
    bool is_sure = !node->untimed && sim->input->type != SUP_IN_KILL;
    if (is_sure && event->until_ns != until_ns) {
        sim_violate(sim, 8, "%s: its kill is announced for another time", sim_name(sim, node));
    }
}

/* --- order ----------------------------------------------------------------------------------- */

static bool is_still_stopping(struct sim *sim, const struct shadow *node)
{
    if (node->instance == 0 || (node->life & LIFE_STUCK)) return false;
    return shadow_state(sim, node) == SUP_STATE_STOPPING;
}

static bool is_after(const struct shadow *node, const struct shadow *other)
{
    return (node->traits.after >> other->name) & 1;
}

/* Something that must end before ${node} still lives. */
static bool is_blocked(struct sim *sim, const struct shadow *node)
{
    bool blocked = false;
    each_shadow(sim, other)
    {
        if (other->parent == node->parent && is_after(other, node) && !other->removed) {
            blocked = blocked || is_still_stopping(sim, other);
        }
    }
    return blocked;
}

/* Two that stop for themselves, or follow two others, are two decisions of one instant. */
static bool is_separate(struct sim *sim, const struct shadow *node, const struct shadow *other)
{
    struct sup_status status;
    if (node->stops_alone || other->stops_alone) return true;
    if (sim->reloads > 0 && sim->input->type != SUP_IN_RELOAD) return true;
    sup_tree_status(sim->tree, other->token, sim->now_ns, &status);
    if (status.cause == SUP_CAUSE_FOLLOW) {
        return status.cause_node != node->token && status.cause_node != node->follows;
    }
    if (sim->input->type != SUP_IN_TICK) return false; /* else several deadlines at once: */
    bool is_other_group = status.cause == SUP_CAUSE_GROUP && node->falls_with != 0 &&
                          status.cause_node != node->falls_with;
    return node->follows != 0 || is_other_group;
}

static void check_asked(struct sim *sim, const struct shadow *node)
{
    const struct shadow *parent = node->parent;
    bool is_many = sim->input->type == SUP_IN_HOST_DIED; /* ends and stops take turns in it */
    bool in_sequence = !parent->runs && parent->instance != 0 && parent->ends_in_order && !is_many;
    each_shadow(sim, other)
    {
        if (other->parent != parent || other == node || other->removed || node->removed) continue;
        bool is_dependent = is_after(other, node);
        bool is_later = in_sequence && other->order > node->order;
        if (!is_dependent && !is_later) continue;
        if (!is_still_stopping(sim, other) || is_separate(sim, node, other)) continue;
        shadow_sync(sim); /* a reload that waited may have reordered */
        if (!is_dependent && other->order < node->order) continue;
        if (is_dependent) {
            sim_violate(sim, 9, "%s was asked while %s, which is after it, still stops",
                        sim_name(sim, node), sim_name(sim, other));
        } else if (!is_after(node, other) && !is_blocked(sim, other)) {
            sim_violate(sim, 9, "%s was asked while %s, which is later, still stops",
                        sim_name(sim, node), sim_name(sim, other));
        }
    }
}

void check_stop_order(struct sim *sim)
{
    if (sim->input->type == SUP_IN_KILL) return;
    each_in(sim, sim->touched, node)
    {
        bool still_lives = node->instance != 0 && node->instance == node->asked;
        if (node->asked_step != sim->steps || node->parent == NULL || !still_lives) continue;
        check_asked(sim, node);
    }
}
