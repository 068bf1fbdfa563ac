/*
** engine/tail.h: does a line that an instance has written match? Its output is read from the rings,
** from where the former run ended, line by line, as it comes. Only files of src/engine include it.
*/
#ifndef SUP_ENGINE_TAIL_H
#define SUP_ENGINE_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_TAIL_LINE 8192 /* what is longer is compared by its begin */

/* Which output it is. */
struct sup_tail_order {
    int rings;
    uint64_t node;
    uint32_t generation;
    uint32_t former;     /* the last generation before that ran; 0: none, or unknown */
    uint64_t floor;      /* nothing before this byte is its own */
    bool has_no_marks;   /* nobody marks where a run ends: only `floor` says it */
    int64_t patience_ns; /* how long after `from_ns` the mark of the former run is waited for */
    int64_t from_ns;
};

enum sup_tail_state {
    SUP_TAIL_WAITS, /* there is no more for now */
    SUP_TAIL_READS, /* there may be more at once */
    SUP_TAIL_HOLDS, /* a line matched */
    SUP_TAIL_STUCK, /* the pattern takes too long on lines like these */
};

struct sup_tail {
    struct sup_tail_order order;
    bool begun;
    bool skips;       /* up to the next line: the begin of this one is lost, or was compared */
    uint32_t strikes; /* lines on which the pattern took too long */
    uint64_t cursor;
    uint64_t lost; /* bytes that were overwritten before they were read */
    size_t held;   /* of `line` */
    char line[SUP_TAIL_LINE];
};

void sup_tail_init(struct sup_tail *tail, const struct sup_tail_order *order);

/* Read some of what has come, and compare it with the Lua pattern. Never blocks. */
enum sup_tail_state sup_tail_read(struct sup_tail *tail, const char *pattern, int64_t now_ns);

#endif
