/*
** core/reload.c: a reload is a transaction: everything that can fail is done first (plan, memory);
** then the tree is changed in one go; then the changed and the new are on probation (probation.c),
** and one that is sick rolls the whole reload back, once.
*/
#include "core/node.h"
#include "core/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a change needs, allocated before anything is touched. */
struct preparation {
    struct sup_node *added;
    struct sup_rings rings;
    bool has_rings;
    bool was_unwanted;
    char *name;
};

/* --- preparing ------------------------------------------------------------------------------- */

static int prepare_change(struct sup_tree *tree, struct sup_form *form,
                          const struct sup_change *change, struct preparation *preparation)
{
    struct sup_node *node = sup_tree_node(tree, change->node);
    struct sup_node *parent = sup_tree_node(tree, change->parent);
    if (change->kind == SUP_CHANGE_REMOVE) return 0;
    if (change->kind == SUP_CHANGE_ADD) {
        preparation->added = sup_node_prepare(tree, parent, form, change->record);
        return preparation->added == NULL ? -ENOMEM : 0;
    }
    if (change->renamed) {
        preparation->name = strdup(sup_form_name(change->record));
        if (preparation->name == NULL) return -ENOMEM;
    }
    struct sup_spec spec;
    sup_form_decode(change->record, NULL, &spec);
    if (sup_rings_fit(&node->spec, &spec)) return 0;
    preparation->has_rings = true;
    return sup_rings_alloc(&spec, &preparation->rings);
}

static void discard(struct sup_tree *tree, struct preparation *preparations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct preparation *preparation = &preparations[i];
        if (preparation->added != NULL && !preparation->added->entered)
            sup_node_destroy(tree, preparation->added);
        sup_rings_free(&preparation->rings);
        free(preparation->name);
    }
    free(preparations);
}

static struct preparation *prepare(struct sup_tree *tree, struct sup_form *form,
                                   const struct sup_changes *changes)
{
    struct preparation *preparations = calloc(changes->count, sizeof *preparations);
    if (preparations == NULL) return NULL;
    for (size_t i = 0; i < changes->count; i++) {
        if (prepare_change(tree, form, &changes->list[i], &preparations[i]) == 0) continue;
        discard(tree, preparations, changes->count);
        return NULL;
    }
    return preparations;
}

/* --- changing -------------------------------------------------------------------------------- */

static void rename_node(struct sup_tree *tree, struct sup_node *node, char **name)
{
    sup_name_remove(tree, node);
    char *former = node->name;
    node->name = *name;
    *name = former;
    sup_name_insert(tree, node);
}

static void change_node(struct sup_tree *tree, struct sup_form *form,
                        const struct sup_change *change, struct preparation *preparation)
{
    struct sup_node *node = sup_tree_node(tree, change->node);
    bool was_significant = node->spec.significant;
    const struct sup_form_node *former = node->record;
    struct sup_form *former_form = sup_form_ref(node->form);
    struct sup_spec former_spec;
    sup_form_decode(former, NULL, &former_spec);
    preparation->was_unwanted = !sup_node_is_wanted(node);
    if (change->renamed) rename_node(tree, node, &preparation->name);
    sup_node_adopt(node, form, change->record, preparation->has_rings ? &preparation->rings : NULL);
    if (change->kind == SUP_CHANGE_UPDATE || change->kind == SUP_CHANGE_RESTART)
        sup_tree_effect(tree, SUP_DO_UPDATE, node);
    sup_schedule_changed(tree, node, &former_spec);
    sup_form_unref(former_form);
    if (node->parent == NULL || was_significant == node->spec.significant) return;
    bool alive = node->state != SUP_STATE_STOPPED && node->state != SUP_STATE_DONE &&
                 node->state != SUP_STATE_FAILED;
    if (alive) node->parent->significant_alive += node->spec.significant ? 1 : UINT32_MAX;
}

/* Put the children in the order of the config; those that came by add follow. */
static void reorder(struct sup_tree *tree, struct sup_node *supervisor)
{
    struct sup_list ordered;
    sup_list_init(&ordered);
    supervisor->sequence_cursor = 0;
    const struct sup_form_node *record = sup_form_first_child(supervisor->record);
    for (uint32_t i = 0; i < supervisor->record->child_count; i++, record = sup_form_skip(record)) {
        struct sup_node *child = sup_child_find(tree, supervisor, sup_form_name(record));
        if (child == NULL) continue; /* it has left the tree by itself */
        sup_list_remove(&child->sibling);
        sup_list_insert(&ordered, &child->sibling);
    }
    while (!sup_list_empty(&ordered)) {
        struct sup_list *last = ordered.prev;
        sup_list_remove(last);
        sup_list_insert(supervisor->children.next, last);
    }
}

