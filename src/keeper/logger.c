/*
** keeper/logger.c: the life of suptree-log and what it is told. The keeper keeps the read end of
** every pipe, so a new suptree-log goes on where the former one stopped.
** Nothing is stored for sending: bits in the nodes say what is owed. Knows nothing of what is
** written.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMPLAIN_NS (60 * SUP_KEEPER_S)    /* the same trouble is said this often */
#define FIRST_LOOK_NS (50 * SUP_KEEPER_MS) /* after GONE: has all been read? Then ever later */
#define LAST_LOOK_NS (5 * SUP_KEEPER_S)
#define SOCKET_IN_CHILD "3"
#define RINGS_IN_CHILD "4"
#define STAGING_READ_IN_CHILD "5"
#define STAGING_WRITE_IN_CHILD "6"
#define LOG_PROGRAM "suptree-log"

/* --- what is shared ------------------------------------------------------------------------- */

/* The rings, sparse and of fixed size; hosts get a descriptor that cannot write. */
static int make_rings(struct sup_keeper *keeper)
{
    char path[64];
    int fd = memfd_create("suptree-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    keeper->rings = fd;
    /* Where a limit of file sizes forbids the second part, no ring is larger than its slot. */
    if (ftruncate(fd, (off_t) SUP_RINGS_END) < 0 && ftruncate(fd, (off_t) SUP_RINGS_AREA) < 0)
        return -errno;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) return -errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int readable = open(path, O_RDONLY | O_CLOEXEC);
    if (readable < 0) readable = keeper->sys->duplicate_above(fd, SUP_SPAWN_FIRST_FREE);
    if (readable < 0) return -errno;
    keeper->fds[SUP_FD_RINGS] = readable;
    return 0;
}

static int make_special(struct sup_keeper *keeper, struct sup_keeper_node *node, uint32_t mode,
                        const char *name, const char *file)
{
    node->state = SUP_NODE_KNOWN;
    node->mode = mode;
    node->name = name;
    node->file = file;
    int r = sup_keeper_make_pipe(keeper, node);
    if (r < 0) return r;
    return fcntl(node->log_write, F_SETFL, O_WRONLY | O_NONBLOCK) < 0 ? -errno : 0;
}

int sup_keeper_logger_init(struct sup_keeper *keeper)
{
    struct sup_keeper_logger *logger = &keeper->logger;
    keeper->rings = keeper->staging[0] = keeper->staging[1] = logger->socket = -1;
    keeper->host_output.token = SUP_RING_HOST;
    keeper->events.token = SUP_RING_EVENTS;
    sup_list_init(&keeper->host_output.log_link);
    sup_list_init(&keeper->events.log_link);
    logger->patience.start_ns = SUP_KEEPER_NEVER;
    if (keeper->options.no_log) return 0;
    logger->patience.start_ns = sup_keeper_now();
    int r = make_rings(keeper);
    if (r == 0) r = keeper->sys->pipe(keeper->staging);
    if (r < 0) return r;
    r = make_special(keeper, &keeper->host_output, SUP_LOG_VIEW, "suptree", "");
    if (r < 0) return r;
    keeper->fds[SUP_FD_OUTPUT] = keeper->host_output.log_write;
    if (keeper->options.events == NULL) return 0;
    r = make_special(keeper, &keeper->events, SUP_LOG_EVENTS, "events", keeper->options.events);
    if (r < 0) return r;
    keeper->fds[SUP_FD_EVENTS] = keeper->events.log_write;
    return 0;
}

/* --- telling -------------------------------------------------------------------------------- */

static void watch_socket(struct sup_keeper *keeper)
{
    struct sup_keeper_logger *logger = &keeper->logger;
    uint32_t events = logger->blocked ? EPOLLOUT : 0;
    if (logger->socket < 0 || events == logger->watched) return;
    if (sup_keeper_watch(keeper, logger->socket, SUP_WATCH_LOGGER_SOCKET, 0, 0, events,
                         logger->watched) == 0)
        logger->watched = events;
}

