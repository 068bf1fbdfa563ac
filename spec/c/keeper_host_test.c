/*
** spec/c/keeper_host_test.c: the real keeper and its hosts, which are killed, hang, say goodbye or
** never say a word; and what the next one is told.
*/
#include "lib_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODE(index) ((uint64_t) 1 << 32 | (uint64_t) (index))
#define SECOND INT64_C(1000000000)

/* Fast enough for a test, slow enough for a busy machine: a host may be silent for half a
   second. */
static const char *const fast[] = {"--test-speed", "20", NULL};

static void must_end_with(struct stage *stage, int code)
{
    int status = stage->keeper > 0 ? stage_wait_end(stage) : 0;
    MUST(WIFEXITED(status));
    MUST_EQUAL(WEXITSTATUS(status), code);
    stage_close(stage);
}

static void must_end_well(struct stage *stage)
{
    int status = stage_close(stage);
    MUST(WIFEXITED(status));
    MUST_EQUAL(WEXITSTATUS(status), 0);
}

static struct stage *open_stage(const char *const *more)
{
    struct stage *stage = stage_hosts("puppet", more);
    stage_accept(stage);
    struct sup_wire hello = stage_greet(stage);
    MUST_EQUAL(hello.a, 1);
    MUST_EQUAL(hello.b, 0);
    return stage;
}

/* The next host: returns its HELLO; all that stood up to HELLO_END is in the backlog. */
static struct sup_wire next_host(struct stage *stage)
{
    stage_drop_backlog(stage);
    stage_accept(stage);
    return stage_greet(stage);
}

static void close_now(struct stage *stage)
{
    close(stage->socket);
    stage->socket = -1;
}

/* --- kill -9 -------------------------------------------------------------------------------- */

static void touches_no_service_when_the_host_is_killed(void)
{
    struct stage *stage = open_stage(NULL);
    stage_plan_shell(stage, NODE(0), "exec sleep 1000");
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    for (int i = 2; i <= 4; i++) {
        stage_kill_host(stage);
        struct sup_wire hello = next_host(stage);
        MUST_EQUAL(hello.a, i);
        MUST_EQUAL(hello.b, 0);
        MUST_EQUAL(hello.node, SIGKILL);
        MUST_EQUAL(hello.seq, stage->seq);
        MUST_EQUAL(hello.instance, 1);
        int pidfd;
        struct sup_wire held = stage_expect(stage, SUP_WIRE_SPAWNED, 1, &pidfd);
        MUST_EQUAL(held.a, pid);
        MUST(pidfd >= 0);
        close(pidfd);
        MUST(stage_is_alive(pid));
    }
    must_end_well(stage);
}

static void keeps_every_status_until_it_is_acknowledged(void)
{
    struct stage *stage = open_stage(NULL);
    stage_plan_shell(stage, NODE(0), "exit 3");
    stage_start(stage, NODE(0), 1, NULL);
    stage_expect(stage, SUP_WIRE_EXIT, 1, NULL);
    stage_start(stage, NODE(0), 2, NULL);
    stage_expect(stage, SUP_WIRE_EXIT, 2, NULL);
    stage_spawn(stage, NODE(5), 3);
    stage_expect(stage, SUP_WIRE_SPAWN_FAILED, 3, NULL);
    stage_spawn(stage, NODE(5), 4);
    stage_expect(stage, SUP_WIRE_SPAWN_FAILED, 4, NULL);
    stage_ack(stage, 1);
    stage_ack(stage, 3);
    stage_settle(stage);
    for (int i = 0; i < 2; i++) {
        stage_kill_host(stage);
        MUST_EQUAL(next_host(stage).instance, 3);
        stage_expect(stage, SUP_WIRE_SPAWNED, 2, NULL);
        struct sup_wire end = stage_expect(stage, SUP_WIRE_EXIT, 2, NULL);
        MUST_EQUAL(WEXITSTATUS(end.a), 3);
        MUST_EQUAL(end.node, NODE(0));
        MUST_EQUAL(end.generation, 2);
        struct sup_wire failed = stage_expect(stage, SUP_WIRE_SPAWN_FAILED, 4, NULL);
        MUST_EQUAL(failed.a, SUP_STEP_PLAN);
        MUST_EQUAL(failed.b, ENOENT);
        MUST_EQUAL(stage->count, 0);
    }
    stage_ack(stage, 2);
    stage_ack(stage, 4);
    stage_settle(stage);
    stage_kill_host(stage);
    MUST_EQUAL(next_host(stage).instance, 0);
    must_end_well(stage);
}

