/* Lines of output: from where the former run ended, however the pieces come. */
#include "engine/tail.h"

#include "lib_test.h"
#include "log/ring.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NODE (UINT64_C(1) << 32 | 3)
#define MS INT64_C(1000000)

static struct sup_rings rings;
static struct sup_ring_hold ring;

static void begin(uint32_t size)
{
    int fd = memfd_create("rings", MFD_CLOEXEC);
    MUST(fd >= 0 && ftruncate(fd, (off_t) SUP_RINGS_AREA) == 0);
    MUST(sup_rings_init(&rings, fd) == 0 && sup_ring_claim(&rings, NODE, size, &ring));
}

static void end(void)
{
    sup_ring_release(&ring);
    sup_rings_finish(&rings);
    close(rings.fd);
}

static void say(const char *text)
{
    sup_ring_write(&ring, (const uint8_t *) text, strlen(text));
}

static struct sup_tail tail; /* large */

static void open_tail(uint32_t generation, uint32_t former, uint64_t floor)
{
    struct sup_tail_order order = {.rings = rings.fd,
                                   .node = NODE,
                                   .generation = generation,
                                   .former = former,
                                   .floor = floor,
                                   .patience_ns = 100 * MS,
                                   .from_ns = 0};
    sup_tail_init(&tail, &order);
}

/* All that is there now. */
static enum sup_tail_state look(const char *pattern, int64_t now_ns)
{
    enum sup_tail_state state;
    do state = sup_tail_read(&tail, pattern, now_ns);
    while (state == SUP_TAIL_READS);
    return state;
}

static void lines_are_compared_whole(void)
{
    begin(4096);
    open_tail(1, 0, 0);
    CHECK(look("up", 0) == SUP_TAIL_WAITS);
    say("coming ");
    CHECK(look("^up$", 0) == SUP_TAIL_WAITS);
    say("up\nu");
    CHECK(look("^up$", 0) == SUP_TAIL_WAITS);
    say("p");
    CHECK(look("^up$", 0) == SUP_TAIL_WAITS);
    say("\r\n");
    CHECK(look("^up$", 0) == SUP_TAIL_HOLDS);
    end();
}

static void the_former_run_does_not_count(void)
{
    begin(4096);
    say("up\n");
    uint64_t floor = ring.ring->head;
    say("up\n"); /* written before the launch, and read after it */
    open_tail(2, 1, floor);
    CHECK(look("up", 50 * MS) == SUP_TAIL_WAITS); /* its end is not marked yet */
    sup_ring_mark_run(&ring, 1, 0);
    CHECK(look("up", 50 * MS) == SUP_TAIL_WAITS);
    say("up\n");
    CHECK(look("up", 50 * MS) == SUP_TAIL_HOLDS);
    end();
}

/* A launch that failed has a number, too. */
static void a_later_mark_will_do(void)
{
    begin(4096);
    say("up\n");
    sup_ring_mark_run(&ring, 2, 0);
    open_tail(3, 1, 0);
    CHECK(look("up", 0) == SUP_TAIL_WAITS);
    say("up\n");
    CHECK(look("up", 0) == SUP_TAIL_HOLDS);
    end();
}

static void a_mark_that_never_comes_is_waited_for_in_vain(void)
{
    begin(4096);
    say("up\n");
    open_tail(2, 1, ring.ring->head);
    say("up\n");
    CHECK(look("up", 99 * MS) == SUP_TAIL_WAITS);
    CHECK(look("up", 100 * MS) == SUP_TAIL_HOLDS);
    open_tail(2, 1, ring.ring->head); /* and what was there before is left out */
    CHECK(look("up", 200 * MS) == SUP_TAIL_WAITS);
    end();
}

static void a_run_that_is_over_says_nothing_more(void)
{
    begin(4096);
    say("up\n");
    sup_ring_mark_run(&ring, 5, 0);
    say("up\n");
    open_tail(5, 4, 0);
    CHECK(look("up", 500 * MS) == SUP_TAIL_WAITS);
    end();
}

static void what_is_overwritten_is_counted(void)
{
    char line[1001];
    memset(line, 'x', 1000);
    line[999] = '\n';
    line[1000] = '\0';
    begin(4096);
    open_tail(1, 0, 0);
    say("begin\n");
    CHECK(look("up", 0) == SUP_TAIL_WAITS);
    CHECK_INT(tail.lost, 0);
    for (int i = 0; i < 10; i++) say(line);
    say("up\n");
    CHECK(look("^up$", 0) == SUP_TAIL_HOLDS);
    CHECK(tail.lost > 5000 && tail.lost < 10000);
    end();
}

/* A line that has lost its begin is none. */
static void a_part_of_a_line_does_not_match(void)
{
    char line[6000];
    memset(line, 'x', sizeof line);
    memcpy(line + sizeof line - 4, "up\n", 4);
    begin(4096);
    open_tail(1, 0, 0);
    say(line);
    CHECK(look("up$", 0) == SUP_TAIL_WAITS);
    CHECK(tail.lost > 0);
    say("up\n");
    CHECK(look("up$", 0) == SUP_TAIL_HOLDS);
    end();
}

static void long_lines_are_compared_by_their_begin(void)
{
    static char line[3 * SUP_TAIL_LINE];
    memset(line, 'x', sizeof line - 1);
    memcpy(line, "up", 2);
    memcpy(line + sizeof line - 6, "down\n", 6);
    begin(65536);
    open_tail(1, 0, 0);
    say(line);
    CHECK(look("down", 0) == SUP_TAIL_WAITS);
    open_tail(1, 0, 0);
    CHECK(look("^up", 0) == SUP_TAIL_HOLDS);
    end();
}

static void a_pattern_that_takes_for_ever_is_given_up(void)
{
    char line[402];
    memset(line, 'a', 400);
    memcpy(line + 400, "\n", 2);
    begin(65536);
    open_tail(1, 0, 0);
    for (int i = 0; i < 20; i++) say(line);
    CHECK(look("a*a*a*a*a*a*a*b", 0) == SUP_TAIL_STUCK);
    end();
}

TEST_MAIN(TEST(lines_are_compared_whole), TEST(the_former_run_does_not_count),
          TEST(a_later_mark_will_do), TEST(a_mark_that_never_comes_is_waited_for_in_vain),
          TEST(a_run_that_is_over_says_nothing_more), TEST(what_is_overwritten_is_counted),
          TEST(a_part_of_a_line_does_not_match), TEST(long_lines_are_compared_by_their_begin),
          TEST(a_pattern_that_takes_for_ever_is_given_up))
