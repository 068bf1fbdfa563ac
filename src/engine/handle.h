/*
** engine/handle.h: supervisors of a program, with the seed's verbs: what Lua and C programs hold.
**
** A handle is a record of what was added until its root serves; then it stands for a node of the
** running tree. Every function may be called from any thread. All handles of a process share one
** lock, which is held for moments only. Functions that wait for the tree say so.
*/
#ifndef SUP_ENGINE_HANDLE_H
#define SUP_ENGINE_HANDLE_H

#include "base/err.h"
#include "core/tree.h"
#include "engine/mailbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sup_handle;
struct sup_thread_ops;

/* Serial of the handle in the high half, of the service in it in the low. 0: none. Never reused. */
typedef uint64_t sup_service_token;

enum sup_verdict {
    SUP_DID,
    SUP_WRONG_SUPERVISOR,
    SUP_WAIT_OVER, /* the time given to wait */
    SUP_HAS_STOPPED,
    SUP_SERVES_ALREADY,
    SUP_IS_NOT_ROOT,
    SUP_NAME_TAKEN,
    SUP_MAKES_CYCLE,
    SUP_NO_SUCH_SERVICE,
    SUP_TOO_MANY_CHILDREN,
    SUP_UNUSABLE, /* the declaration */
    SUP_NOT_DONE, /* refused; the text says why */
    SUP_MEMORY_IS_SHORT,
};

struct sup_answer {
    enum sup_verdict verdict;
    char text[512]; /* more about the case at hand; "" when there is no more to say */
};

/*
** A supervisor that ${blob} declares: one node; its children are added. ${threads}: what its thread
** services are when it is a root (NULL: it can have none). One reference is the caller's. NULL:
** ${err}.
*/
struct sup_handle *sup_handle_create(const void *blob, size_t size,
                                     const struct sup_thread_ops *threads, struct sup_err *err);

/*
** Give the caller's reference back. A root that serves is stopped first: waits for that. Handles
** that were added to it live on and have stopped.
*/
void sup_handle_release(struct sup_handle *handle);

const char *sup_handle_name(const struct sup_handle *handle);

/* Add what ${blob} declares, or the supervisor ${child} (its reference stays the caller's). Waits
   until it is known whether it was accepted. */
enum sup_verdict sup_handle_add(struct sup_handle *handle, const void *blob, size_t size,
                                struct sup_handle *child, sup_service_token *token,
                                struct sup_answer *answer);

/* With ${wait}: until it has ended, at most ${wait_ns}; 0: for ever. */
enum sup_verdict sup_handle_remove(struct sup_handle *handle, sup_service_token token, bool wait,
                                   int64_t wait_ns, struct sup_answer *answer);

/* Start the tree; waits until every child was launched, or waits, or has failed. The root of a tree
   that was stopped before it began is served at once. */
enum sup_verdict sup_handle_serve(struct sup_handle *handle, const char *context,
                                  struct sup_answer *answer);

/*
** A root: stop the tree; an added one: a person's stop of it. Waits for the end, unless ${request}
** says that asking is enough. The report is read with sup_handle_report.
*/
enum sup_verdict sup_handle_stop(struct sup_handle *handle, const char *context, bool request,
                                 struct sup_answer *answer);

struct sup_left {
    char path[512];
    enum sup_kind kind;
    enum sup_role role;
    uint32_t generation;
    int32_t pid;     /* 0: not a process */
    uint64_t folder; /* of its cgroup; 0: none */
    char why[256];   /* of a process: what the system holds it for; "" unknown */
};

/* What a stop could not stop: an array to be freed by the caller, NULL when ${count} is 0. */
struct sup_left *sup_handle_report(struct sup_handle *handle, size_t *count);

struct sup_service_info {
    char name[132];
    enum sup_kind kind;
    enum sup_role role;
    enum sup_state state;
    int32_t pid; /* 0: none */
    uint32_t generation;
    bool ready;
    sup_service_token token;
};

/* A snapshot of the direct children, in order: to be freed by the caller. NULL with a count: no
   memory. */
struct sup_service_info *sup_handle_services(struct sup_handle *handle, size_t *count);

/* Has the tree ended, with ${code}? An added handle: its root. */
bool sup_handle_has_ended(struct sup_handle *handle, int *code);

/* Events of the tree, to be taken from the root; kept only when wanted. */
void sup_handle_want_mail(struct sup_handle *handle);
struct sup_mailbox *sup_handle_mailbox(struct sup_handle *handle);

#endif
