/*
** log/rotate.c: see rotate.h.
*/
#define _GNU_SOURCE
#include "log/rotate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES 1000 /* microseconds after the time, when names are taken */
#define LABEL "20260726T120000.123456Z"
#define LABEL_SIZE (sizeof(LABEL) - 1)

/* --- names ------------------------------------------------------------------------------------ */

static void write_label(int64_t wall_ns, char *label, size_t size)
{
    char day[32];
    struct tm parts;
    time_t seconds = (time_t) (wall_ns / 1000000000);
    gmtime_r(&seconds, &parts);
    strftime(day, sizeof(day), "%Y%m%dT%H%M%S", &parts);
    snprintf(label, size, "%.15s.%06dZ", day, (int) (wall_ns / 1000 % 1000000));
}

/* Is ${label} of the form of LABEL? */
static bool is_label(const char *label)
{
    for (size_t i = 0; i < LABEL_SIZE; i++) {
        bool is_digit = label[i] >= '0' && label[i] <= '9';
        bool wants_digit = LABEL[i] >= '0' && LABEL[i] <= '9';
        if (wants_digit ? !is_digit : label[i] != LABEL[i]) return false;
    }
    return label[LABEL_SIZE] == '\0';
}

/* The label of the old file called ${entry}; NULL: it is none of ${name}'s. */
static const char *find_label(const char *entry, const char *name)
{
    size_t size = strlen(name);
    if (strncmp(entry, name, size) != 0 || entry[size] != '.') return NULL;
    return is_label(entry + size + 1) ? entry + size + 1 : NULL;
}

/* --- removing the oldest ---------------------------------------------------------------------- */

struct labels {
    char (*at)[LABEL_SIZE + 1];
    size_t count, room;
};

static bool keep_label(struct labels *labels, const char *label)
{
    if (labels->count == labels->room) {
        size_t room = labels->room == 0 ? 64 : labels->room * 2;
        void *at = realloc(labels->at, room * sizeof(labels->at[0]));
        if (at == NULL) return false;
        labels->at = at;
        labels->room = room;
    }
    memcpy(labels->at[labels->count++], label, LABEL_SIZE + 1);
    return true;
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void gather_labels(const struct sup_file *file, struct labels *labels)
{
    int fd = openat(file->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        if (fd >= 0) close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *label = find_label(entry->d_name, file->name);
        if (label != NULL && !keep_label(labels, label)) break;
    }
    closedir(folder);
    if (labels->count > 0) qsort(labels->at, labels->count, sizeof(labels->at[0]), compare_labels);
}

/* What cannot be removed now is tried again at the next rotation. */
static void remove_oldest(const struct sup_file *file, const struct labels *labels)
{
    char name[NAME_MAX + LABEL_SIZE + 2];
    for (size_t i = 0; i + file->settings.max_files < labels->count; i++) {
        snprintf(name, sizeof(name), "%s.%s", file->name, labels->at[i]);
        (void) unlinkat(file->folder, name, 0);
    }
}

/* --- rotating --------------------------------------------------------------------------------- */

static bool has_name(const struct sup_file *file)
{
    struct stat own, named;
    return fstat(file->fd, &own) == 0 &&
           fstatat(file->folder, file->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

/* Rename without replacing anything, also where the file system cannot promise it. */
static int rename_to(const struct sup_file *file, const char *name)
{
    if (renameat2(file->folder, file->name, file->folder, name, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -errno;
    struct stat status;
    if (fstatat(file->folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0) return -EEXIST;
    return renameat(file->folder, file->name, file->folder, name) < 0 ? -errno : 0;
}

/* The time of ${label}, which is one. */
static int64_t read_label(const char *label)
{
    struct tm parts = {0};
    int micros = 0;
    if (sscanf(label, "%4d%2d%2dT%2d%2d%2d.%6dZ", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
               &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &micros) != 7)
        return 0;
    parts.tm_year -= 1900;
    parts.tm_mon--;
    return timegm(&parts) * INT64_C(1000000000) + micros * INT64_C(1000);
}

/* Old files stand in the order in which they were written, also when the clock was set back, and
   when many end within a microsecond. */
static int64_t choose_time(const struct labels *labels, int64_t wall_ns)
{
    if (labels->count == 0) return wall_ns;
    int64_t newest_ns = read_label(labels->at[labels->count - 1]);
    return newest_ns + 1000 > wall_ns ? newest_ns + 1000 : wall_ns;
}

int sup_rotate(const struct sup_file *file, int64_t wall_ns, struct sup_place_fault *fault)
{
    char label[40], name[NAME_MAX + LABEL_SIZE + 2];
    struct labels labels = {0};
    int code = -EEXIST;
    if (!has_name(file)) return 0;
    gather_labels(file, &labels);
    int64_t time_ns = choose_time(&labels, wall_ns);
    for (int i = 0; i < TRIES && code == -EEXIST; i++) {
        write_label(time_ns + i * 1000, label, sizeof(label));
        snprintf(name, sizeof(name), "%s.%s", file->name, label);
        code = rename_to(file, name);
    }
    if (code == 0 && keep_label(&labels, label)) remove_oldest(file, &labels);
    free(labels.at);
    if (code == 0) return 0;
    fault->code = code;
    snprintf(fault->text, sizeof(fault->text), "%s; make its folder writable for this user",
             strerror(-code));
    return code;
}
