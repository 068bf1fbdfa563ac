/*
** engine/thread.c: the thread driver: orders to the workers, their news as facts. Must not know
** what runs on a thread, nor in which language.
**
** A launch may have to wait for the descriptor of the service's output, which the keeper sends when
** it is asked: until then the thread holds its order. Nothing is launched while a former host's
** journal is replayed: whatever ran there is gone, and HOST_DIED launches it again.
*/
#include "engine/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPEAT_NS (10 * INT64_C(1000000))
#define REPEAT_STUCK_NS SUP_SECOND_NS
#define PATH_SIZE 1024

/* --- launching -------------------------------------------------------------------------------- */

/* Why nothing can be launched now; NULL: it can. */
static const char *find_obstacle(struct sup_engine *engine, const struct sup_slot *slot, int *code,
                                 bool *resources)
{
    *code = 0;
    *resources = false;
    if (engine->threads.ops == NULL)
        return "this host cannot run thread services; declare it as a process";
    if (engine->orphaned) {
        *code = EPIPE;
        return "the keeper is gone";
    }
    *resources = true;
    if (engine->threads.safe_mode)
        return "safe mode: hosts died too often, so thread services stay down; find out which one "
               "crashes, then stop suptree and run it again";
    if (slot->plan_print == 0) {
        *code = ENOMEM;
        return "there is no memory or descriptor for its plan";
    }
    return NULL;
}

static bool is_held(struct sup_thread *thread)
{
    sup_thread_lock(thread);
    bool held = thread->phase == SUP_THREAD_HELD;
    sup_thread_unlock(thread);
    return held;
}

static void begin_if_held(struct sup_engine *engine, struct sup_slot *slot)
{
    if (slot->thread == NULL || !is_held(slot->thread)) return;
    int r = sup_worker_begin(slot->thread, sup_thread_output_share(slot->output));
    if (r == 0) return;
    slot->thread = NULL;
    sup_engine_refuse(
        engine, slot, -r, true,
        "the system has no room for another thread: see ulimit -u and -v, pids.max of "
        "the cgroup, and vm.max_map_count");
}

static int take_thread(struct sup_engine *engine, struct sup_slot *slot,
                       const struct sup_effect *effect)
{
    char path[PATH_SIZE];
    const struct sup_spec *spec = sup_tree_spec(engine->tree, effect->node);
    struct sup_thread_driver *driver = &engine->threads;
    const struct sup_workers_ears ears = sup_door_ears(engine);
    if (driver->workers == NULL) driver->workers = sup_workers_create(driver->ops, &ears);
    if (driver->workers == NULL) return -ENOMEM;
    struct sup_thread_order order = {
        .path = sup_tree_path(engine->tree, effect->node, path, sizeof path),
        .generation = effect->generation,
        .memory = spec->memory,
        .run = spec->run,
        .args = spec->args,
        .replica = spec->replica,
    };
    int r = sup_worker_take(driver->workers, &order, &slot->thread);
    if (r < 0) return r;
    slot->thread->node = effect->node;
    slot->thread->instance = effect->instance;
    return 0;
}

static void ask_for_output(struct sup_engine *engine, struct sup_slot *slot)
{
    struct sup_wire message = {.type = SUP_WIRE_OUTPUT, .node = slot->node};
    if (slot->wants_output) return;
    slot->wants_output = true;
    sup_link_send(&engine->link, &message, -1);
}

static void launch(struct sup_engine *engine, struct sup_slot *slot,
                   const struct sup_effect *effect)
{
    int code;
    bool resources;
    if (engine->threads.restoring) {
        slot->launching = false;
        return;
    }
    const char *obstacle = find_obstacle(engine, slot, &code, &resources);
    if (obstacle != NULL) {
        sup_engine_refuse(engine, slot, code, resources, obstacle);
        return;
    }
    sup_ready_prepare(engine, slot, sup_tree_spec(engine->tree, effect->node));
    int r = take_thread(engine, slot, effect);
    if (r < 0) sup_engine_refuse(engine, slot, -r, true, "there is no memory for it");
    else if (slot->output != NULL) begin_if_held(engine, slot);
    else ask_for_output(engine, slot);
}

/* It runs nevertheless; said of the first one. */
static void say_lost_output(struct sup_engine *engine, sup_token node)
{
    char path[PATH_SIZE];
    const struct sup_spec *spec = sup_tree_spec(engine->tree, node);
    bool wanted = spec != NULL && spec->log.mode != SUP_LOG_MODE_NONE;
    if (!wanted || engine->orphaned || engine->threads.output_lost) return;
    engine->threads.output_lost = true;
    sup_tell_line(
        engine,
        "%s, and perhaps others, runs without its output: there is no descriptor left for "
        "it; each service takes two of the keeper's, so raise the limit of open files "
        "(ulimit -n, LimitNOFILE) and run the tree again",
        sup_tree_path(engine->tree, node, path, sizeof path));
}

