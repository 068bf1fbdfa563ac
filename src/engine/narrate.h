/*
** engine/narrate.h: an event as one line in plain words: what happened and why, the count against
** the threshold, what happens next and when. Pure: everything it says stands in the story.
*/
#ifndef SUP_ENGINE_NARRATE_H
#define SUP_ENGINE_NARRATE_H

#include "core/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sup_story {
    const struct sup_event *event;
    const char *path;       /* of the node; of the root: its name */
    const char *supervisor; /* path of the node's supervisor; "" for the root */
    const char *other;      /* path of event->other; "" without */
    enum sup_kind kind;
    enum sup_role role;
    bool is_root;
    bool has_condition; /* of readiness: being ready is news */
    bool
        failed_follows; /* a `failed` event about the same node comes right after: it says it all */
    bool after_timeout; /* `stop_timeout` of the same node came right before */
    uint32_t generation;
    int32_t pid;    /* 0: none or unknown */
    int64_t ran_ns; /* from launch to end, or to being ready; negative: unknown */
};

/* Write the line to ${buf}, without newline, cut to ${size}. Returns its length; 0: nothing
   to say. */
size_t sup_narrate(const struct sup_story *story, char *buf, size_t size);

/* "340ms", "1.2s", "2m5s", "1h10m": ${ns} as a person would say it. Returns ${buf}; 32 bytes
   suffice. */
char *sup_narrate_duration(int64_t ns, char *buf, size_t size);

#endif
