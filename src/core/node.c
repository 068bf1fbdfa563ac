/*
** core/node.c: one node's life: brought up, launched, ready, ended. What follows a failure is
** strategy.c's, what follows a stop stop.c's.
*/
#include "core/node.h"

#include <string.h>

bool sup_node_is_service(const struct sup_node *node)
{
    return node->spec.kind != SUP_SUPERVISOR;
}

bool sup_node_is_oneshot(const struct sup_node *node)
{
    return node->spec.role == SUP_ROLE_ONESHOT;
}

bool sup_node_remains(const struct sup_node *node)
{
    return sup_node_is_oneshot(node) && node->spec.remain && node->state == SUP_STATE_DONE;
}

bool sup_node_is_ready_at_launch(const struct sup_node *node)
{
    return node->spec.role == SUP_ROLE_SERVICE && node->spec.ready.kind == SUP_READY_AT_LAUNCH;
}

/* "temporary": it is not tried again, and leaves the tree; what is declared to end stays in it. */
static bool leaves_at_its_end(const struct sup_node *node)
{
    return node->spec.restart == SUP_TEMPORARY && node->spec.role == SUP_ROLE_SERVICE;
}

bool sup_node_was_launched_as_thread(const struct sup_node *node)
{
    return node->started_record != NULL && node->started_record->kind == SUP_THREAD;
}

bool sup_node_is_wanted(const struct sup_node *node)
{
    return !node->removed && !node->held && (node->spec.enabled || node->asked_up);
}

bool sup_node_runs_children(const struct sup_tree *tree, const struct sup_node *supervisor)
{
    for (; supervisor != NULL; supervisor = supervisor->parent)
        if (supervisor->instance == 0 || supervisor->state == SUP_STATE_STOPPING) return false;
    return tree->serving && !tree->stopping && !tree->ended;
}

/* Does the node still stand for something to come, for auto_shutdown = "all_significant"? */
static bool counts_as_alive(enum sup_state state)
{
    return state != SUP_STATE_STOPPED && state != SUP_STATE_DONE && state != SUP_STATE_FAILED;
}

void sup_node_set_state(struct sup_tree *tree, struct sup_node *node, enum sup_state state,
                        enum sup_cause cause, sup_token other)
{
    struct sup_node *parent = node->parent;
    if (parent != NULL && node->spec.significant && !node->removed) {
        if (counts_as_alive(node->state)) parent->significant_alive--;
        if (counts_as_alive(state)) parent->significant_alive++;
    }
    if (node->state != state) node->since_ns = tree->now_ns;
    node->state = state;
    node->cause = cause;
    node->cause_node = other;
    if (node->instance == 0 && state != SUP_STATE_DONE) node->ready = false;
    bool is_down = state == SUP_STATE_STOPPED || state == SUP_STATE_FAILED;
    if (node->armed && is_down) sup_schedule_clear(tree, node);
    if (parent == NULL) return;
    if (node->counted_starting && state != SUP_STATE_STARTING) {
        node->counted_starting = false;
        parent->starting--;
        sup_supervisor_settle(tree, parent);
    }
    bool round_is_past = state != SUP_STATE_STARTING && !parent->round_stopping;
    if (node->in_round && round_is_past) sup_strategy_leave_round(tree, node);
}

/* --- bringing up ----------------------------------------------------------------------------- */

static void await_children(struct sup_tree *tree, struct sup_node *supervisor)
{
    sup_list_each(link, &supervisor->children)
    {
        struct sup_node *child = sup_container(link, struct sup_node, sibling);
        child->automatic = false;
        child->delay_attempt = 0;
        child->asked_up = child->asked_up && !child->held;
        child->has_been_ready = false;
        if (child->instance == 0) sup_schedule_forget(tree, child);
        child->awaited = sup_node_is_wanted(child);
        if (child->awaited) supervisor->pending_ready++;
        if (child->state == SUP_STATE_STUCK) child->then = SUP_THEN_LAUNCH;
        if (child->awaited && child->instance == 0) /* what it did in a former run is over */
            sup_node_set_state(tree, child, SUP_STATE_STOPPED, SUP_CAUSE_START, 0);
    }
}