void sup_thread_output_came(struct sup_engine *engine, sup_token node, int fd)
{
    struct sup_slot *slot = sup_slots_find(&engine->slots, node);
    if (slot == NULL || !slot->wants_output) {
        if (fd >= 0) close(fd);
        return;
    }
    if (fd < 0) say_lost_output(engine, node);
    slot->wants_output = false;
    sup_thread_output_leave(slot->output);
    slot->output = sup_thread_output_create(fd);
    begin_if_held(engine, slot);
}

/* --- stopping --------------------------------------------------------------------------------- */

static struct sup_thread *thread_of(const struct sup_slot *slot, const struct sup_effect *effect)
{
    return slot->instance == effect->instance ? slot->thread : NULL;
}

static void interrupt(struct sup_engine *engine, struct sup_slot *slot,
                      const struct sup_effect *effect)
{
    struct sup_thread *thread = thread_of(slot, effect);
    if (thread == NULL) return;
    sup_ready_cancel(engine, slot);
    sup_watchdog_end(engine, slot);
    sup_worker_ask(thread);
}

static void schedule(struct sup_engine *engine, struct sup_thread *thread)
{
    struct sup_thread_driver *driver = &engine->threads;
    int64_t at_ns = engine->now_ns + (thread->idled ? REPEAT_STUCK_NS : REPEAT_NS);
    if (sup_list_empty(&driver->killed) || at_ns < driver->repeat_ns) driver->repeat_ns = at_ns;
    if (sup_list_empty(&thread->kill_link)) sup_list_insert(&driver->killed, &thread->kill_link);
}

static void kill_thread(struct sup_engine *engine, struct sup_slot *slot,
                        const struct sup_effect *effect)
{
    struct sup_thread *thread = thread_of(slot, effect);
    if (thread == NULL) return;
    sup_ready_cancel(engine, slot);
    sup_watchdog_end(engine, slot);
    slot->killed = true;
    sup_worker_kill(thread);
    schedule(engine, thread);
}

/* It runs on where nobody waits for it. */
static void abandon(struct sup_engine *engine, struct sup_slot *slot,
                    const struct sup_effect *effect)
{
    struct sup_thread *thread = thread_of(slot, effect);
    if (thread == NULL) return;
    sup_worker_idle(thread);
    sup_watchdog_end(engine, slot);
    slot->thread = NULL;
    pthread_mutex_lock(&engine->mutex);
    slot->live = false;
    pthread_mutex_unlock(&engine->mutex);
}

static void note(struct sup_engine *engine, struct sup_slot *slot, const struct sup_effect *effect)
{
    if (effect->event.type == SUP_EVENT_READY) sup_watchdog_begin(engine, slot);
    if (slot->thread == NULL) return;
    if (effect->event.type == SUP_EVENT_STUCK) sup_worker_idle(slot->thread);
    if (effect->event.type == SUP_EVENT_STOPPING && effect->event.context != NULL)
        sup_worker_set_context(slot->thread, effect->event.context);
}

static void update(struct sup_engine *engine, struct sup_slot *slot,
                   const struct sup_effect *effect)
{
    (void) effect;
    sup_ready_changed(engine, slot);
}

static void forget(struct sup_engine *engine, struct sup_slot *slot,
                   const struct sup_effect *effect)
{
    sup_thread_output_leave(slot->output);
    slot->output = NULL;
    slot->wants_output = false;
    sup_process_driver.forget(engine, slot, effect);
}

const struct sup_driver sup_thread_driver = {
    .launch = launch,
    .interrupt = interrupt,
    .kill = kill_thread,
    .abandon = abandon,
    .update = update,
    .forget = forget,
    .note = note,
};

/* --- facts ------------------------------------------------------------------------------------ */

/* The slot of the thread's instance; NULL: another one has it. */
static struct sup_slot *current_slot(struct sup_engine *engine, const struct sup_thread *thread)
{
    struct sup_slot *slot = sup_slots_find(&engine->slots, thread->node);
    return slot != NULL && slot->thread == thread ? slot : NULL;
}

