/*
** engine/narrate.c: events in plain words. Must not know where they are shown.
*/
#include "engine/narrate.h"

#include "core/event.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000000)
#define S SUP_SECOND_NS

/* --- words ------------------------------------------------------------------------------------ */

char *sup_narrate_duration(int64_t ns, char *buf, size_t size)
{
    int64_t seconds = (ns + S / 2) / S;
    if (ns == SUP_INFINITY_NS) snprintf(buf, size, "for ever");
    else if (ns < S) snprintf(buf, size, "%" PRId64 "ms", ns <= 0 ? 0 : (ns + MS - 1) / MS);
    else if (ns < 60 * S && ns % S >= S / 20 && ns % S < S - S / 20)
        snprintf(buf, size, "%.1fs", (double) ns / (double) S);
    else if (seconds < 60) snprintf(buf, size, "%" PRId64 "s", seconds);
    else if (seconds < 3600 && seconds % 60 != 0)
        snprintf(buf, size, "%" PRId64 "m%" PRId64 "s", seconds / 60, seconds % 60);
    else if (seconds < 3600) snprintf(buf, size, "%" PRId64 "m", seconds / 60);
    else snprintf(buf, size, "%" PRId64 "h%" PRId64 "m", seconds / 3600, seconds % 3600 / 60);
    return buf;
}

/* 5, 2.7: a count with as many digits as it needs. */
static char *count_text(double count, char *buf, size_t size)
{
    snprintf(buf, size, fabs(count - round(count)) < 0.05 ? "%.0f" : "%.1f", count);
    return buf;
}

/* A line that grows and never overflows. */
struct line {
    char *buf;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void say(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line->buf + line->length, line->size - line->length, format, arguments);
    va_end(arguments);
    if (n < 0) return;
    line->length += (size_t) n;
    if (line->length >= line->size) line->length = line->size - 1;
}

static void say_duration(struct line *line, const char *before, int64_t ns)
{
    char text[32];
    say(line, "%s%s", before, sup_narrate_duration(ns, text, sizeof text));
}

/* How long it is from the event to its deadline. */
static void say_until(struct line *line, const char *before, const struct sup_event *event)
{
    say_duration(line, before, event->until_ns - event->time_ns);
}

static void say_outcome(struct line *line, const struct sup_story *story)
{
    char text[SUP_TEXT_MAX + 64];
    say(line, "%s", sup_outcome_text(story->event->outcome, story->event->text, text, sizeof text));
}

static void say_context(struct line *line, const struct sup_event *event)
{
    if (event->context != NULL && event->context[0] != '\0') say(line, " (%s)", event->context);
}

/* "3 failures, more than 2.5" */
static void say_excess(struct line *line, const struct sup_event *event)
{
    char count[32], threshold[32];
    count_text(event->count, count, sizeof count);
    say(line, "%s failure%s, more than %s", count, strcmp(count, "1") == 0 ? "" : "s",
        count_text(event->threshold, threshold, sizeof threshold));
}

/* --- starting --------------------------------------------------------------------------------- */

static void tell_started(struct line *line, const struct sup_story *story)
{
    say(line, "%s starts", story->path);
    say_context(line, story->event);
}

static void tell_launched(struct line *line, const struct sup_story *story)
{
    if (story->kind == SUP_SUPERVISOR) return;
    bool is_timer = story->role == SUP_ROLE_TIMER;
    bool is_numbered = story->generation > 1 || is_timer;
    say(line, "%s started", story->path);
    if (story->generation > 1 && !is_timer) say(line, " again");
    if (story->pid > 0) say(line, " (pid %d", story->pid);
    else if (is_numbered) say(line, " (");
    if (is_numbered)
        say(line, "%s%s %u", story->pid > 0 ? ", " : "", is_timer ? "run" : "generation",
            story->generation);
    if (story->pid > 0 || is_numbered) say(line, ")");
    if (story->event->cause == SUP_CAUSE_ACTIVATION) say(line, ": a connection came");
}

