/*
** core/tree.c: the door of the core: creation, one input in, effects out, time.
*/
#include "core/tree.h"

#include "core/cgroup.h"
#include "core/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- effects --------------------------------------------------------------------------------- */

static void grow_effects(struct sup_tree *tree, size_t room)
{
    struct sup_effect *effects = realloc(tree->effects, room * sizeof *effects);
    if (effects == NULL) return;
    tree->effects = effects;
    tree->effect_room = room;
}

void sup_text_copy(char *to, size_t size, const char *text)
{
    size_t length = text == NULL ? 0 : strnlen(text, size - 1);
    if (length > 0) memcpy(to, text, length);
    to[length] = '\0';
}

struct sup_effect *sup_tree_effect(struct sup_tree *tree, enum sup_effect_type type,
                                   const struct sup_node *node)
{
    /* Reserved by node count, so growing here is the exception. */
    if (tree->effect_count == tree->effect_room) grow_effects(tree, 2 * tree->effect_room);
    sup_require(tree->effect_count < tree->effect_room);
    struct sup_effect *effect = &tree->effects[tree->effect_count++];
    memset(effect, 0, sizeof *effect);
    effect->type = type;
    effect->seq = ++tree->last_effect;
    if (node != NULL) {
        effect->node = sup_node_token(node);
        effect->kind = node->spec.kind;
        effect->role = node->spec.role;
        effect->generation = node->generation;
        effect->instance = node->instance;
    }
    return effect;
}

struct sup_event *sup_tree_emit(struct sup_tree *tree, enum sup_event_type type,
                                const struct sup_node *node)
{
    struct sup_event *event = &sup_tree_effect(tree, SUP_DO_EVENT, node)->event;
    event->type = type;
    event->number = ++tree->last_event;
    event->time_ns = tree->now_ns;
    event->cause = node->cause;
    event->other = node->cause_node;
    if (tree->context[0] != '\0') event->context = tree->context;
    else if (tree->person && tree->text[0] != '\0') event->context = tree->text;
    return event;
}

void sup_tree_reply(struct sup_tree *tree, uint64_t request, enum sup_reply_status status,
                    const struct sup_node *node, const char *text)
{
    if (request == 0) return;
    struct sup_effect *effect = sup_tree_effect(tree, SUP_DO_REPLY, NULL);
    effect->request = request;
    effect->reply = (struct sup_reply){.status = status, .node = sup_node_token(node)};
    if (text == NULL) return;
    if (text != tree->reply) sup_text_copy(tree->reply, sizeof tree->reply, text);
    effect->reply.text = tree->reply;
}

bool sup_tree_next_effect(struct sup_tree *tree, struct sup_effect *effect)
{
    if (tree->effect_next == tree->effect_count) {
        tree->effect_next = tree->effect_count = 0;
        return false;
    }
    *effect = tree->effects[tree->effect_next++];
    return true;
}

const struct sup_effect *sup_tree_pending(const struct sup_tree *tree, size_t *count)
{
    *count = tree->effect_count - tree->effect_next;
    return tree->effects + tree->effect_next;
}

/* --- time and chance ------------------------------------------------------------------------- */

void sup_deadline_set(struct sup_tree *tree, struct sup_deadline *deadline, enum sup_phase phase,
                      int64_t after_ns)
{
    if (after_ns == SUP_INFINITY_NS || tree->now_ns > SUP_INFINITY_NS - after_ns) {
        sup_deadline_clear(tree, deadline);
        return;
    }
    deadline->phase = phase;
    sup_heap_set(&tree->heap, &deadline->timer, tree->now_ns + after_ns);
}

void sup_deadline_clear(struct sup_tree *tree, struct sup_deadline *deadline)
{
    sup_heap_cancel(&tree->heap, &deadline->timer);
    deadline->phase = SUP_PHASE_NONE;
}

int64_t sup_tree_deadline(const struct sup_tree *tree)
{
    const struct sup_timer *first = sup_heap_first(&tree->heap);
    return first == NULL ? SUP_INFINITY_NS : first->at_ns;
}

/* splitmix64: small, and its whole state is one word of the snapshot. */
double sup_tree_random(struct sup_tree *tree)
{
    uint64_t z = tree->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double) ((z ^ z >> 31) >> 11) * 0x1p-53;
}

static void handle_node_deadline(struct sup_tree *tree, struct sup_node *node, enum sup_phase phase)
{
    switch (phase) {
    case SUP_PHASE_START:
        sup_tree_emit(tree, SUP_EVENT_LAUNCH_FAILED, node)->outcome.kind = SUP_END_NOT_READY;
        /* the rollback need not wait for its end */
        sup_probation_failed(tree, node, (struct sup_outcome){SUP_END_NOT_READY, 0}, NULL);
        sup_stop_now(tree, node, SUP_THEN_FAILURE, SUP_CAUSE_NOT_READY, 0);
        break;
    case SUP_PHASE_STOP:
        sup_stop_timeout(tree, node);
        break;
    case SUP_PHASE_KILL:
        sup_stop_stuck(tree, node);
        break;
    case SUP_PHASE_DELAY:
        sup_strategy_delay_over(tree, node);
        break;
    case SUP_PHASE_RESOURCES:
        sup_node_bring_up(tree, node, SUP_CAUSE_RESOURCES);
        break;
    case SUP_PHASE_RESUME:
        sup_strategy_resume(tree, node);
        break;
    case SUP_PHASE_SPACING:
        sup_strategy_next_queued(tree, node);
        break;
    case SUP_PHASE_NONE:
    case SUP_PHASE_WAIT:
    case SUP_PHASE_PROBATION:
    case SUP_PHASE_DUE:
        sup_expect(!"a node has no such deadline");
        break;
    }
}

