/*
** keeper/sys.c: the table of system calls as Linux has them.
** Must not know what they are called for.
*/
#include "keeper/sys.h"

#include "wire/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child runs on the keeper's memory: no sanitizer may keep books about it. */
#define IN_CHILD __attribute__((no_sanitize("address", "undefined", "thread"), noinline))

static int result(long value)
{
    return value < 0 ? -errno : (int) value;
}

/* linux/sched.h of 5.7; glibc has no function for it. */
struct clone_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
};
#define INTO_CGROUP UINT64_C(0x200000000)
#define STACK_ROOM 32768 /* below the top; what it grows down to is never checked */

/*
** clone3, the child going on in ${child} on its own stack: it must not return to a frame that it
** shares. Only the number of the system call is between the two.
*/
static long call_clone3(const struct clone_arguments *arguments, int (*child)(void *),
                        void *argument)
{
#if defined(__x86_64__)
    register long number __asm__("rax") = SYS_clone3;
    register const void *first __asm__("rdi") = arguments;
    register size_t second __asm__("rsi") = sizeof *arguments;
    register int (*call)(void *) __asm__("r8") = child;
    register void *with __asm__("r9") = argument;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r9, %%rdi\n\t"
                     "call *%%r8\n\t"
                     "hlt\n"
                     "1:"
                     : "+r"(number)
                     : "r"(first), "r"(second), "r"(call), "r"(with)
                     : "rcx", "r11", "memory", "cc");
    return number;
#elif defined(__aarch64__)
    register long number __asm__("x8") = SYS_clone3;
    register long first __asm__("x0") = (long) arguments;
    register size_t second __asm__("x1") = sizeof *arguments;
    register int (*call)(void *) __asm__("x9") = child;
    register void *with __asm__("x10") = argument;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, #0\n\t"
                     "mov x0, x10\n\t"
                     "blr x9\n\t"
                     "brk #1\n"
                     "1:"
                     : "+r"(first)
                     : "r"(number), "r"(second), "r"(call), "r"(with)
                     : "memory", "cc");
    return first;
#else
    (void) arguments, (void) child, (void) argument;
    return -ENOSYS;
#endif
}

static int make_process_in(int (*child)(void *), void *stack_top, int flags, void *argument,
                           pid_t *pid, int cgroup)
{
    struct clone_arguments arguments = {
        .flags = ((unsigned) flags & ~(unsigned) CSIGNAL) | INTO_CGROUP,
        .parent_tid = (uint64_t) (uintptr_t) pid,
        .exit_signal = (unsigned) flags & CSIGNAL,
        .stack = (uint64_t) (uintptr_t) stack_top - STACK_ROOM,
        .stack_size = STACK_ROOM,
        .cgroup = (uint64_t) cgroup,
    };
    return (int) call_clone3(&arguments, child, argument);
}

static int make_process(int (*child)(void *), void *stack_top, int flags, void *argument,
                        pid_t *pid, int cgroup)
{
    if (cgroup >= 0) return make_process_in(child, stack_top, flags, argument, pid, cgroup);
    return result(clone(child, stack_top, flags, argument, pid));
}

static int open_pidfd(pid_t pid)
{
    return result(syscall(SYS_pidfd_open, pid, 0));
}

