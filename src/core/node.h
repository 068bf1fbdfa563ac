/*
** core/node.h: the inside of the tree; only files of src/core include it.
**
** Who does what:
**   tree.c          create, destroy, apply: the door
**   node.c          one node's life: bring up, launched, ready, ended
**   stop.c          stopping: order, budgets, kill, stuck
**   strategy.c      failures: meter, pause, queue, delay, group rounds, escalation
**   dependencies.c  after and restart_with
**   schedule.c      timers: when they run
**   membership.c    nodes come and leave; names
**   command.c       what persons ask, and who waits for an answer
**   plan.c reload.c the reload: difference, application, rollback
**   probation.c     what the last reload is judged by
**   status.c rank.c reading
**   snapshot.c      saving and restoring
*/
#ifndef SUP_CORE_NODE_H
#define SUP_CORE_NODE_H

#include "base/heap.h"
#include "base/list.h"
#include "core/meter.h"
#include "core/tree.h"

/* What a deadline stands for. A node has one deadline at a time: its phase owns it. */
enum sup_phase {
    SUP_PHASE_NONE,
    SUP_PHASE_START,     /* service: not ready within start_timeout */
    SUP_PHASE_STOP,      /* service: the polite stop's time is over */
    SUP_PHASE_KILL,      /* service: the kill's time is over */
    SUP_PHASE_DELAY,     /* restart_delay */
    SUP_PHASE_RESOURCES, /* try the launch again */
    SUP_PHASE_RESUME,    /* supervisor: the pause ends */
    SUP_PHASE_SPACING,   /* supervisor: the next of the queue */
    SUP_PHASE_WAIT,      /* a waiter's own time is over */
    SUP_PHASE_PROBATION, /* the tree: the last reload can no longer be rolled back */
    SUP_PHASE_DUE,       /* a timer, of its schedule: a run is due */
};

struct sup_deadline {
    struct sup_timer timer; /* in sup_tree::heap */
    enum sup_phase phase;
};

/* What follows when an instance that we stop has ended. */
enum sup_then {
    SUP_THEN_STOP,
    SUP_THEN_LAUNCH,
    SUP_THEN_ROUND,   /* launched by the group round */
    SUP_THEN_FAILURE, /* a failed start, or sup_node::fault: counted at the end */
};

#define SUP_MAX_ABANDONED \
    3 /* instances of a node that are left behind; a further one stays stuck */
#define SUP_LAST_TEXT 120

struct sup_node {
    struct sup_node *parent;
    struct sup_node *name_next; /* chain of sup_tree::names */
    struct sup_list sibling;    /* in parent's children or leaving, or in sup_tree::graves */
    struct sup_list children;   /* list of sup_node::sibling, as written */
    struct sup_list leaving;    /* list of sup_node::sibling: removed, not yet ended */
    struct sup_list queue;      /* list of sup_node::queued: restarts that the pause holds */
    struct sup_list queued;     /* in parent's queue */
    struct sup_list needs;      /* list of sup_edge::in_needs */
    struct sup_list needed_by;  /* list of sup_edge::in_needed_by */
    struct sup_list waiters;    /* list of sup_waiter::in_node */
    struct sup_form *form;      /* owns what record and spec point into */
    const struct sup_form_node *record;
    struct sup_form *started_form; /* what the instance was launched with; NULL: none yet */
    const struct sup_form_node *started_record;
    struct sup_spec spec;
    struct sup_deadline deadline;
    struct sup_deadline schedule; /* a timer's */
    int64_t *window_times;        /* supervisor with intensity: intensity + 1 of them */
    int64_t *pause_times;         /* supervisor with max_pauses: as many */
    struct sup_node *rank_next;   /* scratch of rank.c */
    uint32_t rank_pending;        /* scratch of rank.c */
    uint32_t rank, rank_span;     /* of rank.c; valid while sup_tree::ranked */
    char *name;                   /* own copy: outlives a rename by reload */

