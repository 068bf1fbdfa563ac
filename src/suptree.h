/*
** suptree.h: suptree as a library for C: supervisors of processes and of functions on threads.
**
** A whole program:
**
**   static enum sup_result work(void *data, struct sup_context *context)
**   {
**       while (sup_context_sleep(context, 1)) do_some(data);
**       return SUP_RETURNED;
**   }
**
**   int main(void)
**   {
**       const char *options[] = {"failure_threshold", "5", "failure_backoff", "15s", NULL};
**       const char *argv[] = {"./web", NULL};
**       struct sup_supervisor *shop = sup_new("shop", &(struct sup_settings){.options = options});
**       uint64_t web = 0;
**       sup_add_process(shop, &(struct sup_process){.name = "web", .argv = argv}, &web);
**       sup_add(shop, &(struct sup_service){.name = "worker", .serve = work}, NULL);
**       if (sup_serve_background(shop, "boot") != SUP_SUCCESS) {
**           fprintf(stderr, "%s\n", sup_last_error());
**           return 1;
**       }
**       ...
**       sup_remove(shop, web);
**       sup_stop(shop, "shutdown", NULL, NULL);
**       sup_free(shop);
**   }
**
** Link with `pkg-config --cflags --libs suptree`, or in CMake with find_package(suptree) and
** suptree::suptree. The static library is -l:libsuptree.a, which needs libuv, -pthread, -ldl and
** -lm, or suptree::static.
**
** What a supervisor does. Its services run until it is stopped; one that ends is started again.
** Each failure counts 1, and the count halves every failure_decay (30 s). While it exceeds
** failure_threshold (5), the supervisor pauses: what fails waits for failure_backoff (15 s), then
** counting begins at 0. A service that is asked to stop has its timeout (10 s), then it is killed:
** a process by SIGKILL; a function cannot be killed, and is reported as stuck after kill_timeout
** (10 s). A tree is a supervisor with other supervisors in it.
**
** How it works. The tree runs on a thread of its own. Processes are children of suptree-keeper, a
** program that serve starts. It is found by $SUPTREE_KEEPER, beside the library or the program,
** where it was installed, or in PATH; suptree-log, which handles output, lies beside it. When this
** program goes away, even by SIGKILL, the keeper stops all processes, in order and within their
** timeouts ("infinity" is waited for), and ends. Neither is a child of this program: it may wait
** for any child of its own.
**
** Output. What services write comes to the standard output of this program, as `name | line`;
** their option "log" says otherwise.
**
** Options are written as text, as names and values in turn with NULL at the end, with the names and
** meanings of a configuration's (docs/options.md, `suptree help OPTION`):
**
**   a time         "500ms" "10s" "1h30m" "1.5" (seconds) "infinity"
**   a size         "64MiB" "10kB" "512"
**   yes or no      "true" "false"
**   a list         "db cache": names, or exit codes, with spaces between
**   a signal       "TERM" "SIGTERM" "15"
**   restart_delay  "2s", or "initial=1s max=60s factor=2 jitter=0.1 reset_after=60s", of which only
**                  initial must be there
**   ready          "manual" (sup_context_ready), "2s" after the launch, "/path/of/a/file", or what
**                  is looked at: "tcp 5432", "unix /run/x", "http http://127.0.0.1/", "log up$"
**   health         "every=10s timeout=2s failures=3 action=restart probe=tcp 5432", of which only
**                  the probe must be there, at the end
**   log            "none", "inherit", or "/path/of/a/file"
**   limits         "nofile=65536 stack=8MiB:unlimited": one for soft and hard, or both
**   cgroup         "memory_max=64MiB cpu_max=50% pids_max=100 required=true"
**   user, group    a name or a number
**
** Threads. Every function may be called from any thread, unless it says otherwise; but nobody may
** use a supervisor that another thread frees. Signals are left to the threads of the program, but
** for SIGURG: its handler is the library's while a tree serves, and wakes threads of services.
**
** Descriptors. The library has a few of its own and one for each service that runs, all
** close-on-exec. Where the limit (setrlimit, `ulimit -n`) leaves none, services run all the same,
** but functions that start then write nowhere, which is said on standard error. A program that
** closes what it does not know (as daemons do when they begin) has to do that before serve: else
** its services are stopped and it is aborted. Where 0, 1 or 2 are closed, they are opened to
** /dev/null.
**
** Fork. The child has none of the threads: in it, supervisors made before the fork answer
** SUP_ERR_REFUSED, and freeing them does nothing. It may make new ones.
**
** Errors. Functions return an enum sup_error; sup_last_error() says in words what the last failure
** on this thread was. What is NULL and must not be is SUP_ERR_INVALID.
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
    SUP_ERR_DUPLICATE_NAME,   /* sup_last_error() says whether the one that is there runs */
    SUP_ERR_CYCLE,            /* a supervisor cannot be added to itself or below itself */
    SUP_ERR_NOT_FOUND,
    SUP_ERR_TOO_MANY, /* max_children */
    SUP_ERR_INVALID,  /* an option, a name, or what is to be run cannot be used */
    SUP_ERR_REFUSED,  /* it cannot be done now: sup_last_error() says why */
    SUP_ERR_NO_MEMORY,
    SUP_ERR_GAVE_UP, /* the tree ended by itself, with another exit code than 0 */
};

