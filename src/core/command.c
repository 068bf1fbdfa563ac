/*
** core/command.c: what persons ask of the tree, and who waits for the outcome. Every request gets
** exactly one reply: at once, or by its waiter.
*/
#include "core/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- waiters --------------------------------------------------------------------------------- */

struct sup_waiter *sup_waiter_create(struct sup_tree *tree, struct sup_node *node)
{
    if (sup_heap_reserve(&tree->heap, tree->heap.count + 2 * (size_t) tree->node_count + 2) < 0)
        return NULL;
    struct sup_waiter *waiter = calloc(1, sizeof *waiter);
    if (waiter == NULL) return NULL;
    waiter->node = sup_node_token(node);
    sup_list_insert(&node->waiters, &waiter->in_node);
    return waiter;
}

void sup_waiter_discard(struct sup_tree *tree, struct sup_waiter *waiter)
{
    sup_deadline_clear(tree, &waiter->deadline);
    sup_list_remove(&waiter->in_node);
    free(waiter);
}

void sup_waiter_release(struct sup_tree *tree, struct sup_waiter *waiter,
                        enum sup_reply_status status)
{
    sup_tree_reply(tree, waiter->request, status, sup_tree_node(tree, waiter->node), NULL);
    sup_waiter_discard(tree, waiter);
}

/* The run of a timer has begun, or could not. */
static bool is_run_decided(const struct sup_node *node, enum sup_reply_status *status)
{
    bool is_over = node->state == SUP_STATE_WAITING;
    if (is_over && node->last_outcome.kind == SUP_END_NO_LAUNCH) *status = SUP_NOT_REACHED;
    return is_over || node->launched;
}

/* Is what ${goal} wants of ${node} there, or out of reach? False: it can still come. */
static bool is_decided(const struct sup_tree *tree, const struct sup_node *node, enum sup_goal goal,
                       enum sup_reply_status *status)
{
    *status = SUP_OK;
    bool stuck = node->state == SUP_STATE_STUCK;
    bool down = node->state == SUP_STATE_STOPPED || node->state == SUP_STATE_FAILED;
    down = down && node->instance == 0 && !node->in_round;
    switch (goal) {
    case SUP_GOAL_STARTED:
        return node->state != SUP_STATE_STARTING;
    case SUP_GOAL_DOWN:
        if (stuck) *status = SUP_NOT_REACHED;
        return node->instance == 0 || stuck;
    case SUP_GOAL_UP:
        if (sup_node_is_timer(node) && node->armed && !node->run_due)
            return is_run_decided(node, status);
        if (node->ready || node->state == SUP_STATE_DONE) return true;
        if (sup_node_rests(node) && node->spec.activation) return true;
        *status = SUP_NOT_REACHED;
        return stuck || down;
    case SUP_GOAL_SETTLED:
        return tree->reload.unsettled == 0 && tree->reload.pending == NULL;
    case SUP_GOAL_GONE:
    default:
        return false; /* by its burial only */
    }
}

void sup_waiters_check(struct sup_tree *tree, struct sup_node *node)
{
    sup_list_each_safe(link, &node->waiters)
    {
        struct sup_waiter *waiter = sup_container(link, struct sup_waiter, in_node);
        enum sup_reply_status status;
        if (is_decided(tree, node, waiter->goal, &status)) sup_waiter_release(tree, waiter, status);
    }
}

/* ${node} is down, if only for this moment: that is what some waited for. */
void sup_waiters_release_down(struct sup_tree *tree, struct sup_node *node)
{
    sup_list_each_safe(link, &node->waiters)
    {
        struct sup_waiter *waiter = sup_container(link, struct sup_waiter, in_node);
        if (waiter->goal == SUP_GOAL_DOWN) sup_waiter_release(tree, waiter, SUP_OK);
    }
}

/* ${node} is gone, or the tree has ended: nobody waits any longer. */
void sup_waiters_release_all(struct sup_tree *tree, struct sup_node *node)
{
    sup_list_each_safe(link, &node->waiters)
    {
        struct sup_waiter *waiter = sup_container(link, struct sup_waiter, in_node);
        bool is_down =
            node->instance == 0 && (waiter->goal == SUP_GOAL_DOWN || waiter->goal == SUP_GOAL_GONE);
        sup_waiter_release(tree, waiter, is_down ? SUP_OK : SUP_STOPPED);
    }
}

