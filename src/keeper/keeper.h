/*
** keeper/keeper.h: the state of suptree-keeper, and what its files do for each other.
**
** One process, one thread. It holds what was started and decides next to nothing: which host runs,
** and how to stop when there is none. Everything below lives in one mapping that is reserved at
** start and touched only as far as it is used; nothing is allocated later and nothing blocks.
** Zeroed memory is an empty table. Times are CLOCK_MONOTONIC in ns; INT64_MAX is never.
**
** Files: options, table (nodes, instances), plans, input, layout (argv, environment), service
** (SPAWN, SIGNAL), stage (before, after_exit), probe, limit (of time), reap, talk (to the host),
** listen (from the host), ears, births, host, logger, stop, signals, say, loop.
*/
#ifndef SUP_KEEPER_KEEPER_H
#define SUP_KEEPER_KEEPER_H

#include "base/list.h"
#include "keeper/spawn.h"
#include "wire/log.h"
#include "wire/plan.h"
#include "wire/wire.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SUP_KEEPER_NEVER INT64_MAX
#define SUP_KEEPER_MS INT64_C(1000000)
#define SUP_KEEPER_S INT64_C(1000000000)

/* Nodes that have left the tree keep a slot until their output is drained; instances that have
   ended keep one until they are acknowledged: so twice as many slots as may live. */
#define SUP_KEEPER_NODES (2 * SUP_WIRE_MAX_INSTANCES)
#define SUP_KEEPER_INSTANCES (2 * SUP_WIRE_MAX_INSTANCES)
#define SUP_KEEPER_PROBES 8192 /* that run at a time; beyond, they are refused */
#define SUP_KEEPER_SETS SUP_WIRE_MAX_INSTANCES
#define SUP_KEEPER_BUCKETS SUP_WIRE_MAX_INSTANCES
#define SUP_KEEPER_POINTERS 65536 /* of argv and env together; beyond: E2BIG */
#define SUP_KEEPER_KEY_BUCKETS 1024
#define SUP_KEEPER_EAR_TEXTS 3
#define SUP_KEEPER_LISTEN_PID "LISTEN_PID="
#define SUP_KEEPER_SOCKETS 16384 /* held at a time */
#define SUP_KEEPER_HOST_DEATHS 5
#define SUP_KEEPER_HOST_WORDS 32

/* --- options -------------------------------------------------------------------------------- */

/* What the command line says. Strings are argv's. */
struct sup_keeper_options {
    const char *host; /* program to run as `host`; NULL in library mode */
    const char *host_words[SUP_KEEPER_HOST_WORDS]; /* given to each host as they are */
    int host_word_count;
    const char *name;   /* of the tree */
    const char *events; /* file of the JSON events; NULL: none */
    const char *log;    /* program for the output; NULL: suptree-log beside this one */
    bool colour;
    bool no_colour; /* the default */
    bool quiet;
    bool library;
    bool detach;      /* library mode: be nobody's child */
    bool no_log;      /* output of services goes to /dev/null, that of the host to stderr */
    int socket;       /* library mode: the peer; -1 */
    int blob;         /* the config blob; -1: none yet */
    int control;      /* the listening control socket; -1: none */
    int control_lock; /* the lock of its name; -1: none */
    int64_t speed;    /* tests only: every delay of the keeper itself is divided by it */
    bool eager;       /* tests only: what died is started again without delay */
    const char *slow; /* tests only: file systems of this type may hang; "all": every one */
    const char
        *cgroup; /* tests only: a folder to take for that of our cgroup; NULL: the real one */
};

/*
** Read ${argv}. Returns 0, or -EINVAL with one line for a person in ${message}.
*/
int sup_keeper_options_read(struct sup_keeper_options *options, int argc, char **argv,
                            char *message, size_t size);

/* --- what is held --------------------------------------------------------------------------- */

/* A mapped plan set. */
struct sup_keeper_set {
    uint64_t serial; /* 0: free slot */
    int32_t number;  /* the host's, found again by PLAN only while `current` */
    bool current;    /* no later PLANS had the same number */
    int error;       /* errno why it cannot be used; then nothing is mapped */
    const void *bytes;
    size_t size;
    uint32_t users;              /* nodes whose plan lies in it */
    struct sup_keeper_set *next; /* in its bucket, or in the free list */
};

enum sup_keeper_node_state {
    SUP_NODE_FREE = 0,
    SUP_NODE_KNOWN,    /* in the tree */
    SUP_NODE_LEAVING,  /* UNPLAN came, an instance still lives */
    SUP_NODE_DRAINING, /* only its output is left */
};

/* What suptree-log has to be told about a node, in this order. */
enum sup_keeper_log_news {
    SUP_NEWS_SOURCE = 1,   /* pipe and settings */
    SUP_NEWS_SETTINGS = 2, /* settings alone */
    SUP_NEWS_ENDED = 4,
    SUP_NEWS_GONE = 8,
};

/* A folder of a cgroup, in sup_keeper_cgroup::folder. */
struct sup_keeper_folder {
    uint64_t number; /* 0: none */
    int dir, events; /* it, and its file of that name, while descriptors are plenty; 0: not open */
    uint32_t limits; /* bits of enum sup_plan_cgroup_item: written */
};

