/*
** log/ring.c: see ring.h.
*/
#define _GNU_SOURCE
#include "log/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPAN ((size_t) SUP_RING_SLOTS * sizeof(struct sup_ring))

_Static_assert(sizeof(struct sup_ring) == 64 + SUP_RING_BYTES, "a header and a ring");
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

/* Give the pages of a former owner back; what follows reads as zero. */
static void clear_slot(const struct sup_rings *rings, struct sup_ring *ring)
{
    off_t place = (off_t) ((uint8_t *) ring - rings->base);
    __atomic_store_n(&ring->head, 0, __ATOMIC_RELEASE);
    (void) fallocate(rings->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, place,
                     (off_t) sizeof(*ring));
}

struct sup_ring *sup_rings_claim(struct sup_rings *rings, uint64_t node)
{
    uint32_t index = (uint32_t) node;
    uint32_t serial = (uint32_t) (node >> 32);
    if (rings->base == NULL || index >= SUP_RING_SLOTS) return NULL;

    uint64_t place = (uint64_t) index * sizeof(struct sup_ring);
    uint64_t end = place + sizeof(struct sup_ring);
    if (end > rings->size) {
        if (ftruncate(rings->fd, (off_t) end) < 0) return NULL;
        rings->size = end;
    }
    struct sup_ring *ring = (void *) (rings->base + place);
    if (ring->serial != serial) {
        clear_slot(rings, ring);
        __atomic_store_n(&ring->serial, serial, __ATOMIC_RELEASE);
    }
    return ring;
}

void sup_ring_write(struct sup_ring *ring, const uint8_t *bytes, size_t size)
{
    uint64_t head = ring->head;
    while (size > 0) {
        size_t at = (size_t) (head % SUP_RING_BYTES);
        size_t part = SUP_RING_SLICE - at % SUP_RING_SLICE;
        if (part > size) part = size;
        memcpy(ring->bytes + at, bytes, part);
        head += part;
        bytes += part;
        size -= part;
        __atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
    }
}
