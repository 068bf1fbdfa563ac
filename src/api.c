/*
** api.c: the library for C: what suptree.h promises, by way of engine/handle.h. Must not know how.
*/
#include "api_inside.h"

#include "api_options.h"
#include "engine/workers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char last_error[768];

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

enum sup_error sup_api_fail(enum sup_error error, const char *text)
{
    snprintf(last_error, sizeof last_error, "%s",
             text == NULL || text[0] == '\0' ? sup_error_text(error) : text);
    return error;
}

enum sup_error sup_api_fail_without(void)
{
    return sup_api_fail(SUP_ERR_INVALID, "a supervisor is needed, as sup_new made it, not NULL");
}

static enum sup_error fail_with(const struct sup_err *err)
{
    char text[sizeof last_error];
    return sup_api_fail(err->code == -ENOMEM ? SUP_ERR_NO_MEMORY : SUP_ERR_INVALID,
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
    return sup_api_fail(errors[answer->verdict], answer->text);
}

/* --- supervisors ------------------------------------------------------------------------------ */

struct sup_supervisor *sup_new(const char *name, const struct sup_settings *settings)
{
    static const struct sup_settings none = {.options = NULL};
    struct sup_err err = {.code = 0};
    size_t size;
    if (name == NULL) {
        sup_api_fail(SUP_ERR_INVALID, "a supervisor needs a name");
        return NULL;
    }
    if (settings == NULL) settings = &none;
    struct sup_node_wish wish = {.kind = SUP_SUPERVISOR,
                                 .name = name,
                                 .options = settings->options,
                                 .is_root = true};
    unsigned char *blob = sup_wish_encode(&wish, &size, &err);
    struct sup_supervisor *supervisor = blob == NULL ? NULL : calloc(1, sizeof *supervisor);
    if (supervisor != NULL)
        supervisor->handle = sup_handle_create(blob, size, &sup_native_threads, &err);
    free(blob);
    if (supervisor == NULL || supervisor->handle == NULL) {
        free(supervisor);
        if (err.code == 0) sup_api_fail(SUP_ERR_NO_MEMORY, NULL);
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
    return supervisor == NULL ? "" : sup_handle_name(supervisor->handle);
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
    if (blob == NULL) return fail_with(&err);
    sup_handle_add(supervisor->handle, blob, size, NULL, &added, &answer);
    free(blob);
    if (token != NULL) *token = added;
    return judge(&answer);
}

enum sup_error sup_add(struct sup_supervisor *supervisor, const struct sup_service *service,
                       uint64_t *token)
{
    if (token != NULL) *token = 0;
    if (supervisor == NULL) return sup_api_fail_without();
    if (service == NULL || service->name == NULL || service->serve == NULL)
        return sup_api_fail(SUP_ERR_INVALID, "a service needs a name and a function to serve");
    struct sup_native native = {service->serve, service->stop, service->data};
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
    if (token != NULL) *token = 0;
    if (supervisor == NULL) return sup_api_fail_without();
    if (process == NULL || process->name == NULL || process->argv == NULL ||
        process->argv[0] == NULL)
        return sup_api_fail(SUP_ERR_INVALID, "a process needs a name and a program to run");
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
    if (token != NULL) *token = 0;
    if (supervisor == NULL || child == NULL) return sup_api_fail_without();
    sup_handle_add(supervisor->handle, NULL, 0, child->handle, &added, &answer);
    if (token != NULL) *token = added;
    return judge(&answer);
}

/* Who waits for his own end waits for ever. */
static bool is_service(void)
{
    return sup_worker_here() != NULL || sup_stop_call_is_here();
}

enum sup_error sup_remove(struct sup_supervisor *supervisor, uint64_t token)
{
    struct sup_answer answer;
    if (supervisor == NULL) return sup_api_fail_without();
    sup_handle_remove(supervisor->handle, token, false, 0, &answer);
    return judge(&answer);
}

enum sup_error sup_remove_and_wait(struct sup_supervisor *supervisor, uint64_t token,
                                   double seconds)
{
    struct sup_answer answer;
    int64_t wait_ns;
    if (supervisor == NULL) return sup_api_fail_without();
    if (!sup_seconds_to_ns(seconds, &wait_ns))
        return sup_api_fail(SUP_ERR_INVALID, "the time to wait must be a number from 0");
    sup_handle_remove(supervisor->handle, token, !is_service(), wait_ns, &answer);
    return judge(&answer);
}

struct sup_service_status *sup_services(struct sup_supervisor *supervisor, size_t *count)
{
    *count = 0;
    if (supervisor == NULL) {
        sup_api_fail_without();
        return NULL;
    }
    struct sup_service_info *infos = sup_handle_services(supervisor->handle, count);
    struct sup_service_status *list = infos == NULL ? NULL : calloc(*count + 1, sizeof *list);
    for (size_t i = 0; list != NULL && i < *count; i++) {
        list[i] = (struct sup_service_status){.kind = sup_kind_word(infos[i].kind, infos[i].role),
                                              .state = sup_state_name(infos[i].state),
                                              .pid = infos[i].pid,
                                              .generation = infos[i].generation,
                                              .ready = infos[i].ready,
                                              .token = infos[i].token};
        memcpy(list[i].name, infos[i].name, sizeof list[i].name);
    }
    free(infos);
    if (list != NULL) return list;
    *count = 0;
    sup_api_fail(SUP_ERR_NO_MEMORY, NULL);
    return NULL;
}

/* --- serving and stopping --------------------------------------------------------------------- */

enum sup_error sup_serve_background(struct sup_supervisor *supervisor, const char *context)
{
    struct sup_answer answer;
    if (supervisor == NULL) return sup_api_fail_without();
    sup_handle_serve(supervisor->handle, context, &answer);
    return judge(&answer);
}

static struct sup_unstopped_service *copy_left(const struct sup_left *left, size_t count)
{
    struct sup_unstopped_service *copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = (struct sup_unstopped_service){.kind = sup_kind_word(left[i].kind, left[i].role),
                                                 .generation = left[i].generation,
                                                 .pid = left[i].pid};
        memcpy(copy[i].path, left[i].path, sizeof copy[i].path);
        memcpy(copy[i].why, left[i].why, sizeof copy[i].why);
    }
    return copy;
}

enum sup_error sup_stop(struct sup_supervisor *supervisor, const char *context,
                        struct sup_unstopped_service **left, size_t *count)
{
    struct sup_answer answer;
    size_t number = 0;
    if (left != NULL) *left = NULL;
    if (count != NULL) *count = 0;
    if (supervisor == NULL) return sup_api_fail_without();
    bool request = is_service() || sup_api_is_calling(supervisor);
    sup_handle_stop(supervisor->handle, context, request, &answer);
    if (answer.verdict != SUP_DID || request) return judge(&answer);
    struct sup_left *found = sup_handle_report(supervisor->handle, &number);
    if (left != NULL && number > 0) *left = copy_left(found, number);
    free(found);
    if (left != NULL && *left == NULL && number > 0) return sup_api_fail(SUP_ERR_NO_MEMORY, NULL);
    if (count != NULL) *count = number;
    return SUP_SUCCESS;
}
