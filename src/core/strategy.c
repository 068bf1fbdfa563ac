/*
** core/strategy.c: failures. The meter and what happens when it trips, the pause and its queue, a
** service's own delay, group rounds, and the ends that end a supervisor.
**
** Rules written here because the law is silent: a group restart that waits for a member's own delay
** begins when the delay is over, the siblings running on meanwhile (as with a pause); a member that
** is in its delay when a round takes place keeps its deadline and launches alone; a round starts
** the members that had ended well again, as OTP does; one that gave up is left out; a round that is
** stopping its members when a pause comes goes on with that, and its launches wait; a failure that
** rolls a reload back is counted, and may pause, but neither gives up nor escalates; a failed start
** of a temporary node is its natural end, its end by a group restart is none.
*/
#include "core/node.h"

#include <math.h>

/* --- the queue of a pause -------------------------------------------------------------------- */

void sup_strategy_enqueue(struct sup_tree *tree, struct sup_node *node)
{
    if (node->scheduled) node->absorbed = true; /* it begins no round */
    if (sup_list_empty(&node->queued)) sup_list_insert(&node->parent->queue, &node->queued);
    sup_node_set_state(tree, node, SUP_STATE_QUEUED, SUP_CAUSE_PAUSE, sup_node_token(node->parent));
}

void sup_strategy_dequeue(struct sup_node *node)
{
    sup_list_remove(&node->queued);
}

/* --- the meter ------------------------------------------------------------------------------- */

struct measure {
    double count;
    double threshold;
};

static struct measure add_failure(struct sup_tree *tree, struct sup_node *supervisor)
{
    const struct sup_spec *spec = &supervisor->spec;
    struct measure measure = {.threshold = spec->failure_threshold};
    if (spec->has_intensity) {
        measure.threshold = spec->intensity;
        measure.count = sup_window_add(&supervisor->window, supervisor->window_times,
                                       spec->intensity + 1, spec->period_ns, tree->now_ns);
    } else {
        measure.count = sup_meter_add(&supervisor->meter, spec->failure_decay_ns, tree->now_ns);
    }
    return measure;
}

static void report_failure(struct sup_tree *tree, const struct sup_node *node,
                           struct sup_outcome outcome, const char *text, struct measure measure,
                           int64_t until_ns, bool restarting)
{
    struct sup_event *event = sup_tree_emit(tree, SUP_EVENT_FAILED, node);
    event->cause = SUP_CAUSE_FAILURE;
    event->outcome = outcome;
    event->text = text;
    event->count = measure.count;
    event->threshold = measure.threshold;
    event->until_ns = until_ns;
    event->restarting = restarting;
}

/* --- a service's own delay ------------------------------------------------------------------- */

/* The delay before the next launch; 0: none. Counts the attempt. */
static int64_t next_delay(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome)
{
    const struct sup_delay *delay = &node->spec.restart_delay;
    if (delay->initial_ns == 0) return 0;
    bool ran = node->launched && outcome.kind != SUP_END_NOT_READY;
    bool ran_well = ran && tree->now_ns - node->launched_ns >= delay->reset_after_ns;
    if (ran_well) node->delay_attempt = 0;
    double ns = (double) delay->initial_ns * pow(delay->factor, node->delay_attempt);
    if (ns > (double) delay->max_ns) ns = (double) delay->max_ns;
    else node->delay_attempt++; /* no need to count beyond the maximum */
    if (delay->jitter > 0) ns *= 1 + delay->jitter * sup_tree_random(tree);
    return (int64_t) ns;
}

static void delay_restart(struct sup_tree *tree, struct sup_node *node, int64_t delay_ns)
{
    sup_node_set_state(tree, node, SUP_STATE_DELAYED, SUP_CAUSE_DELAY, 0);
    sup_deadline_set(tree, &node->deadline, SUP_PHASE_DELAY, delay_ns);
    sup_tree_emit(tree, SUP_EVENT_DELAYED, node)->until_ns = tree->now_ns + delay_ns;
}

