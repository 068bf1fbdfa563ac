/*
** wire/wire.h: what host and keeper say to each other (FROZEN FORM, version 2).
**
** A SOCK_SEQPACKET socket pair. Every message is one struct sup_wire; some carry one descriptor.
** The host is the process around the engine; in library mode it is the caller's process.
**
** Rules that make kill -9 at any moment harmless:
**  - A number `seq` (the effect number of the core, growing) stands in SPAWN, SIGNAL and ACK. The
**    keeper remembers the greatest seq it has handled and tells it in HELLO; it drops a SPAWN or
**    SIGNAL whose seq is not greater, so a restored host may repeat what it is not sure of.
**  - The keeper keeps SPAWNED, SPAWN_FAILED and EXIT of an instance until ACK, and says them again
**    to each new host between HELLO and HELLO_END.
**  - After the peer's death both sides go on reading to EOF (recv may say ECONNRESET once before
**    messages that are still queued). The keeper starts the next host only after that.
**  - Both sides read before they write, never block, and keep what did not fit.
*/
#ifndef SUP_WIRE_WIRE_H
#define SUP_WIRE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define SUP_WIRE_VERSION 2

enum sup_wire_type {
    /* host -> keeper */
    SUP_WIRE_PLANS = 1, /* fd: a sealed memfd, the plan set number a; see wire/plan.h */
    /* node; a: plan set, time_ns: offset of the record in the set. Makes the node known, creates
       its log pipe, or replaces the plan for its next SPAWN */
    SUP_WIRE_PLAN,
    /* node: it left the tree; its log pipe closes, its plan set loses a user */
    SUP_WIRE_UNPLAN,
    SUP_WIRE_SPAWN, /* seq, node, instance, generation: start it. Taken once per instance */
    /* seq, instance, a: signal, b: enum sup_wire_target. To an instance that is not live:
       nothing. seq 0: outside of the numbering, never taken for a repeat */
    SUP_WIRE_SIGNAL,
    SUP_WIRE_ACK, /* instance: its EXIT or SPAWN_FAILED is in the journal; forget it */
    /* a: enum sup_wire_fd, fd: hold this (JOURNAL, BLOB or FORMER), drop the one held before */
    SUP_WIRE_STORE_FD,
    SUP_WIRE_HEARTBEAT, /* the host's loop runs; due at least every SUP_HEARTBEAT_NS */
    SUP_WIRE_BYE,       /* a: exit code: the tree has ended, the host is about to exit */
    /* node: send back the write end of the node's log pipe (thread services) */
    SUP_WIRE_OUTPUT,
    /* node, instance, a: SUP_COMMAND_READY or SUP_COMMAND_HEALTH: run this command of its plan,
       once; RAN will follow unless the instance ends first. While one runs: RAN will tell of that
     */
    SUP_WIRE_RUN,
    /* instance: an id, fd: hold this socket for the plans that name it; seq, time_ns: inode and
       device of its file, 0: it has none. One held by that id before is let go */
    SUP_WIRE_SOCKET,
    SUP_WIRE_UNSOCKET, /* instance: let go of that socket and remove its file */
    /* node, instance, a: pid: when its process ends, the instance goes on in that one, if it runs
       then as a child of the keeper: MAIN_IS will tell. Its present one: it does not */
    SUP_WIRE_MAIN,

    /* keeper -> host */
    /* a: how many hosts have been started, this one included (1: the first); b: enum
       sup_wire_hello bits; seq: greatest seq handled; node: wait status of the former host;
       instance: how many messages stand before HELLO_END */
    SUP_WIRE_HELLO = 64,
    SUP_WIRE_FD,        /* a: enum sup_wire_fd; fd. Between HELLO and HELLO_END */
    SUP_WIRE_HELLO_END, /* the keeper's table has been told */
    /* instance, node, generation, a: pid, time_ns: when, seq: number of its cgroup's folder (0:
       none); fd: a pidfd (may be absent when descriptors ran out) */
    SUP_WIRE_SPAWNED,
    /* instance, node, generation, a: enum sup_spawn_step, b: errno; with SUP_STEP_BEFORE: seq: see
       enum sup_wire_before; with SUP_STEP_CGROUP more: enum sup_limits_why in the high
       half, bits of the limits in the low one */
    SUP_WIRE_SPAWN_FAILED,
    /* instance, node, generation, a: wait status, b: enum sup_wire_exit bits, time_ns: when it was
       reaped; seq: user + system time in ns; more: the most memory that it had, in bytes, and
       SUP_EXIT_OOM bits */
    SUP_WIRE_EXIT,
    /* the keeper got TERM or INT; a: the signal, b: how many so far (2: kill now) */
    SUP_WIRE_STOP,
    SUP_WIRE_RELOAD,    /* the keeper got HUP */
    SUP_WIRE_OUTPUT_FD, /* node; fd: write end of its log pipe */
    /* a: pid, b: wait status: a process that is nobody's service was reaped (PID 1) */
    SUP_WIRE_STRANGER,
    /* instance, node, generation, a: pid: it has been made, and it may take long until its program
       runs: the start may hang, or `before` goes on; SPAWNED or SPAWN_FAILED will follow. Between
       HELLO and HELLO_END alone */
    SUP_WIRE_STARTING,
    /* instance, node, generation, a: wait status, time_ns: when it was reaped: the main process has
       ended and `after_exit` runs; EXIT will follow */
    SUP_WIRE_ENDING,
    /* instance, node, generation, a: as RUN's, b: wait status or errno, seq: enum sup_wire_ran.
       Said once to the host that is there, and not kept for the next */
    SUP_WIRE_RAN,
    /* instance, a: bits of enum sup_plan_cgroup_item, the limits that do not hold; seq: enum
       sup_limits_why, b: errno, both of the first one. Behind SPAWNED when there are any, and when
       they change */
    SUP_WIRE_LIMITS,
    /* instance, node, generation, a: enum sup_wire_ear; fd: where it says how it is */
    SUP_WIRE_EAR,
    /* as SOCKET: the keeper holds it. Between HELLO and HELLO_END alone */
    SUP_WIRE_SOCKET_HELD,
    SUP_WIRE_MAIN_IS, /* instance, node, generation, a: pid; fd: its pidfd, may be absent */
};

