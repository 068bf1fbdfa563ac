/*
** wire/rings.c: see rings.h. Reading is by pread: it needs no mapping of gigabytes, and a hole
** stays a hole.
*/
#define _GNU_SOURCE
#include "wire/rings.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "wire/log.h"

#define TRIES 64 /* until a header is caught unchanged; a change takes microseconds */

/* A ring as it was at one moment. */
struct sight {
    struct sup_ring_state state;
    uint64_t writing;
    uint64_t place; /* of its first byte in the file */
    uint32_t serial;
    uint32_t change;
};

struct header {
    uint32_t serial, change;
    uint64_t head, writing, base;
    uint32_t size, run;
    uint64_t run_from, run_end;
};

_Static_assert(offsetof(struct sup_ring, run_end) == offsetof(struct header, run_end),
               "the begin of a slot");

/* Read ${size} bytes; what is behind the end of the file reads as zero. 0 or -errno. */
static int read_all(int fd, void *bytes, size_t size, uint64_t place)
{
    uint8_t *at = bytes;
    while (size > 0) {
        ssize_t got = pread(fd, at, size, (off_t) place);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -errno;
        if (got == 0) {
            memset(at, 0, size);
            break;
        }
        at += got;
        place += (uint64_t) got;
        size -= (size_t) got;
    }
    /* what follows is read later, also where the processor may change the order of loads */
    __sync_synchronize();
    return 0;
}

static uint64_t slot_of(uint64_t node)
{
    return (uint64_t) (uint32_t) node * sizeof(struct sup_ring);
}

static uint64_t oldest_of(const struct header *header, uint32_t size)
{
    uint64_t end = header->writing > header->head ? header->writing : header->head;
    uint64_t oldest = end > size ? end - size : 0;
    return oldest > header->base ? oldest : header->base;
}

static int see(int rings, uint64_t node, struct sight *sight)
{
    struct header header;
    uint64_t slot = slot_of(node);
    *sight = (struct sight){0};
    if ((uint32_t) node >= SUP_RING_SLOTS) return -EINVAL;
    int r = read_all(rings, &header, sizeof header, slot);
    if (r < 0) return r;
    uint32_t size = header.size == 0 ? SUP_RING_BYTES : header.size;
    if (size > SUP_RING_MAX_BYTES || size % SUP_RING_SLICE != 0) return -EPROTO;
    sight->serial = header.serial;
    sight->change = header.change;
    if (header.serial != node >> 32 || header.change % 2 != 0) return 0;
    sight->place = size <= SUP_RING_BYTES
                       ? slot + offsetof(struct sup_ring, bytes)
                       : SUP_RINGS_AREA + (uint32_t) node * (uint64_t) SUP_RING_MAX_BYTES;
    sight->state = (struct sup_ring_state){
        .oldest = oldest_of(&header, size),
        .head = header.head,
        .size = size,
        .run = header.run,
        .run_from = header.run_from,
        .run_end = header.run_end,
    };
    return 0;
}

/* The header of one moment: two looks that agree on all that belongs together. */
static int see_steady(int rings, uint64_t node, struct sight *sight)
{
    struct sight again;
    for (int i = 0; i < TRIES; i++) {
        int r = see(rings, node, sight);
        if (r == 0) r = see(rings, node, &again);
        if (r < 0) return r;
        if (sight->change % 2 == 0 && sight->serial == again.serial &&
            sight->change == again.change && sight->state.run == again.state.run &&
            sight->state.run_from == again.state.run_from &&
            sight->state.run_end == again.state.run_end && sight->state.head <= again.state.head)
            break;
    }
    return 0;
}

int sup_ring_look(int rings, uint64_t node, struct sup_ring_state *state)
{
    struct sight sight;
    int r = see_steady(rings, node, &sight);
    *state = sight.state;
    return r;
}

