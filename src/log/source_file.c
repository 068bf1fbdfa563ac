/*
** log/source_file.c: a source's bytes on their way into its file. Knows nothing of epoll and
** timers.
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

/* --- writing ---------------------------------------------------------------------------------- */

/* Write ${written} bytes, which ${used} bytes at the front of the pipe have become, and take those
   out of the pipe. */
static bool commit(struct sup_source *source, struct sup_sinks *sinks, struct sup_note *note,
                   size_t used, const uint8_t *bytes, size_t written)
{
    int code = sup_file_append(source->file, bytes, written, source->node);
    if (code < 0) {
        sup_note_drop(note);
        note_write_trouble(source, sinks, code);
        return false;
    }
    sup_note_take_out(note, &sinks->staging, source->pipe, used);
    source->taken += used;
    if (source->taken >= source->line_end_at) source->line_end_at = UINT64_MAX;
    note_success(source, sinks);
    return true;
}

/*
** The same for raw bytes where nothing can be noted: inside the kernel, which takes out of the pipe
** exactly what the file gets. Elsewhere that is the slower way. Returns how many bytes went.
*/
static size_t splice_raw(struct sup_source *source, struct sup_sinks *sinks, const uint8_t *bytes,
                         size_t size)
{
    ssize_t moved = sup_file_take(source->file, source->pipe, size);
    if (moved <= 0) {
        note_write_trouble(source, sinks, moved == 0 ? -EAGAIN : (int) moved);
        return 0;
    }
    sup_file_note(source->file, (size_t) moved, bytes[moved - 1], source->node);
    source->taken += (uint64_t) moved;
    note_success(source, sinks);
    return (size_t) moved;
}

/* Write ${size} bytes as they are, which are the first of the pipe. Returns how many went. */
static size_t write_raw(struct sup_source *source, struct sup_sinks *sinks, const uint8_t *bytes,
                        size_t size)
{
    size_t done = 0;
    if (!prepare_file(source, sinks)) return 0;
    while (done < size) {
        size_t part = sup_file_room(source->file, bytes + done, size - done, sinks->wall_ns);
        if (part == 0) {
            if (!begin_next(source, sinks)) break;
            continue;
        }
        struct sup_note *note = sup_notes_begin(&sinks->notes, source->node, source->file, part);
        if (note == NULL) part = splice_raw(source, sinks, bytes + done, part);
        else if (!commit(source, sinks, note, part, bytes + done, part)) part = 0;
        if (part == 0) break;
        done += part;
    }
    return done;
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
            struct sup_note *note = sup_notes_begin(&sinks->notes, source->node, file, result.used);
            if (!commit(source, sinks, note, result.used, sinks->out, result.written)) break;
            done += result.used;
        } else if (!result.is_tight || !begin_next(source, sinks)) {
            break;
        }
    }
    return done;
}

/* --- turns ------------------------------------------------------------------------------------ */

/* Look at what is in the pipe, write it, show it. */
static void turn_file(struct sup_source *source, struct sup_sinks *sinks)
{
    bool has_lines = sup_source_has_lines(source);
    size_t most = sup_source_limit(source, SUP_TURN_BYTES);
    ssize_t copied = sup_staging_peek(&sinks->staging, source->pipe, sinks->scratch, most);
    source->is_partial = false;
    if (!sup_source_note(source, sinks, copied)) return;
    size_t size = (size_t) copied;
    size_t seen = source->ahead < size ? source->ahead : size;
    size_t moved = has_lines ? write_lines(source, sinks, sinks->scratch, size)
                             : write_raw(source, sinks, sinks->scratch, size);
    source->is_flushing = false;
    source->is_partial =
        has_lines && moved < size && size < most && source->trouble == SUP_TROUBLE_NONE;
    source->ahead = (source->ahead > size ? source->ahead : size) - moved;
    sup_source_present(source, sinks, sinks->scratch + seen, size - seen);
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
    else turn_file(source, sinks);
}

void sup_source_try_file(struct sup_source *source, struct sup_sinks *sinks)
{
    struct sup_place_fault fault;
    if (source->file == NULL || source->file->fd >= 0) return;
    if (sup_file_open(&sinks->files, source->file, sinks->wall_ns, &fault) < 0)
        note_trouble(source, sinks, SUP_TROUBLE_NONE, &fault);
}
