/*
** script/trust.c: who could change a file: its owner and mode, and those of the folders above it.
*/
#include "script/trust.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
** Is ${gid} the private group of the user ${uid}: of the same name, without other members? Such a
** group may write what its owner may write.
*/
static bool is_private_group(gid_t gid, uid_t uid)
{
    const struct group *group = getgrgid(gid);
    if (group == NULL) return false;
    char name[256];
    if (snprintf(name, sizeof name, "%s", group->gr_name) >= (int) sizeof name) return false;
    for (char **member = group->gr_mem; *member != NULL; member++)
        if (strcmp(*member, name) != 0) return false;
    const struct passwd *user = getpwuid(uid);
    return user != NULL && user->pw_gid == gid && strcmp(user->pw_name, name) == 0;
}

static int check_one(const char *path, bool is_above, struct sup_err *err)
{
    const char *what = is_above ? "its folder " : "";
    const char *name = is_above ? path : "the file";
    char hint[192];
    struct stat st;
    if (stat(path, &st) != 0) {
        int code = errno;
        return sup_err_set(err, -code, "", "Check the path and its permissions.",
                           "%s%s cannot be looked at: %s", what, name, strerror(code));
    }
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return sup_err_set(err, -EACCES, "",
                           "It decides what runs with your rights: chown it to yourself or to "
                           "root, or run suptree as its owner.",
                           "%s%s belongs to the user %u, who could change it", what, name,
                           (unsigned) st.st_uid);
    if (is_above && (st.st_mode & S_ISVTX) != 0) return 0;
    bool by_group =
        (st.st_mode & S_IWGRP) != 0 && st.st_gid != 0 && !is_private_group(st.st_gid, st.st_uid);
    if ((st.st_mode & S_IWOTH) == 0 && !by_group) return 0;
    snprintf(hint, sizeof hint, "It decides what runs with your rights: chmod go-w %.120s", path);
    return sup_err_set(err, -EACCES, "", hint, "%s%s can be changed by %s", what, name,
                       (st.st_mode & S_IWOTH) != 0 ? "everybody" : "its whole group");
}

int sup_trust_check(const char *path, struct sup_err *err)
{
    char real[PATH_MAX];
    if (realpath(path, real) == NULL) {
        int code = errno;
        return sup_err_set(err, -code, "", "Check the path and its permissions.",
                           "cannot be found: %s", strerror(code));
    }
    int rc = check_one(real, false, err);
    for (char *slash; rc == 0 && (slash = strrchr(real, '/')) != NULL;) {
        if (slash == real) return real[1] == '\0' ? 0 : check_one("/", true, err);
        *slash = '\0';
        rc = check_one(real, true, err);
    }
    return rc;
}
