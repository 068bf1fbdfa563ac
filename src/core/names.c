/*
** core/names.c: the words by which people know states, kinds, events, causes and outcomes.
*/
#include "core/event.h"
#include "core/options.h"

#include <stdio.h>
#include <string.h>

static const char *const state_names[SUP_STATE_COUNT] = {
    [SUP_STATE_STOPPED] = "stopped",   [SUP_STATE_WAITING] = "waiting",
    [SUP_STATE_STARTING] = "starting", [SUP_STATE_RUNNING] = "running",
    [SUP_STATE_STOPPING] = "stopping", [SUP_STATE_DELAYED] = "delayed",
    [SUP_STATE_QUEUED] = "queued",     [SUP_STATE_DONE] = "done",
    [SUP_STATE_FAILED] = "failed",     [SUP_STATE_STUCK] = "stuck",
    [SUP_STATE_PAUSED] = "paused",
};

static const char *const kind_names[SUP_KIND_COUNT] = {
    [SUP_SUPERVISOR] = "supervisor",
    [SUP_PROCESS] = "process",
    [SUP_THREAD] = "thread",
};

static const char *const event_names[SUP_EVENT_COUNT] = {
    [SUP_EVENT_STARTED] = "started",
    [SUP_EVENT_ADDED] = "added",
    [SUP_EVENT_REMOVED] = "removed",
    [SUP_EVENT_LAUNCHED] = "launched",
    [SUP_EVENT_LAUNCH_FAILED] = "launch_failed",
    [SUP_EVENT_READY] = "ready",
    [SUP_EVENT_STOPPING] = "stopping",
    [SUP_EVENT_KILLED] = "killed",
    [SUP_EVENT_ENDED] = "ended",
    [SUP_EVENT_FAILED] = "failed",
    [SUP_EVENT_BACKOFF] = "backoff",
    [SUP_EVENT_RESUME] = "resume",
    [SUP_EVENT_DELAYED] = "delayed",
    [SUP_EVENT_GAVE_UP] = "gave_up",
    [SUP_EVENT_ESCALATED] = "escalated",
    [SUP_EVENT_STOP_TIMEOUT] = "stop_timeout",
    [SUP_EVENT_STUCK] = "stuck",
    [SUP_EVENT_STOPPED] = "stopped",
    [SUP_EVENT_RELOADED] = "reloaded",
    [SUP_EVENT_RELOAD_REFUSED] = "reload_refused",
    [SUP_EVENT_ROLLED_BACK] = "rolled_back",
    [SUP_EVENT_HOST_RESTARTED] = "host_restarted",
    [SUP_EVENT_UNHEALTHY] = "unhealthy",
    [SUP_EVENT_HEALTHY] = "healthy",
    [SUP_EVENT_SKIPPED] = "skipped",
};

static const char *const cause_names[SUP_CAUSE_COUNT] = {
    [SUP_CAUSE_NONE] = "none",
    [SUP_CAUSE_START] = "start",
    [SUP_CAUSE_STOP] = "stop",
    [SUP_CAUSE_PERSON] = "person",
    [SUP_CAUSE_REMOVE] = "remove",
    [SUP_CAUSE_RELOAD] = "reload",
    [SUP_CAUSE_FAILURE] = "failure",
    [SUP_CAUSE_GROUP] = "group",
    [SUP_CAUSE_DEPENDENCY] = "dependency",
    [SUP_CAUSE_FOLLOW] = "follow",
    [SUP_CAUSE_NOT_READY] = "not_ready",
    [SUP_CAUSE_PAUSE] = "pause",
    [SUP_CAUSE_DELAY] = "delay",
    [SUP_CAUSE_RESOURCES] = "resources",
    [SUP_CAUSE_LIMIT] = "limit",
    [SUP_CAUSE_FINISHED] = "finished",
    [SUP_CAUSE_TERMINATE] = "terminate",
    [SUP_CAUSE_AUTO_SHUTDOWN] = "auto_shutdown",
    [SUP_CAUSE_DISABLED] = "disabled",
    [SUP_CAUSE_SUPERVISOR] = "supervisor",
    [SUP_CAUSE_STUCK] = "stuck",
    [SUP_CAUSE_ROLLBACK] = "rollback",
    [SUP_CAUSE_WATCHDOG] = "watchdog",
    [SUP_CAUSE_UNHEALTHY] = "unhealthy",
    [SUP_CAUSE_SCHEDULE] = "schedule",
    [SUP_CAUSE_ACTIVATION] = "activation",
};

static const char *find_name(const char *const *names, size_t count, size_t number)
{
    return number < count && names[number] != NULL ? names[number] : "unknown";
}

