/*
** simulate/check_status.c: before an input, what it may do; after it, what the tree says of itself
** against the shadow.
** Invariants 1, 2, 6, 7, 12, 13, 16, 18.
*/
#include "sim.h"

/* --- before ---------------------------------------------------------------------------------- */

static bool is_abandoned(const struct shadow *node, uint64_t instance)
{
    for (int i = 0; i < ABANDONED; i++) {
        if (instance != 0 && node->abandoned[i] == instance) return true;
    }
    return false;
}

static void drop_abandoned(struct shadow *node, uint64_t instance)
{
    for (int i = 0; i < ABANDONED; i++) {
        if (node->abandoned[i] == instance) node->abandoned[i] = 0;
    }
}

static void note_was_stopping(struct sim *sim, struct shadow *node)
{
    enum sup_state state = shadow_state(sim, node);
    node->was_stopping = state == SUP_STATE_STOPPING || state == SUP_STATE_STUCK;
    for (struct shadow *above = node->parent; above != NULL; above = above->parent)
        above->state = (uint8_t) shadow_state(sim, above);
}

/* The launch did not happen: the instance is no more, whether or not that is said again. */
static void fail_launch(struct sim *sim, struct shadow *node)
{
    node->former = node->instance;
    node->instance = 0;
    node->died_step = sim->steps;
    node->kill_ns = node->stuck_ns = NEVER_NS;
    node->late_failure = node->was_stopping && node->not_ready;
    if (node->was_stopping) node->licence = UINT64_MAX; /* a launch that was none */
    if (node->was_stopping || node->parent == NULL) return;
    if (sim->input->flag) {
        node->licence = UINT64_MAX; /* a launch that was none */
    } else if (!node->traits.leaves) {
        check_counted(sim, node);
    } else {
        node->finished = true;
        node->parent->ended_step = sim->steps;
    }
}

static void expect_fact(struct sim *sim, struct shadow *node)
{
    const struct sup_input *input = sim->input;
    sim->quiet = true;
    if (node == NULL || input->instance == 0) return;
    if (input->type == SUP_IN_ENDED && is_abandoned(node, input->instance)) {
        sim->quiet = false;
        drop_abandoned(node, input->instance);
        return;
    }
    if (input->instance != node->instance) return;
    bool launched = node->life & LIFE_LAUNCHED;
    note_was_stopping(sim, node);
    if (input->type == SUP_IN_LAUNCHED) {
        sim->quiet = launched;
    } else if (input->type == SUP_IN_READY) {
        sim->quiet = node->ready || !launched || (node->life & LIFE_STOPPING);
    } else if (input->type == SUP_IN_LAUNCH_FAILED) {
        sim->quiet = launched;
        if (!launched) fail_launch(sim, node);
    } else if (input->type == SUP_IN_EXTEND) {
        sim->quiet = true;
        check_extended(sim, node, input->wait_ns);
    } else if (input->type == SUP_IN_UNHEALTHY) {
        sim->quiet = !launched || node->was_stopping;
        if (sim->quiet) return;
        node->not_ready = true;
        node->not_ready_licence = node->parent->licences + sim->licences;
    } else {
        sim->quiet = false;
    }
}

static void expect_host_death(struct sim *sim)
{
    each_shadow(sim, node)
    {
        for (int i = 0; i < ABANDONED; i++)
            if (node->dies_with_host[i]) node->abandoned[i] = 0;
        if (node->instance != 0 && node->instance_kind == SUP_THREAD) note_was_stopping(sim, node);
    }
}

/* Whatever a person does may launch any node once more. */
static void license_all(struct sim *sim)
{
    sim->licences++;
}

static void release_dependencies(struct sim *sim, struct shadow *node)
{
    node->automatic = false;
    node->delay_ns = 0; /* an explicit start does not wait for it */
    for (uint64_t rest = node->traits.after; rest != 0; rest &= rest - 1) {
        uint8_t slot = sim->by_name[__builtin_ctzll(rest)];
        struct shadow *dependency = slot == 0 ? NULL : &sim->shadows[slot - 1];
        if (dependency == NULL || dependency == node || dependency->parent != node->parent)
            continue;
        if (!dependency->held) release_dependencies(sim, dependency);
    }
}

/* It lives, or is on its way. */
static bool is_up(const struct sim *sim, const struct shadow *node)
{
    enum sup_state state = shadow_state(sim, node);
    return node->instance != 0 || state == SUP_STATE_DELAYED || state == SUP_STATE_QUEUED ||
           state == SUP_STATE_WAITING;
}

