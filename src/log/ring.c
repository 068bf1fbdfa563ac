/*
** log/ring.c: see ring.h.
*/
#define _GNU_SOURCE
#include "log/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPAN ((size_t) SUP_RINGS_AREA)

_Static_assert(sizeof(struct sup_ring) ==
                   64 + sizeof(struct sup_ring_span[SUP_RING_SPANS]) + SUP_RING_BYTES,
               "a header and a ring");
_Static_assert(SUP_RING_BYTES % SUP_RING_SLICE == 0, "a ring is whole slices");

int sup_rings_init(struct sup_rings *rings, int fd)
{
    struct stat status;
    *rings = (struct sup_rings){.fd = fd};
    if (fstat(fd, &status) < 0) return -errno;
    void *base = mmap(NULL, SPAN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED) return -errno;
    rings->base = base;
    rings->size = (uint64_t) status.st_size;
    return 0;
}

void sup_rings_finish(struct sup_rings *rings)
{
    if (rings->base != NULL) munmap(rings->base, SPAN);
    rings->base = NULL;
}

/* --- where the bytes are ---------------------------------------------------------------------- */

static uint64_t area_of(uint32_t index)
{
    return SUP_RINGS_AREA + (uint64_t) index * SUP_RING_MAX_BYTES;
}

static bool reach(struct sup_rings *rings, uint64_t end)
{
    if (end <= rings->size) return true;
    if (ftruncate(rings->fd, (off_t) end) < 0) return false;
    rings->size = end;
    return true;
}

/* The bytes of a ring of ${size}; NULL: they cannot be had. */
static uint8_t *open_bytes(struct sup_rings *rings, struct sup_ring *ring, uint32_t index,
                           uint32_t size)
{
    if (size <= SUP_RING_BYTES) return ring->bytes;
    if (!reach(rings, area_of(index) + size)) return NULL;
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, rings->fd,
                       (off_t) area_of(index));
    return bytes == MAP_FAILED ? NULL : bytes;
}

static void close_bytes(struct sup_ring *ring, uint8_t *bytes, uint32_t size)
{
    if (bytes != NULL && bytes != ring->bytes) munmap(bytes, size);
}

static void punch(const struct sup_rings *rings, uint64_t place, uint64_t size)
{
    (void) fallocate(rings->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) place,
                     (off_t) size);
}

/* --- changing a ring -------------------------------------------------------------------------- */

static void begin_change(struct sup_ring *ring)
{
    __atomic_store_n(&ring->change, ring->change | 1, __ATOMIC_RELEASE);
    __sync_synchronize();
}

static void end_change(struct sup_ring *ring)
{
    __atomic_store_n(&ring->change, (ring->change | 1) + 1, __ATOMIC_RELEASE);
}

/* A new owner: give the pages of the former one back; what follows reads as zero. */
static void clear_slot(const struct sup_rings *rings, struct sup_ring *ring, uint32_t serial)
{
    uint64_t place = (uint64_t) ((uint8_t *) ring - rings->base);
    uint32_t change = ring->change | 1;
    begin_change(ring);
    if (ring->size > SUP_RING_BYTES)
        punch(rings, area_of((uint32_t) (place / sizeof(*ring))), SUP_RING_MAX_BYTES);
    punch(rings, place, sizeof(*ring));
    memset(ring, 0, offsetof(struct sup_ring, bytes)); /* where holes cannot be punched */
    ring->change = change;
    ring->serial = serial;
    end_change(ring);
}

/* Copy the last bytes of ${from} that fit into ${to}. Returns how many. */
static uint64_t carry_over(const struct sup_ring *ring, const uint8_t *from, uint32_t from_size,
                           uint8_t *to, uint32_t to_size)
{
    uint64_t held = ring->head - ring->base < from_size ? ring->head - ring->base : from_size;
    uint64_t kept = held < to_size ? held : to_size;
    uint8_t *copy = malloc(kept + 1); /* both may lie in the slot */
    if (copy == NULL) return 0;
    for (uint64_t i = 0; i < kept; i++) copy[i] = from[(ring->head - kept + i) % from_size];
    for (uint64_t i = 0; i < kept; i++) to[(ring->head - kept + i) % to_size] = copy[i];
    free(copy);
    return kept;
}

