/*
** engine/apply.c: one input: journal, core, effects in order, confirmation. Must not know how
** drivers perform what they are told.
**
** Order matters: an input stands in the journal before it is applied; effects are confirmed only
** when they have really left this process. Whatever a death leaves in between is done again by
** the next host, and the keeper drops what it had already.
*/
#include "engine/crash.h"
#include "engine/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLOCK_NOISE_NS INT64_C(5000000)

/* --- time ------------------------------------------------------------------------------------- */

static int64_t read_clock(clockid_t id)
{
    struct timespec time;
    clock_gettime(id, &time);
    return (int64_t) time.tv_sec * SUP_SECOND_NS + time.tv_nsec;
}

int64_t sup_engine_clock(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* The offset changes when somebody sets the clock, not by what two readings lie apart: an
   event that is told again by the next host has the same time. */
static void look_at_clock(struct sup_engine *engine)
{
    engine->now_ns = sup_engine_clock();
    int64_t offset_ns = read_clock(CLOCK_REALTIME) - engine->now_ns;
    int64_t change_ns = offset_ns - engine->wall_offset_ns;
    if (change_ns > -CLOCK_NOISE_NS && change_ns < CLOCK_NOISE_NS) return;
    engine->wall_offset_ns = offset_ns;
    engine->clock_was_set = true;
    if (engine->recorder.tail != NULL) engine->recorder.tail->wall_offset_ns = offset_ns;
}

void sup_engine_tick(struct sup_engine *engine)
{
    bool was_open = sup_door_shut(engine);
    look_at_clock(engine);
    if (was_open) sup_door_catch_up(engine);
}

/* --- the face --------------------------------------------------------------------------------- */

int sup_engine_submit(struct sup_engine *engine, const struct sup_input *input,
                      sup_answer_fn *answer, void *context)
{
    return sup_inbox_put(&engine->inbox, input, answer, context);
}

void sup_engine_read(struct sup_engine *engine,
                     void (*look)(void *context, const struct sup_view *view), void *context)
{
    struct sup_view view = {.now_ns = sup_engine_clock(), .engine = engine};
    pthread_mutex_lock(&engine->mutex);
    view.tree = engine->tree;
    look(context, &view);
    pthread_mutex_unlock(&engine->mutex);
}

int32_t sup_engine_pid(const struct sup_view *view, sup_token node)
{
    const struct sup_slot *slot = sup_slots_find(&view->engine->slots, node);
    return slot != NULL && slot->live ? slot->pid : 0;
}

int64_t sup_engine_launched_ns(const struct sup_view *view, sup_token node)
{
    const struct sup_slot *slot = sup_slots_find(&view->engine->slots, node);
    return slot != NULL && slot->live ? slot->launched_ns : 0;
}

double sup_engine_unix_time(const struct sup_view *view, int64_t at_ns)
{
    return (double) (at_ns + view->engine->wall_offset_ns) / (double) SUP_SECOND_NS;
}

size_t sup_engine_events(struct sup_engine *engine, struct sup_event_cursor *cursor, char *buf,
                         size_t size, uint64_t *missed)
{
    return sup_tap_read(&engine->tap, cursor, buf, size, missed);
}

uint64_t sup_engine_last_event(struct sup_engine *engine)
{
    return sup_tap_last(&engine->tap);
}

void sup_engine_wake_reader(struct sup_engine *engine, enum sup_ear ear,
                            void (*wake)(void *context), void *context)
{
    sup_tap_set_wake(&engine->tap, ear, wake, context);
}

const struct sup_facts *sup_engine_facts(const struct sup_engine *engine)
{
    return &engine->facts;
}

/* --- effects ---------------------------------------------------------------------------------- */

struct sup_slot *sup_engine_slot(struct sup_engine *engine, sup_token node, enum sup_kind kind)
{
    struct sup_slot *slot = sup_slots_find(&engine->slots, node);
    if (slot != NULL) return slot;
    pthread_mutex_lock(&engine->mutex);
    slot = sup_slots_take(&engine->slots, node);
    if (slot != NULL) slot->kind = kind;
    pthread_mutex_unlock(&engine->mutex);
    return slot;
}

static void launch(struct sup_engine *engine, const struct sup_effect *effect)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, effect->node);
    struct sup_slot *slot = spec == NULL ? NULL : sup_engine_slot(engine, effect->node, spec->kind);
    if (slot == NULL) {
        sup_tell_line(engine, "there is no memory to start a service; it is tried again when its "
                              "start_timeout is over");
        return;
    }
    pthread_mutex_lock(&engine->mutex);
    slot->kind = spec->kind;
    if (slot->launched_ns != 0) slot->former = slot->generation;
    slot->instance = effect->instance;
    slot->generation = effect->generation;
    slot->launched_ns = slot->ended_ns = 0;
    slot->pid = 0;
    slot->launching = true;
    slot->live = slot->killed = false;
    pthread_mutex_unlock(&engine->mutex);
    const struct sup_driver *driver = engine->drivers[spec->kind];
    if (driver != NULL) driver->launch(engine, slot, effect);
    else
        sup_engine_refuse(engine, slot, 0, false,
                          "this host cannot run thread services; declare it as a process");
}