static void expect_command(struct sim *sim, struct shadow *node)
{
    enum sup_input_type type = sim->input->type;
    bool names_node = type == SUP_IN_ADD || type == SUP_IN_REMOVE || type == SUP_IN_START_NODE ||
                      type == SUP_IN_STOP_NODE || type == SUP_IN_RESTART_NODE;
    bool is_late = sim->ended || (sim->stopping && type != SUP_IN_REMOVE && type != SUP_IN_STOP);
    sim->quiet = sim->ended || (names_node && (node == NULL || node->removed || is_late));
    if (sim->quiet) return;
    license_all(sim);
    if (node != NULL) node->was_up = is_up(sim, node);
    if (type == SUP_IN_STOP) sim->stopping = true;
    if (node == NULL || node->parent == NULL) return;
    if (type == SUP_IN_STOP_NODE) node->held = true;
    if (type == SUP_IN_START_NODE || type == SUP_IN_RESTART_NODE) {
        node->held = false;
        release_dependencies(sim, node);
    }
}

/* A delay that is over may begin a round. */
static void license_delays(struct sim *sim)
{
    each_in(sim, sim->restless, node)
    {
        bool is_over = node->state == SUP_STATE_DELAYED && node->delay_ns <= sim->now_ns;
        if (!is_over || node->parent == NULL) continue;
        node->parent->licences++;
        node->parent->spare_step = sim->steps;
    }
}

static void expect_tick(struct sim *sim)
{
    struct sup_status status;
    sim->quiet = sup_tree_deadline(sim->tree) > sim->now_ns;
    each_in(sim, sim->restless, node) /* a fact may have moved them without a word */
    {
        if (!sup_tree_status(sim->tree, node->token, sim->now_ns, &status)) continue;
        node->state = (uint8_t) status.state;
        node->since_ns = status.since_ns;
    }
    each_shadow(sim, node)
    {
        bool is_known = sup_tree_status(sim->tree, node->token, sim->now_ns, &status);
        if (!is_known) continue;
        node->due_ns = status.due_ns; /* a group round may have moved it without a word */
        if (status.due_ns != 0 && status.due_ns <= sim->now_ns) node->dues++;
    }
    license_delays(sim);
}

/* Who is marked for a stop before this input: supervisors end in many ways. */
static void look_at_supervisors(struct sim *sim)
{
    each_in(sim, sim->supervisors, node)
    {
        node->state = (uint8_t) shadow_state(sim, node);
    }
}

void check_before(struct sim *sim)
{
    enum sup_input_type type = sim->input->type;
    sim->quiet = false;
    if (!sim_is_fact(type)) look_at_supervisors(sim);
    switch (type) {
    case SUP_IN_TICK:
        expect_tick(sim);
        break;
    case SUP_IN_LAUNCHED:
    case SUP_IN_LAUNCH_FAILED:
    case SUP_IN_READY:
    case SUP_IN_ENDED:
    case SUP_IN_UNHEALTHY:
    case SUP_IN_EXTEND:
    case SUP_IN_EXITING:
        expect_fact(sim, sim->subject);
        break;
    case SUP_IN_SCHEDULE:
    case SUP_IN_ACTIVATE:
        break;
    case SUP_IN_HOST_DIED:
        expect_host_death(sim);
        break;
    case SUP_IN_KILL:
        sim->quiet = sim->ended;
        if (!sim->quiet) sim->stopping = true;
        break;
    case SUP_IN_START:
    case SUP_IN_STOP:
    case SUP_IN_ADD:
    case SUP_IN_REMOVE:
    case SUP_IN_START_NODE:
    case SUP_IN_STOP_NODE:
    case SUP_IN_RESTART_NODE:
    case SUP_IN_RELOAD:
        expect_command(sim, sim->subject);
        break;
    case SUP_IN_END:
        break;
    }
}

/* --- after ----------------------------------------------------------------------------------- */

static bool lives(enum sup_state state)
{
    return state == SUP_STATE_STARTING || state == SUP_STATE_RUNNING ||
           state == SUP_STATE_STOPPING || state == SUP_STATE_STUCK || state == SUP_STATE_PAUSED;
}

