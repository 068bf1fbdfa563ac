/*
** log/lines.c: see lines.h.
*/
#define _GNU_SOURCE
#include "log/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/text.h"

void sup_lines_init(struct sup_lines *lines, const char *name)
{
    *lines = (struct sup_lines){.name = name, .end_at = SUP_LINES_NO_END};
}

static void free_begin(struct sup_lines *lines)
{
    free(lines->begin);
    lines->begin = NULL;
    lines->begin_size = 0;
}

void sup_lines_finish(struct sup_lines *lines)
{
    free_begin(lines);
}

static bool show_gap(struct sup_lines *lines, struct sup_view *view)
{
    char text[64];
    if (lines->unshown == 0) return true;
    int size = snprintf(text, sizeof(text), "... %" PRIu64 " line%s not shown", lines->unshown,
                        lines->unshown == 1 ? "" : "s");
    if (!sup_view_piece(view, lines->name, SUP_MARK_LINE, (const uint8_t *) text, (size_t) size))
        return false;
    lines->unshown = 0;
    return true;
}

static bool show(struct sup_lines *lines, struct sup_view *view, const uint8_t *bytes, size_t size)
{
    enum sup_view_mark mark = lines->is_continued ? SUP_MARK_MORE : SUP_MARK_LINE;
    return show_gap(lines, view) && sup_view_piece(view, lines->name, mark, bytes, size);
}

/* Put ${size} bytes to the begin of the line. False: no memory. */
static bool keep(struct sup_lines *lines, const uint8_t *bytes, size_t size)
{
    if (lines->begin == NULL) lines->begin = malloc(SUP_PIECE_BYTES);
    if (lines->begin == NULL) return false;
    if (lines->begin_size == 0) lines->begin_from = lines->fed;
    memcpy(lines->begin + lines->begin_size, bytes, size);
    lines->begin_size += size;
    return true;
}

/* The line ends after ${size} more bytes. False: no room in the view, nothing has changed. */
static bool end_line(struct sup_lines *lines, struct sup_view *view, const uint8_t *bytes,
                     size_t size)
{
    size_t before = lines->begin_size;
    if (before > 0) {
        keep(lines, bytes, size); /* there is memory: the begin is in it */
        bytes = lines->begin;
        size += before;
    }
    if (size > 0 && bytes[size - 1] == '\r') size--;
    if ((size > 0 || !lines->is_continued) && !show(lines, view, bytes, size)) {
        lines->begin_size = before;
        return false;
    }
    lines->begin_size = 0;
    lines->is_continued = false;
    return true;
}

/*
** A piece is full with ${size} more bytes. A character that would be cut in two stays for the next
** piece. Returns how many bytes were taken; 0: no room in the view.
*/
static size_t show_full(struct sup_lines *lines, struct sup_view *view, const uint8_t *bytes,
                        size_t size)
{
    if (lines->begin_size == 0) {
        size -= sup_text_tail(bytes, size);
        if (!show(lines, view, bytes, size)) return 0;
    } else {
        size_t before = lines->begin_size;
        keep(lines, bytes, size);
        size_t tail = sup_text_tail(lines->begin, lines->begin_size);
        if (!show(lines, view, lines->begin, lines->begin_size - tail)) {
            lines->begin_size = before;
            return 0;
        }
        memmove(lines->begin, lines->begin + lines->begin_size - tail, tail);
        lines->begin_size = tail;
    }
    lines->is_continued = true;
    return size;
}

/* Take in bytes up to the end of the line or piece. Returns how many; 0: no room in the view. */
static size_t feed_line(struct sup_lines *lines, struct sup_view *view, const uint8_t *bytes,
                        size_t size)
{
    if (lines->is_dropping) {
        const uint8_t *newline = memchr(bytes, '\n', size);
        if (newline == NULL) return size;
        lines->is_dropping = false;
        return (size_t) (newline - bytes) + 1;
    }
    size_t room = SUP_PIECE_BYTES - lines->begin_size;
    size_t look = size < room ? size : room;
    const uint8_t *newline = memchr(bytes, '\n', look);
    if (newline != NULL) {
        size_t length = (size_t) (newline - bytes);
        return end_line(lines, view, bytes, length) ? length + 1 : 0;
    }
    if (look == room) return show_full(lines, view, bytes, look);
    if (keep(lines, bytes, look)) return look;
    if (!show(lines, view, bytes, look)) return 0; /* no memory: show it in pieces */
    lines->is_continued = true;
    return look;
}

/* The instance behind the bytes has ended, and with it the line. False: no room in the view. */
static bool end_without_newline(struct sup_lines *lines, struct sup_view *view)
{
    if (sup_lines_has_begin(lines) && !end_line(lines, view, (const uint8_t *) "", 0)) return false;
    lines->is_continued = lines->is_dropping = false;
    lines->end_at = SUP_LINES_NO_END;
    return true;
}

static size_t until_end(const struct sup_lines *lines, size_t size)
{
    uint64_t left = lines->end_at - lines->fed;
    return left < size ? (size_t) left : size;
}

bool sup_lines_feed(struct sup_lines *lines, struct sup_view *view, const uint8_t *bytes,
                    size_t size, size_t *used)
{
    *used = 0;
    if (!show_gap(lines, view)) return false;
    for (;;) {
        if (lines->fed >= lines->end_at && !end_without_newline(lines, view)) return false;
        if (*used == size) break;
        size_t taken = feed_line(lines, view, bytes + *used, until_end(lines, size - *used));
        if (taken == 0) return false;
        *used += taken;
        lines->fed += taken;
    }
    if (!sup_lines_has_begin(lines)) free_begin(lines);
    return true;
}

/* Count ${size} bytes that belong to one instance. */
static void drop_part(struct sup_lines *lines, const uint8_t *bytes, size_t size)
{
    const uint8_t *end = bytes + size;
    while (bytes < end || (sup_lines_has_begin(lines) && !lines->is_dropping)) {
        if (!lines->is_dropping) lines->unshown++;
        lines->is_dropping = true;
        lines->begin_size = 0;
        const uint8_t *newline = bytes < end ? memchr(bytes, '\n', (size_t) (end - bytes)) : NULL;
        if (newline == NULL) break;
        lines->is_dropping = lines->is_continued = false;
        bytes = newline + 1;
    }
    lines->fed += size;
}

void sup_lines_drop(struct sup_lines *lines, const uint8_t *bytes, size_t size)
{
    do {
        size_t part = until_end(lines, size);
        drop_part(lines, bytes, part);
        if (lines->fed >= lines->end_at) {
            lines->is_dropping = lines->is_continued = false;
            lines->end_at = SUP_LINES_NO_END;
        }
        bytes += part;
        size -= part;
    } while (size > 0);
    free_begin(lines);
}

bool sup_lines_show_begin(struct sup_lines *lines, struct sup_view *view)
{
    if (!sup_lines_has_begin(lines)) return true;
    if (!show(lines, view, lines->begin, lines->begin_size)) return false;
    free_begin(lines);
    lines->is_continued = true;
    return true;
}