struct sup_keeper_node {
    uint64_t token;
    uint8_t state;              /* enum sup_keeper_node_state */
    uint8_t news;               /* enum sup_keeper_log_news bits */
    bool wants_output;          /* OUTPUT came and was not answered */
    uint32_t mode;              /* enum sup_plan_log or SUP_LOG_EVENTS */
    uint32_t instances;         /* that live */
    uint32_t ended_generation;  /* of the last one that ended; 0: none has */
    uint32_t ended_left;        /* how much was in its pipe then, and 1; 0: unknown */
    uint32_t before_version;    /* counts how often `before` has become another */
    int log_read;               /* 0: no pipe */
    int log_write;              /* 0: no pipe */
    int input_read;             /* what others say to it; 0: no pipe */
    int input_write;            /* 0: no pipe, or ended for the present reader */
    int plan_error;             /* errno: why there is no plan */
    struct sup_keeper_set *set; /* where the plan lies; NULL: special node or no plan */
    const struct sup_plan *plan;
    struct sup_keeper_folder spare;          /* an empty one, for its next instance */
    struct sup_keeper_instance *newest;      /* the last that was started, while it lives */
    const char *name;                        /* shown before its lines; in `set`, or static */
    const char *file;                        /* "" without */
    const struct sup_log_settings *settings; /* in `set`; NULL: the usual ones */
    struct sup_list log_link;    /* in sup_keeper::log_queue or, when draining, ::draining */
    struct sup_list output_link; /* in sup_keeper::output_queue */
    struct sup_keeper_node *next_free;
};

enum sup_keeper_instance_state {
    SUP_INSTANCE_FREE = 0,
    SUP_INSTANCE_LIVE,
    SUP_INSTANCE_ENDED,  /* reaped; kept until ACK */
    SUP_INSTANCE_FAILED, /* never came to be; kept until ACK */
};

/* Messages about an instance that are still to be said. */
enum sup_keeper_tell {
    SUP_TELL_SPAWNED = 1,
    SUP_TELL_END = 2, /* EXIT or SPAWN_FAILED */
    SUP_TELL_STARTING = 4,
    SUP_TELL_ENDING = 8,
    SUP_TELL_LIMITS = 16,
    SUP_TELL_NOTIFY = 32,   /* EAR with the socket */
    SUP_TELL_READY_FD = 64, /* EAR with the pipe */
    SUP_TELL_MAIN = 128,
};

/* What the process of a live instance is: one at a time, and an instance only ever goes on. */
enum sup_keeper_stage {
    SUP_STAGE_MAIN = 0,
    SUP_STAGE_BEFORE, /* a command of `before`; then the next, or MAIN */
    SUP_STAGE_AFTER,  /* the command of `after_exit`: the main process has ended */
};

/* Why a command was killed. */
enum sup_keeper_cut { SUP_CUT_NOT = 0, SUP_CUT_TIME, SUP_CUT_STOP };

/* The time that a command has; then it is killed. */
struct sup_keeper_limit {
    struct sup_list link; /* in sup_keeper::limits, while it runs */
    int64_t at_ns;
    bool is_probe; /* it is that of a struct sup_keeper_probe; else of an instance */
};

/* How far a stop without host has come with an instance. */
enum sup_keeper_stop_step {
    SUP_STOP_NOT_YET = 0,
    SUP_STOP_ASKED, /* the stop signal was sent */
    SUP_STOP_KILLED,
    SUP_STOP_GIVEN_UP, /* even SIGKILL did not end it */
};

struct sup_keeper_instance {
    uint64_t instance;            /* 0: free slot */
    uint64_t token;               /* of its node */
    struct sup_keeper_node *node; /* NULL once the instance has ended */
    uint32_t generation;
    uint8_t state;     /* enum sup_keeper_instance_state */
    uint8_t hello;     /* enum sup_keeper_tell bits to say between HELLO and HELLO_END */
    uint8_t tell;      /* the same, to say after HELLO_END */
    bool forgotten;    /* ACK came before it was all said */
    uint8_t stage;     /* enum sup_keeper_stage */
    uint8_t cut;       /* enum sup_keeper_cut of the stage's command */
    uint8_t command;   /* SUP_STAGE_BEFORE: its number */
    uint8_t stop_step; /* enum sup_keeper_stop_step */
    pid_t pid;
    int pidfd;               /* 0: none */
    int report;              /* of a start that may hang, while it is under way; 0: none */
    int notify;              /* where its datagrams arrive; 0: it has no such socket */
    int ready_read;          /* the end of the pipe by which it gets ready; 0: none */
    pid_t heir;              /* it goes on in that process when its own ends; 0: it does not */
    int heir_pidfd;          /* 0: none */
    int64_t patience_ns;     /* so long it is waited for what its process has said; 0: not yet */
    uint8_t looks;           /* rounds of the loop since all of that was heard */
    bool inherited;          /* it has done so: its process need not lead a group */
    int failed_step;         /* such a start has failed, its process has not ended yet; 0: no */
    int status;              /* wait status; or the step of the failed start */
    int error;               /* errno of the failed start */
    pid_t main_pid;          /* 0: it has not been made */
    int after;               /* enum sup_wire_exit */
    uint64_t before;         /* of a failed start: enum sup_wire_before */
    uint32_t before_version; /* of the node, when it began with `before` */
    uint32_t probes[2];      /* slot + 1, READY and HEALTH; 0: none runs */
    struct sup_keeper_limit limit; /* of the stage's command */
    int64_t spawned_ns;
    int64_t ended_ns;
    struct sup_keeper_folder folder;      /* that it lives in */
    bool cgroup_is_spent;                 /* something in it was killed */
    uint8_t limits_why;                   /* enum sup_limits_why of the first that does not hold */
    int16_t limits_error;                 /* errno of that */
    uint32_t limits_off;                  /* ... wanted, but they do not hold */
    uint64_t memory;                      /* EXIT's more */
    int64_t cpu_ns;                       /* user and system time */
    int64_t stop_ns;                      /* stop without host: when the next step is due */
    struct sup_list tell_link;            /* in sup_keeper::tell_queue */
    struct sup_keeper_instance *next;     /* in its bucket, or in the free list */
    struct sup_keeper_instance *next_pid; /* in its bucket by pid, while it lives */
};