static void tell_ready(struct line *line, const struct sup_story *story)
{
    if (story->is_root) {
        say(line, "%s is up: everything that is wanted has been ready", story->path);
    } else if (story->kind != SUP_SUPERVISOR && story->has_condition) {
        say(line, "%s is ready", story->path);
        if (story->ran_ns >= 0) say_duration(line, " after ", story->ran_ns);
    }
}

static void tell_launch_failed(struct line *line, const struct sup_story *story)
{
    if (story->event->outcome.kind == SUP_END_NOT_READY) {
        const char *why = story->event->text;
        say(line, "%s did not get ready in time", story->path);
        if (why != NULL) say(line, " (%s)", why);
        say(line, ": it is stopped, then its restart is decided; see its output, or give it a "
                  "longer start_timeout");
        return;
    }
    if (story->failed_follows) return;
    say(line, "%s could not be started: ", story->path);
    say_outcome(line, story);
    if (story->event->until_ns == 0) return;
    if (story->event->outcome.code != 0) say(line, "; the system has no room for it just now");
    say(line, ", trying again every second");
}

/* --- ending ----------------------------------------------------------------------------------- */

static void tell_ended(struct line *line, const struct sup_story *story)
{
    if (story->failed_follows || story->is_root) return;
    say(line, story->event->planned ? "%s stopped: " : "%s ended: ", story->path);
    say_outcome(line, story);
    if (story->ran_ns >= 0) say_duration(line, " after ", story->ran_ns);
}

static void say_what_failed(struct line *line, const struct sup_story *story)
{
    enum sup_outcome_kind kind = story->event->outcome.kind;
    if (kind == SUP_END_NO_LAUNCH) say(line, "%s could not be started: ", story->path);
    else if (kind == SUP_END_NOT_READY) say(line, "%s failed to start: ", story->path);
    else say(line, "%s ended: ", story->path);
    say_outcome(line, story);
    bool ran = kind != SUP_END_NO_LAUNCH && kind != SUP_END_NOT_READY;
    if (ran && story->ran_ns >= 0) say_duration(line, " after ", story->ran_ns);
}

static void tell_failed(struct line *line, const struct sup_story *story)
{
    const struct sup_event *event = story->event;
    char count[32], threshold[32];
    say_what_failed(line, story);
    say(line, event->count > event->threshold ? "; failure %s, more than %s" : "; failure %s of %s",
        count_text(event->count, count, sizeof count),
        count_text(event->threshold, threshold, sizeof threshold));
    if (event->restarting && event->until_ns > 0) say_until(line, ", starting it again in ", event);
    else if (event->restarting) say(line, ", starting it again now");
    else if (event->until_ns > 0) say_until(line, ", it waits and starts again in ", event);
    else if (story->role == SUP_ROLE_TIMER) say(line, ", its next run comes at its time");
    else say(line, ", it is not started again");
    if (event->restarting) say(line, " (generation %u)", story->generation + 1);
}

static void tell_backoff(struct line *line, const struct sup_story *story)
{
    const struct sup_event *event = story->event;
    say(line, "%s pauses", story->path);
    if (event->until_ns > 0) say_until(line, " for ", event);
    say(line, ": ");
    say_excess(line, event);
    if (story->other[0] != '\0') say(line, "; waiting: %s", story->other);
    say(line, "; what runs goes on running");
}

static void tell_resume(struct line *line, const struct sup_story *story)
{
    say(line, "%s resumes: its failures count from 0 again, what waited is started", story->path);
}

static void tell_escalated(struct line *line, const struct sup_story *story)
{
    say(line, "%s gives up: ", story->path);
    say_excess(line, story->event);
    if (story->other[0] != '\0') say(line, ", the last one of %s", story->other);
    say(line, "; it stops its services and ends");
}

static void tell_gave_up(struct line *line, const struct sup_story *story)
{
    if (story->event->cause == SUP_CAUSE_FINISHED) {
        say(line, "%s stays down, as its after_exit asks; start it by hand", story->path);
        return;
    }
    say(line, "%s stays down: ", story->path);
    say_excess(line, story->event);
    say(line, "; correct what makes it fail, then start it by hand");
}

