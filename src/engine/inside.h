/*
** engine/inside.h: the inside of the engine; only files of src/engine include it.
**
** Who does what:
**   host.c       the process `suptree host`: set-up, run, end
**   recovery.c   HELLO: what the keeper holds, the journal, and squaring the two
**   loop.c       the libuv loop: one poll on the keeper, one timer, the heartbeat
**   apply.c      one input: journal, core, effects, confirmation
**   inbox.c      inputs and answers of other threads
**   process.c    the process driver, by way of the keeper; ladder.c the later signals of a stop
**   door.c       services' own threads in the core; notes.c what is told of that
**   thread.c     the thread driver; workers.c the OS threads, crash.c their faults
**   config.c     the configuration that runs and those before it, for the next host
**   library.c    the engine in a program of somebody else's; handle*.c its supervisors, mailbox.c
**   orphan.c     the keeper is gone: stopping over pidfds
**   notify.c     what processes say of themselves; said.c keeps it, watchdog.c waits for it
**   listeners.c  the sockets of services; listen.c opens one, activation.c waits for callers
**   ready.c      conditions of readiness
**   probe.c      the engine's end of the prober; prober.c its thread, look.c and tail.c one look
**   health.c     is what runs well?
**   limits.c     limits of cgroups that do not hold
**   outside.c    one service, for those outside: a signal, how it is started
**   tell.c       events to people and programs; narrate.c, output.c
**   link.c recorder.c plans.c slots.c tap.c   the parts they stand on
*/
#ifndef SUP_ENGINE_INSIDE_H
#define SUP_ENGINE_INSIDE_H

#include "base/heap.h"
#include "base/list.h"
#include "core/tree.h"
#include "engine/config.h"
#include "engine/door.h"
#include "engine/engine.h"
#include "engine/host.h"
#include "engine/inbox.h"
#include "engine/library.h"
#include "engine/link.h"
#include "engine/listeners.h"
#include "engine/output.h"
#include "engine/plans.h"
#include "engine/prober.h"
#include "engine/recorder.h"
#include "engine/said.h"
#include "engine/slots.h"
#include "engine/tap.h"
#include "engine/workers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define SUP_ENGINE_BATCH 32 /* effects taken from the core at a time */

/*
** What a kind of service is run by. Every function performs one effect and must not block, apply
** inputs, or need memory; ${slot} is the node's. A driver that cannot launch says so with
** sup_engine_refuse.
*/
struct sup_driver {
    /* Before the effects of a batch are performed; NULL: nothing to prepare. */
    void (*prepare)(struct sup_engine *engine, const struct sup_effect *batch, size_t count);
    void (*launch)(struct sup_engine *engine, struct sup_slot *slot,
                   const struct sup_effect *effect);
    void (*interrupt)(struct sup_engine *engine, struct sup_slot *slot,
                      const struct sup_effect *effect);
    void (*kill)(struct sup_engine *engine, struct sup_slot *slot, const struct sup_effect *effect);
    void (*abandon)(struct sup_engine *engine, struct sup_slot *slot,
                    const struct sup_effect *effect);
    void (*update)(struct sup_engine *engine, struct sup_slot *slot,
                   const struct sup_effect *effect);
    void (*forget)(struct sup_engine *engine, struct sup_slot *slot,
                   const struct sup_effect *effect);
    /* An event of a service that it runs was told; NULL: it need not know. */
    void (*note)(struct sup_engine *engine, struct sup_slot *slot, const struct sup_effect *effect);
};

extern const struct sup_driver sup_process_driver;
extern const struct sup_driver sup_thread_driver;

struct sup_thread_driver {
    const struct sup_thread_ops *ops; /* NULL: this host cannot run threads */
    struct sup_workers *workers;      /* NULL: none has been needed yet */
    struct sup_list killed;           /* of sup_thread::kill_link */
    int64_t repeat_ns;                /* when those are signalled again */
    bool safe_mode;                   /* nothing is launched */
    bool restoring;                   /* a former host's journal is replayed */
    bool output_lost;                 /* it has been said that some have no output */
};

/* Where processes are heard. */
struct sup_ears {
    uv_poll_t poll; /* of the next; there is none until a process has something to say */
    int epoll;      /* of all sup_slot::notify and ready_line; -1: none */
    int copy[2];    /* a pipe, to look at what stands in another; -1: none yet */
};