/* A command that looks whether a service is ready, or well. */
struct sup_keeper_probe {
    uint64_t instance; /* 0: free slot */
    uint64_t token;
    uint32_t generation;
    uint8_t kind;   /* enum sup_plan_command_kind */
    bool has_ended; /* RAN is to be said */
    bool unheard;   /* its instance has ended: nobody is told */
    uint8_t cut;    /* enum sup_keeper_cut */
    pid_t pid;      /* 0: none */
    int pidfd;      /* 0: none */
    int result;     /* enum sup_wire_ran */
    int value;      /* b of RAN */
    struct sup_keeper_limit limit;
    struct sup_list tell_link; /* in sup_keeper::probe_queue */
    struct sup_keeper_probe *next_free;
};

/* A listening socket that is held for services. */
struct sup_keeper_socket {
    uint64_t id; /* the host's; 0: free slot */
    int fd;
    bool owed;              /* to the host that is being greeted */
    uint64_t device, inode; /* of its file; inode 0: it has none */
};

/* --- the processes beside the services ------------------------------------------------------ */

/* When to start a process again: the delay grows until one has lived well. */
struct sup_keeper_patience {
    int64_t started_ns; /* of the one that runs or ran */
    int64_t start_ns;   /* when to start the next; NEVER: one runs, or none is wanted */
    unsigned step;      /* in the row of delays */
};

struct sup_keeper_host {
    pid_t pid;  /* 0: none (always, in library mode) */
    int pidfd;  /* 0: none. Library mode: of the peer, if it could be had */
    int socket; /* -1: none */
    struct sup_keeper_patience patience;
    int64_t deaths_ns[SUP_KEEPER_HOST_DEATHS]; /* the last ones, a ring */
    unsigned deaths;                           /* in all */
    int32_t started;                           /* in all */
    int32_t status;                            /* wait status of the former one */
    bool safe_mode;
    int64_t word_ns;  /* when it was last heard */
    int64_t kill_ns;  /* SIGKILL then: it hangs, or has left without ending */
    bool aborted;     /* SIGABRT was sent */
    bool spoke;       /* it has said something */
    unsigned mute;    /* ended with a telling code without having spoken, so many times running */
    bool at_end;      /* everything it will ever say has been read */
    bool deaf;        /* nothing more can be said to it */
    bool blocked;     /* the socket is full: waiting to be writable */
    int64_t retry_ns; /* a descriptor cannot travel just now; try again then */
    uint32_t watched; /* epoll events asked for; 0: not watched */
    bool said_bye;
    int32_t bye_code;

    /* HELLO, in progress. */
    bool greeting;
    unsigned greeting_step;   /* HELLO, then the descriptors in order of their kind */
    uint32_t greeting_socket; /* then the socket slots */
    uint32_t greeting_cursor; /* then the instance slots */
    uint32_t greeting_count;  /* messages between HELLO and HELLO_END */
    bool owes_stop;           /* the stop is to be said */
    bool owes_reload;
};

struct sup_keeper_logger {
    pid_t pid;  /* 0: none */
    int pidfd;  /* 0: none */
    int socket; /* -1: none */
    struct sup_keeper_patience patience;
    bool blocked;
    uint32_t watched;
    bool quit_said;
    int64_t complained_ns; /* last complaint about a failed start */
};

/* What the keeper is about. It only ever goes down this list. */
enum sup_keeper_phase {
    SUP_PHASE_HOLD = 0, /* hold, spawn, start hosts */
    SUP_PHASE_STOP,     /* no host any more: stop everything in stored order */
    SUP_PHASE_KILL,     /* kill what is left and wait until it is reaped */
    SUP_PHASE_QUIT,     /* suptree-log writes out what is there */
    SUP_PHASE_DONE,
};

#define SUP_KEEPER_DYING 8192

/* What our cgroup hands on to those of the services. */
enum sup_keeper_controller {
    SUP_CONTROLLER_CPU,
    SUP_CONTROLLER_IO,
    SUP_CONTROLLER_MEMORY,
    SUP_CONTROLLER_PIDS,
    SUP_CONTROLLERS
};

struct sup_keeper_controller_state {
    bool tried;
    bool above;  /* we have switched it on in our own cgroup too */
    uint8_t why; /* enum sup_limits_why: it is not there */
    int error;
};

/* Where the cgroups of the services are. */
struct sup_keeper_cgroup {
    int own;      /* the folder of the cgroup that the keeper was started in; < 0: none */
    int folder;   /* ours in it; -1: there are none */
    int error;    /* errno: why not */
    bool said;    /* a person knows */
    bool is_fake; /* a test's: nothing is started in it */
    bool moved;   /* we have moved ourselves into a folder of its own */
    struct sup_keeper_controller_state controllers[SUP_CONTROLLERS];
    int least_scarce; /* descriptors from this number on are not kept open */
    uint64_t serial;  /* of the last folder */
    /* folders that could not be removed yet: a ring */
    uint64_t dying[SUP_KEEPER_DYING];
    uint32_t dying_first, dying_count;
    uint32_t dying_due; /* so many of them are to be tried */
};

#define SUP_KEEPER_KILLED 64

/* What the kernel's log says of processes that it has killed for lack of memory. */
struct sup_keeper_oom {
    int log;                         /* < 0: it is not for us */
    pid_t killed[SUP_KEEPER_KILLED]; /* the last ones that nobody has asked for; 0: free */
    size_t count;
};

