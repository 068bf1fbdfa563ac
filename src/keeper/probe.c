/*
** keeper/probe.c: commands that look whether a service is ready, or well: run beside its main
** process when the host asks, one of a kind at a time. What they find is said once to the host that
** is there. Must not know what follows from it.
**
** They end with the main process: what is left of them is killed.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- slots ---------------------------------------------------------------------------------- */

static struct sup_keeper_probe *take(struct sup_keeper *keeper)
{
    struct sup_keeper_probe *probe = keeper->free_probes;
    if (probe != NULL) keeper->free_probes = probe->next_free;
    else if (keeper->probe_high < SUP_KEEPER_PROBES) probe = &keeper->probes[keeper->probe_high++];
    else return NULL;
    memset(probe, 0, sizeof *probe);
    sup_list_init(&probe->tell_link);
    sup_list_init(&probe->limit.link);
    probe->limit.is_probe = true;
    return probe;
}

static void give_back(struct sup_keeper *keeper, struct sup_keeper_probe *probe)
{
    sup_list_remove(&probe->tell_link);
    memset(probe, 0, sizeof *probe);
    probe->next_free = keeper->free_probes;
    keeper->free_probes = probe;
}

struct sup_keeper_probe *sup_keeper_probe_of_pid(struct sup_keeper *keeper, pid_t pid)
{
    sup_list_each(link, &keeper->limits)
    {
        struct sup_keeper_limit *limit = sup_container(link, struct sup_keeper_limit, link);
        if (!limit->is_probe) continue;
        struct sup_keeper_probe *probe = sup_container(limit, struct sup_keeper_probe, limit);
        if (probe->pid == pid) return probe;
    }
    return NULL;
}

/* Where ${instance} holds its probe of ${kind}. */
static uint32_t *place_of(struct sup_keeper_instance *instance, uint32_t kind)
{
    return &instance->probes[kind == SUP_COMMAND_READY ? 0 : 1];
}

/* --- running -------------------------------------------------------------------------------- */

/* Returns the pid or -errno. */
static pid_t make(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                  struct sup_keeper_probe *probe, const struct sup_plan_command *command,
                  int *pidfd)
{
    struct sup_spawn_order order;
    int step, report = -1;
    int r = sup_keeper_prepare(keeper, instance->node, instance, command, &order, &step);
    if (r < 0) return r;
    order.birth = sup_keeper_birth_of_probe(keeper, probe);
    order.report = &report;
    order.cgroup = sup_keeper_cgroup_join(keeper, instance);
    pid_t pid = sup_spawn(&keeper->spawner, &order, pidfd, &step);
    sup_keeper_cgroup_close(instance, order.cgroup);
    /* What it would say is lost: a start that fails is killed by that, and has failed. */
    if (report >= 0) close(report);
    return pid;
}

static void note_end(struct sup_keeper *keeper, struct sup_keeper_probe *probe, int result,
                     int value)
{
    struct sup_keeper_instance *instance = sup_keeper_instance_find(keeper, probe->instance);
    if (instance != NULL && !probe->unheard) *place_of(instance, probe->kind) = 0;
    if (probe->unheard) {
        give_back(keeper, probe);
        return;
    }
    probe->has_ended = true;
    probe->result = result;
    probe->value = value;
    sup_list_insert(&keeper->probe_queue, &probe->tell_link);
    sup_keeper_talk(keeper);
}

static void begin(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                  struct sup_keeper_probe *probe, const struct sup_plan_command *command)
{
    int pidfd = -1;
    uint32_t slot = (uint32_t) (probe - keeper->probes);
    pid_t pid = make(keeper, instance, probe, command, &pidfd);
    *place_of(instance, probe->kind) = slot + 1;
    if (pid < 0) {
        note_end(keeper, probe, SUP_RAN_NOT, -pid);
        return;
    }
    probe->pid = pid;
    probe->pidfd =
        sup_keeper_watch_child(keeper, pidfd, SUP_WATCH_PROBE, slot, (uint32_t) probe->pid);
    keeper->unwatched += probe->pidfd == 0;
    sup_keeper_limit_begin(keeper, &probe->limit, command->timeout_ns);
}

