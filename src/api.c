/*
** api.c: the library for C: what suptree.h promises, by way of engine/handle.h. Must not know how.
*/
#include "suptree.h"

#include "api_options.h"
#include "engine/handle.h"
#include "engine/thread.h"
#include "engine/workers.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 4096

struct sup_supervisor {
    struct sup_handle *handle;
    struct sup_settings settings; /* callbacks and data; `options` are NULL */
};

static _Thread_local char last_error[768];
static _Thread_local const struct sup_supervisor *calling; /* whose callback runs on this thread */

/* --- errors ----------------------------------------------------------------------------------- */

static const char *const error_texts[] = {
    [SUP_SUCCESS] = "no error",
    [SUP_ERR_WRONG_SUPERVISOR] = "wrong supervisor for this service token, no service removed",
    [SUP_ERR_TIMEOUT] = "the time given to wait is over; what was asked for still stands",
    [SUP_ERR_STOPPED] = "the supervisor has stopped; that is final, make a new one",
    [SUP_ERR_ALREADY_SERVING] = "the supervisor serves already; it was left alone",
    [SUP_ERR_NOT_ROOT] = "only the root of a tree can serve; this one was added to another",
    [SUP_ERR_DUPLICATE_NAME] = "a service of that name is there already; choose another",
    [SUP_ERR_CYCLE] = "a supervisor cannot be added to itself or below itself",
    [SUP_ERR_NOT_FOUND] = "no such service",
    [SUP_ERR_TOO_MANY] = "the supervisor has as many children as its max_children allows",
    [SUP_ERR_INVALID] = "what was given cannot be used",
    [SUP_ERR_REFUSED] = "that cannot be done",
    [SUP_ERR_NO_MEMORY] = "there is no memory for it; free some and try again",
    [SUP_ERR_GAVE_UP] = "the tree ended by itself; its events say why",
};

const char *sup_error_text(enum sup_error error)
{
    size_t place = (size_t) error;
    return place < sizeof error_texts / sizeof *error_texts ? error_texts[place] : "unknown error";
}

const char *sup_last_error(void)
{
    return last_error;
}

static enum sup_error fail(enum sup_error error, const char *text)
{
    snprintf(last_error, sizeof last_error, "%s",
             text == NULL || text[0] == '\0' ? sup_error_text(error) : text);
    return error;
}

static enum sup_error fail_with(const struct sup_err *err)
{
    char text[sizeof last_error];
    return fail(err->code == -ENOMEM ? SUP_ERR_NO_MEMORY : SUP_ERR_INVALID,
                sup_err_text(err, text, sizeof text));
}

static enum sup_error judge(const struct sup_answer *answer)
{
    static const enum sup_error errors[] = {
        [SUP_DID] = SUP_SUCCESS,
        [SUP_WRONG_SUPERVISOR] = SUP_ERR_WRONG_SUPERVISOR,
        [SUP_WAIT_OVER] = SUP_ERR_TIMEOUT,
        [SUP_HAS_STOPPED] = SUP_ERR_STOPPED,
        [SUP_SERVES_ALREADY] = SUP_ERR_ALREADY_SERVING,
        [SUP_IS_NOT_ROOT] = SUP_ERR_NOT_ROOT,
        [SUP_NAME_TAKEN] = SUP_ERR_DUPLICATE_NAME,
        [SUP_MAKES_CYCLE] = SUP_ERR_CYCLE,
        [SUP_NO_SUCH_SERVICE] = SUP_ERR_NOT_FOUND,
        [SUP_TOO_MANY_CHILDREN] = SUP_ERR_TOO_MANY,
        [SUP_UNUSABLE] = SUP_ERR_INVALID,
        [SUP_NOT_DONE] = SUP_ERR_REFUSED,
        [SUP_MEMORY_IS_SHORT] = SUP_ERR_NO_MEMORY,
    };
    if (answer->verdict == SUP_DID) return SUP_SUCCESS;
    return fail(errors[answer->verdict], answer->text);
}

/* --- services as functions -------------------------------------------------------------------- */

/* The bytes of a service's `run`. */
struct native {
    enum sup_result (*serve)(void *data, struct sup_context *context);
    void (*stop)(void *data);
    void *data;
};

struct sup_context {
    struct sup_thread *thread;
    const struct sup_thread_order *order;
    struct native native;
    char *reason; /* owned; NULL: none was given */
};

/* Did the stop come before there was somebody to tell? */
static bool enter(struct sup_thread *thread, struct sup_context *context)
{
    sup_thread_lock(thread);
    sup_thread_set_data(thread, context);
    bool asked = sup_thread_is_asked(thread);
    sup_thread_unlock(thread);
    return asked;
}

