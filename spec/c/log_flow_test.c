/*
** Floods, and terminals that do not read: who waits, who goes on, and that nothing is lost.
*/
#define _GNU_SOURCE
#include "lib_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define RECORD_BYTES 32

/* A process that writes numbered records as fast as it can, and ends. */
static pid_t start_writer(int fd, char letter, int records)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char record[RECORD_BYTES + 1];
    for (int i = 0; i < records; i++) {
        snprintf(record, sizeof(record), "%c %29d\n", letter, i);
        rig_write(fd, record, RECORD_BYTES);
    }
    _exit(0);
}

static bool has_ended(pid_t pid)
{
    int status;
    pid_t got = waitpid(pid, &status, WNOHANG);
    CHECK(got >= 0 && (got == 0 || status == 0));
    return got == pid;
}

static void wait_writer(pid_t pid)
{
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void check_records(const char *file, char letter, int records)
{
    size_t size;
    char record[RECORD_BYTES + 1];
    char *text = rig_slurp(file, &size);
    CHECK(size == (size_t) records * RECORD_BYTES);
    for (int i = 0; i < records; i++) {
        snprintf(record, sizeof(record), "%c %29d\n", letter, i);
        if (memcmp(text + (size_t) i * RECORD_BYTES, record, RECORD_BYTES) != 0)
            FAIL("%s: record %d is \"%.32s\"", file, i, text + (size_t) i * RECORD_BYTES);
    }
    free(text);
}

/* Two that flood and one that says a word: everything arrives, and the word is not kept waiting. */
static void serves_all_in_a_flood(void)
{
    enum { records = 300000 };
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", rig_path(&rig, "web.log"));
    struct rig_source *db = rig_add(&rig, 2, SUP_LOG_FILE, "db", rig_path(&rig, "db.log"));
    struct rig_source *calm = rig_add(&rig, 3, SUP_LOG_VIEW, "calm", "");
    pid_t first = start_writer(web->write, 'w', records);
    pid_t second = start_writer(db->write, 'd', records);
    bool is_asked = false, was_early = false;
    bool first_ended = false, second_ended = false;
    while (!first_ended || !second_ended) {
        rig_read(&rig, 10);
        if (!is_asked && rig_has_seen(&rig, "web  | w ")) rig_print(calm, "a word\n");
        is_asked = is_asked || rig_has_seen(&rig, "web  | w ");
        was_early = was_early || rig_has_seen(&rig, "calm | a word\n");
        if (rig.seen_size > 100000) rig_forget(&rig);
        first_ended = first_ended || has_ended(first);
        second_ended = second_ended || has_ended(second);
    }
    CHECK(was_early);
    CHECK(rig_quit(&rig) == 0);
    check_records(rig_path(&rig, "web.log"), 'w', records);
    check_records(rig_path(&rig, "db.log"), 'd', records);
    rig_finish(&rig);
}

/* What is shown of one service: that its numbers follow each other, and which were left out. */
struct tally {
    const char *start; /* of each of its lines */
    char letter;
    int next, shown, missing;
};

/* ${text}: what follows the name. */
static void count_line(struct tally *tally, const char *text)
{
    int gap;
    char mark, number[16];
    if (sscanf(text, "... %d lines not shown", &gap) == 1) {
        tally->missing += gap;
        tally->next += gap;
        return;
    }
    CHECK(sscanf(text, "%c %15s", &mark, number) == 2 && mark == tally->letter);
    if (atoi(number) != tally->next)
        FAIL("%sline %s after line %d", tally->start, number, tally->next - 1);
    tally->next++;
    tally->shown++;
}

/*
** Every shown line of ${name} in order; ${missing}: the gaps. A line is copied before it is looked
** at: functions on strings may measure all that follows, which is megabytes.
*/
static int count_lines(const struct rig *rig, const char *name, char letter, int *missing)
{
    char start[32], line[256];
    const char *at = rig->seen, *end = rig->seen + rig->seen_size;
    snprintf(start, sizeof(start), "%-4s | ", name);
    struct tally tally = {.start = start, .letter = letter};
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t) (end - at));
        CHECK(newline != NULL && (size_t) (newline - at) < sizeof(line));
        memcpy(line, at, (size_t) (newline - at));
        line[newline - at] = '\0';
        if (strncmp(line, start, strlen(start)) == 0) count_line(&tally, line + strlen(start));
        at = newline + 1;
    }
    *missing = tally.missing;
    return tally.shown;
}

