/*
** spec/c/api_test.c: the library for C as a program uses it: with real processes and threads.
*/
#include "suptree.h"

#include "lib_test.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 20000 /* looks, a few milliseconds apart */
#ifdef SUP_SANITIZE_BUILD
#define ROUNDS 100
#else
#define ROUNDS 1000
#endif

static void pause_a_little(void)
{
    poll(NULL, 0, 3);
}

#define EVENTUALLY(condition) \
    do { \
        int looks = 0; \
        while (!(condition) && looks++ < PATIENCE) pause_a_little(); \
        MUST(condition); \
    } while (0)

static void use_keeper(void)
{
    char path[4096];
    const char *build = getenv("SUPTREE_BUILD");
    MUST(build != NULL);
    snprintf(path, sizeof path, "%s/suptree-keeper", build);
    setenv("SUPTREE_KEEPER", path, 1);
}

static const char *const sleeper[] = {"sleep", "1000", NULL};

static enum sup_error add_sleeper(struct sup_supervisor *supervisor, const char *name,
                                  uint64_t *token)
{
    struct sup_process process = {.name = name, .argv = sleeper};
    return sup_add_process(supervisor, &process, token);
}

/* The service ${name}; its name is "" when there is none. */
static struct sup_service_status look(struct sup_supervisor *supervisor, const char *name)
{
    size_t count;
    struct sup_service_status found = {.name = "", .state = ""};
    struct sup_service_status *list = sup_services(supervisor, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0) found = list[i];
    free(list);
    return found;
}

static bool is_running(struct sup_supervisor *supervisor, const char *name)
{
    return strcmp(look(supervisor, name).state, "running") == 0;
}

/* --- functions as services -------------------------------------------------------------------- */

struct counter {
    _Atomic int serves, stops;
};

static enum sup_result serve_until_asked(void *data, struct sup_context *context)
{
    struct counter *counter = data;
    counter->serves++;
    while (sup_context_sleep(context, 1000)) continue;
    return sup_context_stopping(context) ? SUP_RETURNED : SUP_FAILED;
}

static void note_stop(void *data)
{
    struct counter *counter = data;
    counter->stops++;
}

static enum sup_result fail_three_times(void *data, struct sup_context *context)
{
    struct counter *counter = data;
    if (++counter->serves <= 3) return sup_context_fail(context, "failure %d", counter->serves);
    sup_context_sleep(context, 1000);
    return SUP_RETURNED;
}

struct heard {
    char log[4096];
    char types[4096];
    char context[64];
};

static void hear_log(void *data, const char *line)
{
    struct heard *heard = data;
    size_t size = strlen(heard->log);
    snprintf(heard->log + size, sizeof heard->log - size, "%s\n", line);
}

static void hear_event(void *data, const struct sup_happening *event)
{
    struct heard *heard = data;
    size_t size = strlen(heard->types);
    snprintf(heard->types + size, sizeof heard->types - size, "%s:%s ", event->type, event->path);
    if (strcmp(event->type, "started") == 0)
        snprintf(heard->context, sizeof heard->context, "%s", event->context);
}

