/*
** engine/orphan.c: the keeper is gone, and with it all that this host could ask for. What is left
** is to stop the tree in order, over the pidfds that came with the processes. Must not know how
** long anything may take: the core's budgets hold here too.
**
** Statuses are somebody else's now: they are asked of the pidfd where the kernel can say (6.15),
** else they are lost.
*/
#include "engine/inside.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64
#define BIRTHS_AT_ONCE 128
#define PATIENCE_MS 500        /* in all, for new parents that are slow to reap */
#define SIGNAL_GROUP (1U << 2) /* PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9 */

/* linux/pidfd.h of 6.15, which the headers at hand may not have. */
struct pidfd_facts {
    uint64_t mask;
    uint64_t cgroup;
    uint32_t ids[11];
    int32_t exit_code;
};
#define PIDFD_FACT_EXIT (UINT64_C(1) << 3)
#define ASK_PIDFD _IOWR(0xFF, 11, struct pidfd_facts)

_Static_assert(sizeof(struct pidfd_facts) == 64, "the kernel's first version of it");

/* --- signals ---------------------------------------------------------------------------------- */

static int send_signal(int pidfd, int signal, unsigned flags)
{
    return (int) syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, flags);
}

void sup_orphan_signal(struct sup_engine *engine, struct sup_slot *slot, int signal, bool group)
{
    (void) engine;
    if (slot->pidfd < 0) return;
    if (group && send_signal(slot->pidfd, signal, SIGNAL_GROUP) == 0) return;
    int r = send_signal(slot->pidfd, signal, 0);
    /* It was there a moment ago, so its group can hardly mean another. */
    if (r == 0 && group && slot->pid > 0) kill(-slot->pid, signal);
}

/* What the process leaves behind in its group has nobody any more. Until its new parent has
   reaped it, its pid can mean no other group; the flag is exact at any time. */
static void kill_rest(const struct sup_slot *slot)
{
    if (send_signal(slot->pidfd, SIGKILL, SIGNAL_GROUP) == 0) return;
    if (errno == EINVAL && slot->pid > 0) kill(-slot->pid, SIGKILL);
}

/* --- ends ------------------------------------------------------------------------------------- */

static struct sup_outcome ask_outcome(struct sup_engine *engine, int pidfd)
{
    struct pidfd_facts facts = {.mask = PIDFD_FACT_EXIT};
    struct pollfd reaped = {.fd = pidfd};
    int64_t before_ns = sup_engine_clock();
    poll(&reaped, 1, engine->orphan_patience_ms);
    int64_t waited_ms = (sup_engine_clock() - before_ns) / INT64_C(1000000);
    engine->orphan_patience_ms -= (int) waited_ms;
    if (engine->orphan_patience_ms < 0) engine->orphan_patience_ms = 0;
    if (ioctl(pidfd, ASK_PIDFD, &facts) == 0 && (facts.mask & PIDFD_FACT_EXIT) != 0)
        return sup_process_outcome(facts.exit_code);
    return (struct sup_outcome){SUP_END_LOST, 0};
}

static void end_instance(struct sup_engine *engine, struct sup_slot *slot,
                         struct sup_outcome outcome)
{
    struct sup_input input = {
        .type = SUP_IN_ENDED,
        .node = slot->node,
        .instance = slot->instance,
        .outcome = outcome,
    };
    sup_ready_cancel(engine, slot);
    pthread_mutex_lock(&engine->mutex);
    if (slot->pidfd >= 0) close(slot->pidfd); /* and with it its place in the epoll set */
    slot->pidfd = -1;
    slot->live = slot->launching = slot->exiting = false;
    slot->ended_ns = engine->now_ns;
    pthread_mutex_unlock(&engine->mutex);
    sup_engine_apply(engine, &input);
}

static void on_ends(uv_poll_t *poll, int status, int events)
{
    struct sup_engine *engine = poll->data;
    struct epoll_event ready[EVENTS_AT_ONCE];
    (void) status, (void) events;
    int count = epoll_wait(engine->orphan_epoll, ready, EVENTS_AT_ONCE, 0);
    sup_engine_tick(engine);
    for (int i = 0; i < count; i++) {
        struct sup_slot *slot = sup_slots_at(&engine->slots, ready[i].data.u32);
        if (slot == NULL || slot->pidfd < 0) continue;
        kill_rest(slot);
        end_instance(engine, slot, ask_outcome(engine, slot->pidfd));
    }
    sup_loop_settle(engine);
}

/* --- what the keeper did not tell any more ---------------------------------------------------- */

static int open_process(pid_t pid)
{
    return (int) syscall(SYS_pidfd_open, pid, 0);
}

/* A command beside a service: the keeper's death has killed it, if not what it has made. */
static void kill_command(const struct sup_birth *birth)
{
    kill(-birth->pid, SIGKILL);
}

