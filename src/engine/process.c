/*
** engine/process.c: the process driver: plans (those of threads too: for their output), SPAWN and
** SIGNAL to the keeper, facts back. Must not know how the keeper does it.
*/
#include "engine/inside.h"

#include "base/err.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_SIZE 1024
#define NO_PLAN "there is no memory or descriptor for its plan"

static void say(struct sup_engine *engine, const struct sup_wire *message, int fd)
{
    sup_link_send(&engine->link, message, fd);
}

/* --- plans ------------------------------------------------------------------------------------ */

struct planning {
    struct sup_plan_draft draft;
    size_t count;
    bool ranks; /* a plan is told anew when its node's rank in a stop has changed, too */
};

/* Whose input is the output of the node at ${path}: a sibling, else what has that path. 0:
   nobody. */
static sup_token find_reader(const struct sup_engine *engine, const char *path, const char *to)
{
    char sibling[PATH_SIZE * 2];
    const char *slash = strrchr(path, '/');
    int folder = slash == NULL ? 0 : (int) (slash - path) + 1;
    int n = snprintf(sibling, sizeof sibling, "%.*s%s", folder, path, to);
    sup_token node = n < (int) sizeof sibling ? sup_tree_find(engine->tree, sibling) : 0;
    return node != 0 ? node : sup_tree_find(engine->tree, to);
}

static void fill_wish(struct sup_engine *engine, sup_token node, const struct sup_spec *spec,
                      char *path, struct sup_plan_wish *wish)
{
    *wish = (struct sup_plan_wish){.spec = spec,
                                   .path = sup_tree_path(engine->tree, node, path, PATH_SIZE)};
    if (spec->log.mode == SUP_LOG_MODE_TO)
        wish->log_to = find_reader(engine, wish->path, spec->log.to);
}

/* Add ${node} to the set when the keeper does not have its plan as it is now. */
static void plan_node(struct sup_engine *engine, struct planning *planning, sup_token node)
{
    char path[PATH_SIZE];
    struct sup_plan_wish wish;
    const struct sup_spec *spec = sup_tree_spec(engine->tree, node);
    if (spec == NULL || spec->kind == SUP_SUPERVISOR) return;
    struct sup_slot *slot = sup_engine_slot(engine, node, SUP_PROCESS);
    if (slot == NULL || slot->plan_offset != 0) return;
    fill_wish(engine, node, spec, path, &wish);
    uint64_t print = sup_plan_print(&wish);
    if (print == slot->plan_print && !planning->ranks) return;
    wish.stop_rank = sup_tree_stop_rank(engine->tree, node);
    if (print == slot->plan_print && wish.stop_rank == slot->plan_rank) return;
    if (planning->count == 0) sup_plan_draft_begin(&planning->draft, &engine->plan_env);
    slot->plan_rank = wish.stop_rank;
    slot->plan_offset = sup_plan_draft_add(&planning->draft, &engine->plan_env, &wish);
    slot->plan_print = slot->plan_offset == 0 ? 0 : print;
    planning->count++;
}

/* Tell the keeper where the node's plan lies in the set. ${sent}: the set has been said. */
static void give_plan(struct sup_engine *engine, struct sup_slot *slot, bool sent)
{
    struct sup_wire message = {
        .type = SUP_WIRE_PLAN,
        .node = slot->node,
        .a = engine->plan_number,
        .time_ns = (int64_t) slot->plan_offset,
    };
    if (sent && slot->plan_offset != 0) say(engine, &message, -1);
    else slot->plan_print = 0;
    slot->plan_offset = 0;
}

static bool give_set(struct sup_engine *engine, struct planning *planning)
{
    int fd = sup_plan_draft_finish(&planning->draft);
    if (fd < 0) return false;
    engine->plan_number = (engine->plan_number + 1) & INT32_MAX;
    struct sup_wire message = {.type = SUP_WIRE_PLANS, .a = engine->plan_number};
    say(engine, &message, fd);
    return true;
}

