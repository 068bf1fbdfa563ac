/*
** engine/prober.c: see prober.h. One epoll, one heap of times; what the engine thread asks for
** comes by two lists under a mutex that is held for moments.
*/
#include "engine/prober.h"

#include "base/heap.h"
#include "base/list.h"
#include "core/options.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define FIRST_PAUSE_NS (50 * MS)
#define FIRST_TAIL_NS (5 * MS) /* between looks at output; up to FIRST_PAUSE_NS */
#define LAST_PAUSE_NS (1000 * MS)
#define ASK_PATIENCE_NS (10000 * MS) /* beyond its time: who is asked may be busy */
#define EVENTS_AT_ONCE 64
#define SHORT_MS 500 /* until memory is asked for again */

enum answer { ANSWER_NONE, ANSWER_AWAITED, ANSWER_HOLDS, ANSWER_FAILS };
enum step { STEP_PAUSES, STEP_LOOKS, STEP_DRAINS, STEP_DONE };

struct sup_probe {
    struct sup_list link;         /* in opened, with the mutex; then in running */
    struct sup_list news_link;    /* in news; with the mutex */
    struct sup_list closing_link; /* in closed; with the mutex */
    struct sup_probe_news news;
    bool is_closed;                /* with the mutex: no news from now on */
    enum answer answer;            /* of who was asked; with the mutex, as the next */
    struct sup_list answered_link; /* in answered */
    char answer_text[SUP_LOOK_TEXT];

    /* the thread's own */
    struct sup_probe_order order;
    struct sup_timer timer; /* the next look, or the end of the patience with this one */
    struct sup_look look;
    struct sup_tail *tail; /* LOG; NULL: another kind */
    enum step step;
    bool is_running; /* it was taken from the opened */
    bool is_over;    /* it held, and that was all */
    bool gave_up;    /* it is not looked at any more */
    int64_t pause_ns;
    uint32_t failures;
    char text[]; /* of order.ready */
};

struct sup_prober {
    pthread_t thread;
    pthread_mutex_t mutex;
    struct sup_list opened;   /* of sup_probe::link */
    struct sup_list closed;   /* of sup_probe::closing_link */
    struct sup_list news;     /* of sup_probe::news_link */
    struct sup_list answered; /* of sup_probe::answered_link */
    bool ends;
    void (*wake)(void *context);
    void *context;
    int bell; /* an eventfd */

    /* the thread's own */
    struct sup_list running; /* of sup_probe::link */
    struct sup_heap heap;
    size_t count;  /* of probes that run: so many timers may be set */
    bool is_short; /* of memory: there are orders that wait */
    int epoll;
};

static int64_t read_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SUP_SECOND_NS + now.tv_nsec;
}

/* --- what is found out ------------------------------------------------------------------------ */

/* There is news; with the mutex. */
static void tell(struct sup_prober *prober, struct sup_probe *probe)
{
    if (probe->is_closed) return;
    if (sup_list_empty(&probe->news_link)) sup_list_insert(&prober->news, &probe->news_link);
    prober->wake(prober->context);
}

static void ask(struct sup_prober *prober, struct sup_probe *probe)
{
    pthread_mutex_lock(&prober->mutex);
    probe->news.asks = true;
    probe->answer = ANSWER_AWAITED;
    tell(prober, probe);
    pthread_mutex_unlock(&prober->mutex);
}

/* Nobody waits for that: it is there for who asks. */
static void note_why(struct sup_prober *prober, struct sup_probe *probe)
{
    pthread_mutex_lock(&prober->mutex);
    snprintf(probe->news.text, sizeof probe->news.text, "%s", probe->look.text);
    pthread_mutex_unlock(&prober->mutex);
}

