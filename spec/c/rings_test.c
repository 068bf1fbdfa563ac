/*
** spec/c/rings_test.c: the rings of last output: what the writer of src/log leaves, the reader of
** src/wire finds, also while the one writes and the other reads.
*/
#define _GNU_SOURCE
#include "lib_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/ring.h"
#include "wire/rings.h"

#define NODE(index, serial) ((uint64_t) (serial) << 32 | (uint64_t) (index))

struct scene {
    int fd;
    struct sup_rings rings;
    struct sup_ring_hold hold;
};

static void open_scene(struct scene *scene, uint64_t node, uint32_t size)
{
    *scene = (struct scene){.fd = memfd_create("rings", MFD_CLOEXEC)};
    CHECK(scene->fd >= 0);
    CHECK_INT(sup_rings_init(&scene->rings, scene->fd), 0);
    CHECK(sup_ring_claim(&scene->rings, node, size, &scene->hold));
}

static void close_scene(struct scene *scene)
{
    sup_ring_release(&scene->hold);
    sup_rings_finish(&scene->rings);
    close(scene->fd);
}

static void put(struct scene *scene, const char *text)
{
    sup_ring_write(&scene->hold, (const uint8_t *) text, strlen(text));
}

/* The byte number ${k} of a stream that never repeats within a ring. */
static uint8_t byte_at(uint64_t k)
{
    return k % 64 == 63 ? '\n' : (uint8_t) ('!' + (k * 7 + k / 64 * 13 + k / 65536) % 90);
}

static void put_stream(struct scene *scene, size_t size)
{
    static uint8_t bytes[65536];
    uint64_t from = scene->hold.ring->head;
    while (size > 0) {
        size_t part = size < sizeof bytes ? size : sizeof bytes;
        for (size_t i = 0; i < part; i++) bytes[i] = byte_at(from + i);
        sup_ring_write(&scene->hold, bytes, part);
        from += part;
        size -= part;
    }
}

static void check_stream(const uint8_t *bytes, size_t size, uint64_t from)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != byte_at(from + i)) {
            CHECK_INT(bytes[i], byte_at(from + i));
            return;
        }
}

static void expect_tail(const struct scene *scene, const struct sup_ring_wish *wish, size_t room,
                        const char *wanted)
{
    char bytes[4096];
    ssize_t size = sup_ring_tail(scene->fd, wish, bytes, room, NULL);
    CHECK(size >= 0);
    bytes[size] = '\0';
    CHECK_TEXT(bytes, wanted);
}

static void expect_lines(const struct scene *scene, uint64_t node, size_t lines, const char *wanted)
{
    struct sup_ring_wish wish = {.node = node, .until = SUP_RING_TO_THE_END, .lines = lines};
    expect_tail(scene, &wish, 4095, wanted);
}

static void finds_nothing_where_nobody_spoke(void)
{
    struct scene scene;
    struct stat status;
    struct sup_ring_state state;
    uint64_t cursor = 0, lost;
    char bytes[8];
    open_scene(&scene, NODE(3, 1), 0);
    expect_lines(&scene, NODE(3, 1), 5, "");
    expect_lines(&scene, NODE(60000, 1), 5, "");
    CHECK_INT(sup_ring_look(scene.fd, NODE(60000, 1), &state), 0);
    CHECK_INT(state.head, 0);
    CHECK_INT(sup_ring_follow(scene.fd, NODE(2, 1), &cursor, bytes, sizeof bytes, &lost), 0);
    CHECK_INT(sup_ring_look(scene.fd, NODE(SUP_RING_EVENTS, 0), &state), -EINVAL);
    CHECK_INT(sup_ring_look(-1, NODE(3, 1), &state), -EBADF);
    CHECK(fstat(scene.fd, &status) == 0);
    CHECK(status.st_blocks * 512 <= 4096); /* the claimed one's header */
    close_scene(&scene);
}

static void brings_the_last_lines(void)
{
    struct scene scene;
    uint64_t node = NODE(7, 9);
    open_scene(&scene, node, 0);
    put(&scene, "one\ntwo\n\nfour");
    expect_lines(&scene, node, 0, "one\ntwo\n\nfour");
    expect_lines(&scene, node, 1, "four");
    expect_lines(&scene, node, 2, "\nfour");
    expect_lines(&scene, node, 3, "two\n\nfour");
    expect_lines(&scene, node, 99, "one\ntwo\n\nfour");
    put(&scene, "!\n");
    expect_lines(&scene, node, 1, "four!\n");
    expect_lines(&scene, NODE(7, 8), 1, "");
    struct sup_ring_wish wish = {.node = node, .until = SUP_RING_TO_THE_END};
    expect_tail(&scene, &wish, 7, "\nfour!\n");
    expect_tail(&scene, &wish, 8, "\nfour!\n"); /* not the end of "two" */
    expect_tail(&scene, &wish, 4, "ur!\n");     /* no line starts there: better than nothing */
    expect_tail(&scene, &wish, 0, "");
    wish.until = 9;
    expect_tail(&scene, &wish, 100, "one\ntwo\n\n");
    wish.from = 2; /* a run that began in the middle of what looks like a line */
    expect_tail(&scene, &wish, 100, "e\ntwo\n\n");
    wish.lines = 2;
    expect_tail(&scene, &wish, 100, "two\n\n");
    close_scene(&scene);
}

