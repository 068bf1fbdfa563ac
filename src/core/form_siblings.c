/*
** core/form_siblings.c: what the children of one supervisor say of each other: names, `after`,
** `restart_with`, `formerly`. O(n log n) for n children and names.
*/
#include "core/form_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum colour { WHITE, GREY, BLACK }; /* not visited, on the way, done */

/* A child, sorted by name. `from` and the cursor are the depth-first walk along `after`. */
struct sibling {
    const char *name;
    uint32_t entry;
    uint32_t named_by; /* the entry whose list named it last, plus 1 */
    uint32_t from;     /* who led here; SUP_FORM_NONE: the walk's start */
    enum colour colour;
    const char *cursor; /* the name of its `after` that was followed last */
};

/* An old name and whose it is. */
struct old_name {
    const char *name;
    uint32_t entry;
};

struct group {
    struct sup_form_scan *scan;
    struct sibling *siblings;
    struct old_name *old_names;
    uint32_t count;
};

static int compare_siblings(const void *a, const void *b)
{
    const struct sibling *one = a;
    const struct sibling *other = b;
    int order = strcmp(one->name, other->name);
    if (order != 0) return order;
    return one->entry < other->entry ? -1 : 1;
}

static int compare_old_names(const void *a, const void *b)
{
    const struct old_name *one = a;
    const struct old_name *other = b;
    int order = strcmp(one->name, other->name);
    if (order != 0) return order;
    return one->entry < other->entry ? -1 : 1;
}

static const char *place_of(const struct group *group, uint32_t entry)
{
    const char *place = sup_form_place(group->scan->entries[entry].node);
    return place[0] != '\0' ? place : "an unknown place";
}

/* --- names --------------------------------------------------------------------------------- */

static int collect(struct group *group, uint32_t parent)
{
    struct sup_form_entry *entries = group->scan->entries;
    group->count = 0;
    for (uint32_t at = entries[parent].first; at != SUP_FORM_NONE; at = entries[at].next) {
        struct sibling child = {.name = sup_form_name(entries[at].node), .entry = at};
        child.from = SUP_FORM_NONE;
        group->siblings[group->count++] = child;
    }
    qsort(group->siblings, group->count, sizeof group->siblings[0], compare_siblings);
    for (uint32_t i = 0; i < group->count; i++) {
        entries[group->siblings[i].entry].rank = i;
        if (i == 0 || strcmp(group->siblings[i].name, group->siblings[i - 1].name) != 0) continue;
        return sup_form_refuse(group->scan, group->siblings[i].entry, NULL,
                               "Give one of them another name.",
                               "the name \"%.128s\" is taken by a sibling at %.128s",
                               group->siblings[i].name,
                               place_of(group, group->siblings[i - 1].entry));
    }
    return 0;
}

static int check_old_names(struct group *group)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        uint32_t size;
        uint32_t entry = group->siblings[i].entry;
        const struct sup_form_node *node = group->scan->entries[entry].node;
        const unsigned char *value = sup_form_option(node, SUP_OPTION_FORMERLY, &size);
        if (value != NULL)
            group->old_names[count++] = (struct old_name){(const char *) value, entry};
    }
    qsort(group->old_names, count, sizeof group->old_names[0], compare_old_names);
    for (uint32_t i = 1; i < count; i++) {
        const struct old_name *name = &group->old_names[i];
        if (strcmp(name->name, name[-1].name) != 0) continue;
        return sup_form_refuse(group->scan, name->entry, "formerly",
                               "A node can become one node only: leave it at one of them.",
                               "\"%.128s\" is the old name of the sibling at %.128s too",
                               name->name, place_of(group, name[-1].entry));
    }
    return 0;
}

/* --- lists of names ------------------------------------------------------------------------ */