static void report(struct sup_prober *prober, struct sup_probe *probe, bool holds, int64_t now_ns)
{
    probe->failures = holds ? 0 : probe->failures + 1;
    pthread_mutex_lock(&prober->mutex);
    if (!probe->is_closed) {
        probe->news.found = true;
        probe->news.holds = holds;
        probe->news.failures = probe->failures;
        probe->news.gave_up = probe->gave_up;
        probe->news.lost = probe->tail == NULL ? 0 : probe->tail->lost;
        probe->news.at_ns = now_ns;
        snprintf(probe->news.text, sizeof probe->news.text, "%s", holds ? "" : probe->look.text);
        tell(prober, probe);
    }
    pthread_mutex_unlock(&prober->mutex);
}

/* --- one probe -------------------------------------------------------------------------------- */

static void set_timer(struct sup_prober *prober, struct sup_probe *probe, int64_t at_ns)
{
    sup_heap_set(&prober->heap, &probe->timer, at_ns);
}

static void pause_it(struct sup_prober *prober, struct sup_probe *probe, int64_t now_ns)
{
    int64_t pause_ns = probe->order.every_ns;
    sup_look_end(&probe->look);
    if (pause_ns == 0) {
        pause_ns = probe->pause_ns;
        probe->pause_ns += probe->pause_ns / 2;
        if (probe->pause_ns > LAST_PAUSE_NS) probe->pause_ns = LAST_PAUSE_NS;
    }
    probe->step = STEP_PAUSES;
    set_timer(prober, probe, now_ns + pause_ns);
}

static void finish_look(struct sup_prober *prober, struct sup_probe *probe, int64_t now_ns)
{
    if (!probe->is_over) {
        pause_it(prober, probe, now_ns);
        return;
    }
    sup_look_end(&probe->look);
    sup_heap_cancel(&prober->heap, &probe->timer);
    probe->step = STEP_DONE;
}

