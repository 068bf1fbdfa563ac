/*
** spec/c/api_service_test.c: functions as services: their context, and their stop callbacks, which
** may block, come late, or call suptree.
*/
#include "lib_api.h"

#include <pthread.h>

static int own_threads; /* when the library has none */

/* --- a service that waits in a call of its own ------------------------------------------------ */

/* Waits for a byte from `wake`; its stop writes one, once `gate` lets it. */
struct reader {
    int wake[2], gate[2];
    bool has_gate;
    _Atomic int serves, stops, inside, before; /* before: stops that came while serve ran */
};

static struct reader *new_reader(bool has_gate)
{
    struct reader *reader = calloc(1, sizeof *reader);
    MUST(reader != NULL && pipe(reader->wake) == 0 && pipe(reader->gate) == 0);
    reader->has_gate = has_gate;
    return reader;
}

static void free_reader(struct reader *reader)
{
    for (int i = 0; i < 2; i++) {
        close(reader->wake[i]);
        close(reader->gate[i]);
    }
    free(reader);
}

static void read_byte(int fd)
{
    char byte;
    while (read(fd, &byte, 1) < 0 && errno == EINTR) continue;
}

static enum sup_result serve_reader(void *data, struct sup_context *context)
{
    struct reader *reader = data;
    (void) context;
    reader->inside++;
    reader->serves++;
    read_byte(reader->wake[0]);
    reader->inside--;
    return SUP_RETURNED;
}

static void stop_reader(void *data)
{
    struct reader *reader = data;
    if (reader->inside > 0) reader->before++;
    if (reader->has_gate) read_byte(reader->gate[0]);
    MUST(write(reader->wake[1], "x", 1) == 1);
    reader->stops++;
}

static void open_gate(struct reader *reader)
{
    MUST(write(reader->gate[1], "x", 1) == 1);
}

static void add_reader(struct sup_supervisor *supervisor, const char *name, struct reader *reader,
                       const char *const *options, uint64_t *token)
{
    struct sup_service service = {serve_reader, stop_reader, name, reader, options};
    CHECK_INT(sup_add(supervisor, &service, token), SUP_SUCCESS);
    EVENTUALLY(reader->inside > 0);
}

static struct sup_supervisor *serve_shop(void)
{
    struct sup_supervisor *shop = sup_new_simple("shop");
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    return shop;
}

static void stop_wakes_a_service_that_waits_elsewhere(void)
{
    uint64_t token;
    struct reader *reader = new_reader(false);
    struct sup_supervisor *shop = serve_shop();
    add_reader(shop, "reader", reader, OPTIONS("timeout", "1h"), &token);
    CHECK_INT(sup_remove_and_wait(shop, token, 0), SUP_SUCCESS);
    CHECK_INT(reader->stops, 1);
    CHECK_INT(reader->before, 1);
    free_reader(reader); /* nobody uses it any more */
    sup_free(shop);
}

static void a_stop_that_blocks_holds_up_its_own_service_alone(void)
{
    enum { COUNT = 20 };
    struct reader *blocked[COUNT], *free_one = new_reader(false);
    uint64_t tokens[COUNT], token;
    char name[32];
    size_t count;
    struct sup_supervisor *shop = serve_shop();
    for (int i = 0; i < COUNT; i++) {
        blocked[i] = new_reader(true);
        snprintf(name, sizeof name, "blocked%d", i);
        add_reader(shop, name, blocked[i], OPTIONS("timeout", "1h"), &tokens[i]);
    }
    add_reader(shop, "free", free_one, OPTIONS("timeout", "1h"), &token);
    for (int i = 0; i < COUNT; i++) CHECK_INT(sup_remove(shop, tokens[i]), SUP_SUCCESS);
    for (int i = 0; i < COUNT; i++) EVENTUALLY(blocked[i]->before == 1); /* each inside its stop */
    /* The engine answers, other services start, stop and are stopped. */
    CHECK_INT(api_add_sleeper(shop, "web", NULL), SUP_SUCCESS);
    EVENTUALLY(api_is_running(shop, "web"));
    CHECK_INT(sup_remove_and_wait(shop, token, 0), SUP_SUCCESS);
    CHECK_INT(sup_remove_and_wait(shop, tokens[0], 0.01), SUP_ERR_TIMEOUT);
    free(sup_services(shop, &count));
    CHECK_INT(count, 1);
    for (int i = 0; i < COUNT; i++) {
        open_gate(blocked[i]);
        CHECK_INT(sup_remove_and_wait(shop, tokens[i], 0), SUP_SUCCESS);
        CHECK_INT(blocked[i]->stops, 1);
        free_reader(blocked[i]);
    }
    free_reader(free_one);
    sup_free(shop);
}

