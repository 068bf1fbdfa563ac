/*
** api_service.c: functions of a C program as services on threads. Must not know the tree.
*/
#include "api_inside.h"

#include "core/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 4096

struct sup_context {
    struct sup_thread *thread;
    const struct sup_thread_order *order;
    struct sup_native native;
    struct sup_stop_call stop;
    char *reason; /* owned; NULL: none was given */
};

/* From now on ${context} (NULL: none) is told of a stop. True: that has been asked for already. */
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
    unsigned result = SUP_RETURNED;
    memcpy(&context.native, order->run.data, sizeof context.native);
    context.stop.stop = context.native.stop;
    context.stop.data = context.native.data;
    if (!enter(thread, &context))
        result = (unsigned) context.native.serve(context.native.data, &context);
    enter(thread, NULL);
    sup_stop_call_finish(&context.stop);
    end->outcome.kind = result < sizeof kinds / sizeof *kinds ? kinds[result] : SUP_END_ERROR;
    end->outcome.code = 0;
    end->text = context.reason;
}

static void ask_native(struct sup_thread *thread)
{
    struct sup_context *context = sup_thread_data(thread);
    if (context != NULL && context->stop.stop != NULL) sup_stop_call_put(&context->stop);
}

const struct sup_thread_ops sup_native_threads = {.serve = serve_native, .ask = ask_native};

/* --- the context ------------------------------------------------------------------------------ */

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

void sup_context_heartbeat(struct sup_context *context)
{
    sup_thread_heartbeat(context->thread);
}

char *sup_context_stop_context(struct sup_context *context, char *buf, size_t size)
{
    return sup_thread_context(context->thread, buf, size);
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
