/*
** engine/handle_children.c: add and remove. Before the tree runs they change the records,
** afterwards the tree, and the records when that has agreed.
*/
#include "engine/handle_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- add -------------------------------------------------------------------------------------- */

struct adding {
    struct sup_call call; /* first */
    struct sup_handle *handle;
    struct sup_record record;
    bool placed;
    sup_service_token token;
};

static enum sup_verdict check_child(const struct sup_handle *handle, const struct sup_handle *child,
                                    struct sup_answer *answer)
{
    if (child == NULL) return SUP_DID;
    if (sup_handle_is_above(child, handle)) return sup_answer_set(answer, SUP_MAKES_CYCLE, NULL);
    if (child->parent != NULL || child->joining)
        return sup_answer_set(answer, SUP_NOT_DONE,
                              "it was added to a supervisor already; remove it there first");
    if (child->state == SUP_HANDLE_STOPPED) return sup_answer_set(answer, SUP_HAS_STOPPED, NULL);
    if (child->state != SUP_HANDLE_NEW)
        return sup_answer_set(answer, SUP_NOT_DONE,
                              "it serves as a root; stop it and add a new one");
    return SUP_DID;
}

static void place(struct adding *adding)
{
    struct sup_record *record = sup_record_place(adding->handle, &adding->record);
    adding->placed = true;
    adding->token = sup_record_token(adding->handle, record);
}

/* --- before the tree runs --------------------------------------------------------------------- */

/* Does the whole that has been recorded so far make a tree? */
static enum sup_verdict check_whole(const struct sup_handle *handle, struct sup_answer *answer)
{
    struct sup_err err = {.code = 0};
    char text[sizeof err + 8];
    size_t size;
    unsigned char *blob = sup_handle_merge(handle, &size);
    if (blob == NULL) return sup_answer_set(answer, SUP_MEMORY_IS_SHORT, NULL);
    struct sup_form *form = sup_form_create(blob, size, &err);
    free(blob);
    if (form == NULL)
        return sup_answer_set(answer, SUP_UNUSABLE, sup_err_text(&err, text, sizeof text));
    sup_form_unref(form);
    return SUP_DID;
}

static const struct sup_form_node *node_of(const unsigned char *blob)
{
    return (const void *) (blob + sizeof(struct sup_form_header));
}

/* Only what speaks of siblings can be wrong where the parts are right. */
static bool needs_check(const unsigned char *blob)
{
    static const uint16_t ids[] = {SUP_OPTION_AFTER, SUP_OPTION_RESTART_WITH,
                                   SUP_OPTION_SIGNIFICANT, SUP_OPTION_FORMERLY};
    uint32_t size;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (sup_form_option(node_of(blob), ids[i], &size) != NULL) return true;
    return false;
}

static bool is_full(const struct sup_handle *handle)
{
    uint32_t size, most;
    const void *value = sup_form_option(node_of(handle->blob), SUP_OPTION_MAX_CHILDREN, &size);
    if (value == NULL || size != sizeof most) return false;
    memcpy(&most, value, sizeof most);
    return most > 0 && handle->count >= most;
}

static enum sup_verdict record_add(struct adding *adding)
{
    struct sup_handle *handle = adding->handle;
    struct sup_answer *answer = adding->call.answer;
    char text[256];
    if (sup_record_by_name(handle, adding->record.name) != NULL) {
        snprintf(text, sizeof text, "there is a \"%.128s\" already, which does not run",
                 adding->record.name);
        return sup_answer_set(answer, SUP_NAME_TAKEN, text);
    }
    if (is_full(handle)) return sup_answer_set(answer, SUP_TOO_MANY_CHILDREN, NULL);
    place(adding);
    if (!needs_check(sup_record_blob(&adding->record))) return SUP_DID;
    if (check_whole(handle, answer) == SUP_DID) return SUP_DID;
    struct sup_handle *child = sup_record_drop(handle, &handle->records[handle->count - 1]);
    if (child != NULL) child->references--;
    return answer->verdict;
}

/* --- while it runs ---------------------------------------------------------------------------- */

static void resolve(void *context, const struct sup_view *view)
{
    const struct sup_record *record = context;
    sup_handle_resolve(record->child, view->tree, record->node);
}

/* On the engine thread: the tree has the new node already. */
static void note_added(struct sup_call *call, const struct sup_reply *reply)
{
    struct adding *adding = (struct adding *) call;
    struct sup_handle *root = sup_handle_root(adding->handle), *child = adding->record.child;
    adding->record.node = reply->node;
    place(adding);
    if (child == NULL) return;
    child->joining = false;
    sup_engine_read(root->engine, resolve, &adding->record);
    sup_handle_hold(root, child);
}

static enum sup_verdict live_add(struct adding *adding)
{
    struct sup_handle *handle = adding->handle, *child = adding->record.child;
    struct sup_answer *answer = adding->call.answer;
    struct sup_input input = {.type = SUP_IN_ADD, .node = handle->node};
    unsigned char *merged = NULL;
    input.blob = adding->record.blob;
    input.blob_size = adding->record.size;
    if (child != NULL) input.blob = merged = sup_handle_merge(child, &input.blob_size);
    if (input.blob == NULL) return sup_answer_set(answer, SUP_MEMORY_IS_SHORT, NULL);
    if (child != NULL) child->joining = true;
    enum sup_verdict verdict = sup_handle_ask(sup_handle_root(handle), &input, &adding->call);
    if (child != NULL && child->joining) {
        child->joining = false;
        sup_handles_changed();
    }
    free(merged);
    /* The node of a handle is gone when it was removed. */
    return verdict == SUP_NO_SUCH_SERVICE ? sup_answer_set(answer, SUP_HAS_STOPPED, NULL) : verdict;
}

