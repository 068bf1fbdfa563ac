/*
** keeper/reap.c: the ends of children. Services, the host, suptree-log, and strangers: orphans of
** services, or everybody's orphans when the keeper is PID 1.
** Must not know what follows from an end.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Strangers wait this long for their reaping: looking at all children takes time that grows with
   them, just when the host asks for the next start. */
#define STRANGERS_NS (10 * SUP_KEEPER_MS)

static int64_t time_of(const struct timeval *t)
{
    return (int64_t) t->tv_sec * SUP_KEEPER_S + (int64_t) t->tv_usec * 1000;
}

static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

static void kill_rest(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    const struct sup_plan *plan = instance->node->plan;
    if (plan != NULL && plan->kill_mode == SUP_KILL_PROCESS) return;
    keeper->sys->kill(-sup_keeper_group_of(instance), SIGKILL);
}

/* What the next instance writes comes behind that, however late suptree-log hears of the end. */
static uint32_t count_left(const struct sup_keeper_node *node)
{
    int size = 0;
    if (node->log_read == 0 || ioctl(node->log_read, FIONREAD, &size) < 0) return 0;
    return (uint32_t) size + 1;
}

/* Nothing of it runs any more. */
static void finish(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    struct sup_keeper_node *node = instance->node;
    bool failed = instance->failed_step != 0;
    instance->state = failed ? SUP_INSTANCE_FAILED : SUP_INSTANCE_ENDED;
    if (failed) instance->status = instance->failed_step;
    sup_keeper_disinherit(instance);
    if (instance->ended_ns == 0) instance->ended_ns = sup_keeper_now();
    sup_keeper_tell(keeper, instance, SUP_TELL_END);
    sup_keeper_talk(keeper);

    sup_keeper_leave_process(keeper, instance);
    instance->node = NULL;
    keeper->live--;
    node->instances--;
    if (node->newest == instance) node->newest = NULL;
    node->ended_generation = instance->generation;
    node->ended_left = count_left(node);
    sup_keeper_logger_news(keeper, node, SUP_NEWS_ENDED);
    sup_keeper_stop_ended(keeper, instance);
    sup_keeper_node_leave(keeper, node);
}

void sup_keeper_reap(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    int status;
    struct rusage usage;
    if (!has_ended(instance->pid)) return;
    if (instance->report != 0) sup_keeper_hear_start(keeper, instance);
    if (sup_keeper_may_have_heir(keeper, instance)) {
        int64_t soon_ns = sup_keeper_now() + SUP_KEEPER_MS;
        if (soon_ns < keeper->children_ns) keeper->children_ns = soon_ns;
        return;
    }
    if (sup_keeper_succeed(keeper, instance)) return;
    /* What is left of the service goes with it; while the main process is a zombie, the id of
       the group cannot have become somebody else's. */
    kill_rest(keeper, instance);
    sup_keeper_birth_clear(keeper, instance);
    if (keeper->sys->wait(instance->pid, &status, WNOHANG, &usage) != instance->pid) return;
    if (instance->stage == SUP_STAGE_MAIN) {
        instance->status = status;
        instance->ended_ns = sup_keeper_now();
        sup_keeper_limits_ended(keeper, instance, status, usage.ru_maxrss);
        instance->cpu_ns = time_of(&usage.ru_utime) + time_of(&usage.ru_stime);
        sup_keeper_probes_end(keeper, instance);
        sup_keeper_close_ears(instance);
    }
    if (!sup_keeper_stage_goes_on(keeper, instance, status)) finish(keeper, instance);
}

static void reap_stranger(struct sup_keeper *keeper, pid_t pid)
{
    int status;
    struct rusage usage;
    if (keeper->sys->wait(pid, &status, WNOHANG, &usage) != pid) return;
    if (getpid() == 1) sup_keeper_tell_stranger(keeper, pid, status);
}

static void reap_all(struct sup_keeper *keeper)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
            if (errno == EINTR) continue;
            return;
        }
        pid_t pid = info.si_pid;
        if (pid == 0) return;
        struct sup_keeper_instance *instance = sup_keeper_instance_of_pid(keeper, pid);
        struct sup_keeper_probe *probe;
        if (instance != NULL) {
            sup_keeper_reap(keeper, instance);
            if (instance->pid == pid) return; /* not yet */
        } else if (pid == keeper->host.pid) sup_keeper_host_check(keeper);
        else if (pid == keeper->logger.pid) sup_keeper_logger_check(keeper);
        else if ((probe = sup_keeper_probe_of_pid(keeper, pid)) != NULL)
            sup_keeper_probe_reap(keeper, probe);
        else reap_stranger(keeper, pid);
    }
}

static bool has_unwatched(const struct sup_keeper *keeper)
{
    return keeper->unwatched > 0 || (keeper->host.pid != 0 && keeper->host.pidfd == 0) ||
           (keeper->logger.pid != 0 && keeper->logger.pidfd == 0);
}

void sup_keeper_children_ended(struct sup_keeper *keeper)
{
    int64_t due_ns = sup_keeper_now() + (has_unwatched(keeper) ? 0 : STRANGERS_NS);
    if (due_ns < keeper->children_ns) keeper->children_ns = due_ns;
}

void sup_keeper_reap_tick(struct sup_keeper *keeper, int64_t now_ns)
{
    if (now_ns < keeper->children_ns) return;
    keeper->children_ns = SUP_KEEPER_NEVER;
    reap_all(keeper);
}
