/*
** keeper/sweep.c: where there are no cgroups: what a service has left behind has become our child,
** as orphans do, and still carries the environment that it was started with. A process that has
** changed both is not found: then only a cgroup helps.
**
** Looks at all children at once, some time after services have ended, however many they were.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SOON_NS (50 * SUP_KEEPER_MS)
#define LAST_ROUNDS 100
#define ROOM 65536 /* of an environment; what stands later in it is not seen */

/* Whose process it is. */
struct origin {
    char path[1024];
    unsigned generation;
    bool is_after; /* `after_exit` has made it */
};

static ssize_t read_file(const char *path, char *bytes, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    size_t size = 0;
    ssize_t n;
    while (size < room - 1 && (n = read(fd, bytes + size, room - 1 - size)) > 0) size += (size_t) n;
    close(fd);
    bytes[size] = '\0';
    return (ssize_t) size;
}

/* One that hangs in the kernel may hold what its environment is read through. */
static bool may_be_asked(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    if (read_file(path, text, sizeof text) <= 0) return false;
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' && (end[2] == 'S' || end[2] == 'R' || end[2] == 'T');
}

static bool find_origin(pid_t pid, struct origin *origin)
{
    static char bytes[ROOM];
    char path[64];
    bool has_path = false, has_generation = false;
    origin->is_after = false;
    if (!may_be_asked(pid)) return false;
    snprintf(path, sizeof path, "/proc/%d/environ", (int) pid);
    ssize_t size = read_file(path, bytes, sizeof bytes);
    for (ssize_t at = 0; at < size; at += (ssize_t) strlen(bytes + at) + 1) {
        const char *entry = bytes + at;
        if (strncmp(entry, "SUPTREE_PATH=", 13) == 0)
            has_path = (size_t) snprintf(origin->path, sizeof origin->path, "%s", entry + 13) <
                       sizeof origin->path;
        if (strncmp(entry, "SUPTREE_RESULT=", 15) == 0) origin->is_after = true;
        if (strncmp(entry, "SUPTREE_GENERATION=", 19) == 0) {
            origin->generation = (unsigned) strtoul(entry + 19, NULL, 10);
            has_generation = true;
        }
    }
    return has_path && has_generation;
}

/* The node that it belongs to, if none of its instances is the one that made it. */
static bool is_left_over(const struct sup_keeper *keeper, const struct origin *origin)
{
    bool known = false;
    for (uint32_t i = 0; i < keeper->node_high; i++) {
        const struct sup_keeper_node *node = &keeper->nodes[i];
        if (node->state == SUP_NODE_FREE || strcmp(node->name, origin->path) != 0) continue;
        known = known || sup_keeper_cgroup_kills(node);
    }
    for (uint32_t i = 0; known && i < keeper->instance_high; i++) {
        const struct sup_keeper_instance *instance = &keeper->instances[i];
        if (instance->state != SUP_INSTANCE_LIVE || instance->node == NULL) continue;
        if ((instance->stage == SUP_STAGE_AFTER) != origin->is_after) continue;
        if (instance->generation == origin->generation &&
            strcmp(instance->node->name, origin->path) == 0)
            return false;
    }
    return known;
}

/* True: it was somebody's, and was killed. */
static bool look_at(struct sup_keeper *keeper, pid_t pid)
{
    struct origin origin;
    bool is_ours = pid == keeper->host.pid || pid == keeper->logger.pid ||
                   sup_keeper_instance_of_pid(keeper, pid) != NULL ||
                   sup_keeper_probe_of_pid(keeper, pid) != NULL;
    if (is_ours || !find_origin(pid, &origin) || !is_left_over(keeper, &origin)) return false;
    keeper->sys->kill(pid, SIGKILL);
    return true;
}

/* Returns how many were killed. */
static uint32_t look_at_children(struct sup_keeper *keeper)
{
    static char children[1 << 20];
    char path[64];
    uint32_t killed = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int) getpid());
    if (read_file(path, children, sizeof children) <= 0) return 0;
    for (char *at = children; *at != '\0';) {
        char *end;
        long pid = strtol(at, &end, 10);
        if (end == at) break;
        killed += look_at(keeper, (pid_t) pid);
        at = end + strspn(end, " ");
    }
    return killed;
}

void sup_keeper_sweep_soon(struct sup_keeper *keeper)
{
    int64_t due_ns = sup_keeper_now() + SOON_NS;
    if (due_ns < keeper->sweep_ns) keeper->sweep_ns = due_ns;
}

void sup_keeper_sweep_tick(struct sup_keeper *keeper, int64_t now_ns)
{
    if (now_ns < keeper->sweep_ns) return;
    keeper->sweep_ns = SUP_KEEPER_NEVER;
    /* What they have made becomes our child only now. */
    if (look_at_children(keeper) > 0) sup_keeper_sweep_soon(keeper);
}

void sup_keeper_sweep_finish(struct sup_keeper *keeper)
{
    if (keeper->sweep_ns == SUP_KEEPER_NEVER) return;
    for (int round = 0; round < LAST_ROUNDS && look_at_children(keeper) > 0; round++) {
        const struct timespec moment = {0, SUP_KEEPER_MS};
        nanosleep(&moment, NULL);
    }
}