static void watch(struct sup_prober *prober, struct sup_probe *probe, int former)
{
    struct epoll_event event = {.events = probe->look.events, .data.ptr = probe};
    int fd = probe->look.fd;
    /* A closed descriptor has left by itself; its number may be the new one's. */
    int r = epoll_ctl(prober->epoll, former == fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (r < 0 && errno == ENOENT) epoll_ctl(prober->epoll, EPOLL_CTL_ADD, fd, &event);
    else if (r < 0 && errno == EEXIST) epoll_ctl(prober->epoll, EPOLL_CTL_MOD, fd, &event);
}

static void note_result(struct sup_prober *prober, struct sup_probe *probe, bool holds,
                        int64_t now_ns)
{
    if (holds || probe->order.repeats) report(prober, probe, holds, now_ns);
    else note_why(prober, probe);
    probe->is_over = holds && !probe->order.repeats;
    if (sup_look_drain(&probe->look)) {
        probe->step = STEP_DRAINS;
        watch(prober, probe, probe->look.fd);
        return;
    }
    finish_look(prober, probe, now_ns);
}

static void take_state(struct sup_prober *prober, struct sup_probe *probe, int former,
                       enum sup_look_state state, int64_t now_ns)
{
    if (state == SUP_LOOK_WAITS) watch(prober, probe, former);
    else note_result(prober, probe, state == SUP_LOOK_HOLDS, now_ns);
}

static void begin_look(struct sup_prober *prober, struct sup_probe *probe, int64_t now_ns)
{
    probe->step = STEP_LOOKS;
    if (probe->order.asks) {
        set_timer(prober, probe, now_ns + probe->order.timeout_ns + ASK_PATIENCE_NS);
        ask(prober, probe);
        return;
    }
    set_timer(prober, probe, now_ns + probe->order.timeout_ns);
    take_state(prober, probe, -1, sup_look_begin(&probe->look, &probe->order.ready), now_ns);
}

static void go_on(struct sup_prober *prober, struct sup_probe *probe, int64_t now_ns)
{
    int former = probe->look.fd;
    if (probe->step == STEP_LOOKS)
        take_state(prober, probe, former, sup_look_go_on(&probe->look), now_ns);
    else if (probe->step == STEP_DRAINS && !sup_look_drain(&probe->look))
        finish_look(prober, probe, now_ns);
}

static void give_up(struct sup_prober *prober, struct sup_probe *probe, int64_t now_ns)
{
    char time[32];
    snprintf(probe->look.text, sizeof probe->look.text, "no answer within %s",
             sup_duration_text(probe->order.timeout_ns, time, sizeof time));
    note_result(prober, probe, false, now_ns);
}

/* Output announces itself to nobody. */
static void read_output(struct sup_prober *prober, struct sup_probe *probe, int64_t now_ns)
{
    uint64_t lost = probe->tail->lost;
    enum sup_tail_state state = sup_tail_read(probe->tail, probe->text, now_ns);
    probe->gave_up = state == SUP_TAIL_STUCK;
    if (lost == 0 && probe->tail->lost > 0) report(prober, probe, false, now_ns);
    if (state == SUP_TAIL_HOLDS || state == SUP_TAIL_STUCK) {
        report(prober, probe, state == SUP_TAIL_HOLDS, now_ns);
        probe->step = STEP_DONE;
    } else if (state == SUP_TAIL_READS) {
        set_timer(prober, probe, now_ns + 1); /* after what else is due */
        probe->pause_ns = FIRST_TAIL_NS;
    } else {
        set_timer(prober, probe, now_ns + probe->pause_ns);
        probe->pause_ns += probe->pause_ns / 2;
        if (probe->pause_ns > FIRST_PAUSE_NS) probe->pause_ns = FIRST_PAUSE_NS;
    }
}

static void take_answer(struct sup_prober *prober, struct sup_probe *probe, int64_t now_ns)
{
    pthread_mutex_lock(&prober->mutex);
    bool holds = probe->answer == ANSWER_HOLDS;
    memcpy(probe->look.text, probe->answer_text, sizeof probe->look.text);
    probe->answer = ANSWER_NONE;
    pthread_mutex_unlock(&prober->mutex);
    if (probe->step == STEP_LOOKS) note_result(prober, probe, holds, now_ns);
}

/* What comes after the patience was over belongs to no look. */
static void take_answers(struct sup_prober *prober)
{
    for (;;) {
        pthread_mutex_lock(&prober->mutex);
        bool any = !sup_list_empty(&prober->answered);
        struct sup_probe *probe =
            any ? sup_container(prober->answered.next, struct sup_probe, answered_link) : NULL;
        if (any) sup_list_remove(&probe->answered_link);
        pthread_mutex_unlock(&prober->mutex);
        if (!any) return;
        take_answer(prober, probe, read_clock());
    }
}

static void check_time(struct sup_prober *prober, struct sup_probe *probe, int64_t now_ns)
{
    if (probe->tail != NULL) read_output(prober, probe, now_ns);
    else if (probe->step == STEP_PAUSES) begin_look(prober, probe, now_ns);
    else if (probe->step == STEP_LOOKS) give_up(prober, probe, now_ns);
    else if (probe->step == STEP_DRAINS) finish_look(prober, probe, now_ns);
}

static void discard(struct sup_prober *prober, struct sup_probe *probe)
{
    sup_look_end(&probe->look);
    sup_heap_cancel(&prober->heap, &probe->timer);
    if (probe->is_running) prober->count--;
    sup_list_remove(&probe->link);
    sup_list_remove(&probe->closing_link);
    free(probe->tail);
    free(probe);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void start_probe(struct sup_prober *prober, struct sup_probe *probe)
{
    sup_list_remove(&probe->link);
    sup_list_insert(&prober->running, &probe->link);
    probe->is_running = true;
    prober->count++;
    set_timer(prober, probe, probe->order.first_ns);
}

/* False: it is to end. */
static bool take_orders(struct sup_prober *prober)
{
    pthread_mutex_lock(&prober->mutex);
    while (!sup_list_empty(&prober->closed))
        discard(prober, sup_container(prober->closed.next, struct sup_probe, closing_link));
    prober->is_short = false;
    while (!sup_list_empty(&prober->opened) && !prober->is_short) {
        prober->is_short = sup_heap_reserve(&prober->heap, prober->count + 1) < 0;
        if (!prober->is_short)
            start_probe(prober, sup_container(prober->opened.next, struct sup_probe, link));
    }
    bool ends = prober->ends;
    pthread_mutex_unlock(&prober->mutex);
    return !ends;
}

static int wait_ms(const struct sup_prober *prober, int64_t now_ns)
{
    const struct sup_timer *first = sup_heap_first(&prober->heap);
    if (prober->is_short) return SHORT_MS;
    if (first == NULL) return -1;
    if (first->at_ns <= now_ns) return 0;
    int64_t ms = (first->at_ns - now_ns + MS - 1) / MS;
    return ms > 60000 ? 60000 : (int) ms;
}

static void check_times(struct sup_prober *prober)
{
    int64_t now_ns = read_clock();
    struct sup_timer *first;
    while ((first = sup_heap_first(&prober->heap)) != NULL && first->at_ns <= now_ns) {
        sup_heap_cancel(&prober->heap, first);
        check_time(prober, sup_container(first, struct sup_probe, timer), now_ns);
    }
}

static void *run(void *argument)
{
    struct sup_prober *prober = argument;
    struct epoll_event events[EVENTS_AT_ONCE];
    while (take_orders(prober)) {
        take_answers(prober);
        check_times(prober);
        int count =
            epoll_wait(prober->epoll, events, EVENTS_AT_ONCE, wait_ms(prober, read_clock()));
        if (count < 0 && errno != EINTR) break; /* somebody has closed what is ours */
        int64_t now_ns = read_clock();
        for (int i = 0; i < count; i++) {
            uint64_t rings;
            if (events[i].data.ptr != NULL) go_on(prober, events[i].data.ptr, now_ns);
            else if (read(prober->bell, &rings, sizeof rings) < 0) continue;
        }
    }
    return NULL;
}

static void ring(struct sup_prober *prober)
{
    uint64_t once = 1;
    if (write(prober->bell, &once, sizeof once) < 0) return; /* it has been rung already */
}

/* --- its life --------------------------------------------------------------------------------- */

static int open_descriptors(struct sup_prober *prober)
{
    struct epoll_event event = {.events = EPOLLIN};
    prober->epoll = epoll_create1(EPOLL_CLOEXEC);
    prober->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (prober->epoll < 0 || prober->bell < 0) return -EMFILE;
    return epoll_ctl(prober->epoll, EPOLL_CTL_ADD, prober->bell, &event) < 0 ? -errno : 0;
}

static void free_prober(struct sup_prober *prober)
{
    if (prober->epoll >= 0) close(prober->epoll);
    if (prober->bell >= 0) close(prober->bell);
    sup_heap_finish(&prober->heap);
    pthread_mutex_destroy(&prober->mutex);
    free(prober);
}

/* Signals are for others. */
static int start_thread(struct sup_prober *prober)
{
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int r = pthread_create(&prober->thread, NULL, run, prober);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return -r;
}

int sup_prober_create(struct sup_prober **created, void (*wake)(void *context), void *context)
{
    struct sup_prober *prober = calloc(1, sizeof *prober);
    *created = NULL;
    if (prober == NULL) return -ENOMEM;
    prober->wake = wake;
    prober->context = context;
    sup_list_init(&prober->opened);
    sup_list_init(&prober->closed);
    sup_list_init(&prober->news);
    sup_list_init(&prober->answered);
    sup_list_init(&prober->running);
    pthread_mutex_init(&prober->mutex, NULL);
    int r = open_descriptors(prober);
    if (r == 0) r = start_thread(prober);
    if (r == 0) *created = prober;
    else free_prober(prober);
    return r;
}

static void discard_all(struct sup_prober *prober, struct sup_list *list)
{
    while (!sup_list_empty(list))
        discard(prober, sup_container(list->next, struct sup_probe, link));
}

void sup_prober_destroy(struct sup_prober *prober)
{
    if (prober == NULL) return;
    pthread_mutex_lock(&prober->mutex);
    prober->ends = true;
    pthread_mutex_unlock(&prober->mutex);
    ring(prober);
    pthread_join(prober->thread, NULL);
    discard_all(prober, &prober->running);
    discard_all(prober, &prober->opened);
    free_prober(prober);
}

struct sup_probe *sup_prober_open(struct sup_prober *prober, const struct sup_probe_order *order)
{
    const char *text = order->ready.text == NULL ? "" : order->ready.text;
    size_t size = strlen(text) + 1;
    struct sup_probe *probe = calloc(1, sizeof *probe + size);
    bool is_log = order->ready.kind == SUP_READY_LOG;
    struct sup_tail *tail = is_log ? malloc(sizeof *tail) : NULL;
    if (probe == NULL || (is_log && tail == NULL)) {
        free(probe);
        free(tail);
        return NULL;
    }
    if (is_log) sup_tail_init(tail, &order->tail);
    probe->tail = tail;
    memcpy(probe->text, text, size);
    probe->order = *order;
    probe->order.ready.text = probe->text;
    probe->order.ready.command = (struct sup_strings){NULL, 0};
    probe->news = (struct sup_probe_news){.node = order->node,
                                          .instance = order->instance,
                                          .repeats = order->repeats};
    probe->look.fd = -1;
    probe->pause_ns = is_log ? FIRST_TAIL_NS : FIRST_PAUSE_NS;
    sup_list_init(&probe->link);
    sup_list_init(&probe->news_link);
    sup_list_init(&probe->closing_link);
    sup_list_init(&probe->answered_link);
    pthread_mutex_lock(&prober->mutex);
    sup_list_insert(&prober->opened, &probe->link);
    pthread_mutex_unlock(&prober->mutex);
    ring(prober);
    return probe;
}

void sup_prober_close(struct sup_prober *prober, struct sup_probe *probe)
{
    if (probe == NULL) return;
    pthread_mutex_lock(&prober->mutex);
    probe->is_closed = true;
    sup_list_remove(&probe->news_link);
    sup_list_remove(&probe->answered_link);
    probe->answer = ANSWER_NONE;
    sup_list_insert(&prober->closed, &probe->closing_link);
    pthread_mutex_unlock(&prober->mutex);
    ring(prober);
}

void sup_prober_answer(struct sup_prober *prober, struct sup_probe *probe, bool holds,
                       const char *text)
{
    pthread_mutex_lock(&prober->mutex);
    bool is_awaited = probe->answer == ANSWER_AWAITED;
    if (is_awaited) {
        probe->answer = holds ? ANSWER_HOLDS : ANSWER_FAILS;
        snprintf(probe->answer_text, sizeof probe->answer_text, "%s", text);
        sup_list_insert(&prober->answered, &probe->answered_link);
    }
    pthread_mutex_unlock(&prober->mutex);
    if (is_awaited) ring(prober);
}

bool sup_prober_why(struct sup_prober *prober, const struct sup_probe *probe, char *buf)
{
    pthread_mutex_lock(&prober->mutex);
    snprintf(buf, SUP_LOOK_TEXT, "%s", probe->news.text);
    pthread_mutex_unlock(&prober->mutex);
    return buf[0] != '\0';
}

bool sup_prober_take(struct sup_prober *prober, struct sup_probe_news *news)
{
    pthread_mutex_lock(&prober->mutex);
    bool any = !sup_list_empty(&prober->news);
    if (any) {
        struct sup_probe *probe = sup_container(prober->news.next, struct sup_probe, news_link);
        sup_list_remove(&probe->news_link);
        *news = probe->news;
        probe->news.asks = probe->news.found = false;
    }
    pthread_mutex_unlock(&prober->mutex);
    return any;
}
