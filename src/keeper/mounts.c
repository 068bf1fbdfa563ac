/*
** keeper/mounts.c: see mounts.h. Must not know of services.
*/
#include "keeper/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RESOLVE_CACHED /* Linux 5.12 */
#define RESOLVE_CACHED 0x20
#endif

/* In alphabetical order. Beside them: fuse.NAME and fuseblk.NAME, where NAME is the program. */
static const char *const hanging_types[] = {
    "9p",      "afs",      "autofs",    "beegfs", "ceph",   "cifs",     "coda", "fuse",
    "fuseblk", "gfs2",     "glusterfs", "gpfs",   "lustre", "ncpfs",    "nfs",  "nfs4",
    "ocfs2",   "orangefs", "pvfs2",     "smb3",   "smbfs",  "virtiofs",
};

#define TYPE_COUNT (sizeof hanging_types / sizeof hanging_types[0])
#define TYPE_SIZE 32
#define POINT_WORD 4

/* --- the list of mounts --------------------------------------------------------------------- */

static int compare_types(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static bool may_type_hang(const struct sup_mounts *mounts, const char *type)
{
    if (mounts->others != NULL && strcmp(mounts->others, type) == 0) return true;
    if (strncmp(type, "fuse.", 5) == 0 || strncmp(type, "fuseblk.", 8) == 0) return true;
    return bsearch(&type, hanging_types, TYPE_COUNT, sizeof type, compare_types) != NULL;
}

/* A line of mountinfo as it passes by: "36 35 98:0 / /mnt rw - ext3 /dev/root rw", with any number
   of words before the "-" alone, and of any length. */
struct line {
    int id;
    int word;      /* its number */
    int dash;      /* the word that is "-"; 0: not yet */
    size_t length; /* of the word so far */
    bool is_dash;  /* the word so far is "-" */
    char type[TYPE_SIZE];
    char point[8]; /* how the place where it is mounted begins */
};

static void note_mount(struct sup_mounts *mounts, const struct line *line)
{
    if (!may_type_hang(mounts, line->type)) return;
    /* The kernel's own one, which waits for binfmt_misc on every machine with systemd. */
    if (strcmp(line->type, "autofs") == 0 && strncmp(line->point, "/proc/", 6) == 0) return;
    if (mounts->count < SUP_MOUNTS_MOST) mounts->ids[mounts->count++] = line->id;
    else mounts->all = true;
}

static void end_word(struct sup_mounts *mounts, struct line *line)
{
    if (line->dash > 0 && line->word == line->dash + 1) note_mount(mounts, line);
    if (line->dash == 0 && line->is_dash && line->length == 1) line->dash = line->word;
    line->word++;
    line->length = 0;
}

static void take_byte(struct sup_mounts *mounts, struct line *line, char byte)
{
    if (byte == ' ' || byte == '\n') {
        end_word(mounts, line);
        if (byte == '\n') *line = (struct line){0};
        return;
    }
    if (line->word == 0 && byte >= '0' && byte <= '9' && line->id < INT_MAX / 10)
        line->id = line->id * 10 + (byte - '0');
    if (line->dash > 0 && line->word == line->dash + 1 && line->length < TYPE_SIZE - 1)
        line->type[line->length] = byte;
    if (line->word == POINT_WORD && line->length < sizeof line->point - 1)
        line->point[line->length] = byte;
    line->is_dash = line->length == 0 && byte == '-';
    line->length++;
}

static void begin_list(struct sup_mounts *mounts)
{
    mounts->count = 0;
    mounts->is_read = true;
    mounts->all = mounts->others != NULL && strcmp(mounts->others, "all") == 0;
}

void sup_mounts_take(struct sup_mounts *mounts, const char *text, size_t size)
{
    struct line line = {0};
    begin_list(mounts);
    for (size_t i = 0; i < size; i++) take_byte(mounts, &line, text[i]);
}

static void read_list(struct sup_mounts *mounts)
{
    char bytes[4096];
    struct line line = {0};
    ssize_t size = -1;
    begin_list(mounts);
    if (lseek(mounts->list, 0, SEEK_SET) == 0)
        while ((size = read(mounts->list, bytes, sizeof bytes)) > 0)
            for (ssize_t i = 0; i < size; i++) take_byte(mounts, &line, bytes[i]);
    if (size == 0) return;
    mounts->all = true;
    mounts->is_read = false;
}

/* Read it again if it is another one by now. */
static void follow_list(struct sup_mounts *mounts)
{
    struct pollfd news = {.fd = mounts->list, .events = POLLPRI};
    if (mounts->list < 0) return;
    int count = poll(&news, 1, 0);
    if (!mounts->is_read || count != 0) read_list(mounts);
}

void sup_mounts_init(struct sup_mounts *mounts, const char *others)
{
    *mounts = (struct sup_mounts){.others = others, .all = true};
    mounts->list = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
}

void sup_mounts_finish(struct sup_mounts *mounts)
{
    if (mounts->list >= 0) close(mounts->list);
    *mounts = (struct sup_mounts){.list = -1, .all = true};
}

/* --- where a name leads --------------------------------------------------------------------- */

/* What ${name} leads to, as far as the kernel knows it without asking anyone; or -errno. */
static int open_known(int folder, const char *name, uint64_t flags)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC | flags, .resolve = RESOLVE_CACHED};
    long fd = syscall(SYS_openat2, folder, name, &how, sizeof how);
    return fd < 0 ? -errno : (int) fd;
}

