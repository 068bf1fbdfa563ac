/*
** core/schedule.c: who is called. Timers: services that run at times. Between its runs a timer is
** waiting; its schedule is a deadline of its own, beside the one of the phase that it is in.
**
** `every` counts on the tree's clock, from one time to the next, whatever the runs do. `at` is of
** the calendar, which is not known here: DO_SCHEDULE asks for the next time, SUP_IN_SCHEDULE says
** it, again whenever the clock on the wall was set.
**
** Rules: the schedule begins when the timer is started, with its supervisor or by a person, and
** ends when it is stopped. A run that is due while something of the former one goes on (it runs, is
** stopped, waits for its restart or for what it is after) is for `overlap` to judge; at most one
** waits. One that comes more than ten seconds late was missed. A run is no restart: nobody follows
** it, nor does it make a group restart; one that falls into a pause waits for its end.
**
** A service with `activation` is the same without a schedule: it is armed from its start until it
** is stopped, and between its runs it waits for a connection; DO_LISTEN asks to be told of one, by
** SUP_IN_ACTIVATE. As its sockets accept meanwhile, it has all that others wait for. Only a good
** end makes it wait again; after a failure it is restarted as any other.
*/
#include "core/node.h"

#include <string.h>

#define LATE_NS (10 * SUP_SECOND_NS)

bool sup_node_is_timer(const struct sup_node *node)
{
    return node->spec.role == SUP_ROLE_TIMER;
}

bool sup_node_is_called(const struct sup_node *node)
{
    return sup_node_is_timer(node) || node->spec.activation;
}

enum sup_cause sup_rest_cause(const struct sup_node *node)
{
    return sup_node_is_timer(node) ? SUP_CAUSE_SCHEDULE : SUP_CAUSE_ACTIVATION;
}

bool sup_node_rests(const struct sup_node *node)
{
    return node->state == SUP_STATE_WAITING &&
           (node->cause == SUP_CAUSE_SCHEDULE || node->cause == SUP_CAUSE_ACTIVATION);
}

/* --- when ------------------------------------------------------------------------------------- */

static void draw_jitter(struct sup_tree *tree, struct sup_node *node)
{
    int64_t most_ns = node->spec.jitter_ns;
    node->jitter_ns = most_ns == 0 ? 0 : (int64_t) ((double) most_ns * sup_tree_random(tree));
}

static void set_due(struct sup_tree *tree, struct sup_node *node, int64_t at_ns)
{
    int64_t due_ns = at_ns + node->jitter_ns;
    int64_t after_ns = due_ns > tree->now_ns ? due_ns - tree->now_ns : 0;
    sup_deadline_set(tree, &node->schedule, SUP_PHASE_DUE, after_ns);
    node->due_ns = due_ns;
}

/* The first time of the schedule that is still to come. */
static void set_every(struct sup_tree *tree, struct sup_node *node)
{
    int64_t every_ns = node->spec.every_ns;
    if (node->time_ns == 0) node->time_ns = tree->now_ns;
    int64_t elapsed_ns = tree->now_ns - node->time_ns;
    node->time_ns += every_ns * (elapsed_ns < 0 ? 0 : elapsed_ns / every_ns + 1);
    draw_jitter(tree, node);
    set_due(tree, node, node->time_ns);
}

static void set_next(struct sup_tree *tree, struct sup_node *node)
{
    if (node->spec.every_ns > 0) {
        set_every(tree, node);
        return;
    }
    node->due_ns = 0;
    node->due_wall_s = 0;
    draw_jitter(tree, node);
    sup_tree_effect(tree, SUP_DO_SCHEDULE, node);
}

void sup_schedule_set(struct sup_tree *tree, const struct sup_input *input)
{
    struct sup_node *node = sup_tree_node(tree, input->node);
    if (node == NULL || !node->armed || !sup_node_is_timer(node) || node->spec.every_ns > 0) return;
    if (input->instance == 0) { /* there is none any more */
        sup_deadline_clear(tree, &node->schedule);
        node->due_ns = 0;
        return;
    }
    node->due_wall_s = (int64_t) input->instance;
    set_due(tree, node, input->wait_ns);
}

void sup_schedule_clear(struct sup_tree *tree, struct sup_node *node)
{
    sup_deadline_clear(tree, &node->schedule);
    node->armed = false;
    node->due_ns = 0;
    node->due_wall_s = 0;
}

