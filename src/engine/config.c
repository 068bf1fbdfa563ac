/*
** engine/config.c: keeping the keeper's copy of the configuration up to date. Must not know why a
** configuration was replaced, nor what stands in it.
*/
#include "engine/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* --- blobs in memory -------------------------------------------------------------------------- */

/* The size of the blob that begins at ${bytes}; 0: none does. */
static size_t blob_size_at(const void *bytes, size_t room)
{
    struct sup_form_header header;
    if (room < sizeof header) return 0;
    memcpy(&header, bytes, sizeof header);
    bool good = header.magic == SUP_FORM_MAGIC && header.size >= sizeof header;
    return good && header.size <= room ? (size_t) header.size : 0;
}

uint64_t sup_config_print(const void *blob, size_t size)
{
    struct sup_form_header header;
    if (blob_size_at(blob, size) == 0) return 0;
    memcpy(&header, blob, sizeof header);
    return header.checksum == 0 ? 1 : header.checksum;
}

const void *sup_config_last(const void *former, size_t size, uint64_t print, size_t *blob_size)
{
    const unsigned char *at = former;
    while ((*blob_size = blob_size_at(at, size)) > 0) {
        if (sup_config_print(at, *blob_size) != print) return at;
        at += *blob_size;
        size -= *blob_size;
    }
    return NULL;
}

/* How many bytes of ${former} may stay behind one of ${first} bytes. */
static size_t measure_rest(const unsigned char *former, size_t size, size_t first)
{
    size_t kept = 0;
    for (int count = 1; count < SUP_CONFIG_FORMER_MAX; count++) {
        size_t next = blob_size_at(former + kept, size - kept);
        if (next == 0 || first + kept + next > SUP_CONFIG_FORMER_BYTES) break;
        kept += next;
    }
    return kept;
}

unsigned char *sup_config_follow_up(const void *former, size_t former_size, const void *current,
                                    size_t current_size, uint64_t next_print, size_t *size,
                                    bool *is_back)
{
    const unsigned char *rest = former;
    uint64_t print = sup_config_print(current, current_size);
    size_t last = blob_size_at(rest, former_size);
    /* A host that died in between may have put it there already. */
    if (last > 0 && sup_config_print(rest, last) == print) {
        rest += last;
        former_size -= last;
        last = blob_size_at(rest, former_size);
    }
    *is_back = last > 0 && sup_config_print(rest, last) == next_print;
    if (*is_back) {
        rest += last;
        former_size -= last;
        current_size = 0;
    }
    former_size = measure_rest(rest, former_size, current_size);
    *size = current_size + former_size;
    unsigned char *bytes = malloc(*size + 1);
    if (bytes == NULL) return NULL;
    if (current_size > 0) memcpy(bytes, current, current_size);
    if (former_size > 0) memcpy(bytes + current_size, rest, former_size);
    return bytes;
}

/* --- memory files ----------------------------------------------------------------------------- */

struct mapping {
    void *bytes; /* NULL: empty, or it cannot be read */
    size_t size;
};

static struct mapping map_file(int fd)
{
    struct stat info;
    struct mapping mapping = {.bytes = NULL};
    if (fd < 0 || fstat(fd, &info) < 0 || info.st_size <= 0) return mapping;
    void *bytes = mmap(NULL, (size_t) info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes != MAP_FAILED) mapping = (struct mapping){bytes, (size_t) info.st_size};
    return mapping;
}

static void unmap_file(struct mapping *mapping)
{
    if (mapping->bytes != NULL) munmap(mapping->bytes, mapping->size);
}

/* A sealed memory file. Returns the descriptor or -errno. */
static int make_file(const char *name, const void *bytes, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    const unsigned char *at = bytes;
    while (size > 0) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int error = errno;
            close(fd);
            return -error;
        }
        at += n;
        size -= (size_t) n;
    }
    fcntl(fd, F_ADD_SEALS, SEALS);
    return fd;
}

/* --- the keeper's copy ------------------------------------------------------------------------ */

void sup_config_take(struct sup_engine *engine, int blob, int former)
{
    struct mapping mapping = map_file(blob);
    engine->config.blob = blob;
    engine->config.former = former;
    engine->config.print = sup_config_print(mapping.bytes, mapping.size);
    unmap_file(&mapping);
}

