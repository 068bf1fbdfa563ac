/*
** spec/c/keeper_slow_test.c: starts that hang, as on a file system that does not answer. Running a
** file that somebody has a lease on waits until he gives it up: that hangs as truly, and ends when
** the test likes. Meanwhile the keeper must go on with everything else.
*/
#include "keeper/mounts.h"
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

/* --- which mounts ---------------------------------------------------------------------------- */

static bool is_marked(const struct sup_mounts *mounts, int id)
{
    for (size_t i = 0; i < mounts->count; i++)
        if (mounts->ids[i] == id) return true;
    return false;
}

static void knows_the_kinds_that_may_hang(void)
{
    static const char list[] =
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "34 21 0:50 / /mnt/far rw shared:7 master:2 - nfs4 host:/x rw,vers=4.2,addr=1.2.3.4\n"
        "35 21 0:51 / /mnt/a\\040-\\040b rw - fuse.sshfs a@b:/ rw\n"
        "36 21 0:52 / /sys/fs/fuse/connections rw - fusectl fusectl rw\n"
        "37 21 0:53 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw,fd=29\n"
        "38 21 0:54 / /home rw - autofs /etc/auto.home rw\n"
        "39 21 0:55 / /x rw - fuseblk /dev/sdb1 rw\n"
        "40 21 0:56 / /y rw - fuse portal rw\n"
        "41 21 0:57 / /nfs rw - tmpfs nfs rw,nfs\n"
        "42 21 0:58 / /z rw - cifs //host/z rw\n"
        "43 21 0:59 / /own rw - odd odd rw\n";
    static const int marked[] = {34, 35, 38, 39, 40, 42};
    struct sup_mounts mounts = {.list = -1};
    sup_mounts_take(&mounts, list, sizeof list - 1);
    MUST_EQUAL(mounts.count, 6);
    MUST(!mounts.all);
    for (size_t i = 0; i < 6; i++) MUST(is_marked(&mounts, marked[i]));
    mounts.others = "odd";
    sup_mounts_take(&mounts, list, sizeof list - 1);
    MUST_EQUAL(mounts.count, 7);
    MUST(is_marked(&mounts, 43));
    mounts.others = "all";
    sup_mounts_take(&mounts, list, sizeof list - 1);
    MUST(mounts.all);
}

static void takes_lists_of_any_length(void)
{
    static char text[1 << 20];
    struct sup_mounts mounts = {.list = -1};
    size_t size = (size_t) snprintf(text, sizeof text, "7 1 0:5 / /");
    memset(text + size, 'p', 100000);
    size += 100000;
    size += (size_t) snprintf(text + size, 64, " rw - overlay overlay rw,lowerdir=");
    memset(text + size, 'l', 100000);
    size += 100000;
    size += (size_t) snprintf(text + size, 64, "\n8 7 0:6 / /m rw - 9p p rw\n");
    sup_mounts_take(&mounts, text, size);
    MUST_EQUAL(mounts.count, 1);
    MUST_EQUAL(mounts.ids[0], 8);
    size = 0;
    for (int i = 0; i <= SUP_MOUNTS_MOST; i++)
        size += (size_t) snprintf(text + size, 64, "%d 1 0:5 / /m%d rw - nfs h:/ rw\n", i + 10, i);
    sup_mounts_take(&mounts, text, size);
    MUST(mounts.all); /* one too many to remember */
}

static int mount_of(const char *path)
{
    char info[64], text[512];
    int fd = open(path, O_PATH | O_CLOEXEC);
    snprintf(info, sizeof info, "/proc/self/fdinfo/%d", fd);
    MUST(fd >= 0 && stage_read_file(info, text, sizeof text) > 0);
    const char *at = strstr(text, "mnt_id:");
    MUST(at != NULL);
    close(fd);
    return (int) strtol(at + strlen("mnt_id:"), NULL, 10);
}

static void take_one(struct sup_mounts *mounts, const char *place, const char *type)
{
    char list[256];
    snprintf(list, sizeof list, "%d 1 0:5 / %s rw - %s h:/ rw\n", mount_of(place), place, type);
    sup_mounts_take(mounts, list, strlen(list));
}