/* The mount that ${fd} is on; -1: it cannot be told. */
static int mount_of(int fd)
{
    static const char key[] = "mnt_id:";
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    int info = open(path, O_RDONLY | O_CLOEXEC);
    if (info < 0) return -1;
    ssize_t size = read(info, text, sizeof text - 1);
    close(info);
    if (size <= 0) return -1;
    text[size] = '\0';
    const char *at = strstr(text, key);
    return at == NULL ? -1 : (int) strtol(at + strlen(key), NULL, 10);
}

static bool may_mount_hang(const struct sup_mounts *mounts, int id)
{
    if (id < 0) return true;
    for (size_t i = 0; i < mounts->count; i++)
        if (mounts->ids[i] == id) return true;
    return false;
}

/* Is ${fd}, if it is one, where nothing hangs? */
static bool is_near(const struct sup_mounts *mounts, int fd)
{
    return fd >= 0 && !may_mount_hang(mounts, mount_of(fd));
}

static void close_if_open(int fd)
{
    if (fd >= 0) close(fd);
}

static bool is_program_near(const struct sup_mounts *mounts, int cwd, const char *program)
{
    int fd = open_known(cwd, program, 0);
    bool near = is_near(mounts, fd);
    close_if_open(fd);
    return near;
}

enum find { FOUND, NOT_HERE, UNKNOWN };

static enum find find_in(const struct sup_mounts *mounts, int cwd, const char *folder,
                         const char *program)
{
    int at = open_known(cwd, folder, O_DIRECTORY);
    enum find answer = UNKNOWN;
    if (is_near(mounts, at)) {
        int fd = open_known(at, program, 0);
        if (fd == -ENOENT) answer = NOT_HERE;
        else if (is_near(mounts, fd)) answer = FOUND;
        close_if_open(fd);
    }
    close_if_open(at);
    return answer;
}

static bool is_search_near(const struct sup_mounts *mounts, int cwd, const char *program,
                           const char *path)
{
    char folder[PATH_MAX];
    for (const char *at = path;; at++) {
        int length = (int) strcspn(at, ":");
        int size = length == 0 ? snprintf(folder, sizeof folder, ".")
                               : snprintf(folder, sizeof folder, "%.*s", length, at);
        if (size < 0 || (size_t) size >= sizeof folder) return false;
        enum find answer = find_in(mounts, cwd, folder, program);
        if (answer != NOT_HERE) return answer == FOUND;
        at += length;
        if (*at == '\0') return true; /* it is nowhere: nothing is run */
    }
}

bool sup_mounts_may_hang(struct sup_mounts *mounts, const char *cwd, const char *program,
                         const char *path)
{
    follow_list(mounts);
    if (mounts->all) return true;
    if (mounts->count == 0) return false;
    int folder = open_known(AT_FDCWD, cwd == NULL ? "." : cwd, O_DIRECTORY);
    bool near = is_near(mounts, folder);
    if (near && strchr(program, '/') != NULL) near = is_program_near(mounts, folder, program);
    else if (near) near = is_search_near(mounts, folder, program, path);
    close_if_open(folder);
    return !near;
}
