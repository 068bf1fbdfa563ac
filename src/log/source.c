/*
** log/source.c: see source.h. What has to do with a source's file is in source_file.c.
*/
#define _GNU_SOURCE
#include "log/source_inside.h"

#include <errno.h>
#include <fcntl.h>
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

/* The file that ${message} and ${path} ask for. False: no memory. */
static bool choose_file(const struct sup_log_wire *message, struct sup_files *files,
                        const char *path, struct sup_file **file)
{
    bool is_loose = message->mode == SUP_LOG_EVENTS;
    *file = NULL;
    if ((message->mode != SUP_LOG_FILE && !is_loose) || path[0] == '\0') return true;
    *file = sup_file_use(files, path, &message->settings, is_loose);
    return *file != NULL;
}

struct sup_source *sup_source_create(const struct sup_log_wire *message, struct sup_files *files,
                                     const char *name, const char *path, int pipe)
{
    struct sup_source *source = calloc(1, sizeof(*source));
    if (source == NULL) return NULL;
    source->name = copy_texts(name, path, &source->path);
    if (source->name == NULL || !choose_file(message, files, path, &source->file)) {
        free(source->name);
        free(source);
        return NULL;
    }
    sup_list_init(&source->all);
    sup_list_init(&source->begin);
    sup_list_init(&source->retry);
    sup_list_init(&source->waiting);
    sup_list_init(&source->partial);
    sup_lines_init(&source->lines, source->name);
    source->node = message->node;
    source->mode = message->mode;
    source->settings = message->settings;
    source->pipe = pipe;
    source->leave_at = source->line_end_at = UINT64_MAX;
    return source;
}

void sup_source_destroy(struct sup_source *source)
{
    if (source == NULL) return;
    sup_list_remove(&source->all);
    sup_list_remove(&source->begin);
    sup_list_remove(&source->retry);
    sup_list_remove(&source->waiting);
    sup_list_remove(&source->partial);
    sup_file_release(source->file);
    sup_ring_release(&source->ring);
    sup_lines_finish(&source->lines);
    if (source->pipe >= 0) close(source->pipe);
    free(source->name);
    free(source);
}

int sup_source_change(struct sup_source *source, const struct sup_log_wire *message,
                      struct sup_files *files, const char *name, const char *path)
{
    const char *new_path;
    struct sup_file *file;
    char *texts = copy_texts(name, path, &new_path);
    if (texts == NULL || !choose_file(message, files, path, &file)) {
        free(texts);
        return -ENOMEM;
    }
    sup_file_release(source->file);
    sup_ring_release(&source->ring); /* its size may be another; the next byte claims it */
    free(source->name);
    source->name = texts;
    source->path = new_path;
    source->lines.name = texts;
    source->file = file;
    source->mode = message->mode;
    source->settings = message->settings;
    source->trouble = SUP_TROUBLE_NONE;
    source->told = 0;
    return 0;
}

size_t sup_source_pending(const struct sup_source *source)
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
    if (source->ring.ring == NULL) return; /* with its next byte */
    sup_ring_mark_run(&source->ring, source->run, source->shown - source->run_at);
    source->run = 0;
}

static void write_ring(struct sup_source *source, struct sup_sinks *sinks, const uint8_t *bytes,
                       size_t size)
{
    source->shown += size;
    if (source->is_evicted) return;
    if (source->ring.ring == NULL)
        sup_ring_claim(&sinks->rings, source->node, source->settings.buffer, &source->ring);
    sup_ring_write(&source->ring, bytes, size);
    sup_ring_note_time(&source->ring, size, sinks->wall_ns);
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
    if (sup_source_has_file(source)) {
        sup_lines_drop(&source->lines, bytes + used, size - used);
        source->wants_view = true;
    } else {
        hold(source, sinks, bytes + used, size - used);
    }
}

void sup_source_present(struct sup_source *source, struct sup_sinks *sinks, const uint8_t *bytes,
                        size_t size)
{
    write_ring(source, sinks, bytes, size);
    write_view(source, sinks, bytes, size);
}

/* ---- the end of a pipe ----------------------------------------------------------------------- */

