/*
** How the real suptree-log keeps files: others begun by size and age where a line ends, times
** before lines, JSON, files opened anew, and files that it refuses.
*/
#define _GNU_SOURCE
#include "lib_log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINES 5000

/* Numbered lines of very different length. Returns the bytes. */
static size_t fill_lines(char *text, int from, int count)
{
    size_t size = 0;
    for (int i = from; i < from + count; i++)
        size += (size_t) sprintf(text + size, "line %d %.*s\n", i, i * 31 % 90,
                                 "==============================================================="
                                 "===========================");
    return size;
}

static void check_text(const char *text, size_t size, const char *wanted, size_t wanted_size)
{
    size_t at = 0;
    while (at < size && at < wanted_size && text[at] == wanted[at]) at++;
    if (at < size || at < wanted_size)
        FAIL("byte %zu of %zu: \"%.60s\" instead of \"%.60s\"", at, size, text + at, wanted + at);
}

/* Take the ${head} bytes before each line away, which have to end in a space. */
static size_t strip(char *text, size_t size, size_t head)
{
    size_t kept = 0;
    for (size_t at = 0; at < size;) {
        char *newline = memchr(text + at, '\n', size - at);
        CHECK(newline != NULL && newline >= text + at + head && text[at + head - 1] == ' ');
        size_t length = (size_t) (newline - text) + 1 - at - head;
        memmove(text + kept, text + at + head, length);
        kept += length;
        at += head + length;
    }
    return kept;
}

/* Wait until all that was written to ${file} is ${size} bytes. */
static char *expect_gathered(const char *file, uint64_t max_size, size_t size)
{
    size_t got;
    for (int i = 0; i < 30000; i++) {
        char *text = access(file, F_OK) == 0 ? rig_gather(file, max_size, &got) : NULL;
        if (text != NULL && got == size) return text;
        free(text);
        poll(NULL, 0, 2);
    }
    FAIL("%s: %zu bytes instead of %zu", file, got, size);
}

static void rotate(const struct sup_log_settings *settings, size_t head, bool is_quiet)
{
    static char text[LINES * 128];
    struct rig rig;
    size_t total = fill_lines(text, 0, LINES), got;
    rig_init(&rig);
    rig.is_quiet = is_quiet;
    rig_start(&rig);
    const char *file = rig_path(&rig, "web.log");
    struct rig_source *web = rig_add_with(&rig, 1, "web", file, settings);
    for (size_t at = 0; at < total;) {
        size_t part = 1 + at * 7 % 9001;
        if (part > total - at) part = total - at;
        rig_write(web->write, text + at, part);
        while (rig_read(&rig, 0)) continue;
        at += part;
    }
    CHECK(rig_quit(&rig) == 0);
    char *kept = rig_gather(file, settings->max_size, &got);
    if (head > 0) got = strip(kept, got, head);
    check_text(kept, got, text, total);
    CHECK(rig_count_old(file) >= (total + LINES * head) / settings->max_size);
    free(kept);
    rig_finish(&rig);
}

static void begins_another_file_where_a_line_ends(void)
{
    rotate(&(struct sup_log_settings){.max_size = 8192, .max_files = 1000}, 0, false);
    rotate(&(struct sup_log_settings){.max_size = 100000, .max_files = 1000}, 0, true);
    rotate(&(struct sup_log_settings){.max_size = 8192,
                                      .max_files = 1000,
                                      .stamps = SUP_STAMPS_ISO8601},
           28, true);
    rotate(&(struct sup_log_settings){.max_size = 100000,
                                      .max_files = 1000,
                                      .stamps = SUP_STAMPS_TAI64N},
           26, false);
}

