/*
** keeper/mounts.h: may starting a program hang? A file system of the network, or one that a program
** serves (FUSE), may stop answering: then whoever looks a name up there waits, perhaps for ever.
**
** To ask must not hang either. So nothing is looked up that the kernel has not at hand (openat2
** with RESOLVE_CACHED), and the kind of a file system is read from the list of mounts, never asked
** of itself (statfs would). Where that is not to be had the answer is yes. A machine without any
** such mount pays one system call for an answer.
**
** Not seen: the interpreter of a script, and disks that are far away under a local file system.
*/
#ifndef SUP_KEEPER_MOUNTS_H
#define SUP_KEEPER_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#define SUP_MOUNTS_MOST 512 /* of those that may hang; beyond, every one may */

struct sup_mounts {
    int list;           /* /proc/self/mountinfo; -1: there is none */
    const char *others; /* tests only: this type may hang too; "all": every one; NULL */
    bool is_read;       /* the rest is as `list` was last */
    bool all;           /* every mount may hang */
    size_t count;
    int ids[SUP_MOUNTS_MOST]; /* of the mounts that may hang */
};

/* The strings must outlive it. Whatever fails makes every answer a yes. */
void sup_mounts_init(struct sup_mounts *mounts, const char *others);
void sup_mounts_finish(struct sup_mounts *mounts);

/*
** May it hang to go to ${cwd} (NULL: to stay) and to run ${program} there, which without a '/' is
** looked up in ${path}? Does not block.
*/
bool sup_mounts_may_hang(struct sup_mounts *mounts, const char *cwd, const char *program,
                         const char *path);

/* Read the list in ${text}, which is whole, as if it were the machine's. For tests. */
void sup_mounts_take(struct sup_mounts *mounts, const char *text, size_t size);

#endif
