/*
** engine/engine.h: the face of the engine: it runs the core's effects through drivers and feeds the
** facts back. Threads hand in commands and look at the tree; everything else is done by the
** thread that runs the loop.
*/
#ifndef SUP_ENGINE_ENGINE_H
#define SUP_ENGINE_ENGINE_H

#include "core/tree.h"
#include "engine/inbox.h"

struct sup_engine;

/*
** Hand in a command or a fact from any thread. The input is copied; its `request` is chosen here.
** ${answer} (NULL: none wanted) is called exactly once, on the engine thread, and must not block.
** Returns 0, -ENOMEM, or -ESHUTDOWN when the tree has ended: then ${answer} is not called.
** Blocks for no longer than another thread's hand-in takes.
*/
int sup_engine_submit(struct sup_engine *engine, const struct sup_input *input,
                      sup_answer_fn *answer, void *context);

/* What a reader sees: valid only inside the call. */
struct sup_view {
    const struct sup_tree *tree;
    int64_t now_ns;
    const struct sup_engine *engine;
};

/*
** Look at the tree from any thread: ${look} runs under the engine's mutex, so it must be short:
** no I/O, no lock, no call back into the engine but sup_engine_pid.
*/
void sup_engine_read(struct sup_engine *engine,
                     void (*look)(void *context, const struct sup_view *view), void *context);

/*
** The configuration that ran before the one that runs, from any thread: its blob in malloc()ed
** memory. Returns 0, -ENOENT (there was none) or -ENOMEM.
*/
int sup_engine_former_config(struct sup_engine *engine, void **blob, size_t *size);

/* The process of ${node}; 0: none, or not one. Inside sup_engine_read only. */
int32_t sup_engine_pid(const struct sup_view *view, sup_token node);

/*
** The rings of last output, to be read with wire/rings.h; -1: there are none. The descriptor stays
** the engine's and lives as long as it. Any thread.
*/
int sup_engine_rings(const struct sup_engine *engine);

#endif
