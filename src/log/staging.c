/*
** log/staging.c: see staging.h.
*/
#define _GNU_SOURCE
#include "log/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define STAGING_BYTES (256 * 1024)

static int set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int sup_staging_init(struct sup_staging *staging, int read, int write)
{
    int code = set_nonblocking(read);
    if (code == 0) code = set_nonblocking(write);
    if (code < 0) return code;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0) return -errno;
    (void) fcntl(write, F_SETPIPE_SZ, STAGING_BYTES); /* refused: the default size does */
    *staging = (struct sup_staging){.read = read, .write = write, .null = null};
    return 0;
}

void sup_staging_finish(struct sup_staging *staging)
{
    close(staging->read);
    close(staging->write);
    close(staging->null);
    *staging = (struct sup_staging){.read = -1, .write = -1, .null = -1};
}

size_t sup_staging_pending(const struct sup_staging *staging)
{
    int size = 0;
    return ioctl(staging->read, FIONREAD, &size) < 0 || size < 0 ? 0 : (size_t) size;
}

static int read_exactly(int fd, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t got = read(fd, bytes, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got < 0 ? -errno : -EPIPE;
        bytes += got;
        size -= (size_t) got;
    }
    return 0;
}

ssize_t sup_staging_peek(struct sup_staging *staging, int pipe, uint8_t *bytes, size_t size)
{
    ssize_t copied;
    do copied = tee(pipe, staging->write, size, SPLICE_F_NONBLOCK);
    while (copied < 0 && errno == EINTR);
    if (copied <= 0) return copied < 0 ? -errno : 0;
    int code = read_exactly(staging->read, bytes, (size_t) copied);
    return code < 0 ? code : copied;
}

/* As much as possible from ${from} to ${to}, at most ${size}. Returns how many. */
static size_t move(int from, int to, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = splice(from, NULL, to, NULL, size - done, SPLICE_F_NONBLOCK);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        done += (size_t) got;
    }
    return done;
}

void sup_staging_take(struct sup_staging *staging, int pipe, size_t size)
{
    /* It has room for what was looked at through it; should it not, the rest goes the long way. */
    for (size_t done = move(pipe, staging->write, size); done < size;) {
        size_t more = move(pipe, staging->null, size - done);
        if (more == 0) break;
        done += more;
    }
}

void sup_staging_empty(struct sup_staging *staging)
{
    (void) move(staging->read, staging->null, SIZE_MAX >> 1);
}
