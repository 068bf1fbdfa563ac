/*
** keeper/service.c: starting and signalling services, as the host asks. What comes before and after
** the main process is stage.c's.
** Requests may be repeats of a host that does not know what its predecessor has said: a number
** that was handled, or an instance that is known, changes nothing.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MAX_SIGNAL 64

/* --- SPAWN ---------------------------------------------------------------------------------- */

/* Who an instance of ${node} runs as, into keeper::identity. */
static void read_identity(struct sup_keeper *keeper, const struct sup_keeper_node *node)
{
    const struct sup_plan *plan = node->plan;
    const unsigned char *set = node->set->bytes;
    /* Nobody but root may choose groups; to stay who we are needs no rights. */
    bool stays = plan->uid == geteuid() && geteuid() != 0;
    snprintf(keeper->oom_score_text, sizeof keeper->oom_score_text, "%d", plan->oom_score);
    keeper->identity = (struct sup_spawn_identity){
        .uid = plan->uid,
        .gid = stays && plan->gid == getegid() ? SUP_PLAN_KEEP : plan->gid,
        .has_groups = (plan->flags & SUP_PLAN_GROUPS) != 0 && !stays,
        .group_count = plan->group_count,
        .groups = (const void *) (set + plan->groups),
        .umask = plan->umask,
        .nice = plan->nice,
        .oom_score = plan->oom_score == SUP_PLAN_KEEP_INTEGER ? NULL : keeper->oom_score_text,
        .limit_count = plan->limit_count,
        .limits = (const void *) (set + plan->limits),
        .no_new_privs = (plan->flags & SUP_PLAN_NO_NEW_PRIVS) != 0,
    };
}

/* The plan of ${node} can be carried out. Returns 0 or -errno. */
static int check_plan(const struct sup_keeper_node *node)
{
    if (node == NULL) return -ENOENT;
    if (node->plan == NULL) return node->plan_error == 0 ? -EINVAL : -node->plan_error;
    return (node->plan->flags & SUP_PLAN_NO_PROCESS) != 0 ? -EINVAL : 0;
}

int sup_keeper_prepare(struct sup_keeper *keeper, struct sup_keeper_node *node,
                       const struct sup_keeper_instance *instance,
                       const struct sup_plan_command *command, struct sup_spawn_order *order,
                       int *step)
{
    *step = SUP_STEP_PLAN;
    int r = check_plan(node);
    if (r < 0) return r;
    *step = SUP_STEP_EXEC;
    char **argv, **env;
    r = sup_keeper_lay_out(keeper, node, instance, command, &argv, &env);
    if (r < 0) return r;
    *step = SUP_STEP_DESCRIPTORS;
    r = sup_keeper_make_pipe(keeper, node);
    bool reads = (node->plan->flags & SUP_PLAN_INPUT) != 0 && command == NULL;
    if (r == 0 && reads) r = sup_keeper_make_input(keeper, node);
    if (r < 0) return r;
    int out = node->mode == SUP_LOG_INHERIT ? -1 : sup_keeper_output_of(keeper, node);
    if (node->mode == SUP_LOG_TO) {
        *step = SUP_STEP_OUTPUT;
        if (out < 0) return out;
    }
    /* The instances share one end of the pipe: none may leave it non-blocking to the next. */
    if (out > SUP_SPAWN_NULL) fcntl(out, F_SETFL, O_WRONLY);
    if (reads) fcntl(node->input_read, F_SETFL, O_RDONLY);
    read_identity(keeper, node);
    *order = (struct sup_spawn_order){
        .identity = &keeper->identity,
        .argv = argv,
        .env = env,
        .cwd = sup_plan_text(node->set->bytes, node->plan->cwd),
        .in = reads ? node->input_read : 0,
        .out = out,
        .err = out,
        .extra = {-1, -1},
        .dies_with = command == NULL ? 0 : getpid(),
    };
    if (command != NULL || node->plan->socket_count == 0) return 0;
    order->listen_pid_text = keeper->listen_text + sizeof SUP_KEEPER_LISTEN_PID - 1;
    *step = SUP_STEP_SOCKETS;
    return sup_keeper_sockets_of(keeper, node->plan, node->set->bytes, order->extra,
                                 SUP_SPAWN_EXTRAS);
}

void sup_keeper_watch_instance(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                               int pidfd)
{
    uint32_t slot = (uint32_t) (instance - keeper->instances);
    instance->pidfd = sup_keeper_watch_child(keeper, pidfd, SUP_WATCH_INSTANCE, slot,
                                             (uint32_t) instance->instance);
    keeper->unwatched += instance->pidfd == 0;
}

static void tell_spawned(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    uint8_t lacks = instance->limits_off != 0 ? SUP_TELL_LIMITS : 0;
    sup_keeper_tell(keeper, instance,
                    (uint8_t) (SUP_TELL_SPAWNED | lacks | sup_keeper_ears_owed(instance)));
}

