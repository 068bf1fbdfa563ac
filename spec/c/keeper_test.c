/*
** spec/c/keeper_test.c: the real keeper in library mode: starting, signalling and reaping services,
** what they are given, what is said about them, and what remains when the peer has gone.
*/
#include "lib_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODE(index) ((uint64_t) 1 << 32 | (uint64_t) (index))

static struct stage *open_stage(void)
{
    struct stage *stage = stage_library(NULL);
    struct sup_wire hello = stage_greet(stage);
    MUST_EQUAL(hello.a, 1);
    MUST_EQUAL(hello.b, SUP_HELLO_LIBRARY);
    MUST_EQUAL(hello.seq, 0);
    MUST_EQUAL(hello.instance, 0);
    return stage;
}

static void must_end_well(struct stage *stage)
{
    int status = stage_close(stage);
    MUST(WIFEXITED(status));
    MUST_EQUAL(WEXITSTATUS(status), 0);
}

static struct sup_wire end_of(struct stage *stage, uint64_t instance)
{
    return stage_expect(stage, SUP_WIRE_EXIT, instance, NULL);
}

/* --- starting ------------------------------------------------------------------------------- */

static void starts_and_tells_the_end(void)
{
    struct stage *stage = open_stage();
    stage_plan_shell(stage, NODE(0), "exit 7");
    int64_t before = stage_now();
    stage_spawn(stage, NODE(0), 41);
    int pidfd;
    struct sup_wire spawned = stage_expect(stage, SUP_WIRE_SPAWNED, 41, &pidfd);
    MUST(pidfd >= 0 && spawned.a > 1);
    MUST_EQUAL(spawned.node, NODE(0));
    MUST_EQUAL(spawned.generation, 41);
    MUST(spawned.time_ns >= before);
    struct sup_wire end = end_of(stage, 41);
    MUST(WIFEXITED(end.a));
    MUST_EQUAL(WEXITSTATUS(end.a), 7);
    MUST_EQUAL(end.node, NODE(0));
    MUST_EQUAL(end.generation, 41);
    MUST(end.time_ns >= spawned.time_ns && end.time_ns <= stage_now());
    must_end_well(stage);
}

static void tells_the_time_that_was_used(void)
{
    struct stage *stage = open_stage();
    stage_plan_shell(stage, NODE(0), "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
    stage_start(stage, NODE(0), 1, NULL);
    struct sup_wire end = end_of(stage, 1);
    MUST(end.seq > 1000000 && end.seq < UINT64_C(60000000000));
    must_end_well(stage);
}

static void must_fail(struct stage *stage, const struct stage_plan *plan, int step, int error)
{
    static uint64_t instance = 100;
    stage_plan(stage, NODE(9), plan);
    stage_spawn(stage, NODE(9), ++instance);
    struct sup_wire failed = stage_expect(stage, SUP_WIRE_SPAWN_FAILED, instance, NULL);
    if (failed.a != step) FAILED("step %s", sup_wire_step_text(failed.a));
    MUST_EQUAL(failed.b, error);
    MUST_EQUAL(failed.node, NODE(9));
    MUST_EQUAL(failed.generation, instance);
}

static void names_the_step_that_failed(void)
{
    struct stage *stage = open_stage();
    const char *garbage = stage_path(stage, "garbage");
    int fd = open(garbage, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
    MUST(fd >= 0 && write(fd, "no program\n", 11) == 11);
    close(fd);
    const char *const missing[] = {"/nonexistent/program", NULL};
    const char *const unknown[] = {"no-such-program-at-all", NULL};
    const char *const folder[] = {"/etc", NULL};
    const char *const closed[] = {"/etc/passwd", NULL};
    const char *const empty[] = {"", NULL};
    const char *const junk[] = {garbage, NULL};
    const char *const fine[] = {"/bin/true", NULL};
    must_fail(stage, &(struct stage_plan){.argv = missing}, SUP_STEP_EXEC, ENOENT);
    must_fail(stage, &(struct stage_plan){.argv = unknown}, SUP_STEP_EXEC, ENOENT);
    must_fail(stage, &(struct stage_plan){.argv = folder}, SUP_STEP_EXEC, EACCES);
    must_fail(stage, &(struct stage_plan){.argv = closed}, SUP_STEP_EXEC, EACCES);
    must_fail(stage, &(struct stage_plan){.argv = empty}, SUP_STEP_EXEC, ENOENT);
    must_fail(stage, &(struct stage_plan){.argv = junk}, SUP_STEP_EXEC, ENOEXEC);
    must_fail(stage, &(struct stage_plan){.argv = fine, .cwd = "/nonexistent"}, SUP_STEP_CWD,
              ENOENT);
    must_fail(stage, &(struct stage_plan){.argv = fine, .cwd = garbage}, SUP_STEP_CWD, ENOTDIR);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_SPAWNED, 0), 0);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_EXIT, 0), 0);
    must_end_well(stage);
}