struct sup_keeper {
    struct sup_keeper_options options;
    const struct sup_sys *sys;
    struct sup_spawner spawner;
    struct sup_mounts mounts;
    char **env;            /* the keeper's own: hosts get it */
    char beside[PATH_MAX]; /* the folder of this program, ending in '/' */
    int epoll;
    int signals;              /* signalfd */
    int fds[SUP_FD_COUNT];    /* by enum sup_wire_fd, to hand to hosts; -1: none */
    int rings;                /* as suptree-log gets it: writable; -1: none */
    int staging[2];           /* a pipe of suptree-log's that outlives it; -1: none */
    struct sup_birth *births; /* by slot of `instances`; shared with hosts */

    enum sup_keeper_phase phase;
    int code;            /* exit code */
    int64_t phase_ns;    /* deadline of the phase */
    int64_t children_ns; /* when to look for ended children that no pidfd tells of */
    uint32_t unwatched;  /* live instances without a pidfd */
    int stop_signal;     /* TERM or INT; 0: not asked to stop */
    int stop_count;
    uint32_t stop_rank; /* SUP_PHASE_STOP: the rank that is being stopped */
    uint32_t stop_left; /* ... and how many of it live */
    int64_t stop_ns;    /* ... and when the first of them is killed */

    struct sup_keeper_cgroup cgroup;
    struct sup_keeper_oom oom;
    int64_t sweep_ns; /* when to look for what services have left behind */
    struct sup_keeper_host host;
    struct sup_keeper_logger logger;
    uint64_t handled_seq; /* greatest of SPAWN and SIGNAL */

    struct sup_list tell_queue;   /* of sup_keeper_instance::tell_link */
    struct sup_list output_queue; /* of sup_keeper_node::output_link */
    struct sup_list log_queue;    /* of sup_keeper_node::log_link */
    struct sup_list draining;     /* of sup_keeper_node::log_link */
    struct sup_list probe_queue;  /* of sup_keeper_probe::tell_link */
    struct sup_list limits;       /* of sup_keeper_limit::link */
    int64_t limit_ns;             /* no limit is over before */
    int64_t drain_ns;             /* when to look at `draining` again */
    int64_t drain_pause_ns;

    struct sup_keeper_node host_output; /* special nodes: they have no plan */
    struct sup_keeper_node events;

    uint32_t live;          /* instances */
    uint32_t instance_high; /* slots ever used */
    uint32_t node_high;
    uint32_t set_high;
    uint32_t socket_high;
    uint64_t set_serial;
    struct sup_keeper_set *newest_set;
    struct sup_keeper_instance *free_instances;
    struct sup_keeper_node *free_nodes;
    struct sup_keeper_set *free_sets;
    uint32_t probe_high;
    struct sup_keeper_probe *free_probes;

    /* The reserved part. */
    struct sup_keeper_node *node_at[SUP_WIRE_MAX_INSTANCES]; /* by index, while KNOWN */
    struct sup_keeper_instance *by_instance[SUP_KEEPER_BUCKETS];
    struct sup_keeper_instance *by_pid[SUP_KEEPER_BUCKETS];
    struct sup_keeper_set *by_number[SUP_KEEPER_BUCKETS];
    struct sup_keeper_instance instances[SUP_KEEPER_INSTANCES];
    struct sup_keeper_node nodes[SUP_KEEPER_NODES];
    struct sup_keeper_set sets[SUP_KEEPER_SETS];
    struct sup_keeper_socket sockets[SUP_KEEPER_SOCKETS];
    struct sup_keeper_probe probes[SUP_KEEPER_PROBES];
    char *pointers[SUP_KEEPER_POINTERS];    /* argv and env of the child being made */
    uint32_t key_next[SUP_KEEPER_POINTERS]; /* chains of environment entries by key */
    uint32_t key_bucket[SUP_KEEPER_KEY_BUCKETS];
    char generation_text[32]; /* SUPTREE_GENERATION=N */
    char result_text[2][48];  /* for `after_exit`: SUPTREE_RESULT and what belongs to it */
    /* NOTIFY_SOCKET=@NAME, WATCHDOG_USEC=N, WATCHDOG_PID= (the rest is the child's to write); "" */
    char ear_texts[SUP_KEEPER_EAR_TEXTS][128];
    char listen_text[32];               /* LISTEN_PID=, the rest is the child's to write */
    struct sup_spawn_identity identity; /* of what is being started */
    char oom_score_text[16];
};

/* --- loop.c --------------------------------------------------------------------------------- */

/*
** Reserve a keeper and make it ready: descriptors, signals, tables. The options' strings must
** outlive it. NULL with ${error} (-errno) and ${what} failed.
*/
struct sup_keeper *sup_keeper_create(const struct sup_keeper_options *options,
                                     const struct sup_sys *sys, char **env, int *error,
                                     const char **what);

/* Run until everything has ended. Returns the exit code. */
int sup_keeper_run(struct sup_keeper *keeper);

int64_t sup_keeper_now(void);

/* What an epoll event is about; `slot` and `check` name an instance or a probe. */
enum sup_keeper_watch {
    SUP_WATCH_SIGNALS = 1,
    SUP_WATCH_HOST_SOCKET,
    SUP_WATCH_HOST,
    SUP_WATCH_LOGGER_SOCKET,
    SUP_WATCH_LOGGER,
    SUP_WATCH_INSTANCE,
    SUP_WATCH_REPORT, /* of the start of an instance */
    SUP_WATCH_PROBE,
};

