/*
** core/tree.h: the face of the core: the policy as a pure state machine (FROZEN FORM: the numbers
** of inputs, effects, outcomes and events stand in journals and never change their meaning).
**
** One struct sup_input at a time goes in with the time; struct sup_effect come out, in order, and a
** driver performs them, whose result is the next input. No clock, no I/O, no randomness but a
** seeded generator that is part of the tree. The same seed and inputs give the same effects.
**
** Nothing here blocks. Nothing here is thread-safe: the engine holds one mutex around it.
** Memory is taken when nodes come (start, add, reload): a fact never needs any.
*/
#ifndef SUP_CORE_TREE_H
#define SUP_CORE_TREE_H

#include "base/err.h"
#include "core/form.h"
#include "core/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sup_tree;

/* A node: index in the low 32 bits, serial in the high. Serials are never reused. 0: none. */
typedef uint64_t sup_token;

enum sup_state {
    SUP_STATE_STOPPED,
    SUP_STATE_WAITING,  /* for what it is `after` */
    SUP_STATE_STARTING, /* told to launch; a supervisor: not all children launched or waiting */
    SUP_STATE_RUNNING,
    SUP_STATE_STOPPING,
    SUP_STATE_DELAYED, /* its own delay runs */
    SUP_STATE_QUEUED,  /* its supervisor is paused */
    SUP_STATE_DONE,    /* ended well and is not restarted */
    SUP_STATE_FAILED,  /* ended badly and is not restarted */
    SUP_STATE_STUCK,   /* outlived its kill */
    SUP_STATE_PAUSED,  /* a supervisor whose meter tripped */
    SUP_STATE_COUNT
};

const char *sup_state_name(enum sup_state state);
const char *sup_kind_name(enum sup_kind kind);
/* What people call it: "oneshot", "timer", else the name of its kind. */
const char *sup_kind_word(enum sup_kind kind, enum sup_role role);

/* How an instance ended. */
enum sup_outcome_kind {
    SUP_END_NONE,
    SUP_END_EXIT,      /* process: exit status `code` */
    SUP_END_SIGNAL,    /* process: killed by signal `code` */
    SUP_END_RETURNED,  /* thread: returned well */
    SUP_END_ERROR,     /* thread: raised, or returned nil, err (the input's text) */
    SUP_END_DONE,      /* thread: returned suptree.DONE */
    SUP_END_TERMINATE, /* thread: returned suptree.TERMINATE_TREE */
    /* nobody knows the status (the host died and with it a thread, or no record) */
    SUP_END_LOST,
    /* only of supervisors, made by the core itself: */
    SUP_END_LIMIT,    /* escalated: too many failures below */
    SUP_END_SHUTDOWN, /* auto shutdown, or a termination that was not passed on */
    SUP_END_STOPPED,  /* asked to stop */
    /* a start that did not succeed: */
    SUP_END_NO_LAUNCH, /* `code` is an errno or 0; text says the step */
    SUP_END_NOT_READY, /* not ready within start_timeout */
    /* it ran, and its driver found it sick (the input's text); what it was when it was stopped for
       that says its `ended` event: */
    SUP_END_WATCHDOG,  /* it did not say in time that it is well */
    SUP_END_UNHEALTHY, /* its health was probed */
    /* process: killed by signal `code`, as there was no memory; text says whose limit it was */
    SUP_END_OOM,
    SUP_END_COUNT
};

struct sup_outcome {
    enum sup_outcome_kind kind;
    int32_t code;
};

/* --- what goes in ---------------------------------------------------------------------------- */

