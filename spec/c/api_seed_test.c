/*
** spec/c/api_seed_test.c: the seed's text, line by line, from C: the numbers of the meter, serve
** and stop with all their guarantees, services in order.
*/
#include "lib_api.h"

#include <math.h>
#include <pthread.h>

static struct api_heard heard; /* large: one test at a time */

static struct sup_supervisor *new_shop(const char *const *options)
{
    heard.count = 0;
    heard.log[0] = '\0';
    return api_new("shop", options, &heard);
}

static enum sup_result fail_at_once(void *data, struct sup_context *context)
{
    (void) data;
    return sup_context_fail(context, "out of luck");
}

static enum sup_error add_failer(struct sup_supervisor *supervisor, const char *name,
                                 const char *const *options)
{
    struct sup_service service = {.serve = fail_at_once, .name = name, .options = options};
    return sup_add(supervisor, &service, NULL);
}

static enum sup_error add_idler(struct sup_supervisor *supervisor, const char *name,
                                uint64_t *token)
{
    static struct api_counter counter;
    struct sup_service service = {api_serve_until_asked, NULL, name, &counter, NULL};
    return sup_add(supervisor, &service, token);
}

/* --- the meter -------------------------------------------------------------------------------- */

/* The counts of the failures, by a fold of our own over their times. */
static void check_counts(double half_life)
{
    double count = 0, last = 0;
    const struct api_event *event;
    for (size_t i = 1; (event = api_event(&heard, "failed", "bad", i)) != NULL; i++) {
        count = i == 1 ? 1 : count * exp2(-(event->time - last) / half_life) + 1;
        last = event->time;
        CHECK(fabs(event->count - count) < 1e-4);
    }
}

