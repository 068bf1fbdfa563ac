/*
** log/file.c: see file.h. Old files are in rotate.c.
*/
#define _GNU_SOURCE
#include "log/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/rotate.h"

/* --- who uses which file ---------------------------------------------------------------------- */

void sup_files_init(struct sup_files *files)
{
    for (size_t i = 0; i < SUP_FILE_BUCKETS; i++) sup_list_init(&files->buckets[i]);
}

static struct sup_list *find_bucket(struct sup_files *files, const char *path)
{
    uint32_t hash = UINT32_C(2166136261);
    for (; *path != '\0'; path++) hash = (hash ^ (uint8_t) *path) * UINT32_C(16777619);
    return &files->buckets[hash % SUP_FILE_BUCKETS];
}

static struct sup_file *find_file(struct sup_list *bucket, const char *path)
{
    sup_list_each(link, bucket)
    {
        struct sup_file *file = sup_container(link, struct sup_file, link);
        if (strcmp(file->path, path) == 0) return file;
    }
    return NULL;
}

static struct sup_file *make_file(struct sup_list *bucket, const char *path)
{
    struct sup_file *file = calloc(1, sizeof(*file));
    if (file == NULL) return NULL;
    file->path = strdup(path);
    if (file->path == NULL) {
        free(file);
        return NULL;
    }
    file->fd = file->folder = -1;
    sup_list_insert(bucket, &file->link);
    return file;
}

struct sup_file *sup_file_use(struct sup_files *files, const char *path,
                              const struct sup_log_settings *settings, bool is_loose)
{
    struct sup_list *bucket = find_bucket(files, path);
    struct sup_file *file = find_file(bucket, path);
    if (file == NULL) file = make_file(bucket, path);
    if (file == NULL) return NULL;
    file->users++;
    file->settings = *settings;
    file->is_loose = is_loose;
    return file;
}

void sup_file_release(struct sup_file *file)
{
    if (file == NULL || --file->users > 0) return;
    sup_file_close(file);
    sup_list_remove(&file->link);
    free(file->path);
    free(file);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* When the file came to be; where its file system does not know: now. */
static int64_t find_birth(int fd, int64_t wall_ns)
{
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &status) < 0 ||
        (status.stx_mask & STATX_BTIME) == 0)
        return wall_ns;
    return status.stx_btime.tv_sec * INT64_C(1000000000) + status.stx_btime.tv_nsec;
}

static int take_descriptor(struct sup_file *file, int fd, int64_t wall_ns)
{
    struct stat status;
    if (fstat(fd, &status) < 0) return -errno;
    file->fd = fd;
    file->is_regular = S_ISREG(status.st_mode);
    file->device = status.st_dev;
    file->inode = status.st_ino;
    file->wants_reopen = false;
    file->size = UINT64_MAX; /* nothing is known of its last line */
    file->born_ns = find_birth(fd, wall_ns);
    return 0;
}

int sup_file_open(struct sup_files *files, struct sup_file *file, int64_t wall_ns,
                  struct sup_place_fault *fault)
{
    if (file->fd >= 0) return 0;
    file->folder = sup_place_open_folder(file->path, &file->settings, &file->name, fault);
    if (file->folder < 0) return file->folder;
    int fd = sup_place_open_file(file->folder, file->name, file->is_loose, fault);
    int code = fd < 0 ? fd : take_descriptor(file, fd, wall_ns);
    if (code < 0) {
        if (fd >= 0) close(fd);
        close(file->folder);
        file->folder = -1;
        return code;
    }
    if (files->opened != NULL) files->opened(files->context, file);
    return 0;
}

void sup_file_close(struct sup_file *file)
{
    if (file->fd >= 0) close(file->fd);
    if (file->folder >= 0) close(file->folder);
    file->fd = file->folder = -1;
}

/* --- where lines end -------------------------------------------------------------------------- */

int sup_file_look(struct sup_file *file)
{
    uint8_t last;
    if (!file->is_regular) return 0;
    off_t size = lseek(file->fd, 0, SEEK_END);
    if (size < 0) return -errno;
    if ((uint64_t) size == file->size) return 0;
    /* Somebody else has cut it, or written to it. */
    file->size = (uint64_t) size;
    file->cut_by = 0;
    file->is_at_start = size == 0 || pread(file->fd, &last, 1, size - 1) != 1 || last == '\n';
    return 0;
}

void sup_file_note(struct sup_file *file, size_t size, uint8_t last, uint64_t node)
{
    file->size += size;
    file->is_at_start = last == '\n';
    file->cut_by = file->is_at_start ? 0 : node;
}

