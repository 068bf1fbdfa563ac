/*
** keeper/loop.c: making a keeper, and its one loop: deaths first, then what was said, then what is
** due. The only place that waits, and the only one that reads the clock for others.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define BATCH 256          /* events at a time */
#define WORDS_AT_A_TIME 16 /* messages of the host before deaths are looked at again */
#define SLOT_BITS 24

_Static_assert(SUP_KEEPER_INSTANCES <= 1 << SLOT_BITS, "a slot fits into an epoll event");

int64_t sup_keeper_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * SUP_KEEPER_S + now.tv_nsec;
}

/* --- what is watched ------------------------------------------------------------------------ */

int sup_keeper_watch(struct sup_keeper *keeper, int fd, enum sup_keeper_watch watch, uint32_t slot,
                     uint32_t check, uint32_t events, uint32_t had)
{
    struct epoll_event event = {
        .events = events,
        .data.u64 = (uint64_t) watch << 56 | (uint64_t) slot << 32 | check,
    };
    int operation = had == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    return epoll_ctl(keeper->epoll, operation, fd, &event) < 0 ? -errno : 0;
}

int sup_keeper_watch_child(struct sup_keeper *keeper, int pidfd, enum sup_keeper_watch watch,
                           uint32_t slot, uint32_t check)
{
    if (pidfd < 0) return 0;
    if (sup_keeper_watch(keeper, pidfd, watch, slot, check, EPOLLIN, 0) == 0) return pidfd;
    close(pidfd);
    return 0;
}

static enum sup_keeper_watch watch_of(const struct epoll_event *event)
{
    return (enum sup_keeper_watch)(event->data.u64 >> 56);
}

/* The live instance that ${event} is about; NULL: its slot holds another one by now. */
static struct sup_keeper_instance *instance_of(struct sup_keeper *keeper,
                                               const struct epoll_event *event)
{
    uint32_t slot = (uint32_t) (event->data.u64 >> 32) & ((1u << SLOT_BITS) - 1);
    struct sup_keeper_instance *instance = &keeper->instances[slot];
    if (instance->state != SUP_INSTANCE_LIVE) return NULL;
    return (uint32_t) instance->instance == (uint32_t) event->data.u64 ? instance : NULL;
}

static void reap_probe(struct sup_keeper *keeper, const struct epoll_event *event)
{
    uint32_t slot = (uint32_t) (event->data.u64 >> 32) & ((1u << SLOT_BITS) - 1);
    struct sup_keeper_probe *probe = &keeper->probes[slot];
    if (probe->pid != 0 && (uint32_t) probe->pid == (uint32_t) event->data.u64)
        sup_keeper_probe_reap(keeper, probe);
}

static void hear_start(struct sup_keeper *keeper, const struct epoll_event *event)
{
    struct sup_keeper_instance *instance = instance_of(keeper, event);
    if (instance != NULL && instance->report != 0) sup_keeper_hear_start(keeper, instance);
}

static void obey_event(struct sup_keeper *keeper, const struct epoll_event *event)
{
    switch (watch_of(event)) {
    case SUP_WATCH_SIGNALS:
        sup_keeper_signals_read(keeper);
        break;
    case SUP_WATCH_HOST_SOCKET:
        if ((event->events & (EPOLLOUT | EPOLLERR)) != 0) keeper->host.blocked = false;
        sup_keeper_listen(keeper, WORDS_AT_A_TIME);
        sup_keeper_host_watch(keeper);
        break;
    case SUP_WATCH_HOST:
        sup_keeper_host_check(keeper);
        break;
    case SUP_WATCH_LOGGER_SOCKET:
        sup_keeper_logger_unblock(keeper);
        break;
    case SUP_WATCH_LOGGER:
        sup_keeper_logger_check(keeper);
        break;
    case SUP_WATCH_REPORT:
        hear_start(keeper, event);
        break;
    case SUP_WATCH_PROBE:
        reap_probe(keeper, event);
        break;
    case SUP_WATCH_INSTANCE:
        break; /* was seen to already */
    }
}

static void obey_events(struct sup_keeper *keeper, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        if (watch_of(&events[i]) != SUP_WATCH_INSTANCE) continue;
        struct sup_keeper_instance *instance = instance_of(keeper, &events[i]);
        if (instance != NULL) sup_keeper_reap(keeper, instance);
    }
    for (int i = 0; i < count; i++) obey_event(keeper, &events[i]);
}

/* --- the loop ------------------------------------------------------------------------------- */

static void tick(struct sup_keeper *keeper)
{
    int64_t now_ns = sup_keeper_now();
    sup_keeper_reap_tick(keeper, now_ns);
    sup_keeper_limit_tick(keeper, now_ns);
    sup_keeper_sweep_tick(keeper, now_ns);
    sup_keeper_host_tick(keeper, now_ns);
    sup_keeper_stop_tick(keeper, now_ns);
    sup_keeper_logger_tick(keeper, now_ns);
}

