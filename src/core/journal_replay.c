/*
** core/journal_replay.c: the tree again from a journal.
*/
#include "core/journal.h"

#include <errno.h>

struct performer {
    void (*perform)(void *self, struct sup_tree *tree, const struct sup_effect *effect);
    void *self;
    uint64_t confirmed;
};

/* Effects that were surely performed are taken and dropped. */
static void drain(struct sup_tree *tree, const struct performer *performer)
{
    struct sup_effect effect;
    while (sup_tree_next_effect(tree, &effect))
        if (effect.seq > performer->confirmed && performer->perform != NULL)
            performer->perform(performer->self, tree, &effect);
}

struct sup_tree *sup_journal_replay(const void *memory, size_t size,
                                    void (*perform)(void *self, struct sup_tree *tree,
                                                    const struct sup_effect *effect),
                                    void *self, int64_t *last_now_ns, struct sup_err *err)
{
    if (!sup_journal_check(memory, size, err)) return NULL;
    const struct sup_journal_header *header = memory;
    struct performer performer = {perform, self, 0};
    performer.confirmed = atomic_load_explicit(&header->confirmed, memory_order_acquire);
    struct sup_tree *tree = sup_tree_restore(header + 1, header->snapshot_size, err);
    if (tree == NULL) return NULL;
    uint64_t cursor = 0;
    struct sup_input input;
    int64_t now_ns = 0;
    bool broken;
    while (sup_journal_read(memory, size, &cursor, &input, &now_ns, &broken)) {
        sup_tree_apply(tree, &input, now_ns);
        drain(tree, &performer);
    }
    if (last_now_ns != NULL) *last_now_ns = now_ns;
    if (!broken) return tree;
    sup_err_set(err, -EBADMSG, "journal", "The tree has to be started anew.",
                "is damaged: a record of it is broken");
    sup_tree_destroy(tree);
    return NULL;
}
