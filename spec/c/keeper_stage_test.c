/*
** spec/c/keeper_stage_test.c: the commands around and beside a service: before, after_exit, probes,
** as the keeper runs them, with a host and while there is none.
*/
#include "lib_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODE(index) ((uint64_t) 1 << 32 | (uint64_t) (index))
#define MS INT64_C(1000000)
#define BEFORE(script) \
    { \
        SUP_COMMAND_BEFORE, script, 0 \
    }
#define AFTER(script) \
    { \
        SUP_COMMAND_AFTER_EXIT, script, 0 \
    }

static struct stage *open_stage(void)
{
    struct stage *stage = stage_library(NULL);
    stage_greet(stage);
    return stage;
}

static struct stage *open_hosts(void)
{
    struct stage *stage = stage_hosts("puppet", NULL);
    stage_accept(stage);
    stage_greet(stage);
    return stage;
}

static void must_end_well(struct stage *stage)
{
    int status = stage_close(stage);
    MUST(WIFEXITED(status));
    MUST_EQUAL(WEXITSTATUS(status), 0);
}

/* Node ${index} runs ${script} in the stage's folder with these commands. */
static void plan(struct stage *stage, int index, const char *script,
                 const struct stage_command *commands)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    stage_plan(stage, NODE(index),
               &(struct stage_plan){.argv = argv, .cwd = stage->folder, .commands = commands});
}

static void must_contain(const struct stage *stage, const char *name, const char *wanted)
{
    char text[4096];
    stage_read_file(stage_path(stage, name), text, sizeof text);
    if (strcmp(text, wanted) != 0) FAILED("%s has: %s", name, text);
}

static pid_t await_pid(const struct stage *stage, const char *name)
{
    char text[64] = "";
    AWAIT((stage_read_file(stage_path(stage, name), text, sizeof text), strchr(text, '\n')));
    return (pid_t) strtol(text, NULL, 10);
}

static struct sup_wire expect_failure(struct stage *stage, uint64_t instance)
{
    struct sup_wire failed = stage_expect(stage, SUP_WIRE_SPAWN_FAILED, instance, NULL);
    MUST_EQUAL(failed.a, SUP_STEP_BEFORE);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_SPAWNED, instance), 0);
    MUST_EQUAL(stage_birth(stage, instance), 0);
    return failed;
}

static void kill_and_expect_end(struct stage *stage, uint64_t instance)
{
    stage_signal(stage, instance, SIGKILL, SUP_TARGET_GROUP);
    stage_expect(stage, SUP_WIRE_EXIT, instance, NULL);
}

static struct sup_wire run(struct stage *stage, uint64_t instance, int kind)
{
    struct sup_wire message = {.type = SUP_WIRE_RUN,
                               .node = NODE(0),
                               .instance = instance,
                               .a = kind};
    stage_send(stage, message, -1);
    return message;
}

/* --- before --------------------------------------------------------------------------------- */

static void runs_before_in_order(void)
{
    struct stage *stage = open_stage();
    plan(stage, 0, "echo main >>trace; exec sleep 1000",
         (const struct stage_command[]){BEFORE("echo one >>trace"),
                                        BEFORE("echo two >>trace"),
                                        BEFORE("echo $SUPTREE_GENERATION >>trace"),
                                        {0}});
    int pidfd;
    pid_t pid = stage_start(stage, NODE(0), 7, &pidfd);
    MUST(pid > 0 && pidfd >= 0);
    close(pidfd);
    MUST_EQUAL(stage_birth(stage, 7), pid);
    stage_await_text(stage, "trace", "main");
    must_contain(stage, "trace", "one\ntwo\n7\nmain\n");
    kill_and_expect_end(stage, 7);
    must_end_well(stage);
}

static void launches_nothing_after_a_failure(void)
{
    struct stage *stage = open_stage();
    size_t descriptors = stage_keeper_descriptors(stage);
    plan(stage, 0, "echo main >>trace",
         (const struct stage_command[]){
             BEFORE("echo one >>trace"), BEFORE("exit 3"), BEFORE("echo never >>trace"), {0}});
    plan(stage, 1, "echo main >>trace",
         (const struct stage_command[]){BEFORE("kill -9 $$"), AFTER("echo after >>trace"), {0}});
    stage_spawn(stage, NODE(0), 1);
    struct sup_wire failed = expect_failure(stage, 1);
    MUST_EQUAL(failed.seq, SUP_BEFORE_ENDED + SUP_BEFORE_NUMBER);
    MUST_EQUAL(WEXITSTATUS(failed.b), 3);
    stage_spawn(stage, NODE(1), 2);
    failed = expect_failure(stage, 2);
    MUST_EQUAL(failed.seq, SUP_BEFORE_ENDED);
    MUST_EQUAL(WTERMSIG(failed.b), SIGKILL);
    must_contain(stage, "trace", "one\n");
    stage_ack(stage, 1);
    stage_ack(stage, 2);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_UNPLAN, .node = NODE(0)}, -1);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_UNPLAN, .node = NODE(1)}, -1);
    stage_settle(stage);
    MUST_EQUAL(stage_keeper_descriptors(stage), descriptors);
    must_end_well(stage);
}