void sup_config_note(struct sup_engine *engine, const struct sup_event *event)
{
    if (event->type == SUP_EVENT_RELOADED || event->type == SUP_EVENT_ROLLED_BACK)
        engine->config.replaced = true;
}

/* The keeper is to hold ${fd} as ${kind}; ${place} is where the engine keeps its own. */
static int store(struct sup_engine *engine, enum sup_wire_fd kind, int fd, int *place)
{
    struct sup_wire message = {.type = SUP_WIRE_STORE_FD, .a = (int32_t) kind};
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return -errno;
    pthread_mutex_lock(&engine->mutex);
    if (*place >= 0) close(*place);
    *place = fd;
    pthread_mutex_unlock(&engine->mutex);
    return sup_link_send(&engine->link, &message, copy);
}

static int store_bytes(struct sup_engine *engine, enum sup_wire_fd kind, const void *bytes,
                       size_t size, int *place)
{
    int fd = make_file(kind == SUP_FD_BLOB ? "suptree-config" : "suptree-former", bytes, size);
    if (fd < 0) return fd;
    int former = *place;
    int r = store(engine, kind, fd, place);
    if (r < 0 && *place == former) close(fd);
    return r;
}

/*
** Which of the two files is said first decides what a death in between leaves: never a blob that is
** in neither of them, never one that was left behind as the last.
*/
static int replace(struct sup_engine *engine, const struct sup_form *form)
{
    struct sup_config *config = &engine->config;
    struct mapping current = map_file(config->blob);
    struct mapping former = map_file(config->former);
    size_t size;
    bool is_back;
    uint64_t print = sup_config_print(form->bytes, form->size);
    unsigned char *bytes = sup_config_follow_up(former.bytes, former.size, current.bytes,
                                                current.size, print, &size, &is_back);
    int r = bytes == NULL ? -ENOMEM : 0;
    if (r == 0 && !is_back) r = store_bytes(engine, SUP_FD_FORMER, bytes, size, &config->former);
    if (r == 0) r = store_bytes(engine, SUP_FD_BLOB, form->bytes, form->size, &config->blob);
    if (r == 0 && is_back) r = store_bytes(engine, SUP_FD_FORMER, bytes, size, &config->former);
    free(bytes);
    unmap_file(&current);
    unmap_file(&former);
    return r;
}

void sup_config_follow(struct sup_engine *engine)
{
    struct sup_config *config = &engine->config;
    const struct sup_form *form = sup_tree_config(engine->tree);
    uint64_t print = sup_config_print(form->bytes, form->size);
    bool replaced = config->replaced;
    config->replaced = false;
    if (engine->library != NULL || engine->orphaned || print == config->print) return;
    int r = replaced ? replace(engine, form)
                     : store_bytes(engine, SUP_FD_BLOB, form->bytes, form->size, &config->blob);
    pthread_mutex_lock(&engine->mutex);
    config->print = print;
    pthread_mutex_unlock(&engine->mutex);
    if (r < 0 && r != -EPIPE)
        sup_tell_line(engine,
                      "the configuration cannot be stored (%s): it runs, but \"suptree rollback\" "
                      "may go back too far; free memory and descriptors",
                      strerror(-r));
}

void sup_config_finish(struct sup_engine *engine)
{
    if (engine->config.blob >= 0) close(engine->config.blob);
    if (engine->config.former >= 0) close(engine->config.former);
    engine->config = (struct sup_config){.blob = -1, .former = -1};
}

/* --- for other threads ------------------------------------------------------------------------ */

int sup_engine_former_config(struct sup_engine *engine, void **blob, size_t *size)
{
    pthread_mutex_lock(&engine->mutex);
    int fd = engine->config.former < 0 ? -1 : fcntl(engine->config.former, F_DUPFD_CLOEXEC, 3);
    uint64_t print = engine->config.print;
    pthread_mutex_unlock(&engine->mutex);
    struct mapping former = map_file(fd);
    const void *last = sup_config_last(former.bytes, former.size, print, size);
    *blob = last == NULL ? NULL : malloc(*size);
    if (*blob != NULL) memcpy(*blob, last, *size);
    unmap_file(&former);
    if (fd >= 0) close(fd);
    if (last == NULL) return -ENOENT;
    return *blob == NULL ? -ENOMEM : 0;
}
