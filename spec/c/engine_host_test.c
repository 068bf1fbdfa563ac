/*
** spec/c/engine_host_test.c: a whole host against a keeper that the test plays: what it says, and
** what it knows again after it was killed. The host runs in a child of its own; processes are
** made up, but for those that are to be signalled.
*/
#include "engine/engine.h"
#include "engine/host.h"
#include "lib_form.h"
#include "lib_test.h"
#include "wire/plan.h"
#include "wire/wire.h"

#include "core/option_ids.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 60000
#define MS INT64_C(1000000)
#define MOST 4096

/* The keeper, as far as the host can tell. */
struct stage {
    struct sup_host_options options;
    pid_t host;
    int socket;
    int blob, journal, tap, said;
    int births;               /* table of struct sup_birth; -1: the keeper has none */
    int lines, lines_write;   /* for people */
    int events, events_write; /* for programs */
    int hosts;                /* started so far */
    int wait_status;          /* of the former one */
    uint64_t handled;         /* greatest seq */
    size_t plans, acks, stores;
    struct sup_wire last_plan;
    struct sup_wire told[MOST]; /* for the next HELLO */
    int told_fd[MOST];
    size_t told_count;
    char text[1 << 20]; /* what was said to people */
    size_t text_size;
    char json[1 << 20];
    size_t json_size;
};

static int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t) time.tv_sec * 1000 * MS + time.tv_nsec;
}

/* --- the stage -------------------------------------------------------------------------------- */

static int make_blob(struct sup_form_writer *writer)
{
    size_t size;
    unsigned char *bytes = sup_form_finish(writer, &size);
    int fd = memfd_create("blob", MFD_CLOEXEC);
    MUST(bytes != NULL && fd >= 0 && write(fd, bytes, size) == (ssize_t) size);
    free(bytes);
    return fd;
}