struct sup_engine {
    /* Around tree, slots, journal: held while they change, or by readers. Who may change them when
       is said by the door. */
    pthread_mutex_t mutex;
    struct sup_door door;
    struct sup_tree *tree;
    struct sup_slots slots;
    const char *name;                          /* of the tree */
    struct sup_facts facts;                    /* set while it begins */
    void (*reload_asked)(void *context);       /* see host.h; NULL: nobody can */
    void *context;                             /* of reload_asked */
    const struct sup_library_options *library; /* NULL: this is a host; see library.h */
    int64_t now_ns;                            /* of the batch under way */
    int64_t wall_offset_ns;                    /* CLOCK_REALTIME - CLOCK_MONOTONIC */
    bool clock_was_set;                        /* that has changed */
    bool schedule_asked;                       /* a timer wants to know its next time */

    struct sup_recorder recorder;
    struct sup_config config;
    struct sup_link link;
    struct sup_listeners listeners;
    struct sup_inbox inbox;
    struct sup_heap watches;   /* of sup_slot::watch_timer: conditions of readiness */
    struct sup_prober *prober; /* NULL: nothing has needed it yet */
    struct sup_ears ears;
    struct sup_said_table said;
    struct sup_heap watchdogs; /* of sup_slot::watchdog_timer */
    struct {
        void (*ask)(void *context, sup_token node, uint64_t instance); /* NULL: there is none */
        void *context;
    } judge; /* see engine.h */
    struct sup_output lines, events;
    struct sup_tap tap;
    int cgroups; /* the folder of the services' cgroups; -1: there is none */
    int rings;   /* of last output; -1: there are none */
    const struct sup_driver *drivers[SUP_KIND_COUNT]; /* NULL: this host cannot run the kind */

    /* process driver */
    struct sup_plan_env plan_env;
    int32_t plan_number; /* of the last set; unlike those of former hosts */
    bool planned_all;    /* the whole tree has been planned once by this host */

    struct sup_thread_driver threads;

    /* effects */
    struct sup_effect batch[SUP_ENGINE_BATCH];
    size_t batch_count;
    uint64_t done_seq;       /* the last effect that was performed */
    struct sup_slot *failed; /* slots whose launch the driver refused; last in, first out */
    uint64_t told_lines, told_events; /* a former host has told the effects up to these */
    int64_t
        journal_retry_ns; /* when a journal that cannot be continued is tried again; 0: it can */

    /* recovery */
    struct sup_recorder_bases bases;
    uint32_t limits_said; /* bits of enum sup_limits_why: a person knows */
    size_t leftovers;     /* instances of a tree that is lost, which are being killed */
    int64_t leftovers_ns; /* how long they are waited for */
    bool start_due;       /* START is to be applied once they are gone */

    /* stopping */
    int32_t stop_signal; /* the keeper's STOP, to be applied in its turn; 0: none */
    int32_t stop_count;
    bool stopping;          /* progress lines are due */
    int64_t progress_ns;    /* when the next one is */
    int kept_output;        /* a library's: as long as it is open, suptree-log goes on; -1 */
    int births;             /* struct sup_birth of the keeper's processes; -1: there are none */
    bool orphaned;          /* the keeper is gone */
    int orphan_epoll;       /* pidfds; -1: none */
    int orphan_patience_ms; /* to wait for statuses that whoever reaps now still holds */

    /* loop */
    uv_loop_t uv;
    uv_poll_t keeper_poll;
    uv_poll_t orphan_poll;
    uv_poll_t activation_poll;
    uv_async_t wake;
    uv_timer_t deadline;
    uv_timer_t listen; /* while the door listens */
    uv_timer_t heartbeat;
    int polled_events;
    int64_t armed_ns; /* what `deadline` is set to; SUP_INFINITY_NS: it is not */
    bool loop_open;
    bool ended;         /* the tree has, and it has been said */
    bool said_shortage; /* of descriptors */
    int code;           /* what to exit with */
};

/* --- host.c ----------------------------------------------------------------------------------- */

/* Everything but the tree. Returns 0 or -errno; finish is right either way. */
int sup_engine_init(struct sup_engine *engine, const struct sup_host_options *options);
/* Returns how many threads did not stop and are left behind. */
size_t sup_engine_finish(struct sup_engine *engine);
/* The tree has ended: say what is left to say, to the keeper too. Returns the exit code. */
int sup_engine_end(struct sup_engine *engine);

