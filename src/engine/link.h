/*
** engine/link.h: the engine's end of the socket to the keeper: an ordered queue of what did not
** fit, and the knowledge of how far everything has really been said.
**
** Engine thread only. Nothing here blocks but sup_link_drain. Must not know what messages mean.
*/
#ifndef SUP_ENGINE_LINK_H
#define SUP_ENGINE_LINK_H

#include "wire/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sup_parcel {
    struct sup_wire message;
    int fd; /* owned; -1: none */
    uint64_t
        mark; /* once this parcel is sent, everything up to the mark has been said; 0: no mark */
};

/* Initialise with sup_link_init; `socket` stays the caller's. */
struct sup_link {
    int socket;
    bool corked;                /* sending waits for sup_link_flush */
    bool lost;                  /* the keeper is gone: what is sent is dropped */
    uint64_t reached;           /* the greatest mark that has been passed */
    struct sup_parcel *parcels; /* ring */
    size_t room, first, count;
};

void sup_link_init(struct sup_link *link, int socket);
void sup_link_finish(
    struct sup_link *link); /* drops what is queued; zeroed or finished: harmless */

/*
** Send ${message}, or queue it when corked or when the socket is full. ${fd} (-1: none) is taken
** over and closed after it was sent, also on failure. When there is no memory to queue, waits for
** room in the socket instead: nothing that must be said gets lost while the keeper lives. Returns
** 0, or -EPIPE once the keeper is gone.
*/
int sup_link_send(struct sup_link *link, const struct sup_wire *message, int fd);

/* Everything said up to now stands for ${mark} (growing): `reached` becomes it once all is sent. */
void sup_link_mark(struct sup_link *link, uint64_t mark);

/* Send what is queued. Returns 0 (all sent), -EAGAIN (call again when writable) or -EPIPE. */
int sup_link_flush(struct sup_link *link);

/* Send what is queued, waiting up to ${timeout_ms} for the keeper to read. Returns as flush. */
int sup_link_drain(struct sup_link *link, int timeout_ms);

#endif