    /* ---- plain data from here to plain_end: saved as it stands ---- */
    uint32_t index, serial;
    enum sup_state state;
    enum sup_cause cause;
    sup_token cause_node;
    int64_t since_ns;
    uint64_t instance; /* 0: none lives */
    uint32_t generation;
    uint32_t restarts; /* launches that nobody asked for */
    int64_t launched_ns;
    struct sup_outcome last_outcome;
    char last_text[SUP_LAST_TEXT];
    struct sup_outcome fault; /* why it is stopped, when that is its own failure; NONE: it is not */
    char fault_text[SUP_LAST_TEXT];
    uint64_t abandoned[SUP_MAX_ABANDONED];  /* instances left behind; 0: free */
    bool dies_with_host[SUP_MAX_ABANDONED]; /* is that one a thread? */
    uint64_t round;                         /* the last group round it took part in */
    int64_t probation_ns; /* a counted failure before this rolls the last reload back; 0: none */
    uint32_t delay_attempt;
    enum sup_then then;
    bool held;       /* a person stopped it */
    bool asked_up;   /* a person started it although enabled = false */
    bool dynamic;    /* came by add: a reload leaves it alone */
    bool entered;    /* has its name and its place among the children */
    bool removed;    /* has left the tree; lives on until its instance ended */
    bool in_leaving; /* stands in its parent's leaving, not among the children */
    bool automatic;  /* the launch to come is one that nobody asked for */
    bool launched;   /* the instance has been confirmed */
    bool ready;
    bool exiting;    /* the main process has ended, `after_exit` runs */
    bool no_restart; /* the last end: `after_exit` asked that it is the last */
    bool resources_said;
    bool stop_asked; /* the polite stop was said to this instance */
    bool killed;
    bool sick;             /* it was said that it is not well */
    bool self_ending;      /* supervisor: ends by itself (limit, termination, auto shutdown) */
    bool counted_starting; /* in parent's starting */
    bool awaited;          /* in parent's pending_ready */
    bool has_been_ready;   /* or well done, since its supervisor was launched */
    bool in_round;         /* in parent's round_left */
    bool by_round;         /* the launch to come is its round's */
    bool follows;          /* the launch to come is that of a follower: all others know already */
    bool in_sequence;      /* the parent asks it when its turn comes */
    bool absorbed;         /* delayed while a round took place: launches alone */
    bool unsettled;        /* new or changed by the last reload, not ready since */
    bool reload_mark;      /* scratch of plan.c; false between inputs */
    /* timers only */
    bool armed;          /* the schedule is under way */
    bool run_due;        /* a run is to be launched as soon as may be */
    bool run_waits;      /* another one is to follow the one that goes on */
    bool scheduled;      /* the launch to come is the schedule's */
    int64_t time_ns;     /* with every: the next time, without jitter; 0: not begun */
    int64_t jitter_ns;   /* of the next time */
    int64_t due_ns;      /* the next time; 0: none, or not known yet */
    int64_t due_wall_s;  /* the same as Unix time, without jitter; 0: none */
    int64_t last_wall_s; /* the last that has come */
    uint64_t skipped;
    int64_t began_ns, ended_ns; /* services: of the last run that has ended */
    /* supervisors only */
    struct sup_outcome ending;
    struct sup_meter meter;
    struct sup_window window;
    struct sup_window pauses;
    uint32_t child_count;
    uint32_t alive; /* children with an instance that is not stuck, leaving ones too */
    uint32_t starting;
    uint32_t pending_ready;
    uint32_t significant_alive;
    uint32_t round_left;
    uint64_t round_now; /* number of the round under way; 0: none */
    sup_token sequence_cursor;
    bool paused;
    bool sequence; /* children are being stopped one after another */
    bool round_stopping;
    bool stepping; /* guards sequence steps against nesting; false between inputs */
    char plain_end;
};

