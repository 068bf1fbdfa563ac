/*
** core/form_sockets.c: no two nodes of a tree listen on the same address.
*/
#include "core/form_check.h"
#include "core/options.h"
#include "core/socket.h"

#include <stdlib.h>
#include <string.h>

struct listener {
    struct sup_socket socket;
    uint32_t entry;
};

struct listeners {
    struct listener *all;
    size_t count;
};

/* Visit every socket; ${listeners}->all NULL: only count. */
static void collect(const struct sup_form_scan *scan, struct listeners *listeners)
{
    listeners->count = 0;
    for (uint32_t i = 0; i < scan->count; i++) {
        uint32_t size, at = 0;
        const unsigned char *value =
            sup_form_option(scan->entries[i].node, SUP_OPTION_SOCKETS, &size);
        if (value == NULL) continue;
        const struct sup_bytes sockets = {value, size};
        struct listener listener = {.entry = i};
        while (sup_sockets_next(&sockets, &at, &listener.socket)) {
            if (listeners->all != NULL) listeners->all[listeners->count] = listener;
            listeners->count++;
        }
    }
}

static int compare(const void *a, const void *b)
{
    const struct listener *one = a;
    const struct listener *other = b;
    int order = strcmp(one->socket.address, other->socket.address);
    if (order != 0) return order;
    if (one->entry != other->entry) return one->entry < other->entry ? -1 : 1;
    return strcmp(one->socket.name, other->socket.name);
}

/* The length of the name that replicas share; 0: ${record} is none. */
static size_t common_name(const struct sup_form_node *record)
{
    uint32_t size;
    const char *name = sup_form_name(record);
    if (sup_form_option(record, SUP_OPTION_REPLICAS, &size) == NULL) return 0;
    const char *at = strrchr(name, '@');
    return at == NULL ? 0 : (size_t) (at - name);
}

/* Replicas share their sockets: each accepts what comes. */
static bool may_share(const struct sup_form_scan *scan, const struct listener *one,
                      const struct listener *other)
{
    const struct sup_form_entry *a = &scan->entries[one->entry], *b = &scan->entries[other->entry];
    size_t length = common_name(a->node);
    if (one->entry == other->entry || a->parent != b->parent || length == 0) return false;
    return common_name(b->node) == length &&
           memcmp(sup_form_name(a->node), sup_form_name(b->node), length) == 0;
}

int sup_form_check_sockets(struct sup_form_scan *scan)
{
    struct listeners listeners = {.count = 0};
    int r = 0;
    collect(scan, &listeners);
    if (listeners.count < 2) return 0;
    listeners.all = malloc(listeners.count * sizeof *listeners.all);
    if (listeners.all == NULL) return sup_form_refuse_memory(scan->err);
    collect(scan, &listeners);
    qsort(listeners.all, listeners.count, sizeof *listeners.all, compare);
    for (size_t i = 1; i < listeners.count && r == 0; i++) {
        const struct listener *one = &listeners.all[i - 1], *other = &listeners.all[i];
        if (strcmp(one->socket.address, other->socket.address) != 0) continue;
        if (may_share(scan, one, other)) continue;
        r = sup_form_refuse(scan, other->entry, "sockets", "Give one of them another.",
                            "%s: %s is the address of %s.%s too", other->socket.name,
                            other->socket.address, sup_form_name(scan->entries[one->entry].node),
                            one->socket.name);
    }
    free(listeners.all);
    return r;
}