/* --- stopping --------------------------------------------------------------------------------- */

/* Why it is stopped, where that is not plain from the lines before. */
static void say_cause(struct line *line, const struct sup_story *story)
{
    switch (story->event->cause) {
    case SUP_CAUSE_PERSON:
        say(line, ", as asked");
        break;
    case SUP_CAUSE_REMOVE:
        say(line, ", it was removed");
        break;
    case SUP_CAUSE_RELOAD:
    case SUP_CAUSE_ROLLBACK:
        say(line, ", the configuration has changed");
        break;
    case SUP_CAUSE_ACTIVATION:
        break;
    case SUP_CAUSE_SCHEDULE:
        say(line, ", its next run is due");
        break;
    case SUP_CAUSE_GROUP:
        say(line, ", it restarts together with %s", story->other);
        break;
    case SUP_CAUSE_FOLLOW:
        say(line, ", it restarts with %s", story->other);
        break;
    case SUP_CAUSE_DEPENDENCY:
        say(line, ", it needs %s", story->other);
        break;
    case SUP_CAUSE_LIMIT:
        say(line, ", too many failures");
        break;
    case SUP_CAUSE_TERMINATE:
        say(line, ", a service ended the tree");
        break;
    case SUP_CAUSE_AUTO_SHUTDOWN:
        say(line, ", its significant services have ended");
        break;
    case SUP_CAUSE_WATCHDOG:
    case SUP_CAUSE_UNHEALTHY:
        say(line, ", ");
        say_outcome(line, story);
        break;
    case SUP_CAUSE_NONE:
    case SUP_CAUSE_START:
    case SUP_CAUSE_STOP:
    case SUP_CAUSE_FAILURE:
    case SUP_CAUSE_NOT_READY:
    case SUP_CAUSE_PAUSE:
    case SUP_CAUSE_DELAY:
    case SUP_CAUSE_RESOURCES:
    case SUP_CAUSE_FINISHED:
    case SUP_CAUSE_DISABLED:
    case SUP_CAUSE_SUPERVISOR:
    case SUP_CAUSE_STUCK:
    case SUP_CAUSE_COUNT:
        break;
    }
}

static void tell_stopping(struct line *line, const struct sup_story *story)
{
    const struct sup_event *event = story->event;
    bool with_tree = event->cause == SUP_CAUSE_STOP || event->cause == SUP_CAUSE_SUPERVISOR;
    if (!story->is_root && (with_tree || event->cause == SUP_CAUSE_NOT_READY)) return;
    say(line, "%s is stopping", story->path);
    say_cause(line, story);
    say_context(line, event);
    if (event->until_ns > event->time_ns && event->until_ns != SUP_INFINITY_NS)
        say_until(line, "; it is killed if it has not ended in ", event);
}

static void tell_killed(struct line *line, const struct sup_story *story)
{
    if (!story->after_timeout) say(line, "%s is killed", story->path);
}

static void tell_stop_timeout(struct line *line, const struct sup_story *story)
{
    say(line, "%s did not stop in its timeout: it is killed", story->path);
}

static void tell_unhealthy(struct line *line, const struct sup_story *story)
{
    say(line, "%s is ", story->path);
    say_outcome(line, story);
    say(line, "; it runs on");
}

static void tell_healthy(struct line *line, const struct sup_story *story)
{
    say(line, "%s is well again", story->path);
}

static void tell_stuck(struct line *line, const struct sup_story *story)
{
    say(line, "%s is stuck: it was killed and has not ended", story->path);
    const char *why = story->event->text;
    if (why != NULL) say(line, ": %s; it gets no second instance", why);
    if (why != NULL) return;
    if (story->pid > 0) say(line, " (pid %d)", story->pid);
    say(line, "; it gets no second instance, see what the system holds it for");
}

static void tell_stopped(struct line *line, const struct sup_story *story)
{
    say(line, "%s has ended", story->path);
    say_context(line, story->event);
    say(line, ": exit code %d", story->event->code);
}