static void launch_children(struct sup_tree *tree, struct sup_node *supervisor)
{
    supervisor->meter = (struct sup_meter){0};
    supervisor->window = (struct sup_window){0};
    supervisor->pauses = (struct sup_window){0};
    supervisor->ending = (struct sup_outcome){0};
    supervisor->self_ending = false;
    supervisor->pending_ready = 0;
    supervisor->starting++; /* held until every child had its turn */
    await_children(tree, supervisor);
    sup_list_each(link, &supervisor->children)
    {
        sup_node_bring_up(tree, sup_container(link, struct sup_node, sibling), SUP_CAUSE_START);
    }
    supervisor->starting--;
    sup_supervisor_settle(tree, supervisor);
}

static void remember_started_with(struct sup_node *node)
{
    struct sup_form *former = node->started_form;
    node->started_form = sup_form_ref(node->form);
    node->started_record = node->record;
    sup_form_unref(former);
}

int64_t sup_node_start_ns(const struct sup_node *node)
{
    int64_t before_ns = sup_spec_before_ns(&node->spec);
    int64_t start_ns = node->spec.start_timeout_ns;
    return start_ns > SUP_INFINITY_NS - before_ns ? SUP_INFINITY_NS : start_ns + before_ns;
}

static void launch(struct sup_tree *tree, struct sup_node *node, enum sup_cause cause)
{
    bool automatic = node->automatic;
    node->generation++;
    node->instance = ++tree->last_instance;
    node->launched_ns = tree->now_ns;
    node->launched = node->ready = node->stop_asked = node->killed = false;
    node->automatic = node->absorbed = node->no_restart = false;
    node->run_due = node->scheduled = false;
    node->then = SUP_THEN_STOP;
    if (automatic) node->restarts++;
    if (node->in_round && node->parent->round_stopping) sup_strategy_leave_round(tree, node);
    remember_started_with(node);
    sup_probation_launched(tree, node);
    if (node->parent != NULL) node->parent->alive++;
    bool in_time = node->parent != NULL && node->parent->state == SUP_STATE_STARTING;
    if (in_time && !node->counted_starting) {
        node->counted_starting = true;
        node->parent->starting++;
    }
    sup_node_set_state(tree, node, SUP_STATE_STARTING, cause, node->cause_node);
    if (sup_node_is_service(node)) {
        sup_deadline_set(tree, &node->deadline, SUP_PHASE_START, sup_node_start_ns(node));
        sup_tree_effect(tree, SUP_DO_LAUNCH, node);
    } else {
        node->launched = true;
        sup_tree_emit(tree, SUP_EVENT_LAUNCHED, node);
    }
    if (automatic && !node->follows) sup_followers_restart(tree, node);
    node->by_round = node->follows = false;
    if (!sup_node_is_service(node)) launch_children(tree, node);
}

void sup_node_bring_up(struct sup_tree *tree, struct sup_node *node, enum sup_cause cause)
{
    if (node->instance != 0 || !sup_node_is_wanted(node)) return;
    sup_strategy_dequeue(node);
    sup_deadline_clear(tree, &node->deadline);
    bool is_by_itself = node->automatic || node->scheduled;
    if (!sup_node_runs_children(tree, node->parent)) {
        sup_node_set_state(tree, node, SUP_STATE_STOPPED, SUP_CAUSE_SUPERVISOR, 0);
        return;
    }
    if (sup_node_is_called(node) && !node->armed) sup_schedule_begin(tree, node);
    if (sup_node_is_called(node) && !node->run_due) {
        bool rests = sup_node_rests(node) && node->cause == sup_rest_cause(node);
        if (!rests) sup_schedule_rest(tree, node);
        return;
    }
    const struct sup_node *dependency = sup_unready_dependency(node);
    if (dependency != NULL)
        sup_node_set_state(tree, node, SUP_STATE_WAITING, SUP_CAUSE_DEPENDENCY,
                           sup_node_token(dependency));
    else if (is_by_itself && node->parent != NULL && node->parent->paused)
        sup_strategy_enqueue(tree, node);
    else launch(tree, node, cause);
}