static bool has_stopping_sibling(struct sim *sim, const struct shadow *node)
{
    bool found = false;
    each_shadow(sim, other)
    {
        if (other->parent != node->parent || other->instance == 0) continue;
        found = found || shadow_state(sim, other) == SUP_STATE_STOPPING;
    }
    return found;
}

static bool has_unready_dependency(struct sim *sim, const struct shadow *node)
{
    struct sup_status status;
    for (uint64_t rest = node->traits.after; rest != 0; rest &= rest - 1) {
        uint8_t slot = sim->by_name[__builtin_ctzll(rest)];
        const struct shadow *other = slot == 0 ? NULL : &sim->shadows[slot - 1];
        if (other == NULL || other->parent != node->parent || other == node) continue;
        if (!sup_tree_status(sim->tree, other->token, sim->now_ns, &status)) continue;
        if (status.state == SUP_STATE_DONE) continue;
        if (!status.ready || status.state == SUP_STATE_STOPPING) return true;
    }
    return false;
}

/* A node that is wanted and may run must be on its way: nothing forgets it. */
static void check_not_forgotten(struct sim *sim, const struct shadow *node,
                                const struct sup_status *status)
{
    const struct shadow *parent = node->parent;
    bool may_run = parent != NULL || (sim->serving && !sim->stopping && !sim->ended);
    if (!may_run || !status->wanted || lives(status->state)) return;
    for (const struct shadow *it = parent; it != NULL; it = it->parent)
        if (!it->runs || shadow_state(sim, it) == SUP_STATE_STOPPING) return;
    bool is_explained = status->cause == SUP_CAUSE_FINISHED || status->cause == SUP_CAUSE_ROLLBACK;
    if (status->state == SUP_STATE_STOPPED && !is_explained && !has_stopping_sibling(sim, node)) {
        sim_violate(sim, 18, "%s is wanted and stopped, and nothing will start it",
                    sim_name(sim, node));
    }
    bool rests = node->traits.is_timer && status->cause == SUP_CAUSE_SCHEDULE;
    if (rests && status->due_ns == 0) {
        sim_violate(sim, 18, "%s waits for a time that does not come", sim_name(sim, node));
    }
    if (status->state == SUP_STATE_WAITING && !rests && !has_unready_dependency(sim, node)) {
        sim_violate(sim, 18, "%s waits although all it is after is ready", sim_name(sim, node));
    }
    if (status->state == SUP_STATE_QUEUED && !parent->paused && status->next_ns == 0) {
        sim_violate(sim, 6, "%s is queued although %s is not paused", sim_name(sim, node),
                    sim_name(sim, parent));
    }
    if (status->state == SUP_STATE_DELAYED && status->next_ns == 0) {
        sim_violate(sim, 7, "%s is delayed without a deadline", sim_name(sim, node));
    }
}

static void check_deadline(struct sim *sim, const struct shadow *node,
                           const struct sup_status *status)
{
    bool idle = status->state == SUP_STATE_STOPPED || status->state == SUP_STATE_DONE ||
                status->state == SUP_STATE_FAILED || status->state == SUP_STATE_STUCK;
    if (status->next_ns == 0) return;
    if (idle) sim_violate(sim, 7, "%s is idle and has a deadline", sim_name(sim, node));
    if (status->next_ns < sup_tree_deadline(sim->tree)) {
        sim_violate(sim, 7, "%s has a deadline before the tree's first", sim_name(sim, node));
    }
}

static void check_instance(struct sim *sim, struct shadow *node, const struct sup_status *status)
{
    if (status->instance != node->instance || status->generation != node->generation) {
        sim_violate(sim, 1, "%s says instance %llu, generation %u; seen were %llu, %u",
                    sim_name(sim, node), (unsigned long long) status->instance, status->generation,
                    (unsigned long long) node->instance, node->generation);
    }
    if (lives(status->state) != (node->instance != 0)) {
        sim_violate(sim, 1, "%s is %s %s an instance", sim_name(sim, node),
                    sup_state_name(status->state), node->instance != 0 ? "with" : "without");
    }
    if (node->instance == 0 && !status->ready)
        node->ready = false; /* stopped after all, or with its supervisor */
    if (node->traits.is_timer) {
        node->ready = status->ready;
        node->been_ready = node->been_ready || status->ready;
    }
    if (status->ready != node->ready && status->state != SUP_STATE_STOPPING) {
        sim_violate(sim, 17, "%s says it is %sready", sim_name(sim, node),
                    status->ready ? "" : "not ");
    }
    if ((status->state == SUP_STATE_STUCK) != (node->instance != 0 && (node->life & LIFE_STUCK))) {
        sim_violate(sim, 8, "%s says it is %s", sim_name(sim, node), sup_state_name(status->state));
    }
    bool is_of_services = status->state == SUP_STATE_DONE || status->state == SUP_STATE_STUCK;
    if (node->traits.kind == SUP_SUPERVISOR && is_of_services) {
        sim_violate(sim, 17, "%s is a supervisor and says it is %s", sim_name(sim, node),
                    sup_state_name(status->state));
    }
    if (node->traits.kind != SUP_SUPERVISOR && status->state == SUP_STATE_STARTING &&
        (node->life & LIFE_LAUNCHED)) {
        sim_violate(sim, 17, "%s is starting and was launched", sim_name(sim, node));
    }
}

