/*
** core/status.c: reading the tree. Nothing here changes it.
*/
#include "core/node.h"

#include <stdio.h>
#include <string.h>

/* --- names of things ------------------------------------------------------------------------- */

const struct sup_form *sup_tree_config(const struct sup_tree *tree)
{
    return tree->config;
}

sup_token sup_tree_root(const struct sup_tree *tree)
{
    return sup_node_token(tree->root);
}

static struct sup_node *find_leaving(const struct sup_node *supervisor, const char *name)
{
    sup_list_each(link, &supervisor->leaving)
    {
        struct sup_node *node = sup_container(link, struct sup_node, sibling);
        if (strcmp(node->name, name) == 0) return node;
    }
    sup_list_each(link, &supervisor->children)
    {
        struct sup_node *node = sup_container(link, struct sup_node, sibling);
        if (node->removed && strcmp(node->name, name) == 0) return node;
    }
    return NULL;
}

sup_token sup_tree_find(const struct sup_tree *tree, const char *path)
{
    const struct sup_node *node = tree->root;
    if (strcmp(path, ".") == 0) return sup_node_token(node);
    while (node != NULL && *path != '\0') {
        char name[160];
        size_t length = strcspn(path, "/");
        if (length == 0 || length >= sizeof name) return 0;
        memcpy(name, path, length);
        name[length] = '\0';
        path += length + (path[length] == '/');
        const struct sup_node *child = sup_child_find(tree, node, name);
        node = child != NULL ? child : find_leaving(node, name);
    }
    return sup_node_token(node);
}

/* A node that was buried in this apply still stands in a grave. */
static const struct sup_node *node_or_grave(const struct sup_tree *tree, sup_token token)
{
    const struct sup_node *node = sup_tree_node(tree, token);
    if (node != NULL || token == 0) return node;
    sup_list_each(link, &tree->graves)
    {
        node = sup_container(link, struct sup_node, sibling);
        if (sup_node_token(node) == token) return node;
    }
    return NULL;
}

char *sup_tree_path(const struct sup_tree *tree, sup_token token, char *buf, size_t size)
{
    const struct sup_node *node = node_or_grave(tree, token);
    if (node != NULL && node->parent == NULL) {
        snprintf(buf, size, ".");
        return buf;
    }
    size_t at = size - 1;
    buf[at] = '\0';
    for (; node != NULL && node->parent != NULL; node = node->parent) {
        size_t length = strlen(node->name);
        bool slash = buf[at] != '\0';
        if (length + slash > at) break;
        if (slash) buf[--at] = '/';
        at -= length;
        memcpy(buf + at, node->name, length);
    }
    memmove(buf, buf + at, size - at);
    return buf;
}

const struct sup_spec *sup_tree_spec(const struct sup_tree *tree, sup_token token)
{
    const struct sup_node *node = sup_tree_node(tree, token);
    return node == NULL ? NULL : &node->spec;
}

bool sup_tree_has_ended(const struct sup_tree *tree, int *code)
{
    if (tree->ended && code != NULL) *code = tree->exit_code;
    return tree->ended;
}

/* --- walking --------------------------------------------------------------------------------- */

static struct sup_node *first_below(const struct sup_node *node)
{
    const struct sup_list *link = node->children.next;
    if (link == &node->children) link = node->leaving.next;
    if (link == &node->leaving) return NULL;
    return sup_container(link, struct sup_node, sibling);
}

/* The next one beside ${node}: a child after it, else the first of the leaving. */
static struct sup_node *next_beside(const struct sup_node *node)
{
    const struct sup_node *parent = node->parent;
    const struct sup_list *link = node->sibling.next;
    if (link == &parent->children) link = parent->leaving.next;
    if (link == &parent->leaving) return NULL;
    return sup_container(link, struct sup_node, sibling);
}

sup_token sup_tree_next(const struct sup_tree *tree, sup_token token)
{
    if (token == 0) return sup_node_token(tree->root);
    const struct sup_node *node = sup_tree_node(tree, token);
    if (node == NULL) return 0;
    struct sup_node *next = first_below(node);
    while (next == NULL && node->parent != NULL) {
        next = next_beside(node);
        node = node->parent;
    }
    return sup_node_token(next);
}

/* --- status ---------------------------------------------------------------------------------- */

static enum sup_state shown_state(const struct sup_node *node)
{
    bool up = node->state == SUP_STATE_RUNNING || node->state == SUP_STATE_STARTING;
    return node->paused && up ? SUP_STATE_PAUSED : node->state;
}

static double read_count(const struct sup_node *node, int64_t now_ns)
{
    const struct sup_spec *spec = &node->spec;
    if (sup_node_is_service(node)) return 0;
    if (!spec->has_intensity) return sup_meter_read(&node->meter, spec->failure_decay_ns, now_ns);
    return sup_window_read(&node->window, node->window_times, spec->intensity + 1, spec->period_ns,
                           now_ns);
}

static double read_threshold(const struct sup_node *node)
{
    const struct sup_spec *spec = &node->spec;
    if (sup_node_is_service(node)) return 0;
    return spec->has_intensity ? spec->intensity : spec->failure_threshold;
}