/* Everything has left the pipe; the source is done when the view has shown it too. */
static void finish_pipe(struct sup_source *source, struct sup_sinks *sinks)
{
    source->is_drained = true;
    if (source->is_enlarged) sinks->enlarged--;
    source->is_enlarged = false;
    source->trouble = SUP_TROUBLE_NONE;
    if (source->file != NULL) sup_source_end_file_line(source, sinks);
    sup_file_release(source->file);
    source->file = NULL;
    if (sinks->holder != source) source->lines.end_at = source->lines.fed;
    sup_source_show(source, sinks);
}

size_t sup_source_limit(const struct sup_source *source, size_t most)
{
    uint64_t left = source->leave_at - source->taken;
    return left < most ? (size_t) left : most;
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
bool sup_source_note(struct sup_source *source, struct sup_sinks *sinks, ssize_t result)
{
    if (result > 0) {
        source->is_hung = false;
        sinks->moved += (uint64_t) result;
        if (result >= SUP_TURN_BYTES) enlarge_pipe(source, sinks);
        return true;
    }
    /* no writer, or a pipe that cannot be read: nothing comes until someone opens it again */
    source->is_hung = result != -EAGAIN;
    if (source->leave_at != UINT64_MAX) finish_pipe(source, sinks);
    return false;
}

/* ---- without a file ------------------------------------------------------------------------- */

static void turn_view(struct sup_source *source, struct sup_sinks *sinks)
{
    if (sup_view_takes_lines(&sinks->view) && (sinks->view.is_full || sinks->holder != NULL)) {
        source->wants_view = true;
        return;
    }
    ssize_t result = read(source->pipe, sinks->scratch, sup_source_limit(source, SUP_TURN_BYTES));
    if (result < 0) result = errno == EINTR ? -EAGAIN : -errno;
    if (!sup_source_note(source, sinks, result)) return;
    source->taken += (uint64_t) result;
    sup_source_present(source, sinks, sinks->scratch, (size_t) result);
}

/* --- what the loop calls ---------------------------------------------------------------------- */

void sup_source_turn(struct sup_source *source, struct sup_sinks *sinks)
{
    if (source->is_drained) return;
    if (sup_source_has_file(source)) sup_source_turn_file(source, sinks);
    else turn_view(source, sinks);
    if (!source->is_drained && sup_source_limit(source, SUP_TURN_BYTES) == 0)
        finish_pipe(source, sinks);
}

bool sup_source_is_paused(const struct sup_source *source)
{
    return source->wants_view && !sup_source_has_file(source);
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

void sup_source_end_line(struct sup_source *source, struct sup_sinks *sinks, uint32_t generation,
                         uint32_t left)
{
    size_t pending = sup_source_pending(source);
    if (left > 0 && pending > left - 1) pending = left - 1; /* the rest is the next run's */
    size_t held = sinks->holder == source ? sinks->held_end - sinks->held_start : 0;
    size_t unseen = pending > source->ahead ? pending - source->ahead : 0;
    source->lines.end_at = source->lines.fed + held + unseen;
    source->run = generation;
    source->run_at = source->shown + unseen;
    mark_run(source);
    if (held + unseen == 0) sup_source_show(source, sinks);
    if (source->file == NULL || !sup_source_has_lines(source)) return;
    if (pending > 0) source->line_end_at = source->taken + pending;
    else sup_source_end_file_line(source, sinks);
    sup_source_turn(source, sinks); /* what waits in the pipe announces itself no more */
}

void sup_source_leave(struct sup_source *source, struct sup_sinks *sinks)
{
    if (source->is_drained || source->leave_at != UINT64_MAX) return;
    source->leave_at = source->taken + sup_source_pending(source);
    if (sup_source_limit(source, SUP_TURN_BYTES) == 0) finish_pipe(source, sinks);
}

void sup_source_abandon(struct sup_source *source, struct sup_sinks *sinks)
{
    size_t lost = sup_source_pending(source);
    if (lost > 0)
        sup_sinks_notice(sinks, "%s: the last %zu bytes of its output could not be written%s%s",
                         source->name, lost, sup_source_has_file(source) ? " to " : "",
                         sup_source_has_file(source) ? source->path : "");
    if (!source->is_drained) finish_pipe(source, sinks);
}
