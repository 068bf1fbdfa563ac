/*
** core/membership.c: nodes come and leave: memory, names, indices, the leaving and the graves.
*/
#include "core/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- names ----------------------------------------------------------------------------------- */

static uint32_t hash_name(const struct sup_node *parent, const char *name)
{
    uint32_t hash = UINT32_C(2166136261) ^ (parent == NULL ? 0 : parent->serial);
    for (; *name != '\0'; name++) hash = (hash ^ (unsigned char) *name) * UINT32_C(16777619);
    return hash ^ hash >> 15;
}

static struct sup_node **name_bucket(const struct sup_tree *tree, const struct sup_node *parent,
                                     const char *name)
{
    return &tree->names[hash_name(parent, name) & (tree->name_room - 1)];
}

struct sup_node *sup_child_find(const struct sup_tree *tree, const struct sup_node *supervisor,
                                const char *name)
{
    if (tree->name_room == 0) return NULL;
    struct sup_node *node = *name_bucket(tree, supervisor, name);
    while (node != NULL && (node->parent != supervisor || strcmp(node->name, name) != 0))
        node = node->name_next;
    return node;
}

void sup_name_insert(struct sup_tree *tree, struct sup_node *node)
{
    struct sup_node **bucket = name_bucket(tree, node->parent, node->name);
    node->name_next = *bucket;
    *bucket = node;
}

void sup_name_remove(struct sup_tree *tree, struct sup_node *node)
{
    struct sup_node **place = name_bucket(tree, node->parent, node->name);
    while (*place != NULL && *place != node) place = &(*place)->name_next;
    if (*place == node) *place = node->name_next;
}

int sup_names_reserve(struct sup_tree *tree, uint32_t nodes)
{
    if (nodes <= tree->name_room) return 0;
    uint32_t former = tree->name_room, room = former == 0 ? 16 : former;
    while (room < nodes) room *= 2;
    struct sup_node **names = calloc(room, sizeof *names), **old = tree->names;
    if (names == NULL) return -ENOMEM;
    tree->names = names;
    tree->name_room = room;
    for (uint32_t i = 0; i < former; i++) {
        for (struct sup_node *node = old[i], *next; node != NULL; node = next) {
            next = node->name_next;
            sup_name_insert(tree, node);
        }
    }
    free(old);
    return 0;
}

/* --- memory ---------------------------------------------------------------------------------- */

int sup_rings_alloc(const struct sup_spec *spec, struct sup_rings *rings)
{
    size_t window = spec->has_intensity ? (size_t) spec->intensity + 1 : 0;
    *rings = (struct sup_rings){0};
    if (window > 0) rings->window_times = calloc(window, sizeof *rings->window_times);
    if (spec->max_pauses > 0)
        rings->pause_times = calloc(spec->max_pauses, sizeof *rings->pause_times);
    bool ok = (window == 0 || rings->window_times != NULL) &&
              (spec->max_pauses == 0 || rings->pause_times != NULL);
    if (!ok) sup_rings_free(rings);
    return ok ? 0 : -ENOMEM;
}

void sup_rings_free(struct sup_rings *rings)
{
    free(rings->window_times);
    free(rings->pause_times);
    *rings = (struct sup_rings){0};
}

bool sup_rings_fit(const struct sup_spec *from, const struct sup_spec *to)
{
    return from->has_intensity == to->has_intensity && from->intensity == to->intensity &&
           from->max_pauses == to->max_pauses;
}

void sup_node_adopt(struct sup_node *node, struct sup_form *form,
                    const struct sup_form_node *record, struct sup_rings *rings)
{
    struct sup_form *old = node->form;
    uint32_t former_window = node->window_times == NULL ? 0 : node->spec.intensity + 1;
    uint32_t former_pauses = node->pause_times == NULL ? 0 : node->spec.max_pauses;
    node->form = sup_form_ref(form);
    node->record = record;
    sup_form_decode(record, node->parent == NULL ? NULL : &node->parent->spec, &node->spec);
    sup_form_unref(old);
    if (rings == NULL) return;
    const struct sup_spec *spec = &node->spec;
    uint32_t window_room = spec->has_intensity ? spec->intensity + 1 : 0;
    sup_window_move(&node->window, node->window_times, former_window, rings->window_times,
                    window_room);
    sup_window_move(&node->pauses, node->pause_times, former_pauses, rings->pause_times,
                    spec->max_pauses);
    free(node->window_times);
    free(node->pause_times);
    node->window_times = rings->window_times;
    node->pause_times = rings->pause_times;
    *rings = (struct sup_rings){0};
}

