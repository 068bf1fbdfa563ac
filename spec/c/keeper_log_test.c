/*
** spec/c/keeper_log_test.c: what the real keeper tells suptree-log, which the test plays; that a
** new one is told everything again and finds every byte; and what the host is given for its own
** lines.
*/
#include "lib_keeper.h"
#include "wire/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODE(index) ((uint64_t) 1 << 32 | (uint64_t) (index))

/* The test's end of a suptree-log that does nothing itself. */
struct writer {
    pid_t pid;
    int socket;
    int rings;
    int door;
};

struct news {
    struct sup_log_wire wire;
    char name[256];
    char file[256];
    int fd;
};

static const char *self(void)
{
    static char path[4096];
    MUST(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
    return path;
}

static void accept_writer(struct writer *writer)
{
    pid_t pid = stage_answer(writer->door, &writer->socket);
    writer->pid = stage_answer(writer->door, &writer->rings);
    MUST_EQUAL(pid, writer->pid);
}

static struct stage *open_stage(struct writer *writer, const char *extra)
{
    const char *const more[] = {"--log-program", self(), extra, extra == NULL ? NULL : "100", NULL};
    struct stage *stage = stage_library(more);
    writer->door = stage_open_door(stage, "log-door");
    accept_writer(writer);
    stage_greet(stage);
    return stage;
}

static struct news next_news(struct writer *writer)
{
    struct news news = {.fd = -1};
    static char text[SUP_LOG_TEXT_MAX + 1];
    struct pollfd wait = {.fd = writer->socket, .events = POLLIN};
    memset(text, 0, sizeof text);
    MUST(poll(&wait, 1, STAGE_SECONDS * 1000) == 1);
    MUST_EQUAL(sup_log_wire_receive(writer->socket, &news.wire, text, &news.fd), 1);
    if (news.wire.type != SUP_LOG_SOURCE) return news;
    size_t name_size = strlen(text) + 1, file_size = strlen(text + name_size) + 1;
    MUST(name_size <= sizeof news.name && file_size <= sizeof news.file);
    memcpy(news.name, text, name_size);
    memcpy(news.file, text + name_size, file_size);
    return news;
}

/* The next message about ${node} has to be of ${type}; what is about others is passed over. */
static struct news expect_news(struct writer *writer, int type, uint64_t node)
{
    for (;;) {
        struct news news = next_news(writer);
        if (news.wire.node != node && type != SUP_LOG_QUIT) {
            if (news.fd >= 0) close(news.fd);
            continue;
        }
        if (news.wire.type != type) FAILED("message %d came, not %d", news.wire.type, type);
        return news;
    }
}

static void expect_bytes(int fd, const char *wanted)
{
    char got[256] = "";
    size_t at = 0;
    while (at < strlen(wanted)) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        MUST(poll(&wait, 1, STAGE_SECONDS * 1000) == 1);
        ssize_t n = read(fd, got + at, strlen(wanted) - at);
        if (n <= 0) FAILED("'%s' came, not '%s'", got, wanted);
        at += (size_t) n;
    }
    if (strcmp(got, wanted) != 0) FAILED("'%s' came, not '%s'", got, wanted);
}

static void kill_writer(struct writer *writer)
{
    MUST(kill(writer->pid, SIGKILL) == 0);
    stage_await_gone(writer->pid);
    close(writer->socket);
    close(writer->rings);
}

/* The peer goes; the keeper says QUIT to the last writer, which ends in order. */
static void close_stage(struct stage *stage, struct writer *writer)
{
    close(stage->socket);
    stage->socket = -1;
    for (struct news news = {0}; news.wire.type != SUP_LOG_QUIT;) {
        news = next_news(writer);
        if (news.fd >= 0) close(news.fd);
    }
    MUST(kill(writer->pid, SIGTERM) == 0); /* it exits with 0 */
    int status = stage_wait_end(stage);
    MUST(WIFEXITED(status));
    MUST_EQUAL(WEXITSTATUS(status), 0);
    stage_close(stage);
}

static void run_once(struct stage *stage, uint64_t node, uint64_t instance)
{
    stage_start(stage, node, instance, NULL);
    stage_expect(stage, SUP_WIRE_EXIT, instance, NULL);
    stage_ack(stage, instance);
}

