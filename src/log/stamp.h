/*
** log/stamp.h: how lines look in a file: with the time before them, or as JSON. Pure.
**
** Text: `2026-07-26T12:00:00.123456Z the line`, or the TAI64N label of daemontools before it.
** JSON: one object a line, { "time": "…", "path": "shop/web", "line": "…" }; what is not a whole
** line has "partial": true, and goes on in the next object of that path. Bytes that are no UTF-8
** become U+FFFD there, one for each.
*/
#ifndef SUP_LOG_STAMP_H
#define SUP_LOG_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/log.h"

#define SUP_STAMP_BYTES 40
#define SUP_STAMP_PIECE (16 * 1024) /* a longer line is written in pieces */
/* Room that a line up to a piece fits into: every byte escaped, and what is around it. */
#define SUP_STAMP_ROOM (6 * (SUP_STAMP_PIECE + 4096) + 512)

struct sup_stamper {
    const char *path; /* of the node */
    bool is_json;
    size_t size;
    char text[SUP_STAMP_BYTES]; /* the time, and a space where it stands before a line */
};

/* The form of ${settings} at ${wall_ns}. ${path} must live as long as ${stamper}. */
void sup_stamper_init(struct sup_stamper *stamper, const struct sup_log_settings *settings,
                      const char *path, int64_t wall_ns);

/* Bytes that are to be laid out as lines. */
struct sup_stamper_wish {
    const uint8_t *bytes;
    size_t size;
    bool is_begun; /* the first line was begun before: no time before its rest */
    bool ends;     /* a line ends behind the last byte, newline or not */
    bool all;      /* lay out the begin of a line too whose end has not come */
    size_t lines;  /* at most so many */
    uint8_t *out;
    size_t room;
};

struct sup_stamper_result {
    size_t used;    /* bytes that were laid out */
    size_t written; /* bytes in ${out} */
    bool is_tight;  /* the next line does not fit into what is left of ${room} */
};

struct sup_stamper_result sup_stamper_lay_out(const struct sup_stamper *stamper,
                                              const struct sup_stamper_wish *wish);

#endif