void sup_strategy_delay_over(struct sup_tree *tree, struct sup_node *node)
{
    sup_strategy_restart(tree, node);
}

/* --- group rounds ---------------------------------------------------------------------------- */

static void end_round_if_over(struct sup_tree *tree, struct sup_node *supervisor)
{
    if (supervisor->round_now == 0 || supervisor->round_stopping) return;
    if (supervisor->round_left > 0) return;
    supervisor->round_now = 0;
    tree->rounds--;
}

void sup_strategy_leave_round(struct sup_tree *tree, struct sup_node *node)
{
    if (!node->in_round) return;
    node->in_round = false;
    node->parent->round_left--;
    end_round_if_over(tree, node->parent);
}

static void join_round(struct sup_tree *tree, struct sup_node *member, const struct sup_node *cause)
{
    struct sup_node *supervisor = member->parent;
    bool stays_down = member->state == SUP_STATE_FAILED || member->no_restart;
    bool gave_up = stays_down && member->instance == 0 && member != cause;
    bool delayed = member->state == SUP_STATE_DELAYED && member != cause;
    if (delayed) member->absorbed = true;
    if (!sup_node_is_wanted(member) || gave_up || delayed) return;
    bool rests = sup_node_is_called(member) && member->instance == 0 && !member->run_due;
    if (rests) return; /* nothing of it runs */
    if (!member->in_round) supervisor->round_left++;
    member->in_round = true;
    member->round = supervisor->round_now;
    if (member->instance != 0) {
        sup_stop_mark(tree, member, SUP_THEN_ROUND, SUP_CAUSE_GROUP, sup_node_token(cause));
        member->in_sequence = member->state == SUP_STATE_STOPPING;
        return;
    }
    sup_strategy_dequeue(member);
    sup_deadline_clear(tree, &member->deadline);
    sup_node_set_state(tree, member, SUP_STATE_STOPPED, SUP_CAUSE_GROUP, sup_node_token(cause));
}

/*
** Restart the group of ${cause}: all, or it and the later ones. Deaths before the stop reaches them
** join the round that is under way.
*/
static void begin_round(struct sup_tree *tree, struct sup_node *cause)
{
    struct sup_node *supervisor = cause->parent;
    bool all = supervisor->spec.strategy == SUP_ONE_FOR_ALL;
    if (!supervisor->round_stopping) {
        if (supervisor->round_now == 0) tree->rounds++;
        supervisor->round_now = ++tree->last_round;
    }
    supervisor->sequence_cursor = 0; /* who joins may stand behind it */
    supervisor->round_stopping = true;
    supervisor->sequence = true;
    struct sup_list *from = all ? supervisor->children.next : &cause->sibling;
    for (struct sup_list *link = from; link != &supervisor->children; link = link->next)
        join_round(tree, sup_container(link, struct sup_node, sibling), cause);
    sup_stop_sequence_step(tree, supervisor);
}

/* All members are down (or stuck): launch them in order. A pause that came meanwhile holds them. */
void sup_strategy_round_launch(struct sup_tree *tree, struct sup_node *supervisor)
{
    supervisor->round_stopping = false;
    sup_list_each(link, &supervisor->children)
    {
        struct sup_node *member = sup_container(link, struct sup_node, sibling);
        if (!member->in_round) continue;
        if (member->instance != 0 || !sup_node_is_wanted(member)) {
            sup_strategy_leave_round(tree, member);
            continue;
        }
        member->automatic = member->by_round = true;
        sup_node_bring_up(tree, member, SUP_CAUSE_GROUP);
    }
    end_round_if_over(tree, supervisor);
}

/* --- restarting by itself -------------------------------------------------------------------- */