/* /dev is in the kernel's own memory wherever this runs: what was just looked at is known. */
static void sees_where_a_program_is(void)
{
    struct sup_mounts mounts = {.list = -1};
    struct stat info;
    MUST(chdir("/dev") == 0 && stat("./null", &info) == 0);
    take_one(&mounts, "/proc", "nfs");
    MUST(!sup_mounts_may_hang(&mounts, NULL, "./null", ""));
    MUST(!sup_mounts_may_hang(&mounts, NULL, "null", "."));
    MUST(!sup_mounts_may_hang(&mounts, NULL, "null", ":/proc")); /* found before */
    MUST(sup_mounts_may_hang(&mounts, "/proc", "./null", ""));
    MUST(sup_mounts_may_hang(&mounts, NULL, "/proc/version", ""));
    MUST(sup_mounts_may_hang(&mounts, NULL, "version", "/proc"));
    MUST(sup_mounts_may_hang(&mounts, NULL, "no-such-name", ".:/proc"));
    MUST(sup_mounts_may_hang(&mounts, NULL, "./no-such-name", "")); /* it may come */
    take_one(&mounts, "/dev", "ceph");
    MUST(sup_mounts_may_hang(&mounts, NULL, "./null", ""));
    sup_mounts_take(&mounts, "", 0);
    MUST(!sup_mounts_may_hang(&mounts, "/proc", "/proc/version", ""));
    sup_mounts_finish(&mounts);
    MUST(sup_mounts_may_hang(&mounts, NULL, "./null", "")); /* nothing is known */
}

static void reads_the_list_of_this_machine(void)
{
    struct sup_mounts mounts;
    sup_mounts_init(&mounts, "proc");
    MUST(sup_mounts_may_hang(&mounts, "/proc", "/bin/sh", ""));
    MUST(!mounts.all);
    MUST(is_marked(&mounts, mount_of("/proc")));
    sup_mounts_finish(&mounts);
}

/* --- starts that hang ------------------------------------------------------------------------ */

/* A program whose start hangs from now on, until ${lease} is given up. */
static const char *make_hanging(const struct stage *stage, int *lease)
{
    static const char text[] = "#!/bin/sh\nexec sleep 1000\n";
    const char *path = stage_path(stage, "hanging");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    MUST(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t) sizeof text - 1);
    close(fd);
    signal(SIGIO, SIG_IGN); /* somebody wants to open it */
    *lease = open(path, O_RDONLY | O_CLOEXEC);
    MUST(*lease >= 0 && fcntl(*lease, F_SETLEASE, F_WRLCK) == 0);
    return path;
}

static void give_up(int lease)
{
    MUST(fcntl(lease, F_SETLEASE, F_UNLCK) == 0);
    close(lease);
}

/* Instance 1 of node 0 hangs. */
static void spawn_hanging(struct stage *stage, const char *cwd, int *lease)
{
    const char *const argv[] = {make_hanging(stage, lease), NULL};
    stage_plan(stage, NODE(0), &(struct stage_plan){.argv = argv, .cwd = cwd, .timeout_ns = -1});
    stage_spawn(stage, NODE(0), 1);
    AWAIT(fcntl(*lease, F_GETLEASE) != F_WRLCK); /* it is being broken: the start waits */
}

static void must_end_well(struct stage *stage)
{
    int status = stage_close(stage);
    MUST(WIFEXITED(status));
    MUST_EQUAL(WEXITSTATUS(status), 0);
}

static struct stage *open_stage(const char *slow)
{
    const char *const more[] = {"--test-slow", slow, NULL};
    struct stage *stage = stage_library(more);
    stage_greet(stage);
    stage_plan_shell(stage, NODE(1), "exec sleep 1000");
    return stage;
}

/* Others start, are signalled and reaped; then it starts, too. */
static void must_go_on_beside_it(struct stage *stage, const char *cwd)
{
    int lease, pidfd;
    spawn_hanging(stage, cwd, &lease);
    pid_t pid = stage_birth(stage, 1);
    MUST(pid > 0);
    stage_start(stage, NODE(1), 2, NULL);
    stage_signal(stage, 2, SIGKILL, SUP_TARGET_GROUP);
    MUST_EQUAL(WTERMSIG(stage_expect(stage, SUP_WIRE_EXIT, 2, NULL).a), SIGKILL);
    MUST_EQUAL(stage_count(stage, SUP_WIRE_SPAWNED, 1), 0);
    give_up(lease);
    MUST_EQUAL(stage_expect(stage, SUP_WIRE_SPAWNED, 1, &pidfd).a, pid);
    MUST(pidfd >= 0);
    close(pidfd);
    stage_signal(stage, 1, SIGTERM, SUP_TARGET_PROCESS);
    MUST_EQUAL(WTERMSIG(stage_expect(stage, SUP_WIRE_EXIT, 1, NULL).a), SIGTERM);
    must_end_well(stage);
}