static void a_stop_that_blocks_for_too_long_is_reported_like_a_service_that_does_not_stop(void)
{
    static struct api_heard heard;
    struct sup_unstopped_service *left;
    size_t count;
    struct reader *reader = new_reader(true);
    struct sup_supervisor *shop =
        api_new("shop", OPTIONS("timeout", "20ms", "kill_timeout", "20ms"), &heard);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    add_reader(shop, "reader", reader, NULL, NULL);
    CHECK_INT(sup_stop(shop, NULL, &left, &count), SUP_SUCCESS);
    CHECK_INT(count, 1);
    CHECK_TEXT(left[0].path, "reader");
    sup_poll(shop, 0);
    CHECK_INT(api_count_events(&heard, "stop_timeout", "reader"), 1);
    CHECK_INT(api_count_events(&heard, "stuck", "reader"), 1);
    free(left);
    sup_free(shop);
    open_gate(reader);
    EVENTUALLY(reader->stops == 1 && reader->inside == 0);
    EVENTUALLY(api_count_threads() <= own_threads);
    free_reader(reader);
}

/* --- how often, and when ---------------------------------------------------------------------- */

static void stop_is_called_once_for_each_run_that_is_asked(void)
{
    enum { RUNS = 200 };
    struct api_counter counter = {0};
    struct sup_service service = {api_serve_until_asked, api_note_stop, "worker", &counter, NULL};
    struct sup_supervisor *shop = serve_shop();
    for (int i = 1; i <= RUNS; i++) {
        uint64_t token;
        CHECK_INT(sup_add(shop, &service, &token), SUP_SUCCESS);
        EVENTUALLY(counter.serves == i);
        CHECK_INT(sup_remove_and_wait(shop, token, 0), SUP_SUCCESS);
        CHECK_INT(counter.stops, i);
    }
    sup_free(shop);
}

static void a_run_that_is_asked_before_it_begins_is_not_begun(void)
{
    enum { RUNS = 300 };
    struct api_counter counter = {0};
    struct sup_service service = {api_serve_until_asked, api_note_stop, "worker", &counter, NULL};
    struct sup_supervisor *shop = serve_shop();
    for (int i = 0; i < RUNS; i++) {
        uint64_t token;
        CHECK_INT(sup_add(shop, &service, &token), SUP_SUCCESS);
        CHECK_INT(sup_remove(shop, token), SUP_SUCCESS);
        CHECK_INT(sup_remove_and_wait(shop, token, 0), SUP_SUCCESS);
        CHECK_INT(counter.stops, counter.serves);
    }
    sup_free(shop);
}

static enum sup_result serve_briefly(void *data, struct sup_context *context)
{
    struct api_counter *counter = data;
    counter->serves++;
    sup_context_sleep(context, 0.02);
    return SUP_SERVICE_DONE;
}

static void a_run_that_ends_by_itself_is_not_stopped(void)
{
    struct api_counter counter = {0};
    struct sup_service service = {serve_briefly, api_note_stop, "worker", &counter, NULL};
    struct sup_supervisor *shop = serve_shop();
    CHECK_INT(sup_add(shop, &service, NULL), SUP_SUCCESS);
    EVENTUALLY(api_look(shop, "worker").name[0] == '\0');
    CHECK_INT(counter.serves, 1);
    CHECK_INT(counter.stops, 0);
    sup_free(shop);
}

static void a_thousand_services_are_stopped_together(void)
{
    enum { COUNT = 1000 };
    struct api_counter counter = {0};
    char name[32];
    struct sup_supervisor *shop = sup_new_simple("shop");
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "worker%d", i);
        struct sup_service service = {api_serve_until_asked, api_note_stop, name, &counter, NULL};
        CHECK_INT(sup_add(shop, &service, NULL), SUP_SUCCESS);
    }
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY(counter.serves == COUNT);
    CHECK_INT(sup_stop(shop, NULL, NULL, NULL), SUP_SUCCESS);
    CHECK_INT(counter.stops, COUNT);
    sup_free(shop);
}

