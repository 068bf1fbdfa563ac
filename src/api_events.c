/*
** api_events.c: the callbacks of a supervisor, on the thread that serves or polls. Must not know
** what an event means.
*/
#include "api_inside.h"

#include "core/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local const struct sup_supervisor *calling; /* whose callback runs here */

bool sup_api_is_calling(const struct sup_supervisor *supervisor)
{
    return calling == supervisor;
}

/* --- events ----------------------------------------------------------------------------------- */

static void take_text(void *self, const char *name, const char *value)
{
    struct sup_happening *event = self;
    if (strcmp(name, "type") == 0) event->type = value;
    else if (strcmp(name, "path") == 0) event->path = value;
    else if (strcmp(name, "kind") == 0) event->kind = value;
    else if (strcmp(name, "cause") == 0) event->cause = value;
    else if (strcmp(name, "reason") == 0) event->reason = value;
    else if (strcmp(name, "context") == 0) event->context = value;
}

static void take_number(void *self, const char *name, double value)
{
    struct sup_happening *event = self;
    if (strcmp(name, "time") == 0) event->time = value;
    else if (strcmp(name, "count") == 0) event->count = value;
    else if (strcmp(name, "threshold") == 0) event->threshold = value;
}

static void take_integer(void *self, const char *name, int64_t value)
{
    struct sup_happening *event = self;
    if (strcmp(name, "seq") == 0) event->seq = (uint64_t) value;
    else if (strcmp(name, "generation") == 0) event->generation = (uint32_t) value;
}

static void take_boolean(void *self, const char *name, bool value)
{
    struct sup_happening *event = self;
    if (strcmp(name, "restarting") == 0) event->restarting = value;
}

static void deliver(const struct sup_supervisor *supervisor, const struct sup_mail *mail)
{
    const struct sup_settings *settings = &supervisor->settings;
    struct sup_happening event = {
        .type = "", .path = "", .kind = "", .cause = "", .reason = "", .context = ""};
    const struct sup_field_sink sink = {take_text, take_number, take_integer, take_boolean, &event};
    char line[256];
    if (mail->lost > 0 && settings->log != NULL) {
        snprintf(line, sizeof line, "%.128s: %llu events were dropped: call sup_poll more often",
                 sup_name(supervisor), (unsigned long long) mail->lost);
        settings->log(settings->data, line);
    }
    if (mail->log != NULL && settings->log != NULL) settings->log(settings->data, mail->log);
    if (settings->on_event == NULL) return;
    sup_mail_fields(mail, &sink);
    settings->on_event(settings->data, &event);
}

/* What waits, but no more than can: others may be putting all the time. ${closed}: no more will. */
static size_t run_waiting(const struct sup_supervisor *supervisor, bool *closed)
{
    const struct sup_supervisor *before = calling;
    struct sup_mail *mail;
    size_t count = 0;
    calling = supervisor;
    while ((mail = sup_mailbox_take(sup_handle_mailbox(supervisor->handle), closed)) != NULL) {
        deliver(supervisor, mail);
        free(mail);
        if (++count < SUP_MAILBOX_MAX) continue;
        *closed = false;
        break;
    }
    calling = before;
    return count;
}

size_t sup_poll(struct sup_supervisor *supervisor, double seconds)
{
    if (supervisor == NULL) return 0;
    bool closed;
    int64_t wait_ns;
    size_t count = run_waiting(supervisor, &closed);
    if (!sup_seconds_to_ns(seconds, &wait_ns)) wait_ns = 0;
    if (count > 0 || closed || wait_ns == 0) return count;
    sup_mailbox_wait(sup_handle_mailbox(supervisor->handle), wait_ns);
    return run_waiting(supervisor, &closed);
}

int sup_fd(struct sup_supervisor *supervisor)
{
    if (supervisor == NULL) return -1;
    return sup_handle_mailbox(supervisor->handle)->fd;
}

/* --- serving ---------------------------------------------------------------------------------- */

enum sup_error sup_serve(struct sup_supervisor *supervisor)
{
    char text[64];
    int code = 0;
    bool closed = false;
    enum sup_error error = sup_serve_background(supervisor, NULL);
    if (error != SUP_SUCCESS) return error;
    for (run_waiting(supervisor, &closed); !closed; run_waiting(supervisor, &closed))
        sup_mailbox_wait(sup_handle_mailbox(supervisor->handle), SUP_INFINITY_NS);
    sup_handle_has_ended(supervisor->handle, &code);
    if (code == 0) return SUP_SUCCESS;
    snprintf(text, sizeof text, "the tree ended by itself with code %d", code);
    return sup_api_fail(SUP_ERR_GAVE_UP, text);
}