/* --- launched and ready ---------------------------------------------------------------------- */

void sup_node_launched(struct sup_tree *tree, struct sup_node *node)
{
    if (node->launched) return;
    node->launched = true;
    node->resources_said = false;
    node->sick = false;
    sup_tree_emit(tree, SUP_EVENT_LAUNCHED, node);
    if (node->state != SUP_STATE_STARTING) return; /* it is being stopped already */
    sup_node_set_state(tree, node, SUP_STATE_RUNNING, node->cause, node->cause_node);
    if (sup_node_is_ready_at_launch(node)) sup_node_set_ready(tree, node);
    else if (node->spec.before.size > 0 && node->deadline.phase == SUP_PHASE_START)
        sup_deadline_set(tree, &node->deadline, SUP_PHASE_START, node->spec.start_timeout_ns);
    if (sup_node_is_timer(node)) sup_waiters_check(tree, node);
}

void sup_node_set_ready(struct sup_tree *tree, struct sup_node *node)
{
    if (node->ready) return;
    node->ready = true;
    if (node->deadline.phase == SUP_PHASE_START) sup_deadline_clear(tree, &node->deadline);
    sup_tree_emit(tree, SUP_EVENT_READY, node);
    node->has_been_ready = true;
    sup_node_unawait(tree, node);
    sup_dependents_wake(tree, node);
    sup_waiters_check(tree, node);
    sup_probation_settled(tree, node);
}

void sup_node_await(struct sup_tree *tree, struct sup_node *node)
{
    struct sup_node *parent = node->parent;
    if (parent == NULL || parent->ready || !sup_node_runs_children(tree, parent)) return;
    if (node->awaited || node->has_been_ready || !sup_node_is_wanted(node)) return;
    node->awaited = true;
    parent->pending_ready++;
}

void sup_node_unawait(struct sup_tree *tree, struct sup_node *node)
{
    if (!node->awaited) return;
    node->awaited = false;
    node->parent->pending_ready--;
    sup_supervisor_settle(tree, node->parent);
}

void sup_supervisor_settle(struct sup_tree *tree, struct sup_node *supervisor)
{
    if (supervisor->starting > 0 || tree->restructuring) return;
    if (supervisor->state == SUP_STATE_STARTING) {
        sup_node_set_state(tree, supervisor, SUP_STATE_RUNNING, supervisor->cause, 0);
        sup_waiters_check(tree, supervisor);
    }
    if (supervisor->pending_ready == 0 && supervisor->state == SUP_STATE_RUNNING)
        sup_node_set_ready(tree, supervisor);
}

/* --- ended ----------------------------------------------------------------------------------- */

enum verdict { VERDICT_FAILURE, VERDICT_FINISHED, VERDICT_LEAVE, VERDICT_TERMINATE };

static bool is_good_end(const struct sup_node *node, struct sup_outcome outcome)
{
    return outcome.kind == SUP_END_RETURNED || outcome.kind == SUP_END_SHUTDOWN ||
           outcome.kind == SUP_END_STOPPED ||
           (outcome.kind == SUP_END_EXIT && sup_codes_has(&node->spec.success_exit, outcome.code));
}

static enum verdict judge(const struct sup_node *node, struct sup_outcome outcome)
{
    bool exited = outcome.kind == SUP_END_EXIT;
    if (outcome.kind == SUP_END_TERMINATE ||
        (exited && sup_codes_has(&node->spec.terminate_exit, outcome.code)))
        return VERDICT_TERMINATE;
    if (outcome.kind == SUP_END_DONE ||
        (exited && sup_codes_has(&node->spec.done_exit, outcome.code)) || leaves_at_its_end(node))
        return VERDICT_LEAVE;
    /* A termination that was not passed on just ends its supervisor, whatever the restart type. */
    if (outcome.kind == SUP_END_SHUTDOWN && node->cause == SUP_CAUSE_TERMINATE)
        return VERDICT_FINISHED;
    bool may_end = node->spec.restart != SUP_PERMANENT || node->spec.activation;
    if (may_end && is_good_end(node, outcome)) return VERDICT_FINISHED;
    return VERDICT_FAILURE;
}

