/*
** engine/tail.c: see tail.h.
*/
#include "engine/tail.h"

#include "base/pattern.h"
#include "wire/rings.h"

#include <string.h>

#define READ_BYTES 16384
#define STEPS 200000 /* for one line: a few milliseconds */
#define STRIKES 8

void sup_tail_init(struct sup_tail *tail, const struct sup_tail_order *order)
{
    tail->order = *order;
    tail->begun = tail->skips = false;
    tail->strikes = 0;
    tail->cursor = tail->lost = 0;
    tail->held = 0;
}

/*
** Where the output of this run begins. The end of a run is marked once all of it has been read, so
** the mark of the one before may take a moment; when it never comes (suptree-log has died just
** then), what was there before the launch is left out, and that is all that can be known.
*/
static bool find_begin(struct sup_tail *tail, int64_t now_ns)
{
    const struct sup_tail_order *order = &tail->order;
    struct sup_ring_state state;
    if (sup_ring_look(order->rings, order->node, &state) < 0 || state.head <= order->floor)
        return false;
    bool is_over = !order->has_no_marks && state.run >= order->generation;
    bool is_marked = order->has_no_marks || order->former == 0 || state.run >= order->former;
    if (is_over || (!is_marked && now_ns - order->from_ns < order->patience_ns)) return false;
    tail->cursor = order->floor;
    if (!order->has_no_marks && (is_marked || state.run_end > order->floor))
        tail->cursor = state.run_end;
    return true;
}

static enum sup_tail_state compare(struct sup_tail *tail, const char *pattern)
{
    size_t size = tail->held;
    tail->held = 0;
    if (size > 0 && tail->line[size - 1] == '\r') size--;
    switch (sup_pattern_find(pattern, tail->line, size, STEPS)) {
    case SUP_PATTERN_FOUND:
        return SUP_TAIL_HOLDS;
    case SUP_PATTERN_TOO_LONG:
    case SUP_PATTERN_BROKEN:
        return ++tail->strikes == STRIKES ? SUP_TAIL_STUCK : SUP_TAIL_WAITS;
    case SUP_PATTERN_NONE:
        break;
    }
    return SUP_TAIL_WAITS;
}

/* Add a part of a line; compare the line when that is its end, or as much as there is room for. */
static enum sup_tail_state add(struct sup_tail *tail, const char *pattern, const char *bytes,
                               size_t size, bool ends)
{
    enum sup_tail_state state = SUP_TAIL_WAITS;
    size_t room = sizeof tail->line - tail->held;
    bool is_full = size >= room;
    if (!tail->skips) {
        size_t part = is_full ? room : size;
        memcpy(tail->line + tail->held, bytes, part);
        tail->held += part;
        if (ends || is_full) state = compare(tail, pattern);
        tail->skips = is_full;
    }
    if (ends) tail->skips = false;
    return state;
}

enum sup_tail_state sup_tail_read(struct sup_tail *tail, const char *pattern, int64_t now_ns)
{
    char bytes[READ_BYTES];
    uint64_t lost;
    if (!tail->begun && !find_begin(tail, now_ns)) return SUP_TAIL_WAITS;
    tail->begun = true;
    ssize_t size = sup_ring_follow(tail->order.rings, tail->order.node, &tail->cursor, bytes,
                                   sizeof bytes, &lost);
    if (size <= 0) return SUP_TAIL_WAITS;
    if (lost > 0) {
        tail->lost += lost;
        tail->held = 0;
        tail->skips = true;
    }
    for (size_t at = 0; at < (size_t) size;) {
        size_t left = (size_t) size - at;
        const char *newline = memchr(bytes + at, '\n', left);
        size_t part = newline == NULL ? left : (size_t) (newline - bytes) - at;
        enum sup_tail_state state = add(tail, pattern, bytes + at, part, newline != NULL);
        if (state != SUP_TAIL_WAITS) return state;
        at += part + (newline != NULL);
    }
    return SUP_TAIL_READS;
}