/* --- apply.c ---------------------------------------------------------------------------------- */

int64_t sup_engine_clock(void);
/* The engine thread has something to do: shut the door, catch up, and look at the clock: the
   time of what is applied from here on, until the instant is settled. */
void sup_engine_tick(struct sup_engine *engine);

/* Journal and apply one input, perform its effects. Must not be called while effects are
   performed. */
void sup_engine_apply(struct sup_engine *engine, const struct sup_input *input);

/* Perform ${count} effects in order. */
void sup_engine_perform(struct sup_engine *engine, const struct sup_effect *batch, size_t count);
/* Perform all that the tree has. */
void sup_engine_perform_pending(struct sup_engine *engine);

/* The slot of ${node}, taken under the mutex when it has none. NULL: no memory. */
struct sup_slot *sup_engine_slot(struct sup_engine *engine, sup_token node, enum sup_kind kind);

/* Room for the nodes that ${blob} declares, beyond those that are there. 0 or -ENOMEM. */
int sup_engine_reserve(struct sup_engine *engine, const void *blob, size_t size);

/* The launch of ${slot}'s instance is refused; becomes a fact when the effects are done.
   ${text}: constant. */
void sup_engine_refuse(struct sup_engine *engine, struct sup_slot *slot, int code, bool resources,
                       const char *text);

/* Apply what refusals are waiting. */
void sup_engine_apply_refusals(struct sup_engine *engine);

/* Write out, confirm what has been performed. Inside or not. */
void sup_engine_flush(struct sup_engine *engine);
/* The same, and begin a new journal when one is due. */
void sup_engine_commit(struct sup_engine *engine);

/* Begin a new journal with a snapshot and room for at least ${records} bytes of inputs, and
   give it to the keeper. 0 or -errno: the old one goes on. */
int sup_engine_snapshot(struct sup_engine *engine, size_t records);

/* --- process.c -------------------------------------------------------------------------------- */

/* A message of the keeper about an instance: SPAWNED, SPAWN_FAILED, EXIT. ${fd} is taken over. */
void sup_process_fact(struct sup_engine *engine, const struct sup_wire *message, int fd);
/* Everything of ${instance} stands in the journal: the keeper may forget it. Wire number. */
void sup_process_acknowledge(struct sup_engine *engine, uint64_t wire_instance);
struct sup_outcome sup_process_outcome(int wait_status);
/* Send a signal that is no effect of the core to the slot's instance: never a repeat. */
void sup_process_signal(struct sup_engine *engine, struct sup_slot *slot, int signal);

/* It has said that it goes on in the process ${pid}, one of its own, when its present one ends. */
void sup_process_claim(struct sup_engine *engine, struct sup_slot *slot, int32_t pid);

/* --- ladder.c --------------------------------------------------------------------------------- */

/* The slot's instance was asked to stop at ${asked_ns}: the next signals are to follow. */
void sup_ladder_begin(struct sup_engine *engine, struct sup_slot *slot, int64_t asked_ns);
/* The time of the slot's timer has come. */
void sup_ladder_check(struct sup_engine *engine, struct sup_slot *slot);

/* --- limits.c --------------------------------------------------------------------------------- */

/* The keeper says which limits of the slot's instance do not hold. */
void sup_limits_note(struct sup_engine *engine, const struct sup_wire *message);
/* The same of a start that failed for it: "memory_max does not hold: …". */
void sup_limits_failure(const struct sup_wire *message, char *buf, size_t size);

/* --- thread.c --------------------------------------------------------------------------------- */

/* ${ops} NULL: no thread can be launched. */
void sup_thread_init(struct sup_engine *engine, const struct sup_thread_ops *ops);
/* Ends the parked threads. Returns how many did not stop and are left behind. */
size_t sup_thread_finish(struct sup_engine *engine);
/* Take the news of the threads as facts, signal again who is being killed. */
void sup_thread_check(struct sup_engine *engine);
int64_t sup_thread_deadline(const struct sup_engine *engine); /* SUP_INFINITY_NS: none */
/* The keeper sent the output of ${node}; ${fd} is taken over, -1: there is none. */
void sup_thread_output_came(struct sup_engine *engine, sup_token node, int fd);

