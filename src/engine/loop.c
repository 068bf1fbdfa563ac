/*
** engine/loop.c: the loop. It wakes for the keeper, for another thread, for the earliest deadline
** and for the heartbeat, and for nothing else. Must not know what an input does.
**
** Whatever woke it, one instant is settled in the order of the law: facts, stop and remove, other
** commands, then the deadlines.
*/
#include "engine/inside.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_AT_ONCE 64   /* messages between two looks at the clock */
#define READ_AT_MOST 1024 /* before the loop looks at its timers again */
#define LETTERS_AT_ONCE 256
#define LISTEN_MS 2                     /* between two looks at what service threads have done */
#define RETRY_NS (5 * INT64_C(1000000)) /* for a reader of lines that is behind */
#define MS INT64_C(1000000)

/* --- settling an instant ---------------------------------------------------------------------- */

/* Apply what other threads handed in, up to class ${last}. True: there may be more. */
static bool apply_letters(struct sup_engine *engine, enum sup_class last)
{
    const struct sup_reply none = {.status = SUP_NO_MEMORY};
    for (int i = 0; i < LETTERS_AT_ONCE; i++) {
        struct sup_letter *letter = sup_inbox_take(&engine->inbox, last);
        if (letter == NULL) return false;
        if (sup_inbox_open(&engine->inbox, letter) == 0) sup_engine_apply(engine, &letter->input);
        else letter->answer(letter->context, &none);
        free(letter);
    }
    return true;
}

static void apply_stop(struct sup_engine *engine)
{
    struct sup_input stop = {.type = SUP_IN_STOP};
    struct sup_input kill = {.type = SUP_IN_KILL};
    if (engine->stop_signal == 0) return;
    stop.text = engine->stop_signal == SIGINT ? "SIGINT" : "SIGTERM";
    engine->stop_signal = 0;
    engine->start_due = false;
    sup_engine_apply(engine, &stop);
    if (engine->stop_count > 1) sup_engine_apply(engine, &kill);
    engine->stopping = true;
    engine->progress_ns = engine->now_ns; /* whom it waits for is said at once */
}

