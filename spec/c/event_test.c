/* The schema of events, and the words for what happened. */
#include "core/event.h"

#include "base/json.h"
#include "lib_form.h"
#include "lib_test.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* --- names ------------------------------------------------------------------------------------ */

static void every_number_has_a_name_of_its_own(void)
{
    for (int i = 0; i < SUP_STATE_COUNT; i++)
        for (int k = 0; k < i; k++)
            CHECK(strcmp(sup_state_name((enum sup_state) i), sup_state_name((enum sup_state) k)));
    for (int i = 0; i < SUP_CAUSE_COUNT; i++)
        for (int k = 0; k < i; k++)
            CHECK(strcmp(sup_cause_name((enum sup_cause) i), sup_cause_name((enum sup_cause) k)));
    for (int i = 0; i < SUP_STATE_COUNT; i++)
        CHECK(strcmp(sup_state_name((enum sup_state) i), "unknown") != 0);
    for (int i = 0; i < SUP_CAUSE_COUNT; i++)
        CHECK(strcmp(sup_cause_name((enum sup_cause) i), "unknown") != 0);
    CHECK_TEXT(sup_state_name(SUP_STATE_COUNT), "unknown");
    CHECK_TEXT(sup_cause_name(SUP_CAUSE_COUNT), "unknown");
    CHECK_TEXT(sup_event_name(SUP_EVENT_COUNT), "unknown");
    CHECK_TEXT(sup_event_name((enum sup_event_type) 0), "unknown");
    CHECK_TEXT(sup_kind_name(SUP_KIND_COUNT), "unknown");
}

/* These words are public: scripts and protocols compare them. */
static void the_words_of_events_states_and_kinds(void)
{
    static const char *const events[] = {
        NULL,      "started",  "added",          "removed",     "launched",       "launch_failed",
        "ready",   "stopping", "killed",         "ended",       "failed",         "backoff",
        "resume",  "delayed",  "gave_up",        "escalated",   "stop_timeout",   "stuck",
        "stopped", "reloaded", "reload_refused", "rolled_back", "host_restarted", "unhealthy",
        "healthy", "skipped"};
    static const char *const states[] = {"stopped",  "waiting", "starting", "running",
                                         "stopping", "delayed", "queued",   "done",
                                         "failed",   "stuck",   "paused"};
    CHECK_INT(sizeof events / sizeof events[0], SUP_EVENT_COUNT);
    CHECK_INT(sizeof states / sizeof states[0], SUP_STATE_COUNT);
    for (int i = 1; i < SUP_EVENT_COUNT; i++)
        CHECK_TEXT(sup_event_name((enum sup_event_type) i), events[i]);
    for (int i = 0; i < SUP_STATE_COUNT; i++)
        CHECK_TEXT(sup_state_name((enum sup_state) i), states[i]);
    CHECK_TEXT(sup_kind_name(SUP_SUPERVISOR), "supervisor");
    CHECK_TEXT(sup_kind_name(SUP_PROCESS), "process");
    CHECK_TEXT(sup_kind_name(SUP_THREAD), "thread");
}

static const char *describe(enum sup_outcome_kind kind, int32_t code, const char *text)
{
    static char buf[64];
    return sup_outcome_text((struct sup_outcome){kind, code}, text, buf, sizeof buf);
}