static int signal_pidfd(int pidfd, int signal)
{
    return result(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

static int signal_pid(pid_t pid, int signal)
{
    return result(kill(pid, signal));
}

static int make_pipe(int ends[2])
{
    return result(pipe2(ends, O_CLOEXEC));
}

static int make_socket_pair(int ends[2])
{
    return result(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
}

static int duplicate(int fd, int to)
{
    return result(dup3(fd, to, O_CLOEXEC));
}

static int duplicate_above(int fd, int least)
{
    return result(fcntl(fd, F_DUPFD_CLOEXEC, least));
}

static int wait_for(pid_t pid, int *status, int flags, struct rusage *usage)
{
    return result(wait4(pid, status, flags, usage));
}

IN_CHILD static int child_result(long value)
{
    return value < 0 ? -errno : (int) value;
}

IN_CHILD static int unshare_files(unsigned first_closed)
{
    return child_result(syscall(SYS_close_range, first_closed, ~0U, CLOSE_RANGE_UNSHARE));
}

IN_CHILD static int set_session(void)
{
    return child_result(syscall(SYS_setsid));
}

IN_CHILD static int install(int fd, int to)
{
    return child_result(syscall(SYS_dup3, fd, to, 0));
}

IN_CHILD static int change_folder(const char *path)
{
    return child_result(syscall(SYS_chdir, path));
}

IN_CHILD static int set_limit(int resource, const struct rlimit *limit)
{
    return child_result(syscall(SYS_prlimit64, 0, resource, limit, NULL));
}

IN_CHILD static int set_oom_score(const char *text, size_t size)
{
    long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int r = child_result(syscall(SYS_write, fd, text, size));
    syscall(SYS_close, fd);
    return r;
}

IN_CHILD static int set_nice(int nice)
{
    return child_result(syscall(SYS_setpriority, PRIO_PROCESS, 0, nice));
}

IN_CHILD static int set_umask(unsigned mask)
{
    return child_result(syscall(SYS_umask, mask));
}

IN_CHILD static int set_groups(size_t count, const uint32_t *groups)
{
    return child_result(syscall(SYS_setgroups, count, groups));
}

IN_CHILD static int set_group(uint32_t gid)
{
    return child_result(syscall(SYS_setresgid, gid, gid, gid));
}

IN_CHILD static int set_user(uint32_t uid)
{
    return child_result(syscall(SYS_setresuid, uid, uid, uid));
}

IN_CHILD static int forbid_new_rights(void)
{
    return child_result(syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

IN_CHILD static int check_identity(uint32_t uid, uint32_t gid)
{
    uint32_t ids[3];
    if (gid != SUP_PLAN_KEEP) {
        if (syscall(SYS_getresgid, &ids[0], &ids[1], &ids[2]) < 0) return -errno;
        if (ids[0] != gid || ids[1] != gid || ids[2] != gid) return -EPERM;
    }
    if (uid == SUP_PLAN_KEEP) return 0;
    if (syscall(SYS_getresuid, &ids[0], &ids[1], &ids[2]) < 0) return -errno;
    if (ids[0] != uid || ids[1] != uid || ids[2] != uid) return -EPERM;
    return uid != 0 && syscall(SYS_setuid, 0) == 0 ? -EPERM : 0;
}

IN_CHILD static int close_between(unsigned first, unsigned last)
{
    return child_result(syscall(SYS_close_range, first, last, 0));
}

IN_CHILD static int die_with(pid_t keeper)
{
    int r = child_result(syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
    if (r < 0) return r;
    return syscall(SYS_getppid) == keeper ? 0 : -ESRCH;
}

IN_CHILD static int clear_mask(void)
{
    uint64_t none = 0; /* the kernel's set of 64 signals, not libc's of 1024 */
    return child_result(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none));
}

IN_CHILD static int execute(const char *path, char *const argv[], char *const env[])
{
    return child_result(syscall(SYS_execve, path, argv, env));
}

IN_CHILD static pid_t own_pid(void)
{
    return (pid_t) syscall(SYS_getpid);
}

IN_CHILD static int tell(int fd, const void *bytes, size_t size)
{
    return child_result(syscall(SYS_write, fd, bytes, size));
}

IN_CHILD static void leave(int code)
{
    syscall(SYS_exit_group, code);
}

const struct sup_sys sup_sys_linux = {
    .clone = make_process,
    .pidfd_open = open_pidfd,
    .pidfd_signal = signal_pidfd,
    .kill = signal_pid,
    .pipe = make_pipe,
    .socket_pair = make_socket_pair,
    .duplicate = duplicate,
    .duplicate_above = duplicate_above,
    .wait = wait_for,
    .unshare_files = unshare_files,
    .set_session = set_session,
    .install = install,
    .change_folder = change_folder,
    .set_limit = set_limit,
    .set_oom_score = set_oom_score,
    .set_nice = set_nice,
    .set_umask = set_umask,
    .set_groups = set_groups,
    .set_group = set_group,
    .set_user = set_user,
    .forbid_new_rights = forbid_new_rights,
    .check_identity = check_identity,
    .die_with = die_with,
    .close_between = close_between,
    .clear_mask = clear_mask,
    .exec = execute,
    .own_pid = own_pid,
    .tell = tell,
    .leave = leave,
};