const char *sup_state_name(enum sup_state state)
{
    return find_name(state_names, SUP_STATE_COUNT, (size_t) state);
}

const char *sup_kind_word(enum sup_kind kind, enum sup_role role)
{
    if (role == SUP_ROLE_TIMER) return "timer";
    return role == SUP_ROLE_ONESHOT ? "oneshot" : sup_kind_name(kind);
}

const char *sup_kind_name(enum sup_kind kind)
{
    return find_name(kind_names, SUP_KIND_COUNT, (size_t) kind);
}

const char *sup_event_name(enum sup_event_type type)
{
    return find_name(event_names, SUP_EVENT_COUNT, (size_t) type);
}

const char *sup_cause_name(enum sup_cause cause)
{
    return find_name(cause_names, SUP_CAUSE_COUNT, (size_t) cause);
}

/* The first line of ${text} as "${before}TEXT", or ${otherwise} when there is none. */
static void write_first_line(char *buf, size_t size, const char *before, const char *text,
                             const char *otherwise)
{
    if (text == NULL || text[0] == '\0' || text[0] == '\n') {
        snprintf(buf, size, "%s", otherwise);
        return;
    }
    snprintf(buf, size, "%s%.*s", before, (int) strcspn(text, "\r\n"), text);
}

static void write_launch_fault(char *buf, size_t size, int32_t code, const char *text)
{
    const char *words = strerrordesc_np(code < 0 ? -code : code);
    char otherwise[96];
    snprintf(otherwise, sizeof otherwise, "could not be launched%s%s", code != 0 ? ": " : "",
             code == 0       ? ""
             : words != NULL ? words
                             : "unknown error");
    write_first_line(buf, size, "", text, otherwise);
}

/* ${text}: what else is known of it. */
static void write_exit(char *buf, size_t size, int code, const char *text)
{
    if (text == NULL || text[0] == '\0') snprintf(buf, size, "exit code %d", code);
    else snprintf(buf, size, "exit code %d (%s)", code, text);
}

static void write_oom(char *buf, size_t size, const char *text)
{
    if (text == NULL || text[0] == '\0') snprintf(buf, size, "killed for lack of memory");
    else snprintf(buf, size, "killed for lack of memory (%s)", text);
}

/* Outcomes of which there is nothing more to say. */
static const char *const outcome_words[] = {
    [SUP_END_NONE] = "",
    [SUP_END_RETURNED] = "returned",
    [SUP_END_DONE] = "returned suptree.DONE",
    [SUP_END_TERMINATE] = "returned suptree.TERMINATE_TREE",
    [SUP_END_LOST] = "ended while nobody watched: its exit status is lost",
    [SUP_END_LIMIT] = "limit: too many failures below it",
    [SUP_END_SHUTDOWN] = "shut down",
    [SUP_END_STOPPED] = "stopped when asked",
    [SUP_END_NOT_READY] = "not ready in time",
};

char *sup_outcome_text(struct sup_outcome outcome, const char *text, char *buf, size_t size)
{
    char number[16];
    size_t kind = (size_t) outcome.kind;
    if (outcome.kind == SUP_END_EXIT) write_exit(buf, size, outcome.code, text);
    else if (outcome.kind == SUP_END_OOM) write_oom(buf, size, text);
    else if (outcome.kind == SUP_END_SIGNAL)
        snprintf(buf, size, "killed by signal %d (%s)", (int) outcome.code,
                 sup_signal_name(outcome.code, number, sizeof number));
    else if (outcome.kind == SUP_END_ERROR)
        write_first_line(buf, size, "raised: ", text, "raised an error");
    else if (outcome.kind == SUP_END_WATCHDOG)
        write_first_line(buf, size, "watchdog: ", text, "watchdog: nothing was heard in time");
    else if (outcome.kind == SUP_END_UNHEALTHY)
        write_first_line(buf, size, "unhealthy: ", text, "unhealthy");
    else if (outcome.kind == SUP_END_NO_LAUNCH) write_launch_fault(buf, size, outcome.code, text);
    else
        snprintf(buf, size, "%s",
                 find_name(outcome_words, sizeof outcome_words / sizeof *outcome_words, kind));
    return buf;
}

/* By the kernel's numbers. */
static const char *const limit_names[] = {
    "cpu",     "fsize", "data",  "stack",      "core",     "rss",  "nproc",  "nofile",
    "memlock", "as",    "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime",
};

#define LIMIT_COUNT (sizeof limit_names / sizeof *limit_names)

const char *sup_limit_name(uint32_t resource)
{
    return resource < LIMIT_COUNT ? limit_names[resource] : "?";
}

int sup_limit_number(const char *name)
{
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        if (strcmp(name, limit_names[i]) == 0) return (int) i;
    return -1;
}
