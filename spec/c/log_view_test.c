/*
** The terminal view of the real suptree-log: which line looks how, and when it is shown.
*/
#define _GNU_SOURCE
#include "lib_log.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/rings.h"

static void shows_lines_beside_padded_names(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *db = rig_add(&rig, 1, SUP_LOG_VIEW, "db", "");
    struct rig_source *mailer = rig_add(&rig, 2, SUP_LOG_VIEW, "workers/mailer", "");
    struct rig_source *deep = rig_add(&rig, 3, SUP_LOG_VIEW, "a/name/that/is/longer/than/most", "");
    rig_print(db, "one\ntw");
    rig_expect(&rig, "db                   | one\n");
    rig_print(db, "o\n\n");
    rig_print(mailer, "sent\r\n");
    rig_print(deep, "down here\n");
    rig_expect(&rig, "db                   | two\ndb                   | \n");
    rig_expect(&rig, "workers/mailer       | sent\n");
    rig_expect(&rig, "a/name/that/is/longer/than/most | down here\n");
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void shows_a_prompt_and_then_the_rest_of_the_line(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_print(web, "password: ");
    rig_expect(&rig, "web | password: \n");
    rig_expect_idle(&rig, -1);
    rig_print(web, "accepted\nnext\n");
    rig_expect(&rig, "web | password: \nweb + accepted\nweb | next\n");
    rig_print(web, "again: ");
    rig_expect(&rig, "web | again: \n");
    rig_print(web, "\nlast\n");
    rig_expect(&rig, "web | again: \nweb | last\n");
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

/* The mark of the following line tells an ended line from one that was shown early. */
static void ends_the_last_line_of_an_instance(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_print(web, "first\nlast words");
    rig_say(&rig, SUP_LOG_ENDED, web->node);
    rig_expect(&rig, "web | last words\n");
    rig_print(web, "risen\n");
    rig_expect(&rig, "web | last words\nweb | risen\n");

    rig_print(web, "slow ");
    rig_expect(&rig, "web | slow \n"); /* shown early, then ended: what follows is a new line */
    rig_say(&rig, SUP_LOG_ENDED, web->node);
    rig_expect_idle(&rig, -1);
    rig_print(web, "anew\n");
    rig_expect(&rig, "web | slow \nweb | anew\n");
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void expect_run(const struct rig *rig, uint64_t node, uint32_t run, const char *words)
{
    char bytes[256];
    struct sup_ring_state state = {0};
    while (state.run != run) {
        poll(NULL, 0, 2);
        CHECK(sup_ring_look(rig->rings, node, &state) == 0);
    }
    struct sup_ring_wish wish = {node, state.run_from, state.run_end, 2};
    ssize_t size = sup_ring_tail(rig->rings, &wish, bytes, sizeof(bytes), NULL);
    CHECK(size == (ssize_t) strlen(words) && memcmp(bytes, words, (size_t) size) == 0);
}

static void marks_in_the_ring_where_a_run_ends(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    struct sup_log_wire ended = {.type = SUP_LOG_ENDED, .node = 1, .mode = 1};
    rig_print(web, "one\ntwo\nthree\ncrash");
    CHECK(sup_log_wire_send(rig.socket, &ended, NULL, NULL, -1) == 0);
    expect_run(&rig, 1, 1, "three\ncrash");
    rig_print(web, "up\n");
    rig_expect(&rig, "web | up\n");
    ended.mode = 2;
    CHECK(sup_log_wire_send(rig.socket, &ended, NULL, NULL, -1) == 0);
    expect_run(&rig, 1, 2, "up\n");
    rig_kill(&rig);
    rig_start(&rig);
    CHECK(sup_log_wire_send(rig.socket, &ended, NULL, NULL, -1) == 0); /* as the keeper does */
    rig_print(web, "more\n");
    rig_expect(&rig, "web | more\n");
    expect_run(&rig, 1, 2, "up\n");
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

/* The next run writes before the end of the former one is heard of: it keeps what is its own. */
static void a_late_word_of_an_end_takes_nothing_from_the_next_run(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    struct sup_log_wire ended = {.type = SUP_LOG_ENDED, .node = 1, .mode = 1, .left = 4 + 1};
    rig_print(web, "up\n");
    rig_expect(&rig, "web | up\n");
    CHECK(kill(rig.pid, SIGSTOP) == 0);
    CHECK(waitpid(rig.pid, NULL, WUNTRACED) == rig.pid); /* it has stopped */
    rig_print(web, "old\n");
    rig_print(web, "new\n");
    CHECK(sup_log_wire_send(rig.socket, &ended, NULL, NULL, -1) == 0);
    CHECK(kill(rig.pid, SIGCONT) == 0);
    expect_run(&rig, 1, 1, "up\nold\n");
    ended.mode = 2;
    ended.left = 0;
    CHECK(sup_log_wire_send(rig.socket, &ended, NULL, NULL, -1) == 0);
    expect_run(&rig, 1, 2, "new\n");
    /* One that says nothing is marked with the first byte of the next one. */
    rig_kill(&rig);
    rig_start(&rig);
    ended.mode = 3;
    CHECK(sup_log_wire_send(rig.socket, &ended, NULL, NULL, -1) == 0);
    rig_expect_idle(&rig, -1);
    rig_print(web, "more\n");
    expect_run(&rig, 1, 3, "");
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void drains_what_is_gone_and_closes_it(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_print(web, "one\nno newline");
    rig_say(&rig, SUP_LOG_GONE, web->node);
    rig_expect(&rig, "web | one\nweb | no newline\n");
    rig_expect_idle(&rig, -1);
    /* with the copy of the keeper nobody reads it any more */
    close(web->read);
    CHECK(write(web->write, "x", 1) < 0);
    web->read = dup(web->write);
    /* the index may be used again */
    struct rig_source *next = rig_add(&rig, UINT64_C(1) << 32 | 1, SUP_LOG_VIEW, "web", "");
    rig_print(next, "second owner\n");
    rig_expect(&rig, "web | second owner\n");
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void takes_a_new_owner_before_the_former_has_gone(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_add(&rig, 5, SUP_LOG_VIEW, "old", "");
    rig_add(&rig, UINT64_C(9) << 32 | 5, SUP_LOG_VIEW, "new", "");
    rig_print(&rig.sources[0], "from the old one");
    rig_print(&rig.sources[1], "from the new one\n");
    rig_start(&rig);
    rig_expect(&rig, "old | from the old one\n");
    rig_expect(&rig, "new | from the new one\n");
    static uint8_t bytes[SUP_RING_BYTES];
    rig_expect_idle(&rig, -1);
    CHECK(rig_ring(&rig, 5, 9, bytes) == 17 && memcmp(bytes, "from the new one\n", 17) == 0);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void shows_everything_before_it_quits(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_add(&rig, 2, SUP_LOG_VIEW, "db", "");
    rig_print(&rig.sources[0], "a\nb\nc");
    rig_print(&rig.sources[1], "only");
    rig_start(&rig);
    CHECK(rig_quit(&rig) == 0);
    CHECK(rig_has_seen(&rig, "web | a\nweb | b\nweb | c\n"));
    CHECK(rig_has_seen(&rig, "db  | only\n"));
    rig_finish(&rig);
}

static void ends_like_that_when_the_keeper_dies(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_print(web, "a\nb");
    close(rig.socket);
    rig.socket = -1;
    CHECK(rig_wait(&rig) == 0);
    CHECK(rig_has_seen(&rig, "web | a\nweb | b\n"));
    rig_finish(&rig);
}

static void goes_on_while_the_host_of_a_dead_keeper_lives(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *host = rig_add(&rig, SUP_RING_HOST, SUP_LOG_VIEW, "suptree", "");
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_print(host, "up\n");
    rig_expect(&rig, "suptree | up\n");
    close(rig.socket);
    rig.socket = -1;
    for (int i = 0; i < 3; i++) {
        rig_print(web, "a last word\n");
        rig_expect(&rig, "web     | a last word\n");
        rig_expect_idle(&rig, -1);
        rig_forget(&rig);
    }
    rig_print(host, "ended\n");
    close(host->write);
    host->write = -1;
    rig_print(web, "never gone\n"); /* its pipe stays open: that keeps nobody waiting */
    CHECK(rig_wait(&rig) == 0);
    CHECK(rig_has_seen(&rig, "suptree | ended\n"));
    rig_finish(&rig);
}

static void escapes_what_could_drive_the_terminal(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW,
                                     "we\x1b"
                                     "b",
                                     "");
    rig_print(web, "\x1b]0;title\x07\x1b[31mred\x1b[0m\ttab \xc2\x9b"
                   "2J gr\xc3\xbcn\n");
    rig_expect(&rig, "we\\x1bb | \\x1b]0;title\\x07\\x1b[31mred\\x1b[0m\ttab \\xc2\\x9b"
                     "2J gr\xc3\xbcn\n");
    CHECK(strchr(rig.seen, '\x1b') == NULL);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void colours_names_when_told(void)
{
    struct rig rig;
    rig_init(&rig);
    rig.is_coloured = true;
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_add(&rig, 2, SUP_LOG_VIEW, "mailer", "");
    rig_print(web, "one\n\x1b[1mtwo\n");
    rig_expect(&rig, "web\x1b[0m    | one\n");
    rig_expect(&rig, "web\x1b[0m    | \\x1b[1mtwo\n");
    CHECK(rig.seen[0] == '\x1b');
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

/* Expects ${line} with newline cut into pieces of ${sizes}, ended by 0. */
static void check_pieces(const char *line, const size_t *sizes)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_print(web, line);
    rig_print(web, "\nend\n");
    rig_expect(&rig, "web | end\n");
    const char *seen = rig.seen;
    const char *from = line;
    for (size_t i = 0; sizes[i] != 0; i++) {
        CHECK(strncmp(seen, i == 0 ? "web | " : "web + ", 6) == 0);
        CHECK(memcmp(seen + 6, from, sizes[i]) == 0 && seen[6 + sizes[i]] == '\n');
        seen += 6 + sizes[i] + 1;
        from += sizes[i];
    }
    CHECK(*from == '\0' && strcmp(seen, "web | end\n") == 0);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void cuts_long_lines(void)
{
    static char line[40001];
    memset(line, 'x', 40000);
    line[20000] = '\0';
    check_pieces(line, (const size_t[]){8192, 8192, 3616, 0});
    line[8192] = '\0';
    check_pieces(line, (const size_t[]){8192, 0});
    memcpy(line + 8190, "\xe2\x82\xac and more",
           13); /* a character across the border stays whole */
    check_pieces(line, (const size_t[]){8190, 12, 0});
}

static void keeps_quiet_but_for_its_own_words(void)
{
    struct rig rig;
    rig_init(&rig);
    rig.is_quiet = true;
    rig_start(&rig);
    struct rig_source *host = rig_add(&rig, SUP_RING_HOST, SUP_LOG_VIEW, "suptree", "");
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_print(host, "started\n");
    rig_print(web, "hello\n");
    rig_expect_ring(&rig, 1, 6);
    rig_expect_ring(&rig, SUP_RING_HOST, 8);
    rig_add(&rig, 2, SUP_LOG_FILE, "db", rig_path(&rig, "missing/db.log"));
    rig_expect(&rig, "suptree | db: cannot open ");
    CHECK(!rig_has_seen(&rig, "hello") && !rig_has_seen(&rig, "started"));
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

int main(void)
{
    shows_lines_beside_padded_names();
    shows_a_prompt_and_then_the_rest_of_the_line();
    ends_the_last_line_of_an_instance();
    marks_in_the_ring_where_a_run_ends();
    a_late_word_of_an_end_takes_nothing_from_the_next_run();
    drains_what_is_gone_and_closes_it();
    takes_a_new_owner_before_the_former_has_gone();
    shows_everything_before_it_quits();
    ends_like_that_when_the_keeper_dies();
    goes_on_while_the_host_of_a_dead_keeper_lives();
    escapes_what_could_drive_the_terminal();
    colours_names_when_told();
    cuts_long_lines();
    keeps_quiet_but_for_its_own_words();
    return 0;
}