void sup_keeper_logger_news(struct sup_keeper *keeper, struct sup_keeper_node *node, uint8_t news)
{
    if (node->log_read == 0) return;
    if (node->news == 0) sup_list_insert(&keeper->log_queue, &node->log_link);
    node->news |= news;
    /* What a SOURCE will say anyway. */
    if ((node->news & SUP_NEWS_SOURCE) != 0) node->news &= (uint8_t) ~SUP_NEWS_SETTINGS;
}

static int tell(struct sup_keeper *keeper, const struct sup_keeper_node *node,
                enum sup_log_wire_type type, bool with_pipe)
{
    struct sup_log_wire message = {.type = (uint16_t) type,
                                   .mode = node->mode,
                                   .node = node->token};
    bool source = type == SUP_LOG_SOURCE;
    if (source && node->settings != NULL) message.settings = *node->settings;
    if (type == SUP_LOG_ENDED) {
        message.mode = node->ended_generation;
        message.left = node->ended_left;
    }
    int fd = with_pipe ? node->log_read : -1;
    int r = sup_log_wire_send(keeper->logger.socket, &message, source ? node->name : NULL,
                              source ? node->file : NULL, fd);
    if (r != -ENAMETOOLONG) return r;
    sup_keeper_say("the name of node %u and its log file are too long together; its output is "
                   "shown without them: choose shorter ones",
                   (unsigned) node->token);
    message.mode = SUP_LOG_VIEW;
    return sup_log_wire_send(keeper->logger.socket, &message, "(name too long)", "", fd);
}

/* Tell the first thing that is owed about ${node}. */
static int tell_next(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    static const struct {
        uint8_t news;
        uint8_t type;
        bool with_pipe;
    } order[] = {
        {SUP_NEWS_SOURCE, SUP_LOG_SOURCE, true},
        {SUP_NEWS_SETTINGS, SUP_LOG_SOURCE, false},
        {SUP_NEWS_ENDED, SUP_LOG_ENDED, false},
        {SUP_NEWS_GONE, SUP_LOG_GONE, false},
    };
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if ((node->news & order[i].news) == 0) continue;
        int r = tell(keeper, node, order[i].type, order[i].with_pipe);
        if (r == 0) node->news &= (uint8_t) ~order[i].news;
        return r;
    }
    return 0;
}

static bool is_drained(const struct sup_keeper_node *node)
{
    int waiting = 0;
    return ioctl(node->log_read, FIONREAD, &waiting) < 0 || waiting == 0;
}

/* Everything was told about ${node}. One that has left the tree goes once its output is read. */
static void settle(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    sup_list_remove(&node->log_link);
    if (node->state != SUP_NODE_DRAINING) return;
    if (is_drained(node)) {
        sup_keeper_node_drained(keeper, node);
        return;
    }
    sup_list_insert(&keeper->draining, &node->log_link);
    keeper->drain_pause_ns = FIRST_LOOK_NS;
    keeper->drain_ns = sup_keeper_now() + FIRST_LOOK_NS;
}

static int tell_quit(struct sup_keeper *keeper)
{
    struct sup_log_wire message = {.type = SUP_LOG_QUIT};
    int r = sup_log_wire_send(keeper->logger.socket, &message, NULL, NULL, -1);
    if (r == 0) keeper->logger.quit_said = true;
    return r;
}

void sup_keeper_logger_talk(struct sup_keeper *keeper)
{
    struct sup_keeper_logger *logger = &keeper->logger;
    int r = 0;
    if (logger->socket < 0 || logger->blocked) return;
    while (r == 0 && !sup_list_empty(&keeper->log_queue)) {
        struct sup_keeper_node *node =
            sup_container(keeper->log_queue.next, struct sup_keeper_node, log_link);
        r = tell_next(keeper, node);
        if (r == 0 && node->news == 0) settle(keeper, node);
    }
    if (r == 0 && keeper->phase == SUP_PHASE_QUIT && !logger->quit_said) r = tell_quit(keeper);
    if (r == 0 || r == -EPIPE) return; /* dead: its end is noticed, the next one is told again */
    logger->blocked = true;
    watch_socket(keeper);
}

void sup_keeper_logger_unblock(struct sup_keeper *keeper)
{
    keeper->logger.blocked = false;
    sup_keeper_logger_talk(keeper);
    watch_socket(keeper);
}

/* --- starting and ending -------------------------------------------------------------------- */

