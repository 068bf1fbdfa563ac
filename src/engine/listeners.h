/*
** engine/listeners.h: the sockets that services listen on: opened here, held by the keeper.
**
** A socket is known by its address, so it stays open while services that have it come and go. It
** is opened when it is needed first (a launch, a wait for a connection, a reload that brings it)
** and closed when no node of the tree has the address any more; after a reload not before it can no
** longer be rolled back. Engine thread only; nothing blocks.
*/
#ifndef SUP_ENGINE_LISTENERS_H
#define SUP_ENGINE_LISTENERS_H

#include "core/socket.h"
#include "core/tree.h"
#include "wire/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sup_engine;

struct sup_listener {
    uint64_t id;            /* of its address; see sup_listener_id */
    sup_token node;         /* who had it last; 0: a former host's, or nobody's yet */
    int fd;                 /* as the keeper holds it */
    bool watched;           /* somebody has waited for a connection to it */
    bool used;              /* scratch of sup_listeners_collect */
    uint64_t device, inode; /* of its file; inode 0: none */
};

struct sup_listeners {
    struct sup_listener *all;
    size_t count, room;
    bool dirty;       /* some may not be needed any more */
    bool asked;       /* services that wait for a connection are to be listened for */
    int64_t again_ns; /* when some of them are; 0: not by time */
    int epoll;        /* of those that are watched; 0: none yet */
};

#define SUP_LISTENER_TEXT 256

/* What the keeper knows the socket at ${address} by; never 0. */
uint64_t sup_listener_id(const char *address);

/* NULL: none is open. Valid until another one is opened or closed. */
struct sup_listener *sup_listener_find(struct sup_engine *engine, uint64_t id);

/* Open what ${spec}, of ${node}, needs and is not open yet, and give it to the keeper. 0, or -errno
   with ${text}, SUP_LISTENER_TEXT bytes, for a person. */
int sup_listeners_open(struct sup_engine *engine, sup_token node, const struct sup_spec *spec,
                       char *text);

/* Give the keeper again what ${spec} needs: it has lost something. */
void sup_listeners_give_again(struct sup_engine *engine, const struct sup_spec *spec);

/* Give the keeper all of them again. */
void sup_listeners_give_all(struct sup_engine *engine);

/* Apply what a reload changed in those that are open. */
void sup_listeners_update(struct sup_engine *engine, const struct sup_spec *spec);

/*
** Open what the configuration ${blob} needs beyond what is open. 0, or -errno with ${text}; then a
** reload to it must not begin. What was opened in vain is closed by collect.
*/
int sup_listeners_open_all(struct sup_engine *engine, const void *blob, size_t size, char *text);

/* The keeper holds this one for a former host; ${fd} is taken over. */
void sup_listeners_take(struct sup_engine *engine, const struct sup_wire *message, int fd);

/* Close what no node needs, if that may have changed. */
void sup_listeners_collect(struct sup_engine *engine);

void sup_listeners_finish(struct sup_engine *engine);

#endif
