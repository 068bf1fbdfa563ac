/*
** core/journal.h: the journal (FROZEN FORM, version 1): a snapshot of the tree and every input
** since, in one piece of memory that outlives the host. Pure: it works on memory that the caller
** maps; the engine maps a memfd that the keeper holds, tests map an array.
**
**   struct sup_journal_header | snapshot | records …
**
** A record is { u32 size, u32 checksum, i64 now_ns, input bytes } padded to 8. It counts once
** header.tail covers it, and tail is stored with release order after the bytes: a torn record is
** never seen. When the room is used up (or after SUP_JOURNAL_INPUTS inputs) the engine begins a new
** journal with a fresh snapshot and hands that to the keeper instead: a half-written snapshot is
** never the only one.
*/
#ifndef SUP_CORE_JOURNAL_H
#define SUP_CORE_JOURNAL_H

#include "core/tree.h"

#include <stdatomic.h>

#define SUP_JOURNAL_MAGIC UINT32_C(0x4a4c5053) /* "SPLJ" */
#define SUP_JOURNAL_VERSION 1
#define SUP_JOURNAL_INPUTS 1024

struct sup_journal_header {
    uint32_t magic;
    uint32_t version;
    uint64_t size; /* of the whole memory */
    uint64_t snapshot_size;
    uint64_t snapshot_checksum; /* FNV-1a 64 */
    _Atomic uint64_t tail;      /* offset after the last whole record */
    _Atomic uint64_t confirmed; /* effects up to this seq have been performed */
    _Atomic uint64_t crashing;  /* the thread instance whose fault is ending the host; 0: none */
    uint64_t reserved;
};

/* Bytes that a journal needs for a snapshot of ${snapshot_size} and room for records. */
size_t sup_journal_size(size_t snapshot_size);

/* Begin a journal in ${memory} (8-aligned) with ${snapshot}; nothing confirmed beyond
   ${confirmed}. */
void sup_journal_begin(void *memory, size_t size, const void *snapshot, size_t snapshot_size,
                       uint64_t confirmed);

/* Append an input. False: no room, begin a new journal first. */
bool sup_journal_append(void *memory, const struct sup_input *input, int64_t now_ns);

/* Is another one due (used up or 1,024 inputs)? ${appended} is counted by the caller since
   begin. */
bool sup_journal_is_full(const void *memory, size_t appended);

/* Note that effects up to ${seq} have been performed. */
void sup_journal_confirm(void *memory, uint64_t seq);

/* Is this a whole journal of our version? On false ${err} says: torn, foreign version,
   truncated. */
bool sup_journal_check(const void *memory, size_t size, struct sup_err *err);

/* Walk the records: start with *cursor = 0. False: the end (or a broken record: *broken is set). */
bool sup_journal_read(const void *memory, size_t size, uint64_t *cursor, struct sup_input *input,
                      int64_t *now_ns, bool *broken);

/*
** The tree again: snapshot, then every record. ${perform} is called for each effect with seq beyond
** header.confirmed (those of the inputs replayed that were not surely performed), others are muted.
** NULL: ${err}.
*/
struct sup_tree *sup_journal_replay(const void *memory, size_t size,
                                    void (*perform)(void *self, struct sup_tree *tree,
                                                    const struct sup_effect *effect),
                                    void *self, int64_t *last_now_ns, struct sup_err *err);

#endif