/* --- orphan.c --------------------------------------------------------------------------------- */

/* The keeper is gone: stop the tree over the pidfds. */
void sup_orphan_begin(struct sup_engine *engine);
void sup_orphan_signal(struct sup_engine *engine, struct sup_slot *slot, int signal, bool group);
void sup_orphan_finish(struct sup_engine *engine);

/* --- activation.c --------------------------------------------------------------------------- */

/* Listen for services that wait for a connection, where that was asked for or is due. */
void sup_activation_check(struct sup_engine *engine);
int64_t sup_activation_deadline(const struct sup_engine *engine); /* SUP_INFINITY_NS: none */

/* --- ready.c ---------------------------------------------------------------------------------- */

/* The slot's instance was launched at ${launched_ns}: watch its condition if it has one to
   watch. */
void sup_ready_begin(struct sup_engine *engine, struct sup_slot *slot, const struct sup_spec *spec);
/* Remember what stands at the path of a file condition, or in the output, before the launch. */
void sup_ready_prepare(struct sup_engine *engine, struct sup_slot *slot,
                       const struct sup_spec *spec);
/* The slot's instance runs: watch the condition if it is still open. After a death of the host it
   may hold already. */
void sup_ready_watch(struct sup_engine *engine, struct sup_slot *slot);
/* A reload may have given the slot's node another condition: watch that one. */
void sup_ready_changed(struct sup_engine *engine, struct sup_slot *slot);
void sup_ready_cancel(struct sup_engine *engine, struct sup_slot *slot);
/* Check what is due at engine->now_ns; applies READY facts. */
void sup_ready_check(struct sup_engine *engine);
int64_t sup_ready_deadline(const struct sup_engine *engine); /* SUP_INFINITY_NS: none */

/* --- probe.c ---------------------------------------------------------------------------------- */

/* Before the launch: what is in the output by then is of others. */
void sup_probe_prepare(struct sup_engine *engine, struct sup_slot *slot);
/* Look from outside whether the condition of the slot's instance holds. False: it cannot be done,
   and it has been said. */
bool sup_probe_begin(struct sup_engine *engine, struct sup_slot *slot,
                     const struct sup_ready *ready);
void sup_probe_cancel(struct sup_engine *engine, struct sup_slot *slot);
/* Take what has been found out; applies READY and UNHEALTHY facts. */
void sup_probe_check(struct sup_engine *engine);
/* NULL: it cannot be done, and it has been said. */
struct sup_probe *sup_probe_open(struct sup_engine *engine, const struct sup_probe_order *order);
/* What the slot's instance must do to be ready, and why that does not hold yet, as far as that is
   known. Returns ${buf}. The engine thread, or who has the mutex. */
const char *sup_probe_why(const struct sup_engine *engine, const struct sup_slot *slot,
                          const struct sup_spec *spec, char *buf, size_t size);
/* The keeper says how a command went that was asked for. */
void sup_probe_ran(struct sup_engine *engine, const struct sup_wire *message);

/* --- health.c --------------------------------------------------------------------------------- */

/* The health of an instance, while somebody looks after it. */
struct sup_slot_health {
    struct sup_probe *probe;
    bool known, holds;
    bool told; /* the core knows that it is not well */
    uint32_t failures;
    int64_t at_ns, since_ns;
    char text[SUP_LOOK_TEXT];
};

/* The slot's instance may be ready: look after it from now on, if it is. */
void sup_health_begin(struct sup_engine *engine, struct sup_slot *slot);
void sup_health_end(struct sup_engine *engine, struct sup_slot *slot);
/* News of its probe. */
void sup_health_take(struct sup_engine *engine, struct sup_slot *slot,
                     const struct sup_probe_news *news);
/* Its probe wants a function to be asked. */
void sup_health_ask(struct sup_engine *engine, struct sup_slot *slot);

/* --- notify.c --------------------------------------------------------------------------------- */

void sup_notify_init(struct sup_engine *engine);
void sup_notify_finish(struct sup_engine *engine);
/* EAR came; ${fd} is taken over, -1: it was lost. */
void sup_notify_open(struct sup_engine *engine, const struct sup_wire *message, int fd);
/* Hear what the slot's instance has said and nobody has heard yet; applies inputs. */
void sup_notify_hear(struct sup_engine *engine, struct sup_slot *slot);
/* The slot's instance is over. */
void sup_notify_close(struct sup_engine *engine, struct sup_slot *slot);