static void forget(struct sup_engine *engine, struct sup_slot *slot,
                   const struct sup_effect *effect)
{
    const struct sup_driver *driver = engine->drivers[slot->kind];
    sup_ready_cancel(engine, slot);
    if (driver != NULL) driver->forget(engine, slot, effect);
    pthread_mutex_lock(&engine->mutex);
    sup_notify_close(engine, slot);
    sup_slot_clear(slot);
    pthread_mutex_unlock(&engine->mutex);
}

/* While a host does again what its predecessor may not have said, processes have no slots yet. */
static struct sup_slot *find_slot(struct sup_engine *engine, const struct sup_effect *effect)
{
    struct sup_slot *slot = sup_slots_find(&engine->slots, effect->node);
    if (slot != NULL || !engine->threads.restoring) return slot;
    const struct sup_spec *spec = sup_tree_spec(engine->tree, effect->node);
    bool is_process = spec != NULL && spec->kind == SUP_PROCESS;
    return is_process ? sup_engine_slot(engine, effect->node, SUP_PROCESS) : NULL;
}

/* The effects that concern a slot which was taken by a launch or a plan. */
static void drive(struct sup_engine *engine, const struct sup_effect *effect)
{
    struct sup_slot *slot = find_slot(engine, effect);
    if (slot == NULL) return;
    const struct sup_driver *driver = engine->drivers[slot->kind];
    if (effect->type == SUP_DO_FORGET) forget(engine, slot, effect);
    if (driver == NULL) return;
    switch (effect->type) {
    case SUP_DO_INTERRUPT:
        driver->interrupt(engine, slot, effect);
        break;
    case SUP_DO_KILL:
        driver->kill(engine, slot, effect);
        break;
    case SUP_DO_ABANDON:
        driver->abandon(engine, slot, effect);
        break;
    case SUP_DO_UPDATE:
        driver->update(engine, slot, effect);
        break;
    case SUP_DO_FORGET:
    case SUP_DO_SCHEDULE:
    case SUP_DO_LISTEN:
    case SUP_DO_LAUNCH:
    case SUP_DO_REPLY:
    case SUP_DO_EVENT:
        break;
    }
}

static void tell(struct sup_engine *engine, const struct sup_effect *batch, size_t count, size_t at)
{
    const struct sup_effect *effect = &batch[at];
    struct sup_slot *slot = sup_slots_find(&engine->slots, effect->node);
    const struct sup_driver *driver = slot == NULL ? NULL : engine->drivers[slot->kind];
    if (driver != NULL && driver->note != NULL) driver->note(engine, slot, effect);
    if (slot != NULL && effect->event.type == SUP_EVENT_READY) sup_health_begin(engine, slot);
    sup_config_note(engine, &effect->event);
    sup_tell_effect(engine, batch, count, at);
}

static void perform_one(struct sup_engine *engine, const struct sup_effect *batch, size_t count,
                        size_t at)
{
    const struct sup_effect *effect = &batch[at];
    if (effect->type == SUP_DO_LAUNCH) launch(engine, effect);
    else if (effect->type == SUP_DO_REPLY)
        sup_inbox_answer(&engine->inbox, effect->request, &effect->reply);
    else if (effect->type == SUP_DO_EVENT) tell(engine, batch, count, at);
    else if (effect->type == SUP_DO_SCHEDULE) engine->schedule_asked = true;
    else if (effect->type == SUP_DO_LISTEN) engine->listeners.asked = true;
    else drive(engine, effect);
    engine->done_seq = effect->seq;
}

