/*
** engine/handle_serve.c: the life of a tree: serve, what its engine thread says, stop, the end.
*/
#include "engine/handle_inside.h"

#include <errno.h>
#include <stdlib.h>

#define LOG_SIZE 2048

/* --- what the engine thread says -------------------------------------------------------------- */

static bool listens(void *context)
{
    const struct sup_handle *root = context;
    return atomic_load_explicit(&root->wants_mail, memory_order_relaxed);
}

static void on_tell(void *context, const struct sup_told *told, int64_t wall_offset_ns)
{
    const struct sup_effect *effect = told->effect;
    struct sup_handle *root = context, *dropped = NULL;
    char log[LOG_SIZE];
    sup_handles_lock();
    if (effect->event.type == SUP_EVENT_REMOVED) dropped = sup_handle_removed(root, effect->node);
    sup_handles_unlock();
    if (dropped != NULL) sup_handle_drop(dropped);
    if (!listens(root)) return;
    bool has_log = sup_handle_log(root->name, told, log, sizeof log);
    sup_mailbox_put(&root->mailbox, told, wall_offset_ns, has_log ? log : NULL);
}

static void on_ended(void *context, const struct sup_engine *engine, const struct sup_tree *tree,
                     int code)
{
    struct sup_handle *root = context;
    struct sup_view view = {.tree = tree, .engine = engine};
    size_t count;
    struct sup_left *left = sup_left_list(&view, &count);
    sup_handles_lock();
    root->left = left;
    root->left_count = count;
    root->engine = NULL;
    root->code = code;
    root->state = SUP_HANDLE_STOPPED;
    root->ended = true;
    sup_handles_changed();
    sup_handles_unlock();
    sup_mailbox_close(&root->mailbox);
}

/* --- serve ------------------------------------------------------------------------------------ */

static enum sup_verdict check_serve(const struct sup_handle *handle, struct sup_answer *answer)
{
    if (handle->parent != NULL || handle->joining)
        return sup_answer_set(answer, SUP_IS_NOT_ROOT, NULL);
    if (handle->state == SUP_HANDLE_STARTING || handle->state == SUP_HANDLE_SERVING)
        return sup_answer_set(answer, SUP_SERVES_ALREADY, NULL);
    if (handle->state == SUP_HANDLE_STOPPED && handle->was_served)
        return sup_answer_set(answer, SUP_HAS_STOPPED, NULL);
    return SUP_DID;
}

void sup_handle_hold(struct sup_handle *root, const struct sup_handle *handle)
{
    for (size_t i = 0; i < handle->count; i++) {
        const struct sup_record *record = &handle->records[i];
        struct sup_input stop = {.type = SUP_IN_STOP_NODE, .node = record->node};
        if (record->held) sup_engine_submit(root->engine, &stop, NULL, NULL);
        if (record->child != NULL) sup_handle_hold(root, record->child);
    }
}

static void resolve_root(void *context, const struct sup_view *view)
{
    struct sup_handle *root = context;
    sup_handle_resolve(root, view->tree, sup_tree_root(view->tree));
}

/* Without the lock: nobody else touches a handle that is starting. */
static enum sup_verdict open_library(struct sup_handle *root, struct sup_answer *answer)
{
    struct sup_err err = {.code = 0};
    struct sup_library_options options = {.name = root->name,
                                          .threads = root->threads,
                                          .tell = on_tell,
                                          .listens = listens,
                                          .ended = on_ended,
                                          .context = root};
    unsigned char *blob = sup_handle_merge(root, &options.blob_size);
    if (blob == NULL) return sup_answer_set(answer, SUP_MEMORY_IS_SHORT, NULL);
    options.blob = blob;
    int r = sup_library_open(&root->library, &options, &err);
    free(blob);
    if (r == 0) return SUP_DID;
    sup_err_text(&err, answer->text, sizeof answer->text);
    return answer->verdict = err.code == -ENOMEM ? SUP_MEMORY_IS_SHORT : SUP_NOT_DONE;
}

