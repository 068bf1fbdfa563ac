/*
** log/source.c: see source.h.
*/
#define _GNU_SOURCE
#include "log/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "wire/plan.h"

static char *copy_texts(const char *name, const char *path, const char **path_copy)
{
    size_t name_size = strlen(name) + 1;
    size_t path_size = strlen(path) + 1;
    char *texts = malloc(name_size + path_size);
    if (texts == NULL) return NULL;
    memcpy(texts, name, name_size);
    memcpy(texts + name_size, path, path_size);
    *path_copy = texts + name_size;
    return texts;
}

struct sup_source *sup_source_create(uint64_t node, uint32_t mode, const char *name,
                                     const char *path, int pipe)
{
    struct sup_source *source = calloc(1, sizeof(*source));
    if (source == NULL) return NULL;
    source->name = copy_texts(name, path, &source->path);
    if (source->name == NULL) {
        free(source);
        return NULL;
    }
    sup_list_init(&source->all);
    sup_list_init(&source->begin);
    sup_list_init(&source->retry);
    sup_list_init(&source->waiting);
    sup_lines_init(&source->lines, source->name);
    source->node = node;
    source->mode = mode;
    source->pipe = pipe;
    source->file = SUP_FILE_NONE;
    source->leave_at = UINT64_MAX;
    return source;
}

void sup_source_destroy(struct sup_source *source)
{
    if (source == NULL) return;
    sup_list_remove(&source->all);
    sup_list_remove(&source->begin);
    sup_list_remove(&source->retry);
    sup_list_remove(&source->waiting);
    sup_file_close(&source->file);
    sup_ring_release(&source->ring);
    sup_lines_finish(&source->lines);
    if (source->pipe >= 0) close(source->pipe);
    free(source->name);
    free(source);
}

int sup_source_change(struct sup_source *source, uint32_t mode, const char *name, const char *path)
{
    const char *new_path;
    char *texts = copy_texts(name, path, &new_path);
    if (texts == NULL) return -ENOMEM;
    free(source->name);
    source->name = texts;
    source->path = new_path;
    source->lines.name = texts;
    source->mode = mode;
    source->trouble = SUP_TROUBLE_NONE;
    source->told = 0;
    sup_file_close(&source->file);
    return 0;
}

static bool has_file(const struct sup_source *source)
{
    return (source->mode == SUP_LOG_FILE || source->mode == SUP_LOG_EVENTS) &&
           source->path[0] != '\0';
}

static size_t count_pending(const struct sup_source *source)
{
    int size = 0;
    if (source->is_drained || ioctl(source->pipe, FIONREAD, &size) < 0 || size < 0) return 0;
    return (size_t) size;
}

/* ---- ring and view --------------------------------------------------------------------------- */

/* Tell the ring where a run ended, once all of it is there. */
static void mark_run(struct sup_source *source)
{
    if (source->run == 0 || source->shown < source->run_at || source->is_evicted) return;
    sup_ring_mark_run(&source->ring, source->run, source->shown - source->run_at);
    source->run = 0;
}

static void write_ring(struct sup_source *source, struct sup_sinks *sinks, const uint8_t *bytes,
                       size_t size)
{
    source->shown += size;
    if (source->is_evicted) return;
    if (source->ring.ring == NULL) sup_ring_claim(&sinks->rings, source->node, 0, &source->ring);
    sup_ring_write(&source->ring, bytes, size);
    mark_run(source);
}

/* A source without file keeps what the view has no room for; the others count it. */
static void hold(struct sup_source *source, struct sup_sinks *sinks, const uint8_t *bytes,
                 size_t size)
{
    source->wants_view = true;
    if (size == 0) return;
    memmove(sinks->held, bytes, size);
    sinks->holder = source;
    sinks->held_start = 0;
    sinks->held_end = size;
}

static void write_view(struct sup_source *source, struct sup_sinks *sinks, const uint8_t *bytes,
                       size_t size)
{
    size_t used = 0;
    if (!sup_view_takes_lines(&sinks->view)) {
        source->lines.fed += size;
        return;
    }
    if (sup_lines_feed(&source->lines, &sinks->view, bytes, size, &used)) return;
    if (has_file(source)) {
        sup_lines_drop(&source->lines, bytes + used, size - used);
        source->wants_view = true;
    } else {
        hold(source, sinks, bytes + used, size - used);
    }
}

/* ---- the end of a pipe ----------------------------------------------------------------------- */

/* Everything has left the pipe; the source is done when the view has shown it too. */
static void finish_pipe(struct sup_source *source, struct sup_sinks *sinks)
{
    source->is_drained = true;
    if (source->is_enlarged) sinks->enlarged--;
    source->is_enlarged = false;
    source->trouble = SUP_TROUBLE_NONE;
    sup_file_close(&source->file);
    if (sinks->holder != source) source->lines.end_at = source->lines.fed;
    sup_source_show(source, sinks);
}

