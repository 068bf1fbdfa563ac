/*
** engine/tap.c: a ring of whole records in shared memory. What a killed host leaves behind is
** whole: `first` moves before bytes are overwritten, `end` after they are written.
*/
#include "engine/tap.h"

#include "engine/event_line.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILLER UINT32_MAX             /* a record that leads to the begin of the ring */
#define TEXT_MAX 1024                 /* of a text that is kept */
#define COPY_SIZE ((size_t) 16 << 10) /* copied under the lock at a time */

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
    uint32_t size; /* of what follows; FILLER */
    uint32_t reserved;
    uint64_t number;
};

enum { PATH, OTHER, TEXT, CONTEXT, TEXT_COUNT };

/* What follows a record, and then the texts, each with its NUL. */
struct kept {
    struct sup_effect effect; /* its pointers mean nothing */
    int64_t wall_offset_ns;
    uint16_t sizes[TEXT_COUNT]; /* with NUL; 0: there is none */
};

#define RECORD_MAX (sizeof(struct record) + sizeof(struct kept) + TEXT_COUNT * (TEXT_MAX + 1))

_Static_assert(RECORD_MAX <= COPY_SIZE, "any record can be copied");

/* "TAP1" and the size of what is kept: another version of it is another form. */
#define MAGIC (UINT64_C(0x3150415400000000) | (uint64_t) sizeof(struct kept))

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

/* Records are aligned, so that a filler always has room. */
static size_t align(size_t size)
{
    return (size + sizeof(struct record) - 1) / sizeof(struct record) * sizeof(struct record);
}

