/*
** engine/handle.c: the verbs. Must not know Lua, nor who calls.
**
** One lock for all handles of the process: handles are joined into trees, and an add touches two of
** them. Nobody waits for the engine thread with the lock held; the engine thread may take it.
*/
#include "engine/handle.h"

#include "engine/handle_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 4096
#define LOG_SIZE 2048

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* any state, any answer */
static uint32_t last_serial;

void sup_handles_lock(void)
{
    pthread_mutex_lock(&lock);
}

void sup_handles_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

/* --- verdicts --------------------------------------------------------------------------------- */

static enum sup_verdict say(struct sup_answer *answer, enum sup_verdict verdict, const char *text)
{
    answer->verdict = verdict;
    snprintf(answer->text, sizeof answer->text, "%s", text == NULL ? "" : text);
    return verdict;
}

static enum sup_verdict verdict_of(enum sup_reply_status status)
{
    static const enum sup_verdict verdicts[] = {
        [SUP_OK] = SUP_DID,
        [SUP_NOT_FOUND] = SUP_NO_SUCH_SERVICE,
        [SUP_WAITING_FOR] = SUP_DID,
        [SUP_TIMEOUT] = SUP_WAIT_OVER,
        [SUP_STOPPED] = SUP_HAS_STOPPED,
        [SUP_ALREADY_SERVING] = SUP_SERVES_ALREADY,
        [SUP_DUPLICATE_NAME] = SUP_NAME_TAKEN,
        [SUP_TOO_MANY] = SUP_TOO_MANY_CHILDREN,
        [SUP_INVALID] = SUP_UNUSABLE,
        [SUP_NO_MEMORY] = SUP_MEMORY_IS_SHORT,
        [SUP_NOT_REACHED] = SUP_NOT_DONE,
        [SUP_REFUSED] = SUP_NOT_DONE,
    };
    return verdicts[status];
}

/* --- asking the engine ------------------------------------------------------------------------ */

struct call {
    struct sup_handle *handle; /* ADD: where to; NULL: another command */
    struct sup_handle *child;  /* ADD */
    unsigned char *blob;       /* ADD, without a child */
    size_t size;
    sup_service_token token; /* ADD: the result */
    struct sup_answer *answer;
    bool done;
};

static sup_service_token token_of(const struct sup_handle *handle, const struct sup_record *record)
{
    return (uint64_t) handle->serial << 32 | record->serial;
}

/* The tree has the new node already. */
static void note_added(struct call *call, sup_token node)
{
    struct sup_handle *root = sup_handle_root(call->handle);
    struct sup_record *record = sup_record_add(call->handle, call->blob, call->size, call->child);
    if (record == NULL || root->engine == NULL) {
        say(call->answer, record == NULL ? SUP_MEMORY_IS_SHORT : SUP_HAS_STOPPED, NULL);
        return;
    }
    call->blob = NULL;
    call->token = token_of(call->handle, record);
    record->node = node;
}

struct resolving {
    struct sup_handle *handle;
    sup_token node;
};

static void resolve(void *context, const struct sup_view *view)
{
    struct resolving *resolving = context;
    sup_handle_resolve(resolving->handle, view->tree, resolving->node);
}

/* On the engine thread. */
static void on_answer(void *context, const struct sup_reply *reply)
{
    struct call *call = context;
    sup_handles_lock();
    say(call->answer, verdict_of(reply->status), reply->text);
    if (reply->status == SUP_OK && call->handle != NULL) {
        note_added(call, reply->node);
        struct resolving resolving = {call->child, reply->node};
        struct sup_handle *root = sup_handle_root(call->handle);
        if (call->child != NULL && root->engine != NULL)
            sup_engine_read(root->engine, resolve, &resolving);
    }
    call->done = true;
    pthread_cond_broadcast(&changed);
    sup_handles_unlock();
}

/* With the lock held; it is let go while waiting. */
static enum sup_verdict ask(struct sup_handle *root, const struct sup_input *input,
                            struct call *call)
{
    int r =
        root->engine == NULL ? -ESHUTDOWN : sup_engine_submit(root->engine, input, on_answer, call);
    if (r == -ESHUTDOWN) return say(call->answer, SUP_HAS_STOPPED, NULL);
    if (r < 0) return say(call->answer, SUP_MEMORY_IS_SHORT, NULL);
    while (!call->done) pthread_cond_wait(&changed, &lock);
    return call->answer->verdict;
}

