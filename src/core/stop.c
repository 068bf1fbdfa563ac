/*
** core/stop.c: stopping. Who must stop is marked first; then each is asked as soon as nothing that
** must end before it is alive: its dependents, and where an order is kept, its later siblings.
** A service is asked politely, killed when its time is over, and stuck when even that did not help.
*/
#include "core/node.h"

#include <stddef.h>

/* --- marking --------------------------------------------------------------------------------- */

static void stop_what_does_not_live(struct sup_tree *tree, struct sup_node *node,
                                    enum sup_then then, enum sup_cause cause)
{
    if (then != SUP_THEN_STOP) return;
    bool has_ended = node->state == SUP_STATE_DONE || node->state == SUP_STATE_FAILED;
    sup_strategy_dequeue(node);
    sup_deadline_clear(tree, &node->deadline);
    node->ready = false;
    sup_schedule_forget(tree, node);
    if (!has_ended || cause == SUP_CAUSE_PERSON || cause == SUP_CAUSE_DISABLED)
        sup_node_set_state(tree, node, SUP_STATE_STOPPED, cause, 0);
}

void sup_stop_mark(struct sup_tree *tree, struct sup_node *node, enum sup_then then,
                   enum sup_cause cause, sup_token other)
{
    if (node->instance == 0) {
        stop_what_does_not_live(tree, node, then, cause);
        return;
    }
    node->then = then;
    node->fault.kind = SUP_END_NONE;
    if (then == SUP_THEN_STOP) sup_schedule_forget(tree, node);
    else node->run_due = sup_node_is_called(node) && then != SUP_THEN_FAILURE; /* it is cut off */
    node->self_ending = false;
    if (node->state == SUP_STATE_STUCK) return;
    if (node->state != SUP_STATE_STOPPING) {
        node->stop_asked = node->ready = false;
        if (!sup_node_is_service(node)) sup_strategy_drop(tree, node);
        sup_deadline_clear(tree, &node->deadline);
    }
    sup_node_set_state(tree, node, SUP_STATE_STOPPING, cause, other);
}

/* --- asking ---------------------------------------------------------------------------------- */

static void kill_service(struct sup_tree *tree, struct sup_node *node)
{
    node->killed = true;
    sup_tree_emit(tree, SUP_EVENT_KILLED, node);
    sup_tree_effect(tree, SUP_DO_KILL, node);
    sup_deadline_set(tree, &node->deadline, SUP_PHASE_KILL, node->spec.kill_timeout_ns);
}

void sup_stop_await_exit(struct sup_tree *tree, struct sup_node *node)
{
    int64_t after_ns = sup_spec_after_exit_ns(&node->spec);
    int64_t kill_ns = node->spec.kill_timeout_ns;
    sup_deadline_set(tree, &node->deadline, SUP_PHASE_KILL,
                     kill_ns > SUP_INFINITY_NS - after_ns ? SUP_INFINITY_NS : kill_ns + after_ns);
}

static void ask_service(struct sup_tree *tree, struct sup_node *node)
{
    int64_t timeout_ns = node->spec.timeout_ns;
    struct sup_event *event = sup_tree_emit(tree, SUP_EVENT_STOPPING, node);
    event->outcome = node->fault;
    if (node->fault.kind != SUP_END_NONE) event->text = node->fault_text;
    if (node->exiting) {
        sup_stop_await_exit(tree, node);
        return;
    }
    if (timeout_ns != SUP_INFINITY_NS) event->until_ns = tree->now_ns + timeout_ns;
    if (timeout_ns == 0) {
        kill_service(tree, node);
        return;
    }
    sup_tree_effect(tree, SUP_DO_INTERRUPT, node);
    sup_deadline_set(tree, &node->deadline, SUP_PHASE_STOP, timeout_ns);
}

static void end_if_empty(struct sup_tree *tree, struct sup_node *supervisor)
{
    if (supervisor->state != SUP_STATE_STOPPING || !supervisor->stop_asked) return;
    if (supervisor->alive > 0) return;
    struct sup_outcome outcome = {SUP_END_STOPPED, 0};
    if (supervisor->self_ending) outcome = supervisor->ending;
    sup_node_ended(tree, supervisor, outcome, NULL, false);
}

