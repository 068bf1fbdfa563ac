/*
** api_accounts.c: users and groups of this machine, by name or number, as they stand in a blob.
** Blocks on their databases.
*/
#include "api_options.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_SIZE 16384 /* what the system says of one user or group */
#define GROUPS_MAX 1024  /* of one user */

/* A number below the one that means none. */
static bool parse_id(const char *text, uint32_t *id)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number >= SUP_NO_ID)
        return false;
    *id = (uint32_t) number;
    return true;
}

static size_t put(unsigned char *out, const void *bytes, size_t size)
{
    memcpy(out, bytes, size);
    return size;
}

static size_t put_text(unsigned char *out, const char *text)
{
    return put(out, text == NULL ? "" : text, text == NULL ? 1 : strlen(text) + 1);
}

static size_t put_user(unsigned char *out, const struct passwd *user, const gid_t *groups,
                       uint32_t count)
{
    size_t size = put(out, &user->pw_uid, sizeof(uint32_t));
    size += put(out + size, &user->pw_gid, sizeof(uint32_t));
    size += put(out + size, &count, sizeof count);
    for (uint32_t i = 0; i < count; i++) size += put(out + size, &groups[i], sizeof(uint32_t));
    size += put_text(out + size, user->pw_name);
    size += put_text(out + size, user->pw_dir);
    return size + put_text(out + size, user->pw_shell);
}

int sup_user_encode(unsigned char *out, const char *text, size_t *size)
{
    struct passwd entry, *user = NULL;
    char room[ENTRY_SIZE];
    gid_t groups[GROUPS_MAX];
    int count = GROUPS_MAX;
    uint32_t id;
    bool is_number = parse_id(text, &id);
    if (is_number) getpwuid_r(id, &entry, room, sizeof room, &user);
    else getpwnam_r(text, &entry, room, sizeof room, &user);
    if (user == NULL && !is_number) return -ENOENT;
    if (user == NULL) {
        /* What it is called nobody knows, and its group is its own number. */
        entry = (struct passwd){.pw_uid = id, .pw_gid = id};
        *size = put_user(out, &entry, NULL, 0);
        return 0;
    }
    if (getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0) count = GROUPS_MAX;
    *size = put_user(out, user, groups, (uint32_t) count);
    return 0;
}

int sup_group_encode(unsigned char *out, const char *text, size_t *size)
{
    struct group entry, *group = NULL;
    char room[ENTRY_SIZE];
    uint32_t id;
    if (!parse_id(text, &id)) {
        getgrnam_r(text, &entry, room, sizeof room, &group);
        if (group == NULL) return -ENOENT;
        id = group->gr_gid;
    }
    *size = put(out, &id, sizeof id);
    return 0;
}
