/*
** log/commands.c: see commands.h.
*/
#define _GNU_SOURCE
#include "log/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMANDS_PER_ROUND 256
#define STALL_NS INT64_C(1000000000)

static struct sup_source *find_source(const struct sup_log *log, uint64_t node)
{
    uint32_t index = (uint32_t) node;
    if (index > SUP_RING_EVENTS) return NULL;
    struct sup_source *source = log->by_index[index];
    return source != NULL && source->node == node ? source : NULL;
}

/* Is ${fd} a pipe? It is made non-blocking: reading must never hold up the others. */
static bool prepare_pipe(int fd)
{
    struct stat status;
    if (fstat(fd, &status) < 0 || !S_ISFIFO(status.st_mode)) return false;
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* Whoever had the slot leaves: its last bytes go everywhere but into the ring of the new one. */
static void evict(struct sup_log *log, uint32_t index)
{
    struct sup_source *former = log->by_index[index];
    if (former == NULL) return;
    log->by_index[index] = NULL;
    former->is_evicted = true;
    sup_source_leave(former, &log->sinks);
    sup_log_settle(log, former);
}

static void refuse(struct sup_log *log, const char *name, const char *why)
{
    sup_sinks_notice(&log->sinks, "%s: its output cannot be shown: %s", name, why);
    if (log->message_fd >= 0) close(log->message_fd);
    log->message_fd = -1;
}

/* Returns 0, or -ENOMEM: the message has to be handled again. */
static int add_source(struct sup_log *log, const char *name, const char *path)
{
    uint64_t node = log->message.node;
    uint32_t index = (uint32_t) node;
    if (index > SUP_RING_EVENTS) {
        refuse(log, name,
               "its number is out of range; restart suptree with programs of one version");
        return 0;
    }
    if (log->message_fd < 0) {
        refuse(log, name, "no descriptor came with it; raise the limit of open files (ulimit -n)");
        return 0;
    }
    if (!prepare_pipe(log->message_fd)) {
        refuse(log, name,
               "what came with it is no pipe; restart suptree with programs of one version");
        return 0;
    }
    struct sup_source *source =
        sup_source_create(&log->message, &log->sinks.files, name, path, log->message_fd);
    if (source == NULL) return -ENOMEM;
    log->message_fd = -1;
    sup_notes_mend_pipe(&log->sinks.notes, node, source->pipe, &log->sinks.staging);
    evict(log, index);
    log->by_index[index] = source;
    sup_list_insert(&log->sources, &source->all);
    sup_source_try_file(source, &log->sinks);
    sup_log_settle(log, source);
    return 0;
}

static int change_source(struct sup_log *log, struct sup_source *source, const char *name,
                         const char *path)
{
    if (sup_source_change(source, &log->message, &log->sinks.files, name, path) < 0) return -ENOMEM;
    sup_source_try_file(source, &log->sinks);
    sup_source_turn(source, &log->sinks);
    sup_log_settle(log, source);
    return 0;
}

static int handle_source(struct sup_log *log)
{
    const char *name = log->text;
    const char *path = name + strlen(name) + 1;
    struct sup_source *source = find_source(log, log->message.node);
    if (log->message.mode != SUP_LOG_EVENTS) sup_view_see_name(&log->sinks.view, name);
    if ((uint32_t) log->message.node == SUP_RING_HOST) {
        log->sinks.has_host = true;
        log->sinks.host = log->message.node;
    }
    if (source != NULL && log->message_fd < 0) return change_source(log, source, name, path);
    return add_source(log, name, path);
}

static void begin_quit(struct sup_log *log)
{
    if (log->is_quitting) return;
    log->is_quitting = true;
    log->quit_at_ns = log->now_ns + SUP_QUIT_NS;
    if (log->socket >= 0) close(log->socket);
    log->socket = -1;
    sup_list_each_safe(link, &log->sources)
    {
        struct sup_source *source = sup_container(link, struct sup_source, all);
        sup_source_leave(source, &log->sinks);
        if (source->trouble != SUP_TROUBLE_NONE) {
            source->trouble = SUP_TROUBLE_NONE;
            sup_source_turn(source, &log->sinks);
        }
        sup_log_settle(log, source);
    }
}

/* Returns 0, or -ENOMEM: try again later. */
static int handle(struct sup_log *log)
{
    struct sup_source *source = find_source(log, log->message.node);
    switch ((enum sup_log_wire_type) log->message.type) {
    case SUP_LOG_SOURCE:
        return handle_source(log);
    case SUP_LOG_ENDED:
        if (source == NULL) break;
        sup_source_end_line(source, &log->sinks, log->message.mode, log->message.left);
        sup_log_settle(log, source);
        break;
    case SUP_LOG_GONE:
        if (source == NULL) break;
        sup_source_leave(source, &log->sinks);
        sup_log_settle(log, source);
        break;
    case SUP_LOG_QUIT:
        begin_quit(log);
        break;
    }
    return 0;
}

static void watch_socket(struct sup_log *log, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = log};
    if (log->socket >= 0) epoll_ctl(log->epoll, EPOLL_CTL_MOD, log->socket, &event);
}

/* Handle the message at hand. False: there was no memory, it waits. */
static bool handle_or_stall(struct sup_log *log)
{
    if (handle(log) < 0) {
        log->stalled_until_ns = log->now_ns + STALL_NS;
        watch_socket(log, EPOLLET);
        return false;
    }
    if (log->message_fd >= 0) close(log->message_fd);
    log->message_fd = -1;
    return true;
}

/* Does anybody have the write end of the host's pipe? */
static bool host_lives(const struct sup_log *log)
{
    const struct sup_source *source =
        log->sinks.has_host ? find_source(log, log->sinks.host) : NULL;
    if (source == NULL || source->pipe < 0) return false;
    struct pollfd pipe = {.fd = source->pipe};
    return poll(&pipe, 1, 0) == 0;
}

void sup_log_follow_host(struct sup_log *log)
{
    if (host_lives(log)) return;
    log->is_orphaned = false;
    begin_quit(log);
}

static void lose_keeper(struct sup_log *log)
{
    close(log->socket);
    log->socket = -1;
    log->is_orphaned = true;
    sup_log_follow_host(log);
}

void sup_log_take_commands(struct sup_log *log)
{
    if (log->stalled_until_ns != 0) return;
    for (int i = 0; i < COMMANDS_PER_ROUND && log->socket >= 0; i++) {
        int code = sup_log_wire_receive(log->socket, &log->message, log->text, &log->message_fd);
        if (code == -EAGAIN) return;
        if (code == 1 || code == -EMFILE) {
            if (!handle_or_stall(log)) return;
            continue;
        }
        if (code == 0) {
            lose_keeper(log);
            return;
        }
        log->is_foreign = true;
        sup_sinks_notice(&log->sinks,
                         "log process: cannot understand suptree-keeper: %s; "
                         "install programs of one version, then start again",
                         strerror(-code));
        begin_quit(log);
    }
}

void sup_log_resume_commands(struct sup_log *log)
{
    log->stalled_until_ns = 0;
    if (!handle_or_stall(log)) return;
    watch_socket(log, EPOLLIN);
    sup_log_take_commands(log);
}