/* Children that live keep what must follow for them only if that is nothing: all just stop. */
static void mark_children(struct sup_tree *tree, struct sup_node *supervisor, bool in_order)
{
    enum sup_cause cause = tree->stopping ? SUP_CAUSE_STOP : SUP_CAUSE_SUPERVISOR;
    sup_list_each_back(link, &supervisor->children)
    {
        struct sup_node *child = sup_container(link, struct sup_node, sibling);
        sup_stop_mark(tree, child, SUP_THEN_STOP, cause, 0);
        child->in_sequence = in_order && child->state == SUP_STATE_STOPPING;
    }
}

static void ask_supervisor(struct sup_tree *tree, struct sup_node *supervisor)
{
    bool in_order = supervisor->spec.stop_order == SUP_STOP_REVERSE ||
                    supervisor->spec.strategy == SUP_REST_FOR_ONE;
    sup_tree_emit(tree, SUP_EVENT_STOPPING, supervisor);
    mark_children(tree, supervisor, in_order);
    if (in_order) {
        supervisor->sequence = true;
        supervisor->sequence_cursor = 0;
        sup_stop_sequence_step(tree, supervisor);
    } else {
        supervisor->stepping = true; /* an empty child ends at once: look once, at the end */
        sup_siblings_ask(tree, supervisor);
        supervisor->stepping = false;
    }
    end_if_empty(tree, supervisor);
}

static void ask(struct sup_tree *tree, struct sup_node *node)
{
    node->stop_asked = true;
    if (sup_node_is_service(node)) ask_service(tree, node);
    else ask_supervisor(tree, node);
}

bool sup_stop_ask_if_free(struct sup_tree *tree, struct sup_node *node)
{
    if (node->state != SUP_STATE_STOPPING || node->stop_asked || node->in_sequence) return false;
    if (tree->restructuring || sup_stopping_dependent(node) != NULL) return false;
    ask(tree, node);
    return true;
}

void sup_stop_now(struct sup_tree *tree, struct sup_node *node, enum sup_then then,
                  enum sup_cause cause, sup_token other)
{
    sup_stop_mark(tree, node, then, cause, other);
    sup_stop_ask_if_free(tree, node);
}

/* --- one after another ----------------------------------------------------------------------- */

static bool stands_in_sequence(const struct sup_node *node)
{
    return node->in_sequence && node->state == SUP_STATE_STOPPING;
}

static struct sup_list *cursor_place(struct sup_tree *tree, struct sup_node *supervisor)
{
    struct sup_node *cursor = sup_tree_node(tree, supervisor->sequence_cursor);
    bool usable = cursor != NULL && cursor->parent == supervisor && !cursor->removed;
    return usable ? &cursor->sibling : supervisor->children.prev;
}

/* One that was asked in its turn and then removed still holds up the others. */
static bool waits_for_leaving(const struct sup_node *supervisor)
{
    sup_list_each(link, &supervisor->leaving)
    {
        if (stands_in_sequence(sup_container(link, struct sup_node, sibling))) return true;
    }
    return false;
}

/* Of ${node} and those that must end before it, one that nothing stands before; NULL: one of them
** was asked already, or that one is not of the sequence. Who stands between need not be of it. */
static struct sup_node *free_one(struct sup_node *node)
{
    for (;;) {
        struct sup_node *before = sup_stopping_dependent(node);
        if (before == NULL) return node->in_sequence ? node : NULL;
        if (before->stop_asked) return NULL;
        node = before;
    }
}

/*
** The next to be asked: the last in order that nothing stands before. One whose dependent comes
** earlier in the order is passed over until that has ended. NULL with ${busy} set: somebody who was
** asked, or who is not of the sequence, must end first.
*/
static struct sup_node *pick_next(struct sup_tree *tree, struct sup_node *supervisor, bool *busy)
{
    bool first = true;
    *busy = waits_for_leaving(supervisor);
    struct sup_list *link = cursor_place(tree, supervisor);
    for (; link != &supervisor->children && !*busy; link = link->prev) {
        struct sup_node *child = sup_container(link, struct sup_node, sibling);
        if (!stands_in_sequence(child)) continue;
        if (first) supervisor->sequence_cursor = sup_node_token(child);
        first = false;
        struct sup_node *next = child->stop_asked ? NULL : free_one(child);
        if (next == child) return child;
        *busy = next == NULL;
    }
    return NULL;
}

