/*
** engine_tap_test.c: the ring of events: order, gaps, a host that dies while it writes.
*/
#include "engine/tap.h"
#include "lib_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* An event with so much text that about 2,000 of them fit; its text says the number. */
static void add(struct sup_tap *tap, uint64_t number, size_t size)
{
    char text[2048];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long) number);
    memset(text + n, 'x', sizeof text - (size_t) n);
    text[size < (size_t) n ? (size_t) n : size] = '\0';
    const struct sup_effect effect = {
        .type = SUP_DO_EVENT,
        .kind = SUP_PROCESS,
        .event = {.type = SUP_EVENT_LAUNCHED, .number = number, .text = text, .context = "said"},
    };
    const struct sup_told told = {.effect = &effect, .path = "web", .other = ""};
    sup_tap_add(tap, &told, 0);
}

/* Read on with ${cursor}; returns how many lines came, and checks that they are the next ones. */
static unsigned read_on(struct sup_tap *tap, struct sup_event_cursor *cursor, uint64_t *missed)
{
    char text[8192];
    unsigned lines = 0;
    uint64_t lost;
    *missed = 0;
    for (size_t size; (size = sup_tap_read(tap, cursor, text, sizeof text, &lost)) > 0;) {
        *missed += lost;
        for (const char *at = text; at < text + size; lines++) {
            const char *end = memchr(at, '\n', (size_t) (text + size - at));
            CHECK(end != NULL && strncmp(at, "{\"seq\":", 7) == 0);
            if (end == NULL) return lines;
            at = end + 1;
        }
    }
    return lines;
}

#define LONG 250

static void each_reader_gets_all_in_order(void)
{
    struct sup_tap tap;
    struct sup_event_cursor cursor = {.next = 1}, later = {.next = 3};
    uint64_t missed;
    sup_tap_init(&tap, -1);
    for (uint64_t i = 1; i <= 5; i++) add(&tap, i, 0);
    add(&tap, 4, 0); /* a new host tells again what it is not sure of */
    CHECK(read_on(&tap, &cursor, &missed) == 5 && missed == 0 && cursor.next == 6);
    CHECK(read_on(&tap, &later, &missed) == 3 && missed == 0);
    CHECK(read_on(&tap, &cursor, &missed) == 0);
    add(&tap, 6, 0);
    CHECK(read_on(&tap, &cursor, &missed) == 1 && sup_tap_last(&tap) == 6);
    sup_tap_finish(&tap);
}

static void who_is_too_slow_knows_how_many_he_missed(void)
{
    struct sup_tap tap;
    struct sup_event_cursor cursor = {.next = 1}, behind = {.next = 1};
    uint64_t missed, told = 0;
    sup_tap_init(&tap, -1);
    add(&tap, 1, LONG);
    CHECK(read_on(&tap, &behind, &missed) == 1);
    for (uint64_t i = 2; i <= 20000; i++) {
        add(&tap, i, LONG + (size_t) (i * 7 % 61));
        if (i % 1000 != 0) continue;
        told += read_on(&tap, &cursor, &missed);
        CHECK(missed == 0);
    }
    CHECK(told == 20000);
    unsigned kept = read_on(&tap, &behind, &missed);
    CHECK(kept > 1000 && missed == 19999 - kept);
    sup_tap_finish(&tap);
}

static int woken;

static void wake(void *context)
{
    ++*(int *) context;
}

static void lines_are_whole_whatever_the_texts_hold(void)
{
    struct sup_tap tap;
    struct sup_event_cursor cursor = {.next = 1};
    char text[8192], line[64], wild[3000];
    uint64_t missed;
    memset(wild, 1, sizeof wild); /* six characters each in JSON */
    wild[sizeof wild - 1] = '\0';
    const struct sup_effect effect = {
        .type = SUP_DO_EVENT,
        .event = {.type = SUP_EVENT_ENDED, .number = 7, .text = wild, .context = wild, .other = 1},
    };
    const struct sup_told told = {.effect = &effect, .path = "a/b", .other = "c"};
    sup_tap_init(&tap, -1);
    sup_tap_add(&tap, &told, 2 * SUP_SECOND_NS);
    size_t size = sup_tap_read(&tap, &cursor, text, sizeof text, &missed);
    CHECK(size > 100 && size <= 4096 && text[size - 1] == '\n' && text[size - 2] == '}');
    CHECK(missed == 6);
    memcpy(line, text, sizeof line);
    line[sizeof line - 1] = '\0';
    CHECK_HAS(line, "{\"seq\":7,\"time\":2,\"type\":\"ended\",\"path\":\"a/b\"");
    sup_tap_finish(&tap);
}

static void a_reader_at_the_end_is_woken_once(void)
{
    struct sup_tap tap;
    struct sup_event_cursor cursor = {.next = 1};
    uint64_t missed;
    sup_tap_init(&tap, -1);
    sup_tap_set_wake(&tap, SUP_EAR_CONTROL, wake, &woken);
    add(&tap, 1, 0);
    CHECK(woken == 0); /* nobody waits */
    read_on(&tap, &cursor, &missed);
    add(&tap, 2, 0);
    add(&tap, 3, 0);
    CHECK(woken == 1);
    read_on(&tap, &cursor, &missed);
    add(&tap, 4, 0);
    CHECK(woken == 2);
    sup_tap_finish(&tap);
}

static void the_next_host_goes_on_with_it(void)
{
    struct sup_tap tap, next;
    struct sup_event_cursor cursor = {.next = 1};
    uint64_t missed;
    sup_tap_init(&tap, -1);
    for (uint64_t i = 1; i <= 6000; i++) add(&tap, i, LONG);
    int fd = fcntl(tap.fd, F_DUPFD_CLOEXEC, 3);
    sup_tap_init(&next, fcntl(fd, F_DUPFD_CLOEXEC, 3));
    CHECK(next.fd == -1 && sup_tap_last(&next) == 6000);
    add(&next, 6000, LONG);
    add(&next, 6001, LONG);
    unsigned kept = read_on(&next, &cursor, &missed);
    CHECK(kept + missed == 6001);
    sup_tap_clear(&next);
    add(&next, 1, LONG);
    cursor = (struct sup_event_cursor){.next = 1};
    CHECK(read_on(&next, &cursor, &missed) == 1 && missed == 0);
    sup_tap_finish(&next);
    /* What is not a ring is not believed: a new one begins. */
    const uint64_t broken[] = {1, 2, 3};
    CHECK(pwrite(fd, broken, sizeof broken, 16) == sizeof broken);
    sup_tap_init(&next, fd);
    CHECK(next.fd >= 0 && sup_tap_last(&next) == 0);
    sup_tap_finish(&next);
    sup_tap_finish(&tap);
}

TEST_MAIN(TEST(each_reader_gets_all_in_order), TEST(who_is_too_slow_knows_how_many_he_missed),
          TEST(lines_are_whole_whatever_the_texts_hold), TEST(a_reader_at_the_end_is_woken_once),
          TEST(the_next_host_goes_on_with_it))
