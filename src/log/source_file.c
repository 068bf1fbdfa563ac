/*
** log/source_file.c: a source's bytes on their way into its file: raw ones inside the kernel, lines
** by way of a copy. Knows nothing of epoll and timers.
*/
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log/source_inside.h"
#include "log/stamp.h"

/* --- trouble ---------------------------------------------------------------------------------- */

static void note_trouble(struct sup_source *source, struct sup_sinks *sinks,
                         enum sup_trouble trouble, const struct sup_place_fault *fault)
{
    source->trouble = trouble;
    if (source->told == fault->code) return;
    source->told = fault->code;
    sup_sinks_notice(sinks, "%s: cannot %s %s: %s: until then the output waits and nothing is lost",
                     source->name, source->file->fd < 0 ? "open" : "write to", source->path,
                     fault->text);
}

static void note_write_trouble(struct sup_source *source, struct sup_sinks *sinks, int code)
{
    struct sup_place_fault fault = {.code = code};
    if (code == -EAGAIN) { /* a FIFO whose reader is slow */
        source->trouble = SUP_TROUBLE_FULL;
        return;
    }
    snprintf(fault.text, sizeof(fault.text), "%s; %s", strerror(-code), sup_place_advice(code));
    note_trouble(source, sinks, SUP_TROUBLE_FULL, &fault);
    if (code == -EPIPE) sup_file_close(source->file);
}

static void note_success(struct sup_source *source, struct sup_sinks *sinks)
{
    if (source->told == 0) return;
    source->told = 0;
    sup_sinks_notice(sinks, "%s: %s is being written now", source->name, source->path);
}

/* --- having the file -------------------------------------------------------------------------- */

/* Is the file open, its end known, and no trouble with it? */
static bool prepare_file(struct sup_source *source, struct sup_sinks *sinks)
{
    struct sup_place_fault fault;
    if (source->trouble != SUP_TROUBLE_NONE) return false;
    if (sup_file_open(&sinks->files, source->file, sinks->wall_ns, &fault) < 0) {
        note_trouble(source, sinks, SUP_TROUBLE_CLOSED, &fault);
        return false;
    }
    int code = sup_file_look(source->file);
    if (code < 0) note_write_trouble(source, sinks, code);
    return code == 0;
}

/* The file is full or old, and a line has ended. False: there is no file now. */
static bool begin_next(struct sup_source *source, struct sup_sinks *sinks)
{
    struct sup_place_fault fault;
    if (sup_file_begin_next(&sinks->files, source->file, sinks->wall_ns, &fault) < 0) {
        note_trouble(source, sinks, SUP_TROUBLE_CLOSED, &fault);
        return false;
    }
    if (fault.code != 0)
        sup_sinks_notice(sinks, "%s: %s should end here and another begin, but: %s: it goes on",
                         source->name, source->path, fault.text);
    return prepare_file(source, sinks);
}

/* --- raw -------------------------------------------------------------------------------------- */

/* Move the first ${size} bytes of the pipe, which are at ${bytes}. Returns how many went. */
static size_t move_raw(struct sup_source *source, struct sup_sinks *sinks, const uint8_t *bytes,
                       size_t size)
{
    size_t done = 0;
    if (!prepare_file(source, sinks)) return 0;
    while (done < size) {
        size_t room = sup_file_room(source->file, bytes + done, size - done, sinks->wall_ns);
        if (room == 0) {
            if (!begin_next(source, sinks)) break;
            continue;
        }
        ssize_t moved = sup_file_take(source->file, source->pipe, room);
        if (moved <= 0) {
            note_write_trouble(source, sinks, moved == 0 ? -EAGAIN : (int) moved);
            break;
        }
        done += (size_t) moved;
        sup_file_note(source->file, (size_t) moved, bytes[done - 1], source->node);
        note_success(source, sinks);
    }
    source->taken += done;
    return done;
}