static void unplan(struct stage *stage, uint64_t node)
{
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_UNPLAN, .node = node}, -1);
    stage_settle(stage);
}

/* --- telling -------------------------------------------------------------------------------- */

static void tells_the_life_of_a_source(void)
{
    struct writer writer;
    struct stage *stage = open_stage(&writer, NULL);
    struct news host = expect_news(&writer, SUP_LOG_SOURCE, SUP_RING_HOST);
    MUST(strcmp(host.name, "suptree") == 0 && host.fd >= 0);
    stage_plan_shell(stage, NODE(4), "echo out; echo err >&2");
    struct news source = expect_news(&writer, SUP_LOG_SOURCE, NODE(4));
    MUST(strcmp(source.name, "service") == 0 && strcmp(source.file, "") == 0);
    MUST_EQUAL(source.wire.mode, SUP_LOG_VIEW);
    MUST(fcntl(source.fd, F_GETFL) & O_NONBLOCK);
    run_once(stage, NODE(4), 1);
    expect_bytes(source.fd, "out\nerr\n");
    expect_news(&writer, SUP_LOG_ENDED, NODE(4));
    run_once(stage, NODE(4), 2); /* the same pipe */
    expect_bytes(source.fd, "out\nerr\n");
    expect_news(&writer, SUP_LOG_ENDED, NODE(4));
    unplan(stage, NODE(4));
    expect_news(&writer, SUP_LOG_GONE, NODE(4));
    char byte;
    MUST_EQUAL(read(source.fd, &byte, 1), 0); /* nobody can write any more */
    close_stage(stage, &writer);
}

/* What still runs when its node leaves the tree is heard to its end. */
static void waits_for_the_last_instance_of_a_gone_node(void)
{
    struct writer writer;
    struct stage *stage = open_stage(&writer, NULL);
    stage_plan_shell(stage, NODE(0),
                     "trap 'echo bye; exit 3' TERM; echo up; "
                     "while :; do sleep 1000 & wait; done");
    struct news source = expect_news(&writer, SUP_LOG_SOURCE, NODE(0));
    stage_start(stage, NODE(0), 1, NULL);
    expect_bytes(source.fd, "up\n");
    unplan(stage, NODE(0));
    const uint64_t successor = UINT64_C(2) << 32; /* the same index, another node */
    stage_plan_shell(stage, successor, "echo next");
    struct news other = expect_news(&writer, SUP_LOG_SOURCE, successor);
    run_once(stage, successor, 2);
    expect_bytes(other.fd, "next\n");
    stage_signal(stage, 1, SIGTERM, SUP_TARGET_PROCESS);
    MUST_EQUAL(WEXITSTATUS(stage_expect(stage, SUP_WIRE_EXIT, 1, NULL).a), 3);
    expect_bytes(source.fd, "bye\n");
    expect_news(&writer, SUP_LOG_ENDED, NODE(0));
    expect_news(&writer, SUP_LOG_GONE, NODE(0));
    run_once(stage, successor, 3);
    stage_plan_shell(stage, UINT64_C(3) << 32, "true"); /* even if nobody says that one has left */
    struct news last;
    do {
        last = next_news(&writer);
    } while (last.wire.type != SUP_LOG_GONE || last.wire.node != successor);
    close_stage(stage, &writer);
}

static void tells_changed_settings(void)
{
    struct writer writer;
    struct stage *stage = open_stage(&writer, NULL);
    const char *const argv[] = {"/bin/true", NULL};
    struct stage_plan plan = {.argv = argv};
    stage_plan(stage, NODE(0), &plan);
    MUST(expect_news(&writer, SUP_LOG_SOURCE, NODE(0)).fd >= 0);
    stage_plan(stage, NODE(0), &plan); /* the same: nothing to tell */
    plan.log = SUP_LOG_FILE;
    plan.file = "/tmp/some.log";
    stage_plan(stage, NODE(0), &plan);
    struct news changed = expect_news(&writer, SUP_LOG_SOURCE, NODE(0));
    MUST_EQUAL(changed.fd, -1);
    MUST_EQUAL(changed.wire.mode, SUP_LOG_FILE);
    MUST(strcmp(changed.file, "/tmp/some.log") == 0);
    close_stage(stage, &writer);
}