/*
** The first launch plans the whole tree: one set, one copy of the environment. So does a reload:
** what it changed in a supervisor, a name or an order shows in the plans of others.
*/
static void plan_all(struct sup_engine *engine)
{
    struct planning planning = {.ranks = true};
    const struct sup_tree *tree = engine->tree;
    for (sup_token node = sup_tree_next(tree, 0); node != 0; node = sup_tree_next(tree, node))
        plan_node(engine, &planning, node);
    if (planning.count == 0) return;
    bool sent = give_set(engine, &planning);
    for (size_t i = 0; i < sup_slots_room(&engine->slots); i++) {
        struct sup_slot *slot = sup_slots_at(&engine->slots, i);
        if (slot->plan_offset != 0) give_plan(engine, slot, sent);
    }
}

static bool needs_plan(const struct sup_effect *effect)
{
    return effect->type == SUP_DO_LAUNCH || effect->type == SUP_DO_UPDATE;
}

static bool is_reload(const struct sup_effect *effect)
{
    return effect->type == SUP_DO_EVENT && (effect->event.type == SUP_EVENT_RELOADED ||
                                            effect->event.type == SUP_EVENT_ROLLED_BACK);
}

static void prepare(struct sup_engine *engine, const struct sup_effect *batch, size_t count)
{
    struct planning planning = {0};
    bool all = false;
    if (engine->orphaned) return;
    for (size_t i = 0; i < count; i++)
        if (is_reload(&batch[i]) || (needs_plan(&batch[i]) && !engine->planned_all)) all = true;
    if (all) plan_all(engine);
    engine->planned_all = engine->planned_all || all;
    for (size_t i = 0; i < count; i++)
        if (needs_plan(&batch[i])) plan_node(engine, &planning, batch[i].node);
    if (planning.count == 0) return;
    bool sent = give_set(engine, &planning);
    for (size_t i = 0; i < count; i++) {
        struct sup_slot *slot = sup_slots_find(&engine->slots, batch[i].node);
        if (slot != NULL && slot->plan_offset != 0) give_plan(engine, slot, sent);
    }
}

/* --- effects ---------------------------------------------------------------------------------- */

static void launch(struct sup_engine *engine, struct sup_slot *slot,
                   const struct sup_effect *effect)
{
    if (engine->orphaned) {
        sup_engine_refuse(engine, slot, EPIPE, false, "the keeper is gone");
        return;
    }
    if (slot->plan_print == 0) {
        sup_engine_refuse(engine, slot, ENOMEM, true, NO_PLAN);
        return;
    }
    const struct sup_spec *spec = sup_tree_spec(engine->tree, effect->node);
    char text[SUP_LISTENER_TEXT];
    int r = sup_listeners_open(engine, effect->node, spec, text);
    if (r < 0) {
        bool resources = r == -EMFILE || r == -ENFILE || r == -ENOMEM;
        sup_engine_refuse(engine, slot, -r, resources, NULL);
        sup_slot_explain(slot, text);
        return;
    }
    pthread_mutex_lock(&engine->mutex);
    slot->limits_off = 0;
    slot->folder = 0;
    pthread_mutex_unlock(&engine->mutex);
    sup_ready_prepare(engine, slot, spec);
    struct sup_wire message = {
        .type = SUP_WIRE_SPAWN,
        .seq = effect->seq + engine->bases.seq,
        .node = effect->node,
        .instance = effect->instance + engine->bases.instance,
        .generation = effect->generation,
    };
    say(engine, &message, -1);
}

static void send_signal(struct sup_engine *engine, struct sup_slot *slot,
                        const struct sup_wire *message)
{
    if (!engine->orphaned) {
        say(engine, message, -1);
        return;
    }
    sup_orphan_signal(engine, slot, message->a, message->b == SUP_TARGET_GROUP);
    if (message->b == SUP_TARGET_STOP) sup_orphan_signal(engine, slot, SIGCONT, false);
}

void sup_process_signal(struct sup_engine *engine, struct sup_slot *slot, int signal)
{
    struct sup_wire message = {
        .type = SUP_WIRE_SIGNAL,
        .node = slot->node,
        .instance = slot->instance + engine->bases.instance,
        .generation = slot->generation,
        .a = signal,
        .b = SUP_TARGET_PROCESS,
    };
    send_signal(engine, slot, &message);
    message.a = SIGCONT;
    send_signal(engine, slot, &message);
}

