/*
** spec/c/keeper_spawn_test.c: making children when system calls fail, one after the other. What
** fails is named, no process and no descriptor stays behind, and the next start works.
*/
#include "keeper/spawn.h"
#include "lib_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Also run in the child, on the memory of the test: no sanitizer may keep books about it. */
#define IN_CHILD __attribute__((no_sanitize("address", "undefined", "thread"), noinline))

static struct sup_sys sys;     /* the table that is handed out; its entries are replaced */
static volatile int countdown; /* the call that makes it 0 fails with `failure` */
static volatile int failure;

IN_CHILD static bool fails(void)
{
    return countdown > 0 && --countdown == 0;
}

#define FAILING(name, parameters, arguments) \
    IN_CHILD static int failing_##name parameters \
    { \
        return fails() ? -failure : sup_sys_linux.name arguments; \
    }

FAILING(clone, (int (*child)(void *), void *top, int flags, void *argument, pid_t *pid, int cgroup),
        (child, top, flags, argument, pid, cgroup))
FAILING(pidfd_open, (pid_t pid), (pid))
FAILING(duplicate, (int fd, int to), (fd, to))
FAILING(unshare_files, (unsigned first), (first))
FAILING(set_session, (void), ())
FAILING(install, (int fd, int to), (fd, to))
FAILING(change_folder, (const char *path), (path))
FAILING(set_limit, (int resource, const struct rlimit *limit), (resource, limit))
FAILING(close_between, (unsigned first, unsigned last), (first, last))
FAILING(clear_mask, (void), ())
FAILING(exec, (const char *path, char *const argv[], char *const env[]), (path, argv, env))

static struct sup_spawner spawner;
static struct sup_spawn_order order;

