/*
** core/event.c: an event as the fields of the one public schema.
*/
#include "core/event.h"

#include "core/options.h"

#include <stdio.h>

#define REASON_SIZE 512

static void put_text(const struct sup_field_sink *sink, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') sink->text(sink->self, name, value);
}

void sup_told_init(struct sup_told *told, const struct sup_tree *tree,
                   const struct sup_effect *effect, struct sup_told_paths *paths)
{
    sup_token node = effect->node != 0 ? effect->node : sup_tree_root(tree);
    *told = (struct sup_told){.effect = effect, .other = ""};
    told->path = sup_tree_path(tree, node, paths->path, sizeof paths->path);
    if (effect->event.other != 0)
        told->other = sup_tree_path(tree, effect->event.other, paths->other, sizeof paths->other);
}

/* Who it is about. */
static void put_node(const struct sup_told *told, const struct sup_field_sink *sink)
{
    const struct sup_effect *effect = told->effect;
    put_text(sink, "path", told->path);
    sink->text(sink->self, "kind", sup_kind_word(effect->kind, effect->role));
    sink->integer(sink->self, "generation", effect->generation);
    if (effect->instance != 0) sink->integer(sink->self, "instance", (int64_t) effect->instance);
}

static void put_cause(const struct sup_told *told, const struct sup_field_sink *sink)
{
    enum sup_cause cause = told->effect->event.cause;
    if (cause != SUP_CAUSE_NONE) put_text(sink, "cause", sup_cause_name(cause));
    put_text(sink, "by", told->other);
}

/* How it ended, in words and in numbers. */
static void put_outcome(const struct sup_event *event, const struct sup_field_sink *sink)
{
    char buf[REASON_SIZE];
    struct sup_outcome outcome = event->outcome;
    if (outcome.kind != SUP_END_NONE)
        put_text(sink, "reason", sup_outcome_text(outcome, event->text, buf, sizeof buf));
    else if (event->type == SUP_EVENT_FAILED)
        put_text(sink, "reason", event->text != NULL ? event->text : "failed");
    if (outcome.kind == SUP_END_EXIT) sink->integer(sink->self, "code", outcome.code);
    else if (event->type == SUP_EVENT_STOPPED) sink->integer(sink->self, "code", event->code);
    bool was_killed = outcome.kind == SUP_END_SIGNAL || outcome.kind == SUP_END_OOM;
    if (was_killed) put_text(sink, "signal", sup_signal_name(outcome.code, buf, sizeof buf));
    if (outcome.kind == SUP_END_OOM) sink->boolean(sink->self, "oom", true);
}

static void put_usage(const struct sup_event *event, const struct sup_field_sink *sink)
{
    if (event->cpu_ns > 0)
        sink->number(sink->self, "cpu", (double) event->cpu_ns / (double) SUP_SECOND_NS);
    if (event->memory_peak > 0)
        sink->integer(sink->self, "memory_peak", (int64_t) event->memory_peak);
}

static bool has_meter(const struct sup_event *event)
{
    return event->type == SUP_EVENT_FAILED || event->type == SUP_EVENT_BACKOFF ||
           event->type == SUP_EVENT_ESCALATED || event->type == SUP_EVENT_GAVE_UP;
}

void sup_event_fields(const struct sup_told *told, double time, double offset_s,
                      const struct sup_field_sink *sink)
{
    const struct sup_event *event = &told->effect->event;
    sink->integer(sink->self, "seq", (int64_t) event->number);
    sink->number(sink->self, "time", time);
    put_text(sink, "type", sup_event_name(event->type));
    put_node(told, sink);
    put_cause(told, sink);
    put_outcome(event, sink);
    if (has_meter(event)) {
        sink->number(sink->self, "count", event->count);
        sink->number(sink->self, "threshold", event->threshold);
    }
    if (event->type == SUP_EVENT_FAILED) sink->boolean(sink->self, "restarting", event->restarting);
    if (event->type == SUP_EVENT_ENDED) sink->boolean(sink->self, "planned", event->planned);
    if (event->type == SUP_EVENT_ENDED) put_usage(event, sink);
    if (event->until_ns != 0 && event->until_ns != SUP_INFINITY_NS)
        sink->number(sink->self, "until",
                     (double) event->until_ns / (double) SUP_SECOND_NS + offset_s);
    put_text(sink, "error", event->text);
    put_text(sink, "context", event->context);
}
