/*
** log/view.h: the terminal view: pieces of lines, "name | text", on the standard output. Owns the
** out-buffer and how it is written; knows nothing of sources.
**
** Never blocks: a write happens only when the other end has room, at most SUP_VIEW_WRITE bytes of
** whole lines at a time (so that a pipe never mixes them with the lines of others). O_NONBLOCK is
** never set on the inherited descriptor, which the user's shell shares. Text of services is
** escaped: no control character but tab reaches the terminal.
*/
#ifndef SUP_LOG_VIEW_H
#define SUP_LOG_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_VIEW_WRITE 4096         /* bytes a write(2) */
#define SUP_VIEW_BYTES (128 * 1024) /* of the out-buffer */
#define SUP_PIECE_BYTES 8192        /* a longer line is shown in pieces */
#define SUP_VIEW_NAME_WIDTH 20      /* longer names stick out */

enum sup_view_mark {
    SUP_MARK_LINE = '|', /* a line starts here */
    SUP_MARK_MORE = '+', /* the former line of that name goes on */
};

struct sup_view {
    int fd;      /* what is written to */
    bool is_own; /* a description of our own, non-blocking */
    bool is_socket;
    bool is_quiet; /* notices only */
    bool is_coloured;
    bool is_closed;  /* the reader is gone; everything is thrown away */
    bool is_blocked; /* the last write found no room: flush again when the descriptor is writable */
    bool is_stuck;   /* the last write failed for a reason that poll does not see (disk full) */
    bool is_full;    /* the out-buffer was full and has not been drained by three quarters yet */
    size_t width;    /* of the name column */
    size_t start;    /* out[start..end) is to be written */
    size_t end;
    char out[SUP_VIEW_BYTES];
};

/* Use ${fd}, which stays the caller's. Cannot fail. */
void sup_view_init(struct sup_view *view, int fd, bool is_quiet, bool is_coloured);

void sup_view_finish(struct sup_view *view);

/* Are lines of services shown at all? */
bool sup_view_takes_lines(const struct sup_view *view);

/* Widen the name column for ${name}. */
void sup_view_see_name(struct sup_view *view, const char *name);

/*
** Show ${size} bytes (at most SUP_PIECE_BYTES, without the newline) as one line of the screen.
** Returns false when there is no room for it now; a closed view takes everything.
*/
bool sup_view_piece(struct sup_view *view, const char *name, enum sup_view_mark mark,
                    const uint8_t *bytes, size_t size);

/* The same for words of our own: shown even when quiet, and into a reserve when full. */
bool sup_view_notice(struct sup_view *view, const char *name, const char *text);

/* Write until the out-buffer is empty, or is_blocked or is_stuck is set. */
void sup_view_flush(struct sup_view *view);

static inline bool sup_view_is_empty(const struct sup_view *view)
{
    return view->start == view->end;
}

#endif
