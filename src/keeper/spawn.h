/*
** keeper/spawn.h: making one child process, each failing step named with its errno.
**
** The child is cloned on a stack of its own and shares the keeper's memory and descriptor table
** until it execs, so the cost does not grow with what the keeper holds: it unshares a table of the
** few descriptors below SUP_SPAWN_FIRST_FREE. The keeper is suspended meanwhile, as with vfork. One
** that becomes another user gets a copy of the memory: others of that user might reach into it.
**
** Where going to the folder or running the program may hang (keeper/mounts.h), nobody is suspended:
** the child gets copies of memory and table, and reports through a pipe.
*/
#ifndef SUP_KEEPER_SPAWN_H
#define SUP_KEEPER_SPAWN_H

#include "keeper/mounts.h"
#include "keeper/sys.h"
#include "wire/plan.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Numbers that the keeper keeps for passing descriptors; its others must lie at FIRST_FREE or
   above. */
enum sup_spawn_place {
    SUP_SPAWN_NULL = 3, /* /dev/null, always */
    SUP_SPAWN_IN,
    SUP_SPAWN_OUT,
    SUP_SPAWN_ERR,
    SUP_SPAWN_EXTRA,
    SUP_SPAWN_LINE = SUP_SPAWN_EXTRA + SUP_PLAN_MAX_SOCKETS,
    SUP_SPAWN_REPORT,
    SUP_SPAWN_SPARE, /* for one of these two, when the line is to have its number */
    SUP_SPAWN_FIRST_FREE,
};

#define SUP_SPAWN_EXTRAS (SUP_SPAWN_LINE - SUP_SPAWN_EXTRA)

/* Who the child runs as, and what it may take. */
struct sup_spawn_identity {
    uint32_t uid, gid; /* SUP_PLAN_KEEP: the keeper's */
    bool has_groups;   /* the supplementary groups are these */
    size_t group_count;
    const uint32_t *groups;
    uint32_t umask;        /* SUP_PLAN_KEEP: the keeper's */
    int32_t nice;          /* SUP_PLAN_KEEP_INTEGER: the keeper's */
    const char *oom_score; /* as text; NULL: the keeper's */
    size_t limit_count;
    const struct sup_plan_limit *limits;
    bool no_new_privs;
};

/* What to start. Everything stays the caller's and is only read. */
struct sup_spawn_order {
    char *const *argv; /* argv[0] without '/' is looked up in PATH of ${env} */
    char *const *env;
    const char *cwd;             /* NULL: the keeper's */
    int in;                      /* its stdin; 0: /dev/null */
    int out;                     /* its stdout; -1: the keeper's */
    int err;                     /* its stderr; -1: the keeper's */
    int extra[SUP_SPAWN_EXTRAS]; /* its descriptors from 3 on; -1: none, and none after it */
    int line;                    /* its descriptor ${line_at} */
    int line_at;           /* 3 or more, wins over an extra of that number; 0: there is none */
    char *pid_text;        /* gets its pid as it sees it, in digits; 12 bytes; NULL: nobody asks */
    char *listen_pid_text; /* the same, for its sockets */
    /* Gets the pid before the process runs; 0 again before a failed one is reaped. NULL: none. */
    pid_t *birth;
    /* What the start is waited for in the background with; see sup_spawn. NULL: never. */
    int *report;
    const struct sup_spawn_identity *identity; /* NULL: the keeper's */
    int cgroup;       /* folder of the cgroup that it begins in; -1: the keeper's */
    bool keep_limits; /* leave RLIMIT_NOFILE raised: for the host and suptree-log */
    pid_t dies_with;  /* it is killed when this process, ours, ends; 0: it lives on */
};

/* What a child tells when it could not become what was asked: in shared memory, one child at a
   time, or through its pipe. */
struct sup_spawn_report {
    int step; /* enum sup_spawn_step; 0: it went well */
    int error;
};

struct sup_spawner {
    const struct sup_sys *sys;
    char *stack_top;
    int reserve;            /* a descriptor given up when there are no others; -1: it is used up */
    bool limits_are_raised; /* children get ${limits} back */
    struct rlimit limits;
    struct sup_mounts *mounts; /* NULL: nothing hangs */
    bool is_in_background;     /* the child being made reports through its pipe */
    int report_place;          /* where that and the line stand until then */
    int line_place;
    const struct sup_spawn_order *order;      /* while a child is being made */
    volatile struct sup_spawn_report *report; /* shared with every child */
    char path[PATH_MAX];                      /* of the program that the child tries */
};

/*
** Make ready: the stack with its guard page, /dev/null at SUP_SPAWN_NULL and the numbers up to
** FIRST_FREE, the reserve. Whatever had those numbers is closed. Returns 0 or -errno.
*/
int sup_spawner_init(struct sup_spawner *spawner, const struct sup_sys *sys);

/* Close what init opened. For tests; a keeper ends with its process. */
void sup_spawner_finish(struct sup_spawner *spawner);

/* Let go of the reserve, so that a descriptor can be received, and take it again if it can be
   had. */
void sup_spawner_give_way(struct sup_spawner *spawner);
void sup_spawner_take_reserve(struct sup_spawner *spawner);

/*
** Raise the soft limit of descriptors to the hard one, for the caller. Services get the old one.
*/
void sup_spawner_raise_limits(struct sup_spawner *spawner);

/*
** Start a process in a session of its own, with an empty signal mask, and nothing open but what
** ${order} says. All signals must be blocked and have their default dispositions. Returns its pid,
** ${pidfd} (close-on-exec; -1: none could be had); or -errno, with ${step} (enum sup_spawn_step)
** and no process left behind. Blocks until the child execs.
**
** With order->report it does not block where that may hang. Then the descriptor put there is the
** caller's (else: -1), the child may still be on its way to its session, and to its end if that
** fails: sup_spawn_hear tells, once there is something to read.
*/
pid_t sup_spawn(struct sup_spawner *spawner, const struct sup_spawn_order *order, int *pidfd,
                int *step);

/*
** Read what comes through ${report}; does not block. -EAGAIN: nothing yet. 0: the program was run,
** or the child was killed before. 1: it could not be, for ${why}; the child ends.
*/
int sup_spawn_hear(int report, struct sup_spawn_report *why);

#endif
