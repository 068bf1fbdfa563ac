/*
** keeper/births.c: which processes were made, in memory that outlives the keeper. Between the birth
** of a process and the message that tells of it the keeper may be killed; then its host still finds
** the process here, and stops it with the others; commands beside a service it kills.
** Must not know what a host does with it.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define TABLE_SIZE ((SUP_KEEPER_INSTANCES + SUP_KEEPER_PROBES) * sizeof(struct sup_birth))

/* A descriptor that cannot write, where /proc is there to make one. */
static int open_for_hosts(struct sup_keeper *keeper, int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int readable = open(path, O_RDONLY | O_CLOEXEC);
    return readable < 0 ? keeper->sys->duplicate_above(fd, SUP_SPAWN_FIRST_FREE) : readable;
}

int sup_keeper_births_init(struct sup_keeper *keeper)
{
    int fd = memfd_create("suptree-births", MFD_CLOEXEC);
    if (fd < 0) return -errno;
    void *table = MAP_FAILED;
    if (ftruncate(fd, (off_t) TABLE_SIZE) == 0)
        table = mmap(NULL, TABLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    int r = table == MAP_FAILED ? -errno : open_for_hosts(keeper, fd);
    close(fd);
    if (r < 0) return r;
    keeper->births = table;
    keeper->fds[SUP_FD_BIRTHS] = r;
    return 0;
}

static struct sup_birth *birth_of(struct sup_keeper *keeper,
                                  const struct sup_keeper_instance *instance)
{
    return &keeper->births[instance - keeper->instances];
}

pid_t *sup_keeper_birth_begin(struct sup_keeper *keeper, const struct sup_keeper_instance *instance,
                              uint32_t kind)
{
    struct sup_birth *birth = birth_of(keeper, instance);
    birth->instance = instance->instance;
    birth->node = instance->token;
    birth->kind = (int32_t) kind;
    return &birth->pid;
}

pid_t *sup_keeper_birth_of_probe(struct sup_keeper *keeper, const struct sup_keeper_probe *probe)
{
    struct sup_birth *birth = &keeper->births[SUP_KEEPER_INSTANCES + (probe - keeper->probes)];
    birth->instance = probe->instance;
    birth->node = probe->token;
    birth->kind = probe->kind;
    return &birth->pid;
}

void sup_keeper_birth_change(struct sup_keeper *keeper, const struct sup_keeper_instance *instance,
                             pid_t pid)
{
    birth_of(keeper, instance)->pid = pid;
}

void sup_keeper_birth_clear(struct sup_keeper *keeper, const struct sup_keeper_instance *instance)
{
    birth_of(keeper, instance)->pid = 0;
}
