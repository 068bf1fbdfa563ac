/*
** api_stops.c: stop callbacks of services, each on a thread of the library: a callback that blocks
** holds up its own service and nobody else. Must not know what is stopped.
**
** Threads come when they are needed: one that takes a call while others wait starts the next one
** first. So there are as many as callbacks that block, and a few. They go when nothing came for a
** second.
*/
#include "api_inside.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static struct {
    pthread_mutex_t mutex; /* around all of it, and the states of the calls */
    pthread_cond_t came;   /* a call */
    pthread_cond_t over;   /* a call has returned */
    struct sup_stop_call *first, *last;
    unsigned idle;     /* threads that wait for a call */
    unsigned starting; /* threads that will look for one */
} stops = {
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .came = PTHREAD_COND_INITIALIZER,
    .over = PTHREAD_COND_INITIALIZER,
};

static _Thread_local bool here;

bool sup_stop_call_is_here(void)
{
    return here;
}

/* --- forked processes ------------------------------------------------------------------------- */

static void lock_stops(void)
{
    pthread_mutex_lock(&stops.mutex);
}

static void unlock_stops(void)
{
    pthread_mutex_unlock(&stops.mutex);
}

/* No thread came along. */
static void begin_anew(void)
{
    pthread_mutex_init(&stops.mutex, NULL);
    pthread_cond_init(&stops.came, NULL);
    pthread_cond_init(&stops.over, NULL);
    stops.first = stops.last = NULL;
    stops.idle = stops.starting = 0;
}

static void watch_forks(void)
{
    pthread_atfork(lock_stops, unlock_stops, begin_anew);
}

/* --- the threads ------------------------------------------------------------------------------ */

/* With the mutex held. False: nothing came for a second. */
static bool await_call(void)
{
    struct timespec until;
    int r = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    stops.idle++;
    while (stops.first == NULL && r != ETIMEDOUT)
        r = pthread_cond_timedwait(&stops.came, &stops.mutex, &until);
    stops.idle--;
    return stops.first != NULL;
}

static struct sup_stop_call *take_first(void)
{
    struct sup_stop_call *call = stops.first;
    stops.first = call->next;
    if (stops.first == NULL) stops.last = NULL;
    call->next = NULL;
    call->state = SUP_STOP_CALL_RUNS;
    return call;
}

static void start_if_needed(void);

static void *run_thread(void *unused)
{
    here = true;
    lock_stops();
    stops.starting--;
    while (stops.first != NULL || await_call()) {
        struct sup_stop_call *call = take_first();
        start_if_needed();
        unlock_stops();
        call->stop(call->data);
        lock_stops();
        call->state = SUP_STOP_CALL_OVER;
        pthread_cond_broadcast(&stops.over);
    }
    unlock_stops();
    return unused;
}

/* With the mutex held. Without room for a thread, the flag in the context has to do, and those
   threads that there are. */
static void start_if_needed(void)
{
    pthread_attr_t attributes;
    pthread_t id;
    if (stops.first == NULL || stops.starting > 0 || stops.idle > 0) return;
    if (pthread_attr_init(&attributes) != 0) return;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&id, &attributes, run_thread, NULL) == 0) stops.starting++;
    pthread_attr_destroy(&attributes);
}

/* --- calls ------------------------------------------------------------------------------------ */

void sup_stop_call_put(struct sup_stop_call *call)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    lock_stops();
    call->was_put = true;
    call->state = SUP_STOP_CALL_WAITS;
    if (stops.last == NULL) stops.first = call;
    else stops.last->next = call;
    stops.last = call;
    pthread_cond_signal(&stops.came);
    start_if_needed();
    unlock_stops();
}

static void take_back(struct sup_stop_call *call)
{
    struct sup_stop_call **link = &stops.first, *before = NULL;
    while (*link != call) {
        before = *link;
        link = &before->next;
    }
    *link = call->next;
    if (stops.last == call) stops.last = before;
    call->state = SUP_STOP_CALL_OVER;
}

void sup_stop_call_finish(struct sup_stop_call *call)
{
    if (!call->was_put) return;
    lock_stops();
    bool is_mine = call->state == SUP_STOP_CALL_WAITS;
    if (is_mine) take_back(call);
    while (call->state == SUP_STOP_CALL_RUNS) pthread_cond_wait(&stops.over, &stops.mutex);
    unlock_stops();
    if (is_mine) call->stop(call->data);
}