enum sup_input_type {
    SUP_IN_TICK = 1, /* deadlines that are due */
    /* facts, from drivers; of an instance that is not the node's current one: ignored */
    SUP_IN_LAUNCHED, /* node, instance */
    /* node, instance, outcome NO_LAUNCH; flag: lack of resources; text: "exec: No such file" */
    SUP_IN_LAUNCH_FAILED,
    SUP_IN_READY, /* node, instance */
    /* node, instance, outcome, text; flag: its `after_exit` asks that it is not restarted */
    SUP_IN_ENDED,
    /* the host came back: every thread instance is gone; instance: the one that crashed it, or
       0. Emits host_restarted */
    SUP_IN_HOST_DIED,
    /* commands */
    SUP_IN_START, /* serve: launch the tree; text: context */
    SUP_IN_STOP,  /* stop the tree; text: context. request is answered when it has ended */
    SUP_IN_KILL,  /* during a stop: all budgets are over now */
    /* those below: text is the context of the events that follow at once */
    SUP_IN_ADD,          /* node: the parent; blob: a tree of one declaration. Reply: the token */
    SUP_IN_REMOVE,       /* node. Reply at once; with wait: when it ended */
    SUP_IN_START_NODE,   /* node: a person's start; with wait: until ready or known not to be */
    SUP_IN_STOP_NODE,    /* node: a person's stop, remembered; with wait: until down */
    SUP_IN_RESTART_NODE, /* node; with wait: until ready again */
    /* blob: the whole new config; flag: no rollback; instance 1: the way back, what the running
       config has renamed gets its former name again; node: the checksum of the config that this
       one was made from, refused when another runs, or is about to, and who has left the tree by
       himself stays away; 0: whatever runs. With wait:
       until settled. Without a blob: the config could not be made, text says why; it is refused */
    SUP_IN_RELOAD,
    /* a fact: node, instance, outcome WATCHDOG or UNHEALTHY, text. One that runs is stopped for it,
       and its end is one failure with this outcome and text, whatever it ends with. A stop for
       another cause that comes meanwhile wins. With flag it is only said, by an event, once;
       outcome NONE: it is well again */
    SUP_IN_UNHEALTHY,
    /* a fact: node, instance, wait_ns: it asks that the time of its start or stop is not over
       before that; only ever makes it longer */
    SUP_IN_EXTEND,
    /* a fact about a timer with `at`: node; wait_ns: when it is next due on the tree's clock;
       instance: the same as Unix time, 0: never again */
    SUP_IN_SCHEDULE,
    /* a fact: node, instance: its main process has ended, `after_exit` runs; ENDED will follow.
       There is nothing left to ask; only a kill ends it earlier */
    SUP_IN_EXITING,
    /* a fact: node, which waits for a connection: one has come; text: on what */
    SUP_IN_ACTIVATE,
    SUP_IN_END
};

struct sup_input {
    enum sup_input_type type;
    sup_token node;
    uint64_t instance;
    uint64_t request; /* answered by exactly one reply effect; 0: no answer wanted */
    bool wait;
    bool flag;
    int64_t wait_ns; /* with wait: at most this long; 0: for ever */
    struct sup_outcome outcome;
    const char *text; /* context, step, message; NULL: none. Copied, cut at SUP_TEXT_MAX */
    const void *blob; /* for ADD and RELOAD; 8-aligned not required. Copied */
    size_t blob_size;
    /* ENDED: user and system time, and the most memory that it had, in bytes; 0: not known */
    int64_t cpu_ns;
    uint64_t memory_peak;
};

#define SUP_TEXT_MAX 2048

/* --- what comes out -------------------------------------------------------------------------- */

enum sup_effect_type {
    SUP_DO_LAUNCH = 1, /* start node's instance, numbered generation, as sup_tree_spec says */
    /* ask it to stop: the polite stop, once per instance; why, is in its status */
    SUP_DO_INTERRUPT,
    SUP_DO_KILL,
    /* on_stuck = "abandon": make the instance harmless; another may be launched */
    SUP_DO_ABANDON,
    SUP_DO_REPLY,
    SUP_DO_EVENT,
    SUP_DO_UPDATE,   /* node's spec changed in place: log, description, stop signal, ... */
    SUP_DO_FORGET,   /* node left the tree and nothing of it lives: drop what you keep for it */
    SUP_DO_SCHEDULE, /* node, a timer, is to be told its next time: by SUP_IN_SCHEDULE */
    SUP_DO_LISTEN,   /* node waits for a connection: SUP_IN_ACTIVATE is to tell of it, once */
};

