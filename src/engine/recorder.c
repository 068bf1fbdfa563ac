/*
** engine/recorder.c: journal files. Must not know how they get to the keeper.
*/
#include "engine/recorder.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEAST_RECORDS ((size_t) 256 * 1024) /* bytes of records between two snapshots */
#define PAGE ((size_t) 4096)

/*
** The records between two snapshots weigh at least twice a snapshot: so an input costs no more
** than a constant, however large the tree is.
*/
static size_t journal_room(size_t snapshot, size_t records)
{
    if (records < 2 * snapshot) records = 2 * snapshot;
    if (records < LEAST_RECORDS) records = LEAST_RECORDS;
    size_t room = sizeof(struct sup_journal_header) + snapshot + records + 64;
    size_t least = sup_journal_size(snapshot);
    room = room > least ? room : least;
    return (room + 7) / 8 * 8;
}

static int map_file(struct sup_recorder *recorder)
{
    void *memory = mmap(NULL, recorder->size, PROT_READ | PROT_WRITE, MAP_SHARED, recorder->fd, 0);
    if (memory == MAP_FAILED) return -errno;
    recorder->memory = memory;
    recorder->room = recorder->size - sizeof *recorder->tail;
    recorder->tail = (void *) (recorder->memory + recorder->room);
    return 0;
}

static size_t first_record(const struct sup_recorder *recorder)
{
    const struct sup_journal_header *header = (const void *) recorder->memory;
    return sizeof *header + ((size_t) header->snapshot_size + 7) / 8 * 8;
}

int sup_recorder_begin(struct sup_recorder *recorder, const void *snapshot, size_t size,
                       size_t records, uint64_t confirmed, const struct sup_recorder_bases *bases)
{
    struct sup_recorder fresh = {.fd = memfd_create("suptree-journal", MFD_CLOEXEC)};
    if (fresh.fd < 0) return -errno;
    fresh.size = (journal_room(size, records) + sizeof *fresh.tail + PAGE - 1) / PAGE * PAGE;
    int r = ftruncate(fresh.fd, (off_t) fresh.size) < 0 ? -errno : 0;
    if (r == 0) r = map_file(&fresh);
    if (r < 0) {
        close(fresh.fd);
        return r;
    }
    fresh.tail->magic = SUP_RECORDER_MAGIC;
    fresh.tail->version = SUP_JOURNAL_VERSION;
    fresh.tail->bases = *bases;
    atomic_store(&fresh.tail->told_lines, confirmed);
    atomic_store(&fresh.tail->told_events, confirmed);
    sup_journal_begin(fresh.memory, fresh.room, snapshot, size, confirmed);
    fresh.first = first_record(&fresh);
    *recorder = fresh;
    return 0;
}

static int refuse(struct sup_recorder *recorder, struct sup_err *err, int code, const char *what)
{
    sup_recorder_finish(recorder);
    return sup_err_set(err, code, "journal", "", "%s", what);
}

int sup_recorder_open(struct sup_recorder *recorder, int fd, struct sup_err *err)
{
    struct stat info;
    *recorder = (struct sup_recorder){.fd = fd};
    if (fstat(fd, &info) < 0) return refuse(recorder, err, -errno, "it cannot be looked at");
    recorder->size = (size_t) info.st_size;
    if (recorder->size < sizeof(struct sup_journal_header) + sizeof *recorder->tail ||
        recorder->size % 8 != 0)
        return refuse(recorder, err, -EINVAL, "it is truncated");
    int r = map_file(recorder);
    if (r < 0) return refuse(recorder, err, r, "it cannot be mapped");
    if (recorder->tail->magic != SUP_RECORDER_MAGIC ||
        recorder->tail->version != SUP_JOURNAL_VERSION)
        return refuse(recorder, err, -EINVAL, "it is truncated, or of another version");
    if (!sup_journal_check(recorder->memory, recorder->room, err)) {
        sup_recorder_finish(recorder);
        return -EINVAL;
    }
    recorder->first = first_record(recorder);
    return 0;
}

void sup_recorder_finish(struct sup_recorder *recorder)
{
    if (recorder->memory != NULL) munmap(recorder->memory, recorder->size);
    if (recorder->fd >= 0) close(recorder->fd);
    *recorder = (struct sup_recorder){.fd = -1};
}

bool sup_recorder_append(struct sup_recorder *recorder, const struct sup_input *input,
                         int64_t now_ns)
{
    if (recorder->memory == NULL) return false;
    if (!sup_journal_append(recorder->memory, input, now_ns)) return false;
    recorder->inputs++;
    return true;
}

bool sup_recorder_is_due(const struct sup_recorder *recorder)
{
    if (recorder->memory == NULL) return true;
    const struct sup_journal_header *header = (const void *) recorder->memory;
    size_t used = (size_t) atomic_load_explicit(&header->tail, memory_order_relaxed);
    return used - recorder->first > (recorder->room - recorder->first) / 4 * 3;
}