enum kind { PIPE, TERMINAL, SOCKET };

/* Let the output go into a thing of ${kind}, whose other end the rig reads. */
static void choose_output(struct rig *rig, enum kind kind)
{
    int ends[2];
    struct termios raw;
    if (kind == PIPE) return;
    if (kind == SOCKET) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    } else {
        ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        CHECK(ends[0] >= 0 && grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0);
        ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
        CHECK(ends[1] >= 0 && tcgetattr(ends[1], &raw) == 0);
        cfmakeraw(&raw);
        CHECK(tcsetattr(ends[1], TCSANOW, &raw) == 0);
    }
    rig_output(rig, ends[1]);
    rig->out = ends[0];
}

static void goes_on_behind_a_reader_that_stops(enum kind kind)
{
    enum { records = 50000 };
    struct rig rig;
    int pending;
    rig_init(&rig);
    choose_output(&rig, kind);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", rig_path(&rig, "web.log"));
    struct rig_source *bare = rig_add(&rig, 2, SUP_LOG_VIEW, "bare", "");
    pid_t second = start_writer(bare->write, 'b', records);
    rig_expect_idle(&rig, -2);
    pid_t first = start_writer(web->write, 'w', records);
    /* nobody reads: the one with a file ends, the other waits with a full pipe */
    rig_expect_size(rig_path(&rig, "web.log"), (size_t) records * RECORD_BYTES);
    wait_writer(first);
    rig_expect_idle(&rig, -1);
    rig_expect_ring(&rig, 1, (uint64_t) records * RECORD_BYTES);
    CHECK(!has_ended(second));
    CHECK(ioctl(bare->read, FIONREAD, &pending) == 0 && pending > 0);
    CHECK((fcntl(rig.out_write, F_GETFL) & O_NONBLOCK) == 0);

    bool ended = false;
    while (!ended) {
        rig_read(&rig, 10);
        ended = has_ended(second);
    }
    CHECK(rig_quit(&rig) == 0);
    int missing;
    CHECK(count_lines(&rig, "bare", 'b', &missing) == records && missing == 0);
    int shown = count_lines(&rig, "web", 'w', &missing);
    if (missing == 0 || shown + missing != records)
        FAIL("%d lines shown and %d told as not shown of %d", shown, missing, records);
    check_records(rig_path(&rig, "web.log"), 'w', records);
    rig_finish(&rig);
}

static void ends_behind_a_reader_that_stops(void)
{
    enum { records = 50000 };
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", rig_path(&rig, "web.log"));
    wait_writer(start_writer(web->write, 'w', records));
    rig_say(&rig, SUP_LOG_QUIT, 0);
    int out = rig.out;
    rig.out = -1; /* still nobody reads */
    int status = rig_wait(&rig);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1); /* the file is whole, the view is not */
    check_records(rig_path(&rig, "web.log"), 'w', records);
    rig.out = out;
    rig_finish(&rig);
}

static void goes_on_without_a_reader(enum kind kind)
{
    enum { records = 10000 };
    struct rig rig;
    rig_init(&rig);
    choose_output(&rig, kind);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", rig_path(&rig, "web.log"));
    struct rig_source *bare = rig_add(&rig, 2, SUP_LOG_VIEW, "bare", "");
    rig_print(bare, "seen\n");
    rig_expect(&rig, "seen\n");
    close(rig.out);
    rig.out = -1;
    wait_writer(start_writer(web->write, 'w', records));
    wait_writer(start_writer(bare->write, 'b', records));
    rig_expect_ring(&rig, 2, 5 + (uint64_t) records * RECORD_BYTES);
    CHECK(rig_quit(&rig) == 0);
    check_records(rig_path(&rig, "web.log"), 'w', records);
    rig_finish(&rig);
}