static void says_what_cannot_be_run(void)
{
    struct stage *stage = open_stage();
    const char *const argv[] = {"/bin/true", NULL};
    const struct stage_command commands[] = {BEFORE("exit 0"), {0}};
    stage_plan(stage, NODE(0),
               &(struct stage_plan){.argv = argv, .cwd = "/none", .commands = commands});
    stage_spawn(stage, NODE(0), 1);
    struct sup_wire failed = expect_failure(stage, 1);
    MUST_EQUAL(failed.seq, SUP_BEFORE_STEPS + SUP_STEP_CWD);
    MUST_EQUAL(failed.b, ENOENT);
    must_end_well(stage);
}

static void kills_before_when_its_time_is_over(void)
{
    struct stage *stage = open_stage();
    plan(stage, 0, "echo main >>trace",
         (const struct stage_command[]){{SUP_COMMAND_BEFORE, "sleep 1000 & echo $! >child; wait",
                                         200 * MS},
                                        {0}});
    stage_spawn(stage, NODE(0), 1);
    MUST_EQUAL(expect_failure(stage, 1).seq, SUP_BEFORE_TIMED_OUT);
    stage_await_gone(await_pid(stage, "child"));
    must_contain(stage, "trace", "");
    must_end_well(stage);
}

static void a_stop_ends_before(void)
{
    static const int targets[] = {SUP_TARGET_STOP, SUP_TARGET_GROUP};
    struct stage *stage = open_stage();
    plan(stage, 0, "echo main >>trace",
         (const struct stage_command[]){BEFORE("trap '' TERM; echo $$ >child; sleep 1000"),
                                        BEFORE("echo two >>trace"),
                                        {0}});
    for (int i = 0; i < 2; i++) {
        uint64_t instance = (uint64_t) i + 1;
        stage_spawn(stage, NODE(0), instance);
        pid_t pid = await_pid(stage, "child");
        MUST_EQUAL(stage_birth(stage, instance), pid);
        stage_signal(stage, instance, SIGUSR1, SUP_TARGET_PROCESS); /* is not meant for it */
        stage_signal(stage, instance, i == 0 ? SIGTERM : SIGKILL, targets[i]);
        MUST_EQUAL(expect_failure(stage, instance).seq, SUP_BEFORE_STOPPED);
        stage_await_gone(pid);
        unlink(stage_path(stage, "child"));
    }
    must_contain(stage, "trace", "");
    must_end_well(stage);
}

static void goes_on_without_a_host(void)
{
    struct stage *stage = open_hosts();
    plan(stage, 0, "echo main >>trace; exec sleep 1000",
         (const struct stage_command[]){BEFORE("echo one >>trace; echo $$ >child; cat gate"),
                                        BEFORE("echo two >>trace"),
                                        {0}});
    MUST(mkfifo(stage_path(stage, "gate"), 0600) == 0);
    stage_spawn(stage, NODE(0), 1);
    pid_t pid = await_pid(stage, "child");
    stage_kill_host(stage);
    stage_drop_backlog(stage);
    stage_accept(stage);
    MUST_EQUAL(stage_greet(stage).instance, 1);
    MUST_EQUAL(stage_expect(stage, SUP_WIRE_STARTING, 1, NULL).a, pid);
    stage_kill_host(stage);
    stage_drop_backlog(stage);
    int gate = open(stage_path(stage, "gate"), O_WRONLY | O_CLOEXEC);
    close(gate);
    stage_await_text(stage, "trace", "main");
    stage_accept(stage);
    stage_greet(stage);
    stage_expect(stage, SUP_WIRE_SPAWNED, 1, NULL);
    must_contain(stage, "trace", "one\ntwo\nmain\n");
    must_end_well(stage);
}

