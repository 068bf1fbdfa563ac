/*
** engine/listeners.c: see listeners.h.
*/
#include "engine/listeners.h"

#include "base/hash.h"
#include "core/form.h"
#include "core/option_ids.h"
#include "engine/inside.h"
#include "engine/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

uint64_t sup_listener_id(const char *address)
{
    uint64_t id = sup_hash(address, strlen(address));
    return id == 0 ? 1 : id;
}

static struct sup_listener *find(struct sup_listeners *listeners, uint64_t id)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->all[i].id == id) return &listeners->all[i];
    return NULL;
}

struct sup_listener *sup_listener_find(struct sup_engine *engine, uint64_t id)
{
    return find(&engine->listeners, id);
}

/* Room for one more. */
static int reserve(struct sup_listeners *listeners)
{
    if (listeners->count < listeners->room) return 0;
    size_t room = listeners->room == 0 ? 16 : listeners->room * 2;
    struct sup_listener *all = realloc(listeners->all, room * sizeof *all);
    if (all == NULL) return -ENOMEM;
    listeners->all = all;
    listeners->room = room;
    return 0;
}

static struct sup_listen_owner owner_of(const struct sup_spec *spec,
                                        const struct sup_socket *socket)
{
    uint32_t gid = spec->group != SUP_NO_ID ? spec->group : spec->user.gid;
    return (struct sup_listen_owner){
        .uid = socket->uid != SUP_NO_ID ? socket->uid : spec->user.uid,
        .gid = socket->gid != SUP_NO_ID ? socket->gid : gid,
        .service_uid = spec->user.uid,
        .service_gid = gid,
    };
}

/* --- the keeper ------------------------------------------------------------------------------- */

