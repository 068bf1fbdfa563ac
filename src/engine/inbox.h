/*
** engine/inbox.h: inputs that other threads hand in, sorted by class as the law of one instant
** wants it: facts, then stop and remove, then other commands; within a class in the order they
** came. And the answers that are owed for them.
**
** Any thread may put; the engine thread takes and answers. Must not know what an input means.
*/
#ifndef SUP_ENGINE_INBOX_H
#define SUP_ENGINE_INBOX_H

#include "core/tree.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum sup_class { SUP_CLASS_FACT, SUP_CLASS_STOP, SUP_CLASS_COMMAND, SUP_CLASS_COUNT };

/* Called once, on the engine thread, with no lock held. `reply` is valid during the call. */
typedef void sup_answer_fn(void *context, const struct sup_reply *reply);

struct sup_letter {
    struct sup_letter *next;
    sup_answer_fn *answer; /* NULL: nobody waits */
    void *context;
    struct sup_input input; /* text and blob follow this struct */
};

struct sup_pending {
    uint64_t request; /* 0: free */
    sup_answer_fn *answer;
    void *context;
};

struct sup_inbox {
    pthread_mutex_t mutex; /* around first, last, closed */
    struct sup_letter *first[SUP_CLASS_COUNT];
    struct sup_letter *last[SUP_CLASS_COUNT];
    bool closed;
    void (*wake)(void *context); /* called for each put, under the mutex: not after close */
    void *wake_context;
    /* engine thread only: */
    struct sup_pending *pending;
    size_t pending_room;
    size_t pending_free; /* where to begin to look for a free place */
    uint64_t serial;     /* of the next request */
    uint64_t epoch;      /* which host this is: a former one's requests are not ours */
};

/* ${wake} must be quick and safe from any thread. Returns 0 or -errno. */
int sup_inbox_init(struct sup_inbox *inbox, uint64_t epoch, void (*wake)(void *context),
                   void *context);
/* Answers what is owed with SUP_STOPPED, drops what nobody took. */
void sup_inbox_finish(struct sup_inbox *inbox);

enum sup_class sup_input_class(enum sup_input_type type);

/*
** Copy ${input} in; its `request` is chosen here when ${answer} is given. Never blocks but for the
** moment of another thread's put. Returns 0, -ENOMEM, or -ESHUTDOWN after close: then
** ${answer} will not be called.
*/
int sup_inbox_put(struct sup_inbox *inbox, const struct sup_input *input, sup_answer_fn *answer,
                  void *context);

/* The next letter of the lowest class up to ${last}; the caller frees it. NULL: none. */
struct sup_letter *sup_inbox_take(struct sup_inbox *inbox, enum sup_class last);

/* Give the letter's input its request number, under which it will be answered. 0 or -ENOMEM. */
int sup_inbox_open(struct sup_inbox *inbox, struct sup_letter *letter);

/* Deliver ${reply} to whoever waits for ${request}; a request of a former host: nobody. */
void sup_inbox_answer(struct sup_inbox *inbox, uint64_t request, const struct sup_reply *reply);

/* From now on put says -ESHUTDOWN. */
void sup_inbox_close(struct sup_inbox *inbox);

#endif
