/*
** spec/c/keeper_input_test.c: processes that read the output of others, as the real keeper holds
** the pipe between them: over restarts of both, to the end of the input at a stop.
*/
#include "lib_keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODE(index) ((uint64_t) 1 << 32 | (uint64_t) (index))
#define READER NODE(0)
#define WRITER NODE(1)

static const char reads_on[] = "cat >> out; echo end >> out";

static struct stage *open_stage(void)
{
    struct stage *stage = stage_library(NULL);
    stage_greet(stage);
    return stage;
}

static void plan_shell(struct stage *stage, uint64_t node, const char *script, uint32_t flags,
                       uint64_t log_to, uint32_t rank)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    stage_plan(stage, node,
               &(struct stage_plan){.argv = argv,
                                    .cwd = stage->folder,
                                    .flags = flags,
                                    .log = log_to == 0 ? SUP_LOG_NONE : SUP_LOG_TO,
                                    .log_to = log_to,
                                    .rank = rank});
}

static void run_once(struct stage *stage, uint64_t node, uint64_t instance)
{
    stage_start(stage, node, instance, NULL);
    stage_expect(stage, SUP_WIRE_EXIT, instance, NULL);
    stage_ack(stage, instance);
}

static void expect_out(const struct stage *stage, const char *wanted)
{
    char text[4096];
    size_t size = stage_read_file(stage_path(stage, "out"), text, sizeof text);
    if (size != strlen(wanted) || memcmp(text, wanted, size) != 0)
        FAILED("'%.*s' was read, not '%s'", (int) size, text, wanted);
}

static void keeps_what_is_written_over_restarts_of_both(void)
{
    struct stage *stage = open_stage();
    /* without a shell around it, it is surely gone once its end is told */
    plan_shell(stage, READER, "exec cat >> out", SUP_PLAN_INPUT, 0, 0);
    plan_shell(stage, WRITER, "echo one; echo error >&2", 0, READER, 0);
    stage_start(stage, READER, 1, NULL);
    run_once(stage, WRITER, 2);
    stage_await_text(stage, "out", "one\nerror\n");
    stage_signal(stage, 1, SIGKILL, SUP_TARGET_GROUP);
    stage_expect(stage, SUP_WIRE_EXIT, 1, NULL);
    plan_shell(stage, WRITER, "echo two", 0, READER, 0);
    run_once(stage, WRITER, 3); /* nobody reads now, and it must not be killed for that */
    stage_start(stage, READER, 4, NULL);
    stage_await_text(stage, "out", "one\nerror\ntwo\n");
    stage_close(stage);
}

static void asks_by_the_end_of_the_input(void)
{
    struct stage *stage = open_stage();
    plan_shell(stage, READER, reads_on, SUP_PLAN_INPUT, 0, 0);
    plan_shell(stage, WRITER, "echo one", 0, READER, 0);
    run_once(stage, WRITER, 1);
    stage_start(stage, READER, 2, NULL);
    stage_signal(stage, 2, SIGTERM, SUP_TARGET_STOP);
    MUST_EQUAL(stage_expect(stage, SUP_WIRE_EXIT, 2, NULL).a, 0);
    expect_out(stage, "one\nend\n");
    stage_ack(stage, 2);

    run_once(stage, WRITER, 3); /* and the pipe is there again */
    stage_start(stage, READER, 4, NULL);
    stage_await_text(stage, "out", "one\nend\none\n");
    stage_signal(stage, 4, SIGTERM, SUP_TARGET_STOP);
    MUST_EQUAL(stage_expect(stage, SUP_WIRE_EXIT, 4, NULL).a, 0);
    expect_out(stage, "one\nend\none\nend\n");
    stage_close(stage);
}

static void asks_by_signal_while_somebody_writes(void)
{
    struct stage *stage = open_stage();
    plan_shell(stage, READER, "exec cat > out", SUP_PLAN_INPUT, 0, 0);
    plan_shell(stage, WRITER, "echo one; exec sleep 1000", 0, READER, 0);
    stage_start(stage, READER, 1, NULL);
    stage_start(stage, WRITER, 2, NULL);
    stage_await_text(stage, "out", "one\n");
    stage_signal(stage, 1, SIGTERM, SUP_TARGET_STOP);
    int status = stage_expect(stage, SUP_WIRE_EXIT, 1, NULL).a;
    MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    stage_signal(stage, 2, SIGTERM, SUP_TARGET_STOP); /* who reads nothing is asked as ever */
    status = stage_expect(stage, SUP_WIRE_EXIT, 2, NULL).a;
    MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    stage_close(stage);
}