/* The service is killed while nobody is there to hear of it. */
static void tells_what_ended_while_there_was_no_host(void)
{
    struct stage *stage = open_stage(NULL);
    stage_plan_shell(stage, NODE(0), "exec sleep 1000");
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    for (int i = 0; i < 3; i++) { /* now the next host comes after half a second */
        stage_kill_host(stage);
        if (i < 2) next_host(stage);
    }
    MUST(kill(pid, SIGUSR1) == 0);
    stage_await_gone(pid);
    struct sup_wire hello = next_host(stage);
    MUST_EQUAL(hello.instance, 2);
    MUST_EQUAL(WTERMSIG(stage_expect(stage, SUP_WIRE_EXIT, 1, NULL).a), SIGUSR1);
    must_end_well(stage);
}

/* What a host has said before its death counts, even what the keeper had not read by then. */
static void obeys_the_last_words_of_a_killed_host(void)
{
    struct stage *stage = open_stage(NULL);
    stage_plan_shell(stage, NODE(0), "exec sleep 1000");
    stage_plan_shell(stage, NODE(1), "exit 9");
    stage_settle(stage);
    MUST(kill(stage->keeper, SIGSTOP) == 0);
    for (uint64_t i = 100; i < 200; i++)
        stage_spawn(stage, NODE(99), i); /* there is no such node */
    stage_spawn(stage, NODE(0), 1);
    stage_spawn(stage, NODE(1), 2);
    MUST(kill(stage->host, SIGKILL) == 0);
    stage_await_gone(stage->host); /* so that the keeper sees words and death together */
    close_now(stage);
    MUST(kill(stage->keeper, SIGCONT) == 0);
    struct sup_wire hello = next_host(stage);
    MUST_EQUAL(hello.seq, stage->seq);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_SPAWN_FAILED, 0), 100);
    MUST(stage_expect(stage, SUP_WIRE_SPAWNED, 1, NULL).a > 0);
    MUST_EQUAL(WEXITSTATUS(stage_expect(stage, SUP_WIRE_EXIT, 2, NULL).a), 9);
    uint64_t seq = stage->seq;
    stage->seq -= 2; /* the next host is not sure and says it again */
    stage_spawn(stage, NODE(0), 1);
    stage_spawn(stage, NODE(1), 3);
    stage->seq = seq;
    stage_settle(stage);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_SPAWNED, 3), 0);
    must_end_well(stage);
}

/* What was said and not read by the keeper. */
static int count_unread(const struct stage *stage)
{
    int bytes = 0;
    MUST(ioctl(stage->socket, SIOCOUTQ, &bytes) == 0);
    return bytes;
}

/* More than fits into the socket, so that the host speaks while it is still being told. */
static void announces_how_much_it_tells(void)
{
    struct stage *stage = open_stage(NULL);
    enum { LIVE = 20, FAILED_STARTS = 6000 };
    const uint64_t last = LIVE + FAILED_STARTS;
    stage_plan_shell(stage, NODE(0), "exec sleep 1000");
    for (uint64_t i = 1; i <= LIVE; i++) stage_start(stage, NODE(0), i, NULL);
    for (uint64_t i = LIVE + 1; i <= last; i++) {
        stage_spawn(stage, NODE(99), i); /* there is no such node */
        stage_expect(stage, SUP_WIRE_SPAWN_FAILED, i, NULL);
    }
    stage_kill_host(stage);
    stage_drop_backlog(stage);
    stage_accept(stage);
    stage_ack(stage, last); /* not told yet, and still counted */
    stage_signal(stage, 1, SIGKILL, SUP_TARGET_PROCESS);
    AWAIT(count_unread(stage) == 0);
    MUST_EQUAL(stage_greet(stage).instance, LIVE + FAILED_STARTS);
    size_t news = stage_count(stage, SUP_WIRE_EXIT, 1); /* may have come right behind */
    MUST(news <= 1);
    MUST_EQUAL(stage->count - news, LIVE + FAILED_STARTS);
    if (news == 0) stage_expect(stage, SUP_WIRE_EXIT, 1, NULL);
    stage_settle(stage);
    stage_kill_host(stage);
    MUST_EQUAL(next_host(stage).instance, LIVE + 1 + FAILED_STARTS - 1);
    must_end_well(stage);
}

