/*
** keeper/oom.c: whom Linux has killed for lack of memory, by its own log: the way to know it of
** processes without a limit of their own. Only where we may read the log, and count processes as it
** does; otherwise nothing is known. Never blocks.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INITIAL_PIDS 0xEFFFFFFCU /* the inode of the first namespace of pids */
#define RECORDS_AT_ONCE 512
#define RECORD_SIZE 8192

void sup_keeper_oom_init(struct sup_keeper *keeper)
{
    struct stat info;
    struct sup_keeper_oom *oom = &keeper->oom;
    oom->log = -1;
    if (stat("/proc/self/ns/pid", &info) < 0 || info.st_ino != INITIAL_PIDS) return;
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || lseek(fd, 0, SEEK_END) < 0) {
        if (fd >= 0) close(fd);
        return;
    }
    oom->log =
        fd >= SUP_SPAWN_FIRST_FREE ? fd : keeper->sys->duplicate_above(fd, SUP_SPAWN_FIRST_FREE);
    if (oom->log != fd) close(fd);
}

/* "3,1234,5678,-;Out of memory: Killed process 42 (name) total-vm:…" */
static void take_record(struct sup_keeper_oom *oom, const char *record)
{
    static const char words[] = "Killed process ";
    const char *text = strchr(record, ';');
    /* What programs write there does not come from the kernel: facility 0 and so below 8. */
    if (text == NULL || strtol(record, NULL, 10) >= 8) return;
    const char *at = strstr(text, words);
    if (at == NULL || strstr(text, "ut of memory") == NULL) return;
    oom->killed[oom->count++ % SUP_KEEPER_KILLED] = (pid_t) strtol(at + sizeof words - 1, NULL, 10);
}

static void read_log(struct sup_keeper_oom *oom)
{
    char record[RECORD_SIZE];
    for (int i = 0; i < RECORDS_AT_ONCE; i++) {
        ssize_t size = read(oom->log, record, sizeof record - 1);
        if (size < 0 && errno == EPIPE) continue; /* older ones were overwritten */
        if (size <= 0) return;
        record[size] = '\0';
        take_record(oom, record);
    }
}

bool sup_keeper_oom_has_killed(struct sup_keeper *keeper, pid_t pid)
{
    struct sup_keeper_oom *oom = &keeper->oom;
    if (oom->log < 0) return false;
    read_log(oom);
    for (size_t i = 0; i < SUP_KEEPER_KILLED; i++) {
        if (oom->killed[i] != pid) continue;
        oom->killed[i] = 0; /* the number may come again */
        return true;
    }
    return false;
}
