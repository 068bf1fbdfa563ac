/*
** log/loop.c: see loop.h. The keeper's messages are in commands.c.
*/
#define _GNU_SOURCE
#include "log/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "log/commands.h"

#define EVENTS_PER_ROUND 64
#define TIMER_SLACK_NS 1000L /* a nap is to be short */

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- epoll and timers follow the state of a source -------------------------------------------- */

static uint32_t choose_interest(const struct sup_source *source)
{
    if (sup_source_is_paused(source)) return EPOLLET; /* not 0: a hang-up would be told for ever */
    if (source->trouble != SUP_TROUBLE_NONE || source->is_hung || source->is_partial)
        return EPOLLIN | EPOLLET;
    return EPOLLIN;
}

/* What epoll refuses (memory, its limit of watches) is tried again like a file that does not
   open. */
static void settle_interest(struct sup_log *log, struct sup_source *source)
{
    uint32_t interest = choose_interest(source);
    if (source->is_registered && source->interest == interest) return;
    struct epoll_event event = {.events = interest, .data.ptr = source};
    int verb = source->is_registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(log->epoll, verb, source->pipe, &event) < 0) {
        if (source->trouble == SUP_TROUBLE_NONE) source->trouble = SUP_TROUBLE_CLOSED;
        return;
    }
    source->is_registered = true;
    source->interest = interest;
}

static void settle_retry(struct sup_log *log, struct sup_source *source)
{
    if (source->trouble == SUP_TROUBLE_NONE) {
        sup_list_remove(&source->retry);
    } else if (sup_list_empty(&source->retry)) {
        bool is_closed = source->trouble == SUP_TROUBLE_CLOSED;
        source->retry_at_ns = log->now_ns + (is_closed ? SUP_RETRY_OPEN_NS : SUP_RETRY_WRITE_NS);
        sup_list_insert(is_closed ? &log->retries_open : &log->retries_write, &source->retry);
    }
}

static void settle_begin(struct sup_log *log, struct sup_source *source)
{
    if (!sup_lines_has_begin(&source->lines)) {
        sup_list_remove(&source->begin);
    } else if (sup_list_empty(&source->begin) || source->begin_from != source->lines.begin_from) {
        sup_list_remove(&source->begin);
        source->begin_from = source->lines.begin_from;
        source->begin_at_ns = log->now_ns + SUP_BEGIN_NS;
        sup_list_insert(&log->begins, &source->begin);
    }
}

/* The begin of a line waits in the pipe for its end, but not for ever. */
static void settle_partial(struct sup_log *log, struct sup_source *source)
{
    if (!source->is_partial) {
        sup_list_remove(&source->partial);
    } else if (sup_list_empty(&source->partial)) {
        source->partial_at_ns = log->now_ns + SUP_BEGIN_NS;
        sup_list_insert(&log->partials, &source->partial);
    }
}

/* The keeper holds the same pipe: closing our descriptor alone would leave it in epoll. */
static void close_pipe(struct sup_log *log, struct sup_source *source)
{
    if (source->pipe < 0) return;
    if (source->is_registered) epoll_ctl(log->epoll, EPOLL_CTL_DEL, source->pipe, NULL);
    close(source->pipe);
    source->pipe = -1;
}

static void retire(struct sup_log *log, struct sup_source *source)
{
    uint32_t index = (uint32_t) source->node;
    if (log->by_index[index] == source) log->by_index[index] = NULL;
    sup_list_remove(&source->all);
    sup_list_remove(&source->begin);
    sup_list_remove(&source->retry);
    sup_list_remove(&source->waiting);
    sup_list_remove(&source->partial);
    sup_list_insert(&log->dead, &source->all);
}

/* What is left is bounded, and no event need come for it: another reader may have been quicker. */
static void drain_leaving(struct sup_log *log, struct sup_source *source)
{
    if (source->leave_at == UINT64_MAX) return;
    for (uint64_t before = UINT64_MAX; source->taken != before && !source->is_drained;) {
        if (source->trouble != SUP_TROUBLE_NONE || sup_source_is_paused(source)) break;
        before = source->taken;
        sup_source_turn(source, &log->sinks);
    }
}

