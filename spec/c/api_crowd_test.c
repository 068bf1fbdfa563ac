/*
** spec/c/api_crowd_test.c: many threads use the same trees at once. Most of what it checks is
** checked by the thread sanitizer.
*/
#include "lib_api.h"

#include <pthread.h>

#ifdef SUP_SANITIZE_BUILD
#define ACTS 60
#define ROUNDS 10
#else
#define ACTS 300
#define ROUNDS 60
#endif
#define CROWD 6

/* --- all verbs at once ------------------------------------------------------------------------ */

struct crowd {
    struct sup_supervisor *shop, *part;
    struct api_counter counter;
    _Atomic int number, added;
    _Atomic bool over;
};

struct member {
    struct crowd *crowd;
    struct sup_test_chance chance;
    int number;
    uint64_t tokens[8]; /* of what it added, 0: free */
    bool below[8];      /* to the part */
};

static struct sup_supervisor *place_of(const struct member *member, bool below)
{
    return below ? member->crowd->part : member->crowd->shop;
}

static void add_one(struct member *member, size_t slot)
{
    char name[32];
    enum sup_error error;
    bool below = sup_test_below(&member->chance, 2) == 1;
    uint64_t *token = &member->tokens[slot];
    snprintf(name, sizeof name, "s%d-%zu-%d", member->number, slot, member->crowd->added++);
    struct sup_service service = {api_serve_until_asked, api_note_stop, name,
                                  &member->crowd->counter, NULL};
    switch (sup_test_below(&member->chance, 4)) {
    case 0:
        error = api_add_sleeper(place_of(member, below), name, token);
        break;
    case 1: {
        struct sup_supervisor *child = sup_new_simple(name);
        CHECK_INT(sup_add(child, &service, NULL), SUP_SUCCESS);
        error = sup_add_supervisor(place_of(member, below), child, token);
        sup_free(child);
        break;
    }
    default:
        error = sup_add(place_of(member, below), &service, token);
    }
    CHECK(error == SUP_SUCCESS || error == SUP_ERR_STOPPED);
    CHECK_INT(*token != 0, error == SUP_SUCCESS);
    member->below[slot] = below;
}

static void remove_one(struct member *member, size_t slot)
{
    struct sup_supervisor *place = place_of(member, member->below[slot]);
    uint64_t token = member->tokens[slot];
    member->tokens[slot] = 0;
    CHECK_INT(sup_remove(place_of(member, !member->below[slot]), token), SUP_ERR_WRONG_SUPERVISOR);
    enum sup_error error = sup_test_below(&member->chance, 2) == 0
                               ? sup_remove(place, token)
                               : sup_remove_and_wait(place, token, 60);
    CHECK(error == SUP_SUCCESS || error == SUP_ERR_STOPPED);
}

static void *act(void *argument)
{
    struct crowd *crowd = argument;
    struct member member = {.crowd = crowd, .number = crowd->number++};
    member.chance.state = (uint64_t) member.number;
    for (int i = 0; i < ACTS; i++) {
        size_t slot = sup_test_below(&member.chance, 8), count;
        if (member.tokens[slot] == 0) add_one(&member, slot);
        else remove_one(&member, slot);
        if (i % 5 == 0) free(sup_services(place_of(&member, i % 2 == 0), &count));
    }
    return NULL;
}

static void *poll_all_the_time(void *argument)
{
    struct crowd *crowd = argument;
    while (!crowd->over) sup_poll(crowd->shop, 0.01);
    return NULL;
}

static void many_threads_add_remove_and_look(void)
{
    static struct api_heard heard;
    struct crowd crowd = {.shop = api_new("shop", OPTIONS("failure_threshold", "1e6"), &heard),
                          .part = sup_new_simple("part")};
    pthread_t threads[CROWD], poller;
    CHECK_INT(sup_add_supervisor(crowd.shop, crowd.part, NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(crowd.shop, NULL), SUP_SUCCESS);
    pthread_create(&poller, NULL, poll_all_the_time, &crowd);
    for (int i = 0; i < CROWD; i++) pthread_create(&threads[i], NULL, act, &crowd);
    for (int i = 0; i < CROWD; i++) pthread_join(threads[i], NULL);
    CHECK_INT(sup_stop(crowd.shop, NULL, NULL, NULL), SUP_SUCCESS);
    crowd.over = true;
    pthread_join(poller, NULL);
    CHECK_INT(crowd.counter.serves, crowd.counter.stops);
    sup_free(crowd.part);
    sup_free(crowd.shop);
}

/* --- a stop at any moment --------------------------------------------------------------------- */

static void *add_until_it_stops(void *argument)
{
    struct crowd *crowd = argument;
    for (;;) {
        char name[32];
        uint64_t token;
        int number = crowd->added++;
        snprintf(name, sizeof name, "s%d", number);
        struct sup_service service = {api_serve_until_asked, api_note_stop, name, &crowd->counter,
                                      NULL};
        enum sup_error error =
            sup_add(number % 2 == 0 ? crowd->shop : crowd->part, &service, &token);
        if (error == SUP_ERR_STOPPED) return NULL;
        CHECK_INT(error, SUP_SUCCESS);
    }
}

static void *stop_too(void *argument)
{
    struct crowd *crowd = argument;
    CHECK_INT(sup_stop(crowd->shop, "together", NULL, NULL), SUP_SUCCESS);
    return NULL;
}

static void a_stop_at_any_moment_ends_all(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct crowd crowd = {.shop = sup_new_simple("shop"), .part = sup_new_simple("part")};
        pthread_t adders[3], stoppers[3];
        CHECK_INT(sup_add_supervisor(crowd.shop, crowd.part, NULL), SUP_SUCCESS);
        CHECK_INT(sup_serve_background(crowd.shop, NULL), SUP_SUCCESS);
        for (int i = 0; i < 3; i++) pthread_create(&adders[i], NULL, add_until_it_stops, &crowd);
        EVENTUALLY(crowd.added >= round % 7);
        for (int i = 0; i < 3; i++) pthread_create(&stoppers[i], NULL, stop_too, &crowd);
        for (int i = 0; i < 3; i++) pthread_join(adders[i], NULL);
        for (int i = 0; i < 3; i++) pthread_join(stoppers[i], NULL);
        CHECK_INT(crowd.counter.serves, crowd.counter.stops);
        sup_free(crowd.part);
        sup_free(crowd.shop);
    }
}