static void rebuild_edges(struct sup_tree *tree, struct sup_node *supervisor)
{
    sup_list_each(link, &supervisor->children)
    {
        sup_edges_drop_needs(sup_container(link, struct sup_node, sibling));
    }
    sup_list_each(link, &supervisor->children)
    {
        sup_expect(sup_edges_make(tree, sup_container(link, struct sup_node, sibling)) == 0);
    }
}

/* Take over what ${node} and all below inherit: decoded anew. */
static void inherit(struct sup_node *node)
{
    sup_form_decode(node->record, &node->parent->spec, &node->spec);
    sup_list_each(link, &node->children) inherit(sup_container(link, struct sup_node, sibling));
}

/* Children that came by `add` are in no plan. */
static void pass_on(struct sup_node *supervisor)
{
    sup_list_each(link, &supervisor->children)
    {
        struct sup_node *child = sup_container(link, struct sup_node, sibling);
        if (child->dynamic) inherit(child);
    }
    sup_list_each(link, &supervisor->leaving)
        inherit(sup_container(link, struct sup_node, sibling));
}

static void change_structure(struct sup_tree *tree, struct sup_form *form,
                             const struct sup_changes *changes, struct preparation *preparations)
{
    tree->restructuring = true;
    for (size_t i = 0; i < changes->count; i++)
        if (changes->list[i].kind == SUP_CHANGE_REMOVE)
            sup_node_detach(tree, sup_tree_node(tree, changes->list[i].node), SUP_CAUSE_RELOAD);
    for (size_t i = 0; i < changes->count; i++) {
        const struct sup_change *change = &changes->list[i];
        if (change->kind == SUP_CHANGE_ADD) {
            sup_node_enter(tree, preparations[i].added);
            inherit(preparations[i].added); /* prepared before its supervisor changed */
        } else if (change->kind != SUP_CHANGE_REMOVE) {
            change_node(tree, form, change, &preparations[i]);
        }
    }
    for (size_t i = 0; i < changes->count; i++) {
        struct sup_node *node = sup_tree_node(tree, changes->list[i].node);
        if (node == NULL || node->removed || sup_node_is_service(node)) continue;
        pass_on(node);
        reorder(tree, node);
        rebuild_edges(tree, node);
    }
    tree->restructuring = false;
}

/* --- acting on the change -------------------------------------------------------------------- */

/* First all who must end are marked, so that nothing launches beside one that is about to
   restart. */
static void mark_kept(struct sup_tree *tree, struct sup_node *node, enum sup_change_kind kind,
                      bool was_unwanted)
{
    bool ends = node->state == SUP_STATE_STOPPING || node->state == SUP_STATE_STUCK;
    bool is_wanted = sup_node_is_wanted(node);
    if (is_wanted) sup_node_await(tree, node);
    else sup_node_unawait(tree, node);
    if (!node->held && !is_wanted) sup_stop_mark(tree, node, SUP_THEN_STOP, SUP_CAUSE_DISABLED, 0);
    else if (ends && was_unwanted && is_wanted) node->then = SUP_THEN_LAUNCH;
    else if (kind == SUP_CHANGE_RESTART && sup_node_remains(node))
        sup_followers_mark_alone(tree, node);
    else if (kind == SUP_CHANGE_RESTART && !ends) sup_followers_mark(tree, node, SUP_CAUSE_RELOAD);
}

/* It waits for its restart as what it was before. */
static bool is_timer_now(const struct sup_node *node)
{
    bool waits = node->state == SUP_STATE_QUEUED || node->state == SUP_STATE_DELAYED;
    return waits && sup_node_is_timer(node) && !node->armed && sup_node_is_wanted(node);
}

static bool was_oneshot(const struct sup_node *node)
{
    const struct sup_form_node *started = node->started_record;
    return started != NULL && sup_form_role(started) == SUP_ROLE_ONESHOT;
}

static bool should_come_up(const struct sup_node *node, enum sup_change_kind kind,
                           bool was_unwanted)
{
    if (node->instance != 0 || !sup_node_is_wanted(node)) return false;
    if (node->state == SUP_STATE_STOPPED) return was_unwanted || node->cause == SUP_CAUSE_ROLLBACK;
    if (node->state == SUP_STATE_DONE) /* what it did was another thing, or it is another */
        return kind == SUP_CHANGE_RESTART &&
               (node->spec.role != SUP_ROLE_SERVICE || was_oneshot(node));
    return kind != SUP_CHANGE_KEEP && node->state == SUP_STATE_FAILED; /* mended, perhaps */
}

