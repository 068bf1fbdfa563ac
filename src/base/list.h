/*
** base/list.h: a doubly linked intrusive list. The owner embeds a struct sup_list as head, an
** element embeds one as link; each declaration says so: "list of sup_node::sibling".
** Nothing here allocates or fails.
*/
#ifndef SUP_BASE_LIST_H
#define SUP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct sup_list {
    struct sup_list *prev;
    struct sup_list *next;
};

/* The struct of ${type} whose member ${member} is at ${link}. */
#define sup_container(link, type, member) \
    ((type *) (void *) (((char *) (link)) - offsetof(type, member)))

static inline void sup_list_init(struct sup_list *list)
{
    list->prev = list->next = list;
}

static inline bool sup_list_empty(const struct sup_list *list)
{
    return list->next == list;
}

/* Insert ${link} before ${place}; with ${place} the head: at the end. */
static inline void sup_list_insert(struct sup_list *place, struct sup_list *link)
{
    link->prev = place->prev;
    link->next = place;
    place->prev->next = link;
    place->prev = link;
}

/* Take ${link} out; it is left empty, so that removing twice is harmless. */
static inline void sup_list_remove(struct sup_list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    sup_list_init(link);
}

/* Walk; the body must not remove elements other than by the _safe form, which may remove ${it}. */
#define sup_list_each(it, head) \
    for (struct sup_list *it = (head)->next; it != (head); it = it->next)
#define sup_list_each_back(it, head) \
    for (struct sup_list *it = (head)->prev; it != (head); it = it->prev)
#define sup_list_each_safe(it, head) \
    for (struct sup_list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)

#endif