/* ${dependent} is `after` ${dependency}, or restarts with it, or both. */
struct sup_edge {
    struct sup_node *dependent;
    struct sup_node *dependency;
    struct sup_list in_needs;
    struct sup_list in_needed_by;
    bool after;
    bool follow;
};

enum sup_goal { SUP_GOAL_GONE, SUP_GOAL_DOWN, SUP_GOAL_UP, SUP_GOAL_STARTED, SUP_GOAL_SETTLED };

/* One who waits for the outcome of a command. */
struct sup_waiter {
    struct sup_list in_node; /* sup_node::waiters */
    struct sup_deadline deadline;
    uint64_t request;
    sup_token node;
    enum sup_goal goal;
};

/* A reload that can still be rolled back, or that waits for a round to finish. */
struct sup_reload {
    struct sup_form *pending;     /* waits until no round is under way */
    struct sup_form *former;      /* what rollback goes back to; NULL: nothing to roll back */
    struct sup_deadline deadline; /* end of the probation */
    /* plain data, saved as it stands */
    uint64_t pending_request;
    sup_token sick;     /* the node that asks for a rollback; 0: none */
    uint64_t applied;   /* how many have been, whatever became of them */
    uint32_t unsettled; /* nodes that are new or changed and have not been ready since */
    bool pending_wait;
    bool pending_no_rollback;
    bool pending_back; /* the way back */
    bool rolled_back;  /* the last reload was */
    bool went_back;    /* the last reload was a way back that a person asked for */
    /* who made it so, or is about to, and why */
    sup_token culprit;
    struct sup_outcome why;
    char why_text[SUP_LAST_TEXT];
    char plain_end;
};

struct sup_tree {
    struct sup_node **nodes; /* by index */
    uint32_t node_room;
    uint32_t node_top; /* indices ever used */
    uint32_t *free_indices;
    uint32_t free_count;
    uint32_t next_serial;
    uint32_t node_count;
    struct sup_node **names; /* hash of (parent, name) */
    uint32_t name_room;      /* a power of two */
    struct sup_node *root;
    struct sup_form *config; /* the config that runs */
    struct sup_heap heap;
    struct sup_list graves; /* list of sup_node::sibling: freed at the next apply */
    struct sup_effect *effects;
    size_t effect_count, effect_next, effect_room;
    char text[SUP_TEXT_MAX]; /* the input's text while its effects are drained */
    bool person;             /* that is what a person says about a command to a node */
    int64_t ended_cpu_ns;    /* of the ENDED under way, as the next; 0 between inputs */
    uint64_t ended_memory_peak;
    char reply[SUP_TEXT_MAX];   /* text of replies made by the core */
    char context[SUP_TEXT_MAX]; /* of the stop, for every event from then on; "" none */
    struct sup_reload reload;
    bool ranked; /* the ranks are those of the tree as it stands */
    /* much changes at once: nobody gets ready or is asked to stop until it is done; false between
       inputs */
    bool restructuring;

    /* ---- plain data from here to plain_end: saved as it stands ---- */
    int64_t now_ns;
    uint64_t random;
    uint64_t last_instance;
    uint64_t last_effect;
    uint64_t last_event;
    uint64_t last_round;
    uint32_t rounds; /* supervisors with a round under way */
    int32_t exit_code;
    bool serving;
    bool stopping; /* a stop of the tree was accepted */
    bool ended;
    char plain_end;
};

/* --- tree.c ---------------------------------------------------------------------------------- */

static inline sup_token sup_node_token(const struct sup_node *node)
{
    return node == NULL ? 0 : (sup_token) node->index | (sup_token) node->serial << 32;
}

struct sup_node *sup_tree_node(const struct sup_tree *tree, sup_token token); /* NULL: none */
struct sup_effect *sup_tree_effect(struct sup_tree *tree, enum sup_effect_type type,
                                   const struct sup_node *node);
