/*
** base/pattern.h: does a text match a Lua pattern? The patterns of Lua 5.4, without Lua, and with a
** bound: some patterns take longer than anybody lives.
**
** Any thread; nothing is allocated. Letters are those of ASCII, whatever the locale.
*/
#ifndef SUP_BASE_PATTERN_H
#define SUP_BASE_PATTERN_H

#include <stddef.h>
#include <stdint.h>

enum sup_pattern_result {
    SUP_PATTERN_NONE,
    SUP_PATTERN_FOUND,
    SUP_PATTERN_TOO_LONG, /* it took more than ${steps}, or is nested too deeply */
    SUP_PATTERN_BROKEN,   /* it is no pattern */
};

/*
** Is there a match of ${pattern} anywhere in the ${size} bytes of ${text}? At most ${steps}
** comparisons are made.
*/
enum sup_pattern_result sup_pattern_find(const char *pattern, const char *text, size_t size,
                                         uint32_t steps);

#endif