/*
** Watch the pidfd ${pidfd} of a child for its end. Returns it; 0: there is none (< 0 was given), or
** it could not be watched and was closed: then SIGCHLD has to tell.
*/
int sup_keeper_watch_child(struct sup_keeper *keeper, int pidfd, enum sup_keeper_watch watch,
                           uint32_t slot, uint32_t check);
/* Watch ${fd} for ${events} (0: not any more); ${had} is what it was watched for. 0 or -errno. */
int sup_keeper_watch(struct sup_keeper *keeper, int fd, enum sup_keeper_watch watch, uint32_t slot,
                     uint32_t check, uint32_t events, uint32_t had);

/* --- cgroup.c ------------------------------------------------------------------------------- */

/* Make the tree's folder if that can be done; otherwise keeper::cgroup says why not. */
void sup_keeper_cgroup_init(struct sup_keeper *keeper);
/* Kill what is left, remove the folders. */
void sup_keeper_cgroup_finish(struct sup_keeper *keeper);
/* Is all that ${node} has made to be killed with it? NULL: no. */
bool sup_keeper_cgroup_kills(const struct sup_keeper_node *node);
/* Open ${file} in ${folder}. Returns a descriptor or -errno. */
int sup_keeper_cgroup_file(const struct sup_keeper *keeper, uint64_t folder, const char *file,
                           int flags);
/* The folder of ${instance} of ${node}, made when needed, with its limits: a descriptor that stays
   ours, see sup_keeper_cgroup_close; -1: none. */
int sup_keeper_cgroup_open(struct sup_keeper *keeper, struct sup_keeper_node *node,
                           struct sup_keeper_instance *instance);
/* The folder that ${instance} lives in: the same; -1: none. */
int sup_keeper_cgroup_join(struct sup_keeper *keeper, struct sup_keeper_instance *instance);
/* What open and join have given is not needed just now. */
void sup_keeper_cgroup_close(const struct sup_keeper_instance *instance, int fd);
/* A child could not be made inside a cgroup: there are none from now on. */
void sup_keeper_cgroup_refused(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                               int error);
/* Kill all that is in the cgroup of ${instance}; false: it has none. */
bool sup_keeper_cgroup_kill(struct sup_keeper *keeper, struct sup_keeper_instance *instance);
/* ${instance} has ended, or never came to be: what lives on there is killed if it is to be, the
   folder is kept for the next, or goes. */
void sup_keeper_cgroup_leave(struct sup_keeper *keeper, struct sup_keeper_node *node,
                             struct sup_keeper_instance *instance);
/* Nothing will be started any more: remove what is empty, while others are busy. */
void sup_keeper_cgroup_clear(struct sup_keeper *keeper);
/* What can wait until there is nothing else to do: is there any? Do some of it. */
bool sup_keeper_cgroup_has_work(const struct sup_keeper *keeper);
void sup_keeper_cgroup_work(struct sup_keeper *keeper);
/* ${node} has left the tree. */
void sup_keeper_cgroup_forget(struct sup_keeper *keeper, struct sup_keeper_node *node);

/* --- limits.c: the limits of cgroups ---------------------------------------------------------- */

#define SUP_KEEPER_LEAF "suptree" /* the folder for ourselves, where we cannot stay above */

/* Write the limits of ${node}'s plan into the folder of ${instance}, before anything is in it. What
   does not hold is noted in the instance. */
void sup_keeper_limits_set(struct sup_keeper *keeper, const struct sup_keeper_node *node,
                           struct sup_keeper_instance *instance);
/* The start of ${instance} is about to go on without a folder. */
void sup_keeper_limits_none(const struct sup_keeper *keeper, const struct sup_keeper_node *node,
                            struct sup_keeper_instance *instance);
/* May it start? Otherwise errno of what is missing. */
int sup_keeper_limits_allow(const struct sup_keeper_node *node,
                            const struct sup_keeper_instance *instance);
/* ${node} has a new plan with other limits: its instance gets them. */
void sup_keeper_limits_changed(struct sup_keeper *keeper, struct sup_keeper_node *node);
/* ${instance} has ended by ${status}: what its cgroup, or the kernel, says of memory. ${peak}: the
   most that a process of it has had, in KiB. */
void sup_keeper_limits_ended(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                             int status, long peak);
/* Nobody is left but us: leave the folder for ourselves, undo what was switched on. */
void sup_keeper_limits_finish(struct sup_keeper *keeper);

/* --- oom.c ---------------------------------------------------------------------------------- */

void sup_keeper_oom_init(struct sup_keeper *keeper);
/* Has the kernel killed ${pid}, which was ended by SIGKILL, for lack of memory? */
bool sup_keeper_oom_has_killed(struct sup_keeper *keeper, pid_t pid);

/* --- sweep.c: what services leave behind where there are no cgroups --------------------------- */

/* An instance has ended: look for what it has left, soon. */
void sup_keeper_sweep_soon(struct sup_keeper *keeper);
void sup_keeper_sweep_tick(struct sup_keeper *keeper, int64_t now_ns);
/* The keeper is about to end: look once more if there is reason to. */
void sup_keeper_sweep_finish(struct sup_keeper *keeper);

/* --- table.c: nodes and instances ----------------------------------------------------------- */

/* NULL: unknown. A node is found by its token only while it is in the tree. */
struct sup_keeper_node *sup_keeper_node_find(struct sup_keeper *keeper, uint64_t token);
struct sup_keeper_instance *sup_keeper_instance_find(struct sup_keeper *keeper, uint64_t instance);
struct sup_keeper_instance *sup_keeper_instance_of_pid(struct sup_keeper *keeper, pid_t pid);

