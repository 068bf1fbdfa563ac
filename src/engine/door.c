/*
** engine/door.c: the way of a service's own thread into the core. While the engine thread is not
** inside, the thread tells its launch, its readiness and its end there itself, with the mutex: it
** journals, applies, and when all that follows is that it is to be launched again at once, it does
** that too. Anything else that follows stays in the tree, the door is shut, and the engine thread
** performs it before anything else happens: nothing overtakes anything.
**
** What has been done here is told by the engine thread, in order, from the notes: at once when it
** was quiet, every few milliseconds in a storm. Must not know what a thread runs.
*/
#include "engine/door.h"

#include "engine/inside.h"

#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 1024

/* --- the engine thread ------------------------------------------------------------------------ */

void sup_door_init(struct sup_door *door)
{
    atomic_store(&door->shut, true);
    door->inside = true;
}

static void tell_note(struct sup_engine *engine, const struct sup_note *note)
{
    struct sup_tale tale = {
        .batch = note->effect,
        .count = note->count,
        .kind = SUP_THREAD,
        .has_condition = note->has_condition,
        .ran_ns = note->ran_ns,
        .told = {.path = note->path, .other = note->other},
    };
    for (tale.at = 0; tale.at < note->count; tale.at++) {
        tale.told.effect = &note->effect[tale.at];
        sup_tell_event(engine, &tale);
    }
    engine->done_seq = note->seq;
}

bool sup_door_tell(struct sup_engine *engine)
{
    struct sup_notes *notes = &engine->door.notes;
    uint64_t end = sup_notes_end(notes);
    const struct sup_note *note;
    bool any = false;
    atomic_store(&engine->door.hurried, false);
    while ((note = sup_notes_first(notes, end)) != NULL) {
        tell_note(engine, note);
        sup_notes_drop(notes, note);
        any = true;
    }
    return any;
}

bool sup_door_shut(struct sup_engine *engine)
{
    struct sup_door *door = &engine->door;
    if (door->inside) return false;
    sup_door_tell(engine); /* most of them while the others go on */
    atomic_store(&door->shut, true);
    pthread_mutex_lock(&engine->mutex); /* who was inside has left */
    pthread_mutex_unlock(&engine->mutex);
    door->inside = true;
    sup_door_tell(engine);
    return true;
}

void sup_door_catch_up(struct sup_engine *engine)
{
    sup_door_finish(engine);
    sup_engine_perform_pending(engine);
}

void sup_door_open(struct sup_engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    engine->door.inside = false;
    atomic_store(&engine->door.shut, false);
    pthread_mutex_unlock(&engine->mutex);
}

bool sup_door_listens(struct sup_engine *engine)
{
    struct sup_door *door = &engine->door;
    if (sup_door_tell(engine)) return true;
    atomic_store(&door->listening, false);
    if (sup_notes_first(&door->notes, sup_notes_end(&door->notes)) == NULL) return false;
    atomic_store(&door->listening, true);
    return true;
}

void sup_door_finish(struct sup_engine *engine)
{
    struct sup_door *door = &engine->door;
    if (door->over != NULL) sup_worker_park(door->over);
    door->over = NULL;
}

/* --- going in and out ------------------------------------------------------------------------- */

static bool enter(struct sup_engine *engine)
{
    if (atomic_load(&engine->door.shut)) return false;
    pthread_mutex_lock(&engine->mutex);
    if (!atomic_load(&engine->door.shut)) return true;
    pthread_mutex_unlock(&engine->mutex);
    return false;
}

/* The engine thread is to come in, soon. */
static void call_engine(struct sup_engine *engine)
{
    if (!atomic_exchange(&engine->door.called, true)) uv_async_send(&engine->wake);
}

static void leave(struct sup_engine *engine)
{
    bool early = sup_tree_deadline(engine->tree) < engine->armed_ns;
    bool full = engine->library == NULL && sup_recorder_is_due(&engine->recorder);
    pthread_mutex_unlock(&engine->mutex);
    if (early || full) call_engine(engine);
}

/* What follows is for the engine thread; until it has done it, nobody else gets in. */
static void leave_undone(struct sup_engine *engine)
{
    atomic_store(&engine->door.shut, true);
    call_engine(engine);
}

/* --- notes ------------------------------------------------------------------------------------ */

static bool is_heard(struct sup_engine *engine)
{
    if (engine->library != NULL) return engine->library->listens(engine->library->context);
    return engine->lines.fd >= 0 || engine->events.fd >= 0;
}

static void put_note(struct sup_engine *engine, const struct sup_thread *thread,
                     struct sup_note *note)
{
    char other[PATH_SIZE] = "";
    struct sup_door *door = &engine->door;
    sup_token by = note->effect[0].event.other;
    if (note->count == 0 || !is_heard(engine)) return;
    if (by != 0) sup_tree_path(engine->tree, by, other, sizeof other);
    note->path = thread->order.path;
    note->other = other;
    sup_notes_put(&door->notes, note);
    bool call = !atomic_exchange(&door->listening, true);
    if (sup_notes_half_full(&door->notes)) call = !atomic_exchange(&door->hurried, true) || call;
    if (call) uv_async_send(&engine->wake);
}