/* What ${error} means; a constant. */
const char *sup_error_text(enum sup_error error);

/* What the last failure on this thread was, in words, with the name of the option or service; "":
   there was none. Valid until the next failure on this thread. */
const char *sup_last_error(void);

/* --- supervisors ------------------------------------------------------------------------------ */

/* An event. Texts are "" when there is nothing to say, and valid during the callback. */
struct sup_happening {
    uint64_t seq;     /* 1, 2, 3, ... */
    double time;      /* seconds since 1970 */
    const char *type; /* "launched", "failed", "backoff", "stopped", ...: docs/reference.md */
    const char *path; /* "web", "workers/mailer"; "." is the root */
    const char *kind; /* "process", "thread" or "supervisor" */
    const char *cause;
    const char *reason;      /* how a run ended: "exit code 3", "raised: out of luck" */
    const char *context;     /* of serve in `started`, of stop in all events from then on */
    uint32_t generation;     /* which run of the service: 1, 2, ... */
    double count, threshold; /* of the meter, in `failed` and `backoff` */
    bool restarting;         /* `failed`: it is started again at once */
};

struct sup_settings {
    const char *const *options; /* of the supervisor; NULL: none */
    /*
    ** Callbacks of a root; NULL: none. They run inside sup_serve and sup_poll only, on the thread
    ** that calls those, and may call everything but sup_free. ${log} gets a line for each failure,
    ** for both ends of a pause, and for each service that does not stop in time. At most 4,096
    ** events wait; beyond that the oldest are dropped, and the next line says how many.
    */
    void (*log)(void *data, const char *line);
    void (*on_event)(void *data, const struct sup_happening *event);
    void *data; /* for both */
};

/*
** A supervisor; ${settings} may be NULL. ${name}: letters, digits and _ . @ -, at most 128.
** Everything is copied but ${data}. NULL: it cannot be made, see sup_last_error(). Give it back
** with sup_free.
*/
struct sup_supervisor *sup_new(const char *name, const struct sup_settings *settings);
struct sup_supervisor *sup_new_simple(const char *name); /* all defaults */

/*
** Give it back. A root that serves is stopped first, and its end is waited for. One that was added
** to another lives on there: only the handle goes. NULL is harmless. Not inside a callback or a
** service.
*/
void sup_free(struct sup_supervisor *supervisor);

const char *sup_name(const struct sup_supervisor *supervisor); /* valid as long as it is */

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
    /* Runs until it is asked to stop. Its context is valid until it returns. A run that is asked to
       stop before it has begun is not begun: neither function is called. */
    enum sup_result (*serve)(void *data, struct sup_context *context);
    /*
    ** Called once for each run that is asked to stop, to make serve return: for one that waits in a
    ** call of its own, such as accept(). NULL: serve asks its context, or sleeps by it.
    **
    ** It runs on a thread of the library, beside serve; when serve returns before its turn comes,
    ** after serve on the service's own thread. The run has ended when both have returned, so
    ** ${data} may go when the service has. A call that blocks holds up the end of its own service
    ** alone: that counts as not stopping, and is reported as any other. It may call suptree as
    ** serve may.
    */
    void (*stop)(void *data);
    const char *name;
    void *data;                 /* for both; must live as long as the service */
    const char *const *options; /* "restart", "timeout", "after", ...; NULL: none */
};

struct sup_process {
    const char *name;
    const char *const *argv; /* NULL at the end; argv[0] is searched in PATH when it has no slash */
    const char *const *env;  /* "KEY=VALUE" over the inherited ones, NULL at the end; NULL: none */
    const char *cwd;         /* NULL: the folder that the program is in when it is added */
    const char *const *options; /* "restart", "timeout", "stop_signal", ...; NULL: none */
};