/* Why a limit of a cgroup does not hold. */
enum sup_limits_why {
    SUP_LIMITS_HOLD = 0,
    SUP_LIMITS_NO_CGROUP,     /* there is no cgroup v2, or no folder can be made in ours */
    SUP_LIMITS_NO_CONTROLLER, /* it is not given to our cgroup */
    SUP_LIMITS_SHARED,        /* processes that are not ours are in our cgroup */
    SUP_LIMITS_DENIED,        /* we may not pass the controller on */
    SUP_LIMITS_REFUSED,       /* the kernel does not take the value */
    SUP_LIMITS_LATER,         /* the instance has no cgroup: the next one will */
    SUP_LIMITS_WHY_COUNT
};

/* EXIT, more. */
#define SUP_EXIT_OOM (UINT64_C(1) << 63)     /* something of it was killed for lack of memory */
#define SUP_EXIT_OOM_OWN (UINT64_C(1) << 62) /* by its own limit */
#define SUP_EXIT_PEAK (SUP_EXIT_OOM_OWN - 1)

/* How a command of `before` failed, in seq of SPAWN_FAILED. What b is: */
enum sup_wire_before {
    SUP_BEFORE_ENDED = 0,    /* the wait status */
    SUP_BEFORE_TIMED_OUT,    /* nothing; it was killed */
    SUP_BEFORE_STOPPED,      /* nothing; a stop came, it was killed */
    SUP_BEFORE_STEPS,        /* the errno of the enum sup_spawn_step that is added to this */
    SUP_BEFORE_NUMBER = 256, /* times this: the number of the command, from 0 */
};

/* What EXIT says of `after_exit`, in b. */
enum sup_wire_exit {
    SUP_EXIT_NO_RESTART = 1, /* it asks that the service is not restarted */
    SUP_EXIT_AFTER_FAILED = 2,
    SUP_EXIT_AFTER_TIMED_OUT = 4,
    SUP_EXIT_AFTER_NOT_RUN = 8,
    /* with FAILED: its wait status, with NOT_RUN: the errno, shifted by so many bits */
    SUP_EXIT_AFTER_SHIFT = 8,
};

enum sup_wire_ran {
    SUP_RAN_ENDED = 0, /* b: wait status */
    SUP_RAN_TIMED_OUT, /* it was killed */
    SUP_RAN_NOT,       /* b: errno: it could not be run */
};

/* By what a process says how it is. */
enum sup_wire_ear {
    SUP_WIRE_EAR_NOTIFY = 1, /* datagrams of sd_notify, with credentials */
    SUP_WIRE_EAR_LINE,       /* a pipe: a line says that it is ready */
};

enum sup_wire_target {
    SUP_TARGET_PROCESS = 0, /* by pidfd, only the main process */
    SUP_TARGET_GROUP = 1,   /* all that its kill_mode says: for kill */
    /* it is asked to stop: one that reads the output of others, of which none runs any more, by the
       end of its input; everybody else as PROCESS, and SIGCONT after it: a stopped one
       could not obey */
    SUP_TARGET_STOP = 60,
};

enum sup_wire_fd {
    SUP_FD_BLOB = 1, /* the config blob of the running tree, a sealed memfd */
    SUP_FD_JOURNAL,  /* core/journal.h */
    SUP_FD_OUTPUT,   /* write end, non-blocking: lines for people, shown as "suptree | ..." */
    SUP_FD_EVENTS,   /* write end, non-blocking: JSON lines for --events; absent without it */
    /* memfd with the last output of every node; log/ring layout in wire/log.h */
    SUP_FD_RINGS,
    /* the blobs that ran before BLOB, the last one first, one after the other; may be empty */
    SUP_FD_FORMER,
    /* the listening control socket, and the lock that its name is held by; absent without one */
    SUP_FD_CONTROL,
    SUP_FD_CONTROL_LOCK,
    SUP_FD_BIRTHS, /* memfd, read-only: an array of struct sup_birth */
    SUP_FD_TAP,    /* the last events, for hosts alone: engine/tap.h */
    SUP_FD_CGROUP, /* the folder of the services' cgroups; absent without one */
    SUP_FD_SAID,   /* what services have said of themselves, for hosts alone: engine/said.h */
    SUP_FD_COUNT
};

