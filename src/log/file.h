/*
** log/file.h: the files that services' output is appended to. Owns their descriptors and knows
** where the last line ends; begins another file where a line ends. Several sources may share one.
** Knows nothing of sources, pipes being watched, or retries.
**
** Old files are called like the file, with the time behind: web.log.20260726T120000.123456Z. The
** newest max_files of them are kept.
*/
#ifndef SUP_LOG_FILE_H
#define SUP_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "log/place.h"
#include "wire/log.h"

#define SUP_FILE_BUCKETS 256
#define SUP_FILE_RETRY_NS INT64_C(5000000000) /* a rotation that failed is tried again */

struct sup_file {
    struct sup_list link; /* in sup_files::buckets */
    unsigned users;
    char *path;
    const char *name; /* its last part */
    struct sup_log_settings settings;
    bool is_loose;     /* a FIFO will do */
    int folder;        /* -1: not open */
    int fd;            /* -1: not open */
    bool is_regular;   /* it has an end, which is looked up before each write */
    bool is_at_start;  /* a line starts at the end of the file */
    bool wants_reopen; /* as soon as a line ends */
    bool has_told;     /* that it cannot be rotated */
    uint64_t device, inode;
    uint64_t size;        /* at the last look */
    uint64_t cut_by;      /* token of the node that left the last line unfinished; 0: unknown */
    int64_t born_ns;      /* CLOCK_REALTIME */
    int64_t rotate_at_ns; /* after a failure: not before that (CLOCK_REALTIME) */
};

struct sup_files {
    struct sup_list buckets[SUP_FILE_BUCKETS]; /* of sup_file::link, by path */
    /* Told after a file was opened: where a former process may have died (log/notes.h). */
    void (*opened)(void *context, struct sup_file *file);
    void *context;
};

void sup_files_init(struct sup_files *files);

/*
** The file of ${path}, shared with whoever has it already; the settings of the last one count for
** all. Not opened yet. NULL: no memory. Each use ends with sup_file_release.
*/
struct sup_file *sup_file_use(struct sup_files *files, const char *path,
                              const struct sup_log_settings *settings, bool is_loose);

/* NULL is fine. */
void sup_file_release(struct sup_file *file);

/* Open it if it is not. Returns 0, or -errno with ${fault}. */
int sup_file_open(struct sup_files *files, struct sup_file *file, int64_t wall_ns,
                  struct sup_place_fault *fault);

void sup_file_close(struct sup_file *file);

/*
** Every open file is opened anew (USR1): at once where a line has just ended, else when that
** happens. Later, with ${force}: those that still wait, wherever they are. Returns whether some
** wait.
*/
bool sup_files_reopen(struct sup_files *files, bool force, int64_t wall_ns);

/* Look where its end is. Returns 0 or -errno. */
int sup_file_look(struct sup_file *file);

/*
** How many of ${size} bytes, of which ${bytes} are the first, may be written before another file
** has to be begun: up to the end of a line. 0: now. Needs a look before. ${size} > 0.
*/
size_t sup_file_room(const struct sup_file *file, const uint8_t *bytes, size_t size,
                     int64_t wall_ns);

/* Can ${size} bytes be written without looking for the ends of lines? Needs a look before. */
bool sup_file_is_roomy(const struct sup_file *file, size_t size, int64_t wall_ns);

/*
** The same for what is laid out in lines: how many bytes may be written. 0: another file is to
** begin now, or once the line that was begun has ended. SIZE_MAX: no limit.
*/
size_t sup_file_limit(const struct sup_file *file, int64_t wall_ns);

/*
** Begin another file: reopened when that was asked for, else the old one gets its time behind its
** name. When that cannot be done, the file goes on; ${fault}.code is 0 unless a person has to be
** told of that. Returns 0, or -errno with ${fault}: there is no file now.
*/
int sup_file_begin_next(struct sup_files *files, struct sup_file *file, int64_t wall_ns,
                        struct sup_place_fault *fault);

/*
** Move up to ${size} bytes out of ${pipe} to the end of the file, which was looked up. Returns how
** many (0: the pipe has ended), -EAGAIN (the pipe is empty, or a file that is a FIFO is full) or
** -errno: then nothing has moved. The caller says what was the last byte: sup_file_note.
*/
ssize_t sup_file_take(struct sup_file *file, int pipe, size_t size);

/* The ${size} bytes at the end of the file are new, the last one is ${last}; ${node} wrote them. */
void sup_file_note(struct sup_file *file, size_t size, uint8_t last, uint64_t node);

/*
** Append all of ${size} bytes, or none. Returns 0, or -errno: a part that was written is cut off
** again.
*/
int sup_file_append(struct sup_file *file, const uint8_t *bytes, size_t size, uint64_t node);

#endif