struct sup_node *sup_node_blank(void)
{
    struct sup_node *node = calloc(1, sizeof *node);
    if (node == NULL) return NULL;
    sup_list_init(&node->sibling);
    sup_list_init(&node->children);
    sup_list_init(&node->leaving);
    sup_list_init(&node->queue);
    sup_list_init(&node->queued);
    sup_list_init(&node->needs);
    sup_list_init(&node->needed_by);
    sup_list_init(&node->waiters);
    return node;
}

static void take_index(struct sup_tree *tree, struct sup_node *node)
{
    node->index = tree->free_count > 0 ? tree->free_indices[--tree->free_count] : tree->node_top++;
    node->serial = ++tree->next_serial;
    tree->nodes[node->index] = node;
    tree->node_count++;
}

void sup_node_free(struct sup_node *node)
{
    free(node->window_times);
    free(node->pause_times);
    free(node->name);
    sup_form_unref(node->form);
    sup_form_unref(node->started_form);
    free(node);
}

static struct sup_node *alloc_node(struct sup_tree *tree, struct sup_node *parent,
                                   struct sup_form *form, const struct sup_form_node *record)
{
    if (sup_tree_reserve(tree, tree->node_count + 1) < 0) return NULL;
    if (sup_names_reserve(tree, tree->node_count + 1) < 0) return NULL;
    struct sup_node *node = sup_node_blank();
    if (node == NULL) return NULL;
    struct sup_rings rings;
    struct sup_spec spec;
    sup_form_decode(record, parent == NULL ? NULL : &parent->spec, &spec);
    node->parent = parent;
    node->name = strdup(sup_form_name(record));
    if (node->name == NULL || sup_rings_alloc(&spec, &rings) < 0) {
        sup_node_free(node);
        return NULL;
    }
    sup_node_adopt(node, form, record, &rings);
    take_index(tree, node);
    node->state = SUP_STATE_STOPPED;
    node->cause = node->spec.enabled ? SUP_CAUSE_SUPERVISOR : SUP_CAUSE_DISABLED;
    node->since_ns = tree->now_ns;
    return node;
}

void sup_node_enter(struct sup_tree *tree, struct sup_node *node)
{
    sup_name_insert(tree, node);
    tree->ranked = false;
    node->entered = true;
    if (node->parent == NULL) return;
    sup_list_insert(&node->parent->children, &node->sibling);
    node->parent->child_count++;
}

static bool create_children(struct sup_tree *tree, struct sup_node *node)
{
    const struct sup_form_node *child = sup_form_first_child(node->record);
    for (uint32_t i = 0; i < node->record->child_count; i++, child = sup_form_skip(child))
        if (sup_node_create(tree, node, node->form, child) == NULL) return false;
    sup_list_each(link, &node->children)
    {
        if (sup_edges_make(tree, sup_container(link, struct sup_node, sibling)) < 0) return false;
    }
    return true;
}

struct sup_node *sup_node_prepare(struct sup_tree *tree, struct sup_node *parent,
                                  struct sup_form *form, const struct sup_form_node *record)
{
    struct sup_node *node = alloc_node(tree, parent, form, record);
    if (node == NULL || create_children(tree, node)) return node;
    sup_node_destroy(tree, node);
    return NULL;
}

struct sup_node *sup_node_create(struct sup_tree *tree, struct sup_node *parent,
                                 struct sup_form *form, const struct sup_form_node *record)
{
    struct sup_node *node = sup_node_prepare(tree, parent, form, record);
    if (node != NULL) sup_node_enter(tree, node);
    return node;
}

/* Give back the index; the memory goes with the graves, or now. */
static void release_index(struct sup_tree *tree, struct sup_node *node)
{
    tree->nodes[node->index] = NULL;
    tree->free_indices[tree->free_count++] = node->index;
    tree->node_count--;
}

static void unlink_node(struct sup_tree *tree, struct sup_node *node)
{
    if (node->entered) {
        sup_name_remove(tree, node);
        if (node->parent != NULL) node->parent->child_count--;
    }
    sup_list_remove(&node->sibling);
}

static void drop_waiters(struct sup_tree *tree, struct sup_node *node)
{
    while (!sup_list_empty(&node->waiters)) {
        sup_waiter_discard(tree, sup_container(node->waiters.next, struct sup_waiter, in_node));
    }
}

static void drop_edges(struct sup_node *node)
{
    sup_edges_drop_needs(node);
    while (!sup_list_empty(&node->needed_by))
        sup_edge_drop(sup_container(node->needed_by.next, struct sup_edge, in_needed_by));
}

void sup_node_destroy(struct sup_tree *tree, struct sup_node *node)
{
    while (!sup_list_empty(&node->children))
        sup_node_destroy(tree, sup_container(node->children.next, struct sup_node, sibling));
    while (!sup_list_empty(&node->leaving))
        sup_node_destroy(tree, sup_container(node->leaving.next, struct sup_node, sibling));
    drop_waiters(tree, node);
    drop_edges(node);
    sup_deadline_clear(tree, &node->deadline);
    sup_deadline_clear(tree, &node->schedule);
    unlink_node(tree, node);
    release_index(tree, node);
    sup_node_free(node);
}