static void keeps_a_line_whole_that_is_longer_than_a_file(void)
{
    static char line[30001];
    const struct sup_log_settings kinds[] = {
        {.max_size = 4096, .max_files = 9},
        {.max_size = 4096, .max_files = 9, .stamps = SUP_STAMPS_ISO8601},
    };
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        size_t head = i == 0 ? 0 : 28;
        rig_init(&rig);
        rig_start(&rig);
        const char *file = rig_path(&rig, "web.log");
        struct rig_source *web = rig_add_with(&rig, 1, "web", file, &kinds[i]);
        memset(line, 'x', sizeof(line) - 1);
        rig_print(web, "before\n");
        rig_expect_size(file, 7 + head);
        rig_write(web->write, line, sizeof(line) - 1);
        rig_print(web, " end\nafter\n");
        rig_expect(&rig, "after\n");
        free(expect_gathered(file, 0, 7 + sizeof(line) - 1 + 5 + 6 + 3 * head));
        CHECK(rig_count_old(file) == 2);
        rig_expect_size(file, 6 + head); /* and what follows it is in a file of its own */
        CHECK(rig_quit(&rig) == 0);
        rig_finish(&rig);
    }
}

static void keeps_as_many_old_files_as_asked(void)
{
    static char text[LINES * 128];
    struct rig rig;
    struct sup_log_settings settings = {.max_size = 4096, .max_files = 3};
    size_t total = fill_lines(text, 0, 2000);
    rig_init(&rig);
    rig_start(&rig);
    const char *file = rig_path(&rig, "web.log");
    FILE *other = fopen(rig_path(&rig, "web.log.20260726T120000.123456Z.gz"), "we");
    CHECK(other != NULL && fclose(other) == 0);
    struct rig_source *web = rig_add_with(&rig, 1, "web", file, &settings);
    rig_write(web->write, text, total);
    rig_expect(&rig, "line 1999 ");
    size_t got;
    char *kept = rig_gather(file, 4096, &got);
    CHECK(rig_count_old(file) == 3 && got > 2 * 4096);
    check_text(kept, got, text + total - got, got); /* the newest, in order */
    free(kept);
    CHECK(access(rig_path(&rig, "web.log.20260726T120000.123456Z.gz"), F_OK) == 0);

    settings.max_files = 0;
    struct sup_log_wire change = {.type = SUP_LOG_SOURCE,
                                  .mode = SUP_LOG_FILE,
                                  .node = 1,
                                  .settings = settings};
    CHECK(sup_log_wire_send(rig.socket, &change, "web", file, -1) == 0);
    rig_write(web->write, text, total);
    CHECK(rig_quit(&rig) == 0);
    CHECK(rig_count_old(file) == 0);
    rig_finish(&rig);
}