/* The root, once it is not between new and serving. */
static struct sup_handle *settled_root(struct sup_handle *handle)
{
    for (;;) {
        struct sup_handle *root = sup_handle_root(handle);
        if (root->state != SUP_HANDLE_STARTING) return root;
        pthread_cond_wait(&changed, &lock);
    }
}

/* --- what the engine thread says -------------------------------------------------------------- */

static void drop_reference(struct sup_handle *handle);

static void on_tell(void *context, const struct sup_tree *tree, const struct sup_effect *effect,
                    int64_t wall_offset_ns)
{
    struct sup_handle *root = context, *dropped = NULL;
    char log[LOG_SIZE];
    sup_handles_lock();
    bool wants = root->wants_mail;
    if (effect->event.type == SUP_EVENT_REMOVED) dropped = sup_handle_forget(root, effect->node);
    sup_handles_unlock();
    if (dropped != NULL) drop_reference(dropped);
    if (!wants) return;
    bool has_log = sup_handle_log(root->name, tree, effect, log, sizeof log);
    sup_mailbox_put(&root->mailbox, tree, effect, wall_offset_ns, has_log ? log : NULL);
}

static void describe(struct sup_left *left, const struct sup_view *view,
                     const struct sup_unstopped *unstopped)
{
    struct sup_status status;
    *left = (struct sup_left){.generation = unstopped->generation};
    sup_tree_path(view->tree, unstopped->node, left->path, sizeof left->path);
    bool known = sup_tree_status(view->tree, unstopped->node, 0, &status);
    left->kind = known ? status.kind : SUP_PROCESS;
    left->pid = sup_engine_pid(view, unstopped->node);
}

/* NULL: nothing is left, or there is no memory to say what. */
static struct sup_left *list_left(const struct sup_view *view, size_t *count)
{
    size_t all = sup_tree_unstopped(view->tree, NULL, 0);
    struct sup_unstopped *unstopped = calloc(all + 1, sizeof *unstopped);
    struct sup_left *left = calloc(all + 1, sizeof *left);
    *count = 0;
    if (unstopped != NULL && left != NULL) {
        *count = sup_tree_unstopped(view->tree, unstopped, all);
        for (size_t i = 0; i < *count; i++) describe(&left[i], view, &unstopped[i]);
    }
    free(unstopped);
    if (*count > 0) return left;
    free(left);
    return NULL;
}

static void on_ended(void *context, const struct sup_engine *engine, const struct sup_tree *tree,
                     int code)
{
    struct sup_handle *root = context;
    struct sup_view view = {.tree = tree, .engine = engine};
    size_t count;
    struct sup_left *left = list_left(&view, &count);
    sup_handles_lock();
    root->left = left;
    root->left_count = count;
    root->engine = NULL;
    root->code = code;
    root->state = SUP_HANDLE_STOPPED;
    root->ended = true;
    pthread_cond_broadcast(&changed);
    sup_handles_unlock();
    sup_mailbox_close(&root->mailbox);
}

/* --- making and dropping ---------------------------------------------------------------------- */

struct sup_handle *sup_handle_create(const void *blob, size_t size,
                                     const struct sup_thread_ops *threads, struct sup_err *err)
{
    struct sup_form *form = sup_form_create(blob, size, err);
    if (form == NULL) return NULL;
    struct sup_handle *handle = calloc(1, sizeof *handle);
    if (handle != NULL) {
        handle->name = strdup(sup_form_name(sup_form_root(form)));
        handle->blob = malloc(size);
    }
    sup_form_unref(form);
    int r = handle == NULL || handle->name == NULL || handle->blob == NULL
                ? -ENOMEM
                : sup_mailbox_init(&handle->mailbox);
    if (r < 0) {
        if (handle != NULL) {
            free(handle->name);
            free(handle->blob);
        }
        free(handle);
        sup_err_set(err, r, "", "", "no supervisor can be made: %s", strerror(-r));
        return NULL;
    }
    memcpy(handle->blob, blob, size);
    handle->size = size;
    handle->references = 1;
    handle->threads = threads;
    sup_handles_lock();
    handle->serial = ++last_serial;
    sup_handles_unlock();
    return handle;
}