static void note_launched(struct sup_engine *engine, struct sup_thread *thread)
{
    struct sup_input input = {.type = SUP_IN_LAUNCHED,
                              .node = thread->node,
                              .instance = thread->instance};
    struct sup_slot *slot = current_slot(engine, thread);
    if (slot == NULL) return;
    pthread_mutex_lock(&engine->mutex);
    slot->launched_ns = engine->now_ns;
    slot->launching = false;
    slot->live = true;
    pthread_mutex_unlock(&engine->mutex);
    sup_engine_apply(engine, &input);
    slot = current_slot(engine, thread);
    if (slot != NULL && slot->live) sup_ready_watch(engine, slot);
}

static void note_ready(struct sup_engine *engine, const struct sup_thread *thread)
{
    struct sup_input input = {.type = SUP_IN_READY,
                              .node = thread->node,
                              .instance = thread->instance};
    sup_engine_apply(engine, &input);
}

/* The thread is parked before the end is applied, so that the next launch can have it. */
static void note_ended(struct sup_engine *engine, struct sup_thread *thread)
{
    struct sup_slot *slot = current_slot(engine, thread);
    char *text = thread->end.text;
    struct sup_input input = {
        .type = SUP_IN_ENDED,
        .node = thread->node,
        .instance = thread->instance,
        .outcome = thread->end.outcome,
        .text = text,
    };
    if (slot != NULL) {
        sup_ready_cancel(engine, slot);
        sup_watchdog_end(engine, slot);
        pthread_mutex_lock(&engine->mutex);
        slot->thread = NULL;
        slot->live = slot->launching = false;
        slot->ended_ns = engine->now_ns;
        pthread_mutex_unlock(&engine->mutex);
    }
    sup_worker_park(thread);
    sup_engine_apply(engine, &input);
    free(text);
}

static void hear_all(struct sup_engine *engine)
{
    unsigned news;
    struct sup_thread *thread;
    while ((thread = sup_workers_news(engine->threads.workers, &news)) != NULL) {
        if ((news & SUP_THREAD_LAUNCHED) != 0) note_launched(engine, thread);
        if ((news & SUP_THREAD_READY) != 0) note_ready(engine, thread);
        if ((news & SUP_THREAD_ENDED) != 0) note_ended(engine, thread);
    }
}

static void repeat_kills(struct sup_engine *engine)
{
    struct sup_thread_driver *driver = &engine->threads;
    if (sup_list_empty(&driver->killed) || engine->now_ns < driver->repeat_ns) return;
    struct sup_list due = driver->killed;
    due.next->prev = due.prev->next = &due;
    sup_list_init(&driver->killed);
    sup_list_each_safe(it, &due)
    {
        struct sup_thread *thread = sup_container(it, struct sup_thread, kill_link);
        sup_list_remove(it);
        sup_worker_kill(thread);
        schedule(engine, thread);
    }
}

/* Nobody will send their descriptors any more. */
static void begin_orphans(struct sup_engine *engine)
{
    for (size_t i = 0; i < sup_slots_room(&engine->slots); i++) {
        struct sup_slot *slot = sup_slots_at(&engine->slots, i);
        if (slot->node != 0 && slot->wants_output) sup_thread_output_came(engine, slot->node, -1);
    }
}

void sup_thread_check(struct sup_engine *engine)
{
    if (engine->threads.workers == NULL) return;
    if (engine->orphaned) begin_orphans(engine);
    hear_all(engine);
    repeat_kills(engine);
}

int64_t sup_thread_deadline(const struct sup_engine *engine)
{
    const struct sup_thread_driver *driver = &engine->threads;
    return sup_list_empty(&driver->killed) ? SUP_INFINITY_NS : driver->repeat_ns;
}

/* --- its life --------------------------------------------------------------------------------- */

void sup_thread_init(struct sup_engine *engine, const struct sup_thread_ops *ops)
{
    engine->threads = (struct sup_thread_driver){.ops = ops};
    sup_list_init(&engine->threads.killed);
}

size_t sup_thread_finish(struct sup_engine *engine)
{
    for (size_t i = 0; i < sup_slots_room(&engine->slots); i++) {
        struct sup_slot *slot = sup_slots_at(&engine->slots, i);
        if (slot->thread != NULL && is_held(slot->thread)) sup_worker_discard(slot->thread);
    }
    sup_door_finish(engine);
    size_t left = sup_workers_finish(engine->threads.workers);
    engine->threads.workers = NULL;
    for (size_t i = 0; i < sup_slots_room(&engine->slots); i++) {
        struct sup_slot *slot = sup_slots_at(&engine->slots, i);
        sup_thread_output_leave(slot->output);
        slot->output = NULL;
    }
    return left;
}