static void signal_instance(struct sup_engine *engine, struct sup_slot *slot,
                            const struct sup_effect *effect, int signal,
                            enum sup_wire_target target)
{
    struct sup_wire message = {
        .type = SUP_WIRE_SIGNAL,
        .seq = effect->seq + engine->bases.seq,
        .node = effect->node,
        .instance = effect->instance + engine->bases.instance,
        .generation = effect->generation,
        .a = signal,
        .b = target,
    };
    if (slot->instance == effect->instance) {
        sup_ready_cancel(engine, slot);
        sup_watchdog_end(engine, slot);
        slot->killed = slot->killed || signal == SIGKILL;
    }
    send_signal(engine, slot, &message);
}

/* It is stopped because its watchdog heard nothing: a core tells where it hangs. */
static bool hangs(const struct sup_engine *engine, const struct sup_effect *effect)
{
    struct sup_status status;
    return sup_tree_status(engine->tree, effect->node, engine->now_ns, &status) &&
           status.instance == effect->instance && status.cause == SUP_CAUSE_WATCHDOG;
}

static void interrupt(struct sup_engine *engine, struct sup_slot *slot,
                      const struct sup_effect *effect)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, effect->node);
    int signal = spec == NULL || spec->stop_signal == 0 ? SIGTERM : spec->stop_signal;
    if (hangs(engine, effect)) {
        signal_instance(engine, slot, effect, SIGABRT, SUP_TARGET_PROCESS);
        if (slot->instance == effect->instance) sup_process_signal(engine, slot, SIGCONT);
    } else {
        signal_instance(engine, slot, effect, signal, SUP_TARGET_STOP);
    }
    if (slot->instance == effect->instance) sup_ladder_begin(engine, slot, engine->now_ns);
}

static void kill_instance(struct sup_engine *engine, struct sup_slot *slot,
                          const struct sup_effect *effect)
{
    signal_instance(engine, slot, effect, SIGKILL, SUP_TARGET_GROUP);
}

/* A process that outlives its kill hangs in the kernel: all there is to do is to have asked.
   Its pidfd goes with it, the slot is free for the next. */
static void abandon(struct sup_engine *engine, struct sup_slot *slot,
                    const struct sup_effect *effect)
{
    kill_instance(engine, slot, effect);
    if (slot->instance != effect->instance) return;
    sup_notify_close(engine, slot);
    pthread_mutex_lock(&engine->mutex);
    if (slot->pidfd >= 0) close(slot->pidfd);
    slot->pidfd = -1;
    slot->pid = 0;
    slot->live = false;
    pthread_mutex_unlock(&engine->mutex);
}

/* `prepare` has given the new plan. */
static void update(struct sup_engine *engine, struct sup_slot *slot,
                   const struct sup_effect *effect)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, effect->node);
    if (spec != NULL) sup_listeners_update(engine, spec);
    engine->listeners.dirty = true;
    sup_ready_changed(engine, slot);
}

static void note(struct sup_engine *engine, struct sup_slot *slot, const struct sup_effect *effect)
{
    if (effect->event.type == SUP_EVENT_READY) sup_watchdog_begin(engine, slot);
}

static void forget(struct sup_engine *engine, struct sup_slot *slot,
                   const struct sup_effect *effect)
{
    (void) slot;
    engine->listeners.dirty = true;
    struct sup_wire message = {.type = SUP_WIRE_UNPLAN, .node = effect->node};
    say(engine, &message, -1);
}

const struct sup_driver sup_process_driver = {
    .prepare = prepare,
    .launch = launch,
    .interrupt = interrupt,
    .kill = kill_instance,
    .abandon = abandon,
    .update = update,
    .forget = forget,
    .note = note,
};

/* --- facts ------------------------------------------------------------------------------------ */

void sup_process_acknowledge(struct sup_engine *engine, uint64_t wire_instance)
{
    struct sup_wire message = {.type = SUP_WIRE_ACK, .instance = wire_instance};
    say(engine, &message, -1);
}

struct sup_outcome sup_process_outcome(int wait_status)
{
    if (WIFEXITED(wait_status)) return (struct sup_outcome){SUP_END_EXIT, WEXITSTATUS(wait_status)};
    if (WIFSIGNALED(wait_status))
        return (struct sup_outcome){SUP_END_SIGNAL, WTERMSIG(wait_status)};
    return (struct sup_outcome){SUP_END_LOST, 0};
}