/* When something next happens to the node by itself; 0: nothing is due. */
static int64_t next_change(const struct sup_node *node)
{
    if (sup_timer_is_set(&node->deadline.timer)) return node->deadline.timer.at_ns;
    if (sup_node_rests(node)) return node->due_ns;
    bool queued = node->state == SUP_STATE_QUEUED && node->parent != NULL;
    if (queued && sup_timer_is_set(&node->parent->deadline.timer))
        return node->parent->deadline.timer.at_ns;
    return 0;
}

bool sup_tree_status(const struct sup_tree *tree, sup_token token, int64_t now_ns,
                     struct sup_status *status)
{
    const struct sup_node *node = sup_tree_node(tree, token);
    if (node == NULL) return false;
    bool finished = node->state == SUP_STATE_DONE ||
                    (node->state == SUP_STATE_STOPPED && node->cause == SUP_CAUSE_FINISHED);
    *status = (struct sup_status){
        .node = token,
        .parent = sup_node_token(node->parent),
        .name = node->name,
        .kind = node->spec.kind,
        .role = node->spec.role,
        .state = shown_state(node),
        .wanted = sup_node_is_wanted(node) && !finished && !tree->ended && !tree->stopping,
        .ready = node->ready || node->armed,
        .held = node->held,
        .leaving = node->removed,
        .generation = node->generation,
        .instance = node->instance,
        .restarts = node->restarts,
        .count = read_count(node, now_ns),
        .threshold = read_threshold(node),
        .resumes_ns = node->paused ? node->deadline.timer.at_ns : 0,
        .next_ns = next_change(node),
        .since_ns = node->since_ns,
        .sick = node->sick,
        .cause = node->cause,
        .cause_node = node->cause_node,
        .last_outcome = node->last_outcome,
        .last_text = node->last_text,
        .armed = node->armed,
        .due_ns = node->due_ns,
        .due_wall_s = node->due_wall_s,
        .last_wall_s = node->last_wall_s,
        .skipped = node->skipped,
        .began_ns = node->began_ns,
        .ended_ns = node->ended_ns,
    };
    return true;
}

/* --- the stop report ------------------------------------------------------------------------- */

static size_t report(struct sup_unstopped *out, size_t room, size_t count, sup_token token,
                     uint64_t instance, uint32_t generation)
{
    if (count < room)
        out[count] =
            (struct sup_unstopped){.node = token, .instance = instance, .generation = generation};
    return count + 1;
}

size_t sup_tree_unstopped(const struct sup_tree *tree, struct sup_unstopped *out, size_t room)
{
    size_t count = 0;
    for (sup_token token = sup_tree_next(tree, 0); token != 0; token = sup_tree_next(tree, token)) {
        const struct sup_node *node = sup_tree_node(tree, token);
        if (!sup_node_is_service(node)) continue;
        if (node->instance != 0)
            count = report(out, room, count, token, node->instance, node->generation);
        for (int i = 0; i < SUP_MAX_ABANDONED; i++)
            if (node->abandoned[i] != 0)
                count = report(out, room, count, token, node->abandoned[i], 0);
    }
    return count;
}

/* --- causes ---------------------------------------------------------------------------------- */

/* The cause behind ${node}'s state lies with this one; NULL: here it begins. */
static const struct sup_node *cause_behind(const struct sup_tree *tree, const struct sup_node *node)
{
    switch (node->cause) {
    case SUP_CAUSE_DEPENDENCY:
    case SUP_CAUSE_GROUP:
    case SUP_CAUSE_FOLLOW:
        return sup_tree_node(tree, node->cause_node);
    case SUP_CAUSE_PAUSE:
    case SUP_CAUSE_SUPERVISOR:
    case SUP_CAUSE_STOP:
        return node->parent;
    case SUP_CAUSE_NONE:
    case SUP_CAUSE_START:
    case SUP_CAUSE_PERSON:
    case SUP_CAUSE_REMOVE:
    case SUP_CAUSE_RELOAD:
    case SUP_CAUSE_FAILURE:
    case SUP_CAUSE_NOT_READY:
    case SUP_CAUSE_DELAY:
    case SUP_CAUSE_RESOURCES:
    case SUP_CAUSE_LIMIT:
    case SUP_CAUSE_FINISHED:
    case SUP_CAUSE_TERMINATE:
    case SUP_CAUSE_AUTO_SHUTDOWN:
    case SUP_CAUSE_DISABLED:
    case SUP_CAUSE_STUCK:
    case SUP_CAUSE_ROLLBACK:
    case SUP_CAUSE_SCHEDULE:
    case SUP_CAUSE_ACTIVATION:
    case SUP_CAUSE_WATCHDOG:
    case SUP_CAUSE_UNHEALTHY:
    case SUP_CAUSE_COUNT:
        break;
    }
    return NULL;
}

size_t sup_tree_because(const struct sup_tree *tree, sup_token token, struct sup_because *out,
                        size_t room)
{
    const struct sup_node *node = sup_tree_node(tree, token);
    size_t count = 0;
    while (node != NULL && count < room) {
        bool seen = false;
        for (size_t i = 0; i < count; i++) seen = seen || out[i].node == sup_node_token(node);
        if (seen) break;
        out[count++] = (struct sup_because){.node = sup_node_token(node),
                                            .cause = node->cause,
                                            .state = shown_state(node),
                                            .outcome = node->last_outcome};
        node = cause_behind(tree, node);
    }
    return count;
}
