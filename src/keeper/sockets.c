/*
** keeper/sockets.c: the listening sockets that are held for services, over their restarts and over
** the death of the host. The host opens them; here they are only kept, handed on, and removed.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct sup_keeper_socket *find(struct sup_keeper *keeper, uint64_t id)
{
    for (uint32_t i = 0; i < keeper->socket_high; i++)
        if (keeper->sockets[i].id == id) return &keeper->sockets[i];
    return NULL;
}

/* A slot for ${id}; NULL: no room. */
static struct sup_keeper_socket *take(struct sup_keeper *keeper, uint64_t id)
{
    struct sup_keeper_socket *socket = find(keeper, id);
    if (socket != NULL) return socket;
    socket = find(keeper, 0);
    if (socket != NULL) return socket;
    if (keeper->socket_high == SUP_KEEPER_SOCKETS) return NULL;
    return &keeper->sockets[keeper->socket_high++];
}

void sup_keeper_socket_hold(struct sup_keeper *keeper, const struct sup_wire *message, int *fd)
{
    /* What is lost shows when a service that needs it is to be started. */
    if (message->instance == 0 || *fd < 0) return;
    struct sup_keeper_socket *socket = take(keeper, message->instance);
    if (socket == NULL) {
        sup_keeper_say("there is no room for another socket; %d can be held at a time",
                       SUP_KEEPER_SOCKETS);
        return;
    }
    if (socket->id != 0) close(socket->fd);
    *socket = (struct sup_keeper_socket){
        .id = message->instance,
        .fd = *fd,
        .device = (uint64_t) message->time_ns,
        .inode = message->seq,
    };
    *fd = -1;
}

/* Only the very file that came with it: somebody else may listen at its path by now. */
static void remove_file(const struct sup_keeper_socket *socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t size = sizeof address - 1; /* its path ends inside */
    struct stat info;
    if (socket->inode == 0) return;
    if (getsockname(socket->fd, (struct sockaddr *) &address, &size) < 0) return;
    if (address.sun_family != AF_UNIX || address.sun_path[0] != '/') return;
    if (lstat(address.sun_path, &info) < 0 || !S_ISSOCK(info.st_mode)) return;
    if (info.st_dev == socket->device && info.st_ino == socket->inode) unlink(address.sun_path);
}

static void let_go(struct sup_keeper_socket *socket)
{
    remove_file(socket);
    close(socket->fd);
    *socket = (struct sup_keeper_socket){.id = 0};
}

void sup_keeper_socket_drop(struct sup_keeper *keeper, uint64_t id)
{
    struct sup_keeper_socket *socket = id == 0 ? NULL : find(keeper, id);
    if (socket != NULL) let_go(socket);
}

void sup_keeper_sockets_finish(struct sup_keeper *keeper)
{
    for (uint32_t i = 0; i < keeper->socket_high; i++)
        if (keeper->sockets[i].id != 0) let_go(&keeper->sockets[i]);
    keeper->socket_high = 0;
}

int sup_keeper_sockets_of(struct sup_keeper *keeper, const struct sup_plan *plan, const void *set,
                          int *fds, size_t room)
{
    const unsigned char *ids = (const unsigned char *) set + plan->sockets;
    for (size_t i = 0; i < room; i++) fds[i] = -1;
    for (uint32_t i = 0; i < plan->socket_count && i < room; i++) {
        uint64_t id;
        memcpy(&id, ids + i * sizeof id, sizeof id);
        const struct sup_keeper_socket *socket = id == 0 ? NULL : find(keeper, id);
        if (socket == NULL) return -EMFILE;
        /* The instances share one description: none may leave it non-blocking to the next. But who
           runs beside it would hang in accept when somebody else was faster. */
        if (plan->sockets_shared == 0) fcntl(socket->fd, F_SETFL, O_RDWR);
        fds[i] = socket->fd;
    }
    return 0;
}
