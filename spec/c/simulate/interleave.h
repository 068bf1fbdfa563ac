/*
** simulate/interleave.h: all orders of a few inputs.
*/
#ifndef SIMULATE_INTERLEAVE_H
#define SIMULATE_INTERLEAVE_H

#include <stdbool.h>

/*
** Every sequence of up to six of { end A, end B, ready C, deadline, remove B, stop, reload } for
** three children under each strategy. Prints how many; returns 0, or 1 when a rule was broken.
*/
int interleave_all(bool verbose);

#endif
