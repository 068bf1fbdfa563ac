/*
** log/file.c: see file.h.
*/
#define _GNU_SOURCE
#include "log/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGING_BYTES (256 * 1024)

int sup_file_open(struct sup_file *file, const char *path)
{
    struct stat status;
    /* no O_APPEND: splice refuses it. O_NONBLOCK: a FIFO must not hold up everybody */
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0) return -errno;
    if (fstat(fd, &status) < 0) {
        int code = -errno;
        close(fd);
        return code;
    }
    file->fd = fd;
    file->is_regular = S_ISREG(status.st_mode);
    return 0;
}

void sup_file_close(struct sup_file *file)
{
    if (file->fd >= 0) close(file->fd);
    *file = SUP_FILE_NONE;
}

ssize_t sup_file_take(struct sup_file *file, int pipe, size_t size)
{
    ssize_t moved;
    if (file->is_regular && lseek(file->fd, 0, SEEK_END) < 0) return -errno;
    do moved = splice(pipe, NULL, file->fd, NULL, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    while (moved < 0 && errno == EINTR);
    return moved < 0 ? -errno : moved;
}

int sup_staging_init(struct sup_staging *staging)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
    (void) fcntl(ends[1], F_SETPIPE_SZ, STAGING_BYTES); /* refused: the default size does */
    *staging = (struct sup_staging){.read = ends[0], .write = ends[1]};
    return 0;
}

void sup_staging_finish(struct sup_staging *staging)
{
    close(staging->read);
    close(staging->write);
    *staging = (struct sup_staging){.read = -1, .write = -1};
}

ssize_t sup_staging_copy(struct sup_staging *staging, int pipe, size_t size)
{
    ssize_t copied;
    do copied = tee(pipe, staging->write, size, SPLICE_F_NONBLOCK);
    while (copied < 0 && errno == EINTR);
    return copied < 0 ? -errno : copied;
}

int sup_staging_read(struct sup_staging *staging, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t got = read(staging->read, bytes, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got < 0 ? -errno : -EPIPE;
        bytes += got;
        size -= (size_t) got;
    }
    return 0;
}