void sup_log_settle(struct sup_log *log, struct sup_source *source)
{
    drain_leaving(log, source);
    if (log->is_quitting && source->trouble == SUP_TROUBLE_CLOSED) {
        log->has_lost = true;
        sup_source_abandon(source, &log->sinks);
    }
    if (source->is_drained) close_pipe(log, source);
    else settle_interest(log, source);
    if (source->is_done) {
        retire(log, source);
        return;
    }
    settle_retry(log, source);
    settle_begin(log, source);
    settle_partial(log, source);
    if (!source->wants_view) sup_list_remove(&source->waiting);
    else if (sup_list_empty(&source->waiting)) sup_list_insert(&log->waiting, &source->waiting);
}

/* --- the view --------------------------------------------------------------------------------- */

static void watch_view(struct sup_log *log)
{
    struct sup_view *view = &log->sinks.view;
    bool wanted = view->is_blocked;
    if (wanted != log->is_watching_view) {
        struct epoll_event event = {.events = EPOLLOUT, .data.ptr = view};
        int verb = wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL;
        bool done = epoll_ctl(log->epoll, verb, view->fd, &event) == 0;
        log->is_watching_view = wanted && done;
    }
    if (view->is_stuck || (wanted && !log->is_watching_view)) {
        if (log->view_retry_at_ns == INT64_MAX)
            log->view_retry_at_ns = log->now_ns + SUP_RETRY_WRITE_NS;
    } else {
        log->view_retry_at_ns = INT64_MAX;
    }
}

static void show_waiting(struct sup_log *log, struct sup_source *source)
{
    sup_source_show(source, &log->sinks);
    sup_log_settle(log, source);
}

/* The one whose bytes have been read already comes first: only it can be read before it goes on. */
static void wake_waiting(struct sup_log *log)
{
    if (log->sinks.holder != NULL) show_waiting(log, log->sinks.holder);
    sup_list_each_safe(link, &log->waiting)
    {
        if (log->sinks.view.is_full) break;
        show_waiting(log, sup_container(link, struct sup_source, waiting));
    }
}

/* Write what has been gathered; when that makes room, those that wait for it go on. */
static void flush_view(struct sup_log *log)
{
    sup_view_flush(&log->sinks.view);
    while (!log->sinks.view.is_full && !sup_list_empty(&log->waiting)) {
        wake_waiting(log);
        sup_view_flush(&log->sinks.view);
    }
    watch_view(log);
}

/* --- timers ----------------------------------------------------------------------------------- */

static void show_begins(struct sup_log *log)
{
    while (!sup_list_empty(&log->begins)) {
        struct sup_source *source = sup_container(log->begins.next, struct sup_source, begin);
        if (source->begin_at_ns > log->now_ns) break;
        sup_list_remove(&source->begin);
        (void) sup_lines_show_begin(&source->lines, &log->sinks.view);
        sup_log_settle(log, source);
    }
}

static void flush_partials(struct sup_log *log)
{
    while (!sup_list_empty(&log->partials)) {
        struct sup_source *source = sup_container(log->partials.next, struct sup_source, partial);
        if (source->partial_at_ns > log->now_ns) break;
        sup_list_remove(&source->partial);
        source->is_flushing = true;
        sup_source_turn(source, &log->sinks);
        source->is_flushing = false;
        sup_log_settle(log, source);
    }
}

/* Those whose time has come by ${now_ns}. */
static void retry_files(struct sup_log *log, struct sup_list *list, int64_t now_ns)
{
    while (!sup_list_empty(list)) {
        struct sup_source *source = sup_container(list->next, struct sup_source, retry);
        if (source->retry_at_ns > now_ns) break;
        sup_list_remove(&source->retry);
        source->trouble = SUP_TROUBLE_NONE;
        sup_source_turn(source, &log->sinks);
        sup_log_settle(log, source);
    }
}

static void reopen_files(struct sup_log *log, bool force)
{
    bool waits = sup_files_reopen(&log->sinks.files, force, log->sinks.wall_ns);
    log->reopen_at_ns = waits ? log->now_ns + SUP_REOPEN_NS : 0;
}

static void run_timers(struct sup_log *log)
{
    show_begins(log);
    flush_partials(log);
    if (log->reopen_at_ns != 0 && log->reopen_at_ns <= log->now_ns) reopen_files(log, true);
    retry_files(log, &log->retries_open, log->now_ns);
    retry_files(log, &log->retries_write, log->now_ns);
    if (log->stalled_until_ns != 0 && log->stalled_until_ns <= log->now_ns)
        sup_log_resume_commands(log);
}