/* An event about ${node}, with its cause and the stop's context; the caller adds the rest. */
struct sup_event *sup_tree_emit(struct sup_tree *tree, enum sup_event_type type,
                                const struct sup_node *node);
void sup_tree_reply(struct sup_tree *tree, uint64_t request, enum sup_reply_status status,
                    const struct sup_node *node, const char *text);
int sup_tree_reserve(struct sup_tree *tree, uint32_t nodes); /* room for that many nodes in all */
void sup_tree_end(struct sup_tree *tree, int code);
double sup_tree_random(struct sup_tree *tree); /* uniform in [0, 1) */
void sup_deadline_set(struct sup_tree *tree, struct sup_deadline *deadline, enum sup_phase phase,
                      int64_t after_ns); /* SUP_INFINITY_NS: cleared */
void sup_deadline_clear(struct sup_tree *tree, struct sup_deadline *deadline);
void sup_text_copy(char *to, size_t size, const char *text); /* cut; NULL: "" */

/* --- node.c ---------------------------------------------------------------------------------- */

bool sup_node_is_service(const struct sup_node *node);
bool sup_node_is_oneshot(const struct sup_node *node);
/* Done for good: a person's start of it, or of what is after it, does not run it again. */
bool sup_node_remains(const struct sup_node *node);
/* It gets ready by being launched. */
bool sup_node_is_ready_at_launch(const struct sup_node *node);
bool sup_node_is_wanted(const struct sup_node *node);
/* Its instance is a thread: a reload may have made the node something else meanwhile. */
bool sup_node_was_launched_as_thread(const struct sup_node *node);
/* A supervisor (NULL: above the root) below which launches may happen. */
bool sup_node_runs_children(const struct sup_tree *tree, const struct sup_node *supervisor);
void sup_node_set_state(struct sup_tree *tree, struct sup_node *node, enum sup_state state,
                        enum sup_cause cause, sup_token other);
/* How long a start may take: start_timeout, and before that what `before` may. */
int64_t sup_node_start_ns(const struct sup_node *node);
/* Launch ${node} if everything allows it, else put it where it waits. */
void sup_node_bring_up(struct sup_tree *tree, struct sup_node *node, enum sup_cause cause);
void sup_node_launched(struct sup_tree *tree, struct sup_node *node);
void sup_node_launch_failed(struct sup_tree *tree, struct sup_node *node,
                            const struct sup_input *input);
void sup_node_set_ready(struct sup_tree *tree, struct sup_node *node);
void sup_node_exiting(struct sup_tree *tree, struct sup_node *node);
/* ${no_restart}: as its `after_exit` asks. */
void sup_node_ended(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome,
                    const char *text, bool no_restart);
/* Stop it because it is sick: input's outcome and text. */
void sup_node_unhealthy(struct sup_tree *tree, struct sup_node *node,
                        const struct sup_input *input);
/* The time of its start or stop is not over before ${ns} have passed. */
void sup_node_extend(struct sup_tree *tree, struct sup_node *node, int64_t ns);
/* What follows a planned end, that of a sick one, or an abandoned instance. */
void sup_node_after_stop(struct sup_tree *tree, struct sup_node *node);
void sup_node_host_died(struct sup_tree *tree, uint64_t crashed);
/* The node holds up its supervisor's readiness, if it is wanted and has not been ready; no
   longer. */
void sup_node_await(struct sup_tree *tree, struct sup_node *node);
void sup_node_unawait(struct sup_tree *tree, struct sup_node *node);
/* What a tree exits with that ends because of ${outcome}. */
int sup_exit_code(struct sup_outcome outcome);
void sup_supervisor_settle(struct sup_tree *tree, struct sup_node *supervisor);
/* End a supervisor from inside. */
void sup_supervisor_end_itself(struct sup_tree *tree, struct sup_node *supervisor,
                               enum sup_cause cause, struct sup_outcome outcome);

/* --- stop.c ---------------------------------------------------------------------------------- */

