/* What is read of processes: what they use, and why one does not end. */
#include "base/process.h"

#include "lib_test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 40000 /* looks, a few milliseconds apart */

static pid_t start(void (*child)(void))
{
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        child();
        _exit(0);
    }
    return pid;
}

/* With memory of its own: what is less than a few pages the kernel may not count. */
static void sleep_on(void)
{
    static volatile char memory[4 << 20];
    for (size_t i = 0; i < sizeof memory; i += 1024) memory[i] = 1;
    for (;;) pause();
}

/* The child of a child; both stay. */
static void sleep_with_child(void)
{
    if (fork() >= 0) sleep_on();
}

static void end_at_once(void)
{
}

static void finish(pid_t pid)
{
    kill(pid, SIGKILL);
    MUST(waitpid(pid, NULL, 0) == pid);
}

static const struct sup_seat nowhere = {.cgroups = -1};

/* Wait until ${processes} are counted, and some of their memory: the kernel tells a little less
   than there is. */
static void await_usage(const struct sup_seat *seat, unsigned processes, struct sup_usage *usage)
{
    for (int looks = 0; looks < PATIENCE; looks++) {
        sup_usage_read(seat, usage);
        if (usage->processes >= processes && usage->memory > 0) return;
        poll(NULL, 0, 3);
    }
    MUST(usage->processes >= processes && usage->memory > 0);
}

static void a_process_and_its_children_are_counted(void)
{
    struct sup_usage usage;
    pid_t pid = start(sleep_with_child);
    struct sup_seat seat = nowhere;
    seat.pid = pid;
    await_usage(&seat, 2, &usage);
    CHECK_INT(usage.processes, 2);
    CHECK(usage.memory > 0);
    CHECK_INT(usage.memory_peak, 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int) pid, (int) pid);
    FILE *file = fopen(path, "re");
    int child = 0;
    MUST(file != NULL && fscanf(file, "%d", &child) == 1);
    fclose(file);
    kill(child, SIGKILL);
    finish(pid);
    sup_usage_read(&seat, &usage);
    CHECK_INT(usage.processes, 0);
    CHECK_INT(usage.memory, 0);
}

static void put_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/7/%s", folder, name);
    FILE *file = fopen(path, "we");
    MUST(file != NULL);
    fputs(text, file);
    fclose(file);
}

static void a_cgroup_says_who_and_how_much(void)
{
    char folder[] = "/tmp/sup-process.XXXXXX", path[256], text[32];
    struct sup_usage usage;
    MUST(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/7", folder);
    MUST(mkdir(path, 0700) == 0);
    pid_t one = start(sleep_on), other = start(sleep_on);
    snprintf(text, sizeof text, "%d\n%d\n", (int) one, (int) other);
    put_file(folder, "cgroup.procs", text);
    struct sup_seat seat = {.pid = one, .folder = "7"};
    seat.cgroups = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    await_usage(&seat, 2, &usage);
    CHECK_INT(usage.processes, 2);
    put_file(folder, "memory.current", "4096\n");
    put_file(folder, "memory.peak", "8192\n");
    sup_usage_read(&seat, &usage);
    CHECK_INT(usage.memory, 4096);
    CHECK_INT(usage.memory_peak, 8192);
    finish(one);
    finish(other);
    close(seat.cgroups);
    snprintf(path, sizeof path, "rm -r %s", folder);
    CHECK_INT(system(path), 0);
}

static void a_zombie_is_told_with_its_parent(void)
{
    char text[512], wanted[128];
    siginfo_t info;
    struct sup_seat seat = nowhere;
    seat.pid = start(end_at_once);
    MUST(waitid(P_PID, (id_t) seat.pid, &info, WEXITED | WNOWAIT) == 0);
    sup_process_why(&seat, text, sizeof text);
    snprintf(wanted, sizeof wanted, "is a zombie: it has ended, but its parent %d (process_test)",
             (int) getpid());
    CHECK_HAS(text, wanted);
    MUST(waitpid(seat.pid, NULL, 0) == seat.pid);
    CHECK_TEXT(sup_process_why(&seat, text, sizeof text), "");
}

/* Looks at its parent, which is root's, as somebody else. */
static void look_as_another(void)
{
    char text[512], wanted[64];
    struct sup_seat seat = nowhere;
    seat.pid = getppid();
    if (setuid(65534) < 0) _exit(2);
    snprintf(wanted, sizeof wanted, "pid %d (process_test) is not ours to kill: it runs as user 0",
             (int) seat.pid);
    sup_process_why(&seat, text, sizeof text);
    _exit(strstr(text, wanted) == NULL);
}

static void one_that_is_another_users_is_told(void)
{
    int status;
    if (getuid() != 0) return; /* only root has processes that others may not kill */
    pid_t pid = start(look_as_another);
    MUST(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
}

static void one_that_lives_is_told_with_its_state(void)
{
    char text[512], tiny[24];
    struct sup_seat seat = nowhere;
    seat.pid = start(sleep_on);
    sup_process_why(&seat, text, sizeof text);
    CHECK_HAS(text, "(process_test) was killed and is still in state ");
    CHECK_INT(strlen(sup_process_why(&seat, tiny, sizeof tiny)), sizeof tiny - 1);
    finish(seat.pid);
}

TEST_MAIN(TEST(a_process_and_its_children_are_counted), TEST(a_cgroup_says_who_and_how_much),
          TEST(a_zombie_is_told_with_its_parent), TEST(one_that_is_another_users_is_told),
          TEST(one_that_lives_is_told_with_its_state))