static void starts_nobody_whose_output_is_not_read(void)
{
    struct stage *stage = open_stage();
    struct sup_wire failed;
    plan_shell(stage, WRITER, "echo one", 0, NODE(7), 0);
    stage_spawn(stage, WRITER, 1);
    failed = stage_expect(stage, SUP_WIRE_SPAWN_FAILED, 1, NULL);
    MUST_EQUAL(failed.a, SUP_STEP_OUTPUT);
    MUST_EQUAL(failed.b, ENOENT);
    plan_shell(stage, NODE(7), "exec cat", 0, 0, 0);
    stage_spawn(stage, WRITER, 2);
    failed = stage_expect(stage, SUP_WIRE_SPAWN_FAILED, 2, NULL);
    MUST_EQUAL(failed.a, SUP_STEP_OUTPUT);
    MUST_EQUAL(failed.b, ENOTCONN);
    stage_close(stage);
}

static void stops_in_order_without_a_host(void)
{
    struct stage *stage = open_stage();
    plan_shell(stage, READER, reads_on, SUP_PLAN_INPUT, 0, 1);
    plan_shell(stage, WRITER,
               "trap 'echo bye; exit' TERM; echo up; while :; do sleep 1000 & wait; done", 0,
               READER, 2);
    stage_start(stage, READER, 1, NULL);
    stage_start(stage, WRITER, 2, NULL);
    stage_await_text(stage, "out", "up\n");
    close(stage->socket);
    stage->socket = -1;
    stage_await_text(stage, "out", "up\nbye\nend\n");
    stage_wait_end(stage);
}

static void says_what_nobody_has_read(void)
{
    struct stage *stage = open_stage();
    plan_shell(stage, READER, reads_on, SUP_PLAN_INPUT, 0, 0);
    plan_shell(stage, WRITER, "echo lost", 0, READER, 0);
    run_once(stage, WRITER, 1);
    close(stage->socket);
    stage->socket = -1;
    stage_await_text(stage, STAGE_SAID, "has not read the last 5 bytes of what others wrote to it");
    stage_wait_end(stage);
}

static void keeps_no_descriptor_of_a_reader_that_left(void)
{
    struct stage *stage = open_stage();
    stage_settle(stage);
    size_t before = stage_keeper_descriptors(stage);
    plan_shell(stage, READER, reads_on, SUP_PLAN_INPUT, 0, 0);
    plan_shell(stage, WRITER, "echo one", 0, READER, 0);
    for (uint64_t i = 0; i < 5; i++) {
        run_once(stage, WRITER, 2 * i + 1);
        stage_start(stage, READER, 2 * i + 2, NULL);
        stage_signal(stage, 2 * i + 2, SIGTERM, SUP_TARGET_STOP);
        stage_expect(stage, SUP_WIRE_EXIT, 2 * i + 2, NULL);
        stage_ack(stage, 2 * i + 2);
    }
    for (uint64_t i = 0; i < 2; i++)
        stage_send(stage, (struct sup_wire){.type = SUP_WIRE_UNPLAN, .node = NODE(i)}, -1);
    stage_settle(stage);
    AWAIT(stage_keeper_descriptors(stage) == before);
    stage_close(stage);
}

int main(int argc, char **argv)
{
#define CASE(name) \
    { \
#name, name \
    }
    static const struct stage_case cases[] = {
        CASE(keeps_what_is_written_over_restarts_of_both),
        CASE(asks_by_the_end_of_the_input),
        CASE(asks_by_signal_while_somebody_writes),
        CASE(starts_nobody_whose_output_is_not_read),
        CASE(stops_in_order_without_a_host),
        CASE(says_what_nobody_has_read),
        CASE(keeps_no_descriptor_of_a_reader_that_left),
    };
    return stage_main(argc, argv, cases, sizeof cases / sizeof cases[0], NULL);
}
