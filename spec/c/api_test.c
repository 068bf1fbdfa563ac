/*
** spec/c/api_test.c: the library for C as a program uses it: with real processes and threads.
*/
#include "lib_api.h"

/* --- functions as services -------------------------------------------------------------------- */

static enum sup_result fail_three_times(void *data, struct sup_context *context)
{
    struct api_counter *counter = data;
    if (++counter->serves <= 3) return sup_context_fail(context, "failure %d", counter->serves);
    sup_context_sleep(context, 1000);
    return SUP_RETURNED;
}

static void serves_processes_and_functions_side_by_side(void)
{
    struct api_counter counter = {0};
    uint64_t web = 0, worker = 0;
    struct sup_supervisor *shop = sup_new_simple("shop");
    struct sup_service service = {api_serve_until_asked, api_note_stop, "worker", &counter, NULL};
    MUST(shop != NULL);
    CHECK_TEXT(sup_name(shop), "shop");
    CHECK_INT(api_add_sleeper(shop, "web", &web), SUP_SUCCESS);
    CHECK_INT(sup_add(shop, &service, &worker), SUP_SUCCESS);
    CHECK_TEXT(api_look(shop, "web").state, "stopped");
    CHECK_INT(sup_serve_background(shop, "boot"), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, "boot"), SUP_ERR_ALREADY_SERVING);
    EVENTUALLY(api_is_running(shop, "web") && counter.serves == 1);
    struct sup_service_status status = api_look(shop, "web");
    CHECK(status.pid > 0 && kill(status.pid, 0) == 0);
    CHECK(status.token == web);
    CHECK_TEXT(api_look(shop, "worker").kind, "thread");
    kill(status.pid, SIGKILL);
    EVENTUALLY(api_look(shop, "web").generation == 2 && api_is_running(shop, "web"));
    CHECK_INT(sup_remove_and_wait(shop, worker, 20), SUP_SUCCESS);
    CHECK_INT(counter.stops, 1);
    CHECK_TEXT(api_look(shop, "worker").name, "");
    CHECK_INT(sup_remove(shop, worker), SUP_SUCCESS);
    int32_t pid = api_look(shop, "web").pid;
    struct sup_unstopped_service *left = NULL;
    size_t count = 1;
    CHECK_INT(sup_stop(shop, "shutdown", &left, &count), SUP_SUCCESS);
    CHECK(left == NULL && count == 0);
    CHECK(kill(pid, 0) < 0 && errno == ESRCH);
    CHECK_INT(api_add_sleeper(shop, "late", NULL), SUP_ERR_STOPPED);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_ERR_STOPPED);
    CHECK_INT(sup_stop(shop, "again", &left, &count), SUP_SUCCESS);
    sup_free(shop);
}