static size_t choose_size(const struct sup_source *source)
{
    uint64_t left = source->leave_at - source->taken;
    return left < SUP_TURN_BYTES ? (size_t) left : SUP_TURN_BYTES;
}

/*
** A source that fills its pipe gets a larger one, so that it can write while the file is being
** written. Few may: for an ordinary user the kernel counts the pages of all pipes together.
*/
static void enlarge_pipe(struct sup_source *source, struct sup_sinks *sinks)
{
    if (source->is_enlarged || sinks->enlarged >= SUP_ENLARGED_PIPES) return;
    source->is_enlarged = true;
    sinks->enlarged++;
    if (fcntl(source->pipe, F_GETPIPE_SZ) < SUP_ENLARGED_BYTES)
        (void) fcntl(source->pipe, F_SETPIPE_SZ, SUP_ENLARGED_BYTES);
}

/* Look at the result of reading or copying. True: there are bytes. */
static bool note_result(struct sup_source *source, struct sup_sinks *sinks, ssize_t result)
{
    if (result > 0) {
        source->is_hung = false;
        sinks->moved += (uint64_t) result;
        if (result == SUP_TURN_BYTES) enlarge_pipe(source, sinks);
        return true;
    }
    /* no writer, or a pipe that cannot be read: nothing comes until someone opens it again */
    source->is_hung = result != -EAGAIN;
    if (source->leave_at != UINT64_MAX) finish_pipe(source, sinks);
    return false;
}

/* ---- files ----------------------------------------------------------------------------------- */

static const char *advise(int code)
{
    switch (code) {
    case -ENOENT:
        return "create its folder";
    case -EACCES:
    case -EPERM:
    case -EROFS:
        return "make it writable for this user";
    case -ELOOP:
        return "name the file itself, not a symbolic link";
    case -ENXIO:
        return "start the reader of the FIFO";
    case -EMFILE:
    case -ENFILE:
        return "raise the limit of open files";
    case -ENOSPC:
    case -EDQUOT:
        return "make room on its disk";
    case -EFBIG:
        return "move the file away or raise the limit of file sizes";
    default:
        return "see to that file";
    }
}

static void note_trouble(struct sup_source *source, struct sup_sinks *sinks,
                         enum sup_trouble trouble, int code)
{
    source->trouble = trouble;
    if (source->told == code) return;
    source->told = code;
    sup_sinks_notice(sinks,
                     "%s: cannot %s %s: %s; %s: until then the output waits and nothing is lost",
                     source->name, source->file.fd < 0 ? "open" : "write to", source->path,
                     strerror(-code), advise(code));
}

static void note_success(struct sup_source *source, struct sup_sinks *sinks)
{
    if (source->told == 0) return;
    source->told = 0;
    sup_sinks_notice(sinks, "%s: %s is being written now", source->name, source->path);
}

/* Move up to ${size} bytes into the file. Returns how many; 0: not now. */
static size_t write_file(struct sup_source *source, struct sup_sinks *sinks, size_t size)
{
    if (source->trouble != SUP_TROUBLE_NONE) return 0;
    if (source->file.fd < 0) {
        int code = sup_file_open(&source->file, source->path);
        if (code < 0) {
            note_trouble(source, sinks, SUP_TROUBLE_CLOSED, code);
            return 0;
        }
    }
    ssize_t moved = sup_file_take(&source->file, source->pipe, size);
    if (moved == -EAGAIN && count_pending(source) > 0) {
        source->trouble = SUP_TROUBLE_FULL; /* a FIFO whose reader is slow */
    } else if (moved < 0 && moved != -EAGAIN) {
        note_trouble(source, sinks, SUP_TROUBLE_FULL, (int) moved);
        if (moved == -EPIPE) sup_file_close(&source->file);
    } else if (moved > 0) {
        note_success(source, sinks);
        source->taken += (uint64_t) moved;
    }
    return moved > 0 ? (size_t) moved : 0;
}

/* Bring ${copied} bytes of the staging pipe, but for the first ${seen}, to ring and view. */
static void show_staged(struct sup_source *source, struct sup_sinks *sinks, size_t copied,
                        size_t seen)
{
    if (sup_staging_read(&sinks->staging, sinks->scratch, copied) < 0) return;
    write_ring(source, sinks, sinks->scratch + seen, copied - seen);
    write_view(source, sinks, sinks->scratch + seen, copied - seen);
}