static void begins_again_with_other_words_only(void)
{
    struct stage *stage = open_stage();
    MUST(mkfifo(stage_path(stage, "gate"), 0600) == 0);
    const struct stage_command commands[] = {BEFORE("echo one >>trace; cat gate"),
                                             BEFORE("echo two >>trace; cat gate"),
                                             {0}};
    const struct stage_command others[] = {BEFORE("echo new >>trace"), {0}};
    plan(stage, 0, "exec sleep 1000", commands);
    stage_spawn(stage, NODE(0), 1);
    stage_await_text(stage, "trace", "one");
    plan(stage, 0, "echo main >>trace; exec sleep 1000", commands); /* the same commands */
    stage_settle(stage);
    close(open(stage_path(stage, "gate"), O_WRONLY | O_CLOEXEC));
    stage_await_text(stage, "trace", "two");
    plan(stage, 0, "echo other >>trace; exec sleep 1000", others);
    stage_settle(stage);
    close(open(stage_path(stage, "gate"), O_WRONLY | O_CLOEXEC));
    stage_expect(stage, SUP_WIRE_SPAWNED, 1, NULL);
    stage_await_text(stage, "trace", "other");
    must_contain(stage, "trace", "one\ntwo\nnew\nother\n");
    must_end_well(stage);
}

/* --- after_exit ----------------------------------------------------------------------------- */

static void tells_after_exit_how_it_ended(void)
{
    static const char report[] =
        "echo $SUPTREE_GENERATION $SUPTREE_RESULT $SUPTREE_EXIT_CODE$SUPTREE_SIGNAL >>trace";
    struct stage *stage = open_stage();
    plan(stage, 0, "exit 7", (const struct stage_command[]){AFTER(report), {0}});
    plan(stage, 1, "kill -USR1 $$", (const struct stage_command[]){AFTER(report), {0}});
    stage_start(stage, NODE(0), 1, NULL);
    MUST_EQUAL(WEXITSTATUS(stage_expect(stage, SUP_WIRE_ENDING, 1, NULL).a), 7);
    struct sup_wire end = stage_expect(stage, SUP_WIRE_EXIT, 1, NULL);
    MUST_EQUAL(WEXITSTATUS(end.a), 7);
    MUST_EQUAL(end.b, 0);
    stage_start(stage, NODE(1), 2, NULL);
    end = stage_expect(stage, SUP_WIRE_EXIT, 2, NULL);
    MUST_EQUAL(WTERMSIG(end.a), SIGUSR1);
    must_contain(stage, "trace", "1 exit 7\n2 signal USR1\n");
    must_end_well(stage);
}

static void says_what_after_exit_said(void)
{
    struct stage *stage = open_stage();
    plan(stage, 0, "exit 1", (const struct stage_command[]){AFTER("exit 125"), {0}});
    plan(stage, 1, "exit 2", (const struct stage_command[]){AFTER("exit 9"), {0}});
    plan(stage, 2, "exit 3",
         (const struct stage_command[]){{SUP_COMMAND_AFTER_EXIT,
                                         "sleep 1000 & echo $! >child; wait", 200 * MS},
                                        {0}});
    for (uint64_t i = 0; i < 3; i++) stage_start(stage, NODE(i), i + 1, NULL);
    struct sup_wire end = stage_expect(stage, SUP_WIRE_EXIT, 1, NULL);
    MUST_EQUAL(WEXITSTATUS(end.a), 1);
    MUST_EQUAL(end.b, SUP_EXIT_NO_RESTART);
    end = stage_expect(stage, SUP_WIRE_EXIT, 2, NULL);
    MUST_EQUAL(WEXITSTATUS(end.a), 2);
    MUST_EQUAL(end.b & 255, SUP_EXIT_AFTER_FAILED);
    MUST_EQUAL(WEXITSTATUS(end.b >> SUP_EXIT_AFTER_SHIFT), 9);
    end = stage_expect(stage, SUP_WIRE_EXIT, 3, NULL);
    MUST_EQUAL(WEXITSTATUS(end.a), 3);
    MUST_EQUAL(end.b, SUP_EXIT_AFTER_TIMED_OUT);
    stage_await_gone(await_pid(stage, "child"));
    must_end_well(stage);
}