static void serve_native(struct sup_thread *thread, const struct sup_thread_order *order,
                         struct sup_thread_end *end)
{
    static const enum sup_outcome_kind kinds[] = {
        [SUP_RETURNED] = SUP_END_RETURNED,
        [SUP_FAILED] = SUP_END_ERROR,
        [SUP_SERVICE_DONE] = SUP_END_DONE,
        [SUP_TERMINATE_TREE] = SUP_END_TERMINATE,
    };
    struct sup_context context = {.thread = thread, .order = order};
    memcpy(&context.native, order->run.data, sizeof context.native);
    if (enter(thread, &context) && context.native.stop != NULL)
        context.native.stop(context.native.data);
    unsigned result = (unsigned) context.native.serve(context.native.data, &context);
    enter(thread, NULL);
    end->outcome.kind = result < sizeof kinds / sizeof *kinds ? kinds[result] : SUP_END_ERROR;
    end->outcome.code = 0;
    end->text = context.reason;
}

static void ask_native(struct sup_thread *thread)
{
    const struct sup_context *context = sup_thread_data(thread);
    if (context != NULL && context->native.stop != NULL) context->native.stop(context->native.data);
}

static const struct sup_thread_ops native_threads = {.serve = serve_native, .ask = ask_native};

bool sup_context_stopping(const struct sup_context *context)
{
    return sup_thread_is_asked(context->thread);
}

bool sup_context_sleep(struct sup_context *context, double seconds)
{
    int64_t ns;
    if (!sup_seconds_to_ns(seconds, &ns)) ns = seconds > 0 ? SUP_DURATION_MAX_NS : 0;
    return sup_thread_sleep(context->thread, ns);
}

void sup_context_ready(struct sup_context *context)
{
    sup_thread_ready(context->thread);
}

const char *sup_context_path(const struct sup_context *context)
{
    return context->order->path;
}

uint32_t sup_context_generation(const struct sup_context *context)
{
    return context->order->generation;
}

void sup_context_log(struct sup_context *context, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (n < 0) return;
    size_t size = (size_t) n < sizeof line - 1 ? (size_t) n : sizeof line - 2;
    line[size++] = '\n';
    sup_thread_write(context->thread, line, size);
}

enum sup_result sup_context_fail(struct sup_context *context, const char *format, ...)
{
    va_list arguments;
    free(context->reason);
    va_start(arguments, format);
    if (vasprintf(&context->reason, format, arguments) < 0) context->reason = NULL;
    va_end(arguments);
    return SUP_FAILED;
}

/* --- supervisors ------------------------------------------------------------------------------ */

struct sup_supervisor *sup_new(const char *name, const struct sup_settings *settings)
{
    static const struct sup_settings none = {.options = NULL};
    struct sup_err err = {.code = 0};
    size_t size;
    if (settings == NULL) settings = &none;
    struct sup_node_wish wish = {.kind = SUP_SUPERVISOR,
                                 .name = name,
                                 .options = settings->options,
                                 .is_root = true};
    unsigned char *blob = sup_wish_encode(&wish, &size, &err);
    struct sup_supervisor *supervisor = blob == NULL ? NULL : calloc(1, sizeof *supervisor);
    if (supervisor != NULL)
        supervisor->handle = sup_handle_create(blob, size, &native_threads, &err);
    free(blob);
    if (supervisor == NULL || supervisor->handle == NULL) {
        free(supervisor);
        if (err.code == 0) fail(SUP_ERR_NO_MEMORY, NULL);
        else fail_with(&err);
        return NULL;
    }
    supervisor->settings = *settings;
    supervisor->settings.options = NULL;
    if (settings->log != NULL || settings->on_event != NULL)
        sup_handle_want_mail(supervisor->handle);
    return supervisor;
}

struct sup_supervisor *sup_new_simple(const char *name)
{
    return sup_new(name, NULL);
}

void sup_free(struct sup_supervisor *supervisor)
{
    if (supervisor == NULL) return;
    sup_handle_release(supervisor->handle);
    free(supervisor);
}

const char *sup_name(const struct sup_supervisor *supervisor)
{
    return sup_handle_name(supervisor->handle);
}

/* --- services --------------------------------------------------------------------------------- */

static enum sup_error add_wish(struct sup_supervisor *supervisor, const struct sup_node_wish *wish,
                               uint64_t *token)
{
    struct sup_err err = {.code = 0};
    struct sup_answer answer;
    sup_service_token added = 0;
    size_t size;
    unsigned char *blob = sup_wish_encode(wish, &size, &err);
    if (token != NULL) *token = 0;
    if (blob == NULL) return fail_with(&err);
    sup_handle_add(supervisor->handle, blob, size, NULL, &added, &answer);
    free(blob);
    if (token != NULL) *token = added;
    return judge(&answer);
}

enum sup_error sup_add(struct sup_supervisor *supervisor, const struct sup_service *service,
                       uint64_t *token)
{
    struct native native = {service->serve, service->stop, service->data};
    if (service->name == NULL || service->serve == NULL)
        return fail(SUP_ERR_INVALID, "a service needs a name and a function to serve");
    struct sup_node_wish wish = {.kind = SUP_THREAD,
                                 .name = service->name,
                                 .options = service->options,
                                 .run = &native,
                                 .run_size = sizeof native};
    return add_wish(supervisor, &wish, token);
}