enum sup_event_type {
    SUP_EVENT_STARTED = 1, /* the tree; context */
    SUP_EVENT_ADDED,
    SUP_EVENT_REMOVED,
    SUP_EVENT_LAUNCHED,
    SUP_EVENT_LAUNCH_FAILED, /* outcome, text, until: the next try when it is known */
    SUP_EVENT_READY,
    /* cause, context; until: when it is killed; for WATCHDOG and UNHEALTHY: outcome, text */
    SUP_EVENT_STOPPING,
    SUP_EVENT_KILLED,
    SUP_EVENT_ENDED,   /* outcome, planned, text */
    SUP_EVENT_FAILED,  /* outcome, text, count, threshold, restarting, until */
    SUP_EVENT_BACKOFF, /* of the supervisor: paused; count, threshold, until */
    SUP_EVENT_RESUME,
    SUP_EVENT_DELAYED,      /* until */
    SUP_EVENT_GAVE_UP,      /* stays failed until a person acts */
    SUP_EVENT_ESCALATED,    /* of the supervisor: it ends; count, threshold */
    SUP_EVENT_STOP_TIMEOUT, /* the polite time is over */
    SUP_EVENT_STUCK,
    SUP_EVENT_STOPPED, /* the tree; code: its exit code; context */
    SUP_EVENT_RELOADED,
    SUP_EVENT_RELOAD_REFUSED,
    SUP_EVENT_ROLLED_BACK,
    SUP_EVENT_HOST_RESTARTED,
    SUP_EVENT_UNHEALTHY, /* of health with action = "event": outcome, text */
    SUP_EVENT_HEALTHY,   /* after that: it is well again */
    SUP_EVENT_SKIPPED,   /* a timer's run; text: why; until: the next time */
    SUP_EVENT_COUNT
};

const char *sup_event_name(enum sup_event_type type);

/* Why a node is stopped, started or in the state it is in. */
enum sup_cause {
    SUP_CAUSE_NONE,
    SUP_CAUSE_START,  /* the tree or its supervisor starts */
    SUP_CAUSE_STOP,   /* the tree stops */
    SUP_CAUSE_PERSON, /* a person asked */
    SUP_CAUSE_REMOVE,
    SUP_CAUSE_RELOAD,
    SUP_CAUSE_FAILURE,    /* its own end */
    SUP_CAUSE_GROUP,      /* a sibling failed and the strategy restarts them together */
    SUP_CAUSE_DEPENDENCY, /* what it is `after` is not ready, or is being stopped */
    SUP_CAUSE_FOLLOW,     /* restart_with */
    SUP_CAUSE_NOT_READY,  /* not ready within start_timeout */
    SUP_CAUSE_PAUSE,      /* its supervisor is paused */
    SUP_CAUSE_DELAY,      /* restart_delay */
    SUP_CAUSE_RESOURCES,  /* the system had no room for a new process */
    SUP_CAUSE_LIMIT,      /* the failure threshold: escalated or gave up */
    SUP_CAUSE_FINISHED,   /* ended well, or was told not to be restarted */
    SUP_CAUSE_TERMINATE,  /* TERMINATE_TREE below */
    SUP_CAUSE_AUTO_SHUTDOWN,
    SUP_CAUSE_DISABLED,   /* enabled = false */
    SUP_CAUSE_SUPERVISOR, /* its supervisor does not run */
    SUP_CAUSE_STUCK,      /* a former instance does not die */
    SUP_CAUSE_ROLLBACK,
    SUP_CAUSE_WATCHDOG,   /* it did not say in time that it is well */
    SUP_CAUSE_UNHEALTHY,  /* its health was probed */
    SUP_CAUSE_SCHEDULE,   /* a timer: its time is to come, or has come */
    SUP_CAUSE_ACTIVATION, /* a connection to its sockets is to come, or has come */
    SUP_CAUSE_COUNT
};

const char *sup_cause_name(enum sup_cause cause);