static void a_kill_ends_after_exit_a_stop_does_not(void)
{
    struct stage *stage = open_stage();
    plan(stage, 0, "exit 1",
         (const struct stage_command[]){AFTER("echo $$ >child; sleep 1000"), {0}});
    stage_spawn(stage, NODE(0), 1);
    pid_t pid = await_pid(stage, "child");
    stage_expect(stage, SUP_WIRE_ENDING, 1, NULL);
    stage_signal(stage, 1, SIGTERM, SUP_TARGET_STOP);
    stage_settle(stage);
    MUST(stage_is_alive(pid));
    MUST_EQUAL(stage_birth(stage, 1), pid);
    stage_signal(stage, 1, SIGKILL, SUP_TARGET_GROUP);
    MUST_EQUAL(WEXITSTATUS(stage_expect(stage, SUP_WIRE_EXIT, 1, NULL).a), 1);
    must_end_well(stage);
}

static void keeps_the_word_of_after_exit_for_the_next_host(void)
{
    struct stage *stage = open_hosts();
    MUST(mkfifo(stage_path(stage, "gate"), 0600) == 0);
    plan(stage, 0, "exit 1",
         (const struct stage_command[]){AFTER("echo x >>trace; cat gate; exit 125"), {0}});
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    stage_expect(stage, SUP_WIRE_ENDING, 1, NULL);
    stage_kill_host(stage);
    stage_drop_backlog(stage);
    stage_accept(stage);
    stage_greet(stage);
    MUST_EQUAL(stage_expect(stage, SUP_WIRE_SPAWNED, 1, NULL).a, pid);
    MUST_EQUAL(WEXITSTATUS(stage_expect(stage, SUP_WIRE_ENDING, 1, NULL).a), 1);
    stage_kill_host(stage);
    stage_drop_backlog(stage);
    close(open(stage_path(stage, "gate"), O_WRONLY | O_CLOEXEC));
    for (int i = 0; i < 2; i++) {
        stage_accept(stage);
        stage_greet(stage);
        struct sup_wire end = stage_expect(stage, SUP_WIRE_EXIT, 1, NULL);
        MUST_EQUAL(WEXITSTATUS(end.a), 1);
        MUST_EQUAL(end.b, SUP_EXIT_NO_RESTART);
        stage_kill_host(stage);
        stage_drop_backlog(stage);
    }
    stage_accept(stage);
    stage_greet(stage);
    must_contain(stage, "trace", "x\n");
    must_end_well(stage);
}

static void stops_without_a_host(void)
{
    struct stage *stage = open_stage();
    plan(stage, 0, "echo main >>trace", (const struct stage_command[]){BEFORE("sleep 1000"), {0}});
    plan(stage, 1, "exec sleep 1000",
         (const struct stage_command[]){AFTER("echo after >>trace"), {0}});
    stage_spawn(stage, NODE(0), 1);
    stage_start(stage, NODE(1), 2, NULL);
    close(stage->socket); /* in library mode: the host is gone for good */
    stage->socket = -1;
    must_end_well(stage);
}

/* --- probes --------------------------------------------------------------------------------- */

static void runs_probes(void)
{
    struct stage *stage = open_stage();
    plan(stage, 0, "exec sleep 1000",
         (const struct stage_command[]){
             {SUP_COMMAND_READY, "test -e ready && test -n \"$SUPTREE_GENERATION\"", 0},
             {SUP_COMMAND_HEALTH, "sleep 1000 & echo $! >child; wait", 200 * MS},
             {0}});
    run(stage, 1, SUP_COMMAND_READY); /* nothing lives yet */
    stage_start(stage, NODE(0), 1, NULL);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_RAN, 1), 0);
    run(stage, 1, SUP_COMMAND_READY);
    struct sup_wire ran = stage_expect(stage, SUP_WIRE_RAN, 1, NULL);
    MUST_EQUAL(ran.a, SUP_COMMAND_READY);
    MUST_EQUAL(ran.seq, SUP_RAN_ENDED);
    MUST_EQUAL(WEXITSTATUS(ran.b), 1);
    close(open(stage_path(stage, "ready"), O_CREAT | O_WRONLY, 0600));
    run(stage, 1, SUP_COMMAND_READY);
    ran = stage_expect(stage, SUP_WIRE_RAN, 1, NULL);
    MUST_EQUAL(ran.seq, SUP_RAN_ENDED);
    MUST_EQUAL(ran.b, 0);
    run(stage, 1, SUP_COMMAND_HEALTH);
    run(stage, 1, SUP_COMMAND_HEALTH); /* one at a time */
    ran = stage_expect(stage, SUP_WIRE_RAN, 1, NULL);
    MUST_EQUAL(ran.a, SUP_COMMAND_HEALTH);
    MUST_EQUAL(ran.seq, SUP_RAN_TIMED_OUT);
    stage_await_gone(await_pid(stage, "child"));
    stage_settle(stage);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_RAN, 1), 0);
    kill_and_expect_end(stage, 1);
    must_end_well(stage);
}