void sup_strategy_restart(struct sup_tree *tree, struct sup_node *node)
{
    struct sup_node *supervisor = node->parent;
    bool alone = supervisor->spec.strategy == SUP_ONE_FOR_ONE || node->absorbed;
    node->automatic = true;
    if (!sup_node_runs_children(tree, supervisor)) /* it is about to be stopped with it */
        sup_node_set_state(tree, node, SUP_STATE_STOPPED, SUP_CAUSE_SUPERVISOR, 0);
    else if (supervisor->paused) sup_strategy_enqueue(tree, node);
    else if (alone) sup_node_bring_up(tree, node, SUP_CAUSE_FAILURE);
    else begin_round(tree, node);
}

/* --- pause and resume ------------------------------------------------------------------------ */

static void set_pause(struct sup_tree *tree, struct sup_node *supervisor)
{
    double backoff_ns = (double) supervisor->spec.failure_backoff_ns;
    if (supervisor->spec.backoff_jitter) backoff_ns *= 1 + 0.5 * sup_tree_random(tree);
    int64_t ns = supervisor->spec.failure_backoff_ns;
    if (ns != SUP_INFINITY_NS && supervisor->spec.backoff_jitter) ns = (int64_t) backoff_ns;
    sup_deadline_set(tree, &supervisor->deadline, SUP_PHASE_RESUME, ns);
}

static void pause_supervisor(struct sup_tree *tree, struct sup_node *supervisor,
                             const struct sup_node *cause, struct measure measure)
{
    supervisor->paused = true;
    supervisor->since_ns = tree->now_ns;
    set_pause(tree, supervisor);
    struct sup_event *event = sup_tree_emit(tree, SUP_EVENT_BACKOFF, supervisor);
    event->cause = SUP_CAUSE_LIMIT;
    event->other = sup_node_token(cause);
    event->count = measure.count;
    event->threshold = measure.threshold;
    event->until_ns = supervisor->deadline.timer.at_ns;
}

void sup_strategy_next_queued(struct sup_tree *tree, struct sup_node *supervisor)
{
    int64_t spacing_ns = supervisor->spec.restart_spacing_ns;
    while (!sup_list_empty(&supervisor->queue) && !supervisor->paused) {
        struct sup_node *node = sup_container(supervisor->queue.next, struct sup_node, queued);
        sup_strategy_dequeue(node);
        node->automatic = !node->scheduled;
        sup_node_bring_up(tree, node, node->scheduled ? sup_rest_cause(node) : SUP_CAUSE_FAILURE);
        if (spacing_ns > 0 && !sup_list_empty(&supervisor->queue)) {
            sup_deadline_set(tree, &supervisor->deadline, SUP_PHASE_SPACING, spacing_ns);
            return;
        }
    }
}

/* The first in the order of the children that waits for its round, or NULL. */
static struct sup_node *first_queued_child(struct sup_node *supervisor)
{
    sup_list_each(link, &supervisor->children)
    {
        struct sup_node *child = sup_container(link, struct sup_node, sibling);
        if (!sup_list_empty(&child->queued) && !child->absorbed) return child;
    }
    return NULL;
}

void sup_strategy_resume(struct sup_tree *tree, struct sup_node *supervisor)
{
    supervisor->paused = false;
    supervisor->since_ns = tree->now_ns;
    supervisor->meter = (struct sup_meter){0};
    supervisor->window = (struct sup_window){0};
    sup_tree_emit(tree, SUP_EVENT_RESUME, supervisor);
    struct sup_node *first = NULL;
    if (supervisor->spec.strategy != SUP_ONE_FOR_ONE) first = first_queued_child(supervisor);
    if (first != NULL) {
        sup_strategy_dequeue(first);
        begin_round(tree, first);
    }
    sup_strategy_next_queued(tree, supervisor); /* those whose round has been, or that have none */
}