void sup_waiter_add(struct sup_tree *tree, const struct sup_input *input, struct sup_node *node,
                    enum sup_goal goal)
{
    if (input->request == 0) return;
    struct sup_waiter *waiter = input->wait ? sup_waiter_create(tree, node) : NULL;
    if (waiter == NULL) {
        sup_tree_reply(tree, input->request, input->wait ? SUP_NO_MEMORY : SUP_OK, node, NULL);
        return;
    }
    waiter->request = input->request;
    waiter->goal = goal;
    if (input->wait_ns > 0)
        sup_deadline_set(tree, &waiter->deadline, SUP_PHASE_WAIT, input->wait_ns);
    sup_waiters_check(tree, node);
}

/* --- the tree -------------------------------------------------------------------------------- */

void sup_command_start(struct sup_tree *tree, const struct sup_input *input)
{
    if (tree->ended || tree->serving) {
        sup_tree_reply(tree, input->request, tree->ended ? SUP_STOPPED : SUP_ALREADY_SERVING,
                       tree->root, NULL);
        return;
    }
    tree->serving = true;
    const char *context = tree->text[0] == '\0' ? NULL : tree->text;
    struct sup_event *event = sup_tree_emit(tree, SUP_EVENT_STARTED, tree->root);
    event->cause = SUP_CAUSE_START;
    event->context = context;
    sup_node_bring_up(tree, tree->root, SUP_CAUSE_START);
    struct sup_input wait = *input;
    wait.wait = true; /* a start is answered when every child has had its launch */
    if (tree->ended) sup_tree_reply(tree, input->request, SUP_STOPPED, tree->root, NULL);
    else sup_waiter_add(tree, &wait, tree->root, SUP_GOAL_STARTED);
}

void sup_command_stop(struct sup_tree *tree, const struct sup_input *input)
{
    struct sup_input wait = *input;
    wait.wait = true; /* concurrent stops all get the one report */
    if (tree->ended) {
        sup_tree_reply(tree, input->request, SUP_OK, tree->root, NULL);
        return;
    }
    if (!tree->stopping) {
        tree->stopping = true;
        sup_text_copy(tree->context, sizeof tree->context, tree->text);
        sup_waiter_add(tree, &wait, tree->root, SUP_GOAL_DOWN);
        if (tree->serving) sup_stop_now(tree, tree->root, SUP_THEN_STOP, SUP_CAUSE_STOP, 0);
        else sup_tree_end(tree, 0);
        return;
    }
    sup_waiter_add(tree, &wait, tree->root, SUP_GOAL_DOWN);
}

/* --- nodes come and go ----------------------------------------------------------------------- */

static bool tree_accepts(struct sup_tree *tree, const struct sup_input *input)
{
    if (!tree->ended && !tree->stopping) return true;
    sup_tree_reply(tree, input->request, SUP_STOPPED, tree->root, NULL);
    return false;
}

/* The node a command names; answers when there is none. */
static struct sup_node *named_node(struct sup_tree *tree, const struct sup_input *input)
{
    struct sup_node *node = sup_tree_node(tree, input->node);
    if (node != NULL && !node->removed) return node;
    sup_tree_reply(tree, input->request, SUP_NOT_FOUND, NULL, "no such node");
    return NULL;
}

/* Names that a new child is after or restarts with must be there. */
static bool knows_names(struct sup_tree *tree, const struct sup_node *parent,
                        const struct sup_strings *names, const char *option)
{
    const char *name = names->first;
    for (uint32_t i = 0; i < names->count; i++, name = sup_strings_next(name)) {
        if (sup_child_find(tree, parent, name) != NULL) continue;
        snprintf(tree->reply, sizeof tree->reply, "%s names \"%.128s\", which is not there", option,
                 name);
        return false;
    }
    return true;
}

static enum sup_reply_status check_addition(struct sup_tree *tree, struct sup_node *parent,
                                            const struct sup_form *form, struct sup_node **other)
{
    const struct sup_form_node *record = sup_form_root(form);
    struct sup_spec spec;
    sup_form_decode(record, &parent->spec, &spec);
    *other = sup_child_find(tree, parent, spec.name);
    if (*other != NULL) {
        snprintf(tree->reply, sizeof tree->reply, "there is a \"%.128s\" already, %s", spec.name,
                 (*other)->instance != 0 ? "and it runs" : "which does not run");
        return SUP_DUPLICATE_NAME;
    }
    if (parent->spec.max_children > 0 && parent->child_count >= parent->spec.max_children) {
        snprintf(tree->reply, sizeof tree->reply, "max_children is %u", parent->spec.max_children);
        return SUP_TOO_MANY;
    }
    if (spec.significant && parent->spec.auto_shutdown == SUP_SHUTDOWN_NEVER) {
        sup_text_copy(tree->reply, sizeof tree->reply,
                      "significant means nothing: the supervisor has auto_shutdown = \"never\"");
        return SUP_INVALID;
    }
    if (!knows_names(tree, parent, &spec.after, "after")) return SUP_INVALID;
    if (!knows_names(tree, parent, &spec.restart_with, "restart_with")) return SUP_INVALID;
    return SUP_OK;
}