static void refuses_what_was_not_planned(void)
{
    struct stage *stage = open_stage();
    stage_spawn(stage, NODE(3), 1);
    struct sup_wire failed = stage_expect(stage, SUP_WIRE_SPAWN_FAILED, 1, NULL);
    MUST_EQUAL(failed.a, SUP_STEP_PLAN);
    MUST_EQUAL(failed.b, ENOENT);
    const char *const argv[] = {"/bin/true", NULL};
    must_fail(stage, &(struct stage_plan){.argv = argv, .flags = SUP_PLAN_NO_PROCESS},
              SUP_STEP_PLAN, EINVAL);
    stage_plan_shell(stage, NODE(3), "exit 0");
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_UNPLAN, .node = NODE(3)}, -1);
    stage_spawn(stage, NODE(3), 2);
    MUST_EQUAL(stage_expect(stage, SUP_WIRE_SPAWN_FAILED, 2, NULL).b, ENOENT);
    must_end_well(stage);
}

/* Send ${fd} as a set and plan node 9 from ${offset} of it. */
static void plan_from(struct stage *stage, int fd, uint64_t offset)
{
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_PLANS, .a = ++stage->set}, fd);
    if (fd >= 0) close(fd);
    struct sup_wire plan = {.type = SUP_WIRE_PLAN, .node = NODE(9), .a = stage->set};
    plan.time_ns = (int64_t) offset;
    stage_send(stage, plan, -1);
}

static void must_refuse_plan(struct stage *stage, int error)
{
    static uint64_t instance = 500;
    stage_spawn(stage, NODE(9), ++instance);
    struct sup_wire failed = stage_expect(stage, SUP_WIRE_SPAWN_FAILED, instance, NULL);
    MUST_EQUAL(failed.a, SUP_STEP_PLAN);
    MUST_EQUAL(failed.b, error);
}

static int make_file(const void *bytes, size_t size, bool sealed)
{
    int fd = memfd_create("set", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    MUST(fd >= 0 && write(fd, bytes, size) == (ssize_t) size);
    if (sealed) MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    return fd;
}

static void refuses_bad_plan_sets(void)
{
    struct stage *stage = open_stage();
    const char *const argv[] = {"/bin/true", NULL};
    const struct stage_plan good = {.argv = argv};
    unsigned char bytes[4096];
    uint64_t offset;
    int fd = stage_make_set(&good, 1, &offset);
    ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    MUST(size > 0);

    plan_from(stage, fd, offset + 8); /* no record there */
    must_refuse_plan(stage, EINVAL);
    plan_from(stage, make_file(bytes, (size_t) size, false), offset); /* could change under us */
    must_refuse_plan(stage, EPERM);
    plan_from(stage, make_file(bytes, (size_t) size - 1, true), offset);
    must_refuse_plan(stage, EINVAL);
    plan_from(stage, make_file("", 0, true), offset);
    must_refuse_plan(stage, EINVAL);
    bytes[4]++; /* the version */
    plan_from(stage, make_file(bytes, (size_t) size, true), offset);
    must_refuse_plan(stage, EINVAL);
    plan_from(stage, open("/etc/passwd", O_RDONLY | O_CLOEXEC), offset);
    must_refuse_plan(stage, EPERM);
    plan_from(stage, -1, offset); /* no descriptor at all */
    must_refuse_plan(stage, EMFILE);
    struct sup_wire unknown = {.type = SUP_WIRE_PLAN, .node = NODE(9), .a = 9999};
    stage_send(stage, unknown, -1);
    must_refuse_plan(stage, ENOENT);

    stage_plan(stage, NODE(9), &good); /* and it still listens */
    stage_start(stage, NODE(9), 1, NULL);
    MUST_EQUAL(end_of(stage, 1).a, 0);
    must_end_well(stage);
}

static void takes_many_arguments_but_not_too_many(void)
{
    struct stage *stage = open_stage();
    enum { MANY = 66000 };
    const char **argv = calloc(MANY + 1, sizeof *argv);
    MUST(argv != NULL);
    for (int i = 0; i < MANY; i++) argv[i] = "/bin/true";
    must_fail(stage, &(struct stage_plan){.argv = argv}, SUP_STEP_EXEC, E2BIG);
    argv[20000] = NULL;
    stage_plan(stage, NODE(1), &(struct stage_plan){.argv = argv});
    stage_start(stage, NODE(1), 1, NULL);
    MUST_EQUAL(end_of(stage, 1).a, 0);
    free(argv);
    must_end_well(stage);
}

/* --- what a service is given ---------------------------------------------------------------- */

static void reads_link(char *buf, size_t size, pid_t pid, const char *what)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int) pid, what);
    ssize_t n = readlink(path, buf, size - 1);
    buf[n < 0 ? 0 : n] = '\0';
}