/* --- should it die itself --------------------------------------------------------------------- */

/* Whoever is not told of a process, because the keeper died, finds it in the table. */
static void writes_births_where_they_outlive_it(void)
{
    struct stage *stage = open_stage(NULL);
    stage_plan_shell(stage, NODE(0), "exec sleep 1000");
    stage_plan_shell(stage, NODE(1), "exit 4");
    stage_plan(stage, NODE(2), &(struct stage_plan){.argv = (const char *const[]){"/none", NULL}});
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    MUST_EQUAL(stage_birth(stage, 1), pid);
    stage_start(stage, NODE(1), 2, NULL);
    stage_expect(stage, SUP_WIRE_EXIT, 2, NULL);
    MUST_EQUAL(stage_birth(stage, 2), 0); /* its pid may be another's by now */
    stage_spawn(stage, NODE(2), 3);
    stage_expect(stage, SUP_WIRE_SPAWN_FAILED, 3, NULL);
    MUST_EQUAL(stage_birth(stage, 3), 0);
    stage_kill_host(stage);
    next_host(stage);
    MUST_EQUAL(stage_birth(stage, 1), pid);
    MUST(mmap(NULL, 1, PROT_WRITE, MAP_SHARED, stage->births, 0) == MAP_FAILED);
    kill(stage->keeper, SIGKILL);
    stage_wait_end(stage);
    MUST_EQUAL(stage_birth(stage, 1), pid);
    kill(pid, SIGKILL);
    kill(stage->host, SIGKILL);
    stage->host = 0;
    stage_close(stage);
}

/* --- what it holds for hosts ---------------------------------------------------------------- */

static int make_memory(const char *text)
{
    int fd = memfd_create("held", MFD_CLOEXEC);
    MUST(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text));
    return fd;
}

static void must_get(struct stage *stage, int kind, const char *text)
{
    for (size_t i = 0; i < stage->count; i++) {
        struct stage_message *message = &stage->backlog[i];
        if (message->wire.type != SUP_WIRE_FD || message->wire.a != kind) continue;
        char got[64] = "";
        MUST(pread(message->fd, got, sizeof got - 1, 0) >= 0);
        if (strcmp(got, text) != 0) FAILED("descriptor %d is '%s', not '%s'", kind, got, text);
        return;
    }
    FAILED("descriptor %d was not given", kind);
}

static void holds_blob_and_journal(void)
{
    char number[16];
    int blob = make_memory("first blob");
    int given = dup(blob);
    snprintf(number, sizeof number, "%d", given);
    const char *const more[] = {"--blob-fd", number, NULL};
    struct stage *stage = stage_hosts("puppet", more);
    close(given);
    stage_accept(stage);
    MUST_EQUAL(stage_greet(stage).instance, 1);
    must_get(stage, SUP_FD_BLOB, "first blob");
    int journal = make_memory("journal"), second = make_memory("second blob");
    int former = make_memory("former blobs");
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_STORE_FD, .a = SUP_FD_JOURNAL}, journal);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_STORE_FD, .a = SUP_FD_BLOB}, second);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_STORE_FD, .a = SUP_FD_FORMER}, former);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_STORE_FD, .a = SUP_FD_JOURNAL}, -1);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_STORE_FD, .a = 99}, journal);
    stage_settle(stage);
    size_t descriptors = stage_keeper_descriptors(stage);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_STORE_FD, .a = SUP_FD_JOURNAL}, journal);
    stage_settle(stage);
    MUST_EQUAL(stage_keeper_descriptors(stage), descriptors);
    stage_kill_host(stage);
    MUST_EQUAL(next_host(stage).instance, 3);
    must_get(stage, SUP_FD_BLOB, "second blob");
    must_get(stage, SUP_FD_FORMER, "former blobs");
    must_get(stage, SUP_FD_JOURNAL, "journal");
    must_end_well(stage);
}