/*
** Before the supervisor serves it is recorded; while it serves it is launched at once. ${token}
** (NULL allowed) names the service in remove; 0 when it was not added. Everything but ${data} is
** copied. Waits for the tree to accept it, not for the launch.
*/
enum sup_error sup_add(struct sup_supervisor *supervisor, const struct sup_service *service,
                       uint64_t *token);
enum sup_error sup_add_process(struct sup_supervisor *supervisor, const struct sup_process *process,
                               uint64_t *token);
/* ${child} becomes a part of the tree, with what was added to it. Its handle goes on to work: add,
   remove, services; stop is a person's stop of that part. */
enum sup_error sup_add_supervisor(struct sup_supervisor *supervisor, struct sup_supervisor *child,
                                  uint64_t *token);

/* Stop a service and forget it, without waiting. One that was removed before is no error. */
enum sup_error sup_remove(struct sup_supervisor *supervisor, uint64_t token);
/* The same, and wait until it has ended, at most ${seconds}; 0: for ever. Inside a service it does
   not wait. */
enum sup_error sup_remove_and_wait(struct sup_supervisor *supervisor, uint64_t token,
                                   double seconds);

struct sup_service_status {
    char name[132];
    const char *kind;  /* "process", "thread" or "supervisor": constant */
    const char *state; /* constant: "stopped" "waiting" "starting" "running" "stopping" "delayed"
                          "queued" "done" "failed" "stuck"; a supervisor: "paused" too */
    int32_t pid;       /* 0: none */
    uint32_t generation;
    bool ready;
    uint64_t token;
};

/* A snapshot of the direct children in order, those that wait for a restart too: ${count} of them;
   free() it. NULL: there is no memory. */
struct sup_service_status *sup_services(struct sup_supervisor *supervisor, size_t *count);

/* --- serving ---------------------------------------------------------------------------------- */

/*
** Start the tree. Returns when every child was launched, or waits, or has failed. ${context} (NULL:
** none) stands in the `started` event. One that was stopped before it began: returns at once.
*/
enum sup_error sup_serve_background(struct sup_supervisor *supervisor, const char *context);

/* Start the tree and run callbacks on this thread until it has ended. */
enum sup_error sup_serve(struct sup_supervisor *supervisor);

/* Of a root: run the callbacks that wait, or the first that comes within ${seconds}. Returns for
   how many events. */
size_t sup_poll(struct sup_supervisor *supervisor, double seconds);

/* Of a root: readable while sup_poll has something to do, and for good once the tree has ended: for
   an event loop. Do not read, write or close it. */
int sup_fd(struct sup_supervisor *supervisor);

struct sup_unstopped_service {
    char path[512];
    const char *kind; /* constant */
    uint32_t generation;
    int32_t pid;   /* 0: none */
    char why[256]; /* what the system holds its processes for; "" when that is not known */
};

/*
** Stop the tree and wait for it. ${left} and ${count} (NULL allowed) get what could not be stopped:
** free() it; NULL and 0 when everything has. Stops at the same time, and later ones, get the same.
** ${context} (NULL: none) reaches every event and service from then on. Stopped is final.
**
** A supervisor that was added to another: a person's stop of that part, which stays down.
** Inside a service or a callback it is a request: it returns at once and there is no report.
*/
enum sup_error sup_stop(struct sup_supervisor *supervisor, const char *context,
                        struct sup_unstopped_service **left, size_t *count);

/* --- inside a service: on its own thread, until serve returns --------------------------------- */

bool sup_context_stopping(const struct sup_context *context); /* has it been asked to stop? */
/* False as soon as it is asked to stop; true when the time is over. */
bool sup_context_sleep(struct sup_context *context, double seconds);
/* The context that was given to stop, "" when none; cut to ${size} bytes. Returns ${buf}. */
char *sup_context_stop_context(struct sup_context *context, char *buf, size_t size);
void sup_context_ready(struct sup_context *context); /* with the options "ready", "manual" */
/* It is well, with the option "watchdog". Costs next to nothing. */
void sup_context_heartbeat(struct sup_context *context);
const char *sup_context_path(const struct sup_context *context); /* "workers/mailer" */
uint32_t sup_context_generation(const struct sup_context *context);
/* A line of output, cut at 4,094 bytes. Waits while nobody takes the output. */
__attribute__((format(printf, 2, 3))) void sup_context_log(struct sup_context *context,
                                                           const char *format, ...);
/* Why it fails: write `return sup_context_fail(context, "...")`. Returns SUP_FAILED. */
__attribute__((format(printf, 2, 3))) enum sup_result sup_context_fail(struct sup_context *context,
                                                                       const char *format, ...);

#ifdef __cplusplus
}
#endif

#endif
