/*
** spec/c/engine_workers_test.c: the OS threads of services: used again, asked, killed, left behind.
*/
#include "engine/workers.h"
#include "lib_test.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- functions that the orders name ----------------------------------------------------------- */

static atomic_int asks, serves;
static sem_t gate; /* what a stubborn one waits for */
static int blocked_pipe[2];

static void fail(struct sup_thread *thread, struct sup_thread_end *end)
{
    (void) thread;
    end->outcome = (struct sup_outcome){SUP_END_ERROR, 0};
    end->text = strdup("failed");
}

static void serve_sleeper(struct sup_thread *thread, struct sup_thread_end *end)
{
    char context[16];
    (void) end;
    while (sup_thread_sleep(thread, INT64_MAX)) continue;
    if (strcmp(sup_thread_context(thread, context, sizeof context), "why") == 0)
        end->outcome.kind = SUP_END_DONE;
}

static void serve_reader(struct sup_thread *thread, struct sup_thread_end *end)
{
    char byte;
    (void) end;
    while (!sup_thread_is_killed(thread))
        if (read(blocked_pipe[0], &byte, 1) >= 0) abort();
}

static void serve_writer(struct sup_thread *thread, struct sup_thread_end *end)
{
    char bytes[4096] = {0};
    while (sup_thread_write(thread, bytes, sizeof bytes) == 0) continue;
    end->outcome.kind = SUP_END_DONE;
}

static void serve_stubborn(struct sup_thread *thread, struct sup_thread_end *end)
{
    (void) thread, (void) end;
    while (sem_wait(&gate) < 0) continue;
}

static void serve(struct sup_thread *thread, const struct sup_thread_order *order,
                  struct sup_thread_end *end)
{
    atomic_fetch_add(&serves, 1);
    if (strcmp(order->path, "fail") == 0) fail(thread, end);
    if (strcmp(order->path, "sleep") == 0) serve_sleeper(thread, end);
    if (strcmp(order->path, "read") == 0) serve_reader(thread, end);
    if (strcmp(order->path, "write") == 0) serve_writer(thread, end);
    if (strcmp(order->path, "stubborn") == 0) serve_stubborn(thread, end);
    if (strcmp(order->path, "ready") == 0) sup_thread_ready(thread);
}

static void count_ask(struct sup_thread *thread)
{
    (void) thread;
    atomic_fetch_add(&asks, 1);
}

static const struct sup_thread_ops ops = {.serve = serve, .ask = count_ask};

/* --- the stage -------------------------------------------------------------------------------- */

struct stage {
    struct sup_workers *workers;
    sem_t news;
};

static void note_news(void *context)
{
    struct stage *stage = context;
    sem_post(&stage->news);
}

static void open_stage(struct stage *stage)
{
    atomic_store(&asks, 0);
    atomic_store(&serves, 0);
    MUST(sem_init(&stage->news, 0, 0) == 0);
    const struct sup_workers_ears ears = {.context = stage, .wake = note_news};
    stage->workers = sup_workers_create(&ops, &ears);
    MUST(stage->workers != NULL);
}

static void close_stage(struct stage *stage, size_t left)
{
    CHECK_INT((int) sup_workers_finish(stage->workers), (int) left);
    sem_destroy(&stage->news);
}

static struct sup_thread *begin(struct stage *stage, const char *path, int fd)
{
    struct sup_thread *thread = NULL;
    const unsigned char run[] = "run";
    struct sup_thread_order order = {.path = path, .run = {run, sizeof run}};
    MUST(sup_worker_take(stage->workers, &order, &thread) == 0);
    thread->instance = 7;
    MUST(sup_worker_begin(thread, sup_thread_output_create(fd)) == 0);
    return thread;
}

/* Wait until ${thread} has said all of ${wanted}; others are parked when they end. */
static void await_news(struct stage *stage, struct sup_thread *thread, unsigned wanted)
{
    unsigned seen = 0;
    while ((seen & wanted) != wanted) {
        unsigned news;
        struct sup_thread *other = sup_workers_news(stage->workers, &news);
        if (other == thread) seen |= news;
        else if (other != NULL && (news & SUP_THREAD_ENDED) != 0) sup_worker_park(other);
        if (other == NULL)
            while (sem_wait(&stage->news) < 0) continue;
    }
}

/* Kill until it has ended, as the driver does, once its function runs. */
static void kill_to_end(struct stage *stage, struct sup_thread *thread)
{
    unsigned news = 0;
    while (atomic_load(&serves) == 0) poll(NULL, 0, 1);
    while ((news & SUP_THREAD_ENDED) == 0) {
        sup_worker_kill(thread);
        poll(NULL, 0, 1);
        if (sup_workers_news(stage->workers, &news) == NULL) news = 0;
    }
}

