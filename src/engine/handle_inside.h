/*
** engine/handle_inside.h: the inside of handles; only the files of handle*.c include it.
**
**   handle.c           the one lock, making and dropping
**   handle_records.c   what was added to a handle, and the blob that it makes
**   handle_ask.c       a command to the engine, and waiting for its answer
**   handle_children.c  add, remove
**   handle_serve.c     serve, stop, and what the engine says meanwhile
**   handle_look.c      services, the report
**   handle_tell.c      suture's lines
**
** One lock for all handles of the process: handles are joined into trees, and an add touches two of
** them. Nobody waits for the engine thread with the lock held; the engine thread may take it.
*/
#ifndef SUP_ENGINE_HANDLE_INSIDE_H
#define SUP_ENGINE_HANDLE_INSIDE_H

#include "engine/engine.h"
#include "engine/handle.h"
#include "engine/library.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define SUP_HANDLE_PATH 4096 /* bytes of a path, cut at the front */

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
    enum sup_role role;
    bool held; /* stopped by a person before the tree began */
};

/* A service that was removed while the tree ran: it may still be stopping. */
struct sup_leaver {
    uint32_t serial; /* of its record */
    sup_token node;
};

/* All under the one lock, but `mailbox`, which has its own. */
struct sup_handle {
    unsigned references;
    pid_t owner; /* the process that made it; a forked child must not touch it */
    uint32_t serial;
    uint32_t last_record; /* serial */
    enum sup_handle_state state;
    char *name;
    unsigned char *blob; /* of the supervisor without children */
    size_t size;
    struct sup_handle *parent; /* NULL: a root */
    sup_token node;            /* in the tree that runs */
    bool joining;              /* an add of it to another is on its way: nothing may change */
    struct sup_record *records;
    size_t count, room;
    size_t reserved; /* places for records that are on their way */
    struct sup_leaver *leavers;
    size_t leaver_count, leaver_room;

    /* of a root */
    const struct sup_thread_ops *threads;
    struct sup_library *library; /* NULL: none, or closed */
    struct sup_engine *engine;   /* NULL: does not run */
    bool was_served;
    bool ended;              /* the engine thread has done its last */
    _Atomic bool wants_mail; /* set with the lock */
    bool closing;            /* somebody closes the library */
    int code;
    struct sup_left *left;
    size_t left_count;

    struct sup_mailbox mailbox;
};

/* --- handle.c --------------------------------------------------------------------------------- */

void sup_handles_lock(void);
void sup_handles_unlock(void);
/* Let the lock go until any state or any answer has changed. */
void sup_handles_wait(void);
void sup_handles_changed(void);

/* Fill ${answer}; ${text} NULL: none. Returns ${verdict}. */
enum sup_verdict sup_answer_set(struct sup_answer *answer, enum sup_verdict verdict,
                                const char *text);
/* Was it made by the process that this one was forked from? Fills ${answer} (NULL: none). */
bool sup_handle_is_foreign(const struct sup_handle *handle, struct sup_answer *answer);
/* Without the lock. */
void sup_handle_drop(struct sup_handle *handle);

/* --- handle_records.c: with the lock held ----------------------------------------------------- */

struct sup_handle *sup_handle_root(struct sup_handle *handle);
bool sup_handle_is_above(const struct sup_handle *above, const struct sup_handle *below);
struct sup_record *sup_record_find(struct sup_handle *handle, uint32_t serial);
struct sup_record *sup_record_by_name(struct sup_handle *handle, const char *name);
sup_service_token sup_record_token(const struct sup_handle *handle,
                                   const struct sup_record *record);
/* The blob of what it stands for, without children of a child. */
const unsigned char *sup_record_blob(const struct sup_record *record);

/*
** A record of ${blob}, which is copied, or of ${child}, with a place in ${handle} kept for it: then
** either place or discard it. False: no memory.
*/
bool sup_record_prepare(struct sup_handle *handle, const void *blob, size_t size,
                        struct sup_handle *child, struct sup_record *record);
/* Into its place; references the child. Needs no memory. */
struct sup_record *sup_record_place(struct sup_handle *handle, const struct sup_record *record);
void sup_record_discard(struct sup_handle *handle, struct sup_record *record);
/* The child handle, if there is one, is free again: its reference is returned, to be dropped. */
struct sup_handle *sup_record_drop(struct sup_handle *handle, struct sup_record *record);

/* The blob of ${handle} with all that was added below it; free()d by the caller. NULL: no memory.
   */
unsigned char *sup_handle_merge(const struct sup_handle *handle, size_t *size);
/* Find the nodes of ${handle}'s records, and of theirs, in ${tree}, where it is ${node}. */
void sup_handle_resolve(struct sup_handle *handle, const struct sup_tree *tree, sup_token node);
/* The node was removed from ${tree}. Returns a reference to be dropped, or NULL. */
struct sup_handle *sup_handle_forget(struct sup_handle *handle, const struct sup_tree *tree,
                                     sup_token node);
/* The node of a service that was removed while the tree ran; 0: it has ended long ago. */
sup_token sup_handle_leaver(const struct sup_handle *handle, uint32_t serial);

/* --- handle_ask.c: with the lock held --------------------------------------------------------- */

struct sup_call {
    struct sup_answer *answer;
    /* On the engine thread with the lock held, when it was done; NULL: nothing to note. */
    void (*accepted)(struct sup_call *call, const struct sup_reply *reply);
    bool done;
};

/* Hand ${input} to the engine of ${root} and wait for its answer; the lock is let go meanwhile. */
enum sup_verdict sup_handle_ask(struct sup_handle *root, const struct sup_input *input,
                                struct sup_call *call);
/* The root, once it is not between new and serving, and not being added to another. */
struct sup_handle *sup_handle_settled_root(struct sup_handle *handle);

/* --- handle_children.c: with the lock held, on the engine thread ------------------------------ */

/* The tree says that ${node} was removed. Returns a reference to be dropped, or NULL. */
struct sup_handle *sup_handle_removed(struct sup_handle *root, sup_token node);

/* --- handle_serve.c --------------------------------------------------------------------------- */

/* With the lock held: what people stopped below ${handle} before the tree had it stays down. */
void sup_handle_hold(struct sup_handle *root, const struct sup_handle *handle);
/* Without the lock: stop the root if it serves, wait for that, and give back what served it. */
void sup_handle_end(struct sup_handle *root);

/* --- handle_look.c ---------------------------------------------------------------------------- */

/* What is launched and has not ended. NULL: nothing, or no memory. */
struct sup_left *sup_left_list(const struct sup_view *view, size_t *count);

/* --- handle_tell.c ---------------------------------------------------------------------------- */

/* The lines of suture: written to ${buf}; false: the event has none. */
bool sup_handle_log(const char *root, const struct sup_told *told, char *buf, size_t size);

#endif
