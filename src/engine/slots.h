/*
** engine/slots.h: what the engine keeps for each service: one small slot per node, found by the
** node's index, never moved. Must not know what drivers do with it.
**
** Memory is reserved before an input makes nodes: performing an effect needs none.
*/
#ifndef SUP_ENGINE_SLOTS_H
#define SUP_ENGINE_SLOTS_H

#include "base/heap.h"
#include "core/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the timer of a slot is set for. LADDER: the next signal of its stop. */
enum sup_watch {
    SUP_WATCH_NONE,
    SUP_WATCH_DELAY,
    SUP_WATCH_FILE,
    SUP_WATCH_LADDER,
    SUP_WATCH_PROBE, /* no timer: see `probe` */
};

struct sup_probe;
struct sup_slot_health;
struct sup_thread;
struct sup_thread_output;

struct sup_slot {
    sup_token node;               /* 0: free */
    uint64_t instance;            /* the last that was launched, as the core numbers it */
    int64_t launched_ns;          /* when it was, by the keeper's word; 0: not yet */
    int64_t ended_ns;             /* when it ended; 0: it has not */
    uint64_t plan_print;          /* what the keeper has been told to start; 0: nothing */
    uint32_t plan_rank;           /* the place in a stop without host that it was told */
    struct sup_timer watch_timer; /* in sup_engine::watches */
    struct sup_slot *failed_next; /* in sup_engine::failed */
    uint64_t plan_offset;         /* while a plan set is made: its record in it */
    int64_t asked_ns;             /* when it was asked to stop */
    uint64_t file_inode; /* file condition: what stood there before the launch; 0: nothing */
    int64_t file_changed_ns;
    uint64_t output_floor;            /* how much output there was before the launch */
    struct sup_probe *probe;          /* of its readiness; NULL: none is open. Set with the mutex */
    struct sup_slot_health *health;   /* of engine/health.c; NULL: nobody looks. With the mutex */
    struct sup_thread *thread;        /* of the instance; NULL: a process, or none */
    struct sup_thread_output *output; /* thread services; NULL: not known yet */
    const char *failed_text;          /* of a launch that the driver refused: constant, or ... */
    char *failed_own;                 /* ... this one; NULL: none */
    int32_t failed_code;              /* errno or 0 */
    uint32_t generation;
    uint32_t former; /* the last generation before that ran; 0: none, or of a former host */
    int32_t pid;     /* 0: none, or unknown */
    int pidfd;       /* owned; -1: none */
    enum sup_kind kind;
    enum sup_watch watch;
    int notify;                      /* owned; -1: nobody says how it is */
    int ready_line;                  /* owned; a line in it says that it is ready; -1: none */
    struct sup_timer watchdog_timer; /* in sup_engine::watchdogs */
    uint32_t ladder_step;            /* of its stop, that comes next */
    uint64_t folder;                 /* of its cgroup, in sup_engine::cgroups; 0: none */
    uint32_t limits_off;             /* bits of enum sup_plan_cgroup_item: they do not hold */
    int limits_why;                  /* enum sup_limits_why of the first, and its errno */
    int limits_error;
    bool failed;           /* waits in sup_engine::failed */
    bool failed_resources; /* for lack of resources */
    bool launching;        /* said to the driver, which has not answered yet */
    bool live;             /* launched, not ended */
    bool wants_output;     /* the keeper has been asked for it */
    bool killed;           /* the kill was sent */
    bool exiting;          /* the main process has ended, `after_exit` runs */
    int32_t exit_status;   /* with `exiting`: its wait status */
};

struct sup_slots {
    struct sup_slot **chunks; /* of SUP_SLOT_CHUNK slots */
    size_t chunk_count;
    size_t top; /* indices ever used */
};

#define SUP_SLOT_CHUNK 64

void sup_slots_finish(struct sup_slots *slots); /* closes pidfds; zeroed: harmless */

/* Make room for ${more} nodes beyond those that were seen. Returns 0 or -ENOMEM. */
int sup_slots_reserve(struct sup_slots *slots, size_t more);

/* How many slots there are; walk them by index. */
size_t sup_slots_room(const struct sup_slots *slots);
struct sup_slot *sup_slots_at(const struct sup_slots *slots, size_t index); /* NULL: beyond */

/* The slot of ${node}; NULL: none has been taken, or a later node has its index. */
struct sup_slot *sup_slots_find(const struct sup_slots *slots, sup_token node);

/* The slot of ${node}, taken for it when needed. NULL: beyond what was reserved, and no memory. */
struct sup_slot *sup_slots_take(struct sup_slots *slots, sup_token node);

/* Its launch is refused for the reason ${text}, which is copied. */
void sup_slot_explain(struct sup_slot *slot, const char *text);

/* Empty ${slot}; its descriptors are closed. Its timers must not be set. */
void sup_slot_clear(struct sup_slot *slot);

#endif
