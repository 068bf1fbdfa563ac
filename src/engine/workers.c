/*
** engine/workers.c: OS threads: made, parked, used again, asked, interrupted. Must not know the
** tree.
*/
#include "engine/workers.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef SUP_SANITIZE_BUILD /* their frames are several times as large */
#define STACK_SIZE ((size_t) 8 << 20)
#else
#define STACK_SIZE ((size_t) 1 << 20)
#endif
#define FAULT_STACK_SIZE ((size_t) 32 << 10)
#define PARKED_MAX 64

struct sup_workers {
    const struct sup_thread_ops *ops;
    struct sup_list parked; /* of sup_thread::link, the newest first; engine thread */
    size_t parked_count;
    uint64_t orders;           /* that were given, ever; engine thread */
    pthread_mutex_t mutex;     /* around what follows */
    struct sup_list news;      /* of sup_thread::news_link */
    size_t threads;            /* that exist */
    size_t busy;               /* with an order */
    pthread_cond_t left;       /* a thread has gone */
    bool left_behind;          /* the last thread frees this */
    _Atomic bool closed;       /* nobody listens any more */
    _Atomic unsigned visitors; /* threads inside an ear */
    struct sup_workers_ears ears;
};

static _Thread_local struct sup_thread *here;

const struct sup_thread *sup_worker_here(void)
{
    return here;
}

/* --- news ------------------------------------------------------------------------------------- */

/* Under the mutex. */
static void add_news(struct sup_thread *thread, unsigned news)
{
    struct sup_workers *workers = thread->workers;
    if (workers->closed) return;
    bool first = sup_list_empty(&workers->news);
    thread->news |= news;
    if (sup_list_empty(&thread->news_link)) sup_list_insert(&workers->news, &thread->news_link);
    if (first) workers->ears.wake(workers->ears.context);
}

void sup_worker_post(struct sup_thread *thread, unsigned news)
{
    pthread_mutex_lock(&thread->workers->mutex);
    add_news(thread, news);
    pthread_mutex_unlock(&thread->workers->mutex);
}

/* False: nobody listens any more. Else the listener stays until the visit ends. */
static bool begin_visit(struct sup_workers *workers)
{
    atomic_fetch_add(&workers->visitors, 1);
    if (!atomic_load(&workers->closed)) return true;
    atomic_fetch_sub(&workers->visitors, 1);
    return false;
}

static void end_visit(struct sup_workers *workers)
{
    atomic_fetch_sub(&workers->visitors, 1);
}

static void say(struct sup_thread *thread, unsigned news,
                bool (*hear)(void *context, struct sup_thread *thread))
{
    struct sup_workers *workers = thread->workers;
    bool heard = false;
    if (hear != NULL && begin_visit(workers)) {
        heard = hear(workers->ears.context, thread);
        end_visit(workers);
    }
    if (!heard) sup_worker_post(thread, news);
}

static enum sup_thread_next say_end(struct sup_thread *thread, struct sup_thread_end *end)
{
    struct sup_workers *workers = thread->workers;
    enum sup_thread_next next = SUP_THREAD_TELLS;
    if (workers->ears.ended != NULL && begin_visit(workers)) {
        next = workers->ears.ended(workers->ears.context, thread, end);
        end_visit(workers);
    }
    return next;
}

void sup_thread_ready(struct sup_thread *thread)
{
    say(thread, SUP_THREAD_READY, thread->workers->ears.ready);
}

/* --- the life of a thread --------------------------------------------------------------------- */

static void on_signal(int signal)
{
    int saved = errno;
    (void) signal;
    struct sup_thread *thread = here;
    if (thread != NULL && atomic_load(&thread->killed) && thread->workers->ops->interrupt != NULL)
        thread->workers->ops->interrupt(thread);
    errno = saved;
}

static void *open_fault_stack(void)
{
    void *memory = mmap(NULL, FAULT_STACK_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    stack_t stack = {.ss_sp = memory, .ss_size = FAULT_STACK_SIZE};
    sigaltstack(&stack, NULL);
    return memory;
}

static void close_fault_stack(void *memory)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    if (memory == NULL) return;
    sigaltstack(&none, NULL);
    munmap(memory, FAULT_STACK_SIZE);
}

/* True: there is an order. */
static bool await_order(struct sup_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
    while (thread->phase == SUP_THREAD_PARKED || thread->phase == SUP_THREAD_HELD)
        pthread_cond_wait(&thread->changed, &thread->mutex);
    bool busy = thread->phase == SUP_THREAD_BUSY;
    pthread_mutex_unlock(&thread->mutex);
    return busy;
}

