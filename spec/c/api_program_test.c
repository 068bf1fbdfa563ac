/*
** spec/c/api_program_test.c: whole programs that use the library: however they end, and whatever
** else they do, their services are stopped and nothing is left. Each is this program, run again
** with its name.
*/
#include "lib_api.h"

#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

/* --- inside a program ------------------------------------------------------------------------- */

static struct api_counter worker_counter;

/* A tree of a process that has a child of its own, and a function. Says what it started. */
static struct sup_supervisor *serve_shop(void)
{
    struct sup_supervisor *shop = sup_new_simple("shop");
    struct sup_service worker = {api_serve_until_asked, NULL, "worker", &worker_counter, NULL};
    char grandchild[] = "/tmp/suptree-api.XXXXXX", line[128];
    int pid = 0, file = mkstemp(grandchild);
    MUST(file >= 0);
    snprintf(line, sizeof line, "sleep 1000 & [ -e %s ] && echo $! >%s; wait", grandchild,
             grandchild);
    MUST(api_add_shell(shop, "web", line, NULL, NULL) == SUP_SUCCESS);
    MUST(sup_add(shop, &worker, NULL) == SUP_SUCCESS);
    MUST(sup_serve_background(shop, NULL) == SUP_SUCCESS);
    EVENTUALLY(worker_counter.serves == 1);
    FILE *text = fdopen(file, "r");
    EVENTUALLY((rewind(text), fscanf(text, "%d", &pid) == 1));
    fclose(text);
    unlink(grandchild);
    int32_t web = api_look(shop, "web").pid;
    printf("web %d\ngrandchild %d\nkeeper %d\n", (int) web, pid, (int) api_parent(web));
    fflush(stdout);
    return shop;
}

static void say_ready(void)
{
    printf("ready 1\n");
    fflush(stdout);
}

static int wait_to_be_killed(void)
{
    say_ready();
    while (pause() != 0) continue;
    return 1;
}

static int be_plain(void)
{
    serve_shop();
    return wait_to_be_killed();
}

static int be_exiting(void)
{
    static struct sup_supervisor *volatile shop; /* reachable: no leak, as far as one can see */
    shop = serve_shop();
    CHECK(shop != NULL);
    say_ready();
    return 7; /* without a stop */
}

static int be_forking(void)
{
    serve_shop();
    pid_t child = fork();
    if (child == 0)
        for (;;) pause(); /* with copies of all descriptors */
    printf("child %d\n", (int) child);
    return wait_to_be_killed();
}

static int be_execing(void)
{
    serve_shop();
    say_ready();
    execl("/bin/sleep", "sleep", "1000", NULL);
    return 1;
}

static int be_closing(void)
{
    serve_shop();
    say_ready();
    syscall(SYS_close_range, 3, ~0U, 0);
    while (pause() != 0) continue;
    return 1;
}

static void *free_all(void *shop)
{
    sup_free(shop);
    return NULL;
}

/* What its parent made is refused in a forked child, which makes its own. */
static int be_a_child(struct sup_supervisor *shop)
{
    size_t count = 5;
    uint64_t token = 5;
    struct sup_unstopped_service *left;
    MUST(api_add_sleeper(shop, "late", &token) == SUP_ERR_REFUSED);
    CHECK_INT(token, 0);
    CHECK_HAS(sup_last_error(), "belongs to the process that this one was forked from");
    CHECK_INT(sup_remove(shop, 1), SUP_ERR_REFUSED);
    CHECK_INT(sup_serve(shop), SUP_ERR_REFUSED);
    CHECK_INT(sup_stop(shop, NULL, &left, &count), SUP_ERR_REFUSED);
    free(sup_services(shop, &count));
    CHECK_INT(count, 0);
    CHECK_INT(sup_poll(shop, 600), 0);
    sup_free(shop);
#ifndef __SANITIZE_THREAD__ /* which knows no threads after a fork of threads */
    struct sup_supervisor *own = sup_new_simple("own");
    CHECK_INT(api_add_sleeper(own, "web", NULL), SUP_SUCCESS);
    CHECK_INT(sup_serve_background(own, NULL), SUP_SUCCESS);
    EVENTUALLY(api_is_running(own, "web"));
    CHECK_INT(sup_stop(own, NULL, NULL, NULL), SUP_SUCCESS);
    sup_free(own);
#endif
    return 0;
}

