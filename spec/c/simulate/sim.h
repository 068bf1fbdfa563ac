/*
** simulate/sim.h: one simulated run: the tree under test, a shadow of it that is made from inputs
** and effects alone, and the first broken rule.
**
** The shadow is no second implementation of the policy: it remembers what came out and checks that
** the invariants of the law hold between what went in, what came out, and what the tree says of
** itself. Numbers in sim_violate() are those of the law's section 9.
*/
#ifndef SIMULATE_SIM_H
#define SIMULATE_SIM_H

#include "case.h"
#include "core/tree.h"

#define SLOTS 64       /* nodes at a time; a shadow stands at its token's index */
#define EFFECTS 2048   /* of one input */
#define REQUESTS 32    /* unanswered at a time */
#define ABANDONED 4    /* of one node */
#define STAMPS 48      /* remembered failures and pauses of one supervisor */
#define SIM_REFUSED 99 /* instead of an invariant: the first config is refused */
#define NEVER_NS SUP_INFINITY_NS

/* What of a spec the checks need, taken again whenever membership or specs changed. */
struct traits {
    uint8_t kind, strategy, restart, on_threshold, auto_shutdown;
    bool in_order, significant, abandons, extends, jitters, has_intensity, propagates;
    bool ready_at_launch;
    bool ends, remains; /* it is expected to end; and ready then */
    bool is_timer;
    bool leaves; /* the tree, when it ends: it is "temporary" */
    uint32_t max_pauses, intensity;
    double threshold;
    int64_t decay_ns, backoff_ns, within_ns, period_ns, spacing_ns;
    int64_t timeout_ns, kill_timeout_ns, start_timeout_ns;
    uint64_t after, with; /* sets of names */
    struct sup_codes success, done, terminate;
};

/* Events of one generation, in the order in which they may come. */
enum life {
    LIFE_TOLD = 1,
    LIFE_LAUNCHED = 2,
    LIFE_READY = 4,
    LIFE_STOPPING = 8,
    LIFE_KILLED = 16,
    LIFE_STUCK = 32,
    LIFE_TIMED_OUT = 64, /* said so */
    LIFE_KILL_SAID = 128,
};

struct meter {
    double count; /* folded step by step */
    int64_t last_ns;
    int64_t stamps[STAMPS]; /* of the counted failures, oldest first */
    uint32_t stamp_count;
    bool unsure;          /* changed by two reloads in one step, which is not seen from outside */
    uint64_t unsure_step; /* in this step it was not yet clear whether a failure counts */
    bool overflowed;      /* more failures than there is room for: the whole fold is skipped */
    int64_t pauses[STAMPS];
    uint32_t pause_count;
};

enum answer { ANSWER_RESTART, ANSWER_PAUSE, ANSWER_GIVE_UP, ANSWER_ESCALATE, ANSWER_HELD };

struct shadow {
    sup_token token; /* 0: no node has this slot */
    struct shadow *parent;
    uint8_t name, slot;
    uint32_t order; /* place among the siblings */
    struct traits traits;

    uint64_t instance; /* 0: none lives */
    uint32_t generation;
    uint8_t instance_kind; /* enum sup_kind: as it was launched */
    unsigned life;         /* bits of enum life, of this generation */
    uint64_t interrupted;  /* the instance that was asked last */
    uint64_t former;       /* the instance before */
    uint64_t abandoned[ABANDONED];
    bool dies_with_host[ABANDONED]; /* that one */
    int64_t kill_ns;                /* the kill is due then; NEVER_NS: it is not */
    int64_t stuck_ns;               /* the same of being stuck */
    bool ready;
    bool been_ready; /* or well done, since its supervisor was launched */
    bool removed;
    bool held;
    bool automatic;     /* down by its own failure: its restart has to keep to the pause */
    bool failure_due;   /* an end that counts: a `failed` event must follow in the same step */
    bool was_stopping;  /* the state before the input was stopping or stuck */
    bool was_up;        /* it lived, or was on its way, before the command */
    bool held_by_pause; /* it failed while its supervisor was paused */
    bool fell_before;   /* it was being stopped when that pause began */
    bool finished;      /* its last end was a natural one that is not followed by a restart */
    bool late_failure;  /* it was not ready in time, and now its launch turns out to have failed */
    bool not_ready;     /* this generation was not ready in time, or found sick */
    bool untimed;       /* the times of its stop cannot be told from outside */
    bool stops_alone;   /* its stop concerns no dependents: a limit, a late start, a shutdown */
    sup_token follows;  /* for whom it was asked, when to follow one */
    sup_token falls_with;    /* the same of a group */
    uint64_t asked;          /* the instance that was asked last, by a `stopping` event */
    uint64_t asked_step;     /* the step that asked it to stop */
    uint64_t born_step;      /* the step that launched it */
    uint64_t died_step;      /* the step in which its last instance ended */
    uint64_t restarted_step; /* the same, by itself and not to follow another */
    uint64_t licence;        /* the parent's licence that its last launch used up */
    uint64_t not_ready_licence;
    int64_t delay_ns;   /* its own delay runs until then; 0: none */
    int64_t due_ns;     /* a timer's next time, as of the last look; 0: none */
    uint64_t dues;      /* how many of them have come */
    uint64_t run_count; /* how many have been launched */