/* A new suptree-log knows nothing: owe everything about ${node} again. */
static void owe_again(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    if (node->state == SUP_NODE_FREE || node->log_read == 0) return;
    sup_list_remove(&node->log_link); /* from either list */
    node->news = 0;
    node->ended_left = 0; /* some of it may have been read since */
    uint8_t news = SUP_NEWS_SOURCE;
    bool process = node->plan != NULL && (node->plan->flags & SUP_PLAN_NO_PROCESS) == 0;
    if (process && node->instances == 0) news |= SUP_NEWS_ENDED;
    if (node->state == SUP_NODE_DRAINING) news |= SUP_NEWS_GONE;
    sup_keeper_logger_news(keeper, node, news);
}

static void owe_everything(struct sup_keeper *keeper)
{
    owe_again(keeper, &keeper->host_output);
    owe_again(keeper, &keeper->events);
    for (uint32_t i = 0; i < keeper->node_high; i++) owe_again(keeper, &keeper->nodes[i]);
}

static void fail_to_start(struct sup_keeper *keeper, int step, int error, int64_t now_ns)
{
    struct sup_keeper_logger *logger = &keeper->logger;
    char when[32];
    sup_keeper_be_patient(keeper, &logger->patience, now_ns);
    if (logger->complained_ns != 0 &&
        now_ns - logger->complained_ns < sup_keeper_time(keeper, COMPLAIN_NS))
        return;
    logger->complained_ns = now_ns;
    sup_keeper_say("cannot start suptree-log (%s: %s); output waits in the pipes, and services "
                   "whose pipe is full wait too; trying again %s: check the installation",
                   sup_wire_step_text(step), sup_keeper_error_text(error),
                   sup_keeper_delay_text(logger->patience.start_ns - now_ns, when, sizeof when));
}

static pid_t spawn_logger(struct sup_keeper *keeper, int socket, int *pidfd, int *step)
{
    const struct sup_keeper_options *options = &keeper->options;
    char path[PATH_MAX + sizeof LOG_PROGRAM];
    snprintf(path, sizeof path, "%s%s", keeper->beside, LOG_PROGRAM);
    const char *argv[12] = {options->log != NULL ? options->log : path,
                            "--socket",
                            SOCKET_IN_CHILD,
                            "--rings-fd",
                            RINGS_IN_CHILD,
                            "--staging-read",
                            STAGING_READ_IN_CHILD,
                            "--staging-write",
                            STAGING_WRITE_IN_CHILD};
    size_t count = 9;
    if (options->quiet) argv[count++] = "--quiet";
    if (options->colour && !options->no_colour) argv[count++] = "--colour";
    struct sup_spawn_order order = {
        .argv = (char *const *) (uintptr_t) argv,
        .env = keeper->env,
        .out = -1,
        .err = -1,
        .extra = {socket, keeper->rings, keeper->staging[0], keeper->staging[1], -1},
        .cgroup = -1,
        .keep_limits = true,
    };
    return sup_spawn(&keeper->spawner, &order, pidfd, step);
}

static void start_logger(struct sup_keeper *keeper, int64_t now_ns)
{
    struct sup_keeper_logger *logger = &keeper->logger;
    int ends[2], pidfd = -1, step = SUP_STEP_DESCRIPTORS;
    int r = keeper->sys->socket_pair(ends);
    if (r < 0) {
        fail_to_start(keeper, step, -r, now_ns);
        return;
    }
    pid_t pid = spawn_logger(keeper, ends[1], &pidfd, &step);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        fail_to_start(keeper, step, -pid, now_ns);
        return;
    }
    logger->pid = pid;
    logger->pidfd = sup_keeper_watch_child(keeper, pidfd, SUP_WATCH_LOGGER, 0, 0);
    logger->socket = ends[0];
    logger->watched = 0;
    logger->blocked = logger->quit_said = false;
    logger->patience.started_ns = now_ns;
    logger->patience.start_ns = SUP_KEEPER_NEVER;
    owe_everything(keeper);
    sup_keeper_logger_talk(keeper);
}

