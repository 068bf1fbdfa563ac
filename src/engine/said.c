/*
** engine/said.c: the table in shared memory.
*/
#include "engine/said.h"

#include "wire/wire.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES ((size_t) SUP_WIRE_MAX_INSTANCES)
#define MEMORY_SIZE (ENTRIES * sizeof(struct sup_said)) /* sparse: only what is used costs */

_Static_assert(sizeof(struct sup_said) == 256, "the form that hosts leave to each other");

static struct sup_said *map(int fd)
{
    void *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static struct sup_said *adopt(int fd)
{
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0 || (size_t) info.st_size != MEMORY_SIZE) return NULL;
    return map(fd);
}

void sup_said_init(struct sup_said_table *table, int fd)
{
    *table = (struct sup_said_table){.fd = -1, .entries = adopt(fd)};
    if (fd >= 0) close(fd);
    if (table->entries != NULL) return;
    table->fd = memfd_create("suptree-said", MFD_CLOEXEC);
    if (table->fd < 0) return;
    if (ftruncate(table->fd, (off_t) MEMORY_SIZE) == 0) table->entries = map(table->fd);
    if (table->entries != NULL) return;
    close(table->fd);
    table->fd = -1;
}

void sup_said_finish(struct sup_said_table *table)
{
    if (table->entries != NULL) munmap(table->entries, MEMORY_SIZE);
    if (table->fd >= 0) close(table->fd);
    *table = (struct sup_said_table){.fd = -1};
}

void sup_said_clear(struct sup_said_table *table)
{
    if (table->entries != NULL) madvise(table->entries, MEMORY_SIZE, MADV_REMOVE);
}

static struct sup_said *entry_of(const struct sup_said_table *table, sup_token node)
{
    size_t index = (size_t) (node & UINT32_MAX);
    return table->entries == NULL || index >= ENTRIES ? NULL : &table->entries[index];
}

const struct sup_said *sup_said_find(const struct sup_said_table *table, sup_token node,
                                     uint64_t instance)
{
    const struct sup_said *said = entry_of(table, node);
    bool is_its = said != NULL && instance != 0 && said->node == node && said->instance == instance;
    return is_its ? said : NULL;
}

struct sup_said *sup_said_take(struct sup_said_table *table, sup_token node, uint64_t instance)
{
    struct sup_said *said = entry_of(table, node);
    if (said == NULL || instance == 0) return NULL;
    if (said->node != node || said->instance != instance)
        *said = (struct sup_said){.node = node, .instance = instance};
    said->text[SUP_SAID_TEXT - 1] = '\0'; /* whoever wrote it */
    return said;
}

/* The bytes of the UTF-8 character that begins at ${at}; 0: it is none, or cannot be shown. */
static size_t measure(const unsigned char *at, size_t left)
{
    static const unsigned char least[] = {0, 0, 0xc2, 0xe0, 0xf0};
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (size == 1) return at[0] >= 0x20 && at[0] != 0x7f;
    if (at[0] < least[size] || at[0] > 0xf4 || size > left) return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    /* control characters, overlong forms, halves of pairs, and beyond the last */
    if (at[0] == 0xc2 && at[1] < 0xa0) return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0)) return 0;
    if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90)) return 0;
    return size;
}

void sup_said_set_text(struct sup_said *said, const char *text, size_t size)
{
    const unsigned char *from = (const unsigned char *) text;
    char clean[SUP_SAID_TEXT] = "";
    size_t at = 0;
    while (size > 0) {
        size_t length = measure(from, size), step = length == 0 ? 1 : length;
        if (at + step >= sizeof clean) break;
        if (length > 0) memcpy(clean + at, from, length);
        else clean[at] = '?';
        at += step;
        from += step;
        size -= step;
    }
    memcpy(said->text, clean, sizeof clean);
}