static int be_a_parent(void)
{
    int status = 0;
    pthread_t thread;
    struct sup_supervisor *shop = serve_shop();
    pid_t child = fork();
    if (child == 0) _exit(be_a_child(shop));
    MUST(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    CHECK(api_is_running(shop, "web")); /* the child has changed nothing */
    CHECK_INT(api_look(shop, "web").generation, 1);
    MUST(pthread_create(&thread, NULL, free_all, shop) == 0);
    pthread_join(thread, NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Without standard descriptors; what would go there goes nowhere. */
static int be_bare(void)
{
    struct stat own, null;
    int out = dup(STDOUT_FILENO);
    for (int fd = 0; fd <= 2; fd++) close(fd);
    struct sup_supervisor *shop = sup_new_simple("shop");
    bool good = api_add_sleeper(shop, "web", NULL) == SUP_SUCCESS &&
                sup_serve_background(shop, NULL) == SUP_SUCCESS && stat("/dev/null", &null) == 0;
    for (int fd = 0; fd <= 2; fd++)
        good = good && fstat(fd, &own) == 0 && own.st_rdev == null.st_rdev;
    good = good && api_is_running(shop, "web") && puts("nothing") >= 0 && fflush(stdout) == 0 &&
           sup_stop(shop, NULL, NULL, NULL) == SUP_SUCCESS;
    sup_free(shop);
    close(out);
    return good ? 0 : 1;
}

/* Its own descriptors stay its own. */
static int be_watchful(void)
{
    enum { FILES = 64 };
    struct stat before[FILES], now;
    struct sup_supervisor *first = sup_new_simple("first");
    MUST(sup_serve_background(first, NULL) == SUP_SUCCESS); /* libuv keeps two for good */
    sup_free(first);
    for (int fd = 3; fd < FILES / 2; fd++) MUST(open("/dev/zero", O_RDONLY) >= 0);
    for (int fd = 0; fd < FILES; fd++)
        if (fstat(fd, &before[fd]) < 0) before[fd].st_ino = 0;
    struct sup_supervisor *shop = serve_shop();
    sup_free(shop);
    for (int fd = 0; fd < FILES; fd++) {
        sup_test_case("descriptor %d", fd);
        bool is_there = fstat(fd, &now) == 0;
        CHECK_INT(is_there, before[fd].st_ino != 0);
        if (is_there) CHECK_INT(now.st_ino, before[fd].st_ino);
    }
    return 0;
}

static _Atomic int reaped, strangers;
static _Atomic pid_t own_child;

static void reap_everything(int signal)
{
    int saved = errno;
    pid_t pid;
    (void) signal;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        if (pid == own_child) reaped++;
        else strangers++;
    }
    errno = saved;
}

/* The tree must not need its children, nor be found among those of the program. */
static void live_through_failures(struct sup_supervisor *shop)
{
    for (uint32_t generation = 1; generation <= 3; generation++) {
        EVENTUALLY(api_is_running(shop, "web") && api_look(shop, "web").generation == generation);
        int32_t pid = api_look(shop, "web").pid;
        MUST(pid > 0);
        if (generation < 3) kill(pid, SIGKILL);
    }
}

static int be_reaping(void)
{
    struct sigaction action = {.sa_handler = reap_everything, .sa_flags = SA_RESTART};
    sigaction(SIGCHLD, &action, NULL);
    struct sup_supervisor *shop = serve_shop();
    live_through_failures(shop);
    sigset_t child_ends, former;
    sigemptyset(&child_ends);
    sigaddset(&child_ends, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child_ends, &former); /* until it is known who it is */
    own_child = fork();
    if (own_child == 0) _exit(0);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    EVENTUALLY(reaped == 1);
    sup_free(shop);
    return strangers <= 1 ? 0 : 1; /* what starts the keeper may be met, while serve runs */
}

static int be_waiting(void)
{
    struct sup_supervisor *shop = serve_shop();
    CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD); /* does not block: it has no children */
    live_through_failures(shop);
    pid_t child = fork();
    if (child == 0) _exit(3);
    CHECK_INT(waitpid(-1, NULL, 0), child);
    CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
    sup_free(shop);
    CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
    return 0;
}

static int be_ignoring(void)
{
    signal(SIGCHLD, SIG_IGN);
    struct sup_supervisor *shop = serve_shop();
    live_through_failures(shop);
    sup_free(shop);
    return 0;
}

/* In a group of its own, which is interrupted as a terminal would. */
static int be_interrupted(void)
{
    MUST(setpgid(0, 0) == 0);
    signal(SIGINT, SIG_IGN);
    struct sup_supervisor *shop = serve_shop();
    int32_t pid = api_look(shop, "web").pid;
    kill(0, SIGINT);
    CHECK_INT(api_add_sleeper(shop, "late", NULL), SUP_SUCCESS);
    EVENTUALLY(api_is_running(shop, "late"));
    CHECK_INT(api_look(shop, "web").pid, pid);
    sup_free(shop);
    return 0;
}

static int be_without_its_keeper(void)
{
    struct sup_supervisor *shop = serve_shop();
    int32_t web = api_look(shop, "web").pid;
    kill(api_parent(web), SIGKILL);
    EVENTUALLY(api_add_sleeper(shop, "late", NULL) == SUP_ERR_STOPPED);
    EVENTUALLY(!api_lives(web));
    CHECK_INT(worker_counter.serves, 1);
    EVENTUALLY(sup_serve(shop) == SUP_ERR_STOPPED); /* once it has ended */
    sup_free(shop);
    return 0;
}

/* With few descriptors for many services. */
static int be_poor(void)
{
    enum { COUNT = 60 };
    struct rlimit few;
    struct api_counter counter = {0};
    char name[32];
    struct sup_supervisor *shop = sup_new_simple("shop");
    MUST(getrlimit(RLIMIT_NOFILE, &few) == 0);
    few.rlim_cur = 40; /* what it may raise, and its keeper does */
    MUST(setrlimit(RLIMIT_NOFILE, &few) == 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "s%d", i);
        struct sup_service service = {api_serve_until_asked, api_note_stop, name, &counter, NULL};
        enum sup_error error =
            i % 2 == 0 ? sup_add(shop, &service, NULL) : api_add_sleeper(shop, name, NULL);
        CHECK_INT(error, SUP_SUCCESS);
    }
    CHECK_INT(sup_serve_background(shop, NULL), SUP_SUCCESS);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "s%d", i);
        EVENTUALLY(api_is_running(shop, name));
    }
    EVENTUALLY(counter.serves == COUNT / 2);
    int32_t pid = api_look(shop, "s1").pid;
    kill(pid, SIGKILL);
    EVENTUALLY(api_is_running(shop, "s1") && api_look(shop, "s1").generation == 2);
    CHECK_INT(sup_stop(shop, NULL, NULL, NULL), SUP_SUCCESS);
    CHECK_INT(counter.stops, COUNT / 2);
    sup_free(shop);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} programs[] = {
    {"plain", be_plain},
    {"exiting", be_exiting},
    {"forking", be_forking},
    {"execing", be_execing},
    {"closing", be_closing},
    {"parent", be_a_parent},
    {"bare", be_bare},
    {"watchful", be_watchful},
    {"reaping", be_reaping},
    {"waiting", be_waiting},
    {"ignoring", be_ignoring},
    {"interrupted", be_interrupted},
    {"orphaned", be_without_its_keeper},
    {"poor", be_poor},
};