int sup_exit_code(struct sup_outcome outcome)
{
    switch (outcome.kind) {
    case SUP_END_SIGNAL:
    case SUP_END_OOM:
        return 128 + outcome.code;
    case SUP_END_ERROR:
    case SUP_END_LOST:
    case SUP_END_LIMIT:
    case SUP_END_NO_LAUNCH:
    case SUP_END_NOT_READY:
    case SUP_END_WATCHDOG:
    case SUP_END_UNHEALTHY:
    case SUP_END_COUNT:
        return 1;
    case SUP_END_NONE:
    case SUP_END_EXIT:
    case SUP_END_RETURNED:
    case SUP_END_DONE:
    case SUP_END_TERMINATE:
    case SUP_END_SHUTDOWN: /* the code of what was below it */
    case SUP_END_STOPPED:
        break;
    }
    return outcome.code;
}

void sup_supervisor_end_itself(struct sup_tree *tree, struct sup_node *supervisor,
                               enum sup_cause cause, struct sup_outcome outcome)
{
    if (!sup_node_runs_children(tree, supervisor)) return;
    sup_stop_mark(tree, supervisor, SUP_THEN_STOP, cause, 0);
    supervisor->self_ending = true;
    supervisor->ending = outcome;
    if (supervisor->parent == NULL) tree->stopping = true;
    sup_stop_ask_if_free(tree, supervisor);
}

static void terminate_supervisor(struct sup_tree *tree, struct sup_node *supervisor,
                                 struct sup_outcome outcome)
{
    enum sup_outcome_kind kind =
        supervisor->spec.propagate_termination ? SUP_END_TERMINATE : SUP_END_SHUTDOWN;
    struct sup_outcome ending = {kind, sup_exit_code(outcome)};
    sup_supervisor_end_itself(tree, supervisor, SUP_CAUSE_TERMINATE, ending);
}

static void leave_tree(struct sup_tree *tree, struct sup_node *node)
{
    sup_node_set_state(tree, node, SUP_STATE_STOPPED, SUP_CAUSE_FINISHED, 0);
    sup_node_remove(tree, node, SUP_CAUSE_FINISHED);
}

/*
** It asked not to be restarted: no failure that counts, but one that takes a reload back. Its group
** runs on without it.
*/
static void stay_down(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome,
                      const char *text)
{
    struct sup_node *parent = node->parent;
    bool good = is_good_end(node, outcome);
    sup_strategy_leave_round(tree, node);
    if (!good && sup_probation_failed(tree, node, outcome, text)) {
        sup_node_set_state(tree, node, SUP_STATE_STOPPED, SUP_CAUSE_ROLLBACK, 0);
        return;
    }
    sup_node_set_state(tree, node, good ? SUP_STATE_DONE : SUP_STATE_FAILED, SUP_CAUSE_FINISHED, 0);
    if (good) {
        node->has_been_ready = true;
        sup_node_unawait(tree, node);
        sup_probation_settled(tree, node);
    } else {
        sup_tree_emit(tree, SUP_EVENT_GAVE_UP, node)->outcome = outcome;
        sup_reload_out_of_reach(tree, node);
    }
    sup_strategy_natural_end(tree, parent, node->spec.significant, outcome);
    if (good) sup_dependents_wake(tree, node);
    sup_waiters_check(tree, node);
}

