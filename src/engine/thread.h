/*
** engine/thread.h: services that run as functions on OS threads, seen by whoever gives the
** functions: src/script for Lua, a C program for its own. The driver (engine/thread.c) owns the
** threads, decides nothing, and knows no language; the functions know nothing of the tree.
**
** One OS thread per live instance, with a stack of 1 MiB and a guard page; threads are parked and
** used again. Stopping: asked (a flag, sup_thread_sleep returns, `ask` is called), and when that
** does not help in time, killed: the signal SUP_THREAD_SIGNAL on that thread, again and again until
** it ends.
*/
#ifndef SUP_ENGINE_THREAD_H
#define SUP_ENGINE_THREAD_H

#include "core/spec.h"
#include "core/tree.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Interrupts system calls on the thread that is killed. By itself it is harmless to everybody. */
#define SUP_THREAD_SIGNAL SIGURG

struct sup_thread; /* an OS thread while it serves an instance */

/* What is to be run; valid until `serve` returns. */
struct sup_thread_order {
    const char *path; /* of the node */
    uint32_t generation;
    uint32_t replica; /* which one of several of the same; 0: it is alone */
    uint64_t number;  /* of this order on this thread: runs that differ in nothing have the same */
    uint64_t memory;  /* most bytes that it may take */
    struct sup_bytes run;
    struct sup_bytes args;
};

/* How it ended. */
struct sup_thread_end {
    struct sup_outcome outcome; /* RETURNED, ERROR, DONE or TERMINATE */
    char *text;                 /* malloc()ed, taken over; NULL: none */
};

struct sup_thread_ops {
    /* On the instance's thread: run it to its end, and leave nothing of it. May block. */
    void (*serve)(struct sup_thread *thread, const struct sup_thread_order *order,
                  struct sup_thread_end *end);
    /* On the engine thread, with the thread's lock held: it is asked to stop. Must be quick.
       NULL: the flag is enough. */
    void (*ask)(struct sup_thread *thread);
    /* In the handler of SUP_THREAD_SIGNAL on the instance's thread: it is killed. NULL: nothing. */
    void (*interrupt)(struct sup_thread *thread);
    /* On the instance's thread, before that ends or is parked for good: drop what is kept for it
       between instances. NULL: nothing is kept. */
    void (*close)(struct sup_thread *thread);
};

/* --- for the functions, on the instance's own thread ------------------------------------------ */

/* Anything that belongs to the functions; NULL for a new thread. */
void sup_thread_set_data(struct sup_thread *thread, void *data);
/* From the thread itself, from `ask`, or from `interrupt`. */
void *sup_thread_data(const struct sup_thread *thread);

/* The lock that `ask` is called with. Held for moments only. */
void sup_thread_lock(struct sup_thread *thread);
void sup_thread_unlock(struct sup_thread *thread);

/* Has it been asked to stop? Never goes back. */
bool sup_thread_is_asked(const struct sup_thread *thread);
/* Is it being killed? */
bool sup_thread_is_killed(const struct sup_thread *thread);

/* The context that the stop was given, "" when none: copied to ${buf}, cut. Returns ${buf}. */
char *sup_thread_context(struct sup_thread *thread, char *buf, size_t size);

/* Wait for ${ns}; true when they are over, false as soon as it is asked to stop. */
bool sup_thread_sleep(struct sup_thread *thread, int64_t ns);

/* It is well (watchdog). Costs next to nothing, never blocks. */
void sup_thread_heartbeat(struct sup_thread *thread);

/* It is ready (s.ready.manual()). Never blocks; nothing happens the second time. */
void sup_thread_ready(struct sup_thread *thread);

/*
** Write to the output of the service. Blocks while its pipe is full, until it is killed. Returns 0,
** -EINTR when it is killed, or -errno; what cannot be kept (no output, nobody reads) is dropped.
*/
int sup_thread_write(struct sup_thread *thread, const void *bytes, size_t size);

#endif
