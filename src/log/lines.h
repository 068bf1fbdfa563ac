/*
** log/lines.h: makes lines out of the bytes of one source and shows them. Owns the begin of a line
** whose end has not come yet, and the count of what could not be shown; knows nothing of pipes,
** rings and files.
**
** A line longer than SUP_PIECE_BYTES is shown in pieces, the later ones with SUP_MARK_MORE; so is
** what follows a begin that was shown early.
*/
#ifndef SUP_LOG_LINES_H
#define SUP_LOG_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/view.h"

#define SUP_LINES_NO_END UINT64_MAX

struct sup_lines {
    const char *name;    /* the source's */
    uint8_t *begin;      /* of an unfinished line; NULL: none */
    size_t begin_size;   /* at most SUP_PIECE_BYTES */
    uint64_t begin_from; /* value of ${fed} when it was begun */
    uint64_t fed;        /* bytes given to feed and drop so far */
    uint64_t end_at;  /* after that many bytes the line ends without newline; or SUP_LINES_NO_END */
    uint64_t unshown; /* lines that were dropped and not yet told */
    bool is_continued; /* the current line has been shown in part */
    bool is_dropping;  /* the current line counts among unshown: skip its rest */
};

/* ${name} must live as long as ${lines}. */
void sup_lines_init(struct sup_lines *lines, const char *name);

void sup_lines_finish(struct sup_lines *lines);

/*
** Show what ${size} bytes make; ${used}: how many were taken in. Returns false when the view has no
** room: feed the rest (which may be nothing, when just the end of a line or the mark of a gap was
** left) again when it has.
*/
bool sup_lines_feed(struct sup_lines *lines, struct sup_view *view, const uint8_t *bytes,
                    size_t size, size_t *used);

/* Count the lines of ${size} bytes as not shown; the next line that is shown comes after a mark. */
void sup_lines_drop(struct sup_lines *lines, const uint8_t *bytes, size_t size);

/* Show the begin of a line now; its rest will come as a piece. False: no room in the view. */
bool sup_lines_show_begin(struct sup_lines *lines, struct sup_view *view);

/* Is a begin of a line kept back? */
static inline bool sup_lines_has_begin(const struct sup_lines *lines)
{
    return lines->begin_size > 0;
}

#endif
