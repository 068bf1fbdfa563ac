/*
** log/ring.h: the last output of every node, in the memfd that keeper, host and log process share
** (layout in wire/log.h). Owns the mapping and the size of the file; knows nothing of pipes and
** lines.
**
** The file is sparse: it grows when a node with a high index talks, and a page is touched only when
** a byte falls into it. Bytes are published in slices of SUP_RING_SLICE, so a reader that leaves
** out the oldest SUP_RING_SLICE bytes, and looks at head again after copying, never takes a byte
** that is being overwritten.
*/
#ifndef SUP_LOG_RING_H
#define SUP_LOG_RING_H

#include <stddef.h>
#include <stdint.h>

#include "wire/log.h"

#define SUP_RING_SLICE 4096

struct sup_rings {
    int fd;        /* the memfd; the caller's */
    uint8_t *base; /* room for every slot, mapped once; NULL: there are no rings */
    uint64_t size; /* of the file, as far as known: what may be touched */
};

/* Map ${fd}. Returns 0 or -errno; after a failure every claim answers NULL. */
int sup_rings_init(struct sup_rings *rings, int fd);

void sup_rings_finish(struct sup_rings *rings);

/*
** The ring of ${node}, cleared when another node had it before. NULL when there is none (the file
** cannot grow, or the index has no slot); asking again later is fine.
*/
struct sup_ring *sup_rings_claim(struct sup_rings *rings, uint64_t node);

/* Append ${size} bytes. */
void sup_ring_write(struct sup_ring *ring, const uint8_t *bytes, size_t size);

#endif
