/*
** script/place.c: folders, locks and listening sockets in the file system. Must not know the
** protocol.
**
** What stands in a folder of somebody else's is never used: it could be his.
*/
#include "script/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128
#define NO_GROUP ((gid_t) -1)
#define LOCK_TRIES 100 /* somebody else's end takes the lock file away under our hands */

/* --- folders ---------------------------------------------------------------------------------- */

/* $XDG_RUNTIME_DIR if it is ours to use: absolute, and owned by this user. */
static const char *runtime_folder(void)
{
    struct stat info;
    const char *path = secure_getenv("XDG_RUNTIME_DIR");
    if (path == NULL || path[0] != '/') return NULL;
    if (stat(path, &info) < 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid()) return NULL;
    return path;
}

char *sup_place_own(char *buf, size_t size)
{
    const char *runtime = runtime_folder();
    if (runtime != NULL) snprintf(buf, size, "%s/suptree", runtime);
    else if (geteuid() == 0) snprintf(buf, size, "/run/suptree");
    else snprintf(buf, size, "/tmp/suptree-%u", (unsigned) geteuid());
    return buf;
}

/* What is wrong with the open folder ${fd}: NULL: nothing. */
static const char *find_fault(int fd)
{
    struct stat info;
    if (fstat(fd, &info) < 0) return "it cannot be read";
    if (info.st_uid != geteuid()) return "it belongs to somebody else";
    if ((info.st_mode & 022) != 0) return "others may write in it";
    return NULL;
}

/* Only members of ${group} may look into the folder, beside its owner. */
static int admit_group(int fd, const char *path, gid_t group, struct sup_err *err)
{
    struct stat info;
    if (fstat(fd, &info) == 0 && info.st_gid == group && (info.st_mode & 0777) == 0750) return 0;
    if (fchown(fd, (uid_t) -1, group) == 0 && fchmod(fd, 0750) == 0) return 0;
    return sup_err_set(err, -errno, path, "start the tree as root or as a member of the group",
                       "it cannot be opened to control_group: %s", strerror(errno));
}

static int open_folder(const char *path, gid_t group, struct sup_err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return sup_err_set(err, -errno, path, "set XDG_RUNTIME_DIR to a folder of yours",
                           "the folder cannot be made: %s", strerror(errno));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return sup_err_set(err, -errno, path, "set XDG_RUNTIME_DIR to a folder of yours",
                           "the folder cannot be opened: %s", strerror(errno));
    const char *fault = find_fault(fd);
    int r = 0;
    if (fault != NULL)
        r = sup_err_set(err, -EPERM, path, "remove it, or set XDG_RUNTIME_DIR to a folder of yours",
                        "%s", fault);
    else if (group != NO_GROUP) r = admit_group(fd, path, group, err);
    if (r == 0) return fd;
    close(fd);
    return r;
}

/* --- the lock --------------------------------------------------------------------------------- */

static pid_t read_holder(int lock)
{
    char text[32] = "";
    ssize_t size = pread(lock, text, sizeof text - 1, 0);
    return size > 0 ? (pid_t) strtol(text, NULL, 10) : 0;
}

static int write_holder(int lock)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%d\n", (int) getpid());
    if (ftruncate(lock, 0) < 0) return -errno;
    return pwrite(lock, text, (size_t) size, 0) == size ? 0 : -EIO;
}

/* Does ${name} in ${folder} still stand for the file ${fd}? */
static bool is_same_file(int folder, const char *name, int fd)
{
    struct stat here, there;
    return fstat(fd, &here) == 0 && fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* Open and lock ${name}. Returns the descriptor, -EBUSY with *holder, or -errno. */
static int take_lock(int folder, const char *name, pid_t *holder)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        int fd = openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0) return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            int error = errno;
            *holder = read_holder(fd);
            close(fd);
            return error == EWOULDBLOCK ? -EBUSY : -error;
        }
        if (is_same_file(folder, name, fd)) {
            int r = write_holder(fd);
            if (r == 0) return fd;
            close(fd);
            return r;
        }
        close(fd);
    }
    return -EBUSY;
}

/* --- the socket ------------------------------------------------------------------------------- */

static int listen_at(int folder, const char *path, const char *name, gid_t group)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path) + 1;
    if (size > sizeof address.sun_path) return -ENAMETOOLONG;
    memcpy(address.sun_path, path, size);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    unlinkat(folder, name, 0); /* what is left of one that has ended: we have its lock */
    mode_t mask = umask(0177);
    int r = bind(fd, (struct sockaddr *) &address, sizeof address) < 0 ? -errno : 0;
    umask(mask);
    if (r == 0 && group != NO_GROUP &&
        (fchownat(folder, name, (uid_t) -1, group, AT_SYMLINK_NOFOLLOW) < 0 ||
         fchmodat(folder, name, 0660, 0) < 0))
        r = -errno;
    if (r == 0 && listen(fd, BACKLOG) < 0) r = -errno;
    if (r == 0) return fd;
    close(fd);
    return r;
}

static int claim_in(struct sup_claim *claim, int folder, const char *name, gid_t group,
                    struct sup_err *err)
{
    char lock[SUP_PLACE_PATH], socket[SUP_PLACE_PATH];
    snprintf(lock, sizeof lock, "%s.lock", name);
    snprintf(socket, sizeof socket, "%s.sock", name);
    claim->lock = take_lock(folder, lock, &claim->holder);
    if (claim->lock == -EBUSY) return -EBUSY;
    if (claim->lock < 0)
        return sup_err_set(err, claim->lock, lock, "", "it cannot be locked: %s",
                           strerror(-claim->lock));
    claim->socket = listen_at(folder, claim->path, socket, group);
    if (claim->socket >= 0) return 0;
    close(claim->lock);
    return sup_err_set(err, claim->socket, claim->path, "", "it cannot be made: %s",
                       strerror(-claim->socket));
}

int sup_place_claim(struct sup_claim *claim, const char *name, gid_t group, struct sup_err *err)
{
    char path[SUP_PLACE_PATH];
    *claim = (struct sup_claim){.socket = -1, .lock = -1};
    sup_place_own(path, sizeof path);
    int length = snprintf(claim->path, sizeof claim->path, "%s/%s.sock", path, name);
    if (length < 0 || (size_t) length >= sizeof((struct sockaddr_un *) NULL)->sun_path)
        return sup_err_set(err, -ENAMETOOLONG, path,
                           "give the tree a shorter name, or set XDG_RUNTIME_DIR to a shorter path",
                           "the path of the socket would be too long");
    int folder = open_folder(path, group, err);
    if (folder < 0) return folder;
    int r = claim_in(claim, folder, name, group, err);
    close(folder);
    return r;
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool address_of(int socket, struct sockaddr_un *address)
{
    socklen_t size = sizeof *address;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    return getsockname(socket, (struct sockaddr *) address, &size) == 0 &&
           address->sun_path[0] == '/' && memchr(address->sun_path, '\0', sizeof address->sun_path);
}

void sup_place_leave(int socket, int lock)
{
    struct sockaddr_un address;
    char path[sizeof address.sun_path + 8];
    if (!address_of(socket, &address)) return;
    size_t length = strlen(address.sun_path);
    if (length < 5) return;
    snprintf(path, sizeof path, "%.*s.lock", (int) (length - 5), address.sun_path);
    if (!is_same_file(AT_FDCWD, path, lock)) return;
    unlink(address.sun_path);
    unlink(path);
}