static bool watch_report(struct sup_keeper *keeper, const struct sup_keeper_instance *instance,
                         int report)
{
    uint32_t slot = (uint32_t) (instance - keeper->instances);
    return sup_keeper_watch(keeper, report, SUP_WATCH_REPORT, slot, (uint32_t) instance->instance,
                            EPOLLIN, 0) == 0;
}

/* ${report} < 0: its program runs. */
static void note_process(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                         struct sup_keeper_node *node, pid_t pid, int pidfd, int report)
{
    if (instance->state != SUP_INSTANCE_LIVE) {
        instance->state = SUP_INSTANCE_LIVE;
        instance->node = node;
        node->instances++;
        node->newest = instance;
        keeper->live++;
    }
    instance->pid = pid;
    sup_keeper_pid_add(keeper, instance);
    sup_keeper_watch_instance(keeper, instance, pidfd);
    bool is_main = instance->stage == SUP_STAGE_MAIN;
    if (is_main) instance->main_pid = pid;
    if (is_main) instance->spawned_ns = sup_keeper_now();
    if (report >= 0 && watch_report(keeper, instance, report)) {
        instance->report = report;
        return;
    }
    if (report >= 0) close(report);
    if (is_main) tell_spawned(keeper, instance);
}

void sup_keeper_leave_process(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    if (instance->pid == 0) return;
    sup_keeper_limit_end(&instance->limit);
    sup_keeper_pid_remove(keeper, instance);
    instance->pid = 0;
    if (instance->pidfd == 0) {
        keeper->unwatched--;
    } else {
        /* The host may hold a copy: closing alone would leave it watched for ever. */
        sup_keeper_watch(keeper, instance->pidfd, SUP_WATCH_INSTANCE, 0, 0, 0, EPOLLIN);
        close(instance->pidfd);
        instance->pidfd = 0;
    }
    sup_keeper_cgroup_leave(keeper, instance->node, instance);
}

void sup_keeper_hear_start(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    struct sup_spawn_report why;
    int r = sup_spawn_hear(instance->report, &why);
    if (r == -EAGAIN) return;
    sup_keeper_watch(keeper, instance->report, SUP_WATCH_REPORT, 0, 0, 0, EPOLLIN);
    close(instance->report);
    instance->report = 0;
    if (r > 0) {
        /* Told when it has been reaped: until then it can be killed like any other. */
        instance->failed_step = why.step;
        instance->error = why.error;
        return;
    }
    if (instance->stage != SUP_STAGE_MAIN) return;
    instance->spawned_ns = sup_keeper_now();
    tell_spawned(keeper, instance);
    sup_keeper_talk(keeper);
}

static void note_failed(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    instance->state = SUP_INSTANCE_FAILED;
    instance->status = instance->failed_step;
    instance->ended_ns = sup_keeper_now();
    sup_keeper_tell(keeper, instance, SUP_TELL_END);
}

/* Errors of clone3 that mean the cgroup, or that this kernel cannot do it. */
static bool is_about_cgroup(int error)
{
    return error == EACCES || error == EBUSY || error == ENOSYS || error == EOPNOTSUPP ||
           error == ENODEV || error == EINVAL || error == E2BIG || error == EPERM;
}

static pid_t spawn_inside(struct sup_keeper *keeper, struct sup_keeper_node *node,
                          struct sup_keeper_instance *instance, struct sup_spawn_order *order,
                          int *pidfd, int *step)
{
    order->cgroup = sup_keeper_cgroup_open(keeper, node, instance);
    sup_keeper_limits_none(keeper, node, instance);
    int missing = sup_keeper_limits_allow(node, instance);
    if (missing != 0) {
        sup_keeper_cgroup_close(instance, order->cgroup);
        sup_keeper_cgroup_leave(keeper, node, instance);
        *step = SUP_STEP_CGROUP;
        return -missing;
    }
    pid_t pid = sup_spawn(&keeper->spawner, order, pidfd, step);
    sup_keeper_cgroup_close(instance, order->cgroup);
    if (pid > 0) return pid;
    if (order->cgroup < 0 || *step != SUP_STEP_CLONE || !is_about_cgroup(-pid)) {
        sup_keeper_cgroup_leave(keeper, node, instance);
        return pid;
    }
    sup_keeper_cgroup_refused(keeper, instance, -pid);
    sup_keeper_limits_none(keeper, node, instance);
    missing = sup_keeper_limits_allow(node, instance);
    *step = SUP_STEP_CGROUP;
    if (missing != 0) return -missing;
    order->cgroup = -1;
    return sup_spawn(&keeper->spawner, order, pidfd, step);
}

