/*
** log/loop.h: the log process as a whole: the keeper's messages, epoll, the three kinds of timers.
** Owns all sources. One thread; waits in epoll alone, and for ever when there is nothing to do.
*/
#ifndef SUP_LOG_LOOP_H
#define SUP_LOG_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "log/sinks.h"
#include "log/source.h"
#include "wire/log.h"

#define SUP_BEGIN_NS INT64_C(1000000000)  /* a line without newline is shown after this */
#define SUP_REOPEN_NS INT64_C(1000000000) /* so long the end of a line is waited for after USR1 */
#define SUP_RETRY_OPEN_NS INT64_C(5000000000)
#define SUP_RETRY_WRITE_NS INT64_C(1000000000)
#define SUP_QUIT_NS INT64_C(4000000000) /* the keeper waits a second longer */
#define SUP_HASTY_NS INT64_C(1000000)   /* rounds closer than this, */
#define SUP_HASTY_ROUNDS 8              /* and so many of them */
#define SUP_FEW_BYTES 4096              /* with less than this, are spread by a nap between them, */
#define SUP_MANY_BYTES (16 * 1024)      /* which is shortened when they bring more than this */
#define SUP_NAP_MIN_NS 12500
#define SUP_NAP_MAX_NS 100000

struct sup_log_options {
    int socket;                      /* from the keeper; taken over */
    int rings_fd;                    /* memfd of the rings; taken over */
    int staging_read, staging_write; /* of the staging pipe; taken over */
    int output_fd;                   /* the terminal view; stays the caller's */
    bool is_quiet;
    bool is_coloured;
};

struct sup_log {
    int socket; /* -1: the keeper has said its last */
    int epoll;
    bool is_quitting;
    bool is_orphaned;         /* the keeper has died: it ends when the host has ended */
    bool is_watching_view;    /* epoll waits for room on the view's descriptor */
    bool is_foreign;          /* the keeper spoke another version */
    bool has_lost;            /* bytes were left behind at the end */
    int signals;              /* signalfd of USR1; -1: none */
    int64_t reopen_at_ns;     /* when files are opened anew wherever their lines are; 0: not */
    int hasty_rounds;         /* that came soon and brought little */
    long nap_ns;              /* between rounds; 0: none */
    int64_t now_ns;           /* when this round of the loop began */
    int64_t quit_at_ns;       /* the end, whatever is left */
    int64_t view_retry_at_ns; /* INT64_MAX: the view is not stuck */
    int64_t stalled_until_ns; /* no memory for ${message}: handle it again then; 0: not stalled */
    struct sup_list sources;  /* sup_source::all */
    struct sup_list dead;     /* sup_source::all; freed at the end of the round */
    struct sup_list begins;   /* sup_source::begin, earliest first */
    struct sup_list partials; /* sup_source::partial, earliest first */
    struct sup_list retries_open;  /* sup_source::retry, earliest first */
    struct sup_list retries_write; /* sup_source::retry, earliest first */
    struct sup_list waiting;       /* sup_source::waiting: wants_view */
    struct sup_sinks sinks;
    struct sup_log_wire message; /* the one being handled, with its text and descriptor */
    int message_fd;
    char text[SUP_LOG_TEXT_MAX];
    struct sup_source *by_index[SUP_RING_EVENTS + 1];
};

/* ${log} must be zeroed. Returns 0 or -errno with nothing left to finish. */
int sup_log_init(struct sup_log *log, const struct sup_log_options *options);

/* Work until QUIT or the keeper's end. Returns the exit code: 1 when output was left behind. */
int sup_log_run(struct sup_log *log);

void sup_log_finish(struct sup_log *log);

#endif
