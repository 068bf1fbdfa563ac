/*
** core/event.h: the one schema of events, as fields in order. JSON lines, Lua tables and the
** control protocol are written from it, so that they cannot differ.
*/
#ifndef SUP_CORE_EVENT_H
#define SUP_CORE_EVENT_H

#include "core/tree.h"

/* Called for each field in the order of the schema. */
struct sup_field_sink {
    void (*text)(void *self, const char *name, const char *value);
    void (*number)(void *self, const char *name, double value);
    void (*integer)(void *self, const char *name, int64_t value);
    void (*boolean)(void *self, const char *name, bool value);
    void *self;
};

/* An event with the names that it speaks of: all that is needed to tell it, without the tree. */
struct sup_told {
    const struct sup_effect *effect;
    const char *path;  /* of the node; "." for the root */
    const char *other; /* of event.other; "" without */
};

struct sup_told_paths {
    char path[1024], other[1024];
};

/* Look the names up in the tree; they are written into ${paths}. Works for a node that has left the
   tree until the next apply. */
void sup_told_init(struct sup_told *told, const struct sup_tree *tree,
                   const struct sup_effect *effect, struct sup_told_paths *paths);

/*
** { seq, time, type, path, kind, generation, ... } of an event effect. ${time} is what the caller
** wants to stand there (seconds): virtual in simulation, calendar in a live host. ${offset_s} is
** added to the event's own deadlines (`until`) to turn them into the same clock.
** Fields without a value are left out.
*/
void sup_event_fields(const struct sup_told *told, double time, double offset_s,
                      const struct sup_field_sink *sink);

/* "exit code 3", "killed by signal 9 (KILL)", "raised: boom", "exec: No such file or directory".
** Returns ${buf}. */
char *sup_outcome_text(struct sup_outcome outcome, const char *text, char *buf, size_t size);

#endif
