/*
** core/plan.c: the reload's difference.
*/
#include "core/plan.h"

#include "core/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 160

static struct sup_change *push(struct sup_changes *changes, enum sup_change_kind kind)
{
    if (changes->count == changes->room) {
        size_t room = changes->room == 0 ? 64 : 2 * changes->room;
        struct sup_change *list = realloc(changes->list, room * sizeof *list);
        if (list == NULL) return NULL;
        changes->list = list;
        changes->room = room;
    }
    struct sup_change *change = &changes->list[changes->count++];
    *change = (struct sup_change){.kind = kind};
    if (kind != SUP_CHANGE_KEEP) changes->empty = false;
    return change;
}

void sup_changes_finish(struct sup_changes *changes)
{
    free(changes->list);
    *changes = (struct sup_changes){0};
}

/* --- matching -------------------------------------------------------------------------------- */

static const struct sup_form_node *child_record(const struct sup_form_node *record,
                                                const char *name)
{
    const struct sup_form_node *child = sup_form_first_child(record);
    for (uint32_t i = 0; i < record->child_count; i++, child = sup_form_skip(child))
        if (strcmp(sup_form_name(child), name) == 0) return child;
    return NULL;
}

/* What the plan is made from. */
struct planning {
    const struct sup_tree *tree;
    enum sup_plan_way way;
    struct sup_changes *changes;
    struct sup_err *err;
};

/* The child that the reload which is rolled back had renamed from ${name}; NULL: none. */
static struct sup_node *renamed_from(const struct sup_node *supervisor, const char *name)
{
    sup_list_each(link, &supervisor->children)
    {
        struct sup_node *node = sup_container(link, struct sup_node, sibling);
        if (node->spec.formerly != NULL && strcmp(node->spec.formerly, name) == 0) return node;
    }
    return NULL;
}

static bool has_former_name(const struct sup_form_node *record, const char *name)
{
    uint32_t size;
    const unsigned char *former = sup_form_option(record, SUP_OPTION_FORMERLY, &size);
    return former != NULL && strcmp((const char *) former, name) == 0;
}

/* The first of several whose name was ${name}, which is now to be one again. NULL: none, or another
   of the children of ${parent_record} is to go on with it. */
static struct sup_node *first_replica(const struct sup_tree *tree,
                                      const struct sup_node *supervisor,
                                      const struct sup_form_node *parent_record, const char *name)
{
    char first[NAME_SIZE];
    snprintf(first, sizeof first, "%s@1", name);
    struct sup_node *node = sup_child_find(tree, supervisor, first);
    if (node == NULL || node->spec.replica != 1) return NULL;
    const struct sup_form_node *child = sup_form_first_child(parent_record);
    for (uint32_t i = 0; i < parent_record->child_count; i++, child = sup_form_skip(child))
        if (has_former_name(child, first)) return NULL;
    return node;
}

/* The running child that ${record} describes: of its name, or of its former name. NULL: new. */
static struct sup_node *match_child(const struct planning *planning,
                                    const struct sup_node *supervisor,
                                    const struct sup_form_node *parent_record,
                                    const struct sup_form_node *record, bool *renamed)
{
    struct sup_node *node = sup_child_find(planning->tree, supervisor, sup_form_name(record));
    *renamed = false;
    if (node != NULL) return node;
    struct sup_spec spec;
    sup_form_decode(record, &supervisor->spec, &spec);
    if (spec.formerly != NULL) node = sup_child_find(planning->tree, supervisor, spec.formerly);
    else if (planning->way == SUP_PLAN_BACK) node = renamed_from(supervisor, sup_form_name(record));
    else node = first_replica(planning->tree, supervisor, parent_record, sup_form_name(record));
    if (node == NULL || child_record(parent_record, node->name) != NULL) return NULL;
    *renamed = true;
    return node;
}

static bool is_supervisor(const struct sup_form_node *record)
{
    return record->kind == SUP_SUPERVISOR;
}

/* A node cannot turn from a supervisor into a service or back: the old goes, a new one comes. */
static bool can_become(const struct sup_node *node, const struct sup_form_node *record)
{
    return !node->dynamic && is_supervisor(node->record) == is_supervisor(record);
}

