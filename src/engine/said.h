/*
** engine/said.h: what processes have said of themselves, in memory that the keeper holds: the next
** host reads it. One entry per node, found by the node's index; an entry of another node or
** instance is none. Must not know how it is said, nor what follows.
**
** Written by the engine thread under its mutex, read by anybody under it. A host that is killed in
** the middle of a write leaves an entry whose text may be cut, nothing worse.
*/
#ifndef SUP_ENGINE_SAID_H
#define SUP_ENGINE_SAID_H

#include "core/tree.h"

#include <stdbool.h>
#include <stdint.h>

#define SUP_SAID_TEXT 216

enum sup_said_flags {
    SUP_SAID_STOPPING = 1,  /* it is about to end by itself */
    SUP_SAID_RELOADING = 2, /* it reads its settings, and will say READY=1 */
};

struct sup_said {
    uint64_t node, instance;  /* the core's numbers; 0: nobody */
    int64_t watchdog_ns;      /* its own wish, instead of the option's; 0: none */
    int64_t reloaded_ns;      /* when it last said that it reads its settings; 0: never */
    uint32_t flags;           /* enum sup_said_flags */
    uint32_t strangers;       /* messages of others, which were not heard */
    char text[SUP_SAID_TEXT]; /* STATUS=, printable UTF-8; "" */
};

struct sup_said_table {
    struct sup_said *entries; /* of SUP_WIRE_MAX_INSTANCES; NULL: there is no memory for it */
    int fd;                   /* a new one, to be given to the keeper; -1: it has it */
};

/* The table that a former host has left in ${fd} (taken over; -1: none), or an empty one. */
void sup_said_init(struct sup_said_table *table, int fd);
void sup_said_finish(struct sup_said_table *table); /* zeroed, with fd -1: harmless */
/* The numbers of instances begin anew. */
void sup_said_clear(struct sup_said_table *table);

/* What the instance has said, or NULL when it has said nothing. */
const struct sup_said *sup_said_find(const struct sup_said_table *table, sup_token node,
                                     uint64_t instance);
/* Its entry, empty when it is new. NULL: there is no room. */
struct sup_said *sup_said_take(struct sup_said_table *table, sup_token node, uint64_t instance);
/* Keep ${text} of ${size} bytes, any bytes: what cannot be shown becomes '?', and it is cut at the
   end of a character. */
void sup_said_set_text(struct sup_said *said, const char *text, size_t size);

#endif
