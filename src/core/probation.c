/*
** core/probation.c: what the last reload is judged by. What it has made new or changed is on
** probation from its launch on, as long as a start may take; the first of them that fails is why
** the reload is rolled back. Must not know how that is done.
*/
#include "core/node.h"
#include "core/plan.h"

#define PROBATION_MIN_NS (3 * SUP_SECOND_NS)

/* What happens at the very instant ${until_ns} is still within: the deadline comes after it. */
static void set_probation(struct sup_tree *tree, int64_t until_ns)
{
    sup_deadline_set(tree, &tree->reload.deadline, SUP_PHASE_PROBATION,
                     until_ns + 1 - tree->now_ns);
}

static int64_t probation_end(const struct sup_tree *tree, const struct sup_node *node)
{
    int64_t start_ns = sup_node_start_ns(node);
    bool is_short = start_ns == SUP_INFINITY_NS || start_ns < PROBATION_MIN_NS;
    return tree->now_ns + (is_short ? PROBATION_MIN_NS : start_ns);
}

void sup_probation_put(struct sup_tree *tree, struct sup_node *node, int64_t *until_ns)
{
    sup_list_each(link, &node->children)
    {
        sup_probation_put(tree, sup_container(link, struct sup_node, sibling), until_ns);
    }
    if (!sup_node_is_service(node) || !sup_node_is_wanted(node)) return;
    node->probation_ns = until_ns == NULL ? 0 : probation_end(tree, node);
    node->unsettled = true;
    tree->reload.unsettled++;
    if (until_ns != NULL && node->probation_ns > *until_ns) *until_ns = node->probation_ns;
}

/* The time runs from the launch: what came before was the stop of the old, or a wait for others. */
void sup_probation_launched(struct sup_tree *tree, struct sup_node *node)
{
    bool is_on_probation = node->unsettled && node->probation_ns != 0;
    if (!is_on_probation || tree->reload.former == NULL) return;
    node->probation_ns = probation_end(tree, node);
    if (tree->reload.deadline.timer.at_ns <= node->probation_ns)
        set_probation(tree, node->probation_ns);
}

bool sup_probation_failed(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome,
                          const char *text)
{
    struct sup_reload *reload = &tree->reload;
    if (reload->former == NULL || node->probation_ns == 0) return false;
    if (tree->now_ns > node->probation_ns) return false;
    if (reload->sick != 0) return true;
    reload->sick = reload->culprit = sup_node_token(node);
    reload->why = outcome;
    sup_text_copy(reload->why_text, sizeof reload->why_text, text);
    return true;
}

void sup_tree_reload_report(const struct sup_tree *tree, struct sup_reload_report *report)
{
    const struct sup_reload *reload = &tree->reload;
    *report = (struct sup_reload_report){
        .applied = reload->applied,
        .rolled_back = reload->rolled_back,
        .went_back = reload->went_back,
        .culprit = reload->rolled_back ? reload->culprit : 0,
        .outcome = reload->why,
        .text = reload->why_text,
    };
    if (reload->former != NULL) report->until_ns = reload->deadline.timer.at_ns;
}

void sup_probation_settled(struct sup_tree *tree, struct sup_node *node)
{
    if (!node->unsettled) return;
    node->unsettled = false;
    tree->reload.unsettled--;
    if (tree->reload.unsettled == 0) sup_waiters_check(tree, tree->root);
}

void sup_probation_drop(struct sup_tree *tree)
{
    sup_form_unref(tree->reload.former);
    tree->reload.former = NULL;
}

void sup_probation_over(struct sup_tree *tree)
{
    if (tree->reload.sick == 0) sup_probation_drop(tree); /* else the rollback waits for a round */
}

void sup_probation_end(struct sup_tree *tree, const struct sup_changes *changes)
{
    sup_probation_drop(tree);
    sup_deadline_clear(tree, &tree->reload.deadline);
    tree->reload.sick = 0;
    tree->reload.unsettled = 0;
    for (size_t i = 0; i < changes->count; i++) {
        struct sup_node *node = sup_tree_node(tree, changes->list[i].node);
        if (node == NULL) continue;
        node->probation_ns = 0;
        node->unsettled = false;
    }
}

void sup_probation_begin(struct sup_tree *tree, struct sup_form *former, int64_t until_ns)
{
    if (until_ns <= tree->now_ns) return;
    tree->reload.former = sup_form_ref(former);
    set_probation(tree, until_ns);
}