static void handle_deadline(struct sup_tree *tree, struct sup_deadline *deadline)
{
    enum sup_phase phase = deadline->phase;
    sup_deadline_clear(tree, deadline);
    if (phase == SUP_PHASE_WAIT)
        sup_waiter_release(tree, sup_container(deadline, struct sup_waiter, deadline), SUP_TIMEOUT);
    else if (phase == SUP_PHASE_PROBATION) sup_probation_over(tree);
    else if (phase == SUP_PHASE_DUE)
        sup_schedule_due(tree, sup_container(deadline, struct sup_node, schedule));
    else handle_node_deadline(tree, sup_container(deadline, struct sup_node, deadline), phase);
}

/* Each deadline that is due fires once, in the order (time, sequence). */
static void tick(struct sup_tree *tree)
{
    struct sup_timer *timer;
    while ((timer = sup_heap_first(&tree->heap)) != NULL && timer->at_ns <= tree->now_ns)
        handle_deadline(tree, sup_container(timer, struct sup_deadline, timer));
}

/* --- creation -------------------------------------------------------------------------------- */

int sup_tree_reserve(struct sup_tree *tree, uint32_t nodes)
{
    if (nodes > SUP_FORM_MAX_NODES) return -ENOMEM;
    if (nodes > tree->node_room) {
        uint32_t room = nodes < 2 * tree->node_room ? 2 * tree->node_room : nodes;
        struct sup_node **table = realloc(tree->nodes, room * sizeof *table);
        if (table != NULL) tree->nodes = table;
        uint32_t *indices = realloc(tree->free_indices, room * sizeof *indices);
        if (indices != NULL) tree->free_indices = indices;
        if (table == NULL || indices == NULL) return -ENOMEM;
        tree->node_room = room;
    }
    /* Two deadlines a node, one for the probation; waiters reserve their own. */
    if (sup_heap_reserve(&tree->heap, 2 * (size_t) nodes + 1 + tree->heap.count) < 0)
        return -ENOMEM;
    size_t effects = 64 + 12 * (size_t) nodes;
    if (effects > tree->effect_room) grow_effects(tree, 2 * effects);
    return effects > tree->effect_room ? -ENOMEM : 0;
}

struct sup_node *sup_tree_node(const struct sup_tree *tree, sup_token token)
{
    uint32_t index = (uint32_t) token, serial = (uint32_t) (token >> 32);
    if (serial == 0 || index >= tree->node_top) return NULL;
    struct sup_node *node = tree->nodes[index];
    return node != NULL && node->serial == serial ? node : NULL;
}

struct sup_tree *sup_tree_create(const void *blob, size_t size, uint64_t seed, struct sup_err *err)
{
    struct sup_form *form = sup_form_create(blob, size, err);
    if (form == NULL) return NULL;
    struct sup_tree *tree = calloc(1, sizeof *tree);
    if (tree != NULL) {
        sup_list_init(&tree->graves);
        tree->random = seed;
        tree->now_ns = INT64_MIN;
        tree->config = sup_form_ref(form);
        tree->root = sup_node_create(tree, NULL, form, sup_form_root(form));
    }
    sup_form_unref(form);
    if (tree != NULL && tree->root != NULL) return tree;
    sup_tree_destroy(tree);
    sup_err_set(err, -ENOMEM, "", "free some memory and try again", "no memory for the tree");
    return NULL;
}

void sup_tree_destroy(struct sup_tree *tree)
{
    if (tree == NULL) return;
    if (tree->root != NULL) sup_node_destroy(tree, tree->root);
    sup_graves_empty(tree);
    sup_reload_finish(tree);
    sup_form_unref(tree->config);
    sup_heap_finish(&tree->heap);
    free(tree->nodes);
    free(tree->free_indices);
    free(tree->names);
    free(tree->effects);
    free(tree);
}

/* --- one input ------------------------------------------------------------------------------- */

void sup_tree_end(struct sup_tree *tree, int code)
{
    tree->ended = true;
    tree->exit_code = code;
    sup_tree_emit(tree, SUP_EVENT_STOPPED, tree->root)->code = code;
    for (sup_token token = sup_tree_next(tree, 0); token != 0; token = sup_tree_next(tree, token))
        sup_waiters_release_all(tree, sup_tree_node(tree, token));
    sup_reload_stop(tree);
}