static void gives_three_descriptors_and_a_clean_state(void)
{
    struct stage *stage = open_stage();
    const char *const argv[] = {"/bin/sleep", "1000", NULL};
    char line[256];
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv, .cwd = "/usr"});
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    AWAIT(stage_count_descriptors(pid) == 3); /* its loader opens and closes others */
    for (int fd = 0; fd <= 2; fd++) {
        char name[16];
        snprintf(name, sizeof name, "fd/%d", fd);
        reads_link(line, sizeof line, pid, name);
        MUST(strcmp(line, "/dev/null") == 0);
    }
    reads_link(line, sizeof line, pid, "cwd");
    MUST(strcmp(line, "/usr") == 0);
    MUST_EQUAL(getsid(pid), pid);
    MUST_EQUAL(getpgid(pid), pid);
    MUST_EQUAL(stage_status_number(pid, "PPid"), stage->keeper);
    const char *const masks[] = {"SigBlk", "SigIgn", "SigCgt"};
    for (size_t i = 0; i < 3; i++) {
        stage_status_line(pid, masks[i], line, sizeof line);
        if (strtoull(line, NULL, 16) != 0) FAILED("%s is %s", masks[i], line);
    }
    must_end_well(stage);
}

/* Whoever started the keeper may have ignored or blocked what he likes: services do not see it. */
static void forgets_the_dispositions_it_was_started_with(void)
{
    sigset_t all;
    char line[256];
    for (int i = 1; i < NSIG; i++)
        if (i != SIGALRM) signal(i, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    struct stage *stage = open_stage();
    signal(SIGCHLD, SIG_DFL);
    const char *const argv[] = {"/bin/sleep", "1000", NULL};
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv});
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    stage_status_line(pid, "SigIgn", line, sizeof line);
    if (strtoull(line, NULL, 16) != 0) FAILED("SigIgn is %s", line);
    stage_status_line(pid, "SigBlk", line, sizeof line);
    if (strtoull(line, NULL, 16) != 0) FAILED("SigBlk is %s", line);
    stage_signal(stage, 1, SIGTERM, SUP_TARGET_PROCESS);
    MUST_EQUAL(WTERMSIG(end_of(stage, 1).a), SIGTERM);
    must_end_well(stage);
}

static void gives_back_the_limit_of_descriptors(void)
{
    struct rlimit limit, of_service;
    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 123;
    MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    struct stage *stage = open_stage();
    const char *const argv[] = {"/bin/sleep", "1000", NULL};
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv});
    pid_t pid = stage_start(stage, NODE(0), 1, NULL);
    MUST(prlimit(pid, RLIMIT_NOFILE, NULL, &of_service) == 0);
    MUST_EQUAL(of_service.rlim_cur, 123);
    MUST_EQUAL(of_service.rlim_max, limit.rlim_max);
    MUST(prlimit(stage->keeper, RLIMIT_NOFILE, NULL, &of_service) == 0);
    MUST_EQUAL(of_service.rlim_cur, limit.rlim_max);
    must_end_well(stage);
}

static void lays_out_the_environment(void)
{
    struct stage *stage = open_stage();
    char out[512], script[256];
    snprintf(script, sizeof script, "env > %s/env.new; mv %s/env.new %s/env", stage->folder,
             stage->folder, stage->folder);
    const char *const argv[] = {"sh", "-c", script, NULL};
    const char *const own[] = {"A=own", "TWICE=first", "TWICE=second", "SUPTREE_GENERATION=lie",
                               NULL};
    const char *const shared[] = {"PATH=/usr/bin:/bin", "A=shared", "AB=kept", "EMPTY=", NULL};
    const struct stage_plan plan = {.argv = argv,
                                    .env = own,
                                    .shared = shared,
                                    .flags = SUP_PLAN_SHARED_ENV};
    stage_plan(stage, NODE(0), &plan);
    stage_start(stage, NODE(0), 77, NULL);
    MUST_EQUAL(end_of(stage, 77).a, 0);
    stage_read_file(stage_path(stage, "env"), out, sizeof out);
    MUST(strstr(out, "A=own\n") != NULL && strstr(out, "A=shared") == NULL);
    MUST(strstr(out, "AB=kept\n") != NULL && strstr(out, "EMPTY=\n") != NULL);
    MUST(strstr(out, "TWICE=second\n") != NULL && strstr(out, "first") == NULL);
    MUST(strstr(out, "SUPTREE_GENERATION=77\n") != NULL && strstr(out, "lie") == NULL);
    MUST(strstr(out, "HOME=") == NULL);
    must_end_well(stage);
}