/*
** Copy the bytes ${from} to ${until} of the ring that was ${sight}. Those that were overwritten
** meanwhile are left out at the front: *${from} becomes the first one that is whole, which then
** stands at ${bytes}. Returns how many, or -EAGAIN: it is another ring by now.
*/
static ssize_t copy(int rings, uint64_t node, const struct sight *sight, uint64_t *from,
                    uint64_t until, uint8_t *bytes)
{
    uint32_t size = sight->state.size;
    size_t done = 0;
    while (*from + done < until) {
        uint64_t at = (*from + done) % size;
        uint64_t part = until - *from - done;
        if (part > size - at) part = size - at;
        int r = read_all(rings, bytes + done, (size_t) part, sight->place + at);
        if (r < 0) return r;
        done += (size_t) part;
    }
    struct sight now;
    int r = see(rings, node, &now);
    if (r < 0) return r;
    if (now.serial != sight->serial || now.change != sight->change) return -EAGAIN;
    uint64_t stale = now.state.oldest > *from ? now.state.oldest - *from : 0;
    if (stale > done) stale = done;
    memmove(bytes, bytes + stale, done - (size_t) stale);
    *from += stale;
    return (ssize_t) (done - (size_t) stale);
}

/* --- the last lines --------------------------------------------------------------------------- */

/* Where the last ${lines} lines of ${bytes} start; 0 lines: at the first start of a line. ${whole}:
   a line starts at ${bytes}. */
static size_t find_start(const uint8_t *bytes, size_t size, size_t lines, bool whole)
{
    size_t at = size > 0 && bytes[size - 1] == '\n' ? size - 1 : size;
    while (lines > 0) {
        const uint8_t *newline = memrchr(bytes, '\n', at);
        if (newline == NULL) break;
        at = (size_t) (newline - bytes);
        if (--lines == 0) return at + 1;
    }
    if (whole) return 0;
    const uint8_t *newline = memchr(bytes, '\n', size);
    return newline == NULL || newline + 1 == bytes + size ? 0 : (size_t) (newline - bytes) + 1;
}

/* Does a line start at byte ${from}? */
static bool starts_line(int rings, const struct sight *sight, uint64_t from)
{
    uint8_t before;
    if (from == 0) return true;
    if (from <= sight->state.oldest) return false;
    return read_all(rings, &before, 1, sight->place + (from - 1) % sight->state.size) == 0 &&
           before == '\n';
}

