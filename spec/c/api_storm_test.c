/*
** spec/c/api_storm_test.c: services that fail as fast as they can, through the real tree: nothing
** is lost or done twice, and a stop or a remove in the midst of it is final.
*/
#include "suptree.h"

#include "lib_test.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE 40000 /* looks, a few milliseconds apart */
#define STORMS 4
#ifdef SUP_SANITIZE_BUILD
#define RESTARTS 5000
#else
#define RESTARTS 100000
#endif

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

#define EVENTUALLY(condition) \
    do { \
        int looks = 0; \
        while (!(condition) && looks++ < PATIENCE) poll(NULL, 0, 3); \
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

/* --- services --------------------------------------------------------------------------------- */

struct counter {
    _Atomic long serves;
    _Atomic bool inside; /* it runs */
    _Atomic bool twice;  /* it ran beside itself, or again */
    _Atomic bool gap;    /* it was launched and has not run, as who is asked to stop may */
    _Atomic uint32_t generation;
};

static void count(struct counter *counter, struct sup_context *context)
{
    uint32_t generation = sup_context_generation(context);
    if (atomic_exchange(&counter->inside, true)) counter->twice = true;
    uint32_t former = atomic_exchange(&counter->generation, generation);
    if (former >= generation) counter->twice = true;
    if (former + 1 < generation) counter->gap = true;
    counter->serves++;
    atomic_store(&counter->inside, false);
}

static enum sup_result fail(void *data, struct sup_context *context)
{
    count(data, context);
    return SUP_FAILED;
}

static enum sup_result fail_when_ready(void *data, struct sup_context *context)
{
    count(data, context);
    sup_context_ready(context);
    return sup_context_fail(context, "generation %u", sup_context_generation(context));
}

static enum sup_result fail_slowly(void *data, struct sup_context *context)
{
    count(data, context);
    sup_context_sleep(context, 0.001);
    return sup_context_fail(context, "generation %u", sup_context_generation(context));
}

static struct sup_service_status look(struct sup_supervisor *supervisor, const char *name)
{
    size_t number;
    struct sup_service_status found = {.name = "", .state = ""};
    struct sup_service_status *list = sup_services(supervisor, &number);
    for (size_t i = 0; i < number; i++)
        if (strcmp(list[i].name, name) == 0) found = list[i];
    free(list);
    return found;
}

static const char *const patient[] = {"failure_threshold", "1000000000", NULL};

static struct sup_supervisor *make(const char *const *options)
{
    struct sup_settings settings = {.options = options};
    struct sup_supervisor *supervisor = sup_new("storms", &settings);
    MUST(supervisor != NULL);
    return supervisor;
}

static void add(struct sup_supervisor *supervisor, const struct sup_service *service,
                uint64_t *token)
{
    if (sup_add(supervisor, service, token) != SUP_SUCCESS) MUST(sup_last_error() == NULL);
}

/* STORMS services on ${supervisor}, which serves. */
static void begin_storms(struct sup_supervisor *supervisor, struct counter *counters,
                         uint64_t *tokens)
{
    static const char *const names[STORMS] = {"a", "b", "c", "d"};
    static const char *const manual[] = {"ready", "manual", NULL};
    for (int i = 0; i < STORMS; i++) {
        struct sup_service service = {.serve = fail, .name = names[i], .data = &counters[i]};
        if (i == 1) service.serve = fail_when_ready;
        if (i == 1) service.options = manual;
        if (i == 2) service.serve = fail_slowly;
        add(supervisor, &service, &tokens[i]);
    }
    CHECK_INT(sup_serve_background(supervisor, NULL), SUP_SUCCESS);
    for (int i = 0; i < STORMS; i++) EVENTUALLY(counters[i].serves > 100);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void note_count(void *data, const struct sup_happening *event)
{
    if (strcmp(event->type, "backoff") == 0) *(double *) data = event->count;
}

static void a_storm_is_counted_exactly(void)
{
    static const char *const options[] = {"failure_decay", "100000h", "failure_threshold",
                                          TEXT(RESTARTS) ".5", NULL};
    double counted = 0;
    struct counter counter = {0};
    struct sup_service service = {.serve = fail, .name = "it", .data = &counter};
    struct sup_settings settings = {.options = options, .on_event = note_count, .data = &counted};
    struct sup_supervisor *supervisor = sup_new("storm", &settings);
    MUST(supervisor != NULL);
    add(supervisor, &service, NULL);
    use_keeper();
    CHECK_INT(sup_serve_background(supervisor, NULL), SUP_SUCCESS);
    EVENTUALLY(sup_poll(supervisor, 0) + 1 > 0 && counted > 0);
    CHECK_INT(counted + 0.5, RESTARTS + 1);
    CHECK_INT(counter.serves, RESTARTS + 1);
    CHECK(!counter.twice && !counter.gap);
    CHECK_TEXT(look(supervisor, "it").state, "queued");
    CHECK_INT(look(supervisor, "it").generation, RESTARTS + 1);
    CHECK_INT(sup_stop(supervisor, NULL, NULL, NULL), SUP_SUCCESS);
    sup_free(supervisor);
}

struct story {
    uint64_t seq, lost;
    uint32_t generation;
    char last[32];
    bool wrong;
};

static void note_lost(void *data, const char *line)
{
    struct story *story = data;
    if (strstr(line, "were dropped") != NULL) story->lost++;
}

/* Ended, failed, launched, ready, and so on, nothing missing and nothing twice. */
static void follow(void *data, const struct sup_happening *event)
{
    static const char *const order[] = {"launched", "ready", "ended", "failed", "launched"};
    struct story *story = data;
    if (event->seq != story->seq + 1) story->wrong = true;
    story->seq = event->seq;
    if (strcmp(event->path, "it") != 0) return;
    bool launched = strcmp(event->type, "launched") == 0;
    if (event->generation != story->generation + (launched ? 1 : 0)) story->wrong = true;
    for (int i = 0; i < 4 && story->last[0] != '\0'; i++)
        if (strcmp(story->last, order[i]) == 0 && strcmp(event->type, order[i + 1]) != 0)
            story->wrong = true;
    char reason[64];
    snprintf(reason, sizeof reason, "raised: generation %u", event->generation);
    if (strcmp(event->type, "failed") == 0 && strcmp(event->reason, reason) != 0)
        story->wrong = true;
    story->generation = event->generation;
    snprintf(story->last, sizeof story->last, "%s", event->type);
}

static void its_events_come_in_order(void)
{
    struct story story = {.seq = 0};
    struct counter counter = {0};
    struct sup_service service = {.serve = fail_slowly, .name = "it", .data = &counter};
    struct sup_settings settings = {.options = patient,
                                    .log = note_lost,
                                    .on_event = follow,
                                    .data = &story};
    struct sup_supervisor *supervisor = sup_new("storm", &settings);
    MUST(supervisor != NULL);
    add(supervisor, &service, NULL);
    use_keeper();
    CHECK_INT(sup_serve_background(supervisor, NULL), SUP_SUCCESS);
    EVENTUALLY(sup_poll(supervisor, 0) + 1 > 0 && (story.generation >= 300 || story.wrong));
    CHECK(!story.wrong || story.lost > 0);
    CHECK(!counter.twice && !counter.gap);
    CHECK_INT(sup_stop(supervisor, NULL, NULL, NULL), SUP_SUCCESS);
    sup_free(supervisor);
}

struct reader {
    struct sup_supervisor *supervisor;
    _Atomic bool enough;
    uint32_t generation;
    bool backwards;
};

static void *read_on(void *argument)
{
    struct reader *reader = argument;
    while (!reader->enough) {
        uint32_t generation = look(reader->supervisor, "a").generation;
        if (generation < reader->generation) reader->backwards = true;
        reader->generation = generation;
    }
    return NULL;
}

static void a_stop_in_the_midst_is_final(void)
{
    struct counter counters[STORMS] = {0};
    uint64_t tokens[STORMS];
    long serves[STORMS];
    struct sup_supervisor *supervisor = make(patient);
    struct reader reader = {.supervisor = supervisor};
    pthread_t thread;
    use_keeper();
    begin_storms(supervisor, counters, tokens);
    MUST(pthread_create(&thread, NULL, read_on, &reader) == 0);
    for (int i = 0; i < STORMS; i++) EVENTUALLY(counters[i].serves > 200);
    reader.enough = true;
    pthread_join(thread, NULL);
    CHECK(!reader.backwards);
    size_t left = 1;
    struct sup_unstopped_service *list;
    CHECK_INT(sup_stop(supervisor, "enough", &list, &left), SUP_SUCCESS);
    CHECK_INT(left, 0);
    for (int i = 0; i < STORMS; i++) {
        serves[i] = counters[i].serves;
        CHECK(!counters[i].twice && !counters[i].gap && !counters[i].inside);
        CHECK_INT(counters[i].generation, serves[i]);
    }
    sup_free(supervisor);
    for (int i = 0; i < STORMS; i++) CHECK_INT(counters[i].serves, serves[i]);
}

static void a_remove_in_the_midst_is_final(void)
{
    struct counter counters[STORMS] = {0};
    uint64_t tokens[STORMS];
    struct sup_supervisor *supervisor = make(patient);
    use_keeper();
    begin_storms(supervisor, counters, tokens);
    for (int i = 0; i < STORMS; i++) {
        CHECK_INT(sup_remove_and_wait(supervisor, tokens[i], 0), SUP_SUCCESS);
        long serves = counters[i].serves;
        CHECK(!counters[i].inside);
        for (int other = i + 1; other < STORMS; other++) {
            long before = counters[other].serves;
            EVENTUALLY(counters[other].serves > before + 50);
        }
        CHECK_INT(counters[i].serves, serves);
        CHECK(!counters[i].twice && !counters[i].gap);
    }
    size_t number;
    free(sup_services(supervisor, &number));
    CHECK_INT(number, 0);
    CHECK_INT(sup_stop(supervisor, NULL, NULL, NULL), SUP_SUCCESS);
    sup_free(supervisor);
}

static void a_group_and_followers_go_the_long_way(void)
{
    static const char *const group[] = {"strategy", "one_for_all", "failure_threshold",
                                        "1000000000", NULL};
    struct counter counters[2] = {0};
    struct sup_supervisor *supervisor = make(group);
    struct sup_service first = {.serve = fail, .name = "a", .data = &counters[0]};
    struct sup_service second = {.serve = fail_slowly, .name = "b", .data = &counters[1]};
    add(supervisor, &first, NULL);
    add(supervisor, &second, NULL);
    use_keeper();
    CHECK_INT(sup_serve_background(supervisor, NULL), SUP_SUCCESS);
    EVENTUALLY(counters[0].serves > 200 && counters[1].serves > 0);
    CHECK_INT(sup_stop(supervisor, NULL, NULL, NULL), SUP_SUCCESS);
    CHECK(!counters[0].twice);
    sup_free(supervisor);
}

TEST_MAIN(TEST(a_storm_is_counted_exactly), TEST(its_events_come_in_order),
          TEST(a_stop_in_the_midst_is_final), TEST(a_remove_in_the_midst_is_final),
          TEST(a_group_and_followers_go_the_long_way))