static void turn_file(struct sup_source *source, struct sup_sinks *sinks)
{
    ssize_t result = sup_staging_copy(&sinks->staging, source->pipe, choose_size(source));
    if (!note_result(source, sinks, result)) return;
    size_t copied = (size_t) result;
    size_t seen = source->ahead < copied ? source->ahead : copied;
    size_t moved = write_file(source, sinks, copied);
    source->ahead = (source->ahead > copied ? source->ahead : copied) - moved;
    show_staged(source, sinks, copied, seen);
}

/* Nothing but a file sees the bytes: no copy aside. */
static void turn_events(struct sup_source *source, struct sup_sinks *sinks)
{
    size_t pending = count_pending(source);
    if (pending > 0) {
        note_result(source, sinks, pending < SUP_TURN_BYTES ? 1 : SUP_TURN_BYTES);
        write_file(source, sinks, choose_size(source));
        return;
    }
    struct pollfd state = {.fd = source->pipe, .events = POLLIN};
    (void) poll(&state, 1, 0);
    note_result(source, sinks, (state.revents & POLLHUP) != 0 ? 0 : -EAGAIN);
}

static void turn_view(struct sup_source *source, struct sup_sinks *sinks)
{
    if (sup_view_takes_lines(&sinks->view) && (sinks->view.is_full || sinks->holder != NULL)) {
        source->wants_view = true;
        return;
    }
    ssize_t result = read(source->pipe, sinks->scratch, choose_size(source));
    if (result < 0) result = errno == EINTR ? -EAGAIN : -errno;
    if (!note_result(source, sinks, result)) return;
    source->taken += (uint64_t) result;
    write_ring(source, sinks, sinks->scratch, (size_t) result);
    write_view(source, sinks, sinks->scratch, (size_t) result);
}

/* --- what the loop calls ---------------------------------------------------------------------- */

void sup_source_turn(struct sup_source *source, struct sup_sinks *sinks)
{
    if (source->is_drained) return;
    if (!has_file(source)) turn_view(source, sinks);
    else if (source->mode == SUP_LOG_EVENTS) turn_events(source, sinks);
    else turn_file(source, sinks);
    if (!source->is_drained && choose_size(source) == 0) finish_pipe(source, sinks);
}

bool sup_source_is_paused(const struct sup_source *source)
{
    return source->wants_view && !has_file(source);
}

void sup_source_try_file(struct sup_source *source, struct sup_sinks *sinks)
{
    if (!has_file(source) || source->file.fd >= 0) return;
    int code = sup_file_open(&source->file, source->path);
    if (code < 0) note_trouble(source, sinks, SUP_TROUBLE_NONE, code);
}

/* Show what was held back for ${source}. False: the view is full again. */
static bool show_held(struct sup_source *source, struct sup_sinks *sinks)
{
    size_t used;
    if (sinks->holder != source) return true;
    bool whole = sup_lines_feed(&source->lines, &sinks->view, sinks->held + sinks->held_start,
                                sinks->held_end - sinks->held_start, &used);
    sinks->held_start += used;
    if (whole) sinks->holder = NULL;
    return whole;
}

void sup_source_show(struct sup_source *source, struct sup_sinks *sinks)
{
    size_t used;
    source->wants_view = !show_held(source, sinks);
    if (source->wants_view) return;
    if (source->is_drained) source->lines.end_at = source->lines.fed;
    source->wants_view =
        !sup_lines_feed(&source->lines, &sinks->view, (const uint8_t *) "", 0, &used);
    source->is_done = source->is_drained && !source->wants_view;
}

void sup_source_end_line(struct sup_source *source, struct sup_sinks *sinks, uint32_t generation)
{
    size_t pending = count_pending(source);
    size_t held = sinks->holder == source ? sinks->held_end - sinks->held_start : 0;
    size_t unseen = pending > source->ahead ? pending - source->ahead : 0;
    source->lines.end_at = source->lines.fed + held + unseen;
    source->run = generation;
    source->run_at = source->shown + unseen;
    mark_run(source);
    if (held + unseen == 0) sup_source_show(source, sinks);
}

void sup_source_leave(struct sup_source *source, struct sup_sinks *sinks)
{
    if (source->is_drained || source->leave_at != UINT64_MAX) return;
    source->leave_at = source->taken + count_pending(source);
    if (choose_size(source) == 0) finish_pipe(source, sinks);
}

void sup_source_abandon(struct sup_source *source, struct sup_sinks *sinks)
{
    size_t lost = count_pending(source);
    if (lost > 0)
        sup_sinks_notice(sinks, "%s: the last %zu bytes of its output could not be written%s%s",
                         source->name, lost, has_file(source) ? " to " : "",
                         has_file(source) ? source->path : "");
    if (!source->is_drained) finish_pipe(source, sinks);
}
