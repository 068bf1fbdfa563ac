/*
** base/pattern.c: see pattern.h. The way of matching is that of the reference manual of Lua 5.4,
** section 6.4.1: try, and go back.
*/
#include "base/pattern.h"

#include <stdbool.h>
#include <string.h>

#define CAPTURES 32
#define DEPTH 200
#define OPEN ((ptrdiff_t) -1)
#define POSITION ((ptrdiff_t) -2)

struct match {
    const char *text, *text_end, *pattern_end;
    struct {
        const char *from;
        ptrdiff_t size; /* OPEN, POSITION */
    } captures[CAPTURES];
    int count;
    int depth;
    uint32_t steps;                  /* that are left */
    enum sup_pattern_result trouble; /* NONE: none so far */
};

static const char *match_here(struct match *m, const char *s, const char *p);

static const char *refuse(struct match *m, enum sup_pattern_result why)
{
    m->trouble = why;
    return NULL;
}

/* --- one character ---------------------------------------------------------------------------- */

static bool is_between(int c, int low, int high)
{
    return c >= low && c <= high;
}

static bool is_letter(int c)
{
    return is_between(c | 0x20, 'a', 'z');
}

static bool is_printable(int c)
{
    return is_between(c, 0x21, 0x7e);
}

/* Is ${c} of the class %${letter}? */
static bool is_of_class(int c, int letter)
{
    bool is;
    switch (letter | 0x20) {
    case 'a':
        is = is_letter(c);
        break;
    case 'c':
        is = c < 0x20 || c == 0x7f;
        break;
    case 'd':
        is = is_between(c, '0', '9');
        break;
    case 'g':
        is = is_printable(c);
        break;
    case 'l':
        is = is_between(c, 'a', 'z');
        break;
    case 'p':
        is = is_printable(c) && !is_letter(c) && !is_between(c, '0', '9');
        break;
    case 's':
        is = c == ' ' || is_between(c, '\t', '\r');
        break;
    case 'u':
        is = is_between(c, 'A', 'Z');
        break;
    case 'w':
        is = is_letter(c) || is_between(c, '0', '9');
        break;
    case 'x':
        is = is_between(c, '0', '9') || is_between(c | 0x20, 'a', 'f');
        break;
    default:
        return letter == c;
    }
    if (!is_letter(letter)) return letter == c;
    return is_between(letter, 'A', 'Z') ? !is : is;
}

/* Behind the single-character item at ${p}; NULL: it is broken. */
static const char *skip_item(struct match *m, const char *p)
{
    if (*p == '%') return p + 1 < m->pattern_end ? p + 2 : refuse(m, SUP_PATTERN_BROKEN);
    if (*p != '[') return p + 1;
    p++;
    if (p < m->pattern_end && *p == '^') p++;
    do { /* the first one is in the set even if it is a ] */
        if (p >= m->pattern_end) return refuse(m, SUP_PATTERN_BROKEN);
        p += *p == '%' ? 2 : 1;
    } while (p < m->pattern_end && *p != ']');
    return p < m->pattern_end ? p + 1 : refuse(m, SUP_PATTERN_BROKEN);
}

/* Is ${c} in the set from ${p}, its "[", to ${last}, its "]"? */
static bool is_in_set(int c, const char *p, const char *last)
{
    bool wanted = true;
    if (p[1] == '^') {
        wanted = false;
        p++;
    }
    while (++p < last) {
        if (*p == '%') {
            p++;
            if (is_of_class(c, (unsigned char) *p)) return wanted;
        } else if (p[1] == '-' && p + 2 < last) {
            if (is_between(c, (unsigned char) p[0], (unsigned char) p[2])) return wanted;
            p += 2;
        } else if ((unsigned char) *p == c) return wanted;
    }
    return !wanted;
}

/* Is the character at ${s} one of the item ${p} to ${behind}? */
static bool is_match(struct match *m, const char *s, const char *p, const char *behind)
{
    if (m->steps == 0) refuse(m, SUP_PATTERN_TOO_LONG);
    if (m->steps == 0 || s >= m->text_end) return false;
    m->steps--;
    int c = (unsigned char) *s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return is_of_class(c, (unsigned char) p[1]);
    case '[':
        return is_in_set(c, p, behind - 1);
    default:
        return (unsigned char) *p == c;
    }
}

/* --- items that are more than a character ----------------------------------------------------- */

static const char *match_balance(struct match *m, const char *s, const char *p)
{
    if (p + 3 >= m->pattern_end) return refuse(m, SUP_PATTERN_BROKEN);
    if (s >= m->text_end || *s != p[2]) return NULL;
    int open = 1;
    while (++s < m->text_end) {
        if (m->steps == 0) return refuse(m, SUP_PATTERN_TOO_LONG);
        m->steps--;
        if (*s == p[3]) {
            if (--open == 0) return match_here(m, s + 1, p + 4);
        } else if (*s == p[2]) open++;
    }
    return NULL;
}

static const char *match_frontier(struct match *m, const char *s, const char *p)
{
    p += 2;
    if (p >= m->pattern_end || *p != '[') return refuse(m, SUP_PATTERN_BROKEN);
    const char *behind = skip_item(m, p);
    if (behind == NULL) return NULL;
    int before = s == m->text ? 0 : (unsigned char) s[-1];
    int after = s == m->text_end ? 0 : (unsigned char) *s;
    if (is_in_set(before, p, behind - 1) || !is_in_set(after, p, behind - 1)) return NULL;
    return match_here(m, s, behind);
}

