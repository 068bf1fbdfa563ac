/*
** suptree.h: suptree as a library for C: supervisors of processes and of functions on threads.
**
**   struct sup_supervisor *shop = sup_new("shop", &(struct sup_settings){
**       .options = (const char *[]){"failure_threshold", "5", "failure_backoff", "15s", NULL}});
**   uint64_t web;
**   const char *argv[] = {"./web", NULL};
**   sup_add_process(shop, &(struct sup_process){.name = "web", .argv = argv}, &web);
**   sup_serve_background(shop, "boot");
**   ...
**   sup_remove(shop, web);
**   sup_stop(shop, "shutdown", NULL, NULL);
**   sup_free(shop);
**
** What a supervisor does about failures is told in the guide of suptree: a meter per supervisor
** that decays, a threshold, a pause (backoff), a restart type per service, a stop with a time
** limit.
**
** How it works: the tree runs on a thread of its own. Processes are children of suptree-keeper, a
** program that is started by serve; when this program goes away, even by SIGKILL, the keeper stops
** them all and ends. It is found by $SUPTREE_KEEPER, beside the library, or where it was installed.
**
** Threads: every function may be called from any thread, unless it says otherwise. Signals are left
** to the threads of the program, but for SIGURG, whose handler wakes service threads. After fork()
** the child must not call anything here; it should exec or _exit soon.
**
** Functions return an enum sup_error; sup_last_error() says more about the last one on this thread.
*/
#ifndef SUPTREE_H
#define SUPTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sup_supervisor;
struct sup_context;

enum sup_error {
    SUP_SUCCESS = 0,
    SUP_ERR_WRONG_SUPERVISOR, /* the token is of another supervisor; no service was removed */
    SUP_ERR_TIMEOUT,          /* the time given to wait is over; what was asked for stands */
    SUP_ERR_STOPPED,          /* the supervisor has stopped, and that is final */
    SUP_ERR_ALREADY_SERVING,  /* it was left alone */
    SUP_ERR_NOT_ROOT,         /* it was added to another one, which serves for it */
    SUP_ERR_DUPLICATE_NAME,
    SUP_ERR_CYCLE, /* a supervisor cannot be added to itself or below itself */
    SUP_ERR_NOT_FOUND,
    SUP_ERR_TOO_MANY, /* max_children */
    SUP_ERR_INVALID,  /* an option, a name, or what is to be run cannot be used */
    SUP_ERR_REFUSED,  /* it cannot be done now: sup_last_error() says why */
    SUP_ERR_NO_MEMORY,
    SUP_ERR_GAVE_UP, /* the tree ended by itself, with another exit code than 0 */
};

/* What ${error} means; a constant. */
const char *sup_error_text(enum sup_error error);

/* What the last failure on this thread was, in words; valid until the next call of this thread. */
const char *sup_last_error(void);

/* --- supervisors ------------------------------------------------------------------------------ */

/* An event. Texts are "" when there is nothing to say, and valid during the callback. */
struct sup_happening {
    uint64_t seq;     /* 1, 2, 3, ... */
    double time;      /* seconds since 1970 */
    const char *type; /* "launched", "failed", "backoff", "stopped", ... */
    const char *path; /* "web", "workers/mailer"; "." is the root */
    const char *kind; /* "process", "thread" or "supervisor" */
    const char *cause;
    const char *reason; /* how a run ended */
    const char *context;
    uint32_t generation;     /* which run of the service */
    double count, threshold; /* of the meter, where it is meant */
    bool restarting;
};

struct sup_settings {
    /* Names and values in turn, NULL at the end; NULL: none. As in a configuration, written as
       text: "failure_decay", "30s", "strategy", "one_for_all". Lists are separated by spaces. */
    const char *const *options;
    /* Callbacks of a root; NULL: none. They run inside sup_serve and sup_poll only, on the thread
       that calls those, and may call everything but sup_free. */
    void (*log)(void *data, const char *line); /* failures, backoff, and stops that take too long */
    void (*on_event)(void *data, const struct sup_happening *event);
    void *data;
};

/*
** A supervisor; ${settings} may be NULL. Everything is copied. NULL: it cannot be made, see
** sup_last_error(). Give it back with sup_free.
*/
struct sup_supervisor *sup_new(const char *name, const struct sup_settings *settings);
struct sup_supervisor *sup_new_simple(const char *name); /* all defaults */

/* Stops a root that serves, waits for that, and frees it. One that was added to another lives on
   there, and its handle is given back alone. NULL is harmless. Not inside a callback or a service.
   */
void sup_free(struct sup_supervisor *supervisor);

const char *sup_name(const struct sup_supervisor *supervisor);

/* --- services --------------------------------------------------------------------------------- */