    /* as the last look at its status said */
    uint8_t state;
    int64_t since_ns;

    /* supervisors */
    bool runs; /* launched and not stopping */
    bool paused;
    uint64_t launched_step;
    bool has_drained; /* since the pause a child was launched from the queue, at drained_ns */
    int64_t drained_ns, drained_spacing_ns;
    int64_t resume_ns;
    uint64_t licences;   /* counted failures and the like: each may launch a child once */
    uint64_t spare_step; /* the step in which a child may use more than one */
    uint64_t tripped_step, escalated_step; /* steps: when it last happened */
    uint64_t ended_step, terminated_step;  /* of a child */
    uint64_t gave_up_step;                 /* of any node */
    enum answer answer; /* what the law wants after the failure that was counted last */
    bool ends_in_order; /* its stop asks one child after another, whatever a reload says */
    int64_t bound_ns;   /* its stop must be over by then; NEVER_NS: no bound */
    int64_t bound_lateness_ns;
    struct meter meter;
};

struct request {
    uint64_t id;
    enum sup_input_type type;
    sup_token node;
    uint64_t instance; /* the node's, at the time */
    bool wait;
    int64_t until_ns;
};

struct twin;
struct coverage;

struct sim {
    struct sup_tree *tree;
    const struct run_case *run; /* configs; owned by the caller */
    int64_t now_ns;
    uint64_t steps;
    struct shadow shadows[SLOTS];
    uint64_t used;                 /* slots with a node */
    uint8_t by_name[NAMES];        /* slot + 1 of the node that has the name now; 0: none */
    uint8_t former_by_name[NAMES]; /* of the one that had it before, while it still lives */
    sup_token lost_by_name[NAMES]; /* a token that is not there any more */

    struct sup_effect effects[EFFECTS];
    size_t effect_count;
    uint64_t last_seq, last_event, last_instance, next_request;
    struct request requests[REQUESTS];
    uint64_t unwatched; /* requests up to this one may be missing above */
    uint32_t pending;   /* bits: places in requests that are taken */

    bool serving, stopping, ended;
    uint64_t licences;    /* commands so far: each may launch any node once */
    uint32_t reloads;     /* so many reloads and rollbacks happen in this input */
    bool dirty;           /* membership or specs may have changed */
    uint64_t touched;     /* slots with an effect in this step */
    uint64_t supervisors; /* slots of supervisors */
    uint64_t restless;    /* slots that may change without a word: delayed, queued, waiting */
    int64_t lateness_ns;  /* by how much deadlines were handled late, in all */
    const struct sup_input *input; /* being applied */
    struct shadow *subject;        /* input->node, when it is there */
    struct shadow *failed;         /* it failed in this input, alone, and is restarted at once */
    bool quiet;                    /* the input may have no effect but a reply */
    uint32_t config;               /* the config that runs, when it is known */
    bool config_known;
    bool same_config;        /* the input is a reload of what runs: nobody may be touched */
    uint32_t config_changes; /* reloads so far */
    uint32_t uncertain;      /* reloads that may still be rolled back */

    struct twin *twin;         /* NULL: none */
    struct coverage *coverage; /* NULL: none */
    FILE *verbose;             /* NULL: silent */

    int violated; /* the number of the broken invariant; 0: none */
    char message[400];
};

/* Begin ${run}: its first config, its seed. False: the tree could not be made. */
bool sim_begin(struct sim *sim, const struct run_case *run);
void sim_end(struct sim *sim);

/* Apply one operation, with all checks. What does not fit (a fact of nobody) does nothing. */
void sim_do(struct sim *sim, const struct op *op);
/* Apply an input as it stands. Of a time before sim->now_ns the tree must think that it stands
   still. */
void sim_apply(struct sim *sim, struct sup_input *input, int64_t now_ns);

/* The first broken rule is kept, with a message. */
__attribute__((format(printf, 3, 4))) void sim_violate(struct sim *sim, int invariant,
                                                       const char *format, ...);

/* Faults stop: everything launches, gets ready, stops when asked; then all must be up (18). */
void sim_settle(struct sim *sim);
/* Stop the tree and let everything end; then nothing may live (3, 11, 13, 18). */
void sim_finish(struct sim *sim);

/* Of one instance. */
static inline bool sim_is_fact(enum sup_input_type type)
{
    return (type >= SUP_IN_LAUNCHED && type <= SUP_IN_ENDED) || type == SUP_IN_UNHEALTHY ||
           type == SUP_IN_EXTEND || type == SUP_IN_EXITING;
}

/* "n3", or its path, for messages. Valid until the fourth next call. */
const char *sim_name(const struct sim *sim, const struct shadow *node);