/* A KNOWN node without plan or pipe. An older one of the same index leaves. NULL: no room. */
struct sup_keeper_node *sup_keeper_node_add(struct sup_keeper *keeper, uint64_t token);
/* Give the slot back; pipe and plan must be gone. */
void sup_keeper_node_free(struct sup_keeper *keeper, struct sup_keeper_node *node);

/* A slot that is in the table by its number. NULL: no room. */
struct sup_keeper_instance *sup_keeper_instance_add(struct sup_keeper *keeper, uint64_t instance);
void sup_keeper_instance_free(struct sup_keeper *keeper, struct sup_keeper_instance *instance);

/* Enter a live instance by its pid, and take it out. */
void sup_keeper_pid_add(struct sup_keeper *keeper, struct sup_keeper_instance *instance);
void sup_keeper_pid_remove(struct sup_keeper *keeper, struct sup_keeper_instance *instance);

/* --- plans.c -------------------------------------------------------------------------------- */

/* PLANS: map the set in ${fd} (the caller closes it; < 0: it was lost). A bad one is kept as
   bad. */
void sup_keeper_plans(struct sup_keeper *keeper, int32_t number, int fd);
/* PLAN and UNPLAN. */
void sup_keeper_plan(struct sup_keeper *keeper, uint64_t token, int32_t number, uint64_t offset);
void sup_keeper_unplan(struct sup_keeper *keeper, uint64_t token);
/* Let go of the node's plan; its set may be unmapped. */
void sup_keeper_drop_plan(struct sup_keeper *keeper, struct sup_keeper_node *node);
/* The node left the tree: close or drain its pipe once no instance lives. */
void sup_keeper_node_leave(struct sup_keeper *keeper, struct sup_keeper_node *node);
/* Nothing of a DRAINING node is left: free it. */
void sup_keeper_node_drained(struct sup_keeper *keeper, struct sup_keeper_node *node);
/* Make the log pipe if the node's mode wants one. 0 or -errno. */
int sup_keeper_make_pipe(struct sup_keeper *keeper, struct sup_keeper_node *node);
/* OUTPUT: the descriptor that a writer of this node's output gets; stays the keeper's. */
int sup_keeper_output_of(struct sup_keeper *keeper, const struct sup_keeper_node *node);

/* --- input.c: processes that read the output of others --------------------------------------- */

/* Make the pipe of ${node}'s input, as far as it is not there. 0 or -errno. */
int sup_keeper_make_input(struct sup_keeper *keeper, struct sup_keeper_node *node);
void sup_keeper_drop_input(struct sup_keeper_node *node);
/* Where a process writes whose output is the input of ${token}; stays the keeper's. Or -errno:
   -ENOENT (no such node), -ENOTCONN (it reads no input). */
int sup_keeper_input_of(struct sup_keeper *keeper, uint64_t token);
/* Ask ${instance} to stop, by ${signal} or by the end of its input (SUP_TARGET_STOP). */
void sup_keeper_ask(struct sup_keeper *keeper, struct sup_keeper_instance *instance, int signal);
/* Say what nobody has read. */
void sup_keeper_tell_unread(struct sup_keeper *keeper);

/* --- ears.c: where processes say how they are ------------------------------------------------ */

/* What a process gets, to be heard by. */
struct sup_keeper_mouth {
    int line;       /* to be closed when it has it; -1: none */
    int line_at;    /* its number there */
    char *pid_text; /* for its pid; NULL: none is asked for */
};

/* Make what the plan of ${node} wants for ${instance}, and the environment that goes with it into
   keeper::ear_texts. 0, or -errno: nothing is left behind. */
int sup_keeper_make_ears(struct sup_keeper *keeper, const struct sup_keeper_node *node,
                         struct sup_keeper_instance *instance, struct sup_keeper_mouth *mouth);
void sup_keeper_give_mouth(const struct sup_keeper_mouth *mouth, struct sup_spawn_order *order);
/* What the host has to be told of them (enum sup_keeper_tell bits). */
uint8_t sup_keeper_ears_owed(const struct sup_keeper_instance *instance);
void sup_keeper_close_ears(struct sup_keeper_instance *instance);
/* --- sockets.c ------------------------------------------------------------------------------ */

/* SOCKET: hold what is in ${fd} (< 0: it was lost), which is taken out when it is. */
void sup_keeper_socket_hold(struct sup_keeper *keeper, const struct sup_wire *message, int *fd);
/* UNSOCKET: close it, remove its file. */
void sup_keeper_socket_drop(struct sup_keeper *keeper, uint64_t id);
/* All of them: nobody is left to serve. */
void sup_keeper_sockets_finish(struct sup_keeper *keeper);
/* Put the sockets of ${plan}, which lies in ${set}, into ${fds} and -1 after them. 0, or -EMFILE:
   one is not held. */
int sup_keeper_sockets_of(struct sup_keeper *keeper, const struct sup_plan *plan, const void *set,
                          int *fds, size_t room);

/* --- heir.c: services that go on in another process ------------------------------------------- */

/* MAIN: the instance ${number} goes on in the process ${pid} when its own ends. */
void sup_keeper_heir(struct sup_keeper *keeper, uint64_t number, pid_t pid);
/* The process of ${instance} has ended: is it to be left unreaped for a moment, because it may have
   said that it goes on in another one? To be asked again soon. */
bool sup_keeper_may_have_heir(struct sup_keeper *keeper, struct sup_keeper_instance *instance);
void sup_keeper_disinherit(struct sup_keeper_instance *instance);
/* The process of ${instance} has ended and is not reaped. Does it go on in another one? Then that
   is its process by now, and the former is reaped. */
