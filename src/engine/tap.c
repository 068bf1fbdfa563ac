/*
** engine/tap.c: a ring of whole records in shared memory. What a killed host leaves behind is
** whole: `first` moves before bytes are overwritten, `end` after they are written.
*/
#include "engine/tap.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x3150415454505553) /* "SUPTTAP1" */
#define FILLER UINT32_MAX                  /* a record that leads to the begin of the ring */

/* `first` and `end` count bytes since the beginning; a byte k lies at k % SUP_TAP_BYTES. */
struct sup_tap_head {
    uint64_t magic;
    uint64_t room;
    _Atomic uint64_t first, end;
    _Atomic uint64_t last; /* number of the last event */
    uint64_t reserved[3];
    unsigned char bytes[];
};

struct record {
    uint32_t size; /* of the text; FILLER */
    uint32_t reserved;
    uint64_t number;
};

#define MEMORY_SIZE (sizeof(struct sup_tap_head) + SUP_TAP_BYTES)

static size_t offset_of(uint64_t at)
{
    return (size_t) (at % SUP_TAP_BYTES);
}

static struct record read_record(const struct sup_tap_head *head, uint64_t at)
{
    struct record record;
    memcpy(&record, head->bytes + offset_of(at), sizeof record);
    return record;
}

/* With padding: records are aligned, so that a filler always has room. */
static size_t size_of(const struct record *record, uint64_t at)
{
    if (record->size == FILLER) return SUP_TAP_BYTES - offset_of(at);
    return (sizeof *record + record->size + sizeof *record - 1) / sizeof *record * sizeof *record;
}

/* --- its memory ------------------------------------------------------------------------------- */

/* A former host has written it, so this is a check against foreign forms, not against enemies. */
static bool is_whole(const struct sup_tap_head *head)
{
    uint64_t at = head->first, end = head->end, number = 0;
    if (head->magic != MAGIC || head->room != SUP_TAP_BYTES || end < at ||
        end - at > SUP_TAP_BYTES || at % sizeof(struct record) != 0)
        return false;
    while (at < end) {
        struct record record = read_record(head, at);
        size_t size = size_of(&record, at);
        bool fits = size <= end - at && size <= SUP_TAP_BYTES - offset_of(at);
        if (!fits || (record.size != FILLER && record.number <= number)) return false;
        if (record.size != FILLER) number = record.number;
        at += size;
    }
    return number <= head->last;
}

static struct sup_tap_head *map(int fd)
{
    void *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static struct sup_tap_head *adopt(int fd)
{
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0 || (size_t) info.st_size != MEMORY_SIZE) return NULL;
    struct sup_tap_head *head = map(fd);
    if (head == NULL || is_whole(head)) return head;
    munmap(head, MEMORY_SIZE);
    return NULL;
}

static void begin(struct sup_tap *tap)
{
    tap->fd = memfd_create("suptree-events", MFD_CLOEXEC);
    if (tap->fd < 0) return;
    if (ftruncate(tap->fd, (off_t) MEMORY_SIZE) == 0) tap->head = map(tap->fd);
    if (tap->head != NULL) {
        tap->head->magic = MAGIC;
        tap->head->room = SUP_TAP_BYTES;
        return;
    }
    close(tap->fd);
    tap->fd = -1;
}

void sup_tap_init(struct sup_tap *tap, int fd)
{
    *tap = (struct sup_tap){.fd = -1, .open = true};
    pthread_mutex_init(&tap->mutex, NULL);
    tap->head = adopt(fd);
    if (fd >= 0) close(fd);
    if (tap->head == NULL) begin(tap);
}

void sup_tap_finish(struct sup_tap *tap)
{
    if (!tap->open) return;
    if (tap->head != NULL) munmap(tap->head, MEMORY_SIZE);
    if (tap->fd >= 0) close(tap->fd);
    pthread_mutex_destroy(&tap->mutex);
    *tap = (struct sup_tap){.fd = -1};
}

void sup_tap_clear(struct sup_tap *tap)
{
    if (tap->head == NULL) return;
    atomic_store(&tap->head->first, atomic_load(&tap->head->end));
    atomic_store(&tap->head->last, 0);
}

bool sup_tap_is_there(const struct sup_tap *tap)
{
    return tap->head != NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Forget the oldest until ${size} bytes may follow the end. */
static void make_room(struct sup_tap_head *head, size_t size)
{
    uint64_t first = head->first, end = head->end;
    while (end + size - first > SUP_TAP_BYTES) {
        struct record record = read_record(head, first);
        first += size_of(&record, first);
    }
    atomic_store(&head->first, first);
}

static void append(struct sup_tap_head *head, const struct record *record, const char *text)
{
    uint64_t end = head->end;
    size_t size = size_of(record, end);
    make_room(head, size);
    memcpy(head->bytes + offset_of(end), record, sizeof *record);
    if (text != NULL) memcpy(head->bytes + offset_of(end) + sizeof *record, text, record->size);
    atomic_store(&head->end, end + size);
}

void sup_tap_add(struct sup_tap *tap, uint64_t number, const char *text, size_t size)
{
    struct sup_tap_head *head = tap->head;
    const struct record filler = {.size = FILLER};
    const struct record record = {.size = (uint32_t) size, .number = number};
    if (head == NULL || number <= head->last || size > SUP_TAP_BYTES / 4) return;
    pthread_mutex_lock(&tap->mutex);
    if (SUP_TAP_BYTES - offset_of(head->end) < size_of(&record, head->end))
        append(head, &filler, NULL);
    append(head, &record, text);
    atomic_store(&head->last, number);
    if (tap->awaited && tap->wake != NULL) {
        tap->awaited = false;
        tap->wake(tap->wake_context);
    }
    pthread_mutex_unlock(&tap->mutex);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Copy what fits, from where the cursor is. */
static size_t copy_lines(const struct sup_tap_head *head, struct sup_event_cursor *cursor,
                         char *buf, size_t room, uint64_t *missed)
{
    uint64_t at = cursor->at, end = head->end;
    size_t size = 0;
    if (at < head->first || at > end) at = head->first;
    while (at < end) {
        struct record record = read_record(head, at);
        bool wanted = record.size != FILLER && record.number >= cursor->next;
        if (wanted && record.size + 1 > room - size) break;
        if (wanted) {
            *missed += record.number - cursor->next;
            cursor->next = record.number + 1;
            memcpy(buf + size, head->bytes + offset_of(at) + sizeof record, record.size);
            buf[size + record.size] = '\n';
            size += record.size + 1;
        }
        at += size_of(&record, at);
    }
    cursor->at = at;
    return size;
}

size_t sup_tap_read(struct sup_tap *tap, struct sup_event_cursor *cursor, char *buf, size_t size,
                    uint64_t *missed)
{
    size_t got = 0;
    *missed = 0;
    if (tap->head == NULL) return 0;
    pthread_mutex_lock(&tap->mutex);
    got = copy_lines(tap->head, cursor, buf, size, missed);
    if (cursor->at == tap->head->end) tap->awaited = true;
    pthread_mutex_unlock(&tap->mutex);
    return got;
}

uint64_t sup_tap_last(struct sup_tap *tap)
{
    return tap->head == NULL ? 0 : atomic_load(&tap->head->last);
}

void sup_tap_set_wake(struct sup_tap *tap, void (*wake)(void *context), void *context)
{
    pthread_mutex_lock(&tap->mutex);
    tap->wake = wake;
    tap->wake_context = context;
    pthread_mutex_unlock(&tap->mutex);
}
