/*
** simulate/twin.c: a second tree that gets the same inputs while its host dies all the time: saved
** and restored, or replayed from a journal with some effects unconfirmed. Nobody may see a
** difference. Invariant 19.
*/
#include "sim.h"

#include "core/journal.h"

#include <stdlib.h>
#include <string.h>

#define JOURNAL_INPUTS 24

struct twin {
    struct rng rng;
    struct sup_tree *tree;
    void *journal;
    size_t journal_size;
    size_t appended;
    /* of the step under way */
    struct sim *sim;
    size_t next; /* the effect of the undisturbed tree that must come next */
};

/* --- comparing ------------------------------------------------------------------------------- */

static bool is_same_text(const char *a, const char *b)
{
    if (a == NULL || b == NULL) return a == b;
    return strcmp(a, b) == 0;
}

static bool is_same_event(const struct sup_event *a, const struct sup_event *b)
{
    return a->type == b->type && a->number == b->number && a->time_ns == b->time_ns &&
           a->cause == b->cause && a->outcome.kind == b->outcome.kind &&
           a->outcome.code == b->outcome.code && memcmp(&a->count, &b->count, 8) == 0 &&
           memcmp(&a->threshold, &b->threshold, 8) == 0 && a->until_ns == b->until_ns &&
           a->restarting == b->restarting && a->planned == b->planned && a->code == b->code &&
           a->other == b->other && is_same_text(a->text, b->text) &&
           is_same_text(a->context, b->context);
}

static bool is_same_effect(const struct sup_effect *a, const struct sup_effect *b)
{
    bool same = a->type == b->type && a->generation == b->generation && a->seq == b->seq &&
                a->node == b->node && a->instance == b->instance && a->request == b->request;
    if (!same) return false;
    if (a->type == SUP_DO_EVENT) return is_same_event(&a->event, &b->event);
    if (a->type != SUP_DO_REPLY) return true;
    return a->reply.status == b->reply.status && a->reply.node == b->reply.node &&
           is_same_text(a->reply.text, b->reply.text);
}

static void compare(struct twin *twin, const struct sup_effect *effect)
{
    struct sim *sim = twin->sim;
    if (twin->next >= sim->effect_count) {
        sim_violate(sim, 19, "the tree that came back has an effect too many");
        return;
    }
    if (!is_same_effect(effect, &sim->effects[twin->next])) {
        sim_violate(sim, 19, "effect %llu differs in the tree that came back",
                    (unsigned long long) effect->seq);
    }
    twin->next++;
}

static void compare_saved(struct sim *sim, const struct sup_tree *other)
{
    size_t size, other_size;
    unsigned char *bytes = sup_tree_save(sim->tree, &size);
    unsigned char *other_bytes = sup_tree_save(other, &other_size);
    if (bytes == NULL || other_bytes == NULL) {
        sim_violate(sim, 19, "the tree could not be saved");
    } else if (size != other_size || memcmp(bytes, other_bytes, size) != 0) {
        size_t at = 0;
        while (at < size && at < other_size && bytes[at] == other_bytes[at]) at++;
        sim_violate(sim, 19, "the tree that came back is another one: byte %zu of %zu differs", at,
                    size);
    }
    free(bytes);
    free(other_bytes);
}

/* --- dying and coming back ------------------------------------------------------------------- */

static void begin_journal(struct twin *twin)
{
    size_t size;
    unsigned char *snapshot = sup_tree_save(twin->tree, &size);
    if (snapshot == NULL) return;
    size_t wanted = sup_journal_size(size);
    if (wanted > twin->journal_size) {
        free(twin->journal);
        twin->journal = aligned_alloc(64, (wanted + 63) & ~(size_t) 63);
        twin->journal_size = wanted;
    }
    sup_journal_begin(twin->journal, twin->journal_size, snapshot, size, twin->sim->last_seq);
    twin->appended = 0;
    free(snapshot);
}

static void perform(void *self, struct sup_tree *tree, const struct sup_effect *effect)
{
    (void) tree;
    compare(self, effect);
}

/* The host dies after ${confirmed} effects of this step; what was not confirmed is done again. */
static void die_and_replay(struct twin *twin)
{
    struct sim *sim = twin->sim;
    struct sup_err err = {0};
    int64_t last_ns;
    sup_tree_destroy(twin->tree);
    twin->tree =
        sup_journal_replay(twin->journal, twin->journal_size, perform, twin, &last_ns, &err);
    if (twin->tree == NULL) sim_violate(sim, 19, "the journal is refused: %s", err.reason);
}

static void save_and_restore(struct twin *twin)
{
    size_t size;
    struct sup_err err = {0};
    unsigned char *bytes = sup_tree_save(twin->tree, &size);
    struct sup_tree *restored = bytes == NULL ? NULL : sup_tree_restore(bytes, size, &err);
    if (restored == NULL) {
        sim_violate(twin->sim, 19, "a saved tree is refused: %s", err.reason);
    } else {
        sup_tree_destroy(twin->tree);
        twin->tree = restored;
    }
    free(bytes);
}

struct twin *twin_create(struct sim *sim, uint64_t seed)
{
    struct twin *twin = calloc(1, sizeof *twin);
    struct sup_err err = {0};
    const struct config *config = &sim->run->configs[0];
    if (twin == NULL) return NULL;
    twin->rng.state = seed;
    twin->sim = sim;
    twin->tree = sup_tree_create(config->blob, config->size, sim->run->seed, &err);
    if (twin->tree != NULL) begin_journal(twin);
    return twin;
}

void twin_destroy(struct twin *twin)
{
    if (twin == NULL) return;
    sup_tree_destroy(twin->tree);
    free(twin->journal);
    free(twin);
}

void twin_step(struct sim *sim, const struct sup_input *input, int64_t now_ns)
{
    struct twin *twin = sim->twin;
    struct sup_effect effect;
    twin->next = 0;
    if (sup_journal_is_full(twin->journal, twin->appended) || twin->appended >= JOURNAL_INPUTS) {
        begin_journal(twin);
        sup_journal_confirm(twin->journal, sim->last_seq - sim->effect_count);
    }
    if (!sup_journal_append(twin->journal, input, now_ns)) {
        sim_violate(sim, 19, "an input does not fit into a fresh journal");
        return;
    }
    twin->appended++;
    sup_tree_apply(twin->tree, input, now_ns);
    uint32_t way = rng_below(&twin->rng, 8);
    size_t survives = way == 0 ? rng_below(&twin->rng, (uint32_t) sim->effect_count + 1) : SIZE_MAX;
    while (twin->next < survives && sup_tree_next_effect(twin->tree, &effect)) {
        compare(twin, &effect);
        sup_journal_confirm(twin->journal, effect.seq);
    }
    if (way == 0) die_and_replay(twin);
    if (sim->violated == 0 && twin->next != sim->effect_count) {
        sim_violate(sim, 19, "the tree that came back lacks an effect");
    }
    if (sim->violated == 0 && way == 1) save_and_restore(twin);
    if (sim->violated == 0 && way <= 1) compare_saved(sim, twin->tree);
    if (sim->violated == 0) sup_journal_confirm(twin->journal, sim->last_seq);
}
