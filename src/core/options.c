/*
** core/options.c: the one table of all options, and looking things up in it. What the encoded
** values mean is in option_decode.c, how people write them in parse.c.
*/
#include "core/options.h"

#include <stdlib.h>
#include <string.h>

#define FIELD(member) offsetof(struct sup_spec, member)
#define ANY_NODE (SUP_OPT_SUPERVISOR | SUP_OPT_SERVICE)

static const char *const auto_shutdowns[] = {"never", "any_significant", "all_significant", NULL};
static const char *const kill_modes[] = {"auto", "cgroup", "group", "process", NULL};
static const char *const misseds[] = {"skip", "run", NULL};
static const char *const overlaps[] = {"skip", "queue", "replace", NULL};
static const char *const on_stucks[] = {"wait", "abandon", NULL};
static const char *const on_thresholds[] = {"pause", "escalate", "give_up", NULL};
static const char *const restarts[] = {"permanent", "transient", "temporary", NULL};
static const char *const stop_orders[] = {"together", "reverse", NULL};
static const char *const strategies[] = {"one_for_one", "one_for_all", "rest_for_one", NULL};

/* Alphabetical: sup_option_find() searches by halving. */
const struct sup_option sup_options[] = {
    {SUP_OPTION_ACTIVATION, "activation", SUP_TYPE_BOOL, FIELD(activation), "false", NULL, 0, 0,
     SUP_OPT_PROCESS,
     "true: it is started by the first connection to one of its sockets, and again after it has "
     "ended well.",
     "systemd"},
    {SUP_OPTION_AFTER, "after", SUP_TYPE_NAMES, FIELD(after), NULL, NULL, 0, 0, SUP_OPT_CHILD,
     "Siblings that must be ready before each launch; on a stop this node ends before them.",
     "systemd"},
    {SUP_OPTION_AFTER_EXIT, "after_exit", SUP_TYPE_COMMANDS, FIELD(after_exit), NULL, NULL, 1, 1,
     SUP_OPT_PROCESS,
     "A command that is run after each end; the next launch waits for it. Exit code 125 of it: do "
     "not restart.",
     "systemd"},
    {SUP_OPTION_ARGS, "args", SUP_TYPE_BYTES, FIELD(args), NULL, NULL, 0, 0,
     SUP_OPT_THREAD | SUP_OPT_EXEC, "Plain data for the function, there as ctx.args.", "suptree"},
    {SUP_OPTION_AT, "at", SUP_TYPE_STRING, FIELD(at), NULL, NULL, 0, 0,
     SUP_OPT_SERVICE | SUP_OPT_TIMER,
     "When it runs, local time, as in crontab: \"30 3 * * mon-fri\" (minute, hour, day, month, day "
     "of the week), or @hourly, @daily, @weekly, @monthly, @yearly.",
     "cron"},
    {SUP_OPTION_AUTO_SHUTDOWN, "auto_shutdown", SUP_TYPE_ENUM, FIELD(auto_shutdown), "never",
     auto_shutdowns, 0, 0, SUP_OPT_SUPERVISOR,
     "Ends the supervisor when any, or all, of its significant children have ended for good.",
     "OTP"},
    {SUP_OPTION_BACKOFF_JITTER, "backoff_jitter", SUP_TYPE_BOOL, FIELD(backoff_jitter), "false",
     NULL, 0, 0, SUP_OPT_SUPERVISOR,
     "Lengthens each pause by a random part of up to half of failure_backoff.", "suture"},
    {SUP_OPTION_BEFORE, "before", SUP_TYPE_COMMANDS, FIELD(before), NULL, NULL, 1, 32,
     SUP_OPT_PROCESS,
     "A command, or several in order, that must succeed before each launch; else the start has "
     "failed.",
     "systemd"},
    {SUP_OPTION_CGROUP, "cgroup", SUP_TYPE_CGROUP, FIELD(cgroup), NULL, NULL, 0, 0, SUP_OPT_PROCESS,
     "Limits of all its processes together, by cgroup v2: { memory_max = \"64MiB\", cpu_max = 0.5, "
     "pids_max = 100 }. \"suptree help cgroup\" lists all.",
     "systemd"},
    {SUP_OPTION_COMMAND, "command", SUP_TYPE_COMMAND, FIELD(command), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC | SUP_OPT_REQUIRED,
     "What to run: a table is run directly, word by word; a string is given to /bin/sh -c.",
     "suptree"},
    {SUP_OPTION_CONTROL_GROUP, "control_group", SUP_TYPE_ID, FIELD(control_group), NULL, NULL, 0, 0,
     SUP_OPT_SUPERVISOR,
     "Of the root: members of this group may look at the tree, and change nothing; taken when "
     "it is run.",
     "suptree"},
    {SUP_OPTION_CWD, "cwd", SUP_TYPE_PATH, FIELD(cwd), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC,
     "The folder to run in, relative to the folder of the configuration; default: that folder.",
     "systemd"},
    {SUP_OPTION_DESCRIPTION, "description", SUP_TYPE_STRING, FIELD(description), NULL, NULL, 0, 0,
     ANY_NODE, "A line for people, shown by status.", "systemd"},
    {SUP_OPTION_DONE_EXIT, "done_exit", SUP_TYPE_CODES, FIELD(done_exit), "{}", NULL, 0, 0,
     SUP_OPT_PROCESS, "Exit codes by which the process says that it is done for good.", "suture"},
    {SUP_OPTION_ENABLED, "enabled", SUP_TYPE_BOOL, FIELD(enabled), "true", NULL, 0, 0,
     SUP_OPT_CHILD, "false: declared, but not started until a person starts it.", "systemd"},
    {SUP_OPTION_ENV, "env", SUP_TYPE_ENV, FIELD(env), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC, "Environment variables, as a table of names and values.",
     "systemd"},
    {SUP_OPTION_ENV_FILE, "env_file", SUP_TYPE_ENV_FILE, FIELD(env), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC,
     "A file of KEY=VALUE lines, read when the configuration is; env wins over it.", "systemd"},
    {SUP_OPTION_EVERY, "every", SUP_TYPE_DURATION, FIELD(every_ns), NULL, NULL, 0, 0,
     SUP_OPT_SERVICE | SUP_OPT_TIMER | SUP_OPT_POSITIVE,
     "How often it runs, from one start to the next; first so long after the timer is started.",
     "systemd"},
    {SUP_OPTION_EXTEND_BACKOFF, "extend_backoff", SUP_TYPE_BOOL, FIELD(extend_backoff), "false",
     NULL, 0, 0, SUP_OPT_SUPERVISOR, "Failures during a pause lengthen it, as in suture.",
     "suture"},
    {SUP_OPTION_FAILURE_BACKOFF, "failure_backoff", SUP_TYPE_DURATION, FIELD(failure_backoff_ns),
     "15s", NULL, 0, 0, SUP_OPT_SUPERVISOR, "How long automatic restarts pause.", "suture"},
    {SUP_OPTION_FAILURE_DECAY, "failure_decay", SUP_TYPE_DURATION, FIELD(failure_decay_ns), "30s",
     NULL, 0, 0, SUP_OPT_SUPERVISOR | SUP_OPT_POSITIVE, "The half-life of the failure count.",
     "suture"},
    {SUP_OPTION_FAILURE_THRESHOLD, "failure_threshold", SUP_TYPE_NUMBER, FIELD(failure_threshold),
     "5", NULL, 0, 1e9, SUP_OPT_SUPERVISOR,
     "When the decayed failure count exceeds this, on_threshold happens.", "suture"},
    {SUP_OPTION_FORMERLY, "formerly", SUP_TYPE_STRING, FIELD(formerly), NULL, NULL, 0, 0,
     SUP_OPT_CHILD, "The node's old name: a reload then renames it and keeps its process.",
     "suptree"},
    {SUP_OPTION_GROUP, "group", SUP_TYPE_ID, FIELD(group), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC,
     "The group to run as, by name or number; default: that of the user.", "systemd"},
    {SUP_OPTION_GROUPS, "groups", SUP_TYPE_IDS, FIELD(groups), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC,
     "Supplementary groups, names or numbers; default: those that the user is in.", "systemd"},
    {SUP_OPTION_HEALTH, "health", SUP_TYPE_HEALTH, FIELD(health), NULL, NULL, 0, 0, SUP_OPT_SERVICE,
     "Looks again and again whether it is well, once it is ready: { probe = s.ready.tcp(80), "
     "every, timeout, failures, action }; \"suptree help health\" says more.",
     "systemd"},
    {SUP_OPTION_INHERIT_ENV, "inherit_env", SUP_TYPE_BOOL, FIELD(inherit_env), "true", NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC, "false: only PATH, HOME, USER, SHELL and LANG are inherited.",
     "suptree"},
    {SUP_OPTION_INTENSITY, "intensity", SUP_TYPE_COUNT, FIELD(intensity), NULL, NULL, 0, 10000,
     SUP_OPT_SUPERVISOR,
     "More failures than this within period make it escalate; replaces failure_threshold.", "OTP"},
    {SUP_OPTION_JITTER, "jitter", SUP_TYPE_DURATION, FIELD(jitter_ns), "0s", NULL, 0, 0,
     SUP_OPT_SERVICE | SUP_OPT_TIMER,
     "Each run comes later by a part of this, by chance: so that not all begin at once.",
     "systemd"},
    {SUP_OPTION_KILL_MODE, "kill_mode", SUP_TYPE_ENUM, FIELD(kill_mode), "auto", kill_modes, 0, 0,
     SUP_OPT_PROCESS,
     "Whom a kill reaches, and what is left when it has ended: all that it has made (cgroup), its "
     "process group, or it alone; auto: cgroup where the system lets us, else as well as can be.",
     "systemd"},
    {SUP_OPTION_KILL_TIMEOUT, "kill_timeout", SUP_TYPE_DURATION, FIELD(kill_timeout_ns), "10s",
     NULL, 0, 0, ANY_NODE | SUP_OPT_INHERITED | SUP_OPT_INFINITY,
     "How long after its kill an instance counts as stuck; nested nodes inherit it.", "suptree"},
    {SUP_OPTION_LIMITS, "limits", SUP_TYPE_LIMITS, FIELD(limits), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC,
     "Limits of resources: { nofile = 65536, core = \"unlimited\", nproc = { soft, hard } }.",
     "systemd"},
    {SUP_OPTION_LOG, "log", SUP_TYPE_LOG, FIELD(log), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC,
     "{ file = PATH, ... }: the output goes there too; false: nowhere; \"inherit\": straight "
     "through. \"suptree help log\" lists what else may be said.",
     "suptree"},
    {SUP_OPTION_MAX_CHILDREN, "max_children", SUP_TYPE_COUNT, FIELD(max_children), "0", NULL, 0,
     65536, SUP_OPT_SUPERVISOR, "At most this many children; 0: no bound.", "OTP"},
    {SUP_OPTION_MAX_PAUSES, "max_pauses", SUP_TYPE_COUNT, FIELD(max_pauses), "0", NULL, 0, 10000,
     SUP_OPT_SUPERVISOR,
     "After this many pauses within the time `within` the next one escalates; 0: no bound.",
     "suptree"},
    {SUP_OPTION_MEMORY, "memory", SUP_TYPE_SIZE, FIELD(memory), "64MiB", NULL, 0, 0,
     SUP_OPT_THREAD | SUP_OPT_EXEC | SUP_OPT_POSITIVE, "The most memory its Lua state may take.",
     "suptree"},
    {SUP_OPTION_MISSED, "missed", SUP_TYPE_ENUM, FIELD(missed), "skip", misseds, 0, 0,
     SUP_OPT_SERVICE | SUP_OPT_TIMER,
     "A run whose time passed while nobody could start it (the machine slept, the host was down, "
     "the former run went on): skip it, or run once as soon as possible.",
     "systemd"},
    {SUP_OPTION_NICE, "nice", SUP_TYPE_INTEGER, FIELD(nice), NULL, NULL, -20, 19,
     SUP_OPT_PROCESS | SUP_OPT_EXEC, "Its claim on the processor: -20 the most, 19 the least.",
     "systemd"},
    {SUP_OPTION_NO_NEW_PRIVS, "no_new_privs", SUP_TYPE_BOOL, FIELD(no_new_privs), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC,
     "true: it can never gain rights, by setuid programs for example; default: true with user.",
     "systemd"},
    {SUP_OPTION_ON_EVENT, "on_event", SUP_TYPE_BYTES, FIELD(on_event), NULL, NULL, 0, 0, ANY_NODE,
     "A function that is told what happens to the node and below it, on a thread of its own: "
     "function(event), or { types = { \"failed\", … }, run = function(event) … end }.",
     "suptree"},
    {SUP_OPTION_ON_STUCK, "on_stuck", SUP_TYPE_ENUM, FIELD(on_stuck), "wait", on_stucks, 0, 0,
     SUP_OPT_SERVICE, "\"abandon\": start a new instance although the killed one has not ended.",
     "suptree"},
    {SUP_OPTION_ON_THRESHOLD, "on_threshold", SUP_TYPE_ENUM, FIELD(on_threshold), "pause",
     on_thresholds, 0, 0, SUP_OPT_SUPERVISOR,
     "When too much fails: pause restarts, escalate to the parent, or give up on the child; "
     "with intensity the default is \"escalate\".",
     "suture"},
    {SUP_OPTION_OOM_SCORE, "oom_score", SUP_TYPE_INTEGER, FIELD(oom_score), NULL, NULL, -1000, 1000,
     SUP_OPT_PROCESS | SUP_OPT_EXEC,
     "How gladly the kernel kills it when memory runs out: 1000 first, -1000 never.", "systemd"},
    {SUP_OPTION_OVERLAP, "overlap", SUP_TYPE_ENUM, FIELD(overlap), "skip", overlaps, 0, 0,
     SUP_OPT_SERVICE | SUP_OPT_TIMER,
     "When a run is due and the former one goes on: skip it, queue it (one, which then follows), "
     "or replace: stop the former, then run.",
     "suptree"},
    {SUP_OPTION_PERIOD, "period", SUP_TYPE_DURATION, FIELD(period_ns), "5s", NULL, 0, 0,
     SUP_OPT_SUPERVISOR | SUP_OPT_POSITIVE, "The length of the window of intensity.", "OTP"},
    {SUP_OPTION_PROPAGATE_TERMINATION, "propagate_termination", SUP_TYPE_BOOL,
     FIELD(propagate_termination), "true", NULL, 0, 0, SUP_OPT_SUPERVISOR,
     "false: a child that ends the tree ends this supervisor only.", "suture"},
    {SUP_OPTION_READY, "ready", SUP_TYPE_READY, FIELD(ready), NULL, NULL, 0, 0, SUP_OPT_SERVICE,
     "When it counts as ready, one of s.ready.*; default: at launch.", "s6"},
    {SUP_OPTION_RELOAD_SIGNAL, "reload_signal", SUP_TYPE_SIGNAL, FIELD(reload_signal), NULL, NULL,
     0, 0, SUP_OPT_PROCESS,
     "The signal by which it reads its own settings again: what \"suptree signal NAME reload\" "
     "sends.",
     "systemd"},
    {SUP_OPTION_REMAIN, "remain", SUP_TYPE_BOOL, FIELD(remain), "true", NULL, 0, 0,
     SUP_OPT_SERVICE | SUP_OPT_ONESHOT,
     "true: once done it counts as ready; false: it is down then, and a person's start of what is "
     "after it runs it again.",
     "systemd"},
    {SUP_OPTION_REPLICAS, "replicas", SUP_TYPE_COUNT, FIELD(replica), NULL, NULL, 0,
     SUP_REPLICAS_MAX, SUP_OPT_SERVICE,
     "So many of it, as siblings: \"web\" becomes web@1, web@2 and so on, each with its number in "
     "SUPTREE_REPLICA (a thread: ctx.replica); \"web\" means all of them.",
     "compose"},
    {SUP_OPTION_REPLICATED, "replicated", SUP_TYPE_BYTES, FIELD(replicated), NULL, NULL, 0, 0,
     SUP_OPT_SUPERVISOR | SUP_OPT_HIDDEN,
     "Of the root: what was declared, before replicas were made of it.", "suptree"},
    {SUP_OPTION_RESTART, "restart", SUP_TYPE_ENUM, FIELD(restart), "permanent", restarts, 0, 0,
     SUP_OPT_CHILD, "permanent: after every end; transient: after a failure; temporary: never.",
     "OTP"},
    {SUP_OPTION_RESTART_DELAY, "restart_delay", SUP_TYPE_DELAY, FIELD(restart_delay), "0s", NULL, 0,
     0, SUP_OPT_CHILD,
     "How long to wait before a restart: a duration, or { initial, max, factor, jitter, "
     "reset_after }.",
     "systemd"},
    {SUP_OPTION_RESTART_SPACING, "restart_spacing", SUP_TYPE_DURATION, FIELD(restart_spacing_ns),
     "0s", NULL, 0, 0, SUP_OPT_SUPERVISOR,
     "The time between the launches of the children that waited for the end of a pause.",
     "suptree"},
    {SUP_OPTION_RESTART_WITH, "restart_with", SUP_TYPE_NAMES, FIELD(restart_with), NULL, NULL, 0, 0,
     SUP_OPT_CHILD, "Siblings whose restart restarts this node too.", "systemd"},
    {SUP_OPTION_RUN, "run", SUP_TYPE_BYTES, FIELD(run), NULL, NULL, 0, 0,
     SUP_OPT_THREAD | SUP_OPT_EXEC | SUP_OPT_REQUIRED,
     "The function to run, or the name of a module that returns it.", "suptree"},
    {SUP_OPTION_SIGNIFICANT, "significant", SUP_TYPE_BOOL, FIELD(significant), "false", NULL, 0, 0,
     SUP_OPT_CHILD, "Its end counts for auto_shutdown; transient and temporary nodes only.", "OTP"},
    {SUP_OPTION_SOCKETS, "sockets", SUP_TYPE_SOCKETS, FIELD(sockets), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC,
     "Names and addresses that it listens on, held open over its restarts and given to it as "
     "descriptors from 3 on, sorted by name. \"suptree help sockets\" says what may be written.",
     "systemd"},
    {SUP_OPTION_START_TIMEOUT, "start_timeout", SUP_TYPE_DURATION, FIELD(start_timeout_ns), "60s",
     NULL, 0, 0, SUP_OPT_SERVICE | SUP_OPT_INFINITY | SUP_OPT_POSITIVE,
     "Not ready after this long: stopped, and counted as a failed start.", "systemd"},
    {SUP_OPTION_STOP, "stop", SUP_TYPE_LADDER, FIELD(stop), NULL, NULL, 0, 0, SUP_OPT_PROCESS,
     "Signals that ask it to stop, one after the other, each with the time it gets; then it is "
     "killed. Instead of stop_signal and timeout.",
     "runit"},
    {SUP_OPTION_STOP_ORDER, "stop_order", SUP_TYPE_ENUM, FIELD(stop_order), "together", stop_orders,
     0, 0, SUP_OPT_SUPERVISOR,
     "\"reverse\": children are stopped one after another, the last first; rest_for_one implies "
     "it.",
     "OTP"},
    {SUP_OPTION_STOP_SIGNAL, "stop_signal", SUP_TYPE_SIGNAL, FIELD(stop_signal), "TERM", NULL, 0, 0,
     SUP_OPT_PROCESS, "The signal that asks it to stop.", "systemd"},
    {SUP_OPTION_STRATEGY, "strategy", SUP_TYPE_ENUM, FIELD(strategy), "one_for_one", strategies, 0,
     0, SUP_OPT_SUPERVISOR,
     "Who is restarted when a child fails: it alone, all children, or it and those after it.",
     "OTP"},
    {SUP_OPTION_SUCCESS_EXIT, "success_exit", SUP_TYPE_CODES, FIELD(success_exit), "{ 0 }", NULL, 0,
     0, SUP_OPT_PROCESS, "Exit codes that are no failure.", "systemd"},
    {SUP_OPTION_TERMINATE_EXIT, "terminate_exit", SUP_TYPE_CODES, FIELD(terminate_exit), "{}", NULL,
     0, 0, SUP_OPT_PROCESS, "Exit codes that end the whole tree.", "suture"},
    {SUP_OPTION_TIMEOUT, "timeout", SUP_TYPE_DURATION, FIELD(timeout_ns), "10s", NULL, 0, 0,
     ANY_NODE | SUP_OPT_INHERITED | SUP_OPT_INFINITY,
     "How long it may take to stop when asked, before it is killed; nested nodes inherit it.",
     "suture"},
    {SUP_OPTION_UMASK, "umask", SUP_TYPE_MODE, FIELD(umask), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC,
     "Rights that files it makes do not get, as an octal text such as \"027\".", "systemd"},
    {SUP_OPTION_USER, "user", SUP_TYPE_USER, FIELD(user), NULL, NULL, 0, 0,
     SUP_OPT_PROCESS | SUP_OPT_EXEC,
     "The user to run as, by name or number: its groups, HOME, USER and SHELL; nothing else is "
     "inherited but PATH and LANG.",
     "systemd"},
    {SUP_OPTION_WATCHDOG, "watchdog", SUP_TYPE_DURATION, FIELD(watchdog_ns), NULL, NULL, 0, 0,
     SUP_OPT_SERVICE | SUP_OPT_POSITIVE | SUP_OPT_EXEC,
     "Once ready it must say this often that it is well, by sd_notify WATCHDOG=1 or "
     "ctx:heartbeat(); else it is aborted and counts as failed.",
     "systemd"},
    {SUP_OPTION_WITHIN, "within", SUP_TYPE_DURATION, FIELD(within_ns), NULL, NULL, 0, 0,
     SUP_OPT_SUPERVISOR | SUP_OPT_POSITIVE, "The time in which max_pauses counts.", "suptree"},
};