/* Wait for the engine thread and give back what it had; once. Without the lock. */
static void close_library(struct sup_handle *root)
{
    sup_handles_lock();
    bool mine = root->ended && root->library != NULL && !root->closing;
    struct sup_library *library = root->library;
    if (mine) root->closing = true;
    while (!mine && root->closing && root->library != NULL) pthread_cond_wait(&changed, &lock);
    sup_handles_unlock();
    if (!mine) return;
    sup_library_close(library);
    sup_handles_lock();
    root->library = NULL;
    pthread_cond_broadcast(&changed);
    sup_handles_unlock();
}

static void destroy(struct sup_handle *handle)
{
    while (handle->count > 0) {
        sup_handles_lock();
        struct sup_handle *child = sup_record_drop(handle, &handle->records[handle->count - 1]);
        if (child != NULL) child->state = SUP_HANDLE_STOPPED;
        sup_handles_unlock();
        if (child != NULL) drop_reference(child);
    }
    sup_mailbox_finish(&handle->mailbox);
    free(handle->records);
    free(handle->left);
    free(handle->blob);
    free(handle->name);
    free(handle);
}

static void drop_reference(struct sup_handle *handle)
{
    sup_handles_lock();
    bool last = --handle->references == 0;
    sup_handles_unlock();
    if (last) destroy(handle);
}

void sup_handle_release(struct sup_handle *handle)
{
    struct sup_answer answer;
    if (handle == NULL) return;
    sup_handles_lock();
    bool serves = handle->parent == NULL && handle->references == 1 && handle->was_served;
    sup_handles_unlock();
    if (serves) {
        sup_handle_stop(handle, "released", false, &answer);
        close_library(handle);
    }
    drop_reference(handle);
}

const char *sup_handle_name(const struct sup_handle *handle)
{
    return handle->name;
}

/* --- add -------------------------------------------------------------------------------------- */

static enum sup_verdict check_child(const struct sup_handle *handle, const struct sup_handle *child,
                                    struct sup_answer *answer)
{
    if (child == NULL) return SUP_DID;
    if (sup_handle_is_above(child, handle)) return say(answer, SUP_MAKES_CYCLE, NULL);
    if (child->parent != NULL || child->joining)
        return say(answer, SUP_NOT_DONE,
                   "it was added to a supervisor already; remove it there first");
    if (child->state == SUP_HANDLE_STOPPED) return say(answer, SUP_HAS_STOPPED, NULL);
    if (child->state != SUP_HANDLE_NEW)
        return say(answer, SUP_NOT_DONE, "it serves as a root; stop it and add a new one");
    return SUP_DID;
}

/* Does the whole that has been recorded so far make a tree? */
static enum sup_verdict check_whole(const struct sup_handle *handle, struct sup_answer *answer)
{
    struct sup_err err = {.code = 0};
    size_t size;
    unsigned char *blob = sup_handle_merge(handle, &size);
    if (blob == NULL) return say(answer, SUP_MEMORY_IS_SHORT, NULL);
    struct sup_form *form = sup_form_create(blob, size, &err);
    free(blob);
    if (form == NULL) {
        sup_err_text(&err, answer->text, sizeof answer->text);
        return answer->verdict = SUP_UNUSABLE;
    }
    sup_form_unref(form);
    return SUP_DID;
}

/* Only what speaks of siblings, or of how many they are, can be wrong where the parts are right. */
static bool needs_check(const struct sup_handle *handle, const unsigned char *blob)
{
    static const uint16_t ids[] = {SUP_OPTION_AFTER, SUP_OPTION_RESTART_WITH,
                                   SUP_OPTION_SIGNIFICANT, SUP_OPTION_FORMERLY};
    uint32_t size;
    const struct sup_form_node *node = (const void *) (blob + sizeof(struct sup_form_header));
    const struct sup_form_node *own =
        (const void *) (handle->blob + sizeof(struct sup_form_header));
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (sup_form_option(node, ids[i], &size) != NULL) return true;
    return sup_form_option(own, SUP_OPTION_MAX_CHILDREN, &size) != NULL;
}

