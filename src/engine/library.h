/*
** engine/library.h: the engine inside a program of somebody else's: the same loop and core on a
** thread of their own, and a keeper that this program starts. When the program goes away, however
** it goes, the keeper stops the services.
**
** No journal is kept: a tree ends with its program. Several engines in one process are independent.
** The keeper is nobody's child, so that a program which waits for any child of its own does not
** meet it. It watches the program itself: a forked child that holds a copy of the socket does not
** hide that the program has gone. Such a child must not use an engine.
*/
#ifndef SUP_ENGINE_LIBRARY_H
#define SUP_ENGINE_LIBRARY_H

#include "base/err.h"
#include "core/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sup_engine;
struct sup_library;
struct sup_thread_ops;

struct sup_library_options {
    const char *name; /* of the tree; valid as long as the engine lives */
    const void *blob; /* of the whole tree; valid until open returns */
    size_t blob_size;
    const struct sup_thread_ops *threads; /* what thread services are; NULL: there are none */
    /* Every event, on the engine thread, with no lock held; must not block. */
    void (*tell)(void *context, const struct sup_told *told, int64_t wall_offset_ns);
    /* Any thread: is anybody there to hear of restarts? Those of a thread service are not told
       while there is not. */
    bool (*listens)(void *context);
    /* The tree has ended and can still be read: for the last time. On the engine thread, once;
       nobody may use the engine after it has returned. */
    void (*ended)(void *context, const struct sup_engine *engine, const struct sup_tree *tree,
                  int code);
    void *context;
};

/*
** Start a keeper and an engine around a tree that is not started yet: START does that. Blocks for
** the moment that the keeper needs. Returns 0, or -errno with ${err}.
*/
int sup_library_open(struct sup_library **library, const struct sup_library_options *options,
                     struct sup_err *err);

/* For sup_engine_submit and sup_engine_read, until `ended` was called. */
struct sup_engine *sup_library_engine(struct sup_library *library);

/* Wait for the end of the thread and of the keeper, and free all. The tree must be ending. NULL is
   harmless. Not on the engine thread. */
void sup_library_close(struct sup_library *library);

/*
** Where descriptors 0, 1 or 2 are closed, open them to /dev/null: else one of ours would become the
** standard output of the program.
*/
void sup_library_open_standard(void);

/*
** The socket to the keeper has failed. When that is because this program has closed it, with all
** descriptors that it did not know, the loop cannot go on and must not touch the numbers, which may
** be other files by now: says so and aborts. The keeper stops the services.
*/
void sup_library_check_socket(const struct sup_engine *engine);

/*
** The path of suptree-keeper: $SUPTREE_KEEPER, beside the library or program that holds this code,
** in the bin folder that belongs to it, where it was to be installed, or in PATH. Returns 0, or
** -ENOENT with ${err}.
*/
int sup_library_find_keeper(char *path, size_t size, struct sup_err *err);

#endif