/* --- watchdogs -------------------------------------------------------------------------------- */

struct watched {
    _Atomic int runs;
    bool feeds;
};

static enum sup_result be_watched(void *data, struct sup_context *context)
{
    struct watched *watched = data;
    watched->runs++;
    while (sup_context_sleep(context, 0.01))
        if (watched->feeds) sup_context_heartbeat(context);
    return SUP_RETURNED;
}

static void a_silent_service_is_started_again_and_one_that_is_heard_is_not(void)
{
    struct watched good = {.feeds = true}, silent = {.feeds = false};
    struct sup_supervisor *shop = sup_new_simple("shop");
    struct sup_service services[] = {
        {be_watched, NULL, "good", &good, OPTIONS("watchdog", "1m")},
        {be_watched, NULL, "silent", &silent, OPTIONS("watchdog", "200ms")},
    };
    for (int i = 0; i < 2; i++) CHECK_INT(sup_add(shop, &services[i], NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    EVENTUALLY(silent.runs >= 2);
    CHECK_INT(good.runs, 1);
    CHECK_INT(sup_stop(shop, NULL, NULL, NULL), SUP_SUCCESS);
    sup_free(shop);
}

/* --- calling suptree from inside -------------------------------------------------------------- */

struct insider {
    struct sup_supervisor *shop;
    _Atomic uint64_t token;
    _Atomic int error;
    _Atomic bool begun, stopped;
};

static enum sup_result wait_for_the_stop(void *data, struct sup_context *context)
{
    struct insider *insider = data;
    insider->begun = true;
    while (!insider->stopped) sup_context_sleep(context, 0.001);
    return SUP_RETURNED;
}

static void remove_itself_and_stop_all(void *data)
{
    struct insider *insider = data;
    insider->error = sup_remove_and_wait(insider->shop, insider->token, 0);
    if (insider->error == SUP_SUCCESS)
        insider->error = sup_stop(insider->shop, "inside", NULL, NULL);
    insider->stopped = true;
}

static void a_stop_callback_does_not_wait_for_itself(void)
{
    struct insider insider = {.shop = sup_new_simple("shop"), .error = -1};
    struct sup_service service = {wait_for_the_stop, remove_itself_and_stop_all, "worker", &insider,
                                  OPTIONS("timeout", "1h")};
    uint64_t token;
    CHECK_INT(sup_add(insider.shop, &service, &token), SUP_SUCCESS);
    insider.token = token;
    CHECK_INT(sup_serve_background(insider.shop, NULL), SUP_SUCCESS);
    EVENTUALLY(insider.begun);
    CHECK_INT(sup_stop(insider.shop, NULL, NULL, NULL), SUP_SUCCESS);
    CHECK_INT(insider.error, SUP_SUCCESS);
    sup_free(insider.shop);
}

static enum sup_result remove_itself(void *data, struct sup_context *context)
{
    struct insider *insider = data;
    while (insider->token == 0) sup_context_sleep(context, 0.001);
    insider->error = sup_remove_and_wait(insider->shop, insider->token, 0);
    insider->stopped = sup_context_stopping(context) || !sup_context_sleep(context, 1000);
    return SUP_RETURNED;
}

static void a_service_does_not_wait_for_itself(void)
{
    struct insider insider = {.shop = serve_shop(), .error = -1};
    struct sup_service service = {.serve = remove_itself, .name = "worker", .data = &insider};
    uint64_t token;
    CHECK_INT(sup_add(insider.shop, &service, &token), SUP_SUCCESS);
    insider.token = token;
    EVENTUALLY(insider.stopped);
    CHECK_INT(insider.error, SUP_SUCCESS);
    sup_free(insider.shop);
}

/* --- the context ------------------------------------------------------------------------------ */

struct seen {
    char path[64], stop[64];
    uint32_t generation;
    _Atomic bool ready, ended;
};

static enum sup_result look_around(void *data, struct sup_context *context)
{
    struct seen *seen = data;
    snprintf(seen->path, sizeof seen->path, "%s", sup_context_path(context));
    seen->generation = sup_context_generation(context);
    CHECK_TEXT(sup_context_stop_context(context, seen->stop, sizeof seen->stop), "");
    CHECK(!sup_context_stopping(context));
    CHECK(sup_context_sleep(context, 0));
    CHECK(sup_context_sleep(context, -1));
    while (!seen->ready) sup_context_sleep(context, 0.001);
    sup_context_ready(context);
    sup_context_ready(context);
    while (sup_context_sleep(context, 1e300)) continue;
    CHECK(sup_context_stopping(context));
    CHECK(!sup_context_sleep(context, 1000));
    sup_context_stop_context(context, seen->stop, sizeof seen->stop);
    seen->ended = true;
    return SUP_RETURNED;
}

static void a_service_knows_who_it_is_and_why_it_is_stopped(void)
{
    struct seen seen = {.generation = 0};
    struct sup_supervisor *shop = sup_new_simple("shop"), *jobs = sup_new_simple("jobs");
    struct sup_service service = {.serve = look_around,
                                  .name = "worker",
                                  .data = &seen,
                                  .options = OPTIONS("ready", "manual")};
    CHECK_INT(sup_add(jobs, &service, NULL), SUP_SUCCESS);
    CHECK_INT(sup_add_supervisor(shop, jobs, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    CHECK(!api_look(jobs, "worker").ready);
    seen.ready = true;
    EVENTUALLY(api_look(jobs, "worker").ready);
    CHECK_INT(sup_stop(shop, "closing time", NULL, NULL), SUP_SUCCESS);
    CHECK(seen.ended);
    CHECK_TEXT(seen.path, "jobs/worker");
    CHECK_INT(seen.generation, 1);
    CHECK_TEXT(seen.stop, "closing time");
    sup_free(jobs);
    sup_free(shop);
}

static enum sup_result return_number(void *data, struct sup_context *context)
{
    (void) context;
    return (enum sup_result) * (const int *) data;
}

static enum sup_result fail_with_long_words(void *data, struct sup_context *context)
{
    char words[8192];
    (void) data;
    memset(words, 'x', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    sup_context_fail(context, "%s", "forgotten");
    return sup_context_fail(context, "the last word %s", words);
}

static void how_a_run_ends_is_told(void)
{
    static struct api_heard heard;
    static const struct {
        const char *name;
        int result;
        const char *reason;
    } cases[] = {{"returned", SUP_RETURNED, "returned"},
                 {"failed", SUP_FAILED, "raised"},
                 {"strange", 77, "raised"},
                 {"negative", -1, "raised"}};
    struct sup_supervisor *shop = api_new("shop", OPTIONS("failure_threshold", "100"), &heard);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sup_service service = {.serve = return_number,
                                      .name = cases[i].name,
                                      .data = (void *) &cases[i].result,
                                      .options = OPTIONS("restart_delay", "1h")};
        CHECK_INT(sup_add(shop, &service, NULL), SUP_SUCCESS);
        EVENTUALLY((sup_poll(shop, 0.01), api_event(&heard, "failed", cases[i].name, 1) != NULL));
        CHECK_HAS(api_event(&heard, "failed", cases[i].name, 1)->reason, cases[i].reason);
    }
    struct sup_service wordy = {.serve = fail_with_long_words,
                                .name = "wordy",
                                .options = OPTIONS("restart_delay", "1h")};
    CHECK_INT(sup_add(shop, &wordy, NULL), SUP_SUCCESS);
    EVENTUALLY((sup_poll(shop, 0.01), api_event(&heard, "failed", "wordy", 1) != NULL));
    CHECK_HAS(api_event(&heard, "failed", "wordy", 1)->reason, "raised: the last word xxxx");
    sup_free(shop);
}

int main(int argc, char **argv)
{
    static const struct sup_test tests[] = {
        TEST(stop_wakes_a_service_that_waits_elsewhere),
        TEST(a_stop_that_blocks_holds_up_its_own_service_alone),
        TEST(a_stop_that_blocks_for_too_long_is_reported_like_a_service_that_does_not_stop),
        TEST(stop_is_called_once_for_each_run_that_is_asked),
        TEST(a_run_that_is_asked_before_it_begins_is_not_begun),
        TEST(a_run_that_ends_by_itself_is_not_stopped),
        TEST(a_silent_service_is_started_again_and_one_that_is_heard_is_not),
        TEST(a_thousand_services_are_stopped_together),
        TEST(a_stop_callback_does_not_wait_for_itself),
        TEST(a_service_does_not_wait_for_itself),
        TEST(a_service_knows_who_it_is_and_why_it_is_stopped),
        TEST(how_a_run_ends_is_told),
    };
    own_threads = api_count_own_threads();
    api_use_keeper();
    return sup_test_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