/* What a service's `serve` returns. */
enum sup_result {
    SUP_RETURNED = 0, /* it ended well; a permanent one is started again, and counts as failed */
    SUP_FAILED = 1,   /* see sup_context_fail */
    SUP_SERVICE_DONE = 2,   /* leave the tree quietly */
    SUP_TERMINATE_TREE = 3, /* end the supervisor, and so on up to the root */
};

/* A function on a thread of its own, started again as its supervisor says. */
struct sup_service {
    enum sup_result (*serve)(void *data, struct sup_context *context);
    /* It is asked to stop: make serve return soon. Called once per run, on another thread; must be
       quick and must not call suptree. NULL: serve looks at the context. */
    void (*stop)(void *data);
    const char *name;
    void *data;
    const char *const *options; /* "restart", "timeout", "after", ... as in struct sup_settings */
};

struct sup_process {
    const char *name;
    const char *const *argv; /* NULL at the end; argv[0] is searched in PATH when it has no slash */
    const char *const *env;  /* "KEY=VALUE" over the inherited ones, NULL at the end; NULL: none */
    const char *cwd;         /* NULL: the folder that the program is in when it is added */
    const char *const *options; /* "restart", "timeout", "stop_signal", ... */
};

/*
** Before the supervisor serves it is recorded; while it serves it is launched at once. ${token}
** (NULL allowed) names the service in remove. Everything but ${data} is copied. Waits for the tree
** to accept it.
*/
enum sup_error sup_add(struct sup_supervisor *supervisor, const struct sup_service *service,
                       uint64_t *token);
enum sup_error sup_add_process(struct sup_supervisor *supervisor, const struct sup_process *process,
                               uint64_t *token);
/* ${child} becomes a part of the tree; its handle goes on to work. */
enum sup_error sup_add_supervisor(struct sup_supervisor *supervisor, struct sup_supervisor *child,
                                  uint64_t *token);

/* Stop a service and forget it, without waiting. One that was removed before is no error. */
enum sup_error sup_remove(struct sup_supervisor *supervisor, uint64_t token);
/* Wait until it has ended, at most ${seconds}; 0: for ever. Inside a service it does not wait. */
enum sup_error sup_remove_and_wait(struct sup_supervisor *supervisor, uint64_t token,
                                   double seconds);

struct sup_service_status {
    char name[132];
    const char *kind;  /* constant */
    const char *state; /* "running", "starting", "delayed", "queued", "stopped", ...: constant */
    int32_t pid;       /* 0: none */
    uint32_t generation;
    bool ready;
    uint64_t token;
};

/* The direct children in order, ${count} of them; free() it. NULL: there is no memory. */
struct sup_service_status *sup_services(struct sup_supervisor *supervisor, size_t *count);

/* --- serving ---------------------------------------------------------------------------------- */

/* Start the tree. Returns when every child was launched, or waits, or has failed. ${context} (NULL:
   none) stands in the `started` event. */
enum sup_error sup_serve_background(struct sup_supervisor *supervisor, const char *context);

/* Start the tree and run callbacks on this thread until it has ended. */
enum sup_error sup_serve(struct sup_supervisor *supervisor);

/* Run the callbacks that wait, or the first that comes within ${seconds}. Returns for how many
   events. */
size_t sup_poll(struct sup_supervisor *supervisor, double seconds);

/* Readable while sup_poll has something to do: for an event loop. Do not read or close it. */
int sup_fd(struct sup_supervisor *supervisor);

struct sup_unstopped_service {
    char path[512];
    const char *kind;
    uint32_t generation;
    int32_t pid; /* 0: none */
};

/*
** Stop the tree and wait for it. ${left} and ${count} (NULL allowed) get what could not be stopped:
** free() it; NULL and 0 when everything has. A supervisor that was added to another: a person's
** stop of that part. Inside a service or a callback it is a request: it returns at once and there
** is no report.
*/
enum sup_error sup_stop(struct sup_supervisor *supervisor, const char *context,
                        struct sup_unstopped_service **left, size_t *count);

/* --- inside a service: on its own thread, until serve returns --------------------------------- */

bool sup_context_stopping(const struct sup_context *context); /* has it been asked to stop? */
/* False as soon as it is asked to stop; true when the time is over. */
bool sup_context_sleep(struct sup_context *context, double seconds);
void sup_context_ready(struct sup_context *context); /* with the options "ready", "manual" */
const char *sup_context_path(const struct sup_context *context);
uint32_t sup_context_generation(const struct sup_context *context);
/* A line of output. */
__attribute__((format(printf, 2, 3))) void sup_context_log(struct sup_context *context,
                                                           const char *format, ...);
/* Why it fails: write `return sup_context_fail(context, "...")`. Returns SUP_FAILED. */
__attribute__((format(printf, 2, 3))) enum sup_result sup_context_fail(struct sup_context *context,
                                                                       const char *format, ...);

#ifdef __cplusplus
}
#endif

#endif