/* --- comparing ------------------------------------------------------------------------------- */

size_t sup_plan_fields(const struct sup_form_node *former, const struct sup_form_node *started,
                       const struct sup_form_node *record, uint16_t *changed, size_t room,
                       bool *exec_seen)
{
    uint16_t seen[SUP_PLAN_FIELDS_MAX];
    size_t count = sup_form_compare(former, record, changed, room, exec_seen);
    if (started == NULL) return count;
    size_t listed = count < room ? count : room;
    struct sup_option_set set = sup_option_set_of(changed, listed);
    size_t more = sup_form_compare_exec(started, record, seen, SUP_PLAN_FIELDS_MAX);
    *exec_seen = more > 0 || started->kind != record->kind;
    for (size_t i = 0; i < more && i < SUP_PLAN_FIELDS_MAX; i++) {
        if (sup_option_set_has(&set, seen[i])) continue;
        if (count < room) changed[listed++] = seen[i];
        count++;
    }
    return count;
}

static int compare_node(struct sup_node *node, const struct sup_form_node *record, bool renamed,
                        struct sup_changes *changes)
{
    bool lives = node->instance != 0 && node->started_record != NULL;
    struct sup_change *change = push(changes, SUP_CHANGE_KEEP);
    if (change == NULL) return -ENOMEM;
    bool exec_seen = false;
    change->node = sup_node_token(node);
    change->parent = sup_node_token(node->parent);
    change->record = record;
    change->former = node->record;
    /* The next run of a timer is made as it is declared then; the one that goes on goes on. */
    bool restarts = lives && !sup_node_is_timer(node);
    if (restarts && node->started_record != node->record) change->started = node->started_record;
    change->renamed = renamed;
    change->field_count = sup_plan_fields(node->record, change->started, record, change->fields,
                                          SUP_CHANGE_FIELDS, &exec_seen);
    bool is_timer = sup_node_is_timer(node) && sup_form_role(record) == SUP_ROLE_TIMER;
    if (exec_seen && !is_timer) change->kind = SUP_CHANGE_RESTART;
    else if (renamed || change->field_count > 0 || exec_seen) change->kind = SUP_CHANGE_UPDATE;
    if (change->kind != SUP_CHANGE_KEEP) changes->empty = false;
    return 0;
}

static int list_removals(const struct planning *planning, struct sup_node *supervisor,
                         const struct sup_form_node *record)
{
    size_t matched = 0, room = record->child_count;
    sup_token *kept = calloc(room + 1, sizeof *kept);
    if (kept == NULL) return -ENOMEM;
    const struct sup_form_node *child = sup_form_first_child(record);
    for (uint32_t i = 0; i < record->child_count; i++, child = sup_form_skip(child)) {
        bool renamed;
        struct sup_node *node = match_child(planning, supervisor, record, child, &renamed);
        if (node == NULL || !can_become(node, child)) continue;
        kept[matched++] = sup_node_token(node);
        node->reload_mark = true;
    }
    int result = 0;
    size_t place = 0;
    sup_list_each(link, &supervisor->children)
    {
        struct sup_node *node = sup_container(link, struct sup_node, sibling);
        if (node->reload_mark && kept[place++] != sup_node_token(node))
            planning->changes->empty =
                false; /* the order is behaviour, though it restarts nothing */
        if (node->reload_mark || node->dynamic || result < 0) continue;
        struct sup_change *change = push(planning->changes, SUP_CHANGE_REMOVE);
        if (change == NULL) {
            result = -ENOMEM;
            continue;
        }
        change->node = sup_node_token(node);
        change->parent = sup_node_token(supervisor);
        change->former = node->record;
    }
    for (size_t i = 0; i < matched; i++)
        sup_tree_node(planning->tree, kept[i])->reload_mark = false;
    free(kept);
    return result;
}

static int refuse_dynamic(const struct sup_form_node *record, struct sup_err *err)
{
    return sup_err_set(err, -EINVAL, sup_form_place(record),
                       "remove that one first, or choose another name",
                       "\"%s\" is the name of a child that was added while the tree ran",
                       sup_form_name(record));
}

