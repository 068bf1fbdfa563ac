/*
** simulate/case.h: a run as data: a seed, configs, and operations with their times. It can be
** executed again, cut down, written as text and read back.
*/
#ifndef SIMULATE_CASE_H
#define SIMULATE_CASE_H

#include "config.h"
#include "core/tree.h"

#define CASE_CONFIGS 24
#define CASE_OPS 2048

enum op_flags {
    OP_WAIT = 1,       /* a command that waits */
    OP_FLAG = 2,       /* the input's flag: lack of resources, no rollback */
    OP_STALE = 4,      /* a fact of the instance before */
    OP_FORMER = 8,     /* the node that had the name before, or a token that is gone */
    OP_ABANDONED = 16, /* a fact of an abandoned instance */
    OP_BROKEN = 32,    /* a blob that is damaged */
    OP_ZERO = 64,      /* a token or an instance that never was */
};

/* Beside enum sup_input_type: */
enum { OP_SETTLE = 100, OP_FINISH };

struct op {
    int64_t at_ns;
    int64_t wait_ns;
    uint8_t type; /* enum sup_input_type, or one of the above */
    uint8_t name; /* the node's; the parent's for add */
    uint8_t flags;
    uint8_t outcome; /* enum sup_outcome_kind */
    uint8_t code;
    uint8_t config;
};

struct run_case {
    uint64_t seed; /* of the tree */
    uint32_t config_count;
    struct config configs[CASE_CONFIGS];
    uint32_t op_count;
    struct op ops[CASE_OPS];
};

/* Blobs for those configs that have none. False: no memory. */
bool case_blobs(struct run_case *run);
void case_finish(struct run_case *run);
void case_write(const struct run_case *run, FILE *out);
/* False: ${message} says which line is wrong. */
bool case_read(struct run_case *run, FILE *in, char *message, size_t size);

void op_write(const struct op *op, FILE *out);

#endif