/* --- watchdog.c ------------------------------------------------------------------------------- */

/* The slot's instance is ready, or runs on in a new host, or has another period: from now on it
   must be heard, if it has a watchdog and is ready. */
void sup_watchdog_begin(struct sup_engine *engine, struct sup_slot *slot);
void sup_watchdog_fed(struct sup_engine *engine, struct sup_slot *slot);
/* It has said that it ends: it has the time of a stop for that. */
void sup_watchdog_farewell(struct sup_engine *engine, struct sup_slot *slot);
/* It need not be heard within the next ${ns}. */
void sup_watchdog_extend(struct sup_engine *engine, struct sup_slot *slot, int64_t ns);
void sup_watchdog_end(struct sup_engine *engine, struct sup_slot *slot);
/* Tell the core, ${why}. */
void sup_watchdog_bite(struct sup_engine *engine, struct sup_slot *slot, const char *why);
void sup_watchdog_check(struct sup_engine *engine);             /* what is due at engine->now_ns */
int64_t sup_watchdog_deadline(const struct sup_engine *engine); /* SUP_INFINITY_NS: none */

/* --- calendar.c ------------------------------------------------------------------------------ */

/* Tell timers their next time, when one has asked or the clock was set. */
void sup_calendar_check(struct sup_engine *engine);

/* --- tell.c ----------------------------------------------------------------------------------- */

/* An event and what its telling needs beside it. */
struct sup_tale {
    const struct sup_effect *batch; /* it, and those around it */
    size_t count, at;
    struct sup_told told;
    enum sup_kind kind;
    bool is_root;
    bool has_condition; /* of readiness */
    int32_t pid;        /* 0: none or unknown */
    int64_t ran_ns;     /* negative: unknown */
};

/* Tell it to people and programs. Needs neither tree nor slots. */
void sup_tell_event(struct sup_engine *engine, const struct sup_tale *tale);
/* Tell the event ${batch}[${at}] as the tree and the slots stand. */
void sup_tell_effect(struct sup_engine *engine, const struct sup_effect *batch, size_t count,
                     size_t at);
/* A line of the engine's own. */
__attribute__((format(printf, 2, 3))) void sup_tell_line(struct sup_engine *engine,
                                                         const char *format, ...);
/* Whom a stop waits for, and until when. */
void sup_tell_progress(struct sup_engine *engine);
/* What is left of a tree that has ended. */
void sup_tell_unstopped(struct sup_engine *engine);

/* --- recovery.c ------------------------------------------------------------------------------- */

/*
** Read HELLO to HELLO_END (blocks, the keeper says it at once) and bring the tree to where it
** was, or begin it. Returns 0, or an exit code with ${err}.
*/
int sup_recovery_run(struct sup_engine *engine, struct sup_err *err);
/* A message about an instance of a tree that is lost. */
void sup_recovery_leftover(struct sup_engine *engine, const struct sup_wire *message);
/* Go on once the leftovers are gone, or were waited for long enough. */
void sup_recovery_progress(struct sup_engine *engine);

/* --- config.c --------------------------------------------------------------------------------- */

/* The keeper held these for a former host, or from the start; both (-1: none) are taken over. */
void sup_config_take(struct sup_engine *engine, int blob, int former);
/* The effects under way say that the configuration was replaced by another one. */
void sup_config_note(struct sup_engine *engine, const struct sup_event *event);
/*
** Give the keeper what the tree runs by now, when that is not what it holds. To be called after
** each input, when its effects have been performed: the journal has the input, so whatever a death
** leaves undone here is done by the next host.
*/
void sup_config_follow(struct sup_engine *engine);
void sup_config_finish(struct sup_engine *engine);

/* --- loop.c ----------------------------------------------------------------------------------- */

int sup_loop_init(struct sup_engine *engine); /* 0 or -errno */
void sup_loop_run(struct sup_engine *engine); /* until the tree has ended */
void sup_loop_wake(void *context);            /* from any thread; ${context}: the engine */
/* Settle the instant engine->now_ns: apply what is due, commit, arm. */
void sup_loop_settle(struct sup_engine *engine);
void sup_loop_finish(struct sup_engine *engine);

#endif
