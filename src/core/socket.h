/*
** core/socket.h: the sockets that a process is given: reading them from hostile bytes, taking their
** addresses apart. Must not know how they are opened or who holds them.
*/
#ifndef SUP_CORE_SOCKET_H
#define SUP_CORE_SOCKET_H

#include "base/err.h"
#include "core/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUP_SOCKETS_MAX 16          /* of one process */
#define SUP_SOCKET_NAME_MAX 64      /* bytes of a name */
#define SUP_SOCKET_PATH_MAX 107     /* bytes of a path or an abstract name */
#define SUP_SOCKET_ADDRESS_ROOM 128 /* for the text of any address */
#define SUP_SOCKET_BACKLOG 4096     /* when none is said; the kernel bounds it further */
#define SUP_SOCKET_MODE 0600

enum sup_socket_type {
    SUP_SOCKET_TCP,
    SUP_SOCKET_UDP,
    SUP_SOCKET_UNIX,     /* a stream at a path */
    SUP_SOCKET_ABSTRACT, /* a stream at a name that is no file */
};

enum sup_socket_host { SUP_HOST_ANY, SUP_HOST_IPV4, SUP_HOST_IPV6 };

/* Where a socket listens. */
struct sup_socket_address {
    enum sup_socket_type type;
    enum sup_socket_host host; /* TCP and UDP. ANY: all interfaces, IPv4 and IPv6 */
    unsigned char ip[16];      /* 4 of them with IPV4 */
    uint16_t port;
    const char *path; /* UNIX: from /; ABSTRACT: without the @. Points into what was parsed */
};

/* One socket of a process. */
struct sup_socket {
    const char *name;
    const char *address; /* as sup_socket_address_text writes it */
    uint32_t backlog;
    uint32_t mode;     /* of the file; SUP_NO_ID: SUP_SOCKET_MODE */
    uint32_t uid, gid; /* of the file; SUP_NO_ID: those of the process */
    bool reuse_port;
    bool free_bind;
};

/*
** Take ${text} apart: "8080", "*:8080", "127.0.0.1:8080", "[::1]:8080", any of them with "tcp:" or
** "udp:" before it, "unix:/path", "unix:@name". Returns NULL, or what is wrong with it, to stand
** behind it, with ${hint}.
*/
const char *sup_socket_address_parse(const char *text, struct sup_socket_address *address,
                                     const char **hint);

/* The one way to write ${address}; ${buf} has SUP_SOCKET_ADDRESS_ROOM. Returns ${buf}. */
char *sup_socket_address_text(const struct sup_socket_address *address, char *buf);

/* Are ${data} the sockets of a process? 0, or -EINVAL with ${err}. */
int sup_sockets_check(const unsigned char *data, size_t size, struct sup_err *err);

/*
** The socket at ${*at} (0: the first, by name) of checked ${sockets}, which moves behind it. False:
** there are no more.
*/
bool sup_sockets_next(const struct sup_bytes *sockets, uint32_t *at, struct sup_socket *socket);

/* How many there are. */
uint32_t sup_sockets_count(const struct sup_bytes *sockets);

/* Does a process see the difference: other names or addresses? */
bool sup_sockets_differ(const struct sup_bytes *a, const struct sup_bytes *b);

#endif
