/*
** simulate/rng.h: a small seeded generator (splitmix64). All chance of a run comes from one of
** these, so that a seed is a run.
*/
#ifndef SIMULATE_RNG_H
#define SIMULATE_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t rng_next(struct rng *rng)
{
    rng->state += UINT64_C(0x9e3779b97f4a7c15);
    return rng_mix(rng->state);
}

/* 0 .. ${bound} - 1; ${bound} > 0 */
static inline uint32_t rng_below(struct rng *rng, uint32_t bound)
{
    return (uint32_t) (((rng_next(rng) >> 32) * bound) >> 32);
}

static inline bool rng_one_in(struct rng *rng, uint32_t n)
{
    return rng_below(rng, n) == 0;
}

#endif