/* Of several things in one input, another may have taken its supervisor down before. */
static bool may_come_too_late(struct sim *sim, struct shadow *node)
{
    bool is_many = sim->input->type == SUP_IN_HOST_DIED || sim->input->type == SUP_IN_TICK;
    bool is_down = false;
    for (const struct shadow *above = node->parent; above != NULL; above = above->parent) {
        is_down = is_down || shadow_state(sim, above) == SUP_STATE_STOPPING || !above->runs ||
                  above->launched_step == sim->steps;
    }
    if (is_many && is_down) node->parent->meter.unsure = true;
    return is_many && is_down;
}

static void note_look(struct sim *sim, struct shadow *node, const struct sup_status *status)
{
    uint64_t bit = UINT64_C(1) << node->slot;
    bool restless = status->state == SUP_STATE_DELAYED || status->state == SUP_STATE_QUEUED ||
                    status->state == SUP_STATE_WAITING;
    sim->restless = restless ? sim->restless | bit : sim->restless & ~bit;
    node->state = (uint8_t) status->state;
    node->since_ns = status->since_ns;
    node->due_ns = status->due_ns;
}

static void check_node(struct sim *sim, struct shadow *node)
{
    struct sup_status status;
    if (!sup_tree_status(sim->tree, node->token, sim->now_ns, &status)) {
        sim_violate(sim, 12, "%s vanished without a word", sim_name(sim, node));
        return;
    }
    check_instance(sim, node, &status);
    check_deadline(sim, node, &status);
    check_not_forgotten(sim, node, &status);
    if (node->traits.kind == SUP_SUPERVISOR) {
        check_meter(sim, node, &status);
        if (status.state == SUP_STATE_RUNNING) check_held_up(sim, node);
    }
    if (status.held != node->held && !node->removed) {
        sim_violate(sim, 2, "%s says a person %s it", sim_name(sim, node),
                    status.held ? "stopped" : "did not stop");
    }
    if (status.held && status.wanted) {
        sim_violate(sim, 2, "%s is wanted although a person stopped it", sim_name(sim, node));
    }
    if (!status.wanted) { /* whatever brings it back is no restart */
        node->automatic = false;
        node->delay_ns = 0;
    }
    if (node->failure_due && may_come_too_late(sim, node)) node->failure_due = false;
    if (node->failure_due) {
        sim_violate(sim, 4, "%s failed and that was not counted", sim_name(sim, node));
    }
    if (node->terminated_step == sim->steps && node->runs && status.state != SUP_STATE_STOPPING) {
        sim_violate(sim, 14, "%s runs on after its child ended the tree", sim_name(sim, node));
    }
    note_look(sim, node, &status);
}

/* First in, first out: whoever was in the queue longer than one that left it is launched, too. */
static void check_queue_order(struct sim *sim, const struct shadow *launched, int64_t since_ns)
{
    each_shadow(sim, other)
    {
        if (other->parent != launched->parent || other == launched) continue;
        if (other->state != SUP_STATE_QUEUED || other->instance != 0) continue;
        struct sup_status status;
        if (other->since_ns >= since_ns) continue;
        if (!sup_tree_status(sim->tree, other->token, sim->now_ns, &status)) continue;
        if (status.state != SUP_STATE_QUEUED) continue;
        sim_violate(sim, 6, "%s overtook %s in the queue", sim_name(sim, launched),
                    sim_name(sim, other));
    }
}