/* The ring gets ${size} bytes at ${to}; ${whole}: what it holds now can be trusted. */
static void resize(struct sup_rings *rings, struct sup_ring *ring, uint32_t index, uint32_t size,
                   uint8_t *to, bool whole)
{
    uint32_t former = ring->size == 0 ? SUP_RING_BYTES : ring->size;
    uint8_t *from = whole ? open_bytes(rings, ring, index, former) : NULL;
    begin_change(ring);
    uint64_t kept = from == NULL ? 0 : carry_over(ring, from, former, to, size);
    ring->base = ring->head - kept;
    ring->writing = ring->head;
    ring->size = size;
    end_change(ring);
    close_bytes(ring, from, former);
    if (former > SUP_RING_BYTES && size <= SUP_RING_BYTES)
        punch(rings, area_of(index), SUP_RING_MAX_BYTES);
}

/* --- when it was written ---------------------------------------------------------------------- */

static void begin_spans(struct sup_ring *ring)
{
    __atomic_store_n(&ring->span_change, ring->span_change | 1, __ATOMIC_RELEASE);
    __sync_synchronize();
}

static void end_spans(struct sup_ring *ring)
{
    __atomic_store_n(&ring->span_change, (ring->span_change | 1) + 1, __ATOMIC_RELEASE);
}

/* A former process has died in the middle of a change. */
static void forget_times(struct sup_ring *ring)
{
    begin_spans(ring);
    ring->span_count = 0;
    end_spans(ring);
}

/* How much would be lost if the spans ${i} and ${i} + 1 became one: their time beside their age. */
static double loss_of(const struct sup_ring *ring, uint32_t i, int64_t wall_ns)
{
    int64_t width_ns = ring->spans[i + 1].last_ns - ring->spans[i].first_ns;
    int64_t age_ns = wall_ns - ring->spans[i + 1].last_ns;
    if (width_ns < 0) width_ns = 0;
    if (age_ns < 0) age_ns = 0;
    return (double) width_ns / (double) (age_ns + SUP_RING_SPAN_NS);
}

/* Room for another span: one whose bytes are gone leaves, else those two become one that matter
   least. */
static void thin_spans(struct sup_ring *ring, uint64_t oldest, int64_t wall_ns)
{
    uint32_t least = 0;
    if (ring->spans[1].from > oldest) {
        for (uint32_t i = 1; i + 1 < ring->span_count; i++)
            if (loss_of(ring, i, wall_ns) < loss_of(ring, least, wall_ns)) least = i;
        ring->spans[least].last_ns = ring->spans[least + 1].last_ns;
        least++;
    }
    ring->span_count--;
    memmove(ring->spans + least, ring->spans + least + 1,
            (ring->span_count - least) * sizeof(ring->spans[0]));
}

void sup_ring_note_time(struct sup_ring_hold *hold, size_t size, int64_t wall_ns)
{
    struct sup_ring *ring = hold->ring;
    if (ring == NULL || size == 0) return;
    struct sup_ring_span *last = ring->span_count > 0 ? &ring->spans[ring->span_count - 1] : NULL;
    if (last != NULL && wall_ns >= last->first_ns && wall_ns - last->first_ns < SUP_RING_SPAN_NS) {
        __atomic_store_n(&last->last_ns, wall_ns, __ATOMIC_RELAXED);
        return;
    }
    begin_spans(ring);
    if (ring->span_count == SUP_RING_SPANS)
        thin_spans(ring, ring->head > hold->size ? ring->head - hold->size : 0, wall_ns);
    ring->spans[ring->span_count++] =
        (struct sup_ring_span){.from = ring->head - size, .first_ns = wall_ns, .last_ns = wall_ns};
    end_spans(ring);
}

