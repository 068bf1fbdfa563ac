/*
** wire/plan.h: how a process is to be started, as the keeper reads it (FROZEN FORM, version 4).
**
** The engine lays the plans of many nodes into one sealed memfd, a plan set, and sends it once
** (PLANS); then PLAN names the record of each node by its offset. The keeper maps the set read-only
** and checks every offset before use: it trusts nothing that it has not checked.
** Strings are NUL-terminated; a vector is `count` strings one after the other. Offsets are in bytes
** from the start of the set; 0 means absent. Records are aligned to 8.
*/
#ifndef SUP_WIRE_PLAN_H
#define SUP_WIRE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/log.h"

#define SUP_PLAN_MAGIC UINT32_C(0x4e4c5053) /* "SPLN" */
#define SUP_PLAN_VERSION 5

struct sup_plan_set {
    uint32_t magic;
    uint32_t version;
    uint64_t size;      /* of the whole set in bytes */
    uint32_t env_count; /* the shared environment: what services inherit */
    uint32_t reserved;
    uint64_t env; /* offset of the vector KEY=VALUE */
};

enum sup_plan_flags {
    SUP_PLAN_SHARED_ENV = 1,   /* the set's environment first, then the record's own (which wins) */
    SUP_PLAN_NO_PROCESS = 2,   /* a thread service: only a log pipe is wanted */
    SUP_PLAN_GROUPS = 4,       /* the supplementary groups are those of the record, perhaps none */
    SUP_PLAN_NO_NEW_PRIVS = 8, /* it may never gain rights */
    SUP_PLAN_INPUT = 16,       /* its input is a pipe: the output of nodes whose log_to it is */
    SUP_PLAN_NOTIFY = 32,      /* it gets a socket to say how it is: NOTIFY_SOCKET */
    SUP_PLAN_FLAGS = 63,
};

enum sup_plan_log {
    SUP_LOG_VIEW = 0,    /* ring and prefixed terminal view */
    SUP_LOG_FILE = 1,    /* the same, and a file */
    SUP_LOG_NONE = 2,    /* /dev/null */
    SUP_LOG_INHERIT = 3, /* the keeper's own stdout and stderr */
    SUP_LOG_TO = 4,      /* the input of the node `log_to` */
};

/* Whom a kill reaches, and what is killed when the main process has ended. */
enum sup_plan_kill {
    SUP_KILL_AUTO = 0,    /* as CGROUP where that can be had, else as well as can be done */
    SUP_KILL_CGROUP = 1,  /* all that it has made */
    SUP_KILL_GROUP = 2,   /* its process group */
    SUP_KILL_PROCESS = 3, /* the main process; the rest lives on */
};

struct sup_plan {
    uint32_t size;  /* of this record's fixed part: sizeof(struct sup_plan) */
    uint32_t flags; /* enum sup_plan_flags */
    uint32_t arg_count;
    uint32_t env_count;
    /* argv; args[0] is looked up in PATH of the child's environment when it has no '/' */
    uint64_t args;
    uint64_t env;        /* own KEY=VALUE, without SUPTREE_GENERATION, which the keeper adds */
    uint64_t cwd;        /* absolute path; 0: the keeper's */
    uint64_t name;       /* the node's path, for log lines and messages */
    uint64_t log_file;   /* absolute path; for SUP_LOG_FILE */
    uint32_t log;        /* enum sup_plan_log */
    int32_t stop_signal; /* for a stop without host */
    int64_t timeout_ns;  /* from stop signal to kill; INT64_MAX: never; for a stop without host */
    /* a stop without host goes from the highest rank down, equal ranks together */
    uint32_t stop_rank;
    uint32_t uid, gid;       /* SUP_PLAN_KEEP: the keeper's */
    uint32_t umask;          /* SUP_PLAN_KEEP: the keeper's */
    int32_t nice, oom_score; /* SUP_PLAN_KEEP_INTEGER: the keeper's */
    uint32_t group_count;    /* with SUP_PLAN_GROUPS */
    uint32_t limit_count;
    uint32_t kill_mode;                   /* enum sup_plan_kill */
    uint64_t groups;                      /* offset of uint32_t, aligned to 8 */
    uint64_t limits;                      /* offset of struct sup_plan_limit */
    uint64_t log_to;                      /* token, for SUP_LOG_TO; 0: there is no such node */
    struct sup_log_settings log_settings; /* for SUP_LOG_VIEW and SUP_LOG_FILE */
    uint64_t commands;                    /* offset of struct sup_plan_command, aligned to 8 */
    uint32_t command_count;
    uint32_t cgroup_required; /* 1: without the limits it must not start */
    uint64_t cgroup;          /* offset of struct sup_plan_cgroup, items ascending */
    uint32_t cgroup_count;
    uint32_t ready_fd;     /* the descriptor on which it says by a line that it is ready; 0: none */
    int64_t watchdog_ns;   /* WATCHDOG_USEC and WATCHDOG_PID; 0: not given */
    uint64_t sockets;      /* offset of uint64_t, aligned to 8: SUP_WIRE_SOCKET */
    uint32_t socket_count; /* its descriptors from 3 on */
    uint32_t sockets_shared; /* 1: others may be using them, their flags are left alone */
};