static void does_not_wait_for_a_start_that_hangs(void)
{
    must_go_on_beside_it(open_stage("all"), NULL);
}

/* Only where the file system is one of those: here that of its folder. */
static void finds_out_where_starts_may_hang(void)
{
    must_go_on_beside_it(open_stage("proc"), "/proc");
}

static void kills_what_hangs(void)
{
    struct stage *stage = open_stage("all");
    int lease;
    spawn_hanging(stage, NULL, &lease);
    stage_signal(stage, 1, SIGKILL, SUP_TARGET_GROUP);
    MUST_EQUAL(WTERMSIG(stage_expect(stage, SUP_WIRE_EXIT, 1, NULL).a), SIGKILL);
    MUST_EQUAL(stage_birth(stage, 1), 0);
    give_up(lease);
    must_end_well(stage);
}

static void tells_of_starts_that_fail(void)
{
    struct stage *stage = open_stage("all");
    size_t descriptors = stage_keeper_descriptors(stage);
    const char *const argv[] = {"/none", NULL};
    const char *const shell[] = {"/bin/sh", NULL};
    stage_plan(stage, NODE(2), &(struct stage_plan){.argv = argv});
    stage_plan(stage, NODE(3), &(struct stage_plan){.argv = shell, .cwd = "/none"});
    for (uint64_t i = 1; i <= 20; i++) {
        stage_spawn(stage, NODE(2 + i % 2), i);
        struct sup_wire failed = stage_expect(stage, SUP_WIRE_SPAWN_FAILED, i, NULL);
        MUST_EQUAL(failed.a, i % 2 == 0 ? SUP_STEP_EXEC : SUP_STEP_CWD);
        MUST_EQUAL(failed.b, ENOENT);
        MUST_EQUAL(stage_birth(stage, i), 0);
        stage_ack(stage, i);
    }
    MUST_EQUAL(stage_count(stage, SUP_WIRE_SPAWNED, 0), 0);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_UNPLAN, .node = NODE(2)}, -1);
    stage_send(stage, (struct sup_wire){.type = SUP_WIRE_UNPLAN, .node = NODE(3)}, -1);
    stage_settle(stage);
    MUST_EQUAL(stage_keeper_descriptors(stage), descriptors);
    must_end_well(stage);
}

static void tells_the_next_host_of_a_start_that_hangs(void)
{
    const char *const more[] = {"--test-slow", "all", NULL};
    struct stage *stage = stage_hosts("puppet", more);
    int lease;
    stage_accept(stage);
    stage_greet(stage);
    spawn_hanging(stage, NULL, &lease);
    stage_kill_host(stage);
    stage_drop_backlog(stage);
    stage_accept(stage);
    MUST_EQUAL(stage_greet(stage).instance, 1);
    struct sup_wire starting = stage_expect(stage, SUP_WIRE_STARTING, 1, NULL);
    MUST_EQUAL(starting.node, NODE(0));
    MUST_EQUAL(starting.a, stage_birth(stage, 1));
    MUST_EQUAL(stage->count, 0);
    give_up(lease);
    MUST_EQUAL(stage_expect(stage, SUP_WIRE_SPAWNED, 1, NULL).a, starting.a);
    must_end_well(stage);
}

static void ends_beside_a_start_that_hangs(void)
{
    struct stage *stage = open_stage("all");
    int lease;
    spawn_hanging(stage, NULL, &lease);
    pid_t pid = stage_birth(stage, 1);
    must_end_well(stage);
    MUST(!stage_is_alive(pid));
    close(lease);
}

int main(int argc, char **argv)
{
#define CASE(name) \
    { \
#name, name \
    }
    static const struct stage_case cases[] = {
        CASE(knows_the_kinds_that_may_hang),
        CASE(takes_lists_of_any_length),
        CASE(sees_where_a_program_is),
        CASE(reads_the_list_of_this_machine),
        CASE(does_not_wait_for_a_start_that_hangs),
        CASE(finds_out_where_starts_may_hang),
        CASE(kills_what_hangs),
        CASE(tells_of_starts_that_fail),
        CASE(tells_the_next_host_of_a_start_that_hangs),
        CASE(ends_beside_a_start_that_hangs),
    };
    return stage_main(argc, argv, cases, sizeof cases / sizeof cases[0], NULL);
}