/* --- around a program ------------------------------------------------------------------------- */

struct program {
    pid_t pid;
    int web, grandchild, keeper, child;
};

/* Runs the program ${name} until it is ready, or has ended. */
static struct program start(const char *name)
{
    struct program program = {.pid = 0};
    char *argv[] = {(char *) "api_program_test", (char *) "--program", (char *) name, NULL};
    char word[32];
    int pipes[2], number;
    posix_spawn_file_actions_t actions;
    MUST(pipe2(pipes, O_CLOEXEC) == 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
    MUST(posix_spawn(&program.pid, "/proc/self/exe", &actions, NULL, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    FILE *out = fdopen(pipes[0], "r");
    while (fscanf(out, "%31s %d", word, &number) == 2 && strcmp(word, "ready") != 0) {
        if (strcmp(word, "web") == 0) program.web = number;
        if (strcmp(word, "grandchild") == 0) program.grandchild = number;
        if (strcmp(word, "keeper") == 0) program.keeper = number;
        if (strcmp(word, "child") == 0) program.child = number;
    }
    fclose(out);
    return program;
}

static int wait_for(const struct program *program)
{
    int status = -1;
    while (waitpid(program->pid, &status, 0) < 0 && errno == EINTR) continue;
    return status;
}

static void check_nothing_is_left(const struct program *program)
{
    MUST(program->web > 0 && program->grandchild > 0 && program->keeper > 0);
    EVENTUALLY(!api_lives(program->web));
    EVENTUALLY(!api_lives(program->grandchild));
    EVENTUALLY(!api_lives(program->keeper));
}

static void a_program_that_is_killed_leaves_nothing(void)
{
    struct program program = start("plain");
    CHECK(api_lives(program.web) && api_lives(program.grandchild));
    kill(program.pid, SIGKILL);
    wait_for(&program);
    check_nothing_is_left(&program);
}

static void a_program_that_is_told_to_end_leaves_nothing(void)
{
    struct program program = start("plain");
    kill(program.pid, SIGTERM);
    CHECK_INT(WTERMSIG(wait_for(&program)), SIGTERM);
    check_nothing_is_left(&program);
}

static void a_program_that_exits_without_a_stop_leaves_nothing(void)
{
    struct program program = start("exiting");
    CHECK_INT(WEXITSTATUS(wait_for(&program)), 7);
    check_nothing_is_left(&program);
}

static void a_forked_child_that_lives_on_hides_nothing(void)
{
    struct program program = start("forking");
    kill(program.pid, SIGKILL);
    wait_for(&program);
    check_nothing_is_left(&program);
    CHECK(api_lives(program.child));
    kill(program.child, SIGKILL);
}

static void a_program_that_becomes_another_leaves_nothing(void)
{
    struct program program = start("execing");
    check_nothing_is_left(&program);
    CHECK(api_lives(program.pid));
    kill(program.pid, SIGKILL);
    wait_for(&program);
}

static void a_program_that_closes_what_it_does_not_know_is_aborted_and_leaves_nothing(void)
{
    struct program program = start("closing");
    CHECK_INT(WTERMSIG(wait_for(&program)), SIGABRT);
    check_nothing_is_left(&program);
}

static void ends_well(const char *name)
{
    struct program program = start(name);
    int status = wait_for(&program);
    sup_test_case("the program %s", name);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    if (program.web > 0) check_nothing_is_left(&program);
}

static void a_forked_child_makes_its_own(void)
{
    ends_well("parent");
}

static void closed_standard_descriptors_lead_nowhere(void)
{
    ends_well("bare");
}

static void a_program_keeps_its_descriptors(void)
{
    ends_well("watchful");
}

static void many_services_need_no_more_descriptors_than_there_are(void)
{
    ends_well("poor");
}

static void a_program_that_reaps_everything_disturbs_nobody(void)
{
    ends_well("reaping");
    ends_well("ignoring");
}

static void a_program_that_waits_for_any_child_does_not_meet_ours(void)
{
    ends_well("waiting");
}

static void the_signals_of_a_terminal_are_for_the_program(void)
{
    ends_well("interrupted");
}

static void a_keeper_that_is_killed_ends_the_tree(void)
{
    ends_well("orphaned");
}

int main(int argc, char **argv)
{
    static const struct sup_test tests[] = {
        TEST(a_program_that_is_killed_leaves_nothing),
        TEST(a_program_that_is_told_to_end_leaves_nothing),
        TEST(a_program_that_exits_without_a_stop_leaves_nothing),
        TEST(a_forked_child_that_lives_on_hides_nothing),
        TEST(a_program_that_becomes_another_leaves_nothing),
        TEST(a_program_that_closes_what_it_does_not_know_is_aborted_and_leaves_nothing),
        TEST(a_forked_child_makes_its_own),
        TEST(closed_standard_descriptors_lead_nowhere),
        TEST(a_program_keeps_its_descriptors),
        TEST(many_services_need_no_more_descriptors_than_there_are),
        TEST(a_program_that_reaps_everything_disturbs_nobody),
        TEST(a_program_that_waits_for_any_child_does_not_meet_ours),
        TEST(the_signals_of_a_terminal_are_for_the_program),
        TEST(a_keeper_that_is_killed_ends_the_tree),
    };
    api_use_keeper();
    for (size_t i = 0; argc == 3 && i < sizeof programs / sizeof *programs; i++)
        if (strcmp(argv[1], "--program") == 0 && strcmp(argv[2], programs[i].name) == 0)
            return programs[i].run() + sup_test_failures();
    return sup_test_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