static void bring_up_kept(struct sup_tree *tree, struct sup_node *node, enum sup_change_kind kind,
                          bool was_unwanted)
{
    bool runs = sup_node_is_service(node) && node->state == SUP_STATE_RUNNING;
    if (runs && sup_node_is_ready_at_launch(node)) {
        sup_node_set_ready(tree, node); /* its condition was taken away */
    } else if (node->state == SUP_STATE_WAITING) {
        sup_node_bring_up(tree, node, node->cause); /* what it waits for may have changed */
        if (node->spec.activation && sup_node_rests(node) && kind != SUP_CHANGE_KEEP) {
            sup_tree_effect(tree, SUP_DO_LISTEN, node); /* its sockets may be others */
            sup_probation_settled(tree, node);
        }
    } else if (is_timer_now(node)) {
        sup_node_bring_up(tree, node, SUP_CAUSE_RELOAD); /* it waits for its time instead */
    } else if (should_come_up(node, kind, was_unwanted)) {
        node->automatic = false;
        sup_node_bring_up(tree, node, SUP_CAUSE_RELOAD);
    }
}

static void bring_up_new(struct sup_tree *tree, struct sup_node *node)
{
    node->automatic = false;
    sup_tree_emit(tree, SUP_EVENT_ADDED, node)->cause = SUP_CAUSE_RELOAD;
    if (!sup_node_runs_children(tree, node->parent)) return;
    sup_node_await(tree, node);
    sup_node_bring_up(tree, node, SUP_CAUSE_RELOAD);
}

/* Those that came by `add` are in no plan, but what they waited for may have gone. */
static void wake_dynamic(struct sup_tree *tree, struct sup_node *supervisor)
{
    sup_list_each(link, &supervisor->children)
    {
        struct sup_node *child = sup_container(link, struct sup_node, sibling);
        if (child->dynamic && child->state == SUP_STATE_WAITING)
            sup_node_bring_up(tree, child, child->cause);
    }
}

static void mark_all(struct sup_tree *tree, const struct sup_changes *changes,
                     const struct preparation *preparations, int64_t *probation_ns)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct sup_change *change = &changes->list[i];
        struct sup_node *node = sup_tree_node(tree, change->node);
        if (change->kind == SUP_CHANGE_ADD) node = preparations[i].added;
        if (change->kind == SUP_CHANGE_ADD || change->kind == SUP_CHANGE_RESTART)
            sup_probation_put(tree, node, probation_ns);
        if (change->kind != SUP_CHANGE_ADD && change->kind != SUP_CHANGE_REMOVE)
            mark_kept(tree, node, change->kind, preparations[i].was_unwanted);
        if (change->kind == SUP_CHANGE_RESTART && !node->spec.activation)
            node->run_due = false; /* no timer until now */
    }
}

static void bring_up_all(struct sup_tree *tree, const struct sup_changes *changes,
                         const struct preparation *preparations)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct sup_change *change = &changes->list[i];
        struct sup_node *node = sup_tree_node(tree, change->node);
        if (change->kind == SUP_CHANGE_ADD) bring_up_new(tree, preparations[i].added);
        else if (change->kind != SUP_CHANGE_REMOVE)
            bring_up_kept(tree, node, change->kind, preparations[i].was_unwanted);
    }
}

static void let_all_go(struct sup_tree *tree, const struct sup_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        struct sup_node *node = sup_tree_node(tree, changes->list[i].node);
        if (node == NULL) continue;
        if (node->removed) {
            sup_node_let_go(tree, node);
        } else if (!sup_node_is_service(node)) {
            sup_siblings_ask(tree, node);
            wake_dynamic(tree, node);
            sup_supervisor_settle(tree, node);
        }
    }
}

/* --- the whole ------------------------------------------------------------------------------- */

