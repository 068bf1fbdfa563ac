/*
** keeper/stop.c: the ways to an end. With a host, it is told and does it; without one, everything
** stops in stored order, by rank. In the end what is left is killed and the output written out.
*/
#include "keeper/keeper.h"

#include "base/process.h"

#include <string.h>

/* Limits of what the kernel and not a program does: no test makes them shorter. */
#define STUCK_NS (10 * SUP_KEEPER_S) /* from SIGKILL to "it will not end" */
#define KILLED_NS (5 * SUP_KEEPER_S) /* the last kill: wait this long for ends */

#define WRITTEN_NS (5 * SUP_KEEPER_S) /* suptree-log: wait this long */
#define DEFAULT_TIMEOUT_NS (10 * SUP_KEEPER_S)
#define KILL_NOW_COUNT 2  /* so many TERM or INT mean: kill now */
#define TAKE_OVER_COUNT 3 /* ... and so many: even if the host does not listen */

void sup_keeper_stop_asked(struct sup_keeper *keeper, int signal)
{
    keeper->stop_signal = signal;
    keeper->stop_count++;
    if (keeper->phase == SUP_PHASE_STOP && keeper->stop_count >= KILL_NOW_COUNT) {
        sup_keeper_say("asked to stop again: killing what still runs");
        sup_keeper_end(keeper, 0);
    }
    if (keeper->phase != SUP_PHASE_HOLD) return;
    if (keeper->stop_count >= TAKE_OVER_COUNT) {
        sup_keeper_say("asked to stop %d times: killing host and services", keeper->stop_count);
        sup_keeper_end(keeper, 0);
    } else if (sup_keeper_host_is_near(keeper, sup_keeper_now())) {
        keeper->host.owes_stop = true;
        sup_keeper_talk(keeper);
    } else {
        sup_keeper_say("asked to stop while no host runs: stopping %u services in order; "
                       "ask again to kill them now",
                       keeper->live);
        sup_keeper_stop_alone(keeper);
    }
}

/* --- without a host ------------------------------------------------------------------------- */

static const struct sup_plan *plan_of(const struct sup_keeper_instance *instance)
{
    return instance->node == NULL ? NULL : instance->node->plan;
}

static uint32_t rank_of(const struct sup_keeper_instance *instance)
{
    const struct sup_plan *plan = plan_of(instance);
    return plan == NULL ? 0 : plan->stop_rank;
}

static bool waits_for_stop(const struct sup_keeper_instance *instance)
{
    return instance->state == SUP_INSTANCE_LIVE && instance->stop_step == SUP_STOP_NOT_YET;
}

static int64_t after(int64_t now_ns, int64_t delay_ns)
{
    return delay_ns > SUP_KEEPER_NEVER - now_ns ? SUP_KEEPER_NEVER : now_ns + delay_ns;
}

static void kill_instance(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                          int64_t now_ns)
{
    instance->stop_step = SUP_STOP_KILLED;
    instance->stop_ns = now_ns + STUCK_NS;
    sup_keeper_send_signal(keeper, instance, SIGKILL, true);
}

static void ask_instance(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                         int64_t now_ns)
{
    const struct sup_plan *plan = plan_of(instance);
    int signal = plan == NULL || plan->stop_signal == 0 ? SIGTERM : plan->stop_signal;
    int64_t timeout_ns = plan == NULL ? DEFAULT_TIMEOUT_NS : plan->timeout_ns;
    if (timeout_ns == 0) {
        kill_instance(keeper, instance, now_ns);
        return;
    }
    instance->stop_step = SUP_STOP_ASKED;
    instance->stop_ns = after(now_ns, timeout_ns);
    sup_keeper_ask(keeper, instance, signal);
}

/* Ask the highest rank that was not asked yet; false: there is none. */
static bool begin_rank(struct sup_keeper *keeper, int64_t now_ns)
{
    bool found = false;
    keeper->stop_rank = 0;
    for (uint32_t i = 0; i < keeper->instance_high; i++) {
        if (!waits_for_stop(&keeper->instances[i])) continue;
        found = true;
        if (rank_of(&keeper->instances[i]) > keeper->stop_rank)
            keeper->stop_rank = rank_of(&keeper->instances[i]);
    }
    keeper->stop_left = 0;
    keeper->stop_ns = SUP_KEEPER_NEVER;
    for (uint32_t i = 0; found && i < keeper->instance_high; i++) {
        struct sup_keeper_instance *instance = &keeper->instances[i];
        if (!waits_for_stop(instance) || rank_of(instance) != keeper->stop_rank) continue;
        ask_instance(keeper, instance, now_ns);
        keeper->stop_left++;
        if (instance->stop_ns < keeper->stop_ns) keeper->stop_ns = instance->stop_ns;
    }
    return found;
}