static const char *match_former(struct match *m, const char *s, const char *p)
{
    int number = p[1] - '1';
    if (number < 0 || number >= m->count || m->captures[number].size == OPEN)
        return refuse(m, SUP_PATTERN_BROKEN);
    if (m->captures[number].size == POSITION) return NULL; /* as Lua has it */
    size_t size = (size_t) m->captures[number].size;
    if ((size_t) (m->text_end - s) < size || memcmp(m->captures[number].from, s, size) != 0)
        return NULL;
    return match_here(m, s + size, p + 2);
}

static const char *open_capture(struct match *m, const char *s, const char *p)
{
    bool is_position = p + 1 < m->pattern_end && p[1] == ')';
    if (m->count == CAPTURES) return refuse(m, SUP_PATTERN_BROKEN);
    m->captures[m->count].from = s;
    m->captures[m->count].size = is_position ? POSITION : OPEN;
    m->count++;
    const char *end = match_here(m, s, p + (is_position ? 2 : 1));
    if (end == NULL) m->count--;
    return end;
}

static const char *close_capture(struct match *m, const char *s, const char *p)
{
    int number = m->count - 1;
    while (number >= 0 && m->captures[number].size != OPEN) number--;
    if (number < 0) return refuse(m, SUP_PATTERN_BROKEN);
    m->captures[number].size = s - m->captures[number].from;
    const char *end = match_here(m, s, p + 1);
    if (end == NULL) m->captures[number].size = OPEN;
    return end;
}

static const char *match_most(struct match *m, const char *s, const char *p, const char *behind)
{
    ptrdiff_t count = 0;
    while (is_match(m, s + count, p, behind)) count++;
    for (; count >= 0 && m->trouble == SUP_PATTERN_NONE; count--) {
        const char *end = match_here(m, s + count, behind + 1);
        if (end != NULL) return end;
    }
    return NULL;
}

static const char *match_least(struct match *m, const char *s, const char *p, const char *behind)
{
    while (m->trouble == SUP_PATTERN_NONE) {
        const char *end = match_here(m, s, behind + 1);
        if (end != NULL) return end;
        if (!is_match(m, s, p, behind)) return NULL;
        s++;
    }
    return NULL;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* The item at ${p}, of one character, and what says how often it may come. *${next} and *${rest}:
   where to go on; NULL: that is the answer. */
static const char *match_single(struct match *m, const char *s, const char *p, const char **next,
                                const char **rest)
{
    const char *behind = skip_item(m, p);
    *next = NULL;
    if (behind == NULL) return NULL;
    char how_often = behind < m->pattern_end ? *behind : '\0';
    const char *end;
    switch (how_often) {
    case '?':
        end = is_match(m, s, p, behind) ? match_here(m, s + 1, behind + 1) : NULL;
        if (end != NULL) return end;
        *next = s;
        *rest = behind + 1;
        return NULL;
    case '+':
        return is_match(m, s, p, behind) ? match_most(m, s + 1, p, behind) : NULL;
    case '*':
        return match_most(m, s, p, behind);
    case '-':
        return match_least(m, s, p, behind);
    default:
        if (!is_match(m, s, p, behind)) return NULL;
        *next = s + 1;
        *rest = behind;
        return NULL;
    }
}

/* The end of a match of the pattern from ${p} on at ${s}, or NULL. */
static const char *match_on(struct match *m, const char *s, const char *p)
{
    while (p < m->pattern_end && m->trouble == SUP_PATTERN_NONE) {
        char second = p + 1 < m->pattern_end ? p[1] : '\0';
        if (*p == '(') return open_capture(m, s, p);
        if (*p == ')') return close_capture(m, s, p);
        if (*p == '$' && p + 1 == m->pattern_end) return s == m->text_end ? s : NULL;
        if (*p == '%' && second == 'b') return match_balance(m, s, p);
        if (*p == '%' && second == 'f') return match_frontier(m, s, p);
        if (*p == '%' && is_between(second, '0', '9')) return match_former(m, s, p);
        const char *next, *rest;
        const char *end = match_single(m, s, p, &next, &rest);
        if (next == NULL) return end;
        s = next;
        p = rest;
    }
    return m->trouble == SUP_PATTERN_NONE ? s : NULL;
}

static const char *match_here(struct match *m, const char *s, const char *p)
{
    if (m->trouble != SUP_PATTERN_NONE) return NULL;
    if (m->depth == DEPTH) return refuse(m, SUP_PATTERN_TOO_LONG);
    m->depth++;
    const char *end = match_on(m, s, p);
    m->depth--;
    return end;
}

enum sup_pattern_result sup_pattern_find(const char *pattern, const char *text, size_t size,
                                         uint32_t steps)
{
    struct match m = {.text = text,
                      .text_end = text + size,
                      .pattern_end = pattern + strlen(pattern),
                      .steps = steps};
    bool is_anchored = *pattern == '^';
    if (is_anchored) pattern++;
    for (const char *s = text;; s++) {
        m.count = 0;
        if (m.steps > 0) m.steps--; /* trying costs something, too */
        if (match_here(&m, s, pattern) != NULL) return SUP_PATTERN_FOUND;
        if (m.trouble != SUP_PATTERN_NONE || is_anchored || s == m.text_end) return m.trouble;
    }
}