static void apply_tick(struct sup_engine *engine)
{
    struct sup_input tick = {.type = SUP_IN_TICK};
    if (sup_tree_deadline(engine->tree) <= engine->now_ns) sup_engine_apply(engine, &tick);
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Has a reader of what is told not taken all of it? */
static bool is_behind(const struct sup_engine *engine)
{
    return engine->lines.end > engine->lines.first || engine->lines.lost > 0 ||
           engine->events.end > engine->events.first || engine->events.lost > 0;
}

static int64_t next_deadline(const struct sup_engine *engine)
{
    int64_t at_ns = earliest(sup_tree_deadline(engine->tree), sup_ready_deadline(engine));
    at_ns = earliest(at_ns, sup_thread_deadline(engine));
    at_ns = earliest(at_ns, sup_activation_deadline(engine));
    at_ns = earliest(at_ns, sup_watchdog_deadline(engine));
    if (engine->stopping) at_ns = earliest(at_ns, engine->progress_ns);
    if (engine->start_due) at_ns = earliest(at_ns, engine->leftovers_ns);
    if (is_behind(engine)) at_ns = earliest(at_ns, engine->now_ns + RETRY_NS);
    if (engine->failed != NULL) at_ns = engine->now_ns;
    return at_ns;
}

static void on_deadline(uv_timer_t *timer);

/* In whole milliseconds of the loop's own clock, never early. */
static void arm(struct sup_engine *engine)
{
    int64_t at_ns = next_deadline(engine);
    if (at_ns == engine->armed_ns) return;
    engine->armed_ns = at_ns;
    if (at_ns == SUP_INFINITY_NS) {
        uv_timer_stop(&engine->deadline);
        return;
    }
    int64_t at_ms = at_ns / MS + (at_ns % MS != 0);
    int64_t now_ms = (int64_t) uv_now(&engine->uv);
    uv_timer_start(&engine->deadline, on_deadline, at_ms > now_ms ? (uint64_t) (at_ms - now_ms) : 0,
                   0);
}

static void on_keeper(uv_poll_t *poll, int status, int events);

static void watch_keeper(struct sup_engine *engine)
{
    int events = UV_READABLE | (engine->link.count > 0 ? UV_WRITABLE : 0);
    if (engine->orphaned || events == engine->polled_events) return;
    if (uv_poll_start(&engine->keeper_poll, events, on_keeper) == 0) engine->polled_events = events;
}

static void check_end(struct sup_engine *engine)
{
    if (engine->ended || !sup_tree_has_ended(engine->tree, &engine->code)) return;
    engine->ended = true;
    uv_stop(&engine->uv);
}

static bool read_keeper(struct sup_engine *engine, int limit);

/* Sending may find the keeper dead while words of it are still to be read. */
static void begin_orphaned_life(struct sup_engine *engine)
{
    while (read_keeper(engine, READ_AT_ONCE)) continue;
    sup_orphan_begin(engine);
}

static void on_listen(uv_timer_t *timer);

static void listen_again(struct sup_engine *engine)
{
    if (!uv_is_active((uv_handle_t *) &engine->listen))
        uv_timer_start(&engine->listen, on_listen, LISTEN_MS, 0);
}

void sup_loop_settle(struct sup_engine *engine)
{
    sup_ready_check(engine);
    sup_probe_check(engine);
    sup_thread_check(engine);
    sup_watchdog_check(engine);
    sup_engine_apply_refusals(engine);
    bool more = apply_letters(engine, SUP_CLASS_FACT);
    apply_stop(engine);
    more = apply_letters(engine, SUP_CLASS_COMMAND) || more;
    sup_recovery_progress(engine);
    sup_calendar_check(engine);
    apply_tick(engine);
    sup_calendar_check(engine);
    sup_activation_check(engine);
    if (engine->stopping && engine->progress_ns <= engine->now_ns) sup_tell_progress(engine);
    sup_engine_commit(engine);
    if (engine->link.lost && !engine->orphaned) begin_orphaned_life(engine);
    if (more) sup_loop_wake(engine);
    check_end(engine);
    watch_keeper(engine);
    arm(engine);
    if (engine->ended) return;
    if (atomic_load(&engine->door.listening)) listen_again(engine);
    sup_door_open(engine);
}

/* --- what wakes it ---------------------------------------------------------------------------- */

static void hear(struct sup_engine *engine, const struct sup_wire *message, int fd)
{
    switch (message->type) {
    case SUP_WIRE_LIMITS:
    case SUP_WIRE_SPAWNED:
    case SUP_WIRE_SPAWN_FAILED:
    case SUP_WIRE_EXIT:
    case SUP_WIRE_ENDING:
    case SUP_WIRE_MAIN_IS:
        sup_process_fact(engine, message, fd);
        return;
    case SUP_WIRE_EAR:
        sup_notify_open(engine, message, fd);
        return;
    case SUP_WIRE_RAN:
        sup_probe_ran(engine, message);
        break;
    case SUP_WIRE_OUTPUT_FD:
        sup_thread_output_came(engine, message->node, fd);
        return;
    case SUP_WIRE_STOP:
        engine->stop_signal = message->a;
        engine->stop_count = message->b;
        break;
    case SUP_WIRE_RELOAD:
        if (engine->reload_asked != NULL) engine->reload_asked(engine->context);
        else sup_tell_line(engine, "SIGHUP changes nothing: nobody here can read a configuration");
        break;
    default:
        break;
    }
    if (fd >= 0) close(fd);
}

/* Services run without them, but what a function prints has nowhere to go. Once. */
static void tell_shortage(struct sup_engine *engine)
{
    static const char words[] =
        "no descriptors are left: functions that start now write nowhere; raise the limit "
        "(ulimit -n)";
    if (engine->said_shortage) return;
    engine->said_shortage = true;
    if (engine->library != NULL) fprintf(stderr, "suptree: %s: %s\n", engine->name, words);
    else sup_tell_line(engine, "%s", words);
}

/* Read up to ${limit} messages; what they cause is sent after them. False: the keeper has no
   more. */
static bool read_keeper(struct sup_engine *engine, int limit)
{
    bool more = true;
    engine->link.corked = true;
    for (int i = 0; i < limit && more; i++) {
        struct sup_wire message;
        int fd;
        int r = sup_wire_receive(engine->link.socket, &message, &fd);
        if (r == 1 || r == -EMFILE) hear(engine, &message, fd);
        else more = false;
        if (r == -EMFILE) tell_shortage(engine);
        if (r == -EPROTO)
            sup_tell_line(engine, "the keeper speaks another version of the protocol");
        if (!more && r != -EAGAIN) engine->link.lost = true;
    }
    engine->link.corked = false;
    return more;
}

static void on_keeper(uv_poll_t *poll, int status, int events)
{
    struct sup_engine *engine = poll->data;
    bool more = true;
    if (status < 0) engine->polled_events = 0; /* libuv has stopped the handle */
    for (int read = 0; more && read < READ_AT_MOST; read += READ_AT_ONCE) {
        sup_engine_tick(engine);
        more = (status < 0 || (events & UV_READABLE) != 0) && read_keeper(engine, READ_AT_ONCE);
        sup_link_flush(&engine->link); /* services first, then what people read */
    }
    sup_loop_settle(engine);
}

void sup_loop_wake(void *context)
{
    struct sup_engine *engine = context;
    atomic_store(&engine->door.called, true);
    uv_async_send(&engine->wake);
}

/* Called in, or only because there is something to tell? For that nobody need stay out. */
static void come(struct sup_engine *engine)
{
    bool lost = engine->link.lost && !engine->orphaned;
    if (atomic_exchange(&engine->door.called, false) || lost) {
        sup_engine_tick(engine);
        sup_loop_settle(engine);
        return;
    }
    bool listens = sup_door_listens(engine);
    sup_engine_flush(engine);
    watch_keeper(engine);
    if (listens || is_behind(engine)) listen_again(engine);
}

static void on_wake(uv_async_t *async)
{
    come(async->data);
}

static void on_listen(uv_timer_t *timer)
{
    come(timer->data);
}

static void on_deadline(uv_timer_t *timer)
{
    struct sup_engine *engine = timer->data;
    sup_engine_tick(engine);
    engine->armed_ns = SUP_INFINITY_NS;
    sup_loop_settle(engine);
}

/* Anything else on the way is a sign of life as well. */
static void on_heartbeat(uv_timer_t *timer)
{
    struct sup_engine *engine = timer->data;
    struct sup_wire message = {.type = SUP_WIRE_HEARTBEAT};
    if (!engine->link.lost && engine->link.count == 0) sup_link_send(&engine->link, &message, -1);
    sup_engine_tick(engine);
    sup_loop_settle(engine);
}

/* --- its life --------------------------------------------------------------------------------- */

static int open_handles(struct sup_engine *engine)
{
    int r = uv_async_init(&engine->uv, &engine->wake, on_wake);
    if (r == 0) r = uv_timer_init(&engine->uv, &engine->deadline);
    if (r == 0) r = uv_timer_init(&engine->uv, &engine->listen);
    if (r == 0) r = uv_timer_init(&engine->uv, &engine->heartbeat);
    if (r == 0) r = uv_poll_init(&engine->uv, &engine->keeper_poll, engine->link.socket);
    engine->wake.data = engine->deadline.data = engine->listen.data = engine;
    engine->heartbeat.data = engine;
    engine->keeper_poll.data = engine;
    return r;
}

static void close_handle(uv_handle_t *handle, void *argument)
{
    (void) argument;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

int sup_loop_init(struct sup_engine *engine)
{
    int r = uv_loop_init(&engine->uv);
    if (r < 0) return r;
    engine->loop_open = true;
    engine->armed_ns = SUP_INFINITY_NS;
    r = open_handles(engine);
    if (r < 0) sup_loop_finish(engine);
    return r;
}

void sup_loop_run(struct sup_engine *engine)
{
    uint64_t period_ms = (uint64_t) (SUP_HEARTBEAT_NS / MS);
    uv_timer_start(&engine->heartbeat, on_heartbeat, 0, period_ms);
    watch_keeper(engine);
    if (!engine->ended) uv_run(&engine->uv, UV_RUN_DEFAULT);
}

void sup_loop_finish(struct sup_engine *engine)
{
    if (!engine->loop_open) return;
    uv_walk(&engine->uv, close_handle, NULL);
    while (uv_run(&engine->uv, UV_RUN_DEFAULT) != 0) continue;
    uv_loop_close(&engine->uv);
    engine->loop_open = false;
}