static void keeps_as_much_as_it_has_room_for(void)
{
    static const uint32_t sizes[] = {1, 4096, 10000, 65536, 65537, 1 << 20};
    static const uint32_t rooms[] = {4096, 4096, 12288, 65536, 69632, 1 << 20};
    uint8_t *bytes = malloc(2 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct scene scene;
        struct sup_ring_state state;
        uint64_t node = NODE(5, i + 1), cursor;
        open_scene(&scene, node, sizes[i]);
        struct sup_ring_wish wish = {.node = node, .until = SUP_RING_TO_THE_END};
        put_stream(&scene, rooms[i]);
        CHECK_INT(sup_ring_tail(scene.fd, &wish, bytes, 2 << 20, &cursor), rooms[i]);
        check_stream(bytes, rooms[i], 0);
        put_stream(&scene, 3u * 64 * 1024 + 64);
        CHECK_INT(sup_ring_look(scene.fd, node, &state), 0);
        CHECK_INT(state.size, rooms[i]);
        CHECK_INT(state.head, rooms[i] + 3u * 64 * 1024 + 64);
        CHECK_INT(state.head - state.oldest, rooms[i]);
        /* nobody knows any more whether a line starts at the oldest byte */
        CHECK_INT(sup_ring_tail(scene.fd, &wish, bytes, 2 << 20, &cursor), rooms[i] - 64);
        check_stream(bytes, rooms[i] - 64, state.head - rooms[i] + 64);
        CHECK_INT(cursor, state.head);
        close_scene(&scene);
    }
    free(bytes);
}

/* The last ${kept} bytes are there, and no more. */
static void check_held(const struct scene *scene, uint64_t node, uint8_t *bytes, uint64_t kept)
{
    struct sup_ring_state state;
    uint64_t lost, cursor = 0;
    CHECK_INT(sup_ring_look(scene->fd, node, &state), 0);
    CHECK_INT(state.head - state.oldest, kept);
    CHECK_INT(sup_ring_follow(scene->fd, node, &cursor, bytes, 1 << 20, &lost), kept);
    CHECK_INT(lost, state.oldest);
    check_stream(bytes, kept, state.oldest);
}

static void keeps_what_fits_when_its_size_changes(void)
{
    static const uint32_t sizes[] = {65536, 1 << 20, 8192, 1 << 17, 1 << 18, 65536};
    uint8_t *bytes = malloc(1 << 20);
    struct scene scene;
    uint64_t node = NODE(2, 4);
    size_t kept = 0;
    open_scene(&scene, node, sizes[0]);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        sup_ring_release(&scene.hold);
        CHECK(sup_ring_claim(&scene.rings, node, sizes[i], &scene.hold));
        if (kept > sizes[i]) kept = sizes[i];
        check_held(&scene, node, bytes, kept);
        put_stream(&scene, 64 * 700);
        kept = kept + 64 * 700 < sizes[i] ? kept + 64 * 700 : sizes[i];
        check_held(&scene, node, bytes, kept);
    }
    close_scene(&scene);
    free(bytes);
}

static void follows_and_says_what_was_lost(void)
{
    struct scene scene;
    uint64_t node = NODE(1, 1), cursor = 0, lost;
    static uint8_t bytes[65536];
    open_scene(&scene, node, 8192);
    put(&scene, "abc");
    CHECK_INT(sup_ring_follow(scene.fd, node, &cursor, bytes, 2, &lost), 2);
    CHECK(memcmp(bytes, "ab", 2) == 0 && cursor == 2 && lost == 0);
    CHECK_INT(sup_ring_follow(scene.fd, node, &cursor, bytes, 2, &lost), 1);
    CHECK_INT(sup_ring_follow(scene.fd, node, &cursor, bytes, 2, &lost), 0);
    put_stream(&scene, 10000);
    CHECK_INT(sup_ring_follow(scene.fd, node, &cursor, bytes, sizeof bytes, &lost), 8192);
    CHECK_INT(lost, 10000 - 8192);
    CHECK_INT(cursor, 10003);
    check_stream(bytes, 8192, 10003 - 8192);

    struct sup_ring_hold next;
    CHECK(sup_ring_claim(&scene.rings, NODE(1, 2), 0, &next));
    CHECK_INT(sup_ring_follow(scene.fd, node, &cursor, bytes, sizeof bytes, &lost), -ESTALE);
    cursor = 0;
    sup_ring_write(&next, (const uint8_t *) "new", 3);
    CHECK_INT(sup_ring_follow(scene.fd, NODE(1, 2), &cursor, bytes, sizeof bytes, &lost), 3);
    CHECK(memcmp(bytes, "new", 3) == 0 && lost == 0);
    close_scene(&scene);
}