static void drop_order(struct sup_thread *thread)
{
    sup_thread_output_leave(thread->output);
    thread->output = NULL;
    free(thread->room);
    free(thread->context);
    thread->room = thread->context = NULL;
}

static void set_parked(struct sup_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
    thread->phase = SUP_THREAD_PARKED;
    pthread_mutex_unlock(&thread->mutex);
}

void sup_worker_rest(struct sup_thread *thread)
{
    set_parked(thread);
    pthread_mutex_lock(&thread->workers->mutex);
    thread->workers->busy--;
    pthread_mutex_unlock(&thread->workers->mutex);
}

/* From the order to the end that is to be told, through all runs that this thread may begin by
   itself. */
static enum sup_thread_next run_order(struct sup_thread *thread, struct sup_thread_end *end)
{
    enum sup_thread_next next;
    do {
        *end = (struct sup_thread_end){.outcome = {SUP_END_RETURNED, 0}};
        if (!sup_thread_is_killed(thread)) thread->workers->ops->serve(thread, &thread->order, end);
        next = say_end(thread, end);
    } while (next == SUP_THREAD_AGAIN);
    return next;
}

/* What it has beside its record is given back. ${fault_stack} is NULL afterwards. */
static void undress(struct sup_thread *thread, void **fault_stack)
{
    if (thread->workers->ops->close != NULL) thread->workers->ops->close(thread);
    here = NULL;
    close_fault_stack(*fault_stack);
    *fault_stack = NULL;
}

/* Do enough threads wait for an order already, or to be parked? */
static bool is_superfluous(struct sup_workers *workers)
{
    pthread_mutex_lock(&workers->mutex);
    bool enough = workers->threads - workers->busy >= PARKED_MAX;
    pthread_mutex_unlock(&workers->mutex);
    return enough;
}

enum departure { STAYS, QUITS, HAS_LEFT };

/* One that would not be parked leaves at once: from then on its record is the engine thread's. */
static enum departure serve(struct sup_thread *thread, void **fault_stack)
{
    struct sup_workers *workers = thread->workers;
    struct sup_thread_end end;
    say(thread, SUP_THREAD_LAUNCHED, workers->ears.launched);
    if (run_order(thread, &end) == SUP_THREAD_RESTS) return STAYS;
    bool leaves = is_superfluous(workers);
    if (leaves) undress(thread, fault_stack);
    set_parked(thread);
    thread->end = end;
    pthread_mutex_lock(&workers->mutex);
    bool closed = workers->closed;
    leaves = leaves && !closed;
    workers->busy--;
    thread->leaves = leaves;
    if (leaves) workers->threads--;
    add_news(thread, SUP_THREAD_ENDED);
    if (leaves) pthread_cond_broadcast(&workers->left);
    pthread_mutex_unlock(&workers->mutex);
    if (closed) free(end.text);
    return leaves ? HAS_LEFT : closed ? QUITS : STAYS;
}

static void destroy_thread(struct sup_thread *thread)
{
    drop_order(thread);
    pthread_cond_destroy(&thread->changed);
    pthread_mutex_destroy(&thread->mutex);
    free(thread);
}

static void destroy_workers(struct sup_workers *workers)
{
    pthread_cond_destroy(&workers->left);
    pthread_mutex_destroy(&workers->mutex);
    free(workers);
}

/* Its end is near the frame of the thread's first function. */
static void note_stack(struct sup_thread *thread)
{
#ifdef SUP_SANITIZE_BUILD /* they keep books about stacks */
    thread->stack_low = 0;
#else
    thread->stack_low = (uintptr_t) __builtin_frame_address(0) - STACK_SIZE + STACK_SIZE / 8;
#endif
}

static void *run_thread(void *argument)
{
    struct sup_thread *thread = argument;
    struct sup_workers *workers = thread->workers;
    sigset_t signals;
    void *fault_stack = open_fault_stack();
    here = thread;
    atomic_store(&thread->tid, gettid());
    note_stack(thread);
    sigemptyset(&signals);
    sigaddset(&signals, SUP_THREAD_SIGNAL);
    sigaddset(&signals, SIGSEGV);
    sigaddset(&signals, SIGBUS);
    sigaddset(&signals, SIGFPE);
    sigaddset(&signals, SIGILL);
    sigaddset(&signals, SIGABRT);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    enum departure departure = STAYS;
    while (departure == STAYS)
        departure = await_order(thread) ? serve(thread, &fault_stack) : QUITS;
    if (departure == HAS_LEFT) return NULL;
    undress(thread, &fault_stack);
    pthread_mutex_lock(&workers->mutex);
    destroy_thread(thread);
    bool last = --workers->threads == 0 && workers->left_behind;
    pthread_cond_broadcast(&workers->left);
    pthread_mutex_unlock(&workers->mutex);
    if (last) destroy_workers(workers);
    return NULL;
}

