/*
** engine/listen.c: see listen.h.
*/
#define _GNU_SOURCE
#include "engine/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC)

struct place {
    struct sockaddr_storage address;
    socklen_t size;
};

/* --- addresses -------------------------------------------------------------------------------- */

static void fill_ip(const struct sup_socket_address *from, struct place *place)
{
    struct sockaddr_in *v4 = (void *) &place->address;
    struct sockaddr_in6 *v6 = (void *) &place->address;
    if (from->host == SUP_HOST_IPV4) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(from->port);
        memcpy(&v4->sin_addr, from->ip, sizeof v4->sin_addr);
        place->size = sizeof *v4;
        return;
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(from->port);
    if (from->host == SUP_HOST_IPV6) memcpy(&v6->sin6_addr, from->ip, sizeof v6->sin6_addr);
    place->size = sizeof *v6;
}

static void fill_unix(const struct sup_socket_address *from, struct place *place)
{
    struct sockaddr_un *at = (void *) &place->address;
    bool is_abstract = from->type == SUP_SOCKET_ABSTRACT;
    size_t length = strlen(from->path);
    at->sun_family = AF_UNIX;
    memcpy(at->sun_path + is_abstract, from->path, length);
    place->size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length + 1);
}

static void fill_place(const struct sup_socket_address *from, struct place *place)
{
    *place = (struct place){.size = 0};
    if (from->type == SUP_SOCKET_UNIX || from->type == SUP_SOCKET_ABSTRACT) fill_unix(from, place);
    else fill_ip(from, place);
}

/* --- files ------------------------------------------------------------------------------------ */

/* May somebody who is neither root nor us, or the service, put something else in that folder? What
   to do about it, or NULL. */
static const char *find_folder_fault(const struct stat *folder,
                                     const struct sup_listen_owner *owner, bool is_last)
{
    bool sticky = (folder->st_mode & S_ISVTX) != 0;
    uint32_t service = owner->service_uid;
    bool is_other = service != SUP_NO_ID && service != 0 && service != geteuid();
    bool is_open = (folder->st_mode & S_IWGRP) != 0 && folder->st_gid == owner->service_gid;
    if (is_other && (folder->st_uid == service || (is_open && !sticky)))
        return "its folder, or one above, may be written to by the user of the service, who could "
               "lead it elsewhere: choose one that is closed to him";
    if ((folder->st_mode & S_IWOTH) != 0 && !sticky)
        return is_last ? "everybody may write to its folder: take that right away (chmod o-w)"
                       : "everybody may write to a folder above it: take that right away "
                         "(chmod o-w)";
    return NULL;
}

/* The folder of ${path}, open, without symbolic links on the way. */
static int open_folder(const char *path, const char **advice)
{
    char folder[SUP_SOCKET_PATH_MAX + 1];
    size_t length = (size_t) (strrchr(path, '/') - path);
    struct open_how how = {.flags = FOLDER_FLAGS,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    memcpy(folder, path, length);
    folder[length] = '\0';
    const char *at = length == 0 ? "/" : folder;
    long fd = syscall(SYS_openat2, AT_FDCWD, at, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) fd = open(at, FOLDER_FLAGS | O_NOFOLLOW);
    if (fd >= 0) return (int) fd;
    int error = -errno;
    *advice = error == -ENOENT ? "make its folder"
              : error == -ELOOP
                  ? "a folder on its path is a symbolic link: write the path without it (realpath)"
                  : "correct its path";
    return error;
}

/* Is the folder of ${path} one where nobody else can replace what we make? 0 or -errno. */
static int check_folder(const char *path, const struct sup_listen_owner *owner, const char **advice)
{
    struct stat status, above;
    int at = open_folder(path, advice);
    if (at < 0) return at;
    int r = fstat(at, &status) < 0 ? -errno : 0;
    for (bool is_last = true; r == 0; is_last = false) {
        const char *fault = find_folder_fault(&status, owner, is_last);
        if (fault != NULL) {
            *advice = fault;
            r = -EPERM;
            break;
        }
        int next = openat(at, "..", FOLDER_FLAGS);
        close(at);
        at = next;
        if (at < 0 || fstat(at, &above) < 0) r = -errno;
        else if (above.st_dev == status.st_dev && above.st_ino == status.st_ino) break;
        else status = above;
    }
    if (at >= 0) close(at);
    return r;
}

/* Does anybody listen at ${place}? */
static bool is_served(const struct place *place)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return true;
    int r = connect(fd, (const void *) &place->address, place->size);
    bool refused = r < 0 && errno == ECONNREFUSED;
    close(fd);
    return !refused;
}

/* Something is at the path already: remove it if it is a socket that is left over. */
static int remove_leftover(const char *path, const struct place *place, const char **advice)
{
    struct stat status;
    if (lstat(path, &status) < 0) return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode)) {
        *advice = "something that is no socket is there: move it away, or choose another path";
        return -EEXIST;
    }
    if (is_served(place)) {
        *advice = "another program listens there: stop it, or choose another path";
        return -EADDRINUSE;
    }
    return unlink(path) < 0 ? -errno : 0;
}

/* Mode and owner of the file at ${path}, by what was found there: nobody can lead us elsewhere. */
static int dress_file(const char *path, const struct sup_socket *socket,
                      const struct sup_listen_owner *owner, uint64_t *device, uint64_t *inode)
{
    char self[64];
    struct stat status;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -errno;
    int r = fstat(fd, &status) < 0 ? -errno : 0;
    if (r == 0 && !S_ISSOCK(status.st_mode)) r = -ENOTSOCK;
    if (r == 0 && *inode != 0 && (status.st_ino != *inode || status.st_dev != *device)) r = -ESTALE;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    bool given = owner->uid != SUP_NO_ID || owner->gid != SUP_NO_ID;
    if (r == 0 && given && fchownat(fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) < 0) r = -errno;
    mode_t mode = socket->mode == SUP_NO_ID ? SUP_SOCKET_MODE : socket->mode;
    if (r == 0 && chmod(self, mode) < 0) r = -errno;
    *device = status.st_dev;
    *inode = status.st_ino;
    close(fd);
    return r;
}