/* --- the rest --------------------------------------------------------------------------------- */

static void tell_added(struct line *line, const struct sup_story *story)
{
    say(line, "%s was added", story->path);
}

static void tell_removed(struct line *line, const struct sup_story *story)
{
    bool finished = story->event->cause == SUP_CAUSE_FINISHED;
    say(line, finished ? "%s has finished and leaves the tree" : "%s was removed", story->path);
}

static void say_text(struct line *line, const struct sup_event *event)
{
    if (event->text != NULL && event->text[0] != '\0') say(line, ": %s", event->text);
}

static void tell_reloaded(struct line *line, const struct sup_story *story)
{
    say(line, "%s was reloaded", story->path);
    say_text(line, story->event);
    say_context(line, story->event);
}

static void tell_reload_refused(struct line *line, const struct sup_story *story)
{
    say(line, "%s was not reloaded, it runs on as before", story->path);
    say_text(line, story->event);
}

static void tell_rolled_back(struct line *line, const struct sup_story *story)
{
    say(line, "the reload was rolled back");
    if (story->other[0] != '\0') say(line, " because of %s", story->other);
    if (story->event->outcome.kind == SUP_END_NONE) return;
    say(line, ": ");
    say_outcome(line, story);
}

static void tell_host_restarted(struct line *line, const struct sup_story *story)
{
    say(line, "the host died and a new one has taken over %s; no process was touched", story->path);
}

static void tell_skipped(struct line *line, const struct sup_story *story)
{
    say(line, "a run of %s is skipped: %s", story->path, story->event->text);
}

typedef void teller(struct line *line, const struct sup_story *story);

static teller *const tellers[SUP_EVENT_COUNT] = {
    [SUP_EVENT_STARTED] = tell_started,
    [SUP_EVENT_ADDED] = tell_added,
    [SUP_EVENT_REMOVED] = tell_removed,
    [SUP_EVENT_LAUNCHED] = tell_launched,
    [SUP_EVENT_LAUNCH_FAILED] = tell_launch_failed,
    [SUP_EVENT_READY] = tell_ready,
    [SUP_EVENT_STOPPING] = tell_stopping,
    [SUP_EVENT_KILLED] = tell_killed,
    [SUP_EVENT_ENDED] = tell_ended,
    [SUP_EVENT_FAILED] = tell_failed,
    [SUP_EVENT_BACKOFF] = tell_backoff,
    [SUP_EVENT_RESUME] = tell_resume,
    [SUP_EVENT_DELAYED] = NULL, /* `failed` has said until when */
    [SUP_EVENT_GAVE_UP] = tell_gave_up,
    [SUP_EVENT_ESCALATED] = tell_escalated,
    [SUP_EVENT_STOP_TIMEOUT] = tell_stop_timeout,
    [SUP_EVENT_STUCK] = tell_stuck,
    [SUP_EVENT_STOPPED] = tell_stopped,
    [SUP_EVENT_RELOADED] = tell_reloaded,
    [SUP_EVENT_RELOAD_REFUSED] = tell_reload_refused,
    [SUP_EVENT_ROLLED_BACK] = tell_rolled_back,
    [SUP_EVENT_HOST_RESTARTED] = tell_host_restarted,
    [SUP_EVENT_UNHEALTHY] = tell_unhealthy,
    [SUP_EVENT_HEALTHY] = tell_healthy,
    [SUP_EVENT_SKIPPED] = tell_skipped,
};

size_t sup_narrate(const struct sup_story *story, char *buf, size_t size)
{
    struct line line = {.buf = buf, .size = size};
    buf[0] = '\0';
    if (story->event->type <= 0 || story->event->type >= SUP_EVENT_COUNT) return 0;
    teller *tell = tellers[story->event->type];
    if (tell != NULL) tell(&line, story);
    /* A text of a service may hold anything: a line stays one line. */
    for (size_t i = 0; i < line.length; i++)
        if ((unsigned char) buf[i] < ' ') buf[i] = ' ';
    return line.length;
}