static bool can_be_probed(const struct sup_keeper_instance *instance)
{
    return instance != NULL && instance->state == SUP_INSTANCE_LIVE &&
           instance->stage == SUP_STAGE_MAIN && instance->report == 0 && instance->failed_step == 0;
}

void sup_keeper_probe(struct sup_keeper *keeper, const struct sup_wire *message)
{
    struct sup_keeper_instance *instance = sup_keeper_instance_find(keeper, message->instance);
    bool known = message->a == SUP_COMMAND_READY || message->a == SUP_COMMAND_HEALTH;
    if (!known || !can_be_probed(instance) || keeper->phase != SUP_PHASE_HOLD) return;
    uint32_t kind = (uint32_t) message->a;
    if (*place_of(instance, kind) != 0) return;
    const struct sup_keeper_node *node = instance->node;
    const struct sup_plan_command *command = NULL;
    if (node->plan != NULL) command = sup_plan_command(node->set->bytes, node->plan, (int) kind, 0);
    struct sup_keeper_probe *probe = command == NULL ? NULL : take(keeper);
    if (probe == NULL) {
        sup_keeper_tell_not_run(keeper, message, command == NULL ? ENOENT : EAGAIN);
        return;
    }
    probe->instance = instance->instance;
    probe->token = instance->token;
    probe->generation = instance->generation;
    probe->kind = (uint8_t) kind;
    begin(keeper, instance, probe, command);
}

/* --- ending --------------------------------------------------------------------------------- */

void sup_keeper_probe_cut(struct sup_keeper *keeper, struct sup_keeper_probe *probe)
{
    if (probe->pid == 0) return;
    probe->cut = SUP_CUT_TIME;
    keeper->sys->kill(-probe->pid, SIGKILL);
    if (probe->pidfd != 0) keeper->sys->pidfd_signal(probe->pidfd, SIGKILL);
    else keeper->sys->kill(probe->pid, SIGKILL);
    /* It is found by its pid until it is reaped. */
    sup_keeper_limit_begin(keeper, &probe->limit, SUP_KEEPER_NEVER);
}

static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

void sup_keeper_probe_reap(struct sup_keeper *keeper, struct sup_keeper_probe *probe)
{
    int status;
    struct rusage usage;
    if (probe->pid == 0 || !has_ended(probe->pid)) return;
    keeper->sys->kill(-probe->pid, SIGKILL);
    *sup_keeper_birth_of_probe(keeper, probe) = 0;
    if (keeper->sys->wait(probe->pid, &status, WNOHANG, &usage) != probe->pid) return;
    probe->pid = 0;
    sup_keeper_limit_end(&probe->limit);
    if (probe->pidfd != 0) {
        sup_keeper_watch(keeper, probe->pidfd, SUP_WATCH_PROBE, 0, 0, 0, EPOLLIN);
        close(probe->pidfd);
    } else {
        keeper->unwatched--;
    }
    bool in_time = probe->cut == SUP_CUT_NOT;
    note_end(keeper, probe, in_time ? SUP_RAN_ENDED : SUP_RAN_TIMED_OUT, in_time ? status : 0);
}

void sup_keeper_probes_end(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    for (size_t i = 0; i < sizeof instance->probes / sizeof *instance->probes; i++) {
        if (instance->probes[i] == 0) continue;
        struct sup_keeper_probe *probe = &keeper->probes[instance->probes[i] - 1];
        instance->probes[i] = 0;
        probe->unheard = true;
        sup_keeper_limit_end(&probe->limit);
        sup_keeper_probe_cut(keeper, probe);
    }
}

/* --- telling -------------------------------------------------------------------------------- */

void sup_keeper_probes_drop(struct sup_keeper *keeper)
{
    while (!sup_list_empty(&keeper->probe_queue))
        give_back(keeper,
                  sup_container(keeper->probe_queue.next, struct sup_keeper_probe, tell_link));
}

void sup_keeper_probe_told(struct sup_keeper *keeper, struct sup_keeper_probe *probe)
{
    give_back(keeper, probe);
}