/* --- making them ------------------------------------------------------------------------------ */

static int start_thread(struct sup_thread *thread)
{
    pthread_attr_t attributes;
    sigset_t all, former;
    int r = pthread_attr_init(&attributes);
    if (r != 0) return -r;
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all); /* signals of the process are for other threads */
    pthread_sigmask(SIG_SETMASK, &all, &former);
    r = pthread_create(&thread->id, &attributes, run_thread, thread);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    pthread_attr_destroy(&attributes);
    return -r;
}

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* Its system thread is made when it begins. */
static struct sup_thread *create_thread(struct sup_workers *workers)
{
    struct sup_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) return NULL;
    thread->workers = workers;
    sup_list_init(&thread->link);
    sup_list_init(&thread->news_link);
    sup_list_init(&thread->kill_link);
    pthread_mutex_init(&thread->mutex, NULL);
    init_condition(&thread->changed);
    return thread;
}

static struct sup_thread *take_parked(struct sup_workers *workers)
{
    if (sup_list_empty(&workers->parked)) return NULL;
    struct sup_thread *thread = sup_container(workers->parked.next, struct sup_thread, link);
    sup_list_remove(&thread->link);
    workers->parked_count--;
    return thread;
}

/* One piece of memory for all that the order points to. */
static char *copy_order(const struct sup_thread_order *order, struct sup_thread_order *copy,
                        uint64_t *number)
{
    size_t path = strlen(order->path) + 1;
    char *room = malloc((size_t) order->run.size + order->args.size + path);
    if (room == NULL) return NULL;
    char *args = room + order->run.size;
    char *text = args + order->args.size;
    if (order->run.size > 0) memcpy(room, order->run.data, order->run.size);
    if (order->args.size > 0) memcpy(args, order->args.data, order->args.size);
    memcpy(text, order->path, path);
    *copy = *order;
    copy->run.data = (const unsigned char *) room;
    copy->args.data = (const unsigned char *) args;
    copy->path = text;
    copy->number = ++*number;
    return room;
}

int sup_worker_take(struct sup_workers *workers, const struct sup_thread_order *order,
                    struct sup_thread **out)
{
    struct sup_thread_order copy;
    char *room = copy_order(order, &copy, &workers->orders);
    if (room == NULL) return -ENOMEM;
    struct sup_thread *thread = take_parked(workers);
    if (thread == NULL) thread = create_thread(workers);
    if (thread == NULL) {
        free(room);
        return -ENOMEM;
    }
    pthread_mutex_lock(&workers->mutex);
    if (thread->started) workers->busy++;
    pthread_mutex_unlock(&workers->mutex);
    pthread_mutex_lock(&thread->mutex);
    thread->phase = SUP_THREAD_HELD;
    thread->order = copy;
    thread->room = room;
    thread->end = (struct sup_thread_end){.text = NULL};
    atomic_store(&thread->asked, false);
    atomic_store(&thread->heard_ns, 0);
    atomic_store(&thread->killed, false);
    pthread_mutex_unlock(&thread->mutex);
    *out = thread;
    return 0;
}

static void count_new(struct sup_workers *workers, bool there)
{
    pthread_mutex_lock(&workers->mutex);
    workers->threads += there ? 1 : (size_t) -1;
    workers->busy += there ? 1 : (size_t) -1;
    pthread_mutex_unlock(&workers->mutex);
}

int sup_worker_begin(struct sup_thread *thread, struct sup_thread_output *output)
{
    pthread_mutex_lock(&thread->mutex);
    thread->output = output;
    thread->phase = SUP_THREAD_BUSY;
    pthread_cond_broadcast(&thread->changed);
    pthread_mutex_unlock(&thread->mutex);
    if (thread->started) return 0;
    count_new(thread->workers, true);
    thread->started = true;
    int r = start_thread(thread);
    if (r == 0) return 0;
    count_new(thread->workers, false);
    destroy_thread(thread);
    return r;
}

void sup_worker_discard(struct sup_thread *thread)
{
    if (!thread->started) destroy_thread(thread);
}

void sup_worker_renew(struct sup_thread *thread, uint64_t instance, uint32_t generation,
                      struct sup_thread_output *output)
{
    pthread_mutex_lock(&thread->mutex);
    thread->instance = instance;
    thread->order.generation = generation;
    free(thread->context);
    thread->context = NULL;
    pthread_mutex_unlock(&thread->mutex);
    if (thread->output == output) return;
    sup_thread_output_leave(thread->output);
    thread->output = sup_thread_output_share(output);
}

/* --- stopping --------------------------------------------------------------------------------- */