/* --- facts ------------------------------------------------------------------------------------ */

/* The slot of the thread's instance, when the thread may speak for it here; NULL: it becomes
   news. */
static struct sup_slot *find_slot(struct sup_engine *engine, struct sup_thread *thread)
{
    struct sup_slot *slot = sup_slots_find(&engine->slots, thread->node);
    if (slot == NULL || slot->thread != thread || slot->instance != thread->instance) return NULL;
    if (thread->news != 0 || slot->watch != SUP_WATCH_NONE || slot->health != NULL) return NULL;
    if (sup_timer_is_set(&slot->watchdog_timer)) return NULL;
    if (sup_notes_have_room(&engine->door.notes)) return slot;
    if (!atomic_exchange(&engine->door.hurried, true)) uv_async_send(&engine->wake);
    return NULL;
}

/* One with a watchdog or health is looked after by the engine from then on. */
static bool can_be_ready_here(const struct sup_spec *spec)
{
    if (spec->watchdog_ns != 0 || spec->health.every_ns != 0) return false;
    if (spec->role != SUP_ROLE_SERVICE) return false;
    return spec->ready.kind == SUP_READY_AT_LAUNCH || spec->ready.kind == SUP_READY_MANUAL;
}

/* Journal it and apply it. False: there is no room in the journal, nothing has happened. */
static bool apply(struct sup_engine *engine, const struct sup_input *input, int64_t now_ns)
{
    if (engine->library == NULL && !sup_recorder_append(&engine->recorder, input, now_ns))
        return false;
    sup_tree_apply(engine->tree, input, now_ns);
    return true;
}

static bool is_event(const struct sup_effect *effect, enum sup_event_type type, sup_token node,
                     sup_token other)
{
    return effect->type == SUP_DO_EVENT && effect->event.type == type && effect->node == node &&
           effect->event.other == other && effect->event.context == NULL;
}

/* Move the tree's effects to ${note}, all but launches. */
static void take_effects(struct sup_engine *engine, struct sup_note *note)
{
    struct sup_effect effect;
    while (sup_tree_next_effect(engine->tree, &effect)) {
        note->seq = effect.seq;
        if (effect.type == SUP_DO_EVENT) note->effect[note->count++] = effect;
    }
}

/* Launched or ready: with no more to it than these events of its own? */
static bool is_plain_rise(struct sup_engine *engine, const struct sup_thread *thread,
                          const struct sup_note *note)
{
    size_t count;
    const struct sup_effect *effect = sup_tree_pending(engine->tree, &count);
    if (count == 0) return true;
    sup_token other = note->count > 0 ? note->effect[0].event.other : effect->event.other;
    bool launched = is_event(effect, SUP_EVENT_LAUNCHED, thread->node, other);
    size_t ready = launched ? 1 : 0;
    if (count > ready + 1) return false;
    return count == ready || is_event(effect + ready, SUP_EVENT_READY, thread->node, other);
}

static void note_rise(struct sup_engine *engine, const struct sup_thread *thread,
                      struct sup_note *note)
{
    if (is_plain_rise(engine, thread, note)) take_effects(engine, note);
    else leave_undone(engine);
    put_note(engine, thread, note);
}

/* It runs. The mutex is held; the instance is the slot's. */
static bool rise(struct sup_engine *engine, struct sup_slot *slot, const struct sup_thread *thread,
                 struct sup_note *note, int64_t now_ns)
{
    struct sup_input input = {.type = SUP_IN_LAUNCHED,
                              .node = thread->node,
                              .instance = thread->instance};
    if (!apply(engine, &input, now_ns)) return false;
    slot->launched_ns = now_ns;
    slot->launching = false;
    slot->live = true;
    note_rise(engine, thread, note);
    return true;
}

static bool launched(void *context, struct sup_thread *thread)
{
    struct sup_engine *engine = context;
    if (!enter(engine)) return false;
    struct sup_slot *slot = find_slot(engine, thread);
    const struct sup_spec *spec = slot == NULL ? NULL : sup_tree_spec(engine->tree, thread->node);
    bool heard = false;
    if (spec != NULL && slot->launching && can_be_ready_here(spec)) {
        struct sup_note note = {.count = 0};
        note.has_condition = spec->ready.kind != SUP_READY_AT_LAUNCH;
        note.ran_ns = -1;
        heard = rise(engine, slot, thread, &note, sup_engine_clock());
    }
    leave(engine);
    return heard;
}

