/*
** spec/c/engine_narrate_test.c: events in plain words.
*/
#include "engine/narrate.h"
#include "lib_test.h"

#include <signal.h>
#include <string.h>

#define S SUP_SECOND_NS
#define NOW (100 * S)

static char line[512];

static struct sup_event event_of(enum sup_event_type type)
{
    return (struct sup_event){.type = type, .time_ns = NOW};
}

static struct sup_story story_of(const struct sup_event *event)
{
    return (struct sup_story){.event = event,
                              .path = "web",
                              .supervisor = "shop",
                              .other = "",
                              .kind = SUP_PROCESS,
                              .generation = 3,
                              .ran_ns = -1};
}

static const char *tell(const struct sup_story *story)
{
    size_t size = sup_narrate(story, line, sizeof line);
    CHECK_INT(size, strlen(line));
    return line;
}

static void says_durations_as_people_do(void)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {-5, "0ms"},
        {0, "0ms"},
        {1, "1ms"},
        {340 * S / 1000, "340ms"},
        {S, "1s"},
        {1200 * S / 1000, "1.2s"},
        {1990 * S / 1000, "2s"},
        {15 * S, "15s"},
        {59960 * S / 1000, "1m"},
        {125 * S, "2m5s"},
        {120 * S, "2m"},
        {4200 * S, "1h10m"},
        {SUP_INFINITY_NS, "for ever"},
    };
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_TEXT(sup_narrate_duration(cases[i].ns, text, sizeof text), cases[i].text);
}

static void a_failure_says_what_why_count_and_what_next(void)
{
    struct sup_event event = event_of(SUP_EVENT_FAILED);
    event.outcome = (struct sup_outcome){SUP_END_EXIT, 3};
    event.count = 2.7;
    event.threshold = 5;
    event.restarting = true;
    struct sup_story story = story_of(&event);
    story.ran_ns = 1200 * S / 1000;
    CHECK_TEXT(tell(&story), "web ended: exit code 3 after 1.2s; failure 2.7 of 5, starting it "
                             "again now (generation 4)");
    event.until_ns = NOW + 5 * S;
    CHECK_TEXT(tell(&story), "web ended: exit code 3 after 1.2s; failure 2.7 of 5, starting it "
                             "again in 5s (generation 4)");
    event.count = 6;
    event.restarting = false;
    CHECK_TEXT(tell(&story), "web ended: exit code 3 after 1.2s; failure 6, more than 5, it waits "
                             "and starts again in 5s");
    event.until_ns = 0;
    CHECK_TEXT(tell(&story), "web ended: exit code 3 after 1.2s; failure 6, more than 5, it is not "
                             "started again");
}

static void a_failed_start_says_the_step(void)
{
    struct sup_event event = event_of(SUP_EVENT_FAILED);
    event.outcome = (struct sup_outcome){SUP_END_NO_LAUNCH, 2};
    event.text = "exec: No such file or directory (./web)";
    event.count = 1;
    event.threshold = 5;
    event.restarting = true;
    struct sup_story story = story_of(&event);
    story.ran_ns = S; /* of a former run: says nothing here */
    CHECK_TEXT(tell(&story),
               "web could not be started: exec: No such file or directory (./web); failure 1 of 5, "
               "starting it again now (generation 4)");
    event.type = SUP_EVENT_LAUNCH_FAILED;
    story.failed_follows = true;
    CHECK_TEXT(tell(&story), "");
    story.failed_follows = false;
    event.text = "clone: Resource temporarily unavailable";
    event.until_ns = NOW + S;
    CHECK_TEXT(tell(&story),
               "web could not be started: clone: Resource temporarily unavailable; the system has "
               "no room for it just now, trying again every second");
}

static void a_pause_says_how_long_and_who_waits(void)
{
    struct sup_event event = event_of(SUP_EVENT_BACKOFF);
    event.count = 6;
    event.threshold = 5;
    event.until_ns = NOW + 15 * S;
    struct sup_story story = story_of(&event);
    story.path = "shop";
    story.other = "web";
    story.kind = SUP_SUPERVISOR;
    CHECK_TEXT(tell(&story),
               "shop pauses for 15s: 6 failures, more than 5; waiting: web; what runs goes on "
               "running");
}