bool sup_keeper_succeed(struct sup_keeper *keeper, struct sup_keeper_instance *instance);
/* The process group of ${instance}, for kill; its process must not be reaped yet. */
pid_t sup_keeper_group_of(const struct sup_keeper_instance *instance);

/* --- service.c ------------------------------------------------------------------------------ */

/* SPAWN and SIGNAL, repeats included. */
void sup_keeper_spawn(struct sup_keeper *keeper, const struct sup_wire *message);
/* There is news of the start of ${instance}, which is live and was not waited for. */
void sup_keeper_hear_start(struct sup_keeper *keeper, struct sup_keeper_instance *instance);
void sup_keeper_signal(struct sup_keeper *keeper, const struct sup_wire *message);
/* Watch the process of ${instance} by ${pidfd}, which is taken over; < 0: there is none. */
void sup_keeper_watch_instance(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                               int pidfd);
/* Send ${signal} to the main process, or to its whole group. Only to a LIVE instance. */
void sup_keeper_send_signal(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                            int signal, bool group);
/*
** What is to be started for ${instance}: its main process, or a command beside it. Returns 0, or
** -errno with the ${step} that failed.
*/
int sup_keeper_prepare(struct sup_keeper *keeper, struct sup_keeper_node *node,
                       const struct sup_keeper_instance *instance,
                       const struct sup_plan_command *command, struct sup_spawn_order *order,
                       int *step);
/* Make the process that ${instance} of ${node} has in its stage. 0, or -errno with ${step}. */
int sup_keeper_make(struct sup_keeper *keeper, struct sup_keeper_node *node,
                    struct sup_keeper_instance *instance, int *step);
/* The process of ${instance}, which was reaped, is nobody's any more. */
void sup_keeper_leave_process(struct sup_keeper *keeper, struct sup_keeper_instance *instance);

/* --- layout.c ------------------------------------------------------------------------------- */

/*
** Lay out argv, that of ${command} (NULL: of the main process), and the environment for ${instance}
** of ${node}: the plan's own entries win over the shared ones, later over earlier. 0, or -errno
** (E2BIG).
*/
int sup_keeper_lay_out(struct sup_keeper *keeper, const struct sup_keeper_node *node,
                       const struct sup_keeper_instance *instance,
                       const struct sup_plan_command *command, char ***argv, char ***env);

/* --- stage.c: before and after_exit --------------------------------------------------------- */

/* ${instance} of ${node}, which has a plan, is about to be started. */
void sup_keeper_stage_begin(const struct sup_keeper_node *node,
                            struct sup_keeper_instance *instance);
/* The command that the stage of ${instance} runs; NULL: the main process. */
const struct sup_plan_command *sup_keeper_stage_command(const struct sup_keeper_node *node,
                                                        const struct sup_keeper_instance *instance);
/* A process of ${instance} could not be made: remember why as what SPAWN_FAILED says. */
void sup_keeper_stage_failed(struct sup_keeper_instance *instance, int step, int error);
/* The process of ${instance} ended with ${status} and was reaped. True: another follows. */
bool sup_keeper_stage_goes_on(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                              int status);
/* Kill the command of the stage, not MAIN's, with what it has made. */
void sup_keeper_stage_cut(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                          enum sup_keeper_cut cut);

/* --- probe.c -------------------------------------------------------------------------------- */

/* RUN. */
void sup_keeper_probe(struct sup_keeper *keeper, const struct sup_wire *message);
/* A probe may have ended: reap it, say so. */
void sup_keeper_probe_reap(struct sup_keeper *keeper, struct sup_keeper_probe *probe);
struct sup_keeper_probe *sup_keeper_probe_of_pid(struct sup_keeper *keeper, pid_t pid);
/* Its time is over. */
void sup_keeper_probe_cut(struct sup_keeper *keeper, struct sup_keeper_probe *probe);
/* The main process of ${instance} has ended: kill its probes. */
void sup_keeper_probes_end(struct sup_keeper *keeper, struct sup_keeper_instance *instance);
/* What has not been said is not said any more: a new host asks again. */
void sup_keeper_probes_drop(struct sup_keeper *keeper);
/* RAN was said. */
void sup_keeper_probe_told(struct sup_keeper *keeper, struct sup_keeper_probe *probe);

/* --- limit.c -------------------------------------------------------------------------------- */

/* ${limit}, which is not in use, is over ${ns} from now; INT64_MAX: never. */
void sup_keeper_limit_begin(struct sup_keeper *keeper, struct sup_keeper_limit *limit, int64_t ns);
/* Harmless when it is not in use. */
void sup_keeper_limit_end(struct sup_keeper_limit *limit);
void sup_keeper_limit_tick(struct sup_keeper *keeper, int64_t now_ns);

/* --- reap.c --------------------------------------------------------------------------------- */

/* The instance's main process has ended: kill its group, reap it, say so. */
void sup_keeper_reap(struct sup_keeper *keeper, struct sup_keeper_instance *instance);
/* A SIGCHLD came: find what no pidfd tells of, at once when there is such a child of ours. */
void sup_keeper_children_ended(struct sup_keeper *keeper);
/* Find every ended child when it is time. */
void sup_keeper_reap_tick(struct sup_keeper *keeper, int64_t now_ns);

/* --- talk.c: keeper to host ----------------------------------------------------------------- */

/* Begin with HELLO: a new host listens. */
void sup_keeper_greet(struct sup_keeper *keeper);
/* Say what there is to say until the socket is full. */
void sup_keeper_talk(struct sup_keeper *keeper);
/* Remember to say ${what} (enum sup_keeper_tell) about ${instance}. */
void sup_keeper_tell(struct sup_keeper *keeper, struct sup_keeper_instance *instance, uint8_t what);
/* ACK. */
void sup_keeper_forget(struct sup_keeper *keeper, uint64_t instance);
/* RAN without a probe that could be told of later: said at once or not at all. */
void sup_keeper_tell_not_run(struct sup_keeper *keeper, const struct sup_wire *run, int error);
/* Said at once or not at all. */
void sup_keeper_tell_stranger(struct sup_keeper *keeper, pid_t pid, int status);