/* Returns 0, or -errno with ${err}: then nothing has changed. ${changed}: did it do anything? */
static int reload(struct sup_tree *tree, struct sup_form *form, enum sup_plan_way way,
                  bool can_roll_back, bool *changed, struct sup_err *err)
{
    struct sup_changes changes;
    int result = sup_plan_make(tree, form, way, &changes, err);
    if (result < 0) return result;
    struct preparation *preparations = prepare(tree, form, &changes);
    if (preparations == NULL) {
        sup_changes_finish(&changes);
        return sup_err_set(err, -ENOMEM, "", "free some memory and try again",
                           "no memory for the new tree; the old one goes on");
    }
    *changed = !changes.empty;
    int64_t probation_ns = tree->now_ns;
    tree->ranked = false;
    struct sup_form *former = tree->config; /* the plan points into it: freed last */
    tree->config = sup_form_ref(form);
    bool acts =
        *changed || way == SUP_PLAN_BACK; /* the sick one is down, even where nothing differs */
    /* Other numbers say nothing of what is on probation; nor can they be what makes it sick. */
    bool scales = way == SUP_PLAN_SCALE;
    if (acts && !scales) sup_probation_end(tree, &changes);
    change_structure(tree, form, &changes, preparations);
    if (acts) {
        tree->restructuring = true;
        mark_all(tree, &changes, preparations, scales ? NULL : &probation_ns);
        tree->restructuring = false;
        bring_up_all(tree, &changes, preparations);
        let_all_go(tree, &changes);
    }
    if (can_roll_back && !scales) sup_probation_begin(tree, former, probation_ns);
    discard(tree, preparations, changes.count);
    sup_changes_finish(&changes);
    sup_form_unref(former);
    return 0;
}

/* Say why ${err} refuses a reload; the text for the reply then stands in tree->reply. */
static enum sup_reply_status refuse(struct sup_tree *tree, const struct sup_err *err)
{
    sup_err_text(err, tree->reply, sizeof tree->reply);
    sup_tree_emit(tree, SUP_EVENT_RELOAD_REFUSED, tree->root)->text = tree->reply;
    return err->code == -ENOMEM ? SUP_NO_MEMORY : SUP_INVALID;
}

/* There is no config to look at: whoever should have made it says why. */
static enum sup_reply_status refuse_unmade(struct sup_tree *tree, const char *why)
{
    sup_text_copy(tree->reply, sizeof tree->reply, why);
    sup_tree_emit(tree, SUP_EVENT_RELOAD_REFUSED, tree->root)->text = tree->reply;
    return SUP_INVALID;
}

static enum sup_reply_status reload_now(struct sup_tree *tree, struct sup_form *form,
                                        enum sup_plan_way way, bool no_rollback)
{
    struct sup_err err;
    bool changed = false;
    bool can_roll_back = !no_rollback && tree->serving;
    if (reload(tree, form, way, can_roll_back, &changed, &err) < 0) return refuse(tree, &err);
    tree->reload.applied++;
    tree->reload.rolled_back = false;
    tree->reload.went_back = way == SUP_PLAN_BACK;
    if (changed) sup_tree_emit(tree, SUP_EVENT_RELOADED, tree->root)->cause = SUP_CAUSE_RELOAD;
    return SUP_OK;
}

/* --- waiting for a round --------------------------------------------------------------------- */

static struct sup_waiter *waiter_of(struct sup_tree *tree, uint64_t request)
{
    sup_list_each(link, &tree->root->waiters)
    {
        struct sup_waiter *waiter = sup_container(link, struct sup_waiter, in_node);
        if (waiter->goal == SUP_GOAL_SETTLED && waiter->request == request) return waiter;
    }
    return NULL;
}

/* Answer the one who asked for the pending reload, unless his own time is over already. */
static void answer_pending(struct sup_tree *tree, enum sup_reply_status status, const char *text)
{
    struct sup_reload *reload = &tree->reload;
    uint64_t request = reload->pending_request;
    struct sup_waiter *waiter = reload->pending_wait ? waiter_of(tree, request) : NULL;
    if (waiter != NULL) sup_waiter_discard(tree, waiter);
    if (waiter != NULL || !reload->pending_wait)
        sup_tree_reply(tree, request, status, tree->root, text);
    reload->pending_request = 0;
    reload->pending_wait = false;
}

static bool is_back(const struct sup_input *input)
{
    return input->instance != 0;
}

static void set_pending(struct sup_tree *tree, struct sup_form *form, const struct sup_input *input)
{
    struct sup_reload *reload = &tree->reload;
    if (reload->pending != NULL) answer_pending(tree, SUP_REFUSED, "a later reload took its place");
    sup_form_unref(reload->pending);
    reload->pending = sup_form_ref(form);
    reload->pending_request = input->request;
    reload->pending_wait = input->wait;
    reload->pending_no_rollback = input->flag;
    reload->pending_back = is_back(input);
    if (input->wait) sup_waiter_add(tree, input, tree->root, SUP_GOAL_SETTLED);
}

static void begin_pending(struct sup_tree *tree)
{
    struct sup_reload *reload = &tree->reload;
    struct sup_form *form = reload->pending;
    reload->pending = NULL;
    enum sup_plan_way way = reload->pending_back ? SUP_PLAN_BACK : SUP_PLAN_FORTH;
    enum sup_reply_status status = reload_now(tree, form, way, reload->pending_no_rollback);
    sup_form_unref(form);
    const char *text = tree->reply[0] == '\0' ? NULL : tree->reply;
    if (status != SUP_OK || !reload->pending_wait) answer_pending(tree, status, text);
    else sup_waiters_check(tree, tree->root);
}