/* Mark ${node} as being stopped; nothing is said to it until sup_stop_ask_if_free. */
void sup_stop_mark(struct sup_tree *tree, struct sup_node *node, enum sup_then then,
                   enum sup_cause cause, sup_token other);
/* Ask it politely unless something must end before it. Did it? */
bool sup_stop_ask_if_free(struct sup_tree *tree, struct sup_node *node);
void sup_stop_now(struct sup_tree *tree, struct sup_node *node, enum sup_then then,
                  enum sup_cause cause, sup_token other); /* both */
void sup_stop_progress(struct sup_tree *tree,
                       struct sup_node *node); /* it no longer stands in the way */
void sup_stop_sequence_step(struct sup_tree *tree, struct sup_node *supervisor);
/* ${node} is being stopped and runs `after_exit`: that has its own time. */
void sup_stop_await_exit(struct sup_tree *tree, struct sup_node *node);
void sup_stop_timeout(struct sup_tree *tree, struct sup_node *node);
void sup_stop_stuck(struct sup_tree *tree, struct sup_node *node);
void sup_stop_kill_all(struct sup_tree *tree, const struct sup_input *input);
void sup_stop_forget_abandoned(struct sup_node *node, uint64_t instance);

/* --- strategy.c ------------------------------------------------------------------------------ */

void sup_strategy_fail(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome,
                       const char *text);
void sup_strategy_restart(struct sup_tree *tree, struct sup_node *node); /* by itself, now */
void sup_strategy_delay_over(struct sup_tree *tree, struct sup_node *node);
void sup_strategy_resume(struct sup_tree *tree, struct sup_node *supervisor);
void sup_strategy_next_queued(struct sup_tree *tree, struct sup_node *supervisor);
void sup_strategy_round_launch(struct sup_tree *tree, struct sup_node *supervisor);
void sup_strategy_leave_round(struct sup_tree *tree, struct sup_node *node);
/* Pause, queue and round of ${supervisor}, and of those below it that are not being stopped yet. */
void sup_strategy_drop(struct sup_tree *tree, struct sup_node *supervisor);
void sup_strategy_enqueue(struct sup_tree *tree, struct sup_node *node);
void sup_strategy_dequeue(struct sup_node *node);
/* A natural end that is not followed by a restart. */
void sup_strategy_natural_end(struct sup_tree *tree, struct sup_node *supervisor, bool significant,
                              struct sup_outcome outcome);

/* --- dependencies.c -------------------------------------------------------------------------- */

/* Make the edges of ${node} from its spec; names that are not there are left out. 0 or -ENOMEM. */
int sup_edges_make(struct sup_tree *tree, struct sup_node *node);
struct sup_edge *sup_edge_find(const struct sup_node *node, const struct sup_node *dependency);
struct sup_edge *sup_edge_make(struct sup_node *node, struct sup_node *dependency); /* or find */
void sup_edge_drop(struct sup_edge *edge);
void sup_edges_drop_needs(struct sup_node *node);
/* It is nobody's dependency any more; wakes those that waited for it. */
void sup_edges_drop_needed_by(struct sup_tree *tree, struct sup_node *node);
/* Is ${dependency} as those that are after it want it? */
bool sup_is_satisfied(const struct sup_node *dependency);
/* The first of what ${node} is after that is not ready, or NULL. */
struct sup_node *sup_unready_dependency(const struct sup_node *node);
void sup_dependents_wake(struct sup_tree *tree,
                         struct sup_node *node); /* it got ready, or is no obstacle */
