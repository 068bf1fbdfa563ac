/*
** spec/c/lib_test.c: running tests and saying what is not true.
*/
#include "lib_test.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t failures;
static char current_case[256];

static void report(const char *file, int line)
{
    failures++;
    fprintf(stderr, "%s:%d: %s%s", file, line, current_case, current_case[0] ? ": " : "");
}

bool sup_test_check(bool is_true, const char *file, int line, const char *text)
{
    if (is_true) return true;
    report(file, line);
    fprintf(stderr, "not true: %s\n", text);
    return false;
}

bool sup_test_check_int(int64_t value, int64_t wanted, const char *file, int line, const char *text)
{
    if (value == wanted) return true;
    report(file, line);
    fprintf(stderr, "%s is %" PRId64 ", not %" PRId64 "\n", text, value, wanted);
    return false;
}

bool sup_test_check_text(const char *value, const char *wanted, const char *file, int line,
                         const char *text)
{
    if (value == wanted) return true;
    if (value != NULL && wanted != NULL && strcmp(value, wanted) == 0) return true;
    report(file, line);
    fprintf(stderr, "%s is \"%s\", not \"%s\"\n", text, value != NULL ? value : "(NULL)",
            wanted != NULL ? wanted : "(NULL)");
    return false;
}

bool sup_test_check_has(const char *value, const char *part, const char *file, int line,
                        const char *text)
{
    if (value != NULL && strstr(value, part) != NULL) return true;
    report(file, line);
    fprintf(stderr, "%s is \"%s\", without \"%s\"\n", text, value != NULL ? value : "(NULL)", part);
    return false;
}

int sup_test_failures(void)
{
    return failures > 99 ? 99 : (int) failures;
}

_Noreturn void sup_test_give_up(const char *file, int line)
{
    fprintf(stderr, "%s:%d: giving up\n", file, line);
    exit(1);
}

void sup_test_case(const char *format, ...)
{
    current_case[0] = '\0';
    if (format == NULL) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(current_case, sizeof current_case, format, arguments);
    va_end(arguments);
}

uint64_t sup_test_random(struct sup_test_chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

size_t sup_test_below(struct sup_test_chance *chance, size_t bound)
{
    return (size_t) (sup_test_random(chance) % bound);
}

int sup_test_main(const struct sup_test *tests, size_t count, int argc, char **argv)
{
    size_t ran = 0;
    setenv("SUPTREE_STRICT", "1", 1);
    for (size_t i = 0; i < count; i++) {
        if (argc > 1 && strstr(tests[i].name, argv[1]) == NULL) continue;
        size_t before = failures;
        sup_test_case(NULL);
        tests[i].run();
        ran++;
        printf("%s %s\n", failures == before ? "ok    " : "FAILED", tests[i].name);
        fflush(stdout);
    }
    if (ran == 0) {
        fprintf(stderr, "no test has \"%s\" in its name\n", argc > 1 ? argv[1] : "");
        return 2;
    }
    return failures > 0 ? 1 : 0;
}
