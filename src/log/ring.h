/*
** log/ring.h: the last output of every node, in the memfd that keeper, host and log process share
** (layout in wire/log.h). Owns the mappings and the size of the file; knows nothing of pipes and
** lines.
**
** The file is sparse: it grows when a node with a high index talks, and a page is touched only when
** a byte falls into it. A former log process may have died anywhere in here: what it left behind is
** put right by the claim.
*/
#ifndef SUP_LOG_RING_H
#define SUP_LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/log.h"

struct sup_rings {
    int fd;        /* the memfd; the caller's */
    uint8_t *base; /* room for every slot, mapped once; NULL: there are no rings */
    uint64_t size; /* of the file, as far as known: what may be touched */
};

/* A claimed ring. */
struct sup_ring_hold {
    struct sup_ring *ring; /* NULL: none; writing and marking do nothing */
    uint8_t *bytes;        /* in the slot, or a mapping of its own */
    uint32_t size;
};

/* Map ${fd}. Returns 0 or -errno; after a failure every claim fails. */
int sup_rings_init(struct sup_rings *rings, int fd);

void sup_rings_finish(struct sup_rings *rings);

/*
** Take the ring of ${node} with room for ${size} bytes (0: SUP_RING_BYTES). It is cleared when
** another node had it before; when its size changes, the last bytes that fit are kept. A ring that
** cannot be as large becomes one of SUP_RING_BYTES. False: there is none now (the file cannot grow,
** or the index has no slot); asking again later is fine.
*/
bool sup_ring_claim(struct sup_rings *rings, uint64_t node, uint32_t size,
                    struct sup_ring_hold *hold);

/* The memory for notes (log/notes.h); NULL: there is none, or with !${may_grow}: none yet. */
void *sup_rings_notes(struct sup_rings *rings, bool may_grow);

/* Let go of it; what it holds stays. Fine on a zeroed hold. */
void sup_ring_release(struct sup_ring_hold *hold);

/* Append ${size} bytes. */
void sup_ring_write(struct sup_ring_hold *hold, const uint8_t *bytes, size_t size);

/* The last ${size} bytes came at ${wall_ns} (CLOCK_REALTIME). */
void sup_ring_note_time(struct sup_ring_hold *hold, size_t size, int64_t wall_ns);

/* The output of the run ${generation} ends ${ahead} bytes before what has been written so far. */
void sup_ring_mark_run(struct sup_ring_hold *hold, uint32_t generation, uint64_t ahead);

#endif
