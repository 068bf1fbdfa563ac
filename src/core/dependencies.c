/*
** core/dependencies.c: `after` and `restart_with`: edges between siblings. A dependent launches
** when all it is after is ready, and ends before what it depends on is asked to stop.
**
** Rules written here because the law is silent: what is done (it ended well) satisfies those after
** it; what has left the tree does too.
*/
#include "core/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- edges ----------------------------------------------------------------------------------- */

struct sup_edge *sup_edge_find(const struct sup_node *node, const struct sup_node *dependency)
{
    sup_list_each(link, &node->needs)
    {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needs);
        if (edge->dependency == dependency) return edge;
    }
    return NULL;
}

struct sup_edge *sup_edge_make(struct sup_node *node, struct sup_node *dependency)
{
    struct sup_edge *edge = sup_edge_find(node, dependency);
    if (edge != NULL) return edge;
    edge = calloc(1, sizeof *edge);
    if (edge == NULL) return NULL;
    edge->dependent = node;
    edge->dependency = dependency;
    sup_list_insert(&node->needs, &edge->in_needs);
    sup_list_insert(&dependency->needed_by, &edge->in_needed_by);
    return edge;
}

static int make_edges(struct sup_tree *tree, struct sup_node *node, const struct sup_strings *names,
                      bool follow)
{
    const char *name = names->first;
    for (uint32_t i = 0; i < names->count; i++, name = sup_strings_next(name)) {
        struct sup_node *dependency = sup_child_find(tree, node->parent, name);
        if (dependency == NULL || dependency == node) continue;
        struct sup_edge *edge = sup_edge_make(node, dependency);
        if (edge == NULL) return -ENOMEM;
        if (follow) edge->follow = true;
        else edge->after = true;
    }
    return 0;
}

int sup_edges_make(struct sup_tree *tree, struct sup_node *node)
{
    if (node->parent == NULL) return 0;
    int result = make_edges(tree, node, &node->spec.after, false);
    return result < 0 ? result : make_edges(tree, node, &node->spec.restart_with, true);
}

void sup_edge_drop(struct sup_edge *edge)
{
    sup_list_remove(&edge->in_needs);
    sup_list_remove(&edge->in_needed_by);
    free(edge);
}

void sup_edges_drop_needs(struct sup_node *node)
{
    sup_list_each_safe(link, &node->needs)
    {
        sup_edge_drop(sup_container(link, struct sup_edge, in_needs));
    }
}

void sup_edges_drop_needed_by(struct sup_tree *tree, struct sup_node *node)
{
    sup_list_each_safe(link, &node->needed_by)
    {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needed_by);
        struct sup_node *dependent = edge->dependent;
        if (dependent->removed) continue; /* it leaves as well, and still ends first */
        sup_edge_drop(edge);
        if (dependent->state == SUP_STATE_WAITING && !sup_node_rests(dependent))
            sup_node_bring_up(tree, dependent, SUP_CAUSE_DEPENDENCY);
    }
}

/* --- waiting --------------------------------------------------------------------------------- */

bool sup_is_satisfied(const struct sup_node *dependency)
{
    return dependency->ready || dependency->armed || dependency->state == SUP_STATE_DONE;
}

struct sup_node *sup_unready_dependency(const struct sup_node *node)
{
    sup_list_each(link, &node->needs)
    {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needs);
        if (edge->after && !sup_is_satisfied(edge->dependency)) return edge->dependency;
    }
    return NULL;
}

/* One that waited for ${node} and need not wait any longer; NULL: none. */
static struct sup_node *next_to_wake(const struct sup_node *node)
{
    sup_list_each(link, &node->needed_by)
    {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needed_by);
        struct sup_node *dependent = edge->dependent;
        if (!edge->after || dependent->state != SUP_STATE_WAITING) continue;
        if (sup_node_rests(dependent)) continue;      /* it waits to be called */
        if (!sup_node_is_wanted(dependent)) continue; /* it leaves with its supervisor */
        if (sup_unready_dependency(dependent) == NULL) return dependent;
    }
    return NULL;
}

void sup_dependents_wake(struct sup_tree *tree, struct sup_node *node)
{
    struct sup_node *dependent;
    while (sup_is_satisfied(node) && (dependent = next_to_wake(node)) != NULL) {
        sup_node_bring_up(tree, dependent, SUP_CAUSE_DEPENDENCY);
        if (!sup_expect(dependent->state != SUP_STATE_WAITING)) return;
    }
}

struct sup_node *sup_stopping_dependent(const struct sup_node *node)
{
    sup_list_each_back(link, &node->needed_by)
    {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needed_by);
        if (edge->after && edge->dependent->state == SUP_STATE_STOPPING) return edge->dependent;
    }
    return NULL;
}

/* --- following ------------------------------------------------------------------------------- */

static bool shares_round(const struct sup_node *node, const struct sup_node *follower)
{
    return node->by_round && follower->round == node->round;
}

/* Mark the followers of ${node}, and theirs, all the way; never ${origin}, which began it. */
static bool mark_followers(struct sup_tree *tree, struct sup_node *node,
                           const struct sup_node *origin, bool automatic)
{
    bool any = false;
    sup_list_each(link, &node->needed_by)
    {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needed_by);
        struct sup_node *follower = edge->dependent;
        if (!edge->follow || follower == origin || follower->instance == 0) continue;
        if (shares_round(origin, follower)) continue;
        if (follower->state == SUP_STATE_STOPPING || follower->state == SUP_STATE_STUCK) continue;
        follower->automatic = automatic;
        follower->follows = true;
        sup_stop_mark(tree, follower, SUP_THEN_LAUNCH, SUP_CAUSE_FOLLOW, sup_node_token(node));
        mark_followers(tree, follower, origin, automatic);
        any = true;
    }
    return any;
}

void sup_followers_restart(struct sup_tree *tree, struct sup_node *node)
{
    if (mark_followers(tree, node, node, true)) sup_siblings_ask(tree, node->parent);
}

void sup_followers_mark(struct sup_tree *tree, struct sup_node *node, enum sup_cause cause)
{
    if (node->instance == 0) return;
    sup_stop_mark(tree, node, SUP_THEN_LAUNCH, cause, 0);
    mark_followers(tree, node, node, false);
}

void sup_followers_mark_alone(struct sup_tree *tree, struct sup_node *node)
{
    mark_followers(tree, node, node, false);
}

void sup_dependents_mark(struct sup_tree *tree, struct sup_node *node)
{
    sup_list_each(link, &node->needed_by)
    {
        struct sup_edge *edge = sup_container(link, struct sup_edge, in_needed_by);
        struct sup_node *dependent = edge->dependent;
        if (!edge->after || dependent->instance == 0) continue;
        if (dependent->state == SUP_STATE_STOPPING || dependent->state == SUP_STATE_STUCK) continue;
        sup_stop_mark(tree, dependent, SUP_THEN_LAUNCH, SUP_CAUSE_DEPENDENCY, sup_node_token(node));
        sup_dependents_mark(tree, dependent);
    }
}

void sup_siblings_ask(struct sup_tree *tree, struct sup_node *supervisor)
{
    struct sup_list *head = &supervisor->children;
    for (struct sup_list *link = head->prev, *next; link != head; link = next) {
        next = link->prev;
        sup_stop_ask_if_free(tree, sup_container(link, struct sup_node, sibling));
        /* What is asked may end at once and leave, and others with it: then look again. */
        if (next != head && sup_container(next, struct sup_node, sibling)->in_leaving)
            next = head->prev;
    }
}