static void serves_processes_and_functions_side_by_side(void)
{
    struct counter counter = {0};
    uint64_t web = 0, worker = 0;
    struct sup_supervisor *shop = sup_new_simple("shop");
    struct sup_service service = {serve_until_asked, note_stop, "worker", &counter, NULL};
    MUST(shop != NULL);
    CHECK_TEXT(sup_name(shop), "shop");
    CHECK_INT(add_sleeper(shop, "web", &web), SUP_SUCCESS);
    CHECK_INT(sup_add(shop, &service, &worker), SUP_SUCCESS);
    CHECK_TEXT(look(shop, "web").state, "stopped");
    CHECK_INT(sup_serve_background(shop, "boot"), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, "boot"), SUP_ERR_ALREADY_SERVING);
    EVENTUALLY(is_running(shop, "web") && is_running(shop, "worker"));
    struct sup_service_status status = look(shop, "web");
    CHECK(status.pid > 0 && kill(status.pid, 0) == 0);
    CHECK(status.token == web);
    CHECK_TEXT(look(shop, "worker").kind, "thread");
    kill(status.pid, SIGKILL);
    EVENTUALLY(look(shop, "web").generation == 2 && is_running(shop, "web"));
    CHECK_INT(sup_remove_and_wait(shop, worker, 20), SUP_SUCCESS);
    CHECK_INT(counter.stops, 1);
    CHECK_TEXT(look(shop, "worker").name, "");
    CHECK_INT(sup_remove(shop, worker), SUP_SUCCESS);
    int32_t pid = look(shop, "web").pid;
    struct sup_unstopped_service *left = NULL;
    size_t count = 1;
    CHECK_INT(sup_stop(shop, "shutdown", &left, &count), SUP_SUCCESS);
    CHECK(left == NULL && count == 0);
    CHECK(kill(pid, 0) < 0 && errno == ESRCH);
    CHECK_INT(add_sleeper(shop, "late", NULL), SUP_ERR_STOPPED);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_ERR_STOPPED);
    CHECK_INT(sup_stop(shop, "again", &left, &count), SUP_SUCCESS);
    sup_free(shop);
}

static void restarts_a_function_that_fails_and_tells(void)
{
    struct counter counter = {0};
    struct heard heard = {"", "", ""};
    struct sup_settings settings = {.options = (const char *[]){"failure_threshold", "2",
                                                                "failure_backoff", "50ms", NULL},
                                    .log = hear_log,
                                    .on_event = hear_event,
                                    .data = &heard};
    struct sup_supervisor *shop = sup_new("shop", &settings);
    struct sup_service service = {fail_three_times, NULL, "flaky", &counter, NULL};
    MUST(shop != NULL);
    CHECK_INT(sup_add(shop, &service, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, "boot"), SUP_SUCCESS);
    EVENTUALLY((sup_poll(shop, 0.01), strstr(heard.types, "resume:.") != NULL));
    EVENTUALLY(is_running(shop, "flaky"));
    CHECK_INT(counter.serves, 4);
    CHECK_TEXT(heard.context, "boot");
    CHECK_HAS(heard.log, "shop: Failed service 'flaky' (1.000000 failures of 2.000000), "
                         "restarting: true, error: raised: failure 1\n");
    CHECK_HAS(heard.log, "shop: Entering the backoff state.\n");
    CHECK_HAS(heard.log, "restarting: false, error: raised: failure 3\n");
    CHECK_HAS(heard.log, "shop: Exiting backoff state.\n");
    struct pollfd ready = {.fd = sup_fd(shop), .events = POLLIN};
    sup_stop(shop, NULL, NULL, NULL);
    CHECK_INT(poll(&ready, 1, 0), 1);
    sup_free(shop);
}

static enum sup_result serve_done(void *data, struct sup_context *context)
{
    (void) data, (void) context;
    return SUP_SERVICE_DONE;
}

static enum sup_result end_the_tree(void *data, struct sup_context *context)
{
    (void) data, (void) context;
    return SUP_TERMINATE_TREE;
}

