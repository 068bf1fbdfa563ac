/*
** simulate/coverage.h: which inputs met nodes in which states.
*/
#ifndef SIMULATE_COVERAGE_H
#define SIMULATE_COVERAGE_H

#include "core/tree.h"

#include <stdio.h>

#define COVERAGE_INPUTS SUP_IN_END

struct coverage {
    uint64_t met[2][SUP_STATE_COUNT][COVERAGE_INPUTS]; /* [is a supervisor][state][input] */
};

void coverage_add(struct coverage *sum, const struct coverage *other);
/* The table. Returns how many reachable pairs were never met; each of them is named. */
int coverage_print(const struct coverage *coverage, FILE *out);

#endif