/* An unplanned end: what its restart type makes of it. */
static void follow_verdict(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome,
                           const char *text)
{
    struct sup_node *parent = node->parent;
    bool significant = node->spec.significant;
    enum verdict verdict = judge(node, outcome);
    if (verdict == VERDICT_FAILURE) {
        if (node->no_restart) stay_down(tree, node, outcome, text);
        else sup_strategy_fail(tree, node, outcome, text);
        return;
    }
    if (verdict == VERDICT_FINISHED && sup_node_is_called(node)) {
        sup_schedule_rest(tree, node);
        return;
    }
    if (verdict == VERDICT_TERMINATE) terminate_supervisor(tree, parent, outcome);
    if (verdict == VERDICT_LEAVE) {
        leave_tree(tree, node);
    } else {
        bool is_done = sup_node_is_service(node) && verdict == VERDICT_FINISHED;
        sup_node_set_state(tree, node, is_done ? SUP_STATE_DONE : SUP_STATE_STOPPED,
                           SUP_CAUSE_FINISHED, 0);
        if (sup_node_remains(node)) {
            node->ready = true;
            sup_tree_emit(tree, SUP_EVENT_READY, node);
        }
        node->has_been_ready = true;
        sup_node_unawait(tree, node);
        sup_probation_settled(tree, node);
    }
    sup_strategy_natural_end(tree, parent, significant, outcome);
    if (verdict == VERDICT_LEAVE) return;
    sup_dependents_wake(tree, node); /* unless its supervisor ends with it */
    sup_waiters_check(tree, node);
}

static void end_root(struct sup_tree *tree, struct sup_node *root, bool planned)
{
    bool limit = !planned && root->ending.kind == SUP_END_LIMIT;
    sup_node_set_state(tree, root, limit ? SUP_STATE_FAILED : SUP_STATE_STOPPED, root->cause, 0);
    sup_tree_end(tree, planned ? 0 : sup_exit_code(root->ending));
}

static void note_end(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome,
                     const char *text, bool planned)
{
    if (!node->launched) {
        node->launched = true; /* the fact was lost; what ended was launched */
        sup_tree_emit(tree, SUP_EVENT_LAUNCHED, node);
    }
    struct sup_event *event = sup_tree_emit(tree, SUP_EVENT_ENDED, node);
    event->outcome = outcome;
    event->text = text;
    event->planned = planned;
    event->cpu_ns = tree->ended_cpu_ns;
    event->memory_peak = tree->ended_memory_peak;
    tree->ended_cpu_ns = 0; /* what ends because of it has its own */
    tree->ended_memory_peak = 0;
    node->last_outcome = outcome;
    node->began_ns = node->launched_ns;
    node->ended_ns = tree->now_ns;
    sup_text_copy(node->last_text, sizeof node->last_text, text);
    sup_deadline_clear(tree, &node->deadline);
}

/* Its stop is its own failure, and nothing was asked of it meanwhile. */
static bool is_stopped_as_sick(const struct sup_node *node)
{
    return node->then == SUP_THEN_FAILURE && node->fault.kind != SUP_END_NONE;
}

/* The instance is over: nobody counts it any more. */
static void retire(struct sup_node *node)
{
    if (node->parent != NULL && node->state != SUP_STATE_STUCK) node->parent->alive--;
    node->instance = 0;
    node->ready = node->exiting = false;
}

void sup_node_exiting(struct sup_tree *tree, struct sup_node *node)
{
    if (node->exiting || node->state == SUP_STATE_STUCK) return;
    sup_node_launched(tree, node); /* if that fact was lost */
    node->exiting = true;
    node->ready = false;
    if (node->state == SUP_STATE_STOPPING) sup_stop_await_exit(tree, node);
    else sup_deadline_clear(tree, &node->deadline);
}

void sup_node_ended(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome,
                    const char *text, bool no_restart)
{
    bool is_root = node->parent == NULL;
    bool stopping = node->state == SUP_STATE_STOPPING || node->state == SUP_STATE_STUCK;
    bool sick = stopping && is_stopped_as_sick(node);
    bool planned = stopping && !node->self_ending && !sick;
    note_end(tree, node, outcome, text, planned);
    retire(node);
    node->no_restart = no_restart && !planned;
    if (is_root && (!planned || tree->stopping)) {
        end_root(tree, node, planned);
    } else if (planned || sick) {
        sup_node_after_stop(tree, node);
    } else {
        follow_verdict(tree, node, outcome, text);
        sup_stop_progress(tree, node);
    }
}