/* What the system holds it for. */
static const char *why_of(const struct sup_keeper *keeper,
                          const struct sup_keeper_instance *instance, char *buf, size_t size)
{
    char name[32];
    const struct sup_seat seat = {
        .pid = instance->pid,
        .cgroups = keeper->cgroup.folder,
        .folder = instance->folder.number == 0
                      ? NULL
                      : sup_wire_folder_name(instance->folder.number, name, sizeof name),
    };
    return sup_process_why(&seat, buf, size);
}

static void take_next_step(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                           int64_t now_ns)
{
    char why[384];
    const char *name = instance->node == NULL ? "?" : instance->node->name;
    if (instance->stop_step == SUP_STOP_ASKED) {
        sup_keeper_say("%s (pid %d) did not stop in time: killing it", name, (int) instance->pid);
        kill_instance(keeper, instance, now_ns);
        return;
    }
    sup_keeper_say("%s does not end even when killed: going on without it (%s)", name,
                   why_of(keeper, instance, why, sizeof why));
    instance->stop_step = SUP_STOP_GIVEN_UP;
    instance->stop_ns = SUP_KEEPER_NEVER;
    keeper->stop_left--;
    keeper->code = 1;
}

/* Take the steps that are due; the time of the next one becomes stop_ns. */
static void take_due_steps(struct sup_keeper *keeper, int64_t now_ns)
{
    int64_t next_ns = SUP_KEEPER_NEVER;
    for (uint32_t i = 0; i < keeper->instance_high; i++) {
        struct sup_keeper_instance *instance = &keeper->instances[i];
        if (instance->state != SUP_INSTANCE_LIVE || instance->stop_step == SUP_STOP_NOT_YET)
            continue;
        if (instance->stop_ns <= now_ns) take_next_step(keeper, instance, now_ns);
        if (instance->stop_ns < next_ns) next_ns = instance->stop_ns;
    }
    keeper->stop_ns = next_ns;
}

void sup_keeper_stop_alone(struct sup_keeper *keeper)
{
    if (keeper->phase != SUP_PHASE_HOLD) return;
    keeper->phase = SUP_PHASE_STOP;
    keeper->code = 0;
    sup_keeper_host_kill(keeper);
    if (!begin_rank(keeper, sup_keeper_now())) sup_keeper_end(keeper, 0);
}

void sup_keeper_stop_ended(struct sup_keeper *keeper, const struct sup_keeper_instance *instance)
{
    bool waited_for =
        instance->stop_step == SUP_STOP_ASKED || instance->stop_step == SUP_STOP_KILLED;
    if (keeper->phase == SUP_PHASE_STOP && waited_for) keeper->stop_left--;
}

/* --- the end -------------------------------------------------------------------------------- */

void sup_keeper_end(struct sup_keeper *keeper, int code)
{
    if (keeper->phase >= SUP_PHASE_KILL) return;
    keeper->phase = SUP_PHASE_KILL;
    keeper->code = code;
    keeper->phase_ns = sup_keeper_now() + KILLED_NS;
    sup_keeper_host_kill(keeper);
    for (uint32_t i = 0; keeper->live > 0 && i < keeper->instance_high; i++) {
        struct sup_keeper_instance *instance = &keeper->instances[i];
        if (instance->state == SUP_INSTANCE_LIVE)
            sup_keeper_send_signal(keeper, instance, SIGKILL, true);
    }
}

static void begin_quit(struct sup_keeper *keeper, int64_t now_ns)
{
    if (keeper->live > 0)
        sup_keeper_say("%u services do not end even when killed; leaving them", keeper->live);
    keeper->phase = SUP_PHASE_QUIT;
    sup_keeper_tell_unread(keeper);
    sup_keeper_sockets_finish(keeper);
    keeper->phase_ns = now_ns + sup_keeper_time(keeper, WRITTEN_NS);
}

void sup_keeper_stop_tick(struct sup_keeper *keeper, int64_t now_ns)
{
    if (keeper->phase == SUP_PHASE_STOP && keeper->stop_ns <= now_ns)
        take_due_steps(keeper, now_ns);
    while (keeper->phase == SUP_PHASE_STOP && keeper->stop_left == 0)
        if (!begin_rank(keeper, now_ns)) sup_keeper_end(keeper, keeper->code);
    if (keeper->phase == SUP_PHASE_KILL &&
        ((keeper->live == 0 && keeper->host.pid == 0) || keeper->phase_ns <= now_ns))
        begin_quit(keeper, now_ns);
}

int64_t sup_keeper_stop_deadline(const struct sup_keeper *keeper)
{
    if (keeper->phase == SUP_PHASE_STOP) return keeper->stop_ns;
    if (keeper->phase >= SUP_PHASE_KILL) return keeper->phase_ns;
    return SUP_KEEPER_NEVER;
}