static void looks_programs_up_in_the_path_of_the_service(void)
{
    struct stage *stage = open_stage();
    char folder[128], program[160], path[256];
    snprintf(folder, sizeof folder, "%s/bin", stage->folder);
    snprintf(program, sizeof program, "%s/tool", folder);
    MUST(mkdir(folder, 0755) == 0);
    int fd = open(program, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    MUST(fd >= 0 && write(fd, "#!/bin/sh\nexit 5\n", 17) == 17);
    close(fd);
    snprintf(path, sizeof path, "PATH=/nonexistent:%s:/etc/passwd:/usr", folder);
    const char *const argv[] = {"tool", NULL};
    const char *const env[] = {path, NULL};
    const char *const relative[] = {"PATH=:/nonexistent", NULL};
    must_fail(stage, &(struct stage_plan){.argv = argv, .env = env}, SUP_STEP_EXEC, EACCES);
    MUST(chmod(program, 0755) == 0);
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv, .env = env});
    stage_start(stage, NODE(0), 1, NULL);
    MUST_EQUAL(WEXITSTATUS(end_of(stage, 1).a), 5);
    /* an empty part of PATH is the service's own folder */
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv, .env = relative, .cwd = folder});
    stage_start(stage, NODE(0), 2, NULL);
    MUST_EQUAL(WEXITSTATUS(end_of(stage, 2).a), 5);
    unlink(program);
    rmdir(folder);
    must_end_well(stage);
}

/* --- signals and groups --------------------------------------------------------------------- */

static void signals_the_process_or_its_group(void)
{
    struct stage *stage = open_stage();
    const char *const argv[] = {"/bin/sh", "-c",
                                "trap 'exit 3' TERM; sleep 1000 & echo $! > pid.new; "
                                "mv pid.new pid; wait; exit 9",
                                NULL};
    char text[32];
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv, .cwd = stage->folder});
    stage_start(stage, NODE(0), 1, NULL);
    AWAIT(stage_read_file(stage_path(stage, "pid"), text, sizeof text) > 0);
    pid_t grandchild = (pid_t) strtol(text, NULL, 10);
    stage_signal(stage, 1, SIGTERM, SUP_TARGET_PROCESS);
    MUST_EQUAL(WEXITSTATUS(end_of(stage, 1).a), 3);
    stage_await_gone(grandchild); /* what is left of the group went with the main process */

    unlink(stage_path(stage, "pid"));
    stage_start(stage, NODE(0), 2, NULL);
    AWAIT(stage_read_file(stage_path(stage, "pid"), text, sizeof text) > 0);
    grandchild = (pid_t) strtol(text, NULL, 10);
    stage_signal(stage, 2, SIGKILL, SUP_TARGET_GROUP);
    MUST_EQUAL(WTERMSIG(end_of(stage, 2).a), SIGKILL);
    stage_await_gone(grandchild);
    must_end_well(stage);
}

static void ignores_signals_to_what_is_not_live(void)
{
    struct stage *stage = open_stage();
    stage_plan_shell(stage, NODE(0), "exit 0");
    stage_start(stage, NODE(0), 1, NULL);
    end_of(stage, 1);
    stage_signal(stage, 1, SIGTERM, SUP_TARGET_GROUP); /* ended, not acknowledged */
    stage_ack(stage, 1);
    stage_signal(stage, 1, SIGTERM, SUP_TARGET_GROUP); /* forgotten */
    stage_signal(stage, 12345, SIGTERM, SUP_TARGET_GROUP);
    stage_plan_shell(stage, NODE(0), "exec sleep 1000");
    stage_start(stage, NODE(0), 2, NULL);
    stage_signal(stage, 2, 0, SUP_TARGET_PROCESS);
    stage_signal(stage, 2, 65, SUP_TARGET_PROCESS);
    stage_signal(stage, 2, -9, SUP_TARGET_PROCESS);
    stage_settle(stage);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_EXIT, 2), 0);
    must_end_well(stage);
}

/* --- repeats -------------------------------------------------------------------------------- */

static void drops_what_it_has_handled(void)
{
    struct stage *stage = open_stage();
    char out[160];
    snprintf(out, sizeof out, "OUT=%s", stage_path(stage, "out"));
    const char *const env[] = {"PATH=/bin:/usr/bin", out, NULL};
    const char *const argv[] = {"/bin/sh", "-c", "echo x >> \"$OUT\"", NULL};
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv, .env = env});
    stage_start(stage, NODE(0), 1, NULL);
    end_of(stage, 1);
    struct sup_wire again = {.type = SUP_WIRE_SPAWN,
                             .seq = stage->seq,
                             .node = NODE(0),
                             .instance = 1};
    stage_send(stage, again, -1); /* known, and handled */
    again.seq = ++stage->seq;
    stage_send(stage, again, -1); /* known, though with a new number */
    stage_ack(stage, 1);
    again.seq = 1;
    stage_send(stage, again, -1); /* forgotten, but handled */
    again.instance = 2;
    stage_send(stage, again, -1); /* new, with an old number */
    again.instance = 0;
    again.seq = ++stage->seq;
    stage_send(stage, again, -1); /* no instance */
    stage_settle(stage);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_SPAWNED, 0), 0);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_SPAWN_FAILED, 0), 0);
    char text[16];
    MUST_EQUAL(stage_read_file(stage_path(stage, "out"), text, sizeof text), 2);
    must_end_well(stage);
}