/*
** Bring the last ${size} bytes of the file to ring and view. Where nobody sees the lines, only what
** the ring will keep is read.
*/
static void show_moved(struct sup_source *source, struct sup_sinks *sinks, size_t size)
{
    struct sup_file *file = source->file;
    size_t kept = source->settings.buffer == 0 ? SUP_RING_BYTES : source->settings.buffer;
    size_t skipped = !sup_view_takes_lines(&sinks->view) && size > kept ? size - kept : 0;
    uint8_t last = '\n';
    for (size_t at = skipped; at < size;) {
        size_t part = size - at < SUP_TURN_BYTES ? size - at : SUP_TURN_BYTES;
        ssize_t got = pread(file->fd, sinks->scratch, part, (off_t) (file->size + at));
        if (got <= 0) break; /* somebody has cut it just now */
        last = sinks->scratch[got - 1];
        sup_source_present(source, sinks, sinks->scratch, (size_t) got, skipped);
        skipped = 0;
        at += (size_t) got;
    }
    sup_file_note(file, size, last, source->node);
}

/* The short way, which looks at no line. Returns false when it cannot be gone now. */
static bool turn_raw(struct sup_source *source, struct sup_sinks *sinks)
{
    size_t turn = sup_view_takes_lines(&sinks->view) ? SUP_TURN_BYTES : SUP_ENLARGED_BYTES;
    struct sup_file *file = source->file;
    if (source->ahead > 0 || file->is_loose || !prepare_file(source, sinks)) return false;
    if (!sup_file_is_roomy(file, turn, sinks->wall_ns)) return false;
    ssize_t moved = sup_file_take(file, source->pipe, sup_source_limit(source, turn));
    if (moved < 0 && moved != -EAGAIN) return false; /* the long way finds it again, and says it */
    if (!sup_source_note(source, sinks, moved)) return true;
    source->taken += (uint64_t) moved;
    note_success(source, sinks);
    show_moved(source, sinks, (size_t) moved);
    return true;
}

/* --- lines ------------------------------------------------------------------------------------ */

static bool is_begun_by(const struct sup_source *source)
{
    const struct sup_file *file = source->file;
    return !file->is_at_start && file->cut_by == source->node &&
           source->settings.format == SUP_FORMAT_RAW;
}

/* Where the file ends in the middle of a line, end it. False: it takes nothing now. */
static bool end_line(struct sup_source *source, struct sup_sinks *sinks)
{
    int code = sup_file_append(source->file, (const uint8_t *) "\n", 1, source->node);
    if (code < 0) note_write_trouble(source, sinks, code);
    return code == 0;
}

void sup_source_end_file_line(struct sup_source *source, struct sup_sinks *sinks)
{
    if (sup_source_has_lines(source) && prepare_file(source, sinks) && is_begun_by(source))
        (void) end_line(source, sinks);
}

/* Write what is laid out, and take the bytes that it was made of out of the pipe. */
static bool commit(struct sup_source *source, struct sup_sinks *sinks, const uint8_t *bytes,
                   size_t pending, const struct sup_stamper_result *result)
{
    struct sup_note *note =
        sup_notes_begin(&sinks->notes, source->node, source->file, bytes, result->used, pending);
    int code = sup_file_append(source->file, sinks->out, result->written, source->node);
    if (code < 0) {
        sup_note_end(note);
        note_write_trouble(source, sinks, code);
        return false;
    }
    sup_note_written(note);
    (void) sup_staging_consume(&sinks->staging, source->pipe, result->used);
    sup_note_end(note);
    source->taken += result->used;
    if (source->taken >= source->line_end_at) source->line_end_at = UINT64_MAX;
    note_success(source, sinks);
    return true;
}

/* How much of ${size} bytes belongs together: up to where an instance has ended. */
static size_t until_end(const struct sup_source *source, size_t size, bool *ends)
{
    uint64_t end = source->line_end_at < source->leave_at ? source->line_end_at : source->leave_at;
    *ends = end - source->taken <= size;
    return *ends ? (size_t) (end - source->taken) : size;
}