static void finish_sequence(struct sup_tree *tree, struct sup_node *supervisor)
{
    supervisor->sequence = false;
    supervisor->sequence_cursor = 0;
    if (supervisor->round_stopping) sup_strategy_round_launch(tree, supervisor);
}

void sup_stop_sequence_step(struct sup_tree *tree, struct sup_node *supervisor)
{
    if (!supervisor->sequence || supervisor->stepping) return;
    supervisor->stepping = true;
    bool busy = false;
    struct sup_node *next;
    while ((next = pick_next(tree, supervisor, &busy)) != NULL) ask(tree, next);
    supervisor->stepping = false;
    if (!busy) finish_sequence(tree, supervisor);
}

/* --- how it goes on -------------------------------------------------------------------------- */

/* Ask one of those that ${node} is after. Who is asked may end at once and take edges with it, so
** the walk begins anew after each. */
static bool ask_one_needed(struct sup_tree *tree, struct sup_node *node)
{
    sup_list_each(link, &node->needs)
    {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needs);
        if (edge->after && sup_stop_ask_if_free(tree, edge->dependency)) return true;
    }
    return false;
}

void sup_stop_progress(struct sup_tree *tree, struct sup_node *node)
{
    struct sup_node *parent = node->parent;
    node->in_sequence = false;
    while (ask_one_needed(tree, node)) continue;
    if (parent == NULL || parent->stepping) return;
    if (parent->sequence) sup_stop_sequence_step(tree, parent);
    end_if_empty(tree, parent);
}

void sup_stop_timeout(struct sup_tree *tree, struct sup_node *node)
{
    sup_tree_emit(tree, SUP_EVENT_STOP_TIMEOUT, node);
    kill_service(tree, node);
}

static bool abandon(struct sup_tree *tree, struct sup_node *node)
{
    if (node->spec.on_stuck != SUP_STUCK_ABANDON) return false;
    for (int i = 0; i < SUP_MAX_ABANDONED; i++) {
        if (node->abandoned[i] != 0) continue;
        node->abandoned[i] = node->instance;
        node->dies_with_host[i] = sup_node_was_launched_as_thread(node);
        sup_tree_effect(tree, SUP_DO_ABANDON, node);
        node->instance = 0;
        node->ready = false;
        return true;
    }
    return false;
}

void sup_stop_stuck(struct sup_tree *tree, struct sup_node *node)
{
    if (node->parent != NULL) node->parent->alive--;
    sup_node_set_state(tree, node, SUP_STATE_STUCK, SUP_CAUSE_STUCK, 0);
    sup_tree_emit(tree, SUP_EVENT_STUCK, node);
    if (abandon(tree, node)) {
        sup_node_after_stop(tree, node);
        return;
    }
    sup_waiters_check(tree, node);
    sup_reload_out_of_reach(tree, node);
    sup_stop_progress(tree, node);
}

void sup_stop_forget_abandoned(struct sup_node *node, uint64_t instance)
{
    for (int i = 0; i < SUP_MAX_ABANDONED; i++)
        if (node->abandoned[i] == instance) node->abandoned[i] = 0;
}

/* --- now ------------------------------------------------------------------------------------- */

/* Also one whose turn, or whose supervisor's, has not come yet. */
static void kill_now(struct sup_tree *tree, struct sup_node *node)
{
    if (node->state == SUP_STATE_STUCK) return;
    if (node->state != SUP_STATE_STOPPING)
        sup_stop_mark(tree, node, SUP_THEN_STOP, SUP_CAUSE_STOP, 0);
    if (node->killed) return;
    if (!node->stop_asked) {
        node->stop_asked = true;
        sup_tree_emit(tree, SUP_EVENT_STOPPING, node);
    }
    kill_service(tree, node);
}

void sup_stop_kill_all(struct sup_tree *tree, const struct sup_input *input)
{
    sup_command_stop(tree, input); /* a kill is a stop without budgets, answered like one */
    for (uint32_t i = 0; i < tree->node_top; i++) {
        struct sup_node *node = tree->nodes[i];
        if (node != NULL && node->instance != 0 && sup_node_is_service(node)) kill_now(tree, node);
    }
}