struct sup_event {
    enum sup_event_type type;
    uint64_t number; /* 1, 2, 3, … without a gap: `seq` in the public schema */
    int64_t time_ns;
    enum sup_cause cause;
    struct sup_outcome outcome;
    double count, threshold; /* of the supervisor's meter (window: as counts) */
    int64_t until_ns;        /* what comes next and when; 0: nothing is due */
    bool restarting;
    bool planned;
    int32_t code;
    const char *text;     /* NULL or valid until the next apply */
    const char *context;  /* NULL or valid until the next apply */
    sup_token other;      /* the sibling that caused it; 0: none */
    int64_t cpu_ns;       /* ENDED: as in its input */
    uint64_t memory_peak; /* ENDED */
};

enum sup_reply_status {
    SUP_OK,
    SUP_NOT_FOUND,   /* no such node: zero, stale, removed */
    SUP_WAITING_FOR, /* accepted; it waits for reply.node (a person stopped that) */
    SUP_TIMEOUT,     /* the wait's own time is over; the command stands */
    SUP_STOPPED,     /* the tree has ended, or ended while waiting */
    SUP_ALREADY_SERVING,
    SUP_DUPLICATE_NAME, /* reply.node: the one that has the name */
    SUP_TOO_MANY,       /* max_children */
    SUP_INVALID,        /* the blob is broken: text */
    SUP_NO_MEMORY,
    /* the wait is over because the wanted state cannot come: failed, stuck, rolled back */
    SUP_NOT_REACHED,
    SUP_REFUSED, /* the root cannot be removed, stopped alone, renamed, …: text */
};

struct sup_reply {
    enum sup_reply_status status;
    sup_token node;
    const char *text; /* NULL or valid until the next apply */
};

struct sup_effect {
    enum sup_effect_type type;
    uint32_t generation;
    enum sup_kind kind; /* of the node */
    enum sup_role role; /* the same */
    uint64_t seq;       /* 1, 2, 3, … over the life of the tree */
    sup_token node;
    uint64_t instance;
    uint64_t request; /* REPLY */
    union {
        struct sup_event event;
        struct sup_reply reply;
    };
};

/* --- the tree -------------------------------------------------------------------------------- */

/* A tree as declared by ${blob}, not started. NULL: ${err} says why. Pure: ${seed} is all its
   chance. */
struct sup_tree *sup_tree_create(const void *blob, size_t size, uint64_t seed, struct sup_err *err);
void sup_tree_destroy(struct sup_tree *tree); /* NULL is harmless */

/*
** Apply one input at ${now_ns}; time that runs backwards is taken as standing still. Every input is
** legal in every state: what does not fit is ignored (facts) or answered (commands). The caller
** drains the effects before the next apply.
** A same-instant queue is applied in the order: facts, stop and remove, other commands, tick.
*/
void sup_tree_apply(struct sup_tree *tree, const struct sup_input *input, int64_t now_ns);

/* Take the next effect; false: none. Texts in it are valid until the next apply. */
bool sup_tree_next_effect(struct sup_tree *tree, struct sup_effect *effect);

/* The effects that have not been taken yet, in order; ${count} may be 0. Valid until one is
   taken. */
const struct sup_effect *sup_tree_pending(const struct sup_tree *tree, size_t *count);

/* The next deadline, or SUP_INFINITY_NS. */
int64_t sup_tree_deadline(const struct sup_tree *tree);

/* --- reading: a snapshot, changes nothing ----------------------------------------------------- */

struct sup_status {
    sup_token node, parent;
    const char *name; /* valid until the next apply */
    enum sup_kind kind;
    enum sup_role role;
    enum sup_state state;
    bool wanted;
    bool ready;
    bool held;    /* a person stopped it */
    bool leaving; /* removed, its instance still lives */
    uint32_t generation;
    uint64_t instance; /* 0: none lives */
    uint32_t restarts;
    double count, threshold; /* supervisor: its meter, decayed to now */
    int64_t resumes_ns;      /* supervisor: when the pause ends; 0: not paused */
    int64_t next_ns;         /* what happens next to it, when; 0: nothing is due */
    int64_t since_ns;        /* when it came into this state */
    bool sick;               /* the last that was said of its health: it is not well */
    enum sup_cause cause;
    sup_token cause_node; /* for whom it waits, who failed; 0: none */
    struct sup_outcome last_outcome;
    const char *last_text; /* cut; "" when none */
    /* a timer: */
    bool armed;          /* its schedule is under way */
    int64_t due_ns;      /* its next time; 0: none, or not known yet */
    int64_t due_wall_s;  /* with at: the same as Unix time, without jitter */
    int64_t last_wall_s; /* with at: the last that has come; 0: none */
    uint64_t skipped;    /* runs that were */
    /* any service: its last run that has ended; 0: none has */
    int64_t began_ns, ended_ns;
};