/* A start did not succeed. Of a temporary node that is its end. */
static void fail_start(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome,
                       const char *text)
{
    struct sup_node *parent = node->parent;
    bool significant = node->spec.significant;
    if (!leaves_at_its_end(node)) {
        sup_strategy_fail(tree, node, outcome, text);
        return;
    }
    leave_tree(tree, node);
    sup_strategy_natural_end(tree, parent, significant, outcome);
}

/* What its stop was for is what it failed of: the first cause stays. */
static void follow_fault(struct sup_tree *tree, struct sup_node *node)
{
    struct sup_outcome fault = node->fault;
    node->fault.kind = SUP_END_NONE;
    node->last_outcome = fault;
    sup_text_copy(node->last_text, sizeof node->last_text, node->fault_text);
    follow_verdict(tree, node, fault, node->fault_text);
}

static void tell_health(struct sup_tree *tree, struct sup_node *node, const struct sup_input *input)
{
    bool sick = input->outcome.kind != SUP_END_NONE;
    if (node->sick == sick) return;
    node->sick = sick;
    struct sup_event *event =
        sup_tree_emit(tree, sick ? SUP_EVENT_UNHEALTHY : SUP_EVENT_HEALTHY, node);
    event->outcome = input->outcome;
    event->text = tree->text[0] == '\0' ? NULL : tree->text;
}

void sup_node_unhealthy(struct sup_tree *tree, struct sup_node *node, const struct sup_input *input)
{
    bool by_watchdog = input->outcome.kind == SUP_END_WATCHDOG;
    /* one that is being stopped, or has ended, has its cause */
    if (node->state != SUP_STATE_RUNNING || node->exiting) return;
    if (input->flag) {
        tell_health(tree, node, input);
        return;
    }
    if (!by_watchdog && input->outcome.kind != SUP_END_UNHEALTHY) return;
    sup_stop_mark(tree, node, SUP_THEN_FAILURE,
                  by_watchdog ? SUP_CAUSE_WATCHDOG : SUP_CAUSE_UNHEALTHY, 0);
    node->fault = input->outcome;
    sup_text_copy(node->fault_text, sizeof node->fault_text, input->text);
    sup_stop_ask_if_free(tree, node);
}

void sup_node_extend(struct sup_tree *tree, struct sup_node *node, int64_t ns)
{
    enum sup_phase phase = node->deadline.phase;
    int64_t left_ns = node->deadline.timer.at_ns - tree->now_ns;
    if (phase != SUP_PHASE_START && phase != SUP_PHASE_STOP) return;
    if (ns > left_ns && ns <= SUP_DURATION_MAX_NS)
        sup_deadline_set(tree, &node->deadline, phase, ns);
}

void sup_node_after_stop(struct sup_tree *tree, struct sup_node *node)
{
    enum sup_then then = node->then;
    enum sup_cause cause = node->cause;
    struct sup_node *parent = node->parent;
    bool sick = is_stopped_as_sick(node);
    node->then = SUP_THEN_STOP;
    sup_node_set_state(tree, node, SUP_STATE_STOPPED, cause, node->cause_node);
    sup_waiters_release_down(tree, node);
    if (then == SUP_THEN_ROUND && leaves_at_its_end(node) && !node->removed) {
        leave_tree(tree, node); /* never restarted, not with the others either */
    } else if (then == SUP_THEN_LAUNCH) {
        sup_node_bring_up(tree, node, cause);
    } else if (then == SUP_THEN_ROUND && !(node->in_round && parent->round_stopping)) {
        node->automatic = true; /* late: its round went on without it */
        sup_node_bring_up(tree, node, SUP_CAUSE_GROUP);
    } else if (sick) {
        follow_fault(tree, node);
    } else if (then == SUP_THEN_FAILURE && sup_node_runs_children(tree, parent)) {
        fail_start(tree, node, (struct sup_outcome){SUP_END_NOT_READY, 0}, NULL);
    }
    sup_waiters_check(tree, node);
    sup_stop_progress(tree, node);
    if (node->removed) sup_node_bury_if_over(tree, node);
}

