/*
** log/place.c: see place.h.
*/
#define _GNU_SOURCE
#include "log/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODE 0640
#define FOLDER_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC)

const char *sup_place_advice(int code)
{
    switch (code) {
    case -ENOENT:
        return "create its folder";
    case -EACCES:
    case -EPERM:
    case -EROFS:
        return "make it writable for this user";
    case -ELOOP:
        return "name the file itself, not a symbolic link";
    case -ENXIO:
        return "start the reader of the FIFO";
    case -EMFILE:
    case -ENFILE:
        return "raise the limit of open files";
    case -ENOSPC:
    case -EDQUOT:
        return "make room on its disk";
    case -EFBIG:
        return "raise the limit of file sizes, or move the file away and send USR1";
    case -ENOTDIR:
        return "a part of its path is no folder: correct the path";
    default:
        return "correct the path, or make the file writable";
    }
}

__attribute__((format(printf, 3, 4))) static int refuse(struct sup_place_fault *fault, int code,
                                                        const char *format, ...)
{
    va_list args;
    fault->code = code;
    va_start(args, format);
    vsnprintf(fault->text, sizeof(fault->text), format, args);
    va_end(args);
    return code;
}

static int refuse_plainly(struct sup_place_fault *fault, int code)
{
    return refuse(fault, code, "%s; %s", strerror(-code), sup_place_advice(code));
}

/* --- the folder ------------------------------------------------------------------------------- */

/* Where the kernel, or a filter around us, does not know openat2, the last link alone is
   refused. */
static int open_without_links(const char *path)
{
    struct open_how how = {
        .flags = FOLDER_FLAGS,
        .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) fd = open(path, FOLDER_FLAGS | O_NOFOLLOW);
    return fd < 0 ? -errno : (int) fd;
}

/* Name the link on the way to ${folder}, and the way around it. */
static int refuse_link(struct sup_place_fault *fault, const char *folder, const char *name)
{
    char part[PATH_MAX], real[PATH_MAX];
    struct stat status;
    for (size_t i = 1; folder[i - 1] != '\0'; i++) {
        if (folder[i] != '/' && folder[i] != '\0') continue;
        snprintf(part, sizeof(part), "%.*s", (int) i, folder);
        if (lstat(part, &status) < 0 || !S_ISLNK(status.st_mode)) continue;
        if (realpath(folder, real) == NULL) break;
        return refuse(fault, -ELOOP,
                      "%.160s on its path is a symbolic link, by which others could lead it "
                      "elsewhere; write the path without it: %.160s/%.80s",
                      part, real, name);
    }
    return refuse_plainly(fault, -ELOOP);
}

/* Is the user in ${group}? One of more groups than we know counts as in every one but our own. */
static bool has_group(const struct sup_log_settings *user, gid_t group)
{
    if (user->gid == group) return true;
    if (user->group_count > SUP_LOG_GROUPS) return group != getegid();
    for (uint32_t i = 0; i < user->group_count; i++)
        if (user->groups[i] == group) return true;
    return false;
}

/* May ${user} put another file in the place of one in that folder? */
static bool can_write(const struct stat *folder, const struct sup_log_settings *user)
{
    if (folder->st_uid == user->uid) return true; /* he can give himself the right */
    if ((folder->st_mode & S_IWOTH) != 0) return true;
    return (folder->st_mode & S_IWGRP) != 0 && has_group(user, folder->st_gid);
}

/*
** The folder itself must be closed to ${user}; those above too, but for folders such as /tmp, where
** nobody can move what belongs to others.
*/
static int check_folders(int folder, const struct sup_log_settings *user,
                         struct sup_place_fault *fault)
{
    struct stat status, above;
    int at = folder, code = 0;
    if (user->uid == 0 || user->uid == geteuid()) return 0;
    if (fstat(at, &status) < 0) return refuse_plainly(fault, -errno);
    for (bool first = true;; first = false) {
        bool sticky = (status.st_mode & S_ISVTX) != 0 && status.st_uid != user->uid && !first;
        if (can_write(&status, user) && !sticky) {
            code = refuse(fault, -EPERM,
                          "%s is writable by the user of the service (uid %u), who could put "
                          "something else in its place; choose a folder that only this user "
                          "(uid %u) can write to",
                          first ? "its folder" : "a folder on its path", user->uid,
                          (unsigned) geteuid());
            break;
        }
        int next = openat(at, "..", FOLDER_FLAGS);
        if (next < 0 || fstat(next, &above) < 0) {
            code = refuse_plainly(fault, -errno);
            if (next >= 0) close(next);
            break;
        }
        if (at != folder) close(at);
        at = next;
        if (above.st_dev == status.st_dev && above.st_ino == status.st_ino) break;
        status = above;
    }
    if (at != folder) close(at);
    return code;
}

int sup_place_open_folder(const char *path, const struct sup_log_settings *settings,
                          const char **name, struct sup_place_fault *fault)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t) (slash - path);
    if (path[0] != '/' || slash[1] == '\0') return refuse_plainly(fault, -EINVAL);
    if (size >= sizeof(folder)) return refuse_plainly(fault, -ENAMETOOLONG);
    memcpy(folder, path, size);
    folder[size] = '\0';
    *name = slash + 1;
    int fd = open_without_links(size == 0 ? "/" : folder);
    if (fd == -ELOOP) return refuse_link(fault, folder, *name);
    if (fd < 0) return refuse_plainly(fault, fd);
    int code = check_folders(fd, settings, fault);
    if (code == 0) return fd;
    close(fd);
    return code;
}

/* --- the file --------------------------------------------------------------------------------- */

static int check_file(const struct stat *status, struct sup_place_fault *fault)
{
    if (!S_ISREG(status->st_mode))
        return refuse(fault, -EINVAL,
                      "it is no regular file; name a file, or give the output to another service "
                      "with `to`");
    if (status->st_uid != geteuid())
        return refuse(fault, -EPERM,
                      "it belongs to another user (uid %u); remove it, or give it to this one "
                      "(chown %u)",
                      (unsigned) status->st_uid, (unsigned) geteuid());
    if (status->st_nlink > 1)
        return refuse(fault, -EMLINK,
                      "it has %lu names (hard links), of which another may be a file that must "
                      "not be written; remove it, or copy it",
                      (unsigned long) status->st_nlink);
    return 0;
}

int sup_place_open_file(int folder, const char *name, bool is_loose, struct sup_place_fault *fault)
{
    struct stat status;
    /* no O_APPEND: splice refuses it. O_NONBLOCK: a FIFO must not hold up everybody */
    int flags = O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
    int fd = openat(folder, name, flags | (is_loose ? O_WRONLY : O_RDWR), MODE);
    if (fd < 0) return refuse_plainly(fault, -errno);
    int code = fstat(fd, &status) < 0 ? refuse_plainly(fault, -errno) : 0;
    if (code == 0 && !(is_loose && !S_ISREG(status.st_mode))) code = check_file(&status, fault);
    if (code == 0) return fd;
    close(fd);
    return code;
}
