/*
** wire/wire.c: moving one message, with at most one descriptor, through a SOCK_SEQPACKET socket.
** Must not know who talks or what the messages mean.
*/
#include "wire/wire.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Room for more descriptors than are ever sent, so that a foreign peer's do not stay open here. */
#define DESCRIPTOR_ROOM 4

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(DESCRIPTOR_ROOM * sizeof(int))];
};

_Static_assert(sizeof(struct sup_wire) == 56, "the form of a message is frozen");

int sup_wire_send(int socket, const struct sup_wire *message, int fd)
{
    union control control;
    struct iovec part = {.iov_base = (void *) (uintptr_t) message, .iov_len = sizeof *message};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        memset(&control, 0, sizeof control);
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof fd);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    for (;;) {
        if (sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
        if (errno == EINTR) continue;
        if (errno == ECONNRESET || errno == ENOTCONN) return -EPIPE;
        return -errno;
    }
}

/* Keep the first descriptor that came with ${header} in ${fd}, close the rest. Returns how many
   came. */
static size_t take_descriptors(struct msghdr *header, int *fd)
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++) {
            int got;
            memcpy(&got, CMSG_DATA(c) + i * sizeof got, sizeof got);
            if (count++ == 0) *fd = got;
            else close(got);
        }
    }
    return count;
}

static int refuse(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
    return -EPROTO;
}

int sup_wire_receive(int socket, struct sup_wire *message, int *fd)
{
    union control control;
    struct iovec part = {.iov_base = message, .iov_len = sizeof *message};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t size;
    *fd = -1;
    do {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof control.bytes;
        header.msg_flags = 0;
        size = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (size < 0 && (errno == EINTR || errno == ECONNRESET));
    if (size < 0) return -errno;
    size_t count = take_descriptors(&header, fd);
    if (size == 0) {
        refuse(fd);
        return 0;
    }
    if ((size_t) size != sizeof *message || (header.msg_flags & MSG_TRUNC) != 0 ||
        message->version != SUP_WIRE_VERSION || count > 1)
        return refuse(fd);
    if ((header.msg_flags & MSG_CTRUNC) != 0 && count == 0) return -EMFILE;
    return 1;
}