void sup_engine_perform(struct sup_engine *engine, const struct sup_effect *batch, size_t count)
{
    for (int kind = 0; kind < SUP_KIND_COUNT; kind++)
        if (engine->drivers[kind] != NULL && engine->drivers[kind]->prepare != NULL)
            engine->drivers[kind]->prepare(engine, batch, count);
    for (size_t i = 0; i < count; i++) perform_one(engine, batch, count, i);
}

static size_t take_batch(struct sup_engine *engine)
{
    size_t count = 0;
    pthread_mutex_lock(&engine->mutex);
    while (count < SUP_ENGINE_BATCH && sup_tree_next_effect(engine->tree, &engine->batch[count]))
        count++;
    pthread_mutex_unlock(&engine->mutex);
    return count;
}

void sup_engine_perform_pending(struct sup_engine *engine)
{
    size_t count;
    do {
        count = take_batch(engine);
        sup_engine_perform(engine, engine->batch, count);
    } while (count == SUP_ENGINE_BATCH);
    sup_config_follow(engine);
}

/* --- refusals --------------------------------------------------------------------------------- */

void sup_engine_refuse(struct sup_engine *engine, struct sup_slot *slot, int code, bool resources,
                       const char *text)
{
    slot->failed_code = code;
    slot->failed_resources = resources;
    slot->failed_text = text;
    slot->launching = false;
    if (slot->failed) return;
    slot->failed = true;
    slot->failed_next = engine->failed;
    engine->failed = slot;
}

/* What is refused anew while this goes on waits for the next round: a hopeless launch does not keep
   the engine from everything else. */
void sup_engine_apply_refusals(struct sup_engine *engine)
{
    struct sup_slot *waiting = NULL;
    while (engine->failed != NULL) { /* in the order of the launches */
        struct sup_slot *slot = engine->failed;
        engine->failed = slot->failed_next;
        slot->failed_next = waiting;
        waiting = slot;
    }
    while (waiting != NULL) {
        struct sup_slot *slot = waiting;
        waiting = slot->failed_next;
        slot->failed = false;
        struct sup_input input = {
            .type = SUP_IN_LAUNCH_FAILED,
            .node = slot->node,
            .instance = slot->instance,
            .flag = slot->failed_resources,
            .outcome = {SUP_END_NO_LAUNCH, slot->failed_code},
            .text = slot->failed_text,
        };
        sup_engine_apply(engine, &input);
    }
}

/* --- one input -------------------------------------------------------------------------------- */

/* The nodes that a blob declares; 0: it is broken, and the core will say so. */
static size_t count_nodes(const void *blob, size_t size)
{
    struct sup_form_header header;
    if (size < sizeof header) return 0;
    memcpy(&header, blob, sizeof header);
    return header.node_count > SUP_FORM_MAX_NODES ? 0 : header.node_count;
}

static int reserve_nodes(struct sup_engine *engine, size_t count)
{
    pthread_mutex_lock(&engine->mutex);
    int r = sup_slots_reserve(&engine->slots, count);
    pthread_mutex_unlock(&engine->mutex);
    if (r == 0) r = sup_heap_reserve(&engine->watches, sup_slots_room(&engine->slots));
    return r;
}

int sup_engine_reserve(struct sup_engine *engine, const void *blob, size_t size)
{
    return reserve_nodes(engine, count_nodes(blob, size));
}

/* What a reload takes away may come back by its rollback, which asks nobody for room. */
static bool has_room(struct sup_engine *engine, const struct sup_input *input)
{
    const struct sup_reply none = {.status = SUP_NO_MEMORY};
    if (input->blob == NULL) return true;
    const struct sup_form *config = sup_tree_config(engine->tree);
    size_t count = count_nodes(input->blob, input->blob_size);
    if (input->type == SUP_IN_RELOAD) count += count_nodes(config->bytes, config->size);
    if (reserve_nodes(engine, count) == 0) return true;
    sup_inbox_answer(&engine->inbox, input->request, &none);
    return false;
}

