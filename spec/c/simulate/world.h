/*
** simulate/world.h: a random world: what services do, what persons ask, and when. Records what it
** does as a case.
*/
#ifndef SIMULATE_WORLD_H
#define SIMULATE_WORLD_H

#include "sim.h"

/*
** One whole run from ${seed}, into ${run}, which held nothing. ${sim} says how it went; its tree is
** still there. ${with_twin}: save, restore and replay at every step. ${coverage}: NULL, or where to
** count.
*/
void world_run(struct sim *sim, struct run_case *run, uint64_t seed, bool with_twin,
               struct coverage *coverage);

#endif
