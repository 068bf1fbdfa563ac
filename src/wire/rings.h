/*
** wire/rings.h: reading the last output of a node from the rings (layout in wire/log.h), while
** suptree-log goes on writing. Owns nothing; ${rings} is the descriptor of the rings
** (sup_engine_rings in the host).
**
** Any thread, any number of readers; nothing here blocks, allocates or touches a page of a silent
** node. Bytes are numbered from 0 on per node, over all of its runs; a cursor is such a number.
** Text is as the service wrote it: escape it before a terminal sees it.
**
** Nobody announces new output. To follow, call sup_ring_follow every SUP_RINGS_FOLLOW_MS while
** somebody watches:
**
**     uint64_t cursor, lost;
**     ssize_t size = sup_ring_tail(rings, &wish, bytes, sizeof bytes, &cursor);   the last lines
**     ...
**     size = sup_ring_follow(rings, node, &cursor, bytes, sizeof bytes, &lost);   what came since
**     if (lost > 0) say that so many bytes were overwritten before they could be read
*/
#ifndef SUP_WIRE_RINGS_H
#define SUP_WIRE_RINGS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/log.h"

#define SUP_RINGS_FOLLOW_MS 50
#define SUP_RING_TO_THE_END UINT64_MAX

/* What the ring of a node holds. All zero: the node has said nothing. */
struct sup_ring_state {
    uint64_t oldest; /* the first byte that can be read */
    uint64_t head;   /* behind the last */
    uint32_t size;   /* of the ring in bytes */
    /*
    ** The last run whose output is here whole, that is: its instance has ended and its pipe has
    ** been emptied; its bytes are run_from to run_end. A short while after the end of a generation
    ** is known, `run` becomes it. 0: none yet; threads, hosts and nodes that never said anything:
    ** never.
    */
    uint32_t run;
    uint64_t run_from;
    uint64_t run_end;
};

/* Returns 0, or -errno: the rings cannot be read. */
int sup_ring_look(int rings, uint64_t node, struct sup_ring_state *state);

/*
** The first byte of ${node} that may have been written at ${since_ns} (CLOCK_REALTIME) or later,
** and the begin of its line: in ${from}, for a wish; SUP_RING_TO_THE_END: there is none. It is
** exact to about a second for what is recent, to half its age for what is old. Returns 0 or -errno.
*/
int sup_ring_since(int rings, uint64_t node, int64_t since_ns, uint64_t *from);

/* When bytes were written, as far as it is known: sup_ring_times fills it in. */
struct sup_ring_times {
    uint32_t count;
    uint64_t head; /* behind the last byte */
    struct sup_ring_span spans[SUP_RING_SPANS];
};

/* Returns 0 or -errno. */
int sup_ring_times(int rings, uint64_t node, struct sup_ring_times *times);

/*
** When byte ${at} was written, in CLOCK_REALTIME; 0: nobody knows. As exact as sup_ring_since, and
** never earlier than for a byte before it, unless the clock was set.
*/
int64_t sup_ring_time(const struct sup_ring_times *times, uint64_t at);

/* Which bytes sup_ring_tail is to bring. */
struct sup_ring_wish {
    uint64_t node;
    uint64_t from;  /* none before this one; 0: any */
    uint64_t until; /* none from this one on; SUP_RING_TO_THE_END: any */
    size_t lines;   /* at most so many lines; 0: as many as there is room for */
};

/*
** Copy the last bytes that ${wish} asks for to ${bytes}, at most ${room}. They begin at the start
** of a line where a line starts within them. A last line without newline counts as a line.
** ${cursor} (NULL: not wanted) becomes the number of the byte behind the last one: from there
** sup_ring_follow goes on. Returns how many bytes, 0: there are none, or -errno.
**
** The last lines of a failed run: sup_ring_look, and once state.run is its generation, a wish with
** from = state.run_from and until = state.run_end.
*/
ssize_t sup_ring_tail(int rings, const struct sup_ring_wish *wish, void *bytes, size_t room,
                      uint64_t *cursor);

/*
** Copy what came since ${cursor} to ${bytes}, at most ${room}, and move the cursor on. ${lost}
** becomes how many bytes before the copied ones were overwritten unread. Returns how many bytes,
** 0: nothing new, -ESTALE: the node has left and another has its ring, or -errno.
*/
ssize_t sup_ring_follow(int rings, uint64_t node, uint64_t *cursor, void *bytes, size_t room,
                        uint64_t *lost);

#endif