/*
** An input that finds no room waits for a new journal: the keeper must have that one first. If
** none can be made, supervision goes on without, and it is tried again every second.
*/
static void record(struct sup_engine *engine, const struct sup_input *input)
{
    if (engine->library != NULL) return; /* no other host goes on with the tree */
    if (sup_recorder_append(&engine->recorder, input, engine->now_ns) || engine->orphaned) return;
    if (engine->now_ns < engine->journal_retry_ns) return;
    int r = sup_engine_snapshot(engine, input->blob_size + 2 * SUP_TEXT_MAX);
    if (r == 0 && sup_recorder_append(&engine->recorder, input, engine->now_ns)) return;
    if (engine->journal_retry_ns == 0)
        sup_tell_line(engine,
                      "the journal cannot be continued (%s): supervision goes on, but what happens "
                      "from now on is forgotten if this host dies; free memory and descriptors",
                      strerror(r == 0 ? ENOSPC : -r));
    engine->journal_retry_ns = engine->now_ns + SUP_SECOND_NS;
}

void sup_engine_apply(struct sup_engine *engine, const struct sup_input *input)
{
    sup_require(engine->door.inside);
    struct sup_input refused;
    char why[SUP_LISTENER_TEXT];
    if (!has_room(engine, input)) return;
    if (input->type == SUP_IN_RELOAD && input->blob != NULL &&
        sup_listeners_open_all(engine, input->blob, input->blob_size, why) < 0) {
        refused = *input;
        refused.blob = NULL;
        refused.blob_size = 0;
        refused.text = why;
        input = &refused;
    }
    record(engine, input);
    pthread_mutex_lock(&engine->mutex);
    sup_tree_apply(engine->tree, input, engine->now_ns);
    pthread_mutex_unlock(&engine->mutex);
    sup_engine_perform_pending(engine);
}

/* --- confirmation and snapshots --------------------------------------------------------------- */

/* Everything told up to now is out, or given up. */
static void note_told(struct sup_engine *engine, bool lines, bool events)
{
    struct sup_recorder_tail *tail = engine->recorder.tail;
    if (tail == NULL) return;
    if (lines) atomic_store(&tail->told_lines, engine->done_seq);
    if (events) atomic_store(&tail->told_events, engine->done_seq);
}

void sup_engine_flush(struct sup_engine *engine)
{
    bool lines = sup_output_flush(&engine->lines);
    bool events = sup_output_flush(&engine->events);
    note_told(engine, lines, events);
    if (lines && events && engine->done_seq > engine->link.reached)
        sup_link_mark(&engine->link, engine->done_seq);
    sup_link_flush(&engine->link);
    if (engine->recorder.memory != NULL)
        sup_journal_confirm(engine->recorder.memory, engine->link.reached);
}

void sup_engine_commit(struct sup_engine *engine)
{
    sup_listeners_collect(engine);
    sup_engine_flush(engine);
    int r = sup_link_flush(&engine->link);
    bool due = engine->library == NULL && sup_recorder_is_due(&engine->recorder);
    if (r == 0 && due && engine->now_ns >= engine->journal_retry_ns) sup_engine_snapshot(engine, 0);
}

static int give_to_keeper(struct sup_engine *engine, int fd)
{
    struct sup_wire message = {.type = SUP_WIRE_STORE_FD, .a = SUP_FD_JOURNAL};
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return -errno;
    int r = sup_link_send(&engine->link, &message, copy);
    return r < 0 ? r : sup_link_drain(&engine->link, -1);
}

/*
** The new journal counts once the keeper's socket has it. So everything before it must have left:
** what is said in the old journal alone would not be done again.
*/
int sup_engine_snapshot(struct sup_engine *engine, size_t records)
{
    struct sup_recorder fresh = {.fd = -1};
    size_t size;
    if (engine->orphaned || sup_link_drain(&engine->link, -1) < 0) return -EPIPE;
    unsigned char *bytes = sup_tree_save(engine->tree, &size);
    if (bytes == NULL) return -ENOMEM;
    int r = sup_recorder_begin(&fresh, bytes, size, records, engine->done_seq, &engine->bases);
    free(bytes);
    if (r < 0) return r;
    r = give_to_keeper(engine, fresh.fd);
    if (r < 0) {
        sup_recorder_finish(&fresh);
        return r;
    }
    sup_crash_set_journal(NULL);
    sup_recorder_finish(&engine->recorder);
    engine->recorder = fresh;
    sup_crash_set_journal(fresh.memory);
    fresh.tail->wall_offset_ns = engine->wall_offset_ns;
    engine->journal_retry_ns = 0;
    engine->link.reached = engine->done_seq;
    sup_output_flush(&engine->lines);
    sup_output_flush(&engine->events);
    note_told(engine, true, true);
    return 0;
}