static void count_five_failures(const char *const *options, double half_life)
{
    struct sup_supervisor *shop = new_shop(options);
    CHECK_INT(add_failer(shop, "bad", OPTIONS("restart_delay", "30ms")), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY((sup_poll(shop, 0.01), api_event(&heard, "failed", "bad", 5) != NULL));
    sup_free(shop);
    check_counts(half_life);
}

static void failures_are_forgotten_by_half_in_30_seconds(void)
{
    count_five_failures(OPTIONS("failure_threshold", "1000"), 30);
}

static void or_in_the_time_that_was_given(void)
{
    count_five_failures(OPTIONS("failure_threshold", "1000", "failure_decay", "100ms"), 0.1);
}

static void the_sixth_failure_at_once_pauses_for_15_seconds(void)
{
    struct sup_supervisor *shop = new_shop(OPTIONS("failure_decay", "1000d"));
    CHECK_INT(add_failer(shop, "bad", NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY((sup_poll(shop, 0.01), api_event(&heard, "failed", "bad", 6) != NULL));
    for (size_t i = 1; i <= 6; i++) {
        const struct api_event *event = api_event(&heard, "failed", "bad", i);
        CHECK_INT(event->restarting, i < 6);
        CHECK(fabs(event->count - (double) i) < 1e-6);
        CHECK(fabs(event->threshold - 5) < 1e-9);
        CHECK_TEXT(event->reason, "raised: out of luck");
    }
    CHECK_INT(api_count_events(&heard, "backoff", "."), 1);
    CHECK_TEXT(api_look(shop, "bad").state, "queued");
    CHECK_INT(sup_stop(shop, NULL, NULL, NULL), SUP_SUCCESS); /* does not wait for the pause */
    sup_free(shop);
}

static void a_pause_ends_with_the_count_at_zero(void)
{
    struct sup_supervisor *shop = new_shop(
        OPTIONS("failure_decay", "1000d", "failure_threshold", "1", "failure_backoff", "50ms"));
    CHECK_INT(add_failer(shop, "bad", NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY((sup_poll(shop, 0.01), api_event(&heard, "resume", ".", 2) != NULL));
    sup_free(shop);
    for (size_t i = 1; i <= 4; i++)
        CHECK(fabs(api_event(&heard, "failed", "bad", i)->count - (i % 2 == 1 ? 1 : 2)) < 1e-6);
    CHECK(api_event(&heard, "resume", ".", 1)->time - api_event(&heard, "backoff", ".", 1)->time >=
          0.05);
    char *second = strstr(heard.log, "(2.000000 failures of 1.000000), restarting: false");
    char *entering = strstr(heard.log, "shop: Entering the backoff state.\n");
    char *exiting = strstr(heard.log, "shop: Exiting backoff state.\n");
    CHECK(second != NULL && entering != NULL && exiting != NULL);
    CHECK(entering < second && second < exiting);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void who_takes_longer_than_its_timeout_is_logged_and_killed(void)
{
    char folder[] = "/tmp/suptree-api.XXXXXX", flag[64], line[128];
    struct sup_supervisor *shop = new_shop(OPTIONS("timeout", "50ms"));
    MUST(mkdtemp(folder) != NULL);
    snprintf(flag, sizeof flag, "%s/flag", folder);
    snprintf(line, sizeof line, "trap '' TERM; : >%s; while :; do sleep 1; done", flag);
    CHECK_INT(api_add_shell(shop, "deaf", line, OPTIONS("ready", flag), NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY(api_look(shop, "deaf").ready);
    int32_t pid = api_look(shop, "deaf").pid;
    CHECK_INT(sup_stop(shop, "enough", NULL, NULL), SUP_SUCCESS);
    sup_poll(shop, 0);
    CHECK_TEXT(heard.log, "shop: Service deaf failed to terminate in a timely manner\n");
    CHECK(api_event(&heard, "killed", "deaf", 1)->time -
              api_event(&heard, "stopping", "deaf", 1)->time >=
          0.05);
    CHECK_TEXT(api_event(&heard, "killed", "deaf", 1)->context, "enough");
    CHECK(!api_lives(pid));
    sup_free(shop);
    unlink(flag);
    rmdir(folder);
}

struct stopper {
    struct sup_supervisor *shop;
    struct sup_unstopped_service *left;
    size_t count;
};

static void *stop_and_keep_the_report(void *argument)
{
    struct stopper *stopper = argument;
    CHECK_INT(sup_stop(stopper->shop, "together", &stopper->left, &stopper->count), SUP_SUCCESS);
    return NULL;
}

struct stubborn {
    int pipes[2];
    _Atomic bool begun, over; /* who is stopped before he has begun does not begin */
};

/* Ends when a byte comes, and for no other reason. */
static enum sup_result read_a_byte(void *data, struct sup_context *context)
{
    struct stubborn *stubborn = data;
    char byte;
    (void) context;
    stubborn->begun = true;
    while (read(stubborn->pipes[0], &byte, 1) < 0 && errno == EINTR) continue;
    stubborn->over = true;
    return SUP_RETURNED;
}

static struct sup_service stubborn_service(struct stubborn *stubborn)
{
    MUST(pipe(stubborn->pipes) == 0);
    return (struct sup_service){.serve = read_a_byte, .name = "stubborn", .data = stubborn};
}

/* What was left behind ends after all. */
static void end_stubborn(struct stubborn *stubborn)
{
    MUST(write(stubborn->pipes[1], "x", 1) == 1);
    EVENTUALLY(stubborn->over);
    close(stubborn->pipes[0]);
    close(stubborn->pipes[1]);
}

static void stops_at_the_same_time_get_the_same_report(void)
{
    static struct stubborn stubborn; /* used after its tree */
    struct stopper stoppers[4];
    pthread_t threads[4];
    struct sup_supervisor *shop = new_shop(OPTIONS("timeout", "20ms", "kill_timeout", "20ms"));
    struct sup_supervisor *jobs = sup_new_simple("jobs");
    struct sup_service service = stubborn_service(&stubborn);
    CHECK_INT(sup_add(jobs, &service, NULL), SUP_SUCCESS);
    CHECK_INT(api_add_sleeper(shop, "web", NULL), SUP_SUCCESS);
    CHECK_INT(sup_add_supervisor(shop, jobs, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY(stubborn.begun);
    for (int i = 0; i < 4; i++) {
        stoppers[i] = (struct stopper){.shop = shop};
        pthread_create(&threads[i], NULL, stop_and_keep_the_report, &stoppers[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        MUST(stoppers[i].count == 1);
        CHECK_TEXT(stoppers[i].left[0].path, "jobs/stubborn");
        CHECK_TEXT(stoppers[i].left[0].kind, "thread");
        CHECK_INT(stoppers[i].left[0].generation, 1);
        CHECK_INT(stoppers[i].left[0].pid, 0);
        free(stoppers[i].left);
    }
    size_t count = 0;
    CHECK_INT(sup_stop(shop, "again", NULL, &count), SUP_SUCCESS);
    CHECK_INT(count, 1);
    sup_poll(shop, 0);
    CHECK_INT(api_count_events(&heard, "stuck", "jobs/stubborn"), 1);
    sup_free(jobs);
    sup_free(shop);
    end_stubborn(&stubborn);
}

static void *remove_for_ever(void *argument)
{
    struct sup_supervisor *shop = argument;
    uint64_t token = api_look(shop, "stubborn").token;
    CHECK_INT(sup_remove_and_wait(shop, token, 0), SUP_ERR_STOPPED);
    return NULL;
}

static void a_wait_for_an_end_is_released_by_the_end_of_the_tree(void)
{
    static struct stubborn stubborn;
    size_t count;
    pthread_t thread;
    struct sup_supervisor *shop = new_shop(OPTIONS("timeout", "20ms", "kill_timeout", "20ms"));
    struct sup_service service = stubborn_service(&stubborn);
    CHECK_INT(sup_add(shop, &service, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY(stubborn.begun);
    pthread_create(&thread, NULL, remove_for_ever, shop);
    EVENTUALLY(api_look(shop, "stubborn").name[0] == '\0');
    CHECK_INT(sup_stop(shop, NULL, NULL, &count), SUP_SUCCESS);
    CHECK_INT(count, 1); /* removed, and still there */
    pthread_join(thread, NULL);
    sup_free(shop);
    end_stubborn(&stubborn);
}

/* --- serving ---------------------------------------------------------------------------------- */

static void serve_returns_when_all_was_launched_or_waits_or_failed(void)
{
    static const char *const nowhere[] = {"/no/such/program", NULL};
    static const struct {
        const char *name, *state;
    } wanted[] = {{"web", "running"},   {"worker", "running"}, {"cache", "running"},
                  {"front", "waiting"}, {"off", "stopped"},    {"lost", "queued"},
                  {"late", "delayed"},  {"jobs", "running"}};
    size_t count;
    struct sup_supervisor *shop = new_shop(OPTIONS("failure_threshold", "0"));
    struct sup_supervisor *jobs = sup_new_simple("jobs");
    struct sup_process lost = {.name = "lost", .argv = nowhere};
    struct sup_process late = {.name = "late",
                               .argv = nowhere,
                               .options = OPTIONS("restart_delay", "1h")};
    CHECK_INT(api_add_sleeper(shop, "web", NULL), SUP_SUCCESS);
    CHECK_INT(add_idler(shop, "worker", NULL), SUP_SUCCESS);
    CHECK_INT(api_add_shell(shop, "cache", "sleep 1000", OPTIONS("ready", "1h"), NULL),
              SUP_SUCCESS);
    CHECK_INT(api_add_shell(shop, "front", "sleep 1000", OPTIONS("after", "cache"), NULL),
              SUP_SUCCESS);
    CHECK_INT(api_add_shell(shop, "off", "sleep 1000", OPTIONS("enabled", "false"), NULL),
              SUP_SUCCESS);
    CHECK_INT(sup_add_process(shop, &lost, NULL), SUP_SUCCESS);
    CHECK_INT(sup_add_process(shop, &late, NULL), SUP_SUCCESS);
    CHECK_INT(sup_add_supervisor(shop, jobs, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, "boot"), SUP_SUCCESS);
    struct sup_service_status *list = sup_services(shop, &count);
    MUST(count == sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < count; i++) {
        CHECK_TEXT(list[i].name, wanted[i].name);
        CHECK_TEXT(list[i].state, wanted[i].state);
        CHECK(list[i].token != 0);
        CHECK_INT(list[i].pid > 0,
                  strcmp(list[i].kind, "process") == 0 && strcmp(list[i].state, "running") == 0);
    }
    free(list);
    sup_free(jobs);
    sup_free(shop);
}

static void a_second_serve_leaves_the_first_alone(void)
{
    struct sup_supervisor *shop = new_shop(NULL);
    CHECK_INT(api_add_sleeper(shop, "web", NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    int32_t pid = api_look(shop, "web").pid;
    CHECK_INT(sup_serve(shop), SUP_ERR_ALREADY_SERVING);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_ERR_ALREADY_SERVING);
    CHECK_INT(api_look(shop, "web").pid, pid);
    CHECK_INT(sup_stop(shop, NULL, NULL, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve(shop), SUP_ERR_STOPPED);
    sup_free(shop);
}

static void events_come_in_order_without_a_gap(void)
{
    struct sup_supervisor *shop = new_shop(NULL);
    CHECK_INT(api_add_sleeper(shop, "web", NULL), SUP_SUCCESS);
    CHECK_INT(add_idler(shop, "worker", NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, "boot"), SUP_SUCCESS);
    CHECK_INT(sup_stop(shop, "shutdown", NULL, NULL), SUP_SUCCESS);
    CHECK(sup_poll(shop, 600) > 0);
    CHECK_INT(sup_poll(shop, 600), 0); /* it is over */
    for (size_t i = 0; i < heard.count; i++) CHECK_INT(heard.events[i].seq, i + 1);
    CHECK_TEXT(heard.events[heard.count - 1].type, "stopped");
    CHECK_TEXT(heard.events[heard.count - 1].context, "shutdown");
    sup_free(shop);
}

static void a_tree_that_gives_up_is_an_error_of_serve(void)
{
    struct sup_supervisor *shop =
        new_shop(OPTIONS("failure_threshold", "0", "on_threshold", "escalate"));
    CHECK_INT(add_failer(shop, "bad", NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve(shop), SUP_ERR_GAVE_UP);
    CHECK_HAS(sup_last_error(), "ended by itself with code 1");
    CHECK_INT(api_count_events(&heard, "escalated", "."), 1);
    sup_free(shop);
}

static void those_who_poll_too_late_are_told_how_much_they_missed(void)
{
    unsigned long long lost = 0;
    struct sup_supervisor *shop = new_shop(OPTIONS("failure_threshold", "1e9"));
    CHECK_INT(add_failer(shop, "bad", NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY(api_look(shop, "bad").generation > 2000); /* runs, of three events at least */
    CHECK_INT(sup_stop(shop, NULL, NULL, NULL), SUP_SUCCESS);
    CHECK_INT(sup_poll(shop, 0), 4096);
    CHECK(sscanf(heard.log, "shop: %llu events were dropped: call sup_poll more often\n", &lost) ==
          1);
    CHECK_INT(heard.events[0].seq, lost + 1);
    sup_free(shop);
}

int main(int argc, char **argv)
{
    static const struct sup_test tests[] = {
        TEST(failures_are_forgotten_by_half_in_30_seconds),
        TEST(or_in_the_time_that_was_given),
        TEST(the_sixth_failure_at_once_pauses_for_15_seconds),
        TEST(a_pause_ends_with_the_count_at_zero),
        TEST(who_takes_longer_than_its_timeout_is_logged_and_killed),
        TEST(stops_at_the_same_time_get_the_same_report),
        TEST(a_wait_for_an_end_is_released_by_the_end_of_the_tree),
        TEST(serve_returns_when_all_was_launched_or_waits_or_failed),
        TEST(a_second_serve_leaves_the_first_alone),
        TEST(events_come_in_order_without_a_gap),
        TEST(a_tree_that_gives_up_is_an_error_of_serve),
        TEST(those_who_poll_too_late_are_told_how_much_they_missed),
    };
    api_use_keeper();
    return sup_test_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