static enum sup_verdict record_add(struct sup_handle *handle, struct call *call)
{
    const unsigned char *blob = call->child == NULL ? call->blob : call->child->blob;
    const char *name = sup_form_name((const void *) (blob + sizeof(struct sup_form_header)));
    char text[256];
    if (sup_record_by_name(handle, name) != NULL) {
        snprintf(text, sizeof text, "there is a \"%.128s\" already, which does not run", name);
        return say(call->answer, SUP_NAME_TAKEN, text);
    }
    bool check = needs_check(handle, blob);
    struct sup_record *record = sup_record_add(handle, call->blob, call->size, call->child);
    if (record == NULL) return say(call->answer, SUP_MEMORY_IS_SHORT, NULL);
    if (check && check_whole(handle, call->answer) != SUP_DID) {
        record->blob = NULL; /* the caller's again */
        if (sup_record_drop(handle, record) != NULL) call->child->references--;
        return call->answer->verdict;
    }
    call->blob = NULL;
    call->token = token_of(handle, record);
    return SUP_DID;
}

static enum sup_verdict live_add(struct sup_handle *handle, struct call *call)
{
    struct sup_handle *root = sup_handle_root(handle);
    struct sup_input input = {.type = SUP_IN_ADD, .node = handle->node};
    unsigned char *merged = NULL;
    input.blob = call->blob;
    input.blob_size = call->size;
    if (call->child != NULL) input.blob = merged = sup_handle_merge(call->child, &input.blob_size);
    if (input.blob == NULL) return say(call->answer, SUP_MEMORY_IS_SHORT, NULL);
    if (call->child != NULL) call->child->joining = true;
    enum sup_verdict verdict = ask(root, &input, call);
    if (call->child != NULL) call->child->joining = false;
    free(merged);
    /* The node of a handle is gone when it was removed. */
    return verdict == SUP_NO_SUCH_SERVICE ? say(call->answer, SUP_HAS_STOPPED, NULL) : verdict;
}

enum sup_verdict sup_handle_add(struct sup_handle *handle, const void *blob, size_t size,
                                struct sup_handle *child, sup_service_token *token,
                                struct sup_answer *answer)
{
    struct call call = {.handle = handle, .child = child, .size = size, .answer = answer};
    say(answer, SUP_DID, NULL);
    if (child == NULL) {
        call.blob = malloc(size);
        if (call.blob == NULL) return say(answer, SUP_MEMORY_IS_SHORT, NULL);
        memcpy(call.blob, blob, size);
    }
    sup_handles_lock();
    struct sup_handle *root = settled_root(handle);
    enum sup_verdict verdict = check_child(handle, child, answer);
    if (verdict == SUP_DID) {
        if (root->state == SUP_HANDLE_STOPPED || handle->state == SUP_HANDLE_STOPPED)
            verdict = say(answer, SUP_HAS_STOPPED, NULL);
        else if (root->state == SUP_HANDLE_NEW) verdict = record_add(handle, &call);
        else verdict = live_add(handle, &call);
    }
    sup_handles_unlock();
    free(call.blob);
    *token = verdict == SUP_DID ? call.token : 0;
    return verdict;
}

/* --- remove ----------------------------------------------------------------------------------- */

enum sup_verdict sup_handle_remove(struct sup_handle *handle, sup_service_token token, bool wait,
                                   int64_t wait_ns, struct sup_answer *answer)
{
    struct call call = {.answer = answer};
    struct sup_input input = {.type = SUP_IN_REMOVE, .wait = wait, .wait_ns = wait_ns};
    struct sup_handle *dropped = NULL;
    uint32_t serial = (uint32_t) token;
    enum sup_verdict verdict = say(answer, SUP_DID, NULL);
    sup_handles_lock();
    struct sup_handle *root = settled_root(handle);
    struct sup_record *record = NULL;
    if (token >> 32 != handle->serial || serial == 0 || serial > handle->last_record)
        verdict = say(answer, SUP_WRONG_SUPERVISOR, NULL);
    else record = sup_record_find(handle, serial);
    if (record != NULL && root->state == SUP_HANDLE_NEW) {
        dropped = sup_record_drop(handle, record);
    } else if (record != NULL && root->state == SUP_HANDLE_STOPPED) {
        verdict = say(answer, SUP_HAS_STOPPED, NULL);
    } else if (record != NULL) {
        input.node = record->node;
        verdict = ask(root, &input, &call);
        if (verdict == SUP_NO_SUCH_SERVICE) verdict = say(answer, SUP_DID, NULL);
    }
    sup_handles_unlock();
    if (dropped != NULL) drop_reference(dropped);
    return verdict;
}

