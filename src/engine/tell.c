/*
** engine/tell.c: events to people as lines and to programs as JSON lines. Must not know what is
** done about an event.
*/
#include "engine/inside.h"

#include "base/process.h"

#include "core/event.h"
#include "engine/event_line.h"
#include "engine/narrate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WHY_SIZE 512
#define PATH_SIZE 1024
#define LINE_SIZE 1024 /* of a line for people: what is longer is not read */
#define NAMES_SHOWN 5  /* by a line that lists services */
#define PROGRESS_NS (5 * SUP_SECOND_NS)

/* --- lines ------------------------------------------------------------------------------------ */

void sup_tell_line(struct sup_engine *engine, const char *format, ...)
{
    char text[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (n < 0) return;
    size_t size = (size_t) n < sizeof text ? (size_t) n : sizeof text - 1;
    sup_output_line(&engine->lines, text, size);
}

/* The path of ${node} as people see it: the root has no path, but a name. */
static const char *path_of(const struct sup_engine *engine, sup_token node, char *buf, size_t size)
{
    if (node == 0) return "";
    if (node == sup_tree_root(engine->tree)) return engine->name;
    return sup_tree_path(engine->tree, node, buf, size);
}

/* Does ${batch}[${at}] stand next to an event of ${type} about the same node? ${step}: 1
   after, -1 before. A pause is announced between an end and what it means. */
static bool is_beside(const struct sup_effect *batch, size_t count, size_t at, int step,
                      enum sup_event_type type)
{
    sup_token node = batch[at].node;
    for (int i = 0; i < 3; i++) {
        at += (size_t) step;
        if (at >= count || batch[at].type != SUP_DO_EVENT) return false;
        if (batch[at].node == node && batch[at].event.type == type) return true;
    }
    return false;
}

static int64_t ran_ns(const struct sup_slot *slot, const struct sup_event *event)
{
    if (slot == NULL || slot->launched_ns == 0) return -1;
    int64_t end_ns = event->type == SUP_EVENT_READY ? event->time_ns : slot->ended_ns;
    return end_ns < slot->launched_ns ? -1 : end_ns - slot->launched_ns;
}

static void tell_people(struct sup_engine *engine, const struct sup_tale *tale)
{
    char text[LINE_SIZE];
    const struct sup_effect *effect = &tale->batch[tale->at];
    struct sup_story story = {
        .event = &effect->event,
        .path = tale->is_root ? engine->name : tale->told.path,
        .other = strcmp(tale->told.other, ".") == 0 ? engine->name : tale->told.other,
        .kind = tale->kind,
        .role = effect->role,
        .is_root = tale->is_root,
        .has_condition = tale->has_condition,
        .failed_follows = is_beside(tale->batch, tale->count, tale->at, 1, SUP_EVENT_FAILED),
        .after_timeout = is_beside(tale->batch, tale->count, tale->at, -1, SUP_EVENT_STOP_TIMEOUT),
        .generation = effect->generation,
        .pid = tale->pid,
        .ran_ns = tale->ran_ns,
    };
    size_t size = sup_narrate(&story, text, sizeof text);
    if (size > 0) sup_output_line(&engine->lines, text, size);
}

/* --- programs --------------------------------------------------------------------------------- */

static void tell_programs(struct sup_engine *engine, const struct sup_told *told)
{
    char text[SUP_EVENT_LINE];
    size_t size = sup_event_line(told, engine->wall_offset_ns, text);
    if (size > 0) sup_output_line(&engine->events, text, size);
}

void sup_tell_event(struct sup_engine *engine, const struct sup_tale *tale)
{
    uint64_t seq = tale->told.effect->seq;
    if (engine->library != NULL)
        engine->library->tell(engine->library->context, &tale->told, engine->wall_offset_ns);
    if (engine->lines.fd >= 0 && seq > engine->told_lines) tell_people(engine, tale);
    if (engine->events.fd >= 0 && seq > engine->told_events) tell_programs(engine, &tale->told);
    sup_tap_add(&engine->tap, &tale->told, engine->wall_offset_ns);
}

/* A killed process that lives on: what the system holds it for, into ${buf}. */
static const char *why_stuck(const struct sup_engine *engine, const struct sup_slot *slot,
                             char *buf, size_t size)
{
    char name[32];
    buf[0] = '\0';
    if (slot == NULL || slot->kind != SUP_PROCESS || slot->pid <= 0) return NULL;
    const struct sup_seat seat = {
        .pid = slot->pid,
        .cgroups = engine->cgroups,
        .folder = slot->folder == 0 ? NULL : sup_wire_folder_name(slot->folder, name, sizeof name),
    };
    return sup_process_why(&seat, buf, size)[0] == '\0' ? NULL : buf;
}

void sup_tell_effect(struct sup_engine *engine, const struct sup_effect *batch, size_t count,
                     size_t at)
{
    struct sup_told_paths paths;
    const struct sup_effect *effect = &batch[at];
    const struct sup_event *event = &effect->event;
    const struct sup_spec *spec = sup_tree_spec(engine->tree, effect->node);
    const struct sup_slot *slot = sup_slots_find(&engine->slots, effect->node);
    if (slot != NULL && slot->instance != effect->instance &&
        slot->generation != effect->generation)
        slot = NULL;
    struct sup_tale tale = {
        .batch = batch,
        .count = count,
        .at = at,
        .kind = spec == NULL ? SUP_PROCESS : spec->kind,
        .is_root = effect->node == 0 || effect->node == sup_tree_root(engine->tree),
        .has_condition = spec != NULL && spec->ready.kind != SUP_READY_AT_LAUNCH,
        .pid = slot == NULL ? 0 : slot->pid,
        .ran_ns = ran_ns(slot, event),
    };
    char why[WHY_SIZE];
    struct sup_effect known = *effect;
    bool is_late = event->type == SUP_EVENT_LAUNCH_FAILED &&
                   event->outcome.kind == SUP_END_NOT_READY && spec != NULL && slot != NULL;
    if (event->type == SUP_EVENT_STUCK || is_late) {
        known.event.text = is_late ? sup_probe_why(engine, slot, spec, why, sizeof why)
                                   : why_stuck(engine, slot, why, sizeof why);
        tale.batch = effect = &known;
        tale.count = 1;
        tale.at = 0;
    }
    sup_told_init(&tale.told, engine->tree, effect, &paths);
    if (event->type == SUP_EVENT_STOPPING && tale.is_root && !engine->stopping) {
        engine->stopping = true;
        engine->progress_ns = engine->now_ns + SUP_SECOND_NS;
    }
    sup_tell_event(engine, &tale);
}

/* --- lists ------------------------------------------------------------------------------------ */

/* Names in one line, the rest as a number. */
struct list_line {
    char text[LINE_SIZE];
    size_t length;
    size_t shown, more;
};

static void add_name(struct list_line *list, const char *name, const char *note)
{
    if (list->shown == NAMES_SHOWN) {
        list->more++;
        return;
    }
    int n = snprintf(list->text + list->length, sizeof list->text - list->length, "%s%s%s",
                     list->shown == 0 ? "" : ", ", name, note);
    if (n > 0) list->length += (size_t) n;
    if (list->length >= sizeof list->text) list->length = sizeof list->text - 1;
    list->shown++;
}

static void end_list(struct list_line *list)
{
    if (list->more == 0) return;
    size_t room = sizeof list->text - list->length;
    snprintf(list->text + list->length, room, " and %zu more", list->more);
}

/* " (killed in 7s)" */
static void say_when(const struct sup_engine *engine, const struct sup_status *status, char *buf,
                     size_t size)
{
    char duration[32];
    const struct sup_slot *slot = sup_slots_find(&engine->slots, status->node);
    buf[0] = '\0';
    if (status->state == SUP_STATE_STUCK) snprintf(buf, size, " (stuck)");
    else if (slot != NULL && slot->killed) snprintf(buf, size, " (killed)");
    else if (status->next_ns > engine->now_ns && status->next_ns != SUP_INFINITY_NS)
        snprintf(buf, size, " (kill in %s)",
                 sup_narrate_duration((status->next_ns - engine->now_ns + SUP_SECOND_NS - 1) /
                                          SUP_SECOND_NS * SUP_SECOND_NS,
                                      duration, sizeof duration));
}

void sup_tell_progress(struct sup_engine *engine)
{
    char path[PATH_SIZE], note[64];
    struct list_line list = {.length = 0};
    struct sup_status status;
    const struct sup_tree *tree = engine->tree;
    engine->progress_ns = engine->now_ns + PROGRESS_NS;
    for (sup_token node = sup_tree_next(tree, 0); node != 0; node = sup_tree_next(tree, node)) {
        if (!sup_tree_status(tree, node, engine->now_ns, &status)) continue;
        if (status.kind == SUP_SUPERVISOR || status.instance == 0) continue;
        say_when(engine, &status, note, sizeof note);
        add_name(&list, path_of(engine, node, path, sizeof path), note);
    }
    end_list(&list);
    if (list.shown > 0) sup_tell_line(engine, "waiting for: %s", list.text);
}

void sup_tell_unstopped(struct sup_engine *engine)
{
    char path[PATH_SIZE], why[WHY_SIZE], note[WHY_SIZE + 4];
    struct list_line list = {.length = 0};
    struct sup_unstopped left[NAMES_SHOWN];
    size_t count = sup_tree_unstopped(engine->tree, left, NAMES_SHOWN);
    if (count == 0) return;
    for (size_t i = 0; i < count && i < NAMES_SHOWN; i++) {
        const struct sup_slot *slot = sup_slots_find(&engine->slots, left[i].node);
        bool known = why_stuck(engine, slot, why, sizeof why) != NULL;
        snprintf(note, sizeof note, known ? " (%s)" : "", why);
        add_name(&list, path_of(engine, left[i].node, path, sizeof path), note);
    }
    list.more = count - list.shown;
    end_list(&list);
    sup_tell_line(engine,
                  "not stopped: %s; see what the system holds them for: they outlived their kill",
                  list.text);
}