static enum sup_verdict begin_serving(struct sup_handle *root, const char *context,
                                      struct sup_answer *answer)
{
    struct sup_call call = {.answer = answer};
    struct sup_input start = {.type = SUP_IN_START, .text = context};
    root->engine = sup_library_engine(root->library);
    root->was_served = true;
    root->state = SUP_HANDLE_SERVING;
    sup_engine_read(root->engine, resolve_root, root);
    sup_handle_hold(root, root);
    sup_handles_changed();
    enum sup_verdict verdict = sup_handle_ask(root, &start, &call);
    return verdict == SUP_HAS_STOPPED ? sup_answer_set(answer, SUP_DID, NULL) : verdict;
}

enum sup_verdict sup_handle_serve(struct sup_handle *handle, const char *context,
                                  struct sup_answer *answer)
{
    sup_answer_set(answer, SUP_DID, NULL);
    if (sup_handle_is_foreign(handle, answer)) return answer->verdict;
    sup_handles_lock();
    enum sup_verdict verdict = check_serve(handle, answer);
    if (verdict == SUP_DID && handle->state == SUP_HANDLE_NEW) {
        handle->state = SUP_HANDLE_STARTING;
        sup_handles_unlock();
        verdict = open_library(handle, answer);
        sup_handles_lock();
        if (verdict == SUP_DID) verdict = begin_serving(handle, context, answer);
        else handle->state = SUP_HANDLE_NEW;
        sup_handles_changed();
    }
    sup_handles_unlock();
    return verdict;
}

/* --- stop ------------------------------------------------------------------------------------- */

/* Wait for the engine thread and give back what it had; once. Without the lock. */
static void close_library(struct sup_handle *root)
{
    sup_handles_lock();
    bool mine = root->ended && root->library != NULL && !root->closing;
    struct sup_library *library = root->library;
    if (mine) root->closing = true;
    while (!mine && root->closing && root->library != NULL) sup_handles_wait();
    sup_handles_unlock();
    if (!mine) return;
    sup_library_close(library);
    sup_handles_lock();
    root->library = NULL;
    sup_handles_changed();
    sup_handles_unlock();
}

static enum sup_verdict stop_root(struct sup_handle *root, const char *context, bool request,
                                  struct sup_answer *answer)
{
    struct sup_input stop = {.type = SUP_IN_STOP, .text = context};
    if (root->state == SUP_HANDLE_NEW) {
        root->state = SUP_HANDLE_STOPPED;
        sup_mailbox_close(&root->mailbox);
        sup_handles_changed();
        return SUP_DID;
    }
    if (root->engine != NULL && sup_engine_submit(root->engine, &stop, NULL, NULL) == -ENOMEM)
        return sup_answer_set(answer, SUP_MEMORY_IS_SHORT, NULL);
    while (!request && root->was_served && !root->ended) sup_handles_wait();
    return SUP_DID;
}

static enum sup_verdict stop_part(struct sup_handle *root, struct sup_handle *part,
                                  const char *context, bool request, struct sup_answer *answer)
{
    struct sup_call call = {.answer = answer};
    struct sup_input stop = {.type = SUP_IN_STOP_NODE,
                             .node = part->node,
                             .text = context,
                             .wait = !request};
    if (root->state == SUP_HANDLE_STOPPED) return SUP_DID;
    if (root->state == SUP_HANDLE_NEW) {
        struct sup_record *record = sup_record_by_name(part->parent, part->name);
        if (record != NULL) record->held = true;
        return SUP_DID;
    }
    enum sup_verdict verdict = sup_handle_ask(root, &stop, &call);
    bool is_over = verdict == SUP_HAS_STOPPED || verdict == SUP_NO_SUCH_SERVICE ||
                   verdict == SUP_NOT_DONE; /* the report says what is stuck */
    return is_over ? sup_answer_set(answer, SUP_DID, NULL) : verdict;
}

enum sup_verdict sup_handle_stop(struct sup_handle *handle, const char *context, bool request,
                                 struct sup_answer *answer)
{
    sup_answer_set(answer, SUP_DID, NULL);
    if (sup_handle_is_foreign(handle, answer)) return answer->verdict;
    sup_handles_lock();
    struct sup_handle *root = sup_handle_settled_root(handle);
    enum sup_verdict verdict = root == handle ? stop_root(root, context, request, answer)
                                              : stop_part(root, handle, context, request, answer);
    bool over = root->ended;
    sup_handles_unlock();
    if (over && root == handle) close_library(root);
    return verdict;
}

void sup_handle_end(struct sup_handle *root)
{
    struct sup_answer answer;
    sup_handle_stop(root, "released", false, &answer);
    close_library(root);
}