/* The config that runs: what was given to create, or the last reload's, or that of its rollback.
   Valid until the next apply. */
const struct sup_form *sup_tree_config(const struct sup_tree *tree);

sup_token sup_tree_root(const struct sup_tree *tree);
/* By path relative to the root ("workers/mailer"; "." or "": the root). A node that was removed and
** still lives is found when no present one has the path. 0: none. */
sup_token sup_tree_find(const struct sup_tree *tree, const char *path);
bool sup_tree_status(const struct sup_tree *tree, sup_token node, int64_t now_ns,
                     struct sup_status *status); /* false: no such node */
/* Preorder walk: the node after ${node}, 0 first and last. Removed ones that live come last. */
sup_token sup_tree_next(const struct sup_tree *tree, sup_token node);
/* The path of ${node} relative to the root. Works for a forgotten node until the next apply.
** Returns ${buf}, "" when unknown. Long paths are cut at the front. */
char *sup_tree_path(const struct sup_tree *tree, sup_token node, char *buf, size_t size);
/* NULL: no such node. LAUNCH: the spec to start with. Valid until the next apply. */
const struct sup_spec *sup_tree_spec(const struct sup_tree *tree, sup_token node);
/* The tree has ended (stopped, terminated, escalated). Its exit code then stands in ${code}. */
bool sup_tree_has_ended(const struct sup_tree *tree, int *code);
/* The stop report: every instance that was launched and has not ended, each once, abandoned and
** removed ones included. Returns how many there are; writes at most ${room}. */
struct sup_unstopped {
    sup_token node;
    uint64_t instance;
    uint32_t generation;
};
size_t sup_tree_unstopped(const struct sup_tree *tree, struct sup_unstopped *out, size_t room);

/* What became of the last reload. */
struct sup_reload_report {
    uint64_t applied; /* how many there have been; one that waits for a round is not yet one */
    bool rolled_back;
    bool went_back;             /* it was a way back that a person asked for */
    sup_token culprit;          /* whose failure rolled it back; 0: nobody's */
    struct sup_outcome outcome; /* how it failed */
    const char *text;           /* "" when there is none; valid until the next apply */
    int64_t until_ns;           /* it can still be rolled back until then; 0: it cannot */
};
void sup_tree_reload_report(const struct sup_tree *tree, struct sup_reload_report *report);

/* The order for a stop without host: a node with a higher rank stops earlier. */
uint32_t sup_tree_stop_rank(struct sup_tree *tree, sup_token node);

/*
** The causes of ${node}'s state down to the first, as (node, cause) pairs; at most ${room}.
** Returns how many were written.
*/
struct sup_because {
    sup_token node;
    enum sup_cause cause;
    enum sup_state state;
    struct sup_outcome outcome;
};
size_t sup_tree_because(const struct sup_tree *tree, sup_token node, struct sup_because *out,
                        size_t room);

/* --- saving (core/journal.h wraps both) ------------------------------------------------------- */

/*
** Write the whole tree, blobs included, as bytes (free()d by the caller). All effects must have
** been drained. NULL for lack of memory.
*/
unsigned char *sup_tree_save(const struct sup_tree *tree, size_t *size);
/* The tree again, indistinguishable. NULL: torn, foreign or no memory; ${err} says which. */
struct sup_tree *sup_tree_restore(const void *data, size_t size, struct sup_err *err);

/* An input as bytes, for the journal. Returns the size needed; writes when ${room} suffices. */
size_t sup_input_write(const struct sup_input *input, void *out, size_t room);
/* Read it back; texts and blob point into ${data}. False: not a whole valid input. */
bool sup_input_read(struct sup_input *input, const void *data, size_t size);

#endif