static struct stage *open_stage(int blob)
{
    struct stage *stage = calloc(1, sizeof *stage);
    int ends[2];
    MUST(stage != NULL);
    signal(SIGPIPE, SIG_IGN);
    stage->blob = blob;
    stage->journal = stage->births = stage->tap = stage->said = stage->socket = -1;
    stage->options = (struct sup_host_options){.name = "shop"};
    MUST(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    stage->lines = ends[0];
    stage->lines_write = ends[1];
    MUST(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    stage->events = ends[0];
    stage->events_write = ends[1];
    fcntl(stage->events, F_SETPIPE_SZ, 1 << 20);
    fcntl(stage->lines, F_SETPIPE_SZ, 1 << 20);
    return stage;
}

static void say(struct stage *stage, struct sup_wire message, int fd)
{
    message.version = SUP_WIRE_VERSION;
    for (int tries = 0;; tries++) {
        int r = sup_wire_send(stage->socket, &message, fd);
        struct pollfd wait = {.fd = stage->socket, .events = POLLOUT};
        if (r != -EAGAIN) {
            CHECK_INT(r, 0);
            return;
        }
        MUST(poll(&wait, 1, PATIENCE_MS) > 0);
    }
}

static void say_fd(struct stage *stage, enum sup_wire_fd kind, int fd)
{
    if (fd >= 0) say(stage, (struct sup_wire){.type = SUP_WIRE_FD, .a = (int32_t) kind}, fd);
}

static void greet(struct stage *stage)
{
    struct sup_wire hello = {.type = SUP_WIRE_HELLO, .seq = stage->handled, .a = ++stage->hosts};
    say(stage, hello, -1);
    say_fd(stage, SUP_FD_BLOB, stage->blob);
    say_fd(stage, SUP_FD_JOURNAL, stage->journal);
    say_fd(stage, SUP_FD_OUTPUT, stage->lines_write);
    say_fd(stage, SUP_FD_EVENTS, stage->events_write);
    say_fd(stage, SUP_FD_BIRTHS, stage->births);
    say_fd(stage, SUP_FD_TAP, stage->tap);
    say_fd(stage, SUP_FD_SAID, stage->said);
    for (size_t i = 0; i < stage->told_count; i++) say(stage, stage->told[i], stage->told_fd[i]);
    say(stage, (struct sup_wire){.type = SUP_WIRE_HELLO_END}, -1);
}

static void start_host(struct stage *stage)
{
    int ends[2];
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    fflush(NULL);
    stage->host = fork();
    MUST(stage->host >= 0);
    if (stage->host == 0) {
        close(ends[0]);
        if (stage->socket >= 0) close(stage->socket);
        stage->options.socket = ends[1];
        int error = open("/dev/null", O_WRONLY);
        dup2(error, STDERR_FILENO);
        int code = sup_host_run(&stage->options);
        exit(code); /* not _exit: a sanitizer then tells of leaks */
    }
    close(ends[1]);
    stage->socket = ends[0];
    greet(stage);
}

static void take_text(int fd, char *text, size_t *size, size_t room)
{
    for (ssize_t n; *size + 1 < room && (n = read(fd, text + *size, room - 1 - *size)) > 0;)
        *size += (size_t) n;
    text[*size] = '\0';
}

static void take_news(struct stage *stage)
{
    take_text(stage->lines, stage->text, &stage->text_size, sizeof stage->text);
    take_text(stage->events, stage->json, &stage->json_size, sizeof stage->json);
}

/* What the keeper does with a message that the test did not ask for. */
static void obey(struct stage *stage, const struct sup_wire *message, int fd)
{
    if ((message->type == SUP_WIRE_SPAWN || message->type == SUP_WIRE_SIGNAL) &&
        message->seq > stage->handled)
        stage->handled = message->seq;
    if (message->type == SUP_WIRE_ACK) stage->acks++;
    if (message->type == SUP_WIRE_STORE_FD) {
        bool is_journal = message->a == SUP_FD_JOURNAL;
        bool is_tap = message->a == SUP_FD_TAP;
        int *place = is_journal ? &stage->journal : is_tap ? &stage->tap : &stage->said;
        CHECK(is_journal || is_tap || message->a == SUP_FD_SAID);
        if (*place >= 0) close(*place);
        *place = dup(fd);
        if (is_journal) stage->stores++;
    }
    if (message->type == SUP_WIRE_PLANS) CHECK(fd >= 0);
    if (message->type == SUP_WIRE_PLAN) {
        stage->plans++;
        stage->last_plan = *message;
    }
    if (fd >= 0) close(fd);
}

/* The next message of one of the types; what comes before it is obeyed. 0: the host has gone. */
static struct sup_wire next_of(struct stage *stage, int type, int other_type)
{
    for (;;) {
        struct sup_wire message = {.type = 0};
        int fd = -1;
        int r = sup_wire_receive(stage->socket, &message, &fd);
        take_news(stage);
        if (r == -EAGAIN) {
            struct pollfd wait = {.fd = stage->socket, .events = POLLIN};
            MUST(poll(&wait, 1, PATIENCE_MS) > 0);
            continue;
        }
        if (r != 1) return (struct sup_wire){.type = 0};
        uint64_t before = stage->handled;
        obey(stage, &message, fd);
        bool repeated = (message.type == SUP_WIRE_SPAWN || message.type == SUP_WIRE_SIGNAL) &&
                        message.seq <= before;
        if (!repeated && (message.type == type || message.type == other_type)) return message;
    }
}

static struct sup_wire next(struct stage *stage, int type)
{
    struct sup_wire message = next_of(stage, type, type);
    CHECK_INT(message.type, type);
    return message;
}

static int end_of_host(struct stage *stage)
{
    int status;
    MUST(waitpid(stage->host, &status, 0) == stage->host);
    stage->host = 0;
    take_news(stage);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* kill -9; what it has said still counts. */
static void kill_host(struct stage *stage)
{
    kill(stage->host, SIGKILL);
    CHECK_INT(end_of_host(stage), 256 + SIGKILL);
    while (next_of(stage, -1, -1).type != 0) continue;
    close(stage->socket);
    stage->socket = -1;
}

static void close_stage(struct stage *stage)
{
    if (stage->host > 0) kill_host(stage);
    if (stage->socket >= 0) close(stage->socket);
    if (stage->journal >= 0) close(stage->journal);
    if (stage->births >= 0) close(stage->births);
    if (stage->tap >= 0) close(stage->tap);
    if (stage->said >= 0) close(stage->said);
    close(stage->blob);
    close(stage->lines);
    close(stage->lines_write);
    close(stage->events);
    close(stage->events_write);
    free(stage);
}

/* Wait until people, or programs, have been told ${part}. */
static void await(struct stage *stage, const char *said, const char *part)
{
    struct pollfd wait[] = {{.fd = stage->lines, .events = POLLIN},
                            {.fd = stage->events, .events = POLLIN}};
    sup_test_case("waiting for \"%s\"", part);
    for (take_news(stage); strstr(said, part) == NULL; take_news(stage))
        MUST(poll(wait, 2, PATIENCE_MS) > 0);
    sup_test_case(NULL);
}

/* --- made-up processes ------------------------------------------------------------------------ */

#define NOBODY 4100000 /* more than pids go to */

static struct sup_wire spawned(const struct sup_wire *spawn, pid_t pid)
{
    return (struct sup_wire){.type = SUP_WIRE_SPAWNED,
                             .node = spawn->node,
                             .instance = spawn->instance,
                             .generation = spawn->generation,
                             .time_ns = now_ns(),
                             .a = pid};
}

static struct sup_wire ended(const struct sup_wire *spawn, int status)
{
    struct sup_wire message = spawned(spawn, status);
    message.type = SUP_WIRE_EXIT;
    return message;
}

static void tell_at_hello(struct stage *stage, struct sup_wire message, int fd)
{
    message.version = SUP_WIRE_VERSION;
    stage->told_fd[stage->told_count] = fd;
    stage->told[stage->told_count++] = message;
}

/* A process that does nothing until it is signalled, in a group of its own. */
static pid_t make_process(int *pidfd)
{
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        setsid();
        close_range(3, ~0U, 0); /* the stage's sockets must close when the stage closes them */
        signal(SIGTERM, SIG_DFL);
        for (;;) pause();
    }
    *pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
    return pid;
}

static int status_of(pid_t pid)
{
    int status;
    MUST(waitpid(pid, &status, 0) == pid);
    return status;
}

/* --- trees ------------------------------------------------------------------------------------ */

static int one_service(void)
{
    struct sup_form_writer writer = {0};
    plain_supervisor(&writer, "shop", 1);
    plain_process(&writer, "web");
    return make_blob(&writer);
}

static int patient_shop(uint32_t services)
{
    struct sup_form_writer writer = {0};
    char name[16];
    supervisor(&writer, "shop", services);
    put_double(&writer, SUP_OPTION_FAILURE_THRESHOLD, 1e9);
    sup_form_end(&writer);
    for (uint32_t i = 0; i < services; i++) {
        snprintf(name, sizeof name, "s%u", i);
        plain_process(&writer, name);
    }
    return make_blob(&writer);
}

/* Events in the JSON lines of ${type}; the numbers must be gapless but for repetitions. */
static size_t count_events(struct stage *stage, const char *type)
{
    char wanted[64];
    size_t count = 0;
    long last = 0;
    snprintf(wanted, sizeof wanted, "\"type\":\"%s\"", type);
    char *copy = strdup(stage->json), *rest = copy;
    MUST(copy != NULL);
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
        long seq;
        MUST(sscanf(line, "{\"seq\":%ld,", &seq) == 1);
        CHECK(seq <= last + 1);
        CHECK(line[strlen(line) - 1] == '}');
        if (seq > last && strstr(line, wanted) != NULL) count++;
        if (seq > last) last = seq;
    }
    free(copy);
    return count;
}

/* --- the ordinary ----------------------------------------------------------------------------- */

static void a_plan_comes_before_its_spawn(void)
{
    struct stage *stage = open_stage(patient_shop(3));
    start_host(stage);
    for (unsigned i = 0; i < 3; i++) {
        struct sup_wire spawn = next(stage, SUP_WIRE_SPAWN);
        CHECK_INT(stage->plans, 3); /* the whole tree in one set */
        CHECK_INT(stage->stores, 1);
        CHECK_INT(spawn.generation, 1);
        CHECK_INT(spawn.instance, 2 + i); /* the root is the first */
        say(stage, spawned(&spawn, NOBODY), -1);
    }
    say(stage, (struct sup_wire){.type = SUP_WIRE_STOP, .a = SIGINT, .b = 1}, -1);
    next(stage, SUP_WIRE_SIGNAL);
    await(stage, stage->text, "s2 started (pid 4100000)\n");
    await(stage, stage->json, "\"stopping\"");
    CHECK_INT(count_events(stage, "launched"), 4);
    close_stage(stage);
}

static void an_end_is_answered_by_a_spawn_and_an_ack(void)
{
    struct stage *stage = open_stage(one_service());
    start_host(stage);
    struct sup_wire spawn = next(stage, SUP_WIRE_SPAWN);
    say(stage, spawned(&spawn, NOBODY), -1);
    say(stage, ended(&spawn, 3 << 8), -1);
    struct sup_wire again = next(stage, SUP_WIRE_SPAWN);
    CHECK_INT(again.node, spawn.node);
    CHECK_INT(again.generation, 2);
    CHECK(again.instance > spawn.instance && again.seq > spawn.seq);
    CHECK_INT(next(stage, SUP_WIRE_ACK).instance, spawn.instance);
    CHECK_INT(stage->plans, 1);
    await(stage, stage->text, "web ended: exit code 3 after ");
    await(stage, stage->text, "; failure 1 of 5, starting it again now (generation 2)\n");
    close_stage(stage);
}

static void a_stop_asks_then_kills_then_says_bye(void)
{
    struct stage *stage = open_stage(one_service());
    start_host(stage);
    struct sup_wire spawn = next(stage, SUP_WIRE_SPAWN);
    say(stage, spawned(&spawn, NOBODY), -1);
    say(stage, (struct sup_wire){.type = SUP_WIRE_STOP, .a = SIGTERM, .b = 1}, -1);
    struct sup_wire word = next(stage, SUP_WIRE_SIGNAL);
    CHECK_INT(word.a, SIGTERM);
    CHECK_INT(word.b, SUP_TARGET_STOP);
    CHECK_INT(word.instance, spawn.instance);
    say(stage, (struct sup_wire){.type = SUP_WIRE_STOP, .a = SIGTERM, .b = 2}, -1);
    word = next(stage, SUP_WIRE_SIGNAL);
    CHECK_INT(word.a, SIGKILL);
    CHECK_INT(word.b, SUP_TARGET_GROUP);
    say(stage, ended(&spawn, SIGKILL), -1);
    CHECK_INT(next(stage, SUP_WIRE_BYE).a, 0);
    CHECK_INT(stage->acks, 1);
    CHECK_INT(end_of_host(stage), 0);
    await(stage, stage->text, "shop is stopping (SIGTERM)\n");
    await(stage, stage->text, "waiting for: web (kill in 10s)\n");
    await(stage, stage->text, "shop has ended (SIGTERM): exit code 0\n");
    CHECK_INT(count_events(stage, "stopped"), 1);
    close_stage(stage);
}

static void a_failed_spawn_says_step_and_command(void)
{
    struct stage *stage = open_stage(one_service());
    start_host(stage);
    struct sup_wire spawn = next(stage, SUP_WIRE_SPAWN);
    struct sup_wire failed = spawned(&spawn, SUP_STEP_EXEC);
    failed.type = SUP_WIRE_SPAWN_FAILED;
    failed.b = ENOENT;
    say(stage, failed, -1);
    spawn = next(stage, SUP_WIRE_SPAWN);
    CHECK_INT(spawn.generation, 2);
    CHECK_INT(next(stage, SUP_WIRE_ACK).instance, failed.instance);
    await(stage, stage->text, "web could not be started: exec: No such file or directory (");
    await(stage, stage->text, "failure 1 of 5");
    failed = spawned(&spawn, SUP_STEP_CLONE);
    failed.type = SUP_WIRE_SPAWN_FAILED;
    failed.b = EAGAIN;
    say(stage, failed, -1);
    spawn = next(stage, SUP_WIRE_SPAWN); /* a second later, and not counted */
    await(stage, stage->text, "clone: Resource temporarily unavailable; the system has no room");
    CHECK(strstr(stage->text, "failure 2") == NULL);
    close_stage(stage);
}

static void a_broken_configuration_ends_with_78(void)
{
    int blob = memfd_create("blob", MFD_CLOEXEC);
    MUST(write(blob, "nonsense", 8) == 8);
    struct stage *stage = open_stage(blob);
    start_host(stage);
    CHECK_INT(next(stage, SUP_WIRE_BYE).a, 78);
    CHECK_INT(end_of_host(stage), 78);
    close_stage(stage);
}

static void threads_wait_for_a_host_that_can_run_them(void)
{
    struct sup_form_writer writer = {0};
    plain_supervisor(&writer, "shop", 2);
    plain_thread(&writer, "sweeper");
    plain_process(&writer, "web");
    struct stage *stage = open_stage(make_blob(&writer));
    start_host(stage);
    struct sup_wire spawn = next(stage, SUP_WIRE_SPAWN);
    say(stage, spawned(&spawn, NOBODY), -1);
    await(stage, stage->text, "sweeper could not be started: this host cannot run thread services");
    await(stage, stage->text, "shop pauses for 15s: 6 failures, more than 5; waiting: sweeper");
    close_stage(stage);
}

/* --- readiness -------------------------------------------------------------------------------- */

static void readiness_by_delay_and_by_file(void)
{
    struct sup_form_writer writer = {0};
    unsigned char delay[10] = {SUP_READY_DELAY}, file[64] = {SUP_READY_FILE};
    char folder[] = "/tmp/suptree-spec.XXXXXX", path[40];
    int64_t delay_ns = 30 * MS;
    MUST(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/up", folder);
    memcpy(delay + 1, &delay_ns, 8);
    memcpy(file + 9, path, strlen(path) + 1);
    plain_supervisor(&writer, "shop", 2);
    process(&writer, "slow");
    sup_form_add(&writer, SUP_OPTION_READY, delay, sizeof delay);
    put_command(&writer);
    sup_form_end(&writer);
    process(&writer, "filed");
    put_words(&writer, SUP_OPTION_AFTER, "slow");
    sup_form_add(&writer, SUP_OPTION_READY, file, 10 + strlen(path));
    put_command(&writer);
    sup_form_end(&writer);
    /* A file that a former run has left behind does not count. */
    close(open(path, O_CREAT | O_WRONLY, 0600));
    struct stage *stage = open_stage(make_blob(&writer));
    start_host(stage);
    struct sup_wire slow = next(stage, SUP_WIRE_SPAWN);
    say(stage, spawned(&slow, NOBODY), -1);
    struct sup_wire filed = next(stage, SUP_WIRE_SPAWN); /* only once slow is ready */
    await(stage, stage->text, "slow is ready after ");
    say(stage, spawned(&filed, NOBODY), -1);
    say(stage, ended(&slow, 0), -1);
    slow = next(stage, SUP_WIRE_SPAWN);
    say(stage, spawned(&slow, NOBODY), -1);
    await(stage, stage->text, "slow started again");
    CHECK(strstr(stage->text, "filed is ready") == NULL);
    unlink(path);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    await(stage, stage->text, "filed is ready after ");
    unlink(path);
    rmdir(folder);
    close_stage(stage);
}

/* --- the host dies ---------------------------------------------------------------------------- */

/* Nothing that runs is started again; what ended meanwhile is heard of and answered once. */
static void a_new_host_takes_over(void)
{
    struct stage *stage = open_stage(patient_shop(4));
    struct sup_wire spawn[4];
    start_host(stage);
    for (int i = 0; i < 4; i++) spawn[i] = next(stage, SUP_WIRE_SPAWN);
    for (int i = 0; i < 3; i++) say(stage, spawned(&spawn[i], NOBODY + i), -1);
    say(stage, ended(&spawn[0], 1 << 8), -1);
    struct sup_wire again = next(stage, SUP_WIRE_SPAWN);
    CHECK_INT(again.node, spawn[0].node);
    kill_host(stage);
    /* s0's second run was launched and nobody heard; s1 runs; s2 ended; s3 was launched and has
       failed; the end of s0's first run is told again although it was acknowledged. */
    tell_at_hello(stage, spawned(&spawn[0], NOBODY), -1);
    tell_at_hello(stage, ended(&spawn[0], 1 << 8), -1);
    tell_at_hello(stage, spawned(&again, NOBODY + 4), -1);
    tell_at_hello(stage, spawned(&spawn[1], NOBODY + 1), -1);
    tell_at_hello(stage, spawned(&spawn[2], NOBODY + 2), -1);
    tell_at_hello(stage, ended(&spawn[2], 7 << 8), -1);
    tell_at_hello(stage, spawned(&spawn[3], NOBODY + 3), -1);
    stage->acks = 0;
    start_host(stage);
    struct sup_wire third = next(stage, SUP_WIRE_SPAWN);
    CHECK_INT(third.node, spawn[2].node);
    CHECK_INT(third.generation, 2);
    say(stage, spawned(&third, NOBODY), -1);
    say(stage, (struct sup_wire){.type = SUP_WIRE_STOP, .a = SIGTERM, .b = 1}, -1);
    for (int i = 0; i < 4; i++) CHECK_INT(next(stage, SUP_WIRE_SIGNAL).a, SIGTERM);
    CHECK_INT(stage->acks, 2);
    await(stage, stage->text, "waiting for: ");
    await(stage, stage->json, "\"stopping\",\"path\":\"s3\"");
    CHECK_INT(count_events(stage, "host_restarted"), 1);
    CHECK_INT(count_events(stage, "ended"), 2);
    CHECK_INT(count_events(stage, "launched"), 7); /* the root, four, two again */
    await(stage, stage->json, "\"code\":7");
    close_stage(stage);
}

static void an_instance_without_record_is_lost(void)
{
    struct stage *stage = open_stage(one_service());
    start_host(stage);
    struct sup_wire spawn = next(stage, SUP_WIRE_SPAWN);
    say(stage, spawned(&spawn, NOBODY), -1);
    say(stage, (struct sup_wire){.type = SUP_WIRE_RELOAD}, -1);
    await(stage, stage->text, "SIGHUP");
    kill_host(stage);
    start_host(stage);
    struct sup_wire again = next(stage, SUP_WIRE_SPAWN);
    CHECK_INT(again.generation, 2);
    say(stage, spawned(&again, NOBODY), -1);
    say(stage, (struct sup_wire){.type = SUP_WIRE_STOP, .a = SIGTERM, .b = 1}, -1);
    next(stage, SUP_WIRE_SIGNAL);
    await(stage, stage->json, "the keeper has no record of it");
    close_stage(stage);
}

/* Its program does not run yet: it is neither lost nor made a second time. */
static void a_start_that_is_under_way_is_waited_for(void)
{
    struct stage *stage = open_stage(one_service());
    start_host(stage);
    struct sup_wire spawn = next(stage, SUP_WIRE_SPAWN);
    struct sup_wire starting = spawned(&spawn, NOBODY);
    starting.type = SUP_WIRE_STARTING;
    kill_host(stage);
    tell_at_hello(stage, starting, -1);
    start_host(stage);
    await(stage, stage->json, "host_restarted");
    CHECK_INT(count_events(stage, "launched"), 1); /* the root */
    say(stage, spawned(&spawn, NOBODY), -1);
    say(stage, ended(&spawn, 3 << 8), -1);
    struct sup_wire again = next(stage, SUP_WIRE_SPAWN);
    CHECK_INT(again.generation, 2);
    CHECK(again.instance > spawn.instance);
    await(stage, stage->json, "\"code\":3");
    CHECK_INT(count_events(stage, "launched"), 2);
    CHECK(strstr(stage->json, "no record of it") == NULL);
    close_stage(stage);
}

/* What neither host has ever asked for must not run on unseen. */
static void a_process_that_nobody_knows_is_killed(void)
{
    struct stage *stage = open_stage(one_service());
    int pidfd;
    start_host(stage);
    struct sup_wire spawn = next(stage, SUP_WIRE_SPAWN);
    kill_host(stage);
    pid_t stray = make_process(&pidfd);
    struct sup_wire unknown = spawn;
    unknown.instance = 99;
    tell_at_hello(stage, spawned(&spawn, NOBODY), -1);
    tell_at_hello(stage, spawned(&unknown, stray), pidfd);
    start_host(stage);
    CHECK_INT(status_of(stray), SIGKILL);
    say(stage, ended(&unknown, SIGKILL), -1);
    CHECK_INT(next(stage, SUP_WIRE_ACK).instance, 99);
    say(stage, (struct sup_wire){.type = SUP_WIRE_STOP, .a = SIGTERM, .b = 1}, -1);
    CHECK_INT(next(stage, SUP_WIRE_SIGNAL).instance, spawn.instance);
    await(stage, stage->text, "is in no record of the former host: it is killed\n");
    close(pidfd);
    close_stage(stage);
}

/* Three kinds of damage. What still runs is killed, heard to the end, and only then all
   begins anew, with numbers that the keeper has not heard yet. */
static void a_spoilt_journal_is_a_clean_new_start(void)
{
    for (int damage = 0; damage < 3; damage++) {
        struct stage *stage = open_stage(one_service());
        int pidfd;
        sup_test_case("damage %d", damage);
        start_host(stage);
        struct sup_wire spawn = next(stage, SUP_WIRE_SPAWN);
        say(stage, spawned(&spawn, NOBODY), -1);
        say(stage, ended(&spawn, 0), -1);
        spawn = next(stage, SUP_WIRE_SPAWN);
        kill_host(stage);
        if (damage == 0) MUST(ftruncate(stage->journal, 100) == 0);
        if (damage == 1) MUST(pwrite(stage->journal, "\xff\xff\xff\xff", 4, 4) == 4);
        if (damage == 2) MUST(pwrite(stage->journal, "\xff\xff\xff\xff", 4, 200) == 4);
        pid_t pid = make_process(&pidfd);
        tell_at_hello(stage, spawned(&spawn, pid), pidfd);
        uint64_t handled = stage->handled;
        start_host(stage);
        CHECK_INT(status_of(pid), SIGKILL);
        say(stage, ended(&spawn, SIGKILL), -1);
        CHECK_INT(next_of(stage, SUP_WIRE_ACK, SUP_WIRE_SPAWN).type, SUP_WIRE_ACK);
        struct sup_wire fresh = next(stage, SUP_WIRE_SPAWN);
        CHECK(fresh.seq > handled && fresh.instance > spawn.instance);
        CHECK_INT(fresh.generation, 1);
        await(stage, stage->text, "what the former host knew is lost (journal");
        /* And the new numbers are known to the next host too. */
        kill_host(stage);
        close(pidfd);
        stage->told_count = 0;
        tell_at_hello(stage, spawned(&fresh, NOBODY), -1);
        start_host(stage);
        say(stage, (struct sup_wire){.type = SUP_WIRE_STOP, .a = SIGTERM, .b = 1}, -1);
        CHECK_INT(next(stage, SUP_WIRE_SIGNAL).instance, fresh.instance);
        close_stage(stage);
    }
}

/* Journals follow each other; a host that begins with the last of many knows it all. */
static void a_long_story_fits_into_short_journals(void)
{
    struct stage *stage = open_stage(patient_shop(8));
    struct sup_wire spawn[8];
    start_host(stage);
    for (int i = 0; i < 8; i++) spawn[i] = next(stage, SUP_WIRE_SPAWN);
    size_t runs = 0;
    while (stage->stores < 4) {
        int i = (int) (runs % 8);
        say(stage, spawned(&spawn[i], NOBODY), -1);
        say(stage, ended(&spawn[i], 1 << 8), -1);
        spawn[i] = next(stage, SUP_WIRE_SPAWN);
        MUST(++runs < 100000);
        if (runs % 64 == 0) stage->json_size = 0, stage->text_size = 0;
    }
    CHECK(runs > 3 * 500);
    kill_host(stage);
    stage->json_size = stage->text_size = 0;
    for (int i = 0; i < 8; i++) tell_at_hello(stage, spawned(&spawn[i], NOBODY), -1);
    start_host(stage);
    say(stage, ended(&spawn[5], 1 << 8), -1);
    struct sup_wire again = next(stage, SUP_WIRE_SPAWN);
    CHECK_INT(again.node, spawn[5].node);
    CHECK_INT(again.generation, spawn[5].generation + 1);
    close_stage(stage);
}

/* The host is killed at any moment while services come and go: no run is asked for twice, none is
   forgotten. */
static void killed_at_any_moment_it_asks_for_each_run_once(void)
{
    struct stage *stage = open_stage(patient_shop(12));
    struct sup_test_chance chance = {.state = (uint64_t) now_ns()};
    static struct sup_wire runs[12];
    static bool is_told[12];
    printf("seed %llu\n", (unsigned long long) chance.state);
    memset(runs, 0, sizeof runs);
    for (int round = 0; round < 40; round++) {
        stage->told_count = 0;
        for (int i = 0; i < 12; i++) {
            is_told[i] = runs[i].instance != 0;
            if (is_told[i]) tell_at_hello(stage, spawned(&runs[i], NOBODY + i), -1);
        }
        start_host(stage);
        int64_t until_ns = now_ns() + (int64_t) sup_test_below(&chance, 30) * MS;
        bool dead = false;
        for (;;) {
            struct sup_wire message;
            int fd;
            if (!dead && now_ns() >= until_ns) {
                kill(stage->host, SIGKILL);
                CHECK_INT(end_of_host(stage), 256 + SIGKILL);
                dead = true;
            }
            int r = sup_wire_receive(stage->socket, &message, &fd);
            if (r == 0 || r == -EPIPE) break;
            if (r == -EAGAIN) {
                size_t i = sup_test_below(&chance, 12);
                if (!dead && is_told[i]) {
                    struct sup_wire end = ended(&runs[i], 1 << 8);
                    end.version = SUP_WIRE_VERSION;
                    /* Unheard ends would be told again: say only what surely gets through. */
                    if (sup_wire_send(stage->socket, &end, -1) == 0) is_told[i] = false;
                }
                continue;
            }
            MUST(r == 1);
            if (message.type == SUP_WIRE_SPAWN && message.seq > stage->handled) {
                size_t node = (size_t) (message.node & 0xffffffff) - 1;
                MUST(node < 12);
                CHECK_INT(message.generation, runs[node].generation + 1);
                CHECK(message.instance > runs[node].instance);
                runs[node] = message;
                is_told[node] = true;
                struct sup_wire word = spawned(&message, NOBODY);
                word.version = SUP_WIRE_VERSION;
                if (!dead) sup_wire_send(stage->socket, &word, -1);
            }
            obey(stage, &message, fd);
        }
        close(stage->socket);
        stage->socket = -1;
        take_news(stage);
        stage->json_size = stage->text_size = 0;
    }
    close_stage(stage);
}

/* --- the keeper dies -------------------------------------------------------------------------- */

static void without_keeper_it_stops_the_tree_itself(void)
{
    struct stage *stage = open_stage(patient_shop(2));
    pid_t pids[2];
    int pidfds[2];
    start_host(stage);
    for (int i = 0; i < 2; i++) {
        struct sup_wire spawn = next(stage, SUP_WIRE_SPAWN);
        pids[i] = make_process(&pidfds[i]);
        say(stage, spawned(&spawn, pids[i]), pidfds[i]);
    }
    say(stage, (struct sup_wire){.type = SUP_WIRE_RELOAD}, -1);
    await(stage, stage->text, "SIGHUP");
    close(stage->socket);
    stage->socket = -1;
    for (int i = 0; i < 2; i++) {
        CHECK_INT(status_of(pids[i]), SIGTERM);
        close(pidfds[i]);
    }
    CHECK_INT(end_of_host(stage), 70);
    await(stage, stage->text, "shop is stopping (the keeper died)\n");
    close_stage(stage);
}

/*
** The first was told of, without a pidfd; of the second only the table knows; the third was never
** made, the entry at its node is a former one's.
*/
static void without_keeper_it_stops_what_it_was_not_told_of(void)
{
    struct stage *stage = open_stage(patient_shop(3));
    struct sup_birth births[200] = {{0}};
    struct sup_wire spawns[3];
    pid_t pids[2];
    int pidfds[2];
    stage->births = memfd_create("births", MFD_CLOEXEC);
    start_host(stage);
    for (int i = 0; i < 3; i++) spawns[i] = next(stage, SUP_WIRE_SPAWN);
    for (int i = 0; i < 2; i++) pids[i] = make_process(&pidfds[i]);
    say(stage, spawned(&spawns[0], pids[0]), -1); /* there were no descriptors for a pidfd */
    births[150] = (struct sup_birth){spawns[1].instance, spawns[1].node, pids[1], 0};
    births[151] = (struct sup_birth){spawns[2].instance + 70, spawns[2].node, getpid(), 0};
    births[199] = (struct sup_birth){1, 2, getpid(), 0};
    /* What a command of `before` has made is in its group; it may be gone itself. */
    int pidfd;
    pid_t command = make_process(&pidfd);
    close(pidfd);
    while (getpgid(command) != command) sched_yield();
    births[180] =
        (struct sup_birth){spawns[2].instance, spawns[2].node, command, SUP_COMMAND_BEFORE};
    MUST(write(stage->births, births, sizeof births) == (ssize_t) sizeof births);
    close(stage->socket);
    stage->socket = -1;
    for (int i = 0; i < 2; i++) {
        CHECK_INT(status_of(pids[i]), SIGTERM);
        close(pidfds[i]);
    }
    CHECK_INT(status_of(command), SIGKILL);
    CHECK_INT(end_of_host(stage), 70);
    await(stage, stage->json, "\"type\":\"launched\",\"path\":\"s1\"");
    close_stage(stage);
}

/* --- other threads ---------------------------------------------------------------------------- */

struct bystander {
    pthread_t threads[3];
    struct sup_engine *engine;
    pthread_mutex_t mutex;
    int answers;
    int seen;
};

static void note_answer(void *context, const struct sup_reply *reply)
{
    struct bystander *bystander = context;
    (void) reply;
    pthread_mutex_lock(&bystander->mutex);
    bystander->answers++;
    pthread_mutex_unlock(&bystander->mutex);
}

static void look(void *context, const struct sup_view *view)
{
    struct sup_status status;
    for (sup_token node = sup_tree_next(view->tree, 0); node != 0;
         node = sup_tree_next(view->tree, node))
        if (sup_tree_status(view->tree, node, view->now_ns, &status) &&
            sup_engine_pid(view, node) == NOBODY)
            *(int *) context = 1;
}

/* Commands and looks from the side until the engine takes no more. Every answer must come. */
static void *bother(void *argument)
{
    struct bystander *bystander = argument;
    struct sup_input input = {.type = SUP_IN_REMOVE, .node = 12345, .text = "nobody"};
    int asked = 0;
    while (sup_engine_submit(bystander->engine, &input, note_answer, bystander) == 0) {
        int seen = 0;
        sup_engine_read(bystander->engine, look, &seen);
        pthread_mutex_lock(&bystander->mutex);
        bystander->seen += seen;
        bool stop = bystander->seen > 20;
        pthread_mutex_unlock(&bystander->mutex);
        asked++;
        struct sup_input end = {.type = SUP_IN_STOP, .text = "enough"};
        if (stop) sup_engine_submit(bystander->engine, &end, NULL, NULL);
        if (asked % 100 == 0) sched_yield();
    }
    pthread_mutex_lock(&bystander->mutex);
    bystander->answers -= asked;
    pthread_mutex_unlock(&bystander->mutex);
    return NULL;
}

static void begin_bothering(void *context, struct sup_engine *engine)
{
    struct bystander *bystander = context;
    bystander->engine = engine;
    for (int i = 0; i < 3; i++) pthread_create(&bystander->threads[i], NULL, bother, bystander);
}

static void end_bothering(void *context)
{
    struct bystander *bystander = context;
    for (int i = 0; i < 3; i++) pthread_join(bystander->threads[i], NULL);
}

static void threads_hand_in_and_look_while_it_works(void)
{
    struct stage *stage = open_stage(one_service());
    static struct bystander bystander = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    stage->options.opened = begin_bothering;
    stage->options.closing = end_bothering;
    stage->options.context = &bystander;
    start_host(stage);
    struct sup_wire spawn = next(stage, SUP_WIRE_SPAWN);
    say(stage, spawned(&spawn, NOBODY), -1);
    CHECK_INT(next(stage, SUP_WIRE_SIGNAL).a, SIGTERM);
    say(stage, ended(&spawn, SIGTERM), -1);
    CHECK_INT(next(stage, SUP_WIRE_BYE).a, 0);
    CHECK_INT(end_of_host(stage), 0);
    await(stage, stage->text, "shop has ended (enough): exit code 0\n");
    close_stage(stage);
}

TEST_MAIN(TEST(a_plan_comes_before_its_spawn), TEST(an_end_is_answered_by_a_spawn_and_an_ack),
          TEST(a_stop_asks_then_kills_then_says_bye), TEST(a_failed_spawn_says_step_and_command),
          TEST(a_broken_configuration_ends_with_78),
          TEST(threads_wait_for_a_host_that_can_run_them), TEST(readiness_by_delay_and_by_file),
          TEST(a_new_host_takes_over), TEST(an_instance_without_record_is_lost),
          TEST(a_start_that_is_under_way_is_waited_for),
          TEST(a_process_that_nobody_knows_is_killed), TEST(a_spoilt_journal_is_a_clean_new_start),
          TEST(a_long_story_fits_into_short_journals),
          TEST(killed_at_any_moment_it_asks_for_each_run_once),
          TEST(without_keeper_it_stops_the_tree_itself),
          TEST(without_keeper_it_stops_what_it_was_not_told_of),
          TEST(threads_hand_in_and_look_while_it_works))