static void check_spacing(struct sim *sim, struct shadow *supervisor)
{
    int64_t spacing_ns = supervisor->drained_spacing_ns;   /* as of then: a reload moves no timer */
    bool is_new = supervisor->launched_step == sim->steps; /* its first launches wait for nothing */
    if (is_new) return;
    bool is_known = supervisor->has_drained && sim->reloads == 0;
    if (is_known && spacing_ns > 0 && sim->now_ns - supervisor->drained_ns < spacing_ns) {
        sim_violate(sim, 6, "%s launches from its queue without spacing",
                    sim_name(sim, supervisor));
    }
    supervisor->has_drained = !supervisor->paused; /* else the next belongs to another pause */
    supervisor->drained_ns = sim->now_ns;
    supervisor->drained_spacing_ns = supervisor->traits.spacing_ns;
}

static void check_queues(struct sim *sim)
{
    if (sim->input->type != SUP_IN_TICK) return;
    each_in(sim, sim->restless, node)
    {
        bool left = node->state == SUP_STATE_QUEUED && node->instance != 0;
        if (!left || node->parent->traits.strategy != SUP_ONE_FOR_ONE) continue;
        check_queue_order(sim, node, node->since_ns);
        check_spacing(sim, node->parent);
    }
}

static void check_idle(struct sim *sim)
{
    int64_t deadline = sup_tree_deadline(sim->tree);
    bool was_due = sim->input->type == SUP_IN_TICK && sim->reloads == 0;
    if (was_due && deadline <= sim->now_ns) {
        sim_violate(sim, 7, "a deadline that was due is still there after the tick");
    }
    if (sim->ended && deadline != NEVER_NS) {
        sim_violate(sim, 7, "the tree has ended and has a deadline");
    }
}

/* Those with an effect, their parents, and those that may have moved without one. */
static uint64_t find_changed(struct sim *sim, bool *asked)
{
    bool is_quiet = sim_is_fact(sim->input->type) && sim->effect_count <= 2;
    uint64_t changed = is_quiet ? sim->touched : sim->touched | sim->restless;
    *asked = false;
    each_in(sim, sim->touched, node)
    {
        *asked = *asked || node->asked_step == sim->steps;
        if (node->parent != NULL) changed |= UINT64_C(1) << node->parent->slot;
    }
    return changed & sim->used;
}

void check_after(struct sim *sim)
{
    bool asked;
    enum sup_input_type type = sim->input->type;
    bool full = sim->steps % 16 == 0 || type == SUP_IN_RELOAD || type == SUP_IN_HOST_DIED;
    check_queues(sim);
    if (type == SUP_IN_TICK) license_delays(sim); /* a round that goes on afterwards */
    uint64_t changed = find_changed(sim, &asked);
    each_in(sim, full ? sim->used : changed, node)
    {
        check_node(sim, node);
    }
    if (asked) check_stop_order(sim);
    check_follows(sim);
    if (full) check_budgets(sim);
    check_idle(sim);
    check_replies(sim);
}

/* --- once it has ended ----------------------------------------------------------------------- */

static bool is_expected(struct sim *sim, const struct sup_unstopped *row)
{
    const struct shadow *node = shadow_of(sim, row->node);
    return node != NULL && row->instance != 0 &&
           (node->instance == row->instance || is_abandoned(node, row->instance));
}

static size_t count_living(struct sim *sim)
{
    size_t count = 0;
    each_shadow(sim, node)
    {
        if (node->instance != 0 && node->traits.kind != SUP_SUPERVISOR) count++;
        for (int i = 0; i < ABANDONED; i++) {
            if (node->abandoned[i] != 0) count++;
        }
        if (node->instance != 0 && !(node->life & LIFE_STUCK)) {
            sim_violate(sim, 18, "%s lives after the end and is not stuck", sim_name(sim, node));
        }
    }
    return count;
}

void check_report(struct sim *sim)
{
    struct sup_unstopped rows[SLOTS * (1 + ABANDONED)];
    size_t count = sup_tree_unstopped(sim->tree, rows, sizeof rows / sizeof rows[0]);
    size_t living = count_living(sim);
    if (count != living) {
        sim_violate(sim, 13, "the report has %zu instances, %zu live", count, living);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_double = false;
        for (size_t k = 0; k < i; k++) is_double |= rows[k].instance == rows[i].instance;
        if (is_double || !is_expected(sim, &rows[i])) {
            sim_violate(sim, 13, "the report has instance %llu, which %s",
                        (unsigned long long) rows[i].instance,
                        is_double ? "is in it twice" : "does not live");
        }
    }
}