static void survives_garbage(void)
{
    struct stage *stage = open_stage();
    unsigned seed = 7;
    for (int i = 0; i < 2000; i++) {
        unsigned char bytes[sizeof(struct sup_wire)];
        for (size_t k = 0; k < sizeof bytes; k++) {
            seed = seed * 1103515245 + 12345;
            bytes[k] = (unsigned char) (seed >> 16);
        }
        struct sup_wire message;
        memcpy(&message, bytes, sizeof message);
        message.type = (uint16_t) (seed % 100);
        if (message.type == SUP_WIRE_BYE) continue;
        message.seq = 0; /* nothing that it would have to take seriously */
        stage_send(stage, message, -1);
    }
    stage_plan_shell(stage, NODE(0), "exit 4");
    stage_start(stage, NODE(0), 1, NULL);
    MUST_EQUAL(WEXITSTATUS(end_of(stage, 1).a), 4);
    must_end_well(stage);
}

/* --- output --------------------------------------------------------------------------------- */

static void has_an_answer_to_who_asks_for_output(void)
{
    struct stage *stage = open_stage();
    const char *const argv[] = {"x", NULL};
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv, .flags = SUP_PLAN_NO_PROCESS});
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_OUTPUT, .node = NODE(0)}, -1);
    int fd;
    struct sup_wire answer = stage_expect(stage, SUP_WIRE_OUTPUT_FD, 0, &fd);
    MUST_EQUAL(answer.node, NODE(0));
    MUST(fd >= 0 && write(fd, "x", 1) == 1); /* without suptree-log it leads nowhere */
    must_end_well(stage);
}

static void hands_its_own_output_on(void)
{
    int ends[2];
    char text[64];
    MUST(pipe2(ends, O_CLOEXEC) == 0);
    int kept = dup(STDOUT_FILENO);
    MUST(dup2(ends[1], STDOUT_FILENO) >= 0);
    struct stage *stage = open_stage();
    MUST(dup2(kept, STDOUT_FILENO) >= 0);
    close(ends[1]);
    const char *const argv[] = {"/bin/sh", "-c", "echo straight through", NULL};
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv, .log = SUP_LOG_INHERIT});
    stage_start(stage, NODE(0), 1, NULL);
    MUST_EQUAL(end_of(stage, 1).a, 0);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    MUST(n > 0);
    text[n] = '\0';
    MUST(strcmp(text, "straight through\n") == 0);
    must_end_well(stage);
}

/* --- many ----------------------------------------------------------------------------------- */

#define MANY 1000

static void plan_many(struct stage *stage, const char *script)
{
    static uint64_t offsets[MANY];
    static struct stage_plan plans[MANY];
    const char *const shell[] = {"/bin/sh", "-c", script, NULL};
    for (int i = 0; i < MANY; i++) plans[i] = (struct stage_plan){.argv = shell};
    int fd = stage_make_set(plans, MANY, offsets);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_PLANS, .a = ++stage->set}, fd);
    close(fd);
    for (int i = 0; i < MANY; i++) {
        struct sup_wire plan = {.type = SUP_WIRE_PLAN, .node = NODE(i), .a = stage->set};
        plan.time_ns = (int64_t) offsets[i];
        stage_send(stage, plan, -1);
    }
}

/*
** Its own pages. Clean pages of programs and libraries are left out: to whom they are private
** changes with who else runs the same program.
*/
static long own_kilobytes(pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int) pid);
    stage_read_file(path, text, sizeof text);
    const char *at = strstr(text, "Anonymous:");
    MUST(at != NULL);
    return strtol(at + strlen("Anonymous:"), NULL, 10);
}

/* Under a soft limit that would not do for the pidfds alone. */
static void holds_a_thousand(void)
{
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 1024;
    MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    struct stage *stage = open_stage();
    plan_many(stage, "exec sleep 1000");
    for (int i = 0; i < MANY; i++) stage_spawn(stage, NODE(i), (uint64_t) i + 1);
    for (int i = 0; i < MANY; i++) stage_expect(stage, SUP_WIRE_SPAWNED, (uint64_t) i + 1, NULL);
    MUST(stage_keeper_descriptors(stage) >= MANY);
    for (int i = 0; i < MANY; i++) stage_signal(stage, (uint64_t) i + 1, SIGKILL, SUP_TARGET_GROUP);
    for (int i = 0; i < MANY; i++) {
        MUST_EQUAL(WTERMSIG(end_of(stage, (uint64_t) i + 1).a), SIGKILL);
        stage_ack(stage, (uint64_t) i + 1);
    }
    stage_settle(stage);
    MUST(stage_keeper_descriptors(stage) < 64);
    must_end_well(stage);
}