static bool is_too_old(const struct sup_file *file, int64_t wall_ns)
{
    int64_t max_ns = file->settings.max_age_ns;
    return max_ns > 0 && wall_ns > file->born_ns && wall_ns - file->born_ns >= max_ns;
}

/* Is another file to begin as soon as a line ends? */
static bool is_due(const struct sup_file *file, int64_t wall_ns)
{
    uint64_t max_size = file->settings.max_size;
    if (file->wants_reopen) return true;
    if (file->size == 0 || wall_ns < file->rotate_at_ns) return false;
    return (max_size > 0 && file->size >= max_size) || is_too_old(file, wall_ns);
}

bool sup_file_is_roomy(const struct sup_file *file, size_t size, int64_t wall_ns)
{
    uint64_t max_size = file->settings.max_size;
    if (!file->is_regular) return true;
    if (is_due(file, wall_ns)) return false;
    return max_size == 0 || wall_ns < file->rotate_at_ns || file->size + size <= max_size;
}

static size_t through_newline(const uint8_t *bytes, size_t from, size_t size)
{
    const uint8_t *newline = memchr(bytes + from, '\n', size - from);
    return newline == NULL ? size : (size_t) (newline - bytes) + 1;
}

size_t sup_file_room(const struct sup_file *file, const uint8_t *bytes, size_t size,
                     int64_t wall_ns)
{
    if (sup_file_is_roomy(file, size, wall_ns)) return size;
    if (is_due(file, wall_ns)) return file->is_at_start ? 0 : through_newline(bytes, 0, size);
    size_t room = (size_t) (file->settings.max_size - file->size);
    const uint8_t *newline = memrchr(bytes, '\n', room);
    if (newline != NULL) return (size_t) (newline - bytes) + 1;
    if (file->is_at_start && file->size > 0) return 0;
    return through_newline(bytes, room, size); /* a line that is longer than a file may be */
}

size_t sup_file_limit(const struct sup_file *file, int64_t wall_ns)
{
    if (!file->is_regular) return SIZE_MAX;
    if (is_due(file, wall_ns)) return 0;
    if (file->settings.max_size == 0 || wall_ns < file->rotate_at_ns) return SIZE_MAX;
    return (size_t) (file->settings.max_size - file->size);
}

/* --- another file ----------------------------------------------------------------------------- */

int sup_file_begin_next(struct sup_files *files, struct sup_file *file, int64_t wall_ns,
                        struct sup_place_fault *fault)
{
    fault->code = 0;
    if (!file->wants_reopen) {
        int code = sup_rotate(file, wall_ns, fault);
        if (code < 0) {
            file->rotate_at_ns = wall_ns + SUP_FILE_RETRY_NS;
            if (file->has_told) fault->code = 0;
            file->has_told = true;
            return 0;
        }
        file->has_told = false;
    }
    sup_file_close(file);
    return sup_file_open(files, file, wall_ns, fault);
}

static bool reopen(struct sup_files *files, struct sup_file *file, bool force, int64_t wall_ns)
{
    struct sup_place_fault fault;
    if (file->fd < 0) return true;
    if (!force) file->wants_reopen = true;
    if (!file->wants_reopen) return true;
    (void) sup_file_look(file);
    if (file->is_regular && !file->is_at_start && !force) return false;
    sup_file_close(file);
    (void) sup_file_open(files, file, wall_ns, &fault); /* who writes to it next will say why */
    return true;
}

bool sup_files_reopen(struct sup_files *files, bool force, int64_t wall_ns)
{
    bool waits = false;
    for (size_t i = 0; i < SUP_FILE_BUCKETS; i++)
        sup_list_each(link, &files->buckets[i]) waits |=
            !reopen(files, sup_container(link, struct sup_file, link), force, wall_ns);
    return waits;
}

/* --- writing ---------------------------------------------------------------------------------- */

ssize_t sup_file_take(struct sup_file *file, int pipe, size_t size)
{
    ssize_t moved;
    do moved = splice(pipe, NULL, file->fd, NULL, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    while (moved < 0 && errno == EINTR);
    return moved < 0 ? -errno : moved;
}

int sup_file_append(struct sup_file *file, const uint8_t *bytes, size_t size, uint64_t node)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pwrite(file->fd, bytes + done, size - done, (off_t) (file->size + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int code = -errno;
            if (done > 0 && ftruncate(file->fd, (off_t) file->size) < 0) code = -errno;
            return code;
        }
        done += (size_t) got;
    }
    if (size > 0) sup_file_note(file, size, bytes[size - 1], node);
    return 0;
}