static void announce_added(struct sup_tree *tree, struct sup_node *node)
{
    node->dynamic = true;
    sup_tree_emit(tree, SUP_EVENT_ADDED, node);
    if (!sup_node_runs_children(tree, node->parent)) return;
    sup_node_await(tree, node);
    sup_node_bring_up(tree, node, SUP_CAUSE_PERSON);
}

static void add_form(struct sup_tree *tree, const struct sup_input *input, struct sup_node *parent,
                     struct sup_form *form)
{
    struct sup_node *node = NULL;
    enum sup_reply_status status = check_addition(tree, parent, form, &node);
    if (status == SUP_OK) {
        node = sup_node_create(tree, parent, form, sup_form_root(form));
        if (node == NULL) {
            status = SUP_NO_MEMORY;
        } else if (sup_edges_make(tree, node) < 0) {
            sup_node_destroy(tree, node);
            node = NULL;
            status = SUP_NO_MEMORY;
        }
    }
    const char *text = tree->reply[0] == '\0' ? NULL : tree->reply;
    sup_tree_reply(tree, input->request, status, node, text);
    if (status == SUP_OK) announce_added(tree, node);
}

void sup_command_add(struct sup_tree *tree, const struct sup_input *input)
{
    struct sup_node *parent = tree_accepts(tree, input) ? named_node(tree, input) : NULL;
    if (parent == NULL) return;
    if (sup_node_is_service(parent)) {
        sup_tree_reply(tree, input->request, SUP_REFUSED, parent, "a service has no children");
        return;
    }
    struct sup_err err;
    struct sup_form *form = sup_form_create(input->blob, input->blob_size, &err);
    if (form == NULL) {
        sup_err_text(&err, tree->reply, sizeof tree->reply);
        sup_tree_reply(tree, input->request, SUP_INVALID, NULL, tree->reply);
        return;
    }
    add_form(tree, input, parent, form);
    sup_form_unref(form);
}

/* Was this token ever given out? Its node may be long gone. */
static bool was_issued(const struct sup_tree *tree, sup_token token)
{
    uint32_t serial = (uint32_t) (token >> 32);
    return serial != 0 && serial <= tree->next_serial && (uint32_t) token < tree->node_top;
}

void sup_command_remove(struct sup_tree *tree, const struct sup_input *input)
{
    struct sup_node *node = sup_tree_node(tree, input->node);
    if (node == NULL) {
        bool gone = was_issued(tree, input->node);
        sup_tree_reply(tree, input->request, gone ? SUP_OK : SUP_NOT_FOUND, NULL,
                       gone ? NULL : "no such node");
    } else if (tree->ended) {
        sup_tree_reply(tree, input->request, SUP_STOPPED, node, NULL);
    } else if (node->parent == NULL) {
        sup_tree_reply(tree, input->request, SUP_REFUSED, node,
                       "the root cannot be removed; stop the tree instead");
    } else {
        struct sup_input wait = *input;
        wait.wait = input->wait && !(node->removed && node->state == SUP_STATE_STOPPED);
        sup_waiter_add(tree, &wait, node, SUP_GOAL_GONE);
        if (!node->removed) sup_node_remove(tree, node, SUP_CAUSE_REMOVE);
    }
}

/* --- a person's start, stop and restart ------------------------------------------------------ */

static struct sup_node *start_node(struct sup_tree *tree, struct sup_node *node);

/* Done, and there is no need to do it again. */
static bool is_done_for_good(const struct sup_node *node)
{
    return node->state == SUP_STATE_DONE && (!sup_node_is_oneshot(node) || node->spec.remain);
}