static struct sibling *find_sibling(const struct group *group, const char *name)
{
    uint32_t low = 0;
    uint32_t high = group->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(name, group->siblings[middle].name);
        if (order == 0) return &group->siblings[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

static int refuse_unknown(const struct group *group, uint32_t entry, const char *option,
                          const char *name)
{
    const char **names = malloc(group->count * sizeof *names);
    if (names == NULL) return sup_form_refuse_memory(group->scan->err);
    for (uint32_t i = 0; i < group->count; i++) names[i] = group->siblings[i].name;
    const char *nearest = sup_nearest(name, names, group->count);
    char hint[192] = "Name siblings: children of the same supervisor.";
    if (nearest != NULL) snprintf(hint, sizeof hint, "Did you mean \"%.128s\"?", nearest);
    free(names);
    return sup_form_refuse(group->scan, entry, option, hint, "there is no sibling \"%.128s\"",
                           name);
}

static int check_name(const struct group *group, uint32_t entry, const char *option,
                      const char *name)
{
    struct sibling *other = find_sibling(group, name);
    if (other == NULL) return refuse_unknown(group, entry, option, name);
    if (other->entry == entry)
        return sup_form_refuse(group->scan, entry, option, "Take it out of the list.",
                               "names the node itself");
    if (other->named_by == entry + 1)
        return sup_form_refuse(group->scan, entry, option, "Take one of them out.",
                               "names \"%.128s\" twice", name);
    other->named_by = entry + 1;
    return 0;
}

/* Walk the names that ${entry} has in option ${id}, from *cursor = NULL. NULL: no more. */
static const char *next_name(const struct group *group, uint32_t entry, uint16_t id,
                             const char **cursor)
{
    uint32_t size;
    const unsigned char *first = sup_form_option(group->scan->entries[entry].node, id, &size);
    if (first == NULL || size == 0) return NULL;
    const char *name = *cursor == NULL ? (const char *) first : sup_strings_next(*cursor);
    if (name >= (const char *) first + size) return NULL;
    *cursor = name;
    return name;
}

static int check_lists(struct group *group, const char *option, uint16_t id)
{
    int rc = 0;
    for (uint32_t i = 0; i < group->count; i++) group->siblings[i].named_by = 0;
    for (uint32_t i = 0; i < group->count && rc == 0; i++) {
        uint32_t entry = group->siblings[i].entry;
        const char *cursor = NULL;
        const char *name;
        while (rc == 0 && (name = next_name(group, entry, id, &cursor)) != NULL)
            rc = check_name(group, entry, option, name);
    }
    return rc;
}

/* --- after: circles ------------------------------------------------------------------------ */

/* From ${closing}, the last of the way, back to ${start}: "db -> web -> db". */
static int refuse_circle(const struct group *group, const struct sibling *start,
                         const struct sibling *closing)
{
    char chain[300];
    char tail[300] = "";
    /* Collected from its end, as the way is known backwards. */
    snprintf(tail, sizeof tail, "%s", start->name);
    bool is_cut = false;
    for (const struct sibling *at = closing;; at = &group->siblings[at->from]) {
        int n = snprintf(chain, sizeof chain, "%s -> %s", at->name, tail);
        if (n < 0 || (size_t) n >= sizeof chain) is_cut = true;
        if (is_cut) break;
        memcpy(tail, chain, (size_t) n + 1);
        if (at == start) break;
    }
    return sup_form_refuse(group->scan, start->entry, "after",
                           "Take one of these names out of its `after`.",
                           "goes in a circle: %s%s%s", is_cut ? start->name : "",
                           is_cut ? " -> ... -> " : "", tail);
}

static void enter(struct sibling *node, uint32_t from)
{
    node->from = from;
    node->colour = GREY;
    node->cursor = NULL;
}

/* Walk along `after` from ${node}, depth first, without recursion. */
static int walk_after(const struct group *group, struct sibling *node)
{
    enter(node, SUP_FORM_NONE);
    for (;;) {
        const char *name = next_name(group, node->entry, SUP_OPTION_AFTER, &node->cursor);
        if (name == NULL) {
            node->colour = BLACK;
            if (node->from == SUP_FORM_NONE) return 0;
            node = &group->siblings[node->from];
            continue;
        }
        struct sibling *other = find_sibling(group, name);
        if (other->colour == GREY) return refuse_circle(group, other, node);
        if (other->colour == WHITE) {
            enter(other, (uint32_t) (node - group->siblings));
            node = other;
        }
    }
}

static int check_circles(const struct group *group, uint32_t parent)
{
    const struct sup_form_entry *entries = group->scan->entries;
    int rc = 0;
    for (uint32_t at = entries[parent].first; at != SUP_FORM_NONE && rc == 0;
         at = entries[at].next) {
        struct sibling *node = &group->siblings[entries[at].rank];
        if (node->colour == WHITE) rc = walk_after(group, node);
    }
    return rc;
}

static int check_group(struct group *group, uint32_t parent)
{
    int rc = collect(group, parent);
    if (rc == 0) rc = check_old_names(group);
    if (rc == 0) rc = check_lists(group, "after", SUP_OPTION_AFTER);
    if (rc == 0) rc = check_lists(group, "restart_with", SUP_OPTION_RESTART_WITH);
    if (rc == 0) rc = check_circles(group, parent);
    return rc;
}

int sup_form_check_siblings(struct sup_form_scan *scan)
{
    struct group group = {.scan = scan};
    int rc = 0;
    group.siblings = calloc(scan->count, sizeof *group.siblings);
    group.old_names = calloc(scan->count, sizeof *group.old_names);
    if (group.siblings == NULL || group.old_names == NULL) rc = sup_form_refuse_memory(scan->err);
    for (uint32_t i = 0; i < scan->count && rc == 0; i++)
        if (scan->entries[i].first != SUP_FORM_NONE) rc = check_group(&group, i);
    free(group.siblings);
    free(group.old_names);
    return rc;
}
