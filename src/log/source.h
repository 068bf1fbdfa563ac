/*
** log/source.h: one pipe that is drained, and what is done with its bytes. Owns the pipe's read
** end, the file and the line assembly of one node; knows nothing of epoll and timers: after each
** call the caller looks at the state (wants_*, trouble, is_done) and arranges what it asks for.
**
** Order of a turn with a file: the bytes are looked at, which leaves them in the pipe, written,
** taken out of the pipe, and shown. When the file does not take them, ring and view have seen the
** first `ahead` bytes of the pipe already.
*/
#ifndef SUP_LOG_SOURCE_H
#define SUP_LOG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "log/file.h"
#include "log/lines.h"
#include "log/sinks.h"

enum sup_trouble {
    SUP_TROUBLE_NONE = 0,
    SUP_TROUBLE_CLOSED, /* the file cannot be opened: try again in SUP_RETRY_OPEN_NS */
    SUP_TROUBLE_FULL,   /* the file takes nothing now: try again in SUP_RETRY_WRITE_NS */
};

struct sup_source {
    struct sup_list all;     /* in sup_log::sources, later in ::dead */
    struct sup_list begin;   /* in sup_log::begins while a line without newline is kept back */
    struct sup_list retry;   /* in sup_log::retries_open or ::retries_write while in trouble */
    struct sup_list waiting; /* in sup_log::waiting while wants_view */
    struct sup_list partial; /* in sup_log::partials while is_partial */
    int64_t partial_at_ns;   /* when the begin of a line that waits in the pipe is written */
    int64_t begin_at_ns;     /* when the kept begin will be shown */
    uint64_t begin_from;     /* lines.begin_from of that begin */
    int64_t retry_at_ns;
    uint64_t node;
    uint32_t mode;     /* enum sup_plan_log or SUP_LOG_EVENTS */
    uint32_t interest; /* what epoll has been told; the loop's */
    int pipe;          /* the loop takes it out of epoll and closes it once is_drained */
    char *name;        /* one allocation with ${path} */
    const char *path;  /* "": no file */
    struct sup_log_settings settings;
    struct sup_file *file; /* shared; NULL: none */
    enum sup_trouble trouble;
    bool is_partial;      /* the pipe begins with a line whose end has not come; files of lines */
    bool is_flushing;     /* ... and it is to be written all the same */
    uint64_t line_end_at; /* value of ${taken} where a line of the file ends without newline;
                             UINT64_MAX: nowhere */
    int told;             /* -errno of the trouble that the person was told; 0: none */
    bool is_registered;   /* with epoll; the loop's */
    bool is_hung;         /* no writer has the pipe open now */
    bool is_enlarged;     /* counts among sup_sinks::enlarged */
    bool wants_view;      /* waits until the view has room */
    bool is_evicted;      /* another node has the ring now */
    bool is_drained;      /* nothing more is read */
    bool is_done;         /* everything has gone its way: destroy it */
    struct sup_ring_hold ring;
    uint32_t run;    /* whose last bytes are at run_end_at; 0: that is not known */
    uint64_t run_at; /* value of ${shown} at the end of that run */
    uint64_t shown;  /* bytes that were given to ring and view so far */
    struct sup_lines lines;
    uint64_t taken;    /* bytes that left the pipe */
    uint64_t leave_at; /* close the pipe after that many; UINT64_MAX: stay */
    size_t ahead;      /* bytes in the pipe that ring and view have seen */
};

/*
** A source of what ${message} says; ${name} and ${path} are copied, ${pipe}, non-blocking, is taken
** over. NULL: no memory, the pipe is still the caller's; try again later.
*/
struct sup_source *sup_source_create(const struct sup_log_wire *message, struct sup_files *files,
                                     const char *name, const char *path, int pipe);

/* Close and free; what is still in the pipe stays there. NULL is fine. */
void sup_source_destroy(struct sup_source *source);

/* New settings from the next byte on. Returns 0 or -ENOMEM: try again. */
int sup_source_change(struct sup_source *source, const struct sup_log_wire *message,
                      struct sup_files *files, const char *name, const char *path);

/*
** Open the file, if there is one, and tell the person when that fails. The next turn with bytes
** tries again, so a source that stays silent needs no timer.
*/
void sup_source_try_file(struct sup_source *source, struct sup_sinks *sinks);

/* Take at most SUP_TURN_BYTES out of the pipe and bring them where they belong. Never blocks. */
void sup_source_turn(struct sup_source *source, struct sup_sinks *sinks);

/* Does it read nothing until the view has room? One with a file never does. */
bool sup_source_is_paused(const struct sup_source *source);

/* The view has room again: show what was held back. */
void sup_source_show(struct sup_source *source, struct sup_sinks *sinks);

/*
** The instance has ended: what is in the pipe now is its last line, newline or not. ${generation}
** (0: unknown) is its number, for the ring. ${left}: how many bytes were in the pipe when it ended,
** and 1; 0: unknown. What is beyond them comes from the next one.
*/
void sup_source_end_line(struct sup_source *source, struct sup_sinks *sinks, uint32_t generation,
                         uint32_t left);

/* Drain what is in the pipe now, then close it. */
void sup_source_leave(struct sup_source *source, struct sup_sinks *sinks);

/* Close the pipe with what is in it, telling how much that was. */
void sup_source_abandon(struct sup_source *source, struct sup_sinks *sinks);

#endif