static int compare_tree(const struct planning *planning, struct sup_node *node,
                        const struct sup_form_node *record, bool renamed)
{
    int result = compare_node(node, record, renamed, planning->changes);
    if (result == 0 && is_supervisor(record)) result = list_removals(planning, node, record);
    const struct sup_form_node *child = sup_form_first_child(record);
    for (uint32_t i = 0; i < record->child_count && result == 0;
         i++, child = sup_form_skip(child)) {
        struct sup_node *match = match_child(planning, node, record, child, &renamed);
        if (match != NULL && match->dynamic) return refuse_dynamic(child, planning->err);
        if (match != NULL && can_become(match, child)) {
            result = compare_tree(planning, match, child, renamed);
            continue;
        }
        if (planning->way == SUP_PLAN_SCALE &&
            child_record(node->record, sup_form_name(child)) != NULL)
            continue; /* it was temporary, or done */
        struct sup_change *change = push(planning->changes, SUP_CHANGE_ADD);
        if (change == NULL) return -ENOMEM;
        change->parent = sup_node_token(node);
        change->record = child;
    }
    return result;
}

/* --- who is dragged along -------------------------------------------------------------------- */

static bool names(const struct sup_strings *list, const char *name)
{
    const char *text = list->first;
    for (uint32_t i = 0; i < list->count; i++, text = sup_strings_next(text))
        if (strcmp(text, name) == 0) return true;
    return false;
}

static bool restarts(const struct sup_tree *tree, const struct sup_change *change)
{
    if (change->kind != SUP_CHANGE_RESTART && change->kind != SUP_CHANGE_FOLLOW) return false;
    const struct sup_node *node = sup_tree_node(tree, change->node);
    return node->instance != 0 || sup_node_remains(node);
}

/* Turn ${change} into FOLLOW when it restarts with a sibling that restarts. */
static bool drag_along(const struct sup_tree *tree, struct sup_changes *changes,
                       struct sup_change *change)
{
    if (change->record == NULL || change->node == 0 || restarts(tree, change)) return false;
    if (sup_tree_node(tree, change->node)->instance == 0) return false;
    struct sup_spec spec;
    sup_form_decode(change->record, NULL, &spec);
    if (spec.restart_with.count == 0) return false;
    for (size_t i = 0; i < changes->count; i++) {
        const struct sup_change *other = &changes->list[i];
        if (other->parent != change->parent || other->record == NULL) continue;
        if (!restarts(tree, other)) continue;
        if (!names(&spec.restart_with, sup_form_name(other->record))) continue;
        change->kind = SUP_CHANGE_FOLLOW;
        change->other = other->node;
        return true;
    }
    return false;
}

int sup_plan_make(const struct sup_tree *tree, const struct sup_form *form, enum sup_plan_way way,
                  struct sup_changes *changes, struct sup_err *err)
{
    struct planning planning = {tree, way, changes, err};
    const struct sup_form_node *root = sup_form_root(form);
    *changes = (struct sup_changes){.empty = true};
    if (!is_supervisor(root))
        return sup_err_set(err, -EINVAL, sup_form_place(root), "return s.supervisor \"name\" { … }",
                           "the root of a tree must be a supervisor");
    if (strcmp(sup_form_name(root), tree->root->name) != 0)
        return sup_err_set(err, -EINVAL, sup_form_place(root),
                           "keep the name, or stop the tree and run the new one",
                           "the root is named \"%s\" and cannot be renamed to \"%s\" by a reload",
                           tree->root->name, sup_form_name(root));
    int result = compare_tree(&planning, tree->root, root, false);
    if (result == -ENOMEM)
        sup_err_set(err, -ENOMEM, "", "free some memory and try again", "no memory for the plan");
    bool again = result == 0 && !changes->empty;
    while (again) {
        again = false;
        for (size_t i = 0; i < changes->count; i++)
            if (drag_along(tree, changes, &changes->list[i])) again = true;
    }
    if (result < 0) sup_changes_finish(changes);
    return result;
}
