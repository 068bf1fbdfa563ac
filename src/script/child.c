/*
** script/child.c: one child, its output and its deadline.
*/
#include "script/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_WAITED 9 /* of the limit: what a busy machine may add to it */

struct watch {
    pid_t pid;
    int pidfd;
    int output; /* read end of what it prints; -1 once it has ended */
    int cancel; /* -1: none */
    uint64_t printed;
    struct sup_child *child;
};

static int64_t read_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* --- starting --------------------------------------------------------------------------------- */

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    int rc = posix_spawnattr_setflags(attributes, flags);
    if (rc == 0) rc = posix_spawnattr_setpgroup(attributes, 0);
    if (rc == 0) rc = posix_spawnattr_setsigmask(attributes, &none);
    if (rc == 0) rc = posix_spawnattr_setsigdefault(attributes, &all);
    return rc;
}

/* ${result_fd} and ${output} are above the descriptors that they become. */
static int set_actions(posix_spawn_file_actions_t *actions, int result_fd, int output)
{
    int rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0) rc = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    if (rc == 0) rc = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
    if (rc == 0) rc = posix_spawn_file_actions_adddup2(actions, result_fd, SUP_CHILD_RESULT_FD);
    if (rc == 0) rc = posix_spawn_file_actions_addclosefrom_np(actions, SUP_CHILD_RESULT_FD + 1);
    return rc;
}

static int spawn_with(char *const argv[], int result_fd, int output, pid_t *pid)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int rc = posix_spawnattr_init(&attributes);
    if (rc != 0) return -rc;
    rc = posix_spawn_file_actions_init(&actions);
    if (rc == 0) {
        rc = set_attributes(&attributes);
        if (rc == 0) rc = set_actions(&actions, result_fd, output);
        if (rc == 0) rc = posix_spawn(pid, argv[0], &actions, &attributes, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return -rc;
}

/* A close-on-exec copy of ${fd} above the descriptors that the child's become. */
static int copy_above(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, SUP_CHILD_RESULT_FD + 1);
    return copy < 0 ? -errno : copy;
}

static int spawn(char *const argv[], int result_fd, int output, pid_t *pid)
{
    int result_copy = copy_above(result_fd);
    int output_copy = copy_above(output);
    int rc = result_copy < 0 ? result_copy : output_copy;
    if (rc >= 0) rc = spawn_with(argv, result_copy, output_copy, pid);
    if (result_copy >= 0) close(result_copy);
    if (output_copy >= 0) close(output_copy);
    return rc;
}

/* --- watching --------------------------------------------------------------------------------- */

static void write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno != EINTR) return; /* nobody to tell */
        if (n > 0) {
            bytes += n;
            size -= (size_t) n;
        }
    }
}

/* Forward what is there now. False: nothing more for now, or for ever. */
static bool forward_some(struct watch *watch)
{
    char bytes[4096];
    if (watch->output < 0) return false;
    ssize_t n = read(watch->output, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) return true;
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) {
        close(watch->output);
        watch->output = -1;
        return false;
    }
    uint64_t room = SUP_CHILD_OUTPUT_MAX - watch->printed;
    uint64_t shown = (uint64_t) n < room ? (uint64_t) n : room;
    write_all(STDERR_FILENO, bytes, (size_t) shown);
    watch->printed += shown;
    watch->child->dropped += (uint64_t) n - shown;
    return true;
}

/* How long the child has stood in line for a processor; 0: nobody knows. */
static int64_t read_waited(pid_t pid)
{
    char path[64], text[128];
    long long waited_ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int) pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return sscanf(text, "%*s %lld", &waited_ns) == 1 && waited_ns > 0 ? waited_ns : 0;
}

static int milliseconds_until(int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns - read_clock();
    return left_ns <= 0 ? 0 : (int) (left_ns / 1000000 + 1);
}

/* Wait for its end or the deadline, forwarding its output. -ETIME: the deadline, or cancelled. */
static int wait_for_end(struct watch *watch, int64_t limit_ns)
{
    int64_t began_ns = read_clock(), deadline_ns = began_ns + limit_ns;
    for (;;) {
        if (read_clock() >= deadline_ns) {
            int64_t waited_ns = read_waited(watch->pid), most_ns = limit_ns * MOST_WAITED;
            deadline_ns = began_ns + limit_ns + (waited_ns < most_ns ? waited_ns : most_ns);
        }
        struct pollfd polled[3] = {
            {.fd = watch->pidfd, .events = POLLIN},
            {.fd = watch->output, .events = POLLIN},
            {.fd = watch->cancel, .events = POLLIN},
        };
        int left = milliseconds_until(deadline_ns);
        int rc = poll(polled, 3, left);
        if (rc < 0 && errno != EINTR) return -errno;
        if (rc > 0 && polled[0].revents != 0) return 0;
        if (rc > 0 && polled[1].revents != 0) forward_some(watch);
        if (left == 0 || (rc > 0 && polled[2].revents != 0)) return -ETIME;
    }
}

/* The group is killed while its leader is not reaped: until then nobody else can have its
   number. */
static int end_child(struct watch *watch, bool timed_out)
{
    siginfo_t info = {0};
    kill(-watch->pid, SIGKILL);
    while (waitid(P_PID, (id_t) watch->pid, &info, WEXITED) != 0)
        if (errno != EINTR) return -errno;
    int64_t patience_ns = read_clock() + INT64_C(100000000);
    while (forward_some(watch) && read_clock() < patience_ns) continue;
    watch->child->code = info.si_status;
    if (timed_out) watch->child->end = SUP_CHILD_TIMED_OUT;
    else if (info.si_code == CLD_EXITED) watch->child->end = SUP_CHILD_EXITED;
    else watch->child->end = SUP_CHILD_SIGNALLED;
    return 0;
}

int sup_child_run(char *const argv[], int result_fd, int64_t limit_ns, int cancel_fd,
                  struct sup_child *child)
{
    int pipe_fds[2];
    *child = (struct sup_child){.end = SUP_CHILD_EXITED};
    if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
    struct watch watch = {.pidfd = -1, .output = pipe_fds[0], .cancel = cancel_fd, .child = child};
    /* Only our end is to be without waiting: the flag belongs to each end by itself. */
    fcntl(pipe_fds[1], F_SETFL, 0);
    int rc = spawn(argv, result_fd, pipe_fds[1], &watch.pid);
    close(pipe_fds[1]);
    if (rc == 0) {
        watch.pidfd = (int) syscall(SYS_pidfd_open, watch.pid, 0);
        rc = watch.pidfd < 0 ? -errno : wait_for_end(&watch, limit_ns);
        int ended = end_child(&watch, rc == -ETIME);
        if (rc == 0 || rc == -ETIME) rc = ended;
    }
    if (watch.pidfd >= 0) close(watch.pidfd);
    if (watch.output >= 0) close(watch.output);
    return rc;
}
