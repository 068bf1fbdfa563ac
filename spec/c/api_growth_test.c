/*
** spec/c/api_growth_test.c: thousands of starts and stops leave no memory, thread or descriptor
** behind, in the program and in its keeper. With "--short" few of them: for valgrind.
*/
#include "lib_api.h"

#include <sys/wait.h>

#ifdef SUP_SANITIZE_BUILD /* a sanitizer keeps what was freed */
static int first = 50, services = 500, trees = 50;
static bool counts_memory = false;
#else
/* The first ones fill what keeps the last events. */
static int first = 1000, services = 3000, trees = 300;
static bool counts_memory = true;
#endif

struct size {
    int descriptors, threads, keeper_descriptors;
    long memory_kib, keeper_memory_kib;
};

/* Resident memory of a process. */
static long memory_of(int32_t pid)
{
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int) pid);
    FILE *file = fopen(path, "r");
    MUST(file != NULL);
    MUST(fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int descriptors_of(int32_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int) pid);
    return api_count_entries(path);
}

static struct size measure(int32_t keeper)
{
    struct size size = {.descriptors = descriptors_of(getpid()),
                        .threads = api_count_threads(),
                        .memory_kib = memory_of(getpid())};
    if (keeper == 0) return size;
    size.keeper_descriptors = descriptors_of(keeper);
    size.keeper_memory_kib = memory_of(keeper);
    return size;
}

static void check_no_growth(const struct size *before, int32_t keeper)
{
    EVENTUALLY(api_count_threads() <= before->threads);
    EVENTUALLY(descriptors_of(getpid()) <= before->descriptors);
    EVENTUALLY(keeper == 0 || descriptors_of(keeper) <= before->keeper_descriptors);
    if (!counts_memory) return;
    struct size after = measure(keeper);
    CHECK(after.memory_kib - before->memory_kib < 1024);
    CHECK(after.keeper_memory_kib - before->keeper_memory_kib < 1024);
}

/* --- services of a tree ----------------------------------------------------------------------- */

static void start_and_stop_function(struct sup_supervisor *shop, struct api_counter *counter)
{
    uint64_t token;
    int serves = counter->serves;
    struct sup_service service = {api_serve_until_asked, api_note_stop, "worker", counter, NULL};
    MUST(sup_add(shop, &service, &token) == SUP_SUCCESS);
    for (int looks = 0; counter->serves == serves && looks < API_PATIENCE; looks++)
        sup_poll(shop, 0.003);
    MUST(counter->serves == serves + 1);
    MUST(sup_remove_and_wait(shop, token, 0) == SUP_SUCCESS);
}

static void start_and_stop_process(struct sup_supervisor *shop)
{
    uint64_t token;
    MUST(api_add_sleeper(shop, "web", &token) == SUP_SUCCESS);
    MUST(sup_remove_and_wait(shop, token, 0) == SUP_SUCCESS);
}

static void start_and_stop_part(struct sup_supervisor *shop)
{
    uint64_t token;
    struct sup_supervisor *part = sup_new_simple("part");
    MUST(api_add_sleeper(part, "web", NULL) == SUP_SUCCESS);
    MUST(sup_add_supervisor(shop, part, &token) == SUP_SUCCESS);
    MUST(sup_remove_and_wait(shop, token, 0) == SUP_SUCCESS);
    sup_free(part);
}

static void start_and_stop_services(struct sup_supervisor *shop, struct api_counter *counter,
                                    int count)
{
    for (int i = 0; i < count; i++) {
        if (i % 10 == 5) start_and_stop_process(shop);
        else if (i % 50 == 7) start_and_stop_part(shop);
        else start_and_stop_function(shop, counter);
        sup_poll(shop, 0);
    }
}

static void services_that_come_and_go_leave_no_trace(void)
{
    static struct api_heard heard;
    struct api_counter counter = {0};
    struct sup_supervisor *shop = api_new("shop", NULL, &heard);
    MUST(sup_serve_background(shop, NULL) == SUP_SUCCESS);
    MUST(api_add_sleeper(shop, "steady", NULL) == SUP_SUCCESS);
    EVENTUALLY(api_is_running(shop, "steady"));
    int32_t keeper = api_parent(api_look(shop, "steady").pid);
    start_and_stop_services(shop, &counter, first);
    struct size before = measure(keeper);
    start_and_stop_services(shop, &counter, services);
    check_no_growth(&before, keeper);
    CHECK_INT(counter.serves, counter.stops);
    CHECK_INT(api_look(shop, "steady").generation, 1);
    sup_free(shop);
}

/* --- whole trees ------------------------------------------------------------------------------ */

static void start_and_stop_trees(struct api_counter *counter, int count)
{
    struct sup_service service = {api_serve_until_asked, api_note_stop, "worker", counter, NULL};
    for (int i = 0; i < count; i++) {
        struct sup_supervisor *shop = sup_new_simple("shop"), *part = sup_new_simple("part");
        MUST(api_add_sleeper(shop, "web", NULL) == SUP_SUCCESS);
        MUST(sup_add(part, &service, NULL) == SUP_SUCCESS);
        MUST(sup_add_supervisor(shop, part, NULL) == SUP_SUCCESS);
        MUST(sup_serve_background(shop, NULL) == SUP_SUCCESS);
        if (i % 3 == 0) sup_free(part);
        if (i % 2 == 0) MUST(sup_stop(shop, NULL, NULL, NULL) == SUP_SUCCESS);
        sup_free(shop);
        if (i % 3 != 0) sup_free(part);
    }
}

static void trees_that_come_and_go_leave_no_trace(void)
{
    struct api_counter counter = {0};
    start_and_stop_trees(&counter, trees / 10);
    struct size before = measure(0);
    start_and_stop_trees(&counter, trees);
    check_no_growth(&before, 0);
    CHECK_INT(counter.serves, counter.stops);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void trees_that_are_never_served_leave_no_trace(void)
{
    struct api_counter counter = {0};
    struct sup_service service = {api_serve_until_asked, NULL, "worker", &counter, NULL};
    struct size before = {0};
    for (int i = 0; i < trees + 10; i++) {
        if (i == 10) before = measure(0);
        struct sup_supervisor *shop = sup_new_simple("shop"), *part = sup_new_simple("part");
        uint64_t token;
        MUST(sup_add(part, &service, NULL) == SUP_SUCCESS);
        MUST(sup_add_supervisor(shop, part, &token) == SUP_SUCCESS);
        MUST(sup_add_supervisor(shop, part, NULL) == SUP_ERR_REFUSED);
        if (i % 2 == 0) MUST(sup_remove(shop, token) == SUP_SUCCESS);
        sup_free(part);
        sup_free(shop);
    }
    check_no_growth(&before, 0);
}

int main(int argc, char **argv)
{
    static const struct sup_test tests[] = {
        TEST(services_that_come_and_go_leave_no_trace),
        TEST(trees_that_come_and_go_leave_no_trace),
        TEST(trees_that_are_never_served_leave_no_trace),
    };
    int alone = api_count_own_threads();
    api_use_keeper();
    if (argc > 1 && strcmp(argv[1], "--short") == 0) {
        first = 50;
        services = 500;
        trees = 50;
        counts_memory = false;
        argc--;
    }
    int code = sup_test_main(tests, sizeof tests / sizeof tests[0], argc, argv);
    EVENTUALLY(api_count_threads() <= alone); /* those of stop callbacks go after a second */
    return code;
}