static void run_rounds(struct stage *stage, uint64_t *instance, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        stage_plan_shell(stage, NODE(i % 50), "exit 1");
        stage_start(stage, NODE(i % 50), ++*instance, NULL);
        end_of(stage, *instance);
        stage_ack(stage, *instance);
        if (i % 3 == 0)
            stage_send(stage, (struct sup_wire){.type = SUP_WIRE_UNPLAN, .node = NODE(i % 50)}, -1);
    }
    stage_settle(stage);
}

static void does_not_grow(void)
{
    struct stage *stage = open_stage();
    uint64_t instance = 0;
    run_rounds(stage, &instance, 300);
    long before = own_kilobytes(stage->keeper);
    long mapped = stage_status_number(stage->keeper, "VmSize");
    size_t descriptors = stage_keeper_descriptors(stage);
    run_rounds(stage, &instance, 900);
#ifdef SUP_SANITIZE_BUILD
    (void) before, (void) mapped; /* a sanitizer's own books grow */
#else
    /* A hash that is walked through touches pages of its table, 8 bytes an instance. */
    MUST(own_kilobytes(stage->keeper) <= before + 64);
    MUST_EQUAL(stage_status_number(stage->keeper, "VmSize"), mapped);
#endif
    MUST_EQUAL(stage_keeper_descriptors(stage), descriptors);
    must_end_well(stage);
}

static void is_small_when_idle(void)
{
    struct stage *stage = open_stage();
    stage_settle(stage);
#ifndef SUP_SANITIZE_BUILD
    MUST(own_kilobytes(stage->keeper) < 1024);
#endif
    must_end_well(stage);
}

/* How many descriptors the keeper's epoll watches. */
static size_t count_watched(pid_t pid)
{
    char path[64], text[8192];
    for (int fd = 3; fd < 64; fd++) {
        size_t count = 0;
        snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int) pid, fd);
        stage_read_file(path, text, sizeof text);
        for (const char *at = text; (at = strstr(at, "tfd:")) != NULL; at++) count++;
        if (count > 0) return count;
    }
    return 0;
}

/* The host's copy of a pidfd keeps it alive: it must not wake the keeper for ever. */
static void forgets_a_pidfd_that_the_host_keeps(void)
{
    struct stage *stage = open_stage();
    size_t watched = count_watched(stage->keeper);
    int pidfd;
    MUST(watched > 0);
    stage_plan_shell(stage, NODE(0), "exec sleep 1000");
    stage_start(stage, NODE(0), 1, &pidfd);
    stage_settle(stage);
    MUST_EQUAL(count_watched(stage->keeper), watched + 1);
    stage_signal(stage, 1, SIGKILL, SUP_TARGET_PROCESS);
    end_of(stage, 1);
    stage_settle(stage);
    MUST_EQUAL(count_watched(stage->keeper), watched);
    close(pidfd);
    must_end_well(stage);
}

/* --- orphans -------------------------------------------------------------------------------- */

static long count_children(pid_t pid)
{
    char path[64], text[8192];
    long count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int) pid, (int) pid);
    stage_read_file(path, text, sizeof text);
    for (char *at = text; *at != '\0'; at++) count += *at == ' ';
    return count;
}

/* What leaves its session and loses its parent comes to the keeper, and leaves no zombie behind. */
static void reaps_orphans(void)
{
    struct stage *stage = open_stage();
    const char *const argv[] = {"/bin/sh", "-c",
                                "for i in 1 2 3 4 5; do setsid sh -c 'echo $$ >> out; exec sleep "
                                "1000' & done; while [ \"$(wc -l < out)\" != 5 ]; do :; done",
                                NULL};
    MUST(close(open(stage_path(stage, "out"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv, .cwd = stage->folder});
    stage_start(stage, NODE(0), 1, NULL);
    MUST_EQUAL(end_of(stage, 1).a, 0);
    AWAIT(count_children(stage->keeper) == 5);
    char text[256];
    stage_read_file(stage_path(stage, "out"), text, sizeof text);
    for (char *at = text; *at != '\0';) {
        pid_t pid = (pid_t) strtol(at, &at, 10);
        MUST_EQUAL(stage_status_number(pid, "PPid"), stage->keeper);
        MUST(kill(pid, SIGKILL) == 0);
        at += strspn(at, "\n");
    }
    AWAIT(count_children(stage->keeper) == 0);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_STRANGER, 0), 0);
    must_end_well(stage);
}

