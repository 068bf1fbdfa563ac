/*
** base/process.h: what Linux says of processes: what they use, and why one does not end. Reads
** small files of /proc and of cgroups that never wait for the process itself: a few microseconds
** each. Any thread; nothing is allocated.
*/
#ifndef SUP_BASE_PROCESS_H
#define SUP_BASE_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where the processes of a service are found. */
struct sup_seat {
    pid_t pid;          /* the main one; 0: there is none */
    int cgroups;        /* folder of the services' cgroups; -1: there is none */
    const char *folder; /* its own in that; NULL: none */
};

struct sup_usage {
    int64_t cpu_ns;  /* user and system time of what lives, and of what that has waited for */
    uint64_t memory; /* bytes: by its cgroup, else what is resident, shared pages counted twice */
    uint64_t memory_peak; /* by its cgroup; 0: not known */
    uint32_t processes;
};

/* Look at no more processes than this. */
#define SUP_PROCESS_MAX 1024

/* What the processes of ${seat} use. Zeros: nothing lives there. */
void sup_usage_read(const struct sup_seat *seat, struct sup_usage *usage);

/*
** Why what was killed has not ended, process by process: "pid 12 (cp) is stuck in the kernel
** (nfs_wait_on_request)". Returns ${buf}; "" when nothing is there any more.
*/
char *sup_process_why(const struct sup_seat *seat, char *buf, size_t size);

#endif