void sup_listen_remove(int fd, uint64_t device, uint64_t inode)
{
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t size = sizeof address - 1;
    struct stat status;
    if (inode == 0 || getsockname(fd, (struct sockaddr *) &address, &size) < 0) return;
    if (address.sun_family != AF_UNIX || address.sun_path[0] != '/') return;
    if (lstat(address.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode)) return;
    if (status.st_dev == device && status.st_ino == inode) unlink(address.sun_path);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void set(int fd, int level, int name)
{
    int on = 1;
    setsockopt(fd, level, name, &on, sizeof on);
}

static void set_flags(int fd, const struct sup_socket *socket, int family,
                      const struct sup_socket_address *address)
{
    int v6_only = address->host == SUP_HOST_IPV6;
    if (family == AF_UNIX) return;
    /* Connections of a former life that linger must not keep us out. */
    if (address->type == SUP_SOCKET_TCP) set(fd, SOL_SOCKET, SO_REUSEADDR);
    if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
    if (socket->reuse_port) set(fd, SOL_SOCKET, SO_REUSEPORT);
    if (socket->free_bind) set(fd, IPPROTO_IP, IP_FREEBIND);
}

static const char *advise(int code, const struct sup_socket_address *address)
{
    bool is_file = address->type == SUP_SOCKET_UNIX;
    switch (code) {
    case -EADDRINUSE:
        return "another program has it: stop that one (ss -lnp shows it), or choose another";
    case -EACCES:
    case -EPERM:
        return is_file ? "make its folder writable for this user"
                       : "ports below 1024 are root's: run as root, or choose a higher one";
    case -EADDRNOTAVAIL:
        return "no interface has this address: correct it, or say free_bind = true if it comes "
               "later";
    case -EMFILE:
    case -ENFILE:
        return "raise the limit of open files";
    default:
        return "correct the address";
    }
}

/* All interfaces where there is no IPv6. */
static void fall_back(struct place *place, const struct sup_socket_address *address)
{
    struct sup_socket_address v4 = *address;
    v4.host = SUP_HOST_IPV4;
    memset(v4.ip, 0, sizeof v4.ip);
    fill_place(&v4, place);
}

static int make_socket(struct place *place, const struct sup_socket_address *address)
{
    int type = (address->type == SUP_SOCKET_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC;
    int fd = socket(place->address.ss_family, type, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && address->host == SUP_HOST_ANY &&
        place->address.ss_family == AF_INET6) {
        fall_back(place, address);
        fd = socket(AF_INET, type, 0);
    }
    return fd < 0 ? -errno : fd;
}

static int bind_file(int fd, const struct place *place, const struct sup_socket *socket,
                     const struct sup_socket_address *address, const struct sup_listen_owner *owner,
                     uint64_t *device, uint64_t *inode, const char **advice)
{
    int r = check_folder(address->path, owner, advice);
    if (r < 0) return r;
    fchmod(fd, 0); /* nobody can connect before mode and owner are right */
    if (bind(fd, (const void *) &place->address, place->size) < 0) {
        r = errno == EADDRINUSE ? remove_leftover(address->path, place, advice) : -errno;
        if (r < 0) return r;
        if (bind(fd, (const void *) &place->address, place->size) < 0) return -errno;
    }
    r = dress_file(address->path, socket, owner, device, inode);
    if (r < 0) unlink(address->path);
    return r;
}

static int bind_and_listen(int fd, const struct place *place, const struct sup_socket *socket,
                           const struct sup_socket_address *address,
                           const struct sup_listen_owner *owner, uint64_t *device, uint64_t *inode,
                           const char **advice)
{
    set_flags(fd, socket, place->address.ss_family, address);
    int r = 0;
    if (address->type == SUP_SOCKET_UNIX)
        r = bind_file(fd, place, socket, address, owner, device, inode, advice);
    else if (bind(fd, (const void *) &place->address, place->size) < 0) r = -errno;
    if (r < 0 || address->type == SUP_SOCKET_UDP) return r;
    return listen(fd, (int) socket->backlog) < 0 ? -errno : 0;
}

int sup_listen_open(const struct sup_socket *socket, const struct sup_listen_owner *owner,
                    uint64_t *device, uint64_t *inode, const char **advice)
{
    struct sup_socket_address address;
    struct place place;
    const char *hint;
    *device = *inode = 0;
    *advice = NULL;
    sup_socket_address_parse(socket->address, &address, &hint);
    fill_place(&address, &place);
    int fd = make_socket(&place, &address);
    int r =
        fd < 0 ? fd : bind_and_listen(fd, &place, socket, &address, owner, device, inode, advice);
    if (r < 0 && *advice == NULL) *advice = advise(r, &address);
    if (r >= 0) return fd;
    if (fd >= 0) close(fd);
    return r;
}

void sup_listen_adjust(int fd, const struct sup_socket *socket,
                       const struct sup_listen_owner *owner, uint64_t device, uint64_t inode)
{
    struct sup_socket_address address;
    const char *hint;
    sup_socket_address_parse(socket->address, &address, &hint);
    if (address.type == SUP_SOCKET_UNIX && inode != 0)
        dress_file(address.path, socket, owner, &device, &inode);
    if (address.type != SUP_SOCKET_UDP) listen(fd, (int) socket->backlog);
    if (socket->reuse_port && inode == 0) set(fd, SOL_SOCKET, SO_REUSEPORT);
}