static void knows_the_output_of_a_run(void)
{
    struct scene scene;
    struct sup_ring_state state;
    uint64_t node = NODE(1, 1);
    open_scene(&scene, node, 0);
    put(&scene, "starting\nfailed: no port\n");
    sup_ring_mark_run(&scene.hold, 1, 0);
    put(&scene, "starting\n");
    put(&scene, "crash\nagain ");
    sup_ring_mark_run(&scene.hold, 2, 6);
    sup_ring_mark_run(&scene.hold, 2, 0); /* said twice */
    CHECK_INT(sup_ring_look(scene.fd, node, &state), 0);
    CHECK_INT(state.run, 2);
    struct sup_ring_wish wish = {.node = node,
                                 .from = state.run_from,
                                 .until = state.run_end,
                                 .lines = 9};
    expect_tail(&scene, &wish, 100, "starting\ncrash\n");
    wish.lines = 1;
    expect_tail(&scene, &wish, 100, "crash\n");
    close_scene(&scene);
}

static void repairs_what_a_dead_writer_left(void)
{
    struct scene scene;
    struct sup_ring_state state;
    uint64_t node = NODE(1, 1);
    open_scene(&scene, node, 0);
    put(&scene, "before\n");
    scene.hold.ring->writing += 4096; /* died while copying */
    expect_lines(&scene, node, 1, "before\n");
    scene.hold.ring->change++; /* died while changing */
    scene.hold.ring->size = 77;
    CHECK(sup_ring_look(scene.fd, node, &state) < 0);
    sup_ring_release(&scene.hold);
    CHECK(sup_ring_claim(&scene.rings, node, 0, &scene.hold));
    expect_lines(&scene, node, 1, "");
    put(&scene, "after\n");
    expect_lines(&scene, node, 9, "after\n");
    CHECK_INT(sup_ring_look(scene.fd, node, &state), 0);
    CHECK_INT(state.head, 13); /* cursors go on counting */
    close_scene(&scene);
}

#define SECOND INT64_C(1000000000)

/* A line at ${second}. */
static void put_at(struct scene *scene, const char *text, int64_t second)
{
    put(scene, text);
    sup_ring_note_time(&scene->hold, strlen(text), second * SECOND);
}

static void expect_since(struct scene *scene, uint64_t node, int64_t second, const char *text)
{
    struct sup_ring_wish wish = {.node = node, .until = SUP_RING_TO_THE_END};
    CHECK_INT(sup_ring_since(scene->fd, node, second * SECOND, &wish.from), 0);
    expect_tail(scene, &wish, 4096, text);
}

static void knows_when_lines_were_written(void)
{
    struct scene scene;
    uint64_t node = NODE(1, 1);
    open_scene(&scene, node, 0);
    expect_since(&scene, node, 0, "");
    put_at(&scene, "ten\n", 10);
    put_at(&scene, "again\n", 10);
    put_at(&scene, "be", 20);
    put_at(&scene, "gun\n", 30);
    put_at(&scene, "back\n", 25); /* the clock was set */
    expect_since(&scene, node, 5, "ten\nagain\nbegun\nback\n");
    expect_since(&scene, node, 10, "ten\nagain\nbegun\nback\n");
    expect_since(&scene, node, 11, "begun\nback\n");
    expect_since(&scene, node, 30, "begun\nback\n"); /* the whole line */
    expect_since(&scene, node, 31, "");
    close_scene(&scene);
}

static int64_t time_at(struct scene *scene, uint64_t node, uint64_t at)
{
    struct sup_ring_times times;
    CHECK_INT(sup_ring_times(scene->fd, node, &times), 0);
    return sup_ring_time(&times, at);
}