static void note_earlier(int64_t *first, int64_t at_ns)
{
    if (at_ns < *first) *first = at_ns;
}

/* Milliseconds until the next timer; -1: there is none. */
static int choose_timeout(const struct sup_log *log)
{
    int64_t first = log->view_retry_at_ns;
    if (!sup_list_empty(&log->begins))
        note_earlier(&first,
                     sup_container(log->begins.next, struct sup_source, begin)->begin_at_ns);
    if (!sup_list_empty(&log->partials))
        note_earlier(&first,
                     sup_container(log->partials.next, struct sup_source, partial)->partial_at_ns);
    if (log->reopen_at_ns != 0) note_earlier(&first, log->reopen_at_ns);
    if (!sup_list_empty(&log->retries_open))
        note_earlier(&first,
                     sup_container(log->retries_open.next, struct sup_source, retry)->retry_at_ns);
    if (!sup_list_empty(&log->retries_write))
        note_earlier(&first,
                     sup_container(log->retries_write.next, struct sup_source, retry)->retry_at_ns);
    if (log->stalled_until_ns != 0) note_earlier(&first, log->stalled_until_ns);
    if (log->is_quitting) note_earlier(&first, log->quit_at_ns);
    if (first == INT64_MAX) return -1;
    int64_t wait = first - read_clock(CLOCK_MONOTONIC);
    return wait <= 0 ? 0 : (int) ((wait + 999999) / 1000000);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void hear_signals(struct sup_log *log)
{
    struct signalfd_siginfo got;
    bool is_asked = false;
    while (read(log->signals, &got, sizeof(got)) == (ssize_t) sizeof(got)) is_asked = true;
    if (!is_asked) return;
    reopen_files(log, false);
    /* Whoever asks may have removed the reason why another file could not be opened. All that is
       due by the latest time there is, but for those who fail again. */
    retry_files(log, &log->retries_open, log->now_ns + SUP_RETRY_OPEN_NS - 1);
}

/* The keeper comes first: a name that it tells now counts for the lines that are shown now. */
static void hear_keeper(struct sup_log *log, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == log) sup_log_take_commands(log);
        else if (events[i].data.ptr == &log->signals) hear_signals(log);
    }
}

static void serve_sources(struct sup_log *log, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        void *whom = events[i].data.ptr;
        if (whom == log || whom == &log->sinks.view || whom == &log->signals) continue;
        struct sup_source *source = whom;
        if (source->is_done || sup_source_is_paused(source)) continue;
        sup_source_turn(source, &log->sinks);
        sup_log_settle(log, source);
    }
}

static void bury_dead(struct sup_log *log)
{
    sup_list_each_safe(link, &log->dead)
        sup_source_destroy(sup_container(link, struct sup_source, all));
}

static bool is_finished(const struct sup_log *log)
{
    if (!log->is_quitting) return false;
    if (log->quit_at_ns <= log->now_ns) return true;
    return sup_list_empty(&log->sources) && sup_view_is_empty(&log->sinks.view);
}

/* The time for an orderly end is over: say what stays behind. */
static void leave_rest(struct sup_log *log)
{
    sup_list_each(link, &log->sources)
    {
        log->has_lost = true;
        sup_source_abandon(sup_container(link, struct sup_source, all), &log->sinks);
    }
    sup_view_flush(&log->sinks.view);
}

/* Towards rounds that bring from SUP_FEW_BYTES to SUP_MANY_BYTES. */
static void choose_nap(struct sup_log *log, uint64_t moved, int64_t took_ns)
{
    if (moved == 0 || took_ns >= SUP_HASTY_NS) {
        log->hasty_rounds = 0;
        log->nap_ns = 0;
    } else if (moved > SUP_MANY_BYTES) {
        log->nap_ns = log->nap_ns / 2 < SUP_NAP_MIN_NS ? 0 : log->nap_ns / 2;
    } else if (moved < SUP_FEW_BYTES && ++log->hasty_rounds > SUP_HASTY_ROUNDS) {
        log->hasty_rounds = SUP_HASTY_ROUNDS;
        log->nap_ns = log->nap_ns == 0 ? SUP_NAP_MIN_NS : log->nap_ns * 2;
        if (log->nap_ns > SUP_NAP_MAX_NS) log->nap_ns = SUP_NAP_MAX_NS;
    }
}