const size_t sup_option_count = sizeof sup_options / sizeof sup_options[0];

#define OPTION_COUNT (sizeof sup_options / sizeof sup_options[0])

static int compare_name(const void *name, const void *row)
{
    return strcmp(name, ((const struct sup_option *) row)->name);
}

const struct sup_option *sup_option_find(const char *name)
{
    return bsearch(name, sup_options, OPTION_COUNT, sizeof sup_options[0], compare_name);
}

const struct sup_option *sup_option_by_id(uint16_t id)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (sup_options[i].id == id) return &sup_options[i];
    return NULL;
}

bool sup_option_applies(const struct sup_option *option, enum sup_kind kind, bool is_root)
{
    static const unsigned own[SUP_KIND_COUNT] = {
        [SUP_SUPERVISOR] = SUP_OPT_SUPERVISOR,
        [SUP_PROCESS] = SUP_OPT_PROCESS,
        [SUP_THREAD] = SUP_OPT_THREAD,
    };
    if ((unsigned) kind >= SUP_KIND_COUNT) return false;
    unsigned wanted = own[kind] | (is_root ? 0u : (unsigned) SUP_OPT_CHILD);
    return (option->flags & wanted) != 0;
}

const char *sup_option_nearest(const char *name, enum sup_kind kind, bool is_root)
{
    const char *names[OPTION_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if ((sup_options[i].flags & (SUP_OPT_HIDDEN | SUP_OPT_ONESHOT | SUP_OPT_TIMER)) == 0 &&
            sup_option_applies(&sup_options[i], kind, is_root))
            names[count++] = sup_options[i].name;
    return sup_nearest(name, names, count);
}
