/*
** simulate/config.h: declared trees as small plain values, which can be drawn at random, mutated,
** simplified by the shrinker, written as text, and turned into blobs.
**
** Every name is a number below NAMES and is written n0, n1, ...; a name is used once in a config,
** so that an operation of a trace can say whom it means by the name alone.
*/
#ifndef SIMULATE_CONFIG_H
#define SIMULATE_CONFIG_H

#include "core/form.h"
#include "core/options.h"
#include "core/tree.h"
#include "rng.h"

#include <stdio.h>

#define NAMES 62
#define CONFIG_DECLS 16
#define CONFIG_DEPTH 3

enum option {
    OPT_AUTO_SHUTDOWN,
    OPT_BACKOFF_JITTER,
    OPT_DESCRIPTION,
    OPT_DONE_EXIT,
    OPT_ENABLED,
    OPT_ENV,
    OPT_EXTEND_BACKOFF,
    OPT_FAILURE_BACKOFF,
    OPT_FAILURE_DECAY,
    OPT_FAILURE_THRESHOLD,
    OPT_INTENSITY,
    OPT_KILL_TIMEOUT,
    OPT_MAX_CHILDREN,
    OPT_MAX_PAUSES,
    OPT_ON_STUCK,
    OPT_ON_THRESHOLD,
    OPT_PERIOD,
    OPT_PROPAGATE_TERMINATION,
    OPT_READY,
    OPT_REMAIN,
    OPT_EVERY,
    OPT_OVERLAP,
    OPT_JITTER,
    OPT_MISSED,
    OPT_RESTART,
    OPT_RESTART_DELAY,
    OPT_RESTART_SPACING,
    OPT_SIGNIFICANT,
    OPT_START_TIMEOUT,
    OPT_STOP_ORDER,
    OPT_STRATEGY,
    OPT_SUCCESS_EXIT,
    OPT_TERMINATE_EXIT,
    OPT_TIMEOUT,
    OPT_WITHIN,
    OPT_COUNT
};

struct decl {
    uint8_t name;
    uint8_t kind;           /* enum sup_kind */
    uint8_t depth;          /* preorder; the root has 0 */
    uint8_t formerly;       /* name + 1; 0: none */
    uint8_t opt[OPT_COUNT]; /* place in the option's values + 1; 0: not written */
    uint64_t after, with;   /* sets of sibling names */
};

struct config {
    uint32_t count;
    struct decl decls[CONFIG_DECLS];
    unsigned char *blob; /* made by config_blob, freed by config_finish */
    size_t size;
};

/* Look up the options' rows in the core's table. Call once. False: a name is unknown there. */
bool config_init(void);

/* A tree of ${count} nodes (1 to CONFIG_DECLS), named from ${*next_name} on: below NAMES - 4. */
void config_random(struct config *config, struct rng *rng, uint32_t count, uint8_t *next_name);
/* Take out of the root what ends a tree before long. */
void config_make_root_last(struct config *config);
/* A declaration for `add`: one child, perhaps a supervisor with children. */
void config_random_child(struct config *config, struct rng *rng, uint8_t *next_name);
/* Another version of ${from}: options, nodes, order and names change a little. */
void config_mutate(struct config *config, const struct config *from, struct rng *rng,
                   uint8_t *next_name);

/* Make config->blob. False: no memory. */
bool config_blob(struct config *config);
void config_finish(struct config *config);

/* Index of the parent of decl ${index}, or -1. */
int config_parent(const struct config *config, uint32_t index);
/* Index after the last decl below ${index}. */
uint32_t config_end(const struct config *config, uint32_t index);
/* Index of the decl named ${name}, or -1. */
int config_find(const struct config *config, uint8_t name);
/* Take out decl ${index} (not 0) with all below it; nothing refers to it afterwards. */
void config_remove(struct config *config, uint32_t index);

/* As indented lines, and back, line by line; false: it is none, or does not fit. */
void config_write(const struct config *config, FILE *out);
bool config_read_line(struct config *config, const char *line);

#endif
