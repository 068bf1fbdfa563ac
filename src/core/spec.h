/*
** core/spec.h: what a node is declared to be, as the core and the drivers read it.
**
** A spec is decoded from a blob (core/form.h). Its strings and lists point into the blob's memory,
** which lives as long as the spec's form; nothing here is freed by itself.
*/
#ifndef SUP_CORE_SPEC_H
#define SUP_CORE_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_INFINITY_NS INT64_MAX
#define SUP_SECOND_NS INT64_C(1000000000)

enum sup_kind { SUP_SUPERVISOR, SUP_PROCESS, SUP_THREAD, SUP_KIND_COUNT };
/* What a service is for: to run, or to do something and end. */
enum sup_role { SUP_ROLE_SERVICE, SUP_ROLE_ONESHOT, SUP_ROLE_TIMER };
enum sup_overlap { SUP_OVERLAP_SKIP, SUP_OVERLAP_QUEUE, SUP_OVERLAP_REPLACE };
enum sup_missed { SUP_MISSED_SKIP, SUP_MISSED_RUN };
enum sup_restart { SUP_PERMANENT, SUP_TRANSIENT, SUP_TEMPORARY };
enum sup_strategy { SUP_ONE_FOR_ONE, SUP_ONE_FOR_ALL, SUP_REST_FOR_ONE };
enum sup_on_threshold { SUP_ON_PAUSE, SUP_ON_ESCALATE, SUP_ON_GIVE_UP };
enum sup_stop_order { SUP_STOP_TOGETHER, SUP_STOP_REVERSE };
enum sup_auto_shutdown { SUP_SHUTDOWN_NEVER, SUP_SHUTDOWN_ANY, SUP_SHUTDOWN_ALL };
enum sup_on_stuck { SUP_STUCK_WAIT, SUP_STUCK_ABANDON };
enum sup_log_mode {
    SUP_LOG_MODE_VIEW,
    SUP_LOG_MODE_FILE,
    SUP_LOG_MODE_NONE,
    SUP_LOG_MODE_INHERIT,
    SUP_LOG_MODE_TO,
};
enum sup_kill_mode {
    SUP_KILL_MODE_AUTO,
    SUP_KILL_MODE_CGROUP,
    SUP_KILL_MODE_GROUP,
    SUP_KILL_MODE_PROCESS
};
enum sup_ready_kind {
    SUP_READY_AT_LAUNCH,
    SUP_READY_DELAY,
    SUP_READY_FILE,
    SUP_READY_MANUAL,
    SUP_READY_NOTIFY, /* sd_notify */
    SUP_READY_FD,     /* a line on a descriptor, as s6 */
    SUP_READY_TCP,
    SUP_READY_UNIX,
    SUP_READY_HTTP,
    SUP_READY_EXEC,
    SUP_READY_LOG,
    SUP_READY_KIND_COUNT
};

/* A list of strings: ${count} NUL-terminated strings, one after the other from ${first}. */
struct sup_strings {
    const char *first; /* NULL when empty */
    uint32_t count;
};

/* The string after ${text} in a struct sup_strings. */
const char *sup_strings_next(const char *text);

/* An opaque value that only a driver understands: a captured chunk, arguments. */
struct sup_bytes {
    const unsigned char *data;
    uint32_t size;
};

bool sup_strings_equal(const struct sup_strings *a, const struct sup_strings *b);

/*
** Read the next of ${commands}, checked ones, from ${at} on (0 at first). False: there is none.
** ${timeout_ns} 0: nothing was said.
*/
bool sup_commands_next(const struct sup_bytes *commands, uint32_t *at, struct sup_strings *argv,
                       int64_t *timeout_ns);

/* A set of exit codes 0..255, as a bit map. */
struct sup_codes {
    uint64_t bits[4];
};

/*
** The ${step}-th signal of the ladder ${stop}, and how long after the first one it is sent. False:
** there is none.
*/
bool sup_ladder_step(const struct sup_bytes *stop, uint32_t step, int32_t *signal,
                     int64_t *after_ns);

bool sup_codes_has(const struct sup_codes *codes, int code);