static int give(struct sup_engine *engine, const struct sup_listener *listener)
{
    struct sup_wire message = {
        .type = SUP_WIRE_SOCKET,
        .instance = listener->id,
        .seq = listener->inode,
        .time_ns = (int64_t) listener->device,
    };
    int copy = fcntl(listener->fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return -errno;
    return sup_link_send(&engine->link, &message, copy);
}

void sup_listeners_take(struct sup_engine *engine, const struct sup_wire *message, int fd)
{
    struct sup_listeners *listeners = &engine->listeners;
    if (fd < 0) return;
    if (reserve(listeners) < 0) {
        close(fd);
        return;
    }
    listeners->all[listeners->count++] = (struct sup_listener){
        .id = message->instance,
        .fd = fd,
        .device = (uint64_t) message->time_ns,
        .inode = message->seq,
    };
    listeners->dirty = true; /* its node may be gone */
}

static void let_go(struct sup_engine *engine, struct sup_listener *listener)
{
    struct sup_wire message = {.type = SUP_WIRE_UNSOCKET, .instance = listener->id};
    /* Others have it open as well: closing it would not do. */
    if (listener->watched) epoll_ctl(engine->listeners.epoll, EPOLL_CTL_DEL, listener->fd, NULL);
    if (!engine->orphaned) sup_link_send(&engine->link, &message, -1);
    else sup_listen_remove(listener->fd, listener->device, listener->inode);
    close(listener->fd);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Does ${node} of the tree listen at the address of ${socket}? */
static bool has_address(struct sup_engine *engine, sup_token node, const struct sup_socket *socket)
{
    const struct sup_spec *spec = node == 0 ? NULL : sup_tree_spec(engine->tree, node);
    struct sup_socket one;
    if (spec == NULL) return false;
    for (uint32_t at = 0; sup_sockets_next(&spec->sockets, &at, &one);)
        if (strcmp(one.address, socket->address) == 0) return true;
    return false;
}

static int refuse(char *text, const struct sup_socket *socket, int code, const char *advice)
{
    snprintf(text, SUP_LISTENER_TEXT, "sockets: %s %s: %s; %s", socket->name, socket->address,
             strerror(-code), advice);
    return code;
}

/* Are they replicas of one service? Those share their sockets. */
static bool are_replicas(struct sup_engine *engine, sup_token a, sup_token b)
{
    char one[512], other[512];
    const struct sup_spec *first = sup_tree_spec(engine->tree, a);
    const struct sup_spec *second = sup_tree_spec(engine->tree, b);
    if (first == NULL || second == NULL || first->replica == 0 || second->replica == 0)
        return false;
    sup_tree_path(engine->tree, a, one, sizeof one);
    sup_tree_path(engine->tree, b, other, sizeof other);
    const char *end = strrchr(one, '@'), *other_end = strrchr(other, '@');
    if (end == NULL || other_end == NULL || end - one != other_end - other) return false;
    return memcmp(one, other, (size_t) (end - one)) == 0;
}

/* One that is open already: is it ${node}'s to take? */
static int take_over(struct sup_engine *engine, struct sup_listener *listener, sup_token node,
                     const struct sup_socket *socket, char *text)
{
    char path[128];
    if (node == 0 || listener->node == node) return 0;
    if (has_address(engine, listener->node, socket) &&
        !are_replicas(engine, listener->node, node)) {
        snprintf(text, SUP_LISTENER_TEXT, "sockets: %s %s is an address of %s: choose another",
                 socket->name, socket->address,
                 sup_tree_path(engine->tree, listener->node, path, sizeof path));
        return -EADDRINUSE;
    }
    listener->node = node;
    return 0;
}

static int open_one(struct sup_engine *engine, sup_token node, const struct sup_spec *spec,
                    const struct sup_socket *socket, char *text)
{
    struct sup_listener fresh = {.id = sup_listener_id(socket->address), .node = node};
    struct sup_listener *listener = find(&engine->listeners, fresh.id);
    struct sup_listen_owner owner = owner_of(spec, socket);
    const char *advice;
    if (listener != NULL) return take_over(engine, listener, node, socket, text);
    if (reserve(&engine->listeners) < 0) return refuse(text, socket, -ENOMEM, "free some memory");
    fresh.fd = sup_listen_open(socket, &owner, &fresh.device, &fresh.inode, &advice);
    if (fresh.fd < 0) return refuse(text, socket, fresh.fd, advice);
    int r = give(engine, &fresh);
    if (r < 0) {
        sup_listen_remove(fresh.fd, fresh.device, fresh.inode);
        close(fresh.fd);
        return refuse(text, socket, r, "raise the limit of open files");
    }
    engine->listeners.all[engine->listeners.count++] = fresh;
    return 0;
}

int sup_listeners_open(struct sup_engine *engine, sup_token node, const struct sup_spec *spec,
                       char *text)
{
    struct sup_socket socket;
    int r = 0;
    for (uint32_t at = 0; r == 0 && sup_sockets_next(&spec->sockets, &at, &socket);)
        r = open_one(engine, node, spec, &socket, text);
    return r;
}

void sup_listeners_give_again(struct sup_engine *engine, const struct sup_spec *spec)
{
    struct sup_socket socket;
    for (uint32_t at = 0; sup_sockets_next(&spec->sockets, &at, &socket);) {
        struct sup_listener *listener = find(&engine->listeners, sup_listener_id(socket.address));
        if (listener != NULL) give(engine, listener);
    }
}

void sup_listeners_give_all(struct sup_engine *engine)
{
    for (size_t i = 0; i < engine->listeners.count; i++) give(engine, &engine->listeners.all[i]);
}

void sup_listeners_update(struct sup_engine *engine, const struct sup_spec *spec)
{
    struct sup_socket socket;
    for (uint32_t at = 0; sup_sockets_next(&spec->sockets, &at, &socket);) {
        struct sup_listener *listener = find(&engine->listeners, sup_listener_id(socket.address));
        struct sup_listen_owner owner = owner_of(spec, &socket);
        if (listener == NULL) continue;
        sup_listen_adjust(listener->fd, &socket, &owner, listener->device, listener->inode);
    }
}

/* --- reload ----------------------------------------------------------------------------------- */

static int open_of_record(struct sup_engine *engine, const struct sup_form_node *record, char *text)
{
    struct sup_spec spec;
    uint32_t size;
    if (sup_form_option(record, SUP_OPTION_SOCKETS, &size) == NULL) return 0;
    sup_form_decode(record, NULL, &spec);
    return spec.enabled ? sup_listeners_open(engine, 0, &spec, text) : 0;
}

int sup_listeners_open_all(struct sup_engine *engine, const void *blob, size_t size, char *text)
{
    struct sup_err err;
    struct sup_form_header header;
    struct sup_form *form = sup_form_create(blob, size, &err);
    int r = 0;
    if (form == NULL) return 0; /* the core will say what is wrong with it */
    engine->listeners.dirty = true;
    memcpy(&header, form->bytes, sizeof header);
    const struct sup_form_node *record = sup_form_root(form);
    for (uint32_t i = 0; i < header.node_count && r == 0; i++) {
        r = open_of_record(engine, record, text);
        const struct sup_form_node *child = sup_form_first_child(record);
        record = child != NULL ? child : sup_form_skip(record);
    }
    sup_form_unref(form);
    return r;
}

/* --- closing ---------------------------------------------------------------------------------- */

static void mark_used(struct sup_engine *engine)
{
    const struct sup_tree *tree = engine->tree;
    for (sup_token node = sup_tree_next(tree, 0); node != 0; node = sup_tree_next(tree, node)) {
        const struct sup_spec *spec = sup_tree_spec(tree, node);
        struct sup_socket socket;
        if (spec == NULL || spec->kind != SUP_PROCESS) continue;
        for (uint32_t at = 0; sup_sockets_next(&spec->sockets, &at, &socket);) {
            struct sup_listener *one = find(&engine->listeners, sup_listener_id(socket.address));
            if (one != NULL) one->used = true;
        }
    }
}

void sup_listeners_collect(struct sup_engine *engine)
{
    struct sup_listeners *listeners = &engine->listeners;
    struct sup_reload_report report;
    size_t kept = 0;
    if (!listeners->dirty) return;
    sup_tree_reload_report(engine->tree, &report);
    if (report.until_ns != 0) return; /* what ran before may come back */
    listeners->dirty = false;
    if (listeners->count == 0) return;
    for (size_t i = 0; i < listeners->count; i++) listeners->all[i].used = false;
    mark_used(engine);
    for (size_t i = 0; i < listeners->count; i++) {
        if (listeners->all[i].used) listeners->all[kept++] = listeners->all[i];
        else let_go(engine, &listeners->all[i]);
    }
    listeners->count = kept;
}

void sup_listeners_finish(struct sup_engine *engine)
{
    struct sup_listeners *listeners = &engine->listeners;
    for (size_t i = 0; i < listeners->count; i++) {
        const struct sup_listener *one = &listeners->all[i];
        if (engine->orphaned) sup_listen_remove(one->fd, one->device, one->inode);
        close(one->fd);
    }
    free(listeners->all);
    if (listeners->epoll != 0) close(listeners->epoll);
    *listeners = (struct sup_listeners){.count = 0};
}