static size_t size_of(const struct record *record, uint64_t at)
{
    if (record->size == FILLER) return SUP_TAP_BYTES - offset_of(at);
    return align(sizeof *record + record->size);
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

static void append(struct sup_tap_head *head, const void *record, size_t size)
{
    make_room(head, size);
    memcpy(head->bytes + offset_of(head->end), record, size);
    atomic_store(&head->end, head->end + size);
}

/* The rest of the ring is left empty: a record lies in one piece. */
static void fill_up(struct sup_tap_head *head)
{
    const struct record filler = {.size = FILLER};
    size_t size = size_of(&filler, head->end);
    make_room(head, size);
    memcpy(head->bytes + offset_of(head->end), &filler, sizeof filler);
    atomic_store(&head->end, head->end + size);
}

/* Returns its size without the NUL, cut, but never in the midst of a character. */
static size_t measure(const char *text)
{
    size_t size = strnlen(text, TEXT_MAX + 1);
    if (size <= TEXT_MAX) return size;
    size = TEXT_MAX;
    while (size > 0 && ((unsigned char) text[size] & 0xc0) == 0x80) size--;
    return size;
}

/* Lay the event out in ${bytes}, which has room for RECORD_MAX. Returns its size. */
static size_t lay_out(unsigned char *bytes, const struct sup_told *told, int64_t wall_offset_ns)
{
    const struct sup_event *event = &told->effect->event;
    const char *const texts[TEXT_COUNT] = {told->path, told->other, event->text, event->context};
    struct kept kept = {.effect = *told->effect, .wall_offset_ns = wall_offset_ns};
    size_t at = sizeof(struct record) + sizeof kept;
    for (int i = 0; i < TEXT_COUNT; i++) {
        if (texts[i] == NULL) continue;
        size_t size = measure(texts[i]);
        memcpy(bytes + at, texts[i], size);
        bytes[at + size] = '\0';
        kept.sizes[i] = (uint16_t) (size + 1);
        at += size + 1;
    }
    const struct record record = {.size = (uint32_t) (at - sizeof record), .number = event->number};
    memcpy(bytes, &record, sizeof record);
    memcpy(bytes + sizeof record, &kept, sizeof kept);
    return at;
}

static bool is_reload(enum sup_event_type type)
{
    return type == SUP_EVENT_RELOADED || type == SUP_EVENT_ROLLED_BACK || type == SUP_EVENT_ADDED ||
           type == SUP_EVENT_REMOVED;
}

void sup_tap_add(struct sup_tap *tap, const struct sup_told *told, int64_t wall_offset_ns)
{
    unsigned char bytes[RECORD_MAX + sizeof(struct record)];
    struct sup_tap_head *head = tap->head;
    uint64_t number = told->effect->event.number;
    if (head == NULL || number <= head->last) return;
    size_t end = lay_out(bytes, told, wall_offset_ns), size = align(end);
    memset(bytes + end, 0, size - end);
    pthread_mutex_lock(&tap->mutex);
    if (SUP_TAP_BYTES - offset_of(head->end) < size) fill_up(head);
    append(head, bytes, size);
    atomic_store(&head->last, number);
    for (size_t i = 0; i < SUP_EAR_COUNT; i++) {
        if (!tap->ears[i].awaited || tap->ears[i].wake == NULL) continue;
        if (i == SUP_EAR_RELOADS && !is_reload(told->effect->event.type)) continue;
        tap->ears[i].awaited = false;
        tap->ears[i].wake(tap->ears[i].context);
    }
    pthread_mutex_unlock(&tap->mutex);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Copy the next records for ${cursor} as they are; what he has seen is passed over. Returns the
   size. */
static size_t copy_records(const struct sup_tap_head *head, struct sup_event_cursor *cursor,
                           unsigned char *copy)
{
    size_t size = 0;
    if (cursor->at < head->first || cursor->at > head->end) cursor->at = head->first;
    for (uint64_t at = cursor->at; at < head->end;) {
        struct record record = read_record(head, at);
        size_t whole = size_of(&record, at);
        bool wanted = record.size != FILLER && record.number >= cursor->next;
        if (wanted && whole > COPY_SIZE - size) break;
        if (wanted) memcpy(copy + size, head->bytes + offset_of(at), whole);
        if (wanted) size += whole;
        at += whole;
        if (size == 0) cursor->at = at;
    }
    return size;
}

/* The record as a line; 0: it cannot be told. */
static size_t write_line(const unsigned char *bytes, const struct record *record, char *line)
{
    struct kept kept;
    const char *texts[TEXT_COUNT] = {NULL};
    size_t at = sizeof kept;
    if (record->size < sizeof kept) return 0;
    memcpy(&kept, bytes, sizeof kept);
    for (int i = 0; i < TEXT_COUNT; i++) {
        size_t size = kept.sizes[i];
        if (size == 0) continue;
        if (size > record->size - at || bytes[at + size - 1] != '\0') return 0;
        texts[i] = (const char *) bytes + at;
        at += size;
    }
    kept.effect.event.text = texts[TEXT];
    kept.effect.event.context = texts[CONTEXT];
    const struct sup_told told = {
        .effect = &kept.effect,
        .path = texts[PATH] != NULL ? texts[PATH] : "",
        .other = texts[OTHER] != NULL ? texts[OTHER] : "",
    };
    return sup_event_line(&told, kept.wall_offset_ns, line);
}

/* The copied records as lines, as many as fit. The cursor moves behind them. */
static size_t write_lines(const unsigned char *copy, size_t copied, struct sup_event_cursor *cursor,
                          char *buf, size_t room, uint64_t *missed)
{
    char line[SUP_EVENT_LINE];
    size_t size = 0;
    for (size_t at = 0; at < copied;) {
        struct record record;
        memcpy(&record, copy + at, sizeof record);
        size_t length = write_line(copy + at + sizeof record, &record, line);
        if (length + 1 > room - size) break;
        *missed += record.number - cursor->next;
        cursor->next = record.number + 1;
        memcpy(buf + size, line, length);
        if (length > 0) buf[size + length] = '\n';
        size += length + (length > 0);
        at += align(sizeof record + record.size);
    }
    return size;
}

size_t sup_tap_read(struct sup_tap *tap, struct sup_event_cursor *cursor, char *buf, size_t size,
                    uint64_t *missed)
{
    unsigned char copy[COPY_SIZE];
    *missed = 0;
    if (tap->head == NULL) return 0;
    pthread_mutex_lock(&tap->mutex);
    size_t copied = copy_records(tap->head, cursor, copy);
    if (copied == 0) tap->ears[cursor->ear].awaited = true;
    pthread_mutex_unlock(&tap->mutex);
    return write_lines(copy, copied, cursor, buf, size, missed);
}

uint64_t sup_tap_last(struct sup_tap *tap)
{
    return tap->head == NULL ? 0 : atomic_load(&tap->head->last);
}

void sup_tap_set_wake(struct sup_tap *tap, enum sup_ear ear, void (*wake)(void *context),
                      void *context)
{
    pthread_mutex_lock(&tap->mutex);
    tap->ears[ear].wake = wake;
    tap->ears[ear].context = context;
    pthread_mutex_unlock(&tap->mutex);
}