static void restarts_a_function_that_fails_and_tells(void)
{
    static struct api_heard heard;
    struct api_counter counter = {0};
    struct sup_supervisor *shop =
        api_new("shop", OPTIONS("failure_threshold", "2", "failure_backoff", "50ms"), &heard);
    struct sup_service service = {fail_three_times, NULL, "flaky", &counter, NULL};
    CHECK_INT(sup_add(shop, &service, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(shop, "boot"), SUP_SUCCESS);
    EVENTUALLY((sup_poll(shop, 0.01), api_event(&heard, "resume", ".", 1) != NULL));
    EVENTUALLY(counter.serves == 4);
    CHECK_TEXT(heard.events[0].type, "started");
    CHECK_TEXT(heard.events[0].context, "boot");
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
    EVENTUALLY(api_look(shop, "done").name[0] == '\0');
    CHECK_INT(sup_add(shop, &end, NULL), SUP_SUCCESS);
    EVENTUALLY(sup_add(shop, &done, NULL) == SUP_ERR_STOPPED);
    sup_free(shop);
}

/* --- misuse ----------------------------------------------------------------------------------- */

static void says_what_cannot_be_used(void)
{
    struct api_counter counter = {0};
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
    struct sup_service lost = {api_serve_until_asked, NULL, "lost", &counter,
                               (const char *[]){"after", "nowhere", NULL}};
    struct sup_process empty = {.name = "empty"};
    uint64_t token;
    CHECK_INT(sup_add(shop, &nobody, &token), SUP_ERR_INVALID);
    CHECK_INT(sup_add(shop, &lost, &token), SUP_ERR_INVALID);
    CHECK_INT(sup_add_process(shop, &empty, &token), SUP_ERR_INVALID);
    CHECK_INT(token, 0);
    CHECK_INT(api_add_sleeper(shop, "web", &token), SUP_SUCCESS);
    CHECK_INT(api_add_sleeper(shop, "web", NULL), SUP_ERR_DUPLICATE_NAME);
    CHECK_HAS(sup_last_error(), "does not run");
    CHECK_INT(sup_remove(other, token), SUP_ERR_WRONG_SUPERVISOR);
    CHECK_TEXT(sup_last_error(), "wrong supervisor for this service token, no service removed");
    CHECK_INT(sup_remove(shop, 0), SUP_ERR_WRONG_SUPERVISOR);
    CHECK_TEXT(api_look(shop, "web").name, "web");
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
    CHECK_INT(api_add_sleeper(part, "first", NULL), SUP_SUCCESS);
    CHECK_INT(sup_add_supervisor(part, part, NULL), SUP_ERR_CYCLE);
    CHECK_INT(sup_add_supervisor(shop, part, &token), SUP_SUCCESS);
    CHECK_INT(sup_add_supervisor(part, shop, NULL), SUP_ERR_CYCLE);
    CHECK_INT(sup_serve_background(part, NULL), SUP_ERR_NOT_ROOT);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    CHECK_INT(api_add_sleeper(part, "second", NULL), SUP_SUCCESS);
    EVENTUALLY(api_is_running(part, "first") && api_is_running(part, "second"));
    int32_t pid = api_look(part, "first").pid;
    CHECK_INT(sup_stop(part, "a person's", NULL, NULL), SUP_SUCCESS);
    CHECK(kill(pid, 0) < 0);
    CHECK_TEXT(api_look(shop, "part").state, "stopped");
    CHECK_INT(sup_remove_and_wait(shop, token, 20), SUP_SUCCESS);
    EVENTUALLY(api_add_sleeper(part, "third", NULL) == SUP_ERR_STOPPED);
    sup_free(shop);
    sup_free(part);
}

static void a_handle_may_be_given_back_before_its_tree(void)
{
    struct sup_supervisor *shop = sup_new_simple("shop"), *part = sup_new_simple("part");
    CHECK_INT(api_add_sleeper(part, "first", NULL), SUP_SUCCESS);
    CHECK_INT(sup_add_supervisor(shop, part, NULL), SUP_SUCCESS);
    sup_free(part);
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    CHECK_TEXT(api_look(shop, "part").kind, "supervisor");
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
    CHECK_INT(api_add_sleeper(shop, "web", NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve(shop), SUP_SUCCESS);
    sup_free(shop);
}

/* --- several trees ---------------------------------------------------------------------------- */

static void several_supervisors_serve_in_one_process(void)
{
    struct sup_supervisor *shops[5];
    char name[24];
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "shop%d", i);
        shops[i] = sup_new_simple(name);
        CHECK_INT(api_add_sleeper(shops[i], "web", NULL), SUP_SUCCESS);
        CHECK_INT(sup_serve_background(shops[i], NULL), SUP_SUCCESS);
    }
    for (int i = 0; i < 5; i++) EVENTUALLY(api_is_running(shops[i], "web"));
    sup_free(shops[2]);
    CHECK(api_is_running(shops[3], "web"));
    for (int i = 0; i < 5; i++)
        if (i != 2) sup_free(shops[i]);
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
        TEST(several_supervisors_serve_in_one_process),
    };
    api_use_keeper();
    return sup_test_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