enum sup_wire_hello {
    SUP_HELLO_SAFE_MODE = 1, /* five hosts died within a minute: no thread services, no hooks */
    SUP_HELLO_LIBRARY = 2,   /* the host is the caller's process and is never started again */
    /* the tree is already being stopped (STOP was said to the former host) */
    SUP_HELLO_STOPPING = 4,
};

/* The step of setting up a child at which a start failed; sup_wire_step_text names it. */
enum sup_spawn_step {
    SUP_STEP_CLONE = 1,   /* making the process; EAGAIN, ENOMEM: lack of resources */
    SUP_STEP_DESCRIPTORS, /* pidfd, pipes; EMFILE, ENFILE, ENOMEM: lack of resources */
    SUP_STEP_PLAN,        /* the plan cannot be read */
    SUP_STEP_SESSION,     /* setsid */
    SUP_STEP_STDIO,       /* /dev/null, dup2 */
    SUP_STEP_CWD,         /* chdir */
    SUP_STEP_EXEC,        /* execve */
    SUP_STEP_LIMITS,      /* setrlimit */
    SUP_STEP_OOM_SCORE,   /* /proc/self/oom_score_adj */
    SUP_STEP_NICE,        /* setpriority */
    SUP_STEP_UMASK,       /* umask */
    SUP_STEP_GROUPS,      /* setgroups */
    SUP_STEP_GROUP,       /* setresgid */
    SUP_STEP_USER,        /* setresuid */
    SUP_STEP_RIGHTS,      /* no_new_privs, and whether there is a way back */
    SUP_STEP_OUTPUT,      /* there is nobody that reads its output (log = { to = ... }) */
    SUP_STEP_BEFORE,      /* a command of `before` did not succeed */
    SUP_STEP_CGROUP,      /* a limit that is required does not hold */
    SUP_STEP_SOCKETS,     /* a socket of the plan is not held */
    SUP_STEP_COUNT
};

#define SUP_HEARTBEAT_NS (3 * INT64_C(1000000000)) /* the host says HEARTBEAT this often */
#define SUP_HEARTBEAT_DEAD_NS \
    (10 * INT64_C(1000000000)) /* the keeper waits this long, then SIGABRT */

struct sup_wire {
    uint16_t version;    /* SUP_WIRE_VERSION; another one: the peer is foreign, stop talking */
    uint16_t type;       /* enum sup_wire_type */
    uint32_t generation; /* per-node run number, for the environment and for people */
    uint64_t node;       /* node token: index in the low 32 bits, serial in the high */
    uint64_t instance;   /* tree-wide run number, never reused; 0: none */
    uint64_t seq;
    int64_t time_ns; /* CLOCK_MONOTONIC */
    int32_t a;
    int32_t b;
    uint64_t more;
};

/*
** What a host reads when the keeper has died: the processes that it made and may not have told of.
** An entry is valid while `pid` is not 0. The kernel writes the pid before the process runs its
** first instruction, and the keeper clears it before it reaps: so nothing that runs is missing.
*/
struct sup_birth {
    uint64_t instance;
    uint64_t node;
    int32_t pid;
    int32_t kind; /* 0: the main process; else enum sup_plan_command_kind: a command beside it */
};

/* Tables of the keeper are reserved for this many live instances, and as many nodes. */
#define SUP_WIRE_MAX_INSTANCES 65536

/*
** Send one message with an optional descriptor (${fd} < 0: none; it stays the caller's).
** Never blocks. Returns 0, -EAGAIN (try when writable), -EPIPE (peer gone) or -errno.
*/
int sup_wire_send(int socket, const struct sup_wire *message, int fd);

/*
** Receive one message. A descriptor that came with it is put into ${fd} (close-on-exec), else -1.
** Never blocks. Returns 1 (got one), 0 (end: everything the peer said has been read), -EAGAIN
** (nothing now), -EPROTO (foreign version or size: drop the peer), -EMFILE (the descriptor was lost
** for lack of room; the message is valid), or -errno. ECONNRESET is swallowed: reading goes on to
** the end.
*/
int sup_wire_receive(int socket, struct sup_wire *message, int *fd);

/* The name of a folder of a cgroup in SUP_FD_CGROUP. Returns ${buf}; 32 bytes suffice. */
char *sup_wire_folder_name(uint64_t folder, char *buf, size_t size);

/* What is left in this folder goes on living: its kill_mode says so. */
#define SUP_FOLDER_KEPT (UINT64_C(1) << 63)

/* "chdir", "exec", ... for a person; "unknown step" else. Never NULL. */
const char *sup_wire_step_text(int step);

#endif