/* The last of those after ${node} that stops and is still alive, or NULL. */
struct sup_node *sup_stopping_dependent(const struct sup_node *node);
/* Restart those that restart with ${node}, which was launched again by itself. */
void sup_followers_restart(struct sup_tree *tree, struct sup_node *node);
/* Mark ${node} and all that restart with it, live ones only, for a restart that was asked for. */
void sup_followers_mark(struct sup_tree *tree, struct sup_node *node, enum sup_cause cause);
/* The same, but not ${node}, which was done and is started again. */
void sup_followers_mark_alone(struct sup_tree *tree, struct sup_node *node);
/* Mark the live dependents of ${node} (all levels): they stop first and wait for it. */
void sup_dependents_mark(struct sup_tree *tree, struct sup_node *node);
/* Ask all siblings of ${node} that are marked and free, last first. */
void sup_siblings_ask(struct sup_tree *tree, struct sup_node *supervisor);

/* --- schedule.c ------------------------------------------------------------------------------ */

bool sup_node_is_timer(const struct sup_node *node);
/* It is called, by its time or by a connection, and waits between its runs. */
bool sup_node_is_called(const struct sup_node *node);
/* ... and does so now. */
bool sup_node_rests(const struct sup_node *node);
enum sup_cause sup_rest_cause(const struct sup_node *node);
void sup_activation_came(struct sup_tree *tree, const struct sup_input *input);
/* It is up: from now on times come, and others need not wait for it. */
void sup_schedule_begin(struct sup_tree *tree, struct sup_node *node);
/* Nothing of a run goes on: wait for the next, or run the one that waits. */
void sup_schedule_rest(struct sup_tree *tree, struct sup_node *node);
/* The deadline of the schedule. */
void sup_schedule_due(struct sup_tree *tree, struct sup_node *node);
void sup_schedule_set(struct sup_tree *tree, const struct sup_input *input);
/* It is down; begun again, it goes on where it would be. */
void sup_schedule_clear(struct sup_tree *tree, struct sup_node *node);
/* It is stopped: no run is due any more, and begun again it is a new one. */
void sup_schedule_forget(struct sup_tree *tree, struct sup_node *node);
/* A reload has given ${node} another declaration than ${former}. */
void sup_schedule_changed(struct sup_tree *tree, struct sup_node *node,
                          const struct sup_spec *former);

/* --- membership.c ---------------------------------------------------------------------------- */

struct sup_node *sup_child_find(const struct sup_tree *tree, const struct sup_node *supervisor,
                                const char *name);
/* ${record} and all below as a child of ${parent} (NULL: the root), not started. NULL: no
   memory. */
struct sup_node *sup_node_create(struct sup_tree *tree, struct sup_node *parent,
                                 struct sup_form *form, const struct sup_form_node *record);
/* As above, but its place among the siblings is not yet taken and its own edges are not made. */
struct sup_node *sup_node_prepare(struct sup_tree *tree, struct sup_node *parent,
                                  struct sup_form *form, const struct sup_form_node *record);
void sup_node_destroy(struct sup_tree *tree, struct sup_node *node); /* with all below */
/* The window and the pauses that a spec needs, allocated before a reload touches anything. */
struct sup_rings {
    int64_t *window_times;
    int64_t *pause_times;
};
int sup_rings_alloc(const struct sup_spec *spec, struct sup_rings *rings); /* 0 or -ENOMEM */
void sup_rings_free(struct sup_rings *rings);
bool sup_rings_fit(const struct sup_spec *from, const struct sup_spec *to);
/* ${node} is from now on declared by ${record}; ${rings} (NULL: the old ones fit) become its
   own. */
void sup_node_adopt(struct sup_node *node, struct sup_form *form,
                    const struct sup_form_node *record, struct sup_rings *rings);
void sup_node_enter(struct sup_tree *tree,
                    struct sup_node *node); /* takes its place: last, by name */
