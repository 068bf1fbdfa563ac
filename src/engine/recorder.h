/*
** engine/recorder.h: the journal (core/journal.h) in a memory file that the keeper holds, with
** what the engine itself must find again after its death behind it.
**
** Engine thread only. Must not know how the file gets to the keeper.
*/
#ifndef SUP_ENGINE_RECORDER_H
#define SUP_ENGINE_RECORDER_H

#include "core/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_RECORDER_MAGIC UINT32_C(0x524c5053) /* "SPLR" */

/* A tree that replaced a broken one counts from 1 again; what the keeper hears goes on. */
struct sup_recorder_bases {
    uint64_t seq;      /* wire seq = effect seq + this */
    uint64_t instance; /* wire instance = instance + this */
};

/* Behind the journal's own bytes, at the end of the file. */
struct sup_recorder_tail {
    uint32_t magic;
    uint32_t version;
    struct sup_recorder_bases bases;
    int64_t wall_offset_ns; /* from the clock of events to the calendar */
    /* Effects up to these have been written out; a new host does not say them twice. */
    _Atomic uint64_t told_lines;
    _Atomic uint64_t told_events;
};

/* Zeroed with fd = -1: none. */
struct sup_recorder {
    int fd; /* owned */
    unsigned char *memory;
    size_t size;   /* of the whole file */
    size_t room;   /* of the journal in it */
    size_t first;  /* offset of the first record */
    size_t inputs; /* appended since it began */
    struct sup_recorder_tail *tail;
};

/*
** Begin a journal with ${snapshot} and room for at least ${records} bytes of records; the
** recorder must be empty. Effects up to ${confirmed} count as performed and told. Returns 0 or
** -errno.
*/
int sup_recorder_begin(struct sup_recorder *recorder, const void *snapshot, size_t size,
                       size_t records, uint64_t confirmed, const struct sup_recorder_bases *bases);

/*
** Take over the file of a former host; ${fd} is owned from here on. Checks all but the records.
** Returns 0 or -errno with ${err}.
*/
int sup_recorder_open(struct sup_recorder *recorder, int fd, struct sup_err *err);

void sup_recorder_finish(struct sup_recorder *recorder); /* zeroed with fd = -1: harmless */

/* Append; false: no room. */
bool sup_recorder_append(struct sup_recorder *recorder, const struct sup_input *input,
                         int64_t now_ns);

/* Is it time for a fresh snapshot? Seldom enough that its cost per input is bounded. */
bool sup_recorder_is_due(const struct sup_recorder *recorder);

#endif
