/*
** keeper/sys.h: the system calls of the keeper that can fail for lack of something, behind one
** table, so that a test can make the Nth of them fail.
**
** Each returns a value >= 0 or -errno. Those of the second part run in a child that shares the
** keeper's memory: they are bare system calls, touch no lock and no cache of libc.
*/
#ifndef SUP_KEEPER_SYS_H
#define SUP_KEEPER_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct sup_sys {
    /* In the keeper. What makes descriptors makes them close-on-exec. */
    /* ${cgroup}: the folder of the cgroup to begin in; -1: ours. -ENOSYS: it cannot be chosen. */
    int (*clone)(int (*child)(void *), void *stack_top, int flags, void *argument, pid_t *pid,
                 int cgroup);
    int (*pidfd_open)(pid_t pid);
    int (*pidfd_signal)(int pidfd, int signal);
    int (*kill)(pid_t pid, int signal); /* ${pid} < 0: the group */
    int (*pipe)(int ends[2]);
    int (*socket_pair)(int ends[2]);  /* SOCK_SEQPACKET, non-blocking */
    int (*duplicate)(int fd, int to); /* close-on-exec copy at the number ${to} */
    int (*duplicate_above)(int fd, int least);
    int (*wait)(pid_t pid, int *status, int flags, struct rusage *usage); /* the pid, or 0 */

    /* In the child. */
    int (*unshare_files)(unsigned first_closed);
    int (*set_session)(void);
    int (*install)(int fd, int to); /* copy at the number ${to}, kept open at exec */
    int (*change_folder)(const char *path);
    int (*set_limit)(int resource, const struct rlimit *limit);
    int (*set_oom_score)(const char *text, size_t size); /* of this process */
    int (*set_nice)(int nice);
    int (*set_umask)(unsigned mask);
    int (*set_groups)(size_t count, const uint32_t *groups); /* the supplementary ones */
    int (*set_group)(uint32_t gid);                          /* real, effective and saved */
    int (*set_user)(uint32_t uid);                           /* the same */
    int (*forbid_new_rights)(void);
    /* Is it ${uid} and ${gid} for good? SUP_PLAN_KEEP: any. -EPERM: there is a way back. */
    int (*check_identity)(uint32_t uid, uint32_t gid);
    int (*die_with)(pid_t keeper); /* be killed when that ends; -ESRCH: it has */
    int (*close_between)(unsigned first, unsigned last); /* both included */
    int (*clear_mask)(void);
    int (*exec)(const char *path, char *const argv[], char *const env[]);
    pid_t (*own_pid)(void);
    int (*tell)(int fd, const void *bytes, size_t size);
    void (*leave)(int code); /* does not return */
};

extern const struct sup_sys sup_sys_linux;

#endif