struct sup_node *sup_node_blank(void);      /* only its lists are made; NULL: no memory */
void sup_node_free(struct sup_node *node);  /* memory only; of no list, no table */
int sup_names_reserve(struct sup_tree *tree, uint32_t nodes);
void sup_name_insert(struct sup_tree *tree, struct sup_node *node);
void sup_name_remove(struct sup_tree *tree, struct sup_node *node);
/* Take ${node} out of the tree; it lives on among the leaving until its instances have ended.
** detach marks it as being stopped, let_go asks it: those that leave together are all detached
** before the first is let go, so that dependents end first. */
void sup_node_detach(struct sup_tree *tree, struct sup_node *node, enum sup_cause cause);
void sup_node_let_go(struct sup_tree *tree, struct sup_node *node);
void sup_node_remove(struct sup_tree *tree, struct sup_node *node, enum sup_cause cause);
/* A removed node, or one above it, may have nothing alive any more: bury it. */
void sup_node_bury_if_over(struct sup_tree *tree, struct sup_node *node);
void sup_graves_empty(struct sup_tree *tree);

/* --- command.c ------------------------------------------------------------------------------- */

void sup_command_start(struct sup_tree *tree, const struct sup_input *input);
void sup_command_stop(struct sup_tree *tree, const struct sup_input *input);
void sup_command_add(struct sup_tree *tree, const struct sup_input *input);
void sup_command_remove(struct sup_tree *tree, const struct sup_input *input);
void sup_command_start_node(struct sup_tree *tree, const struct sup_input *input);
void sup_command_stop_node(struct sup_tree *tree, const struct sup_input *input);
void sup_command_restart_node(struct sup_tree *tree, const struct sup_input *input);
void sup_waiter_add(struct sup_tree *tree, const struct sup_input *input, struct sup_node *node,
                    enum sup_goal goal);
struct sup_waiter *sup_waiter_create(struct sup_tree *tree, struct sup_node *node);
void sup_waiters_check(struct sup_tree *tree, struct sup_node *node);
void sup_waiter_release(struct sup_tree *tree, struct sup_waiter *waiter,
                        enum sup_reply_status status);
void sup_waiter_discard(struct sup_tree *tree, struct sup_waiter *waiter); /* without an answer */
void sup_waiters_release_down(struct sup_tree *tree, struct sup_node *node);
void sup_waiters_release_all(struct sup_tree *tree, struct sup_node *node); /* it is gone */

/* --- reload.c -------------------------------------------------------------------------------- */

void sup_reload_command(struct sup_tree *tree, const struct sup_input *input);
/* After each input: begin what waited for a round, roll back what is sick. */
void sup_reload_progress(struct sup_tree *tree);
/* It is given up, or stuck. */
void sup_reload_out_of_reach(struct sup_tree *tree, struct sup_node *node);
void sup_reload_stop(struct sup_tree *tree);   /* the tree stops: answer what waits, free */
void sup_reload_finish(struct sup_tree *tree); /* free what it holds */

/* --- probation.c ----------------------------------------------------------------------------- */

struct sup_changes;

/* ${node}, and what is below it, is new or changed. ${until_ns}: the end so far, made later; NULL:
   it is only waited for, and may fail. */
void sup_probation_put(struct sup_tree *tree, struct sup_node *node, int64_t *until_ns);
/* Until ${until_ns} a failure takes the reload back to ${former}. */
void sup_probation_begin(struct sup_tree *tree, struct sup_form *former, int64_t until_ns);
/* That of the reload before: ${changes} is to be judged instead. */
void sup_probation_end(struct sup_tree *tree, const struct sup_changes *changes);
void sup_probation_drop(struct sup_tree *tree); /* there is nothing to go back to any more */
void sup_probation_over(struct sup_tree *tree);
void sup_probation_launched(struct sup_tree *tree, struct sup_node *node);
/* A counted failure of ${node}. True: it is on probation, and a rollback will follow instead. */
bool sup_probation_failed(struct sup_tree *tree, struct sup_node *node, struct sup_outcome outcome,
                          const char *text);
/* Nobody need wait for ${node} any more: it is ready, done, stopped by a person or gone. */
void sup_probation_settled(struct sup_tree *tree, struct sup_node *node);

#endif