void sup_worker_ask(struct sup_thread *thread)
{
    const struct sup_thread_ops *ops = thread->workers->ops;
    pthread_mutex_lock(&thread->mutex);
    bool first = !atomic_exchange(&thread->asked, true);
    pthread_cond_broadcast(&thread->changed);
    if (first && thread->phase == SUP_THREAD_BUSY && ops->ask != NULL) ops->ask(thread);
    pthread_mutex_unlock(&thread->mutex);
}

void sup_worker_kill(struct sup_thread *thread)
{
    struct sup_workers *workers = thread->workers;
    sup_worker_ask(thread);
    atomic_store(&thread->killed, true);
    pthread_mutex_lock(&workers->mutex); /* it cannot leave meanwhile */
    if (thread->started && !thread->leaves) pthread_kill(thread->id, SUP_THREAD_SIGNAL);
    pthread_mutex_unlock(&workers->mutex);
}

void sup_worker_idle(struct sup_thread *thread)
{
    const struct sched_param none = {.sched_priority = 0};
    struct sup_workers *workers = thread->workers;
    thread->idled = true;
    pthread_mutex_lock(&workers->mutex);
    pid_t tid = thread->leaves ? 0 : atomic_load(&thread->tid);
    if (tid != 0) sched_setscheduler(tid, SCHED_IDLE, &none);
    pthread_mutex_unlock(&workers->mutex);
}

void sup_worker_set_context(struct sup_thread *thread, const char *context)
{
    char *copy = strdup(context);
    pthread_mutex_lock(&thread->mutex);
    free(thread->context);
    thread->context = copy;
    pthread_mutex_unlock(&thread->mutex);
}

/* --- news ------------------------------------------------------------------------------------- */

struct sup_thread *sup_workers_news(struct sup_workers *workers, unsigned *news)
{
    struct sup_thread *thread = NULL;
    pthread_mutex_lock(&workers->mutex);
    if (!sup_list_empty(&workers->news)) {
        thread = sup_container(workers->news.next, struct sup_thread, news_link);
        sup_list_remove(&thread->news_link);
        *news = thread->news;
        thread->news = 0;
    }
    pthread_mutex_unlock(&workers->mutex);
    return thread;
}

static void dismiss(struct sup_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
    thread->phase = SUP_THREAD_QUITS;
    pthread_cond_broadcast(&thread->changed);
    pthread_mutex_unlock(&thread->mutex);
}

void sup_worker_park(struct sup_thread *thread)
{
    struct sup_workers *workers = thread->workers;
    drop_order(thread);
    sup_list_remove(&thread->kill_link);
    if (thread->leaves) {
        destroy_thread(thread);
        return;
    }
    if (thread->idled || workers->parked_count >= PARKED_MAX) {
        dismiss(thread);
        return;
    }
    sup_list_insert(workers->parked.next, &thread->link);
    workers->parked_count++;
}

/* --- all of them ------------------------------------------------------------------------------ */

struct sup_workers *sup_workers_create(const struct sup_thread_ops *ops,
                                       const struct sup_workers_ears *ears)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: calls are to end */
    struct sup_workers *workers = calloc(1, sizeof *workers);
    if (workers == NULL) return NULL;
    workers->ops = ops;
    workers->ears = *ears;
    sup_list_init(&workers->parked);
    sup_list_init(&workers->news);
    pthread_mutex_init(&workers->mutex, NULL);
    init_condition(&workers->left);
    sigemptyset(&action.sa_mask);
    sigaction(SUP_THREAD_SIGNAL, &action, NULL);
    return workers;
}

size_t sup_workers_finish(struct sup_workers *workers)
{
    if (workers == NULL) return 0;
    unsigned news;
    pthread_mutex_lock(&workers->mutex);
    atomic_store(&workers->closed, true);
    pthread_mutex_unlock(&workers->mutex);
    while (atomic_load(&workers->visitors) > 0) sched_yield(); /* they stay for moments only */
    for (struct sup_thread *thread; (thread = sup_workers_news(workers, &news)) != NULL;) {
        if ((news & SUP_THREAD_ENDED) == 0) continue;
        free(thread->end.text);
        sup_worker_park(thread);
    }
    for (struct sup_thread *thread; (thread = take_parked(workers)) != NULL;) dismiss(thread);
    pthread_mutex_lock(&workers->mutex);
    while (workers->threads > workers->busy) pthread_cond_wait(&workers->left, &workers->mutex);
    size_t stuck = workers->busy;
    bool last = workers->threads == 0;
    workers->left_behind = !last;
    pthread_mutex_unlock(&workers->mutex);
    if (last) destroy_workers(workers);
    return stuck;
}