/* --- a serve, and an add of the same part, from all ------------------------------------------- */

struct race {
    struct sup_supervisor *shop, *other, *part;
    _Atomic int served, refused, placed;
    pthread_barrier_t start;
};

static void *serve_too(void *argument)
{
    struct race *race = argument;
    pthread_barrier_wait(&race->start);
    enum sup_error error = sup_serve_background(race->shop, NULL);
    if (error == SUP_SUCCESS) race->served++;
    else if (error == SUP_ERR_ALREADY_SERVING) race->refused++;
    return NULL;
}

static void *place_the_part(void *argument)
{
    struct race *race = argument;
    pthread_barrier_wait(&race->start);
    int turn = race->placed++;
    enum sup_error error =
        sup_add_supervisor(turn % 2 == 0 ? race->shop : race->other, race->part, NULL);
    if (error == SUP_SUCCESS) race->served++;
    else if (error == SUP_ERR_REFUSED) race->refused++;
    return NULL;
}

static void *fill_the_part(void *argument)
{
    struct race *race = argument;
    char name[32];
    pthread_barrier_wait(&race->start);
    snprintf(name, sizeof name, "late%d", race->placed++);
    CHECK_INT(api_add_sleeper(race->part, name, NULL), SUP_SUCCESS);
    return NULL;
}

static void run_race(struct race *race, void *(*run)(void *), int count)
{
    pthread_t threads[CROWD];
    pthread_barrier_init(&race->start, NULL, (unsigned) count);
    for (int i = 0; i < count; i++) pthread_create(&threads[i], NULL, run, race);
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&race->start);
}

static void one_serve_wins(void)
{
    for (int round = 0; round < ROUNDS / 2; round++) {
        struct race race = {.shop = sup_new_simple("shop")};
        run_race(&race, serve_too, CROWD);
        CHECK_INT(race.served, 1);
        CHECK_INT(race.refused, CROWD - 1);
        sup_free(race.shop);
    }
}

static void a_part_finds_one_place(void)
{
    for (int round = 0; round < ROUNDS / 2; round++) {
        struct race race = {.shop = sup_new_simple("shop"),
                            .other = sup_new_simple("other"),
                            .part = sup_new_simple("part")};
        CHECK_INT(sup_serve_background(race.shop, NULL), SUP_SUCCESS);
        CHECK_INT(sup_serve_background(race.other, NULL), SUP_SUCCESS);
        run_race(&race, place_the_part, CROWD);
        CHECK_INT(race.served, 1);
        CHECK_INT(race.refused, CROWD - 1);
        sup_free(race.part);
        sup_free(race.shop);
        sup_free(race.other);
    }
}

static void *move_in(void *argument)
{
    struct race *race = argument;
    pthread_barrier_wait(&race->start);
    CHECK_INT(sup_add_supervisor(race->shop, race->part, NULL), SUP_SUCCESS);
    return NULL;
}

/* Whatever is added while its part is being added runs with it. */
static void what_is_added_meanwhile_runs(void)
{
    for (int round = 0; round < ROUNDS / 2; round++) {
        struct race race = {.shop = sup_new_simple("shop"), .part = sup_new_simple("part")};
        pthread_t threads[3];
        size_t count;
        CHECK_INT(sup_serve_background(race.shop, NULL), SUP_SUCCESS);
        pthread_barrier_init(&race.start, NULL, 3);
        pthread_create(&threads[0], NULL, move_in, &race);
        pthread_create(&threads[1], NULL, fill_the_part, &race);
        pthread_create(&threads[2], NULL, fill_the_part, &race);
        for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
        EVENTUALLY(api_is_running(race.part, "late0") && api_is_running(race.part, "late1"));
        free(sup_services(race.part, &count));
        CHECK_INT(count, 2);
        pthread_barrier_destroy(&race.start);
        sup_free(race.part);
        sup_free(race.shop);
    }
}

int main(int argc, char **argv)
{
    static const struct sup_test tests[] = {
        TEST(many_threads_add_remove_and_look),
        TEST(a_stop_at_any_moment_ends_all),
        TEST(one_serve_wins),
        TEST(a_part_finds_one_place),
        TEST(what_is_added_meanwhile_runs),
    };
    api_use_keeper();
    return sup_test_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