static uint64_t clip(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

ssize_t sup_ring_tail(int rings, const struct sup_ring_wish *wish, void *bytes, size_t room,
                      uint64_t *cursor)
{
    struct sight sight;
    for (int i = 0; i < TRIES; i++) {
        int r = see_steady(rings, wish->node, &sight);
        if (r < 0) return r;
        uint64_t until = clip(wish->until, sight.state.oldest, sight.state.head);
        uint64_t first = clip(wish->from, sight.state.oldest, until);
        uint64_t from = until - first > room ? until - room : first;
        bool whole = starts_line(rings, &sight, from) || (from == wish->from && from > 0);
        uint64_t asked = from;
        ssize_t got = copy(rings, wish->node, &sight, &from, until, bytes);
        if (got == -EAGAIN) continue;
        if (got < 0) return got;
        size_t start = find_start(bytes, (size_t) got, wish->lines, whole && from == asked);
        memmove(bytes, (uint8_t *) bytes + start, (size_t) got - start);
        if (cursor != NULL) *cursor = until;
        return got - (ssize_t) start;
    }
    return -EAGAIN;
}

/* --- times ------------------------------------------------------------------------------------ */

struct spans {
    uint32_t change, count;
    struct sup_ring_span spans[SUP_RING_SPANS];
};

_Static_assert(offsetof(struct sup_ring, bytes) - offsetof(struct sup_ring, span_change) ==
                   sizeof(struct spans),
               "spans of a slot");

static int see_spans(int rings, uint64_t node, struct spans *spans)
{
    struct spans again;
    uint64_t place = slot_of(node) + offsetof(struct sup_ring, span_change);
    for (int i = 0; i < TRIES; i++) {
        int r = read_all(rings, spans, sizeof *spans, place);
        if (r == 0) r = read_all(rings, &again, sizeof again, place);
        if (r < 0) return r;
        if (spans->change == again.change && spans->change % 2 == 0 &&
            spans->count <= SUP_RING_SPANS)
            return 0;
    }
    spans->count = 0;
    return 0;
}

/* Where the line starts that byte ${from} is part of, as far as that can be found cheaply. */
static int find_line(int rings, const struct sight *sight, uint64_t *from)
{
    uint8_t before[4096];
    uint64_t low =
        *from > sight->state.oldest + sizeof before ? *from - sizeof before : sight->state.oldest;
    size_t size = *from > low ? (size_t) (*from - low) : 0;
    for (size_t done = 0; done < size;) {
        uint64_t at = (low + done) % sight->state.size;
        size_t part =
            size - done < sight->state.size - at ? size - done : (size_t) (sight->state.size - at);
        int r = read_all(rings, before + done, part, sight->place + at);
        if (r < 0) return r;
        done += part;
    }
    const uint8_t *newline = size > 0 ? memrchr(before, '\n', size) : NULL;
    if (newline != NULL) *from = low + (uint64_t) (newline - before) + 1;
    else if (low == 0) *from = 0;
    return 0;
}

int sup_ring_since(int rings, uint64_t node, int64_t since_ns, uint64_t *from)
{
    struct sight sight;
    struct spans spans;
    int r = see_steady(rings, node, &sight);
    if (r == 0) r = see_spans(rings, node, &spans);
    if (r < 0) return r;
    uint32_t i = 0;
    while (i < spans.count && spans.spans[i].last_ns < since_ns) i++;
    *from = 0;
    if (i == 0) return 0; /* all of it; also what nobody knows the time of */
    *from = SUP_RING_TO_THE_END;
    if (i == spans.count) return 0;
    *from = spans.spans[i].from;
    return find_line(rings, &sight, from);
}

int sup_ring_times(int rings, uint64_t node, struct sup_ring_times *times)
{
    struct sight sight;
    struct spans spans;
    *times = (struct sup_ring_times){0};
    /* The spans first: bytes of a later one are then before the head. */
    int r = see_spans(rings, node, &spans);
    if (r == 0) r = see_steady(rings, node, &sight);
    if (r < 0) return r;
    if (sight.serial != node >> 32 || sight.change % 2 != 0) return 0;
    times->count = spans.count;
    times->head = sight.state.head;
    memcpy(times->spans, spans.spans, spans.count * sizeof spans.spans[0]);
    return 0;
}

int64_t sup_ring_time(const struct sup_ring_times *times, uint64_t at)
{
    uint32_t i = times->count;
    while (i > 0 && times->spans[i - 1].from > at) i--;
    if (i == 0) return 0;
    const struct sup_ring_span *span = &times->spans[i - 1];
    uint64_t end = i < times->count ? times->spans[i].from : times->head;
    int64_t width_ns = span->last_ns - span->first_ns;
    if (end <= span->from || width_ns <= 0) return span->first_ns;
    double part = (double) (at - span->from) / (double) (end - span->from);
    return span->first_ns + (int64_t) ((part < 1 ? part : 1) * (double) width_ns);
}

/* --- following -------------------------------------------------------------------------------- */

ssize_t sup_ring_follow(int rings, uint64_t node, uint64_t *cursor, void *bytes, size_t room,
                        uint64_t *lost)
{
    struct sight sight;
    *lost = 0;
    for (int i = 0; i < TRIES; i++) {
        int r = see_steady(rings, node, &sight);
        if (r < 0) return r;
        if (sight.serial != node >> 32) return *cursor > 0 ? -ESTALE : 0;
        if (sight.change % 2 != 0 || sight.state.head <= *cursor) return 0;
        uint64_t from = clip(*cursor, sight.state.oldest, sight.state.head);
        uint64_t until = sight.state.head - from > room ? from + room : sight.state.head;
        ssize_t got = copy(rings, node, &sight, &from, until, bytes);
        if (got == -EAGAIN) continue;
        if (got < 0) return got;
        *lost = from - *cursor;
        *cursor = from + (uint64_t) got;
        return got;
    }
    return 0;
}