static void set_up(void)
{
    static char *const argv[] = {"/bin/sleep", "1000", NULL};
    static char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    sigset_t all;
    sigfillset(&all);
    MUST(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
    sys = sup_sys_linux;
    MUST_EQUAL(sup_spawner_init(&spawner, &sys), 0);
    spawner.limits_are_raised = true;
    MUST(getrlimit(RLIMIT_NOFILE, &spawner.limits) == 0);
    order = (struct sup_spawn_order){.argv = argv,
                                     .env = env,
                                     .cwd = "/",
                                     .out = -1,
                                     .err = -1,
                                     .extra = {-1, -1, -1, -1},
                                     .cgroup = -1};
}

static void must_have_no_child(void)
{
    MUST(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void must_start(void)
{
    int pidfd, step, status;
    pid_t pid = sup_spawn(&spawner, &order, &pidfd, &step);
    MUST(pid > 0 && pidfd >= 0);
    close(pidfd);
    MUST(kill(pid, SIGKILL) == 0);
    MUST(waitpid(pid, &status, 0) == pid);
    MUST_EQUAL(WTERMSIG(status), SIGKILL);
}

/* The ${nth} call of what was replaced fails with ${error}: the start must name ${step}. */
static void must_fail(int nth, int error, int wanted)
{
    int pidfd, step;
    size_t descriptors = stage_count_descriptors(getpid());
    countdown = nth;
    failure = error;
    pid_t pid = sup_spawn(&spawner, &order, &pidfd, &step);
    MUST_EQUAL(countdown, 0);
    MUST_EQUAL(pid, -error);
    MUST_EQUAL(pidfd, -1);
    if (step != wanted)
        FAILED("%s instead of %s", sup_wire_step_text(step), sup_wire_step_text(wanted));
    must_have_no_child();
    MUST_EQUAL(stage_count_descriptors(getpid()), descriptors);
    must_start();
    MUST_EQUAL(stage_count_descriptors(getpid()), descriptors);
}

static void names_what_fails_before_the_child(void)
{
    set_up();
    sys.clone = failing_clone;
    must_fail(1, EAGAIN, SUP_STEP_CLONE);
    must_fail(1, ENOMEM, SUP_STEP_CLONE);
    sys.duplicate = failing_duplicate;
    order.out = order.err = order.extra[0] = order.extra[1] = SUP_SPAWN_NULL;
    for (int nth = 1; nth <= 4; nth++) must_fail(nth, EBADF, SUP_STEP_DESCRIPTORS);
}

static void names_what_fails_in_the_child(void)
{
    set_up();
    sys.unshare_files = failing_unshare_files;
    must_fail(1, ENOMEM, SUP_STEP_DESCRIPTORS);
    sys.unshare_files = sup_sys_linux.unshare_files;
    sys.set_session = failing_set_session;
    must_fail(1, EPERM, SUP_STEP_SESSION);
    sys.set_session = sup_sys_linux.set_session;
    sys.install = failing_install;
    order.out = order.err = order.extra[0] = SUP_SPAWN_NULL;
    for (int nth = 1; nth <= 4; nth++) must_fail(nth, EMFILE, SUP_STEP_STDIO);
    sys.install = sup_sys_linux.install;
    sys.close_between = failing_close_between;
    must_fail(1, EINTR, SUP_STEP_DESCRIPTORS);
    sys.close_between = sup_sys_linux.close_between;
    sys.set_limit = failing_set_limit;
    must_fail(1, EPERM, SUP_STEP_LIMITS);
    sys.set_limit = sup_sys_linux.set_limit;
    sys.change_folder = failing_change_folder;
    must_fail(1, EIO, SUP_STEP_CWD);
    sys.change_folder = sup_sys_linux.change_folder;
    sys.clear_mask = failing_clear_mask;
    must_fail(1, EINVAL, SUP_STEP_EXEC);
    sys.clear_mask = sup_sys_linux.clear_mask;
    sys.exec = failing_exec;
    must_fail(1, ENOMEM, SUP_STEP_EXEC);
}

/* While no descriptor can be had, the one in reserve becomes the pidfd. */
static void gives_up_the_reserve_for_a_pidfd(void)
{
    int pidfd, step;
    set_up();
    sys.pidfd_open = failing_pidfd_open;
    size_t descriptors = stage_count_descriptors(getpid());
    countdown = 1;
    failure = EMFILE;
    pid_t pid = sup_spawn(&spawner, &order, &pidfd, &step);
    MUST(pid > 0 && pidfd >= 0);
    MUST_EQUAL(spawner.reserve, -1);
    MUST_EQUAL(stage_count_descriptors(getpid()), descriptors); /* the reserve's place */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(pidfd);
    must_start(); /* and there is a reserve again */
    MUST(spawner.reserve >= 0);
}

static void starts_nothing_without_a_reserve(void)
{
    int pidfd, step;
    set_up();
    close(spawner.reserve);
    spawner.reserve = -1;
    struct rlimit limit, none = {0};
    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    none.rlim_cur = SUP_SPAWN_FIRST_FREE;
    none.rlim_max = limit.rlim_max;
    MUST(setrlimit(RLIMIT_NOFILE, &none) == 0);
    MUST_EQUAL(sup_spawn(&spawner, &order, &pidfd, &step), -EMFILE);
    MUST_EQUAL(step, SUP_STEP_DESCRIPTORS);
    must_have_no_child();
    MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    must_start();
}

static void lives_without_a_pidfd(void)
{
    int pidfd, step;
    set_up();
    sys.pidfd_open = failing_pidfd_open;
    countdown = 1;
    failure = ENOMEM;
    pid_t pid = sup_spawn(&spawner, &order, &pidfd, &step);
    MUST(pid > 0);
    MUST_EQUAL(pidfd, -1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* A writer's end must not stay open at one of the places: its reader would wait for ever. */
static void leaves_no_copy_of_what_it_passed(void)
{
    int ends[2], pidfd, step;
    char byte;
    set_up();
    static char *const argv[] = {"/bin/echo", "x", NULL};
    order.argv = argv;
    MUST(pipe2(ends, O_CLOEXEC) == 0);
    order.out = order.err = ends[1];
    pid_t pid = sup_spawn(&spawner, &order, &pidfd, &step);
    MUST(pid > 0);
    close(ends[1]);
    MUST(read(ends[0], &byte, 1) == 1 && byte == 'x');
    MUST(read(ends[0], &byte, 1) == 1 && byte == '\n');
    MUST_EQUAL(read(ends[0], &byte, 1), 0);
    waitpid(pid, NULL, 0);
}

/* The table of the child does not grow with that of the keeper, and the keeper's is left alone. */
static void passes_nothing_but_what_it_is_told(void)
{
    int many[300], pidfd, step;
    set_up();
    for (int i = 0; i < 300; i++) many[i] = dup(SUP_SPAWN_NULL); /* not even close-on-exec */
    order.extra[0] = many[100];
    order.extra[1] = many[200];
    size_t descriptors = stage_count_descriptors(getpid());
    pid_t pid = sup_spawn(&spawner, &order, &pidfd, &step);
    MUST(pid > 0);
    AWAIT(stage_count_descriptors(pid) == 5); /* its loader opens and closes others */
    MUST_EQUAL(stage_count_descriptors(getpid()), descriptors + 1);
    for (int i = 0; i < 300; i++) MUST(fcntl(many[i], F_GETFD) >= 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
#define CASE(name) \
    { \
#name, name \
    }
    static const struct stage_case cases[] = {
        CASE(names_what_fails_before_the_child),
        CASE(names_what_fails_in_the_child),
        CASE(gives_up_the_reserve_for_a_pidfd),
        CASE(starts_nothing_without_a_reserve),
        CASE(lives_without_a_pidfd),
        CASE(leaves_no_copy_of_what_it_passed),
        CASE(passes_nothing_but_what_it_is_told),
    };
    return stage_main(argc, argv, cases, sizeof cases / sizeof cases[0], NULL);
}