static struct sup_slot *current_slot(struct sup_engine *engine, const struct sup_input *input)
{
    struct sup_slot *slot = sup_slots_find(&engine->slots, input->node);
    return slot != NULL && slot->instance == input->instance ? slot : NULL;
}

static void note_spawned(struct sup_engine *engine, const struct sup_wire *message, int fd,
                         struct sup_input *input)
{
    struct sup_slot *slot = current_slot(engine, input);
    if (slot == NULL || slot->live) {
        if (fd >= 0) close(fd);
        return;
    }
    pthread_mutex_lock(&engine->mutex);
    if (slot->pidfd >= 0) close(slot->pidfd);
    slot->pid = message->a;
    slot->pidfd = fd;
    slot->launched_ns = message->time_ns;
    slot->folder = message->seq;
    slot->launching = false;
    slot->live = true;
    pthread_mutex_unlock(&engine->mutex);
    input->type = SUP_IN_LAUNCHED;
    sup_engine_apply(engine, input);
    slot = current_slot(engine, input);
    if (slot == NULL || !slot->live) return;
    sup_ready_watch(engine, slot);
    sup_watchdog_begin(engine, slot);
}

/* Its main process has ended, `after_exit` runs: there is nobody to signal or to look at. */
static void note_ending(struct sup_engine *engine, const struct sup_wire *message,
                        struct sup_input *input)
{
    struct sup_slot *slot = current_slot(engine, input);
    if (slot == NULL || !slot->live) return;
    sup_notify_hear(engine, slot); /* it came before */
    if (current_slot(engine, input) != slot) return;
    sup_ready_cancel(engine, slot);
    pthread_mutex_lock(&engine->mutex);
    sup_notify_close(engine, slot);
    if (slot->pidfd >= 0) close(slot->pidfd);
    slot->pidfd = -1;
    slot->pid = 0;
    slot->exiting = true;
    slot->exit_status = message->a;
    pthread_mutex_unlock(&engine->mutex);
    input->type = SUP_IN_EXITING;
    sup_engine_apply(engine, input);
}

/* A former host asked for it, and its program does not run yet. */
static void note_starting(struct sup_engine *engine, const struct sup_input *input)
{
    struct sup_slot *slot = current_slot(engine, input);
    if (slot == NULL || slot->live) return;
    pthread_mutex_lock(&engine->mutex);
    slot->launching = true;
    pthread_mutex_unlock(&engine->mutex);
}

/* The process is over: from now on the slot holds its dates alone. */
static void note_over(struct sup_engine *engine, const struct sup_wire *message,
                      const struct sup_input *input)
{
    struct sup_slot *slot = current_slot(engine, input);
    if (slot == NULL) return;
    sup_ready_cancel(engine, slot);
    pthread_mutex_lock(&engine->mutex);
    sup_notify_close(engine, slot);
    if (slot->pidfd >= 0) close(slot->pidfd);
    slot->pidfd = -1;
    slot->live = slot->launching = slot->exiting = false;
    slot->ended_ns = message->time_ns;
    pthread_mutex_unlock(&engine->mutex);
}

/* That of the command of `before` that could not be run; 0: one ran, and failed. */
static int failed_step(const struct sup_wire *message)
{
    uint64_t how = message->seq % SUP_BEFORE_NUMBER;
    if (message->a != SUP_STEP_BEFORE) return message->a;
    return how > SUP_BEFORE_STEPS ? (int) (how - SUP_BEFORE_STEPS) : 0;
}

static bool lacks_resources(const struct sup_wire *message)
{
    int step = failed_step(message);
    bool early = step == SUP_STEP_CLONE || step == SUP_STEP_DESCRIPTORS || step == SUP_STEP_PLAN ||
                 step == SUP_STEP_SOCKETS;
    return early && (message->b == EAGAIN || message->b == ENOMEM || message->b == EMFILE ||
                     message->b == ENFILE);
}