/* It was made, and the keeper died before it could say so: what it would have said. */
static void hear_of_birth(struct sup_engine *engine, const struct sup_birth *birth)
{
    const struct sup_slot *slot = sup_slots_find(&engine->slots, birth->node);
    if (slot == NULL || slot->kind != SUP_PROCESS || !slot->launching) return;
    if (slot->instance + engine->bases.instance != birth->instance) return;
    int pidfd = open_process(birth->pid);
    if (pidfd < 0 && errno == ESRCH) return;
    struct sup_wire spawned = {
        .type = SUP_WIRE_SPAWNED,
        .node = birth->node,
        .instance = birth->instance,
        .generation = slot->generation,
        .time_ns = engine->now_ns,
        .a = birth->pid,
    };
    sup_process_fact(engine, &spawned, pidfd);
}

static void hear_of_births(struct sup_engine *engine)
{
    struct sup_birth births[BIRTHS_AT_ONCE];
    off_t at = 0;
    ssize_t size;
    while (engine->births >= 0 &&
           (size = pread(engine->births, births, sizeof births, at)) >= (ssize_t) sizeof *births) {
        size_t count = (size_t) size / sizeof *births;
        for (size_t i = 0; i < count; i++)
            if (births[i].pid > 0 && births[i].kind != 0) kill_command(&births[i]);
            else if (births[i].pid > 0) hear_of_birth(engine, &births[i]);
        at += (off_t) (count * sizeof *births);
    }
}

/* Those that the keeper could not give, for lack of descriptors. */
static void open_missing_pidfds(struct sup_engine *engine)
{
    for (size_t i = 0; i < sup_slots_room(&engine->slots); i++) {
        struct sup_slot *slot = sup_slots_at(&engine->slots, i);
        if (slot->node == 0 || slot->kind != SUP_PROCESS || !slot->live) continue;
        if (slot->pidfd < 0 && slot->pid > 0) slot->pidfd = open_process(slot->pid);
    }
}

/* --- beginning -------------------------------------------------------------------------------- */

/* True: the end of what runs in ${slot} will be heard of. */
static bool watch(struct sup_engine *engine, struct sup_slot *slot, uint32_t index)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    if (engine->orphan_epoll < 0 || slot->pidfd < 0) return false;
    return epoll_ctl(engine->orphan_epoll, EPOLL_CTL_ADD, slot->pidfd, &event) == 0;
}

static void take_over(struct sup_engine *engine)
{
    for (uint32_t i = 0; i < sup_slots_room(&engine->slots); i++) {
        struct sup_slot *slot = sup_slots_at(&engine->slots, i);
        if (slot->node == 0 || slot->kind != SUP_PROCESS) continue;
        if (slot->launching) sup_engine_refuse(engine, slot, EPIPE, false, "the keeper died");
        else if (slot->exiting) end_instance(engine, slot, sup_process_outcome(slot->exit_status));
        else if (slot->live && !watch(engine, slot, i))
            end_instance(engine, slot, (struct sup_outcome){SUP_END_LOST, 0});
        /* The keeper may have had no time to do it. */
        else if (slot->live && slot->killed) sup_orphan_signal(engine, slot, SIGKILL, true);
    }
}

static void open_epoll(struct sup_engine *engine)
{
    engine->orphan_epoll = epoll_create1(EPOLL_CLOEXEC);
    if (engine->orphan_epoll < 0) return;
    engine->orphan_poll.data = engine;
    if (uv_poll_init(&engine->uv, &engine->orphan_poll, engine->orphan_epoll) == 0 &&
        uv_poll_start(&engine->orphan_poll, UV_READABLE, on_ends) == 0)
        return;
    close(engine->orphan_epoll);
    engine->orphan_epoll = -1;
}

static void tell_death(struct sup_engine *engine)
{
    const char *then = engine->library != NULL
                           ? "their supervisor ends; make a new one"
                           : "this host ends with code 70; run it again afterwards";
    char text[160];
    snprintf(text, sizeof text, "the keeper has died: the services are stopped in order, then %s",
             then);
    if (engine->lines.fd >= 0) sup_tell_line(engine, "%s", text);
    else fprintf(stderr, "suptree: %s\n", text);
}

void sup_orphan_begin(struct sup_engine *engine)
{
    struct sup_input stop = {.type = SUP_IN_STOP, .text = "the keeper died"};
    if (engine->library != NULL) sup_library_check_socket(engine);
    engine->orphaned = engine->link.lost = true;
    engine->orphan_patience_ms = PATIENCE_MS;
    uv_poll_stop(&engine->keeper_poll);
    uv_timer_stop(&engine->heartbeat);
    tell_death(engine);
    open_epoll(engine);
    hear_of_births(engine);
    open_missing_pidfds(engine);
    /* Stop before looking at ends: what turns out to have ended is then not started again. */
    sup_engine_apply(engine, &stop);
    take_over(engine);
    sup_engine_apply_refusals(engine);
    engine->stopping = true;
    engine->progress_ns = engine->now_ns;
}

void sup_orphan_finish(struct sup_engine *engine)
{
    if (engine->orphan_epoll >= 0) close(engine->orphan_epoll);
    engine->orphan_epoll = -1;
}