/* In a container: everybody's orphans come to it, and it tells the host of each. */
static void reaps_everybody_as_the_first_process(void)
{
    if (unshare(CLONE_NEWPID) < 0) {
        printf("skipped: a namespace of its own needs rights that are not there\n");
        return;
    }
    struct stage *stage = open_stage(); /* the first child in the new namespace */
    stage_plan_shell(stage, NODE(0), "(exec setsid sh -c 'kill -USR1 $$') & wait $!; exit 0");
    stage_start(stage, NODE(0), 1, NULL);
    MUST_EQUAL(end_of(stage, 1).a, 0);
    stage_plan_shell(stage, NODE(1), "setsid sh -c 'read x < /dev/null; exit 5' & exit 0");
    stage_start(stage, NODE(1), 2, NULL);
    MUST_EQUAL(end_of(stage, 2).a, 0);
    struct sup_wire stranger = stage_expect(stage, SUP_WIRE_STRANGER, 0, NULL);
    MUST(stranger.a > 1);
    MUST(kill(stage->keeper, SIGTERM) == 0);
    MUST_EQUAL(stage_expect(stage, SUP_WIRE_STOP, 0, NULL).a, SIGTERM);
    must_end_well(stage);
}

/* --- the end -------------------------------------------------------------------------------- */

static pid_t start_waiting(struct stage *stage, int index, uint32_t rank, int64_t timeout_ns,
                           const char *at_term)
{
    char script[512], name[32];
    snprintf(name, sizeof name, "up%d", index);
    snprintf(script, sizeof script, "trap '%s' TERM; : > %s; while :; do sleep 1000 & wait; done",
             at_term, stage_path(stage, name));
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    const struct stage_plan plan = {.argv = argv,
                                    .rank = rank,
                                    .timeout_ns = timeout_ns,
                                    .cwd = stage->folder};
    stage_plan(stage, NODE(index), &plan);
    pid_t pid = stage_start(stage, NODE(index), (uint64_t) index + 1, NULL);
    AWAIT(access(stage_path(stage, name), F_OK) == 0);
    return pid;
}

/* The highest rank first, and the next only when it has ended. */
static void stops_in_stored_order_when_the_peer_goes(void)
{
    struct stage *stage = open_stage();
    start_waiting(stage, 0, 0, 0, "echo zero >> order; exit 0");
    start_waiting(stage, 1, 2, 0, "sleep 0.2; echo two >> order; exit 0");
    start_waiting(stage, 2, 1, 0, "echo one >> order; exit 0");
    close(stage->socket);
    stage->socket = -1;
    int status = stage_wait_end(stage);
    MUST(WIFEXITED(status));
    MUST_EQUAL(WEXITSTATUS(status), 0);
    char order[64];
    stage_read_file(stage_path(stage, "order"), order, sizeof order);
    MUST(strcmp(order, "two\none\nzero\n") == 0);
    stage_close(stage);
}

static void kills_what_does_not_stop(void)
{
    struct stage *stage = open_stage();
    pid_t deaf = start_waiting(stage, 0, 0, 50000000, "");
    pid_t at_once = start_waiting(stage, 1, 0, -1, "");
    close(stage->socket);
    stage->socket = -1;
    int status = stage_wait_end(stage);
    MUST(WIFEXITED(status));
    MUST_EQUAL(WEXITSTATUS(status), 0);
    MUST(!stage_is_alive(deaf));
    MUST(!stage_is_alive(at_once));
    stage_await_text(stage, STAGE_SAID, "did not stop in time: killing it");
    stage_close(stage);
}

static void wakes_what_is_suspended_to_stop_it(void)
{
    struct stage *stage = open_stage();
    char state[64] = "";
    pid_t pid = start_waiting(stage, 0, 0, INT64_MAX, "exit 0");
    stage_signal(stage, 1, SIGSTOP, SUP_TARGET_GROUP);
    AWAIT((stage_status_line(pid, "State", state, sizeof state), state[0] == 'T'));
    close(stage->socket);
    stage->socket = -1;
    MUST_EQUAL(WEXITSTATUS(stage_wait_end(stage)), 0);
    stage_close(stage);
}

static void stops_when_told_twice_to(void)
{
    struct stage *stage = open_stage();
    pid_t deaf = start_waiting(stage, 0, 0, INT64_MAX, "");
    close(stage->socket);
    stage->socket = -1;
    stage_await_text(stage, STAGE_SAID, "has gone; stopping all 1");
    MUST(kill(stage->keeper, SIGTERM) == 0);
    MUST(kill(stage->keeper, SIGINT) == 0);
    int status = stage_wait_end(stage);
    MUST_EQUAL(WEXITSTATUS(status), 0);
    MUST(!stage_is_alive(deaf));
    stage_close(stage);
}