static enum sup_verdict add(struct adding *adding, const void *blob, size_t size,
                            struct sup_handle *child)
{
    struct sup_handle *handle = adding->handle;
    struct sup_answer *answer = adding->call.answer;
    struct sup_handle *root = sup_handle_settled_root(handle);
    if (check_child(handle, child, answer) != SUP_DID) return answer->verdict;
    if (root->state == SUP_HANDLE_STOPPED || handle->state == SUP_HANDLE_STOPPED)
        return sup_answer_set(answer, SUP_HAS_STOPPED, NULL);
    if (!sup_record_prepare(handle, blob, size, child, &adding->record))
        return sup_answer_set(answer, SUP_MEMORY_IS_SHORT, NULL);
    enum sup_verdict verdict =
        root->state == SUP_HANDLE_NEW ? record_add(adding) : live_add(adding);
    if (!adding->placed) sup_record_discard(handle, &adding->record);
    return verdict;
}

enum sup_verdict sup_handle_add(struct sup_handle *handle, const void *blob, size_t size,
                                struct sup_handle *child, sup_service_token *token,
                                struct sup_answer *answer)
{
    struct adding adding = {.call = {.answer = answer, .accepted = note_added}, .handle = handle};
    *token = 0;
    sup_answer_set(answer, SUP_DID, NULL);
    if (sup_handle_is_foreign(handle, answer) ||
        (child != NULL && sup_handle_is_foreign(child, answer)))
        return answer->verdict;
    sup_handles_lock();
    enum sup_verdict verdict = add(&adding, blob, size, child);
    sup_handles_unlock();
    if (verdict == SUP_DID) *token = adding.token;
    return verdict;
}

/* --- remove ----------------------------------------------------------------------------------- */

struct forgetting {
    struct sup_handle *root;
    sup_token node;
    struct sup_handle *dropped;
};

static void forget(void *context, const struct sup_view *view)
{
    struct forgetting *forgetting = context;
    forgetting->dropped = sup_handle_forget(forgetting->root, view->tree, forgetting->node);
}

struct sup_handle *sup_handle_removed(struct sup_handle *root, sup_token node)
{
    struct forgetting forgetting = {.root = root, .node = node};
    if (root->engine != NULL) sup_engine_read(root->engine, forget, &forgetting);
    return forgetting.dropped;
}

struct removing {
    struct sup_call call; /* first */
    struct sup_handle *root;
    sup_token node;
    struct sup_handle *dropped;
};

/* On the engine thread. The event that tells of it may come later. */
static void note_removed(struct sup_call *call, const struct sup_reply *reply)
{
    struct removing *removing = (struct removing *) call;
    (void) reply;
    removing->dropped = sup_handle_removed(removing->root, removing->node);
}

static enum sup_verdict live_remove(struct sup_handle *root, const struct sup_input *input,
                                    struct sup_handle **dropped, struct sup_answer *answer)
{
    struct removing removing = {.call = {.answer = answer, .accepted = note_removed},
                                .root = root,
                                .node = input->node};
    enum sup_verdict verdict = sup_handle_ask(root, input, &removing.call);
    *dropped = removing.dropped;
    return verdict == SUP_NO_SUCH_SERVICE ? sup_answer_set(answer, SUP_DID, NULL) : verdict;
}

/* With the lock held. ${dropped} gets a reference to be dropped without it. */
static enum sup_verdict remove_service(struct sup_handle *handle, uint32_t serial, bool wait,
                                       int64_t wait_ns, struct sup_handle **dropped,
                                       struct sup_answer *answer)
{
    struct sup_handle *root = sup_handle_settled_root(handle);
    if (serial == 0 || serial > handle->last_record)
        return sup_answer_set(answer, SUP_WRONG_SUPERVISOR, NULL);
    struct sup_record *record = sup_record_find(handle, serial);
    sup_token node = record != NULL ? record->node : sup_handle_leaver(handle, serial);
    if (record == NULL && (root->engine == NULL || node == 0)) return SUP_DID;
    if (root->state == SUP_HANDLE_STOPPED) return sup_answer_set(answer, SUP_HAS_STOPPED, NULL);
    if (root->state != SUP_HANDLE_NEW) {
        struct sup_input input = {.type = SUP_IN_REMOVE,
                                  .node = node,
                                  .wait = wait,
                                  .wait_ns = wait_ns};
        return live_remove(root, &input, dropped, answer);
    }
    *dropped = sup_record_drop(handle, record);
    return SUP_DID;
}

enum sup_verdict sup_handle_remove(struct sup_handle *handle, sup_service_token token, bool wait,
                                   int64_t wait_ns, struct sup_answer *answer)
{
    struct sup_handle *dropped = NULL;
    sup_answer_set(answer, SUP_DID, NULL);
    if (sup_handle_is_foreign(handle, answer)) return answer->verdict;
    sup_handles_lock();
    enum sup_verdict verdict =
        token >> 32 == handle->serial
            ? remove_service(handle, (uint32_t) token, wait, wait_ns, &dropped, answer)
            : sup_answer_set(answer, SUP_WRONG_SUPERVISOR, NULL);
    sup_handles_unlock();
    if (dropped != NULL) sup_handle_drop(dropped);
    return verdict;
}
