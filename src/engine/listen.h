/*
** engine/listen.h: opening one socket at an address. Must not know who wants it. Nothing blocks.
*/
#ifndef SUP_ENGINE_LISTEN_H
#define SUP_ENGINE_LISTEN_H

#include "core/socket.h"

#include <stddef.h>
#include <stdint.h>

/* Who a file belongs to. */
struct sup_listen_owner {
    uint32_t uid, gid;                 /* of the file; SUP_NO_ID: ours */
    uint32_t service_uid, service_gid; /* who must not be able to move the file's folder */
};

/*
** A socket that listens at the address of ${socket} (a datagram socket is bound). A file that
** nobody listens at is replaced. Returns a descriptor, close-on-exec, the caller's, with the
** identity of the file in ${device} and ${inode} (0: it has none); or -errno with ${advice}: what
** to do, never NULL.
*/
int sup_listen_open(const struct sup_socket *socket, const struct sup_listen_owner *owner,
                    uint64_t *device, uint64_t *inode, const char **advice);

/* Apply backlog, flags, and the file's mode and owner to what is open. Best effort. */
void sup_listen_adjust(int fd, const struct sup_socket *socket,
                       const struct sup_listen_owner *owner, uint64_t device, uint64_t inode);

/* Remove the file of ${fd} if it is still the one with this identity. */
void sup_listen_remove(int fd, uint64_t device, uint64_t inode);

#endif
