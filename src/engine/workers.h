/*
** engine/workers.h: the OS threads that instances run on. Must not know the tree, nor what an order
** means.
**
** Engine thread only, unless a function says otherwise. The workers outlive the engine when a
** thread is stuck: then they are left behind with it, and touch nothing else any more.
*/
#ifndef SUP_ENGINE_WORKERS_H
#define SUP_ENGINE_WORKERS_H

#include "base/list.h"
#include "engine/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* Where a service's output goes, shared by those that still write to it. */
struct sup_thread_output {
    _Atomic unsigned users;
    int fd; /* owned; -1: nowhere */
};

struct sup_thread_output *sup_thread_output_create(int fd); /* takes ${fd} over; NULL: no memory */
struct sup_thread_output *sup_thread_output_share(struct sup_thread_output *output);
void sup_thread_output_leave(struct sup_thread_output *output); /* NULL is harmless */

enum sup_thread_news {
    SUP_THREAD_LAUNCHED = 1,
    SUP_THREAD_READY = 2,
    SUP_THREAD_ENDED = 4,
};

enum sup_thread_phase {
    SUP_THREAD_PARKED,
    SUP_THREAD_HELD, /* has an order, must not begin yet */
    SUP_THREAD_BUSY,
    SUP_THREAD_QUITS,
};

/* What the thread does whose end was heard. */
enum sup_thread_next {
    SUP_THREAD_TELLS, /* nobody has heard: it becomes news */
    SUP_THREAD_AGAIN, /* it was renewed: runs again */
    SUP_THREAD_RESTS, /* waits for the next order */
};

/*
** Who hears of the threads. Called on the thread that something has happened to, or for news on any
** thread, until sup_workers_finish; not after. NULL members: never heard, all becomes news.
*/
struct sup_workers_ears {
    void *context;
    void (*wake)(void *context);                                /* news wait; must be quick */
    bool (*launched)(void *context, struct sup_thread *thread); /* false: it becomes news */
    bool (*ready)(void *context, struct sup_thread *thread);
    /* Takes over the text of ${end} when it hears. */
    enum sup_thread_next (*ended)(void *context, struct sup_thread *thread,
                                  struct sup_thread_end *end);
};

struct sup_workers;

struct sup_thread {
    struct sup_list link;      /* sup_workers::parked; engine thread */
    struct sup_list news_link; /* sup_workers::news; its mutex */
    struct sup_list kill_link; /* sup_thread_driver::killed; engine thread */
    struct sup_workers *workers;
    void *data; /* the functions' own */
    pthread_t id;
    _Atomic pid_t tid;   /* 0: has not begun */
    uintptr_t stack_low; /* its own: from here up all is its stack; 0: not known */

    pthread_mutex_t mutex; /* around what follows */
    pthread_cond_t changed;
    enum sup_thread_phase phase;
    char *context; /* owned */
    _Atomic bool asked, killed;
    _Atomic int64_t heard_ns; /* its last heartbeat; 0: none of this instance */

    /* set by the engine thread while it is parked, or by renewing; its own until it has ended */
    sup_token node;
    uint64_t instance;
    struct sup_thread_order order;
    char *room; /* owned: what the order points to */
    struct sup_thread_output *output;

    unsigned news;             /* enum sup_thread_news; mutex of the workers */
    struct sup_thread_end end; /* with SUP_THREAD_ENDED */

    bool leaves; /* its system thread goes with SUP_THREAD_ENDED; the same mutex */

    /* engine thread */
    bool started; /* the system has made it */
    bool idled;   /* at the lowest priority, for ever: not used again */
};

/* NULL: no memory. ${ears} is copied; its context must live until sup_workers_finish has
   returned. */
struct sup_workers *sup_workers_create(const struct sup_thread_ops *ops,
                                       const struct sup_workers_ears *ears);
/* Ends the parked threads. Returns how many did not stop and are left behind. NULL is harmless. */
size_t sup_workers_finish(struct sup_workers *workers);

/*
** A thread that holds a copy of ${order} and does not begin before sup_worker_begin. The newest
** parked one, or one that the system makes only then. Returns 0 or -ENOMEM.
*/
int sup_worker_take(struct sup_workers *workers, const struct sup_thread_order *order,
                    struct sup_thread **thread);
/* Takes ${output} over. Returns 0, or -errno when there is no room for another thread: then the
   thread is gone. */
int sup_worker_begin(struct sup_thread *thread, struct sup_thread_output *output);
/* It was taken, and will not begin. Harmless for one that was parked before. */
void sup_worker_discard(struct sup_thread *thread);
void sup_worker_ask(struct sup_thread *thread);
/* Interrupt it. To be repeated: a signal may come just before a system call begins. */
void sup_worker_kill(struct sup_thread *thread);
/* Take the processor away from a thread that does not listen. */
void sup_worker_idle(struct sup_thread *thread);
void sup_worker_set_context(struct sup_thread *thread, const char *context);

/*
** For an ear, on the thread that it hears. Renew: what has ended, and was not asked to, is to be
** run again, as ${instance}; ${output} is shared. Rest: its end was heard, it waits to be parked.
** Post: this becomes news, as if nobody had heard.
*/
void sup_worker_renew(struct sup_thread *thread, uint64_t instance, uint32_t generation,
                      struct sup_thread_output *output);
void sup_worker_rest(struct sup_thread *thread);
void sup_worker_post(struct sup_thread *thread, unsigned news);

int64_t sup_worker_heard_ns(const struct sup_thread *thread); /* any thread */

/* The next thread with news, which are put into ${news}; NULL: none. */
struct sup_thread *sup_workers_news(struct sup_workers *workers, unsigned *news);
/* Its end has been heard of: it is parked for the next order. */
void sup_worker_park(struct sup_thread *thread);

/* The thread that runs on this OS thread; NULL: another one. Also in a signal handler. */
const struct sup_thread *sup_worker_here(void);

#endif