/* Is ${words}, with their NULs, the end of what the host was started with? */
static bool is_told(const struct stage *stage, const char *words, size_t size)
{
    char path[64], line[4096];
    snprintf(path, sizeof path, "/proc/%d/cmdline", stage->host);
    FILE *file = fopen(path, "re");
    MUST(file != NULL);
    size_t length = fread(line, 1, sizeof line, file);
    fclose(file);
    return length > size && memcmp(line + length - size, words, size) == 0;
}

static void gives_each_host_the_words_that_are_for_it(void)
{
    static const char words[] = "--name\0spec\0--file\0my shop.lua\0--quiet\0yes";
    const char *const more[] = {"--host-word", "--file",      "--host-word",
                                "my shop.lua", "--host-word", "--quiet",
                                "--host-word", "yes",         NULL};
    struct stage *stage = open_stage(more);
    MUST(is_told(stage, words, sizeof words));
    stage_kill_host(stage);
    next_host(stage);
    MUST(is_told(stage, words, sizeof words));
    must_end_well(stage);
}

static void gives_the_host_its_socket_alone(void)
{
    struct stage *stage = open_stage(NULL);
    char line[64];
    /* 0, 1, 2, the socket, and the one by which the puppet knocks */
    MUST_EQUAL(stage_count_descriptors(stage->host), 5);
    MUST_EQUAL(getsid(stage->host), stage->host);
    stage_status_line(stage->host, "SigBlk", line, sizeof line);
    MUST_EQUAL(strtoull(line, NULL, 16), 0);
    must_end_well(stage);
}

/* --- again and again ------------------------------------------------------------------------ */

static void starts_again_with_growing_delays_and_then_in_safe_mode(void)
{
    static const int64_t delays_ns[] = {0,           SECOND / 10, SECOND / 2, 2 * SECOND,
                                        10 * SECOND, 30 * SECOND, 30 * SECOND};
    const char *const speed_10[] = {"--test-speed", "10", NULL};
    struct stage *stage = open_stage(speed_10);
    for (int i = 0; i < 5; i++) {
        int64_t death_ns = stage_now();
        stage_kill_host(stage);
        struct sup_wire hello = next_host(stage);
        MUST(hello.time_ns - death_ns >= delays_ns[i] / 10);
        MUST_EQUAL(hello.b, i < 4 ? 0 : SUP_HELLO_SAFE_MODE);
    }
    stage_await_text(stage, STAGE_SAID, "safe mode");
    must_end_well(stage);
}

static void live_for(struct stage *stage, int64_t life_ns)
{
    int64_t until = stage_now() + life_ns;
    while (stage_now() < until) {
        stage_send(stage, (struct sup_wire){.type = SUP_WIRE_HEARTBEAT}, -1);
        stage_pause();
    }
}

/* How often the keeper has said ${text}. */
static int count_said(const struct stage *stage, const char *text)
{
    static char said[65536];
    int count = 0;
    stage_read_file(stage_path(stage, STAGE_SAID), said, sizeof said);
    for (const char *at = said; (at = strstr(at, text)) != NULL; at++) count++;
    return count;
}

/* One that has lived for a minute (here three seconds) ends safe mode. */
static void forgives_after_a_good_life(void)
{
    struct stage *stage = open_stage(fast);
    struct sup_wire hello = {0};
    for (int i = 0; i < 20 && hello.b != SUP_HELLO_SAFE_MODE; i++) {
        stage_kill_host(stage);
        hello = next_host(stage);
    }
    MUST_EQUAL(hello.b, SUP_HELLO_SAFE_MODE);
    /* On a busy machine one may be taken for hanging before its time: then the next one tries. */
    for (int i = 0; i < 20 && hello.b != 0; i++) {
        live_for(stage, 3200000000);
        stage_kill_host(stage);
        hello = next_host(stage);
    }
    MUST_EQUAL(hello.b, 0);
    MUST(count_said(stage, "starting it again now") >= 2); /* and the delays begin anew */
    must_end_well(stage);
}

static void aborts_a_host_that_hangs(void)
{
    struct stage *stage = open_stage(fast);
    stage_plan_shell(stage, NODE(0), "exec sleep 1000");
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    pid_t host = stage->host;
    stage_await_gone(host); /* nothing is said meanwhile */
    close_now(stage);
    struct sup_wire hello = next_host(stage);
    MUST(WIFSIGNALED((int) hello.node));
    MUST_EQUAL(WTERMSIG((int) hello.node), SIGABRT);
    MUST(stage_is_alive(pid));
    stage_await_text(stage, STAGE_SAID, "is aborted; no service is touched");
    must_end_well(stage);
}