static void begins_another_file_when_one_is_old(void)
{
    struct rig rig;
    const struct sup_log_settings settings = {.max_age_ns = 50000000, .max_files = 1000};
    size_t size = 0;
    rig_init(&rig);
    rig_start(&rig);
    const char *file = rig_path(&rig, "web.log");
    struct rig_source *web = rig_add_with(&rig, 1, "web", file, &settings);
    for (int i = 0; i < 30000 && rig_count_old(file) < 3; i++) {
        rig_print(web, i % 2 == 0 ? "begin " : "end\n");
        size += i % 2 == 0 ? 6 : 4;
        while (rig_read(&rig, 2)) continue;
    }
    free(expect_gathered(file, 0, size)); /* each old one ends with a line */
    CHECK(rig_count_old(file) >= 3);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void shares_a_file_that_is_full(void)
{
    struct rig rig;
    static char text[LINES * 128];
    const struct sup_log_settings settings = {.max_size = 8192, .max_files = 1000};
    size_t lines = 0, got;
    rig_init(&rig);
    rig_start(&rig);
    const char *file = rig_path(&rig, "both.log");
    struct rig_source *sources[2];
    for (size_t i = 0; i < 2; i++)
        sources[i] = rig_add_with(&rig, i + 1, i == 0 ? "web" : "db", file, &settings);
    size_t total = fill_lines(text, 0, 100);
    for (int i = 0; i < 40; i++) rig_write(sources[i % 2]->write, text, total);
    CHECK(rig_quit(&rig) == 0);
    char *kept = rig_gather(file, 8192, &got);
    CHECK(got == 40 * total);
    for (size_t at = 0; at < got; at++) lines += kept[at] == '\n';
    CHECK(lines == 4000);
    free(kept);
    rig_finish(&rig);
}

/* --- what lines look like --------------------------------------------------------------------- */

static void expect_file(const char *file, const char *wanted)
{
    size_t size;
    rig_expect_size(file, strlen(wanted));
    char *text = rig_slurp(file, &size);
    for (size_t i = 0; i < size; i++) /* '#' stands for a digit */
        if (wanted[i] == '#' ? text[i] < '0' || text[i] > '9' : text[i] != wanted[i])
            FAIL("%s: byte %zu of \"%s\"", file, i, text);
    free(text);
}

#define ISO "####-##-##T##:##:##.######Z "

static void writes_the_time_before_each_line(void)
{
    struct rig rig;
    struct sup_log_settings settings = {.stamps = SUP_STAMPS_ISO8601};
    rig_init(&rig);
    rig_start(&rig);
    const char *file = rig_path(&rig, "web.log");
    struct rig_source *web = rig_add_with(&rig, 1, "web", file, &settings);
    rig_print(web, "one\n\nthr");
    rig_expect(&rig, "web | \n");
    rig_print(web, "ee\r\n\x1b\xff\n");
    expect_file(file, ISO "one\n" ISO "\n" ISO "three\r\n" ISO "\x1b\xff\n");
    CHECK(unlink(file) == 0);

    CHECK(kill(rig.pid, SIGUSR1) == 0);
    rig_expect_size(file, 0);
    rig_print(web, "prompt: "); /* no end comes: it is written all the same, later */
    expect_file(file, ISO "prompt: ");
    rig_print(web, "yes\nlast words");
    rig_say(&rig, SUP_LOG_ENDED, 1);
    expect_file(file, ISO "prompt: yes\n" ISO "last words\n");
    rig_print(web, "slow ");
    expect_file(file, ISO "prompt: yes\n" ISO "last words\n" ISO "slow ");
    rig_say(&rig, SUP_LOG_ENDED, 1);
    expect_file(file, ISO "prompt: yes\n" ISO "last words\n" ISO "slow \n");
    rig_print(web, "risen");
    CHECK(rig_quit(&rig) == 0);
    expect_file(file, ISO "prompt: yes\n" ISO "last words\n" ISO "slow \n" ISO "risen\n");
    rig_finish(&rig);
}

static void writes_tai64n_labels(void)
{
    struct rig rig;
    struct sup_log_settings settings = {.stamps = SUP_STAMPS_TAI64N};
    size_t size;
    rig_init(&rig);
    rig_start(&rig);
    const char *file = rig_path(&rig, "web.log");
    struct rig_source *web = rig_add_with(&rig, 1, "web", file, &settings);
    rig_print(web, "one\n");
    rig_expect_size(file, 30);
    char *text = rig_slurp(file, &size);
    unsigned long long seconds;
    unsigned nanos;
    CHECK(text[0] == '@' && sscanf(text + 1, "%16llx%8x", &seconds, &nanos) == 2);
    long long now = (long long) time(NULL);
    long long said = (long long) (seconds - 4611686018427387914ULL);
    CHECK(said <= now && said > now - 1000 && nanos < 1000000000);
    CHECK(strcmp(text + 25, " one\n") == 0);
    free(text);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

#define JSON "{\"time\":\"####-##-##T##:##:##.######Z\",\"path\":\"shop/web\",\"line\":"

static void writes_json(void)
{
    struct rig rig;
    struct sup_log_settings settings = {.format = SUP_FORMAT_JSON};
    static char line[20001];
    size_t size;
    rig_init(&rig);
    rig_start(&rig);
    const char *file = rig_path(&rig, "web.log");
    struct rig_source *web = rig_add_with(&rig, 1, "shop/web", file, &settings);
    rig_print(web, "say \"hi\"\t\\\n\xc3\xa9\xff\n\n");
    expect_file(file,
                JSON "\"say \\\"hi\\\"\\t\\\\\"}\n" JSON "\"\xc3\xa9\\ufffd\"}\n" JSON "\"\"}\n");
    CHECK(truncate(file, 0) == 0);
    rig_print(web, "half");
    expect_file(file, JSON "\"half\",\"partial\":true}\n");
    rig_print(web, " done\nlast");
    rig_say(&rig, SUP_LOG_ENDED, 1);
    expect_file(file, JSON "\"half\",\"partial\":true}\n" JSON "\" done\"}\n" JSON "\"last\"}\n");
    CHECK(truncate(file, 0) == 0);
    memset(line, '"', sizeof(line) - 1);
    memcpy(line + 16383, "\xc3\xa9", 2); /* where it is cut */
    rig_write(web->write, line, sizeof(line) - 1);
    rig_print(web, "\n");
    CHECK(rig_quit(&rig) == 0);
    char *text = rig_slurp(file, &size);
    CHECK(strstr(text, "\",\"partial\":true}\n{") != NULL && strstr(text, "ufffd") == NULL);
    CHECK(strstr(text, "\"line\":\"\xc3\xa9\\\"") != NULL);
    free(text);
    rig_finish(&rig);
}

static void ends_the_lines_of_others(void)
{
    struct rig rig;
    struct sup_log_settings settings = {.stamps = SUP_STAMPS_ISO8601};
    rig_init(&rig);
    rig_start(&rig);
    const char *file = rig_path(&rig, "both.log");
    struct rig_source *web = rig_add_with(&rig, 1, "web", file, &settings);
    struct rig_source *db = rig_add_with(&rig, 2, "db", file, &settings);
    rig_print(web, "half");
    expect_file(file, ISO "half");
    rig_print(db, "whole\n");
    expect_file(file, ISO "half\n" ISO "whole\n");
    rig_print(web, "rest\nhalf");
    expect_file(file, ISO "half\n" ISO "whole\n" ISO "rest\n" ISO "half");
    rig_kill(&rig);
    rig_start(&rig);
    rig_print(web, "rest\n");
    expect_file(file, ISO "half\n" ISO "whole\n" ISO "rest\n" ISO "half\n" ISO "rest\n");
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

/* --- a full disk ------------------------------------------------------------------------------ */

/* What does not fit leaves no part of a line behind, and comes once there is room. */
static void waits_with_lines_for_room(void)
{
    struct rig rig;
    static char text[LINES * 128];
    struct sup_log_settings settings = {.stamps = SUP_STAMPS_ISO8601};
    struct rlimit tight = {20000, RLIM_INFINITY}, wide = {RLIM_INFINITY, RLIM_INFINITY};
    size_t total = fill_lines(text, 0, 600), got;
    rig_init(&rig);
    CHECK(ftruncate(rig.rings, (off_t) (SUP_RINGS_NOTES + SUP_RINGS_NOTES_BYTES)) == 0);
    rig_start(&rig);
    CHECK(prlimit(rig.pid, RLIMIT_FSIZE, &tight, NULL) == 0);
    const char *file = rig_path(&rig, "web.log");
    struct rig_source *web = rig_add_with(&rig, 1, "web", file, &settings);
    rig_write(web->write, text, total);
    rig_expect(&rig, "web.log: File too large; ");
    rig_expect(&rig, "line 599 ");
    char *kept = rig_slurp(file, &got);
    CHECK(got == 0 || kept[got - 1] == '\n');
    free(kept);
    rig_kill(&rig);
    rig_forget(&rig);
    rig_start(&rig);
    rig_expect(&rig, "line 599 ");
    CHECK(prlimit(rig.pid, RLIMIT_FSIZE, &wide, NULL) == 0);
    kept = expect_gathered(file, 0, total + 600 * 28);
    got = strip(kept, total + 600 * 28, 28);
    check_text(kept, got, text, total);
    free(kept);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

/* --- USR1 ------------------------------------------------------------------------------------- */

static void opens_files_anew_when_asked(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    const char *file = rig_path(&rig, "web.log");
    const char *moved = rig_path(&rig, "moved.log");
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", file);
    rig_print(web, "one\n");
    rig_expect_size(file, 4);
    CHECK(rename(file, moved) == 0);
    rig_print(web, "two\n"); /* nobody has asked yet */
    rig_expect_size(moved, 8);
    CHECK(kill(rig.pid, SIGUSR1) == 0);
    rig_expect_size(file, 0);
    rig_print(web, "three\nfo");
    rig_expect_size(file, 8);

    CHECK(rename(file, moved) == 0);
    CHECK(kill(rig.pid, SIGUSR1) == 0); /* in the middle of a line: that is waited for */
    rig_print(web, "ur\nfive\n");
    rig_expect_size(file, 5);
    expect_file(moved, "three\nfour\n");

    rig_print(web, "no end");
    rig_expect_size(file, 11);
    CHECK(unlink(file) == 0);
    CHECK(kill(rig.pid, SIGUSR1) == 0); /* not for ever */
    rig_expect_size(file, 0);
    rig_expect_idle(&rig, -1);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void waits_when_a_file_cannot_be_opened_anew(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    CHECK(mkdir(rig_path(&rig, "logs"), 0700) == 0);
    const char *file = rig_path(&rig, "logs/web.log");
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", file);
    rig_print(web, "one\n");
    rig_expect_size(file, 4);
    CHECK(rename(rig_path(&rig, "logs"), rig_path(&rig, "gone")) == 0);
    CHECK(kill(rig.pid, SIGUSR1) == 0);
    rig_expect_idle(&rig, -1);
    rig_print(web, "two\n");
    rig_expect(&rig, "web.log: No such file or directory; create its folder");
    rig_expect_pending(web->read, 4);
    CHECK(mkdir(rig_path(&rig, "logs"), 0700) == 0);
    CHECK(kill(rig.pid, SIGUSR1) == 0);
    expect_file(file, "two\n");
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void expect_refused(struct rig *rig, uint64_t node, const char *file,
                           const struct sup_log_settings *settings, const char *reason)
{
    struct rig_source *source = rig_add_with(rig, node, "web", file, settings);
    rig_expect(rig, reason);
    rig_expect(rig, "until then the output waits and nothing is lost\n");
    rig_print(source, "waits\n");
    rig_expect(rig, "waits\n");
    rig_expect_pending(source->read, 6);
    rig_forget(rig);
}

static void refuses_what_others_could_lead_elsewhere(void)
{
    const struct sup_log_settings usual = {0};
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    CHECK(mkdir(rig_path(&rig, "real"), 0700) == 0);
    CHECK(symlink("real", rig_path(&rig, "link")) == 0);
    CHECK(symlink("real/target", rig_path(&rig, "link.log")) == 0);
    CHECK(mkfifo(rig_path(&rig, "fifo"), 0600) == 0);
    FILE *file = fopen(rig_path(&rig, "hard.log"), "we");
    CHECK(file != NULL && fclose(file) == 0);
    CHECK(link(rig_path(&rig, "hard.log"), rig_path(&rig, "other.log")) == 0);
    expect_refused(&rig, 1, rig_path(&rig, "link.log"), &usual,
                   "Too many levels of symbolic links; name the file itself");
    expect_refused(&rig, 2, rig_path(&rig, "link/web.log"), &usual,
                   "/link on its path is a symbolic link, by which others could lead it elsewhere; "
                   "write the path without it: ");
    expect_refused(&rig, 3, rig_path(&rig, "fifo"), &usual, "it is no regular file; name a file");
    expect_refused(&rig, 4, rig_path(&rig, "real"), &usual, "Is a directory; ");
    expect_refused(&rig, 5, rig_path(&rig, "hard.log"), &usual, "it has 2 names (hard links)");
    CHECK(unlink(rig_path(&rig, "other.log")) == 0); /* the remedy */
    CHECK(kill(rig.pid, SIGUSR1) == 0);
    expect_file(rig_path(&rig, "hard.log"), "waits\n");
    CHECK(access(rig_path(&rig, "real/target"), F_OK) < 0);
    rig_finish(&rig);
}

static void refuses_what_the_services_user_could_change(void)
{
    const struct sup_log_settings nobody = {.uid = 65534, .gid = 65534};
    const struct sup_log_settings member = {.uid = 65533,
                                            .gid = 65533,
                                            .group_count = 1,
                                            .groups = {65534}};
    struct rig rig;
    if (geteuid() != 0) {
        printf("skipped: another user: not root\n");
        return;
    }
    rig_init(&rig);
    rig_start(&rig);
    CHECK(chmod(rig.dir, 0755) == 0);
    CHECK(mkdir(rig_path(&rig, "his"), 0755) == 0 && mkdir(rig_path(&rig, "his/ours"), 0755) == 0);
    CHECK(chown(rig_path(&rig, "his"), 65534, 65534) == 0);
    CHECK(mkdir(rig_path(&rig, "group"), 0775) == 0);
    CHECK(chown(rig_path(&rig, "group"), 0, 65534) == 0 &&
          chmod(rig_path(&rig, "group"), 0775) == 0);
    FILE *file = fopen(rig_path(&rig, "his.log"), "we");
    CHECK(file != NULL && fclose(file) == 0 && chown(rig_path(&rig, "his.log"), 65534, 0) == 0);
    expect_refused(&rig, 1, rig_path(&rig, "his/web.log"), &nobody,
                   "its folder is writable by the user of the service (uid 65534)");
    expect_refused(&rig, 2, rig_path(&rig, "his/ours/web.log"), &nobody,
                   "a folder on its path is writable by the user of the service (uid 65534)");
    expect_refused(&rig, 3, rig_path(&rig, "group/web.log"), &nobody, "its folder is writable by");
    expect_refused(&rig, 7, rig_path(&rig, "group/web.log"), &member, "its folder is writable by");
    expect_refused(&rig, 4, "/tmp/suptree-spec-no.log", &nobody, "its folder is writable by");
    expect_refused(&rig, 5, rig_path(&rig, "his.log"), &(struct sup_log_settings){0},
                   "it belongs to another user (uid 65534); remove it, or give it to this one");
    const char *good = rig_path(&rig, "web.log"); /* below /tmp, where he cannot move it */
    struct rig_source *web = rig_add_with(&rig, 6, "web", good, &nobody);
    rig_print(web, "fine\n");
    expect_file(good, "fine\n");
    rig_finish(&rig);
}

static void says_when_it_cannot_begin_another_file(void)
{
    struct rig rig;
    const struct sup_log_settings settings = {.max_size = 4096, .max_files = 3};
    static char text[LINES * 128];
    char name[256];
    rig_init(&rig);
    rig_start(&rig);
    size_t total = fill_lines(text, 0, 500);
    memset(name, 'n', 250); /* with the time behind it, it is too long for a name */
    name[250] = '\0';
    const char *file = rig_path(&rig, name);
    struct rig_source *web = rig_add_with(&rig, 1, "web", file, &settings);
    rig_write(web->write, text, total);
    rig_expect(&rig, "should end here and another begin, but: File name too long; ");
    rig_expect_size(file, total);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

int main(void)
{
    umask(022);
    begins_another_file_where_a_line_ends();
    keeps_a_line_whole_that_is_longer_than_a_file();
    keeps_as_many_old_files_as_asked();
    begins_another_file_when_one_is_old();
    shares_a_file_that_is_full();
    writes_the_time_before_each_line();
    writes_tai64n_labels();
    writes_json();
    ends_the_lines_of_others();
    waits_with_lines_for_room();
    opens_files_anew_when_asked();
    waits_when_a_file_cannot_be_opened_anew();
    refuses_what_others_could_lead_elsewhere();
    refuses_what_the_services_user_could_change();
    says_when_it_cannot_begin_another_file();
    return 0;
}