/* --- leaving --------------------------------------------------------------------------------- */

static void mark_removed(struct sup_tree *tree, struct sup_node *node)
{
    sup_name_remove(tree, node);
    tree->ranked = false;
    sup_probation_settled(tree, node);
    node->removed = true;
    node->entered = false;
    sup_list_each(link, &node->children)
    {
        mark_removed(tree, sup_container(link, struct sup_node, sibling));
    }
}

void sup_node_detach(struct sup_tree *tree, struct sup_node *node, enum sup_cause cause)
{
    struct sup_node *parent = node->parent;
    sup_tree_emit(tree, SUP_EVENT_REMOVED, node)->cause = cause;
    sup_strategy_leave_round(tree, node);
    sup_strategy_dequeue(node);
    sup_stop_mark(tree, node, SUP_THEN_STOP, cause, 0);
    if (node->instance == 0) sup_node_set_state(tree, node, SUP_STATE_STOPPED, cause, 0);
    else if (node->spec.significant) parent->significant_alive--;
    if (parent->sequence_cursor == sup_node_token(node)) parent->sequence_cursor = 0;
    mark_removed(tree, node);
    sup_list_remove(&node->sibling);
    sup_list_insert(&parent->leaving, &node->sibling);
    node->in_leaving = true;
    parent->child_count--;
    node->in_sequence = node->in_sequence && node->stop_asked;
    sup_node_unawait(tree, node);
}

void sup_node_let_go(struct sup_tree *tree, struct sup_node *node)
{
    sup_edges_drop_needed_by(tree, node);
    sup_stop_ask_if_free(tree, node);
    if (node->parent->sequence) sup_stop_sequence_step(tree, node->parent);
    sup_node_bury_if_over(tree, node);
}

void sup_node_remove(struct sup_tree *tree, struct sup_node *node, enum sup_cause cause)
{
    sup_node_detach(tree, node, cause);
    sup_node_let_go(tree, node);
}

static bool has_abandoned(const struct sup_node *node)
{
    for (int i = 0; i < SUP_MAX_ABANDONED; i++)
        if (node->abandoned[i] != 0) return true;
    return false;
}

static bool is_over(const struct sup_node *node)
{
    if (node->instance != 0 || has_abandoned(node)) return false;
    sup_list_each(link, &node->children)
    {
        if (!is_over(sup_container(link, struct sup_node, sibling))) return false;
    }
    sup_list_each(link, &node->leaving)
    {
        if (!is_over(sup_container(link, struct sup_node, sibling))) return false;
    }
    return true;
}

/* What ${node} was after need no longer wait for its end. */
static void bury_edges(struct sup_tree *tree, struct sup_node *node)
{
    while (!sup_list_empty(&node->needs)) {
        struct sup_edge *edge = sup_container(node->needs.next, struct sup_edge, in_needs);
        struct sup_node *dependency = edge->dependency;
        sup_edge_drop(edge);
        sup_stop_ask_if_free(tree, dependency);
    }
    drop_edges(node);
}

static void bury(struct sup_tree *tree, struct sup_node *node)
{
    sup_list_each_safe(link, &node->children)
    {
        bury(tree, sup_container(link, struct sup_node, sibling));
    }
    sup_list_each_safe(link, &node->leaving)
    {
        bury(tree, sup_container(link, struct sup_node, sibling));
    }
    sup_waiters_release_all(tree, node);
    bury_edges(tree, node);
    sup_deadline_clear(tree, &node->deadline);
    sup_deadline_clear(tree, &node->schedule);
    sup_tree_effect(tree, SUP_DO_FORGET, node);
    release_index(tree, node);
    sup_list_remove(&node->sibling);
    sup_list_insert(&tree->graves, &node->sibling);
}

/* The highest removed node above ${node}: what was removed in one piece is buried in one piece. */
static struct sup_node *removed_top(struct sup_node *node)
{
    while (node->parent != NULL && node->parent->removed) node = node->parent;
    return node;
}

void sup_node_bury_if_over(struct sup_tree *tree, struct sup_node *node)
{
    bool is_buried = tree->nodes[node->index] != node;
    if (!node->removed || is_buried) return;
    struct sup_node *top = removed_top(node);
    if (is_over(top)) bury(tree, top);
}

void sup_graves_empty(struct sup_tree *tree)
{
    while (!sup_list_empty(&tree->graves)) {
        struct sup_node *node = sup_container(tree->graves.next, struct sup_node, sibling);
        sup_list_remove(&node->sibling);
        sup_node_free(node);
    }
}