/* Milliseconds until something is due, rounded up; -1: for ever. */
static int time_to_wait(const struct sup_keeper *keeper)
{
    int64_t deadlines[] = {
        keeper->children_ns,
        keeper->limit_ns,
        keeper->sweep_ns,
        sup_keeper_host_deadline(keeper),
        sup_keeper_logger_deadline(keeper),
        sup_keeper_stop_deadline(keeper),
    };
    int64_t first = SUP_KEEPER_NEVER;
    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++)
        if (deadlines[i] < first) first = deadlines[i];
    if (first >= SUP_KEEPER_NEVER - 1) return -1;
    int64_t wait_ns = first - sup_keeper_now();
    if (wait_ns <= 0) return 0;
    int64_t wait_ms = (wait_ns + SUP_KEEPER_MS - 1) / SUP_KEEPER_MS;
    return wait_ms > INT32_MAX ? INT32_MAX : (int) wait_ms;
}

int sup_keeper_run(struct sup_keeper *keeper)
{
    struct epoll_event events[BATCH];
    for (;;) {
        tick(keeper);
        if (keeper->phase == SUP_PHASE_DONE) {
            sup_keeper_sweep_finish(keeper);
            sup_keeper_cgroup_finish(keeper);
            return keeper->code;
        }
        bool has_work = sup_keeper_cgroup_has_work(keeper);
        int wait_ms = has_work ? 0 : time_to_wait(keeper);
        int count = epoll_wait(keeper->epoll, events, BATCH, wait_ms);
        if (count == 0 && has_work) sup_keeper_cgroup_work(keeper);
        if (count > 0) obey_events(keeper, events, count);
    }
}

/* --- making one ----------------------------------------------------------------------------- */

static struct sup_keeper *reserve(void)
{
    void *memory = mmap(NULL, sizeof(struct sup_keeper), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    /* A huge page for each table that is touched at one place would be megabytes for nothing. */
    madvise(memory, sizeof(struct sup_keeper), MADV_NOHUGEPAGE);
    return memory;
}

static void find_own_folder(struct sup_keeper *keeper)
{
    ssize_t size = readlink("/proc/self/exe", keeper->beside, sizeof keeper->beside - 1);
    keeper->beside[size < 0 ? 0 : size] = '\0';
    char *slash = strrchr(keeper->beside, '/');
    if (slash != NULL) slash[1] = '\0';
}

/* The parts in the order in which they need each other; ${what} names the one that fails. */
static int make_parts(struct sup_keeper *keeper, const char **what)
{
    int r = sup_spawner_init(&keeper->spawner, keeper->sys);
    *what = "keep descriptors for children";
    if (r < 0) return r;
    sup_spawner_raise_limits(&keeper->spawner);
    sup_mounts_init(&keeper->mounts, keeper->options.slow);
    keeper->spawner.mounts = &keeper->mounts;
    sup_keeper_cgroup_init(keeper);
    sup_keeper_oom_init(keeper);
    *what = "take signals";
    keeper->signals = sup_keeper_signals_init();
    if (keeper->signals < 0) return keeper->signals;
    *what = "adopt orphans";
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return -errno;
    *what = "watch descriptors";
    keeper->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (keeper->epoll < 0) return -errno;
    r = sup_keeper_watch(keeper, keeper->signals, SUP_WATCH_SIGNALS, 0, 0, EPOLLIN, 0);
    if (r < 0) return r;
    *what = "make the pipes for output";
    r = sup_keeper_logger_init(keeper);
    if (r < 0) return r;
    *what = "make the table of processes";
    r = sup_keeper_births_init(keeper);
    if (r < 0) return r;
    *what = "listen to the host";
    return sup_keeper_host_init(keeper);
}

struct sup_keeper *sup_keeper_create(const struct sup_keeper_options *options,
                                     const struct sup_sys *sys, char **env, int *error,
                                     const char **what)
{
    *what = "reserve memory";
    *error = -ENOMEM;
    struct sup_keeper *keeper = reserve();
    if (keeper == NULL) return NULL;
    keeper->options = *options;
    keeper->sys = sys;
    keeper->env = env;
    keeper->children_ns = SUP_KEEPER_NEVER;
    keeper->sweep_ns = keeper->limit_ns = SUP_KEEPER_NEVER;
    for (int kind = 0; kind < SUP_FD_COUNT; kind++) keeper->fds[kind] = -1;
    keeper->fds[SUP_FD_BLOB] = options->blob;
    keeper->fds[SUP_FD_CONTROL] = options->control;
    keeper->fds[SUP_FD_CONTROL_LOCK] = options->control_lock;
    sup_list_init(&keeper->tell_queue);
    sup_list_init(&keeper->output_queue);
    sup_list_init(&keeper->log_queue);
    sup_list_init(&keeper->draining);
    sup_list_init(&keeper->probe_queue);
    sup_list_init(&keeper->limits);
    find_own_folder(keeper);
    *error = make_parts(keeper, what);
    if (*error == 0) return keeper;
    munmap(keeper, sizeof *keeper);
    return NULL;
}