/* "before: exit status 3 (./migrate)": how a command of `before` failed, and which one. */
static void before_text(struct sup_engine *engine, const struct sup_wire *message, char *buf,
                        size_t size)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, message->node);
    uint64_t how = message->seq % SUP_BEFORE_NUMBER, number = message->seq / SUP_BEFORE_NUMBER;
    struct sup_strings argv = {0};
    char time[48] = "", signal[32];
    int64_t ns = 0;
    uint32_t at = 0;
    for (uint64_t i = 0; spec != NULL && i <= number; i++)
        if (!sup_commands_next(&spec->before, &at, &argv, &ns)) argv.count = 0;
    if (spec != NULL) sup_duration_text(sup_spec_one_before_ns(spec, ns), time, sizeof time);
    int n;
    if (how == SUP_BEFORE_TIMED_OUT) n = snprintf(buf, size, "before: killed after %s", time);
    else if (how == SUP_BEFORE_STOPPED) n = snprintf(buf, size, "before: stopped");
    else if (how != SUP_BEFORE_ENDED)
        n = snprintf(buf, size, "before: %s: %s",
                     sup_wire_step_text((int) (how - SUP_BEFORE_STEPS)), strerror(message->b));
    else if (WIFSIGNALED(message->b))
        n = snprintf(buf, size, "before: killed by signal %s",
                     sup_signal_name(WTERMSIG(message->b), signal, sizeof signal));
    else n = snprintf(buf, size, "before: exit status %d", WEXITSTATUS(message->b));
    if (argv.count == 0 || n < 0 || (size_t) n >= size) return;
    const char *word = argv.first;
    bool is_shell = argv.count == 3 && strcmp(word, "/bin/sh") == 0;
    if (is_shell) word = sup_strings_next(sup_strings_next(word));
    snprintf(buf + n, size - (size_t) n, " (%.120s)", word);
}

/* "exec: No such file or directory (./web)" */
static void failure_text(struct sup_engine *engine, const struct sup_wire *message, char *buf,
                         size_t size)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, message->node);
    const char *object = NULL;
    if (spec != NULL && message->a == SUP_STEP_EXEC) object = spec->command.first;
    if (spec != NULL && message->a == SUP_STEP_CWD) object = spec->cwd;
    if (spec != NULL && message->a == SUP_STEP_OUTPUT) object = spec->log.to;
    if (message->a == SUP_STEP_BEFORE) {
        before_text(engine, message, buf, size);
        return;
    }
    if (message->a == SUP_STEP_CGROUP) {
        sup_limits_failure(message, buf, size);
        return;
    }
    bool is_refused = message->b == EPERM || message->b == EACCES;
    if (is_refused && message->a >= SUP_STEP_LIMITS && message->a < SUP_STEP_COUNT)
        object = "root may do this; run suptree as root, or take the option out";
    int n = snprintf(buf, size, "%s: %s", sup_wire_step_text(message->a), strerror(message->b));
    if (object != NULL && n > 0 && (size_t) n < size)
        snprintf(buf + n, size - (size_t) n, " (%s)", object);
}

static void note_failed(struct sup_engine *engine, const struct sup_wire *message,
                        struct sup_input *input)
{
    char text[512];
    const struct sup_spec *spec = sup_tree_spec(engine->tree, message->node);
    if (message->a == SUP_STEP_SOCKETS && spec != NULL) sup_listeners_give_again(engine, spec);
    failure_text(engine, message, text, sizeof text);
    note_over(engine, message, input);
    input->type = SUP_IN_LAUNCH_FAILED;
    input->outcome =
        (struct sup_outcome){SUP_END_NO_LAUNCH, failed_step(message) != 0 ? message->b : 0};
    input->flag = lacks_resources(message);
    input->text = text;
    sup_engine_apply(engine, input);
    input->text = NULL;
    sup_process_acknowledge(engine, message->instance);
}

/* Whose memory there was too little of. */
static void note_oom(const struct sup_wire *message, struct sup_input *input)
{
    bool is_own = (message->more & SUP_EXIT_OOM_OWN) != 0;
    bool was_killed = input->outcome.kind == SUP_END_SIGNAL && input->outcome.code == SIGKILL;
    if (was_killed) {
        input->outcome.kind = SUP_END_OOM;
        if (!is_own) input->text = "the machine's or a container's, not by a limit of its own";
    } else if (input->outcome.kind == SUP_END_EXIT) {
        input->text = "something of it was killed for lack of memory";
    }
}

