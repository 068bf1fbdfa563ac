/*
** engine/ready.c: conditions of readiness that take time: a delay, a file. One deadline each while
** the condition is open, nothing once it holds. What is looked at from outside is for probe.c.
**
** A file counts when it appears or is changed after the launch: one that a former run left behind
** does not. After a death of the host that comparison is lost, and the file counts when it is
** there.
*/
#include "engine/inside.h"

#include <sys/stat.h>

#define LOOK_NS (100 * INT64_C(1000000))

/* What stands at the path of the condition: inode 0 for nothing. */
static uint64_t look_at_file(const char *path, int64_t *changed_ns)
{
    struct stat info;
    *changed_ns = 0;
    if (stat(path, &info) < 0) return 0;
    *changed_ns = (int64_t) info.st_ctim.tv_sec * SUP_SECOND_NS + info.st_ctim.tv_nsec;
    return info.st_ino;
}

static bool file_is_new(const struct sup_slot *slot, const char *path)
{
    int64_t changed_ns;
    uint64_t inode = look_at_file(path, &changed_ns);
    return inode != 0 && (inode != slot->file_inode || changed_ns != slot->file_changed_ns);
}

void sup_ready_prepare(struct sup_engine *engine, struct sup_slot *slot,
                       const struct sup_spec *spec)
{
    slot->file_inode = 0;
    if (spec->ready.kind == SUP_READY_LOG) sup_probe_prepare(engine, slot);
    if (spec->ready.kind == SUP_READY_FILE && spec->ready.text != NULL)
        slot->file_inode = look_at_file(spec->ready.text, &slot->file_changed_ns);
}

static void look_again(struct sup_engine *engine, struct sup_slot *slot, int64_t at_ns)
{
    sup_heap_set(&engine->watches, &slot->watch_timer, at_ns);
}

static bool is_looked_at(enum sup_ready_kind kind)
{
    return kind == SUP_READY_TCP || kind == SUP_READY_UNIX || kind == SUP_READY_HTTP ||
           kind == SUP_READY_LOG || kind == SUP_READY_EXEC;
}

void sup_ready_begin(struct sup_engine *engine, struct sup_slot *slot, const struct sup_spec *spec)
{
    struct sup_heap *heap = &engine->watches;
    if (spec != NULL && is_looked_at(spec->ready.kind)) {
        if (sup_probe_begin(engine, slot, &spec->ready)) slot->watch = SUP_WATCH_PROBE;
        return;
    }
    bool delay = spec != NULL && spec->ready.kind == SUP_READY_DELAY;
    bool file = spec != NULL && spec->ready.kind == SUP_READY_FILE && spec->ready.text != NULL;
    if (!delay && !file) return;
    if (heap->count == heap->capacity && sup_heap_reserve(heap, heap->count + 64) < 0) {
        sup_tell_line(engine, "there is no memory to watch the readiness of a service; it is "
                              "started again when its start_timeout is over");
        return;
    }
    slot->watch = delay ? SUP_WATCH_DELAY : SUP_WATCH_FILE;
    look_again(engine, slot, delay ? slot->launched_ns + spec->ready.delay_ns : engine->now_ns);
}

void sup_ready_watch(struct sup_engine *engine, struct sup_slot *slot)
{
    struct sup_status status;
    const struct sup_spec *spec = sup_tree_spec(engine->tree, slot->node);
    if (spec == NULL || !sup_tree_status(engine->tree, slot->node, engine->now_ns, &status)) return;
    if (status.state == SUP_STATE_STOPPING) sup_ladder_begin(engine, slot, status.since_ns);
    else if (spec->ready.kind != SUP_READY_AT_LAUNCH && !status.ready)
        sup_ready_begin(engine, slot, spec);
    else sup_health_begin(engine, slot);
}

void sup_ready_changed(struct sup_engine *engine, struct sup_slot *slot)
{
    struct sup_status status;
    if (!slot->live || !sup_tree_status(engine->tree, slot->node, engine->now_ns, &status)) return;
    if (status.state != SUP_STATE_RUNNING || status.instance != slot->instance) return;
    sup_ready_cancel(engine, slot);
    sup_ready_watch(engine, slot);
}

void sup_ready_cancel(struct sup_engine *engine, struct sup_slot *slot)
{
    sup_heap_cancel(&engine->watches, &slot->watch_timer);
    sup_probe_cancel(engine, slot);
    sup_health_end(engine, slot);
    slot->watch = SUP_WATCH_NONE;
}

static void check_one(struct sup_engine *engine, struct sup_slot *slot)
{
    const struct sup_spec *spec = sup_tree_spec(engine->tree, slot->node);
    bool file = slot->watch == SUP_WATCH_FILE;
    if (slot->watch == SUP_WATCH_LADDER) {
        sup_ladder_check(engine, slot);
        return;
    }
    if (spec == NULL || (file && spec->ready.kind != SUP_READY_FILE)) {
        slot->watch = SUP_WATCH_NONE;
        return;
    }
    if (file && !file_is_new(slot, spec->ready.text)) {
        look_again(engine, slot, engine->now_ns + LOOK_NS);
        return;
    }
    slot->watch = SUP_WATCH_NONE;
    struct sup_input input = {.type = SUP_IN_READY, .node = slot->node, .instance = slot->instance};
    sup_engine_apply(engine, &input);
}

void sup_ready_check(struct sup_engine *engine)
{
    struct sup_timer *first;
    while ((first = sup_heap_first(&engine->watches)) != NULL && first->at_ns <= engine->now_ns) {
        sup_heap_cancel(&engine->watches, first);
        check_one(engine, sup_container(first, struct sup_slot, watch_timer));
    }
}

int64_t sup_ready_deadline(const struct sup_engine *engine)
{
    const struct sup_timer *first = sup_heap_first(&engine->watches);
    return first == NULL ? SUP_INFINITY_NS : first->at_ns;
}