/* --- claiming --------------------------------------------------------------------------------- */

static uint32_t choose_size(uint32_t size)
{
    if (size == 0) return SUP_RING_BYTES;
    if (size > SUP_RING_MAX_BYTES) return SUP_RING_MAX_BYTES;
    return (size + SUP_RING_SLICE - 1) / SUP_RING_SLICE * SUP_RING_SLICE;
}

static bool is_sane(const struct sup_ring *ring)
{
    return ring->change % 2 == 0 && ring->size <= SUP_RING_MAX_BYTES &&
           ring->size % SUP_RING_SLICE == 0 && ring->base <= ring->head;
}

/* --- what the sources call -------------------------------------------------------------------- */

bool sup_ring_claim(struct sup_rings *rings, uint64_t node, uint32_t size,
                    struct sup_ring_hold *hold)
{
    uint32_t index = (uint32_t) node;
    uint64_t place = (uint64_t) index * sizeof(struct sup_ring);
    if (rings->base == NULL || index >= SUP_RING_SLOTS) return false;
    if (!reach(rings, place + sizeof(struct sup_ring))) return false;
    struct sup_ring *ring = (void *) (rings->base + place);
    size = choose_size(size);
    if (ring->serial != (uint32_t) (node >> 32)) clear_slot(rings, ring, (uint32_t) (node >> 32));
    uint8_t *bytes = open_bytes(rings, ring, index, size);
    if (bytes == NULL) {
        size = SUP_RING_BYTES;
        bytes = ring->bytes;
    }
    uint32_t former = ring->size == 0 ? SUP_RING_BYTES : ring->size;
    bool sane = is_sane(ring);
    if (!sane && former > SUP_RING_MAX_BYTES) ring->size = 0;
    if (ring->span_change % 2 != 0 || ring->span_count > SUP_RING_SPANS) forget_times(ring);
    if (!sane || former != size) resize(rings, ring, index, size, bytes, sane);
    *hold = (struct sup_ring_hold){.ring = ring, .bytes = bytes, .size = size};
    return true;
}

void *sup_rings_notes(struct sup_rings *rings, bool may_grow)
{
    uint64_t end = SUP_RINGS_NOTES + SUP_RINGS_NOTES_BYTES;
    if (rings->base == NULL || (end > rings->size && !may_grow) || !reach(rings, end)) return NULL;
    return rings->base + SUP_RINGS_NOTES;
}

void sup_ring_release(struct sup_ring_hold *hold)
{
    if (hold->ring != NULL) close_bytes(hold->ring, hold->bytes, hold->size);
    *hold = (struct sup_ring_hold){0};
}

void sup_ring_write(struct sup_ring_hold *hold, const uint8_t *bytes, size_t size)
{
    struct sup_ring *ring = hold->ring;
    if (ring == NULL) return;
    uint64_t head = ring->head;
    while (size > 0) {
        size_t at = (size_t) (head % hold->size);
        size_t part = SUP_RING_SLICE - at % SUP_RING_SLICE;
        if (part > size) part = size;
        __atomic_store_n(&ring->writing, head + part, __ATOMIC_RELAXED);
        __sync_synchronize();
        memcpy(hold->bytes + at, bytes, part);
        head += part;
        bytes += part;
        size -= part;
        __atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
    }
}

void sup_ring_mark_run(struct sup_ring_hold *hold, uint32_t generation, uint64_t ahead)
{
    struct sup_ring *ring = hold->ring;
    if (ring == NULL || generation == 0 || generation == ring->run) return;
    uint64_t end = ring->head - ahead;
    ring->run_from = ring->run_end;
    ring->run_end = end;
    __atomic_store_n(&ring->run, generation, __ATOMIC_RELEASE);
}