/* restart_delay: the n-th delay in a row is min(max, initial * factor^n), times 1 to 1 + jitter. */
struct sup_delay {
    int64_t initial_ns; /* 0: no delay */
    int64_t max_ns;
    double factor;
    double jitter;
    int64_t reset_after_ns; /* a run as long as this starts again at `initial` */
};

/* ready: when a launched service counts as ready. See core/ready.h. */
struct sup_ready {
    enum sup_ready_kind kind;
    int64_t delay_ns; /* SUP_READY_DELAY */
    /* SUP_READY_FILE, UNIX: the absolute path; TCP: an address; HTTP: an URL; LOG: a Lua pattern;
       else NULL */
    const char *text;
    uint32_t number;                  /* SUP_READY_FD: the descriptor, 3 to 255 */
    uint16_t status_low, status_high; /* SUP_READY_HTTP: answers that will do */
    int64_t timeout_ns;               /* of one look; SUP_READY_TCP, UNIX, HTTP, EXEC */
    int64_t every_ns;                 /* from look to look; 0: 50 ms at first, up to a second */
    struct sup_strings command;       /* SUP_READY_EXEC: argv */
};

enum sup_health_action { SUP_HEALTH_RESTART, SUP_HEALTH_EVENT };

#define SUP_HEALTH_FAILURES_MAX 1000

/* health: what is looked at, again and again, while it runs and is ready. */
struct sup_health {
    int64_t every_ns; /* 0: nothing is looked at */
    int64_t timeout_ns;
    int64_t start_after_ns;
    uint32_t failures; /* so many in a row are too many */
    enum sup_health_action action;
    struct sup_ready probe;    /* TCP, UNIX, HTTP, EXEC; AT_LAUNCH: a function */
    struct sup_bytes function; /* a captured chunk; size 0: a probe */
};

/* What stands before each line of a log file, and what the file is made of. */
enum sup_log_timestamps { SUP_TIMESTAMPS_NONE, SUP_TIMESTAMPS_ISO8601, SUP_TIMESTAMPS_TAI64N };
enum sup_log_form { SUP_LOG_RAW, SUP_LOG_JSON };

#define SUP_LOG_SIZE_MIN 4096
#define SUP_LOG_AGE_MIN_NS SUP_SECOND_NS
#define SUP_LOG_FILES_MAX 10000
#define SUP_LOG_FILES_DEFAULT 10
#define SUP_LOG_BUFFER_MIN 4096
#define SUP_LOG_BUFFER_MAX (16 << 20)

/* log: where the output of a process goes besides ring and view. */
struct sup_log {
    enum sup_log_mode mode;
    const char *file; /* absolute path; SUP_LOG_MODE_FILE */
    const char *to;   /* whose input it is: a sibling's name, or a path; SUP_LOG_MODE_TO */
    bool reads;       /* the input of this process is the output of others */
    enum sup_log_timestamps timestamps;
    enum sup_log_form form;
    uint64_t max_size;  /* of the file, then another is begun; 0: no limit */
    int64_t max_age_ns; /* of the file, then another is begun; 0: no limit */
    uint32_t max_files; /* old files that are kept */
    uint32_t buffer;    /* bytes for `logs`; 0: the usual 64 KiB */
};

#define SUP_REPLICAS_MAX 10000
#define SUP_NO_ID UINT32_MAX          /* of a user or group, umask: not said */
#define SUP_NO_INTEGER INT32_MIN      /* not said */
#define SUP_NO_LIMIT UINT64_MAX       /* "unlimited" */
#define SUP_COMMAND_HEAD 12           /* bytes before the words of one of `before` */
#define SUP_LADDER_BYTES 9            /* of one step in struct sup_spec::stop */
#define SUP_LIMIT_BYTES ((size_t) 20) /* of one limit in struct sup_spec::limits */

/* Who a process runs as. */
struct sup_user {
    uint32_t uid; /* SUP_NO_ID: as the keeper does */
    uint32_t gid;
    struct sup_bytes groups;         /* u32 each */
    const char *name, *home, *shell; /* "" when unknown */
};

#define SUP_AFTER_EXIT_NS (10 * SUP_SECOND_NS) /* what it has when nothing was said */

struct sup_spec {
    enum sup_kind kind;
    const char *name;  /* unique among siblings */
    const char *place; /* "supervise.lua:12", for messages; never compared */

