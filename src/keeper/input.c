/*
** keeper/input.c: processes whose input is the output of others (log = { to = ... }). The pipe
** belongs to the reader and lives on over restarts of both sides: what was written and not read
** waits for the next reader. Knows nothing of why something starts or stops.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The write end anew, after it was closed to end the input of a former reader. */
static int reopen_write(const struct sup_keeper_node *node)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", node->input_read);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int make_pipe(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    int ends[2];
    int r = keeper->sys->pipe(ends);
    if (r < 0) return r;
    node->input_read = ends[0];
    node->input_write = ends[1];
    return 0;
}

int sup_keeper_make_input(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    if (node->input_write != 0) return 0;
    if (node->input_read == 0) return make_pipe(keeper, node);
    int fd = reopen_write(node);
    if (fd < 0) return fd;
    node->input_write = fd;
    return 0;
}

static void close_end(int *fd)
{
    if (*fd != 0) close(*fd);
    *fd = 0;
}

void sup_keeper_drop_input(struct sup_keeper_node *node)
{
    close_end(&node->input_write);
    close_end(&node->input_read);
}

int sup_keeper_input_of(struct sup_keeper *keeper, uint64_t token)
{
    struct sup_keeper_node *reader = token == 0 ? NULL : sup_keeper_node_find(keeper, token);
    if (reader == NULL) return -ENOENT;
    if (reader->plan == NULL || (reader->plan->flags & SUP_PLAN_INPUT) == 0) return -ENOTCONN;
    int r = sup_keeper_make_input(keeper, reader);
    return r < 0 ? r : reader->input_write;
}

/* Does a process live whose output ${node} reads? */
static bool is_fed(const struct sup_keeper *keeper, const struct sup_keeper_node *node)
{
    for (uint32_t i = 0; i < keeper->instance_high; i++) {
        const struct sup_keeper_instance *instance = &keeper->instances[i];
        if (instance->state != SUP_INSTANCE_LIVE || instance->node->plan == NULL) continue;
        if (instance->node->mode == SUP_LOG_TO && instance->node->plan->log_to == node->token)
            return true;
    }
    return false;
}

void sup_keeper_ask(struct sup_keeper *keeper, struct sup_keeper_instance *instance, int signal)
{
    struct sup_keeper_node *node = instance->node;
    if (instance->stage == SUP_STAGE_BEFORE) sup_keeper_stage_cut(keeper, instance, SUP_CUT_STOP);
    if (instance->stage != SUP_STAGE_MAIN) return;
    if (node->input_write != 0 && !is_fed(keeper, node)) close_end(&node->input_write);
    else {
        sup_keeper_send_signal(keeper, instance, signal, false);
        sup_keeper_send_signal(keeper, instance, SIGCONT, false);
    }
}

void sup_keeper_tell_unread(struct sup_keeper *keeper)
{
    for (uint32_t i = 0; i < keeper->node_high; i++) {
        const struct sup_keeper_node *node = &keeper->nodes[i];
        int left = 0;
        if (node->state == SUP_NODE_FREE || node->input_read == 0) continue;
        if (ioctl(node->input_read, FIONREAD, &left) < 0 || left == 0) continue;
        sup_keeper_say("%s has not read the last %d bytes of what others wrote to it", node->name,
                       left);
    }
}