static void drop_round(struct sup_tree *tree, struct sup_node *supervisor)
{
    if (supervisor->round_now == 0) return;
    supervisor->round_stopping = false;
    sup_list_each(link, &supervisor->children)
    {
        sup_container(link, struct sup_node, sibling)->in_round = false;
    }
    supervisor->round_left = 0;
    end_round_if_over(tree, supervisor);
}

void sup_strategy_drop(struct sup_tree *tree, struct sup_node *supervisor)
{
    sup_deadline_clear(tree, &supervisor->deadline); /* the resume's, or that of the spacing */
    supervisor->paused = false;
    supervisor->sequence = false;
    supervisor->sequence_cursor = 0;
    drop_round(tree, supervisor);
    while (!sup_list_empty(&supervisor->queue)) {
        struct sup_node *node = sup_container(supervisor->queue.next, struct sup_node, queued);
        sup_strategy_dequeue(node);
        sup_node_set_state(tree, node, SUP_STATE_STOPPED, SUP_CAUSE_SUPERVISOR, 0);
    }
    sup_list_each(link, &supervisor->children)
    {
        struct sup_node *child = sup_container(link, struct sup_node, sibling);
        bool runs = !sup_node_is_service(child) && child->instance != 0;
        if (runs && child->state != SUP_STATE_STOPPING) sup_strategy_drop(tree, child);
    }
}

/* --- when the meter trips -------------------------------------------------------------------- */

/* Were there max_pauses pauses within the time already? Notes this one otherwise. */
static bool pauses_are_used_up(struct sup_tree *tree, struct sup_node *supervisor)
{
    const struct sup_spec *spec = &supervisor->spec;
    if (spec->max_pauses == 0) return false;
    uint32_t before = sup_window_read(&supervisor->pauses, supervisor->pause_times,
                                      spec->max_pauses, spec->within_ns, tree->now_ns);
    if (before >= spec->max_pauses) return true;
    sup_window_add(&supervisor->pauses, supervisor->pause_times, spec->max_pauses, spec->within_ns,
                   tree->now_ns);
    return false;
}

static void escalate(struct sup_tree *tree, struct sup_node *supervisor, struct sup_node *node,
                     struct measure measure)
{
    struct sup_event *event = sup_tree_emit(tree, SUP_EVENT_ESCALATED, supervisor);
    event->cause = SUP_CAUSE_LIMIT;
    event->other = sup_node_token(node);
    event->count = measure.count;
    event->threshold = measure.threshold;
    sup_node_set_state(tree, node, SUP_STATE_FAILED, SUP_CAUSE_LIMIT, sup_node_token(supervisor));
}

static void give_up(struct sup_tree *tree, struct sup_node *node, struct measure measure)
{
    sup_node_set_state(tree, node, SUP_STATE_FAILED, SUP_CAUSE_LIMIT, sup_node_token(node->parent));
    struct sup_event *event = sup_tree_emit(tree, SUP_EVENT_GAVE_UP, node);
    event->count = measure.count;
    event->threshold = measure.threshold;
    sup_reload_out_of_reach(tree, node);
}

enum answer { ANSWER_RESTART, ANSWER_HOLD, ANSWER_GIVE_UP, ANSWER_ESCALATE };

static enum answer answer_trip(struct sup_tree *tree, struct sup_node *supervisor)
{
    if (supervisor->spec.on_threshold == SUP_ON_GIVE_UP) return ANSWER_GIVE_UP;
    if (supervisor->spec.on_threshold == SUP_ON_ESCALATE) return ANSWER_ESCALATE;
    return pauses_are_used_up(tree, supervisor) ? ANSWER_ESCALATE : ANSWER_HOLD;
}