/* --- listen.c: host to keeper --------------------------------------------------------------- */

/* Read and obey up to ${limit} messages. At the end of the host's words: host.at_end. */
void sup_keeper_listen(struct sup_keeper *keeper, int limit);

/* --- host.c --------------------------------------------------------------------------------- */

/* Prepare for the first host, or for the peer of library mode. 0 or -errno. */
int sup_keeper_host_init(struct sup_keeper *keeper);
/* The host's main process has ended with ${status} and was reaped. */
void sup_keeper_host_ended(struct sup_keeper *keeper, int status);
/* Look for its end; its pidfd says so. */
void sup_keeper_host_check(struct sup_keeper *keeper);
/* Start, abort, kill what is due. */
void sup_keeper_host_tick(struct sup_keeper *keeper, int64_t now_ns);
int64_t sup_keeper_host_deadline(const struct sup_keeper *keeper);
/* Can a host be told something now, or very soon? */
bool sup_keeper_host_is_near(const struct sup_keeper *keeper, int64_t now_ns);
/* Watch its socket for what is awaited now. */
void sup_keeper_host_watch(struct sup_keeper *keeper);
/* It is to end now; it will be reaped as usual. */
void sup_keeper_host_kill(struct sup_keeper *keeper);

/* After ${patience}'s process died at ${now_ns}: when does the next one start? Sets start_ns. */
void sup_keeper_be_patient(const struct sup_keeper *keeper, struct sup_keeper_patience *patience,
                           int64_t now_ns);
/* Times are divided by the speed that tests ask for. */
int64_t sup_keeper_time(const struct sup_keeper *keeper, int64_t ns);

/* --- logger.c ------------------------------------------------------------------------------- */

/* Make the rings and the pipes of the special nodes. 0 or -errno. */
int sup_keeper_logger_init(struct sup_keeper *keeper);
/* Something is to be said about ${node} (enum sup_keeper_log_news). */
void sup_keeper_logger_news(struct sup_keeper *keeper, struct sup_keeper_node *node, uint8_t news);
void sup_keeper_logger_talk(struct sup_keeper *keeper);
/* Its socket takes more. */
void sup_keeper_logger_unblock(struct sup_keeper *keeper);
/* USR1 came: log files are opened anew. A suptree-log that is yet to start does so anyway. */
void sup_keeper_logger_reopen(struct sup_keeper *keeper);
void sup_keeper_logger_ended(struct sup_keeper *keeper, int status);
void sup_keeper_logger_check(struct sup_keeper *keeper);
void sup_keeper_logger_tick(struct sup_keeper *keeper, int64_t now_ns);
int64_t sup_keeper_logger_deadline(const struct sup_keeper *keeper);

/* --- births.c ------------------------------------------------------------------------------- */

/* Make the table that hosts read when the keeper has died. Returns 0 or -errno. */
int sup_keeper_births_init(struct sup_keeper *keeper);
/* A process of ${instance} is about to be made, a command of ${kind} or (0) its main process.
   Returns where the kernel is to write its pid. */
pid_t *sup_keeper_birth_begin(struct sup_keeper *keeper, const struct sup_keeper_instance *instance,
                              uint32_t kind);
pid_t *sup_keeper_birth_of_probe(struct sup_keeper *keeper, const struct sup_keeper_probe *probe);
/* It lives on as ${pid}. */
void sup_keeper_birth_change(struct sup_keeper *keeper, const struct sup_keeper_instance *instance,
                             pid_t pid);
/* It is about to be reaped: its pid may soon be another's. */
void sup_keeper_birth_clear(struct sup_keeper *keeper, const struct sup_keeper_instance *instance);

/* --- stop.c --------------------------------------------------------------------------------- */

/* TERM or INT came. */
void sup_keeper_stop_asked(struct sup_keeper *keeper, int signal);
/* Stop everything in stored order; no host will be started any more. */
void sup_keeper_stop_alone(struct sup_keeper *keeper);
/* Kill what is left, let the output be written, end with ${code}. */
void sup_keeper_end(struct sup_keeper *keeper, int code);
/* ${instance} has ended and was reaped. */
void sup_keeper_stop_ended(struct sup_keeper *keeper, const struct sup_keeper_instance *instance);
void sup_keeper_stop_tick(struct sup_keeper *keeper, int64_t now_ns);
int64_t sup_keeper_stop_deadline(const struct sup_keeper *keeper);

/* --- signals.c ------------------------------------------------------------------------------ */

/* Default dispositions, everything blocked; returns the signalfd or -errno. */
int sup_keeper_signals_init(void);
void sup_keeper_signals_read(struct sup_keeper *keeper);

/* --- say.c ---------------------------------------------------------------------------------- */

/* One line for people on standard error: "suptree-keeper: ...". Dropped rather than waited for. */
__attribute__((format(printf, 1, 2))) void sup_keeper_say(const char *format, ...);
/* "was killed by signal 9 (KILL)", "ended with code 3". */
const char *sup_keeper_status_text(int status, char *buf, size_t size);
/* "now", "in 0.5 s", "in 10 s". */
const char *sup_keeper_delay_text(int64_t delay_ns, char *buf, size_t size);
/* The text of errno ${error}; never NULL. */
const char *sup_keeper_error_text(int error);

#endif
