/*
** script/child.h: running this program once more, for a short while, under watch: that is how a
** configuration, which is somebody's code, is kept away from the process that asks for it.
*/
#ifndef SUP_SCRIPT_CHILD_H
#define SUP_SCRIPT_CHILD_H

#include <stddef.h>
#include <stdint.h>

#define SUP_CHILD_RESULT_FD 3            /* where the child finds the descriptor for its result */
#define SUP_CHILD_OUTPUT_MAX (16 * 1024) /* what it may print; more is counted and dropped */

enum sup_child_end {
    SUP_CHILD_EXITED,    /* code: its exit status */
    SUP_CHILD_SIGNALLED, /* code: the signal */
    SUP_CHILD_TIMED_OUT, /* it was killed, because of the time or of cancel_fd */
};

struct sup_child {
    enum sup_child_end end;
    int code;
    uint64_t dropped; /* bytes of output beyond SUP_CHILD_OUTPUT_MAX */
};

/*
** Run ${argv} (argv[0] is the path; NULL at the end) in a process group of its own, with stdin from
** /dev/null, what it prints forwarded to our standard error, ${result_fd} as descriptor
** SUP_CHILD_RESULT_FD, and nothing else open. After ${limit_ns}, or when ${cancel_fd} (-1: none)
** becomes readable, it is killed with its whole group; so is what is left of the group when it
** ends. What it has waited for a processor is not counted, so that a busy machine refuses nothing;
** ten times the limit is the end. Blocks until then. Fills ${child}; returns 0, or -errno when it
** could not be started or watched.
*/
int sup_child_run(char *const argv[], int result_fd, int64_t limit_ns, int cancel_fd,
                  struct sup_child *child);

#endif
