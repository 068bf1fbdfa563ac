/*
** core/rank.c: the order of a stop without host, as one number a node: the keeper stops what has a
** higher rank earlier. All ranks are computed in one walk and kept until nodes come or go.
**
** A node takes a span of ranks: a service one, a supervisor what its children need. It begins above
** everything it is after; where children stop in reverse order, above all children before it.
*/
#include "core/node.h"

static bool stops_in_reverse(const struct sup_node *supervisor)
{
    return supervisor->spec.stop_order == SUP_STOP_REVERSE ||
           supervisor->spec.strategy == SUP_REST_FOR_ONE;
}

static void append(struct sup_node ***last, struct sup_node *node)
{
    node->rank_next = NULL;
    **last = node;
    *last = &node->rank_next;
}

/* Those that wait for ${node} begin above it; a last one to wait for makes them ready. */
static void release_dependents(struct sup_node *node, struct sup_node ***last)
{
    sup_list_each(link, &node->needed_by)
    {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needed_by);
        struct sup_node *dependent = edge->dependent;
        if (!edge->after || dependent->removed) continue;
        uint32_t end = node->rank + node->rank_span;
        if (dependent->rank < end) dependent->rank = end;
        if (--dependent->rank_pending == 0) append(last, dependent);
    }
}

static void begin(struct sup_node *child, struct sup_node ***last)
{
    child->rank = child->rank_pending = 0;
    sup_list_each(link, &child->needs)
    {
        if (sup_container(link, struct sup_edge, in_needs)->after) child->rank_pending++;
    }
    if (child->rank_pending == 0) append(last, child);
}

/* Ranks of the children relative to their supervisor's, then the supervisor's span. */
static void rank_children(struct sup_node *supervisor)
{
    struct sup_node *ready = NULL, **last = &ready;
    uint32_t span = 0;
    sup_list_each(link, &supervisor->children)
    {
        struct sup_node *child = sup_container(link, struct sup_node, sibling);
        child->rank_span = 1;
        if (!sup_node_is_service(child)) rank_children(child);
    }
    sup_list_each(link, &supervisor->children)
    {
        begin(sup_container(link, struct sup_node, sibling), &last);
    }
    for (struct sup_node *child = ready; child != NULL; child = child->rank_next) {
        if (stops_in_reverse(supervisor) && child->rank < span) child->rank = span;
        if (child->rank + child->rank_span > span) span = child->rank + child->rank_span;
        release_dependents(child, &last);
    }
    supervisor->rank_span = span == 0 ? 1 : span;
}

static void make_absolute(struct sup_node *supervisor)
{
    sup_list_each(link, &supervisor->children)
    {
        struct sup_node *child = sup_container(link, struct sup_node, sibling);
        child->rank += supervisor->rank;
        make_absolute(child);
    }
}

uint32_t sup_tree_stop_rank(struct sup_tree *tree, sup_token token)
{
    const struct sup_node *node = sup_tree_node(tree, token);
    if (node == NULL || node->removed) return 0;
    if (!tree->ranked) {
        tree->root->rank = 0;
        rank_children(tree->root);
        make_absolute(tree->root);
        tree->ranked = true;
    }
    return node->rank;
}