static void outcomes_in_words(void)
{
    CHECK_TEXT(describe(SUP_END_EXIT, 3, NULL), "exit code 3");
    CHECK_TEXT(describe(SUP_END_SIGNAL, SIGKILL, NULL), "killed by signal 9 (KILL)");
    CHECK_TEXT(describe(SUP_END_SIGNAL, SIGRTMIN + 1, NULL), "killed by signal 35 (RTMIN+1)");
    CHECK_TEXT(describe(SUP_END_ERROR, 0, "boom\nstack traceback:\n..."), "raised: boom");
    CHECK_TEXT(describe(SUP_END_ERROR, 0, NULL), "raised an error");
    CHECK_TEXT(describe(SUP_END_ERROR, 0, ""), "raised an error");
    CHECK_TEXT(describe(SUP_END_NO_LAUNCH, ENOENT, "exec: No such file or directory"),
               "exec: No such file or directory");
    CHECK_TEXT(describe(SUP_END_NO_LAUNCH, ENOENT, NULL),
               "could not be launched: No such file or directory");
    CHECK_TEXT(describe(SUP_END_NO_LAUNCH, -ENOENT, NULL),
               "could not be launched: No such file or directory");
    CHECK_TEXT(describe(SUP_END_NO_LAUNCH, 99999, NULL), "could not be launched: unknown error");
    CHECK_TEXT(describe(SUP_END_NO_LAUNCH, 0, NULL), "could not be launched");
    CHECK_TEXT(describe(SUP_END_NONE, 0, NULL), "");
    CHECK_TEXT(describe((enum sup_outcome_kind) 77, 0, NULL), "unknown");
    for (int kind = SUP_END_EXIT; kind < SUP_END_COUNT; kind++) {
        const char *text = describe((enum sup_outcome_kind) kind, 1, NULL);
        CHECK(text[0] != '\0' && strcmp(text, "unknown") != 0);
    }
    char tiny[8];
    CHECK_TEXT(sup_outcome_text((struct sup_outcome){SUP_END_EXIT, 3}, NULL, tiny, sizeof tiny),
               "exit co");
}

/* --- fields ----------------------------------------------------------------------------------- */

static struct sup_json json;

static void add_text(void *self, const char *name, const char *value)
{
    sup_json_put_string(self, name, value);
}

static void add_number(void *self, const char *name, double value)
{
    sup_json_put_number(self, name, value);
}

static void add_integer(void *self, const char *name, int64_t value)
{
    sup_json_put_integer(self, name, value);
}

static void add_boolean(void *self, const char *name, bool value)
{
    sup_json_put_bool(self, name, value);
}

static struct sup_tree *tree;
static struct sup_effect effect;

static void begin(enum sup_event_type type, const char *path)
{
    struct sup_form_writer w = {0};
    struct sup_err err = {0};
    size_t size;
    write_shop(&w);
    unsigned char *bytes = sup_form_finish(&w, &size);
    tree = sup_tree_create(bytes, size, 1, &err);
    free(bytes);
    MUST(tree != NULL);
    effect = (struct sup_effect){.type = SUP_DO_EVENT, .seq = 99, .generation = 2};
    effect.node = sup_tree_find(tree, path);
    MUST(effect.node != 0);
    effect.kind = sup_tree_spec(tree, effect.node)->kind;
    effect.event.type = type;
    effect.event.number = 7;
}

/* The event as JSON; the tree is gone afterwards. */
static const char *finish(void)
{
    static char buf[4096];
    struct sup_field_sink sink = {add_text, add_number, add_integer, add_boolean, &json};
    struct sup_told_paths paths;
    struct sup_told told;
    sup_told_init(&told, tree, &effect, &paths);
    sup_json_init(&json, buf, sizeof buf);
    sup_json_begin_object(&json);
    sup_event_fields(&told, 1.25, 1000, &sink);
    sup_json_end_object(&json);
    sup_tree_destroy(tree);
    return sup_json_text(&json);
}

static void a_failed_event_says_everything(void)
{
    begin(SUP_EVENT_FAILED, "workers/mailer");
    effect.instance = 12;
    effect.event.cause = SUP_CAUSE_FAILURE;
    effect.event.outcome = (struct sup_outcome){SUP_END_EXIT, 3};
    effect.event.count = 2.125;
    effect.event.threshold = 5;
    effect.event.restarting = true;
    effect.event.until_ns = 500000000;
    CHECK_TEXT(finish(),
               "{\"seq\":7,\"time\":1.25,\"type\":\"failed\",\"path\":\"workers/mailer\","
               "\"kind\":\"process\",\"generation\":2,\"instance\":12,\"cause\":\"failure\","
               "\"reason\":\"exit code 3\",\"code\":3,\"count\":2.125,\"threshold\":5,"
               "\"restarting\":true,\"until\":1000.5}");
}