static void a_function_leaves_the_tree_or_ends_it(void)
{
    struct sup_supervisor *shop = sup_new_simple("shop");
    struct sup_service done = {serve_done, NULL, "done", NULL, NULL};
    struct sup_service end = {end_the_tree, NULL, "end", NULL, NULL};
    CHECK_INT(sup_add(shop, &done, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY(look(shop, "done").name[0] == '\0');
    CHECK_INT(sup_add(shop, &end, NULL), SUP_SUCCESS);
    EVENTUALLY(sup_add(shop, &done, NULL) == SUP_ERR_STOPPED);
    sup_free(shop);
}

/* --- misuse ----------------------------------------------------------------------------------- */

static void says_what_cannot_be_used(void)
{
    struct counter counter = {0};
    struct sup_settings wrong = {.options = (const char *[]){"failure_treshold", "5", NULL}};
    struct sup_settings bad = {.options = (const char *[]){"timeout", "soon", NULL}};
    CHECK(sup_new("shop", &wrong) == NULL);
    CHECK_HAS(sup_last_error(), "shop.failure_treshold");
    CHECK_HAS(sup_last_error(), "failure_threshold");
    CHECK(sup_new("shop", &bad) == NULL);
    CHECK_HAS(sup_last_error(), "shop.timeout");
    CHECK(sup_new("no name", NULL) == NULL);
    struct sup_supervisor *shop = sup_new_simple("shop"), *other = sup_new_simple("other");
    struct sup_service nobody = {NULL, NULL, "nobody", NULL, NULL};
    struct sup_service lost = {serve_until_asked, NULL, "lost", &counter,
                               (const char *[]){"after", "nowhere", NULL}};
    struct sup_process empty = {.name = "empty"};
    uint64_t token;
    CHECK_INT(sup_add(shop, &nobody, &token), SUP_ERR_INVALID);
    CHECK_INT(sup_add(shop, &lost, &token), SUP_ERR_INVALID);
    CHECK_INT(sup_add_process(shop, &empty, &token), SUP_ERR_INVALID);
    CHECK_INT(token, 0);
    CHECK_INT(add_sleeper(shop, "web", &token), SUP_SUCCESS);
    CHECK_INT(add_sleeper(shop, "web", NULL), SUP_ERR_DUPLICATE_NAME);
    CHECK_HAS(sup_last_error(), "does not run");
    CHECK_INT(sup_remove(other, token), SUP_ERR_WRONG_SUPERVISOR);
    CHECK_TEXT(sup_last_error(), "wrong supervisor for this service token, no service removed");
    CHECK_INT(sup_remove(shop, 0), SUP_ERR_WRONG_SUPERVISOR);
    CHECK_TEXT(look(shop, "web").name, "web");
    CHECK_INT(sup_stop(other, NULL, NULL, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve(other), SUP_SUCCESS); /* stopped before it began: returns at once */
    sup_free(other);
    sup_free(shop);
    sup_free(NULL);
}

/* --- supervisors in supervisors --------------------------------------------------------------- */

static void handles_go_on_to_work_in_a_tree(void)
{
    struct sup_supervisor *shop = sup_new_simple("shop"), *part = sup_new_simple("part");
    uint64_t token = 0;
    CHECK_INT(add_sleeper(part, "first", NULL), SUP_SUCCESS);
    CHECK_INT(sup_add_supervisor(part, part, NULL), SUP_ERR_CYCLE);
    CHECK_INT(sup_add_supervisor(shop, part, &token), SUP_SUCCESS);
    CHECK_INT(sup_add_supervisor(part, shop, NULL), SUP_ERR_CYCLE);
    CHECK_INT(sup_serve_background(part, NULL), SUP_ERR_NOT_ROOT);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    CHECK_INT(add_sleeper(part, "second", NULL), SUP_SUCCESS);
    EVENTUALLY(is_running(part, "first") && is_running(part, "second"));
    int32_t pid = look(part, "first").pid;
    CHECK_INT(sup_stop(part, "a person's", NULL, NULL), SUP_SUCCESS);
    CHECK(kill(pid, 0) < 0);
    CHECK_TEXT(look(shop, "part").state, "stopped");
    CHECK_INT(sup_remove_and_wait(shop, token, 20), SUP_SUCCESS);
    EVENTUALLY(add_sleeper(part, "third", NULL) == SUP_ERR_STOPPED);
    sup_free(shop);
    sup_free(part);
}

static void a_handle_may_be_given_back_before_its_tree(void)
{
    struct sup_supervisor *shop = sup_new_simple("shop"), *part = sup_new_simple("part");
    CHECK_INT(add_sleeper(part, "first", NULL), SUP_SUCCESS);
    CHECK_INT(sup_add_supervisor(shop, part, NULL), SUP_SUCCESS);
    sup_free(part);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    CHECK_TEXT(look(shop, "part").kind, "supervisor");
    sup_free(shop);
}

/* --- stopping from inside --------------------------------------------------------------------- */

static enum sup_result stop_own_tree(void *data, struct sup_context *context)
{
    struct sup_supervisor *const *shop = data;
    sup_stop(*shop, "from inside", NULL, NULL);
    sup_context_sleep(context, 1000);
    return SUP_RETURNED;
}

static void stop_from_inside_a_service_is_a_request(void)
{
    struct sup_supervisor *shop = sup_new_simple("shop");
    struct sup_service service = {stop_own_tree, NULL, "last", &shop, NULL};
    CHECK_INT(sup_add(shop, &service, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve(shop), SUP_SUCCESS);
    sup_free(shop);
}

static void stop_when_started(void *data, const struct sup_happening *event)
{
    struct sup_supervisor *const *shop = data;
    if (strcmp(event->type, "started") == 0) sup_stop(*shop, "from a callback", NULL, NULL);
}

static void stop_from_inside_a_callback_is_a_request(void)
{
    struct sup_supervisor *shop = NULL;
    struct sup_settings settings = {.on_event = stop_when_started, .data = &shop};
    shop = sup_new("shop", &settings);
    CHECK_INT(add_sleeper(shop, "web", NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve(shop), SUP_SUCCESS);
    sup_free(shop);
}

/* --- many threads ----------------------------------------------------------------------------- */

struct crowd {
    struct sup_supervisor *shop;
    struct counter counter;
    _Atomic int number, added, removed;
};

static void *add_and_remove(void *argument)
{
    struct crowd *crowd = argument;
    int me = crowd->number++;
    for (int i = 0; i < 20; i++) {
        char name[32];
        uint64_t token;
        size_t count;
        snprintf(name, sizeof name, "s%d-%d", me, i);
        struct sup_service service = {serve_until_asked, note_stop, name, &crowd->counter, NULL};
        enum sup_error error = sup_add(crowd->shop, &service, &token);
        if (error == SUP_ERR_STOPPED) break;
        CHECK_INT(error, SUP_SUCCESS);
        crowd->added++;
        free(sup_services(crowd->shop, &count));
        error = i % 2 == 0 ? sup_remove(crowd->shop, token)
                           : sup_remove_and_wait(crowd->shop, token, 60);
        CHECK(error == SUP_SUCCESS || error == SUP_ERR_STOPPED);
    }
    return NULL;
}

static void *stop_too(void *argument)
{
    struct crowd *crowd = argument;
    CHECK_INT(sup_stop(crowd->shop, "together", NULL, NULL), SUP_SUCCESS);
    return NULL;
}

static void many_threads_add_remove_and_stop_at_once(void)
{
    struct crowd crowd = {.shop = sup_new_simple("shop")};
    pthread_t adders[4], stoppers[3];
    CHECK_INT(sup_serve_background(crowd.shop, NULL), SUP_SUCCESS);
    for (int i = 0; i < 4; i++) pthread_create(&adders[i], NULL, add_and_remove, &crowd);
    EVENTUALLY(crowd.added > 10);
    for (int i = 0; i < 3; i++) pthread_create(&stoppers[i], NULL, stop_too, &crowd);
    for (int i = 0; i < 4; i++) pthread_join(adders[i], NULL);
    for (int i = 0; i < 3; i++) pthread_join(stoppers[i], NULL);
    sup_free(crowd.shop);
}

static void several_supervisors_serve_in_one_process(void)
{
    struct sup_supervisor *shops[5];
    char name[16];
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "shop%d", i);
        shops[i] = sup_new_simple(name);
        CHECK_INT(add_sleeper(shops[i], "web", NULL), SUP_SUCCESS);
        CHECK_INT(sup_serve_background(shops[i], NULL), SUP_SUCCESS);
    }
    for (int i = 0; i < 5; i++) EVENTUALLY(is_running(shops[i], "web"));
    sup_free(shops[2]);
    CHECK(is_running(shops[3], "web"));
    for (int i = 0; i < 5; i++)
        if (i != 2) sup_free(shops[i]);
}

/* --- the end of the program ------------------------------------------------------------------- */

/* A program with a service, whose pid goes to ${out}; waits to be killed. */
static void be_a_program(int out)
{
    struct sup_supervisor *shop = sup_new_simple("shop");
    add_sleeper(shop, "web", NULL);
    sup_serve_background(shop, NULL);
    while (!is_running(shop, "web")) pause_a_little();
    int32_t pid = look(shop, "web").pid;
    if (write(out, &pid, sizeof pid) != sizeof pid) _exit(1);
    for (;;) pause();
}

static void kill_of_the_program_leaves_nothing(void)
{
    int pipes[2];
    int32_t service = 0;
    MUST(pipe(pipes) == 0);
    pid_t program = fork();
    if (program == 0) be_a_program(pipes[1]);
    MUST(read(pipes[0], &service, sizeof service) == sizeof service);
    CHECK(service > 0 && kill(service, 0) == 0);
    kill(program, SIGKILL);
    waitpid(program, NULL, 0);
    EVENTUALLY(kill(service, 0) < 0 && errno == ESRCH);
    close(pipes[0]);
    close(pipes[1]);
}

/* --- no growth -------------------------------------------------------------------------------- */

static int count_entries(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    MUST(dir != NULL);
    while (readdir(dir) != NULL) count++;
    closedir(dir);
    return count;
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    MUST(file != NULL);
    MUST(fscanf(file, "%*d %ld", &pages) == 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void start_and_stop(int rounds)
{
    struct counter counter = {0};
    for (int i = 0; i < rounds; i++) {
        struct sup_supervisor *shop = sup_new_simple("shop");
        struct sup_service service = {serve_until_asked, note_stop, "worker", &counter, NULL};
        CHECK_INT(add_sleeper(shop, "web", NULL), SUP_SUCCESS);
        CHECK_INT(sup_add(shop, &service, NULL), SUP_SUCCESS);
        CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
        CHECK_INT(sup_stop(shop, NULL, NULL, NULL), SUP_SUCCESS);
        sup_free(shop);
    }
}

static void starts_and_stops_leave_no_trace(void)
{
    start_and_stop(ROUNDS / 10);
    int descriptors = count_entries("/proc/self/fd"), threads = count_entries("/proc/self/task");
    long memory = resident_kib();
    start_and_stop(ROUNDS);
    CHECK_INT(count_entries("/proc/self/fd"), descriptors);
    EVENTUALLY(count_entries("/proc/self/task") <= threads);
#ifndef SUP_SANITIZE_BUILD
    CHECK(resident_kib() - memory < 1024);
#else
    (void) memory; /* a sanitizer keeps what was freed */
#endif
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

int main(int argc, char **argv)
{
    static const struct sup_test tests[] = {
        TEST(serves_processes_and_functions_side_by_side),
        TEST(restarts_a_function_that_fails_and_tells),
        TEST(a_function_leaves_the_tree_or_ends_it),
        TEST(says_what_cannot_be_used),
        TEST(handles_go_on_to_work_in_a_tree),
        TEST(a_handle_may_be_given_back_before_its_tree),
        TEST(stop_from_inside_a_service_is_a_request),
        TEST(stop_from_inside_a_callback_is_a_request),
        TEST(many_threads_add_remove_and_stop_at_once),
        TEST(several_supervisors_serve_in_one_process),
        TEST(kill_of_the_program_leaves_nothing),
        TEST(starts_and_stops_leave_no_trace),
    };
    use_keeper();
    return sup_test_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