enum sup_error sup_add_process(struct sup_supervisor *supervisor, const struct sup_process *process,
                               uint64_t *token)
{
    if (process->name == NULL || process->argv == NULL || process->argv[0] == NULL)
        return fail(SUP_ERR_INVALID, "a process needs a name and a program to run");
    struct sup_node_wish wish = {.kind = SUP_PROCESS,
                                 .name = process->name,
                                 .options = process->options,
                                 .argv = process->argv,
                                 .env = process->env,
                                 .cwd = process->cwd};
    return add_wish(supervisor, &wish, token);
}

enum sup_error sup_add_supervisor(struct sup_supervisor *supervisor, struct sup_supervisor *child,
                                  uint64_t *token)
{
    struct sup_answer answer;
    sup_service_token added = 0;
    sup_handle_add(supervisor->handle, NULL, 0, child->handle, &added, &answer);
    if (token != NULL) *token = added;
    return judge(&answer);
}

/* Who waits for his own end waits for ever. */
static bool is_inside(const struct sup_supervisor *supervisor)
{
    return sup_worker_here() != NULL || calling == supervisor;
}

enum sup_error sup_remove(struct sup_supervisor *supervisor, uint64_t token)
{
    struct sup_answer answer;
    sup_handle_remove(supervisor->handle, token, false, 0, &answer);
    return judge(&answer);
}

enum sup_error sup_remove_and_wait(struct sup_supervisor *supervisor, uint64_t token,
                                   double seconds)
{
    struct sup_answer answer;
    int64_t wait_ns;
    if (!sup_seconds_to_ns(seconds, &wait_ns))
        return fail(SUP_ERR_INVALID, "the time to wait must be a number from 0");
    sup_handle_remove(supervisor->handle, token, sup_worker_here() == NULL, wait_ns, &answer);
    return judge(&answer);
}

struct sup_service_status *sup_services(struct sup_supervisor *supervisor, size_t *count)
{
    struct sup_service_info *infos = sup_handle_services(supervisor->handle, count);
    struct sup_service_status *list = infos == NULL ? NULL : calloc(*count + 1, sizeof *list);
    for (size_t i = 0; list != NULL && i < *count; i++) {
        list[i] = (struct sup_service_status){.kind = sup_kind_name(infos[i].kind),
                                              .state = sup_state_name(infos[i].state),
                                              .pid = infos[i].pid,
                                              .generation = infos[i].generation,
                                              .ready = infos[i].ready,
                                              .token = infos[i].token};
        memcpy(list[i].name, infos[i].name, sizeof list[i].name);
    }
    free(infos);
    if (list == NULL) *count = 0;
    if (list == NULL) fail(SUP_ERR_NO_MEMORY, NULL);
    return list;
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

static size_t run_waiting(const struct sup_supervisor *supervisor, bool *closed)
{
    const struct sup_supervisor *before = calling;
    struct sup_mail *mail;
    size_t count = 0;
    calling = supervisor;
    while ((mail = sup_mailbox_take(sup_handle_mailbox(supervisor->handle), closed)) != NULL) {
        deliver(supervisor, mail);
        free(mail);
        count++;
    }
    calling = before;
    return count;
}

size_t sup_poll(struct sup_supervisor *supervisor, double seconds)
{
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
    return sup_handle_mailbox(supervisor->handle)->fd;
}

/* --- serving and stopping --------------------------------------------------------------------- */

enum sup_error sup_serve_background(struct sup_supervisor *supervisor, const char *context)
{
    struct sup_answer answer;
    sup_handle_serve(supervisor->handle, context, &answer);
    return judge(&answer);
}

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
    return fail(SUP_ERR_GAVE_UP, text);
}

static struct sup_unstopped_service *copy_left(const struct sup_left *left, size_t count)
{
    struct sup_unstopped_service *copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = (struct sup_unstopped_service){.kind = sup_kind_name(left[i].kind),
                                                 .generation = left[i].generation,
                                                 .pid = left[i].pid};
        memcpy(copy[i].path, left[i].path, sizeof copy[i].path);
    }
    return copy;
}

enum sup_error sup_stop(struct sup_supervisor *supervisor, const char *context,
                        struct sup_unstopped_service **left, size_t *count)
{
    struct sup_answer answer;
    size_t number = 0;
    bool request = is_inside(supervisor);
    if (left != NULL) *left = NULL;
    if (count != NULL) *count = 0;
    sup_handle_stop(supervisor->handle, context, request, &answer);
    if (answer.verdict != SUP_DID || request) return judge(&answer);
    struct sup_left *found = sup_handle_report(supervisor->handle, &number);
    if (left != NULL && number > 0) *left = copy_left(found, number);
    if (count != NULL) *count = left != NULL && *left == NULL ? 0 : number;
    free(found);
    return SUP_SUCCESS;
}
