/*
** engine/handle_inside.h: the inside of handles: handle.c, handle_records.c, handle_tell.c.
*/
#ifndef SUP_ENGINE_HANDLE_INSIDE_H
#define SUP_ENGINE_HANDLE_INSIDE_H

#include "engine/engine.h"
#include "engine/handle.h"
#include "engine/library.h"

#include <pthread.h>

enum sup_handle_state {
    SUP_HANDLE_NEW,
    SUP_HANDLE_STARTING, /* somebody is inside serve, before the engine runs */
    SUP_HANDLE_SERVING,
    SUP_HANDLE_STOPPED,
};

/* A service that was added. */
struct sup_record {
    uint32_t serial;
    sup_token node;           /* in the tree that runs; 0: none */
    struct sup_handle *child; /* holds a reference; NULL: a declaration */
    unsigned char *blob;      /* owned; NULL: a child */
    size_t size;
    char *name; /* owned */
    enum sup_kind kind;
    bool held; /* stopped by a person before the tree began */
};

/* All under the one lock, but `mailbox`, which has its own. */
struct sup_handle {
    unsigned references;
    uint32_t serial;
    uint32_t last_record; /* serial */
    enum sup_handle_state state;
    char *name;
    unsigned char *blob; /* of the supervisor without children */
    size_t size;
    struct sup_handle *parent; /* NULL: a root */
    sup_token node;            /* in the tree that runs */
    bool joining;              /* an add of it to another is on its way */
    struct sup_record *records;
    size_t count, room;

    /* of a root */
    const struct sup_thread_ops *threads;
    struct sup_library *library; /* NULL: none, or closed */
    struct sup_engine *engine;   /* NULL: does not run */
    bool was_served;
    bool ended; /* the engine thread has done its last */
    bool wants_mail;
    bool closing; /* somebody closes the library */
    int code;
    struct sup_left *left;
    size_t left_count;

    struct sup_mailbox mailbox;
};

/* --- handle.c --------------------------------------------------------------------------------- */

void sup_handles_lock(void);
void sup_handles_unlock(void);

/* --- handle_records.c: with the lock held ----------------------------------------------------- */

struct sup_handle *sup_handle_root(struct sup_handle *handle);
bool sup_handle_is_above(const struct sup_handle *above, const struct sup_handle *below);
struct sup_record *sup_record_find(struct sup_handle *handle, uint32_t serial);
struct sup_record *sup_record_by_name(struct sup_handle *handle, const char *name);
/* Takes over ${blob}; references ${child}. NULL: no memory, nothing was taken. */
struct sup_record *sup_record_add(struct sup_handle *handle, unsigned char *blob, size_t size,
                                  struct sup_handle *child);
/* The child handle, if there is one, is free again: its reference is returned, to be dropped. */
struct sup_handle *sup_record_drop(struct sup_handle *handle, struct sup_record *record);
/* The blob of ${handle} with all that was added below it; free()d by the caller. NULL: no memory.
   */
unsigned char *sup_handle_merge(const struct sup_handle *handle, size_t *size);
/* Find the nodes of ${handle}'s records, and of theirs, in ${tree}, where it is ${node}. */
void sup_handle_resolve(struct sup_handle *handle, const struct sup_tree *tree, sup_token node);
/* The node left the tree. Returns a reference to be dropped, or NULL. */
struct sup_handle *sup_handle_forget(struct sup_handle *handle, sup_token node);

/* --- handle_tell.c ---------------------------------------------------------------------------- */

/* The lines of suture: written to ${buf}; false: the event has none. */
bool sup_handle_log(const char *root, const struct sup_tree *tree, const struct sup_effect *effect,
                    char *buf, size_t size);

#endif