/* What became of `after_exit`, where that is not as it should be. */
static void tell_after(struct sup_engine *engine, const struct sup_wire *message)
{
    char buf[PATH_SIZE], signal[32], how[128];
    int value = message->b >> SUP_EXIT_AFTER_SHIFT;
    if ((message->b & SUP_EXIT_AFTER_TIMED_OUT) != 0)
        snprintf(how, sizeof how, "took too long and was killed");
    else if ((message->b & SUP_EXIT_AFTER_NOT_RUN) != 0)
        snprintf(how, sizeof how, "could not be run: %s", strerror(value));
    else if ((message->b & SUP_EXIT_AFTER_FAILED) == 0) return;
    else if (WIFSIGNALED(value))
        snprintf(how, sizeof how, "was killed by signal %s",
                 sup_signal_name(WTERMSIG(value), signal, sizeof signal));
    else snprintf(how, sizeof how, "ended with exit status %d", WEXITSTATUS(value));
    sup_tell_line(engine, "%s: after_exit %s; nothing depends on it, but correct it",
                  sup_tree_path(engine->tree, message->node, buf, sizeof buf), how);
}

static void note_exit(struct sup_engine *engine, const struct sup_wire *message,
                      struct sup_input *input)
{
    struct sup_slot *slot = current_slot(engine, input);
    if (slot != NULL && slot->live) sup_notify_hear(engine, slot); /* it came before */
    note_over(engine, message, input);
    input->type = SUP_IN_ENDED;
    input->outcome = sup_process_outcome(message->a);
    input->cpu_ns = (int64_t) message->seq;
    input->memory_peak = message->more & SUP_EXIT_PEAK;
    if ((message->more & SUP_EXIT_OOM) != 0) note_oom(message, input);
    input->flag = (message->b & SUP_EXIT_NO_RESTART) != 0;
    if (input->flag && input->text == NULL) input->text = "after_exit asks not to restart it";
    tell_after(engine, message);
    sup_engine_apply(engine, input);
    sup_process_acknowledge(engine, message->instance);
}

/* It goes on in another process, as it has said. */
static void note_main(struct sup_engine *engine, const struct sup_wire *message, int fd)
{
    char path[PATH_SIZE];
    struct sup_slot *slot = sup_slots_find(&engine->slots, message->node);
    bool is_its =
        slot != NULL && slot->live && message->instance == slot->instance + engine->bases.instance;
    if (!is_its) {
        if (fd >= 0) close(fd);
        return;
    }
    pthread_mutex_lock(&engine->mutex);
    if (slot->pidfd >= 0) close(slot->pidfd);
    slot->pidfd = fd;
    slot->pid = message->a;
    pthread_mutex_unlock(&engine->mutex);
    sup_tell_line(engine, "%s goes on in process %d, as it has said",
                  sup_tree_path(engine->tree, slot->node, path, sizeof path), message->a);
}

void sup_process_claim(struct sup_engine *engine, struct sup_slot *slot, int32_t pid)
{
    struct sup_wire message = {
        .type = SUP_WIRE_MAIN,
        .node = slot->node,
        .instance = slot->instance + engine->bases.instance,
        .generation = slot->generation,
        .a = pid,
    };
    say(engine, &message, -1);
}

void sup_process_fact(struct sup_engine *engine, const struct sup_wire *message, int fd)
{
    struct sup_input input = {.node = message->node};
    uint64_t base = engine->bases.instance;
    if (message->type == SUP_WIRE_EAR) {
        sup_notify_open(engine, message, fd);
        return;
    }
    if (message->type == SUP_WIRE_MAIN_IS) {
        note_main(engine, message, fd);
        return;
    }
    if (message->instance > base) input.instance = message->instance - base;
    if (input.instance == 0) {
        if (fd >= 0) close(fd);
        sup_recovery_leftover(engine, message);
    } else if (message->type == SUP_WIRE_SPAWNED) {
        note_spawned(engine, message, fd, &input);
    } else if (message->type == SUP_WIRE_LIMITS) {
        sup_limits_note(engine, message);
    } else if (message->type == SUP_WIRE_STARTING) {
        if (fd >= 0) close(fd);
        note_starting(engine, &input);
    } else if (message->type == SUP_WIRE_ENDING) {
        note_ending(engine, message, &input);
    } else if (message->type == SUP_WIRE_SPAWN_FAILED) {
        note_failed(engine, message, &input);
    } else {
        note_exit(engine, message, &input);
    }
}
