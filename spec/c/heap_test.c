/* The deadline heap: order, ties, moving, cancelling, against a list that is searched. */
#include "base/heap.h"

#include "lib_test.h"

#define TIMERS 64

static void empty_heap_has_no_first(void)
{
    struct sup_heap heap = {0};
    CHECK(sup_heap_first(&heap) == NULL);
    sup_heap_finish(&heap);
    sup_heap_finish(&heap);
}

static void equal_deadlines_leave_in_the_order_they_were_set(void)
{
    struct sup_heap heap = {0};
    struct sup_timer timers[TIMERS] = {0};
    MUST(sup_heap_reserve(&heap, TIMERS) == 0);
    for (size_t i = 0; i < TIMERS; i++) sup_heap_set(&heap, &timers[i], 7);
    for (size_t i = 0; i < TIMERS; i++) {
        CHECK(sup_heap_first(&heap) == &timers[i]);
        sup_heap_cancel(&heap, &timers[i]);
    }
    CHECK(sup_heap_first(&heap) == NULL);
    sup_heap_finish(&heap);
}

static void setting_again_moves_and_goes_behind_its_equals(void)
{
    struct sup_heap heap = {0};
    struct sup_timer a = {0};
    struct sup_timer b = {0};
    MUST(sup_heap_reserve(&heap, 2) == 0);
    sup_heap_set(&heap, &a, 5);
    sup_heap_set(&heap, &b, 5);
    sup_heap_set(&heap, &a, 5);
    CHECK(sup_heap_first(&heap) == &b);
    sup_heap_set(&heap, &a, 4);
    CHECK(sup_heap_first(&heap) == &a);
    CHECK_INT(heap.count, 2);
    sup_heap_cancel(&heap, &a);
    sup_heap_cancel(&heap, &a);
    CHECK(!sup_timer_is_set(&a));
    CHECK(sup_heap_first(&heap) == &b);
    sup_heap_finish(&heap);
}

static void a_timer_that_is_put_back_keeps_its_place_among_equals(void)
{
    struct sup_heap heap = {0};
    struct sup_timer a = {0};
    struct sup_timer b = {0};
    MUST(sup_heap_reserve(&heap, 2) == 0);
    sup_heap_put(&heap, &b, 5, 9);
    sup_heap_put(&heap, &a, 5, 3);
    CHECK(sup_heap_first(&heap) == &a);
    sup_heap_finish(&heap);
}

static struct sup_timer *search_first(struct sup_timer *timers)
{
    struct sup_timer *first = NULL;
    for (size_t i = 0; i < TIMERS; i++) {
        struct sup_timer *timer = &timers[i];
        if (!sup_timer_is_set(timer)) continue;
        if (first == NULL || timer->at_ns < first->at_ns ||
            (timer->at_ns == first->at_ns && timer->sequence < first->sequence))
            first = timer;
    }
    return first;
}

static void random_use_agrees_with_a_search(void)
{
    struct sup_test_chance chance = {1};
    struct sup_heap heap = {0};
    struct sup_timer timers[TIMERS] = {0};
    MUST(sup_heap_reserve(&heap, TIMERS) == 0);
    for (int step = 0; step < 200000; step++) {
        sup_test_case("step %d", step);
        struct sup_timer *timer = &timers[sup_test_below(&chance, TIMERS)];
        if (sup_test_below(&chance, 3) == 0) sup_heap_cancel(&heap, timer);
        else sup_heap_set(&heap, timer, (int64_t) sup_test_below(&chance, 20));
        if (!CHECK(sup_heap_first(&heap) == search_first(timers))) break;
    }
    sup_heap_finish(&heap);
}

static void reserving_more_keeps_what_is_there(void)
{
    struct sup_heap heap = {0};
    struct sup_timer timers[TIMERS] = {0};
    for (size_t i = 0; i < TIMERS; i++) {
        MUST(sup_heap_reserve(&heap, i + 1) == 0);
        sup_heap_set(&heap, &timers[i], (int64_t) (TIMERS - i));
        CHECK(sup_heap_first(&heap) == &timers[i]);
    }
    sup_heap_finish(&heap);
}

TEST_MAIN(TEST(empty_heap_has_no_first), TEST(equal_deadlines_leave_in_the_order_they_were_set),
          TEST(setting_again_moves_and_goes_behind_its_equals),
          TEST(a_timer_that_is_put_back_keeps_its_place_among_equals),
          TEST(random_use_agrees_with_a_search), TEST(reserving_more_keeps_what_is_there))