static void kills_a_host_that_survives_the_abort(void)
{
    struct stage *stage = stage_hosts("stubborn", fast);
    stage_accept(stage);
    stage_greet(stage);
    stage_await_gone(stage->host);
    close_now(stage);
    MUST_EQUAL(WTERMSIG((int) next_host(stage).node), SIGKILL);
    must_end_well(stage);
}

/* Whatever the host was doing beside (compiling a configuration, say) is over with it. */
static void ends_what_a_killed_host_has_started(void)
{
    struct stage *stage = stage_hosts("helped", NULL);
    char text[32];
    stage_accept(stage);
    stage_greet(stage);
    stage_read_file(stage_path(stage, "helper"), text, sizeof text);
    pid_t helper = (pid_t) strtol(text, NULL, 10);
    MUST(helper > 0 && stage_is_alive(helper));
    stage_kill_host(stage);
    stage_await_gone(helper);
    next_host(stage);
    must_end_well(stage);
}

static void kills_a_host_that_closes_its_socket(void)
{
    struct stage *stage = stage_hosts("closing", fast);
    stage_accept(stage);
    stage_greet(stage);
    close_now(stage);
    stage_await_gone(stage->host);
    MUST_EQUAL(WTERMSIG((int) next_host(stage).node), SIGKILL);
    close_now(stage);
    MUST(kill(stage->keeper, SIGTERM) == 0);
    must_end_with(stage, 0);
}

static void explains_hosts_that_never_say_a_word(void)
{
    struct stage *stage = stage_hosts("exit 78", fast);
    stage_await_text(stage, STAGE_SAID,
                     "ended with code 78 before it said a word, 2 times running");
    stage_await_text(stage, STAGE_SAID, "it cannot use the configuration that is stored");
    MUST(kill(stage->keeper, SIGTERM) == 0);
    must_end_with(stage, 0);
}

static void gives_up_when_there_is_no_host_program(void)
{
    const char *const missing[] = {"--host", "/nonexistent/suptree", NULL};
    struct stage *stage = stage_hosts("puppet", missing);
    int status = stage_wait_end(stage);
    MUST_EQUAL(WEXITSTATUS(status), 70);
    stage_await_text(stage, STAGE_SAID, "cannot run the host /nonexistent/suptree");
    stage_close(stage);
}

/* --- the end -------------------------------------------------------------------------------- */

static void ends_after_bye_and_kills_what_is_left(void)
{
    struct stage *stage = open_stage(NULL);
    stage_plan_shell(stage, NODE(0), "trap '' TERM; exec sleep 1000");
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_BYE, .a = 5}, -1);
    stage_kill_host(stage); /* however it ends after that: it was orderly */
    MUST_EQUAL(WEXITSTATUS(stage_wait_end(stage)), 5);
    MUST(!stage_is_alive(pid));
    stage_close(stage);
}

static void does_not_wait_for_ever_after_bye(void)
{
    struct stage *stage = open_stage(fast);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_BYE, .a = 6}, -1);
    pid_t host = stage->host;
    MUST_EQUAL(WEXITSTATUS(stage_wait_end(stage)), 6);
    MUST(!stage_is_alive(host));
    stage->host = 0;
    stage_close(stage);
}

static void tells_the_host_to_stop_and_to_reload(void)
{
    struct stage *stage = open_stage(NULL);
    MUST(kill(stage->keeper, SIGHUP) == 0);
    stage_expect(stage, SUP_WIRE_RELOAD, 0, NULL);
    MUST(kill(stage->keeper, SIGUSR1) == 0); /* and these do nothing */
    MUST(kill(stage->keeper, SIGQUIT) == 0);
    MUST(kill(stage->keeper, SIGTSTP) == 0);
    MUST(kill(stage->keeper, SIGINT) == 0);
    struct sup_wire stop = stage_expect(stage, SUP_WIRE_STOP, 0, NULL);
    MUST_EQUAL(stop.a, SIGINT);
    MUST_EQUAL(stop.b, 1);
    stage_kill_host(stage); /* the next one must know */
    stage_drop_backlog(stage);
    MUST_EQUAL(next_host(stage).b, SUP_HELLO_STOPPING);
    MUST_EQUAL(stage_expect(stage, SUP_WIRE_STOP, 0, NULL).b, 1);
    MUST(kill(stage->keeper, SIGTERM) == 0);
    stop = stage_expect(stage, SUP_WIRE_STOP, 0, NULL);
    MUST_EQUAL(stop.a, SIGTERM);
    MUST_EQUAL(stop.b, 2);
    must_end_well(stage);
}