/*
** Someone who writes many small pieces would wake us for each of them, at a higher cost for him and
** for us than the writing itself: let some gather. The pipe has room for what comes meanwhile.
*/
static void spread_rounds(struct sup_log *log, int64_t former_ns, uint64_t moved_before)
{
    uint64_t moved = log->sinks.moved - moved_before;
    choose_nap(log, moved, log->now_ns - former_ns);
    if (log->nap_ns == 0 || log->is_quitting) return;
    struct timespec nap = {.tv_nsec = log->nap_ns};
    nanosleep(&nap, NULL);
}

int sup_log_run(struct sup_log *log)
{
    struct epoll_event events[EVENTS_PER_ROUND];
    flush_view(log); /* what init had to say */
    while (!is_finished(log)) {
        int count = epoll_wait(log->epoll, events, EVENTS_PER_ROUND, choose_timeout(log));
        int64_t former_ns = log->now_ns;
        uint64_t moved_before = log->sinks.moved;
        log->now_ns = read_clock(CLOCK_MONOTONIC);
        log->sinks.wall_ns = read_clock(CLOCK_REALTIME);
        hear_keeper(log, events, count);
        if (log->is_orphaned) sup_log_follow_host(log);
        serve_sources(log, events, count);
        run_timers(log);
        flush_view(log);
        bury_dead(log);
        spread_rounds(log, former_ns, moved_before);
    }
    leave_rest(log);
    bool is_whole = !log->has_lost && sup_view_is_empty(&log->sinks.view);
    return is_whole && !log->is_foreign ? 0 : 1;
}

/* USR1 by a descriptor; without one it is ignored, and files are opened anew by a new process. */
static void watch_signals(struct sup_log *log)
{
    sigset_t signals;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &log->signals};
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    log->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (log->signals >= 0) epoll_ctl(log->epoll, EPOLL_CTL_ADD, log->signals, &event);
}

static void mend_file(void *context, struct sup_file *file)
{
    sup_notes_mend_file(context, file);
}

int sup_log_init(struct sup_log *log, const struct sup_log_options *options)
{
    sup_list_init(&log->sources);
    sup_list_init(&log->dead);
    sup_list_init(&log->begins);
    sup_list_init(&log->partials);
    sup_list_init(&log->retries_open);
    sup_list_init(&log->retries_write);
    sup_list_init(&log->waiting);
    log->socket = options->socket;
    log->message_fd = -1;
    log->view_retry_at_ns = INT64_MAX;
    log->now_ns = read_clock(CLOCK_MONOTONIC);
    log->sinks.wall_ns = read_clock(CLOCK_REALTIME);
    sup_view_init(&log->sinks.view, options->output_fd, options->is_quiet, options->is_coloured);

    struct epoll_event event = {.events = EPOLLIN, .data.ptr = log};
    int code = sup_staging_init(&log->sinks.staging, options->staging_read, options->staging_write);
    if (code < 0) goto no_staging;
    log->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (log->epoll < 0) {
        code = -errno;
        goto no_epoll;
    }
    if (epoll_ctl(log->epoll, EPOLL_CTL_ADD, log->socket, &event) < 0) {
        code = -errno;
        goto no_socket;
    }
    watch_signals(log);
    (void) prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
    code = sup_rings_init(&log->sinks.rings, options->rings_fd);
    if (code < 0)
        sup_sinks_notice(&log->sinks,
                         "log process: cannot map the last output of the services: %s; files and "
                         "terminal go on, `logs` stays empty: raise the limit of address space",
                         strerror(-code));
    sup_notes_init(&log->sinks.notes, &log->sinks.rings, &log->sinks.staging);
    sup_files_init(&log->sinks.files);
    log->sinks.files.opened = mend_file;
    log->sinks.files.context = &log->sinks.notes;
    return 0;

no_socket:
    close(log->epoll);
no_epoll:
    sup_staging_finish(&log->sinks.staging);
no_staging:
    sup_view_finish(&log->sinks.view);
    return code;
}

void sup_log_finish(struct sup_log *log)
{
    bury_dead(log);
    sup_list_each_safe(link, &log->sources)
        sup_source_destroy(sup_container(link, struct sup_source, all));
    if (log->socket >= 0) close(log->socket);
    if (log->message_fd >= 0) close(log->message_fd);
    if (log->signals >= 0) close(log->signals);
    close(log->epoll);
    sup_rings_finish(&log->sinks.rings);
    sup_staging_finish(&log->sinks.staging);
    sup_view_finish(&log->sinks.view);
}