/* Whose limit the memory was, when the driver does not know better: its own. */
static void name_limit(struct sup_tree *tree, const struct sup_node *node)
{
    uint64_t value;
    char buf[32];
    if (tree->text[0] != '\0' ||
        !sup_cgroup_value(&node->spec.cgroup, SUP_CGROUP_MEMORY_MAX, &value))
        return;
    snprintf(tree->text, sizeof tree->text, "memory_max %s",
             sup_cgroup_text(SUP_CGROUP_MEMORY_MAX, value, buf, sizeof buf));
}

static void note_ended(struct sup_tree *tree, struct sup_node *node, const struct sup_input *input)
{
    if (input->outcome.kind == SUP_END_OOM) name_limit(tree, node);
    tree->ended_cpu_ns = input->cpu_ns;
    tree->ended_memory_peak = input->memory_peak;
    sup_node_ended(tree, node, input->outcome, tree->text[0] == '\0' ? NULL : tree->text,
                   input->flag);
}

/* A fact counts only for the node's current instance. */
static void apply_fact(struct sup_tree *tree, const struct sup_input *input)
{
    struct sup_node *node = sup_tree_node(tree, input->node);
    if (node == NULL || input->instance == 0 || !sup_node_is_service(node)) return;
    if (node->instance != input->instance) {
        if (input->type == SUP_IN_ENDED) sup_stop_forget_abandoned(node, input->instance);
        if (input->type == SUP_IN_ENDED && node->removed) sup_node_bury_if_over(tree, node);
        return;
    }
    if (input->type == SUP_IN_LAUNCHED) sup_node_launched(tree, node);
    else if (input->type == SUP_IN_LAUNCH_FAILED) sup_node_launch_failed(tree, node, input);
    else if (input->type == SUP_IN_EXITING) sup_node_exiting(tree, node);
    else if (input->type == SUP_IN_READY && node->state == SUP_STATE_RUNNING && !node->exiting &&
             node->spec.role == SUP_ROLE_SERVICE)
        sup_node_set_ready(tree, node);
    else if (input->type == SUP_IN_ENDED) note_ended(tree, node, input);
    else if (input->type == SUP_IN_UNHEALTHY) sup_node_unhealthy(tree, node, input);
    else if (input->type == SUP_IN_EXTEND) sup_node_extend(tree, node, input->wait_ns);
}

static void apply_command(struct sup_tree *tree, const struct sup_input *input)
{
    static void (*const commands[])(struct sup_tree *, const struct sup_input *) = {
        [SUP_IN_START] = sup_command_start,
        [SUP_IN_STOP] = sup_command_stop,
        [SUP_IN_ADD] = sup_command_add,
        [SUP_IN_REMOVE] = sup_command_remove,
        [SUP_IN_START_NODE] = sup_command_start_node,
        [SUP_IN_STOP_NODE] = sup_command_stop_node,
        [SUP_IN_RESTART_NODE] = sup_command_restart_node,
        [SUP_IN_RELOAD] = sup_reload_command,
    };
    size_t type = (size_t) input->type;
    if (type < sizeof commands / sizeof *commands && commands[type] != NULL)
        commands[type](tree, input);
    else sup_tree_reply(tree, input->request, SUP_REFUSED, NULL, "unknown command");
}

void sup_tree_apply(struct sup_tree *tree, const struct sup_input *input, int64_t now_ns)
{
    sup_expect(tree->effect_next == tree->effect_count);
    if (tree->effect_next == tree->effect_count) tree->effect_next = tree->effect_count = 0;
    sup_graves_empty(tree);
    if (now_ns > tree->now_ns) tree->now_ns = now_ns;
    tree->reply[0] = '\0';
    sup_text_copy(tree->text, sizeof tree->text, input->text);
    /* the tree's own stop has a context that lasts */
    tree->person = input->type >= SUP_IN_ADD && input->type <= SUP_IN_RELOAD;
    switch (input->type) {
    case SUP_IN_TICK:
        tick(tree);
        break;
    case SUP_IN_LAUNCHED:
    case SUP_IN_LAUNCH_FAILED:
    case SUP_IN_READY:
    case SUP_IN_ENDED:
    case SUP_IN_UNHEALTHY:
    case SUP_IN_EXTEND:
    case SUP_IN_EXITING:
        apply_fact(tree, input);
        break;
    case SUP_IN_SCHEDULE:
        sup_schedule_set(tree, input);
        break;
    case SUP_IN_ACTIVATE:
        sup_activation_came(tree, input);
        break;
    case SUP_IN_HOST_DIED:
        sup_node_host_died(tree, input->instance);
        break;
    case SUP_IN_KILL:
        sup_stop_kill_all(tree, input);
        break;
    case SUP_IN_START:
    case SUP_IN_STOP:
    case SUP_IN_ADD:
    case SUP_IN_REMOVE:
    case SUP_IN_START_NODE:
    case SUP_IN_STOP_NODE:
    case SUP_IN_RESTART_NODE:
    case SUP_IN_RELOAD:
    case SUP_IN_END:
    default:
        apply_command(tree, input);
        break;
    }
    sup_reload_progress(tree);
}
