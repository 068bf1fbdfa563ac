/*
** log/file.h: raw log files, and the staging pipe that lets the ring and the view see what goes
** into a file. Owns the file's descriptor and the staging pipe; knows nothing of lines and retries.
**
** Bytes go from the service's pipe into the file inside one system call: the pipe loses exactly
** what the file got. A process that dies here at any moment loses and doubles nothing.
*/
#ifndef SUP_LOG_FILE_H
#define SUP_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sup_file {
    int fd; /* -1: not open */
    bool
        is_regular; /* the end is looked up before each write: several sources may share one file */
};

/* An unopened file; finish is harmless on it. */
#define SUP_FILE_NONE ((struct sup_file){.fd = -1})

/*
** Open ${path} for appending, creating it with mode 0640. Its folder must exist. Symbolic links are
** refused (-ELOOP), a FIFO without reader too (-ENXIO). Returns 0 or -errno.
*/
int sup_file_open(struct sup_file *file, const char *path);

void sup_file_close(struct sup_file *file);

/*
** Move up to ${size} bytes out of ${pipe} to the end of the file. Returns how many (0: the pipe has
** ended), -EAGAIN (the pipe is empty, or a file that is a FIFO is full) or -errno: then nothing has
** moved.
*/
ssize_t sup_file_take(struct sup_file *file, int pipe, size_t size);

struct sup_staging {
    int read;
    int write;
};

/* Make the pipe, a large one where that is allowed. Returns 0 or -errno. */
int sup_staging_init(struct sup_staging *staging);

void sup_staging_finish(struct sup_staging *staging);

/*
** Put a copy of up to ${size} bytes of the front of ${pipe}, which keeps them, into the staging
** pipe, which must be empty. Returns how many, 0 (the pipe has ended), -EAGAIN (it is empty) or
** -errno.
*/
ssize_t sup_staging_copy(struct sup_staging *staging, int pipe, size_t size);

/* Read exactly ${size} bytes that were copied before. Returns 0 or -errno. */
int sup_staging_read(struct sup_staging *staging, uint8_t *bytes, size_t size);

#endif
