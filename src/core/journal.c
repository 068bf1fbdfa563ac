/*
** core/journal.c: the journal in memory: header, snapshot, records. Which effects of a replay are
** performed is in journal_replay.c. It reads what a dead host left behind: nothing is believed.
*/
#include "core/journal.h"

#include "base/hash.h"

#include <errno.h>
#include <string.h>

#define PLACE_JOURNAL "journal"
#define ROOM_FOR_RECORDS ((size_t) 1 << 20)
#define ROOM_LEFT 4096 /* less than this is used up: an input with its longest text fits */

struct record {
    uint32_t size; /* of the input, without this head */
    uint32_t checksum;
    int64_t now_ns;
};

_Static_assert(sizeof(struct sup_journal_header) == 64, "frozen form");
_Static_assert(sizeof(struct record) == 16, "frozen form");

static size_t pad(size_t size)
{
    return (size + 7) & ~(size_t) 7;
}

static uint64_t records_at(const struct sup_journal_header *header)
{
    return sizeof *header + pad(header->snapshot_size);
}

/* Of a record's time and input; the size is proven by the place of what follows. */
static uint32_t sum_record(int64_t now_ns, const void *input, size_t size)
{
    uint64_t hash = sup_hash_more(sup_hash(&now_ns, sizeof now_ns), input, size);
    return (uint32_t) (hash ^ hash >> 32);
}

/* --- writing ---------------------------------------------------------------------------------- */

size_t sup_journal_size(size_t snapshot_size)
{
    return sizeof(struct sup_journal_header) + 2 * pad(snapshot_size) + ROOM_FOR_RECORDS;
}

void sup_journal_begin(void *memory, size_t size, const void *snapshot, size_t snapshot_size,
                       uint64_t confirmed)
{
    struct sup_journal_header *header = memory;
    unsigned char *place = (unsigned char *) memory + sizeof *header;
    sup_require(size >= sizeof *header && pad(snapshot_size) <= size - sizeof *header);
    memset(header, 0, sizeof *header);
    memcpy(place, snapshot, snapshot_size);
    memset(place + snapshot_size, 0, pad(snapshot_size) - snapshot_size);
    header->version = SUP_JOURNAL_VERSION;
    header->size = size;
    header->snapshot_size = snapshot_size;
    header->snapshot_checksum = sup_hash(snapshot, snapshot_size);
    atomic_store_explicit(&header->confirmed, confirmed, memory_order_relaxed);
    atomic_store_explicit(&header->tail, records_at(header), memory_order_relaxed);
    /* The magic comes last: without it these bytes are no journal. */
    atomic_thread_fence(memory_order_release);
    *(volatile uint32_t *) &header->magic = SUP_JOURNAL_MAGIC;
}

bool sup_journal_append(void *memory, const struct sup_input *input, int64_t now_ns)
{
    struct sup_journal_header *header = memory;
    uint64_t tail = atomic_load_explicit(&header->tail, memory_order_relaxed);
    uint64_t room = header->size - tail;
    if (room < sizeof(struct record)) return false;
    room -= sizeof(struct record);
    unsigned char *at = (unsigned char *) memory + tail;
    unsigned char *bytes = at + sizeof(struct record);
    size_t size = sup_input_write(input, bytes, room);
    if (size > UINT32_MAX || pad(size) > room) return false;
    memset(bytes + size, 0, pad(size) - size);
    struct record record = {(uint32_t) size, sum_record(now_ns, bytes, size), now_ns};
    memcpy(at, &record, sizeof record);
    atomic_store_explicit(&header->tail, tail + sizeof record + pad(size), memory_order_release);
    return true;
}

bool sup_journal_is_full(const void *memory, size_t appended)
{
    const struct sup_journal_header *header = memory;
    uint64_t tail = atomic_load_explicit(&header->tail, memory_order_relaxed);
    return appended >= SUP_JOURNAL_INPUTS || header->size - tail < ROOM_LEFT;
}

void sup_journal_confirm(void *memory, uint64_t seq)
{
    struct sup_journal_header *header = memory;
    atomic_store_explicit(&header->confirmed, seq, memory_order_release);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool refuse(struct sup_err *err, const char *reason)
{
    sup_err_set(err, -EBADMSG, PLACE_JOURNAL, "The tree has to be started anew.", "%s", reason);
    return false;
}

bool sup_journal_check(const void *memory, size_t size, struct sup_err *err)
{
    const struct sup_journal_header *header = memory;
    if (size < sizeof *header) return refuse(err, "is truncated: not even its header is whole");
    if (header->magic == 0) return refuse(err, "is torn: it was not written to its end");
    if (header->magic != SUP_JOURNAL_MAGIC) return refuse(err, "is not a journal of suptree");
    if (header->version != SUP_JOURNAL_VERSION) {
        sup_err_set(err, -EBADMSG, PLACE_JOURNAL,
                    "Go on with the version of suptree that wrote it, or start the tree anew.",
                    "has form version %u; this suptree reads version %d",
                    (unsigned) header->version, SUP_JOURNAL_VERSION);
        return false;
    }
    if (header->size > size) return refuse(err, "is truncated");
    if (header->size < sizeof *header || header->snapshot_size > header->size - sizeof *header ||
        records_at(header) > header->size)
        return refuse(err, "is damaged: its snapshot does not fit into it");
    uint64_t tail = atomic_load_explicit(&header->tail, memory_order_acquire);
    if (tail < records_at(header) || tail > header->size || tail % 8 != 0)
        return refuse(err, "is damaged: its end is not inside it");
    const unsigned char *snapshot = (const unsigned char *) memory + sizeof *header;
    if (header->snapshot_checksum != sup_hash(snapshot, header->snapshot_size))
        return refuse(err, "is damaged: the checksum of its snapshot does not fit");
    return true;
}

bool sup_journal_read(const void *memory, size_t size, uint64_t *cursor, struct sup_input *input,
                      int64_t *now_ns, bool *broken)
{
    const struct sup_journal_header *header = memory;
    uint64_t tail = atomic_load_explicit(&header->tail, memory_order_acquire);
    uint64_t at = *cursor == 0 ? records_at(header) : *cursor;
    struct record record;
    *broken = tail > size || at > tail;
    if (*broken || at == tail) return false;
    *broken = true;
    if (tail - at < sizeof record) return false;
    memcpy(&record, (const unsigned char *) memory + at, sizeof record);
    at += sizeof record;
    if (pad(record.size) > tail - at) return false;
    const unsigned char *bytes = (const unsigned char *) memory + at;
    if (record.checksum != sum_record(record.now_ns, bytes, record.size)) return false;
    if (!sup_input_read(input, bytes, record.size)) return false;
    *now_ns = record.now_ns;
    *cursor = at + pad(record.size);
    *broken = false;
    return true;
}