static void makes_no_pipe_where_none_is_wanted(void)
{
    struct writer writer;
    struct stage *stage = open_stage(&writer, NULL);
    const char *const argv[] = {"/bin/sleep", "1000", NULL};
    char link[64], target[64];
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv, .log = SUP_LOG_NONE});
    stage_plan(stage, NODE(1), &(struct stage_plan){.argv = argv, .log = SUP_LOG_INHERIT});
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    snprintf(link, sizeof link, "/proc/%d/fd/1", (int) pid);
    ssize_t n = readlink(link, target, sizeof target - 1);
    MUST(n > 0);
    target[n] = '\0';
    MUST(strcmp(target, "/dev/null") == 0);
    stage_plan(stage, NODE(2), &(struct stage_plan){.argv = argv});
    /* passes over the host's, and must not meet one of 0 or 1 */
    for (;;) {
        struct news news = next_news(&writer);
        MUST(news.wire.node != NODE(0) && news.wire.node != NODE(1));
        if (news.wire.node == NODE(2)) break;
    }
    close_stage(stage, &writer);
}

static void gives_every_instance_a_blocking_end(void)
{
    struct writer writer;
    struct stage *stage = open_stage(&writer, NULL);
    const char *const argv[] = {"/bin/sleep", "1000", NULL};
    char path[64], text[256];
    int fd;
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv});
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_OUTPUT, .node = NODE(0)}, -1);
    stage_expect(stage, SUP_WIRE_OUTPUT_FD, 0, &fd);
    MUST(fcntl(fd, F_SETFL, O_NONBLOCK) == 0); /* as some programs do */
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    snprintf(path, sizeof path, "/proc/%d/fdinfo/1", (int) pid);
    stage_read_file(path, text, sizeof text);
    const char *flags = strstr(text, "flags:");
    MUST(flags != NULL);
    MUST_EQUAL(strtol(flags + 6, NULL, 8) & O_NONBLOCK, 0);
    close_stage(stage, &writer);
}

static void lets_threads_write(void)
{
    struct writer writer;
    struct stage *stage = open_stage(&writer, NULL);
    const char *const argv[] = {"thread", NULL};
    int fd;
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv, .flags = SUP_PLAN_NO_PROCESS});
    struct news source = expect_news(&writer, SUP_LOG_SOURCE, NODE(0));
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_OUTPUT, .node = NODE(0)}, -1);
    stage_expect(stage, SUP_WIRE_OUTPUT_FD, 0, &fd);
    MUST(fd >= 0 && write(fd, "from a thread\n", 14) == 14);
    expect_bytes(source.fd, "from a thread\n");
    close_stage(stage, &writer);
}

/* --- a new suptree-log ---------------------------------------------------------------------- */

static void tells_a_new_one_everything_again(void)
{
    struct writer writer;
    struct stage *stage = open_stage(&writer, NULL);
    stage_plan_shell(stage, NODE(0), "echo first");
    stage_plan_shell(stage, NODE(1), "echo second; exec sleep 1000");
    expect_news(&writer, SUP_LOG_SOURCE, NODE(0));
    run_once(stage, NODE(0), 1);
    pid_t pid = stage_start(stage, NODE(1), 2, NULL);
    kill_writer(&writer); /* it has read nothing */
    accept_writer(&writer);
    struct news first = expect_news(&writer, SUP_LOG_SOURCE, NODE(0));
    expect_bytes(first.fd, "first\n");
    expect_news(&writer, SUP_LOG_ENDED, NODE(0));
    struct news second = expect_news(&writer, SUP_LOG_SOURCE, NODE(1));
    expect_bytes(second.fd, "second\n");
    MUST(stage_is_alive(pid));
    stage_await_text(stage, STAGE_SAID, "suptree-log was killed by signal 9 (KILL)");
    close_stage(stage, &writer);
}