static void a_failed_event_has_its_fields_even_when_they_are_zero(void)
{
    begin(SUP_EVENT_FAILED, "db");
    const char *text = finish();
    CHECK_HAS(text, "\"reason\":\"failed\"");
    CHECK_HAS(text, "\"count\":0,\"threshold\":0,\"restarting\":false");
    CHECK(strstr(text, "until") == NULL);
    CHECK(strstr(text, "instance") == NULL);
}

static void an_end_by_signal(void)
{
    begin(SUP_EVENT_ENDED, "db");
    effect.event.outcome = (struct sup_outcome){SUP_END_SIGNAL, SIGKILL};
    effect.event.planned = true;
    effect.event.cause = SUP_CAUSE_GROUP;
    effect.event.other = sup_tree_find(tree, "workers/sweeper");
    const char *text = finish();
    CHECK_HAS(text, "\"cause\":\"group\",\"by\":\"workers/sweeper\"");
    CHECK_HAS(text, "\"reason\":\"killed by signal 9 (KILL)\",\"signal\":\"KILL\"");
    CHECK_HAS(text, "\"planned\":true");
    CHECK(strstr(text, "\"code\"") == NULL && strstr(text, "count") == NULL);
}

static void the_root_the_context_and_the_code(void)
{
    begin(SUP_EVENT_STOPPED, "");
    effect.event.code = 130;
    effect.event.context = "by \"hand\"";
    CHECK_TEXT(finish(), "{\"seq\":7,\"time\":1.25,\"type\":\"stopped\",\"path\":\".\","
                         "\"kind\":\"supervisor\",\"generation\":2,\"code\":130,"
                         "\"context\":\"by \\\"hand\\\"\"}");
    begin(SUP_EVENT_HOST_RESTARTED, ".");
    effect.node = 0;
    CHECK_HAS(finish(), "\"path\":\".\"");
}

static void a_raised_error_is_one_line_and_the_whole(void)
{
    begin(SUP_EVENT_ENDED, "workers/sweeper");
    effect.event.outcome.kind = SUP_END_ERROR;
    effect.event.text = "boom\ntraceback";
    const char *text = finish();
    CHECK_HAS(text, "\"kind\":\"thread\"");
    CHECK_HAS(text, "\"reason\":\"raised: boom\"");
    CHECK_HAS(text, "\"error\":\"boom\\ntraceback\"");
    CHECK_HAS(text, "\"planned\":false");
}

static void a_pause_and_an_unknown_end_of_waiting(void)
{
    begin(SUP_EVENT_BACKOFF, ".");
    effect.event.count = 5.25;
    effect.event.threshold = 3.5;
    effect.event.until_ns = 15 * SUP_SECOND_NS;
    CHECK_HAS(finish(), "\"count\":5.25,\"threshold\":3.5,\"until\":1015}");
    begin(SUP_EVENT_STOPPING, "db");
    effect.event.until_ns = SUP_INFINITY_NS;
    CHECK(strstr(finish(), "until") == NULL);
}

TEST_MAIN(TEST(every_number_has_a_name_of_its_own), TEST(the_words_of_events_states_and_kinds),
          TEST(outcomes_in_words), TEST(a_failed_event_says_everything),
          TEST(a_failed_event_has_its_fields_even_when_they_are_zero), TEST(an_end_by_signal),
          TEST(the_root_the_context_and_the_code), TEST(a_raised_error_is_one_line_and_the_whole),
          TEST(a_pause_and_an_unknown_end_of_waiting))