static void says_stop_to_the_peer(void)
{
    struct stage *stage = open_stage();
    MUST(kill(stage->keeper, SIGTERM) == 0);
    struct sup_wire stop = stage_expect(stage, SUP_WIRE_STOP, 0, NULL);
    MUST_EQUAL(stop.a, SIGTERM);
    MUST_EQUAL(stop.b, 1);
    MUST(kill(stage->keeper, SIGINT) == 0);
    stop = stage_expect(stage, SUP_WIRE_STOP, 0, NULL);
    MUST_EQUAL(stop.a, SIGINT);
    MUST_EQUAL(stop.b, 2);
    must_end_well(stage);
}

static void ends_with_the_code_of_bye(void)
{
    struct stage *stage = open_stage();
    pid_t left = start_waiting(stage, 0, 0, INT64_MAX, "");
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_BYE, .a = 42}, -1);
    close(stage->socket);
    stage->socket = -1;
    int status = stage_wait_end(stage);
    MUST(WIFEXITED(status));
    MUST_EQUAL(WEXITSTATUS(status), 42);
    MUST(!stage_is_alive(left));
    stage_close(stage);
}

/* A child that the peer forked still holds the socket: that the peer itself has gone is seen. */
static void notices_the_death_of_a_peer_whose_socket_lives_on(void)
{
    int ends[2];
    char byte;
    MUST(pipe(ends) == 0);
    pid_t peer = fork();
    MUST(peer >= 0);
    if (peer == 0) {
        struct stage *stage = open_stage();
        pid_t service = start_waiting(stage, 0, 0, 0, "exit 0");
        MUST(write(ends[1], &stage->keeper, sizeof stage->keeper) > 0);
        MUST(write(ends[1], &service, sizeof service) > 0);
        MUST(write(ends[1], stage->folder, sizeof stage->folder) > 0);
        pid_t holder = fork();
        if (holder == 0) {
            alarm(STAGE_SECONDS); /* whatever becomes of the test */
            for (;;) pause();
        }
        MUST(write(ends[1], &holder, sizeof holder) > 0);
        raise(SIGKILL);
    }
    pid_t keeper, service, holder;
    char folder[sizeof((struct stage *) 0)->folder];
    close(ends[1]);
    MUST(read(ends[0], &keeper, sizeof keeper) == sizeof keeper);
    MUST(read(ends[0], &service, sizeof service) == sizeof service);
    MUST(read(ends[0], folder, sizeof folder) == sizeof folder);
    MUST(read(ends[0], &holder, sizeof holder) == sizeof holder);
    waitpid(peer, NULL, 0);
    stage_await_gone(service);
    stage_await_gone(keeper);
    MUST(stage_is_alive(holder));
    kill(holder, SIGKILL);
    MUST(read(ends[0], &byte, 1) == 0);
    stage_remove_folder(folder);
}

static void refuses_bad_options(void)
{
    static const char *const bad[][4] = {
        {"--what"}, {"--socket"}, {"--socket", "x"}, {"--host", "/bin/true"}, {"--test-speed", "0"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct stage *stage = stage_library(bad[i]);
        int status = stage_wait_end(stage);
        MUST(WIFEXITED(status));
        MUST_EQUAL(WEXITSTATUS(status), 2);
        stage_await_text(stage, STAGE_SAID, "suptree-keeper: ");
        stage_close(stage);
    }
}

int main(int argc, char **argv)
{
#define CASE(name) \
    { \
#name, name \
    }
    static const struct stage_case cases[] = {
        CASE(starts_and_tells_the_end),
        CASE(tells_the_time_that_was_used),
        CASE(names_the_step_that_failed),
        CASE(refuses_what_was_not_planned),
        CASE(refuses_bad_plan_sets),
        CASE(takes_many_arguments_but_not_too_many),
        CASE(gives_three_descriptors_and_a_clean_state),
        CASE(forgets_the_dispositions_it_was_started_with),
        CASE(gives_back_the_limit_of_descriptors),
        CASE(lays_out_the_environment),
        CASE(looks_programs_up_in_the_path_of_the_service),
        CASE(signals_the_process_or_its_group),
        CASE(ignores_signals_to_what_is_not_live),
        CASE(drops_what_it_has_handled),
        CASE(survives_garbage),
        CASE(has_an_answer_to_who_asks_for_output),
        CASE(hands_its_own_output_on),
        CASE(holds_a_thousand),
        CASE(does_not_grow),
        CASE(is_small_when_idle),
        CASE(forgets_a_pidfd_that_the_host_keeps),
        CASE(reaps_orphans),
        CASE(reaps_everybody_as_the_first_process),
        CASE(stops_in_stored_order_when_the_peer_goes),
        CASE(kills_what_does_not_stop),
        CASE(wakes_what_is_suspended_to_stop_it),
        CASE(stops_when_told_twice_to),
        CASE(says_stop_to_the_peer),
        CASE(ends_with_the_code_of_bye),
        CASE(notices_the_death_of_a_peer_whose_socket_lives_on),
        CASE(refuses_bad_options),
    };
    return stage_main(argc, argv, cases, sizeof cases / sizeof cases[0], NULL);
}