/* The node has left the tree, but nobody had read its last words. */
static void keeps_what_a_gone_node_has_said(void)
{
    struct writer writer;
    struct stage *stage = open_stage(&writer, NULL);
    stage_plan_shell(stage, NODE(0), "echo last words");
    expect_news(&writer, SUP_LOG_SOURCE, NODE(0));
    run_once(stage, NODE(0), 1);
    unplan(stage, NODE(0));
    expect_news(&writer, SUP_LOG_ENDED, NODE(0));
    expect_news(&writer, SUP_LOG_GONE, NODE(0));
    kill_writer(&writer);
    accept_writer(&writer);
    struct news source = expect_news(&writer, SUP_LOG_SOURCE, NODE(0));
    expect_news(&writer, SUP_LOG_ENDED, NODE(0));
    expect_news(&writer, SUP_LOG_GONE, NODE(0));
    size_t descriptors = stage_keeper_descriptors(stage);
    expect_bytes(source.fd, "last words\n");
    AWAIT(stage_keeper_descriptors(stage) < descriptors); /* now it lets go */
    close_stage(stage, &writer);
}

static void tells_a_thousand_to_one_that_does_not_read(void)
{
    struct writer writer;
    struct stage *stage = open_stage(&writer, NULL);
    enum { MANY = 1000 };
    for (int i = 0; i < MANY; i++) stage_plan_shell(stage, NODE(i), "true");
    stage_settle(stage); /* the keeper did not wait for the writer */
    for (int i = 0; i < MANY; i++) {
        struct news source = expect_news(&writer, SUP_LOG_SOURCE, NODE(i));
        MUST(source.fd >= 0);
        close(source.fd);
    }
    close_stage(stage, &writer);
}

/* What cannot be had now is said as such, and can be had when there is room again. */
static void run_out_of_descriptors(rlim_t left)
{
    struct writer writer;
    struct stage *stage = open_stage(&writer, NULL);
    const char *const argv[] = {"/bin/true", NULL};
    stage_settle(stage);
    struct rlimit limit = {.rlim_cur = stage_keeper_descriptors(stage) + left};
    limit.rlim_max = limit.rlim_cur;
    MUST(prlimit(stage->keeper, RLIMIT_NOFILE, &limit, NULL) == 0);
    for (int i = 0; i < 8; i++) stage_plan(stage, NODE(i), &(struct stage_plan){.argv = argv});
    stage_spawn(stage, NODE(7), 1);
    struct sup_wire failed = stage_expect(stage, SUP_WIRE_SPAWN_FAILED, 1, NULL);
    MUST_EQUAL(failed.a, SUP_STEP_DESCRIPTORS);
    MUST_EQUAL(failed.b, EMFILE);
    run_once(stage, NODE(0), 2); /* its pipe was made in time */
    for (int i = 0; i < 3; i++) unplan(stage, NODE(i));
    run_once(stage, NODE(7), 3);
    close_stage(stage, &writer);
}

static void says_when_descriptors_run_out(void)
{
    run_out_of_descriptors(4); /* an odd and an even number: a pipe takes two */
    run_out_of_descriptors(5);
}

static void lives_without_any(void)
{
    const char *const more[] = {"--log-program", "/nonexistent/suptree-log", NULL};
    struct stage *stage = stage_library(more);
    stage_greet(stage);
    stage_plan_shell(stage, NODE(0), "echo x; exit 3");
    stage_start(stage, NODE(0), 1, NULL);
    MUST_EQUAL(WEXITSTATUS(stage_expect(stage, SUP_WIRE_EXIT, 1, NULL).a), 3);
    stage_await_text(stage, STAGE_SAID, "cannot start suptree-log (exec: No such file");
    MUST_EQUAL(WEXITSTATUS(stage_close(stage)), 0);
}

static void does_not_wait_for_ever_at_the_end(void)
{
    struct writer writer;
    struct stage *stage = open_stage(&writer, "--test-speed");
    close(stage->socket);
    stage->socket = -1;
    MUST_EQUAL(WEXITSTATUS(stage_wait_end(stage)), 0); /* nobody reads QUIT */
    stage_await_text(stage, STAGE_SAID, "has not finished in time and is killed");
    stage_close(stage);
}

