/*
** engine/handle_tell.c: the lines that suture's supervisors log, word by word. Must not know who
** reads them.
*/
#include "engine/handle_inside.h"

#include "core/event.h"

#include <stdio.h>

#define PATH_SIZE 1024

/* The supervisor that speaks: the node's own, or the node itself when it is one that paused. */
static const char *speaker_of(const char *root, const struct sup_tree *tree,
                              const struct sup_effect *effect, bool itself)
{
    struct sup_status status;
    sup_token node = effect->node;
    if (!itself && sup_tree_status(tree, node, 0, &status)) node = status.parent;
    if (node == 0 || node == sup_tree_root(tree)) return root;
    return sup_tree_status(tree, node, 0, &status) ? status.name : root;
}

static const char *service_of(const struct sup_tree *tree, sup_token node, char *buf, size_t size)
{
    struct sup_status status;
    if (sup_tree_status(tree, node, 0, &status)) return status.name;
    return sup_tree_path(tree, node, buf, size);
}

bool sup_handle_log(const char *root, const struct sup_tree *tree, const struct sup_effect *effect,
                    char *buf, size_t size)
{
    char path[PATH_SIZE], why[1024];
    const struct sup_event *event = &effect->event;
    bool itself = event->type == SUP_EVENT_BACKOFF || event->type == SUP_EVENT_RESUME;
    const char *speaker = speaker_of(root, tree, effect, itself);
    if (event->type == SUP_EVENT_BACKOFF)
        snprintf(buf, size, "%s: Entering the backoff state.", speaker);
    else if (event->type == SUP_EVENT_RESUME)
        snprintf(buf, size, "%s: Exiting backoff state.", speaker);
    else if (event->type == SUP_EVENT_STOP_TIMEOUT)
        snprintf(buf, size, "%s: Service %s failed to terminate in a timely manner", speaker,
                 service_of(tree, effect->node, path, sizeof path));
    else if (event->type == SUP_EVENT_FAILED)
        snprintf(buf, size,
                 "%s: Failed service '%s' (%f failures of %f), restarting: %s, error: %s", speaker,
                 service_of(tree, effect->node, path, sizeof path), event->count, event->threshold,
                 event->restarting ? "true" : "false",
                 sup_outcome_text(event->outcome, event->text, why, sizeof why));
    else return false;
    return true;
}