/* --- behaviours ------------------------------------------------------------------------------- */

static void a_thread_is_used_again(void)
{
    struct stage stage;
    struct sup_thread *first = NULL;
    open_stage(&stage);
    for (int i = 0; i < 1000; i++) {
        struct sup_thread *thread = begin(&stage, i % 2 == 0 ? "fail" : "ready", -1);
        if (first == NULL) first = thread;
        CHECK(thread == first);
        await_news(&stage, thread, SUP_THREAD_LAUNCHED | SUP_THREAD_ENDED);
        CHECK_INT((int) thread->end.outcome.kind, i % 2 == 0 ? SUP_END_ERROR : SUP_END_RETURNED);
        free(thread->end.text);
        sup_worker_park(thread);
    }
    CHECK_INT(atomic_load(&serves), 1000);
    close_stage(&stage, 0);
}

static void many_run_at_once_and_end_when_asked(void)
{
    enum { COUNT = 200 };
    struct stage stage;
    struct sup_thread *threads[COUNT];
    open_stage(&stage);
    for (int i = 0; i < COUNT; i++) threads[i] = begin(&stage, "sleep", -1);
    for (int i = 0; i < COUNT; i++) {
        sup_worker_set_context(threads[i], "why");
        sup_worker_ask(threads[i]);
        sup_worker_ask(threads[i]);
    }
    for (int ended = 0; ended < COUNT;) {
        unsigned news;
        struct sup_thread *thread = sup_workers_news(stage.workers, &news);
        if (thread == NULL)
            while (sem_wait(&stage.news) < 0) continue;
        if (thread == NULL || (news & SUP_THREAD_ENDED) == 0) continue;
        CHECK_INT((int) thread->end.outcome.kind, SUP_END_DONE);
        sup_worker_park(thread);
        ended++;
    }
    CHECK(atomic_load(&asks) <= COUNT);
    close_stage(&stage, 0);
}

static void a_held_one_that_is_killed_does_not_begin(void)
{
    struct stage stage;
    struct sup_thread *thread;
    struct sup_thread_order order = {.path = "stubborn"};
    open_stage(&stage);
    MUST(sup_worker_take(stage.workers, &order, &thread) == 0);
    sup_worker_kill(thread);
    MUST(sup_worker_begin(thread, NULL) == 0);
    await_news(&stage, thread, SUP_THREAD_ENDED);
    CHECK_INT(atomic_load(&serves), 0);
    sup_worker_park(thread);
    close_stage(&stage, 0);
}

static void a_blocking_read_ends_by_the_kill(void)
{
    struct stage stage;
    open_stage(&stage);
    MUST(pipe(blocked_pipe) == 0);
    struct sup_thread *thread = begin(&stage, "read", -1);
    await_news(&stage, thread, SUP_THREAD_LAUNCHED);
    kill_to_end(&stage, thread);
    sup_worker_park(thread);
    close(blocked_pipe[0]);
    close(blocked_pipe[1]);
    close_stage(&stage, 0);
}

static void a_write_that_nobody_reads_ends_by_the_kill(void)
{
    struct stage stage;
    int ends[2];
    open_stage(&stage);
    MUST(pipe(ends) == 0);
    struct sup_thread *thread = begin(&stage, "write", ends[1]);
    await_news(&stage, thread, SUP_THREAD_LAUNCHED);
    kill_to_end(&stage, thread);
    CHECK_INT((int) thread->end.outcome.kind, SUP_END_DONE);
    sup_worker_park(thread); /* closes the output */
    char bytes[4096];
    while (read(ends[0], bytes, sizeof bytes) > 0) continue;
    close(ends[0]);
    close_stage(&stage, 0);
}

/* It ends later, when nobody listens: that must harm nobody. */
static void a_stuck_one_is_left_behind(void)
{
    static struct stage stage;
    MUST(sem_init(&gate, 0, 0) == 0);
    open_stage(&stage);
    struct sup_thread *thread = begin(&stage, "stubborn", -1);
    while (atomic_load(&serves) == 0) poll(NULL, 0, 1); /* else the kill keeps it from beginning */
    for (int i = 0; i < 10; i++) sup_worker_kill(thread);
    sup_worker_idle(thread);
    close_stage(&stage, 1);
    sem_post(&gate);
}

TEST_MAIN(TEST(a_thread_is_used_again), TEST(many_run_at_once_and_end_when_asked),
          TEST(a_held_one_that_is_killed_does_not_begin), TEST(a_blocking_read_ends_by_the_kill),
          TEST(a_write_that_nobody_reads_ends_by_the_kill), TEST(a_stuck_one_is_left_behind))