/* --- serve ------------------------------------------------------------------------------------ */

static enum sup_verdict check_serve(const struct sup_handle *handle, struct sup_answer *answer)
{
    if (handle->parent != NULL || handle->joining) return say(answer, SUP_IS_NOT_ROOT, NULL);
    if (handle->state == SUP_HANDLE_STARTING || handle->state == SUP_HANDLE_SERVING)
        return say(answer, SUP_SERVES_ALREADY, NULL);
    if (handle->state == SUP_HANDLE_STOPPED && handle->was_served)
        return say(answer, SUP_HAS_STOPPED, NULL);
    return SUP_DID;
}

/* People who stopped a part before the tree began. */
static void hold_children(struct sup_handle *root, const struct sup_handle *handle)
{
    for (size_t i = 0; i < handle->count; i++) {
        const struct sup_record *record = &handle->records[i];
        struct sup_input stop = {.type = SUP_IN_STOP_NODE, .node = record->node};
        if (record->held) sup_engine_submit(root->engine, &stop, NULL, NULL);
        if (record->child != NULL) hold_children(root, record->child);
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
                                          .ended = on_ended,
                                          .context = root};
    unsigned char *blob = sup_handle_merge(root, &options.blob_size);
    if (blob == NULL) return say(answer, SUP_MEMORY_IS_SHORT, NULL);
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
    struct call call = {.answer = answer};
    struct sup_input start = {.type = SUP_IN_START, .text = context};
    root->engine = sup_library_engine(root->library);
    root->was_served = true;
    root->state = SUP_HANDLE_SERVING;
    sup_engine_read(root->engine, resolve_root, root);
    hold_children(root, root);
    pthread_cond_broadcast(&changed);
    enum sup_verdict verdict = ask(root, &start, &call);
    return verdict == SUP_HAS_STOPPED ? say(answer, SUP_DID, NULL) : verdict;
}

enum sup_verdict sup_handle_serve(struct sup_handle *handle, const char *context,
                                  struct sup_answer *answer)
{
    say(answer, SUP_DID, NULL);
    sup_handles_lock();
    enum sup_verdict verdict = check_serve(handle, answer);
    if (verdict == SUP_DID && handle->state == SUP_HANDLE_NEW) {
        handle->state = SUP_HANDLE_STARTING;
        sup_handles_unlock();
        verdict = open_library(handle, answer);
        sup_handles_lock();
        if (verdict == SUP_DID) verdict = begin_serving(handle, context, answer);
        else handle->state = SUP_HANDLE_NEW;
        pthread_cond_broadcast(&changed);
    }
    sup_handles_unlock();
    return verdict;
}

/* --- stop ------------------------------------------------------------------------------------- */

static void stop_root(struct sup_handle *root, const char *context, bool request)
{
    struct sup_input stop = {.type = SUP_IN_STOP, .text = context};
    if (root->state == SUP_HANDLE_NEW) {
        root->state = SUP_HANDLE_STOPPED;
        sup_mailbox_close(&root->mailbox);
        pthread_cond_broadcast(&changed);
        return;
    }
    if (root->engine != NULL) sup_engine_submit(root->engine, &stop, NULL, NULL);
    while (!request && root->was_served && !root->ended) pthread_cond_wait(&changed, &lock);
}

static enum sup_verdict stop_part(struct sup_handle *root, struct sup_handle *part, bool request,
                                  struct sup_answer *answer)
{
    struct call call = {.answer = answer};
    struct sup_input stop = {.type = SUP_IN_STOP_NODE, .node = part->node, .wait = !request};
    if (root->state == SUP_HANDLE_STOPPED) return SUP_DID;
    if (root->state == SUP_HANDLE_NEW) {
        struct sup_record *record = sup_record_by_name(part->parent, part->name);
        if (record != NULL) record->held = true;
        return SUP_DID;
    }
    enum sup_verdict verdict = ask(root, &stop, &call);
    bool is_over = verdict == SUP_HAS_STOPPED || verdict == SUP_NO_SUCH_SERVICE ||
                   verdict == SUP_NOT_DONE; /* the report says what is stuck */
    return is_over ? say(answer, SUP_DID, NULL) : verdict;
}