/* The commands beside a service. They run as it does: user, folder, environment, limits, output. */
enum sup_plan_command_kind {
    SUP_COMMAND_BEFORE = 1, /* before each launch, all of them, in order */
    SUP_COMMAND_AFTER_EXIT, /* after each end; at most one, as of the next */
    SUP_COMMAND_READY,
    SUP_COMMAND_HEALTH,
    SUP_COMMAND_KINDS
};

struct sup_plan_command {
    uint32_t kind; /* enum sup_plan_command_kind */
    uint32_t arg_count;
    uint64_t args;      /* as those of the plan */
    int64_t timeout_ns; /* then it is killed; INT64_MAX: never */
};

/* The limits of a cgroup; the numbers are those of core/cgroup.h. */
enum sup_plan_cgroup_item {
    SUP_LIMIT_CPU_MAX, /* millionths of a core */
    SUP_LIMIT_CPU_WEIGHT,
    SUP_LIMIT_IO_WEIGHT,
    SUP_LIMIT_MEMORY_HIGH, /* bytes, as the next two and SWAP_MAX */
    SUP_LIMIT_MEMORY_LOW,
    SUP_LIMIT_MEMORY_MAX,
    SUP_LIMIT_PIDS_MAX,
    SUP_LIMIT_SWAP_MAX = 8,
    SUP_LIMIT_ITEMS
};

struct sup_plan_cgroup {
    uint32_t item; /* enum sup_plan_cgroup_item */
    uint32_t reserved;
    uint64_t value; /* UINT64_MAX: no limit */
};

struct sup_plan_limit {
    uint32_t resource; /* of setrlimit */
    uint32_t reserved;
    uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

#define SUP_PLAN_KEEP UINT32_MAX
#define SUP_PLAN_KEEP_INTEGER INT32_MIN
#define SUP_PLAN_READY_FD_MIN 3
#define SUP_PLAN_READY_FD_MAX 255
#define SUP_PLAN_MAX_GROUPS 65536
#define SUP_PLAN_MAX_LIMITS 16
#define SUP_PLAN_MAX_COMMANDS 64
#define SUP_PLAN_MAX_SOCKETS 16

/* Is ${set} of ${size} bytes a plan set whose header and shared environment can be used? */
bool sup_plan_set_is_valid(const void *set, size_t size);

/* The record at ${offset}, all of its strings checked to end inside the set; NULL: broken. */
const struct sup_plan *sup_plan_at(const void *set, size_t size, uint64_t offset);

/* The ${index}-th command of ${kind} of a checked plan; NULL: there is none. */
const struct sup_plan_command *sup_plan_command(const void *set, const struct sup_plan *plan,
                                                enum sup_plan_command_kind kind, uint32_t index);

/* The string at ${offset} of a checked set; NULL for offset 0. */
const char *sup_plan_text(const void *set, uint64_t offset);

/*
** Write ${count} pointers to the strings of the vector at ${offset} into ${out} (room for
** ${room}). Returns how many were written, or -E2BIG.
*/
int sup_plan_vector(const void *set, uint64_t offset, uint32_t count, char **out, size_t room);

#endif
