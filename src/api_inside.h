/*
** api_inside.h: the inside of the library for C; only the files of api*.c include it.
**
**   api.c           errors, supervisors, their verbs
**   api_service.c   functions on threads
**   api_stops.c     their stop callbacks
**   api_events.c    callbacks of a supervisor: serve, poll
**   api_options.c   options as text; api_values.c one value, api_accounts.c users and groups
*/
#ifndef SUP_API_INSIDE_H
#define SUP_API_INSIDE_H

#include "engine/handle.h"
#include "engine/thread.h"
#include "suptree.h"

struct sup_supervisor {
    struct sup_handle *handle;
    struct sup_settings settings; /* callbacks and data; `options` are NULL */
};

/* --- api.c ------------------------------------------------------------------------------------ */

/* Keep ${text} (NULL or "": what ${error} means) for sup_last_error. Returns ${error}. */
enum sup_error sup_api_fail(enum sup_error error, const char *text);
/* The same for a supervisor that is NULL. */
enum sup_error sup_api_fail_without(void);

/* --- api_service.c ---------------------------------------------------------------------------- */

/* The bytes of a service's `run`. */
struct sup_native {
    enum sup_result (*serve)(void *data, struct sup_context *context);
    void (*stop)(void *data);
    void *data;
};

extern const struct sup_thread_ops sup_native_threads;

/* --- api_events.c ----------------------------------------------------------------------------- */

/* Does a callback of ${supervisor} run on this thread? */
bool sup_api_is_calling(const struct sup_supervisor *supervisor);

/* --- api_stops.c ------------------------------------------------------------------------------ */

/* A stop callback of one run. It lives where the run lives: finish it before that ends. */
struct sup_stop_call {
    struct sup_stop_call *next;
    void (*stop)(void *data);
    void *data;
    bool was_put;
    enum { SUP_STOP_CALL_WAITS, SUP_STOP_CALL_RUNS, SUP_STOP_CALL_OVER } state;
};

/* Have it called, soon, on a thread of the library; once. From any thread; never blocks. Before
   finish, by some lock of the caller's. */
void sup_stop_call_put(struct sup_stop_call *call);
/* If it was put, it has been called when this returns: here, when nobody came to it yet. Nobody may
   put it any more. */
void sup_stop_call_finish(struct sup_stop_call *call);
/* Is this a thread that calls such callbacks? */
bool sup_stop_call_is_here(void);

#endif