static void tells_when_each_line_was_written(void)
{
    struct scene scene;
    uint64_t node = NODE(1, 1);
    open_scene(&scene, node, 0);
    CHECK_INT(time_at(&scene, node, 0), 0); /* nobody knows */
    put_at(&scene, "ten\n", 10);
    put_at(&scene, "twenty\n", 20);
    CHECK_INT(time_at(&scene, node, 0), 10 * SECOND);
    CHECK_INT(time_at(&scene, node, 3), 10 * SECOND);
    CHECK_INT(time_at(&scene, node, 4), 20 * SECOND);
    CHECK_INT(time_at(&scene, node, 10), 20 * SECOND);
    CHECK_INT(time_at(&scene, node, 1000), 20 * SECOND);
    CHECK_INT(time_at(&scene, NODE(1, 2), 0), 0); /* another's */
    /* Within a span they go from its begin to its end. */
    sup_ring_write(&scene.hold, (const uint8_t *) "a\nb\n", 4);
    sup_ring_note_time(&scene.hold, 4, 30 * SECOND);
    sup_ring_write(&scene.hold, (const uint8_t *) "c\nd\n", 4);
    sup_ring_note_time(&scene.hold, 4, 30 * SECOND + SECOND / 2);
    int64_t before = 0;
    for (uint64_t at = 0; at < scene.hold.ring->head; at++) {
        int64_t now = time_at(&scene, node, at);
        CHECK(now >= before && now <= 30 * SECOND + SECOND / 2);
        before = now;
    }
    CHECK(before > 30 * SECOND);
    close_scene(&scene);
}

/* However long it goes on: what is asked for is there, and not much more. */
static void thins_out_what_it_knows_of_times(void)
{
    struct scene scene;
    char line[16];
    uint64_t node = NODE(1, 1);
    open_scene(&scene, node, 4096);
    for (int second = 1; second <= 5000; second++) {
        snprintf(line, sizeof line, "%07d\n", second);
        put_at(&scene, line, second);
        struct sup_ring_wish wish = {.node = node, .until = SUP_RING_TO_THE_END, .lines = 1};
        for (int ago = 0; ago < 400 && ago < second; ago = 2 * ago + 1) {
            uint64_t wanted = (uint64_t) (second - ago - 1) * 8;
            CHECK_INT(sup_ring_since(scene.fd, node, (second - ago) * SECOND, &wish.from), 0);
            CHECK(wish.from <= wanted);
            if (ago < 3) CHECK_INT(wish.from, wanted);
            CHECK(wanted - wish.from <= 8 * (uint64_t) (ago / 2 + 1));
        }
    }
    scene.hold.ring->span_change++; /* died while changing */
    sup_ring_release(&scene.hold);
    CHECK(sup_ring_claim(&scene.rings, node, 4096, &scene.hold));
    struct sup_ring_wish wish = {.node = node};
    CHECK_INT(sup_ring_since(scene.fd, node, 4999 * SECOND, &wish.from), 0);
    CHECK_INT(wish.from, 0); /* not known: all of it */
    close_scene(&scene);
}

#define RACE_BYTES (UINT64_C(48) << 20)

static void *write_on(void *context)
{
    struct scene *scene = context;
    while (scene->hold.ring->head < RACE_BYTES)
        put_stream(scene, 1 + scene->hold.ring->head % 9000);
    return NULL;
}

static void race(uint32_t size)
{
    struct scene scene;
    pthread_t writer;
    static uint8_t bytes[65536];
    uint64_t node = NODE(9, 1), cursor = 0, lost, seen = 0, total_lost = 0;
    open_scene(&scene, node, size);
    CHECK_INT(pthread_create(&writer, NULL, write_on, &scene), 0);
    while (cursor < RACE_BYTES) {
        uint64_t before = cursor;
        ssize_t got = sup_ring_follow(scene.fd, node, &cursor, bytes, sizeof bytes, &lost);
        CHECK(got >= 0);
        CHECK_INT(cursor, before + lost + (uint64_t) got);
        check_stream(bytes, (size_t) got, cursor - (uint64_t) got);
        seen += (uint64_t) got;
        total_lost += lost;
        struct sup_ring_wish wish = {.node = node, .until = SUP_RING_TO_THE_END, .lines = 20};
        uint64_t end;
        got = sup_ring_tail(scene.fd, &wish, bytes, sizeof bytes, &end);
        CHECK(got >= 0);
        check_stream(bytes, (size_t) got, end - (uint64_t) got);
    }
    CHECK_INT(pthread_join(writer, NULL), 0);
    /* The last write may have been seen in part, and goes beyond what was waited for. */
    CHECK_INT(seen + total_lost, cursor);
    CHECK(cursor <= scene.hold.ring->head);
    close_scene(&scene);
}

static void never_takes_a_byte_that_is_being_overwritten(void)
{
    race(4096);
    race(65536);
    race(1 << 20);
}

TEST_MAIN(TEST(finds_nothing_where_nobody_spoke), TEST(brings_the_last_lines),
          TEST(keeps_as_much_as_it_has_room_for), TEST(keeps_what_fits_when_its_size_changes),
          TEST(follows_and_says_what_was_lost), TEST(knows_the_output_of_a_run),
          TEST(knows_when_lines_were_written), TEST(tells_when_each_line_was_written),
          TEST(thins_out_what_it_knows_of_times), TEST(repairs_what_a_dead_writer_left),
          TEST(never_takes_a_byte_that_is_being_overwritten))
