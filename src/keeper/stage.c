/*
** keeper/stage.c: the commands around the main process of an instance: those of `before`, one after
** the other, and that of `after_exit`. Each is the process of the instance while it runs, so that
** whatever finds, watches or kills one finds, watches and kills the other. None of them outlives
** the keeper.
**
** When the plan of the node becomes another one meanwhile, what is left to do is done as that says;
** `before` begins again only if its own words are others.
*/
#include "keeper/keeper.h"

#include <sys/wait.h>

#define DO_NOT_RESTART 125 /* the exit code of `after_exit` that asks for it, as with s6 */
#define SPARE_NS SUP_KEEPER_S

static const struct sup_plan_command *find(const struct sup_keeper_node *node,
                                           enum sup_plan_command_kind kind, uint32_t index)
{
    if (node == NULL || node->plan == NULL) return NULL;
    return sup_plan_command(node->set->bytes, node->plan, kind, index);
}

void sup_keeper_stage_begin(const struct sup_keeper_node *node,
                            struct sup_keeper_instance *instance)
{
    if (find(node, SUP_COMMAND_BEFORE, 0) == NULL) return;
    instance->stage = SUP_STAGE_BEFORE;
    instance->before_version = node->before_version;
}

const struct sup_plan_command *sup_keeper_stage_command(const struct sup_keeper_node *node,
                                                        const struct sup_keeper_instance *instance)
{
    switch ((enum sup_keeper_stage) instance->stage) {
    case SUP_STAGE_BEFORE:
        return find(node, SUP_COMMAND_BEFORE, instance->command);
    case SUP_STAGE_AFTER:
        return find(node, SUP_COMMAND_AFTER_EXIT, 0);
    case SUP_STAGE_MAIN:
        break;
    }
    return NULL;
}

void sup_keeper_stage_cut(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                          enum sup_keeper_cut cut)
{
    if (instance->pid == 0) return;
    if (instance->cut == SUP_CUT_NOT) instance->cut = (uint8_t) cut;
    sup_keeper_cgroup_kill(keeper, instance);
    keeper->sys->kill(-instance->pid, SIGKILL);
    /* One whose start hangs may have no group yet. */
    if (instance->pidfd != 0) keeper->sys->pidfd_signal(instance->pidfd, SIGKILL);
    else keeper->sys->kill(instance->pid, SIGKILL);
}

/* --- before --------------------------------------------------------------------------------- */

static void fail(struct sup_keeper_instance *instance, uint64_t how, int value)
{
    instance->failed_step = SUP_STEP_BEFORE;
    instance->error = value;
    instance->before = how + instance->command * (uint64_t) SUP_BEFORE_NUMBER;
}

void sup_keeper_stage_failed(struct sup_keeper_instance *instance, int step, int error)
{
    if (instance->stage == SUP_STAGE_BEFORE) {
        fail(instance, SUP_BEFORE_STEPS + (uint64_t) step, error);
        return;
    }
    instance->failed_step = step;
    instance->error = error;
}

/* Has the command of `before` succeeded? Otherwise it is remembered how it has failed. */
static bool has_succeeded(const struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                          int status)
{
    bool goes_on = keeper->phase == SUP_PHASE_HOLD;
    if (instance->failed_step != 0)
        sup_keeper_stage_failed(instance, instance->failed_step, instance->error);
    else if (instance->cut == SUP_CUT_TIME) fail(instance, SUP_BEFORE_TIMED_OUT, 0);
    else if (instance->cut == SUP_CUT_STOP || !goes_on) fail(instance, SUP_BEFORE_STOPPED, 0);
    else if (status != 0) fail(instance, SUP_BEFORE_ENDED, status);
    else return true;
    return false;
}

static bool do_next(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    struct sup_keeper_node *node = instance->node;
    int step;
    instance->command++;
    if (instance->before_version != node->before_version) instance->command = 0;
    instance->before_version = node->before_version;
    if (sup_keeper_stage_command(node, instance) == NULL) instance->stage = SUP_STAGE_MAIN;
    int r = sup_keeper_make(keeper, node, instance, &step);
    if (r < 0) sup_keeper_stage_failed(instance, step, -r);
    sup_keeper_talk(keeper);
    return r == 0;
}

/* --- after_exit ----------------------------------------------------------------------------- */

static bool begin_after(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    struct sup_keeper_node *node = instance->node;
    int step;
    if (instance->failed_step != 0 || keeper->phase >= SUP_PHASE_KILL) return false;
    if (find(node, SUP_COMMAND_AFTER_EXIT, 0) == NULL) return false;
    sup_keeper_leave_process(keeper, instance);
    instance->stage = SUP_STAGE_AFTER;
    instance->cut = SUP_CUT_NOT;
    int r = sup_keeper_make(keeper, node, instance, &step);
    if (r < 0) {
        instance->after = SUP_EXIT_AFTER_NOT_RUN | -r << SUP_EXIT_AFTER_SHIFT;
        return false;
    }
    if (instance->stop_step == SUP_STOP_ASKED && instance->limit.at_ns != SUP_KEEPER_NEVER)
        instance->stop_ns = instance->limit.at_ns + SPARE_NS;
    sup_keeper_tell(keeper, instance, SUP_TELL_ENDING);
    sup_keeper_talk(keeper);
    return true;
}

static void judge_after(struct sup_keeper_instance *instance, int status)
{
    if (instance->failed_step != 0)
        instance->after = SUP_EXIT_AFTER_NOT_RUN | instance->error << SUP_EXIT_AFTER_SHIFT;
    else if (instance->cut == SUP_CUT_TIME) instance->after = SUP_EXIT_AFTER_TIMED_OUT;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == DO_NOT_RESTART)
        instance->after = SUP_EXIT_NO_RESTART;
    else if (status != 0) instance->after = SUP_EXIT_AFTER_FAILED | status << SUP_EXIT_AFTER_SHIFT;
    instance->failed_step = instance->error = 0; /* the service itself was started */
}

/* --- from one to the next ------------------------------------------------------------------- */

bool sup_keeper_stage_goes_on(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                              int status)
{
    switch ((enum sup_keeper_stage) instance->stage) {
    case SUP_STAGE_MAIN:
        return begin_after(keeper, instance);
    case SUP_STAGE_BEFORE:
        if (!has_succeeded(keeper, instance, status)) return false;
        sup_keeper_leave_process(keeper, instance);
        return do_next(keeper, instance);
    case SUP_STAGE_AFTER:
        judge_after(instance, status);
        break;
    }
    return false;
}
