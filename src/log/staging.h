/*
** log/staging.h: a pipe through which the bytes of other pipes can be looked at while those keep
** them, and through which they are taken out. The keeper holds it too: what a process that died has
** left in it is evidence for the next (log/notes.h). Empty between any two calls but take and
** empty.
*/
#ifndef SUP_LOG_STAGING_H
#define SUP_LOG_STAGING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sup_staging {
    int read;
    int write;
    int null; /* /dev/null, open for writing */
};

/* Use the pipe ${read}, ${write}, which is taken over. Returns 0 or -errno: it stays the
   caller's. */
int sup_staging_init(struct sup_staging *staging, int read, int write);

void sup_staging_finish(struct sup_staging *staging);

/* How many bytes are in it. */
size_t sup_staging_pending(const struct sup_staging *staging);

/*
** Copy up to ${size} bytes of the front of ${pipe}, which keeps them, to ${bytes}. Returns how
** many, 0 (the pipe has ended), -EAGAIN (it is empty) or -errno.
*/
ssize_t sup_staging_peek(struct sup_staging *staging, int pipe, uint8_t *bytes, size_t size);

/* Move ${size} bytes, which were looked at, out of ${pipe}. */
void sup_staging_take(struct sup_staging *staging, int pipe, size_t size);

/* Throw away what is in it. */
void sup_staging_empty(struct sup_staging *staging);

#endif
