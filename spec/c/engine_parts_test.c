/*
** spec/c/engine_parts_test.c: what the engine stands on: inbox, link, lines, plans, journal
** files, slots.
*/
#include "core/options.h"
#include "engine/inbox.h"
#include "engine/link.h"
#include "engine/output.h"
#include "engine/plans.h"
#include "engine/recorder.h"
#include "engine/slots.h"
#include "lib_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- inbox ------------------------------------------------------------------------------------ */

static void count_wake(void *context)
{
    ++*(int *) context;
}

struct answer {
    int count;
    enum sup_reply_status status;
};

static void note_answer(void *context, const struct sup_reply *reply)
{
    struct answer *answer = context;
    answer->count++;
    answer->status = reply->status;
}

static void put(struct sup_inbox *inbox, enum sup_input_type type, const char *text,
                struct answer *answer)
{
    struct sup_input input = {.type = type, .text = text};
    CHECK_INT(sup_inbox_put(inbox, &input, answer == NULL ? NULL : note_answer, answer), 0);
}

static void an_instant_is_sorted_by_class(void)
{
    static const char *const wanted[] = {"ready", "ended", "stop", "remove", "add", "start"};
    struct sup_inbox inbox;
    int wakes = 0;
    MUST(sup_inbox_init(&inbox, 1, count_wake, &wakes) == 0);
    put(&inbox, SUP_IN_ADD, "add", NULL);
    put(&inbox, SUP_IN_STOP, "stop", NULL);
    put(&inbox, SUP_IN_READY, "ready", NULL);
    put(&inbox, SUP_IN_START_NODE, "start", NULL);
    put(&inbox, SUP_IN_REMOVE, "remove", NULL);
    put(&inbox, SUP_IN_ENDED, "ended", NULL);
    CHECK_INT(wakes, 6);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct sup_letter *letter = sup_inbox_take(&inbox, SUP_CLASS_COMMAND);
        MUST(letter != NULL);
        CHECK_TEXT(letter->input.text, wanted[i]);
        free(letter);
    }
    CHECK(sup_inbox_take(&inbox, SUP_CLASS_COMMAND) == NULL);
    put(&inbox, SUP_IN_STOP, "stop", NULL);
    CHECK(sup_inbox_take(&inbox, SUP_CLASS_FACT) == NULL);
    sup_inbox_finish(&inbox);
}

static void every_request_gets_exactly_one_answer(void)
{
    struct sup_inbox inbox;
    struct answer answers[100] = {{.count = 0}};
    uint64_t requests[100];
    const struct sup_reply ok = {.status = SUP_OK};
    int wakes = 0;
    MUST(sup_inbox_init(&inbox, 7, count_wake, &wakes) == 0);
    for (int i = 0; i < 100; i++) put(&inbox, SUP_IN_ADD, NULL, &answers[i]);
    for (int i = 0; i < 60; i++) {
        struct sup_letter *letter = sup_inbox_take(&inbox, SUP_CLASS_COMMAND);
        MUST(letter != NULL && sup_inbox_open(&inbox, letter) == 0);
        requests[i] = letter->input.request;
        CHECK(requests[i] != 0);
        free(letter);
    }
    for (int i = 59; i >= 30; i--) sup_inbox_answer(&inbox, requests[i], &ok);
    for (int i = 59; i >= 30; i--) sup_inbox_answer(&inbox, requests[i], &ok); /* again: nobody */
    sup_inbox_answer(&inbox, 0, &ok);
    sup_inbox_answer(&inbox, requests[0] ^ UINT64_C(1) << 60, &ok); /* of another host: nobody */
    sup_inbox_finish(&inbox);
    for (int i = 0; i < 100; i++) {
        sup_test_case("request %d", i);
        CHECK_INT(answers[i].count, 1);
        CHECK_INT(answers[i].status, i >= 30 && i < 60 ? SUP_OK : SUP_STOPPED);
    }
}