/* Another pipe reader later: what was seen of a hung-up pipe is no end of the source. */
static void sleeps_when_nobody_writes(void)
{
    struct rig rig;
    char path[64];
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_expect_idle(&rig, -1);
    rig_print(web, "one\n");
    rig_expect(&rig, "web | one\n");
    close(web->write); /* the last writer: it must not spin over the hang-up */
    rig_expect_idle(&rig, -1);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", web->read);
    web->write = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(web->write >= 0);
    rig_print(web, "two\n");
    rig_expect(&rig, "web | two\n");
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void is_ruled_by_the_keeper_alone(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTTOU, SIGXFSZ};
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_print(web, "one\n");
    rig_expect(&rig, "web | one\n");
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) kill(rig.pid, signals[i]);
    rig_print(web, "two\n");
    rig_expect(&rig, "web | two\n");
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

/* No descriptor but the standard streams would survive an exec. */
static void keeps_its_descriptors_to_itself(void)
{
    struct rig rig;
    char path[64], line[128];
    int looked = 0;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", rig_path(&rig, "web.log"));
    rig_print(web, "one\n");
    rig_expect(&rig, "web | one\n");
    snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int) rig.pid);
    DIR *dir = opendir(path);
    CHECK(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        unsigned flags = 0;
        if (entry->d_name[0] == '.' || atoi(entry->d_name) <= 2) continue;
        snprintf(line, sizeof(line), "%s/%.16s", path, entry->d_name);
        FILE *info = fopen(line, "re");
        CHECK(info != NULL);
        while (fgets(line, sizeof(line), info) != NULL) sscanf(line, "flags: %o", &flags);
        fclose(info);
        if ((flags & O_CLOEXEC) == 0) FAIL("descriptor %s is inheritable", entry->d_name);
        looked++;
    }
    closedir(dir);
    CHECK(looked >= 6);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

/* Rings that cannot be mapped are told and done without. */
static void goes_on_without_rings(void)
{
    struct rig rig;
    rig_init(&rig);
    close(rig.rings);
    rig.rings = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK(rig.rings >= 0);
    rig_start(&rig);
    rig_expect(&rig, "log process: cannot map the last output of the services: ");
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", rig_path(&rig, "web.log"));
    rig_print(web, "one\n");
    rig_expect(&rig, "web | one\n");
    rig_expect_size(rig_path(&rig, "web.log"), 4);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

/* A keeper of another version is told, and what is there still comes out. */
static void refuses_a_foreign_keeper(void)
{
    struct rig rig;
    struct sup_log_wire foreign = {.version = SUP_LOG_WIRE_VERSION + 1, .type = SUP_LOG_QUIT};
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_VIEW, "web", "");
    rig_print(web, "one\n");
    CHECK(send(rig.socket, &foreign, sizeof(foreign), 0) == (ssize_t) sizeof(foreign));
    int status = rig_wait(&rig);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    CHECK(rig_has_seen(&rig, "web | one\n"));
    CHECK(rig_has_seen(&rig, "install programs of one version"));
    rig_finish(&rig);
}

/* Hundreds of messages in one go, and a source without its descriptor. */
static void takes_many_sources(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *first = rig_add(&rig, 0, SUP_LOG_VIEW, "first", "");
    for (uint64_t i = 1; i < 2000; i++) {
        struct rig_source copy = *first;
        copy.node = i;
        rig_tell(&rig, &copy);
    }
    struct sup_log_wire bare = {.type = SUP_LOG_SOURCE, .mode = SUP_LOG_VIEW, .node = 5000};
    CHECK(sup_log_wire_send(rig.socket, &bare, "bare", NULL, -1) == 0);
    rig_expect(&rig, "bare: its output cannot be shown: no descriptor came with it");
    for (uint64_t i = 1; i < 2000; i++) rig_say(&rig, SUP_LOG_GONE, i);
    rig_say(&rig, SUP_LOG_GONE, 77777);
    rig_print(first, "still here\n");
    rig_expect(&rig, "first | still here\n");
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

int main(void)
{
    serves_all_in_a_flood();
    goes_on_behind_a_reader_that_stops(PIPE);
    goes_on_behind_a_reader_that_stops(TERMINAL);
    goes_on_behind_a_reader_that_stops(SOCKET);
    ends_behind_a_reader_that_stops();
    goes_on_without_a_reader(PIPE);
    goes_on_without_a_reader(TERMINAL);
    goes_on_without_a_reader(SOCKET);
    sleeps_when_nobody_writes();
    is_ruled_by_the_keeper_alone();
    keeps_its_descriptors_to_itself();
    takes_many_sources();
    goes_on_without_rings();
    refuses_a_foreign_keeper();
    return 0;
}
