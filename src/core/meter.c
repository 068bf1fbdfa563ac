/*
** core/meter.c: the decaying count and the sliding window.
*/
#include "core/meter.h"

#include <math.h>

double sup_meter_read(const struct sup_meter *meter, int64_t decay_ns, int64_t now_ns)
{
    if (!meter->counting) return 0;
    if (now_ns <= meter->last_ns) return meter->count;
    double half_lives = (double) (now_ns - meter->last_ns) / (double) decay_ns;
    return meter->count * exp2(-half_lives);
}

double sup_meter_add(struct sup_meter *meter, int64_t decay_ns, int64_t now_ns)
{
    meter->count = sup_meter_read(meter, decay_ns, now_ns) + 1;
    if (!meter->counting || now_ns > meter->last_ns) meter->last_ns = now_ns;
    meter->counting = true;
    return meter->count;
}

static bool is_within(int64_t time_ns, int64_t period_ns, int64_t now_ns)
{
    return now_ns - time_ns <= period_ns;
}

uint32_t sup_window_add(struct sup_window *window, int64_t *times, uint32_t capacity,
                        int64_t period_ns, int64_t now_ns)
{
    while (window->count > 0 &&
           (window->count == capacity || !is_within(times[window->first], period_ns, now_ns))) {
        window->first = (window->first + 1) % capacity;
        window->count--;
    }
    times[(window->first + window->count) % capacity] = now_ns;
    return ++window->count;
}

uint32_t sup_window_read(const struct sup_window *window, const int64_t *times, uint32_t capacity,
                         int64_t period_ns, int64_t now_ns)
{
    uint32_t inside = 0;
    for (uint32_t i = 0; i < window->count; i++)
        if (is_within(times[(window->first + i) % capacity], period_ns, now_ns)) inside++;
    return inside;
}

void sup_window_move(struct sup_window *window, const int64_t *from, uint32_t from_capacity,
                     int64_t *to, uint32_t to_capacity)
{
    uint32_t kept = window->count < to_capacity ? window->count : to_capacity;
    uint32_t skipped = window->count - kept;
    for (uint32_t i = 0; i < kept; i++) to[i] = from[(window->first + skipped + i) % from_capacity];
    *window = (struct sup_window){.count = kept};
}
