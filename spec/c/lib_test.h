/*
** spec/c/lib_test.h: tests in C. A program is a list of tests and sup_test_main(); a test checks,
** and what is not true is printed with its place, counted, and makes the program end with 1.
**
**     ./options_test            all of them
**     ./options_test nearest    those whose name contains "nearest"
*/
#ifndef SUP_SPEC_LIB_TEST_H
#define SUP_SPEC_LIB_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sup_test {
    const char *name;
    void (*run)(void);
};

#define TEST(function) \
    { \
#function, function \
    }
#define TEST_MAIN(...) \
    int main(int argc, char **argv) \
    { \
        static const struct sup_test tests[] = {__VA_ARGS__}; \
        return sup_test_main(tests, sizeof tests / sizeof tests[0], argc, argv); \
    }

int sup_test_main(const struct sup_test *tests, size_t count, int argc, char **argv);

/* Each is an expression: was it true? Values are evaluated once. */
#define CHECK(condition) sup_test_check((condition), __FILE__, __LINE__, #condition)
#define CHECK_INT(value, wanted) \
    sup_test_check_int((int64_t) (value), (int64_t) (wanted), __FILE__, __LINE__, #value)
#define CHECK_TEXT(value, wanted) sup_test_check_text((value), (wanted), __FILE__, __LINE__, #value)
/* ${part} is somewhere in ${value}. */
#define CHECK_HAS(value, part) sup_test_check_has((value), (part), __FILE__, __LINE__, #value)
/* Ends the program when it is not true: nothing after it would make sense. */
#define MUST(condition) (CHECK(condition) ? (void) 0 : sup_test_give_up(__FILE__, __LINE__))

bool sup_test_check(bool is_true, const char *file, int line, const char *text);
bool sup_test_check_int(int64_t value, int64_t wanted, const char *file, int line,
                        const char *text);
bool sup_test_check_text(const char *value, const char *wanted, const char *file, int line,
                         const char *text);
bool sup_test_check_has(const char *value, const char *part, const char *file, int line,
                        const char *text);
/* How many were not true so far: for a program that a test starts, as its exit code. */
int sup_test_failures(void);
_Noreturn void sup_test_give_up(const char *file, int line);

/* Words printed with each failure until changed: which case of a loop it is. NULL: none. */
__attribute__((format(printf, 1, 2))) void sup_test_case(const char *format, ...);

/* A seeded generator of chance (splitmix64), so that a failure comes again. */
struct sup_test_chance {
    uint64_t state;
};
uint64_t sup_test_random(struct sup_test_chance *chance);
/* 0 .. ${bound} - 1 */
size_t sup_test_below(struct sup_test_chance *chance, size_t bound);

#endif