/*
** Lay out the first of ${size} bytes as far as the file has room for them. ${limit}: bytes that it
** takes before another one begins. A line that is longer than a file may be stands in one all the
** same.
*/
static struct sup_stamper_result lay_out(const struct sup_source *source, struct sup_sinks *sinks,
                                         const uint8_t *bytes, size_t size, size_t limit)
{
    struct sup_stamper stamper;
    struct sup_stamper_wish wish = {
        .bytes = bytes,
        .is_begun = is_begun_by(source),
        .all = source->is_flushing,
        .lines = SIZE_MAX,
        .out = sinks->out,
        .room = limit < SUP_OUT_BYTES ? limit : SUP_OUT_BYTES,
    };
    wish.size = until_end(source, size, &wish.ends);
    if (limit < SUP_OUT_BYTES && (wish.is_begun || source->file->size == 0)) {
        wish.lines = 1;
        wish.room = SUP_OUT_BYTES;
    }
    sup_stamper_init(&stamper, &source->settings, source->name, sinks->wall_ns);
    return sup_stamper_lay_out(&stamper, &wish);
}

/* Write lines of ${size} bytes at the front of the pipe, which are at ${bytes}. Returns how many
   bytes went. */
static size_t write_lines(struct sup_source *source, struct sup_sinks *sinks, const uint8_t *bytes,
                          size_t size)
{
    size_t done = 0;
    while (done < size && prepare_file(source, sinks)) {
        struct sup_file *file = source->file;
        if (!file->is_at_start && !is_begun_by(source) && !end_line(source, sinks)) break;
        size_t limit = sup_file_limit(file, sinks->wall_ns);
        struct sup_stamper_result result = {.is_tight = true};
        if (limit > 0 || !file->is_at_start)
            result = lay_out(source, sinks, bytes + done, size - done, limit);
        if (result.written > 0) {
            if (!commit(source, sinks, bytes + done, size - done, &result)) break;
            done += result.used;
        } else if (!result.is_tight || !begin_next(source, sinks)) {
            break;
        }
    }
    return done;
}

/* --- turns ------------------------------------------------------------------------------------ */

/* The long way: look at what is in the pipe, write it, show it. */
static void turn_looking(struct sup_source *source, struct sup_sinks *sinks)
{
    bool has_lines = sup_source_has_lines(source);
    size_t most = sup_source_limit(source, SUP_TURN_BYTES);
    ssize_t copied = sup_staging_peek(&sinks->staging, source->pipe, sinks->scratch, most);
    source->is_partial = false;
    if (!sup_source_note(source, sinks, copied)) return;
    size_t size = (size_t) copied;
    size_t seen = source->ahead < size ? source->ahead : size;
    size_t moved = has_lines ? write_lines(source, sinks, sinks->scratch, size)
                             : move_raw(source, sinks, sinks->scratch, size);
    source->is_flushing = false;
    source->is_partial = has_lines && moved < size && source->trouble == SUP_TROUBLE_NONE;
    source->ahead = (source->ahead > size ? source->ahead : size) - moved;
    sup_source_present(source, sinks, sinks->scratch + seen, size - seen, 0);
}

/* Nothing but a file sees the bytes: no copy. */
static void turn_events(struct sup_source *source, struct sup_sinks *sinks)
{
    size_t pending = sup_source_pending(source);
    if (pending == 0) {
        struct pollfd state = {.fd = source->pipe, .events = POLLIN};
        (void) poll(&state, 1, 0);
        sup_source_note(source, sinks, (state.revents & POLLHUP) != 0 ? 0 : -EAGAIN);
        return;
    }
    sup_source_note(source, sinks, pending < SUP_TURN_BYTES ? 1 : SUP_TURN_BYTES);
    if (!prepare_file(source, sinks)) return;
    ssize_t moved =
        sup_file_take(source->file, source->pipe, sup_source_limit(source, SUP_TURN_BYTES));
    if (moved <= 0) {
        note_write_trouble(source, sinks, moved == 0 ? -EAGAIN : (int) moved);
        return;
    }
    source->taken += (uint64_t) moved;
    note_success(source, sinks);
}

void sup_source_turn_file(struct sup_source *source, struct sup_sinks *sinks)
{
    if (source->mode == SUP_LOG_EVENTS) turn_events(source, sinks);
    else if (sup_source_has_lines(source) || !turn_raw(source, sinks)) turn_looking(source, sinks);
}

void sup_source_try_file(struct sup_source *source, struct sup_sinks *sinks)
{
    struct sup_place_fault fault;
    if (source->file == NULL || source->file->fd >= 0) return;
    if (sup_file_open(&sinks->files, source->file, sinks->wall_ns, &fault) < 0)
        note_trouble(source, sinks, SUP_TROUBLE_NONE, &fault);
}