static void an_end_that_a_failure_explains_is_said_once(void)
{
    struct sup_event event = event_of(SUP_EVENT_ENDED);
    event.outcome = (struct sup_outcome){SUP_END_SIGNAL, SIGKILL};
    struct sup_story story = story_of(&event);
    story.ran_ns = 2 * S;
    CHECK_TEXT(tell(&story), "web ended: killed by signal 9 (KILL) after 2s");
    event.planned = true;
    CHECK_TEXT(tell(&story), "web stopped: killed by signal 9 (KILL) after 2s");
    story.failed_follows = true;
    CHECK_TEXT(tell(&story), "");
}

static void a_launch_says_pid_and_generation(void)
{
    struct sup_event event = event_of(SUP_EVENT_LAUNCHED);
    struct sup_story story = story_of(&event);
    story.pid = 4711;
    CHECK_TEXT(tell(&story), "web started again (pid 4711, generation 3)");
    story.pid = 0;
    CHECK_TEXT(tell(&story), "web started again (generation 3)");
    story.generation = 1;
    CHECK_TEXT(tell(&story), "web started");
    story.kind = SUP_SUPERVISOR;
    CHECK_TEXT(tell(&story), "");
}

static void only_a_condition_makes_ready_news(void)
{
    struct sup_event event = event_of(SUP_EVENT_READY);
    struct sup_story story = story_of(&event);
    CHECK_TEXT(tell(&story), "");
    story.has_condition = true;
    story.ran_ns = 500 * S / 1000;
    CHECK_TEXT(tell(&story), "web is ready after 500ms");
}

static void a_stop_of_the_tree_is_one_line(void)
{
    struct sup_event event = event_of(SUP_EVENT_STOPPING);
    event.cause = SUP_CAUSE_STOP;
    event.context = "SIGTERM";
    event.until_ns = NOW + 10 * S;
    struct sup_story story = story_of(&event);
    CHECK_TEXT(tell(&story), "");
    event.cause = SUP_CAUSE_PERSON;
    event.context = NULL;
    CHECK_TEXT(tell(&story), "web is stopping, as asked; it is killed if it has not ended in 10s");
    event.cause = SUP_CAUSE_STOP;
    event.context = "SIGTERM";
    event.until_ns = 0;
    story.path = "shop";
    story.is_root = true;
    story.kind = SUP_SUPERVISOR;
    CHECK_TEXT(tell(&story), "shop is stopping (SIGTERM)");
    event.type = SUP_EVENT_STOPPED;
    CHECK_TEXT(tell(&story), "shop has ended (SIGTERM): exit code 0");
}

static void a_kill_after_a_timeout_is_said_once(void)
{
    struct sup_event event = event_of(SUP_EVENT_STOP_TIMEOUT);
    struct sup_story story = story_of(&event);
    CHECK_TEXT(tell(&story), "web did not stop in its timeout: it is killed");
    event.type = SUP_EVENT_KILLED;
    CHECK_TEXT(tell(&story), "web is killed");
    story.after_timeout = true;
    CHECK_TEXT(tell(&story), "");
}

/* Whatever comes: a line, never more, never beyond the buffer. */
static void any_event_fits_one_line(void)
{
    char small[24];
    for (int type = -1; type <= SUP_EVENT_COUNT; type++) {
        struct sup_event event = event_of((enum sup_event_type) type);
        sup_test_case("event %d", type);
        event.text = "one\ntwo\x1b[2J and a long text that goes on";
        event.context = "first\nsecond";
        event.outcome = (struct sup_outcome){SUP_END_ERROR, 0};
        struct sup_story story = story_of(&event);
        story.other = "db";
        CHECK(strpbrk(tell(&story), "\n\x1b") == NULL);
        size_t size = sup_narrate(&story, small, sizeof small);
        CHECK(size < sizeof small);
        CHECK_INT(size, strlen(small));
        if (type > 0 && type < SUP_EVENT_COUNT && size > 0) CHECK(strncmp(small, line, size) == 0);
    }
}

TEST_MAIN(TEST(says_durations_as_people_do), TEST(a_failure_says_what_why_count_and_what_next),
          TEST(a_failed_start_says_the_step), TEST(a_pause_says_how_long_and_who_waits),
          TEST(an_end_that_a_failure_explains_is_said_once), TEST(a_launch_says_pid_and_generation),
          TEST(only_a_condition_makes_ready_news), TEST(a_stop_of_the_tree_is_one_line),
          TEST(a_kill_after_a_timeout_is_said_once), TEST(any_event_fits_one_line))
