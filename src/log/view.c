/*
** log/view.c: see view.h. What is escaped, and how, is in text.c.
*/
#define _GNU_SOURCE
#include "log/view.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/text.h"

#define NAME_BYTES 200 /* of a name that are shown */
/* A piece in the worst case: every byte escaped; the name too; colour, padding, mark, newline. */
#define PIECE_ROOM (SUP_TEXT_GROWTH * (SUP_PIECE_BYTES + NAME_BYTES) + SUP_VIEW_NAME_WIDTH + 32)
#define NOTICE_ROOM 4096

_Static_assert(PIECE_ROOM + NOTICE_ROOM <= SUP_VIEW_BYTES / 2, "an empty view takes a piece");

/*
** A description of our own for the same pipe or terminal, so that writing never waits. Elsewhere
** (no permission, no /proc) poll(2) must do, which for a pipe promises room for SUP_VIEW_WRITE
** bytes.
*/
static int reopen(int fd)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void sup_view_init(struct sup_view *view, int fd, bool is_quiet, bool is_coloured)
{
    struct stat status = {0};
    view->fd = fd;
    view->is_own = view->is_socket = view->is_closed = false;
    view->is_blocked = view->is_stuck = view->is_full = false;
    view->is_quiet = is_quiet;
    view->is_coloured = is_coloured;
    view->width = view->start = view->end = 0;
    if (fstat(fd, &status) < 0) {
        view->is_closed = true;
    } else if (S_ISSOCK(status.st_mode)) {
        view->is_socket = true;
    } else if (S_ISFIFO(status.st_mode) || isatty(fd)) {
        int own = reopen(fd);
        view->is_own = own >= 0;
        if (own >= 0) view->fd = own;
    }
}

void sup_view_finish(struct sup_view *view)
{
    if (view->is_own) close(view->fd);
    view->is_own = false;
    view->is_closed = true;
}

bool sup_view_takes_lines(const struct sup_view *view)
{
    return !view->is_quiet && !view->is_closed;
}

void sup_view_see_name(struct sup_view *view, const char *name)
{
    size_t width = strlen(name);
    if (width > SUP_VIEW_NAME_WIDTH) width = SUP_VIEW_NAME_WIDTH;
    if (width > view->width) view->width = width;
}

static void append(struct sup_view *view, const char *text, size_t size)
{
    memcpy(view->out + view->end, text, size);
    view->end += size;
}

static void append_escaped(struct sup_view *view, const uint8_t *bytes, size_t size)
{
    view->end += sup_text_escape(view->out + view->end, bytes, size);
}

/* The same colour for the same name at every start; red is left to those who mean it. */
static const char *choose_colour(const char *name)
{
    static const char *const colours[] = {"\x1b[36m", "\x1b[33m", "\x1b[32m",
                                          "\x1b[35m", "\x1b[34m", "\x1b[96m",
                                          "\x1b[93m", "\x1b[92m", "\x1b[95m"};
    uint32_t hash = UINT32_C(2166136261);
    for (; *name != '\0'; name++) hash = (hash ^ (uint8_t) *name) * UINT32_C(16777619);
    return colours[(hash >> 8) % (sizeof(colours) / sizeof(colours[0]))];
}

static void append_name(struct sup_view *view, const char *name)
{
    size_t size = strlen(name);
    size_t shown = size < NAME_BYTES ? size : NAME_BYTES;
    if (view->is_coloured) {
        const char *colour = choose_colour(name);
        append(view, colour, strlen(colour));
    }
    append_escaped(view, (const uint8_t *) name, shown);
    if (view->is_coloured) append(view, "\x1b[0m", 4);
    if (shown < view->width) {
        memset(view->out + view->end, ' ', view->width - shown);
        view->end += view->width - shown;
    }
}

static void append_piece(struct sup_view *view, const char *name, enum sup_view_mark mark,
                         const uint8_t *bytes, size_t size)
{
    char middle[3] = {' ', (char) mark, ' '};
    append_name(view, name);
    append(view, middle, sizeof(middle));
    append_escaped(view, bytes, size);
    append(view, "\n", 1);
}

/* Is there room for ${room} bytes? Moves and writes what there is, when that helps. */
static bool make_room(struct sup_view *view, size_t room)
{
    if (SUP_VIEW_BYTES - view->end >= room) return true;
    sup_view_flush(view);
    if (view->start > 0) {
        memmove(view->out, view->out + view->start, view->end - view->start);
        view->end -= view->start;
        view->start = 0;
    }
    return SUP_VIEW_BYTES - view->end >= room;
}

bool sup_view_piece(struct sup_view *view, const char *name, enum sup_view_mark mark,
                    const uint8_t *bytes, size_t size)
{
    if (!sup_view_takes_lines(view)) return true;
    if (view->is_full) return false;
    if (!make_room(view, PIECE_ROOM + NOTICE_ROOM)) {
        view->is_full = !view->is_closed;
        return view->is_closed;
    }
    append_piece(view, name, mark, bytes, size);
    return true;
}

bool sup_view_notice(struct sup_view *view, const char *name, const char *text)
{
    size_t size = strlen(text);
    if (view->is_closed) return false;
    if (!make_room(view, SUP_TEXT_GROWTH * (size + NAME_BYTES) + SUP_VIEW_NAME_WIDTH + 32))
        return false;
    append_piece(view, name, SUP_MARK_LINE, (const uint8_t *) text, size);
    return true;
}

/* As many whole lines as fit one write; a line that is longer than that goes in parts. */
static size_t choose_write(const struct sup_view *view)
{
    size_t size = view->end - view->start;
    if (size <= SUP_VIEW_WRITE) return size;
    const char *from = view->out + view->start;
    const char *newline = memrchr(from, '\n', SUP_VIEW_WRITE);
    return newline == NULL ? SUP_VIEW_WRITE : (size_t) (newline - from) + 1;
}

/* write(2) that does not wait. Returns bytes or -errno. */
static ssize_t write_some(const struct sup_view *view, const char *bytes, size_t size)
{
    ssize_t done;
    if (view->is_socket) {
        done = send(view->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
        struct pollfd room = {.fd = view->fd, .events = POLLOUT};
        if (!view->is_own && poll(&room, 1, 0) == 0) return -EAGAIN;
        done = write(view->fd, bytes, size);
    }
    return done < 0 ? -errno : done;
}

static void note_failure(struct sup_view *view, int code)
{
    switch (code) {
    case -EAGAIN:
        view->is_blocked = true;
        break;
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
    case -ENOMEM:
        view->is_stuck = true;
        break;
    default: /* EPIPE, EIO of a terminal that is gone, ...: nobody looks any more */
        view->is_closed = true;
        view->start = view->end = 0;
    }
}

void sup_view_flush(struct sup_view *view)
{
    view->is_blocked = view->is_stuck = false;
    while (view->start < view->end && !view->is_closed) {
        ssize_t done = write_some(view, view->out + view->start, choose_write(view));
        if (done == -EINTR) continue;
        if (done < 0) {
            note_failure(view, (int) done);
            break;
        }
        view->start += (size_t) done;
    }
    if (view->start == view->end) view->start = view->end = 0;
    if (view->end - view->start <= SUP_VIEW_BYTES / 4) view->is_full = false;
}
