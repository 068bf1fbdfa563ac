/*
** engine/handle_ask.c: a command for the engine thread, and the answer to it. Must not know what is
** asked.
*/
#include "engine/handle_inside.h"

#include <errno.h>

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

/* On the engine thread. */
static void on_answer(void *context, const struct sup_reply *reply)
{
    struct sup_call *call = context;
    sup_handles_lock();
    sup_answer_set(call->answer, verdict_of(reply->status), reply->text);
    if (reply->status == SUP_OK && call->accepted != NULL) call->accepted(call, reply);
    call->done = true;
    sup_handles_changed();
    sup_handles_unlock();
}

enum sup_verdict sup_handle_ask(struct sup_handle *root, const struct sup_input *input,
                                struct sup_call *call)
{
    int r =
        root->engine == NULL ? -ESHUTDOWN : sup_engine_submit(root->engine, input, on_answer, call);
    if (r == -ESHUTDOWN) return sup_answer_set(call->answer, SUP_HAS_STOPPED, NULL);
    if (r < 0) return sup_answer_set(call->answer, SUP_MEMORY_IS_SHORT, NULL);
    while (!call->done) sup_handles_wait();
    return call->answer->verdict;
}

struct sup_handle *sup_handle_settled_root(struct sup_handle *handle)
{
    for (;;) {
        struct sup_handle *root = sup_handle_root(handle);
        if (root->state != SUP_HANDLE_STARTING && !root->joining) return root;
        sup_handles_wait();
    }
}
