/*
** simulate/shrink.h: makes a failing case small: fewer operations, fewer nodes, fewer options.
*/
#ifndef SIMULATE_SHRINK_H
#define SIMULATE_SHRINK_H

#include "case.h"

#define VERDICT_CRASH 100 /* the case ends the process, or does not end */

/* A core that loops may also take memory without end: bound both for this process. */
void shrink_limit(unsigned seconds);

/* Execute ${run} in a process of its own. Returns the invariant that broke, VERDICT_CRASH, or 0;
** what is wrong is written to ${message}. May block for seconds. */
int shrink_try(const struct run_case *run, bool with_twin, char *message, size_t size);

/* Cut ${run} down as long as it fails with ${verdict}. */
void shrink(struct run_case *run, int verdict, bool with_twin);

#endif