static void takes_over_at_the_third_time(void)
{
    struct stage *stage = open_stage(NULL);
    stage_plan_shell(stage, NODE(0), "trap '' TERM; exec sleep 1000");
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    for (int i = 1; i <= 3; i++) {
        MUST(kill(stage->keeper, SIGTERM) == 0);
        if (i < 3) MUST_EQUAL(stage_expect(stage, SUP_WIRE_STOP, 0, NULL).b, i);
    }
    MUST_EQUAL(WEXITSTATUS(stage_wait_end(stage)), 0);
    MUST(!stage_is_alive(pid));
    MUST(!stage_is_alive(stage->host));
    stage->host = 0;
    stage_close(stage);
}

static void stops_by_itself_when_no_host_is_near(void)
{
    struct stage *stage = open_stage(NULL);
    stage_plan_shell(stage, NODE(0), "exec sleep 1000");
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    for (int i = 0; i < 4; i++) { /* the fifth host would come after two seconds */
        stage_kill_host(stage);
        if (i < 3) next_host(stage);
    }
    stage_await_text(stage, STAGE_SAID, "starting it again in 2 s");
    MUST(kill(stage->keeper, SIGTERM) == 0);
    MUST_EQUAL(WEXITSTATUS(stage_wait_end(stage)), 0);
    MUST(!stage_is_alive(pid));
    stage_await_text(stage, STAGE_SAID, "asked to stop while no host runs: stopping 1 services");
    stage_close(stage);
}

/* --- other hosts ---------------------------------------------------------------------------- */

static void start_helper(void)
{
    char path[256];
    pid_t helper = fork();
    while (helper == 0) pause();
    snprintf(path, sizeof path, "%s/helper", getenv("KEEPER_SPEC_FOLDER"));
    FILE *file = fopen(path, "w");
    if (file == NULL || fprintf(file, "%d\n", (int) helper) < 0 || fclose(file) != 0) _exit(97);
}

static int play(const char *mode)
{
    if (strncmp(mode, "exit ", 5) == 0) return (int) strtol(mode + 5, NULL, 10);
    if (strcmp(mode, "helped") == 0) start_helper();
    if (strcmp(mode, "stubborn") == 0) signal(SIGABRT, SIG_IGN);
    stage_knock("door", 3);
    if (strcmp(mode, "closing") == 0) close(3);
    for (;;) pause();
}

int main(int argc, char **argv)
{
#define CASE(name) \
    { \
#name, name \
    }
    static const struct stage_case cases[] = {
        CASE(touches_no_service_when_the_host_is_killed),
        CASE(writes_births_where_they_outlive_it),
        CASE(keeps_every_status_until_it_is_acknowledged),
        CASE(tells_what_ended_while_there_was_no_host),
        CASE(obeys_the_last_words_of_a_killed_host),
        CASE(announces_how_much_it_tells),
        CASE(holds_blob_and_journal),
        CASE(gives_each_host_the_words_that_are_for_it),
        CASE(gives_the_host_its_socket_alone),
        CASE(starts_again_with_growing_delays_and_then_in_safe_mode),
        CASE(forgives_after_a_good_life),
        CASE(aborts_a_host_that_hangs),
        CASE(kills_a_host_that_survives_the_abort),
        CASE(ends_what_a_killed_host_has_started),
        CASE(kills_a_host_that_closes_its_socket),
        CASE(explains_hosts_that_never_say_a_word),
        CASE(gives_up_when_there_is_no_host_program),
        CASE(ends_after_bye_and_kills_what_is_left),
        CASE(does_not_wait_for_ever_after_bye),
        CASE(tells_the_host_to_stop_and_to_reload),
        CASE(takes_over_at_the_third_time),
        CASE(stops_by_itself_when_no_host_is_near),
    };
    return stage_main(argc, argv, cases, sizeof cases / sizeof cases[0], play);
}
