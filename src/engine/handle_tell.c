/*
** engine/handle_tell.c: the lines that suture's supervisors log, word by word. Must not know who
** reads them.
*/
#include "engine/handle_inside.h"

#include "core/event.h"

#include <stdio.h>
#include <string.h>

#define NAME_SIZE 1024 /* as long as a path that is told */

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* The supervisor that speaks: the node's own, or the node itself when it is one that paused. */
static const char *speaker_of(const char *root, const char *path, bool itself, char buf[NAME_SIZE])
{
    const char *end = itself ? path + strlen(path) : strrchr(path, '/');
    if (end == NULL || strcmp(path, ".") == 0) return root;
    snprintf(buf, NAME_SIZE, "%.*s", (int) (end - path), path);
    return last_name(buf);
}

bool sup_handle_log(const char *root, const struct sup_told *told, char *buf, size_t size)
{
    char name[NAME_SIZE], why[1024];
    const struct sup_event *event = &told->effect->event;
    bool itself = event->type == SUP_EVENT_BACKOFF || event->type == SUP_EVENT_RESUME;
    const char *speaker = speaker_of(root, told->path, itself, name);
    if (event->type == SUP_EVENT_BACKOFF)
        snprintf(buf, size, "%s: Entering the backoff state.", speaker);
    else if (event->type == SUP_EVENT_RESUME)
        snprintf(buf, size, "%s: Exiting backoff state.", speaker);
    else if (event->type == SUP_EVENT_STOP_TIMEOUT)
        snprintf(buf, size, "%s: Service %s failed to terminate in a timely manner", speaker,
                 last_name(told->path));
    else if (event->type == SUP_EVENT_FAILED)
        snprintf(buf, size,
                 "%s: Failed service '%s' (%f failures of %f), restarting: %s, error: %s", speaker,
                 last_name(told->path), event->count, event->threshold,
                 event->restarting ? "true" : "false",
                 sup_outcome_text(event->outcome, event->text, why, sizeof why));
    else return false;
    return true;
}