static void close_logger(struct sup_keeper *keeper)
{
    struct sup_keeper_logger *logger = &keeper->logger;
    if (logger->watched != 0)
        sup_keeper_watch(keeper, logger->socket, SUP_WATCH_LOGGER_SOCKET, 0, 0, 0, logger->watched);
    close(logger->socket);
    logger->socket = -1;
    if (logger->pidfd != 0) {
        sup_keeper_watch(keeper, logger->pidfd, SUP_WATCH_LOGGER, 0, 0, 0, EPOLLIN);
        close(logger->pidfd);
        logger->pidfd = 0;
    }
    logger->pid = 0;
}

void sup_keeper_logger_ended(struct sup_keeper *keeper, int status)
{
    struct sup_keeper_logger *logger = &keeper->logger;
    char what[64], when[32];
    bool was_told = logger->quit_said;
    close_logger(keeper);
    /* One that ended by itself has said what it could not write: another could neither. */
    if (was_told && WIFEXITED(status)) {
        keeper->phase = SUP_PHASE_DONE;
        return;
    }
    int64_t now_ns = sup_keeper_now();
    sup_keeper_be_patient(keeper, &logger->patience, now_ns);
    sup_keeper_say("suptree-log %s; starting it again %s, no output is lost",
                   sup_keeper_status_text(status, what, sizeof what),
                   sup_keeper_delay_text(logger->patience.start_ns - now_ns, when, sizeof when));
}

void sup_keeper_logger_reopen(struct sup_keeper *keeper)
{
    if (keeper->logger.pid != 0) keeper->sys->kill(keeper->logger.pid, SIGUSR1);
}

void sup_keeper_logger_check(struct sup_keeper *keeper)
{
    struct sup_keeper_logger *logger = &keeper->logger;
    int status;
    struct rusage usage;
    if (logger->pid == 0 || keeper->sys->wait(logger->pid, &status, WNOHANG, &usage) != logger->pid)
        return;
    sup_keeper_logger_ended(keeper, status);
}

/* --- time ----------------------------------------------------------------------------------- */

static void look_at_draining(struct sup_keeper *keeper, int64_t now_ns)
{
    sup_list_each_safe(link, &keeper->draining)
    {
        struct sup_keeper_node *node = sup_container(link, struct sup_keeper_node, log_link);
        if (is_drained(node)) sup_keeper_node_drained(keeper, node);
    }
    keeper->drain_pause_ns *= 2;
    if (keeper->drain_pause_ns > LAST_LOOK_NS) keeper->drain_pause_ns = LAST_LOOK_NS;
    keeper->drain_ns = now_ns + keeper->drain_pause_ns;
}

/* At the end: not for ever, and not at all when there is nothing to wait for. */
static void tick_quit(struct sup_keeper *keeper, int64_t now_ns)
{
    struct sup_keeper_logger *logger = &keeper->logger;
    bool impossible = logger->pid == 0 && logger->complained_ns != 0;
    if (!keeper->options.no_log && !impossible && now_ns < keeper->phase_ns) return;
    if (logger->pid != 0) {
        sup_keeper_say("suptree-log has not finished in time and is killed; its last lines may be "
                       "missing");
        keeper->sys->kill(logger->pid, SIGKILL);
    }
    keeper->phase = SUP_PHASE_DONE;
}

void sup_keeper_logger_tick(struct sup_keeper *keeper, int64_t now_ns)
{
    struct sup_keeper_logger *logger = &keeper->logger;
    bool due = logger->patience.start_ns <= now_ns ||
               (keeper->phase == SUP_PHASE_QUIT && logger->patience.start_ns != SUP_KEEPER_NEVER &&
                logger->patience.step <= 1);
    if (due && keeper->phase != SUP_PHASE_DONE) start_logger(keeper, now_ns);
    sup_keeper_logger_talk(keeper);
    if (!sup_list_empty(&keeper->draining) && keeper->drain_ns <= now_ns)
        look_at_draining(keeper, now_ns);
    if (keeper->phase == SUP_PHASE_QUIT) tick_quit(keeper, now_ns);
}

int64_t sup_keeper_logger_deadline(const struct sup_keeper *keeper)
{
    int64_t deadline = keeper->logger.patience.start_ns;
    if (!sup_list_empty(&keeper->draining) && keeper->drain_ns < deadline)
        deadline = keeper->drain_ns;
    return deadline;
}