    /* a supervisor's own */
    enum sup_strategy strategy;
    double failure_threshold;
    int64_t failure_decay_ns; /* half-life */
    int64_t failure_backoff_ns;
    bool backoff_jitter;
    bool extend_backoff;
    enum sup_on_threshold on_threshold;
    uint32_t max_pauses; /* 0: no bound */
    int64_t within_ns;
    uint32_t intensity; /* with has_intensity: the sliding window replaces the meter */
    bool has_intensity;
    int64_t period_ns;
    int64_t restart_spacing_ns;
    enum sup_stop_order stop_order;
    enum sup_auto_shutdown auto_shutdown;
    uint32_t max_children; /* 0: no bound */
    bool propagate_termination;
    struct sup_bytes replicated; /* the root's: what was declared, for scaling; see replicas.lua */
    uint32_t control_group;      /* the root's; SUP_NO_ID: nobody else may look */

    /* every node's */
    enum sup_restart restart;
    int64_t timeout_ns;      /* own or inherited */
    int64_t kill_timeout_ns; /* own or inherited */
    struct sup_delay restart_delay;
    struct sup_strings after;
    struct sup_strings restart_with;
    bool significant;
    bool enabled;
    const char *description;
    const char *formerly;
    struct sup_bytes on_event; /* a captured chunk; size 0: none */

    /* a service's */
    int64_t start_timeout_ns;
    struct sup_ready ready;
    enum sup_on_stuck on_stuck;
    int64_t watchdog_ns; /* it must be heard of this often; 0: it need not */
    struct sup_health health;
    /* which one of several of the same it is, from 1: its name is theirs with "@1"; 0: alone */
    uint32_t replica;
    /* by the options that stand there: `remain` makes a oneshot, `every` or `at` a timer */
    enum sup_role role;
    bool remain;      /* oneshot: done, it counts as ready from then on */
    int64_t every_ns; /* timer: from one time to the next; 0: `at` says when */
    const char *at;   /* timer: times of the calendar, see base/calendar.h; NULL: `every` */
    enum sup_overlap overlap;
    enum sup_missed missed;
    int64_t jitter_ns; /* each run comes up to so much later */

    /* a process's */
    struct sup_strings command; /* argv; a shell string is already { "/bin/sh", "-c", text } */
    const char *cwd;
    struct sup_strings env; /* KEY=VALUE; env_file first, then env, later wins */
    bool inherit_env;
    int32_t stop_signal;
    int32_t reload_signal; /* 0: it has none */
    struct sup_bytes stop; /* the ladder: u8 signal, i64 ns each; see sup_ladder_step */
    enum sup_kill_mode kill_mode;
    struct sup_log log;
    struct sup_bytes sockets; /* see core/socket.h */
    bool activation;          /* launched by a connection to one of them */
    struct sup_codes success_exit;
    struct sup_codes done_exit;
    struct sup_codes terminate_exit;
    struct sup_user user;
    uint32_t group;          /* SUP_NO_ID: the user's */
    struct sup_bytes groups; /* u32 each; data NULL: the user's */
    uint32_t umask;          /* SUP_NO_ID: the keeper's */
    int32_t nice;            /* SUP_NO_INTEGER: the keeper's, as are the next */
    int32_t oom_score;
    struct sup_bytes limits; /* u32 resource, u64 soft, u64 hard each */
    struct sup_bytes cgroup; /* u8 item, u64 value each: core/cgroup.h */
    bool no_new_privs;
    bool has_no_new_privs; /* it was said; else: with a user */

    struct sup_bytes before;     /* read by sup_commands_next */
    struct sup_bytes after_exit; /* the same, at most one */

    /* a thread's */
    struct sup_bytes run;
    struct sup_bytes args;
    uint64_t memory;
};

/* The time that `before` may take in all, and `after_exit`; 0: there is none. */
int64_t sup_spec_before_ns(const struct sup_spec *spec);
int64_t sup_spec_after_exit_ns(const struct sup_spec *spec);
/* The time that one command of ${spec}->before has for which ${timeout_ns} was said. */
int64_t sup_spec_one_before_ns(const struct sup_spec *spec, int64_t timeout_ns);

#endif