/* --- the host's part ------------------------------------------------------------------------ */

static int take_fd(struct stage *stage, int kind)
{
    for (size_t i = 0; i < stage->count; i++)
        if (stage->backlog[i].wire.type == SUP_WIRE_FD && stage->backlog[i].wire.a == kind)
            return stage->backlog[i].fd;
    FAILED("descriptor %d was not given", kind);
}

static void gives_the_host_output_events_and_rings(void)
{
    struct writer writer;
    char events[160];
    snprintf(events, sizeof events, "/tmp/events.%d", (int) getpid());
    const char *const more[] = {"--log-program", self(), "--events", events, NULL};
    struct stage *stage = stage_hosts("puppet", more);
    writer.door = stage_open_door(stage, "log-door");
    accept_writer(&writer);
    stage_accept(stage);
    MUST_EQUAL(stage_greet(stage).instance, 3);

    struct news source = expect_news(&writer, SUP_LOG_SOURCE, SUP_RING_HOST);
    int output = take_fd(stage, SUP_FD_OUTPUT);
    MUST(fcntl(output, F_GETFL) & O_NONBLOCK);
    MUST(write(output, "a line\n", 7) == 7);
    expect_bytes(source.fd, "a line\n");

    source = expect_news(&writer, SUP_LOG_SOURCE, SUP_RING_EVENTS);
    MUST_EQUAL(source.wire.mode, SUP_LOG_EVENTS);
    MUST(strcmp(source.file, events) == 0);
    MUST(write(take_fd(stage, SUP_FD_EVENTS), "{}\n", 3) == 3);
    expect_bytes(source.fd, "{}\n");

    struct stat info;
    int rings = take_fd(stage, SUP_FD_RINGS);
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    MUST(fstat(rings, &info) == 0);
    MUST_EQUAL(info.st_size, (off_t) SUP_RINGS_END);
    MUST(mmap(NULL, page, PROT_WRITE, MAP_SHARED, rings, 0) == MAP_FAILED);
    MUST(ftruncate(writer.rings, 0) < 0);
    char *written = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, writer.rings, 0);
    const char *seen = mmap(NULL, page, PROT_READ, MAP_SHARED, rings, 0);
    MUST(written != MAP_FAILED && seen != MAP_FAILED);
    written[7] = 'x';
    MUST(seen[7] == 'x');

    stage_kill_host(stage);
    expect_news(&writer, SUP_LOG_ENDED, SUP_RING_HOST); /* a last line without its end is shown */
    stage_drop_backlog(stage);
    stage_accept(stage);
    MUST_EQUAL(stage_greet(stage).instance, 3);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_BYE}, -1);
    MUST(kill(stage->host, SIGKILL) == 0);
    stage->host = 0;
    close_stage(stage, &writer);
}

/* --- playing suptree-log -------------------------------------------------------------------- */

static void leave(int signal)
{
    (void) signal;
    _exit(0);
}

_Noreturn static void play_writer(void)
{
    signal(SIGTERM, leave);
    stage_knock("log-door", 3);
    stage_knock("log-door", 4);
    for (;;) pause();
}

int main(int argc, char **argv)
{
#define CASE(name) \
    { \
#name, name \
    }
    static const struct stage_case cases[] = {
        CASE(tells_the_life_of_a_source),
        CASE(waits_for_the_last_instance_of_a_gone_node),
        CASE(tells_changed_settings),
        CASE(makes_no_pipe_where_none_is_wanted),
        CASE(gives_every_instance_a_blocking_end),
        CASE(lets_threads_write),
        CASE(tells_a_new_one_everything_again),
        CASE(keeps_what_a_gone_node_has_said),
        CASE(tells_a_thousand_to_one_that_does_not_read),
        CASE(says_when_descriptors_run_out),
        CASE(lives_without_any),
        CASE(does_not_wait_for_ever_at_the_end),
        CASE(gives_the_host_output_events_and_rings),
    };
    if (argc > 1 && strcmp(argv[1], "--socket") == 0) play_writer();
    return stage_main(argc, argv, cases, sizeof cases / sizeof cases[0], NULL);
}