void sup_reload_stop(struct sup_tree *tree)
{
    if (tree->reload.pending != NULL) answer_pending(tree, SUP_STOPPED, NULL);
    sup_reload_finish(tree);
}

/* --- the command, and what follows ----------------------------------------------------------- */

static enum sup_plan_way way_of(const struct sup_input *input)
{
    if (is_back(input)) return SUP_PLAN_BACK;
    return input->node != 0 ? SUP_PLAN_SCALE : SUP_PLAN_FORTH;
}

/* Was it made from a config that does not run, or will not when its turn comes? */
static bool is_outdated(const struct sup_tree *tree, const struct sup_input *input)
{
    if (input->node == 0) return false;
    if (tree->rounds > 0 || tree->reload.sick != 0) return true;
    return sup_form_checksum(tree->config) != input->node;
}

void sup_reload_command(struct sup_tree *tree, const struct sup_input *input)
{
    if (tree->ended || tree->stopping) {
        sup_tree_reply(tree, input->request, SUP_STOPPED, tree->root, NULL);
        return;
    }
    if (is_outdated(tree, input)) {
        sup_tree_reply(tree, input->request, SUP_REFUSED, tree->root,
                       "the configuration is about to change, or has changed; try again");
        return;
    }
    struct sup_err err;
    bool unmade = input->blob_size == 0 && input->text != NULL;
    struct sup_form *form = unmade ? NULL : sup_form_create(input->blob, input->blob_size, &err);
    enum sup_reply_status status = SUP_OK;
    if (form == NULL) {
        status = unmade ? refuse_unmade(tree, input->text) : refuse(tree, &err);
    } else if (tree->rounds > 0 || tree->reload.sick != 0) {
        set_pending(tree, form, input);
        sup_form_unref(form);
        return;
    } else {
        status = reload_now(tree, form, way_of(input), input->flag);
    }
    sup_form_unref(form);
    if (status == SUP_OK) sup_waiter_add(tree, input, tree->root, SUP_GOAL_SETTLED);
    else sup_tree_reply(tree, input->request, status, NULL, tree->reply);
}

/* Who waits for the reload that runs learns that it is not to be. */
static void disappoint(struct sup_tree *tree)
{
    const struct sup_reload *reload = &tree->reload;
    sup_list_each_safe(link, &tree->root->waiters)
    {
        struct sup_waiter *waiter = sup_container(link, struct sup_waiter, in_node);
        bool is_pending = reload->pending != NULL && waiter->request == reload->pending_request;
        if (waiter->goal == SUP_GOAL_SETTLED && !is_pending)
            sup_waiter_release(tree, waiter, SUP_NOT_REACHED);
    }
}

void sup_reload_out_of_reach(struct sup_tree *tree, struct sup_node *node)
{
    if (!node->unsettled) return;
    disappoint(tree);
    sup_probation_settled(tree, node);
}

static void roll_back(struct sup_tree *tree)
{
    struct sup_form *former = sup_form_ref(tree->reload.former);
    sup_token sick = tree->reload.sick;
    struct sup_err err;
    bool changed = false;
    disappoint(tree);
    struct sup_event *event = sup_tree_emit(tree, SUP_EVENT_ROLLED_BACK, tree->root);
    event->cause = SUP_CAUSE_ROLLBACK;
    event->other = sick;
    event->outcome = tree->reload.why;
    event->text = tree->reload.why_text;
    tree->reload.sick = 0;
    tree->reload.rolled_back = true;
    if (reload(tree, former, SUP_PLAN_BACK, false, &changed, &err) < 0) {
        sup_err_text(&err, tree->reply, sizeof tree->reply);
        sup_tree_emit(tree, SUP_EVENT_RELOAD_REFUSED, tree->root)->text = tree->reply;
        sup_probation_drop(tree);
    }
    sup_form_unref(former);
}

void sup_reload_finish(struct sup_tree *tree)
{
    sup_deadline_clear(tree, &tree->reload.deadline);
    sup_probation_drop(tree);
    sup_form_unref(tree->reload.pending);
    tree->reload.pending = NULL;
    tree->reload.sick = 0;
}

void sup_reload_progress(struct sup_tree *tree)
{
    if (tree->stopping) sup_reload_stop(tree);
    if (tree->rounds > 0) return;
    if (tree->reload.sick != 0) roll_back(tree);
    if (tree->reload.pending != NULL) begin_pending(tree);
}