static bool ready(void *context, struct sup_thread *thread)
{
    struct sup_engine *engine = context;
    struct sup_input input = {.type = SUP_IN_READY,
                              .node = thread->node,
                              .instance = thread->instance};
    if (!enter(engine)) return false;
    int64_t now_ns = sup_engine_clock();
    const struct sup_slot *slot = find_slot(engine, thread);
    const struct sup_spec *spec = slot == NULL ? NULL : sup_tree_spec(engine->tree, thread->node);
    bool heard =
        spec != NULL && slot->live && can_be_ready_here(spec) && apply(engine, &input, now_ns);
    if (heard) {
        struct sup_note note = {.has_condition = true, .ran_ns = now_ns - slot->launched_ns};
        note_rise(engine, thread, &note);
    }
    leave(engine);
    return heard;
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool same_bytes(const struct sup_bytes *a, const struct sup_bytes *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

/* Is what is to be launched what the thread has just run? */
static bool is_same_order(struct sup_engine *engine, const struct sup_thread *thread)
{
    char path[PATH_SIZE];
    const struct sup_thread_order *order = &thread->order;
    const struct sup_spec *spec = sup_tree_spec(engine->tree, thread->node);
    return spec != NULL && spec->kind == SUP_THREAD && can_be_ready_here(spec) &&
           spec->memory == order->memory && spec->replica == order->replica &&
           same_bytes(&spec->run, &order->run) && same_bytes(&spec->args, &order->args) &&
           strcmp(sup_tree_path(engine->tree, thread->node, path, sizeof path), order->path) == 0;
}

/* Ended, failed, launched again: with no more to it than that? Then the launch is in ${again}. */
static bool is_plain_restart(struct sup_engine *engine, const struct sup_thread *thread,
                             struct sup_effect *again)
{
    size_t count;
    const struct sup_effect *effect = sup_tree_pending(engine->tree, &count);
    if (count != 3) return false;
    sup_token node = thread->node, other = effect->event.other;
    bool plain = is_event(effect, SUP_EVENT_ENDED, node, other) &&
                 is_event(effect + 1, SUP_EVENT_FAILED, node, other) &&
                 effect[2].type == SUP_DO_LAUNCH && effect[2].node == node;
    if (!plain || !is_same_order(engine, thread)) return false;
    *again = effect[2];
    return true;
}

/* The tree's copy of ${text} goes with the next input. */
static void take_end(struct sup_engine *engine, struct sup_note *note, char *text)
{
    take_effects(engine, note);
    for (uint32_t i = 0; i < note->count; i++)
        if (note->effect[i].event.text != NULL) note->effect[i].event.text = text;
    if (text != NULL && strnlen(text, SUP_TEXT_MAX) == SUP_TEXT_MAX) text[SUP_TEXT_MAX - 1] = '\0';
}

static void launch_again(struct sup_engine *engine, struct sup_slot *slot,
                         struct sup_thread *thread, const struct sup_effect *again,
                         struct sup_note *note, int64_t now_ns)
{
    slot->instance = again->instance;
    slot->generation = again->generation;
    slot->launched_ns = slot->ended_ns = 0;
    slot->launching = true;
    slot->killed = false;
    sup_worker_renew(thread, again->instance, again->generation, slot->output);
    if (rise(engine, slot, thread, note, now_ns)) return;
    put_note(engine, thread, note);
    sup_worker_post(thread, SUP_THREAD_LAUNCHED);
}

static enum sup_thread_next end_here(struct sup_engine *engine, struct sup_slot *slot,
                                     struct sup_thread *thread, const struct sup_thread_end *end)
{
    struct sup_effect again;
    int64_t now_ns = sup_engine_clock();
    struct sup_note note = {.ran_ns = now_ns - slot->launched_ns};

    struct sup_input input = {.type = SUP_IN_ENDED,
                              .node = thread->node,
                              .instance = thread->instance,
                              .outcome = end->outcome,
                              .text = end->text};
    if (!apply(engine, &input, now_ns)) return SUP_THREAD_TELLS;
    slot->live = slot->launching = false;
    slot->ended_ns = now_ns;
    if (is_plain_restart(engine, thread, &again)) {
        take_end(engine, &note, end->text);
        launch_again(engine, slot, thread, &again, &note, now_ns);
        return SUP_THREAD_AGAIN;
    }
    slot->thread = NULL;
    sup_worker_rest(thread);
    engine->door.over = thread;
    leave_undone(engine);
    return SUP_THREAD_RESTS;
}

static bool is_left_alone(const struct sup_thread *thread)
{
    return !sup_thread_is_asked(thread) && !sup_thread_is_killed(thread);
}

static enum sup_thread_next ended(void *context, struct sup_thread *thread,
                                  struct sup_thread_end *end)
{
    struct sup_engine *engine = context;
    enum sup_thread_next next = SUP_THREAD_TELLS;
    if (!enter(engine)) return next;
    struct sup_slot *slot = find_slot(engine, thread);
    bool known = slot != NULL && slot->live && slot->plan_print != 0 && slot->output != NULL;
    if (known && is_left_alone(thread)) next = end_here(engine, slot, thread, end);
    leave(engine);
    if (next != SUP_THREAD_TELLS) free(end->text);
    return next;
}

struct sup_workers_ears sup_door_ears(struct sup_engine *engine)
{
    return (struct sup_workers_ears){.context = engine,
                                     .wake = sup_loop_wake,
                                     .launched = launched,
                                     .ready = ready,
                                     .ended = ended};
}