static void probes_end_with_their_service(void)
{
    struct stage *stage = open_stage();
    size_t descriptors = stage_keeper_descriptors(stage);
    plan(stage, 0, "exec sleep 1000",
         (const struct stage_command[]){{SUP_COMMAND_HEALTH, "echo $$ >child; sleep 1000", 0},
                                        {0}});
    stage_start(stage, NODE(0), 1, NULL);
    run(stage, 1, SUP_COMMAND_HEALTH);
    pid_t pid = await_pid(stage, "child");
    kill_and_expect_end(stage, 1);
    stage_await_gone(pid);
    stage_ack(stage, 1);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_UNPLAN, .node = NODE(0)}, -1);
    AWAIT(stage_keeper_descriptors(stage) == descriptors);
    must_end_well(stage);
}

static void a_new_host_asks_again(void)
{
    struct stage *stage = open_hosts();
    MUST(mkfifo(stage_path(stage, "gate"), 0600) == 0);
    plan(stage, 0, "exec sleep 1000",
         (const struct stage_command[]){{SUP_COMMAND_READY, "echo x >>trace; cat gate", 0}, {0}});
    stage_start(stage, NODE(0), 1, NULL);
    run(stage, 1, SUP_COMMAND_READY);
    stage_await_text(stage, "trace", "x");
    stage_kill_host(stage);
    stage_drop_backlog(stage);
    stage_accept(stage);
    stage_greet(stage);
    run(stage, 1, SUP_COMMAND_READY); /* it still runs: that one will tell */
    stage_settle(stage);
    close(open(stage_path(stage, "gate"), O_WRONLY | O_CLOEXEC));
    MUST_EQUAL(stage_expect(stage, SUP_WIRE_RAN, 1, NULL).seq, SUP_RAN_ENDED);
    must_contain(stage, "trace", "x\n");
    must_end_well(stage);
}

/* --- the end of the keeper ------------------------------------------------------------------ */

static void nothing_outlives_the_keeper(void)
{
    struct stage *stage = open_stage();
    plan(stage, 0, "exec sleep 1000",
         (const struct stage_command[]){{SUP_COMMAND_HEALTH, "echo $$ >probe; exec sleep 1000", 0},
                                        {0}});
    plan(stage, 1, "exit 0",
         (const struct stage_command[]){AFTER("echo $$ >after; exec sleep 1000"), {0}});
    plan(stage, 2, "exit 0",
         (const struct stage_command[]){BEFORE("echo $$ >before; exec sleep 1000"), {0}});
    pid_t service = stage_start(stage, NODE(0), 1, NULL);
    run(stage, 1, SUP_COMMAND_HEALTH);
    stage_spawn(stage, NODE(1), 2);
    stage_spawn(stage, NODE(2), 3);
    pid_t commands[] = {await_pid(stage, "probe"), await_pid(stage, "after"),
                        await_pid(stage, "before")};
    kill(stage->keeper, SIGKILL);
    for (int i = 0; i < 3; i++) stage_await_gone(commands[i]);
    MUST(stage_is_alive(service)); /* that is its host's */
    kill(service, SIGKILL);
    stage_close(stage);
}

int main(int argc, char **argv)
{
#define CASE(name) \
    { \
#name, name \
    }
    static const struct stage_case cases[] = {
        CASE(runs_before_in_order),
        CASE(launches_nothing_after_a_failure),
        CASE(says_what_cannot_be_run),
        CASE(kills_before_when_its_time_is_over),
        CASE(a_stop_ends_before),
        CASE(goes_on_without_a_host),
        CASE(begins_again_with_other_words_only),
        CASE(tells_after_exit_how_it_ended),
        CASE(says_what_after_exit_said),
        CASE(a_kill_ends_after_exit_a_stop_does_not),
        CASE(keeps_the_word_of_after_exit_for_the_next_host),
        CASE(stops_without_a_host),
        CASE(runs_probes),
        CASE(probes_end_with_their_service),
        CASE(a_new_host_asks_again),
        CASE(nothing_outlives_the_keeper),
    };
    return stage_main(argc, argv, cases, sizeof cases / sizeof cases[0], NULL);
}
