/*
** base/err.c: filling and printing struct sup_err; the two kinds of broken promise.
*/
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copy ${text} to ${to}, cut at ${size} - 1 bytes and never inside a UTF-8 character. */
static void copy_cut(char *to, size_t size, const char *text)
{
    size_t length = text == NULL ? 0 : strlen(text);
    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char) text[length] & 0xC0) == 0x80) length--;
    }
    if (length > 0) memcpy(to, text, length);
    to[length] = '\0';
}

int sup_err_set(struct sup_err *err, int code, const char *place, const char *hint,
                const char *format, ...)
{
    if (err == NULL) return code;
    char reason[2 * sizeof err->reason];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    err->code = code;
    copy_cut(err->place, sizeof err->place, place);
    copy_cut(err->reason, sizeof err->reason, reason);
    copy_cut(err->hint, sizeof err->hint, hint);
    return code;
}

char *sup_err_text(const struct sup_err *err, char *buf, size_t size)
{
    snprintf(buf, size, "%s%s%s%s%s%s", err->place, err->place[0] ? ": " : "", err->reason,
             err->hint[0] ? " (" : "", err->hint, err->hint[0] ? ")" : "");
    return buf;
}

_Noreturn void sup_require_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "suptree: %s:%d: broken promise: %s; aborting, please report this\n", file,
            line, condition);
    abort();
}

bool sup_expect_failed(const char *file, int line, const char *condition)
{
    const char *strict = getenv("SUPTREE_STRICT");
    fprintf(stderr, "suptree: %s:%d: unexpected: not (%s); going on, please report this\n", file,
            line, condition);
    if (strict != NULL && strcmp(strict, "1") == 0) abort();
    return false;
}