/* ${sick}: the reload that brought ${node} is rolled back instead of the worst. */
static enum answer answer_failure(struct sup_tree *tree, struct sup_node *supervisor,
                                  struct sup_node *node, struct measure measure, bool sick)
{
    bool tripped = measure.count > measure.threshold;
    if (supervisor->paused) {
        if (tripped && supervisor->spec.extend_backoff) set_pause(tree, supervisor);
        return ANSWER_HOLD;
    }
    if (!tripped) return ANSWER_RESTART;
    enum answer answer = answer_trip(tree, supervisor);
    if (answer == ANSWER_HOLD) pause_supervisor(tree, supervisor, node, measure);
    else if (sick) return ANSWER_HOLD;
    if (answer == ANSWER_ESCALATE) escalate(tree, supervisor, node, measure);
    if (answer == ANSWER_GIVE_UP) give_up(tree, node, measure);
    return answer;
}

/* It failed and is not tried again: that is its natural end. */
static void let_be(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome)
{
    if (sup_node_is_timer(node)) { /* its next time will come */
        sup_schedule_rest(tree, node);
        return;
    }
    sup_node_set_state(tree, node, SUP_STATE_FAILED, SUP_CAUSE_FAILURE, 0);
    sup_reload_out_of_reach(tree, node);
    sup_strategy_natural_end(tree, node->parent, node->spec.significant, outcome);
}

void sup_strategy_fail(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome,
                       const char *text)
{
    struct sup_node *supervisor = node->parent;
    sup_strategy_leave_round(tree, node);
    if (!sup_node_runs_children(tree, supervisor)) { /* about to be stopped with it */
        sup_node_set_state(tree, node, SUP_STATE_STOPPED, SUP_CAUSE_SUPERVISOR, 0);
        return;
    }
    struct measure measure = add_failure(tree, supervisor);
    bool sick = sup_probation_failed(tree, node, outcome, text);
    enum answer answer = answer_failure(tree, supervisor, node, measure, sick);
    bool is_retried = node->spec.restart != SUP_TEMPORARY;
    bool comes_back = is_retried && (answer == ANSWER_RESTART || answer == ANSWER_HOLD);
    int64_t delay_ns = comes_back ? next_delay(tree, node, outcome) : 0;
    int64_t until_ns = delay_ns > 0 ? tree->now_ns + delay_ns : 0;
    if (comes_back && supervisor->paused && supervisor->deadline.timer.at_ns > until_ns)
        until_ns = supervisor->deadline.timer.at_ns;
    bool restarting = is_retried && answer == ANSWER_RESTART;
    report_failure(tree, node, outcome, text, measure, until_ns, restarting);
    node->run_due = comes_back && sup_node_is_called(node);
    if (node->run_due && !node->armed && !sick) sup_schedule_begin(tree, node);
    if (sick) {
        sup_node_set_state(tree, node, SUP_STATE_STOPPED, SUP_CAUSE_ROLLBACK, 0);
    } else if (delay_ns > 0) {
        delay_restart(tree, node, delay_ns);
    } else if (comes_back) {
        sup_strategy_restart(tree, node);
    } else if (answer == ANSWER_ESCALATE) {
        struct sup_outcome limit = {SUP_END_LIMIT, 1};
        sup_supervisor_end_itself(tree, supervisor, SUP_CAUSE_LIMIT, limit);
    } else if (answer != ANSWER_GIVE_UP) {
        let_be(tree, node, outcome);
    }
    sup_waiters_check(tree, node);
}

/* --- auto shutdown --------------------------------------------------------------------------- */

void sup_strategy_natural_end(struct sup_tree *tree, struct sup_node *supervisor, bool significant,
                              struct sup_outcome outcome)
{
    if (!significant || !sup_node_runs_children(tree, supervisor)) return;
    enum sup_auto_shutdown rule = supervisor->spec.auto_shutdown;
    bool over = rule == SUP_SHUTDOWN_ANY ||
                (rule == SUP_SHUTDOWN_ALL && supervisor->significant_alive == 0);
    if (!over) return;
    struct sup_outcome ending = {SUP_END_SHUTDOWN, sup_exit_code(outcome)};
    sup_supervisor_end_itself(tree, supervisor, SUP_CAUSE_AUTO_SHUTDOWN, ending);
}
