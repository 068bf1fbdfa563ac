/*
** wire/logwire.c: the messages from the keeper to suptree-log (wire/log.h), on a SOCK_SEQPACKET
** pair. Knows their form, not what they are for.
*/
#include "wire/log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control_room {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static void attach_fd(struct msghdr *header, union control_room *room, int fd)
{
    memset(room, 0, sizeof(*room));
    header->msg_control = room->bytes;
    header->msg_controllen = sizeof(room->bytes);
    struct cmsghdr *control = CMSG_FIRSTHDR(header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(control), &fd, sizeof(fd));
}

/* The first descriptor that came along; there is never room for a second one. -1: none. */
static int find_fd(struct msghdr *header)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(header);
    if (control == NULL || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS ||
        control->cmsg_len < CMSG_LEN(sizeof(int)))
        return -1;
    int fd;
    memcpy(&fd, CMSG_DATA(control), sizeof(fd));
    return fd;
}

int sup_log_wire_send(int socket, const struct sup_log_wire *message, const char *name,
                      const char *file, int fd)
{
    size_t name_size = name == NULL ? 0 : strlen(name) + 1;
    size_t file_size = file == NULL ? 0 : strlen(file) + 1;
    struct sup_log_wire head = *message;
    char nothing[2] = "";
    head.version = SUP_LOG_WIRE_VERSION;
    if (message->type == SUP_LOG_SOURCE) {
        name_size = name_size == 0 ? 1 : name_size;
        file_size = file_size == 0 ? 1 : file_size;
    }
    if (name_size + file_size > SUP_LOG_TEXT_MAX) return -ENAMETOOLONG;
    head.text_size = (uint32_t) (name_size + file_size);

    struct iovec parts[3] = {
        {.iov_base = &head, .iov_len = sizeof(head)},
        {.iov_base = name == NULL ? nothing : (char *) (uintptr_t) name, .iov_len = name_size},
        {.iov_base = file == NULL ? nothing : (char *) (uintptr_t) file, .iov_len = file_size},
    };
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = 3};
    union control_room room;
    if (fd >= 0) attach_fd(&header, &room, fd);
    ssize_t sent;
    do sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) return 0;
    return errno == ECONNRESET ? -EPIPE : -errno;
}

static bool text_is_whole(const struct sup_log_wire *message, const char *text, size_t size)
{
    if (message->text_size != size) return false;
    if (message->type != SUP_LOG_SOURCE) return true;
    const char *end = memchr(text, '\0', size);
    return end != NULL && end + 1 < text + size && text[size - 1] == '\0';
}

int sup_log_wire_receive(int socket, struct sup_log_wire *message, char *text, int *fd)
{
    struct iovec parts[2] = {
        {.iov_base = message, .iov_len = sizeof(*message)},
        {.iov_base = text, .iov_len = SUP_LOG_TEXT_MAX},
    };
    union control_room room;
    struct msghdr header = {.msg_iov = parts,
                            .msg_iovlen = 2,
                            .msg_control = room.bytes,
                            .msg_controllen = sizeof(room.bytes)};
    ssize_t got;
    *fd = -1;
    /* ECONNRESET may come once, before what the peer had queued */
    do got = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got <= 0) return got == 0 ? 0 : -errno;

    *fd = find_fd(&header);
    if ((size_t) got < sizeof(*message) || (header.msg_flags & MSG_TRUNC) != 0 ||
        message->version != SUP_LOG_WIRE_VERSION ||
        !text_is_whole(message, text, (size_t) got - sizeof(*message))) {
        if (*fd >= 0) close(*fd);
        *fd = -1;
        return -EPROTO;
    }
    return *fd < 0 && (header.msg_flags & MSG_CTRUNC) != 0 ? -EMFILE : 1;
}
