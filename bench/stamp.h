/*
** bench/stamp.h: what a measured service says of itself: one record, written whole into a FIFO.
*/
#ifndef SUP_BENCH_STAMP_H
#define SUP_BENCH_STAMP_H

#include <stdint.h>

#define BENCH_STAMPS "BENCH_STAMPS" /* environment: the path of the FIFO */

struct bench_stamp {
    int64_t ns; /* CLOCK_MONOTONIC at the first instruction of main */
    int32_t pid;
    int32_t index; /* the first argument */
};

#endif