enum sup_verdict sup_handle_stop(struct sup_handle *handle, const char *context, bool request,
                                 struct sup_answer *answer)
{
    enum sup_verdict verdict = say(answer, SUP_DID, NULL);
    sup_handles_lock();
    struct sup_handle *root = settled_root(handle);
    if (root == handle) stop_root(root, context, request);
    else verdict = stop_part(root, handle, request, answer);
    bool over = root->ended;
    sup_handles_unlock();
    if (over && root == handle) close_library(root);
    return verdict;
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool is_below(const char *path, const char *above)
{
    size_t size = strlen(above);
    return strncmp(path, above, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

struct reporting {
    struct sup_handle *handle;
    struct sup_left *left;
    size_t count;
};

static void report(void *context, const struct sup_view *view)
{
    struct reporting *reporting = context;
    char path[PATH_SIZE];
    size_t count, kept = 0;
    struct sup_left *left = list_left(view, &count);
    sup_tree_path(view->tree, reporting->handle->node, path, sizeof path);
    for (size_t i = 0; i < count; i++)
        if (is_below(left[i].path, path)) left[kept++] = left[i];
    reporting->left = left;
    reporting->count = kept;
}

struct sup_left *sup_handle_report(struct sup_handle *handle, size_t *count)
{
    struct reporting reporting = {.handle = handle};
    sup_handles_lock();
    struct sup_handle *root = sup_handle_root(handle);
    if (root != handle && root->engine != NULL) {
        sup_engine_read(root->engine, report, &reporting);
    } else if (root == handle && root->left_count > 0) {
        reporting.left = calloc(root->left_count, sizeof *reporting.left);
        if (reporting.left != NULL) {
            memcpy(reporting.left, root->left, root->left_count * sizeof *reporting.left);
            reporting.count = root->left_count;
        }
    }
    sup_handles_unlock();
    *count = reporting.count;
    if (reporting.count > 0) return reporting.left;
    free(reporting.left);
    return NULL;
}

struct listing {
    const struct sup_handle *handle;
    struct sup_service_info *services;
};

static void list(void *context, const struct sup_view *view)
{
    struct listing *listing = context;
    struct sup_status status;
    for (size_t i = 0; i < listing->handle->count; i++) {
        struct sup_service_info *service = &listing->services[i];
        sup_token node = listing->handle->records[i].node;
        if (!sup_tree_status(view->tree, node, view->now_ns, &status)) continue;
        service->state = status.state;
        service->generation = status.generation;
        service->ready = status.ready;
        service->pid = sup_engine_pid(view, node);
    }
}

struct sup_service_info *sup_handle_services(struct sup_handle *handle, size_t *count)
{
    sup_handles_lock();
    struct sup_handle *root = settled_root(handle);
    struct listing listing = {handle, calloc(handle->count + 1, sizeof *listing.services)};
    *count = handle->count;
    for (size_t i = 0; i < handle->count && listing.services != NULL; i++) {
        const struct sup_record *record = &handle->records[i];
        struct sup_service_info *service = &listing.services[i];
        service->kind = record->kind;
        service->state = SUP_STATE_STOPPED;
        service->token = token_of(handle, record);
        snprintf(service->name, sizeof service->name, "%s", record->name);
    }
    if (root->engine != NULL && listing.services != NULL)
        sup_engine_read(root->engine, list, &listing);
    sup_handles_unlock();
    return listing.services;
}

bool sup_handle_is_serving(struct sup_handle *handle)
{
    sup_handles_lock();
    bool serving = sup_handle_root(handle)->engine != NULL;
    sup_handles_unlock();
    return serving;
}

bool sup_handle_has_ended(struct sup_handle *handle, int *code)
{
    sup_handles_lock();
    struct sup_handle *root = sup_handle_root(handle);
    bool ended = root->state == SUP_HANDLE_STOPPED;
    *code = root->code;
    sup_handles_unlock();
    return ended;
}

struct sup_handle *sup_handle_parent(struct sup_handle *handle)
{
    sup_handles_lock();
    struct sup_handle *parent = handle->parent;
    sup_handles_unlock();
    return parent;
}

void sup_handle_want_mail(struct sup_handle *handle)
{
    sup_handles_lock();
    sup_handle_root(handle)->wants_mail = true;
    sup_handles_unlock();
}

struct sup_mailbox *sup_handle_mailbox(struct sup_handle *handle)
{
    return &handle->mailbox;
}