void sup_schedule_forget(struct sup_tree *tree, struct sup_node *node)
{
    sup_schedule_clear(tree, node);
    node->time_ns = 0;
    node->run_due = node->run_waits = node->scheduled = false;
}

/* --- between runs ----------------------------------------------------------------------------- */

/* From now on it has all that others wait for. */
void sup_schedule_begin(struct sup_tree *tree, struct sup_node *node)
{
    node->armed = true;
    if (sup_node_is_timer(node)) set_next(tree, node);
    node->has_been_ready = true;
    sup_node_unawait(tree, node);
    sup_dependents_wake(tree, node);
    sup_probation_settled(tree, node);
}

/* Let it run as soon as may be. */
static void call(struct sup_tree *tree, struct sup_node *node)
{
    node->run_due = node->scheduled = true;
    node->automatic = false;
    sup_node_bring_up(tree, node, sup_rest_cause(node));
}

void sup_schedule_rest(struct sup_tree *tree, struct sup_node *node)
{
    if (node->run_waits) {
        node->run_waits = false;
        call(tree, node);
        return;
    }
    sup_node_set_state(tree, node, SUP_STATE_WAITING, sup_rest_cause(node), 0);
    if (!sup_node_is_timer(node)) sup_tree_effect(tree, SUP_DO_LISTEN, node);
    if (!node->armed) sup_schedule_begin(tree, node);
    sup_waiters_check(tree, node);
}

void sup_activation_came(struct sup_tree *tree, const struct sup_input *input)
{
    struct sup_node *node = sup_tree_node(tree, input->node);
    if (node != NULL && node->spec.activation && sup_node_rests(node)) call(tree, node);
}

/* --- a run is due ----------------------------------------------------------------------------- */

static void skip(struct sup_tree *tree, struct sup_node *node, const char *why)
{
    struct sup_event *event = sup_tree_emit(tree, SUP_EVENT_SKIPPED, node);
    node->skipped++;
    event->cause = SUP_CAUSE_SCHEDULE;
    event->other = 0;
    event->text = why;
    if (sup_timer_is_set(&node->schedule.timer)) event->until_ns = node->schedule.timer.at_ns;
}

/* Something of the former run goes on. */
static void overlap(struct sup_tree *tree, struct sup_node *node)
{
    enum sup_overlap rule = node->spec.overlap;
    bool lives = node->state == SUP_STATE_RUNNING || node->state == SUP_STATE_STARTING;
    bool has_begun = node->instance != 0;
    if (!has_begun && rule != SUP_OVERLAP_SKIP) return; /* the run that is to come is this one */
    if (rule == SUP_OVERLAP_REPLACE) {
        if (lives) sup_stop_now(tree, node, SUP_THEN_LAUNCH, SUP_CAUSE_SCHEDULE, 0);
        return; /* else: what comes is the run that is due */
    }
    if (rule == SUP_OVERLAP_QUEUE || node->spec.missed == SUP_MISSED_RUN) node->run_waits = true;
    else skip(tree, node, "the former run goes on");
}

void sup_schedule_due(struct sup_tree *tree, struct sup_node *node)
{
    bool is_late = tree->now_ns - node->due_ns > LATE_NS;
    node->last_wall_s = node->due_wall_s;
    set_next(tree, node);
    if (is_late && node->spec.missed == SUP_MISSED_SKIP) {
        skip(tree, node, "its time was missed");
    } else if (node->instance != 0 || node->run_due) {
        overlap(tree, node);
    } else {
        call(tree, node);
    }
}

/* --- a reload --------------------------------------------------------------------------------- */

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void sup_schedule_changed(struct sup_tree *tree, struct sup_node *node,
                          const struct sup_spec *former)
{
    const struct sup_spec *spec = &node->spec;
    bool is_same = former->every_ns == spec->every_ns && is_same_text(former->at, spec->at) &&
                   former->jitter_ns == spec->jitter_ns;
    if (!sup_node_is_called(node)) sup_schedule_forget(tree, node);
    if (!node->armed || is_same || !sup_node_is_timer(node)) return;
    sup_deadline_clear(tree, &node->schedule);
    if (former->every_ns == 0 || spec->every_ns == 0) node->time_ns = 0;
    else node->time_ns -= former->every_ns; /* the time of its last run stays */
    set_next(tree, node);
}
