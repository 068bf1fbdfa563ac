/*
** engine/look.h: one look at a tcp port, a unix socket or an http server, without ever blocking:
** who looks calls again when the descriptor is ready, and gives up when he has waited enough.
** Only files of src/engine include it. Must not know why somebody looks.
*/
#ifndef SUP_ENGINE_LOOK_H
#define SUP_ENGINE_LOOK_H

#include "core/ready.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_LOOK_TEXT 160

enum sup_look_state {
    SUP_LOOK_WAITS, /* for `events` of `fd` */
    SUP_LOOK_HOLDS,
    SUP_LOOK_FAILS, /* `text` says why */
};

struct sup_look {
    int fd;                   /* owned; -1: none. Another one after each call, perhaps */
    uint32_t events;          /* of epoll, that it waits for */
    char text[SUP_LOOK_TEXT]; /* "connection refused" */
    /* its own */
    const struct sup_ready *ready;
    struct sup_address address;
    bool tried_ipv6;
    bool connected;
    size_t sent;     /* of the request */
    size_t answered; /* of `answer` */
    char answer[16]; /* the begin of the first line */
    size_t left;     /* how much more of an answer is read before it is cut off */
};

/*
** Begin to look. ${ready}: of kind TCP, UNIX or HTTP, and valid until the end. Whatever the
** outcome, sup_look_end must follow.
*/
enum sup_look_state sup_look_begin(struct sup_look *look, const struct sup_ready *ready);

/* Its descriptor is ready. */
enum sup_look_state sup_look_go_on(struct sup_look *look);

/*
** The outcome is known, but more of an answer may come: read it so that the server is not cut off.
** False: it is over.
*/
bool sup_look_drain(struct sup_look *look);

void sup_look_end(struct sup_look *look);

#endif