static pid_t start(struct sup_keeper *keeper, struct sup_keeper_node *node,
                   struct sup_keeper_instance *instance, const struct sup_plan_command *command,
                   struct sup_spawn_order *order, int *pidfd, int *step)
{
    *step = SUP_STEP_CLONE;
    if (instance->state != SUP_INSTANCE_LIVE && keeper->live >= SUP_WIRE_MAX_INSTANCES)
        return -EAGAIN;
    order->birth = sup_keeper_birth_begin(keeper, instance, command == NULL ? 0 : command->kind);
    return spawn_inside(keeper, node, instance, order, pidfd, step);
}

int sup_keeper_make(struct sup_keeper *keeper, struct sup_keeper_node *node,
                    struct sup_keeper_instance *instance, int *step)
{
    struct sup_spawn_order order = {.report = NULL};
    int pidfd = -1, report = -1;
    *step = SUP_STEP_PLAN;
    int r = check_plan(node);
    if (r < 0) return r;
    const struct sup_plan_command *command = sup_keeper_stage_command(node, instance);
    struct sup_keeper_mouth mouth = {.line = -1};
    *step = SUP_STEP_DESCRIPTORS;
    if (command == NULL) r = sup_keeper_make_ears(keeper, node, instance, &mouth);
    if (r == 0) r = sup_keeper_prepare(keeper, node, instance, command, &order, step);
    pid_t pid = r;
    if (r == 0) {
        sup_keeper_give_mouth(&mouth, &order);
        order.report = &report;
        pid = start(keeper, node, instance, command, &order, &pidfd, step);
    }
    if (mouth.line >= 0) close(mouth.line);
    if (pid < 0) sup_keeper_close_ears(instance);
    if (pid < 0) return pid;
    note_process(keeper, instance, node, pid, pidfd, report);
    if (command != NULL) sup_keeper_limit_begin(keeper, &instance->limit, command->timeout_ns);
    return 0;
}

void sup_keeper_spawn(struct sup_keeper *keeper, const struct sup_wire *message)
{
    if (message->seq <= keeper->handled_seq || message->instance == 0) return;
    keeper->handled_seq = message->seq;
    if (keeper->phase != SUP_PHASE_HOLD) return;
    if (sup_keeper_instance_find(keeper, message->instance) != NULL) return;
    struct sup_keeper_instance *instance = sup_keeper_instance_add(keeper, message->instance);
    if (instance == NULL) {
        sup_keeper_say("there is no room for instance %llu; it is not started: the host must "
                       "acknowledge what has ended",
                       (unsigned long long) message->instance);
        return;
    }
    instance->token = message->node;
    instance->generation = message->generation;
    struct sup_keeper_node *node = sup_keeper_node_find(keeper, message->node);
    int step;
    sup_keeper_stage_begin(node, instance);
    int r = sup_keeper_make(keeper, node, instance, &step);
    if (r == 0) return;
    sup_keeper_stage_failed(instance, step, -r);
    note_failed(keeper, instance);
}

/* --- SIGNAL --------------------------------------------------------------------------------- */

void sup_keeper_send_signal(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                            int signal, bool group)
{
    const struct sup_plan *plan = instance->node == NULL ? NULL : instance->node->plan;
    if (instance->stage != SUP_STAGE_MAIN) {
        if (signal == SIGKILL) sup_keeper_stage_cut(keeper, instance, SUP_CUT_STOP);
        return;
    }
    if (plan != NULL && plan->kill_mode == SUP_KILL_PROCESS) group = false;
    if (group && signal == SIGKILL && sup_keeper_cgroup_kills(instance->node))
        sup_keeper_cgroup_kill(keeper, instance);
    /* Until we reap it, its pid and the id of its group can mean nobody else. */
    if (group && keeper->sys->kill(-sup_keeper_group_of(instance), signal) == 0) return;
    /* One whose start hangs may have no group yet. */
    if (group && instance->report == 0) return;
    if (instance->pidfd != 0) keeper->sys->pidfd_signal(instance->pidfd, signal);
    else keeper->sys->kill(instance->pid, signal);
}

void sup_keeper_signal(struct sup_keeper *keeper, const struct sup_wire *message)
{
    if (message->seq != 0 && message->seq <= keeper->handled_seq) return;
    if (message->seq != 0) keeper->handled_seq = message->seq;
    if (message->a <= 0 || message->a > MAX_SIGNAL) return;
    struct sup_keeper_instance *instance = sup_keeper_instance_find(keeper, message->instance);
    if (instance == NULL || instance->state != SUP_INSTANCE_LIVE) return;
    if (message->b == SUP_TARGET_STOP) sup_keeper_ask(keeper, instance, message->a);
    else sup_keeper_send_signal(keeper, instance, message->a, message->b == SUP_TARGET_GROUP);
}
