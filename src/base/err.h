/*
** base/err.h: how a failure that a person will read is carried.
**
** Functions return 0 or a negative errno. Where a person must be told more, the function also fills
** a struct sup_err: where it happened, what is wrong, and what to do about it. An error is either
** returned or logged, never both.
*/
#ifndef SUP_BASE_ERR_H
#define SUP_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

struct sup_err {
    int code;         /* negative errno; 0: no error */
    char place[192];  /* "supervise.lua:12: shop.web.timeout", a file, a step; may be empty */
    char reason[384]; /* what is wrong, in plain words */
    char hint[192];   /* what to do next; may be empty */
};

/*
** Fill ${err} (NULL allowed: then nothing is kept) and return ${code}, so that a caller can write
** `return sup_err_set(err, -EINVAL, place, hint, "format", ...)`. Long texts are cut, never split
** in the middle of a UTF-8 character. Never fails, never allocates.
*/
__attribute__((format(printf, 5, 6))) int sup_err_set(struct sup_err *err, int code,
                                                      const char *place, const char *hint,
                                                      const char *format, ...);

/* Write "place: reason (hint)" to ${buf} (size ${size}, always terminated). Returns ${buf}. */
char *sup_err_text(const struct sup_err *err, char *buf, size_t size);

/*
** A broken promise inside the program. sup_require: memory would be corrupt, so abort with place
** and condition. sup_expect: report once per place to standard error and return the condition, so
** that the caller can recover; aborts when the environment has SUPTREE_STRICT=1 (the tests do).
*/
#define sup_require(condition) \
    ((condition) ? (void) 0 : sup_require_failed(__FILE__, __LINE__, #condition))
#define sup_expect(condition) sup_expect_that((condition), __FILE__, __LINE__, #condition)

_Noreturn void sup_require_failed(const char *file, int line, const char *condition);
bool sup_expect_failed(const char *file, int line, const char *condition);

static inline bool sup_expect_that(bool holds, const char *file, int line, const char *condition)
{
    return holds || sup_expect_failed(file, line, condition);
}

#endif