static void a_closed_inbox_takes_nothing(void)
{
    struct sup_inbox inbox;
    int wakes = 0;
    const struct sup_input input = {.type = SUP_IN_STOP};
    MUST(sup_inbox_init(&inbox, 1, count_wake, &wakes) == 0);
    sup_inbox_close(&inbox);
    CHECK_INT(sup_inbox_put(&inbox, &input, NULL, NULL), -ESHUTDOWN);
    CHECK_INT(wakes, 0);
    sup_inbox_finish(&inbox);
}

/* --- link ------------------------------------------------------------------------------------- */

/* Fill the socket, and the queue behind it; the mark passes only when everything has left. */
static void a_mark_passes_when_all_before_it_was_sent(void)
{
    int ends[2];
    struct sup_link link;
    struct sup_wire message = {.type = SUP_WIRE_HEARTBEAT};
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    sup_link_init(&link, ends[0]);
    uint64_t sent = 0;
    while (link.count < 300) {
        message.seq = ++sent;
        CHECK_INT(sup_link_send(&link, &message, -1), 0);
    }
    sup_link_mark(&link, 77);
    CHECK_INT(link.reached, 0);
    CHECK_INT(sup_link_flush(&link), -EAGAIN);
    for (uint64_t i = 1; i <= sent; i++) {
        struct sup_wire got;
        int fd;
        int r = sup_wire_receive(ends[1], &got, &fd);
        if (r == -EAGAIN) {
            CHECK_INT(link.reached, 0);
            sup_link_flush(&link);
            r = sup_wire_receive(ends[1], &got, &fd);
        }
        CHECK_INT(r, 1);
        CHECK_INT(got.seq, i);
    }
    CHECK_INT(link.count, 0);
    CHECK_INT(link.reached, 77);
    sup_link_mark(&link, 78);
    CHECK_INT(link.reached, 78);
    close(ends[1]);
    CHECK_INT(sup_link_send(&link, &message, -1), -EPIPE);
    CHECK(link.lost);
    CHECK_INT(sup_link_drain(&link, 0), -EPIPE);
    sup_link_finish(&link);
    close(ends[0]);
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void a_corked_link_keeps_descriptors_until_it_ends(void)
{
    int ends[2];
    struct sup_link link;
    struct sup_wire message = {.type = SUP_WIRE_PLANS};
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    sup_link_init(&link, ends[0]);
    link.corked = true;
    size_t before = open_descriptors();
    for (int i = 0; i < 3; i++) CHECK_INT(sup_link_send(&link, &message, dup(ends[1])), 0);
    CHECK_INT(open_descriptors(), before + 3);
    sup_link_finish(&link);
    CHECK_INT(open_descriptors(), before);
    close(ends[0]);
    close(ends[1]);
}

/* --- lines ------------------------------------------------------------------------------------ */

static char *read_all(int fd, size_t *size)
{
    char *bytes = malloc(1 << 23);
    *size = 0;
    if (bytes == NULL) return NULL;
    for (ssize_t n; (n = read(fd, bytes + *size, ((size_t) 1 << 23) - 1 - *size)) > 0;)
        *size += (size_t) n;
    bytes[*size] = '\0';
    return bytes;
}

/* A reader that sleeps: lines are kept up to a bound, then counted; nothing is cut in two. */
static void lines_that_are_lost_are_counted(void)
{
    int ends[2];
    struct sup_output output;
    char text[1000];
    size_t size;
    MUST(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    MUST(sup_output_init(&output, ends[1], SUP_OUTPUT_JSON) == 0);
    size_t said = 0;
    while (output.lost < 10) {
        int n = snprintf(text, sizeof text, "{\"n\":%zu,\"pad\":\"%0800d\"}", ++said, 0);
        sup_output_line(&output, text, (size_t) n);
    }
    CHECK(!sup_output_flush(&output));
    size_t whole = 0;
    unsigned long gap = 0;
    for (bool done = false; !done;) {
        done = sup_output_flush(&output);
        char *bytes = read_all(ends[0], &size);
        MUST(bytes != NULL);
        char *rest = bytes;
        for (char *one; (one = strsep(&rest, "\n")) != NULL && *one != '\0';) {
            size_t n;
            if (sscanf(one, "{\"type\":\"gap\",\"lost\":%lu}", &gap) == 1) continue;
            CHECK(sscanf(one, "{\"n\":%zu,", &n) == 1 && n == ++whole);
            CHECK_TEXT(one + strlen(one) - 2, "\"}");
        }
        free(bytes);
    }
    CHECK_INT(gap, 10);
    CHECK_INT(whole, said - 10);
    sup_output_finish(&output);
    close(ends[0]);
}

static void a_long_line_is_cut_between_characters(void)
{
    int ends[2];
    struct sup_output output;
    static char text[8192];
    size_t size;
    MUST(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    MUST(sup_output_init(&output, ends[1], SUP_OUTPUT_PLAIN) == 0);
    for (size_t i = 0; i + 1 < sizeof text; i += 2) memcpy(text + i, "\xc3\xa9", 2);
    sup_output_line(&output, text, sizeof text);
    CHECK(sup_output_flush(&output));
    char *bytes = read_all(ends[0], &size);
    MUST(bytes != NULL);
    CHECK_INT(size, SUP_OUTPUT_LINE - 1); /* 2,047 characters and the newline */
    CHECK_INT(bytes[size - 1], '\n');
    free(bytes);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    sup_output_line(&output, "nobody reads", 12); /* nor does anybody mind */
    CHECK(sup_output_flush(&output));
    sup_output_finish(&output);
}

/* --- plans ------------------------------------------------------------------------------------ */

static struct sup_spec sample_spec(void)
{
    struct sup_spec spec;
    sup_spec_defaults(&spec, SUP_PROCESS);
    spec.command = (struct sup_strings){"web\0--port\0", 2};
    spec.cwd = "/srv";
    spec.env = (struct sup_strings){"A=1\0PATH=/own\0A=2\0SUPTREE_PATH=lie\0", 4};
    spec.timeout_ns = SUP_SECOND_NS;
    spec.log = (struct sup_log){.mode = SUP_LOG_MODE_FILE,
                                .file = "/srv/web.log",
                                .max_size = 8192,
                                .max_files = 3};
    return spec;
}

/* Entries of the record's own environment that begin with ${key}, and the last of them. */
static int find_env(const unsigned char *set, const struct sup_plan *plan, const char *key,
                    const char **found)
{
    char *entries[64];
    int count = 0;
    int n = sup_plan_vector(set, plan->env, plan->env_count, entries, 64);
    for (int i = 0; i < n; i++) {
        if (strncmp(entries[i], key, strlen(key)) != 0) continue;
        *found = entries[i];
        count++;
    }
    return count;
}

static const unsigned char *map_set(int fd, size_t *size)
{
    struct stat info;
    MUST(fd >= 0 && fstat(fd, &info) == 0);
    *size = (size_t) info.st_size;
    CHECK(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE);
    const unsigned char *set = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
    MUST(set != MAP_FAILED);
    close(fd);
    return set;
}

static void a_plan_says_what_the_spec_says(void)
{
    static char *environment[] = {"PATH=/bin",    "LANG=C",          "NOTIFY_SOCKET=/x", "X=1",
                                  "LISTEN_FDS=3", "SUPTREE_SOCKET=", "WATCHDOG_PID=1",   NULL};
    struct sup_plan_env env;
    struct sup_plan_draft draft;
    struct sup_spec spec = sample_spec(), bare = sample_spec();
    const char *entry = NULL;
    size_t size;
    bare.inherit_env = false;
    bare.cwd = NULL;
    bare.log.mode = SUP_LOG_MODE_NONE;
    MUST(sup_plan_env_init(&env, environment) == 0);
    sup_plan_draft_begin(&draft, &env);
    struct sup_plan_wish wish = {.spec = &spec, .path = "shop/web", .stop_rank = 4};
    uint64_t first = sup_plan_draft_add(&draft, &env, &wish);
    wish.spec = &bare;
    uint64_t second = sup_plan_draft_add(&draft, &env, &wish);
    const unsigned char *set = map_set(sup_plan_draft_finish(&draft), &size);
    MUST(sup_plan_set_is_valid(set, size));
    CHECK_INT(((const struct sup_plan_set *) (const void *) set)->env_count, 3);

    const struct sup_plan *plan = sup_plan_at(set, size, first);
    MUST(plan != NULL);
    CHECK_INT(plan->arg_count, 2);
    CHECK_TEXT(sup_plan_text(set, plan->args), "web");
    CHECK_TEXT(sup_plan_text(set, plan->cwd), "/srv");
    CHECK_TEXT(sup_plan_text(set, plan->name), "shop/web");
    CHECK_TEXT(sup_plan_text(set, plan->log_file), "/srv/web.log");
    CHECK_INT(plan->log_settings.max_size, 8192);
    CHECK_INT(plan->log_settings.max_files, 3);
    CHECK_INT(plan->flags, SUP_PLAN_SHARED_ENV);
    CHECK_INT(plan->log, SUP_LOG_FILE);
    CHECK_INT(plan->stop_rank, 4);
    CHECK_INT(find_env(set, plan, "A=", &entry), 1); /* the later wins */
    CHECK_TEXT(entry, "A=2");
    CHECK_INT(find_env(set, plan, "SUPTREE_PATH=", &entry), 1);
    CHECK_TEXT(entry, "SUPTREE_PATH=shop/web");

    plan = sup_plan_at(set, size, second);
    MUST(plan != NULL);
    CHECK_INT(plan->flags, 0);
    CHECK_INT(plan->cwd, 0);
    CHECK_INT(plan->log, SUP_LOG_NONE);
    CHECK_INT(find_env(set, plan, "LANG=", &entry), 1);
    CHECK_INT(find_env(set, plan, "X=", &entry), 0);
    CHECK_INT(find_env(set, plan, "PATH=", &entry), 1);
    CHECK_TEXT(entry, "PATH=/own");
    munmap((void *) (uintptr_t) set, size);
    sup_plan_env_finish(&env);
}

static void a_print_changes_with_what_the_keeper_must_know(void)
{
    struct sup_spec spec = sample_spec(), other;
    struct sup_plan_wish wish = {.spec = &spec, .path = "web"};
    struct sup_plan_wish changed = {.spec = &other, .path = "web"};
    uint64_t print = sup_plan_print(&wish);
    CHECK(print != 0);
    CHECK_INT(sup_plan_print(&wish), print);
    static const struct sup_strings commands[] = {{"web\0--port\0x\0", 3}, {"web\0--prt\0", 2}};
    for (int i = 0; i < 10; i++) {
        other = spec;
        sup_test_case("change %d", i);
        if (i < 2) other.command = commands[i];
        if (i == 2) other.env.count = 3;
        if (i == 3) other.cwd = NULL;
        if (i == 4) other.inherit_env = false;
        if (i == 5) other.stop_signal = 2;
        if (i == 6) other.timeout_ns++;
        if (i == 7) other.log.file = "/srv/other.log";
        if (i == 8) other.log.max_age_ns = SUP_SECOND_NS;
        if (i == 9) other.log.timestamps = SUP_TIMESTAMPS_TAI64N;
        CHECK(sup_plan_print(&changed) != print);
    }
    other = spec;
    other.description = "not the keeper's business";
    CHECK_INT(sup_plan_print(&changed), print);
    wish.path = "shop/web";
    CHECK(sup_plan_print(&wish) != print);
}

/* --- journal files ---------------------------------------------------------------------------- */

static void a_journal_file_is_found_again_with_its_bases(void)
{
    struct sup_recorder recorder = {.fd = -1}, again = {.fd = -1};
    const struct sup_recorder_bases bases = {40, 50};
    const struct sup_input tick = {.type = SUP_IN_TICK};
    struct sup_err err = {.code = 0};
    char snapshot[1000] = {0};
    MUST(sup_recorder_begin(&recorder, snapshot, sizeof snapshot, 0, 9, &bases) == 0);
    CHECK(!sup_recorder_is_due(&recorder));
    CHECK(sup_recorder_append(&recorder, &tick, 5));
    sup_journal_confirm(recorder.memory, 12);
    MUST(sup_recorder_open(&again, dup(recorder.fd), &err) == 0);
    CHECK_INT(again.tail->bases.seq, 40);
    CHECK_INT(again.tail->bases.instance, 50);
    CHECK_INT(again.tail->told_lines, 9);
    CHECK_INT(((struct sup_journal_header *) (void *) again.memory)->confirmed, 12);
    sup_recorder_finish(&again);
    size_t count = 1;
    while (sup_recorder_append(&recorder, &tick, 6)) count++;
    CHECK(sup_recorder_is_due(&recorder));
    CHECK(count >= SUP_JOURNAL_INPUTS);
    CHECK_INT(recorder.inputs, count);
    sup_recorder_finish(&recorder);
    CHECK(!sup_recorder_append(&recorder, &tick, 7));
    /* One that is larger than all that came before. */
    static char blob[3 << 20];
    const struct sup_input add = {.type = SUP_IN_ADD, .blob = blob, .blob_size = sizeof blob};
    MUST(sup_recorder_begin(&recorder, snapshot, sizeof snapshot, sizeof blob + 4096, 9, &bases) ==
         0);
    CHECK(sup_recorder_append(&recorder, &add, 8));
    sup_recorder_finish(&recorder);
}

static void a_spoilt_journal_file_is_refused(void)
{
    static const struct sup_recorder_bases none;
    char snapshot[100] = {0};
    for (int i = 0; i < 5; i++) {
        struct sup_recorder recorder = {.fd = -1}, again = {.fd = -1};
        struct sup_err err = {.code = 0};
        sup_test_case("damage %d", i);
        MUST(sup_recorder_begin(&recorder, snapshot, sizeof snapshot, 0, 0, &none) == 0);
        struct sup_journal_header *header = (void *) recorder.memory;
        int fd = dup(recorder.fd);
        if (i == 0) MUST(ftruncate(fd, (off_t) recorder.size / 2) == 0);
        if (i == 1) MUST(ftruncate(fd, 10) == 0);
        if (i == 2) header->version = 99;
        if (i == 3) header->snapshot_checksum ^= 1;
        if (i == 4) recorder.tail->magic = 0;
        CHECK(sup_recorder_open(&again, fd, &err) < 0);
        CHECK(err.reason[0] != '\0');
        CHECK_INT(again.fd, -1);
        CHECK(fcntl(fd, F_GETFD) < 0); /* taken over and closed */
        sup_recorder_finish(&recorder);
    }
}

/* --- slots ------------------------------------------------------------------------------------ */

static sup_token token_of(uint64_t index, uint64_t serial)
{
    return index | serial << 32;
}

static void a_slot_belongs_to_one_node(void)
{
    struct sup_slots slots = {0};
    CHECK(sup_slots_find(&slots, token_of(0, 1)) == NULL);
    MUST(sup_slots_reserve(&slots, 10) == 0);
    struct sup_slot *first = sup_slots_take(&slots, token_of(3, 1));
    MUST(first != NULL);
    first->pidfd = dup(0);
    int fd = first->pidfd;
    MUST(sup_slots_take(&slots, token_of(5000, 2)) != NULL); /* beyond what was reserved: grows */
    CHECK(sup_slots_find(&slots, token_of(3, 1)) == first);
    CHECK(sup_slots_find(&slots, token_of(3, 2)) == NULL);
    CHECK(sup_slots_take(&slots, token_of(3, 9)) == first); /* a later node has the index now */
    CHECK_INT(first->pidfd, -1);
    CHECK(fcntl(fd, F_GETFD) < 0);
    CHECK(sup_slots_find(&slots, token_of(3, 1)) == NULL);
    sup_slots_finish(&slots);
}

TEST_MAIN(TEST(an_instant_is_sorted_by_class), TEST(every_request_gets_exactly_one_answer),
          TEST(a_closed_inbox_takes_nothing), TEST(a_mark_passes_when_all_before_it_was_sent),
          TEST(a_corked_link_keeps_descriptors_until_it_ends),
          TEST(lines_that_are_lost_are_counted), TEST(a_long_line_is_cut_between_characters),
          TEST(a_plan_says_what_the_spec_says),
          TEST(a_print_changes_with_what_the_keeper_must_know),
          TEST(a_journal_file_is_found_again_with_its_bases),
          TEST(a_spoilt_journal_file_is_refused), TEST(a_slot_belongs_to_one_node))