void sup_node_launch_failed(struct sup_tree *tree, struct sup_node *node,
                            const struct sup_input *input)
{
    bool stopping = node->state == SUP_STATE_STOPPING || node->state == SUP_STATE_STUCK;
    const char *text = tree->text[0] == '\0' ? NULL : tree->text;
    bool lacks_resources = input->flag && !stopping;
    if (node->launched) return; /* it runs: this is no fact about it */
    if (!lacks_resources || !node->resources_said) {
        struct sup_event *event = sup_tree_emit(tree, SUP_EVENT_LAUNCH_FAILED, node);
        event->outcome = input->outcome;
        event->text = text;
        if (lacks_resources) event->until_ns = tree->now_ns + SUP_SECOND_NS;
    }
    node->last_outcome = input->outcome;
    sup_text_copy(node->last_text, sizeof node->last_text, text);
    sup_deadline_clear(tree, &node->deadline);
    retire(node);
    if (stopping) {
        sup_node_after_stop(tree, node);
    } else if (lacks_resources) {
        node->resources_said = true;
        node->run_due = sup_node_is_called(node);
        sup_node_set_state(tree, node, SUP_STATE_DELAYED, SUP_CAUSE_RESOURCES, 0);
        sup_deadline_set(tree, &node->deadline, SUP_PHASE_RESOURCES, SUP_SECOND_NS);
    } else {
        fail_start(tree, node, input->outcome, text);
        sup_stop_progress(tree, node);
    }
}

/* --- the host came back ---------------------------------------------------------------------- */

static void lose_thread(struct sup_tree *tree, struct sup_node *node, bool crashed)
{
    struct sup_outcome lost = {SUP_END_LOST, 0};
    const char *text = crashed ? "crashed the host" : "the host died";
    bool stopping = node->state == SUP_STATE_STOPPING || node->state == SUP_STATE_STUCK;
    if (stopping || crashed) {
        sup_node_ended(tree, node, lost, text, false);
        return;
    }
    note_end(tree, node, lost, text, false);
    retire(node);
    sup_node_set_state(tree, node, SUP_STATE_STOPPED, SUP_CAUSE_FAILURE, 0);
    node->automatic = true;
    node->run_due = sup_node_is_called(node); /* it was cut off */
    sup_node_bring_up(tree, node, SUP_CAUSE_FAILURE);
}

static void lose_abandoned(struct sup_node *node)
{
    for (int i = 0; i < SUP_MAX_ABANDONED; i++)
        if (node->dies_with_host[i]) node->abandoned[i] = 0;
}

/* What was held back while the threads were lost and launched again. */
static void catch_up(struct sup_tree *tree)
{
    for (uint32_t i = 0; i < tree->node_top; i++) {
        struct sup_node *node = tree->nodes[i];
        if (node == NULL) continue;
        sup_stop_ask_if_free(tree, node);
        if (!sup_node_is_service(node)) sup_supervisor_settle(tree, node);
    }
}

void sup_node_host_died(struct sup_tree *tree, uint64_t crashed)
{
    if (!tree->ended) sup_tree_emit(tree, SUP_EVENT_HOST_RESTARTED, tree->root);
    uint64_t newest = tree->last_instance; /* what is launched below lives in the new host */
    tree->restructuring = true;
    for (uint32_t i = 0; i < tree->node_top; i++) {
        struct sup_node *node = tree->nodes[i];
        if (node == NULL) continue;
        lose_abandoned(node);
        sup_node_bury_if_over(tree, node);
        bool is_lost = node->instance != 0 && node->instance <= newest;
        if (!is_lost || !sup_node_was_launched_as_thread(node)) continue;
        lose_thread(tree, node, node->instance == crashed);
    }
    tree->restructuring = false;
    catch_up(tree);
}