/*
** Start what ${node} is after, all the way down. Returns the first that a person stopped, or NULL.
*/
static struct sup_node *start_dependencies(struct sup_tree *tree, struct sup_node *node)
{
    struct sup_node *obstacle = NULL;
    sup_list_each(link, &node->needs)
    {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needs);
        struct sup_node *dependency = edge->dependency;
        if (!edge->after || dependency->ready || dependency->armed) continue;
        if (is_done_for_good(dependency)) continue;
        struct sup_node *found = dependency->held ? dependency : start_node(tree, dependency);
        if (obstacle == NULL) obstacle = found;
    }
    return obstacle;
}

static struct sup_node *start_node(struct sup_tree *tree, struct sup_node *node)
{
    node->held = false;
    node->asked_up = true;
    node->automatic = false;
    sup_node_await(tree, node);
    struct sup_node *obstacle = start_dependencies(tree, node);
    bool has_its_turn = node->in_round && node->parent->round_stopping;
    if (has_its_turn) return obstacle; /* its round launches it */
    if (sup_node_remains(node)) return NULL;
    if (node->instance == 0) sup_node_bring_up(tree, node, SUP_CAUSE_PERSON);
    else if (node->state == SUP_STATE_STOPPING && !node->self_ending) node->then = SUP_THEN_LAUNCH;
    else if (node->state == SUP_STATE_STUCK) node->then = SUP_THEN_LAUNCH;
    if (!sup_node_runs_children(tree, node->parent)) return node->parent;
    return obstacle;
}

static void answer_start(struct sup_tree *tree, const struct sup_input *input,
                         struct sup_node *node, struct sup_node *obstacle)
{
    if (obstacle != NULL) sup_tree_reply(tree, input->request, SUP_WAITING_FOR, obstacle, NULL);
    else sup_waiter_add(tree, input, node, SUP_GOAL_UP);
}

/* Who waits for a connection, or as a timer for its time, is to run now; a timer that is down is to
   wait for it. */
static void ask_for_run(struct sup_node *node)
{
    if (node->instance != 0 || (!node->armed && !node->spec.activation)) return;
    node->run_due = true;
    node->scheduled = false;
}

void sup_command_start_node(struct sup_tree *tree, const struct sup_input *input)
{
    struct sup_node *node = tree_accepts(tree, input) ? named_node(tree, input) : NULL;
    if (node == NULL) return;
    ask_for_run(node);
    answer_start(tree, input, node, start_node(tree, node));
}

/* It lives, or is on its way: those after it go down with it. */
static bool is_up(const struct sup_node *node)
{
    return node->instance != 0 || node->in_round || node->state == SUP_STATE_DELAYED ||
           node->state == SUP_STATE_QUEUED || node->state == SUP_STATE_WAITING ||
           sup_node_remains(node);
}

void sup_command_stop_node(struct sup_tree *tree, const struct sup_input *input)
{
    struct sup_node *node = tree_accepts(tree, input) ? named_node(tree, input) : NULL;
    if (node == NULL) return;
    if (node->parent == NULL) {
        sup_tree_reply(tree, input->request, SUP_REFUSED, node,
                       "the root cannot be stopped alone; stop the tree instead");
        return;
    }
    bool was_up = is_up(node);
    node->held = true;
    node->asked_up = false;
    sup_strategy_leave_round(tree, node);
    sup_node_unawait(tree, node);
    sup_probation_settled(tree, node);
    if (was_up) sup_dependents_mark(tree, node);
    sup_stop_mark(tree, node, SUP_THEN_STOP, SUP_CAUSE_PERSON, 0);
    sup_siblings_ask(tree, node->parent);
    sup_waiter_add(tree, input, node, SUP_GOAL_DOWN);
    sup_waiters_check(tree, node);
}

void sup_command_restart_node(struct sup_tree *tree, const struct sup_input *input)
{
    struct sup_node *node = tree_accepts(tree, input) ? named_node(tree, input) : NULL;
    if (node == NULL) return;
    bool was_live = node->instance != 0;
    bool was_done = sup_node_remains(node);
    ask_for_run(node);
    if (was_done) sup_stop_mark(tree, node, SUP_THEN_STOP, SUP_CAUSE_PERSON, 0); /* not any more */
    struct sup_node *obstacle = start_node(tree, node);
    if (was_live) sup_followers_mark(tree, node, SUP_CAUSE_PERSON);
    if (was_done) sup_followers_mark_alone(tree, node);
    if (was_live || was_done) {
        if (node->parent == NULL) sup_stop_ask_if_free(tree, node);
        else sup_siblings_ask(tree, node->parent);
    }
    answer_start(tree, input, node, obstacle);
}