/* All nodes of ${set}, bits by slot. No break inside. */
#define each_in(sim, set, it) \
    for (uint64_t it##_rest = (set); it##_rest; it##_rest &= it##_rest - 1) \
        for (struct shadow *it = &(sim)->shadows[__builtin_ctzll(it##_rest)]; it; it = NULL)
#define each_shadow(sim, it) each_in(sim, (sim)->used, it)

/* --- shadow.c: who is there ------------------------------------------------------------------ */

struct shadow *shadow_of(struct sim *sim, sup_token token); /* NULL: nobody */
void shadow_sync(struct sim *sim);                          /* membership, order, names, traits */
void shadow_remove(struct sim *sim, struct shadow *top);    /* it and all below it leave */
void shadow_forget(struct sim *sim, struct shadow *node);
/* As the tree says now; SUP_STATE_COUNT: it is not there. */
enum sup_state shadow_state(const struct sim *sim, const struct shadow *node);
/* It, or one above it, does not run, or is marked for a stop, now. */
bool shadow_is_stopped_now(const struct sim *sim, const struct shadow *supervisor);
/* It, or one above it, does not run or (as of the last look) is marked for a stop. */
bool shadow_is_going_down(const struct shadow *supervisor);
bool shadow_is_below(const struct shadow *node, const struct shadow *above);

/* --- check_*.c: one effect, or one kind of question, each ------------------------------------ */

void check_launch(struct sim *sim, struct shadow *node, const struct sup_effect *effect);
void check_launched(struct sim *sim, struct shadow *node, const struct sup_effect *effect);
void check_ready(struct sim *sim, struct shadow *node, const struct sup_effect *effect);
/* Nobody but its wanted children holds up the readiness of ${supervisor}. */
void check_held_up(struct sim *sim, const struct shadow *supervisor);
void check_launch_failed(struct sim *sim, struct shadow *node, const struct sup_event *event);
void check_ended(struct sim *sim, struct shadow *node, const struct sup_effect *effect);
/* ${ended}: the first effect that may be the `failed` event. */
void check_late_start(struct sim *sim, struct shadow *node, const struct sup_effect *ended);
/* A run of a timer that was due is not launched. */
void check_skipped(struct sim *sim, const struct shadow *node);
void check_delayed(struct sim *sim, struct shadow *node, const struct sup_event *event);

void check_stopping(struct sim *sim, struct shadow *node, const struct sup_event *event);
bool check_is_for_restart(enum sup_cause cause);
bool check_is_sick(enum sup_cause cause); /* it is stopped because it was found so */
void check_interrupt(struct sim *sim, struct shadow *node, const struct sup_effect *effect);
void check_kill(struct sim *sim, struct shadow *node, const struct sup_effect *effect);
void check_stuck(struct sim *sim, struct shadow *node);
void check_abandon(struct sim *sim, struct shadow *node, const struct sup_effect *effect);
void check_stop_order(struct sim *sim);
void check_follows(struct sim *sim); /* after the input: what had to follow, did */
void check_budgets(struct sim *sim);
void check_new_budgets(struct sim *sim);
/* It has asked for so much more time. */
void check_extended(struct sim *sim, struct shadow *node, int64_t ns);

void meter_reset(struct meter *meter);
void meter_clear(struct meter *meter); /* but not its pauses */
/* A window took the place of the decay, or gave it back, or has another size. */
void meter_change(struct meter *meter, const struct traits *from, const struct traits *to);
void check_counted(struct sim *sim, struct shadow *node);
void check_failed(struct sim *sim, struct shadow *node, const struct sup_event *event);
void check_backoff(struct sim *sim, struct shadow *node, const struct sup_event *event);
void check_resume(struct sim *sim, struct shadow *node);
void check_gave_up(struct sim *sim, struct shadow *node);
void check_escalated(struct sim *sim, struct shadow *node, const struct sup_event *event);
void check_meter(struct sim *sim, struct shadow *node, const struct sup_status *status);

void check_request(struct sim *sim, const struct sup_input *input);
void check_reply(struct sim *sim, const struct sup_effect *effect);
void check_replies(struct sim *sim);

void check_reload(struct sim *sim);   /* before it: is it the same file again? */
void check_reloaded(struct sim *sim); /* after it: what came of it */

void check_before(struct sim *sim); /* what the input may do */
void check_after(struct sim *sim);  /* statuses of the touched, and now and then of all */
void check_report(struct sim *sim); /* once the tree has ended */

/* --- twin.c: save, restore, journal (19) ----------------------------------------------------- */

struct twin *twin_create(struct sim *sim, uint64_t seed);
void twin_destroy(struct twin *twin);
/* The same input for the twin, whose host dies; its effects must be those in sim->effects. */
void twin_step(struct sim *sim, const struct sup_input *input, int64_t now_ns);

/* --- coverage.c ------------------------------------------------------------------------------ */

void coverage_note(struct sim *sim, const struct sup_input *input);

#endif
