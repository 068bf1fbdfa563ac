/*
** core/meter.h: how many failures are too many: suture's decaying count, or OTP's sliding window.
** Times are CLOCK_MONOTONIC ns given by the caller; nothing here allocates.
*/
#ifndef SUP_CORE_METER_H
#define SUP_CORE_METER_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed memory is an empty meter. */
struct sup_meter {
    double count;
    int64_t last_ns;
    bool counting; /* false until the first failure */
};

/* count := count * 0.5^((now - last) / decay) + 1; the first failure gives 1. Returns the new
   count. */
double sup_meter_add(struct sup_meter *meter, int64_t decay_ns, int64_t now_ns);

/* The count decayed to ${now_ns}; changes nothing. */
double sup_meter_read(const struct sup_meter *meter, int64_t decay_ns, int64_t now_ns);

/* A ring of the last instants, in the caller's array of ${capacity}. Zeroed memory is empty. */
struct sup_window {
    uint32_t first;
    uint32_t count;
};

/*
** Note ${now_ns} and forget what is older than ${period_ns} (inclusive: exactly that old still
** counts). When the ring is full the oldest is overwritten. Returns how many are inside.
*/
uint32_t sup_window_add(struct sup_window *window, int64_t *times, uint32_t capacity,
                        int64_t period_ns, int64_t now_ns);

/* Move the newest of what is noted into another ring of ${to_capacity} (0: forget all). */
void sup_window_move(struct sup_window *window, const int64_t *from, uint32_t from_capacity,
                     int64_t *to, uint32_t to_capacity);

/* How many of the noted instants lie within ${period_ns} before ${now_ns}; changes nothing. */
uint32_t sup_window_read(const struct sup_window *window, const int64_t *times, uint32_t capacity,
                         int64_t period_ns, int64_t now_ns);

#endif
